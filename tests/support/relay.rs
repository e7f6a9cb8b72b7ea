//! A network between somebody and the server that can be cut as networks are: nothing comes through
//! any more, and nobody is told. It can also give him another address, and knows what he said.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use socket2::{Domain, Socket, Type};

/// Forwards connections until it is cut; gone when dropped.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    wire: Arc<Wire>,
}

#[derive(Default)]
struct Wire {
    is_cut: Mutex<bool>,
    changed: Condvar,
    is_gone: AtomicBool,
    /// All that went to the server, as it came.
    said: Mutex<Vec<u8>>,
}

impl Relay {
    /// To a server, from an address of the loopback network.
    pub(crate) fn start(server: SocketAddr, from: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for the relay");
        let address = listener.local_addr().expect("an address");
        let wire = Arc::new(Wire::default());
        let its_wire = Arc::clone(&wire);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                join(client, connect(server, from), &its_wire);
            }
        });
        Self { address, wire }
    }

    /// From now on bytes stay where they are, in both directions; the sockets stay open.
    pub(crate) fn cut(&self) {
        self.wire.set_cut(true);
    }

    /// What the server was told up to now, of several connections bytes as they came.
    pub(crate) fn said(&self) -> Vec<u8> {
        self.wire.said.lock().expect("no panic").clone()
    }

    /// The network is back.
    pub(crate) fn heal(&self) {
        self.wire.set_cut(false);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.wire.is_gone.store(true, Ordering::Relaxed);
        self.wire.set_cut(false);
    }
}

impl Wire {
    fn set_cut(&self, cut: bool) {
        *self.is_cut.lock().expect("no panic") = cut;
        self.changed.notify_all();
    }

    fn wait_until_whole(&self) {
        let cut = self.is_cut.lock().expect("no panic");
        drop(self.changed.wait_while(cut, |cut| *cut).expect("no panic"));
    }
}

fn connect(server: SocketAddr, from: Ipv4Addr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((from, 0)).into()).expect("an address of the loopback network");
    socket.connect(&server.into()).expect("the server");
    socket.into()
}

fn join(client: TcpStream, server: TcpStream, wire: &Arc<Wire>) {
    let ends = [client.try_clone(), server.try_clone()].map(|end| end.expect("a second handle"));
    let [answers_to, words_to] = ends;
    let [asking, answering] = [Arc::clone(wire), Arc::clone(wire)];
    thread::spawn(move || {
        let note = |bytes: &[u8]| asking.said.lock().expect("no panic").extend_from_slice(bytes);
        forward(client, words_to, &asking, note);
    });
    thread::spawn(move || forward(server, answers_to, &answering, |_| {}));
}

/// One direction. An end is passed on like bytes are: not while the network is cut.
fn forward(mut from: TcpStream, mut to: TcpStream, wire: &Wire, note: impl Fn(&[u8])) {
    let mut buffer = [0; 16384];
    loop {
        let read = from.read(&mut buffer);
        wire.wait_until_whole();
        let bytes = match read {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Ok(bytes) if bytes > 0 && !wire.is_gone.load(Ordering::Relaxed) => bytes,
            _ => break,
        };
        note(&buffer[..bytes]);
        if to.write_all(&buffer[..bytes]).is_err() {
            break;
        }
    }
    // The other side may be gone already.
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
