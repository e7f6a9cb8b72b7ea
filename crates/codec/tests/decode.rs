//! Decoding, against the conformance vectors' digests and ffmpeg's output.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;

use codec::{DecoderKind, Error, H264Decoder, Limits};
use media::Timestamp;
use support::matrix::vector;
use support::{access_units, display_order, ffmpeg, numbers, packed, run};

/// The number of its access unit, how many had been given when it came out, its samples.
type Picture = (usize, usize, Vec<u8>);

/// Decodes a whole stream; the stamp of an access unit is its number. Pictures in the order they
/// came.
fn decode(access_units: &[Vec<u8>]) -> (Vec<Picture>, Vec<Error>) {
    let mut decoder = H264Decoder::new(DecoderKind::Openh264).unwrap();
    let (mut pictures, mut errors) = (Vec::new(), Vec::new());
    for (index, access_unit) in access_units.iter().enumerate() {
        let pts = Timestamp::from_ticks(index as i64);
        let result = decoder.decode(access_unit, pts, |picture, pts| {
            pictures.push((pts.ticks() as usize, index, packed(picture)));
        });
        errors.extend(result.err());
    }
    decoder.drain(|picture, pts| {
        pictures.push((pts.ticks() as usize, access_units.len(), packed(picture)));
    });
    (pictures, errors)
}

fn decode_file(file: &[u8]) -> (usize, Vec<Picture>, Vec<Error>) {
    let access_units = access_units(file);
    let (pictures, errors) = decode(&access_units);
    (access_units.len(), pictures, errors)
}

/// A small vector that both decoders take.
fn good_access_units() -> Vec<Vec<u8>> {
    access_units(&testmedia::read("h264/SVA_BA2_D.264"))
}

/// Each vector: md5 over all pictures in display order (tests/media/MANIFEST.md).
#[test]
fn vectors_without_b_pictures_are_bit_exact() {
    for (name, md5) in [
        ("BA1_FT_C.264", "4f2da01d1d1ae7b99bea3fe1fb9e8ef4"),
        ("CVFC1_Sony_C.jsv", "9fdb17e17d332b5d9752362c9c7ff9b0"),
        ("MR1_BT_A.h264", "6ea31a214aadd8bdc8e7d37195d91c81"),
        ("SVA_BA2_D.264", "66130b14295574bf35b725a8eaded3ae"),
        ("QCIF_2P_I_allIPCM.264", "f52827c1bcbe1f37a66b6075728ed29a"),
        ("Adobe_PDF_sample_a_1024x768_50Frms.264", "ffd763646b5ef75d554e22fa389e13fd"),
        ("CABA3_TOSHIBA_E.264", "13651d01c5b533e6b7aa132bae7669ed"),
        ("test_scalinglist_jm.264", "8b06af51f94d9a45a6b9f5efa1894a8b"),
        // No B slices, yet the display order is another than the decoding order.
        ("HCBP2_HHI_A.264", "6c689d1541f97dcc1a17f5bdb6569cf1"),
        // B slices that happen to be exact.
        ("NL3_SVA_E.264", "c90ce3fa732df9f7e25f110233f0f466"),
    ] {
        let Some(file) = vector(name) else { continue };
        let (_, pictures, errors) = decode_file(&file);
        assert_eq!(errors, [], "{name}");
        let places = display_order(&file);
        let sorted: BTreeMap<usize, Vec<u8>> =
            pictures.into_iter().map(|(number, _, samples)| (places[number], samples)).collect();
        let raw: Vec<u8> = sorted.into_values().flatten().collect();
        let digest = String::from_utf8(run("md5sum", "-", &raw)).unwrap();
        assert_eq!(digest.split_whitespace().next(), Some(md5), "{name}");
    }
}

