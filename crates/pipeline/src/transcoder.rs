//! The transcoding half of a stream: coded pictures in, the ladder's segments out.

use std::collections::VecDeque;
use std::sync::Arc;

use codec::DecoderKind;
use media::{Duration, Timestamp};

use crate::decoding::Decoding;
use crate::event::{Notice, RenditionEvent, TranscoderOutput};
use crate::governor::Governor;
use crate::item::{Item, Picture, VideoConfig};
use crate::picture_watch::{PictureWatch, SILENCE};
use crate::queue::QueueStats;
use crate::rendition::Fit;
use crate::rung::{Rung, RungStats, heaviest_first};
use crate::{DecoderChoice, Preset, Resume, StreamConfig};

/// Decoded pictures may wait this many for their turn: what H.264 allows at most (A.3.1, `MaxDpbFrames`).
const MAX_WAITING: usize = 16;

/// A cut wanted at some time falls on the first picture after it, unless that is this far away: then on the time.
const MAX_CUT_DELAY: Duration = Duration::from_millis(200);

/// Points that may wait: without audio and pictures nothing passes them.
const MAX_POINTS: usize = 64;

/// A picture this little before a point is meant by it: times come from whole milliseconds, added up.
const ROUNDING: Duration = Duration::from_millis(4);

/// Decodes the source once, and scales, encodes and packs it for every rendition.
///
/// After every [`push`](Self::push) and [`finish`](Self::finish), drain [`poll`](Self::poll) to None.
pub struct Transcoder {
    rungs: Vec<Rung>,
    /// Places in `rungs` of those that make something, in the order in which they are shed.
    heaviest_first: Vec<usize>,
    governor: Governor,
    queue: QueueStats,
    decoder: DecoderChoice,
    decoding: Option<Decoding>,
    config: Option<Arc<VideoConfig>>,
    opened: bool,
    /// Presentation times of decoded pictures whose turn has not come, ascending.
    waiting: VecDeque<Timestamp>,
    released: Option<Timestamp>,
    /// Of pictures taken from which one came out, by decoding time. Where none does, nothing is waited for any more.
    watch: PictureWatch,
    /// IDRs and cuts that wait for their picture, ascending.
    points: VecDeque<Point>,
    /// Where the last mark really fell: a cut decided later falls there too.
    marked: Option<(Timestamp, Timestamp)>,
    started: bool,
    interval: Duration,
    stats: TranscoderStats,
    outputs: VecDeque<TranscoderOutput>,
    events: Vec<RenditionEvent>,
}

/// A time at which the next picture must be an IDR.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: Timestamp,
    cut: bool,
}

impl Point {
    /// Whether the picture at `pts` is at the point or behind it.
    fn is_due(&self, pts: Timestamp) -> bool {
        pts + ROUNDING >= self.at
    }
}

/// Counts since the start of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TranscoderStats {
    /// Pictures decoded.
    pub decoded: u64,
    /// Pictures not decoded because no rendition wanted them and nothing refers to them.
    pub thinned: u64,
    /// Pictures that could not be decoded or encoded.
    pub failed: u64,
    /// The decoder in use; None before the first picture and where no decoder can do it.
    pub decoder: Option<DecoderKind>,
    /// How often a decoder was left for the other one.
    pub decoder_changes: u64,
    /// Decoding time of the last picture taken; against the newest one ingested it gives the lag.
    pub last_taken: Option<Timestamp>,
    /// For each configured rendition.
    pub renditions: Vec<RungStats>,
}

impl Transcoder {
    /// A transcoder for all renditions of `config`; `resume` says what an earlier publisher of the stream left.
    #[must_use]
    pub fn new(config: &StreamConfig, resume: &Resume) -> Self {
        let rung = |(index, preset): (usize, &Preset)| Rung::new(index, preset.clone(), resume);
        Self {
            rungs: config.renditions.iter().enumerate().map(rung).collect(),
            heaviest_first: Vec::new(),
            governor: Governor::new(),
            queue: QueueStats::default(),
            decoder: config.decoder,
            decoding: None,
            config: None,
            opened: false,
            waiting: VecDeque::new(),
            released: None,
            watch: PictureWatch::default(),
            points: VecDeque::new(),
            marked: None,
            started: false,
            interval: Duration::from_millis(40),
            stats: TranscoderStats {
                renditions: vec![RungStats::default(); config.renditions.len()],
                ..Default::default()
            },
            outputs: VecDeque::new(),
            events: Vec::new(),
        }
    }

