//! The log as its operator reads it.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::support::ffmpeg;
use crate::support::flv_file::read;
use crate::support::http;
use crate::support::pacer::Gauge;
use crate::support::rtmp_client::RtmpClient;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

/// All that a stream is worth that begins, drops out, comes back and stops.
const LIFE: &str = "\
INFO feathercast is ready: publish to rtmp://RTMP/NAME, watch at http://HTTP/watch/NAME; the operator's port is ADMIN.
INFO cam: publisher connected from 127.0.0.1.
INFO cam is live: 320x180 at 30 fps, audio of 44.1 kHz, by Lavf; watch at http://HTTP/watch/cam, renditions P144p30fps16x9, source.
INFO cam: publisher gone after # s, # B (its connection was closed); waiting 10 s for it to come back.
INFO cam: publisher connected from 127.0.0.1.
INFO cam goes on: 320x180 at 30 fps, audio of 44.1 kHz, by Lavf; watch at http://HTTP/watch/cam, renditions P144p30fps16x9, source.
INFO cam: publisher gone after # s, # B (stopped by the publisher); the stream ends in 3 s.
INFO cam has ended, as its publisher stopped: it was live for # s, its publisher sent # B.
INFO Stopping: publishers are told to go.
INFO Viewers have 2 s to fetch the last segments.
INFO feathercast has stopped.
";

#[test]
fn the_log_of_a_stream_s_life_is_a_few_sentences() {
    let (mut server, scratch) = (Server::start(), Scratch::new());
    let tags = read(&ffmpeg::four_seconds(&scratch));
    let gauge = Gauge::new(&server, "cam");
    let mut first = RtmpClient::publishing(server.rtmp, "cam", "");
    first.tags_in_pace(&tags, &gauge);
    drop(first);
    server.wait_for_state("cam", "away");
    let gauge = Gauge::new(&server, "cam");
    let mut second = RtmpClient::publishing(server.rtmp, "cam", "");
    second.tags_in_pace(&tags, &gauge);
    second.say_goodbye("cam");
    server.wait_for_state("cam", "ended");
    server.wait_for_log(&["cam has ended"]);
    server.signal("TERM");
    assert!(server.wait_for_exit(Duration::from_secs(5)).success());
    let log: String = server.log().lines().map(|line| timeless(line, &server) + "\n").collect();
    assert_eq!(log, LIFE);
}

/// A line without its time, with names for addresses, and `#` for what differs from run to run.
fn timeless(line: &str, server: &Server) -> String {
    let (_, line) = line.split_once("Z ").expect("a time");
    let mut line = line.to_owned();
    for (address, name) in [(server.rtmp, "RTMP"), (server.http, "HTTP"), (server.admin, "ADMIN")] {
        line = line.replace(&address.to_string(), name);
    }
    let words: Vec<&str> = line.trim_start().split(' ').collect();
    let is_number = |word: &str| word.parse::<f64>().is_ok();
    let unit =
        |word: &str| word.strip_prefix("kB").or_else(|| word.strip_prefix("MB")).map(str::to_owned);
    let timeless = words.iter().enumerate().map(|(at, word)| {
        let before = at.checked_sub(1).map_or("", |at| words[at]);
        let behind = words.get(at + 1).copied().unwrap_or_default();
        match unit(word) {
            Some(rest) => format!("B{rest}"),
            None if word.starts_with("Lavf") => "Lavf;".to_owned(),
            None if is_number(word) && matches!(before, "after" | "for") => "#".to_owned(),
            None if is_number(word) && unit(behind).is_some() => "#".to_owned(),
            None => (*word).to_owned(),
        }
    });
    timeless.collect::<Vec<_>>().join(" ")
}

#[test]
fn who_mistook_a_port_is_told_of_in_words() {
    let server = Server::start();
    for (bytes, words) in [
        (&b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"[..], "from a browser or another HTTP client"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "it speaks TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "another protocol that begins with 0x53"),
    ] {
        let mut socket = TcpStream::connect(server.rtmp).expect("a connection");
        socket.write_all(bytes).expect("a greeting");
        let line = server.wait_for_log(&["WARN", words]);
        assert!(line.contains("127.0.0.1: bad input on the RTMP port"), "{line}");
        assert!(!line.contains("csid") && !line.contains("held_back"), "{line}");
    }
    let watch = format!("http://{}/", server.http);
    assert_eq!(server.log_lines(&["people watch at", &watch]).len(), 1);
}

#[test]
fn a_long_keyframe_interval_a_kick_and_a_refusal_are_told_with_what_to_do() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let line = "-f lavfi -i testsrc2=size=320x180:rate=30:duration=12 -threads 1 -c:v libx264 \
        -preset ultrafast -g 300 -pix_fmt yuv420p";
    let tags = read(&ffmpeg::encode(&scratch, line));
    let gauge = Gauge::new(&server, "cam");
    let mut publisher = RtmpClient::publishing(server.rtmp, "cam", "");
    publisher.tags_in_pace(&tags, &gauge);
    server.wait_for_log(&["cam is live", "no audio"]);
    server.wait_for_log(&[
        "WARN",
        "cam: keyframes are too far apart",
        "set a keyframe interval of 2 s",
    ]);
    let mut unnamed = RtmpClient::asking(server.rtmp, "live", "no name");
    unnamed.wait_for_close();
    let refusal = server.wait_for_log(&["WARN", "127.0.0.1: publisher refused for bad input"]);
    assert!(refusal.contains("A stream name is") && !refusal.contains("csid"), "{refusal}");
    assert_eq!(http::request(server.admin, "POST", "/streams/cam/kick", &[]).status, 200);
    publisher.wait_for_close();
    server.wait_for_log(&["publisher gone", "(kicked by the operator); the stream ends in"]);
    server.wait_for_log(&["cam has ended, as the operator kicked its publisher"]);
    let of_its_life = server.log_lines(&[" INFO cam"]);
    assert!(of_its_life.len() < 10, "{of_its_life:?}");
}

/// What the go-livepeer recipe asks for with `-v 99` says whose each line is, and nothing of
/// threads and spans.
#[test]
fn a_log_of_everything_stays_readable() {
    let (server, scratch) = (Server::with(&["-vv"]), Scratch::new());
    let tags = read(&ffmpeg::four_seconds(&scratch));
    let gauge = Gauge::new(&server, "cam");
    let mut publisher = RtmpClient::publishing(server.rtmp, "cam", "");
    publisher.tags_in_pace(&tags, &gauge);
    let line = server.wait_for_log(&["DEBUG segment published", "stream=cam rendition=source"]);
    assert!(line.contains("conn=127.0.0.1:"), "{line}");
    for word in ["ingest:", "stream{", "tokio", "rtmp conn{"] {
        assert_eq!(server.log_lines(&[word]), Vec::<String>::new(), "{word}");
    }
}
