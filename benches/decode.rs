//! Both H.264 decoders and ffmpeg on the same 720p streams, and both decoders on every stream of
//! the conformance tests, in the same run: CPU time and memory, a process each.
//!
//! `cargo xtask bench` runs it. Prints Markdown for docs/decode.md. On one thread: a stream has
//! one.
#![expect(clippy::print_stdout, reason = "the report goes to the terminal")]

#[path = "../crates/codec/tests/support/mod.rs"]
mod conformance;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use codec::{DecoderKind, H264Decoder};
use conformance::access_units;
use conformance::matrix::{self, Expected, Row};
use media::Timestamp;
use support::{Clip, HIGH_720P, RECIPE};

/// Runs of everything; the median counts.
const RUNS: usize = 5;
/// Linux counts CPU time for user space in hundredths of a second (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;
/// A stream is decoded again and again until that much time is used: the short ones are over in a
/// few ticks.
const LEAST_CPU_SECONDS: f64 = 0.5;

/// Name, clip, and how it is encoded anew: what other encoders send, in the size and bitrate of the
/// first.
const CLIPS: [(&str, Clip, &str); 5] = [
    ("720p High (bench clip)", HIGH_720P, ""),
    ("720p High, preset medium", HIGH_720P, "-preset medium -b:v 3000k -g 60"),
    (
        "720p Main, no B pictures",
        HIGH_720P,
        "-preset veryfast -profile:v main -bf 0 -b:v 3000k -g 60",
    ),
    ("720p Baseline, CAVLC", HIGH_720P, "-preset veryfast -profile:v baseline -b:v 3000k -g 60"),
    ("480p, the recipe", RECIPE, ""),
];

/// What x264 can be told, in the order of docs/decode.md.
const X264: [&[Row]; 6] = [
    matrix::PREDICTION,
    matrix::PRESETS,
    matrix::PROFILES_AND_TUNES,
    matrix::TRANSFORM_AND_ENTROPY,
    matrix::SIZES_AND_CROPPING,
    matrix::SLICES_AND_REFERENCES,
];

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
    for (name, clip, encoder) in CLIPS {
        compare(name, &stream(&clip, encoder));
    }
    println!(
        "\n| Stream | rusty, pictures a second of CPU | MB | openh264 | MB |\n|---|---|---|---|---|"
    );
    compare_rows(&[matrix::VECTORS], matrix::vector);
    compare_rows(&[matrix::CUT_VECTORS], matrix::cut_vector);
    compare_rows(&X264, |options| Some(matrix::x264(options)));
    println!("load after: {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
}

fn compare(name: &str, file: &Path) {
    let programs: [(&str, &dyn Fn() -> Sample); 3] = [
        ("rusty", &|| child("rusty", file)),
        ("openh264", &|| child("openh264", file)),
        ("ffmpeg, 1 thread", &|| ffmpeg(file)),
    ];
    let mut samples = [(); 3].map(|()| Vec::new());
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

/// A line for each row whose stream is on this machine: what a decoder refuses or gets wrong has no
/// speed.
fn compare_rows(rows: &[&[Row]], stream: impl Fn(&str) -> Option<Vec<u8>>) {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("decode-row.264");
    for (name, how, rusty, openh264) in rows.iter().copied().flatten() {
        let Some(stream) = stream(how) else { continue };
        fs::write(&file, stream).expect("a file under target/");
        let decoders = [("rusty", rusty), ("openh264", openh264)];
        let mut samples = [(); 2].map(|()| Vec::new());
        for _ in 0..RUNS {
            for ((kind, expected), samples) in decoders.iter().zip(&mut samples) {
                if matches!(expected, Expected::Exact | Expected::Over(_)) {
                    samples.push(child(kind, &file));
                }
            }
        }
        let [rusty, openh264] = samples.map(median_cells);
        println!("| {name} | {rusty} | {openh264} |");
    }
}

fn median_cells(mut samples: Vec<Sample>) -> String {
    samples.sort_by(|a, b| a.0.total_cmp(&b.0));
    let median = samples.get(samples.len() / 2);
    median.map_or_else(
        || "- | -".to_owned(),
        |(rate, megabytes)| format!("{rate:.0} | {megabytes:.1}"),
    )
}

/// The clip's video as an Annex B stream of 600 pictures, encoded anew where `encoder` says
/// something.
fn stream(clip: &Clip, encoder: &str) -> PathBuf {
    let encoding = encoder.replace(|c: char| !c.is_ascii_alphanumeric(), "");
    let name = format!("decode-{}-{encoding}.264", clip.name);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let how =
        if encoder.is_empty() { "-c:v copy".to_owned() } else { format!("-c:v libx264 {encoder}") };
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y", "-i"])
        .arg(clip.file())
        .args(how.split(' '))
        .args(["-an", "-f", "h264"])
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
    let kind = if kind == "rusty" { DecoderKind::Rusty } else { DecoderKind::Openh264 };
    let access_units = access_units(&fs::read(file).expect("a stream"));
    let mut decoder = H264Decoder::new(kind).expect("a decoder");
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
