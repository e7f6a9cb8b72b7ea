//! From settings to a configuration without gaps: flag over environment over file over default.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{Write, stderr};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use server::{
    AdminAccess, Config, DecoderKind, Pages, PublishAccess, SecretDigest, StreamName,
    TrustedProxies, ViewerSecret, WebhookUrl, parse_duration,
};

use crate::args::{ServeArgs, UsageError};
use crate::settings::{Decoder, KeyList, LogFormat, Settings, TextList};
use crate::{renditions, tls};

const SEGMENT_DURATIONS: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(10);
/// Apple's authoring rules want six; each costs memory.
const PLAYLIST_SEGMENTS: RangeInclusive<usize> = 6..=60;
const MAX_STREAMS: RangeInclusive<usize> = 1..=10_000;
const VIEWERS: RangeInclusive<usize> = 1..=1_000_000;
/// Whoever has the operator's token sees and ends everything: it is not to be guessed.
const LEAST_TOKEN_BYTES: usize = 16;
/// Less is not enough for a stream of 1080p and its decoder.
const MIN_MEMORY_BYTES: u64 = 128 << 20;

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

pub(crate) fn read_file(path: &Path) -> Result<Settings, UsageError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        UsageError::new(format_args!("--config: cannot read {}: {error}", path.display()))
    })?;
    parse_file(&text)
        .map_err(|error| UsageError::new(format_args!("--config: {}: {error}", path.display())))
}

pub(crate) fn parse_file(text: &str) -> Result<Settings, String> {
    toml::from_str(text).map_err(|error| {
        // The whole message quotes the line, which may hold a key.
        let line = error
            .span()
            .map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        format!("line {line}: {}", error.message())
    })
}

pub(crate) fn server_config(mut settings: Settings) -> Result<Config, UsageError> {
    let defaults = Config::default();
    let admin = admin_access(settings.admin_token.as_deref(), settings.admin_hosts.take())?;
    let address = |option, text: Option<String>, default| {
        text.map_or(Ok(default), |text| address(option, &text, default))
    };
    let http_addr = address("--http-addr", settings.http_addr.take(), defaults.http_addr)?;
    let tls = tls::resolve(&mut settings, http_addr)?;
    let config = Config {
        rtmp_addr: address("--rtmp-addr", settings.rtmp_addr, defaults.rtmp_addr)?,
        http_addr,
        admin_addr: address("--admin-addr", settings.admin_addr, defaults.admin_addr)?,
        tls,
        trusted_proxies: trusted_proxies(settings.trusted_proxies.as_deref())?,
        renditions: settings
            .renditions
            .map_or(Ok(defaults.renditions), |list| renditions::parse(&list.0))?,
        transcode: settings.transcode.map_or(defaults.transcode, Into::into),
        decoder: settings.decoder.map_or(defaults.decoder, decoder),
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
        memory_bytes: settings
            .memory
            .map_or(Ok(defaults.memory_bytes), |text| memory_bytes(&text))?,
        current_manifest: settings.current_manifest.unwrap_or(defaults.current_manifest),
        pages: match (settings.no_page, settings.unlisted) {
            (Some(true), _) => Pages::None,
            (_, Some(true)) => Pages::Unlisted,
            _ => defaults.pages,
        },
        access: PublishAccess {
            shared_key: settings.publish_key.map(|key| publish_key(&key)).transpose()?,
            keys: settings.keys.map_or_else(|| Ok(Default::default()), keys)?,
            allow_unlisted: settings.allow_unlisted.unwrap_or(false),
        },
        admin,
        auth_webhook: settings.auth_webhook.as_deref().map(webhook).transpose()?,
        viewer_secret: settings.viewer_secret.as_deref().map(viewer_secret).transpose()?,
        viewers_max: settings
            .viewers_max
            .map(|most| in_range("--viewers-max", most, VIEWERS))
            .transpose()?,
    };
    if config.is_admin_exposed() {
        return Err(UsageError::new(format_args!(
            "--admin-addr {}: whoever reaches it could end streams; set --admin-token, or listen on 127.0.0.1",
            config.admin_addr
        )));
    }
    Ok(config)
}

fn decoder(decoder: Decoder) -> DecoderKind {
    let retired = match decoder {
        Decoder::Native => return DecoderKind::Native,
        Decoder::Openh264 => return DecoderKind::Openh264,
        Decoder::Auto => "auto",
        Decoder::Rusty => "rusty",
    };
    // Logging starts later, with the settings that are being read here.
    let _ = writeln!(
        stderr(),
        "warning: --decoder {retired} is native from now on; the next release refuses it"
    );
    DecoderKind::Native
}

