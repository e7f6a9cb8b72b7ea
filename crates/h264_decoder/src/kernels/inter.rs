//! Interpolation of reference samples (ITU-T H.264 8.4.2.2) and weighting (8.4.2.3).

use super::clip;

/// A block to write: a plane, its stride, and where the block begins.
pub(crate) struct Target<'a> {
    pub(crate) plane: &'a mut [u8],
    pub(crate) stride: usize,
    pub(crate) position: usize,
}

impl Target<'_> {
    #[inline(always)]
    fn row<const W: usize>(&mut self, y: usize) -> Option<&mut [u8; W]> {
        self.plane.get_mut(self.position + y * self.stride..)?.first_chunk_mut()
    }

    pub(crate) fn reborrow(&mut self) -> Target<'_> {
        Target { plane: self.plane, stride: self.stride, position: self.position }
    }
}

/// A block to read from, with what the filters need around it.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) plane: &'a [u8],
    pub(crate) stride: usize,
    pub(crate) position: usize,
}

impl<'a> Source<'a> {
    #[inline(always)]
    fn row<const W: usize>(&self, y: usize) -> Option<&'a [u8; W]> {
        self.plane.get(self.position + y * self.stride..)?.first_chunk()
    }

    /// The source moved back by some samples and rows.
    #[inline(always)]
    fn back(self, x: usize, y: usize) -> Self {
        Self { position: self.position.wrapping_sub(x + y * self.stride), ..self }
    }

    #[inline(always)]
    fn on(self, x: usize, y: usize) -> Self {
        Self { position: self.position + x + y * self.stride, ..self }
    }
}

/// Luma samples at a quarter-sample position (8.4.2.2.1); `dx` and `dy` 0 to 3, a width of 4, 8 or
/// 16. Reads two samples before and three behind the block in each direction that is not 0.
pub(crate) fn luma(
    target: Target<'_>,
    source: Source<'_>,
    width: usize,
    height: usize,
    dx: usize,
    dy: usize,
) {
    match width {
        16 => luma_of_width::<16, 21>(target, source, height, dx, dy),
        8 => luma_of_width::<8, 13>(target, source, height, dx, dy),
        _ => luma_of_width::<4, 9>(target, source, height, dx, dy),
    }
}

#[inline(always)]
fn luma_of_width<const W: usize, const N: usize>(
    mut target: Target<'_>,
    source: Source<'_>,
    height: usize,
    dx: usize,
    dy: usize,
) {
    let t = &mut target;
    match (dx, dy) {
        (0, 0) => copy::<W>(t, source, height),
        (_, 0) => {
            half_horizontal::<W, N>(t, source, height);
            if dx != 2 {
                average_with::<W>(t, source.on(dx / 2, 0), height);
            }
        }
        (0, _) => {
            half_vertical::<W>(t, source, height);
            if dy != 2 {
                average_with::<W>(t, source.on(0, dy / 2), height);
            }
        }
        (2, 2) => half_both::<W, N>(t, source, height),
        (2, _) => {
            half_both::<W, N>(t, source, height);
            average_half_horizontal::<W, N>(t, source.on(0, dy / 2), height);
        }
        (_, 2) => {
            half_both::<W, N>(t, source, height);
            average_half_vertical::<W>(t, source.on(dx / 2, 0), height);
        }
        _ => {
            half_horizontal::<W, N>(t, source.on(0, dy / 2), height);
            average_half_vertical::<W>(t, source.on(dx / 2, 0), height);
        }
    }
}

#[inline(always)]
fn copy<const W: usize>(target: &mut Target<'_>, source: Source<'_>, height: usize) {
    for y in 0..height {
        if let (Some(to), Some(from)) = (target.row::<W>(y), source.row::<W>(y)) {
            *to = *from;
        }
    }
}

#[inline(always)]
fn average_with<const W: usize>(target: &mut Target<'_>, source: Source<'_>, height: usize) {
    for y in 0..height {
        if let (Some(to), Some(from)) = (target.row::<W>(y), source.row::<W>(y)) {
            row::average_with(to, from);
        }
    }
}

/// Rows of samples. Their parameters tell the compiler that what is written is none of what is
/// read, without which it would not work on many samples at once.
mod row {
    use super::{average, clip, clip_half, horizontal_sum, six_tap};

