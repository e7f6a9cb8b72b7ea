use bytes::Bytes;

use crate::message::type_id;
use crate::{Error, Place, RawMessage};

/// Longest payload that a message header can declare.
const MAX_PAYLOAD: usize = 0x00ff_ffff;

/// The 24-bit timestamp field from which on the extended timestamp is used.
const EXTENDED: u32 = 0x00ff_ffff;

/// Turns messages into chunks (RTMP section 5.3): a type-0 chunk and, past the chunk size, type-3
/// chunks, which repeat an extended timestamp.
///
/// Headers are not compressed any further: some peers want the first messages uncompressed, and it
/// would save a few bytes a message.
#[derive(Debug, Clone)]
pub struct ChunkWriter {
    chunk_size: usize,
}

impl ChunkWriter {
    /// Chunks are 128 bytes until [`set_chunk_size`](Self::set_chunk_size).
    #[expect(
        clippy::new_without_default,
        reason = "a default chunk size of 128 is nothing to rely on"
    )]
    pub fn new() -> Self {
        Self { chunk_size: 128 }
    }

    /// Appends a SetChunkSize message to `out` and keeps to it. `size` is clamped to 1 to 2^31 - 1.
    pub fn set_chunk_size(&mut self, size: u32, out: &mut Vec<u8>) {
        let size = size.clamp(1, 0x7fff_ffff);
        self.write_chunks(&set_chunk_size_message(size), out);
        self.chunk_size = usize::try_from(size).unwrap_or(usize::MAX);
    }

    /// Appends one message to `out`. The csid is clamped to 2 to 65 599.
    ///
    /// # Errors
    /// When the payload is longer than 16 777 215 bytes; nothing is written then. The position
    /// counts `out`.
    pub fn write(&self, message: &RawMessage, out: &mut Vec<u8>) -> Result<(), Error> {
        let length = message.payload.len();
        if length > MAX_PAYLOAD {
            let position = u64::try_from(out.len()).unwrap_or(u64::MAX);
            let at = Place { csid: message.csid, position };
            return Err(Error::MessageTooLong { actual: length, allowed: MAX_PAYLOAD, at });
        }
        self.write_chunks(message, out);
        Ok(())
    }

    fn write_chunks(&self, message: &RawMessage, out: &mut Vec<u8>) {
        let mut chunks = message.payload.chunks(self.chunk_size);
        first_header(message, out);
        out.extend_from_slice(chunks.next().unwrap_or_default());
        for chunk in chunks {
            basic_header(3, message.csid, out);
            extended_timestamp(message.timestamp_ms, out);
            out.extend_from_slice(chunk);
        }
    }
}

/// Section 5.4.1.
fn set_chunk_size_message(size: u32) -> RawMessage {
    let payload = Bytes::copy_from_slice(&size.to_be_bytes());
    RawMessage {
        csid: 2,
        timestamp_ms: 0,
        type_id: type_id::SET_CHUNK_SIZE,
        message_stream_id: 0,
        payload,
    }
}

/// Type 0, section 5.3.1.2.1.
fn first_header(message: &RawMessage, out: &mut Vec<u8>) {
    basic_header(0, message.csid, out);
    u24(message.timestamp_ms.min(EXTENDED), out);
    u24(u32::try_from(message.payload.len()).unwrap_or(EXTENDED), out);
    out.push(message.type_id);
    out.extend(message.message_stream_id.to_le_bytes());
    extended_timestamp(message.timestamp_ms, out);
}

/// Section 5.3.1.1.
fn basic_header(format: u8, csid: u32, out: &mut Vec<u8>) {
    let format = format << 6;
    let [low, high] = u16::try_from(csid.saturating_sub(64)).unwrap_or(u16::MAX).to_le_bytes();
    match csid {
        0..=63 => out.push(format | low_csid(csid)),
        64..=319 => out.extend([format, low]),
        320.. => out.extend([format | 1, low, high]),
    }
}

/// 0 and 1 in the first byte announce the longer forms.
fn low_csid(csid: u32) -> u8 {
    u8::try_from(csid.clamp(2, 63)).unwrap_or(2)
}

