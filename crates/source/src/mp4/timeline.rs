//! From a track's ticks to the stream's time.

use media::{Duration, TICKS_PER_SECOND, Timestamp};

use super::Entry;
use super::edits::Edit;
use crate::time::{earlier, later};

/// Where a track's time lies in the stream's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeline {
    timescale: u32,
    /// The track's presentation time that is shown at `start`.
    media_time: i64,
    start: Timestamp,
    /// Added to all decoding times: the smallest composition offset, so that none is negative and
    /// the largest no larger than it must be. Some writers add 3 s to all offsets and take them off
    /// again in the edit list.
    shift: i64,
}

impl Timeline {
    /// `shift` in ticks of the track.
    pub(crate) fn new(timescale: u32, edit: &Edit, movie_timescale: u32, shift: i64) -> Self {
        let delay = i64::try_from(edit.delay).unwrap_or(i64::MAX);
        let start = later(Timestamp::ZERO, scale(delay, movie_timescale));
        Self { timescale, media_time: edit.media_time, start, shift }
    }

    /// The same, so much earlier.
    pub(crate) fn earlier(self, by: Duration) -> Self {
        Self { start: earlier(self.start, by), ..self }
    }

    pub(crate) fn dts(&self, entry: &Entry) -> Timestamp {
        self.at(entry.dts.saturating_add(self.shift))
    }

    pub(crate) fn pts(&self, entry: &Entry) -> Timestamp {
        self.at(entry.dts.saturating_add(entry.composition.into()))
    }

    /// When a track's presentation time is in the stream's, rounded down.
    fn at(&self, time: i64) -> Timestamp {
        later(self.start, scale(time.saturating_sub(self.media_time), self.timescale))
    }
}

/// Ticks of a timescale in ours, rounded down.
pub(crate) fn scale(ticks: i64, timescale: u32) -> Duration {
    let scaled = i128::from(ticks).saturating_mul(TICKS_PER_SECOND.into());
    let scaled = scaled.div_euclid(i128::from(timescale).max(1));
    let limit = if ticks < 0 { i64::MIN } else { i64::MAX };
    Duration::from_ticks(i64::try_from(scaled).unwrap_or(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_from_the_start_of_the_track_so_that_nothing_drifts() {
        assert_eq!(scale(1024, 44_100).ticks(), 2089);
        assert_eq!(scale(1024 * 44_100, 44_100).ticks(), 1024 * 90_000);
        assert_eq!(scale(-1, 44_100).ticks(), -3);
        assert_eq!(scale(i64::MIN, 1).ticks(), i64::MIN);
    }
}