    /// Eight samples in a word: what both have, and half of what they differ by, rounded up.
    #[inline(always)]
    pub(super) fn average_with<const W: usize>(to: &mut [u8; W], from: &[u8; W]) {
        const ALL_BUT_LOWEST_BITS: u64 = 0xfefe_fefe_fefe_fefe;
        let (words, rest) = to.as_chunks_mut::<8>();
        let (from_words, from_rest) = from.as_chunks::<8>();
        for (to, &from) in words.iter_mut().zip(from_words) {
            let (a, b) = (u64::from_le_bytes(*to), u64::from_le_bytes(from));
            *to = ((a | b) - (((a ^ b) & ALL_BUT_LOWEST_BITS) >> 1)).to_le_bytes();
        }
        for (to, &from) in rest.iter_mut().zip(from_rest) {
            *to = average(*to, from);
        }
    }

    #[inline(always)]
    pub(super) fn half_horizontal<const W: usize, const N: usize>(
        to: &mut [u8; W],
        from: &[u8; N],
    ) {
        for x in 0..W {
            to[x] = clip_half(horizontal_sum(from, x));
        }
    }

    #[inline(always)]
    pub(super) fn average_half_horizontal<const W: usize, const N: usize>(
        to: &mut [u8; W],
        from: &[u8; N],
    ) {
        for x in 0..W {
            to[x] = average(to[x], clip_half(horizontal_sum(from, x)));
        }
    }

    #[inline(always)]
    pub(super) fn sums<const W: usize, const N: usize>(to: &mut [i16; W], from: &[u8; N]) {
        for x in 0..W {
            to[x] = horizontal_sum(from, x);
        }
    }

    #[inline(always)]
    pub(super) fn half_vertical<const W: usize>(
        to: &mut [u8; W],
        [a, b, c, d, e, f]: [&[u8; W]; 6],
    ) {
        for x in 0..W {
            let [a, b, c, d, e, f] = [a[x], b[x], c[x], d[x], e[x], f[x]].map(i16::from);
            to[x] = clip_half(six_tap(a, b, c, d, e, f));
        }
    }

    #[inline(always)]
    pub(super) fn average_half_vertical<const W: usize>(
        to: &mut [u8; W],
        [a, b, c, d, e, f]: [&[u8; W]; 6],
    ) {
        for x in 0..W {
            let [a, b, c, d, e, f] = [a[x], b[x], c[x], d[x], e[x], f[x]].map(i16::from);
            to[x] = average(to[x], clip_half(six_tap(a, b, c, d, e, f)));
        }
    }

    #[inline(always)]
    pub(super) fn half_of_sums<const W: usize>(
        to: &mut [u8; W],
        [a, b, c, d, e, f]: [&[i16; W]; 6],
    ) {
        for x in 0..W {
            let outer = i32::from(a[x]) + i32::from(f[x]);
            let middle = i32::from(b[x]) + i32::from(e[x]);
            let inner = i32::from(c[x]) + i32::from(d[x]);
            to[x] = clip((outer - 5 * middle + 20 * inner + 512) >> 10);
        }
    }

    /// Eighths between a sample and the next.
    #[inline(always)]
    pub(super) fn eighths_horizontal<const W: usize, const N: usize>(
        to: &mut [u8; W],
        from: &[u8; N],
        [x0, x1]: [u16; 2],
    ) {
        for x in 0..W {
            let sum = x0 * u16::from(from[x]) + x1 * u16::from(from[x + 1]);
            to[x] = ((sum + 4) >> 3) as u8;
        }
    }

    /// Eighths between a row and the next.
    #[inline(always)]
    pub(super) fn eighths_vertical<const W: usize>(
        to: &mut [u8; W],
        upper: &[u8; W],
        lower: &[u8; W],
        [y0, y1]: [u16; 2],
    ) {
        for x in 0..W {
            let sum = y0 * u16::from(upper[x]) + y1 * u16::from(lower[x]);
            to[x] = ((sum + 4) >> 3) as u8;
        }
    }

