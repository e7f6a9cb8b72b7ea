//! Interpolation of reference samples (ITU-T H.264 8.4.2.2) and weighting (8.4.2.3).

use fearless_simd::{Simd, i16x8, i16x16, prelude::*, u8x16, u64x2};

use crate::vectors::{Vectors, load, load_two, read_rows, store, store_rows, write_rows};

/// What an expression is of each of four rows. A loop would keep them in memory.
macro_rules! four_rows {
    ($y:ident => $row:expr) => {
        [
            {
                let $y = 0;
                $row
            },
            {
                let $y = 1;
                $row
            },
            {
                let $y = 2;
                $row
            },
            {
                let $y = 3;
                $row
            },
        ]
    };
}

/// The same of two rows.
macro_rules! two_rows {
    ($y:ident => $row:expr) => {
        [
            {
                let $y = 0;
                $row
            },
            {
                let $y = 1;
                $row
            },
        ]
    };
}

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

    /// Puts the first W samples of each vector into a row, from row `y` on.
    #[inline(always)]
    fn put<S: Vectors, P: Put, const W: usize>(
        &mut self,
        simd: S,
        y: usize,
        samples: [u8x16<S>; 4],
    ) {
        let position = self.position + y * self.stride;
        if !P::AVERAGES {
            return store_rows::<S, W, 4>(samples, self.plane, position, self.stride);
        }
        let Some(rows) = read_rows::<W, 4>(self.plane, position, self.stride) else { return };
        let averages = four_rows!(y => simd.average(load::<S, W>(simd, rows[y]), samples[y]));
        store_rows::<S, W, 4>(averages, self.plane, position, self.stride);
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

    /// R rows from row `y` on.
    #[inline(always)]
    fn rows<const W: usize, const R: usize>(&self, y: usize) -> Option<[&'a [u8; W]; R]> {
        read_rows(self.plane, self.position + y * self.stride, self.stride)
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

/// Numbers of a row of a block: one vector for each width.
trait Lanes<S: Vectors>: SimdInt<S, Element = i16> {
    fn widen(simd: S, samples: u8x16<S>) -> Self;
    fn clip(self, simd: S) -> u8x16<S>;
}

impl<S: Vectors> Lanes<S> for i16x16<S> {
    #[inline(always)]
    fn widen(simd: S, samples: u8x16<S>) -> Self {
        simd.widen(samples)
    }

    #[inline(always)]
    fn clip(self, simd: S) -> u8x16<S> {
        let (low, high) = simd.split_i16x16(self);
        simd.clip(low, high)
    }
}

impl<S: Vectors> Lanes<S> for i16x8<S> {
    #[inline(always)]
    fn widen(simd: S, samples: u8x16<S>) -> Self {
        simd.widen_low(samples)
    }

    #[inline(always)]
    fn clip(self, simd: S) -> u8x16<S> {
        simd.clip(self, self)
    }
}

/// What becomes of a prediction.
pub(crate) trait Put {
    /// It is averaged with what the target has: the second of two with default weights (8-273).
    const AVERAGES: bool;
}

/// Stores it.
pub(crate) enum Store {}

impl Put for Store {
    const AVERAGES: bool = false;
}

/// Averages it with the first.
pub(crate) enum Average {}

impl Put for Average {
    const AVERAGES: bool = true;
}

/// Luma samples at a quarter-sample position (8.4.2.2.1); `dx` and `dy` 0 to 3, a width and a
/// height of 4, 8 or 16 each. Reads two samples before and three behind the block in each direction
/// that is not 0.
#[inline(always)]
pub(crate) fn luma<S: Vectors, P: Put>(
    simd: S,
    target: Target<'_>,
    source: Source<'_>,
    (width, height): (usize, usize),
    (dx, dy): (usize, usize),
) {
    match width {
        16 => luma_of_width::<S, P, i16x16<S>, 16, 21>(simd, target, source, height, (dx, dy)),
        8 => luma_of_width::<S, P, i16x8<S>, 8, 13>(simd, target, source, height, (dx, dy)),
        _ => luma_of_width::<S, P, i16x8<S>, 4, 9>(simd, target, source, height, (dx, dy)),
    }
}

#[inline(always)]
fn luma_of_width<S: Vectors, P: Put, V: Lanes<S>, const W: usize, const N: usize>(
    simd: S,
    t: Target<'_>,
    source: Source<'_>,
    height: usize,
    (dx, dy): (usize, usize),
) {
    match (dx, dy) {
        (0, 0) => put_copy::<S, P, W>(simd, t, source, height),
        (_, 0) => horizontal::<S, P, V, W, N>(simd, t, source, height, dx),
        (0, _) => vertical::<S, P, V, W>(simd, t, source, height, dy),
        (2, _) => centre_column::<S, P, V, W, N>(simd, t, source, height, dy),
        (_, 2) => centre_row::<S, P, V, W, N>(simd, t, source, height, dx),
        _ => diagonal::<S, P, V, W, N>(simd, t, source, height, (dx, dy)),
    }
}

/// Luma samples between the nearest whole ones, instead of those of [`luma`]: for pictures that are
/// only looked at through a scaler. Reads one sample behind the block in each direction that is not
/// 0.
#[inline(always)]
pub(crate) fn coarse_luma<S: Vectors, P: Put>(
    simd: S,
    target: Target<'_>,
    source: Source<'_>,
    (width, height): (usize, usize),
    (dx, dy): (usize, usize),
) {
    match width {
        16 => coarse_luma_of_width::<S, P, 16, 17>(simd, target, source, height, (dx, dy)),
        8 => coarse_luma_of_width::<S, P, 8, 9>(simd, target, source, height, (dx, dy)),
        _ => coarse_luma_of_width::<S, P, 4, 5>(simd, target, source, height, (dx, dy)),
    }
}

#[inline(always)]
fn coarse_luma_of_width<S: Vectors, P: Put, const W: usize, const N: usize>(
    simd: S,
    target: Target<'_>,
    source: Source<'_>,
    height: usize,
    (dx, dy): (usize, usize),
) {
    match (dx, dy) {
        (0, 0) => put_copy::<S, P, W>(simd, target, source, height),
        (0, _) => coarse_rows::<S, P, W, W>(simd, target, source, height, (dx, dy)),
        _ => coarse_rows::<S, P, W, N>(simd, target, source, height, (dx, dy)),
    }
}

/// Between rows of N samples; N is W where all are of one column.
#[inline(always)]
fn coarse_rows<S: Vectors, P: Put, const W: usize, const N: usize>(
    simd: S,
    mut target: Target<'_>,
    source: Source<'_>,
    height: usize,
    (dx, dy): (usize, usize),
) {
    let below = usize::from(dy > 0);
    let Some(first) = source.row::<N>(0) else { return };
    let mut upper = coarse_row::<S, W, N>(simd, first, dx);
    for group in 0..height / 4 {
        let y = 4 * group;
        let Some(rows) = source.rows::<N, 4>(y + below) else { return };
        let samples = four_rows!(y => {
            let lower = coarse_row::<S, W, N>(simd, rows[y], dx);
            let samples = if dy == 0 { lower } else { between(simd, upper, lower, dy) };
            upper = lower;
            samples
        });
        target.put::<S, P, W>(simd, y, samples);
    }
}

#[inline(always)]
fn coarse_row<S: Vectors, const W: usize, const N: usize>(
    simd: S,
    row: &[u8; N],
    dx: usize,
) -> u8x16<S> {
    let left = load::<S, W>(simd, row);
    if N == W { left } else { between(simd, left, load::<S, W>(simd, &row[1..]), dx) }
}

/// A quarter, half or three quarters of the way from one to the other.
#[inline(always)]
fn between<S: Vectors>(simd: S, a: u8x16<S>, b: u8x16<S>, quarters: usize) -> u8x16<S> {
    let middle = simd.average(a, b);
    match quarters {
        1 => simd.average(a, middle),
        2 => middle,
        _ => simd.average(middle, b),
    }
}

#[inline(always)]
fn put_copy<S: Vectors, P: Put, const W: usize>(
    simd: S,
    mut target: Target<'_>,
    source: Source<'_>,
    height: usize,
) {
    if !P::AVERAGES {
        // One check for all rows, and nothing between them: so all of them are fetched at once.
        return match height {
            16 => copy_rows::<W, 16>(target, source),
            8 => copy_rows::<W, 8>(target, source),
            _ => copy_rows::<W, 4>(target, source),
        };
    }
    for group in 0..height / 4 {
        let y = 4 * group;
        let Some(rows) = source.rows::<W, 4>(y) else { return };
        let samples = four_rows!(y => load::<S, W>(simd, rows[y]));
        target.put::<S, P, W>(simd, y, samples);
    }
}

#[inline(always)]
fn copy_rows<const W: usize, const R: usize>(target: Target<'_>, source: Source<'_>) {
    let Target { plane, stride, position } = target;
    if let Some(rows) = source.rows::<W, R>(0) {
        write_rows(plane, position, stride, rows);
    }
}

#[inline(always)]
fn copy<const W: usize>(mut target: Target<'_>, source: Source<'_>, height: usize) {
    for y in 0..height {
        if let (Some(to), Some(from)) = (target.row::<W>(y), source.row::<W>(y)) {
            *to = *from;
        }
    }
}

/// The six-tap filter; of samples the sum fits 16 bits.
#[inline(always)]
fn six_tap<S: Simd, V: SimdInt<S, Element = i16>>([a, b, c, d, e, f]: [V; 6]) -> V {
    let inner = ((c + d) << 2) - (b + e);
    (inner << 2) + inner + (a + f)
}

/// The same of the filter's sums, rounded for both directions: `(sum + 512) >> 10`. Each step fits
/// 16 bits: dividing by four in between rounds as dividing once does. Where `fourth + inner`
/// saturates, the result is far from a sample either way.
#[inline(always)]
fn six_tap_of_sums<S: Simd, V: SimdInt<S, Element = i16>>([a, b, c, d, e, f]: [V; 6]) -> V {
    let (outer, middle, inner) = (a + f, b + e, c + d);
    let fourth = ((outer - middle) >> 2) - middle;
    ((fourth.saturating_add(inner) >> 2) + inner + 32) >> 6
}

/// The filter's sums of a row that begins two samples before the block.
#[inline(always)]
fn sums_of_row<S: Vectors, V: Lanes<S>, const W: usize, const N: usize>(
    simd: S,
    row: &[u8; N],
) -> V {
    six_tap([
        numbers_at::<S, V, W>(simd, row, 0),
        numbers_at::<S, V, W>(simd, row, 1),
        numbers_at::<S, V, W>(simd, row, 2),
        numbers_at::<S, V, W>(simd, row, 3),
        numbers_at::<S, V, W>(simd, row, 4),
        numbers_at::<S, V, W>(simd, row, 5),
    ])
}

#[inline(always)]
fn numbers_at<S: Vectors, V: Lanes<S>, const W: usize>(simd: S, row: &[u8], x: usize) -> V {
    V::widen(simd, load::<S, W>(simd, &row[x..]))
}

/// The half sample of a sum.
#[inline(always)]
fn half<S: Vectors, V: Lanes<S>>(simd: S, sum: V) -> u8x16<S> {
    ((sum + 16) >> 5).clip(simd)
}

#[inline(always)]
fn horizontal<S: Vectors, P: Put, V: Lanes<S>, const W: usize, const N: usize>(
    simd: S,
    mut target: Target<'_>,
    source: Source<'_>,
    height: usize,
    dx: usize,
) {
    let source = source.back(2, 0);
    for group in 0..height / 4 {
        let y = 4 * group;
        let Some(rows) = source.rows::<N, 4>(y) else { return };
        let samples = four_rows!(y => {
            let mut samples = half(simd, sums_of_row::<S, V, W, N>(simd, rows[y]));
            if dx != 2 {
                let nearest = load::<S, W>(simd, &rows[y][2 + dx / 2..]);
                samples = simd.average(samples, nearest);
            }
            samples
        });
        target.put::<S, P, W>(simd, y, samples);
    }
}

/// The six rows around each row of a block.
struct Window<S: Vectors, V> {
    simd: S,
    rows: [V; 6],
}

impl<S: Vectors, V: Lanes<S>> Window<S, V> {
    /// Above the block that begins at `source`, with five of its rows.
    #[inline(always)]
    fn new<const W: usize>(simd: S, source: Source<'_>) -> Self {
        let mut rows = [V::splat(simd, 0); 6];
        // The first place is for the row that goes with the first step.
        if let Some(first) = source.back(0, 2).rows::<W, 5>(0) {
            for y in 0..5 {
                rows[1 + y] = numbers_at::<S, V, W>(simd, first[y], 0);
            }
        }
        Self { simd, rows }
    }

    /// Moves a row down, to one of which this row is the last.
    #[inline(always)]
    fn advance<const W: usize>(&mut self, row: &[u8; W]) -> V {
        let [_, a, b, c, d, e] = self.rows;
        self.rows = [a, b, c, d, e, V::widen(self.simd, load::<S, W>(self.simd, row))];
        six_tap(self.rows)
    }
}

#[inline(always)]
fn vertical<S: Vectors, P: Put, V: Lanes<S>, const W: usize>(
    simd: S,
    mut target: Target<'_>,
    source: Source<'_>,
    height: usize,
    dy: usize,
) {
    let mut window = Window::<S, V>::new::<W>(simd, source);
    let nearest = source.on(0, dy / 2);
    for group in 0..height / 4 {
        let y = 4 * group;
        let (Some(last), Some(nearest)) = (source.rows::<W, 4>(y + 3), nearest.rows::<W, 4>(y))
        else {
            return;
        };
        let samples = four_rows!(y => {
            let mut samples = half(simd, window.advance(last[y]));
            if dy != 2 {
                samples = simd.average(samples, load::<S, W>(simd, nearest[y]));
            }
            samples
        });
        target.put::<S, P, W>(simd, y, samples);
    }
}

/// Quarter positions between half samples of a row and of a column.
#[inline(always)]
fn diagonal<S: Vectors, P: Put, V: Lanes<S>, const W: usize, const N: usize>(
    simd: S,
    mut target: Target<'_>,
    source: Source<'_>,
    height: usize,
    (dx, dy): (usize, usize),
) {
    let column = source.on(dx / 2, 0);
    let row = source.on(0, dy / 2).back(2, 0);
    let mut window = Window::<S, V>::new::<W>(simd, column);
    for group in 0..height / 4 {
        let y = 4 * group;
        let (Some(last), Some(rows)) = (column.rows::<W, 4>(y + 3), row.rows::<N, 4>(y)) else {
            return;
        };
        let samples = four_rows!(y => {
            let of_row = half(simd, sums_of_row::<S, V, W, N>(simd, rows[y]));
            let of_column = half(simd, window.advance(last[y]));
            simd.average(of_row, of_column)
        });
        target.put::<S, P, W>(simd, y, samples);
    }
}

/// The filter's sums of the six rows around each row of a block.
struct SumsWindow<S: Vectors, V> {
    simd: S,
    rows: [V; 6],
}

impl<S: Vectors, V: Lanes<S>> SumsWindow<S, V> {
    /// Holds the first five rows of `source`, which begins two rows and samples before the block.
    #[inline(always)]
    fn new<const W: usize, const N: usize>(simd: S, source: Source<'_>) -> Self {
        let mut rows = [V::splat(simd, 0); 6];
        // The first place is for the row that goes with the first step.
        if let Some(first) = source.rows::<N, 5>(0) {
            for y in 0..5 {
                rows[1 + y] = sums_of_row::<S, V, W, N>(simd, first[y]);
            }
        }
        Self { simd, rows }
    }

    /// Moves a row down, to one of which this row is the last. Gives the block's samples `j`,
    /// filtered in both directions without rounding between.
    #[inline(always)]
    fn advance<const W: usize, const N: usize>(&mut self, row: &[u8; N]) -> u8x16<S> {
        let [_, a, b, c, d, e] = self.rows;
        self.rows = [a, b, c, d, e, sums_of_row::<S, V, W, N>(self.simd, row)];
        six_tap_of_sums(self.rows).clip(self.simd)
    }
}

/// The samples `j`, and those between them and the half samples above and below.
#[inline(always)]
fn centre_column<S: Vectors, P: Put, V: Lanes<S>, const W: usize, const N: usize>(
    simd: S,
    mut target: Target<'_>,
    source: Source<'_>,
    height: usize,
    dy: usize,
) {
    let source = source.back(2, 2);
    let mut window = SumsWindow::<S, V>::new::<W, N>(simd, source);
    for group in 0..height / 4 {
        let y = 4 * group;
        let Some(last) = source.rows::<N, 4>(y + 5) else { return };
        let samples = four_rows!(y => {
            let mut samples = window.advance::<W, N>(last[y]);
            let [_, _, above, below, _, _] = window.rows;
            match dy {
                1 => samples = simd.average(samples, half(simd, above)),
                3 => samples = simd.average(samples, half(simd, below)),
                _ => {}
            }
            samples
        });
        target.put::<S, P, W>(simd, y, samples);
    }
}

/// The samples between `j` and the half samples left and right.
#[inline(always)]
fn centre_row<S: Vectors, P: Put, V: Lanes<S>, const W: usize, const N: usize>(
    simd: S,
    mut target: Target<'_>,
    source: Source<'_>,
    height: usize,
    dx: usize,
) {
    let column = source.on(dx / 2, 0);
    let source = source.back(2, 2);
    let mut window = SumsWindow::<S, V>::new::<W, N>(simd, source);
    let mut columns = Window::<S, V>::new::<W>(simd, column);
    for group in 0..height / 4 {
        let y = 4 * group;
        let (Some(last), Some(last_of_column)) =
            (source.rows::<N, 4>(y + 5), column.rows::<W, 4>(y + 3))
        else {
            return;
        };
        let samples = four_rows!(y => {
            let centre = window.advance::<W, N>(last[y]);
            let of_column = half(simd, columns.advance(last_of_column[y]));
            simd.average(centre, of_column)
        });
        target.put::<S, P, W>(simd, y, samples);
    }
}

/// A block of Cb and one of Cr to write, at the same place of both planes.
pub(crate) struct Targets<'a> {
    pub(crate) planes: [&'a mut [u8]; 2],
    pub(crate) stride: usize,
    pub(crate) position: usize,
}

impl Targets<'_> {
    /// Puts the first W samples of two vectors into rows of Cb, from row `y` on, and as many from
    /// the ninth on into rows of Cr.
    #[inline(always)]
    fn put<S: Vectors, P: Put, const W: usize>(
        &mut self,
        simd: S,
        y: usize,
        mut samples: [u8x16<S>; 2],
    ) {
        let position = self.position + y * self.stride;
        let [cb, cr] = &mut self.planes;
        if P::AVERAGES {
            let of_cb = read_rows::<W, 2>(cb, position, self.stride);
            let of_cr = read_rows::<W, 2>(cr, position, self.stride);
            let (Some(of_cb), Some(of_cr)) = (of_cb, of_cr) else { return };
            samples = two_rows!(y => {
                simd.average(load_two::<S, W>(simd, of_cb[y], of_cr[y]), samples[y])
            });
        }
        store_rows::<S, W, 2>(samples, cb, position, self.stride);
        let behind = two_rows!(y => {
            let halves: u64x2<S> = samples[y].bitcast();
            halves.zip_high(halves).bitcast()
        });
        store_rows::<S, W, 2>(behind, cr, position, self.stride);
    }

    pub(crate) fn reborrow(&mut self) -> Targets<'_> {
        let [cb, cr] = &mut self.planes;
        Targets { planes: [cb, cr], stride: self.stride, position: self.position }
    }

    /// With planes of the same length one check is enough for both.
    #[inline(always)]
    fn of_one_length(self) -> Self {
        let [cb, cr] = self.planes;
        let len = cb.len().min(cr.len());
        Self { planes: [&mut cb[..len], &mut cr[..len]], ..self }
    }
}

