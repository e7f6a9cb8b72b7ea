//! The ingest half of a stream: what the publisher sends in, the source rendition and the
//! transcoder's items out.

use std::collections::VecDeque;
use std::sync::Arc;

use aac::AudioSpecificConfig;
use bytes::Bytes;
use flv::{AudioBody, AudioTag, OnMetaData, TagKind, VideoBody, VideoCodec, VideoTag};
use hls::{Cut, CutPoint, Grid, GridMode, GridState, Span, Step};
use media::{AudioFrame, Duration, Timestamp};

use crate::StreamConfig;
use crate::access_units::Stamp;
use crate::audio_track::{AudioEvent, AudioTrack};
use crate::decode_budget::{Admission, DecodeBudget};
use crate::event::{AudioRefusal, IngestOutput, Notice, SourceFacts, StayRefusal};
use crate::keyframes::KeyframeWatch;
use crate::live_budget::LiveBudget;
use crate::message_error::{MessageError, SkippedMessage};
use crate::package::Package;
use crate::pause::{Flow, Pauses, TrackMessage, is_sequence_header};
use crate::picture::{Picture, VideoConfig};
use crate::rates::{Sent, SourceMeter};
use crate::rendition_set::RenditionSet;
use crate::short_spans::ShortSpans;
use crate::sound_queue::{SoundQueue, Taken};
use crate::source_segment::{
    Cost, EndedSpan, FollowedBy, Item, LadderCut, SAMPLE_COST, Sound, SourceSegment, SpanStart,
    cost, decoding_begins, is_too_much_preroll,
};
use crate::timeline::{Change, Side, Timeline};
use crate::tracks::{StreamTracks, Tracks};
use crate::ts_writer::{max_frame_bytes, max_picture_bytes};
use crate::video_track::{VideoEvent, VideoTrack, decoder_bytes};
use crate::written_sets::WrittenSets;

/// A source segment is cut at any picture once it lasts this long or would be larger than this:
/// without an IDR it would grow for ever. What counts is the larger of what it takes as a transport
/// stream and what it takes here.
const MAX_SOURCE_SEGMENT: Duration = Duration::from_secs(30);
const MAX_SOURCE_SEGMENT_BYTES: usize = 32 * 1024 * 1024;

/// A segment over its bytes that is shorter than this takes no more samples: cutting it would only
/// make one more.
const LEAST_SOURCE_SEGMENT: Duration = Duration::from_secs(1);

/// Sound waits so long for pictures of which nobody has told, and so long for those that metadata
/// or a sequence header tell of: then it plays without.
const WAIT_FOR_PICTURES: Duration = Duration::from_secs(3);
const WAIT_FOR_ANNOUNCED_PICTURES: Duration = Duration::from_secs(5);

/// Behind a slate the playlists have stood still already: whichever track comes first waits so long
/// for the other.
const WAIT_BEHIND_SLATE: Duration = Duration::from_secs(1);

/// Sound may come this much later than the pictures of its time: it is waited for, and never
/// replaced.
const MAX_LATE_SOUND: Duration = Duration::from_secs(1);

/// Pictures are decoded at least so far apart.
const TICK: Duration = Duration::from_ticks(1);

/// What the sound is that only the metadata tells of: AAC-LC in stereo, of 44.1 kHz (ISO/IEC
/// 14496-3 1.6.2.1).
const ANNOUNCED_SOUND: [u8; 2] = [0x12, 0x10];

/// Where a publisher's stay is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has begun: no picture that a decoder can start with has come, and not enough sound
    /// to be sure that none will.
    Waiting,
    /// The publisher is heard again behind a slate that stood in for it, perhaps in the middle of
    /// what the slate has cut in two.
    Resuming,
    /// No picture has come. Sound plays, with a still picture where the stream has a video track;
    /// the first picture takes that one's place behind a discontinuity.
    SoundOnly,
    /// Pictures have begun.
    Running,
    /// Pictures have begun, and no decoder here can make renditions of what they are now: they play
    /// as source only.
    VideoRefused,
    /// There is no publisher: what stands in for its tracks goes on.
    Slate,
    /// Nothing of the publisher is taken any more: it is gone, or its video is of a codec that
    /// nobody here can carry.
    Ended,
}

/// Demuxes one publisher's messages, packs the source rendition, and decides where everything is
/// cut.
///
/// After every [`push`](Self::push) and [`finish`](Self::finish), drain [`poll`](Self::poll) to
/// None.
pub struct Ingest {
    phase: Phase,
    grid: Grid,
    pauses: Pauses,
    timeline: Timeline,
    video: VideoTrack,
    audio: AudioTrack,
    keyframes: KeyframeWatch,
    segment_duration: Duration,
    short_spans: ShortSpans,
    /// What the frames that come now are; None before the first.
    audio_config: Option<Arc<AudioSpecificConfig>>,
    /// The audio has become another: in force from the next source span on.
    next_audio: Option<Arc<AudioSpecificConfig>>,
    source: RunningSource,
    ladder: RunningLadder,
    budget: DecodeBudget,
    live_budget: LiveBudget,
    tracks: StreamTracks,
    /// The publisher has been told that these are left out.
    left_out: Tracks,
    /// The first sound that was left out.
    left_out_since: Option<Timestamp>,
    /// Where the pictures were when the newest sound came, and where that ended.
    newest_sound: Option<(Timestamp, Timestamp)>,
    /// Decoding time of the newest picture.
    newest_picture: Option<Timestamp>,
    /// Decoding time of the newest picture, or of a later one that stands in for others.
    decoded: Option<Timestamp>,
    /// Decoding time of the picture being taken, while spans end in front of it.
    taking: Option<Timestamp>,
    /// Where the first span of the stay began.
    began: Option<Timestamp>,
    facts: SourceFacts,
    facts_due: bool,
    encoder: Option<String>,
    announced_frame_rate: Option<f64>,
    /// The tracks that the metadata tells of.
    announced: Tracks,
    headers: Headers,
    /// Decoding time of the first picture behind a slate that no decoder can start with.
    mid_gop_since: Option<Timestamp>,
    message: Message,
    /// The wall clock when the first sound came that still waits for pictures.
    sound_began_unix_ms: i64,
    /// End of the newest sample, as far as it may end the stream.
    newest_end: Timestamp,
    outputs: VecDeque<IngestOutput>,
}

/// The message being taken.
#[derive(Clone, Copy, Debug)]
struct Message {
    track: TagKind,
    timestamp_ms: u32,
    arrival_unix_ms: i64,
}

