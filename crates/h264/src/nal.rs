//! NAL unit headers and payloads.

use smallvec::SmallVec;

/// `nal_unit_type` (14496-10 table 7-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NalType {
    /// 1: a slice of a picture that is no IDR.
    Slice,
    /// 2: slice data partition A.
    PartitionA,
    /// 3: slice data partition B.
    PartitionB,
    /// 4: slice data partition C.
    PartitionC,
    /// 5: a slice of an IDR picture.
    Idr,
    /// 6: supplemental enhancement information.
    Sei,
    /// 7: sequence parameter set.
    Sps,
    /// 8: picture parameter set.
    Pps,
    /// 9.
    AccessUnitDelimiter,
    /// 10.
    EndOfSequence,
    /// 11.
    EndOfStream,
    /// 12: filler data.
    Filler,
    /// All others; 0 also stands for a NAL unit without a header byte.
    Other(u8),
}

impl NalType {
    fn from_id(id: u8) -> Self {
        match id {
            1 => Self::Slice,
            2 => Self::PartitionA,
            3 => Self::PartitionB,
            4 => Self::PartitionC,
            5 => Self::Idr,
            6 => Self::Sei,
            7 => Self::Sps,
            8 => Self::Pps,
            9 => Self::AccessUnitDelimiter,
            10 => Self::EndOfSequence,
            11 => Self::EndOfStream,
            12 => Self::Filler,
            other => Self::Other(other),
        }
    }
}

/// The type of a NAL unit (14496-10 7.4.1).
#[must_use]
pub fn nal_type(nal_unit: &[u8]) -> NalType {
    NalType::from_id(nal_unit.first().map_or(0, |header| header & 0x1f))
}

/// `nal_ref_idc`, 0 to 3 (14496-10 7.4.1): 0 in a slice says that no other picture refers to it.
#[must_use]
pub fn nal_ref_idc(nal_unit: &[u8]) -> u8 {
    nal_unit.first().map_or(0, |header| (header >> 5) & 3)
}

/// The first `max_bytes` of the payload after the header byte, without emulation prevention bytes
/// (14496-10 7.3.1).
///
/// Lenient: a byte sequence that may not occur in a NAL unit is taken as it is.
///
/// What tells pictures apart is within 64 bytes, which take no allocation.
pub(crate) fn rbsp(nal_unit: &[u8], max_bytes: usize) -> SmallVec<[u8; 64]> {
    let mut zeros: u8 = 0;
    let keep = |&byte: &u8| {
        let is_prevention = zeros >= 2 && byte == 3;
        zeros = if byte == 0 { zeros.saturating_add(1) } else { 0 };
        !is_prevention
    };
    nal_unit.iter().skip(1).take(max_bytes).copied().filter(keep).collect()
}

/// Puts the whole payload after the header byte into `out`, without emulation prevention bytes and
/// in place of what was there (14496-10 7.3.1). As lenient as the parsers of this crate: a byte
/// sequence that may not occur in a NAL unit is taken as it is.
pub fn write_rbsp(nal_unit: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = nal_unit.get(1..).unwrap_or_default();
    while let Some(prevention) = emulation_prevention(rest) {
        let (before, after) = rest.split_at_checked(prevention).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        rest = after.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Where the first emulation prevention byte is. Words without a zero byte, which nearly all are,
/// are passed over eight bytes at a time.
fn emulation_prevention(bytes: &[u8]) -> Option<usize> {
    let mut start: usize = 0;
    loop {
        let window = bytes.get(start..start.saturating_add(8));
        let word = window.and_then(|window| window.try_into().ok()).map(u64::from_le_bytes);
        if word.is_some_and(|word| !has_zero_byte(word)) {
            start = start.saturating_add(8);
            continue;
        }
        // A sequence that begins in this word ends two bytes behind it.
        let end = bytes.len().min(start.saturating_add(10));
        let here = bytes.get(start..end)?;
        if let Some(index) = here.windows(3).position(|three| three == [0, 0, 3]) {
            return Some(start.saturating_add(index).saturating_add(2));
        }
        start = start.saturating_add(8);
        if start >= bytes.len() {
            return None;
        }
    }
}

fn has_zero_byte(word: u64) -> bool {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    word.wrapping_sub(LOW) & !word & HIGH != 0
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn s7_4_1_header_fields() {
        assert_eq!((nal_type(&[0x67]), nal_ref_idc(&[0x67])), (NalType::Sps, 3));
        assert_eq!((nal_type(&[0x01]), nal_ref_idc(&[0x01])), (NalType::Slice, 0));
        assert_eq!((nal_type(&[0x7f]), nal_ref_idc(&[0x7f])), (NalType::Other(31), 3));
        assert_eq!((nal_type(&[]), nal_ref_idc(&[])), (NalType::Other(0), 0));
    }

    #[test]
    fn s7_3_1_emulation_prevention_bytes_go() {
        assert_eq!(
            rbsp(&hex!("67 000003 00 000003 03 0003"), 100)[..],
            hex!("0000 00 0000 03 0003")
        );
        assert_eq!(
            rbsp(&hex!("67 00000003 01"), 100)[..],
            hex!("000000 01"),
            "more than two zeros"
        );
        assert_eq!(rbsp(&hex!("67 010203"), 2)[..], hex!("0102"));
        assert!(rbsp(&[], 2).is_empty());
    }

    #[test]
    fn s7_3_1_both_ways_of_taking_them_out_agree() {
        let mut out = Vec::new();
        // Every text of eleven of these bytes, at every distance from a word's start.
        for text in 0..3u32.pow(11) {
            let digits = (0..11).map(|place| [0, 3, 7][(text / 3u32.pow(place) % 3) as usize]);
            for lead in [0, 5] {
                let nal_unit: Vec<u8> =
                    std::iter::repeat_n(9, lead).chain(digits.clone()).collect();
                write_rbsp(&nal_unit, &mut out);
                assert_eq!(out[..], rbsp(&nal_unit, 100)[..], "{nal_unit:?}");
            }
        }
    }
}
