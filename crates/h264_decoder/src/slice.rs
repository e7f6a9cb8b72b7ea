//! Slice data (ITU-T H.264 7.3.4) and the macroblock layer (7.3.5).

use h264::SliceType;

use crate::cabac::Cabac;
use crate::cavlc::BitReader;
use crate::direct::DirectTables;
use crate::error::Damage;
use crate::frame::{Mv, is_still};
use crate::inter_pred::{Scratch, Weights};
use crate::mb::{
    Blocks, CACHE, CORNER, Cache, Flags, Lists, Mb, MbType, NO_COEFF, NO_SLICE, NeighbourFinder,
    Neighbours, Position, Shape, SubMb, UNAVAILABLE, WholeMotion, block_at, block_xy, fill_rect,
    place,
};
use crate::mv_pred::median_prediction;
use crate::picture::SliceContext;
use crate::residual::{SCAN_4X4, SCAN_8X8, SCAN_8X8_CAVLC, SCAN_CHROMA_DC, UNSCALED, chroma_qp};
use crate::syntax::{Block, Coefficients, NeighbourFacts, Surroundings, Syntax};
use crate::vectors::Vectors;
use crate::{deblock, kernels};

/// Decodes the slice data of an RBSP.
pub(crate) fn decode<S: Vectors>(
    simd: S,
    context: SliceContext<'_>,
    rbsp: &[u8],
) -> Result<(), Damage> {
    let bit = context.header.slice_data_bit;
    if context.pps.entropy_coding_mode {
        let kind = match context.header.slice_type {
            SliceType::I | SliceType::Si => 0,
            _ => usize::from(context.header.cabac_init_idc) + 1,
        };
        let slice_qp = context.header.slice_qp.into();
        let reader = Cabac::new(rbsp, bit.div_ceil(8), kind, slice_qp);
        SliceDecoder { reader, mb: MbDecoder::new(simd, context) }.decode()
    } else {
        let reader = BitReader::new(rbsp, bit);
        SliceDecoder { reader, mb: MbDecoder::new(simd, context) }.decode()
    }
}

struct SliceDecoder<'a, R, S> {
    reader: R,
    mb: MbDecoder<'a, S>,
}

/// Everything about a macroblock but how its syntax elements are coded.
pub(crate) struct MbDecoder<'a, S> {
    pub(crate) simd: S,
    pub(crate) context: SliceContext<'a>,
    /// 0 in I, 1 in P, 2 in B slices.
    pub(crate) lists: usize,
    pub(crate) around: Surroundings,
    pub(crate) neighbours: Neighbours,
    pub(crate) position: Position,
    place: Place,
    /// Where its samples begin in their planes, and the distance of its rows: of luma, of chroma.
    pub(crate) origins: [(usize, usize); 2],
    /// Where the macroblock's side data are.
    pub(crate) index: usize,
    /// The bits of a macroblock's index that tell its motion from that of others: where motion is
    /// not kept, those alone that tell the last rows apart.
    motion_mask: usize,
    /// What is stored of the macroblock when it is decoded.
    pub(crate) mb: Mb,
    pub(crate) blocks: Blocks,
    /// 16 of each block: luma in decoding order, Cb, Cr.
    pub(crate) coefficients: [i16; 24 * 16],
    /// Intra16x16DCLevel, and which blocks got a DC coefficient by it.
    luma_dc: [i16; 16],
    qp: u8,
    pub(crate) weights: Weights,
    pub(crate) direct: DirectTables,
    pub(crate) scratch: Scratch,
}

/// The partition of an inter macroblock.
#[derive(Clone, Copy, Debug)]
struct Part {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// Column and row of a macroblock address in a picture without MBAFF.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    address: usize,
    x: usize,
    row: usize,
}

impl Place {
    /// That of another address: mostly the next, for which nothing is divided.
    #[inline]
    fn of(self, address: usize, width: usize) -> Self {
        if address != self.address + 1 {
            return Self { address, x: address % width, row: address / width };
        }
        if self.x + 1 < width {
            Self { address, x: self.x + 1, row: self.row }
        } else {
            Self { address, x: 0, row: self.row + 1 }
        }
    }
}

