//! Both decoders against ffmpeg, on the conformance vectors and on what x264 can be told to make: the rows of
//! docs/decode.md. `cargo nextest run -p codec --test conformance --no-capture` prints them.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its table"
)]

mod support;

use std::collections::BTreeMap;
use std::fmt;

use codec::{DecoderKind, H264Decoder};
use media::Timestamp;
use support::{access_units, display_order, ffmpeg, media_file, packed, psnr};

/// What a decoder must make of a stream, all pictures counted.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// ffmpeg's samples.
    Exact,
    /// Every picture within this many dB of ffmpeg's.
    Over(f64),
    /// Fewer pictures, or none, and at least one error with these words.
    Refused(&'static str),
    /// Wrong, and known to be: `auto` must not come here. docs/decode.md says what it does instead.
    Wrong,
}

use Expected::{Exact, Over, Refused, Wrong};

/// A row: name, how it is made, rusty, openh264.
type Row = (&'static str, &'static str, Expected, Expected);

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

/// x264 through ffmpeg: 20 moving, noisy pictures of 128x96 where the row says nothing else.
fn x264(args: &str) -> Vec<u8> {
    let source = if args.contains("-s ") {
        "testsrc2=size=320x240:rate=30"
    } else {
        "testsrc2=size=128x96:rate=30"
    };
    let filter = if args.contains("-vf ") { "" } else { "-vf noise=alls=8:all_seed=1:allf=t" };
    let depth = if args.contains("-pix_fmt") { "" } else { "-pix_fmt yuv420p" };
    let threads = if args.contains("threads=") { "" } else { "-threads 1" };
    ffmpeg(
        &format!(
            "-f lavfi -i {source} {filter} -frames:v 20 {depth} {threads} -c:v libx264 {args} -f h264 -"
        ),
        &[],
    )
}

