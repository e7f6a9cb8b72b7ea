//! A publisher that does not stay: it is killed, stopped, put to sleep, and replaced while it
//! lives.

use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::random::Random;

/// A stay, from coming to going.
const STAY: (Duration, Duration) = (Duration::from_secs(8), Duration::from_secs(25));
/// Until it is back: within the reconnect window of 10 s, with room for its own start.
const GAP: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(6));
/// The same behind a goodbye, which is the end of the stream after 3.5 s.
const RESTART: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(2));
/// What the server waits before it takes a silent publisher for gone is 10 s.
const SLEEP: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(6));

/// Who publishes what.
pub(crate) struct Show {
    /// The stream's name.
    pub(crate) name: &'static str,
    /// Program and arguments; the URL stands for URL, and what one of the habits has for FILE and
    /// HABIT.
    pub(crate) command: &'static [&'static str],
    /// What may be different from one stay to the next. The first one has the first of them.
    pub(crate) habits: &'static [Habit],
    /// Keyframes come often enough for source and renditions to be cut together.
    pub(crate) one_grid: bool,
}

/// What a stay shows.
#[derive(Clone, Copy)]
pub(crate) struct Habit {
    pub(crate) file: &'static str,
    /// More arguments.
    pub(crate) words: &'static [&'static str],
}

impl Habit {
    /// All of a file, as it is.
    pub(crate) const fn of(file: &'static str) -> Self {
        Self { file, words: &[] }
    }
}

impl Show {
    /// Renditions of the same grid have the same spans under the same numbers.
    pub(crate) fn grid_of(&self, playlist: &str) -> String {
        let is_apart = !self.one_grid && playlist.ends_with("/source.m3u8");
        if is_apart { format!("{}/source", self.name) } else { self.name.to_owned() }
    }
}

/// What viewers may expect at the moment.
#[derive(Default)]
pub(crate) struct Presence(Mutex<State>);

#[derive(Clone, Copy, Default)]
struct State {
    /// Someone has been publishing, awake, since then.
    since: Option<Instant>,
    comings: usize,
    cuts: [usize; 4],
}

/// The ways to go.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Kill,
    Stop,
    Sleep,
    Replace,
}

const CUTS: [Cut; 4] = [Cut::Kill, Cut::Stop, Cut::Sleep, Cut::Replace];

impl Presence {
    /// How long someone has been publishing without a break.
    pub(crate) fn steady(&self) -> Duration {
        self.state().since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// How often a publisher came.
    pub(crate) fn comings(&self) -> usize {
        self.state().comings
    }

    /// How many discontinuities there may be: one at each end of a slate behind each publisher, and
    /// one more where a publisher that slept wakes up in the middle of a GOP.
    pub(crate) fn most_discontinuities(&self) -> usize {
        let State { comings, cuts: [_, _, sleep, replace], .. } = self.state();
        2 * comings + 3 * (sleep + replace)
    }

    pub(crate) fn summary(&self) -> String {
        let State { comings, cuts: [kill, stop, sleep, replace], .. } = self.state();
        format!(
            "{comings} publishers: {kill} killed, {stop} stopped, {sleep} slept, {replace} replaced"
        )
    }

    fn state(&self) -> State {
        *self.0.lock().expect("no holder panics")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().expect("no holder panics"));
    }

    fn up(&self) {
        self.change(|state| state.since = Some(Instant::now()));
    }

    fn down(&self) {
        self.change(|state| state.since = None);
    }
}

/// Publishes until `end`, with breaks; at the end a publisher that lives is told to stop.
pub(crate) fn run(show: &Show, url: &str, presence: &Presence, mut random: Random, end: Instant) {
    let mut running = come(show, show.habits[0], url, presence);
    loop {
        sleep(random.between(STAY.0, STAY.1).min(end.saturating_duration_since(Instant::now())));
        if Instant::now() >= end {
            presence.down();
            return running.stop();
        }
        let cut = CUTS[random.below(CUTS.len())];
        presence.change(|state| state.cuts[cut as usize] += 1);
        running = go_and_come(cut, running, show, url, presence, &mut random);
    }
}

fn go_and_come(
    cut: Cut,
    mut running: Process,
    show: &Show,
    url: &str,
    presence: &Presence,
    random: &mut Random,
) -> Process {
    presence.down();
    let habit = show.habits[random.below(show.habits.len())];
    let gap = if let Cut::Stop = cut { RESTART } else { GAP };
    match cut {
        Cut::Kill => drop(running),
        Cut::Stop => running.stop(),
        Cut::Sleep => {
            running.signal("STOP");
            sleep(random.between(SLEEP.0, SLEEP.1));
            running.signal("CONT");
            presence.up();
            return running;
        }
        // The new one takes over while the old one still sends, as when an encoder reconnects
        // before TCP notices.
        Cut::Replace => {
            running.signal("STOP");
            let replacement = come(show, habit, url, presence);
            drop(running);
            return replacement;
        }
    }
    sleep(random.between(gap.0, gap.1));
    come(show, habit, url, presence)
}

fn come(show: &Show, habit: Habit, url: &str, presence: &Presence) -> Process {
    presence.change(|state| state.comings += 1);
    let process = Process::start(show, habit, url);
    presence.up();
    process
}

/// A publishing process; killed when dropped.
struct Process(Child);

impl Process {
    fn start(show: &Show, habit: Habit, url: &str) -> Self {
        let file = testmedia::path(habit.file);
        let mut words = Vec::new();
        for word in show.command {
            match *word {
                "FEATHERCAST" => words.push(env!("CARGO_BIN_EXE_feathercast")),
                "FILE" => words.push(file.to_str().expect("a UTF-8 path")),
                "URL" => words.push(url),
                "HABIT" => words.extend(habit.words),
                word => words.push(word),
            }
        }
        let child = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{words:?}: {error}"));
        Self(child)
    }

    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Lets it say goodbye.
    fn stop(&mut self) {
        // Not SIGINT, which a shell lets its background jobs ignore.
        self.signal("TERM");
        self.0.wait().expect("a child");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
