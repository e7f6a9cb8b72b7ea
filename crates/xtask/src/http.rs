//! A GET over a plain socket: enough to look at our own server without needing curl.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for the server's next bytes.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A segment of the 10 Mbit/s test signal is about 2.5 MB.
const MAX_RESPONSE_BYTES: u64 = 64 << 20;

/// A response with a complete body.
#[derive(Debug, PartialEq)]
pub(crate) struct Response {
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
}

/// Fetches `path`; the error says what was wrong with the connection or the answer.
pub(crate) fn get(server: SocketAddr, path: &str) -> Result<Response, String> {
    fetch(server, path).map_err(|error| format!("GET http://{server}{path}: {error}"))
}

fn fetch(server: SocketAddr, path: &str) -> Result<Response, String> {
    let told = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect_timeout(&server, TIMEOUT).map_err(told)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(told)?;
    stream.set_write_timeout(Some(TIMEOUT)).map_err(told)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(told)?;
    let mut answer = Vec::new();
    stream.take(MAX_RESPONSE_BYTES).read_to_end(&mut answer).map_err(told)?;
    parse(&answer)
}

fn parse(answer: &[u8]) -> Result<Response, String> {
    let end = answer
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .ok_or("the answer has no end of headers")?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| format!("'{status_line}' is no status line"))?;

    let mut content_type = String::new();
    let mut content_length = None;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        match name.to_ascii_lowercase().as_str() {
            "content-type" => content_type = value.trim().to_owned(),
            "content-length" => content_length = value.trim().parse::<usize>().ok(),
            _ => {}
        }
    }
    let body = answer[end + 4..].to_vec();
    match content_length {
        Some(announced) if announced == body.len() => Ok(Response { status, content_type, body }),
        Some(announced) => {
            Err(format!("the body has {} bytes, Content-Length says {announced}", body.len()))
        }
        None => Err("the answer has no Content-Length".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_answer() {
        let answer =
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\nContent-Type: text/plain\r\n\r\nno\n";
        let expected =
            Response { status: 404, content_type: "text/plain".to_owned(), body: b"no\n".to_vec() };
        assert_eq!(parse(answer), Ok(expected));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (answer, word) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nno\n", "3 bytes"),
            ("HTTP/1.1 200 OK\r\n\r\nno\n", "no Content-Length"),
            ("HTTP/1.1 200 OK\r\n", "end of headers"),
            ("RTMP\r\n\r\n", "status line"),
            ("", "end of headers"),
        ] {
            let error = parse(answer.as_bytes()).unwrap_err();
            assert!(error.contains(word), "{answer:?}: {error}");
        }
    }
}