/// The samples are those of the access unit that the stamp names: a picture in the wrong place
/// would be far below 50 dB.
#[test]
fn b_pictures_come_once_each_with_its_own_pts() {
    for (name, least_db) in [
        ("CABA3_SVA_B.264", 50.0),
        ("Cisco_Men_whisper_640x320_CABAC_Bframe_9.264", 50.0),
        ("VID_1280x720_cabac_temporal_direct.264", 50.0),
    ] {
        let Some(file) = vector(name) else { continue };
        let (count, pictures, errors) = decode_file(&file);
        assert_eq!(errors, [], "{name}");
        let mut numbers: Vec<usize> = pictures.iter().map(|(number, ..)| *number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..count).collect::<Vec<_>>(), "{name}");
        // The documented delay.
        assert!(pictures.iter().all(|(number, given, _)| given - number <= 16), "{name}");
        let places = display_order(&file);
        let expected = ffmpeg("-i - -vsync 0 -f rawvideo -", &file);
        for (number, _, samples) in &pictures {
            let expected = &expected[places[*number] * samples.len()..][..samples.len()];
            let db = support::psnr(samples, expected);
            assert!(db > least_db, "{name}: picture {number} is at {db:.1} dB");
        }
    }
}

#[test]
fn a_lost_picture_is_concealed() {
    let file = testmedia::read("h264/BA_MW_D_P_LOST.264");
    let (count, pictures, errors) = decode_file(&file);
    assert_eq!((pictures.len(), errors), (count, vec![]));
}

/// ffmpeg's pictures with the container's pts against ours, over a file with a pts for each packet.
#[test]
fn a_recording_with_b_pictures_keeps_its_times() {
    let path = testmedia::path("flv/srs_avatar.flv");
    let stream = ffmpeg(&format!("-i {} -c copy -f h264 -", path.display()), &[]);
    let args = format!(
        "-v quiet -select_streams v -show_entries packet=pts -of csv=p=0 {}",
        path.display()
    );
    let text = String::from_utf8(run("ffprobe", &args, &[])).unwrap();
    let stamps: Vec<i64> = numbers(&text);
    let access_units = access_units(&stream);
    assert_eq!(access_units.len(), stamps.len());
    let mut decoder = H264Decoder::new(DecoderKind::Openh264).unwrap();
    let mut pictures = BTreeMap::new();
    for (access_unit, stamp) in access_units.iter().zip(&stamps) {
        decoder
            .decode(access_unit, Timestamp::from_millis(*stamp), |picture, pts| {
                pictures.insert(pts, packed(picture));
            })
            .unwrap();
    }
    decoder.drain(|picture, pts| {
        pictures.insert(pts, packed(picture));
    });
    let expected = ffmpeg(&format!("-i {} -vsync 0 -f rawvideo -", path.display()), &[]);
    assert_eq!(pictures.len(), stamps.len());
    for (samples, expected) in pictures.values().zip(expected.chunks(768 * 320 * 3 / 2)) {
        assert!(support::psnr(samples, expected) > 50.0);
    }
}

/// Intra refresh has no IDR to wait for: from a recovery point on the picture becomes whole.
#[test]
fn decoding_may_start_without_an_idr() {
    let stream = ffmpeg(
        "-f lavfi -i testsrc2=size=320x180:rate=30 -frames:v 90 -pix_fmt yuv420p -c:v libx264 -preset fast -bf 0 \
         -x264-params intra-refresh=1:keyint=30 -f h264 -",
        &[],
    );
    let all = access_units(&stream);
    let (whole, _) = decode(&all);
    let parameter_sets: Vec<u8> = support::nal_units(&stream)
        .into_iter()
        .filter(|unit| matches!(unit[0] & 0x1f, 7 | 8))
        .take(2)
        .flat_map(|unit| [&[0, 0, 0, 1][..], unit].concat())
        .collect();
    let mut joined = all[30..].to_vec();
    joined[0] = [parameter_sets, joined[0].clone()].concat();
    let (pictures, errors) = decode(&joined);
    assert_eq!((pictures.len(), errors), (60, vec![]));
    for (number, _, samples) in &pictures[31..] {
        let same = whole.iter().find(|(original, ..)| *original == number + 30).unwrap();
        assert!(same.2 == *samples, "picture {number}");
    }
}

