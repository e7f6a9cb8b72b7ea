//! The transcoding half of a stream: coded pictures in, the ladder's segments out.

use std::collections::VecDeque;
use std::sync::Arc;

use codec::{DecoderKind, Quality};
use media::{AudioFrame, Duration, Timestamp};

use crate::StreamConfig;
use crate::decoding::Decoding;
use crate::encoded_sound::{DecodedSound, MAX_HEARD_SPANS, SoundPlan, heard_before};
use crate::event::{Notice, RenditionInfo, TranscoderOutput};
use crate::governor::Governor;
use crate::message_error::VideoRefusal;
use crate::package::Package;
use crate::picture::{Picture, VideoConfig};
use crate::queue::QueueStats;
use crate::rates::allowances;
use crate::rendition::AudioPreset;
use crate::rendition_set::RenditionSet;
use crate::rung::{Rung, RungPlan, RungStats, encoded_config, heaviest_first};
use crate::source_segment::{EndedSpan, Item, LadderCut, SegmentSource, Sound, SpanStart};
use crate::work::{Stage, Stopwatch, Work};

/// Decoded pictures may wait this many for their turn: what H.264 allows at most (A.3.1,
/// `MaxDpbFrames`).
pub(crate) const MAX_WAITING: usize = 16;

/// Cuts that may wait for the pictures before them. A decoder that gives nothing back passes them
/// all the same.
const MAX_CUTS: usize = 64;

/// A decoder that gives no picture for this long, in decoding time, has none: nothing is waited for
/// any more.
const PATIENCE: Duration = Duration::from_secs(1);

/// Decodes the source once, and scales and encodes it for every rendition that is live.
///
/// It is the state that a stream's renditions carry from one segment to the next, and a segment
/// that somebody asks for later is made by the same code from a fresh one ([`make_segment`]).
///
/// After every [`push`](Self::push), drain [`poll`](Self::poll) to None.
pub struct Transcoder {
    rungs: Vec<Rung>,
    live: RenditionSet,
    /// Those that begin with the next cut, and are scaled for already.
    expected: RenditionSet,
    /// The one that is to be made, where no other is.
    only: Option<usize>,
    /// Places in `rungs` of those that are open, in the order in which they are shed.
    heaviest_first: Vec<usize>,
    governor: Governor,
    queue: QueueStats,
    presence: Presence,
    decoder: DecoderKind,
    decoding: Option<Decoding>,
    /// What the presets become for the source as it is now.
    plan: Option<Plan>,
    /// The decoder has refused pictures of these parameters by name.
    refused: Option<Arc<VideoConfig>>,
    /// Presentation times of decoded pictures whose turn has not come, ascending.
    waiting: VecDeque<Timestamp>,
    /// The newest picture whose turn came.
    shown: Option<Timestamp>,
    /// Cuts that wait for the pictures before them.
    cuts: VecDeque<LadderCut>,
    /// The decoding time of the newest picture taken.
    newest_taken: Option<Timestamp>,
    /// The decoding time of the newest picture taken from which one came out.
    newest_given: Option<Timestamp>,
    interval: Duration,
    heard: Heard,
    stopwatch: Stopwatch,
    stats: TranscoderStats,
    outputs: VecDeque<TranscoderOutput>,
}

/// What a rendition's own audio is prepared by.
enum Heard {
    /// The newest spans that have ended, the newest last.
    Spans(VecDeque<Arc<EndedSpan>>),
    /// A segment is made alone, and these are the frames in front of it.
    Frames(Vec<AudioFrame>),
}

/// What has become of a span's sound so far.
#[derive(Default)]
struct SpanSound {
    decoded: Option<DecodedSound>,
    /// What was made of it, for all that want the same.
    made: Vec<(SoundPlan, Sound)>,
}

/// Whether anybody waits for what is made as pictures come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Present,
    /// The publisher is gone: see [`Transcoder::leave`].
    Left,
}

/// Which of the pictures that a decoder gives are shown.
#[derive(Clone, Copy)]
enum Shown {
    All,
    /// Those at or behind `at`; and `still`, the last one before it, stands until the first of
    /// them.
    From {
        at: Timestamp,
        still: Option<Timestamp>,
    },
}

/// What the presets become for a source with these parameters.
struct Plan {
    config: Arc<VideoConfig>,
    /// What each configured rendition becomes; None where nothing comes of it, or nothing that
    /// another is not already.
    rungs: Vec<Option<RungPlan>>,
}

