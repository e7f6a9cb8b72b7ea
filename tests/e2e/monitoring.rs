//! `/metrics`, and what is made for it: the dashboard for Grafana, the rules of alerts, the page of
//! docs/ that explains each number.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::exposition::{Exposition, Kind, Sample};
use crate::support::ffmpeg;
use crate::support::http;
use crate::support::publisher::Publisher;
use crate::support::rtmp_client::{Answer, RtmpClient};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::wait::within;

const P144: &str = "P144p30fps16x9";
const SECRET: &str = "5ecretKeyOfTheCamera";

fn scrape(server: &Server) -> Exposition {
    let response = http::get(server.admin, "/metrics");
    assert_eq!(response.status, 200);
    Exposition::parse(response.text()).unwrap_or_else(|error| panic!("{error}"))
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<&str> {
    let is_of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character| !is_of_name(character));
    // The process is also a word of its own, and has other fields in /proc.
    let is_metric = |word: &&str| {
        word.starts_with("feathercast_") || word.starts_with("process_") && word.len() > 12
    };
    words.filter(is_metric).collect()
}

#[test]
fn metrics_say_who_watches_what_it_costs_and_who_was_refused() {
    let (server, scratch) =
        (Server::with(&["--renditions", P144, "--keys", &format!("cam={SECRET}")]), Scratch::new());
    let line = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=10 -f lavfi -i sine=duration=10 -threads 1 \
        -c:v libx264 -preset superfast -g 50 -pix_fmt yuv420p -c:a aac";
    let clip = ffmpeg::encode(&scratch, line);
    let line = format!("-re -stream_loop -1 -i {} -c copy", clip.display());
    let _publisher = Publisher::start(&line, &server.url(&format!("cam/{SECRET}")));
    let mut refused = RtmpClient::asking(server.rtmp, "cam", "5ecretAttempt");
    assert_eq!(refused.wait_for("NetStream.Publish.Unauthorized"), Answer::Found);
    server.get_when_there("/stream/cam.m3u8");

    // Before anybody watches nothing is made, and nothing counts as watched.
    let cam = [("stream", "cam")];
    let p144 = [("stream", "cam"), ("rendition", P144)];
    let source = [("stream", "cam"), ("rendition", "source")];
    let before = scrape(&server);
    assert_eq!(before.value("feathercast_stream_viewers", &cam), 0.0);
    assert_eq!(before.value("feathercast_rendition_awake", &p144), 0.0);
    assert_eq!(before.value("feathercast_rendition_sent_bytes_total", &p144), 0.0);

    // One viewer of the rendition, and one of the source.
    let path = format!("/stream/cam/{P144}.m3u8");
    let watch = |path: &str, player: &str| {
        let playlist = http::request(server.http, "GET", path, &[("User-Agent", player)]);
        let newest = playlist.text().lines().rfind(|line| line.ends_with(".ts"));
        let newest = newest.expect("a segment").to_owned();
        let segment = http::request(server.http, "GET", &newest, &[("User-Agent", player)]);
        assert_eq!(segment.status, 200);
        (playlist.body.len() + segment.body.len()) as f64
    };
    let mut sent = 0.0;
    let after = within(Duration::from_secs(45), "a segment made as pictures come", || {
        sent += watch(&path, "VLC");
        watch("/stream/cam/source.m3u8", "hls.js");
        let metrics = scrape(&server);
        let delays = metrics.family("feathercast_segment_delay_seconds");
        let is_p144 = |sample: &Sample| sample.labels["rendition"] == P144;
        let is_there = delays.samples.iter().any(is_p144);
        is_there.then_some(metrics)
    });
    assert_eq!(after.value("feathercast_stream_viewers", &cam), 2.0);
    for labels in [&p144, &source] {
        assert_eq!(after.value("feathercast_rendition_viewers", labels), 1.0, "{labels:?}");
    }
    assert_eq!(after.value("feathercast_rendition_sent_bytes_total", &p144), sent);
    assert!(after.value("feathercast_segment_delay_seconds_count", &p144) >= 1.0);
    assert!(after.value("feathercast_segment_delay_seconds_count", &source) >= 1.0);
    assert!(after.value("feathercast_rendition_wake_ups_total", &[]) >= 1.0);
    for stage in ["decode", "scale", "encode"] {
        let labels = [("stream", "cam"), ("stage", stage)];
        let seconds = after.value("feathercast_stream_transcode_cpu_seconds_total", &labels);
        assert!(seconds > 0.0 && seconds < 60.0, "{stage}: {seconds} s");
    }
    assert!(after.value("feathercast_stream_received_bytes_total", &cam) > 10_000.0);
    assert!(after.value("feathercast_stream_video_messages_total", &cam) > 25.0);
    assert!(after.value("feathercast_stream_memory_bytes", &cam) > 10_000.0);
    assert!(after.value("feathercast_stream_ingest_queue_messages", &cam) <= 64.0);
    assert!(after.value("feathercast_stream_transcode_queue_seconds", &cam) < 2.5);
    assert!(after.value("feathercast_memory_decoders_bytes", &[]) > 0.0);
    let refusals = |reason| after.value("feathercast_publish_refused_total", &[("reason", reason)]);
    assert_eq!((refusals("unauthorized"), refusals("banned")), (1.0, 0.0));

    // The process, by the names that everybody's have.
    let resident = after.value("process_resident_memory_bytes", &[]);
    assert!(resident > 1e6 && resident < after.value("process_virtual_memory_bytes", &[]));
    assert!(after.value("process_cpu_seconds_total", &[]) > 0.0);
    assert!(after.value("process_threads", &[]) >= 4.0);
    assert!(after.value("process_open_fds", &[]) < after.value("process_max_fds", &[]));
    assert!(after.value("process_start_time_seconds", &[]) > 1.7e9);

    // Labels are names, never who.
    let mut labels = BTreeSet::new();
    for name in after.names() {
        let samples = &after.family(name).samples;
        labels.extend(samples.iter().flat_map(|sample| sample.labels.keys().map(String::as_str)));
    }
    let known = ["le", "reason", "rendition", "stage", "stream", "version"];
    assert_eq!(labels, BTreeSet::from(known));
    let response = http::get(server.admin, "/metrics");
    for secret in ["5ecret", "VLC", "hls.js", "127.0.0.1"] {
        assert!(!response.text().contains(secret), "{secret} in {}", response.text());
    }
}

