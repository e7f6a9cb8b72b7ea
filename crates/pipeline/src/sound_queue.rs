//! Audio frames on their way into segments.

use std::collections::VecDeque;
use std::sync::Arc;

use aac::AudioSpecificConfig;
use bytes::Bytes;
use media::{AudioFrame, Duration, Timestamp};

use crate::audio_track;
use crate::source_segment::{SAMPLE_COST, Sound};

/// Frames that may wait for the end of their span: nearly three minutes at 48 kHz. Past it the
/// oldest go.
const MAX_FRAMES: usize = 8192;

/// Bytes of the frames that may wait: a span of 30 s at 1 Mbit/s. Past it the oldest go.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Players step over a hole in the sound that is shorter than this; a longer one is filled.
const HOLE: Duration = Duration::from_millis(100);

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
    /// Where the sound of the spans that have ended ends; before there is any, where the first span
    /// begins.
    heard: Option<Timestamp>,
    /// Where the newest silence ends that was put where no sound came.
    filled: Option<Timestamp>,
    /// Where the silence began that ends at `heard`, and how many samples it is long: counted, so
    /// that what is lost by rounding does not add up.
    silent: Option<(Timestamp, i64)>,
    /// Bits a second of the sound in force, once known.
    bitrate: Bitrate,
    /// What the sound of the stay before was, and of how many bits a second.
    before: Option<(Arc<AudioSpecificConfig>, u32)>,
}

/// How many bits a second the sound is made of: decided once for each kind, as what is made of it
/// depends on it.
#[derive(Clone, Copy, Debug)]
enum Bitrate {
    /// No span of it has ended; somebody has said that it is so many.
    Said(Option<u32>),
    /// None where it was silent, and nobody has said anything.
    Known(Option<u32>),
}

impl Default for Bitrate {
    fn default() -> Self {
        Self::Said(None)
    }
}

/// Sound of fewer bits than any encoder makes is silence, and says nothing of what comes.
const LEAST_BITRATE_BPS: u32 = 8_000;

