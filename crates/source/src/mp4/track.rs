//! One track of the movie: what it is and where its samples are.

use std::io::{Read, Seek};

use super::Entry;
use super::boxes::{BoxAt, Boxes};
use super::edits::Edit;
use super::fragments::{Defaults, FragmentCursor};
use super::sample_entry::{Description, Refusal, handler};
use super::sample_table::{SampleTable, TableCursor};
use crate::disk::Disk;
use crate::notes::Notes;
use crate::{Error, Limits, TrackName};

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
    /// When the last sample of the moov is decoded, and when it ends.
    last_of_table: Option<(i64, i64)>,
    /// Decoding time of the last sample, once it was made to go on.
    last_dts: Option<i64>,
    /// Samples left out so far.
    left_out: u64,
    is_at_end: bool,
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
        notes: &mut Notes,
    ) -> Result<Option<Self>, Error> {
        let mdia = trak.needed_child(disk, b"mdia", notes)?;
        let hdlr = mdia.needed_child(disk, b"hdlr", notes)?;
        let handler = handler(&hdlr, disk)?;
        if !matches!(&handler.0, b"vide" | b"soun") {
            return Ok(None);
        }
        let header = TrackHeader::read(&trak.needed_child(disk, b"tkhd", notes)?, disk)?;
        let id = Some(header.id);
        let is_video = &handler.0 == b"vide";
        let name = if is_video { TrackName::Video(id) } else { TrackName::Audio(id) };
        let timescale = timescale(&mdia.needed_child(disk, b"mdhd", notes)?, disk)?;
        let edit = match trak.child(disk, b"edts", notes)? {
            Some(edts) => match edts.child(disk, b"elst", notes)? {
                Some(elst) => Edit::read(&elst, movie.timescale, timescale, disk)?,
                None => Edit::default(),
            },
            None => Edit::default(),
        };
        let minf = mdia.needed_child(disk, b"minf", notes)?;
        let stbl = minf.needed_child(disk, b"stbl", notes)?;
        let stsd = stbl.needed_child(disk, b"stsd", notes)?;
        Ok(Some(Self {
            name,
            enabled: header.enabled,
            timescale,
            edit,
            descriptions: Description::read_all(&stsd, name, disk, notes)?,
            table: SampleTable::find(stbl, disk, notes)?,
            fragments: movie.fragments_of(header.id),
            rotation: header.rotation,
        }))
    }

    pub(crate) fn is_fragmented(&self) -> bool {
        self.fragments.is_some()
    }

    /// The sample at the cursor, which goes on to the next: those of the moov, then those of the
    /// fragments. Samples of no bytes only pass time: they are not handed out. Neither are those
    /// that the file does not have or that cannot be carried: they are left out.
    ///
    /// # Errors
    /// What [`Notes::leave_out`] gives back.
    pub(crate) fn next<R: Read + Seek>(
        &self,
        cursor: &mut Cursor,
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<Option<Entry>, Error> {
        let limits = Limits::DEFAULT;
        while let Some(entry) = self.next_entry(cursor, disk, notes)? {
            let entry = cursor.in_order(entry);
            let what = if entry.number > limits.max_samples {
                Some(("number of samples", entry.number, limits.max_samples))
            } else if cursor.left_out > limits.max_left_out_samples {
                let limit = limits.max_left_out_samples;
                Some(("number of samples left out", cursor.left_out, limit))
            } else {
                None
            };
            if let Some((what, actual, limit)) = what {
                cursor.is_at_end = true;
                let (what, position) = (format!("{}: {what}", self.name), entry.position);
                notes.leave_out(Error::Limit { what, actual, limit, position })?;
                break;
            }
            if entry.size == 0 {
                continue;
            }
            let Some(flaw) = self.flaw(&entry, disk) else { return Ok(Some(entry)) };
            match cursor.left_out {
                0 => notes.leave_out(flaw)?,
                _ => notes.leave_out_another(),
            }
            cursor.left_out = cursor.left_out.saturating_add(1);
        }
        Ok(None)
    }

    fn next_entry<R: Read + Seek>(
        &self,
        cursor: &mut Cursor,
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<Option<Entry>, Error> {
        if cursor.fragments.is_none() && !cursor.is_at_end {
            match self.table.next(disk, &mut cursor.table) {
                Ok(Some(entry)) => {
                    let end = entry.dts.saturating_add(entry.delta.into());
                    cursor.last_of_table = Some((entry.dts, end));
                    return Ok(Some(entry));
                }
                Ok(None) => {}
                Err(error) => notes.leave_out(error)?,
            }
            let samples = self.table.len().into();
            let (last, end) = cursor.last_of_table.map_or((None, 0), |(dts, end)| (Some(dts), end));
            cursor.fragments =
                self.fragments.map(|(_, rest)| FragmentCursor::new(rest, samples, last, end));
            cursor.is_at_end = cursor.fragments.is_none();
        }
        let (Some(fragments), Some((trex, _))) = (&mut cursor.fragments, &self.fragments) else {
            return Ok(None);
        };
        while !cursor.is_at_end {
            match fragments.next(disk, trex, notes) {
                Ok(entry) => return Ok(entry),
                Err(error @ Error::Limit { .. }) => {
                    cursor.is_at_end = true;
                    notes.leave_out(error)?;
                }
                Err(error) => {
                    notes.leave_out(error)?;
                    fragments.skip_damage(disk)?;
                }
            }
        }
        Ok(None)
    }

    /// Why a sample cannot be handed out.
    fn flaw<R: Read + Seek>(&self, entry: &Entry, disk: &Disk<R>) -> Option<Error> {
        let name = || format!("{}: sample {}", self.name, entry.number);
        match self.description(entry.description) {
            Some(Description::Refused(refusal)) => {
                return Some(refusal.clone().into_error(self.name));
            }
            None => {
                let (number, total) = (entry.description, self.descriptions.len());
                let problem = format!("has sample description {number} of {total}");
                return Some(Error::Invalid { what: name(), position: entry.position, problem });
            }
            Some(_) => {}
        }
        if !disk.holds(entry.position, entry.size.into()) {
            return Some(disk.truncated(name(), entry.position, entry.size.into()));
        }
        let limit = Limits::DEFAULT.max_sample_bytes;
        (entry.size > limit).then(|| Error::Limit {
            what: format!("{} size", name()),
            actual: entry.size.into(),
            limit: limit.into(),
            position: entry.position,
        })
    }

    /// Whether the `trak` says, as far as it can be read, that it is of pictures.
    pub(crate) fn is_of_pictures<R: Read + Seek>(trak: &BoxAt, disk: &mut Disk<R>) -> bool {
        let notes = &mut Notes::default();
        let mut handler_of_trak = || {
            let mdia = trak.needed_child(disk, b"mdia", notes)?;
            handler(&mdia.needed_child(disk, b"hdlr", notes)?, disk)
        };
        handler_of_trak().is_ok_and(|handler| &handler.0 == b"vide")
    }

    pub(crate) fn is_audio(&self) -> bool {
        matches!(self.name, TrackName::Audio(_))
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

impl Cursor {
    /// Samples left out up to here.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Puts a sample behind the one before it. Where the tables take time back from a sample (a
    /// negative duration), that sample is decoded half-way between the one before and the one after
    /// it: order stays, and nothing drifts.
    fn in_order(&mut self, entry: Entry) -> Entry {
        let dts = match (self.last_dts, entry.delta) {
            (Some(last), ..0) => last.midpoint(entry.dts.saturating_add(entry.delta.into())),
            _ => entry.dts,
        };
        let dts = self.last_dts.map_or(dts, |last| last.max(dts));
        self.last_dts = Some(dts);
        Entry { dts, ..entry }
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
