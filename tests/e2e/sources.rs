//! What streamers really send: every kind of source plays, exactly.

use std::path::Path;

use crate::support::ffmpeg::{self, Media};
use crate::support::flv_file::tags;
use crate::support::judge::{self, Judged};
use crate::support::publisher::Publisher;
use crate::support::recording::{Recording, record_seconds};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::variants;

const P144: &str = "P144p30fps16x9";
const X264: &str = "-threads 1 -c:v libx264 -preset ultrafast";
const AAC: &str = "-c:a aac -b:a 96k";

/// A source that was published from a file and recorded to its end.
struct Played {
    server: Server,
    published: Media,
    source: (Recording, Judged),
    small: (Recording, Judged),
}

/// Encodes `line`, publishes it and judges all that was served.
fn play(line: &str) -> Played {
    play_from(line, |server, file| Publisher::file(server, "a", file))
}

fn play_from(line: &str, publish: impl Fn(&Server, &Path) -> Publisher) -> Played {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file = ffmpeg::encode(&scratch, line);
    let published = ffmpeg::probe(file.to_str().expect("UTF-8"));
    let seconds = published.seconds();
    let publisher = publish(&server, &file);
    let recordings = record_seconds(&server, "a", &[P144, "source"], seconds);
    publisher.succeed();
    let stream = server.stream("a").expect("the stream");
    assert_eq!(stream["renditions"][0]["dropped_pictures"], 0, "the publisher is paced: {stream}");
    let mut judged = recordings.into_iter().map(|recording| {
        let seen = judge::rendition(&recording, &scratch);
        (recording, seen)
    });
    let (small, source) = (judged.next().expect("144p"), judged.next().expect("source"));
    Played { server, published, source, small }
}

impl Played {
    /// What must hold where source and ladder are cut on one grid: nearly everywhere.
    fn is_one_grid(&self, size: (u64, u64), nth: usize) {
        let (source, small) = (&self.source, &self.small);
        judge::is_the_source(&source.1, &self.published);
        judge::is_a_rendition_of(&small.1, &source.1, nth);
        judge::are_cut_together((&source.0, &source.1), (&small.0, &small.1));
        let video = small.1.whole.video.as_ref().expect("video");
        assert_eq!((video.width, video.height), size);
        variants::are_true(&self.server, "a", &[(&small.0, &small.1), (&source.0, &source.1)]);
    }

    fn target_durations(&self) -> [u64; 2] {
        [&self.small.0, &self.source.0]
            .map(|recording| recording.latest.as_ref().expect("a playlist").target_duration)
    }

    fn durations(recording: &Recording) -> Vec<f64> {
        recording.segments.iter().map(|segment| segment.duration).collect()
    }
}

#[test]
fn hd_high_profile_with_b_pictures_and_stereo() {
    let line = "-f lavfi -i testsrc2=size=1280x720:rate=30:duration=6 -f lavfi -i sine=sample_rate=48000:duration=6 \
        -threads 1 -c:v libx264 -preset superfast -profile:v high -bf 3 -b:v 3000k -x264-params keyint=60:scenecut=0 \
        -pix_fmt yuv420p -c:a aac -ac 2 -b:a 128k";
    let played = play(line);
    played.is_one_grid((256, 144), 1);
    assert_eq!(Played::durations(&played.small.0), [2.0; 3]);
    assert_eq!(played.published.video.expect("video").profile, "High");
}

#[test]
fn sixty_pictures_a_second_are_thinned_to_thirty() {
    let line = format!(
        "-f lavfi -i testsrc2=size=640x360:rate=60:duration=8 -f lavfi -i sine=duration=8 {X264} -g 120 {AAC} -pix_fmt yuv420p"
    );
    let played = play(&line);
    played.is_one_grid((256, 144), 2);
    assert_eq!(played.small.1.video_pts().len(), 240);
}

#[test]
fn sixty_with_b_pictures_are_thinned_to_thirty() {
    let line = "-f lavfi -i testsrc2=size=640x360:rate=60:duration=8 -threads 1 -c:v libx264 -preset superfast -bf 2 -g 120 \
        -pix_fmt yuv420p";
    let played = play(line);
    let pts = played.small.1.video_pts();
    assert_eq!(pts.len(), 240);
    let gaps = pts.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.for_each(|gap| judge::assert_close(gap, 1.0 / 30.0, 0.0025, "evenly spaced"));
}

#[test]
fn portrait_keeps_its_shape() {
    let line = format!(
        "-f lavfi -i testsrc2=size=360x640:rate=30:duration=6 -f lavfi -i sine=duration=6 {X264} -g 60 {AAC} -pix_fmt yuv420p"
    );
    play(&line).is_one_grid((144, 256), 1);
}

#[test]
fn four_by_three_by_its_sample_aspect_ratio_and_mono_at_44100_hz() {
    let line = format!(
        "-f lavfi -i testsrc2=size=720x576:rate=25:duration=6,setsar=16/15 -f lavfi -i sine=sample_rate=44100:duration=6 \
         {X264} -g 50 {AAC} -ac 1 -pix_fmt yuv420p"
    );
    let played = play(&line);
    played.is_one_grid((192, 144), 1);
    let audio = played.source.1.whole.audio.as_ref().expect("audio");
    assert_eq!((audio.sample_rate_hz, audio.channels), (44100, 1));
    assert_eq!(audio.samples, 1024 * audio.pts.len() as u64, "all of them decode");
    let own = played.small.1.whole.audio.as_ref().expect("audio of its own");
    assert_eq!((own.sample_rate_hz, own.samples), (44100, 2048 * own.pts.len() as u64));
}

