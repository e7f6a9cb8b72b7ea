//! Prometheus' text format 0.0.4, read more strictly than Prometheus does: what a scraper would
//! put up with is an error here.

use std::collections::{BTreeMap, BTreeSet};

/// What `/metrics` says, by the names of families.
#[derive(Debug, Default)]
pub(crate) struct Exposition(BTreeMap<String, Family>);

/// All samples of one name, or of a histogram's.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) kind: Kind,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// Units that have a base unit, which is to be used instead.
const NO_BASE_UNITS: [&str; 16] = [
    "ms",
    "millis",
    "milliseconds",
    "us",
    "microseconds",
    "ns",
    "nanoseconds",
    "minutes",
    "hours",
    "days",
    "kb",
    "kib",
    "mb",
    "kilobytes",
    "megabytes",
    "percent",
];

impl Exposition {
    /// Reads the whole text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some(text) = text.strip_suffix('\n') else {
            return Err("the last line does not end".to_owned());
        };
        let mut read = Self::default();
        let mut lines = text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let help =
                line.strip_prefix("# HELP ").ok_or_else(|| format!("no HELP, but {line:?}"))?;
            let (name, help) =
                help.split_once(' ').ok_or_else(|| format!("no text in {line:?}"))?;
            if !is_name(name) || help.is_empty() || help.ends_with(' ') {
                return Err(format!("bad HELP: {line:?}"));
            }
            let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
            let (typed, kind) =
                kind.and_then(|it| it.split_once(' ')).ok_or_else(|| format!("{name}: no TYPE"))?;
            let kind = match kind {
                "counter" => Kind::Counter,
                "gauge" => Kind::Gauge,
                "histogram" => Kind::Histogram,
                other => return Err(format!("{name}: is {other:?}")),
            };
            if typed != name {
                return Err(format!("{name}: the TYPE of {typed}"));
            }
            check_name(name, kind)?;
            let mut samples = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                samples.push(sample(line).ok_or_else(|| format!("bad sample: {line:?}"))?);
            }
            let family = Family { kind, samples };
            family.check(name)?;
            if read.0.insert(name.to_owned(), family).is_some() {
                return Err(format!("{name}: twice"));
            }
        }
        Ok(read)
    }

    /// The names of all families.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    pub(crate) fn family(&self, name: &str) -> &Family {
        self.0.get(name).unwrap_or_else(|| panic!("no family {name}"))
    }

    /// Whether a query that names it finds something: a family, or a part of a histogram.
    pub(crate) fn has(&self, name: &str) -> bool {
        let of_histogram = ["_bucket", "_sum", "_count"].iter().any(|part| {
            let family = name.strip_suffix(part).and_then(|family| self.0.get(family));
            family.is_some_and(|family| family.kind == Kind::Histogram)
        });
        of_histogram || self.0.get(name).is_some_and(|family| family.kind != Kind::Histogram)
    }

    /// The value of the sample of this name with these labels and no others.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: BTreeMap<_, _> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut samples = self.0.values().flat_map(|family| &family.samples);
        let sample = samples.find(|sample| sample.name == name && sample.labels == labels);
        sample.unwrap_or_else(|| panic!("no sample {name} {labels:?}")).value
    }
}

impl Family {
    fn check(&self, name: &str) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for sample in &self.samples {
            let part = sample.name.strip_prefix(name).unwrap_or("another");
            let is_part = match self.kind {
                Kind::Histogram => matches!(part, "_bucket" | "_sum" | "_count"),
                Kind::Counter | Kind::Gauge => part.is_empty(),
            };
            if !is_part {
                return Err(format!("{} among {name}", sample.name));
            }
            if self.kind != Kind::Gauge && sample.value < 0.0 || !sample.value.is_finite() {
                return Err(format!("{name}: {}", sample.value));
            }
            if (part == "_bucket") != sample.labels.contains_key("le") {
                return Err(format!("{name}: {:?}", sample.labels));
            }
            if !seen.insert((&sample.name, &sample.labels)) {
                return Err(format!("{} {:?} twice", sample.name, sample.labels));
            }
        }
        if self.kind == Kind::Histogram { self.check_histograms(name) } else { Ok(()) }
    }

    /// Checks each histogram: buckets with ascending bounds, the last of them without one, each with
    /// all that is in those before it; then the sum, and the count, which is all.
    fn check_histograms(&self, name: &str) -> Result<(), String> {
        let mut samples = self.samples.iter().peekable();
        while let Some(first) = samples.peek() {
            let mut labels = first.labels.clone();
            labels.remove("le");
            let (mut bound, mut total) = (f64::NEG_INFINITY, 0.0);
            let bucket = format!("{name}_bucket");
            while let Some(sample) = samples.next_if(|sample| sample.name == bucket) {
                let le = &sample.labels["le"];
                let upper =
                    if le == "+Inf" { f64::INFINITY } else { le.parse().unwrap_or(f64::NAN) };
                let mut others = sample.labels.clone();
                others.remove("le");
                let is_next = upper > bound && sample.value >= total && others == labels;
                if !is_next || sample.value.fract() != 0.0 {
                    return Err(format!("{name}: {sample:?} behind {bound}: {total}"));
                }
                (bound, total) = (upper, sample.value);
            }
            let mut next = |part: &str| {
                let sample = samples.next().filter(|it| it.name == format!("{name}{part}"));
                sample.filter(|it| it.labels == labels).map(|it| it.value)
            };
            let (sum, count) = (next("_sum"), next("_count"));
            if bound != f64::INFINITY || sum.is_none() || count != Some(total) {
                return Err(format!("{name}: up to {bound}, {sum:?} and {count:?} of {total}"));
            }
        }
        Ok(())
    }
}

/// Names say what is counted in base units, and counters that they are some.
fn check_name(name: &str, kind: Kind) -> Result<(), String> {
    let words: Vec<_> = name.split('_').collect();
    let is_total = words.last() == Some(&"total");
    let has_reserved = matches!(words.last(), Some(&("bucket" | "sum" | "count" | "info")));
    let is_allowed = !has_reserved || (kind, name) == (Kind::Gauge, "feathercast_build_info");
    let unit = words.iter().find(|word| NO_BASE_UNITS.contains(word));
    match (is_total == (kind == Kind::Counter) && is_allowed, unit) {
        (true, None) => Ok(()),
        (_, unit) => Err(format!("{name} is no name of a {kind:?} ({unit:?})")),
    }
}

fn is_name(text: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    text.bytes().next().is_some_and(is_first)
        && text.bytes().all(|byte| is_first(byte) || byte.is_ascii_digit())
}

/// `name{label="value",...} 1.5`, with one blank and no time.
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, quoted) = rest.split_once("=\"")?;
            let (value, behind) = unquoted(quoted)?;
            if !is_name(label) || labels.insert(label.to_owned(), value).is_some() {
                return None;
            }
            match behind.strip_prefix(',') {
                Some(more) => rest = more,
                None => {
                    rest = behind.strip_prefix('}')?;
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ')?;
    let is_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    (is_name(name) && value.bytes().all(is_number)).then_some(())?;
    Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
}

/// A label's value up to its closing quote, and what is behind that.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                same @ ('\\' | '"') => same,
                _ => return None,
            }),
            other => value.push(other),
        }
    }
    None
}
