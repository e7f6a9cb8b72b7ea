//! A package as an MPEG transport stream.

use std::sync::Arc;

use aac::AudioSpecificConfig;
use bytes::Bytes;
use h264::NalType;
use media::{AccessUnit, AudioFrame};
use mpegts::{Continuity, Muxer, Packing, SegmentStart, Tracks};

use crate::audio_group::AudioGroup;
use crate::package::{Package, Sample};
use crate::picture::VideoConfig;
use crate::written_sets::{WrittenSets, has_no_choice};

/// Pictures of fewer bytes on average are small.
const SMALL_PICTURE_BYTES: usize = 1000;

/// A segment of fewer bytes of pictures is written as ever: there is hardly anything to save, and
/// FFmpeg wants to see six packets or more before it knows a transport stream.
const LEAST_DENSE_BYTES: usize = 4096;

/// Without a CRC (ISO/IEC 14496-3 1.A.2.2).
const ADTS_HEADER_BYTES: usize = 7;

/// Writes the package as one segment; `continuity` is where the segment of the number before left
/// the counters, if that is known. Also returns where this one leaves them.
///
/// The same package and the same continuity give the same bytes.
#[must_use]
pub fn write_ts(package: &Package, continuity: Option<Continuity>) -> (Bytes, Option<Continuity>) {
    let data = Vec::with_capacity(estimated_bytes(package));
    let (data, continuity) = write(package, continuity, data, |_| {});
    (Bytes::from(data), continuity)
}

/// How many bytes [`write_ts`] would write, and where it would leave the counters; no more than one
/// sample is in memory.
#[must_use]
pub fn measure_ts(
    package: &Package,
    continuity: Option<Continuity>,
) -> (usize, Option<Continuity>) {
    let mut bytes = 0;
    let (rest, continuity) = write(package, continuity, Vec::new(), |data| {
        bytes += data.len();
        data.clear();
    });
    (bytes + rest.len(), continuity)
}

/// Writes to the end of `data`, and lets `between` have it after each sample.
fn write(
    package: &Package,
    continuity: Option<Continuity>,
    data: Vec<u8>,
    mut between: impl FnMut(&mut Vec<u8>),
) -> (Vec<u8>, Option<Continuity>) {
    let cut = package.span.cut;
    let tracks = Tracks { video: package.video.is_some(), audio: package.audio.is_some() };
    let mut muxer = Muxer::for_segment(SegmentStart {
        sequence: cut.sequence,
        // The tracks change only behind a discontinuity.
        pmt_version: cut.discontinuity_sequence,
        tracks,
        continuity,
        packing: packing(package),
    });
    if cut.discontinuity {
        muxer.discontinuity();
    }
    let mut data = data;
    muxer.start_segment(&mut data);
    let mut writer = TsWriter {
        muxer,
        data,
        audio: package.audio.as_deref(),
        group: AudioGroup::default(),
        gathered: 0,
        sets: WrittenSets::default(),
    };
    for (place, sample) in package.samples.iter().enumerate() {
        match sample {
            Sample::Picture(unit, config) => {
                writer.picture(unit, config, &package.samples[place + 1..]);
            }
            Sample::Audio(_) => writer.audio(&package.samples[place..]),
        }
        between(&mut writer.data);
    }
    writer.muxer.finish_segment(&mut writer.data);
    (writer.data, writer.muxer.continuity())
}

/// Stuffing is half a packet a picture: pictures of a few packets are packed without.
fn packing(package: &Package) -> Packing {
    let pictures = package.samples.iter().filter_map(|sample| match sample {
        Sample::Picture(unit, _) => Some(unit.nal_units.payload_bytes()),
        Sample::Audio(_) => None,
    });
    let (count, bytes) = pictures.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes));
    let are_small = bytes < count * SMALL_PICTURE_BYTES;
    if are_small && bytes >= LEAST_DENSE_BYTES { Packing::Dense } else { Packing::Aligned }
}

/// What a picture takes in a segment at most, with `sets` to bring along.
pub(crate) fn max_picture_bytes(unit: &AccessUnit, sets: &[&[u8]]) -> usize {
    let nal_units = unit.nal_units.len() + sets.len();
    let bytes: usize = sets.iter().map(|set| set.len()).sum();
    mpegts::max_video_bytes(nal_units, bytes + unit.nal_units.payload_bytes())
}

/// What a frame of sound takes in a segment at most.
pub(crate) fn max_frame_bytes(frame: &AudioFrame) -> usize {
    mpegts::max_audio_bytes(ADTS_HEADER_BYTES + frame.data.len())
}

/// A little more than it needs: one allocation, most of which is used.
fn estimated_bytes(package: &Package) -> usize {
    let bytes = |sample: &Sample| match sample {
        Sample::Picture(unit, _) => unit.nal_units.payload_bytes() + 2 * mpegts::PACKET_BYTES,
        Sample::Audio(frame) => frame.data.len() + mpegts::PACKET_BYTES / 4,
    };
    let payload: usize = package.samples.iter().map(bytes).sum();
    payload + payload / 32 + 4 * mpegts::PACKET_BYTES
}

struct TsWriter<'a> {
    muxer: Muxer,
    data: Vec<u8>,
    audio: Option<&'a AudioSpecificConfig>,
    group: AudioGroup,
    /// Frames that come next and have been written.
    gathered: usize,
    sets: WrittenSets,
}

impl TsWriter<'_> {
    fn picture(&mut self, unit: &AccessUnit, config: &Arc<VideoConfig>, behind: &[Sample]) {
        let sets = self.sets_for(unit, config, behind);
        self.muxer.write_video(
            unit.pts,
            unit.dts,
            unit.random_access,
            sets.into_iter(),
            unit.nal_units.iter(),
            &mut self.data,
        );
    }

    /// The parameter sets that come with the picture. Players read them where decoding may begin:
    /// what pictures up to the next such place use comes along.
    fn sets_for<'a>(
        &mut self,
        unit: &AccessUnit,
        config: &'a Arc<VideoConfig>,
        behind: &[Sample],
    ) -> Vec<&'a [u8]> {
        let begins = self.sets.begin_anew_with(unit);
        let mut sets = self.sets.missing(unit, config);
        self.sets.write(unit, config);
        if !begins || has_no_choice(&config.parameter_sets) {
            return sets;
        }
        for sample in behind {
            let Sample::Picture(later, their_config) = sample else { continue };
            if later.random_access || !Arc::ptr_eq(their_config, config) {
                break;
            }
            sets.extend(self.sets.missing(later, config));
            self.sets.write(later, config);
        }
        sets.sort_by_key(|set| h264::nal_type(set) != NalType::Sps);
        sets
    }

    /// The sound at the front of `samples`, and what of it goes into the same PES packet: it comes
    /// before its time, never behind it.
    fn audio(&mut self, samples: &[Sample]) {
        let Some(config) = self.audio else { return };
        if self.gathered == 0 {
            let frames = samples.iter().filter_map(|sample| match sample {
                Sample::Audio(frame) => Some(frame),
                Sample::Picture(..) => None,
            });
            self.gathered = self.group.gather(config, frames);
            if let Some((pts, adts)) = self.group.pes() {
                self.muxer.write_audio(pts, adts, &mut self.data);
            }
        }
        self.gathered = self.gathered.saturating_sub(1);
    }
}