fn check(rows: &[Row], stream: impl Fn(&str) -> Vec<u8>) {
    let mut failed = Vec::new();
    for (name, how, rusty, openh264) in rows {
        let stream = stream(how);
        let reference = Reference::new(&stream);
        for (kind, expected) in [(DecoderKind::Rusty, *rusty), (DecoderKind::Openh264, *openh264)] {
            let measured = measure(kind, &stream, &reference);
            println!("| {name} | {how} | {kind} | {measured} |");
            if !measured.is(expected) {
                failed.push(format!("{name}, {kind}: expected {expected:?}, {measured}"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

fn check_x264(rows: &[Row]) {
    check(rows, x264);
}

#[test]
fn vectors() {
    check(
        &[
            ("BA1_FT_C", "BA1_FT_C.264", Exact, Exact),
            ("CVFC1_Sony_C", "CVFC1_Sony_C.jsv", Exact, Exact),
            ("MR1_BT_A", "MR1_BT_A.h264", Refused("picture order count type 1"), Exact),
            ("SVA_BA2_D", "SVA_BA2_D.264", Exact, Exact),
            (
                "BA_MW_D_P_LOST",
                "BA_MW_D_P_LOST.264",
                Refused("a picture that it refers to is missing"),
                Over(20.0),
            ),
            (
                "QCIF_2P_I_allIPCM",
                "QCIF_2P_I_allIPCM.264",
                Refused("pictures as large as uncompressed ones"),
                Exact,
            ),
            ("Adobe_PDF_sample_a", "Adobe_PDF_sample_a_1024x768_50Frms.264", Exact, Exact),
            (
                "Cisco_Men_whisper",
                "Cisco_Men_whisper_640x320_CABAC_Bframe_9.264",
                Exact,
                Over(55.0),
            ),
            ("test_scalinglist_jm", "test_scalinglist_jm.264", Exact, Exact),
            ("CABA3_TOSHIBA_E", "CABA3_TOSHIBA_E.264", Exact, Exact),
            ("CABA3_SVA_B", "CABA3_SVA_B.264", Exact, Over(40.0)),
            ("NL3_SVA_E", "NL3_SVA_E.264", Exact, Exact),
            ("HCBP2_HHI_A", "HCBP2_HHI_A.264", Exact, Exact),
            ("FRExt1_Panasonic", "FRExt1_Panasonic.avc", Exact, Wrong),
            (
                "FRExt_MMCO4_Sony_B",
                "FRExt_MMCO4_Sony_B.264",
                Refused("different QP offsets of Cb and Cr"),
                Refused("long-term references in a stream with B pictures"),
            ),
        ],
        |name| std::fs::read(media_file(&format!("h264/{name}"))).unwrap(),
    );
}

/// 300 pictures of 720p: a test of its own, for its time.
#[test]
fn vector_720p_with_temporal_direct() {
    check(&[("VID_1280x720_cabac_temporal_direct", "", Exact, Over(45.0))], |_| {
        let all = std::fs::read(media_file("h264/VID_1280x720_cabac_temporal_direct.264")).unwrap();
        access_units(&all)[..60].concat()
    });
}

/// What h264::decodable refuses, `rusty` refuses too, by name; openh264 gives nothing, or garbage (monochrome).
#[test]
fn vectors_that_nobody_decodes() {
    for (name, words) in [
        ("CAFI1_SVA_C.264", "field pictures"),
        ("CAMA3_Sand_E.264", "interlace"),
        ("FM2_SVA_C.264", "picture order count type 1"),
        ("HPCVMOLQ_BRCM_B.264", "non-4:2:0 chroma"),
        ("PPH10I2_Panasonic_A.264", "bit depth > 8"),
        ("i422_360p_x264.h264", "non-4:2:0 chroma"),
        ("no_sps_pps_720p.h264", "its parameter sets are missing"),
    ] {
        let stream = std::fs::read(media_file(&format!("h264/{name}"))).unwrap();
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
    check_x264(&[
        ("ultrafast", "-preset ultrafast", Exact, Exact),
        ("superfast", "-preset superfast", Exact, Over(50.0)),
        ("veryfast", "-preset veryfast", Exact, Over(50.0)),
        ("faster", "-preset faster", Exact, Over(50.0)),
        ("fast", "-preset fast", Exact, Over(50.0)),
        ("medium", "-preset medium", Exact, Over(50.0)),
        ("slow", "-preset slow", Exact, Over(50.0)),
        ("slower", "-preset slower", Exact, Over(50.0)),
        ("veryslow", "-preset veryslow", Exact, Over(50.0)),
    ]);
}

#[test]
fn profiles_and_tunes() {
    check_x264(&[
        ("baseline", "-profile:v baseline", Exact, Exact),
        ("main", "-profile:v main", Exact, Over(50.0)),
        ("film", "-tune film", Exact, Over(50.0)),
        ("animation", "-tune animation", Exact, Over(50.0)),
        ("grain", "-tune grain", Exact, Over(50.0)),
        ("stillimage", "-tune stillimage", Exact, Over(50.0)),
        ("psnr", "-tune psnr", Exact, Over(50.0)),
        ("ssim", "-tune ssim", Exact, Over(50.0)),
        ("fastdecode", "-tune fastdecode", Exact, Over(50.0)),
        ("zerolatency", "-tune zerolatency", Exact, Exact),
    ]);
}

#[test]
fn slices_and_references() {
    check_x264(&[
        ("4 slices", "-x264-params slices=4", Exact, Over(50.0)),
        ("sliced threads", "-x264-params sliced-threads=1:threads=4", Exact, Over(50.0)),
        (
            "slices of 200 bytes",
            "-x264-params slice-max-size=200",
            Refused("8x8 transforms in slices that begin inside a row"),
            Over(60.0),
        ),
        ("1 reference", "-x264-params ref=1", Exact, Over(50.0)),
        ("16 references", "-x264-params ref=16", Exact, Over(50.0)),
        (
            "B pyramid strict",
            "-x264-params b-pyramid=strict:bframes=5:b-adapt=0",
            Exact,
            Over(50.0),
        ),
        ("16 B pictures", "-x264-params bframes=16:b-adapt=0", Exact, Wrong),
        ("intra only", "-x264-params keyint=1", Exact, Exact),
        ("open GOP", "-x264-params open-gop=1:keyint=8:min-keyint=8", Exact, Over(50.0)),
        ("intra refresh", "-x264-params intra-refresh=1:keyint=8:bframes=0", Exact, Exact),
        (
            "aud, hrd, filler",
            "-x264-params aud=1:nal-hrd=cbr:bitrate=300:vbv-maxrate=300:vbv-bufsize=300",
            Exact,
            Over(50.0),
        ),
    ]);
}

#[test]
fn prediction() {
    check_x264(&[
        ("weightp 0", "-x264-params weightp=0", Exact, Over(50.0)),
        ("weightp 1, fade", "-vf fade=in:0:20 -x264-params weightp=1", Exact, Over(50.0)),
        ("weightp 2, fade", "-vf fade=in:0:20 -x264-params weightp=2:ref=8", Exact, Over(50.0)),
        (
            "weightb, fade",
            "-vf fade=in:0:20 -x264-params weightb=1:bframes=5:b-adapt=0:slices=3",
            Exact,
            Over(50.0),
        ),
        ("weightb 0", "-x264-params weightb=0", Exact, Over(50.0)),
        ("direct none", "-x264-params direct=none", Exact, Over(50.0)),
        ("direct spatial", "-x264-params direct=spatial", Exact, Over(50.0)),
        ("direct temporal", "-x264-params direct=temporal", Exact, Over(50.0)),
        ("direct auto", "-x264-params direct=auto", Exact, Over(50.0)),
        ("constrained intra", "-x264-params constrained-intra=1", Exact, Over(50.0)),
    ]);
}

#[test]
fn row_31_transform_and_entropy() {
    check_x264(&[
        ("CAVLC", "-x264-params cabac=0", Exact, Over(50.0)),
        ("CAVLC without 8x8", "-x264-params cabac=0:8x8dct=0", Exact, Over(50.0)),
        ("CABAC without 8x8", "-x264-params 8x8dct=0", Exact, Over(50.0)),
        ("scaling lists", "-x264-params cqm=jvt", Exact, Over(50.0)),
        ("scaling lists, CAVLC", "-x264-params cqm=jvt:cabac=0", Exact, Over(50.0)),
        ("chroma QP offset", "-x264-params chroma-qp-offset=5", Exact, Over(50.0)),
        ("no deblocking", "-x264-params no-deblock=1", Exact, Over(50.0)),
        ("strongest deblocking", "-x264-params deblock=6,6", Exact, Over(50.0)),
        (
            "QP 1",
            "-x264-params qp=1",
            Refused("pictures as large as uncompressed ones"),
            Over(40.0),
        ),
        ("QP 51", "-x264-params qp=51", Exact, Over(50.0)),
        (
            "I_PCM, CABAC",
            "-vf noise=alls=100:allf=t -x264-params qp=1:keyint=1",
            Refused("pictures as large as uncompressed ones"),
            Exact,
        ),
        (
            "I_PCM, CAVLC",
            "-vf noise=alls=100:allf=t -x264-params qp=1:keyint=1:cabac=0",
            Refused("pictures as large as uncompressed ones"),
            Exact,
        ),
    ]);
}

#[test]
fn sizes_and_cropping() {
    check_x264(&[
        ("130x98", "-s 130x98", Exact, Over(50.0)),
        ("178x146", "-s 178x146", Exact, Over(50.0)),
        ("322x182", "-s 322x182", Exact, Over(50.0)),
        ("16x16", "-s 16x16", Exact, Over(50.0)),
        ("cropped on all sides", "-x264-params crop-rect=4,2,6,8", Exact, Over(50.0)),
    ]);
}

/// h264::decodable refuses all but the first of these before any decoder is opened (it cannot know of the first that no
/// fields will come).
#[test]
fn what_rusty_refuses_by_name() {
    for (args, words) in [
        ("-x264-params interlaced=1", "interlace"),
        ("-x264-params tff=1", "interlace"),
        ("-pix_fmt gray", "non-4:2:0 chroma"),
        ("-pix_fmt yuv422p", "non-4:2:0 chroma"),
        ("-pix_fmt yuv444p", "non-4:2:0 chroma"),
        ("-pix_fmt yuv420p10le", "bit depth > 8"),
        ("-x264-params qp=0", "lossless"),
    ] {
        let stream = x264(args);
        let measured = measure(DecoderKind::Rusty, &stream, &Reference::new(&stream));
        assert_eq!(measured.psnr.len(), 0, "{args}");
        assert!(measured.errors.keys().any(|error| error.contains(words)), "{args}: {measured}");
    }
}

/// x264 writes implicit weights only (`weighted_bipred_idc` 2, H.264 7.4.2.2): its PPS is changed to say explicit (1).
#[test]
fn explicit_weights_in_b_pictures_are_refused_by_rusty() {
    let mut stream =
        x264("-x264-params weightb=1:weightp=0:ref=1:bframes=2:b-adapt=0:b-pyramid=none");
    let reference = Reference::new(&stream);
    let pps = stream.windows(4).position(|bytes| bytes[..3] == [0, 0, 1] && bytes[3] & 0x1f == 8);
    let fields = &mut stream[pps.expect("a PPS") + 4..][..2];
    // pps_id 0, sps_id 0, CABAC, no bottom field, one slice group, 1 and 1 references, no weighted_pred; then idc 2.
    assert_eq!((fields[0], fields[1] >> 6), (0b1110_1110, 0b10));
    fields[1] ^= 0b1100_0000;
    let measured = measure(DecoderKind::Rusty, &stream, &reference);
    assert_eq!(measured.psnr.len(), 0, "{measured}");
    assert!(measured.errors.keys().any(|error| error.contains("explicit weights")), "{measured}");
}
