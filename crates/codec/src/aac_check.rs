//! Whether AAC frames decode.

use fdk_aac::dec::{Decoder, Transport};

/// Decodes AAC frames with Fraunhofer's decoder to learn whether they are whole; what is heard is
/// not looked at.
pub struct AacCheck {
    decoder: Decoder,
    pcm: Vec<i16>,
}

impl AacCheck {
    /// A check of the stream of this `AudioSpecificConfig`; None where the decoder does not take
    /// it, which says nothing about the stream.
    #[must_use]
    pub fn new(audio_specific_config: &[u8]) -> Option<Self> {
        let mut decoder = Decoder::new(Transport::Raw);
        decoder.config_raw(audio_specific_config).ok()?;
        Some(Self { decoder, pcm: vec![0; MAX_SAMPLES] })
    }

    /// Whether the next frame decodes.
    pub fn decodes(&mut self, frame: &[u8]) -> bool {
        self.decoder.fill(frame).is_ok() && self.decoder.decode_frame(&mut self.pcm).is_ok()
    }
}

/// 8 channels of 1024 samples, doubled by SBR.
const MAX_SAMPLES: usize = 8 * 2 * 1024;
