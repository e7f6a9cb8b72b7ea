//! FLV files (FLV 10.1 annex E).

use std::io::{Read, Seek};

use aac::AudioSpecificConfig;
use bytes::Bytes;
use flv::{AudioBody, AudioTag, FrameType, Tag, TagKind, VideoBody, VideoTag};
use h264::AvcConfig;
use media::{Duration, TICKS_PER_SECOND, Timestamp, UnwrapMs};

use crate::codec_name;
use crate::disk::Disk;
use crate::info::bitrate_bps;
use crate::notes::Notes;
use crate::time::{between, later};
use crate::{
    AudioInfo, Container, Error, Info, Limits, Sample, Span, TrackName, VideoInfo, active_sps,
};

mod tags;

use self::tags::{Tags, Unit};

/// Timestamps that go back by more are another recording behind the first: they go on from there.
const RESTART_MS: i64 = 1000;

const VIDEO: TrackName = TrackName::Video(None);
const AUDIO: TrackName = TrackName::Audio(None);

/// An FLV file being played. It has no index, so what is wrong with it comes up on the way.
#[derive(Debug)]
pub(crate) struct FlvFile {
    tags: Tags,
    /// How far the file was read in any round: up to there it was told what is wrong.
    told_to: u64,
    clock: Clock,
    /// Timestamp of the first sample, as in the file.
    zero_ms: i64,
    /// The configurations at the start, which go before everything.
    first_configs: Vec<Sample>,
    to_configure: usize,
    /// What was sent last.
    video_config: Option<Bytes>,
    audio_config: Option<Bytes>,
    /// What the pictures from here on are, as the file says: as it stands there, and read.
    announced: Option<Bytes>,
    config: Option<AvcConfig>,
    /// A picture that waits while its configuration is handed out.
    held: Option<Sample>,
    /// Tracks of which a codec that cannot be carried was told.
    refused: Vec<TrackName>,
    video: Meter,
    audio: Meter,
}

/// What a tag is to us.
enum Found {
    VideoConfig(Bytes, AvcConfig),
    AudioConfig(Bytes, AudioSpecificConfig),
    Video { composition_ms: i32, key: bool, data: Bytes },
    Audio(Bytes),
    Metadata(flv::OnMetaData),
    Nothing,
}

/// The file's milliseconds without wraps and restarts.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    unwrap: UnwrapMs,
    last_ms: Option<i64>,
    /// Added since a restart.
    offset_ms: i64,
    /// When the next timestamp is, whatever it says: that of another file.
    joins_at_ms: Option<i64>,
}

/// Follows one track.
#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    last: Option<Timestamp>,
    /// Between the last two samples that were not at the same time.
    interval: Duration,
    /// How long an audio frame lasts.
    frame: Option<Duration>,
    /// Where the file was read to when the last sample was counted.
    counted_to: u64,
}

/// What the first part of a file shows.
#[derive(Default)]
struct Probe {
    zero_ms: Option<i64>,
    video: bool,
    audio: bool,
    video_config: Option<(Bytes, AvcConfig)>,
    audio_config: Option<(Bytes, AudioSpecificConfig)>,
    /// The configuration of the first sync sample, where it is another than the file's.
    active_config: Option<Bytes>,
    metadata: flv::OnMetaData,
    /// Why tracks cannot be carried, in the order of the file.
    refusals: Vec<(TrackName, Error)>,
    /// What else was wrong.
    notes: Notes,
}