    #[inline(always)]
    pub(super) fn eighths_both<const W: usize, const N: usize>(
        to: &mut [u8; W],
        upper: &[u8; N],
        lower: &[u8; N],
        [a, b, c, d]: [u16; 4],
    ) {
        for x in 0..W {
            let sum = a * u16::from(upper[x])
                + b * u16::from(upper[x + 1])
                + c * u16::from(lower[x])
                + d * u16::from(lower[x + 1]);
            to[x] = ((sum + 32) >> 6) as u8;
        }
    }

    /// Two weighted samples whose sum fits 16 bits.
    #[inline(always)]
    pub(super) fn weigh_16<const W: usize>(
        to: &mut [u8; W],
        from: &[u8; W],
        [w0, w1]: [i16; 2],
        (round, shift, offset): (i16, u32, i16),
    ) {
        for x in 0..W {
            let sum = i16::from(to[x]) * w0 + i16::from(from[x]) * w1;
            to[x] = (((sum + round) >> shift) + offset).clamp(0, 255) as u8;
        }
    }

    #[inline(always)]
    pub(super) fn weigh_32<const W: usize>(
        to: &mut [u8; W],
        from: &[u8; W],
        [w0, w1]: [i32; 2],
        (round, shift, offset): (i32, u32, i32),
    ) {
        for x in 0..W {
            let sum = i32::from(to[x]) * w0 + i32::from(from[x]) * w1;
            to[x] = clip(((sum + round) >> shift) + offset);
        }
    }
}

#[inline(always)]
fn average(a: u8, b: u8) -> u8 {
    ((u16::from(a) + u16::from(b) + 1) >> 1) as u8
}

/// The six-tap filter; sums of samples fit 16 bits.
#[inline(always)]
fn six_tap(a: i16, b: i16, c: i16, d: i16, e: i16, f: i16) -> i16 {
    a + f - 5 * (b + e) + 20 * (c + d)
}

#[inline(always)]
fn clip_half(sum: i16) -> u8 {
    ((sum + 16) >> 5).clamp(0, 255) as u8
}

#[inline(always)]
fn half_horizontal<const W: usize, const N: usize>(
    target: &mut Target<'_>,
    source: Source<'_>,
    height: usize,
) {
    let source = source.back(2, 0);
    for y in 0..height {
        if let (Some(to), Some(from)) = (target.row::<W>(y), source.row::<N>(y)) {
            row::half_horizontal(to, from);
        }
    }
}

#[inline(always)]
fn horizontal_sum<const N: usize>(row: &[u8; N], x: usize) -> i16 {
    six_tap(
        row[x].into(),
        row[x + 1].into(),
        row[x + 2].into(),
        row[x + 3].into(),
        row[x + 4].into(),
        row[x + 5].into(),
    )
}

#[inline(always)]
fn average_half_horizontal<const W: usize, const N: usize>(
    target: &mut Target<'_>,
    source: Source<'_>,
    height: usize,
) {
    let source = source.back(2, 0);
    for y in 0..height {
        if let (Some(to), Some(from)) = (target.row::<W>(y), source.row::<N>(y)) {
            row::average_half_horizontal(to, from);
        }
    }
}

/// Calls `filter` with each row and the six rows around it.
#[inline(always)]
fn vertical_rows<const W: usize>(
    target: &mut Target<'_>,
    source: Source<'_>,
    height: usize,
    filter: impl Fn(&mut [u8; W], [&[u8; W]; 6]),
) {
    let source = source.back(0, 2);
    for y in 0..height {
        let (Some(a), Some(b), Some(c), Some(d), Some(e), Some(f)) = (
            source.row(y),
            source.row(y + 1),
            source.row(y + 2),
            source.row(y + 3),
            source.row(y + 4),
            source.row(y + 5),
        ) else {
            return;
        };
        if let Some(to) = target.row::<W>(y) {
            filter(to, [a, b, c, d, e, f]);
        }
    }
}

#[inline(always)]
fn half_vertical<const W: usize>(target: &mut Target<'_>, source: Source<'_>, height: usize) {
    vertical_rows::<W>(target, source, height, row::half_vertical);
}

#[inline(always)]
fn average_half_vertical<const W: usize>(
    target: &mut Target<'_>,
    source: Source<'_>,
    height: usize,
) {
    vertical_rows::<W>(target, source, height, row::average_half_vertical);
}

