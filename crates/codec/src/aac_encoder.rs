//! Sound to AAC.

use bytes::Bytes;
use fdk_aac::enc::{AudioObjectType, BitRate, ChannelMode, Encoder, EncoderParams, Transport};
use media::{AudioFrame, TICKS_PER_SECOND, Timestamp};

use crate::Error;

/// Which tools of AAC an encoder uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AacProfile {
    /// AAC-LC.
    LowComplexity,
    /// HE-AAC: AAC-LC of half the rate, with spectral band replication.
    HighEfficiency,
    /// HE-AAC v2: the same of one channel, with parametric stereo; it takes two channels.
    HighEfficiencyV2,
}

/// What an encoder is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AacEncoderConfig {
    /// Which tools it uses.
    pub profile: AacProfile,
    /// Samples in a second: one of the rates of ISO/IEC 14496-3 table 1.18.
    pub sample_rate_hz: u32,
    /// 1 or 2, interleaved.
    pub channels: u8,
    /// Bits in a second; what AAC does not allow for the rate is brought to the nearest that it
    /// does.
    pub bitrate_bps: u32,
    /// Presentation time of the first sample.
    pub start: Timestamp,
}

/// An AAC encoder (Fraunhofer's): samples in, audio frames of 1024 samples out, or of 2048 with
/// SBR.
///
/// **Time.** The encoder looks ahead, so that what it makes first stands for silence before the
/// first sample: it is given as many zeros in front as make that whole frames, and those frames are
/// left out. A frame's `pts` is exactly that of the first sample in it, none is earlier than
/// `start`, and `n` samples make `n / 1024` (or `2048`) frames, rounded up at
/// [`finish`](Self::finish). A decoder that starts with the first frame lacks what came before it,
/// as one does that joins later: those samples fade in.
pub struct AacEncoder {
    encoder: Encoder,
    config: AacEncoderConfig,
    audio_specific_config: Bytes,
    /// Samples of each channel by which the encoder looks ahead.
    delay: usize,
    /// Samples that make no whole frame yet.
    waiting: Vec<i16>,
    /// Room for the largest frame.
    output: Vec<u8>,
    /// Samples of each channel that were taken from the caller.
    samples: u64,
    /// Frames that are still to be left out.
    early_frames: u64,
    /// Frames that were handed out.
    frames: u64,
}

impl AacEncoder {
    /// Opens an encoder.
    ///
    /// # Errors
    /// [`Error::AacConfig`] where it cannot be opened like this.
    pub fn new(config: &AacEncoderConfig) -> Result<Self, Error> {
        let AacEncoderConfig { profile, sample_rate_hz, channels, bitrate_bps, .. } = *config;
        let error = Error::AacConfig { sample_rate_hz, channels, bitrate_bps };
        let params = EncoderParams {
            bit_rate: BitRate::Cbr(bitrate(config).ok_or(error)?),
            sample_rate: sample_rate_hz,
            transport: Transport::Raw,
            channels: if channels == 1 { ChannelMode::Mono } else { ChannelMode::Stereo },
            audio_object_type: match profile {
                AacProfile::LowComplexity => AudioObjectType::Mpeg4LowComplexity,
                AacProfile::HighEfficiency => AudioObjectType::Mpeg4HeAac,
                AacProfile::HighEfficiencyV2 => AudioObjectType::Mpeg4HeAacV2,
            },
        };
        let encoder = Encoder::new(params).map_err(|_| error)?;
        let info = encoder.info().map_err(|_| error)?;
        let asc = info.confBuf.get(..info.confSize as usize).ok_or(error)?;
        let frame = profile.frame_samples();
        if info.frameLength as usize != frame {
            return Err(error);
        }
        let delay = info.nDelay as usize;
        let mut encoder = Self {
            audio_specific_config: Bytes::copy_from_slice(asc),
            delay,
            waiting: Vec::new(),
            output: vec![0; info.maxOutBufBytes as usize],
            early_frames: delay.div_ceil(frame) as u64,
            encoder,
            config: *config,
            samples: 0,
            frames: 0,
        };
        let zeros = delay.next_multiple_of(frame) - delay;
        encoder.take(&vec![0; zeros * usize::from(channels)], &mut |_| ())?;
        Ok(encoder)
    }

    /// Samples of each channel behind a frame that the encoder has to see before it makes it: frame
    /// `n` comes out with sample `(n + 1) * frame_samples + look_ahead`.
    #[must_use]
    pub fn look_ahead(&self) -> usize {
        self.delay
    }

    /// The index of the first frame that the encoder makes as it will go on, and that a decoder can
    /// begin with: with SBR only one in ten has the header (ISO/IEC 14496-3 4.5.2.8.2.1) without
    /// which there are no high tones, and no parametric stereo.
    #[must_use]
    pub fn settled_frame(&self) -> u64 {
        match self.config.profile {
            AacProfile::LowComplexity => SETTLED_FRAME,
            AacProfile::HighEfficiency | AacProfile::HighEfficiencyV2 => {
                SBR_HEADER_PERIOD - self.delay.div_ceil(self.config.profile.frame_samples()) as u64
            }
        }
    }

