//! The pages over real sockets, with streams made up.

use std::net::SocketAddr;

use rtmp::StreamName;
use serde_json::Value;

use crate::http_tests::{Response, Site, push_segment, viewers_with_tokens};
use crate::publication::Slot;
use crate::registry::{Admission, Naming, PublishAttempt};
use crate::{Config, Limits, Pages, http};

/// Everything that a viewer fetches before media, together.
const MAX_PAGE_BYTES: usize = 10_000;

const GZIP: &str = "Accept-Encoding: gzip";

impl Site {
    async fn with_pages(pages: Pages) -> Self {
        Self::with(Config { pages, ..Config::default() }, Limits::default(), http::router).await
    }

    /// A stream that plays; without a name, under one that the server makes up.
    fn go_live(&self, name: Option<&str>) -> Admission {
        let attempt = PublishAttempt {
            name: name.map(|name| StreamName::parse(name).unwrap()),
            naming: Naming::Chosen,
            key: None,
            peer: SocketAddr::from(([192, 0, 2, 7], 5000)),
        };
        let admission = self.shared.registry().publish(attempt, self.shared.clock.now()).unwrap();
        let first = admission.publication.next_sequence();
        push_segment(&admission, first, vec![0; 188]);
        push_segment(&admission, first + 1, vec![0; 188]);
        admission.publication.note_impossible(Slot::Ladder(0));
        admission
    }

    async fn page(&self, path: &str) -> Response {
        let response = self.get(path).await;
        assert_eq!(response.status, 200, "{path}");
        response
    }
}

