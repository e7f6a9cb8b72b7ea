/// Why someone may not publish. The publisher is told by an `onStatus` of level `error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody else is live under this name.
    NameInUse,
    /// No stream can have this name or key.
    BadName,
    /// The key is missing or wrong.
    Unauthorized,
    /// Thrown out for a while.
    Banned,
    /// Whoever knows who may publish gave no answer.
    Undecided,
    /// The server has as many publishers as it may have.
    TooManyStreams,
    /// Its address has published too often in the last time.
    TooOften,
    /// The server has no memory for the stream.
    NoMemory,
    /// The video is not H.264.
    VideoCodec,
    /// Its parameters, audio or time change so often that segments become too short.
    ShortSegments,
    /// The server is about to stop.
    ShuttingDown,
}

impl Refusal {
    /// The `code` that encoders look at.
    pub fn code(self) -> &'static str {
        match self {
            Self::NameInUse | Self::BadName => "NetStream.Publish.BadName",
            Self::Unauthorized => "NetStream.Publish.Unauthorized",
            Self::TooManyStreams | Self::TooOften | Self::Banned | Self::NoMemory => {
                "NetStream.Publish.Denied"
            }
            // OBS and librtmp stop at this code and show the description.
            Self::VideoCodec | Self::ShortSegments => "NetStream.Publish.Rejected",
            Self::ShuttingDown | Self::Undecided => "NetStream.Publish.Failed",
        }
    }

    /// The `description` that people get to read.
    pub fn description(self) -> &'static str {
        match self {
            Self::NameInUse => {
                "This name is already live: choose another one, or stop the other publisher."
            }
            Self::BadName => {
                "A stream name is 1 to 128 letters, digits, '.', '_', '-' or '~', does not start with '.', is not \
                 'current' and does not end in '.m3u8'."
            }
            Self::Unauthorized => "The stream key is missing or wrong.",
            Self::Banned => "You may not publish here for the time being.",
            Self::Undecided => "The server could not find out whether you may publish: try again.",
            Self::TooManyStreams => "The server has as many publishers as it takes.",
            Self::TooOften => {
                "Too many publishes from this address in a short time: wait a minute."
            }
            Self::NoMemory => {
                "The server has no memory for this stream: send at a lower bitrate, or come later."
            }
            Self::VideoCodec => {
                "This server takes H.264 video only: in OBS set Settings > Output > Video Encoder to x264 or another \
                 H.264 encoder."
            }
            Self::ShortSegments => {
                "Picture size, audio settings or timestamps change with nearly every picture, which no viewer could \
                 follow: set the encoder to one size and one audio format."
            }
            Self::ShuttingDown => "The server is stopping.",
        }
    }
}
