//! Scaling lists and how they fall back on each other.

use h264_reader::rbsp::{BitRead, BitReaderError};

/// Scaling lists of 4:2:0 and monochrome: six of 4x4, two of 8x8 (14496-10 table 7-2).
const LISTS: usize = 8;
const LISTS_4X4: usize = 6;

/// The scaling lists of one parameter set as they are coded (14496-10 7.3.2.1.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalingLists {
    lists: [ScalingList; LISTS],
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ScalingList {
    /// `scaling_list_present_flag` is 0: the list before it, or the fall-back.
    FallBack,
    /// `UseDefaultScalingMatrixFlag`.
    Default,
    /// Its scales in zig-zag order; the first 16 of a 4x4 list.
    Coded([u8; 64]),
}

/// The scales that hold for a picture, each list in zig-zag order as it is coded (14496-10 8.5.6),
/// 1 to 255.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalingMatrix {
    /// Intra Y, Cb, Cr, inter Y, Cb, Cr.
    pub lists_4x4: [[u8; 16]; LISTS_4X4],
    /// Intra Y, inter Y.
    pub lists_8x8: [[u8; 64]; 2],
}

impl ScalingMatrix {
    /// `Flat_4x4_16` and `Flat_8x8_16`: what holds where no list is coded.
    pub const FLAT: Self = Self { lists_4x4: [[16; 16]; LISTS_4X4], lists_8x8: [[16; 64]; 2] };

    /// `Default_4x4_Intra` to `Default_8x8_Inter` (14496-10 tables 7-3 and 7-4).
    const DEFAULT: Self = Self {
        lists_4x4: [
            DEFAULT_4X4_INTRA,
            DEFAULT_4X4_INTRA,
            DEFAULT_4X4_INTRA,
            DEFAULT_4X4_INTER,
            DEFAULT_4X4_INTER,
            DEFAULT_4X4_INTER,
        ],
        lists_8x8: [DEFAULT_8X8_INTRA, DEFAULT_8X8_INTER],
    };

    /// The scales of pictures with these parameter sets, where each says whether it has lists:
    /// fall-back rule set A for the SPS, B for the PPS unless the SPS has none (14496-10 7.4.2.2,
    /// table 7-2).
    #[must_use]
    pub fn new(sps: Option<&ScalingLists>, pps: Option<&ScalingLists>) -> Self {
        let of_sequence = sps.map(|lists| lists.over(&Self::DEFAULT));
        match (pps, of_sequence) {
            (Some(lists), Some(of_sequence)) => lists.over(&of_sequence),
            (Some(lists), None) => lists.over(&Self::DEFAULT),
            (None, of_sequence) => of_sequence.unwrap_or(Self::FLAT),
        }
    }
}

impl ScalingLists {
    /// Reads the lists after `scaling_matrix_present_flag`. Those past the eight of 4:2:0 are
    /// skipped; deltas that no scale can have wrap around, as decoders let them.
    pub(crate) fn read(bits: &mut impl BitRead, count: usize) -> Result<Self, BitReaderError> {
        let mut lists = [const { ScalingList::FallBack }; LISTS];
        for index in 0..count {
            if bits.read_bit("scaling_list_present_flag")? {
                let list = ScalingList::read(bits, if index < LISTS_4X4 { 16 } else { 64 })?;
                if let Some(slot) = lists.get_mut(index) {
                    *slot = list;
                }
            }
        }
        Ok(Self { lists })
    }

    /// The first list of each kind falls back on `base`, each other one on that before it.
    fn over(&self, base: &ScalingMatrix) -> ScalingMatrix {
        let mut matrix = base.clone();
        let (coded_4x4, coded_8x8) = self.lists.split_at(LISTS_4X4);
        let mut previous = [0; 16];
        for (index, (list, scales)) in coded_4x4.iter().zip(&mut matrix.lists_4x4).enumerate() {
            match list {
                ScalingList::FallBack if index % 3 == 0 => {}
                ScalingList::FallBack => *scales = previous,
                ScalingList::Default if index < 3 => *scales = DEFAULT_4X4_INTRA,
                ScalingList::Default => *scales = DEFAULT_4X4_INTER,
                ScalingList::Coded(coded) => {
                    scales.iter_mut().zip(coded).for_each(|(scale, &coded)| *scale = coded);
                }
            }
            previous = *scales;
        }
        let defaults = ScalingMatrix::DEFAULT.lists_8x8;
        for ((list, scales), default) in coded_8x8.iter().zip(&mut matrix.lists_8x8).zip(defaults) {
            match list {
                ScalingList::FallBack => {}
                ScalingList::Default => *scales = default,
                ScalingList::Coded(coded) => *scales = *coded,
            }
        }
        matrix
    }
}

