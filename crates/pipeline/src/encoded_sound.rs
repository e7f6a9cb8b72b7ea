//! A rendition's own audio: the publisher's, decoded, at another rate where that is better, and
//! encoded anew.
//!
//! **Each span is made alone**, of its own frames and those that were heard in the second before
//! it, so that it is the same whether it is made live or when somebody asks for it. Its frames lie
//! on a grid that begins with the time 0 of the stay: the first one is that behind the last which
//! the span before could make, and what lies in front of it only brings decoder, filter and encoder
//! to where they would be by then. So spans join without a gap and without a click.
//!
//! The encoder has to see what comes behind a frame, and at the end of a span nobody has. Therefore
//! a span's frames begin and end 0.1 to 0.3 s before it does; their times are true.

use std::sync::Arc;

use aac::AudioSpecificConfig;
use codec::{
    AacDecoder, AacDecoderConfig, AacEncoder, AacEncoderConfig, AacProfile, RESAMPLER_REACH,
    resample,
};
use hls::Span;
use media::{AudioFrame, Duration, TICKS_PER_SECOND, Timestamp};

use crate::rendition::AudioPreset;
use crate::source_segment::{EndedSpan, FollowedBy, Sound};

/// What is heard so long before a span prepares its sound: an encoder needs ten frames, of which
/// each is 64 ms at most, and looks ahead.
pub(crate) const PREPARATION: Duration = Duration::from_millis(1000);

/// Spans whose sound is kept to prepare that of the next: more than a second of it, as most are
/// longer than a quarter of one.
pub(crate) const MAX_HEARD_SPANS: usize = 4;

/// Samples by which a frame may miss its place: whole ticks of 90 kHz are coarser than samples.
const ROUNDING: i64 = 2;

/// A frame may be this part of itself longer or shorter than it is, where the publisher's clock
/// drifts: what is missing is stretched over it, as a gap would click.
const STRETCH: i64 = 8;

/// No span has more sound: what lies further behind its beginning is left out, as holes may be as
/// long as a publisher likes.
const MAX_SECONDS: i64 = 60;

/// What a preset's audio becomes for a publisher's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SoundPlan {
    source: AacDecoderConfig,
    /// Samples in a second of what is decoded.
    source_hz: u32,
    pub(crate) encoder: AacEncoderConfig,
    /// What is written.
    pub(crate) config: Arc<AudioSpecificConfig>,
}

impl SoundPlan {
    /// What comes of the sound; None where it stays as it is: the preset says so, it is as light
    /// already, or nothing here can decode it.
    pub(crate) fn new(preset: AudioPreset, sound: &Sound) -> Option<Self> {
        let AudioPreset::Encode { profile, bitrate_bps } = preset else { return None };
        let config = &sound.config;
        let is_light = sound.bitrate_bps.is_some_and(|source| source <= bitrate_bps);
        if is_light || config.object_type != OBJECT_TYPE_LC {
            return None;
        }
        let core = config.core_bytes()?;
        let sbr = if config.sbr.is_some() { 2 } else { 1 };
        let channels = if config.channels == 1 && !config.ps { 1 } else { 2 };
        let source = AacDecoderConfig {
            core,
            frame_samples: usize::from(config.samples_per_frame) * sbr as usize,
            channels,
        };
        let source_hz = config.sample_rate_hz * sbr;
        let profile = match profile {
            AacProfile::HighEfficiencyV2 if channels == 1 => AacProfile::HighEfficiency,
            profile => profile,
        };
        let sample_rate_hz = sample_rate_hz(profile, channels, bitrate_bps, source_hz);
        let start = Timestamp::ZERO;
        let encoder = AacEncoderConfig { profile, sample_rate_hz, channels, bitrate_bps, start };
        let config = Arc::new(encoded_config(&encoder)?);
        Some(Self { source, source_hz, encoder, config })
    }

