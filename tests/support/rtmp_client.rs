//! An RTMP client that does as it is told: simple handshake, a chunk writer, any bytes at any time.
//!
//! Written from Adobe's RTMP 1.0 specification, apart from the product's `rtmp` crate, so that a
//! mistake there is not made twice.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::flv_file::Tag;
use super::pacer::Gauge;
use super::wait::Stopwatch;

/// Bytes of C1, S1, C2, S2 (5.2.3).
pub(crate) const HANDSHAKE_BYTES: usize = 1536;

/// A connection to an RTMP server.
pub(crate) struct RtmpClient {
    socket: TcpStream,
    incoming: Vec<u8>,
    partial: HashMap<u8, Partial>,
    /// The server's chunk size.
    chunk_bytes: usize,
    /// Our own.
    sends_chunks_of: usize,
    /// What goes into one write to the socket, at most.
    writes_at_most: usize,
    /// Bytes sent, and what the server has acknowledged of them (5.4.3).
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    /// All commands received so far, as bytes: enough to look for words in.
    pub(crate) commands: Vec<Vec<u8>>,
}

#[derive(Clone, Debug, Default)]
struct Partial {
    kind: u8,
    length: usize,
    data: Vec<u8>,
}

/// How a wait for the server ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The words were in a command.
    Found,
    /// The server closed the connection.
    Closed,
}

impl RtmpClient {
    /// Connects, no byte sent.
    pub(crate) fn connect(server: SocketAddr) -> Self {
        let socket = TcpStream::connect(server).expect("an RTMP connection");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a read timeout");
        socket.set_write_timeout(Some(Duration::from_secs(20))).expect("a write timeout");
        socket.set_nodelay(true).expect("no delay");
        Self {
            socket,
            incoming: Vec::new(),
            partial: HashMap::new(),
            chunk_bytes: 128,
            sends_chunks_of: 128,
            writes_at_most: usize::MAX,
            sent: 0,
            acknowledged: 0,
            commands: Vec::new(),
        }
    }

    /// Connects and shakes hands (5.2).
    pub(crate) fn shaken(server: SocketAddr) -> Self {
        let mut client = Self::connect(server);
        client.shake_hands();
        client
    }

    /// The simple handshake (5.2), held to what Streamlabs checks of it.
    pub(crate) fn shake_hands(&mut self) {
        let mut c0_c1 = vec![0; 1 + HANDSHAKE_BYTES];
        c0_c1[..5].copy_from_slice(&[3, 1, 2, 3, 4]);
        for (index, byte) in c0_c1[9..].iter_mut().enumerate() {
            *byte = (index * 7 % 251) as u8;
        }
        self.send(&c0_c1);
        let mut answer = vec![0; 1 + 2 * HANDSHAKE_BYTES];
        self.socket.read_exact(&mut answer).expect("S0, S1 and S2");
        assert_eq!(answer[0], 3, "S0");
        assert_eq!(answer[1 + HANDSHAKE_BYTES..], c0_c1[1..], "S2 is C1, time and random bytes");
        self.send(&answer[1..=HANDSHAKE_BYTES]);
    }

    /// Connects, shakes hands and asks to publish `name` in `app`; accepted when this returns.
    pub(crate) fn publishing(server: SocketAddr, app: &str, name: &str) -> Self {
        let mut client = Self::asking(server, app, name);
        let answer = client.wait_for("NetStream.Publish.Start");
        assert_eq!(answer, Answer::Found, "{:?}", client.said());
        client
    }

    /// Connects, shakes hands and asks to publish, no answer read.
    pub(crate) fn asking(server: SocketAddr, app: &str, name: &str) -> Self {
        let mut client = Self::shaken(server);
        client.command(0, &[string("connect"), number(1.0), object(&[("app", string(app))])]);
        client.command(0, &[string("createStream"), number(2.0), null()]);
        client.command(1, &[string("publish"), number(3.0), null(), string(name), string("live")]);
        client
    }

    /// From now on everything goes in writes of this many bytes, each a TCP segment of its own.
    pub(crate) fn write_at_most(&mut self, bytes: usize) {
        self.writes_at_most = bytes;
    }

    /// From now on in chunks of this size (5.4.1).
    pub(crate) fn set_chunk_size(&mut self, bytes: u32) {
        self.send(&message(2, 1, 0, 0, &bytes.to_be_bytes()));
        self.sends_chunks_of = bytes as usize;
    }