/// The samples `j`: filtered in both directions without rounding between.
#[inline(always)]
fn half_both<const W: usize, const N: usize>(
    target: &mut Target<'_>,
    source: Source<'_>,
    height: usize,
) {
    let source = source.back(2, 2);
    let mut sums = [[0i16; W]; 21];
    for (y, sums) in sums.iter_mut().enumerate().take(height + 5) {
        if let Some(from) = source.row::<N>(y) {
            row::sums(sums, from);
        }
    }
    for (y, window) in sums.windows(6).take(height).enumerate() {
        let [a, b, c, d, e, f] = window else { return };
        if let Some(to) = target.row::<W>(y) {
            row::half_of_sums(to, [a, b, c, d, e, f]);
        }
    }
}

/// Chroma samples at an eighth-sample position (8.4.2.2.2); `dx` and `dy` 0 to 7, a width of 2, 4
/// or 8. Reads one sample behind the block where `dx` is not 0, one row where `dy` is not 0.
pub(crate) fn chroma(
    target: Target<'_>,
    source: Source<'_>,
    width: usize,
    height: usize,
    dx: usize,
    dy: usize,
) {
    match width {
        8 => chroma_of_width::<8, 9>(target, source, height, dx, dy),
        4 => chroma_of_width::<4, 5>(target, source, height, dx, dy),
        _ => chroma_of_width::<2, 3>(target, source, height, dx, dy),
    }
}

#[inline(always)]
fn chroma_of_width<const W: usize, const N: usize>(
    mut target: Target<'_>,
    source: Source<'_>,
    height: usize,
    dx: usize,
    dy: usize,
) {
    let (x1, y1) = (dx as u16, dy as u16);
    let (x0, y0) = (8 - x1, 8 - y1);
    match (dx, dy) {
        (0, 0) => copy::<W>(&mut target, source, height),
        (_, 0) => {
            for y in 0..height {
                if let (Some(to), Some(from)) = (target.row::<W>(y), source.row::<N>(y)) {
                    row::eighths_horizontal(to, from, [x0, x1]);
                }
            }
        }
        (0, _) => {
            for y in 0..height {
                let (Some(upper), Some(lower)) = (source.row::<W>(y), source.row::<W>(y + 1))
                else {
                    return;
                };
                if let Some(to) = target.row::<W>(y) {
                    row::eighths_vertical(to, upper, lower, [y0, y1]);
                }
            }
        }
        _ => {
            let weights = [x0 * y0, x1 * y0, x0 * y1, x1 * y1];
            for y in 0..height {
                let (Some(upper), Some(lower)) = (source.row::<N>(y), source.row::<N>(y + 1))
                else {
                    return;
                };
                if let Some(to) = target.row::<W>(y) {
                    row::eighths_both(to, upper, lower, weights);
                }
            }
        }
    }
}

/// Copies a block.
pub(crate) fn copy_block(mut target: Target<'_>, source: Source<'_>, width: usize, height: usize) {
    match width {
        16 => copy::<16>(&mut target, source, height),
        8 => copy::<8>(&mut target, source, height),
        4 => copy::<4>(&mut target, source, height),
        _ => copy::<2>(&mut target, source, height),
    }
}

/// Default weighting of two predictions (8-273): the target becomes the average of itself and the
/// other.
pub(crate) fn average_blocks(
    mut target: Target<'_>,
    other: Source<'_>,
    width: usize,
    height: usize,
) {
    match width {
        16 => average_with::<16>(&mut target, other, height),
        8 => average_with::<8>(&mut target, other, height),
        4 => average_with::<4>(&mut target, other, height),
        _ => average_with::<2>(&mut target, other, height),
    }
}

/// Explicit weighting of one prediction (8-274, 8-275).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uni {
    pub(crate) log2_denominator: u32,
    pub(crate) weight: i32,
    pub(crate) offset: i32,
}

pub(crate) fn weight_block(mut target: Target<'_>, width: usize, height: usize, uni: Uni) {
    match width {
        16 => weight_of_width::<16>(&mut target, height, uni),
        8 => weight_of_width::<8>(&mut target, height, uni),
        4 => weight_of_width::<4>(&mut target, height, uni),
        _ => weight_of_width::<2>(&mut target, height, uni),
    }
}

