//! Publishers that lie about time or size: what they cost is bounded, in the source and in the
//! ladder.

use crate::support::skipped;
use bytes::Bytes;
use flv::{Tag, TagKind};
use pipeline::{MessageError, Notice, VideoRefusal};

use crate::bad_input::Bits;
use crate::shapes::{VIDEO, both, make, picture, play, stream, with_b_pictures};
use crate::support::{Stream, decode_without_warning, segments};

const MIB: usize = 1024 * 1024;

fn is_picture(tag: &Tag) -> bool {
    tag.kind == TagKind::Video && tag.body.get(1) == Some(&1)
}

/// AVCC of one P slice of this many bytes, as a video message at `timestamp_ms`.
pub(crate) fn big_picture(timestamp_ms: u32, bytes: usize) -> Tag {
    let mut body = vec![0x27, 1, 0, 0, 0];
    body.extend_from_slice(&(bytes as u32).to_be_bytes());
    body.push(0x41);
    body.resize(9 + bytes, 0x80);
    Tag { kind: TagKind::Video, timestamp_ms, body: Bytes::from(body) }
}

/// Without B pictures and with them: then the last picture decoded is not the last shown.
fn clips(seconds: u32) -> [Vec<Tag>; 2] {
    [both("320x240", seconds), with_b_pictures("320x240", seconds)]
}

#[test]
fn when_video_stops_source_and_ladder_go_on_with_the_sound() {
    clips(14).into_iter().for_each(goes_on_with_the_sound);
}

fn goes_on_with_the_sound(clip: Vec<Tag>) {
    let stops = |tag: &Tag| tag.kind == TagKind::Audio || tag.timestamp_ms < 5000;
    let stream = play(clip.into_iter().filter(stops));
    assert_eq!(segments(&stream.source).count(), segments(&stream.rungs[0]).count());
    for events in [&stream.source, &stream.rungs[0]] {
        let durations: Vec<_> =
            segments(events).map(|segment| segment.duration.as_millis()).collect();
        assert!(durations.len() >= 6, "{durations:?}");
        assert!(durations.iter().all(|ms| *ms < 3100), "{durations:?}");
    }
    assert!(segments(&stream.rungs[0]).all(|segment| decode_without_warning(&segment.data) > 0));
}

#[test]
fn a_segment_that_no_picture_comes_for_shows_the_one_before() {
    clips(14).into_iter().for_each(shows_the_picture_before);
}

fn shows_the_picture_before(clip: Vec<Tag>) {
    let pauses =
        |tag: &Tag| tag.kind == TagKind::Audio || !(3000..9500).contains(&tag.timestamp_ms);
    let stream = play(clip.into_iter().filter(pauses));
    assert_eq!(segments(&stream.source).count(), segments(&stream.rungs[0]).count());
    let pictures: Vec<_> = segments(&stream.rungs[0])
        .map(|segment| (segment.duration.as_millis(), decode_without_warning(&segment.data)))
        .collect();
    assert!(pictures.iter().all(|(_, pictures)| *pictures > 0), "{pictures:?}");
    assert!(pictures.iter().filter(|(_, pictures)| *pictures == 1).count() >= 2, "{pictures:?}");
    let total: i64 = pictures.iter().map(|(ms, _)| ms).sum();
    assert!((13_900..14_200).contains(&total), "{pictures:?}");
}

#[test]
fn video_that_becomes_undecodable_ends_the_ladder_and_not_the_source() {
    let other = make(
        "-f lavfi -i testsrc=size=320x240:rate=30,format=yuv422p -f lavfi -i sine=sample_rate=44100",
        &format!("-t 6 {VIDEO} -c:a aac"),
    );
    let later = other.into_iter().map(|tag| Tag { timestamp_ms: tag.timestamp_ms + 5000, ..tag });
    let stream = play(both("320x240", 5).into_iter().chain(later));
    let total = |events| segments(events).map(|segment| segment.duration.as_millis()).sum::<i64>();
    assert!((4900..5200).contains(&total(&stream.rungs[0])), "{}", total(&stream.rungs[0]));
    assert!(total(&stream.source) > 10_800);
}

#[test]
fn audio_frames_that_no_adts_header_can_carry_are_dropped_at_once() {
    let huge = |tag: Tag| match tag.kind {
        TagKind::Audio if tag.body.len() > 10 => {
            let body = [&tag.body[..2], &vec![0; MIB]].concat();
            Tag { body: body.into(), timestamp_ms: 0, ..tag }
        }
        _ => tag,
    };
    let stream = play(both("320x240", 5).into_iter().map(huge));
    let is_large = |why| matches!(why, &MessageError::AudioFrameTooLarge { limit: 8184, .. });
    assert!(skipped(&stream.notices[0]).is_some_and(is_large), "{:?}", stream.notices);
    let bytes: usize = segments(&stream.source).map(|segment| segment.data.len()).sum();
    assert!(bytes < 2 * MIB, "{bytes}");
}

