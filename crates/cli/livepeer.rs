//! go-livepeer's command lines: its broadcaster becomes `serve`, its other processes are not needed
//! any more.
//!
//! Flags are Go's: one dash or two, `-flag=value` or `-flag value`, a bare `-flag` for switches.

use crate::args::UsageError;

/// What a command line is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// None of go-livepeer's.
    Ours,
    /// Its broadcaster: our options, and the names of those that have no meaning here.
    Serve { args: Vec<String>, ignored: Vec<String> },
    /// Print this and be done.
    Say(String),
}

/// What a flag of go-livepeer means here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// `-broadcaster`, `-gateway`.
    Serve,
    /// `-orchestrator`, `-transcoder`.
    NotNeeded,
    /// Our option with the same value.
    Option(&'static str),
    /// An address, with go-livepeer's default host: the option and that host and port.
    Address(&'static str, &'static str),
    CurrentManifest,
    MaxSessions,
    MaxAttempts,
    Verbosity,
    Version,
    /// A switch without meaning here.
    IgnoredSwitch,
    /// A flag with a value, without meaning here.
    Ignored,
    /// Ignoring it would be dangerous: what to do instead.
    Refused(&'static str),
}

const FLAGS: &[(&str, Meaning)] = &[
    ("broadcaster", Meaning::Serve),
    ("gateway", Meaning::Serve),
    ("orchestrator", Meaning::NotNeeded),
    ("transcoder", Meaning::NotNeeded),
    ("rtmpAddr", Meaning::Address("--rtmp-addr", "127.0.0.1:1935")),
    ("httpAddr", Meaning::Address("--http-addr", "127.0.0.1:8935")),
    ("cliAddr", Meaning::Address("--admin-addr", "127.0.0.1:7935")),
    ("transcodingOptions", Meaning::Option("--renditions")),
    ("currentManifest", Meaning::CurrentManifest),
    ("maxSessions", Meaning::MaxSessions),
    ("maxAttempts", Meaning::MaxAttempts),
    ("v", Meaning::Verbosity),
    ("version", Meaning::Version),
    ("authWebhookUrl", Meaning::Refused("use --publish-key or --keys to say who may publish")),
    (
        "config",
        Meaning::Refused(
            "give a feathercast TOML file with 'feathercast serve --config FILE.toml'",
        ),
    ),
    ("network", Meaning::Ignored),
    ("serviceAddr", Meaning::Ignored),
    ("orchAddr", Meaning::Ignored),
    ("orchSecret", Meaning::Ignored),
    ("orchWebhookUrl", Meaning::Ignored),
    ("orchBlocklist", Meaning::Ignored),
    ("orchMinLivepeerVersion", Meaning::Ignored),
    ("nvidia", Meaning::Ignored),
    ("netint", Meaning::Ignored),
    ("datadir", Meaning::Ignored),
    ("dataDir", Meaning::Ignored),
    ("s3bucket", Meaning::Ignored),
    ("s3creds", Meaning::Ignored),
    ("gsbucket", Meaning::Ignored),
    ("gskey", Meaning::Ignored),
    ("objectStore", Meaning::Ignored),
    ("recordStore", Meaning::Ignored),
    ("verifierUrl", Meaning::Ignored),
    ("verifierURL", Meaning::Ignored),
    ("verifierPath", Meaning::Ignored),
    ("metadataQueueUri", Meaning::Ignored),
    ("discoveryTimeout", Meaning::Ignored),
    ("minPerfScore", Meaning::Ignored),
    ("pricePerUnit", Meaning::Ignored),
    ("maxPricePerUnit", Meaning::Ignored),
    ("pixelsPerUnit", Meaning::Ignored),
    ("blockPollingInterval", Meaning::Ignored),
    ("maxTicketEV", Meaning::Ignored),
    ("maxGasPrice", Meaning::Ignored),
    ("minGasPrice", Meaning::Ignored),
    ("httpIngest", Meaning::IgnoredSwitch),
    ("testTranscoder", Meaning::IgnoredSwitch),
    ("monitor", Meaning::IgnoredSwitch),
    ("metricsPerStream", Meaning::IgnoredSwitch),
    ("metricsClientIP", Meaning::IgnoredSwitch),
    ("localVerify", Meaning::IgnoredSwitch),
    ("hevcDecoding", Meaning::IgnoredSwitch),
    ("startupAvailabilityCheck", Meaning::IgnoredSwitch),
    ("initializeRound", Meaning::IgnoredSwitch),
];

/// Families of flags, on-chain ones above all, that have no meaning here. All of them take a value.
const IGNORED_PREFIXES: [&str; 6] = ["eth", "gas", "ticket", "deposit", "kafka", "select"];

/// Names that our own command line knows too: alone they make no line go-livepeer's.
const SHARED: [&str; 3] = ["v", "config", "version"];

/// The default of go-livepeer's `-transcodingOptions`.
const DEFAULT_RENDITIONS: &str = "P240p30fps16x9,P360p30fps16x9";

/// Verbosity from which go-livepeer logs for developers: our `-v`.
const DEBUG_VERBOSITY: i64 = 5;

/// Reads a command line, without the program's name.
pub(crate) fn translate(args: &[String]) -> Result<Line, UsageError> {
    if args.iter().any(|arg| arg == "-version") {
        return Ok(Line::Say(format!("feathercast {}\n", env!("CARGO_PKG_VERSION"))));
    }
    if !args.iter().any(|arg| is_livepeer(arg)) {
        return Ok(Line::Ours);
    }
    let mut line = Translation::default();
    let mut rest = args.iter().map(String::as_str).peekable();
    while let Some(arg) = rest.next() {
        let (name, value) = split(arg)
            .ok_or_else(|| UsageError::new(format_args!("{arg:?}: not a go-livepeer option")))?;
        let meaning = meaning(name).ok_or_else(|| {
            UsageError::new(format_args!(
                "-{name}: not an option of go-livepeer that is known here"
            ))
        })?;
        let value = match value {
            None if takes_value(meaning) => rest.next_if(|next| !is_flag(next)),
            value => value,
        };
        line.take(name, meaning, value)?;
    }
    Ok(line.finish())
}

/// `-name`, `--name` or `-name=value`.
fn split(arg: &str) -> Option<(&str, Option<&str>)> {
    let flag =
        arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')).filter(|flag| !flag.is_empty())?;
    Some(flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value))))
}

