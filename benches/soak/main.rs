//! A soak: publishers that come and go at random, players that stay and players that come and go,
//! who all verify everything they are served, `check` that judges by the rules of players,
//! renditions that sleep and wake for them, and the server's memory. `cargo xtask soak --minutes
//! 10` runs it; exit code 0 means zero violations and flat memory.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the report goes to the terminal")]
#![expect(clippy::disallowed_methods, reason = "a soak takes real time")]

#[path = "../../tests/support/mod.rs"]
#[expect(dead_code, reason = "the harness of the end-to-end tests, of which a soak needs a part")]
mod support;

mod continuity;
mod guest;
mod judge;
mod ledger;
mod memory;
mod publisher;
mod random;
mod viewer;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ledger::Ledger;
use memory::Memory;
use publisher::{Habit, Presence, Show};
use random::Random;
use support::server::Server;
use viewer::{Choice, Stage, Viewer};

const LADDER: [&str; 2] = ["P144p30fps16x9", "P240p30fps16x9"];

const BY_FFMPEG: &[&str] = &[
    "ffmpeg",
    "-v",
    "error",
    "-re",
    "-stream_loop",
    "-1",
    "-i",
    "FILE",
    "-c",
    "copy",
    "HABIT",
    "-f",
    "flv",
    "URL",
];

/// B pictures, AAC and keyframes at odd times.
const AVATAR: &str = "flv/srs_avatar.flv";
/// 1080p and AAC at 48 kHz, with an edit list and GOPs of 8 s.
const EDITLIST: &str = "mp4/editlist_empty_1s.mp4";
/// 800x640 and B pictures, with GOPs of 1 s and without audio.
const PYRAMID: &str = "mp4/b_pyramid.mp4";

/// Whoever restarts may be another: its stays have sound, or none, or sound that pauses for 4 s of
/// 12, or sound at another sample rate, or pictures of another size and no sound.
const CHANGING: &[Habit] = &[
    Habit::of(EDITLIST),
    Habit { file: EDITLIST, words: &["-an"] },
    Habit {
        file: EDITLIST,
        words: &["-c:a", "aac", "-af", "aselect=not(between(mod(t\\,12)\\,5\\,9))"],
    },
    Habit { file: EDITLIST, words: &["-c:a", "aac", "-ar", "44100"] },
    Habit::of(PYRAMID),
];

/// One by our own publisher, one that is another at each stay, and one whose renditions are cut
/// with the source.
const SHOWS: [Show; 3] = [
    Show {
        name: "avatar",
        command: &["FEATHERCAST", "publish", "FILE", "URL", "--loop"],
        habits: &[Habit::of(AVATAR)],
        one_grid: false,
    },
    Show { name: "editlist", command: BY_FFMPEG, habits: CHANGING, one_grid: false },
    Show { name: "pyramid", command: BY_FFMPEG, habits: &[Habit::of(PYRAMID)], one_grid: true },
];

/// Which of the shows each player that stays plays, and how. All of the large one is awake; nobody
/// stays at the ladders of the small ones, which sleep when the guests are gone: decoders that come
/// and go are to be a small part of the memory that must be flat.
const PLAYERS: [(usize, Choice); 3] =
    [(0, Choice::Rendition("source")), (1, Choice::Rendition(LADDER[0])), (1, Choice::AnyVariant)];

/// What each guest chooses from, show and rendition.
const SEATS: [(usize, &str); 4] = [(0, LADDER[0]), (0, LADDER[1]), (2, LADDER[0]), (2, LADDER[1])];
const GUESTS: u64 = 4;

/// Visitors that judge by the rules of players, each one show at a time.
const JUDGES: u64 = 2;

