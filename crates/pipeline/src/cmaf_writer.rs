//! A package as fragmented MP4.

use std::sync::Arc;

use aac::AudioSpecificConfig;
use bytes::Bytes;
use cmaf::{AudioRun, AudioTrack, Tracks, VideoRun, VideoTrack};
use h264::ParameterSets;
use media::AccessUnit;

use crate::package::{Package, Sample};
use crate::picture::VideoConfig;

/// The length field in front of each NAL unit (14496-15 5.3.2).
const LENGTH_BYTES: usize = 4;

/// The initialization section for segments of these tracks: the same tracks, the same bytes.
#[must_use]
pub fn init_section(video: Option<&VideoConfig>, audio: Option<&AudioSpecificConfig>) -> Bytes {
    let tracks = Tracks { video: video.map(video_track), audio: audio.and_then(audio_track) };
    cmaf::init_section(&tracks).into()
}

/// Writes the package as one segment, to be played behind `init`.
///
/// What was announced before the segment was made may be another section than the package's own.
/// Then, and where parameters change between two pictures, the parameter sets that `init` lacks
/// stand in front of the pictures that use them. `avc1` asks that they do not (14496-15 5.4.2.1.2),
/// and every decoder reads them.
#[must_use]
pub fn write_cmaf(package: &Package, init: &[u8]) -> Bytes {
    let plan = Plan::new(package, init);
    let mut data = Vec::with_capacity(plan.bytes());
    plan.write_head(&mut data);
    for (unit, sets) in &plan.pictures {
        let nal_units = sets.iter().copied().chain(unit.nal_units.iter());
        h264::write_avcc(nal_units, &mut data);
    }
    for sample in &package.samples {
        if let Sample::Audio(frame) = sample
            && plan.audio.is_some()
        {
            data.extend_from_slice(&frame.data);
        }
    }
    data.into()
}

/// How many bytes [`write_cmaf`] would write.
#[must_use]
pub fn measure_cmaf(package: &Package, init: &[u8]) -> usize {
    Plan::new(package, init).bytes()
}

/// A segment before it is written.
struct Plan<'a> {
    package: &'a Package,
    /// With the parameter sets that come along.
    pictures: Vec<(&'a AccessUnit, Vec<&'a [u8]>)>,
    video: VideoRun,
    audio: Option<AudioRun>,
    payload_bytes: usize,
}

impl<'a> Plan<'a> {
    fn new(package: &'a Package, init: &[u8]) -> Self {
        let audio = package.audio.as_deref().and_then(audio_track);
        let start = package.span.start();
        let mut plan = Self {
            package,
            pictures: Vec::new(),
            video: VideoRun::default(),
            audio: audio.map(|it| AudioRun::new(it.sample_rate_hz, it.samples_per_frame, start)),
            payload_bytes: 0,
        };
        let mut sets = KnownSets::new(package, init);
        for sample in &package.samples {
            match sample {
                Sample::Picture(unit, config) => {
                    plan.push_picture(unit, sets.missing(unit, config))
                }
                Sample::Audio(frame) => {
                    if let Some(audio) = &mut plan.audio {
                        audio.push(frame.pts, frame.data.len());
                        plan.payload_bytes += frame.data.len();
                    }
                }
            }
        }
        plan
    }

    fn push_picture(&mut self, unit: &'a AccessUnit, sets: Vec<&'a [u8]>) {
        let nal_units = unit.nal_units.len() + sets.len();
        let set_bytes: usize = sets.iter().map(|set| set.len()).sum();
        let bytes = nal_units * LENGTH_BYTES + set_bytes + unit.nal_units.payload_bytes();
        self.video.push(unit.pts, unit.dts, unit.random_access, bytes);
        self.pictures.push((unit, sets));
        self.payload_bytes += bytes;
    }

    fn write_head(&self, out: &mut Vec<u8>) {
        let (number, end) = (self.package.span.sequence(), self.package.span.end());
        cmaf::write_head(number, Some((&self.video, end)), self.audio.as_ref(), out);
    }

    fn bytes(&self) -> usize {
        let end = self.package.span.end();
        cmaf::head_bytes(Some((&self.video, end)), self.audio.as_ref()) + self.payload_bytes
    }
}

/// The parameter sets that a decoder has at a place in the segment.
struct KnownSets<'a> {
    /// The parameters in the initialization section; None where they are not known to be these.
    initial: Option<&'a Arc<VideoConfig>>,
    /// None: those of `initial`.
    changed: Option<ParameterSets>,
}

impl<'a> KnownSets<'a> {
    fn new(package: &'a Package, init: &[u8]) -> Self {
        let own = init_section(package.video.as_deref(), package.audio.as_deref());
        Self { initial: package.video.as_ref().filter(|_| own == *init), changed: None }
    }

    /// What the picture has to bring along.
    fn missing(&mut self, unit: &AccessUnit, config: &'a Arc<VideoConfig>) -> Vec<&'a [u8]> {
        // Decoders are given the section's sets again where they may begin.
        if unit.random_access {
            self.changed = None;
        }
        let is_initial = |initial: &Arc<VideoConfig>| Arc::ptr_eq(initial, config);
        if self.changed.is_none() && self.initial.is_some_and(is_initial) {
            return Vec::new();
        }
        let initial = || self.initial.map(|initial| initial.parameter_sets.clone());
        let known = self.changed.get_or_insert_with(|| initial().unwrap_or_default());
        let mut missing = config.parameter_sets.used_by(&unit.nal_units);
        missing.retain(|set| known.iter().all(|known| known != *set));
        for set in &missing {
            known.insert(set);
        }
        missing
    }
}

fn video_track(config: &VideoConfig) -> VideoTrack {
    let sps = &config.sps;
    let side = |samples: u32| u16::try_from(samples).unwrap_or(u16::MAX);
    let sets = |sets: &[Bytes]| sets.iter().map(|set| set.to_vec()).collect();
    VideoTrack {
        width: side(sps.width),
        height: side(sps.height),
        sps: sets(&config.parameter_sets.sps),
        pps: sets(&config.parameter_sets.pps),
        chroma_format_idc: sps.chroma_format_idc,
        bit_depth_luma: sps.bit_depth_luma,
        bit_depth_chroma: sps.bit_depth_chroma,
    }
}

/// None for channels that only a program config element could tell, which ADTS cannot carry either.
fn audio_track(config: &AudioSpecificConfig) -> Option<AudioTrack> {
    let sample_rate_hz = config.output_sample_rate_hz();
    let frame = u64::from(config.samples_per_frame) * u64::from(sample_rate_hz);
    Some(AudioTrack {
        config: config.to_bytes()?,
        sample_rate_hz,
        channels: config.output_channels().into(),
        samples_per_frame: (frame / u64::from(config.sample_rate_hz.max(1))) as u32,
    })
}
