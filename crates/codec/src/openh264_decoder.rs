//! openh264's decoder.

use media::{I420, Timestamp};
use rusty_h264_common::nal::split_annex_b;

use crate::openh264_raw::RawDecoder;
use crate::slice_header::{Coding, Headers, SliceHeader, Unit};
use crate::{DecoderKind, Error, Limits};

/// openh264, which holds back up to 16 pictures.
///
/// Baseline pictures come out of the call that brought their access unit. From Main and High streams a picture comes out
/// one call later at the earliest, because openh264 waits to see whether B pictures follow (seen: at most 2 held back;
/// with B pictures up to 5 calls late, in an extreme stream 8). After some errors it starts anew and has forgotten the
/// parameter sets.
///
/// Lost pictures and slices are concealed by copying (`SLICE_COPY`, what openh264's own tests and fuzzers run), so that
/// decoding may start at a recovery point, too: the picture is whole after one refresh.
pub(crate) struct Openh264Decoder {
    raw: RawDecoder,
    limits: Limits,
    headers: Headers,
    seen: Seen,
}

/// What occurred since the last IDR picture.
#[derive(Default)]
struct Seen {
    b_slices: bool,
    long_term_references: bool,
}

impl Openh264Decoder {
    pub(crate) fn new(limits: Limits) -> Result<Self, Error> {
        #[expect(clippy::useless_conversion, reason = "a C long has 32 bits on some platforms")]
        let raw = RawDecoder::open()
            .map_err(|code| Error::Open { what: "decoder", code: code.into() })?;
        Ok(Self { raw, limits, headers: Headers::default(), seen: Seen::default() })
    }

    /// As [`H264Decoder::decode`](crate::H264Decoder::decode).
    pub(crate) fn decode(
        &mut self,
        annexb: &[u8],
        pts: Timestamp,
        mut on_picture: impl FnMut(I420<'_>, Timestamp),
    ) -> Result<(), Error> {
        self.judge(annexb)?;
        let stamp = pts.ticks().cast_unsigned();
        let (submitted, picture) = self.raw.submit(annexb, stamp);
        let early = hand_out(picture, self.limits, &mut on_picture)?;
        let (finished, picture) = self.raw.finish(stamp);
        let due = hand_out(picture, self.limits, &mut on_picture)?;
        let state = submitted | finished;
        if state == 0 || early || due || state & openh264_sys2::dsDataErrorConcealed != 0 {
            return Ok(());
        }
        Err(Error::Decode { bytes: annexb.len(), state })
    }

    /// As [`H264Decoder::drain`](crate::H264Decoder::drain).
    pub(crate) fn drain(&mut self, mut on_picture: impl FnMut(I420<'_>, Timestamp)) {
        // A picture over the limit has been reported by `decode` or is of a stream that is about to be closed.
        while hand_out(self.raw.flush(), self.limits, &mut on_picture)
            .is_ok_and(|handed_out| handed_out)
        {}
    }

    /// Finds what openh264 decodes wrongly without saying so.
    fn judge(&mut self, annexb: &[u8]) -> Result<(), Error> {
        for nal_unit in split_annex_b(annexb) {
            // What cannot be read is for openh264 to judge.
            if let Ok(Unit::Slice(slice)) = self.headers.read(nal_unit) {
                self.seen.slice(&slice);
            }
        }
        if self.seen.b_slices && self.seen.long_term_references {
            let tool = "long-term references in a stream with B pictures";
            return Err(Error::Unsupported { decoder: DecoderKind::Openh264, tool });
        }
        Ok(())
    }
}

impl Seen {
    fn slice(&mut self, slice: &SliceHeader) {
        if slice.idr {
            *self = Self::default();
        }
        self.b_slices |= slice.coding == Coding::B;
        self.long_term_references |= slice.marking.long_term;
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
