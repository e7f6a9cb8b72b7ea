//! Syntax elements of macroblocks by CABAC: binarizations and contexts (ITU-T H.264 9.3.2,
//! 9.3.3.1).

use h264::SliceType;

use crate::cabac::{Cabac, Contexts, Engine};
use crate::error::Damage;
use crate::mb::{Flags, place};
use crate::syntax::{Block, Coefficients, NeighbourFacts, Surroundings, Syntax};

/// `ctxIdxOffset` of each syntax element (table 9-34).
mod offset {
    pub(super) const MB_TYPE_I: usize = 3;
    pub(super) const MB_SKIP_FLAG_P: usize = 11;
    pub(super) const MB_TYPE_P: usize = 14;
    pub(super) const MB_TYPE_P_SUFFIX: usize = 17;
    pub(super) const SUB_MB_TYPE_P: usize = 21;
    pub(super) const MB_SKIP_FLAG_B: usize = 24;
    pub(super) const MB_TYPE_B: usize = 27;
    pub(super) const MB_TYPE_B_SUFFIX: usize = 32;
    pub(super) const SUB_MB_TYPE_B: usize = 36;
    pub(super) const MVD: [usize; 2] = [40, 47];
    pub(super) const REF_IDX: usize = 54;
    pub(super) const MB_QP_DELTA: usize = 60;
    pub(super) const INTRA_CHROMA_PRED_MODE: usize = 64;
    pub(super) const PREV_INTRA_PRED_MODE_FLAG: usize = 68;
    pub(super) const REM_INTRA_PRED_MODE: usize = 69;
    pub(super) const MB_FIELD_DECODING_FLAG: usize = 70;
    pub(super) const CODED_BLOCK_PATTERN_LUMA: usize = 73;
    pub(super) const CODED_BLOCK_PATTERN_CHROMA: usize = 77;
    pub(super) const CODED_BLOCK_FLAG: usize = 85;
    pub(super) const TRANSFORM_SIZE_8X8_FLAG: usize = 399;
    /// The first contexts of frame and of field macroblocks, for blocks of up to 16 coefficients.
    pub(super) const SIGNIFICANT_COEFF_FLAG: [usize; 2] = [105, 277];
    pub(super) const LAST_SIGNIFICANT_COEFF_FLAG: [usize; 2] = [166, 338];
    pub(super) const COEFF_ABS_LEVEL_MINUS1: usize = 227;
    /// The same for blocks of 64.
    pub(super) const SIGNIFICANT_COEFF_FLAG_8X8: [usize; 2] = [402, 436];
    pub(super) const LAST_SIGNIFICANT_COEFF_FLAG_8X8: [usize; 2] = [417, 451];
    pub(super) const COEFF_ABS_LEVEL_MINUS1_8X8: usize = 426;
}

/// `ctxBlockCatOffset` (table 9-40) of `coded_block_flag`, of both significance flags, and of the
/// levels.
const CATEGORY_OFFSETS: [[usize; 3]; 5] =
    [[0, 0, 0], [4, 15, 10], [8, 29, 20], [12, 44, 30], [16, 47, 39]];

/// `ctxIdxInc` of `significant_coeff_flag` of 8x8 blocks (table 9-43), of frame and of field
/// macroblocks.
const SIGNIFICANT_8X8: [[u8; 63]; 2] = [
    [
        0, 1, 2, 3, 4, 5, 5, 4, 4, 3, 3, 4, 4, 4, 5, 5, 4, 4, 4, 4, 3, 3, 6, 7, 7, 7, 8, 9, 10, 9,
        8, 7, 7, 6, 11, 12, 13, 11, 6, 7, 8, 9, 14, 10, 9, 8, 6, 11, 12, 13, 11, 6, 9, 14, 10, 9,
        11, 12, 13, 11, 14, 10, 12,
    ],
    [
        0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 7, 7, 8, 4, 5, 6, 9, 10, 10, 8, 11, 12, 11, 9, 9, 10, 10,
        8, 11, 12, 11, 9, 9, 10, 10, 8, 11, 12, 11, 9, 9, 10, 10, 8, 13, 13, 9, 9, 10, 10, 8, 13,
        13, 9, 9, 10, 10, 14, 14, 14, 14, 14,
    ],
];

/// `ctxIdxInc` of `last_significant_coeff_flag` of 8x8 blocks (table 9-43).
const LAST_8X8: [u8; 63] = [
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 8, 8, 8,
];

