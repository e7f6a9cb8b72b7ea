//! What encoders send that broke other servers. `row_NN` is a row of the field notes' list of them
//! (section 4.3), `case_NN` one of the cases of go-livepeer (section 7), `v_NN` one of its list of
//! attacks (section 4.2).
#![allow(missing_docs, clippy::unwrap_used, reason = "a test binary")]

mod support;

use amf0::Value;
use bytes::Bytes;
use hex_literal::hex;
use rtmp::{Connection, Error, Event, Limits, MediaKind, Message, RawMessage, type_id};
use support::{Peer, encoded};

/// An encoder that writes its own chunks (section 5.3.1).
struct Chunks {
    size: usize,
    /// Whether type-3 chunks repeat the extended timestamp: Adobe's and new librtmp's do, older
    /// librtmp's do not.
    repeats_extended: bool,
}

impl Chunks {
    /// A message on message stream 1; `time` is a timestamp with `format` 0, else a delta.
    fn of(&self, format: u8, csid: u32, time: u32, type_id: u8, payload: &[u8]) -> Vec<Vec<u8>> {
        let extended = if time >= 0xff_ffff { time.to_be_bytes().to_vec() } else { Vec::new() };
        let mut header = basic_header(format, csid);
        let fields = [
            &time.min(0xff_ffff).to_be_bytes()[1..],
            &(payload.len() as u32).to_be_bytes()[1..],
            &[type_id],
            &1_u32.to_le_bytes(),
        ]
        .concat();
        header.extend(&fields[..[11, 7, 3, 0][usize::from(format)]]);
        header.extend(&extended);
        let mut later = basic_header(3, csid);
        later.extend(extended.iter().filter(|_| self.repeats_extended));
        let mut chunks = Vec::new();
        for part in payload.chunks(self.size) {
            let header = if chunks.is_empty() { &header } else { &later };
            chunks.push([&header[..], part].concat());
        }
        chunks
    }

    fn set_size(&self) -> Vec<u8> {
        let size = (self.size as u32).to_be_bytes();
        [&hex!("02 000000 000004 01 00000000")[..], &size].concat()
    }
}

/// Section 5.3.1.1.
fn basic_header(format: u8, csid: u32) -> Vec<u8> {
    let format = format << 6;
    match csid {
        2..64 => vec![format | csid as u8],
        64..320 => vec![format, (csid - 64) as u8],
        _ => [&[format | 1][..], &((csid - 64) as u16).to_le_bytes()].concat(),
    }
}

/// One chunk of each message in turn, as Adobe's encoders send them.
fn interleaved(messages: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let longest = messages.iter().map(Vec::len).max().unwrap();
    let turn = |index: usize| messages.iter().filter_map(move |chunks| chunks.get(index)).flatten();
    (0..longest).flat_map(turn).copied().collect()
}

/// Bytes that are no timestamp of these tests.
fn payload(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| 0x80 | (index % 113) as u8).collect()
}

/// Kind, timestamp and length of all media that comes out, whether the input comes whole or byte by
/// byte; `payload` is what it must hold.
fn media(input: &[u8]) -> Vec<(MediaKind, u32, usize)> {
    let read = |size| {
        let mut peer = Peer::publishing();
        input.chunks(size).for_each(|piece| peer.connection.handle_input(piece).unwrap());
        peer.events()
    };
    let events = read(input.len());
    assert_eq!(read(1), events);
    let described = |event| {
        let Event::Media(Message { kind, timestamp_ms, payload: bytes }) = event else {
            panic!("{event:?}")
        };
        assert!(bytes == payload(bytes.len()), "{kind:?} at {timestamp_ms}");
        (kind, timestamp_ms, bytes.len())
    };
    events.into_iter().map(described).collect()
}

const AUDIO: u8 = type_id::AUDIO;
const VIDEO: u8 = type_id::VIDEO;

