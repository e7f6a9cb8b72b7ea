/// Why bytes are not AMF0, or more of it than allowed. Positions count from the start of the
/// decoded input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input ends inside a value.
    #[error("value ends early: {missing} more bytes expected (byte {position})")]
    Truncated {
        /// Where the missing bytes would begin.
        position: usize,
        /// How many are missing at least.
        missing: usize,
    },
    /// A type marker that AMF0 does not have, reserves, or uses to switch to AMF3.
    #[error("type marker {marker:#04x} is not an AMF0 value (byte {position})")]
    UnknownMarker {
        /// The marker found.
        marker: u8,
        /// Where it is.
        position: usize,
    },
    /// Containers inside containers beyond [`Limits::max_depth`](crate::Limits::max_depth).
    #[error("values nest deeper than {allowed} levels (byte {position})")]
    TooDeep {
        /// The limit.
        allowed: u8,
        /// Where the container that is too much begins.
        position: usize,
    },
    /// More values than [`Limits::max_values`](crate::Limits::max_values).
    #[error("more than {allowed} values (byte {position})")]
    TooManyValues {
        /// The limit.
        allowed: usize,
        /// Where the value that is too much begins.
        position: usize,
    },
    /// A value reaches past [`Limits::max_bytes`](crate::Limits::max_bytes).
    #[error("values take more than {allowed} bytes (byte {position})")]
    TooLong {
        /// The limit.
        allowed: usize,
        /// Where the read that crosses it begins.
        position: usize,
    },
}
