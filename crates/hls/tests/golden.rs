//! Golden text: playlists as viewers get them.

use hls::multivariant_playlist::{self, VariantStream};
use hls::{
    Body, Container, Cut, PerContainer, Rates, Segment, SegmentKey, Span, Window, WindowConfig,
};
use media::{Duration, Timestamp};

fn text(body: &Body) -> &str {
    std::str::from_utf8(&body.plain).expect("UTF-8")
}

/// A window of three, numbered from 1795266725 (2026-11-21 13:12:05 UTC) on, target duration 2 s.
fn window() -> Window {
    window_with(None)
}

fn window_with(segment_key: Option<SegmentKey>) -> Window {
    let uri_prefix = PerContainer {
        mpeg_ts: "/stream/hello_world/P144p30fps16x9/".into(),
        fragmented_mp4: "P144p30fps16x9/".into(),
    };
    let config = WindowConfig { uri_prefix, listed: 3, segment_key };
    let mut window = Window::new(config);
    window.set_target_duration(2);
    window
}

/// The segment with the `nth` number; a stream has had one discontinuity where it stands behind
/// one.
fn segment(nth: u64, start_ms: i64, duration_ms: i64, discontinuity: bool) -> Segment {
    let cut = Cut {
        sequence: 1_795_266_725 + nth,
        discontinuity_sequence: u64::from(discontinuity),
        discontinuity,
        at: Timestamp::from_millis(start_ms),
        unix_ms: 1_795_266_725_678 + start_ms,
    };
    let span = Span { cut, duration: Duration::from_millis(duration_ms) };
    Segment { span, data: vec![0x47; 37_600].into() }
}

fn playlist(window: &Window) -> String {
    text(window.snapshot().expect("segments").playlist(Container::MpegTs)).to_owned()
}

#[test]
fn live() {
    let mut window = window();
    for i in 0..5 {
        window.push(segment(i, i as i64 * 1980, 1980, false));
    }
    insta::assert_snapshot!(playlist(&window));
}

/// GOPs of 2.002 s, as 29.97 pictures a second give: no drift, and not over the target duration.
#[test]
fn fractional_frame_rate() {
    let mut window = window();
    let duration = Duration::from_ticks(60 * 3003);
    for i in 0..3 {
        let Segment { span, data } = segment(i, i as i64 * 2002, 0, false);
        window.push(Segment { span: Span { duration, ..span }, data });
    }
    insta::assert_snapshot!(playlist(&window));
}

#[test]
fn a_publisher_that_left_and_came_back() {
    let mut window = window();
    window.push(segment(0, 0, 2000, false));
    window.push(segment(1, 2000, 733, false));
    window.end();
    let ended = playlist(&window);
    window.reopen();
    window.push(segment(2, 12_000, 2000, true));
    let back = playlist(&window);
    for i in 1..4 {
        let mut later = segment(2 + i, 12_000 + i as i64 * 2000, 2000, false);
        later.span.cut.discontinuity_sequence = 1;
        window.push(later);
    }
    insta::assert_snapshot!([ended, back, playlist(&window)].join("\n"));
}

/// A source cut at recovery points, its last GOP longer than promised.
#[test]
fn a_source_without_idrs() {
    let mut window = window();
    window.set_dependent();
    window.push(segment(0, 0, 2400, false));
    assert_eq!(
        window.snapshot().expect("a segment").target_duration_secs,
        2,
        "2.4 is 2, RFC 8216 4.3.3.1"
    );
    window.push(segment(1, 2400, 3100, false));
    insta::assert_snapshot!(playlist(&window));
}

#[test]
fn rates_are_the_measured() {
    let mut window = window();
    window.push(segment(0, 0, 2000, false));
    let snapshot = window.snapshot().expect("a segment");
    assert_eq!(snapshot.rates, Some(Rates { peak_bps: 150_400, average_bps: 150_400 }));
    let data = vec![0x47; 188_000].into();
    window.push(Segment { data, ..segment(1, 2000, 2000, false) });
    let snapshot = window.snapshot().expect("a segment");
    assert_eq!(snapshot.rates, Some(Rates { peak_bps: 752_000, average_bps: 451_200 }));
}

