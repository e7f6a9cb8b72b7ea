//! What the pipeline tells its driver: segments to publish, facts to show, notices to log.

use std::fmt;

use aac::{AudioSpecificConfig, NotInAdts};
use bytes::Bytes;
use flv::{AudioCodec, TagKind, VideoCodec};
use hls::{GridState, Span};
use media::Duration;

use crate::cmaf_writer::init_section;
use crate::keyframes::Keyframes;
use crate::message_error::{SkippedMessage, VideoRefusal};
use crate::package::Package;
use crate::picture::VideoConfig;
use crate::source_segment::{Item, SourceSegment};
use crate::tracks::StreamTracks;

/// Something the ingest half produced; drain [`Ingest::poll`](crate::Ingest::poll) to None after
/// every call.
#[derive(Debug)]
pub enum IngestOutput {
    /// A segment of the `source` rendition.
    Source(Package),
    /// A span of the ladder that has ended, for the [`SegmentStore`](crate::SegmentStore).
    Segment(SourceSegment),
    /// The next item for the queue to the transcoder.
    Transcode(Item),
    /// The tracks of the stream, and what stands in for them, before the segments that they are of:
    /// a returning publisher's stay keeps them.
    Tracks(StreamTracks),
    /// Where the grid stands, before what it holds for: a returning publisher's stay goes on from
    /// the last one.
    Grid(GridState),
    /// What the publisher sends, whenever it changes.
    Facts(SourceFacts),
    /// How often keyframes come, whenever it changes.
    Keyframes(Keyframes),
    /// Something worth a log line.
    Notice(Notice),
    /// What the publisher sends is nothing that can be carried: end its stay and tell it why. Comes
    /// once; nothing of the publisher comes behind it.
    Refused(StayRefusal),
}

/// Why a publisher's stay ends before it wants to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StayRefusal {
    /// Its video is of this codec, which nobody here can carry.
    VideoCodec(VideoCodec),
    /// It changes its parameters, its audio or its time so often that segments are less than a
    /// quarter of the segment duration on average.
    ShortSegments,
}

/// Something the transcoding half produced.
#[derive(Debug)]
pub enum TranscoderOutput {
    /// A segment of the rendition at `index`.
    Made {
        /// Index into [`StreamConfig::renditions`](crate::StreamConfig::renditions).
        index: usize,
        /// Its samples.
        package: Package,
    },
    /// The rendition at `index` is not live: its segment can be made when somebody asks for it.
    Promised {
        /// Index into [`StreamConfig::renditions`](crate::StreamConfig::renditions).
        index: usize,
        /// The span.
        span: Span,
        /// What its segment will be.
        info: RenditionInfo,
    },
    /// The rendition at `index` has nothing for the span, and cannot have: there is no video, or
    /// none that can be decoded, or it would be another rendition under a second name.
    Impossible {
        /// Index into [`StreamConfig::renditions`](crate::StreamConfig::renditions).
        index: usize,
    },
    /// Something worth a log line.
    Notice(Notice),
}

/// What the multivariant playlist says of a rendition.
#[derive(Clone, Debug, PartialEq)]
pub struct RenditionInfo {
    /// RFC 6381 codecs, video first, for example `avc1.64001f,mp4a.40.2`.
    pub codecs: String,
    /// Width and height as shown; None without video.
    pub resolution: Option<(u32, u32)>,
    /// Pictures per second: as measured over the first segment, or a later one with far more, or as
    /// they will be; None without video.
    pub frame_rate: Option<f64>,
    /// What its segments as fragmented MP4 are played behind (`EXT-X-MAP`).
    pub init: Bytes,
}

impl RenditionInfo {
    pub(crate) fn new(
        video: Option<&VideoConfig>,
        audio: Option<&AudioSpecificConfig>,
        frame_rate: Option<f64>,
    ) -> Self {
        let video_codec = video.map(|video| video.sps.codec_string());
        let audio_codec = audio.map(AudioSpecificConfig::codec_string);
        Self {
            codecs: video_codec.into_iter().chain(audio_codec).collect::<Vec<_>>().join(","),
            resolution: video.map(|video| (video.sps.width, video.sps.height)),
            frame_rate: frame_rate.filter(|_| video.is_some()),
            init: init_section(video, audio),
        }
    }

    /// Whether this holds for a segment of this duration, of which `measured` was measured.
    #[must_use]
    pub fn still_says(&self, measured: &Self, duration: Duration) -> bool {
        // Fewer pictures than announced are no news. Clearly more are: the first segment lacked
        // some of its own.
        let rates = self.frame_rate.zip(measured.frame_rate);
        let is_faster = rates.is_some_and(|(known, now)| {
            now > known * 1.1 && (now - known) * duration.as_secs_f64() > 2.5
        });
        // A first segment without pictures has no rate to announce; the next one has.
        let has_begun = self.frame_rate.is_none() && measured.frame_rate.is_some();
        let is_same = (&self.codecs, self.resolution) == (&measured.codecs, measured.resolution);
        is_same && !is_faster && !has_begun
    }
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
    /// Memory that a decoder takes for its pictures at most, in bytes; 0 without video.
    pub decoder_bytes: u64,
    /// Why the video plays as source only, if it does.
    pub undecodable: Option<VideoRefusal>,
}