/// The values of an attribute, in order.
fn attributes<'a>(page: &'a Response, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    let values = page.text().split(&start).skip(1);
    values.map(|rest| rest.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn a_page_weighs_little_and_is_kept_where_it_can_be() {
    let site = Site::viewers().await;
    let _publisher = site.go_live(Some("cam"));
    let page = site.page("/watch/cam").await;
    let mut weight = site.send("GET", "/watch/cam", &[GZIP]).await.body.len();
    let assets: Vec<_> = [attributes(&page, "href"), attributes(&page, "src")].concat();
    let assets = assets.iter().filter_map(|it| it.strip_prefix("../page/"));
    let assets: Vec<_> = assets.map(|it| format!("/page/{it}")).collect();
    assert_eq!(assets.len(), 2, "a style and a script: {assets:?}");
    for path in &assets {
        let asset = site.send("GET", path, &[GZIP]).await;
        assert_eq!((asset.status, asset.header("content-encoding")), (200, "gzip"), "{path}");
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(asset.header("x-content-type-options"), "nosniff");
        weight += asset.body.len();
        let old = site.page(&format!("{}?v=0", path.split('?').next().unwrap())).await;
        assert_eq!(old.header("cache-control"), "no-cache", "another version is not kept");
    }
    assert!(weight <= MAX_PAGE_BYTES, "{weight} bytes");
    let etag = format!("If-None-Match: {}", page.header("etag"));
    assert_eq!(site.send("GET", "/watch/cam", &[&etag]).await.status, 304);
}

#[tokio::test]
async fn pages_may_load_nothing_from_elsewhere_and_only_the_embedded_one_may_be_framed() {
    let site = Site::viewers().await;
    let _publisher = site.go_live(Some("cam"));
    for path in ["/", "/watch/cam", "/watch/nobody", "/watch/cam/embed"] {
        let page = site.page(path).await;
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        let may_be_framed = policy.ends_with("frame-ancestors *");
        assert_eq!(may_be_framed, path.ends_with("embed"), "{policy}");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        let text = page.text();
        assert!(!text.contains("://") && !text.contains("<style") && !text.contains(" style="));
        assert!(!text.contains("<script>") && !text.contains(" onclick"), "{text}");
    }
}

#[tokio::test]
async fn what_is_live_is_listed_for_people_players_and_programs() {
    let site = Site::viewers().await;
    let _publishers = [site.go_live(Some("cam")), site.go_live(Some("b~1.x-y_z"))];
    let (gone, _) = site.publish("silent");
    site.shared.registry().publisher_gone(
        &StreamName::parse("silent").unwrap(),
        &gone.session,
        crate::Departure::Stopped,
        site.shared.clock.now(),
    );
    let made_up = site.go_live(None);
    let list = site.page("/").await;
    let watch: Vec<_> =
        attributes(&list, "href").into_iter().filter(|it| it.starts_with("watch")).collect();
    assert_eq!(watch, ["watch/b~1.x-y_z", "watch/cam"]);
    let thrifty = site.send("GET", "/", &["Save-Data: on"]).await;
    assert!(list.text().contains("poster.jpg") && !thrifty.text().contains("poster.jpg"));
    assert_eq!(list.header("vary"), "Accept-Encoding, Save-Data");

    let channels = site.page("/index.m3u8").await;
    assert_eq!(channels.header("content-type"), "audio/x-mpegurl");
    assert_eq!(
        channels.text(),
        "#EXTM3U\n#EXTINF:-1,b~1.x-y_z\nstream/b~1.x-y_z.m3u8\n#EXTINF:-1,cam\nstream/cam.m3u8\n"
    );
    let streams = site.page("/streams.json").await;
    assert_eq!(streams.header("access-control-allow-origin"), "*");
    let streams: Value = serde_json::from_slice(&streams.body).unwrap();
    assert_eq!(streams["streams"].as_array().unwrap().len(), 2);
    assert_eq!(streams["streams"][1]["playlist"], "stream/cam.m3u8");
    assert_eq!(streams["streams"][1]["choices"][0]["name"], "source");
    // Who knows the name may watch.
    let name = made_up.publication.name();
    assert!(site.page(&format!("/watch/{name}")).await.text().contains("This stream is live."));
}

#[tokio::test]
async fn without_a_script_a_page_plays_by_itself_and_offers_what_there_is() {
    let site = Site::viewers().await;
    let _publisher = site.go_live(Some("cam"));
    let page = site.page("/watch/cam").await;
    assert_eq!(attributes(&page, "src")[0], "../stream/cam.m3u8");
    let offers: Vec<_> =
        attributes(&page, "href").into_iter().filter(|it| it.starts_with('?')).collect();
    assert_eq!(offers, ["?q=source", "?q=stills"]);
    assert!(page.text().contains("Original, 720p, 30 fps, under 1 MB per hour"), "{}", page.text());
    let chosen = site.page("/watch/cam?q=source").await;
    assert_eq!(attributes(&chosen, "src")[0], "../stream/cam/source.m3u8");
    let embedded = site.page("/watch/cam/embed?q=source").await;
    assert_eq!(attributes(&embedded, "src")[0], "../../stream/cam/source.m3u8");
    let stills = site.page("/watch/cam?q=stills").await;
    assert_eq!(attributes(&stills, "src")[0], "../watch/cam/poster.jpg");
    assert!(stills.text().contains("http-equiv=\"refresh\""));
    let thrifty = site.send("GET", "/watch/cam", &["Save-Data: on"]).await;
    assert_eq!(attributes(&thrifty, "src")[0], "../stream/cam/source.m3u8", "the lightest");
    // What is no choice is not repeated.
    let odd = site.page("/watch/cam?q=%22%3E%3Cscript").await;
    assert_eq!(odd.body, page.body);
}

#[tokio::test]
async fn a_page_says_what_a_stream_is_doing() {
    let site = Site::viewers().await;
    let state = async |name: &str| {
        let facts = site.page(&format!("/watch/{name}/stream.json")).await;
        serde_json::from_slice::<Value>(&facts.body).unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state("cam").await, "offline");
    assert!(site.page("/watch/cam").await.text().contains("This stream is offline."));
    assert_eq!(site.get("/watch/cam/poster.jpg").await.status, 404);
    let publisher = site.go_live(Some("cam"));
    assert_eq!(state("cam").await, "live");
    assert_eq!(site.get("/watch/cam/poster.jpg").await.status, 404, "no picture that is one");
    let now = site.shared.clock.now();
    let name = publisher.publication.name();
    site.shared.registry().publisher_gone(
        name,
        &publisher.session,
        crate::Departure::Vanished,
        now,
    );
    assert_eq!(state("cam").await, "away");
    site.shared.registry().end_all(now);
    assert_eq!(state("cam").await, "ended");
}

#[tokio::test]
async fn a_token_opens_one_page_and_is_carried_on_and_nothing_is_listed() {
    let (site, token) = viewers_with_tokens().await;
    let _publishers = [site.go_live(Some("cam")), site.go_live(Some("door"))];
    for path in ["/watch/cam", "/watch/cam/embed", "/watch/nobody", "/watch/door?token=1-2"] {
        let closed = site.get(path).await;
        assert_eq!((closed.status, closed.header("cache-control")), (403, "no-store"), "{path}");
        assert!(closed.text().contains("This stream is not open"), "{path}");
    }
    for path in ["/watch/cam/poster.jpg", "/watch/cam/stream.json"] {
        assert_eq!(site.get(path).await.status, 403, "{path}");
        assert_ne!(site.get(&format!("{path}?token={token}")).await.status, 403, "{path}");
    }
    assert_eq!(site.get(&format!("/watch/door?token={token}")).await.status, 403);
    let page = site.page(&format!("/watch/cam?token={token}")).await;
    assert_eq!(page.header("cache-control"), "private, no-cache");
    assert_eq!(attributes(&page, "src")[0], format!("../stream/cam.m3u8?token={token}"));
    assert!(attributes(&page, "href").contains(&&*format!("?token={token}&amp;q=source")));
    assert!(site.page("/").await.text().contains("does not list"));
    assert_eq!(site.page("/index.m3u8").await.text(), "#EXTM3U\n");
    assert_eq!(site.page("/streams.json").await.text(), "{\"streams\":[]}");
}

#[tokio::test]
async fn pages_and_lists_are_there_as_far_as_they_are_wanted() {
    let site = Site::with_pages(Pages::Unlisted).await;
    let _publisher = site.go_live(Some("cam"));
    assert!(!site.page("/").await.text().contains("cam"));
    assert_eq!(site.page("/index.m3u8").await.text(), "#EXTM3U\n");
    site.page("/watch/cam").await;
    let site = Site::with_pages(Pages::None).await;
    let _publisher = site.go_live(Some("cam"));
    for path in [
        "/",
        "/watch/cam",
        "/watch/cam/poster.jpg",
        "/index.m3u8",
        "/streams.json",
        "/page/watch.js",
    ] {
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
    assert_eq!(site.get("/stream/cam.m3u8").await.status, 200);
}
