//! Segments in a row: what the transport stream says of time, and whether it goes on from one to
//! the next.

use m3u8_rs::MediaSegment;

use crate::support::ts::{demux, first_pids};

const VIDEO_PID: u16 = 0x100;
const AUDIO_PID: u16 = 0x101;
const PMT_PID: u16 = 0x1000;
const WRAP: i64 = 1 << 33;
/// EXTINF and the times inside, both in whole milliseconds at best.
const MILLISECONDS_2: i64 = 180;
/// Times of sound are rounded to whole ticks, those of a publisher to milliseconds.
const ROUNDED: i64 = 180;
/// Between renditions a cut is the same picture, whose times are rounded apart at most.
const PICTURE: i64 = 3600;
/// From the end of one segment's sound to the next one's: one frame lost at most where a file
/// begins anew, of 22.05 kHz.
const LOST_AUDIO: i64 = 4200;

/// A run of segments without a discontinuity.
pub(crate) struct Run {
    kind: Kind,
    before: Option<Segment>,
    /// Segments whose first picture came late: a burst after a pause is more than the transcoder
    /// takes.
    pub(crate) late: usize,
    /// Segments whose counters begin anew without a discontinuity in the playlist.
    pub(crate) anew: usize,
}

/// Where the segments of a run come from, and so what must go on from one to the next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The source, which never suffers: times, counters, and no picture is missing.
    Source,
    /// One rendition: the same, but pictures may be missing, and where a segment was made before
    /// the one in front of it its counters begin anew, and say so.
    Rendition,
    /// Any renditions in turn: times.
    Variants,
}

/// What is kept of the segment before.
struct Segment {
    uri: String,
    duration_90k: i64,
    unix_ms: i64,
    /// Presentation time of its first picture, or where that should have been.
    start: i64,
    /// Nothing says where it should have been: it is the first of the run.
    is_first: bool,
    last_dts: i64,
    /// When its sound has been heard.
    audio_end: Option<i64>,
    /// Packets per PID, for continuity counters.
    last_packets: Vec<u8>,
}

impl Run {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, before: None, late: 0, anew: 0 }
    }

    /// A segment is missing: the next one follows nothing.
    pub(crate) fn restart(&mut self) {
        self.before = None;
    }

    /// The next segment; panics where it does not follow.
    pub(crate) fn go_on(&mut self, listed: &MediaSegment, data: &[u8], begins: bool) {
        let (mut segment, first_dts, first_audio) = read(listed, data);
        segment.is_first = begins || self.before.is_none();
        if let Some(before) = self.before.take().filter(|_| !begins) {
            self.follows_in_time(&before, &mut segment);
            if self.kind != Kind::Variants {
                follows_in_stream(&before, &segment, first_dts, first_audio);
                self.counters_go_on(&before, &segment, data);
            }
        }
        self.before = Some(segment);
    }

    fn counters_go_on(&mut self, before: &Segment, segment: &Segment, data: &[u8]) {
        let joined = [&before.last_packets[..], data].concat();
        let steps = counter_steps(&joined);
        let names = format!("{} then {}", before.uri, segment.uri);
        assert_eq!(steps.errors, 0, "{names}: continuity counters");
        assert!(
            steps.announced == 0 || self.kind == Kind::Rendition,
            "{names}: counters begin anew, though nothing was made out of turn"
        );
        self.anew += usize::from(steps.announced > 0);
    }

    /// EXTINF and PROGRAM-DATE-TIME of the one before lead to this one.
    fn follows_in_time(&mut self, before: &Segment, segment: &mut Segment) {
        let names = format!("{} then {}", before.uri, segment.uri);
        let tolerance = if self.kind == Kind::Variants { PICTURE } else { MILLISECONDS_2 };
        let start = (before.start + before.duration_90k).rem_euclid(WRAP);
        let off = since(start, segment.start);
        if off > tolerance && off < segment.duration_90k && self.kind != Kind::Source {
            self.late += 1;
            segment.start = start;
        } else if before.is_first
            && off < -tolerance
            && -off < before.duration_90k
            && self.kind != Kind::Source
        {
            // It was the one before that came late, and there was nothing to hold it against.
            self.late += 1;
        } else {
            assert!(off.abs() <= tolerance, "{names}: EXTINF is off by {off} ticks");
        }
        let clock = (segment.unix_ms - before.unix_ms) * 90;
        let off = clock - before.duration_90k;
        assert!(off.abs() <= tolerance, "{names}: the wall clock is off by {off} ticks");
    }
}

