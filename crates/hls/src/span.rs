//! What a segment is, before anybody has made it: a numbered span of a stream's media.

use media::{Duration, Timestamp};

/// Where a span begins. All renditions of a grid use the same cuts, so a number says the same span
/// in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The media sequence number of the segments made of the span that begins here (RFC 8216
    /// 6.2.1).
    pub sequence: u64,
    /// Discontinuities of the stream up to here, this one included.
    pub discontinuity_sequence: u64,
    /// Timestamps, parameters or tracks do not go on from the span before (`EXT-X-DISCONTINUITY`).
    pub discontinuity: bool,
    /// Presentation time of the span's first picture, or of its first sound where there are no
    /// pictures.
    pub at: Timestamp,
    /// The wall clock at that time, in milliseconds since 1970 (`EXT-X-PROGRAM-DATE-TIME`).
    pub unix_ms: i64,
}

/// A span that has ended: its length is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it begins, and its number.
    pub cut: Cut,
    /// From its beginning to that of the next span. Not negative.
    pub duration: Duration,
}

impl Cut {
    /// The span from here to `end`.
    #[must_use]
    pub fn span_to(self, end: Timestamp) -> Span {
        Span { cut: self, duration: (end - self.at).max(Duration::ZERO) }
    }
}

impl Span {
    /// The media sequence number of its segments.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.cut.sequence
    }

    /// Where it begins.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.cut.at
    }

    /// Where the next span begins.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.cut.at + self.duration
    }
}

/// The numbers that spans get, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// The number of the next span to begin.
    pub next_sequence: u64,
    /// Discontinuities so far.
    pub discontinuity_sequence: u64,
    /// The next span stands behind a discontinuity.
    pub discontinuity_next: bool,
}

impl Numbering {
    /// Nothing has been numbered yet; the first span gets `first_sequence`.
    #[must_use]
    pub fn from_first(first_sequence: u64) -> Self {
        Self { next_sequence: first_sequence, discontinuity_sequence: 0, discontinuity_next: false }
    }

    /// The cut at `at`, with the next number.
    pub(crate) fn cut(&mut self, at: Timestamp, unix_ms: i64) -> Cut {
        let discontinuity = std::mem::take(&mut self.discontinuity_next);
        self.discontinuity_sequence += u64::from(discontinuity);
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        Cut {
            sequence,
            discontinuity_sequence: self.discontinuity_sequence,
            discontinuity,
            at,
            unix_ms,
        }
    }

    /// As if `cut`, the newest, had not been made: nothing came of its span.
    pub(crate) fn before(self, cut: Cut) -> Self {
        Self {
            next_sequence: cut.sequence,
            discontinuity_sequence: cut.discontinuity_sequence - u64::from(cut.discontinuity),
            discontinuity_next: cut.discontinuity,
        }
    }
}
