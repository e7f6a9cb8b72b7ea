//! What a viewer has on a slow link: when the first picture is there, how often it stands still,
//! and what an hour costs; our own page beside hls.js on nginx-rtmp, in the same run.
//!
//! `cargo xtask reach` runs it and prints Markdown. Each row is a browser with empty caches and a
//! server of its own, whose renditions sleep. Pages are opened one after the other, so that each
//! has the machine for its first picture, and all are watched at the same time: links are slow, not
//! processors, and the last line says how busy those were. `-- --minutes 1 --kbps 64` only tries it
//! out.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the report goes to the terminal")]
#![expect(clippy::disallowed_methods, reason = "real time is what is measured")]

#[path = "../programs/film.rs"]
#[expect(dead_code, reason = "films of other benches, too")]
mod film;
#[path = "../../tests/support/mod.rs"]
#[expect(dead_code, reason = "the harness of the end-to-end tests, of which this needs a part")]
mod support;

use std::fs;
use std::path::Path;
use std::thread::{scope, sleep};
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

/// A page of the table.
#[derive(Clone, Copy)]
enum Page {
    /// Our own, with a query that chooses a rendition.
    Ours { query: &'static str },
    /// hls.js on nginx-rtmp.
    Theirs,
}

const PAGES: [(&str, Page); 3] = [
    ("feathercast's own, Auto", Page::Ours { query: "" }),
    ("feathercast's own, Data saver", Page::Ours { query: "?q=low" }),
    ("hls.js, nginx-rtmp, ffmpeg 400 kbit/s", Page::Theirs),
];

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
        "| link, kbit/s | page, server | first picture, s | kB until then | it moves, s | stalls | stalled, s | MB an hour |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let before = ProcessorTime::now();
    let seen = scope(|threads| {
        let rows = links.iter().flat_map(|kbps| PAGES.map(|(name, page)| (*kbps, name, page)));
        let watched: Vec<_> = rows
            .map(|(kbps, name, page)| {
                let opened = Opened::open(page, &film, kbps);
                (kbps, name, opened.map(|opened| threads.spawn(move || opened.watch(time))))
            })
            .collect();
        let seen = watched.into_iter().map(|(kbps, name, watched)| {
            (kbps, name, watched.map(|watched| watched.join().expect("a page that was watched")))
        });
        seen.collect::<Vec<_>>()
    });
    for (kbps, name, seen) in seen {
        let cells = match seen {
            Some(seen) => seen.cells(),
            None => format!("none in {} | | | | |", PATIENCE.as_secs()),
        };
        println!("| {kbps} | {name} | {cells} |");
    }
    let busy = ProcessorTime::now().busy_since(before);
    println!("\nProcessors were busy for {:.0} % of the time.", 100.0 * busy);
}

/// What all processors together have done since the machine started, in ticks of the kernel.
#[derive(Clone, Copy)]
struct ProcessorTime {
    idle: u64,
    all: u64,
}

impl ProcessorTime {
    fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").expect("/proc/stat");
        let line = text.lines().next().and_then(|line| line.strip_prefix("cpu ")).expect("a sum");
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user.
        let ticks = line.split_whitespace().take(8).map(|word| word.parse().expect("ticks"));
        let ticks: Vec<u64> = ticks.collect();
        Self { idle: ticks[3] + ticks[4], all: ticks.iter().sum() }
    }

    /// The part of the time in which something ran, 0 to 1.
    fn busy_since(self, before: Self) -> f64 {
        1.0 - (self.idle - before.idle) as f64 / (self.all - before.all).max(1) as f64
    }
}

/// A page that plays, over a link.
struct Opened {
    tab: Tab,
    link: Link,
    first_picture: Duration,
    /// Until then.
    bytes: u64,
    /// It stands until there is something to go on with.
    moves: Duration,
    _publisher: Publisher,
    _site: Site,
}

/// What is killed when it is dropped.
enum Site {
    Ours { _server: Server },
    Theirs { _nginx: Nginx },
}

impl Opened {
    /// None where no picture comes.
    fn open(page: Page, film: &Path, kbps: u64) -> Option<Self> {
        let (publisher, site, http, path) = match page {
            Page::Ours { query } => {
                let server = Server::with(&[]);
                let line = format!("-re -stream_loop -1 -i {} -c copy", film.display());
                let publisher = Publisher::start(&line, &server.url("cam"));
                // Sources wake nothing.
                server.get_when_there("/stream/cam/source.m3u8");
                let http = server.http;
                (publisher, Site::Ours { _server: server }, http, format!("/watch/cam{query}"))
            }
            Page::Theirs => {
                let nginx = Nginx::start(PEER_DIRECTIVES);
                fs::write(nginx.folder().join("watch.html"), PEER_PAGE).expect("a page");
                let script = support::browser::hls_js();
                fs::write(nginx.folder().join("hls.min.js"), script).expect("hls.js");
                let line = format!(
                    "-re -stream_loop -1 -i {} -vf scale=256:144 -c:v libx264 -preset veryfast -b:v 400k \
                     -maxrate 400k -bufsize 800k -g 60 -keyint_min 60 -sc_threshold 0 -c:a copy",
                    film.display()
                );
                let publisher = Publisher::start(&line, &format!("rtmp://{}/live/cam", nginx.rtmp));
                nginx.playlist("/live/cam.m3u8");
                let http = nginx.http;
                (publisher, Site::Theirs { _nginx: nginx }, http, "/watch.html".to_owned())
            }
        };
        // A playlist as long as it is when people come.
        sleep(Duration::from_secs(6));
        let link = Link::start(http, kbps * 1000, ROUND_TRIP);
        let tab = Tab::new();
        let began = Instant::now();
        tab.go(&link.url(&path));
        let until = |plays: fn((u64, f64)) -> bool| {
            while !plays(look(&tab)) {
                if began.elapsed() > PATIENCE {
                    return None;
                }
                sleep(LOOK / 4);
            }
            Some(began.elapsed())
        };
        let first_picture = until(|(pictures, _)| pictures > 0)?;
        let bytes = link.bytes();
        let moves = until(|(_, time)| time > 0.0)?;
        Some(Self { tab, link, first_picture, bytes, moves, _publisher: publisher, _site: site })
    }

    fn watch(self, time: Duration) -> Seen {
        let Self { tab, link, first_picture, bytes, moves, .. } = &self;
        let (bytes_before, since) = (link.bytes(), Instant::now());
        let (mut place, mut moved, mut stalls, mut stalled) = (0.0, since, 0, Duration::ZERO);
        let mut note = |still: Duration| {
            if still > STALL {
                stalls += 1;
                stalled += still;
            }
        };
        while since.elapsed() < time {
            sleep(LOOK);
            let (now, (_, seen)) = (Instant::now(), look(tab));
            if seen != place {
                note(now - moved);
                (place, moved) = (seen, now);
            }
        }
        note(moved.elapsed());
        let bytes_an_hour =
            (link.bytes() - bytes_before) as f64 * 3600.0 / since.elapsed().as_secs_f64();
        Seen {
            first_picture: *first_picture,
            bytes: *bytes,
            moves: *moves,
            stalls,
            stalled,
            bytes_an_hour,
        }
    }
}

/// Pictures decoded and the playhead.
fn look(tab: &Tab) -> (u64, f64) {
    let seen = tab.value(PLAYER);
    (seen[0].as_u64().unwrap_or(0), seen[1].as_f64().unwrap_or(0.0))
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
