//! From what is said to a configuration without gaps: flag over environment over file over default.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{Write, stderr};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use server::{
    AdminAccess, Config, DecoderKind, EventSecret, EventWebhook, Forward, Pages, PublishAccess,
    PublishUrl, SecretDigest, StreamName, Transcode, TrustedProxies, ViewerSecret, WebhookUrl,
    parse_duration,
};

use crate::args::{ServeArgs, UsageError};
use crate::logging::LogFormat;
use crate::settings::{Origin, Problem, SETTINGS, Said, Settings};
use crate::{renditions, tls};

const SEGMENT_DURATIONS: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(10);
/// Apple's authoring rules want six; each costs memory.
const PLAYLIST_SEGMENTS: RangeInclusive<usize> = 6..=60;
const MAX_STREAMS: RangeInclusive<usize> = 1..=10_000;
const VIEWERS: RangeInclusive<usize> = 1..=1_000_000;
/// More than 2 is as good as 2: who wants everything writes `-vvvv`.
const VERBOSE: RangeInclusive<usize> = 0..=255;
/// Whoever has the operator's token sees and ends everything: it is not to be guessed.
const LEAST_TOKEN_BYTES: usize = 16;
/// Less is not enough for a stream of 1080p and its decoder.
const MIN_MEMORY_BYTES: u64 = 128 << 20;

/// Everything `serve` needs.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) server: Config,
    pub(crate) log_format: LogFormat,
    pub(crate) verbose: usize,
}

/// All that the command line, the environment and the file say, and what is wrong with it.
pub(crate) fn gather(
    args: ServeArgs,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> (Settings, Vec<Problem>) {
    let ServeArgs { config, mut settings } = args;
    let mut problems = Vec::new();
    let config_of_environment = settings.add_variables(variables, &mut problems);
    if let Some(path) = config.or(config_of_environment) {
        settings.add_file(&path, &mut problems);
    }
    (settings, problems)
}

/// Reads what is said, and fills its gaps from the defaults.
///
/// # Errors
/// Everything that is wrong, with the problems that there are already.
pub(crate) fn resolve(settings: &Settings, problems: Vec<Problem>) -> Result<Resolved, UsageError> {
    let is_whole = problems.is_empty();
    let mut reader = Reader { settings, problems, is_whole };
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let resolved = Resolved {
        log_format: reader.read("log-format", LogFormat::Text, |said| said.choice(&formats)),
        verbose: reader.read("verbose", 0, |said| said.number(VERBOSE)),
        server: server_config(&mut reader),
    };
    if reader.problems.is_empty() { Ok(resolved) } else { Err(UsageError::of(reader.problems)) }
}

/// Reads settings one by one, and notes what is wrong with them.
pub(crate) struct Reader<'a> {
    settings: &'a Settings,
    problems: Vec<Problem>,
    /// All that was written could be read: what is not said is missing.
    is_whole: bool,
}

impl<'a> Reader<'a> {
    /// What is said for a setting, by its flag.
    pub(crate) fn said(&self, flag: &str) -> Option<&'a Said> {
        self.settings.get(flag)
    }

    /// What a setting means; the default where nothing is said, or nothing that makes sense.
    pub(crate) fn read<T>(
        &mut self,
        flag: &str,
        default: T,
        meaning: impl FnOnce(&'a Said) -> Result<T, String>,
    ) -> T {
        let Some(said) = self.said(flag) else { return default };
        meaning(said).unwrap_or_else(|what| {
            self.refuse(said, what);
            default
        })
    }

    /// An address; what is left out of it is the default's.
    pub(crate) fn address(&mut self, flag: &str, default: SocketAddr) -> SocketAddr {
        self.read(flag, default, |said| address(&said.text()?, default))
    }

    /// A file or folder.
    pub(crate) fn path(&mut self, flag: &str) -> Option<PathBuf> {
        self.read(flag, None, |said| match said.text()?.as_str() {
            "" => Err("it is empty: write a path, or leave it out".into()),
            path => Ok(Some(path.into())),
        })
    }

    /// Notes that what is said lacks something, unless that may be in what could not be read.
    pub(crate) fn miss(&mut self, said: &Said, what: impl Display) {
        if self.is_whole {
            self.refuse(said, what);
        }
    }

    /// Notes that something is wrong with what is said.
    pub(crate) fn refuse(&mut self, said: &Said, what: impl Display) {
        self.problems.push(said.problem(what));
    }
}

