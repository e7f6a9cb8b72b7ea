//! Intra prediction of macroblocks (ITU-T H.264 8.3): which samples there are, and which mode is
//! whose.

use crate::error::Damage;
use crate::kernels::intra::{self, Available, Direction};
use crate::mb::{Flags, block_at, block_xy, place};
use crate::slice::{MbDecoder, add_4x4, add_8x8};
use crate::vectors::Vectors;

/// Which samples around the macroblock may be used for intra prediction.
#[derive(Clone, Copy, Debug)]
struct Samples {
    /// Left of each row of blocks.
    left: [bool; 4],
    above: bool,
    above_right: bool,
    corner: bool,
}

impl<S: Vectors> MbDecoder<'_, S> {
    /// With `constrained_intra_pred_flag` only samples of intra macroblocks (8.3.1.2, 8.3.2.2,
    /// 8.3.3, 8.3.4).
    fn intra_samples(&self) -> Samples {
        let constrained = self.context.pps.constrained_intra_pred;
        let mbs = &self.context.picture.mbs;
        let is_usable = |index: usize| !constrained || mbs[index].flags.any(Flags::INTRA);
        let found = &self.neighbours;
        let left = match found.left {
            None => [false; 4],
            Some(_) => {
                let [upper, lower] = found.left_samples.map(is_usable);
                if found.left_is_woven { [upper && lower; 4] } else { [upper, upper, lower, lower] }
            }
        };
        Samples {
            left,
            above: found.above.is_some_and(is_usable),
            above_right: found.above_right.is_some_and(is_usable),
            corner: found.above_left.is_some_and(is_usable),
        }
    }

    /// Predicts and adds the residual of each block of I_NxN in turn: each is predicted from those
    /// before.
    pub(crate) fn reconstruct_intra_nxn(&mut self, is_8x8: bool) -> Result<(), Damage> {
        self.simd.vectorize(
            #[inline(always)]
            || self.reconstruct_blocks(is_8x8),
        )
    }

    #[inline(always)]
    fn reconstruct_blocks(&mut self, is_8x8: bool) -> Result<(), Damage> {
        let simd = self.simd;
        let around = self.intra_samples();
        let samples = &mut self.context.frame.samples;
        let (start, stride) = self.origins[0];
        let plane = &mut samples.planes[0][..];
        let step = if is_8x8 { 2 } else { 1 };
        let is_cabac = self.context.pps.entropy_coding_mode;
        for block in (0..16).step_by(step * step) {
            let (x, y) = block_xy(block);
            let mode = self.around.cache.intra_pred_modes[place(x, y)];
            let position = start + 4 * y * stride + 4 * x;
            let right = x + step;
            let above_right = match (y, right) {
                (0, 4) => around.above_right,
                (0, _) => around.above,
                (_, 4) => false,
                _ => block_at(right, y - 1) < block,
            };
            let corner = match (x, y) {
                (0, 0) => around.corner,
                (0, _) => around.left[y - 1],
                (_, 0) => around.above,
                _ => true,
            };
            let available = Available {
                above: y > 0 || around.above,
                above_right,
                left: x > 0 || around.left[y],
                corner,
            };
            let is_coded = self.mb.coefficients >> (4 * y + x) & 1 == 1;
            if is_8x8 {
                predict_8x8(plane, stride, position, mode, available)?;
                let coefficients = self.coefficients[16 * block..].first_chunk_mut::<64>();
                if let (true, Some(coefficients)) = (is_coded, coefficients) {
                    let is_single = self.blocks.has_single_coefficient_8x8(x, y, is_cabac);
                    add_8x8(simd, plane, stride, position, coefficients, is_single);
                }
            } else {
                predict_4x4(plane, stride, position, mode, available)?;
                let coefficients = self.coefficients[16 * block..].first_chunk_mut::<16>();
                if let (true, Some(coefficients)) = (is_coded, coefficients) {
                    let is_single = self.blocks.total_coeff[4 * y + x] == 1;
                    add_4x4(simd, plane, stride, position, coefficients, is_single);
                }
            }
        }
        Ok(())
    }

    /// Intra_16x16 prediction (8.3.3).
    pub(crate) fn predict_intra_16x16(&mut self, mode: u8) -> Result<(), Damage> {
        let around = self.intra_samples();
        let left = around.left == [true; 4];
        let samples = &mut self.context.frame.samples;
        let (position, stride) = self.origins[0];
        let plane = &mut samples.planes[0][..];
        match mode {
            0 if around.above => intra::vertical::<16>(plane, stride, position),
            1 if left => intra::horizontal::<16>(plane, stride, position),
            2 => intra::dc::<16>(plane, stride, position, around.above, left),
            3 if around.above && left && around.corner => {
                intra::plane::<16>(plane, stride, position);
            }
            _ => return Err(Damage::PredictionMode),
        }
        Ok(())
    }

    /// Intra prediction of chroma (8.3.4), 4:2:0.
    pub(crate) fn predict_intra_chroma(&mut self) -> Result<(), Damage> {
        if !self.around.has_chroma {
            return Ok(());
        }
        let around = self.intra_samples();
        let left = around.left == [true; 4];
        let samples = &mut self.context.frame.samples;
        let (position, stride) = self.origins[1];
        for plane in samples.planes.iter_mut().skip(1) {
            match self.mb.intra_chroma_pred_mode {
                0 => {
                    let halves = [around.left[0], around.left[2]];
                    intra::chroma_dc(plane, stride, position, around.above, halves);
                }
                1 if left => intra::horizontal::<8>(plane, stride, position),
                2 if around.above => intra::vertical::<8>(plane, stride, position),
                3 if around.above && left && around.corner => {
                    intra::plane::<8>(plane, stride, position);
                }
                _ => return Err(Damage::PredictionMode),
            }
        }
        Ok(())
    }
}

