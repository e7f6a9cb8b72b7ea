//! A transcoder too slow for its stream: what is given up, in which order, and how it comes back.
//! Nothing here measures time: the slow machine is an account of what each picture costs.

use flv::Tag;
use media::Duration;
use pipeline::Notice;
use pipeline::{
    DecoderKind, GridMode, GridState, Ingest, IngestOutput, Preset, Queue, RenditionSet,
    SegmentStore, StreamConfig, Transcoder, TranscoderOutput, TranscoderStats, make_segment,
};

#[path = "../../../mpegts/src/oracle.rs"]
mod oracle;

use crate::shapes::{infos, make, picture};
use crate::support::{FIRST_SEQUENCE, Rendition, RenditionEvent, segments};

const VIDEO_PID: u16 = 0x100;

/// Microseconds from one picture to the next.
const INTERVAL_US: i64 = 1_000_000 / 30;

/// The places of the ladder below, by what they weigh.
const HEAVY: usize = 1;
const MIDDLE: usize = 2;
const LIGHT: usize = 0;

/// What a machine spends on each picture, in thousandths of the time between two.
#[derive(Clone, Copy)]
struct Cost {
    decode: i64,
    /// By place in the ladder.
    encode: [i64; 3],
}

impl Cost {
    fn of(&self, before: &TranscoderStats, after: &TranscoderStats) -> i64 {
        let decoded = (after.decoded - before.decoded) as i64;
        let encoded = (0..3).map(|at| after.renditions[at].encoded - before.renditions[at].encoded);
        let encoding: i64 =
            encoded.zip(self.encode).map(|(pictures, cost)| pictures as i64 * cost).sum();
        (decoded * self.decode + encoding) * INTERVAL_US / 1000
    }
}

/// Both halves of a stream, the second with only so much time.
struct SlowStream {
    ingest: Ingest,
    queue: Queue,
    transcoder: Transcoder,
    /// Time the transcoder has left until the newest picture came, in microseconds.
    left_us: i64,
    cost: Cost,
    config: StreamConfig,
    store: SegmentStore,
    mode: GridMode,
    source: Rendition,
    rungs: [Rendition; 3],
    notices: Vec<Notice>,
}

impl SlowStream {
    fn new(cost: Cost) -> Self {
        let named = |name| Preset::named(name).expect("a preset");
        let mut middle = Preset { name: "middle".into(), ..named("P240p30fps16x9") };
        let video = middle.video.as_mut().expect("pictures");
        (video.width, video.height) = (320, 180);
        let renditions = vec![named("P144p30fps16x9"), named("P240p30fps16x9"), middle];
        let config = StreamConfig {
            renditions,
            segment_duration: Duration::from_secs(2),
            decoder: DecoderKind::Native,
            work_clock: pipeline::WorkClock::default(),
        };
        let mut ingest =
            Ingest::new(&config, GridState::new(FIRST_SEQUENCE), pipeline::StreamTracks::default());
        ingest.set_wanted(RenditionSet::first(3));
        Self {
            ingest,
            queue: Queue::new(),
            transcoder: Transcoder::new(&config),
            left_us: 0,
            cost,
            config,
            store: SegmentStore::new(100),
            mode: GridMode { target_duration_secs: 2, own_grid: false },
            source: Rendition::default(),
            rungs: Default::default(),
            notices: Vec::new(),
        }
    }

    fn push(&mut self, tag: Tag) {
        let arrival = 1_800_000_000_000 + i64::from(tag.timestamp_ms);
        self.ingest.push(tag.kind, tag.timestamp_ms, tag.body, arrival);
        self.drain_ingest();
        // What it did not use is lost: it had nothing to do.
        self.left_us = self.left_us.min(0) + INTERVAL_US;
        while self.left_us > 0 && self.take_one() {}
    }

    fn drain_ingest(&mut self) {
        while let Some(output) = self.ingest.poll() {
            match output {
                IngestOutput::Source(package) => self.source.segment(&package, self.mode, true),
                IngestOutput::Segment(segment) => self.store.push(segment),
                IngestOutput::Transcode(item) => self.queue.push(item),
                _ => {}
            }
        }
    }

    fn take_one(&mut self) -> bool {
        let Some(item) = self.queue.pop() else { return false };
        let before = self.transcoder.stats().clone();
        self.transcoder.note_queue(self.queue.stats());
        self.transcoder.push(item);
        self.left_us -= self.cost.of(&before, self.transcoder.stats());
        self.drain_transcoder();
        true
    }