impl ScalingList {
    /// `scaling_list()`: the deltas end early where the next scale becomes zero, and the last scale
    /// goes on.
    fn read(bits: &mut impl BitRead, len: usize) -> Result<Self, BitReaderError> {
        let mut scales = [0; 64];
        let mut last: u8 = 8;
        let mut next: u8 = 8;
        for (index, slot) in scales.iter_mut().take(len).enumerate() {
            if next != 0 {
                let [delta, ..] = bits.read_se("delta_scale")?.to_le_bytes();
                next = last.wrapping_add(delta);
                if next == 0 && index == 0 {
                    return Ok(Self::Default);
                }
            }
            last = if next == 0 { last } else { next };
            *slot = last;
        }
        Ok(Self::Coded(scales))
    }
}

const DEFAULT_4X4_INTRA: [u8; 16] = [6, 13, 13, 20, 20, 20, 28, 28, 28, 28, 32, 32, 32, 37, 37, 42];
const DEFAULT_4X4_INTER: [u8; 16] =
    [10, 14, 14, 20, 20, 20, 24, 24, 24, 24, 27, 27, 27, 30, 30, 34];
const DEFAULT_8X8_INTRA: [u8; 64] = [
    6, 10, 10, 13, 11, 13, 16, 16, 16, 16, 18, 18, 18, 18, 18, 23, 23, 23, 23, 23, 23, 25, 25, 25,
    25, 25, 25, 25, 27, 27, 27, 27, 27, 27, 27, 27, 29, 29, 29, 29, 29, 29, 29, 31, 31, 31, 31, 31,
    31, 33, 33, 33, 33, 33, 36, 36, 36, 36, 38, 38, 38, 40, 40, 42,
];
const DEFAULT_8X8_INTER: [u8; 64] = [
    9, 13, 13, 15, 13, 15, 17, 17, 17, 17, 19, 19, 19, 19, 19, 21, 21, 21, 21, 21, 21, 22, 22, 22,
    22, 22, 22, 22, 24, 24, 24, 24, 24, 24, 24, 24, 25, 25, 25, 25, 25, 25, 25, 27, 27, 27, 27, 27,
    27, 28, 28, 28, 28, 28, 30, 30, 30, 30, 32, 32, 32, 33, 33, 35,
];

#[cfg(test)]
mod tests {
    use h264_reader::rbsp::BitReader;

    use super::*;

    fn lists(bytes: &[u8]) -> ScalingLists {
        ScalingLists::read(&mut BitReader::new(bytes), 8).unwrap()
    }

    #[test]
    fn table_7_2_no_list_is_flat_and_an_absent_one_falls_back() {
        assert_eq!(ScalingMatrix::new(None, None), ScalingMatrix::FLAT);
        let none = lists(&[0]);
        assert_eq!(ScalingMatrix::new(Some(&none), None), ScalingMatrix::DEFAULT, "rule set A");
        assert_eq!(ScalingMatrix::new(None, Some(&none)), ScalingMatrix::DEFAULT, "rule set A");
    }

    #[test]
    fn table_7_2_lists_of_a_pps_fall_back_on_those_of_the_sps() {
        // Intra Y: delta 1, then -9 ends it: sixteen nines. 1 010 000010011 (se -9), seven flags of
        // 0.
        let nines = lists(&[0b1010_0000, 0b1001_1000, 0]);
        let of_sps = ScalingMatrix::new(Some(&nines), None);
        assert_eq!(of_sps.lists_4x4[..3], [[9; 16]; 3], "Cb and Cr as Y");
        assert_eq!(of_sps.lists_4x4[3..], [DEFAULT_4X4_INTER; 3]);
        assert_eq!(ScalingMatrix::new(Some(&nines), Some(&lists(&[0]))), of_sps, "rule set B");
    }

    #[test]
    fn s7_4_2_1_1_1_a_first_scale_of_zero_is_the_default_list() {
        // se(-8) = ue(16) = 000010001.
        let default = lists(&[0b1000_0100, 0b0100_0000, 0]);
        assert_eq!(default.lists[0], ScalingList::Default);
        let of_pps =
            ScalingMatrix::new(Some(&lists(&[0b1010_0000, 0b1001_1000, 0])), Some(&default));
        assert_eq!(of_pps.lists_4x4[..3], [DEFAULT_4X4_INTRA; 3], "not the nines of the SPS");
    }
}
