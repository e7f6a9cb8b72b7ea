//! The ladder that is made where nobody asks for another one, down to what a link of 2G carries.

use std::time::Duration;

use crate::support::browser::{Browser, Plays};
use crate::support::ffmpeg;
use crate::support::http;
use crate::support::playlist;
use crate::support::publisher::Publisher;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::wait::{eventually, within};

const LIGHT: [&str; 3] = ["P144p15fps16x9", "P90p10fps16x9", "audio"];

/// A tone in each channel, in hertz.
const TONES: [f64; 2] = [440.0, 1000.0];

/// ADTS says nothing of SBR and PS: a player that takes it for AAC-LC plays an octave lower, or at
/// half the speed.
#[test]
fn hls_js_and_chromium_play_he_aac_at_its_pitch_and_speed() {
    let (server, scratch) = (Server::with(&[]), Scratch::new());
    let [left, right] = TONES.map(|hz| format!("0.3*sin({hz}*2*PI*t)"));
    let file = ffmpeg::encode(
        &scratch,
        &format!(
            "-f lavfi -i testsrc2=size=320x180:rate=30:duration=14.5 \
             -f lavfi -i aevalsrc={left}|{right}:sample_rate=48000:duration=14.5 -threads 1 \
             -c:v libx264 -preset superfast -g 60 -pix_fmt yuv420p -c:a aac -b:a 128k"
        ),
    );
    let line = format!("-re -i {} -c copy", file.display());
    let publisher = Publisher::start(&line, &server.url("cam"));
    let multivariant = playlist::multivariant(server.get_when_there("/stream/cam.m3u8").text());
    let listed: Vec<_> = (multivariant.variants.iter())
        .map(|variant| {
            let size = variant.resolution.map(|size| (size.width, size.height));
            (variant.uri.clone(), variant.codecs.clone().expect("codecs"), size)
        })
        .collect();
    let entry = |name: &str, codecs: &str, size| (format!("cam/{name}.m3u8"), codecs.into(), size);
    for expected in [
        entry("P144p30fps16x9", "avc1.640c0c,mp4a.40.5", Some((256, 144))),
        entry("P144p15fps16x9", "avc1.42c00b,mp4a.40.29", Some((256, 144))),
        entry("P90p10fps16x9", "avc1.42c00a,mp4a.40.29", Some((160, 90))),
        entry("audio", "mp4a.40.29", None),
    ] {
        assert!(listed.contains(&expected), "{expected:?} in {listed:?}");
    }

    // What plays, and whether its segments are transport streams.
    let mut players = Vec::new();
    for name in LIGHT {
        for (folder, is_ts) in [("cam", true), ("cam/cmaf", false)] {
            let path = format!("/stream/{folder}/{name}.m3u8");
            server.get_when_there(&path);
            let url = format!("http://{}{path}", server.http);
            players.extend([(Plays::HlsJs(url.clone()), is_ts), (Plays::Native(url), is_ts)]);
        }
    }
    let browser =
        Browser::open(&players.iter().map(|(player, _)| player.clone()).collect::<Vec<_>>());
    within(Duration::from_secs(40), "the players' end", || {
        let over = |index| browser.now(index).is_some_and(|it| it.ended || it.fatal);
        (0..players.len()).all(over).then_some(())
    });
    publisher.succeed();
    for (index, (player, is_ts)) in players.iter().enumerate() {
        let history = browser.history(index);
        let last = history.last().expect("reports");
        assert!(!last.fatal && last.time > 8.0, "{player:?}: {last:?}");
        // It is loud from the first picture to the last, and what is heard are the tones: each in
        // its channel where an initialization section tells of SBR and PS. Chromium makes one
        // channel of two where ADTS is all that it knows, whatever CODECS say: either tone is the
        // stronger then.
        let is_near = |pitch: f64, tone: f64| (pitch - tone).abs() < 12.0;
        let is_right = |[left, right]: [f64; 2]| match is_ts {
            true => TONES.iter().any(|tone| is_near(left, *tone)),
            false => is_near(left, TONES[0]) && is_near(right, TONES[1]),
        };
        let loud: Vec<_> = history.iter().filter(|report| report.loudness > 0.1).collect();
        let right = loud.iter().filter(|report| is_right(report.pitches)).count();
        assert!(loud.len() >= 20, "{player:?} plays {} times", loud.len());
        let wrong = loud.iter().find(|report| !is_right(report.pitches));
        assert!(right * 10 >= loud.len() * 9, "{player:?}: {right} of {}: {wrong:?}", loud.len());
    }
}

