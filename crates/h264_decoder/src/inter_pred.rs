//! Inter prediction (ITU-T H.264 8.4.2): samples of reference pictures at motion vectors, weighted.

use h264::{PredWeightTable, SliceType, Weight};

use crate::frame::{Frame, Mv, Samples, Structure};
use crate::kernels::inter::{self, Average, Bi, Put, Source, Sources, Store, Target, Targets, Uni};
use crate::mb::{Flags, WholeMotion, place};
use crate::picture::SliceContext;
use crate::ref_list::RefPic;
use crate::slice::MbDecoder;
use crate::vectors::Vectors;

/// How predictions of a slice are weighted (8.4.2.3).
pub(crate) enum Weights {
    /// The average of two predictions.
    Default,
    Explicit(Box<PredWeightTable>),
    /// `w1` of each pair of references, of the picture's own frames or fields; in MBAFF frames
    /// those of top and bottom field macroblocks behind.
    Implicit(Box<[[[i16; 32]; 32]; 3]>),
}

impl Weights {
    pub(crate) fn new(context: &SliceContext<'_>) -> Self {
        if let Some(table) = &context.header.pred_weight_table {
            // Encoders that look for fades send a table with every slice.
            let counts = context.header.num_ref_idx_active.map(usize::from);
            let is_default = table.weights.iter().zip(counts).all(|(weights, count)| {
                weights.iter().take(count).all(|weights| is_default(table, weights))
            });
            return if is_default { Self::Default } else { Self::Explicit(table.clone()) };
        }
        if context.header.slice_type != SliceType::B || context.pps.weighted_bipred_idc != 2 {
            return Self::Default;
        }
        let mut tables = Box::new([[[32; 32]; 32]; 3]);
        let counts = context.header.num_ref_idx_active.map(usize::from);
        let variants = if context.is_mbaff { 3 } else { 1 };
        for (variant, table) in tables.iter_mut().enumerate().take(variants) {
            let counts = if variant == 0 { counts } else { counts.map(|count| 2 * count) };
            for (index_0, row) in table.iter_mut().enumerate().take(counts[0]) {
                for (index_1, weight) in row.iter_mut().enumerate().take(counts[1]) {
                    let pic_0 = reference_of_variant(context, 0, index_0, variant);
                    let pic_1 = reference_of_variant(context, 1, index_1, variant);
                    *weight = implicit_weight(context, pic_0, pic_1, variant);
                }
            }
        }
        Self::Implicit(tables)
    }
}

/// Whether explicit weights give what the default ones give.
fn is_default(table: &PredWeightTable, [luma, chroma @ ..]: &[Weight; 3]) -> bool {
    let is_one = |weight: &Weight, log2_denominator: u8| {
        weight.weight == 1 << log2_denominator && weight.offset == 0
    };
    is_one(luma, table.luma_log2_weight_denom)
        && chroma.iter().all(|weight| is_one(weight, table.chroma_log2_weight_denom))
}

/// What an index refers to in frame macroblocks and fields (variant 0), and in top and bottom field
/// macroblocks.
pub(crate) fn reference_of_variant(
    context: &SliceContext<'_>,
    list: usize,
    index: usize,
    variant: usize,
) -> RefPic {
    if variant == 0 {
        return context.lists.entries[list][index & 31];
    }
    let frame = context.lists.entries[list][(index >> 1) & 31];
    let same = Structure::field(variant - 1);
    RefPic { structure: if index & 1 == 0 { same } else { same.opposite() }, ..frame }
}

/// `DiffPicOrderCnt` needs the order of a reference (8.2.1).
pub(crate) fn pic_order_cnt(context: &SliceContext<'_>, reference: RefPic) -> i32 {
    let frame =
        if reference.slot == context.slot { &*context.frame } else { frame_of(context, reference) };
    frame.marking.pic_order_cnt_of(reference.structure.parities())
}

fn frame_of<'a>(context: &SliceContext<'a>, reference: RefPic) -> &'a Frame {
    &context.frames[usize::from(reference.slot)]
}

/// `DistScaleFactor` (8-197 to 8-202); None where it is not scaled: for long-term references and
/// equal times.
pub(crate) fn dist_scale_factor(
    context: &SliceContext<'_>,
    pic_0: RefPic,
    pic_1: RefPic,
    variant: usize,
) -> Option<i32> {
    let structure = if variant == 0 { context.structure } else { Structure::field(variant - 1) };
    let current = context.frame.marking.pic_order_cnt_of(structure.parities());
    let order_0 = pic_order_cnt(context, pic_0);
    let order_1 = pic_order_cnt(context, pic_1);
    let difference = |a: i32, b: i32| a.saturating_sub(b).clamp(-128, 127);
    let (tb, td) = (difference(current, order_0), difference(order_1, order_0));
    if td == 0 || pic_0.is_long_term {
        return None;
    }
    let tx = (16_384 + (td / 2).abs()) / td;
    Some(((tb * tx + 32) >> 6).clamp(-1024, 1023))
}

