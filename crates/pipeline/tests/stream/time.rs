//! Clocks of every kind: they wrap, jump, stand, run back and drift apart; what comes out is in
//! order and in sync.

use flv::{Tag, TagKind};
use media::Duration;
use proptest::prelude::*;

use crate::shapes::{VIDEO, both, discontinuities, make, picture, pictures, play, with_b_pictures};
use crate::solo::{AUDIO_PID, Parts, Solo, VIDEO_PID, pes_times, step_33_bits, written_pictures};
use crate::support::{Stream, decode_without_warning, segments};

/// A day in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// The stamps of a stream whose clock passes 2^32 ms on its 21st day.
const START_MS: u64 = (1 << 32) - 20 * DAY_MS;

fn shifted(tag: Tag, by_ms: i64) -> Tag {
    Tag { timestamp_ms: (i64::from(tag.timestamp_ms) + by_ms) as u32, ..tag }
}

fn is_picture(tag: &Tag) -> bool {
    tag.kind == TagKind::Video && tag.body[1] == 1
}

/// Whether there is sound at this time: the first half minute, and around each wrap of 33 bits,
/// 2^24 ms and 2^31 ms.
fn is_heard(ms: u64) -> bool {
    let near = |at: u64, every: u64| (ms + every + 15_000 - at % every) % every < 30_000;
    let wrap_90k = ((1u64 << 33) - 126_000) / 90;
    ms < START_MS + 30_000
        || near(wrap_90k, (1 << 33) / 90)
        || near(1 << 24, 1 << 24)
        || near(1 << 31, 1 << 31)
}

/// A picture a second for 30 days, with sound at times. Every clock wraps: 2^24, 2^31 and 2^32 ms,
/// 33 bits of 90 kHz.
#[test]
fn row_34_thirty_days_past_every_wrap() {
    let parts = Parts::make();
    let mut solo = Solo::new(Duration::from_secs(10), false);
    parts.headers.iter().for_each(|header| solo.push(header.clone(), 0));
    let (mut newest, mut pictures, mut sounds) = (None, 0u64, 0u64);
    let mut wrapping = None;
    let mut next_start = None;
    for ms in (START_MS..START_MS + 30 * DAY_MS).step_by(1000) {
        let arrival = ms as i64;
        solo.push(parts.picture(ms as u32), arrival);
        if is_heard(ms) {
            (0..15).for_each(|n| solo.push(parts.sound((ms + n * 64) as u32), arrival));
        }
        for segment in solo.segments.drain(..) {
            assert_eq!((segment.duration, segment.discontinuity), (Duration::from_secs(10), false));
            let due = next_start.replace(segment.start_unix_ms + 10_000);
            assert_eq!(due.unwrap_or(segment.start_unix_ms), segment.start_unix_ms);
            for (pid, pts, dts) in pes_times(&segment.data) {
                let step = newest.map(|newest| step_33_bits(newest, dts));
                if pid == VIDEO_PID {
                    assert!(step.is_none_or(|step| step == 90_000), "{ms}: {step:?}");
                    if newest.replace(dts).is_some_and(|before| before > dts) {
                        wrapping = Some(segment.data.clone());
                    }
                    pictures += 1;
                } else {
                    assert!(step.is_none_or(|step| step.abs() < 100_000), "{ms}: {step:?}");
                    sounds += 1;
                }
                assert_eq!(pts, dts);
            }
        }
    }
    assert_eq!(solo.notices, []);
    assert!(pictures > 30 * 86_400 - 20 && sounds > 27 * 60, "{pictures} {sounds}");
    assert_eq!(decode_without_warning(&wrapping.expect("33 bits wrap")), 10);
}

fn assert_eight_whole_seconds(stream: &Stream) {
    assert_eq!(stream.notices, []);
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(discontinuities(events), Vec::<usize>::new());
        let durations: Vec<_> = segments(events).map(|it| it.duration.as_millis()).collect();
        assert_eq!(durations[..3], [2000; 3]);
        assert_eq!(pictures(events), 240);
    }
}

/// ffmpeg writes 31 bits of its stamps, so that after 24.8 days they begin again with 0.
#[test]
fn row_34_ffmpegs_stamps_begin_again_after_2_pow_31_milliseconds() {
    let input = format!("{} -f lavfi -i sine=sample_rate=44100", picture("160x120", 30));
    let tags = make(&input, &format!("-t 8 {VIDEO} -c:a aac -output_ts_offset 2147480"));
    let stamps = || tags.iter().map(|tag| tag.timestamp_ms);
    assert!(stamps().any(|ms| ms > 0x7fff_f000) && stamps().skip(3).any(|ms| ms < 6_000));
    let stream = play(tags);
    assert_eight_whole_seconds(&stream);
}

#[test]
fn row_33_messages_stamped_hours_away_cost_nothing() {
    let stray = |tag: Tag| match (tag.kind, tag.timestamp_ms) {
        (TagKind::Video, 3_000..3_030) => shifted(tag, 10_800_000),
        (TagKind::Video, 4_500..4_530) => shifted(tag, -5_000_000),
        (TagKind::Audio, 5_500..5_520) => shifted(tag, -86_400_000),
        _ => tag,
    };
    let stream = play(both("160x120", 8).into_iter().map(stray));
    assert_eight_whole_seconds(&stream);
}