/// A segment, its first decoding time and its first audio time.
fn read(listed: &MediaSegment, data: &[u8]) -> (Segment, i64, Option<i64>) {
    let uri = &listed.uri;
    assert_eq!(first_pids(data, 2), [0, PMT_PID], "{uri} starts with PAT and PMT");
    let stream = demux(data);
    assert_eq!(stream.continuity_errors, 0, "{uri}");
    let of = |pid: u16| stream.pes.iter().filter(move |pes| pes.pid == pid);
    let pts = |pes: &crate::support::ts::Pes| pes.pts.expect("a PTS") as i64;
    let dts: Vec<i64> =
        of(VIDEO_PID).map(|pes| pes.dts.map_or_else(|| pts(pes), |dts| dts as i64)).collect();
    assert!(
        dts.windows(2).all(|pair| since(pair[0], pair[1]) > 0),
        "{uri}: decoding times {dts:?}"
    );
    let first = of(VIDEO_PID).next().unwrap_or_else(|| panic!("{uri} has no picture"));
    let audio: Vec<i64> = of(AUDIO_PID).map(pts).collect();
    assert!(audio.windows(2).all(|pair| since(pair[0], pair[1]) > 0), "{uri}: audio {audio:?}");
    let segment = Segment {
        uri: uri.clone(),
        duration_90k: (f64::from(listed.duration) * 90_000.0).round() as i64,
        unix_ms: listed.program_date_time.expect("checked").timestamp_millis(),
        start: pts(first),
        is_first: false,
        last_dts: *dts.last().expect("a picture"),
        audio_end: of(AUDIO_PID).next_back().map(|pes| pts(pes) + adts_ticks(&pes.data)),
        last_packets: last_packets(data),
    };
    (segment, dts[0], audio.first().copied())
}

/// Decoding times and audio go on.
fn follows_in_stream(
    before: &Segment,
    segment: &Segment,
    first_dts: i64,
    first_audio: Option<i64>,
) {
    let names = format!("{} then {}", before.uri, segment.uri);
    assert!(since(before.last_dts, first_dts) > 0, "{names}: decoding time goes back");
    if let (Some(end), Some(first)) = (before.audio_end, first_audio) {
        let step = since(end, first);
        assert!((-ROUNDED..=LOST_AUDIO).contains(&step), "{names}: audio steps by {step} ticks");
    }
}

/// How long the frames of an ADTS stream last (ISO/IEC 13818-7 6.2), in ticks of 90 kHz: 1024
/// samples each, of the core where there is SBR.
fn adts_ticks(mut stream: &[u8]) -> i64 {
    const RATES: [i64; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8000, 7350,
    ];
    let (mut frames, mut rate) = (0, RATES[0]);
    while let [0xff, _, kind, a, b, c, ..] = *stream {
        rate = RATES[usize::from(kind >> 2 & 0xf)];
        frames += 1;
        stream = &stream[usize::from(a & 3) << 11 | usize::from(b) << 3 | usize::from(c >> 5)..];
    }
    assert!(stream.is_empty(), "{} bytes are no ADTS", stream.len());
    frames * 1024 * 90_000 / rate
}

/// Where continuity counters do not go on.
#[derive(Default)]
struct CounterSteps {
    errors: usize,
    /// Where the packet says so itself (13818-1 2.4.3.5), which is no error.
    announced: usize,
}

/// Continuity counters alone: the first packets are ends of PES packets, which no demuxer would
/// take.
fn counter_steps(ts: &[u8]) -> CounterSteps {
    let mut counters = [None; 0x2000];
    let mut steps = CounterSteps::default();
    for packet in ts.chunks_exact(188) {
        let pid = usize::from(u16::from_be_bytes([packet[1] & 0x1f, packet[2]]));
        let (counter, has_payload) = (packet[3] & 0x0f, packet[3] & 0x10 != 0);
        let expected = counters[pid].map(|last: u8| (last + u8::from(has_payload)) & 0x0f);
        if expected.is_some_and(|expected| expected != counter) {
            if says_discontinuity(packet) {
                steps.announced += 1;
            } else {
                steps.errors += 1;
            }
        }
        counters[pid] = Some(counter);
    }
    steps
}

/// `discontinuity_indicator` of the adaptation field.
fn says_discontinuity(packet: &[u8]) -> bool {
    let has_adaptation_field = packet[3] & 0x20 != 0;
    has_adaptation_field && packet[4] > 0 && packet[5] & 0x80 != 0
}

/// The last packet of each PID.
fn last_packets(ts: &[u8]) -> Vec<u8> {
    let mut last: Vec<(u16, &[u8])> = Vec::new();
    for packet in ts.chunks_exact(188) {
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        match last.iter_mut().find(|(known, _)| *known == pid) {
            Some((_, kept)) => *kept = packet,
            None => last.push((pid, packet)),
        }
    }
    last.into_iter().flat_map(|(_, packet)| packet.to_vec()).collect()
}

/// From one 33-bit time to the next, the short way round.
fn since(from: i64, to: i64) -> i64 {
    (to - from + WRAP / 2).rem_euclid(WRAP) - WRAP / 2
}