/// (8-281, 8-282)
fn implicit_weight(
    context: &SliceContext<'_>,
    pic_0: RefPic,
    pic_1: RefPic,
    variant: usize,
) -> i16 {
    match dist_scale_factor(context, pic_0, pic_1, variant) {
        Some(factor) if !pic_1.is_long_term && (-64..=128).contains(&(factor >> 2)) => {
            (factor >> 2) as i16
        }
        _ => 32,
    }
}

/// A partition in 4x4 blocks: small enough to be passed in a register.
#[derive(Clone, Copy, Debug)]
struct Part {
    x: u8,
    y: u8,
    width: u8,
    height: u8,
}

impl Part {
    /// Its column and row.
    #[inline(always)]
    fn at(self) -> (usize, usize) {
        (self.x.into(), self.y.into())
    }

    /// Its place in the caches of [`Cache`](crate::mb::Cache).
    #[inline(always)]
    fn place(self) -> usize {
        place(self.x.into(), self.y.into())
    }
}

const WHOLE: Part = Part { x: 0, y: 0, width: 4, height: 4 };

/// Where a partition is predicted from.
struct Predictor {
    list: usize,
    ref_idx: usize,
    picture: RefPic,
    mv: Mv,
}

/// What becomes of the predictions of a partition.
enum Weighting {
    /// One as it is, or the average of two.
    Default,
    Uni(Uni),
    Bi(Bi),
}

/// Rows and columns around a block that the six-tap filter reads.
const TAPS: usize = 5;
/// Bytes of a row of a block that reaches out of its picture.
const EDGE_STRIDE: usize = 24;

type EdgeBlock = [u8; EDGE_STRIDE * (16 + TAPS)];

/// Where blocks are put together.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    /// The prediction from list 1; both where a field refers to its own frame.
    blocks: [[u8; 256]; 2],
    /// Blocks that reach out of their picture: of luma, or of Cb and Cr.
    edges: [EdgeBlock; 2],
}

impl Scratch {
    pub(crate) const EMPTY: Self =
        Self { blocks: [[0; 256]; 2], edges: [[0; EDGE_STRIDE * (16 + TAPS)]; 2] };
}

