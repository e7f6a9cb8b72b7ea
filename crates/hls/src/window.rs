//! One rendition's sliding window of segments.

use std::collections::VecDeque;

use bytes::Bytes;
use media::Duration;

use crate::bandwidth::BandwidthMeter;
use crate::media_playlist::{Entry, MediaPlaylist};
use crate::{Body, Snapshot};

const TICKS_PER_MS: u64 = 90;

/// A segment without, or with hardly any, duration ages removed ones by this much all the same: it bounds how many
/// can be kept.
const LEAST_AGEING: Duration = Duration::from_millis(100);

/// A window keeps this many bytes: past it removed segments go before their time, then listed ones but the last
/// [`LEAST_LISTED`]. 13 segments of 2 s at 40 Mbit/s fit.
const MAX_BYTES: usize = 128 * 1024 * 1024;

/// What stays listed whatever its size: less is no playlist to follow.
const LEAST_LISTED: usize = 3;

/// A finished media segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// How long it plays (`EXTINF`).
    pub duration: Duration,
    /// Timestamps, parameters or tracks do not go on from the segment before it (`EXT-X-DISCONTINUITY`).
    pub discontinuity: bool,
    /// Wall-clock time of its first picture, milliseconds since 1970 (`EXT-X-PROGRAM-DATE-TIME`).
    pub start_unix_ms: i64,
    /// The transport stream.
    pub data: Bytes,
}

/// What a window is made with.
#[derive(Clone, Debug)]
pub struct WindowConfig {
    /// Goes before `N.ts` in segment URIs: `/stream/NAME/RENDITION/`.
    pub uri_prefix: String,
    /// How many segments the playlist lists once there are as many; at least 1.
    pub listed: usize,
    /// The number of the first segment.
    pub first_sequence: u64,
    /// BANDWIDTH is never less than this, in bits per second: what an encoder's cap allows it to become.
    pub min_bandwidth_bps: u64,
}

/// One rendition's segments: those that its playlist lists, and those removed from it that are still fetchable.
///
/// It numbers segments contiguously. A removed segment stays for as long as it and the longest playlist that listed
/// it play, and for one more push than the playlist lists segments (RFC 8216 6.2.2).
///
/// **After every change, take a [`snapshot`](Self::snapshot); readers see nothing else.**
#[derive(Debug)]
pub struct Window {
    config: WindowConfig,
    target_duration_secs: u64,
    independent: bool,
    ended: bool,
    next_sequence: u64,
    discontinuity_sequence: u64,
    removed: VecDeque<Removed>,
    listed: VecDeque<Listed>,
    bandwidth: BandwidthMeter,
}

#[derive(Debug)]
struct Listed {
    segment: Segment,
    /// Playing time of the longest playlist it was in.
    longest_playlist: Duration,
}

/// A segment that is not listed any more.
#[derive(Debug)]
struct Removed {
    data: Bytes,
    /// Pushes it has still to survive.
    pushes: usize,
    /// Media time that has still to be pushed before it may go.
    media: Duration,
}

impl Window {
    /// An empty window with a target duration of 1 s, segments taken to be independent.
    #[must_use]
    pub fn new(config: WindowConfig) -> Self {
        let config = WindowConfig { listed: config.listed.max(1), ..config };
        Self {
            next_sequence: config.first_sequence,
            config,
            target_duration_secs: 1,
            independent: true,
            ended: false,
            discontinuity_sequence: 0,
            removed: VecDeque::new(),
            listed: VecDeque::new(),
            bandwidth: BandwidthMeter::default(),
        }
    }

    /// Sets `EXT-X-TARGETDURATION`, in seconds: to be decided before the first segment, as players do not expect it
    /// to change (RFC 8216 6.2.1). It can only grow; a smaller one is ignored.
    pub fn set_target_duration(&mut self, secs: u64) {
        if secs > self.target_duration_secs {
            self.target_duration_secs = secs;
            self.bandwidth.measure(secs);
        }
    }

    /// Whether every segment starts with an IDR (`EXT-X-INDEPENDENT-SEGMENTS`, RFC 8216 4.3.5.1).
    pub fn set_independent(&mut self, independent: bool) {
        self.independent = independent;
    }

    /// Adds a segment and returns its number.
    ///
    /// A negative duration counts as none. One that, rounded, is over the target duration raises it: RFC 8216 allows neither (4.3.3.1, 6.2.1),
    /// but players take a late reload better than a segment that is longer than promised.
    pub fn push(&mut self, segment: Segment) -> u64 {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let segment = Segment { duration: segment.duration.max(Duration::ZERO), ..segment };
        self.admit(&segment);
        self.age_removed(segment.duration);
        self.listed.push_back(Listed { segment, longest_playlist: Duration::ZERO });
        while self.listed.len() > self.config.listed {
            self.remove_oldest();
        }
        self.enforce_bytes();
        self.note_playlist();
        sequence
    }

    /// The stream has ended: `EXT-X-ENDLIST` (RFC 8216 4.3.3.4).
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// The publisher is back: no `EXT-X-ENDLIST`, numbering goes on.
    pub fn reopen(&mut self) {
        self.ended = false;
    }

