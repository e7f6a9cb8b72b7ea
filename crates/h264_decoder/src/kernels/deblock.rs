//! The filters of the deblocking filter (ITU-T H.264 8.7.2.3, 8.7.2.4) on the sixteen or eight
//! lines across an edge.

use fearless_simd::{Simd, i16x8, i16x16, mask16x16, prelude::*, u8x16, u16x8, u32x4};

use crate::vectors::{Vectors, load, load_two, read_rows, store_rows, turned_4, write_rows};

/// What quantisers say about an edge (8.7.2.2).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Thresholds {
    /// `alpha`, 0 to 255; 0 where nothing is filtered.
    pub(crate) alpha: u8,
    /// `beta`, 0 to 18.
    pub(crate) beta: u8,
    /// `tC0` of bS 1 to 3, 0 to 25.
    pub(crate) tc0: [u8; 3],
}

/// bS of the four segments of an edge: 0 to 3, or 4 of all.
pub(crate) type Strengths = [u8; 4];

const STRONG: Strengths = [4; 4];

/// Filters a vertical edge of luma: LINES lines, at most 16, of which the q samples begin at
/// `position`.
#[inline(always)]
pub(crate) fn luma_vertical<S: Vectors, const LINES: usize>(
    simd: S,
    plane: &mut [u8],
    stride: usize,
    position: usize,
    thresholds: &Thresholds,
    strengths: Strengths,
) {
    let Some(lines) = read_rows::<8, LINES>(plane, position - 4, stride) else { return };
    let mut rows = [u8x16::splat(simd, 0); 16];
    for y in 0..LINES {
        rows[y] = load::<S, 8>(simd, lines[y]);
    }
    let columns = columns_of_rows(rows);
    match luma(simd, &columns, thresholds, strengths) {
        Luma::Same => {}
        Luma::Weak(columns) => {
            // The rows, four in a vector.
            let quarters = turned_4(columns);
            let mut lines = [&[0; 4]; LINES];
            for y in 0..LINES {
                lines[y] = &quarters[y / 4].as_array().as_chunks().0[y % 4];
            }
            write_rows(plane, position - 2, stride, lines);
        }
        Luma::Strong([p2, p1, p0, q0, q1, q2]) => {
            let [p3, .., q3] = columns;
            let pairs = pairs_of_rows([p3, p2, p1, p0, q0, q1, q2, q3]);
            let mut lines = [&[0; 8]; LINES];
            for y in 0..LINES {
                lines[y] = &pairs[y / 2].as_array().as_chunks().0[y % 2];
            }
            write_rows(plane, position - 4, stride, lines);
        }
    }
}

/// Filters a horizontal edge of sixteen columns of luma.
#[inline(always)]
pub(crate) fn luma_horizontal<S: Vectors>(
    simd: S,
    plane: &mut [u8],
    stride: usize,
    position: usize,
    thresholds: &Thresholds,
    strengths: Strengths,
) {
    let start = position - 4 * stride;
    let Some(lines) = read_rows::<16, 8>(plane, start, stride) else { return };
    let mut rows = [u8x16::splat(simd, 0); 8];
    for y in 0..8 {
        rows[y] = load::<S, 16>(simd, lines[y]);
    }
    match luma(simd, &rows, thresholds, strengths) {
        Luma::Same => {}
        Luma::Weak(rows) => store_rows::<S, 16, 4>(rows, plane, start + 2 * stride, stride),
        Luma::Strong(rows) => store_rows::<S, 16, 6>(rows, plane, start + stride, stride),
    }
}

/// Filters a vertical edge of Cb and of Cr: LINES lines of each, at most 8.
#[inline(always)]
pub(crate) fn chroma_vertical<S: Vectors, const LINES: usize>(
    simd: S,
    [cb, cr]: [&mut [u8]; 2],
    stride: usize,
    position: usize,
    thresholds: [&Thresholds; 2],
    strengths: Strengths,
) {
    let of_cb = read_rows::<4, LINES>(cb, position - 2, stride);
    let of_cr = read_rows::<4, LINES>(cr, position - 2, stride);
    let (Some(of_cb), Some(of_cr)) = (of_cb, of_cr) else { return };
    let mut rows = [u8x16::splat(simd, 0); 16];
    for y in 0..LINES {
        rows[y] = load::<S, 4>(simd, of_cb[y]);
        rows[8 + y] = load::<S, 4>(simd, of_cr[y]);
    }
    let columns = four_columns_of_rows(rows);
    let Some([p0, q0]) = chroma(simd, columns, thresholds, strengths) else { return };
    let (of_cb, of_cr) = (p0.zip_low(q0).to_array(), p0.zip_high(q0).to_array());
    for (plane, pairs) in [(cb, of_cb), (cr, of_cr)] {
        if let Some(lines) = pairs.as_chunks::<2>().0.first_chunk::<LINES>() {
            write_rows(plane, position - 1, stride, lines.each_ref());
        }
    }
}

