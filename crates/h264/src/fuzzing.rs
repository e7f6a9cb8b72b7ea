//! Bodies of the fuzz targets; the unit tests replay the committed seeds through them. The oracle
//! is h264-reader.
#![allow(clippy::panic, reason = "a fuzz body reports a broken property by a panic")]

use bytes::Bytes;
use h264_reader::annexb::AnnexBReader;
use h264_reader::avcc::AvcDecoderConfigurationRecord;
use h264_reader::nal::sps::{FrameMbsFlags, SeqParameterSet};
use h264_reader::nal::{Nal, RefNal};
use h264_reader::push::NalInterest;
use media::NalUnits;

use crate::{
    AvcConfig, Error, Limits, NalType, ParameterSets, Pps, Sps, annexb, avcc, classify, nal_type,
    split_parameter_sets,
};

/// h264-reader finds the same NAL units in a byte stream; written anew they are the same again.
pub fn annexb(data: &[u8]) {
    let units = annexb::nal_units(Bytes::copy_from_slice(data));
    if units.len() < Limits::DEFAULT.max_nal_units {
        let expected = oracle_nal_units(data);
        assert!(
            units.iter().eq(expected.iter().map(|nal_unit| &nal_unit[..])),
            "{units:?} {expected:?}"
        );
    }
    assert_annexb_round_trip(&units);
    assert_split(units);
}

/// The first byte picks the size of the length fields. Length-prefixed NAL units are those that
/// their lengths say; as Annex B they are the same; a configuration that h264-reader takes is one
/// here too.
pub fn avcc(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else { return };
    let length_size = 1 << (first % 3);
    if let Ok((units, empty)) = avcc::nal_units(Bytes::copy_from_slice(data), length_size) {
        let framed = units.len() * usize::from(length_size) + units.payload_bytes();
        let is_annexb = annexb::starts_with_start_code(data);
        let framed = framed + empty * usize::from(length_size);
        assert!(is_annexb || framed == data.len(), "{empty} empty, {framed} bytes");
        assert!(units.iter().all(|nal_unit| !nal_unit.is_empty()), "a NAL unit without a header");
        assert_annexb_round_trip(&units);
        assert_split(units);
    }
    assert_config(data);
}

/// An SPS that h264-reader takes says the same here, but for what only it checks; nothing panics
/// over others.
pub fn sps(data: &[u8]) {
    let _ = Pps::parse(data);
    let ours = Sps::parse(data);
    if let Ok(ours) = &ours {
        let sides = 1..=Limits::DEFAULT.max_side;
        assert!(sides.contains(&ours.width) && sides.contains(&ours.height), "{ours:?}");
        assert!(ours.width <= ours.coded_width && ours.height <= ours.coded_height, "{ours:?}");
        assert!(ours.reorder_depth() <= 16 && ours.sar.0 > 0 && ours.sar.1 > 0, "{ours:?}");
        assert!(
            ours.frame_rate.is_none_or(|(frames, seconds)| frames > 0 && seconds > 0),
            "{ours:?}"
        );
        assert_eq!(ours.codec_string().len(), 11);
    }
    if nal_type(data) != NalType::Sps || data.len() > Limits::DEFAULT.max_parameter_set_bytes {
        return;
    }
    let Ok(theirs) = SeqParameterSet::from_bits(RefNal::new(data, &[], true).rbsp_bits()) else {
        return;
    };
    match ours {
        Ok(ours) => assert_same_sps(&ours, &theirs),
        // There a picture may be one macroblock high and 139264 wide, and chroma formats above 3
        // are kept.
        Err(Error::PictureSize { .. } | Error::Syntax { field: "chroma_format_idc", .. }) => {}
        Err(error) => panic!("{error}, {theirs:?}"),
    }
}

fn assert_same_sps(ours: &Sps, theirs: &SeqParameterSet) {
    assert_eq!(ours.profile_idc, u8::from(theirs.profile_idc));
    assert_eq!(
        (ours.constraint_flags, ours.level_idc),
        (theirs.constraint_flags.into(), theirs.level_idc)
    );
    assert_eq!(ours.id, u32::from(theirs.seq_parameter_set_id.id()));
    let chroma = &theirs.chroma_info;
    assert_eq!(u32::from(ours.chroma_format_idc), chroma.chroma_format.to_u32());
    assert_eq!(ours.bit_depth_luma, chroma.bit_depth_luma_minus8 + 8);
    assert_eq!(ours.bit_depth_chroma, chroma.bit_depth_chroma_minus8 + 8);
    assert_eq!(ours.lossless, chroma.qpprime_y_zero_transform_bypass_flag);
    assert_eq!(ours.interlaced, theirs.frame_mbs_flags != FrameMbsFlags::Frames);
    assert_eq!(ours.max_num_ref_frames, theirs.max_num_ref_frames);
    // Cropping that leaves nothing is an error there.
    if let Ok(size @ (1.., 1..)) = theirs.pixel_dimensions() {
        assert_eq!((ours.width, ours.height), size);
    }
    assert_same_vui(ours, theirs);
    assert_eq!(ours.codec_string(), theirs.rfc6381().to_string().to_lowercase());
}

