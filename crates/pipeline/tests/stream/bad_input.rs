//! Messages that lie, or mean nothing: each is skipped and counted, and the stream goes on at the
//! next good picture.

use crate::support::skipped;
use bytes::Bytes;
use flv::{Tag, TagKind};
use pipeline::{MessageError, Notice};

use crate::hostile::big_picture;
use crate::shapes::{both, discontinuities, later, make, picture, pictures, play, stream};
use crate::solo::written_pictures;
use crate::support::{Stream, segments};

fn is_header(tag: &Tag) -> bool {
    tag.kind == TagKind::Video && tag.body[1] == 0
}

fn is_picture(tag: &Tag) -> bool {
    tag.kind == TagKind::Video && tag.body[1] == 1
}

fn video(timestamp_ms: u32, body: &[u8]) -> Tag {
    Tag { kind: TagKind::Video, timestamp_ms, body: Bytes::copy_from_slice(body) }
}

fn header_of(tags: &[Tag]) -> Tag {
    tags.iter().find(|tag| is_header(tag)).cloned().expect("a header")
}

/// A good clip of 3 s, something bad, and the clip once more with its header.
fn between(clip: &[Tag], bad: Vec<Tag>) -> Stream {
    play(clip.iter().cloned().chain(bad).chain(later(clip.to_vec(), 3_000)))
}

/// Bits as H.264 writes them.
#[derive(Default)]
pub(crate) struct Bits(Vec<bool>);

impl Bits {
    pub(crate) fn bits(&mut self, value: u32, count: u32) {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

    pub(crate) fn ue(&mut self, value: u32) {
        let bits = 32 - (value + 1).leading_zeros();
        self.bits(0, bits - 1);
        self.bits(value + 1, bits);
    }

    /// Zeros up to the next whole byte.
    pub(crate) fn align(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(8), false);
    }

    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.bits(1, 1);
        let byte = |bits: &[bool]| {
            (0..8).fold(0, |byte, at| byte << 1 | u8::from(bits.get(at) == Some(&true)))
        };
        self.0.chunks(8).map(byte).collect()
    }
}

/// A sequence header whose SPS says this level, size in macroblocks, and cropping on the right in
/// units of 2 pixels.
fn lying_header(level: u8, width_mbs: u32, height_mbs: u32, crop_right: u32) -> Tag {
    let mut sps = Bits::default();
    // Id, frame number bits, POC type 2, one reference, no gaps.
    [0, 0, 2, 1].into_iter().for_each(|value| sps.ue(value));
    sps.bits(0, 1);
    sps.ue(width_mbs - 1);
    sps.ue(height_mbs - 1);
    // Frames only, direct 8x8, cropped, no VUI.
    sps.bits(0b111, 3);
    [0, crop_right, 0, 0].into_iter().for_each(|value| sps.ue(value));
    sps.bits(0, 1);
    let sps = [&[0x67, 66, 0xc0, level][..], &sps.bytes()].concat();
    // Ids 0 and 0, CAVLC, all else as it is most simple.
    let pps = [0x68, 0xce, 0x3c, 0x80];
    let config =
        [&[1, 66, 0xc0, level, 0xff, 0xe1, 0, sps.len() as u8][..], &sps, &[1, 0, 4], &pps];
    video(3_000, &[&[0x17, 0, 0, 0, 0][..], &config.concat()].concat())
}

#[test]
fn headers_that_lie_are_named_and_the_next_good_one_is_taken() {
    let clip = both("160x120", 3);
    let cases = [
        ("16384x16384", lying_header(51, 1024, 1024, 0)),
        ("no pixel left", lying_header(30, 10, 8, 80)),
        ("level 0", lying_header(0, 20, 15, 0)),
        ("65536 macroblocks", lying_header(51, 65_536, 1, 0)),
    ];
    for (what, header) in cases {
        // Pictures of another size come with it, as a liar would send them.
        let bad = later(clip.iter().filter(|it| is_picture(it)).take(15).cloned().collect(), 3_000);
        let bad: Vec<_> = [header].into_iter().chain(bad).collect();
        let stream = play(clip.iter().cloned().chain(bad).chain(later(clip.clone(), 3_500)));
        let source: i64 = segments(&stream.source).map(|it| it.duration.as_millis()).sum();
        assert!((6_300..6_800).contains(&source), "{what}: {source} {:?}", stream.notices);
        let ladder: i64 = segments(&stream.rungs[0]).map(|it| it.duration.as_millis()).sum();
        assert!(ladder >= 5_900, "{what}: the ladder comes back, {ladder} {:?}", stream.notices);
    }
}

#[test]
fn a_header_cut_at_any_byte_or_without_a_set_leaves_the_one_there_is() {
    let clip = both("160x120", 3);
    let header = header_of(&clip);
    let cut =
        |len: usize| Tag { body: header.body.slice(..len), timestamp_ms: 3_000, ..header.clone() };
    let stream = between(&clip, (2..header.body.len()).map(cut).collect());
    assert!(stream.notices.len() > 10, "{:?}", stream.notices);
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(pictures(events), 180);
    }
}

