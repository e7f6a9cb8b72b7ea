//! MP3 made into AAC: HLS players in browsers, and every rendition, take AAC; MP3 in MPEG-TS many
//! do not.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use aac::AudioSpecificConfig;
use codec::{AacEncoder, AacEncoderConfig, AacProfile, Mp3Decoder, Mp3Sound};
use media::{AudioFrame, Duration, Timestamp};

use crate::audio_track::{AudioEvent, span};
use crate::message_error::MessageError;
use crate::sample_clock::SampleClock;

/// A message may hold more than a second of MP3 at its highest rate (320 kbit/s); a longer one is
/// none.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Sound may be so far ahead of the stamps of its messages: a publisher may put some seconds of it
/// into one, and its clock may drift. What is further ahead is not decoded: a message can hold a
/// minute of sound, or what has to be taken for it, and the next one comes a millisecond later.
const MOST_AHEAD: Duration = Duration::from_secs(5);

/// Three bits for two samples: 132 kbit/s for stereo at 44.1 kHz, 12 kbit/s for mono at 8 kHz.
/// Sound that has been coded once is not made much worse by this, and not better by more.
const BITS_PER_TWO_SAMPLES: u32 = 3;

/// Samples in an AAC frame.
const FRAME_SAMPLES: u32 = 1024;

/// MP3 in, AAC out.
///
/// After every call that takes a message, drain [`poll`](Self::poll) to None.
pub(crate) struct Mp3Track {
    decoder: Mp3Decoder,
    encoding: Option<Encoding>,
    /// Where the sound that has been made ends, were each frame behind the one before.
    made_to: Option<Timestamp>,
    events: VecDeque<AudioEvent>,
}

impl Mp3Track {
    pub(crate) fn new() -> Result<Self, codec::Error> {
        Ok(Self {
            decoder: Mp3Decoder::new()?,
            encoding: None,
            made_to: None,
            events: VecDeque::new(),
        })
    }

    /// What became of the messages, in order; None when there is nothing until the next.
    pub(crate) fn poll(&mut self) -> Option<AudioEvent> {
        self.events.pop_front()
    }