fn server_config(reader: &mut Reader<'_>) -> Config {
    let defaults = Config::default();
    let moments = [("on-demand", Transcode::OnDemand), ("always", Transcode::Always)];
    let http_addr = reader.address("http-addr", defaults.http_addr);
    let config = Config {
        rtmp_addr: reader.address("rtmp-addr", defaults.rtmp_addr),
        http_addr,
        admin_addr: reader.address("admin-addr", defaults.admin_addr),
        tls: tls::resolve(reader, http_addr),
        trusted_proxies: reader.read("trusted-proxies", TrustedProxies::default(), |said| {
            said.text()?.parse::<TrustedProxies>().map_err(|error| error.to_string())
        }),
        renditions: reader
            .read("renditions", defaults.renditions, |said| renditions::parse(&said.text()?)),
        transcode: reader.read("transcode", defaults.transcode, |said| said.choice(&moments)),
        decoder: reader.read("decoder", defaults.decoder, decoder),
        segment_duration: reader.read("segment-duration", defaults.segment_duration, |said| {
            segment_duration(&said.text()?)
        }),
        playlist_segments: reader.read("playlist-segments", defaults.playlist_segments, |said| {
            said.number(PLAYLIST_SEGMENTS)
        }),
        max_streams: reader
            .read("max-streams", defaults.max_streams, |said| said.number(MAX_STREAMS)),
        memory_bytes: reader
            .read("memory", defaults.memory_bytes, |said| memory_bytes(&said.text()?)),
        current_manifest: reader.read("current-manifest", defaults.current_manifest, Said::switch),
        pages: match (
            reader.read("no-page", false, Said::switch),
            reader.read("unlisted", false, Said::switch),
        ) {
            (true, _) => Pages::None,
            (false, true) => Pages::Unlisted,
            (false, false) => Pages::Listed,
        },
        access: PublishAccess {
            shared_key: reader.read("publish-key", None, |said| publish_key(said).map(Some)),
            keys: keys(reader),
            allow_unlisted: reader.read("allow-unlisted", false, Said::switch),
        },
        admin: AdminAccess {
            token: reader.read("admin-token", None, |said| admin_token(said).map(Some)),
            hosts: reader.read("admin-hosts", Vec::new(), Said::list),
        },
        auth_webhook: reader.read("auth-webhook", None, |said| webhook(said).map(Some)),
        event_webhook: event_webhook(reader),
        forwards: forwards(reader),
        viewer_secret: reader.read("viewer-secret", None, |said| viewer_secret(said).map(Some)),
        viewers_max: reader.read("viewers-max", None, |said| said.number(VIEWERS).map(Some)),
    };
    if let Some(said) = reader.said("admin-addr")
        && reader.said("admin-token").is_none()
        && config.is_admin_exposed()
    {
        let token = said.other("admin-token");
        let what =
            format!("whoever reaches it could end streams; set {token}, or listen on 127.0.0.1");
        reader.miss(said, what);
    }
    config
}

fn decoder(said: &Said) -> Result<DecoderKind, String> {
    // Three that chose among decoders until there was one for everything: taken for one release
    // more.
    if let retired @ ("auto" | "rusty") = said.text()?.as_str() {
        // Logging starts later, with the settings that are being read here.
        let _ = writeln!(
            stderr(),
            "warning: {} {retired} is native from now on; the next release refuses it",
            said.name()
        );
        return Ok(DecoderKind::Native);
    }
    said.choice(&[("native", DecoderKind::Native), ("openh264", DecoderKind::Openh264)])
}

fn admin_token(said: &Said) -> Result<SecretDigest, String> {
    let token = said.secret()?;
    if token.len() < LEAST_TOKEN_BYTES {
        return Err(format!(
            "it is shorter than {LEAST_TOKEN_BYTES} characters: whoever guesses it could end streams"
        ));
    }
    digest(token)
}

