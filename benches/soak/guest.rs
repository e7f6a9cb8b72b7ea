//! A viewer that does not stay: it comes at random to a rendition that perhaps sleeps, plays for a
//! while, and goes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::random::Random;
use crate::viewer::{Choice, Stage, Viewer};
use crate::words;

/// A visit, from the first playlist on.
const STAY: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(25));
/// Often longer than the half minute after which a rendition sleeps.
const AWAY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(70));
/// Where in a playlist of six segments it begins, from the newest.
const BEHIND_NEWEST: usize = 6;

/// Comes and goes until `end`; what was wrong, if anything.
pub(crate) fn come_and_go(
    seats: &[(Stage<'_>, &'static str)],
    mut random: Random,
    end: Instant,
) -> Option<String> {
    let (mut visits, mut empty) = (0, 0);
    let (mut segments, mut late, mut anew) = (0, 0, 0);
    while Instant::now() < end {
        let (stage, rendition) = seats[random.below(seats.len())];
        let behind_newest = random.below(BEHIND_NEWEST);
        let viewer = Viewer::new(stage, Choice::Rendition(rendition), random.fork());
        let mut viewer = viewer.behind_newest(behind_newest);
        let leaves = (Instant::now() + random.between(STAY.0, STAY.1)).min(end);
        stage.ledger.visited();
        let result = catch_unwind(AssertUnwindSafe(|| viewer.visit_until(leaves)));
        if let Err(payload) = result {
            return Some(format!("a guest: {}", words(payload)));
        }
        visits += 1;
        segments += viewer.played.segments;
        late += viewer.played.late;
        anew += viewer.played.anew;
        empty += usize::from(viewer.played.segments == 0);
        sleep(random.between(AWAY.0, AWAY.1).min(end.saturating_duration_since(Instant::now())));
    }
    println!(
        "a guest came {visits} times, {empty} of them for nothing, and played {segments} segments: {late} late, {anew} anew"
    );
    None
}
