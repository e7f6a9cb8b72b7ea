//! Streams through [`Decoding`], each picture that comes out held against ffmpeg's.

use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use codec::DecoderKind::{self, Native, Openh264};
use h264::{ParameterSets, Sps};
use media::{AccessUnit, Duration, I420, Plane, Timestamp};

use crate::decoding::Decoding;
use crate::picture::{Picture, VideoConfig};
use crate::video_track::refusal;

/// A stream cut into pictures; their times are their places in decoding order, one second each.
struct Stream {
    config: Arc<VideoConfig>,
    pictures: Vec<Picture>,
}

impl Stream {
    fn new(annexb: &[u8]) -> Self {
        let mut pictures = Vec::new();
        // Parameter sets stay where they are: vectors change them on the way.
        let units: Vec<_> = access_units(annexb)
            .into_iter()
            .map(|access_unit| h264::annexb::nal_units(Bytes::from(access_unit)))
            .collect();
        let parameter_sets: ParameterSets = units[0].iter().collect();
        let sps = Sps::parse(&parameter_sets.sps[0]).unwrap();
        let macroblocks = sps.coded_width * sps.coded_height / 256;
        let config = Arc::new(VideoConfig { parameter_sets, sps, refusal: None });
        for nal_units in units {
            let facts = h264::classify(&nal_units);
            let at = Timestamp::from_millis(1000 * pictures.len() as i64);
            pictures.push(Picture {
                unit: AccessUnit { pts: at, dts: at, random_access: facts.idr, nal_units },
                macroblocks,
                disposable: facts.disposable,
                recovery_point: facts.recovery_point,
                config: Arc::clone(&config),
                cut_point: facts.idr.then_some(hls::CutPoint::Idr),
                may_begin_segment: false,
                after_gap: false,
                interval: Duration::from_secs(1),
            });
        }
        Self { config, pictures }
    }

    /// A conformance vector, where it is on this machine.
    fn vector(name: &str) -> Option<Self> {
        vector(name).as_deref().map(Self::new)
    }
}

/// What came of it.
#[derive(Debug, Default)]
struct Outcome {
    /// Places in decoding order.
    places: Vec<usize>,
    samples: Vec<Vec<u8>>,
    errors: Vec<String>,
    is_given_up: bool,
}

fn decode(kind: DecoderKind, config: &Arc<VideoConfig>, pictures: &[Picture]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut decoding = Decoding::new(kind, config);
    let mut come = Vec::new();
    for picture in pictures {
        let result = decoding.decode(picture, |picture, pts| come.push((pts, packed(picture))));
        outcome.errors.extend(result.err().map(|error| error.to_string()));
        outcome.is_given_up = decoding.is_given_up();
        if outcome.is_given_up {
            break;
        }
    }
    if !outcome.is_given_up {
        decoding.drain(|picture, pts| come.push((pts, packed(picture))));
    }
    come.sort_by_key(|(pts, _)| *pts);
    (outcome.places, outcome.samples) =
        come.into_iter().map(|(pts, samples)| ((pts.ticks() / 90_000) as usize, samples)).unzip();
    outcome
}

/// Each vector: how many pictures come out, all of them ffmpeg's to the bit.
#[test]
fn every_vector_is_right() {
    for (name, pictures) in [
        ("BA1_FT_C.264", 299),
        ("CVFC1_Sony_C.jsv", 50),
        ("MR1_BT_A.h264", 62),
        ("SVA_BA2_D.264", 17),
        ("Adobe_PDF_sample_a_1024x768_50Frms.264", 50),
        ("Cisco_Men_whisper_640x320_CABAC_Bframe_9.264", 9),
        ("test_scalinglist_jm.264", 5),
        ("CABA3_TOSHIBA_E.264", 300),
        ("CABA3_SVA_B.264", 33),
        ("NL3_SVA_E.264", 33),
        ("HCBP2_HHI_A.264", 250),
        ("FRExt1_Panasonic.avc", 8),
        ("FRExt_MMCO4_Sony_B.264", 60),
        ("QCIF_2P_I_allIPCM.264", 2),
        ("HPCVMOLQ_BRCM_B.264", 100),
    ] {
        let Some(bytes) = vector(name) else { continue };
        let stream = Stream::new(&bytes);
        assert_eq!(refusal(&stream.config.sps, &stream.config.parameter_sets), None, "{name}");
        let outcome = decode(Native, &stream.config, &stream.pictures);
        assert_eq!((outcome.samples.len(), outcome.errors.len()), (pictures, 0), "{name}");
        let reference = reference(&bytes, outcome.samples[0].len());
        assert!(outcome.samples.iter().all(|samples| reference.contains(samples)), "{name}");
    }
}

