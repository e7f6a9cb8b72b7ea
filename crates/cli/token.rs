//! `feathercast token`: makes viewers' tokens.

use std::ffi::OsString;
use std::path::Path;

use server::{Clock, StreamName, ViewerSecret, parse_duration};

use crate::args::UsageError;
use crate::config::viewer_secret;
use crate::settings::Settings;

/// The options of `token`.
#[derive(clap::Args, Debug)]
pub(crate) struct TokenArgs {
    /// The stream's name
    name: String,
    /// How long the token is good, for example 2h or 30m
    #[arg(long = "for", value_name = "TIME")]
    duration: String,
    /// Read viewer_secret from this TOML file
    #[arg(long, value_name = "FILE.toml", env = "FEATHERCAST_CONFIG")]
    config: Option<OsString>,
    /// The secret of the server that is to take the token (better set by environment or file)
    #[arg(long, value_name = "SECRET", env = "FEATHERCAST_VIEWER_SECRET", hide_env_values = true)]
    viewer_secret: Option<String>,
}

/// What to print: the token alone, for scripts.
pub(crate) fn run(args: &TokenArgs) -> Result<String, UsageError> {
    let secret = match &args.viewer_secret {
        Some(text) => ViewerSecret::new(text).map_err(|error| {
            UsageError::new(format_args!("--viewer-secret or FEATHERCAST_VIEWER_SECRET: {error}"))
        })?,
        // An empty one names no file, as for `serve`.
        None => {
            secret_of_file(args.config.as_deref().filter(|path| !path.is_empty()).map(Path::new))?
        }
    };
    Ok(format!("{}\n", token(&secret, args, Clock::start().now().unix_secs())?))
}

fn secret_of_file(path: Option<&Path>) -> Result<ViewerSecret, UsageError> {
    let (mut settings, mut problems) = (Settings::default(), Vec::new());
    if let Some(path) = path {
        settings.add_file(path, &mut problems);
    }
    if !problems.is_empty() {
        return Err(UsageError::of(problems));
    }
    let said = settings.get("viewer-secret").ok_or_else(|| {
        UsageError::new("there is no secret: set FEATHERCAST_VIEWER_SECRET, or --config FILE.toml")
    })?;
    viewer_secret(said).map_err(|what| UsageError::of(vec![said.problem(what)]))
}

fn token(
    secret: &ViewerSecret,
    args: &TokenArgs,
    now_unix_secs: u64,
) -> Result<String, UsageError> {
    let TokenArgs { name, duration, .. } = args;
    let name = StreamName::parse(name)
        .map_err(|error| UsageError::new(format_args!("{name:?} is not a stream name: {error}")))?;
    let time = parse_duration(duration).filter(|time| time.as_secs() > 0).ok_or_else(|| {
        UsageError::new(format_args!("--for {duration:?}: write a time, for example 2h or 30m"))
    })?;
    Ok(secret.token(&name, now_unix_secs.saturating_add(time.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(name: &str, duration: &str) -> TokenArgs {
        let (name, duration) = (name.to_owned(), duration.to_owned());
        TokenArgs { name, duration, config: None, viewer_secret: None }
    }

    #[test]
    fn a_token_ends_when_its_time_is_over() {
        let secret = ViewerSecret::new("0123456789abcdef").unwrap();
        let made = token(&secret, &args("cam", "2h"), 1_795_292_800).unwrap();
        // printf 'cam\n1795300000' | openssl dgst -sha256 -hmac 0123456789abcdef | cut -c 1-32
        assert_eq!(made, "1795300000-3d8c3d63bb7f1feb6d705a16473bee27");
        for wrong in [args("a/b", "2h"), args("cam", "soon"), args("cam", "0s")] {
            assert!(token(&secret, &wrong, 0).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn without_a_secret_there_is_no_token() {
        let error = run(&args("cam", "2h")).unwrap_err().to_string();
        assert!(error.contains("FEATHERCAST_VIEWER_SECRET"), "{error}");
    }
}
