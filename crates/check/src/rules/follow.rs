//! A media playlist against what it was before (RFC 8216 6.2.1, 6.2.2).

use crate::ledger::Ledger;
use crate::playlist::MediaPlaylist;
use crate::report::{Measurement, Outcome};
use crate::rule::Rule;
use crate::rules::players;

/// Fewest segments of a live playlist (Apple 8.11).
const LIVE_SEGMENTS: usize = 6;

/// Judges a reload.
pub(crate) fn judge(ledger: &mut Ledger, subject: &str, old: &MediaPlaylist, new: &MediaPlaylist) {
    let (before, now) = (old.target_duration_secs, new.target_duration_secs);
    ledger.judge(Rule::TargetDurationConstant, subject, before == now, || {
        let text =
            |secs: Option<u64>| secs.map_or_else(|| "none".to_owned(), |secs| format!("{secs} s"));
        format!("the target duration was {}, and is {}", text(before), text(now))
    });
    judge_numbers(ledger, subject, old, new);
    judge_segments(ledger, subject, old, new);
    judge_discontinuities(ledger, subject, old, new);
}

fn judge_numbers(ledger: &mut Ledger, subject: &str, old: &MediaPlaylist, new: &MediaPlaylist) {
    let (before, now) = (old.media_sequence, new.media_sequence);
    ledger.judge(Rule::MediaSequence, subject, now >= before, || {
        format!("EXT-X-MEDIA-SEQUENCE went back from {before} to {now}")
    });
    let (before, now) = (old.next_sequence(), new.next_sequence());
    ledger.judge(Rule::MediaSequence, subject, now >= before, || {
        format!("{} segments at the end are gone", before.saturating_sub(now))
    });
    if !new.slides() {
        ledger.judge(
            Rule::MediaSequence,
            subject,
            old.media_sequence == new.media_sequence,
            || "segments were removed from an EVENT or VOD playlist".to_owned(),
        );
    }
}

fn judge_segments(ledger: &mut Ledger, subject: &str, old: &MediaPlaylist, new: &MediaPlaylist) {
    let find = |wanted: u64| new.numbered().find(|(sequence, _)| *sequence == wanted);
    for (sequence, before) in old.numbered() {
        let Some((_, now)) = find(sequence) else { continue };
        ledger.judge(Rule::MediaSequence, subject, before.uri == now.uri, || {
            format!("segment {sequence} has another URI than before")
        });
        let is_same =
            before.duration_secs == now.duration_secs && before.discontinuity == now.discontinuity;
        if before.uri == now.uri {
            ledger.judge(Rule::MediaSequence, subject, is_same, || {
                format!("segment {sequence} has another EXTINF or DISCONTINUITY than before")
            });
            let is_same = before.start_unix_ms == now.start_unix_ms;
            ledger.judge(Rule::ProgramDateTimeSteady, subject, is_same, || {
                format!("the date of segment {sequence} has changed")
            });
        }
    }
}

/// Tags that went with their segments are counted in the sequence (RFC 8216 6.2.2).
fn judge_discontinuities(
    ledger: &mut Ledger,
    subject: &str,
    old: &MediaPlaylist,
    new: &MediaPlaylist,
) {
    let (Some(before), Some(now)) = (old.discontinuity_sequence, new.discontinuity_sequence) else {
        return;
    };
    // Without the segments between nobody can tell.
    if new.media_sequence > old.next_sequence() {
        return;
    }
    let removed = old
        .numbered()
        .filter(|(sequence, segment)| *sequence < new.media_sequence && segment.discontinuity)
        .count();
    let expected = before.saturating_add(removed as u64);
    ledger.judge(Rule::DiscontinuitySequence, subject, now == expected, || {
        format!("{removed} discontinuities went: {before} should become {expected}, not {now}")
    });
}

/// Judges how many segments are listed; `slid` says that some have been removed already.
pub(crate) fn judge_window(
    ledger: &mut Ledger,
    subject: &str,
    playlist: &MediaPlaylist,
    slid: bool,
) {
    if playlist.ended || !playlist.slides() {
        return ledger.skip(Rule::LiveWindow, "it is no live playlist");
    }
    let listed = playlist.segments.len();
    if listed < LIVE_SEGMENTS && !slid {
        let why = format!("{listed} segments are listed and none was removed: it may be filling");
        return ledger.skip(Rule::LiveWindow, why);
    }
    let measurement = Measurement::at_least(listed as f64, LIVE_SEGMENTS as f64, "segments");
    ledger.measure(Rule::LiveWindow, Outcome::Fail, subject, "a short window", measurement);
}

/// Judges how long a playlist stayed as it was, at least.
pub(crate) fn judge_advance(
    ledger: &mut Ledger,
    subject: &str,
    playlist: &MediaPlaylist,
    unchanged_secs: f64,
) {
    let Some(target) = playlist.target_duration_secs.filter(|secs| *secs > 0) else { return };
    // RFC 8216 6.2.2: a new version no later than 1.5 target durations after the last.
    let measurement = Measurement::at_most(unchanged_secs, target as f64 * 1.5, "s");
    let what = "no new segment for";
    ledger.measure(Rule::PlaylistAdvances, Outcome::Fail, subject, what, measurement);
    players::judge_standstill(ledger, subject, target, unchanged_secs);
}
