//! Times as people write them.

use std::time::Duration;

/// Units and their seconds. `ms` stands before `s`, which it ends in.
const UNITS: [(&str, f64); 5] =
    [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];

/// Reads `1500ms`, `2s`, `1.5h`, `10m` or `7d`; a bare number is seconds.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let in_unit = |(unit, secs): &(&str, f64)| Some((text.strip_suffix(unit)?, *secs));
    let (number, unit_secs) = UNITS.iter().find_map(in_unit).unwrap_or((text, 1.0));
    let number: f64 = number.trim().parse().ok()?;
    Duration::try_from_secs_f64(number * unit_secs).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, ms) in [
            ("1500ms", 1500),
            ("2s", 2000),
            (" 2 s ", 2000),
            ("2", 2000),
            ("1.5", 1500),
            ("10m", 600_000),
            ("1.5h", 5_400_000),
            ("7d", 604_800_000),
            ("0", 0),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "two", "-1s", "NaNs", "1e99s", "infh", "1w", "1h30m", "2 s s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