/// The sizes and parameter sets that the caller refuses beforehand: still no crash, and errors
/// instead of pictures.
#[test]
fn what_cannot_be_decoded_is_an_error() {
    for name in [
        "CAFI1_SVA_C.264",
        "CAMA3_Sand_E.264",
        "PPH10I2_Panasonic_A.264",
        "i422_360p_x264.h264",
        "no_sps_pps_720p.h264",
    ] {
        let Some(file) = vector(name) else { continue };
        let (count, pictures, errors) = decode_file(&file);
        assert_eq!((pictures.len(), errors.len()), (0, count), "{name}");
        assert!(errors.iter().all(|error| matches!(error, Error::Decode { .. })), "{name}");
    }
}

/// openh264 forgets the parameter sets when it runs out of picture buffers; with new ones it goes
/// on.
#[test]
fn a_broken_stream_recovers_at_the_next_parameter_sets() {
    let Some(bad) = vector("FRExt1_Panasonic.avc") else { return };
    let bad = access_units(&bad);
    let (pictures, errors) = decode(&bad);
    assert!(!errors.is_empty());
    let (both, _) = decode(&[bad, good_access_units()].concat());
    assert!(both.len() >= pictures.len() - 1 + 17);
}

#[test]
fn limits_hold() {
    let access_unit = testmedia::read("h264/SVA_BA2_D.264");
    let mut decoder = H264Decoder::with_limits(
        DecoderKind::Openh264,
        Limits { max_access_unit_bytes: 100, ..Limits::default() },
    )
    .unwrap();
    let result = decoder.decode(&access_unit, Timestamp::ZERO, |_, _| panic!("decoded"));
    assert_eq!(result, Err(Error::AccessUnitTooLarge { bytes: access_unit.len(), limit: 100 }));
    let mut decoder = H264Decoder::with_limits(
        DecoderKind::Openh264,
        Limits { max_pixels: 176 * 144 - 1, ..Limits::default() },
    )
    .unwrap();
    let result =
        decoder.decode(&access_units(&access_unit)[0], Timestamp::ZERO, |_, _| panic!("decoded"));
    assert_eq!(result, Err(Error::PictureTooLarge { width: 176, height: 144, limit: 25_343 }));
}

/// What rusty would allocate by, loop by, or panic at, does not reach it; the panic that does is
/// caught.
#[test]
fn hostile_streams_are_refused_before_rusty_sees_them() {
    for (seed, words) in [
        ("weights_of_2_31_references", "slice header: num_ref_idx_active_minus1"),
        ("a_million_reference_frames", "more reference frames than level 5.2 holds"),
        ("picture_of_4096x4096", "picture of 4096x4096 exceeds limit 9437184 pixels"),
        ("many_parameter_sets", "SPS: seq_parameter_set_id"),
        ("two_pictures_at_once", "slices out of order"),
        ("crop_that_overflows", "cropping that leaves nothing"),
    ] {
        let stream = testmedia::seed("codec_h264_rusty_decoder", seed);
        let mut decoder = H264Decoder::new(DecoderKind::Rusty).unwrap();
        let result = decoder.decode(&stream, Timestamp::ZERO, |_, _| panic!("decoded"));
        let error = result.unwrap_err().to_string();
        assert!(error.contains(words), "{seed}: {error}");
        // And it goes on.
        let good = good_access_units();
        let mut pictures = 0;
        decoder.decode(&good[0], Timestamp::ZERO, |_, _| pictures += 1).unwrap();
        assert_eq!(pictures, 1, "{seed}");
    }
}

/// `00 00 03` in front of more than 3 (ITU-T H.264 7.4.1): rusty and `h264` would read two
/// different SPS.
#[test]
fn bytes_that_escape_nothing_do_not_reach_rusty() {
    let good = &good_access_units()[0];
    let forbidden = [&[0, 0, 0, 1, 0x67, 66, 0, 30, 0, 0, 3, 4, 0x80][..], good].concat();
    let mut decoder = H264Decoder::new(DecoderKind::Rusty).unwrap();
    let result = decoder.decode(&forbidden, Timestamp::ZERO, |_, _| panic!("decoded"));
    assert!(matches!(result, Err(Error::Unsupported { .. })), "{result:?}");
    let mut pictures = 0;
    decoder.decode(good, Timestamp::ZERO, |_, _| pictures += 1).unwrap();
    assert_eq!(pictures, 1);
}

