//! Serves a router over HTTP/1.1, and in TLS over HTTP/2 too, to peers that may be slow, silent,
//! many or hostile.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use tracing::{debug, warn};

use crate::http_response as response;
use crate::places::{Place, Places};
use crate::proxied::{Held, Origin};
use crate::rtmp_listener::ACCEPT_PAUSE;
use crate::shared::Shared;
use crate::socket::Socket;
use crate::sync::lock;
use crate::throttle::Throttle;
use crate::{proxied, tls};

const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n\
    Access-Control-Allow-Origin: *\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";

/// Where a request comes from; in its extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerIp(pub(crate) IpAddr);

/// How long a peer may take to read that an idle connection ends.
const GOODBYE: Duration = Duration::from_secs(1);

/// Places for `max_connections` at once, and fewer from one address.
pub(crate) fn places(shared: &Shared, max_connections: usize) -> Arc<Places> {
    // Also where there are few places, nobody alone takes them all.
    let per_ip = shared.limits.http_connections_per_ip.min((max_connections / 4).max(1));
    let places = Places::new(max_connections, per_ip);
    Arc::new(places.free_for_loopback())
}

/// Accepts until it is dropped, as many at once as there are `places`. With `tls` each connection
/// begins with a handshake.
pub(crate) async fn run(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    places: Arc<Places>,
    shared: Arc<Shared>,
) {
    let most = places.max();
    let arriving = Arc::new(Places::new(most, most));
    let refusals = Mutex::new(Throttle::new(shared.limits.log_interval));
    let entrance = Arc::new(Entrance { tls, router, places, arriving, refusals, shared });
    loop {
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(held_back) = entrance.admit_log() {
                    let says = format!("New HTTP connections have to wait: {error}.");
                    warn!(%error, held_back, says, "cannot accept http connections");
                }
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let is_proxy = entrance.shared.trusted_proxies.contains(peer.ip());
        let places = if is_proxy { &entrance.arriving } else { &entrance.places };
        match Places::take(places, peer.ip()) {
            Some(place) => {
                tokio::spawn(enter(Arc::clone(&entrance), socket, peer, place));
            }
            None => entrance.refuse(socket, peer).await,
        }
    }
}

struct Entrance {
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    places: Arc<Places>,
    /// Those of proxies' connections, which carry requests of others, or of which it is not known
    /// yet whose they are.
    arriving: Arc<Places>,
    refusals: Mutex<Throttle>,
    shared: Arc<Shared>,
}

impl Entrance {
    /// Says 503 where that fits into the socket's empty buffer: it does not wait for the peer. To
    /// say it in TLS would take a handshake.
    async fn refuse(&self, mut socket: TcpStream, peer: SocketAddr) {
        self.shared.metrics.http_refused_connections.add(1);
        if let Some(held_back) = self.admit_log() {
            let says = format!(
                "A connection from {} to a port for viewers was refused: too many are open.",
                peer.ip()
            );
            warn!(%peer, held_back, says, "too many http connections, one was refused");
        }
        if self.tls.is_none() {
            let _ = timeout(Duration::from_millis(10), socket.write_all(BUSY)).await;
        }
    }

    fn admit_log(&self) -> Option<u64> {
        lock(&self.refusals).admit(self.shared.clock.now())
    }
}

/// Finds out whose the connection is, and serves it.
async fn enter(entrance: Arc<Entrance>, mut socket: TcpStream, peer: SocketAddr, mut place: Place) {
    let origin = match proxied::origin(&mut socket, peer, &entrance.shared).await {
        Ok(origin) => origin,
        Err(error) => {
            if let Some(held_back) = entrance.admit_log() {
                let says = format!(
                    "A connection of the trusted proxy {} was closed, it does not say where it is from: {error}.",
                    peer.ip()
                );
                warn!(%peer, %error, held_back, says, "a proxy's connection does not say where it is from");
            }
            return;
        }
    };
    let real = origin.address();
    if real != peer {
        match Places::take(&entrance.places, real.ip()) {
            Some(real_place) => place = real_place,
            None => return entrance.refuse(socket, real).await,
        }
    }
    let requests = match origin {
        Origin::Peer(_) => Requests::OfPeer,
        Origin::Proxy(_) => Requests::OfProxy(Arc::clone(&entrance.places)),
    };
    entrance.shared.metrics.http_connections.add(1);
    serve(socket, real, requests, &entrance).await;
    drop(place);
}

/// Whose the requests of a connection are.
enum Requests {
    /// Who connected, and has a place for that.
    OfPeer,
    /// Whom the proxy names in each: they have places for as long as they are answered.
    OfProxy(Arc<Places>),
}

