//! Renditions that are made only while somebody watches.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::thread::{self, sleep};
use std::time::Duration;

use crate::support::browser::{Browser, Plays};
use crate::support::ffmpeg;
use crate::support::playlist;
use crate::support::publisher::Publisher;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::ts::{demux, of_pid};
use crate::support::wait::{Stopwatch, eventually, within};
use random::Random;

#[path = "../../benches/soak/random.rs"]
mod random;

const P144: &str = "P144p30fps16x9";

const VIDEO_PID: u16 = 0x100;

/// A stream of 25 pictures a second in real time, with a keyframe every `gop` pictures.
fn publisher(server: &Server, scratch: &Scratch, name: &str, gop: u32, seconds: u32) -> Publisher {
    let line = format!(
        "-f lavfi -i testsrc2=size=320x180:rate=25:duration=20 -f lavfi -i sine=duration=20 -threads 1 -c:v libx264 \
         -preset ultrafast -x264-params keyint={gop}:min-keyint={gop}:scenecut=0 -pix_fmt yuv420p -c:a aac"
    );
    let folder = Scratch::new();
    let file = ffmpeg::encode(&folder, &line);
    let kept = scratch.file(&format!("{name}.flv"));
    std::fs::rename(file, &kept).expect("both are in the same place");
    let line = format!("-re -stream_loop -1 -i {} -t {seconds} -c copy", kept.display());
    Publisher::start(&line, &server.url(name))
}

fn rendition(server: &Server, name: &str) -> serde_json::Value {
    let stream = server.stream(name).expect("a stream");
    let renditions = stream["renditions"].as_array().expect("a list").clone();
    let found = renditions.into_iter().find(|rendition| rendition["name"] == P144);
    found.expect("it is listed")
}

#[test]
fn a_rendition_is_made_from_the_first_segment_that_somebody_fetches_on() {
    let server = Server::start();
    let scratch = Scratch::new();
    let _publisher = publisher(&server, &scratch, "cam", 50, 60);
    let multivariant = server.get_when_there("/stream/cam.m3u8");
    let variants = playlist::multivariant(multivariant.text()).variants;
    assert_eq!(variants.len(), 2, "all renditions, though none is made");
    let announced = variants[0].codecs.clone().expect("codecs");
    assert_eq!(variants[0].resolution.map(|size| (size.width, size.height)), Some((256, 144)));
    assert_eq!(variants[0].frame_rate, Some(25.0));

    let path = format!("/stream/cam/{P144}.m3u8");
    let listed = playlist::media(server.get(&path).text());
    assert!(listed.segments.len() >= 3, "long enough to be played: {listed:?}");
    let asleep = rendition(&server, "cam");
    assert_eq!(asleep["awake"], false, "a playlist wakes nothing");
    assert_eq!(asleep["encoded_pictures"], 0);
    assert_eq!(server.stream("cam").expect("a stream")["decoder"], serde_json::Value::Null);

    let segment = server.get(&listed.segments[0].uri);
    assert_eq!(segment.status, 200);
    assert_eq!(server.get(&listed.segments[0].uri).body, segment.body, "made once");
    let pictures = of_pid(&demux(&segment.body), VIDEO_PID).count();
    assert_eq!(pictures, 50);
    let awake = rendition(&server, "cam");
    assert_eq!((&awake["awake"], &awake["wake_ups"]), (&true.into(), &1.into()));
    assert_eq!(awake["codecs"], announced, "what was announced before there was a picture");
    assert!(server.metric("feathercast_segment_wait_seconds_count") >= 1.0);

    // From the next cut on it is made as pictures come, and listed when it is there.
    let encoded = || rendition(&server, "cam")["encoded_pictures"].as_u64().expect("a number");
    let before = encoded();
    eventually("pictures encoded as they come", || (encoded() > before + 150).then_some(()));
    let listed = playlist::media(server.get(&path).text());
    let newest = listed.segments.last().expect("segments");
    assert_eq!(server.get(&newest.uri).status, 200);
    assert_eq!(server.metric("feathercast_http_segments_not_made_total"), 0.0);
}

#[test]
fn renditions_are_made_all_the_time_where_that_is_asked_for() {
    let server = Server::with(&["--transcode", "always", "--renditions", P144]);
    let scratch = Scratch::new();
    let _publisher = publisher(&server, &scratch, "cam", 50, 30);
    eventually("pictures though nobody watches", || {
        let stream = server.stream("cam")?;
        let renditions = stream["renditions"].as_array()?.clone();
        let small = renditions.into_iter().find(|rendition| rendition["name"] == P144)?;
        (small["encoded_pictures"].as_u64()? > 150).then_some(())
    });
}

