//! The deblocking filter (ITU-T H.264 8.7).

use crate::frame::{Frame, Geometry, Mv, Samples, Structure};
use crate::kernels::deblock::{self as kernel, Strengths, Thresholds};
use crate::mb::{Flags, Mb, NO_SLICE, Position};
use crate::picture::{PictureState, SliceContext, SliceParameters};
use crate::residual::chroma_qp;
use crate::vectors::Vectors;

/// Deblocks the row before the one that was decoded last, if all macroblocks up to it are there. A
/// row behind, intra prediction still finds the samples as they were decoded.
pub(crate) fn deblock_behind<S: Vectors>(simd: S, context: &mut SliceContext<'_>) {
    let rows = Rows::of(context.geometry, context.structure, context.is_mbaff);
    let decoded_rows = context.picture.decoded / rows.macroblocks_of_a_row;
    while context.picture.deblocked_rows + 1 < decoded_rows {
        rows.deblock(simd, context.frame, context.picture, context.picture.deblocked_rows);
        context.picture.deblocked_rows += 1;
    }
}

/// Deblocks what is left of a picture whose macroblocks are all there, or concealed.
pub(crate) fn deblock_rest<S: Vectors>(
    simd: S,
    geometry: Geometry,
    structure: Structure,
    is_mbaff: bool,
    frame: &mut Frame,
    picture: &mut PictureState,
) {
    let rows = Rows::of(geometry, structure, is_mbaff);
    for row in picture.deblocked_rows..rows.count {
        rows.deblock(simd, frame, picture, row);
    }
    picture.deblocked_rows = rows.count;
}

/// The rows that a picture is deblocked by: of macroblocks, or of pairs.
struct Rows {
    geometry: Geometry,
    structure: Structure,
    is_mbaff: bool,
    count: usize,
    macroblocks_of_a_row: usize,
}

impl Rows {
    fn of(geometry: Geometry, structure: Structure, is_mbaff: bool) -> Self {
        let is_halved = structure.is_field() || is_mbaff;
        Self {
            geometry,
            structure,
            is_mbaff,
            count: if is_halved { geometry.height / 2 } else { geometry.height },
            macroblocks_of_a_row: if is_mbaff { 2 * geometry.width } else { geometry.width },
        }
    }

    fn deblock<S: Vectors>(&self, simd: S, frame: &mut Frame, picture: &PictureState, row: usize) {
        // Nothing to do where no slice is filtered.
        if picture.slices.iter().all(|slice| slice.disable_deblocking_filter_idc == 1) {
            return;
        }
        let is_p = picture.slices.iter().all(|slice| !slice.is_b);
        for x in 0..self.geometry.width {
            if self.is_mbaff {
                for row in [2 * row, 2 * row + 1] {
                    self.macroblock(simd, frame, picture, (x, row), is_p);
                }
            } else if self.structure.is_field() {
                let row = 2 * row + self.structure.first_row();
                self.macroblock(simd, frame, picture, (x, row), is_p);
            } else {
                self.macroblock(simd, frame, picture, (x, row), is_p);
            }
        }
    }

    fn macroblock<S: Vectors>(
        &self,
        simd: S,
        frame: &mut Frame,
        picture: &PictureState,
        (x, row): (usize, usize),
        is_p: bool,
    ) {
        let width = self.geometry.width;
        let index = row * width + x;
        let mb = &picture.mbs[index];
        let number = picture.slice_of[index];
        let Some(slice) = picture.slices.get(usize::from(number)) else { return };
        if slice.disable_deblocking_filter_idc == 1 {
            return;
        }
        let is_field = mb.flags.any(Flags::FIELD);
        let position = Position { x, row, is_field };
        let motion = MotionOf { mv: &frame.motion.mv, ref_id: &frame.motion.ref_id, is_p };
        let strides = frame.samples.strides;
        let mut filter = MbFilter {
            simd,
            samples: &mut frame.samples,
            luma: position.samples(strides[0], false),
            chroma: position.samples(strides[1], true),
            mbs: &picture.mbs,
            mb,
            motion,
            own_motion: motion.of(index),
            slice,
            position,
            index,
            has_chroma: self.geometry.has_chroma,
        };
        let is_filtered = |neighbour: usize| {
            let other = picture.slice_of[neighbour];
            other != NO_SLICE && (other == number || slice.disable_deblocking_filter_idc == 0)
        };
        let left = (x > 0 && is_filtered(index - 1)).then(|| index - 1);
        if self.is_mbaff {
            filter.edges_in_mbaff(left, width, is_filtered);
        } else {
            let up = if self.structure.is_field() { 2 * width } else { width };
            let above = index.checked_sub(up).filter(|&above| is_filtered(above));
            filter.vertical_edges(left);
            filter.horizontal_edges(above);
        }
    }
}

