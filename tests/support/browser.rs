//! hls.js, and Chromium's own HLS player, in Chromium: a page plays, and tells a small HTTP server
//! in the test how it goes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::program::Program;
use super::scratch::Scratch;
use super::wait::eventually;

/// A player a URL; each reports four times a second and with every event of interest. A player
/// stands still while its playhead does, from its first picture to its end.
const PAGE: &str = r#"<!doctype html><script src="/hls.min.js"></script><script>
for (const [index, {url, native}] of PLAYERS.entries()) {
  const video = document.createElement("video");
  const state = {index, errors: [], fatal: false, segments: [], ended: false, stall: 0};
  let moved = null, time = 0;
  const report = () => {
    const quality = video.getVideoPlaybackQuality();
    if (video.currentTime !== time || video.ended) { time = video.currentTime; moved = performance.now(); }
    if (moved) state.stall = Math.max(state.stall, (performance.now() - moved) / 1000);
    Object.assign(state, {time: video.currentTime, width: video.videoWidth, pictures: quality.totalVideoFrames});
    fetch("/report", {method: "POST", body: JSON.stringify(state)});
  };
  video.addEventListener("ended", () => { state.ended = true; report(); });
  video.addEventListener("error", () => { state.errors.push(video.error.message); state.fatal = true; report(); });
  setInterval(report, 250);
  video.muted = true;
  document.documentElement.append(video);
  if (native) { video.src = url; video.play().catch(() => {}); continue; }
  const hls = new Hls();
  hls.on(Hls.Events.ERROR, (_, data) => {
    state.errors.push(`${data.details} at ${video.currentTime}`);
    state.fatal ||= data.fatal;
    report();
  });
  hls.on(Hls.Events.FRAG_CHANGED, (_, {frag}) => {
    // It comes again when the same segment goes on in another rendition.
    if (state.segments.at(-1) !== frag.sn) state.segments.push(frag.sn);
    report();
  });
  hls.on(Hls.Events.MANIFEST_PARSED, () => video.play());
  hls.loadSource(url);
  hls.attachMedia(video);
}
</script>"#;

/// How a player in the page is doing.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Playing {
    index: usize,
    /// The playhead in seconds.
    pub(crate) time: f64,
    /// The picture's, in pixels.
    pub(crate) width: u64,
    /// Pictures shown.
    pub(crate) pictures: u64,
    /// What hls.js reported, in its words.
    pub(crate) errors: Vec<String>,
    /// Whether it gave up.
    pub(crate) fatal: bool,
    /// Sequence numbers of the segments the playhead went through.
    pub(crate) segments: Vec<u64>,
    /// The video came to its end.
    pub(crate) ended: bool,
    /// The longest time that the playhead stood still, in seconds, since it first moved.
    pub(crate) stall: f64,
}

/// What plays a URL.
#[derive(Clone, Debug)]
pub(crate) enum Plays {
    /// hls.js, over Media Source Extensions.
    HlsJs(String),
    /// Chromium itself: a video element whose source is the playlist.
    Native(String),
}

/// Chromium with one page; killed when dropped.
pub(crate) struct Browser {
    // Dropped in this order: it goes before its folder.
    _program: Program,
    _folder: Scratch,
    playing: Reports,
}

type Reports = Arc<Mutex<BTreeMap<usize, Playing>>>;

impl Browser {
    /// Plays all these playlists at once with hls.js.
    pub(crate) fn hls_js(urls: &[String]) -> Self {
        Self::open(&urls.iter().cloned().map(Plays::HlsJs).collect::<Vec<_>>())
    }

    /// Plays all these playlists at once.
    pub(crate) fn open(players: &[Plays]) -> Self {
        let playing = Reports::default();
        let player = |plays: &Plays| match plays {
            Plays::HlsJs(url) => json!({"url": url, "native": false}),
            Plays::Native(url) => json!({"url": url, "native": true}),
        };
        let players = Value::from_iter(players.iter().map(player));
        let page = PAGE.replace("PLAYERS", &players.to_string());
        let address = serve(&page, &playing);
        let folder = Scratch::new();
        // Not the script of this name in /usr/bin, which would be killed in its place.
        let mut command = Command::new("/usr/lib/chromium/chromium-headless-shell");
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .arg("--disable-component-update")
            .arg(format!("--user-data-dir={}", folder.path().display()))
            // Keeps it open until it is killed; nobody connects.
            .arg("--remote-debugging-port=0")
            .arg(format!("http://{address}/"))
            .stdout(Stdio::null());
        let program = Program::start(&mut command, "chromium", &folder);
        Self { _program: program, _folder: folder, playing }
    }

    /// The newest report of the player of the URL at `index`, once it fulfils `is`; a player that
    /// gives up fails the test.
    pub(crate) fn wait(&self, index: usize, what: &str, is: impl Fn(&Playing) -> bool) -> Playing {
        eventually(&format!("the player to {what}: {:?}", self.now(index)), || {
            let playing = self.now(index)?;
            assert!(!playing.fatal, "the player gave up: {playing:?}");
            is(&playing).then_some(playing)
        })
    }

    pub(crate) fn now(&self, index: usize) -> Option<Playing> {
        self.playing.lock().expect("no panic").get(&index).cloned()
    }
}

/// Serves the page, hls.js, and takes reports.
fn serve(page: &str, playing: &Reports) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for the page");
    let address = listener.local_addr().expect("an address");
    let (page, script, playing) = (page.to_owned(), hls_js(), Arc::clone(playing));
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (page, script, playing) = (page.clone(), script.clone(), Arc::clone(&playing));
            thread::spawn(move || answer(&socket, page.as_bytes(), &script, &playing));
        }
    });
    address
}

/// One request a connection. None: the browser has gone.
fn answer(mut socket: &TcpStream, page: &[u8], script: &[u8], playing: &Reports) -> Option<()> {
    let mut reader = BufReader::new(socket);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut report = vec![0; length];
    reader.read_exact(&mut report).ok()?;
    let (kind, body) = match line.split(' ').nth(1)? {
        "/" => ("text/html", page),
        "/hls.min.js" => ("text/javascript", script),
        "/report" => {
            let report: Playing = serde_json::from_slice(&report).expect("a report");
            take(playing, report);
            ("text/plain", &[][..])
        }
        _ => ("text/plain", &[][..]),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all(&[head.as_bytes(), body].concat()).ok()
}

/// Reports come on connections of their own: an older one must not follow a newer.
fn take(playing: &Reports, report: Playing) {
    let mut playing = playing.lock().expect("no panic");
    let progress = |report: &Playing| (report.segments.len(), report.errors.len(), report.ended);
    let old = playing.get(&report.index);
    if old.is_none_or(|old| progress(old) <= progress(&report) && old.time <= report.time) {
        playing.insert(report.index, report);
    }
}

/// `cargo xtask test` puts it there.
fn hls_js() -> Vec<u8> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/");
    let file = target.join("players/node_modules/hls.js/dist/hls.min.js");
    fs::read(&file).unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask test` fetches hls.js", file.display())
    })
}
