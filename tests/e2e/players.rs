//! Players as people have them, all on the same live stream.

use std::net::Ipv4Addr;
use std::thread;

use crate::support::browser::{Browser, Plays};
use crate::support::ffmpeg::{self, probe};
use crate::support::program::{Player, Tracks};
use crate::support::publisher::Publisher;
use crate::support::recording::{Recording, record, record_seconds};
use crate::support::relay::Relay;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

const P144: &str = "P144p30fps16x9";

/// Bytes of the luma of a picture.
const PICTURE: usize = 320 * 180;
const PICTURE_144: usize = 256 * 144;

/// Sessions of Chromium's own player in one page: two runs are the 20 that report 17 asks for.
const SESSIONS: usize = 10;

/// Publishes half a second more than six segments: a short last segment has ended Chromium's own
/// player. It is encoded before, so that publishing in real time costs the machine nothing.
fn publisher(server: &Server, scratch: &Scratch) -> Publisher {
    let file = ffmpeg::encode(
        scratch,
        "-f lavfi -i testsrc2=size=320x180:rate=30:duration=12.5 -f lavfi -i sine=duration=12.5 -threads 1 \
         -c:v libx264 -preset superfast -bf 2 -g 30 -pix_fmt yuv420p -c:a aac",
    );
    Publisher::start(&format!("-re -i {} -c copy", file.display()), &server.url("live/cam"))
}

/// What a player kept is what was served, picture by picture, from where it joined; how many
/// pictures are missing at the end.
fn left_out(player: &mut Player, recording: &Recording, picture: usize) -> usize {
    let scratch = Scratch::new();
    let name = player.played.display().to_string();
    let seen = ffmpeg::luma(player.play_to_the_end(), "null");
    let served = ffmpeg::luma(&recording.write(&scratch), "null");
    // A live player joins three target durations from the end of what there is.
    assert!(seen.len() * 2 > served.len(), "{name}: {} of {} bytes", seen.len(), served.len());
    let mut starts = (0..=served.len() - seen.len()).step_by(picture);
    let joined = starts.find(|at| served[*at..].starts_with(&seen));
    let joined = joined.unwrap_or_else(|| panic!("{name} shows what was not served"));
    (served.len() - joined - seen.len()) / picture
}

fn has_as_much_sound_as_pictures(player: &Player) {
    let media = probe(player.played.to_str().expect("UTF-8"));
    let (video, audio) = (media.video.expect("video").pts.len(), media.audio.expect("audio"));
    let seconds = (video as f64 / 30.0, audio.samples as f64 / audio.sample_rate_hz as f64);
    assert!((seconds.0 - seconds.1).abs() < 0.2, "{}: {seconds:?}", player.played.display());
}

/// hls.js stalls where the publisher has ended and may still come back; nowhere else.
fn is_at_the_end(error: &str) -> bool {
    let at = error.strip_prefix("bufferStalledError at ").and_then(|at| at.parse::<f64>().ok());
    at.is_some_and(|at| at > 11.5)
}

#[test]
fn case_17_hls_js_chromium_ffmpeg_and_gstreamer_play_a_live_stream_to_its_end() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let publisher = publisher(&server, &scratch);
    // Players that join a stream this young start at its first segment.
    record_seconds(&server, "cam", &[P144, "source"], 6.0);
    let url = |path: &str| format!("http://{}/stream/{path}.m3u8", server.http);
    let (source, small) = (url("cam/source"), url(&format!("cam/{P144}")));
    let browser = Browser::open(&[
        Plays::HlsJs(url("cam")),
        Plays::HlsJs(small.clone()),
        Plays::Native(small.clone()),
    ]);
    let mut ffmpeg = Player::ffmpeg(&source, &scratch);
    let mut gstreamer = Player::gstreamer(&small, Tracks::Both, &scratch);

    let recordings = record(&server, "cam", &[P144, "source"], |recordings| {
        recordings.iter().all(Recording::has_ended)
    });
    publisher.succeed();
    assert_eq!(left_out(&mut ffmpeg, &recordings[1], PICTURE), 0);
    assert_eq!(left_out(&mut gstreamer, &recordings[0], PICTURE_144), 0);
    has_as_much_sound_as_pictures(&ffmpeg);
    has_as_much_sound_as_pictures(&gstreamer);
    for index in [0, 1] {
        let played = browser.wait(index, "play to the end", |playing| playing.ended);
        assert!(played.errors.iter().all(|error| is_at_the_end(error)), "{played:?}");
        let last = recordings[0].segments.last().expect("segments").sequence;
        let all: Vec<_> = (last + 1 - played.segments.len() as u64..=last).collect();
        assert_eq!(played.segments, all, "each segment once, in order, to the last");
        assert!(played.time > 8.0 && played.pictures > 200, "{played:?}");
    }
    let played = browser.wait(2, "play to the end", |playing| playing.ended);
    assert!(played.errors.is_empty() && played.pictures > 200, "{played:?}");
    let width = |index| browser.now(index).expect("a report").width;
    assert_eq!((width(0), width(1)), (320, 256), "it climbs the ladder where it may");
}

