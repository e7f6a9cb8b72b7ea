//! Intra prediction (ITU-T H.264 8.3): what each mode puts in a block, from the samples around it in the plane.

use super::clip;

/// Writes one row of a block.
#[inline(always)]
fn put<const N: usize>(plane: &mut [u8], start: usize, row: &[u8; N]) {
    if let Some(target) = plane.get_mut(start..).and_then(<[u8]>::first_chunk_mut::<N>) {
        *target = *row;
    }
}

/// The samples above a block.
#[inline(always)]
fn above<const N: usize>(plane: &[u8], stride: usize, position: usize) -> [u8; N] {
    let start = position.wrapping_sub(stride);
    plane.get(start..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

/// The samples left of a block.
#[inline(always)]
fn left<const N: usize>(plane: &[u8], stride: usize, position: usize) -> [u8; N] {
    let start = position.wrapping_sub(1);
    std::array::from_fn(|y| plane.get(start.wrapping_add(y * stride)).copied().unwrap_or(0))
}

/// The sample above the left ones.
#[inline(always)]
fn corner(plane: &[u8], stride: usize, position: usize) -> u8 {
    plane.get(position.wrapping_sub(stride).wrapping_sub(1)).copied().unwrap_or(0)
}

/// Vertical prediction of NxN blocks.
#[inline]
pub(crate) fn vertical<const N: usize>(plane: &mut [u8], stride: usize, position: usize) {
    let row = above::<N>(plane, stride, position);
    for y in 0..N {
        put(plane, position + y * stride, &row);
    }
}

/// Horizontal prediction of NxN blocks.
#[inline]
pub(crate) fn horizontal<const N: usize>(plane: &mut [u8], stride: usize, position: usize) {
    for (y, sample) in left::<N>(plane, stride, position).into_iter().enumerate() {
        put(plane, position + y * stride, &[sample; N]);
    }
}

/// DC prediction of NxN luma blocks from what is there of the samples above and left (8.3.1.2.3, 8.3.3.3).
#[inline]
pub(crate) fn dc<const N: usize>(
    plane: &mut [u8],
    stride: usize,
    position: usize,
    has_above: bool,
    has_left: bool,
) {
    let sum = |samples: [u8; N]| samples.iter().map(|&sample| u32::from(sample)).sum::<u32>();
    let n = N as u32;
    let value = match (has_above, has_left) {
        (true, true) => {
            let both = sum(above(plane, stride, position)) + sum(left(plane, stride, position));
            (both + n) / (2 * n)
        }
        (true, false) => (sum(above(plane, stride, position)) + n / 2) / n,
        (false, true) => (sum(left(plane, stride, position)) + n / 2) / n,
        (false, false) => 128,
    };
    fill::<N>(plane, stride, position, value as u8);
}

#[inline]
fn fill<const N: usize>(plane: &mut [u8], stride: usize, position: usize, value: u8) {
    for y in 0..N {
        put(plane, position + y * stride, &[value; N]);
    }
}

/// Plane prediction of NxN blocks (8.3.3.4, 8.3.4.4): N is 16 of luma, 8 of chroma.
pub(crate) fn plane<const N: usize>(samples: &mut [u8], stride: usize, position: usize) {
    let above = above::<N>(samples, stride, position).map(i32::from);
    let left = left::<N>(samples, stride, position).map(i32::from);
    let corner = i32::from(corner(samples, stride, position));
    let half = N / 2;
    let gradient = |line: &[i32; N]| -> i32 {
        (0..half)
            .map(|index| {
                let low = if index + 1 == half { corner } else { line[half - 2 - index] };
                (index as i32 + 1) * (line[half + index] - low)
            })
            .sum()
    };
    // 5 and 34 for luma, 34 - 29 = 5 and 34 for chroma 4:2:0.
    let slope = |gradient: i32| {
        if N == 16 { (5 * gradient + 32) >> 6 } else { (34 * gradient + 32) >> 6 }
    };
    let (b, c) = (slope(gradient(&above)), slope(gradient(&left)));
    let a = 16 * (left[N - 1] + above[N - 1]);
    let centre = half as i32 - 1;
    for y in 0..N {
        let start = a + c * (y as i32 - centre) + 16;
        let row: [u8; N] = std::array::from_fn(|x| clip((start + b * (x as i32 - centre)) >> 5));
        put(samples, position + y * stride, &row);
    }
}

/// DC prediction of an 8x8 chroma block, of each 4x4 on its own (8.3.4.1 to 8.3.4.3). `has_left` is of the upper and
/// the lower half: in MBAFF frames they may be of different macroblocks.
pub(crate) fn chroma_dc(
    plane: &mut [u8],
    stride: usize,
    position: usize,
    has_above: bool,
    has_left: [bool; 2],
) {
    let above = above::<8>(plane, stride, position).map(u32::from);
    let left = left::<8>(plane, stride, position).map(u32::from);
    let sum = |samples: &[u32; 8], half: usize| samples.iter().skip(4 * half).take(4).sum::<u32>();
    for by in 0..2 {
        for bx in 0..2 {
            let value = match (has_above, has_left[by]) {
                // Blocks off the diagonal prefer the side that they touch.
                (true, true) if bx == by => (sum(&above, bx) + sum(&left, by) + 4) >> 3,
                (true, true) if bx == 1 => (sum(&above, bx) + 2) >> 2,
                (true, true) => (sum(&left, by) + 2) >> 2,
                (true, false) => (sum(&above, bx) + 2) >> 2,
                (false, true) => (sum(&left, by) + 2) >> 2,
                (false, false) => 128,
            };
            fill::<4>(plane, stride, position + 4 * by * stride + 4 * bx, value as u8);
        }
    }
}

/// The directional modes of 4x4 and 8x8 blocks (tables 8-2 and 8-3) behind vertical, horizontal and DC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    DiagonalDownLeft,
    DiagonalDownRight,
    VerticalRight,
    HorizontalDown,
    VerticalLeft,
    HorizontalUp,
}

#[inline(always)]
fn two(a: u8, b: u8) -> u8 {
    ((u16::from(a) + u16::from(b) + 1) >> 1) as u8
}

#[inline(always)]
fn three(a: u8, b: u8, c: u8) -> u8 {
    ((u16::from(a) + 2 * u16::from(b) + u16::from(c) + 2) >> 2) as u8
}

/// The samples around a 4x4 block in the plane; `above_right` is those above and right of it, if they are there.
pub(crate) fn edge_4x4(
    plane: &[u8],
    stride: usize,
    position: usize,
    has_above_right: bool,
) -> Edge<4, 8> {
    let mut line = above::<8>(plane, stride, position);
    if !has_above_right {
        let [.., last] = above::<4>(plane, stride, position);
        line[4..].fill(last);
    }
    Edge {
        above: line,
        left: left(plane, stride, position),
        corner: corner(plane, stride, position),
    }
}

/// The samples around an NxN block; M is twice N.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge<const N: usize, const M: usize> {
    /// Above, and above and right.
    pub(crate) above: [u8; M],
    pub(crate) left: [u8; N],
    pub(crate) corner: u8,
}

