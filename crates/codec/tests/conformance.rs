//! All decoders against ffmpeg, on the conformance vectors and on what x264 can be told to make:
//! the rows of docs/decode.md. `cargo nextest run -p codec --test conformance --no-capture` prints
//! them.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its table"
)]

mod support;

use std::collections::BTreeMap;
use std::fmt;

use codec::{DecoderKind, H264Decoder};
use media::{I420, Timestamp};
use support::matrix::{self, Expected, Row, vector, x264};
use support::{access_units, display_order, ffmpeg, packed, psnr};

use Expected::{Exact, Over, Refused, Wrong};

/// What came of it.
struct Measured {
    expected: usize,
    /// One for each picture that came out, in dB; infinite where it is exact.
    psnr: Vec<f64>,
    errors: BTreeMap<String, usize>,
}

impl Measured {
    fn worst(&self) -> f64 {
        self.psnr.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn is(&self, expected: Expected) -> bool {
        let complete = self.psnr.len() == self.expected && self.errors.is_empty();
        match expected {
            Exact => complete && self.worst() == f64::INFINITY,
            Over(least) => complete && self.worst() >= least,
            // What does come out must be right.
            Refused(words) => {
                self.psnr.len() < self.expected
                    && self.worst() >= 50.0
                    && self.errors.keys().any(|error| error.contains(words))
            }
            Wrong => self.worst() < 40.0 || self.psnr.len() != self.expected,
        }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.psnr.len(), self.expected)?;
        let exact = self.psnr.iter().filter(|db| db.is_infinite()).count();
        write!(f, ", {exact} exact, worst {:.1} dB", self.worst())?;
        self.errors.iter().try_for_each(|(error, count)| write!(f, "; {count}x {error}"))
    }
}

/// ffmpeg's pictures, and the place of each access unit among them.
struct Reference {
    raw: Vec<u8>,
    places: Vec<usize>,
}

impl Reference {
    fn new(stream: &[u8]) -> Self {
        // ffmpeg is louder on the broken ones than a test may be.
        let raw = ffmpeg("-v quiet -flags unaligned -i - -vsync 0 -f rawvideo -", stream);
        Self { raw, places: display_order(stream) }
    }
}

/// Decodes and compares; the stamp of an access unit is its number.
fn measure(kind: DecoderKind, stream: &[u8], reference: &Reference) -> Measured {
    let access_units = access_units(stream);
    let Reference { raw, places } = reference;
    let mut measured =
        Measured { expected: places.len(), psnr: Vec::new(), errors: BTreeMap::new() };
    let mut pictures = BTreeMap::new();
    let mut decoder = H264Decoder::new(kind).unwrap();
    for (number, access_unit) in access_units.iter().enumerate() {
        let pts = Timestamp::from_ticks(number as i64);
        let result = decoder.decode(access_unit, pts, |picture, pts| {
            assert!(pictures.insert(pts.ticks() as usize, packed(picture)).is_none(), "twice");
        });
        if let Err(error) = result {
            // One line for access units of all sizes.
            let text = error.to_string();
            let text = text.split_once(" bytes ").map_or(&text[..], |(_, text)| text);
            *measured.errors.entry(text.to_owned()).or_default() += 1;
        }
    }
    decoder.drain(|picture, pts| {
        assert!(pictures.insert(pts.ticks() as usize, packed(picture)).is_none(), "twice");
    });
    let size = raw.len() / places.len().max(1);
    for (number, samples) in &pictures {
        let place = places.get(*number).copied().unwrap_or(usize::MAX);
        let expected = raw.chunks(size.max(1)).nth(place);
        measured.psnr.push(match expected {
            Some(expected) if expected == samples.as_slice() => f64::INFINITY,
            Some(expected) if expected.len() == samples.len() => psnr(samples, expected),
            _ => 0.0,
        });
    }
    measured
}

