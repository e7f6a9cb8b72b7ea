use std::io;
use std::path::PathBuf;

use rustls::pki_types::pem;

/// Why there is no certificate to show, or none to trust.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Its name.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is no PEM (RFC 7468), or holds something else.
    #[error("{}: {source}", path.display())]
    Pem {
        /// Its name.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// A file has no `BEGIN CERTIFICATE`.
    #[error("{} has no certificate", path.display())]
    NoCertificate {
        /// Its name.
        path: PathBuf,
    },
    /// The key is of no kind that can be used, or another certificate's.
    #[error("{} and {}: {source}", cert.display(), key.display())]
    Unusable {
        /// The file with the certificate.
        cert: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// A certificate that should be trusted is none that can be.
    #[error("{}: {source}", path.display())]
    NoAuthority {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}
