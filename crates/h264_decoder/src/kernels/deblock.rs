//! The filters of the deblocking filter (ITU-T H.264 8.7.2.3, 8.7.2.4) on the sixteen or eight
//! lines across an edge.

/// How an edge is filtered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thresholds {
    /// `alpha`, 0 to 255.
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

/// Filters a vertical edge of luma: LINES lines of which the q samples begin at `position`.
pub(crate) fn luma_vertical<const LINES: usize>(
    plane: &mut [u8],
    stride: usize,
    position: usize,
    thresholds: Thresholds,
) {
    let mut samples = [[0i16; LINES]; 8];
    let start = position - 4;
    for y in 0..LINES {
        let Some(row) = plane.get(start + y * stride..).and_then(<[u8]>::first_chunk::<8>) else {
            return;
        };
        for x in 0..8 {
            samples[x][y] = row[x].into();
        }
    }
    if !luma_lines(&mut samples, thresholds) {
        return;
    }
    for y in 0..LINES {
        let row = plane.get_mut(start + y * stride..).and_then(<[u8]>::first_chunk_mut::<8>);
        let Some(row) = row else { return };
        for x in 1..7 {
            row[x] = samples[x][y] as u8;
        }
    }
}

/// Filters a horizontal edge of sixteen columns of luma.
pub(crate) fn luma_horizontal(
    plane: &mut [u8],
    stride: usize,
    position: usize,
    thresholds: Thresholds,
) {
    let mut samples = [[0i16; 16]; 8];
    let start = position - 4 * stride;
    for (y, line) in samples.iter_mut().enumerate() {
        let Some(row) = plane.get(start + y * stride..).and_then(<[u8]>::first_chunk::<16>) else {
            return;
        };
        *line = row.map(i16::from);
    }
    if !luma_lines(&mut samples, thresholds) {
        return;
    }
    for y in 1..7 {
        let row = plane.get_mut(start + y * stride..).and_then(<[u8]>::first_chunk_mut::<16>);
        if let Some(row) = row {
            *row = samples[y].map(|sample| sample as u8);
        }
    }
}

/// One of two values, without a branch.
#[inline(always)]
fn select(is: bool, yes: i16, no: i16) -> i16 {
    let mask = -i16::from(is);
    (yes & mask) | (no & !mask)
}

/// Which lines differ so little that they are filtered (8-468).
#[inline(always)]
fn filtered_lines<const LINES: usize>(
    [p1, p0, q0, q1]: [&[i16; LINES]; 4],
    thresholds: Thresholds,
) -> ([bool; LINES], bool) {
    let (alpha, beta) = (i16::from(thresholds.alpha), i16::from(thresholds.beta));
    let mut lines = [false; LINES];
    let mut any = false;
    for k in 0..LINES {
        // No short circuits: all lines are looked at side by side.
        let line = ((p0[k] - q0[k]).abs() < alpha)
            & ((p1[k] - p0[k]).abs() < beta)
            & ((q1[k] - q0[k]).abs() < beta);
        lines[k] = line;
        any |= line;
    }
    (lines, any)
}

/// p3 to q3 of each line; returns whether any of them may have changed.
#[inline(always)]
fn luma_lines<const LINES: usize>(samples: &mut [[i16; LINES]; 8], thresholds: Thresholds) -> bool {
    let beta = i16::from(thresholds.beta);
    let [p3, p2, p1, p0, q0, q1, q2, q3] = samples;
    let (filtered, any) = filtered_lines([p1, p0, q0, q1], thresholds);
    if !any {
        return false;
    }
    match thresholds.strength {
        Strength::Normal(segments) => {
            let mut limits = [0; LINES];
            for k in 0..LINES {
                limits[k] = i16::from(segments[k * 4 / LINES]);
            }
            for k in 0..LINES {
                let on = filtered[k] & (limits[k] >= 0);
                let tc0 = select(on, limits[k], 0);
                let ap = on & ((p2[k] - p0[k]).abs() < beta);
                let aq = on & ((q2[k] - q0[k]).abs() < beta);
                let tc = tc0 + i16::from(ap) + i16::from(aq);
                let delta = (((q0[k] - p0[k]) * 4 + (p1[k] - q1[k]) + 4) >> 3).max(-tc).min(tc);
                let middle = (p0[k] + q0[k] + 1) >> 1;
                let (of_p, of_q) = (select(ap, tc0, 0), select(aq, tc0, 0));
                let p1_delta = ((p2[k] + middle - 2 * p1[k]) >> 1).max(-of_p).min(of_p);
                let q1_delta = ((q2[k] + middle - 2 * q1[k]) >> 1).max(-of_q).min(of_q);
                p1[k] += p1_delta;
                q1[k] += q1_delta;
                p0[k] = (p0[k] + delta).clamp(0, 255);
                q0[k] = (q0[k] - delta).clamp(0, 255);
            }
        }
        Strength::Strong => {
            let small_alpha = (i16::from(thresholds.alpha) >> 2) + 2;
            for k in 0..LINES {
                let small = (p0[k] - q0[k]).abs() < small_alpha;
                let ap = small & ((p2[k] - p0[k]).abs() < beta);
                let aq = small & ((q2[k] - q0[k]).abs() < beta);
                let p = strong(ap, [p0[k], p1[k], p2[k], p3[k]], q0[k], q1[k]);
                let q = strong(aq, [q0[k], q1[k], q2[k], q3[k]], p0[k], p1[k]);
                p0[k] = select(filtered[k], p[0], p0[k]);
                p1[k] = select(filtered[k], p[1], p1[k]);
                p2[k] = select(filtered[k], p[2], p2[k]);
                q0[k] = select(filtered[k], q[0], q0[k]);
                q1[k] = select(filtered[k], q[1], q1[k]);
                q2[k] = select(filtered[k], q[2], q2[k]);
            }
        }
    }
    true
}

