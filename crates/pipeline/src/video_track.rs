//! The publisher's video: its parameters, its access units and their times.

use std::sync::Arc;

use bytes::Bytes;
use h264::{AvcConfig, ParameterSets, Pps, Sps};
use hls::CutPoint;
use media::{AccessUnit, Duration, NalUnits, Timestamp};

use crate::message_error::{MessageError, VideoRefusal};
use crate::picture::{Picture, VideoConfig};
use crate::picture_watch::PictureWatch;
use crate::timeline::PictureInterval;

/// A stream that has had no IDR for this long is cut, and begun, at recovery points.
const MAX_IDR_WAIT: Duration = Duration::from_secs(4);

/// Display may come this long after decoding: 16 pictures (the most that H.264 reorders) at under 2
/// a second. A longer time is a lie that would put a picture, and the cuts after it, hours ahead.
const MAX_COMPOSITION_TIME: Duration = Duration::from_secs(10);

/// Display may be stamped this long before decoding (NVENC does, by the pictures it reorders);
/// decoding is taken to be that much earlier then.
const MAX_EARLY: Duration = Duration::from_secs(1);

/// Pictures without a keyframe for this long are worth a word to the publisher.
const KEYFRAME_DUE: Duration = Duration::from_secs(2);

/// The H.264 track of a publisher.
#[derive(Debug, Default)]
pub(crate) struct VideoTrack {
    nal_length_size: u8,
    config: Option<Arc<VideoConfig>>,
    /// Of the largest picture that the parameter sets in force allow.
    macroblocks: u32,
    interval: Option<PictureInterval>,
    first_dts: Option<Timestamp>,
    last_dts: Option<Timestamp>,
    /// Decoding is this much earlier than stamped.
    early: Duration,
    last_idr: Option<Timestamp>,
    /// Watches whether pictures have stopped, by the presentation times of those that are part of
    /// the stream.
    watch: PictureWatch,
    keyframe_missed: bool,
}

/// What a message with NAL units held.
#[derive(Debug, Default)]
pub(crate) struct VideoMessage {
    /// Its picture, if it is whole.
    pub(crate) picture: Option<Result<Picture, MessageError>>,
    /// Parameter sets among its NAL units are others than those in force.
    pub(crate) config_changed: bool,
    /// NAL units without bytes; the others are taken.
    pub(crate) empty_nal_units: usize,
}

impl VideoTrack {
    /// Takes a sequence header; whether it changes anything.
    pub(crate) fn configure(&mut self, sequence_header: Bytes) -> Result<bool, MessageError> {
        let config = AvcConfig::parse(sequence_header)?;
        self.nal_length_size = config.nal_length_size;
        self.set_parameter_sets(config.parameter_sets)
    }

    fn set_parameter_sets(&mut self, parameter_sets: ParameterSets) -> Result<bool, MessageError> {
        if self.config.as_ref().is_some_and(|config| config.parameter_sets == parameter_sets) {
            return Ok(false);
        }
        let sps = parameter_sets.sps.first().ok_or(MessageError::NoSps)?;
        let sps = Sps::parse(sps)?;
        let refusal = refusal(&sps, &parameter_sets);
        self.macroblocks = largest_picture(&parameter_sets);
        self.config = Some(Arc::new(VideoConfig { parameter_sets, sps, refusal }));
        Ok(true)
    }

    /// Takes the NAL units of one message.
    ///
    /// # Errors
    /// Nothing of the message could be used.
    pub(crate) fn access_unit(
        &mut self,
        at: Timestamp,
        composition_time_ms: i32,
        data: Bytes,
        announced_frame_rate: Option<f64>,
    ) -> Result<VideoMessage, MessageError> {
        let nal_length_size = if self.nal_length_size == 0 { 4 } else { self.nal_length_size };
        let (units, empty_nal_units) = h264::avcc::nal_units(data, nal_length_size)?;
        let (nal_units, seen) = h264::split_parameter_sets(units);
        let config_changed = self.update_parameter_sets(&seen)?;
        let composition_time = composition_time(composition_time_ms);
        let picture = self.picture(at, composition_time, nal_units, announced_frame_rate);
        Ok(VideoMessage { picture: picture.transpose(), config_changed, empty_nal_units })
    }

    fn picture(
        &mut self,
        at: Timestamp,
        composition_time: Duration,
        nal_units: NalUnits,
        announced_frame_rate: Option<f64>,
    ) -> Result<Option<Picture>, MessageError> {
        let facts = h264::classify(&nal_units);
        if !facts.has_picture {
            return Ok(None);
        }
        let config = self.config.clone().ok_or(MessageError::PictureBeforeConfig)?;
        too_many_bytes(&nal_units)?;
        self.early = self.early.max(-composition_time);
        let decoded_at = at - self.early;
        let after = |last| decoded_at.max(last + Duration::from_ticks(1));
        let dts = self.last_dts.map_or(decoded_at, after);
        let pts = (at + composition_time).max(dts);
        self.last_dts = Some(dts);
        self.first_dts.get_or_insert(dts);
        let rate = self.frame_rate().or(announced_frame_rate);
        let interval = self.interval.get_or_insert_with(|| PictureInterval::new(rate)).note(dts);
        let cut_point = if facts.idr {
            Some(CutPoint::Idr)
        } else if facts.recovery_point && self.has_waited_for_an_idr(dts) {
            Some(CutPoint::RecoveryPoint)
        } else {
            None
        };
        Ok(Some(Picture {
            unit: AccessUnit { pts, dts, random_access: facts.idr, nal_units },
            config,
            macroblocks: self.macroblocks,
            disposable: facts.disposable,
            recovery_point: facts.recovery_point,
            cut_point,
            may_begin_segment: false,
            after_gap: false,
            interval,
        }))
    }

