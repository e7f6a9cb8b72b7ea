//! A cursor over shared bytes that checks every step.

use bytes::Bytes;

use crate::Error;

/// Reads big-endian fields from the front of a buffer; what it hands out are slices of that buffer.
#[derive(Debug)]
pub(crate) struct Reader {
    rest: Bytes,
    position: usize,
}

impl Reader {
    pub(crate) fn new(data: Bytes) -> Self {
        Self { rest: data, position: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes read so far, counted from the start of the outermost buffer.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// All that is left.
    pub(crate) fn into_rest(self) -> Bytes {
        self.rest
    }

    /// A reader over the next `len` bytes alone; this one goes on after them.
    pub(crate) fn sub(&mut self, len: usize, what: &'static str) -> Result<Self, Error> {
        let position = self.position;
        Ok(Self { rest: self.take(len, what)?, position })
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, Error> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, Error> {
        self.array(what).map(u16::from_be_bytes)
    }

    pub(crate) fn u24(&mut self, what: &'static str) -> Result<u32, Error> {
        self.array(what).map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// Two's complement, 24 bits.
    pub(crate) fn i24(&mut self, what: &'static str) -> Result<i32, Error> {
        // Read into the upper bytes, so that the arithmetic shift spreads the sign.
        self.array(what).map(|[a, b, c]| i32::from_be_bytes([a, b, c, 0]) >> 8)
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(&self.take(N, what)?);
        Ok(array)
    }

    pub(crate) fn take(&mut self, len: usize, what: &'static str) -> Result<Bytes, Error> {
        let available = self.rest.len();
        if len > available {
            return Err(Error::Truncated { what, needed: len, available, position: self.position });
        }
        self.position = self.position.saturating_add(len);
        Ok(self.rest.split_to(len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_keeps_the_position_and_cannot_read_past_its_end() {
        let mut reader = Reader::new(Bytes::from_static(&[1, 2, 3, 4]));
        reader.u8("a").unwrap();
        let mut sub = reader.sub(2, "b").unwrap();
        assert_eq!(sub.u16("c"), Ok(0x0203));
        let error = sub.u8("d").unwrap_err();
        assert_eq!(error.to_string(), "d needs 1 bytes at byte 3, only 0 left");
        assert_eq!(reader.u8("e"), Ok(4));
    }

    #[test]
    fn i24_spreads_its_sign() {
        let mut reader =
            Reader::new(Bytes::from_static(&[0xff, 0xff, 0xfe, 0x7f, 0xff, 0xff, 0x80, 0, 0]));
        assert_eq!(reader.i24("a"), Ok(-2));
        assert_eq!(reader.i24("a"), Ok(8_388_607));
        assert_eq!(reader.i24("a"), Ok(-8_388_608));
    }
}
