//! What a rendition looks like for its bytes: our encoder and x264 on the same small pictures.
//!
//! `cargo xtask bench` runs it. Prints Markdown for docs/quality.md, the same on a machine that is
//! busy: no time is measured. SSIM is ffmpeg's, over all planes, against the pictures that were
//! encoded; where one was left out, the one before it stands.
#![expect(clippy::print_stdout, reason = "the report goes to the terminal")]

#[path = "../crates/codec/tests/support/mod.rs"]
mod conformance;

use std::fs;
use std::path::{Path, PathBuf};

use codec::{Force, H264Encoder, H264EncoderConfig, Profile, Scaler};
use conformance::{ffmpeg, nal_units, packed, pictures};
use media::{I420Buf, Timestamp};

/// Recordings: name, file of `tests/media` or beside it, width and height.
const CLIPS: [(&str, &str, (usize, usize)); 3] = [
    ("Big Buck Bunny", "mp4/bigbuckbunny_720p.mp4", (1280, 720)),
    ("a phone's camera", "mp4/portrait_large_cts_offset.mp4", (720, 1280)),
    ("bikes", "mp4/bikes_640x272.mp4", (640, 272)),
];

/// The cap in bits a second, pictures a second, the longer and the shorter side that pictures have
/// at most, the profile: P144p30fps16x9 with what it mostly takes, P144p15fps16x9, P90p10fps16x9.
const RUNGS: [(u32, usize, (usize, usize), Profile); 3] = [
    (239_000, 30, (256, 144), Profile::High),
    (96_000, 15, (256, 144), Profile::Baseline),
    (26_000, 10, (160, 90), Profile::Baseline),
];

/// x264's options beside the bitrate and the keyframes.
const PEERS: [&str; 3] = ["-preset veryfast", "-preset medium", "-preset medium -bf 0 -refs 1"];

/// Source pictures, 30 a second: the recording in a loop.
const SOURCE_PICTURES: usize = 600;
const IDR_SECONDS: usize = 2;
/// How near to our bytes x264's are meant to be, how far from them they may be, and how often its
/// bitrate is set anew to get there.
const TOLERANCE: f64 = 0.005;
const MOST_TOLERANCE: f64 = 0.03;
const ATTEMPTS: usize = 20;

/// The pictures of one rendition, and the file that has them raw.
struct Source {
    pictures: Vec<I420Buf>,
    raw: PathBuf,
    /// ffmpeg's words for such a file.
    format: String,
    fps: usize,
}

fn main() {
    // `cargo test --benches` and the like ask for tests, of which there are none.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    println!(
        "| Recording | pictures | cap | made, kbit/s | left out | ours | x264 veryfast | medium | medium, our tools |\n\
         |---|---|---|---|---|---|---|---|---|"
    );
    for (cap_bps, fps, sides, profile) in RUNGS {
        for (name, file, size) in CLIPS {
            let Some(file) = testmedia::find(file) else {
                println!("| {name} | the recording is not on this machine | | | | | | | |");
                continue;
            };
            let source = scaled(&file, size, fit(size, sides), fps);
            let (bytes, left_out, ssim) = ours(&source, cap_bps, profile);
            let peers =
                PEERS.map(|options| format!("{:.3}", x264(&source, options, profile, bytes)));
            let small = source.pictures[0].as_i420();
            println!(
                "| {name} | {}x{}, {fps} a second | {} | {:.0} | {left_out} | {ssim:.3} | {} |",
                small.width(),
                small.height(),
                cap_bps / 1000,
                bits_per_second(&source, bytes) / 1000.0,
                peers.join(" | ")
            );
        }
    }
}

/// As `pipeline` fits a source into a preset's box.
fn fit((width, height): (usize, usize), (long, short): (usize, usize)) -> (usize, usize) {
    let (most_width, most_height) = if width < height { (short, long) } else { (long, short) };
    let scale = (most_width as f64 / width as f64).min(most_height as f64 / height as f64);
    let even = |side: usize| (side as f64 * scale / 2.0).round() as usize * 2;
    (even(width), even(height))
}

/// The recording's pictures, thinned and scaled as a rung does it.
fn scaled(
    recording: &Path,
    (width, height): (usize, usize),
    to: (usize, usize),
    fps: usize,
) -> Source {
    let args = format!(
        "-stream_loop -1 -i {} -an -vf select=not(mod(n\\,{})),settb=1/{fps},setpts=N -r {fps} \
         -frames:v {} -pix_fmt yuv420p -f rawvideo -",
        recording.display(),
        30 / fps,
        SOURCE_PICTURES * fps / 30,
    );
    let mut scaler = Scaler::new();
    let pictures: Vec<_> = pictures(&ffmpeg(&args, &[]), width, height)
        .iter()
        .map(|picture| {
            let mut small = I420Buf::new(to.0, to.1);
            scaler.scale(picture.as_i420(), &mut small).expect("a whole picture");
            small
        })
        .collect();
    let raw = Path::new(env!("CARGO_TARGET_TMPDIR")).join("quality.yuv");
    let samples: Vec<u8> = pictures.iter().flat_map(|picture| packed(picture.as_i420())).collect();
    fs::write(&raw, samples).expect("room for it");
    let format = format!("-f rawvideo -pix_fmt yuv420p -s {}x{} -r {fps}", to.0, to.1);
    Source { pictures, raw, format, fps }
}

