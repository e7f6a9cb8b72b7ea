//! Counters, and their Prometheus text. Labels are names of streams and renditions and words of our
//! own, never keys, addresses or ids.

use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pipeline::RungStats;
use rtmp::{Refusal, StreamName};

use crate::clock::Moment;
use crate::demand::Wakefulness;
use crate::maker::Waiting;
use crate::memory::Memory;
use crate::process::ProcessUsage;
use crate::publication::{Publication, Reception, Rendition, TranscodeLoad};
use crate::registry::{State, StreamStatus};
use crate::shared::Shared;
use crate::warnings::Standing;

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

/// Upper bounds of a histogram's buckets in milliseconds; what is longer counts in the last one,
/// without a bound.
const BUCKETS_MS: [u64; 8] = [100, 250, 500, 1000, 2000, 4000, 6000, 8000];

/// How long something took, by classes.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [Counter; BUCKETS_MS.len() + 1],
    total_ms: Counter,
}

impl Histogram {
    /// How many there were so far.
    fn count(&self) -> u64 {
        self.buckets.iter().map(Counter::value).sum()
    }

    pub(crate) fn observe(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let place = BUCKETS_MS.iter().position(|bound| ms <= *bound).unwrap_or(BUCKETS_MS.len());
        self.buckets[place].add(1);
        self.total_ms.add(ms);
    }
}

/// Why publishers were refused, and what each reason is called.
const REFUSALS: [(Refusal, &str); 11] = [
    (Refusal::NameInUse, "name_in_use"),
    (Refusal::BadName, "bad_name"),
    (Refusal::Unauthorized, "unauthorized"),
    (Refusal::Banned, "banned"),
    (Refusal::Undecided, "undecided"),
    (Refusal::TooManyStreams, "too_many_streams"),
    (Refusal::TooOften, "too_often"),
    (Refusal::NoMemory, "no_memory"),
    (Refusal::VideoCodec, "video_codec"),
    (Refusal::ShortSegments, "short_segments"),
    (Refusal::ShuttingDown, "shutting_down"),
];

/// Publishers refused, by reason.
#[derive(Debug, Default)]
pub(crate) struct Refusals([Counter; REFUSALS.len()]);

impl Refusals {
    pub(crate) fn add(&self, refusal: Refusal) {
        let place = REFUSALS.iter().position(|(reason, _)| *reason == refusal);
        if let Some(counter) = place.and_then(|place| self.0.get(place)) {
            counter.add(1);
        }
    }

    /// All of them.
    #[cfg(test)]
    pub(crate) fn value(&self) -> u64 {
        self.0.iter().map(Counter::value).sum()
    }
}

/// What the process counts beside its streams.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) rtmp_connections: Counter,
    pub(crate) rtmp_refused_connections: Counter,
    pub(crate) rtmp_displaced_connections: Counter,
    pub(crate) rtmp_protocol_errors: Counter,
    pub(crate) rtmp_received_bytes: Counter,
    pub(crate) publish_accepted: Counter,
    pub(crate) publish_refused: Refusals,
    pub(crate) wrong_secrets: Counter,
    pub(crate) webhook_failures: Counter,
    pub(crate) events_delivered: Counter,
    pub(crate) events_failed: Counter,
    pub(crate) events_dropped: Counter,
    pub(crate) forward_connections: Counter,
    pub(crate) forward_failures: Counter,
    pub(crate) forward_sent_bytes: Counter,
    pub(crate) forward_dropped_messages: Counter,
    pub(crate) http_connections: Counter,
    pub(crate) http_refused_connections: Counter,
    pub(crate) http_stalled_connections: Counter,
    pub(crate) http_sent_bytes: Counter,
    pub(crate) http_playlists: Counter,
    pub(crate) http_segments: Counter,
    pub(crate) http_segments_not_made: Counter,
    pub(crate) http_not_found: Counter,
    pub(crate) http_without_token: Counter,
    pub(crate) http_too_many_viewers: Counter,
    pub(crate) tls_handshakes: Counter,
    pub(crate) tls_failed_handshakes: Counter,
    pub(crate) wake_ups: Counter,
    pub(crate) segment_waits: Histogram,
    pub(crate) worker_panics: Counter,
}

