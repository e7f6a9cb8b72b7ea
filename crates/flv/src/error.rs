//! Why a tag or a file could not be read.

/// Why a tag body, a tag or a file could not be read. Byte positions count from the start of the
/// tag body, or of the file for what [`crate::FileReader`] returns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The tag body is shorter than its own header says.
    #[error("{what} needs {needed} bytes at byte {position}, only {available} left")]
    Truncated {
        /// The field that is cut.
        what: &'static str,
        /// Its length in bytes.
        needed: usize,
        /// Bytes that were left.
        available: usize,
        /// Where it starts.
        position: usize,
    },
    /// A packet type that the specification does not define: the tag can be skipped.
    #[error("{what} {actual} at byte {position}, allowed are 0 to {max}")]
    PacketType {
        /// The field's name in the specification.
        what: &'static str,
        /// What the peer sent.
        actual: u8,
        /// The largest defined value.
        max: u8,
        /// Where it is.
        position: usize,
    },
    /// The file does not start with "FLV".
    #[error("file starts with {actual:02x?}, FLV starts with [46, 4c, 56]")]
    NotFlv {
        /// The first three bytes.
        actual: [u8; 3],
    },
    /// The file header claims a length that it cannot have.
    #[error("file header of {actual} bytes, allowed are 9 to {limit} (byte 5)")]
    HeaderSize {
        /// `DataOffset`.
        actual: u32,
        /// [`crate::Limits::max_header_bytes`].
        limit: u32,
    },
    /// A tag is larger than the limit; the rest of the file cannot be read.
    #[error("tag of {size} bytes exceeds limit {limit} (byte {position})")]
    TagTooLarge {
        /// `DataSize` of the tag header.
        size: usize,
        /// [`crate::Limits::max_tag_bytes`].
        limit: usize,
        /// Where the tag starts in the file.
        position: u64,
    },
    /// Script data that is no AMF0, or too much of it.
    #[error(transparent)]
    Metadata(#[from] amf0::Error),
}