    /// The number that the next segment gets.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// What readers see from now on; none before the first segment, as a playlist needs one.
    ///
    /// Costs rendering and compressing one playlist; segments are shared, not copied.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        if self.listed.is_empty() {
            return None;
        }
        let removed = self.removed.iter().map(|removed| &removed.data);
        let listed = self.listed.iter().map(|listed| &listed.segment.data);
        Some(Snapshot {
            playlist: Body::new(self.render()),
            bandwidth_bps: self.bandwidth.peak_bps().max(self.config.min_bandwidth_bps),
            average_bandwidth_bps: self.bandwidth.average_bps(),
            target_duration_secs: self.target_duration_secs,
            independent: self.independent,
            ended: self.ended,
            first_fetchable: self.media_sequence() - self.removed.len() as u64,
            segments: removed.chain(listed).cloned().collect(),
        })
    }

    fn media_sequence(&self) -> u64 {
        self.next_sequence - self.listed.len() as u64
    }

    fn render(&self) -> String {
        let playlist = MediaPlaylist {
            independent: self.independent,
            target_duration_secs: self.target_duration_secs,
            media_sequence: self.media_sequence(),
            discontinuity_sequence: self.discontinuity_sequence,
            uri_prefix: &self.config.uri_prefix,
            ended: self.ended,
        };
        playlist.render(self.listed.iter().map(|Listed { segment, .. }| Entry {
            discontinuity: segment.discontinuity,
            start_unix_ms: segment.start_unix_ms,
            duration_ms: rounded_ms(segment.duration),
        }))
    }

    fn admit(&mut self, segment: &Segment) {
        let rounded_secs = (rounded_ms(segment.duration) + 500) / 1000;
        if rounded_secs > self.target_duration_secs {
            // Up, as the first one is: the next segments will hardly be shorter.
            self.target_duration_secs = segment.duration.ceil_secs().max(rounded_secs);
        }
        self.bandwidth.push(segment.data.len(), segment.duration, self.target_duration_secs);
    }

    fn enforce_bytes(&mut self) {
        while self.bytes() > MAX_BYTES {
            if self.removed.pop_front().is_none() {
                if self.listed.len() <= LEAST_LISTED {
                    return;
                }
                self.remove_oldest();
            }
        }
    }

    fn bytes(&self) -> usize {
        let removed = self.removed.iter().map(|removed| removed.data.len());
        let listed = self.listed.iter().map(|listed| listed.segment.data.len());
        removed.chain(listed).sum()
    }

    fn remove_oldest(&mut self) {
        let Some(Listed { segment, longest_playlist }) = self.listed.pop_front() else { return };
        // The tag goes with its segment (RFC 8216 6.2.2).
        self.discontinuity_sequence += u64::from(segment.discontinuity);
        self.removed.push_back(Removed {
            data: segment.data,
            pushes: self.config.listed + 1,
            media: segment.duration + longest_playlist,
        });
    }

    fn age_removed(&mut self, pushed: Duration) {
        while self.removed.front().is_some_and(Removed::is_over) {
            self.removed.pop_front();
        }
        let age = pushed.max(LEAST_AGEING);
        for removed in &mut self.removed {
            removed.pushes = removed.pushes.saturating_sub(1);
            removed.media = removed.media - age;
        }
    }

    fn note_playlist(&mut self) {
        let playing =
            self.listed.iter().fold(Duration::ZERO, |sum, listed| sum + listed.segment.duration);
        for listed in &mut self.listed {
            listed.longest_playlist = listed.longest_playlist.max(playing);
        }
    }
}

impl Removed {
    fn is_over(&self) -> bool {
        self.pushes == 0 && self.media <= Duration::ZERO
    }
}

/// Whole milliseconds, rounded: what EXTINF says.
fn rounded_ms(duration: Duration) -> u64 {
    (duration.ticks().max(0) as u64 + TICKS_PER_MS / 2) / TICKS_PER_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_segments_are_kept_to_a_number_of_bytes() {
        let uri_prefix = "/".into();
        let mut window = Window::new(WindowConfig {
            uri_prefix,
            listed: 6,
            first_sequence: 0,
            min_bandwidth_bps: 0,
        });
        let data = Bytes::from(vec![0; 32 << 20]);
        for _ in 0..40 {
            let duration = Duration::from_millis(1);
            let data = data.clone();
            window.push(Segment { duration, discontinuity: false, start_unix_ms: 0, data });
            assert!(window.bytes() <= MAX_BYTES);
        }
        assert_eq!(window.listed.len(), 4);
        assert!(window.snapshot().is_some_and(|snapshot| snapshot.segment(39).is_some()));
    }

    #[test]
    fn durations_without_sense_do_no_harm() {
        let uri_prefix = "/".into();
        let mut window = Window::new(WindowConfig {
            uri_prefix,
            listed: 2,
            first_sequence: 0,
            min_bandwidth_bps: 0,
        });
        for ticks in [-1, i64::MIN, 0, i64::MAX, i64::MAX] {
            let duration = Duration::from_ticks(ticks);
            window.push(Segment {
                duration,
                discontinuity: false,
                start_unix_ms: i64::MAX,
                data: Bytes::new(),
            });
        }
        assert!(window.snapshot().is_some_and(|snapshot| snapshot.segment(4).is_some()));
    }
}
