//! The end of the process: what SIGINT and SIGTERM start, in order, within `Limits::shutdown`.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::{info, warn};

use crate::registry::Change;
use crate::shared::Shared;

/// How often it is looked whether the workers are done.
const POLL: Duration = Duration::from_millis(10);

/// SIGINT and SIGTERM.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Catches both from now on.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next of them.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ends all streams: publishers go, workers publish what they have, playlists end, and viewers get
/// one target duration to fetch the last segment.
pub(crate) async fn end_streams(shared: &Shared) {
    let deadline = Instant::now() + shared.limits.shutdown;
    shared.registry().close();
    // Half of the time for the workers, so that the other half is left for viewers.
    let drain_deadline = Instant::now() + shared.limits.shutdown / 2;
    while !shared.registry().is_drained() {
        if Instant::now() >= drain_deadline {
            let says = "Some streams were not finished in time: their last segments are lost.";
            warn!(says, "workers are not done, their last segments are lost");
            break;
        }
        sleep(POLL).await;
    }
    let changes = shared.registry().end_all(shared.clock.now());
    for change in changes {
        if let Change::Over(stream, ending) = change {
            shared.note_over(&stream, ending);
        }
    }
    let target_duration = Duration::from_secs(shared.registry().longest_target_duration_secs());
    if !target_duration.is_zero() {
        let target_duration_secs = target_duration.as_secs();
        let says = format!("Viewers have {target_duration_secs} s to fetch the last segments.");
        info!(target_duration_secs, says, "streams ended, viewers may fetch the last segments");
    }
    let last_viewers = sleep_until(deadline.min(Instant::now() + target_duration));
    let last_events = async {
        if let Some(events) = &shared.events {
            // Whoever is away loses them.
            let _ = timeout_at(deadline, events.finish()).await;
        }
    };
    tokio::join!(last_viewers, last_events);
}