impl FlvFile {
    pub(crate) fn open<R: Read + Seek>(
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<(Self, Info), Error> {
        let mut probe = Probe::make(disk)?;
        let mut info = Info {
            container: Container::Flv,
            video: None,
            audio: None,
            duration: None,
            bitrate_bps: None,
        };
        let mut first_configs = Vec::new();
        if let Some((avcc, config)) = &probe.video_config {
            info.video = Some(video_info(config, &probe.metadata));
            let active = probe.active_config.as_ref().unwrap_or(avcc);
            info.reconfigure_video(active);
            first_configs.push(Sample::VideoConfig(active.clone()));
        }
        if let Some((asc, config)) = &probe.audio_config {
            info.audio = Some(AudioInfo::new(config));
            first_configs.push(Sample::AudioConfig(asc.clone()));
        }
        let refused = probe.judge_refusals(notes)?;
        let zero_ms = match probe.zero_ms {
            Some(zero_ms) if !first_configs.is_empty() => zero_ms,
            _ => {
                let nothing = || Error::NoTracks { file_bytes: disk.len() };
                return Err(probe.notes.take_first_reason().unwrap_or_else(nothing));
            }
        };
        claim_duration(disk, zero_ms, &mut info)?;
        if (probe.video && info.video.is_none()) || (probe.audio && info.audio.is_none()) {
            notes.odd("samples without a configuration before them are not sent".to_owned());
        }
        let (announced, config) = probe.video_config.unzip();
        let mut file = Self {
            tags: Tags::default(),
            told_to: 0,
            clock: Clock::default(),
            zero_ms,
            first_configs,
            to_configure: 0,
            video_config: None,
            audio_config: None,
            announced,
            config,
            held: None,
            refused,
            video: Meter::default(),
            audio: Meter::default(),
        };
        file.rewind();
        Ok((file, info))
    }

    pub(crate) fn rewind(&mut self) {
        self.tags = Tags::default();
        self.clock = Clock::default();
        self.to_configure = 0;
        self.held = None;
        self.video.last = None;
        self.audio.last = None;
    }

    pub(crate) fn next<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
        info: &mut Info,
        notes: &mut Notes,
    ) -> Result<Option<Sample>, Error> {
        while let Some(config) = self.first_configs.get(self.to_configure).cloned() {
            self.to_configure = self.to_configure.saturating_add(1);
            if let Some(config) = self.changed(config) {
                return Ok(Some(config));
            }
        }
        if let Some(sample) = self.held.take() {
            return Ok(Some(sample));
        }
        loop {
            // An earlier round told what is wrong up to there.
            let mut told = Notes::default();
            let is_new = self.tags.position() >= self.told_to;
            let notes = if is_new { &mut *notes } else { &mut told };
            let next = self.tags.next(disk, notes)?;
            self.told_to = self.told_to.max(self.tags.position());
            let Some((position, unit)) = next else { return Ok(None) };
            let sample = match unit {
                Unit::File => {
                    self.join(position, notes);
                    None
                }
                Unit::Encrypted(kind) => {
                    self.leave_out(encrypted(kind, position), notes)?;
                    None
                }
                Unit::Tag(tag) => self.read(position, tag, info, notes)?,
            };
            if sample.is_some() {
                return Ok(sample);
            }
        }
    }

    /// What a tag gives, if it gives something.
    fn read(
        &mut self,
        position: u64,
        tag: Tag,
        info: &mut Info,
        notes: &mut Notes,
    ) -> Result<Option<Sample>, Error> {
        let timestamp_ms = tag.timestamp_ms;
        let found = match Found::read(position, tag) {
            Ok(found) => found,
            Err(error) => {
                self.leave_out(error, notes)?;
                return Ok(None);
            }
        };
        Ok(match found {
            found @ (Found::Video { .. } | Found::Audio(_)) => {
                let ms = self.clock.advance(timestamp_ms, position, notes);
                let at = Timestamp::from_millis(ms.saturating_sub(self.zero_ms));
                self.timed(found, at, info)
            }
            found => self.config(found, info),
        })
    }

    /// A codec is told once for each track, everything else each time.
    fn leave_out(&mut self, error: Error, notes: &mut Notes) -> Result<(), Error> {
        if let Error::Codec { track, .. } | Error::Encrypted { track, .. } = &error {
            if self.refused.contains(track) {
                notes.leave_out_another();
                return Ok(());
            }
            self.refused.push(*track);
        }
        notes.leave_out(error)
    }

    /// Another file follows in the same one: it goes on when the one before has ended.
    fn join(&mut self, position: u64, notes: &mut Notes) {
        notes.odd(format!(
            "another FLV file begins at byte {position}: it is played behind the first"
        ));
        let ends = [self.video.end(), self.audio.end()];
        let end = ends.into_iter().flatten().max().unwrap_or_default();
        let end_ms = between(Timestamp::ZERO, end).as_millis().saturating_add(self.zero_ms);
        self.clock.join(end_ms);
    }

