//! What a grid must do: the property that the fuzz target and the property tests share.
//!
//! Judged by the steps that come out alone: this file knows none of the grid's fields.

use media::{Duration, Timestamp};

use super::{Cut, CutPoint, Grid, GridMode, GridState, Step, TOLERANCE};

/// A cut of the ladder is out when a picture is decoded this much behind it (`grid.rs`,
/// `MAX_CUT_DELAY`).
const MAX_CUT_DELAY: Duration = Duration::from_millis(200);

/// A ladder segment may exceed the target duration by this much (`grid.rs`, `OVERRUN`).
const OVERRUN: Duration = Duration::from_millis(400);

/// Pictures that come further apart are a pause: the ladder is not cut where nobody sees anything.
const PAUSE: Duration = Duration::from_millis(200);

/// The first number of every stream here.
const FIRST: u64 = 700;

/// One thing that a stream may do next.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// A picture is decoded so long behind the one before, and shown so long behind its decoding.
    Picture { step: u32, delay: u32, cut_point: Option<CutPoint> },
    /// Pictures at an even rate, every `gop`th of them an IDR, none of them shown late.
    Run { pictures: u8, interval_ms: u8, gop: u8 },
    /// A frame of sound so long behind the newest sample. Reported where no picture has come for a
    /// second.
    Sound { step: u32 },
    /// So many frames of sound of 23 ms, the first a second behind the pictures.
    SoundRun { frames: u8 },
    /// Time jumped, or the parameters changed.
    Break,
    /// The audio became another.
    BreakOrAudio,
    /// The source's segment became too long: it is cut so long behind the newest sample, at most
    /// [`PAUSE`].
    CutHere { step: u32 },
    /// The publisher goes so long behind its newest sample, and another one comes.
    Resume { after: u32 },
}

/// Runs `ops` on a grid of segments this long, and looks at every step.
pub(crate) fn check(segment_duration: Duration, ops: &[Op]) {
    let state = GridState::new(FIRST);
    let mut run = Run {
        segment_duration,
        grid: Grid::new(segment_duration, state),
        state,
        mode: None,
        stay: Stay::default(),
        source: Line::default(),
        ladder: Line::default(),
    };
    ops.iter().for_each(|op| run.step(op));
    run.resume(1);
}

struct Run {
    segment_duration: Duration,
    grid: Grid,
    /// Where the stay began.
    state: GridState,
    mode: Option<GridMode>,
    stay: Stay,
    source: Line,
    ladder: Line,
}

/// What has come since the publisher came.
#[derive(Default)]
struct Stay {
    /// Decoding time of the newest picture, and the latest time that one is shown.
    decoded: Option<Timestamp>,
    shown: Option<Timestamp>,
    /// The latest time of any sample.
    newest: Timestamp,
    /// The latest end of any sample that was packaged.
    end: Timestamp,
    started: bool,
    /// Decoding time of the first picture behind the newest pause.
    resumed: Option<Timestamp>,
    /// The longest that a picture is shown behind its own decoding, or that the source was cut
    /// ahead of it.
    longest_reorder: Duration,
    /// Presentation times of all pictures and of the sound that was reported.
    pictures: Vec<Timestamp>,
    sounds: Vec<Timestamp>,
}

/// The cuts of the source or of the ladder.
#[derive(Default)]
struct Line {
    /// The cuts of earlier stays, without those whose spans came to nothing.
    earlier: Vec<Cut>,
    cuts: Vec<Cut>,
    /// How many cuts there were when the ladder got a grid of its own, if it was in this stay: of
    /// the source's the ladder has these and no other.
    shared: Option<usize>,
}

