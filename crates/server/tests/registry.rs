//! Publish decisions and the life of streams, on a simulated clock.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking too")]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hls::{Container, Cut, Numbering, Segment, Span};
use media::Timestamp;
use pipeline::{DecoderKind, GridMode, GridState, Preset, RenditionInfo, StreamConfig};
use rtmp::{Refusal, StreamKey, StreamName};
use server::registry::{
    Admission, Change, EndReason, Ending, Naming, Outlook, PublishAttempt, Registry,
    RegistryConfig, Start, State, StreamStatus,
};
use server::{
    Departure, Limits, Memory, Moment, Offer, PublicationConfig, PublishAccess, SecretDigest, Slot,
    StopReason, Transcode, View,
};

/// 2026-11-22 in unix seconds, as the clock's zero.
const START: i64 = 1_795_300_000;

/// The first number of a stream that begins at that moment: tenths of a second since 2026, three
/// seconds behind the start of the process, and one.
const FIRST: u64 = 280_744_031;

fn at(secs: f64) -> Moment {
    let uptime = Duration::from_secs_f64(secs);
    Moment { uptime, unix_ms: START * 1000 + uptime.as_millis() as i64 }
}

fn name(text: &str) -> StreamName {
    StreamName::parse(text).unwrap()
}

/// A relay on this host: its address alone refuses it nothing.
fn peer() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 50_000))
}

fn registry_with(access: PublishAccess, max_streams: usize, limits: Limits) -> Registry {
    let renditions = ["P240p30fps16x9", "P144p30fps16x9"].map(|name| Preset::named(name).unwrap());
    let publication = PublicationConfig {
        renditions: renditions.into(),
        playlist_segments: 6,
        transcode: Transcode::OnDemand,
        viewer_secret: None,
        memory: Memory::new(1 << 30, max_streams),
    };
    let pipeline = pipeline_config(publication.renditions.clone());
    Registry::new(RegistryConfig { access, max_streams, publication, pipeline, limits })
}

/// Segments of two seconds.
fn pipeline_config(renditions: Vec<Preset>) -> StreamConfig {
    let segment_duration = media::Duration::from_secs(2);
    StreamConfig {
        renditions,
        segment_duration,
        decoder: DecoderKind::Native,
        work_clock: pipeline::WorkClock::default(),
    }
}

fn registry() -> Registry {
    registry_with(PublishAccess::default(), 10, Limits::default())
}

/// With memory for thirty segments of all streams.
fn small_registry() -> Registry {
    let publication = PublicationConfig {
        renditions: Vec::new(),
        playlist_segments: 6,
        transcode: Transcode::OnDemand,
        viewer_secret: None,
        memory: Memory::new(30 * 2136 * 4 / 3, 10),
    };
    let access = PublishAccess::default();
    Registry::new(RegistryConfig {
        access,
        max_streams: 10,
        publication,
        pipeline: pipeline_config(Vec::new()),
        limits: Limits::default(),
    })
}

fn attempt(stream: &str, key: &str) -> PublishAttempt {
    let key = (!key.is_empty()).then(|| StreamKey::new(key));
    PublishAttempt { name: Some(name(stream)), naming: Naming::Chosen, key, peer: peer() }
}

fn admit(registry: &mut Registry, stream: &str, key: &str, secs: f64) -> Admission {
    registry.publish(attempt(stream, key), at(secs)).unwrap()
}

fn refusal(registry: &mut Registry, stream: &str, key: &str, secs: f64) -> Refusal {
    registry.publish(attempt(stream, key), at(secs)).unwrap_err()
}

/// The publisher's connection and its workers end.
fn leave(registry: &mut Registry, admission: &Admission, secs: f64) {
    leave_as(registry, admission, Departure::Vanished, secs);
}

fn leave_as(registry: &mut Registry, admission: &Admission, departure: Departure, secs: f64) {
    admission.session.set_drained();
    let name = admission.publication.name();
    registry.publisher_gone(name, &admission.session, departure, at(secs));
}

fn info(rendition: Slot) -> RenditionInfo {
    let resolution = if rendition == Slot::Source { (1280, 720) } else { (256, 144) };
    RenditionInfo {
        codecs: "avc1.64001f".into(),
        resolution: Some(resolution),
        frame_rate: Some(30.0),
        init: Bytes::new(),
    }
}

/// One 2 s segment of a rendition, as the workers publish it: one of the source has the next
/// number, one of the ladder that of the source's newest.
fn publish_segment(admission: &Admission, slot: Slot, discontinuity: bool) {
    let publication = &admission.publication;
    let view = publication.view();
    let newest = view.rendition("source").and_then(|source| source.snapshot.listed.last().copied());
    let sequence = match (slot, newest) {
        (Slot::Ladder(_), Some(newest)) => newest.sequence(),
        _ => publication.next_sequence(),
    };
    let cut = Cut {
        sequence,
        discontinuity_sequence: u64::from(discontinuity),
        discontinuity,
        at: Timestamp::ZERO,
        unix_ms: START * 1000,
    };
    let span = Span { cut, duration: media::Duration::from_secs(2) };
    let segment = Segment { span, data: vec![0x47; 188 * 10].into() };
    let numbering = Numbering { discontinuity_next: true, ..Numbering::from_first(sequence + 1) };
    publication.set_grid(GridState {
        mode: Some(GridMode {
            target_duration_secs: 2,
            own_grid: publication.reception().cut_apart,
        }),
        source: numbering,
        ladder: numbering,
    });
    publication.publish_segment(slot, segment, &info(slot), true);
}

