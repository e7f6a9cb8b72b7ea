//! Reads MPEG-TS segments (ISO/IEC 13818-1) to judge them: our own eyes, not those of the muxer.

use bytes::Bytes;
use media::Timestamp;

use crate::audio;
use crate::fault::Faults;
use crate::pes;
use crate::psi::{self, Sections};
use crate::segment_facts::{Counter, SegmentFacts};
use crate::time;
use crate::video::{self, AccessUnit};

/// Bytes of a transport stream packet.
pub const PACKET_BYTES: usize = 188;
const SYNC_BYTE: u8 = 0x47;
const PAT_PID: u16 = 0;
/// 13818-1 table 2-3, DVB's EN 300 468 5.1.3: PIDs up to here carry tables.
const LAST_TABLE_PID: u16 = 0x1f;
const NULL_PID: u16 = 0x1fff;
const STREAM_TYPE_ADTS: u8 = 0x0f;
const STREAM_TYPE_H264: u8 = 0x1b;

/// Reads a segment. Never fails: what is wrong with it is told in the facts.
///
/// `near` is a time of the same stream, if one is known: 33-bit times are taken as those nearest to
/// it.
#[must_use]
pub fn read_segment(data: &Bytes, near: Option<Timestamp>) -> SegmentFacts {
    let mut reader = Reader { near, ..Reader::default() };
    reader.facts.bytes = data.len();
    reader.facts.starts_with_tables = true;
    reader.read(data);
    reader.finish()
}

#[derive(Debug, Default)]
struct Reader {
    near: Option<Timestamp>,
    facts: SegmentFacts,
    pat: Sections,
    pmt: Sections,
    pmt_pid: Option<u16>,
    video: Track,
    audio: Track,
    last_pcr: Option<Timestamp>,
    /// Payload packets of streams may come now.
    tables_are_complete: bool,
}

/// An elementary stream being collected. It holds no more than the segment has.
#[derive(Debug, Default)]
struct Track {
    pid: Option<u16>,
    /// The PES packet being collected.
    open: Option<OpenPacket>,
    units: Vec<Unit>,
}

#[derive(Debug)]
struct OpenPacket {
    position: usize,
    clock: Option<Timestamp>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Unit {
    pts: Option<u64>,
    dts: Option<u64>,
    /// The clock when it began.
    clock: Option<Timestamp>,
    payload: Bytes,
}

/// A packet's header, taken apart.
struct Packet<'a> {
    position: usize,
    pid: u16,
    unit_start: bool,
    counter: u8,
    discontinuity: bool,
    pcr: Option<u64>,
    payload: Option<&'a [u8]>,
}

impl Reader {
    fn read(&mut self, data: &[u8]) {
        let mut position: usize = 0;
        while let Some(rest) = data.get(position..).filter(|rest| !rest.is_empty()) {
            let Some((packet, _)) = rest.split_first_chunk::<PACKET_BYTES>() else {
                self.facts
                    .faults
                    .add(position, format!("{} bytes are no whole packet", rest.len()));
                return;
            };
            let Some(next) = self.synchronized(packet, rest, position) else { return };
            if next == 0 {
                self.read_packet(packet, position);
                position = position.saturating_add(PACKET_BYTES);
            } else {
                position = position.saturating_add(next);
            }
        }
    }

    /// 0 where a packet starts here, else the bytes to the next place where one does; none where
    /// there is no more.
    fn synchronized(
        &mut self,
        packet: &[u8; PACKET_BYTES],
        rest: &[u8],
        position: usize,
    ) -> Option<usize> {
        if packet.first() == Some(&SYNC_BYTE) {
            return Some(0);
        }
        self.facts.faults.add(position, "no sync byte where a packet should start");
        self.facts.starts_with_tables &= self.tables_are_complete;
        // Two sync bytes a packet apart: one alone is often payload.
        let is_sync = |at: &usize| {
            let second = rest.get(at.saturating_add(PACKET_BYTES));
            rest.get(*at) == Some(&SYNC_BYTE) && second.is_none_or(|byte| *byte == SYNC_BYTE)
        };
        (1..rest.len()).find(is_sync)
    }

    fn read_packet(&mut self, bytes: &[u8; PACKET_BYTES], position: usize) {
        let packet = match Packet::parse(bytes, position) {
            Ok(packet) => packet,
            Err(what) => return self.facts.faults.add(position, what),
        };
        if packet.pid == NULL_PID {
            return;
        }
        if !self.is_continuous(&packet) {
            return;
        }
        self.read_pcr(&packet);
        let Some(payload) = packet.payload else { return };
        if packet.pid == PAT_PID {
            self.read_pat(&packet, payload);
        } else if Some(packet.pid) == self.pmt_pid {
            self.read_pmt(&packet, payload);
        } else {
            // Other tables, such as the SDT that ffmpeg puts first, are in nobody's way.
            let is_table = packet.pid <= LAST_TABLE_PID;
            self.facts.starts_with_tables &= self.tables_are_complete || is_table;
            self.read_stream(&packet, payload);
        }
    }

