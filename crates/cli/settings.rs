//! The settings of `serve` as they are written down: on the command line, in the environment, in
//! the TOML file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, ValueEnum};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use server::Transcode;

/// Every setting is optional: None is "not said here", so that no default of one source hides
/// another's value.
#[derive(clap::Args, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Where publishers connect by RTMP [default: 0.0.0.0:1935]
    #[arg(long, value_name = "ADDR", env = "FEATHERCAST_RTMP_ADDR")]
    pub(crate) rtmp_addr: Option<String>,
    /// Where viewers fetch HLS [default: 0.0.0.0:8935]
    #[arg(long, value_name = "ADDR", env = "FEATHERCAST_HTTP_ADDR")]
    pub(crate) http_addr: Option<String>,
    /// Certificate chain, in PEM: gives RTMPS and HTTPS beside RTMP and HTTP; read again when it
    /// changes
    #[arg(long, value_name = "FILE.pem", env = "FEATHERCAST_TLS_CERT")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE.pem", env = "FEATHERCAST_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Instead of files: have certificates for these names, comma-separated, from an authority by
    /// ACME, and agree to its terms. It must reach --https-addr on port 443, or --http-addr on port
    /// 80
    #[arg(long, value_name = "DOMAIN,...", env = "FEATHERCAST_ACME")]
    pub(crate) acme: Option<String>,
    /// With --acme: where the account and the certificates are kept [default: acme]
    #[arg(long, value_name = "DIR", env = "FEATHERCAST_ACME_FOLDER")]
    pub(crate) acme_folder: Option<PathBuf>,
    /// With --acme: the authority [default: https://acme-v02.api.letsencrypt.org/directory]
    #[arg(long, value_name = "URL", env = "FEATHERCAST_ACME_DIRECTORY")]
    pub(crate) acme_directory: Option<String>,
    /// With --acme: trust the certificates in this PEM file, instead of Mozilla's, for the
    /// authority's own server
    #[arg(long, value_name = "FILE.pem", env = "FEATHERCAST_ACME_CA")]
    pub(crate) acme_ca: Option<PathBuf>,
    /// With a certificate: where publishers connect by RTMPS [default: 0.0.0.0:1936]
    #[arg(long, value_name = "ADDR", env = "FEATHERCAST_RTMPS_ADDR")]
    pub(crate) rtmps_addr: Option<String>,
    /// With a certificate: where viewers fetch HLS by HTTPS, HTTP/2 or 1.1 [default: 0.0.0.0:8936]
    #[arg(long, value_name = "ADDR", env = "FEATHERCAST_HTTPS_ADDR")]
    pub(crate) https_addr: Option<String>,
    /// Proxies whose word counts on where connections and requests are from: addresses and
    /// networks, comma-separated
    #[arg(long, value_name = "LIST", env = "FEATHERCAST_TRUSTED_PROXIES")]
    pub(crate) trusted_proxies: Option<String>,
    /// Where the operator gets /status and /metrics [default: 127.0.0.1:7935]
    #[arg(long, value_name = "ADDR", env = "FEATHERCAST_ADMIN_ADDR")]
    pub(crate) admin_addr: Option<String>,
    /// Token that the operator shows as `Authorization: Bearer TOKEN`, or sha256:HEX of it; needed
    /// where --admin-addr is not loopback (better set by environment or file)
    #[arg(long, value_name = "TOKEN", env = "FEATHERCAST_ADMIN_TOKEN", hide_env_values = true)]
    pub(crate) admin_token: Option<String>,
    /// Names, comma-separated, that the operator's port may be asked by besides addresses and
    /// localhost
    #[arg(long, value_name = "NAME,...", env = "FEATHERCAST_ADMIN_HOSTS")]
    pub(crate) admin_hosts: Option<TextList>,
    /// Presets, comma-separated, or a JSON file; empty passes the source through only [default:
    /// P144p30fps16x9,P144p15fps16x9,P90p10fps16x9,audio]
    #[arg(long, value_name = "LIST|FILE.json", env = "FEATHERCAST_RENDITIONS")]
    pub(crate) renditions: Option<TextList>,
    /// When renditions are made: on-demand (while somebody fetches them) or always [default:
    /// on-demand]
    #[arg(long, value_name = "WHEN", env = "FEATHERCAST_TRANSCODE")]
    pub(crate) transcode: Option<When>,
    /// Whose H.264 decoder: native (our own) or openh264, for comparison [default: native]
    #[arg(long, value_name = "DECODER", env = "FEATHERCAST_DECODER")]
    pub(crate) decoder: Option<Decoder>,
    /// Serve the newest live stream as /stream/current.m3u8
    #[arg(long, value_name = "BOOL", env = "FEATHERCAST_CURRENT_MANIFEST", value_parser = BoolishValueParser::new(),
        num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) current_manifest: Option<bool>,
    /// Serve no pages: no list of streams at /, no /watch/NAME
    #[arg(long, value_name = "BOOL", env = "FEATHERCAST_NO_PAGE", value_parser = BoolishValueParser::new(),
        num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) no_page: Option<bool>,
    /// List no streams, neither at / nor in /index.m3u8 and /streams.json: who knows a name watches
    /// at /watch/NAME
    #[arg(long, value_name = "BOOL", env = "FEATHERCAST_UNLISTED", value_parser = BoolishValueParser::new(),
        num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) unlisted: Option<bool>,
    /// Length of a segment, 1s to 10s [default: 2s]
    #[arg(long, value_name = "TIME", env = "FEATHERCAST_SEGMENT_DURATION")]
    pub(crate) segment_duration: Option<String>,
    /// Segments a playlist lists, 6 to 60 [default: 6]
    #[arg(long, value_name = "N", env = "FEATHERCAST_PLAYLIST_SEGMENTS")]
    pub(crate) playlist_segments: Option<usize>,
    /// Publishers at once [default: 10]
    #[arg(long, value_name = "N", env = "FEATHERCAST_MAX_STREAMS")]
    pub(crate) max_streams: Option<usize>,
    /// URL that is asked by POST whether somebody may publish (MediaMTX's contract; any 2xx allows)
    #[arg(long, value_name = "URL", env = "FEATHERCAST_AUTH_WEBHOOK", hide_env_values = true)]
    pub(crate) auth_webhook: Option<String>,
    /// Secret that viewers' tokens are made with; without a token (`feathercast token NAME --for
    /// 2h`) nobody watches then (better set by environment or file)
    #[arg(long, value_name = "SECRET", env = "FEATHERCAST_VIEWER_SECRET", hide_env_values = true)]
    pub(crate) viewer_secret: Option<String>,
    /// Viewers at once; who comes later is told to come again (503) [default: as many as
    /// connections allow]
    #[arg(long, value_name = "N", env = "FEATHERCAST_VIEWERS_MAX")]
    pub(crate) viewers_max: Option<usize>,
    /// Memory that the process may use, for example 512M or 2G [default: half of the machine's or
    /// the container's]
    #[arg(long, value_name = "SIZE", env = "FEATHERCAST_MEMORY")]
    pub(crate) memory: Option<String>,
    /// Key that publishers must give: rtmp://host/NAME/KEY, or sha256:HEX of it (better set by
    /// environment or file: others see flags)
    #[arg(long, value_name = "KEY", env = "FEATHERCAST_PUBLISH_KEY", hide_env_values = true)]
    pub(crate) publish_key: Option<String>,
    /// Names with a key of their own, NAME=KEY,... (`feathercast key new NAME` makes one); with it
    /// no other name may publish without a key
    #[arg(long, value_name = "NAME=KEY,...", env = "FEATHERCAST_KEYS", hide_env_values = true)]
    pub(crate) keys: Option<KeyList>,
    /// With --keys: let names that are not listed publish all the same
    #[arg(long, value_name = "BOOL", env = "FEATHERCAST_ALLOW_UNLISTED", value_parser = BoolishValueParser::new(),
        num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) allow_unlisted: Option<bool>,
    /// Log as text for people or as one JSON object a line [default: text]
    #[arg(long, value_name = "FORMAT", env = "FEATHERCAST_LOG_FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// Log more: -v debug, -vv trace
    #[arg(short, long, action = ArgAction::Count, env = "FEATHERCAST_VERBOSE")]
    pub(crate) verbose: u8,
}

