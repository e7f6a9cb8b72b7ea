//! What the playlists of a stream do while its publisher is missing, on a simulated clock.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking too")]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use flv::TagKind;
use hls::{Container, Lookup, Span};
use pipeline::{DecoderKind, Ingest, IngestOutput, Preset, RenditionInfo, StreamConfig};
use rtmp::StreamName;
use server::registry::{Admission, Change, Naming, PublishAttempt, Registry, RegistryConfig};
use server::{
    Departure, Limits, Memory, Moment, Publication, PublicationConfig, PublishAccess, Slot,
    Transcode, View,
};

const START_UNIX_MS: i64 = 1_795_300_000_000;

/// A tick of the clock, in seconds.
const TICK: f64 = 0.25;

/// RFC 8216 6.2.2, of a target duration of 2 s.
const LONGEST_STANDSTILL: f64 = 3.0;

/// An avcC record of x264, 64x48; AAC-LC of 44.1 kHz in stereo.
const VIDEO_HEADER: &[u8] = b"\x17\0\0\0\0\x01\x42\xc0\x0a\xff\xe1\x00\x15\x67\x42\xc0\x0a\xda\x11\xec\x04\x40\x00\x00\x03\x00\x40\x00\
    \x00\x0c\x83\xc4\x89\xa8\x01\x00\x04\x68\xce\x0f\xc8";
const AUDIO_HEADER: &[u8] = &[0xaf, 0, 0x12, 0x10];
const AUDIO_FRAME: &[u8] = &[0xaf, 1, 0x20, 0, 0, 0, 0x81];

fn at(secs: f64) -> Moment {
    let uptime = Duration::from_secs_f64(secs);
    Moment { uptime, unix_ms: START_UNIX_MS + uptime.as_millis() as i64 }
}

fn name() -> StreamName {
    StreamName::parse("cam").unwrap()
}

/// Renditions of which nobody makes anything, the last of sound alone, and segments of two seconds.
fn stream_config() -> StreamConfig {
    let renditions = ["P240p30fps16x9", "P144p30fps16x9", "audio"];
    let renditions = renditions.map(|name| Preset::named(name).unwrap());
    let segment_duration = media::Duration::from_secs(2);
    StreamConfig {
        renditions: renditions.into(),
        segment_duration,
        decoder: DecoderKind::Native,
        work_clock: pipeline::WorkClock::default(),
    }
}

fn registry_with(limits: Limits) -> Registry {
    let pipeline = stream_config();
    let publication = PublicationConfig {
        renditions: pipeline.renditions.clone(),
        playlist_segments: 6,
        transcode: Transcode::OnDemand,
        viewer_secret: None,
        memory: Memory::new(1 << 30, 10),
    };
    let access = PublishAccess::default();
    Registry::new(RegistryConfig { access, max_streams: 10, publication, pipeline, limits })
}

fn come(registry: &mut Registry, secs: f64) -> Admission {
    let peer = SocketAddr::from(([127, 0, 0, 1], 50_000));
    let attempt = PublishAttempt { name: Some(name()), naming: Naming::Chosen, key: None, peer };
    registry.publish(attempt, at(secs)).unwrap()
}

fn go(registry: &mut Registry, admission: &Admission, departure: Departure, secs: f64) {
    registry.publisher_gone(&name(), &admission.session, departure, at(secs));
    admission.session.set_drained();
}

/// What the workers of a publisher do that sends so many seconds of pictures and sound, from
/// `secs` on.
fn play(admission: &Admission, seconds: u32, secs: f64) {
    play_with_keyframes_every(2, admission, seconds, secs);
}

