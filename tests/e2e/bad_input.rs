//! Hostile and broken publishers cost their own connection and a bounded amount of memory, and
//! nobody else notices.

use std::io::Write;
use std::net::TcpStream;

use crate::support::ffmpeg;
use crate::support::flv_file::{Tag, tags};
use crate::support::judge;
use crate::support::publisher::Publisher;
use crate::support::recording::{Recording, record_seconds};
use crate::support::rtmp_client::{
    Answer, RtmpClient, header, message, null, number, object, string,
};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::wait::eventually;

const P144: &str = "P144p30fps16x9";

/// What all the bad publishers of one test together may add to the process's peak: a connection may
/// hold 64 KiB before it publishes and 8 MiB after; the rest is the allocator's and the threads'.
const MEMORY_KIB: u64 = 24 << 10;

/// The same for many publishers that are accepted, decoded and gone, one right after the other:
/// their threads still end while the next ones begin. `--max-streams` bounds how many, at about 10
/// MB of codecs each.
const MEMORY_OF_MANY_KIB: u64 = 96 << 10;

/// A server with a healthy publisher on it, which must not notice what happens next to it.
struct Neighbourhood {
    server: Server,
    publisher: Publisher,
    watched: Vec<Recording>,
    peak_before_kib: u64,
}

impl Neighbourhood {
    fn new() -> Self {
        // Renditions are made of everything that comes, whoever watches: so nothing is left out by
        // chance.
        let server = Server::with(&["--transcode", "always", "--renditions", "P144p30fps16x9"]);
        let line = "-re -f lavfi -i testsrc2=size=320x180:rate=30 -re -f lavfi -i sine -threads 1 -c:v libx264 \
            -preset ultrafast -g 30 -pix_fmt yuv420p -c:a aac";
        let publisher = Publisher::start(line, &server.url("neighbour"));
        let watched = record_seconds(&server, "neighbour", &[P144, "source"], 2.0);
        let peak_before_kib = server.peak_rss_kib();
        Self { server, publisher, watched, peak_before_kib }
    }

    /// The neighbour's stream went on all the time, and goes on; the memory stayed within its
    /// bound.
    fn stays_undisturbed(self) {
        self.stays_undisturbed_within(MEMORY_KIB);
    }

    fn stays_undisturbed_within(mut self, memory_kib: u64) {
        let segments = self.watched[0].segments.len();
        eventually("one more segment of the neighbour's", || {
            self.watched.iter_mut().for_each(|recording| recording.poll(&self.server));
            self.watched.iter().all(|recording| recording.segments.len() > segments).then_some(())
        });
        assert!(self.publisher.is_running() && self.server.is_running());
        let grown = self.server.peak_rss_kib() - self.peak_before_kib;
        assert!(
            grown < memory_kib,
            "{grown} KiB more at the peak than {} KiB",
            self.peak_before_kib
        );
        assert_eq!(self.server.metric("feathercast_worker_panics_total"), 0.0);
        assert!(!self.server.log().contains("panic"), "{}", self.server.log());
        let scratch = Scratch::new();
        for recording in &self.watched {
            judge::rendition(recording, &scratch);
            assert!(recording.segments.iter().all(|segment| !segment.discontinuity));
        }
        let dropped = self.server.stream("neighbour").expect("the neighbour")["renditions"][0]["dropped_pictures"].clone();
        assert_eq!(dropped, 0);
    }
}

/// Bytes that look like nothing, the same each time (xorshift).
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// The tags of two seconds of ordinary video.
fn ordinary(scratch: &Scratch) -> Vec<Tag> {
    let line = "-f lavfi -i testsrc2=size=320x180:rate=30:duration=4 -threads 1 -c:v libx264 -preset ultrafast -g 60 \
        -pix_fmt yuv420p";
    let file = ffmpeg::encode(scratch, line);
    tags(&std::fs::read(file).expect("the file")).into_iter().filter(|tag| tag.kind == 9).collect()
}