#[test]
fn a_picture_parameter_set_of_an_sps_that_is_not_there_changes_no_picture() {
    let clip = both("160x120", 3);
    // pic_parameter_set_id 7, seq_parameter_set_id 9: a PPS nobody refers to.
    let mut pps = Bits::default();
    [7, 9].into_iter().for_each(|id| pps.ue(id));
    pps.bits(0, 2);
    let pps = [&[0x68][..], &pps.bytes()].concat();
    let body = [&[0x27, 1, 0, 0, 0, 0, 0, 0, pps.len() as u8][..], &pps].concat();
    let stream = between(&clip, vec![video(3_000, &body)]);
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(pictures(events), 180);
    }
}

#[test]
fn an_sps_that_changes_with_every_keyframe_is_a_discontinuity_at_each() {
    let sizes = [both("160x120", 8), both("128x96", 8)];
    let headers = [header_of(&sizes[0]), header_of(&sizes[1])];
    let tags = (0..8usize).flat_map(|second| {
        let from = second as u32 * 1000;
        let header = Tag { timestamp_ms: from, ..headers[second % 2].clone() };
        let is_now =
            move |tag: &&Tag| (from..from + 1000).contains(&tag.timestamp_ms) && !is_header(tag);
        [header].into_iter().chain(sizes[second % 2].iter().filter(is_now).cloned())
    });
    let stream = play(tags);
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(pictures(events), 240);
        assert!(segments(events).all(|segment| segment.duration.as_millis() <= 2_400));
    }
    assert_eq!(discontinuities(&stream.source), discontinuities(&stream.rungs[0]));
}

#[test]
fn a_length_over_the_payload_costs_its_own_message() {
    let clip = both("160x120", 3);
    let mut pictures_seen = 0;
    let lie = |tag: Tag| {
        pictures_seen += usize::from(is_picture(&tag));
        // The last picture before the second IDR: nothing refers to it.
        if pictures_seen != 30 || !is_picture(&tag) {
            return tag;
        }
        let mut body = tag.body.to_vec();
        body[5..9].copy_from_slice(&[0, 0x7f, 0xff, 0xff]);
        Tag { body: body.into(), ..tag }
    };
    let stream = play(clip.into_iter().map(lie));
    assert_eq!(stream.notices.len(), 1, "{:?}", stream.notices);
    let why = skipped(&stream.notices[0]);
    let is_lie =
        |why| matches!(why, &MessageError::H264(h264::Error::NalLength { length: 8_388_607, .. }));
    assert!(why.is_some_and(is_lie), "{why:?}");
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(pictures(events), 89);
    }
}

#[test]
fn row_01_row_02_row_45_empty_messages_and_nal_units_and_delimiters_change_no_picture() {
    let clip = both("160x120", 3);
    let empty = |tag: Tag| {
        let at = tag.timestamp_ms;
        if !is_picture(&tag) {
            return vec![tag];
        }
        // Units of no length before and behind, a delimiter, an SEI of no payload, filler; beside
        // it a message without any unit, and one without a byte.
        let around = [0, 0, 0, 0, 0, 0, 0, 2, 9, 0xf0, 0, 0, 0, 1, 6, 0, 0, 0, 3, 12, 0xff, 0x80];
        let body = [&tag.body[..5], &around, &tag.body[5..], &[0, 0, 0, 0]].concat();
        let nothing = |kind| Tag { kind, timestamp_ms: at, body: Bytes::new() };
        let messages = [
            Tag { body: body.into(), ..tag },
            video(at, &[0x27, 1, 0, 0, 0]),
            nothing(TagKind::Video),
            nothing(TagKind::Audio),
            nothing(TagKind::Script),
        ];
        messages.into()
    };
    let stream = play(clip.into_iter().flat_map(empty));
    let empty = stream.notices.iter().filter(|it| skipped(it) == Some(&MessageError::Empty));
    let without_bytes = stream.notices.iter().filter(|it| **it == Notice::EmptyNalUnits(2));
    // Two around each picture and one behind it: three in its message.
    assert_eq!((empty.count(), without_bytes.count()), (3 * 90, 90));
    assert_eq!(stream.notices.len(), 4 * 90);
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(pictures(events), 90);
    }
}

#[test]
fn row_45_delimiters_and_sei_in_the_header_are_left_out() {
    let clip = both("160x120", 3);
    let config = h264::AvcConfig::parse(header_of(&clip).body.slice(5..)).expect("a header");
    let list = |units: &[&[u8]]| {
        let with_length = |unit: &&[u8]| [&(unit.len() as u16).to_be_bytes()[..], unit].concat();
        let units: Vec<u8> = units.iter().flat_map(with_length).collect();
        units
    };
    let (sps, pps) = (&config.parameter_sets.sps[0], &config.parameter_sets.pps[0]);
    let body = [
        &[0x17, 0, 0, 0, 0, 1, sps[1], sps[2], sps[3], 0xff, 0xe3][..],
        &list(&[&[9, 0xf0], sps, &[]]),
        &[2],
        &list(&[&[6, 5, 1, 0, 0x80], pps]),
    ];
    let header = video(0, &body.concat());
    let with_it = |tag: Tag| if is_header(&tag) { header.clone() } else { tag };
    let stream = play(clip.into_iter().map(with_it));
    assert_eq!(stream.notices, []);
    assert_eq!((pictures(&stream.source), pictures(&stream.rungs[0])), (90, 90));
}

