//! Syntax elements of macroblocks by Exp-Golomb codes and CAVLC (ITU-T H.264 9.1, 9.2).

use h264::SliceType;

use crate::cavlc::{BitReader, CoeffToken};
use crate::cavlc_tables::{CODED_BLOCK_PATTERN, CODED_BLOCK_PATTERN_MONOCHROME};
use crate::error::Damage;
use crate::mb::place;
use crate::syntax::{Block, Coefficients, Surroundings, Syntax};

impl Syntax for BitReader<'_> {
    const IS_CABAC: bool = false;

    fn mb_skip_run(&mut self, max: u32) -> Result<u32, Damage> {
        self.ue(max)
    }

    fn mb_skip_flag(&mut self, _: SliceType, _: &Surroundings) -> bool {
        false
    }

    fn mb_field_decoding_flag(&mut self, _: usize) -> bool {
        self.flag()
    }

    fn peek_mb_field_decoding_flag(&mut self) -> bool {
        self.peek_flag()
    }

    fn has_more(&mut self) -> bool {
        BitReader::has_more(self)
    }

    fn check(&self) -> Result<(), Damage> {
        if self.is_exhausted() { Err(Damage::Truncated) } else { Ok(()) }
    }

    fn mb_type(&mut self, slice_type: SliceType, _: &Surroundings) -> Result<u32, Damage> {
        self.ue(match slice_type {
            SliceType::P | SliceType::Sp => 5 + 25,
            SliceType::B => 23 + 25,
            SliceType::I | SliceType::Si => 25,
        })
    }

    fn sub_mb_type(&mut self, slice_type: SliceType) -> Result<u32, Damage> {
        self.ue(if slice_type == SliceType::B { 12 } else { 3 })
    }

    fn transform_size_8x8_flag(&mut self, _: &Surroundings) -> bool {
        self.flag()
    }

    fn intra_pred_mode(&mut self) -> Option<u8> {
        if self.flag() { None } else { Some(self.u(3) as u8) }
    }

    fn intra_chroma_pred_mode(&mut self, _: &Surroundings) -> Result<u8, Damage> {
        Ok(self.ue(3)? as u8)
    }

    fn ref_idx(&mut self, _: &Surroundings, _: usize, _: usize, max: u32) -> Result<i8, Damage> {
        Ok(self.te(max)? as i8)
    }

    fn mvd(&mut self, _: &Surroundings, _: usize, _: usize) -> Result<[i32; 2], Damage> {
        Ok([self.se()?, self.se()?])
    }

    fn coded_block_pattern(&mut self, around: &Surroundings, is_intra: bool) -> Result<u8, Damage> {
        let column = usize::from(!is_intra);
        if around.has_chroma {
            let code = self.ue(47)? as usize;
            Ok(CODED_BLOCK_PATTERN[column][code])
        } else {
            let code = self.ue(15)? as usize;
            Ok(CODED_BLOCK_PATTERN_MONOCHROME[column][code])
        }
    }

    fn mb_qp_delta(&mut self, _: &Surroundings) -> Result<i32, Damage> {
        self.se()
    }

    #[inline]
    fn block<const N: usize, const S: usize>(
        &mut self,
        block: Block,
        around: &Surroundings,
        coefficients: &mut Coefficients<'_, N, S>,
    ) -> Result<u8, Damage> {
        let luma = &around.cache.total_coeff;
        let token = match block {
            Block::LumaDc => {
                CoeffToken::Luma(predicted_total(luma[place(0, 0) - 1], luma[place(0, 0) - 8]))
            }
            Block::LumaAc(place) | Block::Luma(place) => {
                CoeffToken::Luma(predicted_total(luma[place - 1], luma[place - 8]))
            }
            Block::ChromaAc(component, place) => {
                let chroma = &around.cache.chroma_total_coeff[component];
                CoeffToken::Luma(predicted_total(chroma[place - 1], chroma[place - 4]))
            }
            Block::ChromaDc(_) => CoeffToken::ChromaDc,
            Block::Luma8x8 => return Err(Damage::Code),
        };
        let count = coefficients.count() as u32;
        self.residual_block(token, count, |place, level| coefficients.put(place, level))
    }

    fn pcm_samples(&mut self, count: usize) -> Result<&[u8], Damage> {
        let start = self.position().div_ceil(8);
        self.seek_byte(start + count);
        self.data().get(start..start + count).ok_or(Damage::Truncated)
    }
}

/// `nC` of the blocks left and above (9.2.1). Those that are not there count 64, which the sum
/// shows.
#[inline(always)]
fn predicted_total(left: u8, above: u8) -> u8 {
    let sum = left + above;
    if sum < 64 { (sum + 1) >> 1 } else { sum & 31 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mb::NO_COEFF;

    #[test]
    fn s9_2_1_nc_is_of_the_blocks_that_are_there() {
        assert_eq!(predicted_total(3, 4), 4);
        assert_eq!(predicted_total(16, NO_COEFF), 16);
        assert_eq!(predicted_total(NO_COEFF, 5), 5);
        assert_eq!(predicted_total(NO_COEFF, NO_COEFF), 0);
    }
}