impl Settings {
    /// These settings, with `fallback`'s where nothing is said here.
    pub(crate) fn or(self, fallback: Self) -> Self {
        Self {
            rtmp_addr: self.rtmp_addr.or(fallback.rtmp_addr),
            http_addr: self.http_addr.or(fallback.http_addr),
            tls_cert: self.tls_cert.or(fallback.tls_cert),
            tls_key: self.tls_key.or(fallback.tls_key),
            acme: self.acme.or(fallback.acme),
            acme_folder: self.acme_folder.or(fallback.acme_folder),
            acme_directory: self.acme_directory.or(fallback.acme_directory),
            acme_ca: self.acme_ca.or(fallback.acme_ca),
            rtmps_addr: self.rtmps_addr.or(fallback.rtmps_addr),
            https_addr: self.https_addr.or(fallback.https_addr),
            trusted_proxies: self.trusted_proxies.or(fallback.trusted_proxies),
            admin_addr: self.admin_addr.or(fallback.admin_addr),
            admin_token: self.admin_token.or(fallback.admin_token),
            admin_hosts: self.admin_hosts.or(fallback.admin_hosts),
            renditions: self.renditions.or(fallback.renditions),
            transcode: self.transcode.or(fallback.transcode),
            decoder: self.decoder.or(fallback.decoder),
            current_manifest: self.current_manifest.or(fallback.current_manifest),
            no_page: self.no_page.or(fallback.no_page),
            unlisted: self.unlisted.or(fallback.unlisted),
            segment_duration: self.segment_duration.or(fallback.segment_duration),
            playlist_segments: self.playlist_segments.or(fallback.playlist_segments),
            max_streams: self.max_streams.or(fallback.max_streams),
            auth_webhook: self.auth_webhook.or(fallback.auth_webhook),
            viewer_secret: self.viewer_secret.or(fallback.viewer_secret),
            viewers_max: self.viewers_max.or(fallback.viewers_max),
            memory: self.memory.or(fallback.memory),
            publish_key: self.publish_key.or(fallback.publish_key),
            keys: self.keys.or(fallback.keys),
            allow_unlisted: self.allow_unlisted.or(fallback.allow_unlisted),
            log_format: self.log_format.or(fallback.log_format),
            verbose: if self.verbose > 0 { self.verbose } else { fallback.verbose },
        }
    }
}

