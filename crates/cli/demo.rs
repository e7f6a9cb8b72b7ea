//! `feathercast demo`: everything once, on this machine, and what to do next.

use std::io::{self, Write, stderr, stdout};
use std::process::ExitCode;
use std::time::Duration;

use server::{DemoAddrs, DemoReport, Outcome, parse_duration};

use crate::args::UsageError;
use crate::check;
use crate::logging;

/// The options of `demo`.
#[derive(clap::Args, Debug)]
pub(crate) struct DemoArgs {
    /// End by itself after this time, for example 30s; the exit code says whether all was good
    /// until then
    #[arg(long = "for", value_name = "TIME")]
    stop_after: Option<String>,
}

/// Shows everything, and stays.
pub(crate) fn run(args: &DemoArgs) -> Result<ExitCode, UsageError> {
    let stop_after = args.stop_after.as_deref().map(time).transpose()?;
    let _log = match logging::start_quiet() {
        Ok(log) => log,
        Err(error) => return Ok(logging::failed(&error)),
    };
    // Who does not read on does not end the demo.
    let shown = server::demo(stop_after, |addrs, report| drop(show(addrs, &report)));
    Ok(match shown {
        Ok(is_good) => check::exit_code(is_good),
        Err(error) => {
            let _ = writeln!(stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    })
}

fn time(text: &str) -> Result<Duration, UsageError> {
    parse_duration(text).filter(|time| !time.is_zero()).ok_or_else(|| {
        UsageError::new(format_args!("--for {text:?}: write a time, for example 30s or 1500ms"))
    })
}

fn show(addrs: &DemoAddrs, report: &DemoReport<'_>) -> io::Result<()> {
    let mut out = stdout();
    match report {
        DemoReport::Started => writeln!(
            out,
            "feathercast listens, and a test signal goes to {}; waiting for the first segments\n",
            addrs.publish_url()
        ),
        // Whoever wants to see it need not wait for the check.
        DemoReport::Checking(time) => writeln!(
            out,
            "{}\n\nchecking {} for {} s\n",
            what_next(addrs),
            addrs.stream_url(),
            time.as_secs()
        ),
        DemoReport::Checked { report, playlist } => {
            check::print(report, |_| true)?;
            writeln!(out, "\n$ curl {}\n{playlist}", addrs.playlist_url())?;
            writeln!(out, "Watch {}, Ctrl-C ends it.", addrs.stream_url())
        }
        DemoReport::Followed(report) => check::print(report, |outcome| outcome > Outcome::Warn)
            .and_then(|()| writeln!(out, "{}", last_words(report.good, report.seconds))),
    }
}

fn last_words(is_good: bool, seconds: f64) -> String {
    let verdict = if is_good { "still good" } else { "NOT GOOD any more" };
    format!("followed for {seconds:.0} s more: {verdict}")
}

fn what_next(addrs: &DemoAddrs) -> String {
    let DemoAddrs { rtmp, http, admin } = addrs;
    format!(
        "\
Watch       {}   (in a browser)
            {}   (all renditions: VLC, Safari, hls.js)
            {}
Publish     feathercast publish FILE.mp4 rtmp://{rtmp}/another_name
            and watch http://{http}/stream/another_name.m3u8
From OBS    Settings > Stream:  Service Custom..., Server rtmp://{rtmp}, Stream Key another_name
            Settings > Output:  Keyframe Interval 2 s
Status      http://{admin}/status",
        addrs.page_url(),
        addrs.stream_url(),
        addrs.playlist_url()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_is_told_where_to_go() {
        let addr = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let text = what_next(&DemoAddrs { rtmp: addr(1935), http: addr(8935), admin: addr(7935) });
        for words in [
            "http://127.0.0.1:8935/watch/hello_world ",
            "http://127.0.0.1:8935/stream/hello_world.m3u8",
            "Server rtmp://127.0.0.1:1935, Stream Key another_name",
            "Keyframe Interval 2 s",
            "http://127.0.0.1:7935/status",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn a_bad_time_is_named() {
        let args = DemoArgs { stop_after: Some("soon".to_owned()) };
        assert!(run(&args).unwrap_err().to_string().contains("--for \"soon\""));
    }
}