#[test]
fn what_is_not_decoded_is_judged_before_and_named() {
    for (name, words) in [
        ("FM2_SVA_C.264", "flexible macroblock ordering"),
        ("PPH10I2_Panasonic_A.264", "10 bits a sample"),
        ("i422_360p_x264.h264", "chroma format 4:2:2"),
    ] {
        let Some(stream) = Stream::vector(name) else { continue };
        let why = refusal(&stream.config.sps, &stream.config.parameter_sets).unwrap();
        assert!(why.to_string().contains(words), "{name}: {why}");
    }
}

/// One field of each frame comes out, never two of different moments.
#[test]
fn interlaced_streams_come_out_as_one_field_of_each_frame() {
    let streams = [
        vector("CAFI1_SVA_C.264"),
        vector("CAMA3_Sand_E.264"),
        Some(x264("tff=1:keyint=10", 20)),
        Some(x264("bff=1:keyint=10:bframes=3", 20)),
    ];
    for bytes in streams.into_iter().flatten() {
        let stream = Stream::new(&bytes);
        assert_eq!(refusal(&stream.config.sps, &stream.config.parameter_sets), None);
        let outcome = decode(Native, &stream.config, &stream.pictures);
        assert_eq!(outcome.errors, Vec::<String>::new());
        let fields = raw("-vf field=type=top", &bytes);
        let fields: Vec<&[u8]> = fields.chunks(outcome.samples[0].len()).collect();
        assert_eq!(outcome.samples.len(), fields.len());
        assert!(outcome.samples.iter().all(|samples| fields.contains(&&samples[..])));
        let refused = decode(Openh264, &stream.config, &stream.pictures);
        assert!(refused.is_given_up && refused.samples.is_empty(), "it would make garbage of it");
    }
}

/// What shows in slices only. One of them may be damage.
#[test]
fn a_stream_that_the_decoder_refuses_again_and_again_is_given_up() {
    let bytes = x264("tff=1:keyint=10", 20);
    // Slices of data partitioning, which the parameter sets say nothing of.
    let partition = || h264::annexb::nal_units(vec![0, 0, 1, 0x62, 0x88, 0x84].into());
    let mut stream = Stream::new(&bytes);
    stream.pictures[3].unit.nal_units = partition();
    let outcome = decode(Native, &stream.config, &stream.pictures);
    assert!(!outcome.is_given_up && outcome.errors[0].contains("data partitioning"), "{outcome:?}");
    for picture in &mut stream.pictures[3..] {
        picture.unit.nal_units = partition();
    }
    let outcome = decode(Native, &stream.config, &stream.pictures);
    assert!(outcome.is_given_up && outcome.errors.len() == 2, "{outcome:?}");
}

/// 4.3 row 31: scaling lists in the SPS (JM) and in the PPS (x264).
#[test]
fn row_31_scaling_lists_are_decoded() {
    for bytes in [testmedia::read("h264/test_scalinglist_jm.264"), x264("cqm=jvt", 20)] {
        let stream = Stream::new(&bytes);
        assert_eq!(refusal(&stream.config.sps, &stream.config.parameter_sets), None);
        let outcome = decode(Native, &stream.config, &stream.pictures);
        assert_eq!((outcome.samples.len(), outcome.errors.len()), (stream.pictures.len(), 0));
        let reference = reference(&bytes, outcome.samples[0].len());
        assert!(outcome.samples.iter().all(|samples| reference.contains(samples)));
    }
}

