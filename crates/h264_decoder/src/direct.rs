//! Direct prediction (ITU-T H.264 8.4.1.2).

use h264::SliceType;

use crate::frame::{Frame, Motion, Mv, Structure};
use crate::inter_pred::{dist_scale_factor, reference_of_variant};
use crate::mb::{WholeMotion, fill_rect, place};
use crate::mv_pred::median_prediction;
use crate::picture::SliceContext;
use crate::ref_list::RefPic;
use crate::slice::MbDecoder;
use crate::vectors::Vectors;

/// What direct prediction of a slice looks up. Variant 0 is of frame macroblocks and fields, 1 and
/// 2 of top and bottom field macroblocks in MBAFF frames.
pub(crate) struct DirectTables {
    /// `RefPicList1[0]`.
    colocated: RefPic,
    /// Which field of a frame is nearer in time (8.4.1.2.1).
    nearer_field: usize,
    /// The lowest index of list 0 that refers to a picture, by variant and [`RefPic::id`].
    index_of: [[i8; 128]; 3],
    /// `DistScaleFactor` by variant and index of list 0.
    scale: [[Option<i32>; 32]; 3],
}

impl DirectTables {
    pub(crate) fn new(context: &SliceContext<'_>) -> Self {
        let mut tables = Self {
            colocated: context.lists.entries[1][0],
            nearer_field: 0,
            index_of: [[0; 128]; 3],
            scale: [[None; 32]; 3],
        };
        if context.header.slice_type != SliceType::B {
            return tables;
        }
        if !context.structure.is_field() {
            let current = context.frame.marking.pic_order_cnt_of(3);
            let orders = context.frames[usize::from(tables.colocated.slot)].marking.pic_order_cnt;
            let [top, bottom] = orders.map(|order| (i64::from(order) - i64::from(current)).abs());
            tables.nearer_field = usize::from(top >= bottom);
        }
        if context.header.direct_spatial_mv_pred_flag {
            return tables;
        }
        let variants = if context.is_mbaff { 3 } else { 1 };
        for variant in 0..variants {
            let count = usize::from(context.header.num_ref_idx_active[0]);
            let count = if variant == 0 { count } else { 2 * count }.min(32);
            let pic_1 = reference_of_variant(context, 1, 0, variant);
            for index in (0..count).rev() {
                let pic_0 = reference_of_variant(context, 0, index, variant);
                tables.index_of[variant][usize::from(pic_0.id() & 127)] = index as i8;
                tables.scale[variant][index] = dist_scale_factor(context, pic_0, pic_1, variant);
            }
        }
        tables
    }
}

/// How rows of the colocated macroblock lie to those of the macroblock: `vertMvScale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum VerticalScale {
    OneToOne,
    FrameToField,
    FieldToFrame,
}

/// What there is at the place of a block in the colocated picture.
#[derive(Clone, Copy, Debug)]
struct Colocated {
    /// -1 of intra macroblocks.
    ref_idx: i8,
    ref_id: u8,
    mv: Mv,
    scale: VerticalScale,
}

/// Where the colocated block of a block is.
struct ColocatedPlace<'a> {
    motion: &'a Motion,
    /// Its macroblock.
    index: usize,
    x: usize,
    y: usize,
    scale: VerticalScale,
}

/// The 4x4 blocks of 8x8 blocks of which bits are set, a bit each in raster order.
const BLOCKS_OF: [u16; 16] = {
    let mut table = [0; 16];
    let mut bits = 0;
    while bits < 16 {
        let [a, b, c, d] = [bits & 1, bits >> 1 & 1, bits >> 2 & 1, bits >> 3];
        table[bits as usize] = (0x33 * a) | (0xcc * b) | (0x3300 * c) | (0xcc00 * d);
        bits += 1;
    }
    table
};

/// What spatial prediction gives.
struct Spatial {
    motion: WholeMotion,
    /// Blocks that stand still in the colocated picture have other vectors.
    has_still: bool,
}

