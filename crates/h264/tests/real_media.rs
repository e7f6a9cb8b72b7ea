//! Recorded and conformance streams, against what FFmpeg and another parser found in them
//! (tests/media/MANIFEST.md), and against h264-reader.

use bytes::Bytes;
use h264::{
    AvcConfig, NalType, ParameterSets, Pps, SliceType, Sps, annexb, avcc, classify, hindrances,
    nal_type,
};
use h264_reader::nal::{Nal, RefNal, sps::SeqParameterSet};
use media::NalUnits;

/// A file, where it is on this machine.
fn find(name: &str) -> Option<Bytes> {
    testmedia::find_and_read(name).map(Bytes::from)
}

fn parameter_sets(units: &NalUnits) -> (Sps, Pps) {
    let sets: ParameterSets = units.iter().collect();
    let (sps, pps) = (sets.sps.first().expect("an SPS"), sets.pps.first().expect("a PPS"));
    (Sps::parse(sps).expect("a good SPS"), Pps::parse(pps).expect("a good PPS"))
}

/// A NAL unit as an access unit of its own.
fn alone(nal_unit: &[u8]) -> NalUnits {
    let mut units = NalUnits::new(Bytes::copy_from_slice(nal_unit));
    assert!(units.push(0..nal_unit.len()));
    units
}

/// I, P and B slices.
fn slices(units: &NalUnits) -> [usize; 3] {
    let types: Vec<_> =
        units.iter().filter_map(|nal_unit| classify(&alone(nal_unit)).first_slice).collect();
    let count = |kind| types.iter().filter(|&&slice| slice == kind).count();
    [count(SliceType::I), count(SliceType::P), count(SliceType::B)]
}

#[test]
fn size_and_slices_of_elementary_streams() {
    let expect = |name: &str, codec: &str, size: (u32, u32), ipb: [usize; 3]| {
        let Some(file) = find(&format!("h264/{name}")) else { return };
        let units = annexb::nal_units(file);
        let (sps, pps) = parameter_sets(&units);
        assert_eq!(
            (sps.codec_string().as_str(), sps.width, sps.height),
            (codec, size.0, size.1),
            "{name}"
        );
        assert_eq!(hindrances(&sps, &pps).next(), None, "{name}");
        assert_eq!(slices(&units), ipb, "{name}");
    };
    expect("BA1_FT_C.264", "avc1.42e014", (352, 288), [15, 599, 0]);
    expect("CVFC1_Sony_C.jsv", "avc1.42e01f", (300, 168), [16, 184, 0]);
    expect("MR1_BT_A.h264", "avc1.42e00b", (176, 144), [25, 146, 0]);
    expect("SVA_BA2_D.264", "avc1.42e015", (176, 144), [1, 16, 0]);
    expect("QCIF_2P_I_allIPCM.264", "avc1.640028", (176, 144), [1, 1, 0]);
    expect("Cisco_Men_whisper_640x320_CABAC_Bframe_9.264", "avc1.4d0034", (640, 320), [2, 0, 7]);
    expect("test_scalinglist_jm.264", "avc1.640028", (320, 192), [1, 4, 0]);
    expect("VID_1280x720_cabac_temporal_direct.264", "avc1.64001f", (1280, 720), [2, 76, 222]);
    expect("CABA3_SVA_B.264", "avc1.4d4015", (176, 144), [4, 13, 16]);
    expect("HCBP2_HHI_A.264", "avc1.42c01f", (352, 288), [3, 247, 0]);
    expect("FRExt1_Panasonic.avc", "avc1.640015", (352, 288), [2, 2, 4]);
    expect("FRExt_MMCO4_Sony_B.264", "avc1.64001f", (352, 288), [4, 27, 29]);
}

#[test]
fn what_is_not_decoded_is_told_by_name() {
    for (name, start_of_reason) in [
        ("FM2_SVA_C.264", "flexible macroblock ordering ("),
        ("PPH10I2_Panasonic_A.264", "10 bits a sample, only 8 can be decoded"),
        ("i422_360p_x264.h264", "chroma format 4:2:2, not 4:2:0"),
    ] {
        let Some(file) = find(&format!("h264/{name}")) else { continue };
        let (sps, pps) = parameter_sets(&annexb::nal_units(file));
        let reason = hindrances(&sps, &pps).next().expect(name).to_string();
        assert!(reason.starts_with(start_of_reason), "{name}: {reason}");
    }
}

#[test]
fn a_stream_without_parameter_sets_has_none() {
    let units = annexb::nal_units(testmedia::read("h264/no_sps_pps_720p.h264").into());
    assert!(units.iter().collect::<ParameterSets>().is_empty());
    assert!(units.iter().any(|nal_unit| nal_type(nal_unit) == NalType::Idr));
}