/// A rendition sleeps half a minute after its last guest: a soak of this length has seen it.
const SLEEP_IS_CERTAIN: Duration = Duration::from_secs(5 * 60);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` and the like ask for tests, of which there are none.
    if !words.iter().any(|word| word == "--bench") {
        return ExitCode::SUCCESS;
    }
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let (minutes, seed) = (number(&words, "--minutes", 10), number(&words, "--seed", clock));
    println!("soak of {minutes} minutes, seed {seed}");
    let violations = soak(Duration::from_secs(60 * minutes), seed);
    for violation in &violations {
        eprintln!("violation: {violation}");
    }
    println!("{} violations", violations.len());
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The number behind a word.
fn number(words: &[String], name: &str, default: u64) -> u64 {
    let at = words.iter().position(|word| word == name);
    at.and_then(|at| words.get(at + 1)?.parse().ok()).unwrap_or(default)
}

fn soak(length: Duration, seed: u64) -> Vec<String> {
    let mut server = Server::with(&["--renditions", &LADDER.join(",")]);
    let end = Instant::now() + length;
    let presences = SHOWS.map(|_| Presence::default());
    let ledger = Ledger::default();
    let mut memory = Memory::default();
    let address = server.http;
    let stages: Vec<Stage<'_>> = (SHOWS.iter().zip(&presences))
        .map(|(show, presence)| Stage { server: address, show, presence, ledger: &ledger })
        .collect();
    let mut violations: Vec<String> = thread::scope(|scope| {
        for (index, stage) in stages.iter().enumerate() {
            let url = server.url(&format!("{}/soak-key", stage.show.name));
            let random = Random::new(seed ^ index as u64);
            scope.spawn(move || publisher::run(stage.show, &url, stage.presence, random, end));
        }
        let players = (PLAYERS.iter().zip(100..)).map(|(&(show, choice), salt)| {
            let viewer = Viewer::new(stages[show], choice, Random::new(seed ^ salt));
            scope.spawn(move || play(viewer, end))
        });
        let mut watching: Vec<_> = players.collect();
        let seats: Vec<_> = SEATS.iter().map(|&(show, name)| (stages[show], name)).collect();
        for salt in (200..).take(GUESTS as usize) {
            let (seats, random) = (seats.clone(), Random::new(seed ^ salt));
            watching.push(scope.spawn(move || guest::come_and_go(&seats, random, end)));
        }
        for salt in (300..).take(JUDGES as usize) {
            let (stages, random) = (&stages, Random::new(seed ^ salt));
            watching.push(scope.spawn(move || judge::come_and_go(stages, random, end)));
        }
        watch(&server, &mut memory, end);
        watching.into_iter().filter_map(|player| player.join().expect("play catches")).collect()
    });
    for (show, presence) in SHOWS.iter().zip(&presences) {
        println!("{}: {}", show.name, presence.summary());
    }
    violations.extend(served(&server, &ledger, length));
    violations.extend(report(&memory));
    violations.extend(goodbye(&mut server));
    if !violations.is_empty() {
        let log = server.log();
        eprintln!("--- server log\n{}", log.get(log.len().saturating_sub(8000)..).unwrap_or(&log));
    }
    violations
}

/// What the book of all players says, and how often renditions slept and woke.
fn served(server: &Server, ledger: &Ledger, length: Duration) -> Vec<String> {
    let (count, mut violations) = ledger.verdict();
    let wake_ups = server.metric("feathercast_rendition_wake_ups_total");
    let waits = server.metric("feathercast_segment_wait_seconds_count");
    let waited = server.metric("feathercast_segment_wait_seconds_sum");
    println!(
        "{} visits, {wake_ups} wake-ups; {waits} requests waited for a segment, {:.2} s on average, {} came again",
        count.visits,
        waited / waits.max(1.0),
        count.came_again
    );
    println!(
        "{} segments missing, {} with other bytes, {} numbers with other spans",
        count.missing, count.other_bytes, count.other_spans
    );
    let renditions = (SHOWS.len() * LADDER.len()) as f64;
    if length >= SLEEP_IS_CERTAIN && wake_ups <= renditions {
        violations.push(format!("{wake_ups} wake-ups of {renditions} renditions: nothing slept"));
    }
    violations
}

/// Plays; what was wrong, if anything.
fn play(mut viewer: Viewer<'_>, end: Instant) -> Option<String> {
    let result = catch_unwind(AssertUnwindSafe(|| viewer.play_until(end)));
    println!("a player played {:?}", viewer.played);
    result.err().map(words)
}

/// What a player panicked with.
fn words(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(words) => *words,
        Err(_) => "a player panicked without words".to_owned(),
    }
}

fn watch(server: &Server, memory: &mut Memory, end: Instant) {
    while Instant::now() < end && memory.sample(server.process_id()) {
        sleep(Memory::INTERVAL);
    }
}

fn report(memory: &Memory) -> Option<String> {
    match memory.verdict() {
        Ok(words) => {
            println!("{words}");
            None
        }
        Err(words) => Some(words),
    }
}

/// SIGTERM ends the server well, and no worker panicked.
fn goodbye(server: &mut Server) -> Vec<String> {
    if !server.is_running() {
        return vec!["the server died".to_owned()];
    }
    let panics = server.metric("feathercast_worker_panics_total");
    server.signal("TERM");
    let status = server.wait_for_exit(Duration::from_secs(10));
    let mut violations = Vec::new();
    violations.extend((panics > 0.0).then(|| format!("{panics} workers panicked")));
    violations.extend((!status.success()).then(|| format!("the server ended with {status}")));
    violations
}
