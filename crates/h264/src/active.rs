//! Which parameter sets a picture is coded by.

use media::NalUnits;

use crate::bits::Bits;
use crate::{Error, NalType, ParameterSets, Pps, Sps, nal, nal_type};

impl ParameterSets {
    /// The SPS that a slice is coded by: the one that its PPS refers to (14496-10 7.4.1.2.1),
    /// however many there are. `None` where the slice header or the PPS cannot be read, or one of
    /// the sets is not there.
    #[must_use]
    pub fn sps_of(&self, slice: &[u8]) -> Option<&[u8]> {
        let pps_id = pps_id(slice)?;
        let ids = self.pps.iter().filter_map(|pps| ids_of_pps(pps).ok());
        let (_, sps_id) = ids.filter(|(id, _)| *id == pps_id).last()?;
        self.sps.iter().find(|sps| self::sps_id(sps) == Some(sps_id)).map(|sps| &sps[..])
    }

    /// The sets that an access unit is coded by, SPS first: the PPS that its slices name, and the
    /// SPS that those name (14496-10 7.4.1.2.1). The first of a kind stands for one that cannot be
    /// told, as in a slice that cannot be read.
    #[must_use]
    pub fn used_by(&self, nal_units: &NalUnits) -> Vec<&[u8]> {
        if self.sps.len() <= 1 && self.pps.len() <= 1 {
            return self.iter().collect();
        }
        // Each slice and each set is looked at once, however many of both a publisher sends.
        let mut named_pps = [false; 256];
        for id in nal_units.iter().filter_map(pps_id) {
            mark(&mut named_pps, id);
        }
        let mut named_sps = [false; 32];
        let mut pps: Vec<&[u8]> = Vec::new();
        for set in &self.pps {
            if let Ok((id, sps_id)) = ids_of_pps(set)
                && is_marked(&named_pps, id)
            {
                pps.push(set);
                mark(&mut named_sps, sps_id);
            }
        }
        let is_named = |sps: &&[u8]| sps_id(sps).is_some_and(|id| is_marked(&named_sps, id));
        let mut used: Vec<&[u8]> = self.sps.iter().map(|sps| &sps[..]).filter(is_named).collect();
        if used.is_empty() {
            used.extend(self.sps.first().map(|sps| &sps[..]));
        }
        if pps.is_empty() {
            used.extend(self.pps.first().map(|pps| &pps[..]));
        }
        used.extend(pps);
        used
    }

    /// The SPS with this id, and the PPS that refer to it or cannot be read: all that a decoder
    /// needs while it is in force.
    #[must_use]
    pub fn of_sps(&self, sps_id: u32) -> Self {
        let is_its =
            |pps: &[u8]| ids_of_pps(pps).map_or(true, |(_, refers_to)| refers_to == sps_id);
        Self {
            sps: self.sps.iter().filter(|sps| self::sps_id(sps) == Some(sps_id)).cloned().collect(),
            pps: self.pps.iter().filter(|pps| is_its(pps)).cloned().collect(),
        }
    }
}

/// Parameter sets that have been read: what slice headers need.
#[derive(Clone, Debug, Default)]
pub struct ParsedSets {
    sps: Vec<Sps>,
    pps: Vec<Pps>,
}

impl ParsedSets {
    /// Reads them; those that cannot be read are left out.
    #[must_use]
    pub fn new(sets: &ParameterSets) -> Self {
        Self {
            sps: sets.sps.iter().filter_map(|sps| Sps::parse(sps).ok()).collect(),
            pps: sets.pps.iter().filter_map(|pps| Pps::parse(pps).ok()).collect(),
        }
    }

    /// The SPS that came first.
    #[must_use]
    pub fn first_sps(&self) -> Option<&Sps> {
        self.sps.first()
    }

    /// The SPS with this id.
    #[must_use]
    pub fn sps(&self, id: u32) -> Option<&Sps> {
        self.sps.iter().find(|sps| sps.id == id)
    }