/// All that an idle server says has its HELP and TYPE, so all names are there.
#[test]
fn what_dashboards_alerts_and_docs_name_is_there() {
    let server = Server::start();
    let metrics = scrape(&server);
    let dashboard = read("contrib/grafana/feathercast.json");
    let parsed: Value = serde_json::from_str(&dashboard).expect("JSON");
    let panels = parsed["panels"].as_array().expect("panels");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().expect("a title");
        let targets = panel["targets"].as_array().expect(title);
        let exprs = targets.iter().map(|target| target["expr"].as_str().expect(title));
        assert!(exprs.clone().count() > 0, "{title}");
        for expr in exprs {
            assert!(is_balanced(expr) && !named(expr).is_empty(), "{title}: {expr}");
        }
    }
    let alerts = read("contrib/prometheus/alerts.yml");
    let (mut rules, mut exprs) = (0, 0);
    for line in alerts.lines() {
        rules += usize::from(line.trim_start().starts_with("- alert: "));
        if let Some(expr) = line.trim_start().strip_prefix("expr: ") {
            assert!(is_balanced(expr) && !named(expr).is_empty(), "{expr}");
            exprs += 1;
        }
    }
    assert!(rules > 5 && rules == exprs, "{rules} rules, {exprs} expressions");
    for (place, text) in [("grafana", &dashboard), ("alerts", &alerts)] {
        for name in named(text) {
            assert!(metrics.has(name), "{place}: there is no {name}");
        }
    }
    // The page explains each, and no other.
    let docs = read("docs/monitoring.md");
    let explained: BTreeSet<_> =
        named(&docs).into_iter().filter(|name| metrics.has(name)).collect();
    let unknown: Vec<_> = named(&docs).into_iter().filter(|name| !knows(&metrics, name)).collect();
    assert_eq!(unknown, Vec::<&str>::new(), "docs/monitoring.md names what is not there");
    let is_explained = |name: &&str| {
        explained.contains(name)
            || metrics.family(name).kind == Kind::Histogram && docs.contains(*name)
    };
    let missing: Vec<_> = metrics.names().into_iter().filter(|name| !is_explained(name)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "docs/monitoring.md does not name");
}

