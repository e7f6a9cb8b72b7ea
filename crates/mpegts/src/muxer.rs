//! The muxer: samples in, packets out.

use media::Timestamp;

use crate::clock::{PCR_LEAD, PcrSchedule, pcr_base};
use crate::packet::{
    Adaptation, PACKET_BYTES, PacketWriter, Pid, packets_for, rest_behind_packets, write_section,
};
use crate::pes::{AUDIO_STREAM_ID, MAX_STATED_PAYLOAD, PesHeader, VIDEO_STREAM_ID};
use crate::psi::{self, STREAM_TYPE_ADTS, STREAM_TYPE_H264};

const PAT_PID: u16 = 0;
const PMT_PID: u16 = 0x1000;
const VIDEO_PID: u16 = 0x100;
const AUDIO_PID: u16 = 0x101;
/// "No PCR" in a PMT (13818-1 2.4.4.9).
const NO_PCR_PID: u16 = 0x1fff;

/// Access unit delimiter that allows every slice type, with its start code (14496-10 7.3.2.4).
const ACCESS_UNIT_DELIMITER: [u8; 6] = [0, 0, 0, 1, 9, 0xf0];
/// The start code of parameter sets: Annex B wants the `zero_byte` in front of them.
const LONG_START_CODE: &[u8] = &[0, 0, 0, 1];
const START_CODE: &[u8] = &[0, 0, 1];

/// Bytes of a PES header with both timestamps, and of an adaptation field with a PCR in front of
/// it.
const MAX_OVERHEAD_BYTES: usize = 19 + 8;

/// What [`Muxer::write_video`] writes at most for this many NAL units, parameter sets among them,
/// of this many bytes together.
#[must_use]
pub const fn max_video_bytes(nal_units: usize, bytes: usize) -> usize {
    let start_codes = nal_units * LONG_START_CODE.len();
    let payload = ACCESS_UNIT_DELIMITER.len() + start_codes + bytes;
    packets_for(payload, MAX_OVERHEAD_BYTES) * PACKET_BYTES
}

/// What [`Muxer::write_audio`] writes at most for this many bytes of ADTS frames.
#[must_use]
pub const fn max_audio_bytes(adts_bytes: usize) -> usize {
    let pes_packets = 1 + adts_bytes / MAX_STATED_PAYLOAD;
    // Each has a header, and a last packet that is not full.
    (packets_for(adts_bytes, 0) + 2 * pes_packets) * PACKET_BYTES
}

/// The elementary streams that the PMT lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracks {
    /// H.264 on PID 0x100.
    pub video: bool,
    /// AAC in ADTS on PID 0x101.
    pub audio: bool,
}

impl Tracks {
    fn pcr_pid(self) -> u16 {
        match (self.video, self.audio) {
            (true, _) => VIDEO_PID,
            (false, true) => AUDIO_PID,
            (false, false) => NO_PCR_PID,
        }
    }

    fn streams(self) -> impl Iterator<Item = (u8, u16)> {
        let video = self.video.then_some((STREAM_TYPE_H264, VIDEO_PID));
        let audio = self.audio.then_some((STREAM_TYPE_ADTS, AUDIO_PID));
        video.into_iter().chain(audio)
    }
}

/// Where the continuity counters of the elementary streams stand between two segments, 0 to 15
/// each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Continuity {
    /// The counter of the next video packet.
    pub video: u8,
    /// The counter of the next audio packet.
    pub audio: u8,
}

/// Where the PES packets of the video begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Packing {
    /// Each holds one access unit, and its last TS packet is stuffed: half a packet a picture.
    #[default]
    Aligned,
    /// The end of a picture that would not fill a TS packet stands in front of the next picture, in
    /// its PES packet, whose times are those of the picture that begins in it (13818-1 2.4.3.7).
    Dense,
}