#[test]
fn a_jump_of_seconds_or_hours_either_way_is_one_discontinuity_and_in_sync() {
    let tags = both("64x48", 9);
    let straight = Solo::play(tags.clone());
    let last = |solo: &Solo| {
        let picture = solo.pictures.last().expect("some").unit.pts;
        picture - solo.frames.last().expect("some").pts
    };
    for by in [3_000, -3_000, 18_000_000, -18_000_000] {
        // The sound jumps later than the pictures by half a second.
        let jump = |tag: Tag| match (tag.kind, tag.timestamp_ms) {
            (TagKind::Video, 4_500..) | (TagKind::Audio, 5_000..) => shifted(tag, by),
            _ => tag,
        };
        let late = |tag: Tag| shifted(tag, 20_000_000);
        let solo = Solo::play(tags.clone().into_iter().map(jump).map(late));
        assert_eq!(solo.discontinuities(), 1, "{by}");
        assert_eq!(solo.notices.len(), 1, "{by}: {:?}", solo.notices);
        let longer = (solo.total() - straight.total()).as_millis();
        assert!(longer.abs() < 600, "{by}: {longer}");
        let apart = (last(&solo) - last(&straight)).as_millis();
        assert!(apart.abs() <= 45, "{by}: {apart} ms");
        assert_eq!(solo.times(VIDEO_PID).len(), 270);
    }
}

/// A sender whose sound is further than its pictures: the order of the messages says nothing about
/// the pictures.
#[test]
fn sound_that_arrives_far_ahead_of_its_pictures_moves_no_cut() {
    // From 2 s on the first segment is one of sound alone.
    for ahead_ms in [500, 1_500] {
        for clip in [both("160x120", 12), with_b_pictures("160x120", 12)] {
            let mut tags = clip;
            let arrival = |tag: &Tag| {
                let is_late = tag.kind == TagKind::Video && tag.body[1] == 1;
                tag.timestamp_ms + if is_late { ahead_ms } else { 0 }
            };
            tags.sort_by_key(arrival);
            let stream = play(tags);
            for events in [&stream.source, &stream.rungs[0]] {
                let durations: Vec<_> =
                    segments(events).map(|it| it.duration.as_millis()).collect();
                assert_eq!(durations[..5], [2_000; 5], "{ahead_ms}");
                assert_eq!(discontinuities(events), Vec::<usize>::new(), "{ahead_ms}");
                assert_eq!(pictures(events), 360, "{ahead_ms}");
            }
        }
    }
}

#[test]
fn case_51_a_gap_of_ten_seconds_makes_no_pictures_and_no_time() {
    let gap = |tag: Tag| match tag.timestamp_ms {
        0..4_500 => tag,
        _ => shifted(tag, 10_000),
    };
    let stream = play(both("160x120", 9).into_iter().map(gap));
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(discontinuities(events).len(), 1);
        assert_eq!(pictures(events), 270);
        let total: i64 = segments(events).map(|segment| segment.duration.as_millis()).sum();
        assert!((8_900..9_500).contains(&total), "{total}");
    }
}

#[test]
fn row_32_presentation_before_decoding_keeps_its_order() {
    let x264 = "-c:v libx264 -x264-params bframes=2:b-adapt=0:keyint=30:scenecut=0";
    let tags = make(&picture("64x48", 30), &format!("-t 4 {x264}"));
    // As NVENC stamps: decoding times of the pictures' own place, so that B-pictures come after
    // their time.
    let as_nvenc = |tag: Tag| {
        if !is_picture(&tag) {
            return tag;
        }
        let mut body = tag.body.to_vec();
        let composition_ms = i32::from_be_bytes([0, body[2], body[3], body[4]]) - 80;
        body[2..5].copy_from_slice(&composition_ms.to_be_bytes()[1..]);
        Tag { body: body.into(), timestamp_ms: tag.timestamp_ms + 80, ..tag }
    };
    let expected = Solo::play(tags.clone()).times(VIDEO_PID);
    let solo = Solo::play(tags.into_iter().map(as_nvenc));
    let times = solo.times(VIDEO_PID);
    assert!(times.windows(2).all(|pair| pair[0].1 < pair[1].1), "decoding times grow");
    assert!(times.iter().all(|(pts, dts)| pts >= dts));
    assert_eq!(times.len(), 120);
    let presented = |times: &[(u64, u64)]| times.iter().map(|it| it.0).collect::<Vec<_>>();
    assert_eq!(presented(&times[6..]), presented(&expected[6..]));
}

