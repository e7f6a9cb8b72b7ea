//! What somebody who watches sees and hears, whatever plays it: pictures and sound by spans of
//! play, and how long the picture stood still.

use super::browser::Playing;
use super::ffmpeg;
use super::program::Player;

/// Seconds of a span: those of a segment, which has a picture even where there are very few.
const SPAN: f64 = 2.0;
/// A picture that begins a span is told with a time a little under it, in seconds.
const ROUNDING: f64 = 0.05;
/// Root mean square from which on there is sound: the tone of ffmpeg's `sine` has 0.09.
const LOUD: f64 = 0.03;
/// Somebody is near enough to the beginning of a stream who joins with its first playlist.
const JOINS_WITHIN: f64 = 10.0;

/// One player's showing of a stream.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The stream, and the player that saw it.
    what: String,
    /// What it said when it ended before the stream did.
    gave_up: Option<String>,
    /// From its first picture on.
    spans: Vec<Span>,
    /// The longest time that it stood still, in seconds.
    stall: f64,
}

/// [`SPAN`] seconds of a stream, as they were played.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    pictures_per_second: f64,
    /// Root mean square of the sound, where it was loudest.
    loudness: f64,
}

/// What must be seen and heard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// What was published, in seconds.
    pub(crate) seconds: f64,
    /// How many of them the pictures were not sent; none where the stream has none at all.
    pub(crate) without_pictures: Option<f64>,
    /// The same of the sound.
    pub(crate) without_sound: Option<f64>,
    pub(crate) pictures_per_second: f64,
    /// The longest that a player may stand still, in seconds.
    pub(crate) stall: f64,
}

impl Seen {
    pub(crate) fn in_browser(what: String, history: &[Playing]) -> Self {
        let newest = history.last().expect("a report");
        let gave_up = (!newest.ended || newest.fatal)
            .then(|| format!("at {:.1} s: {:?}", newest.time, newest.errors));
        let mut seen = Self { what, gave_up, spans: Vec::new(), stall: newest.stall };
        let Some(begin) = history.iter().position(|playing| playing.time > 0.0) else {
            return seen;
        };
        let (first, history) = (history[begin].time, &history[begin..]);
        seen.spans.resize_with(((newest.time - first) / SPAN) as usize, Span::default);
        for playing in history {
            if let Some(span) = seen.span_at(playing.time - first) {
                span.loudness = span.loudness.max(playing.loudness);
            }
        }
        if history[0].newest.is_some() {
            seen.show(0.0);
        }
        for pair in history.windows(2) {
            // Pictures between two reports were shown evenly, up to the newest.
            let Some(newest) = pair[1].newest else { continue };
            let (last, pictures) = (pair[0].newest.unwrap_or(first), pair[1].shown - pair[0].shown);
            for number in 1..=pictures {
                let time = last + (newest - last) * number as f64 / pictures as f64;
                seen.show(time - first);
            }
        }
        seen
    }

    /// What a player kept, decoded; it has shown each picture at its time, or when it came.
    pub(crate) fn kept(what: String, player: &mut Player, period: f64) -> Self {
        let gave_up = match player.program.status() {
            Some(status) if status.success() => None,
            Some(status) => Some(format!("{status}: {}", player.program.said())),
            None => Some(format!("it goes on and on: {}", player.program.said())),
        };
        let mut seen = Self { what, gave_up, spans: Vec::new(), stall: 0.0 };
        if player.written() == 0 {
            return seen;
        }
        let (pictures, sound) = ffmpeg::shown(&player.played);
        let loudness = ffmpeg::loudness(&player.played, SPAN);
        let shown = if pictures.is_empty() { &sound } else { &pictures };
        let times = || shown.iter().map(|shown| shown.pts);
        let first = times().reduce(f64::min).unwrap_or(0.0);
        let last = times().reduce(f64::max).unwrap_or(0.0);
        let mut loudness = loudness.into_iter().chain(std::iter::repeat(0.0));
        seen.spans.resize_with(((last - first + period) / SPAN) as usize, || Span {
            pictures_per_second: 0.0,
            loudness: loudness.next().unwrap_or(0.0),
        });
        pictures.iter().for_each(|picture| seen.show(picture.pts - first));
        let arrivals = shown.iter().map(|shown| (shown.pts, player.arrival(shown.offset_bytes)));
        seen.stall = longest_standstill(&arrivals.collect::<Vec<_>>(), period);
        seen
    }