/// What rusty allocates by is what was judged: its own parser reads the same in every SPS there is,
/// whole and with each of its bits turned over.
#[test]
fn rusty_reads_the_sps_that_was_judged() {
    let streams = ["codec_h264_rusty_decoder", "codec_h264_decoder", "h264_annexb"];
    let mut streams: Vec<Vec<u8>> = streams.into_iter().flat_map(testmedia::seeds).collect();
    streams.extend(
        ["SVA_BA2_D.264", "test_scalinglist_jm.264"]
            .map(|name| testmedia::read(&format!("h264/{name}"))),
    );
    let mut compared = 0;
    for stream in &streams {
        for unit in support::nal_units(stream) {
            if unit.first().is_none_or(|header| header & 0x1f != 7) || unit.len() > 200 {
                continue;
            }
            for bit in 8..=unit.len() * 8 {
                let mut unit = unit.to_vec();
                if let Some(byte) = unit.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
                compared += usize::from(rusty_agrees(&unit));
            }
        }
    }
    assert!(compared > 500, "{compared}");
}

/// False where one of the two refuses the SPS, or where what escapes nothing is refused before.
fn rusty_agrees(nal_unit: &[u8]) -> bool {
    let is_refused = nal_unit.windows(4).any(|bytes| bytes[..3] == [0, 0, 3] && bytes[3] > 3);
    let Ok(ours) = h264::Sps::parse(nal_unit) else { return false };
    if is_refused || ours.chroma_format_idc != 1 || ours.mb_adaptive_frame_field {
        return false;
    }
    let rbsp = rusty_h264_common::nal::emulation_unprevent(&nal_unit[1..]).into_owned();
    let Ok(Ok(theirs)) = std::panic::catch_unwind(|| rusty_h264_decoder::Sps::parse(&rbsp)) else {
        return false;
    };
    assert_eq!(ours.id, theirs.seq_parameter_set_id, "{nal_unit:02x?}");
    assert_eq!(ours.coded_width as usize, theirs.coded_width(), "{nal_unit:02x?}");
    assert_eq!(ours.coded_height as usize, theirs.coded_height(), "{nal_unit:02x?}");
    assert_eq!(ours.max_num_ref_frames, theirs.max_num_ref_frames, "{nal_unit:02x?}");
    assert_eq!(u32::from(ours.log2_max_frame_num), theirs.log2_max_frame_num, "{nal_unit:02x?}");
    assert_eq!(u32::from(ours.pic_order_cnt_type), theirs.pic_order_cnt_type, "{nal_unit:02x?}");
    assert_eq!(ours.crop_left, 2 * theirs.frame_crop_left, "{nal_unit:02x?}");
    assert_eq!(ours.lossless, theirs.transform_bypass, "{nal_unit:02x?}");
    true
}

/// Parameter sets are read ahead of openh264, too: a number that overflows there costs its own
/// access unit.
#[test]
fn parameter_sets_that_overflow_are_no_panic_with_either_decoder() {
    let good = good_access_units();
    // Cropping of 2^31 samples; `pic_init_qp_minus26` of 2^31 - 1.
    for seed in ["crop_that_overflows", "qp_that_overflows"] {
        let bad = testmedia::seed("codec_h264_decoder", seed);
        for kind in [DecoderKind::Openh264, DecoderKind::Rusty] {
            let mut decoder = H264Decoder::new(kind).unwrap();
            // Whatever it says of this one.
            let _ = decoder.decode(&[&bad[..], &good[0]].concat(), Timestamp::ZERO, |_, _| {});
            let mut pictures = 0;
            decoder.decode(&good[0], Timestamp::ZERO, |_, _| pictures += 1).unwrap();
            assert_eq!(pictures, 1, "{kind}");
        }
    }
}

#[test]
fn nothing_at_all_is_decoded_to_nothing() {
    let mut decoder = H264Decoder::new(DecoderKind::Openh264).unwrap();
    assert_eq!(decoder.decode(&[], Timestamp::ZERO, |_, _| panic!("decoded")), Ok(()));
    decoder.drain(|_, _| panic!("drained"));
}
