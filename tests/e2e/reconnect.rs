//! Publishers that fall off the network and come back: viewers notice as little as physics allows.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::support::browser::{Browser, Playing};
use crate::support::ffmpeg::{self, probe};
use crate::support::flv_file::{Tag, tags};
use crate::support::judge;
use crate::support::pacer::Gauge;
use crate::support::playlist;
use crate::support::program::{Player, Program};
use crate::support::publisher::Publisher;
use crate::support::recording::{Recording, record, record_seconds};
use crate::support::relay::Relay;
use crate::support::rtmp_client::{Answer, RtmpClient};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::wait::{Stopwatch, eventually};

const P144: &str = "P144p30fps16x9";
const LOCALHOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// In seconds: a segment is always two of them.
const KEYFRAME_INTERVAL: f64 = 1.0;

/// Pictures and sound with a GOP a second.
fn encoded(scratch: &Scratch, seconds: u32) -> PathBuf {
    let line = format!(
        "-f lavfi -i testsrc2=size=320x180:rate=30:duration={seconds} -f lavfi -i sine=duration={seconds} -threads 1 \
         -c:v libx264 -preset superfast -bf 2 -g 30 -pix_fmt yuv420p -c:a aac"
    );
    ffmpeg::encode(scratch, &line)
}

/// Twenty seconds of live publishing that cost the machine nothing.
struct Camera {
    file: PathBuf,
    _scratch: Scratch,
}

impl Camera {
    fn new() -> Self {
        let scratch = Scratch::new();
        Self { file: encoded(&scratch, 20), _scratch: scratch }
    }

    fn line(&self) -> String {
        format!("-re -i {} -c copy", self.file.display())
    }

    fn publish(&self, server: &Server, path: &str) -> Publisher {
        Publisher::start(&self.line(), &server.url(path))
    }

    /// One that can be put to sleep.
    fn publish_as_program(&self, server: &Server, path: &str, scratch: &Scratch) -> Program {
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "warning"]).args(self.line().split_whitespace());
        command.args(["-flvflags", "no_duration_filesize", "-f", "flv", &server.url(path)]);
        Program::start(&mut command, "laptop", scratch)
    }

    fn publish_through(&self, relay: &Relay, path: &str) -> Publisher {
        Publisher::start(&self.line(), &format!("rtmp://{}/{path}", relay.address))
    }
}

fn discontinuities(recording: &Recording) -> Vec<u64> {
    let segments = recording.segments.iter().filter(|segment| segment.discontinuity);
    segments.map(|segment| segment.sequence).collect()
}

/// Watches until each rendition has gone on behind this many discontinuities.
fn record_past(server: &Server, discontinuity: usize) -> Vec<Recording> {
    record(server, "cam", &[P144, "source"], |recordings| {
        recordings.iter().all(|recording| discontinuities(recording).len() >= discontinuity)
    })
}

fn are_unbroken(recordings: &[Recording], breaks: usize) {
    for recording in recordings {
        assert_eq!(discontinuities(recording).len(), breaks, "{}", recording.rendition);
        assert!(!recording.has_ended());
    }
    let cuts: Vec<_> = recordings.iter().map(discontinuities).collect();
    assert!(cuts.windows(2).all(|pair| pair[0] == pair[1]), "at the same numbers: {cuts:?}");
}

/// The playhead went through all segments, one after the other; one that is over in a moment it may
/// not have noted.
fn plays_on(played: &Playing, recording: &Recording) {
    let duration = |sequence: u64| {
        let mut segments = recording.segments.iter();
        let segment = segments.find(|segment| segment.sequence == sequence);
        segment.map(|segment| segment.duration)
    };
    for pair in played.segments.windows(2) {
        assert!(pair[0] < pair[1], "nothing is played twice: {played:?}");
        let skipped = (pair[0] + 1..pair[1]).filter_map(duration);
        assert!(skipped.sum::<f64>() < 0.5, "nothing is skipped: {played:?}");
    }
}

