//! Publishers whose stay is ended.

use bytes::Bytes;
use flv::{Tag, TagKind};
use pipeline::{Notice, StayRefusal};

use crate::shapes::{both, play};
use crate::support::{flv_messages, segments};

fn video(timestamp_ms: u32, body: &[u8]) -> Tag {
    Tag { kind: TagKind::Video, timestamp_ms, body: Bytes::copy_from_slice(body) }
}

#[test]
fn obs_with_av1_is_refused_once_and_nothing_of_it_is_published() {
    let stream = play(flv_messages(&testmedia::read("flv/obs29_av1_aac_enhanced.flv")));
    let [StayRefusal::VideoCodec(codec)] = stream.refused[..] else {
        panic!("{:?}", stream.refused)
    };
    assert_eq!(codec.to_string(), "AV1 (av01)");
    assert_eq!((stream.source.len(), stream.rungs[0].len()), (0, 0));
    assert!(stream.notices.is_empty(), "{:?}", stream.notices);
}

#[test]
fn a_stray_message_of_another_codec_does_not_end_what_plays() {
    let mut tags = both("320x240", 5);
    let at = tags.iter().position(|tag| tag.timestamp_ms > 2500).expect("five seconds");
    tags.insert(at, video(tags[at].timestamp_ms, b"\x90hvc1\x01"));
    let stream = play(tags);
    assert!(stream.refused.is_empty());
    let Notice::UnsupportedCodec(codec) = stream.notices[0] else { panic!("{:?}", stream.notices) };
    assert_eq!(codec.to_string(), "HEVC (hvc1)");
    let total: i64 = segments(&stream.source).map(|segment| segment.duration.as_millis()).sum();
    assert!((4900..5200).contains(&total), "{total}");
}

#[test]
fn another_size_with_every_picture_ends_the_stay_after_a_second() {
    let sizes = [both("160x120", 1), both("128x96", 1)];
    let alternating = (0..300u32).flat_map(|index| {
        let clip = &sizes[index as usize % 2];
        let header_and_idr = clip.iter().filter(|tag| tag.kind == TagKind::Video).take(2);
        header_and_idr.map(move |tag| Tag { timestamp_ms: 33 * index, ..tag.clone() })
    });
    let stream = play(alternating);
    assert_eq!(stream.refused, [StayRefusal::ShortSegments]);
    let taken = segments(&stream.source).count();
    assert!((31..36).contains(&taken), "{taken}");
    assert_eq!(segments(&stream.rungs[0]).count(), taken);
}
