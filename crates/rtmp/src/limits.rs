/// What one connection may cost. All of it can be spent by a stranger before a stream key was ever
/// looked at, except [`bytes_while_publishing`](Self::bytes_while_publishing).
///
/// Memory of one connection, with the defaults and `n` bytes given to one `handle_input`:
///
/// | What | Before and after publishing | While publishing |
/// |---|---|---|
/// | handshake | 8 KiB, gone after it | - |
/// | messages being put together | 64 KiB | 8 MiB |
/// | state of 64 chunk streams | 7 KiB | 7 KiB |
/// | one command being decoded | 320 KiB, gone after it | 320 KiB, gone after it |
/// | bytes waiting in `poll_transmit` | 64 KiB | 64 KiB |
/// | events waiting in `poll_event` | 1 | payloads: at most the messages that `n` bytes complete; queue: 40 `n` |
/// | input that came with the publish command | 64 KiB + `n` | - |
///
/// A message's buffer grows with the bytes that really arrive, never with the length that its
/// header declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Chunk streams (csids) of one connection. 64: encoders use 2 to 6, some number them by
    /// message stream.
    pub chunk_streams: usize,
    /// Sum of the declared lengths of unfinished messages, while no publish is accepted. 64 KiB: a
    /// connect command with every optional field is under 2 KiB.
    pub bytes_before_publish: usize,
    /// The same while publishing. 8 MiB: an intra picture of 4K video at 100 Mbit/s is under 4 MB.
    pub bytes_while_publishing: usize,
    /// Bytes that a connection may send behind its handshake while no publish is accepted, and
    /// again from each unpublish on. 64 KiB: the wordiest encoder needs under 20 KB to come to its
    /// publish command.
    pub received_before_publish: u64,
    /// Messages in that time. 128: encoders send under 50, an empty message costs its sender one
    /// byte.
    pub messages_before_publish: u64,
    /// Bytes that may wait in `poll_transmit`. 64 KiB: a whole session's answers are under 2 KiB;
    /// more means a peer that asks without end.
    pub transmit_bytes: usize,
    /// Tags in one aggregate message. 1 024: servers that relay put some tens in one; a tag costs
    /// an event.
    pub aggregate_tags: usize,
    /// Bytes of a stream key. 512: signed tokens fit.
    pub key_bytes: usize,
    /// Bytes of the queries of a publish URL together. 4 096: a JSON Web Token is 1 to 2 KB.
    pub query_bytes: usize,
    /// For one command's values.
    pub amf: amf0::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            chunk_streams: 64,
            bytes_before_publish: 64 * 1024,
            bytes_while_publishing: 8 * 1024 * 1024,
            received_before_publish: 64 * 1024,
            messages_before_publish: 128,
            transmit_bytes: 64 * 1024,
            aggregate_tags: 1024,
            key_bytes: 512,
            query_bytes: 4096,
            amf: amf0::Limits { max_depth: 16, max_values: 1024, max_bytes: 64 * 1024 },
        }
    }
}
