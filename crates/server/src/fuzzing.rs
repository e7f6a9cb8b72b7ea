//! Bodies of the fuzz targets; the unit tests replay the committed seeds through them.

use std::ops::RangeInclusive;

use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use bytes::Bytes;

use crate::http_path::{self, Resource};
use crate::http_response::{self as response, Conditions};

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
    let written = match http_path::parse(path) {
        Some(Resource::Current) => "/stream/current.m3u8".to_owned(),
        Some(Resource::Multivariant(name)) => format!("/stream/{name}.m3u8"),
        Some(Resource::Playlist(name, rendition)) => {
            format!("/stream/{}", http_path::variant_uri(&name, rendition))
        }
        Some(Resource::Segment(name, rendition, number)) => {
            format!("{}{number}.ts", http_path::segment_prefix(&name, rendition))
        }
        None => return,
    };
    assert_eq!(written, path);
}

fn segment(request: Conditions<'_>) {
    let data = Bytes::from_static(&[0x47; SEGMENT_BYTES]);
    let answer = response::segment(request, &data, "\"1f\"");
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
}
