//! Where segments are cut, for the source and for the renditions made of it ("the grid").
//!
//! RFC 8216 asks that a playlist's target duration never changes (6.2.1) and that all variant streams have the same
//! timestamps, discontinuities and target duration (6.2.4). The source can be cut only where its encoder put an IDR,
//! the ladder anywhere. So the grid waits for the first IDR that makes a good segment, up to twice the segment
//! duration, and then decides for the stream's life:
//!
//! - **one grid**: source and ladder are cut together at the source's IDRs;
//! - **own grid**: the source's IDRs come too seldom; the ladder is cut every segment duration, the source at its
//!   IDRs. A stream moves from one grid to own grid when a later GOP breaks the target duration, and never back.
//!
//! Pure arithmetic on timestamps: pictures go in, in decoding order, before they are packaged; steps come out.

use media::{Duration, Timestamp};

/// A ladder segment may exceed the target duration by this much (Apple's authoring rule 7.7 allows 0.5 s).
const OVERRUN: Duration = Duration::from_millis(400);

/// A first segment this much over whole seconds does not raise the target duration: 60 pictures at 29.97 fps last
/// 2.002 s, and RFC 8216 4.3.3.1 rounds EXTINF before it compares.
const ROUNDING: Duration = Duration::from_millis(100);

/// A picture this little before a time is meant by it: times come from whole milliseconds, added up.
const MILLISECONDS: Duration = Duration::from_millis(4);

/// Of the longest interval between IDRs so much of each new one is forgotten: 2 s become 1 s in 16 s.
const FORGETTING: i64 = 16;

/// Half a picture at 25 fps: an IDR this much early is as good as on time.
const HALF_PICTURE: Duration = Duration::from_millis(20);

/// Audio frames are shorter than this (2048 samples at 8 kHz): one that comes later than that came after silence.
const LATE: Duration = Duration::from_millis(300);

/// One thing to do before the picture (or audio frame) just reported is packaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The ladder needs an IDR at `at`: it may turn out to be a cut.
    Mark {
        /// Presentation time of the first picture of the would-be segment, or the nearest one after it.
        at: Timestamp,
    },
    /// How the stream is cut from now on.
    Mode(GridMode),
    /// The source's segment ends here, and the next one starts.
    CutSource {
        /// Presentation time of the picture or audio frame that starts the next segment.
        at: Timestamp,
    },
    /// The ladder's segments end at the first picture at or after this time. May lie in the past: then at a mark.
    CutLadder {
        /// Presentation time of the picture that starts the next segment, or the nearest one after it.
        at: Timestamp,
    },
}

/// How a stream is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridMode {
    /// The target duration of the ladder, in seconds; the source's too unless `own_grid`.
    pub target_duration_secs: u64,
    /// The ladder is cut on a grid of its own.
    pub own_grid: bool,
}

/// The cutting rule of one publisher's stream.
#[derive(Debug)]
pub struct Grid {
    segment_duration: Duration,
    mode: Option<GridMode>,
    /// A cut is due at the next IDR whatever the length: parameters changed or time jumped.
    cut_next: bool,
    cut_next_audio: bool,
    source_cut: Timestamp,
    ladder_cut: Timestamp,
    marked: bool,
    started: bool,
    last_picture: Option<Timestamp>,
    last_random_access: Timestamp,
    /// How far apart IDRs come at most, as far as one grid can have them; forgotten slowly.
    longest_interval: Duration,
    picture_interval: Duration,
}

impl Grid {
    /// A grid for a stream whose segments shall last `segment_duration`.
    ///
    /// `mode` is that of the stream's earlier publisher, whose playlists still stand: it is kept.
    #[must_use]
    pub fn new(segment_duration: Duration, mode: Option<GridMode>) -> Self {
        Self {
            segment_duration,
            mode,
            cut_next: false,
            cut_next_audio: false,
            source_cut: Timestamp::ZERO,
            ladder_cut: Timestamp::ZERO,
            marked: false,
            started: false,
            last_picture: None,
            last_random_access: Timestamp::ZERO,
            longest_interval: Duration::ZERO,
            picture_interval: Duration::from_millis(40),
        }
    }