    /// Follows the continuity counter; false for a packet that is sent twice (13818-1 2.4.3.3).
    fn is_continuous(&mut self, packet: &Packet<'_>) -> bool {
        let has_payload = packet.payload.is_some();
        let Some(known) = self.facts.counters.get_mut(&packet.pid) else {
            let counter = Counter {
                first: packet.counter,
                first_has_payload: has_payload,
                first_is_free: packet.discontinuity,
                last: packet.counter,
            };
            self.facts.counters.insert(packet.pid, counter);
            return true;
        };
        let expected = next_counter(known.last, has_payload);
        let is_repeated = has_payload && packet.counter == known.last;
        let last = std::mem::replace(&mut known.last, packet.counter);
        if packet.counter != expected && !packet.discontinuity && !is_repeated {
            let what = format!(
                "PID {:#x}: counter {} after {last}, expected {expected}",
                packet.pid, packet.counter
            );
            self.facts.continuity_faults.add(packet.position, what);
        }
        !is_repeated
    }

    fn read_pcr(&mut self, packet: &Packet<'_>) {
        let is_clock =
            self.facts.program.as_ref().is_none_or(|program| program.pcr_pid == packet.pid);
        let Some(raw) = packet.pcr.filter(|_| is_clock) else { return };
        let pcr = self.unwrap(raw);
        let facts = &mut self.facts.pcr;
        facts.count = facts.count.saturating_add(1);
        if let Some(last) = self.last_pcr.filter(|_| !packet.discontinuity) {
            let step = time::secs(last, pcr);
            if step <= 0.0 {
                facts.backward_steps = facts.backward_steps.saturating_add(1);
            }
            facts.largest_step_secs = facts.largest_step_secs.max(step);
        }
        self.last_pcr = Some(pcr);
    }

    fn read_pat(&mut self, packet: &Packet<'_>, payload: &[u8]) {
        let (faults, pmt_pid) = (&mut self.facts.table_faults, &mut self.pmt_pid);
        self.pat.push(payload, packet.unit_start, |section| match section.map(psi::pmt_pid) {
            Ok(Some(pid)) => *pmt_pid = Some(pid),
            Ok(None) => faults.add(packet.position, "the PAT lists no program"),
            Err(what) => faults.add(packet.position, format!("PAT: {what}")),
        });
    }

    fn read_pmt(&mut self, packet: &Packet<'_>, payload: &[u8]) {
        let (faults, program) = (&mut self.facts.table_faults, &mut self.facts.program);
        self.pmt.push(payload, packet.unit_start, |section| match section.map(psi::program) {
            Ok(Some(table)) => *program = Some(table),
            Ok(None) => faults.add(packet.position, "the PMT cannot be read"),
            Err(what) => faults.add(packet.position, format!("PMT: {what}")),
        });
        if let Some(program) = &self.facts.program {
            self.tables_are_complete = true;
            let pid_of = |kind| {
                program.streams.iter().find(|(known, _)| *known == kind).map(|(_, pid)| *pid)
            };
            self.video.pid = self.video.pid.or_else(|| pid_of(STREAM_TYPE_H264));
            self.audio.pid = self.audio.pid.or_else(|| pid_of(STREAM_TYPE_ADTS));
        }
    }

    fn read_stream(&mut self, packet: &Packet<'_>, payload: &[u8]) {
        let track = match Some(packet.pid) {
            pid if pid == self.video.pid => &mut self.video,
            pid if pid == self.audio.pid => &mut self.audio,
            _ => return,
        };
        if packet.unit_start {
            track.finish_packet(&mut self.facts.faults);
            let (position, clock) = (packet.position, self.last_pcr);
            track.open = Some(OpenPacket { position, clock, bytes: Vec::new() });
        }
        if let Some(open) = &mut track.open {
            open.bytes.extend_from_slice(payload);
        }
    }

