//! Edit lists (14496-12 8.6.6): which part of a track plays, and when.

use std::io::{Read, Seek};

use super::boxes::BoxAt;
use crate::disk::Disk;
use crate::{Error, Limits};

/// A track's edit list, brought down to what a stream can follow: wait, then play one part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    /// How long nothing plays, in ticks of the movie.
    pub(crate) delay: u64,
    /// Presentation time in the media at which it starts, in ticks of the track.
    pub(crate) media_time: i64,
    /// How long it plays, in ticks of the movie; `None` to the end.
    pub(crate) duration: Option<u64>,
}

/// One line of an `elst`.
struct Line {
    duration: u64,
    /// `None` for an empty edit.
    media_time: Option<i64>,
    rate: u32,
}

const RATE_1: u32 = 0x0001_0000;

impl Edit {
    /// Reads an `elst`. Timescales are those of the movie and of the track, not zero.
    ///
    /// Parts that follow each other in the media are one part. Cuts, pauses and other speeds are
    /// refused: sent untouched, the pictures that a cut leaves out would be seen.
    pub(crate) fn read<R: Read + Seek>(
        elst: &BoxAt,
        movie_timescale: u32,
        timescale: u32,
        disk: &mut Disk<R>,
    ) -> Result<Self, Error> {
        let (version, _) = elst.version(disk)?;
        let count = elst.u32(disk, 4)?;
        let limit = Limits::DEFAULT.max_edits;
        if count > limit {
            return Err(elst.invalid(format!("has {count} edits, allowed are {limit}")));
        }
        let mut edit = Self::default();
        let mut parts: u32 = 0;
        for index in 0..count {
            let line = Line::read(elst, version, index, disk)?;
            if parts == 0 && line.media_time.is_none() {
                edit.delay = edit.delay.saturating_add(line.duration);
            } else if let Some(media_time) = line.media_time {
                let joins = parts == 0 || edit.ends_at(media_time, movie_timescale, timescale);
                if !joins || line.rate != RATE_1 {
                    return Err(elst.invalid(
                        "cuts or bends the track, only a start and an end can be followed: \
                         export the file anew"
                            .to_owned(),
                    ));
                }
                edit.append(media_time, line.duration, parts);
                parts = parts.saturating_add(1);
            }
        }
        Ok(edit)
    }

    fn append(&mut self, media_time: i64, duration: u64, parts: u32) {
        if parts == 0 {
            self.media_time = media_time;
            // A duration of 0 stands for the whole track, in fragmented files and in others.
            self.duration = Some(duration).filter(|&duration| duration > 0);
        } else {
            self.duration = self
                .duration
                .filter(|_| duration > 0)
                .map(|before| before.saturating_add(duration));
        }
    }

    /// Whether the part so far ends there, but for rounding to the movie's ticks.
    fn ends_at(&self, media_time: i64, movie_timescale: u32, timescale: u32) -> bool {
        let tick = i64::from(timescale.div_ceil(movie_timescale));
        self.end(movie_timescale, timescale)
            .is_some_and(|end| end.saturating_sub(media_time).saturating_abs() <= tick)
    }

    /// Presentation time in the media at which it ends, rounded up.
    pub(crate) fn end(&self, movie_timescale: u32, timescale: u32) -> Option<i64> {
        let duration = u128::from(self.duration?).saturating_mul(timescale.into());
        let duration = duration.div_ceil(u128::from(movie_timescale).max(1));
        Some(self.media_time.saturating_add(i64::try_from(duration).unwrap_or(i64::MAX)))
    }
}

impl Line {
    fn read<R: Read + Seek>(
        elst: &BoxAt,
        version: u8,
        index: u32,
        disk: &mut Disk<R>,
    ) -> Result<Self, Error> {
        let size = if version == 0 { 12 } else { 20 };
        let at = u64::from(index).saturating_mul(size).saturating_add(8);
        let (duration, media_time) = if version == 0 {
            let media_time = elst.u32(disk, at.saturating_add(4))?.cast_signed();
            (elst.u32(disk, at)?.into(), media_time.into())
        } else {
            (elst.u64(disk, at)?, elst.u64(disk, at.saturating_add(8))?.cast_signed())
        };
        let rate = elst.u32(disk, at.saturating_add(size).saturating_sub(4))?;
        Ok(Self { duration, media_time: (media_time >= 0).then_some(media_time), rate })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use hex_literal::hex;

    use super::super::boxes::Boxes;
    use super::*;
    use crate::notes::Notes;

    /// Movie ticks of 1 ms, track ticks of 1/48000 s.
    fn read(content: &[u8]) -> Result<Edit, String> {
        let mut data = (u32::try_from(content.len()).unwrap() + 8).to_be_bytes().to_vec();
        data.extend_from_slice(b"elst");
        data.extend_from_slice(content);
        let mut disk = Disk::new(Cursor::new(data)).unwrap();
        let elst = Boxes::top_level(&disk, 0).next(&mut disk, &mut Notes::default());
        Edit::read(&elst.unwrap().unwrap(), 1000, 48_000, &mut disk)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn s_8_6_6_delay_start_and_end() {
        let version_0 =
            hex!("00000000 00000002 000003e8 ffffffff 00010000 00002710 00000400 00010000");
        let expected = Edit { delay: 1000, media_time: 1024, duration: Some(10_000) };
        assert_eq!(read(&version_0), Ok(expected));
        assert_eq!(expected.end(1000, 48_000), Some(481_024));
        let version_1 = hex!(
            "01000000 00000002 00000000000001b8 ffffffffffffffff 00010000"
            "0000000000000000 0000000000000000 00010000"
        );
        assert_eq!(read(&version_1), Ok(Edit { delay: 440, media_time: 0, duration: None }));
        assert_eq!(read(&hex!("00000000 00000000")), Ok(Edit::default()));
    }

    #[test]
    fn s_8_6_6_parts_that_join_are_one_and_cuts_are_refused() {
        let joined =
            hex!("00000000 00000002 000003e8 00000400 00010000 000003e8 0000bf80 00010000");
        let expected = Edit { delay: 0, media_time: 1024, duration: Some(2000) };
        assert_eq!(read(&joined), Ok(expected));
        let cut = hex!("00000000 00000002 000003e8 00000400 00010000 000003e8 0001bf80 00010000");
        assert!(read(&cut).unwrap_err().starts_with("elst at byte 0: cuts or bends the track"));
        let slow = hex!("00000000 00000001 000003e8 00000400 00008000");
        assert!(read(&slow).is_err());
        let trailing_gap =
            hex!("00000000 00000002 000003e8 00000400 00010000 000003e8 ffffffff 00010000");
        assert_eq!(read(&trailing_gap).unwrap().duration, Some(1000));
        assert_eq!(
            read(&hex!("00000000 000003e8")).unwrap_err(),
            "elst at byte 0: has 1000 edits, allowed are 64"
        );
        assert_eq!(
            read(&hex!("00000000 00000001 0000")).unwrap_err(),
            "elst at byte 0: is cut: 10 bytes of content"
        );
    }
}
