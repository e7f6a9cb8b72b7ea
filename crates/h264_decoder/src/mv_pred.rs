//! Prediction of motion vectors (ITU-T H.264 8.4.1.1 to 8.4.1.3).

use crate::frame::Mv;
use crate::mb::{Flags, UNAVAILABLE, block_at, place};
use crate::slice::MbDecoder;
use crate::vectors::Vectors;

/// Reference index and motion vector of a neighbouring partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Neighbour {
    pub(crate) ref_idx: i8,
    pub(crate) mv: Mv,
}

impl Neighbour {
    const NONE: Self = Self { ref_idx: UNAVAILABLE, mv: [0; 2] };

    fn is_available(self) -> bool {
        self.ref_idx != UNAVAILABLE
    }
}

impl<S: Vectors> MbDecoder<'_, S> {
    #[inline(always)]
    fn cached(&self, list: usize, place: usize) -> Neighbour {
        let cache = &self.around.cache;
        Neighbour { ref_idx: cache.ref_idx[list][place], mv: cache.mv[list][place] }
    }

    /// The partitions left, above, and above right, or above left, of one that begins at a block
    /// (8.4.1.3.2).
    #[inline]
    pub(crate) fn neighbours_of(
        &self,
        list: usize,
        (x, y): (usize, usize),
        width: usize,
    ) -> [Neighbour; 3] {
        let at = place(x, y);
        let left = self.cached(list, at - 1);
        let above = self.cached(list, at - 8);
        let right = x + width;
        // Blocks of the macroblock itself are there if they are decoded earlier.
        let is_decoded = y == 0 || (right < 4 && block_at(right, y - 1) < block_at(x, y));
        let mut diagonal =
            if is_decoded { self.cached(list, at - 8 + width) } else { Neighbour::NONE };
        if !diagonal.is_available() {
            diagonal = if self.context.is_mbaff && x == 0 && y > 0 {
                self.above_left_in_mbaff(list, y)
            } else {
                self.cached(list, at - 9)
            };
        }
        [left, above, diagonal]
    }

    /// The same of the macroblock as a whole, from where they are kept: nothing has to be put
    /// around it.
    #[inline]
    pub(crate) fn neighbours_of_whole(&mut self, list: usize) -> [Neighbour; 3] {
        if self.context.is_mbaff {
            self.fill_motion_in_mbaff(list);
            return self.neighbours_of(list, (0, 0), 4);
        }
        let motion = &self.context.frame.motion;
        let (ref_idx, mv) = (&motion.ref_idx[list], &motion.mv[list]);
        let of = |mb: Option<usize>, quarter: usize, block: usize| match mb {
            Some(mb) => {
                let mb = self.motion_place(mb);
                Neighbour { ref_idx: ref_idx[mb][quarter], mv: mv[mb][block] }
            }
            None => Neighbour::NONE,
        };
        let found = &self.neighbours;
        let left = of(found.left.map(|[left, _]| left), 1, 3);
        let above = of(found.above, 2, 12);
        let diagonal = match found.above_right {
            None => of(found.above_left, 3, 15),
            right => of(right, 2, 12),
        };
        [left, above, diagonal]
    }

    /// Left of a macroblock of an MBAFF frame, rows do not follow each other as the blocks next to
    /// it do.
    fn above_left_in_mbaff(&self, list: usize, y: usize) -> Neighbour {
        let Some((index, row)) = self.finder().above_left_inside(self.position, 4 * y) else {
            return Neighbour::NONE;
        };
        let motion = &self.context.frame.motion;
        let at = self.motion_place(index);
        let ref_idx = motion.ref_idx[list][at][row / 2 * 2 + 1];
        if ref_idx < 0 {
            return Neighbour { ref_idx, mv: [0; 2] };
        }
        let mv = motion.mv[list][at][4 * row + 3];
        let is_field = self.context.picture.mbs[index].flags.any(Flags::FIELD);
        match (self.position.is_field, is_field) {
            (true, false) => Neighbour { ref_idx: ref_idx * 2, mv: [mv[0], mv[1] / 2] },
            (false, true) => {
                Neighbour { ref_idx: ref_idx >> 1, mv: [mv[0], mv[1].wrapping_mul(2)] }
            }
            _ => Neighbour { ref_idx, mv },
        }
    }

    /// The prediction of a partition that has no preferred neighbour.
    pub(crate) fn predict_mv(
        &self,
        list: usize,
        at: (usize, usize),
        width: usize,
        ref_idx: i8,
    ) -> Mv {
        median_prediction(self.neighbours_of(list, at, width), ref_idx)
    }

    /// The prediction for the upper (0) or lower (1) 16x8 partition.
    pub(crate) fn predict_mv_of_row(&self, list: usize, part: usize, ref_idx: i8) -> Mv {
        let neighbours = self.neighbours_of(list, (0, 2 * part), 4);
        let [left, above, _] = neighbours;
        let preferred = if part == 0 { above } else { left };
        if preferred.ref_idx == ref_idx {
            preferred.mv
        } else {
            median_prediction(neighbours, ref_idx)
        }
    }

    /// The prediction for the left (0) or right (1) 8x16 partition.
    pub(crate) fn predict_mv_of_column(&self, list: usize, part: usize, ref_idx: i8) -> Mv {
        let neighbours = self.neighbours_of(list, (2 * part, 0), 2);
        let [left, _, diagonal] = neighbours;
        let preferred = if part == 0 { left } else { diagonal };
        if preferred.ref_idx == ref_idx {
            preferred.mv
        } else {
            median_prediction(neighbours, ref_idx)
        }
    }

    /// The prediction for P_Skip (8.4.1.1).
    pub(crate) fn predict_mv_of_skip(&mut self) -> Mv {
        let neighbours = self.neighbours_of_whole(0);
        let [left, above, _] = neighbours;
        let is_still = |neighbour: Neighbour| {
            !neighbour.is_available() || (neighbour.ref_idx == 0 && neighbour.mv == [0; 2])
        };
        if is_still(left) || is_still(above) { [0; 2] } else { median_prediction(neighbours, 0) }
    }
}