fn is_livepeer(arg: &str) -> bool {
    split(arg).is_some_and(|(name, _)| !SHARED.contains(&name) && meaning(name).is_some())
}

fn meaning(name: &str) -> Option<Meaning> {
    let known = FLAGS.iter().find(|(flag, _)| *flag == name).map(|(_, meaning)| *meaning);
    // A family's flag goes on with a capital letter: `ethUrl`, but not `ethernet`.
    let in_family = |prefix: &str| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(char::is_uppercase))
    };
    known.or_else(|| {
        IGNORED_PREFIXES.iter().any(|prefix| in_family(prefix)).then_some(Meaning::Ignored)
    })
}

fn takes_value(meaning: Meaning) -> bool {
    use Meaning::{CurrentManifest, IgnoredSwitch, NotNeeded, Serve, Version};
    !matches!(meaning, CurrentManifest | IgnoredSwitch | NotNeeded | Serve | Version)
}

/// Whether the argument is a flag rather than a value; `-1` is a value.
fn is_flag(arg: &str) -> bool {
    arg.strip_prefix('-').is_some_and(|rest| {
        rest.starts_with(|first: char| first == '-' || first.is_ascii_alphabetic())
    })
}

#[derive(Default)]
struct Translation {
    serve: bool,
    not_needed: Vec<String>,
    args: Vec<String>,
    has_renditions: bool,
    passthrough: bool,
    ignored: Vec<String>,
}

