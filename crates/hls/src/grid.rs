//! Where segments are cut, for the source and for the renditions made of it ("the grid"), and what
//! number each gets.
//!
//! RFC 8216 asks that a playlist's target duration never changes (6.2.1) and that all variant
//! streams have the same timestamps, discontinuities and target duration (6.2.4). The source can be
//! cut only where its encoder put an IDR, the ladder anywhere. So the grid waits for the first IDR
//! that makes a good segment, up to twice the segment duration, and then decides for the stream's
//! life:
//!
//! - **one grid**: source and ladder are cut together at the source's IDRs, and a number means the
//!   same span in both;
//! - **own grid**: the source's IDRs come too seldom; the ladder is cut every segment duration, the
//!   source at its IDRs. Both count on from the number they had. A stream moves from one grid to
//!   own grid when a later GOP breaks the target duration, and never back.
//!
//! Pure arithmetic on timestamps: pictures go in, in decoding order, before they are packaged;
//! steps come out. **After every call that takes a picture, sound or the end, drain [`Grid::poll`]
//! to None.**

use std::collections::VecDeque;

use media::{Duration, Timestamp};

use crate::span::{Cut, Numbering};

/// A ladder segment may exceed the target duration by this much (Apple's authoring rule 7.7 allows
/// 0.5 s).
const OVERRUN: Duration = Duration::from_millis(400);

/// A first segment this much over whole seconds does not raise the target duration: 60 pictures at
/// 29.97 fps last 2.002 s, and RFC 8216 4.3.3.1 rounds EXTINF before it compares.
const ROUNDING: Duration = Duration::from_millis(100);

/// A picture this little before a time is meant by it: times come from whole milliseconds, added
/// up.
pub const TOLERANCE: Duration = Duration::from_millis(4);

/// The longest interval between IDRs is forgotten slowly: each new one takes one part in so many of
/// itself away from it, so that 2 s become 1 s in 16 s.
const FORGETTING: i64 = 16;

/// Half a picture at 25 fps: an IDR this much early is as good as on time.
const HALF_PICTURE: Duration = Duration::from_millis(20);

/// Audio frames are shorter than this (2048 samples at 8 kHz): one that comes later than that came
/// after silence.
const LATE: Duration = Duration::from_millis(300);

/// A ladder cut that is due at some time falls on the first picture behind it, unless that is this
/// far away: then on the time itself.
const MAX_CUT_DELAY: Duration = Duration::from_millis(200);

/// Presentation times of pictures whose turn in display order has not come: H.264 reorders 16 at
/// most. More are those of a publisher whose stamps make no sense.
const MAX_AHEAD: usize = 64;

/// One thing to do before the picture (or audio frame) just reported is packaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// How the stream is cut from now on.
    Mode(GridMode),
    /// The source's running span ends where this one begins. The first one of a publisher's stay
    /// ends none.
    CutSource(Cut),
    /// The ladder's running span ends where this one begins. It comes when every picture that is
    /// shown before it has been reported; where the ladder turns out to have a grid of its own,
    /// once, later than that.
    CutLadder(Cut),
    /// No more samples come: the running spans of source and ladder end here, and no other begins.
    End(Timestamp),
}

/// A picture that a stream may be cut at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutPoint {
    /// No picture that is decoded behind it is shown before it (NAL type 5).
    Idr,
    /// A recovery point, where no IDR comes: pictures that are decoded behind it may be shown
    /// before it.
    RecoveryPoint,
}

/// How a stream is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridMode {
    /// The target duration of the ladder, in seconds; the source's too unless `own_grid`.
    pub target_duration_secs: u64,
    /// The ladder is cut on a grid of its own.
    pub own_grid: bool,
}

/// What outlives a publisher's stay: a stream's playlists go on where the last publisher left them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridState {
    /// How the stream is cut, if that was decided: target durations never change.
    pub mode: Option<GridMode>,
    /// The numbers of the source's spans.
    pub source: Numbering,
    /// The numbers of the ladder's spans: those of the source's as long as there is one grid.
    pub ladder: Numbering,
}

impl GridState {
    /// A stream without segments, numbered from `first_sequence`.
    #[must_use]
    pub fn new(first_sequence: u64) -> Self {
        let numbering = Numbering::from_first(first_sequence);
        Self { mode: None, source: numbering, ladder: numbering }
    }

    /// The first number that no span of the stream has.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.source.next_sequence.max(self.ladder.next_sequence)
    }
}

