//! The operator's page and what it is made of, over real sockets, with streams made up.

use std::time::Duration;

use serde_json::Value;

use crate::http_tests::{Response, Site};
use crate::publication::Slot;
use crate::warnings::Trouble;
use crate::{AdminAccess, Config, Limits, SecretDigest, admin, http};

const TOKEN: &str = "0123456789abcdef";

/// Everything that a browser fetches before data, together.
const MAX_BYTES: usize = 10_000;

async fn operator() -> Site {
    Site::with(Config::default(), Limits::default(), admin::router).await
}

async fn operator_with_token() -> Site {
    let admin = AdminAccess { token: Some(SecretDigest::of(TOKEN)), ..AdminAccess::default() };
    Site::with(Config { admin, ..Config::default() }, Limits::default(), admin::router).await
}

fn stream_of(status: &Response) -> Value {
    let mut status: Value = serde_json::from_slice(&status.body).unwrap();
    status["streams"][0].take()
}

#[tokio::test]
async fn the_dashboard_is_one_page_of_its_own_and_weighs_little() {
    let site = operator().await;
    let page = site.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
    assert!(policy.ends_with("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    let text = page.text();
    for inline in ["://", "<style", " style=", "<script>", " onclick", " onload"] {
        assert!(!text.contains(inline), "{inline} in {text}");
    }
    let mut weight = site.send("GET", "/", &["Accept-Encoding: gzip"]).await.body.len();
    for (attribute, kind) in [("href", "text/css"), ("src", "text/javascript")] {
        let (_, rest) = text.split_once(&format!(" {attribute}=\"dashboard/")).expect(attribute);
        let path = format!("/dashboard/{}", rest.split('"').next().unwrap());
        let asset = site.send("GET", &path, &["Accept-Encoding: gzip"]).await;
        assert_eq!((asset.status, asset.header("content-encoding")), (200, "gzip"), "{path}");
        assert!(asset.header("content-type").starts_with(kind), "{path}");
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(asset.header("access-control-allow-origin"), "");
        weight += asset.body.len();
    }
    assert!(weight <= MAX_BYTES, "{weight} bytes");
    assert_eq!(site.get("/dashboard/other.js").await.status, 404);
}

#[tokio::test]
async fn the_page_needs_no_token_and_what_it_shows_does() {
    let site = operator_with_token().await;
    let _publisher = site.publish("cam");
    for path in ["/", "/dashboard/style.css", "/dashboard/script.js"] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text().contains(TOKEN), "{path}");
    }
    for path in
        ["/status", "/metrics", "/streams/cam/poster.jpg", "/dashboard", "/dashboard/", "//"]
    {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(!answer.text().contains("cam"), "{path}");
    }
    let bearer = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(site.send("GET", "/status", &[&bearer]).await.status, 200);
    // There is no picture in what the site has made up.
    let poster = site.send("GET", "/streams/cam/poster.jpg", &[&bearer]).await;
    assert_eq!((poster.status, poster.text()), (204, ""));
    for name in ["nobody", "..", "a%2fb"] {
        let path = format!("/streams/{name}/poster.jpg");
        assert_eq!(site.send("GET", &path, &[&bearer]).await.status, 404, "{path}");
    }
}

/// A browser says where a POST is from; only the dashboard itself may send one.
#[tokio::test]
async fn another_page_ends_no_stream() {
    let site = operator().await;
    let (publisher, _) = site.publish("cam");
    let foreign = [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://localhost.evil.example",
        "Origin: http://localhost:8935",
        "Origin: http://127.0.0.1",
        "Origin: ftp://localhost",
        "Origin: localhost",
        "Origin: ",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Origin: http://localhost\r\nOrigin: http://evil.example",
        "Origin: http://localhost\r\nSec-Fetch-Site: same-site",
    ];
    for headers in foreign {
        for query in ["", "?ban=10m"] {
            let path = format!("/streams/cam/kick{query}");
            let answer = site.send("POST", &path, &["Content-Length: 0", headers]).await;
            assert_eq!(answer.status, 403, "{headers:?}");
        }
    }
    assert!(!publisher.session.is_asked_to_stop());
    let own = ["Content-Length: 0", "Origin: http://localhost", "Sec-Fetch-Site: same-origin"];
    let answer = site.send("POST", "/streams/cam/kick", &own).await;
    assert_eq!((answer.status, answer.text()), (200, "kicked\n"));
    assert!(publisher.session.is_asked_to_stop());
    // Where TLS is in front.
    let secure = ["Content-Length: 0", "Origin: https://LOCALHOST"];
    assert_eq!(site.send("POST", "/streams/cam/kick", &secure).await.status, 200);
}

