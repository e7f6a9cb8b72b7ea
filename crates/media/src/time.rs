//! Media time: 90 kHz ticks that never wrap inside the program.

use std::ops::{Add, AddAssign, Neg, Sub};

/// Ticks in one second of [`Timestamp`] and [`Duration`] (the MPEG-TS system clock, ISO/IEC 13818-1
/// 2.4.2.2).
pub const TICKS_PER_SECOND: i64 = 90_000;

/// Added to every time that is written, in each container (1.4 s): neither the PCR of a transport
/// stream that starts at zero nor a slightly negative first time is below zero.
pub const WIRE_SHIFT: Duration = Duration::from_millis(1400);

/// A point in a stream's time, in 90 kHz ticks.
///
/// Signed and 64 bits wide: it never wraps (3.2 million years). Where a format has fewer bits (33
/// in MPEG-TS, 32-bit milliseconds in RTMP), that format's crate wraps it or unwraps it. Arithmetic
/// saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A signed span of media time, in 90 kHz ticks. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(i64);

impl Timestamp {
    /// The zero of a stream's time.
    pub const ZERO: Self = Self(0);

    /// Behind every time there is.
    pub const MAX: Self = Self(i64::MAX);

    /// A timestamp of `ticks` at 90 kHz.
    #[must_use]
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(ticks)
    }

    /// A timestamp of `ms` milliseconds (exact: 90 ticks each; saturating).
    #[must_use]
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms.saturating_mul(90))
    }

    /// The 90 kHz ticks.
    #[must_use]
    pub const fn ticks(self) -> i64 {
        self.0
    }
}

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of `ticks` at 90 kHz.
    #[must_use]
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(ticks)
    }

    /// A span of `ms` milliseconds (exact: 90 ticks each; saturating).
    #[must_use]
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms.saturating_mul(90))
    }

    /// A span of whole seconds (saturating).
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(TICKS_PER_SECOND))
    }

    /// The 90 kHz ticks.
    #[must_use]
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// Milliseconds, rounded towards zero.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0 / 90
    }

    /// Seconds as a float, for display and rates.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / TICKS_PER_SECOND as f64
    }

    /// Whole seconds, rounded up; negative spans give 0.
    #[must_use]
    pub const fn ceil_secs(self) -> u64 {
        let ticks = if self.0 > 0 { self.0 as u64 } else { 0 };
        ticks.div_ceil(TICKS_PER_SECOND as u64)
    }
}

impl Sub for Timestamp {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Duration> for Timestamp {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add for Duration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Duration {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Duration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Duration {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

/// Unwraps 32-bit milliseconds (RTMP and FLV timestamps, which wrap every 49.7 days) to 64 bits.
///
/// Each value is taken as the one nearest to the value before it, so a step of less than 2^31 ms
/// forward or back is kept as it is and anything larger is a wrap.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnwrapMs {
    last: Option<i64>,
}

impl UnwrapMs {
    /// The unwrapped milliseconds of the next raw value. The first value is taken as it is.
    pub fn unwrap(&mut self, raw_ms: u32) -> i64 {
        let unwrapped = match self.last {
            None => i64::from(raw_ms),
            // The signed 32-bit difference is the shortest way round the circle.
            Some(last) => last + i64::from(raw_ms.wrapping_sub(last as u32) as i32),
        };
        self.last = Some(unwrapped);
        unwrapped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwrap_goes_on_past_2_pow_32_and_back() {
        let mut unwrap = UnwrapMs::default();
        assert_eq!(unwrap.unwrap(u32::MAX - 10), 4_294_967_285);
        assert_eq!(unwrap.unwrap(5), 4_294_967_301);
        assert_eq!(unwrap.unwrap(u32::MAX), 4_294_967_295, "a small step back over the wrap");
    }

    #[test]
    fn ceil_secs_is_the_target_duration_of_a_span() {
        assert_eq!(Duration::from_millis(1980).ceil_secs(), 2);
        assert_eq!(Duration::from_millis(2000).ceil_secs(), 2);
        assert_eq!(Duration::from_millis(2001).ceil_secs(), 3);
        assert_eq!(Duration::from_millis(-5).ceil_secs(), 0);
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        let end = Timestamp::from_ticks(i64::MAX);
        assert_eq!((end + Duration::from_secs(1)).ticks(), i64::MAX);
        assert_eq!(Timestamp::from_millis(i64::MIN).ticks(), i64::MIN);
    }
}
