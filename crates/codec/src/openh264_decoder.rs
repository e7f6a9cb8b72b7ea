//! openh264's decoder.

use h264::{
    DecRefPicMarking, MemoryManagementControl, NalType, Pps, SliceHeader, SliceType, Sps, nal_type,
};
use media::{I420, Timestamp};

use crate::decoder::Decode;
use crate::headers::Headers;
use crate::openh264_raw::RawDecoder;
use crate::{DecoderKind, Error, Limits, Quality};

/// openh264, which holds back up to 16 pictures.
///
/// Baseline pictures come out of the call that brought their access unit. From Main and High
/// streams a picture comes out one call later at the earliest, because openh264 waits to see
/// whether B pictures follow (seen: at most 2 held back; with B pictures up to 5 calls late, in an
/// extreme stream 8). After some errors it starts anew and has forgotten the parameter sets.
///
/// Lost pictures and slices are concealed by copying (`SLICE_COPY`, what openh264's own tests and
/// fuzzers run). It would start anywhere, and not say which pictures are right: it starts at IDRs.
pub(crate) struct Openh264Decoder {
    raw: RawDecoder,
    limits: Limits,
    headers: Headers,
    seen: Seen,
    has_begun: bool,
    /// What the newest SPS has that openh264 fails on, or makes garbage of.
    unsupported: Option<&'static str>,
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
        Ok(Self {
            raw,
            limits,
            headers: Headers::default(),
            seen: Seen::default(),
            has_begun: false,
            unsupported: None,
        })
    }

    /// Finds what openh264 decodes wrongly without saying so.
    fn judge(&mut self, annexb: &[u8]) -> Result<(), Error> {
        for nal_unit in h264::annexb::stream(annexb) {
            self.look_at(nal_unit);
        }
        let long_term = "long-term references in a stream with B pictures";
        let is_both = self.seen.b_slices && self.seen.long_term_references;
        match self.unsupported.or_else(|| is_both.then_some(long_term)) {
            Some(tool) => Err(Error::Unsupported { decoder: DecoderKind::Openh264, tool }),
            None => Ok(()),
        }
    }

    /// What cannot be read is for openh264 to judge.
    fn look_at(&mut self, nal_unit: &[u8]) {
        match nal_type(nal_unit) {
            NalType::Sps => {
                if let Ok(sps) = Sps::parse(nal_unit) {
                    self.unsupported = unsupported(&sps);
                    self.headers.insert_sps(sps);
                }
            }
            NalType::Pps => {
                if let Ok(pps) = Pps::parse(nal_unit) {
                    self.headers.insert_pps(pps);
                }
            }
            NalType::Slice | NalType::Idr => {
                if let Ok(slice) = self.headers.read_slice(nal_unit) {
                    self.has_begun |= slice.idr;
                    self.seen.slice(&slice);
                }
            }
            _ => {}
        }
    }
}

impl Decode for Openh264Decoder {
    fn decode(
        &mut self,
        annexb: &[u8],
        pts: Timestamp,
        on_picture: &mut dyn FnMut(I420<'_>, Timestamp),
    ) -> Result<(), Error> {
        self.judge(annexb)?;
        if !self.has_begun {
            return Ok(());
        }
        let stamp = pts.ticks().cast_unsigned();
        let (submitted, picture) = self.raw.submit(annexb, stamp);
        let early = hand_out(picture, self.limits, on_picture)?;
        let (finished, picture) = self.raw.finish(stamp);
        let due = hand_out(picture, self.limits, on_picture)?;
        let state = submitted | finished;
        if state == 0 || early || due || state & openh264_sys2::dsDataErrorConcealed != 0 {
            return Ok(());
        }
        Err(Error::Decode { bytes: annexb.len(), state })
    }

    fn drain(&mut self, on_picture: &mut dyn FnMut(I420<'_>, Timestamp)) {
        // A picture over the limit has been reported by `decode` or is of a stream that is about to
        // be closed.
        while hand_out(self.raw.flush(), self.limits, on_picture).is_ok_and(|handed_out| handed_out)
        {
        }
    }

    fn start_anywhere(&mut self) {
        self.has_begun = true;
    }

    fn set_quality(&mut self, _: Quality) {}
}

fn unsupported(sps: &Sps) -> Option<&'static str> {
    if sps.chroma_format_idc != 1 {
        Some("chroma other than 4:2:0")
    } else {
        sps.interlaced.then_some("interlaced coding")
    }
}

impl Seen {
    fn slice(&mut self, slice: &SliceHeader) {
        if slice.idr {
            *self = Self::default();
        }
        self.b_slices |= slice.slice_type == SliceType::B;
        self.long_term_references |= makes_long_term(&slice.dec_ref_pic_marking);
    }
}

/// Whether the picture, or an earlier one, becomes a long-term reference (ITU-T H.264 7.4.3.3).
fn makes_long_term(marking: &DecRefPicMarking) -> bool {
    match marking {
        DecRefPicMarking::NonReference | DecRefPicMarking::SlidingWindow => false,
        DecRefPicMarking::Idr { long_term_reference_flag, .. } => *long_term_reference_flag,
        DecRefPicMarking::Adaptive(operations) => operations.iter().any(|operation| {
            matches!(
                operation,
                MemoryManagementControl::AssignLongTerm { .. }
                    | MemoryManagementControl::CurrentLongTerm { .. }
            )
        }),
    }
}

/// Gives a picture to the caller; false where there is none.
fn hand_out(
    picture: Option<(I420<'_>, u64)>,
    limits: Limits,
    on_picture: &mut dyn FnMut(I420<'_>, Timestamp),
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