    /// The mode, once decided.
    #[must_use]
    pub fn mode(&self) -> Option<GridMode> {
        self.mode
    }

    /// Makes the next IDR a cut, however short the segment: the parameters changed or time jumped.
    pub fn cut_at_next_random_access(&mut self) {
        self.cut_next = self.started;
    }

    /// The same, and where pictures do not come it is the next audio frame: the audio has become another.
    pub fn cut_at_next_random_access_or_audio(&mut self) {
        self.cut_at_next_random_access();
        self.cut_next_audio = self.started;
    }

    /// Forgets the segment that audio alone began: the next picture begins it.
    pub fn forget_start(&mut self) {
        self.started = false;
    }

    /// The picture with presentation time `pts` comes next, in decoding order; adds what is due to `steps`.
    ///
    /// The first call starts the first segment; the caller has skipped everything before a random access picture.
    pub fn picture(&mut self, pts: Timestamp, random_access: bool, steps: &mut Vec<Step>) {
        if !self.started {
            self.start(pts);
        } else if random_access {
            self.random_access(pts, steps);
        }
        self.limits(pts, steps);
        self.note_picture(pts, random_access);
    }

    /// An audio frame with presentation time `pts` comes next. Audio decides nothing while pictures come.
    ///
    /// To be called for the frames that come while there are no pictures (there is no video, or it stopped): then
    /// segments are cut by time.
    pub fn audio(&mut self, pts: Timestamp, steps: &mut Vec<Step>) {
        if !self.started {
            self.start(pts);
        }
        let Some(at) = self.audio_cut_at(pts) else { return };
        if self.mode.is_none() {
            let length = (at - self.source_cut).max(self.segment_duration);
            self.decide(GridMode { target_duration_secs: target(length), own_grid: false }, steps);
        }
        self.cut_both(at, steps);
    }

    /// Where audio ends the segment: at once where it became another, else when its time is up, but not among its
    /// pictures. That may have passed before it was sure that no more pictures come.
    fn audio_cut_at(&self, pts: Timestamp) -> Option<Timestamp> {
        if self.cut_next_audio {
            return (pts > self.source_cut).then_some(pts);
        }
        let pictures_end =
            self.last_picture.map_or(self.source_cut, |last| last + self.picture_interval);
        let due = (self.source_cut.max(self.ladder_cut) + self.segment_duration).max(pictures_end);
        // What the pictures left open ends where it should have; what follows is cut with the sound.
        (pts >= due).then(|| if pts - due < LATE { pts } else { due })
    }

    fn start(&mut self, pts: Timestamp) {
        self.started = true;
        self.source_cut = pts;
        self.ladder_cut = pts;
        self.last_random_access = pts;
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
    }

    fn random_access(&mut self, pts: Timestamp, steps: &mut Vec<Step>) {
        if pts <= self.source_cut || !(self.cut_next || self.usable(pts)) {
            return;
        }
        match self.mode {
            None => {
                let length = (pts - self.source_cut).max(self.segment_duration);
                self.decide(
                    GridMode { target_duration_secs: target(length), own_grid: false },
                    steps,
                );
                self.cut_both(pts, steps);
            }
            Some(GridMode { own_grid: false, .. }) => self.cut_both(pts, steps),
            Some(GridMode { own_grid: true, .. }) if self.cut_next => self.cut_both(pts, steps),
            Some(GridMode { own_grid: true, .. }) => self.cut_source(pts, steps),
        }
        self.cut_next = false;
    }

    /// An IDR is usable when the segment is long enough, or when the next IDR may come too late: encoders put one more at
    /// a change of scene, and count their keyframe interval anew from there.
    fn usable(&self, pts: Timestamp) -> bool {
        let length = pts - self.source_cut;
        length >= self.segment_duration - HALF_PICTURE
            || length + self.longest_interval_at(pts) > self.longest()
    }

