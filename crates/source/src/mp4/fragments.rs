//! The samples of moof boxes (14496-12 8.8).

use std::io::{Read, Seek};

use super::Entry;
use super::boxes::{BoxAt, Boxes};
use crate::Error;
use crate::disk::Disk;
use crate::notes::Notes;

/// `trex` and `tfhd` flags (14496-12 8.8.7.1).
mod tfhd {
    pub(super) const BASE_DATA_OFFSET: u32 = 0x00_0001;
    pub(super) const DESCRIPTION: u32 = 0x00_0002;
    pub(super) const DURATION: u32 = 0x00_0008;
    pub(super) const SIZE: u32 = 0x00_0010;
    pub(super) const FLAGS: u32 = 0x00_0020;
    pub(super) const DURATION_IS_EMPTY: u32 = 0x01_0000;
    pub(super) const BASE_IS_MOOF: u32 = 0x02_0000;
}

/// `trun` flags (14496-12 8.8.8.1).
mod trun {
    pub(super) const DATA_OFFSET: u32 = 0x001;
    pub(super) const FIRST_FLAGS: u32 = 0x004;
    pub(super) const DURATION: u32 = 0x100;
    pub(super) const SIZE: u32 = 0x200;
    pub(super) const FLAGS: u32 = 0x400;
    pub(super) const COMPOSITION: u32 = 0x800;
}

/// `sample_is_non_sync_sample` (14496-12 8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

/// What samples of a track have when nothing else is said: `trex` (14496-12 8.8.3), then `tfhd`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Defaults {
    pub(crate) track_id: u32,
    pub(crate) description: u32,
    pub(crate) duration: u32,
    pub(crate) size: u32,
    pub(crate) flags: u32,
}

/// A place in the moof boxes: a few numbers, so that it can be kept and gone back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FragmentCursor {
    top: Boxes,
    moof: Option<Moof>,
    traf: Option<Traf>,
    run: Option<Run>,
    /// Decoding time of the next sample where its fragment does not say it: the end of the one
    /// before.
    dts: i64,
    /// Decoding time of the last sample.
    last_dts: Option<i64>,
    /// Added to the decoding times of fragments since they began again.
    offset: i64,
    samples: u64,
}

#[derive(Clone, Copy, Debug)]
struct Moof {
    start: u64,
    trafs: Boxes,
    /// Where the data of the next traf starts that does not say it: behind that of the one before.
    data: u64,
}

#[derive(Clone, Copy, Debug)]
struct Traf {
    runs: Boxes,
    defaults: Defaults,
    base: u64,
    /// Where the data of the next trun starts that does not say it.
    data: u64,
    /// The base is the moof box for all, so nobody needs to know where this one's data ends.
    base_is_moof: bool,
    /// Time that passes without samples (`duration-is-empty`).
    empty_duration: i32,
}

/// A trun (14496-12 8.8.8) of which samples are left.
#[derive(Clone, Copy, Debug)]
struct Run {
    flags: u32,
    /// Flags of the first sample only.
    first_flags: Option<u32>,
    next: u64,
    left: u32,
}

/// What one sample of a trun says.
struct RunSample {
    /// Signed as in `stts`.
    duration: i32,
    size: u32,
    flags: u32,
    composition: i32,
}

impl FragmentCursor {
    /// Before the first moof at or behind `top`; samples in moov were there already, the last of
    /// them decoded at `last_dts`, which lasts until `dts`.
    pub(crate) fn new(top: Boxes, samples: u64, last_dts: Option<i64>, dts: i64) -> Self {
        Self { top, moof: None, traf: None, run: None, dts, last_dts, offset: 0, samples }
    }