impl<S: Vectors> MbDecoder<'_, S> {
    /// Predicts the macroblock where it has one motion.
    pub(crate) fn predict_whole(&mut self, motion: &WholeMotion) {
        self.mb.flags = self.mb.flags.with(Flags::ONE_MOTION).with(Flags::MOTION_8X8);
        self.predict_block(WHOLE, motion);
    }

    /// Predicts the macroblock from its motion, in as large parts as have the same.
    pub(crate) fn predict_inter(&mut self) {
        let quarter = |block: u8| Part { x: 2 * (block & 1), y: block & 2, width: 2, height: 2 };
        if self.is_uniform(WHOLE) {
            self.mb.flags = self.mb.flags.with(Flags::ONE_MOTION).with(Flags::MOTION_8X8);
            return self.predict_part(WHOLE);
        }
        let uniform = [0, 1, 2, 3].map(|block| self.is_uniform(quarter(block)));
        if uniform == [true; 4] {
            self.mb.flags = self.mb.flags.with(Flags::MOTION_8X8);
            let same = |a: (usize, usize), b: (usize, usize)| self.has_same_motion(a, b);
            if same((0, 0), (2, 0)) && same((0, 2), (2, 2)) {
                for y in [0, 2] {
                    self.predict_part(Part { x: 0, y, width: 4, height: 2 });
                }
                return;
            }
            if same((0, 0), (0, 2)) && same((2, 0), (2, 2)) {
                for x in [0, 2] {
                    self.predict_part(Part { x, y: 0, width: 2, height: 4 });
                }
                return;
            }
        }
        for (block, is_uniform) in (0..4).zip(uniform) {
            let part = quarter(block);
            if is_uniform {
                self.predict_part(part);
                continue;
            }
            for sub in 0..4 {
                let (x, y) = (part.x + (sub & 1), part.y + (sub >> 1));
                self.predict_part(Part { x, y, width: 1, height: 1 });
            }
        }
    }

    /// Whether two 4x4 blocks have the same motion.
    #[inline]
    fn has_same_motion(&self, a: (usize, usize), b: (usize, usize)) -> bool {
        let cache = &self.around.cache;
        let (a, b) = (place(a.0, a.1), place(b.0, b.1));
        (0..self.lists).all(|list| {
            cache.ref_idx[list][a] == cache.ref_idx[list][b]
                && cache.mv[list][a] == cache.mv[list][b]
        })
    }

    /// Whether a part of two or four blocks a side has one motion; references are of 8x8 blocks at
    /// least.
    #[inline]
    fn is_uniform(&self, part: Part) -> bool {
        let cache = &self.around.cache;
        let first = part.place();
        for list in 0..self.lists {
            let (ref_idx, mv) = (&cache.ref_idx[list], &cache.mv[list]);
            if part.width == 4 {
                let corners = [first, first + 2, first + 16, first + 18];
                if corners.iter().any(|&corner| ref_idx[corner] != ref_idx[first]) {
                    return false;
                }
                let is_one =
                    |row: usize| mv[first + 8 * row..].first_chunk() == Some(&[mv[first]; 4]);
                if !(is_one(0) && is_one(1) && is_one(2) && is_one(3)) {
                    return false;
                }
            } else {
                let is_one =
                    |row: usize| mv[first + 8 * row..].first_chunk() == Some(&[mv[first]; 2]);
                if !(is_one(0) && is_one(1)) {
                    return false;
                }
            }
        }
        true
    }

    fn predict_part(&mut self, part: Part) {
        let place = part.place();
        let cache = &self.around.cache;
        let motion = WholeMotion {
            ref_idx: [cache.ref_idx[0][place], cache.ref_idx[1][place]],
            mv: [cache.mv[0][place], cache.mv[1][place]],
        };
        self.predict_block(part, &motion);
    }

    fn predict_block(&mut self, part: Part, motion: &WholeMotion) {
        let is_mbaff = self.context.is_mbaff;
        let predictor = |list: usize| {
            let ref_idx = usize::try_from(motion.ref_idx[list]).ok()?;
            Some(Predictor {
                list,
                ref_idx,
                picture: self.context.lists.of(list, ref_idx, self.position, is_mbaff),
                mv: motion.mv[list],
            })
        };
        let second = if self.lists == 2 { predictor(1) } else { None };
        let (first, second) = match (predictor(0), second) {
            (Some(first), second) => (first, second),
            (None, Some(only)) => (only, None),
            (None, None) => return,
        };
        if self.is_own(&first, second.as_ref())
            || !self.has_default_weights(&first, second.as_ref())
        {
            return self.predict_weighted(part, &first, second.as_ref());
        }
        self.predict_from::<Store>(part, &first);
        if let Some(second) = &second {
            self.predict_from::<Average>(part, second);
        }
    }

    /// Luma and chroma from a picture other than this one.
    fn predict_from<P: Put>(&mut self, part: Part, predictor: &Predictor) {
        self.simd.vectorize(
            #[inline(always)]
            || self.put_prediction::<P>(part, predictor),
        );
    }

    #[inline(always)]
    fn put_prediction<P: Put>(&mut self, part: Part, predictor: &Predictor) {
        let simd = self.simd;
        let samples = &self.context.frames[usize::from(predictor.picture.slot)].samples;
        let (block, position, stride) = self.block(part, false);
        let edges = &mut self.scratch.edges;
        let plane = &mut self.context.frame.samples.planes[0];
        let target = Target { plane, stride, position };
        block.put_luma::<S, P>(simd, samples, predictor, target, &mut edges[0]);
        if !self.around.has_chroma {
            return;
        }
        let (block, position, stride) = self.block(part, true);
        let edges = &mut self.scratch.edges;
        let planes = self.context.frame.samples.chroma();
        let targets = Targets { planes, stride, position };
        block.put_chroma::<S, P>(simd, samples, predictor, targets, edges);
    }

    /// One prediction as it is, or the average of two.
    #[inline(always)]
    fn has_default_weights(&self, first: &Predictor, second: Option<&Predictor>) -> bool {
        match (&self.weights, second) {
            (Weights::Default, _) | (Weights::Implicit(_), None) => true,
            (Weights::Explicit(_), _) => false,
            (Weights::Implicit(_), Some(_)) => {
                matches!(self.weighting(0, first, second), Weighting::Default)
            }
        }
    }

    /// With whatever weights, and references.
    #[inline(never)]
    fn predict_weighted(&mut self, part: Part, first: &Predictor, second: Option<&Predictor>) {
        self.predict_weighted_luma(part, first, second);
        if self.around.has_chroma {
            self.predict_weighted_chroma(part, first, second);
        }
    }

    #[inline(always)]
    fn weighting(
        &self,
        component: usize,
        first: &Predictor,
        second: Option<&Predictor>,
    ) -> Weighting {
        let is_field_in_frame = self.context.is_mbaff && self.position.is_field;
        match (&self.weights, second) {
            (Weights::Explicit(table), _) => {
                let log2_denominator = u32::from(if component == 0 {
                    table.luma_log2_weight_denom
                } else {
                    table.chroma_log2_weight_denom
                });
                let of = |predictor: &Predictor| {
                    let index = predictor.ref_idx >> usize::from(is_field_in_frame);
                    table.weights[predictor.list][index & 31][component]
                };
                let w0 = of(first);
                let Some(second) = second else {
                    let (weight, offset) = (w0.weight.into(), w0.offset.into());
                    if weight == 1 << log2_denominator && offset == 0 {
                        return Weighting::Default;
                    }
                    return Weighting::Uni(Uni { log2_denominator, weight, offset });
                };
                let w1 = of(second);
                Weighting::Bi(Bi {
                    log2_denominator,
                    weights: [w0.weight.into(), w1.weight.into()],
                    offsets: i32::from(w0.offset) + i32::from(w1.offset),
                })
            }
            (Weights::Implicit(tables), Some(second)) => {
                let variant = match self.position.structure() {
                    Structure::Bottom if self.context.is_mbaff => 2,
                    Structure::Top if self.context.is_mbaff => 1,
                    _ => 0,
                };
                let w1 = tables[variant][first.ref_idx & 31][second.ref_idx & 31].into();
                if w1 == 32 {
                    return Weighting::Default;
                }
                Weighting::Bi(Bi { log2_denominator: 5, weights: [64 - w1, w1], offsets: 0 })
            }
            _ => Weighting::Default,
        }
    }

    /// Where a partition is in its plane, and in the frame or field.
    #[inline]
    fn block(&self, part: Part, is_chroma: bool) -> (PredictedBlock, usize, usize) {
        let unit = if is_chroma { 2 } else { 4 };
        let size = if is_chroma { 8 } else { 16 };
        let (start, stride) = self.origins[usize::from(is_chroma)];
        let (x, y) = part.at();
        let block = PredictedBlock {
            structure: self.position.structure(),
            column: (self.position.x * size + x * unit) as i32,
            row: (self.position.luma_row() * size / 16 + y * unit) as i32,
            width: usize::from(part.width) * unit,
            height: usize::from(part.height) * unit,
            is_coarse: self.context.is_coarse,
        };
        (block, start + y * unit * stride + x * unit, stride)
    }

    /// Whether a second field refers to the first one of its frame.
    #[inline]
    fn is_own(&self, first: &Predictor, second: Option<&Predictor>) -> bool {
        let slot = self.context.slot;
        first.picture.slot == slot || second.is_some_and(|second| second.picture.slot == slot)
    }

    fn predict_weighted_luma(&mut self, part: Part, first: &Predictor, second: Option<&Predictor>) {
        if self.is_own(first, second) {
            return self.predict_aside(part, false, first, second);
        }
        let simd = self.simd;
        let (block, position, stride) = self.block(part, false);
        let frames = self.context.frames;
        let samples = |predictor: &Predictor| &frames[usize::from(predictor.picture.slot)].samples;
        let weighting = self.weighting(0, first, second);
        let Scratch { blocks: [_, out], edges: [edge, _] } = &mut self.scratch;
        let plane = &mut self.context.frame.samples.planes[0];
        let mut target = Target { plane, stride, position };
        block.predict_luma::<S, Store>(simd, samples(first), first, target.reborrow(), edge);
        if let Some(second) = second {
            let aside = Target { plane: &mut *out, stride: 16, position: 0 };
            block.predict_luma::<S, Store>(simd, samples(second), second, aside, edge);
        }
        let other = second.map(|_| Source { plane: out, stride: 16, position: 0 });
        weight(simd, &mut target, other.as_ref(), block.size(), &weighting);
    }

    fn predict_weighted_chroma(
        &mut self,
        part: Part,
        first: &Predictor,
        second: Option<&Predictor>,
    ) {
        if self.is_own(first, second) {
            return self.predict_aside(part, true, first, second);
        }
        let simd = self.simd;
        let (block, position, stride) = self.block(part, true);
        let frames = self.context.frames;
        let samples = |predictor: &Predictor| &frames[usize::from(predictor.picture.slot)].samples;
        let weightings = [1, 2].map(|component| self.weighting(component, first, second));
        let Scratch { blocks: [_, out], edges } = &mut self.scratch;
        let planes = self.context.frame.samples.chroma();
        let mut targets = Targets { planes, stride, position };
        block.predict_chroma::<S, Store>(simd, samples(first), first, targets.reborrow(), edges);
        if let Some(second) = second {
            block.predict_chroma::<S, Store>(simd, samples(second), second, aside(out), edges);
        }
        for ((plane, from), weighting) in targets.planes.into_iter().zip(ASIDE).zip(&weightings) {
            let mut target = Target { plane, stride, position };
            let other = second.map(|_| Source { plane: out, stride: 16, position: from });
            weight(simd, &mut target, other.as_ref(), block.size(), weighting);
        }
    }

    /// Predicts by way of blocks aside, where a field refers to its own frame.
    #[cold]
    fn predict_aside(
        &mut self,
        part: Part,
        is_chroma: bool,
        first: &Predictor,
        second: Option<&Predictor>,
    ) {
        let simd = self.simd;
        let (block, position, stride) = self.block(part, is_chroma);
        let (width, height) = block.size();
        let Scratch { blocks: [first_out, second_out], edges } = &mut self.scratch;
        for (predictor, out) in
            [Some(first), second].into_iter().zip([&mut *first_out, &mut *second_out])
        {
            let Some(predictor) = predictor else { continue };
            let slot = predictor.picture.slot;
            let samples = if slot == self.context.slot {
                &self.context.frame.samples
            } else {
                &self.context.frames[usize::from(slot)].samples
            };
            if is_chroma {
                block.predict_chroma::<S, Store>(simd, samples, predictor, aside(out), edges);
            } else {
                let target = Target { plane: out, stride: 16, position: 0 };
                block.predict_luma::<S, Store>(simd, samples, predictor, target, &mut edges[0]);
            }
        }
        let components = if is_chroma { 1..3 } else { 0..1 };
        for (component, from) in components.zip(ASIDE) {
            let weighting = self.weighting(component, first, second);
            let Scratch { blocks: [first_out, second_out], .. } = &self.scratch;
            let plane = &mut self.context.frame.samples.planes[component];
            let mut target = Target { plane, stride, position };
            let copied = Source { plane: first_out, stride: 16, position: from };
            inter::copy_block(target.reborrow(), copied, width, height);
            let other = second.map(|_| Source { plane: second_out, stride: 16, position: from });
            weight(simd, &mut target, other.as_ref(), (width, height), &weighting);
        }
    }
}