/// Nothing comes of the ladder's renditions but of these.
fn without_ladder_but(admission: &Admission, made: &[usize]) {
    for index in [0, 1] {
        if !made.contains(&index) {
            admission.publication.note_impossible(Slot::Ladder(index));
        }
    }
}

fn cut_apart(admission: &Admission) {
    let numbering = Numbering {
        discontinuity_next: true,
        ..Numbering::from_first(admission.publication.next_sequence())
    };
    let mode = Some(GridMode { target_duration_secs: 2, own_grid: true });
    admission.publication.set_grid(GridState { mode, source: numbering, ladder: numbering });
}

fn media_playlist(view: &View, rendition: &str) -> String {
    let snapshot = &view.rendition(rendition).unwrap().snapshot;
    String::from_utf8(snapshot.playlist(Container::MpegTs).plain.to_vec()).unwrap()
}

fn multivariant(view: &View) -> String {
    let body = view.multivariant(Container::MpegTs, Offer::Everything).cloned();
    String::from_utf8(body.unwrap().plain.to_vec()).unwrap()
}

fn states(registry: &Registry) -> Vec<State> {
    registry.status().iter().map(|stream: &StreamStatus| stream.state).collect()
}

async fn stop_reason(admission: &Admission) -> StopReason {
    admission.session.stop_signal().received().await
}

#[test]
fn a_name_that_is_live_is_refused_while_its_publisher_is_heard() {
    let mut registry = registry();
    let first = admit(&mut registry, "cam", "", 0.0);
    first.session.heard(100);
    first.session.heard_nothing(Duration::from_millis(4_900));
    assert_eq!(refusal(&mut registry, "cam", "", 7.9), Refusal::NameInUse);
    assert_eq!(
        refusal(&mut registry, "cam", "key", 7.9),
        Refusal::NameInUse,
        "the first has no key"
    );
    first.session.heard_nothing(Duration::from_secs(5));
    let second = admit(&mut registry, "cam", "", 8.0);
    assert_eq!(second.previous[0].id(), first.session.id());
    assert!(std::sync::Arc::ptr_eq(&first.publication, &second.publication));
}

#[test]
fn a_name_is_not_taken_over_because_the_server_was_too_slow_to_read() {
    let mut registry = registry();
    let first = admit(&mut registry, "cam", "", 0.0);
    first.session.heard(100);
    assert_eq!(refusal(&mut registry, "cam", "", 60.0), Refusal::NameInUse);
}

#[tokio::test]
async fn an_equal_key_replaces_at_once_and_another_does_not() {
    let mut registry = registry();
    let first = admit(&mut registry, "cam", "secret", 0.0);
    for key in ["", "Secret", "secret2"] {
        assert_eq!(refusal(&mut registry, "cam", key, 0.1), Refusal::NameInUse, "{key:?}");
    }
    let second = admit(&mut registry, "cam", "secret", 0.1);
    assert_eq!(stop_reason(&first).await, StopReason::Replaced);
    leave(&mut registry, &first, 0.2);
    assert_eq!(states(&registry), [State::Live], "the replaced one's end changes nothing");
    assert_ne!(first.session.id(), second.session.id());
}

#[test]
fn empty_keys_are_no_keys() {
    let mut registry = registry();
    let empty = || PublishAttempt { key: Some(StreamKey::new("")), ..attempt("cam", "") };
    registry.publish(empty(), at(0.0)).unwrap();
    assert_eq!(registry.publish(empty(), at(0.1)).unwrap_err(), Refusal::NameInUse);
}

#[test]
fn a_wrong_key_is_unauthorized_whether_the_name_is_live_or_not() {
    let access =
        PublishAccess { shared_key: Some(SecretDigest::of("right")), ..PublishAccess::default() };
    let mut registry = registry_with(access, 10, Limits::default());
    assert_eq!(refusal(&mut registry, "cam", "wrong", 0.0), Refusal::Unauthorized);
    admit(&mut registry, "cam", "right", 0.0);
    assert_eq!(refusal(&mut registry, "cam", "", 0.0), Refusal::Unauthorized);
    assert_eq!(refusal(&mut registry, "cam", "wrong", 60.0), Refusal::Unauthorized);
}

#[test]
fn max_streams_counts_connected_publishers() {
    let mut registry = registry_with(PublishAccess::default(), 2, Limits::default());
    let first = admit(&mut registry, "a", "", 0.0);
    admit(&mut registry, "b", "k", 0.0);
    assert_eq!(refusal(&mut registry, "c", "", 0.0), Refusal::TooManyStreams);
    admit(&mut registry, "b", "k", 0.0);
    leave(&mut registry, &first, 1.0);
    admit(&mut registry, "c", "", 1.0);
    assert_eq!(refusal(&mut registry, "a", "", 1.0), Refusal::TooManyStreams);
    assert_eq!(registry.live_streams(), 2);
}

