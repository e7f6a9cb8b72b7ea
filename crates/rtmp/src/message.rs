use bytes::Bytes;

/// Message type ids, RTMP section 5.4 and 7.1.
pub mod type_id {
    /// Section 5.4.1: the sender's chunks are this large from now on.
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// Section 5.4.2: forget the unfinished message of a chunk stream.
    pub const ABORT: u8 = 2;
    /// Section 5.4.3: bytes received so far, modulo 2^32.
    pub const ACKNOWLEDGEMENT: u8 = 3;
    /// Section 7.1.7: stream begin, ping and the like.
    pub const USER_CONTROL: u8 = 4;
    /// Section 5.4.4: acknowledge after this many bytes.
    pub const WINDOW_ACK_SIZE: u8 = 5;
    /// Section 5.4.5.
    pub const SET_PEER_BANDWIDTH: u8 = 6;
    /// Section 7.1.4: an FLV audio tag's body.
    pub const AUDIO: u8 = 8;
    /// Section 7.1.5: an FLV video tag's body.
    pub const VIDEO: u8 = 9;
    /// Section 7.1.2 with AMF3 values. Encoders put a zero byte and AMF0 values here.
    pub const DATA_AMF3: u8 = 15;
    /// Section 7.1.1 with AMF3 values. As [`DATA_AMF3`].
    pub const COMMAND_AMF3: u8 = 17;
    /// Section 7.1.2: metadata, an FLV script tag's body.
    pub const DATA_AMF0: u8 = 18;
    /// Section 7.1.1.
    pub const COMMAND_AMF0: u8 = 20;
    /// Section 7.1.6: several FLV tags in one message.
    pub const AGGREGATE: u8 = 22;
}

/// A message as the chunk layer knows it: reassembled, not interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawMessage {
    /// The chunk stream that carried it, 2 to 65 599.
    pub csid: u32,
    /// Milliseconds, wraps at 2^32.
    pub timestamp_ms: u32,
    /// One of [`type_id`], or any other.
    pub type_id: u8,
    /// 0 is the connection itself, others come from createStream.
    pub message_stream_id: u32,
    /// At most 16 777 215 bytes.
    pub payload: Bytes,
}

/// The first big-endian u32 of a control message.
pub(crate) fn leading_u32(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}
