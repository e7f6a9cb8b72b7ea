//! `feathercast serve`: from the command line to a running server.

use std::process::ExitCode;

use crate::args::{ServeArgs, UsageError};
use crate::{config, logging};

/// Serves until a signal. `ignored` are go-livepeer options that have no meaning here.
pub(crate) fn run(args: Box<ServeArgs>, ignored: &[String]) -> Result<ExitCode, UsageError> {
    let config = config::resolve(args)?;
    logging::start(config.log_format, config.verbose);
    logging::say_ignored(ignored);
    Ok(logging::exit_code(server::serve(&config.server)))
}
