//! Times and sizes as the log says them to people.

use std::time::Duration;

/// A time in its two largest units: `8 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn time(time: Duration) -> String {
    let secs = time.as_secs();
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {small_unit}"),
    };
    match secs {
        0 if !time.is_zero() => format!("{:.1} s", time.as_secs_f64()),
        0..60 => format!("{secs} s"),
        60..3600 => two(secs / 60, "min", secs % 60, "s"),
        3600..86_400 => two(secs / 3600, "h", secs / 60 % 60, "min"),
        _ => two(secs / 86_400, "d", secs / 3600 % 24, "h"),
    }
}

/// Bytes in the unit that leaves the fewest digits: `512 kB`, `45.2 MB`, `1.3 GB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_two_units_at_most() {
        let said = [0, 59_999, 60_000, 200_000, 3_600_000, 7_505_000, 86_400_000, 100_000_000]
            .map(|ms| time(Duration::from_millis(ms)));
        let expected = ["0 s", "59 s", "1 min", "3 min 20 s", "1 h", "2 h 5 min", "1 d", "1 d 3 h"];
        assert_eq!(said, expected);
        assert_eq!(time(Duration::from_millis(420)), "0.4 s");
    }

    #[test]
    fn sizes_are_said_in_the_unit_that_fits() {
        let said = [0, 1, 512_000, 999_999, 45_160_000, 1_300_000_000].map(size);
        assert_eq!(said, ["0 kB", "1 kB", "512 kB", "1000 kB", "45.2 MB", "1.3 GB"]);
    }
}
