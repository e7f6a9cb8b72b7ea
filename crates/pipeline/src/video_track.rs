//! The publisher's video: its parameters, its access units and their times.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use h264::{AvcConfig, NalType, ParameterSets, ParsedSets, Pps, Sps};
use hls::CutPoint;
use media::{AccessUnit, Duration, NalUnits, Timestamp};

use crate::access_units::{AccessUnits, CodedPicture, Stamp};
use crate::message_error::{MessageError, VideoRefusal};
use crate::picture::{Picture, VideoConfig};
use crate::picture_order::{OrderedPicture, PictureOrder};
use crate::picture_watch::PictureWatch;
use crate::timeline::PictureInterval;
use crate::wall_budget::WallBudget;

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

/// NAL units that are taken in a second of the wall clock, and at once: each is looked at several
/// times, and may be a byte. 4K at 60 pictures a second, each with a slice for every row of
/// macroblocks, has 8 100, and slices of 1500 bytes at 100 Mbit/s are as many.
const NAL_UNITS_PER_SECOND: i64 = 32_768;
const MOST_NAL_UNITS: i64 = 65_536;

/// A message that is refused counts as so many: its NAL units were found, which costs far less than
/// taking them, and a stream has 512 messages a second at most that are looked at for nothing.
const REFUSED_NAL_UNITS: i64 = 64;

/// The H.264 track of a publisher.
///
/// After every call that takes something, drain [`poll`](Self::poll) to None.
#[derive(Debug)]
pub(crate) struct VideoTrack {
    nal_length_size: u8,
    /// All parameter sets there are: of those in force, and others.
    sets: ParameterSets,
    parsed_sets: ParsedSets,
    /// What the pictures are coded by.
    config: Option<Arc<VideoConfig>>,
    /// Size of the largest picture that the parameter sets in force allow.
    macroblocks: u32,
    units: AccessUnits,
    order: PictureOrder,
    events: VecDeque<VideoEvent>,
    interval: Option<PictureInterval>,
    announced_frame_rate: Option<f64>,
    first_dts: Option<Timestamp>,
    last_dts: Option<Timestamp>,
    /// Decoding is this much earlier than stamped.
    early: Duration,
    last_idr: Option<Timestamp>,
    /// Watches whether pictures have stopped, by the presentation times of those that are part of
    /// the stream.
    watch: PictureWatch,
    keyframe_missed: bool,
    nal_budget: WallBudget,
}

impl Default for VideoTrack {
    fn default() -> Self {
        Self {
            nal_length_size: 0,
            sets: ParameterSets::default(),
            parsed_sets: ParsedSets::default(),
            config: None,
            macroblocks: 0,
            units: AccessUnits::default(),
            order: PictureOrder::default(),
            events: VecDeque::new(),
            interval: None,
            announced_frame_rate: None,
            first_dts: None,
            last_dts: None,
            early: Duration::ZERO,
            last_idr: None,
            watch: PictureWatch::default(),
            keyframe_missed: false,
            nal_budget: WallBudget::new(NAL_UNITS_PER_SECOND, MOST_NAL_UNITS),
        }
    }
}

/// What the track makes of the publisher's messages, in order.
#[derive(Debug)]
pub(crate) enum VideoEvent {
    /// The pictures from here on are coded by other parameters.
    Config,
    /// A whole picture, and how the message that it began with was stamped.
    Picture(Box<Picture>, Stamp),
    /// So many NAL units of a message have no bytes; the others are taken.
    EmptyNalUnits(usize),
    /// A message, or a part of one, that cannot be used.
    Skipped(MessageError),
}

impl VideoTrack {
    /// Takes a sequence header.
    pub(crate) fn configure(&mut self, sequence_header: Bytes) {
        match AvcConfig::parse(sequence_header) {
            Ok(config) => {
                self.nal_length_size = config.nal_length_size;
                self.set_parameter_sets(config.parameter_sets);
            }
            Err(error) => self.skip(error.into()),
        }
    }

    /// A message of this stamp comes next: what it cannot be a part of is whole.
    pub(crate) fn end_before(&mut self, message_ms: u32) {
        self.units.end_before(message_ms);
        self.take_units();
    }

    /// Sound of this time comes.
    pub(crate) fn sound(&mut self, at: Timestamp) {
        self.units.sound(at);
        self.take_units();
    }

