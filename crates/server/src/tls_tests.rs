//! The secure ports over real sockets, and what is shown to whom while a certificate changes.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use rtmp::{PublishQuery, StreamName};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, ServerConfig, SupportedProtocolVersion,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::http_tests::push_segment;
use crate::registry::{Admission, Naming, PublishAttempt};
use crate::server::NetHandles;
use crate::shared::Shared;
use crate::tls::{CertificateError, CertificateFiles, Certificates, TlsClient, TlsPorts};
use crate::webhook::{Question, Verdict, Webhook, WebhookUrl};
use crate::{Accepting, CertificateSource, Config, Limits, Server, TlsConfig};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder with a certificate of 127.0.0.1, which vouches for itself, and its key.
pub(crate) struct CertificateFolder(PathBuf);

impl CertificateFolder {
    pub(crate) fn new() -> Self {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("feathercast-tls-{}-{n}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).unwrap();
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn cert(&self) -> PathBuf {
        self.0.join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.0.join("key.pem")
    }

    /// By a new file under the old name, as certbot does.
    fn replace(&self, name: &str, text: &str) {
        let (new, old) = (self.0.join("new"), self.0.join(name));
        fs::write(&new, text).unwrap();
        fs::rename(new, old).unwrap();
    }

    pub(crate) fn write(&self, (cert, key): &(rcgen::Certificate, KeyPair)) {
        self.replace("cert.pem", &cert.pem());
        self.replace("key.pem", &key.serialize_pem());
    }
}

impl Drop for CertificateFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn certificate() -> (rcgen::Certificate, KeyPair) {
    certificate_of("127.0.0.1")
}

pub(crate) fn certificate_of(name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    (params.self_signed(&key).unwrap(), key)
}

pub(crate) struct Site {
    pub(crate) shared: Arc<Shared>,
    pub(crate) rtmp: SocketAddr,
    pub(crate) rtmps: SocketAddr,
    pub(crate) http: SocketAddr,
    https: SocketAddr,
    authority: CertificateDer<'static>,
    _folder: CertificateFolder,
    _accepting: Accepting,
}

impl Site {
    async fn new(limits: Limits) -> Self {
        Self::behind("", limits).await
    }

    /// Behind these proxies.
    pub(crate) async fn behind(trusted_proxies: &str, limits: Limits) -> Self {
        let folder = CertificateFolder::new();
        let made = certificate();
        folder.write(&made);
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let certificate = CertificateSource::Files { cert: folder.cert(), key: folder.key() };
        let tls = TlsConfig { rtmps_addr: any, https_addr: any, certificate };
        let config = Config {
            rtmp_addr: any,
            http_addr: any,
            admin_addr: any,
            tls: Some(tls),
            trusted_proxies: trusted_proxies.parse().unwrap(),
            renditions: Vec::new(),
            ..Config::default()
        };
        let server = Server::bind_with(NetHandles::current(), &config, limits).await.unwrap();
        Self {
            shared: Arc::clone(&server.shared),
            rtmp: server.rtmp_addr().unwrap(),
            rtmps: server.rtmps_addr().unwrap(),
            http: server.http_addr().unwrap(),
            https: server.https_addr().unwrap(),
            authority: made.0.der().clone(),
            _folder: folder,
            _accepting: server.start(),
        }
    }

    /// A stream with one segment of `source`, and its number.
    fn publish_segment(&self, name: &str) -> (Admission, u64) {
        let attempt = PublishAttempt {
            name: Some(StreamName::parse(name).unwrap()),
            naming: Naming::Chosen,
            key: None,
            peer: SocketAddr::from(([192, 0, 2, 7], 5000)),
        };
        let admission = self.shared.registry().publish(attempt, self.shared.clock.now()).unwrap();
        let sequence = admission.publication.next_sequence();
        push_segment(&admission, sequence, vec![0x47; 188 * 1000]);
        (admission, sequence)
    }

    async fn connect(
        &self,
        addr: SocketAddr,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        self.shake(TcpStream::connect(addr).await.unwrap(), versions, alpn).await
    }

    pub(crate) async fn shake(
        &self,
        socket: TcpStream,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let config = client(std::slice::from_ref(&self.authority), versions, alpn);
        config.connect(loopback(), socket).await
    }

    /// A connection over which HTTP/2 is spoken.
    async fn http2(
        &self,
    ) -> (http2::SendRequest<String>, tokio::task::JoinHandle<hyper::Result<()>>) {
        let socket = self.connect(self.https, &[&TLS13], &[b"h2"]).await.unwrap();
        assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let io = TokioIo::new(socket);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        (sender, tokio::spawn(connection))
    }
}

fn loopback() -> ServerName<'static> {
    ServerName::try_from("127.0.0.1").unwrap()
}

fn client(
    authorities: &[CertificateDer<'static>],
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&[u8]],
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config).into()
}

