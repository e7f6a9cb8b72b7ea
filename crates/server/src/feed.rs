//! The bounded queue from a connection to its ingest thread: when it is full the socket is not
//! read, so TCP pushes back on the publisher.

use std::sync::Arc;

use bytes::Bytes;
use flv::TagKind;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::clock::Moment;
use crate::limits::Limits;

/// One media message on its way to the ingest thread.
#[derive(Debug)]
pub(crate) struct Fed {
    pub(crate) kind: TagKind,
    pub(crate) timestamp_ms: u32,
    pub(crate) payload: Bytes,
    pub(crate) arrival: Moment,
}

/// Nothing comes of the publisher, and its playlists stand still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Absence {
    /// When the last message came.
    pub(crate) since: Moment,
    pub(crate) now: Moment,
}

/// What the ingest thread takes.
#[derive(Debug)]
pub(crate) enum Feed {
    Message(Fed),
    Absence(Absence),
}

/// The connection's end. Dropping it ends the stream: the worker drains what is queued.
#[derive(Debug)]
pub(crate) struct FeedSender {
    messages: mpsc::Sender<(Feed, Option<OwnedSemaphorePermit>)>,
    room: Arc<Semaphore>,
    max_bytes: u32,
}

/// The worker's end.
#[derive(Debug)]
pub(crate) struct FeedReceiver {
    messages: mpsc::Receiver<(Feed, Option<OwnedSemaphorePermit>)>,
}

/// The worker is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkerGone;

pub(crate) fn feed(limits: &Limits) -> (FeedSender, FeedReceiver) {
    let (sender, receiver) = mpsc::channel(limits.feed_messages);
    let max_bytes = u32::try_from(limits.feed_bytes).unwrap_or(u32::MAX);
    let room = Arc::new(Semaphore::new(max_bytes as usize));
    (FeedSender { messages: sender, room, max_bytes }, FeedReceiver { messages: receiver })
}

impl FeedSender {
    /// Queues a message, waiting for room. Cancel safe: a cancelled message is not queued.
    pub(crate) async fn send(&self, fed: Fed) -> Result<(), WorkerGone> {
        // A message larger than the whole queue waits until the queue is empty.
        let bytes = u32::try_from(fed.payload.len())
            .map_or(self.max_bytes, |bytes| bytes.min(self.max_bytes));
        let permit =
            Arc::clone(&self.room).acquire_many_owned(bytes).await.map_err(|_| WorkerGone)?;
        self.messages.send((Feed::Message(fed), Some(permit))).await.map_err(|_| WorkerGone)
    }

    /// Tells that nothing comes. Where messages wait for the worker, something has.
    pub(crate) fn tell_absence(&self, absence: Absence) {
        if self.messages.capacity() == self.messages.max_capacity() {
            // A worker that is gone has no use for it.
            let _ = self.messages.try_send((Feed::Absence(absence), None));
        }
    }
}

impl FeedReceiver {
    /// The next message; None when the sender is gone and everything was taken. Blocks: for worker
    /// threads.
    pub(crate) fn receive(&mut self) -> Option<Feed> {
        loop {
            // The room is free again as soon as the worker has the message.
            let (fed, _permit) = self.messages.blocking_recv()?;
            // An absence that is over when the worker hears of it was none.
            if matches!(fed, Feed::Message(_)) || self.messages.is_empty() {
                return Some(fed);
            }
        }
    }

    /// How many messages wait.
    pub(crate) fn waiting(&self) -> usize {
        self.messages.len()
    }
}

impl Drop for FeedReceiver {
    fn drop(&mut self) {
        // Queued messages hold permits: a sender that waits for room must see that the worker is
        // gone.
        self.messages.close();
        while self.messages.try_recv().is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    const MOMENT: Moment = Moment { uptime: std::time::Duration::ZERO, unix_ms: 0 };

    fn message(bytes: usize) -> Fed {
        Fed {
            kind: TagKind::Video,
            timestamp_ms: 0,
            payload: vec![0; bytes].into(),
            arrival: MOMENT,
        }
    }

    /// Whether the send is done without waiting.
    fn sends_at_once(sender: &FeedSender, bytes: usize) -> bool {
        pin!(sender.send(message(bytes))).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_sender_waits_when_the_messages_are_full() {
        let (sender, mut receiver) = feed(&Limits::default());
        assert_eq!((0..100).filter(|_| sends_at_once(&sender, 1)).count(), 64);
        assert!(receiver.receive().is_some());
        assert!(sends_at_once(&sender, 1) && !sends_at_once(&sender, 1));
    }

    #[test]
    fn the_sender_waits_when_the_bytes_are_full() {
        let (sender, mut receiver) = feed(&Limits::default());
        assert!(sends_at_once(&sender, 8 << 20) && !sends_at_once(&sender, 1));
        let received = receiver.receive();
        assert!(
            matches!(received, Some(Feed::Message(Fed { payload, .. })) if payload.len() == 8 << 20)
        );
        assert!(
            sends_at_once(&sender, 9 << 20),
            "larger than the queue: it goes when the queue is empty"
        );
    }

    #[test]
    fn a_sender_that_waits_sees_the_worker_go() {
        let (sender, receiver) = feed(&Limits::default());
        assert!(sends_at_once(&sender, 8 << 20));
        let mut waiting = pin!(sender.send(message(1)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        drop(receiver);
        assert_eq!(waiting.poll(&mut context), std::task::Poll::Ready(Err(WorkerGone)));
    }

    #[test]
    fn an_absence_is_told_where_nothing_waits_and_heard_where_nothing_has_come_since() {
        let absence = Absence { since: MOMENT, now: MOMENT };
        let is_absence = |fed| matches!(fed, Some(Feed::Absence(told)) if told == absence);
        let (sender, mut receiver) = feed(&Limits::default());
        sender.tell_absence(absence);
        assert!(is_absence(receiver.receive()));
        assert!(sends_at_once(&sender, 1));
        sender.tell_absence(absence);
        assert!(matches!(receiver.receive(), Some(Feed::Message(_))));
        sender.tell_absence(absence);
        assert!(sends_at_once(&sender, 1));
        assert!(matches!(receiver.receive(), Some(Feed::Message(_))), "it is over");
        drop(sender);
        assert!(receiver.receive().is_none());
    }

    #[test]
    fn everything_queued_is_drained_after_the_sender_is_gone() {
        let (sender, mut receiver) = feed(&Limits::default());
        assert!(sends_at_once(&sender, 3));
        drop(sender);
        assert!(receiver.receive().is_some());
        assert!(receiver.receive().is_none());
    }
}
