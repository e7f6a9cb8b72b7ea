//! HTTP GET as a player does it: one connection is kept, no redirect is followed, bodies come as
//! they were sent.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use check::{Request, RequestKind, Response};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT_ENCODING, HOST, ORIGIN, RANGE, USER_AGENT};
use hyper::{HeaderMap, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::socket::Socket;
use crate::tls::TlsClient;

/// From connecting to the last byte of the body.
const ANSWER: Duration = Duration::from_secs(10);
const OURSELVES: &str = concat!("feathercast/", env!("CARGO_PKG_VERSION"));
/// Pages of other sites play the stream, too, and some servers only say that they may when there is
/// such a page.
const OTHER_SITE: &str = "http://feathercast.invalid";

/// Fetches one thing at a time.
pub(crate) struct Client {
    clock: Clock,
    tls: TlsClient,
    connection: Option<Connection>,
}

struct Connection {
    origin: Origin,
    sender: SendRequest<String>,
}

/// Whom to connect to (RFC 6454).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// What is wanted of whom.
struct Target {
    origin: Origin,
    authority: String,
    path: String,
    accepts_gzip: bool,
    range: Option<String>,
}

impl Client {
    pub(crate) fn new(clock: Clock, tls: TlsClient) -> Self {
        Self { clock, tls, connection: None }
    }

    /// Whose time the answers have.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// The answer, whatever its status, or in a few words why there is none.
    pub(crate) async fn fetch(&mut self, request: &Request) -> Result<Response, String> {
        let sent_at = self.clock.now().uptime;
        let target = Target::parse(request)?;
        let (status, headers, body) = timeout(ANSWER, self.exchange(&target, request.max_bytes))
            .await
            .unwrap_or_else(|_| Err(format!("no whole answer within {} s", ANSWER.as_secs())))?;
        let received_at = self.clock.now().uptime;
        Ok(Response { status, headers: named(&headers), body, sent_at, received_at })
    }

    async fn exchange(
        &mut self,
        target: &Target,
        max_bytes: usize,
    ) -> Result<(u16, HeaderMap, Bytes), String> {
        let (connection, answer) = self.send(target).await?;
        let (head, body) = answer.into_parts();
        let body = read_body(body, max_bytes).await?;
        // Only now: a connection with half an answer is of no use.
        self.connection = Some(connection);
        Ok((head.status.as_u16(), head.headers, body))
    }

    async fn send(
        &mut self,
        target: &Target,
    ) -> Result<(Connection, hyper::Response<Incoming>), String> {
        let kept = self.connection.take().filter(|kept| kept.origin == target.origin);
        // The server may have closed a kept one at any time: a GET may be sent twice.
        if let Some(mut connection) = kept
            && let Ok(answer) = connection.send(target).await
        {
            return Ok((connection, answer));
        }
        let mut connection = Connection::open(target, &self.tls).await?;
        let answer = connection.send(target).await?;
        Ok((connection, answer))
    }
}

impl Connection {
    async fn open(target: &Target, tls: &TlsClient) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| {
            format!("cannot connect to {}: {error}", target.authority)
        };
        let socket = target.origin.connect(tls).await.map_err(|error| told(&error))?;
        let (sender, connection) =
            handshake(TokioIo::new(socket)).await.map_err(|error| told(&error))?;
        // It ends with the sender; what it fails with, the request fails with, too.
        tokio::spawn(connection);
        Ok(Self { origin: target.origin.clone(), sender })
    }

    async fn send(&mut self, target: &Target) -> Result<hyper::Response<Incoming>, String> {
        let request = target.request()?;
        let no_answer = |error| format!("no answer: {}", in_full(&error));
        self.sender.ready().await.map_err(no_answer)?;
        self.sender.send_request(request).await.map_err(no_answer)
    }
}

impl Origin {
    async fn connect(&self, tls: &TlsClient) -> io::Result<Socket<TcpStream>> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await?;
        match self.scheme {
            Scheme::Http => Ok(Socket::Plain(socket)),
            Scheme::Https => tls.connect(&self.host, socket).await,
        }
    }
}

impl Target {
    fn parse(request: &Request) -> Result<Self, String> {
        let url = &request.url;
        let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| format!("{url}: there is no host"))?;
        let (scheme, default_port) = match uri.scheme_str() {
            Some("https") => (Scheme::Https, 443),
            _ => (Scheme::Http, 80),
        };
        let (port, authority) = match uri.port_u16() {
            Some(port) => (port, format!("{host}:{port}")),
            None => (default_port, host.to_owned()),
        };
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self {
            origin: Origin { scheme, host, port },
            authority,
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            accepts_gzip: request.kind == RequestKind::Playlist,
            range: request.range.map(|range| {
                let last = range.start.saturating_add(range.bytes).saturating_sub(1);
                format!("bytes={}-{last}", range.start)
            }),
        })
    }

    fn request(&self) -> Result<hyper::Request<String>, String> {
        let mut request = hyper::Request::get(&self.path)
            .header(HOST, &self.authority)
            .header(USER_AGENT, OURSELVES)
            .header(ORIGIN, OTHER_SITE);
        if self.accepts_gzip {
            request = request.header(ACCEPT_ENCODING, "gzip");
        }
        if let Some(range) = &self.range {
            request = request.header(RANGE, range);
        }
        request.body(String::new()).map_err(|error| error.to_string())
    }
}