#[test]
fn video_without_audio() {
    let line = format!(
        "-f lavfi -i testsrc2=size=640x360:rate=30:duration=6 {X264} -g 60 -pix_fmt yuv420p"
    );
    let played = play(&line);
    played.is_one_grid((256, 144), 1);
    assert!(played.small.1.whole.audio.is_none() && played.source.1.whole.audio.is_none());
}

#[test]
fn audio_without_video_is_cut_by_time() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file =
        ffmpeg::encode(&scratch, &format!("-f lavfi -i sine=sample_rate=48000:duration=8 {AAC}"));
    let published = ffmpeg::probe(file.to_str().expect("UTF-8"));
    let publisher = Publisher::file(&server, "radio", &file);
    let recordings = record_seconds(&server, "radio", &["source"], published.seconds());
    publisher.succeed();
    let judged = judge::rendition(&recordings[0], &scratch);
    judge::is_the_source(&judged, &published);
    assert!(judged.whole.video.is_none());
    let durations = Played::durations(&recordings[0]);
    let whole = &durations[..durations.len() - 1];
    whole.iter().for_each(|duration| {
        judge::assert_close(*duration, 2.0, 0.0215, "segments of two seconds")
    });
    let multivariant = server.get("/stream/radio.m3u8");
    assert!(multivariant.text().contains("CODECS=\"mp4a.40.2\""), "{}", multivariant.text());
    assert!(!multivariant.text().contains("RESOLUTION"), "{}", multivariant.text());
}

#[test]
fn ntsc_rate_of_29_97() {
    let line = format!(
        "-f lavfi -i testsrc2=size=640x360:rate=30000/1001:duration=8 -f lavfi -i sine=duration=8 {X264} -g 60 {AAC} \
         -pix_fmt yuv420p"
    );
    let played = play(&line);
    played.is_one_grid((256, 144), 1);
    assert_eq!(played.target_durations(), [2, 2]);
}

#[test]
fn a_gop_a_little_under_two_seconds_is_a_segment() {
    let line = format!(
        "-f lavfi -i testsrc2=size=640x360:rate=50:duration=9.9 -f lavfi -i sine=duration=9.9 {X264} -g 99 -keyint_min 99 \
         -sc_threshold 0 {AAC} -pix_fmt yuv420p"
    );
    let played = play(&line);
    judge::is_the_source(&played.source.1, &played.published);
    judge::are_cut_together(
        (&played.source.0, &played.source.1),
        (&played.small.0, &played.small.1),
    );
    assert_eq!(Played::durations(&played.source.0), [1.98; 5]);
    assert_eq!(played.target_durations(), [2, 2]);
}

#[test]
fn a_gop_of_ten_seconds_plays_small_in_segments_of_two() {
    let line = format!(
        "-f lavfi -i testsrc2=size=640x360:rate=30:duration=24 -f lavfi -i sine=duration=24 {X264} -g 300 -keyint_min 300 \
         -sc_threshold 0 {AAC} -pix_fmt yuv420p"
    );
    // While the viewer waits for three long segments of the source, no more than it has seen may
    // leave the other playlist: not faster than in real time.
    let played = play_from(&line, |server, file| {
        let line = format!("-re -i {} -map 0 -c copy", file.display());
        Publisher::start(&line, &server.url("a"))
    });
    judge::is_the_source(&played.source.1, &played.published);
    judge::is_a_rendition_of(&played.small.1, &played.source.1, 1);
    let durations = Played::durations(&played.small.0);
    assert_eq!(durations.len(), 12);
    // The first cut behind the decision comes at the next picture.
    durations
        .iter()
        .for_each(|duration| judge::assert_close(*duration, 2.0, 0.034, "segments of two seconds"));
    assert_eq!(Played::durations(&played.source.0), [10.0, 10.0, 4.0]);
    assert_eq!(played.target_durations(), [2, 10]);
    // The source cannot be switched to, so it is not listed; who knows its URL can watch it.
    variants::are_true(&played.server, "a", &[(&played.small.0, &played.small.1)]);
}

#[test]
fn a_varying_frame_rate_keeps_its_times() {
    let line = format!(
        "-f lavfi -i testsrc2=size=640x360:rate=30:duration=9,select='not(between(mod(n\\,20)\\,3\\,7))*not(eq(mod(n\\,7)\\,5))' \
         -f lavfi -i sine=duration=9 {X264} -fps_mode vfr -force_key_frames expr:gte(t,n_forced*2) {AAC} -pix_fmt yuv420p"
    );
    let played = play(&line);
    judge::is_the_source(&played.source.1, &played.published);
    judge::is_a_rendition_of(&played.small.1, &played.source.1, 1);
    judge::are_cut_together(
        (&played.source.0, &played.source.1),
        (&played.small.0, &played.small.1),
    );
}

#[test]
fn the_published_pictures_come_out_as_they_went_in() {
    let (server, scratch) = (Server::with(&["--renditions", ""]), Scratch::new());
    let line = format!(
        "-f lavfi -i testsrc2=size=320x240:rate=30:duration=6 {X264} -g 60 -pix_fmt yuv420p"
    );
    let file = ffmpeg::encode(&scratch, &line);
    let publisher = Publisher::file(&server, "a", &file);
    let recordings = record_seconds(&server, "a", &["source"], 6.0);
    publisher.succeed();
    let playlist = recordings[0].write(&scratch);
    assert!(
        ffmpeg::luma(&playlist, "null") == ffmpeg::luma(&file, "null"),
        "the source rendition is the source, bit by bit"
    );
    let keyframes = tags(&std::fs::read(&file).expect("the file"))
        .iter()
        .filter(|tag| tag.is_keyframe())
        .count();
    assert_eq!(recordings[0].segments.len(), keyframes, "a segment a keyframe");
    assert_eq!(server.get("/stream/a/P144p30fps16x9.m3u8").status, 404, "passthrough only");
}
