//! Publishers come, go, come back and compete; the server stops in good order.

use std::time::Duration;

use crate::support::flv_file::{self, Tag};
use crate::support::http;
use crate::support::judge;
use crate::support::publisher::Publisher;
use crate::support::recording::{Recording, record, record_seconds};
use crate::support::rtmp_client::{Answer, RtmpClient};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::wait::eventually;
use crate::support::{ffmpeg, pacer, playlist};

const P144: &str = "P144p30fps16x9";

/// A small picture and a tone in real time, without end.
const LIVE: &str = "-re -f lavfi -i testsrc2=size=320x180:rate=30 -re -f lavfi -i sine -threads 1 -c:v libx264 \
    -preset ultrafast -g 30 -pix_fmt yuv420p -c:a aac";

/// Six seconds of the same in a file.
fn six_seconds(scratch: &Scratch) -> std::path::PathBuf {
    let line = "-f lavfi -i testsrc2=size=320x180:rate=30:duration=6 -f lavfi -i sine=duration=6 -threads 1 -c:v libx264 \
        -preset ultrafast -g 60 -pix_fmt yuv420p -c:a aac";
    ffmpeg::encode(scratch, line)
}

fn discontinuities(recording: &Recording) -> Vec<usize> {
    let flags = recording.segments.iter().enumerate().filter(|(_, segment)| segment.discontinuity);
    flags.map(|(index, _)| index).collect()
}

#[test]
fn a_publisher_that_comes_back_goes_on_behind_a_discontinuity() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file = six_seconds(&scratch);
    Publisher::file(&server, "a", &file).succeed();
    server.wait_for_state("a", "away");
    let first = record_seconds(&server, "a", &[P144, "source"], 6.0);
    Publisher::file(&server, "a", &file).succeed();
    let both = record_seconds(&server, "a", &[P144, "source"], 12.0);
    for (recording, before) in both.iter().zip(&first) {
        assert_eq!(discontinuities(recording), [3], "{}", recording.rendition);
        assert_eq!(
            recording.segments[0].sequence, before.segments[0].sequence,
            "numbering goes on"
        );
        assert!(!recording.has_ended());
        recording
            .segments
            .iter()
            .zip(&before.segments)
            .for_each(|(now, then)| assert!(now.data == then.data));
        // Each half is a stream of its own.
        let mut back = Recording::new("a", &recording.rendition);
        (back.segments, back.latest) = (recording.segments[3..].to_vec(), recording.latest.clone());
        let judged = judge::rendition(&back, &scratch);
        assert_eq!(judged.video_pts().len(), 180);
    }
    let ended = record(&server, "a", &[P144, "source"], |recordings| {
        recordings.iter().all(Recording::has_ended)
    });
    assert_eq!(discontinuities(&ended[0]), [3]);
    Publisher::file(&server, "a", &file).succeed();
    reopened(&server, &ended[0]);
}

/// Back within the minute after ENDLIST: the same URL goes on.
fn reopened(server: &Server, ended: &Recording) {
    let mut again = Recording::new("a", P144);
    eventually("the reopened playlist", || {
        again.poll(server);
        let last = again.segments.last()?.sequence;
        (last >= ended.segments[5].sequence + 3 && !again.has_ended()).then_some(())
    });
    let listed = again.latest.as_ref().expect("a playlist");
    // What has left the list counts, what is listed shows.
    let shown = listed.segments.iter().filter(|segment| segment.discontinuity).count() as u64;
    assert_eq!(listed.discontinuity_sequence + shown, 2);
}

#[test]
fn sequence_numbers_start_at_the_clock() {
    let (server, scratch) = (Server::with(&["--renditions", ""]), Scratch::new());
    Publisher::file(&server, "a", &six_seconds(&scratch)).succeed();
    let recordings = record_seconds(&server, "a", &["source"], 6.0);
    let first = &recordings[0].segments[0];
    let since_2026_ms = first.unix_ms - 1_767_225_600_000;
    let ahead_ms = first.sequence as i64 * 100 - since_2026_ms;
    assert!((-60_000..=60_000).contains(&ahead_ms), "{first:?}");
}

/// Publishes 36 s of media as fast as the server takes them; the numbers that are listed then.
fn listed_after_36_fast_seconds(server: &Server, tags: &[Tag]) -> Vec<u64> {
    let mut client = RtmpClient::publishing(server.rtmp, "a", "");
    for round in 0..6 {
        for tag in tags {
            let timestamp_ms = tag.timestamp_ms + round * 6000;
            client.tag(&Tag { timestamp_ms, ..tag.clone() });
        }
    }
    let made = "feathercast_rendition_segments_total{stream=\"a\",rendition=\"source\"}";
    eventually("17 segments", || pacer::metric(server.admin, made).filter(|made| *made >= 17.0));
    let listed = server.get_when_there("/stream/a/source.m3u8");
    let uris = listed.text().lines().filter(|line| line.ends_with(".ts"));
    uris.map(playlist::sequence).collect()
}

