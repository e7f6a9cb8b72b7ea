//! What is told of streams: the receiver of docs/hooks.md, as it stands there.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::ffmpeg;
use crate::support::flv_file::read;
use crate::support::pacer::Gauge;
use crate::support::program::Program;
use crate::support::rtmp_client::RtmpClient;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, addresses};
use crate::support::wait::eventually;

const SECRET: &str = "0123456789abcdef";

/// The first block of this language in docs/hooks.md.
fn block(language: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/hooks.md");
    let text = fs::read_to_string(path).expect("docs/hooks.md");
    let (_, block) = text.split_once(&format!("```{language}\n")).expect("a block");
    block.split_once("```").expect("its end").0.to_owned()
}

#[test]
fn the_receiver_of_the_docs_is_told_what_becomes_of_a_stream() {
    let scratch = Scratch::new();
    let script = scratch.write("receiver.py", block("python").as_bytes());
    let [receiver, ..] = addresses();
    let start = |name: &str| {
        let (host, port) = (receiver.ip().to_string(), receiver.port().to_string());
        let mut python = Command::new("python3");
        python.arg(&script).args([&host, &port]).env("EVENT_SECRET", SECRET);
        let said = fs::File::create(scratch.file("told.txt")).expect("a file");
        Program::start(python.stdout(said), name, &scratch)
    };
    let url = format!("http://{receiver}/");
    let args = ["--event-webhook", &url, "--event-webhook-secret", SECRET];
    let mut server = Server::with(&args);
    // Nobody is there yet: the first event is told again.
    let tags = read(&ffmpeg::four_seconds(&scratch));
    let gauge = Gauge::new(&server, "cam");
    let mut first = RtmpClient::publishing(server.rtmp, "cam", "a-key-of-mine");
    first.tags_in_pace(&tags, &gauge);
    let complaint = server.wait_for_log(&["WARN", "cam: stream.started did not reach"]);
    assert!(complaint.contains("the next try is in 1 s: cannot connect"), "{complaint}");
    let _python = start("receiver");
    eventually("the receiver", || TcpStream::connect(receiver).is_ok().then_some(()));
    drop(first);
    server.wait_for_state("cam", "away");
    let gauge = Gauge::new(&server, "cam");
    let mut second = RtmpClient::publishing(server.rtmp, "cam", "a-key-of-mine");
    second.tags_in_pace(&tags, &gauge);
    let told = || fs::read_to_string(scratch.file("told.txt")).expect("what it says");
    eventually("the publisher to be back", || told().contains("publisher_back").then_some(()));
    server.wait_for_log(&["INFO The --event-webhook takes events again."]);
    assert!(server.metric("feathercast_event_webhook_delivered_total") >= 2.0);
    for lost in ["failed", "dropped"] {
        let metric = format!("feathercast_event_webhook_{lost}_total");
        assert_eq!(server.metric(&metric), 0.0, "{metric}");
    }
    server.signal("TERM");
    assert!(server.wait_for_exit(Duration::from_secs(6)).success());
    let lines: Vec<String> = told().lines().map(str::to_owned).collect();
    let events: Vec<&str> =
        lines.iter().filter_map(|line| line.split_once("Z ")).map(|(_, it)| it).collect();
    let expected = [
        "cam stream.started published",
        "cam stream.degraded publisher_missing",
        "cam stream.started publisher_back",
        "cam stream.stopped server_stopping",
    ];
    assert_eq!(events, expected);
    for secret in [SECRET, "a-key-of-mine"] {
        assert!(!server.log().contains(secret), "{secret} is in the log");
    }
}
