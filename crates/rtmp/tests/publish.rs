//! A publisher's session through the public interface, message by message (RTMP section 7).
#![allow(missing_docs, clippy::unwrap_used, reason = "a test binary")]

mod support;

use amf0::Value;
use bytes::Bytes;
use hex_literal::hex;
use rtmp::{Connection, Error, Event, Limits, MediaKind, Message, Refusal, StreamKey, type_id};
use support::{Peer, encoded};

fn media(kind: MediaKind, payload: &[u8]) -> Event {
    Event::Media(Message { kind, timestamp_ms: 7, payload: Bytes::copy_from_slice(payload) })
}

#[test]
fn section_7_2_1_1_connect_is_answered_in_flash_media_servers_order() {
    let mut peer = Peer::new(Limits::default());
    let object = Value::Object(vec![
        ("app".to_owned(), Value::from("live")),
        ("objectEncoding".to_owned(), Value::from(3.0)),
        (
            "fourCcList".to_owned(),
            Value::StrictArray(vec![Value::from("av01"), Value::from("hvc1")]),
        ),
    ]);
    peer.command(0, &[Value::from("connect"), Value::from(1.0), object]).unwrap();
    let bytes = peer.connection.poll_transmit().unwrap();
    let controls = hex!(
        "02 000000 000004 05 00000000 002625a0"
        "02 000000 000005 06 00000000 002625a0 02"
        "02 000000 000004 01 00000000 00010000"
        "03 000000"
    );
    assert_eq!(bytes[..controls.len()], controls);
    let values = amf0::decode_all(&bytes[controls.len() + 8..], &amf0::Limits::default()).unwrap();
    assert_eq!(values[..2], [Value::from("_result"), Value::from(1.0)]);
    assert_eq!(values[3].property("code"), Some(&Value::from("NetConnection.Connect.Success")));
    assert_eq!(values[3].property("objectEncoding"), Some(&Value::from(0.0)));
    let taken = Value::StrictArray(["avc1", "mp4a", ".mp3"].map(Value::from).to_vec());
    assert_eq!(values[2].property("fourCcList"), Some(&taken));
    let can = |map, codec| values[2].property(map).and_then(|map| map.property(codec));
    assert_eq!(can("videoFourCcInfoMap", "avc1"), Some(&Value::from(5.0)));
    assert_eq!(can("audioFourCcInfoMap", "mp4a"), Some(&Value::from(5.0)));
    assert_eq!(can("audioFourCcInfoMap", ".mp3"), Some(&Value::from(5.0)));
}

#[test]
fn who_does_not_ask_about_enhanced_rtmp_is_told_nothing_of_it() {
    let mut peer = Peer::new(Limits::default());
    let object = Value::Object(vec![("app".to_owned(), Value::from("live"))]);
    peer.command(0, &[Value::from("connect"), Value::from(1.0), object]).unwrap();
    let answers = peer.answers();
    let result =
        amf0::decode_all(&answers.last().unwrap().payload, &amf0::Limits::default()).unwrap();
    let names: Vec<_> = result[2].properties().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["fmsVer", "capabilities"]);
}

