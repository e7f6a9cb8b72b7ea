//! From NAL units to pictures: which picture a slice is of, where it goes, and when it is output.

use std::collections::VecDeque;
use std::sync::Arc;

use h264::{
    DecRefPicMarking, NalType, PicOrderCounter, PictureId, Pps, ScalingMatrix, SliceHeader,
    SliceType, Sps, nal_type,
};
use media::{I420, Plane, Timestamp};

use crate::conceal;
use crate::deblock::{self, EdgeLimits};
use crate::dpb::{self, Marking, PictureFacts, Shown};
use crate::error::{Error, Refusal};
use crate::frame::{Frame, Geometry, Structure};
use crate::limits::Limits;
use crate::mb::NO_SLICE;
use crate::picture::{PictureState, SliceContext, SliceParameters};
use crate::quality::{Groups, Omissions, Quality};
use crate::ref_list::{CurrentPicture, RefLists};
use crate::residual::LevelScale;
use crate::slice;
use crate::vectors::{Instructions, dispatch};

/// An H.264 decoder: access units in, pictures out.
///
/// After every [`decode`](Self::decode) and [`flush`](Self::flush), take
/// [`next_picture`](Self::next_picture) until it gives None: what is not taken is dropped with the
/// next access unit.
pub struct Decoder {
    limits: Limits,
    instructions: Instructions,
    quality: Quality,
    groups: Groups,
    sps: Vec<Option<Arc<Sps>>>,
    pps: Vec<Option<Arc<Pps>>>,
    /// The slice that is read, without emulation prevention.
    rbsp: Vec<u8>,
    /// The parameter set that the frames were made by.
    active: Option<Arc<Sps>>,
    geometry: Geometry,
    scale: Box<LevelScale>,
    frames: Vec<Frame>,
    picture: PictureState,
    /// The picture whose slices are coming.
    current: Option<Current>,
    /// A frame of which one field is decoded.
    first_field: Option<FirstField>,
    counter: PicOrderCounter,
    /// `PrevRefFrameNum` (7.4.3).
    previous_ref_frame_num: u32,
    max_long_term_frame_idx: Option<u32>,
    start: Start,
    /// Slots of pictures to hand out.
    output: VecDeque<u8>,
    /// The slot that was handed out last: it is free as soon as the next one is asked for.
    lent: Option<u8>,
    /// A chroma plane for monochrome pictures.
    grey: Vec<u8>,
}

/// A picture that is being decoded.
struct Current {
    id: PictureId,
    header: SliceHeader,
    sps: Arc<Sps>,
    slot: u8,
    structure: Structure,
    is_mbaff: bool,
    is_second_field: bool,
    /// How many frames later everything is right, where decoding starts or may start here.
    recovery_frame_count: Option<u32>,
    /// Where the slice before began.
    first_mb_in_slice: u32,
    omissions: Omissions,
}

/// A first field that waits for its second.
#[derive(Clone, Copy, Debug)]
struct FirstField {
    slot: u8,
    structure: Structure,
    frame_num: u32,
    is_idr: bool,
}

/// Whether pictures may be shown yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// Nothing was decoded yet: waits for an IDR or a recovery point.
    Waiting,
    /// Right so many reference frames later than the one with this `frame_num`, the newest.
    Recovering { frames_left: u32, frame_num: u32 },
    /// Right, but for what is shown before the picture with this order.
    Recovered { from: Option<i32> },
}

/// A decoded picture, in output order.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// The samples that are shown: cropped, fields woven. Chroma of monochrome streams is grey.
    pub samples: I420<'a>,
    /// That of the access unit that it came with; of the first one where two fields came apart.
    pub pts: Timestamp,
    /// Macroblocks that did not come, or came damaged, and were filled in from another picture.
    pub concealed_macroblocks: u32,
    /// Entries of reference lists for which there was no picture, and another stood in.
    pub missing_references: u32,
    /// An IDR picture: nothing before it matters to what follows.
    pub is_idr: bool,
    /// The stream may code fields (`frame_mbs_only_flag` 0): every second line may be of another
    /// moment, also where the picture was coded as a frame.
    pub is_interlaced: bool,
    /// The stream has no chroma.
    pub is_monochrome: bool,
}