/// The newest messages that say what the others are: a publisher sends them once.
#[derive(Clone, Debug, Default)]
struct Headers {
    metadata: Option<Bytes>,
    video: Option<Bytes>,
    audio: Option<Bytes>,
}

/// What the source's running span holds.
#[derive(Debug, Default)]
struct RunningSource {
    span: Option<Cut>,
    pictures: Vec<Picture>,
    sound: SoundQueue,
    /// What its segment will take, at most.
    bytes: usize,
    /// The parameter sets that its pictures have brought.
    sets: WrittenSets,
    /// Decoding time of the newest picture of the spans that have ended.
    packaged: Option<Timestamp>,
    gop: Gop,
}

/// Whether the pictures that come can be decoded in the source, behind those that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Gop {
    /// None has come: the first one is one to start with.
    #[default]
    Begun,
    /// The newest picture is an IDR that may be repeated: what follows refers to nothing else.
    AtIdr,
    /// Pictures refer to others than the newest IDR.
    Running,
    /// An IDR was repeated in the middle of them: what follows cannot be decoded, up to the next
    /// picture that a decoder can start with.
    Broken,
}

/// What the ladder's running span holds, and what it takes to start a decoder in the middle of it.
#[derive(Debug, Default)]
struct RunningLadder {
    span: Option<Cut>,
    /// In decoding order; some may belong to the next span.
    pictures: Vec<Picture>,
    sound: SoundQueue,
    /// A picture of the publisher has come.
    has_begun: bool,
    /// Decoding time of the newest picture that stood in for the publisher's first.
    packaged: Option<Timestamp>,
    /// Parameters of the newest picture of the spans before.
    video: Option<Arc<VideoConfig>>,
    /// The renditions for which pictures go to the transcoder.
    live: RenditionSet,
    /// The renditions that are to be live from the next cut on.
    wanted: RenditionSet,
    /// There are renditions that may be made.
    is_configured: bool,
    /// The newest pictures, in decoding order, from one on that a decoder can start with; none
    /// where they are too many.
    recent: Vec<Picture>,
    /// What all of them cost.
    recent_cost: Cost,
    /// Presentation time of the picture being taken, where it is an IDR.
    next_start: Option<Timestamp>,
    /// Time from one picture to the next, as measured up to the newest.
    interval: Duration,
    /// What the publisher sends, measured up to the newest span.
    meter: SourceMeter,
}

impl Ingest {
    /// The stay of a new publisher; `state` says where the stream's earlier publisher left the
    /// grid, and `tracks` what the playlists announce.
    #[must_use]
    pub fn new(config: &StreamConfig, state: GridState, tracks: StreamTracks) -> Self {
        let mut sound = SoundQueue::default();
        sound.remember_bitrate(tracks.audio_bps.clone());
        Self {
            phase: Phase::Waiting,
            grid: Grid::new(config.segment_duration, state),
            pauses: Pauses::default(),
            timeline: Timeline::default(),
            video: VideoTrack::default(),
            audio: AudioTrack::default(),
            // A later one than two segment durations does not make one grid.
            keyframes: KeyframeWatch::new(config.segment_duration + config.segment_duration),
            segment_duration: config.segment_duration,
            short_spans: ShortSpans::new(config.segment_duration),
            audio_config: None,
            next_audio: None,
            source: RunningSource::default(),
            ladder: RunningLadder {
                is_configured: !config.renditions.is_empty(),
                interval: Duration::from_millis(40),
                sound,
                meter: SourceMeter::expecting(tracks.rates),
                ..RunningLadder::default()
            },
            budget: DecodeBudget::new(),
            live_budget: LiveBudget::new(),
            tracks,
            left_out: Tracks::default(),
            left_out_since: None,
            newest_sound: None,
            newest_picture: None,
            decoded: None,
            taking: None,
            began: None,
            facts: SourceFacts::default(),
            facts_due: false,
            encoder: None,
            announced_frame_rate: None,
            announced: Tracks::default(),
            headers: Headers::default(),
            mid_gop_since: None,
            message: Message { track: TagKind::Script, timestamp_ms: 0, arrival_unix_ms: 0 },
            sound_began_unix_ms: 0,
            newest_end: Timestamp::ZERO,
            outputs: VecDeque::new(),
        }
    }

    /// The renditions that are to be made as pictures come, from the next cut of the ladder on.
    pub fn set_wanted(&mut self, wanted: RenditionSet) {
        let joining = wanted.minus(self.ladder.wanted).minus(self.ladder.live);
        self.ladder.wanted = wanted;
        // Where others are live there is a decoder at work already: they need not begin anew.
        if !joining.is_empty() && !self.ladder.live.is_empty() {
            self.outputs.push_back(IngestOutput::Transcode(Item::Expect(joining)));
        }
    }

    /// Takes one RTMP message (or FLV tag) body, its timestamp, and the wall clock at its arrival
    /// in ms since 1970.
    ///
    /// Never fails: what cannot be used becomes a [`Notice`] and is skipped.
    pub fn push(&mut self, kind: TagKind, timestamp_ms: u32, body: Bytes, arrival_unix_ms: i64) {
        if self.phase == Phase::Ended {
            // A stay that pauses goes on with what it is told meanwhile.
            if kind == TagKind::Script && matches!(OnMetaData::parse(&body), Ok(Some(_))) {
                self.headers.metadata = Some(body);
            }
            return;
        }
        self.message = Message { track: kind, timestamp_ms, arrival_unix_ms };
        if body.is_empty() {
            return self.skip(MessageError::Empty);
        }
        if kind == TagKind::Script {
            return self.script_message(&body);
        }
        self.pauses.push(TrackMessage { track: kind, timestamp_ms, body, arrival_unix_ms });
        self.take_messages();
        self.refuse_short_spans();
    }

    /// The publisher is gone: the last segments end, however short.
    pub fn finish(&mut self) {
        if self.phase == Phase::Ended {
            return;
        }
        self.pauses.finish();
        self.take_messages();
        if self.phase == Phase::Ended {
            return;
        }
        self.video.finish();
        self.take_video_events();
        self.audio.finish();
        self.take_audio_events();
        if let Phase::Waiting | Phase::Resuming = self.phase {
            self.begin_sound_only();
        }
        self.leave_tracks();
        self.grid.finish(self.newest_end);
        self.take_steps();
        self.phase = Phase::Ended;
    }