#[test]
fn multivariant() {
    let small = VariantStream {
        uri: "/stream/hello_world/P144p30fps16x9.m3u8".into(),
        bandwidth_bps: 572_000,
        average_bandwidth_bps: 148_000,
        codecs: "avc1.42c00b,mp4a.40.2".into(),
        resolution: Some((256, 144)),
        frame_rate: Some(30_000.0 / 1001.0),
        independent: true,
    };
    let source = VariantStream {
        uri: "/stream/hello_world/source.m3u8".into(),
        bandwidth_bps: 3_300_000,
        average_bandwidth_bps: 3_100_000,
        codecs: "avc1.64001f,mp4a.40.2".into(),
        resolution: Some((1280, 720)),
        frame_rate: None,
        independent: true,
    };
    let audio_only = VariantStream {
        codecs: "mp4a.40.2".into(),
        resolution: None,
        independent: false,
        ..source.clone()
    };
    let ladder = multivariant_playlist::render(&[small, source], Container::MpegTs);
    let alone = multivariant_playlist::render(&[audio_only], Container::MpegTs);
    insta::assert_snapshot!([text(&ladder), text(&alone)].join("\n"));
    let Ok(m3u8_rs::Playlist::MasterPlaylist(parsed)) = m3u8_rs::parse_playlist_res(&ladder.plain)
    else {
        panic!("no multivariant playlist");
    };
    assert!(parsed.independent_segments);
    let [first, second] = &parsed.variants[..] else {
        panic!("{} variants", parsed.variants.len())
    };
    assert_eq!((first.bandwidth, first.average_bandwidth), (572_000, Some(148_000)));
    assert_eq!(first.codecs.as_deref(), Some("avc1.42c00b,mp4a.40.2"));
    assert_eq!(second.resolution.map(|size| (size.width, size.height)), Some((1280, 720)));
    assert_eq!((first.frame_rate, second.frame_rate), (Some(29.97), None));
}

#[test]
fn with_a_segment_key_every_uri_has_a_tag_of_its_own() {
    let key = SegmentKey::new([7; 32]);
    let mut window = window_with(Some(key.clone()));
    window.push(segment(0, 0, 1980, false));
    window.push(segment(1, 1980, 2000, false));
    let snapshot = window.snapshot().expect("segments");
    let playlist = text(snapshot.playlist(Container::MpegTs)).to_owned();
    let uris: Vec<&str> = playlist.lines().filter(|line| !line.starts_with('#')).collect();
    let expected = [1_795_266_725, 1_795_266_726].map(|sequence| {
        format!("/stream/hello_world/P144p30fps16x9/{sequence}.ts?tag={}", key.tag(sequence))
    });
    assert_eq!(uris, expected);
    assert!(snapshot.admits(1_795_266_725, Some(&key.tag(1_795_266_725))));
    for tag in [None, Some(""), Some(&key.tag(1_795_266_726)[..])] {
        assert!(!snapshot.admits(1_795_266_725, tag), "{tag:?}");
    }
}

#[test]
fn a_query_goes_behind_every_uri_and_nowhere_else() {
    let variant = |uri: &str| VariantStream {
        uri: uri.into(),
        bandwidth_bps: 1,
        average_bandwidth_bps: 1,
        codecs: "avc1.42c00b".into(),
        resolution: None,
        frame_rate: None,
        independent: true,
    };
    let playlist = multivariant_playlist::render(
        &[variant("a/x.m3u8"), variant("a/y.m3u8")],
        Container::MpegTs,
    );
    let personal = multivariant_playlist::with_query(&playlist, "token=1-2");
    let expected = text(&playlist).replace(".m3u8", ".m3u8?token=1-2");
    assert_eq!(personal, expected.as_bytes());
}
