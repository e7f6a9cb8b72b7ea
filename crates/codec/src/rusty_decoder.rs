//! The `rusty_h264` decoder, fenced in.
//!
//! It is safe Rust outside its SIMD kernels, yet peer bytes must not reach it unjudged: it allocates by the number of
//! reference indexes and frames that a stream states, keeps every parameter set, panics where numbers overflow, and has
//! a few things wrong without noticing. All of that is judged here first, by name.

use std::panic::{AssertUnwindSafe, catch_unwind};

use media::{I420, Plane, Timestamp};
use rusty_h264_common::YuvFrame;
use rusty_h264_common::nal::split_annex_b;
use rusty_h264_decoder::{DecodeError, Decoder, Pps, Sps};

use crate::slice_header::{Coding, Headers, SliceHeader, Unit};
use crate::{DecoderKind, Error, Limits};

/// Macroblocks of all reference frames together: `MaxDpbMbs` of level 5.2 (ITU-T H.264 table A-1).
const MAX_DPB_MACROBLOCKS: usize = 184_320;
/// `MaxDpbFrames` never is more (A.3.1).
const MAX_REFERENCE_FRAMES: u32 = 16;

/// `rusty_h264`, and what of the stream decides whether it may go on.
pub(crate) struct RustyDecoder {
    decoder: Decoder,
    headers: Headers,
    limits: Limits,
    /// Everything that coming pictures may refer to has been decoded.
    synchronised: bool,
    /// `frame_num` of the last reference picture.
    last_frame_num: u32,
}

/// What an access unit was found to be.
#[derive(Clone, Copy)]
struct Coded {
    last: SliceHeader,
    /// I slices only.
    intra: bool,
    /// Of all slices.
    bytes: usize,
}

impl RustyDecoder {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            decoder: Decoder::new(),
            headers: Headers::default(),
            limits,
            synchronised: false,
            last_frame_num: 0,
        }
    }

    /// As [`H264Decoder::decode`](crate::H264Decoder::decode); a picture comes at once.
    pub(crate) fn decode(
        &mut self,
        annexb: &[u8],
        pts: Timestamp,
        mut on_picture: impl FnMut(I420<'_>, Timestamp),
    ) -> Result<(), Error> {
        let bytes = annexb.len();
        let result = catch_unwind(AssertUnwindSafe(|| self.decode_frame(annexb)))
            .unwrap_or(Err(Error::Panicked { bytes }));
        let Some((frame, slice)) = result.inspect_err(|_| self.start_anew())? else {
            return Ok(());
        };
        let sps = self.headers.sps_of_pps(slice.pps_id);
        if let Some(picture) = sps.and_then(|sps| shown(&frame, sps)) {
            on_picture(picture, pts);
        }
        Ok(())
    }

    /// After an error nothing is kept: what was judged and what the decoder knows must stay the same.
    fn start_anew(&mut self) {
        *self = Self::new(self.limits);
    }

    /// The picture of an access unit; None where it has no slices.
    fn decode_frame(&mut self, annexb: &[u8]) -> Result<Option<(YuvFrame, SliceHeader)>, Error> {
        let bytes = annexb.len();
        let coded = self.judge(annexb)?;
        let frame = self.decoder.decode(annexb).map_err(|error| named(&error, bytes))?;
        let Some(coded) = coded else { return Ok(None) };
        let frame = frame.ok_or(Error::Damaged { bytes, why: "the picture is not complete" })?;
        self.synchronised = true;
        let slice = coded.last;
        if slice.reference {
            self.last_frame_num = if slice.marking.resets { 0 } else { slice.frame_num };
        }
        Ok(Some((frame, slice)))
    }

    /// Reads everything before the decoder does.
    fn judge(&mut self, annexb: &[u8]) -> Result<Option<Coded>, Error> {
        let mut coded: Option<Coded> = None;
        for nal_unit in split_annex_b(annexb) {
            match self.headers.read(nal_unit).map_err(|error| named(&error, annexb.len()))? {
                Unit::Sps(id) => {
                    self.headers.sps(id).map_or(Ok(()), |sps| judge_sps(sps, self.limits))?
                }
                // The decoder leaves them out, too.
                Unit::Slice(slice) if slice.redundant => {}
                Unit::Slice(slice) => {
                    self.judge_slice(&slice, coded.map(|coded| coded.last))?;
                    let before = coded.unwrap_or(Coded { last: slice, intra: true, bytes: 0 });
                    coded = Some(Coded {
                        last: slice,
                        intra: before.intra && slice.coding == Coding::I,
                        bytes: before.bytes + nal_unit.len(),
                    });
                }
                Unit::Partition => return Err(unsupported("data partitioning")),
                // Judged when a slice uses it: some encoders send more than they use.
                Unit::Pps | Unit::Other => {}
            }
        }
        if let Some(coded) = coded {
            self.judge_size(coded)?;
            self.judge_place(coded, annexb.len())?;
        }
        Ok(coded)
    }

    fn judge_slice(&self, slice: &SliceHeader, before: Option<SliceHeader>) -> Result<(), Error> {
        let (Some(pps), Some(sps)) =
            (self.headers.pps(slice.pps_id), self.headers.sps_of_pps(slice.pps_id))
        else {
            return Ok(());
        };
        judge_pps(pps)?;
        // It predicts single samples wrongly at such a border.
        let begins_in_row = !(slice.first_mb as usize).is_multiple_of(sps.pic_width_in_mbs);
        if begins_in_row && pps.transform_8x8_mode_flag {
            return Err(unsupported("8x8 transforms in slices that begin inside a row"));
        }
        before.map_or(Ok(()), |before| judge_sequence(slice, before))
    }

    /// It filters the edges of I_PCM macroblocks with the slice's QP instead of 0 (8.7.2.2). Pictures made of them are
    /// as large as uncompressed ones; single ones occur only at a QP too low for the filter to do anything.
    fn judge_size(&self, coded: Coded) -> Result<(), Error> {
        let Some(sps) = self.headers.sps_of_pps(coded.last.pps_id) else { return Ok(()) };
        let raw_bytes = sps.coded_width() * sps.coded_height() * 3 / 2;
        if coded.bytes <= raw_bytes / 4 * 3 {
            return Ok(());
        }
        Err(unsupported("pictures as large as uncompressed ones"))
    }

    /// Whether all that the picture refers to is there.
    fn judge_place(&self, coded: Coded, bytes: usize) -> Result<(), Error> {
        let slice = coded.last;
        if slice.idr {
            return Ok(());
        }
        if !self.synchronised {
            return if coded.intra { Ok(()) } else { Err(Error::Unsynchronised) };
        }
        let Some(sps) = self.headers.sps_of_pps(slice.pps_id) else { return Ok(()) };
        let next = (self.last_frame_num + 1) & ((1 << sps.log2_max_frame_num) - 1);
        let follows = [self.last_frame_num, next].contains(&slice.frame_num);
        // An intra picture refers to nothing, but those behind it would be given what was before the gap.
        if follows || sps.gaps_in_frame_num_allowed {
            return Ok(());
        }
        Err(Error::Damaged { bytes, why: "a picture that it refers to is missing" })
    }
}