impl Cabac<'_> {
    /// `ctxIdxInc` of the conditions left and above: the first counts 1, the second 2 (9.3.3.1.1).
    #[inline(always)]
    fn increment(around: &Surroundings, is: impl Fn(&NeighbourFacts) -> bool) -> usize {
        let [left, above] = [&around.left, &around.above];
        usize::from(left.as_ref().is_some_and(&is))
            + 2 * usize::from(above.as_ref().is_some_and(&is))
    }

    /// The same where each counts 1.
    #[inline(always)]
    fn count(around: &Surroundings, is: impl Fn(&NeighbourFacts) -> bool) -> usize {
        let [left, above] = [&around.left, &around.above];
        usize::from(left.as_ref().is_some_and(&is)) + usize::from(above.as_ref().is_some_and(&is))
    }

    /// The bins of I_16x16 and I_PCM behind the first (table 9-36), by the contexts of table 9-39.
    #[inline(always)]
    fn intra_mb_type(&mut self, contexts: [usize; 5]) -> u32 {
        if self.terminate() {
            return 25;
        }
        let [luma, chroma, more_chroma, mode, more_mode] = contexts;
        let mut number = 1;
        number += 12 * u32::from(self.decision(luma));
        if self.decision(chroma) {
            number += 4 + 4 * u32::from(self.decision(more_chroma));
        }
        number += 2 * u32::from(self.decision(mode));
        number + u32::from(self.decision(more_mode))
    }

    #[inline(always)]
    fn mb_type_in_i_slice(&mut self, around: &Surroundings) -> u32 {
        let first = offset::MB_TYPE_I;
        let increment = Self::count(around, |mb| !mb.flags.any(Flags::INTRA_NXN));
        if !self.decision(first + increment) {
            return 0;
        }
        self.intra_mb_type([first + 3, first + 4, first + 5, first + 6, first + 7])
    }

    /// The suffix of P and B slices.
    #[inline(always)]
    fn mb_type_suffix(&mut self, first: usize) -> u32 {
        if !self.decision(first) {
            return 0;
        }
        self.intra_mb_type([first + 1, first + 2, first + 2, first + 3, first + 3])
    }

    #[inline(always)]
    fn mb_type_in_p_slice(&mut self) -> u32 {
        let first = offset::MB_TYPE_P;
        if self.decision(first) {
            return 5 + self.mb_type_suffix(offset::MB_TYPE_P_SUFFIX);
        }
        if self.decision(first + 1) {
            // P_L0_L0_8x16 or P_L0_L0_16x8.
            2 - u32::from(self.decision(first + 3))
        } else {
            3 * u32::from(self.decision(first + 2))
        }
    }

    #[inline(always)]
    fn mb_type_in_b_slice(&mut self, around: &Surroundings) -> u32 {
        let first = offset::MB_TYPE_B;
        let increment = Self::count(around, |mb| !mb.flags.any(Flags::DIRECT));
        if !self.decision(first + increment) {
            return 0;
        }
        if !self.decision(first + 3) {
            return 1 + u32::from(self.decision(first + 5));
        }
        let mut bins = u32::from(self.decision(first + 4));
        for _ in 0..3 {
            bins = bins << 1 | u32::from(self.decision(first + 5));
        }
        match bins {
            0..=7 => bins + 3,
            13 => 23 + self.mb_type_suffix(offset::MB_TYPE_B_SUFFIX),
            14 => 11,
            15 => 22,
            _ => (bins << 1 | u32::from(self.decision(first + 5))) - 4,
        }
    }

    /// A component of a motion vector difference (UEG3, uCoff 9); `sum` is that of the neighbours'
    /// absolute values.
    #[inline(always)]
    fn mvd_component(&mut self, first: usize, sum: u32) -> Result<i32, Damage> {
        let increment = usize::from(sum > 2) + usize::from(sum > 32);
        if !self.decision(first + increment) {
            return Ok(0);
        }
        let mut value = 1;
        let mut context = 3;
        while value < 9 && self.decision(first + context) {
            value += 1;
            context = (context + 1).min(6);
        }
        if value == 9 {
            value += exp_golomb(&mut self.engine, 3)?;
        }
        Ok(if self.bypass() { -value } else { value })
    }

    /// `coded_block_flag` (9.3.3.1.1.9).
    #[inline(always)]
    fn coded_block_flag(&mut self, block: Block, is_left: bool, is_above: bool) -> bool {
        let increment = usize::from(is_left) + 2 * usize::from(is_above);
        self.decision(offset::CODED_BLOCK_FLAG + CATEGORY_OFFSETS[category(block)][0] + increment)
    }
}

