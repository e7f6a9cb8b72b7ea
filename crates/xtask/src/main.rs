//! Everything a developer or CI does to feathercast besides `cargo build`: `cargo xtask help` lists
//! it.
//!
//! No dependencies, on purpose: this must build at once on a machine that has nothing but Rust and
//! git, and it installs what the rest needs. One file a command; what several commands need has a
//! file of its own.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build tool talks to the person in front of it"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a build tool measures real time, there is no clock to take it from"
)]

mod args;
mod attack;
mod background;
mod bench;
mod ci;
mod demo;
mod dist;
mod elf;
mod failure;
mod fuzz;
mod image;
mod not_run;
mod package;
mod ports;
mod reach;
mod run;
mod sbom;
mod setup;
mod soak;
mod steps;
mod test;
mod workspace;

use std::process::ExitCode;

use crate::args::Command;
use crate::failure::Failure;
use crate::steps::Steps;

/// Exit code for bad usage; 1 is a failure of what was asked for.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match args::parse(&words) {
        Ok(command) => report(execute(&command)),
        Err(message) => {
            eprintln!("xtask: {message}\n\n{}", args::HELP);
            ExitCode::from(USAGE)
        }
    }
}

fn execute(command: &Command) -> Result<(), Failure> {
    // Every path below is relative to the workspace.
    std::env::set_current_dir(workspace::root())
        .map_err(|error| format!("cannot enter {}: {error}", workspace::root().display()))?;
    let mut steps = Steps::new();
    let outcome = match command {
        Command::Help => {
            println!("{}", args::HELP);
            Ok(())
        }
        Command::Demo { stay } => demo::run(&mut steps, *stay),
        Command::Test => test::run(&mut steps),
        Command::Ci => ci::run(&mut steps),
        Command::Dist => dist::run(&mut steps),
        Command::VerifyDist => dist::verify(&mut steps),
        Command::Bench => bench::run(&mut steps),
        Command::Reach { minutes } => reach::run(&mut steps, *minutes),
        Command::Soak { minutes, seed } => soak::run(&mut steps, *minutes, *seed),
        Command::Attack { form, seed, names } => attack::run(&mut steps, form, *seed, names),
        Command::Fuzz { target, seconds } => fuzz::run(&mut steps, target.as_deref(), *seconds),
    };
    if outcome.is_ok() {
        steps.summary();
    }
    steps.print_notes();
    outcome
}

fn report(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
