//! Accepts RTMP connections, within the limits of all together and of each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tracing::{Instrument, info_span, warn};

use crate::rtmp_conn;
use crate::shared::Shared;
use crate::sync::lock;
use crate::throttle::Throttle;

/// A moment of rest when the system has no file or memory for a connection: it stays in the backlog.
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

/// How many connections there are, by address.
#[derive(Debug)]
struct Places {
    max: usize,
    max_per_ip: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place; dropped, it is free again.
#[derive(Debug)]
struct Place {
    places: Arc<Places>,
    ip: IpAddr,
}

impl Places {
    fn new(max: usize, max_per_ip: usize) -> Self {
        Self { max, max_per_ip, taken: Mutex::default() }
    }

    fn take(places: &Arc<Self>, ip: IpAddr) -> Option<Place> {
        let ip = network(ip);
        let mut taken = lock(&places.taken);
        if taken.values().sum::<usize>() >= places.max
            || taken.get(&ip).is_some_and(|count| *count >= places.max_per_ip)
        {
            return None;
        }
        *taken.entry(ip).or_default() += 1;
        Some(Place { places: Arc::clone(places), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.places.taken);
        if let Some(count) = taken.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.ip);
            }
        }
    }
}

/// One household or host: an IPv4 address, or an IPv6 /64, which a single host may use whole.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_in_all_and_per_address_and_come_back() {
        let places = Arc::new(Places::new(3, 2));
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = Places::take(&places, ip("10.0.0.1")).unwrap();
        let _second = Places::take(&places, ip("10.0.0.1")).unwrap();
        assert!(Places::take(&places, ip("10.0.0.1")).is_none(), "two from one address");
        let third = Places::take(&places, ip("10.0.0.2")).unwrap();
        assert!(Places::take(&places, ip("10.0.0.3")).is_none(), "three in all");
        drop((first, third));
        assert!(Places::take(&places, ip("10.0.0.1")).is_some());
        assert_eq!(lock(&places.taken).len(), 1, "addresses without a connection are forgotten");
    }

    #[test]
    fn an_ipv6_host_is_its_64() {
        let places = Arc::new(Places::new(9, 1));
        let _first = Places::take(&places, "2001:db8::1".parse().unwrap()).unwrap();
        assert!(Places::take(&places, "2001:db8::ffff:2".parse().unwrap()).is_none());
        assert!(Places::take(&places, "2001:db8:0:1::1".parse().unwrap()).is_some());
    }
}