fn play_with_keyframes_every(interval: u32, admission: &Admission, seconds: u32, secs: f64) {
    let publication = &admission.publication;
    let state = publication.begin_session();
    let mut ingest = Ingest::new(&stream_config(), state, publication.tracks());
    let mut push = |kind, ms: u32, body: &[u8]| {
        let arrival_unix_ms = at(secs).unix_ms + i64::from(ms);
        ingest.push(kind, ms, Bytes::copy_from_slice(body), arrival_unix_ms);
    };
    push(TagKind::Video, 0, VIDEO_HEADER);
    push(TagKind::Audio, 0, AUDIO_HEADER);
    let mut frames = 0;
    for picture in 0..seconds * 25 {
        let ms = picture * 40;
        let is_idr = picture % (interval * 25) == 0;
        let (tag, slice) = if is_idr { (0x17, [0x65, 0x88]) } else { (0x27, [0x41, 0x9a]) };
        let number = 0x80 | (picture % 128) as u8;
        push(TagKind::Video, ms, &[tag, 1, 0, 0, 0, 0, 0, 0, 4, slice[0], slice[1], 0x80, number]);
        while f64::from(frames) * 1024.0 / 44.1 < f64::from(ms) {
            push(TagKind::Audio, (f64::from(frames) * 1024.0 / 44.1) as u32, AUDIO_FRAME);
            frames += 1;
        }
    }
    ingest.finish();
    while let Some(output) = ingest.poll() {
        match output {
            IngestOutput::Source(package) => publication.publish_package(Slot::Source, package),
            IngestOutput::Segment(segment) => {
                let span = segment.ended.span;
                publication.store(segment);
                for slot in [0, 1, 2].map(Slot::Ladder) {
                    publication.promise(slot, span, info());
                }
            }
            IngestOutput::Tracks(tracks) => publication.set_tracks(tracks),
            IngestOutput::Grid(state) => publication.set_grid(state),
            _ => {}
        }
    }
}

const TS: Container = Container::MpegTs;

fn info() -> RenditionInfo {
    RenditionInfo {
        codecs: "avc1.42c00b,mp4a.40.2".into(),
        resolution: Some((192, 144)),
        frame_rate: Some(25.0),
        init: Bytes::new(),
    }
}

/// Ticks from one time to another; when each change came.
fn tick(registry: &mut Registry, from: f64, to: f64) -> Vec<(f64, Change)> {
    let mut changes = Vec::new();
    let mut now = from;
    while now < to {
        changes.extend(registry.tick(at(now)).into_iter().map(|change| (now, change)));
        now += TICK;
    }
    changes
}

/// A stream of eight seconds that ends at 8.0, without a word.
fn vanished(registry: &mut Registry) -> Admission {
    let admission = come(registry, 0.0);
    play(&admission, 8, 0.0);
    tick(registry, 8.0, 8.1);
    go(registry, &admission, Departure::Vanished, 8.0);
    admission
}

fn listed(publication: &Publication, rendition: &str) -> Vec<Span> {
    publication.view().rendition(rendition).unwrap().snapshot.listed.clone()
}

fn playlist(view: &View, rendition: &str) -> String {
    let snapshot = &view.rendition(rendition).unwrap().snapshot;
    String::from_utf8(snapshot.playlist(TS).plain.to_vec()).unwrap()
}

/// Every span follows the one before it by number; the places behind discontinuities.
fn breaks(spans: &[Span]) -> Vec<usize> {
    assert!(spans.windows(2).all(|pair| pair[0].sequence() + 1 == pair[1].sequence()));
    let breaks = spans.iter().enumerate().filter(|(_, span)| span.cut.discontinuity);
    breaks.map(|(place, _)| place).collect()
}