#[test]
fn case_81_hls_js_and_ffmpeg_play_through_five_seconds_without_a_publisher() {
    let (server, scratch, camera) = (Server::start(), Scratch::new(), Camera::new());
    let first = camera.publish(&server, "cam/secret");
    let url = |path: &str| format!("http://{}/stream/{path}.m3u8", server.http);
    record_seconds(&server, "cam", &[P144, "source"], 6.0);
    let browser = Browser::hls_js(&[url("cam"), url(&format!("cam/{P144}"))]);
    let mut ffmpeg = Player::ffmpeg(&url(&format!("cam/{P144}")), &scratch);
    browser.wait(0, "play", |playing| playing.pictures > 0);
    browser.wait(1, "play", |playing| playing.pictures > 0);

    // Dropped is killed: no word of goodbye.
    drop(first);
    server.wait_for_state("cam", "away");
    sleep(Duration::from_secs(5));
    let _second = camera.publish(&server, "cam/secret");
    // Absent for so long that a slate stood in for it: a discontinuity at each end.
    let recordings = record_past(&server, 2);
    are_unbroken(&recordings, 2);
    let behind = discontinuities(&recordings[0])[1];
    for index in [0, 1] {
        let passed = |segments: &[u64]| segments.last().is_some_and(|last| *last > behind);
        let played = browser.wait(index, "go on", |playing| passed(&playing.segments));
        plays_on(&played, &recordings[0]);
        let ran_dry = |error: &String| error.starts_with("bufferStalledError");
        assert!(played.errors.iter().all(ran_dry), "it may run dry, and no more: {played:?}");
    }
    // ffmpeg has played on behind the gap: more than all that was before it.
    let before: u64 = recordings[0]
        .segments
        .iter()
        .take_while(|segment| segment.sequence < behind)
        .map(|segment| segment.data.len() as u64)
        .sum();
    goes_on(&mut ffmpeg, before);
}

/// ffmpeg writes more than so many bytes, and what it has written is in order.
fn goes_on(ffmpeg: &mut Player, bytes: u64) {
    eventually("ffmpeg to go on", || (ffmpeg.written() > bytes).then_some(()));
    assert!(ffmpeg.program.is_running());
    ffmpeg.program.signal("INT");
    ffmpeg.program.finish();
    let played = probe(ffmpeg.played.to_str().expect("UTF-8"));
    let pts = played.video.expect("video").pts;
    let back = pts.windows(2).position(|pair| pair[0] > pair[1]);
    let around = back.map(|at| &pts[at.saturating_sub(3)..(at + 4).min(pts.len())]);
    assert!(around.is_none(), "time goes back: {around:?}");
}