/// The levels of coefficients whose places are known, from the last to the first (9.3.3.1.3).
/// `first` is the context of the first bin; the others have one of `max_greater` + 1.
#[inline(always)]
fn levels<const N: usize, const S: usize>(
    engine: &mut Engine<'_>,
    contexts: &mut Contexts,
    (first, max_greater): (usize, usize),
    places: &[u8],
    coefficients: &mut Coefficients<'_, N, S>,
) -> Result<(), Damage> {
    let mut ones = 0;
    let mut greater = 0;
    for &place in places.iter().rev() {
        let increment = if greater > 0 { 0 } else { (1 + ones).min(4) };
        let mut level = 1;
        if engine.decision(&mut contexts[(first + increment) & 511]) {
            let context = &mut contexts[(first + 5 + greater.min(max_greater)) & 511];
            level = 2;
            while level < 15 && engine.decision(context) {
                level += 1;
            }
            if level == 15 {
                level += exp_golomb(engine, 0)?;
            }
            greater += 1;
        } else {
            ones += 1;
        }
        coefficients.put(usize::from(place), if engine.bypass() { -level } else { level });
    }
    Ok(())
}

/// The suffix of UEGk (9.3.2.3).
fn exp_golomb(engine: &mut Engine<'_>, mut k: u32) -> Result<i32, Damage> {
    let mut value = 0;
    while engine.bypass() {
        value += 1 << k;
        k += 1;
        if k > 20 {
            return Err(Damage::Code);
        }
    }
    while k > 0 {
        k -= 1;
        value += i32::from(engine.bypass()) << k;
    }
    Ok(value)
}

/// `ctxBlockCat` (table 9-42).
#[inline(always)]
fn category(block: Block) -> usize {
    match block {
        Block::LumaDc => 0,
        Block::LumaAc(_) => 1,
        Block::Luma(_) | Block::Luma8x8 => 2,
        Block::ChromaDc(_) => 3,
        Block::ChromaAc(..) => 4,
    }
}

