//! What handshakes show at present.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::ALPN_ACME;
use super::validity::Validity;
use crate::sync::lock;

/// The certificate, and the answers to an authority that looks whether a name is ours. Handshakes
/// take what is there when they begin; who is connected already notices nothing when it is
/// replaced.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    /// None until the first one is issued: handshakes fail until then.
    current: Mutex<Option<Arc<CertifiedKey>>>,
    /// By name: RFC 8737.
    tls_alpn_answers: Mutex<BTreeMap<String, Arc<CertifiedKey>>>,
    /// By token: RFC 8555 8.3.
    http_answers: Mutex<BTreeMap<String, String>>,
}

impl Certificates {
    pub(crate) fn replace(&self, certificate: CertifiedKey) {
        *lock(&self.current) = Some(Arc::new(certificate));
    }

    /// From when to when the certificate is valid, where there is one.
    pub(crate) fn validity(&self) -> Option<Validity> {
        let current = lock(&self.current).clone()?;
        Validity::of(current.end_entity_cert().ok()?)
    }

    pub(crate) fn answer_tls_alpn(&self, name: String, answer: CertifiedKey) {
        lock(&self.tls_alpn_answers).insert(name, Arc::new(answer));
    }

    pub(crate) fn answer_http(&self, token: String, answer: String) {
        lock(&self.http_answers).insert(token, answer);
    }

    /// What is to be said where the authority asks for the token.
    pub(crate) fn http_answer(&self, token: &str) -> Option<String> {
        lock(&self.http_answers).get(token).cloned()
    }

    pub(crate) fn forget_answers(&self) {
        lock(&self.tls_alpn_answers).clear();
        lock(&self.http_answers).clear();
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.alpn().is_some_and(|mut protocols| protocols.any(|name| name == ALPN_ACME)) {
            return lock(&self.tls_alpn_answers).get(hello.server_name()?).cloned();
        }
        lock(&self.current).clone()
    }
}
