//! The file, with a few of its pages in memory.

use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;

use crate::{Error, Limits};

const PAGE: u64 = Limits::PAGE_BYTES as u64;

/// A file of known length. Small fields come through a page cache, so that tables can be read where
/// they stand, entry by entry, by any number of cursors.
#[derive(Debug)]
pub(crate) struct Disk<R> {
    reader: R,
    len: u64,
    pages: Vec<Page>,
    clock: u64,
}

#[derive(Debug)]
struct Page {
    number: u64,
    used: u64,
    data: Vec<u8>,
}

impl<R: Read + Seek> Disk<R> {
    pub(crate) fn new(mut reader: R) -> Result<Self, Error> {
        let len = reader.seek(SeekFrom::End(0)).map_err(io_error(0))?;
        Ok(Self { reader, len, pages: Vec::new(), clock: 0 })
    }

    /// Bytes of the file when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// A field of `N` bytes.
    pub(crate) fn array<const N: usize>(
        &mut self,
        position: u64,
        what: &'static str,
    ) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        if !self.holds(position, N as u64) {
            return Err(self.truncated(what.to_owned(), position, N as u64));
        }
        let mut filled: usize = 0;
        while let Some(rest) = array.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let copied = self.copy_from_page(position.saturating_add(filled as u64), rest)?;
            filled = filled.saturating_add(copied);
        }
        Ok(array)
    }

    /// `len` bytes from `position`: allocates only what the file has.
    pub(crate) fn bytes(
        &mut self,
        position: u64,
        len: u32,
        what: impl FnOnce() -> String,
    ) -> Result<Bytes, Error> {
        if !self.holds(position, len.into()) {
            return Err(self.truncated(what(), position, len.into()));
        }
        let mut data = vec![0; len as usize];
        self.reader.seek(SeekFrom::Start(position)).map_err(io_error(position))?;
        self.reader.read_exact(&mut data).map_err(io_error(position))?;
        Ok(data.into())
    }

    /// The next byte from `position` on that is wanted, page by page; `None` where there is none up
    /// to the end.
    pub(crate) fn find_byte(
        &mut self,
        mut position: u64,
        wanted: impl Fn(u8) -> bool,
    ) -> Result<Option<u64>, Error> {
        while position < self.len {
            let skip = usize::try_from(position % PAGE).unwrap_or(0);
            let page = self.page(position / PAGE)?;
            let rest = page.get(skip..).unwrap_or_default();
            if let Some(at) = rest.iter().position(|byte| wanted(*byte)) {
                return Ok(Some(position.saturating_add(at as u64)));
            }
            position = (position / PAGE).saturating_add(1).saturating_mul(PAGE);
        }
        Ok(None)
    }

    /// Whether the file reaches so far.
    pub(crate) fn holds(&self, position: u64, len: u64) -> bool {
        position.checked_add(len).is_some_and(|end| end <= self.len)
    }

    pub(crate) fn truncated(&self, what: String, position: u64, needed: u64) -> Error {
        Error::Truncated { what, position, needed, file_bytes: self.len }
    }

    /// Copies what one page has of it; never nothing, as the caller has looked at the length.
    fn copy_from_page(&mut self, position: u64, out: &mut [u8]) -> Result<usize, Error> {
        let skip = usize::try_from(position % PAGE).unwrap_or(0);
        let page = self.page(position / PAGE)?;
        let rest = page.get(skip..).unwrap_or_default();
        let copied = rest.len().min(out.len());
        match (out.get_mut(..copied), rest.get(..copied)) {
            (Some(to), Some(from)) if copied > 0 => to.copy_from_slice(from),
            _ => return Err(io_error(position)(io::ErrorKind::UnexpectedEof.into())),
        }
        Ok(copied)
    }

    fn page(&mut self, number: u64) -> Result<&[u8], Error> {
        self.clock = self.clock.saturating_add(1);
        let index = match self.pages.iter().position(|page| page.number == number) {
            Some(index) => index,
            None => self.load(number)?,
        };
        let clock = self.clock;
        Ok(self.pages.get_mut(index).map_or(&[], |page| {
            page.used = clock;
            &page.data
        }))
    }

    /// Reads a page into the place of the one that was not used for longest.
    fn load(&mut self, number: u64) -> Result<usize, Error> {
        let start = number.saturating_mul(PAGE);
        let len = usize::try_from(self.len.saturating_sub(start).min(PAGE)).unwrap_or(0);
        let mut data = self.free_page();
        data.resize(len, 0);
        self.reader.seek(SeekFrom::Start(start)).map_err(io_error(start))?;
        self.reader.read_exact(&mut data).map_err(io_error(start))?;
        self.pages.push(Page { number, used: self.clock, data });
        Ok(self.pages.len().saturating_sub(1))
    }

    fn free_page(&mut self) -> Vec<u8> {
        let oldest = (0..).zip(&self.pages).min_by_key(|(_, page)| page.used).map(|(i, _)| i);
        match oldest {
            Some(index) if self.pages.len() >= Limits::PAGES => self.pages.swap_remove(index).data,
            _ => Vec::with_capacity(Limits::PAGE_BYTES),
        }
    }
}

pub(crate) fn io_error(position: u64) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { position, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_across_pages_and_after_eviction() {
        let data: Vec<u8> = (0..=250).cycle().take(200 * Limits::PAGE_BYTES).collect();
        let mut disk = Disk::new(io::Cursor::new(data.clone())).unwrap();
        for round in 0..3 {
            for page in 0..199 {
                let at = (page + 1) * Limits::PAGE_BYTES - 3 - round;
                assert_eq!(disk.array::<8>(at as u64, "test").unwrap(), data[at..at + 8]);
            }
        }
        assert_eq!(disk.pages.len(), Limits::PAGES);
        assert!(disk.pages.iter().all(|page| page.data.capacity() <= Limits::PAGE_BYTES));
    }

    #[test]
    fn what_is_past_the_end_is_told_with_its_place_and_not_allocated() {
        let mut disk = Disk::new(io::Cursor::new(vec![0; 10])).unwrap();
        let text = |error: Error| error.to_string();
        assert_eq!(
            text(disk.array::<4>(8, "box size").unwrap_err()),
            "box size of 4 bytes at byte 8 goes past the end of the file, byte 10"
        );
        assert_eq!(
            text(disk.bytes(u64::MAX, u32::MAX, || "sample 3".to_owned()).unwrap_err()),
            "sample 3 of 4294967295 bytes at byte 18446744073709551615 goes past the end of the file, byte 10"
        );
    }
}
