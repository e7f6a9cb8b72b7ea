//! Inverse transforms (ITU-T H.264 8.5.10 to 8.5.14). Coefficients are cleared for the next
//! macroblock.

use super::clip;

/// Residual 4x4 blocks (8.5.12.2), added to the prediction at `position`.
#[inline]
pub(crate) fn add_4x4(
    plane: &mut [u8],
    stride: usize,
    position: usize,
    coefficients: &mut [i16; 16],
) {
    let c = coefficients.map(i32::from);
    *coefficients = [0; 16];
    let mut rows = [[0; 4]; 4];
    for (row, c) in rows.iter_mut().zip(c.as_chunks::<4>().0) {
        *row = butterfly_4(*c);
    }
    let mut columns = [[0; 4]; 4];
    for (x, column) in columns.iter_mut().enumerate() {
        *column = butterfly_4([rows[0][x], rows[1][x], rows[2][x], rows[3][x]]);
    }
    for y in 0..4 {
        let start = position + y * stride;
        let Some(row) = plane.get_mut(start..).and_then(<[u8]>::first_chunk_mut::<4>) else {
            return;
        };
        for x in 0..4 {
            row[x] = clip(i32::from(row[x]) + ((columns[x][y] + 32) >> 6));
        }
    }
}

#[inline(always)]
fn butterfly_4([a, b, c, d]: [i32; 4]) -> [i32; 4] {
    let (e, f) = (a + c, a - c);
    let (g, h) = ((b >> 1) - d, b + (d >> 1));
    [e + h, f + g, f - g, e - h]
}

/// A 4x4 block with nothing but its DC coefficient: the same sum everywhere.
#[inline]
pub(crate) fn add_dc_4x4(
    plane: &mut [u8],
    stride: usize,
    position: usize,
    coefficients: &mut [i16; 16],
) {
    let dc = (i32::from(coefficients[0]) + 32) >> 6;
    coefficients[0] = 0;
    add_constant::<4>(plane, stride, position, dc);
}

/// An 8x8 block with nothing but its DC coefficient.
#[inline]
pub(crate) fn add_dc_8x8(
    plane: &mut [u8],
    stride: usize,
    position: usize,
    coefficients: &mut [i16; 64],
) {
    let dc = (i32::from(coefficients[0]) + 32) >> 6;
    coefficients[0] = 0;
    add_constant::<8>(plane, stride, position, dc);
}

#[inline(always)]
fn add_constant<const N: usize>(plane: &mut [u8], stride: usize, position: usize, dc: i32) {
    for y in 0..N {
        let start = position + y * stride;
        let Some(row) = plane.get_mut(start..).and_then(<[u8]>::first_chunk_mut::<N>) else {
            return;
        };
        for sample in row {
            *sample = clip(i32::from(*sample) + dc);
        }
    }
}

/// Residual 8x8 blocks (8.5.13), added to the prediction at `position`.
#[inline]
pub(crate) fn add_8x8(
    plane: &mut [u8],
    stride: usize,
    position: usize,
    coefficients: &mut [i16; 64],
) {
    let mut block = [[0; 8]; 8];
    for (row, c) in block.iter_mut().zip(coefficients.as_chunks::<8>().0) {
        *row = butterfly_8(c.map(i32::from));
    }
    *coefficients = [0; 64];
    let mut columns = [[0; 8]; 8];
    for (x, column) in columns.iter_mut().enumerate() {
        *column = butterfly_8(std::array::from_fn(|y| block[y][x]));
    }
    for y in 0..8 {
        let start = position + y * stride;
        let Some(row) = plane.get_mut(start..).and_then(<[u8]>::first_chunk_mut::<8>) else {
            return;
        };
        for x in 0..8 {
            row[x] = clip(i32::from(row[x]) + ((columns[x][y] + 32) >> 6));
        }
    }
}

#[inline(always)]
fn butterfly_8(c: [i32; 8]) -> [i32; 8] {
    let a0 = c[0] + c[4];
    let a2 = c[0] - c[4];
    let a4 = (c[2] >> 1) - c[6];
    let a6 = c[2] + (c[6] >> 1);
    let b0 = a0 + a6;
    let b2 = a2 + a4;
    let b4 = a2 - a4;
    let b6 = a0 - a6;
    let a1 = c[5] - c[3] - c[7] - (c[7] >> 1);
    let a3 = c[1] + c[7] - c[3] - (c[3] >> 1);
    let a5 = c[7] - c[1] + c[5] + (c[5] >> 1);
    let a7 = c[3] + c[5] + c[1] + (c[1] >> 1);
    let b1 = a1 + (a7 >> 2);
    let b3 = a3 + (a5 >> 2);
    let b5 = (a3 >> 2) - a5;
    let b7 = a7 - (a1 >> 2);
    [b0 + b7, b2 + b5, b4 + b3, b6 + b1, b6 - b1, b4 - b3, b2 - b5, b0 - b7]
}

