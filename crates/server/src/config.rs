//! The resolved configuration of a server: every value present, units in the types.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use forwarded::TrustedProxies;
use pipeline::{DecoderKind, Preset, StreamConfig, WorkClock};

use crate::access::PublishAccess;
use crate::admin::AdminAccess;
use crate::demand::Transcode;
use crate::events::EventWebhook;
use crate::forward::Forward;
use crate::priority::cpu_time;
use crate::system_memory::default_memory;
use crate::viewer_secret::ViewerSecret;
use crate::webhook::WebhookUrl;

/// What `serve` is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where publishers connect.
    pub rtmp_addr: SocketAddr,
    /// Where viewers connect.
    pub http_addr: SocketAddr,
    /// Where the operator connects.
    pub admin_addr: SocketAddr,
    /// The same two in TLS, on ports of their own.
    pub tls: Option<TlsConfig>,
    /// Whose word counts on where a connection or a request is from.
    pub trusted_proxies: TrustedProxies,
    /// The ladder; empty passes the source through only.
    pub renditions: Vec<Preset>,
    /// When the ladder is made.
    pub transcode: Transcode,
    /// Whose H.264 decoder the ladder is made with.
    pub decoder: DecoderKind,
    /// Length of a segment where the keyframes allow it.
    pub segment_duration: Duration,
    /// Segments a playlist lists.
    pub playlist_segments: usize,
    /// Publishers at once.
    pub max_streams: usize,
    /// Bytes of memory that the process may use.
    pub memory_bytes: u64,
    /// Whether `/stream/current.m3u8` is served.
    pub current_manifest: bool,
    /// What there is for people who come with a browser.
    pub pages: Pages,
    /// Who may publish.
    pub access: PublishAccess,
    /// Who is asked besides the keys, before somebody publishes.
    pub auth_webhook: Option<WebhookUrl>,
    /// Who is told what becomes of streams.
    pub event_webhook: Option<EventWebhook>,
    /// Streams that go on to other servers; a stream may go to several.
    pub forwards: Vec<Forward>,
    /// Who may ask on the operator's port.
    pub admin: AdminAccess,
    /// What viewers' tokens are made with; None: anybody may watch.
    pub viewer_secret: Option<ViewerSecret>,
    /// Viewers at once; None: as many as connections allow.
    pub viewers_max: Option<usize>,
}

/// What there is for people who come with a browser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pages {
    /// A page for each stream, and lists of those that are live.
    #[default]
    Listed,
    /// A page for each stream; who does not know a name finds none.
    Unlisted,
    /// Playlists and segments alone.
    None,
}

/// RTMPS and HTTPS.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// Where publishers connect.
    pub rtmps_addr: SocketAddr,
    /// Where viewers connect.
    pub https_addr: SocketAddr,
    /// Where the certificate is from.
    pub certificate: CertificateSource,
}

/// Where a certificate and its key are from.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// From two PEM files.
    Files {
        /// The certificate and those between it and an authority's, in this order.
        cert: PathBuf,
        /// The certificate's private key.
        key: PathBuf,
    },
    /// From an authority that issues them by itself.
    Acme(AcmeConfig),
}

/// Whom to ask for a certificate, and for which names.
#[derive(Clone, Debug)]
pub struct AcmeConfig {
    /// Names under which the server is reached; at least one.
    pub domains: Vec<String>,
    /// The URL of the authority's directory (RFC 8555 7.1.1).
    pub directory: String,
    /// Where the account and what was issued are kept.
    pub folder: PathBuf,
    /// A PEM file with the certificates to trust instead of Mozilla's, for the authority's own
    /// server.
    pub ca: Option<PathBuf>,
    /// How the authority sees that the names are ours.
    pub challenge: AcmeChallenge,
}

/// How an authority sees that a name is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcmeChallenge {
    /// In a handshake on port 443 (RFC 8737).
    TlsAlpn01,
    /// By a request on port 80 (RFC 8555 8.3).
    Http01,
}

