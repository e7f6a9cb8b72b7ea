//! What is wrong with a publisher's message, or with all of its video.

use flv::TagKind;
use h264::Undecodable;

/// A message, or a part of one, that was skipped: the stream goes on without it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message skipped: {why} ({} at {timestamp_ms} ms)", track_name(*.track))]
pub struct SkippedMessage {
    /// Audio, video or script data.
    pub track: TagKind,
    /// Its RTMP timestamp in milliseconds, 32 bits, wrapping.
    pub timestamp_ms: u32,
    /// What is wrong, with the byte where there is one.
    pub why: MessageError,
}

fn track_name(track: TagKind) -> &'static str {
    match track {
        TagKind::Audio => "audio",
        TagKind::Video => "video",
        TagKind::Script => "script",
    }
}

/// What is wrong with a message. Bytes are counted from the start of its body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It has no bytes.
    #[error("empty message")]
    Empty,
    /// Its FLV framing.
    #[error(transparent)]
    Flv(#[from] flv::Error),
    /// Its NAL units or parameter sets.
    #[error(transparent)]
    H264(#[from] h264::Error),
    /// Its AAC configuration.
    #[error(transparent)]
    Aac(#[from] aac::Error),
    /// The decoder or encoder that makes AAC of it.
    #[error(transparent)]
    Codec(#[from] codec::Error),
    /// A configuration record without an SPS.
    #[error("sequence header without an SPS")]
    NoSps,
    /// A picture whose parameters nobody has sent.
    #[error("picture before any sequence header")]
    PictureBeforeConfig,
    /// Slices of a picture that was taken for whole; the next ones are waited for.
    #[error("part of a picture behind it")]
    LatePart,
    /// An audio frame whose configuration nobody has sent.
    #[error("audio frame before any sequence header")]
    AudioBeforeConfig,
    /// No level of H.264 lets a picture be so large.
    #[error("picture of {bytes} bytes, at most {limit}")]
    PictureTooLarge {
        /// Its NAL units together.
        bytes: usize,
        /// What a decoder takes.
        limit: usize,
    },
    /// More NAL units than pictures are made of.
    #[error("more than {limit} NAL units a second")]
    TooManyNalUnits {
        /// What a publisher may send in a second, in the long run.
        limit: i64,
    },
    /// ADTS cannot hold a frame of this size.
    #[error("AAC frame of {bytes} bytes, at most {limit} fit into ADTS")]
    AudioFrameTooLarge {
        /// Its size.
        bytes: usize,
        /// What 13 bits of length leave.
        limit: usize,
    },
    /// More MP3 than a message of real time holds.
    #[error("MP3 message of {bytes} bytes, at most {limit}")]
    Mp3TooLarge {
        /// Its size.
        bytes: usize,
        /// What is taken.
        limit: usize,
    },
    /// MP3 of far more time than passes by the stamps of its messages.
    #[error("MP3 that is more than {limit_ms} ms ahead of its stamps")]
    Mp3AheadOfTime {
        /// How far ahead sound may be, in milliseconds.
        limit_ms: i64,
    },
    /// The source segment is full, and too short to be cut.
    #[error("more than {limit} bytes in a second")]
    SegmentFull {
        /// What a source segment may hold.
        limit: usize,
    },
}

/// Why no rendition can be made of the video: it plays as source only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VideoRefusal {
    /// No decoder here knows what the stream uses.
    #[error(transparent)]
    Undecodable(#[from] Undecodable),
    /// The picture is larger than what is decoded.
    #[error("{width}x{height} is more than {limit} pixels (4096x2304)")]
    TooManyPixels {
        /// Coded width.
        width: u32,
        /// Coded height.
        height: u32,
        /// Pixels of the largest picture.
        limit: u64,
    },
    /// Its references need more memory than one stream gets.
    #[error("{width}x{height} with {references} reference pictures needs more than {limit} bytes")]
    TooManyBytes {
        /// Coded width.
        width: u32,
        /// Coded height.
        height: u32,
        /// `max_num_ref_frames`.
        references: u32,
        /// Bytes that a decoder may take.
        limit: u64,
    },
    /// A level that the decoders do not know.
    #[error("level {}, at most 5.2 is decoded", f32::from(*.level_idc) / 10.0)]
    Level {
        /// `level_idc`, ten times the level.
        level_idc: u8,
    },
    /// A decoder refused a picture by name, and no other can do it.
    #[error(transparent)]
    Decoder(codec::Error),
}

impl VideoRefusal {
    /// What the publisher can set so that renditions are made, in words for people.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Undecodable(Undecodable::ChromaFormat { .. } | Undecodable::BitDepth { .. }) => {
                "set the encoder's colour format to 4:2:0 with 8 bits (NV12)"
            }
            Self::Undecodable(Undecodable::Lossless) => {
                "set the encoder to a bit rate or a quality"
            }
            Self::Undecodable(Undecodable::DataPartitioning | Undecodable::SliceGroups { .. })
            | Self::Decoder(_) => "set the encoder's profile to Main or High",
            Self::TooManyPixels { .. } | Self::Level { .. } => "set a smaller picture size",
            Self::TooManyBytes { .. } => "set fewer reference frames in the encoder",
        }
    }
}
