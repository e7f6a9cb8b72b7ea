//! Accepts RTMP connections, within the limits of all together and of each address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tracing::{Instrument, info_span, warn};

use crate::places::{Place, Places};
use crate::rtmp_conn;
use crate::shared::Shared;
use crate::throttle::Throttle;

/// A moment of rest when the system has no file or memory for a connection: it stays in the
/// backlog.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until it is dropped.
pub(crate) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Places::new(
        shared.limits.rtmp_connections,
        shared.limits.rtmp_connections_per_ip,
    ));
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
        match Places::take(&places, peer.ip()) {
            Some(place) => start(socket, peer, &shared, place),
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

fn start(socket: TcpStream, peer: SocketAddr, shared: &Arc<Shared>, place: Place) {
    shared.metrics.rtmp_connections.add(1);
    let serve = rtmp_conn::serve(socket, peer, Arc::clone(shared));
    let task = async move {
        serve.await;
        drop(place);
    };
    tokio::spawn(task.instrument(info_span!("conn", %peer)));
}
