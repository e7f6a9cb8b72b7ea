//! The filters of the deblocking filter (ITU-T H.264 8.7.2.3, 8.7.2.4) on the sixteen or eight
//! lines across an edge.

use fearless_simd::{Simd, i16x8, i16x16, mask16x16, prelude::*, u8x16, u32x8, u64x4};

use crate::vectors::{Vectors, load, load_two, store};

/// How an edge is filtered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thresholds {
    /// `alpha`, 0 to 255; 0 where nothing is filtered.
    pub(crate) alpha: u8,
    /// `beta`, 0 to 18.
    pub(crate) beta: u8,
    /// `tC0` of each of four segments of the edge, -1 where it is not filtered; or bS 4.
    pub(crate) strength: Strength,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Strength {
    /// bS 1 to 3.
    Normal([i8; 4]),
    /// bS 4 on the whole edge.
    Strong,
}

/// Filters a vertical edge of luma: LINES lines, at most 16, of which the q samples begin at
/// `position`.
pub(crate) fn luma_vertical<S: Vectors, const LINES: usize>(
    simd: S,
    plane: &mut [u8],
    stride: usize,
    position: usize,
    thresholds: &Thresholds,
) {
    let Some(block) = plane.get_mut(position - 4..) else { return };
    simd.vectorize(
        #[inline(always)]
        || {
            let mut rows = [u8x16::splat(simd, 0); 16];
            for y in 0..LINES {
                let Some(row) = block.get(y * stride..) else { return };
                rows[y] = load::<S, 8>(simd, row);
            }
            let columns = columns_of_rows(rows);
            let Some([p2, p1, p0, q0, q1, q2]) = luma(simd, &columns, thresholds) else {
                return;
            };
            let [p3, .., q3] = columns;
            let pairs = pairs_of_rows([p3, p2, p1, p0, q0, q1, q2, q3]);
            for y in 0..LINES {
                let row = block.get_mut(y * stride..).and_then(<[u8]>::first_chunk_mut::<8>);
                let Some(row) = row else { return };
                *row = pairs[y / 2].as_array().as_chunks::<8>().0[y % 2];
            }
        },
    );
}

/// Filters a horizontal edge of sixteen columns of luma.
pub(crate) fn luma_horizontal<S: Vectors>(
    simd: S,
    plane: &mut [u8],
    stride: usize,
    position: usize,
    thresholds: &Thresholds,
) {
    let Some(block) = plane.get_mut(position - 4 * stride..) else { return };
    simd.vectorize(
        #[inline(always)]
        || {
            let mut rows = [u8x16::splat(simd, 0); 8];
            for y in 0..8 {
                let Some(row) = block.get(y * stride..) else { return };
                rows[y] = load::<S, 16>(simd, row);
            }
            let Some(filtered) = luma(simd, &rows, thresholds) else { return };
            for y in 0..6 {
                let row = block.get_mut((y + 1) * stride..).and_then(<[u8]>::first_chunk_mut);
                let Some(row) = row else { return };
                store::<S, 16>(filtered[y], row);
            }
        },
    );
}

/// Filters a vertical edge of Cb and of Cr: LINES lines of each, at most 8.
pub(crate) fn chroma_vertical<S: Vectors, const LINES: usize>(
    simd: S,
    [cb, cr]: [&mut [u8]; 2],
    stride: usize,
    position: usize,
    thresholds: &[Thresholds; 2],
) {
    let (Some(cb), Some(cr)) = (cb.get_mut(position - 2..), cr.get_mut(position - 2..)) else {
        return;
    };
    simd.vectorize(
        #[inline(always)]
        || {
            let mut rows = [u8x16::splat(simd, 0); 16];
            for y in 0..LINES {
                let (Some(row), Some(other)) = (cb.get(y * stride..), cr.get(y * stride..)) else {
                    return;
                };
                rows[y] = load::<S, 4>(simd, row);
                rows[8 + y] = load::<S, 4>(simd, other);
            }
            let columns = four_columns_of_rows(rows);
            let Some([p0, q0]) = chroma(simd, columns, thresholds) else { return };
            let (of_cb, of_cr) = (p0.zip_low(q0).to_array(), p0.zip_high(q0).to_array());
            for y in 0..LINES {
                for (plane, pairs) in [(&mut *cb, &of_cb), (&mut *cr, &of_cr)] {
                    let row = plane.get_mut(y * stride + 1..).and_then(<[u8]>::first_chunk_mut);
                    let Some(row) = row else { return };
                    *row = pairs.as_chunks::<2>().0[y];
                }
            }
        },
    );
}