    /// No more pictures come: those that waited come out.
    pub(crate) fn finish(&mut self) {
        self.units.close();
        self.take_units();
        self.order.flush();
        self.take_ordered();
    }

    /// What became of the messages, in order; None when there is nothing until the next.
    pub(crate) fn poll(&mut self) -> Option<VideoEvent> {
        self.events.pop_front()
    }

    /// What the pictures take that wait.
    pub(crate) fn held_bytes(&self) -> usize {
        self.units.held_bytes() + self.order.held_bytes()
    }

    /// Takes the NAL units of one message; `stamp.composition_time` is as sent.
    pub(crate) fn push(&mut self, stamp: Stamp, data: Bytes, announced_frame_rate: Option<f64>) {
        self.announced_frame_rate = announced_frame_rate;
        let nal_length_size = if self.nal_length_size == 0 { 4 } else { self.nal_length_size };
        let left = self.nal_budget.left_at(stamp.arrival_unix_ms);
        let too_many = MessageError::TooManyNalUnits { limit: NAL_UNITS_PER_SECOND };
        // What nobody can be made to look at costs nothing.
        if left <= 0 {
            return self.skip(too_many);
        }
        let (units, empty_nal_units) = match h264::avcc::nal_units(data, nal_length_size) {
            Ok(units) => units,
            Err(error) => {
                self.nal_budget.spend(REFUSED_NAL_UNITS);
                return self.skip(error.into());
            }
        };
        let found = (units.len() + empty_nal_units) as i64;
        if empty_nal_units > 0 {
            self.events.push_back(VideoEvent::EmptyNalUnits(empty_nal_units));
        }
        if left < found {
            self.nal_budget.spend(REFUSED_NAL_UNITS);
            return self.skip(too_many);
        }
        self.nal_budget.spend(found);
        let (nal_units, seen) = h264::split_parameter_sets(units);
        // Parameter sets inside the stream replace those of the sequence header.
        let mut updated = self.sets.clone();
        if !seen.is_empty() && updated.update(&seen) {
            self.set_parameter_sets(updated);
        }
        let composition_time = composition_time(stamp.composition_time);
        self.units.push(Stamp { composition_time, ..stamp }, &nal_units, &self.parsed_sets);
        self.take_units();
    }

    fn skip(&mut self, why: MessageError) {
        self.events.push_back(VideoEvent::Skipped(why));
    }

    /// Other parameter sets: the SPS in force stays it as long as it is there, until an IDR refers
    /// to another. Where none can be read all stays as it is.
    fn set_parameter_sets(&mut self, sets: ParameterSets) {
        if !self.sets.is_empty() && self.sets == sets {
            return;
        }
        let parsed = ParsedSets::new(&sets);
        let in_force = self.config.as_ref().map(|config| config.sps.id);
        let stays = in_force.and_then(|id| parsed.sps(id)).or_else(|| parsed.first_sps());
        let Some(sps) = stays.cloned() else {
            let error = sets.sps.first().and_then(|sps| Sps::parse(sps).err());
            return self.skip(error.map_or(MessageError::NoSps, MessageError::from));
        };
        // What has come was coded by what was.
        self.finish();
        (self.sets, self.parsed_sets) = (sets, parsed);
        self.activate(sps);
    }

    /// Pictures are coded by this SPS from here on.
    fn activate(&mut self, sps: Sps) {
        let parameter_sets = self.sets.of_sps(sps.id);
        if self.config.as_ref().is_some_and(|config| config.parameter_sets == parameter_sets) {
            return;
        }
        let refusal = refusal(&sps, &parameter_sets);
        self.macroblocks = largest_picture(&parameter_sets);
        self.config = Some(Arc::new(VideoConfig { parameter_sets, sps, refusal }));
        self.units.restart();
        self.order.restart();
        self.events.push_back(VideoEvent::Config);
    }

    /// Takes the pictures that are whole.
    fn take_units(&mut self) {
        while let Some(picture) = self.units.poll() {
            match picture {
                Ok(picture) => self.coded_picture(picture),
                Err(why) => self.skip(why),
            }
        }
    }

