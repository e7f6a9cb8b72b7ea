//! Accepts RTMP connections, as far as there are places for those that do not publish.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tracing::{Instrument, debug, info_span, warn};

use crate::lobby::{Lobby, Seat};
use crate::rtmp_conn;
use crate::shared::Shared;
use crate::throttle::Throttle;

/// A moment of rest when the system has no file or memory for a connection: it stays in the
/// backlog.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until it is dropped.
pub(crate) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let lobby = Arc::new(Lobby::new(shared.limits.rtmp_connections));
    let mut refusals = Throttle::new(shared.limits.log_interval);
    loop {
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(held_back) = refusals.admit(shared.clock.now()) {
                    warn!(%error, held_back, "cannot accept rtmp connections");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        match Lobby::enter(&lobby, peer.ip()) {
            Some(seat) => start(socket, peer, &shared, seat),
            None => {
                // Dropping the socket closes it: before its handshake RTMP has no way to say why.
                shared.metrics.rtmp_refused_connections.add(1);
                if let Some(held_back) = refusals.admit(shared.clock.now()) {
                    warn!(%peer, held_back, "too many rtmp connections, one was closed at once");
                }
            }
        }
    }
}

fn start(socket: TcpStream, peer: SocketAddr, shared: &Arc<Shared>, seat: Seat) {
    shared.metrics.rtmp_connections.add(1);
    let shared = Arc::clone(shared);
    let task = async move {
        tokio::select! {
            () = rtmp_conn::serve(socket, peer, &seat, Arc::clone(&shared)) => {}
            () = seat.displaced() => {
                shared.metrics.rtmp_displaced_connections.add(1);
                debug!("rtmp connection had to go: its place was taken by an address that had none");
            }
        }
    };
    tokio::spawn(task.instrument(info_span!("conn", %peer)));
}