impl<S: Vectors> MbDecoder<'_, S> {
    /// Predicts a whole macroblock. Gives its motion where it has one; else it is in the cache.
    pub(crate) fn predict_direct_macroblock(&mut self) -> Option<WholeMotion> {
        if !self.context.header.direct_spatial_mv_pred_flag {
            self.predict_temporal(15);
            return None;
        }
        let Spatial { motion, has_still } = self.predict_spatial();
        let still = if has_still { self.still_blocks(15) } else { 0 };
        if still == 0 {
            return Some(motion);
        }
        self.put_spatial(15, motion, still);
        None
    }

    /// Predicts the 8x8 blocks of which bits are set.
    pub(crate) fn predict_direct(&mut self, blocks: u8) {
        if self.context.header.direct_spatial_mv_pred_flag {
            let Spatial { motion, has_still } = self.predict_spatial();
            let still = if has_still { self.still_blocks(blocks) } else { 0 };
            self.put_spatial(blocks, motion, still);
        } else {
            self.predict_temporal(blocks);
        }
    }

    /// Spatial direct prediction (8.4.1.2.2).
    fn predict_spatial(&mut self) -> Spatial {
        let neighbours = [0, 1].map(|list| self.neighbours_of_whole(list));
        // MinPositive of the three: the smallest that refers to anything. As they are of eight
        // bits, those that refer to nothing are the greatest without a sign.
        let ref_idx = neighbours.map(|[left, above, diagonal]| {
            let smallest = (left.ref_idx as u8).min(above.ref_idx as u8);
            (smallest.min(diagonal.ref_idx as u8) as i8).max(-1)
        });
        if ref_idx == [-1; 2] {
            let motion = WholeMotion { ref_idx: [0; 2], mv: [[0; 2]; 2] };
            return Spatial { motion, has_still: false };
        }
        let predict = |list: usize| match ref_idx[list] {
            -1 => [0; 2],
            index => median_prediction(neighbours[list], index),
        };
        let motion = WholeMotion { ref_idx, mv: [predict(0), predict(1)] };
        // With neither a zero reference nor a vector that could become zero, nothing is to be
        // looked up.
        let has_still = !self.direct.colocated.is_long_term
            && (0..2).any(|list| ref_idx[list] == 0 && motion.mv[list] != [0; 2]);
        Spatial { motion, has_still }
    }

    /// Which of the 4x4 blocks in these 8x8 blocks stand still in the colocated picture
    /// (`colZeroFlag`): a bit each, in raster order.
    fn still_blocks(&self, blocks: u8) -> u16 {
        if !self.context.sps.interlaced {
            let still = self.colocated_frame().motion.still[self.index];
            return still & BLOCKS_OF[usize::from(blocks & 15)];
        }
        let stands = |block: usize, at: (usize, usize)| {
            let ColocatedPlace { motion, index, x, y, .. } = self.place_of_colocated(block, at);
            motion.still[index] >> (4 * y + x) & 1
        };
        let mut bits = 0;
        for block in (0..4).filter(|block| blocks >> block & 1 == 1) {
            let (x, y) = (2 * (block & 1), block & 2);
            if self.context.sps.direct_8x8_inference {
                bits |= (0x33 * stands(block, (x, y))) << (4 * y + x);
                continue;
            }
            for (x, y) in [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)] {
                bits |= stands(block, (x, y)) << (4 * y + x);
            }
        }
        bits
    }

    /// Puts the motion of spatial prediction into 8x8 blocks; 4x4 blocks that stand still have no
    /// vector to the first reference.
    fn put_spatial(&mut self, blocks: u8, motion: WholeMotion, still: u16) {
        let cache = &mut self.around.cache;
        for list in 0..2 {
            let (ref_idx, mv) = (motion.ref_idx[list], motion.mv[list]);
            for block in (0..4).filter(|block| blocks >> block & 1 == 1) {
                let (x, y) = (2 * (block & 1), block & 2);
                fill_rect(&mut cache.ref_idx[list], (x, y), (2, 2), ref_idx);
                let stands = |x: usize, y: usize| ref_idx == 0 && still >> (4 * y + x) & 1 == 1;
                for (x, y) in [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)] {
                    cache.mv[list][place(x, y)] = if stands(x, y) { [0; 2] } else { mv };
                }
            }
        }
    }

    /// Temporal direct prediction (8.4.1.2.3).
    fn predict_temporal(&mut self, blocks: u8) {
        let is_coarse = self.context.sps.direct_8x8_inference;
        let structure = self.position.structure();
        let variant = match structure {
            Structure::Top if self.context.is_mbaff => 1,
            Structure::Bottom if self.context.is_mbaff => 2,
            _ => 0,
        };
        for block in (0..4).filter(|block| blocks >> block & 1 == 1) {
            let first = (2 * (block & 1), block & 2);
            let parts = if is_coarse { 1 } else { 4 };
            let size = if is_coarse { (2, 2) } else { (1, 1) };
            for part in 0..parts {
                let at = (first.0 + (part & 1), first.1 + (part >> 1));
                let colocated = self.colocated(block, at);
                let mut ref_idx = 0;
                let mut mv = [0; 2];
                if colocated.ref_idx >= 0 {
                    let (slot, fields) = RefPic::of_id(colocated.ref_id);
                    let fields = match colocated.scale {
                        VerticalScale::OneToOne => fields,
                        VerticalScale::FrameToField => structure.parities(),
                        VerticalScale::FieldToFrame => 3,
                    };
                    let id = usize::from(slot * 4 + fields);
                    ref_idx = self.direct.index_of[variant][id & 127];
                    mv = colocated.mv;
                    mv[1] = match colocated.scale {
                        VerticalScale::OneToOne => mv[1],
                        VerticalScale::FrameToField => mv[1] / 2,
                        VerticalScale::FieldToFrame => mv[1].wrapping_mul(2),
                    };
                }
                let (mv_0, mv_1) = match self.direct.scale[variant][ref_idx as usize & 31] {
                    None => (mv, [0; 2]),
                    Some(scale) => {
                        let scaled =
                            mv.map(|component| ((scale * i32::from(component) + 128) >> 8) as i16);
                        let rest = [0, 1].map(|index| scaled[index].wrapping_sub(mv[index]));
                        (scaled, rest)
                    }
                };
                let cache = &mut self.around.cache;
                fill_rect(&mut cache.ref_idx[0], at, size, ref_idx);
                fill_rect(&mut cache.ref_idx[1], at, size, 0);
                fill_rect(&mut cache.mv[0], at, size, mv_0);
                fill_rect(&mut cache.mv[1], at, size, mv_1);
            }
        }
    }

    fn colocated_frame(&self) -> &Frame {
        let reference = self.direct.colocated;
        if reference.slot == self.context.slot {
            &*self.context.frame
        } else {
            &self.context.frames[usize::from(reference.slot)]
        }
    }

    /// The colocated 4x4 block of the one at a column and a row, which is in an 8x8 block.
    fn colocated(&self, block: usize, at: (usize, usize)) -> Colocated {
        let ColocatedPlace { motion, index, x, y, scale } = self.place_of_colocated(block, at);
        let block = y / 2 * 2 + x / 2;
        let list = usize::from(motion.ref_idx[0][index][block] < 0);
        Colocated {
            ref_idx: motion.ref_idx[list][index][block],
            ref_id: motion.ref_id[list][index][block],
            mv: motion.mv[list][index][4 * y + x],
            scale,
        }
    }

    /// Where it is (8.4.1.2.1).
    fn place_of_colocated(&self, block: usize, at: (usize, usize)) -> ColocatedPlace<'_> {
        let reference = self.direct.colocated;
        let frame = self.colocated_frame();
        // With direct_8x8_inference_flag each 8x8 block has the motion of its corner of the
        // macroblock.
        let (x, y) = if self.context.sps.direct_8x8_inference {
            (3 * (block & 1), 3 * (block >> 1))
        } else {
            at
        };
        let width = self.context.geometry.width;
        let row = self.position.row;
        let pair_row = row & !1;
        // Of a frame's first field the other one's rows are not there yet; both of a pair agree.
        let its_row = pair_row + reference.structure.first_row();
        let is_field = frame.motion.is_field[its_row * width + self.position.x];
        let (row, y, scale) = match (self.position.is_field, is_field) {
            (false, false) => (row, y, VerticalScale::OneToOne),
            (true, true) => {
                let is_of_fields = !frame.marking.is_mbaff;
                let parity = if self.context.structure.is_field() && is_of_fields {
                    reference.structure.first_row()
                } else {
                    row & 1
                };
                (pair_row + parity, y, VerticalScale::OneToOne)
            }
            (true, false) => (pair_row + y / 2, (2 * y) & 2, VerticalScale::FrameToField),
            (false, true) => {
                let row_in_field = pair_row + self.direct.nearer_field;
                (row_in_field, 2 * (row & 1) + y / 2, VerticalScale::FieldToFrame)
            }
        };
        let index = row * width + self.position.x;
        ColocatedPlace { motion: &frame.motion, index, x, y, scale }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::is_still;
    use crate::test_streams::BSlice;
    use crate::vectors::baseline;

    /// The colocated picture has one motion in list 0 for all of its blocks.
    fn colocated_motion(slice: &mut BSlice, slot: usize, ref_idx: i8, ref_id: u8, mv: Mv) {
        let motion = &mut slice.frames[slot].motion;
        motion.ref_idx[0].fill([ref_idx; 4]);
        motion.ref_id[0].fill([ref_id; 4]);
        motion.mv[0].fill([mv; 16]);
        motion.still.fill(if is_still(ref_idx, mv) { u16::MAX } else { 0 });
    }

    #[test]
    fn s8_4_1_2_3_temporal_vectors_are_scaled_by_time() {
        // Order 8 between 0 and 20: tb 8, td 20, tx (16384 + 10) / 20 = 819, scale (8 * 819 + 32)
        // >> 6 = 102.
        let mut slice = BSlice::new(8, &[4, 0], &[20]);
        slice.header.direct_spatial_mv_pred_flag = false;
        let second = slice.lists.entries[0][1];
        colocated_motion(&mut slice, 2, 0, second.id(), [40, -10]);
        let mut mb = MbDecoder::new(baseline(), slice.context());
        mb.locate(0, false).unwrap();
        mb.predict_direct(15);
        let cache = &mb.around.cache;
        for block in [place(0, 0), place(3, 0), place(2, 3)] {
            assert_eq!([cache.ref_idx[0][block], cache.ref_idx[1][block]], [1, 0]);
            // (102 * 40 + 128) >> 8 = 16, (102 * -10 + 128) >> 8 = -4; less the vector.
            assert_eq!([cache.mv[0][block], cache.mv[1][block]], [[16, -4], [-24, 6]]);
        }
    }

    #[test]
    fn s8_4_1_2_3_an_intra_block_gives_zero_vectors() {
        let mut slice = BSlice::new(8, &[4, 0], &[20]);
        slice.header.direct_spatial_mv_pred_flag = false;
        let mut mb = MbDecoder::new(baseline(), slice.context());
        mb.locate(3, false).unwrap();
        mb.predict_direct(15);
        let cache = &mb.around.cache;
        assert_eq!([cache.ref_idx[0][place(1, 1)], cache.ref_idx[1][place(1, 1)]], [0, 0]);
        assert_eq!([cache.mv[0][place(1, 1)], cache.mv[1][place(1, 1)]], [[0; 2]; 2]);
    }

    /// The macroblock on the left was predicted from list 0 with this vector.
    fn with_left_neighbour(slice: &mut BSlice, mv: Mv) -> MbDecoder<'_, impl Vectors> {
        slice.current.motion.ref_idx[0][0] = [0; 4];
        slice.current.motion.mv[0][0] = [mv; 16];
        slice.picture.slice_of[0] = 0;
        let mut mb = MbDecoder::new(baseline(), slice.context());
        mb.locate(1, false).unwrap();
        mb.fill_motion(false);
        mb.predict_direct(15);
        mb
    }

    #[test]
    fn s8_4_1_2_2_spatial_vectors_are_the_neighbours() {
        let mut slice = BSlice::new(8, &[4, 0], &[20]);
        slice.header.direct_spatial_mv_pred_flag = true;
        colocated_motion(&mut slice, 2, 0, 7, [2, 0]);
        let mb = with_left_neighbour(&mut slice, [5, -3]);
        let cache = &mb.around.cache;
        assert_eq!([cache.ref_idx[0][place(2, 2)], cache.ref_idx[1][place(2, 2)]], [0, -1]);
        assert_eq!(cache.mv[0][place(2, 2)], [5, -3]);
    }

    #[test]
    fn s8_4_1_2_2_what_stands_still_in_the_colocated_picture_stands_still() {
        let mut slice = BSlice::new(8, &[4, 0], &[20]);
        slice.header.direct_spatial_mv_pred_flag = true;
        colocated_motion(&mut slice, 2, 0, 7, [1, -1]);
        let mb = with_left_neighbour(&mut slice, [5, -3]);
        assert_eq!(mb.around.cache.mv[0][place(2, 2)], [0; 2], "colZeroFlag");
        // Not where the colocated block refers to another than the first picture.
        let mut slice = BSlice::new(8, &[4, 0], &[20]);
        slice.header.direct_spatial_mv_pred_flag = true;
        colocated_motion(&mut slice, 2, 1, 7, [1, -1]);
        let mb = with_left_neighbour(&mut slice, [5, -3]);
        assert_eq!(mb.around.cache.mv[0][place(2, 2)], [5, -3]);
        // Nor where RefPicList1[0] is a long-term picture.
        let mut slice = BSlice::new(8, &[4, 0], &[20]);
        slice.header.direct_spatial_mv_pred_flag = true;
        slice.lists.entries[1][0].is_long_term = true;
        colocated_motion(&mut slice, 2, 0, 7, [1, -1]);
        let mb = with_left_neighbour(&mut slice, [5, -3]);
        assert_eq!(mb.around.cache.mv[0][place(2, 2)], [5, -3]);
    }

    #[test]
    fn s8_4_1_2_2_without_neighbours_both_lists_are_used() {
        let mut slice = BSlice::new(8, &[4, 0], &[20]);
        slice.header.direct_spatial_mv_pred_flag = true;
        let mut mb = MbDecoder::new(baseline(), slice.context());
        mb.locate(0, false).unwrap();
        mb.fill_motion(false);
        mb.predict_direct(15);
        let cache = &mb.around.cache;
        assert_eq!([cache.ref_idx[0][place(0, 3)], cache.ref_idx[1][place(0, 3)]], [0, 0]);
        assert_eq!([cache.mv[0][place(0, 3)], cache.mv[1][place(0, 3)]], [[0; 2]; 2]);
    }

    #[test]
    fn table_8_6_rows_of_frames_in_fields() {
        // Corner rows 0 and 3 of a field macroblock are rows 0 and 2 of both frame macroblocks.
        assert_eq!([0usize, 3].map(|y| (y / 2, (2 * y) & 2)), [(0, 0), (1, 2)]);
    }
}