/// Counts since the start of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TranscoderStats {
    /// Pictures decoded.
    pub decoded: u64,
    /// Pictures not decoded because no rendition wanted them and nothing refers to them.
    pub thinned: u64,
    /// Pictures that could not be decoded or encoded, or came damaged.
    pub failed: u64,
    /// The decoder in use, or the one used last; None before the first picture and where it cannot
    /// do it.
    pub decoder: Option<DecoderKind>,
    /// Decoding time of the last picture taken; against the newest one ingested it gives the lag.
    pub last_taken: Option<Timestamp>,
    /// What was done for each configured rendition.
    pub renditions: Vec<RungStats>,
    /// What it took of a core.
    pub work: Work,
}

/// Why a segment that was asked for was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MakeError {
    /// The span has no video, or none that this rendition can be made of.
    #[error("the span has no video that this rendition can be made of")]
    Impossible,
    /// A decoder or encoder failed.
    #[error(transparent)]
    Codec(#[from] codec::Error),
}

/// A segment that was asked for, and what making it took.
#[derive(Debug)]
pub struct MadeSegment {
    /// Its samples.
    pub package: Package,
    /// Counts of this segment alone.
    pub stats: TranscoderStats,
}

/// Makes the segment of the rendition at `index` of the configured ones from a span of the source,
/// and from nothing else: the same input, the same segment.
///
/// # Errors
/// Nothing can be made of the span, or a codec failed.
pub fn make_segment(
    config: &StreamConfig,
    index: usize,
    source: &SegmentSource,
) -> Result<MadeSegment, MakeError> {
    let heard = Heard::Frames(source.heard_before.clone());
    let mut transcoder = Transcoder { only: Some(index), heard, ..Transcoder::new(config) };
    let segment = &source.segment;
    if let Some(preset) = config.renditions.get(index)
        && preset.video.is_none()
    {
        let package = transcoder.sound_alone(preset.audio, &segment.ended)?;
        return Ok(MadeSegment { package, stats: transcoder.stats });
    }
    let begins = SpanStart {
        cut: segment.ended.span.cut,
        live: RenditionSet::EMPTY.with(index),
        rates: segment.ended.rates,
        preroll: source.preroll.clone(),
    };
    transcoder.push(Item::Cut(LadderCut {
        ended: None,
        begins: Some(begins),
        pictures_stopped: false,
    }));
    for picture in &segment.pictures {
        transcoder.push(Item::Picture(picture.clone()));
    }
    transcoder.push(Item::Cut(LadderCut {
        ended: Some(Arc::clone(&segment.ended)),
        begins: None,
        pictures_stopped: true,
    }));
    let mut why = MakeError::Impossible;
    while let Some(output) = transcoder.poll() {
        match output {
            TranscoderOutput::Made { package, .. } => {
                return Ok(MadeSegment { package, stats: transcoder.stats });
            }
            TranscoderOutput::Notice(Notice::CodecFailed(error)) => why = MakeError::Codec(error),
            TranscoderOutput::Notice(Notice::Undecodable(_)) => return Err(MakeError::Impossible),
            _ => {}
        }
    }
    Err(why)
}

impl Transcoder {
    /// A transcoder for the renditions of `config`, none of which is live yet.
    #[must_use]
    pub fn new(config: &StreamConfig) -> Self {
        Self {
            rungs: config.renditions.iter().cloned().map(Rung::new).collect(),
            live: RenditionSet::EMPTY,
            expected: RenditionSet::EMPTY,
            only: None,
            heaviest_first: Vec::new(),
            governor: Governor::new(),
            queue: QueueStats::default(),
            presence: Presence::Present,
            decoder: config.decoder,
            decoding: None,
            plan: None,
            refused: None,
            waiting: VecDeque::new(),
            shown: None,
            cuts: VecDeque::new(),
            newest_taken: None,
            newest_given: None,
            interval: Duration::from_millis(40),
            heard: Heard::Spans(VecDeque::new()),
            stopwatch: Stopwatch::new(config.work_clock),
            stats: TranscoderStats {
                renditions: vec![RungStats::default(); config.renditions.len()],
                ..Default::default()
            },
            outputs: VecDeque::new(),
        }
    }

    /// How the queue is from which the next item comes: while too much waits in it, renditions are
    /// shed.
    pub fn note_queue(&mut self, queue: QueueStats) {
        self.queue = queue;
    }