    /// Sends bytes; false where the server has closed.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.sent += bytes.len() as u64;
        bytes.chunks(self.writes_at_most).all(|bytes| self.socket.write_all(bytes).is_ok())
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        assert!(self.try_send(bytes), "the server reads");
    }

    /// Sends a command message (type 20) on chunk stream 3.
    pub(crate) fn command(&mut self, message_stream: u32, values: &[Vec<u8>]) {
        self.send(&self.chunked(3, 20, message_stream, 0, &values.concat()));
    }

    /// Sends a command and waits for its result.
    pub(crate) fn call(&mut self, message_stream: u32, name: &str, id: f64, rest: &[Vec<u8>]) {
        self.command(message_stream, &[&[string(name), number(id)][..], rest].concat());
        let result = [string("_result"), number(id)].concat();
        let begins = |command: &Vec<u8>| command.starts_with(&result);
        while !self.commands.iter().any(begins) {
            assert!(self.read(), "closed before the result of {name}: {:?}", self.said());
        }
    }

    /// Creates a stream and publishes on it, each step when the one before is answered; accepted
    /// when this returns.
    pub(crate) fn publish(&mut self, name: &str) {
        self.call(0, "createStream", 2.0, &[null()]);
        self.command(1, &[string("publish"), number(3.0), null(), string(name), string("live")]);
        let answer = self.wait_for("NetStream.Publish.Start");
        assert_eq!(answer, Answer::Found, "{:?}", self.said());
    }

    /// Sends an FLV tag as the message it is; false where the server has closed.
    pub(crate) fn try_tag(&mut self, tag: &Tag) -> bool {
        self.try_send(&self.chunked(tag.kind, tag.kind, 1, tag.timestamp_ms, &tag.body))
    }

    /// Sends an FLV tag as the message it is.
    pub(crate) fn tag(&mut self, tag: &Tag) {
        assert!(self.try_tag(tag), "the server reads");
    }

    /// Sends tags as fast as the server's transcoder follows, so that it drops nothing.
    pub(crate) fn tags_in_pace(&mut self, tags: &[Tag], gauge: &Gauge) {
        // The transcoder's queue takes two seconds.
        for half_second in tags.chunk_by(|a, b| a.timestamp_ms / 500 == b.timestamp_ms / 500) {
            half_second.iter().for_each(|tag| self.tag(tag));
            gauge.wait(self.sent);
        }
    }

    /// Sends tags in real time: each when as much time has passed since the first as their stamps
    /// say.
    pub(crate) fn tags_in_real_time(&mut self, tags: &[Tag]) {
        let since_the_first = Stopwatch::start();
        let first_ms = tags.first().map_or(0, |tag| tag.timestamp_ms);
        for tag in tags {
            let due_ms = tag.timestamp_ms.saturating_sub(first_ms);
            since_the_first.sleep_until(Duration::from_millis(due_ms.into()));
            self.tag(tag);
        }
    }

    /// Says that it stops, as OBS and ffmpeg do.
    pub(crate) fn say_goodbye(&mut self, name: &str) {
        self.command(0, &[string("FCUnpublish"), number(0.0), null(), string(name)]);
        self.command(0, &[string("deleteStream"), number(0.0), null(), number(1.0)]);
    }

    /// Reads until the server has acknowledged this many bytes.
    pub(crate) fn wait_for_acknowledgement(&mut self, bytes: u64) {
        while self.acknowledged < bytes {
            assert!(self.read(), "closed at {} of {bytes} acknowledged", self.acknowledged);
        }
    }

    fn chunked(
        &self,
        chunk_stream: u8,
        kind: u8,
        message_stream: u32,
        timestamp_ms: u32,
        payload: &[u8],
    ) -> Vec<u8> {
        let size = self.sends_chunks_of;
        in_chunks(size, chunk_stream, kind, message_stream, timestamp_ms, payload)
    }

    /// Reads until a command holds `words`, or the server closes.
    pub(crate) fn wait_for(&mut self, words: &str) -> Answer {
        loop {
            let holds = |command: &Vec<u8>| {
                command.windows(words.len()).any(|window| window == words.as_bytes())
            };
            if self.commands.iter().any(holds) {
                return Answer::Found;
            }
            if !self.read() {
                return Answer::Closed;
            }
        }
    }

    /// Reads until the server closes.
    pub(crate) fn wait_for_close(&mut self) {
        while self.read() {}
    }

    /// The commands so far, readable.
    pub(crate) fn said(&self) -> Vec<String> {
        self.commands.iter().map(|command| String::from_utf8_lossy(command).into_owned()).collect()
    }

    /// Reads once; false where the server has closed. Silence for 20 seconds fails the test.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.socket.read(&mut buffer) {
            Ok(0) => false,
            Ok(bytes) => {
                self.incoming.extend_from_slice(&buffer[..bytes]);
                while self.take_chunk().is_some() {}
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!("the server neither answers nor closes")
            }
            Err(_) => false,
        }
    }

    /// One chunk (5.3.1) of the server's, if it is whole: one-byte ids, and no extended timestamps
    /// within an answer.
    fn take_chunk(&mut self) -> Option<()> {
        let (&first, rest) = self.incoming.split_first()?;
        let header_bytes = [11, 7, 3, 0][usize::from(first >> 6)];
        let (header, rest) = rest.split_at_checked(header_bytes)?;
        let partial = self.partial.entry(first & 0x3f).or_default();
        let mut new = partial.clone();
        if let [_, _, _, a, b, c, kind, ..] = header {
            new = Partial {
                kind: *kind,
                length: u32::from_be_bytes([0, *a, *b, *c]) as usize,
                data: Vec::new(),
            };
        }
        let chunk = rest.get(..self.chunk_bytes.min(new.length - new.data.len()))?;
        new.data.extend_from_slice(chunk);
        let used = 1 + header_bytes + chunk.len();
        let whole = new.data.len() == new.length;
        let data = if whole { std::mem::take(&mut new.data) } else { Vec::new() };
        let kind = new.kind;
        *partial = new;
        self.incoming.drain(..used);
        if whole {
            self.handle(kind, data);
        }
        Some(())
    }

    fn handle(&mut self, kind: u8, data: Vec<u8>) {
        match (kind, data.as_slice()) {
            (1, [a, b, c, d]) => self.chunk_bytes = u32::from_be_bytes([*a, *b, *c, *d]) as usize,
            (3, [a, b, c, d]) => {
                self.acknowledged = u32::from_be_bytes([*a, *b, *c, *d]).into();
            }
            (20, _) => self.commands.push(data),
            _ => {}
        }
    }
}