/// The DC coefficients of Intra_16x16 (8.5.10): transformed, scaled with `LevelScale4x4(qP, 0, 0)`
/// times 2 to the power of qP / 6. Raster order in and out.
pub(crate) fn luma_dc(dc: &[i16; 16], scale: i32) -> [i16; 16] {
    let mut block = [0; 16];
    for y in 0..4 {
        let row = [dc[4 * y], dc[4 * y + 1], dc[4 * y + 2], dc[4 * y + 3]].map(i32::from);
        block[4 * y..][..4].copy_from_slice(&hadamard_4(row));
    }
    let mut out = [0; 16];
    for x in 0..4 {
        let column = hadamard_4([block[x], block[4 + x], block[8 + x], block[12 + x]]);
        for y in 0..4 {
            out[4 * y + x] = ((column[y].wrapping_mul(scale).wrapping_add(32)) >> 6) as i16;
        }
    }
    out
}

fn hadamard_4([a, b, c, d]: [i32; 4]) -> [i32; 4] {
    [a + b + c + d, a + b - c - d, a - b - c + d, a - b + c - d]
}

/// The DC coefficients of a chroma component (8.5.11), 4:2:0.
pub(crate) fn chroma_dc(dc: &[i16; 4], scale: i32) -> [i16; 4] {
    let [a, b, c, d] = dc.map(i32::from);
    [a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d]
        .map(|f| (f.wrapping_mul(scale) >> 5) as i16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clause's matrix product, in floating point: rows and columns of the 4x4 transform.
    fn reference_4x4(c: &[i16; 16]) -> [i32; 16] {
        let basis = [
            [1.0, 1.0, 1.0, 0.5],
            [1.0, 0.5, -1.0, -1.0],
            [1.0, -0.5, -1.0, 1.0],
            [1.0, -1.0, 1.0, -0.5],
        ];
        std::array::from_fn(|index| {
            let (x, y) = (index % 4, index / 4);
            let mut sum = 0.0;
            for v in 0..4 {
                for u in 0..4 {
                    sum += basis[y][v] * basis[x][u] * f64::from(c[4 * v + u]);
                }
            }
            ((sum + 32.0) / 64.0).floor() as i32
        })
    }

    #[test]
    fn s8_5_12_2_is_the_matrix_product_where_nothing_is_rounded() {
        // Multiples of four lose nothing in the halves.
        let mut seed = 9u32;
        for _ in 0..200 {
            let mut c: [i16; 16] = std::array::from_fn(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((seed >> 20) as i16 - 2048) & !3
            });
            let expected = reference_4x4(&c);
            let mut plane = [100u8; 16];
            add_4x4(&mut plane, 4, 0, &mut c);
            assert_eq!(plane, expected.map(|residual| clip(100 + residual)));
            assert_eq!(c, [0; 16]);
        }
    }

    #[test]
    fn dc_alone_is_what_the_whole_transform_gives() {
        for dc in [-3000i16, -33, -32, -1, 0, 31, 32, 95, 2000] {
            let (mut plane, mut short) = ([77u8; 64], [77u8; 64]);
            let mut c = [0; 16];
            c[0] = dc;
            add_4x4(&mut plane, 8, 9, &mut c);
            c[0] = dc;
            add_dc_4x4(&mut short, 8, 9, &mut c);
            assert_eq!(plane, short);
            let mut c = [0; 64];
            c[0] = dc;
            add_8x8(&mut plane, 8, 0, &mut c);
            c[0] = dc;
            add_dc_8x8(&mut short, 8, 0, &mut c);
            assert_eq!(plane, short);
        }
    }

    /// The orthogonal basis of the 8x8 transform (8.5.13) by its first column vectors, worked by
    /// hand: a lone coefficient of 64 at (0, 1) gives 1.5, 1.25, 0.75, 0.375 and the same below
    /// zero, times 64, rounded.
    #[test]
    fn s8_5_13_one_coefficient() {
        let mut c = [0; 64];
        c[1] = 64;
        let mut plane = [100u8; 64];
        add_8x8(&mut plane, 8, 0, &mut c);
        let row = [102, 101, 101, 100, 100, 99, 99, 99];
        assert!(plane.chunks(8).all(|actual| actual == row), "{:?}", &plane[..8]);
    }

    #[test]
    fn s8_5_10_and_8_5_11_dc() {
        let mut dc = [0; 16];
        dc[0] = 4;
        assert_eq!(luma_dc(&dc, 64), [4; 16]);
        dc[1] = 4;
        assert_eq!(luma_dc(&dc, 64)[..4], [8, 8, 0, 0], "the second column of the matrix");
        assert_eq!(chroma_dc(&[1, 2, 3, 4], 32), [10, -2, -4, 0]);
    }
}
