//! A segment and the one before it.

use media::Timestamp;

use crate::ledger::Ledger;
use crate::rendition::Followed;
use crate::report::{Measurement, Outcome};
use crate::rule::Rule;
use crate::segment_facts::SegmentFacts;
use crate::time;
use crate::ts_reader::next_counter;

/// Rounding of EXTINF to milliseconds, of RTMP's times to milliseconds, and of times to 90 kHz.
const ROUNDING_SECS: f64 = 0.003;
/// EXTINF has three decimals.
const EXTINF_ROUNDING_SECS: f64 = 0.0005;
/// Publishers whose audio clock drifts are followed in steps no larger than this.
const AUDIO_STEP_SECS: f64 = 0.05;

/// How far EXTINFs have run ahead of the media since a discontinuity.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Drift {
    secs: f64,
    segments: u32,
}

/// Judges whether the later one goes on where the earlier one ended, unless there is a
/// discontinuity.
pub(crate) fn judge(
    ledger: &mut Ledger,
    subject: &str,
    earlier: &Followed,
    later: &Followed,
) -> Drift {
    if later.discontinuity {
        return Drift::default();
    }
    let (Some(before), Some(now)) = (&earlier.facts, &later.facts) else {
        return Drift::default();
    };
    judge_counters(ledger, subject, before, now);
    judge_video(ledger, subject, earlier, before, now);
    judge_audio(ledger, subject, before, now);
    judge_duration(ledger, earlier, before, now)
}

fn judge_counters(ledger: &mut Ledger, subject: &str, before: &SegmentFacts, now: &SegmentFacts) {
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
    earlier: &Followed,
    before: &SegmentFacts,
    now: &SegmentFacts,
) {
    let (Some(before), Some(now)) = (&before.video, &now.video) else { return };
    if let (Some(last), Some(first)) = (before.last_dts, now.first_dts) {
        ledger.judge(Rule::TimestampsInOrder, subject, first > last, || {
            format!("video goes back by {:.3} s", time::secs(first, last))
        });
    }
    let (Some(end), Some(start)) = (before.end(), now.first_pts) else { return };
    // Pictures that the publisher left out are no gap between segments: as far apart as within them
    // is fine.
    let usual = before.largest_interval_secs.max(now.largest_interval_secs);
    let gap = time::secs(end, start);
    // One alone has no distance to another: it stands until its segment is over.
    let stands = if before.pictures == 1 && gap > 0.0 { earlier.duration_secs } else { 0.0 };
    let allowed = usual.max(0.1).max(stands) + ROUNDING_SECS;
    judge_gap(ledger, subject, "video", gap, allowed);
}

fn judge_audio(ledger: &mut Ledger, subject: &str, before: &SegmentFacts, now: &SegmentFacts) {
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

/// The earlier segment lasts until the later one starts, and so do all together (Apple 8.1: within
/// a frame).
fn judge_duration(
    ledger: &mut Ledger,
    earlier: &Followed,
    before: &SegmentFacts,
    now: &SegmentFacts,
) -> Drift {
    let (Some(start), Some(end)) = (start(before), start(now)) else { return Drift::default() };
    let error = earlier.duration_secs - time::secs(start, end);
    let allowed = frame_secs(before) + lead_secs(before) + ROUNDING_SECS;
    let measurement = Measurement::at_most(error.abs(), allowed, "s");
    let what = "EXTINF is not the media's duration, off by";
    let (rule, subject) = (Rule::ExtinfMatchesMedia, &earlier.subject);
    ledger.measure(rule, Outcome::Fail, subject, what, measurement);
    if error.abs() > allowed {
        // That is told; what follows need not be wrong as well.
        return Drift::default();
    }
    let drift = Drift {
        secs: earlier.drift.secs + error,
        segments: earlier.drift.segments.saturating_add(1),
    };
    let allowed = allowed + f64::from(drift.segments) * EXTINF_ROUNDING_SECS;
    let measurement = Measurement::at_most(drift.secs.abs(), allowed, "s");
    let what = "the sum of EXTINFs runs away from the media, by now";
    ledger.measure(rule, Outcome::Fail, subject, what, measurement);
    drift
}

/// When a segment starts: with its first picture, or its first audio frame where it has no video.
pub(crate) fn start(facts: &SegmentFacts) -> Option<Timestamp> {
    match (&facts.video, &facts.audio) {
        (Some(video), _) => video.first_pts,
        (None, Some(audio)) => audio.first_pts,
        (None, None) => None,
    }
}

/// How long before a cut of the pictures a segment of sound alone may begin: an encoder of HE-AAC
/// v2 gives a frame once it has heard up to 0.16 s beyond it, and at the cut no more has come.
const SOUND_LEAD_SECS: f64 = 0.2;

/// By how much a segment may begin earlier than the cut that it was made of.
pub(crate) fn lead_secs(facts: &SegmentFacts) -> f64 {
    if facts.video.is_none() { SOUND_LEAD_SECS } else { 0.0 }
}

/// How long a picture, or an audio frame, lasts.
pub(crate) fn frame_secs(facts: &SegmentFacts) -> f64 {
    match (&facts.video, &facts.audio) {
        (Some(video), _) => video.median_interval_secs,
        (None, Some(audio)) => 1024.0 / f64::from(audio.sample_rate_hz.max(1)),
        (None, None) => 0.0,
    }
}