impl Decoder {
    /// A decoder that waits for parameter sets and a picture to start at.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self::with_instructions(limits, Instructions::detected())
    }

    /// The same, with other vector instructions than the best ones that there are.
    #[must_use]
    pub fn with_instructions(limits: Limits, instructions: Instructions) -> Self {
        Self {
            limits,
            instructions,
            quality: Quality::Exact,
            groups: Groups::default(),
            sps: vec![None; 32],
            pps: vec![None; 256],
            rbsp: Vec::new(),
            active: None,
            geometry: Geometry::default(),
            scale: Box::new(LevelScale::new(ScalingMatrix::FLAT)),
            frames: Vec::new(),
            picture: PictureState::default(),
            current: None,
            first_field: None,
            counter: PicOrderCounter::default(),
            previous_ref_frame_num: 0,
            max_long_term_frame_idx: None,
            start: Start::Waiting,
            output: VecDeque::new(),
            lent: None,
            grey: Vec::new(),
        }
    }

    /// Decodes the NAL units of an access unit, without start codes or lengths; parameter sets may
    /// be among them, or come alone. Damage is concealed, and counted in the [`Picture`]s.
    ///
    /// # Errors
    /// [`Error::Refused`] where the stream has what this decoder does not decode; the picture is
    /// not touched. [`Error::ParameterSet`] where one cannot be read; the rest of the access
    /// unit is decoded all the same.
    pub fn decode<'a>(
        &mut self,
        access_unit: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>,
        pts: Timestamp,
    ) -> Result<(), Error> {
        self.drop_output();
        let access_unit = access_unit.into_iter();
        let outline = Outline::of(access_unit.clone());
        let mut result = Ok(());
        let mut recovery_frame_count = None;
        let mut pictures = 0;
        let mut rbsp = std::mem::take(&mut self.rbsp);
        for (index, nal_unit) in access_unit.enumerate() {
            match nal_type(nal_unit) {
                NalType::Sps | NalType::Pps => {
                    if let Err(error) = self.take_parameter_set(nal_unit) {
                        result = Err(Error::ParameterSet { nal_unit: index, error });
                    }
                }
                NalType::Sei => {
                    recovery_frame_count =
                        h264::recovery_frame_count(nal_unit).or(recovery_frame_count);
                }
                NalType::Slice | NalType::Idr => {
                    h264::write_rbsp(nal_unit, &mut rbsp);
                    let facts =
                        SliceFacts { header: nal_unit[0], outline, recovery_frame_count, pts };
                    if let Err(refusal) = self.take_slice(&rbsp, facts, &mut pictures) {
                        // Whatever else is in it is of the same stream.
                        result = Err(refusal.into());
                        break;
                    }
                }
                NalType::PartitionA | NalType::PartitionB | NalType::PartitionC => {
                    result = Err(Refusal::DataPartitioning.into());
                    break;
                }
                _ => {}
            }
        }
        self.rbsp = rbsp;
        self.finish_picture();
        result
    }

    /// Gives out all pictures that wait for others, as at the end of a stream.
    pub fn flush(&mut self) {
        self.drop_output();
        self.finish_picture();
        self.finish_lone_field();
        self.output_all();
    }

    /// Starts anew, as behind a gap: what is there is dropped, and nothing is shown before the next
    /// IDR or recovery point. Parameter sets stay.
    pub fn reset(&mut self) {
        self.drop_output();
        self.current = None;
        self.first_field = None;
        self.start = Start::Waiting;
        for frame in &mut self.frames {
            frame.marking = Marking::default();
        }
    }

    /// How closely pictures are made from the next one on; [`Quality::Exact`] until this says
    /// otherwise. What they refer to stays as it was made, until the next IDR picture.
    pub fn set_quality(&mut self, quality: Quality) {
        self.quality = quality;
    }

    /// Begins with the next picture, whatever it is, and shows all from there on: what they refer
    /// to and is not there is grey.
    pub fn start_anywhere(&mut self) {
        self.start = Start::Recovered { from: None };
    }

    /// The next picture in output order.
    #[must_use]
    pub fn next_picture(&mut self) -> Option<Picture<'_>> {
        if let Some(lent) = self.lent.take() {
            self.frames[usize::from(lent)].marking.is_queued = false;
        }
        let slot = self.output.pop_front()?;
        self.lent = Some(slot);
        let frame = &self.frames[usize::from(slot)];
        let facts = frame.marking.facts;
        let is_monochrome = frame.samples.strides[1] == 0;
        Some(Picture {
            samples: cropped(frame, &self.grey),
            pts: facts.pts,
            concealed_macroblocks: facts.concealed_macroblocks,
            missing_references: facts.missing_references,
            is_idr: facts.is_idr,
            is_interlaced: facts.is_interlaced,
            is_monochrome,
        })
    }

    /// Bytes that the decoder's pictures and their side data take.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let of_frame = |frame: &Frame| {
            let samples: usize = frame.samples.planes.iter().map(Vec::len).sum();
            samples + frame.motion.is_field.len() * (1 + 2 + 2 * (64 + 4 + 4))
        };
        self.frames.iter().map(of_frame).sum::<usize>()
            + self.picture.mbs.len() * (size_of::<crate::mb::Mb>() + 2)
            + self.picture.blocks.len() * size_of::<crate::mb::Blocks>()
            + self.picture.mvd.len() * size_of::<crate::mb::EdgeMvd>()
    }

    fn drop_output(&mut self) {
        for slot in self.output.drain(..).chain(self.lent.take()) {
            self.frames[usize::from(slot)].marking.is_queued = false;
        }
    }

    fn take_parameter_set(&mut self, nal_unit: &[u8]) -> Result<(), h264::Error> {
        if nal_type(nal_unit) == NalType::Sps {
            let sps = Sps::parse(nal_unit)?;
            if let Some(known) = self.sps.get_mut(sps.id as usize)
                && known.as_deref() != Some(&sps)
            {
                *known = Some(Arc::new(sps));
            }
        } else {
            let pps = Pps::parse(nal_unit)?;
            if let Some(known) = self.pps.get_mut(pps.id as usize)
                && known.as_deref() != Some(&pps)
            {
                *known = Some(Arc::new(pps));
            }
        }
        Ok(())
    }

    fn take_slice(
        &mut self,
        rbsp: &[u8],
        facts: SliceFacts,
        pictures: &mut u8,
    ) -> Result<(), Refusal> {
        let mut found = None;
        let header = SliceHeader::parse_rbsp(facts.header, rbsp, |id| {
            let pps = self.pps.get(id as usize)?.as_ref()?;
            let sps = self.sps.get(pps.sps_id as usize)?.as_ref()?;
            found = Some((Arc::clone(sps), Arc::clone(pps)));
            Some((&**sps, &**pps))
        });
        if let Some((sps, pps)) = &found {
            judge(sps, pps, &self.limits)?;
        }
        if let Some(refusal) = facts.outline.refusal {
            return Err(refusal);
        }
        let (header, (sps, pps)) = match (header, found) {
            (Ok(header), Some(sets)) => (header, sets),
            (Err(h264::Error::SwitchingSlice), _) => return Err(Refusal::SwitchingSlices),
            // Of a picture that cannot be told: its macroblocks are missing there.
            _ => return Ok(()),
        };
        if header.redundant_pic_cnt > 0 {
            return Err(Refusal::RedundantSlices);
        }
        let id = PictureId::of(&header);
        if self.current.as_ref().is_none_or(|current| current.id.differs(&id)) {
            self.finish_picture();
            if *pictures >= self.limits.max_pictures || !self.may_start(&header, facts) {
                return Ok(());
            }
            *pictures += 1;
            self.start_picture(&header, sps, facts);
        }
        if let Some(current) = &self.current
            && header.first_mb_in_slice < current.first_mb_in_slice
            && self.is_undecoded(header.first_mb_in_slice, current)
        {
            return Err(Refusal::ArbitrarySliceOrder {
                first_mb_in_slice: header.first_mb_in_slice,
                after: current.first_mb_in_slice,
            });
        }
        self.decode_slice(rbsp, &header, &pps);
        Ok(())
    }

    fn is_undecoded(&self, first_mb_in_slice: u32, current: &Current) -> bool {
        let (first, width) = (first_mb_in_slice as usize, self.geometry.width);
        let index = match current.structure {
            Structure::Frame if current.is_mbaff => first / width * 2 * width + first % width,
            Structure::Frame => first,
            field => (first / width * 2 + field.first_row()) * width + first % width,
        };
        self.picture.slice_of.get(index) == Some(&NO_SLICE)
    }

    /// Whether decoding may start, or go on, with this picture.
    fn may_start(&self, header: &SliceHeader, facts: SliceFacts) -> bool {
        self.start != Start::Waiting
            || header.idr
            || facts.outline.is_intra
            || facts.recovery_frame_count.is_some()
    }

    fn start_picture(&mut self, header: &SliceHeader, sps: Arc<Sps>, facts: SliceFacts) {
        self.activate(&sps);
        let structure = match (header.field_pic_flag, header.bottom_field_flag) {
            (false, _) => Structure::Frame,
            (true, false) => Structure::Top,
            (true, true) => Structure::Bottom,
        };
        let pairs = |first: &FirstField| {
            structure.is_field()
                && first.structure == structure.opposite()
                && first.frame_num == header.frame_num
                && (!header.idr || first.is_idr)
        };
        let second_of = self.first_field.take_if(|first| pairs(first));
        if second_of.is_none() {
            self.finish_lone_field();
        }
        let is_mbaff = sps.mb_adaptive_frame_field && !header.field_pic_flag;
        let mut missing_references = 0;
        if header.idr && second_of.is_none() {
            self.output_all();
            for frame in &mut self.frames {
                frame.marking.short_term = 0;
                frame.marking.long_term = 0;
            }
            self.max_long_term_frame_idx = None;
        } else if second_of.is_none() {
            missing_references = self.fill_gap(header, &sps);
        }
        let orders = self.counter.count(&sps, header);
        let recovery_frame_count = match self.start {
            Start::Waiting if header.idr => Some(0),
            Start::Waiting => Some(facts.recovery_frame_count.unwrap_or(0)),
            // A picture that needs no other is right by itself.
            _ => facts.recovery_frame_count.or_else(|| facts.outline.is_intra.then_some(0)),
        };
        let slot = match second_of {
            Some(first) => first.slot,
            None => self.free_slot(),
        };
        let marking = &mut self.frames[usize::from(slot)].marking;
        if second_of.is_none() {
            *marking = Marking {
                frame_num: header.frame_num,
                is_mbaff,
                facts: PictureFacts {
                    pts: facts.pts,
                    missing_references,
                    is_idr: header.idr,
                    is_interlaced: sps.interlaced,
                    shown: Shown {
                        left: sps.crop_left as usize,
                        top: sps.crop_top as usize,
                        width: sps.width as usize,
                        height: sps.height as usize,
                    },
                    ..PictureFacts::default()
                },
                ..Marking::default()
            };
        }
        match structure {
            Structure::Frame => marking.pic_order_cnt = orders,
            field => marking.pic_order_cnt[field.first_row()] = orders[field.first_row()],
        }
        self.picture.start(self.geometry, is_mbaff, second_of.is_some());
        if self.start == Start::Waiting {
            let frames_left =
                recovery_frame_count.unwrap_or(0).min(self.limits.max_recovery_frames);
            self.start = Start::Recovering { frames_left, frame_num: header.frame_num };
        }
        if header.idr && second_of.is_none() {
            self.groups.begin(facts.pts);
        }
        let is_reference = header.nal_ref_idc != 0;
        self.current = Some(Current {
            id: PictureId::of(header),
            header: header.clone(),
            sps,
            slot,
            structure,
            is_mbaff,
            is_second_field: second_of.is_some(),
            recovery_frame_count,
            first_mb_in_slice: 0,
            omissions: Omissions::new(self.quality, is_reference, facts.pts, self.groups),
        });
    }

    /// Makes the frames of a sequence parameter set that is another.
    fn activate(&mut self, sps: &Arc<Sps>) {
        if self.active.as_ref() == Some(sps) {
            return;
        }
        self.finish_lone_field();
        let geometry = Geometry {
            width: sps.coded_width as usize / 16,
            height: sps.coded_height as usize / 16,
            has_chroma: sps.chroma_format_idc != 0,
        };
        if geometry != self.geometry {
            // What is there is still shown, but nothing can refer to it.
            self.output_all();
            for frame in &mut self.frames {
                frame.marking.short_term = 0;
                frame.marking.long_term = 0;
                frame.marking.fields = 0;
            }
            self.geometry = geometry;
            let chroma = sps.coded_width as usize / 2 * (sps.coded_height as usize / 2);
            if !geometry.has_chroma && self.grey.len() < chroma {
                self.grey.resize(chroma, 128);
            }
        }
        self.active = Some(Arc::clone(sps));
    }

    /// Frames for reference and output: what the level says (A.3.1), or as many references as the
    /// stream says that it has, since levels are often too low; but no more than the largest level
    /// that is common has room for.
    fn buffer_frames(&self) -> usize {
        /// `MaxDpbMbs` of level 5.2 (table A-1).
        const MAX_DPB_MBS: usize = 184_320;
        let Some(sps) = self.active.as_deref() else { return 1 };
        let room = MAX_DPB_MBS / self.geometry.macroblocks().max(1);
        let references = (sps.max_num_ref_frames as usize).min(room);
        let frames = usize::from(sps.max_dpb_frames()).max(references);
        frames.clamp(1, self.limits.max_frames.clamp(1, 16).into())
    }

    fn max_num_ref_frames(&self) -> usize {
        let references = self.active.as_deref().map_or(1, |sps| sps.max_num_ref_frames);
        (references as usize).clamp(1, self.buffer_frames())
    }

    /// A frame that nothing needs.
    fn free_slot(&mut self) -> u8 {
        let buffer_frames = self.buffer_frames();
        let free = |frames: &[Frame]| frames.iter().position(|frame| frame.marking.is_free());
        let slot = match free(&self.frames) {
            Some(slot) => slot,
            // Beside the buffer one frame is decoded, and as many may be waiting to be taken.
            None if self.frames.len() < 2 * buffer_frames + 1 => {
                self.frames.push(Frame::default());
                self.frames.len() - 1
            }
            None => {
                let dropped = self.output.pop_front().map_or(0, usize::from);
                self.frames[dropped].marking = Marking::default();
                dropped
            }
        };
        self.frames[slot].resize(self.geometry);
        slot as u8
    }

    /// Gaps in `frame_num` (8.2.5.2): frames that are missing on purpose, or lost. In place of lost
    /// ones stands a copy of the picture before.
    ///
    /// Returns how many were lost.
    fn fill_gap(&mut self, header: &SliceHeader, sps: &Sps) -> u32 {
        if self.start == Start::Waiting {
            return 0;
        }
        let max_frame_num = 1u32 << sps.log2_max_frame_num;
        let mut missing = (self.previous_ref_frame_num + 1) % max_frame_num;
        if header.frame_num == self.previous_ref_frame_num || header.frame_num == missing {
            return 0;
        }
        let gap = (header.frame_num + max_frame_num - missing) % max_frame_num;
        // No more than are kept; those before would be pushed out.
        let kept = (self.max_num_ref_frames() as u32).min(self.limits.max_gap.into());
        if gap > kept {
            let skipped = gap - kept;
            self.counter.skip_frame(sps, (missing + skipped - 1) % max_frame_num);
            missing = (missing + skipped) % max_frame_num;
        }
        while missing != header.frame_num {
            self.insert_missing_frame(missing, sps);
            self.counter.skip_frame(sps, missing);
            self.previous_ref_frame_num = missing;
            missing = (missing + 1) % max_frame_num;
        }
        if sps.gaps_in_frame_num_value_allowed { 0 } else { gap }
    }

    fn insert_missing_frame(&mut self, frame_num: u32, sps: &Sps) {
        let max_frame_num = 1u32 << sps.log2_max_frame_num;
        let previous = self
            .frames
            .iter()
            .enumerate()
            .filter(|(_, frame)| frame.marking.short_term == 3)
            .min_by_key(|(_, frame)| {
                frame_num.wrapping_sub(frame.marking.frame_num) % max_frame_num
            })
            .map(|(slot, _)| slot);
        let order = previous.map_or(0, |slot| self.frames[slot].marking.pic_order_cnt[0]);
        let picture = CurrentPicture {
            slot: u8::MAX,
            structure: Structure::Frame,
            frame_num,
            max_frame_num,
            pic_order_cnt: order,
        };
        let max_num_ref_frames = self.max_num_ref_frames();
        // The source of the copy must outlive the sliding.
        let copied = previous.map(|slot| std::mem::take(&mut self.frames[slot].samples));
        dpb::slide_window(&mut self.frames, picture, max_num_ref_frames);
        if let (Some(slot), Some(samples)) = (previous, copied) {
            self.frames[slot].samples = samples;
        }
        let slot = usize::from(self.free_slot());
        let mut target = std::mem::take(&mut self.frames[slot]);
        match previous {
            Some(previous) if previous != slot => {
                let source = &self.frames[previous].samples;
                for (to, from) in target.samples.planes.iter_mut().zip(&source.planes) {
                    to.copy_from_slice(from);
                }
            }
            Some(_) => {}
            None => target.samples.fill_grey(),
        }
        for list in 0..2 {
            target.motion.ref_idx[list].fill([-1; 4]);
            target.motion.ref_id[list].fill([0; 4]);
        }
        target.motion.still.fill(0);
        target.motion.is_field.fill(false);
        target.marking = Marking {
            fields: 3,
            short_term: 3,
            frame_num,
            pic_order_cnt: [order; 2],
            is_non_existing: true,
            is_without_order: sps.gaps_in_frame_num_value_allowed && sps.pic_order_cnt_type == 0,
            ..Marking::default()
        };
        self.frames[slot] = target;
    }

    fn decode_slice(&mut self, rbsp: &[u8], header: &SliceHeader, pps: &Pps) {
        let Some(mut current) = self.current.take() else { return };
        let sps = Arc::clone(&current.sps);
        current.first_mb_in_slice = header.first_mb_in_slice;
        let slice = self.picture.slices.len() as u16;
        // Each slice that is not damage has a macroblock of its own.
        let most = self.geometry.macroblocks().min(usize::from(u16::MAX) - 1);
        let is_outside = header.first_mb_in_slice as usize >= self.geometry.macroblocks();
        if self.picture.slices.len() >= most || is_outside {
            self.current = Some(current);
            return;
        }
        self.picture.slices.push(SliceParameters {
            disable_deblocking_filter_idc: if current.omissions.deblocking {
                1
            } else {
                header.disable_deblocking_filter_idc
            },
            edge_limits: EdgeLimits::new(
                [2 * header.slice_alpha_c0_offset_div2, 2 * header.slice_beta_offset_div2],
                pps.chroma_qp_index_offset,
            ),
            is_b: header.slice_type == SliceType::B,
        });
        let picture = self.current_picture(&current, header);
        if header.slice_type != SliceType::I && !self.has_reference(current.slot) {
            self.insert_grey_frame(&current, header);
        }
        if let Some(lists) = RefLists::new(header, &self.frames, picture) {
            let matrix =
                ScalingMatrix::new(sps.scaling_lists.as_deref(), pps.scaling_lists.as_deref());
            self.scale.update(matrix);
            let slot = usize::from(current.slot);
            let mut frame = std::mem::take(&mut self.frames[slot]);
            let missing = u32::try_from(lists.missing).unwrap_or(u32::MAX);
            frame.marking.facts.missing_references += missing;
            let context = SliceContext {
                sps: &sps,
                pps,
                header,
                geometry: self.geometry,
                structure: current.structure,
                is_coarse: current.omissions.fine_prediction,
                // The first field of a frame may be a reference where the second is none.
                is_motion_kept: header.nal_ref_idc != 0
                    || !current.omissions.deblocking
                    || current.is_second_field,
                is_mbaff: current.is_mbaff,
                scale: &self.scale,
                frame: &mut frame,
                slot: current.slot,
                frames: &self.frames,
                lists: &lists,
                picture: &mut self.picture,
                slice,
            };
            // What a damaged slice leaves open is concealed with the picture.
            let _ = dispatch!(self.instructions, simd => slice::decode(simd, context, rbsp));
            self.frames[slot] = frame;
        }
        self.current = Some(current);
    }

    fn current_picture(&self, current: &Current, header: &SliceHeader) -> CurrentPicture {
        let marking = &self.frames[usize::from(current.slot)].marking;
        CurrentPicture {
            slot: current.slot,
            structure: current.structure,
            frame_num: header.frame_num,
            max_frame_num: 1 << current.sps.log2_max_frame_num,
            pic_order_cnt: marking.pic_order_cnt_of(current.structure.parities()),
        }
    }

    fn has_reference(&self, current: u8) -> bool {
        self.frames.iter().enumerate().any(|(slot, frame)| {
            frame.marking.is_reference()
                && (frame.marking.fields == 3 || slot == usize::from(current))
        })
    }

    /// Where decoding starts between IDRs, at first there is nothing to refer to.
    fn insert_grey_frame(&mut self, current: &Current, header: &SliceHeader) {
        let max_frame_num = 1u32 << current.sps.log2_max_frame_num;
        let before = (header.frame_num + max_frame_num - 1) % max_frame_num;
        // The current frame must not be taken for free.
        let slot = usize::from(current.slot);
        self.frames[slot].marking.is_queued = true;
        self.insert_missing_frame(before, &current.sps);
        self.frames[slot].marking.is_queued = false;
    }

    /// Conceals, deblocks and marks the picture whose slices have come.
    fn finish_picture(&mut self) {
        let Some(current) = self.current.take() else { return };
        let slot = usize::from(current.slot);
        let structure = current.structure;
        let mut frame = std::mem::take(&mut self.frames[slot]);
        let nearest = nearest_shown(&self.frames, frame.marking.pic_order_cnt[0]);
        let concealed = conceal::conceal(
            self.geometry,
            structure,
            &mut frame,
            nearest.map(|slot| &self.frames[slot]),
            &self.picture,
        );
        frame.marking.facts.concealed_macroblocks += concealed;
        dispatch!(self.instructions, simd => deblock::deblock_rest(
            simd,
            self.geometry,
            structure,
            current.is_mbaff,
            &mut frame,
            &mut self.picture,
        ));
        frame.marking.fields |= structure.parities();
        self.frames[slot] = frame;
        self.mark(&current);
        self.decide_start(&current);
        let is_shown = self.is_shown(slot);
        if current.is_second_field || !structure.is_field() {
            self.frames[slot].marking.is_waiting |= is_shown;
            self.output_ready(&current.sps);
        } else {
            self.frames[slot].marking.is_waiting = is_shown;
            self.first_field = Some(FirstField {
                slot: current.slot,
                structure,
                frame_num: self.frames[slot].marking.frame_num,
                is_idr: current.header.idr,
            });
        }
    }

    fn mark(&mut self, current: &Current) {
        let header = &current.header;
        let slot = usize::from(current.slot);
        let picture = self.current_picture(current, header);
        let max_num_ref_frames = self.max_num_ref_frames();
        let is_reset = matches!(&header.dec_ref_pic_marking, DecRefPicMarking::Adaptive(commands)
            if commands.contains(&h264::MemoryManagementControl::Reset));
        if is_reset {
            // All before it are shown before it (C.4.4).
            let is_waiting = std::mem::take(&mut self.frames[slot].marking.is_waiting);
            self.output_all();
            self.frames[slot].marking.is_waiting = is_waiting;
        }
        dpb::mark(
            &mut self.frames,
            picture,
            &header.dec_ref_pic_marking,
            max_num_ref_frames,
            &mut self.max_long_term_frame_idx,
        );
        self.counter.finish(header);
        if header.nal_ref_idc != 0 {
            self.previous_ref_frame_num = header.frame_num;
        }
        if is_reset {
            if let Start::Recovered { from } = &mut self.start {
                *from = None;
            }
            let marking = &mut self.frames[slot].marking;
            dpb::reset_orders(marking, current.structure);
            let top = (current.structure != Structure::Bottom).then_some(marking.pic_order_cnt[0]);
            self.counter.finish_reset(top);
            self.previous_ref_frame_num = 0;
        }
    }

    /// Whether pictures are right from here on.
    fn decide_start(&mut self, current: &Current) {
        let marking = &self.frames[usize::from(current.slot)].marking;
        let order = marking.pic_order_cnt_of(current.structure.parities());
        if current.header.idr {
            self.start = Start::Recovered { from: None };
            return;
        }
        let Start::Recovering { frames_left, frame_num: before } = self.start else { return };
        let max_frame_num = 1u32 << current.sps.log2_max_frame_num;
        let is_reference = current.header.nal_ref_idc != 0;
        let frame_num = if is_reference { current.header.frame_num } else { before };
        // The very frame may be lost.
        let passed = frame_num.wrapping_sub(before) % max_frame_num;
        let announced = current.recovery_frame_count.unwrap_or(frames_left);
        let frames_left = frames_left.saturating_sub(passed).min(announced);
        self.start = if frames_left == 0 {
            Start::Recovered { from: Some(order) }
        } else {
            Start::Recovering { frames_left, frame_num }
        };
    }

    fn is_shown(&self, slot: usize) -> bool {
        let marking = &self.frames[slot].marking;
        match self.start {
            Start::Waiting | Start::Recovering { .. } => false,
            Start::Recovered { from: None } => true,
            Start::Recovered { from: Some(from) } => {
                marking.pic_order_cnt_of(marking.fields) >= from
            }
        }
    }

    /// A first field whose second did not come is shown in both fields' rows.
    fn finish_lone_field(&mut self) {
        let Some(first) = self.first_field.take() else { return };
        let frame = &mut self.frames[usize::from(first.slot)];
        conceal::double_field(&mut frame.samples, first.structure);
        let own = first.structure.first_row();
        frame.marking.pic_order_cnt[1 - own] = frame.marking.pic_order_cnt[own];
        if let Some(sps) = self.active.clone() {
            self.output_ready(&sps);
        }
    }

    /// Outputs what no later picture can come before (C.4.5.3; E.2.1 `max_num_reorder_frames`).
    fn output_ready(&mut self, sps: &Sps) {
        let depth = usize::from(sps.reorder_depth().min(self.limits.max_waiting));
        let buffer_frames = self.buffer_frames();
        while dpb::waiting(&self.frames) > depth || dpb::occupied(&self.frames) > buffer_frames {
            let Some(slot) = dpb::next_output(&self.frames) else { return };
            self.output_frame(slot);
        }
    }

    fn output_all(&mut self) {
        while let Some(slot) = dpb::next_output(&self.frames) {
            self.output_frame(slot);
        }
    }

    fn output_frame(&mut self, slot: usize) {
        let marking = &mut self.frames[slot].marking;
        marking.is_waiting = false;
        if !marking.is_non_existing {
            marking.is_queued = true;
            self.output.push_back(slot as u8);
        }
    }
}

