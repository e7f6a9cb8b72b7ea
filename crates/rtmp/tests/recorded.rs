//! Bytes that real clients sent, and a corpus of bytes that broke another server.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test binary")]

use rtmp::{ChunkReader, Connection, Error, Limits, RawMessage, type_id};

const HANDSHAKE: usize = 1 + 1536 + 1536;

/// What a client or a server sent, where it is on this machine.
fn recorded(name: &str) -> Option<Vec<u8>> {
    testmedia::find_and_read(&format!("rtmp/{name}"))
}

/// What the server says behind its handshake.
fn answers(pieces: &[&[u8]]) -> Vec<u8> {
    let mut connection = Connection::server(Limits::default());
    let mut out = Vec::new();
    for piece in pieces {
        connection.handle_input(piece).unwrap();
        while let Some(bytes) = connection.poll_transmit() {
            out.extend(bytes);
        }
    }
    assert_eq!(connection.poll_event(), None);
    out.split_off(HANDSHAKE)
}

fn messages(mut bytes: &[u8]) -> Vec<RawMessage> {
    let mut reader = ChunkReader::new(&Limits::default(), 0);
    let messages = std::iter::from_fn(|| reader.read(&mut bytes).unwrap()).collect();
    assert!(bytes.is_empty());
    messages
}

/// The names and codes in the answers, in order.
fn spoken(bytes: &[u8]) -> Vec<String> {
    let commands =
        messages(bytes).into_iter().filter(|message| message.type_id == type_id::COMMAND_AMF0);
    let values = commands
        .map(|message| amf0::decode_all(&message.payload, &amf0::Limits::default()).unwrap());
    let described = values.map(|values| {
        let code = values[3].property("code").and_then(amf0::Value::as_str).unwrap_or("-");
        format!("{} {code}", values[0].as_str().unwrap())
    });
    described.collect()
}

#[test]
fn recorded_sessions_are_answered_the_same_whatever_byte_they_are_cut_at() {
    let flash =
        ["_result NetConnection.Connect.Success", "_result -", "onStatus NetStream.Play.Failed"];
    let linux = ["_result NetConnection.Connect.Success", "_result -"];
    for (name, expected) in [("flash9_play_c2s.bin", &flash[..]), ("lnx9_play_a_c2s.bin", &linux)] {
        let Some(bytes) = recorded(name) else { continue };
        let whole = answers(&[&bytes]);
        assert_eq!(spoken(&whole), expected, "{name}");
        for cut in 0..bytes.len() {
            assert!(answers(&[&bytes[..cut], &bytes[cut..]]) == whole, "{name} cut at {cut}");
        }
    }
}

#[test]
fn our_reader_understands_what_recorded_servers_said() {
    if let Some(flash) = recorded("flash9_play_s2c.bin") {
        let answers = spoken(&flash[HANDSHAKE..]);
        assert_eq!(answers.last().unwrap(), "onStatus NetStream.Play.Failed");
    }
    if let Some(linux) = recorded("lnx9_play_a_s2c.bin") {
        let answers = spoken(&linux[HANDSHAKE..]);
        assert_eq!(answers, ["_result NetConnection.Connect.Success", "_result -"]);
    }
}

#[test]
fn sessions_cut_off_at_any_byte_just_wait() {
    let Some(bytes) = recorded("lnx9_play_a_c2s.bin") else { return };
    for end in 0..bytes.len() {
        let mut connection = Connection::server(Limits::default());
        connection.handle_input(&bytes[..end]).unwrap();
        assert_eq!(connection.poll_event(), None);
    }
}

#[test]
fn corpora_after_a_handshake_cost_at_most_an_error() {
    for corpus in ["rtmp", "amf0", "flv", "m3u8"] {
        for (_, bytes) in testmedia::files_in(&format!("corpora/{corpus}")) {
            let mut connection = Connection::server(Limits::default());
            let mut hello = vec![0; HANDSHAKE];
            hello[0] = 3;
            connection.handle_input(&hello).unwrap();
            let result = connection.handle_input(&bytes);
            assert_eq!(result.is_err(), connection.is_closed());
        }
    }
}

#[test]
fn garbage_instead_of_a_handshake_is_named() {
    for (_, bytes) in testmedia::files_in("corpora/m3u8") {
        let error = Connection::server(Limits::default()).handle_input(&bytes).unwrap_err();
        assert!(matches!(error, Error::Version { actual } if actual == bytes[0]));
    }
}
