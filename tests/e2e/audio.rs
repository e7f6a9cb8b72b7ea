//! Audio that is not AAC, over a real socket.

use crate::support::ffmpeg;
use crate::support::publisher::Publisher;
use crate::support::recording::record_seconds;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

const VIDEO: &str = "-f lavfi -i testsrc=size=320x240:rate=30 -t 8 -threads 1 -c:v libx264 -preset ultrafast -g 60 -pix_fmt yuv420p";

/// A beep of 0.1 s in silence, 4.5 s into the stream.
const BEEP: &str = "-f lavfi -i aevalsrc=between(t\\,4.5\\,4.6)*sin(6283*t):sample_rate=44100";

/// When ffmpeg, playing the playlist from its first segment, hears the beep, in ms of the stream's
/// own time.
fn onset_ms(server: &Server, rendition: &str) -> f64 {
    let url = format!("http://{}/stream/a/{rendition}.m3u8", server.http);
    let filter = "-map 0:a -af aresample=async=1:first_pts=0 -ac 1 -ar 48000 -t 7 -f s16le -";
    let play = format!("-copyts -live_start_index 0 -i {url} {filter}");
    let pcm = ffmpeg::ffmpeg(&play.split(' ').collect::<Vec<_>>()).stdout;
    let loud = |sample: &[u8]| i16::from_le_bytes([sample[0], sample[1]]).unsigned_abs() > 4000;
    let at = pcm.chunks_exact(2).position(loud).expect("a beep");
    // What is written is 1.4 s later (docs/time.md).
    at as f64 / 48.0 - 1400.0
}

#[test]
fn mp3_published_by_ffmpeg_plays_as_aac_in_its_place() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file = ffmpeg::encode(&scratch, &format!("{BEEP} {VIDEO} -c:a libmp3lame -ac 2 -f flv"));
    let publisher = Publisher::file(&server, "a", &file);
    let renditions = ["P144p30fps16x9", "source"];
    let recordings = record_seconds(&server, "a", &renditions, 8.0);
    publisher.succeed();
    for (recording, rendition) in recordings.iter().zip(renditions) {
        assert!(recording.segments.iter().all(|segment| !segment.discontinuity), "{rendition}");
        // ffmpeg's FLV starts with the delay of its MP3 encoder, 1105 samples, and the pictures
        // that much later.
        let expected = 4500.0 + 1105.0 / 44.1;
        let onset = onset_ms(&server, rendition);
        assert!((onset - expected).abs() < 23.0, "{rendition}: {onset}, not {expected}");
    }
    let codecs = server.stream("a").expect("a")["codecs"].as_str().expect("codecs").to_owned();
    assert!(codecs.ends_with(",mp4a.40.2"), "{codecs}");
    assert_eq!(server.log_lines(&["WARN", "audio"]), Vec::<String>::new());
}

#[test]
fn g_711_is_refused_by_name_once_in_a_while_and_the_video_plays() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let sound = "-f lavfi -i sine=sample_rate=8000";
    let file =
        ffmpeg::encode(&scratch, &format!("{sound} {VIDEO} -c:a pcm_mulaw -ac 1 -ar 8000 -f flv"));
    let publisher = Publisher::file(&server, "a", &file);
    record_seconds(&server, "a", &["P144p30fps16x9", "source"], 8.0);
    publisher.succeed();
    let lines = server.log_lines(&["G.711", "set the audio encoder to AAC"]);
    assert!((1..=4).contains(&lines.len()), "{lines:?}");
}