    fn finish(mut self) -> SegmentFacts {
        self.video.finish_packet(&mut self.facts.faults);
        self.video.give_ends_back();
        self.audio.finish_packet(&mut self.facts.faults);
        self.facts.starts_with_tables &= self.tables_are_complete;
        let clock = self.video.units.iter().chain(&self.audio.units).find_map(|unit| unit.clock);
        let mut last = self.near.or(clock);
        let mut unwrap = |raw: u64| {
            let time = time::unwrap33(raw, last);
            last = Some(time);
            time
        };
        for unit in &self.video.units {
            let access_unit = AccessUnit {
                pts: unit.pts.map(&mut unwrap),
                dts: unit.dts.map(&mut unwrap),
                annexb: unit.payload.clone(),
            };
            self.facts.pcr.take_lead(unit.clock, access_unit.dts.or(access_unit.pts));
            self.facts.access_units.push(access_unit);
        }
        self.facts.video = video::read(&self.facts.access_units);
        let (mut stream, mut marks) = (Vec::new(), Vec::new());
        for unit in &self.audio.units {
            if let Some(pts) = unit.pts.map(&mut unwrap) {
                marks.push((stream.len(), pts));
                self.facts.pcr.take_lead(unit.clock, Some(pts));
            }
            stream.extend_from_slice(&unit.payload);
        }
        self.facts.audio = audio::read(&stream, &marks, &mut self.facts.faults);
        self.facts
    }

    fn unwrap(&self, raw: u64) -> Timestamp {
        time::unwrap33(raw, self.last_pcr.or(self.near))
    }
}

/// Where the first access unit delimiter begins, with its start code.
fn delimiter(payload: &[u8]) -> Option<usize> {
    let at = payload
        .windows(4)
        .position(|window| matches!(window, [0, 0, 1, kind] if kind & 0x1f == 9))?;
    let has_zero_byte = at.checked_sub(1).and_then(|before| payload.get(before)) == Some(&0);
    Some(if has_zero_byte { at.saturating_sub(1) } else { at })
}

impl Track {
    /// A PES packet of video may begin with the end of the picture before: its times are those of
    /// the picture that begins in it (13818-1 2.4.3.7).
    fn give_ends_back(&mut self) {
        for place in 1..self.units.len() {
            let (before, units) = self.units.split_at_mut(place);
            let (Some(before), Some(unit)) = (before.last_mut(), units.first_mut()) else {
                continue;
            };
            if let Some(at) = delimiter(&unit.payload).filter(|at| *at > 0) {
                let end = unit.payload.split_to(at);
                before.payload = [&before.payload[..], &end[..]].concat().into();
            }
        }
    }

    fn finish_packet(&mut self, faults: &mut Faults) {
        let Some(OpenPacket { position, clock, bytes }) = self.open.take() else { return };
        let bytes = Bytes::from(bytes);
        let header = match pes::parse(&bytes) {
            Ok(header) => header,
            Err(what) => return faults.add(position, what),
        };
        let mut payload = bytes.slice(header.header_bytes.min(bytes.len())..);
        if let Some(stated) = header.stated_payload {
            if payload.len() < stated {
                let what = format!("a PES packet states {stated} bytes and has {}", payload.len());
                faults.add(position, what);
            }
            payload.truncate(stated);
        }
        self.units.push(Unit { pts: header.pts, dts: header.dts, clock, payload });
    }
}

impl<'a> Packet<'a> {
    fn parse(bytes: &'a [u8; PACKET_BYTES], position: usize) -> Result<Self, &'static str> {
        let (&[_, high, low, control], rest) =
            bytes.split_first_chunk::<4>().ok_or("a packet without a header")?;
        if high & 0x80 != 0 {
            return Err("the transport_error_indicator is set");
        }
        let mut packet = Packet {
            position,
            pid: u16::from_be_bytes([high & 0x1f, low]),
            unit_start: high & 0x40 != 0,
            counter: control & 0x0f,
            discontinuity: false,
            pcr: None,
            payload: None,
        };
        let mut payload = rest;
        if control & 0x20 != 0 {
            let (&length, rest) = rest.split_first().ok_or("a packet without a header")?;
            let (field, rest) = rest
                .split_at_checked(length.into())
                .ok_or("an adaptation field is longer than its packet")?;
            packet.read_adaptation_field(field)?;
            payload = rest;
        }
        packet.payload = (control & 0x10 != 0).then_some(payload);
        Ok(packet)
    }

    fn read_adaptation_field(&mut self, field: &[u8]) -> Result<(), &'static str> {
        let Some((&flags, rest)) = field.split_first() else { return Ok(()) };
        self.discontinuity = flags & 0x80 != 0;
        if flags & 0x10 != 0 {
            let (&[a, b, c, d, e, _], _) = rest
                .split_first_chunk::<6>()
                .ok_or("an adaptation field has no room for its PCR")?;
            let [a, b, c, d, e] = [a, b, c, d, e].map(u64::from);
            // The extension counts 27 MHz within a 90 kHz tick: nothing here is as fine as that.
            self.pcr = Some(a << 25 | b << 17 | c << 9 | d << 1 | e >> 7);
        }
        Ok(())
    }
}

