//! The one place that reads the system's clocks; everything else is told the time.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A moment on both clocks: the monotonic one for timeouts, the wall clock for playlists and
/// humans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Time since the process's clock was started; never goes back.
    pub uptime: Duration,
    /// Milliseconds since 1970-01-01 UTC; may jump when the system's clock is set.
    pub unix_ms: i64,
}

impl Moment {
    /// Time from `earlier` to here; zero where `earlier` is the later one.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.uptime.saturating_sub(earlier.uptime)
    }

    /// This moment and `duration`, on both clocks.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self {
            uptime: self.uptime.saturating_add(duration),
            unix_ms: self.unix_ms.saturating_add(ms),
        }
    }

    /// The moment `duration` before this one, on both clocks; not before the process began.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let duration = duration.min(self.uptime);
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self { uptime: self.uptime - duration, unix_ms: self.unix_ms.saturating_sub(ms) }
    }

    /// Whole seconds since 1970-01-01 UTC; zero before that.
    #[must_use]
    pub fn unix_secs(self) -> u64 {
        u64::try_from(self.unix_ms / 1000).unwrap_or(0)
    }
}

/// How much of all cores the process has taken since it started.
#[must_use]
pub(crate) fn process_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// The real clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts the monotonic clock at zero.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is server::clock")]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The moment it is, by the monotonic clock alone.
    #[must_use]
    pub(crate) fn uptime(&self) -> Duration {
        self.start.elapsed()
    }

    /// An uptime as those that wait want it.
    #[must_use]
    pub(crate) fn instant(&self, uptime: Duration) -> Instant {
        self.start + uptime
    }

    /// The moment it is.
    #[must_use]
    pub fn now(&self) -> Moment {
        // A clock that stands before 1970 says nothing.
        let unix = Duration::try_from(clock_gettime(ClockId::Realtime)).unwrap_or_default();
        Moment {
            uptime: self.uptime(),
            unix_ms: i64::try_from(unix.as_millis()).unwrap_or(i64::MAX),
        }
    }
}
