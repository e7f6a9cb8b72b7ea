//! The ingest half of a stream: what the publisher sends in, the source rendition and the transcoder's items out.

use std::collections::VecDeque;

use bytes::Bytes;
use flv::{AudioBody, AudioTag, OnMetaData, TagKind, VideoBody, VideoCodec, VideoTag};
use hls::{Grid, GridMode, Step};
use media::{AudioFrame, Duration, Timestamp};

use crate::audio_track::{AudioEvent, AudioTrack};
use crate::event::{IngestOutput, Notice, RenditionEvent, SourceFacts};
use crate::item::{Anchor, AudioChange, Item, Picture};
use crate::keyframes::KeyframeWatch;
use crate::packager::Packager;
use crate::timeline::{Change, Side, Timeline};
use crate::video_track::VideoTrack;
use crate::{Resume, StreamConfig};

/// A source segment is cut at any picture once it lasts this long or holds this many bytes: without an IDR it would
/// grow for ever.
const MAX_SOURCE_SEGMENT: Duration = Duration::from_secs(30);
const MAX_SOURCE_SEGMENT_BYTES: usize = 32 * 1024 * 1024;

/// A segment over its bytes that is shorter than this takes no more samples: cutting it would only make one more.
const LEAST_SOURCE_SEGMENT: Duration = Duration::from_secs(1);

/// Demuxes one publisher's messages, packs the source rendition, and decides where everything is cut.
///
/// After every [`push`](Self::push) and [`finish`](Self::finish), drain [`poll`](Self::poll) to None.
pub struct Ingest {
    grid: Grid,
    timeline: Timeline,
    video: VideoTrack,
    audio: AudioTrack,
    keyframes: KeyframeWatch,
    /// The audio has become another: in force from the next source segment on.
    next_audio: Option<aac::AudioSpecificConfig>,
    /// An audio frame has come.
    audio_begun: bool,
    audio_events: Vec<AudioEvent>,
    packager: Packager,
    facts: SourceFacts,
    facts_due: bool,
    encoder: Option<String>,
    announced_frame_rate: Option<f64>,
    /// The publisher's video is of a codec that is not taken: nothing more of it is.
    refused: bool,
    /// When the newest message came.
    arrival_unix_ms: i64,
    /// The first segment has started.
    started: bool,
    /// Presentation time of the segment's first sample, and end of the newest sample.
    segment_start: Timestamp,
    newest_end: Timestamp,
    segment_bytes: usize,
    /// A first segment is out.
    segments_cut: bool,
    /// Time jumped or parameters changed: the next segment has a new wall-clock anchor.
    reanchor: bool,
    transcode: bool,
    steps: Vec<Step>,
    events: Vec<RenditionEvent>,
    outputs: VecDeque<IngestOutput>,
}

