//! The parameter sets of a stream.

use bytes::Bytes;
use h264_reader::rbsp::{BitRead, BitReader};

use crate::sps::MAX_SPS_ID;
use crate::{Limits, NalType, nal, nal_type};

/// The sequence and picture parameter sets in force, one for each id, as NAL units without framing.
///
/// Its own copies: a slice would keep the whole message that it came in alive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterSets {
    /// Sequence parameter sets, in the order their ids came.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, in the order their ids came.
    pub pps: Vec<Bytes>,
}

impl ParameterSets {
    /// Whether there is none of either kind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sps.is_empty() && self.pps.is_empty()
    }

    /// All of them, SPS before PPS as decoders want them.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.sps.iter().chain(&self.pps).map(|set| &set[..])
    }

    /// Takes over newer parameter sets: each replaces the one with its id (14496-10 7.4.1.2.1).
    /// Returns whether anything is different now.
    pub fn update(&mut self, newer: &Self) -> bool {
        let mut changed = false;
        for nal_unit in newer.iter() {
            changed |= self.insert(nal_unit);
        }
        changed
    }

    /// Puts in an SPS or PPS in place of the one with its id; returns whether that changed
    /// anything. Other NAL units, those without a legal id, and what would go over the [`Limits`]
    /// are left out.
    pub fn insert(&mut self, nal_unit: &[u8]) -> bool {
        let Some(id) = id_of(nal_unit) else { return false };
        if self.iter().any(|known| known == nal_unit) || !self.has_room_for(nal_unit) {
            return false;
        }
        let list = if nal_type(nal_unit) == NalType::Sps { &mut self.sps } else { &mut self.pps };
        let nal_unit = Bytes::copy_from_slice(nal_unit);
        match list.iter_mut().find(|known| id_of(known) == Some(id)) {
            Some(known) => *known = nal_unit,
            None => list.push(nal_unit),
        }
        true
    }

    fn has_room_for(&self, nal_unit: &[u8]) -> bool {
        let total = self.iter().map(<[u8]>::len).fold(nal_unit.len(), usize::saturating_add);
        nal_unit.len() <= Limits::DEFAULT.max_parameter_set_bytes
            && total <= Limits::DEFAULT.max_parameter_sets_bytes
    }
}

impl<'a> FromIterator<&'a [u8]> for ParameterSets {
    /// The SPS and PPS among these NAL units.
    fn from_iter<T: IntoIterator<Item = &'a [u8]>>(nal_units: T) -> Self {
        let mut sets = Self::default();
        for nal_unit in nal_units {
            sets.insert(nal_unit);
        }
        sets
    }
}

/// `seq_parameter_set_id`, 0 to 31, or `pic_parameter_set_id`, 0 to 255 (14496-10 7.4.2.1.1,
/// 7.4.2.2).
fn id_of(nal_unit: &[u8]) -> Option<u32> {
    let (header_bytes, max) = match nal_type(nal_unit) {
        NalType::Sps => (3, MAX_SPS_ID.into()),
        NalType::Pps => (0, u8::MAX.into()),
        _ => return None,
    };
    let rbsp = nal::rbsp(nal_unit, Limits::DEFAULT.max_parameter_set_id_bytes);
    let id = BitReader::new(rbsp.get(header_bytes..)?).read_ue("id").ok()?;
    (id <= max).then_some(id)
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn sets(nal_units: &[&[u8]]) -> ParameterSets {
        nal_units.iter().copied().collect()
    }

    #[test]
    fn s7_4_1_2_1_an_equal_id_replaces_and_another_is_added() {
        let mut current = sets(&[&hex!("6742001e80"), &hex!("68c0")]);
        assert!(!current.update(&current.clone()), "repeated");
        assert!(current.update(&sets(&[&hex!("6764001f80")])), "same id");
        assert_eq!(current.sps, [&hex!("6764001f80")[..]]);
        assert!(current.update(&sets(&[&hex!("6842")])), "id 1");
        assert_eq!(current.pps, [&hex!("68c0")[..], &hex!("6842")]);
        assert_eq!(current.iter().count(), 3);
    }

    #[test]
    fn what_has_no_legal_id_is_left_out() {
        // An SPS of three bytes, one with id 32, an empty PPS, a slice.
        let none =
            sets(&[&hex!("674200"), &hex!("6742001e 0420"), &hex!("68"), &hex!("6588"), &[]]);
        assert!(none.is_empty());
    }

    #[test]
    fn limits_hold_for_one_and_for_all_together() {
        let big =
            |id: u8, len: usize| [vec![0x67, 66, 0, 30, 0x80 >> id], vec![0xff; len]].concat();
        assert!(sets(&[&big(0, 2044)]).is_empty());
        let pps: Vec<_> =
            (0..64u8).map(|id| [vec![0x68, 1, id << 2 | 2], vec![0x55; 200]].concat()).collect();
        let total: usize =
            pps.iter().map(|pps| &pps[..]).collect::<ParameterSets>().iter().map(<[u8]>::len).sum();
        assert!((3_850..=4_096).contains(&total), "{total}");
    }
}
