//! What docs/proxies.md says of nginx and Caddy, with the files that it names.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::thread::{scope, sleep};
use std::time::Duration;

use crate::support::http;
use crate::support::playlist;
use crate::support::proxy::Proxy;
use crate::support::publisher::Publisher;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::wait::Stopwatch;
use crate::support::{ffmpeg, wait};

const VIEWERS: usize = 200;
const RENDITIONS: [&str; 2] = ["source", "P90p10fps16x9"];

/// How often a viewer asks for its playlist: twice as often as players do.
const PERIOD: Duration = Duration::from_secs(1);

/// What a viewer was given.
#[derive(Default)]
struct Watched {
    playlists: usize,
    /// By address, whether nginx had asked for it on this viewer's account.
    segments: BTreeMap<String, bool>,
}

/// Watches by way of nginx until the stream ends: the playlist once a period, each new segment
/// once.
fn watch(nginx: SocketAddr, rendition: &str) -> Watched {
    let mut watched = Watched::default();
    loop {
        let path = format!("/stream/cam/{rendition}.m3u8");
        let answer = http::get(nginx, &path);
        assert_eq!(answer.status, 200, "{path}");
        watched.playlists += 1;
        let listed = playlist::media(answer.text());
        for segment in &listed.segments {
            if watched.segments.contains_key(&segment.uri) {
                continue;
            }
            let answer = http::get(nginx, &segment.uri);
            // A machine that is too slow to make it in time: it is asked for with the next
            // playlist.
            if answer.status == 503 {
                break;
            }
            assert_eq!(answer.status, 200, "{}", segment.uri);
            let is_first = answer.header("x-cache-status") == Some("MISS");
            watched.segments.insert(segment.uri.clone(), is_first);
        }
        if listed.end_list {
            return watched;
        }
        sleep(PERIOD);
    }
}

#[test]
fn nginx_asks_once_for_each_segment_under_200_viewers() {
    let (server, scratch) = (Server::with(&["--renditions", RENDITIONS[1]]), Scratch::new());
    let line = "-f lavfi -i testsrc2=size=320x180:rate=30:duration=12 -f lavfi -i sine=duration=12 -threads 1 \
        -c:v libx264 -preset ultrafast -g 60 -pix_fmt yuv420p -c:a aac";
    let file = ffmpeg::encode(&scratch, line);
    let line = format!("-re -i {} -c copy", file.display());
    let publisher = Publisher::start(&line, &server.url("cam"));
    let proxy = Proxy::nginx(server.http);
    server.get_when_there("/stream/cam.m3u8");
    let asked = |what| server.metric(&format!("feathercast_http_{what}_requests_total"));
    let (playlists, segments) = (asked("playlist"), asked("segment"));
    let time = Stopwatch::start();
    let watched: Vec<Watched> = scope(|scope| {
        let viewer = |number: usize| {
            let rendition = RENDITIONS[number % RENDITIONS.len()];
            scope.spawn(move || watch(proxy.http, rendition))
        };
        let viewers: Vec<_> = (0..VIEWERS).map(viewer).collect();
        viewers.into_iter().map(|viewer| viewer.join().expect("a viewer")).collect()
    });
    publisher.succeed();

    let mut first = BTreeMap::<&str, usize>::new();
    for (uri, is_first) in watched.iter().flat_map(|viewer| &viewer.segments) {
        *first.entry(uri).or_default() += usize::from(*is_first);
    }
    assert!(first.len() >= 10, "six segments of two renditions: {first:?}");
    assert!(first.values().all(|count| *count == 1), "one viewer's request each: {first:?}");
    assert_eq!(asked("segment") - segments, first.len() as f64);
    // A playlist is fresh for a second at least, and asked for by one viewer at a time.
    let most = RENDITIONS.len() as f64 * (time.elapsed().as_secs_f64() + 1.0);
    let playlists = asked("playlist") - playlists;
    assert!(playlists <= most, "{playlists} of {most}");
    let given: usize = watched.iter().map(|viewer| viewer.playlists).sum();
    assert!(given as f64 > playlists, "{given}");
}

