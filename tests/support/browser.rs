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

/// A player a URL; all report four times a second and with every event of interest. A player
/// stands still while its playhead does, from its first picture to its end.
const PAGE: &str = r#"<!doctype html><style>video { width: 64px; float: left }</style>
<script src="/hls.min.js"></script><script>
const context = new AudioContext(), looks = [];
let reports = 0;
const report = () => {
  const said = looks.map((look) => look());
  fetch("/report", {method: "POST", body: JSON.stringify({number: reports++, said})});
};
setInterval(report, 250);
for (const {url, native, config} of PLAYERS) {
  const video = document.createElement("video");
  const state = {errors: [], fatal: false, segments: [], ended: false, stall: 0};
  // The sound of another origin is silence to a page that does not ask for it.
  video.crossOrigin = "anonymous";
  const sound = new AnalyserNode(context, {fftSize: 16384}), samples = new Float32Array(sound.fftSize);
  const heard = context.createMediaElementSource(video);
  heard.connect(sound).connect(context.destination);
  const channels = new ChannelSplitterNode(context, {numberOfOutputs: 2});
  heard.connect(channels);
  const tones = [0, 1].map((channel) => {
    const tone = new AnalyserNode(context, {fftSize: 8192, smoothingTimeConstant: 0});
    channels.connect(tone, channel);
    return tone;
  });
  const spectrum = new Float32Array(4096);
  const pitch = (tone) => {
    tone.getFloatFrequencyData(spectrum);
    return spectrum.indexOf(spectrum.reduce((a, b) => Math.max(a, b))) * context.sampleRate / 8192;
  };
  let moved = null, time = 0, shown = 0, newest = null;
  const show = (_, {presentedFrames, mediaTime}) => {
    [shown, newest] = [presentedFrames, mediaTime];
    video.requestVideoFrameCallback(show);
  };
  video.requestVideoFrameCallback(show);
  const look = () => {
    const quality = video.getVideoPlaybackQuality();
    if (video.currentTime !== time || video.ended) { time = video.currentTime; moved = performance.now(); }
    if (moved) state.stall = Math.max(state.stall, (performance.now() - moved) / 1000);
    sound.getFloatTimeDomainData(samples);
    const loudness = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
    return Object.assign(state, {
      time: video.currentTime, width: video.videoWidth, pictures: quality.totalVideoFrames, shown, newest, loudness,
      pitches: tones.map(pitch),
    });
  };
  looks.push(look);
  video.addEventListener("ended", () => { state.ended = true; report(); });
  video.addEventListener("error", () => { state.errors.push(video.error.message); state.fatal = true; report(); });
  document.documentElement.append(video);
  if (native) { video.src = url; video.play().catch(() => {}); continue; }
  const hls = new Hls(config);
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

/// Not the script of this name in /usr/bin, which would be killed in its place.
pub(crate) const CHROMIUM: &str = "/usr/lib/chromium/chromium-headless-shell";

/// Chromium without what it does beside showing pages.
pub(crate) const QUIET: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    // Nobody clicks, and sound is to be heard.
    "--autoplay-policy=no-user-gesture-required",
];

/// What the page says of all its players at a time.
#[derive(serde::Deserialize)]
struct Report {
    number: u64,
    said: Vec<Playing>,
}

/// How a player in the page is doing.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Playing {
    /// The playhead in seconds.
    pub(crate) time: f64,
    /// The picture's, in pixels.
    pub(crate) width: u64,
    /// Pictures decoded, which are some more than were shown.
    pub(crate) pictures: u64,
    /// Pictures that came onto the page.
    pub(crate) shown: u64,
    /// The time of the newest of them in seconds, on the playhead's line. None: there is none yet.
    pub(crate) newest: Option<f64>,
    /// Root mean square of the newest third of a second of sound, of a full scale of 1.
    pub(crate) loudness: f64,
    /// The strongest tone of the left channel and of the right, in hertz, to 6 Hz.
    pub(crate) pitches: [f64; 2],
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
    /// The same, which tells the server how it plays (CTA-5004) in headers of its requests: a
    /// browser asks a server of another origin whether it may.
    HlsJsTelling(String),
    /// Chromium itself: a video element whose source is the playlist.
    Native(String),
}

