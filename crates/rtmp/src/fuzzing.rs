//! Bodies of the fuzz targets; the unit tests replay the committed seeds through them.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a fuzz body reports a broken property by a panic"
)]

use bytes::Bytes;

use crate::{
    ChunkReader, Client, ClientEvent, Connection, Error, Event, Limits, MediaKind, Message,
    PublishUrl, RawMessage, handshake,
};

/// Any bytes as chunks: the same messages and the same error for one push, for a split at every
/// byte and for pieces of another size; the reader's memory stays within its limits after every
/// push.
pub fn chunk(data: &[u8]) {
    let whole = read_chunks(data, data.len().max(1));
    assert_eq!(read_chunks(data, 1), whole);
    assert_eq!(read_chunks(data, 61), whole);
}

fn read_chunks(data: &[u8], size: usize) -> (Vec<RawMessage>, Option<String>) {
    let mut reader = ChunkReader::new(&Limits::default(), 0);
    let mut messages = Vec::new();
    for mut piece in data.chunks(size) {
        loop {
            match reader.read(&mut piece) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error.to_string())),
            }
            reader.check_invariants();
        }
        reader.check_invariants();
        assert!(piece.is_empty(), "without a message all input is taken");
    }
    (messages, None)
}

/// Any bytes after a valid handshake, from a publisher who is accepted: no panic, bounded output,
/// events in a sensible order that does not depend on how the bytes are cut.
pub fn connection(data: &[u8]) {
    let whole = Run::new(data, data.len().max(1));
    let pieces = Run::new(data, if data.len() < 2048 { 1 } else { 61 });
    if !whole.depends_on_cuts() && !pieces.depends_on_cuts() {
        assert_eq!(whole.events, pieces.events);
        assert_eq!(whole.error.map(|e| e.to_string()), pieces.error.map(|e| e.to_string()));
    }
}

struct Run {
    events: Vec<Event>,
    error: Option<Error>,
}

impl Run {
    fn new(data: &[u8], size: usize) -> Self {
        let mut connection = Connection::server(Limits::default());
        let mut hello = [0; handshake::LENGTH];
        hello[0] = 3;
        let mut run = Self { events: Vec::new(), error: None };
        run.step(&mut connection, &hello);
        for piece in data.chunks(size).chain([&[][..]]) {
            run.step(&mut connection, piece);
        }
        run.check(data.len());
        run
    }

    fn step(&mut self, connection: &mut Connection, input: &[u8]) {
        if let Err(error) = connection.handle_input(input) {
            assert!(connection.is_closed());
            self.error.get_or_insert(error);
        }
        while let Some(event) = connection.poll_event() {
            if matches!(event, Event::PublishRequested(_)) {
                connection.accept_publish();
            }
            self.events.push(event);
        }
        // One answer may go past the limit before it is noticed, in handle_input and again in
        // accept_publish.
        let most = 2 * (Limits::default().transmit_bytes + 1024);
        let sent = std::iter::from_fn(|| connection.poll_transmit())
            .map(|bytes| bytes.len())
            .sum::<usize>();
        assert!(sent <= most, "{sent} bytes of answers");
    }

    fn check(&self, input_bytes: usize) {
        let mut publishing = false;
        let mut payload_bytes = 0;
        for event in &self.events {
            match event {
                Event::PublishRequested(_) => assert!(!publishing, "one stream at a time"),
                Event::Media(message) => payload_bytes += message.payload.len(),
                Event::Unpublish => {}
            }
            assert!(
                publishing || matches!(event, Event::PublishRequested(_)),
                "{event:?} of nobody"
            );
            publishing = !matches!(event, Event::Unpublish);
        }
        assert!(
            payload_bytes <= input_bytes,
            "{payload_bytes} bytes of payload from {input_bytes} of input"
        );
    }

    /// How many answers wait at a time is a matter of how the input is cut.
    fn depends_on_cuts(&self) -> bool {
        matches!(self.error, Some(Error::TooManyAnswers { .. }))
    }
}