#[test]
fn case_17_each_of_ten_sessions_of_chromiums_own_player_ends_well() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let publisher = publisher(&server, &scratch);
    server.get_when_there("/stream/cam.m3u8");
    let small = format!("http://{}/stream/cam/{P144}.m3u8", server.http);
    let browser = Browser::open(&vec![Plays::Native(small); SESSIONS]);
    publisher.succeed();
    for index in 0..SESSIONS {
        let played = browser.wait(index, "play to the end", |playing| playing.ended);
        assert!(played.errors.is_empty() && played.pictures > 200, "{played:?}");
    }
}

#[test]
fn case_13_hls_js_that_sends_cmcd_in_headers_plays_to_the_end() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let publisher = publisher(&server, &scratch);
    server.get_when_there("/stream/cam.m3u8");
    let not_found = server.metric("feathercast_http_not_found_total");
    let network = Relay::start(server.http, Ipv4Addr::LOCALHOST);
    let url = format!("http://{}/stream/cam.m3u8", network.address);
    let browser = Browser::open(&[Plays::HlsJsTelling(url)]);
    publisher.succeed();
    let played = browser.wait(0, "play to the end", |playing| playing.ended);
    assert!(played.errors.iter().all(|error| is_at_the_end(error)), "{played:?}");
    assert!(played.time > 8.0 && played.pictures > 200, "{played:?}");
    let said = String::from_utf8_lossy(&network.said()).to_ascii_lowercase();
    let requests = |start: &str| said.split("\r\n\r\n").filter(|it| it.starts_with(start)).count();
    assert!(requests("options /stream/") > 0, "the browser asked first: {said}");
    let telling = said.matches("\r\ncmcd-session: ").count();
    assert!(telling > 8 && telling == requests("get /stream/"), "{telling}: {said}");
    assert!(server.metric("feathercast_http_segment_requests_total") >= 5.0);
    assert_eq!(server.metric("feathercast_http_not_found_total"), not_found);
}

#[test]
fn vlc_plays_a_live_stream_to_its_end() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file = ffmpeg::encode(
        &scratch,
        "-f lavfi -i testsrc2=size=320x180:rate=30:duration=12 -f lavfi -i sine=duration=12 -threads 1 \
         -c:v libx264 -preset superfast -bf 2 -g 30 -pix_fmt yuv420p -c:a aac",
    );
    let line = format!("-re -i {} -c copy", file.display());
    let publisher = Publisher::start(&line, &server.url("live/cam"));
    record_seconds(&server, "cam", &["source"], 6.0);
    let source = format!("http://{}/stream/cam/source.m3u8", server.http);
    let mut vlc = Player::vlc(&source, &scratch);
    let recordings = record(&server, "cam", &["source"], |recordings| {
        recordings.iter().all(Recording::has_ended)
    });
    publisher.succeed();
    // VLC's muxer drops what it holds back when it ends.
    assert!(left_out(&mut vlc, &recordings[0], PICTURE) < 30);
}

#[test]
fn case_38_many_viewers_at_once_get_the_same_bytes() {
    // A list that holds all, so that no viewer can be too slow.
    let server = Server::with(&["--renditions", "", "--playlist-segments", "12"]);
    let scratch = Scratch::new();
    let file = ffmpeg::encode(
        &scratch,
        "-f lavfi -i testsrc2=size=320x180:rate=30:duration=8 -threads 1 -c:v libx264 -preset ultrafast -g 30 \
         -pix_fmt yuv420p",
    );
    let seen: Vec<_> = thread::scope(|threads| {
        let watch = || record_seconds(&server, "cam", &["source"], 8.0).remove(0).joined();
        let viewers: Vec<_> = (0..32).map(|_| threads.spawn(watch)).collect();
        Publisher::file(&server, "cam", &file).succeed();
        viewers.into_iter().map(|viewer| viewer.join().expect("a viewer that saw it all")).collect()
    });
    assert!(seen.iter().all(|bytes| *bytes == seen[0]) && seen[0].len() > 100_000);
}

#[test]
fn hls_js_plays_a_1080i_publisher_at_144p() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file = ffmpeg::encode(
        &scratch,
        "-f lavfi -i testsrc2=size=1920x1080:rate=60:duration=10 -f lavfi -i sine=duration=10 -vf tinterlace=interleave_top \
         -threads 1 -c:v libx264 -preset ultrafast -g 60 -flags +ilme+ildct -x264-params tff=1:weightp=0 -pix_fmt yuv420p -c:a aac",
    );
    let line = format!("-re -i {} -c copy", file.display());
    let publisher = Publisher::start(&line, &server.url("field"));
    let url = format!("http://{}/stream/field/{P144}.m3u8", server.http);
    server.get_when_there(&format!("/stream/field/{P144}.m3u8"));
    let browser = Browser::hls_js(&[url]);
    let played = browser.wait(0, "play to the end", |playing| playing.ended);
    publisher.succeed();
    assert!(!played.fatal && played.width == 256, "{played:?}");
    assert!(played.pictures > 200, "{played:?}");
}
