//! Macroblocks: their types (ITU-T H.264 7.4.5), and what their neighbours need of them (6.4.8 to
//! 6.4.12).

use crate::frame::{Mv, Structure};

/// What is kept of each macroblock of a picture for its neighbours, and for the deblocking filter;
/// of its neighbours' only, what [`Blocks`] and [`EdgeMvd`] have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mb {
    pub(crate) flags: Flags,
    /// `CodedBlockPatternLuma` in bits 0 to 3, `CodedBlockPatternChroma` in 4 and 5, and whether
    /// there are DC coefficients of Intra_16x16, Cb and Cr in bits 8 to 10.
    pub(crate) coded_block_pattern: u16,
    /// A bit for each 4x4 luma block, in raster order, whose transform block has coefficients.
    pub(crate) coefficients: u16,
    /// `QPY`.
    pub(crate) qp: u8,
    /// `QPC` of Cb and Cr.
    pub(crate) chroma_qp: [u8; 2],
    pub(crate) intra_chroma_pred_mode: u8,
    /// Bit n for a direct 8x8 block n.
    pub(crate) direct: u8,
}

/// What is kept of the blocks of each macroblock until the next row is decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks {
    /// `total_coeff` of the luma blocks in raster order, of four Cb and four Cr blocks.
    pub(crate) total_coeff: [u8; 24],
    /// `Intra4x4PredMode` of the blocks of the lowest row, then of the rightmost column; 2 where
    /// there is none.
    pub(crate) intra_pred_modes: [i8; 8],
}

/// The slice of a macroblock that is not decoded.
pub(crate) const NO_SLICE: u16 = u16::MAX;

/// Kinds of macroblocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u16);

impl Flags {
    /// I_NxN: 4x4 or, with [`Self::TRANSFORM_8X8`], 8x8.
    pub(crate) const INTRA_NXN: Self = Self(1);
    pub(crate) const INTRA_16X16: Self = Self(2);
    pub(crate) const PCM: Self = Self(4);
    pub(crate) const INTRA: Self = Self(7);
    /// P_Skip or B_Skip.
    pub(crate) const SKIP: Self = Self(8);
    /// B_Skip or B_Direct_16x16.
    pub(crate) const DIRECT: Self = Self(16);
    /// A field macroblock, of a field or of an MBAFF frame.
    pub(crate) const FIELD: Self = Self(32);
    pub(crate) const TRANSFORM_8X8: Self = Self(64);
    /// All of an inter macroblock has one motion.
    pub(crate) const ONE_MOTION: Self = Self(128);
    /// Each 8x8 block of an inter macroblock has one motion.
    pub(crate) const MOTION_8X8: Self = Self(256);

    /// Whether it has any of these flags.
    #[inline(always)]
    pub(crate) fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[inline(always)]
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline(always)]
    pub(crate) fn with_if(self, is: bool, other: Self) -> Self {
        if is { self.with(other) } else { self }
    }
}

impl Mb {
    pub(crate) const UNDECODED: Self = Self {
        flags: Flags(0),
        coded_block_pattern: 0,
        coefficients: 0,
        qp: 0,
        chroma_qp: [0; 2],
        intra_chroma_pred_mode: 0,
        direct: 0,
    };
}

impl Blocks {
    /// Without coefficients.
    pub(crate) const NONE: Self = Self { total_coeff: [0; 24], intra_pred_modes: [2; 8] };

    /// Whether the 8x8 block that begins at a column and a row of 4x4 blocks has one coefficient.
    /// CAVLC counts it in one of the 4x4 blocks, CABAC in all four.
    #[inline]
    pub(crate) fn has_single_coefficient_8x8(&self, x: usize, y: usize, is_cabac: bool) -> bool {
        let first = 4 * y + x;
        let counts = [first, first + 1, first + 4, first + 5].map(|at| self.total_coeff[at]);
        let sum = counts.iter().map(|&count| u32::from(count)).sum::<u32>();
        sum == if is_cabac { 4 } else { 1 }
    }
}

