//! One publisher's stay: what its connection, its workers and the registry share.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rtmp::StreamKey;
use tokio::sync::watch;

use crate::clock::Moment;
use crate::events::Story;
use crate::sync::Latch;

/// Why a publisher's connection is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Another publisher took the name over.
    Replaced,
    /// The operator asked for it.
    Kicked,
    /// The video is of a codec that is not taken.
    VideoCodec,
    /// It changes so often that its segments are too short.
    ShortSegments,
    /// A worker thread panicked.
    WorkerFailed,
    /// It had sent no media when somebody else needed the place.
    MadeRoom,
    /// The process ends.
    ShuttingDown,
}

impl StopReason {
    /// The reason as a log field.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replaced => "replaced by another publisher",
            Self::Kicked => "kicked by the operator",
            Self::VideoCodec => "video codec not taken",
            Self::ShortSegments => "segments too short again and again",
            Self::WorkerFailed => "internal error",
            Self::MadeRoom => "sent no audio and no video while others needed the place",
            Self::ShuttingDown => "server is stopping",
        }
    }
}

/// How a publisher left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It said that it stops, or was told to: that is the end, unless it is back in a moment, as an
    /// encoder is whose settings are changed.
    Stopped,
    /// Its connection is gone, or was silent for too long: it may come back.
    Vanished,
}

/// One publisher from its accepted publish command until its workers have published its last
/// segment.
#[derive(Debug)]
pub struct Session {
    id: u64,
    peer: SocketAddr,
    key: Option<StreamKey>,
    since: Moment,
    silent_ms: AtomicU64,
    received_bytes: AtomicU64,
    video_messages: AtomicU64,
    waiting_messages: AtomicU64,
    has_sent_media: AtomicBool,
    /// Uptime in ms from which on what waits for the transcoder is given up; `u64::MAX` while the
    /// publisher is there.
    backlog_ends_uptime_ms: AtomicU64,
    stop: watch::Sender<Option<StopReason>>,
    drained: Latch,
    story: Mutex<Story>,
}

impl Session {
    /// A session that starts now; `id` is unique in the process.
    #[must_use]
    pub fn new(id: u64, peer: SocketAddr, key: Option<StreamKey>, now: Moment) -> Self {
        Self {
            id,
            peer,
            key,
            since: now,
            silent_ms: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            video_messages: AtomicU64::new(0),
            waiting_messages: AtomicU64::new(0),
            has_sent_media: AtomicBool::new(false),
            backlog_ends_uptime_ms: AtomicU64::new(u64::MAX),
            stop: watch::Sender::new(None),
            drained: Latch::default(),
            story: Mutex::default(),
        }
    }

    /// The connection received `bytes`.
    pub fn heard(&self, bytes: usize) {
        self.silent_ms.store(0, Ordering::Relaxed);
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The connection has looked again and again, and nothing came since then. Not to be told of
    /// time in which it did not look.
    pub fn heard_nothing(&self, silent: Duration) {
        let silent_ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
        self.silent_ms.store(silent_ms, Ordering::Relaxed);
    }

    /// The ingest thread takes a message of video.
    pub(crate) fn take_video(&self) {
        self.video_messages.fetch_add(1, Ordering::Relaxed);
    }

    /// So many messages wait for the ingest thread.
    pub(crate) fn note_waiting(&self, messages: usize) {
        self.waiting_messages.store(messages as u64, Ordering::Relaxed);
    }

    /// Audio or video has come.
    pub fn heard_media(&self) {
        self.has_sent_media.store(true, Ordering::Relaxed);
    }

    /// Asks the connection to end; the first reason stays.
    pub fn stop(&self, reason: StopReason) {
        self.stop.send_if_modified(|current| {
            let first = current.is_none();
            current.get_or_insert(reason);
            first
        });
    }

    /// The publisher is gone, or has to go: what waits for the transcoder is worked off until then,
    /// the rest is given up. The earliest moment stays.
    pub fn end_backlog(&self, at: Moment) {
        self.backlog_ends_uptime_ms.fetch_min(whole_ms(at.uptime), Ordering::Relaxed);
    }

    /// Whether what waits for the transcoder is given up by now.
    #[must_use]
    pub fn has_given_up_backlog(&self, uptime: Duration) -> bool {
        whole_ms(uptime) >= self.backlog_ends_uptime_ms.load(Ordering::Relaxed)
    }

    /// Whether that was so this long ago.
    pub(crate) fn has_long_given_up_backlog(&self, uptime: Duration, time: Duration) -> bool {
        self.has_given_up_backlog(uptime.saturating_sub(time))
    }

    /// The workers are done: nothing more is published for this session.
    pub fn set_drained(&self) {
        self.drained.open();
    }

    /// Blocks until [`set_drained`](Self::set_drained). For worker threads.
    pub fn wait_drained(&self) {
        self.drained.wait();
    }

    /// What the connection waits with: it resolves when the session is asked to end.
    #[must_use]
    pub fn stop_signal(&self) -> StopSignal {
        StopSignal(self.stop.subscribe())
    }

    /// Unique in the process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The publisher's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The key that the publisher came with; none where it is empty.
    pub(crate) fn key(&self) -> Option<&StreamKey> {
        self.key.as_ref().filter(|key| !key.is_empty())
    }

    /// When publishing started.
    #[must_use]
    pub fn since(&self) -> Moment {
        self.since
    }

    /// Whether audio or video has come.
    #[must_use]
    pub fn has_sent_media(&self) -> bool {
        self.has_sent_media.load(Ordering::Relaxed)
    }

    /// Whether [`stop`](Self::stop) was called.
    #[must_use]
    pub fn is_asked_to_stop(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// What was told of it.
    pub(crate) fn story(&self) -> &Mutex<Story> {
        &self.story
    }

    /// Why [`stop`](Self::stop) was called, where it was.
    #[must_use]
    pub(crate) fn stop_reason(&self) -> Option<StopReason> {
        *self.stop.borrow()
    }

    /// Bytes received from the publisher.
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    /// Messages of video that were taken: pictures, and now and then their parameters.
    pub(crate) fn video_messages(&self) -> u64 {
        self.video_messages.load(Ordering::Relaxed)
    }

    /// Messages that wait for the ingest thread.
    pub(crate) fn waiting_messages(&self) -> u64 {
        self.waiting_messages.load(Ordering::Relaxed)
    }

    /// Milliseconds for which nothing has come, as far as the connection has looked.
    #[must_use]
    pub fn silent_ms(&self) -> u64 {
        self.silent_ms.load(Ordering::Relaxed)
    }

    /// Whether `key` is the non-empty key this publisher came with. Compared in constant time.
    #[must_use]
    pub fn has_key(&self, key: Option<&StreamKey>) -> bool {
        self.key.as_ref().is_some_and(|own| !own.is_empty() && Some(own) == key)
    }

    /// Whether the workers are done.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.drained.is_open()
    }
}

/// Uptime for an atomic.
fn whole_ms(uptime: Duration) -> u64 {
    u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX)
}

/// A connection's ear for [`Session::stop`].
#[derive(Debug)]
pub struct StopSignal(watch::Receiver<Option<StopReason>>);

impl StopSignal {
    /// Waits until the session is asked to end. Cancel safe.
    pub async fn received(&mut self) -> StopReason {
        let reason = self.0.wait_for(Option::is_some).await.ok().and_then(|reason| *reason);
        match reason {
            Some(reason) => reason,
            // Nobody is left to ask.
            None => std::future::pending().await,
        }
    }
}