/// The cutting rule of one publisher's stay.
#[derive(Debug)]
pub struct Grid {
    segment_duration: Duration,
    mode: Option<GridMode>,
    source: Line,
    ladder: Line,
    /// Media time and wall clock of the first picture, or of the first behind the last jump.
    anchor: Option<(Timestamp, i64)>,
    pending_break: Break,
    last_picture: Option<Timestamp>,
    last_random_access: Timestamp,
    /// How far apart IDRs come at most, as far as one grid can have them; forgotten slowly.
    longest_interval: Duration,
    picture_interval: Duration,
    /// Presentation times of the pictures that are not shown yet, ascending.
    ahead: VecDeque<Timestamp>,
    /// Until the mode is decided: where the ladder's first segment ends if it gets a grid of its
    /// own.
    mark: Mark,
    /// The ladder's cuts that are decided and wait for the pictures before them, ascending.
    pending: VecDeque<Pending>,
    steps: VecDeque<Step>,
}

/// The spans of the source, or those of the ladder.
#[derive(Debug)]
struct Line {
    numbering: Numbering,
    /// The number that the stay's first span got, or will get.
    first_sequence: u64,
    /// The running span; None before the first and after the last.
    running: Option<Cut>,
    /// Where the running span was meant to begin. What is due is counted from here, so that it
    /// does not drift.
    nominal: Timestamp,
}

/// A cut that is due however short the segment, behind a discontinuity and with a wall clock of its
/// own: parameters changed or time jumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    /// None is due.
    None,
    /// At the next picture that the stream may be cut at.
    AtRandomAccess,
    /// At the next picture that the stream may be cut at, or, where pictures do not come, at the
    /// next audio frame.
    AtRandomAccessOrAudio,
}

/// A would-be cut of the ladder.
#[derive(Clone, Copy, Debug)]
enum Mark {
    /// It is too early for one.
    Ahead,
    /// It is meant to be here, and waits for its picture.
    Due(Timestamp),
    /// It fell here.
    Fell(Timestamp),
}

#[derive(Clone, Copy, Debug)]
enum Pending {
    /// The source's own cut: the ladder's is the same.
    Shared(Cut),
    /// At the first picture at or behind this time; the wall clock is that of the time.
    At { nominal: Timestamp, unix_ms: i64, discontinuity: bool },
}

impl Pending {
    fn nominal(&self) -> Timestamp {
        match self {
            Self::Shared(cut) => cut.at,
            Self::At { nominal, .. } => *nominal,
        }
    }
}

impl Line {
    fn new(numbering: Numbering) -> Self {
        let first_sequence = numbering.next_sequence;
        Self { numbering, first_sequence, running: None, nominal: Timestamp::ZERO }
    }

    fn started_at(&self) -> Timestamp {
        self.running.map_or(self.nominal, |cut| cut.at)
    }

    /// No span begins any more; the running one ends at `end`.
    fn finish(&mut self, end: Timestamp) {
        // A span of no length is none: its number is free again.
        if let Some(running) = self.running.take_if(|running| running.at >= end) {
            self.numbering = self.numbering.before(running);
        }
        self.running = None;
        self.numbering.discontinuity_next |= self.numbering.next_sequence > self.first_sequence;
    }

    /// The numbering as far as spans have ended.
    fn ended(&self) -> Numbering {
        let Some(running) = self.running else { return self.numbering };
        Numbering { discontinuity_next: true, ..self.numbering.before(running) }
    }
}

impl Grid {
    /// A grid for a stay whose segments shall last `segment_duration`; `state` is what the stream's
    /// earlier publisher left, or [`GridState::new`].
    #[must_use]
    pub fn new(segment_duration: Duration, state: GridState) -> Self {
        Self {
            segment_duration,
            mode: state.mode,
            source: Line::new(state.source),
            ladder: Line::new(state.ladder),
            anchor: None,
            pending_break: Break::None,
            last_picture: None,
            last_random_access: Timestamp::ZERO,
            longest_interval: Duration::ZERO,
            picture_interval: Duration::from_millis(40),
            ahead: VecDeque::new(),
            mark: Mark::Ahead,
            pending: VecDeque::new(),
            steps: VecDeque::new(),
        }
    }

    /// The mode, once decided.
    #[must_use]
    pub fn mode(&self) -> Option<GridMode> {
        self.mode
    }

