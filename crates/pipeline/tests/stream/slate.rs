//! What viewers get while a publisher is missing, judged by ffmpeg.

use media::{Duration, Timestamp};
use pipeline::{
    GridState, IngestOutput, Package, Sample, SegmentStore, Slate, StreamTracks, make_segment,
    write_ts,
};

use crate::shapes::{VIDEO, both, make, picture, play, with_b_pictures};
use crate::support::{
    FIRST_SEQUENCE, Stream, decode_without_warning, ffmpeg_without_warning, ffprobe,
};

const UNIX_MS: i64 = 1_900_000_000_000;

/// What a slate has brought.
#[derive(Default)]
struct Shown {
    source: Vec<Package>,
    /// The numbers of the ladder's spans, and what they can be made of.
    ladder: Vec<u64>,
    store: Option<SegmentStore>,
    state: Option<GridState>,
}

/// The slate behind a stream, for so many spans of two seconds.
fn shown(stream: &Stream, spans: i64) -> Shown {
    let (config, tracks) = (&stream.config, stream.tracks.clone());
    let mut slate = Slate::new(config, stream.state, tracks, UNIX_MS).expect("a slate");
    let mut shown = Shown { store: Some(SegmentStore::new(100)), ..Shown::default() };
    for n in 0..=spans {
        slate.go_on(Duration::from_secs(2 * n));
        while let Some(output) = slate.poll() {
            match output {
                IngestOutput::Source(package) => shown.source.push(package),
                IngestOutput::Segment(segment) => {
                    shown.ladder.push(segment.ended.span.sequence());
                    shown.store.as_mut().expect("a store").push(segment);
                }
                IngestOutput::Grid(state) => shown.state = Some(state),
                _ => {}
            }
        }
    }
    shown
}

/// The segments as they are served one behind the other.
fn written(packages: &[Package]) -> Vec<Vec<u8>> {
    let mut before = None;
    let mut written = Vec::new();
    for package in packages {
        let (ts, after) = write_ts(package, before);
        written.push(ts.to_vec());
        before = after;
    }
    written
}

fn pts(ts: &[u8], track: &str) -> Vec<i64> {
    let packets = ffprobe(
        &format!("-f mpegts -select_streams {track} -show_entries packet=pts -of csv=p=0 -i -"),
        ts,
    );
    packets.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect()
}

#[test]
fn case_05_source_repeats_its_last_idr_and_is_silent_in_time_with_the_wall_clock() {
    let stream = play(with_b_pictures("320x180", 5));
    let shown = shown(&stream, 4);
    let spans: Vec<_> = shown.source.iter().map(|package| package.span).collect();
    let last = stream.source_packages.last().expect("a segment").span;
    for (n, span) in (0_i64..).zip(&spans) {
        assert_eq!(span.sequence(), last.sequence() + 1 + n as u64);
        assert_eq!(span.cut.discontinuity, n == 0);
        assert_eq!(span.cut.discontinuity_sequence, last.cut.discontinuity_sequence + 1);
        assert_eq!(span.cut.unix_ms, UNIX_MS + 2000 * n);
        assert_eq!(span.duration, Duration::from_secs(2));
    }
    assert_eq!(spans.len(), 4);
    let state = shown.state.expect("where the next publisher goes on");
    assert_eq!(state.next_sequence(), spans[3].sequence() + 1);
    assert!(state.source.discontinuity_next && state.ladder.discontinuity_next);

    let sent = stream.source_packages.iter().flat_map(|package| &package.samples);
    let idrs = sent.filter_map(|sample| match sample {
        Sample::Picture(unit, config) if unit.random_access => Some((unit, config)),
        _ => None,
    });
    let (idr, config) = idrs.last().expect("an IDR");
    for package in &shown.source {
        let [(unit, its_config), (again, _)] = package
            .samples
            .iter()
            .filter_map(|sample| match sample {
                Sample::Picture(unit, config) => Some((unit, config)),
                Sample::Audio(_) => None,
            })
            .collect::<Vec<_>>()[..]
        else {
            panic!("one picture, and once more")
        };
        assert!(again.nal_units.iter().eq(unit.nal_units.iter()), "the same");
        assert!(unit.nal_units.iter().eq(idr.nal_units.iter()), "its bytes");
        assert_eq!(its_config.parameter_sets, config.parameter_sets);
    }

    let segments = written(&shown.source);
    let all = segments.concat();
    for segment in &segments {
        assert_eq!(decode_without_warning(&segment.clone().into()), 2);
    }
    assert_eq!(decode_without_warning(&all.clone().into()), 8);
    // From where the stay ended on; written times begin 1.4 s late.
    let began = (spans[0].start() - Timestamp::ZERO).ticks() + 126_000;
    assert!(spans[0].start() >= last.end());
    assert!(spans[0].start() - last.end() < Duration::from_millis(100), "what sound is longer by");
    let pictures: Vec<_> = (0..8).map(|secs| began + secs * 90_000).collect();
    assert_eq!(pts(&all, "v"), pictures, "at the start and at half of each");
    let sound = pts(&all, "a");
    for (n, pts) in (0_i64..).zip(&sound) {
        // 1024 samples at 44.1 kHz; ffprobe counts on in whole ticks where several have one stamp,
        // as up to 61 have.
        let exact = began + n * 1024 * 90_000 / 44_100;
        assert!((pts - exact).abs() < 61, "frame {n} at {pts}, not {exact}");
    }
    assert_eq!(sound.len(), 344, "frames in 8 s");
    let samples =
        ffmpeg_without_warning("-f mpegts -i - -map 0:a -f s16le -ac 1 -ar 44100 -", &all);
    let loudest =
        samples.chunks_exact(2).map(|it| i16::from_le_bytes([it[0], it[1]]).unsigned_abs());
    assert!(loudest.max().is_some_and(|loudest| loudest < 33), "a thousandth at most");
}

