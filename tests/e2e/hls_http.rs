//! The HTTP half of the contract: headers, conditions, ranges, encodings, refusals.

use std::process::{Command, Stdio};

use crate::support::http::{self, Response};
use crate::support::publisher::Publisher;
use crate::support::recording::{Recording, record};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::{ffmpeg, judge, playlist};

const P144: &str = "P144p30fps16x9";
const MULTIVARIANT: &str = "/stream/a.m3u8";
const PLAYLIST: &str = "/stream/a/P144p30fps16x9.m3u8";

/// A stream of ten seconds that has ended: it is served, unchanged, for a minute.
fn ended() -> (Server, Scratch, Vec<Recording>) {
    let (server, scratch) =
        (Server::with(&["--current-manifest", "--renditions", "P144p30fps16x9"]), Scratch::new());
    let line = "-f lavfi -i testsrc2=size=320x180:rate=30:duration=10 -f lavfi -i sine=duration=10 -threads 1 -c:v libx264 \
        -preset ultrafast -g 60 -pix_fmt yuv420p -c:a aac";
    let file = ffmpeg::encode(&scratch, line);
    Publisher::file(&server, "a", &file).succeed();
    let all_ended = |recordings: &[Recording]| recordings.iter().all(Recording::has_ended);
    let recordings = record(&server, "a", &[P144, "source"], all_ended);
    (server, scratch, recordings)
}

fn assert_cors(response: &Response) {
    assert_eq!(response.header("access-control-allow-origin"), Some("*"), "{response:?}");
}

/// The seconds of `max-age`.
fn max_age(response: &Response) -> u64 {
    let value = response.header("cache-control").expect("Cache-Control");
    let age = value.split(',').find_map(|part| part.trim().strip_prefix("max-age="));
    age.and_then(|age| age.parse().ok()).unwrap_or_else(|| panic!("max-age in {value}"))
}

/// By gzip(1).
fn gunzip(scratch: &Scratch, data: &[u8]) -> Vec<u8> {
    let file = std::fs::File::open(scratch.write("body.gz", data)).expect("the file");
    let output =
        Command::new("gzip").arg("-dc").stdin(Stdio::from(file)).output().expect("gzip(1)");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn a_stream_that_ended_is_served_by_the_contract() {
    let (server, scratch, recordings) = ended();
    ended_playlists_are_whole(&server, &scratch, &recordings);
    for path in [MULTIVARIANT, PLAYLIST, "/stream/a/source.m3u8"] {
        playlist_headers(&server, path);
        conditions(&server, path);
        gzip(&server, &scratch, path);
    }
    let segment = format!("/stream/a/{P144}/{}.ts", recordings[0].segments[1].sequence);
    segment_headers(&server, &segment);
    conditions(&server, &segment);
    ranges(&server, &segment);
    what_is_not_there(&server, &recordings[0]);
    assert_eq!(server.get("/stream/current.m3u8").status, 404, "no stream is live");
}

/// The last, partial segment is there, and ffprobe reads the stream over HTTP to its end.
fn ended_playlists_are_whole(server: &Server, scratch: &Scratch, recordings: &[Recording]) {
    for recording in recordings {
        let durations: Vec<_> = recording.segments.iter().map(|segment| segment.duration).collect();
        assert_eq!(durations, [2.0; 5]);
        let judged = judge::rendition(recording, scratch);
        let url = format!("http://{}/stream/a/{}.m3u8", server.http, recording.rendition);
        let over_http = ffmpeg::probe(&url);
        judge::assert_same_times(
            &over_http.video.expect("video").pts,
            judged.video_pts(),
            1e-4,
            "over HTTP",
        );
    }
    let multivariant = playlist::multivariant(server.get(MULTIVARIANT).text());
    assert!(multivariant.independent_segments);
    assert_eq!(multivariant.variants.len(), 2);
}

fn playlist_headers(server: &Server, path: &str) {
    let response = server.get(path);
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("application/vnd.apple.mpegurl"));
    assert_eq!(response.header("content-length"), Some(response.body.len().to_string().as_str()));
    let varies =
        if path == MULTIVARIANT { "Accept-Encoding, Save-Data" } else { "Accept-Encoding" };
    assert_eq!(response.header("vary"), Some(varies), "{path}");
    assert_eq!(response.header("content-encoding"), None, "not asked for");
    assert!(max_age(&response) <= 1, "at most half the target duration of 2 s: {response:?}");
    assert_cors(&response);
    let with_query = server.get(&format!("{path}?token=x&y"));
    assert_eq!(
        (with_query.status, with_query.body),
        (200, response.body),
        "a query changes nothing"
    );
}

