//! Inter prediction (ITU-T H.264 8.4.2): samples of reference pictures at motion vectors, weighted.

use h264::{PredWeightTable, SliceType};

use crate::frame::{Frame, Mv, Samples, Structure};
use crate::kernels::inter::{self, Bi, Source, Target, Uni};
use crate::mb::place;
use crate::picture::SliceContext;
use crate::ref_list::RefPic;
use crate::slice::MbDecoder;

/// How predictions of a slice are weighted (8.4.2.3).
pub(crate) enum Weights {
    /// The average of two predictions.
    Default,
    Explicit(Box<PredWeightTable>),
    /// `w1` of each pair of references, of the picture's own frames or fields; in MBAFF frames those of top and bottom
    /// field macroblocks behind.
    Implicit(Box<[[[i16; 32]; 32]; 3]>),
}

impl Weights {
    pub(crate) fn new(context: &SliceContext<'_>) -> Self {
        if let Some(table) = &context.header.pred_weight_table {
            return Self::Explicit(table.clone());
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

/// What an index refers to in frame macroblocks and fields (variant 0), and in top and bottom field macroblocks.
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

/// `DistScaleFactor` (8-197 to 8-202); None where it is not scaled: for long-term references and equal times.
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

/// A partition in 4x4 blocks.
#[derive(Clone, Copy, Debug)]
struct Part {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// What the prediction of a partition does with its samples.
#[derive(Clone, Copy)]
enum Weighting {
    Copy,
    Average,
    Uni(Uni),
    Bi(Bi),
}

/// Rows and columns around a block that the six-tap filter reads.
const TAPS: usize = 5;
/// Bytes of a row of a block that reaches out of its picture.
const EDGE_STRIDE: usize = 24;

impl MbDecoder<'_> {
    /// Predicts the macroblock from its motion, in as large parts as have the same.
    pub(crate) fn predict_inter(&mut self, is_whole: bool) {
        let whole = Part { x: 0, y: 0, width: 4, height: 4 };
        if is_whole || self.is_uniform(whole) {
            return self.predict_part(whole);
        }
        let half = |x, y, width, height| Part { x, y, width, height };
        let halves = [[half(0, 0, 4, 2), half(0, 2, 4, 2)], [half(0, 0, 2, 4), half(2, 0, 2, 4)]];
        for pair in halves {
            if pair.iter().all(|&part| self.is_uniform(part)) {
                return pair.into_iter().for_each(|part| self.predict_part(part));
            }
        }
        for block in 0..4 {
            let part = half(2 * (block & 1), block & 2, 2, 2);
            if self.is_uniform(part) {
                self.predict_part(part);
                continue;
            }
            for sub in 0..4 {
                self.predict_part(half(part.x + (sub & 1), part.y + (sub >> 1), 1, 1));
            }
        }
    }

    fn is_uniform(&self, part: Part) -> bool {
        let cache = &self.around.cache;
        let first = place(part.x, part.y);
        (0..self.lists).all(|list| {
            let (ref_idx, mv) = (&cache.ref_idx[list], &cache.mv[list]);
            (0..part.height).all(|y| {
                let start = first + 8 * y;
                ref_idx[start..start + part.width].iter().all(|&other| other == ref_idx[first])
                    && mv[start..start + part.width].iter().all(|&other| other == mv[first])
            })
        })
    }

    fn predict_part(&mut self, part: Part) {
        let place = place(part.x, part.y);
        let cache = &self.around.cache;
        let motion = |list: usize| {
            let ref_idx = if list < self.lists { cache.ref_idx[list][place] } else { -1 };
            (ref_idx >= 0).then(|| (ref_idx as usize, cache.mv[list][place]))
        };
        let motions = [motion(0), motion(1)];
        let is_mbaff = self.context.is_mbaff;
        let position = self.position;
        let lists = self.context.lists;
        let reference = |list: usize| {
            motions[list].map(|(ref_idx, mv)| (lists.of(list, ref_idx, position, is_mbaff), mv))
        };
        let references = [reference(0), reference(1)];
        let indices = motions.map(|motion| motion.map_or(0, |(ref_idx, _)| ref_idx));
        let components = if self.around.has_chroma { 3 } else { 1 };
        for component in 0..components {
            let weighting = self.weighting(component, references, indices);
            self.predict_component(component, part, references, weighting);
        }
    }

    fn weighting(
        &self,
        component: usize,
        references: [Option<(RefPic, Mv)>; 2],
        indices: [usize; 2],
    ) -> Weighting {
        let is_field_in_frame = self.context.is_mbaff && self.position.is_field;
        match (&self.weights, references) {
            (Weights::Explicit(table), _) => {
                let denominator = if component == 0 {
                    table.luma_log2_weight_denom
                } else {
                    table.chroma_log2_weight_denom
                };
                let log2_denominator = u32::from(denominator);
                let of = |list: usize| {
                    let index = if is_field_in_frame { indices[list] >> 1 } else { indices[list] };
                    table.weights[list][index & 31][component]
                };
                match references {
                    [Some(_), Some(_)] => {
                        let (w0, w1) = (of(0), of(1));
                        Weighting::Bi(Bi {
                            log2_denominator,
                            weights: [w0.weight.into(), w1.weight.into()],
                            offsets: i32::from(w0.offset) + i32::from(w1.offset),
                        })
                    }
                    _ => {
                        let weight = of(usize::from(references[0].is_none()));
                        let (weight, offset) = (weight.weight.into(), weight.offset.into());
                        if weight == 1 << log2_denominator && offset == 0 {
                            return Weighting::Copy;
                        }
                        Weighting::Uni(Uni { log2_denominator, weight, offset })
                    }
                }
            }
            (Weights::Implicit(tables), [Some(_), Some(_)]) => {
                let variant = match self.position.structure() {
                    Structure::Bottom if self.context.is_mbaff => 2,
                    Structure::Top if self.context.is_mbaff => 1,
                    _ => 0,
                };
                let w1 = i32::from(tables[variant][indices[0] & 31][indices[1] & 31]);
                if w1 == 32 {
                    return Weighting::Average;
                }
                Weighting::Bi(Bi { log2_denominator: 5, weights: [64 - w1, w1], offsets: 0 })
            }
            (_, [Some(_), Some(_)]) => Weighting::Average,
            _ => Weighting::Copy,
        }
    }

    fn predict_component(
        &mut self,
        component: usize,
        part: Part,
        references: [Option<(RefPic, Mv)>; 2],
        weighting: Weighting,
    ) {
        let is_chroma = component > 0;
        let unit = if is_chroma { 2 } else { 4 };
        let (width, height) = (part.width * unit, part.height * unit);
        let size = if is_chroma { 8 } else { 16 };
        let (row, column) = (
            self.position.luma_row() * size / 16 + part.y * unit,
            self.position.x * size + part.x * unit,
        );
        let plane_stride = self.context.frame.samples.strides[usize::from(is_chroma)];
        let (start, stride) = self.position.samples(plane_stride, is_chroma);
        let position = start + part.y * unit * stride + part.x * unit;
        let structure = self.position.structure();
        let mut blocks = [[0u8; 256]; 2];
        let is_own = |reference: &Option<(RefPic, Mv)>| {
            reference.is_some_and(|(reference, _)| reference.slot == self.context.slot)
        };
        let block = |samples: &Samples, reference: RefPic, mv: Mv, target: Target<'_>| {
            let from = ReferenceBlock {
                samples,
                component,
                structure: reference.structure,
                column: column as i32,
                row: row as i32,
                width,
                height,
            };
            if is_chroma {
                from.chroma(target, mv, structure);
            } else {
                from.luma(target, mv);
            }
        };
        if references.iter().any(is_own) {
            // A second field that refers to the first one of its frame: by way of a block aside.
            for (reference, out) in references.into_iter().zip(&mut blocks) {
                let Some((reference, mv)) = reference else { continue };
                let samples = if reference.slot == self.context.slot {
                    &self.context.frame.samples
                } else {
                    &self.context.frames[usize::from(reference.slot)].samples
                };
                block(samples, reference, mv, Target { plane: out, stride: 16, position: 0 });
            }
            let plane = &mut self.context.frame.samples.planes[component];
            let mut target = Target { plane, stride, position };
            let first = usize::from(references[0].is_none());
            let copied = Source { plane: &blocks[first], stride: 16, position: 0 };
            inter::copy_block(target.reborrow(), copied, width, height);
            let other = Source { plane: &blocks[1], stride: 16, position: 0 };
            weight(target, other, width, height, weighting);
            return;
        }
        let frames = self.context.frames;
        let samples = |reference: RefPic| &frames[usize::from(reference.slot)].samples;
        let plane = &mut self.context.frame.samples.planes[component];
        let mut target = Target { plane, stride, position };
        match references {
            [Some((first, mv)), Some((second, second_mv))] => {
                block(samples(first), first, mv, target.reborrow());
                let out = Target { plane: &mut blocks[1], stride: 16, position: 0 };
                block(samples(second), second, second_mv, out);
            }
            [Some((only, mv)), None] | [None, Some((only, mv))] => {
                block(samples(only), only, mv, target.reborrow());
            }
            [None, None] => return,
        }
        let other = Source { plane: &blocks[1], stride: 16, position: 0 };
        weight(target, other, width, height, weighting);
    }
}

#[inline]
fn weight(
    target: Target<'_>,
    other: Source<'_>,
    width: usize,
    height: usize,
    weighting: Weighting,
) {
    match weighting {
        Weighting::Copy => {}
        Weighting::Average => inter::average_blocks(target, other, width, height),
        Weighting::Uni(uni) => inter::weight_block(target, width, height, uni),
        Weighting::Bi(bi) => inter::weight_blocks(target, other, width, height, bi),
    }
}

/// A block of a reference picture.
#[derive(Clone, Copy)]
struct ReferenceBlock<'a> {
    samples: &'a Samples,
    component: usize,
    structure: Structure,
    /// Of the block that is predicted, in the frame or field that its macroblock is in.
    column: i32,
    row: i32,
    width: usize,
    height: usize,
}

impl ReferenceBlock<'_> {
    fn luma(&self, target: Target<'_>, mv: Mv) {
        let [mv_x, mv_y] = mv.map(i32::from);
        let (dx, dy) = ((mv_x & 3) as usize, (mv_y & 3) as usize);
        let (x, y) = (self.column + (mv_x >> 2), self.row + (mv_y >> 2));
        let before = |fraction: usize| if fraction == 0 { 0 } else { 2 };
        let around = |fraction: usize| if fraction == 0 { 0 } else { TAPS };
        let mut edge = [0; EDGE_STRIDE * (16 + TAPS)];
        let source = self.source(
            &mut edge,
            (x - before(dx) as i32, y - before(dy) as i32),
            (self.width + around(dx), self.height + around(dy)),
            before(dx),
            before(dy),
        );
        inter::luma(target, source, self.width, self.height, dx, dy);
    }

