//! One second of a 720p30 High 3 Mbit/s publisher through the pipeline, and its parts alone.
//!
//! `cargo xtask bench` runs it. The time for "a second" in seconds is the share of a core that one
//! such stream takes, without sockets: docs/performance.md has the figures of the whole process.

mod support;

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flv::{FileReader, Tag, VideoBody, VideoTag};
use h264::avcc;
use hls::{Cut, Segment, Span, VariantStream, Window, WindowConfig};
use media::{Duration, NalUnits, Timestamp};
use mpegts::{Muxer, Tracks};
use pipeline::{
    DecoderKind, GridState, Ingest, IngestOutput, Item, Preset, Queue, RenditionSet, StreamConfig,
    StreamTracks, Transcoder, TranscoderOutput, write_ts,
};
use support::{Clip, HIGH_720P, RECIPE};

/// The second that is measured: late enough for the grid to be decided and the decoder to be warm.
const WARM_UP_MS: u32 = 4_000;

fn messages(clip: &Clip) -> Vec<Tag> {
    let file = std::fs::read(clip.file()).expect("the clip");
    let mut reader = FileReader::new(flv::Limits::default());
    reader.push(&file);
    std::iter::from_fn(|| reader.next_tag().expect("a clean file")).collect()
}

/// A stream that is fed second by second, for ever: the clip is looped with growing timestamps.
struct Stream {
    clip: Vec<Tag>,
    at: usize,
    loop_start_ms: u32,
    fed_ms: u32,
    ingest: Ingest,
    queue: Queue,
    transcoder: Option<Transcoder>,
}

impl Stream {
    fn new(clip: &[Tag], presets: &[&str]) -> Self {
        let preset = |name: &&str| Preset::named(name).expect("a preset");
        let config = StreamConfig {
            renditions: presets.iter().map(preset).collect(),
            segment_duration: Duration::from_secs(2),
            decoder: DecoderKind::Native,
            work_clock: pipeline::WorkClock::default(),
        };
        let mut ingest = Ingest::new(&config, GridState::new(1), StreamTracks::default());
        ingest.set_wanted(RenditionSet::first(presets.len()));
        let mut stream = Self {
            clip: clip.to_vec(),
            at: 0,
            loop_start_ms: 0,
            fed_ms: 0,
            ingest,
            queue: Queue::new(),
            transcoder: (!presets.is_empty()).then(|| Transcoder::new(&config)),
        };
        stream.feed(WARM_UP_MS);
        stream
    }

    fn feed(&mut self, span_ms: u32) {
        let until = self.fed_ms + span_ms;
        while self.fed_ms < until {
            let tag = self.clip[self.at].clone();
            self.fed_ms = self.loop_start_ms + tag.timestamp_ms;
            self.push(tag);
            self.at += 1;
            if self.at == self.clip.len() {
                self.at = 0;
                self.loop_start_ms = self.fed_ms + 33;
            }
        }
    }

    fn push(&mut self, tag: Tag) {
        self.ingest.push(tag.kind, self.fed_ms, tag.body, i64::from(self.fed_ms));
        while let Some(output) = self.ingest.poll() {
            match output {
                IngestOutput::Transcode(item) => self.queue.push(item),
                IngestOutput::Source(package) => drop(black_box(write_ts(&package, None))),
                other => drop(black_box(other)),
            }
        }
        let Some(transcoder) = &mut self.transcoder else { return };
        while let Some(item) = self.queue.pop() {
            transcode(transcoder, item);
        }
    }
}

fn transcode(transcoder: &mut Transcoder, item: Item) {
    transcoder.push(item);
    while let Some(output) = transcoder.poll() {
        match output {
            TranscoderOutput::Made { package, .. } => drop(black_box(write_ts(&package, None))),
            other => drop(black_box(other)),
        }
    }
}

