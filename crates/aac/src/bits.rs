//! A bit reader that checks every step.

use crate::Error;

/// The bits of a byte, most significant first.
const BIT_MASKS: [u8; 8] = [0x80, 0x40, 0x20, 0x10, 8, 4, 2, 1];

/// Reads bits from the front of a buffer, most significant first.
#[derive(Clone, Debug)]
pub(crate) struct Bits<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    /// Bits read so far.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn available(&self) -> usize {
        self.data.len().saturating_mul(8).saturating_sub(self.position)
    }

    pub(crate) fn flag(&mut self, what: &'static str) -> Result<bool, Error> {
        self.u32(1, what).map(|bit| bit == 1)
    }

    /// At most 8 bits.
    pub(crate) fn u8(&mut self, count: u32, what: &'static str) -> Result<u8, Error> {
        self.u32(count.min(8), what).map(|value| (value & 0xff) as u8)
    }

    /// At most 32 bits.
    pub(crate) fn u32(&mut self, count: u32, what: &'static str) -> Result<u32, Error> {
        self.need(count as usize, what)?;
        Ok((0..count).fold(0, |value, _| (value << 1) | self.next_bit()))
    }

    pub(crate) fn skip(&mut self, count: usize, what: &'static str) -> Result<(), Error> {
        self.need(count, what)?;
        self.position = self.position.saturating_add(count);
        Ok(())
    }

    /// Skips to the next multiple of 8 bits, which always exists.
    pub(crate) fn align_to_byte(&mut self) {
        self.position = self.position.next_multiple_of(8);
    }

    fn need(&self, count: usize, what: &'static str) -> Result<(), Error> {
        let available = self.available();
        if count > available {
            let needed = u32::try_from(count).unwrap_or(u32::MAX);
            return Err(Error::Truncated { what, needed, available, position: self.position });
        }
        Ok(())
    }

    fn next_bit(&mut self) -> u32 {
        let byte = self.data.get(self.position / 8).copied().unwrap_or(0);
        let mask = BIT_MASKS.get(self.position & 7).copied().unwrap_or(0);
        self.position = self.position.saturating_add(1);
        u32::from(byte & mask != 0)
    }
}

/// Bits, most significant first.
#[derive(Clone, Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte that are not written yet.
    free: u32,
}

impl BitWriter {
    /// The lowest `count` bits of `value`, 32 at most.
    pub(crate) fn push(&mut self, value: u32, count: u32) {
        for place in (0..count).rev() {
            self.free = self.free.checked_sub(1).unwrap_or_else(|| {
                self.bytes.push(0);
                7
            });
            if let Some(last) = self.bytes.last_mut()
                && value >> place & 1 != 0
            {
                *last |= 1 << self.free;
            }
        }
    }

    /// What was written, the last byte filled up with zeros.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_most_significant_first_over_byte_borders() {
        let mut bits = Bits::new(&[0b1010_0110, 0b1100_0001]);
        assert_eq!(bits.u8(3, "a"), Ok(0b101));
        assert_eq!(bits.u32(9, "b"), Ok(0b0_0110_1100));
        assert_eq!(
            bits.clone().u8(5, "c").unwrap_err().to_string(),
            "c needs 5 bits at bit 12, only 4 left"
        );
        assert_eq!(bits.u8(4, "d"), Ok(1));
        bits.align_to_byte();
        assert_eq!((bits.position(), bits.available()), (16, 0));
    }
}