/// Samples of one name, one for each row that has a value.
struct Family<Row> {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: fn(&Row) -> Option<f64>,
}

const fn counter<Row>(
    name: &'static str,
    help: &'static str,
    value: fn(&Row) -> Option<f64>,
) -> Family<Row> {
    Family { name, kind: "counter", help, value }
}

const fn gauge<Row>(
    name: &'static str,
    help: &'static str,
    value: fn(&Row) -> Option<f64>,
) -> Family<Row> {
    Family { name, kind: "gauge", help, value }
}

fn count(counter: &Counter) -> Option<f64> {
    Some(counter.value() as f64)
}

const PROCESS: &[Family<Metrics>] = &[
    counter("rtmp_connections_total", "RTMP connections accepted.", |it| {
        count(&it.rtmp_connections)
    }),
    counter("rtmp_refused_connections_total", "RTMP connections closed at once: too many.", |it| {
        count(&it.rtmp_refused_connections)
    }),
    counter(
        "rtmp_displaced_connections_total",
        "RTMP connections that did not publish, closed for an address that had none.",
        |it| count(&it.rtmp_displaced_connections),
    ),
    counter("rtmp_protocol_errors_total", "RTMP connections ended by bad input.", |it| {
        count(&it.rtmp_protocol_errors)
    }),
    counter("rtmp_received_bytes_total", "Bytes received over RTMP.", |it| {
        count(&it.rtmp_received_bytes)
    }),
    counter("publish_accepted_total", "Publishers accepted.", |it| count(&it.publish_accepted)),
    counter("authentication_failures_total", "Wrong or missing keys and tokens.", |it| {
        count(&it.wrong_secrets)
    }),
    counter(
        "auth_webhook_failures_total",
        "Publishers refused because the webhook gave no answer.",
        |it| count(&it.webhook_failures),
    ),
    counter(
        "event_webhook_delivered_total",
        "Events that --event-webhook answered with a 2xx.",
        |it| count(&it.events_delivered),
    ),
    counter(
        "event_webhook_failed_total",
        "Events given up after so many tries without a 2xx.",
        |it| count(&it.events_failed),
    ),
    counter(
        "event_webhook_dropped_total",
        "Events dropped, the oldest first, as too many waited for --event-webhook.",
        |it| count(&it.events_dropped),
    ),
    counter(
        "forward_connections_total",
        "Connections on which another server took a stream that is forwarded.",
        |it| count(&it.forward_connections),
    ),
    counter(
        "forward_failures_total",
        "Forwards that were interrupted, or found no server that takes them.",
        |it| count(&it.forward_failures),
    ),
    counter("forward_sent_bytes_total", "Bytes of media sent to servers forwarded to.", |it| {
        count(&it.forward_sent_bytes)
    }),
    counter(
        "forward_dropped_messages_total",
        "Messages thrown away because a server forwarded to is slower than the stream.",
        |it| count(&it.forward_dropped_messages),
    ),
    counter("http_connections_total", "Viewer connections accepted.", |it| {
        count(&it.http_connections)
    }),
    counter("http_refused_connections_total", "Viewer connections refused: too many.", |it| {
        count(&it.http_refused_connections)
    }),
    counter(
        "http_stalled_connections_total",
        "Viewer connections ended: no byte was taken for too long, or a segment too slowly.",
        |it| count(&it.http_stalled_connections),
    ),
    counter("http_sent_bytes_total", "Bytes sent to viewers.", |it| count(&it.http_sent_bytes)),
    counter("http_playlist_requests_total", "Playlists served, also as 304.", |it| {
        count(&it.http_playlists)
    }),
    counter("http_segment_requests_total", "Segments served, also in parts.", |it| {
        count(&it.http_segments)
    }),
    counter(
        "http_segments_not_made_total",
        "Requests for a segment that was not made in time, answered with 503.",
        |it| count(&it.http_segments_not_made),
    ),
    counter("http_not_found_total", "Requests answered with 404.", |it| count(&it.http_not_found)),
    counter(
        "http_without_token_total",
        "Requests for a playlist without a token that opens it, answered with 403.",
        |it| count(&it.http_without_token),
    ),
    counter(
        "http_too_many_viewers_total",
        "Requests for a playlist over --viewers-max, answered with 503.",
        |it| count(&it.http_too_many_viewers),
    ),
    counter("tls_handshakes_total", "TLS handshakes, of publishers and viewers.", |it| {
        count(&it.tls_handshakes)
    }),
    counter("tls_failed_handshakes_total", "TLS handshakes that failed or took too long.", |it| {
        count(&it.tls_failed_handshakes)
    }),
    counter("rendition_wake_ups_total", "Renditions woken by somebody who watches.", |it| {
        count(&it.wake_ups)
    }),
    counter("worker_panics_total", "Worker threads that panicked.", |it| count(&it.worker_panics)),
];