/// Filters a horizontal edge of eight columns of Cb and of Cr.
pub(crate) fn chroma_horizontal<S: Vectors>(
    simd: S,
    [cb, cr]: [&mut [u8]; 2],
    stride: usize,
    position: usize,
    thresholds: &[Thresholds; 2],
) {
    let start = position - 2 * stride;
    let (Some(cb), Some(cr)) = (cb.get_mut(start..), cr.get_mut(start..)) else { return };
    simd.vectorize(
        #[inline(always)]
        || {
            let mut rows = [u8x16::splat(simd, 0); 4];
            for y in 0..4 {
                let (Some(row), Some(other)) = (cb.get(y * stride..), cr.get(y * stride..)) else {
                    return;
                };
                rows[y] = load_two::<S, 8>(simd, row, other);
            }
            let Some(filtered) = chroma(simd, rows, thresholds) else { return };
            for y in 0..2 {
                let halves = filtered[y].to_array();
                let (halves, _) = halves.as_chunks::<8>();
                for (plane, half) in [(&mut *cb, halves[0]), (&mut *cr, halves[1])] {
                    let row = plane.get_mut((y + 1) * stride..).and_then(<[u8]>::first_chunk_mut);
                    let Some(row) = row else { return };
                    *row = half;
                }
            }
        },
    );
}

/// p3 to q3 of sixteen lines of luma; gives p2 to q2 if any of them may have changed.
#[inline(always)]
fn luma<S: Vectors>(
    simd: S,
    samples: &[u8x16<S>; 8],
    thresholds: &Thresholds,
) -> Option<[u8x16<S>; 6]> {
    let beta = i16x16::splat(simd, thresholds.beta.into());
    let alpha = i16x16::splat(simd, thresholds.alpha.into());
    let [p3, p2, p1, p0, q0, q1, q2, q3] = samples;
    let [p1, p0, q0, q1] = [simd.widen(*p1), simd.widen(*p0), simd.widen(*q0), simd.widen(*q1)];
    let on = is_filtered([p1, p0, q0, q1], alpha, beta);
    if !simd.any_true_mask16x16(on) {
        return None;
    }
    let (p2, q2) = (simd.widen(*p2), simd.widen(*q2));
    match thresholds.strength {
        Strength::Normal([a, b, c, d]) => {
            let tc0: i16x16<S> =
                u64x4::load_array(simd, [four(a), four(b), four(c), four(d)]).bitcast();
            let on = on & tc0.simd_gt(-1);
            // The masks are -1 or 0.
            let ap = (on & (p2 - p0).abs().simd_lt(beta)).to_vector();
            let aq = (on & (q2 - q0).abs().simd_lt(beta)).to_vector();
            let tc0 = tc0 & on.to_vector();
            let [new_p0, new_q0] = shifted([p1, p0, q0, q1], tc0 - ap - aq);
            let middle = (p0 + q0 + 1) >> 1;
            let new_p1 = p1 + within((p2 + middle - (p1 << 1)) >> 1, tc0 & ap);
            let new_q1 = q1 + within((q2 + middle - (q1 << 1)) >> 1, tc0 & aq);
            Some([
                samples[1],
                narrow(simd, new_p1),
                narrow(simd, new_p0),
                narrow(simd, new_q0),
                narrow(simd, new_q1),
                samples[6],
            ])
        }
        Strength::Strong => {
            let small = (p0 - q0).abs().simd_lt((alpha >> 2) + 2);
            let ap = small & (p2 - p0).abs().simd_lt(beta);
            let aq = small & (q2 - q0).abs().simd_lt(beta);
            let (p3, q3) = (simd.widen(*p3), simd.widen(*q3));
            let [new_p0, new_p1, new_p2] = strong(simd, ap, [p0, p1, p2, p3], [q0, q1]);
            let [new_q0, new_q1, new_q2] = strong(simd, aq, [q0, q1, q2, q3], [p0, p1]);
            Some([
                narrow(simd, simd.select_i16x16(on, new_p2, p2)),
                narrow(simd, simd.select_i16x16(on, new_p1, p1)),
                narrow(simd, simd.select_i16x16(on, new_p0, p0)),
                narrow(simd, simd.select_i16x16(on, new_q0, q0)),
                narrow(simd, simd.select_i16x16(on, new_q1, q1)),
                narrow(simd, simd.select_i16x16(on, new_q2, q2)),
            ])
        }
    }
}