/// Absolute motion vector differences of the lowest row of blocks, then of the rightmost column, by
/// list; at most 127.
pub(crate) type EdgeMvd = [[[u8; 2]; 8]; 2];

/// The motion of an inter macroblock that has one, by list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WholeMotion {
    /// -1 where the list is not used.
    pub(crate) ref_idx: [i8; 2],
    /// 0 where the list is not used.
    pub(crate) mv: [Mv; 2],
}

impl WholeMotion {
    pub(crate) const NONE: Self = Self { ref_idx: [-1; 2], mv: [[0; 2]; 2] };
}

/// `mb_type` of macroblocks that are not inferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MbType {
    /// I_NxN.
    IntraNxN,
    /// I_16x16_*: prediction mode, chroma part of the pattern, and whether all of luma has AC
    /// coefficients.
    Intra16x16 { mode: u8, chroma: u8, luma: bool },
    /// I_PCM.
    Pcm,
    /// One partition of 16x16, with the lists that it is predicted from.
    InterWhole { lists: Lists },
    /// Two partitions, each with its lists.
    Inter { shape: Shape, lists: [Lists; 2] },
    /// P_8x8, P_8x8ref0 (all reference indices 0) and B_8x8.
    Inter8x8 { ref0: bool },
    /// B_Direct_16x16.
    Direct,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// 16x8: an upper and a lower half.
    Rows,
    /// 8x16: a left and a right half.
    Columns,
}

/// Which lists a partition is predicted from: bit 0 for list 0, bit 1 for list 1.
pub(crate) type Lists = u8;

impl MbType {
    /// By number of tables 7-11; 0 to 25.
    pub(crate) fn of_i_slice(number: u32) -> Self {
        match number {
            0 => Self::IntraNxN,
            25 => Self::Pcm,
            _ => {
                let index = number - 1;
                Self::Intra16x16 {
                    mode: (index & 3) as u8,
                    chroma: (index / 4 % 3) as u8,
                    luma: index >= 12,
                }
            }
        }
    }

    /// By number of table 7-13, 0 to 4; those of I slices follow at 5.
    pub(crate) fn of_p_slice(number: u32) -> Self {
        match number {
            0 => Self::InterWhole { lists: 1 },
            1 => Self::Inter { shape: Shape::Rows, lists: [1, 1] },
            2 => Self::Inter { shape: Shape::Columns, lists: [1, 1] },
            3 => Self::Inter8x8 { ref0: false },
            4 => Self::Inter8x8 { ref0: true },
            _ => Self::of_i_slice(number - 5),
        }
    }

    /// By number of table 7-14, 0 to 22; those of I slices follow at 23.
    pub(crate) fn of_b_slice(number: u32) -> Self {
        /// Lists of the first and second partition of types 4 and 5, 6 and 7, ...
        const PAIRS: [[Lists; 2]; 9] =
            [[1, 1], [2, 2], [1, 2], [2, 1], [1, 3], [2, 3], [3, 1], [3, 2], [3, 3]];
        match number {
            0 => Self::Direct,
            1..=3 => Self::InterWhole { lists: number as u8 },
            4..=21 => Self::Inter {
                shape: if number % 2 == 0 { Shape::Rows } else { Shape::Columns },
                lists: PAIRS[(number as usize - 4) / 2],
            },
            22 => Self::Inter8x8 { ref0: false },
            _ => Self::of_i_slice(number - 23),
        }
    }
}

/// `sub_mb_type`: how an 8x8 block is parted, and the lists that it is predicted from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SubMb {
    /// Width and height of its parts, in 4x4 blocks.
    pub(crate) width: u8,
    pub(crate) height: u8,
    /// 0 where it is direct.
    pub(crate) lists: Lists,
}

impl SubMb {
    pub(crate) fn is_direct(self) -> bool {
        self.lists == 0
    }

    /// By number of table 7-17, 0 to 3.
    pub(crate) fn of_p(number: u32) -> Self {
        let (width, height) = [(2, 2), (2, 1), (1, 2), (1, 1)][number as usize & 3];
        Self { width, height, lists: 1 }
    }

