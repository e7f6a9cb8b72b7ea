use std::fmt;

const MAX_BYTES: usize = 128;

/// A name that a stream can have in URLs, file names and logs without any escaping: 1 to 128 of
/// `A-Z a-z 0-9 . _ - ~`, not starting with `.`, not `current`, not ending in `.m3u8`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(String);

/// Why a text is no [`StreamName`], or a publish request has no usable key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidStreamName {
    /// No characters.
    #[error("stream name is empty")]
    Empty,
    /// More than 128 bytes.
    #[error("stream name of {actual} bytes exceeds limit {MAX_BYTES}")]
    TooLong {
        /// Its length.
        actual: usize,
    },
    /// A character that may not be in a name.
    #[error("stream name has {character:?} at byte {index}, allowed are A-Z a-z 0-9 . _ - ~")]
    Character {
        /// The first such character.
        character: char,
        /// Its place in the name.
        index: usize,
    },
    /// Hidden files and `..` begin like this.
    #[error("stream name starts with '.'")]
    LeadingDot,
    /// `current` is the newest stream's playlist.
    #[error("stream name is 'current', which is reserved")]
    Reserved,
    /// It would be a playlist's URL.
    #[error("stream name ends in '.m3u8'")]
    PlaylistSuffix,
    /// Longer than [`Limits::key_bytes`](crate::Limits::key_bytes).
    #[error("stream key of {actual} bytes exceeds limit {allowed}")]
    KeyTooLong {
        /// Its length.
        actual: usize,
        /// The limit.
        allowed: usize,
    },
    /// Longer than [`Limits::query_bytes`](crate::Limits::query_bytes).
    #[error("query of {actual} bytes exceeds limit {allowed}")]
    QueryTooLong {
        /// Its length.
        actual: usize,
        /// The limit.
        allowed: usize,
    },
}

impl StreamName {
    /// Checks the rules above.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidStreamName> {
        if text.is_empty() {
            return Err(InvalidStreamName::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(InvalidStreamName::TooLong { actual: text.len() });
        }
        if let Some((index, character)) =
            text.char_indices().find(|(_, character)| !is_allowed(*character))
        {
            return Err(InvalidStreamName::Character { character, index });
        }
        check_form(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-' | '~')
}

fn check_form(text: &str) -> Result<(), InvalidStreamName> {
    if text.starts_with('.') {
        return Err(InvalidStreamName::LeadingDot);
    }
    if text == "current" {
        return Err(InvalidStreamName::Reserved);
    }
    if text.ends_with(".m3u8") {
        return Err(InvalidStreamName::PlaylistSuffix);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_contract_are_valid() {
        let longest = "x".repeat(128);
        for name in [
            "a",
            "hello_world",
            "cam1.main",
            "test-live",
            "live",
            "A~z-0_9.",
            "m3u8",
            "currents",
            &longest,
        ] {
            assert_eq!(StreamName::parse(name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn every_rule_has_its_error() {
        use InvalidStreamName::{Character, Empty, LeadingDot, PlaylistSuffix, Reserved, TooLong};
        let cases = [
            ("", Empty),
            (&"x".repeat(129), TooLong { actual: 129 }),
            (&"x".repeat(300), TooLong { actual: 300 }),
            ("caf\u{e9}", Character { character: '\u{e9}', index: 3 }),
            ("\u{1f3a5}", Character { character: '\u{1f3a5}', index: 0 }),
            ("a%2e%2e", Character { character: '%', index: 1 }),
            ("a b", Character { character: ' ', index: 1 }),
            ("a\0", Character { character: '\0', index: 1 }),
            ("a\\b", Character { character: '\\', index: 1 }),
            ("a/b", Character { character: '/', index: 1 }),
            ("..", LeadingDot),
            (".hidden", LeadingDot),
            ("current", Reserved),
            ("a.m3u8", PlaylistSuffix),
        ];
        for (text, error) in cases {
            assert_eq!(StreamName::parse(text), Err(error), "{text:?}");
        }
    }
}
