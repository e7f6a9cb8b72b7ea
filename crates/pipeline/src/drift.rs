//! Clocks of audio and video that run at different speeds.

use media::Duration;

/// Messages the average goes over, and the first one is settled after.
const WINDOW: u32 = 256;

/// The average may move by this much before it is drift: what an encoder needs to change its ways
/// of interleaving.
const TOLERANCE: Duration = Duration::from_millis(100);

/// One message moves the average by no more than if it were this far off it.
const MAX_SURPRISE: Duration = Duration::from_millis(500);

/// What audio is moved by at once: as the sample clock's slew, nobody hears it.
const SLEW: Duration = Duration::from_millis(1);

/// Watches how far ahead of the audio the video is when it arrives.
///
/// Where both clocks tell the same time that stays as it was in the first seconds, whatever the
/// order in which the encoder sends: what is sent at one moment was taken at one moment. Where it
/// does not, the stamps drift apart.
#[derive(Debug, Default)]
pub(crate) struct Drift {
    count: u32,
    average: Duration,
    settled: Option<Duration>,
}

impl Drift {
    /// Notes a picture that is `ahead` of the audio just before it; what to move the audio by.
    pub(crate) fn note(&mut self, ahead: Duration) -> Duration {
        self.count = (self.count + 1).min(WINDOW);
        let surprise = ahead - self.average;
        let surprise = if self.count < WINDOW {
            surprise
        } else {
            surprise.min(MAX_SURPRISE).max(-MAX_SURPRISE)
        };
        self.average += Duration::from_ticks(surprise.ticks() / i64::from(self.count));
        if self.count < WINDOW {
            return Duration::ZERO;
        }
        let drifted = self.average - *self.settled.get_or_insert(self.average);
        let move_by = if drifted > TOLERANCE {
            SLEW
        } else if -drifted > TOLERANCE {
            -SLEW
        } else {
            Duration::ZERO
        };
        self.average += -move_by;
        move_by
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: i64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_changes_and_changes_back_moves_nothing() {
        let mut drift = Drift::default();
        for n in 0..10_000 {
            assert_eq!(drift.note(ms(20 + n % 90)), ms(0), "message {n}");
        }
        for _ in 0..5 {
            assert_eq!(drift.note(ms(4000)), ms(0), "a stall");
        }
    }

    #[test]
    fn what_stays_changed_is_followed_to_the_tolerance() {
        let mut drift = Drift::default();
        (0..WINDOW).for_each(|_| assert_eq!(drift.note(ms(20)), ms(0)));
        let mut moved = ms(0);
        for _ in 0..10_000 {
            moved += drift.note(ms(20 + 1000) - moved);
        }
        assert!((ms(880)..=ms(920)).contains(&moved), "{moved:?}");
    }
}