/// The vector changes its only PPS six times, also in front of pictures that refer to earlier ones.
#[test]
fn a_pps_that_changes_does_not_cost_a_picture() {
    let Some(bytes) = vector("CABA3_TOSHIBA_E.264") else { return };
    let Stream { config, pictures } = Stream::new(&bytes);
    let mut config = VideoConfig::clone(&config);
    let mut decoding = Decoding::new(Native, &Arc::new(config.clone()));
    let mut come = Vec::new();
    for mut picture in pictures {
        let (nal_units, seen) = h264::split_parameter_sets(picture.unit.nal_units);
        picture.unit.nal_units = nal_units;
        if config.parameter_sets.update(&seen) {
            decoding.set_config(&Arc::new(config.clone()));
        }
        decoding.decode(&picture, |picture, _| come.push(packed(picture))).unwrap();
    }
    let reference = reference(&bytes, come[0].len());
    assert_eq!(come.len(), 300);
    assert!(come.iter().all(|samples| reference.contains(samples)));
}

/// What refers to a picture that was lost on the way is shown as well as it goes, and that is said;
/// from the next IDR on everything is right.
#[test]
fn a_lost_picture_is_concealed_and_named() {
    let bytes = x264("keyint=10:bframes=0:scenecut=0", 40);
    let mut stream = Stream::new(&bytes);
    stream.pictures.remove(13);
    let outcome = decode(Native, &stream.config, &stream.pictures);
    assert_eq!(outcome.places, (0..13).chain(14..40).collect::<Vec<_>>());
    assert!(
        outcome.errors[0].contains("came damaged: 0 macroblocks and 1 reference"),
        "{outcome:?}"
    );
    let reference = reference(&bytes, outcome.samples[0].len());
    let right: Vec<usize> = (outcome.places.into_iter().zip(&outcome.samples))
        .filter_map(|(place, samples)| reference.contains(samples).then_some(place))
        .collect();
    assert_eq!(right, (0..13).chain(20..40).collect::<Vec<_>>());
}

/// The second P picture was cut out, and there are three IDRs more.
#[test]
fn a_vector_with_a_lost_picture_is_right_again_from_the_next_idr_on() {
    let bytes = testmedia::read("h264/BA_MW_D_P_LOST.264");
    let stream = Stream::new(&bytes);
    let next = (1..99).find(|at| stream.pictures[*at].unit.random_access).unwrap();
    let outcome = decode(Native, &stream.config, &stream.pictures);
    assert_eq!(outcome.places, (0..99).collect::<Vec<_>>());
    assert!(outcome.errors[0].contains("came damaged"), "{:?}", outcome.errors);
    let reference = reference(&bytes, outcome.samples[0].len());
    assert!(outcome.samples[next..].iter().all(|samples| reference.contains(samples)));
}

/// The other half is what was there before.
#[test]
fn half_a_picture_is_concealed_and_named() {
    let bytes = x264("keyint=10:scenecut=0:bframes=0:cabac=0", 30);
    let mut stream = Stream::new(&bytes);
    let unit = &mut stream.pictures[5].unit;
    let slice = unit.nal_units.iter().last().unwrap();
    let half = [&[0, 0, 0, 1][..], &slice[..slice.len() / 2]].concat();
    unit.nal_units = h264::annexb::nal_units(half.into());
    let outcome = decode(Native, &stream.config, &stream.pictures);
    assert_eq!(outcome.places, (0..30).collect::<Vec<_>>());
    let [error] = &outcome.errors[..] else { panic!("{:?}", outcome.errors) };
    assert!(error.contains("macroblocks and 0 references"), "{error}");
    let reference = reference(&bytes, outcome.samples[0].len());
    let mut whole = outcome.samples[..5].iter().chain(&outcome.samples[10..]);
    assert!(whole.all(|samples| reference.contains(samples)));
}