/// The H.264 tags of an FLV file: packet type and payload (FLV 10.1 E.4.3.1).
fn avc_tags(file: &Bytes) -> Vec<(u8, Bytes)> {
    let mut tags = Vec::new();
    let mut at = 13;
    while let Some(&[kind, a, b, c]) = file.get(at..).and_then(<[u8]>::first_chunk) {
        let end = at + 11 + u32::from_be_bytes([0, a, b, c]) as usize;
        if kind == 9 && end <= file.len() {
            tags.push((file[at + 12], file.slice(at + 16..end)));
        }
        at = end + 4;
    }
    tags
}

#[test]
fn pictures_and_idrs_of_flv_files() {
    let expect = |name: &str, size: (u32, u32), pictures: usize, idrs: usize, configs: usize| {
        let Some(file) = find(&format!("flv/{name}")) else { return };
        let tags = avc_tags(&file);
        let (headers, rest): (Vec<_>, Vec<_>) =
            tags.into_iter().partition(|(packet_type, _)| *packet_type == 0);
        assert_eq!(headers.len(), configs, "{name}");
        let config = AvcConfig::parse(headers[0].1.clone()).expect("avcC");
        let sps = Sps::parse(&config.parameter_sets.sps[0]).expect("SPS");
        assert_eq!((sps.width, sps.height), size, "{name}");
        let facts: Vec<_> = rest
            .into_iter()
            .filter(|(packet_type, _)| *packet_type == 1)
            .map(|(_, data)| {
                classify(&avcc::nal_units(data, config.nal_length_size).expect("AVCC").0)
            })
            .collect();
        assert_eq!(facts.iter().filter(|facts| facts.has_picture).count(), pictures, "{name}");
        assert_eq!(facts.iter().filter(|facts| facts.idr).count(), idrs, "{name}");
    };
    expect("srs_avatar.flv", (768, 320), 282, 7, 1);
    expect("red5_rotations.flv", (480, 360), 462, 16, 17);
    expect("red5_flashContent_speex.flv", (320, 240), 395, 4, 4);
    expect("h264_mp3_16x8.flv", (16, 8), 30, 1, 1);
    expect("4k60_avc_aac.flv", (3840, 2160), 59, 1, 1);
    expect("no_audio_keyframe_index.flv", (320, 180), 71, 3, 1);
}

#[test]
fn repeated_sequence_headers_change_nothing() {
    let Some(file) = find("flv/red5_rotations.flv") else { return };
    let tags = avc_tags(&file);
    let mut headers =
        tags.into_iter().filter(|(packet_type, _)| *packet_type == 0).map(|(_, data)| data);
    let mut sets = AvcConfig::parse(headers.next().expect("one")).expect("avcC").parameter_sets;
    for header in headers {
        assert!(!sets.update(&AvcConfig::parse(header).expect("avcC").parameter_sets));
    }
}

/// Every SPS in the media and the fuzz corpora that h264-reader takes has the same size here, and
/// all of the conformance streams' are taken.
#[test]
fn h264_reader_agrees_on_every_sps() {
    for folder in ["h264", "corpora/h264_es", "corpora/h264_nal"] {
        for (name, data) in testmedia::files_in(folder) {
            let data = Bytes::from(data);
            let found = annexb::nal_units(data.clone());
            let all = found.iter().chain(std::iter::once(&data[..]));
            let compared = all
                .filter(|nal_unit| nal_type(nal_unit) == NalType::Sps)
                .filter(|sps| agrees(sps))
                .count();
            let has_sps = folder == "h264" && name != "h264/no_sps_pps_720p.h264";
            assert!(compared > 0 || !has_sps, "{name}");
        }
    }
}

/// False where h264-reader refuses it.
fn agrees(nal_unit: &[u8]) -> bool {
    let Ok(theirs) = SeqParameterSet::from_bits(RefNal::new(nal_unit, &[], true).rbsp_bits())
    else {
        return false;
    };
    let ours = Sps::parse(nal_unit).expect("h264-reader takes it");
    assert_eq!(Ok((ours.width, ours.height)), theirs.pixel_dimensions().map_err(drop));
    assert_eq!(ours.codec_string(), theirs.rfc6381().to_string().to_lowercase());
    true
}

