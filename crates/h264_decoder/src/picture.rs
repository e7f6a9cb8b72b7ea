//! The picture that is being decoded: what its macroblocks keep for each other.

use h264::{Pps, SliceHeader, Sps};

use crate::deblock::EdgeLimits;
use crate::frame::{Frame, Geometry, Structure};
use crate::mb::{Blocks, EdgeMvd, Mb, NO_SLICE};
use crate::ref_list::RefLists;
use crate::residual::LevelScale;

/// Side data of a frame's macroblocks while it is decoded, used again for each picture.
#[derive(Debug, Default)]
pub(crate) struct PictureState {
    /// What is kept of each macroblock. Of one that is not decoded it is what was there before,
    /// but in MBAFF frames.
    pub(crate) mbs: Vec<Mb>,
    /// Which slice each macroblock is in, as a place in `slices`; [`NO_SLICE`] before it is
    /// decoded. It is apart since it is all that is looked at of macroblocks that may not be there:
    /// so little stays in the nearest cache, and is quickly cleared.
    pub(crate) slice_of: Vec<u16>,
    /// What is kept of the last rows' blocks, by [`PictureState::place_of_recent`].
    pub(crate) blocks: Vec<Blocks>,
    /// Motion vector differences in CABAC slices, likewise.
    pub(crate) mvd: Vec<EdgeMvd>,
    /// By `slice_of`.
    pub(crate) slices: Vec<SliceParameters>,
    /// Macroblocks decoded.
    pub(crate) decoded: usize,
    /// Rows of macroblocks, of pairs in MBAFF frames, that are deblocked.
    pub(crate) deblocked_rows: usize,
}

/// What deblocking and concealment need of a slice.
#[derive(Debug)]
pub(crate) struct SliceParameters {
    pub(crate) disable_deblocking_filter_idc: u8,
    pub(crate) edge_limits: EdgeLimits,
    /// B slices have two lists.
    pub(crate) is_b: bool,
}

impl PictureState {
    /// For the first picture of a frame, or for the second field of one.
    pub(crate) fn start(&mut self, geometry: Geometry, is_mbaff: bool, is_second_field: bool) {
        if !is_second_field {
            self.slice_of.clear();
            self.slice_of.resize(geometry.macroblocks(), NO_SLICE);
            // Where a slice breaks off within a pair, its other macroblock is looked at all the
            // same.
            if is_mbaff {
                self.mbs.clear();
            }
            self.mbs.resize(geometry.macroblocks(), Mb::UNDECODED);
            // From the macroblock that is decoded to the one above, in MBAFF frames from the lower
            // of a pair to the upper of that above, it is three rows at most.
            let places = (3 * geometry.width).next_power_of_two();
            self.blocks.resize(places, Blocks::NONE);
            self.mvd.resize(places, [[[0; 2]; 8]; 2]);
            self.slices.clear();
        }
        self.decoded = 0;
        self.deblocked_rows = 0;
    }

    /// Where a macroblock is among those of the last rows: a ring of them stays in the nearest
    /// cache, and nothing but the next row looks at it.
    #[inline(always)]
    pub(crate) fn place_of_recent(&self, index: usize) -> usize {
        index & (self.mvd.len() - 1)
    }
}

/// What the decoding of a slice works on.
pub(crate) struct SliceContext<'a> {
    pub(crate) sps: &'a Sps,
    pub(crate) pps: &'a Pps,
    pub(crate) header: &'a SliceHeader,
    pub(crate) geometry: Geometry,
    pub(crate) structure: Structure,
    /// Prediction between pictures need not be exact.
    pub(crate) is_coarse: bool,
    /// Motion is looked at later than by the next row: by deblocking, or for other pictures.
    pub(crate) is_motion_kept: bool,
    pub(crate) is_mbaff: bool,
    pub(crate) scale: &'a LevelScale,
    /// The frame that is decoded into, which is not in `frames`.
    pub(crate) frame: &'a mut Frame,
    /// Its place in `frames`.
    pub(crate) slot: u8,
    pub(crate) frames: &'a [Frame],
    pub(crate) lists: &'a RefLists,
    pub(crate) picture: &'a mut PictureState,
    /// The slice's place in [`PictureState::slices`].
    pub(crate) slice: u16,
}
