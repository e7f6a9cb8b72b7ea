//! Publishers of every family: what they send plays as it is, in the source and in the ladder.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::support::ffmpeg::{self, ffmpeg, probe};
use crate::support::flv_file::{Tag, read};
use crate::support::judge;
use crate::support::pacer::{self, Gauge};
use crate::support::program::{Program, gstreamer};
use crate::support::publisher::{Publisher, bytes_per_second};
use crate::support::recording::record_seconds;
use crate::support::rtmp_client::{
    Answer, RtmpClient, message, null, number, object, strict_array, string,
};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

const P144: &str = "P144p30fps16x9";

#[test]
fn ffmpeg_copies_real_files() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let pyramid = testmedia::path("mp4/b_pyramid.mp4");
    let fragments = scratch.file("fragments.mp4");
    let (from, to) = (pyramid.to_str().expect("UTF-8"), fragments.to_str().expect("UTF-8"));
    let movflags = "dash+frag_keyframe";
    ffmpeg(&["-v", "error", "-i", from, "-c", "copy", "-movflags", movflags, "-y", to]);
    for (name, file) in [
        ("pyramid", Some(pyramid.clone())),
        ("fragments", Some(fragments.clone())),
        ("fragmented", testmedia::find("mp4/fragmented_styp_sidx.mp4")),
        ("short", Some(testmedia::path("mp4/nal_length_2.mp4"))),
    ] {
        let Some(file) = file else { continue };
        let file = file.to_str().expect("UTF-8");
        // What ffmpeg makes of its container, once to look at and once to publish.
        let copy = scratch.file("copy.flv");
        let copy_to = copy.to_str().expect("UTF-8");
        ffmpeg(&["-v", "error", "-i", file, "-c", "copy", "-y", copy_to]);
        let line = format!("-v error -i {file} -c copy -rtmp_live live");
        Publisher::in_pace(&server, name, bytes_per_second(&copy), &line).succeed();
        judge::plays(&server, name, P144, &copy);
    }
}

#[test]
fn ffmpeg_with_parameter_sets_in_band_only() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file = ffmpeg::four_seconds(&scratch);
    // Without global headers ffmpeg's FLV sequence header is empty, and SPS and PPS come in front
    // of each IDR.
    let line = "-f lavfi -i testsrc2=size=320x180:rate=30:duration=4 -f lavfi -i sine=duration=4 -threads 1 \
        -c:v libx264 -preset superfast -bf 2 -g 60 -pix_fmt yuv420p -flags:v -global_header -c:a aac -b:a 96k";
    Publisher::in_pace(&server, "inband", bytes_per_second(&file), line).succeed();
    judge::plays(&server, "inband", P144, &file);
}

/// Reads an FLV file with GStreamer and gives it to a sink, which may be one for RTMP.
fn gstreamer_copies(file: &Path, sink: &str, scratch: &Scratch) {
    let pipeline = format!(
        "filesrc location={} ! flvdemux name=demux \
         demux.video ! queue ! h264parse ! mux. demux.audio ! queue ! aacparse ! mux. \
         flvmux name=mux streamable=true ! {sink}",
        file.display()
    );
    Program::start(&mut gstreamer(&pipeline), "gstreamer", scratch).succeed();
}

/// Publishes four seconds as `live/NAME` and a query with an element that takes a URL.
fn gstreamer_plays(server: &Server, name: &str, query: &str, sink: &str) {
    let scratch = Scratch::new();
    let file = ffmpeg::four_seconds(&scratch);
    // Its muxer's times are its own, so it shows them in a file first.
    let copy = scratch.file("copy.flv");
    gstreamer_copies(&file, &format!("filesink location={}", copy.display()), &scratch);
    let address = pacer::start(server, name, bytes_per_second(&file));
    let sink = format!("{sink} location=rtmp://{address}/live/{name}{query}");
    gstreamer_copies(&file, &sink, &scratch);
    // It gives two audio frames the first stamp; ours are 1024 samples apart, and up to 40 ms are
    // not slewed.
    judge::plays_within(server, name, P144, &copy, 0.04);
}

#[test]
fn row_26_gstreamers_rtmp2sink_with_a_query() {
    let server = Server::start();
    gstreamer_plays(&server, "gst", "?key=secret", "rtmp2sink");
    // The key that came with the query is asked for now.
    let mut other = RtmpClient::asking(server.rtmp, "gst?key=secret", "");
    assert_eq!(other.wait_for("NetStream.Publish.Start"), Answer::Found, "{:?}", other.said());
}

#[test]
fn row_26_librtmp_through_gstreamers_rtmpsink() {
    gstreamer_plays(&Server::start(), "librtmp", "", "rtmpsink");
}

