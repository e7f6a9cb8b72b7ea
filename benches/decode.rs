//! Both H.264 decoders and ffmpeg on the same 720p streams, in the same run: CPU time and memory, a process each.
//!
//! `cargo xtask bench` runs it. Prints Markdown for docs/decode.md. On one thread: a stream has one.
#![expect(clippy::print_stdout, reason = "the report goes to the terminal")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use codec::{DecoderKind, H264Decoder};
use media::Timestamp;
use support::{Clip, HIGH_720P, RECIPE};

/// Runs of everything; the median counts.
const RUNS: usize = 5;
/// Linux counts CPU time for user space in hundredths of a second (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// Name, clip, and how it is encoded anew: what other encoders send, in the size and bitrate of the first.
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

/// Pictures a second of CPU time, and megabytes: what decoding adds to what is resident, of ffmpeg the whole process.
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

/// The clip's video as an Annex B stream of 600 pictures, encoded anew where `encoder` says something.
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
    for (at, unit) in access_units.iter().enumerate() {
        let pts = Timestamp::from_ticks(at as i64);
        decoder.decode(unit, pts, |_, _| pictures += 1).expect("a good stream");
    }
    decoder.drain(|_, _| pictures += 1);
    assert_eq!(pictures as usize, access_units.len());
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

/// Cut where a picture begins: at a slice with its first macroblock, or at what comes before one.
fn access_units(stream: &[u8]) -> Vec<Vec<u8>> {
    let starts: Vec<usize> = stream
        .windows(3)
        .enumerate()
        .filter(|(_, code)| *code == [0, 0, 1])
        .map(|(at, _)| at)
        .collect();
    let mut access_units: Vec<Vec<u8>> = vec![Vec::new()];
    let mut has_picture = false;
    for (index, start) in starts.iter().enumerate() {
        let unit = &stream[*start..starts.get(index + 1).copied().unwrap_or(stream.len())];
        let kind = unit.get(3).map_or(0, |header| header & 0x1f);
        let is_slice = matches!(kind, 1..=5);
        let starts_picture = is_slice && unit.get(4).is_some_and(|byte| byte & 0x80 != 0);
        if has_picture && (starts_picture || matches!(kind, 6..=9)) {
            access_units.push(Vec::new());
            has_picture = false;
        }
        has_picture |= is_slice;
        access_units.last_mut().expect("one").extend_from_slice(unit);
    }
    access_units
}