/// What is compared of a slice header, in words of h264-reader.
fn described(header: &h264_reader::nal::slice::SliceHeader) -> String {
    use h264_reader::nal::slice::{Field, FieldPic, NumRefIdxActive, PicOrderCountLsb};
    let field = match header.field_pic {
        FieldPic::Frame => (false, false),
        FieldPic::Field(Field::Top) => (true, false),
        FieldPic::Field(Field::Bottom) => (true, true),
    };
    let (lsb, bottom, deltas) = match header.pic_order_cnt_lsb {
        None => (0, 0, [0, 0]),
        Some(PicOrderCountLsb::Frame(lsb)) => (lsb, 0, [0, 0]),
        Some(PicOrderCountLsb::FieldsAbsolute {
            pic_order_cnt_lsb,
            delta_pic_order_cnt_bottom,
        }) => (pic_order_cnt_lsb, delta_pic_order_cnt_bottom, [0, 0]),
        Some(PicOrderCountLsb::FieldsDelta(deltas)) => (0, 0, deltas),
    };
    let active = match header.num_ref_idx_active {
        None => None,
        Some(NumRefIdxActive::P { num_ref_idx_l0_active_minus1 }) => {
            Some((num_ref_idx_l0_active_minus1 + 1, 0))
        }
        Some(NumRefIdxActive::B { num_ref_idx_l0_active_minus1, num_ref_idx_l1_active_minus1 }) => {
            Some((num_ref_idx_l0_active_minus1 + 1, num_ref_idx_l1_active_minus1 + 1))
        }
    };
    format!(
        "{} {:?} {} {field:?} {} {lsb} {bottom} {deltas:?} {} {active:?} {} {} {}",
        header.first_mb_in_slice,
        header.slice_type.family,
        header.frame_num,
        header.idr_pic_id.unwrap_or(0),
        header.direct_spatial_mv_pred_flag.unwrap_or(false),
        header.cabac_init_idc.unwrap_or(0),
        header.disable_deblocking_filter_idc,
        header.slice_alpha_c0_offset_div2.unwrap_or(0),
    )
}

/// Every slice header of every vector whose parameter sets h264-reader takes.
#[test]
fn h264_reader_agrees_on_every_slice_header() {
    let mut compared = 0;
    for (name, file) in testmedia::files_in("h264") {
        compared += compare_slice_headers(&annexb::nal_units(file.into()), name);
    }
    // Those that the repository carries have more than that.
    assert!(compared > 1_000, "{compared}");
}

fn compare_slice_headers(units: &NalUnits, name: &str) -> usize {
    use h264_reader::nal::{NalHeader, pps::PicParameterSet};
    let mut theirs = h264_reader::Context::new();
    let (mut all_sps, mut all_pps) = (Vec::<Sps>::new(), Vec::<Pps>::new());
    let mut compared = 0;
    for nal_unit in units.iter() {
        let nal = RefNal::new(nal_unit, &[], true);
        match nal_type(nal_unit) {
            NalType::Sps => {
                let Ok(sps) = SeqParameterSet::from_bits(nal.rbsp_bits()) else { continue };
                theirs.put_seq_param_set(sps);
                let sps = Sps::parse(nal_unit).expect(name);
                all_sps.retain(|known| known.id != sps.id);
                all_sps.push(sps);
            }
            NalType::Pps => {
                let Ok(pps) = PicParameterSet::from_bits(&theirs, nal.rbsp_bits()) else {
                    continue;
                };
                theirs.put_pic_param_set(pps);
                let pps = Pps::parse(nal_unit).expect(name);
                all_pps.retain(|known| known.id != pps.id);
                all_pps.push(pps);
            }
            NalType::Slice | NalType::Idr => {
                let ours = h264::SliceHeader::parse(nal_unit, |id| {
                    let pps = all_pps.iter().find(|pps| pps.id == id && pps.slice_groups == 1)?;
                    Some((all_sps.iter().find(|sps| sps.id == pps.sps_id)?, pps))
                });
                let header = NalHeader::new(nal_unit[0]).expect("a header");
                let mut bits = nal.rbsp_bits();
                let parsed = h264_reader::nal::slice::SliceHeader::from_bits(
                    &theirs, &mut bits, header, None,
                );
                let (Ok(ours), Ok((theirs, ..))) = (ours, parsed) else { continue };
                let slice_qp = ours.slice_qp;
                let pps = all_pps.iter().find(|pps| pps.id == ours.pic_parameter_set_id);
                let delta = slice_qp - pps.expect("found before").pic_init_qp;
                assert_eq!(i32::from(delta), theirs.slice_qp_delta, "{name}");
                let [l0, l1] = ours.num_ref_idx_active.map(u32::from);
                let described_here = format!(
                    "{} {:?} {} {:?} {} {} {} {:?} {} {:?} {} {} {}",
                    ours.first_mb_in_slice,
                    ours.slice_type,
                    ours.frame_num,
                    (ours.field_pic_flag, ours.bottom_field_flag),
                    ours.idr_pic_id,
                    ours.pic_order_cnt_lsb,
                    ours.delta_pic_order_cnt_bottom,
                    ours.delta_pic_order_cnt,
                    ours.direct_spatial_mv_pred_flag,
                    // There it is only what the slice header overrides.
                    theirs.num_ref_idx_active.is_some().then_some((l0, l1)),
                    ours.cabac_init_idc,
                    ours.disable_deblocking_filter_idc,
                    ours.slice_alpha_c0_offset_div2,
                );
                assert_eq!(described_here, described(&theirs), "{name}");
                compared += 1;
            }
            _ => {}
        }
    }
    compared
}