/// Where blocks aside have luma, or Cb and Cr.
const ASIDE: [usize; 2] = [0, 128];

/// Cb and Cr of a block aside.
fn aside(out: &mut [u8; 256]) -> Targets<'_> {
    let (first, second) = out.split_at_mut(ASIDE[1]);
    Targets { planes: [first, second], stride: 16, position: 0 }
}

#[inline(always)]
fn weight<S: Vectors>(
    simd: S,
    target: &mut Target<'_>,
    other: Option<&Source<'_>>,
    (width, height): (usize, usize),
    weighting: &Weighting,
) {
    match (weighting, other) {
        (Weighting::Default, None) => {}
        (Weighting::Default, Some(other)) => {
            inter::average_blocks(simd, target, other, width, height)
        }
        (Weighting::Uni(uni), _) => inter::weight_block(simd, target, width, height, *uni),
        (Weighting::Bi(bi), Some(other)) => {
            inter::weight_blocks(simd, target, other, width, height, *bi);
        }
        (Weighting::Bi(_), None) => debug_assert!(false, "weights of two for one prediction"),
    }
}

/// A block that is predicted.
#[derive(Clone, Copy)]
struct PredictedBlock {
    /// Whether the macroblock is one of a frame or of a field.
    structure: Structure,
    /// In the frame or field that the macroblock is in.
    column: i32,
    row: i32,
    width: usize,
    height: usize,
    /// Between samples it need not be exact.
    is_coarse: bool,
}