    /// A sample, unless there was no configuration for it.
    fn timed(&mut self, found: Found, at: Timestamp, info: &mut Info) -> Option<Sample> {
        let read_to = self.tags.position();
        match found {
            Found::Video { composition_ms, key, data } if self.video_config.is_some() => {
                let dts = self.video.at(at);
                let pts = later(dts, Duration::from_millis(composition_ms.into()));
                let span = info.video.as_mut().map(|video| &mut video.span);
                self.video.count(span, dts, data.len(), read_to);
                let sample = Sample::Video { dts, pts, key, data };
                match self.active_config(&sample).and_then(|config| self.changed(config)) {
                    Some(config) => {
                        self.held = Some(sample);
                        Some(config)
                    }
                    None => Some(sample),
                }
            }
            Found::Audio(data) if self.audio_config.is_some() => {
                let pts = self.audio.at(at);
                let span = info.audio.as_mut().map(|audio| &mut audio.span);
                self.audio.count(span, pts, data.len(), read_to);
                Some(Sample::Audio { pts, data })
            }
            _ => None,
        }
    }

    /// What is to be announced before this picture, where it is a sync sample.
    fn active_config(&self, sample: &Sample) -> Option<Sample> {
        let Sample::Video { key: true, data, .. } = sample else { return None };
        let config = self.config.as_ref()?;
        let active = active_sps::config_for(config, data);
        Some(Sample::VideoConfig(active.or_else(|| self.announced.clone())?))
    }

    /// A configuration, if it changes something.
    fn config(&mut self, found: Found, info: &mut Info) -> Option<Sample> {
        match found {
            Found::VideoConfig(avcc, config) => {
                let without = flv::OnMetaData::default();
                info.video.get_or_insert_with(|| video_info(&config, &without));
                self.config = Some(config);
                if self.announced.replace(avcc.clone()) == Some(avcc.clone()) {
                    // The same again: what its pictures refer to was announced.
                    return None;
                }
                self.changed(Sample::VideoConfig(avcc))
            }
            Found::AudioConfig(asc, config) => {
                info.audio.get_or_insert_with(|| AudioInfo::new(&config));
                self.audio.frame = Some(frame_duration(&config));
                self.changed(Sample::AudioConfig(asc))
            }
            _ => None,
        }
    }

    /// The configuration, if it is not the one that was sent last.
    fn changed(&mut self, config: Sample) -> Option<Sample> {
        let (slot, new) = match &config {
            Sample::VideoConfig(new) => (&mut self.video_config, new),
            Sample::AudioConfig(new) => (&mut self.audio_config, new),
            Sample::Video { .. } | Sample::Audio { .. } => return None,
        };
        if slot.as_ref() == Some(new) {
            return None;
        }
        *slot = Some(new.clone());
        Some(config)
    }
}

fn encrypted(kind: TagKind, position: u64) -> Error {
    let track = if kind == TagKind::Audio { AUDIO } else { VIDEO };
    Error::Encrypted { track, scheme: "FLV tag filter".to_owned(), position }
}

impl Found {
    fn read(position: u64, tag: Tag) -> Result<Self, Error> {
        let invalid = |what: &str, problem: String| Error::Invalid {
            what: what.to_owned(),
            position,
            problem,
        };
        match tag.kind {
            TagKind::Video => match VideoTag::parse(tag.body) {
                Ok(Some(tag)) => Self::of_video(tag, position),
                Ok(None) => Ok(Self::Nothing),
                Err(error) => Err(invalid("video tag", error.to_string())),
            },
            TagKind::Audio => match AudioTag::parse(tag.body) {
                Ok(Some(tag)) => Self::of_audio(tag.body, position),
                Ok(None) => Ok(Self::Nothing),
                Err(error) => Err(invalid("audio tag", error.to_string())),
            },
            // Metadata is for display only: what cannot be read is not there.
            TagKind::Script => Ok(flv::OnMetaData::parse(&tag.body)
                .ok()
                .flatten()
                .map_or(Self::Nothing, Self::Metadata)),
        }
    }

    fn of_video(tag: VideoTag, position: u64) -> Result<Self, Error> {
        let key = matches!(tag.frame_type, FrameType::Key | FrameType::GeneratedKey);
        match tag.body {
            VideoBody::SequenceHeader(avcc) if avcc.is_empty() => Ok(Self::Nothing),
            VideoBody::SequenceHeader(avcc) => match AvcConfig::parse(avcc.clone()) {
                Ok(config) => Ok(Self::VideoConfig(avcc, config)),
                Err(error) => Err(Error::Invalid {
                    what: "avcC in video tag".to_owned(),
                    position,
                    problem: error.to_string(),
                }),
            },
            // DJI marks time with it.
            VideoBody::NalUnits { data, .. } if data.is_empty() => Ok(Self::Nothing),
            VideoBody::NalUnits { composition_time_ms, data } => {
                Ok(Self::Video { composition_ms: composition_time_ms, key, data })
            }
            VideoBody::EndOfSequence | VideoBody::Command => Ok(Self::Nothing),
            VideoBody::Unsupported(codec) => {
                Err(Error::Codec { track: VIDEO, codec: codec.to_string(), position })
            }
        }
    }