#[test]
fn garbage_on_the_port() {
    let place = Neighbourhood::new();
    let mut late_garbage = vec![3];
    late_garbage.extend(noise(2 * 1536 + 4000));
    let peers: [&[u8]; 5] = [
        &noise(100_000),
        b"GET / HTTP/1.1\r\nHost: feathercast\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0; 5000],
        &late_garbage,
    ];
    for bytes in peers {
        let mut client = RtmpClient::connect(place.server.rtmp);
        // It may be refused before it has sent everything.
        client.try_send(bytes);
        client.wait_for_close();
    }
    // The log is written by a thread of its own.
    eventually("a line for each with its address", || {
        let lines = place.server.log_lines(&["WARN", "bad input", "127."]);
        (lines.len() >= 4).then_some(())
    });
    place.stays_undisturbed();
}

#[test]
fn half_a_handshake_waits_and_ends() {
    let place = Neighbourhood::new();
    let mut silent = RtmpClient::connect(place.server.rtmp);
    let mut half = RtmpClient::connect(place.server.rtmp);
    half.send(&[&[3][..], &[7; 700]].concat());
    let mut shaken = RtmpClient::shaken(place.server.rtmp);
    // Each ends within the ten seconds that a peer may be silent (the client waits for twenty).
    silent.wait_for_close();
    half.wait_for_close();
    shaken.wait_for_close();
    place.stays_undisturbed();
}

#[test]
fn gone_in_the_middle_of_a_chunk() {
    let (place, scratch) = (Neighbourhood::new(), Scratch::new());
    let tags = ordinary(&scratch);
    let mut client = RtmpClient::publishing(place.server.rtmp, "gone", "");
    // Not more than the transcoder's queue takes at once.
    tags[..46].iter().for_each(|tag| client.tag(tag));
    let cut = message(9, 9, 1, 1500, &tags[46].body);
    client.send(&cut[..cut.len() / 2]);
    drop(client);
    place.server.wait_for_state("gone", "away");
    place.server.wait_for_log(&["publisher gone", "gone"]);
    // What came before was good: a second and a half.
    let recordings = record_seconds(&place.server, "gone", &[P144, "source"], 1.5);
    for recording in &recordings {
        assert_eq!(judge::rendition(recording, &scratch).video_pts().len(), 45);
    }
    place.stays_undisturbed();
}

/// Sequence headers whose words do not hold.
fn lying_headers(good: &[u8]) -> Vec<Vec<u8>> {
    let with = |at: usize, bytes: &[u8]| {
        let mut header = good.to_vec();
        header[at..at + bytes.len()].copy_from_slice(bytes);
        header
    };
    vec![
        // The SPS is said to be longer than the message.
        with(11, &[0xff, 0xff]),
        // Thirty-one of them.
        with(10, &[0xff]),
        // None at all.
        with(10, &[0xe0]),
        // NAL unit lengths of three bytes (ISO/IEC 14496-15 5.3.3.1.2 forbids it).
        with(9, &[0xfe]),
        // The SPS is noise.
        [&good[..13], &noise(good.len() - 13)].concat(),
        // Cut off.
        good[..good.len() / 2].to_vec(),
        good[..5].to_vec(),
    ]
}

#[test]
fn a_sequence_header_that_lies() {
    let (place, scratch) = (Neighbourhood::new(), Scratch::new());
    let tags = ordinary(&scratch);
    let good =
        tags.iter().find(|tag| tag.is_sequence_header()).expect("a sequence header").body.clone();
    for (index, lie) in lying_headers(&good).into_iter().enumerate() {
        let name = format!("liar{index}");
        let mut client = RtmpClient::publishing(place.server.rtmp, &name, "");
        let header = Tag { kind: 9, timestamp_ms: 0, body: lie };
        for tag in std::iter::once(&header).chain(&tags[1..]) {
            if !client.try_send(&message(9, 9, 1, tag.timestamp_ms, &tag.body)) {
                break;
            }
        }
        drop(client);
        place.server.wait_for_log(&["WARN", &name]);
        place.server.wait_until_not_live(&name);
    }
    place.stays_undisturbed();
}

