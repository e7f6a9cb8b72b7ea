//! The two tables every segment starts with: PAT (13818-1 2.4.4.3) and PMT (2.4.4.8).

/// The one program's number.
const PROGRAM_NUMBER: u8 = 1;
/// `current_next_indicator` and the reserved bits around `version_number`.
const CURRENT: u8 = 0xc1;

const PAT_TABLE_ID: u8 = 0x00;
const PMT_TABLE_ID: u8 = 0x02;
/// `table_id`, `section_length`: the bytes that `section_length` does not count.
const UNCOUNTED_BYTES: usize = 3;
const CRC_BYTES: usize = 4;

/// H.264 (13818-1 table 2-34).
pub(crate) const STREAM_TYPE_H264: u8 = 0x1b;
/// AAC in ADTS.
pub(crate) const STREAM_TYPE_ADTS: u8 = 0x0f;

/// A table section on the stack, complete with its CRC.
pub(crate) struct Section {
    bytes: [u8; 32],
    len: usize,
}

impl Section {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// A section with an empty body. Bytes 3 and 4 are the transport stream's or the program's
    /// number.
    fn new(table_id: u8, version: u8) -> Self {
        let mut section = Self { bytes: [0; 32], len: 0 };
        section.push(&[table_id, 0, 0, 0, PROGRAM_NUMBER, CURRENT | (version << 1), 0, 0]);
        section
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Fills in the length and appends the CRC.
    fn finish(mut self) -> Self {
        let section_length = self.len - UNCOUNTED_BYTES + CRC_BYTES;
        // section_syntax_indicator; a section this small leaves the high bits 0
        self.bytes[1] = 0xb0;
        self.bytes[2] = section_length as u8;
        let crc = crc32(self.as_slice());
        self.push(&crc.to_be_bytes());
        self
    }
}

/// The program association table: one program, its PMT on `pmt_pid`.
pub(crate) fn pat(pmt_pid: u16) -> Section {
    let mut section = Section::new(PAT_TABLE_ID, 0);
    let [high, low] = pmt_pid.to_be_bytes();
    section.push(&[0, PROGRAM_NUMBER, 0xe0 | high, low]);
    section.finish()
}

/// The program map table: `streams` are pairs of stream type and PID, two at most.
pub(crate) fn pmt(version: u8, pcr_pid: u16, streams: impl Iterator<Item = (u8, u16)>) -> Section {
    let mut section = Section::new(PMT_TABLE_ID, version);
    let [high, low] = pcr_pid.to_be_bytes();
    section.push(&[0xe0 | high, low, 0xf0, 0]);
    for (stream_type, pid) in streams {
        let [high, low] = pid.to_be_bytes();
        section.push(&[stream_type, 0xe0 | high, low, 0xf0, 0]);
    }
    section.finish()
}

/// The CRC of 13818-1 Annex A: polynomial 0x04c11db7, most significant bit first, nothing inverted.
fn crc32(bytes: &[u8]) -> u32 {
    // Two sections of some 20 bytes a segment: a table would not pay.
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| {
            if crc & 0x8000_0000 == 0 { crc << 1 } else { (crc << 1) ^ 0x04c1_1db7 }
        })
    })
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn crc_of_the_standard_check_string_13818_1_annex_a() {
        assert_eq!(crc32(b"123456789"), 0x0376_e6e7);
    }

    #[test]
    fn pat_13818_1_2_4_4_3() {
        // The PAT that ffmpeg writes for one program with its PMT on PID 0x1000.
        assert_eq!(pat(0x1000).as_slice(), hex!("00b00d0001c100000001f0002ab104b2"));
    }

    #[test]
    fn pmt_13818_1_2_4_4_8() {
        let section =
            pmt(0, 0x100, [(STREAM_TYPE_H264, 0x100), (STREAM_TYPE_ADTS, 0x101)].into_iter());
        let body = hex!("02b0170001c10000e100f0001be100f0000fe101f000");
        assert_eq!(section.as_slice()[..body.len()], body);
        assert_eq!(crc32(section.as_slice()), 0, "a section with its CRC has the CRC 0");
    }

    #[test]
    fn version_number_lies_between_reserved_bits_and_current_next_indicator() {
        assert_eq!(pmt(31, 0x1fff, std::iter::empty()).as_slice()[5], 0xff);
    }
}
