use bytes::Bytes;

use crate::{PublishQuery, StreamKey, StreamName};

/// What a publisher does, as far as the application must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It wants to publish: answer by [`accept_publish`](crate::Connection::accept_publish) or
    /// [`reject_publish`](crate::Connection::reject_publish). Nothing else happens before the
    /// answer, and no other request comes before [`Event::Unpublish`].
    PublishRequested(PublishRequest),
    /// Audio, video or metadata; only between an accepted publish and [`Event::Unpublish`].
    Media(Message),
    /// It says that it is done, and may ask to publish again. A connection that just ends does not
    /// say it.
    Unpublish,
}

/// Under which name someone wants to publish, by the table in the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishRequest {
    /// `None`: the URL names nothing, the application makes up a name.
    pub name: Option<StreamName>,
    /// What the publisher shows as permission, if anything.
    pub key: Option<StreamKey>,
    /// The URL's query.
    pub query: PublishQuery,
}

/// One FLV tag's worth of stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Which kind of FLV tag.
    pub kind: MediaKind,
    /// Milliseconds as the publisher counts them; wraps at 2^32.
    pub timestamp_ms: u32,
    /// The FLV tag's body, untouched and never empty. Script data still has its `@setDataFrame`.
    pub payload: Bytes,
}

/// The kinds of FLV tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// FLV AUDIODATA.
    Audio,
    /// FLV VIDEODATA.
    Video,
    /// FLV SCRIPTDATA: AMF0 values, of which onMetaData is one kind.
    Script,
}
