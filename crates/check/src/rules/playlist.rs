//! What a playlist says, taken alone.

use crate::fault::{Faults, excerpt};
use crate::ledger::Ledger;
use crate::playlist::{AlternativeKind, MediaPlaylist, MultivariantPlaylist, Variant};
use crate::report::{Measurement, Outcome};
use crate::rule::Rule;

/// Apple's bound on the peak rate of the variant for cellular networks, in bits per second.
const CELLULAR_BPS: f64 = 192_000.0;

/// Judges the faults of reading it.
pub(crate) fn judge_syntax(ledger: &mut Ledger, subject: &str, faults: &Faults) {
    ledger.judge(Rule::PlaylistSyntax, subject, faults.is_empty(), || {
        format!("{} faults", faults.total)
    });
    for fault in &faults.first {
        let what = || format!("line {}: {}", fault.position, fault.what);
        ledger.judge(Rule::PlaylistSyntax, subject, false, what);
    }
}

/// Judges a media playlist.
pub(crate) fn judge_media(ledger: &mut Ledger, subject: &str, playlist: &MediaPlaylist) {
    let has = playlist.version.unwrap_or(1);
    let (needs, feature) = playlist.needs_version.unwrap_or((1, ""));
    ledger.judge(Rule::PlaylistVersion, subject, has >= needs, || {
        format!("EXT-X-VERSION is {has}, but {feature} needs {needs}")
    });
    judge_durations(ledger, subject, playlist);
    if !playlist.ended {
        let has_date = playlist.segments.iter().any(|segment| segment.start_unix_ms.is_some());
        ledger.judge(Rule::ProgramDateTime, subject, has_date, || {
            "a live playlist without EXT-X-PROGRAM-DATE-TIME".to_owned()
        });
        judge_discontinuity_sequence(ledger, subject, playlist);
    }
    judge_dates(ledger, subject, playlist);
}

fn judge_durations(ledger: &mut Ledger, subject: &str, playlist: &MediaPlaylist) {
    let Some(target) = playlist.target_duration_secs else {
        return ledger.skip(Rule::TargetDurationKept, "there is no EXT-X-TARGETDURATION");
    };
    for (sequence, segment) in playlist.numbered() {
        let measurement = Measurement::at_most(segment.duration_secs.round(), target as f64, "s");
        let what = format!("EXTINF:{} of segment {sequence}", segment.duration_secs);
        ledger.measure(Rule::TargetDurationKept, Outcome::Fail, subject, &what, measurement);
    }
}

fn judge_discontinuity_sequence(ledger: &mut Ledger, subject: &str, playlist: &MediaPlaylist) {
    if playlist.discontinuity_sequence.is_some() || !playlist.slides() {
        return ledger.judge(Rule::DiscontinuitySequence, subject, true, String::new);
    }
    let has_one = playlist.segments.iter().any(|segment| segment.discontinuity);
    if has_one {
        ledger.judge(Rule::DiscontinuitySequence, subject, false, || {
            "EXT-X-DISCONTINUITY, but no EXT-X-DISCONTINUITY-SEQUENCE".to_owned()
        });
    } else {
        let what = "no EXT-X-DISCONTINUITY-SEQUENCE: the first discontinuity will break players";
        ledger.warn(Rule::DiscontinuitySequence, subject, what);
    }
}

/// Dates must advance by EXTINF, up to a discontinuity.
fn judge_dates(ledger: &mut Ledger, subject: &str, playlist: &MediaPlaylist) {
    /// Three decimals on either side, and a muxer that rounds a frame's time to whole frames.
    const ALLOWED_SECS: f64 = 0.05;
    let next = playlist.numbered().skip(1);
    for ((sequence, segment), (_, next)) in playlist.numbered().zip(next) {
        let (Some(start), Some(end)) = (segment.start_unix_ms, next.start_unix_ms) else {
            continue;
        };
        if next.discontinuity {
            continue;
        }
        let advance = end.saturating_sub(start) as f64 / 1000.0;
        let measurement =
            Measurement::at_most((advance - segment.duration_secs).abs(), ALLOWED_SECS, "s");
        let what = format!("the date after segment {sequence} is off by");
        ledger.measure(Rule::ProgramDateTimeSteady, Outcome::Fail, subject, &what, measurement);
    }
}

/// Judges what a multivariant playlist declares, apart from whether it is true.
pub(crate) fn judge_multivariant(
    ledger: &mut Ledger,
    subject: &str,
    playlist: &MultivariantPlaylist,
) {
    ledger.judge(Rule::IndependentSegments, subject, playlist.independent_segments, || {
        "no EXT-X-INDEPENDENT-SEGMENTS".to_owned()
    });
    let has_variants = !playlist.variants.is_empty();
    ledger.judge(Rule::PlaylistSyntax, subject, has_variants, || "no variant stream".to_owned());
    for variant in &playlist.variants {
        judge_variant(ledger, subject, variant);
        judge_groups(ledger, subject, playlist, variant);
    }
    let peaks = playlist.variants.iter().filter_map(|variant| variant.bandwidth_bps);
    if let Some(least) = peaks.min() {
        let measurement = Measurement::at_most(least as f64, CELLULAR_BPS, "bit/s");
        let what = "the smallest BANDWIDTH is a lot for a cellular network";
        ledger.measure(Rule::CellularVariant, Outcome::Warn, subject, what, measurement);
    }
}

/// A group that a variant stream names must be there (RFC 8216 4.3.4.2).
fn judge_groups(
    ledger: &mut Ledger,
    subject: &str,
    playlist: &MultivariantPlaylist,
    variant: &Variant,
) {
    for (kind, name, group) in [
        (AlternativeKind::Audio, "AUDIO", &variant.audio_group),
        (AlternativeKind::Video, "VIDEO", &variant.video_group),
        (AlternativeKind::Subtitles, "SUBTITLES", &variant.subtitles_group),
    ] {
        let Some(group) = group else { continue };
        let mut alternatives = playlist.alternatives.iter();
        let is_there = alternatives.any(|a| a.kind == Some(kind) && a.group == *group);
        ledger.judge(Rule::PlaylistSyntax, subject, is_there, || {
            let group = excerpt(group);
            format!("line {}: there is no EXT-X-MEDIA of {name}=\"{group}\"", variant.line)
        });
    }
}

fn judge_variant(ledger: &mut Ledger, subject: &str, variant: &Variant) {
    let mut has = |rule, is_there, attribute| {
        ledger.judge(rule, subject, is_there, || {
            format!("line {}: variant stream without {attribute}", variant.line)
        });
    };
    has(
        Rule::AverageBandwidthDeclared,
        variant.average_bandwidth_bps.is_some(),
        "AVERAGE-BANDWIDTH",
    );
    has(Rule::Codecs, variant.codecs.is_some(), "CODECS");
}