/// Whether a frame is part of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It waits for the end of its span.
    Queued,
    /// Its place in the sound has been filled with silence.
    TooLate,
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

    /// The sound of the stay before was of this kind and so many bits a second: of the same kind no
    /// less is believed, as it may begin with silence.
    pub(crate) fn remember_bitrate(&mut self, before: Option<(Arc<AudioSpecificConfig>, u32)>) {
        self.before = before;
    }

    /// The publisher says that the sound is made of so many bits a second: no less is believed, as
    /// it may begin with silence.
    pub(crate) fn announce_bitrate(&mut self, bitrate_bps: Option<u32>) {
        if let Bitrate::Said(said) = &mut self.bitrate {
            *said = (*said).max(bitrate_bps);
        }
    }

    /// The kind of frames that the running span takes; None before there is sound.
    pub(crate) fn kind(&self) -> Option<&Arc<AudioSpecificConfig>> {
        self.in_force.as_ref()
    }

    /// Adds a frame, with what it is.
    pub(crate) fn push(&mut self, frame: AudioFrame, config: &Arc<AudioSpecificConfig>) -> Taken {
        // Up to half a frame is no more than what silence, in whole frames, is off by.
        let begins = frame.pts + Duration::from_ticks(frame_span(config).ticks() / 2);
        if self.filled.is_some_and(|filled| begins < filled) {
            return Taken::TooLate;
        }
        self.bytes += frame.data.len();
        self.frames.push_back((frame, Arc::clone(config)));
        while self.frames.len() > MAX_FRAMES || self.bytes > MAX_BYTES {
            self.pop();
        }
        Taken::Queued
    }

    /// Leaves out what is heard before `start`.
    pub(crate) fn drop_before(&mut self, start: Timestamp) {
        self.frames.retain(|(frame, _)| frame.pts >= start);
        self.bytes = self.frames.iter().map(|(frame, _)| frame.data.len()).sum();
    }

    /// What the frames that wait take.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes + self.frames.len() * SAMPLE_COST
    }

    /// Times of the frames that wait.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = Timestamp> {
        self.frames.iter().map(|(frame, _)| frame.pts)
    }

    /// The sound that is heard before `end`, where the span that ends has an audio track.
    ///
    /// Where nothing came, and nothing is to come, between two frames or up to `silent_to`, there
    /// is silence; a span without any sound has a frame of it at least.
    pub(crate) fn end_span(
        &mut self,
        end: Timestamp,
        silent_to: Option<Timestamp>,
    ) -> Option<Sound> {
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
        let config = config?;
        // Another kind begins: what is missing of this one will not come any more.
        let is_last = self.next.as_ref().is_some_and(|(from, _)| end + hls::TOLERANCE >= *from);
        let silent_to = if is_last { Some(end) } else { silent_to };
        let bitrate_bps = self.bitrate_of(&frames, &config);
        let frames = self.without_holes(frames, end, silent_to, &config);
        Some(Sound { config, frames, bitrate_bps })
    }

    fn bitrate_of(&mut self, frames: &[AudioFrame], config: &AudioSpecificConfig) -> Option<u32> {
        let said = match self.bitrate {
            Bitrate::Known(bitrate_bps) => return bitrate_bps,
            Bitrate::Said(said) => said,
        };
        let bytes: usize = frames.iter().map(|frame| frame.data.len()).sum();
        let samples = (frames.len() * usize::from(config.samples_per_frame)).max(1);
        let bps = bytes as f64 * 8.0 * f64::from(config.sample_rate_hz) / samples as f64;
        let measured = Some(bps as u32).filter(|bps| *bps >= LEAST_BITRATE_BPS);
        let before = self.before.as_ref().filter(|(kind, _)| kind.has_core_of(config));
        let bitrate_bps = said.max(measured).max(before.map(|(_, bps)| *bps));
        self.bitrate = Bitrate::Known(bitrate_bps);
        bitrate_bps
    }

    fn without_holes(
        &mut self,
        sound: Vec<AudioFrame>,
        end: Timestamp,
        silent_to: Option<Timestamp>,
        config: &AudioSpecificConfig,
    ) -> Vec<AudioFrame> {
        let span = frame_span(config);
        let mut frames = Vec::with_capacity(sound.len());
        for frame in sound {
            self.fill(frame.pts, HOLE, config, &mut frames);
            let frame_end = frame.pts + span;
            self.heard = Some(self.heard.map_or(frame_end, |heard| heard.max(frame_end)));
            self.silent = None;
            frames.push(frame);
        }
        if let Some(to) = silent_to {
            self.fill(to.min(end), HOLE, config, &mut frames);
        }
        if frames.is_empty()
            && let Some(heard) = self.heard.filter(|heard| *heard < end)
        {
            // A frame may be a tick longer, by rounding.
            let to = heard + span + Duration::from_ticks(1);
            self.fill(to, span, config, &mut frames);
        }
        frames
    }

    /// Puts whole frames of silence from where the sound ends up to `to`, where that is `least`
    /// away.
    fn fill(
        &mut self,
        to: Timestamp,
        least: Duration,
        config: &AudioSpecificConfig,
        frames: &mut Vec<AudioFrame>,
    ) {
        let Some(heard) = self.heard.filter(|heard| to - *heard >= least) else { return };
        let Some(data) = config.silent_frame().map(Bytes::from) else { return };
        let time = |(began, samples): (Timestamp, i64)| {
            began + audio_track::span(samples, config.sample_rate_hz)
        };
        let mut silent = self.silent.filter(|silent| time(*silent) == heard).unwrap_or((heard, 0));
        loop {
            let longer = (silent.0, silent.1 + i64::from(config.samples_per_frame));
            if time(longer) > to {
                break;
            }
            frames.push(AudioFrame { pts: time(silent), data: data.clone() });
            silent = longer;
            self.filled = Some(time(silent));
        }
        self.heard = Some(time(silent));
        self.silent = Some(silent);
    }

    /// A span begins at `start`.
    pub(crate) fn begin_span(&mut self, start: Timestamp) {
        self.heard.get_or_insert(start);
        if let Some((from, config)) = &self.next
            && start + hls::TOLERANCE >= *from
        {
            self.in_force = Some(Arc::clone(config));
            self.next = None;
            self.bitrate = Bitrate::default();
        }
    }

    fn pop(&mut self) -> Option<(AudioFrame, Arc<AudioSpecificConfig>)> {
        let (frame, config) = self.frames.pop_front()?;
        self.bytes -= frame.data.len();
        Some((frame, config))
    }
}