#[test]
fn the_last_places_are_for_addresses_without_a_stream_where_anybody_may_publish() {
    let from = |stream: &str, key: &str, address: [u8; 4]| PublishAttempt {
        peer: SocketAddr::from((address, 50_000)),
        ..attempt(stream, key)
    };
    let greedy = [192, 0, 2, 7];
    let mut registry = registry_with(PublishAccess::default(), 10, Limits::default());
    for n in 0..9 {
        registry.publish(from(&format!("cam{n}"), "k", greedy), at(0.0)).unwrap();
    }
    let tenth = registry.publish(from("cam9", "", greedy), at(0.0)).unwrap_err();
    assert_eq!(tenth, Refusal::TooManyStreams);
    registry.publish(from("cam8", "k", greedy), at(0.0)).unwrap();
    registry.publish(from("other", "", [192, 0, 2, 8]), at(0.0)).unwrap();

    let access =
        PublishAccess { shared_key: Some(SecretDigest::of("k")), ..PublishAccess::default() };
    let mut registry = registry_with(access, 10, Limits::default());
    for n in 0..10 {
        registry.publish(from(&format!("cam{n}"), "k", greedy), at(0.0)).unwrap();
    }
}

#[tokio::test]
async fn who_sends_no_media_gives_its_place_to_the_next_where_none_is_free() {
    let mut registry = registry_with(PublishAccess::default(), 2, Limits::default());
    let idle = admit(&mut registry, "idle", "", 0.0);
    let plays = admit(&mut registry, "plays", "", 0.0);
    plays.session.heard_media();
    assert_eq!(refusal(&mut registry, "next", "", 4.9), Refusal::TooManyStreams, "it may begin");
    let next = admit(&mut registry, "next", "", 5.0);
    assert_eq!(stop_reason(&idle).await, StopReason::MadeRoom);
    assert_eq!(refusal(&mut registry, "third", "", 5.0), Refusal::TooManyStreams, "only once");
    leave(&mut registry, &idle, 5.1);
    next.session.heard_media();
    assert_eq!(refusal(&mut registry, "third", "", 60.0), Refusal::TooManyStreams);
    assert!(!plays.session.is_asked_to_stop());
}

#[test]
fn who_publishes_again_and_again_has_to_wait() {
    let peer = SocketAddr::from(([192, 0, 2, 7], 50_000));
    let mut registry = registry();
    let mut publishes = |secs: f64| {
        let stay = registry.publish(PublishAttempt { peer, ..attempt("cam", "") }, at(secs));
        stay.map(|stay| leave(&mut registry, &stay, secs))
    };
    let times = (0..1000).filter(|n| publishes(f64::from(*n) / 100.0).is_ok()).count();
    assert_eq!(times, 20 + 9, "in 10 s");
    assert_eq!(publishes(9.999), Err(Refusal::TooOften));
    assert_eq!(publishes(10.0), Ok(()), "one a second in the long run");
}

#[test]
fn case_06_five_hundred_publishers_at_once_come_and_go() {
    let registry =
        std::sync::Mutex::new(registry_with(PublishAccess::default(), 500, Limits::default()));
    let lock = || registry.lock().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..10 {
            scope.spawn(move || {
                let names = (0..50).map(|n| format!("cam{thread}-{n}"));
                let admit = |name: String| admit(&mut lock(), &name, "", 0.0);
                let admissions: Vec<_> = names.map(admit).collect();
                admissions.iter().for_each(|admission| leave(&mut lock(), admission, 1.0));
            });
        }
    });
    let mut registry = lock();
    assert_eq!(registry.live_streams(), 0);
    registry.tick(at(1.0));
    assert!(registry.status().is_empty(), "none of them had a segment");
    assert!(registry.is_drained());
}

#[test]
fn a_publisher_without_a_name_gets_eight_hex_digits() {
    let mut registry = registry();
    let mut names: Vec<_> = (0..5)
        .map(|_| registry.publish(PublishAttempt { name: None, ..attempt("x", "") }, at(0.0)))
        .map(|admission| admission.unwrap().publication.name().to_string())
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 5);
    for name in names {
        assert!(name.len() == 8 && name.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
    }
}

#[test]
fn a_stream_ends_after_the_reconnect_window_and_is_forgotten_a_minute_later() {
    let mut registry = registry();
    let publisher = admit(&mut registry, "cam", "", 0.0);
    publish_segment(&publisher, Slot::Source, false);
    leave(&mut registry, &publisher, 20.0);
    assert_eq!(registry.tick(at(29.9)), []);
    let view = registry.publication(&name("cam")).unwrap().view();
    assert!(!media_playlist(&view, "source").contains("ENDLIST"));

    assert_eq!(registry.tick(at(30.0)), [Change::Ended(name("cam"))]);
    let view = registry.publication(&name("cam")).unwrap().view();
    assert!(media_playlist(&view, "source").ends_with("#EXT-X-ENDLIST\n"));
    assert_eq!(registry.tick(at(89.9)), []);
    assert!(registry.publication(&name("cam")).is_some());
    assert_eq!(registry.tick(at(90.0)), [Change::Forgotten(name("cam"))]);
    assert!(registry.publication(&name("cam")).is_none());
}

