//! Accepts RTMP connections, as far as there are places for those that do not publish.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tracing::{Instrument, debug, info_span, warn};

use crate::lobby::{Lobby, Seat};
use crate::places::{Place, Places};
use crate::shared::Shared;
use crate::sync::lock;
use crate::throttle::Throttle;
use crate::{proxied, rtmp_conn, tls};

/// A moment of rest when the system has no file or memory for a connection: it stays in the
/// backlog.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The places that the plain and the secure port have together.
pub(crate) fn lobby(shared: &Shared) -> Arc<Lobby> {
    Arc::new(Lobby::new(shared.limits.rtmp_connections))
}

/// Accepts until it is dropped. With `tls` each connection begins with a handshake.
pub(crate) async fn run(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    lobby: Arc<Lobby>,
    shared: Arc<Shared>,
) {
    let most = shared.limits.rtmp_connections;
    let arriving = Arc::new(Places::new(most, most));
    let refusals = Mutex::new(Throttle::new(shared.limits.log_interval));
    let entrance = Arc::new(Entrance { tls, lobby, arriving, refusals, shared });
    loop {
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(held_back) = entrance.admit_log() {
                    let says = format!("New RTMP connections have to wait: {error}.");
                    warn!(%error, held_back, says, "cannot accept rtmp connections");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if !entrance.shared.trusted_proxies.contains(peer.ip()) {
            entrance.enter(socket, peer);
            continue;
        }
        match Places::take(&entrance.arriving, peer.ip()) {
            Some(place) => {
                tokio::spawn(arrive(Arc::clone(&entrance), socket, peer, place));
            }
            None => entrance.refuse(peer),
        }
    }
}

struct Entrance {
    tls: Option<Arc<ServerConfig>>,
    lobby: Arc<Lobby>,
    /// Those of proxies' connections of which it is not known yet whose they are.
    arriving: Arc<Places>,
    refusals: Mutex<Throttle>,
    shared: Arc<Shared>,
}

impl Entrance {
    fn enter(&self, socket: TcpStream, peer: SocketAddr) {
        match Lobby::enter(&self.lobby, peer.ip()) {
            Some(seat) => start(socket, peer, self.tls.clone(), &self.shared, seat),
            None => self.refuse(peer),
        }
    }

    /// Dropping the socket closes it: before its handshake RTMP has no way to say why.
    fn refuse(&self, peer: SocketAddr) {
        self.shared.metrics.rtmp_refused_connections.add(1);
        if let Some(held_back) = self.admit_log() {
            let says = format!(
                "A connection from {} to the RTMP port was closed: too many do not publish.",
                peer.ip()
            );
            warn!(%peer, held_back, says, "too many rtmp connections, one was closed at once");
        }
    }

    fn admit_log(&self) -> Option<u64> {
        lock(&self.refusals).admit(self.shared.clock.now())
    }
}

/// A connection of a trusted proxy, once it is known where it is from.
async fn arrive(entrance: Arc<Entrance>, mut socket: TcpStream, proxy: SocketAddr, place: Place) {
    let origin = proxied::origin(&mut socket, proxy, &entrance.shared).await;
    drop(place);
    match origin {
        Ok(origin) => entrance.enter(socket, origin.address()),
        Err(error) => {
            if let Some(held_back) = entrance.admit_log() {
                let says = format!(
                    "A connection of the trusted proxy {} was closed, it does not say where it is from: {error}.",
                    proxy.ip()
                );
                warn!(%proxy, %error, held_back, says, "a proxy's connection does not say where it is from");
            }
        }
    }
}

fn start(
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    shared: &Arc<Shared>,
    seat: Seat,
) {
    shared.metrics.rtmp_connections.add(1);
    let shared = Arc::clone(shared);
    let task = async move {
        tokio::select! {
            biased;
            () = serve(socket, peer, tls, &seat, Arc::clone(&shared)) => {}
            () = seat.displaced() => {
                shared.metrics.rtmp_displaced_connections.add(1);
                debug!("rtmp connection had to go: its place was taken by an address that had none");
            }
        }
    };
    tokio::spawn(task.instrument(info_span!("conn", %peer)));
}

async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    seat: &Seat,
    shared: Arc<Shared>,
) {
    debug!("rtmp connection accepted");
    // Answers are small and the publisher waits for each.
    if let Err(error) = socket.set_nodelay(true) {
        debug!(%error, "rtmp connection is gone");
        return;
    }
    if let Some(socket) = tls::accept(socket, tls, &shared).await {
        rtmp_conn::serve(socket, peer, seat, shared).await;
    }
}
