//! A segment that has been made, and how caches tell it from others.

use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

/// The bytes of a segment, shared by all snapshots that have it.
#[derive(Debug)]
pub(crate) struct Made {
    /// In whatever container.
    pub(crate) data: Bytes,
    etag: OnceLock<String>,
}

impl Made {
    pub(crate) fn new(data: Bytes) -> Arc<Self> {
        Arc::new(Self { data, etag: OnceLock::new() })
    }

    /// A strong entity tag, in quotes. The hash is the same in every process of a release; another
    /// release may have another, which costs a cache one fetch.
    pub(crate) fn etag(&self) -> &str {
        self.etag.get_or_init(|| {
            let mut hasher = DefaultHasher::new();
            hasher.write(&self.data);
            format!("\"{:016x}\"", hasher.finish())
        })
    }
}