    /// Whether the first span has begun.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.source.running.is_some()
    }

    /// What a later publisher's grid goes on from: the numbers of the spans that have ended are
    /// used.
    #[must_use]
    pub fn state(&self) -> GridState {
        GridState { mode: self.mode, source: self.source.ended(), ladder: self.ladder.ended() }
    }

    /// The next step; None when there is none until the next call.
    pub fn poll(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Makes the next picture that the stream may be cut at a cut, however short the segment,
    /// behind a discontinuity and with a wall clock of its own: the parameters changed or time
    /// jumped.
    pub fn break_at_next_random_access(&mut self) {
        if self.has_started() && self.pending_break == Break::None {
            self.pending_break = Break::AtRandomAccess;
        }
    }

    /// Makes the next picture that the stream may be cut at such a cut, or, where pictures do not
    /// come, the next audio frame: the audio has become another.
    pub fn break_at_next_random_access_or_audio(&mut self) {
        if self.has_started() {
            self.pending_break = Break::AtRandomAccessOrAudio;
        }
    }

    /// Starts the first span at `at`; `unix_ms` is the wall clock. Pictures start it by themselves:
    /// this is for sound that turns out to be alone.
    pub fn start(&mut self, at: Timestamp, unix_ms: i64) {
        self.anchor = Some((at, unix_ms));
        self.last_random_access = at;
        let cut = self.source.numbering.cut(at, unix_ms);
        self.begin_source(cut, at);
        let cut = match self.mode {
            Some(GridMode { own_grid: true, .. }) => self.ladder.numbering.cut(at, unix_ms),
            _ => self.share(cut),
        };
        self.begin_ladder(cut, at);
    }

    /// The picture with these times comes next, in decoding order; `arrival_unix_ms` is the wall
    /// clock.
    ///
    /// `cut_point` where the stream may be cut at it. The first call starts the first segment; the
    /// caller has skipped everything before such a picture.
    pub fn picture(
        &mut self,
        pts: Timestamp,
        dts: Timestamp,
        cut_point: Option<CutPoint>,
        arrival_unix_ms: i64,
    ) {
        if !self.has_started() {
            self.start(pts, arrival_unix_ms);
        } else if cut_point.is_some() {
            self.random_access(pts, arrival_unix_ms);
        }
        self.limits(pts);
        self.note_picture(pts, cut_point.is_some());
        // All pictures that are shown before an IDR have come.
        let complete_to = if cut_point == Some(CutPoint::Idr) { pts.max(dts) } else { dts };
        self.settle(complete_to);
    }

    /// Whether the picture at `pts`, just reported, may turn out to be the first of a ladder
    /// segment.
    #[must_use]
    pub fn may_begin_ladder_span(&self, pts: Timestamp) -> bool {
        let begins = |nominal: Timestamp| {
            pts + TOLERANCE >= nominal && pts < nominal + self.picture_interval
        };
        let begun = self.ladder.running.is_some_and(|cut| pts == cut.at);
        let marked = matches!(self.mark, Mark::Due(at) if begins(at));
        begun || marked || self.pending.iter().any(|pending| begins(pending.nominal()))
    }

    /// An audio frame with presentation time `pts` comes next. Audio decides nothing while pictures
    /// come.
    ///
    /// To be called for the frames that come while there are no pictures (there is no video, or it
    /// stopped): then segments are cut by time.
    pub fn audio(&mut self, pts: Timestamp, arrival_unix_ms: i64) {
        if !self.has_started() {
            self.start(pts, arrival_unix_ms);
        }
        let Some(at) = self.audio_cut_at(pts) else { return };
        if self.mode.is_none() {
            self.decide_one_grid(at);
        }
        self.cut_both(at, arrival_unix_ms);
        // No picture comes that could be waited for.
        self.settle(Timestamp::MAX);
    }

    /// Cuts the source at a picture or audio frame that is no place to cut: the segment became too
    /// long or too large.
    pub fn cut_here(&mut self, pts: Timestamp, arrival_unix_ms: i64) {
        if pts <= self.source.started_at() {
            return;
        }
        if self.mode.is_none() {
            self.go_own_grid();
        }
        let has_own_grid = self.mode.is_some_and(|mode| mode.own_grid);
        if has_own_grid && self.pending_break == Break::None {
            self.cut_source(pts, arrival_unix_ms);
        } else {
            self.cut_both(pts, arrival_unix_ms);
        }
    }

    /// The publisher is gone: nothing comes behind `end`.
    pub fn finish(&mut self, end: Timestamp) {
        if !self.has_started() {
            return;
        }
        // The newest cut may have been made for a sample that was not taken in the end.
        let end = end.max(self.source.started_at());
        while self.pending.back().is_some_and(|pending| pending.nominal() >= end) {
            if let Some(Pending::Shared(cut)) = self.pending.pop_back() {
                self.ladder.numbering = self.ladder.numbering.before(cut);
            }
        }
        self.ahead.retain(|pts| *pts < end);
        self.settle(Timestamp::MAX);
        self.source.finish(end);
        self.ladder.finish(end);
        self.steps.push_back(Step::End(end));
    }

    /// Where audio ends the segment: at once where it became another, else when its time is up, but
    /// not among its pictures. That may have passed before it was sure that no more pictures come.
    fn audio_cut_at(&self, pts: Timestamp) -> Option<Timestamp> {
        let source_start = self.source.started_at();
        if self.pending_break == Break::AtRandomAccessOrAudio {
            return (pts > source_start).then_some(pts);
        }
        let pictures_end =
            self.last_picture.map_or(source_start, |last| last + self.picture_interval);
        let newest = self.pending.back().map_or(self.ladder.nominal, Pending::nominal);
        let due = (source_start.max(newest) + self.segment_duration).max(pictures_end);
        // What the pictures left open ends where it should have; what follows is cut with the
        // sound.
        (pts >= due).then(|| if pts - due < LATE { pts } else { due })
    }

    fn note_picture(&mut self, pts: Timestamp, random_access: bool) {
        if random_access && pts > self.last_random_access {
            self.longest_interval = self.longest_interval_at(pts);
            self.last_random_access = pts;
        }
        if let Some(last) = self.last_picture
            && pts > last
        {
            self.picture_interval = (pts - last).min(Duration::from_millis(200));
        }
        self.last_picture = Some(self.last_picture.map_or(pts, |last| last.max(pts)));
        let place = self.ahead.partition_point(|ahead| *ahead < pts);
        self.ahead.insert(place, pts);
        if self.ahead.len() > MAX_AHEAD {
            self.ahead.pop_front();
        }
    }

    fn random_access(&mut self, pts: Timestamp, arrival_unix_ms: i64) {
        let is_due = self.pending_break != Break::None || self.usable(pts);
        if pts <= self.source.started_at() || !is_due {
            return;
        }
        match self.mode {
            None => {
                self.decide_one_grid(pts);
                self.cut_both(pts, arrival_unix_ms);
            }
            Some(GridMode { own_grid: true, .. }) if self.pending_break == Break::None => {
                self.cut_source(pts, arrival_unix_ms);
            }
            Some(_) => self.cut_both(pts, arrival_unix_ms),
        }
    }

    /// An IDR is usable when the segment is long enough, or when the next IDR may come too late:
    /// encoders put one more at a change of scene, and count their keyframe interval anew from
    /// there.
    fn usable(&self, pts: Timestamp) -> bool {
        let length = pts - self.source.started_at();
        length >= self.segment_duration - HALF_PICTURE
            || length + self.longest_interval_at(pts) > self.longest()
    }

    /// With the interval that ends with the IDR at `pts`. A longer one than a segment may last is a
    /// pause, or nothing that cutting earlier could help.
    fn longest_interval_at(&self, pts: Timestamp) -> Duration {
        let interval = pts - self.last_random_access;
        if interval > self.longest() {
            return self.longest_interval;
        }
        interval.max(self.longest_interval - Duration::from_ticks(interval.ticks() / FORGETTING))
    }

    fn target_duration_secs(&self) -> u64 {
        self.mode.map_or_else(|| target(self.segment_duration), |mode| mode.target_duration_secs)
    }

    /// The longest a ladder segment may be.
    fn longest(&self) -> Duration {
        let secs = self.target_duration_secs();
        Duration::from_secs(secs as i64) + OVERRUN
    }

    /// What time alone demands of the ladder, whether or not an IDR came.
    fn limits(&mut self, pts: Timestamp) {
        match self.mode {
            None => self.limit_undecided(pts),
            Some(GridMode { own_grid: false, .. }) => self.limit_one_grid(pts),
            Some(GridMode { own_grid: true, .. }) => self.limit_own_grid(pts),
        }
    }

    fn limit_undecided(&mut self, pts: Timestamp) {
        let mark = self.ladder.nominal + self.segment_duration;
        if pts + TOLERANCE >= mark && matches!(self.mark, Mark::Ahead) {
            self.mark = Mark::Due(mark);
        }
        if pts + TOLERANCE >= mark + self.segment_duration {
            self.go_own_grid();
            self.limit_own_grid(pts);
        }
    }

    fn limit_one_grid(&mut self, pts: Timestamp) {
        let start = self.newest_ladder_nominal();
        if pts + self.picture_interval > start + self.longest() {
            self.go_own_grid();
            self.cut_ladder_at(pts.min(start + self.longest()), false);
        }
    }

    fn limit_own_grid(&mut self, pts: Timestamp) {
        while pts + TOLERANCE >= self.newest_ladder_nominal() + self.segment_duration {
            self.cut_ladder_at(self.newest_ladder_nominal() + self.segment_duration, false);
        }
    }

    fn newest_ladder_nominal(&self) -> Timestamp {
        self.pending.back().map_or(self.ladder.nominal, Pending::nominal)
    }

    /// The first segment ends at `at` for both; where the ladder's would have ended alone is of no
    /// use any more.
    fn decide_one_grid(&mut self, at: Timestamp) {
        let length = (at - self.source.started_at()).max(self.segment_duration);
        self.decide(GridMode { target_duration_secs: target(length), own_grid: false });
    }

    fn go_own_grid(&mut self) {
        let target_duration_secs = self.target_duration_secs();
        let mark = self.mark;
        self.decide(GridMode { target_duration_secs, own_grid: true });
        match mark {
            Mark::Ahead => {}
            Mark::Due(nominal) => self.cut_ladder_at(nominal, false),
            // The cut has been passed: it fell where its picture was.
            Mark::Fell(at) => {
                let nominal = self.ladder.nominal + self.segment_duration;
                let unix_ms = self.unix_ms_at(at);
                let cut = self.ladder.numbering.cut(at, unix_ms);
                self.begin_ladder(cut, nominal);
            }
        }
    }

    fn decide(&mut self, mode: GridMode) {
        self.mode = Some(mode);
        self.mark = Mark::Ahead;
        self.steps.push_back(Step::Mode(mode));
    }

    fn cut_both(&mut self, at: Timestamp, arrival_unix_ms: i64) {
        let is_one_grid = self.mode.is_some_and(|mode| !mode.own_grid);
        let breaks = self.pending_break != Break::None;
        let cut = self.cut_source(at, arrival_unix_ms);
        if is_one_grid {
            let cut = self.share(cut);
            self.pending.push_back(Pending::Shared(cut));
        } else if at > self.newest_ladder_nominal() {
            self.cut_ladder_at(at, breaks);
        } else if breaks {
            self.break_ladder_behind(at);
        }
    }

    /// Puts the ladder's next cut at `at` or later behind a discontinuity: one is near enough
    /// already.
    fn break_ladder_behind(&mut self, at: Timestamp) {
        for pending in &mut self.pending {
            if let Pending::At { nominal, discontinuity, .. } = pending
                && *nominal >= at
            {
                *discontinuity = true;
                return;
            }
        }
        self.ladder.numbering.discontinuity_next = true;
    }

    /// Gives the ladder the source's cut.
    fn share(&mut self, cut: Cut) -> Cut {
        debug_assert_eq!(
            self.ladder.numbering.next_sequence, cut.sequence,
            "with one grid both are cut together from the first segment on"
        );
        self.ladder.numbering = self.source.numbering;
        cut
    }

    fn cut_source(&mut self, at: Timestamp, arrival_unix_ms: i64) -> Cut {
        if std::mem::replace(&mut self.pending_break, Break::None) != Break::None {
            self.anchor = Some((at, arrival_unix_ms));
            self.source.numbering.discontinuity_next = true;
        }
        let unix_ms = self.unix_ms_at(at);
        let cut = self.source.numbering.cut(at, unix_ms);
        self.begin_source(cut, at);
        cut
    }

    fn cut_ladder_at(&mut self, nominal: Timestamp, discontinuity: bool) {
        let unix_ms = self.unix_ms_at(nominal);
        self.pending.push_back(Pending::At { nominal, unix_ms, discontinuity });
    }

    fn begin_source(&mut self, cut: Cut, nominal: Timestamp) {
        self.source.running = Some(cut);
        self.source.nominal = nominal;
        self.steps.push_back(Step::CutSource(cut));
    }

    fn begin_ladder(&mut self, cut: Cut, nominal: Timestamp) {
        self.ladder.running = Some(cut);
        self.ladder.nominal = nominal;
        self.steps.push_back(Step::CutLadder(cut));
    }

    fn unix_ms_at(&self, at: Timestamp) -> i64 {
        let (anchor, unix_ms) = self.anchor.unwrap_or((at, 0));
        unix_ms.saturating_add((at - anchor).as_millis())
    }

    /// Lets the ladder's cuts fall for which all pictures that are shown before them have come: all
    /// those that are shown before `dts` have, as a picture is not shown before it is decoded.
    fn settle(&mut self, dts: Timestamp) {
        if let Mark::Due(nominal) = self.mark
            && let Some(at) = self.fall(nominal, None, dts)
        {
            self.mark = Mark::Fell(at);
        }
        while let Some(&pending) = self.pending.front() {
            let next = self.pending.get(1).map(Pending::nominal);
            match pending {
                Pending::Shared(cut) if cut.at <= dts => {
                    self.pending.pop_front();
                    self.begin_ladder(cut, cut.at);
                }
                Pending::Shared(_) => break,
                Pending::At { nominal, unix_ms, discontinuity } => {
                    let Some(at) = self.fall(nominal, next, dts) else { break };
                    self.pending.pop_front();
                    // Two cuts before one picture: the first has been passed where it was due.
                    let at = at.max(self.ladder.started_at() + Duration::from_ticks(1));
                    self.ladder.numbering.discontinuity_next |= discontinuity;
                    let unix_ms = unix_ms.saturating_add((at - nominal).as_millis());
                    let cut = self.ladder.numbering.cut(at, unix_ms);
                    self.begin_ladder(cut, nominal);
                }
            }
        }
        while self.ahead.front().is_some_and(|pts| *pts + MAX_CUT_DELAY < dts) {
            self.ahead.pop_front();
        }
    }

    /// Where a cut meant for `nominal` falls, if that is known at decoding time `dts`: on the first
    /// picture at or behind it, if that is near and does not begin the `next` segment.
    fn fall(
        &self,
        nominal: Timestamp,
        next: Option<Timestamp>,
        dts: Timestamp,
    ) -> Option<Timestamp> {
        let picture = self.ahead.iter().copied().find(|pts| *pts + TOLERANCE >= nominal);
        let begins = picture.filter(|pts| {
            *pts - nominal <= MAX_CUT_DELAY && next.is_none_or(|next| *pts + TOLERANCE < next)
        });
        let known_at =
            picture.map_or(nominal + MAX_CUT_DELAY, |pts| pts.min(nominal + MAX_CUT_DELAY));
        (dts >= known_at).then(|| begins.unwrap_or(nominal))
    }
}

