//! Bits of a slice header, with the position that the slice data goes on from.

use crate::Error;

/// A reader of the bits of an RBSP (14496-10 7.2, 9.1). Errors name the field.
#[derive(Clone, Debug)]
pub(crate) struct Bits<'a> {
    rbsp: &'a [u8],
    position: usize,
    structure: &'static str,
}

impl<'a> Bits<'a> {
    /// `structure` is what errors say the bits are of.
    pub(crate) fn new(rbsp: &'a [u8], structure: &'static str) -> Self {
        Self { rbsp, position: 0, structure }
    }

    /// Bits read so far.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// `u(1)`.
    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool, Error> {
        Ok(self.u(1, field)? != 0)
    }

    /// `u(n)`, at most 32 bits.
    pub(crate) fn u(&mut self, count: u8, field: &'static str) -> Result<u32, Error> {
        let end = self.position.saturating_add(count.into());
        if count > 32 || end > self.rbsp.len().saturating_mul(8) {
            return Err(self.error(field));
        }
        let mut value: u32 = 0;
        for position in self.position..end {
            let byte = self.rbsp.get(position / 8).copied().unwrap_or(0);
            value = value << 1 | u32::from(byte << (position % 8) >> 7);
        }
        self.position = end;
        Ok(value)
    }

    /// `ue(v)`, at most `max`.
    pub(crate) fn ue(&mut self, max: u32, field: &'static str) -> Result<u32, Error> {
        let mut zeros: u8 = 0;
        while !self.flag(field)? {
            zeros = zeros.saturating_add(1);
            if zeros > 31 {
                return Err(self.error(field));
            }
        }
        let suffix = self.u(zeros, field)?;
        let value = (1u32 << zeros).saturating_sub(1).saturating_add(suffix);
        if value <= max { Ok(value) } else { Err(self.error(field)) }
    }

    /// `se(v)`, within `range`.
    pub(crate) fn se(
        &mut self,
        range: std::ops::RangeInclusive<i32>,
        field: &'static str,
    ) -> Result<i32, Error> {
        let code = self.ue(u32::MAX, field)?;
        let magnitude = i32::try_from(code.div_ceil(2)).map_err(|_| self.error(field))?;
        let value = if code % 2 == 1 { magnitude } else { magnitude.saturating_neg() };
        if range.contains(&value) { Ok(value) } else { Err(self.error(field)) }
    }

    /// That the field is cut or out of range.
    pub(crate) fn error(&self, field: &'static str) -> Error {
        Error::Syntax { structure: self.structure, field }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_1_exp_golomb_codes_of_table_9_2_and_9_3() {
        // 1 010 011 00100 00101 | 1 010 011 00100 00101
        let bits = [0b1010_0110, 0b0100_0010, 0b1101_0011, 0b0010_0001, 0b0100_0000];
        let mut reader = Bits::new(&bits, "test");
        let codes: Vec<u32> = (0..5).map(|_| reader.ue(9, "code").unwrap()).collect();
        assert_eq!((codes, reader.position()), (vec![0, 1, 2, 3, 4], 17));
        let values: Vec<i32> = (0..5).map(|_| reader.se(-9..=9, "value").unwrap()).collect();
        assert_eq!((values, reader.position()), (vec![0, 1, -1, 2, -2], 34));
    }

    #[test]
    fn the_end_and_ranges_are_errors_with_the_field() {
        let error = Error::Syntax { structure: "test", field: "code" };
        assert_eq!(Bits::new(&[0], "test").ue(9, "code"), Err(error.clone()), "cut");
        assert_eq!(Bits::new(&[0; 9], "test").ue(9, "code"), Err(error.clone()), "too long");
        assert_eq!(Bits::new(&[0b0010_0000], "test").ue(2, "code"), Err(error.clone()), "3");
        assert_eq!(Bits::new(&[0xff], "test").u(9, "code"), Err(error));
        // 31 zeros: the largest code of 32 bits.
        let longest = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Bits::new(&longest, "test").ue(u32::MAX, "code"), Ok(u32::MAX - 1));
    }
}
