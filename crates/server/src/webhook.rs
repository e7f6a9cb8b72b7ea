//! Posts JSON to somebody else: to ask who may publish, by the contract of MediaMTX's HTTP
//! authentication, where any 2xx lets the publisher in, and to tell events.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rtmp::{PublishQuery, StreamKey, StreamName};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::socket::Socket;
use crate::tls::TlsClient;

const OURSELVES: &str = concat!("feathercast/", env!("CARGO_PKG_VERSION"));

/// What an answer may have in front of its body, which is not read. hyper takes no less than 8 KiB.
const ANSWER_HEAD_BYTES: usize = 16 << 10;

/// The field with a body's signature.
const SIGNATURE: &str = "x-feathercast-signature";

/// Where to post: `http://host[:port]/path[?query]`, or `https`. `Debug` shows no more than the
/// host, as what follows may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    scheme: Scheme,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// Why a text is no [`WebhookUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidWebhookUrl {
    /// Not a URL at all.
    #[error("this is no URL; write http://HOST:PORT/PATH or https://HOST:PORT/PATH")]
    Syntax,
    /// Another than `http` and `https`.
    #[error("only http:// and https:// can be asked")]
    Scheme,
    /// `user:password@`.
    #[error("user and password in the URL are not supported")]
    UserInfo,
}

