//! One step of the ladder: a preset at work on one source. Pictures in, access units out.

use std::sync::Arc;

use aac::AudioSpecificConfig;
use codec::{Force, H264Encoder, H264EncoderConfig, Scaler};
use h264::Sps;
use hls::{Cut, Span};
use media::{AccessUnit, Duration, I420, I420Buf, Timestamp};

use crate::encoded_sound::SoundPlan;
use crate::event::RenditionInfo;
use crate::package::{Package, nominal_frame_rate};
use crate::picture::VideoConfig;
use crate::rendition::{AudioPreset, Fit, FrameRate, MIN_SIDE, Preset, Thinner};
use crate::source_segment::{EndedSpan, Sound};

/// Scales and encodes one rendition. Pictures are scaled as they are decoded and encoded in display
/// order.
///
/// What it carries from one segment to the next is the encoder's way of spending its bits, and the
/// picture that stands until the next one. A segment begins with an IDR whatever came before it.
pub(crate) struct Rung {
    preset: Preset,
    thinner: Thinner,
    scaler: Scaler,
    encoder: Option<Encoder>,
    /// Scaled pictures whose turn in display order has not come.
    scaled: Vec<(Timestamp, I420Buf)>,
    /// Buffers to scale into, kept from picture to picture.
    spare: Vec<I420Buf>,
    /// The newest picture that was due, scaled. It stands until the next one, and a segment that
    /// has none of its own shows it.
    still: Option<I420Buf>,
    segment: Option<Segment>,
    stats: RungStats,
}

/// The segment being made.
struct Segment {
    cut: Cut,
    /// What its video may need, in bits per second.
    cap_bps: u32,
    units: Vec<AccessUnit>,
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

/// What a preset becomes for a source: the encoder's settings, and what it will write.
#[derive(Clone, Debug)]
pub(crate) struct RungPlan {
    fit: Fit,
    config: H264EncoderConfig,
    ceiling: Option<FrameRate>,
    audio: AudioPreset,
    /// The encoder's own parameter sets.
    video: Arc<VideoConfig>,
}

/// An open encoder and what it was opened for.
struct Encoder {
    plan: RungPlan,
    h264: H264Encoder,
    cap_bps: u32,
    /// The canvas a very thin picture is padded on.
    canvas: Option<I420Buf>,
}

impl RungPlan {
    /// What the preset becomes for a source with these parameters and this many pictures a second;
    /// None where it makes nothing of it.
    ///
    /// # Errors
    /// The encoder does not open.
    pub(crate) fn new(
        preset: &Preset,
        sps: &Sps,
        frame_rate: f64,
    ) -> Result<Option<Self>, codec::Error> {
        let Some(video) = &preset.video else { return Ok(None) };
        let Some(fit) = crate::rendition::fit(video, (sps.width, sps.height), sps.sar) else {
            return Ok(None);
        };
        let ceiling = video.frame_rate;
        let encoded = ceiling.map_or(frame_rate, |ceiling| ceiling.as_f64().min(frame_rate));
        let config = H264EncoderConfig {
            width: fit.coded.0,
            height: fit.coded.1,
            frame_rate: encoded as f32,
            bitrate_bps: video.bitrate_bps,
            profile: video.profile,
            colour: sps.colour,
        };
        let encoder = H264Encoder::new(&config)?;
        let parameter_sets = encoder.parameter_sets().clone();
        let Some(Ok(sps)) = parameter_sets.sps.first().map(|sps| Sps::parse(sps)) else {
            return Ok(None);
        };
        let video = Arc::new(VideoConfig { parameter_sets, sps, refusal: None });
        Ok(Some(Self { fit, config, ceiling, audio: preset.audio, video }))
    }

    /// Whether both come out equal, so that one is the other under a second name.
    pub(crate) fn is_twin_of(&self, other: &Self) -> bool {
        let rates = |plan: &Self| (plan.config.bitrate_bps, plan.config.frame_rate);
        self.fit == other.fit && rates(self) == rates(other) && self.audio == other.audio
    }

    /// What the multivariant playlist will say of a segment made of `source`.
    pub(crate) fn info(&self, source: &EndedSpan) -> RenditionInfo {
        let audio = encoded_config(self.audio, source.sound.as_ref());
        let seconds = source.span.duration.as_secs_f64().max(0.001);
        let measured = nominal_frame_rate(source.picture_count as f64 / seconds);
        let rate = self.ceiling.map_or(measured, |ceiling| ceiling.as_f64().min(measured));
        let rate = Some(rate).filter(|rate| *rate > 0.0);
        RenditionInfo::new(Some(&self.video), audio.as_deref(), rate)
    }