/// When renditions are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum When {
    /// While somebody fetches them.
    OnDemand,
    /// From the first picture to the last.
    Always,
}

impl From<When> for Transcode {
    fn from(when: When) -> Self {
        match when {
            When::OnDemand => Self::OnDemand,
            When::Always => Self::Always,
        }
    }
}

/// Whose H.264 decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Decoder {
    /// feathercast's own.
    Native,
    /// Cisco's.
    Openh264,
    /// What chose among three until there was one for everything: taken for one release more.
    #[value(hide = true)]
    Auto,
    /// Was one of them.
    #[value(hide = true)]
    Rusty,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// Texts with commas between; in TOML also an array of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextList(pub(crate) String);

impl From<String> for TextList {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for TextList {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for TextList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextListVisitor)
    }
}

struct TextListVisitor;

impl<'de> Visitor<'de> for TextListVisitor {
    type Value = TextList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of texts, or one text with commas")
    }

    fn visit_str<E>(self, text: &str) -> Result<TextList, E> {
        Ok(TextList(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<TextList, A::Error> {
        let mut list = Vec::new();
        while let Some(name) = names.next_element::<String>()? {
            list.push(name);
        }
        Ok(TextList(list.join(",")))
    }
}

/// Stream names and their publish keys. No Debug: keys are not for logs.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct KeyList(pub(crate) BTreeMap<String, String>);

impl From<&str> for KeyList {
    /// `NAME=KEY` with commas between. What has no `=` becomes a name without a key, which is
    /// refused later by name: an error made here would print the whole text, keys and all.
    fn from(text: &str) -> Self {
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, key)| (name.into(), key.into()))
                .collect(),
        )
    }
}
