//! The stream's time: RTMP's 32-bit milliseconds mapped to it track by track; jumps closed, strays
//! put in line.

use media::{Duration, Timestamp};

use crate::drift::Drift;

/// The time of one track may run ahead or fall back by this much from message to message; more is a
/// jump, or a stray.
const MAX_STEP: Duration = Duration::from_secs(2);

/// Pictures may come this far apart (a slide show): a track of which that is the habit may step
/// twice as far, at most this.
const MAX_INTERVAL: Duration = Duration::from_secs(10);

/// Audio and video of one moment arrive within this of each other; further apart their clocks do
/// not belong together.
const MAX_APART: Duration = Duration::from_secs(5);

/// So many messages that do not get beyond what there was are put in line: their clock stands, or
/// runs back.
const MAX_HELD: u32 = 256;

/// So many messages behind a jump, each later than the one before, make it one; fewer are strays.
const AGREEMENT: u32 = 3;

/// The track a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Video,
    Audio,
}

/// What became of the clocks with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The stamps jumped by this much, for good: what follows does not continue what was.
    Jump(Duration),
    /// Audio and video were this far apart: the later one was moved up to the other.
    Joined(Duration),
}

/// Maps message timestamps to stream time. RTMP time is unwrapped here and nowhere else.
///
/// Each track has its own line from stamps to stream time. They share one as long as their stamps
/// belong together, so that the stamps alone say what is seen and heard at once; a track that jumps
/// later than the other follows it.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    video: Track,
    audio: Track,
    last: Option<Side>,
    drift: Drift,
    begins_at: Option<Timestamp>,
}

impl Timeline {
    /// A timeline whose first message is at `at`, whatever its stamp.
    pub(crate) fn beginning_at(at: Timestamp) -> Self {
        Self { begins_at: Some(at), ..Self::default() }
    }

    /// The stream time of a message, and what became of the clocks with it.
    ///
    /// May be before that of an earlier message of the track, by 2 s at most.
    pub(crate) fn map(&mut self, side: Side, stamp_ms: u32) -> (Timestamp, Option<Change>) {
        let turn = self.last.replace(side).is_some_and(|last| last != side);
        let (track, other) = match side {
            Side::Video => (&mut self.video, &mut self.audio),
            Side::Audio => (&mut self.audio, &mut self.video),
        };
        if let Some(at) = self.begins_at.take() {
            track.line = Some(Line { stamp_ms, at });
            track.newest = at;
        }
        let (at, jump) = track.place(stamp_ms, other);
        if let Some(by) = jump {
            other.may_follow = true;
            self.drift = Drift::default();
            return (at, Some(Change::Jump(by)));
        }
        match turn.then(|| track.join(other, at)).flatten() {
            Some((at, by)) => {
                self.drift = Drift::default();
                (at, Some(Change::Joined(by)))
            }
            None => {
                if turn && side == Side::Video {
                    other.shift(self.drift.note(at - other.newest));
                }
                (at, None)
            }
        }
    }
}

/// Where a clock stands: the message stamped `stamp_ms` is at stream time `at`.
#[derive(Clone, Copy, Debug)]
struct Line {
    stamp_ms: u32,
    at: Timestamp,
}

impl Line {
    /// The stream time of a stamp: the signed 32-bit difference is the shortest way round the
    /// circle. ffmpeg leaves out the highest bit, so that its stamps begin again after 2^31 ms:
    /// where that is near, it is meant.
    fn map(self, stamp_ms: u32) -> Timestamp {
        let step = i64::from(stamp_ms.wrapping_sub(self.stamp_ms) as i32);
        let in_31_bits = Duration::from_millis(step - step.signum() * (1 << 31));
        let is_near = in_31_bits <= MAX_INTERVAL && -in_31_bits <= MAX_INTERVAL;
        self.at + if is_near { in_31_bits } else { Duration::from_millis(step) }
    }

    /// The same line, known by a later stamp: so it goes on past 2^32 ms.
    fn at_stamp(self, stamp_ms: u32) -> Self {
        Self { stamp_ms, at: self.map(stamp_ms) }
    }
}

/// A line that messages off their track's own may be on.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    line: Line,
    votes: u32,
}

impl Candidate {
    /// With one more message, and its step from the one before; None where it is not on the same
    /// line.
    fn with(self, stamp_ms: u32) -> Option<(Self, Duration)> {
        let step = self.line.map(stamp_ms) - self.line.at;
        if step.ticks() > 0 && step <= MAX_INTERVAL {
            let line = self.line.at_stamp(stamp_ms);
            return Some((Self { line, votes: self.votes + 1 }, step));
        }
        // Behind, but not far: neither agreement nor another jump.
        (-step <= MAX_STEP && step.ticks() <= 0).then_some((self, step))
    }
}