    /// A picture is shown so many seconds after the first.
    fn show(&mut self, seconds: f64) {
        if let Some(span) = self.span_at(seconds + ROUNDING) {
            span.pictures_per_second += 1.0 / SPAN;
        }
    }

    fn span_at(&mut self, seconds: f64) -> Option<&mut Span> {
        self.spans.get_mut((seconds / SPAN) as usize)
    }

    /// In what it is not as expected; none where all is well.
    pub(crate) fn faults(&self, expected: &Expected) -> Option<String> {
        let mut faults: Vec<_> =
            self.gave_up.iter().map(|said| format!("it gave up: {said}")).collect();
        let seconds = self.spans.len() as f64 * SPAN;
        if seconds < expected.seconds - JOINS_WITHIN {
            faults.push(format!("{seconds} s of {} s", expected.seconds));
        }
        if self.stall > expected.stall {
            faults.push(format!("{:.2} s of standstill, {} s at most", self.stall, expected.stall));
        }
        let moves = |span: &Span| span.pictures_per_second > 0.5 * expected.pictures_per_second;
        faults.extend(self.lacks("pictures", expected.without_pictures, moves));
        faults.extend(self.lacks("sound", expected.without_sound, |span| span.loudness >= LOUD));
        let numbers = |span: &Span| format!("{:.1}/{:.3}", span.pictures_per_second, span.loudness);
        let spans: Vec<_> = self.spans.iter().map(numbers).collect();
        let spans = spans.join(" ");
        (!faults.is_empty()).then(|| {
            format!("{}: {}; pictures a second/sound: {spans}", self.what, faults.join("; "))
        })
    }

    /// A track is there in its last span, and as many spans lack it as the seconds in which it was
    /// not sent touch.
    fn lacks(
        &self,
        track: &str,
        not_sent: Option<f64>,
        has: impl Fn(&Span) -> bool,
    ) -> Option<String> {
        let lacking = self.spans.iter().filter(|span| !has(span)).count();
        let Some(not_sent) = not_sent else {
            let there = self.spans.len() - lacking;
            return (there > 0).then(|| format!("{there} spans with {track} that nobody sent"));
        };
        let allowed = if not_sent > 0.0 { (not_sent / SPAN).ceil() as usize + 1 } else { 0 };
        if !self.spans.last().is_some_and(has) {
            return Some(format!("no {track} in the end"));
        }
        (lacking > allowed).then(|| format!("no {track} in {lacking} spans, {allowed} at most"))
    }
}

/// How long one picture was seen beyond its time, at most, by who shows each as long after the one
/// before as its time says, or when it comes, if that is later. Pairs of time and arrival.
fn longest_standstill(pictures: &[(f64, f64)], period: f64) -> f64 {
    let mut longest: f64 = 0.0;
    let mut now = pictures.first().map_or(0.0, |(_, arrival)| *arrival);
    for pair in pictures.windows(2) {
        let [(before, _), (time, arrival)] = [pair[0], pair[1]];
        let next = arrival.max(now + (time - before).max(0.0));
        longest = longest.max(next - now - period);
        now = next;
    }
    longest
}

#[test]
fn a_picture_that_comes_late_stands_and_one_that_waits_does_not() {
    let in_time = [(0.0, 5.0), (1.0, 5.0), (2.0, 6.5), (3.0, 6.5)];
    assert_eq!(longest_standstill(&in_time, 1.0), 0.0);
    let late = [(0.0, 5.0), (1.0, 5.0), (2.0, 9.5), (3.0, 9.5)];
    assert_eq!(longest_standstill(&late, 1.0), 2.5);
    let hole = [(0.0, 5.0), (1.0, 5.0), (8.0, 5.0)];
    assert_eq!(longest_standstill(&hole, 1.0), 6.0);
}
