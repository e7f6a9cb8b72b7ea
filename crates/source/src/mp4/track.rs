//! One track of the movie: what it is and where its samples are.

use std::io::{Read, Seek};

use super::Entry;
use super::boxes::{BoxAt, Boxes};
use super::edits::Edit;
use super::fragments::{Defaults, FragmentCursor};
use super::sample_entry::{Description, Refusal, handler};
use super::sample_table::{SampleTable, TableCursor};
use crate::disk::Disk;
use crate::warnings::Warnings;
use crate::{Error, TrackName};

/// A video or audio track.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) name: TrackName,
    pub(crate) enabled: bool,
    /// Ticks a second, never 0.
    pub(crate) timescale: u32,
    pub(crate) edit: Edit,
    pub(crate) descriptions: Vec<Description>,
    table: SampleTable,
    /// In a fragmented file, and then with the boxes behind the moov.
    fragments: Option<(Defaults, Boxes)>,
    /// Clockwise, in degrees, as players turn it.
    pub(crate) rotation: u32,
}

/// A place in a track.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    table: TableCursor,
    fragments: Option<FragmentCursor>,
    /// Decoding time behind the samples of the moov.
    dts: i64,
}

/// What a movie says for all its tracks.
#[derive(Clone, Debug)]
pub(crate) struct MovieHeader {
    /// Ticks a second, never 0.
    pub(crate) timescale: u32,
    /// `trex` of each track of a fragmented file; `None` when it has no `mvex`.
    pub(crate) fragments: Option<Vec<Defaults>>,
    /// The boxes behind the moov.
    pub(crate) rest: Boxes,
}

impl Track {
    /// The track of a `trak`; `None` for one that is neither video nor audio.
    pub(crate) fn read<R: Read + Seek>(
        trak: BoxAt,
        movie: &MovieHeader,
        disk: &mut Disk<R>,
        warnings: &mut Warnings,
    ) -> Result<Option<Self>, Error> {
        let mdia = trak.needed_child(disk, b"mdia", warnings)?;
        let hdlr = mdia.needed_child(disk, b"hdlr", warnings)?;
        let handler = handler(&hdlr, disk)?;
        if !matches!(&handler.0, b"vide" | b"soun") {
            return Ok(None);
        }
        let header = TrackHeader::read(&trak.needed_child(disk, b"tkhd", warnings)?, disk)?;
        let id = Some(header.id);
        let is_video = &handler.0 == b"vide";
        let name = if is_video { TrackName::Video(id) } else { TrackName::Audio(id) };
        let timescale = timescale(&mdia.needed_child(disk, b"mdhd", warnings)?, disk)?;
        let edit = match trak.child(disk, b"edts", warnings)? {
            Some(edts) => match edts.child(disk, b"elst", warnings)? {
                Some(elst) => Edit::read(&elst, movie.timescale, timescale, disk)?,
                None => Edit::default(),
            },
            None => Edit::default(),
        };
        let minf = mdia.needed_child(disk, b"minf", warnings)?;
        let stbl = minf.needed_child(disk, b"stbl", warnings)?;
        let stsd = stbl.needed_child(disk, b"stsd", warnings)?;
        Ok(Some(Self {
            name,
            enabled: header.enabled,
            timescale,
            edit,
            descriptions: Description::read_all(&stsd, name, disk, warnings)?,
            table: SampleTable::find(stbl, disk, warnings)?,
            fragments: movie.fragments_of(header.id),
            rotation: header.rotation,
        }))
    }

    pub(crate) fn is_fragmented(&self) -> bool {
        self.fragments.is_some()
    }

    /// The sample at the cursor, which goes on to the next: those of the moov, then those of the fragments.
    /// Samples of no bytes only pass time: they are not handed out.
    pub(crate) fn next<R: Read + Seek>(
        &self,
        cursor: &mut Cursor,
        disk: &mut Disk<R>,
        warnings: &mut Warnings,
    ) -> Result<Option<Entry>, Error> {
        loop {
            match self.next_entry(cursor, disk, warnings)? {
                Some(entry) if entry.size == 0 => {}
                found => return Ok(found),
            }
        }
    }

    fn next_entry<R: Read + Seek>(
        &self,
        cursor: &mut Cursor,
        disk: &mut Disk<R>,
        warnings: &mut Warnings,
    ) -> Result<Option<Entry>, Error> {
        if cursor.fragments.is_none() {
            if let Some(entry) = self.table.next(disk, &mut cursor.table)? {
                cursor.dts = entry.dts.saturating_add(entry.delta.into());
                return Ok(Some(entry));
            }
            let samples = self.table.len().into();
            cursor.fragments =
                self.fragments.map(|(_, rest)| FragmentCursor::new(rest, samples, cursor.dts));
        }
        match (&mut cursor.fragments, &self.fragments) {
            (Some(fragments), Some((trex, _))) => fragments.next(disk, trex, warnings),
            _ => Ok(None),
        }
    }

    /// The description with this number, counted from 1.
    pub(crate) fn description(&self, number: u32) -> Option<&Description> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.descriptions.get(index)
    }

    /// Why nothing of it can be carried.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        let mut refusal = None;
        for description in &self.descriptions {
            match description {
                Description::Refused(found) => refusal = refusal.or(Some(found)),
                _ => return None,
            }
        }
        refusal
    }
}

impl MovieHeader {
    fn fragments_of(&self, track_id: u32) -> Option<(Defaults, Boxes)> {
        let trex = self.fragments.as_ref()?.iter().find(|trex| trex.track_id == track_id);
        // A track without a trex may have fragments that say everything themselves.
        let fallback = Defaults { track_id, description: 1, ..Defaults::default() };
        Some((trex.copied().unwrap_or(fallback), self.rest))
    }
}

/// `tkhd` (14496-12 8.3.2).
struct TrackHeader {
    id: u32,
    enabled: bool,
    rotation: u32,
}

impl TrackHeader {
    fn read<R: Read + Seek>(tkhd: &BoxAt, disk: &mut Disk<R>) -> Result<Self, Error> {
        let (version, flags) = tkhd.version(disk)?;
        let (id, matrix): (u64, u64) = if version == 0 { (12, 40) } else { (20, 52) };
        let [a, b] = [matrix, matrix.saturating_add(4)].map(|at| tkhd.u32(disk, at));
        Ok(Self {
            id: tkhd.u32(disk, id)?,
            enabled: flags & 1 != 0,
            rotation: rotation(a?.cast_signed(), b?.cast_signed()),
        })
    }
}

/// From the first row of the matrix.
fn rotation(a: i32, b: i32) -> u32 {
    match (a.signum(), b.signum()) {
        (0, 1) => 90,
        (-1, 0) => 180,
        (0, -1) => 270,
        _ => 0,
    }
}

/// The timescale of an `mdhd` or `mvhd` (14496-12 8.4.2, 8.2.2).
pub(crate) fn timescale<R: Read + Seek>(header: &BoxAt, disk: &mut Disk<R>) -> Result<u32, Error> {
    let (version, _) = header.version(disk)?;
    match header.u32(disk, if version == 0 { 12 } else { 20 })? {
        // The upper half is negative to other readers, and nobody counts half nanoseconds.
        timescale @ (0 | 0x8000_0000..) => {
            Err(header.invalid(format!("timescale {timescale}, allowed are 1 to 2147483647")))
        }
        timescale => Ok(timescale),
    }
}