    /// Nothing comes of the publisher, though it is connected: its stay pauses for a
    /// [`Slate`](crate::Slate), and the running segments end as with
    /// [`finish`](Self::finish). Behind the slate it goes on by [`resume`](Self::resume); what is
    /// pushed to this one is not taken any more.
    ///
    /// False where no slate can stand in: the stay goes on as if nothing had been asked.
    #[must_use]
    pub fn pause(&mut self) -> bool {
        if self.phase == Phase::Ended || self.grid.mode().is_none() {
            return false;
        }
        self.leave_tracks();
        if !self.tracks.can_be_stood_in_for() {
            return false;
        }
        self.finish();
        self.outputs.push_back(IngestOutput::Tracks(self.tracks.clone()));
        true
    }

    /// The stay of a paused publisher of which something comes again: on the grid that the slate
    /// left in `state`, and in a time that goes on where the slate has ended by `tracks`.
    ///
    /// Nothing is taken over but what the publisher says once, its metadata and sequence headers:
    /// to viewers it has come back. But it may be in the middle of a GOP. Pictures that refer to
    /// some in front of the slate cannot be decoded behind it: as long as no other comes, sound
    /// goes on with a still picture.
    #[must_use]
    pub fn resume(&self, config: &StreamConfig, state: GridState, tracks: StreamTracks) -> Self {
        let timeline = Timeline::beginning_at(tracks.ended_at);
        let facts = self.facts.clone();
        let live_budget = self.live_budget.clone();
        let mut resumed = Self { timeline, facts, live_budget, ..Self::new(config, state, tracks) };
        let Headers { metadata, video, audio } = self.headers.clone();
        let headers =
            [(TagKind::Script, metadata), (TagKind::Video, video), (TagKind::Audio, audio)];
        for (kind, body) in headers {
            if let Some(body) = body {
                // They say no time.
                resumed.push(kind, 0, body, 0);
            }
        }
        if resumed.phase == Phase::Waiting {
            resumed.phase = Phase::Resuming;
        }
        resumed
    }

    /// The next output; None when there is none until the next call.
    pub fn poll(&mut self) -> Option<IngestOutput> {
        self.outputs.pop_front()
    }

