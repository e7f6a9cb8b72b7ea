//! A certificate that vouches for itself.

use std::net::IpAddr;
use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair};

use super::scratch::Scratch;

/// PEM files of a certificate for an address and of its key.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    pub(crate) fn new(ip: IpAddr, scratch: &Scratch) -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([ip.to_string()]).expect("an address");
        let made = params.self_signed(&key).expect("a certificate");
        Self {
            chain: scratch.write("cert.pem", made.pem().as_bytes()),
            key: scratch.write("key.pem", key.serialize_pem().as_bytes()),
        }
    }

    /// `--tls-cert`, `--tls-key` and their values.
    pub(crate) fn options(&self) -> [&str; 4] {
        let [chain, key] = [&self.chain, &self.key].map(|file| file.to_str().expect("UTF-8"));
        ["--tls-cert", chain, "--tls-key", key]
    }
}
