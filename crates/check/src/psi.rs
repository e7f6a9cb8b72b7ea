//! PAT and PMT (ISO/IEC 13818-1 2.4.4).

const TABLE_ID_PAT: u8 = 0;
const TABLE_ID_PMT: u8 = 2;
/// 13818-1 2.4.4.1: `section_length` of these tables is at most 1021.
const MAX_SECTION_BYTES: usize = 1024;
/// `table_id` and `section_length`.
const HEADER_BYTES: usize = 3;

/// Puts the sections of one PID together from packet payloads. Holds 1 KiB and a packet at most.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    buffer: Vec<u8>,
    /// The buffer starts with a section.
    started: bool,
}

impl Sections {
    /// Takes a packet's payload; gives each section that it ends, without its CRC, or why it is
    /// bad.
    pub(crate) fn push(
        &mut self,
        payload: &[u8],
        unit_start: bool,
        mut section: impl FnMut(Result<&[u8], &'static str>),
    ) {
        let payload = match (unit_start, payload.split_first()) {
            (true, Some((&pointer, rest))) => {
                let (end_of_last, rest) =
                    rest.split_at_checked(pointer.into()).unwrap_or((rest, &[]));
                if self.started {
                    self.buffer.extend_from_slice(end_of_last);
                    self.drain(&mut section);
                }
                self.buffer.clear();
                self.started = true;
                rest
            }
            _ => payload,
        };
        if self.started {
            self.buffer.extend_from_slice(payload);
            self.drain(&mut section);
        }
    }

    fn drain(&mut self, section: &mut impl FnMut(Result<&[u8], &'static str>)) {
        while let [table_id, high, low, ..] = *self.buffer.as_slice() {
            // Stuffing follows the last section (13818-1 2.4.4.1).
            if table_id == 0xff {
                self.buffer.clear();
                self.started = false;
                return;
            }
            let length = usize::from(u16::from_be_bytes([high & 0x0f, low]));
            let total = length.saturating_add(HEADER_BYTES);
            if total > MAX_SECTION_BYTES {
                section(Err("a section is longer than 1024 bytes"));
                self.buffer.clear();
                self.started = false;
                return;
            }
            let Some(bytes) = self.buffer.get(..total) else { return };
            section(checked(bytes));
            self.buffer.drain(..total);
        }
    }
}

/// The section without its CRC, if that is right (13818-1 annex A).
fn checked(section: &[u8]) -> Result<&[u8], &'static str> {
    if crc32(section) != 0 {
        return Err("the CRC of a section is wrong");
    }
    section.split_last_chunk::<4>().map(|(body, _)| body).ok_or("a section is too short")
}

fn crc32(data: &[u8]) -> u32 {
    data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| {
            if crc >> 31 == 1 { (crc << 1) ^ 0x04c1_1db7 } else { crc << 1 }
        })
    })
}

/// The PID of the first program's PMT; none where the section is no PAT or lists no program.
pub(crate) fn pmt_pid(section: &[u8]) -> Option<u16> {
    let (&[table_id, _, _, _, _, _, _, _], programs) = section.split_first_chunk::<8>()?;
    if table_id != TABLE_ID_PAT {
        return None;
    }
    programs.chunks_exact(4).find_map(|program| match *program {
        // Program 0 is the network information table.
        [0, 0, ..] => None,
        [_, _, high, low] => Some(u16::from_be_bytes([high & 0x1f, low])),
        _ => None,
    })
}

/// What a PMT says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The PID whose packets carry the PCR.
    pub pcr_pid: u16,
    /// Stream type and PID of each elementary stream.
    pub streams: Vec<(u8, u16)>,
}

/// None where the section is no PMT, or ends too early.
pub(crate) fn program(section: &[u8]) -> Option<Program> {
    let (&[table_id, .., pcr_high, pcr_low, info_high, info_low], rest) =
        section.split_first_chunk::<12>()?;
    if table_id != TABLE_ID_PMT {
        return None;
    }
    let mut rest = rest.get(length12(info_high, info_low)..)?;
    let mut streams = Vec::new();
    while let Some((&[stream_type, high, low, info_high, info_low], after)) =
        rest.split_first_chunk::<5>()
    {
        streams.push((stream_type, u16::from_be_bytes([high & 0x1f, low])));
        rest = after.get(length12(info_high, info_low)..)?;
    }
    Some(Program { pcr_pid: u16::from_be_bytes([pcr_high & 0x1f, pcr_low]), streams })
}

fn length12(high: u8, low: u8) -> usize {
    u16::from_be_bytes([high & 0x0f, low]).into()
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// Made by ffmpeg's muxer.
    const PAT: [u8; 16] = hex!("00b00d 0001c10000 0001 f000 2ab104b2");
    const PMT: [u8; 26] = hex!("02b017 0001c10000 e100 f000 1be100f000 0fe101f000 2f44b99b");

    fn sections(packets: &[(&[u8], bool)]) -> Vec<Result<Vec<u8>, &'static str>> {
        let mut found = Vec::new();
        let mut sections = Sections::default();
        for (payload, start) in packets {
            sections.push(payload, *start, |section| found.push(section.map(<[u8]>::to_vec)));
        }
        found
    }

    #[test]
    fn s2_4_4_tables_of_another_muxer() {
        let pat = [&[0][..], &PAT, &[0xff; 100]].concat();
        let found = sections(&[(&pat, true)]);
        assert_eq!(pmt_pid(found[0].as_ref().unwrap()), Some(0x1000));
        let pmt = [&[0][..], &PMT].concat();
        let found = sections(&[(&pmt, true)]);
        let program = program(found[0].as_ref().unwrap()).unwrap();
        assert_eq!(
            program,
            Program { pcr_pid: 0x100, streams: vec![(0x1b, 0x100), (0x0f, 0x101)] }
        );
    }

    #[test]
    fn s2_4_4_1_a_section_over_two_packets_and_one_behind_it() {
        let first = [&[0][..], &PMT[..9]].concat();
        let second = [&[17][..], &PMT[9..], &PAT].concat();
        assert_eq!(sections(&[(&first, true), (&second, true)]).len(), 2);
    }

    #[test]
    fn broken_sections() {
        let mut bad = [&[0][..], &PAT].concat();
        bad[10] ^= 1;
        assert_eq!(sections(&[(&bad, true)]), [Err("the CRC of a section is wrong")]);
        assert_eq!(
            sections(&[(&[0, 0, 0xbf, 0xff], true)]),
            [Err("a section is longer than 1024 bytes")]
        );
        assert_eq!(sections(&[(&[], true), (&[9], true), (&PAT, false)]).len(), 1);
        assert_eq!(pmt_pid(&PMT), None);
        assert_eq!(program(&PAT), None);
    }
}