/// Any bytes after a valid handshake, from a server to our client: no panic, bounded output, a yes
/// and a no at most once and in this order, whatever way the bytes are cut; media goes out only
/// between the two.
pub fn client(data: &[u8]) {
    let whole = served(data, data.len().max(1));
    let pieces = served(data, if data.len() < 2048 { 1 } else { 61 });
    let depends_on_cuts =
        |run: &(_, Option<Error>)| matches!(run.1, Some(Error::TooManyAnswers { .. }));
    if !depends_on_cuts(&whole) && !depends_on_cuts(&pieces) {
        assert_eq!(whole.0, pieces.0);
        assert_eq!(whole.1.map(|e| e.to_string()), pieces.1.map(|e| e.to_string()));
    }
}

fn served(data: &[u8], size: usize) -> (Vec<ClientEvent>, Option<Error>) {
    let url = PublishUrl::parse("rtmp://h/live/foo").expect("a URL");
    let mut client = Client::new(url, Limits::default()).expect("C1");
    let mut hello = [0; handshake::LENGTH];
    hello[0] = 3;
    client.handle_input(&hello).expect("a handshake");
    let (mut events, mut error) = (Vec::new(), None);
    for piece in data.chunks(size).chain([&[][..]]) {
        if let Err(e) = client.handle_input(piece) {
            assert!(client.is_closed());
            error.get_or_insert(e);
        }
        events.extend(std::iter::from_fn(|| client.poll_event()));
        let sent = transmitted(&mut client);
        assert!(sent <= Limits::default().transmit_bytes + 8192, "{sent} bytes of answers");
        check_sending(&mut client, &events);
    }
    (events, error)
}

fn transmitted(client: &mut Client) -> usize {
    std::iter::from_fn(|| client.poll_transmit()).map(|bytes| bytes.len()).sum()
}

fn check_sending(client: &mut Client, events: &[ClientEvent]) {
    let (yes, no) = match events {
        [] => (false, false),
        [ClientEvent::Publishing] => (true, false),
        [ClientEvent::Refused(_)] | [ClientEvent::Publishing, ClientEvent::Refused(_)] => {
            (false, true)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(client.is_publishing(), yes);
    assert!(!no || client.is_closed());
    let payload = Bytes::from_static(&[0xaf, 1]);
    client.send(Message { kind: MediaKind::Audio, timestamp_ms: 0, payload }).expect("short");
    assert_eq!(transmitted(client) > 0, yes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// A seed with some bytes replaced, its end cut off, and another seed behind it.
    fn damaged(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
        let seed = prop::sample::select(testmedia::seeds(target));
        let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
        (seed.clone(), changes, any::<prop::sample::Index>(), seed).prop_map(
            |(mut first, changes, end, second)| {
                changes.into_iter().for_each(|(index, byte)| *index.get_mut(&mut first) = byte);
                first.truncate(end.index(2 * first.len()));
                [first, second].concat()
            },
        )
    }

    #[test]
    fn seeds_of_rtmp_chunk_hold() {
        testmedia::replay("rtmp_chunk", super::chunk);
    }

    #[test]
    fn seeds_of_rtmp_connection_hold() {
        testmedia::replay("rtmp_connection", super::connection);
    }

    #[test]
    fn seeds_of_rtmp_client_hold() {
        testmedia::replay("rtmp_client", super::client);
    }

    proptest! {
        #[test]
        fn damaged_seeds_of_rtmp_client_hold(data in damaged("rtmp_client")) {
            super::client(&data);
        }

        #[test]
        fn damaged_seeds_of_rtmp_chunk_hold(data in damaged("rtmp_chunk")) {
            super::chunk(&data);
        }

        #[test]
        fn damaged_seeds_of_rtmp_connection_hold(data in damaged("rtmp_connection")) {
            super::connection(&data);
        }
    }
}