    /// The PPS with this id, and the SPS that it refers to.
    #[must_use]
    pub fn of_pps(&self, pic_parameter_set_id: u32) -> Option<(&Sps, &Pps)> {
        let pps = self.pps.iter().find(|pps| pps.id == pic_parameter_set_id)?;
        Some((self.sps(pps.sps_id)?, pps))
    }

    /// The SPS that a slice is coded by (14496-10 7.4.1.2.1).
    #[must_use]
    pub fn sps_of(&self, slice: &[u8]) -> Option<&Sps> {
        self.of_pps(pps_id(slice)?).map(|(sps, _)| sps)
    }
}

fn mark(ids: &mut [bool], id: u32) {
    if let Some(mark) = ids.get_mut(id as usize) {
        *mark = true;
    }
}

fn is_marked(ids: &[bool], id: u32) -> bool {
    ids.get(id as usize).copied().unwrap_or(false)
}

/// `pic_parameter_set_id` of a slice header (14496-10 7.3.3).
fn pps_id(slice: &[u8]) -> Option<u32> {
    if !matches!(nal_type(slice), NalType::Slice | NalType::PartitionA | NalType::Idr) {
        return None;
    }
    // A macroblock address of 35 bits, a type of 7 and an id of 17: eight bytes at most, and
    // emulation prevention.
    let rbsp = nal::rbsp(slice, 16);
    read_pps_id(&mut Bits::new(&rbsp, "slice header")).ok()
}

fn read_pps_id(bits: &mut Bits<'_>) -> Result<u32, Error> {
    bits.ue(u32::MAX, "first_mb_in_slice")?;
    bits.ue(9, "slice_type")?;
    bits.ue(255, "pic_parameter_set_id")
}

/// `pic_parameter_set_id` and `seq_parameter_set_id` of a PPS (14496-10 7.3.2.2), whatever follows.
fn ids_of_pps(pps: &[u8]) -> Result<(u32, u32), Error> {
    let rbsp = nal::rbsp(pps, 8);
    let bits = &mut Bits::new(&rbsp, "PPS");
    Ok((bits.ue(255, "pic_parameter_set_id")?, bits.ue(31, "seq_parameter_set_id")?))
}

/// `seq_parameter_set_id` behind profile, constraints and level (14496-10 7.3.2.1.1).
fn sps_id(sps: &[u8]) -> Option<u32> {
    let rbsp = nal::rbsp(sps, 8);
    Bits::new(rbsp.get(3..)?, "SPS").ue(31, "seq_parameter_set_id").ok()
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
        let in_force = sets.of_sps(1);
        assert_eq!(
            (in_force.sps, in_force.pps),
            (vec![sets.sps[1].clone()], vec![sets.pps[0].clone()])
        );
    }

    #[test]
    fn s7_4_1_2_1_only_the_sets_that_the_slices_name_are_used() {
        let sps = [&hex!("6742001e80")[..], &hex!("6742001e40")];
        let pps = [&hex!("68a700")[..], &hex!("685380")];
        let sets: ParameterSets = sps.into_iter().chain(pps).collect();
        let used = |nal_units: &[&[u8]]| {
            let mut annexb = Vec::new();
            crate::annexb::write(nal_units.iter().copied(), &mut annexb);
            sets.used_by(&crate::annexb::nal_units(annexb.into()))
                .into_iter()
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        };
        let of_pps_0 = &hex!("65 8880")[..];
        let of_pps_1 = &hex!("65 8840")[..];
        assert_eq!(used(&[of_pps_0]), [sps[1], pps[0]]);
        assert_eq!(used(&[of_pps_1, of_pps_1]), [sps[0], pps[1]]);
        assert_eq!(used(&[of_pps_0, of_pps_1]), [sps[0], sps[1], pps[0], pps[1]]);
        assert_eq!(used(&[&hex!("65 88")]), [sps[0], pps[0]], "nothing can be told");
        let one: ParameterSets = [sps[1], pps[0]].into_iter().collect();
        assert_eq!(one.used_by(&NalUnits::default()), [sps[1], pps[0]]);
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
