//! H.264 access units to pictures.

use media::{I420, Timestamp};

use crate::native_decoder::NativeDecoder;
use crate::openh264_decoder::Openh264Decoder;
use crate::{DecoderKind, Error, Quality};

/// Caps on what a decoder takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in one access unit: openh264 itself stops at 7 077 888 (level 5.2), above that its
    /// state is reset.
    pub max_access_unit_bytes: usize,
    /// Luma samples in one picture: 9 437 184 is the most of level 5.2 (4096x2304), which is as far
    /// as openh264 goes.
    pub max_pixels: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_access_unit_bytes: 7_077_888, max_pixels: 9_437_184 }
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

    /// As [`H264Decoder::start_anywhere`].
    fn start_anywhere(&mut self);

    /// As [`H264Decoder::set_quality`].
    fn set_quality(&mut self, quality: Quality);
}

/// An H.264 decoder: access units in, I420 pictures with the pts of their own access unit out.
///
/// **Order and delay.** Each picture comes out at most once and with its own pts: sort by pts.
/// `native` gives a picture in the call that brought it (the second field, where there are two),
/// openh264 up to 16 later (seen: 8), nearly sorted. [`drain`](Self::drain) at the end.
///
/// **What to feed.** What has no [`h264::hindrances`]; the caller has judged SPS and PPS, and opens
/// a new decoder for a changed SPS. Put them in front of *every* random access unit, not only the
/// first. Non-reference pictures (`nal_ref_idc` 0) may be left out.
///
/// **Where it starts.** At an IDR, `native` at a recovery point and an intra picture, too, and
/// shows nothing before what the stream says is right; what comes before is taken and gives
/// nothing.
///
/// **Fields.** Interlaced frames come out as their top field: half as many rows, to be shown at the
/// frame's height.
///
/// **Errors.** What is not decoded is [`Error::Unsupported`], before the decoder sees the access
/// unit. Lost pictures and slices are concealed by copying; `native` says so
/// ([`Error::Damaged`]).
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
        let decoder: Box<dyn Decode> = match kind {
            DecoderKind::Native => Box::new(NativeDecoder::new(limits)),
            DecoderKind::Openh264 => Box::new(Openh264Decoder::new(limits)?),
        };
        Ok(Self { decoder, limits })
    }

    /// Begins with the next access unit, whatever it is, and shows all pictures from there on: what
    /// they refer to and is not there is made up.
    pub fn start_anywhere(&mut self) {
        self.decoder.start_anywhere();
    }

    /// How closely pictures are made from the next one on; exactly where this says nothing.
    /// openh264 makes them as ever.
    pub fn set_quality(&mut self, quality: Quality) {
        self.decoder.set_quality(quality);
    }

    /// Decodes one access unit, in Annex B (ITU-T H.264 Annex B), whole.
    ///
    /// `on_picture` is called for the pictures that are due, none or one in an ordinary stream;
    /// each is borrowed from the decoder and comes with the pts that was given with its access
    /// unit.
    ///
    /// # Errors
    /// [`Error::AccessUnitTooLarge`], [`Error::PictureTooLarge`], [`Error::Unsupported`];
    /// [`Error::Decode`], [`Error::Malformed`] or [`Error::Panicked`] where an error in the access
    /// unit left it without a picture; [`Error::Damaged`] where a part of one was made up. After
    /// each of them decoding may go on.
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
