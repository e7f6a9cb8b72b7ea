//! From when to when a certificate is valid: just enough of DER to find it.

/// RFC 5280 4.1.2.5, in seconds of Unix time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT Version`, which certificates of version 1 do not have.
const VERSION: u8 = 0xa0;

impl Validity {
    /// The validity of a certificate in DER; `None` where it is none.
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        let (certificate, _) = element(certificate, SEQUENCE)?;
        let (mut fields, _) = element(certificate, SEQUENCE)?;
        if let Some((_version, rest)) = element(fields, VERSION) {
            fields = rest;
        }
        // Serial number, signature algorithm, issuer.
        for tag in [INTEGER, SEQUENCE, SEQUENCE] {
            (_, fields) = element(fields, tag)?;
        }
        let (times, _) = element(fields, SEQUENCE)?;
        let (not_before, times) = time(times)?;
        let (not_after, _) = time(times)?;
        Some(Self { not_before, not_after })
    }

    /// When two thirds of it are over: time enough to try again for weeks, or for days where it is
    /// short.
    pub(crate) fn renew_at(self) -> i64 {
        self.not_before + (self.not_after - self.not_before) / 3 * 2
    }
}

/// The content of the element at the start of `input`, where it has this tag, and what follows it.
fn element(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, input) = input.split_first()?;
    let (first, mut input) = input.split_first()?;
    let length = match first {
        short if *short < 0x80 => usize::from(*short),
        long => {
            let bytes = usize::from(long & 0x7f);
            // Four are 4 GiB.
            let length = input.get(..bytes).filter(|length| length.len() <= 4)?;
            input = &input[bytes..];
            length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        }
    };
    (*found == tag).then(|| input.split_at_checked(length))?
}

/// `YYMMDDHHMMSSZ` (RFC 5280 4.1.2.5.1) or `YYYYMMDDHHMMSSZ`, and what follows it.
fn time(input: &[u8]) -> Option<(i64, &[u8])> {
    let utc = element(input, UTC_TIME);
    let (text, rest) = utc.or_else(|| element(input, GENERALIZED_TIME))?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, text) = text.split_at_checked(if utc.is_some() { 2 } else { 4 })?;
    let year: i64 = year.parse().ok()?;
    let year = match utc {
        Some(_) if year < 50 => 2000 + year,
        Some(_) => 1900 + year,
        None => year,
    };
    let two = |index: usize| text.get(index..index + 2)?.parse::<i64>().ok();
    let days = days_before(year, two(0)?) + two(2)? - 1;
    Some((((days * 24 + two(4)?) * 60 + two(6)?) * 60 + two(8)?, rest))
}

/// Days from 1970-01-01 to the first of a month, 1 to 12. Years are taken to begin in March, so
/// that the leap day is their last.
fn days_before(year: i64, month: i64) -> i64 {
    let year = if month < 3 { year - 1 } else { year };
    let months_since_march = (month + 9).rem_euclid(12);
    let days = (153 * months_since_march + 2) / 5;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + days - 719_468
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn made(from: (i32, u8, u8), to: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::new(["h".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(to.0, to.1, to.2);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn rfc_5280_4_1_2_5_both_forms_of_time() {
        // By date(1).
        for (from, to, not_before, not_after) in [
            ((2024, 2, 29), (2024, 3, 1), 1_709_164_800, 1_709_251_200),
            ((1970, 1, 1), (1999, 12, 31), 0, 946_598_400),
            ((2026, 11, 29), (2051, 1, 1), 1_795_910_400, 2_556_144_000),
        ] {
            let validity = Validity::of(&made(from, to));
            assert_eq!(validity, Some(Validity { not_before, not_after }), "{from:?}");
        }
    }

    #[test]
    fn it_is_renewed_when_two_thirds_are_over() {
        assert_eq!(Validity { not_before: 1000, not_after: 1090 }.renew_at(), 1060);
    }

    #[test]
    fn what_is_cut_or_no_certificate_has_none() {
        let certificate = made((2026, 1, 1), (2026, 2, 1));
        for length in 0..certificate.len() {
            assert_eq!(Validity::of(&certificate[..length]), None);
        }
        for bytes in
            [&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff][..], &[0x30, 0x85, 0, 0, 0, 0, 1], &[0x30, 0x80]]
        {
            assert_eq!(Validity::of(bytes), None);
        }
    }
}
