//! The samples of the moov box: `stbl` (14496-12 8.5 to 8.7).

use std::io::{Read, Seek};

use super::Entry;
use super::boxes::BoxAt;
use super::table::{Table, pair};
use crate::Error;
use crate::disk::Disk;
use crate::notes::Notes;

/// Where a track's tables are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SampleTable {
    stbl: BoxAt,
    /// `stts`: how many samples, each how long.
    times: Table<8>,
    /// `ctts`: how many samples, each how much later it is shown.
    offsets: Option<Table<8>>,
    /// `stsc`: from which chunk, how many samples, which description.
    runs: Table<12>,
    sizes: Sizes,
    chunks: Chunks,
    /// `stss`: numbers of the sync samples; without it all are.
    sync: Option<Table<4>>,
}

/// `stsz` and `stz2` (14496-12 8.7.3).
#[derive(Clone, Copy, Debug)]
enum Sizes {
    Fixed { size: u32, count: u32 },
    Each(Table<4>),
    Bytes(Table<1>, u32),
    Words(Table<2>),
    Nibbles(Table<1>, u32),
}

/// `stco` and `co64` (14496-12 8.7.5).
#[derive(Clone, Copy, Debug)]
enum Chunks {
    Near(Table<4>),
    Far(Table<8>),
}

/// A place in the tables: a few numbers, so that it can be kept and gone back to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TableCursor {
    /// Samples read so far.
    sample: u32,
    /// Decoding time of the next sample.
    dts: i64,
    times: RunCursor,
    offsets: RunCursor,
    /// Entries of `stsc` begun.
    runs: u32,
    /// Chunks begun.
    chunk: u32,
    left_in_chunk: u32,
    description: u32,
    /// Where the next sample in the chunk is.
    position: u64,
    /// Entries of `stss` passed.
    sync: u32,
}

/// A place in a run-length table.
#[derive(Clone, Copy, Debug, Default)]
struct RunCursor {
    index: u32,
    left: u32,
    value: u32,
}