/// Whether a request is answered.
enum Turn {
    /// Its connection has a place.
    OfConnection,
    Own(Place),
    /// There are too many of its address.
    Full,
}

impl Requests {
    fn turn(&self, headers: &HeaderMap, proxy: IpAddr, shared: &Shared) -> Turn {
        let Self::OfProxy(places) = self else { return Turn::OfConnection };
        let client = self.client(headers, proxy, shared);
        Places::take(places, client).map_or(Turn::Full, Turn::Own)
    }

    /// Whose a request is that comes over a connection from `peer`.
    fn client(&self, headers: &HeaderMap, peer: IpAddr, shared: &Shared) -> IpAddr {
        let client = match self {
            Self::OfPeer => None,
            Self::OfProxy(_) => proxied::client(headers, &shared.trusted_proxies),
        };
        client.unwrap_or(peer).to_canonical()
    }
}

async fn serve(socket: TcpStream, peer: SocketAddr, requests: Requests, entrance: &Entrance) {
    let shared = &entrance.shared;
    // Playlists are small: waiting to fill a packet would only delay them.
    if let Err(error) = socket.set_nodelay(true) {
        debug!(%error, "viewer is gone");
        return;
    }
    let activity = Arc::new(Activity::default());
    let watched = Watched::new(socket, Arc::clone(shared), Arc::clone(&activity));
    let Some(socket) = tls::accept(watched, entrance.tls.clone(), shared).await else { return };
    let is_http2 = matches!(&socket, Socket::Tls(stream)
        if stream.get_ref().1.alpn_protocol() == Some(tls::ALPN_HTTP2));
    let router = TowerToHyperService::new(entrance.router.clone());
    let (counted, counts) = (Arc::clone(&activity), Arc::clone(shared));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let client = requests.client(request.headers(), peer.ip(), &counts);
        request.extensions_mut().insert(PeerIp(client));
        counted.requests.fetch_add(1, Ordering::Relaxed);
        let turn = requests.turn(request.headers(), peer.ip(), &counts);
        if let Turn::Full = turn {
            counts.metrics.http_refused_connections.add(1);
        }
        let method = request.method().clone();
        request.extensions_mut().insert(counted.deliveries.clone());
        let answer = router.call(request);
        async move {
            Ok(match turn {
                Turn::OfConnection => answer.await?,
                Turn::Own(place) => answer.await?.map(|body| Body::new(Held::new(body, place))),
                Turn::Full => response::busy(&method),
            })
        }
    });
    let served = match is_http2 {
        true => serve_http2(socket, service, &activity, shared).await,
        false => serve_http1(socket, service, shared).await,
    };
    if let Err(error) = served {
        debug!(%error, "viewer connection ended");
    }
}

async fn serve_http1<S>(
    socket: Socket<Watched<TcpStream>>,
    service: S,
    shared: &Shared,
) -> hyper::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.http_head)
        .max_buf_size(shared.limits.http_head_bytes)
        .max_headers(shared.limits.http_headers)
        .serve_connection(TokioIo::new(socket), service)
        .await
}

/// hyper has no timeout for a connection over which nothing is asked, and in HTTP/2 a peer can take
/// no byte of an answer without holding up the socket.
async fn serve_http2<S>(
    socket: Socket<Watched<TcpStream>>,
    service: S,
    activity: &Activity,
    shared: &Shared,
) -> hyper::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    let limits = &shared.limits;
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http2_streams)
        .max_header_list_size(u32::try_from(limits.http_head_bytes).unwrap_or(u32::MAX))
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    loop {
        let (requests, sent_bytes) = activity.so_far();
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = sleep(limits.http_head) => {}
        }
        let (requests_now, sent_bytes_now) = activity.so_far();
        let is_idle =
            requests_now == requests && sent_bytes_now - sent_bytes < limits.http2_idle_bytes;
        if is_idle || activity.deliveries.are_late() {
            connection.as_mut().graceful_shutdown();
            return timeout(GOODBYE, connection).await.unwrap_or(Ok(()));
        }
    }
}

/// What the peer of a connection has still to take, and until when; in the extensions of its
/// requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deliveries(Arc<Mutex<Due>>);

#[derive(Debug, Default)]
struct Due {
    by_id: BTreeMap<u64, Instant>,
    next_id: u64,
}

