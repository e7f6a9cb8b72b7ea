//! What a muxed stream must be: the property that the fuzz target and the property tests share.

use media::{Duration, Timestamp};

use super::oracle::{Pes, Stream, demux};
use super::{Muxer, PACKET_BYTES, Tracks, max_audio_bytes, max_video_bytes};

const CLOCK_33_BITS: i64 = 1 << 33;
/// Shift of every timestamp on the wire and lead of the PCR, in ticks, said again: this is a
/// contract.
const SHIFT: i64 = 126_000;
const PCR_LEAD: i64 = 63_000;
const MAX_PCR_INTERVAL: i64 = 9_000;

/// One call of the muxer.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    StartSegment,
    /// A jump of the time base, then a segment.
    Discontinuity {
        jump: i64,
    },
    SetTracks(bool, bool),
    Video {
        after: u32,
        composition: u32,
        random_access: bool,
        parameter_sets: Vec<Vec<u8>>,
        nal_units: Vec<Vec<u8>>,
    },
    Audio {
        after: u32,
        adts: Vec<u8>,
    },
}

/// Muxes `ops` from time `start` on and checks what the demuxer makes of it. Samples without a
/// track are left out.
pub(crate) fn check(start: i64, tracks: Tracks, ops: &[Op]) {
    let mut run = Run::new(start, tracks);
    for op in ops {
        let written = run.ts.len();
        run.apply(op);
        let written = run.ts.len() - written;
        assert!(written <= most_bytes(op), "{written} bytes of {op:?}");
    }
    let stream = demux(&run.ts);
    assert_eq!(stream.continuity_errors, 0);
    check_program(run.tracks, &stream);
    check_clock(&run.expected, &stream);
    check_samples(&run.expected, &stream);
}

/// What a call may write: as many bytes as it was given, and a little.
fn most_bytes(op: &Op) -> usize {
    match op {
        Op::StartSegment | Op::Discontinuity { .. } | Op::SetTracks(..) => 2 * PACKET_BYTES,
        Op::Video { parameter_sets, nal_units, .. } => {
            let units = parameter_sets.iter().chain(nal_units);
            max_video_bytes(units.clone().count(), units.map(Vec::len).sum())
        }
        Op::Audio { adts, .. } => max_audio_bytes(adts.len()),
    }
}

/// A PES packet that must come out.
struct Expected {
    pid: u16,
    pts: i64,
    dts: i64,
    carries_clock: bool,
    first_of_segment: bool,
    time_base_jumped: bool,
    counter_may_break: bool,
    random_access: bool,
    data: Vec<u8>,
}

struct Run {
    muxer: Muxer,
    tracks: Tracks,
    now: Timestamp,
    first_of_segment: bool,
    time_base_jumped: bool,
    audio_may_break: bool,
    ts: Vec<u8>,
    expected: Vec<Expected>,
}

impl Run {
    fn new(start: i64, tracks: Tracks) -> Self {
        let mut muxer = Muxer::new(tracks);
        let mut ts = Vec::new();
        muxer.start_segment(&mut ts);
        let now = Timestamp::from_ticks(start);
        Self {
            muxer,
            tracks,
            now,
            first_of_segment: true,
            time_base_jumped: false,
            audio_may_break: false,
            ts,
            expected: Vec::new(),
        }
    }

    fn start_segment(&mut self) {
        self.muxer.start_segment(&mut self.ts);
        self.first_of_segment = true;
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::StartSegment => self.start_segment(),
            Op::Discontinuity { jump } => {
                self.muxer.discontinuity();
                self.now += Duration::from_ticks(*jump);
                self.time_base_jumped = true;
                self.audio_may_break = true;
                self.start_segment();
            }
            Op::SetTracks(video, audio) => {
                self.tracks = Tracks { video: *video, audio: *audio };
                self.muxer.set_tracks(self.tracks);
                self.start_segment();
            }
            Op::Video { after, composition, random_access, parameter_sets, nal_units }
                if self.tracks.video =>
            {
                self.now += Duration::from_ticks(i64::from(*after));
                let pts = self.now + Duration::from_ticks(i64::from(*composition));
                self.expect(0x100, pts, *random_access, annex_b(parameter_sets, nal_units));
                let parameter_sets = parameter_sets.iter().map(Vec::as_slice);
                let nal_units = nal_units.iter().map(Vec::as_slice);
                self.muxer.write_video(
                    pts,
                    self.now,
                    *random_access,
                    parameter_sets,
                    nal_units,
                    &mut self.ts,
                );
            }
            Op::Audio { after, adts } if self.tracks.audio => {
                if !self.tracks.video {
                    self.now += Duration::from_ticks(i64::from(*after));
                }
                self.expect(0x101, self.now, false, adts.clone());
                self.muxer.write_audio(self.now, adts, &mut self.ts);
            }
            Op::Video { .. } | Op::Audio { .. } => {}
        }
    }

    fn expect(&mut self, pid: u16, pts: Timestamp, random_access: bool, data: Vec<u8>) {
        let carries_clock = pid == 0x100 || !self.tracks.video;
        self.expected.push(Expected {
            pid,
            pts: pts.ticks(),
            dts: self.now.ticks(),
            carries_clock,
            first_of_segment: carries_clock && std::mem::take(&mut self.first_of_segment),
            time_base_jumped: carries_clock && std::mem::take(&mut self.time_base_jumped),
            counter_may_break: pid == 0x101 && std::mem::take(&mut self.audio_may_break),
            random_access,
            data,
        });
    }
}