/// What there is around an 8x8 block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Available {
    pub(crate) above: bool,
    pub(crate) above_right: bool,
    pub(crate) left: bool,
    pub(crate) corner: bool,
}

/// The reference samples of an 8x8 block, filtered (8.3.2.2.1). Those that are not there are not to be relied on.
pub(crate) fn edge_8x8(
    plane: &[u8],
    stride: usize,
    position: usize,
    available: Available,
) -> Edge<8, 16> {
    let mut line = above::<16>(plane, stride, position);
    if !available.above_right {
        let [.., last] = above::<8>(plane, stride, position);
        line[8..].fill(last);
    }
    let raw_left = left::<8>(plane, stride, position);
    let corner = corner(plane, stride, position);
    let mut edge = Edge { above: [0; 16], left: [0; 8], corner };
    if available.above {
        edge.above[0] = if available.corner {
            three(corner, line[0], line[1])
        } else {
            three(line[0], line[0], line[1])
        };
        for x in 1..15 {
            edge.above[x] = three(line[x - 1], line[x], line[x + 1]);
        }
        edge.above[15] = three(line[14], line[15], line[15]);
    }
    if available.left {
        edge.left[0] = if available.corner {
            three(corner, raw_left[0], raw_left[1])
        } else {
            three(raw_left[0], raw_left[0], raw_left[1])
        };
        for y in 1..7 {
            edge.left[y] = three(raw_left[y - 1], raw_left[y], raw_left[y + 1]);
        }
        edge.left[7] = three(raw_left[6], raw_left[7], raw_left[7]);
    }
    if available.corner {
        edge.corner = match (available.above, available.left) {
            (true, true) => three(line[0], corner, raw_left[0]),
            (true, false) => three(corner, corner, line[0]),
            (false, true) => three(corner, corner, raw_left[0]),
            (false, false) => corner,
        };
    }
    edge
}

