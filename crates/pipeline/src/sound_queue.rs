//! Audio frames on their way into segments.

use std::collections::VecDeque;
use std::sync::Arc;

use aac::AudioSpecificConfig;
use media::{AudioFrame, Timestamp};

use crate::source_segment::Sound;

/// Frames that may wait for the end of their span: nearly three minutes at 48 kHz. Past it the
/// oldest go.
const MAX_FRAMES: usize = 8192;

/// Bytes of the frames that may wait: a span of 30 s at 1 Mbit/s. Past it the oldest go.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The frames that the spans of one grid have not taken yet, and the kind of frames that a span
/// takes.
///
/// A segment holds audio of one kind. Another one begins with a span; what comes of it before, or
/// is still there of the old one then, is left out: no player takes two kinds in one segment.
#[derive(Debug, Default)]
pub(crate) struct SoundQueue {
    frames: VecDeque<(AudioFrame, Arc<AudioSpecificConfig>)>,
    bytes: usize,
    /// The kind of frames that the running span takes; None before there is sound.
    in_force: Option<Arc<AudioSpecificConfig>>,
    /// What is in force from the first span on that begins at this time or later.
    next: Option<(Timestamp, Arc<AudioSpecificConfig>)>,
}

impl SoundQueue {
    /// The frames that come from here on are of this kind. Where it is another one, it is in force
    /// from the first span on that begins at `from` or later.
    pub(crate) fn configure(&mut self, config: &Arc<AudioSpecificConfig>, from: Timestamp) {
        if self.in_force.as_ref().is_none_or(|now| now.has_core_of(config)) {
            self.in_force = Some(Arc::clone(config));
            self.next = None;
        } else {
            self.next = Some((from, Arc::clone(config)));
        }
    }

    /// Adds a frame, with what it is.
    pub(crate) fn push(&mut self, frame: AudioFrame, config: &Arc<AudioSpecificConfig>) {
        self.bytes += frame.data.len();
        self.frames.push_back((frame, Arc::clone(config)));
        while self.frames.len() > MAX_FRAMES || self.bytes > MAX_BYTES {
            self.pop();
        }
    }

    /// Leaves out what is heard before `start`.
    pub(crate) fn drop_before(&mut self, start: Timestamp) {
        self.frames.retain(|(frame, _)| frame.pts >= start);
        self.bytes = self.frames.iter().map(|(frame, _)| frame.data.len()).sum();
    }

    /// Times of the first and the newest frame that wait.
    pub(crate) fn waiting(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.frames.front()?.0.pts, self.frames.back()?.0.pts))
    }

    /// The sound of the span that ends at `end`, where it has an audio track.
    pub(crate) fn end_span(&mut self, end: Timestamp) -> Option<Sound> {
        let config = self.in_force.clone();
        let mut frames = Vec::new();
        let mut later = VecDeque::new();
        while let Some((frame, kind)) = self.pop() {
            if frame.pts >= end {
                later.push_back((frame, kind));
            } else if config.as_ref().is_some_and(|config| config.has_core_of(&kind)) {
                frames.push(frame);
            }
        }
        self.bytes = later.iter().map(|(frame, _)| frame.data.len()).sum();
        self.frames = later;
        config.map(|config| Sound { config, frames })
    }

    /// A span begins at `start`.
    pub(crate) fn begin_span(&mut self, start: Timestamp) {
        if let Some((from, config)) = &self.next
            && start + hls::TOLERANCE >= *from
        {
            self.in_force = Some(Arc::clone(config));
            self.next = None;
        }
    }

    fn pop(&mut self) -> Option<(AudioFrame, Arc<AudioSpecificConfig>)> {
        let (frame, config) = self.frames.pop_front()?;
        self.bytes -= frame.data.len();
        Some((frame, config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(bytes: &[u8]) -> Arc<AudioSpecificConfig> {
        Arc::new(AudioSpecificConfig::parse(bytes).unwrap())
    }

    fn frame(ms: i64, bytes: usize) -> AudioFrame {
        AudioFrame { pts: Timestamp::from_millis(ms), data: vec![0; bytes].into() }
    }

    fn times(sound: Option<Sound>) -> Vec<i64> {
        let frames = sound.map(|sound| sound.frames).unwrap_or_default();
        frames.iter().map(|frame| frame.pts.ticks() / 90).collect()
    }

    #[test]
    fn past_its_bounds_the_oldest_go() {
        let mut queue = SoundQueue::default();
        let stereo = config(&[0x12, 0x10]);
        queue.configure(&stereo, Timestamp::ZERO);
        (0..9000).for_each(|ms| queue.push(frame(ms, 10), &stereo));
        assert_eq!((queue.frames.len(), queue.bytes), (MAX_FRAMES, MAX_FRAMES * 10));
        queue.push(frame(9000, MAX_BYTES + 1), &stereo);
        assert_eq!((queue.frames.len(), queue.bytes), (0, 0));
    }

    #[test]
    fn another_kind_begins_with_a_span() {
        let mut queue = SoundQueue::default();
        let stereo = config(&[0x12, 0x10]);
        let mono = config(&[0x12, 0x08]);
        queue.configure(&stereo, Timestamp::ZERO);
        queue.push(frame(0, 1), &stereo);
        queue.configure(&mono, Timestamp::from_millis(100));
        queue.push(frame(50, 1), &mono);
        queue.push(frame(100, 1), &mono);
        assert_eq!(times(queue.end_span(Timestamp::from_millis(100))), [0]);
        queue.begin_span(Timestamp::from_millis(98));
        queue.push(frame(110, 1), &stereo);
        assert_eq!(times(queue.end_span(Timestamp::from_millis(200))), [100]);
    }

    #[test]
    fn a_frame_goes_with_the_span_it_is_heard_in_or_the_one_it_came_too_late_for() {
        let mut queue = SoundQueue::default();
        let stereo = config(&[0x12, 0x10]);
        queue.configure(&stereo, Timestamp::ZERO);
        [0, 10, 20].into_iter().for_each(|ms| queue.push(frame(ms, 1), &stereo));
        assert_eq!(times(queue.end_span(Timestamp::from_millis(10))), [0]);
        queue.push(frame(5, 1), &stereo);
        assert_eq!(times(queue.end_span(Timestamp::from_millis(100))), [10, 20, 5]);
    }
}
