//! Audio's time, counted in samples.

use media::{Duration, TICKS_PER_SECOND, Timestamp};

use crate::encoded_sound::scale;

/// Off by more than this, the audio clock is slewed by one part in [`SLEWS_A_SECOND`] of a second
/// with each frame.
const TOLERANCE: Duration = Duration::from_millis(40);
const SLEWS_A_SECOND: i64 = 1000;

/// Off by more than this, audio was missing: the clock is set anew.
const RESYNC: Duration = Duration::from_millis(500);

/// Audio presentation times by counting samples: message timestamps are whole milliseconds, which
/// would make every frame a little early or late.
///
/// Samples are counted from time 0, so that a time is rounded once: up to 90 kHz it is nearer to
/// its own sample than to any other, and tells it.
#[derive(Debug)]
pub(crate) struct SampleClock {
    samples_per_frame: i64,
    sample_rate_hz: i64,
    /// The place of the next frame's first sample.
    next: Option<i64>,
    last: Option<Timestamp>,
}

impl SampleClock {
    pub(crate) fn new(samples_per_frame: u32, sample_rate_hz: u32) -> Self {
        Self {
            samples_per_frame: samples_per_frame.into(),
            sample_rate_hz: i64::from(sample_rate_hz).max(1),
            next: None,
            last: None,
        }
    }

    /// The presentation time of the next frame, whose message is stamped `stamp`.
    pub(crate) fn next(&mut self, stamp: Timestamp) -> Timestamp {
        let stamped = self.place(stamp);
        let mut place = self.next.unwrap_or(stamped);
        let drift = stamp - self.time(place);
        if drift > RESYNC || -drift > RESYNC {
            place = stamped;
        } else if drift > TOLERANCE {
            place += self.sample_rate_hz / SLEWS_A_SECOND;
        } else if -drift > TOLERANCE {
            place -= self.sample_rate_hz / SLEWS_A_SECOND;
        }
        self.next = Some(place.saturating_add(self.samples_per_frame));
        let counted = self.time(place);
        // Set back, the clock still never stands: segments end by time.
        let pts = self.last.map_or(counted, |last| counted.max(last + Duration::from_ticks(1)));
        self.last = Some(pts);
        pts
    }

    /// The first sample at `stamp` or later: none is heard before the picture of the same stamp.
    fn place(&self, stamp: Timestamp) -> i64 {
        -scale(-stamp.ticks(), self.sample_rate_hz, TICKS_PER_SECOND)
    }

    /// When the sample at `place` is heard, to the nearest tick.
    fn time(&self, place: i64) -> Timestamp {
        let doubled = scale(place, 2 * TICKS_PER_SECOND, self.sample_rate_hz);
        Timestamp::from_ticks((doubled + 1).div_euclid(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoded_sound::place;

    #[test]
    fn times_tell_the_places_of_samples_whatever_the_first_stamp_is() {
        for hz in [8000, 11_025, 22_050, 32_000, 44_100, 48_000, 88_200] {
            for first_ms in 0..100_i64 {
                let mut clock = SampleClock::new(1024, hz);
                let mut first = None;
                for n in 0..200 {
                    let ms = first_ms + n * 1024 * 1000 / i64::from(hz);
                    let at = place(clock.next(Timestamp::from_millis(ms)), hz);
                    let first = *first.get_or_insert(at);
                    assert_eq!(at - first, n * 1024, "{hz} Hz from {first_ms} ms on, frame {n}");
                }
            }
        }
    }

    #[test]
    fn audio_is_counted_by_samples_and_not_by_milliseconds() {
        let mut clock = SampleClock::new(1024, 44_100);
        let stamps = (0..1000).map(|n: i64| Timestamp::from_millis(n * 1024 * 1000 / 44_100));
        let times: Vec<_> = stamps.map(|stamp| clock.next(stamp).ticks()).collect();
        let nearest = |n: i64| (n as f64 * 1024.0 * 90_000.0 / 44_100.0).round() as i64;
        let exact: Vec<_> = (0..1000).map(nearest).collect();
        assert_eq!(times, exact);
    }

    #[test]
    fn a_drifting_audio_clock_is_slewed_and_a_hole_is_jumped() {
        let mut clock = SampleClock::new(1024, 48_000);
        let mut last = Timestamp::ZERO;
        // The sender's audio clock runs 1 % slow against its stamps.
        for n in 0..10_000 {
            let stamp = Timestamp::from_ticks(n * 1920 * 101 / 100);
            let pts = clock.next(stamp);
            assert!((pts - stamp).ticks().abs() < 90 * 42, "frame {n}");
            assert!(n == 0 || (pts - last).ticks() <= 1920 + 90);
            last = pts;
        }
        let after_hole = Timestamp::from_millis((last + Duration::from_secs(3)).ticks() / 90);
        assert_eq!(clock.next(after_hole), after_hole);
    }
}