/// Bytes of all slices, pictures left out, and SSIM.
fn ours(source: &Source, cap_bps: u32, profile: Profile) -> (usize, usize, f64) {
    let size = source.pictures[0].as_i420();
    let mut encoder = H264Encoder::new(&H264EncoderConfig {
        width: size.width() as u32,
        height: size.height() as u32,
        frame_rate: source.fps as f32,
        bitrate_bps: cap_bps,
        profile,
        colour: None,
    })
    .expect("an encoder");
    let (mut stream, mut bytes, mut coded, mut shown) = (Vec::new(), 0, 0, Vec::new());
    h264::annexb::write(encoder.parameter_sets().iter(), &mut stream);
    for (index, picture) in source.pictures.iter().enumerate() {
        let pts = Timestamp::from_ticks((index * 90_000 / source.fps) as i64);
        let starts_segment = index % (source.fps * IDR_SECONDS) == 0;
        let force = if starts_segment { Force::Idr } else { Force::None };
        let unit = encoder.encode(picture.as_i420(), pts, force).expect("it encodes");
        if let Some(unit) = unit {
            bytes += unit.nal_units.payload_bytes();
            h264::annexb::write(unit.nal_units.iter(), &mut stream);
            coded += 1;
        }
        shown.push(coded - 1);
    }
    (bytes, source.pictures.len() - coded, ssim(source, &stream, &shown))
}

/// x264's SSIM at that many bytes.
fn x264(source: &Source, options: &str, profile: Profile, bytes: usize) -> f64 {
    let profile = match profile {
        Profile::Baseline if options.contains("-bf 0") => "-profile:v baseline",
        _ => "-profile:v high",
    };
    let wanted = bits_per_second(source, bytes);
    let (mut bitrate, mut nearest) = (wanted, (f64::INFINITY, Vec::new()));
    for _ in 0..ATTEMPTS {
        // One thread: with more, the figures would depend on the machine.
        let args = format!(
            "{} -i {} -c:v libx264 -threads 1 {options} {profile} -b:v {bitrate:.0} -g {} \
             -sc_threshold 0 -f h264 -",
            source.format,
            source.raw.display(),
            source.fps * IDR_SECONDS,
        );
        let stream = ffmpeg(&args, &[]);
        let slices = nal_units(&stream).into_iter().filter(|unit| matches!(unit[0] & 0x1f, 1 | 5));
        let made = bits_per_second(source, slices.map(<[u8]>::len).sum());
        let off = (made / wanted - 1.0).abs();
        if off < nearest.0 {
            nearest = (off, stream);
        }
        if off < TOLERANCE {
            break;
        }
        // Not all the way: what it makes jumps.
        bitrate *= (wanted / made).powf(0.5);
    }
    assert!(
        nearest.0 < MOST_TOLERANCE,
        "x264 comes within {:.3} of {wanted:.0} bits a second",
        nearest.0
    );
    ssim(source, &nearest.1, &Vec::from_iter(0..source.pictures.len()))
}

fn bits_per_second(source: &Source, bytes: usize) -> f64 {
    (bytes * 8 * source.fps) as f64 / source.pictures.len() as f64
}

/// The mean over the source's pictures, of which each is shown as this one of the stream.
fn ssim(source: &Source, stream: &[u8], shown: &[usize]) -> f64 {
    let decoded = ffmpeg("-f h264 -i - -vsync passthrough -pix_fmt yuv420p -f rawvideo -", stream);
    let picture_bytes = packed(source.pictures[0].as_i420()).len();
    let decoded: Vec<&[u8]> = decoded.chunks(picture_bytes).collect();
    assert_eq!(decoded.len(), shown[shown.len() - 1] + 1, "each access unit is a picture");
    let seen: Vec<u8> = shown.iter().flat_map(|index| decoded[*index]).copied().collect();
    let (format, raw) = (&source.format, source.raw.display());
    let args =
        format!("{format} -i - {format} -i {raw} -lavfi ssim=stats_file=- -f null /dev/null");
    let text = String::from_utf8(ffmpeg(&args, &seen)).expect("text");
    let all = text.lines().filter_map(|line| line.split("All:").nth(1)?.split_whitespace().next());
    let all: Vec<f64> = all.map(|value| value.parse().expect("a number")).collect();
    assert_eq!(all.len(), shown.len());
    all.iter().sum::<f64>() / all.len() as f64
}
