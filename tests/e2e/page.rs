//! The pages, in a browser.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::ffmpeg;
use crate::support::program::Player;
use crate::support::publisher::Publisher;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::tab::Tab;
use crate::support::wait::{Stopwatch, eventually, within};

/// The rendition that an unconfigured server makes, and its size.
const P144: &str = "P144p30fps16x9";

/// A stream of ten seconds, encoded before, so that publishing costs the machine nothing.
fn clip(scratch: &Scratch) -> PathBuf {
    ffmpeg::encode(
        scratch,
        "-f lavfi -i testsrc2=size=320x180:rate=25:duration=10 -f lavfi -i sine=duration=10 -threads 1 \
         -c:v libx264 -preset superfast -g 25 -pix_fmt yuv420p -c:a aac",
    )
}

fn publish(server: &Server, clip: &std::path::Path) -> Publisher {
    let line = format!("-re -stream_loop -1 -i {} -c copy", clip.display());
    Publisher::start(&line, &server.url("live/cam"))
}

/// Chromium's own player gives up on a young playlist.
fn six_segments(server: &Server) {
    eventually("six segments", || {
        let playlist = server.get("/stream/cam/source.m3u8");
        (playlist.status == 200 && playlist.text().matches("#EXTINF").count() >= 6).then_some(())
    });
}