/// Whether a name is one that a query may have, or a histogram's own.
fn knows(metrics: &Exposition, name: &str) -> bool {
    metrics.has(name) || metrics.names().contains(name)
}

fn is_balanced(expr: &str) -> bool {
    let count = |character| expr.matches(character).count();
    [('(', ')'), ('{', '}'), ('[', ']')].iter().all(|(open, close)| count(*open) == count(*close))
}

/// What the tests above rely on.
#[test]
fn the_reader_of_metrics_is_strict() {
    let head = "# HELP a_total A.\n# TYPE a_total counter\n";
    let histogram = "# HELP b_seconds B.\n# TYPE b_seconds histogram\n";
    let good = [
        format!("{head}a_total 1\n"),
        head.to_owned(),
        format!("{head}a_total{{x=\"\\\\\\\"\\n}},\",y=\"\"}} 1.5e3\n"),
        format!(
            "{histogram}b_seconds_bucket{{le=\"0.5\"}} 1\nb_seconds_bucket{{le=\"+Inf\"}} 3\nb_seconds_sum 2.5\nb_seconds_count 3\n"
        ),
    ];
    for text in &good {
        Exposition::parse(text).unwrap_or_else(|error| panic!("{error} in {text}"));
    }
    let escaped = Exposition::parse(&good[2]).expect("a sample");
    assert_eq!(escaped.value("a_total", &[("x", "\\\"\n},"), ("y", "")]), 1500.0);
    let one = |line: &str| format!("{head}{line}\n");
    let bad = [
        "a_total 1\n".to_owned(),
        "# TYPE a_total counter\n# HELP a_total A.\na_total 1\n".to_owned(),
        format!("{head}{head}"),
        head.trim_end().to_owned(),
        head.replace("a_total", "a"),
        head.replace("counter", "gauge"),
        head.replace("counter", "summary"),
        head.replace("a_total", "a_ms_total"),
        head.replace("a_total", "1_total"),
        one("b_total 1"),
        one("a_total  1"),
        one("a_total 1 1700000000000"),
        one("a_total one"),
        one("a_total NaN"),
        one("a_total -1"),
        one("a_total{x=\"1\"x=\"2\"} 1"),
        one("a_total{x=\"1\",x=\"2\"} 1"),
        one("a_total{x=1} 1"),
        one("a_total{x=\"\\t\"} 1"),
        one("a_total{x=\"} 1"),
        one("a_total 1\na_total 2"),
        one("a_total 1\n"),
        format!(
            "{histogram}b_seconds_bucket{{le=\"0.5\"}} 1\nb_seconds_sum 1\nb_seconds_count 1\n"
        ),
        format!(
            "{histogram}b_seconds_bucket{{le=\"0.5\"}} 2\nb_seconds_bucket{{le=\"+Inf\"}} 1\nb_seconds_sum 1\nb_seconds_count 1\n"
        ),
        format!(
            "{histogram}b_seconds_bucket{{le=\"+Inf\"}} 1\nb_seconds_bucket{{le=\"1\"}} 1\nb_seconds_sum 1\nb_seconds_count 1\n"
        ),
        format!(
            "{histogram}b_seconds_bucket{{le=\"+Inf\"}} 2\nb_seconds_sum 1\nb_seconds_count 1\n"
        ),
        format!("{histogram}b_seconds_bucket{{le=\"+Inf\"}} 1\nb_seconds_count 1\n"),
    ];
    for text in bad {
        assert!(Exposition::parse(&text).is_err(), "taken: {text}");
    }
}
