//! Audio's time, counted in samples.

use media::{Duration, Timestamp};

/// Off by more than this, the audio clock is slewed by [`SLEW`] a frame.
const TOLERANCE: Duration = Duration::from_millis(40);
const SLEW: Duration = Duration::from_millis(1);

/// Off by more than this, audio was missing: the clock is set anew.
const RESYNC: Duration = Duration::from_millis(500);

/// Audio presentation times by counting samples: message timestamps are whole milliseconds, which
/// would make every frame a little early or late.
#[derive(Debug)]
pub(crate) struct SampleClock {
    samples_per_frame: i64,
    sample_rate_hz: i64,
    anchor: Option<Timestamp>,
    samples: i64,
    last: Option<Timestamp>,
}

impl SampleClock {
    pub(crate) fn new(samples_per_frame: u32, sample_rate_hz: u32) -> Self {
        Self {
            samples_per_frame: samples_per_frame.into(),
            sample_rate_hz: i64::from(sample_rate_hz).max(1),
            anchor: None,
            samples: 0,
            last: None,
        }
    }

    /// The presentation time of the next frame, whose message is stamped `stamp`.
    pub(crate) fn next(&mut self, stamp: Timestamp) -> Timestamp {
        let mut anchor = *self.anchor.get_or_insert(stamp);
        let drift = stamp - (anchor + self.elapsed());
        if drift > RESYNC || -drift > RESYNC {
            anchor = stamp;
            self.samples = 0;
        } else if drift > TOLERANCE {
            anchor += SLEW;
        } else if -drift > TOLERANCE {
            anchor += -SLEW;
        }
        self.anchor = Some(anchor);
        let counted = anchor + self.elapsed();
        // Set back, the clock still never stands: segments end by time.
        let pts = self.last.map_or(counted, |last| counted.max(last + Duration::from_ticks(1)));
        self.last = Some(pts);
        self.samples = self.samples.saturating_add(self.samples_per_frame);
        pts
    }

    fn elapsed(&self) -> Duration {
        Duration::from_ticks(
            self.samples.saturating_mul(media::TICKS_PER_SECOND) / self.sample_rate_hz,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_is_counted_by_samples_and_not_by_milliseconds() {
        let mut clock = SampleClock::new(1024, 44_100);
        let stamps = (0..1000).map(|n: i64| Timestamp::from_millis(n * 1024 * 1000 / 44_100));
        let times: Vec<_> = stamps.map(|stamp| clock.next(stamp).ticks()).collect();
        let exact: Vec<_> = (0..1000).map(|n: i64| n * 1024 * 90_000 / 44_100).collect();
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
        let after_hole = last + Duration::from_secs(3);
        assert_eq!(clock.next(after_hole), after_hole);
    }
}
