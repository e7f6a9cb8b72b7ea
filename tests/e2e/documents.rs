//! The pages of docs/ say what is so: their commands are run, and what they give to paste is
//! pasted.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::thread::scope;

use crate::support::background::Background;
use crate::support::certificate::Certificate;
use crate::support::document::{Document, command, shell};
use crate::support::ffmpeg::ffmpeg;
use crate::support::http;
use crate::support::publisher::Publisher;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, addresses};
use crate::support::tab::Tab;
use crate::support::wait::eventually;
use crate::support::{browser, playlist};

/// A small picture and a tone in real time, without end.
const LIVE: &str = "-re -f lavfi -i testsrc2=size=320x180:rate=30 -re -f lavfi -i sine -threads 1 -c:v libx264 \
    -preset ultrafast -g 60 -pix_fmt yuv420p -c:a aac";

/// A command with the addresses of a test in place of the page's.
fn here(line: &str, server: &Server, name: &str) -> String {
    let rtmp = server.rtmp;
    line.replace("http://HOST:8935", &format!("http://{}", server.http))
        .replace("rtmp://HOST/", &format!("rtmp://{rtmp}/"))
        .replace("/dev/tcp/HOST/1935", &format!("/dev/tcp/{}/{}", rtmp.ip(), rtmp.port()))
        .replace("http://127.0.0.1:7935", &format!("http://{}", server.admin))
        .replace("NAME", name)
}

/// A server and a stream that is live and has three segments.
fn live() -> (Server, Publisher) {
    let server = Server::with(&[]);
    let publisher = Publisher::start(LIVE, &server.url("cam"));
    eventually("three segments", || {
        let playlist = server.get("/stream/cam/source.m3u8");
        (playlist.status == 200 && playlist.text().matches("#EXTINF").count() >= 3).then_some(())
    });
    (server, publisher)
}

/// Runs a command about a stream that is live; what it prints.
fn run(line: &str, server: &Server, name: &str, scratch: &Scratch) -> String {
    let mut line = here(line, server, name);
    // What cannot be fetched is a failure.
    if let Some(words) = line.strip_prefix("curl ") {
        line = format!("curl --fail {words}");
    }
    let judges = line.starts_with("feathercast check ");
    // What it says of a stream on a busy machine is no matter of a page.
    if judges {
        line += " || test $? -eq 1";
    }
    let output = shell(&line, scratch);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!judges || said.contains(" rules passed"), "{line}: {said}");
    said
}

/// Runs all commands of a page about a stream that is live; what each printed, by its line as the
/// page has it.
fn run_all(page: &Document) -> BTreeMap<String, String> {
    let ((server, _publisher), scratch) = (live(), Scratch::new());
    let said = |line: String| {
        // The name of the stream that is live is taken.
        let name = if line.starts_with("feathercast publish ") { "two" } else { "cam" };
        let said = run(&line, &server, name, &scratch);
        (line, said)
    };
    page.commands().into_iter().map(said).collect()
}

#[test]
fn every_command_of_publishers_md_publishes() {
    let scratch = Scratch::new();
    let film = scratch.file("film.mp4");
    let line = "-f lavfi -i testsrc2=size=320x180:rate=30:duration=4 -f lavfi -i sine=duration=4 -threads 1 \
        -c:v libx264 -preset ultrafast -g 60 -pix_fmt yuv420p -c:a aac -y";
    let words: Vec<&str> = line.split_whitespace().collect();
    ffmpeg(&[&words[..], &[film.to_str().expect("UTF-8")]].concat());
    let open = Server::with(&["--renditions", ""]);
    let addresses = addresses();
    let certificate = Certificate::new(addresses[0].ip(), &scratch);
    let ports =
        [SocketAddr::new(addresses[0].ip(), 21936), SocketAddr::new(addresses[0].ip(), 28936)];
    let [rtmps, https] = ports.map(|port| port.to_string());
    let args = ["--renditions", "", "--publish-key", "SECRET", "--rtmps-addr", &rtmps];
    let args = [&args[..], &["--https-addr", &https], &certificate.options()].concat();
    let closed = Server::spawn_at(addresses, &args, &[]);
    closed.wait_until_up();
    let _publisher = Publisher::start(LIVE, &open.url("cam"));
    open.get_when_there("/stream/cam/source.m3u8");

    let commands = Document::read("docs/publishers.md").commands();
    scope(|scope| {
        for (number, line) in commands.iter().enumerate() {
            let (name, open, closed, scratch) = (format!("cam{number}"), &open, &closed, &scratch);
            let rtmps = format!("rtmps://{rtmps}/");
            scope.spawn(move || {
                let server = if line.contains("SECRET") { closed } else { open };
                if !line.starts_with("ffmpeg ") && !line.starts_with("feathercast publish ") {
                    run(line, server, "cam", scratch);
                    return;
                }
                let line = line.replace("rtmps://HOST:1936/", &rtmps);
                shell(&here(&line, server, &name), scratch);
                let path = format!("/stream/{name}/source.m3u8");
                let listed = eventually(&line, || {
                    let answer = server.get(&path);
                    (answer.status == 200).then(|| playlist::media(answer.text()).segments)
                });
                assert!(!listed.is_empty(), "{line}");
            });
        }
    });
}

