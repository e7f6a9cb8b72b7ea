//! Filling parts of a picture.

use media::I420Buf;

use crate::colour::Ycbcr;
use crate::font::Glyph;

/// A part of a picture, in luma samples from its top left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rect {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Rect {
    pub(crate) fn new(x: usize, y: usize, width: usize, height: usize) -> Self {
        Self { x, y, width, height }
    }

    /// This, larger by `margin` on every side, but not over the top and left edge.
    pub(crate) fn grown(self, margin: usize) -> Self {
        let (x, y) = (self.x.saturating_sub(margin), self.y.saturating_sub(margin));
        let (right, bottom) = (self.x + self.width + margin, self.y + self.height + margin);
        Self { x, y, width: right - x, height: bottom - y }
    }

    /// The chroma samples it touches.
    fn chroma(self) -> Self {
        let (x, y) = (self.x / 2, self.y / 2);
        let (right, bottom) =
            ((self.x + self.width).div_ceil(2), (self.y + self.height).div_ceil(2));
        Self { x, y, width: right - x, height: bottom - y }
    }
}

/// Fills with one colour. What lies outside the picture is left out, here and below.
pub(crate) fn fill(picture: &mut I420Buf, rect: Rect, colour: Ycbcr) {
    fill_luma(picture, rect, colour.y);
    let chroma_width = picture.width().div_ceil(2);
    let [_, u, v] = picture.planes_mut();
    fill_plane(u, chroma_width, rect.chroma(), colour.cb);
    fill_plane(v, chroma_width, rect.chroma(), colour.cr);
}

/// Sets the luma samples only.
pub(crate) fn fill_luma(picture: &mut I420Buf, rect: Rect, luma: u8) {
    let width = picture.width();
    let [y, _, _] = picture.planes_mut();
    fill_plane(y, width, rect, luma);
}

/// Sets the luma samples, one value for each column.
pub(crate) fn fill_columns(picture: &mut I420Buf, rect: Rect, luma: impl Fn(usize) -> u8) {
    for column in 0..rect.width {
        let strip = Rect { x: rect.x + column, width: 1, ..rect };
        fill_luma(picture, strip, luma(column));
    }
}

/// Copies rows of luma samples, `rect.width` each, to a part of the picture.
pub(crate) fn copy_luma(picture: &mut I420Buf, rect: Rect, samples: &[u8]) {
    let width = picture.width();
    let [y, _, _] = picture.planes_mut();
    if rect.width == 0 {
        return;
    }
    for (target, source) in rows(y, width, rect).zip(samples.chunks(rect.width)) {
        target.copy_from_slice(&source[..target.len()]);
    }
}

/// Luma samples of a glyph, `scale` times enlarged, in a cell of `width` x `height` dots, on and
/// off.
pub(crate) fn glyph_luma(
    glyph: Glyph,
    scale: usize,
    (width, height): (usize, usize),
    (on, off): (u8, u8),
) -> Vec<u8> {
    let point = |index: usize| {
        let (x, y) = (index % (width * scale), index / (width * scale));
        if glyph.covers(x, y, scale) { on } else { off }
    };
    (0..width * scale * height * scale).map(point).collect()
}

fn fill_plane(plane: &mut [u8], stride: usize, rect: Rect, value: u8) {
    rows(plane, stride, rect).for_each(|row| row.fill(value));
}

fn rows(plane: &mut [u8], stride: usize, rect: Rect) -> impl Iterator<Item = &mut [u8]> {
    let columns = rect.x.min(stride)..(rect.x + rect.width).min(stride);
    plane
        .chunks_exact_mut(stride.max(1))
        .skip(rect.y)
        .take(rect.height)
        .map(move |row| &mut row[columns.clone()])
}
