//! Renditions that are made only while somebody watches.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use crate::support::browser::{Browser, Plays};
use crate::support::ffmpeg;
use crate::support::playlist;
use crate::support::publisher::Publisher;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::ts::{demux, of_pid};
use crate::support::wait::{eventually, within};

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

/// Presentation times of a segment's pictures on the wire.
fn picture_times(ts: &[u8]) -> Vec<u64> {
    let stream = demux(ts);
    let mut times: Vec<_> = of_pid(&stream, VIDEO_PID).filter_map(|pes| pes.pts).collect();
    times.sort_unstable();
    times
}

/// What viewers have been given of one rendition, by number.
#[derive(Default)]
struct Served {
    segments: BTreeMap<u64, Vec<u8>>,
    listed: BTreeMap<u64, (f32, bool)>,
}

impl Served {
    /// Fetches the playlist and some of what it lists; nothing may contradict what was served
    /// before.
    fn visit(&mut self, server: &Server, name: &str, rendition: &str, newest: usize) {
        let text = server.get(&format!("/stream/{name}/{rendition}.m3u8"));
        assert_eq!(text.status, 200, "{name} {rendition}");
        let playlist = playlist::media(text.text());
        for (segment, sequence) in playlist.segments.iter().zip(playlist.media_sequence..) {
            assert_eq!(playlist::sequence(&segment.uri), sequence, "no number is missing");
            let said = (segment.duration, segment.discontinuity);
            assert_eq!(*self.listed.entry(sequence).or_insert(said), said, "{sequence}");
            let from_the_end = playlist.media_sequence + playlist.segments.len() as u64 - sequence;
            if from_the_end > newest as u64 {
                continue;
            }
            let mut response = server.get(&segment.uri);
            while response.status == 503 {
                response = server.get(&segment.uri);
            }
            assert_eq!(response.status, 200, "{}", segment.uri);
            let kept = self.segments.entry(sequence).or_insert_with(|| response.body.clone());
            assert_eq!(*kept, response.body, "{name} {rendition} {sequence} is never another");
        }
    }
}

/// Viewers that come, go and come back on streams with keyframes every 1, 2 and 10 s, for longer
/// than a rendition takes to fall asleep.
#[test]
fn long_viewers_that_come_and_go_are_served_the_same_spans_under_the_same_numbers() {
    let server = Server::start();
    let scratch = Scratch::new();
    let streams = [("one", 25), ("two", 50), ("ten", 250)];
    let publishers: Vec<_> =
        streams.iter().map(|(name, gop)| publisher(&server, &scratch, name, *gop, 200)).collect();
    for (name, _) in streams {
        server.get_when_there(&format!("/stream/{name}.m3u8"));
    }
    let mut served: BTreeMap<(&str, &str), Served> = BTreeMap::new();
    // Visits in seconds since the beginning: together, alone, after half a minute of nobody, at the
    // last moment.
    let visits: [(&str, &[u64]); 3] = [
        ("one", &[2, 3, 4, 5, 40, 41, 43, 80, 82, 84, 86, 125, 126, 165, 166]),
        ("two", &[2, 10, 11, 12, 13, 50, 90, 91, 92, 93, 94, 130, 131, 166, 168]),
        ("ten", &[12, 13, 14, 50, 51, 52, 53, 54, 55, 95, 96, 97, 98, 140, 141]),
    ];
    for second in 0..170 {
        sleep(Duration::from_secs(1));
        for (name, times) in visits {
            if times.contains(&second) {
                for rendition in [P144, "source"] {
                    let newest = 1 + second as usize % 5;
                    let viewer = served.entry((name, rendition)).or_default();
                    viewer.visit(&server, name, rendition, newest);
                }
            }
        }
    }
    drop(publishers);
    let asleep = server.log_lines(&["rendition asleep"]).len();
    assert_eq!(asleep, 0, "at debug level only");
    assert!(server.metric("feathercast_rendition_wake_ups_total") >= 6.0, "it slept in between");
    for (name, _) in [("one", 25), ("two", 50)] {
        let source = &served[&(name, "source")];
        let small = &served[&(name, P144)];
        let mut compared = 0;
        for (sequence, data) in &small.segments {
            assert_eq!(small.listed[sequence], source.listed[sequence], "{name} {sequence}");
            if let Some(of_source) = source.segments.get(sequence) {
                assert_eq!(picture_times(data), picture_times(of_source), "{name} {sequence}");
                compared += 1;
            }
        }
        assert!(compared > 15, "{name}: {compared}");
    }
    let long = &served[&("ten", P144)];
    assert!(long.listed.values().all(|(seconds, _)| *seconds < 2.5), "a grid of its own");
    assert!(long.segments.len() > 15);
    assert!(long.listed.values().all(|(_, discontinuity)| !discontinuity), "none is false");
}

/// Players that start while the rendition sleeps, and others that start with the stream, play for a
/// minute without a stall.
#[test]
fn long_players_start_on_a_sleeping_rendition_and_in_the_first_second_of_a_stream() {
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
