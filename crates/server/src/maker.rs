//! Segments that somebody asks for and nobody has made: a few threads that make them, the newest
//! demand first.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::Builder;

use pipeline::{MakeError, StreamConfig, make_segment};
use rtmp::StreamName;
use tokio::sync::watch;
use tracing::{debug, error, warn};

use crate::clock::Clock;
use crate::priority::step_back;
use crate::publication::{Publication, Slot};
use crate::sync::lock;
use crate::throttle::Throttle;

/// Segments that somebody waits for, at most, and as many that are made ahead. Past it the oldest
/// demand is given up: whoever waits for it has waited longest, and is told to come again.
const MAX_WAITING: usize = 256;

/// Streams whose last turn is remembered.
const MAX_TURNS: usize = 1024;

/// What becomes of a segment that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Making {
    /// It waits, or is being made.
    Underway,
    /// It is in its window.
    Done,
    /// It was not made, and may be another time; the log says why.
    Failed,
    /// It cannot be made any more.
    Gone,
}

/// Makes segments on threads of its own. There are none while nothing is to be made.
#[derive(Debug)]
pub(crate) struct Maker {
    config: StreamConfig,
    max_threads: usize,
    clock: Clock,
    log: Mutex<Throttle>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What somebody waits for, the newest last.
    asked: Vec<Task>,
    /// What will be asked for next, the oldest first; taken when nobody waits.
    ahead: VecDeque<Task>,
    /// All that waits or is being made.
    underway: HashMap<Key, watch::Sender<Making>>,
    threads: usize,
    /// Tasks taken so far, and how many there were when a stream had its last turn.
    turn: u64,
    turns: HashMap<StreamName, u64>,
}

/// How much there is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    /// Segments that somebody waits for.
    pub(crate) asked: usize,
    /// Segments that will be asked for next.
    pub(crate) ahead: usize,
    pub(crate) threads: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    stream: StreamName,
    index: usize,
    sequence: u64,
}

#[derive(Debug)]
struct Task {
    key: Key,
    publication: Arc<Publication>,
}

impl Maker {
    /// A maker that uses at most so many threads.
    pub(crate) fn new(
        config: StreamConfig,
        max_threads: usize,
        clock: Clock,
        log: Throttle,
    ) -> Arc<Self> {
        let log = Mutex::new(log);
        Arc::new(Self { config, max_threads, clock, log, state: Mutex::default() })
    }

    /// How much there is to do at the moment.
    pub(crate) fn waiting(&self) -> Waiting {
        let state = lock(&self.state);
        Waiting { asked: state.asked.len(), ahead: state.ahead.len(), threads: state.threads }
    }

    /// Somebody has waited for the segment for as long as a request may.
    pub(crate) fn note_too_slow(&self, stream: &StreamName, sequence: u64) {
        self.log_failure(stream, sequence, "the machine is too slow, or has too much to do");
    }

    /// Somebody waits for segment `sequence` of the rendition at `index`: it comes before all that
    /// was asked for earlier.
    pub(crate) fn ask(
        self: &Arc<Self>,
        publication: &Arc<Publication>,
        index: usize,
        sequence: u64,
    ) -> watch::Receiver<Making> {
        let key = Key { stream: publication.name().clone(), index, sequence };
        let mut state = lock(&self.state);
        if let Some(making) = state.underway.get(&key) {
            let making = making.subscribe();
            state.move_to_front(&key);
            return making;
        }
        let receiver = state.begin(&key);
        state.asked.push(Task { key, publication: Arc::clone(publication) });
        state.give_up_oldest();
        self.start_thread(&mut state);
        receiver
    }

    /// Somebody will ask for the segment soon, as one before it was asked for.
    pub(crate) fn make_ahead(
        self: &Arc<Self>,
        publication: &Arc<Publication>,
        index: usize,
        sequence: u64,
    ) {
        let key = Key { stream: publication.name().clone(), index, sequence };
        let mut state = lock(&self.state);
        if state.underway.contains_key(&key) || state.ahead.len() >= MAX_WAITING {
            return;
        }
        state.begin(&key);
        state.ahead.push_back(Task { key, publication: Arc::clone(publication) });
        self.start_thread(&mut state);
    }

    fn start_thread(self: &Arc<Self>, state: &mut State) {
        if state.threads >= self.max_threads {
            return;
        }
        let maker = Arc::clone(self);
        match Builder::new().name("make".to_owned()).spawn(move || maker.work()) {
            Ok(_) => state.threads += 1,
            Err(error) if state.threads == 0 => {
                if let Some(held_back) = lock(&self.log).admit(self.clock.now()) {
                    let says = format!(
                        "The system gives no thread to make segments of renditions: {error}."
                    );
                    error!(%error, held_back, says, "no thread to make segments");
                }
                state.give_up();
            }
            // Those that there are go on.
            Err(_) => {}
        }
    }

    fn work(&self) {
        step_back();
        while let Some(task) = self.next_task() {
            let made = catch_unwind(AssertUnwindSafe(|| self.make(&task)));
            if made.is_err() {
                let Key { stream, sequence, .. } = &task.key;
                self.log_failure(stream, *sequence, "making it panicked, which is a fault of ours");
            }
            lock(&self.state).end(&task.key, made.unwrap_or(Making::Failed));
        }
    }

