//! Which sequence numbers a stream may use, and when: none comes again, whatever ends the process.
//!
//! Caches keep a segment under its number as `immutable`. So numbers follow the wall clock: they
//! are tenths of a second since 2026, and none is used more than three seconds before the clock has
//! reached it. A stream begins at the clock, but no less than those three seconds behind the start
//! of the process: all that the process before had used when it was killed lies before that. In
//! real time a stream of 2 s segments uses one number of twenty; one that is sent more than twenty
//! times as fast waits. 32 bits are enough until 2039, and 31 until 2032.

use std::time::Duration;

use crate::clock::Moment;

/// 2026-01-01 00:00 UTC, in milliseconds since 1970.
const EPOCH_UNIX_MS: i64 = 1_767_225_600_000;

/// How long the clock takes for one number, in milliseconds.
const MS_PER_NUMBER: u64 = 100;

/// How many numbers may be used before the clock has reached them: spans do not come evenly, and a
/// publisher may come and go a few times in a second.
const AHEAD: u64 = 30;

/// The numbers of one stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    first: u64,
    /// Uptime from which on `first` may be used. Later ones are counted from here: the system's
    /// clock may jump, and the stream goes on all the same.
    opens: Duration,
}

impl Numbers {
    /// The numbers of a stream that begins now, none below `floor`.
    pub(crate) fn begin(now: Moment, floor: u64) -> Self {
        // A clock that stands before 2026 is wrong, and no better than none.
        let clock_ms = u64::try_from(now.unix_ms - EPOCH_UNIX_MS).unwrap_or(0);
        let uptime_ms = u64::try_from(now.uptime.as_millis()).unwrap_or(u64::MAX);
        let started_ms = clock_ms.saturating_sub(uptime_ms);
        let least = started_ms / MS_PER_NUMBER + AHEAD + 1;
        let first = floor.max(least).max(clock_ms / MS_PER_NUMBER + 1);
        let opens_clock_ms = (first - AHEAD).saturating_mul(MS_PER_NUMBER);
        let opens_ms = uptime_ms.saturating_add(opens_clock_ms).saturating_sub(clock_ms);
        // A clock that was set back is not waited for: what lies before `floor` this process has
        // used itself, and it knows so.
        let opens_ms = opens_ms.min(uptime_ms.saturating_add(AHEAD * MS_PER_NUMBER));
        Self { first, opens: Duration::from_millis(opens_ms) }
    }

    /// The first one.
    pub(crate) fn first(self) -> u64 {
        self.first
    }

    /// How long `sequence` still has to wait until it may be used.
    pub(crate) fn wait(self, sequence: u64, now: Moment) -> Duration {
        let behind_first = sequence.saturating_sub(self.first);
        let wait = Duration::from_millis(behind_first.saturating_mul(MS_PER_NUMBER));
        self.opens.saturating_add(wait).saturating_sub(now.uptime)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Moment {
        let unix_ms = EPOCH_UNIX_MS + 28_000_000_000 + ms as i64;
        Moment { uptime: Duration::from_millis(ms), unix_ms }
    }

    #[test]
    fn a_number_is_used_three_seconds_before_the_clock_at_most() {
        let numbers = Numbers::begin(at(50), 0);
        assert_eq!(numbers.first(), 280_000_031);
        assert_eq!(numbers.wait(280_000_031, at(50)), Duration::from_millis(50));
        assert_eq!(numbers.wait(280_000_031, at(100)), Duration::ZERO);
        assert_eq!(numbers.wait(280_000_041, at(100)), Duration::from_secs(1));
        assert_eq!(numbers.wait(280_000_041, at(9999)), Duration::ZERO);
        // A stream that begins later has all of the three seconds to be ahead.
        let numbers = Numbers::begin(at(60_000), 0);
        assert_eq!(numbers.first(), 280_000_601);
        assert_eq!(numbers.wait(280_000_630, at(60_000)), Duration::ZERO);
        assert_eq!(numbers.wait(280_000_631, at(60_000)), Duration::from_millis(100));
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nobody_up() {
        let used = Numbers::begin(at(3_600_000), 0).first();
        let set_back = Moment { uptime: Duration::from_secs(3600), unix_ms: EPOCH_UNIX_MS };
        let numbers = Numbers::begin(set_back, used + 1);
        assert_eq!(numbers.first(), used + 1);
        assert!(numbers.wait(numbers.first(), set_back) <= Duration::from_secs(3));
    }

    #[test]
    fn a_wrong_clock_does_no_harm() {
        for unix_ms in [i64::MIN / 2, 0, EPOCH_UNIX_MS, i64::MAX] {
            let now = Moment { uptime: Duration::ZERO, unix_ms };
            let numbers = Numbers::begin(now, 7);
            assert!(numbers.first() >= 7);
            assert!(numbers.wait(numbers.first(), now) <= Duration::from_millis(700));
        }
    }

    proptest! {
        /// Streams that use numbers as fast as they may, forgotten and begun again, in processes
        /// that are killed at any time.
        #[test]
        fn no_number_comes_again(
            lives in prop::collection::vec(prop::collection::vec(1_u64..400, 1..4), 1..4),
            pauses_ms in prop::collection::vec(0_u64..300, 16),
        ) {
            let (mut clock_ms, mut newest) = (0, 0);
            let mut pauses_ms = pauses_ms.into_iter().cycle();
            for streams in lives {
                // Of the process before, nothing is known.
                let mut floor = 0;
                let started_ms = clock_ms;
                for count in streams {
                    let now = |ms: u64| Moment { uptime: Duration::from_millis(ms - started_ms), ..at(ms) };
                    let numbers = Numbers::begin(now(clock_ms), floor);
                    prop_assert!(numbers.first() > newest);
                    for sequence in numbers.first()..numbers.first() + count {
                        let wait = numbers.wait(sequence, now(clock_ms));
                        clock_ms += u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                        newest = sequence;
                    }
                    floor = newest + 1;
                    clock_ms += pauses_ms.next().unwrap_or(0);
                }
            }
        }
    }
}