impl AcmeChallenge {
    /// Its name in the standard.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Http01 => "http-01",
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self {
            rtmp_addr: SocketAddr::new(any, 1935),
            http_addr: SocketAddr::new(any, 8935),
            admin_addr: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 7935),
            tls: None,
            trusted_proxies: TrustedProxies::default(),
            renditions: Preset::default_ladder(),
            transcode: Transcode::OnDemand,
            decoder: DecoderKind::Native,
            segment_duration: Duration::from_secs(2),
            playlist_segments: 6,
            max_streams: 10,
            memory_bytes: default_memory(),
            current_manifest: false,
            pages: Pages::default(),
            access: PublishAccess::default(),
            auth_webhook: None,
            event_webhook: None,
            forwards: Vec::new(),
            admin: AdminAccess::default(),
            viewer_secret: None,
            viewers_max: None,
        }
    }
}

impl Config {
    /// Whether anybody who reaches a port for publishers from another machine may publish.
    #[must_use]
    pub fn is_open_to_the_network(&self) -> bool {
        let rtmps_addr = self.tls.as_ref().map(|tls| tls.rtmps_addr);
        let mut addrs = [Some(self.rtmp_addr), rtmps_addr].into_iter().flatten();
        let is_open = self.access.is_open() && self.auth_webhook.is_none();
        is_open && addrs.any(|addr| !addr.ip().to_canonical().is_loopback())
    }

    /// Whether the operator's port can be reached from another machine and asks nobody for a token.
    #[must_use]
    pub fn is_admin_exposed(&self) -> bool {
        !self.admin_addr.ip().to_canonical().is_loopback() && self.admin.token.is_none()
    }

    pub(crate) fn stream_config(&self) -> StreamConfig {
        let millis = i64::try_from(self.segment_duration.as_millis()).unwrap_or(i64::MAX);
        StreamConfig {
            renditions: self.renditions.clone(),
            segment_duration: media::Duration::from_millis(millis),
            decoder: self.decoder,
            work_clock: WorkClock(cpu_time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretDigest;

    #[test]
    fn a_server_without_a_key_is_open_unless_it_listens_on_loopback() {
        let open = |addr: &str, shared_key| {
            let access = PublishAccess { shared_key, ..PublishAccess::default() };
            let config = Config { rtmp_addr: addr.parse().unwrap(), access, ..Config::default() };
            config.is_open_to_the_network()
        };
        for addr in ["0.0.0.0:1935", "[::]:1935", "192.0.2.7:1935"] {
            assert!(open(addr, None) && !open(addr, Some(SecretDigest::of("k"))), "{addr}");
        }
        for addr in ["127.0.0.1:1935", "[::1]:1935", "[::ffff:127.0.0.1]:1935"] {
            assert!(!open(addr, None), "{addr}");
        }
        let auth_webhook = Some(WebhookUrl::parse("http://127.0.0.1:9000/auth").unwrap());
        let asking = Config { auth_webhook, ..Config::default() };
        assert!(!asking.is_open_to_the_network());
    }

    #[test]
    fn the_operator_s_port_is_exposed_off_loopback_without_a_token() {
        let exposed = |addr: &str, token| {
            let admin = AdminAccess { token, ..AdminAccess::default() };
            let config = Config { admin_addr: addr.parse().unwrap(), admin, ..Config::default() };
            config.is_admin_exposed()
        };
        for addr in ["0.0.0.0:7935", "[::]:7935", "192.0.2.7:7935"] {
            assert!(exposed(addr, None) && !exposed(addr, Some(SecretDigest::of("t"))), "{addr}");
        }
        for addr in ["127.0.0.1:7935", "127.9.9.9:7935", "[::1]:7935"] {
            assert!(!exposed(addr, None), "{addr}");
        }
    }
}
