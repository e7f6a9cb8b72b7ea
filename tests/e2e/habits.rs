//! What encoders do on the wire, with real streams into the real binary. `row_NN` and `case_NN` are
//! rows and cases of the lists of what broke other servers.

use crate::support::ffmpeg;
use crate::support::flv_file::{Tag, tags};
use crate::support::http;
use crate::support::judge;
use crate::support::playlist;
use crate::support::publisher::Publisher;
use crate::support::recording::{Recording, record_seconds};
use crate::support::rtmp_client::{Answer, RtmpClient, message, null, number, string};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

/// The source rendition shows what arrived, and costs no encoder.
fn passthrough() -> Server {
    Server::with(&["--renditions", ""])
}

/// Four seconds of small pictures, an IDR every two, and a tone.
fn four_seconds() -> Vec<Tag> {
    let scratch = Scratch::new();
    let line = "-f lavfi -i testsrc2=size=320x180:rate=30:duration=4 -f lavfi -i sine=duration=4 -threads 1 -c:v libx264 \
        -preset ultrafast -g 60 -pix_fmt yuv420p -c:a aac";
    let file = ffmpeg::encode(&scratch, line);
    tags(&std::fs::read(file).expect("the file"))
}

/// A message in chunks of 4 096 bytes, as librtmp writes it: a full header with an extended
/// timestamp (5.3.1.3) where it takes one, which its later chunks repeat or not.
fn librtmp_message(tag: &Tag, repeats_extended: bool) -> Vec<u8> {
    let extended = match tag.timestamp_ms {
        0xff_ffff.. => tag.timestamp_ms.to_be_bytes().to_vec(),
        _ => Vec::new(),
    };
    let mut bytes = vec![4];
    bytes.extend(&tag.timestamp_ms.min(0xff_ffff).to_be_bytes()[1..]);
    bytes.extend(&(tag.body.len() as u32).to_be_bytes()[1..]);
    bytes.push(tag.kind);
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(&extended);
    for (index, chunk) in tag.body.chunks(4096).enumerate() {
        if index > 0 {
            bytes.push(0xc4);
            bytes.extend(extended.iter().filter(|_| repeats_extended));
        }
        bytes.extend(chunk);
    }
    bytes
}

/// What comes out is whole: all pictures of `four_seconds`, and nothing that looks like a gap.
fn is_whole(recording: &Recording) {
    let judged = judge::rendition(recording, &Scratch::new());
    assert_eq!(judged.video_pts().len(), 120, "{}", recording.stream);
    assert!(
        recording.segments.iter().all(|segment| !segment.discontinuity),
        "{}",
        recording.stream
    );
}

#[test]
fn row_13_row_34_case_77_chunks_of_4096_bytes_across_two_to_the_24_and_32_milliseconds() {
    let server = passthrough();
    let tags = four_seconds();
    for (name, middle, repeats_extended) in
        [("adobe", 0xff_ffff, true), ("librtmp", 0xff_ffff, false), ("old", u32::MAX, false)]
    {
        let mut client = RtmpClient::publishing(server.rtmp, name, "");
        client.send(&message(2, 1, 0, 0, &4096_u32.to_be_bytes()));
        for tag in &tags {
            let timestamp_ms = tag.timestamp_ms.wrapping_add(middle - 2000);
            client.send(&librtmp_message(&Tag { timestamp_ms, ..tag.clone() }, repeats_extended));
        }
        drop(client);
        let recordings = record_seconds(&server, name, &["source"], 3.9);
        assert!(recordings[0].segments.iter().all(|segment| !segment.discontinuity), "{name}");
        // 2^32 ms are 45 times 2^33 ticks: there the times in the segments begin again, too, and
        // the judge knows no such thing.
        if middle == 0xff_ffff {
            is_whole(&recordings[0]);
        }
    }
}

/// A QuickTime file's timecode track becomes data messages of four bytes, which no AMF0 reader
/// understands.
#[test]
fn row_16_ffmpegs_timecode_track_does_not_end_the_stream() {
    let (server, scratch) = (passthrough(), Scratch::new());
    let file = scratch.file("timecode.mov");
    let line = "-f lavfi -i testsrc2=size=320x180:rate=30:duration=4 -timecode 01:00:00:00 -threads 1 -c:v libx264 \
        -preset ultrafast -g 60 -pix_fmt yuv420p -y";
    let mut args: Vec<&str> = line.split_whitespace().collect();
    args.push(file.to_str().expect("a UTF-8 path"));
    ffmpeg::ffmpeg(&args);
    let line = format!("-i {} -map 0 -c copy", file.display());
    let (status, said) = Publisher::start(&line, &server.url("timecode")).finish();
    assert!(status.success(), "{said}");
    server.wait_for_log(&["message skipped", "timecode"]);
    is_whole(&record_seconds(&server, "timecode", &["source"], 3.9)[0]);
}

/// Publishes on message stream 1 of a client that is connected already.
fn publish_again(client: &mut RtmpClient, name: &str) {
    client.commands.clear();
    client.command(1, &[string("publish"), number(9.0), null(), string(name), string("live")]);
    assert_eq!(client.wait_for("NetStream.Publish.Start"), Answer::Found, "{:?}", client.said());
}

