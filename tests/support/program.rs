//! Other people's programs as publishers and players: what they write and what they say is kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::scratch::Scratch;
use super::wait::{Stopwatch, within};

/// A running program; killed when dropped.
pub(crate) struct Program {
    child: Child,
    name: String,
    said: PathBuf,
}

impl Program {
    /// Starts it, silent; what it says is in `NAME.log` of `scratch`.
    pub(crate) fn start(command: &mut Command, name: &str, scratch: &Scratch) -> Self {
        Self::spawn(command.stdin(Stdio::null()), name, scratch)
    }

    /// The same, for who talks with it: its input and its output.
    pub(crate) fn start_talking(
        command: &mut Command,
        name: &str,
        scratch: &Scratch,
    ) -> (Self, ChildStdin, ChildStdout) {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program = Self::spawn(command, name, scratch);
        let input = program.child.stdin.take().expect("it is piped");
        let output = program.child.stdout.take().expect("it is piped");
        (program, input, output)
    }

    fn spawn(command: &mut Command, name: &str, scratch: &Scratch) -> Self {
        let said = scratch.file(&format!("{name}.log"));
        let log = File::create(&said).expect("a log file");
        let child = command
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; `cargo xtask test` installs it"));
        Self { child, name: name.to_owned(), said }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.status().is_none()
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

    /// Its status, once it has ended.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
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

/// Which kinds of media a player is told to expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracks {
    Both,
    Video,
    Audio,
}

/// A player that keeps what it plays.
pub(crate) struct Player {
    pub(crate) program: Program,
    pub(crate) played: PathBuf,
    since_start: Stopwatch,
    /// How long what was played had become, in bytes, and when that was seen.
    growth: Vec<(Duration, u64)>,
}

impl Player {
    pub(crate) fn ffmpeg(url: &str, scratch: &Scratch) -> Self {
        let played = scratch.file("ffmpeg.ts");
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-hide_banner", "-v", "warning", "-i", url, "-map", "0"]);
        command.args(["-c", "copy", "-flush_packets", "1", "-f", "mpegts"]);
        command.arg(&played).stdout(Stdio::null());
        Self::start(&mut command, "ffmpeg", scratch, played)
    }

    /// souphttpsrc, hlsdemux and the parsers: what playbin puts together for HLS. A track that is
    /// expected must come.
    pub(crate) fn gstreamer(url: &str, tracks: Tracks, scratch: &Scratch) -> Self {
        let played = scratch.file("gstreamer.ts");
        // A queue holds a second, and waits for the other track, which may have none in a second.
        let queue = "queue max-size-time=0 max-size-buffers=0";
        let branch = |parser: &str| format!("demux. ! {queue} ! {parser} ! mux.");
        let branches = match tracks {
            Tracks::Both => format!("{} {}", branch("h264parse"), branch("aacparse")),
            Tracks::Video => branch("h264parse"),
            Tracks::Audio => branch("aacparse"),
        };
        let pipeline = format!(
            "souphttpsrc location={url} ! hlsdemux ! tsdemux name=demux {branches} \
             mpegtsmux name=mux ! filesink buffer-mode=unbuffered location={}",
            played.display()
        );
        Self::start(&mut gstreamer(&pipeline), "gstreamer", scratch, played)
    }

    /// The same of fragmented MP4.
    pub(crate) fn gstreamer_cmaf(url: &str, tracks: Tracks, scratch: &Scratch) -> Self {
        let played = scratch.file("gstreamer-cmaf.ts");
        let queue = "queue max-size-time=0 max-size-buffers=0";
        let branch =
            |track: &str, parser: &str| format!("demux.{track} ! {queue} ! {parser} ! mux.");
        let (video, audio) = (branch("video_0", "h264parse"), branch("audio_0", "aacparse"));
        let branches = match tracks {
            Tracks::Both => format!("{video} {audio}"),
            Tracks::Video => video,
            Tracks::Audio => audio,
        };
        let pipeline = format!(
            "souphttpsrc location={url} ! hlsdemux ! qtdemux name=demux {branches} \
             mpegtsmux name=mux ! filesink buffer-mode=unbuffered location={}",
            played.display()
        );
        Self::start(&mut gstreamer(&pipeline), "gstreamer-cmaf", scratch, played)
    }

    pub(crate) fn vlc(url: &str, scratch: &Scratch) -> Self {
        let played = scratch.file("vlc.ts");
        let file = File::create(&played).expect("a file");
        let mut command = vlc(&["--sout", "#std{access=file,mux=ts,dst=-}", url]);
        Self::start(command.stdout(file), "vlc", scratch, played)
    }

    /// mpv without a window and a loudspeaker; `bitrate` is what its `--hls-bitrate` is told.
    pub(crate) fn mpv(url: &str, bitrate: &str, scratch: &Scratch) -> Self {
        let name = format!("mpv-{bitrate}");
        let played = scratch.file(&format!("{name}.ts"));
        let mut command = Command::new("mpv");
        command.args(["--no-config", "--no-terminal", "--vo=null", "--ao=null"]);
        command.arg(format!("--hls-bitrate={bitrate}"));
        command.arg(format!("--stream-record={}", played.display()));
        Self::start(command.arg(url).stdout(Stdio::null()), &name, scratch, played)
    }

    fn start(command: &mut Command, name: &str, scratch: &Scratch, played: PathBuf) -> Self {
        let program = Program::start(command, name, scratch);
        Self { program, played, since_start: Stopwatch::start(), growth: Vec::new() }
    }

    /// Bytes that it has written so far.
    pub(crate) fn written(&self) -> u64 {
        fs::metadata(&self.played).map_or(0, |file| file.len())
    }

    /// Notes how much it has written by now; whether it still runs.
    pub(crate) fn look(&mut self) -> bool {
        let is_running = self.program.is_running();
        let written = self.written();
        if self.growth.last().is_none_or(|(_, before)| *before < written) {
            self.growth.push((self.since_start.elapsed(), written));
        }
        is_running
    }

    /// When the byte at an offset was there, as far as somebody [looked](Self::look), in seconds
    /// since the start.
    pub(crate) fn arrival(&self, offset: u64) -> f64 {
        let behind = self.growth.partition_point(|(_, written)| *written <= offset);
        let seen = self.growth.get(behind).or_else(|| self.growth.last());
        seen.map_or(0.0, |(at, _)| at.as_secs_f64())
    }

    /// Waits until it has played to the end of the stream; what it played.
    pub(crate) fn play_to_the_end(&mut self) -> &Path {
        self.program.succeed();
        &self.played
    }
}