fn get(path: &str) -> hyper::Request<String> {
    hyper::Request::get(format!("https://127.0.0.1{path}"))
        .header("host", "127.0.0.1")
        .body(String::new())
        .unwrap()
}

/// C0, C1 (RTMP 5.2), and what comes back.
pub(crate) async fn rtmp_handshake(socket: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> u8 {
    let mut c0_c1 = vec![0x55; 1537];
    c0_c1[0] = 3;
    c0_c1[1..9].fill(0);
    socket.write_all(&c0_c1).await.unwrap();
    let mut s0_s1_s2 = vec![0; 3073];
    socket.read_exact(&mut s0_s1_s2).await.unwrap();
    s0_s1_s2[0]
}

#[tokio::test]
async fn rtmps_takes_tls_1_2_and_1_3() {
    let site = Site::new(Limits::default()).await;
    let versions = [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)];
    for (offered, taken) in versions {
        // Whatever protocol it names: encoders name none, or their own.
        let mut socket = site.connect(site.rtmps, &[offered], &[b"rtmp"]).await.unwrap();
        assert_eq!(socket.get_ref().1.protocol_version(), Some(taken));
        assert_eq!(rtmp_handshake(&mut socket).await, 3);
    }
    assert_eq!(site.shared.metrics.tls_handshakes.value(), 2);
}

#[tokio::test]
async fn https_speaks_http_2_or_1_1_as_the_viewer_offers() {
    let site = Site::new(Limits::default()).await;
    let (mut sender, _connection) = site.http2().await;
    for (path, status) in [("/healthz", 200), ("/stream/nobody.m3u8", 404)] {
        let answer = sender.send_request(get(path)).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (status, hyper::Version::HTTP_2));
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    }
    for alpn in [&[&b"http/1.1"[..]][..], &[]] {
        let socket = site.connect(site.https, &[&TLS12], alpn).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        let answer = sender.send_request(get("/healthz")).await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
    }
}

#[tokio::test]
async fn an_http_2_connection_that_asks_for_nothing_more_is_ended() {
    let limits = Limits { http_head: Duration::from_millis(50), ..Limits::default() };
    let site = Site::new(limits).await;
    let (mut sender, connection) = site.http2().await;
    assert!(sender.send_request(get("/healthz")).await.is_ok());
    // The sender is still there: only the server can end it.
    connection.await.unwrap().unwrap();
    assert!(sender.ready().await.is_err());
}

/// A peer that opens no window takes nothing and never holds up the socket; that it asks for other
/// things meanwhile buys no time for the segment.
#[tokio::test]
async fn an_http_2_viewer_that_takes_nothing_of_a_segment_is_ended() {
    let limits = Limits {
        http_head: Duration::from_millis(50),
        http_segment_target_durations: 0,
        ..Limits::default()
    };
    let site = Site::new(limits).await;
    let (_publisher, first) = site.publish_segment("cam");
    let socket = site.connect(site.https, &[&TLS13], &[b"h2"]).await.unwrap();
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(0)
        .handshake(TokioIo::new(socket))
        .await
        .unwrap();
    let ended = tokio::spawn(connection);
    let segment = get(&format!("/stream/cam/source/{first}.ts"));
    let answer = sender.send_request(segment).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    while sender.ready().await.is_ok() && sender.send_request(get("/healthz")).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let _ = ended.await.unwrap();
    drop(answer);
}

#[tokio::test]
async fn what_is_no_handshake_costs_its_own_connection() {
    let limits = Limits { tls_handshake: Duration::from_millis(50), ..Limits::default() };
    let site = Site::new(limits).await;
    for hostile in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16; 70_000], b"\x16\x03\x01\xff\xff\x01", b""]
    {
        for addr in [site.rtmps, site.https] {
            let mut socket = TcpStream::connect(addr).await.unwrap();
            // The server may close before it has all.
            let _ = socket.write_all(hostile).await;
            let _ = socket.read_to_end(&mut Vec::new()).await;
        }
    }
    // A connection is closed before it is counted.
    while site.shared.metrics.tls_failed_handshakes.value() < 8 {
        tokio::task::yield_now().await;
    }
    assert_eq!(site.shared.metrics.tls_handshakes.value(), 0);
}