fn segment_headers(server: &Server, path: &str) {
    let response = server.get(path);
    assert_eq!((response.status, response.header("content-type")), (200, Some("video/mp2t")));
    assert_eq!(response.header("content-length"), Some(response.body.len().to_string().as_str()));
    assert_eq!(response.header("cache-control"), Some("public, max-age=3600, immutable"));
    assert_eq!(response.header("accept-ranges"), Some("bytes"));
    assert_cors(&response);
    let exposed = response.header("access-control-expose-headers");
    assert_eq!(exposed, Some("Content-Length, Content-Range"));
    let asked = http::request(server.http, "GET", path, &[("Accept-Encoding", "gzip")]);
    assert_eq!(
        (asked.header("content-encoding"), &asked.body),
        (None, &response.body),
        "a segment is dense enough"
    );
}

/// HEAD, OPTIONS, other methods, and 304.
fn conditions(server: &Server, path: &str) {
    let get = server.get(path);
    let head = http::request(server.http, "HEAD", path, &[]);
    assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    for name in ["content-type", "content-length", "etag", "cache-control"] {
        assert_eq!(head.header(name), get.header(name), "{name} of {path}");
    }
    let etag = get.header("etag").expect("an ETag");
    for value in
        [etag.to_owned(), format!("\"other\", {etag}"), format!("W/{etag}"), "*".to_owned()]
    {
        let unchanged = http::request(server.http, "GET", path, &[("If-None-Match", &value)]);
        assert_eq!((unchanged.status, unchanged.body.len()), (304, 0), "{path} with {value}");
        assert_eq!(unchanged.header("etag"), Some(etag));
        assert_cors(&unchanged);
    }
    let changed = http::request(server.http, "GET", path, &[("If-None-Match", "\"other\"")]);
    assert_eq!((changed.status, changed.body), (200, get.body));
    let options =
        http::request(server.http, "OPTIONS", path, &[("Access-Control-Request-Headers", "range")]);
    assert_eq!(options.status, 204);
    assert_eq!(options.header("access-control-allow-headers"), Some("range"), "what was asked for");
    assert_cors(&options);
    let post = http::request(server.http, "POST", path, &[("Content-Length", "0")]);
    assert_eq!(post.status, 405, "{path}");
    assert_cors(&post);
}

fn gzip(server: &Server, scratch: &Scratch, path: &str) {
    let plain = server.get(path);
    let zipped =
        http::request(server.http, "GET", path, &[("Accept-Encoding", "deflate, gzip;q=0.8")]);
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert_eq!(zipped.header("vary"), plain.header("vary"));
    assert_eq!(gunzip(scratch, &zipped.body), plain.body);
    let etag = zipped.header("etag").expect("an ETag");
    assert_ne!(Some(etag), plain.header("etag"), "one ETag per encoding");
    let fields = [("Accept-Encoding", "gzip"), ("If-None-Match", etag)];
    assert_eq!(http::request(server.http, "GET", path, &fields).status, 304);
    let refused = http::request(server.http, "GET", path, &[("Accept-Encoding", "gzip;q=0")]);
    assert_eq!((refused.header("content-encoding"), &refused.body), (None, &plain.body));
}

