//! `demo`: from a fresh machine to a stream one can watch.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::background::{POLL, tethered};
use crate::dist;
use crate::failure::Failure;
use crate::playlist::Playlist;
use crate::ports::Ports;
use crate::rehearsal::{PLAYLIST, Rehearsal, STREAM};
use crate::setup;
use crate::steps::Steps;

/// The recipe's segments are this long.
const SEGMENT: Duration = Duration::from_secs(2);
/// How many segments may be missing at the end: one is being made, one may have been when we first looked.
const SEGMENTS_UNDER_WAY: u64 = 2;

pub(crate) fn run(steps: &mut Steps, stay: Option<Duration>) -> Result<(), Failure> {
    setup::system(steps, setup::BUILD_AND_RUN)?;
    let binary = dist::build(steps)?;
    let ports = Ports::usual()?;

    println!("==> demo: {} with a test signal", binary.display());
    let start = Instant::now();
    let launcher = [tethered(), vec![binary.display().to_string()]].concat();
    let (mut rehearsal, _) = Rehearsal::start(&launcher, ports)?;
    rehearsal.publish()?;
    println!("    the server listens; waiting for its first segments");
    let (text, first) = rehearsal.wait_for_playlist()?;
    let first_seen = Instant::now();
    print_where(ports, &text);

    stay_up(&mut rehearsal, stay.map(|time| start + time))?;
    // Only a demo that ends by itself gets here.
    let (text, last) = rehearsal.playlist()?;
    judge_progress(&first, &last, first_seen.elapsed())?;
    let bytes = rehearsal.check_newest_segment(&last)?;
    println!(
        "{text}\n    good: the newest segment, number {}, has {bytes} bytes",
        last.newest_sequence()
    );
    rehearsal.finish()
}

fn print_where(ports: Ports, playlist: &str) {
    let Ports { rtmp, http, admin } = ports;
    println!("    $ curl http://{http}{PLAYLIST}\n{playlist}");
    println!("    watch    http://{http}{PLAYLIST}");
    println!("             http://{http}{STREAM}.m3u8   (all renditions)");
    println!("    publish  rtmp://{rtmp}/another_name   (ffmpeg or OBS, beside the test signal)");
    println!("    status   http://{admin}/status\n    Ctrl-C ends it.");
}

fn stay_up(rehearsal: &mut Rehearsal, until: Option<Instant>) -> Result<(), Failure> {
    while until.is_none_or(|end| Instant::now() < end) {
        rehearsal.check()?;
        sleep(POLL);
    }
    Ok(())
}

/// The stream must have moved on with the clock between two looks at its playlist.
fn judge_progress(first: &Playlist, last: &Playlist, elapsed: Duration) -> Result<(), Failure> {
    let made = last.newest_sequence().saturating_sub(first.newest_sequence());
    let expected = (elapsed.as_secs() / SEGMENT.as_secs()).saturating_sub(SEGMENTS_UNDER_WAY);
    if made >= expected {
        return Ok(());
    }
    Err(format!(
        "only {made} new segments in {} s, at least {expected} were due",
        elapsed.as_secs()
    )
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_stands_still_is_found_out() {
        let at = |first_sequence| Playlist { first_sequence, segments: vec!["/1.ts".to_owned()] };
        assert!(judge_progress(&at(7), &at(7), Duration::from_secs(5)).is_ok());
        assert!(judge_progress(&at(7), &at(19), Duration::from_secs(28)).is_ok());
        let failure = judge_progress(&at(7), &at(12), Duration::from_secs(28)).unwrap_err();
        assert_eq!(failure.to_string(), "only 5 new segments in 28 s, at least 12 were due");
    }
}
