//! The publishers that are measured, made once by ffmpeg and kept under target/.

use std::path::{Path, PathBuf};
use std::process::Command;

/// 20 s of what OBS sends by default in size and profile: High, B pictures, weighted prediction,
/// keyframes every 2 s. The noise makes x264 use its whole bitrate.
pub(crate) const HIGH_720P: Clip = Clip {
    name: "720p30-high-3mbit.flv",
    picture: "testsrc2=size=1280x720:rate=30,noise=alls=4:allf=t,format=yuv420p",
    encoder: "-c:v libx264 -preset veryfast -profile:v high -b:v 3000k -maxrate 3000k -bufsize 6000k -g 60 -c:a aac -b:a 128k",
};

/// 20 s of the recipe's publisher.
pub(crate) const RECIPE: Clip = Clip {
    name: "recipe.flv",
    picture: "testsrc=size=640x480:rate=30,format=yuv420p",
    encoder: "-c:v libx264 -b:v 10000k -preset ultrafast -x264-params keyint=30 -c:a aac",
};

/// Something to publish.
pub(crate) struct Clip {
    pub(crate) name: &'static str,
    picture: &'static str,
    encoder: &'static str,
}

impl Clip {
    /// The FLV file.
    pub(crate) fn file(&self) -> PathBuf {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.name);
        if !path.exists() {
            self.encode(&path);
        }
        path
    }

    fn encode(&self, path: &Path) {
        // Under another name until it is whole: an interrupted run must not leave half a clip.
        let partial = path.with_extension("part");
        let status = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", self.picture])
            .args(["-f", "lavfi", "-i", "sine", "-t", "20"])
            .args(self.encoder.split(' '))
            .args(["-f", "flv"])
            .arg(&partial)
            .status()
            .expect("ffmpeg is installed");
        assert!(status.success(), "ffmpeg makes {}", self.name);
        std::fs::rename(&partial, path).expect("a file in the same folder");
    }
}