/// A header that is true in itself, of pictures that are not what it says.
#[test]
fn pictures_of_another_stream_than_the_header_s() {
    let (place, scratch) = (Neighbourhood::new(), Scratch::new());
    let other = Scratch::new();
    let file = ffmpeg::encode(
        &other,
        "-f lavfi -i testsrc2=size=640x480:rate=30:duration=1 -threads 1 -c:v libx264 -preset medium -pix_fmt yuv420p",
    );
    let header = tags(&std::fs::read(file).expect("the file"))
        .into_iter()
        .find(Tag::is_sequence_header)
        .expect("a header");
    let mut client = RtmpClient::publishing(place.server.rtmp, "mixed", "");
    client.tag(&header);
    ordinary(&scratch)
        .iter()
        .filter(|tag| !tag.is_sequence_header())
        .for_each(|tag| client.tag(tag));
    // Before it is gone: it takes along what waits to be decoded.
    place.server.wait_for_log(&["WARN", "mixed"]);
    drop(client);
    place.server.wait_until_not_live("mixed");
    place.stays_undisturbed();
}

#[test]
fn a_stream_without_a_keyframe() {
    let (place, scratch) = (Neighbourhood::new(), Scratch::new());
    let tags = ordinary(&scratch);
    let mut client = RtmpClient::publishing(place.server.rtmp, "keyless", "");
    tags.iter().filter(|tag| !tag.is_keyframe()).for_each(|tag| client.tag(tag));
    assert!(
        place.server.stream("keyless").is_some_and(|stream| stream["state"] == "live"),
        "it waits"
    );
    place.server.wait_for_log(&["WARN", "keyframe", "keyless"]);
    // A keyframe that comes at last makes it play.
    for tag in &tags {
        let later = Tag { timestamp_ms: tag.timestamp_ms + 4000, ..tag.clone() };
        client.tag(&later);
    }
    drop(client);
    let segment = eventually("a playlist", || {
        let response = place.server.get("/stream/keyless/source.m3u8");
        (response.status == 200).then(|| {
            response.text().lines().find(|line| line.ends_with(".ts")).map(str::to_owned)
        })?
    });
    assert_eq!(place.server.get(&segment).status, 200);
    place.stays_undisturbed();
}

/// Deeply nested AMF0, one container kind a value, inside a command.
fn nested(open: &[u8], depth: usize) -> Vec<u8> {
    [&string("connect")[..], &number(1.0), &open.repeat(depth)].concat()
}