    fn drain_transcoder(&mut self) {
        while let Some(output) = self.transcoder.poll() {
            match output {
                TranscoderOutput::Made { index, package } => {
                    self.rungs[index].segment(&package, self.mode, false);
                }
                // On another thread: it costs this one nothing.
                TranscoderOutput::Promised { index, span, .. } => {
                    let source = self.store.source_of(span.sequence()).expect("it is new");
                    let made = make_segment(&self.config, index, &source).expect("a promise");
                    self.rungs[index].segment(&made.package, self.mode, false);
                }
                TranscoderOutput::Impossible { index } => panic!("rendition {index} is lost"),
                TranscoderOutput::Notice(notice) => self.notices.push(notice),
            }
        }
    }

    fn finish(&mut self) {
        self.ingest.finish();
        self.drain_ingest();
        while self.take_one() {}
    }

    fn shed(&self) -> [bool; 3] {
        [0, 1, 2].map(|at| self.transcoder.stats().renditions[at].shed)
    }

    /// Whatever happened: source has all its pictures, and the renditions have the same segments as
    /// it.
    fn assert_complete(&self, source_pictures: usize) {
        assert_eq!(pictures(&self.source.events).iter().sum::<usize>(), source_pictures);
        for rung in &self.rungs {
            assert_eq!(spans(&rung.events), spans(&self.source.events));
            assert!(
                pictures(&rung.events).iter().all(|pictures| *pictures >= 1),
                "{:?}",
                pictures(&rung.events)
            );
        }
        assert_eq!(self.transcoder.stats().renditions[LIGHT].times_shed, 0, "never the lightest");
    }
}

/// Start and duration of each segment in milliseconds; the end of the last one is anybody's guess.
fn spans(events: &[RenditionEvent]) -> Vec<(i64, i64)> {
    let mut spans: Vec<_> =
        segments(events).map(|s| (s.start_unix_ms, s.duration.as_millis())).collect();
    spans.last_mut().expect("a segment").1 = 0;
    spans
}

/// Pictures of each segment, as mpeg2ts-reader sees them.
fn pictures(events: &[RenditionEvent]) -> Vec<usize> {
    let of_segment = |segment: &crate::support::Segment| {
        oracle::demux(&segment.data).pes.iter().filter(|pes| pes.pid == VIDEO_PID).count()
    };
    segments(events).map(of_segment).collect()
}

fn stream(seconds: u32, x264: &str) -> Vec<Tag> {
    let codec = format!("-t {seconds} -c:v libx264 -preset ultrafast {x264}");
    make(&picture("426x240", 30), &codec)
}

const CARRIES_ALL: Cost = Cost { decode: 200, encode: [50, 300, 150] };
const ONE_TOO_MANY: Cost = Cost { decode: 400, encode: [100, 800, 300] };
const NOT_EVEN_THE_LIGHTEST: Cost = Cost { decode: 1500, encode: [500, 3000, 1000] };

#[test]
fn the_heaviest_is_shed_and_comes_back_by_itself() {
    let mut slow = SlowStream::new(ONE_TOO_MANY);
    for tag in stream(40, "-x264-params keyint=60:scenecut=0") {
        if tag.timestamp_ms == 20_000 {
            assert_eq!(slow.shed(), [false, true, false], "the heaviest, and it is enough");
            slow.cost = CARRIES_ALL;
        }
        slow.push(tag);
    }
    assert_eq!(slow.shed(), [false; 3], "the load is gone");
    slow.finish();
    slow.assert_complete(1200);
    let stats = slow.transcoder.stats().clone();
    assert_eq!(slow.queue.stats().dropped_pictures, 0, "shed before anything is dropped");
    assert_eq!(pictures(&slow.rungs[LIGHT].events), [60; 20]);
    assert_eq!(pictures(&slow.rungs[MIDDLE].events), [60; 20]);
    let heavy = pictures(&slow.rungs[HEAVY].events);
    assert!(heavy[3..8].contains(&1), "a picture a segment while it is shed: {heavy:?}");
    assert_eq!(heavy[14..], [60; 6], "whole again");
    let counted = stats.renditions[HEAVY];
    // The first segment was over before it was known how long it is.
    assert_eq!(counted.encoded + counted.shed_pictures, 1140);
    assert_eq!(heavy[1..].iter().sum::<usize>() as u64, counted.encoded);
    assert!(counted.times_shed <= 3, "{}", counted.times_shed);
    assert_eq!(slow.notices[0], Notice::Shed("P240p30fps16x9".into()));
    assert_eq!(slow.notices.len() as u64, 2 * counted.times_shed);
}

