//! The ladder that is made where nobody asks for another one, down to what a link of 2G carries.

use std::path::PathBuf;
use std::time::Duration;

use crate::support::browser::{Browser, Plays};
use crate::support::ffmpeg::{self, probe};
use crate::support::http;
use crate::support::playlist;
use crate::support::program::{Player, Tracks};
use crate::support::publisher::Publisher;
use crate::support::recording::{Recording, record, record_seconds};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::wait::{eventually, within};

const P90: &str = "P90p10fps16x9";
const LIGHT: [&str; 3] = ["P144p15fps16x9", P90, "audio"];

/// Pictures a second of each of them.
const FPS: [Option<f64>; 3] = [Some(15.0), Some(10.0), None];

/// A tone in each channel, in hertz.
const TONES: [f64; 2] = [440.0, 1000.0];

/// Root mean square of both in one channel: half of each, whose peak is 0.3.
const LOUDNESS: f64 = 0.15;

/// Pictures and the tones, encoded before, so that publishing in real time costs the machine
/// nothing.
fn clip(scratch: &Scratch, seconds: f64) -> PathBuf {
    let [left, right] = TONES.map(|hz| format!("0.3*sin({hz}*2*PI*t)"));
    ffmpeg::encode(
        scratch,
        &format!(
            "-f lavfi -i testsrc2=size=320x180:rate=30:duration={seconds} \
             -f lavfi -i aevalsrc={left}|{right}:sample_rate=48000:duration={seconds} -threads 1 \
             -c:v libx264 -preset superfast -g 60 -pix_fmt yuv420p -c:a aac -b:a 128k"
        ),
    )
}

