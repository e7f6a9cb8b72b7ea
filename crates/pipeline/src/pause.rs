//! A track whose clock stood still while it paused.

use std::collections::VecDeque;

use bytes::Bytes;
use flv::TagKind;
use media::Duration;

use crate::source_segment::SAMPLE_COST;

/// A track that sends nothing while the other one goes on for this long has paused, or is late.
const LEAST_PAUSE_MS: i32 = 1_000;

/// Further apart audio and video are moved together whatever the reason (`Timeline`).
const MOST_MISSING_MS: i32 = 5_000;

/// Who is late catches up in this much of the other track.
const WATCHED_MS: i32 = 500;

/// By at least this much in that time.
const CATCHES_UP_MS: i32 = 100;

/// So many messages without one of the other track between them are what was late, all at once.
const MAX_HELD: usize = 64;

/// Bytes of such messages: half a second of pictures at 100 Mbit/s has fewer.
const MAX_HELD_BYTES: usize = 8 * 1024 * 1024;

/// A message of one track.
#[derive(Clone, Debug)]
pub(crate) struct TrackMessage {
    /// Audio or video.
    pub(crate) track: TagKind,
    /// When it was sent, moved by as much as its track has paused.
    pub(crate) timestamp_ms: u32,
    pub(crate) body: Bytes,
    pub(crate) arrival_unix_ms: i64,
}

/// What comes of the messages.
#[derive(Clone, Debug)]
pub(crate) enum Flow {
    Message(TrackMessage),
    /// A track has paused, and its clock with it: it is moved up by this much from here on.
    Moved(Duration),
}

/// Moves a track up that stood still in arrival while the other went on, and then goes on with
/// stamps as if it had not: phones during a call.
///
/// It works by the order of arrival alone. The messages behind such a gap wait for half a second of
/// the other track: what was only late catches up in that time, and keeps its stamps. No other
/// message waits.
///
/// After every call, drain [`poll`](Self::poll) to None.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    audio: Track,
    video: Track,
    ready: VecDeque<Flow>,
}

#[derive(Debug, Default)]
struct Track {
    newest: Option<Place>,
    /// Where the other track was when that came.
    other: Option<Place>,
    moved_ms: u32,
    watch: Option<Watch>,
}

/// Where a track is.
#[derive(Clone, Copy, Debug)]
struct Place {
    stamp_ms: u32,
    /// The steps that led there, but for those that are jumps: how long it has gone on.
    progress_ms: u32,
}

/// What has come behind a gap.
#[derive(Debug)]
struct Watch {
    /// How far this track was behind the other before it.
    behind_ms: i32,
    /// How much further behind it is since, when it was last looked at.
    missing_ms: i32,
    /// Where the other track was then.
    since_ms: u32,
    held: VecDeque<TrackMessage>,
    held_bytes: usize,
}

impl Pauses {
    /// Takes the next message.
    pub(crate) fn push(&mut self, mut message: TrackMessage) {
        let (own, other) = match message.track {
            TagKind::Video => (&mut self.video, &mut self.audio),
            _ => (&mut self.audio, &mut self.video),
        };
        if !is_sequence_header(message.track, &message.body) {
            message.timestamp_ms = message.timestamp_ms.wrapping_add(own.moved_ms);
            own.note(message.timestamp_ms, other.newest);
        }
        match &mut own.watch {
            Some(watch) => {
                watch.held_bytes += message.body.len();
                watch.held.push_back(message);
                if watch.held.len() > MAX_HELD || watch.held_bytes > MAX_HELD_BYTES {
                    own.release(&mut self.ready);
                }
            }
            None => self.ready.push_back(Flow::Message(message)),
        }
        if let Some(now) = own.newest {
            other.decide(now.stamp_ms, &mut self.ready);
        }
    }

    /// No more messages come.
    pub(crate) fn finish(&mut self) {
        self.video.release(&mut self.ready);
        self.audio.release(&mut self.ready);
    }

