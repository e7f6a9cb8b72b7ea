//! Where rules write what they found.

use std::collections::BTreeMap;

use crate::Limits;
use crate::report::{Finding, Measurement, Outcome, RuleReport};
use crate::rule::Rule;

/// Judgements of all rules so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<Rule, Entry>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    judged: usize,
    worst: Option<Measurement>,
    findings: Vec<Finding>,
    more_findings: usize,
    why_not: Option<String>,
}

impl Ledger {
    /// The rule was kept, or `what` says how it was broken.
    pub(crate) fn judge(
        &mut self,
        rule: Rule,
        subject: &str,
        is_kept: bool,
        what: impl FnOnce() -> String,
    ) {
        self.count(rule);
        if !is_kept {
            self.find(rule, Outcome::Fail, subject, what(), None);
        }
    }

    /// Not broken, but not as it should be.
    pub(crate) fn warn(&mut self, rule: Rule, subject: &str, what: impl Into<String>) {
        self.count(rule);
        self.find(rule, Outcome::Warn, subject, what.into(), None);
    }

    /// The rule was kept if the number is within its bound; else `severity`.
    pub(crate) fn measure(
        &mut self,
        rule: Rule,
        severity: Outcome,
        subject: &str,
        what: &str,
        measurement: Measurement,
    ) {
        let entry = self.count(rule);
        if entry.worst.is_none_or(|worst| worst.excess() < measurement.excess()) {
            entry.worst = Some(measurement);
        }
        if measurement.excess() > 0.0 {
            self.find(rule, severity, subject, what.to_owned(), Some(measurement));
        }
    }

    /// Says why the rule could not be judged, should it stay like that.
    pub(crate) fn skip(&mut self, rule: Rule, why: impl Into<String>) {
        self.entries.entry(rule).or_default().why_not = Some(why.into());
    }

    pub(crate) fn has_judged(&self, rule: Rule) -> bool {
        self.entries.get(&rule).is_some_and(|entry| entry.judged > 0)
    }

    /// Whether the rule was broken so far.
    pub(crate) fn has_failed(&self, rule: Rule) -> bool {
        self.entries.get(&rule).is_some_and(Entry::has_failed)
    }

    /// Why the rule could not be judged so far.
    pub(crate) fn why_not(&self, rule: Rule) -> Option<&str> {
        self.entries.get(&rule)?.why_not.as_deref()
    }

    /// All rules' reports.
    pub(crate) fn into_reports(mut self) -> Vec<RuleReport> {
        let report = |rule: &Rule| self.entries.remove(rule).unwrap_or_default().into_report(*rule);
        Rule::ALL.iter().map(report).collect()
    }

    fn count(&mut self, rule: Rule) -> &mut Entry {
        let entry = self.entries.entry(rule).or_default();
        entry.judged = entry.judged.saturating_add(1);
        entry
    }

    fn find(
        &mut self,
        rule: Rule,
        severity: Outcome,
        subject: &str,
        what: String,
        measurement: Option<Measurement>,
    ) {
        let entry = self.entries.entry(rule).or_default();
        let is_known = |known: &&mut Finding| {
            known.subject == subject && known.what == what && known.severity == severity
        };
        if let Some(known) = entry.findings.iter_mut().find(is_known) {
            return known.repeat(measurement);
        }
        if entry.findings.len() >= Limits::DEFAULT.max_faults {
            entry.more_findings = entry.more_findings.saturating_add(1);
            // The worst one must not be among those that are only counted.
            if severity != Outcome::Fail || entry.has_failed() {
                return;
            }
            entry.findings.pop();
        }
        let subject = subject.to_owned();
        entry.findings.push(Finding { severity, subject, what, measurement, times: 1 });
    }
}

impl Entry {
    fn has_failed(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Outcome::Fail)
    }

    fn into_report(self, rule: Rule) -> RuleReport {
        let outcome = match self.findings.iter().map(|finding| finding.severity).max() {
            Some(severity) => severity,
            None if self.judged > 0 => Outcome::Pass,
            None => Outcome::NotJudged,
        };
        let why_not = || self.why_not.unwrap_or_else(|| "there was nothing to judge it by".into());
        RuleReport {
            rule: rule.name(),
            apple: rule.apple(),
            demand: rule.demand(),
            outcome,
            judged: self.judged,
            measurement: self.worst,
            why_not_judged: (outcome == Outcome::NotJudged).then(why_not),
            findings: self.findings,
            more_findings: self.more_findings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(ledger: Ledger, rule: Rule) -> RuleReport {
        ledger.into_reports().into_iter().find(|report| report.rule == rule.name()).unwrap()
    }

    #[test]
    fn a_finding_is_told_once_with_its_worst_number() {
        let mut ledger = Ledger::default();
        for measured in [1.0, 4.0, 3.0] {
            let measurement = Measurement::at_most(measured, 2.0, "s");
            ledger.measure(Rule::AvOffset, Outcome::Fail, "x", "too much", measurement);
        }
        let report = report(ledger, Rule::AvOffset);
        assert_eq!((report.outcome, report.judged, report.findings.len()), (Outcome::Fail, 3, 1));
        assert_eq!(report.findings[0].times, 2);
        assert_eq!(report.measurement, Some(Measurement::at_most(4.0, 2.0, "s")));
    }

    #[test]
    fn findings_are_bounded_and_a_failure_is_among_them() {
        let mut ledger = Ledger::default();
        for index in 0..1000 {
            ledger.warn(Rule::Cors, "x", format!("{index}"));
        }
        ledger.judge(Rule::Cors, "x", false, || "broken".into());
        let report = report(ledger, Rule::Cors);
        assert_eq!((report.outcome, report.findings.len()), (Outcome::Fail, 20));
        assert_eq!(report.more_findings, 981);
    }

    #[test]
    fn a_rule_without_judgement_says_why() {
        let mut ledger = Ledger::default();
        ledger.skip(Rule::Codecs, "no variants");
        let skipped = report(ledger.clone(), Rule::Codecs);
        assert_eq!(skipped.why_not_judged.as_deref(), Some("no variants"));
        ledger.judge(Rule::Codecs, "x", true, String::new);
        assert_eq!(report(ledger, Rule::Codecs).outcome, Outcome::Pass);
    }
}