#[inline(always)]
fn weight_of_width<const W: usize>(target: &mut Target<'_>, height: usize, uni: Uni) {
    // Weights are -128 to 127, or 128: products fit 16 bits.
    let round = if uni.log2_denominator > 0 { 1 << (uni.log2_denominator - 1) } else { 0 };
    let (weight, offset) = (uni.weight as i16, uni.offset as i16);
    for y in 0..height {
        if let Some(to) = target.row::<W>(y) {
            for sample in to {
                let product = i16::from(*sample) * weight;
                let scaled = (product + round) >> uni.log2_denominator;
                *sample = (scaled + offset).clamp(0, 255) as u8;
            }
        }
    }
}

/// Weighting of two predictions (8-276), explicit or implicit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bi {
    pub(crate) log2_denominator: u32,
    pub(crate) weights: [i32; 2],
    /// The sum of both offsets.
    pub(crate) offsets: i32,
}

pub(crate) fn weight_blocks(
    mut target: Target<'_>,
    other: Source<'_>,
    width: usize,
    height: usize,
    bi: Bi,
) {
    match width {
        16 => weight_both_of_width::<16>(&mut target, other, height, bi),
        8 => weight_both_of_width::<8>(&mut target, other, height, bi),
        4 => weight_both_of_width::<4>(&mut target, other, height, bi),
        _ => weight_both_of_width::<2>(&mut target, other, height, bi),
    }
}

