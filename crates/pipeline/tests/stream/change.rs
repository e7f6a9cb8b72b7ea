//! What changes in mid-stream, and what only seems to.

use crate::support::RenditionEvent;
use bytes::Bytes;
use flv::{Tag, TagKind};
use pipeline::{GridMode, GridState, RenditionInfo};

use crate::shapes::{
    VIDEO, both, discontinuities, infos, later, make, picture, pictures, play, play_resumed,
    resumed,
};
use crate::solo::{Solo, written_pictures};
use crate::support::segments;

const HIGH: &str = "-c:v libx264 -x264-params keyint=30:scenecut=0:bframes=2";

/// What stood announced of the rendition at each of its segments.
fn announced(events: &[RenditionEvent]) -> Vec<RenditionInfo> {
    let (mut announced, mut latest) = (Vec::new(), None);
    for event in events {
        match event {
            RenditionEvent::Info(info) => latest = Some(info.clone()),
            RenditionEvent::Segment(_) => announced.extend(latest.clone()),
            RenditionEvent::Playlist { .. } => {}
        }
    }
    announced
}

fn is_header(tag: &Tag, kind: TagKind) -> bool {
    tag.kind == kind && tag.body[1] == 0
}

fn is_keyframe(tag: &Tag) -> bool {
    tag.kind == TagKind::Video && tag.body[..2] == [0x17, 1]
}

fn clip(size: &str, codecs: &str, seconds: u32) -> Vec<Tag> {
    let input = format!("{} -f lavfi -i sine=sample_rate=44100", picture(size, 30));
    make(&input, &format!("-t {seconds} {codecs} -c:a aac"))
}

/// SPS and PPS of an avcC record with one of each, behind length fields as pictures have them.
fn parameter_sets(header: &Tag) -> Vec<u8> {
    let config = h264::AvcConfig::parse(header.body.slice(5..)).expect("a header");
    let with_length = |set: &[u8]| [&(set.len() as u32).to_be_bytes()[..], set].concat();
    config.parameter_sets.iter().flat_map(with_length).collect()
}

/// The same pictures without a sequence header: SPS and PPS come with every IDR.
fn in_band(tags: &[Tag]) -> Vec<Tag> {
    let header = tags.iter().find(|tag| is_header(tag, TagKind::Video)).expect("a header");
    let sets = parameter_sets(header);
    let with_sets = |tag: Tag| {
        let body = [&tag.body[..5], &sets, &tag.body[5..]].concat();
        if is_keyframe(&tag) { Tag { body: body.into(), ..tag } } else { tag }
    };
    let pictures = tags.iter().filter(|tag| !is_header(tag, TagKind::Video));
    pictures.cloned().map(with_sets).collect()
}

#[test]
fn case_41_rotation_and_back_is_two_discontinuities_in_all_renditions() {
    let clips = [both("256x144", 4), both("146x260", 4), both("256x144", 4)];
    let tags = clips.into_iter().zip([0, 4_000, 8_000]).flat_map(|(clip, at)| later(clip, at));
    let stream = play(tags);
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(discontinuities(events), [2, 4]);
        assert_eq!(pictures(events), 360);
    }
    let sizes = |events| announced(events).into_iter().map(|info| info.resolution);
    let sizes = |events| sizes(events).map(Option::unwrap).collect::<Vec<_>>();
    assert_eq!(sizes(&stream.source), [[(256, 144); 2], [(146, 260); 2], [(256, 144); 2]].concat());
    assert_eq!(
        sizes(&stream.rungs[0]),
        [[(256, 144); 2], [(144, 256); 2], [(256, 144); 2]].concat()
    );
}

#[test]
fn another_profile_is_one_discontinuity_in_all_renditions() {
    let stream =
        play(clip("160x120", VIDEO, 4).into_iter().chain(later(clip("160x120", HIGH, 4), 4_000)));
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(discontinuities(events), [2]);
        assert_eq!(pictures(events), 240);
    }
    let codecs: Vec<_> = infos(&stream.source).iter().map(|it| it.codecs[..7].to_owned()).collect();
    assert_eq!(codecs, ["avc1.42", "avc1.64"]);
}