#[test]
fn what_a_stream_came_to_is_told_once_with_all_its_stays() {
    let (mut registry, cam) = (registry(), name("cam"));
    let first = admit(&mut registry, "cam", "", 0.0);
    assert_eq!(
        registry.outlook(&cam, &first.session, Departure::Vanished),
        Outlook::NothingToWatch
    );
    publish_segment(&first, Slot::Source, false);
    assert_eq!(registry.note_first_segment(&cam, &first.session), Some(Start::First));
    first.session.heard(1000);
    let outlook = registry.outlook(&cam, &first.session, Departure::Vanished);
    assert_eq!(outlook, Outlook::Waits(Duration::from_secs(10)));
    leave(&mut registry, &first, 20.0);
    let second = admit(&mut registry, "cam", "", 25.0);
    assert_eq!(registry.note_first_segment(&cam, &first.session), None, "it is another's");
    assert_eq!(registry.note_first_segment(&cam, &second.session), Some(Start::Again));
    let outlook = registry.outlook(&cam, &first.session, Departure::Vanished);
    assert_eq!(outlook, Outlook::NotAwaited);
    second.session.heard(500);
    leave_as(&mut registry, &second, Departure::Stopped, 30.0);
    let ending = Ending {
        reason: EndReason::PublisherStopped,
        live: Duration::from_secs(25),
        received_bytes: 1500,
    };
    let over = [Change::Ended(cam.clone()), Change::Over(cam.clone(), ending)];
    assert_eq!(registry.tick(at(40.0)), over);
    assert_eq!(registry.tick(at(120.0)), [Change::Forgotten(cam.clone())], "told once");

    // One that nobody could watch is no news.
    let unseen = admit(&mut registry, "unseen", "", 130.0);
    leave(&mut registry, &unseen, 131.0);
    assert_eq!(registry.tick(at(131.0)), [Change::Forgotten(name("unseen"))]);
    let kicked = admit(&mut registry, "cam", "", 140.0);
    publish_segment(&kicked, Slot::Source, false);
    assert_eq!(registry.note_first_segment(&cam, &kicked.session), Some(Start::First));
    assert!(registry.kick(&cam, at(150.0)));
    leave_as(&mut registry, &kicked, Departure::Stopped, 150.0);
    registry.close();
    let [Change::Over(_, ending)] = registry.end_all(at(151.0))[..] else { panic!("one") };
    assert_eq!((ending.reason, ending.live), (EndReason::ServerStopping, Duration::from_secs(10)));
}

/// Two target durations of 2 s, less what the clock's ticks and a player's requests are late.
#[test]
fn case_05_who_says_that_it_stops_has_ended_within_two_target_durations_or_is_back() {
    let mut registry = registry();
    let publisher = admit(&mut registry, "cam", "", 0.0);
    publish_segment(&publisher, Slot::Source, false);
    leave_as(&mut registry, &publisher, Departure::Stopped, 20.0);
    let back = admit(&mut registry, "cam", "", 22.0);
    back.publication.begin_session();
    assert_eq!(registry.tick(at(30.0)), [], "settings were changed");
    leave_as(&mut registry, &back, Departure::Stopped, 40.0);
    assert_eq!(registry.tick(at(43.4)), []);
    assert_eq!(registry.tick(at(43.5)), [Change::Ended(name("cam"))]);
}

#[test]
fn a_stream_does_not_end_while_its_workers_still_publish() {
    let mut registry = registry();
    let publisher = admit(&mut registry, "cam", "", 0.0);
    publish_segment(&publisher, Slot::Source, false);
    registry.publisher_gone(&name("cam"), &publisher.session, Departure::Vanished, at(1.0));
    assert_eq!(registry.tick(at(30.0)), []);
    assert!(!registry.is_drained());
    publisher.session.set_drained();
    assert!(registry.is_drained());
    assert_eq!(registry.tick(at(30.1)), [Change::Ended(name("cam"))]);
}

#[test]
fn a_publisher_back_within_the_window_goes_on_behind_a_discontinuity() {
    let mut registry = registry();
    let first = admit(&mut registry, "cam", "", 0.0);
    assert!(!first.publication.begin_session().source.discontinuity_next);
    publish_segment(&first, Slot::Source, false);
    cut_apart(&first);
    leave(&mut registry, &first, 5.0);

    let second = admit(&mut registry, "cam", "", 14.9);
    assert!(second.previous.is_empty() || second.previous[0].is_drained());
    let resume = second.publication.begin_session();
    assert!(resume.source.discontinuity_next);
    assert_eq!(resume.mode.map(|mode| mode.own_grid), Some(true));
    publish_segment(&second, Slot::Source, true);
    assert_eq!(registry.tick(at(100.0)), []);

    let text = media_playlist(&second.publication.view(), "source");
    let first_sequence = FIRST;
    assert!(text.contains(&format!("#EXT-X-MEDIA-SEQUENCE:{first_sequence}\n")), "{text}");
    let behind = text.split("#EXT-X-DISCONTINUITY\n").nth(1).unwrap();
    assert!(behind.ends_with(&format!("/stream/cam/source/{}.ts\n", first_sequence + 1)), "{text}");
}

#[test]
fn a_publisher_back_after_the_end_reopens_the_stream_at_the_same_url() {
    let mut registry = registry();
    let first = admit(&mut registry, "cam", "", 0.0);
    publish_segment(&first, Slot::Source, false);
    leave(&mut registry, &first, 5.0);
    registry.tick(at(15.0));
    let second = admit(&mut registry, "cam", "", 60.0);
    let ended = media_playlist(&second.publication.view(), "source");
    assert!(ended.contains("ENDLIST"), "until the workers are there");
    assert!(second.publication.begin_session().source.discontinuity_next);
    assert!(!media_playlist(&second.publication.view(), "source").contains("ENDLIST"));
    assert_eq!(registry.tick(at(1000.0)), [], "it is live again");
}

