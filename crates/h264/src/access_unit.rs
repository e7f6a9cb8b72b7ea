//! What can be said of a picture without decoding it.

use h264_reader::rbsp::{BitRead, BitReader, BitReaderError};
use media::NalUnits;

use crate::{Limits, NalType, ParameterSets, nal, nal_ref_idc, nal_type, sei};

/// `slice_type` (14496-10 table 7-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SliceType {
    /// Predicted from earlier output or reference pictures, one reference a block.
    P,
    /// Predicted from up to two references a block.
    B,
    /// From the picture alone.
    I,
    /// Switching P (Extended profile).
    Sp,
    /// Switching I (Extended profile).
    Si,
}

/// What can be said of an access unit's picture without decoding it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureFacts {
    /// There is a coded slice in it at all.
    pub has_picture: bool,
    /// An IDR picture: a decoder may start here, and nothing later refers to anything earlier.
    pub idr: bool,
    /// No other picture refers to it: all slices have `nal_ref_idc` 0. It may be dropped.
    pub disposable: bool,
    /// A decoder may start here without an IDR: there is a recovery point SEI message, or all
    /// slices are intra. Pictures output before the recovery is complete may be wrong. Also
    /// true for IDR pictures.
    pub recovery_point: bool,
    /// Frames until pictures are right, by the recovery point SEI message. x264's intra refresh has
    /// about a GOP's length here, an open GOP has 0.
    pub recovery_frame_count: Option<u32>,
    /// Type of the first slice; None where it could not be read.
    pub first_slice: Option<SliceType>,
}

/// Looks at the NAL unit headers, slice headers and SEI messages of an access unit.
#[must_use]
pub fn classify(nal_units: &NalUnits) -> PictureFacts {
    let recovery_frame_count = nal_units
        .iter()
        .filter(|nal_unit| nal_type(nal_unit) == NalType::Sei)
        .find_map(sei::recovery_frame_count);
    let mut slices = nal_units.iter().filter(is_slice).peekable();
    let Some(first) = slices.peek() else {
        return PictureFacts { recovery_frame_count, ..PictureFacts::default() };
    };
    let first_slice = slice_type(first);
    let all = |is: fn(&[u8]) -> bool| slices.clone().all(is);
    PictureFacts {
        has_picture: true,
        idr: slices.clone().any(|slice| nal_type(slice) == NalType::Idr),
        disposable: all(|slice| nal_ref_idc(slice) == 0),
        recovery_point: recovery_frame_count.is_some() || all(is_intra),
        recovery_frame_count,
        first_slice,
    }
}

/// Takes parameter sets out of an access unit, and what means nothing in a segment: access unit
/// delimiters (the muxer writes its own), filler data, ends of sequence. Returns the rest, and the
/// parameter sets that were there.
///
/// The rest is copied when there is something between it to take out.
#[must_use]
pub fn split_parameter_sets(nal_units: NalUnits) -> (NalUnits, ParameterSets) {
    if nal_units.iter().all(is_kept) {
        return (nal_units, ParameterSets::default());
    }
    let parameter_sets = nal_units.iter().collect();
    (nal_units.iter().filter(|nal_unit| is_kept(nal_unit)).collect(), parameter_sets)
}

fn is_kept(nal_unit: &[u8]) -> bool {
    !matches!(
        nal_type(nal_unit),
        NalType::Sps
            | NalType::Pps
            | NalType::AccessUnitDelimiter
            | NalType::EndOfSequence
            | NalType::EndOfStream
            | NalType::Filler
    )
}

fn is_slice(nal_unit: &&[u8]) -> bool {
    matches!(nal_type(nal_unit), NalType::Slice | NalType::PartitionA | NalType::Idr)
}

fn is_intra(slice: &[u8]) -> bool {
    matches!(slice_type(slice), Some(SliceType::I | SliceType::Si))
}

fn slice_type(slice: &[u8]) -> Option<SliceType> {
    slice_outline(slice).map(|(_, slice_type)| slice_type)
}

/// `first_mb_in_slice` and `slice_type` of a slice NAL unit (14496-10 7.3.3), which can be read
/// without parameter sets.
#[must_use]
pub fn slice_outline(slice: &[u8]) -> Option<(u32, SliceType)> {
    // Two Exp-Golomb numbers of which the first, a macroblock address, may have 35 bits.
    let rbsp = nal::rbsp(slice, Limits::DEFAULT.max_slice_type_bytes);
    let (first_mb_in_slice, slice_type) = read_outline(&mut BitReader::new(&rbsp[..])).ok()?;
    let slice_type = match slice_type {
        0 | 5 => SliceType::P,
        1 | 6 => SliceType::B,
        2 | 7 => SliceType::I,
        3 | 8 => SliceType::Sp,
        4 | 9 => SliceType::Si,
        _ => return None,
    };
    Some((first_mb_in_slice, slice_type))
}

