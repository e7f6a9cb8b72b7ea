//! What is not decoded.

use crate::{Pps, Sps};

/// Why a stream can be passed on but not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Data partitioning and switching slices.
    #[error("Extended profile (data partitioning)")]
    DataPartitioning,
    /// 4:2:2 or 4:4:4.
    #[error("chroma format {}, not 4:2:0", chroma_format_name(*.chroma_format_idc))]
    ChromaFormat {
        /// `chroma_format_idc`.
        chroma_format_idc: u8,
    },
    /// More than 8 bits a sample.
    #[error("{bits} bits a sample, only 8 can be decoded")]
    BitDepth {
        /// The larger of luma's and chroma's.
        bits: u8,
    },
    /// `qpprime_y_zero_transform_bypass_flag`.
    #[error("lossless coding")]
    Lossless,
    /// Flexible macroblock ordering.
    #[error("flexible macroblock ordering ({slice_groups} slice groups)")]
    SliceGroups {
        /// At least 2.
        slice_groups: u32,
    },
}

const PROFILE_EXTENDED: u8 = 88;

/// Everything in these parameter sets that is not decoded.
pub fn hindrances(sps: &Sps, pps: &Pps) -> impl Iterator<Item = Undecodable> + use<> {
    let chroma_format_idc = sps.chroma_format_idc;
    let bits = sps.bit_depth_luma.max(sps.bit_depth_chroma);
    let slice_groups = pps.slice_groups;
    [
        (sps.profile_idc == PROFILE_EXTENDED).then_some(Undecodable::DataPartitioning),
        (chroma_format_idc > 1).then_some(Undecodable::ChromaFormat { chroma_format_idc }),
        (bits > 8).then_some(Undecodable::BitDepth { bits }),
        sps.lossless.then_some(Undecodable::Lossless),
        (slice_groups > 1).then_some(Undecodable::SliceGroups { slice_groups }),
    ]
    .into_iter()
    .flatten()
}

fn chroma_format_name(chroma_format_idc: u8) -> &'static str {
    match chroma_format_idc {
        0 => "monochrome",
        1 => "4:2:0",
        2 => "4:2:2",
        _ => "4:4:4",
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn judge(sps: &[u8], pps: &[u8]) -> Result<(), String> {
        let (sps, pps) = (Sps::parse(sps).unwrap(), Pps::parse(pps).unwrap());
        hindrances(&sps, &pps).next().map_or(Ok(()), |reason| Err(reason.to_string()))
    }

    const PPS: [u8; 4] = hex!("68ef8fcb");
    const BASELINE: [u8; 8] = hex!("6742000af4162720");

    #[test]
    fn ordinary_streams_are_decodable() {
        assert_eq!(
            judge(&hex!("6764001facd9405005bb0110000003001000000303c0f1831960"), &PPS),
            Ok(())
        );
        assert_eq!(judge(&BASELINE, &PPS), Ok(()));
        // x264: tff=1, gray.
        let interlaced = hex!("67640028acd94078044fde0220000003002000000783e2c5b2c0");
        assert_eq!(judge(&interlaced, &PPS), Ok(()));
        let gray = hex!("6764000df36505067e37016c80000003008000001e078a14cb");
        assert_eq!(judge(&gray, &PPS), Ok(()));
    }

    #[test]
    fn each_reason_is_said_in_words() {
        let reason = |sps: &[u8], pps: &[u8]| judge(sps, pps).unwrap_err();
        // x264: High 4:2:2 at 10 bits, 4:4:4 lossless.
        let ten_bit_422 = hex!("677a001eb6cd940a02ff89c044000003000400000300f03c58b658");
        assert_eq!(reason(&ten_bit_422, &PPS), "chroma format 4:2:2, not 4:2:0");
        let lossless = hex!("67f4000d91d681419f8dc044000003000400000300f03c50aa80");
        assert_eq!(reason(&lossless, &PPS), "chroma format 4:4:4, not 4:2:0");
        assert_eq!(
            reason(&BASELINE, &hex!("6850e0")),
            "flexible macroblock ordering (7 slice groups)"
        );
        let mut extended = BASELINE;
        extended[1] = 88;
        assert_eq!(reason(&extended, &PPS), "Extended profile (data partitioning)");
    }

    #[test]
    fn everything_is_named_not_only_the_first() {
        let (sps, pps) = (Sps::parse(&BASELINE).unwrap(), Pps::parse(&PPS).unwrap());
        let sps = Sps { chroma_format_idc: 2, lossless: true, ..sps };
        let expected = [Undecodable::ChromaFormat { chroma_format_idc: 2 }, Undecodable::Lossless];
        assert!(hindrances(&sps, &pps).eq(expected));
    }

    #[test]
    fn depth_and_lossless_coding_of_4_2_0_count_too() {
        let (sps, pps) = (Sps::parse(&BASELINE).unwrap(), Pps::parse(&PPS).unwrap());
        let ten_bit = Sps { bit_depth_chroma: 10, ..sps.clone() };
        assert!(hindrances(&ten_bit, &pps).eq([Undecodable::BitDepth { bits: 10 }]));
        assert!(hindrances(&Sps { lossless: true, ..sps }, &pps).eq([Undecodable::Lossless]));
    }
}
