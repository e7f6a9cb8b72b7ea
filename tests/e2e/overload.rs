//! More than the machine can carry: the server on one core, its publishers on the other.

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::support::ffmpeg;
use crate::support::publisher::Publisher;
use crate::support::recording::{Recording, Segment, record_seconds};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::ts::{demux, of_pid};
use crate::support::wait::within;

/// From the heaviest to the lightest.
const LADDER: [&str; 3] = ["P720p30fps16x9", "P360p30fps16x9", "P144p30fps16x9"];
const VIDEO_PID: u16 = 0x100;
/// Pictures of ten seconds.
const PICTURES: usize = 300;
/// How often all streams but the first send them: for a little over two minutes.
const TIMES: usize = 13;
/// Pictures of a segment: the GOP.
const WHOLE_SEGMENT: usize = 60;
/// Streams that may be needed to get there.
const MOST_STREAMS: usize = 10;
/// A viewer looks this often.
const LOOK: Duration = Duration::from_millis(500);

#[test]
fn long_source_never_suffers_and_the_ladder_recovers_by_itself() {
    // One viewer looks at everything in turn: it cannot wait for what slept.
    let options = ["--renditions", &LADDER.join(","), "--transcode", "always"];
    let (server, scratch) = (Server::with(&options), Scratch::new());
    pin(server.process_id(), 0);
    let file = ten_seconds(&scratch);
    // The first stream goes on when the others have ended: that is what the machine can carry.
    let mut streams = vec![Stream::start(&server, &file, 0, 40)];
    while !look(&server, &mut streams).is_shed {
        assert!(streams.len() < MOST_STREAMS, "this machine carries {MOST_STREAMS} streams");
        streams.push(Stream::start(&server, &file, streams.len(), TIMES));
        look_until(&server, &mut streams, Duration::from_secs(8));
    }
    // One stream too many is shed and carried then; this is more than that.
    streams.push(Stream::start(&server, &file, streams.len(), TIMES));
    within(Duration::from_secs(170), "all streams but the first to end", || {
        look(&server, &mut streams);
        streams[1..].iter().all(|stream| stream.shed_pictures.is_some()).then_some(())
    });
    within(Duration::from_secs(100), "the first stream to be whole again", || {
        let seen = look(&server, &mut streams);
        (!seen.is_shed && seen.lag_ms < 500 && streams[0].is_whole_again()).then_some(())
    });
    streams[0].shed_pictures = Some(streams[0].assert_complete(&server));
    let shed: f64 = streams.iter().filter_map(|stream| stream.shed_pictures).sum();
    assert!(shed > 0.0, "what was left out is in the metrics");
}

#[test]
fn case_79_viewers_that_take_nothing_hold_up_nobody() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let line = "-f lavfi -i testsrc2=size=640x360:rate=30:duration=6 -threads 1 -c:v libx264 -preset ultrafast -g 60 \
        -pix_fmt yuv420p";
    let publisher = Publisher::file(&server, "a", &ffmpeg::encode(&scratch, line));
    let first = &record_seconds(&server, "a", &["source"], 2.0)[0].segments[0];
    let request = format!("GET /stream/a/source/{}.ts HTTP/1.1\r\nHost: a\r\n\r\n", first.sequence);
    // Far more than the buffers of a connection hold.
    let asked = 64 * 1024 * 1024 / first.data.len();
    let stalled: Vec<_> = (0..20)
        .map(|_| {
            let mut viewer = TcpStream::connect(server.http).expect("a connection");
            viewer.write_all(request.repeat(asked).as_bytes()).expect("room for requests");
            viewer
        })
        .collect();
    publisher.succeed();
    let source = &record_seconds(&server, "a", &["source", LADDER[2]], 6.0)[0];
    assert_eq!(source.segments.iter().flat_map(times).count(), 180, "all pictures came through");
    let served = server.metric("feathercast_http_segment_requests_total");
    assert!(served < (asked * stalled.len()) as f64, "they took it all: {served}");
    drop(stalled);
}

/// One publisher, and a viewer of each of its renditions.
struct Stream {
    name: String,
    _publisher: Publisher,
    source: Recording,
    ladder: [Recording; 3],
    /// Pictures that are published in all; the first stream is watched only so long.
    pictures: usize,
    /// What the heaviest rendition lost in all; known at the end.
    shed_pictures: Option<f64>,
}

/// What `/status` says of the streams together.
#[derive(Default)]
struct Seen {
    is_shed: bool,
    lag_ms: u64,
}

impl Stream {
    fn start(server: &Server, file: &Path, nth: usize, times: usize) -> Self {
        let name = format!("s{nth}");
        let line = format!("-re -stream_loop {} -i {} -c copy", times - 1, file.display());
        let publisher = Publisher::start(&line, &server.url(&name));
        pin(publisher.process_id(), 1);
        server.wait_for_state(&name, "live");
        // A young playlist is answered after 8 s where the ladder is behind. The one viewer of all
        // streams waits for no two of them in turn: a window has 12 s.
        server.get_when_there(&format!("/stream/{name}/{}.m3u8", LADDER[0]));
        Self {
            source: Recording::new(&name, "source"),
            ladder: LADDER.map(|rendition| Recording::new(&name, rendition)),
            name,
            _publisher: publisher,
            pictures: times * PICTURES,
            shed_pictures: None,
        }
    }

