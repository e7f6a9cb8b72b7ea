//! A text as it goes over HTTP, in both encodings: a playlist, and what people read.

use std::io::Write;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A rendered text: made once per change, handed out as often as asked for.
///
/// It is compressed by the first reader who takes gzip, so that nothing is compressed that nobody
/// reads, and nobody who writes playlists waits for it.
#[derive(Clone, Debug)]
pub struct Body {
    /// The text, UTF-8.
    pub plain: Bytes,
    /// Strong entity tag of [`plain`](Self::plain), in quotes (RFC 9110 section 8.8.3).
    pub etag: String,
    /// Strong entity tag of [`gzip`](Self::gzip): another encoding is another representation.
    pub etag_gzip: String,
    gzip: OnceLock<Bytes>,
}

impl Body {
    /// The text as a body.
    #[must_use]
    pub fn new(text: String) -> Self {
        let hash = fnv_1a(text.as_bytes());
        Self {
            etag: format!("\"{hash:016x}\""),
            etag_gzip: format!("\"{hash:016x}-gzip\""),
            plain: text.into(),
            gzip: OnceLock::new(),
        }
    }

    /// The text in gzip (RFC 1952).
    #[must_use]
    pub fn gzip(&self) -> &Bytes {
        self.gzip.get_or_init(|| gzip(&self.plain))
    }
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::default());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("writing to a Vec cannot fail").into()
}

/// FNV-1a, 64 bits: tells versions of one playlist apart, and is the same in every process and
/// release.
pub(crate) fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn gzip_is_the_same_text() {
        let body = Body::new("#EXTM3U\n".repeat(100));
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&body.gzip()[..]).read_to_end(&mut text).unwrap();
        assert_eq!(text, body.plain);
        assert!(body.gzip().len() < body.plain.len() / 4);
    }

    #[test]
    fn entity_tags_tell_texts_and_encodings_apart() {
        // The FNV-1a test vector for "foobar".
        let body = Body::new("foobar".into());
        assert_eq!(body.etag, "\"85944171f73967e8\"");
        assert_eq!(body.etag_gzip, "\"85944171f73967e8-gzip\"");
        assert_ne!(Body::new("foobaz".into()).etag, body.etag);
    }
}
