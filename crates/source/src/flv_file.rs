//! FLV files (FLV 10.1 annex E).

use std::io::{Read, Seek};

use aac::AudioSpecificConfig;
use bytes::Bytes;
use flv::{AudioBody, AudioTag, FileReader, FrameType, Tag, TagKind, VideoBody, VideoTag};
use h264::AvcConfig;
use media::{Duration, TICKS_PER_SECOND, Timestamp, UnwrapMs};

use crate::codec_name;
use crate::disk::Disk;
use crate::info::bitrate_bps;
use crate::time::{between, later};
use crate::warnings::Warnings;
use crate::{AudioInfo, Container, Error, Info, Limits, Sample, Span, TrackName, VideoInfo};

const FILE_HEADER_BYTES: usize = 9;
const TAG_HEADER_BYTES: usize = 11;
const SIZE_BYTES: usize = 4;
/// `Filter` (FLV 10.1 E.4.1): the tag is encrypted.
const FILTER: u8 = 0x20;
/// Timestamps that go back by more are another recording behind the first: they go on from there.
const RESTART_MS: i64 = 1000;

const VIDEO: TrackName = TrackName::Video(None);
const AUDIO: TrackName = TrackName::Audio(None);

/// An FLV file being played. It has no index, so what is wrong with it comes up on the way.
#[derive(Debug)]
pub(crate) struct FlvFile {
    tags: Tags,
    clock: Clock,
    /// Timestamp of the first sample, as in the file.
    zero_ms: i64,
    /// The configurations at the start, which go before everything.
    first_configs: Vec<Sample>,
    to_configure: usize,
    /// What was sent last.
    video_config: Option<Bytes>,
    audio_config: Option<Bytes>,
    video: Meter,
    audio: Meter,
}

/// Reads one tag after the other, so that each has its place.
#[derive(Debug, Default)]
struct Tags {
    reader: FileReader,
    /// Of the next tag.
    position: u64,
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
    metadata: flv::OnMetaData,
}

impl FlvFile {
    pub(crate) fn open<R: Read + Seek>(
        disk: &mut Disk<R>,
        warnings: &mut Warnings,
    ) -> Result<(Self, Info), Error> {
        let probe = Probe::make(disk)?;
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
            first_configs.push(Sample::VideoConfig(avcc.clone()));
        }
        if let Some((asc, config)) = &probe.audio_config {
            info.audio = Some(AudioInfo::new(config));
            first_configs.push(Sample::AudioConfig(asc.clone()));
        }
        let zero_ms = match probe.zero_ms {
            Some(zero_ms) if !first_configs.is_empty() => zero_ms,
            _ => return Err(Error::NoTracks { file_bytes: disk.len() }),
        };
        claim_duration(disk, zero_ms, &mut info)?;
        if (probe.video && info.video.is_none()) || (probe.audio && info.audio.is_none()) {
            warnings.add("samples without a configuration before them are not sent".to_owned());
        }
        let mut file = Self {
            tags: Tags::default(),
            clock: Clock::default(),
            zero_ms,
            first_configs,
            to_configure: 0,
            video_config: None,
            audio_config: None,
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
        self.video.last = None;
        self.audio.last = None;
    }

