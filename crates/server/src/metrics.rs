//! Counters, and their Prometheus text. Labels are stream and rendition names, never keys or addresses.

use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use pipeline::RungStats;
use rtmp::StreamName;

use crate::publication::Rendition;
use crate::registry::{State, StreamStatus};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the process counts beside its streams.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) rtmp_connections: Counter,
    pub(crate) rtmp_refused_connections: Counter,
    pub(crate) rtmp_protocol_errors: Counter,
    pub(crate) rtmp_received_bytes: Counter,
    pub(crate) publish_accepted: Counter,
    pub(crate) publish_refused: Counter,
    pub(crate) http_connections: Counter,
    pub(crate) http_refused_connections: Counter,
    pub(crate) http_stalled_connections: Counter,
    pub(crate) http_sent_bytes: Counter,
    pub(crate) http_playlists: Counter,
    pub(crate) http_segments: Counter,
    pub(crate) http_not_found: Counter,
    pub(crate) worker_panics: Counter,
}

/// The text of `GET /metrics` (Prometheus exposition format 0.0.4).
pub(crate) fn render(metrics: &Metrics, streams: &[StreamStatus], uptime_secs: f64) -> String {
    let mut text = Text::default();
    text.gauge("uptime_seconds", "Time since the process started.", uptime_secs);
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    text.family("build_info", "gauge", "The running version.");
    text.sample("build_info", &version, 1);
    process_counters(&mut text, metrics);
    let live = streams.iter().filter(|stream| stream.state == State::Live).count();
    text.gauge("publishers", "Connected publishers.", live);
    stream_samples(&mut text, streams);
    rendition_samples(&mut text, streams);
    text.0
}

fn process_counters(text: &mut Text, metrics: &Metrics) {
    let counters = [
        ("rtmp_connections_total", "RTMP connections accepted.", &metrics.rtmp_connections),
        (
            "rtmp_refused_connections_total",
            "RTMP connections closed at once: too many.",
            &metrics.rtmp_refused_connections,
        ),
        (
            "rtmp_protocol_errors_total",
            "RTMP connections ended by bad input.",
            &metrics.rtmp_protocol_errors,
        ),
        ("rtmp_received_bytes_total", "Bytes received over RTMP.", &metrics.rtmp_received_bytes),
        ("publish_accepted_total", "Publishers accepted.", &metrics.publish_accepted),
        ("publish_refused_total", "Publishers refused.", &metrics.publish_refused),
        ("http_connections_total", "Viewer connections accepted.", &metrics.http_connections),
        (
            "http_refused_connections_total",
            "Viewer connections refused: too many.",
            &metrics.http_refused_connections,
        ),
        (
            "http_stalled_connections_total",
            "Viewer connections ended: no byte was taken for too long.",
            &metrics.http_stalled_connections,
        ),
        ("http_sent_bytes_total", "Bytes sent to viewers.", &metrics.http_sent_bytes),
        ("http_playlist_requests_total", "Playlists served, also as 304.", &metrics.http_playlists),
        ("http_segment_requests_total", "Segments served, also in parts.", &metrics.http_segments),
        ("http_not_found_total", "Requests answered with 404.", &metrics.http_not_found),
        ("worker_panics_total", "Worker threads that panicked.", &metrics.worker_panics),
    ];
    for (name, help, counter) in counters {
        text.family(name, "counter", help);
        text.sample(name, &[], counter.value());
    }
}

fn stream_samples(text: &mut Text, streams: &[StreamStatus]) {
    text.family("stream_live", "gauge", "1 while a publisher is connected.");
    for stream in streams {
        text.sample(
            "stream_live",
            &[("stream", stream.publication.name().as_str())],
            u8::from(stream.state == State::Live),
        );
    }
    text.family(
        "stream_received_bytes",
        "gauge",
        "Bytes received from the stream's present or last publisher.",
    );
    for stream in streams {
        text.sample(
            "stream_received_bytes",
            &[("stream", stream.publication.name().as_str())],
            stream.session.received_bytes(),
        );
    }
    let reception = [
        ("stream_malformed_messages_total", "Messages that could not be used."),
        ("stream_timestamp_jumps_total", "Times at which the publisher's clock jumped."),
    ];
    for (index, (name, help)) in reception.into_iter().enumerate() {
        text.family(name, "counter", help);
        for stream in streams {
            let reception = stream.publication.reception();
            let value = [reception.malformed_messages, reception.timestamp_jumps][index];
            text.sample(name, &[("stream", stream.publication.name().as_str())], value);
        }
    }
    let transcoder = [
        (
            "stream_dropped_pictures_total",
            "Pictures not transcoded because the transcoder was behind.",
        ),
        (
            "stream_dropped_gops_total",
            "Whole GOPs not transcoded because the queue was over its bytes.",
        ),
        ("stream_failed_pictures_total", "Pictures that could not be decoded or encoded."),
        (
            "stream_decoder_changes_total",
            "Times that a decoder failed or refused, and the other one went on.",
        ),
    ];
    for (index, (name, help)) in transcoder.into_iter().enumerate() {
        text.family(name, "counter", help);
        for stream in streams {
            let load = stream.publication.transcode_load();
            let values = [
                load.dropped_pictures,
                load.dropped_gops,
                load.failed_pictures,
                load.decoder_changes,
            ];
            let value = values[index];
            text.sample(name, &[("stream", stream.publication.name().as_str())], value);
        }
    }
    text.family(
        "stream_transcode_lag_seconds",
        "gauge",
        "Media time between the newest picture received and the newest taken by the transcoder.",
    );
    for stream in streams {
        let lag_secs = stream.publication.transcode_load().lag_ms() as f64 / 1000.0;
        text.sample(
            "stream_transcode_lag_seconds",
            &[("stream", stream.publication.name().as_str())],
            lag_secs,
        );
    }
}

