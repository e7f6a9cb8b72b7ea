//! Renditions that sleep and wake: a segment made when it is asked for is the one that would have
//! been made live.

use flv::{Tag, TagKind};
use media::{AccessUnit, Duration, Timestamp};
use pipeline::{
    DecoderKind, GridState, Ingest, IngestOutput, Package, Preset, RenditionSet, Sample,
    SegmentStore, StreamConfig, StreamTracks, write_ts,
};

use crate::shapes::{VIDEO, both, later, make, picture};
use crate::support::{FIRST_SEQUENCE, Stream, decode_without_warning, segments};

fn stream_of(renditions: Vec<Preset>) -> Stream {
    let config = StreamConfig {
        renditions,
        segment_duration: Duration::from_secs(2),
        decoder: DecoderKind::Native,
        work_clock: pipeline::WorkClock::default(),
    };
    Stream::new(&config, GridState::new(FIRST_SEQUENCE))
}

fn small() -> Preset {
    Preset::named("P144p30fps16x9").expect("a preset")
}

/// Plays a stream whose rendition is wanted at some times only, given in ms.
fn play_wanted(tags: &[Tag], is_wanted: impl Fn(u32) -> bool) -> Stream {
    let mut stream = stream_of(vec![small()]);
    for tag in tags {
        let is_wanted = is_wanted(tag.timestamp_ms);
        stream.set_wanted(RenditionSet::first(usize::from(is_wanted)));
        stream.push(tag.clone());
    }
    stream.finish();
    stream
}

pub(crate) fn units(package: &Package) -> Vec<&AccessUnit> {
    let mut units = Vec::new();
    for sample in &package.samples {
        if let Sample::Picture(unit, _) = sample {
            units.push(unit);
        }
    }
    units
}

pub(crate) fn times(package: &Package) -> Vec<Timestamp> {
    let mut times: Vec<_> = units(package).iter().map(|unit| unit.pts).collect();
    times.sort();
    times
}

/// The package made alone is the live one, to the byte.
fn assert_equal(live: &Package, alone: &Package) {
    let sequence = live.span.sequence();
    assert_eq!(live.span, alone.span);
    assert_eq!(times(live), times(alone), "{sequence}");
    assert_eq!(units(live), units(alone), "{sequence}");
    let continuity = write_ts(live, None).1;
    for continuity in [None, continuity] {
        assert_eq!(write_ts(live, continuity), write_ts(alone, continuity), "{sequence}");
    }
}

/// What joins a live stream at a cut starts as what is made alone does: with a fresh encoder, and
/// the decoder that has had the same pictures.
fn assert_joins_as_made_alone(tags: &[Tag]) {
    for from in [2_700, 4_100] {
        let stream = play_wanted(tags, |ms| ms >= from);
        let joined = stream.live_packages[0].first().expect("it went live");
        let alone = stream.make(0, joined.span.sequence());
        assert_equal(joined, &alone);
        let ts = write_ts(&alone, None).0;
        assert_eq!(decode_without_warning(&ts), units(&alone).len());
        // An encoder that goes on spends its bits otherwise, but on the same pictures.
        for live in &stream.live_packages[0] {
            let alone = stream.make(0, live.span.sequence());
            assert_eq!(times(live), times(&alone), "{}", live.span.sequence());
            let ts = write_ts(&alone, None).0;
            assert_eq!(decode_without_warning(&ts), units(&alone).len());
        }
        assert_whole(&stream);
    }
}

/// Each number once, no hole, no discontinuity of its own; where there is one grid, the pictures of
/// the source.
fn assert_whole(stream: &Stream) {
    let numbers = &stream.listed[0];
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
    let has_one_grid = stream.state.mode.is_some_and(|mode| !mode.own_grid);
    for segment in segments(&stream.rungs[0]) {
        assert!(!segment.discontinuity, "{}", segment.sequence);
        if has_one_grid {
            let source = &stream.source_packages[(segment.sequence - FIRST_SEQUENCE) as usize];
            assert_eq!(source.span.sequence(), segment.sequence);
            assert_eq!(times(source), times(&stream.make(0, segment.sequence)));
        }
    }
}

