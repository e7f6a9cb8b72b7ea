//! `feathercast key`: makes secrets.

use clap::Subcommand;
use server::{SecretDigest, StreamName, new_secret};

use crate::args::UsageError;

/// What `key` is told.
#[derive(clap::Args, Debug)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Subcommand, Debug)]
enum KeyCommand {
    /// Makes a publish key for a name, and the line of the settings file that lets it in
    New {
        /// The stream's public name
        name: String,
    },
}

/// What to print.
pub(crate) fn run(args: &KeyArgs) -> Result<String, UsageError> {
    let KeyCommand::New { name } = &args.command;
    let name = StreamName::parse(name)
        .map_err(|error| UsageError::new(format_args!("{name:?} is not a stream name: {error}")))?;
    let key = new_secret().map_err(|error| UsageError::new(format_args!("no key: {error}")))?;
    Ok(text(&name, &key))
}

fn text(name: &StreamName, key: &str) -> String {
    let digest = SecretDigest::of(key).to_setting();
    format!(
        "key: {key}\n\
         OBS: server rtmp://HOST/live, stream key {key}\n\
         URL: rtmp://HOST/{name}/{key}\n\
         \n\
         The publisher needs the key alone, and it is shown only here. In the settings file:\n\
         \n\
         [keys]\n\
         \"{name}\" = \"{digest}\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_setting_is_the_printed_key_s() {
        let name = StreamName::parse("cam1.main").unwrap();
        let text = text(&name, "4711");
        let toml = text.split("\n\n").last().unwrap();
        let table: toml::Table = toml.parse().unwrap();
        let setting = table["keys"]["cam1.main"].as_str().unwrap();
        assert_eq!(SecretDigest::from_setting(setting), Ok(SecretDigest::of("4711")));
        assert!(text.starts_with("key: 4711\n"), "{text}");
    }
}
