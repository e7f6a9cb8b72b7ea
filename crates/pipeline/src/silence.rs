//! Silence as AAC frames: it stands in for sound that is announced and does not come.

use aac::AudioSpecificConfig;
use bytes::Bytes;
use codec::{AacEncoder, AacEncoderConfig, AacProfile};
use media::Timestamp;

/// Silence needs hardly any bits; Fraunhofer's encoder brings this to the least that it has.
const BITS_PER_CHANNEL: u32 = 8_000;

/// Samples of each channel in a frame.
const FRAME_SAMPLES: usize = 1024;

/// The encoder has come to rest with the last of so many frames.
const FRAMES: usize = 6;

/// The frame of silence of one audio configuration, made when it is asked for first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Silence {
    made: Option<(AudioSpecificConfig, Option<Bytes>)>,
}

impl Silence {
    /// A frame of silence for a decoder of this configuration; None where the encoder has none: for
    /// more than two channels, and at 7350 Hz.
    pub(crate) fn frame(&mut self, config: &AudioSpecificConfig) -> Option<Bytes> {
        if !self.made.as_ref().is_some_and(|(made, _)| made.has_core_of(config)) {
            self.made = Some((config.clone(), make(config)));
        }
        self.made.as_ref().and_then(|(_, frame)| frame.clone())
    }
}

fn make(config: &AudioSpecificConfig) -> Option<Bytes> {
    let channels = config.channels;
    if usize::from(config.samples_per_frame) != FRAME_SAMPLES || !(1..=2).contains(&channels) {
        return None;
    }
    let encoder = AacEncoderConfig {
        profile: AacProfile::LowComplexity,
        sample_rate_hz: config.sample_rate_hz,
        channels,
        bitrate_bps: BITS_PER_CHANNEL * u32::from(channels),
        start: Timestamp::ZERO,
    };
    let samples = vec![0; FRAMES * FRAME_SAMPLES * usize::from(channels)];
    let mut newest = None;
    let mut encoder = AacEncoder::new(&encoder).ok()?;
    encoder.encode(&samples, |frame| newest = Some(frame.data)).ok()?;
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rate_of_one_and_two_channels_has_a_frame_and_it_is_small() {
        let rates = [
            96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
            8000,
        ];
        for (index, rate) in (0_u8..).zip(rates) {
            for channels in [1, 2] {
                let bytes = [0x10 | index >> 1, index << 7 | channels << 3];
                let config = AudioSpecificConfig::parse(&bytes).unwrap();
                assert_eq!((config.sample_rate_hz, config.channels), (rate, channels));
                let frame = Silence::default().frame(&config).expect("a frame");
                assert!((1..400).contains(&frame.len()), "{rate} {channels}: {}", frame.len());
            }
        }
        let surround = AudioSpecificConfig::parse(&[0x11, 0xb0]).unwrap();
        assert_eq!((surround.channels, Silence::default().frame(&surround)), (6, None));
    }
}
