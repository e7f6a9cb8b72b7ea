//! What came out, for people and for scripts.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// How it stands with a rule; the worse the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// There was nothing to judge it by.
    NotJudged,
    /// Kept.
    Pass,
    /// Not broken, but viewers would be better off otherwise.
    Warn,
    /// Broken.
    Fail,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotJudged => "skip",
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        })
    }
}

/// A number with its bound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measurement {
    /// What was measured.
    pub measured: f64,
    /// The bound.
    pub allowed: f64,
    /// Which side of the bound is good.
    pub bound: Bound,
    /// `s`, `bit/s`, ...
    pub unit: &'static str,
}

/// Which side of a bound is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Up to it.
    AtMost,
    /// From it on.
    AtLeast,
}

impl Measurement {
    pub(crate) fn at_most(measured: f64, allowed: f64, unit: &'static str) -> Self {
        Self { measured, allowed, bound: Bound::AtMost, unit }
    }

    pub(crate) fn at_least(measured: f64, allowed: f64, unit: &'static str) -> Self {
        Self { measured, allowed, bound: Bound::AtLeast, unit }
    }

    /// How far it is on the bad side; negative on the good one.
    pub(crate) fn excess(&self) -> f64 {
        match self.bound {
            Bound::AtMost => self.measured - self.allowed,
            Bound::AtLeast => self.allowed - self.measured,
        }
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = match self.bound {
            Bound::AtMost => "at most",
            Bound::AtLeast => "at least",
        };
        let (measured, allowed, unit) = (Short(self.measured), Short(self.allowed), self.unit);
        write!(f, "{measured} {unit}, {bound} {allowed} {unit}")
    }
}

/// Three decimals, as far as they are not zeros.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.3}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// One way in which a rule was not kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// [`Outcome::Fail`] or [`Outcome::Warn`].
    pub severity: Outcome,
    /// Which playlist or segment.
    #[serde(rename = "where")]
    pub subject: String,
    /// What is wrong with it.
    pub what: String,
    /// The worst number, where it is one.
    #[serde(flatten)]
    pub measurement: Option<Measurement>,
    /// How often it was found.
    pub times: usize,
}

impl Finding {
    pub(crate) fn repeat(&mut self, measurement: Option<Measurement>) {
        self.times = self.times.saturating_add(1);
        if let (Some(worst), Some(new)) = (&mut self.measurement, measurement)
            && worst.excess() < new.excess()
        {
            *worst = new;
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.what)?;
        if let Some(measurement) = &self.measurement {
            write!(f, " ({measurement})")?;
        }
        if self.times > 1 {
            write!(f, " ({} times)", self.times)?;
        }
        Ok(())
    }
}

/// How it stands with one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleReport {
    /// The stable name.
    pub rule: &'static str,
    /// Apple's number.
    pub apple: Option<&'static str>,
    /// What it demands.
    pub demand: &'static str,
    /// The worst finding, or that there is none.
    pub outcome: Outcome,
    /// How many times it was judged.
    pub judged: usize,
    /// The number closest to its bound, or furthest past it.
    #[serde(flatten)]
    pub measurement: Option<Measurement>,
    /// Only with [`Outcome::NotJudged`].
    pub why_not_judged: Option<String>,
    /// What was found, each once.
    pub findings: Vec<Finding>,
    /// What else was found and is not listed.
    pub more_findings: usize,
}

/// What a check comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No rule failed.
    Good,
    /// No rule failed, and the stream has ended: there is nothing more to come.
    GoodEnded,
    /// A rule failed.
    NotGood,
    /// Its playlist cannot be had: no rule says anything of the stream.
    NoStream,
    /// The check was stopped before a segment was read.
    Stopped,
}

/// Why there is nothing to judge.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoStream {
    /// What happened instead of an answer, or which one it was.
    pub why: String,
    /// What is likely wrong, where that can be told.
    pub likely: Option<&'static str>,
    /// How long it was waited for, seconds.
    pub waited_seconds: f64,
}

impl NoStream {
    pub(crate) fn new(why: &str, waited: Duration) -> Self {
        let likely = match why {
            "status 404" => Some(
                "no stream of that name is live: is the name right, and is somebody publishing?",
            ),
            "status 401" | "status 403" => Some(
                "the server wants a token or a password: is there one in the URL, and is it still valid?",
            ),
            "status 503" => Some("the server has too much to do, or as many viewers as it lets in"),
            _ if why.starts_with("cannot connect") => Some(
                "is the server running, and is this where viewers connect (port 8935 if nothing else was set)?",
            ),
            _ if why.starts_with("no answer") => {
                Some("is this where viewers connect (port 8935 if nothing else was set)?")
            }
            _ => None,
        };
        Self { why: why.to_owned(), likely, waited_seconds: waited.as_secs_f64() }
    }
}