/// The same to read from.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) planes: [&'a [u8]; 2],
    pub(crate) stride: usize,
    pub(crate) position: usize,
}

impl<'a> Sources<'a> {
    /// R rows of Cb and of Cr from row `y` on.
    #[inline(always)]
    fn rows<const W: usize, const R: usize>(&self, y: usize) -> Option<[[&'a [u8; W]; R]; 2]> {
        let position = self.position + y * self.stride;
        let [cb, cr] = self.planes;
        Some([read_rows(cb, position, self.stride)?, read_rows(cr, position, self.stride)?])
    }

    #[inline(always)]
    fn of_one_length(self) -> Self {
        let [cb, cr] = self.planes;
        let len = cb.len().min(cr.len());
        Self { planes: [&cb[..len], &cr[..len]], ..self }
    }
}

/// Samples of Cb and Cr at an eighth-sample position (8.4.2.2.2); `dx` and `dy` 0 to 7, a width and
/// a height of 2, 4 or 8 each. Reads one sample behind the block where `dx` is not 0, one row where
/// `dy` is not 0.
#[inline(always)]
pub(crate) fn chroma<S: Vectors, P: Put>(
    simd: S,
    targets: Targets<'_>,
    sources: Sources<'_>,
    (width, height): (usize, usize),
    (dx, dy): (usize, usize),
) {
    match width {
        8 => chroma_of_width::<S, P, 8, 9>(simd, targets, sources, height, (dx, dy)),
        4 => chroma_of_width::<S, P, 4, 5>(simd, targets, sources, height, (dx, dy)),
        _ => chroma_of_width::<S, P, 2, 3>(simd, targets, sources, height, (dx, dy)),
    }
}

#[inline(always)]
fn chroma_of_width<S: Vectors, P: Put, const W: usize, const N: usize>(
    simd: S,
    targets: Targets<'_>,
    sources: Sources<'_>,
    height: usize,
    (dx, dy): (usize, usize),
) {
    let (mut targets, sources) = (targets.of_one_length(), sources.of_one_length());
    match (dx, dy) {
        (0, 0) if !P::AVERAGES => match height {
            8 => copy_rows_of_both::<W, 8>(targets, sources),
            4 => copy_rows_of_both::<W, 4>(targets, sources),
            _ => copy_rows_of_both::<W, 2>(targets, sources),
        },
        (0, 0) => {
            for group in 0..height / 2 {
                let y = 2 * group;
                let Some([cb, cr]) = sources.rows::<W, 2>(y) else { return };
                let first = load_two::<S, W>(simd, cb[0], cr[0]);
                let second = load_two::<S, W>(simd, cb[1], cr[1]);
                targets.put::<S, P, W>(simd, y, [first, second]);
            }
        }
        (0, _) => eighths::<S, P, W, W>(simd, targets, sources, height, (0, dy)),
        _ => eighths::<S, P, W, N>(simd, targets, sources, height, (dx, dy)),
    }
}

#[inline(always)]
fn copy_rows_of_both<const W: usize, const R: usize>(targets: Targets<'_>, sources: Sources<'_>) {
    if let Some([of_cb, of_cr]) = sources.rows::<W, R>(0) {
        let [cb, cr] = targets.planes;
        write_rows(cb, targets.position, targets.stride, of_cb);
        write_rows(cr, targets.position, targets.stride, of_cr);
    }
}

/// Sums between a row of N samples and the next; N is W where all are of one column.
#[inline(always)]
fn eighths<S: Vectors, P: Put, const W: usize, const N: usize>(
    simd: S,
    mut targets: Targets<'_>,
    sources: Sources<'_>,
    height: usize,
    (dx, dy): (usize, usize),
) {
    let [x0, x1] = [8 - dx as i16, dx as i16];
    // Where one row is enough it is taken for the lower one.
    let [y0, y1] = if dy == 0 { [0, 8] } else { [8 - dy as i16, dy as i16] };
    let below = usize::from(dy > 0);
    let mut upper = i16x16::splat(simd, 0);
    if dy > 0 {
        let Some([[cb], [cr]]) = sources.rows::<N, 1>(0) else { return };
        upper = eighths_of_row::<S, W, N>(simd, [cb, cr], [x0, x1]);
    }
    for group in 0..height / 2 {
        let y = 2 * group;
        let Some([cb, cr]) = sources.rows::<N, 2>(y + below) else { return };
        let samples = two_rows!(y => {
            let lower = eighths_of_row::<S, W, N>(simd, [cb[y], cr[y]], [x0, x1]);
            let samples = Lanes::clip((upper * y0 + lower * y1 + 32) >> 6, simd);
            upper = lower;
            samples
        });
        targets.put::<S, P, W>(simd, y, samples);
    }
}

/// Sums of neighbouring samples of a row of Cb, and from the ninth on of Cr.
#[inline(always)]
fn eighths_of_row<S: Vectors, const W: usize, const N: usize>(
    simd: S,
    [cb, cr]: [&[u8; N]; 2],
    [x0, x1]: [i16; 2],
) -> i16x16<S> {
    let left = simd.widen(load_two::<S, W>(simd, cb, cr));
    if N == W {
        return left << 3;
    }
    left * x0 + simd.widen(load_two::<S, W>(simd, &cb[1..], &cr[1..])) * x1
}

/// Copies a block.
pub(crate) fn copy_block(target: Target<'_>, source: Source<'_>, width: usize, height: usize) {
    match width {
        16 => copy::<16>(target, source, height),
        8 => copy::<8>(target, source, height),
        4 => copy::<4>(target, source, height),
        _ => copy::<2>(target, source, height),
    }
}

/// Default weighting of two predictions (8-273): the target becomes the average of itself and the
/// other.
pub(crate) fn average_blocks<S: Vectors>(
    simd: S,
    t: &mut Target<'_>,
    other: &Source<'_>,
    width: usize,
    height: usize,
) {
    simd.vectorize(
        #[inline(always)]
        || match width {
            16 => average_with::<S, 16>(simd, t, other, height),
            8 => average_with::<S, 8>(simd, t, other, height),
            4 => average_with::<S, 4>(simd, t, other, height),
            _ => average_with::<S, 2>(simd, t, other, height),
        },
    );
}

#[inline(always)]
fn average_with<S: Vectors, const W: usize>(
    simd: S,
    target: &mut Target<'_>,
    other: &Source<'_>,
    height: usize,
) {
    for y in 0..height {
        let (Some(to), Some(from)) = (target.row::<W>(y), other.row::<W>(y)) else { return };
        let samples = simd.average(load::<S, W>(simd, to), load::<S, W>(simd, from));
        store(samples, to);
    }
}

/// Explicit weighting of one prediction (8-274, 8-275).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uni {
    pub(crate) log2_denominator: u32,
    pub(crate) weight: i32,
    pub(crate) offset: i32,
}