impl Line {
    fn push(&mut self, cut: Cut) {
        let before = self.cuts.last().or_else(|| self.earlier.last());
        let (sequence, discontinuities) =
            before.map_or((FIRST, 0), |it| (it.sequence + 1, it.discontinuity_sequence));
        assert_eq!(cut.sequence, sequence, "numbers are contiguous: {before:?} {cut:?}");
        assert_eq!(
            cut.discontinuity_sequence,
            discontinuities + u64::from(cut.discontinuity),
            "discontinuities are counted: {before:?} {cut:?}"
        );
        match self.cuts.last() {
            Some(before) => assert!(cut.at > before.at, "cuts ascend: {before:?} {cut:?}"),
            None => assert_eq!(
                cut.discontinuity,
                !self.earlier.is_empty(),
                "another publisher's media does not continue what was: {cut:?}"
            ),
        }
        self.cuts.push(cut);
    }

    /// The stay ended at `end`.
    fn close(&mut self, end: Timestamp) {
        // A span of no length is none, and its number is the next one's.
        self.cuts.pop_if(|cut| cut.at >= end);
        self.earlier.append(&mut self.cuts);
        self.shared = None;
    }

    fn next_sequence(&self) -> u64 {
        self.earlier.last().map_or(FIRST, |cut| cut.sequence + 1)
    }
}

impl Run {
    fn step(&mut self, op: &Op) {
        match *op {
            Op::Picture { step, delay, cut_point } => {
                let dts = self.next_dts(Duration::from_ticks(step.into()));
                self.picture(dts, dts + Duration::from_ticks(delay.into()), cut_point);
            }
            Op::Run { pictures, interval_ms, gop } => {
                for n in 0..pictures {
                    let dts = self.next_dts(Duration::from_millis(interval_ms.max(1).into()));
                    self.picture(dts, dts, (n % gop.max(1) == 0).then_some(CutPoint::Idr));
                }
            }
            Op::Sound { step } => self.sound(Duration::from_ticks(step.into())),
            Op::SoundRun { frames } => {
                let pictures_stopped = self.stay.shown.map(|shown| shown + Duration::from_secs(1));
                self.stay.newest = pictures_stopped.max(Some(self.stay.newest)).unwrap_or_default();
                (0..frames).for_each(|_| self.sound(Duration::from_millis(23)));
            }
            Op::Break => self.grid.break_at_next_random_access(),
            Op::BreakOrAudio => self.grid.break_at_next_random_access_or_audio(),
            Op::CutHere { step } => {
                let newest = self.stay.shown.max(self.stay.sounds.last().copied());
                if let Some(newest) = newest {
                    let at = newest + Duration::from_ticks(step.into()).min(PAUSE);
                    self.grid.cut_here(at, unix_ms(at));
                    self.drain();
                    self.stay.newest = self.stay.newest.max(at);
                    self.stay.longest_reorder = self.stay.longest_reorder.max(at - newest);
                }
            }
            Op::Resume { after } => self.resume(after),
        }
    }

    /// Decoding times grow, whatever a publisher stamps.
    fn next_dts(&self, step: Duration) -> Timestamp {
        let step = step.max(Duration::from_ticks(1));
        self.stay.decoded.map_or(self.stay.newest, |decoded| decoded + step)
    }

    fn picture(&mut self, dts: Timestamp, pts: Timestamp, cut_point: Option<CutPoint>) {
        // Nothing begins with another picture.
        let begins = if self.stay.started { cut_point } else { Some(CutPoint::Idr) };
        let had_own_grid = self.has_own_grid();
        self.stay.started = true;
        self.stay.shown = self.stay.shown.max(Some(pts));
        self.stay.newest = self.stay.newest.max(pts);
        self.stay.end = self.stay.end.max(pts + Duration::from_millis(20));
        if self.stay.decoded.is_none_or(|decoded| dts - decoded > PAUSE) {
            self.stay.resumed = Some(dts);
        }
        self.stay.longest_reorder = self.stay.longest_reorder.max(pts - dts);
        self.stay.decoded = Some(dts);
        self.stay.pictures.push(pts);
        self.grid.picture(pts, dts, begins, unix_ms(pts));
        self.drain();
        self.check_nothing_is_stuck(dts, had_own_grid);
        let begun = self.ladder.cuts.last().is_some_and(|cut| cut.at == pts);
        assert!(!begun || self.grid.may_begin_ladder_span(pts), "it has begun one");
    }