/// What makes the packets of a segment those of this one and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentStart {
    /// The segment's number: PAT and PMT, one packet each in a segment, are counted by it.
    pub sequence: u64,
    /// `version_number` of the PMT, of which the lowest 5 bits count: another one where the tracks
    /// are others.
    pub pmt_version: u64,
    /// What the program consists of.
    pub tracks: Tracks,
    /// Where the segment before this one left the counters. None where that is not known, because
    /// it was not made, or not yet: then the first packet of each elementary stream says that its
    /// counter does not go on (`discontinuity_indicator`, 13818-1 2.4.3.5).
    pub continuity: Option<Continuity>,
    /// Where the PES packets of the video begin.
    pub packing: Packing,
}

/// Muxes one rendition's samples into the packets of its segments.
///
/// One muxer may make segments one after the other, so that continuity counters and the clock go on
/// over them, or a single one ([`Muxer::for_segment`]). Timestamps are shifted by 1.4 s on the wire
/// and wrap at 33 bits there; the PCR is 0.7 s below the DTS it comes with.
#[derive(Debug)]
pub struct Muxer {
    tracks: Tracks,
    /// `version_number` of the PMT, 0 to 31, wrapping.
    pmt_version: u8,
    pat: Pid,
    pmt: Pid,
    video: Pid,
    audio: Pid,
    pcr: PcrSchedule,
    /// The next PCR belongs to a new time base.
    discontinuity: bool,
    /// The next audio packet does not go on from the one before it.
    audio_breaks: bool,
    packing: Packing,
    /// The end of the newest picture, which did not fill a packet, and its decoding time.
    held: Vec<u8>,
    held_since: Timestamp,
}

impl Muxer {
    /// A muxer for a program with these tracks.
    #[must_use]
    pub fn new(tracks: Tracks) -> Self {
        Self {
            tracks,
            pmt_version: 0,
            pat: Pid::new(PAT_PID),
            pmt: Pid::new(PMT_PID),
            video: Pid::new(VIDEO_PID),
            audio: Pid::new(AUDIO_PID),
            pcr: PcrSchedule::default(),
            discontinuity: false,
            audio_breaks: false,
            packing: Packing::Aligned,
            held: Vec::new(),
            held_since: Timestamp::ZERO,
        }
    }

    /// A muxer for one segment: what it writes depends on nothing but the segment and its samples.
    #[must_use]
    pub fn for_segment(start: SegmentStart) -> Self {
        let counter = (start.sequence & 0x0f) as u8;
        let continuity = start.continuity.unwrap_or(Continuity { video: 0, audio: 0 });
        Self {
            pmt_version: (start.pmt_version & 0x1f) as u8,
            pat: Pid::counting_from(PAT_PID, counter),
            pmt: Pid::counting_from(PMT_PID, counter),
            video: Pid::counting_from(VIDEO_PID, continuity.video),
            audio: Pid::counting_from(AUDIO_PID, continuity.audio),
            discontinuity: start.continuity.is_none(),
            audio_breaks: start.continuity.is_none(),
            packing: start.packing,
            ..Self::new(start.tracks)
        }
    }

    /// Where the counters stand now; None where an elementary stream that was to say that its
    /// counter does not go on has had no packet to say it in.
    #[must_use]
    pub fn continuity(&self) -> Option<Continuity> {
        let audio_is_to_say = self.audio_breaks && self.tracks.audio;
        let is_said = !self.discontinuity && !audio_is_to_say;
        let continuity =
            Continuity { video: self.video.next_counter(), audio: self.audio.next_counter() };
        is_said.then_some(continuity)
    }

    /// Changes the tracks from the next segment on. Other tracks than before mean a new PMT
    /// version.
    pub fn set_tracks(&mut self, tracks: Tracks) {
        if tracks != self.tracks {
            self.tracks = tracks;
            self.pmt_version = (self.pmt_version + 1) & 0x1f;
        }
    }

