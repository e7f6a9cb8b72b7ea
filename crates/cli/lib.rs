//! The command line of feathercast, and what stands behind each of its words.
#![forbid(unsafe_code)]

mod args;
mod check;
mod config;
mod demo;
mod doctor;
mod inspect;
mod install;
mod key;
mod livepeer;
mod logging;
#[cfg(test)]
mod manual;
mod publish;
mod renditions;
mod serve;
mod settings;
mod tls;
mod token;

#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;

use std::io::Write;
use std::process::ExitCode;

use crate::args::{Action, UsageError};

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    args::parse(std::env::args_os()).and_then(run).unwrap_or_else(|error| {
        let _ = write!(std::io::stderr(), "{error}");
        ExitCode::from(2)
    })
}

fn run(action: Action) -> Result<ExitCode, UsageError> {
    match action {
        Action::Serve { args, ignored } => serve::run(args, &ignored),
        Action::Publish(args) => publish::run(&args),
        Action::Check(args) => check::run(&args),
        Action::Demo(args) => demo::run(&args),
        Action::Install(args) => install::install(&args),
        Action::Uninstall(args) => Ok(install::uninstall(&args)),
        Action::Doctor(args) => doctor::run(*args),
        Action::Say(text) => {
            let _ = write!(std::io::stdout(), "{text}");
            Ok(ExitCode::SUCCESS)
        }
    }
}