/// A directional mode (tables 8-2 and 8-3), if its samples are there.
fn direction(mode: i8, available: Available) -> Result<Direction, Damage> {
    let all = available.above && available.left && available.corner;
    match mode {
        3 if available.above => Ok(Direction::DiagonalDownLeft),
        4 if all => Ok(Direction::DiagonalDownRight),
        5 if all => Ok(Direction::VerticalRight),
        6 if all => Ok(Direction::HorizontalDown),
        7 if available.above => Ok(Direction::VerticalLeft),
        8 if available.left => Ok(Direction::HorizontalUp),
        _ => Err(Damage::PredictionMode),
    }
}

#[inline(always)]
fn predict_4x4(
    plane: &mut [u8],
    stride: usize,
    position: usize,
    mode: i8,
    available: Available,
) -> Result<(), Damage> {
    match mode {
        0 if available.above => intra::vertical::<4>(plane, stride, position),
        1 if available.left => intra::horizontal::<4>(plane, stride, position),
        2 => intra::dc::<4>(plane, stride, position, available.above, available.left),
        _ => {
            let direction = direction(mode, available)?;
            let edge = intra::edge_4x4(plane, stride, position, available.above_right);
            intra::directional(plane, stride, position, direction, &edge);
        }
    }
    Ok(())
}

#[inline(always)]
fn predict_8x8(
    plane: &mut [u8],
    stride: usize,
    position: usize,
    mode: i8,
    available: Available,
) -> Result<(), Damage> {
    let edge = intra::edge_8x8(plane, stride, position, available);
    match mode {
        0 if available.above => intra::vertical_8x8(plane, stride, position, &edge),
        1 if available.left => intra::horizontal_8x8(plane, stride, position, &edge),
        2 => intra::dc_8x8(plane, stride, position, &edge, available),
        _ => {
            let direction = direction(mode, available)?;
            intra::directional(plane, stride, position, direction, &edge);
        }
    }
    Ok(())
}
