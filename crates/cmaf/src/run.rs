//! Runs of samples: their times and sizes as a segment tells them.

use media::{Duration, TICKS_PER_SECOND, Timestamp, WIRE_SHIFT};

/// The ids of the tracks.
pub(crate) const VIDEO_TRACK: u32 = 1;
pub(crate) const AUDIO_TRACK: u32 = 2;

pub(crate) const VIDEO_TIMESCALE: u32 = TICKS_PER_SECOND as u32;

/// `sample_depends_on` 2: an IDR, and every frame of AAC (14496-12 8.8.3.1).
pub(crate) const SYNC: u32 = 0x0200_0000;
/// `sample_depends_on` 1, `sample_is_non_sync_sample`.
pub(crate) const NON_SYNC: u32 = 0x0101_0000;

/// A frame may be stamped this far from where those before it end, and counts as following them:
/// stamps are rounded.
const ROUNDING: i64 = 2;

/// A sample in a `trun`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) duration: u32,
    pub(crate) size: u32,
    pub(crate) flags: u32,
    pub(crate) composition: i32,
}

/// What a `traf` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) track: u32,
    pub(crate) decode_time: u64,
    /// What `trex` says of durations and flags.
    pub(crate) default_duration: u32,
    pub(crate) default_flags: u32,
    pub(crate) samples: Vec<Sample>,
}

/// The pictures of a segment.
#[derive(Clone, Debug, Default)]
pub struct VideoRun {
    pictures: Vec<Picture>,
}

#[derive(Clone, Copy, Debug)]
struct Picture {
    pts: Timestamp,
    dts: Timestamp,
    is_sync: bool,
    size: usize,
}

impl VideoRun {
    /// Adds the next picture in decoding order, `size` bytes behind its length fields and with
    /// them; `dts` never falls.
    pub fn push(&mut self, pts: Timestamp, dts: Timestamp, is_sync: bool, size: usize) {
        self.pictures.push(Picture { pts, dts, is_sync, size });
    }

    pub(crate) fn bytes(&self) -> usize {
        self.pictures.iter().map(|picture| picture.size).sum()
    }

    /// None without pictures. `end` is where the next segment begins to be shown.
    pub(crate) fn run(&self, end: Timestamp) -> Option<Run> {
        let first = self.pictures.first()?;
        // As late as this one's first picture is decoded, so will be the next one's.
        let next = end - (first.pts - first.dts).max(Duration::ZERO);
        let following = self.pictures.iter().skip(1).map(|picture| picture.dts);
        let mut before = 0;
        let samples = self.pictures.iter().zip(following.map(Some).chain([None]));
        let samples = samples.map(|(picture, following)| {
            let duration = ticks(following.unwrap_or(next) - picture.dts);
            let is_last = following.is_none();
            // The next segment's first picture cannot be decoded with this one's last.
            let duration = if is_last && duration == 0 { before } else { duration };
            before = duration;
            Sample {
                duration,
                size: size(picture.size),
                flags: if picture.is_sync { SYNC } else { NON_SYNC },
                composition: i32::try_from((picture.pts - picture.dts).ticks()).unwrap_or(i32::MAX),
            }
        });
        Some(Run {
            track: VIDEO_TRACK,
            decode_time: shifted(first.dts).ticks().max(0) as u64,
            default_duration: 0,
            default_flags: NON_SYNC,
            samples: samples.collect(),
        })
    }
}

/// The audio frames of a segment.
#[derive(Clone, Debug)]
pub struct AudioRun {
    sample_rate_hz: u32,
    samples_per_frame: u32,
    /// Where the segment begins.
    start: Timestamp,
    frames: Vec<(Timestamp, usize)>,
}

impl AudioRun {
    /// An empty run of a track with this timescale, and this many samples a frame in it, in a
    /// segment that begins at `start`.
    #[must_use]
    pub fn new(sample_rate_hz: u32, samples_per_frame: u32, start: Timestamp) -> Self {
        Self { sample_rate_hz, samples_per_frame, start, frames: Vec::new() }
    }

    /// Adds the next frame, `size` bytes.
    pub fn push(&mut self, pts: Timestamp, size: usize) {
        self.frames.push((pts, size));
    }

    pub(crate) fn bytes(&self) -> usize {
        self.frames.iter().map(|(_, size)| size).sum()
    }

    /// Without frames it is a run of no samples where the segment begins.
    pub(crate) fn run(&self) -> Run {
        let first = self.frames.first().map_or(self.start, |(first, _)| *first);
        let decode_time = self.samples(first);
        let frame = i64::from(self.samples_per_frame);
        let mut end = decode_time;
        let mut samples: Vec<Sample> = Vec::with_capacity(self.frames.len());
        for &(pts, bytes) in &self.frames {
            // Where it is stamped, if that is not where the one before ends.
            let late = self.samples(pts) - end;
            if let Some(last) = samples.last_mut()
                && late.abs() > ROUNDING
            {
                let duration = (i64::from(last.duration) + late).max(1);
                end += duration - i64::from(last.duration);
                last.duration = u32::try_from(duration).unwrap_or(u32::MAX);
            }
            end += frame;
            samples.push(Sample {
                duration: self.samples_per_frame,
                size: size(bytes),
                flags: SYNC,
                composition: 0,
            });
        }
        Run {
            track: AUDIO_TRACK,
            decode_time: decode_time.max(0) as u64,
            default_duration: self.samples_per_frame,
            default_flags: SYNC,
            samples,
        }
    }

    /// The time in samples, rounded.
    fn samples(&self, at: Timestamp) -> i64 {
        let ticks = i128::from(shifted(at).ticks()) * i128::from(self.sample_rate_hz);
        let second = i128::from(TICKS_PER_SECOND);
        i64::try_from((ticks + second / 2).div_euclid(second)).unwrap_or(i64::MAX)
    }
}

fn shifted(at: Timestamp) -> Timestamp {
    at + WIRE_SHIFT
}

fn ticks(duration: Duration) -> u32 {
    u32::try_from(duration.ticks().max(0)).unwrap_or(u32::MAX)
}

fn size(bytes: usize) -> u32 {
    // A sample of 4 GiB does not fit into memory twice.
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
