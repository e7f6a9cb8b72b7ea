//! `feathercast doctor`: will a server run well here? Everything is tried that can be, without
//! asking anybody outside of this machine.

mod capacity;
mod machine;
mod ports;
mod trial;

use std::fmt;

use crate::clock::Clock;
use crate::config::Config;

/// How it stands with one thing; the worse the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// As it should be.
    Ok,
    /// A server runs, and not as well as it could, or not as was meant.
    Warn,
    /// A server does not run like this.
    Fail,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        })
    }
}

/// What was found out about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// How it stands.
    pub health: Health,
    /// With what: a word or two.
    pub subject: &'static str,
    /// What was found, in a sentence.
    pub text: String,
    /// What to do about it; empty where there is nothing to do.
    pub remedy: String,
}

impl Diagnosis {
    fn ok(subject: &'static str, text: String) -> Self {
        Self { health: Health::Ok, subject, text, remedy: String::new() }
    }

    fn warn(subject: &'static str, text: String, remedy: impl Into<String>) -> Self {
        Self { health: Health::Warn, subject, text, remedy: remedy.into() }
    }

    fn fail(subject: &'static str, text: String, remedy: impl Into<String>) -> Self {
        Self { health: Health::Fail, subject, text, remedy: remedy.into() }
    }
}

/// Looks whether a server with this configuration would run well on this machine. Each diagnosis
/// is told as soon as it is there; all of it takes some twenty seconds.
pub fn doctor(config: &Config, mut tell: impl FnMut(Diagnosis)) {
    let clock = Clock::start();
    let began = clock.now();
    ports::diagnose(config, &mut tell);
    tell(machine::access(config));
    if let Some(tls) = &config.tls {
        tell(machine::certificate(tls, began));
    }
    tell(machine::open_files(config));
    tell(machine::memory(config));
    tell(capacity::diagnose(config));
    tell(trial::diagnose(config));
    // Last, as it is seen over the time that all of this has taken.
    tell(machine::clock(began, clock.now()));
}