const MEMORY: &[Family<Memory>] = &[
    gauge("memory_budget_bytes", "Memory that the process may use.", |it| Some(it.budget() as f64)),
    gauge("memory_media_bytes", "Media that is held, also by viewers that read it.", |it| {
        Some(it.media() as f64)
    }),
    gauge("memory_other_bytes", "Memory that is resident beside media.", |it| {
        Some(it.beside() as f64)
    }),
    gauge("memory_decoders_bytes", "Memory that decoders of streams have been given.", |it| {
        Some(it.decoding() as f64)
    }),
];

/// Under the names that Prometheus' own clients give them, without our prefix.
const USAGE: &[Family<ProcessUsage>] = &[
    counter("cpu_seconds_total", "Time that the process took of all cores together.", |it| {
        Some(it.cpu.as_secs_f64())
    }),
    gauge("resident_memory_bytes", "Memory that is resident.", |it| {
        it.resident_bytes.map(|bytes| bytes as f64)
    }),
    gauge("virtual_memory_bytes", "Memory that has addresses.", |it| {
        it.virtual_bytes.map(|bytes| bytes as f64)
    }),
    gauge("open_fds", "Open files, sockets among them.", |it| it.open_files.map(|it| it as f64)),
    gauge("max_fds", "Files that may be open.", |it| it.max_files.map(|it| it as f64)),
    gauge("threads", "Threads of the process.", |it| it.threads.map(|it| it as f64)),
];

/// Segments that wait to be made on demand.
const MAKER: &[Family<Waiting>] = &[
    gauge("make_waiting_requests", "Segments that somebody waits for.", |it| Some(it.asked as f64)),
    gauge("make_waiting_ahead", "Segments that will be asked for next.", |it| {
        Some(it.ahead as f64)
    }),
    gauge("make_threads", "Threads that make segments on demand.", |it| Some(it.threads as f64)),
];

/// A stream, with what is asked of it more than once.
struct StreamRow {
    stream: StreamStatus,
    reception: Reception,
    load: TranscodeLoad,
    viewers: usize,
    warnings: usize,
}

