//! The stream's time: RTMP's 32-bit milliseconds unwrapped, jumps closed, audio counted by samples.

use media::{Duration, Timestamp, UnwrapMs};

/// Time may run ahead or fall back by this much between messages of a real encoder; more is a jump.
const MAX_STEP: Duration = Duration::from_secs(2);

/// After a jump the stream goes on this much later: about one picture.
const STEP_AFTER_JUMP: Duration = Duration::from_millis(40);

/// Maps message timestamps to stream time. RTMP time is unwrapped here and nowhere else.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    unwrap: UnwrapMs,
    offset: Duration,
    newest: Option<Timestamp>,
}

impl Timeline {
    /// The stream time of a message, and the size of the jump if its timestamp jumped: then time goes on without it.
    pub(crate) fn map(&mut self, timestamp_ms: u32) -> (Timestamp, Option<Duration>) {
        let raw = Timestamp::from_millis(self.unwrap.unwrap(timestamp_ms));
        let mut at = raw + self.offset;
        let newest = self.newest.unwrap_or(at);
        let step = at - newest;
        let jump = (step > MAX_STEP || -step > MAX_STEP).then_some(step);
        if jump.is_some() {
            at = newest + STEP_AFTER_JUMP;
            self.offset = at - raw;
        }
        self.newest = Some(newest.max(at));
        (at, jump)
    }
}

/// Off by more than this, the audio clock is slewed by [`SLEW`] a frame.
const TOLERANCE: Duration = Duration::from_millis(40);
const SLEW: Duration = Duration::from_millis(1);

/// Off by more than this, audio was missing: the clock is set anew.
const RESYNC: Duration = Duration::from_millis(500);

/// Audio presentation times by counting samples: message timestamps are whole milliseconds, which would make every
/// frame a little early or late.
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

/// The time from one picture to the next, averaged over the last ones in decoding order.
#[derive(Debug)]
pub(crate) struct PictureInterval {
    average: Duration,
    last: Option<Timestamp>,
}

impl PictureInterval {
    /// Starts from the announced frame rate; 30 per second where none is.
    pub(crate) fn new(frame_rate: Option<f64>) -> Self {
        let rate = frame_rate.filter(|rate| (1.0..=300.0).contains(rate)).unwrap_or(30.0);
        Self {
            average: Duration::from_ticks((media::TICKS_PER_SECOND as f64 / rate) as i64),
            last: None,
        }
    }

    /// Notes a picture's decoding time; the interval as it looks now.
    pub(crate) fn note(&mut self, dts: Timestamp) -> Duration {
        if let Some(last) = self.last.replace(dts) {
            // A step over a second is a stall, not a frame rate.
            let step = (dts - last).ticks().clamp(0, media::TICKS_PER_SECOND);
            let change = step - self.average.ticks();
            // Millisecond stamps (33, 34) average out over 16 pictures.
            self.average += Duration::from_ticks(change / 16);
        }
        self.average
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_closed_and_time_goes_on() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.map(1000), (Timestamp::from_millis(1000), None));
        assert_eq!(
            timeline.map(900),
            (Timestamp::from_millis(900), None),
            "audio a little behind video"
        );
        let (at, jump) = timeline.map(3_600_000);
        assert_eq!(at, Timestamp::from_millis(1040));
        assert_eq!(jump, Some(Duration::from_millis(3_599_000)));
        assert_eq!(timeline.map(3_600_040).0, Timestamp::from_millis(1080));
        let (at, jump) = timeline.map(0);
        assert_eq!((at, jump.is_some()), (Timestamp::from_millis(1120), true), "and back");
    }

    #[test]
    fn time_goes_on_past_2_pow_32_milliseconds() {
        let mut timeline = Timeline::default();
        timeline.map(u32::MAX - 10);
        let (at, jump) = timeline.map(30);
        assert_eq!((at, jump), (Timestamp::from_millis(4_294_967_326), None));
    }

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

    #[test]
    fn the_picture_interval_averages_millisecond_stamps() {
        let mut interval = PictureInterval::new(None);
        for n in 0..200 {
            interval.note(Timestamp::from_millis(n * 1000 / 60));
        }
        let average = interval.note(Timestamp::from_millis(200 * 1000 / 60)).ticks();
        assert!((1450..=1550).contains(&average), "{average}");
    }
}
