//! Which parameter sets a picture is coded by.

use h264_reader::rbsp::{BitRead, BitReader, BitReaderError};

use crate::{NalType, ParameterSets, Pps, nal, nal_type};

impl ParameterSets {
    /// The SPS that a slice is coded by: the one that its PPS refers to (14496-10 7.4.1.2.1),
    /// however many there are. `None` where the slice header or the PPS cannot be read, or one of
    /// the sets is not there.
    #[must_use]
    pub fn sps_of(&self, slice: &[u8]) -> Option<&[u8]> {
        let pps_id = pps_id(slice)?;
        let pps = self.pps.iter().filter_map(|pps| Pps::parse(pps).ok());
        let sps_id = pps.filter(|pps| pps.id == pps_id).last()?.sps_id;
        self.sps.iter().find(|sps| self::sps_id(sps) == Some(sps_id)).map(|sps| &sps[..])
    }
}

/// `pic_parameter_set_id` of a slice header (14496-10 7.3.3).
fn pps_id(slice: &[u8]) -> Option<u32> {
    if !matches!(nal_type(slice), NalType::Slice | NalType::PartitionA | NalType::Idr) {
        return None;
    }
    // A macroblock address of 35 bits, a type of 7 and an id of 17: eight bytes at most, and
    // emulation prevention.
    let rbsp = nal::rbsp(slice, 16);
    read_pps_id(&mut BitReader::new(&rbsp[..])).ok()
}

fn read_pps_id(bits: &mut impl BitRead) -> Result<u32, BitReaderError> {
    let _ = bits.read_ue("first_mb_in_slice")?;
    let _ = bits.read_ue("slice_type")?;
    bits.read_ue("pic_parameter_set_id")
}

/// `seq_parameter_set_id` behind profile, constraints and level (14496-10 7.3.2.1.1).
fn sps_id(sps: &[u8]) -> Option<u32> {
    let rbsp = nal::rbsp(sps, 8);
    BitReader::new(rbsp.get(3..)?).read_ue("seq_parameter_set_id").ok()
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn s7_4_1_2_1_a_slice_refers_to_its_sps_by_its_pps() {
        // SPS 0 and 1; PPS 0 of SPS 1, PPS 1 of SPS 0.
        let sps = [hex!("6742001e80"), hex!("6742001e40")];
        let pps = [hex!("68a700"), hex!("685380")];
        let sets: ParameterSets =
            sps.iter().map(|set| &set[..]).chain(pps.iter().map(|set| &set[..])).collect();
        // An I slice from macroblock 0 on: 1, 00110 (5), or 0001000 (7); then PPS 0 (1) or 1 (010).
        let of_pps_0 = hex!("65 8880");
        let of_pps_1 = hex!("65 8840");
        assert_eq!(sets.sps_of(&of_pps_0), Some(&sps[1][..]));
        assert_eq!(sets.sps_of(&of_pps_1), Some(&sps[0][..]));
    }

    #[test]
    fn what_is_missing_or_cut_gives_none() {
        let sets: ParameterSets = [&hex!("6742001e80")[..], &hex!("68a700")].into_iter().collect();
        for slice in [
            &hex!("65 8880")[..],
            &hex!("65 8840"),
            &hex!("65 88"),
            &hex!("65"),
            &hex!("09 8880"),
            &[],
        ] {
            assert_eq!(sets.sps_of(slice), None, "{slice:02x?}");
        }
    }
}
