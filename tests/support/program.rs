//! Other people's programs as publishers and players: what they write and what they say is kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::scratch::Scratch;
use super::wait::within;

/// A running program; killed when dropped.
pub(crate) struct Program {
    child: Child,
    name: String,
    said: PathBuf,
}

impl Program {
    /// Starts it, silent; what it says is in `NAME.log` of `scratch`.
    pub(crate) fn start(command: &mut Command, name: &str, scratch: &Scratch) -> Self {
        let said = scratch.file(&format!("{name}.log"));
        let log = File::create(&said).expect("a log file");
        let child =
            command.stdin(Stdio::null()).stderr(log).spawn().unwrap_or_else(|error| {
                panic!("{command:?}: {error}; `cargo xtask test` installs it")
            });
        Self { child, name: name.to_owned(), said }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Sends a signal, by the name that kill(1) knows.
    pub(crate) fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        let status = kill.args([&format!("-{signal}"), &self.child.id().to_string()]).status();
        assert!(status.expect("kill(1)").success());
    }

    /// Waits for its end.
    pub(crate) fn finish(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let what = format!("{} to end", self.name);
        within(Duration::from_secs(30), &what, || child.try_wait().expect("a child"))
    }

    /// Waits for its end, which must be a good one.
    pub(crate) fn succeed(&mut self) {
        let status = self.finish();
        assert!(status.success(), "{} ended with {status}: {}", self.name, self.said());
    }

    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.said).expect("the log")).into_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.name, self.said());
        }
    }
}

/// `gst-launch-1.0` with a pipeline (split at blanks).
pub(crate) fn gstreamer(pipeline: &str) -> Command {
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").args(pipeline.split_whitespace()).stdout(Stdio::null());
    command
}

/// VLC without a window. It refuses to be root, so it is nobody where we are.
pub(crate) fn vlc(args: &[&str]) -> Command {
    let mut command = match is_root() {
        true => Command::new("setpriv"),
        false => Command::new("env"),
    };
    if is_root() {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    command.args(["cvlc", "-I", "dummy", "--no-dbus", "--play-and-exit"]).args(args);
    command
}

/// Judged by the owner of our own `/proc` entry.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

/// A player that keeps what it plays.
pub(crate) struct Player {
    pub(crate) program: Program,
    pub(crate) played: PathBuf,
}

impl Player {
    pub(crate) fn ffmpeg(url: &str, scratch: &Scratch) -> Self {
        let played = scratch.file("ffmpeg.ts");
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-hide_banner", "-v", "warning", "-i", url, "-map", "0"]);
        command.args(["-c", "copy", "-f", "mpegts"]).arg(&played).stdout(Stdio::null());
        Self { program: Program::start(&mut command, "ffmpeg", scratch), played }
    }

    /// souphttpsrc, hlsdemux and the parsers: what playbin puts together for HLS.
    pub(crate) fn gstreamer(url: &str, scratch: &Scratch) -> Self {
        let played = scratch.file("gstreamer.ts");
        let pipeline = format!(
            "souphttpsrc location={url} ! hlsdemux ! tsdemux name=demux \
             demux. ! queue ! h264parse ! mux. demux. ! queue ! aacparse ! mux. \
             mpegtsmux name=mux ! filesink location={}",
            played.display()
        );
        Self { program: Program::start(&mut gstreamer(&pipeline), "gstreamer", scratch), played }
    }

    pub(crate) fn vlc(url: &str, scratch: &Scratch) -> Self {
        let played = scratch.file("vlc.ts");
        let file = File::create(&played).expect("a file");
        let mut command = vlc(&["--sout", "#std{access=file,mux=ts,dst=-}", url]);
        Self { program: Program::start(command.stdout(file), "vlc", scratch), played }
    }

    /// Bytes that it has written so far.
    pub(crate) fn written(&self) -> u64 {
        fs::metadata(&self.played).map_or(0, |file| file.len())
    }

    /// Waits until it has played to the end of the stream; what it played.
    pub(crate) fn play_to_the_end(&mut self) -> &Path {
        self.program.succeed();
        &self.played
    }
}