fn assert_same_vui(ours: &Sps, theirs: &SeqParameterSet) {
    let vui = theirs.vui_parameters.as_ref();
    let sar = vui.and_then(|vui| vui.aspect_ratio_info.as_ref()?.get()).unwrap_or((1, 1));
    assert_eq!(ours.sar, (sar.0.into(), sar.1.into()));
    let signal = vui.and_then(|vui| vui.video_signal_type.as_ref());
    assert_eq!(
        ours.colour.map(|colour| colour.full_range),
        signal.map(|signal| signal.video_full_range_flag)
    );
    let matrix = signal
        .map(|signal| signal.colour_description.as_ref().map_or(2, |c| c.matrix_coefficients));
    assert_eq!(ours.colour.map(|colour| colour.matrix), matrix);
    let timing = vui.and_then(|vui| vui.timing_info.as_ref());
    let frame_rate = timing
        .map(|timing| (u64::from(timing.time_scale), 2 * u64::from(timing.num_units_in_tick)));
    if let (Some((ours, per)), Some((time_scale, units))) = (ours.frame_rate, frame_rate) {
        assert_eq!(u128::from(ours) * u128::from(units), u128::from(time_scale) * u128::from(per));
    }
    let restrictions = vui.and_then(|vui| vui.bitstream_restrictions.as_ref());
    let reorder = restrictions.map(|restrictions| restrictions.max_num_reorder_frames.min(16));
    assert_eq!(ours.max_num_reorder_frames.map(u32::from), reorder);
}

/// What h264-reader makes of a byte stream, without empty NAL units, and without the zeros that it
/// leaves after the last one.
fn oracle_nal_units(data: &[u8]) -> Vec<Vec<u8>> {
    let mut units = Vec::new();
    let mut reader = AnnexBReader::accumulate(|nal: RefNal<'_>| {
        if nal.is_complete() {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut nal.reader(), &mut bytes)
                .unwrap_or_else(|error| panic!("{error}"));
            bytes.truncate(bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
            if !bytes.is_empty() {
                units.push(bytes);
            }
        }
        NalInterest::Buffer
    });
    reader.push(data);
    reader.reset();
    units
}

/// Only for NAL units that can be in a byte stream: no start code inside, no zero at the end
/// (14496-10 7.4.1).
fn assert_annexb_round_trip(units: &NalUnits) {
    let fits = |unit: &[u8]| {
        unit.last().is_some_and(|&last| last != 0)
            && !unit.windows(3).any(|three| matches!(three, [0, 0, 0 | 1]))
    };
    if units.iter().all(fits) {
        let mut out = Vec::new();
        annexb::write(units.iter(), &mut out);
        assert!(annexb::nal_units(out.into()).iter().eq(units.iter()));
    }
}

/// Splitting moves each NAL unit to one side or drops it; what is left has the same picture.
fn assert_split(units: NalUnits) {
    let facts = classify(&units);
    assert!(facts.has_picture || !(facts.idr || facts.disposable || facts.recovery_point));
    assert!(!facts.idr || facts.has_picture);
    let found: ParameterSets = units.iter().collect();
    let (rest, sets) = split_parameter_sets(units);
    assert_eq!(sets, found);
    assert!(!rest.iter().any(|unit| matches!(nal_type(unit), NalType::Sps | NalType::Pps)));
    assert_eq!(classify(&rest), facts);
    let mut merged = sets.clone();
    assert!(!merged.update(&sets), "the same sets changed something");
}

fn assert_config(data: &[u8]) {
    let ours = AvcConfig::parse(Bytes::copy_from_slice(data));
    let Ok(theirs) = AvcDecoderConfigurationRecord::try_from(data) else { return };
    if theirs.length_size_minus_one() != 2 {
        let ours = ours.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(ours.nal_length_size, theirs.length_size_minus_one() + 1);
        for nal_unit in ours.parameter_sets.iter() {
            assert!(data.windows(nal_unit.len()).any(|window| window == nal_unit), "from nowhere");
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_of_h264_annexb_hold() {
        testmedia::replay_damaged("h264_annexb", 256, super::annexb);
    }

    #[test]
    fn seeds_of_h264_avcc_hold() {
        testmedia::replay_damaged("h264_avcc", 256, super::avcc);
    }

    #[test]
    fn seeds_of_h264_sps_hold() {
        testmedia::replay_damaged("h264_sps", 256, super::sps);
    }
}
