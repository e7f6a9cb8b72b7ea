//! Bodies of the fuzz targets; the unit tests replay the committed seeds through them.

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use bytes::Bytes;
use hls::Container;
use rtmp::StreamName;
use tokio::io::{AsyncWriteExt, duplex};
use tokio::runtime::Builder;

use crate::clock::Moment;
use crate::http_path;
use crate::http_response::{self as response, Conditions};
use crate::viewer_secret::ViewerSecret;
use crate::webhook::{self, WebhookUrl};

/// What the lines behind the first one are values of, again and again.
const HEADERS: [axum::http::HeaderName; 4] = [RANGE, IF_NONE_MATCH, IF_RANGE, ACCEPT_ENCODING];

/// A segment to ask for.
const SEGMENT_BYTES: usize = 940;

/// The first line is a request target, the others are values of request headers.
///
/// Whatever a path names is written in one way only. Whatever is asked for of a segment is answered
/// with a part that is inside it, and with what was asked for.
pub fn http_request(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    if let Ok(uri) = Uri::try_from(lines.next().unwrap_or_default()) {
        path(uri.path());
    }
    let mut headers = HeaderMap::new();
    for (line, name) in lines.take(16).zip(HEADERS.iter().cycle()) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(name, value);
        }
    }
    for method in [Method::GET, Method::HEAD] {
        segment(Conditions { method: &method, headers: &headers });
    }
}

fn path(path: &str) {
    let Some(resource) = http_path::parse(path) else { return };
    assert_eq!(resource.path(), path);
}

fn segment(request: Conditions<'_>) {
    let data = Bytes::from_static(&[0x47; SEGMENT_BYTES]);
    let answer = response::segment(request, &data, "\"1f\"", Container::MpegTs);
    let length = header(&answer, CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
    match answer.status() {
        StatusCode::OK => assert_eq!(length, Some(SEGMENT_BYTES)),
        StatusCode::PARTIAL_CONTENT => {
            let range = header(&answer, CONTENT_RANGE.as_str()).and_then(content_range);
            let Some(range) = range else { panic!("{:?}", answer.headers()) };
            assert!(!range.is_empty() && *range.end() < SEGMENT_BYTES, "{range:?}");
            assert_eq!(length, Some(range.count()));
            assert!(request.headers.contains_key(RANGE) && request.method == Method::GET);
        }
        StatusCode::NOT_MODIFIED => assert!(request.headers.contains_key(IF_NONE_MATCH)),
        StatusCode::RANGE_NOT_SATISFIABLE => assert!(request.headers.contains_key(RANGE)),
        other => panic!("{other}"),
    }
}

/// The first line is a stream's name, the rest a token: it opens the stream where it is the one
/// that we make for its second, and nowhere else.
pub fn viewer_token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (name, token) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(name) = StreamName::parse(name) else { return };
    let secret = ViewerSecret::new("0123456789abcdef").expect("it is long enough");
    let second = token.split_once('-').and_then(|(second, _)| second.parse().ok());
    let is_ours = second.is_some_and(|second| secret.token(&name, second) == token);
    for unix_secs in [0, 1_795_299_999, 1_795_300_000] {
        let now = Moment { uptime: Duration::ZERO, unix_ms: unix_secs * 1000 };
        let is_over = second.is_none_or(|second| second <= now.unix_secs());
        assert_eq!(secret.admits(&name, token, now), is_ours && !is_over, "{token}");
    }
}

/// All that a webhook says, and then it closes. It ends, and only what says 2xx is one.
pub fn webhook_reply(data: &[u8]) {
    let runtime = Builder::new_current_thread().build().expect("it needs nothing of the system");
    let status = runtime.block_on(async {
        let (ours, mut theirs) = duplex(data.len() + 4096);
        theirs.write_all(data).await.expect("it has the room");
        theirs.shutdown().await.expect("it is open");
        let url = WebhookUrl::parse("http://127.0.0.1/auth").expect("it is one");
        webhook::converse(ours, &url, "{}".to_owned(), None).await
    });
    let says_2xx = |line: &[u8]| line.starts_with(b"HTTP/1.") && line.get(9) == Some(&b'2');
    if status.is_ok_and(|status| status.is_success()) {
        let mut lines = data.split(|byte| matches!(byte, b'\r' | b'\n'));
        assert!(lines.any(says_2xx), "{:?}", data.escape_ascii().to_string());
    }
}

/// `bytes 0-9/940` (RFC 9110 14.4).
fn content_range(text: &str) -> Option<RangeInclusive<usize>> {
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let is_whole = whole.parse() == Ok(SEGMENT_BYTES);
    is_whole.then_some(first.parse().ok()?..=last.parse().ok()?)
}

fn header<'a, T>(answer: &'a Response<T>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_of_server_http_request_hold() {
        testmedia::replay("server_http_request", super::http_request);
    }

    #[test]
    fn seeds_of_server_viewer_token_hold() {
        testmedia::replay("server_viewer_token", super::viewer_token);
    }

    #[test]
    fn seeds_of_server_webhook_reply_hold() {
        testmedia::replay("server_webhook_reply", super::webhook_reply);
    }
}