#[test]
fn row_07_control_messages_on_chunk_streams_3_to_6() {
    for csid in 3..=6 {
        let mut peer = Peer::publishing();
        let control = |type_id: u8, payload: &[u8]| {
            [&[csid, 0, 0, 0, 0, 0, payload.len() as u8, type_id, 0, 0, 0, 0], payload].concat()
        };
        let input = [
            &control(type_id::WINDOW_ACK_SIZE, &hex!("00000400"))[..],
            &control(type_id::USER_CONTROL, &hex!("0006 0000002a")),
            &control(type_id::ACKNOWLEDGEMENT, &hex!("00000c01")),
            &control(type_id::SET_PEER_BANDWIDTH, &hex!("002625a0 02")),
            &[csid, 0, 0, 9, 0, 0, 130, VIDEO, 1, 0, 0, 0],
            &payload(128),
            &[0xc0 | csid],
            &payload(130)[128..],
            &control(type_id::SET_CHUNK_SIZE, &hex!("00001000")),
            &[csid, 0, 0, 10, 0, 4, 0, VIDEO, 1, 0, 0, 0],
            &payload(1024),
        ]
        .concat();
        peer.connection.handle_input(&input).unwrap();
        let answers = peer.answers();
        let answers: Vec<_> = answers
            .iter()
            .map(|message| (message.type_id, message.payload[..2].to_vec()))
            .collect();
        let (pong, acknowledged) = (type_id::USER_CONTROL, type_id::ACKNOWLEDGEMENT);
        assert_eq!(answers, [(pong, vec![0, 7]), (acknowledged, vec![0, 0])], "csid {csid}");
        let expected = [(9, 130), (10, 1024)].map(|(timestamp_ms, bytes)| {
            let payload = Bytes::from(payload(bytes));
            Event::Media(Message { kind: MediaKind::Video, timestamp_ms, payload })
        });
        assert_eq!(peer.events(), expected, "csid {csid}");
    }
}

#[test]
fn row_09_s2_is_c1_exactly_whatever_time_and_version_a_simple_c1_has() {
    // Time, then what digests would call the version: zero by the specification, Flash's, and
    // noise.
    for head in [hex!("00000000 00000000"), hex!("12345678 80000702"), hex!("ffffffff deadbeef")] {
        let random = (0..1528_u32).map(|index| (index * 31 % 256) as u8);
        let c1: Vec<u8> = head.into_iter().chain(random).collect();
        let mut connection = Connection::server(Limits::default());
        connection.handle_input(&[&[3], &c1[..]].concat()).unwrap();
        let answer: Vec<u8> = std::iter::from_fn(|| connection.poll_transmit()).flatten().collect();
        assert_eq!(answer.len(), 1 + 2 * 1536);
        assert!(answer[1 + 1536..] == c1, "{head:02x?}");
    }
}

/// The name and whether there is a key, after connect with these properties and publish with this
/// argument.
fn published(properties: &[(&str, &str)], stream: &str) -> (String, bool) {
    let mut peer = Peer::new(Limits::default());
    let properties = properties.iter().map(|(name, text)| ((*name).to_owned(), Value::from(*text)));
    let object = Value::Object(properties.collect());
    peer.command(0, &[Value::from("connect"), Value::from(1.0), object]).unwrap();
    peer.call(1, "publish", 5.0, Value::from(stream)).unwrap();
    let events = peer.events();
    let [Event::PublishRequested(request)] = &events[..] else { panic!("{events:?}") };
    (request.name.as_ref().map(ToString::to_string).unwrap_or_default(), request.key.is_some())
}

#[test]
fn row_10_a_stray_quote_around_the_url_is_no_part_of_a_name() {
    let url = ("tcUrl", "'rtmp://h:1935/live");
    assert_eq!(published(&[("app", "live"), url], "foo'"), ("foo".to_owned(), false));
    assert_eq!(published(&[url], "foo'"), ("foo".to_owned(), false));
    assert_eq!(published(&[("app", "'live"), url], "foo/key'"), ("foo".to_owned(), true));
}

#[test]
fn row_11_user_control_31_and_32_of_flash_era_senders_change_nothing() {
    let mut peer = Peer::publishing();
    for event in [31_u16, 32] {
        for rest in [&[][..], &[0; 4], &[0; 8], &[0xff; 30]] {
            let payload = [&event.to_be_bytes()[..], rest].concat();
            peer.send(type_id::USER_CONTROL, &payload).unwrap();
        }
    }
    assert!(peer.answers().is_empty());
    peer.send(VIDEO, &[0x17]).unwrap();
    assert_eq!(peer.events().len(), 1);
}

#[test]
fn row_12_an_abort_in_the_middle_of_a_message_takes_that_message_only() {
    let chunks = Chunks { size: 128, repeats_extended: false };
    let cut = &chunks.of(0, 6, 40, VIDEO, &payload(900))[..3];
    let audio = chunks.of(0, 4, 41, AUDIO, &payload(300));
    let abort = hex!("02 000000 000004 02 00000000 00000006").to_vec();
    let again = chunks.of(0, 6, 42, VIDEO, &payload(901));
    let same_header = chunks.of(3, 6, 0, VIDEO, &payload(901));
    let input = [
        cut.concat(),
        audio[0].clone(),
        abort.clone(),
        audio[1..].concat(),
        abort,
        again.concat(),
        same_header.concat(),
    ]
    .concat();
    let (audio, video) = (MediaKind::Audio, MediaKind::Video);
    assert_eq!(media(&input), [(audio, 41, 300), (video, 42, 901), (video, 84, 901)]);
}