/// Section 5.3.1.3.
fn extended_timestamp(timestamp_ms: u32, out: &mut Vec<u8>) {
    if timestamp_ms >= EXTENDED {
        out.extend(timestamp_ms.to_be_bytes());
    }
}

fn u24(value: u32, out: &mut Vec<u8>) {
    let [_, high, middle, low] = value.to_be_bytes();
    out.extend([high, middle, low]);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hex_literal::hex;

    use super::*;

    fn message(csid: u32, timestamp_ms: u32, payload: &'static [u8]) -> RawMessage {
        let payload = Bytes::from_static(payload);
        RawMessage { csid, timestamp_ms, type_id: 9, message_stream_id: 1, payload }
    }

    fn written(chunk_size: usize, message: &RawMessage) -> Vec<u8> {
        let mut out = Vec::new();
        ChunkWriter { chunk_size }.write(message, &mut out).unwrap();
        out
    }

    #[test]
    fn section_5_3_1_2_1_type_0_header() {
        let expected = hex!("06 000102 000003 09 01000000 aabbcc");
        assert_eq!(written(128, &message(6, 0x0102, &hex!("aabbcc"))), expected);
    }

    #[test]
    fn section_5_3_1_2_4_continuation_chunks_have_type_3() {
        let expected = hex!("06 000000 000005 09 01000000 0102 c6 0304 c6 05");
        assert_eq!(written(2, &message(6, 0, &hex!("0102030405"))), expected);
        let exact = hex!("06 000000 000004 09 01000000 0102 c6 0304");
        assert_eq!(written(2, &message(6, 0, &hex!("01020304"))), exact);
    }

    #[test]
    fn section_5_3_1_3_continuation_chunks_repeat_the_extended_timestamp() {
        let expected = hex!("06 ffffff 000003 09 01000000 00ffffff 0102 c6 00ffffff 03");
        assert_eq!(written(2, &message(6, 0x00ff_ffff, &hex!("010203"))), expected);
        let below = hex!("06 fffffe 000003 09 01000000 0102 c6 03");
        assert_eq!(written(2, &message(6, 0x00ff_fffe, &hex!("010203"))), below);
    }

    #[test]
    fn section_5_3_1_1_chunk_stream_ids() {
        let cases: [(u32, &[u8]); 6] = [
            (2, &hex!("02")),
            (63, &hex!("3f")),
            (64, &hex!("00 00")),
            (319, &hex!("00 ff")),
            (320, &hex!("01 0001")),
            (65_599, &hex!("01 ffff")),
        ];
        for (csid, expected) in cases {
            let mut out = Vec::new();
            basic_header(0, csid, &mut out);
            assert_eq!(out, expected, "csid {csid}");
        }
    }

    #[test]
    fn an_empty_message_is_a_header() {
        assert_eq!(written(128, &message(6, 0, &[])), hex!("06 000000 000000 09 01000000"));
    }

    #[test]
    fn section_5_4_1_set_chunk_size_is_said_and_kept() {
        let mut writer = ChunkWriter::new();
        let mut out = Vec::new();
        writer.set_chunk_size(4, &mut out);
        assert_eq!(out, hex!("02 000000 000004 01 00000000 00000004"));
        out.clear();
        writer.write(&message(6, 0, &hex!("0102030405")), &mut out).unwrap();
        assert_eq!(out, hex!("06 000000 000005 09 01000000 01020304 c6 05"));
        out.clear();
        writer.set_chunk_size(3, &mut out);
        writer.set_chunk_size(0, &mut out);
        let chunked = hex!("02 000000 000004 01 00000000 000000 c2 01");
        assert!(out.ends_with(&chunked), "a SetChunkSize is cut by the size before it");
        assert_eq!(writer.chunk_size, 1);
    }

    #[test]
    fn a_payload_past_24_bits_of_length_is_refused() {
        let payload = Bytes::from(vec![0; MAX_PAYLOAD + 1]);
        let message = RawMessage { payload, ..message(6, 0, &[]) };
        let mut out = Vec::new();
        let error = ChunkWriter::new().write(&message, &mut out).unwrap_err();
        assert!(matches!(
            error,
            Error::MessageTooLong { actual: 0x100_0000, allowed: 0xff_ffff, .. }
        ));
        assert!(out.is_empty());
    }
}
