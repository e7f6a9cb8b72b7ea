//! PES packet headers (13818-1 2.4.3.6).

use media::Timestamp;

use crate::clock::wrap_33_bits;

/// The `stream_id` of the video (13818-1 table 2-22).
pub(crate) const VIDEO_STREAM_ID: u8 = 0xe0;
/// The `stream_id` of the audio.
pub(crate) const AUDIO_STREAM_ID: u8 = 0xc0;

/// Bytes in front of those that `PES_packet_length` counts.
const UNCOUNTED_BYTES: usize = 6;
/// Bytes of the header without timestamps.
const FIXED_BYTES: usize = 9;
const TIMESTAMP_BYTES: usize = 5;
/// The payload starts with the start of an access unit.
const DATA_ALIGNMENT: u8 = 0x84;

/// It need not.
const UNALIGNED: u8 = 0x80;

/// The most payload that a header with one timestamp can state the length of.
pub(crate) const MAX_STATED_PAYLOAD: usize =
    0xffff - (FIXED_BYTES - UNCOUNTED_BYTES) - TIMESTAMP_BYTES;

/// The header of one PES packet, on the stack.
pub(crate) struct PesHeader {
    bytes: [u8; FIXED_BYTES + 2 * TIMESTAMP_BYTES],
    len: usize,
}

impl PesHeader {
    /// The header of a packet with `payload` bytes. A DTS equal to the PTS is left out (13818-1
    /// 2.7.5).
    ///
    /// A length that does not fit is written as 0, "not stated", which only video may do.
    pub(crate) fn new(stream_id: u8, pts: Timestamp, dts: Timestamp, payload: usize) -> Self {
        let mut header = Self::untimed(stream_id, payload);
        header.bytes[6] = DATA_ALIGNMENT;
        if pts == dts {
            header.push_timestamp(0x2, pts);
        } else {
            header.push_timestamp(0x3, pts);
            header.push_timestamp(0x1, dts);
        }
        header.state_lengths(payload);
        header
    }

    /// The header of a packet of video that states no length; `is_aligned`: its payload starts with
    /// the start of the access unit that the times are of.
    pub(crate) fn unstated(pts: Timestamp, dts: Timestamp, is_aligned: bool) -> Self {
        let mut header = Self::new(VIDEO_STREAM_ID, pts, dts, usize::from(u16::MAX));
        if !is_aligned {
            header.bytes[6] = UNALIGNED;
        }
        header
    }

    /// The header of a packet that goes on where the one before ended.
    pub(crate) fn untimed(stream_id: u8, payload: usize) -> Self {
        let mut bytes = [0; FIXED_BYTES + 2 * TIMESTAMP_BYTES];
        bytes[..FIXED_BYTES].copy_from_slice(&[0, 0, 1, stream_id, 0, 0, 0x80, 0, 0]);
        let mut header = Self { bytes, len: FIXED_BYTES };
        header.state_lengths(payload);
        header
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn state_lengths(&mut self, payload: usize) {
        let counted = self.len - UNCOUNTED_BYTES + payload;
        let packet_length = u16::try_from(counted).unwrap_or(0);
        self.bytes[4..6].copy_from_slice(&packet_length.to_be_bytes());
        self.bytes[8] = (self.len - FIXED_BYTES) as u8;
    }

    fn push_timestamp(&mut self, prefix: u8, time: Timestamp) {
        self.bytes[self.len..self.len + TIMESTAMP_BYTES]
            .copy_from_slice(&timestamp_bytes(prefix, time));
        self.len += TIMESTAMP_BYTES;
        self.bytes[7] += if prefix == 0x1 { 0x40 } else { 0x80 }; // PTS_DTS_flags
    }
}

/// Four bits of prefix and 33 bits of time, with three marker bits in between (13818-1 table 2-21).
fn timestamp_bytes(prefix: u8, time: Timestamp) -> [u8; 5] {
    let ticks = wrap_33_bits(time);
    [
        (prefix << 4) | ((ticks >> 29) as u8 & 0x0e) | 1,
        (ticks >> 22) as u8,
        (ticks >> 14) as u8 | 1,
        (ticks >> 7) as u8,
        (ticks << 1) as u8 | 1,
    ]
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use media::WIRE_SHIFT;

    fn raw(ticks: i64) -> Timestamp {
        Timestamp::from_ticks(ticks) - WIRE_SHIFT
    }

    #[test]
    fn dts_equal_to_pts_is_left_out_13818_1_2_7_5() {
        let header = PesHeader::new(VIDEO_STREAM_ID, raw(0x1_2345_6789), raw(0x1_2345_6789), 100);
        assert_eq!(header.as_slice(), hex!("000001 e0 006c 84 80 05 298d15cf13"));
    }

    #[test]
    fn pts_and_dts_13818_1_2_4_3_7() {
        let header = PesHeader::new(VIDEO_STREAM_ID, raw(0x1_ffff_ffff), raw(0), 100);
        assert_eq!(header.as_slice(), hex!("000001 e0 0071 84 c0 0a 3fffffffff 1100010001"));
    }

    #[test]
    fn a_video_length_over_16_bits_is_not_stated() {
        let longest = PesHeader::new(VIDEO_STREAM_ID, raw(0), raw(0), MAX_STATED_PAYLOAD);
        assert_eq!(longest.as_slice()[4..6], [0xff, 0xff]);
        let longer = PesHeader::new(VIDEO_STREAM_ID, raw(0), raw(0), MAX_STATED_PAYLOAD + 1);
        assert_eq!(longer.as_slice()[4..6], [0, 0]);
    }
}