#[test]
fn a_laptop_asleep_for_a_minute_wakes_up_elsewhere_and_goes_on_in_the_same_playlists() {
    let mut registry = registry();
    let asleep = admit(&mut registry, "cam", "secret", 0.0);
    for _ in 0..3 {
        publish_segment(&asleep, Slot::Source, false);
    }
    asleep.session.heard(100);
    // No FIN: its connection is given up after ten seconds of silence.
    leave(&mut registry, &asleep, 16.0);
    assert_eq!(registry.tick(at(26.0)), [Change::Ended(name("cam"))]);

    let elsewhere = SocketAddr::from(([198, 51, 100, 9], 1234));
    let awake = PublishAttempt { peer: elsewhere, ..attempt("cam", "secret") };
    let awake = registry.publish(awake, at(66.0)).unwrap();
    let resume = awake.publication.begin_session();
    publish_segment(&awake, Slot::Source, resume.source.discontinuity_next);
    let text = media_playlist(&awake.publication.view(), "source");
    assert!(text.contains(&format!("#EXT-X-MEDIA-SEQUENCE:{FIRST}\n")), "{text}");
    assert!(text.ends_with(&format!("/stream/cam/source/{}.ts\n", FIRST + 3)), "{text}");
    assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{text}");
    assert_eq!(registry.tick(at(100.0)), [], "it is live again");
}

#[test]
fn sequence_numbers_are_never_used_again() {
    let mut registry = registry();
    let first = admit(&mut registry, "cam", "", 0.0);
    // Far more segments than the clock allows: the wall clock alone would give used numbers again.
    for _ in 0..1000 {
        publish_segment(&first, Slot::Source, false);
    }
    leave(&mut registry, &first, 1.0);
    registry.tick(at(11.0));
    registry.tick(at(71.0));
    let second = admit(&mut registry, "cam", "", 72.0);
    publish_segment(&second, Slot::Source, false);
    let text = media_playlist(&second.publication.view(), "source");
    let expected = FIRST + 1000;
    assert!(text.contains(&format!("#EXT-X-MEDIA-SEQUENCE:{expected}\n")), "{text}");

    let other = admit(&mut registry, "other", "", 10_000.0);
    assert_eq!(
        other.publication.next_sequence(),
        FIRST - 30 + 100_000,
        "the wall clock is ahead again"
    );
}

/// What was used when a process is killed is not used by the next one.
#[test]
fn numbers_do_not_come_again_in_the_next_process() {
    let first = admit(&mut registry(), "cam", "", 0.0).publication;
    let newest = first.next_sequence() + 299;
    let wait = first.wait_for_number(newest, at(0.0));
    assert_eq!(wait, Duration::from_secs(30), "at most ten in a second");
    assert_eq!(first.wait_for_number(newest, at(30.0)), Duration::ZERO);
    let started = Moment { uptime: Duration::ZERO, ..at(30.0) };
    let second = registry().publish(attempt("cam", ""), started).unwrap().publication;
    assert!(second.next_sequence() > newest);
}

/// Publishes so many segments, while somebody follows the playlist; what it lists then.
fn publish_segments(admission: &Admission, count: usize) -> usize {
    for _ in 0..count {
        publish_segment(admission, Slot::Source, false);
        media_playlist(&admission.publication.view(), "source");
    }
    listed(admission)
}

fn listed(admission: &Admission) -> usize {
    admission.publication.view().rendition("source").unwrap().snapshot.listed.len()
}

#[test]
fn streams_without_a_publisher_hold_less_where_memory_is_short() {
    let mut registry = small_registry();
    let gone = admit(&mut registry, "gone", "", 0.0);
    assert_eq!(publish_segments(&gone, 13), 6);
    leave(&mut registry, &gone, 1.0);
    assert_eq!(registry.tick(at(2.0)), []);
    assert_eq!(listed(&gone), 6, "there is enough");
    let live = admit(&mut registry, "live", "", 2.0);
    assert_eq!(publish_segments(&live, 13), 6);
    assert_eq!(registry.tick(at(3.0)), []);
    assert_eq!((listed(&gone), listed(&live)), (3, 6));
    // It may come back all the same.
    let back = admit(&mut registry, "gone", "", 4.0);
    assert_eq!(publish_segments(&back, 3), 6);
}

#[test]
fn streams_that_are_over_are_forgotten_where_memory_is_very_short() {
    let mut registry = small_registry();
    let [over, away] = ["over", "away"].map(|name| admit(&mut registry, name, "", 0.0));
    for stream in [&over, &away] {
        publish_segments(stream, 3);
    }
    leave(&mut registry, &over, 1.0);
    assert_eq!(registry.tick(at(11.0)), [Change::Ended(name("over"))]);
    leave(&mut registry, &away, 11.0);
    let lives = ["a", "b"].map(|name| admit(&mut registry, name, "", 11.0));
    for live in &lives {
        publish_segments(live, 13);
    }
    assert_eq!(registry.tick(at(12.0)), [Change::Forgotten(name("over"))]);
    let refused = registry.publish(attempt("c", ""), at(12.0)).unwrap_err();
    assert_eq!(refused, Refusal::NoMemory, "a viewer holds what is forgotten");
    drop(over);
    admit(&mut registry, "c", "", 12.0);
    assert_eq!(registry.tick(at(13.0)), [], "somebody may come back to the other");
}