/// RFC 8216 6.2.2 lets a live playlist stand still for 1.5 target durations; ExoPlayer gives up at
/// 3.5. (A tenth is how often the test looks.)
#[test]
fn case_05_playlists_go_on_while_a_killed_publisher_is_missing_and_players_play_through() {
    const LONGEST_STANDSTILL: f64 = 3.0 + 0.1;
    let (server, scratch, camera) = (Server::start(), Scratch::new(), Camera::new());
    let first = camera.publish(&server, "cam/secret");
    record_seconds(&server, "cam", &[P144, "source"], 6.0);
    let url = format!("http://{}/stream/cam/source.m3u8", server.http);
    let mut ffmpeg = Player::ffmpeg(&url, &scratch);
    let url = format!("http://{}/stream/cam.m3u8", server.http);
    let check = std::thread::spawn(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_feathercast"));
        command.args(["check", &url, "--for", "14s", "--json"]).output().expect("feathercast runs")
    });
    sleep(Duration::from_secs(1));

    drop(first);
    server.wait_for_state("cam", "away");
    let clock = Stopwatch::start();
    let mut seen = [(0, 0.0); 2];
    let mut longest: f64 = 0.0;
    // The playlists alone: segments are made when they are asked for, which takes its time.
    while clock.elapsed() < Duration::from_secs(7) {
        for (rendition, (newest, since)) in [P144, "source"].iter().zip(&mut seen) {
            let response = server.get(&format!("/stream/cam/{rendition}.m3u8"));
            let listed = playlist::media(response.text());
            let now = clock.elapsed().as_secs_f64();
            let end = listed.media_sequence + listed.segments.len() as u64;
            longest = longest.max(now - *since);
            if end != *newest {
                (*newest, *since) = (end, now);
            }
        }
        sleep(Duration::from_millis(100));
    }
    assert!(longest <= LONGEST_STANDSTILL, "a playlist stood still for {longest:.2} s");
    let mut recordings: Vec<_> =
        [P144, "source"].map(|rendition| Recording::new("cam", rendition)).into();
    recordings.iter_mut().for_each(|recording| recording.poll(&server));
    are_unbroken(&recordings, 1);
    let _second = camera.publish(&server, "cam/secret");
    eventually("the second publisher's first segments", || {
        recordings.iter_mut().for_each(|recording| recording.poll(&server));
        let have_gone_on = |recording: &Recording| discontinuities(recording).len() >= 2;
        recordings.iter().all(have_gone_on).then_some(())
    });
    are_unbroken(&recordings, 2);
    let [slate, back] = discontinuities(&recordings[1])[..] else { panic!("two") };
    let before = recordings[1].segments.iter().filter(|segment| segment.sequence < back);
    goes_on(&mut ffmpeg, before.map(|segment| segment.data.len() as u64).sum());
    for recording in &recordings {
        let segments = recording.segments.iter();
        let shown: Vec<_> =
            segments.filter(|segment| (slate..back).contains(&segment.sequence)).cloned().collect();
        assert!(shown.len() >= 3, "{} of {}", shown.len(), recording.rendition);
        let (last, whole) = shown.split_last().expect("segments");
        assert!(whole.iter().all(|segment| segment.duration == 2.0) && last.duration <= 2.0);
        let dates = shown.windows(2).map(|pair| pair[1].unix_ms - pair[0].unix_ms);
        assert!(dates.into_iter().all(|ms| ms == 2000), "in time with the wall clock");
        // Each is one that stands alone, with all its tracks.
        let mut alone = Recording::new("cam", &recording.rendition);
        (alone.segments, alone.latest) = (shown, recording.latest.clone());
        let judged = judge::rendition(&alone, &scratch);
        assert!(judged.alone.iter().all(|segment| segment.video.is_some()));
        assert!(judged.alone.iter().all(|segment| segment.audio.is_some()));
    }
    let checked = check.join().expect("no panic");
    let report: serde_json::Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    for name in ["exoplayer-stuck-playlist", "avplayer-unchanged-playlist", "hlsjs-codec-change"] {
        let rules = report["rules"].as_array().expect("rules");
        let rule = rules.iter().find(|rule| rule["rule"] == name).expect("a rule");
        assert_ne!(rule["outcome"], "fail", "{rule:#}");
    }
}

#[test]
fn case_80_a_half_open_publisher_is_taken_over_at_once_with_its_key_from_elsewhere() {
    let (server, camera) = (Server::start(), Camera::new());
    let network = Relay::start(server.rtmp, LOCALHOST);
    let first = camera.publish_through(&network, "cam/secret");
    record_seconds(&server, "cam", &[P144, "source"], 2.0);
    network.cut();
    let new_network = Relay::start(server.rtmp, ELSEWHERE);
    let _second = camera.publish_through(&new_network, "cam/secret");
    server.wait_for_log(&["publisher gone", "replaced by another publisher"]);
    let stream = server.stream("cam").expect("the stream");
    let peer = stream["publisher"].to_string();
    assert!(stream["state"] == "live" && peer.contains("127.0.0.2:"), "{stream}");
    are_unbroken(&record_past(&server, 1), 1);
    // The network comes back with all that waited in it: nobody hears it.
    network.heal();
    let (status, _) = first.finish();
    assert!(!status.success(), "the first publisher learns that it is over");
    let recordings = record_seconds(&server, "cam", &[P144, "source"], 6.0);
    are_unbroken(&recordings, 1);
}