/// Filters a horizontal edge of eight columns of Cb and of Cr.
#[inline(always)]
pub(crate) fn chroma_horizontal<S: Vectors>(
    simd: S,
    [cb, cr]: [&mut [u8]; 2],
    stride: usize,
    position: usize,
    thresholds: [&Thresholds; 2],
    strengths: Strengths,
) {
    let start = position - 2 * stride;
    let of_cb = read_rows::<8, 4>(cb, start, stride);
    let of_cr = read_rows::<8, 4>(cr, start, stride);
    let (Some(of_cb), Some(of_cr)) = (of_cb, of_cr) else { return };
    let mut rows = [u8x16::splat(simd, 0); 4];
    for y in 0..4 {
        rows[y] = load_two::<S, 8>(simd, of_cb[y], of_cr[y]);
    }
    let Some([p0, q0]) = chroma(simd, rows, thresholds, strengths) else { return };
    let (p0, q0) = (p0.to_array(), q0.to_array());
    let (p0, q0) = (p0.as_chunks::<8>().0, q0.as_chunks::<8>().0);
    write_rows(cb, start + stride, stride, [&p0[0], &q0[0]]);
    write_rows(cr, start + stride, stride, [&p0[1], &q0[1]]);
}

/// What may have changed of sixteen lines of luma.
enum Luma<S: Vectors> {
    Same,
    /// With bS below 4, p1 to q1.
    Weak([u8x16<S>; 4]),
    /// With bS 4, p2 to q2.
    Strong([u8x16<S>; 6]),
}

/// p3 to q3 of sixteen lines of luma.
#[inline(always)]
fn luma<S: Vectors>(
    simd: S,
    samples: &[u8x16<S>; 8],
    thresholds: &Thresholds,
    strengths: Strengths,
) -> Luma<S> {
    let beta = i16x16::splat(simd, thresholds.beta.into());
    let alpha = i16x16::splat(simd, thresholds.alpha.into());
    let [p3, p2, p1, p0, q0, q1, q2, q3] = samples;
    let [p1, p0, q0, q1] = [simd.widen(*p1), simd.widen(*p0), simd.widen(*q0), simd.widen(*q1)];
    let on = is_filtered([p1, p0, q0, q1], alpha, beta);
    if !simd.any_true_mask16x16(on) {
        return Luma::Same;
    }
    let (p2, q2) = (simd.widen(*p2), simd.widen(*q2));
    if strengths == STRONG {
        let small = (p0 - q0).abs().simd_lt((alpha >> 2) + 2);
        let ap = small & (p2 - p0).abs().simd_lt(beta);
        let aq = small & (q2 - q0).abs().simd_lt(beta);
        let (p3, q3) = (simd.widen(*p3), simd.widen(*q3));
        let [new_p0, new_p1, new_p2] = strong(simd, ap, [p0, p1, p2, p3], [q0, q1]);
        let [new_q0, new_q1, new_q2] = strong(simd, aq, [q0, q1, q2, q3], [p0, p1]);
        return Luma::Strong([
            narrow(simd, simd.select_i16x16(on, new_p2, p2)),
            narrow(simd, simd.select_i16x16(on, new_p1, p1)),
            narrow(simd, simd.select_i16x16(on, new_p0, p0)),
            narrow(simd, simd.select_i16x16(on, new_q0, q0)),
            narrow(simd, simd.select_i16x16(on, new_q1, q1)),
            narrow(simd, simd.select_i16x16(on, new_q2, q2)),
        ]);
    }
    let strengths = four_lines_each(simd, strengths);
    let on = on & strengths.simd_gt(0);
    let [one, two, three] = thresholds.tc0;
    let tc0 = [number(simd, one), number(simd, two), number(simd, three)];
    let tc0 = of_strengths(strengths, tc0) & on.to_vector();
    // The masks are -1 or 0.
    let ap = (on & (p2 - p0).abs().simd_lt(beta)).to_vector();
    let aq = (on & (q2 - q0).abs().simd_lt(beta)).to_vector();
    let [new_p0, new_q0] = shifted([p1, p0, q0, q1], tc0 - ap - aq);
    let middle = (p0 + q0 + 1) >> 1;
    let new_p1 = p1 + within((p2 + middle - (p1 << 1)) >> 1, tc0 & ap);
    let new_q1 = q1 + within((q2 + middle - (q1 << 1)) >> 1, tc0 & aq);
    Luma::Weak([
        narrow(simd, new_p1),
        narrow(simd, new_p0),
        narrow(simd, new_q0),
        narrow(simd, new_q1),
    ])
}