/// A message in chunks of 128 bytes, the size at the start (5.4.1), its first with a full header
/// (5.3.1.2.1).
pub(crate) fn message(
    chunk_stream: u8,
    kind: u8,
    message_stream: u32,
    timestamp_ms: u32,
    payload: &[u8],
) -> Vec<u8> {
    in_chunks(128, chunk_stream, kind, message_stream, timestamp_ms, payload)
}

fn in_chunks(
    size: usize,
    chunk_stream: u8,
    kind: u8,
    message_stream: u32,
    timestamp_ms: u32,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = header(chunk_stream, kind, message_stream, timestamp_ms, payload.len());
    for (index, chunk) in payload.chunks(size).enumerate() {
        if index > 0 {
            bytes.push(0xc0 | chunk_stream);
        }
        bytes.extend_from_slice(chunk);
    }
    bytes
}

/// A full chunk header that promises `length` bytes.
pub(crate) fn header(
    chunk_stream: u8,
    kind: u8,
    message_stream: u32,
    timestamp_ms: u32,
    length: usize,
) -> Vec<u8> {
    assert!((2..64).contains(&chunk_stream) && timestamp_ms < 0xff_ffff, "the short forms");
    let mut bytes = vec![chunk_stream];
    bytes.extend_from_slice(&timestamp_ms.to_be_bytes()[1..]);
    bytes.extend_from_slice(&(length as u32).to_be_bytes()[1..]);
    bytes.push(kind);
    bytes.extend_from_slice(&message_stream.to_le_bytes());
    bytes
}

/// AMF0 number (AMF 0 specification, 2.2).
pub(crate) fn number(value: f64) -> Vec<u8> {
    [&[0][..], &value.to_be_bytes()].concat()
}

/// AMF0 string (2.4).
pub(crate) fn string(value: &str) -> Vec<u8> {
    [&[2][..], &key(value)].concat()
}

/// AMF0 null (2.7).
pub(crate) fn null() -> Vec<u8> {
    vec![5]
}

/// AMF0 strict array (2.12).
pub(crate) fn strict_array(values: &[Vec<u8>]) -> Vec<u8> {
    [&[10][..], &(values.len() as u32).to_be_bytes(), &values.concat()].concat()
}

/// AMF0 object (2.5).
pub(crate) fn object(properties: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![3];
    for (name, value) in properties {
        bytes.extend([key(name), value.clone()].concat());
    }
    bytes.extend([0, 0, 9]);
    bytes
}

fn key(name: &str) -> Vec<u8> {
    [&(name.len() as u16).to_be_bytes()[..], name.as_bytes()].concat()
}
