//! What the operator sees, and what nobody may see.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::exposition::Exposition;
use crate::support::http;
use crate::support::publisher::Publisher;
use crate::support::recording::record_seconds;
use crate::support::rtmp_client::{Answer, RtmpClient};
use crate::support::scratch::Scratch;
use crate::support::server::{Server, addresses};
use crate::support::wait::{eventually, within};
use crate::support::{ffmpeg, judge};

const P144: &str = "P144p30fps16x9";
const SECRET: &str = "5ecretKeyOfTheCamera";

/// A server that has seen a publisher with a key, and one with a wrong one.
fn busy(args: &[&str]) -> (Server, Scratch) {
    let args = [&["--renditions", P144], args].concat();
    let (server, scratch) = (Server::with(&args), Scratch::new());
    let line = "-f lavfi -i testsrc2=size=640x360:rate=30:duration=6 -f lavfi -i sine=sample_rate=48000:duration=6 -threads 1 \
        -c:v libx264 -preset ultrafast -g 60 -pix_fmt yuv420p -c:a aac -ac 2";
    let file = ffmpeg::encode(&scratch, line);
    Publisher::file(&server, &format!("cam/{SECRET}"), &file).succeed();
    record_seconds(&server, "cam", &[P144, "source"], 6.0);
    (server, scratch)
}

#[test]
fn status_says_what_is_on() {
    let (server, _scratch) = busy(&[]);
    let status = server.status();
    let stream = server.stream("cam").expect("the stream");
    let facts = [
        ("width", 640.into()),
        ("height", 360.into()),
        ("audio_sample_rate_hz", 48000.into()),
        ("audio_channels", 2.into()),
        ("undecodable", Value::Null),
        ("decoder", "native".into()),
    ];
    for (key, value) in facts {
        assert_eq!(stream[key], value, "{key} in {stream}");
    }
    judge::assert_close(stream["fps"].as_f64().expect("fps"), 30.0, 0.1, "fps");
    assert!(
        stream["codecs"]
            .as_str()
            .is_some_and(|codecs| codecs.starts_with("avc1.") && codecs.ends_with(",mp4a.40.2"))
    );
    assert!(
        stream["encoder"].as_str().is_some_and(|encoder| encoder.starts_with("Lavf")),
        "{stream}"
    );
    assert!(stream["publisher"].as_str().is_some_and(|peer| peer.starts_with("127.")), "{stream}");
    assert!(
        stream["since_unix_secs"].as_u64().is_some_and(|since| since > 1_700_000_000),
        "{stream}"
    );
    let renditions = stream["renditions"].as_array().expect("renditions");
    let names: Vec<_> =
        renditions.iter().map(|rendition| rendition["name"].as_str().expect("a name")).collect();
    assert_eq!(names, [P144, "source"]);
    for rendition in renditions {
        assert_eq!(rendition["published_segments"], 3, "{rendition}");
        assert_eq!(rendition["dropped_pictures"], 0, "{rendition}");
    }
    assert_eq!((&renditions[0]["width"], &renditions[0]["height"]), (&256.into(), &144.into()));
    assert_eq!(renditions[0]["encoded_pictures"], 180);
    let manifest = &status["Manifests"]["cam"];
    assert!(manifest.is_object(), "go-livepeer's map: {status}");
}

#[test]
fn metrics_are_prometheus_text() {
    let (server, _scratch) = busy(&["--decoder", "openh264"]);
    assert_eq!(server.stream("cam").expect("the stream")["decoder"], "openh264");
    let response = http::get(server.admin, "/metrics");
    assert!(
        response
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/plain; version=0.0.4"))
    );
    Exposition::parse(response.text()).expect("the text format");
    assert_eq!(
        server.metric("feathercast_rendition_segments_total{stream=\"cam\",rendition=\"source\"}"),
        3.0
    );
    assert_eq!(server.metric("feathercast_publish_accepted_total"), 1.0);
    assert_eq!(server.metric("feathercast_worker_panics_total"), 0.0);
    assert_eq!(http::get(server.admin, "/healthz").body, b"ok");
    assert_eq!(http::get(server.admin, "/nothing").status, 404);
}

