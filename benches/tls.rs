//! What TLS costs a viewer's server: segments of 144p over kept-alive connections, plain and in
//! TLS, of one process in one run. What is encrypted is paid for by the byte, so there are two: of
//! the recipe's test card, and of a film.
//!
//! `cargo xtask bench` runs it with the binary of `cargo xtask dist`. CPU time of the server is
//! what counts, and the two take turns, so it may share the machine. Prints Markdown for
//! docs/performance.md. `-- --runs 1 --span 1` only tries it out.
#![expect(clippy::print_stdout, reason = "the report goes to the terminal")]
#![expect(clippy::disallowed_methods, reason = "real time is what is measured")]

#[expect(dead_code, reason = "on_demand.rs and side_by_side.rs need the rest")]
mod programs;
#[expect(dead_code, reason = "side_by_side.rs needs the rest")]
mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use programs::film::{FILM_720P, Film};
use programs::viewer::uris;
use programs::{
    LADDER, Ports, Running, TICKS_PER_SECOND, free_port, get, largest, load, median, publish,
    scratch, smallest, wait_until_listening,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use support::RECIPE;

/// From the publishers' start to their end. A stream without a publisher is served for a minute,
/// which has to be enough for all runs, and then nothing but requests costs anything.
const PUBLISHED: Duration = Duration::from_secs(14);
/// The server waits as long for the publisher to come back.
const RECONNECT_WINDOW: Duration = Duration::from_secs(11);
/// Kept alive, and asked one after the other.
const CONNECTIONS: usize = 8;
/// Names of the two streams.
const TEST_CARD: &str = "card";
const FILM: &str = "film";
/// Plain requests per second and core for each in TLS that are paid for TLS at most.
const AIM: f64 = 0.7;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    // `cargo test --benches` and the like ask for tests, of which there are none.
    if !words.iter().any(|word| word == "--bench") {
        return;
    }
    let number = |name: &str, default: u64| {
        let index = words.iter().position(|word| word == name);
        let word = index.and_then(|index| words.get(index + 1));
        word.map_or(default, |word| word.parse().expect("a whole number"))
    };
    println!("load before: {}", load());
    measure(number("--runs", 5), Duration::from_secs(number("--span", 2)));
    println!("load after: {}", load());
}

fn measure(runs: u64, span: Duration) {
    let site = Site::start();
    println!("\n| 144p of | Bytes | Plain | TLS 1.3 | TLS of plain, median (least to most) |");
    println!("|---|---|---|---|---|");
    let mut missed = false;
    for (name, what) in [(TEST_CARD, "the recipe's test card"), (FILM, Film::picture())] {
        let path = site.segment(name);
        let bytes = get(site.ports.http, &path).body.len();
        let (mut plain, mut tls, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..runs {
            let connect =
                || TcpStream::connect((Ipv4Addr::LOCALHOST, site.ports.http)).expect("HTTP");
            let in_plain = site.requests_per_core_second(connect, &path, span);
            let in_tls = site.requests_per_core_second(|| site.connect(), &path, span);
            plain.push(in_plain);
            tls.push(in_tls);
            shares.push(in_tls / in_plain);
        }
        let (share, least, most) = (median(&shares), smallest(&shares), largest(&shares));
        missed |= share < AIM;
        println!(
            "| {what} | {bytes} | {:.0} | {:.0} | {share:.2} ({least:.2} to {most:.2}) |",
            median(&plain),
            median(&tls)
        );
    }
    println!(
        "\nRequests per second and core. TLS has at least {AIM} of plain: {}",
        match missed {
            true => "MISSED",
            false => "holds",
        }
    );
}

/// A server with two streams that have ended.
struct Site {
    server: Running,
    ports: Ports,
    https: u16,
    client: Arc<ClientConfig>,
}

impl Site {
    fn start() -> Self {
        let folder = scratch("tls");
        let (ports, https, rtmps) = (Ports::free(), free_port(), free_port());
        let authority = certificate(&folder);
        let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        let file = |path: &Path| path.display().to_string();
        let server = programs::feathercast(
            ports,
            &[
                "--renditions",
                LADDER,
                "--transcode",
                "always",
                "--tls-cert",
                &file(&cert),
                "--tls-key",
                &file(&key),
                "--https-addr",
                &format!("127.0.0.1:{https}"),
                "--rtmps-addr",
                &format!("127.0.0.1:{rtmps}"),
            ],
        );
        wait_until_listening(ports.rtmp);
        let publishers = [
            publish(&RECIPE.file(), ports.rtmp, TEST_CARD),
            publish(&FILM_720P.file(), ports.rtmp, FILM),
        ];
        sleep(PUBLISHED);
        drop(publishers);
        sleep(RECONNECT_WINDOW);
        let mut roots = RootCertStore::empty();
        roots.add(authority).expect("a certificate");
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Self { server, ports, https, client: Arc::new(client) }
    }

    /// The newest whole segment of the stream's 144p.
    fn segment(&self, name: &str) -> String {
        let playlist = get(self.ports.http, &format!("/stream/{name}/{LADDER}.m3u8")).text();
        let whole = uris(&playlist).into_iter().rev().find(|(_, secs)| *secs > 1.5);
        whole.expect("a segment of 144p").0
    }

    fn connect(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.https)).expect("HTTPS");
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        let client = ClientConnection::new(Arc::clone(&self.client), name).expect("TLS");
        StreamOwned::new(client, socket)
    }

    /// By the CPU time of the whole process.
    fn requests_per_core_second<S: Read + Write>(
        &self,
        connect: impl Fn() -> S,
        path: &str,
        span: Duration,
    ) -> f64 {
        let mut connections: Vec<S> = (0..CONNECTIONS).map(|_| connect()).collect();
        let mut buffer = vec![0; 1 << 20];
        // Handshakes are over and everything is warm.
        connections.iter_mut().for_each(|connection| fetch(connection, path, &mut buffer));
        let (begin, ticks) = (Instant::now(), self.server.cpu_ticks());
        let mut requests = 0.0;
        while begin.elapsed() < span {
            for connection in &mut connections {
                fetch(connection, path, &mut buffer);
                requests += 1.0;
            }
        }
        requests / ((self.server.cpu_ticks() - ticks) / TICKS_PER_SECOND)
    }
}

/// Writes a certificate for 127.0.0.1, which vouches for itself, and its key.
fn certificate(folder: &Path) -> CertificateDer<'static> {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
    let certificate = params.self_signed(&key).expect("a certificate");
    fs::write(folder.join("cert.pem"), certificate.pem()).expect("a file");
    fs::write(folder.join("key.pem"), key.serialize_pem()).expect("a file");
    certificate.der().clone()
}

/// One request and its whole answer.
fn fetch(connection: &mut (impl Read + Write), path: &str, buffer: &mut [u8]) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.write_all(request.as_bytes()).expect("sent");
    let (mut have, mut all) = (0, usize::MAX);
    while have < all {
        let read = connection.read(&mut buffer[have..]).expect("an answer");
        assert!(read > 0, "the server has closed the connection");
        have += read;
        if all == usize::MAX
            && let Some(head) = buffer[..have].windows(4).position(|bytes| bytes == b"\r\n\r\n")
        {
            all = head + 4 + content_length(&buffer[..head]);
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let line = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    line.and_then(|length| length.trim().parse().ok()).expect("a length")
}