#[test]
fn a_stream_without_segments_is_forgotten_at_once() {
    let mut registry = registry();
    let publisher = admit(&mut registry, "cam", "", 0.0);
    registry.publisher_gone(&name("cam"), &publisher.session, Departure::Vanished, at(1.0));
    assert_eq!(registry.tick(at(1.1)), [], "its workers may still have one");
    publisher.session.set_drained();
    assert_eq!(registry.tick(at(1.2)), [Change::Forgotten(name("cam"))]);
}

#[test]
fn no_more_streams_are_remembered_than_the_limit() {
    let limits = Limits { remembered_streams: 2, ..Limits::default() };
    let mut registry = registry_with(PublishAccess::default(), 10, limits);
    for (index, stream) in ["a", "b", "c"].into_iter().enumerate() {
        let publisher = admit(&mut registry, stream, "", index as f64);
        publish_segment(&publisher, Slot::Source, false);
        leave(&mut registry, &publisher, index as f64 + 0.5);
    }
    assert_eq!(registry.tick(at(4.0)), [Change::Forgotten(name("a"))], "the longest gone");
}

#[test]
fn brief_names_do_not_push_out_a_stream_that_may_come_back() {
    let limits = Limits { remembered_streams: 4, ..Limits::default() };
    let mut registry = registry_with(PublishAccess::default(), 100, limits);
    let play = |registry: &mut Registry, stream: &str, segments: usize, secs: f64| {
        let publisher = admit(registry, stream, "", secs);
        (0..segments).for_each(|_| publish_segment(&publisher, Slot::Source, false));
        leave(registry, &publisher, secs);
    };
    play(&mut registry, "ended", 9, 0.0);
    registry.tick(at(10.0));
    play(&mut registry, "long", 20, 10.0);
    play(&mut registry, "short", 5, 11.0);
    for stranger in 0..50 {
        play(&mut registry, &format!("x{stranger}"), 1 + stranger % 2, 12.0);
    }
    registry.tick(at(12.0));
    let kept = |registry: &Registry| -> Vec<String> {
        let streams = registry.status();
        streams.iter().map(|stream| stream.publication.name().to_string()).collect()
    };
    let left = kept(&registry);
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(["ended", "long", "short"].iter().all(|name| left.contains(&(*name).into())));

    for (index, stream) in ["b", "c", "d"].into_iter().enumerate() {
        play(&mut registry, stream, 6 + index, 13.0);
    }
    registry.tick(at(13.0));
    assert_eq!(kept(&registry), ["b", "c", "d", "long"], "the ended, then the shortest");
}

#[test]
fn current_is_the_newest_live_stream_that_plays() {
    let mut registry = registry();
    let current = |registry: &Registry| registry.current().map(|stream| stream.name().to_string());
    assert_eq!(current(&registry), None);
    let a = admit(&mut registry, "a", "", 0.0);
    publish_segment(&a, Slot::Source, false);
    without_ladder_but(&a, &[]);
    let b = admit(&mut registry, "b", "", 1.0);
    assert_eq!(current(&registry).as_deref(), Some("a"), "b has nothing to play yet");
    publish_segment(&b, Slot::Source, false);
    assert_eq!(current(&registry).as_deref(), Some("a"), "nor are its renditions known");
    without_ladder_but(&b, &[]);
    assert_eq!(current(&registry).as_deref(), Some("b"));
    leave(&mut registry, &b, 2.0);
    assert_eq!(current(&registry).as_deref(), Some("a"), "b ended, a is live");
    leave(&mut registry, &a, 3.0);
    assert_eq!(current(&registry).as_deref(), Some("b"), "both may come back");
    registry.tick(at(20.0));
    assert_eq!(current(&registry), None, "both have ended");
}

#[tokio::test]
async fn kick_reaches_all_whose_workers_are_not_done() {
    let mut registry = registry();
    let kick = |registry: &mut Registry, secs| registry.kick(&name("cam"), at(secs));
    assert!(!kick(&mut registry, 0.0));
    let first = admit(&mut registry, "cam", "secret", 0.0);
    let second = admit(&mut registry, "cam", "secret", 1.0);
    assert!(kick(&mut registry, 2.0));
    assert_eq!(stop_reason(&first).await, StopReason::Replaced, "it has been told already");
    assert_eq!(stop_reason(&second).await, StopReason::Kicked);
    for stay in [&first, &second] {
        assert!(stay.session.has_given_up_backlog(at(2.0).uptime));
        assert!(!stay.session.has_given_up_backlog(at(1.9).uptime));
    }
    leave(&mut registry, &second, 3.0);
    assert!(kick(&mut registry, 3.0), "the first one's workers still end");
    first.session.set_drained();
    assert!(!kick(&mut registry, 3.0));
}

/// From this address, with this key.
fn attempt_from(host: u8, stream: &str, key: &str) -> PublishAttempt {
    let peer = SocketAddr::from(([198, 51, 100, host], 50_000));
    PublishAttempt { peer, ..attempt(stream, key) }
}

