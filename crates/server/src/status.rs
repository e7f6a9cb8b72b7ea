//! The document of `GET /status`: go-livepeer's `Manifests` map, and our own list of streams.

use std::collections::BTreeMap;

use hls::Snapshot;
use media::Duration;
use serde::Serialize;

use crate::clock::Moment;
use crate::publication::{Rendition, Slot, TranscodeLoad, View};
use crate::registry::{State, StreamStatus};
use crate::shared::Shared;

/// The whole document. Publish keys are nowhere in it.
#[derive(Serialize)]
pub(crate) struct Document {
    /// go-livepeer's name and shape.
    #[serde(rename = "Manifests")]
    manifests: BTreeMap<String, Manifest>,
    #[serde(rename = "Version")]
    version: &'static str,
    uptime_secs: u64,
    streams: Vec<Stream>,
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
    silent_ms: u64,
    codecs: String,
    width: Option<u32>,
    height: Option<u32>,
    fps: Option<f64>,
    audio_sample_rate_hz: Option<u32>,
    audio_channels: Option<u8>,
    encoder: Option<String>,
    /// Why there are no renditions but source.
    undecodable: Option<String>,
    /// `rusty` or `openh264`: whose decoder the renditions are made with.
    decoder: Option<String>,
    /// How often one of them failed or refused, and the other went on.
    decoder_changes: u64,
    /// Between the last two keyframes.
    keyframe_interval_ms: Option<i64>,
    /// What the publisher should set otherwise, in words for people.
    advice: Vec<String>,
    /// Messages of the publisher that could not be used.
    malformed_messages: u64,
    /// Times at which the clock of its timestamps jumped.
    timestamp_jumps: u64,
    renditions: Vec<RenditionStatus>,
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
    published_bytes: u64,
    /// Media time that the transcoder is behind the publisher; 0 for source.
    lag_ms: u64,
    /// Pictures dropped because the transcoder was behind; 0 for source.
    dropped_pictures: u64,
    encoded_pictures: u64,
    /// Pictures left out to stay under the bitrate cap.
    skipped_pictures: u64,
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
        streams: streams.iter().map(|stream| stream_status(stream, now)).collect(),
    }
}

fn manifest(stream: &StreamStatus) -> (String, Manifest) {
    let (name, view) = (stream.publication.name().to_string(), stream.publication.view());
    let variants = view.renditions.iter().map(|rendition| variant(&name, rendition)).collect();
    (name, Manifest { variants })
}

fn variant(stream: &str, rendition: &Rendition) -> Variant {
    let Rendition { name, snapshot, info, .. } = rendition;
    Variant {
        uri: format!("{stream}/{name}.m3u8"),
        bandwidth: snapshot.bandwidth_bps,
        average_bandwidth: snapshot.average_bandwidth_bps,
        codecs: info.codecs.clone(),
        resolution: info
            .resolution
            .map_or_else(String::new, |(width, height)| format!("{width}x{height}")),
        frame_rate: info.frame_rate.unwrap_or(0.0),
        chunklist: chunklist(snapshot),
    }
}

/// The playlist's own lines, read back: what is listed here is what viewers see.
fn chunklist(snapshot: &Snapshot) -> Chunklist {
    let text = String::from_utf8_lossy(&snapshot.playlist.plain);
    let seq_no = text
        .lines()
        .find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")?.parse().ok())
        .unwrap_or(0);
    let durations = text
        .lines()
        .filter_map(|line| line.strip_prefix("#EXTINF:")?.split(',').next()?.parse().ok());
    let uris = text.lines().filter(|line| !line.starts_with('#'));
    let segments = durations.zip(uris).zip(seq_no..);
    let segments = segments
        .map(|((duration, uri), seq_id)| Segment { seq_id, uri: uri.to_owned(), duration })
        .collect();
    Chunklist {
        target_duration: snapshot.target_duration_secs,
        seq_no,
        segments,
        closed: snapshot.ended,
    }
}

fn stream_status(stream: &StreamStatus, now: Moment) -> Stream {
    let (session, facts) = (&stream.session, stream.publication.facts());
    let uptime = now.since(session.since());
    let load = stream.publication.transcode_load();
    let reception = stream.publication.reception();
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
        silent_ms: session.silent_ms(now),
        codecs: facts.codecs,
        width: facts.size.map(|size| size.0),
        height: facts.size.map(|size| size.1),
        fps: facts.frame_rate,
        audio_sample_rate_hz: facts.sample_rate_hz,
        audio_channels: facts.channels,
        encoder: facts.encoder,
        undecodable: facts.undecodable,
        decoder: load.decoder.map(|decoder| decoder.to_string()),
        decoder_changes: load.decoder_changes,
        renditions: renditions(&stream.publication.view(), &load),
        keyframe_interval_ms: reception.keyframes.interval.map(Duration::as_millis),
        advice: reception.advice(),
        malformed_messages: reception.malformed_messages,
        timestamp_jumps: reception.timestamp_jumps,
    }
}

fn renditions(view: &View, load: &TranscodeLoad) -> Vec<RenditionStatus> {
    view.renditions.iter().map(|rendition| rendition_status(rendition, load)).collect()
}

fn rendition_status(rendition: &Rendition, load: &TranscodeLoad) -> RenditionStatus {
    let (lag_ms, dropped_pictures) = match rendition.slot {
        Slot::Source => (0, 0),
        Slot::Ladder(_) => (load.lag_ms(), load.dropped_pictures),
    };
    let rung = load.rung(rendition.slot).unwrap_or_default();
    let Rendition { name, snapshot, info, .. } = rendition;
    RenditionStatus {
        name: name.to_string(),
        codecs: info.codecs.clone(),
        width: info.resolution.map(|size| size.0),
        height: info.resolution.map(|size| size.1),
        fps: info.frame_rate,
        bandwidth_bps: snapshot.bandwidth_bps,
        average_bandwidth_bps: snapshot.average_bandwidth_bps,
        target_duration_secs: snapshot.target_duration_secs,
        published_segments: rendition.published_segments,
        published_bytes: rendition.published_bytes,
        lag_ms,
        dropped_pictures,
        encoded_pictures: rung.encoded,
        skipped_pictures: rung.skipped,
        shed: rung.shed,
        times_shed: rung.times_shed,
        shed_pictures: rung.shed_pictures,
    }
}
