//! Serves a router over HTTP/1.1 to peers that may be slow, silent, many or hostile.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tracing::{debug, warn};

use crate::places::Places;
use crate::rtmp_listener::ACCEPT_PAUSE;
use crate::shared::Shared;
use crate::throttle::Throttle;

const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n\
    Access-Control-Allow-Origin: *\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";

/// Where a request comes from; in its extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerIp(pub(crate) IpAddr);

/// Accepts until it is dropped, at most `max_connections` at once, and fewer from one address.
pub(crate) async fn run(
    listener: TcpListener,
    router: Router,
    shared: Arc<Shared>,
    max_connections: usize,
) {
    // Also where there are few places, nobody alone takes them all.
    let per_ip = shared.limits.http_connections_per_ip.min((max_connections / 4).max(1));
    let places = Places::new(max_connections, per_ip);
    let places = Arc::new(places.free_for_loopback());
    let mut refusals = Throttle::new(shared.limits.log_interval);
    loop {
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(held_back) = refusals.admit(shared.clock.now()) {
                    warn!(%error, held_back, "cannot accept http connections");
                }
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = Places::take(&places, peer.ip()) else {
            shared.metrics.http_refused_connections.add(1);
            if let Some(held_back) = refusals.admit(shared.clock.now()) {
                warn!(%peer, max_connections, held_back, "too many http connections, one was refused");
            }
            refuse(socket).await;
            continue;
        };
        shared.metrics.http_connections.add(1);
        let (shared, router) = (Arc::clone(&shared), router.clone());
        tokio::spawn(async move {
            serve(socket, PeerIp(peer.ip().to_canonical()), router, shared).await;
            drop(place);
        });
    }
}

/// Says 503 where that fits into the socket's empty buffer: it does not wait for the peer.
async fn refuse(mut socket: TcpStream) {
    let _ = timeout(Duration::from_millis(10), socket.write_all(BUSY)).await;
}

async fn serve(socket: TcpStream, peer: PeerIp, router: Router, shared: Arc<Shared>) {
    // Playlists are small: waiting to fill a packet would only delay them.
    if let Err(error) = socket.set_nodelay(true) {
        debug!(%error, "viewer is gone");
        return;
    }
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.http_head)
        .max_buf_size(shared.limits.http_head_bytes)
        .max_headers(shared.limits.http_headers);
    let asked = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(Watched::new(socket, shared, Arc::clone(&asked)));
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        asked.store(true, Ordering::Relaxed);
        router.call(request)
    });
    if let Err(error) = builder.serve_connection(io, service).await {
        debug!(%error, "viewer connection ended");
    }
}

/// A stream that counts what it sends and fails when the peer takes nothing for too long.
struct Watched<T> {
    inner: T,
    shared: Arc<Shared>,
    /// A request has come: its response may be long in coming.
    asked: Arc<AtomicBool>,
    /// Runs until the first request: hyper's own timer is the longer one for the time between
    /// requests.
    first_head: Option<Pin<Box<Sleep>>>,
    /// Runs while a write waits for the peer.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<T: AsyncWrite + Unpin> Watched<T> {
    fn new(inner: T, shared: Arc<Shared>, asked: Arc<AtomicBool>) -> Self {
        let first_head = Some(Box::pin(sleep(shared.limits.http_first_head)));
        Self { inner, shared, asked, first_head, stall: None }
    }

    /// What a write came to: progress stops the stall timer, waiting starts it.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.first_head = None;
        if let Poll::Ready(result) = written {
            self.stall = None;
            self.shared
                .metrics
                .http_sent_bytes
                .add(result.as_ref().map_or(0, |bytes| *bytes as u64));
            return Poll::Ready(result);
        }
        let deadline = Instant::now() + self.shared.limits.http_write;
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
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
        if self.asked.load(Ordering::Relaxed) {
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
