//! The `rusty_h264` decoder, fenced in.
//!
//! It is safe Rust outside its SIMD kernels, yet peer bytes must not reach it unjudged: it
//! allocates by the number of reference indexes and frames that a stream states, keeps every
//! parameter set, panics where numbers overflow, and has a few things wrong without noticing. All
//! of that is judged here first, by name.

use std::panic::{AssertUnwindSafe, catch_unwind};

use h264::{DecRefPicMarking, MemoryManagementControl, NalType, Pps, SliceHeader, SliceType, Sps};
use media::{I420, Plane, Timestamp};
use rusty_h264_common::YuvFrame;
use rusty_h264_common::nal::split_annex_b;
use rusty_h264_decoder::{DecodeError, Decoder};

use crate::decoder::Decode;
use crate::headers::Headers;
use crate::{DecoderKind, Error, Limits};

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
struct Coded {
    /// The header of its last slice.
    slice: SliceHeader,
    /// I slices only.
    intra: bool,
    /// Bytes of all slices.
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

    /// After an error nothing is kept: what was judged and what the decoder knows must stay the
    /// same.
    fn start_anew(&mut self) {
        *self = Self::new(self.limits);
    }

    /// The picture of an access unit, and the PPS that its slices name; None where it has no
    /// slices.
    fn decode_frame(&mut self, annexb: &[u8]) -> Result<Option<(YuvFrame, u32)>, Error> {
        let bytes = annexb.len();
        let coded = self.judge(annexb)?;
        let frame = self.decoder.decode(annexb).map_err(|error| named(&error, bytes))?;
        let Some(Coded { slice, .. }) = coded else { return Ok(None) };
        let frame = frame.ok_or(Error::Damaged { bytes, why: "the picture is not complete" })?;
        self.synchronised = true;
        if slice.nal_ref_idc != 0 {
            let operations = operations(&slice);
            // Numbers start anew behind such a picture (ITU-T H.264 7.4.3).
            let resets = operations.contains(&MemoryManagementControl::Reset);
            self.last_frame_num = if resets { 0 } else { slice.frame_num };
        }
        Ok(Some((frame, slice.pic_parameter_set_id)))
    }

    /// Reads everything before the decoder does.
    fn judge(&mut self, annexb: &[u8]) -> Result<Option<Coded>, Error> {
        let bytes = annexb.len();
        let mut coded: Option<Coded> = None;
        for nal_unit in split_annex_b(annexb) {
            judge_escapes(nal_unit)?;
            match h264::nal_type(nal_unit) {
                NalType::Sps => {
                    let sps = Sps::parse(nal_unit).map_err(|error| unreadable(error, bytes))?;
                    judge_sps(&sps, self.limits)?;
                    self.headers.insert_sps(sps);
                }
                NalType::Pps => {
                    let pps = Pps::parse(nal_unit).map_err(|error| unreadable(error, bytes))?;
                    // The rest is judged when a slice uses it: some encoders send more than they
                    // use.
                    if pps.slice_groups > 1 {
                        return Err(unsupported("slice groups"));
                    }
                    self.headers.insert_pps(pps);
                }
                NalType::Slice | NalType::Idr => {
                    let slice = self.headers.read_slice(nal_unit);
                    let slice = slice.map_err(|error| unreadable(error, bytes))?;
                    // The decoder leaves redundant slices out, too.
                    if slice.redundant_pic_cnt == 0 {
                        coded = Some(self.judge_slice(slice, nal_unit.len(), coded)?);
                    }
                }
                NalType::PartitionA | NalType::PartitionB | NalType::PartitionC => {
                    return Err(unsupported("data partitioning"));
                }
                _ => {}
            }
        }
        if let Some(coded) = &coded {
            self.judge_size(coded)?;
            self.judge_place(coded, bytes)?;
        }
        Ok(coded)
    }

    /// What the access unit is with this slice of `bytes`, behind those `before` it.
    fn judge_slice(
        &self,
        slice: SliceHeader,
        bytes: usize,
        before: Option<Coded>,
    ) -> Result<Coded, Error> {
        if slice.field_pic_flag {
            return Err(unsupported("field pictures"));
        }
        if let Some((sps, pps)) = self.headers.sets(slice.pic_parameter_set_id) {
            judge_pps(pps)?;
            // It predicts single samples wrongly at such a border.
            let begins_in_row = !slice.first_mb_in_slice.is_multiple_of(sps.coded_width / 16);
            if begins_in_row && pps.transform_8x8_mode {
                return Err(unsupported("8x8 transforms in slices that begin inside a row"));
            }
        }
        let is_intra = slice.slice_type == SliceType::I;
        let Some(before) = before else { return Ok(Coded { slice, intra: is_intra, bytes }) };
        judge_sequence(&slice, &before.slice)?;
        Ok(Coded { slice, intra: before.intra && is_intra, bytes: before.bytes + bytes })
    }

    /// It filters the edges of I_PCM macroblocks with the slice's QP instead of 0 (8.7.2.2).
    /// Pictures made of them are as large as uncompressed ones; single ones occur only at a QP too
    /// low for the filter to do anything.
    fn judge_size(&self, coded: &Coded) -> Result<(), Error> {
        let Some((sps, _)) = self.headers.sets(coded.slice.pic_parameter_set_id) else {
            return Ok(());
        };
        let raw_bytes = sps.coded_width as usize * sps.coded_height as usize * 3 / 2;
        if coded.bytes <= raw_bytes / 4 * 3 {
            return Ok(());
        }
        Err(unsupported("pictures as large as uncompressed ones"))
    }

