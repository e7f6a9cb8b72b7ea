//! rml_rtmp's client, which shares no code with our chunks, AMF0 and session, publishes to our
//! server.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test binary")]

use bytes::Bytes;
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::sessions::{
    ClientSession, ClientSessionConfig, ClientSessionEvent, ClientSessionResult,
    PublishRequestType, StreamMetadata,
};
use rml_rtmp::time::RtmpTimestamp;
use rtmp::{Connection, Event, Limits, MediaKind, Message, Refusal, StreamKey};

struct Wire {
    server: Connection,
    client: ClientSession,
    seen: Vec<ClientSessionEvent>,
    acknowledged: Vec<u32>,
}

impl Wire {
    fn new(chunk_size: u32) -> Self {
        let mut server = Connection::server(Limits::default());
        shake_hands(&mut server);
        let mut config = ClientSessionConfig::new();
        config.chunk_size = chunk_size;
        config.window_ack_size = 1000;
        let (client, results) = ClientSession::new(config).unwrap();
        let mut wire = Self { server, client, seen: Vec::new(), acknowledged: Vec::new() };
        wire.run(results);
        wire
    }

    fn connected(chunk_size: u32) -> Self {
        let mut wire = Self::new(chunk_size);
        let result = wire.client.request_connection("live".to_owned()).unwrap();
        wire.run(vec![result]);
        assert_eq!(wire.seen, [ClientSessionEvent::ConnectionRequestAccepted]);
        wire
    }

    fn publishing(chunk_size: u32) -> Self {
        let mut wire = Self::connected(chunk_size);
        let kind = PublishRequestType::Live;
        let result = wire.client.request_publishing("foo?key=secret".to_owned(), kind).unwrap();
        wire.run(vec![result]);
        wire.expect_request();
        wire.server.accept_publish();
        wire.run(Vec::new());
        assert_eq!(wire.seen[1..], [ClientSessionEvent::PublishRequestAccepted]);
        wire
    }

    fn expect_request(&mut self) {
        let Some(Event::PublishRequested(request)) = self.server.poll_event() else {
            panic!("no request")
        };
        assert_eq!(request.name.unwrap().to_string(), "foo");
        assert_eq!(request.key, Some(StreamKey::new("secret")));
    }

    /// Carries bytes to and fro until both are silent.
    fn run(&mut self, results: Vec<ClientSessionResult>) {
        let mut results = results;
        loop {
            for result in results.drain(..) {
                match result {
                    ClientSessionResult::OutboundResponse(packet) => {
                        self.server.handle_input(&packet.bytes).unwrap()
                    }
                    ClientSessionResult::RaisedEvent(
                        ClientSessionEvent::AcknowledgementReceived { bytes_received },
                    ) => {
                        self.acknowledged.push(bytes_received);
                    }
                    ClientSessionResult::RaisedEvent(event) => self.seen.push(event),
                    // SetPeerBandwidth and StreamBegin: it decodes them and has no use for them
                    ClientSessionResult::UnhandleableMessageReceived(message) => {
                        assert!(matches!(message.type_id, 4 | 6), "{message:?}");
                    }
                }
            }
            let Some(bytes) = self.server.poll_transmit() else { return };
            results = self.client.handle_input(&bytes).unwrap();
        }
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.server.poll_event()).collect()
    }
}

fn shake_hands(server: &mut Connection) {
    let mut client = Handshake::new(PeerType::Client);
    server.handle_input(&client.generate_outbound_p0_and_p1().unwrap()).unwrap();
    let answer = server.poll_transmit().unwrap();
    let Ok(HandshakeProcessResult::Completed { response_bytes, remaining_bytes }) =
        client.process_bytes(&answer)
    else {
        panic!("the client does not take S0, S1, S2");
    };
    assert!(remaining_bytes.is_empty());
    server.handle_input(&response_bytes).unwrap();
}

fn message(kind: MediaKind, timestamp_ms: u32, payload: &Bytes) -> Event {
    Event::Media(Message { kind, timestamp_ms, payload: payload.clone() })
}

