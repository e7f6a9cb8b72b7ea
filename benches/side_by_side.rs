//! feathercast beside its peers, in one run on one machine: CPU time and peak memory of whole
//! processes.
//!
//! `cargo xtask bench` runs it with the binary of `cargo xtask dist`. Nothing else should run
//! meanwhile: on a machine whose cores are threads of one, a busy neighbour makes everything up to
//! 1.7 times as expensive, ours and theirs. Prints Markdown for docs/performance.md.
#![expect(clippy::print_stdout, reason = "the report goes to the terminal")]
#![expect(clippy::disallowed_methods, reason = "real time is what is measured")]

#[expect(dead_code, reason = "on_demand.rs needs the rest")]
mod programs;
mod support;

use std::net::{Ipv4Addr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use programs::{
    DEADLINE, FfmpegSettings, LADDER, Ports, Running, TICKS_PER_SECOND, free_port, get, largest,
    load, median, publish, scratch, smallest, wait_until_listening,
};
use support::{Clip, HIGH_720P, RECIPE};

/// Runs of everything; the median counts.
const RUNS: usize = 5;
/// From the publisher's start to the first look at the CPU time: encoders are open, the first
/// segments are out.
const WARM_UP: Duration = Duration::from_secs(5);
/// CPU time is taken over this long.
const SPAN: Duration = Duration::from_secs(10);

fn main() {
    // `cargo test --benches` and the like ask for tests, of which there are none.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    println!("load before: {}", load());
    processes();
    let starts: Vec<f64> = (0..RUNS * 4).map(|_| start_up_ms()).collect();
    println!("\nprocess start to listening: median {:.1} ms of {}", median(&starts), starts.len());
    let mut delays = segment_delays_ms();
    delays.sort_by(f64::total_cmp);
    let largest = delays.last().copied().unwrap_or(f64::NAN);
    println!(
        "144p segment listed after its last source picture arrived: median {:.0} ms, largest {largest:.0} ms of {}",
        median(&delays),
        delays.len()
    );
    println!("load after: {}", load());
}

fn processes() {
    let subjects = subjects();
    let mut samples: Vec<Vec<Sample>> = subjects.iter().map(|_| Vec::new()).collect();
    for _ in 0..RUNS {
        // Every run has all of them, so that they share its noise.
        for (subject, samples) in subjects.iter().zip(&mut samples) {
            samples.push(subject.measure());
        }
    }
    println!(
        "\n| publisher | job | program | core, median (min to max) | peak RSS, MB |\n|---|---|---|---|---|"
    );
    for (subject, samples) in subjects.iter().zip(&samples) {
        let cores: Vec<f64> = samples.iter().map(|sample| sample.core).collect();
        let rss: Vec<f64> = samples.iter().map(|sample| sample.rss_mb).collect();
        let (least, most) = (smallest(&cores), largest(&cores));
        println!(
            "| {} | {} | {} | {:.3} ({least:.3} to {most:.3}) | {:.1} |",
            subject.clip.name,
            subject.job,
            subject.program.name(),
            median(&cores),
            median(&rss)
        );
    }
}

/// A program doing a job for a publisher.
struct Subject {
    clip: &'static Clip,
    job: &'static str,
    program: Program,
}

enum Program {
    Feathercast { renditions: &'static str },
    Nginx,
    Ffmpeg { preset: &'static str },
}

struct Sample {
    core: f64,
    rss_mb: f64,
}

fn subjects() -> Vec<Subject> {
    let ours =
        |clip, job, renditions| Subject { clip, job, program: Program::Feathercast { renditions } };
    let ffmpeg = |clip, preset| Subject {
        clip,
        job: "source and 144p",
        program: Program::Ffmpeg { preset },
    };
    let mut subjects = vec![ours(&HIGH_720P, "source only", "")];
    if programs::has_nginx() {
        subjects.push(Subject { clip: &HIGH_720P, job: "source only", program: Program::Nginx });
    }
    subjects.extend([
        ours(&HIGH_720P, "source and 144p", LADDER),
        ffmpeg(&HIGH_720P, "ultrafast"),
        ffmpeg(&HIGH_720P, "veryfast"),
        ours(&RECIPE, "source and 144p", LADDER),
        ffmpeg(&RECIPE, "ultrafast"),
        ffmpeg(&RECIPE, "veryfast"),
    ]);
    subjects
}

impl Subject {
    fn measure(&self) -> Sample {
        let clip = self.clip.file();
        let port = free_port();
        let server = self.program.start(port);
        // ffmpeg listens for one connection only, which a probe would use up.
        match self.program {
            Program::Ffmpeg { .. } => sleep(Duration::from_secs(1)),
            _ => wait_until_listening(port),
        }
        let _publisher = publish(&clip, port, "bench");
        sleep(WARM_UP);
        let (before, start) = (server.cpu_ticks(), Instant::now());
        sleep(SPAN);
        let (after, span) = (server.cpu_ticks(), start.elapsed());
        Sample {
            core: (after - before) / TICKS_PER_SECOND / span.as_secs_f64(),
            rss_mb: server.peak_rss_mb(),
        }
    }
}

impl Program {
    fn name(&self) -> String {
        match self {
            Self::Feathercast { .. } => "**feathercast**".to_owned(),
            Self::Nginx => "nginx-rtmp".to_owned(),
            Self::Ffmpeg { preset } => format!("ffmpeg, libx264 {preset}"),
        }
    }

    fn start(&self, port: u16) -> Running {
        match self {
            Self::Feathercast { renditions } => {
                feathercast(renditions, Ports { rtmp: port, ..Ports::free() })
            }
            Self::Nginx => programs::nginx(port, free_port()),
            Self::Ffmpeg { preset } => {
                let settings = FfmpegSettings { preset, scaler: "bicubic" };
                programs::ffmpeg(settings, port, &scratch("ffmpeg"))
            }
        }
    }
}

/// With all renditions awake from the first picture on.
fn feathercast(renditions: &str, ports: Ports) -> Running {
    programs::feathercast(ports, &["--renditions", renditions, "--transcode", "always"])
}

/// From exec to the first accepted connection on the RTMP port.
fn start_up_ms() -> f64 {
    let ports = Ports::free();
    let start = Instant::now();
    let _server = feathercast(LADDER, ports);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, ports.rtmp)).is_err() {
        assert!(start.elapsed() < DEADLINE, "feathercast listens");
    }
    start.elapsed().as_secs_f64() * 1e3
}

/// For some segments, the time from the arrival of their last source picture to their line in the
/// 144p playlist.
///
/// PROGRAM-DATE-TIME is the arrival of a stream's first picture plus media time, and the publisher
/// sends in real time, so a segment's last picture arrives one picture before PROGRAM-DATE-TIME
/// plus EXTINF.
fn segment_delays_ms() -> Vec<f64> {
    const SEGMENTS: usize = 12;
    const PICTURE_MS: f64 = 1e3 / 30.0;
    let ports = Ports::free();
    let _server = feathercast(LADDER, ports);
    wait_until_listening(ports.rtmp);
    let _publisher = publish(&HIGH_720P.file(), ports.rtmp, "bench");
    let mut newest = String::new();
    let mut delays = Vec::new();
    let start = Instant::now();
    while delays.len() < SEGMENTS {
        assert!(start.elapsed() < DEADLINE + 3 * SPAN, "segments come");
        sleep(Duration::from_millis(5));
        let playlist = get(ports.http, &format!("/stream/bench/{LADDER}.m3u8"));
        let now = ms_of_day();
        let Some(last) = Listed::newest(&playlist.text()).filter(|last| last.uri != newest) else {
            continue;
        };
        newest = last.uri;
        let arrived = last.start_ms_of_day + last.duration_ms - PICTURE_MS;
        delays.push((now - arrived).rem_euclid(MS_PER_DAY));
    }
    // The first is listed only when the grid is decided.
    delays.split_off(1)
}

/// The last segment of a playlist.
struct Listed {
    uri: String,
    start_ms_of_day: f64,
    duration_ms: f64,
}

impl Listed {
    fn newest(playlist: &str) -> Option<Self> {
        let last = |prefix: &str| playlist.lines().rev().find_map(|line| line.strip_prefix(prefix));
        let time = last("#EXT-X-PROGRAM-DATE-TIME:")?.split_once('T')?.1.strip_suffix('Z')?;
        let seconds = time
            .split(':')
            .try_fold(0.0, |sum, part| part.parse::<f64>().ok().map(|part| sum * 60.0 + part))?;
        let duration: f64 = last("#EXTINF:")?.trim_end_matches(',').parse().ok()?;
        let uri = playlist.lines().last()?.to_owned();
        Some(Self { uri, start_ms_of_day: seconds * 1e3, duration_ms: duration * 1e3 })
    }
}

const MS_PER_DAY: f64 = 86_400_000.0;

fn ms_of_day() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    (now.as_secs_f64() * 1e3).rem_euclid(MS_PER_DAY)
}
