//! What an AAC decoder finds in the frames and nobody announced.

use fdk_aac::dec::{Decoder, Transport};

/// Looks for spectral band replication and parametric stereo in AAC frames whose configuration does
/// not tell of them (implicit signalling, ISO/IEC 14496-3 1.6.6): decodes them with Fraunhofer's
/// decoder and asks what it had to do.
pub struct SbrProbe {
    decoder: Decoder,
    pcm: Vec<i16>,
}

/// What has been found in the frames so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FoundSbr {
    /// Sampling frequency after spectral band replication, in hertz; None where there is none.
    pub sbr: Option<u32>,
    /// Parametric stereo.
    pub ps: bool,
}

impl SbrProbe {
    /// A probe for the stream of this `AudioSpecificConfig`; None where the decoder does not take
    /// it, which says nothing about the stream.
    #[must_use]
    pub fn new(audio_specific_config: &[u8]) -> Option<Self> {
        let mut decoder = Decoder::new(Transport::Raw);
        decoder.config_raw(audio_specific_config).ok()?;
        Some(Self { decoder, pcm: vec![0; MAX_SAMPLES] })
    }

    /// Looks at the next frame.
    pub fn push(&mut self, frame: &[u8]) -> FoundSbr {
        let taken = self.decoder.fill(frame).is_ok();
        if !taken || self.decoder.decode_frame(&mut self.pcm).is_err() {
            return FoundSbr::default();
        }
        let info = self.decoder.stream_info();
        let sbr = (info.sampleRate > info.aacSampleRate).then_some(info.sampleRate.unsigned_abs());
        FoundSbr { sbr, ps: sbr.is_some() && info.flags & FLAG_PS != 0 }
    }
}

/// 8 channels of 1024 samples, doubled by SBR.
const MAX_SAMPLES: usize = 8 * 2 * 1024;
/// `AC_PS_PRESENT` of FDK_audio.h: signalled or found.
const FLAG_PS: u32 = 0x02_0000;
