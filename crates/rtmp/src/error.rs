use std::fmt;

use crate::InvalidStreamName;

/// Where in a connection something is, so that it can be found in a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The chunk stream.
    pub csid: u32,
    /// Byte position in everything received on the connection, the handshake included (C0 is byte
    /// 0). For a chunk it is the first byte of its header, for a whole message the byte behind it.
    pub position: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "csid {}, byte {}", self.csid, self.position)
    }
}

/// Why a connection had to end. None of them names a stream key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// C0 is not 3: another protocol (HTTP begins with 0x47, TLS with 0x16), or encrypted RTMP (6,
    /// 8, 9).
    #[error("first byte is {actual:#04x}, not RTMP version 3 (byte 0)")]
    Version {
        /// The byte received.
        actual: u8,
    },
    /// The handshake went wrong in another way.
    #[error("handshake failed (byte {position})")]
    Handshake {
        /// Bytes received so far.
        position: u64,
        /// What it said.
        source: rml_rtmp::handshake::HandshakeError,
    },
    /// A chunk that leans on an earlier header of its chunk stream, which there is not.
    #[error("chunk of type {format} without an earlier header ({at})")]
    NoEarlierHeader {
        /// Chunk type, 2 or 3.
        format: u8,
        /// The chunk.
        at: Place,
    },
    /// A new message begins on a chunk stream whose message is not finished.
    #[error("new message after {received} of {expected} bytes of the one before ({at})")]
    MessageCutOff {
        /// Bytes of the unfinished message that came.
        received: usize,
        /// Its length.
        expected: usize,
        /// The chunk.
        at: Place,
    },
    /// The unfinished messages of the connection would be longer than allowed.
    #[error("unfinished messages of {actual} bytes exceed limit {allowed} ({at})")]
    MessageTooLong {
        /// Sum of the declared lengths, the new message included.
        actual: usize,
        /// [`Limits::bytes_before_publish`](crate::Limits::bytes_before_publish) or
        /// [`Limits::bytes_while_publishing`](crate::Limits::bytes_while_publishing); 16 777 215
        /// when sending.
        allowed: usize,
        /// The chunk that begins the message.
        at: Place,
    },
    /// More chunk streams than [`Limits::chunk_streams`](crate::Limits::chunk_streams).
    #[error("more than {allowed} chunk streams ({at})")]
    TooManyChunkStreams {
        /// The limit.
        allowed: usize,
        /// The chunk that would open one more.
        at: Place,
    },
    /// SetChunkSize outside of RTMP 5.4.1's range.
    #[error("chunk size {actual} is not 1 to 2147483647 ({at})")]
    ChunkSize {
        /// The size asked for.
        actual: u32,
        /// The message.
        at: Place,
    },
    /// A protocol control message that is shorter than its fields.
    #[error("control message of type {type_id} has {actual} bytes, not {expected} ({at})")]
    ControlTooShort {
        /// Message type.
        type_id: u8,
        /// Its length.
        actual: usize,
        /// The length that its fields need.
        expected: usize,
        /// The message.
        at: Place,
    },
    /// A command that we have to understand is not AMF0, or exceeds
    /// [`Limits::amf`](crate::Limits::amf).
    #[error("cannot read the values of command {command} ({at})")]
    Command {
        /// The command's name.
        command: &'static str,
        /// The message.
        at: Place,
        /// Positions inside it count from its second value.
        source: amf0::Error,
    },
    /// A tag in an aggregate message reaches past the message.
    #[error("tag of {actual} bytes in an aggregate message with {allowed} left ({at})")]
    AggregateTag {
        /// Length that the tag declares, its header included.
        actual: usize,
        /// Bytes left in the message.
        allowed: usize,
        /// The message.
        at: Place,
    },
    /// More tags than [`Limits::aggregate_tags`](crate::Limits::aggregate_tags) in one aggregate
    /// message.
    #[error("more than {allowed} tags in an aggregate message ({at})")]
    TooManyAggregateTags {
        /// The limit.
        allowed: usize,
        /// The message.
        at: Place,
    },
    /// More than [`Limits::messages_before_publish`](crate::Limits::messages_before_publish)
    /// messages from a peer that does not publish.
    #[error("more than {allowed} messages before publish ({at})")]
    TooManyMessages {
        /// The limit.
        allowed: u64,
        /// The message that is one too many.
        at: Place,
    },
    /// More than [`Limits::received_before_publish`](crate::Limits::received_before_publish) bytes
    /// from a peer that does not publish.
    #[error("more than {allowed} bytes before publish ({at})")]
    TooMuchInput {
        /// The limit.
        allowed: u64,
        /// The chunk that begins behind it.
        at: Place,
    },
    /// The publisher asks for a name that no stream can have; it was told so
    /// (`NetStream.Publish.BadName`).
    #[error("publish refused: bad stream name or key ({at})")]
    StreamName {
        /// The publish command.
        at: Place,
        /// What is wrong with it.
        source: InvalidStreamName,
    },
    /// The peer causes answers without reading them, beyond
    /// [`Limits::transmit_bytes`](crate::Limits::transmit_bytes).
    #[error("{actual} bytes of answers exceed limit {allowed} (byte {position})")]
    TooManyAnswers {
        /// Bytes waiting to be sent.
        actual: usize,
        /// The limit.
        allowed: usize,
        /// Bytes received so far.
        position: u64,
    },
    /// Input kept on coming while the caller had not decided about a publish request.
    #[error(
        "{actual} bytes of input before the decision about publish exceed limit {allowed} (byte {position})"
    )]
    TooMuchHeld {
        /// Bytes waiting for the decision.
        actual: usize,
        /// [`Limits::bytes_before_publish`](crate::Limits::bytes_before_publish).
        allowed: usize,
        /// Bytes received so far.
        position: u64,
    },
}