#[test]
fn row_04_row_40_headers_before_every_keyframe_are_no_discontinuity() {
    let tags = both("64x48", 6);
    let headers: Vec<_> = [TagKind::Video, TagKind::Audio]
        .map(|kind| tags.iter().find(|tag| is_header(tag, kind)).cloned().expect("a header"))
        .into();
    let straight = Solo::play(tags.clone());
    let repeat = |tag: Tag| {
        let with_headers = if is_keyframe(&tag) { headers.clone() } else { vec![] };
        let at = tag.timestamp_ms;
        let stamped = move |header: Tag| Tag { timestamp_ms: at, ..header };
        with_headers.into_iter().map(stamped).chain([tag])
    };
    let solo = Solo::play(tags.into_iter().flat_map(repeat));
    assert_eq!(solo.discontinuities(), 0);
    assert!(
        solo.segments.iter().map(|it| &it.data).eq(straight.segments.iter().map(|it| &it.data))
    );
}

/// Two clips as `sent`, the second of another size.
fn assert_another_size_is_seen(sent: impl Fn(&[Tag]) -> Vec<Tag>) {
    let second = later(sent(&both("256x144", 4)), 4_000);
    let stream = play(sent(&both("160x120", 4)).into_iter().chain(second));
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(discontinuities(events), [2], "the size changes, without a header");
        assert_eq!(pictures(events), 240);
    }
    assert_eq!(stream.notices, []);
}

#[test]
fn row_39_parameter_sets_may_come_with_the_pictures_alone() {
    assert_another_size_is_seen(in_band);
}

/// SPS and PPS in a message without a picture, in front of every IDR, and no sequence header at
/// all.
fn alone(tags: &[Tag]) -> Vec<Tag> {
    let header = tags.iter().find(|tag| is_header(tag, TagKind::Video)).expect("a header");
    let body: Bytes = [&[0x17, 1, 0, 0, 0][..], &parameter_sets(header)].concat().into();
    let pictures = tags.iter().filter(|tag| !is_header(tag, TagKind::Video)).cloned();
    let with_sets = |tag: Tag| {
        let sets = Tag { body: body.clone(), ..tag };
        if is_keyframe(&tag) { vec![sets, tag] } else { vec![tag] }
    };
    pictures.flat_map(with_sets).collect()
}

#[test]
fn row_39_parameter_sets_may_come_in_messages_of_their_own() {
    assert_another_size_is_seen(alone);
}

/// The larger of two renditions that are alike makes nothing while the source is no larger than the
/// smaller one.
#[test]
fn case_41_a_rendition_that_makes_nothing_for_a_while_leaves_and_comes_back() {
    let named = |name| pipeline::Preset::named(name).expect("a preset");
    let small = named("P144p30fps16x9");
    let mut large = pipeline::Preset { name: "large".into(), ..small.clone() };
    let video = large.video.as_mut().expect("pictures");
    (video.width, video.height) = (426, 240);
    let renditions = vec![small, large];
    let config = pipeline::StreamConfig {
        renditions,
        segment_duration: media::Duration::from_secs(2),
        decoder: pipeline::DecoderKind::Native,
        work_clock: pipeline::WorkClock::default(),
    };
    let mut stream =
        crate::support::Stream::new(&config, GridState::new(crate::support::FIRST_SEQUENCE));
    let sizes = [("426x240", 4), ("256x144", 10), ("426x240", 4)];
    let clips =
        sizes.map(|(size, seconds)| both(size, seconds)).into_iter().zip([0, 4_000, 14_000]);
    clips.flat_map(|(clip, at)| later(clip, at)).for_each(|tag| stream.push(tag));
    stream.finish();
    let durations = |at: usize| -> Vec<i64> {
        segments(&stream.rungs[at]).map(|segment| segment.duration.as_millis()).collect()
    };
    assert_eq!(durations(0), [2_000; 9]);
    assert_eq!(durations(1), [2_000; 4], "nothing of the time between");
    assert_eq!(discontinuities(&stream.rungs[1]), [2]);
    assert_eq!(pictures(&stream.rungs[1]), 240);
    let start = |at: usize, n: usize| segments(&stream.rungs[at]).nth(n).unwrap().start_unix_ms;
    assert_eq!(start(1, 2), start(0, 7), "where the others are");
    let listed = stream.rungs[1].iter().filter_map(|event| match event {
        RenditionEvent::Playlist { in_multivariant, .. } => Some(*in_multivariant),
        _ => None,
    });
    assert_eq!(listed.collect::<Vec<_>>(), [true, false, true]);
}