/// Motion of the macroblocks of the frame.
#[derive(Clone, Copy)]
struct MotionOf<'a> {
    mv: &'a [Vec<[Mv; 16]>; 2],
    ref_id: &'a [Vec<[u8; 4]>; 2],
    /// No macroblock of the picture has a list 1.
    is_p: bool,
}

impl<'a> MotionOf<'a> {
    #[inline(always)]
    fn of(&self, mb: usize) -> MbMotion<'a> {
        let [mv_0, mv_1] = self.mv;
        let [id_0, id_1] = self.ref_id;
        // In P pictures list 1 is never looked at.
        let second = if self.is_p { 0 } else { 1 };
        MbMotion {
            mv: [&mv_0[mb], if second == 0 { &mv_0[mb] } else { &mv_1[mb] }],
            ref_id: [id_0[mb], if second == 0 { [0; 4] } else { id_1[mb] }],
        }
    }
}

/// Motion of a macroblock by list.
#[derive(Clone, Copy)]
struct MbMotion<'a> {
    mv: [&'a [Mv; 16]; 2],
    ref_id: [[u8; 4]; 2],
}

impl MbMotion<'_> {
    #[inline(always)]
    fn id(&self, list: usize, block: usize) -> u8 {
        self.ref_id[list][block >> 3 << 1 & 2 | block >> 1 & 1]
    }

    #[inline(always)]
    fn mv(&self, list: usize, block: usize) -> Mv {
        self.mv[list][block & 15]
    }
}

/// How far apart vectors are that differ.
#[derive(Clone, Copy)]
struct MvLimits {
    is_p: bool,
    y: u16,
}

impl MvLimits {
    /// Vectors of a valid stream differ by less than 16 bits.
    #[inline(always)]
    fn apart(self, a: Mv, b: Mv) -> bool {
        a[0].wrapping_sub(b[0]).unsigned_abs() >= 4
            || a[1].wrapping_sub(b[1]).unsigned_abs() >= self.y
    }

    /// Whether two 4x4 blocks, by their places in raster order, are predicted from other pictures,
    /// or from places that lie apart (8.7.2.1, bS 1).
    #[inline(always)]
    fn differs(self, (p, at_p): (&MbMotion<'_>, usize), (q, at_q): (&MbMotion<'_>, usize)) -> bool {
        let (p0, q0) = (p.id(0, at_p), q.id(0, at_q));
        let is_apart =
            |list_p: usize, list_q: usize| self.apart(p.mv(list_p, at_p), q.mv(list_q, at_q));
        if self.is_p {
            return p0 != q0 || is_apart(0, 0);
        }
        let (p1, q1) = (p.id(1, at_p), q.id(1, at_q));
        // A list that is not used has no vector.
        let is_straight_apart = || (p0 != 0 && is_apart(0, 0)) || (p1 != 0 && is_apart(1, 1));
        let is_crossed_apart = || (p0 != 0 && is_apart(0, 1)) || (p1 != 0 && is_apart(1, 0));
        match (p0 == q0 && p1 == q1, p0 == q1 && p1 == q0) {
            (false, false) => true,
            (true, false) => is_straight_apart(),
            (false, true) => is_crossed_apart(),
            // Both predictions from one picture: whichever way they fit.
            (true, true) => is_straight_apart() && is_crossed_apart(),
        }
    }
}

struct MbFilter<'a, S> {
    simd: S,
    samples: &'a mut Samples,
    mbs: &'a [Mb],
    /// The macroblock, its motion, and its place in `mbs`.
    mb: &'a Mb,
    own_motion: MbMotion<'a>,
    index: usize,
    motion: MotionOf<'a>,
    slice: &'a SliceParameters,
    position: Position,
    /// Where its samples begin, and the distance of its rows, of luma and of chroma.
    luma: (usize, usize),
    chroma: (usize, usize),
    has_chroma: bool,
}

/// The thresholds of an edge: of luma, of Cb and Cr.
struct EdgeThresholds<'a> {
    luma: &'a Thresholds,
    chroma: [&'a Thresholds; 2],
}

