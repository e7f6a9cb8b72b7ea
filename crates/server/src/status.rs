//! The document of `GET /status`: go-livepeer's `Manifests` map, and our own list of streams.

use std::collections::BTreeMap;
use std::time::Duration;

use hls::{Snapshot, Span};
use rtmp::StreamName;
use serde::Serialize;

use crate::clock::Moment;
use crate::demand::Wakefulness;
use crate::http_path;
use crate::process::ProcessUsage;
use crate::publication::{Publication, Rendition, Slot, TranscodeLoad};
use crate::registry::{State, StreamStatus};
use crate::shared::Shared;
use crate::warnings::{Standing, Warning};

/// The whole document. Publish keys are nowhere in it.
#[derive(Serialize)]
pub(crate) struct Document {
    /// go-livepeer's name and shape.
    #[serde(rename = "Manifests")]
    manifests: BTreeMap<String, Manifest>,
    #[serde(rename = "Version")]
    version: &'static str,
    uptime_secs: u64,
    process: Process,
    streams: Vec<Stream>,
}

/// What the whole process takes and gives.
#[derive(Serialize)]
struct Process {
    /// Time of all cores together, since the process started.
    cpu_secs: f64,
    cores: usize,
    resident_bytes: Option<u64>,
    memory_budget_bytes: usize,
    /// From publishers, whatever became of them.
    received_bytes: u64,
    /// To viewers, with HTTP's own.
    sent_bytes: u64,
    viewers: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    variants: Vec<Variant>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Variant {
    #[serde(rename = "URI")]
    uri: String,
    bandwidth: u64,
    average_bandwidth: u64,
    codecs: String,
    resolution: String,
    frame_rate: f64,
    chunklist: Chunklist,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Chunklist {
    target_duration: u64,
    seq_no: u64,
    segments: Vec<Segment>,
    closed: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Segment {
    seq_id: u64,
    #[serde(rename = "URI")]
    uri: String,
    duration: f64,
}

#[derive(Serialize)]
struct Stream {
    name: String,
    /// `live`, `away` (the publisher may come back) or `ended`.
    state: &'static str,
    /// Unix seconds at which the present or last publisher came.
    since_unix_secs: u64,
    uptime_secs: u64,
    publisher: String,
    received_bytes: u64,
    /// Since the publisher came.
    received_bps: u64,
    /// Pictures, and now and then their parameters.
    video_messages: u64,
    silent_ms: u64,
    /// Who has asked for a playlist in the last four target durations.
    viewers: usize,
    /// Bytes of answers to viewers.
    sent_bytes: u64,
    /// Media time that the transcoder is behind the publisher.
    lag_ms: u64,
    /// Pictures that are in no rendition because the transcoder was behind.
    dropped_pictures: u64,
    /// Pictures that could not be decoded or encoded, or came damaged.
    failed_pictures: u64,
    codecs: String,
    width: Option<u32>,
    height: Option<u32>,
    fps: Option<f64>,
    audio_sample_rate_hz: Option<u32>,
    audio_channels: Option<u8>,
    encoder: Option<String>,
    /// Why there are no renditions but source.
    undecodable: Option<String>,
    /// `native` or `openh264`: whose decoder the renditions are made with.
    decoder: Option<String>,
    /// Between the last two keyframes.
    keyframe_interval_ms: Option<i64>,
    /// What the publisher should set otherwise, in words for people.
    advice: Vec<String>,
    /// What is wrong now, and what was in the last ten minutes.
    warnings: Vec<WarningStatus>,
    /// Messages of the publisher that could not be used.
    malformed_messages: u64,
    /// Times at which the clock of its timestamps jumped.
    timestamp_jumps: u64,
    renditions: Vec<RenditionStatus>,
}

#[derive(Serialize)]
struct WarningStatus {
    kind: &'static str,
    text: String,
    now: bool,
    /// How often it has happened; 1 where it is so now.
    times: u64,
    /// 0 where it is so now.
    last_secs_ago: u64,
}

#[derive(Serialize)]
struct RenditionStatus {
    name: String,
    codecs: String,
    width: Option<u32>,
    height: Option<u32>,
    fps: Option<f64>,
    bandwidth_bps: u64,
    average_bandwidth_bps: u64,
    target_duration_secs: u64,
    published_segments: u64,
    /// What the segments have as transport streams.
    published_bytes: u64,
    /// As fragmented MP4, written or not.
    cmaf_bytes: u64,
    /// What the samples in them have: the rest is packaging.
    elementary_bytes: u64,
    /// Bytes of answers to viewers.
    sent_bytes: u64,
    viewers: usize,
    /// Media time that the transcoder is behind the publisher; 0 for source.
    lag_ms: u64,
    /// Pictures dropped because the transcoder was behind; 0 for source.
    dropped_pictures: u64,
    encoded_pictures: u64,
    /// Pictures left out to stay under the bitrate cap.
    skipped_pictures: u64,
    /// It is made as pictures come; otherwise each of its segments is made when somebody asks for
    /// it.
    awake: bool,
    /// How long it has been one or the other; null where it has never changed.
    awake_or_asleep_for_secs: Option<u64>,
    /// When somebody last fetched something of it.
    last_request_secs_ago: Option<u64>,
    /// How often it has been woken.
    wake_ups: u64,
    /// The transcoder is behind: at the moment only the picture that starts each segment is made.
    shed: bool,
    /// How often that began.
    times_shed: u64,
    /// Pictures left out meanwhile.
    shed_pictures: u64,
}

pub(crate) fn document(shared: &Shared, streams: &[StreamStatus]) -> Document {
    let now = shared.clock.now();
    Document {
        manifests: streams.iter().map(manifest).collect(),
        version: env!("CARGO_PKG_VERSION"),
        uptime_secs: now.uptime.as_secs(),
        process: process(shared, streams, now),
        streams: streams.iter().map(|stream| stream_status(stream, now)).collect(),
    }
}

fn process(shared: &Shared, streams: &[StreamStatus], now: Moment) -> Process {
    let usage = ProcessUsage::now();
    Process {
        cpu_secs: usage.cpu.as_secs_f64(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        resident_bytes: usage.resident_bytes,
        memory_budget_bytes: shared.memory.budget(),
        received_bytes: shared.metrics.rtmp_received_bytes.value(),
        sent_bytes: shared.metrics.http_sent_bytes.value(),
        viewers: streams.iter().map(|stream| stream.publication.viewers(now)).sum(),
    }
}

fn manifest(stream: &StreamStatus) -> (String, Manifest) {
    let name = stream.publication.name();
    let view = stream.publication.view();
    let variants = view.renditions.iter().map(|rendition| variant(name, rendition)).collect();
    (name.to_string(), Manifest { variants })
}

fn variant(stream: &StreamName, rendition: &Rendition) -> Variant {
    let Rendition { name, snapshot, info, declared, .. } = rendition;
    Variant {
        uri: http_path::variant_uri(stream, name),
        bandwidth: declared.mpeg_ts.peak_bps,
        average_bandwidth: declared.mpeg_ts.average_bps,
        codecs: info.codecs.clone(),
        resolution: info
            .resolution
            .map_or_else(String::new, |(width, height)| format!("{width}x{height}")),
        frame_rate: info.frame_rate.unwrap_or(0.0),
        chunklist: chunklist(snapshot),
    }
}

fn chunklist(snapshot: &Snapshot) -> Chunklist {
    let segment = |span: &Span| Segment {
        seq_id: span.sequence(),
        uri: snapshot.uri(hls::Container::MpegTs, span.sequence()),
        duration: span.duration.as_millis() as f64 / 1000.0,
    };
    Chunklist {
        target_duration: snapshot.target_duration_secs,
        seq_no: snapshot.media_sequence(),
        segments: snapshot.listed.iter().map(segment).collect(),
        closed: snapshot.ended,
    }
}

fn stream_status(stream: &StreamStatus, now: Moment) -> Stream {
    let session = &stream.session;
    let facts = stream.publication.facts();
    let uptime = now.since(session.since());
    let load = stream.publication.transcode_load();
    let reception = stream.publication.reception();
    let renditions = renditions(stream, &load, now);
    Stream {
        name: stream.publication.name().to_string(),
        state: match stream.state {
            State::Live => "live",
            State::Away(_) => "away",
            State::Ended(_) => "ended",
        },
        since_unix_secs: session.since().unix_secs(),
        uptime_secs: uptime.as_secs(),
        publisher: session.peer().to_string(),
        received_bytes: session.received_bytes(),
        received_bps: (session.received_bytes() as f64 * 8.0 / uptime.as_secs_f64().max(1.0))
            as u64,
        video_messages: session.video_messages(),
        silent_ms: session.silent_ms(),
        viewers: stream.publication.viewers(now),
        sent_bytes: renditions.iter().map(|rendition| rendition.sent_bytes).sum(),
        lag_ms: load.lag_ms,
        dropped_pictures: load.dropped_pictures,
        failed_pictures: load.failed_pictures,
        codecs: facts.codecs,
        width: facts.size.map(|size| size.0),
        height: facts.size.map(|size| size.1),
        fps: facts.frame_rate,
        audio_sample_rate_hz: facts.sample_rate_hz,
        audio_channels: facts.channels,
        encoder: facts.encoder,
        undecodable: facts.undecodable.map(|why| why.to_string()),
        decoder: load.decoder.map(|decoder| decoder.to_string()),
        renditions,
        keyframe_interval_ms: reception.keyframes.interval.map(media::Duration::as_millis),
        advice: stream.publication.advice(),
        warnings: stream.warnings(now).into_iter().map(warning).collect(),
        malformed_messages: reception.malformed_messages,
        timestamp_jumps: reception.timestamp_jumps,
    }
}

fn warning(Warning { kind, text, standing }: Warning) -> WarningStatus {
    let (now, times, ago) = match standing {
        Standing::Now => (true, 1, Duration::ZERO),
        Standing::Past { times, ago } => (false, times, ago),
    };
    WarningStatus { kind, text, now, times, last_secs_ago: ago.as_secs() }
}

fn renditions(stream: &StreamStatus, load: &TranscodeLoad, now: Moment) -> Vec<RenditionStatus> {
    let view = stream.publication.view();
    let status = |rendition: &Rendition| {
        let wakefulness = stream.publication.wakefulness(rendition.slot);
        rendition_status(&stream.publication, rendition, load, wakefulness, now)
    };
    view.renditions.iter().map(status).collect()
}

fn rendition_status(
    publication: &Publication,
    rendition: &Rendition,
    load: &TranscodeLoad,
    wakefulness: Option<Wakefulness>,
    now: Moment,
) -> RenditionStatus {
    let (lag_ms, dropped_pictures) = match rendition.slot {
        Slot::Source => (0, 0),
        Slot::Ladder(_) => (load.lag_ms, load.dropped_pictures),
    };
    let seconds_since = |moment: Option<Moment>| moment.map(|moment| now.since(moment).as_secs());
    let rung = load.rung(rendition.slot).unwrap_or_default();
    let Rendition { name, snapshot, info, declared, .. } = rendition;
    RenditionStatus {
        name: name.to_string(),
        codecs: info.codecs.clone(),
        width: info.resolution.map(|size| size.0),
        height: info.resolution.map(|size| size.1),
        fps: info.frame_rate,
        bandwidth_bps: declared.mpeg_ts.peak_bps,
        average_bandwidth_bps: declared.mpeg_ts.average_bps,
        target_duration_secs: snapshot.target_duration_secs,
        published_segments: rendition.published_segments,
        published_bytes: rendition.published_bytes,
        cmaf_bytes: rendition.cmaf_bytes,
        elementary_bytes: rendition.elementary_bytes,
        sent_bytes: publication.counts(rendition.slot).map_or(0, |it| it.sent_bytes.value()),
        viewers: publication.viewers_of(rendition.slot, now),
        lag_ms,
        dropped_pictures,
        encoded_pictures: rung.encoded,
        skipped_pictures: rung.skipped,
        awake: wakefulness.is_none_or(|wakefulness| wakefulness.awake),
        awake_or_asleep_for_secs: seconds_since(wakefulness.and_then(|it| it.since)),
        last_request_secs_ago: seconds_since(wakefulness.and_then(|it| it.last_request)),
        wake_ups: wakefulness.map_or(0, |wakefulness| wakefulness.wake_ups),
        shed: rung.shed,
        times_shed: rung.times_shed,
        shed_pictures: rung.shed_pictures,
    }
}
