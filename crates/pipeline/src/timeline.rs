//! The stream's time: RTMP's 32-bit milliseconds unwrapped, jumps closed.

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
    fn the_picture_interval_averages_millisecond_stamps() {
        let mut interval = PictureInterval::new(None);
        for n in 0..200 {
            interval.note(Timestamp::from_millis(n * 1000 / 60));
        }
        let average = interval.note(Timestamp::from_millis(200 * 1000 / 60)).ticks();
        assert!((1450..=1550).contains(&average), "{average}");
    }
}
