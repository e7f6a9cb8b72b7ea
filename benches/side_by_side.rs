//! feathercast beside its peers, in one run on one machine: CPU time and peak memory of whole processes.
//!
//! `cargo xtask bench` runs it with the binary of `cargo xtask dist`. Nothing else should run meanwhile: on a machine
//! whose cores are threads of one, a busy neighbour makes everything up to 1.7 times as expensive, ours and theirs.
//! Prints Markdown for docs/performance.md.
#![expect(clippy::print_stdout, reason = "the report goes to the terminal")]
#![expect(clippy::disallowed_methods, reason = "real time is what is measured")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::{Clip, HIGH_720P, RECIPE};

/// Runs of everything; the median counts.
const RUNS: usize = 5;
/// From the publisher's start to the first look at the CPU time: encoders are open, the first segments are out.
const WARM_UP: Duration = Duration::from_secs(5);
/// CPU time is taken over this long.
const SPAN: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_secs(10);
/// Linux counts CPU time for user space in hundredths of a second (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;
const LADDER: &str = "P144p30fps16x9";

fn main() {
    // `cargo test --benches` and the like ask for tests, of which there are none.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    println!("load before: {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
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
    println!("load after: {}", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
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
        let (least, most) =
            (smallest(&cores), -smallest(&cores.iter().map(|c| -c).collect::<Vec<_>>()));
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
    if Path::new(NGINX_MODULE).exists() {
        subjects.push(Subject { clip: &HIGH_720P, job: "source only", program: Program::Nginx });
    } else {
        println!("nginx-rtmp is not installed ({NGINX_MODULE}): left out");
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
        let _publisher = publish(&clip, port);
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
            Self::Feathercast { renditions } => feathercast(renditions, port, free_port()),
            Self::Nginx => nginx(port),
            Self::Ffmpeg { preset } => ffmpeg(preset, port),
        }
    }
}

/// A process that ends with its handle.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.0.id());
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// User and system time of all threads (proc(5): the 14th and 15th field of stat).
    fn cpu_ticks(&self) -> f64 {
        let stat = self.proc("stat");
        // The second field, in brackets, may have blanks; the third follows it.
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        let ticks = after_name.split(' ').skip(11).take(2);
        ticks.map(|ticks| ticks.parse::<f64>().expect("a number")).sum()
    }

    fn peak_rss_mb(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024.0 / 1e6
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn feathercast(renditions: &str, rtmp: u16, http: u16) -> Running {
    let binary = std::env::var_os("FEATHERCAST").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/dist/feathercast"),
        PathBuf::from,
    );
    let address = |port: u16| format!("127.0.0.1:{port}");
    Running::start(Command::new(binary).args([
        "serve",
        "--rtmp-addr",
        &address(rtmp),
        "--http-addr",
        &address(http),
        "--admin-addr",
        &address(free_port()),
        "--renditions",
        renditions,
    ]))
}

const NGINX_MODULE: &str = "/usr/lib/nginx/modules/ngx_rtmp_module.so";

/// nginx with the RTMP module in one process, writing HLS of 2 s to the disk, which is how it serves it.
fn nginx(port: u16) -> Running {
    let folder = scratch("nginx");
    let config = folder.join("nginx.conf");
    let at = folder.display();
    let text = format!(
        "load_module {NGINX_MODULE};\n\
         daemon off; master_process off; pid {at}/pid; error_log {at}/error.log crit;\n\
         events {{}}\n\
         rtmp {{ server {{ listen 127.0.0.1:{port}; access_log off;\n\
           application live {{ live on; hls on; hls_path {at}/hls; hls_fragment 2s; hls_playlist_length 12s; }} }} }}\n"
    );
    fs::write(&config, text).expect("a configuration");
    Running::start(Command::new("/usr/sbin/nginx").arg("-p").arg(&folder).arg("-c").arg(&config))
}

/// ffmpeg as server: the same two renditions as we make, written as HLS.
fn ffmpeg(preset: &str, port: u16) -> Running {
    let folder = scratch("ffmpeg");
    let url = format!("rtmp://127.0.0.1:{port}/live/bench");
    let hls = "-f hls -hls_time 2 -hls_list_size 6 -hls_flags delete_segments";
    let outputs = format!(
        "-map 0:v -map 0:a -c copy {hls} source.m3u8 \
         -map 0:v -map 0:a -c:v libx264 -preset {preset} -threads 1 -vf scale=256:144 -b:v 400k -maxrate 400k \
         -bufsize 800k -force_key_frames expr:gte(t,n_forced*2) -c:a copy {hls} 144p.m3u8"
    );
    Running::start(
        Command::new("ffmpeg")
            .current_dir(folder)
            .args(["-nostdin", "-v", "error", "-threads", "1", "-filter_threads", "1"])
            .args(["-f", "flv", "-listen", "1", "-i", &url])
            .args(outputs.split_whitespace()),
    )
}

fn publish(clip: &Path, port: u16) -> Running {
    Running::start(
        Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i"])
            .arg(clip)
            .args(["-c", "copy", "-f", "flv", &format!("rtmp://127.0.0.1:{port}/live/bench")]),
    )
}

/// From exec to the first accepted connection on the RTMP port.
fn start_up_ms() -> f64 {
    let port = free_port();
    let http = free_port();
    let start = Instant::now();
    let _server = feathercast(LADDER, port, http);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(start.elapsed() < DEADLINE, "feathercast listens");
    }
    start.elapsed().as_secs_f64() * 1e3
}

/// For some segments, the time from the arrival of their last source picture to their line in the 144p playlist.
///
/// PROGRAM-DATE-TIME is the arrival of a stream's first picture plus media time, and the publisher sends in real time,
/// so a segment's last picture arrives one picture before PROGRAM-DATE-TIME plus EXTINF.
fn segment_delays_ms() -> Vec<f64> {
    const SEGMENTS: usize = 12;
    const PICTURE_MS: f64 = 1e3 / 30.0;
    let (rtmp, http) = (free_port(), free_port());
    let _server = feathercast(LADDER, rtmp, http);
    wait_until_listening(rtmp);
    let _publisher = publish(&HIGH_720P.file(), rtmp);
    let mut newest = String::new();
    let mut delays = Vec::new();
    let start = Instant::now();
    while delays.len() < SEGMENTS {
        assert!(start.elapsed() < DEADLINE + 3 * SPAN, "segments come");
        sleep(Duration::from_millis(5));
        let playlist = get(http, &format!("/stream/bench/{LADDER}.m3u8"));
        let now = ms_of_day();
        let Some(last) = Listed::newest(&playlist).filter(|last| last.uri != newest) else {
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

fn get(port: u16, path: &str) -> String {
    let mut answer = Vec::new();
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("an HTTP server");
    write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("sent");
    socket.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

fn wait_until_listening(port: u16) {
    let start = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(start.elapsed() < DEADLINE, "somebody listens on port {port}");
        sleep(Duration::from_millis(10));
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().as_ref().map(SocketAddr::port).expect("an address")
}

/// An empty folder under target/.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("side_by_side").join(name);
    // It is not there the first time.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder under target/");
    folder
}

fn median(samples: &[f64]) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

fn smallest(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::INFINITY, f64::min)
}
