//! The viewers' and the operator's port over real sockets, with streams made up.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use hls::{Container, Cut, GridMode, GridState, Lookup, Numbering, Segment, Span};
use pipeline::{Package, RenditionInfo};
use rtmp::{StreamKey, StreamName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::publication::Slot;
use crate::registry::{Admission, Naming, PublishAttempt};
use crate::shared::Shared;
use crate::{AdminAccess, Config, Limits, SecretDigest, ViewerSecret, admin, http, http_listener};

const SEGMENT_BYTES: usize = 188 * 5;

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(crate) struct Site {
    pub(crate) shared: Arc<Shared>,
    addr: SocketAddr,
}

impl Site {
    pub(crate) async fn viewers() -> Self {
        Self::new(Limits::default(), http::router).await
    }

    async fn operator() -> Self {
        Self::new(Limits::default(), admin::router).await
    }

    async fn new(limits: Limits, router: impl FnOnce(Arc<Shared>) -> Router) -> Self {
        Self::with(Config { current_manifest: true, ..Config::default() }, limits, router).await
    }

    pub(crate) async fn with(
        config: Config,
        limits: Limits,
        router: impl FnOnce(Arc<Shared>) -> Router,
    ) -> Self {
        let connections = limits.http_connections;
        let shared = Shared::new(&config, limits);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let router = router(Arc::clone(&shared));
        let places = http_listener::places(&shared, connections);
        let run = http_listener::run(listener, None, router, places, Arc::clone(&shared));
        tokio::spawn(run);
        Self { shared, addr }
    }

    /// A stream with two segments of `source`, numbers from `first` on, that has just ended: who
    /// asks for its playlist need not wait for more.
    pub(crate) fn publish(&self, name: &str) -> (Admission, u64) {
        self.publish_two_segments(name, true)
    }

    pub(crate) fn publish_two_segments(&self, name: &str, ended: bool) -> (Admission, u64) {
        let attempt = PublishAttempt {
            name: Some(StreamName::parse(name).unwrap()),
            naming: Naming::Chosen,
            key: Some(StreamKey::new("hunter2")),
            peer: SocketAddr::from(([192, 0, 2, 7], 5000)),
        };
        let admission = self.shared.registry().publish(attempt, self.shared.clock.now()).unwrap();
        let first = admission.publication.next_sequence();
        admission.publication.set_grid(grid(first + 2, false));
        for number in 0..2 {
            let data = (0..SEGMENT_BYTES).map(|at| at as u8 ^ number).collect();
            push_segment(&admission, first + u64::from(number), data);
        }
        admission.publication.note_impossible(Slot::Ladder(0));
        if ended {
            admission.publication.end();
        }
        (admission, first)
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[&str]) -> Response {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
        );
        parse(&self.raw(request.as_bytes()).await)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send("GET", path, &[]).await
    }

    /// Sends bytes and returns all that comes back.
    async fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut socket = TcpStream::connect(self.addr).await.unwrap();
        socket.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // A server that closes on a request it has not read whole resets the connection.
        let _ = socket.read_to_end(&mut answer).await;
        answer
    }
}

fn grid(next_sequence: u64, own_grid: bool) -> GridState {
    let numbering = Numbering::from_first(next_sequence);
    let mode = Some(GridMode { target_duration_secs: 4, own_grid });
    GridState { mode, source: numbering, ladder: numbering }
}

fn span(sequence: u64) -> Span {
    let cut = Cut {
        sequence,
        discontinuity_sequence: 0,
        discontinuity: false,
        at: media::Timestamp::ZERO,
        unix_ms: 0,
    };
    Span { cut, duration: media::Duration::from_secs(4) }
}

const TS: Container = Container::MpegTs;

fn info(size: (u32, u32)) -> RenditionInfo {
    RenditionInfo {
        codecs: "avc1.64001f,mp4a.40.2".into(),
        resolution: Some(size),
        frame_rate: Some(29.97),
        init: Bytes::new(),
    }
}

pub(crate) fn push_segment(publisher: &Admission, sequence: u64, data: Vec<u8>) {
    let segment = Segment { span: span(sequence), data: data.into() };
    publisher.publication.publish_segment(Slot::Source, segment, &info((1280, 720)), true);
}

fn parse(answer: &[u8]) -> Response {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let (status_line, fields) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
    let headers = fields.lines().filter_map(|line| line.split_once(": "));
    let headers =
        headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Response { status, headers, body: answer[end + 4..].to_vec() }
}

#[tokio::test]
async fn a_media_playlist_has_the_contracts_headers() {
    let site = Site::viewers().await;
    let (_publisher, first) = site.publish("cam");
    let response = site.get("/stream/cam/source.m3u8").await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), "application/vnd.apple.mpegurl");
    assert_eq!(response.header("content-length"), response.body.len().to_string());
    assert_eq!(response.header("access-control-allow-origin"), "*");
    assert_eq!(response.header("cache-control"), "max-age=2", "half of the target duration");
    assert_eq!(response.header("vary"), "Accept-Encoding");
    assert!(response.header("etag").starts_with('"'));
    assert_eq!(response.header("content-encoding"), "");
    let end = format!("/stream/cam/source/{}.ts\n#EXT-X-ENDLIST\n", first + 1);
    assert!(response.text().ends_with(&end), "{}", response.text());
}

