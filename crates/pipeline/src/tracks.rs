//! Which tracks a stream has, and what pictures stand in where none come.
//!
//! Players build their decoders for the tracks of the first segments that they see, and cannot add
//! one later. So the tracks are decided once, when the first segment is due, and stand for the life
//! of the playlists, whoever publishes.

use std::sync::Arc;

use aac::AudioSpecificConfig;
use codec::{Force, H264Encoder, H264EncoderConfig};
use h264::Sps;
use hls::CutPoint;
use media::{Duration, Timestamp};

use crate::picture::{Picture, VideoConfig};
use crate::rates::SourceRates;
use crate::rendition::MIN_SIDE;
use crate::rung::black;

/// What one black picture may cost: the encoder wants a cap.
const BLACK_BPS: u32 = 1_000_000;

/// The tracks of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tracks {
    pub(crate) video: bool,
    pub(crate) audio: bool,
}

/// What a stream's playlists announce, and what stands in for it where a publisher does not send
/// it: it outlives a publisher's stay.
#[derive(Clone, Debug, Default)]
pub struct StreamTracks {
    /// None until the first segment is due.
    pub(crate) decided: Option<Tracks>,
    /// The newest audio: silence is of its kind.
    pub(crate) audio: Option<Arc<AudioSpecificConfig>>,
    /// What sound has ended last, and of how many bits a second it is made, where that is known.
    pub(crate) audio_bps: Option<(Arc<AudioSpecificConfig>, u32)>,
    /// What its publisher sends, as last measured; None before there were pictures.
    pub(crate) rates: Option<SourceRates>,
    /// The newest IDR, or black: a segment without pictures shows it.
    pub(crate) still: Option<Picture>,
    /// Where the media of the last stay ends: a slate goes on from there, for players that do not
    /// look for discontinuities.
    pub(crate) ended_at: Timestamp,
    has_ended: bool,
}

impl StreamTracks {
    /// Whether playlists of these tracks go on in playlists of the others.
    #[must_use]
    pub fn go_on_in(&self, later: &Self) -> bool {
        self.decided.is_none() || later.decided.is_none() || self.decided == later.decided
    }

    /// The playlists have ended, and their tracks with them.
    pub fn end(&mut self) {
        *self = Self { decided: self.decided, has_ended: true, ..Self::default() };
    }

    /// What the next publisher goes on with: nothing where the playlists have ended.
    #[must_use]
    pub fn resumed(&self) -> Self {
        if self.has_ended { Self::default() } else { self.clone() }
    }

    /// Whether something can stand in for each track that the playlists announce: not for pictures
    /// without an IDR that are too large for a black one, and not for sound that no silence can be
    /// made of.
    pub(crate) fn can_be_stood_in_for(&mut self) -> bool {
        let Some(announced) = self.decided else { return false };
        let has_silence = match &self.audio {
            Some(config) if announced.audio => config.silent_frame().is_some(),
            _ => !announced.audio,
        };
        has_silence && (!announced.video || self.still(None).is_some())
    }

    /// The picture that stands in for video with these parameters: the newest IDR, or black where
    /// there has been none; None where no black picture of the size can be made.
    pub(crate) fn still(&mut self, config: Option<&VideoConfig>) -> Option<Picture> {
        if self.still.is_none() {
            self.still = config.and_then(|config| black_picture(&config.sps));
        }
        self.still.clone()
    }
}

/// A black IDR of the size of a video, with parameter sets of its own.
fn black_picture(sps: &Sps) -> Option<Picture> {
    let (width, height) = (sps.width & !1, sps.height & !1);
    let pixels = u64::from(width) * u64::from(height);
    let is_small = pixels <= codec::Limits::default().max_pixels as u64;
    if !is_small || width.min(height) < MIN_SIDE {
        return None;
    }
    let config = H264EncoderConfig {
        width,
        height,
        frame_rate: 25.0,
        bitrate_bps: BLACK_BPS,
        profile: codec::Profile::Baseline,
        colour: None,
    };
    let mut encoder = H264Encoder::new(&config).ok()?;
    let picture = black(width as usize, height as usize);
    let unit = encoder.encode(picture.as_i420(), Timestamp::ZERO, Force::Idr).ok()??;
    let parameter_sets = encoder.parameter_sets().clone();
    let sps = Sps::parse(parameter_sets.sps.first()?).ok()?;
    let macroblocks = sps.coded_width.div_ceil(16) * sps.coded_height.div_ceil(16);
    Some(Picture {
        unit,
        macroblocks,
        config: Arc::new(VideoConfig { parameter_sets, sps, refusal: None }),
        disposable: false,
        recovery_point: false,
        cut_point: Some(CutPoint::Idr),
        may_begin_segment: false,
        after_gap: false,
        interval: Duration::from_millis(40),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_is_an_idr_of_the_size_and_a_size_that_is_none_has_no_black() {
        let avcc = b"\x01\x42\xc0\x0a\xff\xe1\x00\x15\x67\x42\xc0\x0a\xda\x11\xec\x04\x40\x00\x00\x03\x00\x40\x00\x00\x0c\x83\xc4\x89\xa8\
            \x01\x00\x04\x68\xce\x0f\xc8";
        let config = h264::AvcConfig::parse(bytes::Bytes::from_static(avcc)).unwrap();
        let sps = Sps::parse(&config.parameter_sets.sps[0]).unwrap();
        let black = black_picture(&sps).unwrap();
        assert!(black.unit.random_access);
        assert_eq!((black.config.sps.width, black.config.sps.height), (64, 48));
        assert!(black_picture(&Sps { width: 8, ..sps.clone() }).is_none());
        assert!(black_picture(&Sps { width: 16_000, height: 16_000, ..sps }).is_none());
    }
}