#[test]
fn case_80_without_a_key_a_half_open_publisher_keeps_its_name_for_five_seconds() {
    let (server, camera) = (Server::start(), Camera::new());
    let network = Relay::start(server.rtmp, LOCALHOST);
    let _first = camera.publish_through(&network, "cam");
    record_seconds(&server, "cam", &[P144, "source"], 2.0);
    network.cut();
    let mut refusals = 0;
    let _second = eventually("the name to be free", || {
        let mut second = RtmpClient::asking(server.rtmp, "cam", "");
        if second.wait_for("NetStream.Publish.Start") == Answer::Found {
            return Some(second);
        }
        assert_eq!(second.wait_for("NetStream.Publish.BadName"), Answer::Found);
        refusals += 1;
        None
    });
    assert!(refusals > 0, "at first the other may still be there");
    server.wait_for_log(&["publisher gone", "replaced by another publisher"]);
}

#[test]
fn case_34_case_82_a_publisher_that_the_network_swallowed_ends_cleanly() {
    let (server, scratch, camera) = (Server::start(), Scratch::new(), Camera::new());
    let network = Relay::start(server.rtmp, LOCALHOST);
    let _publisher = camera.publish_through(&network, "cam/secret");
    record_seconds(&server, "cam", &[P144, "source"], 2.0);
    // Some of the next segment, of both tracks: ffprobe does not know a track by its announcement
    // alone.
    let received = || server.stream("cam")?["received_bytes"].as_u64();
    let before = received().expect("the stream");
    eventually("most of a second more", || received().filter(|now| *now > before + 30_000));
    network.cut();
    let mut recordings = record(&server, "cam", &[P144, "source"], |recordings| {
        recordings.iter().all(Recording::has_ended)
    });
    server.wait_for_log(&["publisher gone", "no byte for 10 s"]);
    // What was published: a slate follows it.
    for recording in &mut recordings {
        let published = recording.segments.iter().position(|segment| segment.discontinuity);
        recording.segments.truncate(published.expect("a slate"));
    }
    let judged: Vec<_> =
        recordings.iter().map(|recording| judge::rendition(recording, &scratch)).collect();
    judge::is_a_rendition_of(&judged[0], &judged[1], 1);
    assert!(recordings[0].seconds() > 2.0, "the last part of a segment, too");
}

/// Its playlists do not stand still meanwhile, and it goes on in the middle of what it was at.
#[test]
fn case_05_a_laptop_that_sleeps_is_stood_in_for_and_goes_on_behind_the_slate() {
    let (server, scratch, camera) = (Server::start(), Scratch::new(), Camera::new());
    let laptop = camera.publish_as_program(&server, "cam/secret", &scratch);
    record_seconds(&server, "cam", &[P144, "source"], 2.0);
    laptop.signal("STOP");
    let asleep = record_past(&server, 1);
    are_unbroken(&asleep, 1);
    assert_eq!(server.stream("cam").expect("the stream")["state"], "live", "it may wake up");
    laptop.signal("CONT");
    // ffmpeg hurries after its clock: what it has not sent comes in a burst.
    let mut recordings = asleep;
    eventually("ten seconds behind the slate", || {
        // All are polled each time: what is not looked at for long slides by.
        let behind = recordings.iter_mut().map(|recording| {
            recording.poll(&server);
            let breaks = discontinuities(recording);
            let back = breaks.get(1).copied().unwrap_or(u64::MAX);
            let segments = recording.segments.iter().filter(|segment| segment.sequence >= back);
            segments.map(|segment| segment.duration).sum::<f64>()
        });
        let behind: Vec<f64> = behind.collect();
        behind.iter().all(|seconds| *seconds >= 10.0).then_some(())
    });
    let cuts: Vec<_> = recordings.iter().map(discontinuities).collect();
    // It woke up in the middle of a GOP, or with a keyframe.
    assert!(cuts[0] == cuts[1] && matches!(cuts[0].len(), 2 | 3), "{cuts:?}");
    for recording in &mut recordings {
        assert!(!recording.has_ended());
        let all = std::mem::take(&mut recording.segments);
        for (place, &begins) in cuts[0].iter().enumerate().skip(1) {
            let ends = cuts[0].get(place + 1).copied().unwrap_or(u64::MAX);
            let part = all.iter().filter(|segment| (begins..ends).contains(&segment.sequence));
            recording.segments = part.cloned().collect();
            judge::rendition(recording, &scratch);
        }
    }
}

