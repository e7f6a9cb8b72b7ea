//! Decoded frames: samples, and the motion that direct prediction of later pictures looks up.

use crate::dpb::Marking;

/// A motion vector in quarter samples: horizontal, vertical.
pub(crate) type Mv = [i16; 2];

/// Which part of a frame a picture, or a reference to one, is. The values are those of
/// [`Structure::parities`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Structure {
    Top = 1,
    Bottom = 2,
    #[default]
    Frame = 3,
}

impl Structure {
    /// Bit 0 for the top field, bit 1 for the bottom field.
    pub(crate) fn parities(self) -> u8 {
        self as u8
    }

    pub(crate) fn is_field(self) -> bool {
        self != Self::Frame
    }

    /// 0 for top fields and frames, 1 for bottom fields: how many rows it begins below the frame.
    pub(crate) fn first_row(self) -> usize {
        usize::from(self == Self::Bottom)
    }

    /// A field by its parity, 0 or 1.
    pub(crate) fn field(parity: usize) -> Self {
        if parity == 0 { Self::Top } else { Self::Bottom }
    }

    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::Top => Self::Bottom,
            Self::Bottom => Self::Top,
            Self::Frame => Self::Frame,
        }
    }
}

/// The size of a frame in macroblocks, and whether it has chroma.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Macroblocks in a row.
    pub(crate) width: usize,
    /// Rows of macroblocks of a frame, `FrameHeightInMbs`.
    pub(crate) height: usize,
    /// 4:2:0 rather than monochrome.
    pub(crate) has_chroma: bool,
}

impl Geometry {
    /// Macroblocks in a frame.
    pub(crate) fn macroblocks(self) -> usize {
        self.width * self.height
    }
}

/// A frame of the pool: samples of both fields woven, and side data a macroblock. A field
/// macroblock of row r and parity p, of a field or of an MBAFF frame, has its side data in row 2r +
/// p.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) samples: Samples,
    pub(crate) motion: Motion,
    pub(crate) marking: Marking,
}

/// Planes of a frame, without padding.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// Y, Cb, Cr.
    pub(crate) planes: [Vec<u8>; 3],
    /// Bytes from one row to the next, of luma and of chroma.
    pub(crate) strides: [usize; 2],
    /// Rows of a frame, of luma and of chroma.
    pub(crate) heights: [usize; 2],
}

/// Motion of each macroblock, by list.
#[derive(Debug, Default)]
pub(crate) struct Motion {
    /// The vector of each 4x4 block, in raster order. In a list that no macroblock partition uses
    /// it is what was there before.
    pub(crate) mv: [Vec<[Mv; 16]>; 2],
    /// Reference index of each 8x8 block; -1 where the list is not used.
    pub(crate) ref_idx: [Vec<[i8; 4]>; 2],
    /// What the reference index refers to, [`RefPic::id`](crate::ref_list::RefPic::id); 0 where the
    /// list is not used.
    pub(crate) ref_id: [Vec<[u8; 4]>; 2],
    /// A bit for each 4x4 block, in raster order, that refers to the first picture and hardly
    /// moves: all that spatial direct prediction of later pictures asks (`colZeroFlag`), in so few
    /// bytes that they are in a cache. Without interlace and with `direct_8x8_inference_flag` it is
    /// that of the corner of the macroblock for all of an 8x8 block.
    pub(crate) still: Vec<u16>,
    /// Whether the macroblock is a field macroblock.
    pub(crate) is_field: Vec<bool>,
}

/// Whether a block with this reference index and this vector counts as standing still (8.4.1.2.2).
#[inline(always)]
pub(crate) fn is_still(ref_idx: i8, [x, y]: Mv) -> bool {
    ref_idx == 0 && (-1..=1).contains(&x) && (-1..=1).contains(&y)
}

impl Frame {
    /// Makes the buffers of this size, if they are of another.
    pub(crate) fn resize(&mut self, geometry: Geometry) {
        let (width, height) = (16 * geometry.width, 16 * geometry.height);
        let chroma_width = if geometry.has_chroma { width / 2 } else { 0 };
        let chroma_height = if geometry.has_chroma { height / 2 } else { 0 };
        self.samples.strides = [width, chroma_width];
        self.samples.heights = [height, chroma_height];
        for (plane, len) in self.samples.planes.iter_mut().zip([
            width * height,
            chroma_width * chroma_height,
            chroma_width * chroma_height,
        ]) {
            if plane.len() != len {
                *plane = vec![128; len];
            }
        }
        let macroblocks = geometry.macroblocks();
        if self.motion.is_field.len() != macroblocks {
            self.motion.is_field = vec![false; macroblocks];
            self.motion.still = vec![0; macroblocks];
            for list in 0..2 {
                self.motion.mv[list] = vec![[[0; 2]; 16]; macroblocks];
                self.motion.ref_idx[list] = vec![[-1; 4]; macroblocks];
                self.motion.ref_id[list] = vec![[0; 4]; macroblocks];
            }
        }
    }
}

impl Samples {
    /// Cb and Cr.
    pub(crate) fn chroma(&mut self) -> [&mut [u8]; 2] {
        let [_, cb, cr] = &mut self.planes;
        [cb, cr]
    }

    /// Fills the frame with one grey.
    pub(crate) fn fill_grey(&mut self) {
        for plane in &mut self.planes {
            plane.fill(128);
        }
    }
}