    fn of_audio(body: AudioBody, position: u64) -> Result<Self, Error> {
        match body {
            AudioBody::SequenceHeader(asc) if asc.is_empty() => Ok(Self::Nothing),
            AudioBody::SequenceHeader(asc) => match AudioSpecificConfig::parse(&asc) {
                Ok(config) => Ok(Self::AudioConfig(asc, config)),
                Err(aac::Error::ObjectType { actual }) => {
                    let codec = codec_name::of_audio_object_type(actual);
                    Err(Error::Codec { track: AUDIO, codec, position })
                }
                Err(error) => Err(Error::Invalid {
                    what: "configuration in audio tag".to_owned(),
                    position,
                    problem: error.to_string(),
                }),
            },
            AudioBody::Raw(data) if data.is_empty() => Ok(Self::Nothing),
            AudioBody::Raw(data) => Ok(Self::Audio(data)),
            AudioBody::Mp3(_) => {
                Err(Error::Codec { track: AUDIO, codec: "MP3".to_owned(), position })
            }
            AudioBody::Unsupported(codec) => {
                Err(Error::Codec { track: AUDIO, codec: codec.to_string(), position })
            }
        }
    }
}

impl Probe {
    /// Reads until both tracks have shown a sample, or as far as the limit, and over what is
    /// damaged: that is told when it is played.
    fn make<R: Read + Seek>(disk: &mut Disk<R>) -> Result<Self, Error> {
        let mut probe = Self::default();
        let (mut tags, mut clock) = (Tags::default(), Clock::default());
        loop {
            let is_over = tags.position() > Limits::DEFAULT.flv_probe_bytes;
            let has_seen = |track| probe.refusals.iter().any(|(refused, _)| *refused == track);
            let has_both = (probe.video || has_seen(VIDEO)) && (probe.audio || has_seen(AUDIO));
            if has_both || is_over || !probe.read_on(&mut tags, &mut clock, disk)? {
                return Ok(probe);
            }
        }
    }

    /// False at the end of the file.
    fn read_on<R: Read + Seek>(
        &mut self,
        tags: &mut Tags,
        clock: &mut Clock,
        disk: &mut Disk<R>,
    ) -> Result<bool, Error> {
        let Some((position, unit)) = tags.next(disk, &mut self.notes)? else { return Ok(false) };
        let (timestamp_ms, found) = match unit {
            Unit::File => return Ok(true),
            Unit::Encrypted(kind) => (0, Err(encrypted(kind, position))),
            Unit::Tag(tag) => (tag.timestamp_ms, Found::read(position, tag)),
        };
        let found = match found {
            Ok(found) => found,
            Err(error @ (Error::Codec { track, .. } | Error::Encrypted { track, .. })) => {
                if self.refusals.iter().all(|(refused, _)| *refused != track) {
                    self.refusals.push((track, error));
                }
                return Ok(true);
            }
            Err(error) => {
                self.notes.leave_out(error)?;
                return Ok(true);
            }
        };
        if matches!(found, Found::Video { .. } | Found::Audio(_)) {
            let ms = clock.advance(timestamp_ms, position, &mut self.notes);
            self.zero_ms = Some(self.zero_ms.map_or(ms, |zero_ms| zero_ms.min(ms)));
        }
        self.note(found);
        Ok(true)
    }

    /// What is to be said of tracks that cannot be carried: sound is left out, pictures refuse the
    /// file, and so does sound without pictures. Gives the tracks of which it was said.
    fn judge_refusals(&mut self, notes: &mut Notes) -> Result<Vec<TrackName>, Error> {
        let has_video = self.video_config.is_some();
        let mut told = Vec::new();
        for (track, error) in std::mem::take(&mut self.refusals) {
            // One that is carried elsewhere in the file is told of when it is played.
            match track {
                TrackName::Video(_) if has_video => continue,
                TrackName::Audio(_) if self.audio_config.is_some() => continue,
                TrackName::Audio(_) if has_video => notes.leave_out(error)?,
                _ => return Err(error),
            }
            told.push(track);
        }
        Ok(told)
    }

