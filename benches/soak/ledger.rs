//! What everybody was served. A number stands for the same bytes and the same span, whoever asks
//! and whenever: before a rendition slept, and after.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard};

use m3u8_rs::MediaSegment;

/// So many wrong things are told in words; the rest is only counted.
const WORDS: usize = 5;

/// The book that all players keep together.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<State>);

#[derive(Default)]
struct State {
    /// Hashes of segments by their URIs.
    bytes: HashMap<String, u64>,
    /// Wall clock and duration in milliseconds, by grid and number.
    spans: HashMap<(String, u64), (i64, i64)>,
    count: Count,
    words: Vec<String>,
}

/// How much there was, and how much of it was wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    /// Visits of viewers that come and go.
    pub(crate) visits: usize,
    /// Requests that were told to come again.
    pub(crate) came_again: usize,
    /// Segments that were listed and could not be had, or were passed over between two looks at a
    /// playlist.
    pub(crate) missing: usize,
    /// Segments that were served once more with other bytes.
    pub(crate) other_bytes: usize,
    /// Numbers that stand for other spans in one rendition than in another of its grid.
    pub(crate) other_spans: usize,
}

impl Ledger {
    /// A segment was served.
    pub(crate) fn served(&self, uri: &str, data: &[u8]) {
        let mut hasher = DefaultHasher::new();
        data.hash(&mut hasher);
        let hash = hasher.finish();
        let mut state = self.state();
        let known = *state.bytes.entry(uri.to_owned()).or_insert(hash);
        if known != hash {
            state.count.other_bytes += 1;
            state.say(format!("{uri} has other bytes than before"));
        }
    }

    /// A segment was listed, in a rendition of this grid.
    pub(crate) fn listed(&self, grid: &str, sequence: u64, segment: &MediaSegment) {
        let unix_ms = segment.program_date_time.expect("checked").timestamp_millis();
        let span = (unix_ms, (f64::from(segment.duration) * 1e3).round() as i64);
        let mut state = self.state();
        let known = *state.spans.entry((grid.to_owned(), sequence)).or_insert(span);
        if known != span {
            state.count.other_spans += 1;
            state.say(format!("{}: clock and duration are {span:?}, not {known:?}", segment.uri));
        }
    }

    /// A segment that was listed could not be had.
    pub(crate) fn missing(&self, uri: &str, status: u16) {
        let mut state = self.state();
        state.count.missing += 1;
        state.say(format!("{uri} is listed, and answered with {status}"));
    }

    /// The playlist went on further than its reader could follow.
    pub(crate) fn passed_over(&self, path: &str, expected: u64, first: u64) {
        let mut state = self.state();
        state.count.missing += (first - expected) as usize;
        state.say(format!("{path}: {first} came where {expected} was to come"));
    }

    /// Somebody was told to come again.
    pub(crate) fn came_again(&self) {
        self.state().count.came_again += 1;
    }

    /// A viewer that will not stay came.
    pub(crate) fn visited(&self) {
        self.state().count.visits += 1;
    }

    /// All that was wrong.
    pub(crate) fn verdict(&self) -> (Count, Vec<String>) {
        let state = self.state();
        let Count { missing, other_bytes, other_spans, .. } = state.count;
        let mut violations = state.words.clone();
        let wrong = missing + other_bytes + other_spans;
        if wrong > violations.len() {
            violations.push(format!(
                "in all {missing} segments missing, {other_bytes} with other bytes, {other_spans} with other spans"
            ));
        }
        (state.count, violations)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder panics")
    }
}

impl State {
    fn say(&mut self, words: String) {
        if self.words.len() < WORDS && !self.words.contains(&words) {
            self.words.push(words);
        }
    }
}