    /// What it keeps of what was pushed until it comes out, is needed for what comes, or is said
    /// again behind a pause: in bytes, with what each sample costs besides. What two places keep
    /// counts twice.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let Headers { metadata, video, audio } = &self.headers;
        let headers = [metadata, video, audio].into_iter().flatten();
        let still = self.tracks.still.iter().map(|still| cost(still).bytes);
        self.pauses.held_bytes()
            + self.video.held_bytes()
            + self.source.held_bytes()
            + self.ladder.held_bytes()
            + headers.map(|body| SAMPLE_COST + body.len()).sum::<usize>()
            + still.sum::<usize>()
    }

    /// There is no publisher, and nothing is pushed: what stands in for its tracks has gone on up
    /// to `at`, where the running span ends if its time is up. `unix_ms` is the wall clock then.
    pub(crate) fn stand_in(&mut self, at: Timestamp, unix_ms: i64) {
        self.phase = Phase::Slate;
        self.newest_end = self.newest_end.max(at);
        self.tracks.ended_at = self.newest_end;
        self.grid.audio(at, unix_ms);
        self.take_steps();
    }

    /// What a slate begins with.
    fn leave_tracks(&mut self) {
        let heard = self.newest_sound.map_or(self.newest_end, |(_, heard)| heard);
        if self.grid.has_started() {
            self.tracks.ended_at = self.newest_end.max(heard);
        }
    }

    /// Takes the messages of both tracks, with the time that was lost where one paused.
    fn take_messages(&mut self) {
        while let Some(flow) = self.pauses.poll() {
            // Several messages that waited may come at once, behind one that is refused.
            if self.phase == Phase::Ended {
                return;
            }
            match flow {
                Flow::Message(TrackMessage { track, timestamp_ms, body, arrival_unix_ms }) => {
                    self.message = Message { track, timestamp_ms, arrival_unix_ms };
                    match track {
                        TagKind::Video => self.video_message(body),
                        _ => self.audio_message(body),
                    }
                }
                Flow::Moved(by) => self.notice(Notice::TracksApart(by)),
            }
        }
    }

    fn script_message(&mut self, body: &Bytes) {
        match OnMetaData::parse(body) {
            Ok(Some(metadata)) => {
                self.headers.metadata = Some(body.clone());
                self.announced_frame_rate = metadata.frame_rate;
                self.announced = Tracks {
                    video: metadata.width.is_some() || metadata.video_data_rate_kbps.is_some(),
                    audio: metadata.audio_sample_rate_hz.is_some()
                        || metadata.audio_data_rate_kbps.is_some(),
                };
                let kbps = metadata.audio_data_rate_kbps.filter(|kbps| *kbps > 0.0);
                self.ladder.sound.announce_bitrate(kbps.map(|kbps| (kbps * 1000.0) as u32));
                self.encoder = metadata.encoder;
                self.facts_due = true;
            }
            Ok(None) => {}
            Err(error) => self.skip(error.into()),
        }
    }

    fn video_message(&mut self, body: Bytes) {
        // Before its stamp may be told to have jumped: what came is of the time before.
        self.video.end_before(self.message.timestamp_ms);
        self.take_video_events();
        let header = is_sequence_header(TagKind::Video, &body).then(|| body.clone());
        match VideoTag::parse(body) {
            Ok(Some(VideoTag { body: VideoBody::SequenceHeader(config), .. })) => {
                self.headers.video = header;
                self.video.configure(config);
            }
            Ok(Some(VideoTag {
                body: VideoBody::NalUnits { composition_time_ms, data }, ..
            })) => {
                let stamp = Stamp {
                    message_ms: self.message.timestamp_ms,
                    at: self.time(Side::Video),
                    composition_time: Duration::from_millis(composition_time_ms.into()),
                    arrival_unix_ms: self.message.arrival_unix_ms,
                };
                self.video.push(stamp, data, self.announced_frame_rate);
            }
            Ok(Some(VideoTag { body: VideoBody::Unsupported(codec), .. })) => {
                self.unsupported_video(codec);
            }
            Ok(_) => {}
            Err(error) => self.skip(error.into()),
        }
        self.take_video_events();
    }

    fn take_video_events(&mut self) {
        let message = self.message;
        while let Some(event) = self.video.poll() {
            match event {
                VideoEvent::Config => self.video_config_changed(),
                VideoEvent::Picture(picture, stamp) => {
                    // The one that it came with may be an earlier one.
                    self.message = Message {
                        track: TagKind::Video,
                        timestamp_ms: stamp.message_ms,
                        arrival_unix_ms: stamp.arrival_unix_ms,
                    };
                    self.picture(*picture);
                    self.message = message;
                }
                VideoEvent::EmptyNalUnits(count) => self.notice(Notice::EmptyNalUnits(count)),
                VideoEvent::Skipped(why) => self.skip(why),
            }
        }
    }

    /// A publisher of another codec is to be told so. Behind H.264 it is a stray message: what
    /// plays goes on.
    fn unsupported_video(&mut self, codec: VideoCodec) {
        if self.video.sps().is_some() {
            return self.notice(Notice::UnsupportedCodec(codec));
        }
        // Where sound has begun to play, its segments end as with any stay.
        if self.phase != Phase::Waiting {
            self.finish();
        }
        self.phase = Phase::Ended;
        self.outputs.push_back(IngestOutput::Refused(StayRefusal::VideoCodec(codec)));
    }

    /// Ends a stay whose segments have become too short, as if it had ended here.
    fn refuse_short_spans(&mut self) {
        if self.phase == Phase::Ended || !self.short_spans.are_too_many() {
            return;
        }
        self.finish();
        self.outputs.push_back(IngestOutput::Refused(StayRefusal::ShortSegments));
    }

    fn audio_message(&mut self, body: Bytes) {
        let header = is_sequence_header(TagKind::Audio, &body).then(|| body.clone());
        match AudioTag::parse(body).map(|tag| tag.map(|tag| tag.body)) {
            Ok(Some(AudioBody::SequenceHeader(config))) => {
                self.headers.audio = header;
                self.audio.configure(&config);
            }
            Ok(Some(AudioBody::Raw(data))) => {
                let at = self.sound_time();
                self.audio.aac(at, data);
            }
            Ok(Some(AudioBody::Mp3(data))) => {
                let at = self.sound_time();
                self.audio.mp3(at, &data);
            }
            Ok(Some(AudioBody::Unsupported(codec))) => {
                self.audio.refuse(AudioRefusal::Codec(codec));
            }
            Ok(None) => {}
            Err(error) => self.skip(error.into()),
        }
        self.take_audio_events();
    }

    fn take_audio_events(&mut self) {
        while let Some(event) = self.audio.poll() {
            match event {
                AudioEvent::Config(config) => self.another_audio(config),
                AudioEvent::Refined(config) => self.refine_audio(config),
                AudioEvent::Frame(frame, span) => self.audio_frame(frame, span),
                AudioEvent::Refused(why) => self.notice(Notice::UnsupportedAudio(why)),
                AudioEvent::Skipped(why) => self.skip(why),
                AudioEvent::Damaged(frames) => self.notice(Notice::DamagedAudio(frames)),
            }
        }
    }

    fn sound_time(&mut self) -> Timestamp {
        let at = self.time(Side::Audio);
        self.video.sound(at);
        self.take_video_events();
        at
    }

    /// The stream time of the message; a jump ends the segment at the next random access picture.
    fn time(&mut self, side: Side) -> Timestamp {
        let (at, change) = self.timeline.map(side, self.message.timestamp_ms);
        match change {
            Some(Change::Jump(by)) => {
                self.notice(Notice::TimestampJump(by));
                self.grid.break_at_next_random_access();
            }
            Some(Change::Joined(by)) => self.notice(Notice::TracksApart(by)),
            None => {}
        }
        at
    }

    fn video_config_changed(&mut self) {
        let refusal = self.video.refusal();
        if let Phase::Running | Phase::VideoRefused = self.phase {
            self.grid.break_at_next_random_access();
        }
        if let Some(refusal) = refusal {
            self.notice(Notice::Undecodable(refusal));
        }
        self.facts_due = true;
    }

    /// The first audio there is begins where it begins, and goes on where silence of its kind has
    /// stood in for it; what replaces other audio begins with a segment.
    fn another_audio(&mut self, config: AudioSpecificConfig) {
        self.facts_due = true;
        if self.tracks.decided.is_some_and(|tracks| !tracks.audio) {
            return;
        }
        let config = Arc::new(config);
        let is_first = self.audio_config.is_none();
        let goes_on = |kind: &Arc<AudioSpecificConfig>| is_first && kind.has_core_of(&config);
        if self.source.sound.kind().is_none_or(goes_on) {
            self.configure_sound(&config, Timestamp::ZERO);
        } else {
            self.next_audio = Some(Arc::clone(&config));
            self.grid.break_at_next_random_access_or_audio();
        }
        self.tracks.audio = Some(Arc::clone(&config));
        self.audio_config = Some(config);
    }

    fn refine_audio(&mut self, config: AudioSpecificConfig) {
        self.facts_due = true;
        if self.audio_config.is_none() {
            return;
        }
        let config = Arc::new(config);
        if self.next_audio.is_some() {
            self.next_audio = Some(Arc::clone(&config));
        } else {
            self.configure_sound(&config, Timestamp::ZERO);
        }
        self.tracks.audio = Some(Arc::clone(&config));
        self.audio_config = Some(config);
    }

    fn configure_sound(&mut self, config: &Arc<AudioSpecificConfig>, from: Timestamp) {
        self.source.sound.configure(config, from);
        self.ladder.sound.configure(config, from);
    }

    fn picture(&mut self, mut picture: Picture) {
        let keyframes = self.keyframes.note(picture.unit.dts, picture.unit.random_access);
        self.outputs.extend(keyframes.map(IngestOutput::Keyframes));
        if self.leaves_out(TagKind::Video) {
            return self.silence_goes_on(picture.unit.dts, picture.interval);
        }
        if let Some(decoded) = self.decoded {
            picture.decode_at(picture.unit.dts.max(decoded + TICK));
        }
        let pts = picture.unit.pts;
        let has_begun = matches!(self.phase, Phase::Running | Phase::VideoRefused);
        // One that is shown before the running span of sound can begin no span, and that one has no
        // track for it.
        let is_late = self.source.span.is_some_and(|cut| pts <= cut.at);
        if !has_begun && (picture.cut_point.is_none() || is_late) {
            self.still_goes_on_mid_gop(&picture);
            if self.video.misses_keyframe() {
                self.notice(Notice::NoKeyframeYet);
            }
            return;
        }
        self.update_facts();
        self.go_on_with_video(&picture);
        self.video.run(&picture);
        self.newest_picture = self.newest_picture.max(Some(picture.unit.dts));
        let arrival = self.message.arrival_unix_ms;
        self.grid.picture(pts, picture.unit.dts, picture.cut_point, arrival);
        self.ladder.next_start = picture.unit.random_access.then_some(pts);
        self.taking = Some(picture.unit.dts);
        self.take_steps();
        let mut bytes = self.source.cost(&picture);
        if self.limit_source_segment(pts, bytes) {
            // It begins a segment, and brings along what that needs.
            bytes = self.source.cost(&picture);
        }
        if let Some(dts) = self.taking.take() {
            picture.decode_at(dts);
        }
        self.decoded = self.decoded.max(Some(picture.unit.dts));
        self.ladder.next_start = None;
        picture.may_begin_segment = self.grid.may_begin_ladder_span(pts);
        if !self.segment_takes(bytes) {
            return;
        }
        self.source.sets.write(&picture.unit, &picture.config);
        self.newest_end = self.newest_end.max(picture.unit.pts + picture.interval);
        if picture.unit.random_access {
            self.tracks.still = Some(picture.clone());
        }
        if self.source.gop.goes_on_with(&picture) {
            self.source.pictures.push(picture.clone());
        } else {
            self.notice(Notice::PictureBehindStill);
        }
        if picture.config.refusal.is_none() && !self.ladder_takes(&mut picture) {
            return;
        }
        self.ladder.take(&picture);
        if picture.config.refusal.is_none() && !self.ladder.live.is_empty() {
            self.outputs.push_back(IngestOutput::Transcode(Item::Picture(picture)));
        }
    }

    /// Whether the ladder is made of the picture: more than a decoder may be made to do is left
    /// out.
    fn ladder_takes(&mut self, picture: &mut Picture) -> bool {
        let admission = self.budget.judge(picture);
        if admission == Admission::FirstLeftOut {
            self.notice(Notice::TooMuchToDecode);
        }
        if admission != Admission::Passes && !picture.disposable {
            // What follows cannot be decoded from what there was.
            self.ladder.recent.clear();
        }
        admission == Admission::Passes
    }

    /// The picture says whether the video is decoded from here on. With the first one it begins the
    /// stream, or joins audio that has been playing alone.
    fn go_on_with_video(&mut self, picture: &Picture) {
        match self.phase {
            Phase::Waiting | Phase::Resuming => {
                self.source.sound.drop_before(picture.unit.pts);
                self.ladder.sound.drop_before(picture.unit.pts);
            }
            Phase::SoundOnly => self.grid.break_at_next_random_access(),
            Phase::Running | Phase::VideoRefused => {}
            Phase::Slate | Phase::Ended => return,
        }
        // The track may be ahead of its picture, which waits for the message that shows it to be
        // whole: where that is a sequence header, the track has the parameters of the next one.
        let is_refused = picture.config.refusal.is_some();
        self.phase = if is_refused { Phase::VideoRefused } else { Phase::Running };
    }

    /// Whether the segment has room for a sample that takes so many bytes; one over its bytes
    /// within a second is no stream anybody can watch.
    fn segment_takes(&mut self, bytes: usize) -> bool {
        let takes = self.source.bytes + bytes <= MAX_SOURCE_SEGMENT_BYTES;
        if takes {
            self.source.bytes += bytes;
        } else {
            self.skip(MessageError::SegmentFull { limit: MAX_SOURCE_SEGMENT_BYTES });
        }
        takes
    }

    /// A segment that no IDR ends is ended here, at any sample: the next one takes so many bytes.
    /// Whether it was.
    fn limit_source_segment(&mut self, pts: Timestamp, bytes: usize) -> bool {
        let Some(start) = self.source.span.map(|cut| cut.at) else { return false };
        let length = pts - start;
        let is_full = self.source.bytes + bytes > MAX_SOURCE_SEGMENT_BYTES;
        let is_ended = length > MAX_SOURCE_SEGMENT || is_full && length >= LEAST_SOURCE_SEGMENT;
        if is_ended {
            self.notice(Notice::NoKeyframe);
            self.grid.cut_here(pts, self.message.arrival_unix_ms);
            self.take_steps();
        }
        is_ended
    }

    fn audio_frame(&mut self, frame: AudioFrame, span: Duration) {
        let pts = frame.pts;
        if self.leaves_out(TagKind::Audio) {
            return self.still_goes_on(pts, span);
        }
        let Some(config) = self.audio_config.clone() else { return };
        self.update_facts();
        self.newest_sound = Some((self.newest_picture.unwrap_or(pts), pts + span));
        let have_stopped = self.video.has_stopped_at(pts);
        if let Phase::Waiting | Phase::Resuming = self.phase {
            self.sound_before_pictures(frame, &config, span);
            return;
        }
        if have_stopped || self.phase == Phase::SoundOnly {
            self.grid.audio(pts, self.message.arrival_unix_ms);
            self.newest_end = self.newest_end.max(pts + span);
            self.take_steps();
        }
        let bytes = max_frame_bytes(&frame).max(SAMPLE_COST + frame.data.len());
        self.limit_source_segment(pts, bytes);
        if self.segment_takes(bytes) {
            // The spans of source and ladder may end apart: what comes too late for one of them is
            // in the other.
            let in_ladder = self.ladder.take_sound(&frame, &config);
            let in_source = self.source.sound.push(frame, &config);
            if [in_ladder, in_source].contains(&Taken::TooLate) {
                self.notice(Notice::SoundTooLate);
            }
        }
    }

    /// A picture that is left out tells the time of a stream of sound alone whose publisher sends
    /// none.
    fn silence_goes_on(&mut self, at: Timestamp, interval: Duration) {
        if self.newest_sound.is_none() {
            self.phase = Phase::SoundOnly;
            self.newest_end = self.newest_end.max(at + interval);
            self.grid.audio(at, self.message.arrival_unix_ms);
            self.take_steps();
        }
    }

    /// Sound that is left out tells the time of a stream of pictures alone while there are none.
    fn still_goes_on(&mut self, at: Timestamp, span: Duration) {
        let waited = at + span - *self.left_out_since.get_or_insert(at);
        let have_stopped = self.video.has_stopped_at(at);
        match self.phase {
            Phase::Waiting if waited >= WAIT_FOR_PICTURES => self.phase = Phase::SoundOnly,
            Phase::Resuming if waited >= WAIT_BEHIND_SLATE => self.phase = Phase::SoundOnly,
            Phase::SoundOnly => {}
            Phase::Running | Phase::VideoRefused if have_stopped => {}
            _ => return,
        }
        self.newest_end = self.newest_end.max(at + span);
        self.grid.audio(at, self.message.arrival_unix_ms);
        self.take_steps();
    }

    /// A picture that refers to some in front of the slate: the slate's goes on in its place. Sound
    /// begins to play at once, and where none comes these pictures tell the time.
    fn still_goes_on_mid_gop(&mut self, picture: &Picture) {
        if self.phase == Phase::Resuming {
            self.mid_gop_since = Some(picture.unit.dts);
            self.begin_sound_only();
            self.phase = Phase::SoundOnly;
        }
        let Some(since) = self.mid_gop_since.filter(|_| self.newest_sound.is_none()) else {
            return;
        };
        let has_sound = self.tracks.decided.is_none_or(|tracks| tracks.audio);
        let wait = if has_sound { WAIT_BEHIND_SLATE } else { Duration::ZERO };
        let at = picture.unit.dts;
        if at - since >= wait {
            self.newest_end = self.newest_end.max(at + picture.interval);
            self.grid.audio(at, self.message.arrival_unix_ms);
            self.take_steps();
        }
    }

    /// Whether the track is left out, as the playlists do not announce it; says so once.
    fn leaves_out(&mut self, track: TagKind) -> bool {
        let Some(tracks) = self.tracks.decided else { return false };
        let (is_announced, is_told) = match track {
            TagKind::Video => (tracks.video, &mut self.left_out.video),
            TagKind::Audio => (tracks.audio, &mut self.left_out.audio),
            TagKind::Script => return false,
        };
        if !is_announced && !std::mem::replace(is_told, true) {
            self.notice(Notice::TrackLeftOut(track));
        }
        !is_announced
    }

    /// Sound waits for pictures, at least as long as a segment would be; then it plays alone.
    fn sound_before_pictures(
        &mut self,
        frame: AudioFrame,
        config: &Arc<AudioSpecificConfig>,
        span: Duration,
    ) {
        let end = frame.pts + span;
        self.newest_end = self.newest_end.max(end);
        if self.source.sound.waiting().next().is_none() {
            self.sound_began_unix_ms = self.message.arrival_unix_ms;
        }
        self.ladder.take_sound(&frame, config);
        self.source.sound.push(frame, config);
        let began = self.source.sound.waiting().next();
        let are_announced = self.announced.video || self.video.config().is_some();
        let wait = match self.phase {
            Phase::Resuming => match self.tracks.decided {
                Some(Tracks { video: false, .. }) => Duration::ZERO,
                _ => WAIT_BEHIND_SLATE,
            },
            _ if are_announced => WAIT_FOR_ANNOUNCED_PICTURES.max(self.segment_duration),
            _ => WAIT_FOR_PICTURES.max(self.segment_duration),
        };
        if began.is_some_and(|began| end - began >= wait) {
            self.begin_sound_only();
        }
    }

    /// No picture has come with the sound that waits: it begins the stream.
    fn begin_sound_only(&mut self) {
        let times: Vec<Timestamp> = self.source.sound.waiting().collect();
        let Some(&first) = times.first() else { return };
        self.phase = Phase::SoundOnly;
        self.grid.start(first, self.sound_began_unix_ms);
        self.take_steps();
        // More than a segment may have waited: its end is where a frame begins.
        for at in times {
            self.grid.audio(at, self.message.arrival_unix_ms);
            self.take_steps();
        }
    }

    /// Does what the grid asks for before the next sample.
    fn take_steps(&mut self) {
        while let Some(step) = self.grid.poll() {
            match step {
                Step::Mode(mode) => self.mode_decided(mode),
                Step::CutSource(cut) => self.cut_source(cut),
                Step::CutLadder(cut) => self.cut_ladder(cut),
                Step::End(end) => {
                    // Sound may go on a little behind the pictures.
                    self.end_source_span(end, Timestamp::MAX);
                    self.end_ladder(end);
                    self.outputs.push_back(IngestOutput::Grid(self.grid.state()));
                }
            }
        }
    }

    fn mode_decided(&mut self, mode: GridMode) {
        if mode.own_grid {
            self.notice(Notice::LongKeyframeInterval);
        }
        self.outputs.push_back(IngestOutput::Grid(self.grid.state()));
    }

    fn cut_source(&mut self, cut: Cut) {
        // The numbers of what follows are used as soon as somebody sees them.
        self.outputs.push_back(IngestOutput::Grid(self.grid.state()));
        self.end_source_span(cut.at, cut.at);
        if let Some(config) = self.next_audio.take() {
            self.configure_sound(&config, cut.at);
        }
        self.source.sound.begin_span(cut.at);
        self.began.get_or_insert(cut.at);
        self.source.span = Some(cut);
        self.source.bytes = 0;
        self.source.sets = WrittenSets::default();
    }

    fn end_source_span(&mut self, end: Timestamp, sound_end: Timestamp) {
        let Some(cut) = self.source.span.take().filter(|cut| cut.at < end) else { return };
        let span = cut.span_to(end);
        self.short_spans.push(end - cut.at);
        let tracks = self.decide_tracks();
        let silent_to = self.silent_to(end, sound_end);
        let mut pictures = std::mem::take(&mut self.source.pictures);
        if tracks.video
            && pictures.is_empty()
            && let Some(still) = self.still(cut.at, self.source.packaged)
        {
            self.source.gop = self.source.gop.repeated();
            let once_more = self.once_more(&still, cut.at, end);
            pictures.push(still);
            pictures.extend(once_more);
        }
        self.source.packaged = pictures.last().map(|it| it.unit.dts).or(self.source.packaged);
        let sound = self.source.sound.end_span(sound_end, silent_to);
        let video = self.video.config().filter(|_| tracks.video);
        let sound = sound.filter(|_| tracks.audio);
        let pictures = pictures.into_iter().map(|picture| (picture.unit, picture.config));
        let package = Package::new(span, video, pictures, sound.as_ref());
        self.outputs.push_back(IngestOutput::Tracks(self.tracks.clone()));
        self.outputs.push_back(IngestOutput::Source(package));
    }

    /// The stream's tracks: decided when its first span ends, for as long as its playlists live.
    /// Those that samples or sequence headers have come of; and sound that the metadata tells of.
    fn decide_tracks(&mut self) -> Tracks {
        let tracks = self.tracks.decided.unwrap_or_else(|| {
            let video = self.video.config();
            // It is made here where there is none: a later publisher may bring nothing to make it
            // of.
            let has_still = self.tracks.still(video.as_deref()).is_some();
            let has_video = has_still || matches!(self.phase, Phase::Running | Phase::VideoRefused);
            let has_sound = self.source.sound.kind().is_some() || self.announced_sound().is_some();
            Tracks { video: has_video, audio: has_sound }
        });
        if self.tracks.decided.replace(tracks).is_none() {
            self.outputs.push_back(IngestOutput::Tracks(self.tracks.clone()));
        }
        if tracks.audio
            && self.source.sound.kind().is_none()
            && let Some(kind) = self.announced_sound()
        {
            // Until there is sound, silence is of this kind.
            self.tracks.audio = Some(Arc::clone(&kind));
            self.configure_sound(&kind, Timestamp::ZERO);
        }
        tracks
    }

    /// What the sound will be of which no frame has come: as the publisher announces it, else as
    /// the one before it sent it.
    fn announced_sound(&self) -> Option<Arc<AudioSpecificConfig>> {
        let is_told = self.announced.audio && !self.audio.is_refused();
        let told = || AudioSpecificConfig::parse(&ANNOUNCED_SOUND).ok().filter(|_| is_told);
        let announced = self.audio.announced_config().cloned();
        announced
            .map(Arc::new)
            .or_else(|| self.tracks.audio.clone())
            .or_else(|| told().map(Arc::new))
    }

    /// Up to where there will be no more sound in front of the end of a span. Sound that only comes
    /// later than the pictures, as it has always done or for a second at most, is waited for.
    fn silent_to(&self, end: Timestamp, sound_end: Timestamp) -> Option<Timestamp> {
        // The last span, or the last of this kind of sound, or nobody is there to send some.
        if sound_end > end || self.next_audio.is_some() || self.phase == Phase::Slate {
            return Some(end);
        }
        let began = self.began.unwrap_or(end);
        let (pictures, sound) = self.newest_sound.unwrap_or((began, began));
        let late = (pictures - sound).max(Duration::ZERO);
        // Sound comes with the pictures that are decoded then: the one that ends the span may be
        // shown much later.
        let now = self.newest_picture.unwrap_or(end);
        (now - pictures > MAX_LATE_SOUND).then(|| now - MAX_LATE_SOUND - late)
    }

    /// The newest IDR once more, or black, for a span from `start` that has no picture: decoded
    /// behind what is `packaged`, and in front of the picture being taken. Where there is no room
    /// between the two, the one being taken is decoded later.
    fn still(&mut self, start: Timestamp, packaged: Option<Timestamp>) -> Option<Picture> {
        let config = self.video.config();
        let mut still = self.tracks.still(config.as_deref())?;
        let before_next = self.taking.map_or(start, |next| start.min(next - TICK));
        let dts = packaged.map_or(before_next, |packaged| before_next.max(packaged + TICK));
        self.taking = self.taking.map(|next| next.max(dts + TICK));
        self.decoded = self.decoded.max(Some(dts));
        still.unit.pts = start;
        still.decode_at(dts);
        Some(still)
    }

    /// A slate's picture, half its span later. Players take a segment's last picture to last as
    /// long as the one before, and a lone one for a thirtieth of a second: they stand still for the
    /// rest.
    fn once_more(&mut self, still: &Picture, start: Timestamp, end: Timestamp) -> Option<Picture> {
        if self.phase != Phase::Slate {
            return None;
        }
        let half = start + Duration::from_ticks((end - start).ticks() / 2);
        let mut again = still.clone();
        again.unit.pts = half;
        again.decode_at(half.max(still.unit.dts + TICK));
        self.decoded = self.decoded.max(Some(again.unit.dts));
        Some(again)
    }

    fn cut_ladder(&mut self, cut: Cut) {
        if !self.ladder.is_configured {
            return;
        }
        let followed_by =
            if cut.discontinuity { FollowedBy::Discontinuity } else { FollowedBy::Next };
        let ended = self.end_ladder_span(cut.at, cut.at, followed_by);
        if let Some(ended) = &ended
            && !self.ladder.live.is_empty()
        {
            self.live_budget.spend(ended.span.duration);
        }
        self.ladder.sound.begin_span(cut.at);
        self.ladder.span = Some(cut);
        // Until it is decided how the stream is cut, nobody knows where this span ends.
        let is_decided = self.grid.mode().is_some();
        let is_running = self.phase == Phase::Running;
        let may_be_live =
            is_decided && is_running && self.live_budget.allows(self.message.arrival_unix_ms);
        let wanted = if may_be_live { self.ladder.wanted } else { RenditionSet::EMPTY };
        let (live, preroll) = self.ladder.go_live(wanted, cut);
        let rates = self.ladder.meter.rates();
        let begins = Some(SpanStart { cut, live, rates, preroll });
        let pictures_stopped = self.message.track == TagKind::Audio;
        let cut = LadderCut { ended, begins, pictures_stopped };
        self.outputs.push_back(IngestOutput::Grid(self.grid.state()));
        self.outputs.push_back(IngestOutput::Transcode(Item::Cut(cut)));
    }

    fn end_ladder(&mut self, end: Timestamp) {
        if !self.ladder.is_configured {
            return;
        }
        let ended = self.end_ladder_span(end, Timestamp::MAX, FollowedBy::End);
        self.ladder.live = RenditionSet::EMPTY;
        let cut = LadderCut { ended, begins: None, pictures_stopped: true };
        self.outputs.push_back(IngestOutput::Transcode(Item::Cut(cut)));
    }

    fn end_ladder_span(
        &mut self,
        end: Timestamp,
        sound_end: Timestamp,
        followed_by: FollowedBy,
    ) -> Option<Arc<EndedSpan>> {
        let cut = self.ladder.span.take().filter(|cut| cut.at < end)?;
        let tracks = self.decide_tracks();
        let silent_to = self.silent_to(end, sound_end);
        let mut stills = Vec::new();
        if tracks.video && !self.ladder.has_begun {
            stills.extend(self.still(cut.at, self.ladder.packaged));
            let once_more =
                stills.first().cloned().and_then(|still| self.once_more(&still, cut.at, end));
            stills.extend(once_more);
            self.ladder.packaged = stills.last().map(|it| it.unit.dts).or(self.ladder.packaged);
        }
        let sound = self.ladder.sound.end_span(sound_end, silent_to);
        let sound = sound.filter(|_| tracks.audio);
        self.tracks.audio_bps =
            sound.as_ref().and_then(|sound| Some((Arc::clone(&sound.config), sound.bitrate_bps?)));
        let span = cut.span_to(end);
        let segment = self.ladder.end_span(span, tracks, sound, stills, followed_by);
        self.tracks.rates = self.ladder.meter.rates();
        let ended = Arc::clone(&segment.ended);
        self.outputs.push_back(IngestOutput::Segment(segment));
        Some(ended)
    }

    fn skip(&mut self, why: MessageError) {
        let Message { track, timestamp_ms, .. } = self.message;
        self.notice(Notice::Skipped(SkippedMessage { track, timestamp_ms, why }));
    }

    fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(IngestOutput::Notice(notice));
    }

    /// Tells the facts anew with the first sample behind a change: metadata and both sequence
    /// headers come one by one.
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
            sample_rate_hz: audio.map(AudioSpecificConfig::output_sample_rate_hz),
            channels: audio.map(|audio| audio.channels),
            encoder: self.encoder.clone(),
            decoder_bytes: sps.map_or(0, decoder_bytes),
            undecodable: self.video.refusal(),
        }
    }
}