    /// Takes the next item of the stream.
    pub fn push(&mut self, item: Item) {
        match item {
            Item::Picture(picture) if self.presence == Presence::Present => self.picture(&picture),
            Item::Expect(joining) if self.presence == Presence::Present => self.expect(joining),
            Item::Picture(_) | Item::Expect(_) => {}
            Item::Cut(cut) => self.take_cut(cut),
        }
    }

    /// The publisher is gone, and takes along what has not been decoded: nothing is any more. The
    /// spans that have not ended here become promises, as if their renditions were asleep.
    pub fn leave(&mut self) {
        self.presence = Presence::Left;
        self.live = RenditionSet::EMPTY;
        while !self.cuts.is_empty() {
            self.pass_oldest_cut();
        }
        self.rungs.iter_mut().for_each(Rung::close);
        self.sleep();
    }

    /// The next output; None when there is none until the next call.
    pub fn poll(&mut self) -> Option<TranscoderOutput> {
        self.outputs.pop_front()
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> &TranscoderStats {
        &self.stats
    }

    fn picture(&mut self, picture: &Picture) {
        let unit = &picture.unit;
        self.stats.last_taken = Some(unit.dts);
        self.newest_taken = Some(unit.dts);
        self.interval = picture.interval;
        self.take_config(picture);
        if unit.random_access {
            self.rungs.iter_mut().for_each(|rung| rung.restart_thinning(unit.pts));
        }
        self.govern();
        if !picture.may_begin_segment {
            self.rungs.iter_mut().for_each(|rung| rung.note_taken(unit.pts, self.interval));
        }
        if picture.disposable && !self.wanted(picture) {
            self.stats.thinned += 1;
        } else {
            self.decode(picture, Shown::All);
        }
        self.show_until(unit.dts);
        self.pass_cuts();
        self.note_stats();
    }

    /// Makes the decoder, and the encoders of the live renditions, those for the picture's
    /// parameters.
    fn take_config(&mut self, picture: &Picture) {
        if self.needs_decoder_for(&picture.config) {
            // What was decoded under the old parameters belongs in front of the cut that comes with
            // the new ones.
            self.drain_decoder();
            while !self.cuts.is_empty() {
                self.pass_oldest_cut();
            }
            self.open_decoder(picture);
        }
    }

    /// Whether pictures of these parameters need another decoder than there is. Another PPS does
    /// not: it changes neither size nor order, and comes in front of the picture that needs it.
    fn needs_decoder_for(&mut self, config: &Arc<VideoConfig>) -> bool {
        match &mut self.decoding {
            Some(decoding) if decoding.config().parameter_sets.sps == config.parameter_sets.sps => {
                if !Arc::ptr_eq(decoding.config(), config) {
                    decoding.set_config(config);
                }
                false
            }
            _ => !self.is_refused(config),
        }
    }

    /// A decoder keeps state across parameter sets that it must not: every changed SPS gets a new
    /// one.
    fn open_decoder(&mut self, picture: &Picture) {
        self.refused = None;
        self.decoding = Some(Decoding::new(self.decoder, &picture.config));
        self.open_live(&picture.config, picture.interval);
    }

    /// Plans the renditions for a source with these parameters, where that has not been done.
    fn plan_for(&mut self, config: &Arc<VideoConfig>, interval: Duration) {
        let is_known = |plan: &Plan| plan.config.parameter_sets.sps == config.parameter_sets.sps;
        if self.plan.as_ref().is_some_and(is_known) {
            return;
        }
        // Stamps are whole milliseconds: the plan is to be the same wherever it is measured.
        let measured = 90_000.0 / interval.ticks().max(1) as f64;
        let whole = measured.round();
        let frame_rate = if (measured / whole - 1.0).abs() < 0.01 { whole } else { measured };
        let mut rungs: Vec<Option<RungPlan>> = Vec::new();
        for place in 0..self.rungs.len() {
            if self.only.is_some_and(|only| only != place) {
                rungs.push(None);
                continue;
            }
            let planned = RungPlan::new(self.rungs[place].preset(), &config.sps, frame_rate);
            let planned = planned.unwrap_or_else(|error| {
                self.failed(error);
                None
            });
            // Renditions that come out equal in all collapse into the first.
            let twin = |other: &RungPlan| planned.as_ref().is_some_and(|it| it.is_twin_of(other));
            let is_twin = rungs.iter().flatten().any(twin);
            rungs.push(planned.filter(|_| !is_twin));
        }
        self.plan = Some(Plan { config: Arc::clone(config), rungs });
    }

    fn open_live(&mut self, config: &Arc<VideoConfig>, interval: Duration) {
        self.plan_for(config, interval);
        for place in 0..self.rungs.len() {
            let planned = self.plan.as_ref().and_then(|plan| plan.rungs[place].as_ref());
            let is_open = self.live.or(self.expected).contains(place);
            let opened = match planned.filter(|_| is_open) {
                Some(planned) => self.rungs[place].open(planned),
                None => {
                    self.rungs[place].close();
                    Ok(())
                }
            };
            if let Err(error) = opened {
                self.failed(error);
            }
        }
        self.heaviest_first = heaviest_first(&self.rungs);
    }

    /// Sheds or restores renditions, so that no more are made whole than the machine carries.
    fn govern(&mut self) {
        // The lightest is never shed.
        let max = self.heaviest_first.len().saturating_sub(1);
        let shed = self.governor.taken(self.interval, self.queue, max);
        for (nth, &place) in self.heaviest_first.iter().enumerate() {
            let rung = &mut self.rungs[place];
            if rung.shed(nth < shed) {
                let name = rung.preset().name.clone();
                let notice = if nth < shed { Notice::Shed(name) } else { Notice::Restored(name) };
                self.outputs.push_back(TranscoderOutput::Notice(notice));
            }
        }
    }

    /// Whether any rendition has a use for the picture.
    fn wanted(&self, picture: &Picture) -> bool {
        let pts = picture.unit.pts;
        picture.may_begin_segment
            || self.begins_segment(pts)
            || self.rungs.iter().any(|rung| rung.wants(pts, self.interval))
    }

    /// Whether the picture at `pts` is the first one of a segment whose cut waits.
    fn begins_segment(&self, pts: Timestamp) -> bool {
        let begins = |cut: &LadderCut| cut.begins.as_ref().is_some_and(|it| it.cut.at == pts);
        self.cuts.iter().any(begins)
    }

    fn decode(&mut self, picture: &Picture, shown: Shown) {
        let Some(mut decoding) = self.decoding.take() else { return };
        decoding.set_quality(self.quality(&picture.config));
        let before = self.stats.decoded;
        let keeps = picture.may_begin_segment;
        let interval = picture.interval;
        let outer = self.switch(Some(Stage::Decode));
        let result = decoding.decode(picture, |decoded, pts| match shown {
            Shown::From { at, still } if pts < at => {
                if Some(pts) == still {
                    self.stand(decoded, pts);
                }
            }
            Shown::From { at, .. } => self.decoded(decoded, pts, keeps || pts == at, interval),
            Shown::All => self.decoded(decoded, pts, keeps, interval),
        });
        self.switch(outer);
        if self.stats.decoded > before {
            self.newest_given = Some(picture.unit.dts);
        }
        self.stats.decoder = Some(decoding.kind());
        match result {
            Err(why) if decoding.is_given_up() => {
                self.stats.failed += 1;
                return self.give_up(why, &picture.config);
            }
            Err(error) => self.failed(error),
            Ok(()) => {}
        }
        self.decoding = Some(decoding);
    }

    /// How closely pictures have to be made for the renditions that are open.
    fn quality(&self, config: &VideoConfig) -> Quality {
        let sps = &config.sps;
        // Of interlaced pictures one field is scaled.
        let (width, height) = (sps.width, if sps.interlaced { sps.height / 2 } else { sps.height });
        let divisor = |(w, h): (u32, u32)| (width / w.max(1)).min(height / h.max(1));
        let sizes = self.rungs.iter().filter_map(Rung::picture_size);
        let least = sizes.map(divisor).min().unwrap_or(u32::MAX);
        if least < 2 {
            return Quality::Exact;
        }
        Quality::ForScale(u8::try_from(least).unwrap_or(u8::MAX))
    }

    /// The decoder cannot do it: the renditions show what they last showed, until other
    /// parameters come.
    fn give_up(&mut self, why: codec::Error, config: &Arc<VideoConfig>) {
        let notice = Notice::Undecodable(VideoRefusal::Decoder(why));
        self.outputs.push_back(TranscoderOutput::Notice(notice));
        self.stats.decoder = None;
        self.refused = Some(Arc::clone(config));
        self.show_until(Timestamp::MAX);
    }

    fn drain_decoder(&mut self) {
        if let Some(mut decoding) = self.decoding.take() {
            let interval = self.interval;
            let outer = self.switch(Some(Stage::Decode));
            decoding.drain(|picture, pts| self.decoded(picture, pts, false, interval));
            self.switch(outer);
        }
        self.show_until(Timestamp::MAX);
    }

    /// A picture came out of the decoder, maybe out of turn: every rung that keeps it scales it
    /// now.
    fn decoded(
        &mut self,
        picture: media::I420<'_>,
        pts: Timestamp,
        may_begin_segment: bool,
        interval: Duration,
    ) {
        self.stats.decoded += 1;
        // Late or twice: its turn is over.
        if self.shown.is_some_and(|shown| pts <= shown) || self.waiting.contains(&pts) {
            return;
        }
        let place = self.waiting.partition_point(|waiting| *waiting < pts);
        self.waiting.insert(place, pts);
        let keeps = may_begin_segment || self.begins_segment(pts);
        self.scale(picture, pts, keeps, interval);
    }

    fn scale(&mut self, picture: media::I420<'_>, pts: Timestamp, keeps: bool, interval: Duration) {
        let outer = self.switch(Some(Stage::Scale));
        for place in 0..self.rungs.len() {
            let (larger, rest) = self.rungs.split_at_mut(place);
            let Some(rung) = rest.first_mut() else { break };
            if (keeps || rung.wants(pts, interval))
                && let Err(error) = rung.scale(picture, larger, pts)
            {
                self.failed(error);
            }
        }
        self.switch(outer);
    }

    /// Shows, in display order, the pictures that no later one can come before: those up to the
    /// decoding time.
    fn show_until(&mut self, decoding_time: Timestamp) {
        while let Some(&pts) = self.waiting.front() {
            if pts > decoding_time && self.waiting.len() <= MAX_WAITING {
                return;
            }
            if self.oldest_cut_at().is_some_and(|at| at <= pts) {
                self.pass_oldest_cut();
                continue;
            }
            self.waiting.pop_front();
            self.shown = Some(pts);
            self.encode(pts);
        }
    }

    fn take_cut(&mut self, cut: LadderCut) {
        let is_last = cut.begins.as_ref().is_none_or(|begins| begins.live.is_empty());
        let pictures_stopped = cut.pictures_stopped;
        self.cuts.push_back(cut);
        if self.live.is_empty() {
            return self.pass_oldest_cut();
        }
        if is_last || pictures_stopped {
            // Nothing more comes that a decoder could need; what is still inside comes out.
            if is_last {
                self.drain_decoder();
            }
            let at = self.newest_cut_at();
            self.show_before(at);
            while !self.cuts.is_empty() {
                self.pass_oldest_cut();
            }
        }
        self.pass_cuts();
    }

    /// These renditions begin with the next cut: pictures are scaled for them from here on.
    fn expect(&mut self, joining: RenditionSet) {
        self.expected = self.expected.or(joining);
        if let Some(config) = self.decoding.as_ref().map(|it| Arc::clone(it.config())) {
            self.open_live(&config, self.interval);
        }
    }

    /// Shows what is due before `at`.
    fn show_before(&mut self, at: Timestamp) {
        while self.waiting.front().is_some_and(|pts| *pts < at) {
            let Some(&pts) = self.waiting.front() else { return };
            self.show_until(pts);
        }
    }

    fn newest_cut_at(&self) -> Timestamp {
        self.cuts.back().map_or(Timestamp::MAX, LadderCut::at)
    }

    fn oldest_cut_at(&self) -> Option<Timestamp> {
        self.cuts.front().map(LadderCut::at)
    }

    /// Passes the cuts that nothing comes before any more: a picture behind them waits, or none has
    /// come out of the decoder for so long that none will.
    fn pass_cuts(&mut self) {
        while let Some(at) = self.oldest_cut_at() {
            let has_follower = self.waiting.front().is_some_and(|pts| *pts >= at);
            let heard_of = self.newest_given.map_or(at, |given| given.max(at));
            let is_overdue = self.newest_taken.is_some_and(|taken| taken - heard_of > PATIENCE);
            if !has_follower && !is_overdue && self.cuts.len() <= MAX_CUTS {
                return;
            }
            self.show_before(at);
            self.pass_oldest_cut();
        }
    }

    /// The oldest cut falls here.
    fn pass_oldest_cut(&mut self) {
        let Some(cut) = self.cuts.pop_front() else { return };
        if let Some(ended) = &cut.ended {
            self.end_segments(ended);
        }
        let live = match &cut.begins {
            Some(begins) if self.presence == Presence::Present => begins.live,
            _ => RenditionSet::EMPTY,
        };
        self.live = live;
        self.expected = self.expected.minus(live);
        for place in 0..self.rungs.len() {
            if !live.or(self.expected).contains(place) {
                self.rungs[place].close();
            }
        }
        match cut.begins {
            Some(begins) if !live.is_empty() => self.begin_segments(&begins),
            _ => self.sleep(),
        }
        self.note_stats();
    }

    fn end_segments(&mut self, ended: &Arc<EndedSpan>) {
        if let Some(config) = &ended.video {
            self.plan_for(config, ended.interval);
        }
        let mut span_sound = SpanSound::default();
        for index in 0..self.rungs.len() {
            let output = self.end_segment(index, ended, &mut span_sound);
            self.outputs.push_back(output);
        }
        if let Heard::Spans(spans) = &mut self.heard {
            spans.push_back(Arc::clone(ended));
            if spans.len() > MAX_HEARD_SPANS {
                spans.pop_front();
            }
        }
    }

    fn end_segment(
        &mut self,
        index: usize,
        ended: &EndedSpan,
        span_sound: &mut SpanSound,
    ) -> TranscoderOutput {
        let impossible = TranscoderOutput::Impossible { index };
        let audio = self.rungs[index].preset().audio;
        if self.rungs[index].preset().video.is_none() {
            let config = encoded_config(audio, ended.sound.as_ref());
            return config.filter(|_| !self.is_second_of_its_sound(index)).map_or(
                impossible,
                |config| {
                    let info = RenditionInfo::new(None, Some(&config), None);
                    TranscoderOutput::Promised { index, span: ended.span, info }
                },
            );
        }
        let Some(video) = &ended.video else { return impossible };
        let is_refused = self.is_refused(video);
        let rung = &self.rungs[index];
        let is_made = self.live.contains(index) && rung.is_open() && rung.has_segment();
        // Where nothing can be decoded any more, a segment ends with what there was; the next one
        // is none.
        if is_made && (rung.has_pictures() || !is_refused) {
            let sound = self.sound_of(audio, ended, span_sound);
            match self.rungs[index].end_segment(ended.span, sound.as_ref()) {
                Ok(package) => return TranscoderOutput::Made { index, package },
                // Somebody who asks for it may have better luck with an encoder of his own.
                Err(error) => self.failed(error),
            }
        }
        let planned = self.plan.as_ref().and_then(|plan| plan.rungs[index].as_ref());
        match planned.filter(|_| !is_refused) {
            Some(planned) => {
                TranscoderOutput::Promised { index, span: ended.span, info: planned.info(ended) }
            }
            None => impossible,
        }
    }

    /// The span's sound as a preset wants it, decoded once, and made once for all that want the
    /// same. Where it cannot be made there is none: the publisher's would be of another kind than
    /// the playlist says.
    fn sound_of(
        &mut self,
        audio: AudioPreset,
        ended: &EndedSpan,
        span_sound: &mut SpanSound,
    ) -> Option<Sound> {
        let sound = ended.sound.as_ref()?;
        let Some(plan) = SoundPlan::new(audio, sound) else { return Some(sound.clone()) };
        if let Some((_, sound)) = span_sound.made.iter().find(|(known, _)| *known == plan) {
            return Some(sound.clone());
        }
        let outer = self.switch(Some(Stage::Sound));
        let decoded = match span_sound.decoded.take() {
            Some(decoded) => Ok(decoded),
            None => plan.decode(&self.heard.before(ended, sound), sound),
        };
        let frames =
            decoded.and_then(|decoded| plan.encode(ended, span_sound.decoded.insert(decoded)));
        self.switch(outer);
        let frames = frames.unwrap_or_else(|error| {
            self.failed(error);
            Vec::new()
        });
        let encoded = Sound { config: Arc::clone(&plan.config), frames, bitrate_bps: None };
        span_sound.made.push((plan, encoded.clone()));
        Some(encoded)
    }

    /// The segment of a rendition without pictures.
    fn sound_alone(&mut self, audio: AudioPreset, ended: &EndedSpan) -> Result<Package, MakeError> {
        let sound =
            self.sound_of(audio, ended, &mut SpanSound::default()).ok_or(MakeError::Impossible)?;
        match self.outputs.pop_front() {
            Some(TranscoderOutput::Notice(Notice::CodecFailed(error))) => Err(error.into()),
            _ => Ok(Package::new(ended.span, None, std::iter::empty(), Some(&sound))),
        }
    }

    /// Whether an earlier rendition without pictures has the same sound.
    fn is_second_of_its_sound(&self, index: usize) -> bool {
        let audio = self.rungs[index].preset().audio;
        let is_same = |rung: &Rung| rung.preset().video.is_none() && rung.preset().audio == audio;
        self.rungs.iter().take(index).any(is_same)
    }

    fn begin_segments(&mut self, begins: &SpanStart) {
        let at = begins.cut.at;
        if !begins.preroll.is_empty() {
            self.preroll(&begins.preroll, at);
        } else if let Some(config) = self.decoding.as_ref().map(|it| Arc::clone(it.config())) {
            self.open_live(&config, self.interval);
        }
        let allowances = allowances(self.rungs.iter().map(Rung::preset), begins.rates);
        for (place, allowance) in allowances.iter().enumerate() {
            if self.live.contains(place)
                && let Err(error) = self.rungs[place].begin_segment(begins.cut, allowance.cap_bps)
            {
                self.failed(error);
            }
        }
    }

    /// Decodes what lies in front of a cut at `at`, so that the renditions can go on from there.
    fn preroll(&mut self, pictures: &[Picture], at: Timestamp) {
        // What was seen last before the cut stands until the first picture behind it.
        let still = pictures.iter().map(|it| it.unit.pts).filter(|pts| *pts < at).max();
        for picture in pictures {
            let unit = &picture.unit;
            // Also what lies behind the cut may be among them, and is thinned by it.
            self.interval = picture.interval;
            if picture.disposable && unit.pts < at && Some(unit.pts) != still {
                continue;
            }
            if self.needs_decoder_for(&picture.config) {
                self.open_decoder(picture);
            }
            if unit.random_access {
                self.rungs.iter_mut().for_each(|rung| rung.restart_thinning(unit.pts));
            }
            self.decode(picture, Shown::From { at, still });
        }
    }

    /// The picture is what the renditions show until their first.
    fn stand(&mut self, picture: media::I420<'_>, pts: Timestamp) {
        self.scale(picture, pts, true, self.interval);
        self.encode(pts);
    }

    /// The turn of the picture at `pts` has come, in every rendition that has scaled it.
    fn encode(&mut self, pts: Timestamp) {
        let outer = self.switch(Some(Stage::Encode));
        for place in 0..self.rungs.len() {
            if let Err(error) = self.rungs[place].show(pts, self.interval) {
                self.failed(error);
            }
        }
        self.switch(outer);
    }

    /// From here on the thread's time is this stage's; the one to go back to.
    fn switch(&mut self, stage: Option<Stage>) -> Option<Stage> {
        self.stopwatch.switch(stage, &mut self.stats.work)
    }

    /// No rendition is live: nothing is kept but what the presets become.
    fn sleep(&mut self) {
        self.decoding = None;
        self.expected = RenditionSet::EMPTY;
        self.waiting.clear();
        self.shown = None;
        self.newest_taken = None;
        self.newest_given = None;
        self.heaviest_first.clear();
        self.governor = Governor::new();
    }

    fn is_refused(&self, config: &VideoConfig) -> bool {
        let sets = &config.parameter_sets;
        self.refused.as_ref().is_some_and(|refused| refused.parameter_sets.sps == sets.sps)
    }

    fn note_stats(&mut self) {
        for (rung, stats) in self.rungs.iter().zip(&mut self.stats.renditions) {
            *stats = rung.stats();
        }
    }

    fn failed(&mut self, error: codec::Error) {
        self.stats.failed += 1;
        self.outputs.push_back(TranscoderOutput::Notice(Notice::CodecFailed(error)));
    }
}

impl Heard {
    /// The frames that prepare the sound of a span.
    fn before(&self, ended: &EndedSpan, sound: &Sound) -> Vec<AudioFrame> {
        match self {
            Self::Frames(frames) => frames.clone(),
            Self::Spans(spans) => {
                heard_before(&ended.span, Some(sound), spans.iter().rev().map(|it| &**it))
            }
        }
    }
}
