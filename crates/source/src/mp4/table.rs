//! Tables of fixed-size entries, read where they stand.

use std::io::{Read, Seek};

use super::boxes::BoxAt;
use crate::Error;
use crate::disk::Disk;

/// Entries of `N` bytes in a box. None is kept: each is read through the page cache when it is
/// wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<const N: usize> {
    start: u64,
    count: u32,
}

impl<const N: usize> Table<N> {
    /// The table behind a full box's version, flags and entry count.
    pub(crate) fn of<R: Read + Seek>(found: &BoxAt, disk: &mut Disk<R>) -> Result<Self, Error> {
        let count = found.u32(disk, 4)?;
        Self::at(found, 8, count)
    }

    /// `count` entries `offset` bytes into the content of a box, which must have room for them.
    pub(crate) fn at(found: &BoxAt, offset: u64, count: u32) -> Result<Self, Error> {
        let needed = u64::from(count).saturating_mul(N as u64);
        if needed > found.len().saturating_sub(offset) {
            return Err(found.invalid(format!(
                "claims {count} entries of {N} bytes, it has {} bytes for them",
                found.len().saturating_sub(offset)
            )));
        }
        Ok(Self { start: found.body.saturating_add(offset), count })
    }

    pub(crate) fn len(&self) -> u32 {
        self.count
    }

    /// Where the entry is in the file.
    pub(crate) fn position(&self, index: u32) -> u64 {
        self.start.saturating_add(u64::from(index).saturating_mul(N as u64))
    }

    /// The entry, counted from 0.
    pub(crate) fn get<R: Read + Seek>(
        &self,
        disk: &mut Disk<R>,
        index: u32,
    ) -> Result<Option<[u8; N]>, Error> {
        if index >= self.count {
            return Ok(None);
        }
        disk.array(self.position(index), "table entry").map(Some)
    }
}

/// `N` bytes as two numbers: `stts` and `ctts`.
pub(crate) fn pair([a, b, c, d, e, f, g, h]: [u8; 8]) -> (u32, u32) {
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}