fn admin_access(token: Option<&str>, hosts: Option<TextList>) -> Result<AdminAccess, UsageError> {
    let hosts = hosts.map_or_else(Vec::new, |list| {
        list.0
            .split(',')
            .map(|host| host.trim().to_owned())
            .filter(|host| !host.is_empty())
            .collect()
    });
    if token.is_some_and(|token| token.len() < LEAST_TOKEN_BYTES) {
        return Err(UsageError::new(format_args!(
            "--admin-token is shorter than {LEAST_TOKEN_BYTES} characters: whoever guesses it could end streams"
        )));
    }
    Ok(AdminAccess { token: token.map(|token| digest("--admin-token", token)).transpose()?, hosts })
}

fn webhook(url: &str) -> Result<WebhookUrl, UsageError> {
    WebhookUrl::parse(url).map_err(|error| UsageError::new(format_args!("--auth-webhook: {error}")))
}

/// What viewers' tokens are made with: itself, as tokens could not be made of its digest.
pub(crate) fn viewer_secret(text: &str) -> Result<ViewerSecret, UsageError> {
    ViewerSecret::new(text)
        .map_err(|error| UsageError::new(format_args!("--viewer-secret: {error}")))
}

/// A secret, or its digest.
fn digest(option: &str, text: &str) -> Result<SecretDigest, UsageError> {
    SecretDigest::from_setting(text)
        .map_err(|error| UsageError::new(format_args!("{option}: {error}")))
}

fn trusted_proxies(list: Option<&str>) -> Result<TrustedProxies, UsageError> {
    let list = list.unwrap_or_default().parse();
    list.map_err(|error| UsageError::new(format_args!("--trusted-proxies: {error}")))
}

/// `HOST:PORT`, or one of the two (`:1936`, `192.0.2.7`) with the other of the default.
pub(crate) fn address(
    option: &str,
    text: &str,
    default: SocketAddr,
) -> Result<SocketAddr, UsageError> {
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
    parse_duration(text).filter(|duration| SEGMENT_DURATIONS.contains(duration)).ok_or_else(|| {
        UsageError::new(format_args!(
            "--segment-duration {text:?}: write a time from 1s to 10s, for example 2s or 1500ms"
        ))
    })
}

fn memory_bytes(text: &str) -> Result<u64, UsageError> {
    size(text).filter(|bytes| *bytes >= MIN_MEMORY_BYTES).ok_or_else(|| {
        UsageError::new(format_args!(
            "--memory {text:?}: write a size of at least {}M, for example 512M or 2G",
            MIN_MEMORY_BYTES >> 20
        ))
    })
}

/// `512M`, `2G`, `2GiB`, in powers of 1024; a bare number is bytes.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|it: char| !it.is_ascii_digit());
    let unit = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

fn in_range(option: &str, value: usize, range: RangeInclusive<usize>) -> Result<usize, UsageError> {
    let (least, most) = range.clone().into_inner();
    if range.contains(&value) {
        return Ok(value);
    }
    Err(UsageError::new(format_args!("{option} {value}: write a number from {least} to {most}")))
}

fn publish_key(key: &str) -> Result<SecretDigest, UsageError> {
    if key.is_empty() {
        return Err(UsageError::new(
            "--publish-key is empty: write the key, or leave the option out to let anyone publish",
        ));
    }
    digest("--publish-key", key)
}