#[tokio::test]
async fn who_is_banned_comes_back_neither_by_address_nor_by_key_until_the_time_is_over() {
    let mut registry = registry();
    assert!(!registry.ban(&name("cam"), Duration::from_secs(600), at(0.0)));
    let publisher = registry.publish(attempt_from(1, "cam", "k"), at(0.0)).unwrap();
    assert!(registry.ban(&name("cam"), Duration::from_secs(600), at(1.0)));
    assert_eq!(stop_reason(&publisher).await, StopReason::Kicked);
    leave(&mut registry, &publisher, 1.0);
    let mut answer = |host, stream: &str, key: &str, secs| {
        registry.publish(attempt_from(host, stream, key), at(secs)).map(|_| ())
    };
    for (host, stream, key) in [(1, "cam", "k"), (1, "cam", ""), (1, "other", "x"), (2, "cam", "k")]
    {
        assert_eq!(answer(host, stream, key, 600.9), Err(Refusal::Banned), "{host} {stream} {key}");
    }
    // One key may be that of all names, and no key is nobody's.
    assert_eq!(answer(2, "other", "k", 2.0), Ok(()));
    assert_eq!(answer(3, "cam", "", 2.0), Ok(()));
    assert_eq!(answer(1, "third", "k", 601.0), Ok(()));
}

#[tokio::test]
async fn a_ban_behind_a_relay_on_this_host_is_for_its_name() {
    for relay in ["127.0.0.1:50000", "[::1]:50000"] {
        let mut registry = registry();
        let from_relay =
            |stream: &str| PublishAttempt { peer: relay.parse().unwrap(), ..attempt(stream, "") };
        let publisher = registry.publish(from_relay("cam"), at(0.0)).unwrap();
        assert!(registry.ban(&name("cam"), Duration::from_secs(600), at(1.0)));
        leave(&mut registry, &publisher, 1.0);
        let again = registry.publish(from_relay("cam"), at(2.0)).map(|_| ());
        assert_eq!(again, Err(Refusal::Banned));
        assert!(registry.publish(from_relay("other"), at(2.0)).is_ok(), "all have its address");
    }
}

#[tokio::test]
async fn closing_refuses_new_publishers_and_ends_the_others() {
    let mut registry = registry();
    let publisher = admit(&mut registry, "cam", "", 0.0);
    publish_segment(&publisher, Slot::Source, false);
    registry.close();
    assert_eq!(stop_reason(&publisher).await, StopReason::ShuttingDown);
    assert_eq!(refusal(&mut registry, "other", "", 0.1), Refusal::ShuttingDown);
    leave(&mut registry, &publisher, 0.2);
    registry.end_all(at(0.3));
    let view = registry.publication(&name("cam")).unwrap().view();
    assert!(media_playlist(&view, "source").contains("ENDLIST"));
    assert_eq!(registry.longest_target_duration_secs(), 2);
}

#[test]
fn the_multivariant_playlist_is_the_ladder_ascending_then_source_all_from_the_first_segment_on() {
    let mut registry = registry();
    let publisher = admit(&mut registry, "cam", "", 0.0);
    let is_shown = |admission: &Admission| {
        let view = admission.publication.view();
        view.multivariant(Container::MpegTs, Offer::Everything).is_some()
    };
    assert!(!is_shown(&publisher));
    let uris = |admission: &Admission| -> Vec<String> {
        let text = multivariant(&admission.publication.view());
        text.lines().filter(|line| !line.starts_with('#')).map(String::from).collect()
    };
    publish_segment(&publisher, Slot::Source, false);
    publish_segment(&publisher, Slot::Ladder(0), false);
    assert!(!is_shown(&publisher), "players do not read it again");
    publish_segment(&publisher, Slot::Ladder(1), false);
    let all = ["cam/P144p30fps16x9.m3u8", "cam/P240p30fps16x9.m3u8", "cam/source.m3u8"];
    assert_eq!(uris(&publisher), all);

    // All of the same bytes: what is larger declares more all the same.
    let text = multivariant(&publisher.publication.view());
    let declared = |attribute: &str| -> Vec<u64> {
        let values = text.lines().filter_map(|line| line.split_once(attribute));
        values.map(|(_, rest)| rest.split(',').next().unwrap().parse().unwrap()).collect()
    };
    assert_eq!(declared("INF:BANDWIDTH="), [8272, 8273, 8274], "7520 bit/s and a tenth");
    assert_eq!(declared("AVERAGE-BANDWIDTH="), [7896, 7897, 7898]);
}

#[test]
fn who_saves_data_is_offered_the_light_renditions() {
    let mut registry = registry();
    let publisher = admit(&mut registry, "cam", "", 0.0);
    publish_segment(&publisher, Slot::Source, false);
    for index in [0, 1] {
        let view = publisher.publication.view();
        let span = view.rendition("source").unwrap().snapshot.listed[0];
        let segment = Segment { span, data: vec![0x47; 188 * 400 * (2 - index)].into() };
        publisher.publication.publish_segment(
            Slot::Ladder(index),
            segment,
            &info(Slot::Source),
            true,
        );
    }
    let view = publisher.publication.view();
    let uris = |offer: Offer| -> Vec<String> {
        let text =
            String::from_utf8(view.multivariant(Container::MpegTs, offer).unwrap().plain.to_vec())
                .unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(String::from).collect()
    };
    assert_eq!(uris(Offer::Everything).len(), 3);
    assert_eq!(uris(Offer::LowData), ["cam/P144p30fps16x9.m3u8"], "331 and 662 kbit/s: one plays");
}