    /// What it costs in pixels per second.
    fn weight(&self) -> f64 {
        let config = &self.config;
        f64::from(config.width) * f64::from(config.height) * f64::from(config.frame_rate)
    }
}

/// Whether pictures of one size are as good to scale to another one as those that they were made
/// of: where both are equal, and from half as large again on in width and height. Nearer to each
/// other, the second scaling would blur as much as the first (docs/quality.md).
fn is_much_larger(picture: &I420Buf, target: &I420Buf) -> bool {
    let sides = [(picture.width(), target.width()), (picture.height(), target.height())];
    let is_equal = sides.iter().all(|(larger, smaller)| larger == smaller);
    is_equal || sides.iter().all(|(larger, smaller)| 2 * larger >= 3 * smaller)
}

impl Rung {
    pub(crate) fn new(preset: Preset) -> Self {
        Self {
            thinner: Thinner::new(preset.video.as_ref().and_then(|video| video.frame_rate)),
            preset,
            scaler: Scaler::new(),
            encoder: None,
            scaled: Vec::new(),
            spare: Vec::new(),
            still: None,
            segment: None,
            stats: RungStats::default(),
        }
    }

    pub(crate) fn preset(&self) -> &Preset {
        &self.preset
    }

    /// Opens an encoder, or keeps the one it has where nothing changed.
    pub(crate) fn open(&mut self, plan: &RungPlan) -> Result<(), codec::Error> {
        let open = self.encoder.as_ref().map(|encoder| &encoder.plan);
        if open.is_some_and(|open| open.config == plan.config && open.fit == plan.fit) {
            return Ok(());
        }
        // Pictures of two encoders do not go into one segment; one that has none yet is as good as
        // new.
        let segment = self.segment.take().filter(|segment| segment.units.is_empty());
        self.close();
        let mut encoder = Encoder::open(plan.clone())?;
        if let Some(segment) = &segment {
            encoder.set_cap(segment.cap_bps)?;
        }
        self.encoder = Some(encoder);
        self.segment = segment;
        Ok(())
    }

    /// Closes the encoder: nothing is made until it is opened again.
    pub(crate) fn close(&mut self) {
        self.encoder = None;
        self.scaled = Vec::new();
        self.spare = Vec::new();
        self.still = None;
        self.segment = None;
        self.stats.shed = false;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.encoder.is_some()
    }

    /// Width and height of the pictures that the source's are scaled to; None where the encoder is
    /// closed.
    pub(crate) fn picture_size(&self) -> Option<(u32, u32)> {
        self.encoder.as_ref().map(|encoder| encoder.plan.fit.picture)
    }

    /// Whether this rung has any use for the source picture at `pts`, which starts no segment.
    pub(crate) fn wants(&self, pts: Timestamp, source_interval: Duration) -> bool {
        // A segment that has no picture yet takes the next one.
        let is_served = !self.stats.shed || self.awaits_first_picture();
        is_served && self.would_keep(pts, source_interval)
    }

    /// The source picture at `pts`, which starts no segment, is taken; counts it where it is left
    /// out.
    pub(crate) fn note_taken(&mut self, pts: Timestamp, source_interval: Duration) {
        let is_left_out =
            self.would_keep(pts, source_interval) && !self.wants(pts, source_interval);
        self.stats.shed_pictures += u64::from(is_left_out);
    }

    fn would_keep(&self, pts: Timestamp, source_interval: Duration) -> bool {
        self.is_open() && self.thinner.keeps(pts, source_interval)
    }

    /// Whether a segment has begun.
    pub(crate) fn has_segment(&self) -> bool {
        self.segment.is_some()
    }

    /// Whether the running segment has pictures.
    pub(crate) fn has_pictures(&self) -> bool {
        self.segment.as_ref().is_some_and(|segment| !segment.units.is_empty())
    }

    fn awaits_first_picture(&self) -> bool {
        self.segment.as_ref().is_none_or(|segment| segment.units.is_empty())
    }

    /// What it costs in pixels per second; None while it makes nothing.
    fn weight(&self) -> Option<f64> {
        self.encoder.as_ref().map(|encoder| encoder.plan.weight())
    }

    /// Makes only the picture that starts each segment, or all of them again; whether that changed.
    pub(crate) fn shed(&mut self, shed: bool) -> bool {
        let changed = self.stats.shed != shed;
        self.stats.times_shed += u64::from(shed && changed);
        self.stats.shed = shed;
        changed
    }

    /// A random access picture comes at `pts`: it is kept, and pictures are counted from it.
    pub(crate) fn restart_thinning(&mut self, pts: Timestamp) {
        self.thinner.restart(pts);
    }

