//! Streams that go on to other servers: ours, nginx-rtmp, and some that fail.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use crate::support::ffmpeg;
use crate::support::nginx::Nginx;
use crate::support::publisher::Publisher;
use crate::support::recording::{Recording, record_seconds};
use crate::support::relay::Relay;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::wait::eventually;

/// Pictures with B pictures, a GOP a second, and sound; twenty seconds of it.
fn film(scratch: &Scratch) -> PathBuf {
    let line = "-f lavfi -i testsrc2=size=320x180:rate=30:duration=20 -f lavfi -i sine=duration=20 \
        -threads 1 -c:v libx264 -preset superfast -bf 2 -g 30 -pix_fmt yuv420p -c:a aac";
    ffmpeg::encode(scratch, line)
}

/// Noise of more than 20 Mbit/s, five seconds of it.
fn noise(scratch: &Scratch) -> PathBuf {
    let line = "-f lavfi -i testsrc2=size=480x270:rate=30:duration=5,noise=alls=60:allf=t -threads 1 \
        -c:v libx264 -preset ultrafast -qp 4 -g 30 -pix_fmt yuv420p";
    ffmpeg::encode(scratch, line)
}

fn publish(file: &Path, server: &Server, path: &str) -> Publisher {
    let line = format!("-re -stream_loop -1 -i {} -map 0 -c copy", file.display());
    Publisher::start(&line, &server.url(path))
}

/// The MD5 of each access unit, or of each frame of sound.
fn packets(media: &[u8], track: &str, scratch: &Scratch) -> Vec<String> {
    let file = scratch.file("packets.ts");
    std::fs::write(&file, media).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let arguments = ["-v", "error", "-i", file, "-map", track, "-c", "copy", "-f", "framemd5", "-"];
    let output = ffmpeg::ffmpeg(&arguments);
    let text = String::from_utf8(output.stdout).expect("text");
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| row.rsplit(',').next().expect("the MD5").trim().to_owned()).collect()
}

#[test]
fn what_is_forwarded_is_what_was_published() {
    let scratch = Scratch::new();
    let (ours, nginx) = (Server::with(&["--renditions", ""]), Nginx::start(""));
    let forwards = format!(
        "cam=rtmp://{}/relayed/its-key,cam=rtmp://{}/live/ours,other=rtmp://{}/other",
        ours.rtmp, nginx.rtmp, ours.rtmp
    );
    let server = Server::with(&["--renditions", "", "--forward", &forwards]);
    let _publisher = publish(&film(&scratch), &server, "cam");
    let there = record_seconds(&ours, "relayed", &["source"], 6.0).remove(0);
    let here = record_seconds(&server, "cam", &["source"], 6.0).remove(0);
    for track in ["0:v", "0:a"] {
        let sent = packets(&here.joined(), track, &scratch);
        let came = packets(&there.joined(), track, &scratch);
        // The two windows are not of the same moment; the film is a loop of 20 s.
        let begin = sent.iter().position(|packet| *packet == came[0]).expect("its first packet");
        let both = sent[begin..].iter().zip(&came);
        assert!(both.clone().count() >= 30, "{track}");
        assert!(both.clone().all(|(sent, came)| sent == came), "{track}");
    }
    nginx.playlist("/live/ours.m3u8");
    let second = nginx.folder().join("live/ours-1.ts");
    let media = ffmpeg::probe(second.to_str().expect("UTF-8"));
    assert_eq!(media.video.expect("video").pts.len(), 60, "two seconds of pictures");
    assert!(ours.stream("other").is_none(), "nobody publishes it");
    assert_eq!(server.log_lines(&["it goes on to"]).len(), 2);
    assert!(!server.log().contains("its-key"), "{}", server.log());
    assert!(server.metric("feathercast_forward_sent_bytes_total") > 0.0);
}

#[test]
fn a_forward_that_fails_comes_back_and_the_stream_does_not_notice() {
    let scratch = Scratch::new();
    let other = Server::with(&["--renditions", ""]);
    let forward = format!("cam={}", other.url("cam"));
    let server = Server::with(&["--renditions", "", "--forward", &forward]);
    let mut publisher = publish(&film(&scratch), &server, "cam");
    other.get_when_there("/stream/cam/source.m3u8");
    let mut here = Recording::new("cam", "source");
    here.poll(&server);
    let other = other.killed_and_started_again(&["--renditions", ""]);
    eventually("the stream to be there again", || {
        here.poll(&server);
        (other.get("/stream/cam/source.m3u8").status == 200).then_some(())
    });
    assert!(here.seconds() >= 8.0, "{} s", here.seconds());
    assert!(here.segments.iter().all(|segment| !segment.discontinuity));
    assert!(publisher.is_running() && server.log_lines(&["publisher gone"]).is_empty());
    assert_eq!(server.metric("feathercast_forward_connections_total"), 2.0);
    assert_eq!(server.log_lines(&["it does not go on to"]).len(), 1);
    // And it ends with its publisher.
    drop(publisher);
    other.wait_until_not_live("cam");
}

#[test]
fn a_server_that_takes_nothing_costs_the_stream_nothing() {
    let scratch = Scratch::new();
    let other = Server::with(&["--renditions", ""]);
    let relay = Relay::start(other.rtmp, Ipv4Addr::LOCALHOST);
    let forward = format!("cam=rtmp://{}/cam", relay.address);
    let server = Server::with(&["--renditions", "", "--forward", &forward]);
    let _publisher = publish(&noise(&scratch), &server, "cam");
    other.wait_for_state("cam", "live");
    relay.cut();
    eventually("messages to be thrown away", || {
        (server.metric("feathercast_forward_dropped_messages_total") > 0.0).then_some(())
    });
    let here = record_seconds(&server, "cam", &["source"], 8.0).remove(0);
    assert!(here.segments.iter().all(|segment| !segment.discontinuity));
    let seconds = here.seconds();
    let file = scratch.write("here.ts", &here.joined());
    let media = ffmpeg::probe(file.to_str().expect("UTF-8"));
    let pictures = media.video.expect("video").pts.len() as f64;
    assert_eq!(pictures, (30.0 * seconds).round(), "every picture of {seconds} s");
    relay.heal();
    other.get_when_there("/stream/cam/source.m3u8");
}
