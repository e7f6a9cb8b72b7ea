//! Decoded pictures: planar 8-bit 4:2:0.

/// One plane of samples, a byte each, rows `stride` bytes apart.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// At least `stride * (height - 1) + width` bytes.
    pub data: &'a [u8],
    /// Bytes from one row to the next; at least the width.
    pub stride: usize,
    /// Samples in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl<'a> Plane<'a> {
    /// The rows, each `width` bytes.
    pub fn rows(self) -> impl Iterator<Item = &'a [u8]> {
        self.data.chunks(self.stride).take(self.height).map(move |row| &row[..self.width])
    }

    fn top_field(self) -> Self {
        Self { stride: self.stride * 2, height: self.height.div_ceil(2), ..self }
    }
}

/// A borrowed 4:2:0 picture. The chroma planes have half the width and height, rounded up.
#[derive(Clone, Copy, Debug)]
pub struct I420<'a> {
    /// Luma.
    pub y: Plane<'a>,
    /// Blue-difference chroma.
    pub u: Plane<'a>,
    /// Red-difference chroma.
    pub v: Plane<'a>,
}

impl I420<'_> {
    /// Every second row of each plane, from the first one on: of an interlaced frame what was seen
    /// at one moment. The rows are as far apart as in the frame, so it is shown at twice its
    /// height.
    #[must_use]
    pub fn top_field(self) -> Self {
        Self { y: self.y.top_field(), u: self.u.top_field(), v: self.v.top_field() }
    }

    /// Width of the luma plane in samples.
    #[must_use]
    pub fn width(&self) -> usize {
        self.y.width
    }

    /// Height of the luma plane in rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.y.height
    }
}

/// An owned 4:2:0 picture in one allocation, rows without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct I420Buf {
    data: Vec<u8>,
    width: usize,
    height: usize,
}

impl I420Buf {
    /// A picture of `width` x `height`, all samples zero.
    #[must_use]
    pub fn new(width: usize, height: usize) -> Self {
        let chroma = width.div_ceil(2) * height.div_ceil(2);
        Self { data: vec![0; width * height + 2 * chroma], width, height }
    }

    /// Width of the luma plane in samples.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height of the luma plane in rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The picture, borrowed.
    #[must_use]
    pub fn as_i420(&self) -> I420<'_> {
        let (chroma_width, chroma_height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let (y, chroma) = self.data.split_at(self.width * self.height);
        let (u, v) = chroma.split_at(chroma_width * chroma_height);
        let plane = |data, width, height| Plane { data, stride: width, width, height };
        I420 {
            y: plane(y, self.width, self.height),
            u: plane(u, chroma_width, chroma_height),
            v: plane(v, chroma_width, chroma_height),
        }
    }

    /// The three planes to write to, Y, U and V, rows without padding.
    #[must_use]
    pub fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        let chroma_len = self.width.div_ceil(2) * self.height.div_ceil(2);
        let (y, chroma) = self.data.split_at_mut(self.width * self.height);
        let (u, v) = chroma.split_at_mut(chroma_len);
        [y, u, v]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_sides_round_chroma_up() {
        let mut picture = I420Buf::new(5, 3);
        let [y, u, v] = picture.planes_mut();
        assert_eq!((y.len(), u.len(), v.len()), (15, 6, 6));
        v[5] = 9;
        assert_eq!(picture.as_i420().v.rows().last(), Some(&[0, 0, 9][..]));
    }
}