#[test]
fn audio_and_video_of_all_sizes_and_times_arrive() {
    for chunk_size in [128, 1000, 4096, 65_536] {
        let mut wire = Wire::publishing(chunk_size);
        let mut expected = Vec::new();
        let times =
            [0, 0, 20, 40, 60, 1000, 16_777_213, 16_777_214, 16_777_215, 16_777_300, 4_000_000_000];
        for (index, time) in times.into_iter().enumerate() {
            for can_be_dropped in [false, true] {
                let video = Bytes::from(vec![0x17; 1 + 30_000 * index]);
                let audio = Bytes::from(vec![0xaf; 300]);
                let at = RtmpTimestamp::new(time);
                expected.push(message(MediaKind::Video, time, &video));
                expected.push(message(MediaKind::Audio, time, &audio));
                let results = vec![
                    wire.client.publish_video_data(video, at, can_be_dropped).unwrap(),
                    wire.client.publish_audio_data(audio, at, can_be_dropped).unwrap(),
                ];
                wire.run(results);
            }
        }
        assert!(wire.events() == expected, "chunk size {chunk_size}");
        assert!(
            wire.acknowledged.len() > 20 && wire.acknowledged.is_sorted(),
            "{:?}",
            wire.acknowledged
        );
    }
}

#[test]
fn metadata_arrives_as_script_data() {
    let mut wire = Wire::publishing(4096);
    let mut metadata = StreamMetadata::new();
    metadata.video_width = Some(640);
    metadata.encoder = Some("rml".to_owned());
    let result = wire.client.publish_metadata(&metadata).unwrap();
    wire.run(vec![result]);
    let events = wire.events();
    let [Event::Media(Message { kind: MediaKind::Script, payload, .. })] = &events[..] else {
        panic!("{events:?}")
    };
    let values = amf0::decode_all(payload, &amf0::Limits::default()).unwrap();
    assert_eq!(values[0].as_str(), Some("@setDataFrame"));
    assert_eq!(values[1].as_str(), Some("onMetaData"));
    assert_eq!(values[2].property("width").and_then(amf0::Value::as_number), Some(640.0));
    assert_eq!(values[2].property("encoder").and_then(amf0::Value::as_str), Some("rml"));
}

#[test]
fn pings_are_answered() {
    let mut wire = Wire::publishing(128);
    let (packet, timestamp) = wire.client.send_ping_request().unwrap();
    wire.run(vec![ClientSessionResult::OutboundResponse(packet)]);
    assert!(wire.seen.contains(&ClientSessionEvent::PingResponseReceived { timestamp }));
}

#[test]
fn stopping_is_one_unpublish() {
    let mut wire = Wire::publishing(4096);
    let results = wire.client.stop_publishing().unwrap();
    wire.run(results);
    assert_eq!(wire.events(), [Event::Unpublish]);
}

#[test]
fn a_refusal_reaches_the_client() {
    let mut wire = Wire::connected(4096);
    let kind = PublishRequestType::Live;
    let result = wire.client.request_publishing("foo?key=secret".to_owned(), kind).unwrap();
    wire.run(vec![result]);
    wire.expect_request();
    wire.server.reject_publish(Refusal::Unauthorized);
    wire.run(Vec::new());
    let code = "NetStream.Publish.Unauthorized".to_owned();
    assert!(
        wire.seen.contains(&ClientSessionEvent::UnhandleableOnStatusCode { code }),
        "{:?}",
        wire.seen
    );
}

#[test]
fn who_wants_to_play_is_told_that_it_fails() {
    let mut wire = Wire::connected(4096);
    let result = wire.client.request_playback("foo".to_owned()).unwrap();
    wire.run(vec![result]);
    let code = "NetStream.Play.Failed".to_owned();
    assert!(
        wire.seen.contains(&ClientSessionEvent::UnhandleableOnStatusCode { code }),
        "{:?}",
        wire.seen
    );
}
