//! Inverse transforms (ITU-T H.264 8.5.10 to 8.5.14). Coefficients are cleared for the next
//! macroblock.

use std::ops::{Add, Shr, Sub};

use fearless_simd::{Simd, i16x8, i32x4, prelude::*, u8x16, u16x8};

use super::clip;
use crate::vectors::{Vectors, load, read_rows, store_rows, turned_4, write_rows};

/// Residual 4x4 blocks (8.5.12.2), added to the prediction at `position`.
#[inline(always)]
pub(crate) fn add_4x4<S: Vectors>(
    simd: S,
    plane: &mut [u8],
    stride: usize,
    position: usize,
    coefficients: &mut [i16; 16],
) {
    let [first, second] = *coefficients.as_chunks::<8>().0 else { return };
    *coefficients = [0; 16];
    let (a, b) = simd.widen_i16x8(i16x8::load_array(simd, first));
    let (c, d) = simd.widen_i16x8(i16x8::load_array(simd, second));
    let rows = turned_4(butterfly_4(turned_4([a, b, c, d])));
    let [a, b, c, d] = butterfly_4(rows);
    let (a, b, c, d) = ((a + 32) >> 6, (b + 32) >> 6, (c + 32) >> 6, (d + 32) >> 6);
    // What saturates is far from a sample.
    let (first, second) = (simd.saturating_narrow_i32x4(a, b), simd.saturating_narrow_i32x4(c, d));
    let Some(rows) = read_rows::<4, 4>(plane, position, stride) else { return };
    let mut samples = [0; 16];
    for y in 0..4 {
        samples.as_chunks_mut().0[y] = *rows[y];
    }
    let (upper, lower) = simd.widen_u8x16(u8x16::load_array(simd, samples));
    let (upper, lower): (i16x8<S>, i16x8<S>) = (upper.bitcast(), lower.bitcast());
    let sums = simd.clip(upper.saturating_add(first), lower.saturating_add(second)).to_array();
    if let Some(sums) = sums.as_chunks::<4>().0.first_chunk::<4>() {
        write_rows(plane, position, stride, sums.each_ref());
    }
}

#[inline(always)]
fn butterfly_4<S: Simd>([a, b, c, d]: [i32x4<S>; 4]) -> [i32x4<S>; 4] {
    let (e, f) = (a + c, a - c);
    let (g, h) = ((b >> 1) - d, b + (d >> 1));
    [e + h, f + g, f - g, e - h]
}

/// A 4x4 block with nothing but its DC coefficient: the same sum everywhere.
#[inline(always)]
pub(crate) fn add_dc_4x4<S: Vectors>(
    simd: S,
    plane: &mut [u8],
    stride: usize,
    position: usize,
    coefficients: &mut [i16; 16],
) {
    let dc = (i32::from(coefficients[0]) + 32) >> 6;
    coefficients[0] = 0;
    add_constant::<S, 4>(simd, plane, stride, position, dc);
}

/// An 8x8 block with nothing but its DC coefficient.
#[inline(always)]
pub(crate) fn add_dc_8x8<S: Vectors>(
    simd: S,
    plane: &mut [u8],
    stride: usize,
    position: usize,
    coefficients: &mut [i16; 64],
) {
    let dc = (i32::from(coefficients[0]) + 32) >> 6;
    coefficients[0] = 0;
    add_constant::<S, 8>(simd, plane, stride, position, dc);
}

#[inline(always)]
fn add_constant<S: Vectors, const N: usize>(
    simd: S,
    plane: &mut [u8],
    stride: usize,
    position: usize,
    dc: i32,
) {
    let Some(rows) = read_rows::<N, N>(plane, position, stride) else { return };
    let dc = i16x8::splat(simd, dc as i16);
    let mut samples = [u8x16::splat(simd, 0); N];
    for y in 0..N {
        let sums = simd.widen_low(load::<S, N>(simd, rows[y])) + dc;
        samples[y] = simd.clip(sums, sums);
    }
    store_rows::<S, N, N>(samples, plane, position, stride);
}

/// Residual 8x8 blocks (8.5.13), added to the prediction at `position`.
#[inline(always)]
pub(crate) fn add_8x8<S: Vectors>(
    simd: S,
    plane: &mut [u8],
    stride: usize,
    position: usize,
    coefficients: &mut [i16; 64],
) {
    let mut rows = [i16x8::splat(simd, 0); 8];
    let mut sum: u16x8<S> = u16x8::splat(simd, 0);
    for y in 0..8 {
        rows[y] = i16x8::load_array_ref(simd, &coefficients.as_chunks().0[y]);
        sum = sum.saturating_add(rows[y].abs().bitcast::<u16x8<S>>());
    }
    let (first, second) = simd.widen_u16x8(sum);
    if (first + second).reduce_sum() > MOST_IN_16_BITS {
        return add_any_8x8(plane, stride, position, coefficients);
    }
    *coefficients = [0; 64];
    let residual = butterfly_8(turned_8(butterfly_8(turned_8(rows))));
    let Some(rows) = read_rows::<8, 8>(plane, position, stride) else { return };
    let mut samples = [u8x16::splat(simd, 0); 8];
    for y in 0..8 {
        let sums = simd.widen_low(load::<S, 8>(simd, rows[y])) + ((residual[y] + 32) >> 6);
        samples[y] = simd.clip(sums, sums);
    }
    store_rows::<S, 8, 8>(samples, plane, position, stride);
}

/// The greatest sum of a block's coefficients, by their amounts, with which nothing in the two
/// passes of the 8x8 transform leaves 16 bits: each pass makes at most three halves of a sum of
/// what comes in, and on the way at most twice of it.
const MOST_IN_16_BITS: u32 = 10_000;