/// Messages that crashed `rml_rtmp`, and their relatives: type and payload.
fn crashers() -> Vec<(u8, Vec<u8>)> {
    let strict_array = [&[0x0a][..], &1_u32.to_be_bytes()].concat();
    let ecma_array = [&[0x08][..], &1_u32.to_be_bytes(), &[0, 1, b'a']].concat();
    let command = |rest: &[u8]| [&string("connect")[..], &number(1.0), rest].concat();
    let mut list: Vec<(u8, Vec<u8>)> = vec![
        // 1: nested containers of every kind.
        (20, nested(&strict_array, 10_000)),
        (20, nested(&[3, 0, 1, b'a'], 10_000)),
        (20, nested(&ecma_array, 10_000)),
        (20, nested(&[0x10, 0, 1, b'T', 0, 1, b'a'], 10_000)),
        // 2: commands with fewer than three values.
        (20, Vec::new()),
        (20, string("connect")),
        (20, [string("connect"), number(1.0)].concat()),
        (20, [string("publish"), number(1.0), null()].concat()),
        (20, [string("createStream")].concat()),
        (20, [null(), null(), null()].concat()),
        (17, Vec::new()),
        (17, vec![0]),
        (17, [&[0][..], &string("connect")].concat()),
        // 3: data messages cut short.
        (18, string("@setDataFrame")),
        (18, [string("@setDataFrame"), string("onMetaData")].concat()),
        (18, Vec::new()),
        (15, Vec::new()),
        // Declared counts and lengths.
        (20, command(&[0x0a, 0xff, 0xff, 0xff, 0xff])),
        (20, command(&[0x08, 0xff, 0xff, 0xff, 0xff])),
        (20, command(&[0x0c, 0xff, 0xff, 0xff, 0xff, b'a'])),
        (20, command(&[0x0f, 0xff, 0xff, 0xff, 0xff, b'a'])),
        (20, command(&[0x02, 0xff, 0xff, b'a'])),
        (20, command(&[0x07, 0, 0])),
        (20, command(&[0xff])),
        (
            20,
            [string("connect"), number(f64::NAN), object(&[("app", number(f64::INFINITY))])]
                .concat(),
        ),
        (
            20,
            [string("connect"), number(1.0), object(&[("app", string(&"a/".repeat(30_000)))])]
                .concat(),
        ),
        // Control messages of a wrong length, and unknown ones.
        (1, vec![]),
        (2, vec![0]),
        (3, vec![0]),
        (4, vec![]),
        (4, vec![0, 6]),
        (5, vec![0, 0]),
        (6, vec![0, 0, 0, 0]),
        (22, vec![9, 0, 0, 1, 0, 0, 0, 0]),
        (22, vec![9, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1]),
        (99, vec![1, 2, 3]),
        // Media without a body.
        (8, vec![]),
        (9, vec![]),
        (9, vec![0x17]),
        (9, vec![0x17, 0]),
        (9, vec![0x17, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
        (9, vec![0x97, b'a', b'v', b'c', b'1']),
        (8, vec![0xaf]),
        (8, vec![0xaf, 0]),
        (8, vec![0xaf, 0, 0xff, 0xff, 0xff]),
    ];
    // Chunk sizes of 0, 1, 2^31 - 1, and with the bit that must be zero.
    list.extend(
        [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff_u32]
            .map(|size| (1, size.to_be_bytes().to_vec())),
    );
    list
}

#[test]
fn crashers_before_publishing() {
    let place = Neighbourhood::new();
    for (kind, payload) in crashers() {
        let mut client = RtmpClient::shaken(place.server.rtmp);
        client.try_send(&message(3, kind, 0, 0, &payload));
        client.try_send(&message(3, 20, 0, 0, &[string("connect"), number(1.0), null()].concat()));
        assert!(TcpStream::connect(place.server.rtmp).is_ok(), "after type {kind}: {payload:02x?}");
    }
    place.stays_undisturbed();
}

#[test]
fn crashers_while_publishing() {
    let (place, scratch) = (Neighbourhood::new(), Scratch::new());
    let tags = ordinary(&scratch);
    for (index, (kind, payload)) in crashers().into_iter().enumerate() {
        let name = format!("crasher{}", index % 4);
        let mut client = RtmpClient::publishing(place.server.rtmp, &name, "");
        client.try_send(&message(3, kind, 1, 0, &payload));
        for tag in &tags[..5] {
            client.try_send(&message(9, 9, 1, tag.timestamp_ms, &tag.body));
        }
        drop(client);
        place.server.wait_until_not_live(&name);
    }
    place.stays_undisturbed_within(MEMORY_OF_MANY_KIB);
}

/// Sixteen messages of a megabyte that say they are pictures, and sixteen megabytes that say
/// nothing.
#[test]
fn case_66_sixteen_megabytes_of_garbage_and_the_stream_goes_on() {
    let (place, scratch) = (Neighbourhood::new(), Scratch::new());
    let tags = ordinary(&scratch);
    let garbage = noise(16 << 20);
    let mut stranger = RtmpClient::shaken(place.server.rtmp);
    stranger.try_send(&garbage);
    stranger.wait_for_close();
    let mut client = RtmpClient::publishing(place.server.rtmp, "noisy", "");
    client.tag(&tags[0]);
    for megabyte in garbage.chunks(1 << 20) {
        client.send(&message(9, 9, 1, 0, &[&[0x27, 1, 0, 0, 0], megabyte].concat()));
    }
    tags.iter().for_each(|tag| client.tag(tag));
    // A client that closes with acknowledgements unread resets its connection, and what is on its
    // way is lost.
    client.command(0, &[string("FCUnpublish"), number(4.0), null(), string("noisy")]);
    assert_eq!(client.wait_for("NetStream.Unpublish.Success"), Answer::Found);
    let recordings = record_seconds(&place.server, "noisy", &["source"], 4.0);
    assert_eq!(judge::rendition(&recordings[0], &scratch).video_pts().len(), 120);
    assert!(
        place.server.log_lines(&["message skipped", "noisy"]).len() <= 4,
        "logged now and then"
    );
    place.stays_undisturbed_within(48 << 10);
}

/// Crasher 4: a shorter message interleaves on another chunk stream; legal, so it must work.
#[test]
fn a_short_message_between_the_chunks_of_a_long_one() {
    let (place, scratch) = (Neighbourhood::new(), Scratch::new());
    let mut client = RtmpClient::publishing(place.server.rtmp, "interleaved", "");
    let metadata = [
        string("@setDataFrame"),
        string("onMetaData"),
        object(&[("encoder", string("interleaver"))]),
    ]
    .concat();
    for tag in &ordinary(&scratch) {
        let video = message(9, 9, 1, tag.timestamp_ms, &tag.body);
        // Behind the first chunk: 12 bytes of header and 128 of payload.
        let (first, rest) = video.split_at(video.len().min(140));
        client.send(&[first, &message(8, 18, 1, tag.timestamp_ms, &metadata), rest].concat());
    }
    drop(client);
    let recordings = record_seconds(&place.server, "interleaved", &["source"], 4.0);
    assert_eq!(judge::rendition(&recordings[0], &scratch).video_pts().len(), 120);
    let stream = place.server.stream("interleaved").expect("the stream");
    assert_eq!(stream["encoder"], "interleaver");
    place.stays_undisturbed();
}

/// 65 000 chunk streams, each with the beginning of a message of 16 MB.
fn many_chunk_streams() -> Vec<u8> {
    let mut bytes = Vec::new();
    for id in 0..65_000_u32 {
        // The three-byte form (5.3.1.1): id - 64 in two bytes, the low one first.
        bytes.extend([1, id as u8, (id >> 8) as u8]);
        bytes.extend(&header(3, 9, 1, 0, 0xff_ffff)[1..]);
        bytes.extend([0x17; 128]);
    }
    bytes
}

#[test]
fn sixty_five_thousand_chunk_streams_of_long_messages() {
    let place = Neighbourhood::new();
    let bytes = many_chunk_streams();
    let mut before = RtmpClient::shaken(place.server.rtmp);
    before.try_send(&bytes);
    before.wait_for_close();
    let mut after = RtmpClient::publishing(place.server.rtmp, "wide", "");
    after.try_send(&bytes);
    after.wait_for_close();
    place.server.wait_for_log(&["WARN", "wide"]);
    place.stays_undisturbed();
}

/// A message larger than any picture, behind the largest chunk size.
#[test]
fn one_endless_message() {
    let place = Neighbourhood::new();
    for (name, length) in [("long", 0xff_ffff), ("longest", 9 << 20)] {
        let mut client = RtmpClient::publishing(place.server.rtmp, name, "");
        client.send(&message(2, 1, 0, 0, &0x7fff_ffff_u32.to_be_bytes()));
        client.try_send(&header(9, 9, 1, 0, length));
        let block = [0x17; 1 << 16];
        for _ in 0..length / block.len() {
            if !client.try_send(&block) {
                break;
            }
        }
        client.wait_for_close();
        place.server.wait_for_log(&["WARN", name]);
    }
    place.stays_undisturbed();
}

/// Publishes and unpublishes again and again, under ever new names.
#[test]
fn a_hundred_names() {
    let place = Neighbourhood::new();
    for index in 0..100 {
        let mut client = RtmpClient::publishing(place.server.rtmp, &format!("name{index}"), "");
        client.command(1, &[string("deleteStream"), number(4.0), null(), number(1.0)]);
        drop(client);
        place.server.wait_until_not_live(&format!("name{index}"));
    }
    let streams = place.server.status()["streams"].as_array().expect("streams").len();
    assert!(streams <= 17, "{streams} streams are remembered");
    place.stays_undisturbed();
}

/// A viewer's port gets a publisher's bytes and the other way round.
#[test]
fn the_wrong_port() {
    let place = Neighbourhood::new();
    let mut socket = TcpStream::connect(place.server.http).expect("a connection");
    // It may be closed before all is written.
    let _ = socket.write_all(&noise(4000));
    drop(socket);
    let output = std::process::Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc=duration=1",
            "-c:v",
            "libx264",
            "-f",
            "flv",
        ])
        .arg(format!("rtmp://{}/a", place.server.http))
        .output()
        .expect("ffmpeg");
    assert!(!output.status.success());
    place.stays_undisturbed();
}