#[test]
fn audio_at_a_standing_timestamp_stays_within_the_segment_limit() {
    let standing = |tag: Tag| match tag.kind {
        TagKind::Audio if tag.body.len() > 10 && tag.timestamp_ms > 3000 => {
            let body = [&tag.body[..2], &vec![0; 8000]].concat();
            vec![Tag { body: body.into(), timestamp_ms: 3000, ..tag }; 100]
        }
        TagKind::Video if is_picture(&tag) && tag.timestamp_ms > 3000 => vec![],
        _ => vec![tag],
    };
    let stream = play(both("320x240", 5).into_iter().flat_map(standing));
    for segment in segments(&stream.source).chain(segments(&stream.rungs[0])) {
        assert!(segment.data.len() < 40 * MIB, "{}", segment.data.len());
    }
}

#[test]
fn pictures_at_a_standing_timestamp_stay_within_the_segment_limit() {
    let head = both("320x240", 3).into_iter();
    let flood = (0..100).map(|_| big_picture(3000, MIB));
    let stream = play(head.chain(flood));
    let is_full = |notice| matches!(skipped(notice), Some(MessageError::SegmentFull { .. }));
    assert!(stream.notices.iter().any(is_full), "{:?}", stream.notices);
    let largest = segments(&stream.source).map(|segment| segment.data.len()).max();
    assert!(largest.is_some_and(|bytes| bytes < 40 * MIB), "{largest:?}");
    assert!(segments(&stream.source).count() <= 3);
}

#[test]
fn more_reference_pictures_than_memory_for_them_are_not_given_to_the_decoder() {
    let x264 = "-c:v libx264 -preset ultrafast -x264-params ref=16:level=5.2";
    let stream = play(make(&picture("4096x2304", 5), &format!("-t 1 {x264}")));
    let Notice::Undecodable(VideoRefusal::TooManyBytes { references, .. }) = stream.notices[0]
    else {
        panic!("{:?}", stream.notices)
    };
    assert_eq!(references, 16);
    assert_eq!(stream.rungs[0].len(), 0);
}

/// A film with sound, sent twenty times as fast as it plays: what is made of it as it comes is
/// bounded by the wall clock, and what is not can be made when somebody asks.
#[test]
fn what_comes_faster_than_it_plays_is_made_when_somebody_asks() {
    let film = both("320x240", 60);
    let played = |faster: u32| {
        let mut stream = stream();
        for tag in film.clone() {
            stream.push_at(1_800_000_000_000 + i64::from(tag.timestamp_ms / faster), tag);
        }
        stream.finish();
        stream
    };
    let (in_time, fast) = (played(1), played(20));
    let spans = in_time.listed[0].len();
    assert!(in_time.live_packages[0].len() + 2 >= spans, "{}", in_time.live_packages[0].len());
    assert_eq!(fast.listed[0].len(), spans, "none is lost");
    let live = fast.live_packages[0].len();
    // Three seconds of media in each of the three that it took, and three at once; each span has
    // two, and is prepared by one.
    assert!((1..=5).contains(&live), "{live} of {spans}");
    let decoded = |stream: &Stream| stream.transcoder_stats().decoded;
    assert!(decoded(&fast) * 3 < decoded(&in_time), "{}", decoded(&fast));
}

/// Spans of a picture each, as many as there are numbers for: of those that are made as they come
/// each has to be prepared by a second of sound.
#[test]
fn short_spans_are_charged_for_what_prepares_their_sound() {
    let clip = both("320x240", 60);
    let mut stream = stream();
    // Stamps jump at each keyframe, which come every 500 ms; all of it comes five times as fast.
    for tag in clip {
        let jump = tag.timestamp_ms / 1_000 * 20_000;
        let arrival = 1_800_000_000_000 + i64::from(tag.timestamp_ms / 5);
        stream.push_at(arrival, Tag { timestamp_ms: tag.timestamp_ms + jump, ..tag });
    }
    stream.finish();
    let made = &stream.live_packages[0];
    let ms: i64 = made.iter().map(|package| package.span.duration.as_millis() + 1_000).sum();
    assert!(ms <= 3_000 + 3 * 12_000 + 3_000, "{ms} ms in {} spans", made.len());
}

/// How many of so many pictures are looked at, each of so many NAL units of a byte, sent within two
/// seconds: all that are not refused for the NAL units before them.
fn looked_at(nal_units: usize, pictures: u32) -> usize {
    let slices = [0, 0, 0, 1, 0x65].repeat(nal_units);
    let body = Bytes::from([&[0x17, 1, 0, 0, 0][..], &slices].concat());
    let mut stream = stream();
    for tag in both("320x240", 1).into_iter().take(3) {
        stream.push(tag);
    }
    for number in 0..pictures {
        let timestamp_ms = number * 2_000 / pictures;
        stream.push(Tag { kind: TagKind::Video, timestamp_ms, body: body.clone() });
    }
    stream.finish();
    let is_refused = |notice: &&Notice| {
        matches!(skipped(notice), Some(MessageError::TooManyNalUnits { limit: 32_768 }))
    };
    pictures as usize - stream.notices.iter().filter(is_refused).count()
}

