//! A proxy in front of the RTMP port that lets a publisher go as fast as the server's transcoder
//! follows, and no faster.
//!
//! feathercast cuts by timestamps, so media need not be published in real time. But where the
//! transcoder falls behind by two seconds of media, it drops pictures, as it should. Tests that
//! count pictures go through here: they take as long as the machine needs, and never longer, and
//! their outcome does not hang on its speed.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::http;
use super::server::Server;
use super::wait::eventually;

/// Starts a proxy for one connection that publishes to `path`; its address.
pub(crate) fn start(server: &Server, path: &str, bytes_per_second: usize) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for the proxy");
    let address = listener.local_addr().expect("an address");
    let gauge = Gauge::new(server, path.split('/').next().expect("a name"));
    let rtmp = server.rtmp;
    // The transcoder's queue takes two seconds.
    let piece_bytes = (bytes_per_second / 2).max(1024);
    thread::spawn(move || {
        let (publisher, _) = listener.accept().expect("a publisher");
        proxy(publisher, TcpStream::connect(rtmp).expect("the server"), piece_bytes, &gauge);
    });
    address
}

fn proxy(publisher: TcpStream, server: TcpStream, piece_bytes: usize, gauge: &Gauge) {
    let (sender, pieces) = channel();
    let incoming = publisher.try_clone().expect("a second handle");
    // Read at once what ffmpeg sends: where it closes with answers unread, TCP throws away what is
    // on its way here.
    thread::spawn(move || read(incoming, piece_bytes, &sender));
    let answers = server.try_clone().expect("a second handle");
    thread::spawn(move || copy(answers, publisher));
    forward(&pieces, server, gauge);
}

fn read(mut publisher: TcpStream, piece_bytes: usize, pieces: &Sender<Vec<u8>>) {
    let mut buffer = vec![0; piece_bytes];
    while let Ok(bytes @ 1..) = publisher.read(&mut buffer) {
        if pieces.send(buffer[..bytes].to_vec()).is_err() {
            return;
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    // Ends when either side closes, and says so to the other.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

fn forward(pieces: &Receiver<Vec<u8>>, mut server: TcpStream, gauge: &Gauge) {
    let mut sent = 0;
    for piece in pieces {
        if server.write_all(&piece).is_err() {
            return;
        }
        sent += piece.len() as u64;
        gauge.wait(sent);
    }
    let _ = server.shutdown(Shutdown::Write);
}

/// How far the server is with one publisher, while no other sends.
pub(crate) struct Gauge {
    process: u32,
    admin: SocketAddr,
    name: String,
    bytes_before: u64,
}

impl Gauge {
    /// What counts for a publisher that comes next.
    pub(crate) fn new(server: &Server, name: &str) -> Self {
        Self {
            process: server.process_id(),
            admin: server.admin,
            name: name.to_owned(),
            bytes_before: received(server.admin),
        }
    }

    /// Waits until the server has read all that was sent, and the stream's two threads have nothing
    /// left to do.
    pub(crate) fn wait(&self, sent: u64) {
        eventually("the server to follow its publisher", || {
            let has_read = received(self.admin) >= self.bytes_before + sent;
            (has_read && self.is_idle("ingest") && self.is_idle("xcode")).then_some(())
        });
    }

    /// Whether the thread `ROLE:NAME` sleeps, or is not there. A thread that waits for a processor
    /// does not sleep.
    fn is_idle(&self, role: &str) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.process)) else { return true };
        let thread = format!("{role}:{}", self.name);
        // The kernel keeps 15 bytes of a thread's name.
        let thread = &thread[..thread.len().min(15)];
        threads.flatten().all(|task| {
            // A thread that ends meanwhile has no files.
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let (name, state) = stat.split_once(") ").unwrap_or_default();
            !name.ends_with(&format!("({thread}")) || state.starts_with('S')
        })
    }
}

fn received(admin: SocketAddr) -> u64 {
    metric(admin, "feathercast_rtmp_received_bytes_total").map_or(0, |bytes| bytes as u64)
}

/// A sample of `/metrics` by its whole left side.
pub(crate) fn metric(admin: SocketAddr, sample: &str) -> Option<f64> {
    let response = http::get(admin, "/metrics");
    response
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
}
