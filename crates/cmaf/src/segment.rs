//! A segment's `moof`, and the header of the `mdat` behind it.

use media::Timestamp;
use mp4::MoofBox;

use crate::boxes::{container, write};
use crate::run::{AudioRun, Run, VideoRun};

/// Data offsets count from the `moof` (14496-12 8.8.7.1).
const DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
const TFHD_DEFAULT_DURATION: u32 = 0x08;
/// There are no samples, and so no `trun`.
const DURATION_IS_EMPTY: u32 = 0x01_0000;

const TRUN_DATA_OFFSET: u32 = 0x001;
const TRUN_FIRST_FLAGS: u32 = 0x004;
const TRUN_DURATION: u32 = 0x100;
const TRUN_SIZE: u32 = 0x200;
const TRUN_FLAGS: u32 = 0x400;
const TRUN_COMPOSITION: u32 = 0x800;

const MDAT_HEADER_BYTES: usize = 8;

/// Writes all of a segment but its samples, which the caller appends: those of the video, then
/// those of the audio, in the order of their runs.
///
/// `number` is the segment's; the lowest 32 bits of it count. `video` comes with the time at which
/// the next segment begins to be shown. The samples have to be less than 2 GiB together.
///
/// An audio track without frames has a `traf` all the same: Chromium refuses a `moof` without.
pub fn write_head(
    number: u64,
    video: Option<(&VideoRun, Timestamp)>,
    audio: Option<&AudioRun>,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    let mut offsets = Vec::with_capacity(2);
    let mut boxes = MoofBox::default();
    boxes.mfhd.sequence_number = number as u32;
    let video_bytes = video.map_or(0, |(video, _)| video.bytes());
    let audio_bytes = audio.map_or(0, AudioRun::bytes);
    container(*b"moof", out, |out| {
        write(&boxes.mfhd, out);
        if let Some(run) = video.and_then(|(video, end)| video.run(end)) {
            offsets.extend(write_traf(&run, out).map(|at| (at, 0)));
        }
        if let Some(audio) = audio {
            offsets.extend(write_traf(&audio.run(), out).map(|at| (at, video_bytes)));
        }
    });
    let head = out.len() - start + MDAT_HEADER_BYTES;
    for (at, before) in offsets {
        let offset = (head + before) as u32;
        out[at..at + 4].copy_from_slice(&offset.to_be_bytes());
    }
    let mdat = (MDAT_HEADER_BYTES + video_bytes + audio_bytes) as u32;
    out.extend(mdat.to_be_bytes());
    out.extend(*b"mdat");
}

/// How many bytes [`write_head`] would write.
#[must_use]
pub fn head_bytes(video: Option<(&VideoRun, Timestamp)>, audio: Option<&AudioRun>) -> usize {
    let mut head = Vec::new();
    write_head(0, video, audio, &mut head);
    head.len()
}

/// Returns where the data offset stands, which is written as 0; None where there are no samples.
fn write_traf(run: &Run, out: &mut Vec<u8>) -> Option<usize> {
    let mut boxes = MoofBox::default();
    boxes.trafs.push(Default::default());
    let traf = &mut boxes.trafs[0];
    traf.tfhd.track_id = run.track;
    traf.tfhd.flags = DEFAULT_BASE_IS_MOOF;
    let tfdt = traf.tfdt.get_or_insert_with(Default::default);
    tfdt.version = 1;
    tfdt.base_media_decode_time = run.decode_time;

    let samples = &run.samples;
    let Some(first) = samples.first() else {
        traf.tfhd.flags |= DURATION_IS_EMPTY;
        container(*b"traf", out, |out| {
            write(&traf.tfhd, out);
            write(tfdt, out);
        });
        return None;
    };
    let same_duration = samples.iter().all(|sample| sample.duration == first.duration);
    let others_have_default_flags =
        samples[1..].iter().all(|sample| sample.flags == run.default_flags);

    if same_duration && first.duration != run.default_duration {
        traf.tfhd.flags |= TFHD_DEFAULT_DURATION;
        traf.tfhd.default_sample_duration = Some(first.duration);
    }

    let trun = traf.trun.get_or_insert_with(Default::default);
    trun.flags = TRUN_DATA_OFFSET | TRUN_SIZE;
    trun.data_offset = Some(0);
    trun.sample_count = samples.len() as u32;
    trun.sample_sizes = samples.iter().map(|sample| sample.size).collect();
    if !same_duration {
        trun.flags |= TRUN_DURATION;
        trun.sample_durations = samples.iter().map(|sample| sample.duration).collect();
    }
    if !others_have_default_flags {
        trun.flags |= TRUN_FLAGS;
        trun.sample_flags = samples.iter().map(|sample| sample.flags).collect();
    } else if first.flags != run.default_flags {
        trun.flags |= TRUN_FIRST_FLAGS;
        trun.first_sample_flags = Some(first.flags);
    }
    if samples.iter().any(|sample| sample.composition != 0) {
        trun.flags |= TRUN_COMPOSITION;
        // Signed in version 1 (14496-12 8.8.8.2).
        trun.version = 1;
        trun.sample_cts = samples.iter().map(|sample| sample.composition as u32).collect();
    }

    let mut offset_at = 0;
    container(*b"traf", out, |out| {
        write(&traf.tfhd, out);
        write(tfdt, out);
        // Behind the header of the box, version and flags, and the number of samples.
        offset_at = out.len() + 16;
        write(trun, out);
    });
    Some(offset_at)
}