impl Translation {
    fn take(
        &mut self,
        name: &str,
        meaning: Meaning,
        value: Option<&str>,
    ) -> Result<(), UsageError> {
        let is_on = !matches!(value, Some("false" | "f" | "F" | "0" | "FALSE" | "False"));
        let text = value.unwrap_or_default();
        match meaning {
            Meaning::Serve => self.serve |= is_on,
            Meaning::NotNeeded if is_on => self.not_needed.push(format!("-{name}")),
            Meaning::NotNeeded => {}
            Meaning::Option(option) => {
                self.has_renditions = true;
                self.push(option, text);
            }
            Meaning::Address(option, default) => self.push(option, &with_default(text, default)),
            Meaning::CurrentManifest => self.args.push(format!("--current-manifest={is_on}")),
            Meaning::MaxSessions if text == "auto" => self.ignored.push("-maxSessions".into()),
            Meaning::MaxSessions => self.push("--max-streams", text),
            // As in go-livepeer: no attempt, no transcoding.
            Meaning::MaxAttempts => {
                self.passthrough = text.parse().is_ok_and(|attempts: i64| attempts <= 0)
            }
            Meaning::Verbosity if text.parse().is_ok_and(|level: i64| level >= DEBUG_VERBOSITY) => {
                self.args.push("-v".into())
            }
            Meaning::Verbosity | Meaning::Version => {}
            Meaning::Ignored | Meaning::IgnoredSwitch => self.ignored.push(format!("-{name}")),
            Meaning::Refused(remedy) => {
                return Err(UsageError::new(format_args!("-{name} is not supported; {remedy}")));
            }
        }
        Ok(())
    }

    fn push(&mut self, option: &str, value: &str) {
        self.args.push(format!("{option}={value}"));
    }

    fn finish(mut self) -> Line {
        if !self.serve && !self.not_needed.is_empty() {
            return Line::Say(format!(
                "{} is not needed any more: feathercast transcodes by itself. Run only the line with -broadcaster, and \
                 remove this one.\n",
                self.not_needed.join(" ")
            ));
        }
        self.ignored.append(&mut self.not_needed);
        if self.passthrough {
            self.args.retain(|arg| !arg.starts_with("--renditions="));
            self.push("--renditions", "");
        } else if !self.has_renditions {
            self.push("--renditions", DEFAULT_RENDITIONS);
        }
        self.listen_as_livepeer_did();
        Line::Serve { args: self.args, ignored: self.ignored }
    }

    /// A line that does not say where to listen did so on loopback: it must not be open to the
    /// network now.
    fn listen_as_livepeer_did(&mut self) {
        for (_, meaning) in FLAGS {
            if let Meaning::Address(option, default) = meaning
                && !self.args.iter().any(|arg| arg.starts_with(option))
            {
                self.push(option, default);
            }
        }
    }
}