    /// Decodes the sound of a span, before which there was `before`: it is the same for all plans.
    ///
    /// # Errors
    /// There is no decoder for it.
    pub(crate) fn decode(
        &self,
        before: &[AudioFrame],
        sound: &Sound,
    ) -> Result<DecodedSound, codec::Error> {
        let channels = usize::from(self.source.channels);
        let frame_samples = self.source.frame_samples as i64;
        let mut decoder = AacDecoder::new(&self.source)?;
        let mut decoded: Option<Samples> = None;
        for frame in before.iter().chain(&sound.frames) {
            let at = place(frame.pts, self.source_hz);
            let decoded = decoded.get_or_insert(Samples { from: at, samples: Vec::new() });
            let gap = at - decoded.end(channels);
            if gap < -frame_samples / STRETCH {
                continue;
            }
            if at - decoded.from > MAX_SECONDS * i64::from(self.source_hz) {
                break;
            }
            let sound = decoder.decode(&frame.data);
            if gap.abs() <= ROUNDING {
                decoded.samples.extend_from_slice(sound);
            } else if gap <= frame_samples / STRETCH {
                stretch(sound, channels, (frame_samples + gap) as usize, &mut decoded.samples);
            } else {
                let silence = gap as usize * channels;
                decoded.samples.resize(decoded.samples.len() + silence, 0);
                decoded.samples.extend_from_slice(sound);
            }
        }
        Ok(DecodedSound {
            samples: decoded,
            delay: decoder.delay() as i64,
            max_delay: decoder.max_delay() as i64,
            before_end: self.end_of(before),
            end: self.end_of(&sound.frames),
        })
    }

    /// Makes the frames of a span, whose sound is decoded.
    ///
    /// # Errors
    /// A codec failed.
    pub(crate) fn encode(
        &self,
        ended: &EndedSpan,
        decoded: &DecodedSound,
    ) -> Result<Vec<AudioFrame>, codec::Error> {
        let (Some(samples), Some(end)) = (&decoded.samples, decoded.end) else {
            return Ok(Vec::new());
        };
        let mut encoder = AacEncoder::new(&self.encoder)?;
        let grid = Grid {
            frame: self.encoder.profile.frame_samples() as i64,
            hz: self.encoder.sample_rate_hz.into(),
            look_ahead: encoder.look_ahead() as i64,
        };
        // Samples of the source that it takes to make those before them, and how many can be made:
        // the same for all spans, whatever the decoder has found in this one.
        let behind = decoded.max_delay + self.filter_reach();
        let makeable_to = self.to_encoded(end - behind);
        // Where nothing comes, silence does.
        let to_the_end = grid.end_of_frame_with(makeable_to);
        let makeable_to = match ended.followed_by {
            FollowedBy::Next => makeable_to,
            FollowedBy::Discontinuity => {
                // The frames that begin behind it are those of the next span.
                let next = grid.first_at(ended.span.end()) * grid.frame;
                to_the_end.min(next) + grid.look_ahead
            }
            FollowedBy::End => to_the_end + grid.look_ahead,
        };
        let samples = self.resampled(samples, decoded.delay)?;
        let channels = self.encoder.channels;
        // No more silence in front, or behind, than sound: a publisher may stamp it as it likes.
        let earliest = (samples.from - MAX_SECONDS * grid.hz).div_euclid(grid.frame);
        let latest = samples.end(channels.into()) + grid.look_ahead + grid.frame;
        let first = match decoded.before_end {
            Some(end) => grid.frames_in(self.to_encoded(end - behind)),
            None => grid.first_at(ended.span.start()),
        };
        let first = first.max(earliest);
        let mut frame = first - encoder.settled_frame() as i64;
        let samples = samples.cut(frame * grid.frame, makeable_to.min(latest), channels);
        let mut made = Vec::new();
        encoder.encode(&samples, |encoded| {
            if frame >= first {
                made.push(AudioFrame { pts: grid.time_of(frame), ..encoded });
            }
            frame += 1;
        })?;
        Ok(made)
    }

    /// The same sound at the encoder's rate. The filter is laid so that it is the same whatever it
    /// begins with.
    fn resampled(&self, decoded: &Samples, delay: i64) -> Result<Samples, codec::Error> {
        let (source_hz, encoder_hz) =
            (i64::from(self.source_hz), i64::from(self.encoder.sample_rate_hz));
        let channels = usize::from(self.source.channels);
        let divisor = common_divisor(source_hz, encoder_hz);
        let step = source_hz / divisor;
        let from = decoded.from - delay;
        let left_out = (-from).rem_euclid(step);
        let left_out_samples = (left_out as usize * channels).min(decoded.samples.len());
        let samples = decoded.samples[left_out_samples..].to_vec();
        let samples =
            resample(samples, self.source.channels, self.source_hz, self.encoder.sample_rate_hz)?;
        Ok(Samples { from: (from + left_out) / step * (encoder_hz / divisor), samples })
    }

