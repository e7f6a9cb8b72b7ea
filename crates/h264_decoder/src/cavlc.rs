//! Bits of slice data, and the codes of CAVLC (ITU-T H.264 9.1 and 9.2).

use crate::cavlc_tables::{
    COEFF_TOKEN, COEFF_TOKEN_CHROMA_DC, Code, RUN_BEFORE, TOTAL_ZEROS, TOTAL_ZEROS_CHROMA_DC,
};
use crate::error::Damage;

/// A reader of bits that looks up to 57 of them ahead at once. Behind the end it reads zeros, and
/// says so.
#[derive(Clone, Debug)]
pub(crate) struct BitReader<'a> {
    data: &'a [u8],
    /// Bits read.
    position: usize,
    /// Bits up to the `rbsp_stop_one_bit` (7.2 `more_rbsp_data`).
    end: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(data: &'a [u8], position: usize) -> Self {
        let last = data.iter().rposition(|&byte| byte != 0);
        let end = last.map_or(0, |last| last * 8 + 7 - data[last].trailing_zeros() as usize);
        Self { data, position, end }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Goes on at a byte.
    pub(crate) fn seek_byte(&mut self, byte: usize) {
        self.position = byte * 8;
    }

    /// `more_rbsp_data()`.
    pub(crate) fn has_more(&self) -> bool {
        self.position < self.end
    }

    /// Whether more was read than there is.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.position > self.end
    }

    /// The next bits at the top of a word; the upper 57 of it hold.
    #[inline(always)]
    fn look(&self) -> u64 {
        let bytes = self.data.get(self.position >> 3..).and_then(<[u8]>::first_chunk);
        let word = match bytes {
            Some(&bytes) => u64::from_be_bytes(bytes),
            None => self.look_at_the_end(),
        };
        word << (self.position & 7)
    }

    #[cold]
    fn look_at_the_end(&self) -> u64 {
        let mut bytes = [0; 8];
        let rest = self.data.get(self.position >> 3..).unwrap_or_default();
        for (byte, &source) in bytes.iter_mut().zip(rest) {
            *byte = source;
        }
        u64::from_be_bytes(bytes)
    }

    /// `u(1)`.
    #[inline(always)]
    pub(crate) fn flag(&mut self) -> bool {
        let bit = self.look() >> 63;
        self.position += 1;
        bit != 0
    }

    /// The next bit, which stays.
    pub(crate) fn peek_flag(&self) -> bool {
        self.look() >> 63 != 0
    }

    /// `u(n)`, 1 to 32 bits.
    #[inline(always)]
    pub(crate) fn u(&mut self, count: u32) -> u32 {
        debug_assert!((1..=32).contains(&count));
        let value = self.look() >> (64 - count);
        self.position += count as usize;
        value as u32
    }

    /// `ue(v)`, at most `max`; no syntax element of a macroblock has more than 28 leading zeros.
    #[inline(always)]
    pub(crate) fn ue(&mut self, max: u32) -> Result<u32, Damage> {
        let word = self.look();
        let zeros = word.leading_zeros();
        if zeros > 28 {
            return Err(Damage::Code);
        }
        let length = 2 * zeros + 1;
        let value = (word >> (64 - length)) as u32 - 1;
        self.position += length as usize;
        if value <= max { Ok(value) } else { Err(Damage::Code) }
    }

    /// `se(v)`.
    #[inline(always)]
    pub(crate) fn se(&mut self) -> Result<i32, Damage> {
        let code = self.ue(u32::MAX)?;
        let magnitude = code.div_ceil(2) as i32;
        Ok(if code & 1 == 1 { magnitude } else { -magnitude })
    }

    /// `te(v)` (9.1): one inverted bit where `max` is 1.
    #[inline(always)]
    pub(crate) fn te(&mut self, max: u32) -> Result<u32, Damage> {
        if max == 1 { Ok(u32::from(!self.flag())) } else { self.ue(max) }
    }

    #[inline(always)]
    fn code(&mut self, table: &CodeTable) -> Result<u8, Damage> {
        let word = self.look();
        let zeros = word.leading_zeros().min(15);
        let suffix = (word << zeros << 1 >> 61) as usize;
        let (length, value) = table[(zeros as usize * 8 + suffix) & 127];
        if length == 0 {
            return Err(Damage::Code);
        }
        self.position += usize::from(length);
        Ok(value)
    }

    /// `residual_block_cavlc()` (7.3.5.3.2): gives each coefficient and its place in the scan, from
    /// the last to the first, and returns `TotalCoeff`. `max_coefficients` is 4 (chroma DC), 15 or
    /// 16.
    #[inline]
    pub(crate) fn residual_block(
        &mut self,
        token: CoeffToken,
        max_coefficients: u32,
        mut put: impl FnMut(usize, i32),
    ) -> Result<u8, Damage> {
        let token = match token {
            CoeffToken::ChromaDc => self.code(&COEFF_TOKEN_CHROMA_DC_TABLE)?,
            CoeffToken::Luma(0..=1) => self.code(&COEFF_TOKEN_TABLES[0])?,
            CoeffToken::Luma(2..=3) => self.code(&COEFF_TOKEN_TABLES[1])?,
            CoeffToken::Luma(4..=7) => self.code(&COEFF_TOKEN_TABLES[2])?,
            // Six bits: TotalCoeff - 1 and TrailingOnes, or 3 where there is none.
            CoeffToken::Luma(_) => match self.u(6) as u8 {
                3 => 0,
                bits => bits + 4,
            },
        };
        let total = u32::from(token >> 2);
        let trailing_ones = u32::from(token & 3);
        if total == 0 {
            return Ok(0);
        }
        if total > max_coefficients || trailing_ones > total {
            return Err(Damage::Code);
        }
        let mut levels = [0; 16];
        self.levels(&mut levels, total, trailing_ones)?;
        let mut zeros_left = 0;
        if total < max_coefficients {
            let index = total as usize - 1;
            zeros_left = u32::from(if max_coefficients == 4 {
                self.code(&TOTAL_ZEROS_CHROMA_DC_TABLES[index & 3])?
            } else {
                self.code(&TOTAL_ZEROS_TABLES[index])?
            });
            // total_zeros of a 15-coefficient block could claim one more than there is room for.
            if total + zeros_left > max_coefficients {
                return Err(Damage::Code);
            }
        }
        let mut place = (total + zeros_left) as usize;
        for (index, &level) in levels.iter().enumerate().take(total as usize) {
            place -= 1;
            put(place, level);
            if zeros_left > 0 && index + 1 < total as usize {
                let table = &RUN_BEFORE_TABLES[(zeros_left as usize - 1).min(6)];
                let run = u32::from(self.code(table)?);
                if run > zeros_left {
                    return Err(Damage::Code);
                }
                zeros_left -= run;
                place -= run as usize;
            }
        }
        Ok(total as u8)
    }

    /// Trailing ones and `level_prefix`, `level_suffix` (9.2.2).
    #[inline]
    fn levels(
        &mut self,
        levels: &mut [i32; 16],
        total: u32,
        trailing_ones: u32,
    ) -> Result<(), Damage> {
        for level in levels.iter_mut().take(trailing_ones as usize) {
            *level = if self.flag() { -1 } else { 1 };
        }
        let mut suffix_length = u32::from(total > 10 && trailing_ones < 3);
        for index in trailing_ones..total {
            let prefix = self.look().leading_zeros();
            // More than 15 only more than 8 bits can need; 25 would be more than any sample can.
            if prefix > 25 {
                return Err(Damage::Code);
            }
            self.position += prefix as usize + 1;
            let suffix_size = match prefix {
                14 if suffix_length == 0 => 4,
                15.. => prefix - 3,
                _ => suffix_length,
            };
            let mut code = prefix.min(15) << suffix_length;
            if suffix_size > 0 {
                code += self.u(suffix_size);
            }
            if prefix >= 15 && suffix_length == 0 {
                code += 15;
            }
            if prefix >= 16 {
                code += (1 << (prefix - 3)) - 4096;
            }
            if index == trailing_ones && trailing_ones < 3 {
                code += 2;
            }
            let magnitude = (code as i32 + 2) >> 1;
            levels[index as usize & 15] = if code & 1 == 0 { magnitude } else { -magnitude };
            if suffix_length == 0 {
                suffix_length = 1;
            }
            if magnitude > 3 << (suffix_length - 1) && suffix_length < 6 {
                suffix_length += 1;
            }
        }
        Ok(())
    }
}