/// The samples of a reference picture, a frame or a field of one.
#[derive(Clone, Copy)]
struct ReferencePlane<'a> {
    plane: &'a [u8],
    /// Where its first row begins.
    first: usize,
    stride: usize,
    width: usize,
    height: usize,
}

impl PredictedBlock {
    #[inline]
    fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// As [`Self::put_luma`], in a function of its own.
    fn predict_luma<S: Vectors, P: Put>(
        &self,
        simd: S,
        samples: &Samples,
        predictor: &Predictor,
        target: Target<'_>,
        edge: &mut EdgeBlock,
    ) {
        simd.vectorize(
            #[inline(always)]
            || self.put_luma::<S, P>(simd, samples, predictor, target, edge),
        );
    }

    /// As [`Self::put_chroma`], in a function of its own.
    fn predict_chroma<S: Vectors, P: Put>(
        &self,
        simd: S,
        samples: &Samples,
        predictor: &Predictor,
        targets: Targets<'_>,
        edges: &mut [EdgeBlock; 2],
    ) {
        simd.vectorize(
            #[inline(always)]
            || self.put_chroma::<S, P>(simd, samples, predictor, targets, edges),
        );
    }

    /// From a reference picture at a motion vector.
    #[inline(always)]
    fn put_luma<S: Vectors, P: Put>(
        &self,
        simd: S,
        samples: &Samples,
        predictor: &Predictor,
        target: Target<'_>,
        edge: &mut EdgeBlock,
    ) {
        let reference = ReferencePlane::new(samples, 0, predictor.picture.structure);
        let [mv_x, mv_y] = predictor.mv.map(i32::from);
        let (dx, dy) = ((mv_x & 3) as usize, (mv_y & 3) as usize);
        let at = (self.column + (mv_x >> 2), self.row + (mv_y >> 2));
        if self.is_coarse {
            let size = (self.width + usize::from(dx > 0), self.height + usize::from(dy > 0));
            let source = reference.source(edge, at, size, (0, 0));
            return inter::coarse_luma::<S, P>(simd, target, source, self.size(), (dx, dy));
        }
        let before = |fraction: usize| if fraction == 0 { 0 } else { 2 };
        let around = |fraction: usize| if fraction == 0 { 0 } else { TAPS };
        let size = (self.width + around(dx), self.height + around(dy));
        let source = reference.source(edge, at, size, (before(dx), before(dy)));
        inter::luma::<S, P>(simd, target, source, self.size(), (dx, dy));
    }