#[derive(Debug)]
struct Track {
    line: Option<Line>,
    candidate: Option<Candidate>,
    /// The latest stream time of any message.
    newest: Timestamp,
    /// From message to message, averaged over the last few.
    interval: Duration,
    /// Messages since `newest` grew.
    held: u32,
    /// The other track jumped, and this one has not followed yet.
    may_follow: bool,
}

impl Default for Track {
    fn default() -> Self {
        Self {
            line: None,
            candidate: None,
            newest: Timestamp::ZERO,
            interval: Duration::from_millis(40),
            held: 0,
            may_follow: false,
        }
    }
}

impl Track {
    /// The stream time of the next message, and the size of the jump if it is certain with it that
    /// there was one.
    fn place(&mut self, stamp_ms: u32, other: &Self) -> (Timestamp, Option<Duration>) {
        let Some(line) = self.line else { return (self.begin(stamp_ms, other), None) };
        let own = line.map(stamp_ms);
        let takes_own = self.takes(own, other);
        if let Some(theirs) = other.line.filter(|theirs| {
            let at = theirs.map(stamp_ms);
            let nearer = self.distance(at) < self.distance(own);
            self.takes(at, other) && (!takes_own || self.may_follow && nearer)
        }) {
            self.may_follow = false;
            return (self.go_on(theirs, stamp_ms), None);
        }
        if takes_own {
            return (self.go_on(line, stamp_ms), None);
        }
        self.off_line(line, stamp_ms, other)
    }

    /// The first message: on the line of the other track if their stamps belong together, else
    /// where that one is.
    fn begin(&mut self, stamp_ms: u32, other: &Self) -> Timestamp {
        let line = match other.line {
            None => Line { stamp_ms, at: Timestamp::from_millis(stamp_ms.into()) },
            Some(line) if apart(line.map(stamp_ms), other.newest) <= MAX_APART => line,
            Some(_) => Line { stamp_ms, at: other.newest },
        };
        self.newest = line.map(stamp_ms);
        self.go_on(line, stamp_ms)
    }

    /// The message is on this line.
    fn go_on(&mut self, line: Line, stamp_ms: u32) -> Timestamp {
        let line = line.at_stamp(stamp_ms);
        self.candidate = None;
        self.line = Some(line);
        let step = line.at - self.newest;
        self.held = if step.ticks() > 0 { 0 } else { self.held.saturating_add(1) };
        self.newest = self.newest.max(line.at);
        self.learn(step);
        line.at
    }

    /// Whether a message at `at` may be the next one: near the one before, or where the other track
    /// is after a pause.
    fn takes(&self, at: Timestamp, other: &Self) -> bool {
        let step = at - self.newest;
        let longest = (self.interval + self.interval).min(MAX_INTERVAL).max(MAX_STEP);
        let near =
            step <= longest && -step <= MAX_STEP && (step.ticks() > 0 || self.held < MAX_HELD);
        let resumes =
            step.ticks() > 0 && other.line.is_some() && apart(at, other.newest) <= MAX_STEP;
        near || resumes
    }

    fn distance(&self, at: Timestamp) -> Duration {
        apart(at, self.newest)
    }

    /// A message that is not on its track's line: put behind the one before, until enough of them
    /// agree on a new line.
    fn off_line(
        &mut self,
        line: Line,
        stamp_ms: u32,
        other: &Self,
    ) -> (Timestamp, Option<Duration>) {
        let in_line = self.newest.max(other.newest - MAX_STEP) + self.interval;
        if let Some((known, step)) = self.candidate.and_then(|known| known.with(stamp_ms)) {
            if known.votes >= AGREEMENT {
                return self.jump(line, known.line);
            }
            self.candidate = Some(known);
            self.learn(step);
        } else {
            let at = self.newest.max(other.newest) + self.interval;
            self.candidate = Some(Candidate { line: Line { stamp_ms, at }, votes: 1 });
        }
        self.newest = in_line;
        (in_line, None)
    }

    fn jump(&mut self, from: Line, to: Line) -> (Timestamp, Option<Duration>) {
        let to = Line { at: to.at.max(self.newest), ..to };
        self.may_follow = false;
        (self.go_on(to, to.stamp_ms), Some(from.map(to.stamp_ms) - to.at))
    }

