//! Declared rates against measured ones (RFC 8216 4.3.4.2; Apple 1.28, 1.29).

use crate::ledger::Ledger;
use crate::playlist::Variant;
use crate::report::{Measurement, Outcome};
use crate::rule::Rule;

/// An average over less than this says little: a quiet scene may follow.
const LONG_ENOUGH_SECS: f64 = 60.0;

/// Bytes and seconds of the segments of one rendition, gaps between runs of neighbours marked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates {
    runs: Vec<Vec<(f64, f64)>>,
}

impl Rates {
    /// The next segment; `is_next` says that it follows the last one directly.
    pub(crate) fn push(&mut self, bytes: usize, secs: f64, is_next: bool) {
        let measured = (bytes as f64, secs);
        match self.runs.last_mut() {
            Some(run) if is_next => run.push(measured),
            _ => self.runs.push(vec![measured]),
        }
    }

    fn secs(&self) -> f64 {
        self.runs.iter().flatten().map(|(_, secs)| secs).sum()
    }

    fn average_bps(&self) -> f64 {
        let bytes: f64 = self.runs.iter().flatten().map(|(bytes, _)| bytes).sum();
        bytes * 8.0 / self.secs()
    }

    /// The largest rate of neighbours that together last 0.5 to 1.5 target durations.
    fn peak_bps(&self, target_secs: f64) -> Option<f64> {
        let starts = self.runs.iter().flat_map(|run| (0..run.len()).filter_map(|at| run.get(at..)));
        starts.filter_map(|run| peak_from(run, target_secs)).max_by(f64::total_cmp)
    }
}

fn peak_from(run: &[(f64, f64)], target_secs: f64) -> Option<f64> {
    let (mut bytes, mut secs) = (0.0, 0.0);
    let mut peak: Option<f64> = None;
    for (more_bytes, more_secs) in run {
        bytes += more_bytes;
        secs += more_secs;
        if secs > target_secs * 1.5 {
            break;
        }
        if secs >= target_secs * 0.5 {
            let rate = bytes * 8.0 / secs;
            peak = Some(peak.map_or(rate, |peak| peak.max(rate)));
        }
    }
    peak
}

/// Judges a rendition; `newest` is its variant as it was declared last, `first` as it was at the
/// start.
pub(crate) fn judge(
    ledger: &mut Ledger,
    subject: &str,
    rates: &Rates,
    target_secs: f64,
    first: &Variant,
    newest: &Variant,
) {
    let (Some(peak), Some(declared)) = (rates.peak_bps(target_secs), newest.bandwidth_bps) else {
        return;
    };
    let allowed = declared as f64 * 1.25;
    let measurement = Measurement::at_most(peak, allowed, "bit/s");
    let what = format!("the peak rate is past 125 % of BANDWIDTH={declared}");
    ledger.measure(Rule::Bandwidth, Outcome::Fail, subject, &what, measurement);
    let at_start = first.bandwidth_bps.unwrap_or(declared);
    if peak <= allowed && peak > at_start as f64 * 1.25 {
        let what = format!("BANDWIDTH was {at_start} at first, and has been raised since");
        ledger.warn(Rule::Bandwidth, subject, what);
    }
    judge_average(ledger, subject, rates, newest);
}

fn judge_average(ledger: &mut Ledger, subject: &str, rates: &Rates, variant: &Variant) {
    let Some(declared) = variant.average_bandwidth_bps.filter(|_| rates.secs() > 0.0) else {
        return ledger.skip(Rule::AverageBandwidth, "no AVERAGE-BANDWIDTH is declared");
    };
    let severity = if rates.secs() >= LONG_ENOUGH_SECS { Outcome::Fail } else { Outcome::Warn };
    let measurement = Measurement::at_most(rates.average_bps(), declared as f64 * 1.1, "bit/s");
    let what = format!(
        "the average over {:.0} s is past 110 % of AVERAGE-BANDWIDTH={declared}",
        rates.secs()
    );
    ledger.measure(Rule::AverageBandwidth, severity, subject, &what, measurement);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8216_4_3_4_2_peak_is_over_runs_of_half_to_one_and_a_half_target_durations() {
        let peak = |segments: &[(usize, f64, bool)]| {
            let mut rates = Rates::default();
            segments.iter().for_each(|(bytes, secs, next)| rates.push(*bytes, *secs, *next));
            rates.peak_bps(2.0)
        };
        assert_eq!(peak(&[(1000, 2.0, false)]), Some(4000.0));
        assert_eq!(peak(&[(2000, 0.9, false)]), None, "too short to say");
        assert_eq!(
            peak(&[(1000, 2.0, false), (1000, 0.5, true), (3000, 0.5, true)]),
            Some(32_000.0)
        );
        assert_eq!(peak(&[(1000, 0.5, false), (3000, 0.5, false)]), None, "not neighbours");
        assert_eq!(peak(&[]), None);
    }
}