fn annex_b(parameter_sets: &[Vec<u8>], nal_units: &[Vec<u8>]) -> Vec<u8> {
    let mut data = vec![0, 0, 0, 1, 0x09, 0xf0];
    for unit in parameter_sets.iter().filter(|unit| !unit.is_empty()) {
        data.extend_from_slice(&[0, 0, 0, 1]);
        data.extend_from_slice(unit);
    }
    for unit in nal_units.iter().filter(|unit| !unit.is_empty()) {
        data.extend_from_slice(&[0, 0, 1]);
        data.extend_from_slice(unit);
    }
    data
}

/// The last PMT lists the tracks and says where the clock is.
fn check_program(tracks: Tracks, stream: &Stream) {
    let listed = [tracks.video.then_some((0x1b, 0x100)), tracks.audio.then_some((0x0f, 0x101))];
    let listed: Vec<(u8, u16)> = listed.into_iter().flatten().collect();
    // The demuxer tells of no program without streams.
    if !listed.is_empty() {
        assert_eq!(stream.programs.last(), Some(&listed));
        assert_eq!(stream.pcr_pid, listed.first().map(|(_, pid)| *pid));
    }
}

/// Every sample comes out once, in order, with its times, and states its length if it can.
fn check_samples(expected: &[Expected], stream: &Stream) {
    let mut found = stream.pes.iter().peekable();
    for sample in expected {
        let pes = found.next().expect("a PES packet for each sample");
        assert_eq!(pes.pid, sample.pid);
        assert_eq!(pes.pts, Some(on_wire(sample.pts)));
        assert_eq!(pes.dts, (sample.pts != sample.dts).then(|| on_wire(sample.dts)));
        let mut data = pes.data.clone();
        check_length(pes);
        // Audio that does not fit one PES packet goes on in untimed ones.
        while let Some(more) = found.next_if(|more| more.pts.is_none()) {
            check_length(more);
            assert_eq!(more.pid, 0x101);
            data.extend_from_slice(&more.data);
        }
        assert!(data == sample.data, "{} bytes out, {} in", data.len(), sample.data.len());
    }
    assert_eq!(found.next(), None);
}

fn check_length(pes: &Pes) {
    let timestamps = usize::from(pes.pts.is_some()) + usize::from(pes.dts.is_some());
    let length = 3 + 5 * timestamps + pes.data.len();
    assert_eq!(pes.stated_length, (length <= 0xffff).then_some(length), "PES_packet_length");
    assert!(pes.stated_length.is_some() || pes.pid == 0x100, "audio states its length");
}

/// The clock starts with each segment, leads the DTS by its constant, and is not seldom without
/// need.
fn check_clock(expected: &[Expected], stream: &Stream) {
    let timed: Vec<&Pes> = stream.pes.iter().filter(|pes| pes.pts.is_some()).collect();
    assert_eq!(timed.len(), expected.len());
    let (mut last_pcr, mut before_last) = (i64::MIN, i64::MIN);
    for (sample, pes) in expected.iter().zip(timed) {
        let needed = sample.first_of_segment || sample.time_base_jumped || sample.random_access;
        assert!(pes.pcr.is_some() || !needed, "no PCR where one is needed");
        assert_eq!(pes.discontinuity, sample.time_base_jumped || sample.counter_may_break);
        assert!(pes.pcr.is_none() || sample.carries_clock, "PCR on the wrong PID");
        assert!(pes.random_access || !sample.random_access);
        if let Some(pcr) = pes.pcr {
            assert_eq!(pcr, on_wire(sample.dts - PCR_LEAD) * 300);
        }
        if sample.carries_clock {
            let is_late = !sample.first_of_segment && sample.dts - last_pcr > MAX_PCR_INTERVAL;
            let is_steady =
                before_last != i64::MIN && sample.dts - last_pcr == sample.dts - before_last;
            assert!(pes.pcr.is_some() || !is_late || !is_steady, "PCR late");
            before_last = sample.dts;
            last_pcr = if pes.pcr.is_some() { sample.dts } else { last_pcr };
        }
    }
}

/// A time on the wire: shifted, 33 bits.
fn on_wire(ticks: i64) -> u64 {
    (ticks + SHIFT).rem_euclid(CLOCK_33_BITS) as u64
}