/// Chromium with one page; killed when dropped.
pub(crate) struct Browser {
    // Dropped in this order: it goes before its folder.
    _program: Program,
    _folder: Scratch,
    reports: Reports,
}

/// By their numbers: each comes on a connection of its own.
type Reports = Arc<Mutex<BTreeMap<u64, Vec<Playing>>>>;

impl Browser {
    /// Plays all these playlists at once with hls.js.
    pub(crate) fn hls_js(urls: &[String]) -> Self {
        Self::open(&urls.iter().cloned().map(Plays::HlsJs).collect::<Vec<_>>())
    }

    /// Plays all these playlists at once.
    pub(crate) fn open(players: &[Plays]) -> Self {
        let reports = Reports::default();
        let player = |plays: &Plays| match plays {
            Plays::HlsJs(url) => json!({"url": url, "native": false}),
            Plays::HlsJsTelling(url) => {
                json!({"url": url, "native": false, "config": {"cmcd": {"useHeaders": true}}})
            }
            Plays::Native(url) => json!({"url": url, "native": true}),
        };
        let players = Value::from_iter(players.iter().map(player));
        let page = PAGE.replace("PLAYERS", &players.to_string());
        let address = serve(&page, &reports);
        let folder = Scratch::new();
        let mut command = Command::new(CHROMIUM);
        command
            .args(QUIET)
            .arg(format!("--user-data-dir={}", folder.path().display()))
            // Keeps it open until it is killed; nobody connects.
            .arg("--remote-debugging-port=0")
            .arg(format!("http://{address}/"))
            .stdout(Stdio::null());
        let program = Program::start(&mut command, "chromium", &folder);
        Self { _program: program, _folder: folder, reports }
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
        let reports = self.reports.lock().expect("no panic");
        reports.values().next_back().map(|newest| newest[index].clone())
    }

    /// All that the player of the URL at `index` has reported.
    pub(crate) fn history(&self, index: usize) -> Vec<Playing> {
        let reports = self.reports.lock().expect("no panic");
        reports.values().map(|report| report[index].clone()).collect()
    }
}

/// Serves a page of a test, with hls.js beside it.
pub(crate) fn serve_page(page: &str) -> SocketAddr {
    serve(page, &Reports::default())
}

/// Serves the page, hls.js, and takes reports.
fn serve(page: &str, reports: &Reports) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for the page");
    let address = listener.local_addr().expect("an address");
    let (page, script, reports) = (page.to_owned(), hls_js(), Arc::clone(reports));
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (page, script, reports) = (page.clone(), script.clone(), Arc::clone(&reports));
            thread::spawn(move || answer(&socket, page.as_bytes(), &script, &reports));
        }
    });
    address
}

/// One request a connection. None: the browser has gone.
fn answer(mut socket: &TcpStream, page: &[u8], script: &[u8], reports: &Reports) -> Option<()> {
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
    let mut sent = vec![0; length];
    reader.read_exact(&mut sent).ok()?;
    let (kind, body) = match line.split(' ').nth(1)? {
        "/" => ("text/html", page),
        "/hls.min.js" => ("text/javascript", script),
        "/report" => {
            let Report { number, said } = serde_json::from_slice(&sent).expect("a report");
            reports.lock().expect("no panic").insert(number, said);
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

/// `cargo xtask test` puts it there.
pub(crate) fn hls_js() -> Vec<u8> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/");
    let file = target.join("players/node_modules/hls.js/dist/hls.min.js");
    fs::read(&file).unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask test` fetches hls.js", file.display())
    })
}