impl SampleTable {
    pub(crate) fn find<R: Read + Seek>(
        stbl: BoxAt,
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<Self, Error> {
        let stts = stbl.needed_child(disk, b"stts", notes)?;
        let stsc = stbl.needed_child(disk, b"stsc", notes)?;
        let ctts = stbl.child(disk, b"ctts", notes)?;
        let stss = stbl.child(disk, b"stss", notes)?;
        Ok(Self {
            stbl,
            times: Table::of(&stts, disk)?,
            offsets: ctts.map(|ctts| Table::of(&ctts, disk)).transpose()?,
            runs: Table::of(&stsc, disk)?,
            sizes: Sizes::find(&stbl, disk, notes)?,
            chunks: Chunks::find(&stbl, disk, notes)?,
            sync: stss.map(|stss| Table::of(&stss, disk)).transpose()?,
        })
    }

    /// How many samples the moov box has of this track.
    pub(crate) fn len(&self) -> u32 {
        self.sizes.len()
    }

    /// The sample at the cursor, which goes on to the next.
    pub(crate) fn next<R: Read + Seek>(
        &self,
        disk: &mut Disk<R>,
        cursor: &mut TableCursor,
    ) -> Result<Option<Entry>, Error> {
        let index = cursor.sample;
        let Some(size) = self.sizes.get(disk, index)? else { return Ok(None) };
        // Unsigned on paper (8.6.1.2). QuickTime and those after it read it signed: writers take
        // time back.
        let delta = self.run(disk, "stts", &self.times, &mut cursor.times, index)?.cast_signed();
        let composition = match &self.offsets {
            // Version 0 is unsigned on paper; writers put negative numbers there too.
            Some(table) => self.run(disk, "ctts", table, &mut cursor.offsets, index)?.cast_signed(),
            None => 0,
        };
        self.enter_chunk(disk, cursor)?;
        let key = self.is_sync(disk, cursor)?;
        let entry = Entry {
            number: u64::from(index).saturating_add(1),
            position: cursor.position,
            size,
            dts: cursor.dts,
            composition,
            delta,
            key,
            description: cursor.description,
        };
        cursor.sample = index.saturating_add(1);
        cursor.dts = cursor.dts.saturating_add(delta.into());
        cursor.position = cursor.position.saturating_add(size.into());
        cursor.left_in_chunk = cursor.left_in_chunk.saturating_sub(1);
        Ok(Some(entry))
    }

    fn run<R: Read + Seek>(
        &self,
        disk: &mut Disk<R>,
        name: &str,
        table: &Table<8>,
        cursor: &mut RunCursor,
        sample: u32,
    ) -> Result<u32, Error> {
        while cursor.left == 0 {
            let entry = table.get(disk, cursor.index)?;
            let (count, value) = entry.map(pair).ok_or_else(|| self.too_short(name, sample))?;
            let index = cursor.index.saturating_add(1);
            *cursor = RunCursor { index, left: count, value };
        }
        cursor.left = cursor.left.saturating_sub(1);
        Ok(cursor.value)
    }

    /// Goes on to the next chunk that has samples in it, when the one before is used up.
    fn enter_chunk<R: Read + Seek>(
        &self,
        disk: &mut Disk<R>,
        cursor: &mut TableCursor,
    ) -> Result<(), Error> {
        while cursor.left_in_chunk == 0 {
            let chunk = self.chunks.get(disk, cursor.chunk)?;
            cursor.position = chunk.ok_or_else(|| self.too_short("stco", cursor.sample))?;
            cursor.chunk = cursor.chunk.saturating_add(1);
            self.enter_run(disk, cursor)?;
        }
        Ok(())
    }

    /// Which entry of `stsc` the chunk, counted from 1, belongs to.
    fn enter_run<R: Read + Seek>(
        &self,
        disk: &mut Disk<R>,
        cursor: &mut TableCursor,
    ) -> Result<(), Error> {
        while let Some(run) = self.runs.get(disk, cursor.runs)? {
            if u32_at(&run, 0) > cursor.chunk {
                break;
            }
            cursor.runs = cursor.runs.saturating_add(1);
        }
        let run = match cursor.runs.checked_sub(1) {
            Some(index) => self.runs.get(disk, index)?,
            None => None,
        };
        let run = run.ok_or_else(|| {
            self.stbl.invalid(format!("stsc has no entry for chunk {}", cursor.chunk))
        })?;
        cursor.left_in_chunk = u32_at(&run, 4);
        cursor.description = u32_at(&run, 8);
        Ok(())
    }

    fn is_sync<R: Read + Seek>(
        &self,
        disk: &mut Disk<R>,
        cursor: &mut TableCursor,
    ) -> Result<bool, Error> {
        let Some(table) = &self.sync else { return Ok(true) };
        let number = cursor.sample.saturating_add(1);
        while let Some(sync) = table.get(disk, cursor.sync)?.map(u32::from_be_bytes) {
            if sync >= number {
                return Ok(sync == number);
            }
            cursor.sync = cursor.sync.saturating_add(1);
        }
        Ok(false)
    }

    fn too_short(&self, table: &str, sample: u32) -> Error {
        let total = self.len();
        self.stbl.invalid(format!("{table} ends after {sample} of {total} samples"))
    }
}

impl Sizes {
    fn find<R: Read + Seek>(
        stbl: &BoxAt,
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<Self, Error> {
        match stbl.child(disk, b"stsz", notes)? {
            Some(stsz) => Self::of_stsz(&stsz, disk),
            None => {
                let stz2 = stbl.child(disk, b"stz2", notes)?;
                Self::of_stz2(
                    &stz2.ok_or_else(|| stbl.invalid("has no stsz box".to_owned()))?,
                    disk,
                )
            }
        }
    }

    fn of_stsz<R: Read + Seek>(stsz: &BoxAt, disk: &mut Disk<R>) -> Result<Self, Error> {
        let (size, count) = (stsz.u32(disk, 4)?, stsz.u32(disk, 8)?);
        match size {
            0 => Table::at(stsz, 12, count).map(Self::Each),
            size => Ok(Self::Fixed { size, count }),
        }
    }

    fn of_stz2<R: Read + Seek>(stz2: &BoxAt, disk: &mut Disk<R>) -> Result<Self, Error> {
        let ([_, _, _, bits], count) = (stz2.field(disk, 4)?, stz2.u32(disk, 8)?);
        match bits {
            4 => Ok(Self::Nibbles(Table::at(stz2, 12, count.div_ceil(2))?, count)),
            8 => Ok(Self::Bytes(Table::at(stz2, 12, count)?, count)),
            16 => Ok(Self::Words(Table::at(stz2, 12, count)?)),
            bits => Err(stz2.invalid(format!("field size {bits}, allowed are 4, 8 and 16"))),
        }
    }

    fn len(&self) -> u32 {
        match self {
            Self::Fixed { count, .. } | Self::Bytes(_, count) | Self::Nibbles(_, count) => *count,
            Self::Each(table) => table.len(),
            Self::Words(table) => table.len(),
        }
    }

    fn get<R: Read + Seek>(&self, disk: &mut Disk<R>, index: u32) -> Result<Option<u32>, Error> {
        if index >= self.len() {
            return Ok(None);
        }
        Ok(match self {
            Self::Fixed { size, .. } => Some(*size),
            Self::Each(table) => table.get(disk, index)?.map(u32::from_be_bytes),
            Self::Bytes(table, _) => table.get(disk, index)?.map(|[byte]| byte.into()),
            Self::Words(table) => {
                table.get(disk, index)?.map(|word| u16::from_be_bytes(word).into())
            }
            Self::Nibbles(table, _) => table.get(disk, index / 2)?.map(|[byte]| match index % 2 {
                0 => u32::from(byte >> 4),
                _ => u32::from(byte & 0x0f),
            }),
        })
    }
}

impl Chunks {
    fn find<R: Read + Seek>(
        stbl: &BoxAt,
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<Self, Error> {
        match stbl.child(disk, b"co64", notes)? {
            Some(co64) => Table::of(&co64, disk).map(Self::Far),
            None => Table::of(&stbl.needed_child(disk, b"stco", notes)?, disk).map(Self::Near),
        }
    }

    fn get<R: Read + Seek>(&self, disk: &mut Disk<R>, index: u32) -> Result<Option<u64>, Error> {
        Ok(match self {
            Self::Near(table) => {
                table.get(disk, index)?.map(|near| u32::from_be_bytes(near).into())
            }
            Self::Far(table) => table.get(disk, index)?.map(u64::from_be_bytes),
        })
    }
}

fn u32_at(entry: &[u8; 12], offset: usize) -> u32 {
    entry
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
