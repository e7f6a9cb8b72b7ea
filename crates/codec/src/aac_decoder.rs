//! AAC to sound.

use fdk_aac::dec::{Decoder, Transport};
use symphonia_codec_aac::AacDecoder as LcDecoder;
use symphonia_core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoderOptions};

use crate::{Error, symphonia_packet};

/// What is known of an AAC stream before its first frame is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AacDecoderConfig {
    /// The `AudioSpecificConfig` (ISO/IEC 14496-3 1.6.2.1) of the core codec, without SBR and PS.
    pub core: [u8; 2],
    /// Samples of each channel that a frame sounds: 1024, or 2048 where it holds SBR.
    pub frame_samples: usize,
    /// Channels that are wanted, 1 or 2: more are mixed down, and what PS makes of one is two.
    pub channels: u8,
}

/// An AAC decoder: frames in, samples out. symphonia's (in Rust) for AAC-LC of one or two channels,
/// Fraunhofer's for what that one refuses.
///
/// **Every frame gives its samples, whatever is in it**: one that does not decode, or is of another
/// format than was told, gives silence of its length, so that counting samples keeps the time.
pub struct AacDecoder {
    core: Core,
    config: AacDecoderConfig,
    samples: Vec<i16>,
}

enum Core {
    Symphonia(Box<LcDecoder>),
    Fraunhofer { decoder: Decoder, delay: usize },
}

impl AacDecoder {
    /// Opens a decoder.
    ///
    /// # Errors
    /// [`Error::AacOpen`] where no decoder here takes such a stream.
    pub fn new(config: &AacDecoderConfig) -> Result<Self, Error> {
        let core = match open_symphonia(config) {
            Some(decoder) => Core::Symphonia(Box::new(decoder)),
            None => open_fraunhofer(config).ok_or(Error::AacOpen { config: config.core })?,
        };
        Ok(Self { core, config: *config, samples: Vec::new() })
    }

    /// Decodes one raw frame: its samples, channels interleaved.
    pub fn decode(&mut self, frame: &[u8]) -> &[i16] {
        let is_whole = match &mut self.core {
            Core::Symphonia(decoder) => {
                symphonia_packet::decode(&mut **decoder, frame, &mut self.samples)
            }
            Core::Fraunhofer { decoder, delay } => {
                decode_fraunhofer(decoder, frame, &self.config, &mut self.samples, delay)
            }
        };
        let expected = self.config.frame_samples * usize::from(self.config.channels);
        if !is_whole || self.samples.len() != expected {
            self.samples.clear();
            self.samples.resize(expected, 0);
        }
        &self.samples
    }

    /// Samples of each channel by which what comes out is behind what the frame holds, as other
    /// decoders give it: it is known once a frame has been decoded.
    #[must_use]
    pub fn delay(&self) -> usize {
        match &self.core {
            Core::Symphonia(_) => 0,
            Core::Fraunhofer { delay, .. } => *delay,
        }
    }

    /// What the delay of such a decoder comes to at most, whatever it has decoded: with plain
    /// frames in a stream of SBR it is another.
    #[must_use]
    pub fn max_delay(&self) -> usize {
        match &self.core {
            Core::Symphonia(_) => 0,
            // It waits for the next frame, to conceal a damaged one.
            Core::Fraunhofer { .. } => self.config.frame_samples + LIMITER_DELAY,
        }
    }
}

fn open_symphonia(config: &AacDecoderConfig) -> Option<LcDecoder> {
    let channels = usize::from(config.core[1] >> 3 & 15);
    if config.frame_samples != LC_FRAME_SAMPLES || channels != usize::from(config.channels) {
        return None;
    }
    let mut params = AudioCodecParameters::new();
    params.for_codec(CODEC_ID_AAC).with_extra_data(Box::new(config.core));
    LcDecoder::try_new(&params, &AudioDecoderOptions::default()).ok()
}

fn open_fraunhofer(config: &AacDecoderConfig) -> Option<Core> {
    let mut decoder = Decoder::new(Transport::Raw);
    decoder.config_raw(&config.core).ok()?;
    decoder.set_min_output_channels(config.channels.into()).ok()?;
    decoder.set_max_output_channels(config.channels.into()).ok()?;
    Some(Core::Fraunhofer { decoder, delay: 0 })
}

fn decode_fraunhofer(
    decoder: &mut Decoder,
    frame: &[u8],
    config: &AacDecoderConfig,
    samples: &mut Vec<i16>,
    delay: &mut usize,
) -> bool {
    samples.resize(MAX_SAMPLES, 0);
    if decoder.fill(frame).is_err() || decoder.decode_frame(samples).is_err() {
        return false;
    }
    let info = decoder.stream_info();
    let channels = usize::try_from(info.numChannels).unwrap_or(0);
    let frame_samples = usize::try_from(info.frameSize).unwrap_or(0);
    let sbr = if config.frame_samples > LC_FRAME_SAMPLES { SBR_DELAY } else { 0 };
    *delay = usize::try_from(info.outputDelay).unwrap_or(0).saturating_sub(sbr);
    if channels != usize::from(config.channels) || frame_samples != config.frame_samples {
        return false;
    }
    samples.truncate(channels * frame_samples);
    true
}

/// What SBR is behind the core in every decoder: encoders count it as theirs.
const SBR_DELAY: usize = 962;
/// Fraunhofer's limiter is 15 ms behind: at 96 kHz, the highest rate, so many samples.
const LIMITER_DELAY: usize = 1440;
/// Samples in a frame without SBR.
const LC_FRAME_SAMPLES: usize = 1024;
/// 8 channels of 1024 samples, doubled by SBR.
const MAX_SAMPLES: usize = 8 * 2 * LC_FRAME_SAMPLES;