    /// By number of table 7-18, 0 to 12.
    pub(crate) fn of_b(number: u32) -> Self {
        const SHAPES: [(u8, u8, Lists); 13] = [
            (1, 1, 0),
            (2, 2, 1),
            (2, 2, 2),
            (2, 2, 3),
            (2, 1, 1),
            (1, 2, 1),
            (2, 1, 2),
            (1, 2, 2),
            (2, 1, 3),
            (1, 2, 3),
            (1, 1, 1),
            (1, 1, 2),
            (1, 1, 3),
        ];
        let (width, height, lists) = SHAPES[(number as usize).min(12)];
        Self { width, height, lists }
    }
}

/// Place of the 4x4 block at column x and row y, each -1 to 4, in the caches of [`Cache`].
#[inline(always)]
pub(crate) const fn place(x: usize, y: usize) -> usize {
    (y + 1) * 8 + x + 1
}

/// Place of the block above and left of all others.
pub(crate) const CORNER: usize = 0;

/// The caches have 5 rows of 8: above, and four of the macroblock; left, four of the macroblock,
/// and above right.
pub(crate) const CACHE: usize = 40;

/// `ref_idx` where there is no macroblock, or none yet.
pub(crate) const UNAVAILABLE: i8 = -2;

/// `total_coeff` where there is no macroblock.
pub(crate) const NO_COEFF: u8 = 64;

/// The macroblock that is being decoded, with its neighbours around.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    pub(crate) total_coeff: [u8; CACHE],
    /// The same of Cb and Cr: three rows of four, as above.
    pub(crate) chroma_total_coeff: [[u8; 12]; 2],
    /// -1 where there is no macroblock, or none that may be looked at.
    pub(crate) intra_pred_modes: [i8; CACHE],
    pub(crate) ref_idx: [[i8; CACHE]; 2],
    pub(crate) mv: [[Mv; CACHE]; 2],
    pub(crate) mvd: [[[u8; 2]; CACHE]; 2],
    pub(crate) direct: [bool; CACHE],
}

impl Cache {
    pub(crate) const EMPTY: Self = Self {
        total_coeff: [0; CACHE],
        chroma_total_coeff: [[0; 12]; 2],
        intra_pred_modes: [0; CACHE],
        ref_idx: [[UNAVAILABLE; CACHE]; 2],
        mv: [[[0; 2]; CACHE]; 2],
        mvd: [[[0; 2]; CACHE]; 2],
        direct: [false; CACHE],
    };
}

/// Fills a rectangle of blocks of a cache.
#[inline(always)]
pub(crate) fn fill_rect<T: Copy>(
    cache: &mut [T; CACHE],
    (x, y): (usize, usize),
    (width, height): (usize, usize),
    value: T,
) {
    for row in y..y + height {
        // Of a length that is known it is one store.
        let cells = &mut cache[place(x, row)..];
        match width {
            4 => put::<T, 4>(cells, value),
            2 => put::<T, 2>(cells, value),
            _ => put::<T, 1>(cells, value),
        }
    }
}

#[inline(always)]
fn put<T: Copy, const N: usize>(cells: &mut [T], value: T) {
    if let Some(cells) = cells.first_chunk_mut() {
        *cells = [value; N];
    }
}

/// Column and row of a 4x4 luma block (6.4.3).
#[inline(always)]
pub(crate) const fn block_xy(block: usize) -> (usize, usize) {
    ((block & 1) | (block >> 1 & 2), (block >> 1 & 1) | (block >> 2 & 2))
}

/// The 4x4 luma block at a column and a row.
#[inline(always)]
pub(crate) const fn block_at(x: usize, y: usize) -> usize {
    (x & 1) | (y & 1) << 1 | (x & 2) << 1 | (y & 2) << 2
}