/// Holds the rows whose streams are on this machine.
fn check(rows: &[Row], stream: impl Fn(&str) -> Option<Vec<u8>>) {
    let mut failed = Vec::new();
    for (name, how, rusty, openh264) in rows {
        let Some(stream) = stream(how) else { continue };
        let reference = Reference::new(&stream);
        for kind in DecoderKind::all() {
            let expected = match kind {
                DecoderKind::Rusty => *rusty,
                DecoderKind::Openh264 => *openh264,
                DecoderKind::Native => matrix::native(name),
            };
            let measured = measure(kind, &stream, &reference);
            println!("| {name} | {how} | {kind} | {measured} |");
            if !measured.is(expected) {
                failed.push(format!("{name}, {kind}: expected {expected:?}, {measured}"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn vectors() {
    check(matrix::VECTORS, vector);
}

/// 300 pictures of 720p: a test of its own, for its time.
#[test]
fn vector_720p_with_temporal_direct() {
    check(matrix::CUT_VECTORS, matrix::cut_vector);
}

/// What it must not be given, `rusty` refuses by name; openh264 gives nothing, or garbage
/// (monochrome).
#[test]
fn vectors_that_rusty_refuses() {
    for (name, words) in [
        ("CAFI1_SVA_C.264", "field pictures"),
        ("CAMA3_Sand_E.264", "macroblock-adaptive frames"),
        ("FM2_SVA_C.264", "picture order count type 1"),
        ("HPCVMOLQ_BRCM_B.264", "chroma other than 4:2:0"),
        ("PPH10I2_Panasonic_A.264", "more than 8 bits a sample"),
        ("i422_360p_x264.h264", "chroma other than 4:2:0"),
        ("no_sps_pps_720p.h264", "its parameter sets are missing"),
    ] {
        let Some(stream) = vector(name) else { continue };
        let mut decoder = H264Decoder::new(DecoderKind::Rusty).unwrap();
        let mut errors = Vec::new();
        for access_unit in access_units(&stream) {
            let result = decoder.decode(&access_unit, Timestamp::ZERO, |_, _| panic!("{name}"));
            errors.push(result.unwrap_err().to_string());
        }
        assert!(errors[0].contains(words), "{name}: {}", errors[0]);
    }
}

#[test]
fn presets() {
    check(matrix::PRESETS, |args| Some(x264(args)));
}

#[test]
fn profiles_and_tunes() {
    check(matrix::PROFILES_AND_TUNES, |args| Some(x264(args)));
}

#[test]
fn slices_and_references() {
    check(matrix::SLICES_AND_REFERENCES, |args| Some(x264(args)));
}

#[test]
fn prediction() {
    check(matrix::PREDICTION, |args| Some(x264(args)));
}

#[test]
fn row_31_transform_and_entropy() {
    check(matrix::TRANSFORM_AND_ENTROPY, |args| Some(x264(args)));
}

#[test]
fn sizes_and_cropping() {
    check(matrix::SIZES_AND_CROPPING, |args| Some(x264(args)));
}

/// All pictures of a stream, one after the other.
fn native(stream: &[u8], mut take: impl FnMut(I420<'_>)) {
    let mut decoder = H264Decoder::new(DecoderKind::Native).unwrap();
    for access_unit in access_units(stream) {
        decoder.decode(&access_unit, Timestamp::ZERO, |picture, _| take(picture)).unwrap();
    }
    decoder.drain(|picture, _| take(picture));
}

/// Interlaced frames come out as their top field, one after the other as ffmpeg has them.
#[test]
fn native_decodes_interlaced_streams() {
    for (name, stream) in [
        ("CAFI1_SVA_C", vector("CAFI1_SVA_C.264")),
        ("CAMA3_Sand_E", vector("CAMA3_Sand_E.264")),
        ("interlaced=1", Some(x264("-x264-params interlaced=1"))),
        ("tff=1", Some(x264("-x264-params tff=1:bframes=3"))),
        ("bff=1", Some(x264("-x264-params bff=1:slices=4"))),
    ] {
        let Some(stream) = stream else { continue };
        let options = "-v quiet -flags unaligned -i - -vf field=type=top -vsync 0 -f rawvideo -";
        let expected = ffmpeg(options, &stream);
        let mut samples: Vec<u8> = Vec::new();
        native(&stream, |picture| samples.extend(packed(picture)));
        assert!(!samples.is_empty(), "{name}");
        assert!(samples == expected, "{name}: {} and {} bytes", samples.len(), expected.len());
    }
}

/// Monochrome pictures come out as ffmpeg's, with grey chroma.
#[test]
fn native_decodes_monochrome_streams() {
    let streams = [vector("HPCVMOLQ_BRCM_B.264"), Some(x264("-pix_fmt gray"))];
    for stream in streams.into_iter().flatten() {
        let options = "-v quiet -flags unaligned -i - -vf extractplanes=y -vsync 0 -f rawvideo -";
        let expected = ffmpeg(options, &stream);
        let mut luma: Vec<u8> = Vec::new();
        native(&stream, |picture| {
            luma.extend(picture.y.rows().flatten());
            let chroma = picture.u.rows().chain(picture.v.rows());
            assert!(chroma.flatten().all(|sample| *sample == 128));
        });
        assert!(luma == expected, "{} and {} bytes", luma.len(), expected.len());
    }
}

#[test]
fn what_native_refuses_by_name() {
    for (name, words) in [
        ("FM2_SVA_C.264", "slice groups"),
        ("PPH10I2_Panasonic_A.264", "more than 8 bits a sample"),
        ("i422_360p_x264.h264", "chroma other than 4:2:0"),
    ] {
        let Some(stream) = vector(name) else { continue };
        let mut decoder = H264Decoder::new(DecoderKind::Native).unwrap();
        let first = &access_units(&stream)[0];
        let error = decoder.decode(first, Timestamp::ZERO, |_, _| panic!("{name}")).unwrap_err();
        assert!(error.to_string().contains(words), "{name}: {error}");
    }
}

#[test]
fn what_rusty_refuses_by_name() {
    for (args, words) in [
        ("-x264-params interlaced=1", "macroblock-adaptive frames"),
        ("-x264-params tff=1", "macroblock-adaptive frames"),
        ("-pix_fmt gray", "chroma other than 4:2:0"),
        ("-pix_fmt yuv422p", "chroma other than 4:2:0"),
        ("-pix_fmt yuv444p", "chroma other than 4:2:0"),
        ("-pix_fmt yuv420p10le", "more than 8 bits a sample"),
        ("-x264-params qp=0", "lossless"),
    ] {
        let stream = x264(args);
        let measured = measure(DecoderKind::Rusty, &stream, &Reference::new(&stream));
        assert_eq!(measured.psnr.len(), 0, "{args}");
        assert!(measured.errors.keys().any(|error| error.contains(words)), "{args}: {measured}");
    }
}

/// x264 writes implicit weights only (`weighted_bipred_idc` 2, H.264 7.4.2.2): its PPS is changed
/// to say explicit (1).
#[test]
fn explicit_weights_in_b_pictures_are_refused_by_rusty() {
    let mut stream =
        x264("-x264-params weightb=1:weightp=0:ref=1:bframes=2:b-adapt=0:b-pyramid=none");
    let reference = Reference::new(&stream);
    let pps = stream.windows(4).position(|bytes| bytes[..3] == [0, 0, 1] && bytes[3] & 0x1f == 8);
    let fields = &mut stream[pps.expect("a PPS") + 4..][..2];
    // pps_id 0, sps_id 0, CABAC, no bottom field, one slice group, 1 and 1 references, no
    // weighted_pred; then idc 2.
    assert_eq!((fields[0], fields[1] >> 6), (0b1110_1110, 0b10));
    fields[1] ^= 0b1100_0000;
    let measured = measure(DecoderKind::Rusty, &stream, &reference);
    assert_eq!(measured.psnr.len(), 0, "{measured}");
    assert!(measured.errors.keys().any(|error| error.contains("explicit weights")), "{measured}");
}

/// An I picture that is no IDR, behind a gap in `frame_num`: it is whole, but those behind it refer
/// to what is missing.
#[test]
fn an_intra_picture_behind_a_gap_is_refused_by_rusty() {
    let stream = x264("-x264-params open-gop=1:keyint=8:min-keyint=8:bframes=1:b-adapt=0");
    let access_units = access_units(&stream);
    let is_intra = |unit: &Vec<u8>| unit.windows(4).any(|it| it[..3] == [0, 0, 1] && it[3] == 6);
    let intra = (2..20).find(|at| is_intra(&access_units[*at])).expect("a recovery point");
    let mut decoder = H264Decoder::new(DecoderKind::Rusty).unwrap();
    let mut decode =
        |at: usize| decoder.decode(&access_units[at], Timestamp::from_ticks(at as i64), |_, _| {});
    (0..intra - 4).for_each(|at| decode(at).unwrap());
    let error = decode(intra).unwrap_err().to_string();
    assert!(error.contains("a picture that it refers to is missing"), "{error}");
}