    /// How the queue is from which the next item comes: while too much waits in it, renditions are shed.
    pub fn note_queue(&mut self, queue: QueueStats) {
        self.queue = queue;
    }

    /// Takes the next item of the stream.
    pub fn push(&mut self, item: Item) {
        match item {
            Item::Video(config) => self.set_video(config),
            Item::Audio(change) => self.each_rung(|rung, _| rung.set_audio(&change)),
            Item::Picture(picture) => self.picture(&picture),
            Item::AudioFrame(frame) => {
                self.sound(frame.pts);
                self.each_rung(|rung, _| rung.audio(&frame));
            }
            Item::Undecodable => self.close(),
            Item::Grid(mode) => self.each_rung(|rung, _| rung.set_grid(mode)),
            // Without video to cut there is none that ends.
            Item::Mark(_) | Item::Cut(_) if self.config.is_none() => {}
            Item::Mark(at) => self.point(Point { at, cut: false }),
            Item::Cut(at) => self.point(Point { at, cut: true }),
            Item::Anchor(anchor) if !self.started => {
                self.started = true;
                self.each_rung(|rung, _| rung.start_at(anchor));
                if self.config.is_none() {
                    self.close_rungs();
                }
            }
            Item::Anchor(anchor) => self.each_rung(|rung, _| rung.set_anchor(anchor)),
            Item::Lost => self.each_rung(|rung, _| rung.set_discontinuity()),
        }
    }

    /// The stream ended: what is still inside comes out, and the last segments end.
    pub fn finish(&mut self) {
        self.drain_decoder();
        self.pass_overdue_points(Timestamp::from_ticks(i64::MAX));
        if let Some(end) = self.end() {
            self.fill_segments();
            self.each_rung(|rung, events| rung.finish(end, events));
        }
    }