    fn note(&mut self, found: Found) {
        match found {
            Found::VideoConfig(avcc, config) => {
                self.video_config.get_or_insert((avcc, config));
            }
            Found::AudioConfig(asc, config) => {
                self.audio_config.get_or_insert((asc, config));
            }
            Found::Video { key, data, .. } => {
                if let Some((_, config)) = self.video_config.as_ref().filter(|_| key && !self.video)
                {
                    self.active_config = active_sps::config_for(config, &data);
                }
                self.video = true;
            }
            Found::Audio(_) => self.audio = true,
            Found::Metadata(metadata) => self.metadata = metadata,
            Found::Nothing => {}
        }
    }
}

impl Clock {
    /// The next timestamp is at `at_ms`, and those after it count from there.
    fn join(&mut self, at_ms: i64) {
        self.unwrap = UnwrapMs::default();
        self.joins_at_ms = Some(at_ms);
    }

    fn advance(&mut self, timestamp_ms: u32, position: u64, notes: &mut Notes) -> i64 {
        let unwrapped_ms = self.unwrap.unwrap(timestamp_ms);
        if let Some(at_ms) = self.joins_at_ms.take() {
            self.offset_ms = at_ms.saturating_sub(unwrapped_ms);
            self.last_ms = Some(at_ms);
        }
        let mut ms = unwrapped_ms.saturating_add(self.offset_ms);
        let last_ms = *self.last_ms.get_or_insert(ms);
        if ms < last_ms.saturating_sub(RESTART_MS) {
            notes.odd(format!(
                "timestamps start anew at byte {position}: {} ms are added",
                last_ms.saturating_sub(ms)
            ));
            self.offset_ms = self.offset_ms.saturating_add(last_ms.saturating_sub(ms));
            ms = last_ms;
        }
        self.last_ms = Some(ms);
        ms
    }
}

impl Meter {
    /// When the last sample is over.
    fn end(&self) -> Option<Timestamp> {
        self.last.map(|last| later(last, self.frame.unwrap_or(self.interval)))
    }

    /// The timestamp, but never less than the one before it.
    fn at(&mut self, timestamp: Timestamp) -> Timestamp {
        let timestamp = self.last.map_or(timestamp, |last| last.max(timestamp));
        if let Some(last) = self.last.filter(|&last| last < timestamp) {
            self.interval = between(last, timestamp);
        }
        self.last = Some(timestamp);
        timestamp
    }

    /// Adds a sample to what is known of the track, unless an earlier round did.
    fn count(&mut self, span: Option<&mut Span>, at: Timestamp, bytes: usize, read_to: u64) {
        let Some(span) = span.filter(|_| read_to > self.counted_to) else { return };
        self.counted_to = read_to;
        if span.samples == 0 {
            span.start = at;
        }
        span.samples = span.samples.saturating_add(1);
        span.bytes = span.bytes.saturating_add(bytes as u64);
        span.end = later(at, self.frame.unwrap_or(self.interval));
    }
}

/// What its last tag says of a file's duration, where the size behind it leads to a tag.
fn claim_duration<R: Read + Seek>(
    disk: &mut Disk<R>,
    zero_ms: i64,
    info: &mut Info,
) -> Result<(), Error> {
    let Some(last_ms) = tags::last_timestamp_ms(disk)?.map(i64::from) else { return Ok(()) };
    let duration = Duration::from_millis(last_ms.saturating_sub(zero_ms));
    if duration > Duration::ZERO {
        info.bitrate_bps = bitrate_bps(disk.len(), duration);
        info.duration = Some(duration);
    }
    Ok(())
}

fn video_info(config: &AvcConfig, metadata: &flv::OnMetaData) -> VideoInfo {
    let size = (metadata.width.unwrap_or(0), metadata.height.unwrap_or(0));
    VideoInfo::new(config, size, metadata.frame_rate)
}

fn frame_duration(config: &AudioSpecificConfig) -> Duration {
    let ticks = i64::from(config.samples_per_frame).saturating_mul(TICKS_PER_SECOND);
    Duration::from_ticks(ticks.checked_div(config.sample_rate_hz.into()).unwrap_or(0))
}