/// p1 to q1 of eight lines of Cb and eight of Cr; gives p0 and q0 if any of them may have changed.
#[inline(always)]
fn chroma<S: Vectors>(
    simd: S,
    [p1, p0, q0, q1]: [u8x16<S>; 4],
    [of_cb, of_cr]: [&Thresholds; 2],
    strengths: Strengths,
) -> Option<[u8x16<S>; 2]> {
    let alpha = halves(simd, of_cb.alpha, of_cr.alpha);
    let beta = halves(simd, of_cb.beta, of_cr.beta);
    let [p1, p0, q0, q1] = [simd.widen(p1), simd.widen(p0), simd.widen(q0), simd.widen(q1)];
    let on = is_filtered([p1, p0, q0, q1], alpha, beta);
    if !simd.any_true_mask16x16(on) {
        return None;
    }
    let [new_p0, new_q0] = if strengths == STRONG {
        let new_p0 = ((p1 << 1) + p0 + q1 + 2) >> 2;
        let new_q0 = ((q1 << 1) + q0 + p1 + 2) >> 2;
        [simd.select_i16x16(on, new_p0, p0), simd.select_i16x16(on, new_q0, q0)]
    } else {
        let strengths = two_lines_each(simd, strengths);
        let on = on & strengths.simd_gt(0);
        let [a, b, c] = of_cb.tc0;
        let [d, e, f] = of_cr.tc0;
        let tc0 = [halves(simd, a, d), halves(simd, b, e), halves(simd, c, f)];
        shifted([p1, p0, q0, q1], (of_strengths(strengths, tc0) + 1) & on.to_vector())
    };
    Some([narrow(simd, new_p0), narrow(simd, new_q0)])
}

/// `tC0` by bS 1 to 3.
#[inline(always)]
fn of_strengths<S: Simd>(strengths: i16x16<S>, [one, two, three]: [i16x16<S>; 3]) -> i16x16<S> {
    (strengths.simd_eq(1).to_vector() & one)
        | (strengths.simd_eq(2).to_vector() & two)
        | (strengths.simd_eq(3).to_vector() & three)
}

/// bS of four lines of each segment of an edge.
#[inline(always)]
fn four_lines_each<S: Vectors>(simd: S, strengths: Strengths) -> i16x16<S> {
    let pairs: u32x4<S> = pairs_of_lines(simd, strengths).bitcast();
    let (first, second) = (pairs.zip_low(pairs), pairs.zip_high(pairs));
    let lines: i16x16<S> = simd.combine_u32x4(first, second).bitcast();
    lines >> 8
}

/// The same of two lines, twice.
#[inline(always)]
fn two_lines_each<S: Vectors>(simd: S, strengths: Strengths) -> i16x16<S> {
    let pairs = pairs_of_lines(simd, strengths);
    let lines: i16x16<S> = simd.combine_u16x8(pairs, pairs).bitcast();
    lines >> 8
}

/// bS of two lines of each segment, in both bytes of a number.
#[inline(always)]
fn pairs_of_lines<S: Vectors>(simd: S, strengths: Strengths) -> u16x8<S> {
    let segments: u8x16<S> = u32x4::splat(simd, u32::from_le_bytes(strengths)).bitcast();
    let twice: u16x8<S> = segments.zip_low(segments).bitcast();
    twice.zip_low(twice)
}

#[inline(always)]
fn number<S: Vectors>(simd: S, number: u8) -> i16x16<S> {
    i16x16::splat(simd, number.into())
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
            let tc0 = std::array::from_fn(|k| (seed >> (12 + 3 * k) & 7) as u8);
            let thresholds = Thresholds { alpha, beta, tc0 };
            let strengths = if round % 3 == 0 {
                STRONG
            } else {
                std::array::from_fn(|k| (seed >> (21 + 2 * k) & 3) as u8)
            };
            let of = |line: usize, lines: usize| {
                let strength = strengths[line * 4 / lines];
                let tc0 = [0, tc0[0], tc0[1], tc0[2], 0][usize::from(strength)];
                (strength.into(), (i32::from(alpha), i32::from(beta), i32::from(tc0)))
            };
            let at = |x: usize, y: usize| i32::from(plane[16 * y + x]);
            let (mut vertical, mut horizontal) = (plane, plane);
            luma_vertical::<S, 16>(simd, &mut vertical, 16, 8, &thresholds, strengths);
            luma_horizontal(simd, &mut horizontal, 16, 8 * 16, &thresholds, strengths);
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
            let [one, two, three] = tc0;
            let others = Thresholds { alpha: beta, beta: alpha, tc0: [three, one, two] };
            let (mut first, mut second) = (other, other);
            let both = [&thresholds, &others];
            let planes = [&mut vertical[..], &mut second];
            chroma_vertical::<S, 8>(simd, planes, 16, 8, both, strengths);
            let planes = [&mut first[..], &mut other.clone()];
            chroma_vertical::<S, 8>(simd, planes, 16, 8, [&others; 2], strengths);
            assert_eq!(first, second, "whatever the other component is");
            let mut copy = other;
            let planes = [&mut copy[..], &mut horizontal];
            chroma_horizontal(simd, planes, 16, 8 * 16, [&others, &thresholds], strengths);
            let mut lines = plane;
            for line in 0..8 {
                let planes = [&mut lines[16 * line..], &mut other.clone()];
                let strengths = [strengths[line / 2]; 4];
                chroma_vertical::<S, 1>(simd, planes, 16, 8, [&thresholds; 2], strengths);
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
