//! TLS 1.2 and 1.3 of both ports, by rustls on ring: the server's side.

mod acme;
mod certificate_error;
mod certificate_files;
mod certificates;
mod client;
mod validity;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring::{self, Ticketer};
use rustls::server::NoServerSessionStorage;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsStream};
use tracing::{debug, info, warn};

pub(crate) use self::acme::Acme;
pub use self::certificate_error::CertificateError;
pub(crate) use self::certificate_files::CertificateFiles;
pub(crate) use self::certificates::Certificates;
pub(crate) use self::client::TlsClient;
pub(crate) use self::validity::Validity;
use crate::shared::Shared;
use crate::socket::Socket;

/// RFC 9113 3.1.
pub(crate) const ALPN_HTTP2: &[u8] = b"h2";
/// RFC 7301 6.
pub(crate) const ALPN_HTTP1: &[u8] = b"http/1.1";
/// RFC 8737 6.2: an authority that looks whether a name is ours. Without a question there is no
/// answer, and the handshake fails.
const ALPN_ACME: &[u8] = b"acme-tls/1";

/// A new certificate is wanted weeks before the old one ends.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How the two secure ports shake hands.
#[derive(Debug)]
pub(crate) struct TlsPorts {
    /// Encoders say nothing of protocols, and whatever one says is taken.
    pub(crate) rtmps: Arc<ServerConfig>,
    pub(crate) https: Arc<ServerConfig>,
}

impl TlsPorts {
    /// Each handshake shows what `certificates` holds then.
    pub(crate) fn new(certificates: &Arc<Certificates>) -> Result<Self, rustls::Error> {
        let protocols = [ALPN_HTTP2, ALPN_HTTP1, ALPN_ACME];
        Ok(Self {
            rtmps: server_config(certificates, &[])?,
            https: server_config(certificates, &protocols)?,
        })
    }
}

fn server_config(
    certificates: &Arc<Certificates>,
    protocols: &[&[u8]],
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let resolver = Arc::clone(certificates);
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    // Who comes again brings its session along: nothing is kept here, however many they are.
    config.ticketer = Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// The socket to speak on: behind a handshake where there is `tls`, else as it is. A handshake that
/// fails, or takes too long, costs the peer its own connection. Until it is over rustls holds no
/// more than 64 KiB of what the peer says.
pub(crate) async fn accept<T: AsyncRead + AsyncWrite + Unpin>(
    socket: T,
    tls: Option<Arc<ServerConfig>>,
    shared: &Shared,
) -> Option<Socket<T>> {
    let Some(config) = tls else { return Some(Socket::Plain(socket)) };
    let shaken = timeout(shared.limits.tls_handshake, TlsAcceptor::from(config).accept(socket));
    let shaken = shaken.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match shaken {
        Ok(stream) => {
            shared.metrics.tls_handshakes.add(1);
            Some(Socket::Tls(Box::new(TlsStream::Server(stream))))
        }
        Err(error) => {
            shared.metrics.tls_failed_handshakes.add(1);
            debug!(%error, "tls handshake failed");
            None
        }
    }
}

/// Reads the files again whenever they change, until nobody holds the other end of `stop`. On a
/// thread of its own: a disk may take its time.
pub(crate) fn keep_reloading(mut files: CertificateFiles, stop: Receiver<()>) -> io::Result<()> {
    let reload = move || {
        while stop.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            match files.reload() {
                Ok(false) => {}
                Ok(true) => {
                    info!(says = "The TLS certificate was replaced.", "tls certificate replaced");
                }
                Err(error) => {
                    let says = format!("The old TLS certificate stays, the new one: {error}.");
                    warn!(%error, says, "no new tls certificate, the old one stays");
                }
            }
        }
    };
    std::thread::Builder::new().name("tls".to_owned()).spawn(reload).map(drop)
}
