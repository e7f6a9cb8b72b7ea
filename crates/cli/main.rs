//! feathercast: RTMP in, feather-light HLS out, in one static binary.
#![forbid(unsafe_code)]

mod args;
mod config;
mod livepeer;
mod logging;
mod publish;
mod renditions;
mod settings;

use std::io::Write;
use std::process::ExitCode;

use crate::args::{Action, UsageError};

fn main() -> ExitCode {
    match args::parse(std::env::args_os()).and_then(run) {
        Ok(code) => code,
        Err(error) => {
            let _ = write!(std::io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn run(action: Action) -> Result<ExitCode, UsageError> {
    let (args, ignored) = match action {
        Action::Say(text) => {
            let _ = write!(std::io::stdout(), "{text}");
            return Ok(ExitCode::SUCCESS);
        }
        Action::Publish(args) => return publish::run(*args),
        Action::Serve { args, ignored } => (args, ignored),
    };
    let config = config::resolve(args)?;
    logging::start(config.log_format, config.verbose);
    logging::say_ignored(&ignored);
    Ok(logging::exit_code(server::serve(&config.server)))
}
