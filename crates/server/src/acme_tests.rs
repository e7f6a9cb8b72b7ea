//! Certificates from Debian's pebble, an ACME authority for tests.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::server::NetHandles;
use crate::tls::Certificates;
use crate::tls_tests::{CertificateFolder, certificate_of};
use crate::{AcmeChallenge, AcmeConfig, CertificateSource, Config, Limits, Server, TlsConfig};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// An authority, on an address of its own, that finds every name at 127.0.0.1.
struct Authority {
    ip: Ipv4Addr,
    folder: CertificateFolder,
    programs: Vec<Child>,
}

impl Authority {
    fn new() -> Self {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let [_, a, b, c] = std::process::id().wrapping_mul(4).wrapping_add(n).to_be_bytes();
        let ip = Ipv4Addr::new(127, a, b, c);
        let folder = CertificateFolder::new();
        folder.write(&certificate_of(&ip.to_string()));
        Self { ip, folder, programs: Vec::new() }
    }

    /// The configuration of a server that has its certificates from here.
    fn config(&self, domains: &[&str], challenge: AcmeChallenge) -> Config {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let acme = AcmeConfig {
            domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
            directory: format!("https://{}:14000/dir", self.ip),
            folder: self.folder.path().join("acme"),
            ca: Some(self.folder.cert()),
            challenge,
        };
        let certificate = CertificateSource::Acme(acme);
        Config {
            rtmp_addr: any,
            http_addr: any,
            admin_addr: any,
            tls: Some(TlsConfig { rtmps_addr: any, https_addr: any, certificate }),
            ..Config::default()
        }
    }

    /// Looks for names on these ports.
    async fn start(&mut self, https: SocketAddr, http: SocketAddr) {
        let (ip, config) = (self.ip, self.folder.path().join("pebble.json"));
        let settings = serde_json::json!({ "pebble": {
            "listenAddress": format!("{ip}:14000"),
            "managementListenAddress": format!("{ip}:15000"),
            "certificate": self.folder.cert(),
            "privateKey": self.folder.key(),
            "httpPort": http.port(),
            "tlsPort": https.port(),
        }});
        fs::write(&config, settings.to_string()).unwrap();
        let (dns, management) = (format!("{ip}:8053"), format!("{ip}:8055"));
        let mut names = Command::new("pebble-challtestsrv");
        names.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]);
        names.args(["-dns01", &dns, "-management", &management, "-http01", "", "-https01", ""]);
        names.args(["-tlsalpn01", ""]);
        self.run(names);
        let mut pebble = Command::new("pebble");
        pebble.args(["-dnsserver", &dns, "-config"]).arg(config).env("PEBBLE_VA_NOSLEEP", "1");
        self.run(pebble);
        for port in [8055, 14000] {
            while TcpStream::connect((ip, port)).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        }
    }

    fn run(&mut self, mut command: Command) {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.programs.push(command.spawn().expect("pebble is installed"));
    }

    fn stop(&mut self) {
        for mut program in self.programs.drain(..) {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn bind(config: &Config) -> (Server, Arc<Certificates>) {
    let server = Server::bind_with(NetHandles::current(), config, Limits::default()).await.unwrap();
    let certificates = Arc::clone(&server.secure.as_ref().unwrap().certificates);
    (server, certificates)
}

async fn a_certificate_is_issued_by(challenge: AcmeChallenge) {
    let mut authority = Authority::new();
    let names = ["live.example.test", "video.example.test"];
    let config = authority.config(&names, challenge);
    let (server, certificates) = bind(&config).await;
    let http = server.http_addr().unwrap();
    authority.start(server.https_addr().unwrap(), http).await;
    assert_eq!(certificates.validity(), None);
    let accepting = server.start();
    while certificates.validity().is_none() {
        sleep(Duration::from_millis(10)).await;
    }
    let issued = certificates.validity();
    // Tokens that nobody has been given are nothing's.
    let mut socket = TcpStream::connect(http).await.unwrap();
    let request = "GET /.well-known/acme-challenge/x HTTP/1.0\r\nHost: h\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 404"), "{answer}");
    drop(accepting);

    // The next server has it from the folder, as long as it is of all its names.
    authority.stop();
    assert_eq!(bind(&config).await.1.validity(), issued);
    let fewer = authority.config(&names[..1], challenge);
    assert_eq!(bind(&fewer).await.1.validity(), issued);
    let others = authority.config(&[names[0], "other.example.test"], challenge);
    assert_eq!(bind(&others).await.1.validity(), None);
}

#[tokio::test]
async fn pebble_issues_a_certificate_by_tls_alpn_01() {
    a_certificate_is_issued_by(AcmeChallenge::TlsAlpn01).await;
}

#[tokio::test]
async fn pebble_issues_a_certificate_by_http_01() {
    a_certificate_is_issued_by(AcmeChallenge::Http01).await;
}