fn read_outline(bits: &mut impl BitRead) -> Result<(u32, u32), BitReaderError> {
    Ok((bits.read_ue("first_mb_in_slice")?, bits.read_ue("slice_type")?))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hex_literal::hex;

    use super::*;
    use crate::avcc;

    fn units(nal_units: &[&[u8]]) -> NalUnits {
        nal_units.iter().copied().collect()
    }

    const P_REFERENCE: [u8; 2] = hex!("61 e0"); // first_mb 0, slice_type 0: 1 1
    const B_DISPOSABLE: [u8; 2] = hex!("01 a8"); // 1 010
    const I_NON_IDR: [u8; 3] = hex!("41 88 80"); // 1 0001000: slice_type 7
    const IDR: [u8; 3] = hex!("65 88 84");
    const RECOVERY_IN_30: [u8; 5] = hex!("06 06 02 0f a0"); // 00001 1111

    #[test]
    fn s7_4_1_a_picture_of_only_nal_ref_idc_0_is_disposable() {
        let facts = classify(&units(&[&B_DISPOSABLE, &B_DISPOSABLE]));
        assert_eq!((facts.disposable, facts.first_slice), (true, Some(SliceType::B)));
        assert!(!classify(&units(&[&B_DISPOSABLE, &P_REFERENCE])).disposable);
        assert!(!classify(&units(&[&P_REFERENCE])).recovery_point);
    }

    #[test]
    fn s7_4_1_2_4_idr_by_nal_type() {
        let facts = classify(&units(&[&hex!("0910"), &IDR]));
        let expected = PictureFacts {
            has_picture: true,
            idr: true,
            recovery_point: true,
            first_slice: Some(SliceType::I),
            ..PictureFacts::default()
        };
        assert_eq!(facts, expected);
    }

    #[test]
    fn d_1_8_recovery_point_by_sei_or_by_intra_slices() {
        let intra_refresh = classify(&units(&[&RECOVERY_IN_30, &P_REFERENCE]));
        assert_eq!(
            (intra_refresh.recovery_point, intra_refresh.recovery_frame_count),
            (true, Some(30))
        );
        let intra = classify(&units(&[&I_NON_IDR]));
        assert_eq!(
            (intra.idr, intra.recovery_point, intra.recovery_frame_count),
            (false, true, None)
        );
        assert!(
            !classify(&units(&[&I_NON_IDR, &P_REFERENCE])).recovery_point,
            "one slice is not intra"
        );
    }

    #[test]
    fn no_slice_is_no_picture() {
        assert_eq!(
            classify(&units(&[&hex!("0910"), &hex!("6742001e80")])),
            PictureFacts::default()
        );
        assert_eq!(classify(&NalUnits::default()), PictureFacts::default());
        let facts = classify(&units(&[&hex!("01")]));
        assert_eq!((facts.has_picture, facts.first_slice), (true, None), "slice header is missing");
    }

    #[test]
    fn split_takes_out_what_does_not_belong_in_a_segment() {
        let sps = hex!("6742001e80");
        let all = units(&[
            &hex!("0910"),
            &sps,
            &hex!("68c0"),
            &hex!("0605"),
            &IDR,
            &hex!("0cff"),
            &hex!("0a"),
            &hex!("0b"),
        ]);
        let (rest, sets) = split_parameter_sets(all);
        assert_eq!(rest.iter().collect::<Vec<_>>(), [&hex!("0605")[..], &IDR]);
        assert_eq!(
            (sets.sps, sets.pps),
            (
                vec![Bytes::from_static(&hex!("6742001e80"))],
                vec![Bytes::from_static(&[0x68, 0xc0])]
            )
        );
    }

    #[test]
    fn split_leaves_an_ordinary_access_unit_where_it_is() {
        let data = Bytes::from_static(&hex!("00000002 61e0"));
        let (units, _) = avcc::nal_units(data.clone(), 4).unwrap();
        let (rest, sets) = split_parameter_sets(units);
        assert!(sets.is_empty());
        assert_eq!(rest.iter().next().unwrap().as_ptr(), data[4..].as_ptr());
    }
}
