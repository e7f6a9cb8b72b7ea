//! RTMPS and HTTPS to and from programs that have TLS of their own: ffmpeg's and curl's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::certificate::Certificate;
use crate::support::ffmpeg;
use crate::support::playlist;
use crate::support::publisher::Publisher;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, addresses};
use crate::support::wait::eventually;

/// A server with a certificate for its address, which vouches for itself.
struct Secure {
    server: Server,
    rtmps: SocketAddr,
    https: SocketAddr,
    certificate: PathBuf,
    scratch: Scratch,
}

impl Secure {
    fn start() -> Self {
        let scratch = Scratch::new();
        let addresses = addresses();
        let ip = addresses[0].ip();
        let certificate = Certificate::new(ip, &scratch);
        let (rtmps, https) = (SocketAddr::new(ip, 21936), SocketAddr::new(ip, 28936));
        let (rtmps_addr, https_addr) = (rtmps.to_string(), https.to_string());
        let ports = ["--renditions", "", "--rtmps-addr", &rtmps_addr, "--https-addr", &https_addr];
        let server =
            Server::spawn_at(addresses, &[&ports[..], &certificate.options()].concat(), &[]);
        server.wait_until_up();
        Self { server, rtmps, https, certificate: certificate.chain, scratch }
    }

    /// curl(1) with more words; what it got.
    fn curl(&self, words: &[&str], path: &str) -> Vec<u8> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail", "--cacert"]).arg(&self.certificate);
        let url = format!("https://{}{path}", self.https);
        let output = command.args(words).arg(url).output().expect("curl(1)");
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }
}

impl Secure {
    /// A connection that speaks HTTP/2 (RFC 9113): behind the preface and its settings.
    fn http2(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(&self.certificate).expect("a certificate");
        roots.add(certificate).expect("a root");
        let config = ClientConfig::builder().with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::from(self.https.ip());
        let client = ClientConnection::new(Arc::new(config), name).expect("a client");
        let socket = TcpStream::connect(self.https).expect("a connection");
        let mut stream = StreamOwned::new(client, socket);
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat();
        stream.write_all(&preface).expect("it is taken");
        stream
    }
}

/// The binary under test with a line of arguments (split at blanks).
fn feathercast(line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_feathercast"));
    command.args(line.split_whitespace()).output().expect("feathercast starts")
}

#[test]
fn ffmpeg_publishes_by_rtmps_and_curl_watches_by_http_2_and_1_1() {
    let secure = Secure::start();
    let line = "-f lavfi -i testsrc2=size=320x180:rate=30:duration=10 -threads 1 -c:v libx264 -preset ultrafast -g 60 \
        -pix_fmt yuv420p";
    let file = ffmpeg::encode(&secure.scratch, line);
    let line = format!("-i {} -map 0 -c copy", file.display());
    Publisher::start(&line, &format!("rtmps://{}/x", secure.rtmps)).succeed();
    let ended = |body: &Vec<u8>| body.ends_with(b"#EXT-X-ENDLIST\n");
    let plain = eventually("the stream's end", || {
        Some(secure.server.get("/stream/x/source.m3u8").body).filter(ended)
    });
    let segments = playlist::media(std::str::from_utf8(&plain).expect("UTF-8")).segments;
    assert_eq!(segments.len(), 5);
    let segment = &segments[0].uri;
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        assert_eq!(secure.curl(&[option], "/stream/x/source.m3u8"), plain, "{option}");
        let over_tls = secure.curl(&[option], segment);
        assert!(over_tls == secure.server.get(segment).body, "{option}: another segment");
        let words = [option, "--output", "/dev/null", "--write-out", "%{http_version}"];
        assert_eq!(secure.curl(&words, segment), version.as_bytes());
    }
    for version in ["--tlsv1.2", "--tlsv1.3"] {
        let limit = ["--tls-max", version.trim_start_matches("--tlsv"), version];
        assert_eq!(secure.curl(&limit, "/healthz"), b"ok");
    }
}

/// Answers to pings that nobody sent: each was a line of the log.
#[test]
fn what_a_library_says_of_a_peer_is_not_logged() {
    let secure = Secure::start();
    let before = secure.server.log().lines().count();
    let mut stream = secure.http2();
    let answer = [&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], &[7; 8]].concat();
    stream.write_all(&answer.repeat(200)).expect("they are taken");
    // One that is to be answered, so that all before it has been read.
    stream.write_all(&[&[0, 0, 8, 6, 0, 0, 0, 0, 0][..], &[9; 8]].concat()).expect("it is taken");
    let mut got = Vec::new();
    while !got.windows(8).any(|bytes| *bytes == [9; 8]) {
        let mut some = [0; 256];
        let bytes = stream.read(&mut some).unwrap_or(0);
        assert!(bytes > 0, "it was closed behind {got:02x?}");
        got.extend_from_slice(&some[..bytes]);
    }
    let log = secure.server.log();
    assert_eq!(log.lines().count(), before, "{log}");
}

#[test]
fn publish_and_check_trust_whom_they_are_told_to() {
    let secure = Secure::start();
    let ca = secure.certificate.display();
    let publish = format!("publish test --size 320x180 --for 3s rtmps://{}/x", secure.rtmps);
    let output = feathercast(&publish);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("--ca"), "{said}");
    let output = feathercast(&format!("{publish} --ca {ca}"));
    assert!(output.status.success(), "{output:?}");
    assert!(secure.server.stream("x").is_some(), "{}", secure.server.log());

    let check = format!("check --json --for 1s https://{}/stream/nobody.m3u8", secure.https);
    for (line, words) in
        [(check.clone(), "untrusted"), (format!("{check} --ca {ca}"), "status 404")]
    {
        let output = feathercast(&line);
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.code() == Some(1) && report.contains(words), "{line}: {report}");
    }
}
