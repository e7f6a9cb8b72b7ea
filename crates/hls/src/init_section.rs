//! What segments of fragmented MP4 are played behind.

use bytes::Bytes;

use crate::body::fnv_1a;

/// An initialization section (`EXT-X-MAP`, RFC 8216 4.3.2.5), known by its content: other bytes
/// have another name, so that a cache may keep it for ever, and the same ones the same name.
#[derive(Debug)]
pub struct InitSection {
    /// The bytes.
    pub data: Bytes,
    /// FNV-1a of the bytes.
    id: u64,
}

impl InitSection {
    pub(crate) fn new(data: Bytes) -> Self {
        Self { id: fnv_1a(&data), data }
    }

    /// What it is known by.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The file name of the one with this `id`: 16 lower-case hexadecimal digits.
    #[must_use]
    pub fn file_name(id: u64) -> String {
        format!("{id:016x}.mp4")
    }

    /// Its strong entity tag, in quotes (RFC 9110 section 8.8.3).
    #[must_use]
    pub fn etag(&self) -> String {
        format!("\"{:016x}\"", self.id)
    }
}
