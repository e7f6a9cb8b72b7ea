//! Intra prediction (ITU-T H.264 8.3): what each mode puts in a block, from the samples around it
//! in the plane.

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
#[inline(always)]
pub(crate) fn vertical<const N: usize>(plane: &mut [u8], stride: usize, position: usize) {
    let row = above::<N>(plane, stride, position);
    for y in 0..N {
        put(plane, position + y * stride, &row);
    }
}

/// Horizontal prediction of NxN blocks.
#[inline(always)]
pub(crate) fn horizontal<const N: usize>(plane: &mut [u8], stride: usize, position: usize) {
    for (y, sample) in left::<N>(plane, stride, position).into_iter().enumerate() {
        put(plane, position + y * stride, &[sample; N]);
    }
}

/// DC prediction of NxN luma blocks from what is there of the samples above and left (8.3.1.2.3,
/// 8.3.3.3).
#[inline(always)]
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

#[inline(always)]
fn fill<const N: usize>(plane: &mut [u8], stride: usize, position: usize, value: u8) {
    for y in 0..N {
        put(plane, position + y * stride, &[value; N]);
    }
}

/// Plane prediction of NxN blocks (8.3.3.4, 8.3.4.4): N is 16 of luma, 8 of chroma.
#[inline(always)]
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

/// DC prediction of an 8x8 chroma block, of each 4x4 on its own (8.3.4.1 to 8.3.4.3). `has_left` is
/// of the upper and the lower half: in MBAFF frames they may be of different macroblocks.
#[inline(always)]
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

/// The directional modes of 4x4 and 8x8 blocks (tables 8-2 and 8-3) behind vertical, horizontal and
/// DC.
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

/// The samples around a 4x4 block in the plane; `above_right` is those above and right of it, if
/// they are there.
#[inline(always)]
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

/// The reference samples of an 8x8 block, filtered (8.3.2.2.1). Those that are not there are not to
/// be relied on.
#[inline(always)]
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

/// Vertical, horizontal and DC prediction of an 8x8 block from filtered samples (8.3.2.2.2 to
/// 8.3.2.2.4).
#[inline(always)]
pub(crate) fn vertical_8x8(plane: &mut [u8], stride: usize, position: usize, edge: &Edge<8, 16>) {
    let row: [u8; 8] = std::array::from_fn(|x| edge.above[x]);
    for y in 0..8 {
        put(plane, position + y * stride, &row);
    }
}

#[inline(always)]
pub(crate) fn horizontal_8x8(plane: &mut [u8], stride: usize, position: usize, edge: &Edge<8, 16>) {
    for (y, &sample) in edge.left.iter().enumerate() {
        put(plane, position + y * stride, &[sample; 8]);
    }
}

#[inline(always)]
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

/// More than there are samples around a block.
const LINE: usize = 40;