#[test]
fn every_command_of_troubleshooting_md_is_run() {
    let said = run_all(&Document::read("docs/troubleshooting.md"));
    for (command, words) in [
        ("curl -s http://127.0.0.1:7935/status", "\"advice\""),
        ("curl -s http://HOST:8935/streams.json", "\"cam\""),
        ("curl -sI http://HOST:8935/stream/NAME.m3u8", "max-age="),
        ("curl -s http://127.0.0.1:7935/metrics", "feathercast_memory_budget_bytes"),
        ("ss -ltn", "LISTEN"),
        ("feathercast config check", "good"),
        ("feathercast --version", "feathercast "),
    ] {
        assert!(said[command].contains(words), "{command}: {}", said[command]);
    }
}

/// What publishers are told is what the page says they are told.
#[test]
fn troubleshooting_md_quotes_refusals_as_they_are() {
    let refusals = include_str!("../../crates/rtmp/src/refusal.rs");
    let page = Document::read("docs/troubleshooting.md");
    let quotes = page.first_cells("The reason");
    let quotes = quotes.iter().filter_map(|cell| cell.strip_prefix('`')?.strip_suffix('`'));
    let quotes: Vec<_> = quotes.map(|quote| quote.trim_end_matches(" ...")).collect();
    assert_eq!(quotes.len(), 5, "{quotes:?}");
    for quote in quotes {
        assert!(refusals.contains(&format!("\"{quote}")), "{quote}");
    }
}

#[test]
fn every_command_of_players_md_is_run() {
    let said = run_all(&Document::read("docs/players.md"));
    let table = &said["python3 benches/bytes_per_hour.py http://HOST:8935 NAME"];
    assert!(table.contains("| `P90p10fps16x9` | ") && table.contains("| `source` | "), "{table}");
    let facts = &said["curl -s http://HOST:8935/watch/NAME/stream.json"];
    assert!(facts.contains("\"average_bps\""), "{facts}");
}

/// Starts a server by a line of a page, at addresses of its own; whether it serves.
fn serves(line: &str, scratch: &Scratch) {
    let [rtmp, http, admin] = addresses();
    let has = |words: &str| line.contains(words);
    let mut here = line.to_owned();
    for (documented, flag, address) in [
        ("0.0.0.0:1935", "--rtmp-addr", rtmp),
        ("0.0.0.0:8935", "--http-addr", http),
        ("127.0.0.1:7935", "--admin-addr", admin),
    ] {
        here = here.replace(documented, &address.to_string());
        here = here.replace(&documented.replace("0.0.0.0", "127.0.0.1"), &address.to_string());
        if !has(documented) && !has(&documented.replace("0.0.0.0", "127.0.0.1")) {
            here += &format!(" {flag} {address}");
        }
    }
    let _server = Background::start(&mut command(&format!("exec {here}"), scratch));
    for (address, path) in [(http, "/healthz"), (admin, "/status")] {
        eventually(&here, || TcpStream::connect(address).ok());
        assert_eq!(http::get(address, path).status, 200, "{here}");
    }
    eventually(&here, || TcpStream::connect(rtmp).ok());
}

#[test]
fn every_command_of_proxies_md_is_run() {
    let scratch = Scratch::new();
    for line in Document::read("docs/proxies.md").commands() {
        serves(&line, &scratch);
    }
}

#[test]
fn every_command_of_from_go_livepeer_md_is_run() {
    let (page, scratch) = (Document::read("docs/from-go-livepeer.md"), Scratch::new());
    let [ladder] = page.blocks("json")[..] else { panic!("one file") };
    scratch.write("ladder.json", ladder.as_bytes());
    for line in page.commands() {
        if line.contains("-broadcaster") {
            serves(&line, &scratch);
            continue;
        }
        let said = shell(&line, &scratch);
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let words = if line.contains("config check") { "good" } else { "not needed any more" };
        assert!(said.contains(words), "{line}: {said}");
    }
}

/// A page of another origin with this in it.
fn elsewhere(html: &str) -> Tab {
    let address = browser::serve_page(&format!("<!doctype html><title>x</title>{html}"));
    let tab = Tab::new();
    tab.go(&format!("http://{address}/"));
    tab
}

#[test]
fn the_hls_js_snippet_of_players_md_plays_on_another_origin() {
    let (server, _publisher) = live();
    let page = Document::read("docs/players.md");
    let blocks = page.blocks("html");
    let snippet = blocks.iter().find(|block| block.contains("hls.min.js")).expect("a snippet");
    let tab = elsewhere(&here(snippet, &server, "cam"));
    let playing = "(() => { const video = document.querySelector('video'); \
        return Hls.isSupported() && video.videoWidth > 0 && video.currentTime > 0 && !video.paused; })()";
    eventually("the snippet to play", || tab.value(playing).as_bool()?.then_some(()));
    // A busy machine may not make a segment in time.
    let complaints = tab.complaints().into_iter().filter(|it| !it.contains(".ts"));
    assert_eq!(complaints.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn the_embed_of_players_md_plays_on_another_origin() {
    let (server, _publisher) = live();
    let page = Document::read("docs/players.md");
    let blocks = page.blocks("html");
    let frame = blocks.iter().find(|block| block.contains("<iframe")).expect("a frame");
    let segments = || server.metric("feathercast_http_segment_requests_total");
    let before = segments();
    let _tab = elsewhere(&here(frame, &server, "cam"));
    // A player that does not play asks for no more than it begins with.
    eventually("the page in the frame to play on", || (segments() >= before + 4.0).then_some(()));
}