    /// Announces that timestamps jump: the next PCR gets the `discontinuity_indicator` (13818-1
    /// 2.4.3.5), and the next audio packet.
    ///
    /// To be called before the [`start_segment`](Self::start_segment) of the first segment after
    /// the jump, which has `EXT-X-DISCONTINUITY` in its playlist.
    pub fn discontinuity(&mut self) {
        self.discontinuity = true;
        // Audio may join here, after segments that had no packet to say that its counter breaks.
        self.audio_breaks = true;
    }

    /// Starts a segment: PAT and PMT (RFC 8216 section 3.2). The first picture after it carries a
    /// PCR. One of [`Packing::Dense`] before it has to be [finished](Self::finish_segment).
    pub fn start_segment(&mut self, out: &mut Vec<u8>) {
        // What is held belongs in front of these, in the segment before.
        debug_assert!(self.held.is_empty(), "the segment before has not been finished");
        write_section(&mut self.pat, psi::pat(PMT_PID).as_slice(), out);
        let pmt = psi::pmt(self.pmt_version, self.tracks.pcr_pid(), self.tracks.streams());
        write_section(&mut self.pmt, pmt.as_slice(), out);
        self.pcr.restart();
    }

    /// Writes one picture: access unit delimiter, parameter sets, then the other NAL units. With
    /// [`Packing::Aligned`] it is one PES packet; with [`Packing::Dense`] its end may be held back
    /// and come with the next picture.
    ///
    /// `dts` never falls between discontinuities and is not above `pts`. `parameter_sets` (SPS
    /// first, then PPS) are for random access points, `nal_units` without delimiters; empty NAL
    /// units are skipped. The PCR comes with the picture where one is due (13818-1 2.7.2: every
    /// 100 ms, though no packet is written for it alone), and with [`Packing::Aligned`] where it
    /// costs nothing.
    pub fn write_video<'a>(
        &mut self,
        pts: Timestamp,
        dts: Timestamp,
        random_access: bool,
        parameter_sets: impl Iterator<Item = &'a [u8]> + Clone,
        nal_units: impl Iterator<Item = &'a [u8]> + Clone,
        out: &mut Vec<u8>,
    ) {
        let pieces = access_unit(parameter_sets, nal_units);
        if self.packing == Packing::Dense {
            return self.write_dense(pts, dts, random_access, pieces, out);
        }
        let payload: usize = pieces.clone().map(<[u8]>::len).sum();
        let header = PesHeader::new(VIDEO_STREAM_ID, pts, dts, payload);
        let total = header.as_slice().len() + payload;
        let adaptation = self.adaptation(VIDEO_PID, dts, random_access, total);
        let mut writer = PacketWriter::new(&mut self.video, adaptation, total, out);
        writer.write(header.as_slice());
        pieces.for_each(|piece| writer.write(piece));
    }

    /// Ends a segment of [`Packing::Dense`]: writes what is held of its last picture.
    pub fn finish_segment(&mut self, out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        PacketWriter::of_rest(&mut self.video, held.len(), out).write(&held);
    }

    fn write_dense<'a>(
        &mut self,
        pts: Timestamp,
        dts: Timestamp,
        random_access: bool,
        pieces: impl Iterator<Item = &'a [u8]> + Clone,
        out: &mut Vec<u8>,
    ) {
        // Who begins here has no use for it, and it must not come late.
        if random_access || dts - self.held_since >= PCR_LEAD {
            self.finish_segment(out);
        }
        let held = std::mem::take(&mut self.held);
        let header = PesHeader::unstated(pts, dts, held.is_empty());
        let payload: usize = pieces.clone().map(<[u8]>::len).sum();
        let total = header.as_slice().len() + held.len() + payload;
        let adaptation = self.adaptation(VIDEO_PID, dts, random_access, total);
        let rest = rest_behind_packets(total, adaptation.bytes());
        // The picture begins in its own PES packet, and one to begin with is whole in it.
        let is_whole = random_access || rest + ACCESS_UNIT_DELIMITER.len() > payload;
        let over = if is_whole { 0 } else { rest };
        let mut room = total - over;
        let mut writer = PacketWriter::new(&mut self.video, adaptation, room, out);
        let mut rest = Vec::with_capacity(over);
        let mut write = |piece: &[u8]| {
            let (now, later) = piece.split_at(piece.len().min(room));
            writer.write(now);
            room -= now.len();
            rest.extend_from_slice(later);
        };
        write(header.as_slice());
        write(&held);
        pieces.for_each(write);
        self.held = rest;
        self.held_since = dts;
    }

    /// Writes one or several whole ADTS frames as one PES packet; `pts` is that of the first.
    ///
    /// One PES packet costs 14 bytes and, on average, half a packet of stuffing, so frames should
    /// come in groups; a group must not be held back longer than the PCR's lead of 0.7 s, and may
    /// come before its time.
    pub fn write_audio(&mut self, pts: Timestamp, adts: &[u8], out: &mut Vec<u8>) {
        let (first, rest) = adts.split_at(adts.len().min(MAX_STATED_PAYLOAD));
        let header = PesHeader::new(AUDIO_STREAM_ID, pts, pts, first.len());
        let total = header.as_slice().len() + first.len();
        let adaptation = self.adaptation(AUDIO_PID, pts, true, total);
        self.write_audio_pes(adaptation, &header, first, out);
        // Audio has to state its length in 16 bits; what is over goes on in packets without a time.
        for piece in rest.chunks(MAX_STATED_PAYLOAD) {
            let header = PesHeader::untimed(AUDIO_STREAM_ID, piece.len());
            self.write_audio_pes(Adaptation::default(), &header, piece, out);
        }
    }

    fn write_audio_pes(
        &mut self,
        adaptation: Adaptation,
        header: &PesHeader,
        data: &[u8],
        out: &mut Vec<u8>,
    ) {
        let total = header.as_slice().len() + data.len();
        let mut writer = PacketWriter::new(&mut self.audio, adaptation, total, out);
        writer.write(header.as_slice());
        writer.write(data);
    }

    /// The adaptation field for a PES packet of `total` bytes: nothing, unless the PID carries the
    /// clock.
    fn adaptation(
        &mut self,
        pid: u16,
        dts: Timestamp,
        random_access: bool,
        total: usize,
    ) -> Adaptation {
        let breaks = pid == AUDIO_PID && std::mem::take(&mut self.audio_breaks);
        if pid != self.tracks.pcr_pid() {
            return Adaptation { discontinuity: breaks, ..Adaptation::default() };
        }
        let discontinuity = std::mem::take(&mut self.discontinuity) || breaks;
        let plain = Adaptation {
            random_access: random_access && pid == VIDEO_PID,
            ..Adaptation::default()
        };
        let timed = Adaptation { random_access, pcr_base: Some(pcr_base(dts)), discontinuity };
        let is_free = match self.packing {
            Packing::Aligned => {
                packets_for(total, timed.bytes()) == packets_for(total, plain.bytes())
            }
            Packing::Dense => false,
        };
        let with_pcr =
            is_free || discontinuity || random_access && pid == VIDEO_PID || self.pcr.is_due(dts);
        self.pcr.wrote(dts, with_pcr);
        if with_pcr { timed } else { plain }
    }
}

/// A picture in Annex B form: start codes and NAL units as pieces, in order.
fn access_unit<'a>(
    parameter_sets: impl Iterator<Item = &'a [u8]> + Clone,
    nal_units: impl Iterator<Item = &'a [u8]> + Clone,
) -> impl Iterator<Item = &'a [u8]> + Clone {
    let parameter_sets = parameter_sets.map(|unit| (LONG_START_CODE, unit));
    let nal_units = nal_units.map(|unit| (START_CODE, unit));
    let framed = parameter_sets.chain(nal_units).filter(|(_, unit)| !unit.is_empty());
    std::iter::once(&ACCESS_UNIT_DELIMITER[..])
        .chain(framed.flat_map(|(start_code, unit)| [start_code, unit]))
}
