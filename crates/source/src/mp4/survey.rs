//! One pass over all samples of a track before it is played, without reading them.

use std::io::{Read, Seek};

use media::{Duration, Timestamp};

use super::Entry;
use super::sample_entry::Description;
use super::timeline::{Timeline, scale};
use super::track::{Cursor, MovieHeader, Track};
use crate::disk::Disk;
use crate::notes::Notes;
use crate::time::{earlier, later};
use crate::{Error, Span, TrackName};

/// Audio frames before the start of the edit that are sent too: a decoder needs them. AAC encoders
/// put 1024 (LC) to 7106 samples (HE-AAC v2, in frames of 2048) in front.
const PRIMING_FRAMES: i64 = 4;
/// Decoding times are moved earlier for negative composition offsets by this at most. H.264 holds
/// 16 pictures.
const MAX_EARLIER_SECONDS: i64 = 10;

/// What the pass found.
#[derive(Clone, Debug)]
pub(crate) struct Survey {
    pub(crate) timeline: Timeline,
    pub(crate) start: Cursor,
    /// Decoding time, in ticks of the track, at which the edit list ends it.
    pub(crate) stop: Option<i64>,
    /// The sample description of the first sample that is played.
    pub(crate) description: u32,
    /// Decoding time of the first sample, on the movie's time.
    pub(crate) first: Timestamp,
    end: Timestamp,
    samples: u64,
    bytes: u64,
}

/// The first pass: is all there, where to start, how far pictures are out of order.
struct Check {
    start: Cursor,
    min_composition: i64,
    samples: u64,
    bytes: u64,
}

impl Survey {
    /// `None` when the track has no samples to play.
    pub(crate) fn make<R: Read + Seek>(
        track: &Track,
        movie: &MovieHeader,
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<Option<Self>, Error> {
        let check = Check::make(track, disk, notes)?;
        let shift = match track.name {
            TrackName::Video(_) => {
                let most = i64::from(track.timescale).saturating_mul(MAX_EARLIER_SECONDS);
                check.min_composition.max(most.saturating_neg())
            }
            // Sound is not out of order; an offset there means nothing.
            TrackName::Audio(_) => 0,
        };
        // The edit of a fragmented file tells of the samples in the moov at best.
        let end = track.edit.end(movie.timescale, track.timescale);
        let stop = end.filter(|_| !track.is_fragmented()).map(|end| end.saturating_sub(shift));
        let timeline = Timeline::new(track.timescale, &track.edit, movie.timescale, shift);
        let survey = Self::count(track, check.start, stop, timeline, disk)?;
        match (&survey, track.rotation) {
            (None, _) => notes.odd(format!("{} has no samples", track.name)),
            (Some(_), 0) => {}
            (Some(_), rotation) => notes.odd(format!(
                "{} is to be turned by {rotation} degrees: a stream cannot say so, it will lie on its side",
                track.name
            )),
        }
        Ok(survey)
    }

    /// The second pass: over what is played only.
    fn count<R: Read + Seek>(
        track: &Track,
        start: Cursor,
        stop: Option<i64>,
        timeline: Timeline,
        disk: &mut Disk<R>,
    ) -> Result<Option<Self>, Error> {
        let mut cursor = start;
        let mut survey: Option<Self> = None;
        let mut delta = 0;
        while let Some(entry) = track.next(&mut cursor, disk, &mut Notes::default())? {
            if stop.is_some_and(|stop| entry.dts >= stop) {
                break;
            }
            let dts = timeline.dts(&entry);
            let description = entry.description;
            let survey = survey.get_or_insert(Self {
                timeline,
                start,
                stop,
                description,
                first: dts,
                end: dts,
                samples: 0,
                bytes: 0,
            });
            survey.samples = survey.samples.saturating_add(1);
            survey.bytes = survey.bytes.saturating_add(entry.size.into());
            // The last sample's duration is often missing; then it is as long as the one before.
            delta = if entry.delta > 0 { entry.delta } else { delta };
            survey.end = later(dts, last_duration(track, &entry, delta));
        }
        Ok(survey)
    }

    /// The time it takes in a stream that starts at `zero` of the movie.
    pub(crate) fn span_from(&self, zero: Duration) -> Span {
        let (start, end) = (earlier(self.first, zero), earlier(self.end, zero));
        Span { start, end, samples: self.samples, bytes: self.bytes }
    }
}

/// How long the last sample lasts. Sound lasts as long as it is decoded, also where the tables cut
/// the last frame short: the next round must not start before.
fn last_duration(track: &Track, entry: &Entry, delta: i32) -> Duration {
    match track.description(entry.description) {
        Some(Description::Audio { config, .. }) => {
            scale(config.samples_per_frame.into(), config.sample_rate_hz)
        }
        _ => scale(delta.into(), track.timescale),
    }
}

impl Check {
    fn make<R: Read + Seek>(
        track: &Track,
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<Self, Error> {
        let mut cursor = Cursor::default();
        let mut check = Self { start: cursor, min_composition: 0, samples: 0, bytes: 0 };
        loop {
            let before = cursor;
            let Some(entry) = track.next(&mut cursor, disk, notes)? else {
                if cursor.left_out() > 1 {
                    let count = cursor.left_out();
                    notes.odd(format!("{}: {count} samples are left out in all", track.name));
                }
                return Ok(check);
            };
            check.admit(track, &entry, disk)?;
            if check.samples == 0 || starts_later(track, &entry) {
                check.start = before;
            }
            let composition = i64::from(entry.composition);
            check.min_composition = match check.samples {
                0 => composition,
                _ => composition.min(check.min_composition),
            };
            check.samples = check.samples.saturating_add(1);
        }
    }

    /// Counts the sample's bytes, of which there can be no more than the file has: else a small
    /// file could claim to play for years.
    fn admit<R: Read + Seek>(
        &mut self,
        track: &Track,
        entry: &Entry,
        disk: &Disk<R>,
    ) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(entry.size.into());
        if self.bytes > disk.len() {
            return Err(Error::Limit {
                what: format!("{}: bytes of all samples", track.name),
                actual: self.bytes,
                limit: disk.len(),
                position: entry.position,
            });
        }
        Ok(())
    }
}

/// Whether the part that the edit list plays starts with this sample rather than with one before
/// it: pictures with the last sync sample that is not after the start, sound a few frames before
/// it.
fn starts_later(track: &Track, entry: &Entry) -> bool {
    let start = track.edit.media_time;
    match track.name {
        TrackName::Video(_) => {
            // Without an edit nothing is cut off, also where samples are shown at or before zero.
            start > 0 && entry.key && entry.dts.saturating_add(entry.composition.into()) <= start
        }
        TrackName::Audio(_) => {
            let priming = i64::from(entry.delta).saturating_mul(PRIMING_FRAMES.saturating_sub(1));
            entry.dts.saturating_add(priming) < start
        }
    }
}