    fn learn(&mut self, step: Duration) {
        if step.ticks() > 0 && step <= MAX_INTERVAL {
            self.interval += Duration::from_ticks((step - self.interval).ticks() / 4);
        }
    }

    /// Moves the later of two tracks up to the other where their clocks do not belong together;
    /// `at` is that of the message just placed, the first behind one of `other`. Returns where it
    /// is now, and how far apart they were.
    fn join(&mut self, other: &mut Self, at: Timestamp) -> Option<(Timestamp, Duration)> {
        other.line?;
        let ahead = at - other.newest;
        if ahead > MAX_APART {
            other.shift(ahead);
            other.newest += ahead;
            Some((at, ahead))
        } else if -ahead > MAX_APART {
            self.shift(-ahead);
            self.newest = self.newest.max(other.newest);
            Some((other.newest, -ahead))
        } else {
            None
        }
    }

    fn shift(&mut self, by: Duration) {
        if let Some(line) = &mut self.line {
            line.at += by;
        }
    }
}

fn apart(one: Timestamp, other: Timestamp) -> Duration {
    (one - other).max(other - one)
}

/// The time from one picture to the next, averaged over the last ones in decoding order.
#[derive(Debug)]
pub(crate) struct PictureInterval {
    average: Duration,
    last: Option<Timestamp>,
}

impl PictureInterval {
    /// Starts from the announced frame rate; 30 per second where none is.
    pub(crate) fn new(frame_rate: Option<f64>) -> Self {
        let rate = frame_rate.filter(|rate| (1.0..=300.0).contains(rate)).unwrap_or(30.0);
        Self {
            average: Duration::from_ticks((media::TICKS_PER_SECOND as f64 / rate) as i64),
            last: None,
        }
    }

    /// The interval as it looks now.
    pub(crate) fn average(&self) -> Duration {
        self.average
    }