    /// Cb and Cr.
    #[inline(always)]
    fn put_chroma<S: Vectors, P: Put>(
        &self,
        simd: S,
        samples: &Samples,
        predictor: &Predictor,
        targets: Targets<'_>,
        edges: &mut [EdgeBlock; 2],
    ) {
        let structure = predictor.picture.structure;
        let [mut mv_x, mut mv_y] = predictor.mv.map(i32::from);
        // Chroma samples of the fields lie a quarter apart (table 8-9).
        mv_y += match (structure, self.structure) {
            (Structure::Bottom, Structure::Top) => -2,
            (Structure::Top, Structure::Bottom) => 2,
            _ => 0,
        };
        if self.is_coarse {
            // The nearest samples.
            (mv_x, mv_y) = ((mv_x + 4) & !7, (mv_y + 4) & !7);
        }
        let (dx, dy) = ((mv_x & 7) as usize, (mv_y & 7) as usize);
        let at = (self.column + (mv_x >> 3), self.row + (mv_y >> 3));
        let size = (self.width + usize::from(dx > 0), self.height + usize::from(dy > 0));
        let planes = [1, 2].map(|component| ReferencePlane::new(samples, component, structure));
        let sources = ReferencePlane::sources(planes, edges, at, size);
        inter::chroma::<S, P>(simd, targets, sources, self.size(), (dx, dy));
    }
}

impl<'a> ReferencePlane<'a> {
    #[inline]
    fn new(samples: &'a Samples, component: usize, structure: Structure) -> Self {
        let stride = samples.strides[usize::from(component > 0)];
        let plane = &samples.planes[component][..];
        let height = samples.heights[usize::from(component > 0)];
        // The planes have no padding: a row is as long as the picture is wide.
        if structure.is_field() {
            let first = structure.first_row() * stride;
            Self { plane, first, stride: 2 * stride, width: stride, height: height / 2 }
        } else {
            Self { plane, first: 0, stride, width: stride, height }
        }
    }