    /// Scales a picture that is due for this rung, while the decoder still lends it; where one of
    /// the rungs before this one has made a [larger](is_much_larger) one of it, that is scaled,
    /// which has far fewer samples.
    pub(crate) fn scale(
        &mut self,
        picture: I420<'_>,
        before: &[Self],
        pts: Timestamp,
    ) -> Result<(), codec::Error> {
        let Some(encoder) = &self.encoder else { return Ok(()) };
        if self.scaled(pts).is_some() {
            return Ok(());
        }
        let (width, height) = encoder.plan.fit.picture;
        let mut target =
            self.spare.pop().unwrap_or_else(|| I420Buf::new(width as usize, height as usize));
        let larger = before.iter().filter_map(|rung| rung.scaled(pts));
        let nearest = larger
            .filter(|larger| is_much_larger(larger, &target))
            .min_by_key(|larger| larger.width() * larger.height());
        self.scaler.scale(nearest.map_or(picture, I420Buf::as_i420), &mut target)?;
        self.scaled.push((pts, target));
        Ok(())
    }

    /// What the picture at `pts` was scaled to; None where it was not, or has been encoded.
    fn scaled(&self, pts: Timestamp) -> Option<&I420Buf> {
        self.scaled.iter().find(|(scaled, _)| *scaled == pts).map(|(_, picture)| picture)
    }

    /// Begins a segment whose video has this cap, also where its encoder is only opened with the
    /// first picture. Nothing comes of pictures before the first one.
    ///
    /// # Errors
    /// The encoder refuses the cap, and keeps the one it has.
    pub(crate) fn begin_segment(&mut self, cut: Cut, cap_bps: u32) -> Result<(), codec::Error> {
        self.segment = Some(Segment { cut, cap_bps, units: Vec::new() });
        self.encoder.as_mut().map_or(Ok(()), |encoder| encoder.set_cap(cap_bps))
    }

    /// The turn of the picture at `pts` in display order has come: encodes it, where it was scaled
    /// and is part of the running segment.
    pub(crate) fn show(
        &mut self,
        pts: Timestamp,
        source_interval: Duration,
    ) -> Result<(), codec::Error> {
        let Some(place) = self.scaled.iter().position(|(scaled, _)| *scaled == pts) else {
            return Ok(());
        };
        let (_, picture) = self.scaled.swap_remove(place);
        let Some(cut) = self.segment.as_ref().map(|segment| segment.cut) else {
            self.stand(picture);
            return Ok(());
        };
        if pts < cut.at {
            self.stand(picture);
            return Ok(());
        }
        if self.awaits_first_picture() {
            // However late it is: the picture before it stands until then, also across the
            // segments' border.
        } else if self.stats.shed {
            // Scaled before the rung was shed, or because it might have started the segment.
            self.stats.shed_pictures += 1;
            self.stand(picture);
            return Ok(());
        } else if !self.thinner.keeps(pts, source_interval) {
            // Scaled because it might have started the segment.
            self.spare.push(picture);
            return Ok(());
        }
        self.stand(picture);
        let force = if self.awaits_first_picture() { Force::Idr } else { Force::None };
        self.encode_still(pts, force)
    }

    /// From here on this picture stands until the next.
    fn stand(&mut self, picture: I420Buf) {
        self.spare.extend(self.still.replace(picture));
    }

    /// Encodes the newest picture as one of this time.
    fn encode_still(&mut self, pts: Timestamp, force: Force) -> Result<(), codec::Error> {
        let (Some(encoder), Some(segment)) = (&mut self.encoder, &mut self.segment) else {
            return Ok(());
        };
        let (width, height) = encoder.plan.fit.picture;
        let picture = self.still.get_or_insert_with(|| black(width as usize, height as usize));
        match encoder.encode(picture, pts, force)? {
            Some(unit) => {
                self.stats.encoded += 1;
                segment.units.push(unit);
            }
            None => self.stats.skipped += 1,
        }
        Ok(())
    }

    /// Ends the running segment, with this sound. One that no picture came for shows what was seen
    /// before it, or black: players do not expect a video track without pictures.
    ///
    /// # Errors
    /// The encoder failed on that picture; the segment is lost.
    pub(crate) fn end_segment(
        &mut self,
        span: Span,
        sound: Option<&Sound>,
    ) -> Result<Package, codec::Error> {
        if self.awaits_first_picture() {
            self.encode_still(span.start(), Force::Idr)?;
        }
        let units = self.segment.take().map(|segment| segment.units).unwrap_or_default();
        Ok(self.package(span, units, sound))
    }

    fn package(&self, span: Span, units: Vec<AccessUnit>, sound: Option<&Sound>) -> Package {
        let video = self.encoder.as_ref().map(|encoder| Arc::clone(&encoder.plan.video));
        let config = video.clone();
        let pictures = units.into_iter().filter_map(|unit| Some((unit, config.clone()?)));
        let pictures: Vec<_> = pictures.collect();
        Package::new(span, video, pictures.into_iter(), sound)
    }

