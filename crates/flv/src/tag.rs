//! Tags of a file.

use bytes::Bytes;

/// One tag of an FLV file (FLV 10.1 E.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// What the body is.
    pub kind: TagKind,
    /// Decoding time in milliseconds, 32 bits, wraps; `TimestampExtended` is its upper byte.
    pub timestamp_ms: u32,
    /// The body, for [`crate::VideoTag::parse`] and its siblings.
    pub body: Bytes,
}

/// `TagType` (FLV 10.1 E.4.1); the RTMP message types of the same content have the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TagKind {
    /// 8.
    Audio,
    /// 9.
    Video,
    /// 18.
    Script,
}

impl TagKind {
    /// The kind with this number, if it is one of ours.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            8 => Some(Self::Audio),
            9 => Some(Self::Video),
            18 => Some(Self::Script),
            _ => None,
        }
    }
}
