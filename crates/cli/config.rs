//! From settings to a configuration without gaps: flag over environment over file over default.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use server::{Config, PublishAccess, StreamKey, StreamName};

use crate::args::{ServeArgs, UsageError};
use crate::renditions;
use crate::settings::{KeyList, LogFormat, Settings};

const SEGMENT_DURATIONS: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(10);
/// Apple's authoring rules want six; each costs memory.
const PLAYLIST_SEGMENTS: RangeInclusive<usize> = 6..=60;
const MAX_STREAMS: RangeInclusive<usize> = 1..=10_000;

/// Everything `serve` needs.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) server: Config,
    pub(crate) log_format: LogFormat,
    pub(crate) verbose: u8,
}

/// Fills the gaps of the command line and the environment from the file and the defaults.
pub(crate) fn resolve(args: Box<ServeArgs>) -> Result<Resolved, UsageError> {
    let file = args.config.as_deref().map(read_file).transpose()?.unwrap_or_default();
    let settings = args.settings.or(file);
    Ok(Resolved {
        log_format: settings.log_format.unwrap_or_default(),
        verbose: settings.verbose,
        server: server_config(settings)?,
    })
}

fn read_file(path: &Path) -> Result<Settings, UsageError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        UsageError::new(format_args!("--config: cannot read {}: {error}", path.display()))
    })?;
    parse_file(&text)
        .map_err(|error| UsageError::new(format_args!("--config: {}: {error}", path.display())))
}

fn parse_file(text: &str) -> Result<Settings, String> {
    toml::from_str(text).map_err(|error| {
        // The whole message quotes the line, which may hold a key.
        let line = error
            .span()
            .map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        format!("line {line}: {}", error.message())
    })
}

fn server_config(settings: Settings) -> Result<Config, UsageError> {
    let defaults = Config::default();
    let address = |option, text: Option<String>, default| {
        text.map_or(Ok(default), |text| address(option, &text, default))
    };
    Ok(Config {
        rtmp_addr: address("--rtmp-addr", settings.rtmp_addr, defaults.rtmp_addr)?,
        http_addr: address("--http-addr", settings.http_addr, defaults.http_addr)?,
        admin_addr: address("--admin-addr", settings.admin_addr, defaults.admin_addr)?,
        renditions: settings
            .renditions
            .map_or(Ok(defaults.renditions), |list| renditions::parse(&list.0))?,
        segment_duration: segment_duration(
            settings.segment_duration.as_deref(),
            defaults.segment_duration,
        )?,
        playlist_segments: in_range(
            "--playlist-segments",
            settings.playlist_segments.unwrap_or(defaults.playlist_segments),
            PLAYLIST_SEGMENTS,
        )?,
        max_streams: in_range(
            "--max-streams",
            settings.max_streams.unwrap_or(defaults.max_streams),
            MAX_STREAMS,
        )?,
        current_manifest: settings.current_manifest.unwrap_or(defaults.current_manifest),
        access: PublishAccess {
            shared_key: settings.publish_key.map(|key| publish_key(&key)).transpose()?,
            keys: settings.keys.map_or_else(|| Ok(Default::default()), keys)?,
            allow_unlisted: settings.allow_unlisted.unwrap_or(false),
        },
    })
}

/// `HOST:PORT`, or one of the two (`:1936`, `192.0.2.7`) with the other of the default.
fn address(option: &str, text: &str, default: SocketAddr) -> Result<SocketAddr, UsageError> {
    let refuse = |what: &dyn Display| {
        UsageError::new(format_args!(
            "{option} {text:?}: {what}; write HOST:PORT, for example {default} or [::]:{}",
            default.port()
        ))
    };
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, default.port()));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let port = if port.is_empty() {
        default.port()
    } else {
        port.parse().map_err(|error| refuse(&error))?
    };
    if host.is_empty() {
        return Ok(SocketAddr::new(default.ip(), port));
    }
    let mut found =
        (host.trim_matches(['[', ']']), port).to_socket_addrs().map_err(|error| refuse(&error))?;
    found.next().ok_or_else(|| refuse(&"no such host"))
}

fn segment_duration(text: Option<&str>, default: Duration) -> Result<Duration, UsageError> {
    let Some(text) = text else { return Ok(default) };
    duration(text).filter(|duration| SEGMENT_DURATIONS.contains(duration)).ok_or_else(|| {
        UsageError::new(format_args!(
            "--segment-duration {text:?}: write a time from 1s to 10s, for example 2s or 1500ms"
        ))
    })
}

/// `2s`, `1.5s`, `1500ms`; a bare number is seconds.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit_secs) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 0.001),
        (None, Some(number)) => (number, 1.0),
        (None, None) => (text, 1.0),
    };
    let number: f64 = number.trim().parse().ok()?;
    Duration::try_from_secs_f64(number * unit_secs).ok()
}

fn in_range(option: &str, value: usize, range: RangeInclusive<usize>) -> Result<usize, UsageError> {
    let (least, most) = range.clone().into_inner();
    if range.contains(&value) {
        return Ok(value);
    }
    Err(UsageError::new(format_args!("{option} {value}: write a number from {least} to {most}")))
}

fn publish_key(key: &str) -> Result<StreamKey, UsageError> {
    if key.is_empty() {
        return Err(UsageError::new(
            "--publish-key is empty: write the key, or leave the option out to let anyone publish",
        ));
    }
    Ok(StreamKey::new(key))
}

fn keys(list: KeyList) -> Result<std::collections::BTreeMap<StreamName, StreamKey>, UsageError> {
    let pair = |(name, key): (String, String)| {
        let stream = StreamName::parse(&name).map_err(|error| {
            UsageError::new(format_args!("--keys: {name:?} is not a stream name: {error}"))
        })?;
        if key.is_empty() {
            return Err(UsageError::new(format_args!(
                "--keys: {name:?} has no key; write NAME=KEY"
            )));
        }
        Ok((stream, StreamKey::new(&key)))
    };
    list.0.into_iter().map(pair).collect()
}