    /// The sample at the cursor, which goes on to the next.
    pub(crate) fn next<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
        trex: &Defaults,
        notes: &mut Notes,
    ) -> Result<Option<Entry>, Error> {
        loop {
            if let (Some(traf), Some(run)) = (&mut self.traf, &mut self.run) {
                if let Some(sample) = run.next(disk, &traf.defaults)? {
                    let entry = entry(self.samples, self.dts, traf, &sample);
                    self.samples = self.samples.saturating_add(1);
                    self.last_dts = Some(self.dts);
                    self.dts = self.dts.saturating_add(sample.duration.into());
                    traf.data = traf.data.saturating_add(sample.size.into());
                    return Ok(Some(entry));
                }
                self.run = None;
            }
            if !self.enter_run(disk, notes)?
                && !self.enter_traf(disk, trex, notes)?
                && !self.enter_moof(disk, notes)?
            {
                return Ok(None);
            }
        }
    }

    /// False when the traf has no more trun.
    fn enter_run<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<bool, Error> {
        let Some(traf) = &mut self.traf else { return Ok(false) };
        self.run = traf.next_run(disk, notes)?;
        Ok(self.run.is_some())
    }

    /// False when the moof has no more traf of this track.
    fn enter_traf<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
        trex: &Defaults,
        notes: &mut Notes,
    ) -> Result<bool, Error> {
        let Some(moof) = &mut self.moof else { return Ok(false) };
        if let Some(done) = self.traf.take() {
            moof.data = done.data;
        }
        while let Some(found) = moof.trafs.find(disk, b"traf", notes)? {
            let tfhd = found.needed_child(disk, b"tfhd", notes)?;
            let mut traf = Traf::read(&found, &tfhd, moof, trex, disk)?;
            if traf.defaults.track_id == trex.track_id {
                if let Some(said) = decode_time(&found, disk, notes)? {
                    self.begin_at(said, found.start, trex.track_id, notes);
                }
                self.dts = self.dts.saturating_add(traf.empty_duration.into());
                self.traf = Some(traf);
                return Ok(true);
            }
            if !traf.base_is_moof {
                moof.data = traf.end_of_data(disk, notes)?;
            }
        }
        Ok(false)
    }

    /// The next sample is decoded at the time that its fragment says, unless that goes back behind
    /// the last sample: then it is decoded when that ends, and what the fragments after it say
    /// counts from there, if they go on from where this one began again.
    fn begin_at(&mut self, said: i64, position: u64, track_id: u32, notes: &mut Notes) {
        let is_later = |dts: i64| self.last_dts.is_none_or(|last| dts > last);
        let moved = said.saturating_add(self.offset);
        if said == self.dts {
            self.offset = 0;
        } else if is_later(said) {
            (self.dts, self.offset) = (said, 0);
        } else if self.offset != 0 && is_later(moved) {
            self.dts = moved;
        } else {
            self.offset = self.dts.saturating_sub(said);
            notes.odd(format!(
                "track {track_id}: the fragment at byte {position} goes back to decoding time {said}: it is played \
                 behind the one before it"
            ));
        }
    }

    /// Goes on with the next moof box that can be found, behind what is damaged.
    pub(crate) fn skip_damage<R: Read + Seek>(&mut self, disk: &mut Disk<R>) -> Result<(), Error> {
        (self.traf, self.run) = (None, None);
        // A moof that could be entered ends where it says; where there is none, the walk itself
        // came to a stop.
        if self.moof.take().is_none() {
            self.top.resume_at_moof(disk)?;
        }
        Ok(())
    }

    fn enter_moof<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<bool, Error> {
        self.moof = None;
        self.moof = self.top.find(disk, b"moof", notes)?.map(|found| Moof {
            start: found.start,
            trafs: found.children(),
            data: found.start,
        });
        Ok(self.moof.is_some())
    }
}

impl Defaults {
    /// `trex`.
    pub(crate) fn read<R: Read + Seek>(trex: &BoxAt, disk: &mut Disk<R>) -> Result<Self, Error> {
        Ok(Self {
            track_id: trex.u32(disk, 4)?,
            description: trex.u32(disk, 8)?,
            duration: trex.u32(disk, 12)?,
            size: trex.u32(disk, 16)?,
            flags: trex.u32(disk, 20)?,
        })
    }
}

impl Traf {
    fn read<R: Read + Seek>(
        found: &BoxAt,
        tfhd: &BoxAt,
        moof: &Moof,
        trex: &Defaults,
        disk: &mut Disk<R>,
    ) -> Result<Self, Error> {
        let (_, flags) = tfhd.version(disk)?;
        let mut defaults = Defaults { track_id: tfhd.u32(disk, 4)?, ..*trex };
        let mut offset: u64 = 8;
        let mut base = if flags & tfhd::BASE_IS_MOOF != 0 { moof.start } else { moof.data };
        if flags & tfhd::BASE_DATA_OFFSET != 0 {
            base = tfhd.u64(disk, offset)?;
            offset = offset.saturating_add(8);
        }
        let fields = [
            (tfhd::DESCRIPTION, &mut defaults.description),
            (tfhd::DURATION, &mut defaults.duration),
            (tfhd::SIZE, &mut defaults.size),
            (tfhd::FLAGS, &mut defaults.flags),
        ];
        for (flag, field) in fields {
            if flags & flag != 0 {
                *field = tfhd.u32(disk, offset)?;
                offset = offset.saturating_add(4);
            }
        }
        let base_is_moof = flags & tfhd::BASE_IS_MOOF != 0;
        let is_empty = flags & tfhd::DURATION_IS_EMPTY != 0;
        let empty_duration = if is_empty { defaults.duration.cast_signed() } else { 0 };
        let runs = found.children();
        Ok(Self { runs, defaults, base, data: base, base_is_moof, empty_duration })
    }