/// Median luma motion vector prediction (8.4.1.3.1).
#[inline]
pub(crate) fn median_prediction([left, above, diagonal]: [Neighbour; 3], ref_idx: i8) -> Mv {
    if !above.is_available() && !diagonal.is_available() && left.is_available() {
        return left.mv;
    }
    let same = [left, above, diagonal].map(|neighbour| neighbour.ref_idx == ref_idx);
    match same {
        [true, false, false] => left.mv,
        [false, true, false] => above.mv,
        [false, false, true] => diagonal.mv,
        _ => {
            let median = |index: usize| {
                let [a, b, c] = [left.mv[index], above.mv[index], diagonal.mv[index]];
                a.min(b).max(a.max(b).min(c))
            };
            [median(0), median(1)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ref_idx: i8, x: i16, y: i16) -> Neighbour {
        Neighbour { ref_idx, mv: [x, y] }
    }

    #[test]
    fn s8_4_1_3_1_median_of_each_component() {
        assert_eq!(median_prediction([of(0, 1, 9), of(0, 5, -3), of(0, 3, 4)], 0), [3, 4]);
        // An intra neighbour counts as a zero vector.
        assert_eq!(median_prediction([of(1, 8, 8), of(-1, 0, 0), of(1, 6, -6)], 1), [6, 0]);
    }

    #[test]
    fn s8_4_1_3_1_one_with_the_same_reference_is_taken() {
        assert_eq!(median_prediction([of(2, 1, 1), of(0, 5, 5), of(1, 9, 9)], 1), [9, 9]);
        assert_eq!(median_prediction([of(2, 1, 1), of(2, 5, 5), of(2, 9, 9)], 0), [5, 5], "none");
    }

    #[test]
    fn s8_4_1_3_1_where_there_is_only_a_left_neighbour() {
        let alone = [of(3, 7, -7), Neighbour::NONE, Neighbour::NONE];
        assert_eq!(median_prediction(alone, 0), [7, -7], "whatever it refers to");
        let none = [Neighbour::NONE; 3];
        assert_eq!(median_prediction(none, 0), [0, 0]);
    }
}