#[test]
fn what_is_too_much_even_so_is_dropped_and_no_segment_is_missing() {
    let mut slow = SlowStream::new(NOT_EVEN_THE_LIGHTEST);
    for tag in stream(40, "-x264-params keyint=60:scenecut=0:bframes=2") {
        if tag.timestamp_ms == 16_000 {
            assert_eq!(slow.shed(), [false, true, true], "all but the lightest");
            slow.cost = CARRIES_ALL;
        }
        slow.push(tag);
    }
    assert_eq!(slow.shed(), [false; 3], "the load is gone");
    slow.finish();
    slow.assert_complete(1200);
    assert!(slow.queue.stats().dropped_pictures > 100, "{:?}", slow.queue.stats());
    for rung in &slow.rungs {
        let pictures = pictures(&rung.events);
        assert_eq!(pictures[16..], [60; 4], "whole again: {pictures:?}");
        // However few pictures the first segment had.
        assert_eq!(infos(&rung.events).last().and_then(|info| info.frame_rate), Some(30.0));
    }
    // Heaviest first, and last to come back.
    let (heavy, middle) = ("P240p30fps16x9".to_owned(), "middle".to_owned());
    let order = [
        Notice::Shed(heavy.clone()),
        Notice::Shed(middle.clone()),
        Notice::Restored(middle),
        Notice::Restored(heavy),
    ];
    assert_eq!(slow.notices, order);
}

#[test]
fn a_ladder_on_its_own_grid_keeps_its_segments() {
    let mut slow = SlowStream::new(NOT_EVEN_THE_LIGHTEST);
    for tag in stream(30, "-x264-params keyint=300:scenecut=0:bframes=2") {
        if tag.timestamp_ms == 16_000 {
            slow.cost = CARRIES_ALL;
        }
        slow.push(tag);
    }
    slow.finish();
    assert!(spans(&slow.rungs[LIGHT].events).len() >= 14, "{:?}", spans(&slow.rungs[LIGHT].events));
    for rung in &slow.rungs[1..] {
        assert_eq!(spans(&rung.events), spans(&slow.rungs[LIGHT].events));
    }
    assert_eq!(pictures(&slow.source.events).iter().sum::<usize>(), 900);
}

/// Such streams have no other IDR than the first: recovery points are what they go on with.
#[test]
fn row_41_a_stream_without_idrs_moves_again_after_a_slow_time() {
    for (x264, whole) in [
        ("intra-refresh=1:bframes=0", 58),
        ("open-gop=1:bframes=2:b-pyramid=none:ref=3", 58),
        ("open-gop=1:bframes=3:b-adapt=0:b-pyramid=normal:ref=3", 58),
    ] {
        let mut slow = SlowStream::new(NOT_EVEN_THE_LIGHTEST);
        for tag in stream(40, &format!("-x264-params keyint=60:scenecut=0:{x264}")) {
            if tag.timestamp_ms == 16_000 {
                slow.cost = CARRIES_ALL;
            }
            slow.push(tag);
        }
        slow.finish();
        assert!(slow.queue.stats().dropped_pictures > 100, "{x264}: {:?}", slow.queue.stats());
        let light = pictures(&slow.rungs[LIGHT].events);
        let last = &light[light.len() - 5..light.len() - 1];
        assert!(last.iter().all(|pictures| *pictures >= whole), "{x264}: {light:?}");
        assert_eq!(pictures(&slow.source.events).iter().sum::<usize>(), 1200, "{x264}");
    }
}

/// What a publisher takes along when it leaves costs no more decoding, and is promised: whoever
/// asks for it gets it whole.
#[test]
fn what_waits_when_the_publisher_leaves_is_promised() {
    let mut slow = SlowStream::new(CARRIES_ALL);
    for tag in stream(8, "-x264-params keyint=60:scenecut=0") {
        if tag.timestamp_ms == 5000 {
            slow.cost.decode = 1_000_000;
        }
        slow.push(tag);
    }
    slow.ingest.finish();
    slow.drain_ingest();
    slow.queue.give_up_pictures();
    slow.transcoder.leave();
    let decoded = slow.transcoder.stats().decoded;
    slow.drain_transcoder();
    while slow.take_one() {}
    assert_eq!(slow.transcoder.stats().decoded, decoded);
    slow.assert_complete(240);
    for rung in &slow.rungs {
        assert_eq!(pictures(&rung.events), [60; 4]);
    }
}
