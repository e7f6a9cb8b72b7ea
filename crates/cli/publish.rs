//! `feathercast publish`: what to send where, and one line on the terminal about how it goes.

use std::ffi::OsString;
use std::io::{IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use server::{
    FrameRate, OnFault, Programme, Progress, PublishConfig, PublishReport, PublishStart,
    PublishUrl, TestSignalConfig, Transport, ViewersOffer, parse_duration,
};

use crate::args::UsageError;

/// How often it is said how it goes.
const ON_A_TERMINAL: Duration = Duration::from_secs(1);
const ELSEWHERE: Duration = Duration::from_secs(60);
/// Less than this behind is no news: timers and schedulers are late by some milliseconds.
const IN_TIME: Duration = Duration::from_millis(200);
/// A hundred years.
const NEVER: Duration = Duration::from_secs(3_155_760_000);

/// Published to a good end, but something in the files was left out.
const PARTS_LEFT_OUT: u8 = 3;

/// The options of `publish`.
#[derive(clap::Args, Debug)]
#[command(override_usage = "feathercast publish [OPTIONS] <test|FILE>... <URL>")]
pub(crate) struct PublishArgs {
    /// What to send: `test` for a test signal, or MP4, QuickTime and FLV files with H.264 and AAC,
    /// which go one behind the other as they are; and where to: rtmp://host[:port]/name[/key], or
    /// in TLS rtmps://
    #[arg(value_name = "test|FILE... URL", required = true)]
    words: Vec<OsString>, // one list, so that options may stand anywhere
    /// For rtmps: trust the authorities in this PEM file instead of Mozilla's
    #[arg(long, value_name = "FILE.pem")]
    ca: Option<PathBuf>,
    /// Start again after the last file, without a gap, until stopped
    #[arg(long = "loop")]
    repeat: bool,
    /// Files: end with exit code 1 at the first thing that is damaged or cannot be sent. Without
    /// it, that is left out and named, the rest is sent, and the exit code at the end is 3
    #[arg(long)]
    strict: bool,
    /// End after this time, for example 30s
    #[arg(long = "for", value_name = "TIME")]
    stop_after: Option<String>,
    /// How often to say how it goes; 0s never [default: 1s on a terminal, in a line that is always
    /// written anew, else 60s]
    #[arg(long, value_name = "TIME")]
    progress: Option<String>,
    /// Test signal: picture size [default: 1280x720]
    #[arg(long, value_name = "WxH")]
    size: Option<String>,
    /// Test signal: pictures a second, for example 25, 29.97 or 30000/1001 [default: 30]
    #[arg(long, value_name = "N")]
    fps: Option<String>,
    /// Test signal: most bits a second for the picture, for example 2500k or 4M [default: 2500k]
    #[arg(long, value_name = "RATE")]
    bitrate: Option<String>,
    /// Test signal: time from one keyframe to the next [default: 2s]
    #[arg(long, value_name = "TIME")]
    keyframe_interval: Option<String>,
}

/// Publishes, and says on standard error how it goes.
pub(crate) fn run(args: &PublishArgs) -> Result<ExitCode, UsageError> {
    let is_terminal = stderr().is_terminal();
    let config = resolve(args, if is_terminal { ON_A_TERMINAL } else { ELSEWHERE })?;
    let mut console =
        Console { is_terminal, url: config.url.clone(), told: None, has_left_out: false };
    let result = server::publish(config, |report| console.show(&report));
    console.clear_line();
    Ok(match result {
        Ok(()) if !console.has_left_out => ExitCode::SUCCESS,
        Ok(()) => {
            console.line("ended well, but not with everything: see what was left out");
            ExitCode::from(PARTS_LEFT_OUT)
        }
        Err(error) => {
            console.line(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    })
}

fn resolve(args: &PublishArgs, progress_interval: Duration) -> Result<PublishConfig, UsageError> {
    let (url, sources) =
        args.words.split_last().filter(|(_, sources)| !sources.is_empty()).ok_or_else(|| {
            UsageError::new("publish: write what to send and where to: <test|FILE>... <URL>")
        })?;
    let url = PublishUrl::parse(&url.to_string_lossy()).map_err(|error| {
        UsageError::new(format_args!(
            "URL, the last word: {error}; write rtmp://host[:port]/name[/key]"
        ))
    })?;
    let stop_after = args.stop_after.as_deref().map(|text| time("--for", text)).transpose()?;
    let programme = match sources {
        [test] if test == "test" && args.strict => {
            return Err(UsageError::new(
                "--strict is for files: there is nothing wrong with `test`",
            ));
        }
        [test] if test == "test" => Programme::TestSignal(test_signal(args, url.shown_name())?),
        files => self::files(args, files.iter().map(PathBuf::from).collect())?,
    };
    let progress_interval = match &args.progress {
        None => progress_interval,
        Some(text) => match parse_duration(text) {
            Some(Duration::ZERO) => NEVER,
            Some(time) => time,
            None => {
                return Err(UsageError::new(format_args!(
                    "--progress {text:?}: write a time, for example 10s, or 0s"
                )));
            }
        },
    };
    Ok(PublishConfig { url, programme, stop_after, progress_interval, ca: args.ca.clone() })
}

fn files(args: &PublishArgs, paths: Vec<PathBuf>) -> Result<Programme, UsageError> {
    let options = [
        ("--size", args.size.is_some()),
        ("--fps", args.fps.is_some()),
        ("--bitrate", args.bitrate.is_some()),
        ("--keyframe-interval", args.keyframe_interval.is_some()),
    ];
    if let Some((option, _)) = options.into_iter().find(|(_, is_given)| *is_given) {
        return Err(UsageError::new(format_args!(
            "{option} is for `publish test`: files are sent as they are"
        )));
    }
    let on_fault = if args.strict { OnFault::Refuse } else { OnFault::LeaveOut };
    Ok(Programme::Files { paths, repeat: args.repeat, on_fault })
}

fn test_signal(args: &PublishArgs, name: &str) -> Result<TestSignalConfig, UsageError> {
    let option =
        |text: &Option<String>, default: &str| text.as_deref().unwrap_or(default).to_owned();
    let (width, height) = size(&option(&args.size, "1280x720"))?;
    let keyframe_interval =
        time("--keyframe-interval", &option(&args.keyframe_interval, "2s"))?.as_millis();
    Ok(TestSignalConfig {
        name: name.to_owned(),
        width,
        height,
        frame_rate: frame_rate(&option(&args.fps, "30"))?,
        bitrate_bps: bitrate(&option(&args.bitrate, "2500k"))?,
        keyframe_interval_ms: u32::try_from(keyframe_interval).unwrap_or(u32::MAX),
    })
}

fn time(option: &str, text: &str) -> Result<Duration, UsageError> {
    parse_duration(text).filter(|time| !time.is_zero()).ok_or_else(|| {
        UsageError::new(format_args!("{option} {text:?}: write a time, for example 30s or 1500ms"))
    })
}

fn size(text: &str) -> Result<(u32, u32), UsageError> {
    let side = |text: &str| {
        text.parse().ok().filter(|side: &u32| (16..=4096).contains(side) && side.is_multiple_of(2))
    };
    let sides = text.split_once(['x', 'X']).and_then(|(w, h)| Some((side(w)?, side(h)?)));
    sides.ok_or_else(|| {
        UsageError::new(format_args!(
            "--size {text:?}: write WIDTHxHEIGHT, both even and from 16 to 4096, for example 1280x720"
        ))
    })
}

/// A whole number, a fraction, or a decimal, of which those of NTSC are taken for what they stand
/// for.
fn frame_rate(text: &str) -> Result<FrameRate, UsageError> {
    let rate = match text.split_once('/') {
        Some((num, den)) => num.parse().ok().zip(den.parse().ok()),
        None => match text.parse().ok() {
            Some(whole) => Some((whole, 1)),
            None => text.parse().ok().map(decimal),
        },
    };
    let is_sane = |(num, den): &(u32, u32)| {
        *den > 0 && (1.0..=120.0).contains(&(f64::from(*num) / f64::from(*den)))
    };
    let (num, den) = rate.filter(is_sane).ok_or_else(|| {
        UsageError::new(format_args!(
            "--fps {text:?}: write a number from 1 to 120, for example 25, 29.97 or 30000/1001"
        ))
    })?;
    Ok(FrameRate { num, den })
}

fn decimal(rate: f64) -> (u32, u32) {
    let whole = rate.ceil();
    let is_ntsc = rate != whole && (rate - whole * 1000.0 / 1001.0).abs() < 0.01;
    match is_ntsc {
        true => ((whole * 1000.0) as u32, 1001),
        false => ((rate * 1000.0).round() as u32, 1000),
    }
}

fn bitrate(text: &str) -> Result<u32, UsageError> {
    let (number, unit) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1e3),
        None => text.strip_suffix(['m', 'M']).map_or((text, 1.0), |number| (number, 1e6)),
    };
    let bps = number.parse().ok().map(|number: f64| number * unit);
    let bps = bps.filter(|bps| (10_000.0..=100_000_000.0).contains(bps)).ok_or_else(|| {
        UsageError::new(format_args!(
            "--bitrate {text:?}: write bits a second from 10k to 100M, for example 2500k"
        ))
    })?;
    Ok(bps as u32)
}

/// Standard error: lines for everybody, and below them on a terminal one that is always written
/// anew.
struct Console {
    is_terminal: bool,
    url: PublishUrl,
    /// What was told when the server took the stream the last time.
    told: Option<String>,
    /// Something in the files was left out.
    has_left_out: bool,
}

impl Console {
    fn show(&mut self, report: &PublishReport<'_>) {
        match report {
            PublishReport::Warning(text) => self.line(&format!("warning: {text}")),
            PublishReport::LeftOut(text) => {
                self.has_left_out = true;
                self.line(&format!("warning: {text}"));
            }
            PublishReport::Publishing(start) => {
                let text = beginning(&self.url, *start);
                match self.told.replace(text.clone()) {
                    None => self.line(&text),
                    // The stream is where it was.
                    Some(before) if before == text => self.line("publishing again"),
                    Some(_) => self.line(&text),
                }
            }
            PublishReport::Foreseen(text) => self.line(&format!("warning: {text}")),
            PublishReport::Lost { reason, retry_in } => {
                let wait = retry_in.as_secs_f64();
                self.line(&format!("warning: {reason}; trying again in {wait} s"));
            }
            PublishReport::Progress(progress) if self.is_terminal => {
                let _ = write!(stderr(), "\r{}\x1b[K", progress_line(progress));
            }
            PublishReport::Progress(progress) => self.line(&progress_line(progress)),
        }
    }

    fn line(&self, text: &str) {
        self.clear_line();
        let _ = writeln!(stderr(), "{text}");
    }

    fn clear_line(&self) {
        if self.is_terminal {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

/// What is published where, and where it is watched, as far as the server says it. Of the URL its
/// host alone is shown then: what a stream is not called may be a key.
fn beginning(url: &PublishUrl, start: Option<&PublishStart>) -> String {
    let Some(PublishStart { name, viewers }) = start else { return format!("publishing to {url}") };
    let host = match url.host() {
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    let publishing = format!("publishing {name} to {host}:{}", url.port());
    let Some(viewers) = viewers else { return publishing };
    let scheme = match viewers.transport {
        Transport::Tcp => "http",
        Transport::Tls => "https",
    };
    let path = match viewers.offer {
        ViewersOffer::Page => format!("/watch/{name}"),
        ViewersOffer::Playlists => format!("/stream/{name}.m3u8"),
    };
    format!("{publishing}\nwatch it at {scheme}://{host}:{}{path}", viewers.port)
}

fn progress_line(progress: &Progress) -> String {
    let secs = progress.position.as_secs();
    let (hours, minutes, seconds) = (secs / 3600, secs / 60 % 60, secs % 60);
    let Progress { pictures_per_second, bitrate_bps, behind, reconnects, .. } = progress;
    let mbps = bitrate_bps / 1e6;
    let behind = match behind.as_secs_f64() {
        secs if secs < IN_TIME.as_secs_f64() => "in real time".to_owned(),
        secs => format!("{secs:.1} s behind real time"),
    };
    format!(
        "{hours:02}:{minutes:02}:{seconds:02}  {pictures_per_second:.1} fps  {mbps:.2} Mbit/s  {behind}  {reconnects} reconnects"
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: PublishArgs,
    }

    fn resolved(line: &str) -> Result<PublishConfig, String> {
        let words = ["publish"].into_iter().chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        resolve(&line.args, ELSEWHERE).map_err(|error| error.to_string())
    }

    fn signal(options: &str) -> Result<TestSignalConfig, String> {
        match resolved(&format!("test rtmp://h/hello {options}"))?.programme {
            Programme::TestSignal(config) => Ok(config),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn files_one_behind_the_other_and_the_url_last() {
        let config = resolved("a.mp4 --loop b.flv rtmp://h:1/foo/key --for 30s").unwrap();
        let Programme::Files { paths, repeat, on_fault } = config.programme else { panic!() };
        assert_eq!((paths.len(), repeat, on_fault), (2, true, OnFault::LeaveOut));
        let strict = resolved("a.mp4 rtmp://h/foo --strict").unwrap().programme;
        assert!(matches!(strict, Programme::Files { on_fault: OnFault::Refuse, .. }));
        assert_eq!(config.url.to_string(), "rtmp://h:1/foo/...");
        assert_eq!(config.stop_after, Some(Duration::from_secs(30)));
        assert!(matches!(
            resolved("./test rtmp://h/foo").unwrap().programme,
            Programme::Files { repeat: false, .. }
        ));
    }

    #[test]
    fn a_test_signal_has_defaults_and_options() {
        let config = signal("").unwrap();
        assert_eq!((config.width, config.height, config.bitrate_bps), (1280, 720, 2_500_000));
        assert_eq!(config.frame_rate, FrameRate { num: 30, den: 1 });
        assert_eq!((config.keyframe_interval_ms, config.name.as_str()), (2000, "hello"));
        let config =
            signal("--size 640x360 --fps 29.97 --bitrate 1.5M --keyframe-interval 1s").unwrap();
        assert_eq!((config.width, config.height, config.bitrate_bps), (640, 360, 1_500_000));
        assert_eq!(config.frame_rate, FrameRate { num: 30_000, den: 1001 });
        assert_eq!(config.keyframe_interval_ms, 1000);
        let rate = |text| frame_rate(text).map(|rate| (rate.num, rate.den)).unwrap();
        assert_eq!(
            [rate("24000/1001"), rate("23.976"), rate("12.5")],
            [(24_000, 1001), (24_000, 1001), (12_500, 1000)]
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_the_remedy() {
        for (line, words) in [
            ("test http://h/foo", "rtmp://host[:port]/name[/key]"),
            ("test rtmp://h/foo --for soon", "--for \"soon\""),
            ("test rtmp://h/foo --for 0s", "30s"),
            ("test rtmp://h/foo --size 1281x720", "even"),
            ("test rtmp://h/foo --size 720p", "1280x720"),
            ("test rtmp://h/foo --fps 0", "1 to 120"),
            ("test rtmp://h/foo --fps 30/0", "30000/1001"),
            ("test rtmp://h/foo --bitrate fast", "2500k"),
            ("a.mp4 rtmp://h/foo --fps 30", "files are sent as they are"),
            ("test rtmp://h/foo --strict", "--strict is for files"),
            ("rtmp://h/foo", "<URL>"),
            ("", "<URL>"),
            ("test rtmp://h/foo x", "the last word"),
        ] {
            let error = resolved(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }

    #[test]
    fn the_progress_line_says_position_rate_and_reconnects() {
        let progress = Progress {
            position: Duration::from_millis(3_725_900),
            pictures_per_second: 29.97,
            bitrate_bps: 2_480_000.0,
            behind: Duration::from_millis(199),
            reconnects: 1,
        };
        let line = "01:02:05  30.0 fps  2.48 Mbit/s  in real time  1 reconnects";
        assert_eq!(progress_line(&progress), line);
        let late = Progress { behind: Duration::from_millis(4230), ..progress };
        let line = "01:02:05  30.0 fps  2.48 Mbit/s  4.2 s behind real time  1 reconnects";
        assert_eq!(progress_line(&late), line);
    }

    #[test]
    fn how_often_progress_is_said_can_be_chosen() {
        let interval = |options: &str| {
            resolved(&format!("test rtmp://h/x {options}")).map(|config| config.progress_interval)
        };
        assert_eq!(interval(""), Ok(ELSEWHERE));
        assert_eq!(interval("--progress 10s"), Ok(Duration::from_secs(10)));
        assert_eq!(interval("--progress 0s"), Ok(NEVER));
        assert!(interval("--progress often").unwrap_err().contains("--progress \"often\""));
    }

    #[test]
    fn the_first_words_say_where_it_is_watched() {
        let name = server::StreamName::parse("0a1b2c3d").unwrap();
        let start = |viewers| PublishStart { name: name.clone(), viewers };
        let at = |transport, port, offer| Some(server::ViewersPort { transport, port, offer });
        for (url, start, words) in [
            ("rtmp://h/live/k", None, "publishing to rtmp://h:1935/live/..."),
            ("rtmp://h/", Some(start(None)), "publishing 0a1b2c3d to h:1935"),
            (
                "rtmp://h/",
                Some(start(at(Transport::Tcp, 8935, ViewersOffer::Page))),
                "publishing 0a1b2c3d to h:1935\nwatch it at http://h:8935/watch/0a1b2c3d",
            ),
            (
                "rtmps://[::1]/secret",
                Some(start(at(Transport::Tls, 443, ViewersOffer::Playlists))),
                "publishing 0a1b2c3d to [::1]:443\n\
                 watch it at https://[::1]:443/stream/0a1b2c3d.m3u8",
            ),
        ] {
            assert_eq!(beginning(&PublishUrl::parse(url).unwrap(), start.as_ref()), words);
        }
    }
}