/// A body to its end, if that comes soon enough.
pub(crate) async fn read_body(mut body: Incoming, max_bytes: usize) -> Result<Bytes, String> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|error| {
            format!("the answer breaks off after {} bytes: {}", bytes.len(), in_full(&error))
        })?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if bytes.len() > max_bytes {
            return Err(format!("the answer has more than {max_bytes} bytes"));
        }
    }
    Ok(bytes.freeze())
}

fn named(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect()
}

/// hyper's errors say the reason only in what they come from.
fn in_full(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::thread::{JoinHandle, spawn};

    use super::*;

    /// Accepts as many connections as there are lists of answers, and gives these; the heads of the
    /// requests.
    fn origin(connections: Vec<Vec<&'static str>>) -> (SocketAddr, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let serve = move || {
            let mut heads = Vec::new();
            for answers in connections {
                let (mut socket, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(socket.try_clone().unwrap());
                for answer in answers {
                    let mut head = String::new();
                    while !head.ends_with("\r\n\r\n") {
                        assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
                    }
                    heads.push(head);
                    socket.write_all(answer.as_bytes()).unwrap();
                }
            }
            heads
        };
        (addr, spawn(serve))
    }

    fn fetch_all(requests: &[Request]) -> Vec<Result<Response, String>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = Client::new(Clock::start(), TlsClient::new(None, &[]).unwrap());
            let mut responses = Vec::new();
            for request in requests {
                responses.push(client.fetch(request).await);
            }
            responses
        })
    }

    fn request(addr: SocketAddr, path: &str, kind: RequestKind) -> Request {
        Request { url: format!("http://{addr}{path}"), kind, range: None, max_bytes: 10 }
    }

    const OK: &str = "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\nhi";

    #[test]
    fn a_connection_is_used_again_and_bodies_come_as_they_were_sent() {
        let gzip = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x0b!";
        let (addr, heads) = origin(vec![vec![gzip, OK]]);
        let answers = fetch_all(&[
            request(addr, "/a?b=c", RequestKind::Playlist),
            Request {
                range: Some(check::ByteRange { start: 100, bytes: 2 }),
                ..request(addr, "/d.ts", RequestKind::Segment)
            },
        ]);
        let [Ok(redirect), Ok(segment)] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!((redirect.status, &redirect.body[..]), (302, b"\x1f\x0b!".as_slice()));
        assert!(redirect.headers.contains(&("location".to_owned(), "/b".to_owned())));
        assert_eq!((segment.status, &segment.body[..]), (200, b"hi".as_slice()));
        assert!(segment.sent_at >= redirect.received_at);
        let heads = heads.join().unwrap();
        assert!(heads[0].starts_with("GET /a?b=c HTTP/1.1\r\n"), "{}", heads[0]);
        assert!(heads[0].contains(&format!("host: {addr}\r\n")), "{}", heads[0]);
        let range = "range: bytes=100-101\r\n";
        assert!(!heads[0].contains("range:") && heads[1].contains(range), "{heads:?}");
        let gzip = "accept-encoding: gzip";
        assert!(heads[0].contains(gzip) && !heads[1].contains(gzip), "{heads:?}");
    }

    #[test]
    fn a_kept_connection_that_was_closed_is_replaced() {
        let (addr, heads) = origin(vec![vec![OK], vec![OK]]);
        let requests =
            [request(addr, "/", RequestKind::Segment), request(addr, "/", RequestKind::Segment)];
        assert!(fetch_all(&requests).iter().all(Result::is_ok));
        assert_eq!(heads.join().unwrap().len(), 2);
    }

    #[test]
    fn what_is_wrong_with_an_answer_is_said() {
        for (answer, words) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world", "more than 10 bytes"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "breaks off after 5 bytes"),
            ("RTMP\r\n\r\n", "no answer"),
            ("", "no answer"),
        ] {
            let (addr, heads) = origin(vec![vec![answer]]);
            let answers = fetch_all(&[request(addr, "/", RequestKind::Segment)]);
            let error = answers[0].as_ref().unwrap_err();
            assert!(error.contains(words), "{answer:?}: {error}");
            heads.join().unwrap();
        }
    }

    #[test]
    fn urls_are_taken_apart() {
        let target = |url: &str| {
            let url = url.to_owned();
            Target::parse(&Request { url, kind: RequestKind::Segment, range: None, max_bytes: 1 })
        };
        let parts = |url| target(url).map(|t| (t.origin, t.authority, t.path)).unwrap();
        let of = |scheme, host: &str, port, authority: &str, path: &str| {
            let origin = Origin { scheme, host: host.to_owned(), port };
            (origin, authority.to_owned(), path.to_owned())
        };
        let (http, https) = (Scheme::Http, Scheme::Https);
        assert_eq!(parts("http://h"), of(http, "h", 80, "h", "/"));
        assert_eq!(parts("http://[::1]:81/a?b"), of(http, "::1", 81, "[::1]:81", "/a?b"));
        assert_eq!(parts("http://me:secret@h/x"), of(http, "h", 80, "h", "/x"));
        assert_eq!(parts("HTTPS://h/x"), of(https, "h", 443, "h", "/x"));
        assert_eq!(parts("https://h:80/x"), of(https, "h", 80, "h:80", "/x"));
        assert!(target("http://h/a b").is_err());
    }
}
