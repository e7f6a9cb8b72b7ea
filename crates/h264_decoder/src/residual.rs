//! Scans and scales of coefficients (ITU-T H.264 8.5.6, 8.5.7, 8.5.9).

use h264::ScalingMatrix;

/// Frame (zig-zag) and field scan of 4x4 blocks: raster position by index (figure 8-8, table 8-12).
pub(crate) const SCAN_4X4: [[u8; 16]; 2] = [
    [0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15],
    [0, 4, 1, 8, 12, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
];

/// Frame and field scan of 8x8 blocks (table 8-13).
pub(crate) const SCAN_8X8: [[u8; 64]; 2] = [
    [
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27,
        20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
        58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
    ],
    [
        0, 8, 16, 1, 9, 24, 32, 17, 2, 25, 40, 48, 56, 33, 10, 3, 18, 41, 49, 57, 26, 11, 4, 19,
        34, 42, 50, 58, 27, 12, 5, 20, 35, 43, 51, 59, 28, 13, 6, 21, 36, 44, 52, 60, 29, 14, 22,
        37, 45, 53, 61, 30, 7, 15, 38, 46, 54, 62, 23, 31, 39, 47, 55, 63,
    ],
];

/// The four 4x4 blocks that CAVLC codes an 8x8 block as: each has every fourth coefficient
/// (7.3.5.3.2).
pub(crate) const SCAN_8X8_CAVLC: [[[u8; 16]; 4]; 2] = {
    let mut scans = [[[0; 16]; 4]; 2];
    let mut index = 0;
    while index < 2 * 64 {
        let (field, place) = (index / 64, index % 64);
        scans[field][place % 4][place / 4] = SCAN_8X8[field][place];
        index += 1;
    }
    scans
};

/// The scan of chroma DC.
pub(crate) const SCAN_CHROMA_DC: [u8; 4] = [0, 1, 2, 3];

/// `normAdjust4x4` (8-315) by qP % 6: at even, odd and other positions.
const NORM_ADJUST_4X4: [[u8; 3]; 6] =
    [[10, 16, 13], [11, 18, 14], [13, 20, 16], [14, 23, 18], [16, 25, 20], [18, 29, 23]];

/// `normAdjust8x8` (8-318) by qP % 6.
const NORM_ADJUST_8X8: [[u8; 6]; 6] = [
    [20, 18, 32, 19, 25, 24],
    [22, 19, 35, 21, 28, 26],
    [26, 23, 42, 24, 33, 31],
    [28, 25, 45, 26, 35, 33],
    [32, 28, 51, 30, 40, 38],
    [36, 32, 58, 34, 46, 43],
];

/// `LevelScale4x4` and `LevelScale8x8` (8.5.9) times 2 to the power of qP / 6, by list and qP, in
/// raster order. A coefficient is scaled by (c * s + 8) >> 4 and (c * s + 32) >> 6, which holds for
/// all qP (8-336, 8-337, 8-356, 8-357).
pub(crate) struct LevelScale {
    matrix: ScalingMatrix,
    /// Intra Y, Cb, Cr, inter Y, Cb, Cr.
    pub(crate) of_4x4: [[[i32; 16]; 52]; 6],
    /// Intra Y, inter Y.
    pub(crate) of_8x8: [[[i32; 64]; 52]; 2],
}

/// The scale of DC coefficients, which are scaled behind their transform: none.
pub(crate) const UNSCALED: [i32; 16] = [16; 16];

impl LevelScale {
    pub(crate) fn new(matrix: ScalingMatrix) -> Self {
        let mut scale = Self { of_4x4: [[[0; 16]; 52]; 6], of_8x8: [[[0; 64]; 52]; 2], matrix };
        scale.fill();
        scale
    }

    /// Makes the tables of another matrix, if it is another.
    pub(crate) fn update(&mut self, matrix: ScalingMatrix) {
        if self.matrix != matrix {
            self.matrix = matrix;
            self.fill();
        }
    }

    fn fill(&mut self) {
        for (tables, weights) in self.of_4x4.iter_mut().zip(&self.matrix.lists_4x4) {
            for (qp, table) in tables.iter_mut().enumerate() {
                for (&position, &weight) in SCAN_4X4[0].iter().zip(weights) {
                    let (x, y) = (position % 4, position / 4);
                    let norm = match (x % 2, y % 2) {
                        (0, 0) => NORM_ADJUST_4X4[qp % 6][0],
                        (1, 1) => NORM_ADJUST_4X4[qp % 6][1],
                        _ => NORM_ADJUST_4X4[qp % 6][2],
                    };
                    table[usize::from(position)] =
                        (i32::from(weight) * i32::from(norm)) << (qp / 6);
                }
            }
        }
        for (tables, weights) in self.of_8x8.iter_mut().zip(&self.matrix.lists_8x8) {
            for (qp, table) in tables.iter_mut().enumerate() {
                for (&position, &weight) in SCAN_8X8[0].iter().zip(weights) {
                    let (x, y) = (position % 8, position / 8);
                    let norm = NORM_ADJUST_8X8[qp % 6][match (x % 4, y % 4) {
                        (0, 0) => 0,
                        (1 | 3, 1 | 3) => 1,
                        (2, 2) => 2,
                        (0, 1 | 3) | (1 | 3, 0) => 3,
                        (0, 2) | (2, 0) => 4,
                        _ => 5,
                    }];
                    table[usize::from(position)] =
                        (i32::from(weight) * i32::from(norm)) << (qp / 6);
                }
            }
        }
    }
}

/// `QPC` by `qPI` (table 8-15).
const CHROMA_QP: [u8; 52] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
    26, 27, 28, 29, 29, 30, 31, 32, 32, 33, 34, 34, 35, 35, 36, 36, 37, 37, 37, 38, 38, 38, 39, 39,
    39, 39,
];

