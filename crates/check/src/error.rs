//! Errors.

/// Why a stream cannot be checked at all. What is wrong with a stream is no error: it is in the
/// report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The URL has another scheme than `http` or `https`, or no host.
    #[error(
        "\"{url}\" is no URL of a playlist: it should look like http://host:8935/stream/NAME.m3u8"
    )]
    Url {
        /// As given, shortened.
        url: String,
    },
}