/// The target duration in whole seconds of segments this long.
fn target(length: Duration) -> u64 {
    (length - ROUNDING).ceil_secs().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: Duration = Duration::from_secs(2);

    const FIRST: u64 = 700;

    fn new_grid() -> Grid {
        Grid::new(SEGMENT, GridState::new(FIRST))
    }

    fn drain(grid: &mut Grid, steps: &mut Vec<Step>) {
        steps.extend(std::iter::from_fn(|| grid.poll()));
    }

    fn picture(grid: &mut Grid, ms: i64, cut_point: bool, steps: &mut Vec<Step>) {
        let at = Timestamp::from_millis(ms);
        grid.picture(at, at, cut_point.then_some(CutPoint::Idr), 1_000_000 + ms);
        drain(grid, steps);
    }

    fn audio(grid: &mut Grid, at: Timestamp, steps: &mut Vec<Step>) {
        grid.audio(at, 0);
        drain(grid, steps);
    }

    /// Runs so many pictures of a source with an IDR every `gop` pictures; returns all steps.
    fn run(grid: &mut Grid, fps: f64, gop: usize, from: usize, pictures: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        for n in from..from + pictures {
            picture(grid, (n as f64 * 1000.0 / fps).round() as i64, n % gop == 0, &mut steps);
        }
        steps
    }

    fn all_cuts(steps: &[Step], ladder: bool) -> Vec<Cut> {
        let cut = |step: &Step| match *step {
            Step::CutSource(cut) if !ladder => Some(cut),
            Step::CutLadder(cut) if ladder => Some(cut),
            _ => None,
        };
        steps.iter().filter_map(cut).collect()
    }

    /// Times in ms at which a segment ended: all but the first begin.
    fn cuts(steps: &[Step], ladder: bool) -> Vec<i64> {
        let cuts = all_cuts(steps, ladder);
        let numbers = cuts.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1);
        assert!(numbers, "numbers are contiguous: {cuts:?}");
        let ends = cuts.iter().filter(|cut| cut.sequence > FIRST);
        ends.map(|cut| cut.at.ticks() / 90).collect()
    }

    /// One grid: source and ladder are cut at the same times, with this target duration.
    fn assert_one_grid(fps: f64, gop: usize, target_duration_secs: u64, expected: &[i64]) {
        let mut grid = new_grid();
        let steps = run(&mut grid, fps, gop, 0, (fps * 10.0) as usize);
        assert_eq!(
            grid.mode(),
            Some(GridMode { target_duration_secs, own_grid: false }),
            "gop {gop} at {fps}"
        );
        assert_eq!(all_cuts(&steps, false), all_cuts(&steps, true), "equal numbers, equal spans");
        assert_eq!(&cuts(&steps, true)[..expected.len()], expected, "gop {gop} at {fps}");
    }

    #[test]
    fn gops_up_to_twice_the_segment_duration_make_one_grid() {
        assert_one_grid(30.0, 15, 2, &[2000, 4000, 6000]); // 0.5 s
        assert_one_grid(30.0, 30, 2, &[2000, 4000, 6000]); // 1 s
        assert_one_grid(100.0, 198, 2, &[1980, 3960, 5940]); // 1.98 s, not 3.96
        assert_one_grid(30000.0 / 1001.0, 60, 2, &[2002, 4004, 6006]); // OBS's 2 s at 29.97 fps
        assert_one_grid(25.0, 75, 3, &[3000, 6000, 9000]); // 3 s
        assert_one_grid(25.0, 100, 4, &[4000, 8000]); // 4 s
    }

    #[test]
    fn a_longer_gop_gives_the_ladder_its_own_grid() {
        let mut grid = new_grid();
        let steps = run(&mut grid, 30.0, 300, 0, 700);
        assert_eq!(grid.mode(), Some(GridMode { target_duration_secs: 2, own_grid: true }));
        assert_eq!(cuts(&steps, false), [10_000, 20_000]);
        assert_eq!(cuts(&steps, true), (1..=11).map(|n| n * 2000).collect::<Vec<_>>());
    }

    #[test]
    fn a_later_long_gop_moves_the_ladder_to_its_own_grid_for_good() {
        let mut grid = new_grid();
        run(&mut grid, 30.0, 60, 0, 150);
        let steps = run(&mut grid, 30.0, 3000, 150, 150);
        assert_eq!(grid.mode(), Some(GridMode { target_duration_secs: 2, own_grid: true }));
        let ladder = cuts(&steps, true);
        assert!(
            ladder[0] > 6_300 && ladder[0] <= 6_400,
            "forced within 0.4 s of the target duration: {ladder:?}"
        );
        assert_eq!(ladder[1] - ladder[0], 2000);
        run(&mut grid, 30.0, 30, 300, 300);
        assert!(grid.mode().unwrap().own_grid, "never back");
    }

    #[test]
    fn audio_alone_is_cut_by_time() {
        let mut grid = new_grid();
        let mut steps = Vec::new();
        for n in 0..200 {
            audio(&mut grid, Timestamp::from_ticks(n * 2090), &mut steps);
        }
        assert_eq!(grid.mode(), Some(GridMode { target_duration_secs: 2, own_grid: false }));
        assert_eq!(cuts(&steps, false), [2020, 4040]);
    }

    #[test]
    fn when_pictures_stop_audio_cuts_at_the_segment_duration_or_behind_them() {
        for (pictures, expected) in [(30, 2000), (45, 2000), (75, 2500)] {
            let mut grid = new_grid();
            let mut steps = run(&mut grid, 30.0, 3000, 0, pictures);
            // It is known a second later that no more come.
            let first = pictures as i64 * 3000 + 90_000;
            for n in 0..100 {
                audio(&mut grid, Timestamp::from_ticks(first + n * 2090), &mut steps);
            }
            let cuts = cuts(&steps, false);
            // A picture's end is known to the millisecond.
            assert!((expected..=expected + 1).contains(&cuts[0]), "{pictures} pictures: {cuts:?}");
            assert!((1980..2050).contains(&(cuts[1] - cuts[0])), "{cuts:?}");
            assert!(
                grid.mode()
                    .is_some_and(|mode| mode.target_duration_secs * 1000 + 400 >= expected as u64)
            );
        }
    }

    #[test]
    fn another_audio_is_cut_at_once_where_no_pictures_come() {
        let mut grid = new_grid();
        let mut steps = Vec::new();
        audio(&mut grid, Timestamp::from_millis(0), &mut steps);
        grid.break_at_next_random_access();
        audio(&mut grid, Timestamp::from_millis(400), &mut steps);
        grid.break_at_next_random_access_or_audio();
        audio(&mut grid, Timestamp::from_millis(500), &mut steps);
        audio(&mut grid, Timestamp::from_millis(600), &mut steps);
        assert_eq!(cuts(&steps, false), [500]);
    }

    #[test]
    fn a_returning_publisher_keeps_the_mode() {
        let mode = GridMode { target_duration_secs: 2, own_grid: false };
        let mut grid = Grid::new(SEGMENT, GridState { mode: Some(mode), ..GridState::new(FIRST) });
        let steps = run(&mut grid, 30.0, 60, 0, 200);
        assert_eq!(cuts(&steps, true), [2000, 4000, 6000]);
        assert!(!steps.contains(&Step::Mode(mode)), "it stands already");
    }

    /// x264 with a keyframe interval of 2 s, and scenes that change at 2.7 s, 9.1 s and 9.8 s.
    #[test]
    fn one_more_idr_at_a_change_of_scene_is_a_cut_and_keeps_one_grid() {
        let idrs = [0, 2_000, 2_700, 4_700, 6_700, 8_700, 9_100, 9_800, 11_800, 13_800];
        let mut grid = new_grid();
        let mut steps = Vec::new();
        for ms in (0..15_000).step_by(20) {
            picture(&mut grid, ms, idrs.contains(&ms), &mut steps);
        }
        assert_eq!(grid.mode(), Some(GridMode { target_duration_secs: 2, own_grid: false }));
        let source = cuts(&steps, false);
        assert_eq!(source, [2_000, 2_700, 4_700, 6_700, 8_700, 9_800, 11_800, 13_800]);
        assert_eq!(cuts(&steps, true), source);
    }

    #[test]
    fn after_a_jump_the_next_random_access_is_a_cut() {
        let mut grid = new_grid();
        run(&mut grid, 30.0, 30, 0, 75);
        grid.break_at_next_random_access();
        let steps = run(&mut grid, 30.0, 30, 75, 30);
        assert_eq!(cuts(&steps, false), [3000]);
        for ladder in [false, true] {
            let cut = all_cuts(&steps, ladder)[0];
            assert!(cut.discontinuity);
            assert_eq!((cut.discontinuity_sequence, cut.unix_ms), (1, 1_003_000));
        }
    }

    #[test]
    fn a_ladder_cut_comes_when_the_pictures_before_it_have_come() {
        let mut grid = new_grid();
        let mut steps = Vec::new();
        // Two B pictures between the others: decoding order I0 P3 B1 B2 P6 ..., display two
        // pictures later.
        let order = [0, 3, 1, 2].into_iter().chain((1..40).flat_map(|gop| {
            let first = gop * 3 + 3;
            [first, first - 2, first - 1]
        }));
        for (decoded, shown) in order.enumerate() {
            let pts = Timestamp::from_millis(shown * 100 + 200);
            let dts = Timestamp::from_millis(decoded as i64 * 100);
            grid.picture(pts, dts, (shown == 0).then_some(CutPoint::Idr), 0);
            while let Some(step) = grid.poll() {
                if let Step::CutLadder(cut) = step {
                    assert!(cut.at <= dts.max(Timestamp::from_millis(200)), "{cut:?} at {dts:?}");
                }
                steps.push(step);
            }
        }
        let expected: Vec<_> = (1..=5).map(|n| n * 2000 + 200).collect();
        assert_eq!(cuts(&steps, true)[..5], expected, "on the first picture in display order");
    }

    #[test]
    fn numbers_go_on_with_the_next_publisher_and_in_both_grids() {
        let mut grid = new_grid();
        let mut steps = run(&mut grid, 30.0, 60, 0, 150);
        grid.finish(Timestamp::from_millis(5000));
        drain(&mut grid, &mut steps);
        assert_eq!(steps.last(), Some(&Step::End(Timestamp::from_millis(5000))));
        let state = grid.state();
        assert_eq!(state.source, state.ladder);
        assert_eq!(state.source.next_sequence, FIRST + 3);
        let mut grid = Grid::new(SEGMENT, state);
        let steps = run(&mut grid, 30.0, 3000, 0, 300);
        let first = all_cuts(&steps, false)[0];
        assert_eq!(first.sequence, FIRST + 3);
        assert!(first.discontinuity);
        assert_eq!(first.discontinuity_sequence, 1);
        let ladder = all_cuts(&steps, true);
        assert_eq!(ladder[0], first, "one grid until the GOP proves too long");
        assert!(grid.mode().is_some_and(|mode| mode.own_grid));
        assert!(ladder[1..].iter().all(|cut| !cut.discontinuity));
        assert_eq!(
            ladder.last().map(|cut| cut.sequence),
            Some(FIRST + 3 + ladder.len() as u64 - 1)
        );
    }

    #[test]
    fn the_number_of_a_span_of_no_length_is_free_again() {
        let mut grid = new_grid();
        run(&mut grid, 30.0, 60, 0, 1);
        grid.finish(Timestamp::ZERO);
        assert_eq!(grid.state(), GridState::new(FIRST));
    }
}