/// What a slice says about its edges, by quantiser: made once a slice, looked up at each edge.
#[derive(Debug)]
pub(crate) struct EdgeLimits {
    /// By the average quantiser of both macroblocks.
    by_qp: [Thresholds; 52],
    /// Quantisers of Cb and Cr by those of luma.
    chroma_qp: [[u8; 52]; 2],
    /// They are the same for both.
    is_chroma_alike: bool,
}

impl EdgeLimits {
    /// By `FilterOffsetA` and `FilterOffsetB`, and `chroma_qp_index_offset` of Cb and Cr.
    pub(crate) fn new([offset_a, offset_b]: [i8; 2], chroma_offsets: [i8; 2]) -> Self {
        let limits = |qp: usize| {
            let index = |offset: i8| (qp as i32 + i32::from(offset)).clamp(0, 51) as usize;
            Thresholds {
                alpha: ALPHA[index(offset_a)],
                beta: BETA[index(offset_b)],
                tc0: TC0[index(offset_a)],
            }
        };
        Self {
            by_qp: std::array::from_fn(limits),
            is_chroma_alike: chroma_offsets[0] == chroma_offsets[1],
            chroma_qp: chroma_offsets
                .map(|offset| std::array::from_fn(|qp| chroma_qp(qp as u8, offset))),
        }
    }

    #[inline]
    fn of(&self, qp_p: u8, qp_q: u8) -> &Thresholds {
        &self.by_qp[usize::from((qp_p + qp_q + 1) >> 1).min(51)]
    }

    /// For chroma: the QPs of both macroblocks go by the offset of this one (8.7.2.2).
    #[inline]
    fn of_chroma(&self, component: usize, qp_p: u8, qp_q: u8) -> &Thresholds {
        let qp = |luma: u8| self.chroma_qp[component][usize::from(luma).min(51)];
        self.of(qp(qp_p), qp(qp_q))
    }
}

/// Whether an edge is filtered anywhere.
#[inline]
fn is_filtered(thresholds: &Thresholds) -> bool {
    thresholds.alpha > 0 && thresholds.beta > 0
}

/// bS 2 where there are coefficients, a bit for each segment; else 1 where motion differs, a bit
/// likewise.
#[inline]
fn strengths(coded: u16, differing: u16) -> Strengths {
    STRENGTHS[usize::from(coded & 15) << 4 | usize::from(differing & 15)]
}

/// By `coded << 4 | differing`.
const STRENGTHS: [Strengths; 256] = {
    let mut table = [[0; 4]; 256];
    let mut index = 0;
    while index < 1024 {
        let (bits, segment) = (index / 4, index % 4);
        let (coded, differs) = (bits >> 4 >> segment & 1, bits >> segment & 1);
        table[bits][segment] = if coded == 1 { 2 } else { differs as u8 };
        index += 1;
    }
    table
};

/// The bits of the four blocks of the first column.
#[inline]
fn first_column(blocks: u16) -> u16 {
    let column = blocks & 0x1111;
    (column | column >> 3 | column >> 6 | column >> 9) & 15
}

/// `alpha` by `indexA` and `beta` by `indexB` (table 8-16).
const ALPHA: [u8; 52] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 5, 6, 7, 8, 9, 10, 12, 13, 15, 17, 20,
    22, 25, 28, 32, 36, 40, 45, 50, 56, 63, 71, 80, 90, 101, 113, 127, 144, 162, 182, 203, 226,
    255, 255,
];
const BETA: [u8; 52] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 6, 6, 7, 7, 8, 8,
    9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15, 16, 16, 17, 17, 18, 18,
];
/// `tC0` by `indexA` and bS 1 to 3 (table 8-17).
const TC0: [[u8; 3]; 52] = [
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 1],
    [0, 0, 1],
    [0, 0, 1],
    [0, 0, 1],
    [0, 1, 1],
    [0, 1, 1],
    [1, 1, 1],
    [1, 1, 1],
    [1, 1, 1],
    [1, 1, 1],
    [1, 1, 2],
    [1, 1, 2],
    [1, 1, 2],
    [1, 1, 2],
    [1, 2, 3],
    [1, 2, 3],
    [2, 2, 3],
    [2, 2, 4],
    [2, 3, 4],
    [2, 3, 4],
    [3, 3, 5],
    [3, 4, 6],
    [3, 4, 6],
    [4, 5, 7],
    [4, 5, 8],
    [4, 6, 9],
    [5, 7, 10],
    [6, 8, 11],
    [6, 8, 13],
    [7, 10, 14],
    [8, 11, 16],
    [9, 12, 18],
    [10, 13, 20],
    [11, 15, 23],
    [13, 17, 25],
];