#[tokio::test]
async fn a_handshake_takes_a_place_of_its_address_on_both_ports() {
    let site = Site::new(Limits { rtmp_connections: 1, ..Limits::default() }).await;
    let silent = TcpStream::connect(site.rtmps).await.unwrap();
    // Accepted in the order of their coming.
    let mut second = TcpStream::connect(site.rtmps).await.unwrap();
    assert_eq!(second.read(&mut [0]).await.unwrap_or(0), 0);
    let mut plain = TcpStream::connect(site.rtmp).await.unwrap();
    assert_eq!(plain.read(&mut [0]).await.unwrap_or(0), 0);
    drop(silent);
}

#[tokio::test]
async fn a_webhook_is_asked_over_tls_where_its_certificate_is_trusted() {
    let folder = CertificateFolder::new();
    let made = certificate();
    folder.write(&made);
    let key = PrivatePkcs8KeyDer::from(made.1.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.0.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/auth", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // Who does not trust the certificate ends the handshake.
            let Ok(mut socket) = acceptor.accept(socket).await else { continue };
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        }
    });
    let name = StreamName::parse("cam").unwrap();
    let question = Question::publish(&name, None, &PublishQuery::default(), [127, 0, 0, 1].into());
    let asked = async |ca: Option<&Path>| {
        let tls = TlsClient::new(ca, &[]).unwrap();
        let webhook = Webhook::new(WebhookUrl::parse(&url).unwrap(), tls);
        webhook.ask(&question, Duration::from_secs(10)).await
    };
    assert_eq!(asked(Some(&folder.cert())).await.unwrap(), Verdict::Allowed);
    let error = asked(None).await.unwrap_err().to_string();
    assert!(error.contains("untrusted certificate"), "{error}");
}

/// The certificate that a handshake shows now.
async fn shown(ports: &TlsPorts, trusted: &[CertificateDer<'static>]) -> CertificateDer<'static> {
    let (ours, theirs) = duplex(64 << 10);
    let server = tokio::spawn(TlsAcceptor::from(Arc::clone(&ports.https)).accept(ours));
    let socket = client(trusted, &[&TLS13], &[]).connect(loopback(), theirs).await.unwrap();
    let shown = socket.get_ref().1.peer_certificates().unwrap()[0].clone();
    server.await.unwrap().unwrap();
    shown.into_owned()
}

#[tokio::test]
async fn a_certificate_that_changes_is_shown_to_who_comes_next() {
    let folder = CertificateFolder::new();
    let (old, new) = (certificate(), certificate());
    folder.write(&old);
    let certificates = Arc::new(Certificates::default());
    let mut files =
        CertificateFiles::open(&folder.cert(), &folder.key(), Arc::clone(&certificates)).unwrap();
    let ports = TlsPorts::new(&certificates).unwrap();
    let trusted = [old.0.der().clone(), new.0.der().clone()];
    assert_eq!(shown(&ports, &trusted).await, trusted[0]);
    assert!(!files.reload().unwrap(), "nothing has changed");

    folder.replace("cert.pem", &new.0.pem());
    let half_way = files.reload();
    assert!(matches!(half_way, Err(CertificateError::Unusable { .. })), "{half_way:?}");
    assert!(!files.reload().unwrap(), "it is said once");
    assert_eq!(shown(&ports, &trusted).await, trusted[0]);

    folder.replace("key.pem", &new.1.serialize_pem());
    assert!(files.reload().unwrap());
    assert_eq!(shown(&ports, &trusted).await, trusted[1]);

    fs::remove_file(folder.cert()).unwrap();
    assert!(matches!(files.reload(), Err(CertificateError::Unreadable { .. })));
    assert_eq!(shown(&ports, &trusted).await, trusted[1]);
}

#[test]
fn what_is_wrong_with_the_files_is_named() {
    let folder = CertificateFolder::new();
    let open = || {
        let certificates = Arc::new(Certificates::default());
        CertificateFiles::open(&folder.cert(), &folder.key(), certificates).unwrap_err()
    };
    assert!(matches!(open(), CertificateError::Unreadable { .. }));
    let (cert, key) = certificate();
    folder.replace("cert.pem", &key.serialize_pem());
    assert!(matches!(open(), CertificateError::NoCertificate { .. }));
    folder.replace("cert.pem", &cert.pem());
    folder.replace("key.pem", "nothing");
    assert!(matches!(open(), CertificateError::Pem { .. }));
    folder.write(&(cert, certificate().1));
    let said = open().to_string();
    assert!(said.contains("cert.pem and ") && said.contains("key.pem: "), "{said}");
}