    fn next_run<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<Option<Run>, Error> {
        let Some(trun) = self.runs.find(disk, b"trun", notes)? else { return Ok(None) };
        let (_, flags) = trun.version(disk)?;
        let count = trun.u32(disk, 4)?;
        let mut offset: u64 = 8;
        if flags & trun::DATA_OFFSET != 0 {
            let from_base = i64::from(trun.u32(disk, offset)?.cast_signed());
            self.data = self.base.saturating_add_signed(from_base);
            offset = offset.saturating_add(4);
        }
        let mut first_flags = None;
        if flags & trun::FIRST_FLAGS != 0 {
            first_flags = Some(trun.u32(disk, offset)?);
            offset = offset.saturating_add(4);
        }
        let run = Run { flags, first_flags, next: trun.body.saturating_add(offset), left: count };
        run.check_room(&trun, &self.defaults)?;
        Ok(Some(run))
    }

    /// Where its data ends, for the next traf.
    fn end_of_data<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<u64, Error> {
        while let Some(mut run) = self.next_run(disk, notes)? {
            if run.flags & trun::SIZE == 0 {
                let bytes = u64::from(self.defaults.size).saturating_mul(run.left.into());
                self.data = self.data.saturating_add(bytes);
                continue;
            }
            while let Some(sample) = run.next(disk, &self.defaults)? {
                self.data = self.data.saturating_add(sample.size.into());
            }
        }
        Ok(self.data)
    }
}

impl Run {
    fn bytes_a_sample(&self) -> u64 {
        let fields = [trun::DURATION, trun::SIZE, trun::FLAGS, trun::COMPOSITION];
        fields.into_iter().filter(|flag| self.flags & flag != 0).map(|_| 4).sum()
    }

    /// Whether the samples are really in the box: each takes bytes there, or at least in the file.
    fn check_room(&self, trun: &BoxAt, defaults: &Defaults) -> Result<(), Error> {
        let room = trun.end.saturating_sub(self.next);
        if self.bytes_a_sample().saturating_mul(self.left.into()) > room {
            let count = self.left;
            return Err(
                trun.invalid(format!("claims {count} samples, it has {room} bytes for them"))
            );
        }
        if self.bytes_a_sample() == 0 && defaults.size == 0 && self.left > 0 {
            return Err(trun.invalid(format!("has {} samples of no size", self.left)));
        }
        Ok(())
    }

    fn next<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
        defaults: &Defaults,
    ) -> Result<Option<RunSample>, Error> {
        self.left = match self.left.checked_sub(1) {
            Some(left) => left,
            None => return Ok(None),
        };
        let duration = self.field(disk, trun::DURATION, defaults.duration)?.cast_signed();
        let size = self.field(disk, trun::SIZE, defaults.size)?;
        let default_flags = self.first_flags.take().unwrap_or(defaults.flags);
        let flags = self.field(disk, trun::FLAGS, default_flags)?;
        let composition = self.field(disk, trun::COMPOSITION, 0)?.cast_signed();
        Ok(Some(RunSample { duration, size, flags, composition }))
    }

    fn field<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
        flag: u32,
        default: u32,
    ) -> Result<u32, Error> {
        if self.flags & flag == 0 {
            return Ok(default);
        }
        let value = disk.array(self.next, "trun entry").map(u32::from_be_bytes)?;
        self.next = self.next.saturating_add(4);
        Ok(value)
    }
}

/// `tfdt` (14496-12 8.8.12): decoding time of the first sample of the traf.
fn decode_time<R: Read + Seek>(
    traf: &BoxAt,
    disk: &mut Disk<R>,
    notes: &mut Notes,
) -> Result<Option<i64>, Error> {
    let Some(tfdt) = traf.child(disk, b"tfdt", notes)? else { return Ok(None) };
    // Unsigned on paper. Writers whose sound starts before zero put a negative number into 64 bits.
    Ok(Some(match tfdt.version(disk)? {
        (0, _) => tfdt.u32(disk, 4)?.into(),
        _ => tfdt.u64(disk, 4)?.cast_signed(),
    }))
}

fn entry(samples: u64, dts: i64, traf: &Traf, sample: &RunSample) -> Entry {
    Entry {
        number: samples.saturating_add(1),
        position: traf.data,
        size: sample.size,
        dts,
        composition: sample.composition,
        delta: sample.duration,
        key: sample.flags & NON_SYNC == 0,
        description: traf.defaults.description,
    }
}
