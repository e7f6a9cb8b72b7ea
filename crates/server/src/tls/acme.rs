//! Certificates from an authority that speaks ACME (RFC 8555), and new ones before they end.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use axum::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use instant_acme::{
    Account, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType, HttpClient,
    Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tracing::{info, warn};

use super::validity::Validity;
use super::{ALPN_HTTP1, CertificateError, Certificates, TlsClient, certificate_files};
use crate::checker::read_body;
use crate::clock::Clock;
use crate::config::{AcmeChallenge, AcmeConfig};
use crate::words;

/// One request to the authority and its answer.
const ANSWER: Duration = Duration::from_secs(30);
/// The longest one is a certificate chain.
const ANSWER_BYTES: usize = 1 << 20;
/// How long an authority may take to look, or to issue.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.5)
    .timeout(Duration::from_secs(90));
/// After a failure: authorities allow five an hour.
const FIRST_RETRY: Duration = Duration::from_secs(5 * 60);
const LONGEST_RETRY: Duration = Duration::from_secs(60 * 60);
/// Clocks are set: when a certificate ends is looked at again at least this often.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

/// Keeps a [`Certificates`] supplied.
#[derive(Debug)]
pub(crate) struct Acme {
    config: AcmeConfig,
    /// What this authority gave: another one's account and certificates are none here.
    folder: PathBuf,
    client: TlsClient,
    certificates: Arc<Certificates>,
    clock: Clock,
}

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
enum AcmeError {
    /// The authority says no, or cannot be reached.
    #[error(transparent)]
    Authority(#[from] instant_acme::Error),
    /// It does not check names in the one way that is open here.
    #[error("the authority does not offer {challenge} for {domain}")]
    NoChallenge { challenge: &'static str, domain: String },
    /// It looked, and was not content.
    #[error("the authority did not find {0}")]
    NotFound(String),
    /// The answer to a challenge cannot be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    #[error("cannot use the key made: {0}")]
    Use(#[from] rustls::Error),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// What was issued, or is needed for it, cannot be kept.
    #[error("{}: {source}", path.display())]
    Keep { path: PathBuf, source: io::Error },
}

impl Acme {
    /// Begins with the certificate that was issued last, if there is one.
    pub(crate) fn open(
        config: &AcmeConfig,
        certificates: Arc<Certificates>,
    ) -> Result<Self, CertificateError> {
        let authority = config.directory.parse::<Uri>().ok();
        let authority = authority.as_ref().and_then(Uri::authority).map_or("", |it| it.as_str());
        let acme = Self {
            folder: config.folder.join(authority),
            client: TlsClient::new(config.ca.as_deref(), &[ALPN_HTTP1])?,
            config: config.clone(),
            certificates,
            clock: Clock::start(),
        };
        if let Some(kept) = acme.kept() {
            acme.certificates.replace(kept);
        }
        Ok(acme)
    }

    /// Has a certificate issued whenever one is due, until nobody holds the other end of `stop`. On
    /// a thread of its own, which waits for the disk, and for the authority.
    pub(crate) fn keep_issuing(self, stop: Receiver<()>) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let issue = move || {
            let mut retry = FIRST_RETRY;
            let mut wait = self.due_in();
            while stop.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                let due_in = self.due_in();
                if !due_in.is_zero() {
                    wait = due_in;
                    continue;
                }
                match self.issue(&runtime) {
                    Ok(()) => {
                        let names = self.config.domains.join(",");
                        let says = format!("A TLS certificate was issued for {names}.");
                        info!(names, says, "tls certificate issued");
                        retry = FIRST_RETRY;
                        // Not at once, also where by the clock here it has ended already.
                        wait = self.due_in().max(FIRST_RETRY);
                    }
                    Err(error) => {
                        let retry_in_secs = retry.as_secs();
                        let says = format!(
                            "No TLS certificate was issued, the next try is in {}: {error}.",
                            words::time(retry)
                        );
                        warn!(%error, retry_in_secs, says, "no tls certificate was issued");
                        wait = retry;
                        retry = (retry * 2).min(LONGEST_RETRY);
                    }
                }
            }
        };
        std::thread::Builder::new().name("tls".to_owned()).spawn(issue).map(drop)
    }

    /// How long to wait before looking again; zero where a certificate is to be had now.
    fn due_in(&self) -> Duration {
        let renew_at = self.certificates.validity().map_or(i64::MIN, Validity::renew_at);
        let secs = renew_at.saturating_sub(self.clock.now().unix_ms / 1000);
        Duration::from_secs(u64::try_from(secs).unwrap_or(0)).min(LOOK_EVERY)
    }

    fn issue(&self, runtime: &Runtime) -> Result<(), AcmeError> {
        let issued = runtime.block_on(self.order());
        self.certificates.forget_answers();
        let (chain, key) = issued?;
        // The key first: a certificate without its key is of no use.
        keep(&self.key_file(), &key)?;
        keep(&self.chain_file(), &chain)?;
        let read = certificate_files::read(&self.chain_file(), &self.key_file())?;
        self.certificates.replace(read);
        Ok(())
    }

    /// A chain and its key, in PEM.
    async fn order(&self) -> Result<(String, String), AcmeError> {
        let account = self.account().await?;
        let names: Vec<_> = self.config.domains.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&names)).await?;
        self.answer_challenges(&mut order).await?;
        if order.poll_ready(&PATIENCE).await? != OrderStatus::Ready {
            return Err(AcmeError::NotFound(self.what_was_not_found(&mut order).await?));
        }
        let key = order.finalize().await?;
        let chain = order.poll_certificate(&PATIENCE).await?;
        Ok((chain, key))
    }

    async fn account(&self) -> Result<Account, AcmeError> {
        let builder = Account::builder_with_http(Box::new(AuthorityClient(self.client.clone())));
        let file = self.folder.join("account.json");
        match fs::read(&file) {
            Ok(json) => {
                let credentials =
                    serde_json::from_slice(&json).map_err(instant_acme::Error::from)?;
                Ok(builder.from_credentials(credentials).await?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let account = NewAccount {
                    contact: &[],
                    terms_of_service_agreed: true,
                    only_return_existing: false,
                };
                let directory = self.config.directory.clone();
                let (account, credentials) = builder.create(&account, directory, None).await?;
                let json =
                    serde_json::to_string(&credentials).map_err(instant_acme::Error::from)?;
                keep(&file, &json)?;
                Ok(account)
            }
            Err(source) => Err(AcmeError::Keep { path: file, source }),
        }
    }

    async fn answer_challenges(&self, order: &mut Order) -> Result<(), AcmeError> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            // One of the last weeks may still count.
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let domain = authorization.identifier().to_string();
            let kind = self.config.challenge;
            let Some(mut challenge) = authorization.challenge(kind.into()) else {
                return Err(AcmeError::NoChallenge { challenge: kind.name(), domain });
            };
            let key_authorization = challenge.key_authorization();
            match kind {
                AcmeChallenge::TlsAlpn01 => {
                    let digest = key_authorization.digest();
                    let answer = tls_alpn_answer(&domain, digest.as_ref())?;
                    self.certificates.answer_tls_alpn(domain, answer);
                }
                AcmeChallenge::Http01 => {
                    let token = challenge.token.clone();
                    self.certificates.answer_http(token, key_authorization.as_str().to_owned());
                }
            }
            challenge.set_ready().await?;
        }
        Ok(())
    }

    /// In the authority's words.
    async fn what_was_not_found(&self, order: &mut Order) -> Result<String, AcmeError> {
        let mut reasons = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            let domain = authorization.identifier().to_string();
            let state = authorization.refresh().await?;
            let problems = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
            reasons.extend(problems.map(|problem| format!("{domain}: {problem}")));
        }
        Ok(reasons.join("; "))
    }

    /// The certificate that was issued last, where it is of all names.
    fn kept(&self) -> Option<CertifiedKey> {
        let kept = certificate_files::read(&self.chain_file(), &self.key_file()).ok()?;
        let certificate = ParsedCertificate::try_from(kept.end_entity_cert().ok()?).ok()?;
        let is_of = |domain: &String| {
            let name = ServerName::try_from(domain.as_str());
            name.is_ok_and(|name| verify_server_name(&certificate, &name).is_ok())
        };
        self.config.domains.iter().all(is_of).then(|| kept.clone())
    }

    fn chain_file(&self) -> PathBuf {
        self.file("pem")
    }

    fn key_file(&self) -> PathBuf {
        self.file("key.pem")
    }

    fn file(&self, extension: &str) -> PathBuf {
        let name = self.config.domains.first().map_or("", String::as_str);
        self.folder.join(format!("{name}.{extension}"))
    }
}

