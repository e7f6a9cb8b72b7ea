//! Cases of picture sizes, formats and counts that go-livepeer's own tests have, through both
//! halves of the pipeline.

use crate::support::RenditionEvent;
use flv::Tag;
use pipeline::DecoderKind;

use crate::shapes::{make, picture, play};
use crate::support::{self, Stream, segments};

fn pictures(events: &[RenditionEvent]) -> usize {
    segments(events).map(|segment| support::decode_without_warning(&segment.data)).sum()
}

/// The ladder's sizes, in the order in which they were announced.
fn sizes(stream: &Stream) -> Vec<(u32, u32)> {
    let size = |event: &RenditionEvent| match event {
        RenditionEvent::Info(info) => info.resolution,
        _ => None,
    };
    stream.rungs[0].iter().filter_map(size).collect()
}

/// One after the other, as an encoder that was set anew sends them.
fn joined(parts: Vec<Vec<Tag>>, seconds: u32) -> Vec<Tag> {
    let parts = parts.into_iter().zip(0..);
    parts
        .flat_map(|(tags, at)| {
            tags.into_iter()
                .map(move |tag| Tag { timestamp_ms: tag.timestamp_ms + at * seconds * 1000, ..tag })
        })
        .collect()
}

const X264: &str = "-t 2 -c:v libx264 -preset veryfast -bf 2 -x264-params keyint=30:scenecut=0";

#[test]
fn case_39_pictures_of_any_shape_come_out_even_with_their_aspect() {
    for (size, expected) in [
        ("150x200", (108, 144)),
        ("200x300", (144, 216)),
        ("122x456", (68, 256)),
        ("456x122", (256, 68)),
        ("500x100", (256, 52)),
        ("122x122", (122, 122)),
    ] {
        let stream = play(make(&picture(size, 10), "-t 1 -c:v libx264 -preset ultrafast"));
        let (width, height) = sizes(&stream)[0];
        assert_eq!((width % 2, height % 2), (0, 0), "{size}");
        let (from, to) =
            (f64::from(expected.0) / f64::from(expected.1), f64::from(width) / f64::from(height));
        assert!((from / to - 1.0).abs() < 0.04, "{size}: {width}x{height}");
        assert_eq!(pictures(&stream.rungs[0]), 10, "{size}");
    }
}

/// Also from limited to full range, which changes the SPS only.
#[test]
fn case_41_case_42_size_rotation_and_range_may_change_while_it_runs() {
    let full_range = "-f lavfi -i testsrc=size=256x144:rate=30,format=yuvj420p";
    let parts = vec![
        make(&picture("256x144", 30), X264),
        make(&picture("146x260", 30), X264),
        make(&picture("256x144", 30), X264),
        make(full_range, X264),
    ];
    let stream = play(joined(parts, 2));
    assert!(sizes(&stream).ends_with(&[(144, 256), (256, 144)]), "{:?}", sizes(&stream));
    assert_eq!((pictures(&stream.source), pictures(&stream.rungs[0])), (240, 240));
    assert_eq!(stream.transcoder_stats().failed, 0);
    assert_eq!(stream.transcoder_stats().decoder, Some(DecoderKind::Native));
}

#[test]
fn case_45_a_picture_of_16x4000_is_transcoded() {
    let x264 = "-t 1 -c:v libx264 -preset ultrafast -level 5.1";
    let stream = play(make(&picture("16x4000", 10), x264));
    assert_eq!(pictures(&stream.source), 10);
    assert_eq!((pictures(&stream.rungs[0]), sizes(&stream)), (10, vec![(16, 256)]));
}

/// B pictures at the end of a segment are decoded after the IDR that the next one starts with is
/// due.
#[test]
fn case_53_b_pictures_at_a_segment_s_border_are_in_it() {
    let x264 =
        "-t 5 -c:v libx264 -bf 3 -x264-params keyint=30:scenecut=0:b-adapt=0:b-pyramid=normal";
    let stream = play(make(&picture("320x180", 30), x264));
    for events in [&stream.source, &stream.rungs[0]] {
        let counts: Vec<_> = segments(events)
            .map(|segment| support::decode_without_warning(&segment.data))
            .collect();
        assert_eq!(counts, [60, 60, 30]);
    }
}

#[test]
fn case_73_the_same_stream_gives_the_same_bytes_every_time() {
    let tags = make(&picture("320x180", 30), "-t 4 -c:v libx264 -preset veryfast");
    let bytes = |stream: &Stream| -> Vec<Vec<u8>> {
        segments(&stream.rungs[0]).map(|segment| segment.data.to_vec()).collect()
    };
    let first = play(tags.clone());
    assert_eq!(pictures(&first.rungs[0]), 120);
    for _ in 0..2 {
        assert!(bytes(&play(tags.clone())) == bytes(&first));
    }
}