/// p1 to q1 of eight lines of Cb and eight of Cr; gives p0 and q0 if any of them may have changed.
#[inline(always)]
fn chroma<S: Vectors>(
    simd: S,
    [p1, p0, q0, q1]: [u8x16<S>; 4],
    [of_cb, of_cr]: &[Thresholds; 2],
) -> Option<[u8x16<S>; 2]> {
    let alpha = halves(simd, of_cb.alpha, of_cr.alpha);
    let beta = halves(simd, of_cb.beta, of_cr.beta);
    let [p1, p0, q0, q1] = [simd.widen(p1), simd.widen(p0), simd.widen(q0), simd.widen(q1)];
    let on = is_filtered([p1, p0, q0, q1], alpha, beta);
    if !simd.any_true_mask16x16(on) {
        return None;
    }
    let [new_p0, new_q0] = match (of_cb.strength, of_cr.strength) {
        (Strength::Normal([a, b, c, d]), Strength::Normal([e, f, g, h])) => {
            let segments = [two(a), two(b), two(c), two(d), two(e), two(f), two(g), two(h)];
            let tc: i16x16<S> = u32x8::load_array(simd, segments).bitcast();
            shifted([p1, p0, q0, q1], (tc + 1) & on.to_vector())
        }
        _ => {
            let new_p0 = ((p1 << 1) + p0 + q1 + 2) >> 2;
            let new_q0 = ((q1 << 1) + q0 + p1 + 2) >> 2;
            [simd.select_i16x16(on, new_p0, p0), simd.select_i16x16(on, new_q0, q0)]
        }
    };
    Some([narrow(simd, new_p0), narrow(simd, new_q0)])
}

/// A number for each of four lines.
#[inline(always)]
fn four(number: i8) -> u64 {
    u64::from(i16::from(number) as u16) * 0x0001_0001_0001_0001
}

#[inline(always)]
fn two(number: i8) -> u32 {
    u32::from(i16::from(number) as u16) * 0x0001_0001
}

#[inline(always)]
fn halves<S: Vectors>(simd: S, first: u8, second: u8) -> i16x16<S> {
    let (first, second) = (i16x8::splat(simd, first.into()), i16x8::splat(simd, second.into()));
    simd.combine_i16x8(first, second)
}

#[inline(always)]
fn narrow<S: Vectors>(simd: S, numbers: i16x16<S>) -> u8x16<S> {
    let (low, high) = simd.split_i16x16(numbers);
    simd.clip(low, high)
}

#[inline(always)]
fn within<S: Simd>(number: i16x16<S>, limit: i16x16<S>) -> i16x16<S> {
    number.max(-limit).min(limit)
}

/// Which lines differ so little that they are filtered (8-468).
#[inline(always)]
fn is_filtered<S: Simd>(
    [p1, p0, q0, q1]: [i16x16<S>; 4],
    alpha: i16x16<S>,
    beta: i16x16<S>,
) -> mask16x16<S> {
    (p0 - q0).abs().simd_lt(alpha) & (p1 - p0).abs().simd_lt(beta) & (q1 - q0).abs().simd_lt(beta)
}