impl Syntax for Cabac<'_> {
    const IS_CABAC: bool = true;

    fn mb_skip_run(&mut self, _: u32) -> Result<u32, Damage> {
        Ok(0)
    }

    #[inline(always)]
    fn mb_skip_flag(&mut self, slice_type: SliceType, around: &Surroundings) -> bool {
        let first = if slice_type == SliceType::B {
            offset::MB_SKIP_FLAG_B
        } else {
            offset::MB_SKIP_FLAG_P
        };
        let increment = Self::count(around, |mb| !mb.flags.any(Flags::SKIP));
        self.decision(first + increment)
    }

    fn mb_field_decoding_flag(&mut self, field_pairs: usize) -> bool {
        self.decision(offset::MB_FIELD_DECODING_FLAG + field_pairs)
    }

    fn peek_mb_field_decoding_flag(&mut self) -> bool {
        false
    }

    fn has_more(&mut self) -> bool {
        !self.terminate()
    }

    fn check(&self) -> Result<(), Damage> {
        if self.engine.is_exhausted() { Err(Damage::Truncated) } else { Ok(()) }
    }

    #[inline(always)]
    fn mb_type(&mut self, slice_type: SliceType, around: &Surroundings) -> Result<u32, Damage> {
        Ok(match slice_type {
            SliceType::P | SliceType::Sp => self.mb_type_in_p_slice(),
            SliceType::B => self.mb_type_in_b_slice(around),
            SliceType::I | SliceType::Si => self.mb_type_in_i_slice(around),
        })
    }

    #[inline(always)]
    fn sub_mb_type(&mut self, slice_type: SliceType) -> Result<u32, Damage> {
        if slice_type != SliceType::B {
            let first = offset::SUB_MB_TYPE_P;
            return Ok(if self.decision(first) {
                0
            } else if !self.decision(first + 1) {
                1
            } else {
                3 - u32::from(self.decision(first + 2))
            });
        }
        let first = offset::SUB_MB_TYPE_B;
        if !self.decision(first) {
            return Ok(0);
        }
        if !self.decision(first + 1) {
            return Ok(1 + u32::from(self.decision(first + 3)));
        }
        let mut number = 3;
        if self.decision(first + 2) {
            if self.decision(first + 3) {
                return Ok(11 + u32::from(self.decision(first + 3)));
            }
            number = 7;
        }
        number += 2 * u32::from(self.decision(first + 3));
        Ok(number + u32::from(self.decision(first + 3)))
    }

    #[inline(always)]
    fn transform_size_8x8_flag(&mut self, around: &Surroundings) -> bool {
        let increment = Self::count(around, |mb| mb.flags.any(Flags::TRANSFORM_8X8));
        self.decision(offset::TRANSFORM_SIZE_8X8_FLAG + increment)
    }

    #[inline(always)]
    fn intra_pred_mode(&mut self) -> Option<u8> {
        if self.decision(offset::PREV_INTRA_PRED_MODE_FLAG) {
            return None;
        }
        let mut mode = 0;
        for bit in 0..3 {
            mode |= u8::from(self.decision(offset::REM_INTRA_PRED_MODE)) << bit;
        }
        Some(mode)
    }

    #[inline(always)]
    fn intra_chroma_pred_mode(&mut self, around: &Surroundings) -> Result<u8, Damage> {
        let first = offset::INTRA_CHROMA_PRED_MODE;
        // It is 0 of inter and I_PCM macroblocks.
        let increment = Self::count(around, |mb| mb.intra_chroma_pred_mode != 0);
        if !self.decision(first + increment) {
            return Ok(0);
        }
        if !self.decision(first + 3) {
            return Ok(1);
        }
        Ok(2 + u8::from(self.decision(first + 3)))
    }

    #[inline(always)]
    fn ref_idx(
        &mut self,
        around: &Surroundings,
        list: usize,
        place: usize,
        max: u32,
    ) -> Result<i8, Damage> {
        let cache = &around.cache;
        let is_greater = |place: usize| cache.ref_idx[list][place] > 0 && !cache.direct[place];
        let mut context =
            usize::from(is_greater(place - 1)) + 2 * usize::from(is_greater(place - 8));
        let mut value = 0;
        while self.decision(offset::REF_IDX + context) {
            value += 1;
            context = if context < 4 { 4 } else { 5 };
            if value > max {
                return Err(Damage::Code);
            }
        }
        Ok(value as i8)
    }

    #[inline(always)]
    fn mvd(
        &mut self,
        around: &Surroundings,
        list: usize,
        place: usize,
    ) -> Result<[i32; 2], Damage> {
        let cache = &around.cache.mvd[list];
        let [left, above] = [cache[place - 1], cache[place - 8]];
        let sum = |component: usize| u32::from(left[component]) + u32::from(above[component]);
        Ok([
            self.mvd_component(offset::MVD[0], sum(0))?,
            self.mvd_component(offset::MVD[1], sum(1))?,
        ])
    }

    #[inline(always)]
    fn coded_block_pattern(&mut self, around: &Surroundings, _: bool) -> Result<u8, Damage> {
        // A condition is met by blocks that are there and have no coefficients.
        let is_zero_left = |row: usize| around.left.is_some() && !around.left_luma[row];
        let is_zero_above = |column: usize| {
            around.above.as_ref().is_some_and(|mb| mb.coded_block_pattern >> (2 + column) & 1 == 0)
        };
        let mut luma = 0;
        for block in 0..4 {
            let (column, row) = (block & 1, block >> 1);
            let left = if column == 0 { is_zero_left(row) } else { luma >> (2 * row) & 1 == 0 };
            let above = if row == 0 { is_zero_above(column) } else { luma >> column & 1 == 0 };
            let increment = usize::from(left) + 2 * usize::from(above);
            luma |= u8::from(self.decision(offset::CODED_BLOCK_PATTERN_LUMA + increment)) << block;
        }
        if !around.has_chroma {
            return Ok(luma);
        }
        let first = offset::CODED_BLOCK_PATTERN_CHROMA;
        let chroma = |mb: &NeighbourFacts| mb.coded_block_pattern >> 4 & 3;
        if !self.decision(first + Self::increment(around, |mb| chroma(mb) != 0)) {
            return Ok(luma);
        }
        let is_two = self.decision(first + 4 + Self::increment(around, |mb| chroma(mb) == 2));
        Ok(luma | if is_two { 0x20 } else { 0x10 })
    }

    #[inline(always)]
    fn mb_qp_delta(&mut self, around: &Surroundings) -> Result<i32, Damage> {
        let first = offset::MB_QP_DELTA;
        if !self.decision(first + usize::from(around.has_qp_delta_before)) {
            return Ok(0);
        }
        let mut code = 1;
        let mut context = 2;
        while self.decision(first + context) {
            context = 3;
            code += 1;
            // The range is -26 to 25 (7.4.5).
            if code > 52 {
                return Err(Damage::Code);
            }
        }
        Ok(if code & 1 == 1 { (code + 1) >> 1 } else { -(code >> 1) })
    }

    #[inline(always)]
    fn block<const N: usize, const S: usize>(
        &mut self,
        block: Block,
        around: &Surroundings,
        coefficients: &mut Coefficients<'_, N, S>,
    ) -> Result<u8, Damage> {
        let field = usize::from(around.is_field);
        let cache = &around.cache;
        let dc = |bit: u32| {
            let has = |mb: &Option<NeighbourFacts>| {
                mb.as_ref().map(|mb| mb.coded_block_pattern >> bit & 1 == 1)
            };
            // Of an unavailable neighbour, what the caches have for blocks of it.
            let unavailable = |place: usize| cache.total_coeff[place] != 0;
            (
                has(&around.left).unwrap_or_else(|| unavailable(place(0, 0) - 1)),
                has(&around.above).unwrap_or_else(|| unavailable(place(0, 0) - 8)),
            )
        };
        let flag_increments = match block {
            Block::LumaDc => Some(dc(8)),
            Block::ChromaDc(component) => Some(dc(9 + component as u32)),
            Block::LumaAc(place) | Block::Luma(place) => {
                let totals = &cache.total_coeff;
                Some((totals[place - 1] != 0, totals[place - 8] != 0))
            }
            Block::ChromaAc(component, place) => {
                let totals = &cache.chroma_total_coeff[component];
                Some((totals[place - 1] != 0, totals[place - 4] != 0))
            }
            // Inferred to be 1 (7.4.5.3.3).
            Block::Luma8x8 => None,
        };
        if let Some((left, above)) = flag_increments
            && !self.coded_block_flag(block, left, above)
        {
            return Ok(0);
        }
        // A copy of the engine stays in registers.
        let mut engine = self.engine;
        let contexts = &mut self.contexts;
        let mut places = [0u8; 64];
        let mut total = 0;
        let last_place = coefficients.count() - 1;
        let (first_level, max_greater);
        if block == Block::Luma8x8 {
            let significant = offset::SIGNIFICANT_COEFF_FLAG_8X8[field];
            let last = offset::LAST_SIGNIFICANT_COEFF_FLAG_8X8[field];
            first_level = offset::COEFF_ABS_LEVEL_MINUS1_8X8;
            max_greater = 4;
            let mut place = 0;
            loop {
                if place == 63 {
                    places[total & 63] = 63;
                    total += 1;
                    break;
                }
                if engine.decision(
                    &mut contexts[(significant + usize::from(SIGNIFICANT_8X8[field][place])) & 511],
                ) {
                    places[total & 63] = place as u8;
                    total += 1;
                    if engine.decision(&mut contexts[(last + usize::from(LAST_8X8[place])) & 511]) {
                        break;
                    }
                }
                place += 1;
            }
        } else {
            let [_, of_flags, of_levels] = CATEGORY_OFFSETS[category(block)];
            let significant = offset::SIGNIFICANT_COEFF_FLAG[field] + of_flags;
            let last = offset::LAST_SIGNIFICANT_COEFF_FLAG[field] + of_flags;
            first_level = offset::COEFF_ABS_LEVEL_MINUS1 + of_levels;
            max_greater = if matches!(block, Block::ChromaDc(_)) { 3 } else { 4 };
            let mut place = 0;
            loop {
                if place == last_place {
                    places[total & 63] = place as u8;
                    total += 1;
                    break;
                }
                if engine.decision(&mut contexts[(significant + place) & 511]) {
                    places[total & 63] = place as u8;
                    total += 1;
                    if engine.decision(&mut contexts[(last + place) & 511]) {
                        break;
                    }
                }
                place += 1;
            }
        }
        let places = &places[..total.min(64)];
        levels(&mut engine, contexts, (first_level, max_greater), places, coefficients)?;
        self.engine = engine;
        Ok(total as u8)
    }

    fn pcm_samples(&mut self, count: usize) -> Result<&[u8], Damage> {
        let start = self.engine.byte_position();
        self.engine.restart(start + count);
        self.engine.samples(start, count).ok_or(Damage::Truncated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cabac_encoder::Encoder;
    use crate::mb::Cache;
    use crate::residual::SCAN_8X8;

    fn around() -> Surroundings {
        Surroundings {
            cache: Cache::EMPTY,
            is_field: false,
            left: None,
            above: None,
            left_luma: [false; 2],
            has_qp_delta_before: false,
            has_chroma: true,
        }
    }

    /// `bins` are contexts and values, 276 for a terminating bin; behind them comes one that ends
    /// the slice.
    fn read<T>(bins: &[(usize, u8)], read: impl FnOnce(&mut Cabac<'_>) -> T) -> T {
        let mut encoder = Encoder::like(&Cabac::new(&[], 0, 1, 30));
        for &(context, bin) in bins {
            match context {
                276 => encoder.terminate(bin == 1),
                _ => encoder.decision(context, bin == 1),
            }
        }
        let is_ended = bins.last() == Some(&(276, 1));
        if !is_ended {
            encoder.terminate(true);
        }
        let data = encoder.bytes();
        let mut reader = Cabac::new(&data, 0, 1, 30);
        let value = read(&mut reader);
        assert!(is_ended || reader.terminate(), "bins are left");
        value
    }

    /// Rows of tables 9-36 and 9-37, contexts of table 9-39.
    #[test]
    fn s9_3_2_5_mb_type() {
        let mb_type = |slice_type, bins: &[(usize, u8)]| {
            read(bins, |reader| reader.mb_type(slice_type, &around()).unwrap())
        };
        let i = SliceType::I;
        assert_eq!(mb_type(i, &[(3, 0)]), 0, "I_NxN");
        assert_eq!(mb_type(i, &[(3, 1), (276, 1)]), 25, "I_PCM");
        let bins = [(3, 1), (276, 0), (6, 0), (7, 0), (9, 1), (10, 0)];
        assert_eq!(mb_type(i, &bins), 3, "I_16x16_2_0_0");
        let bins = [(3, 1), (276, 0), (6, 1), (7, 1), (8, 1), (9, 0), (10, 1)];
        assert_eq!(mb_type(i, &bins), 22, "I_16x16_1_2_1");
        let p = SliceType::P;
        assert_eq!(mb_type(p, &[(14, 0), (15, 0), (16, 0)]), 0, "P_L0_16x16");
        assert_eq!(mb_type(p, &[(14, 0), (15, 1), (17, 1)]), 1, "P_L0_L0_16x8");
        assert_eq!(mb_type(p, &[(14, 0), (15, 1), (17, 0)]), 2, "P_L0_L0_8x16");
        assert_eq!(mb_type(p, &[(14, 0), (15, 0), (16, 1)]), 3, "P_8x8");
        assert_eq!(mb_type(p, &[(14, 1), (17, 0)]), 5, "I_NxN");
        let bins = [(14, 1), (17, 1), (276, 0), (18, 1), (19, 1), (19, 0), (20, 1), (20, 1)];
        assert_eq!(mb_type(p, &bins), 5 + 20, "I_16x16_3_1_1");
        let b = SliceType::B;
        assert_eq!(mb_type(b, &[(27, 0)]), 0, "B_Direct_16x16");
        assert_eq!(mb_type(b, &[(27, 1), (30, 0), (32, 0)]), 1, "B_L0_16x16");
        assert_eq!(mb_type(b, &[(27, 1), (30, 0), (32, 1)]), 2, "B_L1_16x16");
        // Behind 1 1: bins of contexts 31, 32, 32, 32 and, of the longer ones, 32.
        let rows: [(&[u8], u32); 20] = [
            (&[0, 0, 0, 0], 3),
            (&[0, 0, 0, 1], 4),
            (&[0, 0, 1, 0], 5),
            (&[0, 0, 1, 1], 6),
            (&[0, 1, 0, 0], 7),
            (&[0, 1, 0, 1], 8),
            (&[0, 1, 1, 0], 9),
            (&[0, 1, 1, 1], 10),
            (&[1, 1, 1, 0], 11),
            (&[1, 0, 0, 0, 0], 12),
            (&[1, 0, 0, 0, 1], 13),
            (&[1, 0, 0, 1, 0], 14),
            (&[1, 0, 0, 1, 1], 15),
            (&[1, 0, 1, 0, 0], 16),
            (&[1, 0, 1, 0, 1], 17),
            (&[1, 0, 1, 1, 0], 18),
            (&[1, 0, 1, 1, 1], 19),
            (&[1, 1, 0, 0, 0], 20),
            (&[1, 1, 0, 0, 1], 21),
            (&[1, 1, 1, 1], 22),
        ];
        for (row, expected) in rows {
            let contexts = [31, 32, 32, 32, 32];
            let bins: Vec<(usize, u8)> = [(27, 1), (30, 1)]
                .into_iter()
                .chain(contexts.into_iter().zip(row.iter().copied()))
                .collect();
            assert_eq!(mb_type(b, &bins), expected);
        }
        let intra = [(27, 1), (30, 1), (31, 1), (32, 1), (32, 0), (32, 1), (32, 0)];
        assert_eq!(mb_type(b, &intra), 23, "I_NxN");
    }

    /// Table 9-38.
    #[test]
    fn s9_3_2_5_sub_mb_type() {
        let sub = |slice_type, bins: &[(usize, u8)]| {
            read(bins, |reader| reader.sub_mb_type(slice_type).unwrap())
        };
        let p: [&[(usize, u8)]; 4] = [
            &[(21, 1)],
            &[(21, 0), (22, 0)],
            &[(21, 0), (22, 1), (23, 1)],
            &[(21, 0), (22, 1), (23, 0)],
        ];
        for (expected, bins) in p.into_iter().enumerate() {
            assert_eq!(sub(SliceType::P, bins), expected as u32);
        }
        let b: [&[(usize, u8)]; 13] = [
            &[(36, 0)],
            &[(36, 1), (37, 0), (39, 0)],
            &[(36, 1), (37, 0), (39, 1)],
            &[(36, 1), (37, 1), (38, 0), (39, 0), (39, 0)],
            &[(36, 1), (37, 1), (38, 0), (39, 0), (39, 1)],
            &[(36, 1), (37, 1), (38, 0), (39, 1), (39, 0)],
            &[(36, 1), (37, 1), (38, 0), (39, 1), (39, 1)],
            &[(36, 1), (37, 1), (38, 1), (39, 0), (39, 0), (39, 0)],
            &[(36, 1), (37, 1), (38, 1), (39, 0), (39, 0), (39, 1)],
            &[(36, 1), (37, 1), (38, 1), (39, 0), (39, 1), (39, 0)],
            &[(36, 1), (37, 1), (38, 1), (39, 0), (39, 1), (39, 1)],
            &[(36, 1), (37, 1), (38, 1), (39, 1), (39, 0)],
            &[(36, 1), (37, 1), (38, 1), (39, 1), (39, 1)],
        ];
        for (expected, bins) in b.into_iter().enumerate() {
            assert_eq!(sub(SliceType::B, bins), expected as u32);
        }
    }

    #[test]
    fn s9_3_2_7_mb_qp_delta_and_9_3_2_6_coded_block_pattern() {
        let delta =
            |bins: &[(usize, u8)]| read(bins, |reader| reader.mb_qp_delta(&around()).unwrap());
        assert_eq!(delta(&[(60, 0)]), 0);
        assert_eq!(delta(&[(60, 1), (62, 0)]), 1);
        assert_eq!(delta(&[(60, 1), (62, 1), (63, 0)]), -1);
        assert_eq!(delta(&[(60, 1), (62, 1), (63, 1), (63, 0)]), 2);
        // Without neighbours blocks 1 and 2 look at block 0, and block 3 at both: 1, 0, 1, 1 of
        // luma, 2 of chroma.
        let bins = [(73, 1), (73, 0), (73, 1), (75, 1), (77, 1), (81, 1)];
        let pattern = read(&bins, |reader| reader.coded_block_pattern(&around(), true).unwrap());
        assert_eq!(pattern, 0x2d);
    }

    /// A vector difference: UEG3 with uCoff 9 (9.3.2.3), contexts of 9.3.3.1.1.7.
    #[test]
    fn s9_3_2_3_vector_differences() {
        for value in (-300..300).step_by(7).chain([-9, -8, 8, 9, 10, 16, 17, 5000]) {
            for (sum, increment) in [(2, 0), (3, 1), (32, 1), (33, 2)] {
                let mut encoder = Encoder::like(&Cabac::new(&[], 0, 1, 30));
                let magnitude: i32 = i32::abs(value);
                encoder.decision(40 + increment, magnitude > 0);
                let contexts = [43, 44, 45, 46, 46, 46, 46, 46];
                for (index, context) in contexts.into_iter().enumerate() {
                    if magnitude > index as i32 {
                        encoder.decision(context, magnitude > index as i32 + 1);
                    }
                }
                if magnitude >= 9 {
                    encoder.exp_golomb(magnitude - 9, 3);
                }
                if magnitude > 0 {
                    encoder.bypass(value < 0);
                }
                encoder.terminate(true);
                let data = encoder.bytes();
                let mut reader = Cabac::new(&data, 0, 1, 30);
                assert_eq!(reader.mvd_component(40, sum), Ok(value));
                assert!(reader.terminate());
            }
        }
    }

    /// `residual_block_cabac()` as an encoder writes it (7.3.5.3.3, 9.3.3.1.3).
    fn write_block(encoder: &mut Encoder, block: Block, field: usize, levels: &[i32]) {
        let category = match block {
            Block::LumaDc => 0,
            Block::LumaAc(_) => 1,
            Block::Luma(_) => 2,
            Block::ChromaDc(_) => 3,
            Block::ChromaAc(..) => 4,
            Block::Luma8x8 => 5,
        };
        // ctxIdxOffset and ctxBlockCatOffset of tables 9-34 and 9-40.
        let flag = 85 + [0, 4, 8, 12, 16, 0][category];
        let significant =
            [[105, 277], [402, 436]][category / 5][field] + [0, 15, 29, 44, 47, 0][category];
        let last = [[166, 338], [417, 451]][category / 5][field] + [0, 15, 29, 44, 47, 0][category];
        let level = [227, 426][category / 5] + [0, 10, 20, 30, 39, 0][category];
        let last_place = levels.iter().rposition(|&level| level != 0);
        if category != 5 {
            encoder.decision(flag, last_place.is_some());
        }
        let Some(last_place) = last_place else { return };
        for (place, &value) in levels.iter().enumerate().take(levels.len() - 1) {
            let increment =
                if category == 5 { SIGNIFICANT_8X8[field][place].into() } else { place };
            encoder.decision(significant + increment, value != 0);
            if value != 0 {
                let increment = if category == 5 { LAST_8X8[place].into() } else { place };
                encoder.decision(last + increment, place == last_place);
            }
            if place == last_place {
                break;
            }
        }
        let (mut ones, mut greater) = (0, 0);
        for &value in levels.iter().rev().filter(|&&value| value != 0) {
            let minus1 = value.abs() - 1;
            let increment = if greater != 0 { 0 } else { (1 + ones).min(4) };
            encoder.decision(level + increment, minus1 > 0);
            let increment = 5 + greater.min(if category == 3 { 3 } else { 4 });
            for bin in 1..14 {
                if minus1 >= bin {
                    encoder.decision(level + increment, minus1 > bin);
                }
            }
            if minus1 >= 14 {
                encoder.exp_golomb(minus1 - 14, 0);
            }
            encoder.bypass(value < 0);
            if minus1 > 0 {
                greater += 1;
            } else {
                ones += 1;
            }
        }
    }

    fn check_block<const N: usize, const S: usize>(
        block: Block,
        first: usize,
        scan: &[u8; S],
        seed: u32,
    ) {
        let mut seed = seed;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 16
        };
        for round in 0..200 {
            let density = 1 + next() % 8;
            let levels: Vec<i32> = (0..S - first)
                .map(|_| {
                    let size = [1, 2, 20, 2000][next() as usize % 4];
                    let level = 1 + (next() % size) as i32;
                    let level = if next() & 1 == 1 { -level } else { level };
                    if next() % 8 < density { level } else { 0 }
                })
                .collect();
            // An 8x8 block has a coefficient, or it would not be coded.
            if block == Block::Luma8x8 && levels.iter().all(|&level| level == 0) {
                continue;
            }
            let field = round % 2;
            let mut encoder = Encoder::like(&Cabac::new(&[], 0, 1, 30));
            write_block(&mut encoder, block, field, &levels);
            encoder.terminate(true);
            let data = encoder.bytes();
            let mut reader = Cabac::new(&data, 0, 1, 30);
            let mut out = [0; N];
            let scale = [16; N];
            let mut coefficients =
                Coefficients { levels: &mut out, scan, first, scale: &scale, shift: 4 };
            let around = Surroundings { is_field: field == 1, ..around() };
            let count = reader.block(block, &around, &mut coefficients).unwrap();
            assert!(reader.terminate());
            assert_eq!(usize::from(count), levels.iter().filter(|&&level| level != 0).count());
            for (place, &level) in levels.iter().enumerate() {
                assert_eq!(i32::from(out[usize::from(scan[place + first])]), level);
            }
        }
    }

    #[test]
    fn s7_3_5_3_3_blocks_of_every_category() {
        let scan = crate::residual::SCAN_4X4[0];
        check_block::<16, 16>(Block::LumaDc, 0, &scan, 1);
        check_block::<16, 16>(Block::LumaAc(place(1, 1)), 1, &scan, 2);
        check_block::<16, 16>(Block::Luma(place(1, 1)), 0, &scan, 3);
        check_block::<4, 4>(Block::ChromaDc(1), 0, &[0, 1, 2, 3], 4);
        check_block::<16, 16>(Block::ChromaAc(0, 5), 1, &scan, 5);
        check_block::<64, 64>(Block::Luma8x8, 0, &SCAN_8X8[1], 6);
    }
}
