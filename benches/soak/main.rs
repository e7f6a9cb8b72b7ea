//! A soak: two publishers that come and go at random, three players that verify everything they are served, and the
//! server's memory. `cargo xtask soak --minutes 10` runs it; exit code 0 means zero violations and flat memory.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the report goes to the terminal")]
#![expect(clippy::disallowed_methods, reason = "a soak takes real time")]

#[path = "../../tests/support/mod.rs"]
#[expect(dead_code, reason = "the harness of the end-to-end tests, of which a soak needs a part")]
mod support;

mod continuity;
mod memory;
mod publisher;
mod random;
mod viewer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use memory::Memory;
use publisher::{Presence, Show};
use random::Random;
use support::server::Server;
use viewer::{Choice, Viewer};

const LADDER: &str = "P144p30fps16x9";

/// B pictures and AAC by our own publisher; a 1080p file with an edit list by ffmpeg.
const SHOWS: [Show; 2] = [
    Show {
        name: "avatar",
        command: &["FEATHERCAST", "publish", "FILE", "URL", "--loop"],
        file: "flv/srs_avatar.flv",
    },
    Show {
        name: "editlist",
        command: &[
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
            "-f",
            "flv",
            "URL",
        ],
        file: "mp4/editlist_empty_1s.mp4",
    },
];

/// Which of the shows each player plays, and how.
const PLAYERS: [(usize, Choice); 3] =
    [(0, Choice::Rendition("source")), (1, Choice::Rendition(LADDER)), (0, Choice::AnyVariant)];

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
    let mut server = Server::with(&["--renditions", LADDER]);
    let end = Instant::now() + length;
    let presences = [Presence::default(), Presence::default()];
    let mut memory = Memory::default();
    let mut violations: Vec<String> = thread::scope(|scope| {
        for (at, (show, presence)) in SHOWS.iter().zip(&presences).enumerate() {
            let url = server.url(&format!("{}/soak-key", show.name));
            let random = Random::new(seed ^ at as u64);
            scope.spawn(move || publisher::run(show, &url, presence, random, end));
        }
        let players: Vec<_> = (PLAYERS.iter().zip(100..))
            .map(|(&(show, choice), salt)| {
                let (address, presence) = (server.http, &presences[show]);
                let random = Random::new(seed ^ salt);
                let viewer = Viewer::new(address, SHOWS[show].name, choice, presence, random);
                scope.spawn(move || play(viewer, end))
            })
            .collect();
        watch(&server, &mut memory, end);
        players.into_iter().filter_map(|player| player.join().expect("play catches")).collect()
    });
    for (show, presence) in SHOWS.iter().zip(&presences) {
        println!("{}: {}", show.name, presence.summary());
    }
    violations.extend(report(&memory));
    violations.extend(goodbye(&mut server));
    if !violations.is_empty() {
        let log = server.log();
        eprintln!("--- server log\n{}", log.get(log.len().saturating_sub(8000)..).unwrap_or(&log));
    }
    violations
}

/// Plays; what was wrong, if anything.
fn play(mut viewer: Viewer<'_>, end: Instant) -> Option<String> {
    let result = catch_unwind(AssertUnwindSafe(|| viewer.play_until(end)));
    println!("a player played {:?}", viewer.played);
    result.err().map(|payload| match payload.downcast::<String>() {
        Ok(words) => *words,
        Err(_) => "a player panicked without words".to_owned(),
    })
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
