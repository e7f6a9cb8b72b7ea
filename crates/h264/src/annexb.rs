//! Annex B: NAL units behind start codes.

use std::ops::Range;

use bytes::Bytes;
use media::NalUnits;

use crate::Limits;

const START_CODE: [u8; 3] = [0, 0, 1];

/// Finds the NAL units of a byte stream (14496-10 annex B). Nothing is copied.
///
/// Bytes before the first start code, zeros around NAL units, and empty NAL units are left out; so
/// are NAL units past [`Limits::max_nal_units`].
#[must_use]
pub fn nal_units(data: Bytes) -> NalUnits {
    let bytes = data.clone();
    let mut units = NalUnits::new(data);
    for range in ranges(&bytes) {
        if units.len() >= Limits::DEFAULT.max_nal_units || !units.push(range) {
            break;
        }
    }
    units
}

/// The NAL units of a byte stream of any length, such as a file, found one after the other as
/// [`nal_units`] finds them.
pub fn stream(data: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    ranges(data).map(|range| data.get(range).unwrap_or_default())
}

/// Where NAL units are; none of them is empty.
fn ranges(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> + Clone {
    let mut position: usize = 0;
    std::iter::from_fn(move || {
        loop {
            let start = find(bytes, position, |window| window == START_CODE)?;
            let start = start.saturating_add(START_CODE.len());
            // Three zeros cannot be in a NAL unit: they end it like a start code (annex B.1.1).
            let end =
                find(bytes, start, |window| matches!(window, [0, 0, 0 | 1])).unwrap_or(bytes.len());
            position = end;
            let range = start..start.saturating_add(without_trailing_zeros(bytes.get(start..end)));
            if !range.is_empty() {
                return Some(range);
            }
        }
    })
}

/// Appends NAL units, each behind a four-byte start code.
pub fn write<'a>(nal_units: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for nal_unit in nal_units {
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(nal_unit);
    }
}

/// Whether the data can be Annex B: it starts with a start code of three or four bytes.
pub(crate) fn starts_with_start_code(data: &[u8]) -> bool {
    data.starts_with(&START_CODE) || data.starts_with(&[0, 0, 0, 1])
}

fn find(data: &[u8], from: usize, is_match: impl Fn(&[u8]) -> bool) -> Option<usize> {
    let offset = data.get(from..)?.windows(START_CODE.len()).position(is_match)?;
    Some(from.saturating_add(offset))
}

/// A NAL unit never ends in a zero byte (14496-10 7.4.1): such bytes are `trailing_zero_8bits`.
fn without_trailing_zeros(nal_unit: Option<&[u8]>) -> usize {
    nal_unit
        .and_then(|bytes| bytes.iter().rposition(|&byte| byte != 0))
        .map_or(0, |last| last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn units(data: &'static [u8]) -> Vec<Vec<u8>> {
        nal_units(Bytes::from_static(data)).iter().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn b_1_1_start_codes_of_three_and_four_bytes_and_zeros_around() {
        assert_eq!(
            units(&hex!("00 000001 0910 000001 65 88 0000 000001 41 0000")),
            [&hex!("0910")[..], &hex!("6588"), &[0x41]]
        );
    }

    #[test]
    fn b_1_1_zeros_inside_a_nal_unit_stay() {
        assert_eq!(units(&hex!("000001 65 0000 03 01 00 02")), [hex!("65 0000 03 01 00 02")]);
    }

    #[test]
    fn nothing_in_it_is_no_nal_unit() {
        assert!(units(&[]).is_empty());
        assert!(units(&hex!("0000")).is_empty());
        assert!(units(&hex!("658884")).is_empty());
        assert!(units(&hex!("000001 000001 00000001 00")).is_empty());
    }

    #[test]
    fn nal_units_past_the_limit_are_left_out() {
        let many = hex!("000001 41").repeat(5000);
        assert_eq!(nal_units(many.into()).len(), 4096);
    }

    #[test]
    fn write_puts_four_byte_start_codes() {
        let mut out = vec![0xff];
        write([&hex!("0910")[..], &hex!("65")], &mut out);
        assert_eq!(out, hex!("ff 00000001 0910 00000001 65"));
    }
}