#[test]
fn numbers_do_not_come_again_after_a_kill_behind_a_fast_publisher() {
    let scratch = Scratch::new();
    let tags = flv_file::read(&six_seconds(&scratch));
    let passthrough = ["--renditions", ""];
    let server = Server::with(&passthrough);
    let before = listed_after_36_fast_seconds(&server, &tags);
    let server = server.killed_and_started_again(&passthrough);
    let after = listed_after_36_fast_seconds(&server, &tags);
    assert!(before.last() < after.first(), "{before:?} then {after:?}");
}

#[test]
fn a_name_in_use_is_refused_and_the_publisher_told_why() {
    let server = Server::start();
    let mut first = Publisher::start(LIVE, &server.url("a"));
    server.wait_for_state("a", "live");
    let (status, said) = Publisher::start(LIVE, &server.url("a")).finish();
    assert!(!status.success() && said.contains("already live"), "{status}: {said}");
    let mut second = RtmpClient::asking(server.rtmp, "a", "");
    assert_eq!(second.wait_for("NetStream.Publish.BadName"), Answer::Found, "{:?}", second.said());
    second.wait_for_close();
    assert!(first.is_running(), "the first one noticed nothing");
    assert_eq!(server.metric("feathercast_publishers"), 1.0);
    server.wait_for_log(&["publisher refused", "WARN", "a"]);
}

#[test]
fn an_equal_key_takes_over_at_once() {
    let server = Server::start();
    let first = Publisher::start(LIVE, &server.url("a/our-secret"));
    record_seconds(&server, "a", &[P144], 2.0);
    let mut wrong = RtmpClient::asking(server.rtmp, "a", "another-secret");
    assert_eq!(wrong.wait_for("NetStream.Publish.BadName"), Answer::Found, "{:?}", wrong.said());
    let mut keyless = RtmpClient::asking(server.rtmp, "live", "a");
    assert_eq!(
        keyless.wait_for("NetStream.Publish.BadName"),
        Answer::Found,
        "{:?}",
        keyless.said()
    );
    let mut second = Publisher::start(LIVE, &server.url("a/our-secret"));
    let (status, _) = first.finish();
    assert!(!status.success(), "the first is gone");
    let recordings = record(&server, "a", &[P144, "source"], |recordings| {
        recordings.iter().all(|recording| !discontinuities(recording).is_empty())
    });
    assert_eq!(discontinuities(&recordings[0]), discontinuities(&recordings[1]));
    assert!(second.is_running());
}

#[test]
fn configured_keys_are_asked_for() {
    let server = Server::with(&["--keys", "cam=s3cret-of-cam,other=s3cret-of-other"]);
    for (app, name) in [
        ("cam", ""),
        ("cam", "wrong"),
        ("live", "cam?key=wrong"),
        ("stranger", ""),
        ("cam", "s3cret-of-other"),
    ] {
        let mut client = RtmpClient::asking(server.rtmp, app, name);
        assert_eq!(
            client.wait_for("NetStream.Publish.Unauthorized"),
            Answer::Found,
            "{app} {name}: {:?}",
            client.said()
        );
        client.wait_for_close();
    }
    for (app, name) in [
        ("cam", "s3cret-of-cam"),
        ("live", "cam?key=s3cret-of-cam"),
        ("live/other", "s3cret-of-other"),
    ] {
        drop(RtmpClient::publishing(server.rtmp, app, name));
    }
    assert!(!server.log().contains("s3cret"), "keys are never logged");
}

#[test]
fn url_forms_of_the_contract() {
    let server = Server::start();
    let table = [
        ("hello_world", "", "hello_world"),
        ("", "k", "k"),
        ("live", "foo", "foo"),
        ("stream", "bar", "bar"),
        ("live", "", "live"),
        ("live/cam1", "secret", "cam1"),
        ("app1", "key-in-path", "app1"),
        ("app2?key=x", "", "app2"),
        ("live", "n-a.m_e~1?key=x", "n-a.m_e~1"),
    ];
    for (app, name, stream) in table {
        let client = RtmpClient::publishing(server.rtmp, app, name);
        assert!(
            server.stream(stream).is_some_and(|found| found["state"] == "live"),
            "{app} {name}: {}",
            server.status()
        );
        drop(client);
    }
    let anonymous = RtmpClient::publishing(server.rtmp, "", "");
    let status = server.status();
    let names: Vec<_> = status["streams"]
        .as_array()
        .expect("streams")
        .iter()
        .filter(|s| s["state"] == "live")
        .collect();
    let random = names.iter().find_map(|s| {
        s["name"].as_str().filter(|n| n.len() == 8 && n.chars().all(|c| c.is_ascii_hexdigit()))
    });
    assert!(random.is_some(), "{status}");
    drop(anonymous);
    for (app, name) in [
        ("current", ""),
        (".hidden", ""),
        ("a b", ""),
        ("a.m3u8", ""),
        ("ü", ""),
        ("a", &"k".repeat(5000)),
    ] {
        let mut client = RtmpClient::asking(server.rtmp, app, name);
        assert_eq!(
            client.wait_for("NetStream.Publish.BadName"),
            Answer::Found,
            "{app}: {:?}",
            client.said()
        );
        client.wait_for_close();
    }
}