    /// Whether all that the picture refers to is there.
    fn judge_place(&self, coded: &Coded, bytes: usize) -> Result<(), Error> {
        let slice = &coded.slice;
        if slice.idr {
            return Ok(());
        }
        if !self.synchronised {
            return if coded.intra { Ok(()) } else { Err(Error::Unsynchronised) };
        }
        let Some((sps, _)) = self.headers.sets(slice.pic_parameter_set_id) else { return Ok(()) };
        let next = (self.last_frame_num + 1) & ((1 << sps.log2_max_frame_num) - 1);
        let follows = [self.last_frame_num, next].contains(&slice.frame_num);
        // An intra picture refers to nothing, but those behind it would be given what was before
        // the gap.
        if follows || sps.gaps_in_frame_num_value_allowed {
            return Ok(());
        }
        Err(Error::Damaged { bytes, why: "a picture that it refers to is missing" })
    }
}

impl Decode for RustyDecoder {
    /// A picture comes at once.
    fn decode(
        &mut self,
        annexb: &[u8],
        pts: Timestamp,
        on_picture: &mut dyn FnMut(I420<'_>, Timestamp),
    ) -> Result<(), Error> {
        let bytes = annexb.len();
        let result = catch_unwind(AssertUnwindSafe(|| self.decode_frame(annexb)))
            .unwrap_or(Err(Error::Panicked { bytes }));
        let Some((frame, pic_parameter_set_id)) = result.inspect_err(|_| self.start_anew())? else {
            return Ok(());
        };
        let sets = self.headers.sets(pic_parameter_set_id);
        if let Some(picture) = sets.and_then(|(sps, _)| shown(&frame, sps)) {
            on_picture(picture, pts);
        }
        Ok(())
    }

    /// It holds nothing back.
    fn drain(&mut self, _: &mut dyn FnMut(I420<'_>, Timestamp)) {}
}

/// The operations of an adaptive `dec_ref_pic_marking()`.
fn operations(slice: &SliceHeader) -> &[MemoryManagementControl] {
    match &slice.dec_ref_pic_marking {
        DecRefPicMarking::Adaptive(operations) => operations,
        _ => &[],
    }
}

/// It leaves a byte in that `h264` takes out where what follows is no byte that has to be escaped
/// (ITU-T H.264 7.4.1 forbids that): what was judged would not be what it reads, and it allocates
/// by what it reads.
fn judge_escapes(nal_unit: &[u8]) -> Result<(), Error> {
    let (kind, rest) = (h264::nal_type(nal_unit), h264::Limits::default().max_slice_header_bytes);
    let (judged, ends_in_escape) = match kind {
        NalType::Sps | NalType::Pps => (nal_unit, nal_unit.ends_with(&[0, 0, 3])),
        // Behind its header nothing is judged, and the data may end so (cabac_zero_word).
        NalType::Slice | NalType::Idr => (&nal_unit[..nal_unit.len().min(rest)], false),
        _ => return Ok(()),
    };
    if ends_in_escape
        || judged.windows(4).any(|bytes| matches!(bytes, [0, 0, 3, next] if *next > 3))
    {
        return Err(unsupported("bytes that escape nothing"));
    }
    Ok(())
}

/// A slice and the one before it in the same picture.
fn judge_sequence(slice: &SliceHeader, before: &SliceHeader) -> Result<(), Error> {
    if slice.first_mb_in_slice <= before.first_mb_in_slice {
        return Err(unsupported("slices out of order"));
    }
    if slice.pic_parameter_set_id != before.pic_parameter_set_id {
        return Err(unsupported("slices of one picture with different parameter sets"));
    }
    // It would carry the operation out once a slice, and lose the reference the second time.
    let assigns =
        |it: &MemoryManagementControl| matches!(it, MemoryManagementControl::AssignLongTerm { .. });
    if operations(slice).iter().any(assigns) {
        return Err(unsupported("long-term references set by pictures of several slices"));
    }
    Ok(())
}

fn judge_sps(sps: &Sps, limits: Limits) -> Result<(), Error> {
    let (width, height) = (sps.coded_width as usize, sps.coded_height as usize);
    let limit = limits.max_pixels;
    if width * height > limit {
        return Err(Error::PictureTooLarge { width, height, limit });
    }
    let frames = sps.max_num_ref_frames;
    if frames > limits.max_reference_frames
        || frames as usize * (width * height / 256) > limits.max_reference_macroblocks
    {
        return Err(unsupported("more reference frames than level 5.2 holds"));
    }
    // It adds the sides up, and panics where that overflows.
    if sps.cropping_ignored {
        return Err(unsupported("cropping that leaves nothing"));
    }
    if sps.chroma_format_idc != 1 {
        return Err(unsupported("chroma other than 4:2:0"));
    }
    if sps.bit_depth_luma > 8 || sps.bit_depth_chroma > 8 {
        return Err(unsupported("more than 8 bits a sample"));
    }
    // Without it every picture may still be a frame, as x264's fake-interlaced ones are.
    if sps.mb_adaptive_frame_field {
        return Err(unsupported("macroblock-adaptive frames"));
    }
    if sps.lossless {
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
    let [of_cb, of_cr] = pps.chroma_qp_index_offset;
    if of_cb != of_cr {
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

/// Parameter sets or a slice header that cannot be read.
fn unreadable(error: h264::Error, bytes: usize) -> Error {
    match error {
        h264::Error::UnknownParameterSet { .. } => {
            Error::Damaged { bytes, why: "its parameter sets are missing" }
        }
        h264::Error::SwitchingSlice => unsupported("switching slices"),
        error => Error::Malformed { bytes, error },
    }
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

/// The part of the frame that is to be shown: the decoder has cut off what is right and below, not
/// left and above.
fn shown<'a>(frame: &'a YuvFrame, sps: &Sps) -> Option<I420<'a>> {
    let (left, top) = (sps.crop_left as usize, sps.crop_top as usize);
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
