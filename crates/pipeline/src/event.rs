//! What the pipeline tells its driver: segments to publish, facts to show, notices to log.

use std::fmt;

use codec::DecoderKind;
use flv::VideoCodec;
use hls::GridMode;
use media::Duration;

use crate::item::Item;
use crate::keyframes::Keyframes;

/// Something the ingest half produced; drain [`Ingest::poll`](crate::Ingest::poll) to None after every call.
#[derive(Debug)]
pub enum IngestOutput {
    /// For the window of the `source` rendition.
    Source(RenditionEvent),
    /// For the queue to the transcoder.
    Transcode(Item),
    /// How the stream is cut from now on; a returning publisher's [`Resume`](crate::Resume) takes the last one.
    Grid(GridMode),
    /// What the publisher sends, whenever it changes.
    Facts(SourceFacts),
    /// How often keyframes come, whenever it changes.
    Keyframes(Keyframes),
    /// Something worth a log line.
    Notice(Notice),
    /// The publisher's video is of this codec, which nobody here can carry: end its stay and tell it why. Comes once;
    /// nothing of the publisher comes behind it.
    Refused(VideoCodec),
}

/// Something the transcoding half produced.
#[derive(Debug)]
pub enum TranscoderOutput {
    /// For the window of the rendition at `index` of the configured ones.
    Rendition {
        /// Index into [`StreamConfig::renditions`](crate::StreamConfig::renditions).
        index: usize,
        /// What happened.
        event: RenditionEvent,
    },
    /// Something worth a log line.
    Notice(Notice),
}

/// A change of one rendition's playlist.
#[derive(Debug)]
pub enum RenditionEvent {
    /// Comes before the first segment, and again only when it changes.
    Playlist {
        /// `EXT-X-TARGETDURATION` in seconds.
        target_duration_secs: u64,
        /// Every segment starts with an IDR: `EXT-X-INDEPENDENT-SEGMENTS` may be written.
        independent: bool,
        /// The rendition is cut like the others and may be switched to: it belongs in the multivariant playlist.
        in_multivariant: bool,
    },
    /// What the multivariant playlist says of the rendition; comes before the first segment it holds for.
    Info(RenditionInfo),
    /// One finished segment.
    Segment(hls::Segment),
}

/// What the multivariant playlist says of a rendition.
#[derive(Clone, Debug, PartialEq)]
pub struct RenditionInfo {
    /// RFC 6381 codecs, video first, for example `avc1.64001f,mp4a.40.2`.
    pub codecs: String,
    /// Width and height as shown; None without video.
    pub resolution: Option<(u32, u32)>,
    /// Pictures per second, measured over the first segment, or a later one with far more; None without video.
    pub frame_rate: Option<f64>,
}

/// What the publisher sends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceFacts {
    /// RFC 6381 codecs of what has been seen, for example `avc1.64001f,mp4a.40.2`.
    pub codecs: String,
    /// Width and height after cropping.
    pub size: Option<(u32, u32)>,
    /// Pictures per second as announced by the SPS or the metadata.
    pub frame_rate: Option<f64>,
    /// Sample rate of the audio in Hz.
    pub sample_rate_hz: Option<u32>,
    /// Audio channels.
    pub channels: Option<u8>,
    /// The publisher's own name for its software, from `onMetaData`.
    pub encoder: Option<String>,
    /// Why the video plays as source only, if it does.
    pub undecodable: Option<String>,
}

/// A fact for the log: what happened, not what to do about it. Display gives one constant-style sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A message the stream could do without: it was skipped.
    Malformed(String),
    /// So many NAL units of a message had no bytes; the others are taken.
    EmptyNalUnits(usize),
    /// A codec that is not carried; the other track goes on.
    UnsupportedCodec(String),
    /// Audio that is not carried; the video goes on without it.
    UnsupportedAudio(String),
    /// So many audio frames of one message did not decode, and are silence.
    DamagedAudio(usize),
    /// The video cannot be decoded here and plays as source only.
    Undecodable(String),
    /// The encoder or decoder failed on a picture; it was skipped.
    CodecFailed(String),
    /// A decoder failed or refused, and the other one goes on.
    DecoderChanged {
        /// The one in use from here on.
        to: DecoderKind,
        /// What the one before it said.
        why: String,
    },
    /// IDRs come further apart than the segment duration allows.
    LongKeyframeInterval,
    /// Timestamps jumped by this much; the stream goes on behind a discontinuity.
    TimestampJump(Duration),
    /// Audio and video were stamped this far apart: the later one was moved up to the other.
    TracksApart(Duration),
    /// Pictures come, but none that a decoder can start with: nothing can be shown yet.
    NoKeyframeYet,
    /// No IDR came for a whole segment limit; source segments no longer all start with one.
    NoKeyframe,
    /// The transcoder is behind: of this rendition only the picture that starts each segment is made.
    Shed(String),
    /// The transcoder keeps up: this rendition has all its pictures again.
    Restored(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "message skipped: {what}"),
            Self::EmptyNalUnits(count) => write!(f, "empty NAL units skipped: {count}"),
            Self::UnsupportedCodec(codec) => {
                write!(f, "codec not supported: {codec}; publish H.264 video and AAC audio")
            }
            Self::UnsupportedAudio(codec) => {
                write!(f, "audio not supported: {codec}; set the audio encoder to AAC")
            }
            Self::DamagedAudio(frames) => {
                write!(f, "audio damaged: {frames} MP3 frames do not decode and are silent")
            }
            Self::Undecodable(why) => write!(f, "video plays as source only: {why}"),
            Self::CodecFailed(what) => write!(f, "picture skipped: {what}"),
            Self::DecoderChanged { to, why } => write!(f, "decoding goes on with {to}: {why}"),
            Self::LongKeyframeInterval => {
                write!(
                    f,
                    "keyframes are too far apart to cut source and renditions together; set a keyframe interval of 2 s in the encoder"
                )
            }
            Self::TimestampJump(by) => write!(f, "timestamps jumped by {} ms", by.as_millis()),
            Self::TracksApart(by) => {
                write!(
                    f,
                    "audio and video were {} ms apart, the later one is moved up",
                    by.as_millis()
                )
            }
            Self::NoKeyframeYet => {
                write!(
                    f,
                    "no keyframe yet, so no picture can be shown; set a keyframe interval of 2 s in the encoder"
                )
            }
            Self::NoKeyframe => write!(
                f,
                "no keyframe for a whole segment; set a keyframe interval of 2 s in the encoder"
            ),
            Self::Shed(rendition) => {
                write!(f, "transcoder is behind: {rendition} gets one picture a segment")
            }
            Self::Restored(rendition) => {
                write!(f, "transcoder keeps up: {rendition} gets all its pictures again")
            }
        }
    }
}