#[test]
fn case_66_pictures_of_20_megabytes_are_left_out_and_the_stream_goes_on() {
    let clip = both("160x120", 3);
    let bytes = 20 * 1024 * 1024;
    let stream = between(&clip, vec![big_picture(3_000, bytes), big_picture(3_000, bytes)]);
    assert_eq!(stream.notices.len(), 2, "{:?}", stream.notices);
    let is_large = |why| matches!(why, &MessageError::PictureTooLarge { bytes: 20_971_520, .. });
    assert!(stream.notices.iter().all(|it| skipped(it).is_some_and(is_large)));
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(pictures(events), 180);
    }
}

#[test]
fn pictures_of_6_megabytes_are_left_out_past_32_in_a_second_and_the_stream_goes_on() {
    let clip = both("160x120", 3);
    let stream = between(&clip, (0..8).map(|_| big_picture(3_000, 6 << 20)).collect());
    assert!(
        stream
            .notices
            .iter()
            .any(|it| matches!(skipped(it), Some(MessageError::SegmentFull { .. }))),
        "{:?}",
        stream.notices
    );
    let largest = segments(&stream.source).map(|segment| segment.data.len()).max();
    assert!(largest < Some(33 << 20), "{largest:?}");
    assert_eq!(pictures(&stream.rungs[0]), 180);
}

#[test]
fn case_65_a_segment_without_a_keyframe_is_named_and_the_next_good_one_plays() {
    let clip = both("160x120", 3);
    let keyless = clip.iter().filter(|tag| !(is_picture(tag) && tag.body[0] == 0x17)).cloned();
    let stream = play(keyless.chain(later(clip.clone(), 3_000)));
    assert!(stream.notices.contains(&Notice::NoKeyframeYet), "{:?}", stream.notices);
    assert_eq!((written_pictures(&stream.source), pictures(&stream.rungs[0])), (90, 90));
}

/// Of slices whose headers cannot be read nothing comes, until the next IDR, which is 10 s away.
#[test]
fn the_ladder_goes_on_while_pictures_come_and_none_decodes() {
    let input = format!("{} -f lavfi -i sine=sample_rate=44100", picture("160x120", 30));
    let tags = make(
        &input,
        "-t 12 -c:v libx264 -preset superfast -x264-params keyint=300:scenecut=0 -c:a aac",
    );
    let mut stream = stream();
    for (number, tag) in tags.into_iter().enumerate() {
        let is_damaged =
            is_picture(&tag) && tag.body[0] == 0x27 && (500..10_000).contains(&tag.timestamp_ms);
        let mut body = tag.body.to_vec();
        if is_damaged {
            // pic_parameter_set_id is none that there is.
            body.truncate(20);
            body[5..9].copy_from_slice(&11_u32.to_be_bytes());
            body[10..].fill(0x88);
        }
        let at = tag.timestamp_ms;
        stream.push(Tag { body: body.into(), ..tag });
        if at > 9_500 {
            let (source, ladder) = (at, segments(&stream.rungs[0]).count());
            assert!(
                ladder >= 3,
                "{number}: {ladder} segments at {source} ms: {:?}",
                stream.notices
            );
        }
    }
    stream.finish();
    let durations: Vec<_> = segments(&stream.rungs[0]).map(|it| it.duration.as_millis()).collect();
    assert!(durations.iter().all(|ms| *ms <= 2_400), "{durations:?}");
    assert_eq!(durations.len(), 6, "{durations:?}");
}

/// A slice that comes 400 times would be decoded 400 times: no decoder is given such a picture, and
/// the ladder goes on as if it were lost.
#[test]
fn a_picture_of_repeated_slices_is_given_to_no_decoder() {
    let x264 = "-t 6 -c:v libx264 -preset ultrafast -x264-params keyint=30:scenecut=0:slices=2";
    let mut clip = make(&picture("320x240", 30), x264);
    let number = clip.iter().position(|tag| tag.timestamp_ms == 4500).expect("a picture");
    let body = clip[number].body.clone();
    // The second of two slices, each behind its length. The first again would begin a picture.
    let first_bytes = u32::from_be_bytes(body[5..9].try_into().expect("a length")) as usize;
    let second = 9 + first_bytes;
    clip[number].body = [&body[..second], &body[second..].repeat(400)].concat().into();
    let stream = play(clip);
    let [
        Notice::CodecFailed(codec::Error::Malformed { error, .. }),
        Notice::CodecFailed(codec::Error::Damaged { references: 1, .. }),
    ] = &stream.notices[..]
    else {
        panic!("{:?}", stream.notices)
    };
    assert!(matches!(error, h264::Error::SliceOrder { .. }), "{error}");
    assert_eq!(written_pictures(&stream.source), 180, "source has it all");
    assert_eq!(pictures(&stream.rungs[0]), 179);
}