#[test]
fn row_13_extended_timestamps_that_type_3_chunks_repeat_or_not_on_interleaved_chunk_streams() {
    for repeats_extended in [true, false] {
        let chunks = Chunks { size: 128, repeats_extended };
        let mut input = Vec::new();
        let mut expected = Vec::new();
        // Full headers across 2^24 - 1, where the field is full, and across 2^32.
        for start in [0xff_fff0_u32, 0xffff_fff0] {
            for step in 0..30 {
                let time = start.wrapping_add(step * 3);
                input.extend(interleaved(&[
                    chunks.of(0, 6, time, VIDEO, &payload(1000 + step as usize)),
                    chunks.of(0, 4, time, AUDIO, &payload(200)),
                    chunks.of(0, 300, time, VIDEO, &payload(500)),
                ]));
                expected.extend([
                    (MediaKind::Audio, time, 200),
                    (MediaKind::Video, time, 500),
                    (MediaKind::Video, time, 1000 + step as usize),
                ]);
            }
        }
        assert_eq!(media(&input), expected, "repeated: {repeats_extended}");
    }
}

#[test]
fn row_13_extended_deltas_count_also_for_type_3_chunks_that_begin_a_message() {
    for repeats_extended in [true, false] {
        let chunks = Chunks { size: 128, repeats_extended };
        let five_hours = 18_000_000_u32;
        let delta = five_hours.to_be_bytes();
        // What Chunks writes for a type-3 chunk that begins a message has no extended timestamp;
        // repeated, it has.
        let mut next = basic_header(3, 6);
        next.extend(delta.iter().filter(|_| repeats_extended));
        next.extend(payload(100));
        let input = [
            chunks.of(0, 6, 1000, VIDEO, &payload(300)).concat(),
            chunks.of(1, 6, five_hours, VIDEO, &payload(300)).concat(),
            chunks.of(1, 6, five_hours, VIDEO, &payload(100)).concat(),
            next,
            chunks.of(2, 6, 40, VIDEO, &payload(100)).concat(),
        ]
        .concat();
        let times: Vec<_> = media(&input).into_iter().map(|(_, time, _)| time).collect();
        let at = |count: u32| 1000 + count * five_hours;
        assert_eq!(times, [1000, at(1), at(2), at(3), at(3) + 40], "repeated: {repeats_extended}");
    }
}

/// librtmp, as in OBS: audio and video on chunk stream 4, chunks of 4 096 bytes, one full header
/// and deltas behind it; rtmpdump's relatives write a full header each time.
#[test]
fn row_13_case_77_librtmps_chunks_of_4096_bytes_past_two_to_the_24_milliseconds() {
    for (repeats_extended, full_headers) in [(true, true), (false, true), (false, false)] {
        let chunks = Chunks { size: 4096, repeats_extended };
        let mut input = chunks.set_size();
        let mut expected = Vec::new();
        let start = 0xff_ff00;
        for picture in 0..40 {
            let (time, bytes) = (start + picture * 33, 9000 + 700 * (picture as usize % 7));
            for (kind, type_id, time, bytes) in
                [(MediaKind::Video, VIDEO, time, bytes), (MediaKind::Audio, AUDIO, time + 11, 371)]
            {
                let last = expected.last().map(|(_, last, _)| *last).filter(|_| !full_headers);
                let (format, field) = last.map_or((0, time), |last| (1, time - last));
                input.extend(chunks.of(format, 4, field, type_id, &payload(bytes)).concat());
                expected.push((kind, time, bytes));
            }
        }
        assert_eq!(media(&input), expected, "repeated: {repeats_extended}, full: {full_headers}");
    }
}

#[test]
fn row_14_chunk_streams_of_two_and_three_byte_ids_carry_a_whole_session() {
    for csid in [64, 319, 320, 65_599] {
        let mut peer = Peer::new(Limits::default());
        let chunks = Chunks { size: 128, repeats_extended: true };
        let app = Value::Object(vec![("app".to_owned(), Value::from("live"))]);
        let connect = encoded(&[Value::from("connect"), Value::from(1.0), app]);
        let publish =
            encoded(&[Value::from("publish"), Value::from(2.0), Value::Null, Value::from("foo")]);
        for command in [connect, publish] {
            let bytes = chunks.of(0, csid, 0, type_id::COMMAND_AMF0, &command).concat();
            peer.connection.handle_input(&bytes).unwrap();
        }
        assert!(matches!(peer.events()[..], [Event::PublishRequested(_)]), "{csid}");
        peer.connection.accept_publish();
        for (format, time) in [(0, 0x0100_0000), (1, 40), (2, 40)] {
            let bytes = chunks.of(format, csid, time, VIDEO, &payload(300)).concat();
            peer.connection.handle_input(&bytes).unwrap();
        }
        let times = peer.events().into_iter().map(|event| match event {
            Event::Media(message) => message.timestamp_ms - 0x0100_0000,
            other => panic!("{other:?}"),
        });
        assert_eq!(times.collect::<Vec<_>>(), [0, 40, 80], "{csid}");
    }
}

