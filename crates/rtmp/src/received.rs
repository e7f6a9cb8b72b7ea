/// How much a connection has received, for whoever decides how fast more may come: nothing here
/// reads a clock. All of it only grows while the connection is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// All bytes, the handshake's included.
    pub bytes: u64,
    /// Chunks begun. Each costs us the same, however few bytes it has.
    pub chunks: u64,
    /// [`Event::Media`](crate::Event::Media)s that came of it.
    pub media: u64,
    /// Payload of audio, video and aggregate messages, also of those that are not complete yet.
    pub media_bytes: u64,
    /// Messages that brought no media: commands, control messages, empty ones, those of types that
    /// mean nothing to us.
    pub others: u64,
}
