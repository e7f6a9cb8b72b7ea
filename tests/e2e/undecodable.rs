//! What the decoder cannot decode plays as `source`, and says so.

use crate::support::ffmpeg::{self, Media};
use crate::support::judge;
use crate::support::publisher::Publisher;
use crate::support::recording::record_seconds;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::wait::eventually;

/// Publishes eight seconds that cannot be decoded for the reason that holds `word`.
fn plays_as_source(encoder: &str, word: &str) {
    let (server, scratch) = (Server::start(), Scratch::new());
    let line = format!(
        "-f lavfi -i testsrc2=size=640x352:rate=25:duration=8 -f lavfi -i sine=duration=8 -threads 1 -c:v libx264 \
         -preset ultrafast -g 50 {encoder} -c:a aac"
    );
    let file = ffmpeg::encode(&scratch, &line);
    let published = ffmpeg::probe(file.to_str().expect("UTF-8"));
    Publisher::file(&server, "a", &file).succeed();
    let recordings = record_seconds(&server, "a", &["source"], seconds(&published));
    let judged = judge::rendition(&recordings[0], &scratch);
    judge::is_the_source(&judged, &published);
    assert_eq!(server.get("/stream/a/P144p30fps16x9.m3u8").status, 404);
    let multivariant = server.get("/stream/a.m3u8");
    assert!(multivariant.text().contains("a/source.m3u8"), "{}", multivariant.text());
    let stream = server.stream("a").expect("the stream");
    assert!(stream["undecodable"].as_str().is_some_and(|why| why.contains(word)), "{stream}");
    let lines = server.log_lines(&["source only"]);
    assert!(
        lines.len() == 1 && lines[0].contains(word) && lines[0].contains('a'),
        "one clear line: {lines:?}"
    );
}

fn seconds(media: &Media) -> f64 {
    media.video.as_ref().expect("video").pts.len() as f64 / 25.0
}

#[test]
fn four_two_two() {
    plays_as_source("-pix_fmt yuv422p", "4:2:2");
}

#[test]
fn ten_bits() {
    plays_as_source("-pix_fmt yuv420p10le", "10 bits");
}

#[test]
fn lossless() {
    plays_as_source("-qp 0 -pix_fmt yuv420p", "lossless");
}

/// Recorded by a camera rather than by x264.
#[test]
fn a_recorded_file() {
    let server = Server::start();
    let file = testmedia::find("mp4/high10.mp4").expect("a file of the repository");
    let line = format!("-fflags +genpts -i {} -map 0:v:0 -c copy", file.display());
    // What ffmpeg thinks of a broken start is not asked.
    let _ = Publisher::start(&line, &server.url("a")).finish();
    let stream = eventually("it to be judged", || {
        server.stream("a").filter(|stream| stream["undecodable"].is_string())
    });
    assert!(stream["undecodable"].as_str().is_some_and(|why| why.contains("10 bits")), "{stream}");
    server.get_when_there("/stream/a/source.m3u8");
}