#[test]
fn case_05_the_playlists_of_a_publisher_that_vanished_go_on_until_its_window_is_over() {
    let mut registry = registry_with(Limits::default());
    let publication = vanished(&mut registry).publication;
    let before = listed(&publication, "source");
    let (mut newest, mut changed_at) = (before.last().copied().unwrap(), 8.0);
    let mut shown = Vec::new();
    let mut now = 8.25;
    while now < 18.0 {
        registry.tick(at(now));
        for rendition in ["source", "P144p30fps16x9", "P240p30fps16x9"] {
            assert_eq!(listed(&publication, rendition), listed(&publication, "source"));
        }
        let last = listed(&publication, "source").last().copied().unwrap();
        if last != newest {
            assert_eq!(last.sequence(), newest.sequence() + 1, "one after the other");
            shown.push((now, last));
            (newest, changed_at) = (last, now);
        }
        assert!(now - changed_at <= LONGEST_STANDSTILL, "a standstill at {now}");
        assert!(!playlist(&publication.view(), "source").contains("ENDLIST"));
        now += TICK;
    }
    assert_eq!(shown.iter().map(|(now, _)| *now).collect::<Vec<_>>(), [10.5, 12.0, 14.0, 16.0]);
    for (n, (_, span)) in (0_i64..).zip(&shown) {
        assert_eq!(span.cut.unix_ms, at(8.0).unix_ms + n * 2000, "in time with the wall clock");
        assert_eq!(
            (span.cut.discontinuity, span.duration),
            (n == 0, media::Duration::from_secs(2))
        );
    }
    let changes = registry.tick(at(18.0));
    assert_eq!(changes, [Change::Ended(name())]);
    for rendition in ["source", "P144p30fps16x9"] {
        let playlist = playlist(&publication.view(), rendition);
        assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
        assert_eq!(playlist.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{playlist}");
    }
    assert_eq!(tick(&mut registry, 18.25, 30.0), [], "nothing goes on behind the end");
}

#[test]
fn a_publisher_that_comes_back_goes_on_behind_the_slate() {
    let mut registry = registry_with(Limits::default());
    let publication = vanished(&mut registry).publication;
    let changes = tick(&mut registry, 8.25, 13.4);
    assert_eq!(changes, [(10.5, Change::Slate(name()))]);
    let back = come(&mut registry, 13.5);
    // Two whole ones, and what there was of the third.
    let spans = listed(&publication, "source");
    let slate = &spans[breaks(&spans)[0]..];
    let ms: Vec<_> = slate.iter().map(|span| span.duration.as_millis()).collect();
    assert_eq!(ms, [2000, 2000, 1500]);
    assert_eq!(tick(&mut registry, 13.75, 14.6), [], "there is a publisher");
    assert_eq!(listed(&publication, "source"), spans);
    play(&back, 6, 13.5);
    let spans = listed(&publication, "source");
    assert_eq!((spans.len(), breaks(&spans)), (6, vec![0, 3]));
    assert_eq!(listed(&publication, "P144p30fps16x9"), spans);
    let ends = |span: &Span| span.cut.unix_ms + span.duration.as_millis();
    assert!(spans.windows(2).all(|pair| ends(&pair[0]) == pair[1].cut.unix_ms), "{spans:?}");
    assert!(!playlist(&publication.view(), "source").contains("ENDLIST"));
    // And vanishes again.
    tick(&mut registry, 19.5, 19.6);
    go(&mut registry, &back, Departure::Vanished, 19.5);
    assert_eq!(tick(&mut registry, 19.75, 23.0), [(22.0, Change::Slate(name()))]);
}

#[test]
fn a_publisher_that_is_back_in_a_moment_leaves_no_slate() {
    let mut registry = registry_with(Limits::default());
    let publication = vanished(&mut registry).publication;
    assert_eq!(tick(&mut registry, 8.25, 10.4), []);
    let back = come(&mut registry, 10.4);
    play(&back, 4, 10.4);
    assert_eq!(breaks(&listed(&publication, "source")), [4], "one discontinuity");
}

#[test]
fn who_says_that_it_stops_or_has_hardly_begun_leaves_no_slate() {
    let mut registry = registry_with(Limits::default());
    let stopped = come(&mut registry, 0.0);
    play(&stopped, 8, 0.0);
    tick(&mut registry, 8.0, 8.1);
    go(&mut registry, &stopped, Departure::Stopped, 8.0);
    assert_eq!(tick(&mut registry, 8.25, 18.0), [(11.5, Change::Ended(name()))]);
    assert!(breaks(&listed(&stopped.publication, "source")).is_empty());

    let mut registry = registry_with(Limits::default());
    let brief = come(&mut registry, 0.0);
    play(&brief, 4, 0.0);
    go(&mut registry, &brief, Departure::Vanished, 4.0);
    assert_eq!(tick(&mut registry, 4.0, 18.0), [(14.0, Change::Ended(name()))]);
}

#[test]
fn a_publisher_that_is_found_silent_after_long_is_stood_in_for_at_once() {
    let mut registry = registry_with(Limits::default());
    let admission = come(&mut registry, 0.0);
    play(&admission, 8, 0.0);
    assert_eq!(tick(&mut registry, 8.0, 18.0), [], "it may be heard again");
    go(&mut registry, &admission, Departure::Vanished, 18.0);
    assert_eq!(tick(&mut registry, 18.25, 18.4), [(18.25, Change::Slate(name()))]);
    let spans = listed(&admission.publication, "source");
    let last = spans.last().unwrap();
    assert_eq!(last.cut.unix_ms + 2000, at(18.25).unix_ms, "it is of now");
}

/// The registry says when; the publisher's own workers do it.
#[test]
fn a_publisher_of_which_nothing_comes_is_gone_on_without_before_its_playlists_stand_still() {
    let mut registry = registry_with(Limits::default());
    let admission = come(&mut registry, 0.0);
    play(&admission, 8, 0.0);
    let must = |registry: &Registry, secs| {
        registry.must_go_on_without(&name(), &admission.session, at(secs))
    };
    assert_eq!(tick(&mut registry, 8.0, 10.4), []);
    assert!(!must(&registry, 10.25) && must(&registry, 10.5));
    assert_eq!(tick(&mut registry, 10.5, 12.0), [], "no slate of the registry's");
    assert!(breaks(&listed(&admission.publication, "source")).is_empty());
    // What counts is the one that has the name now, for as long as it is there.
    admission.session.heard_nothing(Duration::from_secs(5));
    let next = come(&mut registry, 12.0);
    assert!(!must(&registry, 12.0));
    assert!(registry.must_go_on_without(&name(), &next.session, at(12.0)));
    go(&mut registry, &next, Departure::Vanished, 12.0);
    assert!(!registry.must_go_on_without(&name(), &next.session, at(12.0)));
    // A brief stream stands still.
    let mut registry = registry_with(Limits::default());
    let brief = come(&mut registry, 0.0);
    play(&brief, 4, 0.0);
    tick(&mut registry, 4.0, 9.0);
    assert!(!registry.must_go_on_without(&name(), &brief.session, at(9.0)));
}

#[test]
fn two_never_write_one_publication() {
    let mut registry = registry_with(Limits::default());
    let admission = come(&mut registry, 0.0);
    play(&admission, 8, 0.0);
    tick(&mut registry, 8.0, 8.1);
    registry.publisher_gone(&name(), &admission.session, Departure::Vanished, at(8.0));
    assert_eq!(tick(&mut registry, 8.25, 13.0), [], "its workers may have something yet");
    admission.session.set_drained();
    // What is missing comes one span a tick.
    assert_eq!(tick(&mut registry, 13.0, 13.1), [(13.0, Change::Slate(name()))]);
    assert_eq!(listed(&admission.publication, "source").len(), 5);
    tick(&mut registry, 13.25, 13.6);
    assert_eq!(breaks(&listed(&admission.publication, "source")), [4]);
    assert_eq!(listed(&admission.publication, "source").len(), 6);
}

#[test]
fn segments_of_a_slate_are_made_in_advance_for_renditions_that_are_awake_alone() {
    let mut registry = registry_with(Limits::default());
    let publication = vanished(&mut registry).publication;
    assert!(publication.segment_asked(Slot::Ladder(1), at(8.0)), "it wakes");
    let changes = tick(&mut registry, 8.25, 13.0);
    let spans = listed(&publication, "source");
    let [.., first, second] = &spans[..] else { panic!("two") };
    let awaited = |at: f64, span: &Span| (at, Change::Awaited(name(), 1, span.sequence()));
    let expected = [(10.5, Change::Slate(name())), awaited(10.5, first), awaited(12.0, second)];
    assert_eq!(changes, expected);
    assert!(publication.source_of(Slot::Ladder(1), second.sequence()).is_some(), "it can be made");
}

/// Keyframes 10 s apart: the ladder is on a grid of its own, and its playlist has to change first.
#[test]
fn both_grids_go_on() {
    let mut registry = registry_with(Limits::default());
    let admission = come(&mut registry, 0.0);
    play_with_keyframes_every(10, &admission, 26, 0.0);
    let publication = &admission.publication;
    assert!(publication.reception().cut_apart);
    tick(&mut registry, 26.0, 26.1);
    go(&mut registry, &admission, Departure::Vanished, 26.0);
    let changes = tick(&mut registry, 26.25, 33.0);
    assert_eq!(changes, [(28.5, Change::Slate(name()))]);
    let slate = |rendition| {
        let spans = listed(publication, rendition);
        let [.., began] = breaks(&spans)[..] else { panic!("a slate of {rendition}") };
        spans[began..].to_vec()
    };
    let (source, small) = (slate("source"), slate("P144p30fps16x9"));
    assert_eq!((source.len(), small.len()), (3, 3));
    for (source, small) in source.iter().zip(&small) {
        assert_eq!((source.start(), source.duration), (small.start(), small.duration));
        assert_eq!(source.cut.unix_ms, small.cut.unix_ms);
        assert!(source.sequence() < small.sequence(), "each counts on");
    }
}

/// Behind more than 1024 pictures nobody begins to decode.
#[test]
fn sound_alone_is_listed_where_no_pictures_can_be_made() {
    let mut registry = registry_with(Limits::default());
    let admission = come(&mut registry, 0.0);
    play_with_keyframes_every(60, &admission, 50, 0.0);
    let publication = &admission.publication;
    let listed_to = |rendition| listed(publication, rendition).last().unwrap().end();
    assert!(listed_to("P144p30fps16x9") < media::Timestamp::from_millis(43_000));
    assert!(listed_to("audio") >= media::Timestamp::from_millis(49_900));
    let last = listed(publication, "audio").last().unwrap().sequence();
    assert!(publication.source_of(Slot::Ladder(1), last).is_none());
    assert!(publication.source_of(Slot::Ladder(2), last).is_some());
}

#[test]
fn an_hour_of_slate_takes_no_more_than_a_minute_of_it() {
    let limits = Limits { reconnect_window: Duration::from_secs(3_700), ..Limits::default() };
    let mut registry = registry_with(limits);
    let publication = vanished(&mut registry).publication;
    tick(&mut registry, 8.25, 3_600.1);
    let spans = listed(&publication, "source");
    let last = spans.last().unwrap().sequence();
    assert_eq!(spans.len(), 6);
    let lookup =
        |sequence| publication.view().rendition("source").unwrap().snapshot.segment(TS, sequence);
    assert_eq!(lookup(last), Lookup::NotWritten, "written when somebody asks for it");
    assert_eq!(lookup(last - 6), Lookup::Gone, "nobody has read of it");
    assert!(publication.written(Slot::Source, last, TS).is_some_and(|ts| ts.len() < 64 << 10));
    assert!(publication.source_of(Slot::Ladder(0), last - 12).is_none());
    // In time with the clock all the while, whoever looks when.
    let end = spans[5].cut.unix_ms + 2000;
    assert_eq!(at(3_600.0).unix_ms - end, 0);
}

#[test]
fn nothing_stands_in_while_the_process_ends() {
    let mut registry = registry_with(Limits::default());
    vanished(&mut registry);
    registry.close();
    assert_eq!(tick(&mut registry, 8.25, 17.9), []);
}
