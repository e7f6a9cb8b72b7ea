//! Our client: against our own server in memory, and against a server written out by hand.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test binary")]

use amf0::Value;
use bytes::Bytes;
use hex_literal::hex;
use rtmp::{
    ChunkReader, ChunkWriter, Client, ClientEvent, Connection, Error, Event, Limits, MediaKind,
    Message, PublishStart, PublishUrl, RawMessage, Refusal, StreamKey, StreamName, Transport,
    ViewersOffer, ViewersPort, type_id,
};

fn client(url: &str) -> Client {
    Client::new(PublishUrl::parse(url).unwrap(), Limits::default()).unwrap()
}

fn message(kind: MediaKind, timestamp_ms: u32, payload: &[u8]) -> Message {
    Message { kind, timestamp_ms, payload: Bytes::copy_from_slice(payload) }
}

/// The two sides of a wire that carries pieces of `step` bytes.
struct Wire {
    client: Client,
    server: Connection,
    step: usize,
    client_said: Vec<ClientEvent>,
    server_said: Vec<Event>,
}

impl Wire {
    fn new(url: &str, step: usize) -> Self {
        let (client, server) = (client(url), Connection::server(Limits::default()));
        let mut wire =
            Self { client, server, step, client_said: Vec::new(), server_said: Vec::new() };
        wire.run();
        wire
    }

    fn publishing(url: &str) -> Self {
        let mut wire = Self::new(url, 4096);
        wire.server.accept_publish();
        wire.run();
        assert_eq!(wire.client_said, [ClientEvent::Publishing]);
        wire.server_said.clear();
        wire
    }

    /// Until nobody has anything to say.
    fn run(&mut self) {
        loop {
            let to_server: Vec<u8> =
                std::iter::from_fn(|| self.client.poll_transmit()).flatten().collect();
            let to_client: Vec<u8> =
                std::iter::from_fn(|| self.server.poll_transmit()).flatten().collect();
            if to_server.is_empty() && to_client.is_empty() {
                return;
            }
            to_server.chunks(self.step).for_each(|piece| self.server.handle_input(piece).unwrap());
            to_client.chunks(self.step).for_each(|piece| self.client.handle_input(piece).unwrap());
            self.client_said.extend(std::iter::from_fn(|| self.client.poll_event()));
            self.server_said.extend(std::iter::from_fn(|| self.server.poll_event()));
        }
    }