fn webhook(said: &Said) -> Result<WebhookUrl, String> {
    WebhookUrl::parse(said.secret()?).map_err(|error| error.to_string())
}

fn event_webhook(reader: &mut Reader<'_>) -> Option<EventWebhook> {
    let url = reader.read("event-webhook", None, |said| webhook(said).map(Some));
    let secret = reader.read("event-webhook-secret", None, |said| {
        EventSecret::new(said.secret()?).map(Some).map_err(|error| error.to_string())
    });
    if let Some(said) = reader.said("event-webhook-secret")
        && reader.said("event-webhook").is_none()
    {
        let url = said.other("event-webhook");
        reader.miss(said, format_args!("it signs events; set {url}, or leave it out"));
    }
    Some(EventWebhook { url: url?, secret })
}

/// What viewers' tokens are made with: itself, as tokens could not be made of its digest.
pub(crate) fn viewer_secret(said: &Said) -> Result<ViewerSecret, String> {
    ViewerSecret::new(said.secret()?).map_err(|error| error.to_string())
}

/// The digest of a secret, or what is written as one.
fn digest(text: &str) -> Result<SecretDigest, String> {
    SecretDigest::from_setting(text).map_err(|error| error.to_string())
}

/// `HOST:PORT`, or one of the two (`:1936`, `192.0.2.7`) with the other of the default.
fn address(text: &str, default: SocketAddr) -> Result<SocketAddr, String> {
    let refuse = |what: &dyn Display| {
        format!("{what}; write HOST:PORT, for example {default} or [::]:{}", default.port())
    };
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, default.port()));
    }
    if text.parse::<u16>().is_ok() {
        return Err(format!("did you mean :{text}? A port alone has a colon before it"));
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
    let host = host.trim_matches(['[', ']']);
    // The system takes 1935 for the address 0.0.7.143, and 10.1 for 10.0.0.1.
    let last_label = host.rsplit('.').next().unwrap_or_default();
    let is_number = !last_label.is_empty() && last_label.bytes().all(|it| it.is_ascii_digit());
    if is_number && host.parse::<IpAddr>().is_err() {
        return Err(refuse(&format_args!("{host:?} is neither an address nor a name")));
    }
    let mut found = (host, port).to_socket_addrs().map_err(|error| refuse(&error))?;
    found.next().ok_or_else(|| refuse(&"no such host"))
}

fn segment_duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .filter(|duration| SEGMENT_DURATIONS.contains(duration))
        .ok_or_else(|| "write a time from 1s to 10s, for example 2s or 1500ms".into())
}

