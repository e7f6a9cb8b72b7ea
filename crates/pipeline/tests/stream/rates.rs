//! Frame rates: no picture is made, none is lost but those over a preset's ceiling, and FRAME-RATE
//! is the true one.

use flv::{Tag, TagKind};

use crate::shapes::{infos, make, pictures, play};
use crate::solo::Solo;

fn at_rate(rate: &str, seconds: u32) -> Vec<Tag> {
    let input = format!("-f lavfi -i testsrc=size=64x48:rate={rate},format=yuv420p");
    let x264 = "-c:v libx264 -preset ultrafast -x264-params keyint=60:scenecut=0";
    make(&input, &format!("-t {seconds} {x264}"))
}

fn is_picture(tag: &Tag) -> bool {
    tag.kind == TagKind::Video && tag.body[1] == 1
}

#[test]
fn case_47_case_48_case_49_every_rate_comes_out_as_it_is_up_to_the_ceiling() {
    for (rate, in_source, in_ladder, announced) in [
        ("24000/1001", 96, 96, 23.976),
        ("30000/1001", 120, 120, 29.97),
        ("60000/1001", 240, 120, 29.97),
        ("120", 480, 120, 30.0),
    ] {
        let stream = play(at_rate(rate, 4));
        assert_eq!((pictures(&stream.source), pictures(&stream.rungs[0])), (in_source, in_ladder));
        assert_eq!(infos(&stream.rungs[0])[0].frame_rate, Some(announced), "{rate}");
    }
    let stream = play(at_rate("123", 4));
    assert_eq!(pictures(&stream.source), 492);
    assert!((118..=124).contains(&pictures(&stream.rungs[0])), "{}", pictures(&stream.rungs[0]));
}

#[test]
fn case_46_pictures_come_as_they_are_stamped_whatever_rate_is_announced() {
    let half_speed = |tag: Tag| Tag { timestamp_ms: tag.timestamp_ms * 2, ..tag };
    let stream = play(at_rate("30", 3).into_iter().map(half_speed));
    assert_eq!((pictures(&stream.source), pictures(&stream.rungs[0])), (90, 90));
    assert_eq!(infos(&stream.source)[0].frame_rate, Some(15.0));
    assert_eq!(infos(&stream.rungs[0])[0].frame_rate, Some(15.0));
}

#[test]
fn case_50_a_rate_that_varies_loses_no_picture() {
    // Between 1 and 30 a second.
    let pause = |n: u32| [33, 40, 66, 100, 500, 1000, 33, 34, 33][n as usize % 9];
    let mut at = 0;
    let mut count = 0;
    let vary = |mut tag: Tag| {
        if is_picture(&tag) {
            tag.timestamp_ms = at;
            at += pause(count);
            count += 1;
        }
        tag
    };
    let stream = play(at_rate("30", 3).into_iter().map(vary));
    assert_eq!((pictures(&stream.source), pictures(&stream.rungs[0])), (90, 90));
}

#[test]
fn case_54_streams_of_few_pictures_end_with_all_of_them() {
    let tags = at_rate("10", 2);
    for count in [1, 2, 3, 5, 6, 10] {
        let mut taken = 0;
        let first = |tag: &&Tag| {
            taken += usize::from(is_picture(tag));
            taken <= count
        };
        let stream = play(tags.iter().filter(first).cloned());
        let found = (pictures(&stream.source), pictures(&stream.rungs[0]));
        assert_eq!(found, (count, count));
    }
}

#[test]
fn case_57_times_are_kept_where_the_first_pictures_are_skipped() {
    let x264 = "-c:v libx264 -preset ultrafast -x264-params keyint=20:scenecut=0";
    let tags =
        make("-f lavfi -i testsrc=size=64x48:rate=10,format=yuv420p", &format!("-t 6 {x264}"));
    let keyless = |tag: &Tag| !(is_picture(tag) && tag.timestamp_ms < 2_000 && tag.body[0] == 0x17);
    let straight = Solo::play(tags.clone());
    let solo = Solo::play(tags.into_iter().filter(keyless));
    let (from_start, from_second) =
        (straight.times(crate::solo::VIDEO_PID), solo.times(crate::solo::VIDEO_PID));
    assert_eq!(from_second, from_start[20..]);
}