/// 4.3 row 41: intra refresh has one IDR, long ago. The picture is shown from where the recovery
/// point says it is whole.
#[test]
fn row_41_decoding_starts_at_a_recovery_point_and_shows_what_is_recovered() {
    let bytes = x264("intra-refresh=1:keyint=10:bframes=0", 60);
    let stream = Stream::new(&bytes);
    let start = (20..40).find(|at| stream.pictures[*at].recovery_point).unwrap();
    assert!(!stream.pictures[start].unit.random_access);
    let outcome = decode(Native, &stream.config, &stream.pictures[start..]);
    assert_eq!(outcome.errors, Vec::<String>::new());
    let first = outcome.places[0];
    assert!((start + 5..start + 12).contains(&first), "{first} after {start}");
    assert_eq!(outcome.places, (first..60).collect::<Vec<_>>());
    let reference = reference(&bytes, outcome.samples[0].len());
    assert!(outcome.samples.iter().all(|samples| reference.contains(samples)));
    let alone = decode(Openh264, &stream.config, &stream.pictures[start..]);
    assert_eq!((alone.samples.len(), alone.errors.len()), (0, 0), "it starts at IDRs");
}

/// An open GOP starts with an intra picture and B pictures that are shown before it and refer to
/// the GOP before.
#[test]
fn row_41_an_open_gop_is_shown_from_its_first_picture_on() {
    let bytes = x264("open-gop=1:keyint=8:min-keyint=8:bframes=2:b-adapt=0:scenecut=0", 40);
    let stream = Stream::new(&bytes);
    let start = (10..30).find(|at| stream.pictures[*at].recovery_point).unwrap();
    let outcome = decode(Native, &stream.config, &stream.pictures[start..]);
    assert_eq!(outcome.errors, Vec::<String>::new());
    // The second of two B pictures is in the GOP before.
    assert_eq!(outcome.places, [start].into_iter().chain(start + 2..40).collect::<Vec<_>>());
    let reference = reference(&bytes, outcome.samples[0].len());
    assert!(outcome.samples.iter().all(|samples| reference.contains(samples)));
}

/// The bytes of a conformance vector, where it is on this machine.
fn vector(name: &str) -> Option<Vec<u8>> {
    testmedia::find_and_read(&format!("h264/{name}"))
}

/// 128x96, as x264 is told.
fn x264(params: &str, pictures: usize) -> Vec<u8> {
    let args = format!(
        "-f lavfi -i testsrc2=size=128x96:rate=30 -vf noise=alls=8:all_seed=1:allf=t -frames:v {pictures} \
         -pix_fmt yuv420p -threads 1 -c:v libx264 -x264-params {params} -f h264 -"
    );
    ffmpeg(&args, &[])
}

/// The pictures that ffmpeg decodes, of `size` bytes each.
fn reference(annexb: &[u8], size: usize) -> HashSet<Vec<u8>> {
    raw("-pix_fmt yuv420p", annexb).chunks(size).map(<[u8]>::to_vec).collect()
}

/// The same with these options, one after the other.
fn raw(options: &str, annexb: &[u8]) -> Vec<u8> {
    ffmpeg(&format!("-flags unaligned -f h264 -i - {options} -vsync 0 -f rawvideo -"), annexb)
}

fn ffmpeg(args: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-hide_banner", "-v", "quiet"])
        .args(args.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that has seen enough closes its input.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "ffmpeg {args}");
    output.stdout
}

fn packed(picture: I420<'_>) -> Vec<u8> {
    [picture.y, picture.u, picture.v].into_iter().flat_map(Plane::rows).flatten().copied().collect()
}

/// Cut where a picture begins: at a slice with its first macroblock, or at what comes before one.
fn access_units(annexb: &[u8]) -> Vec<Vec<u8>> {
    let mut access_units: Vec<Vec<u8>> = vec![Vec::new()];
    let mut has_picture = false;
    for unit in h264::annexb::nal_units(Bytes::copy_from_slice(annexb)).iter() {
        let kind = unit[0] & 0x1f;
        let is_slice = matches!(kind, 1..=5);
        let starts_picture = is_slice && unit.get(1).is_some_and(|byte| byte & 0x80 != 0);
        if has_picture && (starts_picture || matches!(kind, 6..=9)) {
            access_units.push(Vec::new());
            has_picture = false;
        }
        has_picture |= is_slice;
        let current = access_units.last_mut().unwrap();
        current.extend_from_slice(&[0, 0, 0, 1]);
        current.extend_from_slice(unit);
    }
    access_units
}