/// Which table `coeff_token` is coded by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CoeffToken {
    /// `nC` is -1.
    ChromaDc,
    /// Any other block, by its `nC`.
    Luma(u8),
}

/// Length and value by zeros in front and the three bits behind the first one: no code has more
/// behind it.
type CodeTable = [Code; 128];

const COEFF_TOKEN_TABLES: [CodeTable; 3] =
    [code_table(&COEFF_TOKEN[0]), code_table(&COEFF_TOKEN[1]), code_table(&COEFF_TOKEN[2])];
const COEFF_TOKEN_CHROMA_DC_TABLE: CodeTable = code_table(&COEFF_TOKEN_CHROMA_DC);
const TOTAL_ZEROS_TABLES: [CodeTable; 15] = {
    let mut tables = [[(0, 0); 128]; 15];
    let mut index = 0;
    while index < 15 {
        tables[index] = code_table(&TOTAL_ZEROS[index]);
        index += 1;
    }
    tables
};
const TOTAL_ZEROS_CHROMA_DC_TABLES: [CodeTable; 4] = [
    code_table(&TOTAL_ZEROS_CHROMA_DC[0]),
    code_table(&TOTAL_ZEROS_CHROMA_DC[1]),
    code_table(&TOTAL_ZEROS_CHROMA_DC[2]),
    [(0, 0); 128],
];
const RUN_BEFORE_TABLES: [CodeTable; 7] = {
    let mut tables = [[(0, 0); 128]; 7];
    let mut index = 0;
    while index < 7 {
        tables[index] = code_table(&RUN_BEFORE[index]);
        index += 1;
    }
    tables
};