impl WebhookUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidWebhookUrl> {
        let uri: Uri = text.parse().map_err(|_| InvalidWebhookUrl::Syntax)?;
        let authority = uri.authority().ok_or(InvalidWebhookUrl::Syntax)?;
        let (scheme, port) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, 80),
            Some("https") => (Scheme::Https, 443),
            _ => return Err(InvalidWebhookUrl::Scheme),
        };
        if authority.as_str().contains('@') {
            return Err(InvalidWebhookUrl::UserInfo);
        }
        if authority.host().is_empty() {
            return Err(InvalidWebhookUrl::Syntax);
        }
        Ok(Self {
            scheme,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(port),
            authority: authority.to_string(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({:?} {})", self.scheme, self.authority)
    }
}

/// What is asked. The fields are MediaMTX's. No Debug: there are secrets in it.
#[derive(Serialize)]
pub(crate) struct Question {
    user: String,
    password: String,
    token: String,
    ip: String,
    action: &'static str,
    path: String,
    protocol: &'static str,
    id: String,
    query: String,
    #[serde(rename = "userAgent")]
    user_agent: &'static str,
}

impl Question {
    /// Whether somebody at `ip` may publish `name`. The password is `pass` of the query, or else
    /// the key.
    pub(crate) fn publish(
        name: &StreamName,
        key: Option<&StreamKey>,
        query: &PublishQuery,
        ip: IpAddr,
    ) -> Self {
        let key = || key.map(|key| key.reveal().to_owned());
        Self {
            user: query.value("user").unwrap_or_default(),
            password: query.value("pass").or_else(key).unwrap_or_default(),
            token: query.value("token").or_else(|| query.value("jwt")).unwrap_or_default(),
            ip: ip.to_string(),
            action: "publish",
            path: name.to_string(),
            protocol: "rtmp",
            id: random_uuid(),
            query: query.reveal().to_owned(),
            user_agent: "",
        }
    }
}

/// A random UUID of version 4.
pub(crate) fn random_uuid() -> String {
    uuid(random())
}

/// RandomState is keyed from the system's randomness.
fn random() -> u128 {
    let half = || u128::from(RandomState::new().build_hasher().finish());
    (half() << 64) | half()
}

/// A random number as RFC 9562 5.4 writes it.
fn uuid(random: u128) -> String {
    let without_version = random & !(0xf << 76) & !(0x3 << 62);
    let bits = without_version | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{bits:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Any 2xx.
    Allowed,
    /// Any other status.
    Denied(StatusCode),
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("cannot be posted: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("cannot be posted: {0}")]
    Json(#[from] serde_json::Error),
    #[error("no answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
}

/// Who is asked.
#[derive(Debug)]
pub(crate) struct Webhook {
    url: WebhookUrl,
    tls: TlsClient,
}

impl Webhook {
    /// By `tls` where the URL wants it.
    pub(crate) fn new(url: WebhookUrl, tls: TlsClient) -> Self {
        Self { url, tls }
    }

    /// Asks, on a connection of its own. Nothing of it is left when this returns, or is dropped.
    pub(crate) async fn ask(
        &self,
        question: &Question,
        patience: Duration,
    ) -> Result<Verdict, WebhookError> {
        match self.post(serde_json::to_string(question)?, None, patience).await? {
            status if status.is_success() => Ok(Verdict::Allowed),
            status => Ok(Verdict::Denied(status)),
        }
    }

    /// Posts JSON, with its signature where there is one, on a connection of its own; the status
    /// that came back. Redirections are a status like others.
    pub(crate) async fn post(
        &self,
        body: String,
        signature: Option<&str>,
        patience: Duration,
    ) -> Result<StatusCode, WebhookError> {
        let status = timeout(patience, self.exchange(body, signature)).await;
        status.map_err(|_| WebhookError::TimedOut(patience))?
    }

    async fn connect(&self) -> io::Result<Socket<TcpStream>> {
        let Self { url, tls } = self;
        let socket = TcpStream::connect((url.host.as_str(), url.port)).await?;
        match url.scheme {
            Scheme::Http => Ok(Socket::Plain(socket)),
            Scheme::Https => tls.connect(&url.host, socket).await,
        }
    }

    async fn exchange(
        &self,
        body: String,
        signature: Option<&str>,
    ) -> Result<StatusCode, WebhookError> {
        let socket = self.connect().await.map_err(WebhookError::Connect)?;
        converse(socket, &self.url, body, signature).await
    }
}

/// Posts over a connection that nothing else is said on.
pub(crate) async fn converse<T>(
    socket: T,
    url: &WebhookUrl,
    body: String,
    signature: Option<&str>,
) -> Result<StatusCode, WebhookError>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut client = http1::Builder::new();
    client.max_buf_size(ANSWER_HEAD_BYTES);
    let (mut sender, connection) = client.handshake(TokioIo::new(socket)).await?;
    let mut request = Request::post(&url.path)
        .header(HOST, &url.authority)
        .header(USER_AGENT, OURSELVES)
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close");
    if let Some(signature) = signature {
        request = request.header(SIGNATURE, signature);
    }
    let request = request.body(body)?;
    let mut answer = pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // It may have ended with the answer: that is then there.
        _ = connection => answer.await,
    };
    // Of its body nothing is read.
    Ok(answer?.status())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn question() -> Question {
        let (name, key) = (StreamName::parse("cam").unwrap(), StreamKey::new("4711"));
        let ip = "2001:db8::9".parse().unwrap();
        Question::publish(&name, Some(&key), &PublishQuery::default(), ip)
    }

    fn webhook(url: &str) -> Webhook {
        Webhook::new(WebhookUrl::parse(url).unwrap(), TlsClient::new(None, &[]).unwrap())
    }

    /// A server that reads one request and says `answer`; what was asked, and what came of it.
    async fn asked(answer: &'static str) -> (String, Result<Verdict, WebhookError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/auth?for=feathercast", listener.local_addr().unwrap());
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !request.ends_with('}') {
                let mut bytes = [0; 4096];
                let read = socket.read(&mut bytes).await.unwrap();
                request.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
            socket.write_all(answer.as_bytes()).await.unwrap();
            request
        };
        let (webhook, question) = (webhook(&url), question());
        tokio::join!(server, webhook.ask(&question, Duration::from_secs(10)))
    }

    #[tokio::test]
    async fn the_question_is_mediamtx_s() {
        let (request, verdict) = asked("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        assert_eq!(verdict.unwrap(), Verdict::Allowed);
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /auth?for=feathercast HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("content-type: application/json"), "{head}");
        let mut body: serde_json::Value = serde_json::from_str(body).unwrap();
        let id = body["id"].take();
        assert!(id.as_str().is_some_and(|id| id.len() == 36 && &id[14..15] == "4"), "{id}");
        let expected = serde_json::json!({
            "user": "", "password": "4711", "token": "", "ip": "2001:db8::9", "action": "publish",
            "path": "cam", "protocol": "rtmp", "id": null,
            "query": "", "userAgent": "",
        });
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn any_2xx_allows_and_nothing_else() {
        for (answer, allowed) in [
            ("HTTP/1.1 204 No Content\r\n\r\n", true),
            ("HTTP/1.1 201 Created\r\nContent-Length: 1000000\r\n\r\n{", true),
            ("HTTP/1.0 200 OK\r\n\r\n", true),
            ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", false),
            ("HTTP/1.1 302 Found\r\nLocation: /yes\r\nContent-Length: 0\r\n\r\n", false),
            ("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", false),
        ] {
            let verdict = asked(answer).await.1.unwrap();
            assert_eq!(verdict == Verdict::Allowed, allowed, "{answer:?}: {verdict:?}");
        }
    }

    #[tokio::test]
    async fn no_answer_is_no_verdict() {
        for answer in ["", "RTMP\r\n\r\n", "HTTP/1.1 200"] {
            let error = asked(answer).await.1.unwrap_err();
            assert!(matches!(error, WebhookError::Http(_)), "{answer:?}: {error}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let webhook = webhook(&url);
        let error = webhook.ask(&question(), Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, WebhookError::TimedOut(_)), "{error}");
        drop(listener);
        let error = webhook.ask(&question(), Duration::from_secs(10)).await.unwrap_err();
        assert!(matches!(error, WebhookError::Connect(_)), "{error}");
    }

    #[test]
    fn an_id_is_a_uuid_of_version_4() {
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_ne!(random(), random());
    }

    #[test]
    fn urls_are_read() {
        let url = WebhookUrl::parse("http://h/auth?secret=hunter2").unwrap();
        assert_eq!((&url.host[..], url.port, &url.path[..]), ("h", 80, "/auth?secret=hunter2"));
        assert!(!format!("{url:?}").contains("hunter2"));
        let url = WebhookUrl::parse("https://h/auth").unwrap();
        assert_eq!((url.scheme, url.port), (Scheme::Https, 443));
        let url = WebhookUrl::parse("http://[::1]:9000").unwrap();
        assert_eq!((&url.host[..], url.port, &url.authority[..]), ("::1", 9000, "[::1]:9000"));
        for (text, error) in [
            ("", InvalidWebhookUrl::Syntax),
            ("h/auth", InvalidWebhookUrl::Syntax),
            ("/auth", InvalidWebhookUrl::Syntax),
            ("ftp://h/auth", InvalidWebhookUrl::Scheme),
            ("http://me:hunter2@h/auth", InvalidWebhookUrl::UserInfo),
        ] {
            assert_eq!(WebhookUrl::parse(text), Err(error), "{text}");
        }
    }
}