/// bS 4 on one side of the edge (8-483 to 8-490), the other side's samples behind.
#[inline(always)]
fn strong(deep: bool, [s0, s1, s2, s3]: [i16; 4], o0: i16, o1: i16) -> [i16; 3] {
    [
        select(deep, (s2 + 2 * s1 + 2 * s0 + 2 * o0 + o1 + 4) >> 3, (2 * s1 + s0 + o1 + 2) >> 2),
        select(deep, (s2 + s1 + s0 + o0 + 2) >> 2, s1),
        select(deep, (2 * s3 + 3 * s2 + s1 + s0 + o0 + 4) >> 3, s2),
    ]
}

/// Filters a vertical edge of chroma.
pub(crate) fn chroma_vertical<const LINES: usize>(
    plane: &mut [u8],
    stride: usize,
    position: usize,
    thresholds: Thresholds,
) {
    let mut samples = [[0i16; LINES]; 4];
    let start = position - 2;
    for y in 0..LINES {
        let Some(row) = plane.get(start + y * stride..).and_then(<[u8]>::first_chunk::<4>) else {
            return;
        };
        for x in 0..4 {
            samples[x][y] = row[x].into();
        }
    }
    chroma_lines(&mut samples, thresholds);
    for y in 0..LINES {
        let row = plane.get_mut(start + y * stride..).and_then(<[u8]>::first_chunk_mut::<4>);
        let Some(row) = row else { return };
        row[1] = samples[1][y] as u8;
        row[2] = samples[2][y] as u8;
    }
}

/// Filters a horizontal edge of eight columns of chroma.
pub(crate) fn chroma_horizontal(
    plane: &mut [u8],
    stride: usize,
    position: usize,
    thresholds: Thresholds,
) {
    let mut samples = [[0i16; 8]; 4];
    let start = position - 2 * stride;
    for (y, line) in samples.iter_mut().enumerate() {
        let Some(row) = plane.get(start + y * stride..).and_then(<[u8]>::first_chunk::<8>) else {
            return;
        };
        *line = row.map(i16::from);
    }
    chroma_lines(&mut samples, thresholds);
    for y in 1..3 {
        let row = plane.get_mut(start + y * stride..).and_then(<[u8]>::first_chunk_mut::<8>);
        if let Some(row) = row {
            *row = samples[y].map(|sample| sample as u8);
        }
    }
}

/// p1 to q1 of each line.
#[inline(always)]
fn chroma_lines<const LINES: usize>(samples: &mut [[i16; LINES]; 4], thresholds: Thresholds) {
    let [p1, p0, q0, q1] = samples;
    let (filtered, any) = filtered_lines([p1, p0, q0, q1], thresholds);
    if !any {
        return;
    }
    match thresholds.strength {
        Strength::Normal(segments) => {
            let mut limits = [0; LINES];
            for k in 0..LINES {
                limits[k] = i16::from(segments[k * 4 / LINES]) + 1;
            }
            for k in 0..LINES {
                let tc = select(filtered[k], limits[k], 0);
                let delta = (((q0[k] - p0[k]) * 4 + (p1[k] - q1[k]) + 4) >> 3).max(-tc).min(tc);
                p0[k] = (p0[k] + delta).clamp(0, 255);
                q0[k] = (q0[k] - delta).clamp(0, 255);
            }
        }
        Strength::Strong => {
            for k in 0..LINES {
                let p = (2 * p1[k] + p0[k] + q1[k] + 2) >> 2;
                let q = (2 * q1[k] + q0[k] + p1[k] + 2) >> 2;
                p0[k] = select(filtered[k], p, p0[k]);
                q0[k] = select(filtered[k], q, q0[k]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            luma_vertical::<16>(&mut vertical, 16, 8, thresholds);
            luma_horizontal(&mut horizontal, 16, 8 * 16, thresholds);
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
            chroma_vertical::<8>(&mut vertical, 16, 8, thresholds);
            chroma_horizontal(&mut horizontal, 16, 8 * 16, thresholds);
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
