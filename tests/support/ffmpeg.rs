//! Debian's ffmpeg and ffprobe: encoder of the sources, decoder and second opinion of what is
//! served.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::scratch::Scratch;

/// Runs ffmpeg to its end; anything it warns of fails the test.
pub(crate) fn ffmpeg(args: &[&str]) -> Output {
    quiet(&mut command("ffmpeg", args))
}

/// Encodes with a line of ffmpeg arguments (split at blanks) into an FLV file.
pub(crate) fn encode(scratch: &Scratch, line: &str) -> PathBuf {
    let path = scratch.file("source.flv");
    let mut args: Vec<&str> = line.split_whitespace().collect();
    // Flush and size trouble of the FLV trailer is no concern of a live stream.
    args.extend(["-flvflags", "no_duration_filesize", "-y", path.to_str().expect("a UTF-8 path")]);
    ffmpeg(&args);
    path
}

/// Four seconds of picture and tone, with B-pictures.
pub(crate) fn four_seconds(scratch: &Scratch) -> PathBuf {
    let line = "-f lavfi -i testsrc2=size=320x180:rate=30:duration=4 -f lavfi -i sine=duration=4 -threads 1 \
        -c:v libx264 -preset superfast -bf 2 -g 60 -pix_fmt yuv420p -c:a aac -b:a 96k";
    encode(scratch, line)
}

/// What ffprobe sees in a file or URL, every frame decoded; any warning fails the test.
pub(crate) fn probe(input: &str) -> Media {
    let args = ["-show_streams", "-show_frames", "-show_packets", "-of", "json", input];
    let output = quiet(&mut command("ffprobe", &args));
    Media::parse(&serde_json::from_slice(&output.stdout).expect("ffprobe's JSON"), input)
}

/// Decodes the first video stream through a filter to 8-bit luma samples, all pictures one after
/// the other.
pub(crate) fn luma(input: &Path, filter: &str) -> Vec<u8> {
    let input = input.to_str().expect("a UTF-8 path");
    // Both formats by name: ffmpeg would convert the range of one it has to choose itself.
    let filter = format!("{filter},format=yuv420p|yuvj420p,extractplanes=y");
    let passthrough = ["-fps_mode", "passthrough", "-f", "rawvideo", "-"];
    filtered(&[&["-i", input, "-map", "0:v:0", "-vf", &filter][..], &passthrough].concat()).stdout
}

/// A picture, or a frame of sound, in a file that a player wrote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// In seconds.
    pub(crate) pts: f64,
    /// Where it begins in the file.
    pub(crate) offset_bytes: u64,
}

/// All that can be decoded of a file, whatever else is in it: pictures, and frames of sound.
pub(crate) fn shown(file: &Path) -> (Vec<Shown>, Vec<Shown>) {
    let entries = "frame=media_type,pts_time,pkt_pos";
    let file = file.to_str().expect("a UTF-8 path");
    let args = ["-v", "fatal", "-show_entries", entries, "-of", "json", file];
    let json: Value = serde_json::from_slice(&lenient("ffprobe", &args)).expect("ffprobe's JSON");
    let frames = json["frames"].as_array().cloned().unwrap_or_default();
    let frame = |frame: &Value| {
        let offset = frame["pkt_pos"].as_str().and_then(|offset| offset.parse().ok());
        let pts = frame["pts_time"].as_str()?.parse().ok()?;
        Some(Shown { pts, offset_bytes: offset.unwrap_or(0) })
    };
    let of = |kind: &str| -> Vec<Shown> {
        frames.iter().filter(|frame| frame["media_type"] == kind).filter_map(frame).collect()
    };
    (of("video"), of("audio"))
}

/// The root mean square of the sound in each span of so many seconds, of a full scale of 1; what is
/// not there is silence. A last span of less than half the seconds is left out.
pub(crate) fn loudness(file: &Path, span_secs: f64) -> Vec<f64> {
    const RATE_HZ: f64 = 8000.0;
    let file = file.to_str().expect("a UTF-8 path");
    let input = ["-v", "fatal", "-i", file, "-map", "0:a:0?", "-af", "aresample=async=1"];
    let output = ["-ac", "1", "-ar", "8000", "-f", "s16le", "-"];
    let samples = lenient("ffmpeg", &[&input[..], &output].concat());
    let sample = |bytes: &[u8]| f64::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 32768.0;
    let root_mean_square = |span: &[u8]| {
        let squares: f64 = span.chunks_exact(2).map(|bytes| sample(bytes).powi(2)).sum();
        (squares / (span.len() / 2) as f64).sqrt()
    };
    let span_bytes = (span_secs * RATE_HZ) as usize * 2;
    let spans = samples.chunks(span_bytes).filter(|span| span.len() * 2 >= span_bytes);
    spans.map(root_mean_square).collect()
}

