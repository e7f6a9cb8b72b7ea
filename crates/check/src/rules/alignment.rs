//! Variants against each other (RFC 8216 6.2.4; Apple 8.13 to 8.17).

use crate::ledger::Ledger;
use crate::rendition::Rendition;
use crate::report::{Measurement, Outcome};
use crate::rule::Rule;
use crate::rules::sequence::{frame_secs, lead_secs, start};
use crate::time;

/// A cut: when, whether at a discontinuity, how long a frame is there, or how long before the cut
/// it may begin.
#[derive(Clone, Copy)]
struct Cut {
    at: media::Timestamp,
    discontinuity: bool,
    frame_secs: f64,
}

/// Judges all variant streams against the first. Alternative renditions are left out: sound has
/// frames of its own; and so are those whose playlist never came, which
/// [`Reachable`](Rule::Reachable) says.
pub(crate) fn judge(ledger: &mut Ledger, renditions: &[Rendition]) {
    let mut variants = renditions.iter().filter(|rendition| {
        rendition.alternative.is_none() && rendition.target_duration_secs().is_some()
    });
    let (Some(first), others) = (variants.next(), variants.collect::<Vec<_>>()) else { return };
    if others.is_empty() {
        return ledger.skip(Rule::RenditionsAligned, "there is only one rendition");
    }
    let reference = cuts(first);
    for other in others {
        let (one, two) = (first.target_duration_secs(), other.target_duration_secs());
        ledger.judge(Rule::RenditionsAligned, &other.label, one == two, || {
            let text = |secs: Option<u64>| {
                secs.map_or_else(|| "none".to_owned(), |secs| format!("{secs} s"))
            };
            format!("the target duration is {}, that of {} {}", text(two), first.label, text(one))
        });
        judge_cuts(ledger, other, &reference, &first.label);
    }
}

fn cuts(rendition: &Rendition) -> Vec<Cut> {
    let cut = |followed: &crate::rendition::Followed| {
        let facts = followed.facts.as_ref()?;
        let frame_secs = frame_secs(facts) + lead_secs(facts);
        Some(Cut { at: start(facts)?, discontinuity: followed.discontinuity, frame_secs })
    };
    rendition.segments.values().filter_map(cut).collect()
}

/// Each cut within the span that both were followed must be one of the reference's.
fn judge_cuts(ledger: &mut Ledger, other: &Rendition, reference: &[Cut], reference_label: &str) {
    let ends = reference.iter().map(|cut| cut.at);
    let (Some(earliest), Some(latest)) = (ends.clone().min(), ends.max()) else { return };
    for cut in cuts(other) {
        let nearest = reference.iter().min_by(|a, b| {
            let distance = |other: &Cut| time::secs(other.at, cut.at).abs();
            distance(a).total_cmp(&distance(b))
        });
        let Some(nearest) = nearest else { return };
        let frame = cut.frame_secs.max(nearest.frame_secs) + 0.002;
        let is_outside =
            time::secs(earliest, cut.at) < -frame || time::secs(latest, cut.at) > frame;
        if is_outside {
            continue;
        }
        let distance = time::secs(nearest.at, cut.at).abs();
        let measurement = Measurement::at_most(distance, frame, "s");
        let what = format!("cut where {reference_label} is not");
        ledger.measure(Rule::RenditionsAligned, Outcome::Fail, &other.label, &what, measurement);
        if distance <= frame {
            let is_same = cut.discontinuity == nearest.discontinuity;
            ledger.judge(Rule::RenditionsAligned, &other.label, is_same, || {
                format!("a discontinuity that {reference_label} has elsewhere")
            });
        }
    }
}