/// p0 and q0 with bS below 4, before clipping (8-475 to 8-478).
#[inline(always)]
fn shifted<S: Simd>([p1, p0, q0, q1]: [i16x16<S>; 4], tc: i16x16<S>) -> [i16x16<S>; 2] {
    let delta = within((((q0 - p0) << 2) + (p1 - q1) + 4) >> 3, tc);
    [p0 + delta, q0 - delta]
}

/// bS 4 on one side of the edge (8-483 to 8-490), the other side's samples behind.
#[inline(always)]
fn strong<S: Simd>(
    simd: S,
    deep: mask16x16<S>,
    [s0, s1, s2, s3]: [i16x16<S>; 4],
    [o0, o1]: [i16x16<S>; 2],
) -> [i16x16<S>; 3] {
    let inner = s1 + s0 + o0;
    [
        simd.select_i16x16(deep, (s2 + (inner << 1) + o1 + 4) >> 3, ((s1 << 1) + s0 + o1 + 2) >> 2),
        simd.select_i16x16(deep, (s2 + inner + 2) >> 2, s1),
        simd.select_i16x16(deep, ((s3 << 1) + s2 + (s2 << 1) + inner + 4) >> 3, s2),
    ]
}

/// The eight columns of sixteen rows. Each step halves the distance of rows whose samples lie side
/// by side.
#[inline(always)]
fn columns_of_rows<S: Vectors>(r: [u8x16<S>; 16]) -> [u8x16<S>; 8] {
    let zero = r[0];
    let mut a = [zero; 8];
    for k in 0..8 {
        a[k] = r[k].zip_low(r[k + 8]);
    }
    let mut b = [zero; 8];
    for k in 0..4 {
        (b[k], b[4 + k]) = (a[k].zip_low(a[k + 4]), a[k].zip_high(a[k + 4]));
    }
    // Of columns 0 to 3 and of columns 4 to 7: every fourth row.
    let mut c = [zero; 8];
    for half in 0..2 {
        for k in 0..2 {
            let (first, second) = (b[4 * half + k], b[4 * half + k + 2]);
            (c[4 * half + k], c[4 * half + 2 + k]) =
                (first.zip_low(second), first.zip_high(second));
        }
    }
    let mut columns = [zero; 8];
    for pair in 0..4 {
        let (first, second) = (c[2 * pair], c[2 * pair + 1]);
        (columns[2 * pair], columns[2 * pair + 1]) =
            (first.zip_low(second), first.zip_high(second));
    }
    columns
}

/// The first four columns of sixteen rows.
#[inline(always)]
fn four_columns_of_rows<S: Vectors>(r: [u8x16<S>; 16]) -> [u8x16<S>; 4] {
    let zero = r[0];
    let mut a = [zero; 8];
    for k in 0..8 {
        a[k] = r[k].zip_low(r[k + 8]);
    }
    let mut b = [zero; 4];
    for k in 0..4 {
        b[k] = a[k].zip_low(a[k + 4]);
    }
    let (first, second) = (b[0].zip_low(b[2]), b[1].zip_low(b[3]));
    let (third, fourth) = (b[0].zip_high(b[2]), b[1].zip_high(b[3]));
    [first.zip_low(second), first.zip_high(second), third.zip_low(fourth), third.zip_high(fourth)]
}