fn ranges(server: &Server, path: &str) {
    let whole = server.get(path);
    let size = whole.body.len();
    let get = |range: &str| http::request(server.http, "GET", path, &[("Range", range)]);
    for (range, from, to) in [
        ("bytes=0-187", 0, 187),
        ("bytes=188-", 188, size - 1),
        ("bytes=-376", size - 376, size - 1),
    ] {
        let part = get(range);
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(
            part.header("content-range"),
            Some(format!("bytes {from}-{to}/{size}").as_str())
        );
        assert_eq!(part.body, whole.body[from..=to], "{range}");
        assert_cors(&part);
    }
    let beyond = get(&format!("bytes={size}-"));
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.header("content-range"), Some(format!("bytes */{size}").as_str()));
    let several = get("bytes=0-1,4-5");
    assert_eq!((several.status, several.body.len()), (200, size), "several ranges: the whole");
}

fn what_is_not_there(server: &Server, recording: &Recording) {
    let next = recording.segments.last().expect("segments").sequence + 1;
    let before = recording.segments[0].sequence - 1;
    let paths = [
        "/stream/b.m3u8".to_owned(),
        "/stream/a/P240p30fps16x9.m3u8".to_owned(),
        format!("/stream/a/{P144}/{next}.ts"),
        format!("/stream/a/{P144}/{before}.ts"),
        format!("/stream/a/{P144}/0{}.ts", next - 1),
        "/stream/b/source/1.ts".to_owned(),
        "/watch/a/other".to_owned(),
        "/status".to_owned(),
        "/metrics".to_owned(),
    ];
    for path in paths {
        let response = server.get(&path);
        assert_eq!(
            (response.status, response.header("cache-control")),
            (404, Some("no-store")),
            "{path}"
        );
        assert_cors(&response);
        assert_eq!(http::request(server.http, "HEAD", &path, &[]).status, 404, "{path}");
    }
}

#[test]
fn hostile_requests_are_refused_and_cost_nothing() {
    let mut server = Server::start();
    let long = format!("/stream/{}.m3u8", "a".repeat(10_000));
    let paths = [
        "/stream/../etc/passwd",
        "/stream/../../../../etc/passwd",
        "/stream/%2e%2e/%2e%2e/etc/passwd",
        "/stream/..%2f..%2fetc%2fpasswd",
        "/stream/a%00.m3u8",
        "/stream/%",
        "/stream/%zz.m3u8",
        "//stream/a.m3u8",
        "/stream/a\\..\\b.m3u8",
        "/stream/.m3u8",
        "/stream/a/../a/source.m3u8",
        "/stream/current.m3u8",
        "/stream/a/source/-1.ts",
        "/stream/a/source/18446744073709551616.ts",
        long.as_str(),
    ];
    for path in paths {
        let response = server.get(path);
        assert!(matches!(response.status, 400 | 404), "{path}: {response:?}");
    }
    let endless = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "b".repeat(1 << 20));
    let requests: [&[u8]; 6] = [
        b"GET /stream/a\0.m3u8 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\0\x01\x02\xff\xfe\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        endless.as_bytes(),
    ];
    for request in requests {
        // What never becomes a request waits for the rest of its head: a viewer that says goodbye
        // is enough to end it.
        let answer = match request.ends_with(b"\r\n\r\n") {
            true => http::raw(server.http, request),
            false => Vec::new(),
        };
        let status = answer.get(9..12);
        let refused =
            answer.is_empty() || matches!(status, Some(b"400" | b"404" | b"413" | b"431" | b"505"));
        assert!(
            refused,
            "{:?}: {}",
            &request[..request.len().min(40)],
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(server.get("/healthz").body, b"ok");
    assert!(server.is_running());
    assert!(server.peak_rss_kib() < 32 << 10, "{} KiB", server.peak_rss_kib());
}

#[test]
fn many_requests_go_over_one_connection() {
    let server = Server::start();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", server.http);
    let last =
        format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.http);
    let answer = http::raw(server.http, (request.repeat(9) + &last).as_bytes());
    let text = String::from_utf8_lossy(&answer);
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 10, "{text}");
}
