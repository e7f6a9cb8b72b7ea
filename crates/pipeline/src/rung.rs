//! One step of the ladder: a preset at work on one source.

use bytes::Bytes;
use codec::{Force, H264Encoder, H264EncoderConfig, RateGuard, Scaler};
use h264::{ParameterSets, Sps};
use hls::GridMode;
use media::{AudioFrame, Duration, I420, I420Buf, Timestamp};

use crate::Resume;
use crate::event::RenditionEvent;
use crate::item::{Anchor, AudioChange};
use crate::packager::{Packager, VideoTrack};
use crate::rendition::{Fit, MIN_SIDE, Preset, Thinner};

/// Scales, encodes and packs one rendition. Pictures are scaled as they are decoded and encoded in display order.
pub(crate) struct Rung {
    /// Index of the preset among the configured ones.
    pub(crate) index: usize,
    preset: Preset,
    thinner: Thinner,
    packager: Packager,
    scaler: Scaler,
    encoder: Option<Encoder>,
    /// Scaled pictures whose turn in display order has not come.
    scaled: Vec<(Timestamp, I420Buf)>,
    /// Buffers to scale into, kept from picture to picture.
    spare: Vec<I420Buf>,
    force: Force,
    still: Still,
    stats: RungStats,
}

/// What a segment shows that no picture came for: a video track without pictures, or its clock, no player expects.
#[derive(Default)]
struct Still {
    /// The newest picture that was due, which stands until the next.
    picture: Option<I420Buf>,
    /// Presentation time of the newest picture encoded, and of the segment's start.
    newest: Option<Timestamp>,
    segment_start: Option<Timestamp>,
    /// Pictures came behind one that was to stand for them: they are late, not missing, and are shown instead.
    disproved: bool,
}

/// What one rendition's encoder has done since the start of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RungStats {
    /// Pictures encoded.
    pub encoded: u64,
    /// Pictures left out to stay under the bitrate cap.
    pub skipped: u64,
    /// The transcoder is behind: at the moment only the picture that starts each segment is made.
    pub shed: bool,
    /// How often that began.
    pub times_shed: u64,
    /// Pictures left out meanwhile.
    pub shed_pictures: u64,
}

/// An open encoder and what it was opened for.
struct Encoder {
    config: H264EncoderConfig,
    fit: Fit,
    h264: H264Encoder,
    guard: RateGuard,
    /// The canvas a very thin picture is padded on.
    canvas: Option<I420Buf>,
}

impl Rung {
    pub(crate) fn new(index: usize, preset: Preset, resume: &Resume) -> Self {
        let mut packager = Packager::new(resume.discontinuity);
        if let Some(mode) = resume.grid {
            packager.set_grid(mode, true);
        }
        Self {
            index,
            thinner: Thinner::new(preset.frame_rate),
            preset,
            packager,
            scaler: Scaler::new(),
            encoder: None,
            scaled: Vec::new(),
            spare: Vec::new(),
            force: Force::Idr,
            still: Still::default(),
            stats: RungStats::default(),
        }
    }

    /// The size this rung makes of such a source; None where it makes nothing.
    pub(crate) fn fit(&self, sps: &Sps) -> Option<Fit> {
        crate::rendition::fit(&self.preset, (sps.width, sps.height), sps.sar)
    }

    /// Opens an encoder for this source, or keeps the one it has where nothing changed.
    pub(crate) fn open(
        &mut self,
        fit: Fit,
        sps: &Sps,
        frame_rate: f64,
    ) -> Result<(), codec::Error> {
        let config = self.encoder_config(fit, sps, frame_rate);
        if self.encoder.as_ref().is_some_and(|open| open.config == config && open.fit == fit) {
            return Ok(());
        }
        let encoder = Encoder::open(config, fit)?;
        self.packager.set_video(encoder.track());
        self.encoder = Some(encoder);
        self.scaled.clear();
        self.spare.clear();
        self.still.picture = None;
        self.force = Force::Idr;
        Ok(())
    }

    /// Closes the encoder: the rung's segment ends here, and it makes nothing until it is opened again.
    pub(crate) fn close(
        &mut self,
        end: Option<Timestamp>,
        events: &mut impl Extend<RenditionEvent>,
    ) {
        if self.encoder.take().is_some() {
            self.packager.finish(end.unwrap_or(Timestamp::ZERO), events);
        }
        self.packager.pause(events);
        self.still = Still::default();
        self.stats.shed = false;
    }