/// What comes out, whatever is said besides.
fn lenient(program: &str, args: &[&str]) -> Vec<u8> {
    command(program, args).output().expect("ffmpeg is installed").stdout
}

/// Runs ffmpeg with filters, which warn of full-range pixel formats; any error fails the test.
pub(crate) fn filtered(args: &[&str]) -> Output {
    ffmpeg(&[&["-v", "error"], args].concat())
}

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    if program == "ffmpeg" {
        command.arg("-nostdin");
    }
    command.args(["-hide_banner", "-v", "warning"]).args(args).stdin(Stdio::null());
    command
}

fn quiet(command: &mut Command) -> Output {
    let output = command.output().expect("ffmpeg is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{command:?}: {}: {said}", output.status);
    output
}

/// What ffprobe found.
#[derive(Debug, Default)]
pub(crate) struct Media {
    pub(crate) video: Option<Video>,
    pub(crate) audio: Option<Audio>,
}

/// The video stream.
#[derive(Debug)]
pub(crate) struct Video {
    pub(crate) width: u64,
    pub(crate) height: u64,
    pub(crate) profile: String,
    /// `level_idc`.
    pub(crate) level: u64,
    pub(crate) color_range: Option<String>,
    /// Presentation times of the decoded pictures in seconds, in output order.
    pub(crate) pts: Vec<f64>,
    /// Which of them a decoder may start at.
    pub(crate) keys: Vec<bool>,
}

/// The audio stream.
#[derive(Debug)]
pub(crate) struct Audio {
    pub(crate) profile: String,
    pub(crate) sample_rate_hz: u64,
    pub(crate) channels: u64,
    /// Presentation times of the audio frames (packets) in seconds.
    pub(crate) pts: Vec<f64>,
    /// Samples of a channel, decoded.
    pub(crate) samples: u64,
    /// How many audio frames come before the first picture's data.
    pub(crate) before_video: usize,
}

impl Media {
    /// From the first picture's start to the last one's end; by audio frames where there is no
    /// picture.
    pub(crate) fn seconds(&self) -> f64 {
        let pts = match (&self.video, &self.audio) {
            (Some(video), _) => &video.pts,
            (None, Some(audio)) => &audio.pts,
            (None, None) => panic!("neither video nor audio"),
        };
        let [first, .., before, last] = pts.as_slice() else { panic!("too short") };
        last - first + (last - before)
    }

    fn parse(json: &Value, input: &str) -> Self {
        let list = |key: &str| json[key].as_array().cloned().unwrap_or_default();
        let streams = list("streams");
        let of = |kind: &str| streams.iter().find(move |stream| stream["codec_type"] == kind);
        // With both asked for, ffprobe tells frames and packets apart in one list.
        let entries = list("packets_and_frames");
        Self {
            video: of("video").map(|stream| Video::parse(stream, &entries, input)),
            audio: of("audio").map(|stream| Audio::parse(stream, &entries, input)),
        }
    }
}

impl Video {
    fn parse(stream: &Value, entries: &[Value], input: &str) -> Self {
        let frames: Vec<_> = entries
            .iter()
            .filter(|entry| entry["type"] == "frame" && entry["media_type"] == "video")
            .collect();
        Self {
            width: number(&stream["width"]),
            height: number(&stream["height"]),
            profile: text(&stream["profile"]),
            level: number(&stream["level"]),
            color_range: stream["color_range"].as_str().map(str::to_owned),
            pts: frames.iter().map(|frame| seconds(&frame["pts_time"], input)).collect(),
            keys: frames.iter().map(|frame| frame["key_frame"] == 1).collect(),
        }
    }
}

impl Audio {
    fn parse(stream: &Value, entries: &[Value], input: &str) -> Self {
        let of_audio = |kind: &'static str, key: &'static str| {
            entries.iter().filter(move |entry| entry["type"] == kind && entry[key] == "audio")
        };
        let packets = || entries.iter().filter(|entry| entry["type"] == "packet");
        let pictureless = packets().take_while(|packet| packet["codec_type"] != "video");
        Self {
            before_video: pictureless.filter(|packet| packet["codec_type"] == "audio").count(),
            profile: text(&stream["profile"]),
            sample_rate_hz: stream["sample_rate"]
                .as_str()
                .and_then(|rate| rate.parse().ok())
                .expect("a sample rate"),
            channels: number(&stream["channels"]),
            pts: of_audio("packet", "codec_type")
                .map(|packet| seconds(&packet["pts_time"], input))
                .collect(),
            samples: of_audio("frame", "media_type")
                .map(|frame| number(&frame["nb_samples"]))
                .sum(),
        }
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn seconds(value: &Value, input: &str) -> f64 {
    value
        .as_str()
        .and_then(|time| time.parse().ok())
        .unwrap_or_else(|| panic!("{input}: {value} is no time"))
}