impl fmt::Display for NoStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        if self.waited_seconds >= 1.0 {
            write!(f, " for {:.0} s", self.waited_seconds)?;
        }
        self.likely.map_or(Ok(()), |likely| write!(f, ": {likely}"))
    }
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What was checked.
    pub url: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// Whether that is [`Verdict::Good`] or [`Verdict::GoodEnded`]. The exit code is 0 if so, else
    /// 1.
    pub good: bool,
    /// Only with [`Verdict::NoStream`].
    pub no_stream: Option<NoStream>,
    /// Somebody stopped the check before it was done.
    pub stopped: bool,
    /// How long the stream was followed, seconds; how long it was waited for, where it was never
    /// there.
    pub seconds: f64,
    /// Media playlists that were followed.
    pub renditions: Vec<String>,
    /// Segments that were downloaded and read.
    pub segments: usize,
    /// Bytes of all bodies.
    pub bytes: u64,
    /// What segments have beside their samples (NAL units but parameter sets, audio frames without
    /// headers), in percent of those; none where nothing was read.
    pub packaging_percent: Option<f64>,
    /// All rules, in a fixed order.
    pub rules: Vec<RuleReport>,
}

impl Report {
    /// How many rules have this outcome.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.rules.iter().filter(|rule| rule.outcome == outcome).count()
    }

    /// The text, line by line, each with the outcome that may colour it.
    pub fn lines(&self) -> impl Iterator<Item = (Outcome, String)> {
        // Without a stream each rule could only say that there is none.
        let has_rules = !matches!(self.verdict, Verdict::NoStream | Verdict::Stopped);
        let rules = self.rules.iter().filter(move |_| has_rules).flat_map(RuleReport::lines);
        rules.chain(std::iter::once((self.outcome(), self.summary())))
    }

    fn outcome(&self) -> Outcome {
        match self.verdict {
            Verdict::Good | Verdict::GoodEnded => Outcome::Pass,
            Verdict::Stopped => Outcome::NotJudged,
            Verdict::NotGood | Verdict::NoStream => Outcome::Fail,
        }
    }

    fn summary(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Good => "good",
            Verdict::GoodEnded => "good, and ended",
            Verdict::NotGood => "NOT GOOD",
            Verdict::NoStream => {
                let why = self.no_stream.as_ref().map(ToString::to_string).unwrap_or_default();
                return format!("NO STREAM at {}: {why}", self.url);
            }
            Verdict::Stopped => {
                return format!(
                    "stopped after {:.1} s, before a segment of {} was read",
                    self.seconds, self.url
                );
            }
        };
        let packaging =
            self.packaging_percent.map(|percent| format!(", packaging +{percent:.1} %"));
        format!(
            "{verdict}: {} rules passed, {} failed, {} warned, {} not judged; {} segments of {} renditions in {:.1} s{}{}",
            self.count(Outcome::Pass),
            self.count(Outcome::Fail),
            self.count(Outcome::Warn),
            self.count(Outcome::NotJudged),
            self.segments,
            self.renditions.len(),
            self.seconds,
            packaging.unwrap_or_default(),
            if self.stopped { ", when the check was stopped" } else { "" },
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().try_for_each(|(_, line)| writeln!(f, "{line}"))
    }
}

impl RuleReport {
    /// The rule's line, then one for each finding, up to a screenful.
    fn lines(&self) -> impl Iterator<Item = (Outcome, String)> {
        const SHOWN: usize = 5;
        let shown = self.findings.iter().take(SHOWN);
        let findings = shown.map(|finding| (finding.severity, format!("       {finding}")));
        let hidden = self.findings.len().saturating_sub(SHOWN).saturating_add(self.more_findings);
        let more = (hidden > 0).then(|| (self.outcome, format!("       and {hidden} more")));
        std::iter::once((self.outcome, self.headline())).chain(findings).chain(more)
    }

    fn headline(&self) -> String {
        let apple = self.apple.map(|number| format!(" [Apple {number}]")).unwrap_or_default();
        let detail = match (&self.why_not_judged, &self.measurement) {
            (Some(why), _) => format!("not judged: {why}"),
            (None, Some(measurement)) => format!("{} ({measurement})", self.demand),
            (None, None) => self.demand.to_owned(),
        };
        format!("{} {:<26} {detail}{apple}", self.outcome, self.rule)
    }
}
