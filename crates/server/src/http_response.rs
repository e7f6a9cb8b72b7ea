//! Responses with the contract's headers, made of playlists and segments. No I/O, no state.

use std::ops::RangeInclusive;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE, RETRY_AFTER, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;
use hls::Container;

/// The methods every path knows.
const ALLOWED_METHODS: &str = "GET, HEAD, OPTIONS";

const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";

/// What segments are. Those of fragmented MP4 are called as the initialization section that they
/// follow: it is what Apple's authoring rules ask for, and some players know no
/// `video/iso.segment`, which is meant for segments that begin with a box of types of their own.
fn media_type(container: Container) -> &'static str {
    match container {
        Container::MpegTs => "video/mp2t",
        Container::FragmentedMp4 => "video/mp4",
    }
}

/// What of a request decides about the response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions<'a> {
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
}

/// Whose copy of a playlist a cache may give out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Anybody may have it.
    Everybody,
    /// It is for who has shown a token.
    OneViewer,
}

impl Audience {
    fn cache_control(self, max_age_secs: u64) -> String {
        match self {
            Self::Everybody => format!("max-age={max_age_secs}"),
            Self::OneViewer => format!("private, max-age={max_age_secs}"),
        }
    }
}

/// A playlist, gzipped where the viewer takes it; a cache may keep it for `max_age_secs`.
pub(crate) fn playlist(
    request: Conditions<'_>,
    body: &hls::Body,
    max_age_secs: u64,
    audience: Audience,
) -> Response<Body> {
    text(request, body, PLAYLIST_TYPE, &audience.cache_control(max_age_secs))
}

/// A text of this type, gzipped where the viewer takes it.
pub(crate) fn text(
    request: Conditions<'_>,
    body: &hls::Body,
    content_type: &'static str,
    cache_control: &str,
) -> Response<Body> {
    let gzip = accepts_gzip(request.headers);
    let etag = if gzip { &body.etag_gzip } else { &body.etag };
    let mut response = if matches_etag(request.headers, etag) {
        status(StatusCode::NOT_MODIFIED)
    } else {
        let data = if gzip { body.gzip() } else { &body.plain };
        with_body(request.method, StatusCode::OK, data.clone(), content_type)
    };
    let headers = response.headers_mut();
    if gzip && headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    insert(headers, ETAG, etag);
    insert(headers, CACHE_CONTROL, cache_control);
    response
}

/// A still.
pub(crate) fn still(method: &Method, jpeg: Bytes, cache_control: &str) -> Response<Body> {
    let mut response = with_body(method, StatusCode::OK, jpeg, "image/jpeg");
    insert(response.headers_mut(), CACHE_CONTROL, cache_control);
    response
}

/// A multivariant playlist: what it lists depends on `Save-Data`, too.
pub(crate) fn multivariant(
    request: Conditions<'_>,
    body: &hls::Body,
    max_age_secs: u64,
) -> Response<Body> {
    let mut response = playlist(request, body, max_age_secs, Audience::Everybody);
    let vary = HeaderValue::from_static("Accept-Encoding, Save-Data");
    response.headers_mut().insert(VARY, vary);
    response
}

/// A playlist that was made for one viewer. It is not compressed: it is short, and read once.
pub(crate) fn personal_playlist(method: &Method, text: Bytes, max_age_secs: u64) -> Response<Body> {
    let mut response = with_body(method, StatusCode::OK, text, PLAYLIST_TYPE);
    let cache_control = Audience::OneViewer.cache_control(max_age_secs);
    insert(response.headers_mut(), CACHE_CONTROL, &cache_control);
    response
}

/// A media segment or an initialization section, or the part of it that is asked for. It never
/// changes: its number is never used again, and a section is called by its content.
pub(crate) fn segment(
    request: Conditions<'_>,
    data: &Bytes,
    etag: &str,
    container: Container,
) -> Response<Body> {
    let mut response = match matches_etag(request.headers, etag) {
        true => status(StatusCode::NOT_MODIFIED),
        false => segment_part(request, data, etag, media_type(container)),
    };
    let headers = response.headers_mut();
    if response_is_cacheable(headers) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600, immutable"));
        insert(headers, ETAG, etag);
    }
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Pages of other origins have to see what part they got. Playlists are read again and again,
    // and come without: browsers show the length unasked.
    let exposed = HeaderValue::from_static("Content-Length, Content-Range");
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response
}

