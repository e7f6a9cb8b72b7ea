use std::fmt;
use std::hint::black_box;

/// A secret that permits to publish. It is never printed (`Debug` redacts, there is no `Display`),
/// and comparing takes the same time wherever two keys differ; only their lengths show.
#[derive(Clone)]
pub struct StreamKey(String);

impl StreamKey {
    /// Takes any text, also an empty one.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The secret itself: for digests of it, and for who has to be asked about it. Never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// No characters at all: permits nothing, not even an equal one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(redacted)")
    }
}

impl PartialEq for StreamKey {
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), other.0.as_bytes());
        let difference = ours.iter().zip(theirs).fold(0, |seen, (a, b)| black_box(seen | (a ^ b)));
        ours.len() == theirs.len() && difference == 0
    }
}

impl Eq for StreamKey {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_redacts() {
        let printed =
            format!("{:?} {:?}", StreamKey::new("hunter2"), Some(StreamKey::new("hunter2")));
        assert!(!printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn equal_means_every_byte() {
        assert_eq!(StreamKey::new("secret"), StreamKey::new("secret"));
        for other in ["Secret", "secreT", "secre", "secrets", "", "sec\u{e9}t"] {
            assert_ne!(StreamKey::new("secret"), StreamKey::new(other), "{other}");
        }
        assert!(StreamKey::new("").is_empty());
    }
}
