//! A package as an MPEG transport stream.

use aac::AudioSpecificConfig;
use bytes::Bytes;
use media::{AccessUnit, AudioFrame};
use mpegts::{Continuity, Muxer, SegmentStart, Tracks};

use crate::audio_group::AudioGroup;
use crate::package::{Package, Sample};
use crate::picture::VideoConfig;

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
        pictures: 0,
    };
    for sample in &package.samples {
        match sample {
            Sample::Picture(unit, config) => writer.picture(unit, config),
            Sample::Audio(frame) => writer.audio(frame),
        }
        between(&mut writer.data);
    }
    writer.flush_group();
    (writer.data, writer.muxer.continuity())
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
    pictures: u32,
}

impl TsWriter<'_> {
    fn picture(&mut self, unit: &AccessUnit, config: &VideoConfig) {
        if self.group.is_late_for(unit) {
            self.flush_group();
        }
        let sets = config.parameter_sets.iter();
        let sets = sets.filter(|_| unit.random_access || self.pictures == 0);
        self.muxer.write_video(
            unit.pts,
            unit.dts,
            unit.random_access,
            sets,
            unit.nal_units.iter(),
            &mut self.data,
        );
        self.pictures += 1;
    }

    fn audio(&mut self, frame: &AudioFrame) {
        let Some(config) = self.audio else { return };
        if self.group.is_full_for(frame) {
            self.flush_group();
        }
        self.group.push(config, frame);
    }

    fn flush_group(&mut self) {
        if let Some((pts, adts)) = self.group.take() {
            self.muxer.write_audio(pts, adts, &mut self.data);
            self.group.clear();
        }
    }
}
