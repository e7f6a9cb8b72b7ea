//! Why a file cannot be played.

use std::fmt;
use std::io;

/// Why a file cannot be played, in one line, with the place. The file's name is the caller's to
/// say.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system could not open or read it.
    #[error("cannot be read at byte {position}: {source}")]
    Io {
        /// Where in the file.
        position: u64,
        /// What it said.
        source: io::Error,
    },
    /// Another kind of file.
    #[error(
        "is neither MP4, QuickTime nor FLV (starts with {actual:02x?}): H.264 and AAC in one of these can be published"
    )]
    Format {
        /// Its first bytes.
        actual: Vec<u8>,
    },
    /// An MP4 whose recorder never came to write the index.
    #[error(
        "has no moov box in its {file_bytes} bytes: the recording ended before its index was written"
    )]
    NoIndex {
        /// Length of the file.
        file_bytes: u64,
    },
    /// The file ends before something that it needs.
    #[error(
        "{what} of {needed} bytes at byte {position} goes past the end of the file, byte {file_bytes}"
    )]
    Truncated {
        /// What is cut, with the track's name for a sample.
        what: String,
        /// Where it starts.
        position: u64,
        /// Its length in bytes.
        needed: u64,
        /// Length of the file.
        file_bytes: u64,
    },
    /// Something contradicts itself or the specification.
    #[error("{what} at byte {position}: {problem}")]
    Invalid {
        /// The box or tag, with the track's name where that is known.
        what: String,
        /// Where it starts.
        position: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A number over its limit.
    #[error("{what} {actual} at byte {position} exceeds limit {limit}")]
    Limit {
        /// What is too large.
        what: String,
        /// How large it is.
        actual: u64,
        /// One of [`crate::Limits`].
        limit: u64,
        /// Where it is.
        position: u64,
    },
    /// A codec that cannot be carried.
    #[error("{track} is {codec} at byte {position}: {} can be published", track.allowed())]
    Codec {
        /// Which track.
        track: TrackName,
        /// The codec's name.
        codec: String,
        /// Where the file says so.
        position: u64,
    },
    /// Digital rights management.
    #[error(
        "{track} is encrypted ({scheme} at byte {position}): only clear files can be published"
    )]
    Encrypted {
        /// Which track.
        track: TrackName,
        /// The sample entry.
        scheme: String,
        /// Where the file says so.
        position: u64,
    },
    /// Neither H.264 nor AAC inside.
    #[error("has no video and no audio in its {file_bytes} bytes: H.264 and AAC can be published")]
    NoTracks {
        /// Length of the file.
        file_bytes: u64,
    },
}

/// Names a track for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackName {
    /// The video track; its `track_ID` in an MP4.
    Video(Option<u32>),
    /// The audio track; its `track_ID` in an MP4.
    Audio(Option<u32>),
}

impl TrackName {
    const fn allowed(self) -> &'static str {
        match self {
            Self::Video(_) => "H.264 video",
            Self::Audio(_) => "AAC audio (LC, HE)",
        }
    }
}

impl fmt::Display for TrackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, kind) = match self {
            Self::Video(id) => (id, "video"),
            Self::Audio(id) => (id, "audio"),
        };
        match id {
            Some(id) => write!(f, "track {id} ({kind})"),
            None => write!(f, "the {kind} track"),
        }
    }
}