#[inline(always)]
fn weight_both_of_width<const W: usize>(
    target: &mut Target<'_>,
    other: Source<'_>,
    height: usize,
    bi: Bi,
) {
    let round = 1 << bi.log2_denominator;
    let shift = bi.log2_denominator + 1;
    let offset = (bi.offsets + 1) >> 1;
    let [w0, w1] = bi.weights;
    let most = 255 * (w0.max(0) + w1.max(0)) + round;
    let least = 255 * (w0.min(0) + w1.min(0));
    // Implicit weights, and all but extreme explicit ones, need no more than 16 bits.
    if most <= i16::MAX.into() && least >= i16::MIN.into() {
        let (w0, w1, round, offset) = (w0 as i16, w1 as i16, round as i16, offset as i16);
        for y in 0..height {
            if let (Some(to), Some(from)) = (target.row::<W>(y), other.row::<W>(y)) {
                row::weigh_16(to, from, [w0, w1], (round, shift, offset));
            }
        }
        return;
    }
    for y in 0..height {
        if let (Some(to), Some(from)) = (target.row::<W>(y), other.row::<W>(y)) {
            row::weigh_32(to, from, [w0, w1], (round, shift, offset));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRIDE: usize = 40;

    fn noise() -> Vec<u8> {
        let mut seed = 5u32;
        (0..STRIDE * 40)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Mostly extremes, so that the clipping is met.
                if seed & 0x100 == 0 { (seed >> 24) as u8 } else { ((seed >> 31) * 255) as u8 }
            })
            .collect()
    }

    fn at(plane: &[u8], x: i32, y: i32) -> i32 {
        plane[(y * STRIDE as i32 + x) as usize].into()
    }

    fn tap(samples: [i32; 6]) -> i32 {
        samples[0] - 5 * samples[1] + 20 * samples[2] + 20 * samples[3] - 5 * samples[4]
            + samples[5]
    }

    /// One sample by the names of figure 8-4 and table 8-12.
    fn reference_luma(plane: &[u8], x: i32, y: i32, dx: usize, dy: usize) -> u8 {
        let clip1 = |value: i32| value.clamp(0, 255);
        let row_sum = |x: i32, y: i32| tap([-2, -1, 0, 1, 2, 3].map(|k| at(plane, x + k, y)));
        let column_sum = |x: i32, y: i32| tap([-2, -1, 0, 1, 2, 3].map(|k| at(plane, x, y + k)));
        let b = |x: i32, y: i32| clip1((row_sum(x, y) + 16) >> 5);
        let h = |x: i32, y: i32| clip1((column_sum(x, y) + 16) >> 5);
        let j = clip1((tap([-2, -1, 0, 1, 2, 3].map(|k| row_sum(x, y + k))) + 512) >> 10);
        let avg = |a: i32, b: i32| (a + b + 1) >> 1;
        let g = at(plane, x, y);
        let value = match (dx, dy) {
            (0, 0) => g,
            (0, 1) => avg(g, h(x, y)),
            (0, 2) => h(x, y),
            (0, 3) => avg(at(plane, x, y + 1), h(x, y)),
            (1, 0) => avg(g, b(x, y)),
            (1, 1) => avg(b(x, y), h(x, y)),
            (1, 2) => avg(h(x, y), j),
            (1, 3) => avg(h(x, y), b(x, y + 1)),
            (2, 0) => b(x, y),
            (2, 1) => avg(b(x, y), j),
            (2, 2) => j,
            (2, 3) => avg(j, b(x, y + 1)),
            (3, 0) => avg(at(plane, x + 1, y), b(x, y)),
            (3, 1) => avg(b(x, y), h(x + 1, y)),
            (3, 2) => avg(j, h(x + 1, y)),
            _ => avg(h(x + 1, y), b(x, y + 1)),
        };
        value as u8
    }

    #[test]
    fn s8_4_2_2_1_every_quarter_position() {
        let plane = noise();
        for width in [4, 8, 16] {
            for (dx, dy) in (0..16).map(|index| (index % 4, index / 4)) {
                let mut out = vec![0; 16 * 16];
                let source = Source { plane: &plane, stride: STRIDE, position: 5 * STRIDE + 7 };
                luma(Target { plane: &mut out, stride: 16, position: 0 }, source, width, 9, dx, dy);
                for (x, y) in (0..width * 9).map(|index| (index % width, index / width)) {
                    let expected = reference_luma(&plane, x as i32 + 7, y as i32 + 5, dx, dy);
                    assert_eq!(out[y * 16 + x], expected, "{width} {dx} {dy} {x} {y}");
                }
            }
        }
    }

    #[test]
    fn s8_4_2_2_2_every_eighth_position() {
        let plane = noise();
        for width in [2, 4, 8] {
            for (dx, dy) in (0..64).map(|index| (index % 8, index / 8)) {
                let mut out = vec![0; 64];
                let source = Source { plane: &plane, stride: STRIDE, position: STRIDE + 3 };
                chroma(
                    Target { plane: &mut out, stride: 8, position: 0 },
                    source,
                    width,
                    8,
                    dx,
                    dy,
                );
                for (x, y) in (0..width * 8).map(|index| (index % width, index / width)) {
                    let (u, v) = (dx as i32, dy as i32);
                    let (px, py) = (x as i32 + 3, y as i32 + 1);
                    let expected = ((8 - u) * (8 - v) * at(&plane, px, py)
                        + u * (8 - v) * at(&plane, px + 1, py)
                        + (8 - u) * v * at(&plane, px, py + 1)
                        + u * v * at(&plane, px + 1, py + 1)
                        + 32)
                        >> 6;
                    assert_eq!(i32::from(out[y * 8 + x]), expected, "{width} {dx} {dy} {x} {y}");
                }
            }
        }
    }

    #[test]
    fn s8_4_2_3_weights_worked_by_hand() {
        let mut out = [100u8, 200, 0, 255];
        let target = Target { plane: &mut out, stride: 4, position: 0 };
        weight_block(target, 4, 1, Uni { log2_denominator: 2, weight: -3, offset: 80 });
        // (-300 + 2 >> 2) + 80 = 5, (-600 + 2 >> 2) + 80 < 0, 80, below 0.
        assert_eq!(out, [5, 0, 80, 0]);
        let mut out = [100u8, 200, 0, 255];
        let other = Source { plane: &[50, 100, 255, 255], stride: 4, position: 0 };
        let target = Target { plane: &mut out, stride: 4, position: 0 };
        weight_blocks(
            target,
            other,
            4,
            1,
            Bi { log2_denominator: 5, weights: [40, 24], offsets: 3 },
        );
        // (4000 + 1200 + 32 >> 6) + 2 = 83, 165, (6120 + 32 >> 6) + 2 = 98, over 255.
        assert_eq!(out, [83, 165, 98, 255]);
    }
}