/// All that comes back for a request, head and all, to who takes gzip.
fn answer(server: &Server, path: &str) -> Vec<u8> {
    let fields = "Host: a\r\nAccept-Encoding: gzip\r\nConnection: close";
    let answer =
        http::raw(server.http, format!("GET {path} HTTP/1.1\r\n{fields}\r\n\r\n").as_bytes());
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{path}");
    answer
}

/// A playlist is fetched again with every segment, which has 12 kB in the lightest rendition.
#[test]
fn a_reload_of_a_light_playlist_is_at_most_300_bytes_and_its_head_less() {
    let (server, scratch) = (Server::with(&[]), Scratch::new());
    // Segments of many lengths, and two publishers one behind the other.
    let line = "-f lavfi -i testsrc2=size=320x180:rate=30000/1001 -f lavfi -i sine -t 9.3 -threads 1 -c:v libx264 \
        -preset ultrafast -x264-params keyint=infinite:scenecut=0 \
        -force_key_frames 0,1.9,4.1,6.2,8.1 -pix_fmt yuv420p -c:a aac -b:a 128k";
    let file = ffmpeg::encode(&scratch, line);
    for _ in 0..2 {
        Publisher::file(&server, "cam", &file).succeed();
        // What ffmpeg sent may be on its way.
        server.wait_until_not_live("cam");
    }
    server.wait_for_state("cam", "ended");
    for path in LIGHT.iter().flat_map(|name| [(*name).to_owned(), format!("cmaf/{name}")]) {
        let path = format!("/stream/cam/{path}.m3u8");
        let text = server.get(&path);
        assert_eq!(text.text().matches("#EXTINF").count(), 6, "{}", text.text());
        assert!(text.text().contains("#EXT-X-DISCONTINUITY\n"), "{}", text.text());
        let answer = answer(&server, &path);
        let head = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
        let body = answer.len() - head;
        assert!(body <= 300 && head <= 300, "{path}: {head} and {body}: {}", text.text());
    }
}

/// The hardest pictures and sounds there are, as a viewer of transport streams fetches them.
#[test]
fn the_lightest_rendition_of_noise_needs_56_kbit_a_second_with_all_that_is_fetched() {
    const P90: &str = "P90p10fps16x9";
    // A packet of 1500 bytes, and the heads of IPv4 and TCP in it.
    const PACKET: usize = 1500;
    const HEADS: usize = 40;
    let (server, scratch) = (Server::with(&["--transcode", "always"]), Scratch::new());
    let line = "-f lavfi -i nullsrc=size=320x180:rate=30,geq=random(1)*255:128:128 \
        -f lavfi -i anoisesrc=sample_rate=48000:amplitude=0.3 -t 13 -threads 1 -c:v libx264 \
        -preset ultrafast -g 60 -pix_fmt yuv420p -ac 2 -c:a aac -b:a 128k";
    Publisher::file(&server, "cam", &ffmpeg::encode(&scratch, line)).succeed();
    let path = format!("/stream/cam/{P90}.m3u8");
    let listed = eventually("the stream's end", || {
        let listed = playlist::media(server.get_when_there(&path).text());
        listed.end_list.then_some(listed.segments)
    });
    let packets = |bytes: usize| bytes + HEADS * bytes.div_ceil(PACKET - HEADS);
    // The first ones have a second's worth of bits more, and the last one is short.
    let steady = &listed[1..5];
    let bytes: usize = (steady.iter())
        .map(|segment| {
            packets(answer(&server, &segment.uri).len()) + packets(answer(&server, &path).len())
        })
        .sum();
    let seconds: f64 = steady.iter().map(|segment| f64::from(segment.duration)).sum();
    let bps = bytes as f64 * 8.0 / seconds;
    assert!(bps < 56_000.0, "{bps} bit/s");
}