#[tokio::test]
async fn warnings_are_in_words_and_bounded_and_looking_wakes_nothing() {
    let site = operator().await;
    let (publisher, _) = site.publish("cam");
    let publication = &publisher.publication;
    publication.update_reception(|reception| {
        reception.keyframes = pipeline::Keyframes {
            interval: Some(media::Duration::from_secs(10)),
            too_seldom: true,
        };
    });
    for rendition in 0..1_000 {
        let trouble = Trouble::Shed(format!("rendition {rendition}"));
        publication.note_trouble(trouble, site.shared.clock.now());
    }
    let stream = stream_of(&site.get("/status").await);
    let warnings = stream["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    let (now, past) = (&warnings[0], &warnings[1]);
    assert_eq!((&now["kind"], &now["now"]), (&"keyframes_too_seldom".into(), &true.into()));
    assert_eq!(
        now["text"],
        "Your keyframe interval is 10 s: viewers wait that long before they see anything. Set 2 s in OBS > Settings > Output > Keyframe Interval."
    );
    assert_eq!((&past["kind"], &past["times"]), (&"rendition_shed".into(), &1_000.into()));
    assert!(past["text"].as_str().unwrap().contains("rendition 999"), "{past}");
    for path in ["/status", "/metrics", "/", "/streams/cam/poster.jpg"] {
        site.get(path).await;
    }
    let asleep = publication.wakefulness(Slot::Ladder(0)).unwrap();
    assert_eq!((asleep.awake, asleep.last_request, asleep.wake_ups), (false, None, 0));
    let metrics = site.get("/metrics").await;
    assert!(metrics.text().contains("\nfeathercast_stream_warnings{stream=\"cam\"} 1\n"));
}

/// A publisher that vanishes is told of it when it is back.
#[tokio::test]
async fn a_lost_connection_and_silence_are_said() {
    let site = operator().await;
    let (publisher, _) = site.publish("cam");
    let now = site.shared.clock.now();
    publisher.session.heard_nothing(Duration::from_secs(4));
    let silent = stream_of(&site.get("/status").await);
    assert_eq!(silent["warnings"][0]["kind"], "silent", "{silent}");
    let text = silent["warnings"][0]["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("Nothing has come of you for 4 s"), "{text}");
    let name = publisher.publication.name().clone();
    site.shared.registry().publisher_gone(
        &name,
        &publisher.session,
        crate::Departure::Vanished,
        now,
    );
    let gone = stream_of(&site.get("/status").await);
    assert_eq!(gone["warnings"].as_array().map(Vec::len), Some(1), "{gone}");
    assert_eq!(gone["warnings"][0]["kind"], "connection_lost");
}

#[tokio::test]
async fn viewers_and_what_they_were_sent_are_counted_by_rendition() {
    let site = Site::with(Config::default(), Limits::default(), http::router).await;
    let (publisher, first) = site.publish("cam");
    let publication = &publisher.publication;
    let now = || site.shared.clock.now();
    let watch = async |player: &str, path: &str| {
        let response = site.send("GET", path, &[&format!("User-Agent: {player}")]).await;
        assert_eq!(response.status, 200, "{path}");
        response.body.len() as u64
    };
    // To look at what there is is not to watch it.
    watch("probe", "/stream/cam.m3u8").await;
    assert_eq!(publication.viewers(now()), 0);
    let mut sent = 0;
    for player in ["VLC", "hls.js", "VLC"] {
        sent += watch(player, "/stream/cam/source.m3u8").await;
        sent += watch(player, &format!("/stream/cam/source/{first}.ts")).await;
    }
    assert_eq!((publication.viewers(now()), publication.viewers_of(Slot::Source, now())), (2, 2));
    assert_eq!(publication.viewers_of(Slot::Ladder(0), now()), 0);
    let source = publication.counts(Slot::Source).unwrap();
    assert_eq!(source.sent_bytes.value(), sent);
    // Four target durations of 4 s.
    let later = now().after(Duration::from_secs(17));
    assert_eq!(publication.viewers(later), 0);
}