fn stream_second(criterion: &mut Criterion) {
    let (high, recipe) = (messages(&HIGH_720P), messages(&RECIPE));
    let mut group = criterion.benchmark_group("a second");
    group.sample_size(20);
    for (name, clip, presets) in [
        ("720p, source only", &high, &[][..]),
        ("720p, source and 144p", &high, &["P144p30fps16x9"]),
        ("720p, source and 360p", &high, &["P360p30fps16x9"]),
        ("recipe, source and 144p", &recipe, &["P144p30fps16x9"]),
    ] {
        let mut stream = Stream::new(clip, presets);
        group.bench_function(name, |bencher| bencher.iter(|| stream.feed(1_000)));
    }
    group.finish();
}

/// The clip's pictures, demuxed.
fn pictures(clip: &[Tag]) -> Vec<(Timestamp, NalUnits)> {
    let mut pictures = Vec::new();
    for tag in clip.iter().filter(|tag| tag.kind == flv::TagKind::Video) {
        if let Ok(Some(VideoTag { body: VideoBody::NalUnits { data, .. }, .. })) =
            VideoTag::parse(tag.body.clone())
        {
            let dts = Timestamp::from_millis(tag.timestamp_ms.into());
            pictures.push((dts, avcc::nal_units(data, 4).expect("AVCC").0));
        }
    }
    pictures
}

fn mux(criterion: &mut Criterion) {
    let pictures = pictures(&messages(&HIGH_720P));
    let bytes: usize = pictures.iter().map(|(_, units)| units.payload_bytes()).sum();
    let mut group = criterion.benchmark_group("mpegts");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("mux video", |bencher| {
        let mut out = Vec::with_capacity(2 * bytes);
        bencher.iter(|| {
            out.clear();
            let mut muxer = Muxer::new(Tracks { video: true, audio: true });
            muxer.start_segment(&mut out);
            for (dts, units) in &pictures {
                muxer.write_video(*dts, *dts, false, std::iter::empty(), units.iter(), &mut out);
            }
            black_box(out.len())
        });
    });
    group.finish();
}

fn segment(n: i64, data: &Bytes) -> Segment {
    let cut = Cut {
        sequence: 1_800_000_000 + n as u64,
        discontinuity_sequence: 0,
        discontinuity: false,
        at: Timestamp::from_millis(n * 2_000),
        unix_ms: 1_800_000_000_000 + n * 2_000,
    };
    Segment { span: Span { cut, duration: Duration::from_secs(2) }, data: data.clone() }
}

fn playlists(criterion: &mut Criterion) {
    let data = Bytes::from(vec![0x47; 188 * 1_000]);
    let mut window = Window::new(WindowConfig {
        uri_prefix: hls::PerContainer {
            mpeg_ts: "/stream/hello_world/P144p30fps16x9/".to_owned(),
            fragmented_mp4: "P144p30fps16x9/".to_owned(),
        },
        listed: 6,
        segment_key: None,
    });
    window.set_target_duration(2);
    let mut n = 0;
    let mut group = criterion.benchmark_group("hls");
    group.bench_function("a segment into a window, playlist rendered and gzipped", |bencher| {
        bencher.iter(|| {
            n += 1;
            window.push(segment(n, &data));
            let snapshot = window.snapshot().expect("a segment");
            black_box(snapshot.playlist(hls::Container::MpegTs).gzip().len())
        });
    });
    let variant = |name: &str| VariantStream {
        uri: format!("/stream/hello_world/{name}.m3u8"),
        bandwidth_bps: 600_000,
        average_bandwidth_bps: 300_000,
        codecs: "avc1.64000c,mp4a.40.2".to_owned(),
        resolution: Some((256, 144)),
        frame_rate: Some(30.0),
        independent: true,
    };
    let variants = [variant("P144p30fps16x9"), variant("source")];
    group.bench_function("multivariant playlist rendered and gzipped", |bencher| {
        bencher.iter(|| {
            black_box(
                hls::multivariant_playlist::render(&variants, hls::Container::MpegTs).gzip().len(),
            )
        });
    });
    group.finish();
}

criterion_group!(benches, stream_second, mux, playlists);
criterion_main!(benches);