impl From<AcmeChallenge> for ChallengeType {
    fn from(challenge: AcmeChallenge) -> Self {
        match challenge {
            AcmeChallenge::TlsAlpn01 => Self::TlsAlpn01,
            AcmeChallenge::Http01 => Self::Http01,
        }
    }
}

/// Writes a whole file that nobody else can read, or none.
fn keep(path: &Path, text: &str) -> Result<(), AcmeError> {
    use std::os::unix::fs::OpenOptionsExt;
    let new = path.with_extension("new");
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|source| AcmeError::Keep { path: path.to_owned(), source })
}

/// RFC 8737 3: a certificate of the name, made here, with the digest in an extension.
fn tls_alpn_answer(domain: &str, digest: &[u8]) -> Result<CertifiedKey, AcmeError> {
    let mut params = CertificateParams::new([domain.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // The extension is critical and nobody but the authority knows it: the certificate cannot be
    // checked like others.
    let chain = vec![certificate.der().clone()];
    Ok(CertifiedKey::new(chain, ring::sign::any_ecdsa_type(&key)?))
}

/// Each request on a connection of its own: there is a handful every two months.
struct AuthorityClient(TlsClient);

impl HttpClient for AuthorityClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let exchange = exchange(self.0.clone(), request);
        Box::pin(async move {
            let answer = timeout(ANSWER, exchange).await;
            let answer = answer
                .unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER.as_secs()).into()));
            answer.map_err(instant_acme::Error::Other)
        })
    }
}

async fn exchange(
    tls: TlsClient,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<BytesResponse, Box<dyn std::error::Error + Send + Sync>> {
    let uri = request.uri().clone();
    let (Some("https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(format!("{uri} is no https URL").into());
    };
    let host = authority.host().trim_matches(['[', ']']);
    let port = authority.port_u16().unwrap_or(443);
    let told = |error: io::Error| format!("cannot connect to {authority}: {error}");
    let socket = TcpStream::connect((host, port)).await.map_err(told)?;
    let socket = tls.connect(host, socket).await.map_err(told)?;
    let (mut sender, connection) = handshake(TokioIo::new(socket)).await?;
    // It ends with the sender; what it fails with, the request fails with, too.
    tokio::spawn(connection);
    request.headers_mut().insert(HOST, HeaderValue::from_str(authority.as_str())?);
    *request.uri_mut() = uri.path_and_query().map_or("/", |path| path.as_str()).parse()?;
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = read_body(body, ANSWER_BYTES).await?;
    Ok(BytesResponse { parts, body: Box::new(body) })
}