    fn look(&mut self, server: &Server) {
        if self.shed_pictures.is_some() {
            return;
        }
        self.ladder.iter_mut().chain([&mut self.source]).for_each(|one| one.poll(server));
        if self.has_ended() {
            self.shed_pictures = Some(self.assert_complete(server));
        }
    }

    fn has_ended(&self) -> bool {
        self.source.has_ended() && self.ladder.iter().all(Recording::has_ended)
    }

    fn is_whole_again(&self) -> bool {
        self.ladder.iter().all(|rendition| {
            rendition.segments.last().is_some_and(|last| times(last).len() == WHOLE_SEGMENT)
        })
    }

    /// Holds the stream to what no load may change; pictures that were left out of the heaviest
    /// rendition.
    fn assert_complete(&self, server: &Server) -> f64 {
        let source: Vec<u64> = self.source.segments.iter().flat_map(times).collect();
        for pair in source.windows(2) {
            assert!((2700..=3300).contains(&(pair[1] - pair[0])), "{}: {pair:?}", self.name);
        }
        if self.has_ended() {
            assert_eq!(source.len(), self.pictures, "{}", self.name);
        }
        let spans = |recording: &Recording| {
            recording
                .segments
                .iter()
                .map(|s| (s.sequence, s.unix_ms, s.duration))
                .collect::<Vec<_>>()
        };
        let least = self.source.segments.len() - 2;
        assert!(least > 60, "two minutes");
        for rendition in &self.ladder {
            let seen = spans(rendition);
            assert!(seen.len() >= least, "{} {}", self.name, rendition.rendition);
            assert_eq!(seen[..least], spans(&self.source)[..least], "{}", rendition.rendition);
            assert!(rendition.segments.iter().all(|segment| !times(segment).is_empty()));
        }
        self.assert_counts(server)
    }

    /// `/status` and `/metrics` say the same, and it is the heaviest that lost the most.
    fn assert_counts(&self, server: &Server) -> f64 {
        let status = server.stream(&self.name).expect("a minute has not passed");
        let shed = LADDER.map(|rendition| {
            let labels = format!("{{stream=\"{}\",rendition=\"{rendition}\"}}", self.name);
            let metric =
                server.metric(&format!("feathercast_rendition_shed_pictures_total{labels}"));
            let counted = entry(&status, rendition)["shed_pictures"].as_f64().expect("a number");
            assert_eq!(metric, counted, "{labels}");
            metric
        });
        assert!(shed.is_sorted_by(|heavy, light| heavy >= light), "{shed:?}");
        assert_eq!(shed[2], 0.0, "never the lightest");
        shed[0]
    }
}

/// Looks at everything once, as a viewer and as the operator.
fn look(server: &Server, streams: &mut [Stream]) -> Seen {
    sleep(LOOK);
    let mut seen = Seen::default();
    for stream in streams {
        stream.look(server);
        let Some(status) = server.stream(&stream.name).filter(|status| status["state"] == "live")
        else {
            continue;
        };
        let shed = LADDER.map(|rendition| entry(&status, rendition)["shed"] == true);
        assert!(shed.is_sorted_by(|heavy, light| heavy >= light), "heaviest first: {shed:?}");
        seen.is_shed |= shed[0];
        let lag_ms = entry(&status, LADDER[0])["lag_ms"].as_u64().unwrap_or(0);
        seen.lag_ms = seen.lag_ms.max(lag_ms);
    }
    seen
}

/// Looks for so long, or until something is shed.
fn look_until(server: &Server, streams: &mut [Stream], limit: Duration) {
    for _ in 0..limit.as_millis() / LOOK.as_millis() {
        if look(server, streams).is_shed {
            return;
        }
    }
}

/// A rendition's entry in a stream's status; null before its first segment.
fn entry<'a>(status: &'a Value, rendition: &str) -> &'a Value {
    let renditions = status["renditions"].as_array().expect("renditions");
    renditions.iter().find(|entry| entry["name"] == rendition).unwrap_or(&Value::Null)
}

/// Presentation times of a segment's pictures.
fn times(segment: &Segment) -> Vec<u64> {
    of_pid(&demux(&segment.data), VIDEO_PID).map(|pes| pes.pts.expect("a PTS")).collect()
}

/// A large picture that costs much to decode, in few bits.
fn ten_seconds(scratch: &Scratch) -> PathBuf {
    let line = "-f lavfi -i testsrc2=size=1920x1080:rate=30:duration=10 -c:v libx264 -preset ultrafast -b:v 3M -g 60 \
        -sc_threshold 0 -pix_fmt yuv420p";
    ffmpeg::encode(scratch, line)
}

/// Binds all threads of a process to one core.
fn pin(process: u32, core: u32) {
    let status = Command::new("taskset")
        .args(["-a", "-c", "-p", &core.to_string(), &process.to_string()])
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.expect("taskset(1)").success());
}