/// Where the neighbours of a macroblock are (6.4.9, 6.4.10, 6.4.12), as indices of macroblocks;
/// only those of the same slice.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Neighbours {
    /// The macroblocks left of the upper and of the lower half. In MBAFF frames both may be of a
    /// pair of the other kind.
    pub(crate) left: Option<[usize; 2]>,
    /// Rows of 4x4 blocks in them that are left of each row of blocks.
    pub(crate) left_rows: [u8; 4],
    /// Both macroblocks that samples left of the macroblock are in.
    pub(crate) left_samples: [usize; 2],
    /// Left of a frame macroblock is a pair of field macroblocks: samples of each row come from
    /// both.
    pub(crate) left_is_woven: bool,
    pub(crate) above: Option<usize>,
    pub(crate) above_right: Option<usize>,
    pub(crate) above_left: Option<usize>,
    /// Row of 4x4 blocks in `above_left`.
    pub(crate) above_left_row: u8,
}

/// Where a macroblock is in its picture.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    /// Column.
    pub(crate) x: usize,
    /// Row of side data: of a field macroblock of row r and parity p it is 2r + p.
    pub(crate) row: usize,
    /// Whether it is a field macroblock.
    pub(crate) is_field: bool,
}

impl Position {
    /// Frame, or the field that it is in.
    pub(crate) fn structure(self) -> Structure {
        if self.is_field { Structure::field(self.row & 1) } else { Structure::Frame }
    }

    /// Its first row of luma samples in the frame or field that it is in.
    pub(crate) fn luma_row(self) -> usize {
        if self.is_field { 16 * (self.row >> 1) } else { 16 * self.row }
    }

    /// Where its samples begin in a plane of the frame, and the distance of its rows; of luma, or
    /// of chroma.
    pub(crate) fn samples(self, stride: usize, is_chroma: bool) -> (usize, usize) {
        let size = if is_chroma { 8 } else { 16 };
        if self.is_field {
            let row = (self.row >> 1) * 2 * size + (self.row & 1);
            (row * stride + self.x * size, 2 * stride)
        } else {
            (self.row * size * stride + self.x * size, stride)
        }
    }
}

/// Finds neighbours.
#[derive(Clone, Copy)]
pub(crate) struct NeighbourFinder<'a> {
    pub(crate) mbs: &'a [Mb],
    /// As [`PictureState::slice_of`](crate::picture::PictureState::slice_of).
    pub(crate) slice_of: &'a [u16],
    /// Macroblocks in a row.
    pub(crate) width: usize,
    pub(crate) slice: u16,
    /// Field pictures: rows of the other field are between.
    pub(crate) is_field_picture: bool,
}

