//! The programs that are measured, each a process of its own, and what is read of them: CPU time,
//! memory, HTTP.

pub(crate) mod film;
pub(crate) mod viewer;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// Linux counts CPU time for user space in hundredths of a second (USER_HZ).
pub(crate) const TICKS_PER_SECOND: f64 = 100.0;
pub(crate) const LADDER: &str = "P144p30fps16x9";
/// Longer than any answer waits for what is on its way.
const PATIENCE: Duration = Duration::from_secs(40);

/// A process that ends with its handle.
pub(crate) struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.0.id());
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Whether it has not ended by itself.
    pub(crate) fn is_alive(&self) -> bool {
        !self.proc("status").contains("\nState:\tZ")
    }

    /// User and system time of all threads (proc(5): the 14th and 15th field of stat).
    pub(crate) fn cpu_ticks(&self) -> f64 {
        let stat = self.proc("stat");
        // The second field, in brackets, may have blanks; the third follows it.
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        let ticks = after_name.split(' ').skip(11).take(2);
        ticks.map(|ticks| ticks.parse::<f64>().expect("a number")).sum()
    }

    pub(crate) fn peak_rss_mb(&self) -> f64 {
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

/// Where feathercast listens.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) rtmp: u16,
    pub(crate) http: u16,
    pub(crate) admin: u16,
}

impl Ports {
    pub(crate) fn free() -> Self {
        Self { rtmp: free_port(), http: free_port(), admin: free_port() }
    }
}

/// `feathercast serve` with more arguments. FEATHERCAST names another binary than that of `cargo
/// xtask dist`.
pub(crate) fn feathercast(ports: Ports, args: &[&str]) -> Running {
    let binary = std::env::var_os("FEATHERCAST").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/dist/feathercast"),
        PathBuf::from,
    );
    let address = |port: u16| format!("127.0.0.1:{port}");
    Running::start(
        Command::new(binary)
            .args(["serve", "--rtmp-addr", &address(ports.rtmp)])
            .args(["--http-addr", &address(ports.http), "--admin-addr", &address(ports.admin)])
            .args(args),
    )
}

const NGINX_MODULE: &str = "/usr/lib/nginx/modules/ngx_rtmp_module.so";

/// Whether nginx-rtmp is there to be measured; says so where it is not.
pub(crate) fn has_nginx() -> bool {
    let is_there = Path::new(NGINX_MODULE).exists();
    if !is_there {
        say(&format!("nginx-rtmp is not installed ({NGINX_MODULE}): left out"));
    }
    is_there
}

/// nginx with the RTMP module in one process, writing HLS of 2 s to the disk, from where it serves
/// it.
pub(crate) fn nginx(rtmp: u16, http: u16) -> Running {
    let folder = scratch("nginx");
    let config = folder.join("nginx.conf");
    let at = folder.display();
    let text = format!(
        "load_module {NGINX_MODULE};\n\
         daemon off; master_process off; pid {at}/pid; error_log {at}/error.log crit;\n\
         events {{}}\n\
         http {{ access_log off; server {{ listen 127.0.0.1:{http}; root {at}/hls; }} }}\n\
         rtmp {{ server {{ listen 127.0.0.1:{rtmp}; access_log off;\n\
           application live {{ live on; hls on; hls_path {at}/hls; hls_fragment 2s; hls_playlist_length 12s; }} }} }}\n"
    );
    fs::write(&config, text).expect("a configuration");
    Running::start(Command::new("/usr/sbin/nginx").arg("-p").arg(&folder).arg("-c").arg(&config))
}

/// What ffmpeg makes 144p with.
#[derive(Clone, Copy)]
pub(crate) struct FfmpegSettings {
    pub(crate) preset: &'static str,
    /// A method of its scaler.
    pub(crate) scaler: &'static str,
}

/// ffmpeg as server of one stream: the same two renditions as we make, written as HLS to the
/// folder.
pub(crate) fn ffmpeg(settings: FfmpegSettings, port: u16, folder: &Path) -> Running {
    let FfmpegSettings { preset, scaler } = settings;
    let hls = "-f hls -hls_time 2 -hls_list_size 6 -hls_flags delete_segments";
    let outputs = format!(
        "-map 0:v -map 0:a -c copy {hls} source.m3u8 \
         -map 0:v -map 0:a -c:v libx264 -preset {preset} -threads 1 -vf scale=256:144:flags={scaler} -b:v 400k \
         -maxrate 400k -bufsize 800k -force_key_frames expr:gte(t,n_forced*2) -c:a copy {hls} 144p.m3u8"
    );
    Running::start(
        Command::new("ffmpeg")
            .current_dir(folder)
            .args(["-nostdin", "-v", "error", "-threads", "1", "-filter_threads", "1"])
            .args(["-f", "flv", "-listen", "1", "-i", &rtmp_url(port, "bench")])
            .args(outputs.split_whitespace()),
    )
}

/// Publishes the clip in real time, again and again, as `name`.
pub(crate) fn publish(clip: &Path, port: u16, name: &str) -> Running {
    Running::start(
        Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i"])
            .arg(clip)
            .args(["-c", "copy", "-f", "flv", &rtmp_url(port, name)]),
    )
}

fn rtmp_url(port: u16, name: &str) -> String {
    format!("rtmp://127.0.0.1:{port}/live/{name}")
}

/// What a server answered: the status and the body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn get(port: u16, path: &str) -> Answer {
    let mut answer = Vec::new();
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("an HTTP server");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("sent");
    socket.read_to_end(&mut answer).expect("an answer");
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    let body = answer.split_off(head + 4);
    let head = String::from_utf8_lossy(&answer);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, body }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(crate) fn wait_until_listening(port: u16) {
    let start = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(start.elapsed() < DEADLINE, "somebody listens on port {port}");
        sleep(Duration::from_millis(10));
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().as_ref().map(SocketAddr::port).expect("an address")
}

/// An empty folder under target/.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("side_by_side").join(name);
    // It is not there the first time.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder under target/");
    folder
}

pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn smallest(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::INFINITY, f64::min)
}

pub(crate) fn largest(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

pub(crate) fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}

#[expect(clippy::print_stdout, reason = "the report goes to the terminal")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
