//! MP3 to sound.

use std::ops::ControlFlow;

use symphonia_bundle_mp3::MpaDecoder;
use symphonia_core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};

use crate::mp3_frames::{Format, Frames, Header, Piece};
use crate::{Error, symphonia_packet};

/// A new rate or number of channels must stand in this many frames, one after the other, before it
/// is believed: a damaged header costs its frame and not the stream.
const FRAMES_OF_A_CHANGE: u8 = 3;

/// An MPEG-1, -2 or -2.5 Layer III decoder (symphonia's): messages in, samples out.
///
/// **Every frame gives its samples, whatever is in it**: one that does not decode gives silence of
/// its length, so that counting samples keeps the time. Frames may be split over messages or joined
/// in one.
pub struct Mp3Decoder {
    frames: Frames,
    core: Core,
}

/// What one frame sounds like.
#[derive(Clone, Copy, Debug)]
pub struct Mp3Sound<'a> {
    /// 1152 or 576 samples of each channel, channels interleaved.
    pub samples: &'a [i16],
    /// One of the nine rates from 8000 to 48000.
    pub sample_rate_hz: u32,
    /// 1 or 2.
    pub channels: u8,
}

impl Mp3Decoder {
    /// Opens a decoder.
    ///
    /// # Errors
    /// [`Error::Mp3Open`], which has not been seen.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { frames: Frames::default(), core: Core::new()? })
    }

    /// Decodes the frames that this message completes, and hands out the sound of each, as long as
    /// there is a use for it: the first break is the end of the message. Says how many of them were
    /// damaged, and are silence now.
    pub fn decode(
        &mut self,
        message: &[u8],
        mut on_sound: impl FnMut(Mp3Sound<'_>) -> ControlFlow<()>,
    ) -> usize {
        let mut damaged = 0;
        let mut goes_on = true;
        let core = &mut self.core;
        self.frames.push(message, |piece| {
            if !goes_on {
                return;
            }
            let whole = match piece {
                Piece::Frame(header, frame) => core.decode(&header, frame),
                Piece::Lost => core.lose(),
            };
            damaged += usize::from(!whole);
            if let Some(Format { sample_rate_hz, channels }) = core.format {
                let sound = Mp3Sound { samples: &core.samples, sample_rate_hz, channels };
                goes_on = on_sound(sound).is_continue();
            }
        });
        if !goes_on {
            // The next frame may refer to those that were passed over.
            self.core.lose();
        }
        damaged
    }
}

/// The decoder of frames, and what it made of the last one.
struct Core {
    decoder: MpaDecoder,
    format: Option<Format>,
    /// A format that differs, and in how many frames in a row.
    other: Option<(Format, u8)>,
    /// Samples of each channel in a frame.
    frame_samples: usize,
    samples: Vec<i16>,
}

impl Core {
    fn new() -> Result<Self, Error> {
        Ok(Self {
            decoder: open()?,
            format: None,
            other: None,
            frame_samples: 0,
            samples: Vec::new(),
        })
    }

    /// Whether `samples` is the sound of this frame; else it is silence.
    fn decode(&mut self, header: &Header, frame: &[u8]) -> bool {
        let decoded = self.takes(header) && self.decode_frame(frame);
        if !decoded || self.samples.len() != self.frame_len() {
            return self.lose();
        }
        true
    }

    /// Whether the frame is of the format in force, which a first one sets and some in a row
    /// change.
    fn takes(&mut self, header: &Header) -> bool {
        if self.format == Some(header.format) {
            self.other = None;
            return true;
        }
        let seen = match self.other {
            Some((format, seen)) if format == header.format => seen + 1,
            _ => 1,
        };
        self.other = Some((header.format, seen));
        let changes = self.format.is_none() || seen >= FRAMES_OF_A_CHANGE;
        changes && self.change(header)
    }

    fn change(&mut self, header: &Header) -> bool {
        // It decodes one format only.
        let Ok(decoder) = open() else { return false };
        self.decoder = decoder;
        self.format = Some(header.format);
        self.other = None;
        self.frame_samples = header.samples;
        true
    }

    fn decode_frame(&mut self, frame: &[u8]) -> bool {
        symphonia_packet::decode(&mut self.decoder, frame, &mut self.samples)
    }

    /// The frame is silence. What the next ones refer to in it (the bit reservoir) is missing: said
    /// so, the decoder leaves them silent too, instead of playing what it finds there.
    fn lose(&mut self) -> bool {
        self.decoder.reset();
        self.samples.clear();
        self.samples.resize(self.frame_len(), 0);
        false
    }

    fn frame_len(&self) -> usize {
        self.frame_samples * self.format.map_or(0, |format| usize::from(format.channels))
    }
}

fn open() -> Result<MpaDecoder, Error> {
    let mut params = AudioCodecParameters::new();
    params.for_codec(CODEC_ID_MP3);
    MpaDecoder::try_new(&params, &AudioDecoderOptions::default()).map_err(|_| Error::Mp3Open)
}
