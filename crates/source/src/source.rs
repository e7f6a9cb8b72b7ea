//! A file, whatever its kind.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use media::Duration;

use crate::disk::{Disk, io_error};
use crate::flv_file::FlvFile;
use crate::mp4::{self, Movie};
use crate::notes::Notes;
use crate::{Error, Info, Note, OnFault, Sample};

/// A file being played from its start to its end, as often as wanted.
///
/// Both configurations come before the first sample, then samples by decoding time across the
/// tracks, and a configuration again where it changes; the first timestamp is zero. After
/// [`rewind`](Self::rewind) the timestamps are the same again: add [`duration`](Self::duration) for
/// each round to go on without a gap.
#[derive(Debug)]
pub struct Source<R = File> {
    disk: Disk<R>,
    format: Format,
    info: Info,
    notes: Notes,
}

#[derive(Debug)]
enum Format {
    Mp4(Movie),
    Flv(Box<FlvFile>),
}

impl Source<File> {
    /// Opens an MP4, QuickTime or FLV file; which one, its content says.
    ///
    /// # Errors
    /// What [`Error`] lists, where nothing can be played or faults are refused. For an MP4 this is
    /// complete: a sample that is missing is told here.
    pub fn open(path: &Path, on_fault: OnFault) -> Result<Self, Error> {
        Self::new(File::open(path).map_err(io_error(0))?, on_fault)
    }
}

impl<R: Read + Seek> Source<R> {
    /// The same for anything that reads like a file.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn new(reader: R, on_fault: OnFault) -> Result<Self, Error> {
        let mut disk = Disk::new(reader)?;
        let mut notes = Notes::new(on_fault);
        let (format, info) = open(&mut disk, &mut notes)?;
        Ok(Self { disk, format, info, notes })
    }

    /// What comes next; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read, or was changed; where faults are refused, with FLV also what is
    /// wrong with a tag.
    pub fn next_sample(&mut self) -> Result<Option<Sample>, Error> {
        let sample = match &mut self.format {
            Format::Mp4(movie) => movie.next(&mut self.disk),
            Format::Flv(file) => file.next(&mut self.disk, &mut self.info, &mut self.notes),
        }?;
        if let Some(Sample::VideoConfig(avcc)) = &sample {
            self.info.reconfigure_video(avcc);
        }
        Ok(sample)
    }

    /// Back to the first sample. A configuration comes again only where it differs from the one
    /// that was sent last.
    pub fn rewind(&mut self) {
        match &mut self.format {
            Format::Mp4(movie) => movie.rewind(),
            Format::Flv(file) => file.rewind(),
        }
    }

    /// By how much the next round is later: the duration of the longest track, from its first
    /// sample to the end of its last. In an FLV file it is exact when the end has been reached
    /// once, and grows until then.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.info.round()
    }

    /// What the file is: its pictures as the configuration that was handed out last says.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// What is odd about it and what is left out of it, a line each. More may come while it is
    /// read.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        self.notes.all()
    }

    /// How many parts of the file are left out: each named in [`notes`](Self::notes), as far as
    /// there is room.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.notes.left_out()
    }
}

fn open<R: Read + Seek>(disk: &mut Disk<R>, notes: &mut Notes) -> Result<(Format, Info), Error> {
    let shown = u32::try_from(disk.len().min(8)).unwrap_or(8);
    let actual = disk.bytes(0, shown, || "file".to_owned())?;
    if actual.starts_with(b"FLV") {
        let (file, info) = FlvFile::open(disk, notes)?;
        return Ok((Format::Flv(Box::new(file)), info));
    }
    match actual.last_chunk() {
        Some(kind) if mp4::looks_like_mp4(kind) => {
            Movie::open(disk, notes).map(|(movie, info)| (Format::Mp4(movie), info))
        }
        _ => Err(Error::Format { actual: actual.to_vec() }),
    }
}
