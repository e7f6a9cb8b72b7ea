//! Log lines on standard error, and the process's last words.

use std::fmt;
use std::io::{self, IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use server::{Clock, LogQueue, Throttle};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, error, info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
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
    let lines = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
    let lines = match format {
        LogFormat::Text => {
            let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            lines.with_ansi(colours).event_format(TextLines).boxed()
        }
        LogFormat::Json => {
            let lines = lines.with_thread_names(true).with_target(false).json();
            lines.flatten_event(true).with_current_span(false).boxed()
        }
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

/// Lines for people. An event with a field `says` is that sentence: its other fields are for
/// programs, which read JSON. Any other is its message and its fields, and one that is only logged
/// when more is asked for has behind them whose it is: connection, stream, rendition.
struct TextLines;

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        SystemTime.format_time(&mut writer)?;
        let level = event.metadata().level();
        match writer.has_ansi_escapes() {
            true => write!(writer, " \x1b[{}m{level:>5}\x1b[0m ", colour(*level))?,
            false => write!(writer, " {level:>5} ")?,
        }
        let mut sentence = Sentence::default();
        event.record(&mut sentence);
        if let Some(says) = sentence.says {
            write_escaped(&mut writer, &says)?;
            if sentence.held_back > 0 {
                write!(writer, " (Lines like this that were left out: {}.)", sentence.held_back)?;
            }
            return writeln!(writer);
        }
        context.format_fields(writer.by_ref(), event)?;
        if *level > Level::INFO {
            for span in context.event_scope().into_iter().flat_map(|spans| spans.from_root()) {
                let extensions = span.extensions();
                let fields = extensions.get::<FormattedFields<N>>();
                // Each has one field, and is named after what that says.
                let value = fields.and_then(|fields| fields.split_once('='));
                let value = value.map_or("", |(_, value)| value);
                write!(writer, " {}={value}", span.name())?;
            }
        }
        writeln!(writer)
    }
}

/// The colours that `tracing` has for its levels.
fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    }
}

/// What peers send may be in it: nothing of that moves a terminal's cursor or begins a line.
fn write_escaped(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    for character in text.chars() {
        match character.is_control() {
            true => write!(writer, "{}", character.escape_default())?,
            false => writer.write_char(character)?,
        }
    }
    Ok(())
}

/// What an event says to people, where it does.
#[derive(Default)]
struct Sentence {
    says: Option<String>,
    /// Events like it that were not logged.
    held_back: u64,
}

impl Visit for Sentence {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "says" {
            self.says = Some(format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "says" {
            self.says = Some(value.to_owned());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "held_back" {
            self.held_back = value;
        }
    }
}

/// Says why there is no log, where one should be.
pub(crate) fn failed(error: &io::Error) -> ExitCode {
    let _ = writeln!(stderr(), "error: no thread for the log: {error}");
    ExitCode::FAILURE
}

/// Names the go-livepeer options that had no effect.
pub(crate) fn say_ignored(options: &[String]) {
    if !options.is_empty() {
        let options = options.join(" ");
        let says = format!("Ignored, as feathercast does not need them: {options}.");
        info!(options, says, "go-livepeer options that are not needed any more were ignored");
    }
}

/// Logs why serving ended, if it was not meant to.
pub(crate) fn exit_code(result: Result<(), server::Error>) -> ExitCode {
    match result {
        Ok(()) => {
            info!(says = "feathercast has stopped.", "stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{debug, info_span};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged by `log`, without the time in front of each line.
    fn logged(log: impl FnOnce()) -> Vec<String> {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .event_format(TextLines);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = lines.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| line.split_once("Z ").unwrap().1.to_owned()).collect()
    }

    #[test]
    fn a_sentence_stands_alone_and_the_rest_is_message_and_fields() {
        let lines = logged(|| {
            let _conn = info_span!("conn", peer = "192.0.2.7:5000").entered();
            let _stream = info_span!("stream", id = %"cam").entered();
            let says = "cam: publisher gone.";
            info!(reason = "closed", held_back = 0_u64, says, "publisher gone");
            warn!(held_back = 7_u64, says, "publisher gone");
            warn!(door = "publish", held_back = 0_u64, "authentication failed");
            debug!(sequence = 4, "segment published");
        });
        let expected = [
            " INFO cam: publisher gone.",
            " WARN cam: publisher gone. (Lines like this that were left out: 7.)",
            " WARN authentication failed door=\"publish\" held_back=0",
            "DEBUG segment published sequence=4 conn=\"192.0.2.7:5000\" stream=cam",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_sentence_with_a_peer_s_words_is_one_line_without_escape_sequences() {
        let lines = logged(|| info!(says = "sent by \u{1b}[2J\nforged\u{9b}é", "connected"));
        assert_eq!(lines, [" INFO sent by \\u{1b}[2J\\nforged\\u{9b}é"]);
    }
}