    /// The block at (x, y), from the picture or, where it reaches out of it, from a copy with the
    /// samples at its border repeated (8.4.2.2.1). `before` samples and rows in front of it belong
    /// to what is read, which is of this size.
    #[inline]
    fn source(
        self,
        edge: &'a mut EdgeBlock,
        (x, y): (i32, i32),
        (width, height): (usize, usize),
        before: (usize, usize),
    ) -> Source<'a> {
        let (left, top) = (x - before.0 as i32, y - before.1 as i32);
        if self.has_inside((left, top), (width, height)) {
            let position = self.first + y as usize * self.stride + x as usize;
            return Source { plane: self.plane, stride: self.stride, position };
        }
        self.copy_with_border(edge, (left, top), (width, height));
        let position = before.1 * EDGE_STRIDE + before.0;
        Source { plane: &edge[..], stride: EDGE_STRIDE, position }
    }

    /// The same of Cb and Cr, nothing in front.
    #[inline]
    fn sources(
        [cb, cr]: [Self; 2],
        edges: &'a mut [EdgeBlock; 2],
        (x, y): (i32, i32),
        size: (usize, usize),
    ) -> Sources<'a> {
        if cb.has_inside((x, y), size) {
            let position = cb.first + y as usize * cb.stride + x as usize;
            return Sources { planes: [cb.plane, cr.plane], stride: cb.stride, position };
        }
        let [of_cb, of_cr] = edges;
        cb.copy_with_border(of_cb, (x, y), size);
        cr.copy_with_border(of_cr, (x, y), size);
        Sources { planes: [of_cb, of_cr], stride: EDGE_STRIDE, position: 0 }
    }

    /// Whether all of a block is in the picture.
    #[inline(always)]
    fn has_inside(&self, (left, top): (i32, i32), (width, height): (usize, usize)) -> bool {
        left >= 0
            && top >= 0
            && left as usize + width <= self.width
            && top as usize + height <= self.height
    }

    #[cold]
    fn copy_with_border(
        self,
        edge: &mut EdgeBlock,
        (left, top): (i32, i32),
        (width, height): (usize, usize),
    ) {
        // Columns left of the picture, and those inside of it.
        let outside = (-left).clamp(0, width as i32) as usize;
        let first = left.clamp(0, self.width as i32) as usize;
        let inside = (self.width - first).min(width - outside);
        for (row, out) in edge.chunks_exact_mut(EDGE_STRIDE).enumerate().take(height) {
            let source_row = (top + row as i32).clamp(0, self.height as i32 - 1) as usize;
            let start = self.first + source_row * self.stride;
            let line = &self.plane[start..start + self.width];
            let [leftmost, .., rightmost] = line else { return };
            let (before, rest) = out[..width].split_at_mut(outside);
            let (middle, behind) = rest.split_at_mut(inside);
            middle.copy_from_slice(&line[first..first + inside]);
            // Most blocks reach out above or below only.
            if outside > 0 {
                before.fill(*leftmost);
            }
            if !behind.is_empty() {
                behind.fill(*rightmost);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_streams::BSlice;
    use crate::vectors::baseline;

    #[test]
    fn s8_4_2_3_1_implicit_weights_follow_the_distance_in_time() {
        // Order 8 between 4 and 20: tb 4, td 16, tx (16384 + 8) / 16 = 1024, scale 64, w1 16.
        let mut slice = BSlice::new(8, &[4, 0], &[20, 8]);
        slice.pps.weighted_bipred_idc = 2;
        let Weights::Implicit(tables) = Weights::new(&slice.context()) else {
            panic!("implicit weights")
        };
        assert_eq!(tables[0][0][0], 16);
        // Order 8 between 0 and 20: scale 102, w1 25.
        assert_eq!(tables[0][1][0], 25);
        // From 4 to 8, at 8: tb 4, td 4, scale 256: w1 64. From 0 to 8 likewise.
        assert_eq!([tables[0][0][1], tables[0][1][1]], [64, 64]);
        // A long-term picture is not weighted by time.
        slice.lists.entries[0][0].is_long_term = true;
        let Weights::Implicit(tables) = Weights::new(&slice.context()) else {
            panic!("implicit weights")
        };
        assert_eq!([tables[0][0][0], tables[0][1][0]], [32, 25]);
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut seed = 11u32;
        (0..len)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            })
            .collect()
    }

    fn tap(samples: [i32; 6]) -> i32 {
        let [a, b, c, d, e, f] = samples;
        a - 5 * b + 20 * c + 20 * d - 5 * e + f
    }

    /// Luma and chroma samples anywhere around a picture, or a field of one, equal those of 8.4.2.2
    /// with each coordinate clamped on its own (8-239, 8-240, 8-262 to 8-265).
    #[test]
    fn s8_4_2_2_blocks_that_reach_out_of_the_picture() {
        let samples = Samples {
            planes: [noise(32 * 64), noise(16 * 32), noise(16 * 32)],
            strides: [32, 16],
            heights: [64, 32],
        };
        let mut edges = [[0; EDGE_STRIDE * (16 + TAPS)]; 2];
        let mvs = [-301, -70, -9, -6, -1, 0, 3, 10, 47, 64, 130, 401];
        for structure in [Structure::Frame, Structure::Top, Structure::Bottom] {
            for (mv_x, mv_y) in mvs.iter().flat_map(|&x| mvs.map(|y| (x, y))) {
                for component in [0, 1, 2] {
                    let unit = if component == 0 { 4 } else { 8 };
                    let (width, height) = if component == 0 { (16, 8) } else { (8, 4) };
                    let block = PredictedBlock {
                        structure,
                        column: if component == 0 { 16 } else { 8 },
                        row: height as i32,
                        width,
                        height,
                        is_coarse: false,
                    };
                    let picture = RefPic { structure, ..RefPic::default() };
                    let predictor = Predictor { list: 0, ref_idx: 0, picture, mv: [mv_x, mv_y] };
                    let mut out = [0; 256];
                    let targets = aside(&mut out);
                    let simd = baseline();
                    if component == 0 {
                        let [plane, _] = targets.planes;
                        let target = Target { plane, stride: 16, position: 0 };
                        let edge = &mut edges[0];
                        block.predict_luma::<_, Store>(simd, &samples, &predictor, target, edge);
                    } else {
                        let edges = &mut edges;
                        block
                            .predict_chroma::<_, Store>(simd, &samples, &predictor, targets, edges);
                    }
                    let plane = ReferencePlane::new(&samples, component, structure);
                    let at = |x: i32, y: i32| -> i32 {
                        let x = x.clamp(0, plane.width as i32 - 1) as usize;
                        let y = y.clamp(0, plane.height as i32 - 1) as usize;
                        plane.plane[plane.first + y * plane.stride + x].into()
                    };
                    for (x, y) in (0..width * height).map(|index| (index % width, index / width)) {
                        let px = (block.column + x as i32) * unit + i32::from(mv_x);
                        let py = (block.row + y as i32) * unit + i32::from(mv_y);
                        let (dx, dy) = (px.rem_euclid(unit), py.rem_euclid(unit));
                        let (ix, iy) = (px.div_euclid(unit), py.div_euclid(unit));
                        let expected = if component > 0 {
                            ((8 - dx) * (8 - dy) * at(ix, iy)
                                + dx * (8 - dy) * at(ix + 1, iy)
                                + (8 - dx) * dy * at(ix, iy + 1)
                                + dx * dy * at(ix + 1, iy + 1)
                                + 32)
                                >> 6
                        } else {
                            luma_sample(&at, ix, iy, dx, dy)
                        };
                        let first = if component == 2 { ASIDE[1] } else { 0 };
                        let actual = i32::from(out[first + 16 * y + x]);
                        assert_eq!(actual, expected, "{structure:?} {mv_x} {mv_y} {x} {y}");
                    }
                }
            }
        }
    }

    /// Every quarter position is an integer or half sample, or the average of the two nearest
    /// (table 8-12).
    fn luma_sample(at: &dyn Fn(i32, i32) -> i32, x: i32, y: i32, dx: i32, dy: i32) -> i32 {
        const OFFSETS: [i32; 6] = [-2, -1, 0, 1, 2, 3];
        let clip = |value: i32| value.clamp(0, 255);
        let row = |x: i32, y: i32| tap(OFFSETS.map(|offset| at(x + offset, y)));
        let column = |x: i32, y: i32| tap(OFFSETS.map(|offset| at(x, y + offset)));
        // At half samples: 0 or 1 half to the right and below.
        let half = |hx: i32, hy: i32| -> i32 {
            let (x, y) = (x + hx / 2, y + hy / 2);
            match (hx % 2, hy % 2) {
                (0, 0) => at(x, y),
                (1, 0) => clip((row(x, y) + 16) >> 5),
                (0, _) => clip((column(x, y) + 16) >> 5),
                _ => clip((tap(OFFSETS.map(|offset| row(x, y + offset))) + 512) >> 10),
            }
        };
        let average = |a: i32, b: i32| (a + b + 1) >> 1;
        match (dx % 2, dy % 2) {
            (0, 0) => half(dx / 2, dy / 2),
            (1, 0) => average(half(dx / 2, dy / 2), half(dx / 2 + 1, dy / 2)),
            (0, _) => average(half(dx / 2, dy / 2), half(dx / 2, dy / 2 + 1)),
            // On the diagonals: the half samples of the nearest row and column.
            _ => average(half(1, dy / 2 * 2), half(dx / 2 * 2, 1)),
        }
    }
}
