//! `feathercast doctor`: will a server run well here? A line for each thing, and what to do.

use std::io::{IsTerminal, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use server::{Diagnosis, Health};

use crate::args::{ServeArgs, UsageError};
use crate::config;

/// What `doctor` is told: what `serve` would be.
#[derive(clap::Args)]
pub(crate) struct DoctorArgs {
    /// The TOML file, as with --config
    #[arg(value_name = "FILE.toml", conflicts_with = "config")]
    file: Option<PathBuf>,
    #[command(flatten)]
    serve: ServeArgs,
}

/// Looks at everything, and says how it stands.
pub(crate) fn run(args: DoctorArgs) -> Result<ExitCode, UsageError> {
    let ServeArgs { config, settings } = args.serve;
    let args = ServeArgs { config: args.file.or(config), settings };
    let (settings, problems) = config::gather(args, std::env::vars_os());
    let config = config::resolve(&settings, problems)?;
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let in_colours = stdout().is_terminal() && !no_color;
    let mut found = Vec::new();
    server::doctor(&config.server, |diagnosis| {
        // Who does not read on gets the exit code.
        let _ = writeln!(stdout(), "{}", lines(&diagnosis, in_colours));
        found.push(diagnosis.health);
    });
    let _ = writeln!(stdout(), "{}", summary(&found));
    Ok(if found.contains(&Health::Fail) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What was found, and below it what to do.
fn lines(diagnosis: &Diagnosis, in_colours: bool) -> String {
    let Diagnosis { health, subject, text, remedy } = diagnosis;
    let word = match (health, in_colours) {
        (_, false) => format!("{health:<4}"),
        (Health::Ok, true) => format!("\x1b[32m{health:<4}\x1b[0m"),
        (Health::Warn, true) => format!("\x1b[33m{health:<4}\x1b[0m"),
        (Health::Fail, true) => format!("\x1b[31m{health:<4}\x1b[0m"),
    };
    match remedy.is_empty() {
        true => format!("{word} {subject:<11} {text}"),
        false => format!("{word} {subject:<11} {text}\n{:17}{remedy}", ""),
    }
}

fn summary(found: &[Health]) -> String {
    let count = |health| found.iter().filter(|it| **it == health).count();
    match (count(Health::Fail), count(Health::Warn)) {
        (0, 0) => "all is well".to_owned(),
        (0, warned) => format!("a server runs like this; {warned} to look at"),
        (failed, warned) => format!("NOT READY: {failed} to mend, {warned} to look at"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_stands_below_what_was_found() {
        let mut diagnosis = Diagnosis {
            health: Health::Warn,
            subject: "clock",
            text: "it jumped".to_owned(),
            remedy: "set it".to_owned(),
        };
        assert_eq!(lines(&diagnosis, false), "WARN clock       it jumped\n                 set it");
        assert!(lines(&diagnosis, true).starts_with("\x1b[33mWARN\x1b[0m clock"));
        (diagnosis.health, diagnosis.remedy) = (Health::Ok, String::new());
        assert_eq!(lines(&diagnosis, false), "OK   clock       it jumped");
    }

    #[test]
    fn the_last_line_says_whether_to_go_on() {
        let (ok, warn, fail) = (Health::Ok, Health::Warn, Health::Fail);
        assert_eq!(summary(&[ok, ok]), "all is well");
        assert_eq!(summary(&[ok, warn]), "a server runs like this; 1 to look at");
        assert_eq!(summary(&[fail, warn, ok, fail]), "NOT READY: 2 to mend, 1 to look at");
    }
}