fn gop(pictures: u32, b_pictures: bool, with_sound: bool) -> Vec<Tag> {
    let b = if b_pictures { "-bf 2 -x264-params b-adapt=0:" } else { "-bf 0 -x264-params " };
    let video = format!("-c:v libx264 -preset superfast {b}keyint={pictures}:scenecut=0");
    let sound = if with_sound { " -f lavfi -i sine=sample_rate=44100" } else { "" };
    make(&format!("{}{sound}", picture("160x120", 30)), &format!("-t 9 {video} -c:a aac"))
}

#[test]
fn gops_of_one_second() {
    assert_joins_as_made_alone(&gop(30, false, true));
}

#[test]
fn gops_of_two_seconds_with_b_pictures() {
    assert_joins_as_made_alone(&gop(60, true, true));
}

#[test]
fn gops_of_two_seconds_without_sound() {
    assert_joins_as_made_alone(&gop(60, false, false));
}

#[test]
fn a_grid_of_its_own() {
    assert_joins_as_made_alone(&gop(300, false, true));
}

#[test]
fn a_grid_of_its_own_with_b_pictures() {
    assert_joins_as_made_alone(&gop(300, true, false));
}

#[test]
fn who_sleeps_and_wakes_has_no_hole_and_no_discontinuity() {
    for tags in [gop(60, true, true), gop(300, true, true)] {
        let stream = play_wanted(&tags, |ms| matches!(ms, 0..3_000 | 5_000..7_000));
        let live = stream.live_packages[0].len();
        assert!((1..stream.listed[0].len()).contains(&live), "{live} of {:?}", stream.listed[0]);
        assert_whole(&stream);
    }
}

/// Another size, sound alone, and video that nobody decodes: whatever comes between, and whoever is
/// awake, a number is the same span everywhere.
#[test]
fn numbers_stay_equal_whatever_comes_between() {
    let input = "-f lavfi -i testsrc=size=160x120:rate=30,format=yuv422p -f lavfi -i sine=sample_rate=44100";
    let undecodable = make(input, &format!("-t 4 {VIDEO} -c:a aac"));
    let sound: Vec<_> =
        both("160x120", 6).into_iter().filter(|tag| tag.kind == TagKind::Audio).collect();
    let parts = [
        (both("160x120", 4), 0),
        (both("256x144", 4), 4_000),
        (sound, 8_000),
        (both("160x120", 4), 14_000),
        (undecodable, 18_000),
        (both("160x120", 4), 22_000),
    ];
    let tags: Vec<_> = parts.into_iter().flat_map(|(part, at)| later(part, at)).collect();
    let always = play_wanted(&tags, |_| true);
    let never = play_wanted(&tags, |_| false);
    let sometimes = play_wanted(&tags, |ms| matches!(ms, 3_000..9_000 | 15_000..17_000 | 23_000..));
    for stream in [&always, &never, &sometimes] {
        assert!(stream.state.mode.is_some_and(|mode| !mode.own_grid));
        assert_eq!(stream.state.source, stream.state.ladder);
        assert_eq!(stream.listed, always.listed, "who is awake is nobody's number");
        for segment in segments(&stream.rungs[0]) {
            let source = segments(&stream.source).find(|it| it.sequence == segment.sequence);
            let source = source.expect("a span of the source");
            assert_eq!(source.duration, segment.duration);
            assert_eq!(source.discontinuity, segment.discontinuity);
            assert_eq!(source.start_unix_ms, segment.start_unix_ms);
            assert!(decode_without_warning(&segment.data) > 0);
        }
    }
    assert!(never.live_packages[0].is_empty());
}

