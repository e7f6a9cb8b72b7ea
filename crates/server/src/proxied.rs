//! Who is behind a trusted proxy: by the PROXY header in front of a connection, or by the fields of
//! each request.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::FORWARDED;
use forwarded::{FIRST_BYTE, ProxyHeader, Reading, TrustedProxies, parse_proxy_header};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::places::Place;
use crate::shared::Shared;

/// Nobody has written it down; each proxy has it.
const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From there, by itself or as a trusted proxy says.
    Peer(SocketAddr),
    /// From a trusted proxy, which says nothing of the connection. Its requests may tell more.
    Proxy(SocketAddr),
}

impl Origin {
    /// Whom the connection itself is counted for.
    pub(crate) fn address(self) -> SocketAddr {
        match self {
            Self::Peer(address) | Self::Proxy(address) => address,
        }
    }
}

/// Reads the header that a trusted proxy may send first, and nothing behind it. Nothing of anybody
/// else is read.
///
/// # Errors
/// A header that is none, or does not come in time.
pub(crate) async fn origin(
    socket: &mut TcpStream,
    peer: SocketAddr,
    shared: &Shared,
) -> io::Result<Origin> {
    if !shared.trusted_proxies.contains(peer.ip()) {
        return Ok(Origin::Peer(peer));
    }
    let read = timeout(shared.limits.proxy_header, read_header(socket)).await;
    let header = read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(match header {
        None => Origin::Proxy(peer),
        Some(ProxyHeader::Local) => Origin::Peer(peer),
        Some(ProxyHeader::Proxied(source)) => Origin::Peer(source),
    })
}

async fn read_header(socket: &mut TcpStream) -> io::Result<Option<ProxyHeader>> {
    let mut first = [0];
    if socket.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if first != [FIRST_BYTE] {
        return Ok(None);
    }
    let limits = forwarded::Limits::default();
    let mut input = Vec::new();
    loop {
        match parse_proxy_header(&input, &limits).map_err(io::Error::other)? {
            Reading::Whole { header, .. } => return Ok(Some(header)),
            Reading::Partial { bytes } => {
                let have = input.len();
                input.resize(bytes, 0);
                socket.read_exact(&mut input[have..]).await?;
            }
        }
    }
}

/// Whom a request is from that came through a trusted proxy; `None` where that does not say.
pub(crate) fn client(headers: &HeaderMap, trusted: &TrustedProxies) -> Option<IpAddr> {
    let lines = |name: &str| headers.get_all(name).into_iter().map(|line| line.as_bytes());
    forwarded::client(lines(FORWARDED.as_str()), lines(X_FORWARDED_FOR), trusted)
}

/// An answer that keeps a place until it is sent.
pub(crate) struct Held {
    body: Body,
    place: Arc<Place>,
}

/// Bytes of such an answer: they keep the place as well, also in the queues behind the body, which
/// hyper drops as soon as it has taken the last of them.
struct Part {
    bytes: Bytes,
    _place: Arc<Place>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Held {
    pub(crate) fn new(body: Body, place: Place) -> Self {
        Self { body, place: Arc::new(place) }
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let place = Arc::clone(&self.place);
        let hold = |bytes| Bytes::from_owner(Part { bytes, _place: place });
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(hold))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
