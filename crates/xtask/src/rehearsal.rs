//! The whole product once through: a server, the recipe's test signal published to it, and a look at what comes out.

use std::net::TcpStream;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::background::{Background, POLL, command, tethered};
use crate::failure::Failure;
use crate::http;
use crate::playlist::Playlist;
use crate::ports::Ports;

/// The stream that the recipe publishes, and the rendition that it fetches.
pub(crate) const STREAM: &str = "/stream/hello_world";
pub(crate) const PLAYLIST: &str = "/stream/hello_world/P144p30fps16x9.m3u8";

/// Far more than it needs: also a loaded machine gets there.
const LISTENING_WITHIN: Duration = Duration::from_secs(10);
const PLAYLIST_WITHIN: Duration = Duration::from_secs(60);
/// The contract says 5 s after SIGTERM.
const ENDED_WITHIN: Duration = Duration::from_secs(6);
const TS_PACKET_BYTES: usize = 188;
const TS_SYNC_BYTE: u8 = 0x47;

/// A running server and, once [`Self::publish`]ed, a running publisher.
pub(crate) struct Rehearsal {
    // Dropped in this order: the publisher goes first.
    publisher: Option<Background>,
    server: Background,
    ports: Ports,
}

impl Rehearsal {
    /// Starts `feathercast serve` as `launcher` does, and waits until it listens; also says how long that took.
    pub(crate) fn start(launcher: &[String], ports: Ports) -> Result<(Self, Duration), Failure> {
        let words = [launcher, &["serve".to_owned()], &ports.options()].concat();
        let start = Instant::now();
        let server = Background::start("server", &mut command(&words))?;
        let mut rehearsal = Self { publisher: None, server, ports };
        while !rehearsal.listens() {
            rehearsal.server.check()?;
            if start.elapsed() > LISTENING_WITHIN {
                return Err(rehearsal.server.blame("does not listen"));
            }
            // This one is measured, so it is looked at often.
            sleep(Duration::from_millis(1));
        }
        let took = start.elapsed();
        let health = http::get(ports.http, "/healthz")?;
        if health.status != 200 || health.body != b"ok" {
            return Err(rehearsal
                .server
                .blame(&format!("answers /healthz with {}", health.status)));
        }
        Ok((rehearsal, took))
    }

    /// Starts the recipe's own ffmpeg command.
    pub(crate) fn publish(&mut self) -> Result<(), Failure> {
        self.publisher = Some(Background::start("publisher", &mut test_signal(self.ports))?);
        Ok(())
    }

    /// Waits until the playlist is good; gives its text too.
    pub(crate) fn wait_for_playlist(&mut self) -> Result<(String, Playlist), Failure> {
        let deadline = Instant::now() + PLAYLIST_WITHIN;
        loop {
            match self.playlist() {
                Ok(good) => return Ok(good),
                Err(why) if Instant::now() > deadline => {
                    let what =
                        format!("gave no good playlist in {} s: {why}", PLAYLIST_WITHIN.as_secs());
                    return Err(self.server.blame(&what));
                }
                Err(_) => self.check()?,
            }
            sleep(POLL);
        }
    }

    /// The playlist as it is now, if it is good.
    pub(crate) fn playlist(&self) -> Result<(String, Playlist), Failure> {
        let response = http::get(self.ports.http, PLAYLIST)?;
        if response.status != 200 {
            return Err(format!("{PLAYLIST} is answered with {}", response.status).into());
        }
        if response.content_type != "application/vnd.apple.mpegurl" {
            return Err(format!("{PLAYLIST} is called '{}'", response.content_type).into());
        }
        let text = String::from_utf8(response.body)
            .map_err(|error| format!("{PLAYLIST} is no text: {error}"))?;
        let playlist = Playlist::judge(&text)?;
        Ok((text, playlist))
    }

    /// Fetches the newest segment of `playlist` and checks that it is a transport stream; says how large it is.
    pub(crate) fn check_newest_segment(&self, playlist: &Playlist) -> Result<usize, Failure> {
        let path = playlist.segments.last().map_or("", String::as_str);
        let response = http::get(self.ports.http, path)?;
        if response.status != 200 || response.content_type != "video/mp2t" {
            return Err(format!(
                "{path} is answered with {} '{}'",
                response.status, response.content_type
            )
            .into());
        }
        let body = &response.body;
        let packets_start_right =
            body.chunks(TS_PACKET_BYTES).all(|packet| packet.first() == Some(&TS_SYNC_BYTE));
        if body.is_empty() || body.len() % TS_PACKET_BYTES != 0 || !packets_start_right {
            return Err(format!(
                "{path} ({} bytes) is no whole number of transport stream packets",
                body.len()
            )
            .into());
        }
        Ok(body.len())
    }

    /// Fails as soon as one of the two has ended.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        self.server.check()?;
        self.publisher.as_mut().map_or(Ok(()), Background::check)
    }

    /// Ends the publisher, then asks the server to end and checks that it does.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        drop(self.publisher);
        self.server.stop(ENDED_WITHIN)
    }

    fn listens(&self) -> bool {
        TcpStream::connect(self.ports.http).is_ok() && TcpStream::connect(self.ports.rtmp).is_ok()
    }
}

/// What the recipe tells a newcomer to run (a 640x480 test picture and a tone).
fn test_signal(ports: Ports) -> Command {
    const RECIPE: &str = "ffmpeg -nostdin -hide_banner -loglevel warning \
        -re -f lavfi -i testsrc=size=640x480:rate=30,format=yuv420p -f lavfi -i sine -threads 1 \
        -c:v libx264 -b:v 10000k -preset ultrafast -x264-params keyint=30 -strict -2 -c:a aac -f flv";
    let mut words = tethered();
    words.extend(RECIPE.split_whitespace().map(str::to_owned));
    words.push(format!("rtmp://{}/hello_world", ports.rtmp));
    command(&words)
}