    /// Takes a message whose first frame is stamped `stamp`.
    pub(crate) fn push(&mut self, stamp: Timestamp, data: &[u8]) {
        let bytes = data.len();
        if bytes > MAX_MESSAGE_BYTES {
            let why = MessageError::Mp3TooLarge { bytes, limit: MAX_MESSAGE_BYTES };
            return self.events.push_back(AudioEvent::Skipped(why));
        }
        let mut at = stamp;
        let mut made_to = self.made_to.map_or(stamp, |made_to| made_to.max(stamp));
        let is_too_far = |made_to: Timestamp| made_to - stamp > MOST_AHEAD;
        if is_too_far(made_to) {
            return self.events.push_back(too_far_ahead());
        }
        let encoding = &mut self.encoding;
        let events = &mut self.events;
        let damaged = self.decoder.decode(data, |sound| {
            if let Err(error) = encode(encoding, at, sound, events) {
                *encoding = None;
                events.push_back(AudioEvent::Skipped(error.into()));
            }
            let samples = sound.samples.len() / usize::from(sound.channels.max(1));
            let length = span(samples as i64, sound.sample_rate_hz);
            at += length;
            made_to += length;
            if is_too_far(made_to) {
                events.push_back(too_far_ahead());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        self.made_to = Some(made_to);
        if damaged > 0 {
            events.push_back(AudioEvent::Damaged(damaged));
        }
    }

    /// The sound ends: hands out the frames that were waiting for more.
    pub(crate) fn finish(&mut self) {
        if let Some(encoding) = self.encoding.take() {
            encoding.finish(&mut self.events);
        }
    }
}

fn too_far_ahead() -> AudioEvent {
    AudioEvent::Skipped(MessageError::Mp3AheadOfTime { limit_ms: MOST_AHEAD.as_millis() })
}

/// Encodes the sound of one frame; another rate or number of channels ends one encoder and opens
/// the next.
fn encode(
    encoding: &mut Option<Encoding>,
    at: Timestamp,
    sound: Mp3Sound<'_>,
    events: &mut VecDeque<AudioEvent>,
) -> Result<(), codec::Error> {
    if let Some(old) = encoding.take_if(|open| !open.is_for(sound)) {
        old.finish(events);
    }
    if encoding.is_none() {
        *encoding = Encoding::open(sound, events)?;
    }
    encoding.as_mut().map_or(Ok(()), |encoding| encoding.push(at, sound.samples, events))
}

/// An open encoder and its time.
struct Encoding {
    encoder: AacEncoder,
    config: AacEncoderConfig,
    clock: SampleClock,
    /// Samples of each channel that the encoder has taken.
    taken: i64,
    /// The last message's time against that of its samples, counted.
    offset: Duration,
}

impl Encoding {
    fn open(
        sound: Mp3Sound<'_>,
        events: &mut VecDeque<AudioEvent>,
    ) -> Result<Option<Self>, codec::Error> {
        let Mp3Sound { sample_rate_hz, channels, .. } = sound;
        let config = AacEncoderConfig {
            profile: AacProfile::LowComplexity,
            sample_rate_hz,
            channels,
            bitrate_bps: sample_rate_hz * u32::from(channels) * BITS_PER_TWO_SAMPLES / 2,
            start: Timestamp::ZERO,
        };
        let encoder = AacEncoder::new(&config)?;
        let Ok(announced) = AudioSpecificConfig::parse(encoder.audio_specific_config()) else {
            return Ok(None);
        };
        events.push_back(AudioEvent::Config(announced));
        let clock = SampleClock::new(FRAME_SAMPLES, sample_rate_hz);
        Ok(Some(Self { encoder, config, clock, taken: 0, offset: Duration::ZERO }))
    }

    fn is_for(&self, sound: Mp3Sound<'_>) -> bool {
        (self.config.sample_rate_hz, self.config.channels) == (sound.sample_rate_hz, sound.channels)
    }

    /// Takes samples that are heard at `at`. The frames that they complete began some samples
    /// earlier: the time from those to these is counted.
    fn push(
        &mut self,
        at: Timestamp,
        samples: &[i16],
        events: &mut VecDeque<AudioEvent>,
    ) -> Result<(), codec::Error> {
        let rate = self.config.sample_rate_hz;
        self.offset = at - (Timestamp::ZERO + span(self.taken, rate));
        self.taken += (samples.len() / usize::from(self.config.channels)) as i64;
        let (clock, offset) = (&mut self.clock, self.offset);
        self.encoder.encode(samples, |frame| events.push_back(timed(clock, offset, rate, frame)))
    }

    fn finish(mut self, events: &mut VecDeque<AudioEvent>) {
        let (clock, offset, rate) = (&mut self.clock, self.offset, self.config.sample_rate_hz);
        // The tail of sound that is over: without it nothing more is missing.
        let _ = self.encoder.finish(|frame| events.push_back(timed(clock, offset, rate, frame)));
    }
}

/// A frame, counted from zero by the encoder, at its place in the stream.
fn timed(
    clock: &mut SampleClock,
    offset: Duration,
    sample_rate_hz: u32,
    frame: AudioFrame,
) -> AudioEvent {
    let pts = clock.next(frame.pts + offset);
    AudioEvent::Frame(AudioFrame { pts, ..frame }, span(FRAME_SAMPLES.into(), sample_rate_hz))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A silent frame of 8 kbit/s: 8 kHz, one channel, 72 ms.
    fn frame() -> Vec<u8> {
        let mut frame = vec![0xff, 0xe3, 0x18, 0xc4];
        frame.resize(72, 0);
        frame
    }

    /// How long the sound is that is made of these messages, and how many are refused for it.
    fn made(messages: impl IntoIterator<Item = (i64, Vec<u8>)>) -> (Duration, usize) {
        let mut track = Mp3Track::new().unwrap();
        let (mut made, mut refused) = (Duration::ZERO, 0);
        for (ms, data) in messages {
            track.push(Timestamp::from_millis(ms), &data);
            while let Some(event) = track.poll() {
                match event {
                    AudioEvent::Frame(_, length) => made += length,
                    AudioEvent::Skipped(MessageError::Mp3AheadOfTime { .. }) => refused += 1,
                    _ => {}
                }
            }
        }
        (made, refused)
    }

    #[test]
    fn a_message_of_a_minute_each_millisecond_makes_no_more_sound_than_time_passes() {
        let minute = frame().repeat(900);
        let (made, refused) = made((0..1_000).map(|ms| (ms, minute.clone())));
        assert!(made <= Duration::from_secs(7), "{made:?} of 16 hours");
        assert_eq!(refused, 1_000);
    }

    #[test]
    fn a_few_seconds_in_a_message_are_made_whole() {
        // 3.6 s in each of a minute, and a clock that runs a thousandth too slow.
        let (made, refused) = made((0..17).map(|n| (n * 3_596, frame().repeat(50))));
        assert_eq!(refused, 0);
        assert!(made > Duration::from_secs(60), "{made:?}");
    }
}
