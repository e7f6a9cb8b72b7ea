//! Streams of every shape: which tracks, sizes, rates; what changes on the way and what that does
//! to the playlists.

use crate::support::RenditionEvent;
use crate::support::skipped;
use flv::{Tag, TagKind};
use h264::Undecodable;
use media::Duration;
use pipeline::{
    AudioPreset, DecoderKind, GridMode, GridState, Preset, RenditionInfo, StreamConfig,
};
use pipeline::{MessageError, Notice, VideoRefusal};

use crate::support::{self, FIRST_SEQUENCE, Stream, ffmpeg_output, flv_messages, segments};

pub(crate) const VIDEO: &str = "-c:v libx264 -preset ultrafast -x264-params keyint=30:scenecut=0";

pub(crate) fn make(input: &str, codecs: &str) -> Vec<Tag> {
    flv_messages(&ffmpeg_output(&format!("{input} {codecs} -f flv -")))
}

pub(crate) fn picture(size: &str, fps: u32) -> String {
    format!("-f lavfi -i testsrc=size={size}:rate={fps},format=yuv420p")
}

pub(crate) fn both(size: &str, seconds: u32) -> Vec<Tag> {
    with_sound(size, seconds, VIDEO)
}

pub(crate) fn with_b_pictures(size: &str, seconds: u32) -> Vec<Tag> {
    let x264 = "keyint=30:scenecut=0:b-adapt=0";
    let codec = format!("-c:v libx264 -preset superfast -bf 2 -x264-params {x264}");
    with_sound(size, seconds, &codec)
}

fn with_sound(size: &str, seconds: u32, video: &str) -> Vec<Tag> {
    let input = format!("{} -f lavfi -i sine=sample_rate=44100", picture(size, 30));
    make(&input, &format!("-t {seconds} {video} -c:a aac"))
}

pub(crate) fn play(tags: impl IntoIterator<Item = Tag>) -> Stream {
    play_resumed(tags, GridState::new(FIRST_SEQUENCE))
}

/// The stream of a publisher who has not sent anything yet: source, and 144p with its audio.
pub(crate) fn stream() -> Stream {
    stream_resumed(GridState::new(FIRST_SEQUENCE))
}

fn stream_resumed(resume: GridState) -> Stream {
    let preset = Preset::named("P144p30fps16x9").expect("a preset");
    let renditions = vec![Preset { audio: AudioPreset::Copy, ..preset }];
    let segment_duration = Duration::from_secs(2);
    let config = StreamConfig {
        renditions,
        segment_duration,
        decoder: DecoderKind::Native,
        work_clock: pipeline::WorkClock::default(),
    };
    Stream::new(&config, resume)
}

/// What a publisher left whose segments are still listed.
pub(crate) fn resumed(mode: GridMode) -> GridState {
    let mut state = GridState { mode: Some(mode), ..GridState::new(FIRST_SEQUENCE) };
    state.source.discontinuity_next = true;
    state.ladder.discontinuity_next = true;
    state
}

pub(crate) fn play_resumed(tags: impl IntoIterator<Item = Tag>, resume: GridState) -> Stream {
    let mut stream = stream_resumed(resume);
    tags.into_iter().for_each(|tag| stream.push(tag));
    stream.finish();
    stream
}

pub(crate) fn later(tags: Vec<Tag>, ms: u32) -> impl Iterator<Item = Tag> {
    tags.into_iter().map(move |tag| Tag { timestamp_ms: tag.timestamp_ms + ms, ..tag })
}

pub(crate) fn infos(events: &[RenditionEvent]) -> Vec<&RenditionInfo> {
    let mut infos = Vec::new();
    for event in events {
        if let RenditionEvent::Info(info) = event {
            infos.push(info);
        }
    }
    infos
}

