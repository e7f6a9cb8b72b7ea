//! A segment and the one before it.

use media::Timestamp;

use crate::ledger::Ledger;
use crate::rendition::Followed;
use crate::report::{Measurement, Outcome};
use crate::rule::Rule;
use crate::time;
use crate::ts_reader::{TransportStream, next_counter};

/// Rounding of EXTINF to milliseconds, of RTMP's times to milliseconds, and of times to 90 kHz.
const ROUNDING_SECS: f64 = 0.003;
/// Publishers whose audio clock drifts are followed in steps no larger than this.
const AUDIO_STEP_SECS: f64 = 0.05;

/// Judges whether the later one goes on where the earlier one ended. Nothing to do at a discontinuity.
pub(crate) fn judge(ledger: &mut Ledger, subject: &str, earlier: &Followed, later: &Followed) {
    if later.discontinuity {
        return;
    }
    let (Some(before), Some(now)) = (&earlier.facts, &later.facts) else { return };
    judge_counters(ledger, subject, before, now);
    judge_video(ledger, subject, before, now);
    judge_audio(ledger, subject, before, now);
    judge_duration(ledger, earlier, before, now);
}

fn judge_counters(
    ledger: &mut Ledger,
    subject: &str,
    before: &TransportStream,
    now: &TransportStream,
) {
    for (pid, counter) in &now.counters {
        let Some(last) = before.counters.get(pid).map(|counter| counter.last) else { continue };
        let expected = next_counter(last, counter.first_has_payload);
        let is_kept = counter.first == expected || counter.first_is_free;
        ledger.judge(Rule::ContinuityCounters, subject, is_kept, || {
            format!("PID {pid:#x}: counter {} after {last} in the segment before", counter.first)
        });
    }
}

fn judge_video(
    ledger: &mut Ledger,
    subject: &str,
    before: &TransportStream,
    now: &TransportStream,
) {
    let (Some(before), Some(now)) = (&before.video, &now.video) else { return };
    if let (Some(last), Some(first)) = (before.last_dts, now.first_dts) {
        ledger.judge(Rule::TimestampsInOrder, subject, first > last, || {
            format!("video goes back by {:.3} s", time::secs(first, last))
        });
    }
    let (Some(end), Some(start)) = (before.end(), now.first_pts) else { return };
    // Pictures that the publisher left out are no gap between segments: as far apart as within them is fine.
    let usual = before.largest_interval_secs.max(now.largest_interval_secs);
    let allowed = usual.max(0.1) + ROUNDING_SECS;
    judge_gap(ledger, subject, "video", time::secs(end, start), allowed);
}

fn judge_audio(
    ledger: &mut Ledger,
    subject: &str,
    before: &TransportStream,
    now: &TransportStream,
) {
    let (Some(before), Some(now)) = (&before.audio, &now.audio) else { return };
    let (Some(end), Some(start)) = (before.end, now.first_pts) else { return };
    let usual = before.largest_step_secs.max(now.largest_step_secs);
    judge_gap(ledger, subject, "audio", time::secs(end, start), usual.max(AUDIO_STEP_SECS));
}

fn judge_gap(ledger: &mut Ledger, subject: &str, track: &str, gap: f64, allowed: f64) {
    let what = if gap > 0.0 { "gap before its first" } else { "overlap of its first" };
    let what = format!("{track}: {what} sample");
    let measurement = Measurement::at_most(gap.abs(), allowed, "s");
    ledger.measure(Rule::TimestampsContinuous, Outcome::Fail, subject, &what, measurement);
}

/// The earlier segment lasts until the later one starts (Apple 8.1: within a frame).
fn judge_duration(
    ledger: &mut Ledger,
    earlier: &Followed,
    before: &TransportStream,
    now: &TransportStream,
) {
    let (Some(start), Some(end)) = (start(before), start(now)) else { return };
    let error = (time::secs(start, end) - earlier.duration_secs).abs();
    let measurement = Measurement::at_most(error, frame_secs(before) + ROUNDING_SECS, "s");
    let what = "EXTINF is not the media's duration, off by";
    ledger.measure(Rule::ExtinfMatchesMedia, Outcome::Fail, &earlier.subject, what, measurement);
}

/// When a segment starts: with its first picture, or its first audio frame where it has no video.
pub(crate) fn start(facts: &TransportStream) -> Option<Timestamp> {
    match (&facts.video, &facts.audio) {
        (Some(video), _) => video.first_pts,
        (None, Some(audio)) => audio.first_pts,
        (None, None) => None,
    }
}

/// How long a picture, or an audio frame, lasts.
pub(crate) fn frame_secs(facts: &TransportStream) -> f64 {
    match (&facts.video, &facts.audio) {
        (Some(video), _) => video.median_interval_secs,
        (None, Some(audio)) => 1024.0 / f64::from(audio.sample_rate_hz.max(1)),
        (None, None) => 0.0,
    }
}
