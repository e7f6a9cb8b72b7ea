//! What a stream shows while its publisher is missing: its newest picture, and silence.

use std::fmt;

use hls::GridState;
use media::{Duration, Timestamp};

use crate::StreamConfig;
use crate::event::IngestOutput;
use crate::ingest::Ingest;
use crate::tracks::StreamTracks;

/// A slate's last span is one part in so many of a whole one at least.
const LEAST_PART: i64 = 4;

/// Spans of a stream that nobody publishes, one after the other in time with a clock, on the grid
/// that the last publisher left: behind a discontinuity, and before the one that the next publisher
/// begins with.
///
/// A span of `source` is the last IDR, as it came and with its own parameter sets, at the span's
/// start and once more at its half, and silence of the audio's own configuration. Nothing is
/// decoded and nothing encoded. A span of the ladder is made of the same, when somebody asks for
/// it.
///
/// **After every call, drain [`poll`](Self::poll) to None.**
pub struct Slate {
    ingest: Ingest,
    segment_duration: Duration,
    began: Timestamp,
    unix_ms: i64,
    /// Where the newest span ends that has come out.
    cut: Duration,
}

impl Slate {
    /// The slate behind a publisher that left the grid in `state`, and what the playlists announce
    /// in `tracks`; it begins at the wall clock `unix_ms`.
    ///
    /// None where the playlists have not begun, and where they announce a track that nothing can
    /// stand in for: pictures without an IDR and too large for a black one, or sound that no
    /// silence can be made of.
    #[must_use]
    pub fn new(
        config: &StreamConfig,
        state: GridState,
        mut tracks: StreamTracks,
        unix_ms: i64,
    ) -> Option<Self> {
        state.mode?;
        if !tracks.can_be_stood_in_for() {
            return None;
        }
        let began = tracks.ended_at;
        let mut ingest = Ingest::new(config, state, tracks);
        ingest.stand_in(began, unix_ms);
        let segment_duration = config.segment_duration;
        Some(Self { ingest, segment_duration, began, unix_ms, cut: Duration::ZERO })
    }

    /// The slate is so long by now: the next span comes out, if it is over. One in a call: who is
    /// late is not swamped.
    pub fn go_on(&mut self, length: Duration) {
        let next = self.cut + self.segment_duration;
        if next <= length {
            self.stand_in(next);
            self.cut = next;
        }
    }

    /// Somebody publishes again when the slate is so long: what has begun comes out, if it is a
    /// quarter of a span at least. So the playlists have not stood still for longer than that when
    /// the first span of what follows begins, which takes its own time.
    pub fn end(&mut self, length: Duration) {
        self.go_on(length);
        let end = length.min(self.cut + self.segment_duration);
        let least = Duration::from_ticks(self.segment_duration.ticks() / LEAST_PART);
        if end - self.cut >= least {
            self.stand_in(end);
            self.ingest.finish();
        }
    }

    /// The next output; None when there is none until the next call.
    pub fn poll(&mut self) -> Option<IngestOutput> {
        self.ingest.poll()
    }

    fn stand_in(&mut self, length: Duration) {
        let unix_ms = self.unix_ms.saturating_add(length.as_millis());
        self.ingest.stand_in(self.began + length, unix_ms);
    }
}

impl fmt::Debug for Slate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slate").field("cut", &self.cut).finish_non_exhaustive()
    }
}
