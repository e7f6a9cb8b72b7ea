//! Log lines on standard error, and the process's last words.

use std::io::{self, IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use server::{Clock, LogQueue, Throttle};
use tracing::{error, info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Our crates. The others are silent: what they warn of are peers, who can cause a line with each
/// frame (h2 has one for an answer to a ping that nobody sent), and nobody counts and holds back
/// theirs. Where one fails us, the error is ours to log.
const OURS: [&str; 3] = ["cli", "server", "pipeline"];

/// One panic in this time is logged, the others are counted in the next line.
const PANIC_INTERVAL: Duration = Duration::from_secs(5);

/// How long the end of the process waits for whoever reads the log.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// The log; dropped, what waits in it is still written.
#[derive(Debug)]
pub(crate) struct Log(Arc<LogQueue>);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(LAST_WORDS);
    }
}

/// Starts logging. `RUST_LOG`, where it is set, decides what is logged instead of `verbose`.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn start(format: LogFormat, verbose: usize) -> io::Result<Log> {
    let levels = [LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];
    start_at(format, levels[verbose.min(2)])
}

/// Starts logging warnings only, for people who look at something else.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn start_quiet() -> io::Result<Log> {
    start_at(LogFormat::Text, LevelFilter::WARN)
}

fn start_at(format: LogFormat, level: LevelFilter) -> io::Result<Log> {
    let queue =
        LogQueue::start(stderr(), |lines| warn!(lines, "log lines lost: nobody read the log"))?;
    let writer = queue.writer();
    // Targets and levels only: a filter by spans and fields would bring an engine for regular
    // expressions into the binary.
    let asked = std::env::var("RUST_LOG").ok().and_then(|directives| directives.parse().ok());
    let filter: Targets = asked.unwrap_or_else(|| {
        let ours = OURS.map(|target| (target, level));
        Targets::new().with_targets(ours)
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(move || writer.clone())
        .with_thread_names(true)
        .with_target(false);
    let lines = match format {
        LogFormat::Text => {
            let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            lines.with_ansi(colours).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).init();
    // A panic ends its stream; what it said belongs into the log with everything else. A peer that
    // knows what makes a decoder panic, which costs its own stream only, can send it again and
    // again.
    let (clock, throttle) = (Clock::start(), Mutex::new(Throttle::new(PANIC_INTERVAL)));
    std::panic::set_hook(Box::new(move |panic| {
        let mut throttle = throttle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held_back) = throttle.admit(clock.now()) {
            error!(%panic, held_back, "panic");
        }
    }));
    Ok(Log(queue))
}

/// Says why there is no log, where one should be.
pub(crate) fn failed(error: &io::Error) -> ExitCode {
    let _ = writeln!(stderr(), "error: no thread for the log: {error}");
    ExitCode::FAILURE
}

/// Names the go-livepeer options that had no effect.
pub(crate) fn say_ignored(options: &[String]) {
    if !options.is_empty() {
        info!(
            options = options.join(" "),
            "go-livepeer options that are not needed any more were ignored"
        );
    }
}

/// Logs why serving ended, if it was not meant to.
pub(crate) fn exit_code(result: Result<(), server::Error>) -> ExitCode {
    match result {
        Ok(()) => {
            info!("stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}