    pub(crate) fn stats(&self) -> RungStats {
        self.stats
    }
}

/// What the audio of a rendition is, where the source has this sound.
pub(crate) fn encoded_config(
    audio: AudioPreset,
    sound: Option<&Sound>,
) -> Option<Arc<AudioSpecificConfig>> {
    let sound = sound?;
    let plan = SoundPlan::new(audio, sound);
    Some(plan.map_or_else(|| Arc::clone(&sound.config), |plan| plan.config))
}

/// Places of the rungs that make something, the most expensive first.
pub(crate) fn heaviest_first(rungs: &[Rung]) -> Vec<usize> {
    let weighed = rungs.iter().enumerate();
    let mut weighed: Vec<_> =
        weighed.filter_map(|(place, rung)| Some((rung.weight()?, place))).collect();
    weighed.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    weighed.into_iter().map(|(_, place)| place).collect()
}

impl Encoder {
    fn open(plan: RungPlan) -> Result<Self, codec::Error> {
        let Fit { picture, coded } = plan.fit;
        Ok(Self {
            h264: H264Encoder::new(&plan.config)?,
            cap_bps: plan.config.bitrate_bps,
            canvas: (picture != coded).then(|| black(coded.0 as usize, coded.1 as usize)),
            plan,
        })
    }

    fn set_cap(&mut self, cap_bps: u32) -> Result<(), codec::Error> {
        if self.cap_bps != cap_bps {
            self.h264.set_bitrate(cap_bps)?;
            self.cap_bps = cap_bps;
        }
        Ok(())
    }

    /// The picture's access unit; None where it was left out to stay under the cap.
    fn encode(
        &mut self,
        picture: &I420Buf,
        pts: Timestamp,
        force: Force,
    ) -> Result<Option<AccessUnit>, codec::Error> {
        match &mut self.canvas {
            None => self.h264.encode(picture.as_i420(), pts, force),
            Some(canvas) => {
                pad(picture, canvas);
                self.h264.encode(canvas.as_i420(), pts, force)
            }
        }
    }
}

/// A black picture (limited range; full-range black differs by an unseen 16).
pub(crate) fn black(width: usize, height: usize) -> I420Buf {
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

#[cfg(test)]
mod tests {
    use codec::{H264Encoder, H264EncoderConfig, Profile};
    use h264::Sps;
    use media::{I420Buf, Timestamp};

    use super::{Rung, RungPlan};
    use crate::Preset;

    const AT: Timestamp = Timestamp::from_ticks(0);

    /// The SPS of a source of 640x360.
    fn source() -> Sps {
        let config = H264EncoderConfig {
            width: 640,
            height: 360,
            frame_rate: 30.0,
            bitrate_bps: 1_000_000,
            profile: Profile::High,
            colour: None,
        };
        let encoder = H264Encoder::new(&config).expect("an encoder");
        Sps::parse(&encoder.parameter_sets().sps[0]).expect("an SPS")
    }

    /// What rungs of these presets, all open, make of a picture.
    fn scaled(names: &[&str]) -> Vec<I420Buf> {
        let mut picture = I420Buf::new(640, 360);
        for plane in picture.planes_mut() {
            (0..)
                .zip(plane)
                .for_each(|(at, sample): (u32, _)| *sample = ((at / 640 * at) >> 9) as u8);
        }
        let mut rungs: Vec<Rung> = Vec::new();
        for name in names {
            let preset = Preset::named(name).expect("a preset");
            let plan = RungPlan::new(&preset, &source(), 30.0).expect("an encoder");
            let mut rung = Rung::new(preset);
            rung.open(&plan.expect("pictures")).expect("an encoder");
            rung.scale(picture.as_i420(), &rungs, AT).expect("a picture");
            rungs.push(rung);
        }
        rungs.iter().map(|rung| rung.scaled(AT).expect("it is kept").clone()).collect()
    }

    #[test]
    fn a_rung_scales_the_larger_picture_that_one_before_it_has_made() {
        let alone = |name| scaled(&[name]).remove(0);
        let all = scaled(&["P144p30fps16x9", "P144p15fps16x9", "P90p10fps16x9"]);
        assert_eq!(all[0], alone("P144p30fps16x9"));
        assert_eq!(all[1], all[0]);
        let direct = alone("P90p10fps16x9");
        assert_ne!(all[2], direct, "it is made of the rung's before it");
        // Slightly smaller is scaled from the source, and so is what has only smaller before it.
        assert_eq!(scaled(&["P240p30fps16x9", "P240p30fps4x3"])[1], alone("P240p30fps4x3"));
        assert_eq!(scaled(&["P90p10fps16x9", "P144p30fps16x9"])[1], all[0]);
    }
}