/// What comes with a slice.
#[derive(Clone, Copy)]
struct SliceFacts {
    /// The NAL unit's header byte.
    header: u8,
    outline: Outline,
    recovery_frame_count: Option<u32>,
    pts: Timestamp,
}

/// What is known of an access unit before anything of it is decoded.
#[derive(Clone, Copy)]
struct Outline {
    /// All its slices are I slices.
    is_intra: bool,
    refusal: Option<Refusal>,
}

impl Outline {
    fn of<'a>(access_unit: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut outline = Self { is_intra: true, refusal: None };
        // Where the slices of the picture began so far.
        let mut firsts: Vec<u32> = Vec::new();
        let mut highest = 0;
        for nal_unit in access_unit {
            match nal_type(nal_unit) {
                NalType::PartitionA | NalType::PartitionB | NalType::PartitionC => {
                    outline.refusal = Some(Refusal::DataPartitioning);
                }
                NalType::Slice | NalType::Idr => {
                    let Some((first, slice_type)) = h264::slice_outline(nal_unit) else { continue };
                    outline.is_intra &= slice_type == SliceType::I;
                    // A slice that comes again is damage, and one at 0 may be of a second field.
                    if first == 0 {
                        firsts.clear();
                        highest = 0;
                    } else if first < highest && !firsts.contains(&first) {
                        outline.refusal = Some(Refusal::ArbitrarySliceOrder {
                            first_mb_in_slice: first,
                            after: highest,
                        });
                    }
                    highest = highest.max(first);
                    if firsts.last() != Some(&first) {
                        firsts.push(first);
                    }
                }
                _ => {}
            }
        }
        outline
    }
}