impl NeighbourFinder<'_> {
    fn available(&self, index: usize) -> bool {
        self.slice_of.get(index) == Some(&self.slice)
    }

    /// The neighbours in a picture without MBAFF (6.4.9).
    #[inline(always)]
    pub(crate) fn find(&self, position: Position) -> Neighbours {
        let index = position.row * self.width + position.x;
        let up = if self.is_field_picture { 2 * self.width } else { self.width };
        let has_left = position.x > 0;
        let has_right = position.x + 1 < self.width;
        let left = index.wrapping_sub(1);
        let above = index.wrapping_sub(up);
        let of = |index: usize, is: bool| (is && self.available(index)).then_some(index);
        Neighbours {
            left: of(left, has_left).map(|left| [left; 2]),
            left_rows: [0, 1, 2, 3],
            left_samples: [left; 2],
            left_is_woven: false,
            above: of(above, true),
            above_right: of(above.wrapping_add(1), has_right),
            above_left: of(above.wrapping_sub(1), has_left),
            above_left_row: 3,
        }
    }

    /// The neighbours in an MBAFF frame (6.4.10, 6.4.12.2, table 6-4).
    pub(crate) fn find_mbaff(&self, position: Position) -> Neighbours {
        let Position { x, row, is_field } = position;
        let top = (row & !1) * self.width + x;
        let is_bottom = row & 1 == 1;
        // The pairs around, by their top macroblocks.
        let pair = |index: usize, is: bool| (is && self.available(index)).then_some(index);
        let pair_a = pair(top.wrapping_sub(1), x > 0);
        let pair_b = pair(top.wrapping_sub(2 * self.width), true);
        let pair_c = pair(top.wrapping_sub(2 * self.width).wrapping_add(1), x + 1 < self.width);
        let pair_d = pair(top.wrapping_sub(2 * self.width).wrapping_sub(1), x > 0);
        let bottom_of = |pair: usize| pair + self.width;
        let is_field_pair = |pair: usize| self.mbs[pair].flags.any(Flags::FIELD);
        // Above a pair: its last row, or of a top field macroblock the last of the same parity.
        let last_of = |pair: usize| {
            if is_field && !is_bottom && is_field_pair(pair) { pair } else { bottom_of(pair) }
        };
        let mut found =
            Neighbours { left_rows: [0, 1, 2, 3], above_left_row: 3, ..Neighbours::default() };
        if !is_field && is_bottom {
            found.above = Some(top);
            // Left of the row that is above: in the upper half of the pair.
            found.above_left = pair_a.map(|pair| {
                if is_field_pair(pair) {
                    found.above_left_row = 1;
                    bottom_of(pair)
                } else {
                    pair
                }
            });
        } else {
            found.above = pair_b.map(last_of);
            found.above_right = pair_c.map(last_of);
            found.above_left = pair_d.map(last_of);
        }
        let Some(pair) = pair_a else { return found };
        found.left_samples = [pair, bottom_of(pair)];
        match (is_field, is_field_pair(pair)) {
            (true, true) | (false, false) => {
                let left = if is_bottom { bottom_of(pair) } else { pair };
                found.left = Some([left; 2]);
                found.left_samples = [left; 2];
            }
            (false, true) => {
                found.left = Some([pair; 2]);
                found.left_rows = if is_bottom { [2, 2, 3, 3] } else { [0, 0, 1, 1] };
                found.left_is_woven = true;
            }
            (true, false) => {
                found.left = Some([pair, bottom_of(pair)]);
                found.left_rows = [0, 2, 0, 2];
            }
        }
        found
    }

    /// The macroblock and its row of 4x4 blocks that is left of and above luma row `y`, a positive
    /// multiple of 4, of a macroblock of an MBAFF frame.
    pub(crate) fn above_left_inside(&self, position: Position, y: usize) -> Option<(usize, usize)> {
        let Position { x, row, is_field } = position;
        let pair = ((row & !1) * self.width + x).wrapping_sub(1);
        if x == 0 || !self.available(pair) {
            return None;
        }
        let y = y - 1;
        let is_bottom = row & 1;
        let is_field_pair = self.mbs[pair].flags.any(Flags::FIELD);
        // The row of the pair's samples, and then where the pair has it.
        let (bottom, y) = match (is_field, is_field_pair) {
            (true, true) | (false, false) => (is_bottom, y),
            (false, true) => (y & 1, (16 * is_bottom + y) >> 1),
            (true, false) => {
                let in_pair = 2 * y + is_bottom;
                (in_pair >> 4, in_pair & 15)
            }
        };
        Some((pair + bottom * self.width, y >> 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s6_4_3_blocks_and_their_places() {
        let expected = [
            (0, 0),
            (1, 0),
            (0, 1),
            (1, 1),
            (2, 0),
            (3, 0),
            (2, 1),
            (3, 1),
            (0, 2),
            (1, 2),
            (0, 3),
            (1, 3),
            (2, 2),
            (3, 2),
            (2, 3),
            (3, 3),
        ];
        for (block, xy) in expected.into_iter().enumerate() {
            assert_eq!(block_xy(block), xy);
            assert_eq!(block_at(xy.0, xy.1), block);
        }
    }

    #[test]
    fn tables_7_11_to_7_18_by_number() {
        let inter = |shape, lists| MbType::Inter { shape, lists };
        assert_eq!(MbType::of_b_slice(10), inter(Shape::Rows, [2, 1]), "B_L1_L0_16x8");
        assert_eq!(MbType::of_b_slice(13), inter(Shape::Columns, [1, 3]), "B_L0_Bi_8x16");
        assert_eq!(MbType::of_b_slice(21), inter(Shape::Columns, [3, 3]), "B_Bi_Bi_8x16");
        assert_eq!(MbType::of_b_slice(2), MbType::InterWhole { lists: 2 }, "B_L1_16x16");
        let intra = MbType::Intra16x16 { mode: 2, chroma: 1, luma: true };
        assert_eq!(MbType::of_p_slice(5 + 19), intra, "I_16x16_2_1_1");
        assert_eq!(SubMb::of_b(7), SubMb { width: 1, height: 2, lists: 2 }, "B_L1_4x8");
    }

    /// Each neighbour by table 6-4, on a pair in the middle of nine, all kinds of pairs around it.
    #[test]
    fn table_6_4_of_mbaff_frames() {
        let width = 3;
        for kinds in 0..32usize {
            let is_field = kinds & 1 == 1;
            let mut mbs = vec![Mb::UNDECODED; 3 * 6];
            let mut slice_of = [NO_SLICE; 3 * 6];
            let mut mark = |x: usize, pair_row: usize, field: bool| {
                for bottom in 0..2 {
                    let index = (2 * pair_row + bottom) * width + x;
                    slice_of[index] = 0;
                    mbs[index].flags = Flags::default().with_if(field, Flags::FIELD);
                }
            };
            let [a, b, c, d] = [1, 2, 3, 4].map(|bit| kinds >> bit & 1 == 1);
            mark(0, 1, a);
            mark(1, 0, b);
            mark(2, 0, c);
            mark(0, 0, d);
            mark(1, 1, is_field);
            let finder = NeighbourFinder {
                mbs: &mbs,
                slice_of: &slice_of,
                width,
                slice: 0,
                is_field_picture: false,
            };
            let index = |x: usize, row: usize| row * width + x;
            for bottom in 0..2 {
                let found = finder.find_mbaff(Position { x: 1, row: 2 + bottom, is_field });
                // xN 0 to 15, yN -1.
                let above = match (is_field, bottom, b) {
                    (false, 0, _) | (true, 1, _) | (true, _, false) => index(1, 1),
                    (true, _, true) => index(1, 0),
                    (false, _, _) => index(1, 2),
                };
                assert_eq!(found.above, Some(above), "{kinds:05b} {bottom}");
                let right = match (is_field, bottom, c) {
                    (false, 0, _) | (true, 1, _) | (true, _, false) => Some(index(2, 1)),
                    (true, _, true) => Some(index(2, 0)),
                    (false, _, _) => None,
                };
                assert_eq!(found.above_right, right, "{kinds:05b} {bottom}");
                // xN -1, yN -1: macroblock and yM.
                let (left, y) = match (is_field, bottom) {
                    (false, 0) | (true, 1) => (index(0, 1), 15),
                    (false, _) if a => (index(0, 3), 7),
                    (false, _) => (index(0, 2), 15),
                    (true, _) if d => (index(0, 0), 15),
                    (true, _) => (index(0, 1), 14),
                };
                assert_eq!(found.above_left, Some(left), "{kinds:05b} {bottom}");
                assert_eq!(found.above_left_row, y / 4, "{kinds:05b} {bottom}");
                // xN -1, yN 0 to 15.
                let left_of = |y: usize| match (is_field, bottom, a) {
                    (false, 0, true) => (index(0, 2 + y % 2), y >> 1),
                    (false, _, true) => (index(0, 2 + y % 2), (y + 16) >> 1),
                    (true, 0, false) if y < 8 => (index(0, 2), y << 1),
                    (true, 0, false) => (index(0, 3), (y << 1) - 16),
                    (true, _, false) if y < 8 => (index(0, 2), (y << 1) + 1),
                    (true, _, false) => (index(0, 3), (y << 1) - 15),
                    _ => (index(0, 2 + bottom), y),
                };
                for row in 0..4 {
                    let (mb, y) = left_of(4 * row);
                    assert_eq!(found.left.unwrap()[row / 2], mb, "{kinds:05b} {bottom} {row}");
                    assert_eq!(usize::from(found.left_rows[row]), y / 4, "{kinds:05b} {row}");
                }
                for row in 1..4 {
                    let position = Position { x: 1, row: 2 + bottom, is_field };
                    let (mb, y) = left_of(4 * row - 1);
                    let inside = finder.above_left_inside(position, 4 * row);
                    assert_eq!(inside, Some((mb, y / 4)), "{kinds:05b} {bottom} {row}");
                }
            }
        }
    }
}