/// How the motion along an edge can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EdgeMotion {
    Same,
    Whole,
    Halves,
    Blocks,
}

impl<'a, S: Vectors> MbFilter<'a, S> {
    /// The thresholds of an edge to another macroblock, or inside of this one.
    #[inline]
    fn thresholds(&self, other: &Mb) -> EdgeThresholds<'a> {
        let limits = &self.slice.edge_limits;
        let of_cb = limits.of_chroma(0, other.qp, self.mb.qp);
        let of_cr =
            if limits.is_chroma_alike { of_cb } else { limits.of_chroma(1, other.qp, self.mb.qp) };
        EdgeThresholds { luma: limits.of(other.qp, self.mb.qp), chroma: [of_cb, of_cr] }
    }

    /// Which of the four segments have other motion on one side than on the other, a bit each.
    /// Blocks p are of a macroblock with this motion, blocks q of this one; `step` is from one
    /// block to the next.
    #[inline(always)]
    fn differing(
        &self,
        (motion_p, p): (&MbMotion<'_>, usize),
        q: usize,
        step: usize,
        motion: EdgeMotion,
    ) -> u16 {
        let limits = MvLimits {
            is_p: self.motion.is_p,
            // Motion vectors of field macroblocks differ by half as many quarter samples (8.7.2.1).
            y: if self.position.is_field { 2 } else { 4 },
        };
        let differs = |segment: usize| {
            let (p, q) = (p + step * segment, q + step * segment);
            u16::from(limits.differs((motion_p, p), (&self.own_motion, q)))
        };
        match motion {
            EdgeMotion::Same => 0,
            EdgeMotion::Whole => 15 * differs(0),
            EdgeMotion::Halves => 3 * differs(0) + 12 * differs(2),
            EdgeMotion::Blocks => {
                (0..4).fold(0, |bits, segment| bits | differs(segment) << segment)
            }
        }
    }

    /// bS of the edge to the macroblock on the left, neither of them intra.
    fn left_strengths(&self, left: usize) -> Strengths {
        let other = &self.mbs[left];
        let coded = first_column(self.mb.coefficients | other.coefficients >> 3);
        if coded == 15 {
            return [2; 4];
        }
        let motion = self.motion_of_edge(other);
        strengths(coded, self.differing((&self.motion.of(left), 3), 0, 4, motion))
    }

    /// The same of the macroblock above.
    fn upper_strengths(&self, above: usize) -> Strengths {
        let other = &self.mbs[above];
        let coded = (self.mb.coefficients | other.coefficients >> 12) & 15;
        if coded == 15 {
            return [2; 4];
        }
        let motion = self.motion_of_edge(other);
        strengths(coded, self.differing((&self.motion.of(above), 12), 0, 1, motion))
    }

    /// How much of the motion along the edge to another macroblock has to be compared.
    fn motion_of_edge(&self, other: &Mb) -> EdgeMotion {
        let (own, other) = (self.mb.flags, other.flags);
        if own.any(Flags::ONE_MOTION) && other.any(Flags::ONE_MOTION) {
            EdgeMotion::Whole
        } else if own.any(Flags::MOTION_8X8) && other.any(Flags::MOTION_8X8) {
            EdgeMotion::Halves
        } else {
            EdgeMotion::Blocks
        }
    }

    /// Strengths of an edge inside of the macroblock.
    fn inner_strengths(&self, edge: usize, is_vertical: bool) -> Strengths {
        let mb = self.mb;
        if mb.flags.any(Flags::INTRA) {
            return [3; 4];
        }
        let coded = if is_vertical {
            first_column(mb.coefficients >> edge | mb.coefficients >> (edge - 1))
        } else {
            (mb.coefficients >> (4 * edge) | mb.coefficients >> (4 * (edge - 1))) & 15
        };
        if coded == 15 {
            return [2; 4];
        }
        let motion = if mb.flags.any(Flags::ONE_MOTION) {
            EdgeMotion::Same
        } else if mb.flags.any(Flags::MOTION_8X8) {
            if edge == 2 { EdgeMotion::Halves } else { EdgeMotion::Same }
        } else {
            EdgeMotion::Blocks
        };
        // From one edge to the next, and along it.
        let (across, along) = if is_vertical { (1, 4) } else { (4, 1) };
        let (p, q) = (across * (edge - 1), across * edge);
        strengths(coded, self.differing((&self.own_motion, p), q, along, motion))
    }

    /// Whether no edge inside of the macroblock is filtered: the common case.
    fn is_plain(&self) -> bool {
        self.mb.coefficients == 0 && self.mb.flags.any(Flags::ONE_MOTION)
    }

    /// The edge to the macroblock on the left, and those inside of this one.
    fn vertical_edges(&mut self, left: Option<usize>) {
        self.simd.vectorize(
            #[inline(always)]
            || self.filter_vertical_edges(left),
        );
    }

    #[inline(always)]
    fn filter_vertical_edges(&mut self, left: Option<usize>) {
        if let Some(left) = left {
            let is_intra = self.is_intra_edge(left);
            let strengths = if is_intra { [4; 4] } else { self.left_strengths(left) };
            if strengths != [0; 4] {
                let thresholds = self.thresholds(&self.mbs[left]);
                self.vertical_edge(0, &thresholds, strengths);
            }
        }
        if self.is_plain() {
            return;
        }
        let thresholds = self.thresholds(self.mb);
        let step = if self.mb.flags.any(Flags::TRANSFORM_8X8) { 2 } else { 1 };
        let mut edge = step;
        while edge < 4 {
            let strengths = self.inner_strengths(edge, true);
            if strengths != [0; 4] {
                self.vertical_edge(edge, &thresholds, strengths);
            }
            edge += step;
        }
    }

    /// The edge to the macroblock above, and those inside of this one.
    fn horizontal_edges(&mut self, above: Option<usize>) {
        self.simd.vectorize(
            #[inline(always)]
            || self.filter_horizontal_edges(above),
        );
    }

    #[inline(always)]
    fn filter_horizontal_edges(&mut self, above: Option<usize>) {
        if let Some(above) = above {
            let strengths = if self.is_intra_edge(above) {
                // bS 4 is of frames only (8.7.2.1).
                [if self.position.is_field { 3 } else { 4 }; 4]
            } else {
                self.upper_strengths(above)
            };
            if strengths != [0; 4] {
                let thresholds = self.thresholds(&self.mbs[above]);
                self.horizontal_edge(0, &thresholds, strengths);
            }
        }
        if self.is_plain() {
            return;
        }
        let thresholds = self.thresholds(self.mb);
        let step = if self.mb.flags.any(Flags::TRANSFORM_8X8) { 2 } else { 1 };
        let mut edge = step;
        while edge < 4 {
            let strengths = self.inner_strengths(edge, false);
            if strengths != [0; 4] {
                self.horizontal_edge(edge, &thresholds, strengths);
            }
            edge += step;
        }
    }

    fn is_intra_edge(&self, other: usize) -> bool {
        self.mb.flags.any(Flags::INTRA) || self.mbs[other].flags.any(Flags::INTRA)
    }

    #[inline(always)]
    fn vertical_edge(
        &mut self,
        edge: usize,
        thresholds: &EdgeThresholds<'_>,
        strengths: Strengths,
    ) {
        if is_filtered(thresholds.luma) {
            let (position, stride) = self.luma;
            let position = position + 4 * edge;
            let plane = &mut self.samples.planes[0];
            let thresholds = thresholds.luma;
            kernel::luma_vertical::<S, 16>(
                self.simd, plane, stride, position, thresholds, strengths,
            );
        }
        let [of_cb, of_cr] = thresholds.chroma;
        if self.has_chroma && edge % 2 == 0 && (is_filtered(of_cb) || is_filtered(of_cr)) {
            let (position, stride) = self.chroma;
            let position = position + 2 * edge;
            let planes = self.samples.chroma();
            let both = [of_cb, of_cr];
            kernel::chroma_vertical::<S, 8>(self.simd, planes, stride, position, both, strengths);
        }
    }

    #[inline(always)]
    fn horizontal_edge(
        &mut self,
        edge: usize,
        thresholds: &EdgeThresholds<'_>,
        strengths: Strengths,
    ) {
        let ((luma, luma_stride), (chroma, chroma_stride)) = (self.luma, self.chroma);
        self.horizontal_edge_at(
            edge,
            thresholds,
            strengths,
            (luma + 4 * edge * luma_stride, luma_stride),
            (chroma + 2 * edge * chroma_stride, chroma_stride),
        );
    }

    /// At these positions, with these distances of rows, of luma and of chroma.
    #[inline(always)]
    fn horizontal_edge_at(
        &mut self,
        edge: usize,
        thresholds: &EdgeThresholds<'_>,
        strengths: Strengths,
        (luma, luma_stride): (usize, usize),
        (chroma, chroma_stride): (usize, usize),
    ) {
        if is_filtered(thresholds.luma) {
            let plane = &mut self.samples.planes[0];
            let thresholds = thresholds.luma;
            kernel::luma_horizontal(self.simd, plane, luma_stride, luma, thresholds, strengths);
        }
        let [of_cb, of_cr] = thresholds.chroma;
        if self.has_chroma && edge % 2 == 0 && (is_filtered(of_cb) || is_filtered(of_cr)) {
            let planes = self.samples.chroma();
            let both = [of_cb, of_cr];
            kernel::chroma_horizontal(self.simd, planes, chroma_stride, chroma, both, strengths);
        }
    }

    /// A macroblock of an MBAFF frame. `left` is the macroblock next to it in the pair on the left.
    fn edges_in_mbaff(
        &mut self,
        left: Option<usize>,
        width: usize,
        is_filtered: impl Fn(usize) -> bool,
    ) {
        let is_field = self.position.is_field;
        let Position { x, row, .. } = self.position;
        let is_bottom = row & 1 == 1;
        let top_of_pair = (row & !1) * width + x;
        match left {
            Some(left) if self.mbs[left].flags.any(Flags::FIELD) != is_field => {
                self.simd.vectorize(
                    #[inline(always)]
                    || self.mixed_left_edge((row & !1) * width + x - 1, width),
                );
                self.vertical_edges(None);
            }
            _ => self.vertical_edges(left),
        }
        let pair_above = top_of_pair.checked_sub(2 * width).filter(|&above| is_filtered(above));
        let is_field_above =
            pair_above.is_some_and(|above| self.mbs[above].flags.any(Flags::FIELD));
        match (is_field, is_bottom, pair_above) {
            // The bottom frame macroblock is below the top one of its pair.
            (false, true, _) => self.horizontal_edges(Some(top_of_pair)),
            (_, _, None) => self.horizontal_edges(None),
            (false, false, Some(above)) if is_field_above => {
                // Both fields of the pair above meet the first rows of each parity (8.7.1).
                for parity in 0..2 {
                    self.simd.vectorize(
                        #[inline(always)]
                        || self.edge_below_field_pair(above + parity * width, parity),
                    );
                }
                self.horizontal_edges(None);
            }
            (false, false, Some(above)) => self.horizontal_edges(Some(above + width)),
            (true, _, Some(above)) => {
                // Above a field macroblock is the one of the same parity, or the bottom frame
                // macroblock.
                let other = if is_field_above {
                    above + usize::from(is_bottom) * width
                } else {
                    above + width
                };
                if is_field_above {
                    self.horizontal_edges(Some(other));
                } else {
                    let strengths = self.strengths_of_mixed_horizontal_edge(other);
                    let thresholds = self.thresholds(&self.mbs[other]);
                    self.simd.vectorize(
                        #[inline(always)]
                        || self.horizontal_edge(0, &thresholds, strengths),
                    );
                    self.horizontal_edges(None);
                }
            }
        }
    }

    /// bS of a horizontal edge between a frame and a field macroblock.
    fn strengths_of_mixed_horizontal_edge(&self, other: usize) -> Strengths {
        if self.is_intra_edge(other) {
            return [3; 4];
        }
        let coded =
            |mb: usize, x: usize, y: usize| self.mbs[mb].coefficients >> (4 * y + x) & 1 == 1;
        std::array::from_fn(|column| {
            if coded(other, column, 3) || coded(self.index, column, 0) { 2 } else { 1 }
        })
    }

    /// The upper edge of a frame macroblock below one of the field macroblocks of a pair: rows of
    /// that parity only.
    #[inline(always)]
    fn edge_below_field_pair(&mut self, other: usize, parity: usize) {
        let strengths = self.strengths_of_mixed_horizontal_edge(other);
        let ((luma, luma_stride), (chroma, chroma_stride)) = (self.luma, self.chroma);
        let thresholds = self.thresholds(&self.mbs[other]);
        self.horizontal_edge_at(
            0,
            &thresholds,
            strengths,
            (luma + parity * luma_stride, 2 * luma_stride),
            (chroma + parity * chroma_stride, 2 * chroma_stride),
        );
    }

    /// The left edge between a pair of frame and one of field macroblocks (8.7.1, 8.7.2.1): each
    /// line has its own neighbour.
    #[inline(always)]
    fn mixed_left_edge(&mut self, left_pair: usize, width: usize) {
        let is_field = self.position.is_field;
        let bottom = self.position.row & 1;
        // Rows of this macroblock in its pair, and what is left of them there.
        let neighbour_of = |y: usize| -> (usize, usize) {
            if is_field {
                let in_pair = 2 * y + bottom;
                (left_pair + (in_pair >> 4) * width, in_pair & 15)
            } else {
                let in_pair = 16 * bottom + y;
                (left_pair + (in_pair & 1) * width, in_pair >> 1)
            }
        };
        let (luma, luma_stride) = self.luma;
        for y in 0..16 {
            let (other, other_y) = neighbour_of(y);
            let strength = if self.is_intra_edge(other) {
                4
            } else {
                let coded = |mb: usize, x: usize, y: usize| {
                    self.mbs[mb].coefficients >> (4 * y + x) & 1 == 1
                };
                if coded(other, 3, other_y / 4) || coded(self.index, 0, y / 4) { 2 } else { 1 }
            };
            let thresholds = self.thresholds(&self.mbs[other]).luma;
            if is_filtered(thresholds) {
                let (simd, position) = (self.simd, luma + y * luma_stride);
                let plane = &mut self.samples.planes[0];
                let strengths = [strength; 4];
                kernel::luma_vertical::<S, 1>(
                    simd,
                    plane,
                    luma_stride,
                    position,
                    thresholds,
                    strengths,
                );
            }
            // Chroma has half the rows: of each two luma rows the one with the same neighbour
            // macroblock counts.
            if self.has_chroma && y < 8 {
                self.mixed_left_edge_of_chroma(y, neighbour_of);
            }
        }
    }

    #[inline(always)]
    fn mixed_left_edge_of_chroma(
        &mut self,
        y: usize,
        luma_neighbour_of: impl Fn(usize) -> (usize, usize),
    ) {
        let is_field = self.position.is_field;
        // The luma row whose bS the chroma row has (8.7.2): rows of frame macroblocks alternate
        // between the fields on the left, in luma as in chroma.
        let luma_y = if is_field { 2 * y } else { 4 * (y / 2) + (y & 1) };
        let (other, other_y) = luma_neighbour_of(luma_y);
        let strength = if self.is_intra_edge(other) {
            4
        } else {
            let coded =
                |mb: usize, x: usize, y: usize| self.mbs[mb].coefficients >> (4 * y + x) & 1 == 1;
            if coded(other, 3, other_y / 4) || coded(self.index, 0, luma_y / 4) { 2 } else { 1 }
        };
        let [of_cb, of_cr] = self.thresholds(&self.mbs[other]).chroma;
        if is_filtered(of_cb) || is_filtered(of_cr) {
            let (chroma, stride) = self.chroma;
            let position = chroma + y * stride;
            let planes = self.samples.chroma();
            let (both, strengths) = ([of_cb, of_cr], [strength; 4]);
            kernel::chroma_vertical::<S, 1>(self.simd, planes, stride, position, both, strengths);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::baseline;

    const TWO_LISTS: bool = false;

    /// bS of the left edge of the second of two macroblocks next to each other, and of its inner
    /// edge 2.
    struct Pair {
        mbs: [Mb; 2],
        mv: [Vec<[Mv; 16]>; 2],
        ref_id: [Vec<[u8; 4]>; 2],
        slice: SliceParameters,
    }

    impl Pair {
        /// Both are predicted from one picture, with the same vector.
        fn new() -> Self {
            let mb = Mb { qp: 30, ..Mb::UNDECODED };
            Self {
                mbs: [mb; 2],
                mv: [vec![[[4, 8]; 16]; 2], vec![[[0; 2]; 16]; 2]],
                ref_id: [vec![[7; 4]; 2], vec![[0; 4]; 2]],
                slice: SliceParameters {
                    disable_deblocking_filter_idc: 0,
                    edge_limits: EdgeLimits::new([0, 0], [0, 0]),
                    is_b: false,
                },
            }
        }

        fn strengths(&self, is_p: bool) -> Strengths {
            let mut samples = Samples::default();
            let motion = MotionOf { mv: &self.mv, ref_id: &self.ref_id, is_p };
            let filter = MbFilter {
                simd: baseline(),
                samples: &mut samples,
                mbs: &self.mbs,
                mb: &self.mbs[1],
                own_motion: motion.of(1),
                index: 1,
                motion,
                slice: &self.slice,
                position: Position { x: 1, row: 0, is_field: false },
                luma: (16, 32),
                chroma: (8, 16),
                has_chroma: false,
            };
            filter.left_strengths(0)
        }
    }

    #[test]
    fn s8_7_2_1_coefficients_on_either_side_are_2() {
        let mut pair = Pair::new();
        assert_eq!(pair.strengths(true), [0; 4]);
        // Block at column 3, row 1 on the left; column 0, row 2 here.
        (pair.mbs[0].coefficients, pair.mbs[1].coefficients) = (1 << 7, 1 << 8);
        assert_eq!(pair.strengths(true), [0, 2, 2, 0]);
    }

    #[test]
    fn s8_7_2_1_other_pictures_or_vectors_are_1() {
        for is_p in [true, TWO_LISTS] {
            let mut pair = Pair::new();
            pair.mv[0][1][4] = [7, 8];
            pair.mv[0][1][8] = [8, 8];
            pair.mv[0][0][15] = [4, 12];
            assert_eq!(pair.strengths(is_p), [0, 0, 1, 1], "by four quarter samples or more");
            let mut pair = Pair::new();
            pair.ref_id[0][1] = [7, 7, 11, 7];
            assert_eq!(pair.strengths(is_p), [0, 0, 1, 1]);
        }
    }

    #[test]
    fn s8_7_2_1_pictures_count_whichever_list_they_are_in() {
        let mut pair = Pair::new();
        // One picture by list 0 on the left, by list 1 here.
        (pair.ref_id[0][1], pair.ref_id[1][1]) = ([0; 4], [7; 4]);
        pair.mv[1][1] = [[4, 8]; 16];
        assert_eq!(pair.strengths(TWO_LISTS), [0; 4]);
        pair.mv[1][1] = [[4, 12]; 16];
        assert_eq!(pair.strengths(TWO_LISTS), [1; 4]);
        // One prediction on the left, two here.
        pair.ref_id[0][1] = [7; 4];
        assert_eq!(pair.strengths(TWO_LISTS), [1; 4]);
    }

    #[test]
    fn s8_7_2_1_two_predictions_from_one_picture_fit_either_way() {
        let mut pair = Pair::new();
        for list in 0..2 {
            pair.ref_id[list] = vec![[7; 4]; 2];
        }
        pair.mv = [vec![[[0, 0]; 16], [[20, 0]; 16]], vec![[[20, 0]; 16], [[0, 0]; 16]]];
        assert_eq!(pair.strengths(TWO_LISTS), [0; 4], "crossed");
        pair.mv[1][1] = [[0, 4]; 16];
        assert_eq!(pair.strengths(TWO_LISTS), [1; 4], "neither way");
    }

    #[test]
    fn s8_7_2_1_one_comparison_is_enough_where_motion_is_one() {
        let mut pair = Pair::new();
        let flags = Flags::ONE_MOTION.with(Flags::MOTION_8X8);
        (pair.mbs[0].flags, pair.mbs[1].flags) = (flags, flags);
        pair.mv[0][1] = [[40, 8]; 16];
        assert_eq!(pair.strengths(true), [1; 4]);
        pair.mbs[1].flags = Flags::MOTION_8X8;
        pair.mv[0][1][8..].fill([4, 8]);
        assert_eq!(pair.strengths(true), [1, 1, 0, 0]);
    }

    #[test]
    fn tables_8_16_and_8_17_are_monotonous_and_end_as_the_standard_has_them() {
        assert!(ALPHA.is_sorted() && BETA.is_sorted() && TC0.is_sorted());
        assert_eq!((ALPHA[15], ALPHA[16], ALPHA[51]), (0, 4, 255));
        assert_eq!((BETA[15], BETA[16], BETA[51]), (0, 2, 18));
        assert_eq!((TC0[16], TC0[17], TC0[51]), ([0; 3], [0, 0, 1], [13, 17, 25]));
    }
}