    /// Notes a picture's decoding time; the interval as it looks now.
    pub(crate) fn note(&mut self, dts: Timestamp) -> Duration {
        if let Some(last) = self.last.replace(dts) {
            // A step over a second is a stall, not a frame rate.
            let step = (dts - last).ticks().clamp(0, media::TICKS_PER_SECOND);
            let change = step - self.average.ticks();
            // Millisecond stamps (33, 34) average out over 16 pictures.
            self.average += Duration::from_ticks(change / 16);
        }
        self.average
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    use Side::{Audio, Video};

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// A clip of both tracks, 40 ms a picture and 20 ms a frame of sound, with stamps as `stamp`
    /// makes them of the true time; what the timeline makes of each, with the true time.
    fn run(
        timeline: &mut Timeline,
        times_ms: std::ops::Range<i64>,
        stamp: impl Fn(Side, i64) -> i64,
    ) -> (Vec<(Side, i64, Timestamp)>, Vec<Change>) {
        let (mut placed, mut changes) = (Vec::new(), Vec::new());
        for ms in times_ms.step_by(20) {
            let sides = if ms % 40 == 0 { &[Video, Audio][..] } else { &[Audio] };
            for &side in sides {
                let (at, change) = timeline.map(side, stamp(side, ms) as u32);
                placed.push((side, ms, at));
                changes.extend(change);
            }
        }
        (placed, changes)
    }

    fn jumps(changes: &[Change]) -> usize {
        changes.iter().filter(|change| matches!(change, Change::Jump(_))).count()
    }

    /// Every track's times grow, and by the last message audio and video of one true time are at
    /// one stream time.
    fn assert_in_order_and_in_sync(placed: &[(Side, i64, Timestamp)]) {
        for side in [Video, Audio] {
            let times: Vec<_> = placed.iter().filter(|it| it.0 == side).map(|it| it.2).collect();
            assert!(times.is_sorted(), "{side:?}");
            let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
            assert!(steps.max() < Some(Duration::from_millis(300)), "{side:?}");
        }
        let [.., (_, video_ms, video), (_, audio_ms, audio)] = placed else { panic!("a clip") };
        let video = *video + -Duration::from_millis(*video_ms);
        let audio = *audio + -Duration::from_millis(*audio_ms);
        assert_eq!(video, audio, "in sync");
    }

    #[test]
    fn a_jump_is_closed_and_time_goes_on() {
        for by in [3_600_000, 2_500, -2_500, -9_000, 10_000, -3_600_000, 86_400_000 * 20] {
            let mut timeline = Timeline::default();
            let stamp = |_, ms| if ms < 12_000 { 9_000_000 + ms } else { 9_000_000 + ms + by };
            let (placed, changes) = run(&mut timeline, 0..20_000, stamp);
            let [Change::Jump(jump)] = changes[..] else { panic!("{by}: {changes:?}") };
            assert!((jump.as_millis() - by).abs() < 100, "{by}: {jump:?}");
            assert_in_order_and_in_sync(&placed);
        }
    }

    #[test]
    fn a_track_that_jumps_later_follows() {
        for late in [20, 500, 1900, 4000] {
            for by in [3_600_000, -3_600_000, 2_100, -2_100] {
                let mut timeline = Timeline::default();
                let stamp = |side, ms| {
                    let from = if side == Audio { 12_000 + late } else { 12_000 };
                    9_000_000 + if ms < from { ms } else { ms + by }
                };
                let (placed, changes) = run(&mut timeline, 0..30_000, stamp);
                assert_eq!(jumps(&changes), 1, "{late} {by}: {changes:?}");
                let [.., video, audio] = &placed[..] else { panic!("a clip") };
                let apart = (video.2 - audio.2).as_millis() - (video.1 - audio.1);
                assert_eq!(apart, 0, "{late} {by}");
            }
        }
    }

    #[test]
    fn a_lone_stray_is_put_in_line() {
        for stray in [3_600_000, -5_000, 1 << 31, (1 << 31) - 1, -86_400_000, 6_000] {
            for side in [Video, Audio] {
                let mut timeline = Timeline::default();
                let stamp = |of, ms| {
                    let is_stray = of == side && (ms == 12_000 || ms == 12_040);
                    9_000_000 + if is_stray { ms + stray } else { ms }
                };
                let (placed, changes) = run(&mut timeline, 0..20_000, stamp);
                assert_eq!(changes, [], "{stray} {side:?}");
                assert_in_order_and_in_sync(&placed);
            }
        }
    }

    #[test]
    fn time_goes_on_past_2_pow_32_milliseconds_and_below_zero() {
        for start in [(1 << 32) - 5_000, -60] {
            let mut timeline = Timeline::default();
            let (placed, changes) = run(&mut timeline, 0..10_000, |_, ms| start + ms);
            assert_eq!(changes, []);
            assert_in_order_and_in_sync(&placed);
        }
    }

    #[test]
    fn time_goes_on_where_stamps_of_31_bits_begin_again() {
        let mut timeline = Timeline::default();
        let stamp = |_, ms| ((1 << 31) - 5_000 + ms) & 0x7fff_ffff;
        let (placed, changes) = run(&mut timeline, 0..10_000, stamp);
        assert_eq!(changes, []);
        assert_in_order_and_in_sync(&placed);
    }

    #[test]
    fn tracks_whose_stamps_have_nothing_in_common_play_as_they_arrive() {
        for audio_is in [7_200_000, -30_000, 3_000] {
            let mut timeline = Timeline::default();
            let stamp = |side, ms| 60_000 + if side == Audio { ms + audio_is } else { ms };
            let (placed, changes) = run(&mut timeline, 0..20_000, stamp);
            assert_eq!(jumps(&changes), 0, "{changes:?}");
            let [.., video, audio] = &placed[..] else { panic!("a clip") };
            assert!(apart(video.2, audio.2) <= MAX_APART);
        }
    }

    #[test]
    fn clocks_that_drift_apart_stay_together() {
        for per_mille in [1, 10, -10, -2] {
            let mut timeline = Timeline::default();
            let stamp = |side, ms| if side == Audio { ms + ms * per_mille / 1000 } else { ms };
            let (placed, changes) = run(&mut timeline, 0..3_600_000, stamp);
            assert_eq!(changes, [], "{per_mille}");
            let pairs = placed.windows(2).filter(|pair| pair[0].0 == Video);
            let worst = pairs.map(|pair| apart(pair[0].2, pair[1].2)).max();
            assert!(worst < Some(Duration::from_millis(300)), "{per_mille}: {worst:?}");
        }
    }

    #[test]
    fn a_track_that_pauses_comes_back_where_the_other_is() {
        for side in [Video, Audio] {
            let mut timeline = Timeline::default();
            let mut changes = Vec::new();
            for ms in (0..90_000).step_by(20) {
                for of in [Video, Audio] {
                    if of != side || !(10_000..70_000).contains(&ms) {
                        let (placed, change) = timeline.map(of, ms as u32);
                        assert_eq!(placed, at(ms), "{of:?}");
                        changes.extend(change);
                    }
                }
            }
            assert_eq!(changes, []);
        }
    }

    #[test]
    fn a_slide_show_keeps_its_time() {
        let mut timeline = Timeline::default();
        let places: Vec<_> = (0..100).map(|n| timeline.map(Video, n * 5_000)).collect();
        let late = places.windows(2).skip(6).map(|pair| (pair[1].0 - pair[0].0).as_millis());
        assert_eq!(late.collect::<Vec<_>>(), [5_000; 93]);
        let changes: Vec<_> = places.iter().filter_map(|place| place.1).collect();
        assert!(jumps(&changes) <= 1, "{changes:?}");
    }

    #[test]
    fn a_clock_that_stands_or_runs_back_does_not_stop_the_stream() {
        for speed in [0, -40] {
            let mut timeline = Timeline::default();
            let first = (0..100).map(|n: i64| timeline.map(Video, (9_000_000 + n * 40) as u32).0);
            let before = first.last().unwrap();
            let rest = (0..2000).map(|n: i64| timeline.map(Video, (9_004_000 + n * speed) as u32));
            let rest: Vec<_> = rest.collect();
            assert_eq!(rest.iter().filter(|place| place.1.is_some()).count(), 0, "{speed}");
            let went_on = (rest.last().unwrap().0 - before).as_millis();
            assert!((60_000..90_000).contains(&went_on), "{speed}: {went_on}");
        }
    }

    /// Far before the other side, and back once more.
    #[test]
    fn the_side_that_comes_second_steps_back_by_its_tolerance_too() {
        let mut timeline = Timeline::default();
        let first = timeline.map(Video, 0).0;
        let back = [-4108_i32, -5001].map(|stamp| timeline.map(Audio, stamp as u32).0);
        assert_eq!(back.map(|at| (first - at).as_millis()), [4108, 5001]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever the stamps: time never runs back by more than its tolerance, runs ahead by no
        /// more than the longest step of a slide show a message, and audio and video that come in
        /// turn stay together.
        #[test]
        fn no_stamps_break_the_timeline(
            messages in proptest::collection::vec((any::<bool>(), stamp()), 1..400),
            start in any::<u32>(),
        ) {
            let mut timeline = Timeline::default();
            let mut clock = start;
            let (mut newest, mut first, mut last_side) = ([None; 2], None, None);
            for (n, (is_video, stamp)) in messages.into_iter().enumerate() {
                clock = match stamp {
                    Stamp::Step(by) => clock.wrapping_add(by as u32),
                    Stamp::Any(stamp) => stamp,
                };
                let side = if is_video { Video } else { Audio };
                let (at, change) = timeline.map(side, clock);
                let first = *first.get_or_insert(at);
                let (own, other) = (usize::from(is_video), usize::from(!is_video));
                let before: Timestamp = newest[own].unwrap_or(at);
                prop_assert!(before - at <= MAX_STEP, "{n}: back to {at:?} from {before:?}");
                let allowed = Duration::from_secs(15 * (n as i64 + 1));
                // The other side may begin this much before the first, and step back once more.
                let back = MAX_APART + MAX_STEP;
                prop_assert!(at - first <= allowed && first - at <= back, "{n}: {at:?} {first:?}");
                newest[own] = Some(before.max(at));
                if last_side.replace(side).is_some_and(|last| last != side)
                    && let Some(theirs) = newest[other]
                    && change.is_none()
                    && at >= before
                {
                    prop_assert!(apart(at, theirs) <= MAX_APART + MAX_INTERVAL, "{n}: {at:?} {theirs:?}");
                }
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Stamp {
        Step(i32),
        Any(u32),
    }

    fn stamp() -> impl Strategy<Value = Stamp> {
        prop_oneof![
            20 => (0..60).prop_map(Stamp::Step),
            4 => (-3_000..3_000).prop_map(Stamp::Step),
            2 => (-20_000..20_000).prop_map(Stamp::Step),
            1 => any::<i32>().prop_map(Stamp::Step),
            1 => any::<u32>().prop_map(Stamp::Any),
        ]
    }

    #[test]
    fn the_picture_interval_averages_millisecond_stamps() {
        let mut interval = PictureInterval::new(None);
        for n in 0..200 {
            interval.note(Timestamp::from_millis(n * 1000 / 60));
        }
        let average = interval.note(Timestamp::from_millis(200 * 1000 / 60)).ticks();
        assert!((1450..=1550).contains(&average), "{average}");
    }
}
