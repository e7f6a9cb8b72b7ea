//! A publisher for tests: talks to a `Connection` in wire bytes and keeps what it answers.

use amf0::Value;
use bytes::Bytes;
use rtmp::{ChunkReader, ChunkWriter, Connection, Error, Event, Limits, RawMessage, type_id};

pub(crate) struct Peer {
    pub(crate) connection: Connection,
    writer: ChunkWriter,
    reader: ChunkReader,
}

impl Peer {
    /// With the handshake done.
    pub(crate) fn new(limits: Limits) -> Self {
        let mut connection = Connection::server(limits);
        let mut hello = vec![0; 1 + 2 * 1536];
        hello[0] = 3;
        connection.handle_input(&hello).unwrap();
        let answer = std::iter::from_fn(|| connection.poll_transmit())
            .map(|bytes| bytes.len())
            .sum::<usize>();
        assert_eq!(answer, hello.len(), "S0, S1, S2");
        let wide = Limits { bytes_before_publish: 1 << 20, ..Limits::default() };
        Self { connection, writer: ChunkWriter::new(), reader: ChunkReader::new(&wide, 0) }
    }

    /// Connected to this app.
    pub(crate) fn connected(app: &str) -> Self {
        let mut peer = Self::new(Limits::default());
        let object = Value::Object(vec![("app".to_owned(), Value::from(app))]);
        peer.command(0, &[Value::from("connect"), Value::from(1.0), object]).unwrap();
        peer.answers();
        peer
    }

    /// Asked to publish on message stream 1, not answered yet.
    pub(crate) fn asking(app: &str, stream: &str) -> Self {
        let mut peer = Self::connected(app);
        peer.call(1, "publish", 5.0, Value::from(stream)).unwrap();
        peer
    }

    /// Publishing `foo` on message stream 1.
    pub(crate) fn publishing() -> Self {
        let mut peer = Self::asking("live", "foo");
        assert!(matches!(peer.events()[..], [Event::PublishRequested(_)]));
        peer.connection.accept_publish();
        peer.answers();
        peer
    }

    pub(crate) fn chunks(
        &self,
        csid: u32,
        type_id: u8,
        message_stream_id: u32,
        payload: &[u8],
    ) -> Vec<u8> {
        let payload = Bytes::copy_from_slice(payload);
        let message = RawMessage { csid, timestamp_ms: 7, type_id, message_stream_id, payload };
        let mut out = Vec::new();
        self.writer.write(&message, &mut out).unwrap();
        out
    }

    pub(crate) fn send(&mut self, type_id: u8, payload: &[u8]) -> Result<(), Error> {
        let bytes = self.chunks(4, type_id, 1, payload);
        self.connection.handle_input(&bytes)
    }

    pub(crate) fn command_chunks(&self, message_stream_id: u32, values: &[Value]) -> Vec<u8> {
        self.chunks(3, type_id::COMMAND_AMF0, message_stream_id, &encoded(values))
    }

    pub(crate) fn command(
        &mut self,
        message_stream_id: u32,
        values: &[Value],
    ) -> Result<(), Error> {
        let bytes = self.command_chunks(message_stream_id, values);
        self.connection.handle_input(&bytes)
    }

    /// A command with null for its object and one argument.
    pub(crate) fn call(
        &mut self,
        message_stream_id: u32,
        name: &str,
        id: f64,
        argument: Value,
    ) -> Result<(), Error> {
        self.command(
            message_stream_id,
            &[Value::from(name), Value::from(id), Value::Null, argument],
        )
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    pub(crate) fn answers(&mut self) -> Vec<RawMessage> {
        let mut messages = Vec::new();
        while let Some(bytes) = self.connection.poll_transmit() {
            let mut bytes = &bytes[..];
            while let Some(message) = self.reader.read(&mut bytes).unwrap() {
                messages.push(message);
            }
        }
        messages
    }

    /// The commands among the answers, each as text: message stream, name, transaction, then what
    /// is of interest.
    pub(crate) fn commands(&mut self) -> Vec<String> {
        let commands =
            self.answers().into_iter().filter(|message| message.type_id == type_id::COMMAND_AMF0);
        commands.map(|message| described(&message)).collect()
    }
}

pub(crate) fn encoded(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    values.iter().for_each(|value| amf0::encode(value, &mut out));
    out
}

fn described(message: &RawMessage) -> String {
    let values = amf0::decode_all(&message.payload, &amf0::Limits::default()).unwrap();
    let [name, id, _, result] = &values[..] else { panic!("four values: {values:?}") };
    let result = match result.property("code").and_then(Value::as_str) {
        Some(code) => {
            format!("{} {code}", result.property("level").and_then(Value::as_str).unwrap_or("-"))
        }
        None => format!("{result:?}"),
    };
    let (name, id) = (name.as_str().unwrap(), id.as_number().unwrap());
    format!("{} {name} {id} {result}", message.message_stream_id)
}