/// A stream that nobody watches is kept once, as it came.
#[tokio::test]
async fn the_source_is_written_when_somebody_asks_for_it_and_once() {
    let site = Site::viewers().await;
    let (publisher, first) = site.publish("cam");
    let publication = &publisher.publication;
    for sequence in first + 2..first + 5 {
        let span = span(sequence);
        let package = Package { span, video: None, audio: None, samples: Vec::new() };
        publication.publish_package(Slot::Source, package);
    }
    let lookup =
        |sequence| publication.view().rendition("source").unwrap().snapshot.segment(TS, sequence);
    assert_eq!(lookup(first + 3), Lookup::NotWritten);
    let bytes = publication.view().rendition("source").unwrap().published_bytes;
    assert!(bytes > 2 * SEGMENT_BYTES as u64, "they count all the same");

    let path = format!("/stream/cam/source/{}.ts", first + 3);
    let response = site.get(&path).await;
    assert_eq!((response.status, response.body[0]), (200, 0x47));
    assert_eq!(lookup(first + 3), Lookup::Made(response.body.clone().into()));
    assert_eq!(site.get(&path).await.body, response.body);
    let written = |sequence| publication.written(Slot::Source, sequence, TS);
    assert_eq!(written(first + 3).unwrap(), response.body, "who came too late");
    assert_eq!(lookup(first + 4), Lookup::NotWritten, "that one nobody has asked for");
    assert_eq!(written(first + 9), None);
}

/// A package of a second without tracks, behind the segments that the site has.
fn empty_package(sequence: u64) -> Package {
    Package { span: span(sequence), video: None, audio: None, samples: Vec::new() }
}

#[tokio::test]
async fn a_segment_is_fragmented_mp4_behind_its_section_for_those_who_ask_for_that() {
    let site = Site::viewers().await;
    let (publisher, first) = site.publish("cam");
    for sequence in first + 2..first + 9 {
        publisher.publication.publish_package(Slot::Source, empty_package(sequence));
    }
    let index = site.get("/stream/cam/cmaf/index.m3u8").await;
    assert!(index.text().starts_with("#EXTM3U\n#EXT-X-VERSION:7\n"), "{}", index.text());
    assert!(index.text().ends_with("\nsource.m3u8\n"), "{}", index.text());
    let playlist = site.get("/stream/cam/cmaf/source.m3u8").await;
    assert_eq!(playlist.header("content-type"), "application/vnd.apple.mpegurl");
    let text = playlist.text();
    let (_, map) = text.split_once("#EXT-X-MAP:URI=\"").expect("a section");
    assert_eq!(text.matches("#EXT-X-MAP").count(), 1, "the same for all: {text}");
    let (map, _) = map.split_once('"').unwrap();
    let files = [map.to_owned(), format!("source/{}.m4s", first + 5)];
    for (path, begins) in files.iter().zip([b"ftyp", b"moof"]) {
        let path = format!("/stream/cam/cmaf/{path}");
        let whole = site.get(&path).await;
        assert_eq!((whole.status, &whole.body[4..8]), (200, &begins[..]), "{path}");
        assert_eq!(whole.header("content-type"), "video/mp4");
        assert_eq!(whole.header("cache-control"), "public, max-age=3600, immutable");
        assert_eq!(whole.header("access-control-allow-origin"), "*");
        let same = format!("If-None-Match: {}", whole.header("etag"));
        assert_eq!(site.send("GET", &path, &[&same]).await.status, 304);
        let part = site.send("GET", &path, &["Range: bytes=4-7"]).await;
        assert_eq!((part.status, &part.body[..]), (206, &begins[..]));
    }
    // Neither container is written for who asks for the other.
    let snapshot = &publisher.publication.view().rendition("source").unwrap().snapshot.clone();
    let lookup = |container| snapshot.segment(container, first + 5);
    assert!(matches!(lookup(Container::FragmentedMp4), Lookup::Made(_)));
    assert_eq!(lookup(TS), Lookup::NotWritten);
    for path in [
        "/stream/cam/cmaf/source/0000000000000001.mp4".to_owned(),
        "/stream/cam/cmaf/nothing.m3u8".to_owned(),
        "/stream/nothing/cmaf/index.m3u8".to_owned(),
        format!("/stream/cam/cmaf/source/{}.m4s", first + 99),
        format!("/stream/cam/cmaf/source/{first}.m4s"),
    ] {
        assert_eq!(site.get(&path).await.status, 404, "{path}");
    }
}