fn rendition_samples(text: &mut Text, streams: &[StreamStatus]) {
    let rows: Vec<_> = streams.iter().flat_map(RenditionRow::of_stream).collect();
    for family in RENDITION_FAMILIES {
        text.family(family.name, family.kind, family.help);
        for row in &rows {
            let labels = [("stream", row.stream.as_str()), ("rendition", &*row.rendition.name)];
            if let Some(value) = (family.value)(row) {
                text.sample(family.name, &labels, value);
            }
        }
    }
}

/// Samples of one name, one for each rendition that has a value.
struct RenditionFamily {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: fn(&RenditionRow) -> Option<u64>,
}

const RENDITION_FAMILIES: [RenditionFamily; 8] = [
    RenditionFamily {
        name: "rendition_segments_total",
        kind: "counter",
        help: "Segments published.",
        value: |row| Some(row.rendition.published_segments),
    },
    RenditionFamily {
        name: "rendition_segment_bytes_total",
        kind: "counter",
        help: "Bytes of the segments published.",
        value: |row| Some(row.rendition.published_bytes),
    },
    RenditionFamily {
        name: "rendition_bandwidth_bits_per_second",
        kind: "gauge",
        help: "BANDWIDTH as announced.",
        value: |row| Some(row.rendition.snapshot.bandwidth_bps),
    },
    RenditionFamily {
        name: "rendition_average_bandwidth_bits_per_second",
        kind: "gauge",
        help: "AVERAGE-BANDWIDTH as announced.",
        value: |row| Some(row.rendition.snapshot.average_bandwidth_bps),
    },
    RenditionFamily {
        name: "rendition_encoded_pictures_total",
        kind: "counter",
        help: "Pictures encoded for the present or last publisher.",
        value: |row| row.rung.map(|rung| rung.encoded),
    },
    RenditionFamily {
        name: "rendition_skipped_pictures_total",
        kind: "counter",
        help: "Pictures left out to stay under the bitrate cap.",
        value: |row| row.rung.map(|rung| rung.skipped),
    },
    RenditionFamily {
        name: "rendition_shed",
        kind: "gauge",
        help: "1 while the transcoder is behind and makes only the picture that starts each segment.",
        value: |row| row.rung.map(|rung| rung.shed.into()),
    },
    RenditionFamily {
        name: "rendition_shed_pictures_total",
        kind: "counter",
        help: "Pictures left out while shed.",
        value: |row| row.rung.map(|rung| rung.shed_pictures),
    },
];

/// A rendition of some stream; with what the transcoder has done for it, where it is not the source.
struct RenditionRow {
    stream: StreamName,
    rendition: Rendition,
    rung: Option<RungStats>,
}

impl RenditionRow {
    fn of_stream(stream: &StreamStatus) -> Vec<Self> {
        let (publication, load) = (&stream.publication, stream.publication.transcode_load());
        let row = |rendition: &Rendition| Self {
            stream: publication.name().clone(),
            rendition: rendition.clone(),
            rung: load.rung(rendition.slot),
        };
        publication.view().renditions.iter().map(row).collect()
    }
}

/// Prometheus text that grows line by line. Every name gets the prefix.
#[derive(Debug, Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP feathercast_{name} {help}"));
        self.line(format_args!("# TYPE feathercast_{name} {kind}"));
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> =
            labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escape(text))).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.line(format_args!("feathercast_{name}{labels} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

/// A label's value as the format wants it.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(escape("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
    }

    #[test]
    fn every_family_has_help_and_type_and_every_line_is_of_the_format() {
        let text = render(&Metrics::default(), &[], 1.5);
        let families = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
        assert_eq!(text.lines().filter(|line| line.starts_with("# HELP ")).count(), families);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with("feathercast_") && value.parse::<f64>().is_ok(), "{line}");
        }
        assert!(text.contains("feathercast_uptime_seconds 1.5\n"));
        assert!(text.ends_with('\n'));
    }
}