/// Vertical, horizontal and DC prediction of an 8x8 block from filtered samples (8.3.2.2.2 to 8.3.2.2.4).
pub(crate) fn vertical_8x8(plane: &mut [u8], stride: usize, position: usize, edge: &Edge<8, 16>) {
    let row: [u8; 8] = std::array::from_fn(|x| edge.above[x]);
    for y in 0..8 {
        put(plane, position + y * stride, &row);
    }
}

pub(crate) fn horizontal_8x8(plane: &mut [u8], stride: usize, position: usize, edge: &Edge<8, 16>) {
    for (y, &sample) in edge.left.iter().enumerate() {
        put(plane, position + y * stride, &[sample; 8]);
    }
}

pub(crate) fn dc_8x8(
    plane: &mut [u8],
    stride: usize,
    position: usize,
    edge: &Edge<8, 16>,
    available: Available,
) {
    let above: u32 = edge.above.iter().take(8).map(|&sample| u32::from(sample)).sum();
    let left: u32 = edge.left.iter().map(|&sample| u32::from(sample)).sum();
    let value = match (available.above, available.left) {
        (true, true) => (above + left + 8) >> 4,
        (true, false) => (above + 4) >> 3,
        (false, true) => (left + 4) >> 3,
        (false, false) => 128,
    };
    fill::<8>(plane, stride, position, value as u8);
}

/// A directional mode of an NxN block (8.3.1.2.4 to 8.3.1.2.9, 8.3.2.2.5 to 8.3.2.2.10), by the clauses' zVR, zHD and
/// zHU.
pub(crate) fn directional<const N: usize, const M: usize>(
    plane: &mut [u8],
    stride: usize,
    position: usize,
    direction: Direction,
    edge: &Edge<N, M>,
) {
    // Left from the bottom up, the corner, above from left to right: a line around the block.
    let mut line = [0; 40];
    for (index, &sample) in edge.left.iter().rev().enumerate() {
        line[index] = sample;
    }
    line[N] = edge.corner;
    line[N + 1..][..M].copy_from_slice(&edge.above);
    let above = &edge.above;
    let left = &edge.left;
    let sample = |x: usize, y: usize| -> u8 {
        match direction {
            Direction::DiagonalDownLeft => {
                let index = x + y;
                if index == 2 * N - 2 {
                    three(above[M - 2], above[M - 1], above[M - 1])
                } else {
                    three(above[index], above[index + 1], above[index + 2])
                }
            }
            Direction::DiagonalDownRight => {
                let centre = N + x - y;
                three(line[centre - 1], line[centre], line[centre + 1])
            }
            Direction::VerticalRight => {
                // zVR = 2 * x - y.
                if 2 * x >= y {
                    let centre = N + x - (y >> 1);
                    if y % 2 == 0 {
                        two(line[centre], line[centre + 1])
                    } else {
                        three(line[centre - 1], line[centre], line[centre + 1])
                    }
                } else {
                    let centre = N + 1 + 2 * x - y;
                    three(line[centre - 1], line[centre], line[centre + 1])
                }
            }
            Direction::HorizontalDown => {
                // zHD = 2 * y - x.
                if 2 * y >= x {
                    let centre = N - (y - (x >> 1));
                    if x % 2 == 0 {
                        two(line[centre], line[centre - 1])
                    } else {
                        three(line[centre - 1], line[centre], line[centre + 1])
                    }
                } else {
                    let centre = N - 1 + x - 2 * y;
                    three(line[centre - 1], line[centre], line[centre + 1])
                }
            }
            Direction::VerticalLeft => {
                let index = x + (y >> 1);
                if y % 2 == 0 {
                    two(above[index], above[index + 1])
                } else {
                    three(above[index], above[index + 1], above[index + 2])
                }
            }
            Direction::HorizontalUp => {
                // zHU = x + 2 * y.
                let z = x + 2 * y;
                let index = y + (x >> 1);
                if z > 2 * N - 3 {
                    left[N - 1]
                } else if z == 2 * N - 3 {
                    three(left[N - 2], left[N - 1], left[N - 1])
                } else if z % 2 == 0 {
                    two(left[index], left[index + 1])
                } else {
                    three(left[index], left[index + 1], left[index + 2])
                }
            }
        }
    };
    for y in 0..N {
        let row: [u8; N] = std::array::from_fn(|x| sample(x, y));
        put(plane, position + y * stride, &row);
    }
}
