use amf0::Value;
use bytes::Bytes;

use crate::message::type_id;
use crate::{ChunkWriter, Error, MediaKind, Message, RawMessage};

/// Chunk streams as servers number them: protocol control, commands of the connection, commands of
/// a stream.
const CONTROL: u32 = 2;
const CONNECTION: u32 = 3;
const STREAM: u32 = 5;

/// Chunk streams of media, as encoders number them.
const AUDIO: u32 = 4;
const VIDEO: u32 = 6;

/// User control events, RTMP section 7.1.7.
const STREAM_BEGIN: u16 = 0;
const PING_RESPONSE: u16 = 7;

/// SetPeerBandwidth's limit type "dynamic" (section 5.4.5).
const DYNAMIC: u8 = 2;

/// Writes what we say, chunked, for the socket to take.
pub(crate) struct Outbox {
    writer: ChunkWriter,
    pub(crate) bytes: Vec<u8>,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self { writer: ChunkWriter::new(), bytes: Vec::new() }
    }

    pub(crate) fn take(&mut self) -> Option<Bytes> {
        (!self.bytes.is_empty()).then(|| Bytes::from(std::mem::take(&mut self.bytes)))
    }

    pub(crate) fn set_chunk_size(&mut self, size: u32) {
        self.writer.set_chunk_size(size, &mut self.bytes);
    }

    pub(crate) fn acknowledgement(&mut self, received: u32) -> Result<(), Error> {
        self.control(type_id::ACKNOWLEDGEMENT, received.to_be_bytes().to_vec())
    }

    pub(crate) fn window_ack_size(&mut self, size: u32) -> Result<(), Error> {
        self.control(type_id::WINDOW_ACK_SIZE, size.to_be_bytes().to_vec())
    }

    pub(crate) fn peer_bandwidth(&mut self, size: u32) -> Result<(), Error> {
        let mut payload = size.to_be_bytes().to_vec();
        payload.push(DYNAMIC);
        self.control(type_id::SET_PEER_BANDWIDTH, payload)
    }

    pub(crate) fn stream_begin(&mut self, message_stream_id: u32) -> Result<(), Error> {
        self.user_control(STREAM_BEGIN, message_stream_id)
    }

    pub(crate) fn ping_response(&mut self, timestamp: u32) -> Result<(), Error> {
        self.user_control(PING_RESPONSE, timestamp)
    }

    /// A command of the connection itself: answers to its calls.
    pub(crate) fn connection_command(&mut self, values: &[Value]) -> Result<(), Error> {
        self.command(CONNECTION, 0, values)
    }

    /// A command of a message stream: `onStatus` and its kin.
    pub(crate) fn stream_command(
        &mut self,
        message_stream_id: u32,
        values: &[Value],
    ) -> Result<(), Error> {
        self.command(STREAM, message_stream_id, values)
    }

    /// An FLV tag's worth of stream.
    pub(crate) fn media(
        &mut self,
        message_stream_id: u32,
        Message { kind, timestamp_ms, payload }: Message,
    ) -> Result<(), Error> {
        let (csid, type_id) = match kind {
            MediaKind::Audio => (AUDIO, type_id::AUDIO),
            MediaKind::Video => (VIDEO, type_id::VIDEO),
            MediaKind::Script => (AUDIO, type_id::DATA_AMF0),
        };
        let message = RawMessage { csid, timestamp_ms, type_id, message_stream_id, payload };
        self.writer.write(&message, &mut self.bytes)
    }

    fn user_control(&mut self, event: u16, value: u32) -> Result<(), Error> {
        let mut payload = event.to_be_bytes().to_vec();
        payload.extend(value.to_be_bytes());
        self.control(type_id::USER_CONTROL, payload)
    }

    fn control(&mut self, type_id: u8, payload: Vec<u8>) -> Result<(), Error> {
        self.write(CONTROL, type_id, 0, payload)
    }

    fn command(
        &mut self,
        csid: u32,
        message_stream_id: u32,
        values: &[Value],
    ) -> Result<(), Error> {
        let mut payload = Vec::new();
        values.iter().for_each(|value| amf0::encode(value, &mut payload));
        self.write(csid, type_id::COMMAND_AMF0, message_stream_id, payload)
    }

    fn write(
        &mut self,
        csid: u32,
        type_id: u8,
        message_stream_id: u32,
        payload: Vec<u8>,
    ) -> Result<(), Error> {
        let payload = Bytes::from(payload);
        let message = RawMessage { csid, timestamp_ms: 0, type_id, message_stream_id, payload };
        self.writer.write(&message, &mut self.bytes)
    }
}
