//! Waiting for a condition, with a bound.

use std::thread::sleep;
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(20);

/// Asks until there is an answer; fails the test after half a minute without one.
pub(crate) fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    within(Duration::from_secs(30), what, condition)
}

/// Asks until there is an answer; fails the test after `limit` (not counting what asking takes)
/// without one.
pub(crate) fn within<T>(
    limit: Duration,
    what: &str,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    for _ in 0..limit.as_millis() / STEP.as_millis() {
        if let Some(answer) = condition() {
            return answer;
        }
        sleep(STEP);
    }
    panic!("waited {limit:?} in vain for {what}");
}

/// The time that passes while a test watches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "real time is what viewers live in")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// What has passed since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Waits until so much has passed since the start; not at all where it has.
    pub(crate) fn sleep_until(&self, elapsed: Duration) {
        sleep(elapsed.saturating_sub(self.elapsed()));
    }
}