/// Two renditions that are equal in all collapse into the first that can be made.
#[test]
fn a_rendition_whose_encoder_does_not_open_leaves_its_place_to_an_equal_one() {
    let mut broken = small();
    broken.video.as_mut().expect("pictures").bitrate_bps = 0;
    let mut stream = stream_of(vec![broken, small(), small()]);
    stream.set_wanted(RenditionSet::first(3));
    both("160x120", 5).into_iter().for_each(|tag| stream.push(tag));
    stream.finish();
    let numbers = |index: usize| stream.listed[index].len();
    assert_eq!([numbers(0), numbers(1), numbers(2)], [0, 3, 0]);
}

/// Pictures of noise that the publisher has had to press into 300 kbit/s: at its own cap the
/// rendition would need more than that.
fn light_source() -> Vec<Tag> {
    let rate = "-b:v 300k -maxrate 300k -bufsize 150k";
    let keyframes = "-x264-params keyint=60:scenecut=0";
    let video = format!("-threads 1 -c:v libx264 -preset ultrafast {rate} {keyframes}");
    make(&format!("{},noise=alls=40:allf=t", picture("256x144", 30)), &format!("-t 8 {video}"))
}

fn payload_bytes(package: &Package) -> usize {
    units(package).iter().map(|unit| unit.nal_units.payload_bytes()).sum()
}

fn assert_lighter(package: &Package, source: &Package) {
    assert_eq!(package.span, source.span);
    let (own, source) = (payload_bytes(package), payload_bytes(source));
    let sequence = package.span.sequence();
    assert!(own * 10 < source * 9, "{sequence}: {own} bytes of {source}");
}

#[test]
fn what_is_made_alone_from_an_idr_on_is_lighter_than_a_light_source() {
    let stream = play_wanted(&light_source(), |_| false);
    assert!(stream.source_packages.len() > 3);
    for source in &stream.source_packages {
        assert_lighter(&stream.make(0, source.span.sequence()), source);
    }
}

#[test]
fn the_first_live_segment_of_a_publisher_that_returns_is_lighter_than_a_light_source() {
    let first_stay = play_wanted(&light_source(), |_| true);
    for live in &first_stay.live_packages[0] {
        let number = live.span.sequence() - FIRST_SEQUENCE;
        assert_lighter(live, &first_stay.source_packages[number as usize]);
    }
    let config = &first_stay.config;
    let mut stream = Stream::returning(config, first_stay.state, first_stay.tracks.clone());
    stream.set_wanted(RenditionSet::first(1));
    light_source().into_iter().for_each(|tag| stream.push(tag));
    stream.finish();
    let (live, source) = (&stream.live_packages[0], &stream.source_packages);
    assert_eq!(live.len(), source.len());
    for (live, source) in live.iter().zip(source) {
        assert_lighter(live, source);
    }
    let alone = stream.make(0, live[0].span.sequence());
    assert_equal(&live[0], &alone);
}

#[test]
fn the_oldest_span_of_a_store_is_prepared_by_the_sound_in_front_of_it() {
    let mut ingest = Ingest::new(
        &stream_of(vec![small()]).config,
        GridState::new(FIRST_SEQUENCE),
        StreamTracks::default(),
    );
    for tag in gop(60, false, true) {
        ingest.push(tag.kind, tag.timestamp_ms, tag.body, 0);
    }
    ingest.finish();
    let (mut all, mut newest) = (SegmentStore::new(100), SegmentStore::new(1));
    while let Some(output) = ingest.poll() {
        if let IngestOutput::Segment(segment) = output {
            let sequence = segment.ended.span.sequence();
            all.push(segment.clone());
            newest.push(segment);
            let heard =
                |store: &SegmentStore| store.sound_of(sequence).expect("it is stored").heard_before;
            assert_eq!(heard(&newest), heard(&all), "{sequence}");
            assert_eq!(heard(&all).is_empty(), sequence == FIRST_SEQUENCE);
        }
    }
    while newest.give_up_oldest() > 0 {}
    assert_eq!(newest.give_up_oldest(), 0);
}
