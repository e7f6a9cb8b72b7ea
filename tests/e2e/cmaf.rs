//! Fragmented MP4 beside the transport stream: the same samples, played by others.

use std::path::PathBuf;

use m3u8_rs::{MediaPlaylist, parse_media_playlist_res};

use crate::support::browser::{Browser, Plays};
use crate::support::ffmpeg::{self, probe};
use crate::support::program::{Player, Tracks};
use crate::support::publisher::Publisher;
use crate::support::recording::{Recording, record, record_seconds};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

const P144: &str = "P144p30fps16x9";

fn cmaf_playlist(server: &Server, rendition: &str) -> MediaPlaylist {
    let path = format!("/stream/a/cmaf/{rendition}.m3u8");
    let response = server.get(&path);
    let text = response.text();
    assert!(text.starts_with("#EXTM3U\n#EXT-X-VERSION:7\n"), "{text}");
    parse_media_playlist_res(text.as_bytes()).unwrap_or_else(|error| panic!("{error:?}: {text}"))
}

/// All that the playlist lists, in one file.
fn cmaf_file(server: &Server, scratch: &Scratch, rendition: &str) -> PathBuf {
    let playlist = cmaf_playlist(server, rendition);
    let get = |uri: &str| {
        let response = server.get(&format!("/stream/a/cmaf/{uri}"));
        assert_eq!(response.status, 200, "{uri} is listed");
        assert_eq!(response.header("content-type"), Some("video/mp4"));
        response.body
    };
    let map = playlist.segments[0].map.as_ref().expect("EXT-X-MAP");
    let mut file = get(&map.uri);
    for segment in &playlist.segments {
        file.extend(get(&segment.uri));
    }
    scratch.write(&format!("{rendition}.mp4"), &file)
}

#[test]
fn the_same_pictures_and_sound_come_in_both_containers() {
    let server = Server::with(&["--playlist-segments", "10"]);
    let scratch = Scratch::new();
    let file = ffmpeg::encode(
        &scratch,
        "-f lavfi -i testsrc2=size=320x180:rate=30:duration=8 -f lavfi -i sine=duration=8 -threads 1 \
         -c:v libx264 -preset ultrafast -bf 2 -g 30 -pix_fmt yuv420p -c:a aac",
    );
    Publisher::file(&server, "a", &file).succeed();
    let recordings = record(&server, "a", &[P144, "source"], |recordings| {
        recordings.iter().all(Recording::has_ended)
    });
    for recording in &recordings {
        let rendition = &recording.rendition;
        let listed = cmaf_playlist(&server, rendition);
        assert_eq!(listed.media_sequence, recording.segments[0].sequence);
        assert_eq!(listed.segments.len(), recording.segments.len());
        assert!(listed.end_list && listed.independent_segments);
        for (cmaf, ts) in listed.segments.iter().zip(&recording.segments) {
            let unix_ms = cmaf.program_date_time.map(|date| date.timestamp_millis());
            assert_eq!(unix_ms, Some(ts.unix_ms));
            assert!((f64::from(cmaf.duration) - ts.duration).abs() < 0.0005);
        }
        let cmaf = cmaf_file(&server, &scratch, rendition);
        let ts = scratch.write(&format!("{rendition}.ts"), &recording.joined());
        assert!(ffmpeg::luma(&cmaf, "null") == ffmpeg::luma(&ts, "null"), "{rendition}");
        let times = |file: &PathBuf| {
            let media = probe(file.to_str().expect("UTF-8"));
            let (video, audio) = (media.video.expect("video"), media.audio.expect("audio"));
            let video_ms = video.pts.iter().map(|pts| (pts * 1000.0).round() as i64);
            let audio_ms = audio.pts.iter().map(|pts| (pts * 1000.0).round() as i64);
            (video_ms.collect::<Vec<_>>(), audio_ms.collect::<Vec<_>>(), audio.samples)
        };
        let ((video, audio, samples), expected) = (times(&cmaf), times(&ts));
        assert_eq!((&video, samples), (&expected.0, expected.2), "{rendition}");
        let apart = audio.iter().zip(&expected.1).map(|(a, b)| (a - b).abs()).max();
        assert!(audio.len() == expected.1.len() && apart <= Some(1), "{apart:?} ms");
    }
}

#[test]
fn hls_js_chromium_and_gstreamer_play_fragmented_mp4_to_its_end() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file = ffmpeg::encode(
        &scratch,
        "-f lavfi -i testsrc2=size=320x180:rate=30:duration=10 -f lavfi -i sine=duration=10 -threads 1 \
         -c:v libx264 -preset superfast -bf 2 -g 30 -pix_fmt yuv420p -c:a aac",
    );
    let line = format!("-re -i {} -c copy", file.display());
    let publisher = Publisher::start(&line, &server.url("live/a"));
    record_seconds(&server, "a", &["source"], 6.0);
    let url = |file: &str| format!("http://{}/stream/a/cmaf/{file}.m3u8", server.http);
    let browser = Browser::open(&[Plays::HlsJs(url("index")), Plays::Native(url(P144))]);
    let mut gstreamer = Player::gstreamer_cmaf(&url(P144), Tracks::Both, &scratch);
    publisher.succeed();
    for index in [0, 1] {
        let played = browser.wait(index, "play to the end", |playing| playing.ended);
        assert!(played.pictures > 150 && played.loudness.is_finite(), "{played:?}");
    }
    let played = browser.now(0).expect("a report");
    let first = *played.segments.first().expect("segments");
    let all: Vec<_> = (first..first + played.segments.len() as u64).collect();
    assert_eq!(played.segments, all, "each segment once, in order");
    let played = probe(gstreamer.play_to_the_end().to_str().expect("UTF-8"));
    let (pictures, frames) = (played.video.expect("video").pts.len(), played.audio.expect("audio"));
    assert!(pictures > 150 && frames.pts.len() > 200, "{pictures} and {}", frames.pts.len());
}

/// 26 kbit/s of a film at ten pictures a second, and 16 kbit/s of sound: what a rendition for 2G
/// has.
#[test]
fn packaging_of_light_samples_costs_little() {
    let (server, scratch) = (Server::with(&["--renditions", ""]), Scratch::new());
    let Some(film) = testmedia::find("mp4/bigbuckbunny_720p.mp4") else { return };
    let line = format!(
        "-stream_loop 2 -i {} -t 12 -vf fps=10,scale=160:90 -threads 1 -c:v libx264 -profile:v baseline \
         -preset veryfast -b:v 26k -maxrate 26k -bufsize 26k -g 20 -sc_threshold 0 -pix_fmt yuv420p \
         -c:a aac -ar 16000 -ac 1 -b:a 16k",
        film.display()
    );
    Publisher::file(&server, "a", &ffmpeg::encode(&scratch, &line)).succeed();
    record(&server, "a", &["source"], |recordings| recordings[0].has_ended());
    let stream = server.stream("a").expect("a stream");
    let source = &stream["renditions"][0];
    let bytes = |key: &str| source[key].as_f64().unwrap_or_else(|| panic!("{key} in {source}"));
    let elementary = bytes("elementary_bytes");
    assert!((elementary * 8.0 / 12.0 - 42_000.0).abs() < 3000.0, "{source}");
    assert!(bytes("cmaf_bytes") < 1.05 * elementary, "{source}");
    assert!(bytes("published_bytes") < 1.25 * elementary, "{source}");
}