#[test]
fn composition_offsets_at_both_ends_of_24_bits_move_nothing() {
    let ends = |tag: Tag| match tag.timestamp_ms {
        1_000..1_100 | 2_500..2_530 if is_picture(&tag) => {
            let mut body = tag.body.to_vec();
            let end = if tag.timestamp_ms < 2_000 { [0x7f, 0xff, 0xff] } else { [0x80, 0, 0] };
            body[2..5].copy_from_slice(&end);
            Tag { body: body.into(), ..tag }
        }
        _ => tag,
    };
    let solo = Solo::play(both("64x48", 7).into_iter().map(ends));
    let durations: Vec<_> = solo.segments.iter().map(|it| it.duration.as_millis()).collect();
    assert_eq!(durations[..3], [2000; 3]);
    let times = solo.times(VIDEO_PID);
    assert!(times.windows(2).all(|pair| (2_900..3_100).contains(&(pair[1].1 - pair[0].1))));
}

#[test]
fn case_56_decoding_times_that_repeat_or_step_back_lose_nothing() {
    let tags = both("64x48", 5);
    let restamp = |tag: Tag| match tag.kind {
        // Pairs of sound with one stamp, pairs of pictures with theirs swapped.
        TagKind::Audio => Tag { timestamp_ms: tag.timestamp_ms / 46 * 46, ..tag },
        TagKind::Video if is_picture(&tag) => {
            let even = tag.timestamp_ms.div_ceil(33).is_multiple_of(2);
            shifted(tag, if even { 33 } else { -20 })
        }
        _ => tag,
    };
    let solo = Solo::play(tags.iter().cloned().map(restamp));
    assert_eq!((solo.discontinuities(), solo.notices.len()), (0, 0), "{:?}", solo.notices);
    let straight = Solo::play(tags);
    for pid in [VIDEO_PID, AUDIO_PID] {
        let times = solo.times(pid);
        assert!(times.windows(2).all(|pair| pair[0].1 < pair[1].1), "{pid:#x}");
        assert_eq!(times.len(), straight.times(pid).len(), "{pid:#x}");
    }
}

#[test]
fn case_55_pictures_whose_clock_stands_are_shown_with_the_sound() {
    let stands = |tag: Tag| match tag.timestamp_ms {
        3_000..6_000 if is_picture(&tag) => Tag { timestamp_ms: 3_000, ..tag },
        _ => tag,
    };
    let stream = play(both("160x120", 9).into_iter().map(stands));
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(discontinuities(events), Vec::<usize>::new());
        let total: i64 = segments(events).map(|segment| segment.duration.as_millis()).sum();
        assert!((8_900..9_300).contains(&total), "{total}");
    }
    assert_eq!(written_pictures(&stream.source), 270);
}

#[test]
fn row_34_a_clock_that_starts_below_zero_plays() {
    let x264 = format!("-t 5 {VIDEO} -c:a aac");
    let input = format!("{} -f lavfi -i sine=sample_rate=44100", picture("64x48", 30));
    let tags = make(&input, &x264);
    let below = |tag: Tag| shifted(tag, -40);
    let solo = Solo::play(tags.into_iter().map(below));
    assert_eq!((solo.discontinuities(), solo.notices.len()), (0, 0), "{:?}", solo.notices);
    assert!((4_900..5_200).contains(&solo.total().as_millis()));
}

/// One message of a publisher without a clock.
#[derive(Clone, Debug)]
enum Stamp {
    Step(i32),
    Any(u32),
}

fn stamps() -> impl Strategy<Value = Vec<(bool, Stamp)>> {
    let stamp = prop_oneof![
        30 => (0..100).prop_map(Stamp::Step),
        3 => (-3_000..3_000).prop_map(Stamp::Step),
        1 => any::<i32>().prop_map(Stamp::Step),
        1 => any::<u32>().prop_map(Stamp::Any),
    ];
    proptest::collection::vec((any::<bool>(), stamp), 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the stamps: decoding times of pictures grow, times of sound grow, and there is no
    /// more time in the segments than the messages can stand for.
    #[test]
    fn no_stamps_bring_time_out_of_order(messages in stamps(), start in any::<u32>()) {
        let parts = PARTS.get_or_init(Parts::make);
        let mut clock = start;
        let count = messages.len() as i64;
        let tags = messages.into_iter().map(|(is_picture, stamp)| {
            clock = match stamp {
                Stamp::Step(by) => clock.wrapping_add(by as u32),
                Stamp::Any(stamp) => stamp,
            };
            if is_picture { parts.picture(clock) } else { parts.sound(clock) }
        });
        let solo = Solo::play(parts.headers.iter().cloned().chain(tags));
        prop_assert!(solo.total() <= Duration::from_secs(15 * (count + 1)), "{:?}", solo.total());
        prop_assert!(solo.segments.len() as i64 <= 8 * (count + 1), "{}", solo.segments.len());
        for pair in solo.pictures.windows(2) {
            prop_assert!(pair[0].unit.dts < pair[1].unit.dts);
        }
        prop_assert!(solo.pictures.iter().all(|it| it.unit.pts >= it.unit.dts));
        prop_assert!(solo.frames.windows(2).all(|pair| pair[0].pts < pair[1].pts));
    }
}

static PARTS: std::sync::OnceLock<Parts> = std::sync::OnceLock::new();
