//! Packaging: a span's access units and audio frames, in the order in which a container holds them.
//! Which container that is, this file does not know: [`ts_writer`](crate::ts_writer) writes
//! MPEG-TS, [`cmaf_writer`](crate::cmaf_writer) fragmented MP4.

use std::sync::Arc;

use aac::AudioSpecificConfig;
use hls::Span;
use media::{AccessUnit, AudioFrame};

use crate::event::RenditionInfo;
use crate::picture::VideoConfig;
use crate::source_segment::Sound;

/// The samples of one segment of one rendition, whole.
#[derive(Clone, Debug)]
pub struct Package {
    /// When, and under which number.
    pub span: Span,
    /// The video track, where there is one, with the parameters of the first picture.
    pub video: Option<Arc<VideoConfig>>,
    /// The audio track, where there is one.
    pub audio: Option<Arc<AudioSpecificConfig>>,
    /// Its pictures and audio frames, in decoding order.
    pub samples: Vec<Sample>,
}

/// One sample of a segment.
#[derive(Clone, Debug)]
pub enum Sample {
    /// A picture, and the parameters it was made under.
    Picture(AccessUnit, Arc<VideoConfig>),
    /// An audio frame.
    Audio(AudioFrame),
}

impl Package {
    /// Puts the pictures, in decoding order, and the sound of a span together: a frame comes in
    /// front of the first picture that is decoded at its time or later.
    pub(crate) fn new(
        span: Span,
        video: Option<Arc<VideoConfig>>,
        pictures: impl ExactSizeIterator<Item = (AccessUnit, Arc<VideoConfig>)>,
        sound: Option<&Sound>,
    ) -> Self {
        let frames = sound.map_or(&[][..], |sound| &sound.frames);
        let mut frames = frames.iter().cloned().peekable();
        let mut samples = Vec::with_capacity(pictures.len() + frames.len());
        for (unit, config) in pictures {
            while let Some(frame) = frames.next_if(|frame| frame.pts <= unit.dts) {
                samples.push(Sample::Audio(frame));
            }
            samples.push(Sample::Picture(unit, config));
        }
        samples.extend(frames.map(Sample::Audio));
        let first = samples.iter().find_map(|sample| match sample {
            Sample::Picture(_, config) => Some(Arc::clone(config)),
            Sample::Audio(_) => None,
        });
        let audio = sound.map(|sound| Arc::clone(&sound.config));
        Self { span, video: first.or(video), audio, samples }
    }

    /// How many pictures it has.
    #[must_use]
    pub fn pictures(&self) -> usize {
        self.samples.iter().filter(|sample| matches!(sample, Sample::Picture(..))).count()
    }

    /// Bytes of its samples, without any framing.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        let bytes = |sample: &Sample| match sample {
            Sample::Picture(unit, _) => unit.nal_units.payload_bytes(),
            Sample::Audio(frame) => frame.data.len(),
        };
        self.samples.iter().map(bytes).sum()
    }

    /// Whether a decoder can start with it: its first picture is an IDR, or it has none.
    #[must_use]
    pub fn is_independent(&self) -> bool {
        let first = self.samples.iter().find_map(|sample| match sample {
            Sample::Picture(unit, _) => Some(unit.random_access),
            Sample::Audio(_) => None,
        });
        first.unwrap_or(true)
    }

    /// What the multivariant playlist says of it.
    #[must_use]
    pub fn info(&self) -> RenditionInfo {
        let pictures = self.pictures();
        let rate = pictures as f64 / self.span.duration.as_secs_f64().max(0.001);
        // One picture alone says nothing of a rate: it may stand in for others.
        let rate = (pictures > 1).then(|| nominal_frame_rate(rate));
        RenditionInfo::new(self.video.as_deref(), self.audio.as_deref(), rate)
    }
}

/// The usual frame rate a measured one stands for (within 1 %), else the measured one to three
/// decimals.
pub(crate) fn nominal_frame_rate(measured: f64) -> f64 {
    const USUAL: [f64; 11] = [10.0, 12.0, 15.0, 20.0, 23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 60.0];
    let near = |rate: &&f64| (measured / **rate - 1.0).abs() < 0.01;
    let distance = |rate: &f64| (measured - rate).abs();
    let nearest = USUAL.iter().filter(near).min_by(|a, b| distance(a).total_cmp(&distance(b)));
    nearest.copied().unwrap_or_else(|| (measured * 1000.0).round() / 1000.0)
}
