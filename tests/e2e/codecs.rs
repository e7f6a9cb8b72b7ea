//! Publishers of other codecs than H.264 and AAC, and of more than one track: E-RTMP, and numbers
//! that vendors made up.

use std::path::Path;

use crate::support::ffmpeg;
use crate::support::flv_file::{Tag, read};
use crate::support::judge;
use crate::support::pacer::Gauge;
use crate::support::publisher::Publisher;
use crate::support::recording::record_seconds;
use crate::support::rtmp_client::{Answer, RtmpClient, number, object, strict_array, string};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

const P144: &str = "P144p30fps16x9";

/// What somebody with OBS has to do.
const REMEDY: &str =
    "in OBS set Settings > Output > Video Encoder to x264 or another H.264 encoder";

/// `frame type | packet type` of an E-RTMP video message: a keyframe's sequence start.
const SEQUENCE_START: u8 = 0x90;

fn message(kind: u8, timestamp_ms: u32, body: &[&[u8]]) -> Tag {
    Tag { kind, timestamp_ms, body: body.concat() }
}

/// Sends until the server has closed.
fn send_all(client: &mut RtmpClient, tags: &[Tag]) {
    tags.iter().all(|tag| client.try_tag(tag));
}

#[test]
fn row_37_row_44_video_that_is_not_h264_is_refused_with_the_remedy() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let publishers: [(&str, &[u8], &str); 8] = [
        ("hevc", b"\x90hvc1\x01\x01\x60", "HEVC (hvc1)"),
        ("av1", b"\x90av01\x81\x05\x0c", "AV1 (av01)"),
        ("vp9", b"\x90vp09\x01\0\0\0", "VP9 (vp09)"),
        ("vp8", b"\x90vp08\x01\0\0\0", "VP8 (vp08)"),
        ("vvc", b"\x90vvc1\0", "VVC (vvc1)"),
        ("hevc12", &[0x1c, 0, 0, 0, 0, 1], "HEVC (codec id 12)"),
        ("av1by13", &[0x1d, 0, 0, 0, 0, 0x81], "AV1 (codec id 13)"),
        // Adobe Media Encoder, unless told otherwise.
        ("vp6", &[0x14, 0, 1, 2, 3], "On2 VP6"),
    ];
    for (name, body, codec) in publishers {
        let mut client = RtmpClient::publishing(server.rtmp, "live", name);
        client.tag(&message(8, 0, &[&[0xaf, 0, 0x12, 0x10]]));
        // Metadata (HDR) is no codec and refuses nobody.
        client.tag(&message(9, 0, &[&[0x94], &string("colorInfo")]));
        client.tag(&message(9, 0, &[body]));
        let refused = client.wait_for("NetStream.Publish.Rejected");
        assert_eq!(refused, Answer::Found, "{codec}: {:?}", client.said());
        assert_eq!(client.wait_for(REMEDY), Answer::Found, "{codec}");
        client.wait_for_close();
        server.wait_until_not_live(name);
        let playlist = server.get(&format!("/stream/{name}.m3u8"));
        assert_eq!(playlist.status, 404, "{codec}: nothing of it stays");
    }
    let lines = server.log_lines(&["WARN", "publisher refused", REMEDY]);
    assert!(lines[0].contains("HEVC (hvc1)") && lines[0].contains("hevc: "), "{lines:?}");
    assert_eq!(
        server.metric("feathercast_publish_refused_total{reason=\"video_codec\"}"),
        publishers.len() as f64
    );

    // The name is free for who has set the encoder right.
    let file = ffmpeg::four_seconds(&scratch);
    Publisher::file(&server, "hevc", &file).succeed();
    judge::plays(&server, "hevc", P144, &file);
}

#[test]
fn obs_29_with_av1_is_refused_and_its_later_h264_plays() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let av1 = testmedia::path("flv/obs29_av1_aac_enhanced.flv");
    let mut client = RtmpClient::publishing(server.rtmp, "live", "cam/key");
    send_all(&mut client, &read(&av1));
    assert_eq!(client.wait_for(REMEDY), Answer::Found, "{:?}", client.said());
    client.wait_for_close();
    let file = ffmpeg::four_seconds(&scratch);
    Publisher::file(&server, "cam/key", &file).succeed();
    judge::plays(&server, "cam", P144, &file);
}

#[test]
fn a_stray_message_of_another_codec_and_audio_that_is_not_taken_end_nothing() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file = ffmpeg::four_seconds(&scratch);
    let mut tags = read(&file);
    let middle = tags.len() / 2;
    tags.insert(middle, message(9, tags[middle].timestamp_ms, &[b"\x91hvc1\0\0\0\x01"]));
    let gauge = Gauge::new(&server, "stray");
    let mut client = RtmpClient::publishing(server.rtmp, "stray", "");
    client.tags_in_pace(&tags, &gauge);
    drop(client);
    judge::plays(&server, "stray", P144, &file);

    // Speex (11) is refused by name, and the pictures go on.
    let speex = tags.iter().map(|tag| match tag.kind {
        8 => message(8, tag.timestamp_ms, &[&[0xb6], &tag.body[1..]]),
        _ => tag.clone(),
    });
    let speex: Vec<_> = speex.collect();
    let gauge = Gauge::new(&server, "speex");
    let mut client = RtmpClient::publishing(server.rtmp, "speex", "");
    client.tags_in_pace(&speex, &gauge);
    drop(client);
    server.wait_for_log(&["WARN", "speex", "Speex"]);
    let recordings = record_seconds(&server, "speex", &[P144, "source"], 4.0);
    for recording in &recordings {
        let judged = judge::rendition(recording, &scratch);
        assert_eq!((judged.video_pts().len(), judged.audio_pts().len()), (120, 0));
    }
}

