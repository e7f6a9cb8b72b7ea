//! A small HTTP/1.1 client that hides nothing: heads as they came, bodies as they came.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A request may wait for what is on its way: a playlist for three target durations of its longest
/// segments.
const PATIENCE: Duration = Duration::from_secs(35);
/// Who asks for nothing in particular waits for this long.
const SILENCE: Duration = Duration::from_secs(10);

/// What a server answered.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a header, by its name in any case; fails the test where the header comes twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "header {name} twice in {:?}", self.headers);
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text body")
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let headers = lines
            .map(|line| {
                line.split_once(':').map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
            })
            .collect::<Option<_>>()?;
        Some(Self { status, headers, body: bytes[end + 4..].to_vec() })
    }
}

/// GET without further headers.
pub(crate) fn get(server: SocketAddr, path: &str) -> Response {
    request(server, "GET", path, &[])
}

/// One request on a connection of its own.
pub(crate) fn request(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let answer = exchange(server, format!("{head}\r\n").as_bytes(), PATIENCE);
    let response = Response::parse(&answer).unwrap_or_else(|| {
        panic!("{method} {path}: no HTTP: {:?}", String::from_utf8_lossy(&answer))
    });
    let length =
        response.header("content-length").map(|value| value.parse::<usize>().expect("a length"));
    assert_eq!(response.header("transfer-encoding"), None, "{method} {path}");
    if method != "HEAD"
        && let Some(length) = length
    {
        assert_eq!(
            response.body.len(),
            length,
            "{method} {path}: the body is as long as its head says"
        );
    }
    response
}

/// Sends bytes as they are; everything that comes back until the server closes, or is silent for
/// ten seconds.
pub(crate) fn raw(server: SocketAddr, request: &[u8]) -> Vec<u8> {
    exchange(server, request, SILENCE)
}

fn exchange(server: SocketAddr, request: &[u8], silence: Duration) -> Vec<u8> {
    let mut socket = TcpStream::connect(server).expect("an HTTP connection");
    socket.set_read_timeout(Some(silence)).expect("a read timeout");
    // A server that refuses early may close before it has read everything.
    let _ = socket.write_all(request);
    let mut answer = Vec::new();
    let mut buffer = [0; 16384];
    while let Ok(bytes @ 1..) = socket.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..bytes]);
    }
    answer
}
