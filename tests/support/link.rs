//! A slow link between a browser and a server: so many bits a second towards the browser, and a
//! round trip that takes its time.
#![expect(clippy::disallowed_methods, reason = "real time is what a link takes")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// What fits into a packet of 1500 bytes behind the heads of IPv4 and TCP.
const PACKET: usize = 1460;
/// Those heads.
const HEADS: usize = 40;
/// Packets of a connection that are on their way at most: at 64 kbit/s three seconds of them.
const UNDERWAY: usize = 16;

/// Forwards connections, all of which share it.
pub(crate) struct Link {
    address: SocketAddr,
    bytes: Arc<AtomicU64>,
}

impl Link {
    /// To a server.
    pub(crate) fn start(server: SocketAddr, bits_per_second: u64, round_trip: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for the link");
        let address = listener.local_addr().expect("an address");
        let bytes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&bytes);
        let free_at = Arc::new(Mutex::new(Instant::now()));
        spawn(move || {
            for browser in listener.incoming().flatten() {
                let server = TcpStream::connect(server).expect("the server");
                let (free_at, counted) = (Arc::clone(&free_at), Arc::clone(&counted));
                let [back, forth] = [&browser, &server].map(|it| it.try_clone().expect("a handle"));
                // The connection's own round trip comes before the first bytes.
                let open = Instant::now() + round_trip;
                carry(browser, forth, move |_| open.max(Instant::now()) + round_trip / 2);
                carry(server, back, move |bytes| {
                    let wire = (bytes + HEADS) as u64;
                    counted.fetch_add(wire, Ordering::Relaxed);
                    let mut free_at = free_at.lock().expect("no panic");
                    let time = Duration::from_nanos(wire * 8 * 1_000_000_000 / bits_per_second);
                    *free_at = (*free_at).max(Instant::now()) + time;
                    *free_at + round_trip / 2
                });
            }
        });
        Self { address, bytes }
    }

    /// A page or a playlist of the server, by way of the link.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What has gone to the browser so far, heads included.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// One direction: each packet arrives when `arrives` says, for its size, as it sets out.
fn carry(
    mut from: TcpStream,
    mut to: TcpStream,
    mut arrives: impl FnMut(usize) -> Instant + Send + 'static,
) {
    let (sender, underway) = sync_channel::<(Instant, Vec<u8>)>(UNDERWAY);
    spawn(move || {
        let mut packet = [0; PACKET];
        while let Ok(bytes @ 1..) = from.read(&mut packet) {
            if sender.send((arrives(bytes), packet[..bytes].to_vec())).is_err() {
                break;
            }
        }
    });
    spawn(move || {
        for (at, packet) in underway {
            sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&packet).is_err() {
                break;
            }
        }
        // The other side may be gone already.
        let _ = to.shutdown(Shutdown::Both);
    });
}