/// Silent for 10 s it is gone, 10 s later the stream has ended; what wakes up then has to come
/// anew, to the same playlists. (A whole minute, with a clock that is turned:
/// `server/tests/registry.rs`.)
#[test]
fn a_laptop_asleep_past_the_reconnect_window_comes_back_to_the_same_playlists() {
    let (server, scratch, camera) = (Server::start(), Scratch::new(), Camera::new());
    let mut laptop = camera.publish_as_program(&server, "cam/secret", &scratch);
    record_seconds(&server, "cam", &[P144, "source"], 2.0);
    laptop.signal("STOP");
    let ended = record(&server, "cam", &[P144, "source"], |recordings| {
        recordings.iter().all(Recording::has_ended)
    });
    laptop.signal("CONT");
    assert!(!laptop.finish().success(), "nobody listens to it any more");
    let _again = camera.publish(&server, "cam/secret");
    let last = |recording: &Recording| recording.segments.last().expect("segments").sequence;
    let mut recordings: Vec<_> =
        [P144, "source"].map(|rendition| Recording::new("cam", rendition)).into();
    eventually("the stream to go on", || {
        recordings.iter_mut().for_each(|recording| recording.poll(&server));
        let mut pairs = recordings.iter().zip(&ended);
        pairs.all(|(now, then)| !now.has_ended() && last(now) > last(then) + 1).then_some(())
    });
    for (now, then) in recordings.iter().zip(&ended) {
        // The one in front of the slate may still be listed.
        let newest = discontinuities(now).last().copied();
        assert_eq!(newest, Some(last(then) + 1), "numbers go on, behind what was there");
        assert!(!now.has_ended());
    }
}

/// The tags of a stream, later by so many milliseconds.
fn later(tags: &[Tag], ms: u32) -> Vec<Tag> {
    tags.iter().map(|tag| Tag { timestamp_ms: tag.timestamp_ms + ms, ..tag.clone() }).collect()
}

#[test]
fn a_camera_that_slept_goes_on_with_stamps_of_five_seconds_later() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file = encoded(&scratch, 4);
    let tags = tags(&std::fs::read(&file).expect("the file"));
    let media: Vec<_> = tags.iter().filter(|tag| tag.kind != 18).cloned().collect();
    let gauge = Gauge::new(&server, "cam");
    let mut client = RtmpClient::publishing(server.rtmp, "cam", "secret");
    client.tags_in_pace(&tags, &gauge);
    // The same connection, and the sequence headers again, which change nothing.
    client.tags_in_pace(&later(&media, 9000), &gauge);
    drop(client);
    let recordings = record_seconds(&server, "cam", &[P144, "source"], 8.0);
    are_unbroken(&recordings, 1);
    for recording in &recordings {
        let segments = recording.segments.iter();
        let before: Vec<_> = segments.take_while(|segment| !segment.discontinuity).collect();
        let seconds: f64 = before.iter().map(|segment| segment.duration).sum();
        // It is a jump and no stray once three messages say so: then the first keyframe may be one
        // of those. The sound that was sent is a little longer than the pictures.
        assert!((4.0..4.2 + KEYFRAME_INTERVAL).contains(&seconds), "{seconds} s before the jump");
    }
}

#[test]
fn all_that_was_buffered_comes_in_one_burst_and_is_a_stream_all_the_same() {
    let (server, scratch) =
        (Server::with(&["--renditions", "", "--playlist-segments", "12"]), Scratch::new());
    let file = encoded(&scratch, 20);
    // Twenty seconds as fast as TCP takes them.
    Publisher::start(&format!("-i {} -c copy", file.display()), &server.url("cam")).succeed();
    let recordings = record_seconds(&server, "cam", &["source"], 20.0);
    let judged = judge::rendition(&recordings[0], &scratch);
    judge::is_the_source(&judged, &probe(file.to_str().expect("UTF-8")));
    are_unbroken(&recordings, 0);
}