/// HaishinKit and Flash-era encoders keep the connection from one stream to the next.
#[test]
fn streams_that_follow_each_other_on_one_connection() {
    let server = passthrough();
    let tags = four_seconds();
    let mut client = RtmpClient::publishing(server.rtmp, "live", "first");
    for name in ["first", "second", "third"] {
        if name != "first" {
            publish_again(&mut client, name);
        }
        tags.iter().for_each(|tag| client.tag(tag));
        client.command(0, &[string("deleteStream"), number(0.0), null(), number(1.0)]);
        is_whole(&record_seconds(&server, name, &["source"], 3.9)[0]);
        server.wait_until_not_live(name);
    }
}

/// A second publish on another message stream is refused; what is sent for it does not get into the
/// first stream.
#[test]
fn two_streams_at_once_on_one_connection_do_not_mix() {
    let server = passthrough();
    let tags = four_seconds();
    let mut client = RtmpClient::publishing(server.rtmp, "live", "one");
    client.command(0, &[string("createStream"), number(4.0), null()]);
    client.command(2, &[string("publish"), number(5.0), null(), string("two"), string("live")]);
    assert_eq!(client.wait_for("NetStream.Publish.BadName"), Answer::Found, "{:?}", client.said());
    for tag in &tags {
        client.tag(tag);
        client.send(&message(7, tag.kind, 2, tag.timestamp_ms + 100_000, &tag.body));
    }
    client.command(0, &[string("deleteStream"), number(0.0), null(), number(2.0)]);
    assert!(server.stream("one").is_some_and(|stream| stream["state"] == "live"));
    drop(client);
    is_whole(&record_seconds(&server, "one", &["source"], 3.9)[0]);
    assert!(server.stream("two").is_none());
}

#[test]
fn case_76_names_that_other_servers_stumble_over_play() {
    let server = passthrough();
    let tags = four_seconds();
    let longest = "x".repeat(128);
    let names = ["test-live", "olive", "live", "stream", "cam1.main", "a.b.c.ts", "~", &longest];
    for name in names {
        let mut client = RtmpClient::publishing(server.rtmp, "", name);
        tags.iter().for_each(|tag| client.tag(tag));
    }
    // All are there before the first is judged: the playlist of a young stream is waited for.
    for name in names {
        let multivariant = server.get_when_there(&format!("/stream/{name}.m3u8"));
        assert!(multivariant.text().ends_with(&format!("{name}/source.m3u8\n")), "{name}");
        let media = server.get(&format!("/stream/{name}/source.m3u8"));
        for segment in playlist::media(media.text()).segments {
            assert!(segment.uri.starts_with(&format!("/stream/{name}/source/")), "{segment:?}");
            assert_eq!(server.get(&segment.uri).status, 200, "{name}");
        }
    }
}

/// NodeMediaServer wrote files where such a name pointed; others read them.
#[test]
fn case_76_v_01_v_02_names_that_point_elsewhere_are_refused_to_publishers_and_viewers() {
    let mut server = Server::start();
    let before = server.files();
    let four_kilobytes = "n".repeat(4096);
    let names = [
        "../../../../tmp/x/stream",
        "..",
        "../x",
        "/../etc/passwd",
        "%2e%2e%2fx",
        "a%00b",
        "a\0b",
        "a\\..\\b",
        "C:\\x",
        "caf\u{e9}",
        "\u{1f3a5}",
        "a b",
        "a\r\nSet-Cookie:x",
        "<script>",
        "current",
        "x.m3u8",
        &"n".repeat(300),
        &four_kilobytes,
    ];
    for name in names {
        for (app, stream) in [("live", name), (name, "")] {
            let mut client = RtmpClient::asking(server.rtmp, app, stream);
            let answer = client.wait_for("NetStream.Publish.BadName");
            assert_eq!(answer, Answer::Found, "{app:?} {stream:?}: {:?}", client.said());
            client.wait_for_close();
        }
        for path in [format!("/stream/{name}.m3u8"), format!("/stream/x/{name}/1.ts")] {
            let answer = http::raw(
                server.http,
                format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").as_bytes(),
            );
            let status = answer.get(9..12);
            assert!(
                matches!(status, Some(b"400" | b"404" | b"431")),
                "{path}: {}",
                String::from_utf8_lossy(&answer)
            );
            assert!(!answer.windows(10).any(|window| window == b"Set-Cookie"), "{path}");
        }
    }
    assert_eq!(server.status()["streams"].as_array().map(Vec::len), Some(0));
    assert_eq!(server.files(), before, "nothing is written");
    assert!(server.is_running());
}

/// mediamtx's SRT listener let one peer's failed login hold up everybody else.
#[test]
fn v_14_v_17_slow_handshakes_and_wrong_keys_hold_nobody_up() {
    let server = Server::with(&["--renditions", "", "--keys", "cam=right"]);
    // All but one of an address's places, each of them in the middle of something.
    let mut slow: Vec<_> = (0..24).map(|_| RtmpClient::connect(server.rtmp)).collect();
    slow.iter_mut().for_each(|client| client.send(&[3]));
    let mut wrong: Vec<_> =
        (0..7).map(|n| RtmpClient::asking(server.rtmp, "cam", &format!("forged{n}"))).collect();
    let _right = RtmpClient::publishing(server.rtmp, "cam", "right");
    for client in &mut wrong {
        assert_eq!(client.wait_for("NetStream.Publish.Unauthorized"), Answer::Found);
        client.wait_for_close();
    }
    // They were there all the time.
    slow.iter_mut().for_each(|client| client.send(&[0; 100]));
    assert_eq!(server.metric("feathercast_publishers"), 1.0);
    assert!(!server.log().contains("forged"), "keys are never logged");
}
