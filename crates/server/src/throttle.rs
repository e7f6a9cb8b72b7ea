//! Rate limit for log lines that a peer could repeat.

use std::time::Duration;

use crate::clock::Moment;

/// Lets one event through per interval and counts the others.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    interval: Duration,
    last: Option<Moment>,
    held_back: u64,
}

impl Throttle {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, last: None, held_back: 0 }
    }

    /// Whether to log now: Some with the number of events held back since the last that went through.
    pub(crate) fn admit(&mut self, now: Moment) -> Option<u64> {
        if self.last.is_some_and(|last| now.since(last) < self.interval) {
            self.held_back += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_per_interval_and_a_count_of_the_rest() {
        let at = |secs| Moment { uptime: Duration::from_secs(secs), unix_ms: 0 };
        let mut throttle = Throttle::new(Duration::from_secs(5));
        let admitted = [0, 1, 4, 5, 6, 20].map(|secs| throttle.admit(at(secs)));
        assert_eq!(admitted, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
