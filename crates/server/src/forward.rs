//! Forwarding: what a publisher sends goes on to other RTMP servers, as it is.
//!
//! ```text
//! connection of the publisher -> backlog (bounded) -> task (connects, again and again) -> link
//! ```
//!
//! Each forward of each stay has a task and a backlog of its own: one that is slow or away costs
//! neither the publisher nor another forward anything.

mod backlog;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rtmp::{Message, PublishUrl, StreamName};
use tokio::time::{Instant, sleep};
use tracing::{Instrument, Span, info, warn};

use self::backlog::Backlog;
use crate::peer_log::PeerLine;
use crate::publisher::link::{Gone, Link};
use crate::shared::Shared;
use crate::words;

/// The wait before another server is tried again, twice as long each time up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A stay this long ends all earlier trouble.
const SETTLED: Duration = Duration::from_secs(10);

/// A stream that goes on to another server whenever it is live. `Debug` shows no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Which stream.
    pub stream: StreamName,
    /// Where to, as a publisher would be told.
    pub to: PublishUrl,
}

/// The forwards of one publisher's stay. Dropped, they send what waits, say goodbye, and end.
#[derive(Debug)]
pub(crate) struct Forwards {
    backlogs: Vec<Arc<Backlog>>,
    shared: Arc<Shared>,
}

impl Forwards {
    /// Starts those that are configured for the stream; `publisher` is whose stay it is, and its
    /// lines in the log. To be called inside the runtime.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        stream: &StreamName,
        publisher: IpAddr,
        span: &Span,
    ) -> Self {
        let configured = shared.forwards.iter().filter(|forward| forward.stream == *stream);
        let start = |forward: &Forward| {
            let backlog = Arc::new(Backlog::new(&shared.limits));
            let forwarder = Forwarder {
                stream: stream.clone(),
                to: forward.to.clone(),
                backlog: Arc::clone(&backlog),
                publisher,
                shared: Arc::clone(shared),
            };
            tokio::spawn(forwarder.run().instrument(span.clone()));
            backlog
        };
        Self { backlogs: configured.map(start).collect(), shared: Arc::clone(shared) }
    }

    /// Gives a message to all of them, without waiting for anybody.
    pub(crate) fn push(&self, message: &Message) {
        for backlog in &self.backlogs {
            let dropped = backlog.push(message);
            self.shared.metrics.forward_dropped_messages.add(dropped);
        }
    }
}

impl Drop for Forwards {
    fn drop(&mut self) {
        self.backlogs.iter().for_each(|backlog| backlog.end());
    }
}

struct Forwarder {
    stream: StreamName,
    to: PublishUrl,
    backlog: Arc<Backlog>,
    publisher: IpAddr,
    shared: Arc<Shared>,
}

impl Forwarder {
    async fn run(self) {
        let mut wait = FIRST_WAIT;
        loop {
            let opened = tokio::select! {
                opened = Link::open(&self.to, &self.shared.tls_client) => opened,
                () = self.backlog.ended() => return,
            };
            let began = Instant::now();
            let gone = match opened {
                Ok(link) => match self.send_all(link).await {
                    Some(gone) => gone,
                    None => return,
                },
                Err(gone) => gone,
            };
            self.backlog.stop();
            self.shared.metrics.forward_failures.add(1);
            if began.elapsed() >= SETTLED {
                wait = FIRST_WAIT;
            }
            if let Some(held_back) = self.shared.admit_line(PeerLine::Forward, self.publisher) {
                let (to, again_s) = (&self.to, wait.as_secs());
                let says = format!(
                    "{}: it does not go on to {to}, tried again in {}: {gone}.",
                    self.stream,
                    words::time(wait)
                );
                warn!(%to, reason = %gone, again_s, held_back, says, "forward interrupted");
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = self.backlog.ended() => return,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Sends until the publisher is gone (`None`), or the other server.
    async fn send_all(&self, mut link: Link) -> Option<Gone> {
        self.shared.metrics.forward_connections.add(1);
        if let Some(held_back) = self.shared.admit_line(PeerLine::Forward, self.publisher) {
            let says = format!("{}: it goes on to {}.", self.stream, self.to);
            info!(to = %self.to, held_back, says, "forwarding");
        }
        self.backlog.resume();
        let mut first_ms = None;
        loop {
            let next = tokio::select! {
                next = self.backlog.next() => next,
                gone = link.listen() => return Some(gone),
            };
            let Some(message) = next else {
                link.close().await;
                return None;
            };
            // As encoders do, each connection begins at 0.
            let first_ms = *first_ms.get_or_insert(message.timestamp_ms);
            let timestamp_ms = behind(first_ms, message.timestamp_ms);
            self.shared.metrics.forward_sent_bytes.add(message.payload.len() as u64);
            if let Err(gone) = link.queue(Message { timestamp_ms, ..message }) {
                return Some(gone);
            }
            if let Err(gone) = link.transmit().await {
                return Some(gone);
            }
        }
    }
}

/// How much later a timestamp is, which wraps at 2^32 ms as RTMP's do. Sound may be stamped a
/// little earlier than the key picture before it: that is 0.
fn behind(first_ms: u32, timestamp_ms: u32) -> u32 {
    let behind = timestamp_ms.wrapping_sub(first_ms);
    // What is more than half of all numbers away is earlier (RFC 1982).
    if behind > u32::MAX / 2 { 0 } else { behind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_begin_at_0_and_wrap_as_rtmp_s_do() {
        assert_eq!(behind(100, 100), 0);
        assert_eq!(behind(100, 140), 40);
        assert_eq!(behind(100, 90), 0, "sound that is a little earlier");
        assert_eq!(behind(u32::MAX - 9, 30), 40);
    }
}