    fn refusal(mut self, refusal: Refusal) -> String {
        self.server.reject_publish(refusal);
        self.run();
        assert!(self.client.is_closed() && !self.client.is_publishing());
        match self.client_said.as_slice() {
            [.., ClientEvent::Refused(reason)] => reason.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn it_asks_our_server_for_the_name_and_key_of_the_url() {
    for step in [1, 7, 100_000] {
        for (url, name, key) in [
            ("rtmp://h/foo", "foo", None),
            ("rtmp://h/live/foo", "foo", None),
            ("rtmp://h/foo/secret", "foo", Some("secret")),
            ("rtmp://h/live/foo/secret", "foo", Some("secret")),
            ("rtmp://h/live/foo?key=secret", "foo", Some("secret")),
        ] {
            let mut wire = Wire::new(url, step);
            let [Event::PublishRequested(request)] = &wire.server_said[..] else {
                panic!("{:?}", wire.server_said)
            };
            assert_eq!(request.name.as_ref().unwrap().as_str(), name, "{url}");
            assert_eq!(request.key, key.map(StreamKey::new), "{url}");
            assert!(!wire.client.is_publishing() && wire.client_said.is_empty());
            wire.server.accept_publish();
            wire.run();
            assert!(wire.client.is_publishing());
            assert_eq!(wire.client_said, [ClientEvent::Publishing]);
        }
    }
}

#[test]
fn media_arrives_as_it_was_sent() {
    let mut wire = Wire::publishing("rtmp://h/foo");
    let large: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
    let sent = [
        message(MediaKind::Script, 0, b"\x02\0\x0d@setDataFrame"),
        message(MediaKind::Video, 0, &[0x17, 0, 0, 0, 0, 1]),
        message(MediaKind::Video, 0x00ff_fffe, &large),
        message(MediaKind::Audio, 0x00ff_ffff, &[0xaf, 1, 0x21]),
        message(MediaKind::Video, 0xffff_ffff, &large[..70_000]),
        message(MediaKind::Audio, 3, &[0xaf, 1]),
    ];
    for message in &sent {
        wire.client.send(message.clone()).unwrap();
    }
    wire.run();
    assert_eq!(wire.server_said, sent.map(Event::Media));
}

#[test]
fn media_before_the_yes_and_after_the_end_is_not_sent() {
    let mut wire = Wire::new("rtmp://h/foo", 4096);
    wire.client.send(message(MediaKind::Audio, 0, &[0xaf, 1])).unwrap();
    assert_eq!(wire.client.poll_transmit(), None);
    let mut wire = Wire::publishing("rtmp://h/foo");
    wire.client.unpublish().unwrap();
    wire.client.send(message(MediaKind::Audio, 0, &[0xaf, 1])).unwrap();
    wire.run();
    assert_eq!(wire.server_said, [Event::Unpublish]);
}

#[test]
fn the_end_is_said_once_and_only_where_there_was_a_beginning() {
    let mut wire = Wire::publishing("rtmp://h/foo");
    wire.client.unpublish().unwrap();
    assert!(wire.client.is_closed() && !wire.client.is_publishing());
    wire.client.unpublish().unwrap();
    wire.run();
    assert_eq!(wire.server_said, [Event::Unpublish]);

    let mut early = client("rtmp://h/foo");
    let hello = early.poll_transmit().unwrap();
    assert_eq!(hello.len(), 1537);
    early.unpublish().unwrap();
    assert_eq!(early.poll_transmit(), None);
}

#[test]
fn refusals_come_out_in_our_servers_words() {
    for refusal in [Refusal::NameInUse, Refusal::Unauthorized, Refusal::TooManyStreams] {
        let said = Wire::new("rtmp://h/foo/secret", 4096).refusal(refusal);
        assert_eq!(said, format!("{} ({})", refusal.description(), refusal.code()));
    }
    let taken_over = Wire::publishing("rtmp://h/foo").refusal(Refusal::NameInUse);
    assert!(taken_over.contains("already live"), "{taken_over}");
}

/// A server of which every byte is written here.
struct ByHand {
    client: Client,
    reader: ChunkReader,
    writer: ChunkWriter,
}

impl ByHand {
    /// Simple handshake (section 5.2.4) done, connect received.
    fn new(url: &str) -> Self {
        let mut client = client(url);
        let hello = client.poll_transmit().unwrap();
        assert_eq!(hello[0], 3);
        let s1: Vec<u8> = (0..1536_u32).map(|i| (i * 7 % 256) as u8).collect();
        client.handle_input(&[&[3], &s1[..], &hello[1..]].concat()).unwrap();
        let answer: Vec<u8> = std::iter::from_fn(|| client.poll_transmit()).flatten().collect();
        assert_eq!(answer[..1536], s1, "C2 echoes S1");
        let wide = Limits { bytes_before_publish: 1 << 20, ..Limits::default() };
        let mut hand =
            Self { client, reader: ChunkReader::new(&wide, 0), writer: ChunkWriter::new() };
        let said = hand.messages(&answer[1536..]);
        assert_eq!(said.len(), 1);
        let values = amf0::decode_all(&said[0].payload, &amf0::Limits::default()).unwrap();
        assert_eq!(values[..2], [Value::from("connect"), Value::from(1.0)]);
        hand
    }

    fn messages(&mut self, mut bytes: &[u8]) -> Vec<RawMessage> {
        std::iter::from_fn(|| self.reader.read(&mut bytes).unwrap()).collect()
    }

    fn say(&mut self, type_id: u8, payload: &[u8]) -> Result<(), Error> {
        let payload = Bytes::copy_from_slice(payload);
        let message =
            RawMessage { csid: 3, timestamp_ms: 0, type_id, message_stream_id: 0, payload };
        let mut bytes = Vec::new();
        self.writer.write(&message, &mut bytes).unwrap();
        self.client.handle_input(&bytes)
    }

    fn command(&mut self, values: &[Value]) {
        let mut payload = Vec::new();
        values.iter().for_each(|value| amf0::encode(value, &mut payload));
        self.say(type_id::COMMAND_AMF0, &payload).unwrap();
    }

    fn answer(&mut self, name: &str, id: f64, result: Value) {
        self.command(&[Value::from(name), Value::from(id), Value::Null, result]);
    }

    /// What the client said since: message stream, then the values of commands or the bytes of
    /// others.
    fn heard(&mut self) -> Vec<String> {
        let bytes: Vec<u8> = std::iter::from_fn(|| self.client.poll_transmit()).flatten().collect();
        let described = |message: RawMessage| match message.type_id {
            type_id::COMMAND_AMF0 => {
                let values = amf0::decode_all(&message.payload, &amf0::Limits::default()).unwrap();
                let values: Vec<_> = values.iter().map(plain).collect();
                format!("{} {}", message.message_stream_id, values.join(" "))
            }
            other => format!("type {other} {:02x?}", &message.payload[..]),
        };
        self.messages(&bytes).into_iter().map(described).collect()
    }

    fn requesting(url: &str) -> Self {
        let mut hand = Self::new(url);
        hand.answer("_result", 1.0, info("status", "NetConnection.Connect.Success", ""));
        hand.answer("_result", 4.0, Value::from(1.0));
        hand.heard();
        hand
    }

    fn event(&mut self) -> Option<ClientEvent> {
        self.client.poll_event()
    }

    fn refusal(&mut self) -> String {
        match self.event() {
            Some(ClientEvent::Refused(reason)) => reason.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Number(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn info(level: &str, code: &str, description: &str) -> Value {
    let properties = [("level", level), ("code", code), ("description", description)];
    Value::Object(properties.map(|(name, value)| (name.to_owned(), Value::from(value))).to_vec())
}

#[test]
fn section_7_2_1_1_connect_says_what_ffmpeg_says() {
    let mut client = client("rtmp://[::1]:1936/live/foo?key=secret");
    let mut server = rml_rtmp::handshake::Handshake::new(rml_rtmp::handshake::PeerType::Server);
    let rml_rtmp::handshake::HandshakeProcessResult::InProgress { response_bytes } =
        server.process_bytes(&client.poll_transmit().unwrap()).unwrap()
    else {
        panic!("C2 is missing")
    };
    client.handle_input(&response_bytes).unwrap();
    let said: Vec<u8> = std::iter::from_fn(|| client.poll_transmit()).flatten().collect();
    assert_eq!(
        said[1536..][..16],
        hex!("02 000000 000004 01 00000000 00010000"),
        "SetChunkSize 65 536"
    );
    let values = amf0::decode_all(&said[1536 + 16 + 12..], &amf0::Limits::default()).unwrap();
    let [name, id, object] = &values[..] else { panic!("{values:?}") };
    assert_eq!((name.as_str(), id.as_number()), (Some("connect"), Some(1.0)));
    let Value::Object(properties) = object else { panic!("{object:?}") };
    let properties: Vec<_> =
        properties.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let version = concat!("FMLE/3.0 (compatible; feathercast/", env!("CARGO_PKG_VERSION"), ")");
    assert_eq!(
        properties,
        [
            ("app", "live"),
            ("type", "nonprivate"),
            ("flashVer", version),
            ("tcUrl", "rtmp://[::1]:1936/live")
        ]
    );
}

#[test]
fn section_7_2_the_way_to_publish_in_ffmpegs_order() {
    let mut hand = ByHand::new("rtmp://h/live/foo?a=b");
    hand.say(type_id::WINDOW_ACK_SIZE, &hex!("002625a0")).unwrap();
    hand.say(type_id::SET_PEER_BANDWIDTH, &hex!("002625a0 02")).unwrap();
    assert_eq!(hand.heard(), ["type 5 [00, 26, 25, a0]"], "section 5.4.5");
    hand.answer("_result", 1.0, info("status", "NetConnection.Connect.Success", ""));
    let expected = [
        r#"0 "releaseStream" 2 Null "foo?a=b""#,
        r#"0 "FCPublish" 3 Null "foo?a=b""#,
        r#"0 "createStream" 4 Null"#,
    ];
    assert_eq!(hand.heard(), expected);
    hand.answer("onBWDone", 0.0, Value::from(8192.0));
    hand.answer("_result", 2.0, Value::Undefined);
    hand.answer("_error", 3.0, info("error", "NetConnection.Call.Failed", "no FCPublish here"));
    assert!(hand.heard().is_empty() && hand.event().is_none());
    hand.answer("_result", 4.0, Value::from(7.0));
    assert_eq!(hand.heard(), [r#"7 "publish" 5 Null "foo?a=b" "live""#]);
    hand.answer("onFCPublish", 0.0, info("status", "NetStream.Publish.Start", "FCPublish"));
    assert_eq!(hand.event(), None, "onStatus is what counts");
    hand.answer("onStatus", 0.0, info("status", "NetStream.Publish.Start", "go"));
    assert_eq!(hand.event(), Some(ClientEvent::Publishing));
    hand.client.unpublish().unwrap();
    let expected = [r#"0 "FCUnpublish" 6 Null "foo?a=b""#, r#"0 "deleteStream" 7 Null 7"#];
    assert_eq!(hand.heard(), expected);
}

#[test]
fn a_result_with_transaction_zero_is_taken_for_the_call_that_waits() {
    let mut hand = ByHand::new("rtmp://h/live/foo");
    hand.answer("_result", 0.0, info("status", "NetConnection.Connect.Success", ""));
    assert_eq!(hand.heard().len(), 3);
    hand.answer("_result", 0.0, Value::Null); // releaseStream's
    assert!(hand.heard().is_empty());
    hand.answer("_result", 0.0, Value::from(1.0));
    assert_eq!(hand.heard(), [r#"1 "publish" 5 Null "foo" "live""#]);
}

#[test]
fn refusals_of_connect_create_stream_and_publish() {
    let mut hand = ByHand::new("rtmp://h/live/foo");
    hand.answer("_error", 1.0, info("error", "NetConnection.Connect.Rejected", "no such app"));
    assert_eq!(hand.refusal(), "no such app (NetConnection.Connect.Rejected)");
    assert!(hand.client.is_closed());
    hand.answer("_error", 1.0, Value::from("again"));
    assert_eq!(hand.event(), None, "once");

    let mut hand = ByHand::new("rtmp://h/live/foo");
    hand.answer("_result", 1.0, Value::Null);
    hand.answer("_error", 4.0, Value::Null);
    assert_eq!(hand.refusal(), "no reason given");

    let mut hand = ByHand::requesting("rtmp://h/live/foo");
    hand.answer("_error", 5.0, Value::from("bad key"));
    assert_eq!(hand.refusal(), "bad key");

    let mut hand = ByHand::requesting("rtmp://h/live/foo");
    hand.answer("onStatus", 0.0, info("error", "NetStream.Publish.BadName", "Already publishing"));
    assert_eq!(hand.refusal(), "Already publishing (NetStream.Publish.BadName)");

    let mut hand = ByHand::new("rtmp://h/live/foo");
    hand.command(&[
        Value::from("_error"),
        Value::from(1.0),
        info("error", "NetConnection.Connect.Rejected", "said in the command object"),
    ]);
    assert!(hand.refusal().starts_with("said in the command object"));
}

#[test]
fn section_7_1_7_pings_are_answered_and_section_5_4_3_bytes_acknowledged() {
    let mut hand = ByHand::requesting("rtmp://h/live/foo");
    hand.say(type_id::USER_CONTROL, &hex!("0006 0000002a")).unwrap();
    assert_eq!(hand.heard(), ["type 4 [00, 07, 00, 00, 00, 2a]"]);
    hand.say(type_id::WINDOW_ACK_SIZE, &hex!("00000400")).unwrap();
    hand.heard();
    hand.say(type_id::AUDIO, &[0; 1000]).unwrap();
    hand.say(type_id::AUDIO, &[0; 100]).unwrap();
    let heard = hand.heard();
    assert!(heard.len() == 1 && heard[0].starts_with("type 3 "), "{heard:?}");
}

#[test]
fn a_server_that_asks_without_end_is_cut_off() {
    let mut hand = ByHand::requesting("rtmp://h/live/foo");
    let ping = hex!("02 000000 000006 04 00000000 0006 00000000");
    let error = hand.client.handle_input(&ping.repeat(10_000)).unwrap_err();
    assert!(matches!(error, Error::TooManyAnswers { .. }), "{error}");
    assert!(hand.client.is_closed());
}

#[test]
fn another_protocol_is_named_at_its_first_byte() {
    let mut client = client("rtmp://h/live/foo");
    let error = client.handle_input(b"HTTP/1.1 400 Bad Request\r\n").unwrap_err();
    assert!(matches!(error, Error::Version { actual: 0x48 }), "{error}");
}

#[test]
fn a_server_of_ours_says_what_the_stream_is_called_and_where_it_is_watched() {
    let mut wire = Wire::new("rtmp://h/", 7);
    let viewers = ViewersPort { transport: Transport::Tcp, port: 8935, offer: ViewersOffer::Page };
    let start =
        PublishStart { name: StreamName::parse("0a1b2c3d").unwrap(), viewers: Some(viewers) };
    wire.server.accept_publish_and_tell(&start);
    wire.run();
    assert_eq!(wire.client_said, [ClientEvent::Publishing]);
    assert_eq!(wire.client.publish_start(), Some(&start));
    assert_eq!(Wire::publishing("rtmp://h/x").client.publish_start(), None);
}
