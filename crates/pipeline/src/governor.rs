//! How many renditions the machine carries: sheds the heaviest while the transcoder is behind, and
//! restores it after.
//!
//! It looks at nothing but the queue and counts time by the pictures taken from it, so the same
//! stream at the same speed always gets the same decisions. It acts well before the queue drops
//! pictures, which costs every rendition.

use media::Duration;

use crate::queue::QueueStats;

/// More than this waits: the transcoder is behind. Well under the 2 s at which the queue drops
/// pictures.
const BEHIND: Duration = Duration::from_millis(800);

/// Less than this waits: the transcoder keeps up.
const CALM: Duration = Duration::from_millis(200);

/// Media that leaves the queue between two looks. A machine three times too slow gets here twice
/// before the queue drops anything.
const STEP: Duration = Duration::from_millis(200);

/// Media that leaves the queue before it is known whether shedding a rendition was enough.
const STEP_AFTER_SHEDDING: Duration = Duration::from_millis(800);

/// Media that has to be taken in calm before a rendition is restored: two segments.
const FIRST_HOLD: Duration = Duration::from_secs(4);

/// The hold doubles with each relapse up to this: a machine that stays too slow is tried twice a
/// minute, which costs no picture.
const LONGEST_HOLD: Duration = Duration::from_secs(32);

/// Decides how many renditions are shed, heaviest first.
#[derive(Debug)]
pub(crate) struct Governor {
    shed: usize,
    /// Pictures the queue had dropped at the last picture taken.
    dropped: u64,
    /// Media that leaves the queue, taken or dropped, until the next look.
    until_look: Duration,
    /// Pictures were dropped since the last look.
    losing: bool,
    /// What waited at the last look.
    waited: Duration,
    /// Media taken since the queue was last longer than [`CALM`].
    calm: Duration,
    /// Calm it takes to restore.
    hold: Duration,
    /// Media since a rendition was restored; None where one was shed since, or none ever.
    restored: Option<Duration>,
}

impl Governor {
    pub(crate) fn new() -> Self {
        Self {
            shed: 0,
            dropped: 0,
            until_look: STEP,
            losing: false,
            waited: Duration::ZERO,
            calm: Duration::ZERO,
            hold: FIRST_HOLD,
            restored: None,
        }
    }

    /// A picture that lasts `interval` was taken from the queue, which is now as `queue` says. How
    /// many renditions are to be shed, at most `max`.
    pub(crate) fn taken(&mut self, interval: Duration, queue: QueueStats, max: usize) -> usize {
        self.count(interval, queue);
        self.shed = self.shed.min(max);
        if self.until_look <= Duration::ZERO {
            self.look(queue.waiting, max);
        }
        self.shed
    }

    fn count(&mut self, interval: Duration, queue: QueueStats) {
        let dropped = queue.dropped_pictures.saturating_sub(self.dropped);
        self.dropped = queue.dropped_pictures;
        let pictures = i64::try_from(dropped).unwrap_or(i64::MAX).saturating_add(1);
        let left = Duration::from_ticks(interval.ticks().saturating_mul(pictures));
        self.losing |= dropped > 0;
        self.until_look = self.until_look - left;
        self.restored = self.restored.map(|since| since + left);
        let is_calm = dropped == 0 && queue.waiting <= CALM;
        self.calm = if is_calm { self.calm + left } else { Duration::ZERO };
    }

    fn look(&mut self, waiting: Duration, max: usize) {
        self.until_look = STEP;
        // A queue that shrinks is left to: pictures came in a burst, or a rendition was shed just
        // now.
        let is_behind = waiting > BEHIND && self.waited > BEHIND && waiting >= self.waited;
        if is_behind || self.losing {
            self.shed_one(max);
        } else if self.shed > 0 && self.calm >= self.hold {
            self.restore_one();
        }
        self.waited = waiting;
        self.losing = false;
    }

    fn shed_one(&mut self, max: usize) {
        if self.shed >= max {
            return;
        }
        self.shed += 1;
        self.until_look = STEP_AFTER_SHEDDING;
        self.hold = match self.restored.take() {
            Some(since) if since < LONGEST_HOLD => (self.hold + self.hold).min(LONGEST_HOLD),
            Some(_) => FIRST_HOLD,
            None => self.hold,
        };
    }

