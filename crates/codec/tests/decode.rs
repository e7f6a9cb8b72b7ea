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
    decode_by(H264Decoder::new(DecoderKind::Openh264).unwrap(), access_units)
}

fn decode_by(mut decoder: H264Decoder, access_units: &[Vec<u8>]) -> (Vec<Picture>, Vec<Error>) {
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

/// Intra refresh has no IDR to wait for: native shows what is right, from a recovery point on; and
/// who asks for all pictures gets those that become so, too.
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
    for (kind, fewest) in [(DecoderKind::Native, 30), (DecoderKind::Openh264, 0)] {
        let (pictures, errors) = decode_by(H264Decoder::new(kind).unwrap(), &joined);
        assert!((fewest..60).contains(&pictures.len()), "{kind}: {}", pictures.len());
        assert_eq!(errors, [], "{kind}");
        let first = pictures.first().map_or(0, |(number, ..)| *number);
        assert!(pictures.iter().map(|(number, ..)| *number).eq(first..first + pictures.len()));
        let mut decoder = H264Decoder::new(kind).unwrap();
        decoder.start_anywhere();
        let (anywhere, _) = decode_by(decoder, &joined);
        assert_eq!(anywhere.len(), 60, "{kind}");
        for (number, _, samples) in anywhere[31..].iter().chain(&pictures) {
            let same = whole.iter().find(|(original, ..)| *original == number + 30).unwrap();
            assert!(same.2 == *samples, "{kind}: picture {number}");
        }
    }
}

/// The sizes and parameter sets that the caller refuses beforehand: still no crash, and errors
/// instead of pictures.
#[test]
fn what_cannot_be_decoded_is_an_error() {
    for name in
        ["CAFI1_SVA_C.264", "CAMA3_Sand_E.264", "PPH10I2_Panasonic_A.264", "i422_360p_x264.h264"]
    {
        let Some(file) = vector(name) else { continue };
        let (count, pictures, errors) = decode_file(&file);
        assert_eq!((pictures.len(), errors.len()), (0, count), "{name}");
        let is_said =
            |error: &Error| matches!(error, Error::Decode { .. } | Error::Unsupported { .. });
        assert!(errors.iter().all(is_said), "{name}: {errors:?}");
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

/// What a decoder might allocate by, loop by, or panic at costs its own access unit, and not the
/// next.
#[test]
fn hostile_streams_cost_their_own_access_unit() {
    let good = good_access_units();
    for seed in [
        "weights_of_2_31_references",
        "weights_of_32_references",
        "a_million_reference_frames",
        "picture_of_4096x4096",
        "picture_of_16384x16",
        "many_parameter_sets",
        "two_pictures_at_once",
        "crop_that_overflows",
        "qp_that_overflows",
    ] {
        let stream = testmedia::seed("codec_h264_native_decoder", seed);
        for kind in [DecoderKind::Native, DecoderKind::Openh264] {
            let mut decoder = H264Decoder::new(kind).unwrap();
            // Whatever it says of this one.
            let _ = decoder.decode(&stream, Timestamp::ZERO, |_, _| {});
            let mut pictures = 0;
            decoder.decode(&good[0], Timestamp::ZERO, |_, _| pictures += 1).unwrap();
            assert_eq!(pictures, 1, "{seed}, {kind}");
        }
    }
}

#[test]
fn nothing_at_all_is_decoded_to_nothing() {
    let mut decoder = H264Decoder::new(DecoderKind::Openh264).unwrap();
    assert_eq!(decoder.decode(&[], Timestamp::ZERO, |_, _| panic!("decoded")), Ok(()));
    decoder.drain(|_, _| panic!("drained"));
}