#[test]
fn ffmpegs_and_obs_order_of_commands_leads_to_publish_start() {
    let mut peer = Peer::connected("live");
    peer.call(0, "releaseStream", 2.0, Value::from("foo")).unwrap();
    peer.call(0, "FCPublish", 3.0, Value::from("foo")).unwrap();
    peer.command(0, &[Value::from("createStream"), Value::from(4.0), Value::Null]).unwrap();
    let expected = ["0 _result 2 Undefined", "0 _result 3 Undefined", "0 _result 4 Number(1.0)"];
    assert_eq!(peer.commands(), expected);
    assert!(peer.events().is_empty());

    peer.call(1, "publish", 5.0, Value::from("foo?key=secret")).unwrap();
    assert!(peer.commands().is_empty(), "nothing is said before the application decides");
    let events = peer.events();
    let [Event::PublishRequested(request)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(request.name.as_ref().unwrap().as_str(), "foo");
    assert_eq!(request.key, Some(StreamKey::new("secret")));

    peer.connection.accept_publish();
    let answers = peer.answers();
    assert_eq!(answers[0].type_id, type_id::USER_CONTROL);
    assert_eq!(answers[0].payload[..], hex!("0000 00000001"), "StreamBegin of stream 1");
    assert_eq!(answers.len(), 3);
}

#[test]
fn publish_start_comes_on_the_publishing_stream_and_on_fc_publish_to_who_asked() {
    let mut peer = Peer::asking("live", "foo");
    peer.connection.accept_publish();
    assert_eq!(peer.commands(), ["1 onStatus 0 status NetStream.Publish.Start"]);

    let mut peer = Peer::connected("live");
    peer.call(0, "FCPublish", 0.0, Value::from("foo")).unwrap();
    peer.call(1, "publish", 0.0, Value::from("foo")).unwrap();
    peer.connection.accept_publish();
    let expected = [
        "1 onFCPublish 0 status NetStream.Publish.Start",
        "1 onStatus 0 status NetStream.Publish.Start",
    ];
    assert_eq!(peer.commands(), expected);
}

#[test]
fn haivision_publishes_without_create_stream() {
    let mut peer = Peer::connected("foo");
    peer.call(0, "FCPublish", 2.0, Value::from("foo")).unwrap();
    peer.call(0, "publish", 3.0, Value::from("")).unwrap();
    peer.connection.accept_publish();
    peer.answers();
    peer.events();
    let video = peer.chunks(6, type_id::VIDEO, 0, &[0x17, 1]);
    peer.connection.handle_input(&video).unwrap();
    assert_eq!(peer.events(), [media(MediaKind::Video, &[0x17, 1])]);
}

#[test]
fn a_url_that_names_nothing_leaves_the_name_to_the_application() {
    for argument in [Value::from(""), Value::Null, Value::Undefined, Value::from(3.0)] {
        let mut peer = Peer::connected("");
        peer.call(1, "publish", 2.0, argument).unwrap();
        let events = peer.events();
        assert!(
            matches!(&events[..], [Event::PublishRequested(request)] if request.name.is_none()),
            "{events:?}"
        );
    }
}

#[test]
fn audio_video_and_script_data_come_out_untouched() {
    let mut peer = Peer::publishing();
    let script = encoded(&[
        Value::from("@setDataFrame"),
        Value::from("onMetaData"),
        Value::EcmaArray(Vec::new()),
    ]);
    peer.send(type_id::DATA_AMF0, &script).unwrap();
    peer.send(type_id::VIDEO, &[0x17, 0, 0, 0, 0]).unwrap();
    peer.send(type_id::AUDIO, &[0xaf, 0, 0x12, 0x10]).unwrap();
    let expected = [
        media(MediaKind::Script, &script),
        media(MediaKind::Video, &[0x17, 0, 0, 0, 0]),
        media(MediaKind::Audio, &[0xaf, 0, 0x12, 0x10]),
    ];
    assert_eq!(peer.events(), expected);
}

#[test]
fn amf3_typed_messages_hold_amf0_behind_a_zero_byte() {
    let mut peer = Peer::connected("live");
    let publish =
        encoded(&[Value::from("publish"), Value::from(2.0), Value::Null, Value::from("foo")]);
    peer.send(type_id::COMMAND_AMF3, &[&[0], &publish[..]].concat()).unwrap();
    assert!(matches!(peer.events()[..], [Event::PublishRequested(_)]));
    peer.connection.accept_publish();
    let script = encoded(&[Value::from("@setDataFrame"), Value::from("onMetaData")]);
    peer.send(type_id::DATA_AMF3, &[&[0], &script[..]].concat()).unwrap();
    peer.send(type_id::DATA_AMF3, &script).unwrap();
    assert_eq!(peer.events(), vec![media(MediaKind::Script, &script); 2]);
}

#[test]
fn section_7_1_6_aggregates_come_out_as_their_tags() {
    let mut peer = Peer::publishing();
    let tags = hex!(
        "09 000002 000064 00 000000 2701 0000000d"
        "08 000000 000070 00 000000 0000000b"
        "08 000001 000078 00 000000 af 0000000c"
        "16 000001 000078 00 000000 ff 0000000c"
    );
    peer.send(type_id::AGGREGATE, &tags).unwrap();
    let Event::Media(audio) = media(MediaKind::Audio, &[0xaf]) else { unreachable!() };
    let expected = [
        media(MediaKind::Video, &[0x27, 1]),
        Event::Media(Message { timestamp_ms: 7 + 20, ..audio }),
    ];
    assert_eq!(peer.events(), expected, "empty tags and tags of other kinds are left out");
}

#[test]
fn unknown_commands_and_messages_are_skipped() {
    let mut peer = Peer::publishing();
    for name in ["onFI", "FCSubscribe", "getMovLen", "", "\u{1f3a5}"] {
        peer.call(0, name, 9.0, Value::Null).unwrap();
    }
    peer.send(type_id::COMMAND_AMF0, &hex!("05")).unwrap();
    peer.send(type_id::COMMAND_AMF0, &hex!("11 0a 0b")).unwrap();
    for type_id in [0, 3, 6, 7, 10, 16, 19, 21, 23, 255] {
        peer.send(type_id, &[1, 2, 3]).unwrap();
    }
    for payload in [
        &hex!("001f 00000000")[..],
        &hex!("0020 00000000"),
        &hex!("0003 00000001 00000bb8"),
        &hex!("00"),
        &[],
    ] {
        peer.send(type_id::USER_CONTROL, payload).unwrap();
    }
    peer.send(type_id::AUDIO, &[]).unwrap();
    peer.send(type_id::VIDEO, &[]).unwrap();
    peer.send(type_id::AGGREGATE, &[]).unwrap();
    peer.send(type_id::WINDOW_ACK_SIZE, &[0]).unwrap();
    assert!(peer.events().is_empty());
    assert!(peer.answers().is_empty());
    peer.send(type_id::VIDEO, &[0x17]).unwrap();
    assert_eq!(peer.events().len(), 1, "and the stream goes on");
}

#[test]
fn harmless_calls_get_a_result() {
    let mut peer = Peer::connected("live");
    peer.command(0, &[Value::from("_checkbw"), Value::from(6.0), Value::Null]).unwrap();
    peer.call(0, "getStreamLength", 7.0, Value::from("foo")).unwrap();
    assert_eq!(peer.commands(), ["0 _result 6 Undefined", "0 _result 7 Number(0.0)"]);
}

#[test]
fn play_fails_visibly() {
    let mut peer = Peer::connected("live");
    peer.call(1, "play", 0.0, Value::from("foo")).unwrap();
    assert_eq!(peer.commands(), ["1 onStatus 0 error NetStream.Play.Failed"]);
    assert!(!peer.connection.is_closed());
}

#[test]
fn section_7_1_7_a_ping_is_answered_with_its_timestamp() {
    let mut peer = Peer::connected("live");
    peer.send(type_id::USER_CONTROL, &hex!("0006 01020304")).unwrap();
    assert_eq!(peer.answers()[0].payload[..], hex!("0007 01020304"));
}

#[test]
fn a_refused_publisher_is_told_why_before_the_close() {
    let cases = [
        (Refusal::NameInUse, "NetStream.Publish.BadName"),
        (Refusal::Unauthorized, "NetStream.Publish.Unauthorized"),
        (Refusal::TooManyStreams, "NetStream.Publish.Denied"),
        (Refusal::Banned, "NetStream.Publish.Denied"),
        (Refusal::Undecided, "NetStream.Publish.Failed"),
        (Refusal::VideoCodec, "NetStream.Publish.Rejected"),
        (Refusal::ShortSegments, "NetStream.Publish.Rejected"),
        (Refusal::ShuttingDown, "NetStream.Publish.Failed"),
    ];
    for (refusal, code) in cases {
        let mut peer = Peer::asking("live", "foo");
        peer.connection.reject_publish(refusal);
        assert_eq!(
            peer.commands(),
            [format!("1 onStatus 0 error {code}"), format!("1 _error 5 error {code}")]
        );
        assert!(peer.connection.is_closed());
        peer.send(type_id::VIDEO, &[0x17]).unwrap();
        peer.connection.accept_publish();
        peer.connection.reject_publish(refusal);
        assert!(peer.answers().is_empty(), "a closed connection is silent");
        assert!(matches!(peer.events()[..], [Event::PublishRequested(_)]));
    }
}

#[test]
fn a_publisher_that_is_live_can_be_thrown_out() {
    let mut peer = Peer::publishing();
    peer.connection.reject_publish(Refusal::ShuttingDown);
    assert_eq!(peer.commands(), ["1 onStatus 0 error NetStream.Publish.Failed"]);
    assert!(peer.connection.is_closed());
}

#[test]
fn who_is_thrown_out_during_the_handshake_hears_no_chunks() {
    let mut connection = Connection::server(Limits::default());
    connection.handle_input(&[3]).unwrap();
    connection.reject_publish(Refusal::ShuttingDown);
    assert!(connection.is_closed());
    assert_eq!(connection.poll_transmit().unwrap().len(), 1537, "S0 and S1 only");
}

#[test]
fn bad_names_are_refused_by_the_connection_itself() {
    let long = "x".repeat(300);
    for stream in ["..", "a b", "caf\u{e9}", "current", "x.m3u8", &long] {
        let mut peer = Peer::connected("live");
        let error = peer.call(1, "publish", 5.0, Value::from(stream)).unwrap_err();
        assert!(matches!(error, Error::StreamName { .. }), "{error}");
        let expected = [
            "1 onStatus 0 error NetStream.Publish.BadName",
            "1 _error 5 error NetStream.Publish.BadName",
        ];
        assert_eq!(peer.commands(), expected);
        assert!(peer.connection.is_closed());
        assert!(peer.events().is_empty());
    }
}

#[test]
fn a_second_publish_is_refused_and_the_first_goes_on() {
    let mut peer = Peer::publishing();
    peer.call(2, "publish", 6.0, Value::from("bar")).unwrap();
    assert_eq!(peer.commands(), ["2 onStatus 0 error NetStream.Publish.BadName"]);
    peer.send(type_id::VIDEO, &[0x17]).unwrap();
    assert_eq!(peer.events(), [media(MediaKind::Video, &[0x17])]);
}

#[test]
fn unpublish_comes_exactly_once_however_it_is_said() {
    let stop = |peer: &mut Peer, how: &str| match how {
        "publish false" => peer.call(1, "publish", 0.0, Value::Boolean(false)),
        "deleteStream" => peer.call(0, how, 0.0, Value::from(1.0)),
        _ => peer.call(1, how, 0.0, Value::Null),
    };
    let ways = ["FCUnpublish", "deleteStream", "closeStream", "publish false"];
    for first in ways {
        let mut peer = Peer::publishing();
        stop(&mut peer, first).unwrap();
        for next in ways {
            stop(&mut peer, next).unwrap();
        }
        peer.send(type_id::VIDEO, &[0x17]).unwrap();
        assert_eq!(peer.events(), [Event::Unpublish], "{first}");
    }
}

#[test]
fn fc_unpublish_is_answered() {
    let mut peer = Peer::publishing();
    peer.call(0, "FCUnpublish", 6.0, Value::from("foo")).unwrap();
    let expected =
        ["0 onFCUnpublish 0 status NetStream.Unpublish.Success", "0 _result 6 Undefined"];
    assert_eq!(peer.commands(), expected);
}

#[test]
fn ending_another_stream_ends_nothing() {
    let mut peer = Peer::publishing();
    peer.call(0, "deleteStream", 0.0, Value::from(2.0)).unwrap();
    peer.call(2, "closeStream", 0.0, Value::Null).unwrap();
    peer.call(2, "publish", 0.0, Value::Boolean(false)).unwrap();
    assert!(peer.events().is_empty());
    peer.call(0, "deleteStream", 0.0, Value::Undefined).unwrap();
    assert_eq!(peer.events(), [Event::Unpublish], "an unnamed stream is the only one there is");
}

#[test]
fn media_before_publish_is_dropped() {
    let mut peer = Peer::connected("live");
    peer.send(type_id::VIDEO, &[0x17]).unwrap();
    peer.send(type_id::DATA_AMF0, &[2, 0, 0]).unwrap();
    assert!(peer.events().is_empty());
}

#[test]
fn who_does_not_wait_for_publish_start_loses_nothing() {
    let mut peer = Peer::connected("live");
    let picture = vec![0x17; 200_000]; // more than may be sent before publish is accepted
    let publish = [Value::from("publish"), Value::from(5.0), Value::Null, Value::from("foo")];
    let mut bytes = peer.command_chunks(1, &publish);
    bytes.extend(peer.chunks(6, type_id::VIDEO, 1, &picture));
    let (now, later) = bytes.split_at(bytes.len() - 50_000);
    peer.connection.handle_input(now).unwrap();
    assert!(matches!(peer.events()[..], [Event::PublishRequested(_)]));
    peer.connection.accept_publish();
    peer.connection.handle_input(later).unwrap();
    assert_eq!(peer.events(), [media(MediaKind::Video, &picture)]);
}

#[test]
fn input_behind_an_undecided_publish_is_bounded() {
    let mut peer = Peer::asking("live", "foo");
    let mut calls = 0;
    let error = loop {
        calls += 1;
        if let Err(error) = peer.connection.handle_input(&[0; 10_000]) {
            break error;
        }
    };
    assert_eq!(calls, 8);
    assert!(error.to_string().starts_with("70000 bytes of input before the decision"), "{error}");
}

#[test]
fn an_error_in_input_behind_a_publish_comes_out_at_the_next_call() {
    let mut peer = Peer::connected("live");
    let publish = [Value::from("publish"), Value::from(5.0), Value::Null, Value::from("foo")];
    let mut bytes = peer.command_chunks(1, &publish);
    bytes.push(0xff); // csid 63 was never opened
    peer.connection.handle_input(&bytes).unwrap();
    peer.connection.accept_publish();
    let error = peer.connection.handle_input(&[]).unwrap_err();
    assert!(matches!(error, Error::NoEarlierHeader { format: 3, .. }), "{error}");
    assert!(peer.connection.is_closed());
}

#[test]
fn section_5_4_3_bytes_are_acknowledged_by_running_total() {
    let mut peer = Peer::publishing();
    peer.send(type_id::WINDOW_ACK_SIZE, &1_000_u32.to_be_bytes()).unwrap();
    let acknowledged = |peer: &mut Peer| -> Vec<u32> {
        let answers = peer.answers();
        assert!(answers.iter().all(|message| message.type_id == type_id::ACKNOWLEDGEMENT));
        answers
            .iter()
            .map(|message| u32::from_be_bytes(message.payload[..].try_into().unwrap()))
            .collect()
    };
    let first = acknowledged(&mut peer)[0];
    assert!(first > 3073, "the handshake counts");
    for step in 1..=4 {
        let audio = peer.chunks(4, type_id::AUDIO, 1, &[0xaf; 580]); // 12 + 580 + 4 bytes
        assert_eq!(audio.len(), 596);
        peer.connection.handle_input(&audio).unwrap();
        let expected = if step % 2 == 0 { vec![first + step * 596] } else { Vec::new() };
        assert_eq!(acknowledged(&mut peer), expected, "step {step}");
    }
}

#[test]
fn a_peer_that_asks_without_end_is_cut_off() {
    let mut peer = Peer::publishing();
    let ping = peer.chunks(2, type_id::USER_CONTROL, 0, &hex!("0006 00000000"));
    let error = peer.connection.handle_input(&ping.repeat(10_000)).unwrap_err();
    assert!(
        matches!(error, Error::TooManyAnswers { actual: 65_538..65_560, allowed: 65_536, .. }),
        "{error}"
    );
}

#[test]
fn who_does_not_publish_may_send_128_messages_however_small() {
    let abort = hex!("02 000000 000004 02 00000000 00000006");
    let empty = hex!("03 000000 000000 63 00000000");
    for message in [&abort[..], &empty] {
        let mut peer = Peer::connected("live"); // that was one
        peer.connection.handle_input(&message.repeat(127)).unwrap();
        let error = peer.connection.handle_input(message).unwrap_err();
        assert!(matches!(error, Error::TooManyMessages { allowed: 128, .. }), "{error}");
        assert!(peer.connection.is_closed());
    }
}

#[test]
fn who_does_not_publish_may_send_64_kib() {
    let mut peer = Peer::connected("live");
    let unknown = peer.chunks(6, 99, 0, &[0; 6_000]);
    let error = loop {
        if let Err(error) = peer.connection.handle_input(&unknown) {
            break error;
        }
    };
    let Error::TooMuchInput { allowed: 65_536, at } = error else { panic!("{error}") };
    let behind_handshake = at.position - 3073;
    assert!((65_537..=65_537 + 140).contains(&behind_handshake), "{behind_handshake}");
}

#[test]
fn a_publisher_may_send_without_end_and_again_so_much_once_it_has_stopped() {
    let mut peer = Peer::publishing();
    for _ in 0..3 {
        let unknown = peer.chunks(6, 99, 0, &[0; 100]);
        peer.connection.handle_input(&unknown.repeat(10_000)).unwrap();
        peer.call(0, "FCUnpublish", 6.0, Value::Null).unwrap();
        peer.connection.handle_input(&unknown.repeat(100)).unwrap();
        peer.call(1, "publish", 7.0, Value::from("foo")).unwrap();
        peer.connection.accept_publish();
        peer.answers();
    }
    peer.call(0, "FCUnpublish", 8.0, Value::Null).unwrap();
    let empty = hex!("06 000000 000000 63 00000000");
    let error = peer.connection.handle_input(&empty.repeat(129)).unwrap_err();
    assert!(matches!(error, Error::TooManyMessages { .. }), "{error}");
}

#[test]
fn what_was_received_is_counted_by_what_it_costs() {
    let mut peer = Peer::publishing();
    let before = peer.connection.received();
    let abort = peer.chunks(2, type_id::ABORT, 0, &[0, 0, 0, 9]);
    let empty = peer.chunks(4, type_id::AUDIO, 1, &[]);
    let picture = peer.chunks(6, type_id::VIDEO, 1, &[0x17; 300]); // 3 chunks of 128 at most
    let tag = |kind: u8| [&[kind, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xaf][..], &[0, 0, 0, 12]].concat();
    let two = peer.chunks(5, type_id::AGGREGATE, 1, &[tag(8), tag(8)].concat());
    let sent = [abort, empty, picture, two].concat();
    peer.connection.handle_input(&sent).unwrap();
    let received = peer.connection.received();
    assert_eq!(received.bytes - before.bytes, sent.len() as u64);
    assert_eq!(received.chunks - before.chunks, 6);
    assert_eq!(received.media - before.media, 3);
    assert_eq!(received.media_bytes - before.media_bytes, 300 + 32);
    assert_eq!(received.others - before.others, 2);
    // A picture that takes long to come is media all the same.
    let picture = peer.chunks(6, type_id::VIDEO, 1, &[0x17; 300]);
    peer.connection.handle_input(&picture[..112]).unwrap();
    assert_eq!(peer.connection.received().media_bytes - received.media_bytes, 100);
}

#[test]
fn nested_containers_in_a_command_cost_an_error() {
    for opening in [
        &hex!("03 0001 61")[..],
        &hex!("08 00000001 0001 61"),
        &hex!("0a 00000001"),
        &hex!("10 0000 0001 61"),
    ] {
        let mut peer = Peer::new(Limits::default());
        let mut payload = encoded(&[Value::from("connect"), Value::from(1.0)]);
        payload.extend(opening.repeat(50_000 / opening.len()));
        let error = peer.send(type_id::COMMAND_AMF0, &payload).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot read the values of command connect (csid 4, byte "),
            "{error}"
        );
        assert!(matches!(
            error,
            Error::Command { source: amf0::Error::TooDeep { allowed: 16, .. }, .. }
        ));
    }
}

#[test]
fn commands_with_fewer_than_three_values_are_taken_for_what_is_there() {
    let names = [
        "connect",
        "createStream",
        "releaseStream",
        "FCPublish",
        "play",
        "deleteStream",
        "_checkbw",
        "nonsense",
    ];
    for name in names {
        let mut peer = Peer::new(Limits::default());
        peer.command(0, &[Value::from(name)]).unwrap();
        peer.command(0, &[Value::from(name), Value::from(1.0)]).unwrap();
        assert!(peer.events().is_empty());
    }
    let mut peer = Peer::new(Limits::default());
    peer.command(0, &[Value::from("publish")]).unwrap();
    assert!(matches!(peer.events()[..], [Event::PublishRequested(_)]));
}

#[test]
fn set_data_frame_alone_is_script_data() {
    let mut peer = Peer::publishing();
    let payload = encoded(&[Value::from("@setDataFrame")]);
    peer.send(type_id::DATA_AMF0, &payload).unwrap();
    assert_eq!(peer.events(), [media(MediaKind::Script, &payload)]);
}

#[test]
fn a_message_of_16_mb_is_refused_before_and_while_publishing() {
    let header = hex!("06 000000 ffffff 09 01000000");
    for (mut peer, allowed) in
        [(Peer::connected("live"), 64 * 1024), (Peer::publishing(), 8 * 1024 * 1024)]
    {
        let error = peer.connection.handle_input(&header).unwrap_err();
        assert!(
            matches!(error, Error::MessageTooLong { actual: 0xff_ffff, allowed: limit, .. } if limit == allowed)
        );
    }
}

#[test]
fn no_error_and_no_event_shows_a_key() {
    let mut peer = Peer::asking("live", "foo?key=hunter2");
    assert!(!format!("{:?}", peer.events()).contains("hunter2"));
    let mut peer = Peer::connected("live");
    let error = peer.call(1, "publish", 5.0, Value::from("a b/hunter2?key=hunter2")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}
