//! The operator's page, in a browser.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::support::ffmpeg;
use crate::support::publisher::Publisher;
use crate::support::rtmp_client::{Answer, RtmpClient};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::tab::Tab;
use crate::support::wait::{eventually, within};

/// Where the picture of docs/ goes, if somebody wants a new one:
/// `DASHBOARD_PNG=docs/dashboard.png cargo test --test e2e the_dashboard_shows`.
const PNG: &str = "DASHBOARD_PNG";

const TOKEN: &str = "5ecretTokenOfTheOperator";

/// Twenty seconds with a keyframe every ten, as OBS sends them unless it is told otherwise.
fn seldom_keyframes(scratch: &Scratch) -> PathBuf {
    ffmpeg::encode(
        scratch,
        "-f lavfi -i testsrc2=size=640x360:rate=25:duration=20 -f lavfi -i sine=duration=20 -threads 1 \
         -c:v libx264 -preset superfast -b:v 600k -g 250 -keyint_min 250 -sc_threshold 0 -pix_fmt yuv420p -c:a aac",
    )
}

fn publish(server: &Server, clip: &std::path::Path) -> Publisher {
    let line = format!("-re -stream_loop -1 -i {} -c copy", clip.display());
    Publisher::start(&line, &server.url("cam"))
}

fn open(server: &Server) -> Tab {
    let tab = Tab::new();
    tab.go(&format!("http://{}/", server.admin));
    tab
}

/// What the page shows.
fn look(tab: &Tab) -> Value {
    tab.value(
        "(() => { const text = (selector) => [...document.querySelectorAll(selector)].map((it) => it.textContent); \
         const numbers = (list) => Object.fromEntries([...document.querySelectorAll(`${list} > div`)] \
           .map((it) => [it.querySelector('dt').textContent, it.querySelector('dd').textContent])); \
         const image = document.querySelector('.poster img'); \
         return { message: text('#message')[0], names: text('#streams .name'), states: text('#streams .state'), \
           warnings: text('.warnings .now'), past: text('.warnings .past'), totals: numbers('#totals'), \
           numbers: numbers('article .numbers'), rows: text('tbody tr'), poster: image && image.naturalWidth, \
           points: [...document.querySelectorAll('article polyline')].map((it) => it.points.length), \
           login: !document.querySelector('#login').hidden, \
           overflow: document.documentElement.scrollWidth - innerWidth, title: document.title }; })()",
    )
}

/// Waits until the page shows what fulfils `is`.
fn until(tab: &Tab, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let mut seen = Value::Null;
    within(Duration::from_secs(45), &format!("the page to {what}"), || {
        seen = look(tab);
        is(&seen).then_some(())
    });
    seen
}

fn press(tab: &Tab, button: &str) {
    tab.value(&format!("document.querySelector('{button}').click()"));
}

fn has(list: &Value, words: &str) -> bool {
    let mut texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.any(|text| text.contains(words))
}