pub(crate) fn discontinuities(events: &[RenditionEvent]) -> Vec<usize> {
    segments(events)
        .enumerate()
        .filter(|(_, segment)| segment.discontinuity)
        .map(|(n, _)| n)
        .collect()
}

pub(crate) fn pictures(events: &[RenditionEvent]) -> usize {
    segments(events).map(|segment| support::decode_without_warning(&segment.data)).sum()
}

#[test]
fn video_only_plays() {
    let stream = play(make(&picture("320x240", 30), &format!("-t 5 {VIDEO}")));
    assert_eq!((pictures(&stream.source), pictures(&stream.rungs[0])), (150, 150));
    assert_eq!(infos(&stream.rungs[0])[0].resolution, Some((192, 144)));
    assert_eq!(infos(&stream.source)[0].codecs, "avc1.42c00d");
}

#[test]
fn audio_only_plays_as_source_in_segments_of_the_segment_duration() {
    let stream = play(make("-f lavfi -i sine=sample_rate=48000", "-t 7 -c:a aac"));
    assert_eq!(segments(&stream.source).count(), 4);
    assert!(
        segments(&stream.source).take(3).all(|s| (2000..2030).contains(&s.duration.as_millis()))
    );
    assert_eq!(infos(&stream.source)[0].codecs, "mp4a.40.2");
    assert_eq!(stream.rungs[0].len(), 0, "no video, no rendition of it");
    assert_eq!(
        pictures(&stream.source),
        7 * 48_000 / 1024 + 2,
        "audio frames, with the encoder's priming"
    );
}

#[test]
fn sixty_pictures_a_second_become_thirty() {
    let x264 = "-c:v libx264 -bf 1 -x264-params keyint=60:scenecut=0:b-adapt=0";
    let stream = play(make(&picture("320x240", 60), &format!("-t 4 {x264}")));
    assert_eq!((pictures(&stream.source), pictures(&stream.rungs[0])), (240, 120));
    assert_eq!(infos(&stream.rungs[0])[0].frame_rate, Some(30.0));
    // Pictures of the second segment; the first was made when it was known how long it is.
    assert!(stream.transcoder_stats().thinned >= 50, "pictures nobody wants are not decoded");
}

#[test]
fn portrait_and_wide_pictures_keep_their_shape() {
    for (size, expected) in
        [("360x640", (144, 256)), ("640x272", (256, 108)), ("300x300", (144, 144))]
    {
        let stream = play(make(&picture(size, 15), &format!("-t 3 {VIDEO}")));
        assert_eq!(infos(&stream.rungs[0])[0].resolution, Some(expected), "{size}");
    }
}

#[test]
fn a_tiny_source_plays_as_source_only() {
    let stream = play(make(&picture("32x8", 15), &format!("-t 3 {VIDEO}")));
    assert!(segments(&stream.source).count() >= 1);
    assert_eq!(stream.rungs[0].len(), 0);
}

#[test]
fn what_cannot_be_decoded_plays_as_source_and_says_why() {
    let input = "-f lavfi -i testsrc=size=320x240:rate=15,format=yuv422p";
    let stream = play(make(input, &format!("-t 3 {VIDEO}")));
    assert_eq!(stream.notices.len(), 1, "{:?}", stream.notices);
    let refusal = VideoRefusal::Undecodable(Undecodable::ChromaFormat { chroma_format_idc: 2 });
    assert_eq!(stream.notices[0], Notice::Undecodable(refusal));
    assert_eq!((pictures(&stream.source), stream.rungs[0].len()), (45, 0));
}

#[test]
fn case_01_audio_that_comes_late_has_been_silence_in_all_renditions() {
    let is_header = |tag: &Tag| tag.body.len() < 10;
    let silent_at_first =
        |tag: &Tag| tag.kind != TagKind::Audio || is_header(tag) || tag.timestamp_ms > 3000;
    let stream = play(both("320x240", 8).into_iter().filter(silent_at_first));
    assert_eq!(stream.notices, []);
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(discontinuities(events), [0_usize; 0]);
        assert!(infos(events).iter().all(|info| info.codecs.contains("mp4a")));
        assert_eq!(pictures(events), 240, "and ffmpeg likes every segment");
    }
}

