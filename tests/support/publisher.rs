//! ffmpeg as a publisher.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::flv_file::tags;
use super::pacer;
use super::server::Server;
use super::wait::within;

/// An ffmpeg that publishes; killed when dropped.
pub(crate) struct Publisher {
    child: Child,
    url: String,
}

impl Publisher {
    /// Publishes with a line of ffmpeg arguments (split at blanks), which come before `-f flv URL`.
    pub(crate) fn start(line: &str, url: &str) -> Self {
        let child = Command::new("ffmpeg")
            .args(["-nostdin", "-hide_banner", "-v", "warning"])
            .args(line.split_whitespace())
            .args(["-flvflags", "no_duration_filesize", "-f", "flv", url])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ffmpeg is installed");
        Self { child, url: url.to_owned() }
    }

    /// Publishes a file as it is to `path` (name, or name and key), as fast as the server's
    /// transcoder takes it.
    pub(crate) fn file(server: &Server, path: &str, file: &Path) -> Self {
        let line = format!("-i {} -map 0 -c copy", file.display());
        Self::in_pace(server, path, bytes_per_second(file), &line)
    }

    /// The same with a line of ffmpeg arguments.
    pub(crate) fn in_pace(
        server: &Server,
        path: &str,
        bytes_per_second: usize,
        line: &str,
    ) -> Self {
        let address = pacer::start(server, path, bytes_per_second);
        Self::start(line, &format!("rtmp://{address}/{path}"))
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits for ffmpeg to end; its status and what it said.
    pub(crate) fn finish(mut self) -> (ExitStatus, String) {
        let status = within(
            Duration::from_secs(30),
            &format!("ffmpeg to end publishing to {}", self.url),
            || self.child.try_wait().expect("a child"),
        );
        let mut said = String::new();
        self.child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
        (status, said)
    }

    /// Waits for ffmpeg to end; anything but silent success fails the test.
    pub(crate) fn succeed(self) {
        let (status, said) = self.finish();
        assert!(status.success() && said.is_empty(), "the publisher ended with {status}: {said}");
    }
}

/// The rate of an FLV file in real time.
pub(crate) fn bytes_per_second(file: &Path) -> usize {
    let data = std::fs::read(file).expect("a file to publish");
    let last_ms = tags(&data).last().map_or(0, |tag| tag.timestamp_ms);
    data.len() * 1000 / (last_ms as usize).max(1000)
}

impl Drop for Publisher {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
