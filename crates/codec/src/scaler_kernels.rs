//! The inner loops of the scaler: rows that are weighed, and blocks that are turned on their side.

use fearless_simd::{Simd, prelude::*, u8x16, u8x32, u16x16};

/// Rows of the target that are made together: as many as a vector has samples.
pub(crate) const BAND: usize = 16;

/// Samples of a row that are made together.
const STRIP: usize = 64;

/// Half of what the weights of a sample add up to, and by how many bits that is too much.
const HALF: u16 = crate::scaler::WHOLE / 2;
const SHIFT: u32 = crate::scaler::WHOLE.ilog2();

/// The rows that begin at `source`, one for each weight, become one.
#[inline(always)]
pub(crate) fn weigh_rows<S: Simd>(
    simd: S,
    source: &[u8],
    stride: usize,
    weights: &[u16],
    row: &mut [u8],
) {
    let Some(last) = row.len().checked_sub(STRIP) else {
        return weigh_few(source, stride, weights, row);
    };
    for strip in 0..row.len().div_ceil(STRIP) {
        // The last one begins within the one before it.
        let at = (strip * STRIP).min(last);
        let place = row.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
        if let (Some(place), Some(source)) = (place, source.get(at..)) {
            weigh_strip(simd, source, stride, weights, place);
        }
    }
}

#[inline(always)]
fn weigh_strip<S: Simd>(
    simd: S,
    source: &[u8],
    stride: usize,
    weights: &[u16],
    row: &mut [u8; STRIP],
) {
    let half = u16x16::splat(simd, HALF);
    let (mut a, mut b, mut c, mut d) = (half, half, half, half);
    let mut at = 0;
    for &weight in weights {
        let Some(samples) = source.get(at..).and_then(<[u8]>::first_chunk::<STRIP>) else { return };
        let ([low, high], []) = samples.as_chunks() else { return };
        let (a_samples, b_samples) = simd.widen_u8x32(u8x32::load_array_ref(simd, low));
        let (c_samples, d_samples) = simd.widen_u8x32(u8x32::load_array_ref(simd, high));
        let weight = u16x16::splat(simd, weight);
        a += a_samples * weight;
        b += b_samples * weight;
        c += c_samples * weight;
        d += d_samples * weight;
        at += stride;
    }
    let ([low, high], []) = row.as_chunks_mut() else { return };
    *low = simd.relaxed_narrow_u16x16(a >> SHIFT, b >> SHIFT).to_array();
    *high = simd.relaxed_narrow_u16x16(c >> SHIFT, d >> SHIFT).to_array();
}

/// The same where a row is shorter than a strip.
fn weigh_few(source: &[u8], stride: usize, weights: &[u16], row: &mut [u8]) {
    for (x, made) in row.iter_mut().enumerate() {
        let column = source.iter().skip(x).step_by(stride);
        let products = column.zip(weights).map(|(sample, weight)| u16::from(*sample) * weight);
        *made = ((HALF + products.sum::<u16>()) >> SHIFT) as u8;
    }
}

/// The columns of a band at `source`, one for each weight, become one.
#[inline(always)]
pub(crate) fn narrow_columns<S: Simd>(
    simd: S,
    source: &[[u16; BAND]],
    weights: &[u16],
) -> [u8; BAND] {
    let mut sums = u16x16::splat(simd, HALF);
    for (column, &weight) in source.iter().zip(weights) {
        sums += u16x16::load_array_ref(simd, column) * weight;
    }
    let (low, high) = simd.split_u16x16(sums >> SHIFT);
    simd.relaxed_narrow_u16x8(low, high).to_array()
}

/// BAND rows become as many columns as they are long, which is a multiple of BAND.
#[inline(always)]
pub(crate) fn turn_band<S: Simd>(simd: S, band: &[u8], turned: &mut [u16]) {
    let width = band.len() / BAND;
    for (block, turned) in turned.as_chunks_mut::<{ BAND * BAND }>().0.iter_mut().enumerate() {
        let mut rows = [u8x16::splat(simd, 0); BAND];
        for (y, row) in rows.iter_mut().enumerate() {
            if let Some(samples) =
                band.get(y * width + block * BAND..).and_then(<[u8]>::first_chunk)
            {
                *row = u8x16::load_array_ref(simd, samples);
            }
        }
        for (column, place) in turn(rows).into_iter().zip(turned.as_chunks_mut::<BAND>().0) {
            let (low, high) = simd.widen_u8x16(column);
            *place = simd.combine_u16x8(low, high).to_array();
        }
    }
}

/// Columns become rows again.
#[inline(always)]
pub(crate) fn turn_back<S: Simd>(simd: S, turned: &[u8], band: &mut [u8]) {
    let width = band.len() / BAND;
    for (block, turned) in turned.as_chunks::<{ BAND * BAND }>().0.iter().enumerate() {
        let mut columns = [u8x16::splat(simd, 0); BAND];
        for (column, samples) in columns.iter_mut().zip(turned.as_chunks().0) {
            *column = u8x16::load_array_ref(simd, samples);
        }
        for (y, row) in turn(columns).into_iter().enumerate() {
            let place = band.get_mut(y * width + block * BAND..);
            if let Some(place) = place.and_then(<[u8]>::first_chunk_mut) {
                *place = row.to_array();
            }
        }
    }
}

/// Rows become columns. Interleaving each with the one eight behind it moves the highest bit of a
/// sample's row to the lowest of its column; four times, and they have changed places.
#[inline(always)]
fn turn<S: Simd>(rows: [u8x16<S>; BAND]) -> [u8x16<S>; BAND] {
    interleave(interleave(interleave(interleave(rows))))
}

#[inline(always)]
fn interleave<S: Simd>(rows: [u8x16<S>; BAND]) -> [u8x16<S>; BAND] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = rows;
    [
        a.zip_low(i),
        a.zip_high(i),
        b.zip_low(j),
        b.zip_high(j),
        c.zip_low(k),
        c.zip_high(k),
        d.zip_low(l),
        d.zip_high(l),
        e.zip_low(m),
        e.zip_high(m),
        f.zip_low(n),
        f.zip_high(n),
        g.zip_low(o),
        g.zip_high(o),
        h.zip_low(p),
        h.zip_high(p),
    ]
}
