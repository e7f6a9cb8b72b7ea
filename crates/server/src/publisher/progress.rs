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
    /// How late samples were sent at most, since the last report: the link, or what makes them,
    /// is slower than real time where this grows.
    pub behind: Duration,
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
    behind: Duration,
    reported: Option<Moment>,
}

impl Meter {
    /// The server takes the stream, at first or again.
    pub(super) fn connected(&mut self) {
        self.connections = self.connections.saturating_add(1);
    }

    /// What comes from here on is of the next report.
    pub(super) fn start(&mut self, now: Moment) {
        self.reported.get_or_insert(now);
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

    /// What is due next is late by this much, so far.
    pub(super) fn note_behind(&mut self, behind: Duration) {
        self.behind = self.behind.max(behind);
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
            behind: std::mem::take(&mut self.behind),
            reconnects: self.connections.saturating_sub(1),
        };
        (self.pictures, self.bytes) = (0, 0);
        progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_lateness_are_those_since_the_last_report() {
        let at = |secs| Moment { uptime: Duration::from_secs(secs), unix_ms: 0 };
        let picture = |secs: i64| {
            let dts = Timestamp::from_ticks(secs * 90_000);
            source::Sample::Video { dts, pts: dts, key: true, data: bytes::Bytes::new() }
        };
        let mut meter = Meter::default();
        meter.connected();
        meter.start(at(100));
        for secs in [7, 8, 9] {
            let payload = bytes::Bytes::from_static(&[0; 250]);
            meter.sent(&Message { kind: MediaKind::Video, timestamp_ms: 0, payload });
            meter.at(&picture(secs));
        }
        meter.note_behind(Duration::from_millis(300));
        meter.note_behind(Duration::from_millis(100));
        let progress = meter.tick(at(103));
        assert_eq!((progress.position, progress.reconnects), (Duration::from_secs(2), 0));
        assert_eq!((progress.pictures_per_second, progress.bitrate_bps), (1.0, 2000.0));
        assert_eq!(progress.behind, Duration::from_millis(300));
        meter.connected();
        let progress = meter.tick(at(104));
        assert_eq!((progress.pictures_per_second, progress.bitrate_bps), (0.0, 0.0));
        assert_eq!((progress.behind, progress.reconnects), (Duration::ZERO, 1));
    }
}