#[test]
fn no_more_publishers_than_allowed() {
    let server = Server::with(&["--max-streams", "2"]);
    let first = RtmpClient::publishing(server.rtmp, "a", "");
    let _second = RtmpClient::publishing(server.rtmp, "b", "");
    let mut third = RtmpClient::asking(server.rtmp, "c", "");
    assert_eq!(third.wait_for("NetStream.Publish."), Answer::Found);
    assert!(
        third.said().iter().any(|said| said.contains("as many publishers")),
        "{:?}",
        third.said()
    );
    third.wait_for_close();
    drop(first);
    server.wait_for_state("a", "away");
    let _fourth = RtmpClient::publishing(server.rtmp, "c", "");
}

#[test]
fn the_operator_kicks_a_publisher() {
    let server = Server::start();
    let publisher = Publisher::start(LIVE, &server.url("a"));
    server.wait_for_state("a", "live");
    let kick = |name: &str| {
        http::request(
            server.admin,
            "POST",
            &format!("/streams/{name}/kick"),
            &[("Content-Length", "0")],
        )
    };
    assert_eq!(kick("b").status, 404);
    assert_eq!(http::request(server.admin, "GET", "/streams/a/kick", &[]).status, 405);
    assert_eq!(kick("a").status, 200);
    let (status, _) = publisher.finish();
    assert!(!status.success(), "ffmpeg notices that nobody takes its stream");
    server.wait_until_not_live("a");
    // Until its workers are done there is somebody to kick.
    eventually("nobody to be kicked", || (kick("a").status == 404).then_some(()));
}

#[test]
fn stopped_in_good_order() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start();
        let mut publisher = Publisher::start(LIVE, &server.url("a"));
        let mut recordings = record_seconds(&server, "a", &[P144, "source"], 2.0);
        server.signal(signal);
        eventually("the last segment and the end of the list", || {
            recordings.iter_mut().for_each(|recording| recording.poll(&server));
            recordings.iter().all(Recording::has_ended).then_some(())
        });
        let scratch = Scratch::new();
        let judged: Vec<_> =
            recordings.iter().map(|recording| judge::rendition(recording, &scratch)).collect();
        judge::is_a_rendition_of(&judged[0], &judged[1], 1);
        assert!(recordings[0].seconds() > 2.0, "a last partial segment");
        let status = server.wait_for_exit(Duration::from_secs(5));
        assert!(status.success(), "{signal}: {status}");
        eventually("the publisher to notice", || (!publisher.is_running()).then_some(()));
    }
}

/// glibc's heaps beside the main one: 64 MiB of addresses at a multiple of that, the first part of
/// them in use.
fn heaps_of_threads(process: u32) -> Vec<String> {
    const SIZE: u64 = 64 << 20;
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("a process");
    let line = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let address = |hex| u64::from_str_radix(hex, 16).ok();
        Some((address(start)?, address(end)?, rest.to_owned()))
    };
    let lines: Vec<_> = maps.lines().filter_map(line).collect();
    let is_heap = |pair: &&[(u64, u64, String)]| {
        let [(start, end, used), (rest, last, unused)] = pair else { return false };
        used.starts_with("rw-p")
            && unused.starts_with("---p")
            && end == rest
            && start.is_multiple_of(SIZE)
            && last.is_multiple_of(SIZE)
    };
    lines.windows(2).filter(is_heap).map(|pair| format!("{pair:x?}")).collect()
}

/// So what the process keeps does not grow with the threads that come and go.
#[test]
fn all_threads_share_one_heap() {
    let server = Server::start();
    let publishers = ["a", "b"].map(|name| Publisher::start(LIVE, &server.url(name)));
    for name in ["a", "b"] {
        record_seconds(&server, name, &[P144, "source"], 1.0);
    }
    drop(publishers);
    assert_eq!(heaps_of_threads(server.process_id()), Vec::<String>::new());
}

#[test]
fn the_newest_live_stream_is_current() {
    let server = Server::with(&["--current-manifest", "--renditions", ""]);
    assert_eq!(server.get("/stream/current.m3u8").status, 404);
    let first = Publisher::start(LIVE, &server.url("first"));
    let newest = |name: &str| {
        eventually(&format!("{name} to be current"), || {
            let current = server.get("/stream/current.m3u8");
            (current.status == 200 && current.text().contains(&format!("{name}/source.m3u8")))
                .then_some(())
        });
    };
    newest("first");
    let second = Publisher::start(LIVE, &server.url("second"));
    newest("second");
    drop(second);
    newest("first");
    drop(first);
    eventually("no stream to be current", || {
        (server.get("/stream/current.m3u8").status == 404).then_some(())
    });
    let playlist = server.get("/stream/first/source.m3u8");
    assert!(!playlist::media(playlist.text()).segments.is_empty(), "by its name it is there");
}
