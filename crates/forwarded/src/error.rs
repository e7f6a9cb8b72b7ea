/// Why bytes are no PROXY header of version 2 that a proxy of TCP connections sends. Positions
/// count from its first byte.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// One of the first twelve bytes is another than the signature's.
    #[error("no PROXY header of version 2: byte {position} is {found:#04x}")]
    Signature {
        /// The first that differs.
        position: usize,
        /// What is there.
        found: u8,
    },
    /// The high half of byte 12.
    #[error("PROXY version {version}, and only 2 is read (byte 12)")]
    Version {
        /// 0 to 15.
        version: u8,
    },
    /// The low half of byte 12, which is neither LOCAL (0) nor PROXY (1).
    #[error("PROXY command {command} is neither LOCAL nor PROXY (byte 12)")]
    Command {
        /// 0 to 15.
        command: u8,
    },
    /// Byte 13 names no kind of connection, or datagrams.
    #[error(
        "PROXY address family and protocol {found:#04x} are not those of a connection (byte 13)"
    )]
    Family {
        /// What is there.
        found: u8,
    },
    /// There is less room for addresses than the family has.
    #[error("PROXY header with {bytes} bytes of addresses, {needed} expected (byte 14)")]
    Addresses {
        /// What bytes 14 and 15 say.
        bytes: usize,
        /// The family's.
        needed: usize,
    },
    /// Longer than [`Limits::header_bytes`](crate::Limits::header_bytes).
    #[error("PROXY header of {bytes} bytes exceeds limit {allowed} (byte 14)")]
    TooLong {
        /// The whole header.
        bytes: usize,
        /// The limit.
        allowed: usize,
    },
}

/// A text that is neither an IP address nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no IP address and no network such as 10.0.0.0/8 or 2001:db8::/32")]
pub struct InvalidNetwork {
    /// As it was given.
    pub text: String,
}
