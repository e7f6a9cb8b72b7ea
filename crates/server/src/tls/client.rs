//! The other side of TLS: `publish` to `rtmps`, `check` of `https`, and ACME.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{CertificateError as Fault, ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, TlsStream};

use super::CertificateError;
use super::certificate_files::certificates_in;
use crate::socket::Socket;

/// What is said of a server whose certificate nobody vouches for. The first words count: `check`
/// shows no more of what may be a peer's text.
const UNTRUSTED: &str = "untrusted certificate; --ca names a file with authorities to trust";

/// Connects to servers whose certificates are good.
#[derive(Clone, Debug)]
pub(crate) struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// Trusts the authorities in the PEM file `ca`; without one those that Mozilla trusts. Offers
    /// `alpn`, which may be empty.
    pub(crate) fn new(ca: Option<&Path>, alpn: &[&[u8]]) -> Result<Self, CertificateError> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring does TLS 1.2 and 1.3")
            .with_root_certificates(roots(ca)?)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self(Arc::new(config)))
    }

    /// Shakes hands with `host`, a name or an address.
    pub(crate) async fn connect<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        socket: T,
    ) -> io::Result<Socket<T>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let shaken = TlsConnector::from(Arc::clone(&self.0)).connect(name, socket).await;
        let stream = shaken.map_err(|error| match is_untrusted(&error) {
            true => io::Error::other(UNTRUSTED),
            false => error,
        })?;
        Ok(Socket::Tls(Box::new(TlsStream::Client(stream))))
    }
}

fn is_untrusted(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(error, Some(rustls::Error::InvalidCertificate(Fault::UnknownIssuer)))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, CertificateError> {
    let Some(path) = ca else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates_in(path)? {
        roots
            .add(certificate)
            .map_err(|source| CertificateError::NoAuthority { path: path.to_owned(), source })?;
    }
    Ok(roots)
}
