//! PES packet headers (ISO/IEC 13818-1 2.4.3.6).

/// What the header of a PES packet says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PesHeader {
    /// Bytes of the header.
    pub(crate) header_bytes: usize,
    /// Bytes of payload that it announces; none where it leaves that open (video only).
    pub(crate) stated_payload: Option<usize>,
    /// 33 bits.
    pub(crate) pts: Option<u64>,
    /// 33 bits.
    pub(crate) dts: Option<u64>,
}

/// Reads the header at the start of a PES packet, which is all there.
pub(crate) fn parse(data: &[u8]) -> Result<PesHeader, &'static str> {
    let (&[a, b, c, stream_id, high, low], rest) =
        data.split_first_chunk::<6>().ok_or("a PES packet ends in its header")?;
    if [a, b, c] != [0, 0, 1] {
        return Err("a PES packet does not start with 00 00 01");
    }
    // padding_stream and private_stream_2 have no more header (2.4.3.7).
    if matches!(stream_id, 0xbc | 0xbe | 0xbf | 0xf0..=0xf2 | 0xf8 | 0xff) {
        return Ok(PesHeader { header_bytes: 6, ..PesHeader::default() });
    }
    let (&[marker, flags, optional_bytes], rest) =
        rest.split_first_chunk::<3>().ok_or("a PES packet ends in its header")?;
    if marker >> 6 != 0b10 {
        return Err("a PES header has wrong marker bits");
    }
    let optional = rest.get(..optional_bytes.into()).ok_or("a PES packet ends in its header")?;
    let (pts, dts) = times(flags >> 6, optional)?;
    let header_bytes = usize::from(optional_bytes).saturating_add(9);
    let stated = match u16::from_be_bytes([high, low]) {
        0 => None,
        length => Some(usize::from(length).saturating_add(6).saturating_sub(header_bytes)),
    };
    Ok(PesHeader { header_bytes, stated_payload: stated, pts, dts })
}

fn times(flags: u8, optional: &[u8]) -> Result<(Option<u64>, Option<u64>), &'static str> {
    match flags {
        0b00 => Ok((None, None)),
        0b10 => Ok((Some(time(0b0010, optional)?), None)),
        0b11 => {
            let after = optional.get(5..).ok_or("a PES header has no room for its times")?;
            Ok((Some(time(0b0011, optional)?), Some(time(0b0001, after)?)))
        }
        _ => Err("a PES header has a DTS without a PTS"),
    }
}

/// 33 bits in five bytes, with a prefix and three marker bits.
fn time(prefix: u8, data: &[u8]) -> Result<u64, &'static str> {
    let (&[a, b, c, d, e], _) =
        data.split_first_chunk::<5>().ok_or("a PES header has no room for its times")?;
    if a >> 4 != prefix || a & c & e & 1 != 1 {
        return Err("a PES time has wrong marker bits");
    }
    let [a, b, c, d, e] = [a, b, c, d, e].map(u64::from);
    Ok(((a >> 1) & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn s2_4_3_7_times() {
        let header = parse(&hex!("000001 e0 0000 80 c0 0a 31 0007 d861 11 0007 a981")).unwrap();
        assert_eq!((header.pts, header.dts), (Some(126_000), Some(120_000)), "1.4 s and 1.333 s");
        assert_eq!((header.header_bytes, header.stated_payload), (19, None));
        let header = parse(&hex!("000001 c0 0010 80 80 05 2f ffff ffff 00")).unwrap();
        assert_eq!((header.pts, header.stated_payload), (Some((1 << 33) - 1), Some(8)));
    }

    #[test]
    fn broken_headers() {
        for (bytes, what) in [
            (&hex!("000001e0")[..], "ends"),
            (&hex!("000002 e0 0000 80 00 00"), "00 00 01"),
            (&hex!("000001 e0 0000 00 00 00"), "marker"),
            (&hex!("000001 e0 0000 80 40 00"), "without a PTS"),
            (&hex!("000001 e0 0000 80 80 05 2100"), "ends"),
            (&hex!("000001 e0 0000 80 80 04 21000100"), "no room"),
            (&hex!("000001 e0 0000 80 80 05 3100010001"), "time"),
        ] {
            let error = parse(bytes).unwrap_err();
            assert!(error.contains(what), "{bytes:x?}: {error}");
        }
    }
}
