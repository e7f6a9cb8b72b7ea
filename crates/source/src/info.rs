//! What a file is, for one line of a log.

use std::fmt;

use aac::AudioSpecificConfig;
use bytes::Bytes;
use h264::{AvcConfig, Sps};
use media::{Duration, TICKS_PER_SECOND, Timestamp};

use crate::time::between;

/// What a file is. Prints as one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    /// The kind of file.
    pub container: Container,
    /// Its pictures, if any.
    pub video: Option<VideoInfo>,
    /// Its sound, if any.
    pub audio: Option<AudioInfo>,
    /// How long it plays: counted in an MP4, claimed by its metadata in an FLV file.
    pub duration: Option<Duration>,
    /// Mean rate of all samples sent, in bits a second.
    pub bitrate_bps: Option<u64>,
}

/// The kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// ISO base media file.
    Mp4,
    /// The same with moof boxes.
    FragmentedMp4,
    /// QuickTime movie.
    QuickTime,
    /// Flash Video.
    Flv,
}

/// The pictures of a file, as the configuration says that is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoInfo {
    /// RFC 6381, as `avc1.64001f`; `avc1` where the parameter sets come with the pictures.
    pub codec: String,
    /// As shown, in samples; 0 where neither SPS nor container says it.
    pub width: u32,
    /// As shown, in samples; 0 where neither SPS nor container says it.
    pub height: u32,
    /// Pictures a second on average: counted in an MP4, claimed in an FLV file.
    pub frame_rate: Option<f64>,
    /// Where it starts and ends.
    pub span: Span,
}

/// The sound of a file, as its first configuration says.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioInfo {
    /// RFC 6381, as `mp4a.40.2`.
    pub codec: String,
    /// What is heard, in hertz.
    pub sample_rate_hz: u32,
    /// As the configuration says; HE-AAC v2 has one and two are heard.
    pub channels: u8,
    /// Where it starts and ends.
    pub span: Span,
}

/// The time that a track takes: an MP4's is known when it is opened, an FLV file's grows as it is
/// read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Decoding time of the first sample.
    pub start: Timestamp,
    /// Decoding time of the last sample plus its own duration; for sound that of its frame when
    /// decoded.
    pub end: Timestamp,
    /// Samples sent.
    pub samples: u64,
    /// Bytes of them.
    pub bytes: u64,
}

impl Span {
    /// From the first sample to the end of the last.
    #[must_use]
    pub fn duration(&self) -> Duration {
        between(self.start, self.end)
    }
}

impl VideoInfo {
    /// `size` is what the container says.
    pub(crate) fn new(config: &AvcConfig, size: (u32, u32), frame_rate: Option<f64>) -> Self {
        let sps = first_sps(config);
        let (width, height) = sps.as_ref().map_or(size, |sps| (sps.width, sps.height));
        let codec = sps.map_or_else(|| "avc1".to_owned(), |sps| sps.codec_string());
        Self { codec, width, height, frame_rate, span: Span::default() }
    }
}

impl AudioInfo {
    pub(crate) fn new(config: &AudioSpecificConfig) -> Self {
        Self {
            codec: config.codec_string(),
            sample_rate_hz: config.output_sample_rate_hz(),
            channels: config.channels,
            span: Span::default(),
        }
    }
}

fn first_sps(config: &AvcConfig) -> Option<Sps> {
    config.parameter_sets.sps.first().and_then(|sps| Sps::parse(sps).ok())
}

/// `None` without any time.
pub(crate) fn bitrate_bps(bytes: u64, duration: Duration) -> Option<u64> {
    let ticks = u64::try_from(duration.ticks()).ok()?;
    let bits =
        u128::from(bytes).saturating_mul(8).saturating_mul(TICKS_PER_SECOND.unsigned_abs().into());
    u64::try_from(bits.checked_div(ticks.into())?).ok()
}

impl Info {
    /// By how much a next round of this file must be later to follow without a gap: the longest
    /// track's duration. The other tracks then wait for it, by less than a frame in a file whose
    /// tracks end together.
    pub(crate) fn round(&self) -> Duration {
        self.spans().map(|span| span.duration()).max().unwrap_or_default()
    }

    /// The pictures from here on are those of another configuration. What only a container says
    /// stays.
    pub(crate) fn reconfigure_video(&mut self, avcc: &Bytes) {
        let Some(video) = &mut self.video else { return };
        let Ok(config) = AvcConfig::parse(avcc.clone()) else { return };
        if let Some(sps) = first_sps(&config) {
            (video.width, video.height) = (sps.width, sps.height);
            video.codec = sps.codec_string();
        }
    }

    pub(crate) fn count_bitrate(&mut self) {
        let bytes = self.spans().fold(0, |sum: u64, span| sum.saturating_add(span.bytes));
        self.bitrate_bps = bitrate_bps(bytes, self.round());
    }

    fn spans(&self) -> impl Iterator<Item = Span> {
        let video = self.video.as_ref().map(|video| video.span);
        video.into_iter().chain(self.audio.as_ref().map(|audio| audio.span))
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.container)?;
        if let Some(duration) = self.duration {
            write!(f, ", {:.3} s", duration.as_secs_f64())?;
        }
        if let Some(video) = &self.video {
            write!(f, ", H.264 {} {}x{}", video.codec, video.width, video.height)?;
            if let Some(rate) = video.frame_rate {
                write!(f, " {rate:.2} fps")?;
            }
        }
        if let Some(AudioInfo { codec, sample_rate_hz, channels, .. }) = &self.audio {
            write!(f, ", AAC {codec} {sample_rate_hz} Hz {channels} ch")?;
        }
        match self.bitrate_bps {
            Some(rate) => write!(f, ", {} kbit/s", rate / 1000),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mp4 => "MP4",
            Self::FragmentedMp4 => "fragmented MP4",
            Self::QuickTime => "QuickTime",
            Self::Flv => "FLV",
        })
    }
}