    /// With the interval that ends with the IDR at `pts`. A longer one than a segment may last is a pause, or nothing
    /// that cutting earlier could help.
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
    fn limits(&mut self, pts: Timestamp, steps: &mut Vec<Step>) {
        match self.mode {
            None => self.limit_undecided(pts, steps),
            Some(GridMode { own_grid: false, .. }) => self.limit_one_grid(pts, steps),
            Some(GridMode { own_grid: true, .. }) => self.limit_own_grid(pts, steps),
        }
    }

    fn limit_undecided(&mut self, pts: Timestamp, steps: &mut Vec<Step>) {
        let mark = self.source_cut + self.segment_duration;
        if pts + MILLISECONDS >= mark && !self.marked {
            self.marked = true;
            steps.push(Step::Mark { at: mark });
        }
        if pts + MILLISECONDS >= mark + self.segment_duration {
            self.go_own_grid(steps);
            self.limit_own_grid(pts, steps);
        }
    }

    fn limit_one_grid(&mut self, pts: Timestamp, steps: &mut Vec<Step>) {
        if pts + self.picture_interval > self.ladder_cut + self.longest() {
            self.go_own_grid(steps);
            self.cut_ladder(pts.min(self.ladder_cut + self.longest()), steps);
        }
    }

    fn limit_own_grid(&mut self, pts: Timestamp, steps: &mut Vec<Step>) {
        while pts + MILLISECONDS >= self.ladder_cut + self.segment_duration {
            self.cut_ladder(self.ladder_cut + self.segment_duration, steps);
        }
    }

    fn go_own_grid(&mut self, steps: &mut Vec<Step>) {
        let target_duration_secs = self.target_duration_secs();
        self.decide(GridMode { target_duration_secs, own_grid: true }, steps);
    }

    fn decide(&mut self, mode: GridMode, steps: &mut Vec<Step>) {
        self.mode = Some(mode);
        steps.push(Step::Mode(mode));
    }

    fn cut_both(&mut self, at: Timestamp, steps: &mut Vec<Step>) {
        self.cut_source(at, steps);
        if at > self.ladder_cut {
            self.cut_ladder(at, steps);
        }
    }

    fn cut_source(&mut self, at: Timestamp, steps: &mut Vec<Step>) {
        self.cut_next_audio = false;
        self.source_cut = at;
        steps.push(Step::CutSource { at });
    }

