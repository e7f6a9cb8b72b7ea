//! A certificate and its key in two PEM files, which are read again when they change.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{CertificateError, Certificates};

/// Watches two files for a [`Certificates`].
#[derive(Debug)]
pub(crate) struct CertificateFiles {
    cert: PathBuf,
    key: PathBuf,
    certificates: Arc<Certificates>,
    /// How the files looked when they were read last, good or not.
    seen: [Option<Look>; 2],
}

/// What changes about a file whoever writes it, and however: in place, by a new file of the same
/// name, by a link that leads elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

impl CertificateFiles {
    /// Reads both files into `certificates`.
    pub(crate) fn open(
        cert: &Path,
        key: &Path,
        certificates: Arc<Certificates>,
    ) -> Result<Self, CertificateError> {
        let seen = [look(cert), look(key)];
        certificates.replace(read(cert, key)?);
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), certificates, seen })
    }

    /// Reads them again if one has changed since; whether there is a new certificate now. On an
    /// error the old one stays. Two files change one after the other: between the two they do not
    /// belong together, which is one of the errors.
    pub(crate) fn reload(&mut self) -> Result<bool, CertificateError> {
        let now = [look(&self.cert), look(&self.key)];
        if now == self.seen {
            return Ok(false);
        }
        self.seen = now;
        self.certificates.replace(read(&self.cert, &self.key)?);
        Ok(true)
    }
}

fn look(path: &Path) -> Option<Look> {
    use std::os::unix::fs::MetadataExt;
    let file = fs::metadata(path).ok()?;
    Some(Look { modified: file.modified().ok(), bytes: file.len(), inode: file.ino() })
}

/// A chain and its key that belong together.
pub(super) fn read(cert: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let chain = certificates_in(cert)?;
    let private_key = PrivateKeyDer::from_pem_slice(&contents(key)?)
        .map_err(|source| CertificateError::Pem { path: key.to_owned(), source })?;
    CertifiedKey::from_der(chain, private_key, &ring::default_provider()).map_err(|source| {
        CertificateError::Unusable { cert: cert.to_owned(), key: key.to_owned(), source }
    })
}

/// All certificates of a PEM file, in its order; at least one.
pub(super) fn certificates_in(
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&contents(path)?).collect();
    let chain = chain.map_err(|source| CertificateError::Pem { path: path.to_owned(), source })?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate { path: path.to_owned() });
    }
    Ok(chain)
}

fn contents(path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|source| CertificateError::Unreadable { path: path.to_owned(), source })
}