    fn encoder_config(&self, fit: Fit, sps: &Sps, frame_rate: f64) -> H264EncoderConfig {
        let ceiling =
            self.preset.frame_rate.map_or(frame_rate, |rate| rate.as_f64().min(frame_rate));
        H264EncoderConfig {
            width: fit.coded.0,
            height: fit.coded.1,
            frame_rate: ceiling as f32,
            bitrate_bps: self.preset.bitrate_bps,
            profile: self.preset.profile,
            colour: sps.colour.map(|colour| codec::Colour {
                full_range: colour.full_range,
                primaries: colour.primaries,
                transfer: colour.transfer,
                matrix: colour.matrix,
            }),
        }
    }

    /// Whether this rung has any use for the source picture at `pts`, which starts no segment.
    pub(crate) fn wants(&self, pts: Timestamp, source_interval: Duration) -> bool {
        // A forced IDR that found no picture yet takes the next one.
        let is_served = !self.stats.shed || self.force == Force::Idr;
        is_served && self.would_keep(pts, source_interval)
    }

    /// The source picture at `pts`, which starts no segment, is taken; counts it where it is left out.
    pub(crate) fn note_taken(&mut self, pts: Timestamp, source_interval: Duration) {
        let is_left_out =
            self.would_keep(pts, source_interval) && !self.wants(pts, source_interval);
        self.stats.shed_pictures += u64::from(is_left_out);
    }

    fn would_keep(&self, pts: Timestamp, source_interval: Duration) -> bool {
        self.encoder.is_some() && self.thinner.keeps(pts, source_interval)
    }

    /// What it costs in pixels per second; None while it makes nothing.
    fn weight(&self) -> Option<f64> {
        let config = &self.encoder.as_ref()?.config;
        Some(f64::from(config.width) * f64::from(config.height) * f64::from(config.frame_rate))
    }

    /// Makes only the picture that starts each segment, or all of them again; whether that changed.
    pub(crate) fn shed(&mut self, shed: bool) -> bool {
        let changed = self.stats.shed != shed;
        self.stats.times_shed += u64::from(shed && changed);
        self.stats.shed = shed;
        changed
    }

    pub(crate) fn name(&self) -> &str {
        &self.preset.name
    }

    /// A random access picture comes at `pts`: it is kept, and pictures are counted from it.
    pub(crate) fn restart_thinning(&mut self, pts: Timestamp) {
        self.thinner.restart(pts);
    }

    /// Scales a picture that is due for this rung, while the decoder still lends it.
    pub(crate) fn scale(&mut self, picture: I420<'_>, pts: Timestamp) -> Result<(), codec::Error> {
        let Some(encoder) = &self.encoder else { return Ok(()) };
        let (width, height) = encoder.fit.picture;
        let mut target =
            self.spare.pop().unwrap_or_else(|| I420Buf::new(width as usize, height as usize));
        self.scaler.scale(picture, &mut target)?;
        self.scaled.push((pts, target));
        Ok(())
    }

    /// Encodes the scaled picture at `pts`, whose turn in display order has come, if there is one.
    pub(crate) fn encode(&mut self, pts: Timestamp) -> Result<(), codec::Error> {
        let Some(at) = self.scaled.iter().position(|(scaled, _)| *scaled == pts) else {
            return Ok(());
        };
        let (_, picture) = self.scaled.swap_remove(at);
        self.spare.extend(self.still.picture.replace(picture));
        if self.still.newest.is_some_and(|newest| pts <= newest) {
            self.still.disproved = true;
            return Ok(());
        }
        if self.stats.shed && self.force != Force::Idr {
            // Scaled before the rung was shed, or because it might have started the segment.
            self.stats.shed_pictures += 1;
            return Ok(());
        }
        self.encode_newest(pts, self.force)
    }

    /// Encodes the newest picture as one of this time.
    fn encode_newest(&mut self, pts: Timestamp, force: Force) -> Result<(), codec::Error> {
        let (Some(encoder), Some(picture)) = (&mut self.encoder, &self.still.picture) else {
            return Ok(());
        };
        let Some(unit) = encoder.encode(picture, pts, force)? else {
            self.stats.skipped += 1;
            return Ok(());
        };
        self.force = Force::None;
        self.still.newest = Some(pts);
        self.stats.encoded += 1;
        self.packager.picture(unit);
        Ok(())
    }

    /// A segment that ends without a picture, because they stopped or were dropped, gets the one that stands still.
    pub(crate) fn fill_segment(&mut self) -> Result<(), codec::Error> {
        let Still { newest: Some(newest), segment_start: Some(start), disproved: false, .. } =
            self.still
        else {
            return Ok(());
        };
        if newest < start { self.encode_newest(start, Force::Idr) } else { Ok(()) }
    }

    /// Makes the next picture an IDR.
    pub(crate) fn force_idr(&mut self) {
        self.force = Force::Idr;
    }