    fn restore_one(&mut self) {
        self.shed -= 1;
        self.calm = Duration::ZERO;
        self.restored = Some(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of 25 a second.
    const PICTURE: Duration = Duration::from_millis(40);

    /// A stream in real time and a transcoder that needs some thousandths of real time, by the
    /// renditions not shed.
    struct Machine {
        governor: Governor,
        queue: QueueStats,
        /// Thousandths of real time that a picture takes with 0, 1, 2 ... renditions shed.
        cost: Vec<i64>,
        /// How many were shed, second by second.
        history: Vec<usize>,
    }

    impl Machine {
        fn new(cost: &[i64]) -> Self {
            Self {
                governor: Governor::new(),
                queue: QueueStats::default(),
                cost: cost.to_vec(),
                history: Vec::new(),
            }
        }

        /// Lets so many seconds pass; over 2 s of media the queue drops down to nothing, as it does
        /// with a long GOP.
        fn run(&mut self, seconds: usize) -> &mut Self {
            let mut shed = self.governor.shed;
            for _ in 0..seconds {
                let mut left = 1000;
                while left > 0 {
                    let cost = 40 * self.cost[shed] / 1000;
                    left -= cost.max(40);
                    let arrived = cost.max(40) - 40;
                    self.wait(Duration::from_millis(arrived));
                    // Idle time lets the queue run empty.
                    let gained = Duration::from_millis((40 - cost).max(0));
                    let shorter = (self.queue.waiting - gained).ticks().max(0);
                    self.queue.waiting = Duration::from_ticks(shorter);
                    shed = self.governor.taken(PICTURE, self.queue, self.cost.len() - 1);
                }
                self.history.push(shed);
            }
            self
        }

        fn wait(&mut self, media: Duration) {
            self.queue.waiting += media;
            if self.queue.waiting > Duration::from_secs(2) {
                self.queue.waiting = PICTURE;
                self.queue.dropped_pictures += 50;
            }
        }

        fn changes(&self) -> usize {
            self.history.windows(2).filter(|pair| pair[0] != pair[1]).count()
        }
    }

    #[test]
    fn a_machine_that_keeps_up_sheds_nothing() {
        let mut machine = Machine::new(&[990, 500, 200]);
        assert_eq!(machine.run(600).history, [0; 600]);
    }

    #[test]
    fn the_heaviest_is_shed_before_a_picture_is_dropped() {
        for cost in [1050, 1200, 1500, 2000, 3000] {
            let mut machine = Machine::new(&[cost, 900, 200]);
            machine.run(100);
            assert_eq!(machine.history.iter().max(), Some(&1), "{cost}: {:?}", machine.history);
            assert_eq!(machine.queue.dropped_pictures, 0, "{cost}");
        }
    }

    #[test]
    fn more_are_shed_while_the_queue_does_not_shrink_but_never_the_lightest() {
        let mut machine = Machine::new(&[3000, 2000, 1500]);
        machine.run(60);
        assert_eq!(machine.history.last(), Some(&2));
        assert!(machine.queue.dropped_pictures > 0, "the rest is the queue's to drop");
        let mut lone = Machine::new(&[5000]);
        assert_eq!(lone.run(60).history, [0; 60]);
    }

    #[test]
    fn a_machine_ten_times_too_slow_has_shed_within_seconds() {
        let mut machine = Machine::new(&[10_000, 10_000, 500]);
        machine.run(10);
        assert_eq!(machine.history[4], 2, "{:?}", machine.history);
    }

    #[test]
    fn all_come_back_when_the_load_is_gone() {
        let mut machine = Machine::new(&[2000, 1500, 500]);
        machine.run(60);
        assert_eq!(machine.history.last(), Some(&2));
        machine.cost = vec![600, 400, 200];
        machine.run(200);
        assert_eq!(machine.history.last(), Some(&0), "{:?}", machine.history);
    }

    #[test]
    fn a_machine_that_stays_too_slow_is_tried_twice_a_minute() {
        let mut machine = Machine::new(&[1500, 500]);
        machine.run(600).history.clear();
        machine.run(600);
        assert!((2..=40).contains(&machine.changes()), "{:?}", machine.history);
        let whole = machine.history.iter().filter(|shed| **shed == 0).count();
        assert!(whole < 100, "{whole} of 600 s");
    }

    #[test]
    fn after_a_long_good_time_the_first_hold_is_enough_again() {
        let mut machine = Machine::new(&[1500, 500]);
        machine.run(600);
        machine.cost[0] = 500;
        machine.run(200);
        machine.cost[0] = 1500;
        machine.run(5).history.clear();
        machine.cost[0] = 500;
        machine.run(15);
        assert_eq!(machine.history.last(), Some(&0), "{:?}", machine.history);
    }

    #[test]
    fn a_burst_that_is_soon_worked_off_sheds_nothing() {
        let mut machine = Machine::new(&[300, 200]);
        for _ in 0..100 {
            machine.wait(Duration::from_millis(1900));
            machine.run(4);
        }
        assert_eq!(machine.changes(), 0);
    }
}