    fn cut_ladder(&mut self, at: Timestamp, steps: &mut Vec<Step>) {
        self.ladder_cut = at;
        steps.push(Step::CutLadder { at });
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

    /// Runs `seconds` of a source with an IDR every `gop` pictures; returns all steps with the times in ms.
    fn run(grid: &mut Grid, fps: f64, gop: usize, from: usize, pictures: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        for n in from..from + pictures {
            let pts = Timestamp::from_millis((n as f64 * 1000.0 / fps).round() as i64);
            grid.picture(pts, n % gop == 0, &mut steps);
        }
        steps
    }

    fn cuts(steps: &[Step], ladder: bool) -> Vec<i64> {
        let ms = |at: Timestamp| at.ticks() / 90;
        steps
            .iter()
            .filter_map(|&step| match step {
                Step::CutSource { at } if !ladder => Some(ms(at)),
                Step::CutLadder { at } if ladder => Some(ms(at)),
                _ => None,
            })
            .collect()
    }

    /// One grid: source and ladder are cut at the same times, with this target duration.
    fn assert_one_grid(fps: f64, gop: usize, target_duration_secs: u64, expected: &[i64]) {
        let mut grid = Grid::new(SEGMENT, None);
        let steps = run(&mut grid, fps, gop, 0, (fps * 10.0) as usize);
        assert_eq!(
            grid.mode(),
            Some(GridMode { target_duration_secs, own_grid: false }),
            "gop {gop} at {fps}"
        );
        assert_eq!(cuts(&steps, false), cuts(&steps, true));
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
        let mut grid = Grid::new(SEGMENT, None);
        let steps = run(&mut grid, 30.0, 300, 0, 700);
        assert_eq!(steps[0], Step::Mark { at: Timestamp::from_millis(2000) });
        assert_eq!(grid.mode(), Some(GridMode { target_duration_secs: 2, own_grid: true }));
        assert_eq!(cuts(&steps, false), [10_000, 20_000]);
        assert_eq!(cuts(&steps, true), (1..=11).map(|n| n * 2000).collect::<Vec<_>>());
    }

    #[test]
    fn a_later_long_gop_moves_the_ladder_to_its_own_grid_for_good() {
        let mut grid = Grid::new(SEGMENT, None);
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
        let mut grid = Grid::new(SEGMENT, None);
        let mut steps = Vec::new();
        for n in 0..200 {
            grid.audio(Timestamp::from_ticks(n * 2090), &mut steps);
        }
        assert_eq!(grid.mode(), Some(GridMode { target_duration_secs: 2, own_grid: false }));
        assert_eq!(cuts(&steps, false), [2020, 4040]);
    }

    #[test]
    fn when_pictures_stop_audio_cuts_at_the_segment_duration_or_behind_them() {
        for (pictures, expected) in [(30, 2000), (45, 2000), (75, 2500)] {
            let mut grid = Grid::new(SEGMENT, None);
            let mut steps = run(&mut grid, 30.0, 3000, 0, pictures);
            // It is known a second later that no more come.
            let first = pictures as i64 * 3000 + 90_000;
            for n in 0..100 {
                grid.audio(Timestamp::from_ticks(first + n * 2090), &mut steps);
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
        let mut grid = Grid::new(SEGMENT, None);
        let mut steps = Vec::new();
        grid.audio(Timestamp::from_millis(0), &mut steps);
        grid.cut_at_next_random_access();
        grid.audio(Timestamp::from_millis(400), &mut steps);
        grid.cut_at_next_random_access_or_audio();
        grid.audio(Timestamp::from_millis(500), &mut steps);
        grid.audio(Timestamp::from_millis(600), &mut steps);
        assert_eq!(cuts(&steps, false), [500]);
    }

    #[test]
    fn a_returning_publisher_keeps_the_mode() {
        let mode = GridMode { target_duration_secs: 2, own_grid: false };
        let mut grid = Grid::new(SEGMENT, Some(mode));
        let steps = run(&mut grid, 30.0, 60, 0, 200);
        assert_eq!(cuts(&steps, true), [2000, 4000, 6000]);
        assert!(!steps.contains(&Step::Mode(mode)), "it stands already");
    }

    /// x264 with a keyframe interval of 2 s, and scenes that change at 2.7 s, 9.1 s and 9.8 s.
    #[test]
    fn one_more_idr_at_a_change_of_scene_is_a_cut_and_keeps_one_grid() {
        let idrs = [0, 2_000, 2_700, 4_700, 6_700, 8_700, 9_100, 9_800, 11_800, 13_800];
        let (mut grid, mut steps) = (Grid::new(SEGMENT, None), Vec::new());
        for ms in (0..15_000).step_by(20) {
            grid.picture(Timestamp::from_millis(ms), idrs.contains(&ms), &mut steps);
        }
        assert_eq!(grid.mode(), Some(GridMode { target_duration_secs: 2, own_grid: false }));
        let source = cuts(&steps, false);
        assert_eq!(source, [2_000, 2_700, 4_700, 6_700, 8_700, 9_800, 11_800, 13_800]);
        assert_eq!(cuts(&steps, true), source);
    }

    #[test]
    fn after_a_jump_the_next_random_access_is_a_cut() {
        let mut grid = Grid::new(SEGMENT, None);
        run(&mut grid, 30.0, 30, 0, 75);
        grid.cut_at_next_random_access();
        let steps = run(&mut grid, 30.0, 30, 75, 30);
        assert_eq!(cuts(&steps, false), [3000]);
    }
}