/// A stream that has ended, and nobody has watched it.
fn ended(args: &[&str]) -> Server {
    let (server, scratch) = (Server::with(args), Scratch::new());
    let line = "-f lavfi -i testsrc2=size=320x180:rate=30:duration=6 -f lavfi -i sine=duration=6 -threads 1 \
        -c:v libx264 -preset ultrafast -g 60 -pix_fmt yuv420p -c:a aac";
    Publisher::file(&server, "cam", &ffmpeg::encode(&scratch, line)).succeed();
    server.wait_for_state("cam", "ended");
    server
}

/// With room for one viewer, two addresses are told apart through a proxy, over HTTP/2.
fn says_who_a_viewer_is(server: &Server, proxy: &Proxy) {
    let get = |from: &str, rendition: &str, field: &str| {
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--show-error",
            "--http2",
            "--interface",
            from,
            "--header",
            field,
        ]);
        command.args(["--output", "/dev/null", "--write-out", "%{http_code} %{http_version}"]);
        command.arg("--cacert").arg(&proxy.certificate);
        let url = format!("https://{}/stream/cam/{rendition}.m3u8", proxy.https);
        let output = command.arg(url).output().expect("curl(1)");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    assert_eq!(get("127.0.0.2", "source", "A: b"), "200 2");
    // The other rendition, which is in no cache.
    assert_eq!(get("127.0.0.3", "audio", "A: b"), "503 2");
    for pretence in ["X-Forwarded-For: 127.0.0.2", "Forwarded: for=127.0.0.2"] {
        assert_eq!(get("127.0.0.3", "audio", pretence), "503 2", "{pretence}");
    }
    assert_eq!(get("127.0.0.2", "audio", "A: b"), "200 2");
    assert_eq!(server.metric("feathercast_http_too_many_viewers_total"), 3.0);
}

const ONE_VIEWER: [&str; 6] =
    ["--renditions", "audio", "--viewers-max", "1", "--trusted-proxies", "127.0.0.1"];

#[test]
fn nginx_ends_tls_and_says_who_a_viewer_is() {
    let server = ended(&ONE_VIEWER);
    says_who_a_viewer_is(&server, &Proxy::nginx(server.http));
}

#[test]
fn caddy_ends_tls_and_says_who_a_viewer_is() {
    let server = ended(&ONE_VIEWER);
    says_who_a_viewer_is(&server, &Proxy::caddy(server.http));
}

/// Who asks for little data asks for another list, and who takes gzip for another encoding: a cache
/// gives none of them to the others.
#[test]
fn nginx_keeps_the_list_for_little_data_apart() {
    let (server, scratch) = (Server::with(&[]), Scratch::new());
    let line = "-f lavfi -i testsrc2=size=640x360:rate=30:duration=6 -threads 1 -c:v libx264 \
        -preset ultrafast -b:v 3M -g 60 -pix_fmt yuv420p";
    let file = ffmpeg::encode(&scratch, line);
    Publisher::file(&server, "cam", &file).succeed();
    wait::eventually("the stream's end, behind which no rate changes", || {
        let playlist = server.get("/stream/cam/source.m3u8");
        playlist.body.ends_with(b"#EXT-X-ENDLIST\n").then_some(())
    });
    let proxy = Proxy::nginx(server.http);
    let asking: [(&str, &[(&str, &str)]); 5] = [
        ("/stream/cam.m3u8", &[]),
        ("/stream/cam.m3u8?data=low", &[]),
        ("/stream/cam.m3u8", &[("Save-Data", "on")]),
        ("/stream/cam.m3u8", &[("Accept-Encoding", "gzip, br")]),
        ("/stream/cam.m3u8", &[("Accept-Encoding", "br, gzip"), ("Save-Data", "on")]),
    ];
    let direct = asking.map(|(path, fields)| http::request(server.http, "GET", path, fields));
    let lines = |number: usize| direct[number].text().lines().count();
    assert!(lines(1) < lines(0) && direct[1].body == direct[2].body, "{}", direct[1].text());
    for _ in 0..2 {
        for ((path, fields), direct) in asking.iter().zip(&direct) {
            let answer = http::request(proxy.http, "GET", path, fields);
            assert!(answer.body == direct.body, "{path} {fields:?}");
            for name in ["content-encoding", "etag", "vary", "cache-control"] {
                assert_eq!(answer.header(name), direct.header(name), "{path} {fields:?}");
            }
        }
    }
}
