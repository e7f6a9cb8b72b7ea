//! `feathercast check`: is this stream good? For people and for scripts.

use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use server::{CheckConfig, CheckError, Outcome, Report, Waiting, parse_duration};

use crate::args::UsageError;

/// The options of `check`.
#[derive(clap::Args, Debug)]
pub(crate) struct CheckArgs {
    /// A multivariant or media playlist: http://host:8935/stream/NAME.m3u8
    url: String,
    /// For https: trust the authorities in this PEM file instead of Mozilla's
    #[arg(long, value_name = "FILE.pem")]
    ca: Option<PathBuf>,
    /// How long to follow the stream [default: 10s]
    #[arg(long = "for", value_name = "TIME")]
    duration: Option<String>,
    /// How long to wait for a stream that is just starting; 0s does not wait [default: 15s]
    #[arg(long, value_name = "TIME")]
    wait: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Checks, and prints the report.
pub(crate) fn run(args: &CheckArgs) -> Result<ExitCode, UsageError> {
    let text = args.duration.as_deref().unwrap_or("10s");
    let duration = parse_duration(text).filter(|time| !time.is_zero()).ok_or_else(|| {
        UsageError::new(format_args!("--for {text:?}: write a time, for example 10s or 1500ms"))
    })?;
    let text = args.wait.as_deref().unwrap_or("15s");
    let wait = parse_duration(text).ok_or_else(|| {
        UsageError::new(format_args!("--wait {text:?}: write a time, for example 30s, or 0s"))
    })?;
    let config = CheckConfig { url: args.url.clone(), duration, wait, ca: args.ca.clone() };
    let report = match server::check(&config, |waiting| say_waiting(&args.url, waiting)) {
        Ok(report) => report,
        Err(error @ (CheckError::Url(_) | CheckError::Authorities(_))) => {
            return Err(UsageError::new(error));
        }
        Err(error) => {
            let _ = writeln!(stderr(), "error: {error}");
            return Ok(ExitCode::FAILURE);
        }
    };
    // Who reads only the first lines has seen enough.
    let _ = if args.json { print_json(&report) } else { print(&report, |_| true) };
    Ok(exit_code(report.good))
}

/// On standard error: the report is all that is on standard output.
fn say_waiting(url: &str, Waiting { why, at_most }: &Waiting) {
    let at_most = at_most.as_secs_f64();
    let _ = writeln!(
        stderr(),
        "{url}: {why} so far; waiting up to {at_most:.0} s for the stream to start"
    );
}

/// 0 for a stream that is good, also where it has ended, else 1.
pub(crate) fn exit_code(is_good: bool) -> ExitCode {
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints those lines of the report whose outcome is `wanted`, in colours on a terminal.
pub(crate) fn print(report: &Report, wanted: impl Fn(Outcome) -> bool) -> io::Result<()> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let in_colours = stdout().is_terminal() && !no_color;
    let mut out = stdout().lock();
    for (outcome, line) in report.lines().filter(|(outcome, _)| wanted(*outcome)) {
        match in_colours {
            true => writeln!(out, "{}", coloured(outcome, &line))?,
            false => writeln!(out, "{line}")?,
        }
    }
    out.flush()
}

fn print_json(report: &Report) -> io::Result<()> {
    let mut out = stdout().lock();
    serde_json::to_writer_pretty(&mut out, report)?;
    writeln!(out)
}

/// The outcome's word alone where the line begins with it, so that the page stays quiet; else the
/// whole line.
fn coloured(outcome: Outcome, line: &str) -> String {
    let colour = match outcome {
        Outcome::NotJudged => 90,
        Outcome::Pass => 32,
        Outcome::Warn => 33,
        Outcome::Fail => 31,
    };
    let word = outcome.to_string();
    let (marked, rest) = match line.strip_prefix(&word) {
        Some(rest) => (word.as_str(), rest),
        None => (line, ""),
    };
    format!("\x1b[{colour}m{marked}\x1b[0m{rest}")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CheckArgs,
    }

    #[test]
    fn what_is_wrong_is_named_with_the_remedy() {
        for (line, words) in [
            ("http://h/x.m3u8 --for soon", "--for \"soon\""),
            ("http://h/x.m3u8 --for 0s", "10s"),
            ("http://h/x.m3u8 --wait soon", "--wait \"soon\""),
            ("https://h/x.m3u8 --ca nowhere.pem", "--ca: cannot read nowhere.pem"),
            ("rtmp://h/x", "rtmp://h/x"),
        ] {
            let words_of_line = ["check"].into_iter().chain(line.split_whitespace());
            let args = Line::try_parse_from(words_of_line).map(|line| line.args).unwrap();
            let error = run(&args).unwrap_err().to_string();
            assert!(error.contains(words), "{line}: {error}");
        }
    }

    #[test]
    fn only_the_outcome_is_coloured_where_the_line_begins_with_it() {
        assert_eq!(coloured(Outcome::Fail, "FAIL cors x"), "\x1b[31mFAIL\x1b[0m cors x");
        assert_eq!(coloured(Outcome::Warn, "   x: y"), "\x1b[33m   x: y\x1b[0m");
    }
}