/// How long a frame sounds.
fn frame_span(config: &AudioSpecificConfig) -> Duration {
    audio_track::span(config.samples_per_frame.into(), config.sample_rate_hz)
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

    /// Sound that is only late, or not to be filled here.
    fn end_span(queue: &mut SoundQueue, end_ms: i64) -> Option<Sound> {
        queue.end_span(Timestamp::from_millis(end_ms), None)
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
        for ms in 0..9000 {
            queue.push(frame(ms, 10), &stereo);
        }
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
        assert_eq!(times(end_span(&mut queue, 100)), [0]);
        queue.begin_span(Timestamp::from_millis(98));
        queue.push(frame(110, 1), &stereo);
        assert_eq!(times(end_span(&mut queue, 200)), [100]);
    }

    #[test]
    fn a_frame_goes_with_the_span_it_is_heard_in_or_the_one_it_came_too_late_for() {
        let mut queue = SoundQueue::default();
        let stereo = config(&[0x12, 0x10]);
        queue.configure(&stereo, Timestamp::ZERO);
        for ms in [0, 10, 20] {
            queue.push(frame(ms, 1), &stereo);
        }
        assert_eq!(times(end_span(&mut queue, 10)), [0]);
        queue.push(frame(5, 1), &stereo);
        assert_eq!(times(end_span(&mut queue, 100)), [10, 20, 5]);
    }

    #[test]
    fn the_bitrate_of_the_stay_before_counts_for_the_same_kind_of_sound_alone() {
        let stereo = config(&[0x12, 0x10]);
        let mono = config(&[0x12, 0x08]);
        for (kind, expected) in [(&stereo, 128_000), (&mono, 34_453)] {
            let mut queue = SoundQueue::default();
            queue.remember_bitrate(Some((Arc::clone(&stereo), 128_000)));
            queue.configure(kind, Timestamp::ZERO);
            queue.begin_span(Timestamp::ZERO);
            queue.push(frame(0, 100), kind);
            let sound = end_span(&mut queue, 100).expect("sound");
            assert_eq!(sound.bitrate_bps, Some(expected));
        }
    }

    /// Frames of 1024 samples at 44.1 kHz, each with its place in the sound, from one time to
    /// another.
    fn play(queue: &mut SoundQueue, from: i64, frames: i64, kind: &Arc<AudioSpecificConfig>) {
        for n in from..from + frames {
            let pts = Timestamp::ZERO + audio_track::span(n * 1024, 44_100);
            assert_eq!(
                queue.push(AudioFrame { pts, data: vec![7; 9].into() }, kind),
                Taken::Queued
            );
        }
    }

    /// Every frame follows the one before by its length, but for what is lost by rounding.
    fn assert_whole(frames: &[AudioFrame], from: usize) {
        for (n, frame) in frames.iter().enumerate() {
            let exact = audio_track::span((from + n) as i64 * 1024, 44_100);
            let off = (frame.pts - (Timestamp::ZERO + exact)).ticks();
            assert!(off.abs() <= 2, "frame {n}: {off}");
        }
    }

    #[test]
    fn case_02_a_pause_is_filled_with_frames_that_continue_the_clock() {
        let mut queue = SoundQueue::default();
        let stereo = config(&[0x12, 0x10]);
        queue.configure(&stereo, Timestamp::ZERO);
        queue.begin_span(Timestamp::ZERO);
        play(&mut queue, 0, 43, &stereo);
        let mut all = Vec::new();
        // An hour of silence, in spans of 2 s, each filled up to a second before its end.
        for n in 1..=1800 {
            let end = Timestamp::from_millis(n * 2000);
            let to = end - Duration::from_millis(1000);
            let frames = queue.end_span(end, Some(to)).unwrap().frames;
            assert!(frames.len() >= 40, "span {n} has {}", frames.len());
            all.extend(frames);
            queue.begin_span(end);
        }
        assert_whole(&all, 0);
        // What comes late is left out; what comes in its place is heard in it.
        let late = Timestamp::from_millis(3_590_000);
        let frame = |pts| AudioFrame { pts, data: vec![7; 9].into() };
        assert_eq!(queue.push(frame(late), &stereo), Taken::TooLate);
        let returns = Timestamp::from_millis(3_601_000);
        assert_eq!(queue.push(frame(returns), &stereo), Taken::Queued);
        let end = Timestamp::from_millis(3_602_000);
        let last = queue.end_span(end, None).unwrap().frames;
        assert_whole(&last[..last.len() - 1], all.len());
        let [.., before, returned] = &last[..] else { panic!("silence, and a frame") };
        assert_eq!(returned.pts, returns);
        assert!(returned.pts - before.pts < frame_span(&stereo) + frame_span(&stereo));
    }

    #[test]
    fn sound_that_is_only_late_is_not_replaced_but_a_span_without_any_has_a_frame() {
        let mut queue = SoundQueue::default();
        let stereo = config(&[0x12, 0x10]);
        queue.configure(&stereo, Timestamp::ZERO);
        queue.begin_span(Timestamp::ZERO);
        play(&mut queue, 0, 43, &stereo);
        let first = queue.end_span(Timestamp::from_millis(2000), None).unwrap();
        assert_eq!(first.frames.len(), 43, "the second half may come yet");
        play(&mut queue, 43, 43, &stereo);
        let second = queue.end_span(Timestamp::from_millis(4000), None).unwrap();
        assert_eq!(second.frames.len(), 43);
        assert_whole(&second.frames, 43);
        let third = queue.end_span(Timestamp::from_millis(6000), None).unwrap();
        assert_eq!(third.frames.len(), 1);
        assert_whole(&third.frames, 86);
    }

    #[test]
    fn surround_sound_is_silent_too_and_what_no_silence_can_be_made_of_keeps_its_holes() {
        let frames = |kind: &[u8]| {
            let mut queue = SoundQueue::default();
            queue.configure(&config(kind), Timestamp::ZERO);
            queue.begin_span(Timestamp::ZERO);
            let end = Timestamp::from_millis(2000);
            queue.end_span(end, Some(end)).unwrap().frames.len()
        };
        assert_eq!(frames(&[0x12, 0x30]), 86, "5.1 at 44.1 kHz");
        // Four channels as no configuration has them, in a program config element.
        assert_eq!(frames(&[0x11, 0x80, 4, 0xc4, 4, 0, 0x21, 0x10, 0]), 0);
    }
}