const STREAM: &[Family<StreamRow>] = &[
    gauge("stream_live", "1 while a publisher is connected.", |row| {
        Some(f64::from(u8::from(row.stream.state == State::Live)))
    }),
    gauge(
        "stream_viewers",
        "Who has asked for a playlist in the last 4 target durations.",
        |row| Some(row.viewers as f64),
    ),
    gauge("stream_warnings", "What is wrong at the moment: /status says it in words.", |row| {
        Some(row.warnings as f64)
    }),
    counter(
        "stream_received_bytes_total",
        "Bytes received from the stream's present or last publisher.",
        |row| Some(row.stream.session.received_bytes() as f64),
    ),
    counter(
        "stream_video_messages_total",
        "Messages of video from that publisher: pictures, and now and then their parameters.",
        |row| Some(row.stream.session.video_messages() as f64),
    ),
    gauge("stream_silence_seconds", "For how long nothing has come of the publisher.", |row| {
        Some(row.stream.session.silent_ms() as f64 / 1000.0)
    }),
    gauge("stream_memory_bytes", "Media that the stream holds.", |row| {
        Some(row.stream.publication.account().held() as f64)
    }),
    gauge("stream_ingest_queue_messages", "Messages that wait to be cut into segments.", |row| {
        Some(row.stream.session.waiting_messages() as f64)
    }),
    gauge("stream_transcode_queue_seconds", "Media that waits for the transcoder.", |row| {
        Some(row.load.queued_ms as f64 / 1000.0)
    }),
    gauge("stream_transcode_queue_bytes", "Bytes that wait for the transcoder.", |row| {
        Some(row.load.queued_bytes as f64)
    }),
    counter("stream_malformed_messages_total", "Messages that could not be used.", |row| {
        Some(row.reception.malformed_messages as f64)
    }),
    counter(
        "stream_timestamp_jumps_total",
        "Times at which the publisher's clock jumped.",
        |row| Some(row.reception.timestamp_jumps as f64),
    ),
    counter(
        "stream_dropped_pictures_total",
        "Pictures not transcoded because the transcoder was behind.",
        |row| Some(row.load.dropped_pictures as f64),
    ),
    counter(
        "stream_dropped_gops_total",
        "Whole GOPs not transcoded because the queue was over its bytes.",
        |row| Some(row.load.dropped_gops as f64),
    ),
    counter(
        "stream_failed_pictures_total",
        "Pictures that could not be decoded or encoded, or came damaged.",
        |row| Some(row.load.failed_pictures as f64),
    ),
    gauge(
        "stream_transcode_lag_seconds",
        "Media time between the newest picture received and the newest taken by the transcoder.",
        |row| Some(row.load.lag_ms as f64 / 1000.0),
    ),
];

/// A rendition of some stream; with what the transcoder has done for it, where it is not the
/// source.
struct RenditionRow {
    stream: StreamName,
    publication: Arc<Publication>,
    viewers: usize,
    rendition: Rendition,
    rung: Option<RungStats>,
    wakefulness: Option<Wakefulness>,
}

const RENDITION: &[Family<RenditionRow>] = &[
    counter("rendition_segments_total", "Segments made.", |row| {
        Some(row.rendition.published_segments as f64)
    }),
    counter(
        "rendition_segment_bytes_total",
        "Bytes of the segments made, as transport streams.",
        |row| Some(row.rendition.published_bytes as f64),
    ),
    counter(
        "rendition_sent_bytes_total",
        "Bytes of playlists and segments that viewers were answered with, without HTTP's own.",
        |row| row.publication.counts(row.rendition.slot).map(|it| it.sent_bytes.value() as f64),
    ),
    gauge(
        "rendition_viewers",
        "Viewers of the stream, by the playlist each asked for last.",
        |row| Some(row.viewers as f64),
    ),
    gauge("rendition_bandwidth_bits_per_second", "BANDWIDTH as announced.", |row| {
        Some(row.rendition.declared.mpeg_ts.peak_bps as f64)
    }),
    gauge(
        "rendition_average_bandwidth_bits_per_second",
        "AVERAGE-BANDWIDTH as announced.",
        |row| Some(row.rendition.declared.mpeg_ts.average_bps as f64),
    ),
    counter(
        "rendition_encoded_pictures_total",
        "Pictures encoded, for the present or last publisher.",
        |row| row.rung.map(|rung| rung.encoded as f64),
    ),
    counter(
        "rendition_skipped_pictures_total",
        "Pictures left out to stay under the bitrate cap.",
        |row| row.rung.map(|rung| rung.skipped as f64),
    ),
    gauge(
        "rendition_awake",
        "1 while the rendition is made as pictures come, 0 while nobody watches it.",
        |row| row.wakefulness.map(|it| f64::from(u8::from(it.awake))),
    ),
    gauge(
        "rendition_shed",
        "1 while the transcoder is behind and makes only the picture that starts each segment.",
        |row| row.rung.map(|rung| f64::from(u8::from(rung.shed))),
    ),
    counter(
        "rendition_sheds_total",
        "Times at which the transcoder fell that far behind.",
        |row| row.rung.map(|rung| rung.times_shed as f64),
    ),
    counter("rendition_shed_pictures_total", "Pictures left out while shed.", |row| {
        row.rung.map(|rung| rung.shed_pictures as f64)
    }),
];