impl<R: Syntax, S: Vectors> SliceDecoder<'_, R, S> {
    #[inline(always)]
    fn mb_skip_flag(&mut self, slice_type: SliceType) -> bool {
        self.reader.mb_skip_flag(slice_type, &self.mb.around)
    }

    fn decode(&mut self) -> Result<(), Damage> {
        let simd = self.mb.simd;
        simd.vectorize(
            #[inline(always)]
            || self.slice_data(),
        )
    }

    /// `slice_data()`.
    #[inline(always)]
    fn slice_data(&mut self) -> Result<(), Damage> {
        let is_mbaff = self.mb.context.is_mbaff;
        let slice_type = self.mb.context.header.slice_type;
        let is_field_picture = self.mb.context.structure.is_field();
        let mut total = self.mb.context.geometry.macroblocks();
        if is_field_picture {
            total /= 2;
        }
        let first = self.mb.context.header.first_mb_in_slice as usize;
        let mut address = if is_mbaff { first.saturating_mul(2) } else { first };
        let mut is_field_pair = false;
        let mut is_top_skipped = false;
        let mut is_bottom_skipped = None;
        // Skipped macroblocks still to come; None where a run is to be read.
        let mut skip_run = None;
        loop {
            if address >= total {
                return Err(Damage::Code);
            }
            let is_top = is_mbaff && address % 2 == 0;
            if is_top {
                is_field_pair = self.mb.inferred_field_pair(address);
                is_top_skipped = false;
            }
            self.mb.locate(address, is_field_picture || is_field_pair)?;
            let is_skipped = if slice_type == SliceType::I {
                false
            } else if R::IS_CABAC {
                match is_bottom_skipped.take() {
                    Some(is_skipped) => is_skipped,
                    None => self.mb_skip_flag(slice_type),
                }
            } else {
                let run = match skip_run {
                    Some(run) => run,
                    None => self.reader.mb_skip_run((total - address) as u32)?,
                };
                skip_run = run.checked_sub(1);
                run > 0
            };
            if is_skipped {
                if is_top {
                    is_top_skipped = true;
                    is_field_pair = self.field_pair_of_skipped_top(
                        address,
                        is_field_pair,
                        skip_run,
                        &mut is_bottom_skipped,
                    )?;
                }
                self.mb.skipped_macroblock();
            } else {
                if is_top || is_mbaff && is_top_skipped && !R::IS_CABAC {
                    is_field_pair = self.mb_field_decoding_flag();
                    self.mb.locate(address, is_field_pair)?;
                }
                self.macroblock_layer()?;
            }
            self.reader.check()?;
            self.mb.finish_macroblock();
            let has_more = if R::IS_CABAC {
                is_top || self.reader.has_more()
            } else {
                skip_run.is_some_and(|run| run > 0) || self.reader.has_more()
            };
            address += 1;
            if !has_more {
                return if is_top { Err(Damage::Truncated) } else { Ok(()) };
            }
        }
    }

    /// What the pair is whose top macroblock is skipped (7.3.4): it is said with the bottom
    /// macroblock, if that is not skipped too.
    fn field_pair_of_skipped_top(
        &mut self,
        address: usize,
        inferred: bool,
        skip_run: Option<u32>,
        is_bottom_skipped: &mut Option<bool>,
    ) -> Result<bool, Damage> {
        let mut is_field_pair = inferred;
        if R::IS_CABAC {
            // The bottom macroblock's flag is read as if the top one were decoded.
            self.mb.mark_skipped_top();
            self.mb.locate(address + 1, inferred)?;
            let slice_type = self.mb.context.header.slice_type;
            let is_skipped = self.mb_skip_flag(slice_type);
            *is_bottom_skipped = Some(is_skipped);
            if !is_skipped {
                is_field_pair = self.mb_field_decoding_flag();
            }
            self.mb.unmark_top();
        } else if skip_run == Some(0) && self.reader.has_more() {
            is_field_pair = self.reader.peek_mb_field_decoding_flag();
        }
        self.mb.locate(address, is_field_pair)?;
        Ok(is_field_pair)
    }

    fn mb_field_decoding_flag(&mut self) -> bool {
        let pairs = self.mb.neighbour_pairs();
        let field_pairs = pairs
            .iter()
            .flatten()
            .filter(|&&pair| self.mb.context.picture.mbs[pair].flags.any(Flags::FIELD));
        let count = field_pairs.count();
        self.reader.mb_field_decoding_flag(count)
    }

    /// `macroblock_layer()`. All of it that reads syntax elements is one function: CABAC is read
    /// with the instructions for shifts that come with those for vectors.
    fn macroblock_layer(&mut self) -> Result<(), Damage> {
        let simd = self.mb.simd;
        simd.vectorize(
            #[inline(always)]
            || self.macroblock(),
        )
    }

    #[inline(always)]
    fn macroblock(&mut self) -> Result<(), Damage> {
        let slice_type = self.mb.context.header.slice_type;
        let number = self.reader.mb_type(slice_type, &self.mb.around)?;
        let mb_type = match slice_type {
            SliceType::P | SliceType::Sp => MbType::of_p_slice(number),
            SliceType::B => MbType::of_b_slice(number),
            SliceType::I | SliceType::Si => MbType::of_i_slice(number),
        };
        match mb_type {
            MbType::Pcm => self.pcm(),
            MbType::IntraNxN => self.intra_nxn(),
            MbType::Intra16x16 { mode, chroma, luma } => self.intra_16x16(mode, chroma, luma),
            MbType::InterWhole { lists } => self.inter_whole(lists),
            MbType::Inter { shape, lists } => self.inter(shape, lists),
            MbType::Inter8x8 { ref0 } => self.inter_8x8(ref0),
            MbType::Direct => self.direct_16x16(),
        }
    }

    fn pcm(&mut self) -> Result<(), Damage> {
        let has_chroma = self.mb.around.has_chroma;
        let samples = self.reader.pcm_samples(if has_chroma { 384 } else { 256 })?;
        let samples_context = &mut self.mb.context.frame.samples;
        let mut start = 0;
        for (component, plane) in samples_context.planes.iter_mut().enumerate() {
            if component > 0 && !has_chroma {
                break;
            }
            let size = if component == 0 { 16 } else { 8 };
            let (position, stride) = self.mb.origins[usize::from(component > 0)];
            for (y, row) in samples[start..start + size * size].chunks(size).enumerate() {
                plane[position + y * stride..][..size].copy_from_slice(row);
            }
            start += size * size;
        }
        let mb = &mut self.mb.mb;
        mb.flags = mb.flags.with(Flags::PCM);
        mb.coded_block_pattern = 0x72f;
        mb.coefficients = u16::MAX;
        mb.qp = 0;
        self.mb.blocks.total_coeff = [16; 24];
        self.mb.set_chroma_qp(0);
        self.mb.around.has_qp_delta_before = false;
        self.mb.store_no_motion();
        Ok(())
    }

    #[inline(always)]
    fn intra_nxn(&mut self) -> Result<(), Damage> {
        let mb = &mut self.mb;
        let is_8x8 =
            mb.context.pps.transform_8x8_mode && self.reader.transform_size_8x8_flag(&mb.around);
        mb.mb.flags = mb.mb.flags.with(Flags::INTRA_NXN).with_if(is_8x8, Flags::TRANSFORM_8X8);
        mb.fill_intra_pred_modes();
        let step = if is_8x8 { 4 } else { 1 };
        let size = if is_8x8 { 2 } else { 1 };
        let modes = &mut mb.around.cache.intra_pred_modes;
        for block in (0..16).step_by(step) {
            let (x, y) = block_xy(block);
            let smaller = modes[place(x, y) - 1].min(modes[place(x, y) - 8]);
            // DC where a neighbour cannot be looked at (8.3.1.1, dcPredModePredictedFlag).
            let predicted = if smaller < 0 { 2 } else { smaller };
            let mode = match self.reader.intra_pred_mode() {
                None => predicted,
                Some(mode) => mode as i8 + i8::from(mode as i8 >= predicted),
            };
            fill_rect(modes, (x, y), (size, size), mode);
        }
        mb.store_intra_pred_modes();
        self.chroma_mode_of_intra()?;
        let pattern = self.reader.coded_block_pattern(&self.mb.around, true)?;
        self.residual(pattern, false)?;
        self.mb.store_no_motion();
        self.mb.reconstruct_intra_nxn(is_8x8)?;
        self.mb.predict_intra_chroma()?;
        self.mb.add_chroma();
        Ok(())
    }

    #[inline(always)]
    fn chroma_mode_of_intra(&mut self) -> Result<(), Damage> {
        if self.mb.around.has_chroma {
            let mode = self.reader.intra_chroma_pred_mode(&self.mb.around)?;
            self.mb.mb.intra_chroma_pred_mode = mode;
        }
        Ok(())
    }

    #[inline(always)]
    fn intra_16x16(&mut self, mode: u8, chroma: u8, luma: bool) -> Result<(), Damage> {
        self.mb.mb.flags = self.mb.mb.flags.with(Flags::INTRA_16X16);
        self.chroma_mode_of_intra()?;
        let pattern = chroma << 4 | if luma { 15 } else { 0 };
        self.residual(pattern, true)?;
        self.mb.store_no_motion();
        self.mb.predict_intra_16x16(mode)?;
        self.mb.add_luma();
        self.mb.predict_intra_chroma()?;
        self.mb.add_chroma();
        Ok(())
    }

    #[inline(always)]
    fn inter_whole(&mut self, lists: Lists) -> Result<(), Damage> {
        if R::IS_CABAC {
            self.mb.fill_contexts_of_whole();
        }
        let mut motion = WholeMotion::NONE;
        let mut mvd = [[0; 2]; 2];
        for list in (0..self.mb.lists).filter(|list| lists >> list & 1 == 1) {
            motion.ref_idx[list] = self.ref_idx(list, place(0, 0))?;
        }
        for list in (0..self.mb.lists).filter(|list| lists >> list & 1 == 1) {
            let neighbours = self.mb.neighbours_of_whole(list);
            let predicted = median_prediction(neighbours, motion.ref_idx[list]);
            (motion.mv[list], mvd[list]) = self.motion_vector(list, place(0, 0), predicted)?;
        }
        self.mb.store_whole_motion(&motion);
        if R::IS_CABAC {
            self.mb.store_whole_mvd(mvd);
        }
        self.mb.predict_whole(&motion);
        self.residual_of_inter(true)
    }

    #[inline(always)]
    fn inter(&mut self, shape: Shape, lists: [Lists; 2]) -> Result<(), Damage> {
        let mb = &mut self.mb;
        mb.fill_motion(R::IS_CABAC);
        if R::IS_CABAC {
            mb.fill_direct_neighbours();
        }
        let part = |x, y, width, height| Part { x, y, width, height };
        let parts = match shape {
            Shape::Rows => [part(0, 0, 4, 2), part(0, 2, 4, 2)],
            Shape::Columns => [part(0, 0, 2, 4), part(2, 0, 2, 4)],
        };
        for list in 0..self.mb.lists {
            for (part, lists) in parts.iter().zip(lists) {
                let place = place(part.x, part.y);
                let ref_idx = if lists >> list & 1 == 1 { self.ref_idx(list, place)? } else { -1 };
                let cache = &mut self.mb.around.cache.ref_idx[list];
                fill_rect(cache, (part.x, part.y), (part.width, part.height), ref_idx);
            }
        }
        for list in 0..self.mb.lists {
            for (index, (part, lists)) in parts.iter().zip(lists).enumerate() {
                if lists >> list & 1 == 1 {
                    let ref_idx = self.mb.around.cache.ref_idx[list][place(part.x, part.y)];
                    let predicted = match shape {
                        Shape::Rows => self.mb.predict_mv_of_row(list, index, ref_idx),
                        Shape::Columns => self.mb.predict_mv_of_column(list, index, ref_idx),
                    };
                    self.partition(list, part, predicted)?;
                } else {
                    self.mb.no_motion_vector(list, part);
                }
            }
        }
        self.mb.store_motion();
        if R::IS_CABAC {
            self.mb.store_mvd();
        }
        self.mb.predict_inter();
        self.residual_of_inter(true)
    }

    #[inline(always)]
    fn ref_idx(&mut self, list: usize, place: usize) -> Result<i8, Damage> {
        let max = self.mb.max_ref_idx(list);
        if max == 0 {
            return Ok(0);
        }
        let ref_idx = self.reader.ref_idx(&self.mb.around, list, place, max)?;
        if (0..=max as i8).contains(&ref_idx) { Ok(ref_idx) } else { Err(Damage::Code) }
    }

    /// Reads the difference to a predicted vector. Gives the vector, and what is kept of the
    /// difference.
    #[inline(always)]
    fn motion_vector(
        &mut self,
        list: usize,
        place: usize,
        predicted: Mv,
    ) -> Result<(Mv, [u8; 2]), Damage> {
        let mvd = self.reader.mvd(&self.mb.around, list, place)?;
        let component = |index: usize| predicted[index].wrapping_add(mvd[index] as i16);
        let absolute = mvd.map(|component| component.unsigned_abs().min(127) as u8);
        Ok(([component(0), component(1)], absolute))
    }

    /// Reads the vector of a partition into the cache.
    #[inline(always)]
    fn partition(&mut self, list: usize, part: &Part, predicted: Mv) -> Result<(), Damage> {
        let at = (part.x, part.y);
        let size = (part.width, part.height);
        let (mv, mvd) = self.motion_vector(list, place(part.x, part.y), predicted)?;
        let cache = &mut self.mb.around.cache;
        fill_rect(&mut cache.mv[list], at, size, mv);
        if R::IS_CABAC {
            fill_rect(&mut cache.mvd[list], at, size, mvd);
        }
        Ok(())
    }

    #[inline(always)]
    fn inter_8x8(&mut self, ref0: bool) -> Result<(), Damage> {
        let slice_type = self.mb.context.header.slice_type;
        let mut subs = [SubMb::default(); 4];
        for sub in &mut subs {
            let number = self.reader.sub_mb_type(slice_type)?;
            *sub =
                if slice_type == SliceType::B { SubMb::of_b(number) } else { SubMb::of_p(number) };
        }
        self.mb.fill_motion(R::IS_CABAC);
        if R::IS_CABAC {
            self.mb.fill_direct_neighbours();
        }
        let direct = (0..4).fold(0, |bits, sub| bits | u8::from(subs[sub].is_direct()) << sub);
        self.mb.mb.direct = direct;
        if direct != 0 {
            self.mb.predict_direct(direct);
        }
        let part = |sub: usize| Part { x: 2 * (sub & 1), y: sub & 2, width: 2, height: 2 };
        for (sub, _) in subs.iter().enumerate().filter(|(_, sub)| sub.is_direct()) {
            let part = part(sub);
            fill_rect(&mut self.mb.around.cache.direct, (part.x, part.y), (2, 2), true);
        }
        for list in 0..self.mb.lists {
            for (index, sub) in subs.iter().enumerate().filter(|(_, sub)| !sub.is_direct()) {
                let part = part(index);
                let is_used = sub.lists >> list & 1 == 1;
                let ref_idx = match is_used {
                    true if ref0 => 0,
                    true => self.ref_idx(list, place(part.x, part.y))?,
                    false => -1,
                };
                let cache = &mut self.mb.around.cache.ref_idx[list];
                fill_rect(cache, (part.x, part.y), (2, 2), ref_idx);
            }
        }
        for list in 0..self.mb.lists {
            for (index, sub) in subs.iter().enumerate() {
                let whole = part(index);
                if sub.is_direct() {
                    let mvd = &mut self.mb.around.cache.mvd[list];
                    fill_rect(mvd, (whole.x, whole.y), (2, 2), [0; 2]);
                } else if sub.lists >> list & 1 == 1 {
                    self.sub_macroblock(list, *sub, &whole)?;
                } else {
                    self.mb.no_motion_vector(list, &whole);
                }
            }
        }
        self.mb.store_motion();
        if R::IS_CABAC {
            self.mb.store_mvd();
        }
        self.mb.predict_inter();
        // NoSubMbPartSizeLessThan8x8Flag.
        let inference = self.mb.context.sps.direct_8x8_inference;
        let is_coarse = subs
            .iter()
            .all(|sub| if sub.is_direct() { inference } else { sub.width * sub.height == 4 });
        self.residual_of_inter(is_coarse)
    }

    #[inline(always)]
    fn sub_macroblock(&mut self, list: usize, sub: SubMb, whole: &Part) -> Result<(), Damage> {
        let ref_idx = self.mb.around.cache.ref_idx[list][place(whole.x, whole.y)];
        let (width, height) = (usize::from(sub.width), usize::from(sub.height));
        for y in (0..2).step_by(height) {
            for x in (0..2).step_by(width) {
                let part = Part { x: whole.x + x, y: whole.y + y, width, height };
                let predicted = self.mb.predict_mv(list, (part.x, part.y), width, ref_idx);
                self.partition(list, &part, predicted)?;
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn direct_16x16(&mut self) -> Result<(), Damage> {
        self.mb.mb.flags = self.mb.mb.flags.with(Flags::DIRECT);
        self.mb.infer_direct_16x16(R::IS_CABAC);
        self.residual_of_inter(self.mb.context.sps.direct_8x8_inference)
    }

    fn residual_of_inter(&mut self, may_be_8x8: bool) -> Result<(), Damage> {
        let pattern = self.mb.simd.vectorize(
            #[inline(always)]
            || self.pattern_of_inter(may_be_8x8),
        )?;
        self.residual(pattern, false)?;
        self.mb.add_luma();
        self.mb.add_chroma();
        Ok(())
    }

    /// `coded_block_pattern` and `transform_size_8x8_flag`.
    #[inline(always)]
    fn pattern_of_inter(&mut self, may_be_8x8: bool) -> Result<u8, Damage> {
        let pattern = self.reader.coded_block_pattern(&self.mb.around, false)?;
        let mb = &mut self.mb;
        if pattern & 15 != 0
            && may_be_8x8
            && mb.context.pps.transform_8x8_mode
            && self.reader.transform_size_8x8_flag(&mb.around)
        {
            mb.mb.flags = mb.mb.flags.with(Flags::TRANSFORM_8X8);
        }
        Ok(pattern)
    }

    /// `mb_qp_delta` and `residual()` (7.3.5.3).
    fn residual(&mut self, pattern: u8, is_intra_16x16: bool) -> Result<(), Damage> {
        let mb = &mut self.mb;
        mb.mb.coded_block_pattern = pattern.into();
        if pattern == 0 && !is_intra_16x16 {
            mb.around.has_qp_delta_before = false;
            mb.mb.qp = mb.qp;
            mb.set_chroma_qp(mb.qp);
            return Ok(());
        }
        let simd = self.mb.simd;
        simd.vectorize(
            #[inline(always)]
            || self.coded_residual(pattern, is_intra_16x16),
        )
    }

    #[inline(always)]
    fn coded_residual(&mut self, pattern: u8, is_intra_16x16: bool) -> Result<(), Damage> {
        let delta = self.reader.mb_qp_delta(&self.mb.around)?;
        let mb = &mut self.mb;
        if !(-26..=25).contains(&delta) {
            return Err(Damage::Code);
        }
        mb.around.has_qp_delta_before = delta != 0;
        mb.qp = ((i32::from(mb.qp) + delta + 52) % 52) as u8;
        mb.mb.qp = mb.qp;
        mb.set_chroma_qp(mb.qp);
        let is_intra = mb.mb.flags.any(Flags::INTRA);
        mb.fill_total_coeff(R::IS_CABAC, is_intra);
        self.luma_residual(pattern, is_intra_16x16, is_intra)?;
        if mb_has_chroma_residual(pattern) && self.mb.around.has_chroma {
            self.chroma_residual(pattern, is_intra)?;
        }
        self.mb.store_total_coeff();
        Ok(())
    }

    #[inline(always)]
    fn luma_residual(
        &mut self,
        pattern: u8,
        is_intra_16x16: bool,
        is_intra: bool,
    ) -> Result<(), Damage> {
        let Self { reader, mb } = self;
        let field = usize::from(mb.around.is_field);
        let list = if is_intra { 0 } else { 3 };
        let scale = &mb.context.scale.of_4x4[list][usize::from(mb.mb.qp)];
        if is_intra_16x16 {
            mb.luma_dc = [0; 16];
            let mut dc = Coefficients {
                levels: &mut mb.luma_dc,
                scan: &SCAN_4X4[field],
                first: 0,
                scale: &UNSCALED,
                shift: 4,
            };
            if reader.block(Block::LumaDc, &mb.around, &mut dc)? > 0 {
                mb.mb.coded_block_pattern |= 1 << 8;
                let dc = kernels::transform::luma_dc(&mb.luma_dc, scale[0]);
                for block in 0..16 {
                    let (x, y) = block_xy(block);
                    mb.coefficients[16 * block] = dc[4 * y + x];
                }
            }
        }
        let is_8x8 = mb.mb.flags.any(Flags::TRANSFORM_8X8);
        for block_8x8 in 0..4 {
            let (x, y) = (2 * (block_8x8 & 1), block_8x8 & 2);
            if pattern >> block_8x8 & 1 == 0 {
                fill_rect(&mut mb.around.cache.total_coeff, (x, y), (2, 2), 0);
                continue;
            }
            if is_8x8 {
                let start = 64 * block_8x8;
                let Some(levels) = mb.coefficients[start..].first_chunk_mut::<64>() else {
                    return Err(Damage::Code);
                };
                let scale = &mb.context.scale.of_8x8[usize::from(!is_intra)];
                let scale = &scale[usize::from(mb.mb.qp)];
                let mut total = 0;
                if R::IS_CABAC {
                    let scan = &SCAN_8X8[field];
                    let mut levels = Coefficients { levels, scan, first: 0, scale, shift: 6 };
                    total = reader.block(Block::Luma8x8, &mb.around, &mut levels)?;
                    fill_rect(&mut mb.around.cache.total_coeff, (x, y), (2, 2), total);
                } else {
                    for part in 0..4 {
                        let place = place(x + (part & 1), y + (part >> 1));
                        let scan = &SCAN_8X8_CAVLC[field][part];
                        let mut levels =
                            Coefficients { levels: &mut *levels, scan, first: 0, scale, shift: 6 };
                        let count = reader.block(Block::Luma(place), &mb.around, &mut levels)?;
                        mb.around.cache.total_coeff[place] = count;
                        total |= count;
                    }
                }
                if total > 0 {
                    mb.mb.coefficients |= 0x33 << (4 * y + x);
                }
                continue;
            }
            for part in 0..4 {
                let block = 4 * block_8x8 + part;
                let (x, y) = block_xy(block);
                let place = place(x, y);
                let Some(levels) = mb.coefficients[16 * block..].first_chunk_mut::<16>() else {
                    return Err(Damage::Code);
                };
                let scan = &SCAN_4X4[field];
                let first = usize::from(is_intra_16x16);
                let mut levels = Coefficients { levels, scan, first, scale, shift: 4 };
                let kind = if is_intra_16x16 { Block::LumaAc(place) } else { Block::Luma(place) };
                let count = reader.block(kind, &mb.around, &mut levels)?;
                mb.around.cache.total_coeff[place] = count;
                if count > 0 {
                    mb.mb.coefficients |= 1 << (4 * y + x);
                }
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn chroma_residual(&mut self, pattern: u8, is_intra: bool) -> Result<(), Damage> {
        let Self { reader, mb } = self;
        let field = usize::from(mb.around.is_field);
        for component in 0..2 {
            let list = component + if is_intra { 1 } else { 4 };
            let scale = &mb.context.scale.of_4x4[list][usize::from(mb.mb.chroma_qp[component])];
            let mut dc = [0; 4];
            let mut levels = Coefficients {
                levels: &mut dc,
                scan: &SCAN_CHROMA_DC,
                first: 0,
                scale: &UNSCALED_CHROMA_DC,
                shift: 4,
            };
            if reader.block(Block::ChromaDc(component), &mb.around, &mut levels)? > 0 {
                mb.mb.coded_block_pattern |= 1 << (9 + component);
                let dc = kernels::transform::chroma_dc(&dc, scale[0]);
                for (block, dc) in dc.into_iter().enumerate() {
                    mb.coefficients[16 * (16 + 4 * component + block)] = dc;
                }
            }
        }
        for component in 0..2 {
            let list = component + if is_intra { 1 } else { 4 };
            let scale = &mb.context.scale.of_4x4[list][usize::from(mb.mb.chroma_qp[component])];
            for block in 0..4 {
                let place = chroma_place(block);
                let mut count = 0;
                if pattern & 0x20 != 0 {
                    let start = 16 * (16 + 4 * component + block);
                    let Some(levels) = mb.coefficients[start..].first_chunk_mut::<16>() else {
                        return Err(Damage::Code);
                    };
                    let scan = &SCAN_4X4[field];
                    let mut levels = Coefficients { levels, scan, first: 1, scale, shift: 4 };
                    let kind = Block::ChromaAc(component, place);
                    count = reader.block(kind, &mb.around, &mut levels)?;
                }
                mb.around.cache.chroma_total_coeff[component][place] = count;
            }
        }
        Ok(())
    }
}

/// Adds a block's residual; of one with a single coefficient that may be DC.
#[inline(always)]
pub(crate) fn add_4x4<S: Vectors>(
    simd: S,
    plane: &mut [u8],
    stride: usize,
    position: usize,
    coefficients: &mut [i16; 16],
    is_single: bool,
) {
    if is_single && coefficients[0] != 0 {
        kernels::transform::add_dc_4x4(simd, plane, stride, position, coefficients);
    } else {
        kernels::transform::add_4x4(simd, plane, stride, position, coefficients);
    }
}

/// The same of an 8x8 block.
#[inline(always)]
pub(crate) fn add_8x8<S: Vectors>(
    simd: S,
    plane: &mut [u8],
    stride: usize,
    position: usize,
    coefficients: &mut [i16; 64],
    is_single: bool,
) {
    if is_single && coefficients[0] != 0 {
        kernels::transform::add_dc_8x8(simd, plane, stride, position, coefficients);
    } else {
        kernels::transform::add_8x8(simd, plane, stride, position, coefficients);
    }
}

/// As [`UNSCALED`].
const UNSCALED_CHROMA_DC: [i32; 4] = [16; 4];

fn mb_has_chroma_residual(pattern: u8) -> bool {
    pattern & 0x30 != 0
}

/// Place of a chroma block in [`Cache::chroma_total_coeff`].
pub(crate) fn chroma_place(block: usize) -> usize {
    (block / 2 + 1) * 4 + block % 2 + 1
}

impl<'a, S: Vectors> MbDecoder<'a, S> {
    pub(crate) fn new(simd: S, context: SliceContext<'a>) -> Self {
        let lists = match context.header.slice_type {
            SliceType::I | SliceType::Si => 0,
            SliceType::P | SliceType::Sp => 1,
            SliceType::B => 2,
        };
        let weights = Weights::new(&context);
        let is_kept = context.is_motion_kept;
        let motion_mask = if is_kept { usize::MAX } else { context.picture.mvd.len() - 1 };
        let direct = DirectTables::new(&context);
        Self {
            simd,
            lists,
            around: Surroundings {
                cache: Cache::EMPTY,
                is_field: false,
                left: None,
                above: None,
                left_luma: [false; 2],
                has_qp_delta_before: false,
                has_chroma: context.geometry.has_chroma,
            },
            neighbours: Neighbours::default(),
            position: Position::default(),
            place: Place::default(),
            origins: [(0, 0); 2],
            index: 0,
            motion_mask,
            mb: Mb::UNDECODED,
            blocks: Blocks::NONE,
            coefficients: [0; 24 * 16],
            luma_dc: [0; 16],
            qp: context.header.slice_qp.clamp(0, 51) as u8,
            weights,
            direct,
            scratch: Scratch::EMPTY,
            context,
        }
    }

    /// Where the macroblock at an address is (6.4.1).
    fn position_of(&mut self, address: usize, is_field: bool) -> Position {
        let width = self.context.geometry.width;
        if self.context.is_mbaff {
            let pair = address / 2;
            return Position { x: pair % width, row: pair / width * 2 + address % 2, is_field };
        }
        self.place = self.place.of(address, width);
        let Place { x, row, .. } = self.place;
        let row = if is_field { 2 * row + self.context.structure.first_row() } else { row };
        Position { x, row, is_field }
    }

    /// Begins the macroblock at an address: finds its neighbours.
    pub(crate) fn locate(&mut self, address: usize, is_field: bool) -> Result<(), Damage> {
        let width = self.context.geometry.width;
        self.position = self.position_of(address, is_field);
        self.index = self.position.row * width + self.position.x;
        let strides = self.context.frame.samples.strides;
        self.origins =
            [self.position.samples(strides[0], false), self.position.samples(strides[1], true)];
        if self.context.picture.slice_of[self.index] != NO_SLICE {
            return Err(Damage::Repeated);
        }
        // One assignment for both would put together what is found in memory and copy it from there
        // in other pieces, which waits for all that was stored before.
        if self.context.is_mbaff {
            self.neighbours = self.finder().find_mbaff(self.position);
        } else {
            self.neighbours = self.finder().find(self.position);
        }
        let facts = |index: usize| {
            let mb = &self.context.picture.mbs[index];
            NeighbourFacts {
                flags: mb.flags,
                coded_block_pattern: mb.coded_block_pattern,
                intra_chroma_pred_mode: mb.intra_chroma_pred_mode,
            }
        };
        let around = &mut self.around;
        around.is_field = is_field;
        around.above = self.neighbours.above.map(facts);
        around.left = self.neighbours.left.map(|[upper, _]| facts(upper));
        if let Some(left) = self.neighbours.left {
            let rows = self.neighbours.left_rows;
            let has = |half: usize| {
                let pattern = self.context.picture.mbs[left[half]].coded_block_pattern;
                pattern >> (rows[2 * half] / 2 * 2 + 1) & 1 == 1
            };
            around.left_luma = [has(0), has(1)];
        }
        self.mb = Mb {
            flags: Flags::default().with_if(is_field, Flags::FIELD),
            qp: self.qp,
            ..Mb::UNDECODED
        };
        self.blocks = Blocks::NONE;
        Ok(())
    }

    /// Where the motion of a macroblock is: that of pictures that are not deblocked, and that no
    /// other refers to, only as long as the next row needs it. So it stays in a cache.
    #[inline(always)]
    pub(crate) fn motion_place(&self, index: usize) -> usize {
        index & self.motion_mask
    }

    pub(crate) fn finder(&self) -> NeighbourFinder<'_> {
        NeighbourFinder {
            mbs: &self.context.picture.mbs,
            slice_of: &self.context.picture.slice_of,
            width: self.context.geometry.width,
            slice: self.context.slice,
            is_field_picture: self.context.structure.is_field(),
        }
    }

    /// The pairs left and above, by their top macroblocks, of the pair that is decoded (6.4.10).
    fn neighbour_pairs(&self) -> [Option<usize>; 2] {
        let width = self.context.geometry.width;
        let top = (self.position.row & !1) * width + self.position.x;
        let of = |index: usize, is: bool| {
            let slice = *self.context.picture.slice_of.get(index)?;
            (is && slice == self.context.slice).then_some(index)
        };
        let left = of(top.wrapping_sub(1), self.position.x > 0);
        [left, of(top.wrapping_sub(2 * width), true)]
    }

    /// `mb_field_decoding_flag` where a pair does not say (7.4.4): as the pair left of it, else as
    /// that above.
    fn inferred_field_pair(&mut self, address: usize) -> bool {
        self.position = self.position_of(address, false);
        let pair = self.neighbour_pairs().into_iter().flatten().next();
        pair.is_some_and(|pair| self.context.picture.mbs[pair].flags.any(Flags::FIELD))
    }

    fn mark_skipped_top(&mut self) {
        self.mb.flags = self.mb.flags.with(Flags::SKIP);
        self.context.picture.mbs[self.index] = self.mb;
        self.context.picture.slice_of[self.index] = self.context.slice;
    }

    fn unmark_top(&mut self) {
        let width = self.context.geometry.width;
        let top = (self.position.row & !1) * width + self.position.x;
        self.context.picture.mbs[top] = Mb::UNDECODED;
        self.context.picture.slice_of[top] = NO_SLICE;
    }

    fn set_chroma_qp(&mut self, luma_qp: u8) {
        self.mb.chroma_qp =
            self.context.pps.chroma_qp_index_offset.map(|offset| chroma_qp(luma_qp, offset));
    }

    /// Stores the macroblock, and deblocks what lies far enough behind.
    fn finish_macroblock(&mut self) {
        let picture = &mut *self.context.picture;
        picture.mbs[self.index] = self.mb;
        let place = picture.place_of_recent(self.index);
        picture.blocks[place] = self.blocks;
        picture.slice_of[self.index] = self.context.slice;
        self.context.frame.motion.is_field[self.index] = self.position.is_field;
        picture.decoded += 1;
        let width = self.context.geometry.width;
        let is_row_end =
            self.position.x + 1 == width && (!self.context.is_mbaff || self.position.row & 1 == 1);
        if is_row_end {
            deblock::deblock_behind(self.simd, &mut self.context);
        }
    }

    /// P_Skip and B_Skip.
    fn skipped_macroblock(&mut self) {
        self.around.has_qp_delta_before = false;
        self.mb.flags = self.mb.flags.with(Flags::SKIP);
        self.set_chroma_qp(self.qp);
        let is_cabac = self.context.pps.entropy_coding_mode;
        if self.lists == 2 {
            self.mb.flags = self.mb.flags.with(Flags::DIRECT);
            self.infer_direct_16x16(is_cabac);
            return;
        }
        let mv = self.predict_mv_of_skip();
        let motion = WholeMotion { ref_idx: [0, -1], mv: [mv, [0; 2]] };
        self.store_whole_motion(&motion);
        if is_cabac {
            self.store_no_mvd();
        }
        self.predict_whole(&motion);
    }

    /// B_Skip and B_Direct_16x16.
    fn infer_direct_16x16(&mut self, is_cabac: bool) {
        self.mb.direct = 15;
        let motion = self.predict_direct_macroblock();
        if is_cabac {
            self.store_no_mvd();
        }
        match motion {
            Some(motion) => {
                self.store_whole_motion(&motion);
                self.predict_whole(&motion);
            }
            None => {
                self.store_motion();
                self.predict_inter();
            }
        }
    }

    /// The largest reference index of a list.
    fn max_ref_idx(&self, list: usize) -> u32 {
        let count = u32::from(self.context.header.num_ref_idx_active[list]);
        let is_field_in_frame = self.position.is_field && self.context.is_mbaff;
        (if is_field_in_frame { 2 * count } else { count }).saturating_sub(1)
    }

    /// Puts the neighbours' prediction modes around the macroblock (8.3.1.1).
    fn fill_intra_pred_modes(&mut self) {
        let constrained = self.context.pps.constrained_intra_pred;
        let picture = &*self.context.picture;
        let modes = &mut self.around.cache.intra_pred_modes;
        let may_look = |index: usize| !constrained || picture.mbs[index].flags.any(Flags::INTRA);
        let kept = |index: usize| &picture.blocks[picture.place_of_recent(index)].intra_pred_modes;
        for x in 0..4 {
            modes[place(x, 0) - 8] = match self.neighbours.above {
                Some(above) if may_look(above) => kept(above)[x],
                _ => -1,
            };
        }
        for y in 0..4 {
            modes[place(0, y) - 1] = match self.neighbours.left {
                Some(left) if may_look(left[y / 2]) => {
                    let row = usize::from(self.neighbours.left_rows[y]);
                    kept(left[y / 2])[4 + row]
                }
                _ => -1,
            };
        }
    }

    fn store_intra_pred_modes(&mut self) {
        let modes = &self.around.cache.intra_pred_modes;
        for index in 0..4 {
            self.blocks.intra_pred_modes[index] = modes[place(index, 3)];
            self.blocks.intra_pred_modes[4 + index] = modes[place(3, index)];
        }
    }

    /// Puts the neighbours' numbers of coefficients around the macroblock.
    fn fill_total_coeff(&mut self, is_cabac: bool, is_intra: bool) {
        const ABOVE: usize = place(0, 0) - 8;
        // coded_block_flag takes missing blocks for coded in intra macroblocks only (9.3.3.1.1.9).
        let missing = if is_cabac && !is_intra { &[0; 24] } else { &[NO_COEFF; 24] };
        let picture = &*self.context.picture;
        let kept = |index: usize| &picture.blocks[picture.place_of_recent(index)].total_coeff;
        let cache = &mut self.around.cache;
        let above = self.neighbours.above.map_or(missing, kept);
        cache.total_coeff[ABOVE..ABOVE + 4].copy_from_slice(&above[12..16]);
        let left = self.neighbours.left.map_or([missing; 2], |left| left.map(kept));
        let rows = self.neighbours.left_rows.map(usize::from);
        for y in 0..4 {
            cache.total_coeff[place(0, y) - 1] = left[y / 2][(4 * rows[y] + 3) & 15];
        }
        for (component, totals) in cache.chroma_total_coeff.iter_mut().enumerate() {
            let first = 16 + 4 * component;
            let [upper, lower] = [0, 1].map(|y| left[y][first + (rows[2 * y] & 2) + 1]);
            // Three rows of four: above, and two of the macroblock behind what is left of them.
            *totals = [0, above[first + 2], above[first + 3], 0, upper, 0, 0, 0, lower, 0, 0, 0];
        }
    }

    fn store_total_coeff(&mut self) {
        let cache = &self.around.cache;
        for y in 0..4 {
            for x in 0..4 {
                self.blocks.total_coeff[4 * y + x] = cache.total_coeff[place(x, y)];
            }
        }
        for component in 0..2 {
            for block in 0..4 {
                self.blocks.total_coeff[16 + 4 * component + block] =
                    cache.chroma_total_coeff[component][chroma_place(block)];
            }
        }
    }

    /// Puts the neighbours' motion around the macroblock (8.4.1.3.2), scaled to what it is in MBAFF
    /// frames.
    pub(crate) fn fill_motion(&mut self, with_mvd: bool) {
        for list in 0..self.lists {
            if self.context.is_mbaff {
                self.fill_motion_in_mbaff(list);
            } else {
                self.fill_motion_of_list(list);
            }
        }
        if with_mvd {
            (0..self.lists).for_each(|list| self.fill_mvd(list));
        }
    }

    fn fill_motion_of_list(&mut self, list: usize) {
        let mask = self.motion_mask;
        let found = &self.neighbours;
        let (ref_idx, mv) =
            (&self.context.frame.motion.ref_idx[list], &self.context.frame.motion.mv[list]);
        let cache = &mut self.around.cache;
        let (refs, mvs) = (&mut cache.ref_idx[list], &mut cache.mv[list]);
        const ABOVE: usize = place(0, 0) - 8;
        if let Some(above) = found.above.map(|above| above & mask) {
            let [.., lower_left, lower_right] = ref_idx[above];
            refs[ABOVE..ABOVE + 4].copy_from_slice(&[
                lower_left,
                lower_left,
                lower_right,
                lower_right,
            ]);
            mvs[ABOVE..ABOVE + 4].copy_from_slice(&mv[above][12..]);
        } else {
            refs[ABOVE..ABOVE + 4].fill(UNAVAILABLE);
            mvs[ABOVE..ABOVE + 4].fill([0; 2]);
        }
        (refs[ABOVE + 4], mvs[ABOVE + 4]) = match found.above_right.map(|right| right & mask) {
            Some(right) => (ref_idx[right][2], mv[right][12]),
            None => (UNAVAILABLE, [0; 2]),
        };
        (refs[CORNER], mvs[CORNER]) = match found.above_left.map(|corner| corner & mask) {
            Some(corner) => (ref_idx[corner][3], mv[corner][15]),
            None => (UNAVAILABLE, [0; 2]),
        };
        let (left_refs, left_mvs) = match found.left {
            Some([left, _]) => (&ref_idx[left & mask], &mv[left & mask]),
            None => (&[UNAVAILABLE; 4], &[[0; 2]; 16]),
        };
        for y in 0..4 {
            refs[place(0, y) - 1] = left_refs[y / 2 * 2 + 1];
            mvs[place(0, y) - 1] = left_mvs[4 * y + 3];
        }
    }

    /// The same for a frame macroblock next to field macroblocks, or the other way round.
    pub(crate) fn fill_motion_in_mbaff(&mut self, list: usize) {
        let found = &self.neighbours;
        let mbs = &self.context.picture.mbs;
        let motion = &self.context.frame.motion;
        let mask = self.motion_mask;
        let is_field = self.position.is_field;
        let cache = &mut self.around.cache;
        let mut put = |place: usize, from: Option<(usize, usize, usize)>| {
            let Some((index, x, y)) = from else {
                (cache.ref_idx[list][place], cache.mv[list][place]) = (UNAVAILABLE, [0; 2]);
                return;
            };
            let ref_idx = motion.ref_idx[list][index & mask][y / 2 * 2 + x / 2];
            let mv = motion.mv[list][index & mask][4 * y + x];
            let scaled = match (is_field, mbs[index].flags.any(Flags::FIELD)) {
                _ if ref_idx < 0 => (ref_idx, [0; 2]),
                (true, false) => (ref_idx * 2, [mv[0], mv[1] / 2]),
                (false, true) => (ref_idx >> 1, [mv[0], mv[1].wrapping_mul(2)]),
                _ => (ref_idx, mv),
            };
            (cache.ref_idx[list][place], cache.mv[list][place]) = scaled;
        };
        for x in 0..4 {
            put(place(x, 0) - 8, found.above.map(|above| (above, x, 3)));
        }
        put(place(4, 0) - 8, found.above_right.map(|right| (right, 0, 3)));
        let corner = found.above_left.map(|corner| (corner, 3, found.above_left_row.into()));
        put(CORNER, corner);
        for y in 0..4 {
            let row = found.left_rows[y].into();
            put(place(0, y) - 1, found.left.map(|left| (left[y / 2], 3, row)));
        }
    }

    /// Puts beside the macroblock's first block what contexts of its reference indices and
    /// differences of vectors depend on, where it is not parted.
    fn fill_contexts_of_whole(&mut self) {
        if self.context.is_mbaff {
            self.fill_motion(true);
            return self.fill_direct_neighbours();
        }
        const LEFT: usize = place(0, 0) - 1;
        const ABOVE: usize = place(0, 0) - 8;
        let picture = &*self.context.picture;
        let mask = self.motion_mask;
        let cache = &mut self.around.cache;
        let found = &self.neighbours;
        let of = [(LEFT, found.left.map(|[left, _]| left), 1, 4), (ABOVE, found.above, 2, 0)];
        for (place, mb, quarter, block) in of {
            for list in 0..self.lists {
                (cache.ref_idx[list][place], cache.mvd[list][place]) = match mb {
                    Some(mb) => {
                        let ref_idx = self.context.frame.motion.ref_idx[list][mb & mask][quarter];
                        (ref_idx, picture.mvd[picture.place_of_recent(mb)][list][block])
                    }
                    None => (UNAVAILABLE, [0; 2]),
                };
            }
            cache.direct[place] = mb.is_some_and(|mb| picture.mbs[mb].direct >> quarter & 1 == 1);
        }
    }

    fn fill_mvd(&mut self, list: usize) {
        let mbs = &self.context.picture.mbs;
        let picture = &*self.context.picture;
        let mvd = |index: usize| &picture.mvd[picture.place_of_recent(index)][list];
        let is_mbaff = self.context.is_mbaff;
        let is_field = self.position.is_field;
        let scaled = |index: usize, [x, y]: [u8; 2]| {
            // (9.3.3.1.1.7) compIdx 1.
            match (is_mbaff, is_field, mbs[index].flags.any(Flags::FIELD)) {
                (true, true, false) => [x, y / 2],
                (true, false, true) => [x, y * 2],
                _ => [x, y],
            }
        };
        let cache = &mut self.around.cache.mvd[list];
        for x in 0..4 {
            cache[place(x, 0) - 8] = match self.neighbours.above {
                Some(above) => scaled(above, mvd(above)[x]),
                None => [0; 2],
            };
        }
        for y in 0..4 {
            cache[place(0, y) - 1] = match self.neighbours.left {
                Some(left) => {
                    let row = usize::from(self.neighbours.left_rows[y]);
                    scaled(left[y / 2], mvd(left[y / 2])[4 + row])
                }
                None => [0; 2],
            };
        }
    }

    /// Puts around the macroblock which blocks are direct; `ref_idx` counts them as 0
    /// (9.3.3.1.1.6).
    fn fill_direct_neighbours(&mut self) {
        let mbs = &self.context.picture.mbs;
        let cache = &mut self.around.cache.direct;
        *cache = [false; CACHE];
        if let Some(above) = self.neighbours.above {
            for x in 0..4 {
                cache[place(x, 0) - 8] = mbs[above].direct >> (2 + x / 2) & 1 == 1;
            }
        }
        if let Some(left) = self.neighbours.left {
            for y in 0..4 {
                let row = self.neighbours.left_rows[y] / 2;
                cache[place(0, y) - 1] = mbs[left[y / 2]].direct >> (2 * row + 1) & 1 == 1;
            }
        }
    }

    fn no_motion_vector(&mut self, list: usize, part: &Part) {
        let (at, size) = ((part.x, part.y), (part.width, part.height));
        fill_rect(&mut self.around.cache.mv[list], at, size, [0; 2]);
        fill_rect(&mut self.around.cache.mvd[list], at, size, [0; 2]);
    }

    /// Keeps the motion of a macroblock that has one.
    fn store_whole_motion(&mut self, whole: &WholeMotion) {
        let at = self.motion_place(self.index);
        let motion = &mut self.context.frame.motion;
        let first = usize::from(whole.ref_idx[0] < 0);
        let stands = is_still(whole.ref_idx[first], whole.mv[first]);
        motion.still[self.index] = if stands { u16::MAX } else { 0 };
        for list in 0..2 {
            let ref_idx = whole.ref_idx[list];
            motion.ref_idx[list][at] = [ref_idx; 4];
            let mut id = 0;
            if let Ok(index) = usize::try_from(ref_idx) {
                let is_mbaff = self.context.is_mbaff;
                id = self.context.lists.of(list, index, self.position, is_mbaff).id();
            }
            motion.ref_id[list][at] = [id; 4];
            if list < self.lists {
                motion.mv[list][at] = [whole.mv[list]; 16];
            }
        }
    }

    /// Keeps the macroblock's motion for its neighbours, for deblocking and for direct prediction.
    fn store_motion(&mut self) {
        let still = self.still();
        let at = self.motion_place(self.index);
        let motion = &mut self.context.frame.motion;
        motion.still[self.index] = still;
        for list in 0..2 {
            if list >= self.lists {
                motion.ref_idx[list][at] = [-1; 4];
                motion.ref_id[list][at] = [0; 4];
                continue;
            }
            let cache = &self.around.cache;
            let mut ref_idx = [-1; 4];
            for (block, ref_idx) in ref_idx.iter_mut().enumerate() {
                *ref_idx = cache.ref_idx[list][place(2 * (block & 1), block & 2)];
            }
            motion.ref_idx[list][at] = ref_idx;
            let lists = &self.context.lists;
            let position = self.position;
            let is_mbaff = self.context.is_mbaff;
            let id = |ref_idx: i8| {
                if ref_idx < 0 {
                    0
                } else {
                    lists.of(list, ref_idx as usize, position, is_mbaff).id()
                }
            };
            motion.ref_id[list][at] =
                if ref_idx == [ref_idx[0]; 4] { [id(ref_idx[0]); 4] } else { ref_idx.map(id) };
            let mv = &mut motion.mv[list][at];
            for y in 0..4 {
                let start = place(0, y);
                mv[4 * y..][..4].copy_from_slice(&cache.mv[list][start..start + 4]);
            }
        }
    }

    /// Which blocks of the cache stand still, as [`Motion`](crate::frame::Motion) has it.
    #[inline(always)]
    fn still(&self) -> u16 {
        let cache = &self.around.cache;
        let stands = |x: usize, y: usize| {
            let at = place(x, y);
            let list = usize::from(self.lists == 2 && cache.ref_idx[0][at] < 0);
            u16::from(is_still(cache.ref_idx[list][at], cache.mv[list][at]))
        };
        if self.context.sps.direct_8x8_inference && !self.context.sps.interlaced {
            let [upper, lower] = [0, 3].map(|y| (0x33 * stands(0, y)) | (0xcc * stands(3, y)));
            return lower << 8 | upper;
        }
        let at = |block: usize| stands(block % 4, block / 4) << block;
        (0..16).fold(0, |bits, block| bits | at(block))
    }

    /// Keeps the macroblock's differences of vectors for its neighbours.
    fn store_mvd(&mut self) {
        let picture = &mut *self.context.picture;
        let place_of_mvd = picture.place_of_recent(self.index);
        let mvd = &mut picture.mvd[place_of_mvd];
        for list in 0..self.lists {
            let cache = &self.around.cache.mvd[list];
            for index in 0..4 {
                mvd[list][index] = cache[place(index, 3)];
                mvd[list][4 + index] = cache[place(3, index)];
            }
        }
    }

    /// The same where it is one for all of the macroblock, by list.
    fn store_whole_mvd(&mut self, mvd: [[u8; 2]; 2]) {
        let picture = &mut *self.context.picture;
        let place = picture.place_of_recent(self.index);
        picture.mvd[place] = mvd.map(|mvd| [mvd; 8]);
    }

    fn store_no_mvd(&mut self) {
        self.store_whole_mvd([[0; 2]; 2]);
    }

    /// The same of intra macroblocks.
    fn store_no_motion(&mut self) {
        let at = self.motion_place(self.index);
        let motion = &mut self.context.frame.motion;
        motion.still[self.index] = 0;
        for list in 0..2 {
            motion.ref_idx[list][at] = [-1; 4];
            motion.ref_id[list][at] = [0; 4];
            if list < self.lists {
                // Neighbours take it for a vector of zero.
                motion.mv[list][at] = [[0; 2]; 16];
            }
        }
        if self.lists > 0 && self.context.pps.entropy_coding_mode {
            self.store_no_mvd();
        }
    }

    /// Adds the luma residual to the prediction of the whole macroblock.
    fn add_luma(&mut self) {
        let is_dc = self.mb.coded_block_pattern & 0x100 != 0;
        if self.mb.coefficients == 0 && !is_dc {
            return;
        }
        let simd = self.simd;
        simd.vectorize(
            #[inline(always)]
            || self.add_coded_luma(is_dc),
        );
    }

    #[inline(always)]
    fn add_coded_luma(&mut self, is_dc: bool) {
        let simd = self.simd;
        let is_cabac = self.context.pps.entropy_coding_mode;
        let samples = &mut self.context.frame.samples;
        let (position, stride) = self.origins[0];
        let plane = &mut samples.planes[0];
        if self.mb.flags.any(Flags::TRANSFORM_8X8) {
            let (blocks, _) = self.coefficients.as_chunks_mut::<64>();
            for (block, coefficients) in blocks.iter_mut().enumerate().take(4) {
                let (x, y) = (2 * (block & 1), block & 2);
                if self.mb.coefficients >> (4 * y + x) & 1 == 1 {
                    let position = position + 4 * y * stride + 4 * x;
                    let is_single = self.blocks.has_single_coefficient_8x8(x, y, is_cabac);
                    add_8x8(simd, plane, stride, position, coefficients, is_single);
                }
            }
            return;
        }
        let (blocks, _) = self.coefficients.as_chunks_mut::<16>();
        // Mostly few are coded.
        let mut coded = if is_dc { u16::MAX } else { self.mb.coefficients };
        while coded != 0 {
            let at = coded.trailing_zeros() as usize;
            coded &= coded - 1;
            let (x, y) = (at % 4, at / 4);
            let coefficients = &mut blocks[block_at(x, y)];
            let position = position + 4 * y * stride + 4 * x;
            if self.mb.coefficients >> at & 1 == 1 {
                let is_single = !is_dc && self.blocks.total_coeff[at] == 1;
                add_4x4(simd, plane, stride, position, coefficients, is_single);
            } else if coefficients[0] != 0 {
                kernels::transform::add_dc_4x4(simd, plane, stride, position, coefficients);
            }
        }
    }

    /// Adds the chroma residual to the prediction.
    fn add_chroma(&mut self) {
        if self.mb.coded_block_pattern & 0x30 == 0 || !self.around.has_chroma {
            return;
        }
        let simd = self.simd;
        simd.vectorize(
            #[inline(always)]
            || self.add_coded_chroma(),
        );
    }

    #[inline(always)]
    fn add_coded_chroma(&mut self) {
        let simd = self.simd;
        let samples = &mut self.context.frame.samples;
        let (position, stride) = self.origins[1];
        let (blocks, _) = self.coefficients.as_chunks_mut::<16>();
        for (index, coefficients) in blocks.iter_mut().skip(16).enumerate() {
            let (component, block) = (index / 4, index % 4);
            let plane = &mut samples.planes[1 + component];
            let position = position + 4 * (block / 2) * stride + 4 * (block % 2);
            if self.blocks.total_coeff[16 + index] > 0 {
                kernels::transform::add_4x4(simd, plane, stride, position, coefficients);
            } else if coefficients[0] != 0 {
                kernels::transform::add_dc_4x4(simd, plane, stride, position, coefficients);
            }
        }
    }
}