#[test]
fn case_05_the_ladder_shows_the_newest_picture_made_of_the_slate_alone() {
    let stream = play(both("320x180", 5));
    let shown = shown(&stream, 3);
    let numbers: Vec<_> = shown.source.iter().map(|package| package.span.sequence()).collect();
    assert_eq!(shown.ladder, numbers, "one grid");
    let store = shown.store.expect("a store");
    let mut made = Vec::new();
    for sequence in numbers {
        let source = store.source_of(sequence).expect("it is stored");
        assert!(source.preroll.is_empty(), "it needs nothing of the stay before");
        made.push(make_segment(&stream.config, 0, &source).expect("it can be made").package);
    }
    let segments = written(&made);
    for segment in &segments {
        assert!(decode_without_warning(&segment.clone().into()) >= 1);
    }
    decode_without_warning(&segments.concat().into());
    // What it announces is what was announced.
    let live = stream.live_packages[0].last().expect("a live segment").info();
    assert!(made.iter().all(|package| live.still_says(&package.info(), package.span.duration)));
}

#[test]
fn case_05_the_slate_of_one_track_is_that_track() {
    let mute = play(make(&picture("320x180", 30), &format!("-t 5 {VIDEO}")));
    let shown_mute = shown(&mute, 2);
    assert_eq!(shown_mute.source.len(), 2);
    for package in &shown_mute.source {
        assert!(package.audio.is_none());
        assert_eq!((package.pictures(), package.samples.len()), (2, 2));
    }
    for channels in [2, 6] {
        let encoder = format!("-t 9 -c:a aac -ac {channels}");
        let sound = play(make("-f lavfi -i sine=sample_rate=48000", &encoder));
        let shown_sound = shown(&sound, 2);
        assert_eq!(shown_sound.source.len(), 2);
        for package in &shown_sound.source {
            assert!(package.video.is_none() && package.samples.len() > 90);
        }
        let all = written(&shown_sound.source).concat();
        assert!(decode_without_warning(&all.into()) > 180);
    }
}

#[test]
fn case_05_there_is_no_slate_where_nothing_can_stand_in_or_nothing_has_begun() {
    let stream = play(both("320x180", 5));
    let begin = |state, tracks| Slate::new(&stream.config, state, tracks, UNIX_MS).is_some();
    assert!(begin(stream.state, stream.tracks.clone()));
    assert!(!begin(GridState::new(FIRST_SEQUENCE), stream.tracks.clone()));
    assert!(!begin(stream.state, StreamTracks::default()));
}

/// A clock that was not looked at for a while: what is missing comes one span after the other.
#[test]
fn a_slate_that_is_late_comes_by_and_by() {
    let stream = play(both("320x180", 5));
    let tracks = stream.tracks.clone();
    let mut slate = Slate::new(&stream.config, stream.state, tracks, UNIX_MS).expect("a slate");
    let mut sequences = Vec::new();
    for _ in 0..5 {
        slate.go_on(Duration::from_secs(7));
        let before = sequences.len();
        while let Some(output) = slate.poll() {
            if let IngestOutput::Source(package) = output {
                assert_eq!(package.span.duration, Duration::from_secs(2));
                sequences.push(package.span.sequence());
            }
        }
        assert!(sequences.len() <= before + 1);
    }
    assert_eq!(sequences.len(), 3, "those that have ended");
}