/// Beyond those that encoders send, NAL units are counted and not looked at.
#[test]
fn nal_units_beyond_those_of_any_encoder_are_not_looked_at() {
    const MOST: usize = 65_536 + 2 * 32_768;
    let taken = looked_at(4_000, 2_000);
    assert!((16..=MOST / 4_000).contains(&taken), "{taken} of 2000");
    // More than a message may have: refused, and not for nothing.
    let refused = looked_at(5_000, 5_000);
    assert!((1_024..=MOST / 64).contains(&refused), "{refused} of 5000");
}

/// High 4:2:2 of 64x48, which plays as source only: no transcoder slows the flood down.
const SPS_422: &[u8] =
    b"\x67\x7a\x00\x0a\xbc\xb4\x23\xd8\x08\x80\x00\x00\x03\x00\x80\x00\x00\x19\x07\x89\x13\x50";

const PPS_BYTES: usize = 240;

/// A PPS with this id, and much behind its end.
fn long_pps(id: u32, filling: u8) -> Vec<u8> {
    let mut pps = Bits::default();
    [id, 0].into_iter().for_each(|value| pps.ue(value));
    // CAVLC, one slice group, one reference, all else as it is most simple.
    pps.bits(0b00_1110_0011_1100, 14);
    let mut pps = [&[0x68][..], &pps.bytes()].concat();
    pps.resize(PPS_BYTES, filling);
    pps
}

/// A sequence header with the PPS 0 to 14.
fn header_of_many_sets() -> Tag {
    let mut body = vec![0x17, 0, 0, 0, 0, 1, 0x7a, 0, 0x0a, 0xff, 0xe1, 0, SPS_422.len() as u8];
    body.extend_from_slice(SPS_422);
    body.push(15);
    for id in 0..15 {
        body.extend_from_slice(&[0, PPS_BYTES as u8]);
        body.extend_from_slice(&long_pps(id, 0x55));
    }
    Tag { kind: TagKind::Video, timestamp_ms: 0, body: body.into() }
}

/// An I slice of a few bytes that names this PPS.
fn tiny_slice(nal_header: u8, pps_id: u32) -> Vec<u8> {
    let mut slice = Bits::default();
    [0, 7, pps_id].into_iter().for_each(|value| slice.ue(value));
    [&[nal_header][..], &slice.bytes()].concat()
}

fn picture_of(timestamp_ms: u32, nal_units: &[Vec<u8>]) -> Tag {
    let mut body = vec![0x17, 1, 0, 0, 0];
    for nal_unit in nal_units {
        body.extend_from_slice(&(nal_unit.len() as u32).to_be_bytes());
        body.extend_from_slice(nal_unit);
    }
    Tag { kind: TagKind::Video, timestamp_ms, body: body.into() }
}

#[test]
fn parameter_sets_that_no_picture_uses_are_not_repeated() {
    let idrs = (0..2000).map(|n| picture_of(n * 3, &[tiny_slice(0x65, 3)]));
    let stream = play([header_of_many_sets()].into_iter().chain(idrs));
    let bytes: usize = segments(&stream.source).map(|segment| segment.data.len()).sum();
    // Two packets for a picture: the SPS and one PPS.
    assert!((2000 * 376..2000 * 376 + 5000).contains(&bytes), "{bytes}");
}

#[test]
fn parameter_sets_that_all_pictures_use_count_in_the_segment() {
    let slices: Vec<_> = (0..15).map(|id| tiny_slice(0x65, id)).collect();
    let mut stream = stream();
    stream.push(header_of_many_sets());
    // Stamped twenty a millisecond, and sent in the time that so many NAL units take.
    for n in 0..12_000 {
        stream.push_at(1_800_000_000_000 + i64::from(n), picture_of(n / 20, &slices));
    }
    stream.finish();
    let is_full = |notice| matches!(skipped(notice), Some(MessageError::SegmentFull { .. }));
    assert!(stream.notices.iter().any(is_full));
    let largest = segments(&stream.source).map(|segment| segment.data.len()).max();
    assert!(largest.is_some_and(|bytes| (28 * MIB..=32 * MIB).contains(&bytes)), "{largest:?}");
}

#[test]
fn a_parameter_set_that_changes_between_two_pictures_comes_with_the_second() {
    let other = long_pps(0, 0xaa);
    let idr = || tiny_slice(0x65, 0);
    let later = |ms, nal_units: &[Vec<u8>]| {
        let mut tag = picture_of(ms, nal_units);
        let mut body = tag.body.to_vec();
        body[0] = 0x27;
        tag.body = body.into();
        tag
    };
    let tags = [
        header_of_many_sets(),
        picture_of(0, &[idr()]),
        later(40, &[tiny_slice(0x41, 0)]),
        later(80, &[other, tiny_slice(0x41, 0)]),
        later(120, &[tiny_slice(0x41, 0)]),
    ];
    let stream = play(tags);
    let segment = segments(&stream.source).next().expect("a segment");
    let once = PPS_BYTES - 20..PPS_BYTES + 20;
    for filling in [0x55, 0xaa] {
        let bytes = segment.data.iter().filter(|byte| **byte == filling).count();
        assert!(once.contains(&bytes), "{filling:#x}: {bytes}");
    }
}
