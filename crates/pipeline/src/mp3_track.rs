//! MP3 made into AAC: HLS players in browsers, and every rendition, take AAC; MP3 in MPEG-TS many
//! do not.

use std::collections::VecDeque;

use aac::AudioSpecificConfig;
use codec::{AacEncoder, AacEncoderConfig, AacProfile, Mp3Decoder, Mp3Sound};
use media::{AudioFrame, Duration, Timestamp};

use crate::audio_track::{AudioEvent, span};
use crate::message_error::MessageError;
use crate::sample_clock::SampleClock;

/// A message may hold more than a second of MP3 at its highest rate (320 kbit/s); a longer one is
/// none.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

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
    events: VecDeque<AudioEvent>,
}

impl Mp3Track {
    pub(crate) fn new() -> Result<Self, codec::Error> {
        Ok(Self { decoder: Mp3Decoder::new()?, encoding: None, events: VecDeque::new() })
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
        let encoding = &mut self.encoding;
        let events = &mut self.events;
        let damaged = self.decoder.decode(data, |sound| {
            if let Err(error) = encode(encoding, at, sound, events) {
                *encoding = None;
                events.push_back(AudioEvent::Skipped(error.into()));
            }
            let samples = sound.samples.len() / usize::from(sound.channels.max(1));
            at += span(samples as i64, sound.sample_rate_hz);
        });
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