/// The counter that follows: it only counts packets with a payload.
pub(crate) fn next_counter(last: u8, has_payload: bool) -> u8 {
    last.wrapping_add(u8::from(has_payload)) & 0x0f
}

#[cfg(test)]
mod tests {
    use mpegts::{Muxer, Tracks};

    use super::*;

    /// Two seconds of 4 pictures and 94 audio frames, from our muxer.
    fn segment() -> Vec<u8> {
        let mut muxer = Muxer::new(Tracks { video: true, audio: true });
        let mut out = Vec::new();
        muxer.start_segment(&mut out);
        let config = aac::AudioSpecificConfig::parse(&[0x11, 0x90]).unwrap();
        let mut adts = aac::adts_header(&config, 100).unwrap().to_vec();
        adts.resize(107, 0xaa);
        for picture in 0..4_i64 {
            let time = Timestamp::from_ticks(picture * 45_000);
            let idr = picture == 0;
            let sets: &[&[u8]] = if idr { &[&[0x67, 0x42], &[0x68, 0xce]] } else { &[] };
            let slice = [vec![if idr { 0x65 } else { 0x41 }, 0x88], vec![0x55; 500]].concat();
            let (sets, units) = (sets.iter().copied(), [&slice[..]].into_iter());
            muxer.write_video(time, time, idr, sets, units, &mut out);
            for frame in 0..23 {
                let pts = Timestamp::from_ticks(picture * 45_000 + frame * 1920);
                muxer.write_audio(pts, &adts, &mut out);
            }
        }
        out
    }

    fn read(data: Vec<u8>) -> SegmentFacts {
        read_segment(&Bytes::from(data), None)
    }

    #[test]
    fn a_good_segment_has_no_faults() {
        let facts = read(segment());
        assert!(facts.faults.is_empty(), "{:?}", facts.faults);
        assert!(facts.table_faults.is_empty() && facts.continuity_faults.is_empty());
        assert!(facts.starts_with_tables);
        let video = facts.video.unwrap();
        assert_eq!(video.pictures, 4);
        assert!(video.starts_with_idr && video.starts_with_parameter_sets);
        assert_eq!(facts.audio.unwrap().frames, 92);
        assert_eq!(facts.pcr.backward_steps, 0);
        let (least, most) = facts.pcr.lead_secs.unwrap();
        assert!(least > 0.0 && most < 1.5, "{least} {most}");
    }

    #[test]
    fn s2_4_3_3_counters() {
        let mut lost = segment();
        lost.drain(188 * 4..188 * 5);
        assert_eq!(read(lost).continuity_faults.total, 1, "a lost packet");
        let mut twice = segment();
        let again = twice[188 * 4..188 * 5].to_vec();
        twice.splice(188 * 4..188 * 4, again);
        let facts = read(twice);
        assert!(facts.continuity_faults.is_empty(), "{:?}", facts.continuity_faults);
        assert!(facts.faults.is_empty(), "a packet may be sent twice");
    }

    #[test]
    fn s2_4_3_2_sync_is_found_again() {
        let mut data = segment();
        data.splice(188 * 3..188 * 3, [0x47, 1, 2]);
        assert_eq!(read(data).faults.first[0].position, 188 * 3 + 188);
        let mut data = segment();
        data.truncate(data.len() - 7);
        let faults = read(data).faults;
        assert_eq!(faults.first[0].what, "181 bytes are no whole packet");
        assert_eq!(read(vec![0; 1000]).faults.total, 1);
    }

    #[test]
    fn s2_4_3_3_transport_errors_and_long_adaptation_fields() {
        let mut data = segment();
        data[188 * 3 + 1] |= 0x80;
        data[188 * 5 + 3] |= 0x30;
        data[188 * 5 + 4] = 184;
        let faults = read(data).faults;
        let faults: Vec<_> = faults.first.iter().map(|fault| fault.what.as_str()).collect();
        assert!(faults.contains(&"the transport_error_indicator is set"), "{faults:?}");
        assert!(faults.contains(&"an adaptation field is longer than its packet"), "{faults:?}");
    }

    #[test]
    fn tables_that_are_not_first() {
        let mut data = segment();
        let tables: Vec<u8> = data.drain(..376).collect();
        data.splice(188 * 3..188 * 3, tables);
        assert!(!read(data).starts_with_tables);
        assert!(!read(segment().split_off(376)).starts_with_tables);
        assert!(!read(Vec::new()).starts_with_tables);
    }
}