    /// Samples of the source behind one that the filter has to see.
    fn filter_reach(&self) -> i64 {
        let (source_hz, encoder_hz) = (self.source_hz, self.encoder.sample_rate_hz);
        if source_hz == encoder_hz {
            return 0;
        }
        let reach = RESAMPLER_REACH as i64 * i64::from(source_hz);
        reach / i64::from(encoder_hz.min(source_hz)) + ROUNDING
    }

    /// Where the sound of the frames ends, in samples of the source.
    fn end_of(&self, frames: &[AudioFrame]) -> Option<i64> {
        let last = frames.iter().map(|frame| frame.pts).max()?;
        Some(place(last, self.source_hz) + self.source.frame_samples as i64)
    }

    /// So many samples of the source, in whole ones of the encoder.
    fn to_encoded(&self, samples: i64) -> i64 {
        scale(samples, self.encoder.sample_rate_hz.into(), self.source_hz.into())
    }
}

/// The frames that are heard in the second before the sound of a span, newest spans first in
/// `earlier`: what prepares its sound. None of another kind, and none of before a discontinuity.
///
/// Sound that is late, or silence in its place, may begin long before its span does: with it comes
/// what the span before still waited for.
pub(crate) fn heard_before<'a>(
    span: &Span,
    sound: Option<&Sound>,
    earlier: impl Iterator<Item = &'a EndedSpan>,
) -> Vec<AudioFrame> {
    let Some(sound) = sound else { return Vec::new() };
    let from = preparation_begins(span, sound);
    let mut parts = Vec::new();
    let mut next = *span;
    for ended in earlier {
        let follows = ended.span.sequence() + 1 == next.sequence() && !next.cut.discontinuity;
        let heard = ended.sound.as_ref().filter(|it| follows && it.config == sound.config);
        let Some(heard) = heard else { break };
        parts.push(&heard.frames[heard.frames.partition_point(|frame| frame.pts < from)..]);
        next = ended.span;
        if next.start() <= from {
            break;
        }
    }
    parts.into_iter().rev().flatten().cloned().collect()
}

/// Where the sound begins that prepares a span's.
pub(crate) fn preparation_begins(span: &Span, sound: &Sound) -> Timestamp {
    let own = sound.frames.first().map_or_else(|| span.start(), |frame| frame.pts);
    own.min(span.start()) - PREPARATION
}

/// The sound of a span, and in front of it what prepares it: decoded once for all that is made of
/// it.
pub(crate) struct DecodedSound {
    /// Each frame's in its place; None where there is none.
    samples: Option<Samples>,
    /// By how many samples they are behind what the frames hold.
    delay: i64,
    /// By how many they are at most, in whichever span.
    max_delay: i64,
    /// Place where the sound ends that prepares the span's; None where there is none.
    before_end: Option<i64>,
    /// Place where the span's own sound ends; None where there is none.
    end: Option<i64>,
}

/// Samples of each channel, and the place of the first, counted from time 0.
struct Samples {
    from: i64,
    samples: Vec<i16>,
}

impl Samples {
    fn end(&self, channels: usize) -> i64 {
        self.from + (self.samples.len() / channels) as i64
    }

    /// Those from one place to another, with silence where there are none.
    fn cut(self, from: i64, to: i64, channels: u8) -> Vec<i16> {
        let channels = usize::from(channels);
        let wanted = usize::try_from(to - from).unwrap_or(0) * channels;
        let mut samples = self.samples;
        let in_front = usize::try_from(self.from - from).unwrap_or(0) * channels;
        let left_out = usize::try_from(from - self.from).unwrap_or(0) * channels;
        samples.drain(..left_out.min(samples.len()));
        if in_front > 0 {
            samples.splice(..0, std::iter::repeat_n(0, in_front.min(wanted)));
        }
        samples.resize(wanted, 0);
        samples
    }
}