const fn code_table(codes: &[Code]) -> CodeTable {
    let mut table = [(0, 0); 128];
    let mut value = 0;
    while value < codes.len() {
        let (length, bits) = codes[value];
        if length > 0 {
            let significant = (u8::BITS - bits.leading_zeros()) as u8;
            let zeros = (length - significant) as usize;
            let (first, count) = if bits == 0 {
                // Nothing but zeros: whatever comes behind them.
                (zeros * 8, 128 - zeros * 8)
            } else {
                let unused = 4 - significant;
                let suffix = (bits - (1 << (significant - 1))) << unused;
                (zeros * 8 + suffix as usize, 1 << unused)
            };
            let mut index = first;
            while index < first + count {
                assert!(table[index].0 == 0, "no code begins as another");
                table[index] = (length, value as u8);
                index += 1;
            }
        }
        value += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(text: &str) -> Vec<u8> {
        let digits: String = text.chars().filter(|digit| !digit.is_whitespace()).collect();
        let padded = format!("{digits:0<width$}", width = digits.len().next_multiple_of(8) + 64);
        (0..padded.len())
            .step_by(8)
            .map(|start| u8::from_str_radix(&padded[start..start + 8], 2).unwrap())
            .collect()
    }

    fn block(text: &str, token: CoeffToken, max: u32) -> Result<Vec<(usize, i32)>, Damage> {
        let data = bits(text);
        let mut reader = BitReader::new(&data, 0);
        let mut out = Vec::new();
        let total = reader.residual_block(token, max, |place, level| out.push((place, level)))?;
        assert_eq!(usize::from(total), out.len());
        Ok(out)
    }

    /// Every code of every table is read back, whatever comes behind it.
    #[test]
    fn s9_2_codes_are_read_as_the_tables_have_them() {
        let mut tables: Vec<(&[Code], &CodeTable)> = Vec::new();
        tables.extend(COEFF_TOKEN.iter().map(|codes| &codes[..]).zip(&COEFF_TOKEN_TABLES));
        tables.push((&COEFF_TOKEN_CHROMA_DC, &COEFF_TOKEN_CHROMA_DC_TABLE));
        tables.extend(TOTAL_ZEROS.iter().map(|codes| &codes[..]).zip(&TOTAL_ZEROS_TABLES));
        tables.extend(
            TOTAL_ZEROS_CHROMA_DC.iter().map(|codes| &codes[..]).zip(&TOTAL_ZEROS_CHROMA_DC_TABLES),
        );
        tables.extend(RUN_BEFORE.iter().map(|codes| &codes[..]).zip(&RUN_BEFORE_TABLES));
        for (codes, table) in tables {
            for (value, &(length, code)) in codes.iter().enumerate().filter(|(_, code)| code.0 > 0)
            {
                for tail in ["0000", "1111", "0101"] {
                    let text = format!("{code:0width$b}{tail}", width = usize::from(length));
                    let data = bits(&text);
                    let mut reader = BitReader::new(&data, 0);
                    assert_eq!(reader.code(table), Ok(value as u8));
                    assert_eq!(reader.position(), usize::from(length));
                }
            }
        }
    }

    /// Kraft's sum of a table that misses no more than the code of zeros alone.
    #[test]
    fn s9_2_tables_are_nearly_complete() {
        let sum = |codes: &[Code]| -> f64 {
            codes.iter().filter(|code| code.0 > 0).map(|code| 0.5f64.powi(code.0.into())).sum()
        };
        for codes in TOTAL_ZEROS.iter().skip(1) {
            assert!((0.96..=1.0).contains(&sum(codes)), "{codes:?}");
        }
        for codes in COEFF_TOKEN.iter().take(3) {
            assert!((0.97..=1.0).contains(&sum(codes)), "{codes:?}");
        }
        assert_eq!(sum(&COEFF_TOKEN_CHROMA_DC), 1.0);
    }

    /// A 4x4 block in the words of the standard's scan: 0, 3, 0, 1, -1, -1, 0, 1, 0...
    #[test]
    fn s9_2_a_block_worked_by_hand() {
        // coeff_token of TotalCoeff 5, TrailingOnes 3; signs + - -; level 1 (prefix 0), level 3
        // (prefix 2, suffix length 1); total_zeros 3; run_before 1, 0, 0, 1.
        let text = "0000100 0 1 1 1 001 0 111 10 1 1 01";
        let expected = vec![(7, 1), (5, -1), (4, -1), (3, 1), (1, 3)];
        assert_eq!(block(text, CoeffToken::Luma(0), 16), Ok(expected));
    }

    #[test]
    fn s9_2_2_escapes() {
        // One coefficient, no trailing one; prefix 14, suffix of four bits: levelCode 14 + 9 + 2.
        let text = "000101 000000000000001 1001 1";
        assert_eq!(block(text, CoeffToken::Luma(0), 16), Ok(vec![(0, -13)]));
        // Prefix 15, twelve bits: 15 + 3 + 15 + 2.
        let text = "000101 0000000000000001 000000000011 1";
        assert_eq!(block(text, CoeffToken::Luma(0), 16), Ok(vec![(0, -18)]));
    }

    /// A block as an encoder writes it (7.3.5.3.2, 9.2), as text of bits. Levels are in scan order.
    fn written(token: CoeffToken, levels: &[i32]) -> String {
        let code = |(length, code): Code| {
            assert!(length > 0, "there is no such code");
            format!("{code:0width$b}", width = usize::from(length))
        };
        let nonzero: Vec<i32> = levels.iter().rev().copied().filter(|&level| level != 0).collect();
        let trailing = nonzero.iter().take(3).take_while(|level| level.abs() == 1).count();
        let index = 4 * nonzero.len() + trailing;
        let mut text = code(match token {
            CoeffToken::ChromaDc => COEFF_TOKEN_CHROMA_DC[index],
            CoeffToken::Luma(nc) => {
                COEFF_TOKEN[usize::from(nc > 1) + usize::from(nc > 3) + usize::from(nc > 7)][index]
            }
        });
        let mut suffix_length = usize::from(nonzero.len() > 10 && trailing < 3);
        for (index, &level) in nonzero.iter().enumerate() {
            if index < trailing {
                text += if level < 0 { "1" } else { "0" };
                continue;
            }
            let mut rest = 2 * level.unsigned_abs() as usize - if level > 0 { 2 } else { 1 };
            if index == trailing && trailing < 3 {
                rest -= 2;
            }
            let (prefix, size, suffix) = if suffix_length == 0 && rest < 14 {
                (rest, 0, 0)
            } else if suffix_length == 0 && rest < 30 {
                (14, 4, rest - 14)
            } else if suffix_length > 0 && rest < 15 << suffix_length {
                (rest >> suffix_length, suffix_length, rest & ((1 << suffix_length) - 1))
            } else {
                (15, 12, rest - (15 << suffix_length) - if suffix_length == 0 { 15 } else { 0 })
            };
            assert!(suffix < 1 << size || size == 0, "the level fits prefix 15");
            text += &("0".repeat(prefix) + "1");
            if size > 0 {
                text += &format!("{suffix:0size$b}");
            }
            suffix_length = suffix_length.max(1);
            if level.abs() > 3 << (suffix_length - 1) && suffix_length < 6 {
                suffix_length += 1;
            }
        }
        let last = levels.iter().rposition(|&level| level != 0).map_or(0, |last| last + 1);
        let mut zeros = last - nonzero.len();
        if !nonzero.is_empty() && nonzero.len() < levels.len() {
            text += &code(if levels.len() == 4 {
                TOTAL_ZEROS_CHROMA_DC[nonzero.len() - 1][zeros]
            } else {
                TOTAL_ZEROS[nonzero.len() - 1][zeros]
            });
        }
        let mut place = last;
        for _ in 1..nonzero.len() {
            place -= 1;
            let run = levels[..place].iter().rev().take_while(|&&level| level == 0).count();
            if zeros > 0 {
                text += &code(RUN_BEFORE[zeros.min(7) - 1][run]);
            }
            zeros -= run;
            place -= run;
        }
        text
    }

    #[test]
    fn s7_3_5_3_2_blocks_are_read_as_they_are_written() {
        let mut seed = 1u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 16
        };
        for round in 0..20_000 {
            let (token, max) = match round % 4 {
                0 => (CoeffToken::ChromaDc, 4),
                1 => (CoeffToken::Luma((next() % 17) as u8), 15),
                _ => (CoeffToken::Luma((next() % 17) as u8), 16),
            };
            let density = next() % 9;
            let levels: Vec<i32> = (0..max)
                .map(|_| {
                    let size = [1, 3, 40, 1900][next() as usize % 4];
                    let level = 1 + (next() % size) as i32;
                    let level = if next() & 1 == 1 { -level } else { level };
                    if next() % 8 < density { level } else { 0 }
                })
                .collect();
            let expected: Vec<(usize, i32)> =
                levels.iter().copied().enumerate().rev().filter(|&(_, level)| level != 0).collect();
            let text = written(token, &levels);
            assert_eq!(block(&text, token, max as u32), Ok(expected), "{levels:?}");
        }
    }

    #[test]
    fn more_coefficients_than_a_block_has_are_damage() {
        // TotalCoeff 16 of a block of 15.
        assert_eq!(block("111111", CoeffToken::Luma(8), 15), Err(Damage::Code));
        assert_eq!(block("", CoeffToken::Luma(0), 16), Err(Damage::Code), "zeros");
    }
}
