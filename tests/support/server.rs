//! The real binary, on addresses of its own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::http::{self, Response};
use super::pacer;
use super::scratch::Scratch;
use super::wait::{eventually, within};

/// Servers of one test process get addresses of their own.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Below the ephemeral range and not the defaults, which somebody may use on this machine.
const PORTS: [u16; 3] = [21935, 28935, 27935];

/// A running `feathercast serve`; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) rtmp: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
    scratch: Scratch,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(&["--renditions", "P144p30fps16x9"])
    }

    /// A server with more arguments; up when this returns.
    pub(crate) fn with(args: &[&str]) -> Self {
        let server = Self::spawn(args, &[]);
        server.wait_until_up();
        server
    }

    /// Starts with arguments and environment variables.
    pub(crate) fn spawn(args: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::spawn_at(addresses(), args, environment)
    }

    /// Kills this one, without a word to anybody, and starts another at the same addresses.
    pub(crate) fn killed_and_started_again(self, args: &[&str]) -> Self {
        let addresses = [self.rtmp, self.http, self.admin];
        drop(self);
        let server = Self::spawn_at(addresses, args, &[]);
        server.wait_until_up();
        server
    }

    /// Starts at addresses of [`addresses`].
    pub(crate) fn spawn_at(
        [rtmp, http, admin]: [SocketAddr; 3],
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let scratch = Scratch::new();
        let log = File::create(scratch.file("server.log")).expect("a log file");
        let child = Command::new(env!("CARGO_BIN_EXE_feathercast"))
            .args(["--rtmp-addr", &rtmp.to_string(), "--http-addr", &http.to_string()])
            .args(["--admin-addr", &admin.to_string()])
            .args(args)
            .envs(environment.iter().copied())
            .current_dir(scratch.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .expect("feathercast starts");
        Self { child, rtmp, http, admin, scratch }
    }

    pub(crate) fn wait_until_up(&self) {
        eventually("the server's listeners", || {
            [self.rtmp, self.http, self.admin]
                .iter()
                .all(|address| TcpStream::connect(address).is_ok())
                .then_some(())
        });
        assert_eq!(http::get(self.http, "/healthz").status, 200);
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Where to publish `path` (name, or name and key).
    pub(crate) fn url(&self, path: &str) -> String {
        format!("rtmp://{}/{path}", self.rtmp)
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        http::get(self.http, path)
    }

    /// A path under `/stream/`, once it is there.
    pub(crate) fn get_when_there(&self, path: &str) -> Response {
        eventually(path, || Some(self.get(path)).filter(|response| response.status == 200))
    }

    /// The admin port's `/status`.
    pub(crate) fn status(&self) -> Value {
        let response = http::get(self.admin, "/status");
        assert_eq!(
            (response.status, response.header("content-type")),
            (200, Some("application/json"))
        );
        serde_json::from_slice(&response.body).expect("JSON")
    }

    /// A stream's entry in `/status`.
    pub(crate) fn stream(&self, name: &str) -> Option<Value> {
        let status = self.status();
        status["streams"]
            .as_array()
            .expect("streams[]")
            .iter()
            .find(|stream| stream["name"] == name)
            .cloned()
    }

    /// Waits until a stream is in a state of `/status`: `live`, `away` or `ended`.
    pub(crate) fn wait_for_state(&self, name: &str, state: &str) {
        eventually(&format!("{name} to be {state}"), || {
            self.stream(name).filter(|stream| stream["state"] == state).map(|_| ())
        });
    }

    /// Waits until a stream has no publisher: it is away, or forgotten where it never had a
    /// segment.
    pub(crate) fn wait_until_not_live(&self, name: &str) {
        eventually(&format!("{name} to have no publisher"), || {
            self.stream(name).is_none_or(|stream| stream["state"] != "live").then_some(())
        });
    }

    /// A sample of `/metrics` by its whole left side, such as `feathercast_publishers`.
    pub(crate) fn metric(&self, sample: &str) -> f64 {
        pacer::metric(self.admin, sample).unwrap_or_else(|| panic!("no sample {sample}"))
    }

    /// Everything that the process wrote to stdout and stderr.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.scratch.file("server.log")).expect("the log");
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Lines of the log that hold all the words.
    pub(crate) fn log_lines(&self, words: &[&str]) -> Vec<String> {
        let holds_all = |line: &&str| words.iter().all(|word| line.contains(word));
        self.log().lines().filter(holds_all).map(str::to_owned).collect()
    }

    /// Waits for a log line that holds all the words.
    pub(crate) fn wait_for_log(&self, words: &[&str]) -> String {
        eventually(&format!("a log line with {words:?}"), || self.log_lines(words).pop())
    }

    /// The most memory the process ever had resident, in KiB.
    pub(crate) fn peak_rss_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("a living process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
        line.trim().trim_end_matches(" kB").parse().expect("a number of kB")
    }

    /// The names in the folder that the process runs in.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.scratch.path()).expect("a folder");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect()
    }

    /// Sends a signal, by the name that kill(1) knows.
    pub(crate) fn signal(&self, name: &str) {
        let killed =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(killed.expect("kill(1)").success());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits for the process to end by itself.
    pub(crate) fn wait_for_exit(&mut self, limit: Duration) -> ExitStatus {
        within(limit, "the server to exit", || self.child.try_wait().expect("a child"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(8000);
            eprintln!("--- server log\n{}", log.get(from..).unwrap_or(&log));
        }
    }
}

/// Addresses that no other living test process uses: the loopback network has room for one each.
pub(crate) fn addresses() -> [SocketAddr; 3] {
    let id = std::process::id().wrapping_mul(8).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
    let [_, a, b, c] = id.to_be_bytes();
    PORTS.map(|port| SocketAddr::from((Ipv4Addr::new(127, a, b, c), port)))
}
