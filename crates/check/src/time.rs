//! Arithmetic on 90 kHz times.

use media::{TICKS_PER_SECOND, Timestamp};

/// Seconds from one time to another, negative where `to` is earlier.
pub(crate) fn secs(from: Timestamp, to: Timestamp) -> f64 {
    to.ticks().saturating_sub(from.ticks()) as f64 / TICKS_PER_SECOND as f64
}

/// The time so many seconds later, rounded to a tick.
#[expect(clippy::cast_possible_truncation, reason = "a cast from f64 saturates")]
pub(crate) fn later(time: Timestamp, secs: f64) -> Timestamp {
    let ticks = (secs * TICKS_PER_SECOND as f64).round() as i64;
    Timestamp::from_ticks(time.ticks().saturating_add(ticks))
}

/// The one nearest to `near` of the times that 33 bits can stand for (13818-1 2.4.3.7: they wrap
/// every 26.5 hours).
pub(crate) fn unwrap33(raw: u64, near: Option<Timestamp>) -> Timestamp {
    const BITS: u32 = 33;
    const MASK: u64 = (1 << BITS) - 1;
    let Some(near) = near else { return Timestamp::from_ticks((raw & MASK) as i64) };
    // The signed 33-bit difference is the shortest way round the circle.
    let difference = (raw.wrapping_sub(near.ticks() as u64) << (64 - BITS)) as i64 >> (64 - BITS);
    Timestamp::from_ticks(near.ticks().saturating_add(difference))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_4_3_7_33_bits_wrap() {
        let end = Timestamp::from_ticks((1 << 33) - 10);
        assert_eq!(unwrap33(5, Some(end)).ticks(), (1 << 33) + 5);
        assert_eq!(
            unwrap33((1 << 33) - 1, Some(Timestamp::from_ticks((1 << 33) + 5))).ticks(),
            (1 << 33) - 1
        );
        assert_eq!(unwrap33(7, None).ticks(), 7);
        assert_eq!(later(Timestamp::ZERO, 0.5).ticks(), 45_000);
        assert_eq!(secs(end, Timestamp::from_ticks((1 << 33) - 90_010)), -1.0);
    }
}