    /// `structure` is that of the macroblock that is predicted.
    fn chroma(&self, target: Target<'_>, mv: Mv, structure: Structure) {
        let [mv_x, mut mv_y] = mv.map(i32::from);
        // Chroma samples of the fields lie a quarter apart (table 8-9).
        mv_y += match (self.structure, structure) {
            (Structure::Bottom, Structure::Top) => -2,
            (Structure::Top, Structure::Bottom) => 2,
            _ => 0,
        };
        let (dx, dy) = ((mv_x & 7) as usize, (mv_y & 7) as usize);
        let (x, y) = (self.column + (mv_x >> 3), self.row + (mv_y >> 3));
        let mut edge = [0; EDGE_STRIDE * (16 + TAPS)];
        let source = self.source(&mut edge, (x, y), (self.width + 1, self.height + 1), 0, 0);
        inter::chroma(target, source, self.width, self.height, dx, dy);
    }

    /// The block that begins at (x, y), from the picture or, where it reaches out of it, from a copy with the samples at
    /// its border repeated (8.4.2.2.1). `before` samples and rows belong in front of the source's position.
    #[inline]
    fn source<'s>(
        &'s self,
        edge: &'s mut [u8; EDGE_STRIDE * (16 + TAPS)],
        (x, y): (i32, i32),
        (width, height): (usize, usize),
        before_x: usize,
        before_y: usize,
    ) -> Source<'s> {
        let frame_stride = self.samples.strides[usize::from(self.component > 0)];
        let plane = &self.samples.planes[self.component][..];
        let frame_height = plane.len() / frame_stride.max(1);
        let is_field = self.structure.is_field();
        let (stride, picture_height) = if is_field {
            (2 * frame_stride, frame_height / 2)
        } else {
            (frame_stride, frame_height)
        };
        let first = self.structure.first_row() * frame_stride;
        // The planes have no padding: a row is as long as the picture is wide.
        let picture_width = frame_stride;
        let is_inside = x >= 0
            && y >= 0
            && x as usize + width <= picture_width
            && y as usize + height <= picture_height;
        if is_inside {
            let position = first + (y as usize + before_y) * stride + x as usize + before_x;
            return Source { plane, stride, position };
        }
        for (row, out) in edge.chunks_exact_mut(EDGE_STRIDE).enumerate().take(height) {
            let source_row = (y + row as i32).clamp(0, picture_height as i32 - 1) as usize;
            let start = first + source_row * stride;
            let line = &plane[start..start + picture_width];
            for (column, sample) in out.iter_mut().enumerate().take(width) {
                let column = (x + column as i32).clamp(0, picture_width as i32 - 1);
                *sample = line[column as usize];
            }
        }
        Source {
            plane: &edge[..],
            stride: EDGE_STRIDE,
            position: before_y * EDGE_STRIDE + before_x,
        }
    }
}
