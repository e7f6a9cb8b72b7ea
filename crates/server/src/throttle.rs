//! Rate limit for log lines that a peer could repeat.

use std::time::Duration;

use crate::clock::Moment;

/// Lets a few events through per interval and counts the others.
#[derive(Clone, Debug)]
pub struct Throttle {
    interval: Duration,
    burst: u64,
    /// When the present interval began.
    since: Option<Moment>,
    admitted: u64,
    held_back: u64,
}

impl Throttle {
    /// One event per interval.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self::with_burst(interval, 1)
    }

    /// `burst` events per interval.
    #[must_use]
    pub fn with_burst(interval: Duration, burst: u64) -> Self {
        Self { interval, burst, since: None, admitted: 0, held_back: 0 }
    }

    /// Whether to log now: Some with the number of events held back since the last that went
    /// through.
    pub fn admit(&mut self, now: Moment) -> Option<u64> {
        if self.since.is_none_or(|since| now.since(since) >= self.interval) {
            self.since = Some(now);
            self.admitted = 0;
        }
        if self.admitted == self.burst {
            self.held_back += 1;
            return None;
        }
        self.admitted += 1;
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
        let mut throttle = Throttle::with_burst(Duration::from_secs(5), 2);
        let admitted = [0, 1, 2, 3, 5, 5].map(|secs| throttle.admit(at(secs)));
        assert_eq!(admitted, [Some(0), Some(0), None, None, Some(2), Some(0)]);
    }
}