    fn sound(&mut self, step: Duration) {
        let pts = self.stay.newest + step.max(Duration::from_ticks(1));
        self.stay.newest = pts;
        if self.stay.shown.is_some_and(|shown| pts - shown <= Duration::from_secs(1)) {
            return;
        }
        self.stay.started = true;
        self.stay.sounds.push(pts);
        self.stay.end = self.stay.end.max(pts + Duration::from_millis(20));
        let before = self.source.cuts.len();
        self.grid.audio(pts, unix_ms(pts));
        self.drain();
        if self.source.cuts.len() > before && !self.has_own_grid() {
            assert!(self.source.cuts == self.ladder.cuts, "where sound cuts nothing waits");
        }
    }

    fn drain(&mut self) {
        let before = self.stay.newest;
        let mut steps = 0;
        while let Some(step) = self.grid.poll() {
            steps += 1;
            match step {
                Step::Mode(mode) => self.decided(mode),
                Step::CutSource(cut) => self.source.push(cut),
                Step::CutLadder(cut) => self.cut_ladder(cut),
                Step::End(_) => panic!("an end that nobody asked for"),
            }
        }
        let first = self.ladder.cuts.first().map_or(before, |cut| cut.at);
        let most = (before - first).ticks() / self.segment_duration.ticks() + 8;
        assert!(steps <= most, "{steps} steps at once");
    }

    fn decided(&mut self, mode: GridMode) {
        if let Some(before) = self.mode {
            assert!(!before.own_grid, "decided for good");
            assert!(mode.own_grid, "decided once");
            assert_eq!(before.target_duration_secs, mode.target_duration_secs, "RFC 8216 6.2.1");
        }
        self.mode = Some(mode);
        assert_eq!(self.grid.mode(), Some(mode));
        if mode.own_grid {
            self.source.shared = Some(self.source.cuts.len());
            self.ladder.shared = Some(self.ladder.cuts.len());
        }
    }

    fn has_own_grid(&self) -> bool {
        self.mode.is_some_and(|mode| mode.own_grid)
    }

    fn cut_ladder(&mut self, cut: Cut) {
        let place = self.ladder.cuts.len();
        let all_shared = if self.state.mode.is_some_and(|mode| mode.own_grid) {
            0
        } else {
            self.source.shared.unwrap_or(usize::MAX)
        };
        if place < all_shared {
            assert_eq!(self.source.cuts.get(place), Some(&cut), "one grid, one cut");
        }
        if let Some(before) = self.ladder.cuts.last() {
            self.check_length(before.at, cut.at);
        }
        self.ladder.push(cut);
    }

    /// A ladder span is not longer than the target duration allows, where pictures come through all
    /// of it.
    fn check_length(&self, start: Timestamp, end: Timestamp) {
        let inside = |at: &&Timestamp| **at >= start && **at <= end;
        if self.stay.sounds.iter().any(|at| inside(&at)) {
            return;
        }
        let mut times: Vec<_> = self.stay.pictures.iter().filter(inside).copied().collect();
        times.extend([start, end]);
        times.sort();
        let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
        let longest_step = steps.max().unwrap_or(Duration::ZERO);
        if longest_step > PAUSE {
            return;
        }
        let Some(mode) = self.mode else { panic!("the second cut comes when it is decided") };
        let target = Duration::from_secs(mode.target_duration_secs as i64);
        // An even rate is known beforehand, up to the millisecond; any other is known when it is
        // too late by a step.
        let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
        let shortest_step = steps.min().unwrap_or(Duration::ZERO);
        // So is an IDR that is shown long behind the pictures that follow it: it is cut at
        // nevertheless.
        let surprise = longest_step - shortest_step + self.stay.longest_reorder;
        assert!(
            end - start <= target + OVERRUN + TOLERANCE + surprise,
            "{} ms of {} s, pictures up to {} ms apart",
            (end - start).as_millis(),
            mode.target_duration_secs,
            longest_step.as_millis()
        );
    }