    /// The next thing to do; None where there is nothing: the thread ends, as of the same moment.
    fn next_task(&self) -> Option<Task> {
        let mut state = lock(&self.state);
        let task = state.take();
        if task.is_none() {
            state.threads -= 1;
        }
        task
    }

    fn make(&self, task: &Task) -> Making {
        let Key { stream, index, sequence } = &task.key;
        let Some(source) = task.publication.source_of(Slot::Ladder(*index), *sequence) else {
            debug!(%stream, sequence, "too late to make the segment");
            return Making::Gone;
        };
        match make_segment(&self.config, *index, &source) {
            Ok(made) => {
                task.publication.note_made(*index, &made.stats);
                task.publication.publish_package(Slot::Ladder(*index), made.package);
                Making::Done
            }
            Err(why) => {
                self.log_failure(stream, *sequence, &why.to_string());
                if why == MakeError::Impossible {
                    let span = source.segment.ended.span;
                    task.publication.note_unmakeable(Slot::Ladder(*index), &span);
                    return Making::Gone;
                }
                Making::Failed
            }
        }
    }

    /// Viewers make these lines by asking: a few are enough.
    fn log_failure(&self, stream: &StreamName, sequence: u64, why: &str) {
        if let Some(held_back) = lock(&self.log).admit(self.clock.now()) {
            let says =
                format!("{stream}: segment {sequence} was not made, viewers skip it: {why}.");
            warn!(%stream, sequence, why, held_back, says, "segment not made");
        }
    }
}

impl State {
    fn begin(&mut self, key: &Key) -> watch::Receiver<Making> {
        let (sender, receiver) = watch::channel(Making::Underway);
        self.underway.insert(key.clone(), sender);
        receiver
    }

    fn end(&mut self, key: &Key, making: Making) {
        if let Some(sender) = self.underway.remove(key) {
            sender.send_replace(making);
        }
    }

    /// Takes what somebody waits for, the newest of the stream whose last turn was longest ago, so
    /// that no stream waits for all that another is asked for; then what will be asked for.
    fn take(&mut self) -> Option<Task> {
        let last_turn = |task: &Task| self.turns.get(&task.key.stream).copied();
        let asked = self.asked.iter().enumerate().rev();
        let asked = asked.min_by_key(|(_, task)| last_turn(task)).map(|(place, _)| place);
        let ahead = self.ahead.iter().enumerate();
        let ahead = ahead.min_by_key(|(_, task)| last_turn(task)).map(|(place, _)| place);
        let task = match (asked, ahead) {
            (Some(place), _) => self.asked.remove(place),
            (None, Some(place)) => self.ahead.remove(place)?,
            (None, None) => return None,
        };
        self.turn += 1;
        if self.turns.len() >= MAX_TURNS {
            self.turns.clear();
        }
        self.turns.insert(task.key.stream.clone(), self.turn);
        Some(task)
    }

    /// Somebody waits for it now, so it is next of its stream.
    fn move_to_front(&mut self, key: &Key) {
        let ahead = self.ahead.iter().position(|task| task.key == *key);
        let asked = self.asked.iter().position(|task| task.key == *key);
        let task = match (asked, ahead) {
            (Some(place), _) => Some(self.asked.remove(place)),
            (None, Some(place)) => self.ahead.remove(place),
            // It is being made.
            (None, None) => None,
        };
        self.asked.extend(task);
        self.give_up_oldest();
    }

    fn give_up_oldest(&mut self) {
        while self.asked.len() > MAX_WAITING {
            let oldest = self.asked.remove(0);
            self.end(&oldest.key, Making::Failed);
        }
    }

    fn give_up(&mut self) {
        self.asked.clear();
        self.ahead.clear();
        for (_, making) in self.underway.drain() {
            making.send_replace(Making::Failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::PublicationConfig;
    use crate::clock::Moment;
    use crate::demand::Transcode;
    use crate::memory::Memory;
    use crate::numbers::Numbers;

    fn task(stream: &str, sequence: u64) -> Task {
        let config = PublicationConfig {
            renditions: Vec::new(),
            playlist_segments: 6,
            transcode: Transcode::OnDemand,
            viewer_secret: None,
            memory: Memory::new(1 << 30, 2),
        };
        let stream = StreamName::parse(stream).unwrap();
        let numbers = Numbers::begin(Moment { uptime: Duration::ZERO, unix_ms: 0 }, 0);
        let publication = Arc::new(Publication::new(stream.clone(), &config, numbers));
        Task { key: Key { stream, index: 0, sequence }, publication }
    }

    #[test]
    fn streams_take_turns_and_the_newest_demand_of_each_is_first() {
        let mut state = State::default();
        state.asked.extend((0..4).map(|sequence| task("many", sequence)));
        state.ahead.extend((4..6).map(|sequence| task("many", sequence)));
        state.ahead.push_back(task("few", 9));
        assert_eq!(state.take().map(|task| task.key.sequence), Some(3));
        state.asked.insert(0, task("few", 7));
        state.asked.insert(0, task("few", 8));
        let taken: Vec<_> = std::iter::from_fn(|| state.take()).map(|it| it.key.sequence).collect();
        assert_eq!(taken, [7, 2, 8, 1, 0, 9, 4, 5]);
    }
}