    /// What the messages that wait take, and those that nobody takes behind the end of a stay.
    pub(crate) fn held_bytes(&self) -> usize {
        let watches = [&self.audio, &self.video].into_iter().flat_map(|track| &track.watch);
        let waiting = watches.map(|watch| watch.held_bytes + watch.held.len() * SAMPLE_COST);
        let ready = self.ready.iter().map(|flow| match flow {
            Flow::Message(message) => SAMPLE_COST + message.body.len(),
            Flow::Moved(_) => 0,
        });
        waiting.chain(ready).sum()
    }

    /// The next message, in the order of arrival but for those that wait.
    pub(crate) fn poll(&mut self) -> Option<Flow> {
        self.ready.pop_front()
    }
}

impl Track {
    /// Notes a message, and where the other track is.
    fn note(&mut self, stamp_ms: u32, other: Option<Place>) {
        let step_ms = self.newest.map_or(0, |newest| apart(stamp_ms, newest.stamp_ms));
        if self.watch.is_none()
            && let (Some(newest), Some(then), Some(now)) = (self.newest, self.other, other)
        {
            let went_on_ms = apart(now.progress_ms, then.progress_ms);
            let missing_ms = went_on_ms.saturating_sub(step_ms);
            // What came too early, or has been moved, is not behind now.
            let has_paused = apart(now.stamp_ms, stamp_ms) >= LEAST_PAUSE_MS
                && went_on_ms >= LEAST_PAUSE_MS
                && (LEAST_PAUSE_MS..=MOST_MISSING_MS).contains(&missing_ms);
            if has_paused {
                self.watch = Some(Watch {
                    behind_ms: apart(then.stamp_ms, newest.stamp_ms),
                    missing_ms,
                    since_ms: now.stamp_ms,
                    held: VecDeque::new(),
                    held_bytes: 0,
                });
            }
        }
        let is_step = (1..=LEAST_PAUSE_MS).contains(&step_ms);
        let before_ms = self.newest.map_or(0, |newest| newest.progress_ms);
        let progress_ms = before_ms.wrapping_add(if is_step { step_ms.unsigned_abs() } else { 0 });
        self.newest = Some(Place { stamp_ms, progress_ms });
        self.other = other;
    }

    /// The other track is at `other_ms` now: whether this one has paused, or was late.
    fn decide(&mut self, other_ms: u32, ready: &mut VecDeque<Flow>) {
        let (Some(watch), Some(newest)) = (&mut self.watch, &mut self.newest) else { return };
        let missing_ms = apart(other_ms, newest.stamp_ms).saturating_sub(watch.behind_ms);
        if !(LEAST_PAUSE_MS / 2..=MOST_MISSING_MS).contains(&missing_ms) {
            return self.release(ready);
        }
        if apart(other_ms, watch.since_ms) < WATCHED_MS {
            return;
        }
        if watch.missing_ms.saturating_sub(missing_ms) < CATCHES_UP_MS {
            let by_ms = missing_ms.unsigned_abs();
            self.moved_ms = self.moved_ms.wrapping_add(by_ms);
            newest.stamp_ms = newest.stamp_ms.wrapping_add(by_ms);
            for message in &mut watch.held {
                message.timestamp_ms = message.timestamp_ms.wrapping_add(by_ms);
            }
            ready.push_back(Flow::Moved(Duration::from_millis(missing_ms.into())));
        }
        self.release(ready);
    }

    fn release(&mut self, ready: &mut VecDeque<Flow>) {
        if let Some(watch) = self.watch.take() {
            ready.extend(watch.held.into_iter().map(Flow::Message));
        }
    }
}

/// From `earlier` to `later` the shortest way round the circle of 32 bits.
fn apart(later: u32, earlier: u32) -> i32 {
    later.wrapping_sub(earlier) as i32
}

