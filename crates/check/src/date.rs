//! Wall-clock time from RFC 3339 text.

/// Milliseconds since 1970 of `2026-11-22T13:12:05.678Z` (RFC 3339 5.6; ISO 8601 as players take
/// it: the zone's colon and the seconds' fraction may be missing).
///
/// None where it is no date. A time without a zone is none either: it means another moment for
/// every viewer.
pub(crate) fn unix_ms(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.splitn(3, '-').map(digits);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let (clock, zone_minutes) = split_zone(time)?;
    let mut parts = clock.splitn(3, ':');
    let (hour, minute) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let second_ms = second_ms(parts.next()?)?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year > 9999 {
        return None;
    }
    if hour > 23 || minute > 59 || second_ms >= 61_000 {
        return None;
    }
    let minutes = days(year, month, day)
        .checked_mul(24 * 60)?
        .checked_add(hour.checked_mul(60)?)?
        .checked_add(minute)?
        .checked_sub(zone_minutes)?;
    minutes.checked_mul(60_000)?.checked_add(second_ms)
}

fn digits(text: &str) -> Option<i64> {
    let is_number = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

fn second_ms(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    digits(whole)?.checked_mul(1000)?.checked_add(digits(&thousandths)?)
}

/// The time of day, and minutes east of Greenwich.
fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let at = time.rfind(['+', '-'])?;
    let (clock, zone) = time.split_at_checked(at)?;
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let number = digits(&zone.get(1..)?.replace(':', ""))?;
    // `+01` is whole hours, `+0100` hours and minutes.
    let minutes = match zone.len() {
        3 => number.checked_mul(60)?,
        5 | 6 => number.div_euclid(100).checked_mul(60)?.checked_add(number.rem_euclid(100))?,
        _ => return None,
    };
    minutes.checked_mul(sign).map(|minutes| (clock, minutes))
}

/// Days from 1970-01-01, in the proleptic Gregorian calendar. The year is taken to begin in March,
/// so that the leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year.saturating_sub(i64::from(month <= 2));
    let month_from_march = month.saturating_add(9).rem_euclid(12);
    let day_of_year = month_from_march.saturating_mul(153).saturating_add(2).div_euclid(5);
    let leap_days = year
        .div_euclid(4)
        .saturating_sub(year.div_euclid(100))
        .saturating_add(year.div_euclid(400));
    year.saturating_mul(365)
        .saturating_add(leap_days)
        .saturating_add(day_of_year)
        .saturating_add(day)
        .saturating_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_5_6_dates() {
        assert_eq!(unix_ms("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix_ms("2000-02-28T23:59:59.999Z"), Some(951_782_399_999));
        assert_eq!(unix_ms("2000-02-29T00:00:00.000Z"), Some(951_782_400_000));
        assert_eq!(unix_ms("2100-03-01T01:00:00+01:00"), Some(4_107_542_400_000));
        assert_eq!(unix_ms("2026-11-21T13:12:05.678+0000"), Some(1_795_266_725_678), "as ffmpeg");
        assert_eq!(unix_ms("1969-12-31T22:59:59.9-01"), Some(-100));
    }

    #[test]
    fn what_is_no_moment() {
        for text in [
            "",
            "T",
            "2026-11-21",
            "2026-11-21T13:12:05",
            "2026-13-01T00:00:00Z",
            "x-1-1T0:0:0Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T23:60:00Z",
            "2026-11-21T23:00:00.Z+1",
            "é-1-1TZ",
            "99999-01-01T00:00:00Z",
            "2026-11-21T13:12:05+é1:00",
        ] {
            assert_eq!(unix_ms(text), None, "{text:?}");
        }
    }
}