/// go-livepeer's shorthands: `:1936` has the default's host, `host` its port, nothing is the
/// default.
fn with_default(text: &str, default: &str) -> String {
    let (host, port) = default.split_once(':').unwrap_or((default, ""));
    match text {
        "" => default.to_owned(),
        _ if text.starts_with(':') => format!("{host}{text}"),
        _ if text.contains(':') => text.to_owned(),
        _ => format!("{text}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let args: Vec<_> = text.split_whitespace().map(String::from).collect();
        translate(&args).unwrap_or_else(|error| panic!("{error}"))
    }

    fn refusal(text: &str) -> String {
        let args: Vec<_> = text.split_whitespace().map(String::from).collect();
        translate(&args).err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn served(text: &str) -> (Vec<String>, Vec<String>) {
        match line(text) {
            Line::Serve { args, ignored } => (args, ignored),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_recipes_broadcaster_serves() {
        let (args, ignored) = served(
            "-broadcaster -currentManifest -rtmpAddr 0.0.0.0:1935 -httpAddr 0.0.0.0:8935 -orchAddr 127.0.0.1:8936 \
             -transcodingOptions P144p30fps16x9 -cliAddr 127.0.0.1:7935 -v 99",
        );
        let expected = [
            "--current-manifest=true",
            "--rtmp-addr=0.0.0.0:1935",
            "--http-addr=0.0.0.0:8935",
            "--renditions=P144p30fps16x9",
            "--admin-addr=127.0.0.1:7935",
            "-v",
        ];
        assert_eq!(args, expected);
        assert_eq!(ignored, ["-orchAddr"]);
    }

    #[test]
    fn the_recipes_other_lines_are_not_needed() {
        for text in [
            "-orchestrator -serviceAddr 127.0.0.1:8936 -cliAddr 127.0.0.1:7936 -httpAddr 127.0.0.1:8936 -orchSecret secret -v 99",
            "-transcoder -orchAddr 127.0.0.1:8936 -orchSecret secret -cliAddr 127.0.0.1:7937 -httpAddr 127.0.0.1:8937",
            "--orchestrator=true --transcoder",
        ] {
            let Line::Say(words) = line(text) else { panic!("{text}") };
            assert!(words.contains("not needed any more") && !words.contains("secret"), "{words}");
        }
    }

    #[test]
    fn a_broadcaster_next_to_other_roles_serves() {
        let (_, ignored) = served("-orchestrator -transcoder -broadcaster -network offchain");
        assert_eq!(ignored, ["-network", "-orchestrator", "-transcoder"]);
        assert!(matches!(line("-broadcaster=false -transcoder"), Line::Say(_)));
    }

    #[test]
    fn flags_have_one_dash_or_two_and_values_behind_an_equals_sign() {
        let (args, ignored) = served(
            "--gateway -rtmpAddr=:1936 --httpAddr=10.0.0.1 -maxSessions 3 -ethUrl http://x -monitor=false -depositMultiplier -1",
        );
        assert_eq!(
            args[..3],
            ["--rtmp-addr=127.0.0.1:1936", "--http-addr=10.0.0.1:8935", "--max-streams=3"]
        );
        assert_eq!(ignored, ["-ethUrl", "-monitor", "-depositMultiplier"]);
    }

    #[test]
    fn a_line_that_says_less_gets_go_livepeers_defaults() {
        let (args, _) = served("-broadcaster");
        let renditions = format!("--renditions={DEFAULT_RENDITIONS}");
        let addresses = [
            "--rtmp-addr=127.0.0.1:1935",
            "--http-addr=127.0.0.1:8935",
            "--admin-addr=127.0.0.1:7935",
        ];
        assert_eq!(args, [vec![renditions.as_str()], addresses.to_vec()].concat());
        assert!(
            served("-broadcaster -maxAttempts 0 -transcodingOptions P144p30fps16x9")
                .0
                .contains(&"--renditions=".into())
        );
    }

    #[test]
    fn options_that_protect_something_are_not_ignored() {
        assert!(refusal("-broadcaster -authWebhookUrl http://x").contains("--publish-key"));
        assert!(refusal("-broadcaster -config x").contains("--config FILE.toml"));
        assert!(refusal("-broadcaster -rtmpAdr x").contains("-rtmpAdr"));
        assert!(refusal("-broadcaster stray").contains("stray"));
    }

    #[test]
    fn our_own_lines_are_left_alone() {
        for text in [
            "",
            "serve",
            "-v",
            "-vvv",
            "--config x.toml",
            "--rtmp-addr :1",
            "--version",
            "serve --renditions P144p30fps16x9",
        ] {
            assert_eq!(line(text), Line::Ours, "{text}");
        }
        assert!(matches!(line("-version"), Line::Say(text) if text.starts_with("feathercast ")));
    }
}
