//! The syntax elements of macroblocks (ITU-T H.264 7.3.5), whichever way they are coded.

use h264::SliceType;

use crate::error::Damage;
use crate::mb::{Cache, Flags};

/// What the reading of a macroblock depends on.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) cache: Cache,
    /// The macroblock is a field macroblock: its coefficients have contexts of their own.
    pub(crate) is_field: bool,
    /// To be looked at where they are: a copy in larger pieces than they were stored in waits for
    /// all that was stored before.
    pub(crate) left: Option<NeighbourFacts>,
    pub(crate) above: Option<NeighbourFacts>,
    /// Whether the 8x8 luma blocks left of the upper and of the lower half are in their
    /// `coded_block_pattern`.
    pub(crate) left_luma: [bool; 2],
    /// `mb_qp_delta` of the macroblock before, in decoding order, is not 0.
    pub(crate) has_qp_delta_before: bool,
    pub(crate) has_chroma: bool,
}

/// What syntax elements depend on of a neighbour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NeighbourFacts {
    pub(crate) flags: Flags,
    pub(crate) coded_block_pattern: u16,
    pub(crate) intra_chroma_pred_mode: u8,
}

/// A block of coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Intra16x16DCLevel.
    LumaDc,
    /// Intra16x16ACLevel, at its place in [`Cache`].
    LumaAc(usize),
    /// LumaLevel4x4.
    Luma(usize),
    /// LumaLevel8x8 as one; only CABAC has it.
    Luma8x8,
    /// ChromaDCLevel of Cb (0) or Cr (1).
    ChromaDc(usize),
    /// ChromaACLevel of Cb or Cr, at its place.
    ChromaAc(usize, usize),
}

/// Where coefficients go: N of them, from a scan of S.
pub(crate) struct Coefficients<'a, const N: usize, const S: usize> {
    pub(crate) levels: &'a mut [i16; N],
    /// Raster position by place in the scan; that of the block's first coefficient is
    /// `scan[first]`.
    pub(crate) scan: &'a [u8; S],
    pub(crate) first: usize,
    /// By raster position.
    pub(crate) scale: &'a [i32; N],
    /// 4 of 4x4 blocks, 6 of 8x8.
    pub(crate) shift: u32,
}

impl<const N: usize, const S: usize> Coefficients<'_, N, S> {
    /// Coefficients of the block.
    pub(crate) fn count(&self) -> usize {
        S - self.first
    }

    /// Scales a coefficient (8.5.12.1, 8.5.13.1) and puts it where it belongs.
    #[inline(always)]
    pub(crate) fn put(&mut self, place: usize, level: i32) {
        let position = usize::from(self.scan[(place + self.first) & (S - 1)]) & (N - 1);
        let scaled = level.wrapping_mul(self.scale[position]).wrapping_add(1 << (self.shift - 1));
        self.levels[position] = (scaled >> self.shift) as i16;
    }
}

/// A reader of syntax elements: CAVLC or CABAC.
pub(crate) trait Syntax {
    /// Flags instead of runs of skipped macroblocks, `end_of_slice_flag`, 8x8 blocks as one.
    const IS_CABAC: bool;

    /// `mb_skip_run`, of CAVLC.
    fn mb_skip_run(&mut self, max: u32) -> Result<u32, Damage>;

    /// `mb_skip_flag`, of CABAC.
    fn mb_skip_flag(&mut self, slice_type: SliceType, around: &Surroundings) -> bool;

    /// `mb_field_decoding_flag`; `field_pairs` counts the pairs left and above that are field
    /// pairs.
    fn mb_field_decoding_flag(&mut self, field_pairs: usize) -> bool;

    /// The flag that comes next, which stays; of CAVLC.
    fn peek_mb_field_decoding_flag(&mut self) -> bool;

    /// `more_rbsp_data()`, or not `end_of_slice_flag`.
    fn has_more(&mut self) -> bool;

    /// Fails where more was read than there is.
    fn check(&self) -> Result<(), Damage>;

    /// `mb_type`, by the numbers of tables 7-11, 7-13 and 7-14.
    fn mb_type(&mut self, slice_type: SliceType, around: &Surroundings) -> Result<u32, Damage>;

    /// `sub_mb_type`, by the numbers of tables 7-17 and 7-18.
    fn sub_mb_type(&mut self, slice_type: SliceType) -> Result<u32, Damage>;

    fn transform_size_8x8_flag(&mut self, around: &Surroundings) -> bool;

    /// None for `prev_intra4x4_pred_mode_flag`, else `rem_intra4x4_pred_mode`.
    fn intra_pred_mode(&mut self) -> Option<u8>;

    fn intra_chroma_pred_mode(&mut self, around: &Surroundings) -> Result<u8, Damage>;

    /// `ref_idx_l0` or `ref_idx_l1` of the partition at a place.
    fn ref_idx(
        &mut self,
        around: &Surroundings,
        list: usize,
        place: usize,
        max: u32,
    ) -> Result<i8, Damage>;

    /// `mvd_l0` or `mvd_l1` of the partition at a place.
    fn mvd(&mut self, around: &Surroundings, list: usize, place: usize)
    -> Result<[i32; 2], Damage>;

    fn coded_block_pattern(&mut self, around: &Surroundings, is_intra: bool) -> Result<u8, Damage>;

    fn mb_qp_delta(&mut self, around: &Surroundings) -> Result<i32, Damage>;

    /// A block of coefficients; returns how many are not 0.
    fn block<const N: usize, const S: usize>(
        &mut self,
        block: Block,
        around: &Surroundings,
        coefficients: &mut Coefficients<'_, N, S>,
    ) -> Result<u8, Damage>;

    /// `pcm_sample_luma` and `pcm_sample_chroma`: so many bytes.
    fn pcm_samples(&mut self, count: usize) -> Result<&[u8], Damage>;
}