#[test]
fn a_stream_that_ended_while_its_rendition_slept_is_still_played_to_its_end() {
    let server = Server::start();
    let scratch = Scratch::new();
    publisher(&server, &scratch, "cam", 50, 7).succeed();
    let path = format!("/stream/cam/{P144}.m3u8");
    let ended = within(Duration::from_secs(30), "ENDLIST", || {
        let listed = playlist::media(server.get(&path).text());
        listed.end_list.then_some(listed)
    });
    let pictures: usize = ended
        .segments
        .iter()
        .map(|segment| {
            let response = server.get(&segment.uri);
            assert_eq!(response.status, 200, "{}", segment.uri);
            of_pid(&demux(&response.body), VIDEO_PID).count()
        })
        .sum();
    assert!((170..=180).contains(&pictures), "{pictures} of 7 s");
}

/// Streams, and how many pictures are from one of their keyframes to the next: 1, 2 and 10 s.
const STREAMS: [(&str, u32); 3] = [("one", 25), ("two", 50), ("ten", 250)];

const VIEWERS: usize = 10;
/// The viewers' choices, so that a run can be had again.
const SEED: u64 = 9;
/// When viewers come, from then until then. In between nobody watches, for longer than the four
/// target durations of keyframes 10 s apart, after which the last rendition sleeps.
const WATCHED: [(Duration, Duration); 3] = [
    (Duration::ZERO, Duration::from_secs(30)),
    (Duration::from_secs(80), Duration::from_secs(110)),
    (Duration::from_secs(160), Duration::from_secs(180)),
];
const STAY: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(10));
const AWAY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(6));
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// One in so many segments that are compared is decoded, too.
const DECODED: usize = 4;

/// Presentation times of a segment's pictures on the wire.
fn picture_times(ts: &[u8]) -> Vec<u64> {
    let stream = demux(ts);
    let mut times: Vec<_> = of_pid(&stream, VIDEO_PID).filter_map(|pes| pes.pts).collect();
    times.sort_unstable();
    times
}

/// Presentation times in seconds of the pictures that ffmpeg decodes of a segment.
fn decoded_times(file: &Path, ts: &[u8]) -> Vec<f64> {
    std::fs::write(file, ts).expect("a file to decode");
    let (pictures, _) = ffmpeg::shown(file);
    pictures.iter().map(|picture| picture.pts).collect()
}

/// What all viewers together have been given of one rendition, by number.
#[derive(Default)]
struct Served {
    segments: BTreeMap<u64, Vec<u8>>,
    listed: BTreeMap<u64, (f32, bool)>,
}

/// By stream and rendition.
#[derive(Default)]
struct Book(Mutex<BTreeMap<(&'static str, &'static str), Served>>);

impl Book {
    /// A segment was listed; none was listed otherwise before.
    fn listed(&self, of: (&'static str, &'static str), sequence: u64, said: (f32, bool)) {
        let mut book = self.0.lock().expect("no viewer panics");
        let known = *book.entry(of).or_default().listed.entry(sequence).or_insert(said);
        assert_eq!(known, said, "{of:?} {sequence}");
    }

    /// A segment was served; nobody was served another under its number.
    fn served(&self, of: (&'static str, &'static str), sequence: u64, data: &[u8]) {
        let mut book = self.0.lock().expect("no viewer panics");
        let segments = &mut book.entry(of).or_default().segments;
        let known = segments.entry(sequence).or_insert_with(|| data.to_vec());
        assert!(*known == data, "{of:?} {sequence} is never another");
    }
}

/// Somebody who comes, watches for a while, goes and comes back, all at random.
struct Viewer<'a> {
    server: &'a Server,
    book: &'a Book,
    random: Random,
}

impl Viewer<'_> {
    fn come_and_go(&mut self, clock: Stopwatch) {
        for (from, until) in WATCHED {
            clock.sleep_until(from);
            while clock.elapsed() < until {
                let (name, _) = STREAMS[self.random.below(STREAMS.len())];
                let leaves = clock.elapsed() + self.random.between(STAY.0, STAY.1);
                playlist::multivariant(self.server.get(&format!("/stream/{name}.m3u8")).text());
                while clock.elapsed() < leaves.min(until) {
                    self.look(name);
                    sleep(LOOKS_EVERY);
                }
                sleep(self.random.between(AWAY.0, AWAY.1));
            }
        }
    }

    /// Fetches the playlist of a rendition and some of what it lists, from the newest on; nothing
    /// may contradict what anybody was served before.
    fn look(&mut self, name: &'static str) {
        let rendition = [P144, "source"][self.random.below(2)];
        let newest = 1 + self.random.below(5) as u64;
        let text = self.server.get(&format!("/stream/{name}/{rendition}.m3u8"));
        assert_eq!(text.status, 200, "{name} {rendition}");
        let playlist = playlist::media(text.text());
        let end = playlist.media_sequence + playlist.segments.len() as u64;
        for (segment, sequence) in playlist.segments.iter().zip(playlist.media_sequence..) {
            assert_eq!(playlist::sequence(&segment.uri), sequence, "no number is missing");
            let said = (segment.duration, segment.discontinuity);
            self.book.listed((name, rendition), sequence, said);
            if sequence + newest < end {
                continue;
            }
            let mut response = self.server.get(&segment.uri);
            while response.status == 503 {
                response = self.server.get(&segment.uri);
            }
            assert_eq!(response.status, 200, "{}", segment.uri);
            self.book.served((name, rendition), sequence, &response.body);
        }
    }
}