/// What is refused by name.
fn judge(sps: &Sps, pps: &Pps, limits: &Limits) -> Result<(), Refusal> {
    let bits = sps.bit_depth_luma.max(sps.bit_depth_chroma);
    let macroblocks = sps.coded_width / 16 * (sps.coded_height / 16);
    if pps.slice_groups > 1 {
        return Err(Refusal::SliceGroups { slice_groups: pps.slice_groups });
    }
    if sps.chroma_format_idc > 1 {
        return Err(Refusal::ChromaFormat { chroma_format_idc: sps.chroma_format_idc });
    }
    if bits > 8 {
        return Err(Refusal::BitDepth { bits });
    }
    if sps.lossless {
        return Err(Refusal::Lossless);
    }
    if macroblocks > limits.max_macroblocks {
        return Err(Refusal::PictureSize { macroblocks, limit: limits.max_macroblocks });
    }
    Ok(())
}

/// The picture nearest in output order, to conceal from.
fn nearest_shown(frames: &[Frame], order: i32) -> Option<usize> {
    frames
        .iter()
        .enumerate()
        .filter(|(_, frame)| frame.marking.fields == 3)
        .min_by_key(|(_, frame)| {
            let other = frame.marking.pic_order_cnt_of(3);
            let is_kept = frame.marking.is_reference() || frame.marking.is_waiting;
            (!is_kept, (i64::from(other) - i64::from(order)).abs())
        })
        .map(|(slot, _)| slot)
}

/// What of a frame is shown.
fn cropped<'a>(frame: &'a Frame, grey: &'a [u8]) -> I420<'a> {
    let [luma_stride, chroma_stride] = frame.samples.strides;
    let Shown { left, top, width, height } = frame.marking.facts.shown;
    let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
    let [y, u, v] = &frame.samples.planes;
    let plane = |data: &'a [u8], stride, left: usize, top: usize, width, height| Plane {
        data: &data[top * stride + left..],
        stride,
        width,
        height,
    };
    let chroma = |data: &'a [u8]| {
        if chroma_stride == 0 {
            let stride = luma_stride / 2;
            Plane { data: grey, stride, width: chroma_width, height: chroma_height }
        } else {
            plane(data, chroma_stride, left / 2, top / 2, chroma_width, chroma_height)
        }
    };
    I420 { y: plane(y, luma_stride, left, top, width, height), u: chroma(u), v: chroma(v) }
}