/// The frames of an encoder, counted from time 0.
struct Grid {
    /// Samples of a frame.
    frame: i64,
    hz: i64,
    look_ahead: i64,
}

impl Grid {
    /// How many frames can be made of the samples before this one.
    fn frames_in(&self, samples: i64) -> i64 {
        (samples - self.look_ahead).div_euclid(self.frame)
    }

    /// Where the frame ends that has the last of the samples before this one.
    fn end_of_frame_with(&self, samples: i64) -> i64 {
        scale(samples + self.frame - 1, 1, self.frame) * self.frame
    }

    /// The first frame that begins at `at` or later.
    fn first_at(&self, at: Timestamp) -> i64 {
        -scale(-at.ticks(), self.hz, TICKS_PER_SECOND * self.frame)
    }

    fn time_of(&self, frame: i64) -> Timestamp {
        Timestamp::from_ticks(scale(frame, self.frame * TICKS_PER_SECOND, self.hz))
    }
}

/// What ISO/IEC 14496-3 calls AAC-LC; there is no decoder here for the other kinds.
const OBJECT_TYPE_LC: u8 = 2;

/// The rate to encode at: what Fraunhofer's table advises for the bitrate, as near as can be to the
/// source's.
fn sample_rate_hz(profile: AacProfile, channels: u8, bitrate_bps: u32, source_hz: u32) -> u32 {
    let is_of_cd = source_hz.is_multiple_of(11_025);
    let most = if is_of_cd { 44_100 } else { 48_000 };
    match profile {
        // Below 18 kbit/s, and where a source has no more.
        _ if profile != AacProfile::LowComplexity => {
            if bitrate_bps < 18_000 || source_hz <= 32_000 { 32_000 } else { most }
        }
        _ => {
            let per_channel = bitrate_bps / u32::from(channels.max(1));
            let most = match per_channel {
                0..16_000 => 16_000,
                16_000..24_000 => 24_000,
                24_000..40_000 => 32_000,
                _ => most,
            };
            // A rate that the encoder has, and not above the source's.
            if source_hz <= most { source_hz.max(8000) } else { most }
        }
    }
}

/// What an encoder of this configuration writes.
fn encoded_config(encoder: &AacEncoderConfig) -> Option<AudioSpecificConfig> {
    let &AacEncoderConfig { profile, sample_rate_hz, channels, .. } = encoder;
    let has_sbr = profile != AacProfile::LowComplexity;
    let has_ps = profile == AacProfile::HighEfficiencyV2;
    let core_hz = if has_sbr { sample_rate_hz / 2 } else { sample_rate_hz };
    let core_channels = if has_ps { 1 } else { channels };
    let mut config = AudioSpecificConfig::low_complexity(core_hz, core_channels)?;
    config.sbr = has_sbr.then_some(sample_rate_hz);
    config.ps = has_ps;
    Some(config)
}

/// The sample that is heard at a time, the nearest.
pub(crate) fn place(at: Timestamp, hz: u32) -> i64 {
    let doubled = scale(at.ticks(), 2 * i64::from(hz), TICKS_PER_SECOND);
    (doubled + 1).div_euclid(2)
}

/// `value * times / by`, rounded down.
pub(crate) fn scale(value: i64, times: i64, by: i64) -> i64 {
    let scaled = (i128::from(value) * i128::from(times)).div_euclid(i128::from(by.max(1)));
    i64::try_from(scaled).unwrap_or(if value < 0 { i64::MIN / 4 } else { i64::MAX / 4 })
}

fn common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a.max(1) } else { common_divisor(b, a % b) }
}

/// Writes a frame as `length` samples of each channel, on straight lines between its own.
fn stretch(sound: &[i16], channels: usize, length: usize, to: &mut Vec<i16>) {
    let frames = sound.len() / channels;
    if frames == 0 {
        return;
    }
    for n in 0..length {
        let at = n * frames;
        let (whole, part) = (at / length, (at % length) as i32);
        for channel in 0..channels {
            let sample =
                |frame: usize| i32::from(sound[frame.min(frames - 1) * channels + channel]);
            let (here, next) = (sample(whole), sample(whole + 1));
            let between = here + (next - here) * part / length as i32;
            to.push(between as i16);
        }
    }
}