fn memory_bytes(text: &str) -> Result<u64, String> {
    size(text).filter(|bytes| *bytes >= MIN_MEMORY_BYTES).ok_or_else(|| {
        let least = MIN_MEMORY_BYTES >> 20;
        format!("write a size of at least {least}M, for example 512M or 2G")
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

fn publish_key(said: &Said) -> Result<SecretDigest, String> {
    match said.secret()? {
        "" => Err("it is empty: write the key, or leave it out to let anyone publish".into()),
        key => digest(key),
    }
}

/// Every name with its key; each that is wrong is a problem of its own.
fn keys(reader: &mut Reader<'_>) -> BTreeMap<StreamName, SecretDigest> {
    let mut keys = BTreeMap::new();
    for (name, said) in reader.read("keys", Vec::new(), Said::pairs) {
        match key(&name, &said) {
            Ok((stream, key)) => {
                if keys.insert(stream, key).is_some() {
                    reader.refuse(&said, format_args!("{name:?} has two keys"));
                }
            }
            Err(what) => reader.refuse(&said, what),
        }
    }
    keys
}

/// Every stream with where it goes; each that is wrong is a problem of its own.
fn forwards(reader: &mut Reader<'_>) -> Vec<Forward> {
    let mut forwards: Vec<Forward> = Vec::new();
    for (name, said) in reader.read("forward", Vec::new(), Said::pairs) {
        match forward(&name, &said) {
            Ok(forward) if forwards.contains(&forward) => {
                reader.refuse(&said, format_args!("{name:?} goes there already"));
            }
            Ok(forward) => forwards.push(forward),
            Err(what) => reader.refuse(&said, what),
        }
    }
    forwards
}

fn forward(name: &str, said: &Said) -> Result<Forward, String> {
    // What has no `=` may be a URL with a key in it: it is not repeated.
    let to = match said.secret()? {
        "" => return Err("write NAME=rtmp://HOST/APP/KEY".into()),
        to => PublishUrl::parse(to).map_err(|error| format!("{name:?}: {error}"))?,
    };
    let stream = StreamName::parse(name)
        .map_err(|error| format!("{name:?} is not a stream name: {error}"))?;
    Ok(Forward { stream, to })
}

fn key(name: &str, said: &Said) -> Result<(StreamName, SecretDigest), String> {
    // What is written behind [keys] belongs to it, whatever was meant.
    let is_of_file = matches!(said.origin, Origin::File { .. });
    let is_setting = SETTINGS.iter().any(|setting| name.contains('_') && setting.key() == name);
    if is_of_file && is_setting {
        return Err(format!("{name} is a setting: move it above [keys]"));
    }
    let key = said.secret().map_err(|what| format!("the key of {name:?}: {what}"))?;
    match key {
        "" if is_of_file => return Err(format!("{name:?} has no key")),
        // What stands for the name may well be the key: it is not repeated.
        "" => return Err("a name has no key; write NAME=KEY".into()),
        _ => {}
    }
    let stream = StreamName::parse(name)
        .map_err(|error| format!("{name:?} is not a stream name: {error}"))?;
    Ok((stream, digest(key)?))
}

#[cfg(test)]
pub(crate) mod tests {
    use server::Preset;

    use super::*;
    use crate::inspect::EXAMPLE;
    use crate::settings::tests::said_by_flags;

    /// What `serve` would run with, or its error, by these three sources.
    pub(crate) fn resolved_of(
        flags: &str,
        variables: &[(&str, &str)],
        toml: &str,
    ) -> Result<Resolved, String> {
        let (mut settings, mut problems) = (said_by_flags(flags), Vec::new());
        settings.add_variables(
            variables.iter().map(|(name, value)| (name.into(), value.into())),
            &mut problems,
        );
        settings.add_text("test.toml", toml, &mut problems);
        resolve(&settings, problems).map_err(|error| error.to_string())
    }

    fn assert_refused(flags: &str, variables: &[(&str, &str)], toml: &str, words: &str) {
        let error = resolved_of(flags, variables, toml).expect_err(words);
        assert!(error.contains(words), "{error}");
    }

    pub(crate) fn resolved(toml: &str) -> Result<Config, String> {
        resolved_of("", &[], toml).map(|resolved| resolved.server)
    }

    pub(crate) fn refused(toml: &str) -> String {
        resolved(toml).expect_err("a refusal")
    }

    #[test]
    fn the_example_file_says_what_the_defaults_are() {
        assert_eq!(format!("{:?}", resolved(EXAMPLE).unwrap()), format!("{:?}", Config::default()));
        let resolved = resolved_of("", &[], EXAMPLE).unwrap();
        assert_eq!((resolved.log_format, resolved.verbose), (LogFormat::Text, 0));
    }

    #[test]
    fn the_example_file_names_every_setting() {
        for setting in SETTINGS {
            let key = setting.key();
            let written = ["{} = ", "# {} = ", "# [{}]", "# [[{}]]"];
            let shown = written.map(|line| format!("\n{}", line.replace("{}", &key)));
            assert!(shown.iter().any(|line| EXAMPLE.contains(line)), "{key} is missing");
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
                && config.forwards.len() == 1
                && !config.access.is_open()
        );
    }

    #[test]
    fn streams_are_forwarded_as_flag_variable_and_file_say() {
        let forwards = |flags: &str, variables: &[(&str, &str)], toml: &str| {
            let config = resolved_of(flags, variables, toml).unwrap().server;
            let forwards = config.forwards.into_iter();
            forwards.map(|Forward { stream, to }| format!("{stream} {to}")).collect::<Vec<_>>()
        };
        let both = ["cam rtmp://a.example:1935/live2/...", "cam rtmps://b.example:443/app/..."];
        let urls = "cam=rtmp://a.example/live2/hunter2, cam=rtmps://b.example/app/x?k=hunter2";
        assert_eq!(forwards("", &[("FEATHERCAST_FORWARD", urls)], ""), both);
        let file = "[[forward]]\nstream = 'cam'\nto = 'rtmp://a.example/live2/hunter2'\n\
                    [[forward]]\nto = 'rtmps://b.example/app/x?k=hunter2'\nstream = 'cam'\n\
                    [keys]\ncam = 'k'\n";
        assert_eq!(forwards("", &[], file), both);
        assert_eq!(forwards("--forward cam=rtmp://a.example/live2/x", &[], file), both[..1]);
        for (toml, words) in [
            (
                "[[forward]]\nstream = 'cam'",
                "test.toml:1: forward: write stream = \"NAME\" and to =",
            ),
            (
                "[[forward]]\nstream = 'cam'\nto = 'rtmp://h/a/b'\nkey = 'hunter2'",
                "test.toml:1: forward: write stream = \"NAME\" and to =",
            ),
            ("forward = ['hunter2']", "test.toml:1: forward: write stream"),
            ("forward = 'cam=rtmp://h/a/hunter2'", "test.toml:1: forward: write stream"),
            (
                "[[forward]]\nstream = 'cam'\nto = 'http://h/hunter2'",
                "test.toml:1: forward: \"cam\": a publish URL starts with rtmp://",
            ),
            (
                "[[forward]]\nstream = 'a/b'\nto = 'rtmp://h/a/hunter2'",
                "test.toml:1: forward: \"a/b\" is not a stream name",
            ),
            (
                "[[forward]]\nstream = 'c'\nto = 'rtmp://h/a'\n\n[[forward]]\nstream = 'c'\nto = 'rtmp://h/a'",
                "test.toml:5: forward: \"c\" goes there already",
            ),
        ] {
            let error = refused(toml);
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
        let error = resolved_of("--forward rtmp://h/a/hunter2", &[], "").unwrap_err();
        assert!(error.contains("write NAME=rtmp://HOST/APP/KEY"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
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
            event_webhook = "https://hooks.example/events"
            event_webhook_secret = "0123456789abcdef"
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
        assert_eq!(config.transcode, Transcode::Always);
        assert_eq!(config.admin.token, Some(SecretDigest::of("0123456789abcdef")));
        assert!(config.auth_webhook.is_some());
        assert!(config.event_webhook.is_some_and(|told| told.secret.is_some()));
        let unsigned = resolved("event_webhook = 'http://127.0.0.1:9000/'").unwrap();
        assert!(unsigned.event_webhook.is_some_and(|told| told.secret.is_none()));
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
    fn addresses_have_shorthands() {
        let parsed = |text| {
            address(text, SocketAddr::from(([0, 0, 0, 0], 1935))).map(|addr| addr.to_string())
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
            let error = parsed(text).expect_err(text);
            assert!(error.contains("write HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn a_number_is_no_address_though_the_system_takes_it_for_one() {
        assert_refused("--rtmp-addr 1935", &[], "", "--rtmp-addr \"1935\": did you mean :1935?");
        assert_refused(
            "",
            &[("FEATHERCAST_RTMP_ADDR", "1935")],
            "",
            "_ADDR=\"1935\": did you mean :1935?",
        );
        assert_refused("", &[], "rtmp_addr = 1935", "rtmp_addr = 1935: did you mean :1935?");
        assert_refused(
            "--rtmp-addr 10.1:1935",
            &[],
            "",
            "\"10.1\" is neither an address nor a name",
        );
        assert_refused("--rtmp-addr 99999", &[], "", "\"99999\" is neither an address nor a name");
        assert_refused("--rtmp-addr 192.168.0.256", &[], "", "write HOST:PORT");
    }

    #[test]
    fn a_number_is_one_in_any_of_the_notations_of_toml() {
        for written in ["16", "0x10", "0o20", "0b1_0000", "+16", "'16'"] {
            let resolved = resolved_of("", &[], &format!("max_streams = {written}")).unwrap();
            assert_eq!(resolved.server.max_streams, 16, "{written}");
        }
    }

    #[test]
    fn a_path_is_not_empty() {
        for flag in ["--tls-cert=", "--acme-folder=", "--tls-key="] {
            let error = resolved_of(flag, &[], "").err().unwrap();
            assert!(error.contains("it is empty"), "{flag}: {error}");
        }
    }

    /// What could not be read may be what is missing.
    #[test]
    fn nothing_is_missed_where_a_line_could_not_be_read() {
        let token = "abc-abc-abc-abc-abc-abc";
        for toml in [
            format!("admin_addr = '0.0.0.0:7935'\nadmin_token = {token}"),
            "tls_cert = 'cert.pem'\ntls_key = key.pem".to_owned(),
        ] {
            let error = resolved_of("", &[], &toml).err().unwrap();
            assert_eq!(error.matches("error: ").count(), 1, "{error}");
        }
    }

    #[test]
    fn a_number_is_as_good_as_its_digits_in_quotes_except_for_secrets() {
        for (number, text) in [
            ("segment_duration = 2", "segment_duration = '2'"),
            ("segment_duration = 1.5", "segment_duration = '1500ms'"),
            ("memory = 536870912", "memory = '512M'"),
            ("max_streams = 7", "max_streams = '7'"),
            ("verbose = 1", "verbose = '1'"),
            ("unlisted = 1", "unlisted = 'yes'"),
        ] {
            let [number, text] = [number, text].map(|toml| format!("{:?}", resolved(toml)));
            assert_eq!(number, text);
        }
        let by_flag = resolved_of("--segment-duration 2", &[], "").unwrap().server;
        assert_eq!(by_flag.segment_duration, Duration::from_secs(2));
        for secret in ["publish_key = 4711", "admin_token = 4711", "keys = { cam = 4711 }"] {
            let error = refused(secret);
            assert!(error.contains("put it in quotes") && !error.contains("4711"), "{error}");
        }
    }

    #[test]
    fn what_should_stand_in_quotes_is_told_so() {
        for (toml, words) in [
            ("rtmp_addr = 0.0.0.0:1935", "test.toml:1: rtmp_addr: put it in quotes"),
            ("\n rtmp_addr=:1935 # all", "test.toml:2: rtmp_addr: put it in quotes"),
            ("segment_duration = 2s", "segment_duration: put it in quotes"),
            ("tls_cert = /etc/cert.pem", "tls_cert: put it in quotes"),
            ("publish_key = hunter2", "publish_key: put it in quotes"),
            ("[keys]\ncam = hunter2", "test.toml:2: put the value in quotes"),
            ("current_manifest = yes", "current_manifest: write true or false"),
            ("max_streams = ten", "max_streams: write a number"),
        ] {
            let error = refused(toml);
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
            assert_eq!(error.matches("error: ").count(), 1, "{error}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_in_the_order_of_the_file() {
        let toml = "log_format = 'xml'\nmax_streams = 0\nrtmp_addr = 0.0.0.0:1\nrtmp_port = 1\n\
                    http_addr = 8935\n[keys]\ncam = ''\n'a/b' = 'hunter2'\nlog_format = 'json'\n";
        let variables = [("FEATHERCAST_PLAYLIST_SEGMENTS", "many"), ("FEATHERCAST_RTMP_ADR", ":1")];
        let error = resolved_of("--memory 1", &variables, toml).unwrap_err();
        let places = [
            "FEATHERCAST_RTMP_ADR: no setting is called so; the nearest is FEATHERCAST_RTMP_ADDR",
            "FEATHERCAST_PLAYLIST_SEGMENTS=\"many\": write a number from 6 to 60",
            "--memory \"1\": write a size of at least 128M, for example 512M or 2G",
            "test.toml:1: log_format = \"xml\": write text or json",
            "test.toml:2: max_streams = 0: write a number from 1 to 10000",
            "test.toml:3: rtmp_addr: put it in quotes",
            "test.toml:4: no setting is called \"rtmp_port\"; the nearest is rtmp_addr",
            "test.toml:5: http_addr = 8935: did you mean :8935? A port alone has a colon before it",
            "test.toml:7: keys: \"cam\" has no key",
            "test.toml:8: keys: \"a/b\" is not a stream name",
            "test.toml:9: keys: log_format is a setting: move it above [keys]",
        ];
        let lines: Vec<_> = error.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(lines.len(), places.len(), "{error}");
        for (line, place) in lines.iter().zip(places) {
            assert!(line["error: ".len()..].starts_with(place), "{line}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_remedy_speaks_of_other_settings_as_whoever_made_the_mistake_does() {
        let open = "0.0.0.0:7935";
        assert_refused("--admin-addr 0.0.0.0:7935", &[], "", "set --admin-token");
        assert_refused("", &[("FEATHERCAST_ADMIN_ADDR", open)], "", "set FEATHERCAST_ADMIN_TOKEN");
        assert_refused("", &[], "admin_addr = '0.0.0.0:7935'", "set admin_token");
        assert_refused("--tls-cert c.pem", &[], "", "write --tls-key, too");
        assert_refused("", &[], "tls_key = 'k.pem'", "write tls_cert, too");
    }

    #[test]
    fn errors_name_the_option_and_the_remedy_and_never_a_key() {
        assert!(refused("playlist_segments = 5").contains("write a number from 6 to 60"));
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
        assert!(refused("trusted_proxies = '::1,proxy'").contains(": \"proxy\""));
        assert!(refused("decoder = 'ffmpeg'").contains("write native or openh264"));
        assert!(refused("rtmp_adr = ':1'").contains("the nearest is rtmp_addr"));
        assert!(refused("publish_key = ''").contains("publish_key: it is empty"));
        assert!(refused("viewers_max = 0").contains("viewers_max = 0: write"));
        let unposted = refused("event_webhook_secret = '0123456789abcdef'");
        assert!(unposted.contains("set event_webhook, or leave it out"), "{unposted}");
        assert!(refused("[keys]\n'a/b' = 'hunter2'").contains("\"a/b\""));
        for secret in [
            "viewer_secret = 'hunter2'",
            "auth_webhook = 'ftp://h/hunter2'",
            "event_webhook = 'ftp://h/hunter2'",
            "event_webhook_secret = 'hunter2'",
            "publish_key = ['hunter2']",
            "publish_key = 'hunter2",
            "keys =\n'hunter2'",
            "keys = 'hunter2'",
            "keys = 'cam=a,hunter2'",
            "[keys]\ncam =\nhunter2=",
            "[keys]\ncam =\n'hunter2' = 1",
            "admin_token = [\n'hunter2' = 1]",
            "[keys]\ncam = ['hunter2']",
            "[keys]\n'/' = 'hunter2'",
        ] {
            assert!(!refused(secret).contains("hunter2"), "{}", refused(secret));
        }
        assert!(refused("\n\npublish_key = 1").contains("test.toml:3: publish_key"));
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
        assert!(refused(open).contains("set admin_token"), "{}", refused(open));
        assert!(resolved(&format!("{open}admin_token = '0123456789abcdef'")).is_ok());
        let error = refused("admin_token = 'hunter2'");
        assert!(error.contains("16 characters") && !error.contains("hunter2"), "{error}");
        let digest = SecretDigest::of("0123456789abcdef").to_setting();
        let config = resolved(&format!("{open}admin_token = '{digest}'")).unwrap();
        assert_eq!(config.admin.token, Some(SecretDigest::of("0123456789abcdef")));
    }

    #[test]
    fn keys_on_the_command_line_are_pairs() {
        let keys = |flags| resolved_of(flags, &[], "").map(|it| it.server.access.keys);
        let access = keys("--keys cam=a,cam2=b=c").unwrap();
        assert_eq!(access.len(), 2);
        assert_eq!(access.get(&StreamName::parse("cam2").unwrap()), Some(&SecretDigest::of("b=c")));
        let error = keys("--keys cam=a,cam2=b,cam=hunter2").unwrap_err();
        assert!(error.contains("--keys: \"cam\" has two keys"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        let error = keys("--keys hunter2").unwrap_err();
        assert!(error.contains("--keys: a name has no key; write NAME=KEY"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
