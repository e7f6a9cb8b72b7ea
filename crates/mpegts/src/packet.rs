//! Transport stream packets (13818-1 2.4.3.2) and their adaptation fields (2.4.3.4).

/// Bytes in a transport stream packet.
pub const PACKET_BYTES: usize = 188;

const HEADER_BYTES: usize = 4;
const SYNC_BYTE: u8 = 0x47;

/// Bytes a packet can carry: payload, or adaptation field and payload.
pub(crate) const CAPACITY: usize = PACKET_BYTES - HEADER_BYTES;

/// A packet identifier with its continuity counter, which goes on over segments.
#[derive(Debug)]
pub(crate) struct Pid {
    id: u16,
    continuity_counter: u8,
}

impl Pid {
    pub(crate) const fn new(id: u16) -> Self {
        Self { id, continuity_counter: 0 }
    }

    /// The identifier whose next packet has this counter, of which the lowest 4 bits count.
    pub(crate) const fn counting_from(id: u16, counter: u8) -> Self {
        Self { id, continuity_counter: counter & 0x0f }
    }

    /// The counter of the next packet, 0 to 15.
    pub(crate) const fn next_counter(&self) -> u8 {
        self.continuity_counter
    }

    /// Writes the four-byte header of a packet with payload.
    fn write_header(
        &mut self,
        payload_unit_start: bool,
        adaptation_field: bool,
        out: &mut Vec<u8>,
    ) {
        let [high, low] = self.id.to_be_bytes();
        let adaptation_field_control = if adaptation_field { 0x30 } else { 0x10 };
        out.extend_from_slice(&[
            SYNC_BYTE,
            (u8::from(payload_unit_start) << 6) | high,
            low,
            adaptation_field_control | self.continuity_counter,
        ]);
        self.continuity_counter = (self.continuity_counter + 1) & 0x0f;
    }
}

/// What the adaptation field of a PES packet's first packet says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Adaptation {
    /// The time base jumps here.
    pub(crate) discontinuity: bool,
    /// A decoder may start here.
    pub(crate) random_access: bool,
    /// The PCR base, 33 bits.
    pub(crate) pcr_base: Option<u64>,
}

impl Adaptation {
    /// Bytes of the field without stuffing, its length byte included; 0 if there is nothing to say.
    pub(crate) const fn bytes(self) -> usize {
        match (self.pcr_base, self.discontinuity || self.random_access) {
            (Some(_), _) => 8,
            (None, true) => 2,
            (None, false) => 0,
        }
    }

    /// Writes the field stuffed to `bytes`, which is at least [`Self::bytes`]; 0 writes nothing.
    fn write(self, bytes: usize, out: &mut Vec<u8>) {
        if bytes == 0 {
            return;
        }
        let end = out.len() + bytes;
        out.push((bytes - 1) as u8);
        if bytes > 1 {
            out.push(self.flags());
        }
        if let Some(base) = self.pcr_base {
            out.extend_from_slice(&pcr_bytes(base));
        }
        out.resize(end, 0xff);
    }

    fn flags(self) -> u8 {
        (u8::from(self.discontinuity) << 7)
            | (u8::from(self.random_access) << 6)
            | (u8::from(self.pcr_base.is_some()) << 4)
    }
}

/// A PCR with extension 0: base (33 bits), six reserved bits, extension (9 bits) (13818-1 table
/// 2-6).
fn pcr_bytes(base: u64) -> [u8; 6] {
    let [_, _, bytes @ ..] = ((base << 15) | (0x3f << 9)).to_be_bytes();
    bytes
}

/// How many packets carry `payload` bytes behind an adaptation field of `adaptation` bytes.
pub(crate) const fn packets_for(payload: usize, adaptation: usize) -> usize {
    (payload + adaptation).div_ceil(CAPACITY)
}

/// How many of `payload` bytes behind an adaptation field of `adaptation` bytes are left over where
/// only full packets are written; none of what fits into one.
pub(crate) const fn rest_behind_packets(payload: usize, adaptation: usize) -> usize {
    let bytes = payload + adaptation;
    if bytes <= CAPACITY { 0 } else { bytes % CAPACITY }
}