/// They say no time: encoders stamp them 0.
pub(crate) fn is_sequence_header(track: TagKind, body: &[u8]) -> bool {
    match (track, body) {
        // Enhanced RTMP has the packet type in the low bits, FLV behind the codec.
        (TagKind::Video, [first, ..]) if first & 0x80 != 0 => first & 0x0f == 0,
        (TagKind::Video, [first, 0, ..]) => first & 0x0f == 7,
        (_, [first, 0, ..]) => first >> 4 == 10,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages in their order of arrival: track, stamp.
    fn moved(
        messages: impl IntoIterator<Item = (TagKind, i64)>,
    ) -> (Vec<(TagKind, u32)>, Vec<i64>) {
        let mut pauses = Pauses::default();
        let (mut stamps, mut by) = (Vec::new(), Vec::new());
        for (track, ms) in messages {
            let body = Bytes::from_static(&[0xaf, 1]);
            let arrival_unix_ms = 0;
            pauses.push(TrackMessage { track, timestamp_ms: ms as u32, body, arrival_unix_ms });
            while let Some(flow) = pauses.poll() {
                match flow {
                    Flow::Message(message) => stamps.push((message.track, message.timestamp_ms)),
                    Flow::Moved(duration) => by.push(duration.as_millis()),
                }
            }
        }
        (stamps, by)
    }

    /// 20 s: a picture every 40 ms, sound every 20 ms.
    fn clip() -> impl Iterator<Item = (TagKind, i64)> {
        let of = |ms| {
            (ms % 40 == 0).then_some((TagKind::Video, ms)).into_iter().chain([(TagKind::Audio, ms)])
        };
        (0..20_000).step_by(20).flat_map(of)
    }

    fn of(track: TagKind, stamps: &[(TagKind, u32)]) -> Vec<u32> {
        stamps.iter().filter(|it| it.0 == track).map(|it| it.1).collect()
    }

    #[test]
    fn case_07_a_track_that_paused_with_its_clock_goes_on_where_the_other_is() {
        for (track, other) in [(TagKind::Audio, TagKind::Video), (TagKind::Video, TagKind::Audio)] {
            let paused = clip().filter_map(|(of, ms)| match ms {
                6_000..10_000 if of == track => None,
                10_000.. if of == track => Some((of, ms - 4_000)),
                _ => Some((of, ms)),
            });
            let (stamps, by) = moved(paused);
            assert_eq!(by.len(), 1, "{track:?}");
            assert!((3_950..=4_050).contains(&by[0]), "{track:?} {by:?}");
            let after = of(track, &stamps).into_iter().filter(|ms| *ms > 6_000);
            assert!(after.clone().all(|ms| ms >= 9_950) && after.count() > 200, "{track:?}");
            assert_eq!(
                of(other, &stamps).len(),
                of(other, &clip().map(|(of, ms)| (of, ms as u32)).collect::<Vec<_>>()).len()
            );
        }
    }

    #[test]
    fn case_07_what_was_only_late_keeps_its_stamps_and_is_all_there() {
        // Sound of four seconds comes behind the pictures of that time.
        let late = |is_late: bool| {
            clip().filter(move |(of, ms)| {
                (*of == TagKind::Audio && (6_000..10_000).contains(ms)) == is_late
            })
        };
        let before = late(false).filter(|(_, ms)| *ms < 10_000);
        let messages = before.chain(late(true)).chain(late(false).filter(|(_, ms)| *ms >= 10_000));
        let (stamps, by) = moved(messages);
        assert_eq!(by, [0; 0]);
        assert_eq!(of(TagKind::Audio, &stamps), (0..20_000).step_by(20).collect::<Vec<u32>>());
    }

    #[test]
    fn case_07_a_pause_that_the_stamps_tell_and_drift_move_nothing() {
        let gap = clip().filter(|(of, ms)| *of == TagKind::Video || !(6_000..10_000).contains(ms));
        assert_eq!(moved(gap).1, [0; 0]);
        let drift =
            clip().map(|(of, ms)| (of, if of == TagKind::Audio { ms * 8 / 10 } else { ms }));
        assert_eq!(moved(drift).1, [0; 0]);
    }
}