/// Plain text, or nothing but a status, that no cache keeps.
pub(crate) fn uncached(
    request_method: &Method,
    code: StatusCode,
    text: &'static str,
) -> Response<Body> {
    let mut response = with_body(
        request_method,
        code,
        Bytes::from_static(text.as_bytes()),
        "text/plain; charset=utf-8",
    );
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 503: what was asked for is not made yet; who comes again in a second may find it.
pub(crate) fn come_again(method: &Method) -> Response<Body> {
    let text = "the segment is not made yet\n";
    let mut response = uncached(method, StatusCode::SERVICE_UNAVAILABLE, text);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// 503: who watches goes on, and who comes later may find a place.
pub(crate) fn too_many_viewers(method: &Method) -> Response<Body> {
    let text = "as many are watching as this server lets\n";
    let mut response = uncached(method, StatusCode::SERVICE_UNAVAILABLE, text);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
    response
}

/// 403: a token would open it.
pub(crate) fn without_token(method: &Method) -> Response<Body> {
    uncached(method, StatusCode::FORBIDDEN, "the token is missing, wrong or over\n")
}

/// 503: too many of an address ask at once.
pub(crate) fn busy(method: &Method) -> Response<Body> {
    let mut response = uncached(method, StatusCode::SERVICE_UNAVAILABLE, "too many requests\n");
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// 405 with the methods that are allowed.
pub(crate) fn method_not_allowed(method: &Method) -> Response<Body> {
    let mut response = uncached(method, StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(ALLOWED_METHODS));
    response
}

/// The answer to a preflight (Fetch standard 3.2.2): whatever headers are asked for may be sent. No
/// header changes what anybody gets to see, so there is nothing to protect; a list would only stop
/// the ones that nobody thought of (CMCD of hls.js, `X-Playback-Session-Id` of Safari,
/// `Authorization`, which `*` does not stand for).
pub(crate) fn preflight(request_headers: &HeaderMap) -> Response<Body> {
    let mut response = status(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOWED_METHODS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    headers.insert(VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
    for asked in request_headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.append(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    response
}

/// A response of a status alone.
fn status(code: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response
}

fn with_body(
    method: &Method,
    code: StatusCode,
    data: Bytes,
    content_type: &'static str,
) -> Response<Body> {
    let length = data.len();
    let mut response =
        Response::new(if method == Method::HEAD { Body::empty() } else { Body::from(data) });
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn segment_part(
    request: Conditions<'_>,
    data: &Bytes,
    etag: &str,
    media_type: &'static str,
) -> Response<Body> {
    match requested_range(request, data.len(), etag) {
        Requested::Whole => with_body(request.method, StatusCode::OK, data.clone(), media_type),
        Requested::Part(range) => {
            let text = format!("bytes {}-{}/{}", range.start(), range.end(), data.len());
            let mut response = with_body(
                request.method,
                StatusCode::PARTIAL_CONTENT,
                data.slice(range),
                media_type,
            );
            insert(response.headers_mut(), CONTENT_RANGE, &text);
            response
        }
        Requested::Unsatisfiable => {
            let mut response = uncached(
                request.method,
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range not satisfiable\n",
            );
            insert(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", data.len()));
            response
        }
    }
}

/// An answer that already forbids caching keeps that.
fn response_is_cacheable(headers: &HeaderMap) -> bool {
    !headers.contains_key(CACHE_CONTROL)
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Numbers and our own etags are always visible ASCII; were one not, the header is left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Whether `Accept-Encoding` allows gzip (RFC 9110 12.5.3): named (or `*`) with a weight above 0.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut any = None;
    for coding in list(headers, ACCEPT_ENCODING) {
        let mut parameters = coding.split(';').map(str::trim);
        let name = parameters.next().unwrap_or_default();
        let wanted = parameters.find_map(weight).unwrap_or(1.0) > 0.0;
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            return wanted;
        }
        if name == "*" {
            any = Some(wanted);
        }
    }
    any.unwrap_or(false)
}

/// The value of a `q=` parameter; one that is no number counts as 0.
fn weight(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse().unwrap_or(0.0))
}

/// Weak comparison of `If-None-Match` (RFC 9110 13.1.2).
fn matches_etag(headers: &HeaderMap, etag: &str) -> bool {
    list(headers, IF_NONE_MATCH)
        .any(|candidate| candidate == "*" || candidate.trim_start_matches("W/") == etag)
}

/// The elements of a comma-separated header that may come several times. (None of our etags holds a
/// comma.)
fn list(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[derive(Debug, PartialEq, Eq)]
enum Requested {
    Whole,
    Part(RangeInclusive<usize>),
    Unsatisfiable,
}

/// What `Range` asks for (RFC 9110 14.2): one byte range of a GET. Several ranges, other units and
/// bad syntax are ignored, and so is a range whose `If-Range` names another representation.
fn requested_range(request: Conditions<'_>, length: usize, etag: &str) -> Requested {
    let text = |name| request.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (Some(range), true) = (text(RANGE), request.method == Method::GET) else {
        return Requested::Whole;
    };
    if text(IF_RANGE).is_some_and(|condition| condition != etag) {
        return Requested::Whole;
    }
    parse_range(range, length).unwrap_or(Requested::Whole)
}

fn parse_range(header: &str, length: usize) -> Option<Requested> {
    let (unit, range) = header.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    if first.is_empty() {
        return Some(suffix(position(last)?, length));
    }
    let first = position(first)?;
    let last = if last.is_empty() { usize::MAX } else { position(last)? };
    match (first <= last, first < length) {
        (false, _) => None,
        (true, false) => Some(Requested::Unsatisfiable),
        (true, true) => Some(Requested::Part(first..=last.min(length - 1))),
    }
}

fn suffix(wanted: usize, length: usize) -> Requested {
    match wanted.min(length) {
        0 => Requested::Unsatisfiable,
        bytes => Requested::Part(length - bytes..=length - 1),
    }
}

/// Digits only; a number too large for memory is past every end.
fn position(digits: &str) -> Option<usize> {
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn case_13_cors_preflight_allows_what_is_asked_for() {
        let asked = "authorization, cmcd-session, x-playback-session-id";
        let answer = preflight(&headers(ACCESS_CONTROL_REQUEST_HEADERS, asked));
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_HEADERS], asked);
        assert_eq!(answer.headers()[VARY], "Access-Control-Request-Headers");
        let answer = preflight(&HeaderMap::new());
        assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_HEADERS));
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it_rfc_9110_12_5_3() {
        for value in [
            "gzip",
            "deflate, gzip;q=0.5, br",
            "GZIP",
            "*",
            "br;q=1, *;q=0.1",
            "x-gzip",
            "gzip ; q=0.001",
        ] {
            assert!(accepts_gzip(&headers(ACCEPT_ENCODING, value)), "{value}");
        }
        for value in [
            "",
            "identity",
            "gzip;q=0",
            "gzip; Q=0.0",
            "*;q=0",
            "gzip;q=0, *",
            "br, deflate",
            "gzip;q=x",
            "gzipx",
        ] {
            assert!(!accepts_gzip(&headers(ACCEPT_ENCODING, value)), "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn if_none_match_compares_weakly_rfc_9110_13_1_2() {
        for value in ["\"a\"", "W/\"a\"", "\"x\", \"a\"", "*"] {
            assert!(matches_etag(&headers(IF_NONE_MATCH, value), "\"a\""), "{value}");
        }
        for value in ["a", "\"b\"", "", "\"a\"b"] {
            assert!(!matches_etag(&headers(IF_NONE_MATCH, value), "\"a\""), "{value}");
        }
    }

    #[test]
    fn ranges_of_ten_bytes_rfc_9110_14_1_2() {
        let table = [
            ("bytes=0-4", Some(Requested::Part(0..=4))),
            ("bytes=5-", Some(Requested::Part(5..=9))),
            ("bytes=-3", Some(Requested::Part(7..=9))),
            ("bytes=-99", Some(Requested::Part(0..=9))),
            ("bytes=0-99999999999999999999999", Some(Requested::Part(0..=9))),
            ("Bytes = 9-9", Some(Requested::Part(9..=9))),
            ("bytes=10-", Some(Requested::Unsatisfiable)),
            ("bytes=-0", Some(Requested::Unsatisfiable)),
            ("bytes=99999999999999999999999-", Some(Requested::Unsatisfiable)),
            ("bytes=4-0", None),
            ("bytes=0-1,3-4", None),
            ("bytes=", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=+1-2", None),
            ("items=0-4", None),
            ("0-4", None),
        ];
        for (header, expected) in table {
            assert_eq!(parse_range(header, 10), expected, "{header}");
        }
        assert_eq!(
            parse_range("bytes=0-", 0),
            Some(Requested::Unsatisfiable),
            "an empty segment has no range"
        );
    }

    #[test]
    fn if_range_of_another_representation_gives_the_whole_rfc_9110_13_1_5() {
        let mut fields = headers(RANGE, "bytes=0-4");
        let get = |fields: &HeaderMap| {
            requested_range(Conditions { method: &Method::GET, headers: fields }, 10, "\"a\"")
        };
        fields.insert(IF_RANGE, HeaderValue::from_static("\"a\""));
        assert_eq!(get(&fields), Requested::Part(0..=4));
        fields.insert(IF_RANGE, HeaderValue::from_static("W/\"a\""));
        assert_eq!(get(&fields), Requested::Whole, "weak validators never match");
        let head = Conditions { method: &Method::HEAD, headers: &headers(RANGE, "bytes=0-4") };
        assert_eq!(
            requested_range(head, 10, "\"a\""),
            Requested::Whole,
            "Range is defined for GET only"
        );
    }
}
