//! `feathercast config`: what `serve` would be run with, and what is wrong with it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::Subcommand;
use server::SecretDigest;

use crate::args::{ServeArgs, UsageError};
use crate::config;
use crate::settings::{Form, Origin, SETTINGS, Said, Settings};

/// The commented example, which says what the defaults are.
pub(crate) const EXAMPLE: &str = include_str!("../../docs/feathercast.toml");

/// What `config` is told.
#[derive(clap::Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Says everything that is wrong with the file, the environment and the flags, read as `serve`
    /// reads them: exit code 0, or 2 with a line for each problem
    Check(SourceArgs),
    /// Prints the settings that `serve` would run with as a TOML file, and where those that are not
    /// the defaults are from; keys as their SHA-256, other secrets not at all
    Print(SourceArgs),
}

#[derive(clap::Args)]
struct SourceArgs {
    /// The TOML file, as with --config
    #[arg(value_name = "FILE.toml", conflicts_with = "config")]
    file: Option<PathBuf>,
    #[command(flatten)]
    serve: ServeArgs,
}

impl SourceArgs {
    /// What is said, if nothing is wrong with it.
    fn settings(
        self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Settings, UsageError> {
        let ServeArgs { config, settings } = self.serve;
        let args = ServeArgs { config: self.file.or(config), settings };
        let (settings, problems) = config::gather(args, variables);
        config::resolve(&settings, problems)?;
        Ok(settings)
    }
}

/// What to print.
pub(crate) fn run(
    args: ConfigArgs,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<String, UsageError> {
    match args.command {
        ConfigCommand::Check(source) => Ok(verdict(&source.settings(variables)?)),
        ConfigCommand::Print(source) => toml(&source.settings(variables)?).map_err(UsageError::new),
    }
}

/// One line for somebody who wants to know whether the file was read at all.
fn verdict(settings: &Settings) -> String {
    let mut counts = BTreeMap::new();
    for said in settings.iter() {
        let source = match &said.origin {
            Origin::Flag => "flags",
            Origin::Variable => "the environment",
            Origin::File { path, .. } => path,
        };
        *counts.entry(source).or_insert(0) += 1;
    }
    let sources: Vec<_> =
        counts.iter().map(|(source, count)| format!("{count} from {source}")).collect();
    match &sources[..] {
        [] => "good: every setting is the default\n".to_owned(),
        _ => {
            let sources = sources.join(", ");
            format!("good: {sources}, the other settings are the defaults\n")
        }
    }
}

/// A file from which `serve` would have the same settings.
pub(crate) fn toml(settings: &Settings) -> Result<String, String> {
    let (mut defaults, mut problems) = (Settings::default(), Vec::new());
    defaults.add_text("defaults", EXAMPLE, &mut problems);
    debug_assert!(problems.is_empty(), "{problems:?}");
    let mut lines = vec![String::from(
        "# What `feathercast serve` runs with. Behind a # is where a setting is from; the others are \
         the defaults.",
    )];
    for setting in SETTINGS.iter().filter(|setting| setting.form != Form::Keys) {
        match (settings.get(setting.name), defaults.get(setting.name)) {
            (Some(said), _) => lines.push(line(said)?),
            (None, Some(default)) => lines.push(format!("{} = {}", setting.key(), value(default)?)),
            (None, None) => {}
        }
    }
    // Whatever stands below a table belongs to it.
    if let Some(said) = settings.get("keys") {
        lines.push(format!("\n[keys] # {}", source(said)));
        for (name, said) in BTreeMap::from_iter(said.pairs()?) {
            lines.push(format!("{} = {}", quoted(&name), digest(said.secret()?)?));
        }
    }
    Ok(format!("{}\n", lines.join("\n")))
}

fn line(said: &Said) -> Result<String, String> {
    let key = said.setting.key();
    let source = source(said);
    match said.setting.form {
        Form::Secret | Form::Forwards => {
            Ok(format!("# {key}: a secret, set by {source}, is not printed"))
        }
        _ => Ok(format!("{key} = {} # {source}", value(said)?)),
    }
}

/// Where a setting is from.
fn source(said: &Said) -> String {
    match &said.origin {
        Origin::Flag | Origin::Variable => said.name(),
        Origin::File { path, line } => format!("{path}:{line}"),
    }
}

/// A value in TOML.
fn value(said: &Said) -> Result<String, String> {
    Ok(match said.setting.form {
        Form::Text => quoted(&said.text()?),
        Form::List => {
            let (text, elements) = (said.text()?, said.list()?);
            if elements.join(",") == text {
                let elements: Vec<_> = elements.iter().map(|element| quoted(element)).collect();
                format!("[{}]", elements.join(", "))
            } else {
                // A comma may be part of a file's name.
                quoted(&text)
            }
        }
        Form::Number | Form::Count => said.number(0..=usize::MAX)?.to_string(),
        Form::Switch => said.switch()?.to_string(),
        Form::Digest => digest(said.secret()?)?,
        Form::Secret | Form::Keys | Form::Forwards => String::new(),
    })
}

/// The SHA-256 of a secret, or of which it is one, in TOML.
fn digest(secret: &str) -> Result<String, String> {
    let digest = SecretDigest::from_setting(secret).map_err(|error| error.to_string())?;
    Ok(quoted(&digest.to_setting()))
}

/// A text in TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(character)));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use server::Config;

    use super::*;
    use crate::settings::tests::said_by_flags;

    fn read(toml: &str) -> Settings {
        let (mut settings, mut problems) = (Settings::default(), Vec::new());
        settings.add_text("test.toml", toml, &mut problems);
        assert!(problems.is_empty(), "{problems:?}: {toml}");
        settings
    }

    fn resolved(settings: &Settings) -> config::Resolved {
        config::resolve(settings, Vec::new()).unwrap()
    }

    #[test]
    fn nothing_said_is_printed_as_the_defaults() {
        let printed = toml(&Settings::default()).unwrap();
        let config = resolved(&read(&printed)).server;
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
        assert!(printed.contains("\nsegment_duration = \"2s\"\n"), "{printed}");
        assert!(printed.contains("\nrenditions = [\"P144p30fps16x9\", "), "{printed}");
    }

    #[test]
    fn what_is_printed_means_the_same_and_holds_no_secret() {
        let mut settings = said_by_flags(
            "--http-addr :80 --max-streams 3 --renditions= --keys cam=hunter2,cam2.x=hunter3 -vvv",
        );
        let variables = [
            ("FEATHERCAST_PUBLISH_KEY", "hunter2"),
            ("FEATHERCAST_ADMIN_TOKEN", "hunter2-hunter2-hunter2"),
            ("FEATHERCAST_CURRENT_MANIFEST", "yes"),
            ("FEATHERCAST_TLS_CERT", "a \"b\"\\\n.pem"),
        ];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        settings.add_variables(variables, &mut Vec::new());
        settings.add_text(
            "x.toml",
            "segment_duration = 1.5\ntls_key = 'k'\nadmin_hosts = 'a,b'\n\
             trusted_proxies = '::1, 10.0.0.0/8'\nlog_format = 'json'",
            &mut Vec::new(),
        );
        let printed = toml(&settings).unwrap();
        assert!(!printed.contains("hunter"), "{printed}");
        for line in [
            "http_addr = \":80\" # --http-addr",
            "max_streams = 3 # --max-streams",
            "renditions = [] # --renditions",
            "verbose = 3 # --verbose",
            "current_manifest = true # FEATHERCAST_CURRENT_MANIFEST",
            "segment_duration = \"1.5\" # x.toml:1",
            "admin_hosts = [\"a\", \"b\"] # x.toml:3",
            "trusted_proxies = \"::1, 10.0.0.0/8\" # x.toml:4",
            "rtmp_addr = \"0.0.0.0:1935\"",
            "[keys] # --keys",
        ] {
            assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
        }
        let (said, again) = (resolved(&settings), resolved(&read(&printed)));
        assert_eq!(format!("{said:?}"), format!("{again:?}"));
        // What Debug does not show.
        assert_eq!(said.server.access.keys, again.server.access.keys);
        assert_eq!(said.server.access.keys.len(), 2);
        assert_eq!(said.server.access.shared_key, again.server.access.shared_key);
        assert_eq!(said.server.admin.token, again.server.admin.token);
    }

    #[test]
    fn secrets_without_a_digest_are_left_out_and_named() {
        let settings = read(
            "viewer_secret = 'hunter2-hunter2-hunter2'\nauth_webhook = 'http://127.0.0.1/?t=hunter2'",
        );
        let printed = toml(&settings).unwrap();
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(printed.contains("\n# viewer_secret: a secret, set by test.toml:1,"), "{printed}");
        assert!(printed.contains("\n# auth_webhook: a secret, set by test.toml:2,"), "{printed}");
        read(&printed);
    }

    #[test]
    fn a_good_file_is_called_good_with_what_it_says() {
        assert_eq!(verdict(&Settings::default()), "good: every setting is the default\n");
        let mut settings = said_by_flags("--max-streams 3");
        settings.add_text(
            "x.toml",
            "max_streams = 4\nverbose = 1\nunlisted = true",
            &mut Vec::new(),
        );
        let expected = "good: 1 from flags, 2 from x.toml, the other settings are the defaults\n";
        assert_eq!(verdict(&settings), expected);
    }
}
