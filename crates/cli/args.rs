//! The command line, ours and go-livepeer's.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::check::CheckArgs;
use crate::demo::DemoArgs;
use crate::doctor::DoctorArgs;
use crate::inspect::ConfigArgs;
use crate::install::{InstallArgs, UninstallArgs};
use crate::key::KeyArgs;
use crate::publish::PublishArgs;
use crate::settings::{Problem, Settings};
use crate::token::TokenArgs;
use crate::{inspect, key, livepeer, token};

/// What the command line asks for.
pub(crate) enum Action {
    /// Serve until a signal; `ignored` are go-livepeer options that have no meaning here.
    Serve { args: ServeArgs, ignored: Vec<String> },
    /// Publish until the end, or a signal.
    Publish(Box<PublishArgs>),
    /// Judge a stream.
    Check(Box<CheckArgs>),
    /// Show everything on this machine.
    Demo(Box<DemoArgs>),
    /// Make a service of it.
    Install(InstallArgs),
    /// Take that back.
    Uninstall(UninstallArgs),
    /// Say whether a server would run well.
    Doctor(Box<DoctorArgs>),
    /// Print this and be done.
    Say(String),
}

const HELP: &str = "For all options, try 'feathercast --help'.\n";

/// Bad usage or configuration: the whole text for the terminal, exit code 2.
#[derive(Debug)]
pub(crate) struct UsageError(String);

impl UsageError {
    /// An error in one sentence that names the option and the remedy.
    pub(crate) fn new(sentence: impl fmt::Display) -> Self {
        Self(format!("error: {sentence}\n\n{HELP}"))
    }

    /// All that is wrong with the settings, a line each, in the order of the file.
    pub(crate) fn of(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.line);
        let lines: String = problems.iter().map(|problem| format!("error: {problem}\n")).collect();
        Self(format!("{lines}\n{HELP}"))
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const SERVE_EXAMPLES: &str = "\
Examples:
  feathercast --publish-key SECRET
  feathercast --keys camera1=SECRET,camera2=SECRET --unlisted
  feathercast --renditions P144p30fps16x9,P240p30fps16x9 --transcode always
  feathercast --acme live.example.com --https-addr :443
  feathercast serve --config feathercast.toml";

const PUBLISH_EXAMPLES: &str = "\
Examples:
  feathercast publish test rtmp://127.0.0.1/hello_world
  feathercast publish test rtmp://127.0.0.1/hello_world --size 640x360 --fps 25 --for 30s
  feathercast publish film.mp4 clip.flv rtmp://live.example.com/channel/KEY --loop";

const CHECK_EXAMPLES: &str = "\
Examples:
  feathercast check http://127.0.0.1:8935/stream/hello_world.m3u8 --for 30s
  feathercast check http://127.0.0.1:8935/stream/hello_world/P144p30fps16x9.m3u8 --json";

const DEMO_EXAMPLES: &str = "\
Examples:
  feathercast demo
  feathercast demo --for 30s";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  feathercast doctor
  sudo feathercast doctor /etc/feathercast/feathercast.toml";

const CONFIG_EXAMPLES: &str = "\
Examples:
  sudo feathercast config check /etc/feathercast/feathercast.toml
  feathercast config print --segment-duration 4s";

const KEY_EXAMPLES: &str = "\
Examples:
  feathercast key new camera1";

const TOKEN_EXAMPLES: &str = "\
Examples:
  sudo feathercast token camera1 --for 2h --config /etc/feathercast/feathercast.toml";

const INSTALL_EXAMPLES: &str = "\
Examples:
  sudo feathercast install
  feathercast install --root /mnt/image";

const UNINSTALL_EXAMPLES: &str = "\
Examples:
  sudo feathercast uninstall";

/// Streaming back-end in one binary: RTMP in, feather-light HLS out.
///
/// Every option of `serve` is also an environment variable (--rtmp-addr is FEATHERCAST_RTMP_ADDR)
/// and a key of the TOML file (rtmp_addr). A flag wins over the environment, the environment over
/// the file.
#[derive(Parser)]
#[command(name = "feathercast", version, args_conflicts_with_subcommands = true)]
#[command(after_help = SERVE_EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Takes streams by RTMP and serves them as HLS (the default command)
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Sends files or a test signal to an RTMP server, in real time
    #[command(after_help = PUBLISH_EXAMPLES)]
    Publish(Box<PublishArgs>),
    /// Follows a stream as a player would and says whether it is good: exit code 0, also where it
    /// has ended well, or 1 with the reasons; Ctrl-C prints what there is so far
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Box<CheckArgs>),
    /// Serves on loopback, publishes the test signal as hello_world, checks it, and stays up
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(Box<DemoArgs>),
    /// Says whether a server would run well on this machine, line by line, and what to do: exit
    /// code 0, or 1 where it would not run
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(Box<DoctorArgs>),
    /// Checks or prints the settings of `serve`
    #[command(after_help = CONFIG_EXAMPLES)]
    Config(ConfigArgs),
    /// Makes secrets
    #[command(after_help = KEY_EXAMPLES)]
    Key(KeyArgs),
    /// Makes a token that lets somebody watch a stream for a while, where the server has a
    /// --viewer-secret
    #[command(after_help = TOKEN_EXAMPLES)]
    Token(TokenArgs),
    /// Makes a systemd service of it: the binary, a file of settings and a unit
    #[command(after_help = INSTALL_EXAMPLES)]
    Install(InstallArgs),
    /// Takes back what `install` wrote, and keeps settings that were changed
    #[command(after_help = UNINSTALL_EXAMPLES)]
    Uninstall(UninstallArgs),
}