#[test]
fn keys_are_nowhere() {
    let wrong = "5ecretAttempt";
    for args in [&["-vv"][..], &["-vv", "--log-format", "json"]] {
        let (server, _scratch) = busy(&[args, &["--keys", &format!("cam={SECRET}")]].concat());
        let mut refused = RtmpClient::asking(server.rtmp, "cam", wrong);
        assert_eq!(refused.wait_for("NetStream.Publish.Unauthorized"), Answer::Found);
        refused.wait_for_close();
        let mut by_query = RtmpClient::asking(server.rtmp, "live", &format!("cam?key={wrong}"));
        assert_eq!(by_query.wait_for("NetStream.Publish.Unauthorized"), Answer::Found);
        // A key in the place of the name, a wrong one and the right one.
        let mut misplaced = RtmpClient::asking(server.rtmp, "live", wrong);
        assert_eq!(misplaced.wait_for("NetStream.Publish.Unauthorized"), Answer::Found);
        drop(RtmpClient::publishing(server.rtmp, "live", SECRET));
        server.wait_for_state("cam", "away");
        // What docs/security.md promises to fail2ban.
        let promised = match args.contains(&"json") {
            true => r#""message":"authentication failed","ip":"127.0.0.1","door":"publish""#,
            false => r#"authentication failed ip=127.0.0.1 door="publish""#,
        };
        server.wait_for_log(&["WARN", promised]);
        let places = [
            ("log", server.log()),
            ("status", server.status().to_string()),
            ("metrics", http::get(server.admin, "/metrics").text().to_owned()),
            ("multivariant playlist", server.get("/stream/cam.m3u8").text().to_owned()),
            ("playlist", server.get("/stream/cam/source.m3u8").text().to_owned()),
        ];
        for (place, text) in places {
            assert!(!text.contains("5ecret"), "a key in the {place}: {text}");
        }
        let replies = [refused.said(), by_query.said()].concat().concat();
        assert!(!replies.contains("5ecret"), "a key in the answers: {replies}");
    }
}

#[test]
fn log_lines_are_json_when_asked_for() {
    let server = Server::with(&["--log-format", "json"]);
    drop(RtmpClient::publishing(server.rtmp, "cam", ""));
    server.wait_for_state("cam", "away");
    server.wait_for_log(&[r#""message":"publisher gone""#]);
    for line in server.log().lines() {
        let object: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(object["level"].is_string() && object["message"].is_string(), "{line}");
        if object["message"] == "publisher gone" {
            let says = object["says"].as_str().expect("a sentence for people, too");
            assert!(says.starts_with("cam: publisher gone after "), "{line}");
            assert!(object["reason"].is_string() && object["received_bytes"].is_u64(), "{line}");
        }
    }
}

/// A pipe that is full (a log collector that hangs, a terminal that is stopped) costs lines, and
/// nothing else.
#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let [rtmp, http, admin] = addresses();
    let mut child = Command::new(env!("CARGO_BIN_EXE_feathercast"))
        .args(["-v", "--rtmp-addr", &rtmp.to_string(), "--http-addr", &http.to_string()])
        .args(["--admin-addr", &admin.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("feathercast starts");
    eventually("the port", || TcpStream::connect(http).is_ok().then_some(()));
    // Two lines for each, which are more than the pipe holds.
    for _ in 0..600 {
        drop(TcpStream::connect(rtmp).expect("a connection"));
    }
    assert_eq!(http::get(http, "/healthz").status, 200);
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill(1)").success());
    let status = within(Duration::from_secs(5), "the end", || child.try_wait().expect("a child"));
    assert!(status.success(), "{status}");
}

#[test]
fn the_start_says_where_to_go_and_who_may_publish() {
    let server = Server::start();
    let log = server.log();
    for address in [server.rtmp, server.http] {
        assert!(log.contains(&address.to_string()), "{address} in {log}");
    }
    // These addresses are loopback ones: nobody on the internet may publish.
    assert!(server.log_lines(&["WARN"]).is_empty(), "{log}");
}