fn undecodable(seconds: u32) -> Vec<Tag> {
    let input = "-f lavfi -i testsrc=size=160x120:rate=30,format=yuv422p -f lavfi -i sine=sample_rate=44100";
    make(input, &format!("-t {seconds} {VIDEO} -c:a aac"))
}

#[test]
fn video_that_nobody_decodes_for_a_while_leaves_a_gap_in_the_ladder_and_no_giant_segment() {
    for with_sound in [true, false] {
        for before in [4, 0] {
            let clips =
                [(both("160x120", 4), 0), (undecodable(10), 4_000), (both("160x120", 4), 14_000)];
            let tags = clips.into_iter().flat_map(|(clip, at)| later(clip, at));
            let tags = tags.filter(|tag| tag.timestamp_ms >= 4_000 || before > 0);
            let stream = play(tags.filter(|tag| with_sound || tag.kind != TagKind::Audio));
            let durations: Vec<_> =
                segments(&stream.rungs[0]).map(|segment| segment.duration.as_millis()).collect();
            let expected = (before + 4) / 2;
            assert_eq!(durations.len(), expected, "{with_sound} {before}: {durations:?}");
            assert!(durations.iter().all(|ms| (1_900..=2_100).contains(ms)), "{durations:?}");
            assert_eq!(pictures(&stream.rungs[0]), 60 * expected);
        }
    }
}

/// Sound cuts where pictures do not come, and a picture with other parameters comes at any time
/// after such a cut.
#[test]
fn two_cuts_in_front_of_one_picture_are_two_in_all_renditions() {
    let first = both("64x48", 5);
    let second = both("80x60", 3);
    for comes_at in (9_000..11_000).step_by(100) {
        let stops = |tag: &Tag| tag.kind == TagKind::Audio || tag.timestamp_ms < 3_000;
        let sound = later(both("64x48", 8), 5_000)
            .filter(|tag| tag.kind == TagKind::Audio && !is_header(tag, TagKind::Audio));
        let sound = sound.filter(|tag| tag.timestamp_ms < comes_at);
        let head = first.iter().filter(|tag| stops(tag)).cloned();
        let stream = play(head.chain(sound).chain(later(second.clone(), comes_at)));
        let starts =
            |events| segments(events).map(|segment| segment.start_unix_ms / 50).collect::<Vec<_>>();
        assert_eq!(starts(&stream.source), starts(&stream.rungs[0]), "{comes_at}");
    }
}

#[test]
fn row_03_row_08_case_62_a_track_that_is_announced_and_never_comes_is_not_waited_for() {
    let tags = both("160x120", 6);
    for missing in [TagKind::Video, TagKind::Audio] {
        let comes = |tag: &Tag| tag.kind != missing || tag.body[1] == 0;
        let stream = play(tags.iter().filter(|tag| comes(tag)).cloned());
        assert_eq!(discontinuities(&stream.source), Vec::<usize>::new());
        let info = infos(&stream.source)[0].clone();
        // Black stands in for the one, silence for the other.
        assert_eq!(info.resolution, Some((160, 120)), "{info:?}");
        assert!(info.codecs.contains("mp4a"), "{info:?}");
        let first = segments(&stream.source).next().expect("a segment");
        assert!((2_000..2_050).contains(&first.duration.as_millis()), "{:?}", first.duration);
        assert_eq!(stream.notices, []);
    }
}

#[test]
fn row_05_row_06_nothing_of_the_metadata_is_needed() {
    let tags = both("64x48", 5);
    let straight = Solo::play(tags.clone());
    let solo = Solo::play(tags.into_iter().filter(|tag| tag.kind != TagKind::Script));
    assert_eq!(solo.segments.len(), straight.segments.len());
    assert!(
        solo.segments.iter().map(|it| &it.data).eq(straight.segments.iter().map(|it| &it.data))
    );
}