    /// What is due at decoding time `dts` is out.
    fn check_nothing_is_stuck(&self, dts: Timestamp, had_own_grid: bool) {
        let Some(running) = self.ladder.cuts.last() else { panic!("the first cut is both's") };
        if had_own_grid {
            // Nothing is due while nothing comes, nor before the sound that cut meanwhile. And a
            // cut that a break asks for, so far ahead as an IDR may be shown behind its decoding,
            // takes the place of one that is due.
            let sound = self.stay.sounds.last().copied();
            let since = Some(running.at).max(self.stay.resumed).max(sound).unwrap_or(running.at);
            let delay = MAX_CUT_DELAY + TOLERANCE + self.stay.longest_reorder;
            // The span in which a GOP turned out to be too long lasts as long as it may.
            let is_forced = self.ladder.shared == Some(self.ladder.cuts.len());
            let target = self.mode.map_or(0, |mode| mode.target_duration_secs);
            let longest = Duration::from_secs(target as i64) + OVERRUN;
            let length =
                if is_forced { self.segment_duration.max(longest) } else { self.segment_duration };
            let due = since + length + delay;
            assert!(dts < due, "{running:?} runs at {} ms", dts.ticks() / 90);
        } else if !self.has_own_grid() {
            let due = self.source.cuts.iter().filter(|cut| cut.at <= dts).count();
            assert!(self.ladder.cuts.len() >= due, "a cut of the source is not the ladder's");
        }
    }

    fn resume(&mut self, after: u32) {
        let end = self.stay.end + Duration::from_ticks((after % 4000).into());
        self.grid.finish(end);
        let mut ended_at = None;
        while let Some(step) = self.grid.poll() {
            match step {
                Step::Mode(mode) => self.decided(mode),
                Step::CutSource(cut) => self.source.push(cut),
                Step::CutLadder(cut) => self.cut_ladder(cut),
                Step::End(at) => ended_at = Some(at),
            }
        }
        assert_eq!(ended_at.is_some(), self.stay.started, "what began ends");
        if let Some(end) = ended_at {
            self.check_breaks(end);
            self.source.close(end);
            self.ladder.close(end);
        }
        self.state = self.grid.state();
        assert_eq!(self.state.mode, self.mode);
        assert_eq!(self.state.source.next_sequence, self.source.next_sequence(), "none lost");
        assert_eq!(self.state.ladder.next_sequence, self.ladder.next_sequence(), "none lost");
        if !self.has_own_grid() {
            assert_eq!(self.state.source, self.state.ladder, "one grid");
            assert!(self.source.earlier == self.ladder.earlier, "one grid");
        }
        // How much it holds shows in what it says of itself.
        assert!(format!("{:?}", self.grid).len() < 64 * 1024);
        self.grid = Grid::new(self.segment_duration, self.state);
        self.stay = Stay::default();
    }

    /// What breaks the source breaks the ladder.
    fn check_breaks(&self, end: Timestamp) {
        let breaks =
            self.source.cuts.iter().skip(1).filter(|cut| cut.discontinuity && cut.at < end);
        for cut in breaks {
            // Where one has just fallen it is the next one's, which may not come any more.
            let near = PAUSE + self.stay.longest_reorder;
            let mut later = self.ladder.cuts.iter().filter(|it| it.at >= cut.at - near);
            let behind = self.ladder.cuts.last().is_none_or(|it| it.at <= cut.at + near);
            assert!(behind || later.any(|it| it.discontinuity), "{cut:?} is the source's alone");
        }
    }
}

fn unix_ms(at: Timestamp) -> i64 {
    1_800_000_000_000 + at.ticks() / 90
}