    /// Parameter sets inside the stream replace those of the sequence header; whether they are
    /// others.
    fn update_parameter_sets(&mut self, seen: &ParameterSets) -> Result<bool, MessageError> {
        if seen.is_empty() {
            return Ok(false);
        }
        let mut updated =
            self.config.as_ref().map(|config| config.parameter_sets.clone()).unwrap_or_default();
        if !updated.update(seen) {
            return Ok(false);
        }
        self.set_parameter_sets(updated)
    }

    /// A picture came that the video cannot begin with: whether it is time to say that no keyframe
    /// comes, so that nothing can be shown. True once.
    pub(crate) fn misses_keyframe(&mut self) -> bool {
        let (Some(first), Some(last)) = (self.first_dts, self.last_dts) else { return false };
        let due = !self.keyframe_missed && last - first >= KEYFRAME_DUE;
        self.keyframe_missed |= due;
        due
    }

    /// Whether there has been no IDR for so long that recovery points must do.
    fn has_waited_for_an_idr(&self, dts: Timestamp) -> bool {
        self.last_idr.or(self.first_dts).is_some_and(|last| dts - last > MAX_IDR_WAIT)
    }

    /// Notes that the picture is part of the stream.
    pub(crate) fn run(&mut self, picture: &Picture) {
        self.watch.picture(picture.unit.pts);
        if picture.unit.random_access {
            self.last_idr = Some(picture.unit.dts);
        }
    }

    /// Notes sound of this time, and says whether pictures have stopped, or never came.
    pub(crate) fn has_stopped_at(&mut self, at: Timestamp) -> bool {
        self.watch.sound(at)
    }

    /// Why no rendition can be made of the video, if so.
    pub(crate) fn refusal(&self) -> Option<VideoRefusal> {
        self.config.as_ref()?.refusal
    }

    /// Parameter sets and size, once a sequence header came.
    pub(crate) fn config(&self) -> Option<Arc<VideoConfig>> {
        self.config.clone()
    }

    /// The SPS in force.
    pub(crate) fn sps(&self) -> Option<&Sps> {
        self.config.as_ref().map(|config| &config.sps)
    }

    /// The frame rate the SPS announces, in pictures per second.
    pub(crate) fn frame_rate(&self) -> Option<f64> {
        let (num, den) = self.sps()?.frame_rate?;
        (den > 0).then(|| f64::from(num) / f64::from(den))
    }
}

/// Macroblocks of the largest picture of any SPS: which one a slice uses, the decoder finds out.
fn largest_picture(parameter_sets: &ParameterSets) -> u32 {
    let sps = parameter_sets.sps.iter().filter_map(|sps| Sps::parse(sps).ok());
    sps.map(|sps| sps.coded_width / 16 * (sps.coded_height / 16)).max().unwrap_or(0)
}

/// No level of H.264 lets a picture be larger than what a decoder takes here: it would be nothing
/// that can be shown.
fn too_many_bytes(nal_units: &NalUnits) -> Result<(), MessageError> {
    let (bytes, limit) =
        (nal_units.payload_bytes(), codec::Limits::default().max_access_unit_bytes);
    if bytes > limit {
        return Err(MessageError::PictureTooLarge { bytes, limit });
    }
    Ok(())
}

/// A picture's way from decoding to display; none where it is longer than any encoder's, either
/// way.
fn composition_time(ms: i32) -> Duration {
    let time = Duration::from_millis(ms.into());
    if time > MAX_COMPOSITION_TIME || -time > MAX_EARLY { Duration::ZERO } else { time }
}

/// What no decoder here can do of a stream with these parameter sets, if anything: judged by the
/// SPS and every PPS.
pub(crate) fn refusal(sps: &Sps, parameter_sets: &ParameterSets) -> Option<VideoRefusal> {
    too_large(sps).or_else(|| {
        // A PPS that cannot be read is no reason yet: the decoder says so itself.
        let judge = |pps: &Bytes| codec::decodable(sps, &Pps::parse(pps).ok()?).err();
        parameter_sets.pps.iter().find_map(judge).map(VideoRefusal::Undecodable)
    })
}

/// Memory that a decoder may take for its pictures: 1080p with 16 references, 4K with 8.
const MAX_DECODER_BYTES: u64 = 128 * 1024 * 1024;

/// The highest level openh264 knows (5.2).
const MAX_LEVEL_IDC: u8 = 52;

/// A decoder allocates what the SPS says, before any picture: what is too large must not get that
/// far.
fn too_large(sps: &Sps) -> Option<VideoRefusal> {
    let (width, height) = (sps.coded_width, sps.coded_height);
    let pixels = u64::from(width) * u64::from(height);
    let limit = codec::Limits::default().max_pixels as u64;
    // Its references, the picture itself and one that is shown; 4:2:0 has one and a half samples a
    // pixel.
    let decoder_bytes = pixels * u64::from(sps.max_num_ref_frames.min(16) + 2) * 3 / 2;
    if pixels > limit {
        Some(VideoRefusal::TooManyPixels { width, height, limit })
    } else if decoder_bytes > MAX_DECODER_BYTES {
        let references = sps.max_num_ref_frames;
        Some(VideoRefusal::TooManyBytes { width, height, references, limit: MAX_DECODER_BYTES })
    } else if sps.level_idc > MAX_LEVEL_IDC {
        Some(VideoRefusal::Level { level_idc: sps.level_idc })
    } else {
        None
    }
}