#[test]
fn case_78_the_first_video_header_after_a_hundred_frames_of_sound() {
    let tags = both("160x120", 8);
    let frames = |tag: &&Tag| tag.kind == TagKind::Audio && tag.body[1] == 1;
    let from = tags.iter().filter(frames).nth(100).expect("two seconds").timestamp_ms;
    let header = tags.iter().find(|tag| is_header(tag, TagKind::Video)).cloned();
    let header = header.map(|header| Tag { timestamp_ms: from, ..header });
    let before = tags.iter().filter(|it| it.kind != TagKind::Video && it.timestamp_ms < from);
    let after = tags.iter().filter(|it| it.timestamp_ms >= from);
    let stream = play(before.cloned().chain(header).chain(after.cloned()));
    assert_eq!(stream.notices, []);
    assert_eq!(infos(&stream.source).last().and_then(|info| info.resolution), Some((160, 120)));
    // 2.3 s without pictures, and up to the first IDR behind it.
    assert_eq!((written_pictures(&stream.source), pictures(&stream.rungs[0])), (150, 150));
}

#[test]
fn row_46_case_63_tracks_that_pause_come_back_without_a_discontinuity() {
    for paused in [TagKind::Video, TagKind::Audio] {
        let plays = |tag: &Tag| tag.kind != paused || !(4_000..9_000).contains(&tag.timestamp_ms);
        let stream = play(both("160x120", 13).into_iter().filter(plays));
        assert_eq!(stream.notices, [], "{paused:?}");
        for events in [&stream.source, &stream.rungs[0]] {
            assert_eq!(discontinuities(events), Vec::<usize>::new(), "{paused:?}");
            let durations: Vec<_> = segments(events).map(|it| it.duration.as_millis()).collect();
            assert!(durations.iter().all(|ms| *ms <= 2_400), "{paused:?}: {durations:?}");
            let total: i64 = durations.iter().sum();
            assert!((12_900..13_200).contains(&total), "{paused:?}: {durations:?}");
        }
    }
}

#[test]
fn row_46_very_few_pictures_are_a_stream() {
    let input = format!("{} -f lavfi -i sine=sample_rate=44100", picture("160x120", 1));
    let x264 = "-c:v libx264 -preset ultrafast -x264-params keyint=4:scenecut=0";
    let stream = play(make(&input, &format!("-t 20 {x264} -c:a aac")));
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(discontinuities(events), Vec::<usize>::new());
        assert_eq!(pictures(events), 20);
    }
}

#[test]
fn case_81_case_83_another_publisher_with_other_parameters_keeps_numbers_and_cuts() {
    let grid = GridMode { target_duration_secs: 2, own_grid: false };
    let resume = resumed(grid);
    let x264 = "-c:v libx264 -preset ultrafast -x264-params keyint=300:scenecut=0";
    let stream = play_resumed(clip("256x144", x264, 9), resume);
    assert_eq!(discontinuities(&stream.rungs[0]), [0]);
    let durations: Vec<_> =
        segments(&stream.rungs[0]).map(|segment| segment.duration.as_millis()).collect();
    assert!(durations.iter().all(|ms| *ms <= 2_400), "{durations:?}");
    assert_eq!(discontinuities(&stream.source), [0]);
}

#[test]
fn row_28_annex_b_in_the_tags_plays() {
    let annexb = |tag: Tag| {
        if tag.kind != TagKind::Video || tag.body.len() < 6 {
            return tag;
        }
        let data = tag.body.slice(5..);
        let mut body = tag.body[..5].to_vec();
        if tag.body[1] == 0 {
            let config = h264::AvcConfig::parse(data).expect("a header");
            h264::annexb::write(config.parameter_sets.iter(), &mut body);
        } else {
            h264::annexb::write(h264::avcc::nal_units(data, 4).expect("units").0.iter(), &mut body);
        }
        Tag { body: Bytes::from(body), ..tag }
    };
    let stream = play(both("160x120", 4).into_iter().map(annexb));
    assert_eq!(stream.notices, []);
    assert_eq!((pictures(&stream.source), pictures(&stream.rungs[0])), (120, 120));
}
