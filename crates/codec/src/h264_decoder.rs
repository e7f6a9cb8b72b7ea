//! H.264 access units to pictures.

use media::{I420, Timestamp};

use crate::Error;
use crate::openh264_raw::RawDecoder;

/// Caps on what a decoder takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in one access unit: openh264 itself stops at 7 077 888 (level 5.2), above that its state is reset.
    pub max_access_unit_bytes: usize,
    /// Luma samples in one picture: 9 437 184 is the most of level 5.2 (4096x2304), which is as far as openh264 goes.
    pub max_pixels: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_access_unit_bytes: 7_077_888, max_pixels: 9_437_184 }
    }
}

/// An H.264 decoder: access units in, I420 pictures with the pts of their own access unit out.
///
/// **Order and delay.** Baseline pictures come out of the call that brought their access unit. From Main and High
/// streams a picture comes out one call later at the earliest, because openh264 waits to see whether B pictures follow
/// (seen: at most 2 held back; with B pictures up to 5 calls late, in an extreme stream 8; it has room for 16). They come
/// nearly sorted by pts, not always (not with a hierarchy of P pictures, nor with long-term references): each exactly
/// once and with its own pts, so sort by pts. [`drain`](Self::drain) at the end.
///
/// **What to feed.** Progressive 4:2:0 8-bit Baseline, Main or High without slice groups; the caller has judged SPS and
/// PPS, and opens a new decoder for a changed SPS. Put them in front of *every* random access unit, not only the first:
/// after some errors openh264 starts anew and has forgotten them. Non-reference pictures (`nal_ref_idc` 0) may be left
/// out. Lost pictures and slices are concealed by copying (`SLICE_COPY`, what openh264's own tests and fuzzers run), so
/// that decoding may start at a recovery point, too: the picture is whole after one refresh.
///
/// Pictures of B slices may differ from other decoders' in single samples (53 dB and better in the test vectors).
pub struct H264Decoder {
    raw: RawDecoder,
    limits: Limits,
}

impl H264Decoder {
    /// Opens a decoder with default [`Limits`].
    ///
    /// # Errors
    /// [`Error::Open`] where memory is short.
    pub fn new() -> Result<Self, Error> {
        Self::with_limits(Limits::default())
    }

    /// Opens a decoder.
    ///
    /// # Errors
    /// [`Error::Open`] where memory is short.
    pub fn with_limits(limits: Limits) -> Result<Self, Error> {
        #[expect(clippy::useless_conversion, reason = "a C long has 32 bits on some platforms")]
        let raw = RawDecoder::open()
            .map_err(|code| Error::Open { what: "decoder", code: code.into() })?;
        Ok(Self { raw, limits })
    }

    /// Decodes one access unit, in Annex B (ITU-T H.264 Annex B), whole.
    ///
    /// `on_picture` is called for the pictures that are due, none or one in an ordinary stream; each is borrowed from the
    /// decoder and comes with the pts that was given with its access unit.
    ///
    /// # Errors
    /// [`Error::AccessUnitTooLarge`], [`Error::PictureTooLarge`]; [`Error::Decode`] where an error in the access unit
    /// left it without a picture. After each of them decoding may go on, best at the next random access unit.
    pub fn decode(
        &mut self,
        annexb: &[u8],
        pts: Timestamp,
        mut on_picture: impl FnMut(I420<'_>, Timestamp),
    ) -> Result<(), Error> {
        let (bytes, limit) = (annexb.len(), self.limits.max_access_unit_bytes);
        if bytes > limit {
            return Err(Error::AccessUnitTooLarge { bytes, limit });
        }
        let stamp = pts.ticks().cast_unsigned();
        let (submitted, picture) = self.raw.submit(annexb, stamp);
        let early = hand_out(picture, self.limits, &mut on_picture)?;
        let (finished, picture) = self.raw.finish(stamp);
        let due = hand_out(picture, self.limits, &mut on_picture)?;
        let state = submitted | finished;
        if state == 0 || early || due || state & openh264_sys2::dsDataErrorConcealed != 0 {
            return Ok(());
        }
        Err(Error::Decode { bytes, state })
    }

    /// Hands out the pictures that are still held back. Afterwards decoding may go on, at a random access unit.
    pub fn drain(&mut self, mut on_picture: impl FnMut(I420<'_>, Timestamp)) {
        // A picture over the limit has been reported by `decode` or is of a stream that is about to be closed.
        while hand_out(self.raw.flush(), self.limits, &mut on_picture)
            .is_ok_and(|handed_out| handed_out)
        {}
    }
}

/// Gives a picture to the caller; false where there is none.
fn hand_out(
    picture: Option<(I420<'_>, u64)>,
    limits: Limits,
    on_picture: &mut impl FnMut(I420<'_>, Timestamp),
) -> Result<bool, Error> {
    let Some((picture, stamp)) = picture else {
        return Ok(false);
    };
    let (width, height, limit) = (picture.width(), picture.height(), limits.max_pixels);
    if width * height > limit {
        return Err(Error::PictureTooLarge { width, height, limit });
    }
    on_picture(picture, Timestamp::from_ticks(stamp.cast_signed()));
    Ok(true)
}