impl Gop {
    /// Whether the next picture of the publisher can be decoded behind what the source has.
    fn goes_on_with(&mut self, picture: &Picture) -> bool {
        *self = match self {
            _ if picture.unit.random_access => Self::AtIdr,
            Self::Broken if picture.cut_point.is_none() => Self::Broken,
            _ => Self::Running,
        };
        *self != Self::Broken
    }

    /// The newest IDR has been repeated.
    fn repeated(self) -> Self {
        match self {
            Self::Begun | Self::AtIdr => self,
            Self::Running | Self::Broken => Self::Broken,
        }
    }
}

impl RunningSource {
    fn held_bytes(&self) -> usize {
        let pictures = self.pictures.iter().map(|picture| cost(picture).bytes);
        pictures.sum::<usize>() + self.sound.held_bytes()
    }

    /// What the picture takes in the segment, at most.
    fn cost(&self, picture: &Picture) -> usize {
        let sets = self.sets.missing(&picture.unit, &picture.config);
        let held = SAMPLE_COST + picture.unit.nal_units.held_bytes();
        max_picture_bytes(&picture.unit, &sets).max(held)
    }
}

impl RunningLadder {
    fn held_bytes(&self) -> usize {
        let pictures = self.pictures.iter().chain(&self.recent).map(|picture| cost(picture).bytes);
        pictures.sum::<usize>() + self.sound.held_bytes()
    }

