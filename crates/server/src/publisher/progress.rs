//! How it goes.

use std::time::Duration;

use media::Timestamp;
use rtmp::{MediaKind, Message};

use crate::clock::Moment;

/// How publishing goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Media time sent, from the first sample on.
    pub position: Duration,
    /// Pictures a second, since the last report.
    pub pictures_per_second: f64,
    /// Bits a second, since the last report.
    pub bitrate_bps: f64,
    /// How often the server was lost and found again.
    pub reconnects: u64,
}

/// Counts what is sent.
#[derive(Debug, Default)]
pub(super) struct Meter {
    first: Option<Timestamp>,
    last: Timestamp,
    connections: u64,
    pictures: u64,
    bytes: u64,
    reported: Option<Moment>,
}

impl Meter {
    /// The server takes the stream, at first or again.
    pub(super) fn connected(&mut self) {
        self.connections = self.connections.saturating_add(1);
    }

    /// Whether any sample was sent, on whatever connection.
    pub(super) fn has_sent(&self) -> bool {
        self.first.is_some()
    }

    /// A sample is sent.
    pub(super) fn at(&mut self, sample: &source::Sample) {
        let Some(dts) = sample.dts() else { return };
        self.first.get_or_insert(dts);
        self.last = dts;
        self.pictures += u64::from(matches!(sample, source::Sample::Video { .. }));
    }

    /// A message is sent.
    pub(super) fn sent(&mut self, message: &Message) {
        if message.kind != MediaKind::Script {
            self.bytes += message.payload.len() as u64;
        }
    }

    /// How it went since the last time.
    pub(super) fn tick(&mut self, now: Moment) -> Progress {
        let elapsed = self.reported.replace(now).map_or(0.0, |last| now.since(last).as_secs_f64());
        let rate = |count: u64| if elapsed > 0.0 { count as f64 / elapsed } else { 0.0 };
        let position = (self.last - self.first.unwrap_or(self.last)).as_millis();
        let progress = Progress {
            position: Duration::from_millis(u64::try_from(position).unwrap_or(0)),
            pictures_per_second: rate(self.pictures),
            bitrate_bps: rate(self.bytes.saturating_mul(8)),
            reconnects: self.connections.saturating_sub(1),
        };
        (self.pictures, self.bytes) = (0, 0);
        progress
    }
}
