//! Why a server does not start, or ends early.

use std::io;
use std::net::SocketAddr;

use crate::tls::CertificateError;

/// What went wrong, with the option to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address cannot be listened on.
    #[error(
        "cannot listen on {addr}: {source}; stop what uses it or choose another address with {option}"
    )]
    Bind {
        /// The option that sets the address.
        option: &'static str,
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// There is no certificate to show.
    #[error(
        "tls: {0}; --tls-cert names a certificate chain, --tls-key its private key, --acme-ca an authority's certificate, all in PEM"
    )]
    Certificate(#[from] CertificateError),
    /// There is no randomness, or the like.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The system gives no threads or no signal handlers.
    #[error("cannot start the runtime: {0}")]
    Runtime(#[source] io::Error),
    /// A second signal came before the streams had ended.
    #[error("stopped at once by a second signal")]
    Interrupted,
}