#[test]
fn case_01_video_that_comes_late_has_been_black_in_all_renditions() {
    let blind_at_first = |tag: &Tag| tag.kind != TagKind::Video || tag.timestamp_ms > 6500;
    let tags = both("320x240", 10);
    let header = tags.iter().find(|tag| tag.kind == TagKind::Video).cloned();
    let rest = tags.into_iter().filter(blind_at_first);
    let stream = play(header.into_iter().chain(rest));
    assert_eq!(stream.notices, []);
    assert!(infos(&stream.source).iter().all(|info| info.resolution == Some((320, 240))));
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(discontinuities(events).len(), 1, "where the pictures begin");
        // From 7 s on, and one for each segment before.
        let black = discontinuities(events)[0];
        assert_eq!(pictures(events), 90 + black, "and ffmpeg likes every segment");
    }
}

#[test]
fn case_01_a_track_that_nobody_announced_is_named_when_it_comes() {
    let tags = both("320x240", 8);
    for late in [TagKind::Audio, TagKind::Video] {
        let comes = |tag: &&Tag| {
            tag.kind != TagKind::Script && (tag.kind != late || tag.timestamp_ms > 5_000)
        };
        let header = tags.iter().find(|tag| tag.kind == late).cloned();
        let header = header.map(|header| Tag { timestamp_ms: 5_000, ..header });
        let mut tags: Vec<_> = tags.iter().filter(comes).cloned().chain(header).collect();
        tags.sort_by_key(|tag| tag.timestamp_ms);
        let stream = play(tags);
        assert_eq!(stream.notices, [Notice::TrackLeftOut(late)]);
        assert_eq!(discontinuities(&stream.source), [0_usize; 0]);
        let info = infos(&stream.source)[0];
        assert_eq!(info.codecs.contains("avc1"), late == TagKind::Audio);
        assert_eq!(info.codecs.contains("mp4a"), late == TagKind::Video);
    }
}

#[test]
fn another_picture_size_is_one_discontinuity_in_all_renditions() {
    let tags = both("320x240", 5).into_iter().chain(later(both("640x360", 5), 5000));
    let stream = play(tags);
    assert_eq!(discontinuities(&stream.source).len(), 1);
    assert_eq!(discontinuities(&stream.source), discontinuities(&stream.rungs[0]));
    let sizes: Vec<_> = infos(&stream.rungs[0]).iter().map(|info| info.resolution).collect();
    assert_eq!(sizes, [Some((192, 144)), Some((256, 144))]);
    assert_eq!((pictures(&stream.source), pictures(&stream.rungs[0])), (300, 300));
}

#[test]
fn repeated_headers_that_change_nothing_are_no_discontinuity() {
    let tags = both("320x240", 5);
    let stream = play(tags.clone().into_iter().chain(later(tags, 5000)));
    assert_eq!(
        (discontinuities(&stream.source), discontinuities(&stream.rungs[0])),
        (vec![], vec![])
    );
}

#[test]
fn a_jump_in_time_is_one_discontinuity_and_loses_no_picture() {
    let shift = |tag: Tag| match tag.timestamp_ms {
        0..4500 => tag,
        ms => Tag { timestamp_ms: ms + 3_600_000, ..tag },
    };
    let stream = play(both("320x240", 9).into_iter().map(shift));
    assert_eq!(discontinuities(&stream.source).len(), 1);
    assert_eq!(discontinuities(&stream.source), discontinuities(&stream.rungs[0]));
    assert_eq!((pictures(&stream.source), pictures(&stream.rungs[0])), (270, 270));
}