/// It says what is on and what to set otherwise, and nothing is made for whoever looks at it.
#[test]
fn the_dashboard_shows_a_stream_says_what_to_set_and_wakes_nothing() {
    let (server, scratch) = (Server::with(&[]), Scratch::new());
    let tab = open(&server);
    until(&tab, "say that nobody publishes", |seen| {
        seen["totals"]["Streams"] == "0" && seen["names"] == Value::Array(Vec::new())
    });
    let _publisher = publish(&server, &seldom_keyframes(&scratch));
    let seen = until(&tab, "explain the keyframes", |seen| {
        has(&seen["warnings"], "Your keyframe interval is 10 s")
            && has(&seen["warnings"], "viewers of cam.m3u8 get only the light renditions")
    });
    assert!(has(&seen["warnings"], "Give FFmpeg -g 50"), "{seen}");
    assert_eq!((&seen["names"][0], &seen["states"][0]), (&"cam".into(), &"live".into()));
    assert_eq!(seen["title"], "1 live: feathercast");
    let seen = until(&tab, "show a picture and rates", |seen| {
        let rate = seen["numbers"]["In"].as_str().unwrap_or_default();
        seen["poster"] == 256 && rate.ends_with("bit/s") && rate != "0 kbit/s"
    });
    let pictures = seen["numbers"]["Pictures"].as_str().and_then(|it| it.strip_suffix(" fps"));
    let pictures: f64 = pictures.and_then(|it| it.parse().ok()).expect("a rate");
    assert!((20.0..30.0).contains(&pictures), "{seen}");
    assert_eq!(seen["numbers"]["Viewers"], "0");
    // How many pictures a second are listed is measured over a segment.
    let rows = seen["rows"].as_array().expect("renditions");
    let row = |begins: &str| {
        let mut texts = rows.iter().filter_map(Value::as_str);
        texts.find(|text| text.starts_with(begins)).unwrap_or_else(|| panic!("{begins}: {seen}"))
    };
    assert!(row("P144p30fps16x9256×144, ").contains("fpsasleep"), "{seen}");
    assert!(row("source640×360, ").contains("fpsas it comes"), "{seen}");
    let lines = seen["points"].as_array().expect("lines");
    assert!(lines.iter().all(|points| points.as_u64() > Some(2)), "{seen}");

    // Whoever looks at it is no viewer.
    let stream = server.stream("cam").expect("the stream");
    for rendition in stream["renditions"].as_array().expect("renditions") {
        let is_source = rendition["name"] == "source";
        assert_eq!((&rendition["awake"], &rendition["wake_ups"]), (&is_source.into(), &0.into()));
        assert_eq!(rendition["sent_bytes"], 0, "{rendition}");
    }
    assert_eq!(server.metric("feathercast_rendition_wake_ups_total"), 0.0);

    for (width, height, scheme) in
        [(360, 1600, "light"), (360, 1600, "dark"), (1280, 800, "light"), (1280, 800, "dark")]
    {
        tab.resize(width, height, scheme);
        let overflow = look(&tab)["overflow"].as_i64();
        assert!(overflow.is_some_and(|pixels| pixels <= 0), "{width} pixels: {overflow:?}");
        let picture = tab.screenshot();
        let file = scratch.write(&format!("{width}-{scheme}.png"), &picture);
        let pixels = ffmpeg::luma(&file, "null");
        assert_eq!(pixels.len(), (width * height) as usize);
        let average = pixels.iter().map(|it| u64::from(*it)).sum::<u64>() / pixels.len() as u64;
        assert_eq!(average > 127, scheme == "light", "{scheme}: {average}");
        if let Ok(path) = std::env::var(PNG)
            && (width, scheme) == (1280, "light")
        {
            fs::write(path, &picture).expect("a file");
        }
    }
    assert_eq!(tab.complaints(), Vec::<String>::new());
    let own = format!("http://{}/", server.admin);
    let from_elsewhere = |url: &&String| {
        !url.starts_with(&own) && !url.starts_with("blob:") && !url.starts_with("data:")
    };
    assert_eq!(tab.requests().iter().find(from_elsewhere), None);
}

#[test]
fn the_dashboard_kicks_and_bans_whoever_is_meant_twice() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let clip = ffmpeg::four_seconds(&scratch);
    let first = publish(&server, &clip);
    let tab = open(&server);
    let is_live = |seen: &Value| seen["states"][0] == "live";
    until(&tab, "show the stream", is_live);
    press(&tab, ".kick");
    assert_eq!(tab.value("document.querySelector('.kick').textContent"), "Kick: sure?");
    assert_eq!(server.stream("cam").expect("the stream")["state"], "live", "asked, not done");
    press(&tab, ".kick");
    // FFmpeg ends when nobody takes what it sends any more.
    first.finish();
    until(&tab, "say so", |seen| seen["message"] == "cam was kicked." && !is_live(seen));

    let second = publish(&server, &clip);
    until(&tab, "show the stream again", is_live);
    press(&tab, ".ban");
    press(&tab, ".ban");
    second.finish();
    until(&tab, "show that it is gone", |seen| !is_live(seen));
    let mut banned = RtmpClient::asking(server.rtmp, "live", "cam");
    assert_eq!(banned.wait_for("NetStream.Publish.Denied"), Answer::Found);
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn with_a_token_the_dashboard_is_empty_until_it_is_shown() {
    let (server, scratch) = (Server::with(&["--admin-token", TOKEN]), Scratch::new());
    let _publisher = publish(&server, &ffmpeg::four_seconds(&scratch));
    let tab = open(&server);
    let is_closed = |seen: &Value| seen["login"] == true && seen["names"] == Value::Array(vec![]);
    until(&tab, "ask for the token", |seen| {
        is_closed(seen) && seen["message"] == "This server asks for the operator’s token."
    });
    let enter = |token: &str| {
        tab.value(&format!(
            "document.querySelector('#token').value = '{token}'; document.querySelector('#login').requestSubmit()"
        ));
    };
    enter("wrong");
    until(&tab, "refuse it", |seen| is_closed(seen) && seen["message"] == "This token is wrong.");
    enter(TOKEN);
    until(&tab, "show the stream", |seen| seen["names"][0] == "cam" && seen["login"] == false);
    // It stays for the tab, also over a reload, and is in no address.
    tab.call("Page.reload", &serde_json::json!({}));
    until(&tab, "show the stream again", |seen| seen["names"][0] == "cam");
    eventually("a picture", || (look(&tab)["poster"] == 256).then_some(()));
    assert_eq!(tab.requests().iter().find(|url| url.contains(TOKEN)), None);
    assert_eq!(tab.value("document.cookie + localStorage.length"), "0");
    press(&tab, ".kick");
    press(&tab, ".kick");
    until(&tab, "say so", |seen| seen["message"] == "cam was kicked.");
}