#[test]
fn a_rendition_sleeps_after_half_a_minute_or_four_target_durations_without_a_request() {
    let small = Slot::Ladder(1);
    let asleep = [Change::Asleep(name("cam"), "P144p30fps16x9".into())];
    for (target_duration_secs, awake, sleeps) in
        [(2, [0.0, 29.75], 30.0), (8, [30.0, 31.75], 32.0), (10, [35.0, 39.75], 40.0)]
    {
        let mut registry = registry();
        let admission = admit(&mut registry, "cam", "", 0.0);
        let publication = &admission.publication;
        for slot in [Slot::Source, small] {
            publish_segment(&admission, slot, false);
        }
        // A target duration grows, as that of a source does whose keyframes are rare.
        let numbering = Numbering::from_first(publication.next_sequence());
        let mode = Some(GridMode { target_duration_secs, own_grid: true });
        publication.set_grid(GridState { mode, source: numbering, ladder: numbering });
        assert!(publication.segment_asked(small, at(0.0)));
        for secs in awake {
            assert_eq!(registry.tick(at(secs)), [], "{target_duration_secs} s");
        }
        assert!(publication.wakefulness(small).unwrap().awake);
        assert_eq!(registry.tick(at(sleeps)), asleep, "{target_duration_secs} s");
        assert!(publication.wanted().is_empty());
        // A request in between counts from there.
        assert!(publication.segment_asked(small, at(50.0)));
        publication.playlist_asked(small, at(60.0));
        assert_eq!(registry.tick(at(60.0 + awake[1])), [], "{target_duration_secs} s");
        assert_eq!(registry.tick(at(60.0 + sleeps)), asleep);
    }
}

#[test]
fn a_rendition_that_is_not_in_the_multivariant_playlist_keeps_its_own() {
    let mut registry = registry();
    let publisher = admit(&mut registry, "cam", "", 0.0);
    publish_segment(&publisher, Slot::Source, false);
    publish_segment(&publisher, Slot::Ladder(1), false);
    cut_apart(&publisher);
    without_ladder_but(&publisher, &[1]);
    let view = publisher.publication.view();
    assert!(!multivariant(&view).contains("source"));
    assert!(media_playlist(&view, "source").contains("#EXTINF"));
}

#[test]
fn a_source_on_its_own_grid_is_the_multivariant_playlist_where_there_is_no_ladder() {
    let mut registry = registry();
    let publisher = admit(&mut registry, "cam", "", 0.0);
    publish_segment(&publisher, Slot::Source, false);
    cut_apart(&publisher);
    without_ladder_but(&publisher, &[]);
    assert!(multivariant(&publisher.publication.view()).contains("cam/source.m3u8"));
}

#[test]
fn a_rendition_the_new_source_does_not_fill_leaves_the_multivariant_playlist() {
    let mut registry = registry();
    let first = admit(&mut registry, "cam", "", 0.0);
    publish_segment(&first, Slot::Source, false);
    publish_segment(&first, Slot::Ladder(0), false);
    leave(&mut registry, &first, 1.0);
    let second = admit(&mut registry, "cam", "", 2.0);
    second.publication.begin_session();
    publish_segment(&second, Slot::Source, false);
    let listed = || multivariant(&second.publication.view()).contains("P240p30fps16x9");
    assert!(listed(), "until the first segment says what comes of it");
    without_ladder_but(&second, &[]);
    assert!(!listed());
    publish_segment(&second, Slot::Ladder(0), false);
    assert!(listed(), "it came late");
}

#[test]
fn publishers_that_replace_each_other_wait_for_the_workers_of_those_before() {
    let mut registry = registry();
    let stays: Vec<_> =
        (0..3).map(|n| admit(&mut registry, "cam", "secret", f64::from(n))).collect();
    assert_eq!(refusal(&mut registry, "cam", "secret", 3.0), Refusal::NameInUse);
    stays[0].session.set_drained();
    admit(&mut registry, "cam", "secret", 4.0);
}

#[test]
fn a_place_is_free_while_the_workers_of_its_last_publisher_end_but_not_for_many_times() {
    let mut registry = registry();
    let stays: Vec<_> =
        (0..10).map(|n| admit(&mut registry, &format!("cam{n}"), "", 0.0)).collect();
    assert_eq!(refusal(&mut registry, "other", "", 1.0), Refusal::TooManyStreams);
    let go = |registry: &mut Registry, stay: &Admission| {
        let gone = stay.publication.name();
        registry.publisher_gone(gone, &stay.session, Departure::Stopped, at(1.0));
    };
    stays[..9].iter().for_each(|stay| go(&mut registry, stay));
    admit(&mut registry, "other", "", 1.0);
    go(&mut registry, &stays[9]);
    assert_eq!(refusal(&mut registry, "late", "", 1.0), Refusal::TooManyStreams, "ten still end");
    stays[0].session.set_drained();
    admit(&mut registry, "late", "", 1.0);
}

#[test]
fn names_that_come_and_go_faster_than_ticks_are_forgotten_all_the_same() {
    let mut registry = registry();
    for n in 0..200 {
        let stay = admit(&mut registry, &format!("cam{n}"), "", 0.0);
        publish_segment(&stay, Slot::Source, false);
        leave(&mut registry, &stay, 0.0);
    }
    assert_eq!(registry.status().len(), Limits::default().remembered_streams + 1);
}