#[test]
fn a_returning_publisher_goes_on_behind_a_discontinuity_and_keeps_the_target_duration() {
    let grid = GridMode { target_duration_secs: 2, own_grid: false };
    let stream = play_resumed(both("320x240", 5), resumed(grid));
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(discontinuities(events), [0]);
        assert!(matches!(events[0], RenditionEvent::Playlist { target_duration_secs: 2, .. }));
    }
}

#[test]
fn program_date_time_follows_media_time() {
    let stream = play(both("320x240", 9));
    for events in [&stream.source, &stream.rungs[0]] {
        let mut expected = segments(events).next().expect("a segment").start_unix_ms;
        for segment in segments(events) {
            assert!(
                (segment.start_unix_ms - expected).abs() <= 1,
                "{} {expected}",
                segment.start_unix_ms
            );
            expected = segment.start_unix_ms + segment.duration.as_millis();
        }
    }
}

#[test]
fn pictures_without_a_keyframe_are_named_and_play_once_one_comes() {
    let is_key = |tag: &Tag| tag.kind == TagKind::Video && tag.body[0] == 0x17 && tag.body[1] == 1;
    let tags = make(&picture("320x240", 30), &format!("-t 4 {VIDEO}"));
    let keyless: Vec<_> = tags.iter().filter(|tag| !is_key(tag)).cloned().collect();
    let stream = play(keyless.clone());
    assert_eq!(stream.notices.len(), 1, "{:?}", stream.notices);
    assert_eq!(stream.notices[0], Notice::NoKeyframeYet);
    assert_eq!(stream.source.len(), 0);
    let stream = play(keyless.into_iter().chain(later(tags, 4000)));
    assert_eq!((pictures(&stream.source), pictures(&stream.rungs[0])), (120, 120));
}

#[test]
fn pictures_without_a_sequence_header_are_named() {
    let tags = make(&picture("320x240", 30), &format!("-t 1 {VIDEO}"));
    let stream = play(tags.into_iter().filter(|tag| tag.body.get(1) != Some(&0)));
    assert_eq!(skipped(&stream.notices[0]), Some(&MessageError::PictureBeforeConfig));
}

#[test]
fn a_ladder_on_its_own_grid_has_equal_segments_whatever_milliseconds_round_to() {
    let x264 = "-c:v libx264 -bf 2 -x264-params keyint=900:scenecut=0";
    let stream = play(make(&picture("320x240", 30), &format!("-t 21 {x264}")));
    let durations: Vec<_> =
        segments(&stream.rungs[0]).map(|segment| segment.duration.as_millis()).collect();
    assert!(durations[..10].iter().all(|ms| (1999..=2001).contains(ms)), "{durations:?}");
}

#[test]
fn a_picture_larger_than_the_limit_is_not_given_to_the_decoder() {
    let stream = play(make(&picture("4352x2304", 5), "-t 1 -c:v libx264 -preset ultrafast"));
    let Notice::Undecodable(VideoRefusal::TooManyPixels { width, height, .. }) = stream.notices[0]
    else {
        panic!("{:?}", stream.notices)
    };
    assert_eq!((width, height), (4352, 2304));
    assert_eq!((segments(&stream.source).count(), stream.rungs[0].len()), (1, 0));
}

#[test]
fn an_absurd_composition_time_moves_no_cut() {
    let absurd = |tag: Tag| match tag.timestamp_ms {
        1000..1100 if tag.kind == TagKind::Video => {
            let mut body = tag.body.to_vec();
            body[2..5].copy_from_slice(&[0x7f, 0xff, 0xff]);
            Tag { body: body.into(), ..tag }
        }
        _ => tag,
    };
    let stream = play(both("320x240", 9).into_iter().map(absurd));
    for events in [&stream.source, &stream.rungs[0]] {
        let durations: Vec<_> =
            segments(events).map(|segment| segment.duration.as_millis()).collect();
        assert_eq!(durations[..4], [2000; 4]);
    }
}
