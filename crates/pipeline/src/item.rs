//! What goes from the ingest half to the transcoding half, in one order, so that both cut at the same times.

use std::sync::Arc;

use aac::AudioSpecificConfig;
use h264::{ParameterSets, Sps};
use hls::GridMode;
use media::{AccessUnit, AudioFrame, Duration, Timestamp};

/// One entry of the [`Queue`](crate::Queue).
#[derive(Clone, Debug)]
pub enum Item {
    /// The video's parameters; before its first picture, and again when they change.
    Video(Arc<VideoConfig>),
    /// The video cannot be decoded from here on: the renditions end.
    Undecodable,
    /// The audio's parameters; before its first frame, and again when they change.
    Audio(AudioChange),
    /// One coded picture.
    Picture(Picture),
    /// One audio frame, passed through as it is.
    AudioFrame(AudioFrame),
    /// How the stream is cut from now on.
    Grid(GridMode),
    /// An IDR is wanted at the first picture at or after this time.
    Mark(Timestamp),
    /// Segments end at the first picture at or after this time.
    Cut(Timestamp),
    /// The next segment has this wall-clock anchor; it stands behind a discontinuity unless it is the first.
    Anchor(Anchor),
    /// Pictures were dropped up to here, an IDR among them: the next segment stands behind a discontinuity.
    Lost,
}

impl Item {
    /// Bytes of media it keeps alive.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Picture(picture) => picture.unit.nal_units.held_bytes(),
            Self::AudioFrame(frame) => frame.data.len(),
            _ => 0,
        }
    }

    /// The time its picture is shown; what a transcoder has to work through.
    pub(crate) fn media(&self) -> Duration {
        match self {
            Self::Picture(picture) => picture.interval,
            _ => Duration::ZERO,
        }
    }
}

/// What a decoder and a packager must know of the video.
#[derive(Clone, Debug)]
pub struct VideoConfig {
    /// SPS and PPS as sent.
    pub parameter_sets: ParameterSets,
    /// The first SPS, parsed.
    pub sps: Sps,
}

/// What a packager must know of the audio, and from when.
#[derive(Clone, Debug)]
pub struct AudioChange {
    /// Of the frames that come from here on.
    pub config: AudioSpecificConfig,
    /// Where the sound is already another: the segment that starts here is the first to hold the new one.
    pub from: Timestamp,
}

/// A coded picture on its way to the decoder.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Its NAL units and times.
    pub unit: AccessUnit,
    /// No other picture refers to it (`nal_ref_idc` 0 throughout).
    pub disposable: bool,
    /// A decoder that starts here shows whole pictures soon, though it is no IDR (SEI recovery point).
    pub recovery_point: bool,
    /// The stream may be cut here, and gone on with after a gap: an IDR, or a recovery point where no IDR comes.
    pub cut_point: bool,
    /// Pictures before it were dropped, and some that follow may refer to them.
    pub after_gap: bool,
    /// Time from one source picture to the next, as measured up to here.
    pub interval: Duration,
}

/// Ties media time to wall-clock time: `EXT-X-PROGRAM-DATE-TIME` of what comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// A media time.
    pub at: Timestamp,
    /// The wall clock at that time, in milliseconds since 1970 (UTC).
    pub unix_ms: i64,
}

impl Anchor {
    /// The wall clock at media time `at`, in milliseconds since 1970.
    #[must_use]
    pub fn unix_ms_at(self, at: Timestamp) -> i64 {
        self.unix_ms.saturating_add((at - self.at).as_millis())
    }
}