    /// Where the stream ends if nothing more comes. Sound that went on alone ends it; sound a little longer than the
    /// pictures does not.
    fn end(&self) -> Option<Timestamp> {
        let video_end = self.released.map(|last| last + self.interval);
        let went_on = |last: &Timestamp| video_end.is_some_and(|end| *last - end > SILENCE);
        self.watch.newest_sound().filter(went_on).or(video_end)
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

    fn each_rung(&mut self, mut act: impl FnMut(&mut Rung, &mut Vec<RenditionEvent>)) {
        (0..self.rungs.len()).for_each(|at| self.rung(at, &mut act));
    }

    fn rung(&mut self, at: usize, act: impl FnOnce(&mut Rung, &mut Vec<RenditionEvent>)) {
        let rung = &mut self.rungs[at];
        act(rung, &mut self.events);
        let index = rung.index;
        let output = |event| TranscoderOutput::Rendition { index, event };
        self.outputs.extend(self.events.drain(..).map(output));
    }

    fn set_video(&mut self, config: Arc<VideoConfig>) {
        // Another PPS changes neither size nor order: it comes in front of the picture that needs it.
        if let (Some(known), Some(decoding)) = (&self.config, &mut self.decoding)
            && known.parameter_sets.sps == config.parameter_sets.sps
        {
            decoding.set_parameter_sets(&config);
            self.config = Some(config);
            return;
        }
        self.drain_decoder();
        // A decoder keeps state across parameter sets that it must not: every changed SPS gets a new one.
        self.decoding = Some(Decoding::new(self.decoder, &config));
        self.config = Some(config);
        self.opened = false;
    }

    /// Opens the encoders once the source's frame rate is known, with its first picture.
    fn open_rungs(&mut self) {
        let Some(config) = self.config.clone() else { return };
        self.opened = true;
        let frame_rate = 90_000.0 / self.interval.ticks().max(1) as f64;
        let mut taken: Vec<Fit> = Vec::new();
        for at in 0..self.rungs.len() {
            // Renditions that come out equal in size collapse into the first.
            let fit = self.rungs[at].fit(&config.sps).filter(|fit| !taken.contains(fit));
            let Some(fit) = fit else {
                let end = self.end();
                self.rung(at, |rung, events| rung.close(end, events));
                continue;
            };
            taken.push(fit);
            if let Err(error) = self.rungs[at].open(fit, &config.sps, frame_rate) {
                self.failed(&error);
            }
        }
        self.heaviest_first = heaviest_first(&self.rungs);
    }

    /// Sheds or restores renditions, so that no more are made whole than the machine carries.
    fn govern(&mut self) {
        // The lightest is never shed.
        let max = self.heaviest_first.len().saturating_sub(1);
        let shed = self.governor.taken(self.interval, self.queue, max);
        for (nth, &at) in self.heaviest_first.iter().enumerate() {
            let rung = &mut self.rungs[at];
            if rung.shed(nth < shed) {
                let name = rung.name().to_owned();
                let notice = if nth < shed { Notice::Shed(name) } else { Notice::Restored(name) };
                self.outputs.push_back(TranscoderOutput::Notice(notice));
            }
        }
    }

    fn picture(&mut self, picture: &Picture) {
        let unit = &picture.unit;
        self.stats.last_taken = Some(unit.dts);
        self.interval = picture.interval;
        if !self.opened {
            self.open_rungs();
        }
        if unit.random_access {
            self.rungs.iter_mut().for_each(|rung| rung.restart_thinning(unit.pts));
        }
        self.govern();
        if !self.starts_segment(unit.pts) {
            self.rungs.iter_mut().for_each(|rung| rung.note_taken(unit.pts, self.interval));
        }
        if picture.disposable && !self.wanted(unit.pts) {
            self.stats.thinned += 1;
        } else {
            self.decode(picture);
        }
        self.release(unit.dts);
    }

    /// Whether any rendition has a use for the picture at `pts`.
    fn wanted(&self, pts: Timestamp) -> bool {
        self.starts_segment(pts) || self.rungs.iter().any(|rung| rung.wants(pts, self.interval))
    }

    /// Whether the picture at `pts` is the first one at a point that waits.
    fn starts_segment(&self, pts: Timestamp) -> bool {
        self.points.iter().any(|point| point.is_due(pts) && pts < point.at + self.interval)
    }

    fn decode(&mut self, picture: &Picture) {
        let Some(mut decoding) = self.decoding.take() else { return };
        let before = self.stats.decoded;
        let result = decoding.decode(picture, |decoded, pts| self.decoded(decoded, pts));
        if self.stats.decoded > before {
            self.watch.picture(picture.unit.dts);
        }
        self.stats.decoder = Some(decoding.kind());
        self.stats.decoder_changes += decoding.take_changes();
        self.outputs.extend(decoding.take_notices().into_iter().map(TranscoderOutput::Notice));
        if let Err(error) = result {
            self.failed(&error);
        }
        match decoding.undecodable() {
            Some(why) => self.give_up(&why),
            None => self.decoding = Some(decoding),
        }
    }

    /// No decoder there is can do it: the renditions end here, until other parameters come.
    fn give_up(&mut self, why: &codec::Error) {
        self.outputs.push_back(TranscoderOutput::Notice(Notice::Undecodable(why.to_string())));
        self.stats.decoder = None;
        self.close();
    }

    fn drain_decoder(&mut self) {
        if let Some(mut decoding) = self.decoding.take() {
            decoding.drain(|picture, pts| self.decoded(picture, pts));
        }
        self.release(Timestamp::from_ticks(i64::MAX));
    }

    /// A picture came out of the decoder, maybe out of turn: every rung that keeps it scales it now.
    fn decoded(&mut self, picture: media::I420<'_>, pts: Timestamp) {
        self.stats.decoded += 1;
        // Late or twice: its turn is over.
        if self.released.is_some_and(|released| pts <= released) || self.waiting.contains(&pts) {
            return;
        }
        let starts_segment = self.starts_segment(pts);
        let at = self.waiting.partition_point(|waiting| *waiting < pts);
        self.waiting.insert(at, pts);
        for at in 0..self.rungs.len() {
            if (starts_segment || self.rungs[at].wants(pts, self.interval))
                && let Err(error) = self.rungs[at].scale(picture, pts)
            {
                self.failed(&error);
            }
        }
    }

    /// Encodes, in display order, the pictures that no later one can come before: those up to the decoding time.
    fn release(&mut self, decoding_time: Timestamp) {
        while let Some(&pts) = self.waiting.front() {
            if pts > decoding_time && self.waiting.len() <= MAX_WAITING {
                return;
            }
            self.waiting.pop_front();
            self.pass_points(pts);
            self.released = Some(pts);
            self.encode(pts);
        }
    }

    fn encode(&mut self, pts: Timestamp) {
        for at in 0..self.rungs.len() {
            if let Err(error) = self.rungs[at].encode(pts) {
                self.failed(&error);
            }
        }
        self.note_stats();
    }

    fn note_stats(&mut self) {
        for rung in &self.rungs {
            self.stats.renditions[rung.index] = rung.stats();
        }
    }

    fn point(&mut self, point: Point) {
        if self.released.is_some_and(|released| point.is_due(released)) {
            self.late_point(point);
        } else {
            self.push_point(point);
        }
    }

    /// A cut at a time that has passed: at the mark's IDR if there was one.
    fn late_point(&mut self, point: Point) {
        let marked = self.marked.filter(|(at, _)| *at == point.at).map(|(_, fell)| fell);
        match marked {
            Some(fell) if point.cut => self.each_rung(|rung, events| rung.cut(fell, events)),
            _ => self.push_point(point),
        }
    }

    fn push_point(&mut self, point: Point) {
        if self.points.len() >= MAX_POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    /// Sound of this time comes.
    fn sound(&mut self, at: Timestamp) {
        if self.watch.sound(at) {
            self.release(Timestamp::from_ticks(i64::MAX));
            self.pass_overdue_points(at - SILENCE);
        }
    }

    /// Passes points that no picture comes for any more, on their own time.
    fn pass_overdue_points(&mut self, before: Timestamp) {
        while let Some(point) = self.points.front().copied().filter(|point| point.at <= before) {
            self.pass(point, point.at);
        }
    }

    /// Does what is due before the picture at `pts` is encoded.
    fn pass_points(&mut self, pts: Timestamp) {
        while let Some(point) = self.points.front().copied().filter(|point| point.is_due(pts)) {
            // One picture does not begin two segments.
            let is_last = !self
                .points
                .iter()
                .any(|later| later.cut && later.at > point.at && later.is_due(pts));
            let at_picture = is_last && pts - point.at <= MAX_CUT_DELAY;
            self.pass(point, if at_picture { pts } else { point.at });
        }
    }

    /// The oldest point falls here: the next picture is an IDR.
    fn pass(&mut self, point: Point, fell: Timestamp) {
        self.points.pop_front();
        if point.cut {
            self.fill_segments();
        }
        self.each_rung(|rung, events| {
            rung.force_idr();
            if point.cut {
                rung.cut(fell, events);
            }
        });
        if !point.cut {
            self.marked = Some((point.at, fell));
        }
    }

    /// No rendition's segment ends without a picture.
    fn fill_segments(&mut self) {
        for at in 0..self.rungs.len() {
            if let Err(error) = self.rungs[at].fill_segment() {
                self.failed(&error);
            }
        }
    }

    /// The video is not decodable any more: the renditions end here.
    fn close(&mut self) {
        self.finish();
        self.close_rungs();
        self.heaviest_first.clear();
        self.note_stats();
        self.config = None;
    }

    /// The renditions make nothing of what comes: their segments end with what there was.
    fn close_rungs(&mut self) {
        let end = self.end();
        self.each_rung(|rung, events| rung.close(end, events));
    }

    fn failed(&mut self, error: &codec::Error) {
        self.stats.failed += 1;
        self.outputs.push_back(TranscoderOutput::Notice(Notice::CodecFailed(error.to_string())));
    }
}