#[test]
fn a_script_that_sends_chunks_of_one_byte_in_writes_of_one_byte() {
    let server = Server::start();
    let file = testmedia::path("flv/no_audio_keyframe_index.flv");
    let gauge = Gauge::new(&server, "drip");
    let mut client = RtmpClient::connect(server.rtmp);
    client.write_at_most(1);
    client.shake_hands();
    client.set_chunk_size(1);
    client.call(0, "connect", 1.0, &[object(&[("app", string("live"))])]);
    client.publish("drip");
    client.tags_in_pace(&read(&file), &gauge);
    drop(client);
    judge::plays(&server, "drip", P144, &file);
}

/// Connects, publishes and stops in OBS's order; in between come the media.
fn as_obs(server: &Server, key: &str, media: impl FnOnce(&mut RtmpClient)) {
    let mut client = RtmpClient::shaken(server.rtmp);
    client.set_chunk_size(4096);
    let url = server.url("live");
    let connect = object(&[
        ("app", string("live")),
        ("type", string("nonprivate")),
        ("flashVer", string("FMLE/3.0 (compatible; FMSc/1.0)")),
        ("swfUrl", string(&url)),
        ("tcUrl", string(&url)),
        ("fourCcList", strict_array(&[string("av01"), string("hvc1")])),
    ]);
    client.call(0, "connect", 1.0, &[connect]);
    for (id, name) in [(2.0, "releaseStream"), (3.0, "FCPublish")] {
        client.command(0, &[string(name), number(id), null(), string(key)]);
    }
    client.call(0, "createStream", 4.0, &[null()]);
    client.command(1, &[string("publish"), number(5.0), null(), string(key), string("live")]);
    assert_eq!(client.wait_for("NetStream.Publish.Start"), Answer::Found, "{:?}", client.said());
    media(&mut client);
    client.command(1, &[string("FCUnpublish"), number(6.0), null(), string(key)]);
    client.command(1, &[string("deleteStream"), number(7.0), null(), number(1.0)]);
}

#[test]
fn obs_in_its_own_order() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file = ffmpeg::four_seconds(&scratch);
    let gauge = Gauge::new(&server, "obs");
    as_obs(&server, "obs?key=secret", |client| client.tags_in_pace(&read(&file), &gauge));
    server.wait_for_log(&["publisher gone", "stopped by the publisher"]);
    judge::plays(&server, "obs", P144, &file);
}

#[test]
fn row_42_blackmagic_stops_where_nobody_acknowledges() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file = ffmpeg::four_seconds(&scratch);
    let gauge = Gauge::new(&server, "atem");
    let mut client = RtmpClient::publishing(server.rtmp, "live", "atem");
    // Acknowledge after so many bytes (5.4.4): with twice as many outstanding it waits.
    let window: u32 = 10_000;
    client.send(&message(2, 5, 0, 0, &window.to_be_bytes()));
    for tag in read(&file) {
        let outstanding = 2 * u64::from(window) + tag.body.len() as u64;
        client.wait_for_acknowledgement(client.sent.saturating_sub(outstanding));
        client.tags_in_pace(&[tag], &gauge);
    }
    drop(client);
    judge::plays(&server, "atem", P144, &file);
}

#[test]
fn row_06_glive_thinks_for_seconds_between_publish_and_media() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file = ffmpeg::four_seconds(&scratch);
    let gauge = Gauge::new(&server, "glive");
    let mut client = RtmpClient::publishing(server.rtmp, "live", "glive");
    let tags = read(&file);
    let (headers, media): (Vec<_>, Vec<_>) =
        tags.into_iter().partition(|tag| tag.kind == 18 || tag.is_sequence_header());
    headers.iter().for_each(|tag| client.tag(tag));
    sleep(Duration::from_secs(4));
    client.tags_in_pace(&media, &gauge);
    drop(client);
    judge::plays(&server, "glive", P144, &file);
}

#[test]
fn row_08_streamlabs_on_ios_announces_audio_that_never_comes() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file = ffmpeg::four_seconds(&scratch);
    let silent = |tag: &Tag| tag.kind != 8 || tag.is_sequence_header();
    let tags: Vec<_> = read(&file).into_iter().filter(silent).collect();
    let gauge = Gauge::new(&server, "mute");
    let mut client = RtmpClient::publishing(server.rtmp, "live", "mute");
    client.tags_in_pace(&tags, &gauge);
    drop(client);
    let published = probe(file.to_str().expect("UTF-8")).video.expect("video");
    for recording in record_seconds(&server, "mute", &[P144, "source"], 4.0) {
        let judged = judge::rendition(&recording, &scratch);
        assert_eq!(judged.video_pts().len(), published.pts.len());
        assert!(judged.audio_pts().len() > 50, "silence stands in for it");
    }
}
