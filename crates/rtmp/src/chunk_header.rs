//! Chunk headers, RTMP section 5.3.1: pure parsing, no state.

/// Longest header: basic header 3, message header 11, extended timestamp 4.
pub(crate) const MAX_LENGTH: usize = 18;

/// In the 24-bit timestamp field: the value is in the extended timestamp.
const EXTENDED: u32 = 0x00ff_ffff;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkHeader {
    pub(crate) csid: u32,
    pub(crate) fields: Fields,
}

/// The message header, by chunk type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fields {
    /// Type 0.
    Full { timestamp: Time, length: usize, type_id: u8, message_stream_id: u32 },
    /// Type 1: same message stream.
    SameStream { delta: Time, length: usize, type_id: u8 },
    /// Type 2: same message stream, length and type.
    SameKind { delta: Time },
    /// Type 3: all as before.
    Same,
}

/// A timestamp or timestamp delta in ms, and whether it took the extended field to say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time {
    pub(crate) ms: u32,
    pub(crate) extended: bool,
}

impl ChunkHeader {
    /// The header at the start of `bytes` and its length; `None` when more bytes are needed.
    ///
    /// `extended_timestamp` tells the extended timestamp of a chunk stream's last header, if it had
    /// one: a type-3 chunk then repeats it by the specification, but not every encoder does. So the
    /// next four bytes are compared with it: equal, they belong to the header, else to the payload.
    pub(crate) fn parse(
        bytes: &[u8],
        extended_timestamp: impl FnOnce(u32) -> Option<u32>,
    ) -> Option<(Self, usize)> {
        let mut cursor = Cursor { rest: bytes };
        let first = cursor.u8()?;
        let csid = cursor.csid(first & 0x3f)?;
        let fields = match first >> 6 {
            0 => cursor.full()?,
            1 => cursor.same_stream()?,
            2 => cursor.same_kind()?,
            _ => cursor.same(extended_timestamp(csid))?,
        };
        Some((Self { csid, fields }, bytes.len().saturating_sub(cursor.rest.len())))
    }
}

/// `None` everywhere means: more bytes are needed.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    /// Section 5.3.1.1: one byte for 2 to 63, two for 64 to 319, three for 64 to 65 599.
    fn csid(&mut self, low: u8) -> Option<u32> {
        match low {
            0 => Some(u32::from(self.u8()?).saturating_add(64)),
            1 => Some(u32::from(u16::from_le_bytes(self.array()?)).saturating_add(64)),
            csid => Some(csid.into()),
        }
    }

    fn full(&mut self) -> Option<Fields> {
        let timestamp = self.u24()?;
        let length = self.length()?;
        let type_id = self.u8()?;
        let message_stream_id = u32::from_le_bytes(self.array()?);
        Some(Fields::Full { timestamp: self.time(timestamp)?, length, type_id, message_stream_id })
    }

    fn same_stream(&mut self) -> Option<Fields> {
        let delta = self.u24()?;
        let length = self.length()?;
        let type_id = self.u8()?;
        Some(Fields::SameStream { delta: self.time(delta)?, length, type_id })
    }

    fn same_kind(&mut self) -> Option<Fields> {
        let delta = self.u24()?;
        Some(Fields::SameKind { delta: self.time(delta)? })
    }

    fn same(&mut self, repeated: Option<u32>) -> Option<Fields> {
        let Some(repeated) = repeated else { return Some(Fields::Same) };
        let repeated = repeated.to_be_bytes();
        let peeked = self.rest.get(..self.rest.len().min(repeated.len())).unwrap_or_default();
        if peeked == repeated {
            let _: [u8; 4] = self.array()?;
        } else if repeated.starts_with(peeked) {
            return None; // cannot tell yet
        }
        Some(Fields::Same)
    }

    /// Section 5.3.1.3.
    fn time(&mut self, field: u32) -> Option<Time> {
        if field == EXTENDED {
            return Some(Time { ms: u32::from_be_bytes(self.array()?), extended: true });
        }
        Some(Time { ms: field, extended: false })
    }

    fn length(&mut self) -> Option<usize> {
        self.u24().map(|length| usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn u24(&mut self) -> Option<u32> {
        let [high, middle, low] = self.array()?;
        Some(u32::from_be_bytes([0, high, middle, low]))
    }

    fn u8(&mut self) -> Option<u8> {
        let [byte] = self.array()?;
        Some(byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn parse(bytes: &[u8], extended: Option<u32>) -> Option<(ChunkHeader, usize)> {
        ChunkHeader::parse(bytes, |_| extended)
    }

    fn time(ms: u32) -> Time {
        Time { ms, extended: false }
    }

    fn assert_header(bytes: &[u8], csid: u32, fields: Fields) {
        assert_eq!(parse(bytes, None), Some((ChunkHeader { csid, fields }, bytes.len())));
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut], None), None, "cut at {cut}");
        }
    }

    #[test]
    fn section_5_3_1_1_chunk_stream_ids_of_one_two_and_three_bytes() {
        assert_header(&hex!("c2"), 2, Fields::Same);
        assert_header(&hex!("ff"), 63, Fields::Same);
        assert_header(&hex!("c0 00"), 64, Fields::Same);
        assert_header(&hex!("c0 ff"), 319, Fields::Same);
        assert_header(&hex!("c1 0000"), 64, Fields::Same);
        assert_header(&hex!("c1 0100"), 65, Fields::Same);
        assert_header(&hex!("c1 ffff"), 65_599, Fields::Same);
    }

    #[test]
    fn section_5_3_1_2_the_four_message_headers() {
        let (length, type_id) = (0x0203, 9);
        let full = Fields::Full { timestamp: time(1), length, type_id, message_stream_id: 1 };
        assert_header(&hex!("06 000001 000203 09 01000000"), 6, full);
        assert_header(
            &hex!("46 000028 000203 09"),
            6,
            Fields::SameStream { delta: time(40), length, type_id },
        );
        assert_header(&hex!("86 000028"), 6, Fields::SameKind { delta: time(40) });
        assert_header(&hex!("c6"), 6, Fields::Same);
    }

    #[test]
    fn section_5_3_1_3_extended_timestamp() {
        let extended = Time { ms: 0x0100_0000, extended: true };
        let full =
            Fields::Full { timestamp: extended, length: 1, type_id: 8, message_stream_id: 0 };
        assert_header(&hex!("04 ffffff 000001 08 00000000 01000000"), 4, full);
        assert_header(&hex!("84 ffffff 01000000"), 4, Fields::SameKind { delta: extended });
        let below = Fields::SameKind { delta: time(0x00ff_fffe) };
        assert_header(&hex!("84 fffffe"), 4, below);
    }

    #[test]
    fn type_3_takes_a_repeated_timestamp_only_when_it_is_equal() {
        let header = ChunkHeader { csid: 6, fields: Fields::Same };
        let extended = Some(0x0100_0002);
        assert_eq!(parse(&hex!("c6 01000002 aa"), extended), Some((header, 5)));
        assert_eq!(parse(&hex!("c6 01000003 aa"), extended), Some((header, 1)));
        assert_eq!(parse(&hex!("c6 01000002"), None), Some((header, 1)));
        for undecided in [&hex!("c6")[..], &hex!("c6 01"), &hex!("c6 0100"), &hex!("c6 010000")] {
            assert_eq!(parse(undecided, extended), None);
        }
        assert_eq!(parse(&hex!("c6 02"), extended), Some((header, 1)), "one byte settles it");
    }
}
