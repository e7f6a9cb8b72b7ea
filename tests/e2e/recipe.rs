//! The recipe's own test, word by word: the streamer's ffmpeg command, then the viewer's curl.

use crate::support::judge;
use crate::support::publisher::Publisher;
use crate::support::recording::record;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::variants;

/// What follows `ffmpeg` in the recipe, up to the output.
const PUBLISH: &str = "-re -f lavfi -i testsrc=size=640x480:rate=30,format=yuv420p -f lavfi -i sine -threads 1 \
    -c:v libx264 -b:v 10000k -preset ultrafast -x264-params keyint=30 -strict -2 -c:a aac";

const P144: &str = "P144p30fps16x9";

#[test]
fn the_recipe_s_publisher_is_watched_with_the_recipe_s_curl() {
    let server = Server::with(&["--current-manifest", "--renditions", P144]);
    let scratch = Scratch::new();
    let publisher = Publisher::start(PUBLISH, &server.url("hello_world"));
    let mut recordings = record(&server, "hello_world", &[P144, "source"], |recordings| {
        recordings.iter().all(|recording| recording.segments.len() >= 3)
    });
    let playlist = server.get("/stream/hello_world/P144p30fps16x9.m3u8");
    for line in [
        "#EXT-X-VERSION:3",
        "#EXT-X-TARGETDURATION:2",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXTINF:2.000,",
    ] {
        assert!(
            playlist.text().lines().any(|found| found == line),
            "{line} in {}",
            playlist.text()
        );
    }
    assert_eq!(
        server.get("/stream/current.m3u8").body,
        server.get("/stream/hello_world.m3u8").body
    );
    drop(publisher);

    recordings.iter_mut().for_each(|recording| recording.segments.truncate(3));
    let [p144, source] = recordings.as_slice() else { unreachable!("two were asked for") };
    let small = judge::rendition(p144, &scratch);
    let large = judge::rendition(source, &scratch);
    judge::are_cut_together((p144, &small), (source, &large));
    judge::is_a_rendition_of(&small, &large, 1);
    assert_eq!(small.video_pts().len(), 180, "three segments of two seconds");
    let video = small.whole.video.as_ref().expect("video");
    assert_eq!((video.width, video.height), (192, 144), "4:3 inside 256x144");
    let audio = small.whole.audio.as_ref().expect("audio");
    // Of one channel: ffprobe takes it for v2, of which ADTS would not tell either.
    assert_eq!((audio.sample_rate_hz, audio.profile.as_str()), (44100, "HE-AACv2"));
    variants::are_true(&server, "hello_world", &[(p144, &small), (source, &large)]);
}
