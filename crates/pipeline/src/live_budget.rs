//! How much of a stream is made into renditions as it comes.

use media::{Duration, TICKS_PER_SECOND};

use crate::encoded_sound::PREPARATION;
use crate::wall_budget::WallBudget;

/// Media that may be made in a second of the wall clock. A stream in real time whose segments last
/// a second, the least that there is, takes two: the second, and what prepares its sound.
const PER_SECOND: i64 = 3 * TICKS_PER_SECOND;

/// Media that may be made at once: what comes behind a stall of some seconds, and a short file that
/// is sent as fast as it can be read.
const BURST: i64 = 12 * TICKS_PER_SECOND;

/// What is there of that when a publisher comes: who comes again and again has little more than who
/// stays.
const AT_FIRST: i64 = PER_SECOND;

/// Once it is used up, so much has to be there again: to begin anew takes a decoder, encoders, and
/// perhaps a GOP that is decoded first.
const ENOUGH: i64 = BURST / 2;

/// Media that renditions are made of as it comes, by the wall clock. A publisher that sends faster
/// than time, or whose spans are so short that preparing them is most of the work, is only cut into
/// spans meanwhile: what somebody asks for is made then.
#[derive(Clone, Debug)]
pub(crate) struct LiveBudget {
    /// In ticks of media.
    budget: WallBudget,
    is_used_up: bool,
}

impl LiveBudget {
    pub(crate) fn new() -> Self {
        let mut budget = WallBudget::new(PER_SECOND, BURST);
        budget.spend(BURST - AT_FIRST);
        Self { budget, is_used_up: false }
    }

    /// A span has ended that was made as it came.
    pub(crate) fn spend(&mut self, span: Duration) {
        self.budget.spend((span + PREPARATION).ticks());
    }

    /// Whether the span that begins with an arrival at this time may be made as it comes.
    pub(crate) fn allows(&mut self, unix_ms: i64) -> bool {
        let least = if self.is_used_up { ENOUGH } else { 1 };
        self.is_used_up = self.budget.left_at(unix_ms) < least;
        !self.is_used_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many spans of so many milliseconds are made of those that come in so many seconds, each
    /// so long behind the one before.
    fn made(span_ms: i64, every_ms: i64, seconds: i64) -> i64 {
        let mut budget = LiveBudget::new();
        let mut is_made = |unix_ms: &i64| {
            let is_made = budget.allows(*unix_ms);
            if is_made {
                budget.spend(Duration::from_millis(span_ms));
            }
            is_made
        };
        let arrivals = (0..seconds * 1000).step_by(every_ms as usize);
        arrivals.filter(|unix_ms| is_made(unix_ms)).count() as i64
    }

    #[test]
    fn what_comes_in_real_time_is_made_whole() {
        assert_eq!(made(2_000, 2_000, 600), 300);
        assert_eq!(made(1_000, 1_000, 600), 600, "the shortest segment duration");
        assert_eq!(made(500, 500, 600), 1_200, "cut twice as often as it should be");
    }

    #[test]
    fn what_comes_faster_is_made_as_far_as_the_wall_clock_goes() {
        // Twenty seconds of media a second.
        let spans = made(2_000, 100, 60);
        let media = spans * 3;
        assert!((170..=3 * 60 + 3 + 3).contains(&media), "{spans} of 600");
        // A picture each, as fast as there are numbers: what prepares them counts.
        let spans = made(33, 100, 60);
        assert!(spans <= (3 * 60 + 3) * 1000 / 1033 + 1, "{spans} of 600");
    }

    #[test]
    fn what_comes_behind_a_stall_of_a_few_seconds_is_made_whole() {
        let mut budget = LiveBudget::new();
        let mut is_made = |unix_ms| {
            let is_made = budget.allows(unix_ms);
            budget.spend(Duration::from_secs(2));
            is_made
        };
        assert!((0..30).all(|n| is_made(n * 2_000)));
        assert!([70_000; 4].into_iter().all(is_made));
    }

    #[test]
    fn who_comes_anew_each_second_has_no_more_than_who_stays() {
        let mut made = 0;
        for _ in 0..60 {
            let mut budget = LiveBudget::new();
            for n in 0..30 {
                if budget.allows(n * 33) {
                    budget.spend(Duration::from_millis(33));
                    made += 1;
                }
            }
        }
        assert!(made <= 60 * 6, "{made} of 1800");
    }

    #[test]
    fn once_used_up_it_is_not_begun_anew_with_every_span() {
        let mut budget = LiveBudget::new();
        let mut begun = 0;
        let mut was_made = false;
        for n in 0..600 {
            let is_made = budget.allows(n * 100);
            begun += u32::from(is_made && !was_made);
            if is_made {
                budget.spend(Duration::from_secs(2));
            }
            was_made = is_made;
        }
        assert!(begun <= 31, "{begun} times in a minute");
    }
}
