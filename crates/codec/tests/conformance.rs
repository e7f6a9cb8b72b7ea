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

use Expected::{Damaged, Exact, Over, Refused, Wrong};

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
            Damaged(least) => {
                self.psnr.len() == self.expected
                    && self.worst() >= least
                    && self.errors.keys().any(|error| error.contains("came damaged"))
            }
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
    for (name, how, openh264) in rows {
        let Some(stream) = stream(how) else { continue };
        let reference = Reference::new(&stream);
        for (kind, expected) in
            [(DecoderKind::Native, matrix::native(name)), (DecoderKind::Openh264, *openh264)]
        {
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

/// Nothing, or garbage (monochrome), is what openh264 would make of it.
#[test]
fn what_openh264_refuses_by_name() {
    for (name, words) in [
        ("CAFI1_SVA_C.264", "interlaced coding"),
        ("CAMA3_Sand_E.264", "interlaced coding"),
        ("HPCVMOLQ_BRCM_B.264", "chroma other than 4:2:0"),
        ("i422_360p_x264.h264", "chroma other than 4:2:0"),
    ] {
        let Some(stream) = vector(name) else { continue };
        let mut decoder = H264Decoder::new(DecoderKind::Openh264).unwrap();
        for access_unit in access_units(&stream) {
            let result = decoder.decode(&access_unit, Timestamp::ZERO, |_, _| panic!("{name}"));
            let error = result.unwrap_err().to_string();
            assert!(error.contains(words), "{name}: {error}");
        }
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

/// What `samples` makes of each picture of a stream, against ffmpeg's, in whatever order.
fn assert_native(name: &str, stream: &[u8], filter: &str, samples: impl Fn(I420<'_>) -> Vec<u8>) {
    let mut pictures = Vec::new();
    let mut decoder = H264Decoder::new(DecoderKind::Native).unwrap();
    for access_unit in access_units(stream) {
        let take = |picture: I420<'_>, _| pictures.push(samples(picture));
        decoder.decode(&access_unit, Timestamp::ZERO, take).unwrap();
    }
    decoder.drain(|picture, _| pictures.push(samples(picture)));
    let options = format!("-v quiet -flags unaligned -i - -vf {filter} -vsync 0 -f rawvideo -");
    let expected = ffmpeg(&options, stream);
    let mut expected: Vec<&[u8]> = expected.chunks(pictures[0].len()).collect();
    pictures.sort_unstable();
    expected.sort_unstable();
    assert!(pictures == expected, "{name}: {} and {} pictures", pictures.len(), expected.len());
}

/// Interlaced frames come out as their top field.
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
        assert_native(name, &stream, "field=type=top", packed);
    }
}

/// Monochrome pictures come out as ffmpeg's, with grey chroma.
#[test]
fn native_decodes_monochrome_streams() {
    let streams = [vector("HPCVMOLQ_BRCM_B.264"), Some(x264("-pix_fmt gray"))];
    for stream in streams.into_iter().flatten() {
        assert_native("monochrome", &stream, "extractplanes=y", |picture| {
            let chroma = picture.u.rows().chain(picture.v.rows());
            assert!(chroma.flatten().all(|sample| *sample == 128));
            picture.y.rows().flatten().copied().collect()
        });
    }
}

/// Before any picture comes out, whatever is in the slices.
#[test]
fn what_native_refuses_by_name() {
    for (stream, words) in [
        (vector("FM2_SVA_C.264"), "slice groups"),
        (vector("PPH10I2_Panasonic_A.264"), "more than 8 bits a sample"),
        (vector("i422_360p_x264.h264"), "chroma other than 4:2:0"),
        (Some(x264("-pix_fmt yuv422p")), "chroma other than 4:2:0"),
        (Some(x264("-pix_fmt yuv444p")), "chroma other than 4:2:0"),
        (Some(x264("-pix_fmt yuv420p10le")), "more than 8 bits a sample"),
        (Some(x264("-x264-params qp=0")), "lossless"),
    ] {
        let Some(stream) = stream else { continue };
        let mut decoder = H264Decoder::new(DecoderKind::Native).unwrap();
        for access_unit in access_units(&stream) {
            let result = decoder.decode(&access_unit, Timestamp::ZERO, |_, _| panic!("{words}"));
            let error = result.unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