    pub(crate) fn next<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
        info: &mut Info,
        warnings: &mut Warnings,
    ) -> Result<Option<Sample>, Error> {
        while let Some(config) = self.first_configs.get(self.to_configure).cloned() {
            self.to_configure = self.to_configure.saturating_add(1);
            if let Some(config) = self.changed(config) {
                return Ok(Some(config));
            }
        }
        while let Some((position, tag)) = self.tags.next(disk)? {
            let timestamp_ms = tag.timestamp_ms;
            let sample = match Found::read(position, tag)? {
                found @ (Found::Video { .. } | Found::Audio(_)) => {
                    let ms = self.clock.advance(timestamp_ms, position, warnings);
                    let at = Timestamp::from_millis(ms.saturating_sub(self.zero_ms));
                    self.timed(found, at, info)
                }
                found => self.config(found, info),
            };
            if sample.is_some() {
                return Ok(sample);
            }
        }
        Ok(None)
    }

    /// A sample, unless there was no configuration for it.
    fn timed(&mut self, found: Found, at: Timestamp, info: &mut Info) -> Option<Sample> {
        let read_to = self.tags.position;
        match found {
            Found::Video { composition_ms, key, data } if self.video_config.is_some() => {
                let dts = self.video.at(at);
                let pts = later(dts, Duration::from_millis(composition_ms.into()));
                let span = info.video.as_mut().map(|video| &mut video.span);
                self.video.count(span, dts, data.len(), read_to);
                Some(Sample::Video { dts, pts, key, data })
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

    /// A configuration, if it changes something.
    fn config(&mut self, found: Found, info: &mut Info) -> Option<Sample> {
        match found {
            Found::VideoConfig(avcc, config) => {
                let without = flv::OnMetaData::default();
                info.video.get_or_insert_with(|| video_info(&config, &without));
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

impl Tags {
    /// The next tag and where it is; `None` at the end of the file.
    fn next<R: Read + Seek>(&mut self, disk: &mut Disk<R>) -> Result<Option<(u64, Tag)>, Error> {
        if self.position == 0 {
            self.read_file_header(disk)?;
        }
        while self.position < disk.len() {
            let position = self.position;
            if let Some(tag) = self.read_tag(disk)? {
                return Ok(Some((position, tag)));
            }
        }
        Ok(None)
    }

    fn read_file_header<R: Read + Seek>(&mut self, disk: &mut Disk<R>) -> Result<(), Error> {
        let header = disk.array::<FILE_HEADER_BYTES>(0, "FLV header")?;
        self.push(&header, "FLV header", 0)?;
        let [_, _, _, _, _, a, b, c, d] = header;
        // The reader has just checked that it is not long, and wants to see it all.
        let tags = u64::from(u32::from_be_bytes([a, b, c, d])).saturating_add(SIZE_BYTES as u64);
        for _ in FILE_HEADER_BYTES as u64..tags {
            self.reader.push(&[0]);
        }
        self.position = tags;
        Ok(())
    }

    /// `None` for a tag of a kind that the reader skips.
    fn read_tag<R: Read + Seek>(&mut self, disk: &mut Disk<R>) -> Result<Option<Tag>, Error> {
        let position = self.position;
        let header = disk.array::<TAG_HEADER_BYTES>(position, "FLV tag header")?;
        let [kind, a, b, c, ..] = header;
        if kind & FILTER != 0 {
            return Err(encrypted(kind & !FILTER, position));
        }
        let without_body = self.push(&header, "FLV tag", position)?;
        let size = u32::from_be_bytes([0, a, b, c]);
        let start = position.saturating_add(TAG_HEADER_BYTES as u64);
        let body = disk.bytes(start, size, || "FLV tag".to_owned())?;
        let tag = match without_body {
            Some(tag) => Some(tag),
            None => self.push(&body, "FLV tag", position)?,
        };
        // The size of the tag, again. Many writers get it wrong, and it is often missing at the end.
        self.reader.push(&[0; SIZE_BYTES]);
        self.position = start.saturating_add(size.into()).saturating_add(SIZE_BYTES as u64);
        Ok(tag)
    }

    fn push(&mut self, bytes: &[u8], what: &str, position: u64) -> Result<Option<Tag>, Error> {
        self.reader.push(bytes);
        self.reader.next_tag().map_err(|error| Error::Invalid {
            what: what.to_owned(),
            position,
            problem: error.to_string(),
        })
    }
}

fn encrypted(kind: u8, position: u64) -> Error {
    let track = if TagKind::from_id(kind) == Some(TagKind::Audio) { AUDIO } else { VIDEO };
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
    /// Reads until both tracks have shown a sample, or as far as the limit. A file that breaks off behind its first
    /// samples is played up to there.
    fn make<R: Read + Seek>(disk: &mut Disk<R>) -> Result<Self, Error> {
        let mut probe = Self::default();
        let (mut tags, mut clock) = (Tags::default(), Clock::default());
        loop {
            let is_over = tags.position > Limits::DEFAULT.flv_probe_bytes;
            if (probe.video && probe.audio) || is_over {
                return Ok(probe);
            }
            match probe.read_on(&mut tags, &mut clock, disk) {
                Ok(true) => {}
                Ok(false) => return Ok(probe),
                Err(error @ (Error::Codec { .. } | Error::Encrypted { .. })) => return Err(error),
                Err(_) if probe.zero_ms.is_some() => return Ok(probe),
                Err(error) => return Err(error),
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
        let Some((position, tag)) = tags.next(disk)? else { return Ok(false) };
        let timestamp_ms = tag.timestamp_ms;
        let found = Found::read(position, tag)?;
        if matches!(found, Found::Video { .. } | Found::Audio(_)) {
            let ms = clock.advance(timestamp_ms, position, &mut Warnings::default());
            self.zero_ms = Some(self.zero_ms.map_or(ms, |zero_ms| zero_ms.min(ms)));
        }
        self.note(found);
        Ok(true)
    }

    fn note(&mut self, found: Found) {
        match found {
            Found::VideoConfig(avcc, config) => {
                self.video_config.get_or_insert((avcc, config));
            }
            Found::AudioConfig(asc, config) => {
                self.audio_config.get_or_insert((asc, config));
            }
            Found::Video { .. } => self.video = true,
            Found::Audio(_) => self.audio = true,
            Found::Metadata(metadata) => self.metadata = metadata,
            Found::Nothing => {}
        }
    }
}

impl Clock {
    fn advance(&mut self, timestamp_ms: u32, position: u64, warnings: &mut Warnings) -> i64 {
        let mut ms = self.unwrap.unwrap(timestamp_ms).saturating_add(self.offset_ms);
        let last_ms = *self.last_ms.get_or_insert(ms);
        if ms < last_ms.saturating_sub(RESTART_MS) {
            warnings.add(format!(
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
    let Some(at_size) = disk.len().checked_sub(SIZE_BYTES as u64) else { return Ok(()) };
    let size = u32::from_be_bytes(disk.array(at_size, "tag size")?);
    let Some(start) = at_size.checked_sub(size.into()) else { return Ok(()) };
    if (size as usize) < TAG_HEADER_BYTES {
        return Ok(());
    }
    let [kind, a, b, c, t1, t2, t3, t0, ..] =
        disk.array::<TAG_HEADER_BYTES>(start, "FLV tag header")?;
    let body = u32::from_be_bytes([0, a, b, c]);
    if TagKind::from_id(kind).is_none()
        || (body as usize).saturating_add(TAG_HEADER_BYTES) != size as usize
    {
        return Ok(());
    }
    let last_ms = i64::from(u32::from_be_bytes([t0, t1, t2, t3]));
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