/// Rows to columns: three times every row with the one four below.
#[inline(always)]
fn turned_8<S: Simd>(mut rows: [i16x8<S>; 8]) -> [i16x8<S>; 8] {
    for _ in 0..3 {
        let [a, b, c, d, e, f, g, h] = rows;
        rows = [
            a.zip_low(e),
            a.zip_high(e),
            b.zip_low(f),
            b.zip_high(f),
            c.zip_low(g),
            c.zip_high(g),
            d.zip_low(h),
            d.zip_high(h),
        ];
    }
    rows
}

/// One row or column (8.5.13), of single numbers or of several side by side.
#[inline(always)]
fn butterfly_8<T>(c: [T; 8]) -> [T; 8]
where
    T: Copy + Add<Output = T> + Sub<Output = T> + Shr<u32, Output = T>,
{
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

/// Residual 8x8 blocks of any coefficients, as only broken or hostile streams have them.
#[cold]
fn add_any_8x8(plane: &mut [u8], stride: usize, position: usize, coefficients: &mut [i16; 64]) {
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
    use crate::vectors::{Instructions, baseline, dispatch};

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
        let simd = baseline();
        // Multiples of four lose nothing in the halves.
        let mut seed = 9u32;
        for _ in 0..200 {
            let mut c: [i16; 16] = std::array::from_fn(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((seed >> 20) as i16 - 2048) & !3
            });
            let expected = reference_4x4(&c);
            let mut plane = [100u8; 16];
            add_4x4(simd, &mut plane, 4, 0, &mut c);
            assert_eq!(plane, expected.map(|residual| clip(100 + residual)));
            assert_eq!(c, [0; 16]);
        }
    }

    /// One dimension of the 4x4 transform (8-338 to 8-345).
    fn scalar_4([a, b, c, d]: [i32; 4]) -> [i32; 4] {
        let (e, f, g, h) = (a + c, a - c, (b >> 1) - d, b + (d >> 1));
        [e + h, f + g, f - g, e - h]
    }

    /// Random coefficients of all sizes, up to those that no encoder makes, and their residuals.
    #[test]
    fn s8_5_12_2_and_8_5_13_equal_the_scalar_transforms() {
        let mut seed = 17u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 8
        };
        for round in 0..6000 {
            let bits = round % 16;
            let is_sparse = round % 3 == 0;
            let mut random = || {
                let value = (next() << 8) as i32 >> (16 + bits);
                if is_sparse && next() % 8 > 0 { 0 } else { value as i16 }
            };
            let of_4x4: [i16; 16] = std::array::from_fn(|_| random());
            let mut of_8x8: [i16; 64] = std::array::from_fn(|_| random());
            if round < 8 {
                of_8x8 = [[i16::MIN, i16::MAX, -10_000, 10_000][round % 4]; 64];
                let rest = if round < 4 { 0 } else { of_8x8[0] };
                of_8x8[1..].fill(rest);
            }
            let before: [u8; 128] = std::array::from_fn(|_| next() as u8);
            let mut expected_4 = before;
            let mut rows = [[0; 4]; 4];
            for (y, row) in rows.iter_mut().enumerate() {
                *row = scalar_4(std::array::from_fn(|x| of_4x4[4 * y + x].into()));
            }
            for x in 0..4 {
                let column = scalar_4(std::array::from_fn(|y| rows[y][x]));
                for y in 0..4 {
                    let sample = &mut expected_4[16 * y + 3 + x];
                    *sample = clip(i32::from(*sample) + ((column[y] + 32) >> 6));
                }
            }
            let mut expected_8 = before;
            add_any_8x8(&mut expected_8, 16, 5, &mut of_8x8.clone());
            for instructions in Instructions::all() {
                let (mut plane, mut c) = (before, of_4x4);
                dispatch!(instructions, simd => add_4x4(simd, &mut plane, 16, 3, &mut c));
                assert_eq!(plane, expected_4, "{instructions:?} {of_4x4:?}");
                assert_eq!(c, [0; 16]);
                let (mut plane, mut c) = (before, of_8x8);
                dispatch!(instructions, simd => add_8x8(simd, &mut plane, 16, 5, &mut c));
                assert_eq!(plane, expected_8, "{instructions:?} {of_8x8:?}");
                assert_eq!(c, [0; 64]);
            }
        }
    }

    #[test]
    fn dc_alone_is_what_the_whole_transform_gives() {
        let simd = baseline();
        for dc in [-3000i16, -33, -32, -1, 0, 31, 32, 95, 2000] {
            let (mut plane, mut short) = ([77u8; 64], [77u8; 64]);
            let mut c = [0; 16];
            c[0] = dc;
            add_4x4(simd, &mut plane, 8, 9, &mut c);
            c[0] = dc;
            add_dc_4x4(simd, &mut short, 8, 9, &mut c);
            assert_eq!(plane, short);
            let mut c = [0; 64];
            c[0] = dc;
            add_8x8(simd, &mut plane, 8, 0, &mut c);
            c[0] = dc;
            add_dc_8x8(simd, &mut short, 8, 0, &mut c);
            assert_eq!(plane, short);
        }
    }

    /// The orthogonal basis of the 8x8 transform (8.5.13) by its first column vectors, worked by
    /// hand: a lone coefficient of 64 at (0, 1) gives 1.5, 1.25, 0.75, 0.375 and the same below
    /// zero, times 64, rounded.
    #[test]
    fn s8_5_13_one_coefficient() {
        let simd = baseline();
        let mut c = [0; 64];
        c[1] = 64;
        let mut plane = [100u8; 64];
        add_8x8(simd, &mut plane, 8, 0, &mut c);
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