    /// Ends the segment at `at`.
    pub(crate) fn cut(&mut self, at: Timestamp, events: &mut impl Extend<RenditionEvent>) {
        if self.encoder.is_some() {
            self.packager.cut(at, events);
            // The segment had its pictures: those that come now are not late any more.
            self.still.disproved &= self.still.newest < self.still.segment_start;
            self.still.segment_start = self.still.segment_start.max(Some(at));
        }
    }

    pub(crate) fn finish(&mut self, end: Timestamp, events: &mut impl Extend<RenditionEvent>) {
        if self.encoder.is_some() {
            self.packager.finish(end, events);
        }
    }

    pub(crate) fn set_audio(&mut self, change: &AudioChange) {
        self.packager.set_audio(change);
    }

    pub(crate) fn audio(&mut self, frame: &AudioFrame) {
        // A rung without video makes no rendition: it would repeat the source's audio under another name.
        if self.encoder.is_some() {
            self.packager.audio(frame.clone());
        }
    }

    pub(crate) fn set_grid(&mut self, mode: GridMode) {
        self.packager.set_grid(mode, true);
    }

    /// The stream starts at the anchor.
    pub(crate) fn start_at(&mut self, anchor: Anchor) {
        self.packager.start_at(anchor);
    }

    /// The stream goes on behind a discontinuity at the anchor.
    pub(crate) fn set_anchor(&mut self, anchor: Anchor) {
        self.packager.set_anchor(anchor);
    }

    pub(crate) fn set_discontinuity(&mut self) {
        self.packager.set_discontinuity();
    }

    pub(crate) fn stats(&self) -> RungStats {
        self.stats
    }
}

/// Places of the rungs that make something, the most expensive first.
pub(crate) fn heaviest_first(rungs: &[Rung]) -> Vec<usize> {
    let weighed = rungs.iter().enumerate().filter_map(|(at, rung)| Some((rung.weight()?, at)));
    let mut weighed: Vec<_> = weighed.collect();
    weighed.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    weighed.into_iter().map(|(_, at)| at).collect()
}

impl Encoder {
    fn open(config: H264EncoderConfig, fit: Fit) -> Result<Self, codec::Error> {
        let padded = fit.picture != fit.coded;
        Ok(Self {
            h264: H264Encoder::new(&config)?,
            guard: RateGuard::new(config.bitrate_bps),
            canvas: padded.then(|| black(fit.coded.0 as usize, fit.coded.1 as usize)),
            config,
            fit,
        })
    }

    /// The picture's access unit; None where it was left out to stay under the cap.
    fn encode(
        &mut self,
        picture: &I420Buf,
        pts: Timestamp,
        force: Force,
    ) -> Result<Option<media::AccessUnit>, codec::Error> {
        if !self.guard.admit(pts, force) {
            return Ok(None);
        }
        let unit = match &mut self.canvas {
            None => self.h264.encode(picture.as_i420(), pts, force)?,
            Some(canvas) => {
                pad(picture, canvas);
                self.h264.encode(canvas.as_i420(), pts, force)?
            }
        };
        self.guard.encoded(unit.nal_units.payload_bytes());
        Ok(Some(unit))
    }

    fn track(&self) -> VideoTrack {
        let sets = self.h264.parameter_sets();
        let codec =
            Sps::parse(&sets.sps).map_or_else(|_| "avc1".to_owned(), |sps| sps.codec_string());
        let one = |set: &Bytes| vec![set.clone()];
        VideoTrack {
            parameter_sets: ParameterSets { sps: one(&sets.sps), pps: one(&sets.pps) },
            codec,
            resolution: self.fit.coded,
        }
    }
}

/// A black picture (limited range; full-range black differs by an unseen 16).
fn black(width: usize, height: usize) -> I420Buf {
    let mut picture = I420Buf::new(width, height);
    let [y, u, v] = picture.planes_mut();
    y.fill(16);
    u.fill(128);
    v.fill(128);
    picture
}

/// Copies a picture thinner than [`MIN_SIDE`] into the middle of its canvas.
fn pad(picture: &I420Buf, canvas: &mut I420Buf) {
    debug_assert!(canvas.width().min(canvas.height()) >= MIN_SIDE as usize);
    let (canvas_width, canvas_height) = (canvas.width(), canvas.height());
    let from = picture.as_i420();
    for (source, (target, shift)) in
        [from.y, from.u, from.v].into_iter().zip(canvas.planes_mut().into_iter().zip([0, 1, 1]))
    {
        let width = canvas_width >> shift;
        let left = (width - source.width) / 2;
        let top = ((canvas_height >> shift) - source.height) / 2;
        for (row, line) in target.chunks_mut(width).skip(top).zip(source.rows()) {
            row[left..left + source.width].copy_from_slice(line);
        }
    }
}
