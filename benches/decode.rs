//! Both H.264 decoders and ffmpeg on the same streams of real pictures, in the same run: CPU time
//! and memory, a process each.
//!
//! `cargo xtask bench` runs it. Prints Markdown for docs/decode.md. On one thread: a stream has
//! one.
#![expect(clippy::print_stdout, reason = "the report goes to the terminal")]

#[path = "../crates/codec/tests/support/mod.rs"]
mod conformance;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use codec::{DecoderKind, H264Decoder, Quality};
use conformance::access_units;
use media::Timestamp;

/// Runs of everything; the median counts.
const RUNS: usize = 5;
/// Linux counts CPU time for user space in hundredths of a second (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;
/// A stream is decoded again and again until that much time is used: the short ones are over in a
/// few ticks.
const LEAST_CPU_SECONDS: f64 = 0.5;

/// native as a rendition of at most half the source's size has it.
const FOR_SCALE: &str = "native-for-scale";

/// Recordings: name, file of `tests/media` or beside it, how its pictures are made to be what a
/// publisher sends, and x264's options.
const CLIPS: [(&str, &str, &str, &str); 5] = [
    ("Big Buck Bunny 720p, High", "mp4/bigbuckbunny_720p.mp4", "scale=1280:720", VERYFAST),
    (
        "a phone's camera, 720x1280, High",
        "mp4/portrait_large_cts_offset.mp4",
        "scale=720:1280",
        VERYFAST,
    ),
    ("bikes, 640x272, High", "mp4/bikes_640x272.mp4", "scale=640:272", VERYFAST),
    ("Big Buck Bunny 1080p, High", "mp4/bigbuckbunny_720p.mp4", "scale=1920:1080", VERYFAST),
    (
        "Big Buck Bunny 720p, Baseline, CAVLC",
        "mp4/bigbuckbunny_720p.mp4",
        "scale=1280:720",
        "-preset veryfast -profile:v baseline -b:v 2500k",
    ),
];

/// As OBS sends it.
const VERYFAST: &str = "-preset veryfast -profile:v high -b:v 2500k";

/// Pictures a second of CPU time, and megabytes: what decoding adds to what is resident, of ffmpeg
/// the whole process.
type Sample = (f64, f64);

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, kind, file, ..] = &args[..]
        && flag == "--decode"
    {
        return decode(kind, Path::new(file));
    }
    // `cargo test --benches` and the like ask for tests, of which there are none.
    if !args.iter().any(|arg| arg == "--bench") {
        return;
    }
    println!("load before: {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    println!(
        "| Stream | decoder | pictures a second of CPU (median, least to most) | MB |\n|---|---|---|---|"
    );
    for (name, file, filter, encoder) in CLIPS {
        match testmedia::find(file) {
            Some(file) => compare(name, &stream(&file, filter, encoder)),
            None => println!("| {name} | the recording is not on this machine | | |"),
        }
    }
    println!("load after: {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
}

fn compare(name: &str, file: &Path) {
    let programs: [(&str, &dyn Fn() -> Sample); 4] = [
        ("native", &|| child("native", file)),
        ("native, to be scaled down", &|| child(FOR_SCALE, file)),
        ("openh264", &|| child("openh264", file)),
        ("ffmpeg, 1 thread", &|| ffmpeg(file)),
    ];
    let mut samples = [(); 4].map(|()| Vec::new());
    for _ in 0..RUNS {
        // Every run has all of them, so that they share its noise.
        for ((_, measure), samples) in programs.iter().zip(&mut samples) {
            samples.push(measure());
        }
    }
    for ((program, _), samples) in programs.iter().zip(&mut samples) {
        samples.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (rate, least, most) = (samples[RUNS / 2].0, samples[0].0, samples[RUNS - 1].0);
        let megabytes = samples[RUNS / 2].1;
        println!("| {name} | {program} | {rate:.0} ({least:.0} to {most:.0}) | {megabytes:.1} |");
    }
}

/// 20 s of a recording's pictures, looped, at 30 a second with keyframes every 2 s, as an Annex B
/// stream.
fn stream(recording: &Path, filter: &str, encoder: &str) -> PathBuf {
    let words = format!("{}{filter}{encoder}", recording.file_stem().unwrap_or_default().display());
    let name = words.replace(|c: char| !c.is_ascii_alphanumeric(), "");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("decode-{name}.264"));
    let filter = format!("setpts=N/30/TB,{filter}:flags=bicubic,setsar=1,format=yuv420p");
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y", "-stream_loop", "-1", "-i"])
        .arg(recording)
        .args(["-an", "-vf", &filter, "-r", "30", "-frames:v", "600", "-c:v", "libx264"])
        .args(encoder.split(' '))
        .args(["-g", "60", "-f", "h264"])
        .arg(&path)
        .status()
        .expect("ffmpeg is installed");
    assert!(status.success(), "ffmpeg makes {}", path.display());
    path
}

/// This program again, as one decoder: its memory is its own.
fn child(kind: &str, file: &Path) -> Sample {
    let this = std::env::current_exe().expect("a program");
    let output = Command::new(this).args(["--decode", kind]).arg(file).output().expect("itself");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().map(|word| word.parse().expect("a number"));
    (numbers.next().expect("a rate"), numbers.next().expect("a size"))
}

/// Decodes the stream and prints what it took.
fn decode(kind: &str, file: &Path) {
    let (kind, quality) = match kind {
        FOR_SCALE => (DecoderKind::Native, Quality::ForScale(5)),
        "openh264" => (DecoderKind::Openh264, Quality::Exact),
        _ => (DecoderKind::Native, Quality::Exact),
    };
    let access_units = access_units(&fs::read(file).expect("a stream"));
    let mut decoder = H264Decoder::new(kind).expect("a decoder");
    decoder.set_quality(quality);
    let (mut pictures, before) = (0_u32, (cpu_seconds(), megabytes("VmRSS:")));
    let mut stamps = (0..).map(Timestamp::from_ticks);
    while cpu_seconds() - before.0 < LEAST_CPU_SECONDS {
        for (unit, pts) in access_units.iter().zip(&mut stamps) {
            decoder.decode(unit, pts, |_, _| pictures += 1).expect("a good stream");
        }
    }
    decoder.drain(|_, _| pictures += 1);
    assert_eq!(pictures as usize % access_units.len(), 0, "each access unit is a picture");
    let rate = f64::from(pictures) / (cpu_seconds() - before.0);
    println!("{rate} {}", megabytes("VmHWM:") - before.1);
}

fn ffmpeg(file: &Path) -> Sample {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "info", "-nostats", "-benchmark", "-threads", "1", "-i"])
        .arg(file)
        .args(["-f", "null", "-"])
        .output()
        .expect("ffmpeg is installed");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let number = |key: &str| -> f64 {
        let rest = &text[text.rfind(key).expect(key) + key.len()..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        rest[..end].trim().parse().expect(key)
    };
    let frames = text.rfind("frame=").map_or("", |at| &text[at + 6..]).split_whitespace().next();
    let frames: f64 = frames.and_then(|word| word.parse().ok()).expect("frames");
    (frames / (number("utime=") + number("stime=")), number("maxrss=") / 1024.0)
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("/proc");
    let fields = stat.rsplit(')').next().expect("fields").split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_SECOND
}

/// A line of `/proc/self/status`.
fn megabytes(key: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("kB") / 1024.0
}
