//! What a publisher may make the server spend in a time of the wall clock, which arrivals tell.

/// A budget that grows with the wall clock: at most `burst` units at once, `per_second` in the long
/// run. Media time would not do here, as a publisher stamps its messages as it likes.
#[derive(Clone, Debug)]
pub(crate) struct WallBudget {
    per_second: i64,
    burst: i64,
    /// Thousandths of a unit; below zero where more was spent than there was.
    left: i64,
    /// When the newest arrival was, in ms since 1970.
    newest_unix_ms: Option<i64>,
}

impl WallBudget {
    /// A budget of which nothing has been spent.
    pub(crate) fn new(per_second: i64, burst: i64) -> Self {
        Self { per_second, burst, left: burst * 1000, newest_unix_ms: None }
    }

    /// Units that are left at this time. A clock that is set back gives nothing, one that is set
    /// forward the burst at most.
    pub(crate) fn left_at(&mut self, unix_ms: i64) -> i64 {
        let newest = self.newest_unix_ms.replace(unix_ms).unwrap_or(unix_ms);
        let elapsed_ms = unix_ms.saturating_sub(newest).max(0);
        let gained = self.per_second.saturating_mul(elapsed_ms);
        self.left = self.left.saturating_add(gained).min(self.burst * 1000);
        self.left.div_euclid(1000)
    }

    /// Spends so many units, which may be more than there are; what is owed is the burst at most.
    pub(crate) fn spend(&mut self, units: i64) {
        let most_owed = -self.burst * 1000;
        self.left = self.left.saturating_sub(units.saturating_mul(1000)).max(most_owed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_there_at_once_and_then_the_rate() {
        let mut budget = WallBudget::new(10, 50);
        assert_eq!(budget.left_at(1_000_000), 50);
        budget.spend(50);
        assert_eq!(budget.left_at(1_000_000), 0);
        assert_eq!(budget.left_at(1_000_250), 2, "two and a half");
        assert_eq!(budget.left_at(1_000_500), 5);
        assert_eq!(budget.left_at(1_100_000), 50, "never more than the burst");
    }

    #[test]
    fn what_is_owed_is_the_burst_at_most() {
        let mut budget = WallBudget::new(10, 50);
        budget.spend(1_000_000);
        assert_eq!(budget.left_at(0), -50);
        assert_eq!(budget.left_at(5_100), 1);
    }

    #[test]
    fn a_clock_that_jumps_gives_the_burst_at_most() {
        let mut budget = WallBudget::new(10, 50);
        budget.spend(60);
        assert_eq!(budget.left_at(5_000), -10);
        assert_eq!(budget.left_at(-3_600_000), -10, "set back");
        assert_eq!(budget.left_at(i64::MAX), 50);
    }
}