/// A stream whose publisher has only just come has nothing to list.
#[tokio::test]
async fn a_playlist_that_is_not_there_is_not_counted_as_served() {
    let site = Site::viewers().await;
    let attempt = PublishAttempt {
        name: Some(StreamName::parse("cam").unwrap()),
        naming: Naming::Chosen,
        key: None,
        peer: SocketAddr::from(([192, 0, 2, 7], 5000)),
    };
    let _admission = site.shared.registry().publish(attempt, site.shared.clock.now()).unwrap();
    for path in ["/stream/cam.m3u8", "/stream/cam/source.m3u8", "/stream/current.m3u8"] {
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
    let metrics = &site.shared.metrics;
    assert_eq!((metrics.http_playlists.value(), metrics.http_not_found.value()), (0, 3));
    site.publish("other");
    assert_eq!(site.get("/stream/other.m3u8").await.status, 200);
    assert_eq!(metrics.http_playlists.value(), 1);
}

#[tokio::test]
async fn the_multivariant_playlist_also_as_current() {
    let site = Site::viewers().await;
    assert_eq!(site.get("/stream/current.m3u8").await.status, 404);
    let _publisher = site.publish("cam");
    let named = site.get("/stream/cam.m3u8").await;
    let current = site.get("/stream/current.m3u8").await;
    assert_eq!((named.status, current.status), (200, 200));
    assert_eq!(named.body, current.body);
    assert!(named.text().contains("FRAME-RATE=29.970\ncam/source.m3u8\n"), "{}", named.text());
    assert_eq!(named.header("vary"), "Accept-Encoding, Save-Data");
    for low in [
        site.send("GET", "/stream/cam.m3u8", &["Save-Data: on"]).await,
        site.get("/stream/cam.m3u8?data=low").await,
    ] {
        assert_eq!(low.status, 200);
        assert_eq!(low.body, named.body, "source is all there is");
    }
}

#[tokio::test]
async fn a_playlist_is_gzipped_for_those_who_take_it_and_has_a_tag_per_encoding() {
    let site = Site::viewers().await;
    let _publisher = site.publish("cam");
    let path = "/stream/cam/source.m3u8";
    let plain = site.get(path).await;
    let gzip = site.send("GET", path, &["Accept-Encoding: br, gzip"]).await;
    assert_eq!(gzip.header("content-encoding"), "gzip");
    assert_eq!(gzip.body[..2], [0x1f, 0x8b], "RFC 1952 magic");
    assert_eq!(gzip.header("content-length"), gzip.body.len().to_string());
    assert_ne!(gzip.header("etag"), plain.header("etag"));
    let refused = site.send("GET", path, &["Accept-Encoding: gzip;q=0"]).await;
    assert_eq!(refused.body, plain.body);

    let same = format!("If-None-Match: {}", gzip.header("etag"));
    let not_modified = site.send("GET", path, &["Accept-Encoding: gzip", &same]).await;
    assert_eq!((not_modified.status, not_modified.body.len()), (304, 0));
    assert_eq!(not_modified.header("etag"), gzip.header("etag"));
    assert_eq!(not_modified.header("cache-control"), "max-age=2");
    assert_eq!(not_modified.header("vary"), "Accept-Encoding");
    assert_eq!(not_modified.header("content-encoding"), "");
    assert_eq!(
        site.send("GET", path, &[&same]).await.status,
        200,
        "the plain one is another representation"
    );
}

#[tokio::test]
async fn a_segment_is_immutable_and_served_in_parts() {
    let site = Site::viewers().await;
    let (_publisher, first) = site.publish("cam");
    let path = format!("/stream/cam/source/{first}.ts");
    let whole = site.get(&path).await;
    assert_eq!((whole.status, whole.body.len()), (200, SEGMENT_BYTES));
    assert_eq!(whole.header("content-type"), "video/mp2t");
    assert_eq!(whole.header("cache-control"), "public, max-age=3600, immutable");
    assert_eq!(whole.header("accept-ranges"), "bytes");

    let part = site.send("GET", &path, &["Range: bytes=188-375"]).await;
    assert_eq!((part.status, part.header("content-range")), (206, "bytes 188-375/940"));
    assert_eq!(part.body, whole.body[188..376]);
    assert_eq!(part.header("content-length"), "188");
    let several = site.send("GET", &path, &["Range: bytes=0-1,5-6"]).await;
    assert_eq!((several.status, several.body.len()), (200, SEGMENT_BYTES));
    let past = site.send("GET", &path, &["Range: bytes=940-"]).await;
    assert_eq!((past.status, past.header("content-range")), (416, "bytes */940"));
    assert_eq!(past.header("cache-control"), "no-store");
    assert_eq!(past.header("access-control-allow-origin"), "*");

    let same = format!("If-None-Match: {}", whole.header("etag"));
    let not_modified = site.send("GET", &path, &[&same, "Range: bytes=0-1"]).await;
    assert_eq!((not_modified.status, not_modified.body.len()), (304, 0));
    let other = site.get(&format!("/stream/cam/source/{}.ts", first + 1)).await;
    assert_ne!(other.header("etag"), whole.header("etag"));
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let site = Site::viewers().await;
    let (_publisher, first) = site.publish("cam");
    for path in [
        "/stream/cam.m3u8".into(),
        "/stream/cam/source.m3u8".into(),
        format!("/stream/cam/source/{first}.ts"),
        "/healthz".into(),
    ] {
        let (get, head) = (site.get(&path).await, site.send("HEAD", &path, &[]).await);
        assert!(head.body.is_empty(), "{path}");
        let without_date = |mut headers: BTreeMap<String, String>| {
            headers.remove("date");
            headers
        };
        assert_eq!(without_date(head.headers), without_date(get.headers), "{path}");
    }
}

#[tokio::test]
async fn other_methods_and_preflights() {
    let site = Site::viewers().await;
    let _publisher = site.publish("cam");
    for path in ["/stream/cam.m3u8", "/stream/cam/source.m3u8", "/nothing", "/healthz"] {
        let asked = "authorization,cmcd-session,range,x-playback-session-id";
        let asks = format!("Access-Control-Request-Headers: {asked}");
        let preflight = site.send("OPTIONS", path, &["Origin: http://player", &asks]).await;
        assert_eq!((preflight.status, preflight.body.len()), (204, 0), "{path}");
        assert_eq!(preflight.header("access-control-allow-origin"), "*");
        assert!(!preflight.headers.contains_key("access-control-allow-credentials"));
        assert_eq!(preflight.header("access-control-allow-headers"), asked);
        assert_eq!(preflight.header("access-control-allow-methods"), "GET, HEAD, OPTIONS");
        for method in ["POST", "PUT", "DELETE", "PATCH", "FOO"] {
            let refused = site.send(method, path, &["Content-Length: 0"]).await;
            assert_eq!(
                (refused.status, refused.header("allow")),
                (405, "GET, HEAD, OPTIONS"),
                "{method} {path}"
            );
            assert_eq!(refused.header("access-control-allow-origin"), "*");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_404_uncached_and_readable_elsewhere() {
    let site = Site::viewers().await;
    let (_publisher, first) = site.publish("cam");
    let attempt = PublishAttempt {
        name: Some(StreamName::parse("silent").unwrap()),
        naming: Naming::Chosen,
        key: None,
        peer: SocketAddr::from(([192, 0, 2, 7], 5001)),
    };
    let _silent = site.shared.registry().publish(attempt, site.shared.clock.now()).unwrap();
    let paths = [
        "/watch/".into(),
        "/watch/cam/other".into(),
        "/stream/cam".into(),
        "/stream/other.m3u8".into(),
        "/stream/silent.m3u8".into(),
        "/stream/silent/source.m3u8".into(),
        "/stream/cam/P144p30fps16x9.m3u8".into(),
        format!("/stream/cam/source/{}.ts", first + 2),
        format!("/stream/cam/source/{}.ts", first - 1),
        format!("/stream/cam/source/0{first}.ts"),
        "/stream/cam/source/1.ts?x=1".into(),
        "/stream/../stream/cam.m3u8".into(),
        "/stream/%63am.m3u8".into(),
        "/stream/cam%00.m3u8".into(),
        "/stream//cam.m3u8".into(),
        "//stream/cam.m3u8".into(),
        "/stream/%2e%2e/%2e%2e/etc/passwd".into(),
        "/stream/%ff%fe.m3u8".into(),
        format!("/stream/{}.m3u8", "a".repeat(10_000)),
    ];
    for path in paths {
        let response = site.get(&path).await;
        assert_eq!(response.status, 404, "{path}");
        assert_eq!(response.header("cache-control"), "no-store", "{path}");
        assert_eq!(response.header("access-control-allow-origin"), "*", "{path}");
    }
    assert_eq!(site.get("/stream/cam.m3u8?t=1").await.status, 200, "a query is ignored");
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused() {
    let site = Site::viewers().await;
    let _publisher = site.publish("cam");
    let long =
        format!("GET /stream/cam.m3u8 HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "a".repeat(20_000));
    let many: String = (0..100).map(|n| format!("X-{n}: 1\r\n")).collect();
    let many = format!("GET /stream/cam.m3u8 HTTP/1.1\r\nHost: h\r\n{many}\r\n");
    let requests: [&[u8]; 6] = [
        b"GET /stream/cam\0.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /stream/\xff.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /stream/c am.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"\x03\x00\x00\x00\x00\x00\x00\x00\x00 rtmp\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ];
    for request in requests {
        let answer = site.raw(request).await;
        let status = if answer.is_empty() { 0 } else { parse(&answer).status };
        let shown = String::from_utf8_lossy(&request[..request.len().min(40)]);
        assert!([0, 400, 404, 414, 431].contains(&status), "{status} for {shown:?}");
    }
    assert_eq!(site.get("/stream/cam.m3u8").await.status, 200, "others do not notice");
}

/// Request smuggling: what a proxy in front takes for the body of a request must not be answered as
/// another one.
#[tokio::test]
async fn a_body_is_never_a_request() {
    let site = Site::viewers().await;
    let inner = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    let length = format!("Content-Length: {}", inner.len());
    let chunk = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    let chunked = "Transfer-Encoding: chunked";
    let requests = [
        ("GET", vec![&length[..]], inner.to_owned()),
        ("HEAD", vec![&length], inner.to_owned()),
        ("OPTIONS", vec![&length], inner.to_owned()),
        ("POST", vec![&length], inner.to_owned()),
        ("GET", vec![chunked], chunk.clone()),
        ("GET", vec!["Content-Length: 3", chunked], chunk.clone()),
        ("POST", vec!["Content-Length: 3", chunked], chunk),
        ("GET", vec!["Content-Length: 0", &length], inner.to_owned()),
        ("GET", vec!["Content-Length: +0"], inner.to_owned()),
        ("GET", vec!["Transfer-Encoding: xchunked"], inner.to_owned()),
        ("GET", vec!["Transfer-Encoding: chunked, identity"], inner.to_owned()),
        ("GET", vec!["Content-Length : 0"], inner.to_owned()),
    ];
    for (method, fields, body) in requests {
        let head =
            format!("{method} /healthz HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n", fields.join("\r\n"));
        let last = "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        let answer = site.raw(format!("{head}{body}{last}").as_bytes()).await;
        let answers = String::from_utf8_lossy(&answer).matches("HTTP/1.1 ").count();
        assert!((1..=2).contains(&answers), "{method} {fields:?}: {answers} answers");
        let smuggled = site.shared.metrics.http_not_found.value();
        assert_eq!(smuggled, 0, "{method} {fields:?}");
    }
}

#[tokio::test]
async fn several_requests_share_a_connection() {
    let site = Site::viewers().await;
    let _publisher = site.publish("cam");
    let one = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
    let last = "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let answer = site.raw(format!("{one}{one}{last}").as_bytes()).await;
    assert_eq!(String::from_utf8_lossy(&answer).matches("HTTP/1.1 200 OK").count(), 3);
    assert!(answer.ends_with(b"ok"));
}

#[tokio::test]
async fn connections_over_the_limit_are_refused_with_503() {
    let site = Site::new(Limits { http_connections: 1, ..Limits::default() }, http::router).await;
    let mut first = TcpStream::connect(site.addr).await.unwrap();
    first.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();
    assert_eq!(site.get("/healthz").await.status, 503);
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn a_viewer_that_says_nothing_or_takes_nothing_is_let_go() {
    let limits = Limits {
        http_head: Duration::from_millis(50),
        http_write: Duration::from_millis(50),
        ..Limits::default()
    };
    let site = Site::new(limits, http::router).await;
    let answer = site.raw(b"GET /healthz HT").await;
    assert!(answer.is_empty() || parse(&answer).status == 408, "half a request");

    let answer = site.raw(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(answer.ends_with(b"ok"), "and no second request");

    let (publisher, first) = site.publish("cam");
    push_segment(&publisher, first + 2, vec![0; 32 << 20]);
    let mut socket = TcpStream::connect(site.addr).await.unwrap();
    let request = format!("GET /stream/cam/source/{}.ts HTTP/1.1\r\nHost: h\r\n\r\n", first + 2);
    socket.write_all(request.as_bytes()).await.unwrap();
    // Nothing is read until the server has given up; then less than the whole is there.
    while site.shared.metrics.http_stalled_connections.value() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut taken = Vec::new();
    let _ = socket.read_to_end(&mut taken).await;
    assert!(taken.len() < 32 << 20, "{}", taken.len());
}

/// It takes a little all the time, and would keep the segment in memory for as long as it likes.
#[tokio::test]
async fn a_viewer_that_takes_a_segment_too_slowly_is_let_go() {
    let limits = Limits {
        http_segment_target_durations: 0,
        http_write: Duration::from_secs(3600),
        ..Limits::default()
    };
    let site = Site::new(limits, http::router).await;
    let (publisher, first) = site.publish("cam");
    let small = site.get(&format!("/stream/cam/source/{first}.ts")).await;
    assert_eq!(small.body.len(), SEGMENT_BYTES, "what the socket takes at once is in time");
    push_segment(&publisher, first + 2, vec![0; 32 << 20]);
    let mut socket = TcpStream::connect(site.addr).await.unwrap();
    let request = format!("GET /stream/cam/source/{}.ts HTTP/1.1\r\nHost: h\r\n\r\n", first + 2);
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut taken = 0;
    while site.shared.metrics.http_stalled_connections.value() == 0 {
        taken += socket.read(&mut [0; 100]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(taken < 32 << 20, "{taken}");
}

#[tokio::test]
async fn a_first_request_has_less_time_than_the_next() {
    let limits = Limits {
        http_first_head: Duration::from_millis(100),
        http_head: Duration::from_secs(3600),
        ..Limits::default()
    };
    let site = Site::new(limits, http::router).await;
    assert!(site.raw(b"").await.is_empty(), "nothing is said");
    assert!(site.raw(b"GET /healthz HT").await.is_empty(), "half a request");
    let mut slow = TcpStream::connect(site.addr).await.unwrap();
    let mut sent = 0;
    // A byte now and then does not help.
    while slow.write_all(b"A").await.is_ok() {
        sent += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(sent < 100, "{sent}");

    let request = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut viewer = TcpStream::connect(site.addr).await.unwrap();
    for _ in 0..2 {
        viewer.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nok") {
            assert_ne!(viewer.read_buf(&mut answer).await.unwrap(), 0, "closed");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn status_has_go_livepeers_manifests_and_no_keys() {
    let site = Site::operator().await;
    let (publisher, first) = site.publish("cam");
    publisher.session.heard(4321);
    let response = site.get("/status").await;
    assert_eq!((response.status, response.header("content-type")), (200, "application/json"));
    assert!(!response.text().contains("hunter2"));
    let status: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let variant = &status["Manifests"]["cam"]["Variants"][0];
    assert_eq!(variant["URI"], "cam/source.m3u8");
    assert_eq!(variant["Resolution"], "1280x720");
    assert_eq!(variant["Chunklist"]["SeqNo"], first);
    assert_eq!(
        variant["Chunklist"]["Segments"][1]["URI"],
        format!("/stream/cam/source/{}.ts", first + 1)
    );
    assert_eq!(variant["Chunklist"]["Segments"][1]["Duration"], 4.0);
    let stream = &status["streams"][0];
    assert_eq!((&stream["name"], &stream["state"]), (&"cam".into(), &"live".into()));
    assert_eq!(
        (&stream["publisher"], &stream["received_bytes"]),
        (&"192.0.2.7:5000".into(), &4321.into())
    );
    assert_eq!(stream["renditions"][0]["published_segments"], 2);
}

#[tokio::test]
async fn status_and_metrics_say_what_is_wrong_with_what_the_publisher_sends() {
    let site = Site::operator().await;
    let (publisher, _) = site.publish("cam");
    publisher.publication.update_reception(|reception| {
        reception.keyframes = pipeline::Keyframes {
            interval: Some(media::Duration::from_millis(8_333)),
            too_seldom: true,
        };
        let track = flv::TagKind::Audio;
        let why = pipeline::MessageError::Empty;
        let skipped = pipeline::SkippedMessage { track, timestamp_ms: 40, why };
        reception.note(&pipeline::Notice::Skipped(skipped));
        reception.note(&pipeline::Notice::NoKeyframe);
    });
    let status: serde_json::Value =
        serde_json::from_slice(&site.get("/status").await.body).unwrap();
    let stream = &status["streams"][0];
    assert_eq!(stream["keyframe_interval_ms"], 8_333);
    assert_eq!(
        stream["advice"][0],
        "keyframes come too seldom (the last two were 8.3 s apart): set a keyframe interval of 2 s in the encoder"
    );
    assert_eq!(stream["malformed_messages"], 1);
    let response = site.get("/metrics").await;
    let metrics = response.text();
    assert!(metrics.contains("\nfeathercast_stream_malformed_messages_total{stream=\"cam\"} 1\n"));
    assert!(metrics.contains("\nfeathercast_stream_timestamp_jumps_total{stream=\"cam\"} 0\n"));
}

#[tokio::test]
async fn case_15_case_16_case_18_status_says_what_is_wrong_and_what_to_set() {
    let site = Site::operator().await;
    let (publisher, first) = site.publish("cam");
    publisher.publication.set_grid(grid(9, true));
    let small = Segment { span: span(first), data: vec![0; SEGMENT_BYTES].into() };
    publisher.publication.publish_segment(Slot::Ladder(0), small, &info((256, 144)), true);
    publisher.publication.update_reception(|reception| {
        let why = pipeline::AudioRefusal::Codec(flv::AudioCodec::Id(11));
        reception.note(&pipeline::Notice::UnsupportedAudio(why));
        reception.note(&pipeline::Notice::DamagedAudio(1));
        reception.note(&pipeline::Notice::DamagedAudio(2));
    });
    let status: serde_json::Value =
        serde_json::from_slice(&site.get("/status").await.body).unwrap();
    let advice = status["streams"][0]["advice"].as_array().unwrap();
    let has = |words: &[&str]| {
        let is_it = |text: &str| words.iter().all(|word| text.contains(word));
        assert!(advice.iter().any(|text| is_it(text.as_str().unwrap())), "{words:?}: {advice:?}");
    };
    has(&["keyframe interval of 2 s"]);
    has(&["cam.m3u8 lists the renditions without source", "/stream/cam/source.m3u8"]);
    has(&["audio is left out", "Speex", "set the audio encoder to AAC"]);
    has(&["audio is damaged (3 frames", "try another audio encoder"]);
}

#[tokio::test]
async fn who_once_made_source_and_ladder_be_cut_apart_is_told_what_to_set_from_then_on() {
    let site = Site::operator().await;
    let (publisher, _) = site.publish("cam");
    let advice = async || {
        let body = site.get("/status").await.body;
        let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
        status["streams"][0]["advice"].clone()
    };
    publisher.publication.set_grid(grid(9, false));
    assert_eq!(advice().await, serde_json::json!([]));
    publisher.publication.set_grid(grid(9, true));
    let told = advice().await;
    assert!(told[0].as_str().unwrap().contains("keyframe interval of 2 s"), "{told}");
    // Another publisher of the stream goes on with its grid.
    publisher.publication.begin_session();
    assert_eq!(advice().await, told);
}

#[tokio::test]
async fn metrics_are_prometheus_text_and_have_no_keys() {
    let site = Site::operator().await;
    let _publisher = site.publish("cam");
    let response = site.get("/metrics").await;
    assert_eq!(response.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text();
    assert!(text.contains("\nfeathercast_stream_live{stream=\"cam\"} 1\n"));
    assert!(text.contains(
        "\nfeathercast_rendition_segments_total{stream=\"cam\",rendition=\"source\"} 2\n"
    ));
    assert!(!text.contains("hunter2") && !text.contains("192.0.2.7"));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        // The parts of a histogram go by its name.
        let name = name.trim_end_matches("_bucket").trim_end_matches("_sum");
        let name = name.trim_end_matches("_count");
        assert!(text.contains(&format!("# TYPE {name} ")), "{line}");
    }
}

#[tokio::test]
async fn the_operators_port_answers_to_addresses_and_localhost_only() {
    let site = Site::operator().await;
    let own = ["localhost", "LocalHost:7935", "127.0.0.1:7935", "192.0.2.7", "[::1]:7935", "[::1]"];
    let foreign = [
        "evil.example",
        "evil.example:7935",
        "127.0.0.1.evil.example",
        "localhost.evil",
        "",
        "[evil]",
        "[::1",
        "[::1].evil.example",
        "[::1]evil",
        "[::1]:7935.evil",
        "localhost:evil",
        "127.0.0.1:7935.evil",
        "prometheus",
    ];
    let requests = own.map(|host| (host, 200)).into_iter().chain(foreign.map(|host| (host, 403)));
    for (host, status) in requests {
        for path in ["/healthz", "/status", "/metrics"] {
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let answer = site.raw(request.as_bytes()).await;
            assert_eq!(parse(&answer).status, status, "{host:?} {path}");
        }
    }
    let twice =
        b"GET /status HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nConnection: close\r\n\r\n";
    assert_eq!(parse(&site.raw(twice).await).status, 403);
}

#[tokio::test]
async fn the_operators_port_answers_to_the_names_it_is_told() {
    let admin = AdminAccess { hosts: vec!["prometheus".into(), "a.example".into()], token: None };
    let config = Config { admin, ..Config::default() };
    let site = Site::with(config, Limits::default(), admin::router).await;
    for (host, status) in [
        ("prometheus", 200),
        ("Prometheus:7935", 200),
        ("a.example", 200),
        ("b.a.example", 403),
        ("prometheus.evil", 403),
        ("prometheus:7935.evil", 403),
        ("[prometheus]", 403),
    ] {
        let request = format!("GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(parse(&site.raw(request.as_bytes()).await).status, status, "{host}");
    }
    // A whole URL in the request line counts as the Host field does.
    let absolute =
        b"GET http://evil/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(parse(&site.raw(absolute).await).status, 403);
}

const TOKEN: &str = "0123456789abcdef";

async fn operator_with_token(limits: Limits) -> Site {
    let admin = AdminAccess { token: Some(SecretDigest::of(TOKEN)), ..AdminAccess::default() };
    Site::with(Config { admin, ..Config::default() }, limits, admin::router).await
}

#[tokio::test]
async fn with_a_token_the_operators_port_answers_to_who_has_it() {
    // Nobody waits in this test.
    let limits = Limits { free_guesses: u32::MAX, ..Limits::default() };
    let site = operator_with_token(limits).await;
    let (_publisher, _) = site.publish("cam");
    let bearer = format!("Authorization: Bearer {TOKEN}");
    for path in ["/status", "/metrics"] {
        let refused = site.get(path).await;
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, "Bearer"), "{path}");
        for wrong in
            ["Bearer", "Bearer ", "Bearer 0123456789abcdeF", &format!("Basic {TOKEN}"), TOKEN]
        {
            let refused = site.send("GET", path, &[&format!("Authorization: {wrong}")]).await;
            assert_eq!(refused.status, 401, "{path} {wrong}");
            assert!(!refused.text().contains("cam") && !refused.text().contains(TOKEN));
        }
        assert_eq!(site.send("GET", path, &[&bearer]).await.status, 200, "{path}");
        let lower_case = bearer.replace("Bearer", "bearer");
        assert_eq!(site.send("GET", path, &[&lower_case]).await.status, 200, "{path}");
    }
    let kick = ["Content-Length: 0", &bearer];
    assert_eq!(site.send("POST", "/streams/cam/kick", &kick[..1]).await.status, 401);
    assert_eq!(site.send("POST", "/streams/cam/kick", &kick).await.status, 200);
    assert_eq!(site.get("/healthz").await.text(), "ok", "that it is there is no secret");
    assert_eq!(site.shared.metrics.wrong_secrets.value(), 2, "one that is missing is no guess");
}

#[tokio::test]
async fn who_guesses_the_token_waits() {
    let hour = Duration::from_secs(3600);
    let limits = Limits { free_guesses: 1, guess_pause: (hour, hour), ..Limits::default() };
    let site = operator_with_token(limits).await;
    assert_eq!(site.send("GET", "/status", &["Authorization: Bearer wrong"]).await.status, 401);
    let request =
        format!("GET /status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    let mut waiting = TcpStream::connect(site.addr).await.unwrap();
    waiting.write_all(request.as_bytes()).await.unwrap();
    // Requests behind it are answered, and it is not, not even with the right token.
    for _ in 0..10 {
        assert_eq!(site.get("/healthz").await.status, 200);
        assert_eq!(site.get("/status").await.status, 401);
    }
    let mut waiting = waiting.into_std().unwrap();
    let nothing_yet = std::io::Read::read(&mut waiting, &mut [0; 1]).unwrap_err();
    assert_eq!(nothing_yet.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn kick_is_for_the_operator_only() {
    let site = Site::operator().await;
    let (publisher, _) = site.publish("cam");
    let kick = "/streams/cam/kick";
    assert_eq!(
        site.send("POST", kick, &["Content-Length: 0", "Origin: http://evil"]).await.status,
        403
    );
    for (site_field, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 404)] {
        let headers = ["Content-Length: 0", &format!("Sec-Fetch-Site: {site_field}")];
        let response = site.send("POST", "/streams/other/kick", &headers).await;
        assert_eq!(response.status, status, "{site_field}");
    }
    assert_eq!(site.get(kick).await.status, 405);
    assert_eq!(site.send("POST", "/streams/other/kick", &["Content-Length: 0"]).await.status, 404);
    assert_eq!(site.send("POST", "/streams/%2e%2e/kick", &["Content-Length: 0"]).await.status, 404);
    for time in ["", "soon", "0s", "-1s"] {
        let path = format!("{kick}?ban={time}");
        assert_eq!(site.send("POST", &path, &["Content-Length: 0"]).await.status, 400, "{time}");
    }
    let banned = site.send("POST", "/streams/other/kick?ban=10m", &["Content-Length: 0"]).await;
    assert_eq!(banned.status, 404);
    let banned = site.send("POST", "/streams/cam/kick?ban=10m", &["Content-Length: 0"]).await;
    assert_eq!((banned.status, banned.text()), (200, "banned\n"));
    let again = PublishAttempt {
        name: None,
        naming: Naming::Chosen,
        key: None,
        peer: SocketAddr::from(([192, 0, 2, 7], 6000)),
    };
    let now = site.shared.clock.now();
    assert_eq!(site.shared.registry().publish(again, now).unwrap_err(), rtmp::Refusal::Banned);
    assert_eq!(site.send("POST", kick, &["Content-Length: 0"]).await.status, 200);
    assert_eq!(publisher.session.stop_signal().received().await, crate::StopReason::Kicked);
    assert_eq!(site.get("/healthz").await.text(), "ok");
    assert_eq!(site.get("/stream/cam.m3u8").await.status, 404, "viewers have another port");
}

const SECRET: &str = "fedcba9876543210";

/// A site whose viewers need tokens, and one for `cam` that is good for a minute.
pub(crate) async fn viewers_with_tokens() -> (Site, String) {
    let secret = ViewerSecret::new(SECRET).unwrap();
    let config =
        Config { viewer_secret: Some(secret.clone()), current_manifest: true, ..Config::default() };
    let site = Site::with(config, Limits::default(), http::router).await;
    let until = site.shared.clock.now().unix_secs() + 60;
    let token = secret.token(&StreamName::parse("cam").unwrap(), until);
    (site, token)
}

/// What a playlist lists.
fn uris(response: &Response) -> Vec<String> {
    response.text().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_token_leads_from_the_multivariant_playlist_to_the_segments() {
    let (site, token) = viewers_with_tokens().await;
    let (_publisher, first) = site.publish("cam");
    let multivariant = site.get(&format!("/stream/cam.m3u8?token={token}")).await;
    assert_eq!(multivariant.status, 200);
    assert_eq!(multivariant.header("cache-control"), "private, max-age=2");
    assert_eq!(multivariant.header("content-length"), multivariant.body.len().to_string());
    assert_eq!(uris(&multivariant), [format!("cam/source.m3u8?token={token}")]);
    let current = site.get(&format!("/stream/current.m3u8?token={token}")).await;
    assert_eq!(current.body, multivariant.body);

    let playlist = site.get(&format!("/stream/{}", uris(&multivariant)[0])).await;
    assert_eq!((playlist.status, playlist.header("cache-control")), (200, "private, max-age=2"));
    assert!(!playlist.text().contains(&token), "it is the same for everybody");
    let listed = uris(&playlist);
    assert_eq!(listed.len(), 2);
    for (number, uri) in (first..).zip(&listed) {
        assert!(uri.starts_with(&format!("/stream/cam/source/{number}.ts?tag=")), "{uri}");
        let segment = site.get(uri).await;
        assert_eq!((segment.status, segment.body.len()), (200, SEGMENT_BYTES), "{uri}");
        assert!(segment.header("cache-control").starts_with("public"));
        // hls.js puts its own behind it.
        assert_eq!(site.get(&format!("{uri}&CMCD=bl%3D2000")).await.status, 200);
    }
}

#[tokio::test]
async fn a_token_leads_to_fragmented_mp4_and_its_section_too() {
    let (site, token) = viewers_with_tokens().await;
    let (publisher, first) = site.publish("cam");
    for sequence in first + 2..first + 9 {
        publisher.publication.publish_package(Slot::Source, empty_package(sequence));
    }
    let index = site.get(&format!("/stream/cam/cmaf/index.m3u8?token={token}")).await;
    assert_eq!(uris(&index), [format!("source.m3u8?token={token}")]);
    let playlist = site.get(&format!("/stream/cam/cmaf/{}", uris(&index)[0])).await;
    assert!(!playlist.text().contains(&token), "it is the same for everybody");
    let (_, map) = playlist.text().split_once("#EXT-X-MAP:URI=\"").unwrap();
    let (map, _) = map.split_once('"').unwrap();
    let last = uris(&playlist).pop().unwrap();
    for uri in [map, &last] {
        let (path, _) = uri.split_once("?tag=").expect("a tag");
        assert_eq!(site.get(&format!("/stream/cam/cmaf/{uri}")).await.status, 200, "{uri}");
        for query in [String::new(), format!("?token={token}"), "?tag=0".into()] {
            let status = site.get(&format!("/stream/cam/cmaf/{path}{query}")).await.status;
            assert_eq!(status, 404, "{path}{query}");
        }
    }
}

#[tokio::test]
async fn without_a_token_there_is_no_playlist_and_no_word_of_which_streams_there_are() {
    let (site, token) = viewers_with_tokens().await;
    let (_publisher, first) = site.publish("cam");
    let _other = site.publish("door");
    let cam = StreamName::parse("cam").unwrap();
    let over = ViewerSecret::new(SECRET).unwrap().token(&cam, 1_795_300_000);
    let forged = token.replace('-', "-0");
    for query in
        ["", "?token=", "?token", "?tag=1", &format!("?token={over}"), &format!("?token={forged}")]
    {
        for path in [
            "/stream/cam.m3u8",
            "/stream/cam/source.m3u8",
            "/stream/cam/cmaf/index.m3u8",
            "/stream/cam/cmaf/source.m3u8",
            "/stream/current.m3u8",
            "/stream/nobody.m3u8",
        ] {
            let refused = site.get(&format!("{path}{query}")).await;
            assert_eq!(
                (refused.status, refused.header("cache-control")),
                (403, "no-store"),
                "{path}{query}"
            );
            assert_eq!(refused.header("access-control-allow-origin"), "*", "pages can read why");
        }
    }
    // One stream's token is no other's, and tokens open no segments.
    for path in ["/stream/door.m3u8", "/stream/door/source.m3u8"] {
        assert_eq!(site.get(&format!("{path}?token={token}")).await.status, 403, "{path}");
    }
    let playlist = site.get(&format!("/stream/cam/source.m3u8?token={token}")).await;
    let (_, tag) = uris(&playlist)[0]
        .split_once("?tag=")
        .map(|(uri, tag)| (uri.to_owned(), tag.to_owned()))
        .unwrap();
    for query in [String::new(), "?tag=".into(), format!("?token={token}"), format!("?tag={tag}0")]
    {
        let path = format!("/stream/cam/source/{first}.ts{query}");
        assert_eq!(site.get(&path).await.status, 404, "{path}");
    }
    let next = format!("/stream/cam/source/{}.ts?tag={tag}", first + 1);
    assert_eq!(site.get(&next).await.status, 404, "a tag is one segment's");
    assert_eq!(site.get(&format!("/stream/cam/source/{first}.ts?tag={tag}")).await.status, 200);
    assert_eq!(site.shared.metrics.http_playlists.value(), 1);
}

#[tokio::test]
async fn who_comes_when_as_many_watch_as_may_is_told_to_come_again() {
    let config = Config { viewers_max: Some(2), ..Config::default() };
    let site = Site::with(config, Limits::default(), http::router).await;
    let (_publisher, first) = site.publish("cam");
    let watch = async |player: &str, path: &str| {
        site.send("GET", path, &[&format!("User-Agent: {player}")]).await
    };
    let playlist = "/stream/cam/source.m3u8";
    assert_eq!(watch("a", "/stream/cam.m3u8").await.status, 200);
    assert_eq!(watch("a", playlist).await.status, 200);
    assert_eq!(watch("b", playlist).await.status, 200);
    for path in ["/stream/cam.m3u8", playlist] {
        let refused = watch("c", path).await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, "10"), "{path}");
        assert_eq!(refused.header("cache-control"), "no-store");
        assert!(refused.text().contains("as many are watching"), "{}", refused.text());
    }
    assert_eq!(watch("c", "/stream/nobody/source.m3u8").await.status, 404);
    for player in ["a", "b"] {
        assert_eq!(watch(player, playlist).await.status, 200, "{player} goes on");
    }
    let segment = format!("/stream/cam/source/{first}.ts");
    assert_eq!(watch("c", &segment).await.status, 200, "segments are for who has a playlist");
    assert_eq!(site.shared.metrics.http_too_many_viewers.value(), 2);
}