/// What the page shows.
fn look(tab: &Tab) -> Value {
    tab.value(
        "(() => { const video = document.querySelector('video'); return { \
         status: document.querySelector('#status').textContent, \
         used: parseFloat(document.querySelector('#used').textContent), \
         choices: [...document.querySelectorAll('input')].map((it) => it.value), \
         chosen: (document.querySelector('input:checked') || {}).value, \
         time: video.currentTime, width: video.videoWidth, \
         pictures: video.getVideoPlaybackQuality().totalVideoFrames }; })()",
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

/// Waits until the playhead goes on from where it is now, or from the beginning.
fn plays_on(tab: &Tab) -> Value {
    let before = look(tab)["time"].as_f64().unwrap_or(0.0);
    until(tab, "play on", |seen| {
        let time = seen["time"].as_f64().unwrap_or(0.0);
        time > before + 1.0 || time < before && time > 1.0
    })
}

fn says(words: &str) -> impl Fn(&Value) -> bool {
    move |seen| seen["status"].as_str().is_some_and(|status| status.starts_with(words))
}

fn choose(tab: &Tab, choice: &str) {
    tab.value(&format!("document.querySelector('input[value=\"{choice}\"]').click()"));
}

#[test]
fn the_watch_page_plays_changes_with_the_choice_and_goes_on_after_the_end() {
    let (server, scratch) = (Server::with(&[]), Scratch::new());
    let clip = clip(&scratch);
    let publisher = publish(&server, &clip);
    server.get_when_there("/stream/cam.m3u8");
    let tab = Tab::new();
    tab.go(&format!("http://{}/watch/cam", server.http));
    let playing = until(&tab, "play", |seen| {
        let is_moving = seen["time"].as_f64() > Some(2.0) && seen["pictures"].as_u64() > Some(15);
        is_moving && seen["status"] == "Playing live."
    });
    assert_eq!(playing["chosen"], "auto");
    assert!(playing["used"].as_f64() > Some(0.0), "{playing}");
    choose(&tab, "best");
    until(&tab, "show the source", |seen| seen["width"] == 320);
    until(&tab, "offer sound alone", |seen| {
        seen["choices"].as_array().is_some_and(|choices| choices.contains(&json!("audio")))
    });
    choose(&tab, "audio");
    until(&tab, "be without a picture", |seen| {
        seen["width"] == 0 && seen["time"].as_f64() > Some(1.0)
    });
    choose(&tab, "low");
    until(&tab, "show the lightest", |seen| seen["width"] == 160);
    plays_on(&tab);
    assert_eq!(tab.complaints(), Vec::<String>::new());
    let own = format!("http://{}/", server.http);
    let from_elsewhere = |url: &&String| {
        !url.starts_with(&own) && !url.starts_with("blob:") && !url.starts_with("data:")
    };
    assert_eq!(tab.requests().iter().find(from_elsewhere), None);

    // The viewer's link goes and comes back.
    let link = |offline: bool| {
        let conditions = json!({"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        tab.call("Network.emulateNetworkConditions", &conditions);
    };
    link(true);
    until(&tab, "say that it is offline", says("You are offline."));
    link(false);
    plays_on(&tab);

    // The publisher vanishes, is missing for as long as the server waits, and comes back.
    drop(publisher);
    until(&tab, "say that it has ended", says("The stream has ended."));
    let _publisher = publish(&server, &clip);
    plays_on(&tab);
    until(&tab, "say that it plays", |seen| seen["status"] == "Playing live.");
}

/// The publisher vanishes for some four seconds: a slate stands in, between two discontinuities.
#[test]
fn the_watch_page_plays_on_through_a_short_dropout() {
    /// More than lies between the playhead and the newest segment.
    const BEHIND_SECS: f64 = 10.0;
    /// A target duration.
    const LONGEST_STANDSTILL: Duration = Duration::from_secs(2);
    let (server, scratch) = (Server::with(&[]), Scratch::new());
    let clip = clip(&scratch);
    let first = publish(&server, &clip);
    server.get_when_there("/stream/cam.m3u8");
    let tab = Tab::new();
    tab.go(&format!("http://{}/watch/cam", server.http));
    until(&tab, "play", |seen| seen["status"] == "Playing live.");
    let (time, moved) = (Cell::new(0.0), Cell::new(Stopwatch::start()));
    let watch = || {
        let seen = look(&tab);
        let now = seen["time"].as_f64().expect("a time");
        assert!(now >= time.get(), "back from {} s: {seen}", time.get());
        let standstill = moved.get().elapsed();
        assert!(standstill < LONGEST_STANDSTILL, "{standstill:?} of standstill: {seen}");
        if now > time.get() {
            moved.set(Stopwatch::start());
        }
        time.set(now);
        let words =
            ["Playing live.", "The publisher’s connection is lost.", "Waiting for the next"];
        assert!(words.iter().any(|words| says(words)(&seen)), "{seen}");
        seen
    };
    let goes_on = |seconds: f64| {
        let end = time.get() + seconds;
        within(Duration::from_secs(45), "the page to play on", || {
            let seen = watch();
            (time.get() > end).then_some(seen)
        })
    };
    let discontinuities = |count: usize| {
        eventually(&format!("{count} discontinuities"), || {
            watch();
            let listed = server.get("/stream/cam/source.m3u8");
            let found = listed.text().matches("#EXT-X-DISCONTINUITY\n").count();
            (found == count).then_some(())
        });
    };
    goes_on(3.0);
    // Dropped is killed: no word of goodbye.
    drop(first);
    discontinuities(1);
    let _second = publish(&server, &clip);
    discontinuities(2);
    let back = goes_on(BEHIND_SECS);
    let later = goes_on(3.0);
    // A slate has one picture a segment.
    let pictures = |seen: &Value| seen["pictures"].as_u64().expect("a count");
    assert!(pictures(&later) > pictures(&back) + 20, "{back}, then {later}");
    assert_eq!(later["status"], "Playing live.");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn without_javascript_the_watch_page_plays_and_offers_sound_and_stills() {
    let (server, scratch) = (Server::with(&[]), Scratch::new());
    let _publisher = publish(&server, &clip(&scratch));
    six_segments(&server);
    let tab = Tab::new();
    tab.call("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    let page = format!("http://{}/watch/cam", server.http);
    let offered = |name: &str| {
        let link = format!("document.querySelector('nav a[href=\"?q={name}\"]').href");
        eventually("a link", || tab.value(&link).as_str().map(str::to_owned))
    };
    let plays = |element: &str| {
        let time = format!("document.querySelector('{element}').currentTime");
        within(Duration::from_secs(45), &format!("the {element} to play"), || {
            (tab.value(&time).as_f64() > Some(1.0)).then_some(())
        });
    };
    tab.go(&page);
    let source = format!("http://{}/stream/cam.m3u8", server.http);
    eventually("a video of all renditions", || {
        (tab.value("document.querySelector('#stage video').src") == source).then_some(())
    });
    assert_eq!(tab.value("document.querySelector('#panel').hidden"), true);
    // One rendition: on a busy machine Chromium's own player goes to and fro between two, and may
    // stand still.
    let [one, sound, stills] = ["P144p15fps16x9", "audio", "stills"].map(offered);
    tab.go(&one);
    plays("video");
    tab.go(&sound);
    plays("audio");
    tab.go(&stills);
    let still = "(() => { const still = document.querySelector('#stage img'); \
        return still && still.naturalWidth; })()";
    eventually("a still", || (tab.value(still) == 256).then_some(()));
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn without_a_media_source_the_watch_page_lets_the_browser_play() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let _publisher = publish(&server, &clip(&scratch));
    six_segments(&server);
    let tab = Tab::new();
    tab.call(
        "Page.addScriptToEvaluateOnNewDocument",
        &json!({"source": "delete window.MediaSource"}),
    );
    tab.go(&format!("http://{}/watch/cam?q=low", server.http));
    let playing = until(&tab, "play", |seen| {
        seen["time"].as_f64() > Some(1.0) && seen["status"] == "Playing live."
    });
    assert_eq!(playing["chosen"], "low");
    // Another video in the place of one that plays: the end of the old is not that of the new.
    choose(&tab, "best");
    plays_on(&tab);
    let asked = server.metric("feathercast_http_playlist_requests_total");
    plays_on(&tab);
    let more = server.metric("feathercast_http_playlist_requests_total") - asked;
    assert!(more < 10.0, "it begins again and again: {more} playlists");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn a_still_wakes_nothing_and_vlc_takes_the_list_of_channels() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let _publisher = publish(&server, &clip(&scratch));
    server.get_when_there("/stream/cam/source.m3u8");
    let still = server.get_when_there("/watch/cam/poster.jpg");
    assert!(still.body.len() <= 6000, "{} bytes", still.body.len());
    let pixels = ffmpeg::luma(&scratch.write("still.jpg", &still.body), "null");
    assert_eq!(pixels.len(), 256 * 144);
    assert_eq!(server.get("/watch/cam/poster.jpg").body, still.body, "it is kept for a while");
    let stream = server.stream("cam").expect("a stream");
    let rendition =
        stream["renditions"].as_array().expect("a list").iter().find(|it| it["name"] == P144);
    assert_eq!(rendition.expect("it is listed")["awake"], false);
    let vlc = Player::vlc(&format!("http://{}/index.m3u8", server.http), &scratch);
    within(Duration::from_secs(45), "VLC to play a channel", || {
        (vlc.written() > 100_000).then_some(())
    });
}
