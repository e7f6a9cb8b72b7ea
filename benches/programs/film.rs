//! Publishers' clips of a film, encoded before anything is measured and kept under target/.

use std::path::{Path, PathBuf};
use std::process::Command;

/// 25 pictures a second; played at 30 here.
const FILM: &str = "mp4/bigbuckbunny_720p.mp4";

/// 20 s of a film at 30 pictures a second, High, by x264 veryfast, keyframes at fixed intervals.
pub(crate) struct Film {
    pub(crate) name: &'static str,
    width: u32,
    height: u32,
    kbps: u32,
    gop_secs: u32,
}

/// What most people send.
pub(crate) const FILM_720P: Film =
    Film { name: "720p30, GOPs of 2 s", width: 1280, height: 720, kbps: 2500, gop_secs: 2 };
pub(crate) const FILM_1080P: Film =
    Film { name: "1080p30, GOPs of 2 s", width: 1920, height: 1080, kbps: 4500, gop_secs: 2 };
/// Too long to be segments: the renditions are cut on a grid of their own.
pub(crate) const FILM_720P_LONG_GOPS: Film =
    Film { name: "720p30, GOPs of 10 s", gop_secs: 10, ..FILM_720P };
pub(crate) const FILM_1080P_LONG_GOPS: Film =
    Film { name: "1080p30, GOPs of 10 s", gop_secs: 10, ..FILM_1080P };

impl Film {
    /// What is shown, for the head of a table.
    pub(crate) fn picture() -> &'static str {
        match testmedia::find(FILM) {
            Some(_) => "Big Buck Bunny",
            None => "a test card, as the film is not on this machine",
        }
    }

    /// The FLV file.
    pub(crate) fn file(&self) -> PathBuf {
        let film = testmedia::find(FILM);
        let kind = if film.is_some() { "film" } else { "card" };
        let name = format!("{kind}-{}p-{}k-{}s.flv", self.height, self.kbps, self.gop_secs);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if !path.exists() {
            self.encode(film.as_deref(), &path);
        }
        path
    }

    fn encode(&self, film: Option<&Path>, path: &Path) {
        let Self { width, height, kbps, gop_secs, .. } = self;
        // Under another name until it is whole: an interrupted run must not leave half a clip.
        let partial = path.with_extension("part");
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-y"]);
        match film {
            Some(film) => command.args(["-stream_loop", "-1", "-i"]).arg(film),
            None => command.args(["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30"]),
        };
        let filter = format!("setpts=N/30/TB,scale={width}:{height}:flags=bicubic,format=yuv420p");
        let gop = gop_secs * 30;
        let encoder = format!(
            "-c:v libx264 -preset veryfast -profile:v high -b:v {kbps}k -maxrate {kbps}k -bufsize {}k \
             -g {gop} -keyint_min {gop} -sc_threshold 0 -c:a aac -b:a 128k",
            2 * kbps
        );
        let status = command
            .args(["-f", "lavfi", "-i", "sine=sample_rate=48000"])
            .args(["-map", "0:v", "-map", "1:a", "-vf", &filter, "-r", "30", "-t", "20"])
            .args(encoder.split_whitespace())
            .args(["-f", "flv"])
            .arg(&partial)
            .status()
            .expect("ffmpeg is installed");
        assert!(status.success(), "ffmpeg makes {}", self.name);
        std::fs::rename(&partial, path).expect("a file in the same folder");
    }
}
