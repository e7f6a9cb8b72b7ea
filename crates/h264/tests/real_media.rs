//! Recorded and conformance streams, against what FFmpeg and another parser found in them
//! (tests/media/MANIFEST.md), and against h264-reader.

use bytes::Bytes;
use h264::{
    AvcConfig, NalType, ParameterSets, Pps, SliceType, Sps, annexb, avcc, classify, decodable,
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
        assert_eq!(decodable(&sps, &pps), Ok(()), "{name}");
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
fn what_openh264_cannot_decode_is_told_by_name() {
    for (name, start_of_reason) in [
        ("CAMA3_Sand_E.264", "interlaced coding"),
        ("CAFI1_SVA_C.264", "interlaced coding"),
        ("FM2_SVA_C.264", "flexible macroblock ordering ("),
        ("HPCVMOLQ_BRCM_B.264", "chroma format monochrome, only 4:2:0 can be decoded"),
        ("PPH10I2_Panasonic_A.264", "10 bits a sample, only 8 can be decoded"),
        ("i422_360p_x264.h264", "chroma format 4:2:2, only 4:2:0 can be decoded"),
    ] {
        let Some(file) = find(&format!("h264/{name}")) else { continue };
        let (sps, pps) = parameter_sets(&annexb::nal_units(file));
        let reason = decodable(&sps, &pps).expect_err(name).to_string();
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

/// Every SPS in the media and the fuzz corpora that h264-reader takes has the same size here, and all of the
/// conformance streams' are taken.
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
