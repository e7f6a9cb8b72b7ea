//! The ladder that is made where nobody asks for another one, down to what a link of 2G carries.

use std::time::Duration;

use crate::support::browser::{Browser, Plays};
use crate::support::ffmpeg;
use crate::support::playlist;
use crate::support::publisher::Publisher;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::wait::within;

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

    let urls = LIGHT.map(|name| {
        let path = format!("/stream/cam/{name}.m3u8");
        server.get_when_there(&path);
        format!("http://{}{path}", server.http)
    });
    let players: Vec<_> = (urls.iter())
        .flat_map(|url| [Plays::HlsJs(url.clone()), Plays::Native(url.clone())])
        .collect();
    let browser = Browser::open(&players);
    within(Duration::from_secs(40), "the players' end", || {
        let over = |index| browser.now(index).is_some_and(|it| it.ended || it.fatal);
        (0..players.len()).all(over).then_some(())
    });
    publisher.succeed();
    for (index, player) in players.iter().enumerate() {
        let history = browser.history(index);
        let last = history.last().expect("reports");
        assert!(!last.fatal && last.time > 8.0, "{player:?}: {last:?}");
        // It is loud from the first picture to the last, and what is heard are the tones.
        // Chromium makes one channel of two where ADTS is all that it knows: either tone is the
        // stronger then.
        let is_right = |[left, _]: [f64; 2]| TONES.iter().any(|tone| (left - tone).abs() < 12.0);
        let loud: Vec<_> = history.iter().filter(|report| report.loudness > 0.1).collect();
        let right = loud.iter().filter(|report| is_right(report.pitches)).count();
        assert!(loud.len() >= 20, "{player:?} plays {} times", loud.len());
        let wrong = loud.iter().find(|report| !is_right(report.pitches));
        assert!(right * 10 >= loud.len() * 9, "{player:?}: {right} of {}: {wrong:?}", loud.len());
    }
}