impl Ingest {
    /// A stream of a new publisher; `resume` says what an earlier publisher of the same stream left.
    #[must_use]
    pub fn new(config: &StreamConfig, resume: &Resume) -> Self {
        let mut packager = Packager::new(resume.discontinuity);
        if let Some(mode) = resume.grid {
            packager.set_grid(mode, !mode.own_grid);
        }
        Self {
            grid: Grid::new(config.segment_duration, resume.grid),
            timeline: Timeline::default(),
            video: VideoTrack::default(),
            audio: AudioTrack::default(),
            // A later one than two segment durations does not make one grid.
            keyframes: KeyframeWatch::new(config.segment_duration + config.segment_duration),
            next_audio: None,
            audio_begun: false,
            audio_events: Vec::new(),
            packager,
            facts: SourceFacts::default(),
            facts_due: false,
            encoder: None,
            announced_frame_rate: None,
            refused: false,
            arrival_unix_ms: 0,
            started: false,
            segment_start: Timestamp::ZERO,
            newest_end: Timestamp::ZERO,
            segment_bytes: 0,
            segments_cut: false,
            reanchor: false,
            transcode: !config.renditions.is_empty(),
            steps: Vec::new(),
            events: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one RTMP message (or FLV tag) body, its timestamp, and the wall clock at its arrival in ms since 1970.
    ///
    /// Never fails: what cannot be used becomes a [`Notice`] and is skipped.
    pub fn push(&mut self, kind: TagKind, timestamp_ms: u32, body: Bytes, arrival_unix_ms: i64) {
        if self.refused {
            return;
        }
        self.arrival_unix_ms = arrival_unix_ms;
        if body.is_empty() {
            return self.notice(Notice::Malformed("empty message".to_owned()));
        }
        match kind {
            TagKind::Video => self.video_message(timestamp_ms, body),
            TagKind::Audio => self.audio_message(timestamp_ms, body),
            TagKind::Script => self.script_message(&body),
        }
    }

    /// The publisher is gone: the last segment ends, however short.
    pub fn finish(&mut self) {
        if self.refused {
            return;
        }
        let mut events = Vec::new();
        self.audio.finish(&mut events);
        self.take_audio_events(&mut events);
        self.packager.finish(self.newest_end, &mut self.events);
        self.emit_events();
    }

    /// The next output; None when there is none until the next call.
    pub fn poll(&mut self) -> Option<IngestOutput> {
        self.outputs.pop_front()
    }

    fn script_message(&mut self, body: &[u8]) {
        let metadata = match OnMetaData::parse(body) {
            Ok(Some(metadata)) => metadata,
            Ok(None) => return,
            Err(error) => return self.notice(Notice::Malformed(error.to_string())),
        };
        self.announced_frame_rate = metadata.frame_rate;
        self.encoder = metadata.encoder;
        self.facts_due = true;
    }

    fn video_message(&mut self, timestamp_ms: u32, body: Bytes) {
        match VideoTag::parse(body) {
            Ok(Some(VideoTag { body: VideoBody::SequenceHeader(config), .. })) => {
                self.video_config(config)
            }
            Ok(Some(VideoTag {
                body: VideoBody::NalUnits { composition_time_ms, data }, ..
            })) => {
                let at = self.time(Side::Video, timestamp_ms);
                self.access_unit(at, composition_time_ms, data);
            }
            Ok(Some(VideoTag { body: VideoBody::Unsupported(codec), .. })) => {
                self.unsupported_video(codec);
            }
            Ok(_) => {}
            Err(error) => self.notice(Notice::Malformed(error.to_string())),
        }
    }

    /// A publisher of another codec is to be told so. Behind H.264 it is a stray message: what plays goes on.
    fn unsupported_video(&mut self, codec: VideoCodec) {
        if self.video.sps().is_some() {
            return self.notice(Notice::UnsupportedCodec(codec.to_string()));
        }
        self.refused = true;
        self.outputs.push_back(IngestOutput::Refused(codec));
    }

    fn audio_message(&mut self, timestamp_ms: u32, body: Bytes) {
        let mut events = std::mem::take(&mut self.audio_events);
        match AudioTag::parse(body).map(|tag| tag.map(|tag| tag.body)) {
            Ok(Some(AudioBody::SequenceHeader(config))) => {
                self.audio.configure(&config, &mut events);
            }
            Ok(Some(AudioBody::Raw(data))) => {
                let at = self.time(Side::Audio, timestamp_ms);
                self.audio.aac(at, data, &mut events);
            }
            Ok(Some(AudioBody::Mp3(data))) => {
                let at = self.time(Side::Audio, timestamp_ms);
                self.audio.mp3(at, &data, &mut events);
            }
            Ok(Some(AudioBody::Unsupported(codec))) => {
                self.audio.refuse(codec.to_string(), &mut events);
            }
            Ok(None) => {}
            Err(error) => self.notice(Notice::Malformed(error.to_string())),
        }
        self.take_audio_events(&mut events);
        self.audio_events = events;
    }

    fn take_audio_events(&mut self, events: &mut Vec<AudioEvent>) {
        for event in events.drain(..) {
            match event {
                AudioEvent::Config(config) => self.audio_config(config),
                AudioEvent::Refined(config) => self.refine_audio(config),
                AudioEvent::Frame(frame, span) => self.audio_frame(frame, span),
                AudioEvent::Notice(notice) => self.notice(notice),
            }
        }
    }

    /// The stream time of a message; a jump ends the segment at the next random access picture.
    fn time(&mut self, side: Side, timestamp_ms: u32) -> Timestamp {
        let (at, change) = self.timeline.map(side, timestamp_ms);
        match change {
            Some(Change::Jump(by)) => {
                self.notice(Notice::TimestampJump(by));
                self.break_segment();
            }
            Some(Change::Joined(by)) => self.notice(Notice::TracksApart(by)),
            None => {}
        }
        at
    }

    /// What follows does not continue what was: the next segment starts at the next random access picture.
    fn break_segment(&mut self) {
        if self.started {
            self.reanchor = true;
            self.grid.cut_at_next_random_access();
        }
    }

    fn video_config(&mut self, sequence_header: Bytes) {
        match self.video.configure(sequence_header) {
            Ok(changed) => self.video_config_changed(changed),
            Err(notice) => self.notice(notice),
        }
    }

    fn video_config_changed(&mut self, changed: bool) {
        if !changed {
            return;
        }
        if self.video.has_run() {
            self.break_segment();
        }
        if let Some(track) = self.video.packager_track() {
            self.packager.set_video(track);
        }
        if let Some(why) = self.video.undecodable() {
            self.notice(Notice::Undecodable(why.to_owned()));
            self.transcode(Item::Undecodable);
        } else if let Some(config) = self.video.config() {
            self.transcode(Item::Video(config));
        }
        self.facts_due = true;
    }

    /// The first audio there is begins where it begins; what replaces other audio begins with a segment.
    fn audio_config(&mut self, config: aac::AudioSpecificConfig) {
        if self.audio_begun {
            self.next_audio = Some(config);
        } else {
            self.set_audio(config, Timestamp::ZERO);
        }
        // Which tracks there are is open until the first cut.
        if self.audio_begun || self.segments_cut {
            self.break_segment();
            self.grid.cut_at_next_random_access_or_audio();
        }
        self.facts_due = true;
    }

    fn refine_audio(&mut self, config: aac::AudioSpecificConfig) {
        if self.next_audio.is_some() {
            self.next_audio = Some(config);
        } else {
            self.set_audio(config, Timestamp::ZERO);
        }
        self.facts_due = true;
    }

    fn set_audio(&mut self, config: aac::AudioSpecificConfig, from: Timestamp) {
        let change = AudioChange { config, from };
        self.packager.set_audio(&change);
        self.transcode(Item::Audio(change));
    }

    fn access_unit(&mut self, at: Timestamp, composition_time_ms: i32, data: Bytes) {
        let read = self.video.access_unit(at, composition_time_ms, data, self.announced_frame_rate);
        let empty = self.video.take_empty_nal_units();
        if empty > 0 {
            self.notice(Notice::EmptyNalUnits(empty));
        }
        let changed = self.video.take_changed();
        self.video_config_changed(changed);
        match read {
            Ok(Some(picture)) => {
                self.watch_keyframes(&picture);
                if self.video.begins_with(&picture) {
                    self.picture(picture);
                } else if self.video.misses_keyframe() {
                    self.notice(Notice::NoKeyframeYet);
                }
            }
            Ok(None) => {}
            Err(notice) => self.notice(notice),
        }
    }

    fn watch_keyframes(&mut self, picture: &Picture) {
        let known = self.keyframes.note(picture.unit.dts, picture.unit.random_access);
        self.outputs.extend(known.map(IngestOutput::Keyframes));
    }

    fn picture(&mut self, picture: Picture) {
        let pts = picture.unit.pts;
        self.update_facts();
        self.begin_video(pts);
        self.video.run(&picture);
        self.grid.picture(pts, picture.cut_point, &mut self.steps);
        self.limit_source_segment(pts);
        self.take_steps(picture.unit.random_access);
        if !self.segment_takes(pts, picture.unit.nal_units.held_bytes()) {
            return;
        }
        self.newest_end = self.newest_end.max(pts + picture.interval);
        self.packager.picture(picture.unit.clone());
        if self.video.undecodable().is_none() {
            self.transcode(Item::Picture(picture));
        }
    }

    /// Whether the segment has room for a sample; one over its bytes within a second is no stream anybody can watch.
    fn segment_takes(&mut self, pts: Timestamp, bytes: usize) -> bool {
        let takes = self.segment_bytes + bytes <= MAX_SOURCE_SEGMENT_BYTES
            || pts - self.segment_start >= LEAST_SOURCE_SEGMENT;
        if takes {
            self.segment_bytes += bytes;
        } else {
            let limit = MAX_SOURCE_SEGMENT_BYTES;
            self.notice(Notice::Malformed(format!("more than {limit} bytes in a second")));
        }
        takes
    }

    /// A segment that no IDR ends is ended here, at any sample.
    fn limit_source_segment(&mut self, pts: Timestamp) {
        let length = pts - self.segment_start;
        let too_large =
            self.segment_bytes > MAX_SOURCE_SEGMENT_BYTES && length >= LEAST_SOURCE_SEGMENT;
        let too_long = length > MAX_SOURCE_SEGMENT || too_large;
        if too_long && !self.steps.iter().any(|step| matches!(step, Step::CutSource { .. })) {
            self.notice(Notice::NoKeyframe);
            self.steps.push(Step::CutSource { at: pts });
        }
    }

    fn audio_frame(&mut self, frame: AudioFrame, span: Duration) {
        let pts = frame.pts;
        self.audio_begun = true;
        self.update_facts();
        if !self.started {
            self.started = true;
            self.segment_start = pts;
            self.packager.start_at(Anchor { at: pts, unix_ms: self.arrival_unix_ms });
        }
        if self.video.is_silent_at(pts) {
            self.grid.audio(pts, &mut self.steps);
            self.newest_end = self.newest_end.max(pts + span);
        }
        self.limit_source_segment(pts);
        self.take_steps(!self.video.has_run());
        // No decoder takes two kinds of sound in one segment: what is not of its kind is left out of it.
        if self.next_audio.is_some() || !self.segment_takes(pts, frame.data.len()) {
            return;
        }
        self.packager.audio(frame.clone());
        self.transcode(Item::AudioFrame(frame));
    }

    /// With its first picture the video begins the stream, or joins audio that has been playing alone.
    fn begin_video(&mut self, pts: Timestamp) {
        if self.video.has_run() {
            return;
        }
        if self.started && self.segments_cut {
            return self.break_segment();
        }
        self.started = true;
        self.segment_start = pts;
        self.grid.forget_start();
        let anchor = Anchor { at: pts, unix_ms: self.arrival_unix_ms };
        self.packager.start_at(anchor);
        self.transcode(Item::Anchor(anchor));
    }

    fn anchor(&mut self, at: Timestamp) {
        let anchor = Anchor { at, unix_ms: self.arrival_unix_ms };
        self.packager.set_anchor(anchor);
        self.transcode(Item::Anchor(anchor));
    }

    /// Does what the grid asks for before the next sample.
    fn take_steps(&mut self, random_access: bool) {
        let mut steps = std::mem::take(&mut self.steps);
        for step in steps.drain(..) {
            self.take_step(step, random_access);
        }
        self.steps = steps;
    }

    fn take_step(&mut self, step: Step, random_access: bool) {
        match step {
            Step::Mark { at } => self.transcode(Item::Mark(at)),
            Step::Mode(mode) => self.set_mode(mode),
            Step::CutLadder { at } => self.transcode(Item::Cut(at)),
            Step::CutSource { at } => {
                if std::mem::take(&mut self.reanchor) {
                    self.anchor(at);
                }
                if !random_access {
                    self.packager.set_dependent();
                }
                if let Some(config) = self.next_audio.take() {
                    self.set_audio(config, at);
                }
                self.segment_start = at;
                self.segment_bytes = 0;
                self.segments_cut = true;
                self.packager.cut(at, &mut self.events);
                self.emit_events();
            }
        }
    }

    fn set_mode(&mut self, mode: GridMode) {
        if mode.own_grid {
            self.notice(Notice::LongKeyframeInterval);
        }
        self.packager.set_grid(mode, !mode.own_grid);
        self.transcode(Item::Grid(mode));
        self.outputs.push_back(IngestOutput::Grid(mode));
    }

    fn emit_events(&mut self) {
        self.outputs.extend(self.events.drain(..).map(IngestOutput::Source));
    }

    fn transcode(&mut self, item: Item) {
        if self.transcode {
            self.outputs.push_back(IngestOutput::Transcode(item));
        }
    }

    fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(IngestOutput::Notice(notice));
    }

    /// Tells the facts anew with the first sample behind a change: metadata and both sequence headers come one by one.
    fn update_facts(&mut self) {
        if !std::mem::take(&mut self.facts_due) {
            return;
        }
        let facts = self.current_facts();
        if facts != self.facts {
            self.facts = facts.clone();
            self.outputs.push_back(IngestOutput::Facts(facts));
        }
    }

    fn current_facts(&self) -> SourceFacts {
        let sps = self.video.sps();
        let audio = self.audio.config();
        let codecs = sps
            .map(h264::Sps::codec_string)
            .into_iter()
            .chain(audio.map(|audio| audio.codec_string()));
        SourceFacts {
            codecs: codecs.collect::<Vec<_>>().join(","),
            size: sps.map(|sps| (sps.width, sps.height)),
            frame_rate: self.video.frame_rate().or(self.announced_frame_rate),
            sample_rate_hz: audio.map(aac::AudioSpecificConfig::output_sample_rate_hz),
            channels: audio.map(|audio| audio.channels),
            encoder: self.encoder.clone(),
            undecodable: self.video.undecodable().map(str::to_owned),
        }
    }
}
