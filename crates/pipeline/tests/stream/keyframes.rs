//! Keyframe intervals of every length: where source and ladder are cut, and what the publisher is
//! told.

use crate::support::RenditionEvent;
use pipeline::Keyframes;
use pipeline::Notice;

use crate::shapes::{later, make, picture, pictures, play};
use crate::support::{Stream, segments};

fn tiny(x264: &str, fps: u32, seconds: u32) -> Vec<flv::Tag> {
    let codec = format!("-c:v libx264 -preset ultrafast -x264-params {x264}");
    make(&picture("64x48", fps), &format!("-t {seconds} {codec}"))
}

fn closed(gop: u32, fps: u32, seconds: u32) -> Vec<flv::Tag> {
    tiny(&format!("keyint={gop}:scenecut=0"), fps, seconds)
}

fn durations(events: &[RenditionEvent]) -> Vec<i64> {
    segments(events).map(|segment| segment.duration.as_millis()).collect()
}

/// The last that was said of a rendition's playlist: target duration, independent, in the
/// multivariant playlist.
fn playlist(events: &[RenditionEvent]) -> (u64, bool, bool) {
    let said = events.iter().filter_map(|event| match event {
        RenditionEvent::Playlist { target_duration_secs, independent, in_multivariant } => {
            Some((*target_duration_secs, *independent, *in_multivariant))
        }
        _ => None,
    });
    said.last().expect("a playlist")
}

/// No segment of the ladder exceeds its target duration by more than 0.4 s, and every picture (up
/// to 30 a second) is in one.
fn assert_ladder(stream: &Stream, expected_pictures: usize) {
    let ladder = &stream.rungs[0];
    let longest = playlist(ladder).0 as i64 * 1000 + 400;
    assert!(durations(ladder).iter().all(|ms| *ms <= longest), "{:?}", durations(ladder));
    assert!((expected_pictures..expected_pictures + 5).contains(&pictures(ladder)));
    assert!(playlist(ladder).1, "every segment of the ladder starts with an IDR");
}

fn too_seldom(stream: &Stream) -> bool {
    stream.keyframes.iter().any(|keyframes| keyframes.too_seldom)
}

/// x264's default: an IDR more at a change of scene, and the keyframe interval counts from there.
#[test]
fn row_38_one_more_keyframe_at_a_change_of_scene_keeps_one_grid() {
    let scenes = "-force_key_frames 2.7,9.1,9.8,14.5 -c:v libx264 -preset ultrafast";
    let codec = format!("-t 20 {scenes} -x264-params keyint=60:min-keyint=1:scenecut=0");
    let stream = play(make(&picture("64x48", 30), &codec));
    assert_eq!(playlist(&stream.source), (2, true, true));
    assert_eq!(durations(&stream.source), durations(&stream.rungs[0]));
    assert!(durations(&stream.source).contains(&700), "{:?}", durations(&stream.source));
    assert!(durations(&stream.source).iter().all(|ms| *ms <= 2_400));
    assert_eq!((pictures(&stream.source), pictures(&stream.rungs[0])), (600, 600));
}

/// GOPs up to twice the segment duration cut source and ladder at the same times, and nobody is
/// told anything.
#[test]
fn row_38_case_70_short_intervals_make_one_grid() {
    let cases = [
        (5, 10, 2, 2000),
        (10, 10, 2, 2000),
        (99, 50, 2, 1980),
        (20, 10, 2, 2000),
        (30, 10, 3, 3000),
        // Case 70: 0.3 s, 2.5 s, intra only.
        (3, 10, 2, 2100),
        (25, 10, 3, 2500),
        (1, 10, 2, 2000),
    ];
    for (gop, fps, target, first_ms) in cases {
        let stream = play(closed(gop, fps, 10));
        assert_eq!(durations(&stream.source), durations(&stream.rungs[0]), "{gop}");
        assert_eq!(durations(&stream.source)[0], first_ms, "{gop}");
        assert_eq!(playlist(&stream.rungs[0]), (target, true, true), "{gop}");
        assert_eq!(playlist(&stream.source), (target, true, true), "{gop}");
        assert_ladder(&stream, fps.min(30) as usize * 10);
        assert_eq!((stream.notices.len(), too_seldom(&stream)), (0, false), "{gop}");
        let every = i64::from(gop) * 1000 / i64::from(fps);
        let told = stream.keyframes.last().and_then(|told| told.interval).expect("measured");
        assert!((told.as_millis() - every).abs() <= 1, "{gop}: {told:?}");
    }
}

/// Longer ones leave the ladder at 2 s, the source at its IDRs and out of the multivariant
/// playlist; log and status say what to set.
#[test]
fn row_38_long_intervals_leave_the_ladder_on_its_own_grid() {
    for (gop, seconds) in [(50, 16), (100, 25), (600, 65)] {
        let stream = play(closed(gop, 10, seconds));
        assert_eq!(playlist(&stream.rungs[0]), (2, true, true), "{gop}");
        assert!(!playlist(&stream.source).2, "{gop}");
        let ladder = durations(&stream.rungs[0]);
        assert!(ladder[..ladder.len() - 1].iter().all(|ms| *ms == 2000), "{gop}: {ladder:?}");
        assert_ladder(&stream, seconds as usize * 10);
        assert!(durations(&stream.source).iter().all(|ms| *ms <= 30_200), "{gop}");
        assert_eq!(stream.notices[0], Notice::LongKeyframeInterval);
        assert!(too_seldom(&stream), "{gop}");
    }
}

#[test]
fn intervals_that_change_move_the_ladder_to_its_own_grid_for_good() {
    let tags = closed(10, 10, 5).into_iter();
    let tags =
        tags.chain(later(closed(100, 10, 12), 5_000)).chain(later(closed(10, 10, 8), 17_000));
    let stream = play(tags);
    assert_ladder(&stream, 250);
    assert_eq!(playlist(&stream.rungs[0]), (2, true, true));
    assert!(!playlist(&stream.source).2);
    let told: Vec<_> = stream.keyframes.iter().map(|told| told.too_seldom).collect();
    assert_eq!(told.first(), Some(&false));
    assert!(told.contains(&true));
    assert_eq!(told.last(), Some(&false), "the advice goes when it was followed");
}

#[test]
fn no_keyframe_for_half_a_minute_cuts_the_source_anywhere_and_says_so() {
    let stream = play(tiny("keyint=infinite:scenecut=0", 10, 35));
    assert_ladder(&stream, 350);
    assert_eq!(durations(&stream.source).len(), 2);
    assert!((30_000..30_300).contains(&durations(&stream.source)[0]));
    assert!(!playlist(&stream.source).1, "its second segment starts with no IDR");
    assert_eq!(stream.keyframes, [Keyframes { interval: None, too_seldom: true }]);
    assert!(stream.notices.contains(&Notice::NoKeyframe), "{:?}", stream.notices);
}

/// Recovery points of an open GOP (I-pictures that are no IDR) and of an intra refresh (none at
/// all).
#[test]
fn row_41_recovery_points_cut_the_source_where_no_keyframe_comes() {
    for x264 in ["keyint=20:open-gop=1:bframes=2:b-adapt=0:scenecut=0", "keyint=20:intra-refresh=1"]
    {
        let stream = play(tiny(x264, 10, 20));
        assert_ladder(&stream, 200);
        assert!(!playlist(&stream.source).1, "{x264}: no INDEPENDENT-SEGMENTS");
        let source = durations(&stream.source);
        assert!(source.len() >= 6 && source.iter().all(|ms| *ms <= 6_200), "{x264}: {source:?}");
        assert!(too_seldom(&stream), "{x264}");
    }
}