pub(crate) fn weight_block<S: Vectors>(
    simd: S,
    t: &mut Target<'_>,
    width: usize,
    height: usize,
    uni: Uni,
) {
    simd.vectorize(
        #[inline(always)]
        || match width {
            16 => weight_of_width::<S, i16x16<S>, 16>(simd, t, height, uni),
            8 => weight_of_width::<S, i16x8<S>, 8>(simd, t, height, uni),
            4 => weight_of_width::<S, i16x8<S>, 4>(simd, t, height, uni),
            _ => weight_of_width::<S, i16x8<S>, 2>(simd, t, height, uni),
        },
    );
}

#[inline(always)]
fn weight_of_width<S: Vectors, V: Lanes<S>, const W: usize>(
    simd: S,
    target: &mut Target<'_>,
    height: usize,
    uni: Uni,
) {
    // Weights are -128 to 127, or 128: products fit 16 bits.
    let round = if uni.log2_denominator > 0 { 1 << (uni.log2_denominator - 1) } else { 0 };
    let (weight, offset) = (uni.weight as i16, uni.offset as i16);
    for y in 0..height {
        let Some(row) = target.row::<W>(y) else { return };
        let product = V::widen(simd, load::<S, W>(simd, row)) * weight;
        let scaled = ((product + round) >> uni.log2_denominator) + offset;
        store(scaled.clip(simd), row);
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

pub(crate) fn weight_blocks<S: Vectors>(
    simd: S,
    t: &mut Target<'_>,
    other: &Source<'_>,
    width: usize,
    height: usize,
    bi: Bi,
) {
    simd.vectorize(
        #[inline(always)]
        || match width {
            16 => weight_both_of_width::<S, i16x16<S>, 16>(simd, t, other, height, bi),
            8 => weight_both_of_width::<S, i16x8<S>, 8>(simd, t, other, height, bi),
            4 => weight_both_of_width::<S, i16x8<S>, 4>(simd, t, other, height, bi),
            _ => weight_both_of_width::<S, i16x8<S>, 2>(simd, t, other, height, bi),
        },
    );
}

#[inline(always)]
fn weight_both_of_width<S: Vectors, V: Lanes<S>, const W: usize>(
    simd: S,
    target: &mut Target<'_>,
    other: &Source<'_>,
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
            let (Some(to), Some(from)) = (target.row::<W>(y), other.row::<W>(y)) else { return };
            let first = V::widen(simd, load::<S, W>(simd, to)) * w0;
            let second = V::widen(simd, load::<S, W>(simd, from)) * w1;
            let scaled = ((first + second + round) >> shift) + offset;
            store(scaled.clip(simd), to);
        }
        return;
    }
    for y in 0..height {
        let (Some(to), Some(from)) = (target.row::<W>(y), other.row::<W>(y)) else { return };
        for (to, from) in to.iter_mut().zip(from) {
            let sum = i32::from(*to) * w0 + i32::from(*from) * w1;
            *to = super::clip(((sum + round) >> shift) + offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{Instructions, baseline, dispatch};

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
        for instructions in Instructions::all() {
            dispatch!(instructions, simd => every_quarter_position(simd));
        }
    }

    /// Every width with every height.
    fn sizes(of: [usize; 3]) -> impl Iterator<Item = (usize, usize)> {
        of.into_iter().flat_map(move |width| of.map(|height| (width, height)))
    }

    fn every_quarter_position<S: Vectors>(simd: S) {
        let plane = noise();
        for (width, height) in sizes([4, 8, 16]) {
            for (dx, dy) in (0..16).map(|index| (index % 4, index / 4)) {
                let mut out = vec![0; 16 * 16];
                let source = Source { plane: &plane, stride: STRIDE, position: 5 * STRIDE + 7 };
                let target = Target { plane: &mut out, stride: 16, position: 0 };
                luma::<_, Store>(simd, target, source, (width, height), (dx, dy));
                let mut average = plane[..256].to_vec();
                let target = Target { plane: &mut average, stride: 16, position: 0 };
                luma::<_, Average>(simd, target, source, (width, height), (dx, dy));
                for (x, y) in (0..width * height).map(|index| (index % width, index / width)) {
                    let expected = reference_luma(&plane, x as i32 + 7, y as i32 + 5, dx, dy);
                    let index = y * 16 + x;
                    assert_eq!(out[index], expected, "{width} {height} {dx} {dy} {x} {y}");
                    let expected = average_of(plane[index], expected);
                    assert_eq!(average[index], expected, "{width} {height} {dx} {dy} {x} {y}");
                }
            }
        }
    }

    fn average_of(a: u8, b: u8) -> u8 {
        (u16::from(a) + u16::from(b)).div_ceil(2) as u8
    }

    #[test]
    fn coarse_samples_are_averages_of_the_nearest() {
        for instructions in Instructions::all() {
            dispatch!(instructions, simd => every_coarse_position(simd));
        }
    }

    fn every_coarse_position<S: Vectors>(simd: S) {
        let plane = noise();
        let between = |a: u8, b: u8, quarters: usize| match quarters {
            0 => a,
            1 => average_of(a, average_of(a, b)),
            2 => average_of(a, b),
            _ => average_of(average_of(a, b), b),
        };
        for (width, height) in sizes([4, 8, 16]) {
            for (dx, dy) in (0..16).map(|index| (index % 4, index / 4)) {
                let source = Source { plane: &plane, stride: STRIDE, position: 5 * STRIDE + 7 };
                let (mut out, mut average) = (vec![0; 256], plane[..256].to_vec());
                let target = Target { plane: &mut out, stride: 16, position: 0 };
                coarse_luma::<_, Store>(simd, target, source, (width, height), (dx, dy));
                let target = Target { plane: &mut average, stride: 16, position: 0 };
                coarse_luma::<_, Average>(simd, target, source, (width, height), (dx, dy));
                for (x, y) in (0..width * height).map(|index| (index % width, index / width)) {
                    let at = |x: usize, y: usize| plane[(5 + y) * STRIDE + 7 + x];
                    let row = |y: usize| between(at(x, y), at(x + 1, y), dx);
                    let expected = between(row(y), row(y + 1), dy);
                    let index = y * 16 + x;
                    assert_eq!(out[index], expected, "{width} {height} {dx} {dy} {x} {y}");
                    let expected = average_of(plane[index], expected);
                    assert_eq!(average[index], expected, "{width} {height} {dx} {dy} {x} {y}");
                }
            }
        }
    }

    #[test]
    fn s8_4_2_2_2_every_eighth_position() {
        for instructions in Instructions::all() {
            dispatch!(instructions, simd => every_eighth_position(simd));
        }
    }

    fn every_eighth_position<S: Vectors>(simd: S) {
        let plane = noise();
        for (width, height) in sizes([2, 4, 8]) {
            for (dx, dy) in (0..64).map(|index| (index % 8, index / 8)) {
                let (mut cb, mut cr) = (vec![0; 64], vec![0; 64]);
                let (mut cb_average, mut cr_average) = (plane[..64].to_vec(), vec![0; 64]);
                let planes = [&plane[..], &plane[5..]];
                let sources = Sources { planes, stride: STRIDE, position: STRIDE + 3 };
                let targets = Targets { planes: [&mut cb, &mut cr], stride: 8, position: 0 };
                chroma::<_, Store>(simd, targets, sources, (width, height), (dx, dy));
                let planes = [&mut cb_average[..], &mut cr_average[..]];
                let targets = Targets { planes, stride: 8, position: 0 };
                chroma::<_, Average>(simd, targets, sources, (width, height), (dx, dy));
                for (x, y) in (0..width * height).map(|index| (index % width, index / width)) {
                    let (u, v) = (dx as i32, dy as i32);
                    let expected = |px: i32, py: i32| {
                        let sum = (8 - u) * (8 - v) * at(&plane, px, py)
                            + u * (8 - v) * at(&plane, px + 1, py)
                            + (8 - u) * v * at(&plane, px, py + 1)
                            + u * v * at(&plane, px + 1, py + 1);
                        ((sum + 32) >> 6) as u8
                    };
                    let index = y * 8 + x;
                    let (of_cb, of_cr) = (
                        expected(x as i32 + 3, y as i32 + 1),
                        expected(x as i32 + 8, y as i32 + 1),
                    );
                    let averages = [average_of(plane[index], of_cb), average_of(0, of_cr)];
                    assert_eq!(
                        [cb[index], cr[index]],
                        [of_cb, of_cr],
                        "{width} {height} {dx} {dy} {x} {y}"
                    );
                    assert_eq!([cb_average[index], cr_average[index]], averages, "{dx} {dy}");
                }
            }
        }
    }

    /// The planes on which sums are greatest and least: samples of 255 where the filter's
    /// coefficients of one sign are, of 0 elsewhere.
    #[test]
    fn s8_4_2_2_1_sums_that_16_bits_do_not_hold() {
        const TAPS: [i32; 6] = [1, -5, 20, 20, -5, 1];
        for signs in 0..16 {
            let [outer_x, inner_x, outer_y, inner_y] = [1, 2, 4, 8].map(|bit| signs & bit != 0);
            let is_set = |k: usize, outer: bool, inner: bool| match TAPS[k].abs() {
                1 => outer,
                20 => inner,
                _ => !inner,
            };
            let mut plane = vec![0; STRIDE * 40];
            for (x, y) in (0..36).map(|index| (index % 6, index / 6)) {
                let of_row = is_set(x, outer_x, inner_x);
                if of_row == is_set(y, outer_y, inner_y) {
                    plane[(8 + y) * STRIDE + 8 + x] = 255;
                }
            }
            for instructions in Instructions::all() {
                let mut out = [0; 256];
                let target = Target { plane: &mut out, stride: 16, position: 0 };
                let source = Source { plane: &plane, stride: STRIDE, position: 4 * STRIDE + 4 };
                dispatch!(instructions, simd => luma::<_, Store>(simd, target, source, (16, 16), (2, 2)));
                for (x, y) in (0..256).map(|index| (index % 16, index / 16)) {
                    let expected = reference_luma(&plane, x as i32 + 4, y as i32 + 4, 2, 2);
                    assert_eq!(out[16 * y + x], expected, "{instructions:?} {signs} {x} {y}");
                }
            }
        }
    }

    /// Each weighting of random samples by the formulas, with all weights that are extremes.
    #[test]
    fn s8_4_2_3_weights() {
        for instructions in Instructions::all() {
            dispatch!(instructions, simd => every_weighting(simd));
        }
    }

    fn every_weighting<S: Vectors>(simd: S) {
        let plane = noise();
        let other = Source { plane: &plane, stride: STRIDE, position: 7 };
        let weights = [-128, -64, -3, 0, 1, 20, 32, 64, 90, 127];
        for width in [2, 4, 8, 16] {
            let check = |out: &[u8], expected: &dyn Fn(i32, i32) -> i32| {
                for (x, y) in (0..width * 6).map(|index| (index % width, index / width)) {
                    let index = y * STRIDE + x;
                    let (a, b) = (plane[20 * STRIDE + index], plane[7 + index]);
                    let expected = expected(a.into(), b.into()).clamp(0, 255);
                    assert_eq!(i32::from(out[index]), expected, "{width} {x} {y}");
                }
            };
            fn target(plane: &mut [u8]) -> Target<'_> {
                Target { plane, stride: STRIDE, position: 0 }
            }
            let block = || plane[20 * STRIDE..27 * STRIDE].to_vec();
            let mut out = block();
            average_blocks(simd, &mut target(&mut out), &other, width, 6);
            check(&out, &|a, b| (a + b + 1) >> 1);
            for (log2_denominator, offset) in [(0, -128), (1, 127), (5, 0), (7, -1)] {
                for w0 in weights {
                    let mut out = block();
                    let uni = Uni { log2_denominator, weight: w0, offset };
                    weight_block(simd, &mut target(&mut out), width, 6, uni);
                    let round = (1 << log2_denominator) >> 1;
                    check(&out, &|a, _| ((a * w0 + round) >> log2_denominator) + offset);
                    for w1 in weights {
                        let mut out = block();
                        let bi = Bi { log2_denominator, weights: [w0, w1], offsets: 2 * offset };
                        weight_blocks(simd, &mut target(&mut out), &other, width, 6, bi);
                        check(&out, &|a, b| {
                            let sum = a * w0 + b * w1 + (1 << log2_denominator);
                            (sum >> (log2_denominator + 1)) + offset
                        });
                    }
                }
            }
        }
    }

    #[test]
    fn s8_4_2_3_weights_worked_by_hand() {
        let simd = baseline();
        let mut out = [100u8, 200, 0, 255];
        let mut target = Target { plane: &mut out, stride: 4, position: 0 };
        weight_block(simd, &mut target, 4, 1, Uni { log2_denominator: 2, weight: -3, offset: 80 });
        // (-300 + 2 >> 2) + 80 = 5, (-600 + 2 >> 2) + 80 < 0, 80, below 0.
        assert_eq!(out, [5, 0, 80, 0]);
        let mut out = [100u8, 200, 0, 255];
        let other = Source { plane: &[50, 100, 255, 255], stride: 4, position: 0 };
        let mut target = Target { plane: &mut out, stride: 4, position: 0 };
        weight_blocks(
            simd,
            &mut target,
            &other,
            4,
            1,
            Bi { log2_denominator: 5, weights: [40, 24], offsets: 3 },
        );
        // (4000 + 1200 + 32 >> 6) + 2 = 83, 165, (6120 + 32 >> 6) + 2 = 98, over 255.
        assert_eq!(out, [83, 165, 98, 255]);
    }
}