    /// The `AudioSpecificConfig` (ISO/IEC 14496-3 1.6.2.1) that a decoder needs.
    #[must_use]
    pub fn audio_specific_config(&self) -> &Bytes {
        &self.audio_specific_config
    }

    /// Takes samples, channels interleaved, as many as there are; hands out the frames that they
    /// complete.
    ///
    /// # Errors
    /// [`Error::AacSamples`] where the last group of channels is incomplete, and then none is
    /// taken; [`Error::AacEncode`], after which the encoder should be closed.
    pub fn encode(
        &mut self,
        samples: &[i16],
        mut on_frame: impl FnMut(AudioFrame),
    ) -> Result<(), Error> {
        let channels = usize::from(self.config.channels);
        if !samples.len().is_multiple_of(channels) {
            return Err(Error::AacSamples { samples: samples.len(), channels });
        }
        self.samples += (samples.len() / channels) as u64;
        self.take(samples, &mut on_frame)
    }

    /// Ends the stream: hands out the frames of the samples that are still inside, the last one
    /// filled up with silence.
    ///
    /// # Errors
    /// [`Error::AacEncode`].
    pub fn finish(mut self, mut on_frame: impl FnMut(AudioFrame)) -> Result<(), Error> {
        let frame = self.config.profile.frame_samples();
        let silence = vec![0; frame * usize::from(self.config.channels)];
        let frames = self.samples.div_ceil(frame as u64);
        // Each round completes a frame.
        while self.frames < frames {
            self.take(&silence, &mut |frame| on_frame(frame))?;
        }
        Ok(())
    }

    /// Gives the encoder whole frames only: of less it makes a hash with parametric stereo, and
    /// writes behind its own buffer (aacenc_lib.cpp counts in channels of the core codec there).
    fn take(
        &mut self,
        mut samples: &[i16],
        on_frame: &mut impl FnMut(AudioFrame),
    ) -> Result<(), Error> {
        let frame = self.config.profile.frame_samples() * usize::from(self.config.channels);
        while self.waiting.len() + samples.len() >= frame {
            let (taken, rest) = samples.split_at(frame - self.waiting.len());
            self.waiting.extend_from_slice(taken);
            samples = rest;
            self.encode_waiting(on_frame)?;
            self.waiting.clear();
        }
        self.waiting.extend_from_slice(samples);
        Ok(())
    }

    fn encode_waiting(&mut self, on_frame: &mut impl FnMut(AudioFrame)) -> Result<(), Error> {
        let error = Error::AacEncode { frame: self.frames };
        let done = self.encoder.encode(&self.waiting, &mut self.output).map_err(|_| error)?;
        if done.input_consumed != self.waiting.len() {
            return Err(error);
        }
        let frame = self.output.get(..done.output_size).ok_or(error)?;
        if !frame.is_empty() {
            let data = Bytes::copy_from_slice(frame);
            self.give(data, on_frame);
        }
        Ok(())
    }

    fn give(&mut self, data: Bytes, on_frame: &mut impl FnMut(AudioFrame)) {
        if self.early_frames > 0 {
            self.early_frames -= 1;
            return;
        }
        on_frame(AudioFrame { pts: self.next_pts(), data });
        self.frames += 1;
    }

    /// By the number of samples, so that rounding does not add up.
    fn next_pts(&self) -> Timestamp {
        let samples = i128::from(self.frames) * self.config.profile.frame_samples() as i128;
        let ticks = samples * i128::from(TICKS_PER_SECOND) / i128::from(self.config.sample_rate_hz);
        let start = self.config.start.ticks();
        Timestamp::from_ticks(start.saturating_add(i64::try_from(ticks).unwrap_or(i64::MAX)))
    }
}

impl AacProfile {
    /// Samples of each channel in an audio frame.
    #[must_use]
    pub fn frame_samples(self) -> usize {
        match self {
            Self::LowComplexity => CORE_FRAME_SAMPLES,
            Self::HighEfficiency | Self::HighEfficiencyV2 => 2 * CORE_FRAME_SAMPLES,
        }
    }
}

/// The bitrate to open with, if rate and channels can be encoded: 6144 bits a channel and frame at
/// most (ISO/IEC 14496-3 4.5.3.1). Fraunhofer's encoder finds its own lower end.
fn bitrate(config: &AacEncoderConfig) -> Option<u32> {
    let known = SAMPLE_RATES_HZ.contains(&config.sample_rate_hz);
    if !known || !(1..=2).contains(&config.channels) || config.bitrate_bps == 0 {
        return None;
    }
    let most = u32::from(config.channels) * 6 * config.sample_rate_hz;
    Some(config.bitrate_bps.min(most))
}

/// Samples of each channel in a frame of the core codec.
const CORE_FRAME_SAMPLES: usize = 1024;
/// Fraunhofer's encoder writes an SBR header into every so manyth frame, those that are left out
/// counted.
const SBR_HEADER_PERIOD: u64 = 10;
/// By then AAC-LC without SBR has forgotten that it began.
const SETTLED_FRAME: u64 = 8;
/// ISO/IEC 14496-3 table 1.18; Fraunhofer's encoder has no 7350.
const SAMPLE_RATES_HZ: [u32; 12] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000];