/// ADTS says nothing of SBR and PS: a player that takes it for AAC-LC plays an octave lower, or at
/// half the speed.
#[test]
fn hls_js_and_chromium_play_he_aac_at_its_pitch_and_speed() {
    let (server, scratch) = (Server::with(&[]), Scratch::new());
    let line = format!("-re -i {} -c copy", clip(&scratch, 14.5).display());
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

/// Every light rendition is played live by each of the players, to its end.
fn are_played(folder: &str, players: &[fn(&str, Tracks, &Scratch) -> Player], lost: f64) {
    let (server, scratch) = (Server::with(&[]), Scratch::new());
    let line = format!("-re -i {} -c copy", clip(&scratch, 12.5).display());
    let publisher = Publisher::start(&line, &server.url("cam"));
    // Players that join a stream this young start at its first segment.
    record_seconds(&server, "cam", &LIGHT, 6.0);
    let mut watched = Vec::new();
    for (index, rendition) in LIGHT.iter().enumerate() {
        let url = format!("http://{}/stream/{folder}/{rendition}.m3u8", server.http);
        let tracks = if FPS[index].is_some() { Tracks::Both } else { Tracks::Audio };
        for start in players {
            // Its file is called as those of its kind are.
            let folder = Scratch::new();
            watched.push((index, start(&url, tracks, &folder), folder));
        }
    }
    let recordings =
        record(&server, "cam", &LIGHT, |recordings| recordings.iter().all(Recording::has_ended));
    publisher.succeed();
    for (index, player, _folder) in &mut watched {
        has_played(player, &recordings[*index], FPS[*index], lost);
    }
}

/// All pictures that were served and the tones beside them, from where it joined to the end; so
/// many seconds may be missing there.
fn has_played(player: &mut Player, recording: &Recording, fps: Option<f64>, lost: f64) {
    let scratch = Scratch::new();
    let file = player.play_to_the_end();
    let what = format!("{} in {}", recording.rendition, file.display());
    let served = scratch.write("served.ts", &recording.joined());
    let [played, served] = [file, &served].map(|file| probe(file.to_str().expect("UTF-8")));
    let audio = played.audio.expect("audio");
    let sound = audio.samples as f64 / audio.sample_rate_hz as f64;
    let mut seconds = sound;
    if let Some(fps) = fps {
        let [played, served] = [played.video, served.video].map(|video| video.expect("video").pts);
        // At its cap a rendition leaves some out, so they are told by their place in time.
        let places = |pts: &[f64]| -> Vec<_> {
            pts.iter().map(|time| ((time - pts[0]) * fps).round() as usize).collect()
        };
        let shown = places(&played);
        let joins = |at: usize| places(&served[at..]).starts_with(&shown);
        assert!((0..served.len()).any(joins), "{what}: {played:?} of {served:?}");
        seconds = (shown[shown.len() - 1] + 1) as f64 / fps;
        assert!(shown.len() as f64 > 0.9 * fps * seconds, "{what}: {shown:?}");
        assert!((sound - seconds).abs() < 0.2, "{what}: {sound} s of sound in {seconds} s");
    } else {
        assert!(played.video.is_none(), "{what}: sound alone");
    }
    // It joins with a segment.
    let to_the_end = (0..recording.segments.len())
        .map(|from| recording.segments[from..].iter().map(|segment| segment.duration).sum::<f64>());
    let missing = to_the_end.map(|served| (served - seconds).abs()).reduce(f64::min);
    assert!(seconds > 8.0 && missing <= Some(lost + 0.1), "{what}: {seconds} s, {missing:?}");
    let loudness = ffmpeg::loudness(file, 1.0);
    let is_right = |loudness: &f64| (loudness / LOUDNESS - 1.0).abs() < 0.2;
    assert!(loudness.iter().all(is_right), "{what}: {loudness:?}");
}

#[test]
fn ffmpeg_and_gstreamer_play_light_transport_streams_to_their_end() {
    are_played("cam", &[|url, _, scratch| Player::ffmpeg(url, scratch), Player::gstreamer], 0.0);
}

#[test]
fn ffmpeg_and_gstreamer_play_light_fragmented_mp4_to_its_end() {
    let players: [fn(&str, Tracks, &Scratch) -> Player; 2] =
        [|url, _, scratch| Player::ffmpeg(url, scratch), Player::gstreamer_cmaf];
    are_played("cam/cmaf", &players, 0.0);
}

/// VLC's muxer drops what it holds back when it ends.
#[test]
fn vlc_plays_light_transport_streams_to_their_end() {
    are_played("cam", &[|url, _, scratch| Player::vlc(url, scratch)], 1.0);
}

#[test]
fn who_saves_data_is_offered_192_kbit_a_second_at_most_and_a_picture_first() {
    let (server, scratch) = (Server::with(&[]), Scratch::new());
    Publisher::file(&server, "cam", &clip(&scratch, 8.0)).succeed();
    // What ffmpeg sent may be on its way, and with each segment what is declared may change.
    server.wait_until_not_live("cam");
    for path in ["/stream/cam.m3u8", "/stream/cam/cmaf/index.m3u8"] {
        let all = playlist::multivariant(server.get_when_there(path).text()).variants;
        let asked = server.get(&format!("{path}?data=low"));
        let told = http::request(server.http, "GET", path, &[("Save-Data", "on")]);
        assert_eq!(told.text(), asked.text());
        let light = playlist::multivariant(asked.text()).variants;
        assert!(light.iter().all(|it| it.bandwidth <= 192_000), "{}", asked.text());
        assert!(all.iter().any(|it| it.bandwidth > 192_000), "{all:?}");
        let pictures = all.iter().filter(|it| it.resolution.is_some());
        let lightest = pictures.min_by_key(|it| it.bandwidth).expect("pictures");
        assert_eq!(light[0].uri, lightest.uri, "a player starts with it");
        assert!(lightest.uri.ends_with(&format!("{P90}.m3u8")), "{}", lightest.uri);
        let sound = light.iter().find(|it| it.uri.ends_with("audio.m3u8")).expect("sound alone");
        assert!(sound.resolution.is_none(), "{}", asked.text());
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

/// Noise that moves over moving pictures, which need all that the rendition has, and sound in both
/// channels.
#[test]
fn packaging_of_the_lightest_rendition_costs_little() {
    const SECONDS: f64 = 12.0;
    const AUDIO_KBPS: f64 = 16.0;
    let (server, scratch) = (Server::with(&["--transcode", "always"]), Scratch::new());
    let line = format!(
        "-f lavfi -i testsrc2=size=320x180:rate=30,noise=alls=40:allf=t \
         -f lavfi -i anoisesrc=color=pink:sample_rate=48000:amplitude=0.3 -t {SECONDS} -threads 1 \
         -c:v libx264 -preset ultrafast -g 60 -pix_fmt yuv420p -ac 2 -c:a aac -b:a 128k"
    );
    Publisher::file(&server, "cam", &ffmpeg::encode(&scratch, &line)).succeed();
    server.wait_for_state("cam", "ended");
    let stream = server.stream("cam").expect("a stream");
    let renditions = stream["renditions"].as_array().expect("a list");
    let lightest = renditions.iter().find(|it| it["name"] == P90).expect("it is listed");
    let bytes = |key: &str| lightest[key].as_f64().unwrap_or_else(|| panic!("{key}: {lightest}"));
    let elementary = bytes("elementary_bytes");
    let video_kbps = elementary * 8.0 / SECONDS / 1000.0 - AUDIO_KBPS;
    assert!((video_kbps - 26.0).abs() < 3.0, "{video_kbps} kbit/s of video, 26 at the cap");
    assert!(bytes("cmaf_bytes") < 1.05 * elementary, "{lightest}");
    assert!(bytes("published_bytes") < 1.25 * elementary, "{lightest}");
}
