//! H.264 access units to pictures.

use media::{I420, Timestamp};

use crate::{DecoderKind, Error};

/// Caps on what a decoder takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in one access unit: openh264 itself stops at 7 077 888 (level 5.2), above that its
    /// state is reset.
    pub max_access_unit_bytes: usize,
    /// Luma samples in one picture: 9 437 184 is the most of level 5.2 (4096x2304), which is as far
    /// as openh264 goes.
    pub max_pixels: usize,
    /// Frames that a stream may have its decoder keep for reference: `MaxDpbFrames` never is more
    /// than 16 (ITU-T H.264 A.3.1). rusty allocates by what the stream states.
    pub max_reference_frames: u32,
    /// Macroblocks of all reference frames together: 184 320 is `MaxDpbMbs` of level 5.2 (table
    ///
    pub max_reference_macroblocks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_access_unit_bytes: 7_077_888,
            max_pixels: 9_437_184,
            max_reference_frames: 16,
            max_reference_macroblocks: 184_320,
        }
    }
}

/// What every decoder is behind [`H264Decoder`], which documents both.
pub(crate) trait Decode: Send {
    /// As [`H264Decoder::decode`]; the access unit is within the limit.
    fn decode(
        &mut self,
        annexb: &[u8],
        pts: Timestamp,
        on_picture: &mut dyn FnMut(I420<'_>, Timestamp),
    ) -> Result<(), Error>;

    /// As [`H264Decoder::drain`].
    fn drain(&mut self, on_picture: &mut dyn FnMut(I420<'_>, Timestamp));
}

/// An H.264 decoder: access units in, I420 pictures with the pts of their own access unit out.
///
/// **Order and delay.** Pictures come out in decoding order, or nearly sorted by pts, each at most
/// once and with its own pts: sort by pts. `rusty` gives a picture in the call that brought it,
/// openh264 and `native` up to 16 later (seen: 8). [`drain`](Self::drain) at the end.
///
/// **What to feed.** 4:2:0 8-bit Baseline, Main or High without slice groups, and what
/// [`DecoderKind::decodes`] says besides; the caller has judged SPS and PPS by it, and opens a new
/// decoder for a changed SPS. Put them in front of *every* random access unit, not only the first.
/// Non-reference pictures (`nal_ref_idc` 0) may be left out.
///
/// **Fields.** Interlaced frames come out as their top field: half as many rows, to be shown at the
/// frame's height.
///
/// **Errors.** What a decoder would get wrong without noticing is [`Error::Unsupported`], before it
/// sees the access unit. openh264 and `native` conceal lost pictures and slices by copying;
/// openh264 starts anywhere, `native` at IDRs and recovery points; `rusty` gives nothing after an
/// error until the next access unit that needs no other ([`Error::Unsynchronised`]).
pub struct H264Decoder {
    decoder: Box<dyn Decode>,
    limits: Limits,
}

impl H264Decoder {
    /// Opens a decoder with default [`Limits`].
    ///
    /// # Errors
    /// [`Error::Open`] where memory is short.
    pub fn new(kind: DecoderKind) -> Result<Self, Error> {
        Self::with_limits(kind, Limits::default())
    }

    /// Opens a decoder.
    ///
    /// # Errors
    /// [`Error::Open`] where memory is short.
    pub fn with_limits(kind: DecoderKind, limits: Limits) -> Result<Self, Error> {
        let decoder = kind.open(limits)?;
        Ok(Self { decoder, limits })
    }

    /// Decodes one access unit, in Annex B (ITU-T H.264 Annex B), whole.
    ///
    /// `on_picture` is called for the pictures that are due, none or one in an ordinary stream;
    /// each is borrowed from the decoder and comes with the pts that was given with its access
    /// unit.
    ///
    /// # Errors
    /// [`Error::AccessUnitTooLarge`], [`Error::PictureTooLarge`], [`Error::Unsupported`];
    /// [`Error::Decode`], [`Error::Malformed`], [`Error::Damaged`] or [`Error::Panicked`] where an
    /// error in the access unit left it without a picture; [`Error::Unsynchronised`] behind such an
    /// error. After each of them decoding may go on, best at the next random access unit.
    pub fn decode(
        &mut self,
        annexb: &[u8],
        pts: Timestamp,
        mut on_picture: impl FnMut(I420<'_>, Timestamp),
    ) -> Result<(), Error> {
        let bytes = annexb.len();
        let limit = self.limits.max_access_unit_bytes;
        if bytes > limit {
            return Err(Error::AccessUnitTooLarge { bytes, limit });
        }
        self.decoder.decode(annexb, pts, &mut on_picture)
    }

    /// Hands out the pictures that are still held back. Afterwards decoding may go on, at a random
    /// access unit.
    pub fn drain(&mut self, mut on_picture: impl FnMut(I420<'_>, Timestamp)) {
        self.decoder.drain(&mut on_picture);
    }
}