impl Deliveries {
    /// The same bytes, which the peer has to take in this time. It runs until nobody holds them any
    /// more, whichever queue they are in: a peer of HTTP/2 that opens no window for a response
    /// never holds up the socket.
    pub(crate) fn begin(&self, bytes: Bytes, time: Duration) -> Bytes {
        let mut due = lock(&self.0);
        let id = due.next_id;
        due.next_id += 1;
        due.by_id.insert(id, Instant::now() + time);
        drop(due);
        Bytes::from_owner(Delivery { bytes, id, deliveries: self.clone() })
    }

    /// When the peer must have taken what is due first.
    fn first_due(&self) -> Option<Instant> {
        lock(&self.0).by_id.values().min().copied()
    }

    fn are_late(&self) -> bool {
        self.first_due().is_some_and(|due| due <= Instant::now())
    }
}

/// Bytes on their way to a peer.
struct Delivery {
    bytes: Bytes,
    id: u64,
    deliveries: Deliveries,
}

impl AsRef<[u8]> for Delivery {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        lock(&self.deliveries.0).by_id.remove(&self.id);
    }
}

/// What has happened on a connection since it was accepted.
#[derive(Debug, Default)]
struct Activity {
    requests: AtomicU64,
    sent_bytes: AtomicU64,
    deliveries: Deliveries,
}

impl Activity {
    /// Requests and bytes sent.
    fn so_far(&self) -> (u64, u64) {
        (self.requests.load(Ordering::Relaxed), self.sent_bytes.load(Ordering::Relaxed))
    }
}

/// A stream that counts what it sends and fails when the peer takes nothing for too long, or too
/// little.
struct Watched<T> {
    inner: T,
    shared: Arc<Shared>,
    activity: Arc<Activity>,
    /// Runs until the first request, through the handshake too: hyper's own timer is the longer one
    /// for the time between requests.
    first_head: Option<Pin<Box<Sleep>>>,
    /// Runs while a write waits for the peer.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<T: AsyncWrite + Unpin> Watched<T> {
    fn new(inner: T, shared: Arc<Shared>, activity: Arc<Activity>) -> Self {
        let first_head = Some(Box::pin(sleep(shared.limits.http_first_head)));
        Self { inner, shared, activity, first_head, stall: None }
    }

    /// What a write came to: progress stops the stall timer, waiting starts it.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = written {
            self.stall = None;
            let bytes = result.as_ref().map_or(0, |bytes| *bytes as u64);
            self.shared.metrics.http_sent_bytes.add(bytes);
            self.activity.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
            return Poll::Ready(result);
        }
        let stall = self.stall.get_or_insert_with(|| {
            let stalled = Instant::now() + self.shared.limits.http_write;
            let due = self.activity.deliveries.first_due();
            Box::pin(sleep_until(due.map_or(stalled, |due| due.min(stalled))))
        });
        ready!(stall.as_mut().poll(context));
        self.shared.metrics.http_stalled_connections.add(1);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Its response may be long in coming.
        if self.activity.requests.load(Ordering::Relaxed) > 0 {
            self.first_head = None;
        }
        if let Some(first_head) = &mut self.first_head
            && first_head.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.inner).poll_read(context, into)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, data);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, data);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::{Config, Limits};

    fn from(ip: &'static str) -> HeaderMap {
        HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), HeaderValue::from_static(ip))])
    }

    #[test]
    fn requests_of_a_proxy_count_for_whom_it_names_until_their_answers_are_sent() {
        let trusted_proxies = "10.0.0.0/8".parse().unwrap();
        let config = Config { trusted_proxies, ..Config::default() };
        let shared = Shared::new(&config, Limits::default());
        let requests = Requests::OfProxy(Arc::new(Places::new(9, 1)));
        let turn = |headers: &HeaderMap| requests.turn(headers, [10, 0, 0, 1].into(), &shared);
        let Turn::Own(place) = turn(&from("192.0.2.7")) else { panic!("the first") };
        assert!(matches!(turn(&from("192.0.2.7, 10.0.0.2")), Turn::Full));
        let _other = turn(&from("192.0.2.8"));
        assert!(matches!(_other, Turn::Own(_)));
        let _nobody = turn(&HeaderMap::new());
        assert!(matches!(_nobody, Turn::Own(_)), "the proxy's own");
        assert!(matches!(turn(&from("unknown")), Turn::Full), "the proxy's own, too");

        let answer = Body::new(Held::new(Body::from("ok"), place));
        assert!(matches!(turn(&from("192.0.2.7")), Turn::Full));
        drop(answer);
        assert!(matches!(turn(&from("192.0.2.7")), Turn::Own(_)));
        let own = Requests::OfPeer.turn(&from("192.0.2.7"), [10, 0, 0, 1].into(), &shared);
        assert!(matches!(own, Turn::OfConnection));
    }
}