/// The definition of the command line.
#[cfg(test)]
pub(crate) fn command() -> clap::Command {
    use clap::CommandFactory;
    Cli::command()
}

/// The options of `serve`.
#[derive(clap::Args, Default)]
pub(crate) struct ServeArgs {
    /// Read settings from this TOML file (docs/feathercast.toml is a commented example)
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Reads the command line and the environment. The first argument is the program's name.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Action, UsageError> {
    let args: Vec<OsString> = args.into_iter().collect();
    let text: Vec<String> =
        args.iter().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    match livepeer::translate(&text)? {
        livepeer::Line::Ours => parse_ours(args, Vec::new()),
        livepeer::Line::Serve { args, ignored } => {
            let args = [String::from("feathercast"), String::from("serve")].into_iter().chain(args);
            parse_ours(args.map(OsString::from).collect(), ignored)
        }
        livepeer::Line::Say(text) => Ok(Action::Say(text)),
    }
}

fn parse_ours(args: Vec<OsString>, ignored: Vec<String>) -> Result<Action, UsageError> {
    match Cli::try_parse_from(args) {
        Ok(Cli { command: Some(Command::Serve(args)), .. }) => Ok(Action::Serve { args, ignored }),
        Ok(Cli { command: Some(Command::Publish(args)), .. }) => Ok(Action::Publish(args)),
        Ok(Cli { command: Some(Command::Check(args)), .. }) => Ok(Action::Check(args)),
        Ok(Cli { command: Some(Command::Demo(args)), .. }) => Ok(Action::Demo(args)),
        Ok(Cli { command: Some(Command::Doctor(args)), .. }) => Ok(Action::Doctor(args)),
        Ok(Cli { command: Some(Command::Config(args)), .. }) => {
            inspect::run(args, std::env::vars_os()).map(Action::Say)
        }
        Ok(Cli { command: Some(Command::Key(args)), .. }) => key::run(&args).map(Action::Say),
        Ok(Cli { command: Some(Command::Token(args)), .. }) => token::run(&args).map(Action::Say),
        Ok(Cli { command: Some(Command::Install(args)), .. }) => Ok(Action::Install(args)),
        Ok(Cli { command: Some(Command::Uninstall(args)), .. }) => Ok(Action::Uninstall(args)),
        Ok(Cli { command: None, serve }) => Ok(Action::Serve { args: serve, ignored }),
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            Ok(Action::Say(error.render().to_string()))
        }
        Err(error) => Err(UsageError(error.render().to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(line: &str) -> ServeArgs {
        let args = ["feathercast"].into_iter().chain(line.split_whitespace()).map(OsString::from);
        match parse(args) {
            Ok(Action::Serve { args, .. }) => args,
            Ok(Action::Publish(args)) => panic!("published {args:?}"),
            Ok(Action::Check(args)) => panic!("checked {args:?}"),
            Ok(Action::Demo(args)) => panic!("demonstrated {args:?}"),
            Ok(Action::Install(args)) => panic!("installed {args:?}"),
            Ok(Action::Uninstall(args)) => panic!("uninstalled {args:?}"),
            Ok(Action::Doctor(_)) => panic!("examined"),
            Ok(Action::Say(text)) => panic!("said {text}"),
            Err(error) => panic!("{error}"),
        }
    }

    fn refusal(line: &str) -> String {
        let args = ["feathercast"].into_iter().chain(line.split_whitespace()).map(OsString::from);
        parse(args).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn serve_is_the_default_command() {
        for line in ["--rtmp-addr 127.0.0.1:1", "serve --rtmp-addr 127.0.0.1:1"] {
            let args = serve(line);
            let addr = args.settings.get("rtmp-addr").map(|said| said.text());
            assert_eq!(addr, Some(Ok("127.0.0.1:1".to_owned())), "{line}");
        }
        assert!(serve("").config.is_none());
    }

    #[test]
    fn a_switch_takes_no_value_or_one_behind_an_equals_sign() {
        let switch =
            |line: &str| serve(line).settings.get("current-manifest").map(|said| said.switch());
        assert_eq!(switch("--current-manifest"), Some(Ok(true)));
        assert_eq!(switch("--current-manifest=false -vv"), Some(Ok(false)));
        assert_eq!(switch(""), None);
        let verbose = serve("-vv").settings.get("verbose").map(|said| said.number(0..=9));
        assert_eq!(verbose, Some(Ok(2)));
    }

    #[test]
    fn clap_accepts_the_definition() {
        command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_and_each_of_them_is_understood() {
        let root = command();
        for command in [&root].into_iter().chain(root.get_subcommands()) {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples: Vec<_> =
                text.lines().filter_map(|line| line.strip_prefix("  ")).collect();
            assert!(!examples.is_empty(), "{}", command.get_name());
            for example in examples {
                let words = example.trim_start_matches("sudo ").split(' ');
                if let Err(error) = Cli::try_parse_from(words) {
                    panic!("{example}: {error}");
                }
            }
        }
    }

    #[test]
    fn unknown_options_are_named() {
        assert!(refusal("--rmtp-addr :1").contains("--rmtp-addr"));
        assert!(refusal("config chek").contains("chek"));
        assert!(refusal("publishh").contains("publishh"));
    }
}