/// A directional mode of an NxN block (8.3.1.2.4 to 8.3.1.2.9, 8.3.2.2.5 to 8.3.2.2.10). All
/// samples are means of two or three that lie side by side around the block, and each row is a
/// piece of a sequence of those: the one above it moved on.
#[inline(always)]
pub(crate) fn directional<const N: usize, const M: usize>(
    plane: &mut [u8],
    stride: usize,
    position: usize,
    direction: Direction,
    edge: &Edge<N, M>,
) {
    // Left from the bottom up, the corner, above from left to right: a line around the block, its
    // ends twice.
    let corner = N + 1;
    let mut line = [0; LINE];
    line[0] = edge.left[N - 1];
    for (index, &sample) in edge.left.iter().rev().enumerate() {
        line[1 + index] = sample;
    }
    line[corner] = edge.corner;
    line[corner + 1..][..M].copy_from_slice(&edge.above);
    line[corner + 1 + M] = edge.above[M - 1];
    // Of each sample and the next, and of each and its neighbours.
    let (mut twos, mut threes) = ([0; LINE], [0; LINE]);
    for index in 1..corner + 1 + M {
        twos[index] = two(line[index], line[index + 1]);
        threes[index] = three(line[index - 1], line[index], line[index + 1]);
    }
    match direction {
        Direction::DiagonalDownLeft => {
            for y in 0..N {
                put(plane, position + y * stride, &piece::<N>(&threes, corner + 2 + y));
            }
        }
        Direction::DiagonalDownRight => {
            for y in 0..N {
                put(plane, position + y * stride, &piece::<N>(&threes, corner - y));
            }
        }
        Direction::VerticalRight => {
            // Every second row is the same, moved on by one.
            for (first, means) in [(0, &twos), (1, &threes)] {
                let mut row = piece::<N>(means, corner);
                put(plane, position + first * stride, &row);
                for y in (first + 2..N).step_by(2) {
                    row.copy_within(..N - 1, 1);
                    row[0] = threes[corner + 1 - y];
                    put(plane, position + y * stride, &row);
                }
            }
        }
        Direction::HorizontalDown => {
            let last = 2 * (N - 1);
            let mut sequence = [0; LINE];
            for index in 0..N {
                sequence[last - 2 * index] = twos[corner - 1 - index];
                sequence[last + 1 - 2 * index] = threes[corner - index];
            }
            for index in 2..N {
                sequence[last + index] = threes[corner - 1 + index];
            }
            for y in 0..N {
                put(plane, position + y * stride, &piece::<N>(&sequence, last - 2 * y));
            }
        }
        Direction::VerticalLeft => {
            for y in 0..N {
                let row = if y % 2 == 0 {
                    piece::<N>(&twos, corner + 1 + y / 2)
                } else {
                    piece::<N>(&threes, corner + 2 + y / 2)
                };
                put(plane, position + y * stride, &row);
            }
        }
        Direction::HorizontalUp => {
            let mut sequence = [edge.left[N - 1]; LINE];
            for index in 0..N - 1 {
                sequence[2 * index] = twos[corner - 2 - index];
                sequence[2 * index + 1] = threes[corner - 2 - index];
            }
            for y in 0..N {
                put(plane, position + y * stride, &piece::<N>(&sequence, 2 * y));
            }
        }
    }
}