    fn coded_picture(&mut self, picture: CodedPicture) {
        let idr = picture.nal_units.iter().find(|it| h264::nal_type(it) == NalType::Idr);
        if let Some(sps) = idr.and_then(|slice| self.parsed_sets.sps_of(slice)) {
            let is_in_force = self.config.as_ref().is_some_and(|config| config.sps == *sps);
            if !is_in_force {
                let sps = sps.clone();
                self.order.flush();
                self.take_ordered();
                self.activate(sps);
            }
        }
        let Some(config) = self.config.clone() else {
            return self.skip(MessageError::PictureBeforeConfig);
        };
        if let Err(why) = too_many_bytes(&picture.nal_units) {
            return self.skip(why);
        }
        let interval = self.interval().average();
        self.order.push(picture, &config.sps, &self.parsed_sets, interval);
        self.take_ordered();
    }

    fn take_ordered(&mut self) {
        while let Some(ordered) = self.order.poll() {
            self.early = self.early.max(self.order.early());
            self.picture(ordered);
        }
    }

    fn picture(&mut self, ordered: OrderedPicture) {
        let OrderedPicture {
            picture: CodedPicture { nal_units, stamp, place },
            at,
            composition_time,
        } = ordered;
        let Some(config) = self.config.clone() else { return };
        let facts = h264::classify(&nal_units);
        // Of several pictures in a message the others follow the first as others do.
        let interval = self.interval().average();
        let at = at + Duration::from_ticks(interval.ticks().saturating_mul(place.into()));
        self.early = self.early.max(-composition_time);
        let decoded_at = at - self.early;
        let after = |last| decoded_at.max(last + Duration::from_ticks(1));
        let dts = self.last_dts.map_or(decoded_at, after);
        let pts = (at + composition_time).max(dts);
        self.last_dts = Some(dts);
        self.first_dts.get_or_insert(dts);
        let interval = self.interval().note(dts);
        let cut_point = if facts.idr {
            Some(CutPoint::Idr)
        } else if facts.recovery_point && self.has_waited_for_an_idr(dts) {
            Some(CutPoint::RecoveryPoint)
        } else {
            None
        };
        let picture = Picture {
            unit: AccessUnit { pts, dts, random_access: facts.idr, nal_units },
            config,
            macroblocks: self.macroblocks,
            disposable: facts.disposable,
            recovery_point: facts.recovery_point,
            cut_point,
            may_begin_segment: false,
            after_gap: false,
            interval,
        };
        self.events.push_back(VideoEvent::Picture(Box::new(picture), stamp));
    }

    /// The time from one picture to the next, which begins with what is announced.
    fn interval(&mut self) -> &mut PictureInterval {
        let rate = self.frame_rate().or(self.announced_frame_rate);
        self.interval.get_or_insert_with(|| PictureInterval::new(rate))
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
fn composition_time(time: Duration) -> Duration {
    if time > MAX_COMPOSITION_TIME || -time > MAX_EARLY { Duration::ZERO } else { time }
}

/// What no decoder here can do of a stream with these parameter sets, if anything: judged by the
/// SPS and every PPS.
pub(crate) fn refusal(sps: &Sps, parameter_sets: &ParameterSets) -> Option<VideoRefusal> {
    too_large(sps).or_else(|| {
        // A PPS that cannot be read is no reason yet: the decoder says so itself.
        let judge = |pps: &Bytes| h264::hindrances(sps, &Pps::parse(pps).ok()?).next();
        parameter_sets.pps.iter().find_map(judge).map(VideoRefusal::Undecodable)
    })
}

/// Memory that a decoder may take for its pictures: 1080p with 16 references, 4K with 8.
const MAX_DECODER_BYTES: u64 = 128 * 1024 * 1024;

/// What a decoder takes for its pictures at most: its references, the picture itself and one that
/// is shown; 4:2:0 has one and a half samples a pixel.
pub(crate) fn decoder_bytes(sps: &Sps) -> u64 {
    let pixels = u64::from(sps.coded_width) * u64::from(sps.coded_height);
    pixels * u64::from(sps.max_num_ref_frames.min(16) + 2) * 3 / 2
}

/// The highest level openh264 knows (5.2).
const MAX_LEVEL_IDC: u8 = 52;

/// A decoder allocates what the SPS says, before any picture: what is too large must not get that
/// far.
fn too_large(sps: &Sps) -> Option<VideoRefusal> {
    let (width, height) = (sps.coded_width, sps.coded_height);
    let pixels = u64::from(width) * u64::from(height);
    let limit = codec::Limits::default().max_pixels as u64;
    let decoder_bytes = decoder_bytes(sps);
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