fn keys(list: KeyList) -> Result<BTreeMap<StreamName, SecretDigest>, UsageError> {
    let pair = |(name, key): (String, String)| {
        // Without a key, what stands for the name may well be the key: it is not repeated.
        if key.is_empty() {
            return Err(UsageError::new("--keys: a name has no key; write NAME=KEY"));
        }
        let stream = StreamName::parse(&name).map_err(|error| {
            UsageError::new(format_args!("--keys: {name:?} is not a stream name: {error}"))
        })?;
        Ok((stream, digest("--keys", &key)?))
    };
    list.0.into_iter().map(pair).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use server::Preset;

    use super::*;

    const EXAMPLE: &str = include_str!("../../docs/feathercast.toml");

    pub(crate) fn resolved(toml: &str) -> Result<Config, String> {
        server_config(parse_file(toml)?).map_err(|error| error.to_string())
    }

    pub(crate) fn refused(toml: &str) -> String {
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
            admin_token = "0123456789abcdef"
            admin_hosts = ["prometheus", "a.example"]
            renditions = ["P144p25fps16x9", "P240p30fps4x3"]
            transcode = "always"
            decoder = "openh264"
            trusted_proxies = "10.0.0.0/8, ::1"
            current_manifest = true
            unlisted = true
            segment_duration = "1500ms"
            playlist_segments = 10
            max_streams = 3
            viewer_secret = "0123456789abcdef"
            viewers_max = 7
            auth_webhook = "http://127.0.0.1:9000/auth"
            memory = "512M"
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
        assert_eq!(config.pages, Pages::Unlisted);
        assert_eq!(resolved("no_page = true\nunlisted = true").unwrap().pages, Pages::None);
        assert!(config.trusted_proxies.contains("10.1.2.3".parse().unwrap()));
        assert_eq!(config.transcode, server::Transcode::Always);
        assert_eq!(config.admin.token, Some(SecretDigest::of("0123456789abcdef")));
        assert!(config.auth_webhook.is_some());
        assert!(config.viewer_secret.is_some() && config.viewers_max == Some(7));
        assert_eq!(config.admin.hosts, ["prometheus", "a.example"]);
        assert_eq!(config.memory_bytes, 512 << 20);
        assert_eq!(config.decoder, DecoderKind::Openh264);
        assert_eq!(config.segment_duration, Duration::from_millis(1500));
        assert!(config.access.allow_unlisted && config.access.keys.len() == 1);
    }

    #[test]
    fn decoders_that_were_are_taken_and_mean_ours() {
        for name in ["auto", "rusty", "native"] {
            let config = resolved(&format!("decoder = '{name}'")).unwrap();
            assert_eq!(config.decoder, DecoderKind::Native, "{name}");
        }
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
        for bad in ["", "2", "127M", "half", "1.5G", "-1G", "99999999999G", "2 T"] {
            assert!(refused(&format!("memory = '{bad}'")).contains("for example 512M"), "{bad}");
        }
        assert!(refused("renditions = 'P1'").contains("P144p30fps16x9"));
        assert!(refused("trusted_proxies = '::1,proxy'").contains("--trusted-proxies: \"proxy\""));
        assert!(refused("decoder = 'ffmpeg'").contains("`native`"));
        assert!(refused("rtmp_adr = ':1'").contains("rtmp_adr"));
        assert!(refused("publish_key = ''").contains("--publish-key"));
        assert!(refused("viewers_max = 0").contains("--viewers-max 0"));
        assert!(refused("[keys]\n'a/b' = 'hunter2'").contains("\"a/b\""));
        for secret in [
            "viewer_secret = 'hunter2'",
            "auth_webhook = 'ftp://h/hunter2'",
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
    fn a_key_may_be_written_as_its_sha_256() {
        let setting = SecretDigest::of("b").to_setting();
        let config =
            resolved(&format!("publish_key = '{setting}'\n[keys]\ncam = '{setting}'")).unwrap();
        assert_eq!(config.access.shared_key, Some(SecretDigest::of("b")));
        assert!(config.access.keys.values().eq([&SecretDigest::of("b")]));
        for bad in ["publish_key = 'sha256:hunter2'", "[keys]\ncam = 'sha256:hunter2'"] {
            let error = refused(bad);
            assert!(
                error.contains("64 hexadecimal digits") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [
            ("134217728", 128 << 20),
            ("131072k", 128 << 20),
            ("128 MiB", 128 << 20),
            ("2G", 2 << 30),
        ] {
            assert_eq!(memory_bytes(text).ok(), Some(bytes), "{text}");
        }
    }

    #[test]
    fn the_operator_s_port_is_not_opened_to_the_network_without_a_token() {
        let open = "admin_addr = '0.0.0.0:7935'\n";
        assert!(refused(open).contains("set --admin-token"), "{}", refused(open));
        assert!(resolved(&format!("{open}admin_token = '0123456789abcdef'")).is_ok());
        let error = refused("admin_token = 'hunter2'");
        assert!(error.contains("16 characters") && !error.contains("hunter2"), "{error}");
        let digest = SecretDigest::of("0123456789abcdef").to_setting();
        let config = resolved(&format!("{open}admin_token = '{digest}'")).unwrap();
        assert_eq!(config.admin.token, Some(SecretDigest::of("0123456789abcdef")));
    }

    #[test]
    fn keys_on_the_command_line_are_pairs() {
        let access = keys(KeyList::from("cam=a,cam2=b=c")).unwrap();
        assert_eq!(access.len(), 2);
        assert_eq!(access.get(&StreamName::parse("cam2").unwrap()), Some(&SecretDigest::of("b=c")));
        let error = keys(KeyList::from("cam")).unwrap_err().to_string();
        assert!(error.contains("write NAME=KEY"), "{error}");
    }
}