/// A slice and the one before it in the same picture.
fn judge_sequence(slice: &SliceHeader, before: SliceHeader) -> Result<(), Error> {
    if slice.first_mb <= before.first_mb {
        return Err(unsupported("slices out of order"));
    }
    if slice.pps_id != before.pps_id {
        return Err(unsupported("slices of one picture with different parameter sets"));
    }
    // It would carry the command out once a slice, and lose the reference the second time.
    if slice.marking.assigns {
        return Err(unsupported("long-term references set by pictures of several slices"));
    }
    Ok(())
}

fn judge_sps(sps: &Sps, limits: Limits) -> Result<(), Error> {
    let (width, height, limit) = (sps.coded_width(), sps.coded_height(), limits.max_pixels);
    if width * height > limit {
        return Err(Error::PictureTooLarge { width, height, limit });
    }
    let frames = sps.max_num_ref_frames.min(MAX_REFERENCE_FRAMES + 1);
    if frames > MAX_REFERENCE_FRAMES
        || frames as usize * (width * height / 256) > MAX_DPB_MACROBLOCKS
    {
        return Err(unsupported("more reference frames than level 5.2 holds"));
    }
    if sps.transform_bypass {
        return Err(unsupported("lossless coding"));
    }
    // It takes frame_num for the order, which B pictures and weights go by.
    if sps.pic_order_cnt_type == 1 {
        return Err(unsupported("picture order count type 1"));
    }
    Ok(())
}

fn judge_pps(pps: &Pps) -> Result<(), Error> {
    // It takes Cb's for both.
    if pps.second_chroma_qp_index_offset != pps.chroma_qp_index_offset {
        return Err(unsupported("different QP offsets of Cb and Cr"));
    }
    if pps.weighted_bipred_idc == 1 {
        return Err(unsupported("explicit weights in B pictures"));
    }
    Ok(())
}

fn unsupported(tool: &'static str) -> Error {
    Error::Unsupported { decoder: DecoderKind::Rusty, tool }
}

fn named(error: &DecodeError, bytes: usize) -> Error {
    match *error {
        DecodeError::Unsupported(tool) => unsupported(tool),
        DecodeError::Truncated => {
            Error::Damaged { bytes, why: "it ends early or refers to what is not there" }
        }
        DecodeError::MissingParameterSet => {
            Error::Damaged { bytes, why: "its parameter sets are missing" }
        }
        DecodeError::Internal(why) => Error::Damaged { bytes, why },
    }
}

/// The part of the frame that is to be shown: the decoder has cut off what is right and below, not left and above.
fn shown<'a>(frame: &'a YuvFrame, sps: &Sps) -> Option<I420<'a>> {
    let left = 2 * sps.frame_crop_left as usize;
    let top = sps.crop_unit_y() * sps.frame_crop_top as usize;
    let width = frame.width.checked_sub(left).filter(|width| *width > 0)?;
    let height = frame.height.checked_sub(top).filter(|height| *height > 0)?;
    let plane = |data: &'a [u8], divisor: usize| {
        let stride = frame.width / divisor;
        Some(Plane {
            data: data.get(top / divisor * stride + left / divisor..)?,
            stride,
            width: width / divisor,
            height: height / divisor,
        })
    };
    Some(I420 { y: plane(&frame.y, 1)?, u: plane(&frame.u, 2)?, v: plane(&frame.v, 2)? })
}