/// A fact for the log: what happened, not what to do about it. Display gives one constant-style
/// sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A message the stream could do without.
    Skipped(SkippedMessage),
    /// So many NAL units of a message had no bytes; the others are taken.
    EmptyNalUnits(usize),
    /// A codec that is not carried; the other track goes on.
    UnsupportedCodec(VideoCodec),
    /// Audio that is not carried; the video goes on without it.
    UnsupportedAudio(AudioRefusal),
    /// So many audio frames of one message did not decode: silence, or the frame before, is in
    /// their place.
    DamagedAudio(usize),
    /// The video cannot be decoded here and plays as source only.
    Undecodable(VideoRefusal),
    /// The encoder or decoder failed on a picture, which was skipped; or the picture came damaged.
    CodecFailed(codec::Error),
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
    /// The pictures need more decoding than a level allows: the ladder is made of some of them
    /// only.
    TooMuchToDecode,
    /// A track that the playlists do not announce, as nothing of it had come when they began: it is
    /// left out.
    TrackLeftOut(TagKind),
    /// A frame of sound that came when silence had taken its place: it is left out.
    SoundTooLate,
    /// A picture that came behind a pause which a still picture filled, and cannot be decoded
    /// behind that one: `source` is without it.
    PictureBehindStill,
    /// The transcoder is behind: of this rendition only the picture that starts each segment is
    /// made.
    Shed(String),
    /// The transcoder keeps up: this rendition has all its pictures again.
    Restored(String),
}

/// Why a publisher's audio is not carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioRefusal {
    /// It is neither AAC nor MP3.
    Codec(AudioCodec),
    /// It is AAC of a kind that ADTS cannot hold.
    Aac(aac::Error),
}

impl AudioRefusal {
    /// What the publisher can set so that the sound plays, in words for people.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Codec(_) => "set the audio encoder to AAC",
            Self::Aac(aac::Error::NotInAdts { what, .. }) => match what {
                NotInAdts::SamplesPerFrame => {
                    "set the AAC encoder to frames of 1024 samples, which nearly all use"
                }
                NotInAdts::SampleRate => "set the audio's sample rate to 48 kHz or 44.1 kHz",
                NotInAdts::ChannelConfiguration | NotInAdts::ProgramConfig => {
                    "set the audio to stereo, mono or 5.1"
                }
                NotInAdts::FrameBytes => "set a lower bit rate for the audio",
            },
            Self::Aac(_) => "set the AAC encoder's profile to AAC-LC or HE-AAC",
        }
    }
}

impl fmt::Display for AudioRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Codec(codec) => codec.fmt(f),
            Self::Aac(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped(message) => write!(f, "{message}"),
            Self::EmptyNalUnits(count) => write!(f, "empty NAL units skipped: {count}"),
            Self::UnsupportedCodec(codec) => {
                write!(f, "codec not supported: {codec}; publish H.264 video and AAC audio")
            }
            Self::UnsupportedAudio(why) => {
                write!(f, "audio not supported: {why}; {}", why.remedy())
            }
            Self::DamagedAudio(frames) => {
                write!(
                    f,
                    "audio damaged: {frames} frames of a message do not decode and are replaced"
                )
            }
            Self::Undecodable(why) => {
                write!(f, "video plays as source only: {why}; {}", why.remedy())
            }
            Self::CodecFailed(what @ codec::Error::Damaged { .. }) => write!(f, "{what}"),
            Self::CodecFailed(what) => write!(f, "picture skipped: {what}"),
            Self::LongKeyframeInterval => {
                write!(
                    f,
                    "keyframes are too far apart to cut source and renditions together: the stream's playlist lists the renditions alone, and source plays by its own playlist only; set a keyframe interval of 2 s in the encoder and publish again once the stream has ended"
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
            Self::TooMuchToDecode => write!(
                f,
                "more to decode than the level allows, renditions leave pictures out; set a lower frame rate or size in the encoder"
            ),
            Self::TrackLeftOut(track) => {
                let track = if *track == TagKind::Video { "video" } else { "audio" };
                write!(
                    f,
                    "{track} began when the playlists had been made without it, and is left out, as players cannot add it; stop the stream until its playlists have ended, then start again"
                )
            }
            Self::SoundTooLate => {
                write!(f, "audio came over a second late and is left out: silence has its place")
            }
            Self::PictureBehindStill => write!(
                f,
                "pictures behind a pause are left out of source up to the next keyframe; set a keyframe interval of 2 s in the encoder"
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