/// The chroma quantiser of a luma quantiser and `chroma_qp_index_offset` (8.5.8).
pub(crate) fn chroma_qp(luma_qp: u8, offset: i8) -> u8 {
    let index = (i32::from(luma_qp) + i32::from(offset)).clamp(0, 51);
    CHROMA_QP[index as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_5_6_scans_reach_every_position_once() {
        for scan in SCAN_4X4 {
            assert_eq!((0..16).filter(|position| scan.contains(position)).count(), 16);
        }
        for scan in SCAN_8X8 {
            assert_eq!((0..64).filter(|position| scan.contains(position)).count(), 64);
        }
        assert_eq!(SCAN_8X8_CAVLC[0][1][..3], [1, 2, 24], "coefficients 1, 5 and 9");
    }

    /// By the formulas of the clause, with the shift that the quantiser gives.
    #[test]
    fn s8_5_12_1_one_shift_is_both_formulas() {
        let scale = LevelScale::new(ScalingMatrix::FLAT);
        for qp in 0..52usize {
            for level in [-2063, -300, -17, -1, 1, 2, 5, 99, 2000] {
                let plain = 16 * i32::from(NORM_ADJUST_4X4[qp % 6][0]);
                let expected = if qp >= 24 {
                    (level * plain) << (qp / 6 - 4)
                } else {
                    (level * plain + (1 << (3 - qp / 6))) >> (4 - qp / 6)
                };
                assert_eq!((level * scale.of_4x4[0][qp][0] + 8) >> 4, expected, "{qp} {level}");
                let plain = 16 * i32::from(NORM_ADJUST_8X8[qp % 6][5]);
                let expected = if qp >= 36 {
                    (level * plain) << (qp / 6 - 6)
                } else {
                    (level * plain + (1 << (5 - qp / 6))) >> (6 - qp / 6)
                };
                // Column 1, row 2.
                assert_eq!((level * scale.of_8x8[1][qp][17] + 32) >> 6, expected, "{qp} {level}");
            }
        }
    }

    #[test]
    fn table_8_15_chroma_quantisers() {
        assert_eq!([29, 30, 39, 51].map(|qp| chroma_qp(qp, 0)), [29, 29, 35, 39]);
        assert_eq!((chroma_qp(3, -12), chroma_qp(51, 12), chroma_qp(20, 4)), (0, 39, 24));
    }
}