/// The same message as an E-RTMP v2 publisher sends it.
fn enhanced(tag: &Tag) -> Tag {
    let body = &tag.body;
    let body = match (tag.kind, body.get(1)) {
        (9, Some(0)) => [&[SEQUENCE_START][..], b"avc1", &body[5..]].concat(),
        // CodedFramesX (3) where the composition time is zero, CodedFrames (1) where it is not.
        (9, Some(1)) if body[2..5] == [0; 3] => {
            [&[body[0] & 0x70 | 0x83][..], b"avc1", &body[5..]].concat()
        }
        (9, Some(1)) => [&[body[0] & 0x70 | 0x81][..], b"avc1", &body[2..]].concat(),
        (8, Some(packet_type @ 0..=1)) => [&[0x90 | packet_type][..], b"mp4a", &body[2..]].concat(),
        _ => body.clone(),
    };
    Tag { body, ..tag.clone() }
}

/// What an E-RTMP v2 publisher says in `connect`.
fn enhanced_connect(app: &str) -> Vec<u8> {
    let info =
        |names: &[&str]| object(&names.iter().map(|name| (*name, number(2.0))).collect::<Vec<_>>());
    object(&[
        ("app", string(app)),
        ("fourCcList", strict_array(&["av01", "hvc1", "avc1", "Opus", "mp4a"].map(string))),
        ("videoFourCcInfoMap", info(&["*", "av01", "hvc1", "avc1"])),
        ("audioFourCcInfoMap", info(&["Opus", "mp4a"])),
        ("capsEx", number(15.0)),
    ])
}

fn enhanced_publisher(server: &Server, name: &str) -> RtmpClient {
    let mut client = RtmpClient::shaken(server.rtmp);
    client.call(0, "connect", 1.0, &[enhanced_connect("live")]);
    assert_eq!(client.wait_for("videoFourCcInfoMap"), Answer::Found);
    assert!(client.said()[0].contains("avc1") && !client.said()[0].contains("hvc1"));
    client.publish(name);
    client
}

#[test]
fn case_75_enhanced_rtmp_with_avc1_and_mp4a_plays() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file = ffmpeg::four_seconds(&scratch);
    let tags: Vec<_> = read(&file).iter().map(enhanced).collect();
    let gauge = Gauge::new(&server, "cam");
    let mut client = enhanced_publisher(&server, "cam");
    client.tags_in_pace(&tags, &gauge);
    drop(client);
    judge::plays(&server, "cam", P144, &file);
}

/// A message as one of a track (E-RTMP v2, "Multitrack": one track, its FourCC, its id).
fn of_track(tag: &Tag, track: u8) -> Tag {
    let enhanced = enhanced(tag);
    // Video's multitrack packet type is 6, audio's is 5.
    let (multitrack, fourcc) = if tag.kind == 9 { (6, b"avc1") } else { (5, b"mp4a") };
    let (first, packet_type) = (enhanced.body[0], enhanced.body[0] & 0x0f);
    let head = [first & 0xf0 | multitrack, packet_type];
    message(tag.kind, tag.timestamp_ms, &[&head, fourcc, &[track], &enhanced.body[5..]])
}

#[test]
fn row_25_of_two_h264_tracks_and_two_aac_tracks_the_first_play() {
    let (server, scratch, other) = (Server::start(), Scratch::new(), Scratch::new());
    let file = ffmpeg::four_seconds(&scratch);
    let second = ffmpeg::encode(
        &other,
        "-f lavfi -i testsrc=size=160x90:rate=30:duration=4 -f lavfi -i sine=frequency=1000:duration=4 -threads 1 \
         -c:v libx264 -preset ultrafast -g 60 -pix_fmt yuv420p -c:a aac -ac 2",
    );
    let media =
        |file: &Path| -> Vec<Tag> { read(file).into_iter().filter(|tag| tag.kind != 18).collect() };
    let second = media(&second).into_iter().map(|tag| of_track(&tag, 1));
    // OBS leaves the first track as it always was and gives the others ids; other senders number
    // all.
    for (name, is_numbered) in [("obs", false), ("numbered", true)] {
        let first = media(&file).into_iter().map(|tag| match is_numbered {
            true => of_track(&tag, 0),
            false => tag,
        });
        let mut tags: Vec<_> = second.clone().chain(first).collect();
        tags.sort_by_key(|tag| tag.timestamp_ms);
        let gauge = Gauge::new(&server, name);
        // The key is only a query, as OBS's Enhanced Broadcasting has it.
        let mut client = RtmpClient::publishing(server.rtmp, name, "?key=val");
        client.tags_in_pace(&tags, &gauge);
        drop(client);
        judge::plays(&server, name, P144, &file);
    }
}