    /// Notes a frame of sound.
    fn take_sound(&mut self, frame: &AudioFrame, config: &Arc<AudioSpecificConfig>) -> Taken {
        if !self.is_configured {
            return Taken::Queued;
        }
        self.sound.push(frame.clone(), config)
    }

    /// Notes a picture of the stream.
    fn take(&mut self, picture: &Picture) {
        if !self.is_configured {
            return;
        }
        self.has_begun = true;
        self.interval = picture.interval;
        self.pictures.push(picture.clone());
        if picture.config.refusal.is_some() {
            // No decoder gets over it: what follows cannot be decoded from what there was.
            return self.recent.clear();
        }
        match picture.cut_point {
            Some(CutPoint::Idr) => self.recent.clear(),
            // One refresh more is kept: see `decoding_begins`.
            Some(CutPoint::RecoveryPoint) => {
                let last = self.recent.iter().rposition(|it| it.cut_point.is_some());
                self.recent.drain(..last.unwrap_or(0));
            }
            None if self.recent.is_empty() => return,
            None => {}
        }
        self.recent.push(picture.clone());
        self.recent_cost = match self.recent.len() {
            1 => cost(picture),
            _ if picture.cut_point.is_some() => self.recent.iter().map(cost).sum(),
            _ => self.recent_cost + cost(picture),
        };
        if is_too_much_preroll(self.recent.len(), self.recent_cost) {
            self.recent.clear();
        }
    }

