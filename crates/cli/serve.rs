//! `feathercast serve`: from the command line to a running server.

use std::process::ExitCode;

use crate::args::{ServeArgs, UsageError};
use crate::{config, logging};

/// Serves until a signal. `ignored` are go-livepeer options that have no meaning here.
pub(crate) fn run(args: ServeArgs, ignored: &[String]) -> Result<ExitCode, UsageError> {
    let (settings, problems) = config::gather(args, std::env::vars_os());
    let config = config::resolve(&settings, problems)?;
    let _log = match logging::start(config.log_format, config.verbose) {
        Ok(log) => log,
        Err(error) => return Ok(logging::failed(&error)),
    };
    logging::say_ignored(ignored);
    Ok(logging::exit_code(server::serve(&config.server)))
}