/// The text of `GET /metrics` (Prometheus exposition format 0.0.4).
pub(crate) fn render(shared: &Shared, streams: &[StreamStatus]) -> String {
    let now = shared.clock.now();
    let metrics = &shared.metrics;
    let mut text = Text::new("feathercast");
    text.head("uptime_seconds", "gauge", "Time since the process started.");
    text.sample("uptime_seconds", &[], now.uptime.as_secs_f64());
    text.head("build_info", "gauge", "The running version.");
    text.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let live = streams.iter().filter(|stream| stream.state == State::Live).count();
    text.head("publishers", "gauge", "Connected publishers.");
    text.sample("publishers", &[], live);
    text.families(PROCESS, &[metrics], |_| Vec::new());
    text.head("publish_refused_total", "counter", "Publishers refused.");
    for ((_, reason), counter) in REFUSALS.iter().zip(&metrics.publish_refused.0) {
        text.sample("publish_refused_total", &[("reason", *reason)], counter.value());
    }
    text.families(MEMORY, &[&*shared.memory], |_| Vec::new());
    text.families(MAKER, &[&shared.maker.waiting()], |_| Vec::new());
    text.histogram(
        "segment_wait_seconds",
        "How long requests waited for a segment that nobody had made.",
        [(Vec::new(), &metrics.segment_waits)],
    );
    let rows: Vec<_> = streams.iter().map(|stream| StreamRow::of(stream, now)).collect();
    let rows: Vec<_> = rows.iter().collect();
    text.families(STREAM, &rows, |row| vec![("stream", row.stream.publication.name().as_str())]);
    text.transcode_seconds(&rows);
    let rows: Vec<_> =
        streams.iter().flat_map(|stream| RenditionRow::of_stream(stream, now)).collect();
    let rows: Vec<_> = rows.iter().collect();
    text.families(RENDITION, &rows, RenditionRow::labels);
    // One that was never made as pictures came has nothing to say.
    let delays = rows.iter().filter_map(|row| {
        let delays = &row.publication.counts(row.rendition.slot)?.delays;
        (delays.count() > 0).then(|| (row.labels(), delays))
    });
    text.histogram(
        "segment_delay_seconds",
        "From the end of a segment's time to the segment, where it is made as pictures come.",
        delays,
    );
    let mut usage = Text::new("process");
    usage.families(USAGE, &[&ProcessUsage::now()], |_| Vec::new());
    usage.head("start_time_seconds", "gauge", "When the process started, in Unix time.");
    usage.sample("start_time_seconds", &[], shared.started.unix_ms as f64 / 1000.0);
    text.lines + &usage.lines
}

impl StreamRow {
    fn of(stream: &StreamStatus, now: Moment) -> Self {
        let warnings = stream.warnings(now);
        let present = warnings.iter().filter(|warning| warning.standing == Standing::Now);
        Self {
            reception: stream.publication.reception(),
            load: stream.publication.transcode_load(),
            viewers: stream.publication.viewers(now),
            warnings: present.count(),
            stream: stream.clone(),
        }
    }
}

impl RenditionRow {
    fn of_stream(stream: &StreamStatus, now: Moment) -> Vec<Self> {
        let publication = &stream.publication;
        let load = publication.transcode_load();
        let row = |rendition: &Rendition| Self {
            stream: publication.name().clone(),
            viewers: publication.viewers_of(rendition.slot, now),
            rendition: rendition.clone(),
            rung: load.rung(rendition.slot),
            wakefulness: publication.wakefulness(rendition.slot),
            publication: Arc::clone(publication),
        };
        publication.view().renditions.iter().map(row).collect()
    }

    fn labels(&self) -> Vec<(&'static str, &str)> {
        vec![("stream", self.stream.as_str()), ("rendition", &*self.rendition.name)]
    }
}

/// Prometheus text that grows line by line. Every name gets the prefix.
#[derive(Debug)]
struct Text {
    prefix: &'static str,
    lines: String,
}

impl Text {
    fn new(prefix: &'static str) -> Self {
        Self { prefix, lines: String::new() }
    }