    /// The renditions of those wanted that can be live from the cut on, and the pictures that a
    /// decoder has to be given for it. Who has nothing to begin with stays asleep until there
    /// is something: it would only show black.
    fn go_live(&mut self, wanted: RenditionSet, cut: Cut) -> (RenditionSet, Vec<Picture>) {
        let is_running = !self.live.is_empty();
        if is_running || wanted.is_empty() {
            self.live = wanted;
            return (wanted, Vec::new());
        }
        let begins_itself = self.next_start.is_some_and(|next| next <= cut.at + hls::TOLERANCE);
        let span = cut.span_to(cut.at);
        let start = decoding_begins(self.recent.iter(), &span);
        self.live = if begins_itself || start.is_some() { wanted } else { RenditionSet::EMPTY };
        let preroll = match start {
            Some(start) if !begins_itself => self.recent[start..].to_vec(),
            _ => Vec::new(),
        };
        (self.live, preroll)
    }

    /// What the span holds that ends; where no picture of the publisher has come yet, what stands
    /// in for them.
    fn end_span(
        &mut self,
        span: Span,
        tracks: Tracks,
        sound: Option<Sound>,
        stills: Vec<Picture>,
        followed_by: FollowedBy,
    ) -> SourceSegment {
        let end = span.end();
        let mut pictures = std::mem::take(&mut self.pictures);
        if let Some(later) = pictures.iter().position(|picture| picture.unit.dts >= end) {
            self.pictures = pictures.split_off(later);
        }
        let picture_count = pictures.len();
        let before = self.meter.rates();
        let frames = sound.iter().flat_map(|sound| &sound.frames);
        // A span without pictures says nothing of what they need.
        if !pictures.is_empty() {
            let bytes = |picture: &Picture| picture.unit.nal_units.payload_bytes() as u64;
            self.meter.push(Sent {
                video_bytes: pictures.iter().map(bytes).sum(),
                audio_bytes: frames.map(|frame| frame.data.len() as u64).sum(),
                duration: span.duration,
            });
        }
        if pictures.is_empty() {
            pictures = stills;
        }
        let first = pictures.iter().find(|it| it.unit.pts + hls::TOLERANCE >= span.start());
        let config =
            first.map(|picture| Arc::clone(&picture.config)).or_else(|| self.video.clone());
        if let Some(newest) = pictures.last() {
            self.video = Some(Arc::clone(&newest.config));
        }
        let ended = EndedSpan {
            span,
            video: config.filter(|config| tracks.video && config.refusal.is_none()),
            picture_count,
            sound,
            interval: self.interval,
            rates: before.or_else(|| self.meter.rates()),
            followed_by,
        };
        SourceSegment { ended: Arc::new(ended), pictures }
    }
}