/// One of every kind of value that AMF0 has (AMF0 section 2).
fn every_kind() -> Vec<Value> {
    let properties = vec![("a".to_owned(), Value::Null)];
    vec![
        Value::StrictArray(vec![Value::from("av01"), Value::from("hvc1"), Value::from("vp09")]),
        Value::Date { unix_ms: 1.7e12, time_zone_min: -60 },
        Value::Undefined,
        Value::Unsupported,
        Value::XmlDocument("<a/>".to_owned()),
        Value::String("long ".repeat(14_000)),
        Value::Reference(1),
        Value::EcmaArray(properties.clone()),
        Value::Object(properties.clone()),
        Value::TypedObject { class: "C".to_owned(), properties },
        Value::Null,
        Value::Boolean(true),
        Value::Boolean(false),
        Value::from(f64::NAN),
        Value::from("\0\u{1f3a5}"),
    ]
}

#[test]
fn row_15_connect_may_hold_every_kind_of_value() {
    let short = every_kind().into_iter().filter(|value| value.as_str().is_none_or(str::is_ascii));
    let kinds: Vec<_> =
        short.filter(|value| value.as_str().is_none_or(|text| text.len() < 99)).collect();
    let mut properties: Vec<_> =
        kinds.into_iter().enumerate().map(|(index, value)| (format!("p{index}"), value)).collect();
    properties.push(("app".to_owned(), Value::from("live")));
    // A long string by its marker, whatever its length.
    let mut object = encoded(&[Value::Object(properties)]);
    object.truncate(object.len() - 3);
    object.extend(hex!("0001 6c 0c 00000002 6869 000009"));
    let mut peer = Peer::new(Limits::default());
    let connect = encoded(&[Value::from("connect"), Value::from(1.0)]);
    peer.send(type_id::COMMAND_AMF0, &[connect, object].concat()).unwrap();
    assert_eq!(peer.commands(), ["0 _result 1 status NetConnection.Connect.Success"]);
    peer.call(1, "publish", 2.0, Value::from("foo")).unwrap();
    let events = peer.events();
    let [Event::PublishRequested(request)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(
        request.name.as_ref().unwrap().as_str(),
        "foo",
        "the app was found: live is not the name"
    );
}

#[test]
fn row_17_amf3_values_behind_those_that_matter_are_not_read() {
    let mut peer = Peer::connected("live");
    let publish =
        encoded(&[Value::from("publish"), Value::from(2.0), Value::Null, Value::from("foo")]);
    let amf3_object = hex!("11 0a 0b 01 03 61 04 01 01");
    peer.send(type_id::COMMAND_AMF3, &[&[0], &publish[..], &amf3_object].concat()).unwrap();
    assert!(matches!(peer.events()[..], [Event::PublishRequested(_)]));
    peer.connection.accept_publish();
    let data =
        [&encoded(&[Value::from("@setDataFrame"), Value::from("onMetaData")])[..], &amf3_object]
            .concat();
    peer.send(type_id::DATA_AMF3, &[&[0], &data[..]].concat()).unwrap();
    peer.send(VIDEO, &[0x17]).unwrap();
    let events = peer.events();
    let [Event::Media(script), Event::Media(_)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((script.kind, &script.payload[..]), (MediaKind::Script, &data[..]));
}

#[test]
fn row_18_envivios_objects_without_an_end_marker() {
    let mut peer = Peer::new(Limits::default());
    let object = hex!("03 0003 617070 02 0004 6c697665"); // app: live
    let connect = encoded(&[Value::from("connect"), Value::from(1.0)]);
    peer.send(type_id::COMMAND_AMF0, &[&connect[..], &object].concat()).unwrap();
    assert_eq!(peer.commands().len(), 1);
    peer.call(1, "publish", 2.0, Value::from("foo")).unwrap();
    let events = peer.events();
    let [Event::PublishRequested(request)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(request.name.as_ref().unwrap().as_str(), "foo");
}

#[test]
fn row_22_who_publishes_with_the_fewest_commands() {
    // connect and publish in one write, no answer read, transaction ids left out.
    let mut peer = Peer::new(Limits::default());
    let app = Value::Object(vec![("app".to_owned(), Value::from("live"))]);
    let mut bytes = peer.command_chunks(0, &[Value::from("connect"), Value::from(0.0), app]);
    let publish = [Value::from("publish"), Value::from(0.0), Value::Null, Value::from("foo")];
    bytes.extend(peer.command_chunks(1, &publish));
    bytes.extend(peer.chunks(4, VIDEO, 1, &payload(500)));
    peer.connection.handle_input(&bytes).unwrap();
    peer.connection.accept_publish();
    let events = peer.events();
    assert!(matches!(events[..], [Event::PublishRequested(_), Event::Media(_)]), "{events:?}");
}

#[test]
fn row_23_wirecasts_false_is_no_name_and_extra_connects_do_no_harm() {
    // Before it publishes.
    let mut peer = Peer::connected("live");
    for command in ["publish", "play"] {
        peer.call(1, command, 4.0, Value::Boolean(false)).unwrap();
    }
    assert!(peer.events().is_empty());
    peer.call(1, "publish", 5.0, Value::from("foo")).unwrap();
    assert!(matches!(peer.events()[..], [Event::PublishRequested(_)]));
    peer.connection.accept_publish();
    peer.answers();
    // A second connect on the connection, without anything, and a stop of what does not play.
    peer.command(0, &[Value::from("connect"), Value::from(6.0)]).unwrap();
    peer.call(1, "play", 7.0, Value::Boolean(false)).unwrap();
    peer.send(VIDEO, &[0x17]).unwrap();
    peer.call(1, "publish", 8.0, Value::Boolean(false)).unwrap();
    peer.call(1, "publish", 9.0, Value::Boolean(false)).unwrap();
    assert!(matches!(peer.events()[..], [Event::Media(_), Event::Unpublish]));
    // Connections that never come to a name are only connections.
    let mut extra = Peer::connected("live");
    extra.command(0, &[Value::from("createStream"), Value::from(2.0), Value::Null]).unwrap();
    extra.call(0, "deleteStream", 3.0, Value::from(1.0)).unwrap();
    assert!(extra.events().is_empty());
}

#[test]
fn row_24_commands_that_are_null_from_gopro_are_skipped() {
    let mut peer = Peer::publishing();
    for payload in
        [&hex!("05")[..], &hex!("05 05 05 05"), &hex!("02 0000"), &hex!("06"), &hex!("00")]
    {
        peer.send(type_id::COMMAND_AMF0, payload).unwrap();
        peer.send(type_id::COMMAND_AMF3, payload).unwrap();
    }
    peer.send(VIDEO, &[0x17]).unwrap();
    assert_eq!(peer.events().len(), 1);
    let mut peer = Peer::connected("");
    peer.call(1, "publish", 2.0, Value::Null).unwrap();
    assert!(
        matches!(&peer.events()[..], [Event::PublishRequested(request)] if request.name.is_none())
    );
}

#[test]
fn row_25_row_26_a_key_in_a_query_alone_and_an_app_with_a_query() {
    let name = |name: &str| (name.to_owned(), true);
    assert_eq!(published(&[("app", "live/foo")], "?key=val"), name("foo"), "OBS multi-rendition");
    assert_eq!(published(&[("app", "foo")], "?key=val"), name("foo"));
    let gstreamer = [("app", "live?key=val&x=1"), ("tcUrl", "rtmp://h:1935/live?key=val&x=1")];
    assert_eq!(published(&gstreamer, "foo"), name("foo"));
    assert_eq!(published(&[("app", "foo?key=val")], ""), name("foo"));
}

/// rtmp2sink begins a chunk stream with a full header, takes its timestamp for the delta before,
/// and picks the shortest header that says the rest.
#[test]
fn row_26_gstreamers_choice_of_chunk_types() {
    let chunks = Chunks { size: 128, repeats_extended: true };
    let input = [
        chunks.of(0, 6, 40, VIDEO, &payload(300)).concat(),
        chunks.of(3, 6, 0, VIDEO, &payload(300)).concat(), // 40 later
        chunks.of(2, 6, 0, VIDEO, &payload(300)).concat(), // at the same time
        chunks.of(3, 6, 0, VIDEO, &payload(300)).concat(),
        chunks.of(1, 6, 33, AUDIO, &payload(20)).concat(), // another type on the same chunk stream
        chunks.of(3, 6, 0, AUDIO, &payload(20)).concat(),
        chunks.of(1, 6, 0xffff_ffdf, VIDEO, &payload(300)).concat(), // 33 back
    ]
    .concat();
    let times: Vec<_> = media(&input).into_iter().map(|(_, time, _)| time).collect();
    assert_eq!(times, [40, 80, 80, 80, 113, 146, 113]);
}

#[test]
fn row_34_timestamps_wrap_at_two_to_the_32_and_deltas_may_be_negative() {
    let chunks = Chunks { size: 128, repeats_extended: true };
    let input = [
        chunks.of(0, 6, 0xffff_fff0, VIDEO, &payload(200)).concat(),
        chunks.of(1, 6, 33, VIDEO, &payload(200)).concat(),
        chunks.of(1, 6, 0_u32.wrapping_sub(20), VIDEO, &payload(200)).concat(),
        chunks.of(0, 6, 0_u32.wrapping_sub(1), VIDEO, &payload(200)).concat(),
    ]
    .concat();
    let times: Vec<_> = media(&input).into_iter().map(|(_, time, _)| time).collect();
    assert_eq!(times, [0xffff_fff0, 17, 0xffff_fffd, 0xffff_ffff]);
}

/// The way of Adobe Media Encoder and FMLE: commands of the connection between those of the stream,
/// metadata and `onFI` data without end.
#[test]
fn row_19_row_37_adobes_encoders_in_their_order() {
    let mut peer = Peer::connected("live");
    peer.call(0, "releaseStream", 2.0, Value::from("foo")).unwrap();
    peer.call(0, "FCPublish", 3.0, Value::from("foo")).unwrap();
    peer.command(0, &[Value::from("createStream"), Value::from(4.0), Value::Null]).unwrap();
    peer.command(0, &[Value::from("_checkbw"), Value::from(5.0), Value::Null]).unwrap();
    let publish = [Value::from("publish"), Value::from(0.0), Value::Null, Value::from("foo")];
    peer.command(1, &publish).unwrap();
    peer.connection.accept_publish();
    let expected = [
        "0 _result 2 Undefined",
        "0 _result 3 Undefined",
        "0 _result 4 Number(1.0)",
        "0 _result 5 Undefined",
        "1 onFCPublish 0 status NetStream.Publish.Start",
        "1 onStatus 0 status NetStream.Publish.Start",
    ];
    assert_eq!(peer.commands(), expected);
    peer.events();
    let time =
        vec![("sd".to_owned(), Value::from("26-11-2026")), ("st".to_owned(), Value::from("13:00"))];
    let on_fi = encoded(&[Value::from("onFI"), Value::Object(time)]);
    let metadata = encoded(&[
        Value::from("@setDataFrame"),
        Value::from("onMetaData"),
        Value::EcmaArray(vec![("width".to_owned(), Value::from(640.0))]),
    ]);
    for _ in 0..3 {
        peer.send(type_id::DATA_AMF0, &metadata).unwrap();
        peer.send(type_id::DATA_AMF0, &on_fi).unwrap();
        peer.send(AUDIO, &[0xaf, 0, 0x12, 0x10]).unwrap();
        peer.send(VIDEO, &[0x17, 0, 0, 0, 0]).unwrap();
    }
    assert_eq!(peer.events().len(), 12);
}

#[test]
fn row_45_empty_data_messages_are_nothing() {
    let mut peer = Peer::publishing();
    peer.send(type_id::DATA_AMF0, &[]).unwrap();
    peer.send(type_id::DATA_AMF3, &[]).unwrap();
    peer.send(type_id::DATA_AMF3, &[0]).unwrap();
    peer.send(type_id::AGGREGATE, &[]).unwrap();
    assert!(peer.events().is_empty());
}

#[test]
fn row_45_aggregates_with_odd_timestamps_and_back_pointers() {
    let mut peer = Peer::publishing();
    let tags = hex!(
        "09 000002 0003e8 00 000000 2701 00000000" // back pointer of zero
        "08 000001 0003de 00 000000 af ffffffff" // 10 ms back
        "16 00000f 0003e8 00 000000 08 000000 000000 00 000000 00000000 0000001a" // an aggregate in it
        "09 000002 ffffff ff 000001 2702 0000000d" // a wrapping timestamp, a stream id
        "08 000001 0003f2 00 000000 af 0000" // cut off behind its last byte
    );
    peer.send(type_id::AGGREGATE, &tags).unwrap();
    let times = peer.events().into_iter().map(|event| match event {
        Event::Media(message) => message.timestamp_ms,
        other => panic!("{other:?}"),
    });
    let first = 7_u32; // the message's
    assert_eq!(
        times.collect::<Vec<_>>(),
        [first, first.wrapping_sub(10), first.wrapping_sub(1001), first + 10]
    );
}

#[test]
fn v_03_chunk_sizes_that_change_in_the_middle_of_a_message() {
    let set = |size: u32| [&hex!("02 000000 000004 01 00000000")[..], &size.to_be_bytes()].concat();
    let chunks = Chunks { size: 128, repeats_extended: false };
    let whole = payload(5000);
    let first = chunks.of(0, 6, 0, VIDEO, &whole)[..2].concat();
    // 2^31 - 1, in chunks of a byte itself.
    let set_by_byte = hex!("02 000000 000004 01 00000000 7f c2 ff c2 ff c2 ff").to_vec();
    let shrunk: Vec<u8> = whole[256..300].iter().flat_map(|byte| [0xc6, *byte]).collect();
    let input =
        [first.clone(), set(1), shrunk, set_by_byte, vec![0xc6], whole[300..].to_vec()].concat();
    assert_eq!(media(&input), [(MediaKind::Video, 0, 5000)]);
    for size in [0, 0x8000_0000, 0xffff_ffff] {
        let mut peer = Peer::publishing();
        let error = peer.connection.handle_input(&[first.clone(), set(size)].concat()).unwrap_err();
        assert!(matches!(error, Error::ChunkSize { actual, .. } if actual == size), "{error}");
        assert!(peer.events().is_empty());
    }
}

fn commands() -> Vec<Vec<Value>> {
    let app = Value::Object(vec![
        ("app".to_owned(), Value::from("live")),
        ("tcUrl".to_owned(), Value::from("rtmp://h/live")),
        ("fourCcList".to_owned(), Value::StrictArray(vec![Value::from("hvc1")])),
    ]);
    let call = |name, argument| vec![Value::from(name), Value::from(2.0), Value::Null, argument];
    vec![
        vec![Value::from("connect"), Value::from(1.0), app],
        call("releaseStream", Value::from("foo")),
        call("FCPublish", Value::from("foo")),
        call("createStream", Value::Null),
        call("publish", Value::from("foo")),
        call("FCUnpublish", Value::from("foo")),
        call("closeStream", Value::Null),
        call("deleteStream", Value::from(1.0)),
        call("play", Value::from("foo")),
        call("_checkbw", Value::Null),
        call("getStreamLength", Value::from("foo")),
    ]
}

/// Sends a command; whatever comes of it, the connection says so and does not go on half.
fn costs_at_most_an_error(peer: &mut Peer, payload: &[u8]) {
    let result = peer.send(type_id::COMMAND_AMF0, payload);
    assert_eq!(result.is_err(), peer.connection.is_closed(), "{payload:02x?}");
    let events = peer.events();
    assert!(events.len() <= 1, "{events:?}");
    peer.answers();
}

#[test]
fn v_04_commands_cut_at_every_byte() {
    for command in commands() {
        let payload = encoded(&command);
        for end in 0..payload.len() {
            costs_at_most_an_error(&mut Peer::connected("live"), &payload[..end]);
            costs_at_most_an_error(&mut Peer::publishing(), &payload[..end]);
        }
    }
}

#[test]
fn v_04_every_kind_of_value_in_every_place_of_a_command() {
    for command in commands() {
        for place in 0..command.len() {
            for value in every_kind() {
                let mut command = command.clone();
                command[place] = value;
                costs_at_most_an_error(&mut Peer::connected("live"), &encoded(&command));
                costs_at_most_an_error(&mut Peer::publishing(), &encoded(&command));
            }
        }
    }
}

#[test]
fn case_66_sixteen_megabytes_of_garbage_end_their_connection_early() {
    // xorshift: the same bytes each time.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    for mut peer in [Peer::connected("live"), Peer::publishing()] {
        let mut taken = 0;
        while taken < 16 << 20 && !peer.connection.is_closed() {
            let piece: Vec<u8> = (0..512).flat_map(|_| noise()).collect();
            taken += piece.len();
            let _ = peer.connection.handle_input(&piece);
            peer.answers();
        }
        assert!(peer.connection.is_closed() && taken < 1 << 20, "{taken} bytes");
    }
}

/// Flash-era encoders and HaishinKit keep their connection and begin another stream on it.
#[test]
fn another_stream_may_follow_on_the_same_connection() {
    let mut peer = Peer::publishing();
    for round in 2..6_u32 {
        let name = format!("stream{round}");
        peer.send(VIDEO, &[0x17]).unwrap();
        peer.call(0, "deleteStream", 0.0, Value::Undefined).unwrap();
        peer.send(VIDEO, &[0x27]).unwrap(); // late
        let events = peer.events();
        assert!(matches!(events[..], [Event::Media(_), Event::Unpublish]), "{events:?}");
        peer.call(1, "publish", 9.0, Value::from(name.as_str())).unwrap();
        let events = peer.events();
        let [Event::PublishRequested(request)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(request.name.as_ref().unwrap().as_str(), name);
        peer.answers();
        peer.connection.accept_publish();
        assert_eq!(peer.commands(), ["1 onStatus 0 status NetStream.Publish.Start"]);
    }
}

#[test]
fn a_stream_and_its_successor_may_come_in_one_write() {
    let mut peer = Peer::connected("live");
    let publish = |name| [Value::from("publish"), Value::from(0.0), Value::Null, Value::from(name)];
    let mut bytes = Vec::new();
    for name in ["one", "two", "three"] {
        bytes.extend(peer.command_chunks(1, &publish(name)));
        bytes.extend(peer.chunks(6, VIDEO, 1, &payload(700)));
        bytes.extend(
            peer.command_chunks(1, &[Value::from("closeStream"), Value::from(0.0), Value::Null]),
        );
    }
    peer.connection.handle_input(&bytes).unwrap();
    let mut said = Vec::new();
    while let Some(event) = peer.connection.poll_event() {
        said.push(match event {
            Event::PublishRequested(request) => {
                peer.connection.accept_publish();
                request.name.unwrap().to_string()
            }
            Event::Media(message) => message.payload.len().to_string(),
            Event::Unpublish => "end".to_owned(),
        });
    }
    assert_eq!(said, ["one", "700", "end", "two", "700", "end", "three", "700", "end"]);
}

#[test]
fn a_refused_second_streams_media_does_not_get_into_the_first() {
    let mut peer = Peer::connected("live");
    for id in [2.0, 3.0] {
        peer.command(0, &[Value::from("createStream"), Value::from(id), Value::Null]).unwrap();
    }
    peer.call(1, "publish", 4.0, Value::from("foo")).unwrap();
    peer.connection.accept_publish();
    peer.events();
    peer.call(2, "publish", 5.0, Value::from("bar")).unwrap();
    let aggregate = hex!("09 000001 000000 00 000000 37 0000000c");
    for (message_stream, first_byte) in [(1, 0x17), (2, 0x27), (0, 0x47), (7, 0x57)] {
        for (type_id, payload) in [(VIDEO, &[first_byte][..]), (type_id::AGGREGATE, &aggregate)] {
            let bytes = peer.chunks(6, type_id, message_stream, payload);
            peer.connection.handle_input(&bytes).unwrap();
        }
    }
    // Streams that nobody created are numbered as encoders like.
    let first_bytes = peer.events().into_iter().map(|event| match event {
        Event::Media(message) => message.payload[0],
        other => panic!("{other:?}"),
    });
    assert_eq!(first_bytes.collect::<Vec<_>>(), [0x17, 0x37, 0x47, 0x37, 0x57, 0x37]);
    peer.call(0, "deleteStream", 6.0, Value::from(2.0)).unwrap();
    assert!(peer.events().is_empty(), "the first goes on");
}

#[test]
fn what_a_publisher_had_begun_to_send_is_forgotten_with_its_stream() {
    let mut peer = Peer::publishing();
    let chunks = Chunks { size: 128, repeats_extended: false };
    let picture = chunks.of(0, 6, 0, VIDEO, &payload(1 << 20));
    let (begun, rest) = picture.split_at(4000);
    peer.connection.handle_input(&begun.concat()).unwrap();
    peer.call(1, "closeStream", 0.0, Value::Null).unwrap();
    assert_eq!(peer.events(), [Event::Unpublish]);
    peer.call(1, "publish", 9.0, Value::from("bar")).unwrap();
    assert!(matches!(peer.events()[..], [Event::PublishRequested(_)]));
    peer.connection.accept_publish();
    // The rest is skipped where its end is known, and the next message on the chunk stream is a
    // message.
    peer.connection.handle_input(&rest.concat()).unwrap();
    assert!(peer.events().is_empty());
    peer.connection.handle_input(&chunks.of(0, 6, 0, VIDEO, &payload(1 << 20)).concat()).unwrap();
    assert!(
        matches!(&peer.events()[..], [Event::Media(message)] if message.payload.len() == 1 << 20)
    );
    // Without a stream no more than before one may be under way.
    peer.call(1, "closeStream", 0.0, Value::Null).unwrap();
    let error =
        peer.connection.handle_input(&chunks.of(0, 6, 0, VIDEO, &payload(1 << 20))[0]).unwrap_err();
    assert!(matches!(error, Error::MessageTooLong { allowed: 65_536, .. }), "{error}");
}

#[test]
fn an_acknowledgement_window_of_zero_is_ignored_and_one_of_a_byte_is_answered_once_an_input() {
    let mut peer = Peer::publishing();
    peer.send(type_id::WINDOW_ACK_SIZE, &[0; 4]).unwrap();
    peer.send(VIDEO, &payload(1000)).unwrap();
    assert!(peer.answers().is_empty());
    peer.send(type_id::WINDOW_ACK_SIZE, &1_u32.to_be_bytes()).unwrap();
    assert_eq!(peer.answers().len(), 1);
    peer.send(VIDEO, &payload(1000)).unwrap();
    assert_eq!(peer.answers().len(), 1);
    peer.send(type_id::WINDOW_ACK_SIZE, &[0xff; 4]).unwrap();
    peer.send(VIDEO, &payload(1000)).unwrap();
    let answers: Vec<RawMessage> = peer.answers();
    assert!(answers.is_empty(), "{answers:?}");
}