/// The rows of eight columns, two in a vector.
#[inline(always)]
fn pairs_of_rows<S: Vectors>(c: [u8x16<S>; 8]) -> [u8x16<S>; 8] {
    let zero = c[0];
    // Of rows 0 to 7 and of rows 8 to 15: every fourth column, then every second.
    let mut a = [zero; 8];
    for k in 0..4 {
        (a[k], a[4 + k]) = (c[k].zip_low(c[k + 4]), c[k].zip_high(c[k + 4]));
    }
    let mut b = [zero; 8];
    for half in 0..2 {
        for k in 0..2 {
            let (first, second) = (a[4 * half + k], a[4 * half + k + 2]);
            (b[4 * half + k], b[4 * half + 2 + k]) =
                (first.zip_low(second), first.zip_high(second));
        }
    }
    let mut pairs = [zero; 8];
    for quarter in 0..4 {
        let (first, second) = (b[2 * quarter], b[2 * quarter + 1]);
        (pairs[2 * quarter], pairs[2 * quarter + 1]) =
            (first.zip_low(second), first.zip_high(second));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{Instructions, dispatch};

    /// One line across an edge as clauses 8.7.2.3 and 8.7.2.4 have it: p0 to p3 and q0 to q3 in,
    /// the same out.
    fn reference(
        mut p: [i32; 4],
        mut q: [i32; 4],
        strength: i32,
        (alpha, beta, tc0): (i32, i32, i32),
        chroma: bool,
    ) -> ([i32; 4], [i32; 4]) {
        let clip3 = |low: i32, high: i32, value: i32| value.max(low).min(high);
        let on = strength != 0
            && (p[0] - q[0]).abs() < alpha
            && (p[1] - p[0]).abs() < beta
            && (q[1] - q[0]).abs() < beta;
        if !on {
            return (p, q);
        }
        let (old_p, old_q) = (p, q);
        let (ap, aq) = ((p[2] - p[0]).abs(), (q[2] - q[0]).abs());
        if strength < 4 {
            let tc =
                if chroma { tc0 + 1 } else { tc0 + i32::from(ap < beta) + i32::from(aq < beta) };
            let delta = clip3(-tc, tc, (((q[0] - p[0]) << 2) + (p[1] - q[1]) + 4) >> 3);
            p[0] = clip3(0, 255, p[0] + delta);
            q[0] = clip3(0, 255, q[0] - delta);
            let middle = (old_p[0] + old_q[0] + 1) >> 1;
            if !chroma && ap < beta {
                p[1] += clip3(-tc0, tc0, (p[2] + middle - (p[1] << 1)) >> 1);
            }
            if !chroma && aq < beta {
                q[1] += clip3(-tc0, tc0, (q[2] + middle - (q[1] << 1)) >> 1);
            }
            return (p, q);
        }
        let small = (old_p[0] - old_q[0]).abs() < (alpha >> 2) + 2;
        let side = |s: [i32; 4], o: [i32; 4], a: i32| {
            if !chroma && a < beta && small {
                let s0 = (s[2] + 2 * s[1] + 2 * s[0] + 2 * o[0] + o[1] + 4) >> 3;
                let s1 = (s[2] + s[1] + s[0] + o[0] + 2) >> 2;
                let s2 = (2 * s[3] + 3 * s[2] + s[1] + s[0] + o[0] + 4) >> 3;
                [s0, s1, s2, s[3]]
            } else {
                [(2 * s[1] + s[0] + o[1] + 2) >> 2, s[1], s[2], s[3]]
            }
        };
        (side(old_p, old_q, ap), side(old_q, old_p, aq))
    }

    /// Planes of small steps around an edge, on which every case of the filter occurs.
    fn steps(seed: &mut u32) -> [u8; 16 * 16] {
        let base = 40 + (*seed >> 8) % 170;
        std::array::from_fn(|_| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (base + (*seed >> 16) % (2 + (*seed >> 28))) as u8
        })
    }

    #[test]
    fn s8_7_2_all_four_filters_equal_the_clauses() {
        for instructions in Instructions::all() {
            dispatch!(instructions, simd => all_four_filters(simd));
        }
    }

    fn all_four_filters<S: Vectors>(simd: S) {
        let mut seed = 3;
        for round in 0..4000 {
            let plane = steps(&mut seed);
            let alpha = (seed >> 3 & 63) as u8;
            let beta = (seed >> 9 & 15) as u8;
            let tc0: [i8; 4] = std::array::from_fn(|k| (seed >> (12 + 3 * k) & 7) as i8 - 1);
            let strong = round % 3 == 0;
            let strength = if strong { Strength::Strong } else { Strength::Normal(tc0) };
            let thresholds = Thresholds { alpha, beta, strength };
            let of = |line: usize, lines: usize| {
                let tc0 = i32::from(tc0[line * 4 / lines]);
                let strength = if strong { 4 } else { i32::from(tc0 >= 0) };
                (strength, (i32::from(alpha), i32::from(beta), tc0))
            };
            let at = |x: usize, y: usize| i32::from(plane[16 * y + x]);
            let (mut vertical, mut horizontal) = (plane, plane);
            luma_vertical::<S, 16>(simd, &mut vertical, 16, 8, &thresholds);
            luma_horizontal(simd, &mut horizontal, 16, 8 * 16, &thresholds);
            for line in 0..16 {
                let (strength, limits) = of(line, 16);
                let (p, q) = reference(
                    std::array::from_fn(|k| at(7 - k, line)),
                    std::array::from_fn(|k| at(8 + k, line)),
                    strength,
                    limits,
                    false,
                );
                for k in 0..4 {
                    assert_eq!(i32::from(vertical[16 * line + 7 - k]), p[k], "{thresholds:?}");
                    assert_eq!(i32::from(vertical[16 * line + 8 + k]), q[k], "{thresholds:?}");
                }
                let (p, q) = reference(
                    std::array::from_fn(|k| at(line, 7 - k)),
                    std::array::from_fn(|k| at(line, 8 + k)),
                    strength,
                    limits,
                    false,
                );
                for k in 0..4 {
                    assert_eq!(i32::from(horizontal[16 * (7 - k) + line]), p[k], "{thresholds:?}");
                    assert_eq!(i32::from(horizontal[16 * (8 + k) + line]), q[k], "{thresholds:?}");
                }
            }
            let (mut vertical, mut horizontal) = (plane, plane);
            // The other component has other samples and other thresholds.
            let other = steps(&mut seed);
            let others = Thresholds { alpha: beta, beta: alpha, strength };
            let (mut first, mut second) = (other, other);
            let both = [thresholds, others];
            chroma_vertical::<S, 8>(simd, [&mut vertical, &mut second], 16, 8, &both);
            chroma_vertical::<S, 8>(simd, [&mut first, &mut other.clone()], 16, 8, &[others; 2]);
            assert_eq!(first, second, "whatever the other component is");
            let both = [others, thresholds];
            chroma_horizontal(simd, [&mut other.clone(), &mut horizontal], 16, 8 * 16, &both);
            let mut lines = plane;
            for line in 0..8 {
                let one = &mut lines[16 * line..];
                let tc0 = [tc0[line / 2]; 4];
                let strength = if strong { strength } else { Strength::Normal(tc0) };
                let both = [Thresholds { strength, ..thresholds }; 2];
                chroma_vertical::<S, 1>(simd, [one, &mut other.clone()], 16, 8, &both);
            }
            assert_eq!(lines, vertical, "line by line");
            for line in 0..8 {
                let (strength, limits) = of(line, 8);
                let across = |k: usize| if k < 2 { k } else { 0 };
                let (p, q) = reference(
                    std::array::from_fn(|k| at(7 - across(k), line)),
                    std::array::from_fn(|k| at(8 + across(k), line)),
                    strength,
                    limits,
                    true,
                );
                assert_eq!(i32::from(vertical[16 * line + 7]), p[0], "{thresholds:?}");
                assert_eq!(i32::from(vertical[16 * line + 8]), q[0], "{thresholds:?}");
                let (p, q) = reference(
                    std::array::from_fn(|k| at(line, 7 - across(k))),
                    std::array::from_fn(|k| at(line, 8 + across(k))),
                    strength,
                    limits,
                    true,
                );
                assert_eq!(i32::from(horizontal[16 * 7 + line]), p[0], "{thresholds:?}");
                assert_eq!(i32::from(horizontal[16 * 8 + line]), q[0], "{thresholds:?}");
            }
        }
    }
}