/// Ten viewers that come, go and come back at random for 3 minutes, on streams with keyframes every
/// 1, 2 and 10 s. Twice all of them are away for longer than renditions take to fall asleep.
#[test]
fn long_viewers_that_come_and_go_are_served_the_same_spans_under_the_same_numbers() {
    let server = Server::start();
    let scratch = Scratch::new();
    let publishers = STREAMS.map(|(name, gop)| publisher(&server, &scratch, name, gop, 240));
    for (name, _) in STREAMS {
        server.get_when_there(&format!("/stream/{name}.m3u8"));
    }
    let book = Book::default();
    let mut random = Random::new(SEED);
    let clock = Stopwatch::start();
    thread::scope(|threads| {
        for _ in 0..VIEWERS {
            let mut viewer = Viewer { server: &server, book: &book, random: random.fork() };
            threads.spawn(move || viewer.come_and_go(clock));
        }
    });
    let wake_ups = STREAMS.map(|(name, _)| rendition(&server, name)["wake_ups"].as_u64());
    drop(publishers);
    let asleep = server.log_lines(&["rendition asleep"]).len();
    assert_eq!(asleep, 0, "at debug level only");
    let times = WATCHED.len() as u64;
    assert!(wake_ups.iter().all(|woken| *woken >= Some(times)), "asleep in between: {wake_ups:?}");
    let woken = server.metric("feathercast_rendition_wake_ups_total");
    assert!(woken >= (WATCHED.len() * STREAMS.len()) as f64, "{woken}");

    let served = book.0.into_inner().expect("no viewer panicked");
    let file = scratch.file("segment.ts");
    for name in ["one", "two"] {
        let source = &served[&(name, "source")];
        let small = &served[&(name, P144)];
        let mut compared = 0;
        for (sequence, data) in &small.segments {
            if let Some(said) = source.listed.get(sequence) {
                assert_eq!(small.listed[sequence], *said, "{name} {sequence}");
            }
            let Some(of_source) = source.segments.get(sequence) else { continue };
            let times = picture_times(data);
            assert_eq!(times, picture_times(of_source), "{name} {sequence}");
            if compared % DECODED == 0 {
                let decoded = decoded_times(&file, data);
                assert_eq!(decoded, decoded_times(&file, of_source), "{name} {sequence}");
                assert_eq!(decoded.len(), times.len(), "{name} {sequence}: each picture decodes");
            }
            compared += 1;
        }
        assert!(compared > 15, "{name}: {compared}");
    }
    let long = &served[&("ten", P144)];
    assert!(long.listed.values().all(|(seconds, _)| *seconds < 2.5), "a grid of its own");
    assert!(long.segments.len() > 15);
    assert!(long.listed.values().all(|(_, discontinuity)| !discontinuity), "none is false");
}

/// Players that start while the rendition sleeps, and others that start with the stream, play for a
/// minute without a stall. A stream is there for players with its first segment: before that its
/// playlist is 404, which hls.js and Chromium do not ask for again.
#[test]
fn long_players_start_on_a_sleeping_rendition_and_as_soon_as_there_is_a_playlist() {
    let server = Server::start();
    let scratch = Scratch::new();
    let _publisher = publisher(&server, &scratch, "cam", 50, 190);
    let url = |path: &str| format!("http://{}/stream/{path}.m3u8", server.http);
    eventually("the publisher", || server.stream("cam"));
    server.get_when_there("/stream/cam.m3u8");
    let small = url(&format!("cam/{P144}"));
    let players = [Plays::HlsJs(url("cam")), Plays::HlsJs(small.clone()), Plays::Native(small)];
    let first = Browser::open(&players);
    let plays = |browser: &Browser, index: usize, seconds: f64| {
        within(Duration::from_secs(120), "a minute of play", || {
            let playing = browser.now(index)?;
            assert!(!playing.fatal, "{:?}: {playing:?}", players[index]);
            (playing.time > seconds).then_some(playing)
        })
    };
    for (index, player) in players.iter().enumerate() {
        let playing = plays(&first, index, 60.0);
        assert!(playing.stall < 2.0, "{player:?}: {playing:?}");
        assert!(playing.pictures > 1000, "{player:?}: {playing:?}");
    }
    drop(first);
    eventually("the rendition asleep", || {
        (rendition(&server, "cam")["awake"] == false).then_some(())
    });
    let second = Browser::open(&players[1..]);
    for index in 0..2 {
        let playing = plays(&second, index, 60.0);
        assert!(playing.stall < 2.0, "{playing:?}");
    }
}
