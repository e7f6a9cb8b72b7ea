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
        transcode: settings.transcode.map_or(defaults.transcode, Into::into),
        decoder: settings.decoder.map_or(defaults.decoder, Into::into),
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
pub(crate) fn duration(text: &str) -> Option<Duration> {
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
        // Without a key, what stands for the name may well be the key: it is not repeated.
        if key.is_empty() {
            return Err(UsageError::new("--keys: a name has no key; write NAME=KEY"));
        }
        let stream = StreamName::parse(&name).map_err(|error| {
            UsageError::new(format_args!("--keys: {name:?} is not a stream name: {error}"))
        })?;
        Ok((stream, StreamKey::new(&key)))
    };
    list.0.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use server::{DecoderChoice, DecoderKind, Preset};

    use super::*;

    const EXAMPLE: &str = include_str!("../../docs/feathercast.toml");

    fn resolved(toml: &str) -> Result<Config, String> {
        server_config(parse_file(toml)?).map_err(|error| error.to_string())
    }

    fn refused(toml: &str) -> String {
        resolved(toml).expect_err("a refusal")
    }

    #[test]
    fn the_example_file_says_what_the_defaults_are() {
        assert_eq!(format!("{:?}", resolved(EXAMPLE).unwrap()), format!("{:?}", Config::default()));
        let settings = parse_file(EXAMPLE).unwrap();
        assert_eq!((settings.log_format, settings.verbose), (Some(LogFormat::Text), 0));
    }

    #[test]
    fn the_example_file_names_every_setting() {
        use clap::Args;
        let command = Settings::augment_args(clap::Command::new("serve"));
        for argument in command.get_arguments() {
            let key = argument.get_id().as_str();
            let shown = [format!("\n{key} = "), format!("\n# {key} = "), format!("\n# [{key}]")];
            assert!(shown.iter().any(|line| EXAMPLE.contains(line)), "{key} is missing");
            let variable = format!("FEATHERCAST_{}", key.to_ascii_uppercase());
            assert_eq!(argument.get_env().and_then(|name| name.to_str()), Some(&variable[..]));
            assert_eq!(argument.get_long(), Some(&key.replace('_', "-")[..]));
        }
    }

    #[test]
    fn the_example_files_commented_lines_are_good_too() {
        let uncommented: String = EXAMPLE
            .lines()
            .map(|line| {
                line.strip_prefix("# ")
                    .filter(|rest| rest.contains(" = \"") || rest.starts_with('['))
                    .unwrap_or(line)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let config = resolved(&uncommented).unwrap();
        assert!(
            config.access.shared_key.is_some()
                && config.access.keys.len() == 1
                && !config.access.is_open()
        );
    }

    #[test]
    fn nothing_said_is_the_default_and_every_setting_of_the_file_counts() {
        assert_eq!(format!("{:?}", resolved("").unwrap()), format!("{:?}", Config::default()));
        let config = resolved(
            r#"
            rtmp_addr = "127.0.0.1:1"
            http_addr = ":2"
            admin_addr = "[::1]:3"
            renditions = ["P144p25fps16x9", "P240p30fps4x3"]
            transcode = "always"
            decoder = "openh264"
            current_manifest = true
            segment_duration = "1500ms"
            playlist_segments = 10
            max_streams = 3
            publish_key = "a"
            allow_unlisted = true
            keys = { cam = "b" }
            "#,
        )
        .unwrap();
        let addrs =
            [config.rtmp_addr, config.http_addr, config.admin_addr].map(|addr| addr.to_string());
        assert_eq!(addrs, ["127.0.0.1:1", "0.0.0.0:2", "[::1]:3"]);
        assert_eq!(
            config.renditions,
            ["P144p25fps16x9", "P240p30fps4x3"].map(|name| Preset::named(name).unwrap())
        );
        assert_eq!(
            (config.current_manifest, config.playlist_segments, config.max_streams),
            (true, 10, 3)
        );
        assert_eq!(config.transcode, server::Transcode::Always);
        assert_eq!(config.decoder, DecoderChoice::Only(DecoderKind::Openh264));
        assert_eq!(config.segment_duration, Duration::from_millis(1500));
        assert!(config.access.allow_unlisted && config.access.keys.len() == 1);
    }

    #[test]
    fn what_is_said_first_wins_setting_by_setting() {
        let first = parse_file("rtmp_addr = ':1'\nrenditions = ''\nverbose = 2").unwrap();
        let second = parse_file(
            "rtmp_addr = ':9'\nhttp_addr = ':2'\nrenditions = 'P144p30fps16x9'\nverbose = 1",
        )
        .unwrap();
        let both = first.or(second);
        assert_eq!(
            (both.rtmp_addr.as_deref(), both.http_addr.as_deref()),
            (Some(":1"), Some(":2"))
        );
        assert_eq!(both.renditions.map(|list| list.0).as_deref(), Some(""), "empty is said");
        assert_eq!(both.verbose, 2);
    }

    #[test]
    fn addresses_have_shorthands() {
        let parsed = |text| {
            address("--rtmp-addr", text, SocketAddr::from(([0, 0, 0, 0], 1935)))
                .map(|addr| addr.to_string())
        };
        for (text, expected) in [
            (":1936", "0.0.0.0:1936"),
            ("192.0.2.7", "192.0.2.7:1935"),
            ("192.0.2.7:1", "192.0.2.7:1"),
            ("[::]:1935", "[::]:1935"),
            ("[::1]", "[::1]:1935"),
            ("::1", "[::1]:1935"),
            ("127.0.0.1:", "127.0.0.1:1935"),
        ] {
            assert_eq!(parsed(text).ok().as_deref(), Some(expected), "{text}");
        }
        for text in ["127.0.0.1:port", "127.0.0.1:70000", "[::1]:-1", ":x"] {
            let error = parsed(text).expect_err(text).to_string();
            assert!(error.contains("--rtmp-addr") && error.contains("write HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn errors_name_the_option_and_the_remedy_and_never_a_key() {
        assert!(refused("max_streams = 0").contains("--max-streams 0: write a number from 1 to"));
        assert!(
            refused("playlist_segments = 5")
                .contains("--playlist-segments 5: write a number from 6 to 60")
        );
        for bad in ["0.5s", "11s", "two", "2m", "-1s", "NaNs", "1e99s"] {
            assert!(
                refused(&format!("segment_duration = '{bad}'")).contains("for example 2s"),
                "{bad}"
            );
        }
        assert!(refused("renditions = 'P1'").contains("P144p30fps16x9"));
        assert!(refused("decoder = 'ffmpeg'").contains("`rusty`"));
        assert!(refused("rtmp_adr = ':1'").contains("rtmp_adr"));
        assert!(refused("publish_key = ''").contains("--publish-key"));
        assert!(refused("[keys]\n'a/b' = 'hunter2'").contains("\"a/b\""));
        for secret in [
            "publish_key = ['hunter2']",
            "publish_key = 'hunter2",
            "[keys]\ncam = ['hunter2']",
            "[keys]\n'/' = 'hunter2'",
        ] {
            assert!(!refused(secret).contains("hunter2"), "{}", refused(secret));
        }
        assert!(refused("\n\npublish_key = 1").contains("line 3"));
    }

    #[test]
    fn keys_on_the_command_line_are_pairs() {
        let access = keys(KeyList::from("cam=a,cam2=b=c")).unwrap();
        assert_eq!(access.len(), 2);
        assert_eq!(access.get(&StreamName::parse("cam2").unwrap()), Some(&StreamKey::new("b=c")));
        let error = keys(KeyList::from("cam")).unwrap_err().to_string();
        assert!(error.contains("write NAME=KEY"), "{error}");
    }
}