/// N samples of a sequence.
#[inline(always)]
fn piece<const N: usize>(sequence: &[u8; LINE], start: usize) -> [u8; N] {
    sequence.get(start..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRIDE: usize = 48;
    const START: usize = 20 * STRIDE + 16;

    fn noise(seed: u32) -> Vec<u8> {
        let mut seed = seed;
        (0..STRIDE * 48)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            })
            .collect()
    }

    /// p[x, y] of the clauses, -1 for the row above and the column on the left.
    fn p(plane: &[u8], x: i32, y: i32) -> i32 {
        plane[(START as i32 + y * STRIDE as i32 + x) as usize].into()
    }

    fn check(
        plane: &[u8],
        before: &[u8],
        size: i32,
        expected: impl Fn(i32, i32) -> i32,
        what: &str,
    ) {
        for (x, y) in (0..size * size).map(|index| (index % size, index / size)) {
            assert_eq!(p(plane, x, y), expected(x, y), "{what} {x} {y}");
        }
        // Nothing else is touched.
        let outside = |index: usize| {
            let (x, y) = (index % STRIDE, index / STRIDE);
            !(16..16 + size as usize).contains(&x) || !(20..20 + size as usize).contains(&y)
        };
        assert!(
            (0..plane.len())
                .filter(|&index| outside(index))
                .all(|index| plane[index] == before[index])
        );
    }

    /// The directional modes in the words of 8.3.1.2.4 to 8.3.1.2.9, of 8.3.2.2.5 to 8.3.2.2.10
    /// with N 8.
    fn reference(direction: Direction, n: i32, p: &dyn Fn(i32, i32) -> i32, x: i32, y: i32) -> i32 {
        let two = |a: i32, b: i32| (a + b + 1) >> 1;
        let three = |a: i32, b: i32, c: i32| (a + 2 * b + c + 2) >> 2;
        match direction {
            Direction::DiagonalDownLeft if x == n - 1 && y == n - 1 => {
                (p(2 * n - 2, -1) + 3 * p(2 * n - 1, -1) + 2) >> 2
            }
            Direction::DiagonalDownLeft => three(p(x + y, -1), p(x + y + 1, -1), p(x + y + 2, -1)),
            Direction::DiagonalDownRight if x > y => {
                three(p(x - y - 2, -1), p(x - y - 1, -1), p(x - y, -1))
            }
            Direction::DiagonalDownRight if x < y => {
                three(p(-1, y - x - 2), p(-1, y - x - 1), p(-1, y - x))
            }
            Direction::DiagonalDownRight => three(p(0, -1), p(-1, -1), p(-1, 0)),
            Direction::VerticalRight => match 2 * x - y {
                z if z >= 0 && z % 2 == 0 => two(p(x - (y >> 1) - 1, -1), p(x - (y >> 1), -1)),
                z if z >= 0 => {
                    three(p(x - (y >> 1) - 2, -1), p(x - (y >> 1) - 1, -1), p(x - (y >> 1), -1))
                }
                -1 => three(p(-1, 0), p(-1, -1), p(0, -1)),
                _ => three(p(-1, y - 2 * x - 1), p(-1, y - 2 * x - 2), p(-1, y - 2 * x - 3)),
            },
            Direction::HorizontalDown => match 2 * y - x {
                z if z >= 0 && z % 2 == 0 => two(p(-1, y - (x >> 1) - 1), p(-1, y - (x >> 1))),
                z if z >= 0 => {
                    three(p(-1, y - (x >> 1) - 2), p(-1, y - (x >> 1) - 1), p(-1, y - (x >> 1)))
                }
                -1 => three(p(-1, 0), p(-1, -1), p(0, -1)),
                _ => three(p(x - 2 * y - 1, -1), p(x - 2 * y - 2, -1), p(x - 2 * y - 3, -1)),
            },
            Direction::VerticalLeft if y % 2 == 0 => {
                two(p(x + (y >> 1), -1), p(x + (y >> 1) + 1, -1))
            }
            Direction::VerticalLeft => {
                three(p(x + (y >> 1), -1), p(x + (y >> 1) + 1, -1), p(x + (y >> 1) + 2, -1))
            }
            Direction::HorizontalUp => match x + 2 * y {
                z if z > 2 * n - 3 => p(-1, n - 1),
                z if z == 2 * n - 3 => (p(-1, n - 2) + 3 * p(-1, n - 1) + 2) >> 2,
                z if z % 2 == 0 => two(p(-1, y + (x >> 1)), p(-1, y + (x >> 1) + 1)),
                _ => three(p(-1, y + (x >> 1)), p(-1, y + (x >> 1) + 1), p(-1, y + (x >> 1) + 2)),
            },
        }
    }

    const DIRECTIONS: [Direction; 6] = [
        Direction::DiagonalDownLeft,
        Direction::DiagonalDownRight,
        Direction::VerticalRight,
        Direction::HorizontalDown,
        Direction::VerticalLeft,
        Direction::HorizontalUp,
    ];

    #[test]
    fn s8_3_1_2_directional_modes_of_4x4_blocks() {
        for (seed, direction) in (0..20).flat_map(|seed| DIRECTIONS.map(|d| (seed, d))) {
            for has_above_right in [true, false] {
                let before = noise(seed);
                let mut plane = before.clone();
                let edge = edge_4x4(&plane, STRIDE, START, has_above_right);
                directional(&mut plane, STRIDE, START, direction, &edge);
                let samples =
                    |x: i32, y: i32| p(&before, if has_above_right { x } else { x.min(3) }, y);
                let expected = |x, y| reference(direction, 4, &samples, x, y);
                check(&plane, &before, 4, expected, &format!("{direction:?}"));
            }
        }
    }

    /// p'[x, y] (8.3.2.2.1), written from the clause.
    fn filtered(before: &[u8], available: Available, x: i32, y: i32) -> i32 {
        let raw = |x: i32, y: i32| {
            p(before, if available.above_right || y >= 0 { x } else { x.min(7) }, y)
        };
        match (x, y) {
            (-1, -1) => match (available.above, available.left) {
                (true, false) => (3 * raw(-1, -1) + raw(0, -1) + 2) >> 2,
                (false, true) => (3 * raw(-1, -1) + raw(-1, 0) + 2) >> 2,
                (true, true) => (raw(0, -1) + 2 * raw(-1, -1) + raw(-1, 0) + 2) >> 2,
                (false, false) => raw(-1, -1),
            },
            (0, -1) if available.corner => (raw(-1, -1) + 2 * raw(0, -1) + raw(1, -1) + 2) >> 2,
            (0, -1) => (3 * raw(0, -1) + raw(1, -1) + 2) >> 2,
            (15, -1) => (raw(14, -1) + 3 * raw(15, -1) + 2) >> 2,
            (_, -1) => (raw(x - 1, -1) + 2 * raw(x, -1) + raw(x + 1, -1) + 2) >> 2,
            (-1, 0) if available.corner => (raw(-1, -1) + 2 * raw(-1, 0) + raw(-1, 1) + 2) >> 2,
            (-1, 0) => (3 * raw(-1, 0) + raw(-1, 1) + 2) >> 2,
            (-1, 7) => (raw(-1, 6) + 3 * raw(-1, 7) + 2) >> 2,
            _ => (raw(-1, y - 1) + 2 * raw(-1, y) + raw(-1, y + 1) + 2) >> 2,
        }
    }

    #[test]
    fn s8_3_2_2_modes_of_8x8_blocks_from_filtered_samples() {
        for (seed, bits) in (0..12).flat_map(|seed| (0..16).map(move |bits| (seed, bits))) {
            let available = Available {
                above: bits & 1 == 1,
                above_right: bits & 1 == 1 && bits & 2 == 2,
                left: bits & 4 == 4,
                corner: bits & 8 == 8,
            };
            let before = noise(seed);
            let edge = edge_8x8(&before, STRIDE, START, available);
            let samples = |x: i32, y: i32| filtered(&before, available, x, y);
            for direction in DIRECTIONS {
                let all = available.above && available.left && available.corner;
                let is_allowed = match direction {
                    Direction::DiagonalDownLeft | Direction::VerticalLeft => available.above,
                    Direction::HorizontalUp => available.left,
                    _ => all,
                };
                if is_allowed {
                    let mut plane = before.clone();
                    directional(&mut plane, STRIDE, START, direction, &edge);
                    let expected = |x, y| reference(direction, 8, &samples, x, y);
                    check(&plane, &before, 8, expected, &format!("{direction:?} {available:?}"));
                }
            }
            let mut plane = before.clone();
            dc_8x8(&mut plane, STRIDE, START, &edge, available);
            let row: i32 = (0..8).map(|x| samples(x, -1)).sum();
            let column: i32 = (0..8).map(|y| samples(-1, y)).sum();
            let dc = match (available.above, available.left) {
                (true, true) => (row + column + 8) >> 4,
                (true, false) => (row + 4) >> 3,
                (false, true) => (column + 4) >> 3,
                (false, false) => 128,
            };
            check(&plane, &before, 8, |_, _| dc, "DC");
            if available.above {
                let mut plane = before.clone();
                vertical_8x8(&mut plane, STRIDE, START, &edge);
                check(&plane, &before, 8, |x, _| samples(x, -1), "vertical");
            }
            if available.left {
                let mut plane = before.clone();
                horizontal_8x8(&mut plane, STRIDE, START, &edge);
                check(&plane, &before, 8, |_, y| samples(-1, y), "horizontal");
            }
        }
    }

    #[test]
    fn s8_3_3_modes_of_16x16_and_s8_3_4_plane_of_chroma() {
        for seed in 0..20 {
            let before = noise(seed);
            let mut plane = before.clone();
            vertical::<16>(&mut plane, STRIDE, START);
            check(&plane, &before, 16, |x, _| p(&before, x, -1), "vertical");
            let mut plane = before.clone();
            horizontal::<16>(&mut plane, STRIDE, START);
            check(&plane, &before, 16, |_, y| p(&before, -1, y), "horizontal");
            for (above, left) in [(true, true), (true, false), (false, true), (false, false)] {
                let mut plane = before.clone();
                dc::<16>(&mut plane, STRIDE, START, above, left);
                let row: i32 = (0..16).map(|x| p(&before, x, -1)).sum();
                let column: i32 = (0..16).map(|y| p(&before, -1, y)).sum();
                let dc = match (above, left) {
                    (true, true) => (row + column + 16) >> 5,
                    (true, false) => (row + 8) >> 4,
                    (false, true) => (column + 8) >> 4,
                    (false, false) => 128,
                };
                check(&plane, &before, 16, |_, _| dc, "DC");
            }
            let mut luma = before.clone();
            plane_of::<16>(&mut luma, &before, 5);
            let mut chroma = before.clone();
            plane_of::<8>(&mut chroma, &before, 34);
        }
    }

    /// Checks plane prediction (8-123 to 8-127, 8-144 to 8-149).
    fn plane_of<const N: usize>(samples: &mut [u8], before: &[u8], factor: i32) {
        plane::<N>(samples, STRIDE, START);
        let n = N as i32;
        let half = n / 2;
        let h: i32 = (0..half)
            .map(|x| (x + 1) * (p(before, half + x, -1) - p(before, half - 2 - x, -1)))
            .sum();
        let v: i32 = (0..half)
            .map(|y| (y + 1) * (p(before, -1, half + y) - p(before, -1, half - 2 - y)))
            .sum();
        let (b, c) = ((factor * h + 32) >> 6, (factor * v + 32) >> 6);
        let a = 16 * (p(before, -1, n - 1) + p(before, n - 1, -1));
        let expected = |x: i32, y: i32| {
            ((a + b * (x - (half - 1)) + c * (y - (half - 1)) + 16) >> 5).clamp(0, 255)
        };
        check(samples, before, n, expected, "plane");
    }

    #[test]
    fn s8_3_4_dc_of_each_chroma_block() {
        let before = noise(7);
        let row = |bx: i32| (4 * bx..4 * bx + 4).map(|x| p(&before, x, -1)).sum::<i32>();
        let column = |by: i32| (4 * by..4 * by + 4).map(|y| p(&before, -1, y)).sum::<i32>();
        for bits in 0..8 {
            let (above, left) = (bits & 1 == 1, [bits & 2 == 2, bits & 4 == 4]);
            let mut plane = before.clone();
            chroma_dc(&mut plane, STRIDE, START, above, left);
            let expected = |x: i32, y: i32| {
                let (bx, by) = (x / 4, y / 4);
                let left = left[by as usize];
                match (bx, by) {
                    _ if !above && !left => 128,
                    (0, 0) | (1, 1) if above && left => (row(bx) + column(by) + 4) >> 3,
                    (1, 0) if above => (row(1) + 2) >> 2,
                    (0, 1) if left => (column(1) + 2) >> 2,
                    _ if above && (!left || bx == 1) => (row(bx) + 2) >> 2,
                    _ => (column(by) + 2) >> 2,
                }
            };
            check(&plane, &before, 8, expected, &format!("{bits:03b}"));
        }
    }
}
