//! What a viewer has on a slow link: when the first picture is there, how often it stands still,
//! and what an hour costs; our own page beside hls.js on nginx-rtmp, in the same run.
//!
//! `cargo xtask reach` runs it and prints Markdown. Each row is a browser with empty caches and a
//! server of its own, whose renditions sleep. `-- --minutes 1 --kbps 64` only tries it out.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the report goes to the terminal")]
#![expect(clippy::disallowed_methods, reason = "real time is what is measured")]

#[path = "../programs/film.rs"]
#[expect(dead_code, reason = "films of other benches, too")]
mod film;
#[path = "../../tests/support/mod.rs"]
#[expect(dead_code, reason = "the harness of the end-to-end tests, of which this needs a part")]
mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use film::{FILM_720P, Film};
use support::link::Link;
use support::nginx::Nginx;
use support::publisher::Publisher;
use support::server::Server;
use support::tab::Tab;

/// What 2G and crowded 3G have.
const ROUND_TRIP: Duration = Duration::from_millis(300);
const KBPS: [u64; 3] = [64, 128, 256];
/// How often the playhead is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// No picture by then counts as none.
const PATIENCE: Duration = Duration::from_secs(90);
/// A playhead that stands still for less is a few pictures late, of 10 a second, and no stall.
const STALL: Duration = Duration::from_millis(500);

/// Pictures decoded and the playhead; null before there is a player.
const PLAYER: &str = "(() => { const video = document.querySelector('video'); return video && \
    [video.getVideoPlaybackQuality().totalVideoFrames, video.currentTime]; })()";

const PEER_PAGE: &str = "<!doctype html><meta name=viewport content=width=device-width>\
    <video controls autoplay></video><script src=hls.min.js></script><script>\
    const hls = new Hls(); hls.loadSource('live/cam.m3u8'); \
    hls.attachMedia(document.querySelector('video'));</script>";

/// nginx as people run it: texts are compressed.
const PEER_DIRECTIVES: &str = "gzip on; gzip_types text/javascript application/vnd.apple.mpegurl; \
    types { text/html html; text/javascript js; application/vnd.apple.mpegurl m3u8; video/mp2t ts; }";

fn main() {
    let words: Vec<String> = std::env::args().collect();
    // `cargo test --benches` and the like ask for tests, of which there are none.
    if !words.iter().any(|word| word == "--bench") {
        return;
    }
    let number = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1).map(|word| word.parse::<u64>().expect("a whole number"))
    };
    let time = Duration::from_secs(60 * number("--minutes").unwrap_or(5));
    let links = number("--kbps").map_or_else(|| KBPS.to_vec(), |kbps| vec![kbps]);
    let film = FILM_720P.file();
    println!(
        "{} in {}, 300 ms round trip, {} minutes a row:\n",
        Film::picture(),
        FILM_720P.name,
        time.as_secs() / 60
    );
    println!(
        "| link, kbit/s | page | first picture, s | kB until then | it moves, s | stalls | stalled, s | MB an hour |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for kbps in links {
        let row = |page: &str, seen: Option<Seen>| match seen {
            Some(seen) => println!("| {kbps} | {page} | {} |", seen.cells()),
            None => println!("| {kbps} | {page} | none in {} | | | | | |", PATIENCE.as_secs()),
        };
        row("feathercast's own, Auto", ours(&film, "", kbps, time));
        row("feathercast's own, Data saver", ours(&film, "?q=low", kbps, time));
        row("hls.js, nginx-rtmp, ffmpeg 400 kbit/s", theirs(&film, kbps, time));
    }
}

fn ours(film: &Path, query: &str, kbps: u64, time: Duration) -> Option<Seen> {
    let server = Server::with(&[]);
    let line = format!("-re -stream_loop -1 -i {} -c copy", film.display());
    let _publisher = Publisher::start(&line, &server.url("cam"));
    // Sources wake nothing.
    server.get_when_there("/stream/cam/source.m3u8");
    sleep(Duration::from_secs(6));
    watch(server.http, &format!("/watch/cam{query}"), kbps, time)
}

fn theirs(film: &Path, kbps: u64, time: Duration) -> Option<Seen> {
    let nginx = Nginx::start(PEER_DIRECTIVES);
    std::fs::write(nginx.folder().join("watch.html"), PEER_PAGE).expect("a page");
    std::fs::write(nginx.folder().join("hls.min.js"), support::browser::hls_js()).expect("hls.js");
    let line = format!(
        "-re -stream_loop -1 -i {} -vf scale=256:144 -c:v libx264 -preset veryfast -b:v 400k -maxrate 400k \
         -bufsize 800k -g 60 -keyint_min 60 -sc_threshold 0 -c:a copy",
        film.display()
    );
    let _publisher = Publisher::start(&line, &format!("rtmp://{}/live/cam", nginx.rtmp));
    nginx.playlist("/live/cam.m3u8");
    sleep(Duration::from_secs(6));
    watch(nginx.http, "/watch.html", kbps, time)
}

/// What was seen of a page.
struct Seen {
    first_picture: Duration,
    /// Until then.
    bytes: u64,
    /// It stands until there is something to go on with.
    moves: Duration,
    stalls: usize,
    stalled: Duration,
    bytes_an_hour: f64,
}

impl Seen {
    fn cells(&self) -> String {
        format!(
            "{:.1} | {:.0} | {:.1} | {} | {:.0} | {:.0}",
            self.first_picture.as_secs_f64(),
            self.bytes as f64 / 1e3,
            self.moves.as_secs_f64(),
            self.stalls,
            self.stalled.as_secs_f64(),
            self.bytes_an_hour / 1e6
        )
    }
}

/// Opens a page of the server over a link; None where no picture comes.
fn watch(server: SocketAddr, path: &str, kbps: u64, time: Duration) -> Option<Seen> {
    let link = Link::start(server, kbps * 1000, ROUND_TRIP);
    let tab = Tab::new();
    let began = Instant::now();
    tab.go(&link.url(path));
    let playhead = || {
        let seen = tab.value(PLAYER);
        (seen[0].as_u64().unwrap_or(0), seen[1].as_f64().unwrap_or(0.0))
    };
    while playhead().0 == 0 {
        if began.elapsed() > PATIENCE {
            return None;
        }
        sleep(LOOK / 4);
    }
    let (first_picture, bytes) = (began.elapsed(), link.bytes());
    while playhead().1 == 0.0 {
        if began.elapsed() > PATIENCE {
            return None;
        }
        sleep(LOOK / 4);
    }
    let (moves, bytes_before, since) = (began.elapsed(), link.bytes(), Instant::now());
    let (mut place, mut moved, mut stalls, mut stalled) = (0.0, since, 0, Duration::ZERO);
    while since.elapsed() < time {
        sleep(LOOK);
        let (now, seen) = (Instant::now(), playhead().1);
        if seen != place {
            let still = now - moved;
            if still > STALL {
                stalls += 1;
                stalled += still;
            }
            (place, moved) = (seen, now);
        }
    }
    let still = moved.elapsed();
    if still > STALL {
        stalls += 1;
        stalled += still;
    }
    let bytes_an_hour =
        (link.bytes() - bytes_before) as f64 * 3600.0 / since.elapsed().as_secs_f64();
    Some(Seen { first_picture, bytes, moves, stalls, stalled, bytes_an_hour })
}