/// Spreads one PES packet, handed over in pieces, over transport stream packets.
///
/// The total is known beforehand, so that stuffing goes where it has to: into the last packet.
pub(crate) struct PacketWriter<'a> {
    pid: &'a mut Pid,
    out: &'a mut Vec<u8>,
    adaptation: Adaptation,
    started: bool,
    /// Bytes of the PES packet still to be written.
    remaining: usize,
    /// Bytes of them that fit in the packet begun last.
    room: usize,
}

impl<'a> PacketWriter<'a> {
    /// A writer of `total` bytes; the first packet gets `adaptation`.
    pub(crate) fn new(
        pid: &'a mut Pid,
        adaptation: Adaptation,
        total: usize,
        out: &'a mut Vec<u8>,
    ) -> Self {
        out.reserve(packets_for(total, adaptation.bytes()) * PACKET_BYTES);
        Self { pid, out, adaptation, started: false, remaining: total, room: 0 }
    }

    /// A writer of the last `total` bytes of the PES packet that this PID has begun.
    pub(crate) fn of_rest(pid: &'a mut Pid, total: usize, out: &'a mut Vec<u8>) -> Self {
        Self { started: true, ..Self::new(pid, Adaptation::default(), total, out) }
    }

    /// Writes the next piece. All pieces together must be the total given before.
    pub(crate) fn write(&mut self, mut piece: &[u8]) {
        debug_assert!(
            piece.len() <= self.remaining,
            "{} bytes, {} announced",
            piece.len(),
            self.remaining
        );
        while !piece.is_empty() {
            if self.room == 0 {
                self.begin_packet();
            }
            let (now, later) = piece.split_at(piece.len().min(self.room));
            self.out.extend_from_slice(now);
            self.room -= now.len();
            self.remaining -= now.len();
            piece = later;
        }
    }

    fn begin_packet(&mut self) {
        let adaptation = std::mem::take(&mut self.adaptation);
        self.room = self.remaining.min(CAPACITY - adaptation.bytes());
        let adaptation_bytes = CAPACITY - self.room;
        self.pid.write_header(!self.started, adaptation_bytes > 0, self.out);
        adaptation.write(adaptation_bytes, self.out);
        self.started = true;
    }
}

/// Writes one packet with a whole table section, stuffed with 0xff (13818-1 2.4.4).
///
/// The section has at most 183 bytes.
pub(crate) fn write_section(pid: &mut Pid, section: &[u8], out: &mut Vec<u8>) {
    let end = out.len() + PACKET_BYTES;
    pid.write_header(true, false, out);
    out.push(0); // pointer_field: the section follows at once
    out.extend_from_slice(section);
    debug_assert!(out.len() <= end, "a section of {} bytes", section.len());
    out.resize(end, 0xff);
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn packets(adaptation: Adaptation, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut pid = Pid::new(0x100);
        PacketWriter::new(&mut pid, adaptation, payload.len(), &mut out).write(payload);
        assert_eq!(out.len(), packets_for(payload.len(), adaptation.bytes()) * PACKET_BYTES);
        out
    }

    #[test]
    fn payload_that_fills_a_packet_needs_no_adaptation_field_13818_1_2_4_3_3() {
        let out = packets(Adaptation::default(), &[7; 184]);
        assert_eq!(out[..5], hex!("47 41 00 10 07"));
    }

    #[test]
    fn one_byte_of_stuffing_is_a_field_of_length_zero_13818_1_2_4_3_5() {
        let out = packets(Adaptation::default(), &[7; 183]);
        assert_eq!(out[..6], hex!("47 41 00 30 00 07"));
    }

    #[test]
    fn two_bytes_of_stuffing_are_length_and_flags() {
        let out = packets(Adaptation::default(), &[7; 182]);
        assert_eq!(out[..7], hex!("47 41 00 30 01 00 07"));
    }

    #[test]
    fn only_the_last_packet_is_stuffed() {
        let out = packets(Adaptation::default(), &[7; 185]);
        assert_eq!(out[..5], hex!("47 41 00 10 07"));
        assert_eq!(out[188..195], hex!("47 01 00 31 b6 00 ff"));
        assert_eq!(out[374..], hex!("ff 07"));
    }

    #[test]
    fn pcr_layout_13818_1_table_2_6() {
        let adaptation =
            Adaptation { discontinuity: true, random_access: true, pcr_base: Some(0x1_2345_6789) };
        let out = packets(adaptation, &[7; 176]);
        assert_eq!(out[..13], hex!("47 41 00 30 07 d0 91 a2 b3 c4 fe 00 07"));
    }
}
