//! Arbitrary messages, without a decoder and an encoder: what ingest makes of them is right, and
//! what is written of its packages is read again by mpeg2ts-reader, which has never heard of us.

#[path = "../src/model.rs"]
mod model;
#[path = "../../mpegts/src/oracle.rs"]
mod oracle;

use media::{Duration, Timestamp};
use model::{Op, PictureKind};
use pipeline::{
    DecoderKind, EndedSpan, GridState, Ingest, IngestOutput, Item, LadderCut, Notice, Package,
    Picture, Preset, Queue, RenditionSet, Sample, SegmentStore, Slate, SourceSegment, StreamConfig,
    StreamTracks, WorkClock, measure_ts, write_ts,
};
use proptest::collection::vec;
use proptest::prelude::*;

const VIDEO_PID: u16 = 0x100;
const AUDIO_PID: u16 = 0x101;

fn picture_kind() -> impl Strategy<Value = PictureKind> {
    prop_oneof![
        2 => Just(PictureKind::Idr),
        1 => Just(PictureKind::Intra),
        5 => Just(PictureKind::Inter),
        2 => Just(PictureKind::Disposable),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    // At the usual rate, about so, a pause of up to 12 s.
    let after = || prop_oneof![4 => Just(33_u16), 2 => 0..200_u16, 1 => 0..12_000_u16];
    let composition = prop_oneof![4 => Just(0_i16), 2 => 0..300_i16, 1 => -900..11_000_i16];
    let picture =
        (after(), composition, picture_kind()).prop_map(|(after_ms, composition_ms, kind)| {
            Op::Picture { after_ms, composition_ms, kind }
        });
    let play = (0..120_u8, 0..120_u8, any::<bool>(), any::<bool>()).prop_map(
        |(pictures, gop, reorders, with_sound)| Op::Play { pictures, gop, reorders, with_sound },
    );
    let jump = (-20_000..20_000_i32, -20_000..20_000_i32)
        .prop_map(|(video_ms, audio_ms)| Op::Jump { video_ms, audio_ms });
    prop_oneof![
        10 => picture,
        8 => play,
        5 => after().prop_map(|after_ms| Op::Sound { after_ms }),
        2 => any::<u8>().prop_map(|frames| Op::Listen { frames }),
        2 => jump,
        1 => any::<i32>().prop_map(|ms| Op::Jump { video_ms: ms, audio_ms: ms }),
        2 => (0..3_u8).prop_map(Op::VideoHeader),
        1 => (0..3_u8).prop_map(Op::AudioHeader),
        3 => (0..8_u16).prop_map(Op::Want),
        1 => Just(Op::Resume),
        1 => any::<u8>().prop_map(|tenths| Op::Absent { tenths }),
        1 => any::<u8>().prop_map(|tenths| Op::Silent { tenths }),
    ]
}

fn raw() -> impl Strategy<Value = Op> {
    (0..3_u8, vec(any::<u8>(), 0..40)).prop_map(|(kind, body)| Op::Raw { kind, body })
}

/// A stream that begins with both headers, as nearly all do.
fn begun(ops: Vec<Op>) -> Vec<Op> {
    [vec![Op::Want(3), Op::VideoHeader(0), Op::AudioHeader(0)], ops].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_comes_out_once_and_under_the_right_number(
        segment_ms in 500..6_000_i64, ops in vec(op(), 0..40),
    ) {
        model::check(Duration::from_millis(segment_ms), &begun(ops));
    }

    #[test]
    fn any_order_of_headers_and_any_bytes_break_nothing(
        segment_ms in 500..6_000_i64, ops in vec(prop_oneof![6 => op(), 1 => raw()], 0..40),
    ) {
        model::check(Duration::from_millis(segment_ms), &ops);
    }
}

/// Times begin anew with each publisher: a picture of an earlier one is no beginning for sound
/// alone.
#[test]
fn a_publisher_of_sound_has_no_pictures_of_the_one_before() {
    let one = Op::Play { pictures: 1, gop: 0, reorders: false, with_sound: true };
    let late = Op::Picture { after_ms: 33, composition_ms: 447, kind: PictureKind::Idr };
    let (sound, come) = (Op::AudioHeader(0), Op::Resume);
    let second = [come.clone(), sound.clone(), one.clone()];
    let third = [come, sound, Op::Listen { frames: 23 }];
    let ops = [vec![one, late], second.to_vec(), third.to_vec()].concat();
    model::check(Duration::from_millis(500), &begun(ops));
}

/// A publisher without an IDR is not decoded from the IDR of the one before.
#[test]
fn decoding_does_not_begin_with_another_publisher() {
    let play = |pictures| Op::Play { pictures, gop: 0, reorders: false, with_sound: false };
    let picture = |after_ms, kind| Op::Picture { after_ms, composition_ms: 0, kind };
    let ops = vec![
        Op::Jump { video_ms: -34, audio_ms: -34 },
        picture(33, PictureKind::Idr),
        play(5),
        Op::Jump { video_ms: 0, audio_ms: -7207 },
        picture(33, PictureKind::Idr),
        Op::Resume,
        play(56),
        Op::VideoHeader(0),
        picture(2001, PictureKind::Intra),
        picture(4890, PictureKind::Intra),
        picture(33, PictureKind::Intra),
    ];
    model::check(Duration::from_millis(500), &begun(ops));
}

/// Where pictures that decoders take are shown only some time behind the cut, and those before them
/// were refused, there is nothing that decoding could begin with.
#[test]
fn decoding_does_not_begin_with_a_picture_that_was_refused() {
    let idr = |after_ms| Op::Picture { after_ms, composition_ms: 0, kind: PictureKind::Idr };
    let ops = vec![
        Op::VideoHeader(2),
        Op::Play { pictures: 1, gop: 0, reorders: false, with_sound: false },
        idr(33),
        Op::VideoHeader(0),
        Op::Listen { frames: 136 },
        Op::Play { pictures: 1, gop: 0, reorders: true, with_sound: true },
    ];
    model::check(Duration::from_millis(1035), &begun(ops));
}

/// A stay whose segments are far too short ends in mid-stream, and nothing comes twice.
#[test]
fn a_stay_of_short_segments_ends_where_it_is_refused() {
    let play = |pictures, gop| Op::Play { pictures, gop, reorders: false, with_sound: false };
    let ops = vec![
        Op::Picture { after_ms: 33, composition_ms: 0, kind: PictureKind::Idr },
        Op::Listen { frames: 29 },
        play(10, 0),
        play(85, 85),
        play(85, 0),
    ];
    model::check(Duration::from_millis(2214), &begun(ops));
}

/// A picture that no decoder takes waits for the message that shows it to be whole. That is the
/// sequence header of pictures that decoders take: the one before it is still none of them.
#[test]
fn a_sequence_header_says_nothing_of_the_picture_before_it() {
    let all_idrs = Op::Play { pictures: 17, gop: 0, reorders: false, with_sound: false };
    let idr = Op::Picture { after_ms: 33, composition_ms: 0, kind: PictureKind::Idr };
    let ops = vec![
        // How the stream is cut is decided, so renditions may begin with the next publisher.
        all_idrs,
        Op::Resume,
        Op::VideoHeader(2),
        idr.clone(),
        Op::VideoHeader(0),
        idr,
    ];
    model::check(Duration::from_millis(500), &begun(ops));
}

/// What waits with a message that the publisher is refused for is not taken behind it.
#[test]
fn nothing_begins_behind_a_refusal() {
    let idr = Op::Picture { after_ms: 33, composition_ms: 0, kind: PictureKind::Idr };
    let play = |pictures, with_sound| Op::Play { pictures, gop: 0, reorders: false, with_sound };
    let ops = [
        play(1, true),
        idr,
        Op::Listen { frames: 44 },
        Op::Jump { video_ms: -1000, audio_ms: 0 },
        Op::Raw { kind: 1, body: vec![40] },
        Op::VideoHeader(0),
        play(63, false),
    ];
    model::check(Duration::from_millis(500), &ops);
}

/// A decoder that begins in the middle of a GOP is not given the pictures of it that none takes.
#[test]
fn what_no_decoder_takes_is_not_decoded_in_front_of_a_cut() {
    let picture = |kind| Op::Picture { after_ms: 33, composition_ms: 0, kind };
    let long_gop = Op::Play { pictures: 100, gop: 100, reorders: false, with_sound: false };
    let refused = [Op::VideoHeader(2), picture(PictureKind::Idr), Op::VideoHeader(0)];
    let second = vec![picture(PictureKind::Inter); 30];
    let ops = [vec![long_gop], refused.to_vec(), second].concat();
    model::check(Duration::from_millis(500), &begun(ops));
}

/// Sound was held when the publisher turned out to send what nobody here can carry: it begins
/// nothing.
#[test]
fn nothing_comes_behind_a_refusal() {
    let idr = Op::Picture { after_ms: 40, composition_ms: 0, kind: PictureKind::Idr };
    let ops = [
        Op::AudioHeader(0),
        idr,
        Op::Sound { after_ms: 20 },
        play(30, false),
        Op::Sound { after_ms: 20 },
        Op::Jump { video_ms: 500, audio_ms: 0 },
        // HEVC by its number of before enhanced RTMP.
        Op::Raw { kind: 1, body: vec![0x1c] },
    ];
    assert!(model::check(Duration::from_millis(500), &ops).is_empty());
}

/// 25 pictures a second, an IDR every 2 s.
fn play(pictures: u8, with_sound: bool) -> Op {
    Op::Play { pictures, gop: 50, reorders: false, with_sound }
}

/// Sound that begins, or goes on, where the pictures are by then.
fn later_sound(audio_ms: i32) -> Op {
    Op::Jump { video_ms: 0, audio_ms }
}

/// The source's segments of 2 s. The model has seen to it that all have samples of the same tracks.
fn source(ops: &[Op]) -> Vec<Package> {
    model::check(Duration::from_secs(2), ops)
}

fn tracks(packages: &[Package]) -> (bool, bool) {
    let [.., last] = packages else { panic!("segments") };
    (last.video.is_some(), last.audio.is_some())
}

fn discontinuities(packages: &[Package]) -> Vec<usize> {
    let breaks = packages.iter().enumerate().filter(|(_, package)| package.span.cut.discontinuity);
    breaks.map(|(place, _)| place).collect()
}

/// Presentation times of all sound, and whether the publisher sent it.
fn sounds(packages: &[Package]) -> Vec<(Timestamp, bool)> {
    let frame = |sample: &Sample| match sample {
        Sample::Audio(frame) => Some((frame.pts, model::sound_number(&frame.data).is_some())),
        Sample::Picture(..) => None,
    };
    packages.iter().flat_map(|package| &package.samples).filter_map(frame).collect()
}

/// No hole that a player would see: a frame of 44.1 kHz is 23 ms.
fn assert_sound_is_whole(packages: &[Package]) {
    for pair in sounds(packages).windows(2) {
        let step = (pair[1].0 - pair[0].0).as_millis();
        assert!((0..100).contains(&step), "{pair:?}");
    }
}

#[test]
fn case_01_sound_that_is_announced_and_begins_late_has_been_silence() {
    let late = [play(250, false), play(50, false), later_sound(12_000), play(250, true)];
    let packages = source(&begun(late.to_vec()));
    assert_eq!((tracks(&packages), discontinuities(&packages)), ((true, true), vec![]));
    assert_sound_is_whole(&packages);
    let ours = sounds(&packages).iter().position(|(_, is_sent)| *is_sent).expect("it came");
    assert!(ours > 400, "{ours} frames of silence");
}

#[test]
fn case_01_pictures_that_are_announced_and_begin_late_have_been_black() {
    let listen = || Op::Listen { frames: 250 };
    let packages = source(&begun(vec![listen(), listen(), play(250, true)]));
    assert_eq!(tracks(&packages), (true, true));
    let [first, ..] = &discontinuities(&packages)[..] else { panic!("pictures begin") };
    assert!(packages[..*first].iter().all(|package| package.pictures() == 1));
    assert!(packages[*first..].iter().all(|package| package.pictures() > 1));
}

#[test]
fn case_01_a_track_that_nobody_announced_is_left_out_when_it_comes_after_all() {
    let sound = [Op::VideoHeader(0), play(250, false), Op::AudioHeader(0), later_sound(10_000)];
    let packages = source(&[sound.to_vec(), vec![play(250, true)]].concat());
    assert_eq!((tracks(&packages), discontinuities(&packages)), ((true, false), vec![]));
    let listen = Op::Listen { frames: 250 };
    let pictures = [Op::AudioHeader(0), listen, Op::VideoHeader(0), play(250, true)];
    let packages = source(&pictures);
    assert_eq!((tracks(&packages), discontinuities(&packages)), ((false, true), vec![]));
    assert_sound_is_whole(&packages);
}

/// Whoever publishes next: the tracks stay, and what is missing of them is stood in for.
#[test]
fn case_01_another_publisher_changes_no_tracks() {
    let comes = [Op::Resume, Op::VideoHeader(1), Op::AudioHeader(1)];
    let both = || begun(vec![play(250, true)]);
    let pictures = [&comes[..2], &[play(250, false)]].concat();
    let sound = vec![Op::Resume, Op::AudioHeader(0), Op::Listen { frames: 250 }];
    for (ops, expected) in [
        (vec![both(), pictures.clone(), sound.clone(), comes.to_vec(), both()], (true, true)),
        (vec![both(), sound.clone(), pictures.clone()], (true, true)),
        (vec![pictures.clone(), both(), sound.clone()], (true, false)),
        (vec![sound, both(), pictures], (false, true)),
    ] {
        let packages = source(&ops.concat());
        assert_eq!(tracks(&packages), expected);
        assert!(packages.len() > 8, "{} segments", packages.len());
    }
}

#[test]
fn case_02_sound_that_pauses_is_silence_meanwhile() {
    let paused = [play(200, true), play(150, false), later_sound(6_000), play(200, true)];
    let packages = source(&begun(paused.to_vec()));
    assert_eq!((tracks(&packages), discontinuities(&packages)), ((true, true), vec![]));
    assert_sound_is_whole(&packages);
    let silent = sounds(&packages).iter().filter(|(_, is_sent)| !is_sent).count();
    assert!((230..280).contains(&silent), "{silent} frames of 23.2 ms in 6 s");
}

#[test]
fn case_02_sound_that_is_a_second_late_is_not_replaced() {
    // Up to 0.96 s without sound, which then comes all at once.
    let late = (0..20).flat_map(|_| [play(24, false), play(26, true)]);
    let packages = source(&begun(late.collect()));
    assert!(sounds(&packages).iter().all(|(_, is_sent)| *is_sent));
}

#[test]
fn case_02_pictures_that_are_shown_seconds_later_make_no_sound_late() {
    let picture = |n: u16| {
        let kind = if n.is_multiple_of(50) { PictureKind::Idr } else { PictureKind::Inter };
        Op::Picture { after_ms: 46, composition_ms: 3_000, kind }
    };
    let sound = || Op::Sound { after_ms: 23 };
    let packages = source(&begun((0..250).flat_map(|n| [picture(n), sound(), sound()]).collect()));
    // Behind the last frame the pictures go on for three seconds.
    let sounds = sounds(&packages);
    let sent = sounds.iter().rposition(|(_, is_sent)| *is_sent).expect("it came");
    let silent = sounds[..sent].iter().filter(|(_, is_sent)| !is_sent).count();
    // The first segment ends before its sound comes.
    assert!(silent <= 1, "{silent} frames of silence");
}

#[test]
fn case_02_pictures_that_pause_are_still_meanwhile() {
    let listen = || Op::Listen { frames: 250 };
    let packages = source(&begun(vec![play(200, true), listen(), listen(), play(200, true)]));
    assert_eq!((tracks(&packages), discontinuities(&packages)), ((true, true), vec![]));
    let still = packages.iter().filter(|package| package.pictures() == 1).count();
    assert!((3..=6).contains(&still), "{still} still segments");
}

/// Nine seconds without a publisher, on one grid and with the ladder on its own.
#[test]
fn case_05_a_slate_goes_on_between_two_publishers() {
    let again = [Op::VideoHeader(0), Op::AudioHeader(0), play(150, true)];
    for gop in [50, 250] {
        let first = Op::Play { pictures: 250, gop, reorders: true, with_sound: true };
        let ops = [begun(vec![first, Op::Absent { tenths: 91 }]), again.to_vec()].concat();
        let packages = source(&ops);
        let breaks = discontinuities(&packages);
        let [slate, back] = breaks[..] else { panic!("one at each end of it: {breaks:?}") };
        // Four whole ones, and what there was of the fifth.
        assert_eq!(back - slate, 5);
        let silent = sounds(&packages[slate..back]);
        assert!(silent.iter().all(|(_, is_sent)| !is_sent));
        assert!((385..=393).contains(&silent.len()), "{} frames in 9.1 s", silent.len());
        write_and_read(&ops);
    }
}

/// Shorter than a quarter of a segment there is nothing to show.
#[test]
fn case_05_a_slate_that_has_hardly_begun_is_none() {
    let (back, absent) = ([Op::VideoHeader(0), play(100, true)], Op::Absent { tenths: 4 });
    let packages = source(&[begun(vec![play(200, true), absent]), back.to_vec()].concat());
    assert_eq!(discontinuities(&packages).len(), 1);
}

/// Nothing comes of a connected publisher for 9.1 s, in the middle of a GOP: sound goes on with the
/// first that comes, and pictures with the next IDR.
#[test]
fn case_05_a_stay_goes_on_behind_a_slate_and_nothing_is_lost_that_comes() {
    for gop in [50, 250] {
        let play = |pictures| Op::Play { pictures, gop, reorders: true, with_sound: true };
        let inter = Op::Picture { after_ms: 40, composition_ms: 40, kind: PictureKind::Inter };
        let sound = || Op::Sound { after_ms: 20 };
        let middle: Vec<_> = (0..20).flat_map(|_| [sound(), inter.clone(), sound()]).collect();
        let ops = [begun(vec![play(249), Op::Silent { tenths: 91 }]), middle, vec![play(200)]];
        let packages = source(&ops.concat());
        let breaks = discontinuities(&packages);
        let [slate, back, pictures] = breaks[..] else {
            panic!("and at the first IDR: {breaks:?}")
        };
        assert_eq!(back - slate, 5);
        let silent = sounds(&packages[slate..back]);
        assert!(silent.iter().all(|(_, is_sent)| !is_sent));
        assert!(packages[back..pictures].iter().all(|package| package.pictures() == 1));
        // The model has seen that each frame and picture came once from the first on.
        let came = sounds(&packages[back..]);
        assert!(came[0].1, "the first that came");
        for pair in packages.windows(2) {
            assert!(pair[1].span.start() >= pair[0].span.end(), "time never goes back");
        }
        write_and_read(&ops.concat());
    }
}

#[test]
fn case_05_a_stay_goes_on_with_an_idr_behind_one_discontinuity_more() {
    for with_sound in [true, false] {
        let stay = vec![play(200, with_sound), Op::Silent { tenths: 40 }, play(200, with_sound)];
        let packages = source(&begun(stay));
        let breaks = discontinuities(&packages);
        let [slate, back] = breaks[..] else { panic!("one at each end of it: {breaks:?}") };
        assert_eq!((back - slate, packages[back].pictures()), (2, 50));
    }
}

/// Video alone, in the middle of a GOP: its pictures tell the time while none can be shown.
#[test]
fn case_05_pictures_that_cannot_be_shown_let_the_slates_picture_go_on() {
    let play = |pictures| Op::Play { pictures, gop: 250, reorders: false, with_sound: false };
    let inter = Op::Picture { after_ms: 40, composition_ms: 0, kind: PictureKind::Inter };
    let first = [Op::VideoHeader(0), play(250), play(125), Op::Silent { tenths: 40 }];
    let packages = source(&[first.to_vec(), vec![inter; 125], vec![play(100)]].concat());
    let [_, back, pictures] = discontinuities(&packages)[..] else { panic!("three") };
    let still: Vec<_> = packages[back..pictures].iter().map(Package::pictures).collect();
    assert_eq!(still, [1, 1, 1]);
    let ms = packages[pictures].span.start() - packages[back].span.start();
    assert_eq!(ms.as_millis(), 5_000, "as long as what could not be shown");
}

/// A second slate behind the first, with nothing between them but what is told once.
#[test]
fn a_stay_that_goes_on_with_nothing_pauses_again() {
    let silent = || Op::Silent { tenths: 40 };
    let ops = [play(200, true), silent(), Op::AudioHeader(0), silent(), play(100, true)];
    let packages = source(&begun(ops.to_vec()));
    assert_eq!(discontinuities(&packages).len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_what_is_read(ops in vec(op(), 0..20)) {
        write_and_read(&begun(ops));
    }
}

/// A segment of sound alone, of a program with video: the picture behind it says what it could not.
#[test]
fn what_a_segment_had_no_packet_for_is_said_in_the_next() {
    let one = Op::Play { pictures: 1, gop: 0, reorders: false, with_sound: false };
    let ahead = Op::Jump { video_ms: 0, audio_ms: 2017 };
    let late = Op::Picture { after_ms: 33, composition_ms: 0, kind: PictureKind::Idr };
    write_and_read(&begun(vec![one, ahead, Op::Listen { frames: 88 }, late]));
}

/// Sound joins, its segments are of sound alone, and the next publisher's sound joins late as well.
#[test]
fn sound_that_joins_again_says_that_its_counter_breaks() {
    let play = |pictures, gop, with_sound| Op::Play { pictures, gop, reorders: false, with_sound };
    let first = [play(49, 16, false), Op::Listen { frames: 41 }, Op::Listen { frames: 87 }];
    let second = [Op::Resume, Op::VideoHeader(0), play(51, 0, false), Op::AudioHeader(0)];
    let ops = [first.to_vec(), second.to_vec(), vec![play(27, 0, true)]].concat();
    write_and_read(&begun(ops));
}

fn write_and_read(ops: &[Op]) {
    let packages = model::check(Duration::from_secs(2), ops);
    let mut continuity = None;
    let mut stream = Vec::new();
    for package in &packages {
        let (ts, after) = write_ts(package, continuity);
        assert_reads_as(&ts, package);
        assert_eq!(write_ts(package, continuity).0, ts, "the same input, the same bytes");
        assert_eq!(measure_ts(package, continuity), (ts.len(), after));
        assert_marked(&write_ts(package, None).0, package, true);
        assert_marked(&ts, package, continuity.is_none());
        stream.extend_from_slice(&ts);
        continuity = after;
    }
    assert_eq!(oracle::demux(&stream).continuity_errors, 0, "counters go on");
}

/// The same access units with the same times, whatever 33 bits do to them.
fn assert_reads_as(ts: &[u8], package: &Package) {
    let read = oracle::demux(ts);
    let pictures = package.samples.iter().filter_map(|sample| match sample {
        Sample::Picture(unit, _) => Some(unit),
        Sample::Audio(_) => None,
    });
    let written: Vec<_> = pictures
        .map(|unit| {
            let dts = (unit.dts != unit.pts).then(|| on_the_wire(unit.dts));
            let slice = unit.nal_units.iter().last().map(<[u8]>::to_vec);
            (Some(on_the_wire(unit.pts)), dts, unit.random_access, slice)
        })
        .collect();
    let pes = || read.pes.iter().filter(|pes| pes.pid == VIDEO_PID);
    // The end of a picture may stand in the PES packet of the next.
    let stream: Vec<u8> = pes().flat_map(|pes| pes.data.iter().copied()).collect();
    let nal_units: Vec<_> = h264::annexb::stream(&stream).collect();
    let is_delimiter = |unit: &[u8]| h264::nal_type(unit) == h264::NalType::AccessUnitDelimiter;
    let pictures = nal_units.split(|unit| is_delimiter(unit)).skip(1);
    let found: Vec<_> = pes()
        .zip(pictures)
        .map(|(pes, nal_units)| {
            let slice = nal_units.last().map(|unit| unit.to_vec());
            (pes.pts, pes.dts, pes.random_access, slice)
        })
        .collect();
    assert_eq!(found, written);
    let pes = read.pes.iter().filter(|pes| pes.pid == AUDIO_PID);
    let mut adts = pes.flat_map(|pes| pes.data.iter().copied());
    for sample in &package.samples {
        if let Sample::Audio(frame) = sample {
            let found: Vec<_> = adts.by_ref().take(7 + frame.data.len()).skip(7).collect();
            assert_eq!(found, frame.data);
        }
    }
    assert_eq!(adts.next(), None, "no sound but that of the package");
}

/// Time on the wire begins this late, so that a clock can run ahead of it (`mpegts::clock`).
const START: i64 = 126_000;

fn on_the_wire(at: Timestamp) -> u64 {
    (at.ticks() + START).rem_euclid(1 << 33) as u64
}

/// Counters that do not go on from a segment before are marked where each track begins.
fn assert_marked(ts: &[u8], package: &Package, is_marked: bool) {
    let read = oracle::demux(ts);
    for pid in [VIDEO_PID, AUDIO_PID] {
        if let Some(first) = read.pes.iter().find(|pes| pes.pid == pid) {
            let is_break = package.span.cut.discontinuity;
            assert_eq!(first.discontinuity, is_marked || is_break, "{pid:#x} {package:?}");
        }
    }
}