    fn families<Row>(
        &mut self,
        families: &[Family<Row>],
        rows: &[&Row],
        labels: impl Fn(&Row) -> Vec<(&'static str, &str)>,
    ) {
        for family in families {
            self.head(family.name, family.kind, family.help);
            for row in rows {
                if let Some(value) = (family.value)(row) {
                    self.sample(family.name, &labels(row), value);
                }
            }
        }
    }

    fn transcode_seconds(&mut self, rows: &[&StreamRow]) {
        let name = "stream_transcode_cpu_seconds_total";
        self.head(name, "counter", "Time of a core for the renditions, by stage.");
        for row in rows {
            let work = &row.load.work;
            for (stage, time) in [
                ("decode", work.decode),
                ("scale", work.scale),
                ("encode", work.encode),
                ("sound", work.sound),
            ] {
                let labels = [("stream", row.stream.publication.name().as_str()), ("stage", stage)];
                self.sample(name, &labels, time.as_secs_f64());
            }
        }
    }

    fn histogram<'a>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, &'a Histogram)>,
    ) {
        self.head(name, "histogram", help);
        for (labels, histogram) in rows {
            let bounds = BUCKETS_MS.iter().map(|ms| (*ms as f64 / 1000.0).to_string());
            let bounds = bounds.chain(["+Inf".to_owned()]);
            let mut total = 0;
            for (bound, bucket) in bounds.zip(&histogram.buckets) {
                total += bucket.value();
                let labels = [&labels[..], &[("le", bound.as_str())]].concat();
                self.sample(&format!("{name}_bucket"), &labels, total);
            }
            let seconds = histogram.total_ms.value() as f64 / 1000.0;
            self.sample(&format!("{name}_sum"), &labels, seconds);
            self.sample(&format!("{name}_count"), &labels, total);
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let prefix = self.prefix;
        self.line(format_args!("# HELP {prefix}_{name} {help}"));
        self.line(format_args!("# TYPE {prefix}_{name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> =
            labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escape(text))).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let prefix = self.prefix;
        self.line(format_args!("{prefix}_{name}{labels} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.lines, "{line}");
    }
}

/// A label's value as the format wants it.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Limits};

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(escape("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
    }

    fn text_of(shared: &Shared) -> String {
        render(shared, &[])
    }

    #[test]
    fn every_family_has_help_and_type_and_every_line_is_of_the_format() {
        let text = text_of(&Shared::new(&Config::default(), Limits::default()));
        let families = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
        assert_eq!(text.lines().filter(|line| line.starts_with("# HELP ")).count(), families);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let is_ours = name.starts_with("feathercast_") || name.starts_with("process_");
            assert!(is_ours && value.parse::<f64>().is_ok(), "{line}");
        }
        assert!(text.contains("\nprocess_cpu_seconds_total "));
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn refusals_are_counted_by_their_reason() {
        let shared = Shared::new(&Config::default(), Limits::default());
        for (refusal, _) in REFUSALS {
            shared.metrics.publish_refused.add(refusal);
        }
        shared.metrics.publish_refused.add(Refusal::Banned);
        let text = text_of(&shared);
        for (refusal, reason) in REFUSALS {
            let times = if refusal == Refusal::Banned { 2 } else { 1 };
            let line =
                format!("feathercast_publish_refused_total{{reason=\"{reason}\"}} {times}\n");
            assert!(text.contains(&line), "{line}");
        }
    }

    #[test]
    fn a_histogram_counts_each_class_and_all_below_it() {
        let shared = Shared::new(&Config::default(), Limits::default());
        for ms in [90, 300, 400, 9000] {
            shared.metrics.segment_waits.observe(Duration::from_millis(ms));
        }
        let text = text_of(&shared);
        for line in [
            "segment_wait_seconds_bucket{le=\"0.1\"} 1",
            "segment_wait_seconds_bucket{le=\"0.5\"} 3",
            "segment_wait_seconds_bucket{le=\"8\"} 3",
            "segment_wait_seconds_bucket{le=\"+Inf\"} 4",
            "segment_wait_seconds_sum 9.79",
            "segment_wait_seconds_count 4",
        ] {
            assert!(text.contains(&format!("feathercast_{line}\n")), "{line}\n{text}");
        }
    }
}
