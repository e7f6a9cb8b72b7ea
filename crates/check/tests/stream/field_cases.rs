//! Streams as they come from the field. The numbers are those of docs/encoders.md.

use std::time::Duration;

use crate::support::{self, GOOD_PICTURES, Origin, Recipe, SMALL, SOURCE, findings, segments};
use bytes::Bytes;
use check::{Checker, Decoded, Options, Outcome, Report, RequestKind, Response, Step};

const FAIL: Outcome = Outcome::Fail;

/// What an HTTP server does with byte ranges.
#[derive(Clone, Copy, PartialEq)]
enum Ranges {
    Served,
    Ignored,
}

/// Checks a stream that lies in a folder, as any HTTP server would serve it that knows the media
/// types.
fn check_folder(playlist: &str, ranges: Ranges) -> Report {
    check_changed(playlist, ranges, |_, body| body)
}

fn check_changed(
    playlist: &str,
    ranges: Ranges,
    change: impl Fn(&str, Vec<u8>) -> Vec<u8>,
) -> Report {
    let folder = testmedia::folder("cases/check");
    let url = format!("http://h/{playlist}");
    let mut checker = Checker::new(&url, Options::default()).expect("good test data");
    let mut now = Duration::ZERO;
    loop {
        match checker.next(now) {
            Step::Fetch(request) => {
                let name = request.url.strip_prefix("http://h/").expect("our own");
                let file = std::fs::read(folder.join(name)).map(|body| change(name, body));
                let mut status = if file.is_ok() { 200 } else { 404 };
                let mut body = Bytes::from(file.unwrap_or_default());
                if let Some(range) = request.range.filter(|_| ranges == Ranges::Served) {
                    status = 206;
                    let (start, bytes) = (range.start as usize, range.bytes as usize);
                    body = body.slice(start..start + bytes);
                }
                assert!(body.len() <= request.max_bytes);
                let media_type = match (request.kind, name.rsplit('.').next()) {
                    (RequestKind::Playlist, _) => "application/vnd.apple.mpegurl",
                    (_, Some("ts")) => "video/mp2t",
                    _ => "video/mp4",
                };
                let headers = [
                    ("content-type", media_type),
                    ("access-control-allow-origin", "*"),
                    ("cache-control", "max-age=1"),
                ];
                let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
                let (sent_at, headers) = (now, headers.to_vec());
                now += Duration::from_millis(5);
                let response = Response { status, headers, body, sent_at, received_at: now };
                checker.response(&response);
            }
            Step::Decode(job) => {
                let pictures = job.access_units.len();
                checker.decoded(&Decoded { pictures, ..GOOD_PICTURES });
            }
            Step::WaitUntil(time) | Step::WaitForStream { until: time, .. } => now = time,
            Step::Done => return checker.finish(now),
        }
    }
}

/// What fails, apart from the compression that no playlist of a folder has.
fn fails(report: &Report) -> Vec<&'static str> {
    let failed = findings(report).into_iter().filter(|(_, outcome)| *outcome == FAIL);
    failed.map(|(rule, _)| rule).filter(|rule| *rule != "playlist-gzip").collect()
}

fn said(report: &Report, rule: &str) -> String {
    let rule = report.rules.iter().find(|known| known.rule == rule).expect("a rule");
    rule.findings.iter().map(|finding| finding.to_string() + "\n").collect()
}

#[test]
fn case_12_check_ts_fmp4_and_byte_ranges_are_read() {
    for (playlist, container_rule) in [
        ("ts/m.m3u8", "ts-packets"),
        ("br/m.m3u8", "ts-packets"),
        ("fmp4/m.m3u8", "fragment-boxes"),
    ] {
        let report = check_folder(playlist, Ranges::Served);
        assert_eq!(fails(&report), [""; 0], "{playlist}\n{report}");
        assert_eq!(report.segments, 5, "{playlist}");
        for rule in
            [container_rule, "segment-keyframe", "timestamps-continuous", "codecs", "resolution"]
        {
            let rule = report.rules.iter().find(|known| known.rule == rule).expect("a rule");
            assert!(rule.judged > 0, "{playlist}: {}", rule.rule);
        }
        assert!(report.rules.iter().any(|r| r.rule == "picture-decodes" && r.judged > 0));
    }
}

#[test]
fn case_12_check_badfmp4_is_not_good() {
    let report = check_folder("badfmp4/m.m3u8", Ranges::Served);
    assert!(!report.good);
    assert_eq!(fails(&report), ["fragment-boxes", "codecs", "segments-judged"], "{report}");
    assert_eq!(
        said(&report, "segments-judged"),
        "a: no segment was read in which there is something\n"
    );
}

#[test]
fn case_12_check_aes_is_named_as_not_judged() {
    let report = check_folder("aes/m.m3u8", Ranges::Served);
    assert_eq!((report.good, report.segments), (false, 0));
    assert_eq!(fails(&report), ["segments-judged"], "{report}");
    assert_eq!(
        said(&report, "segments-judged"),
        "a: no segment was read: encrypted with AES-128: not judged\n"
    );
}

#[test]
fn case_12_check_grp_audio_groups_are_followed() {
    let report = check_folder("grp/m.m3u8", Ranges::Served);
    assert_eq!(report.renditions, ["p0", "p1"], "{report}");
    assert_eq!(report.segments, 11);
    assert!(!fails(&report).contains(&"segments-judged"), "{report}");
    let report = check_folder("grp/g.m3u8", Ranges::Served);
    assert_eq!(fails(&report), ["reachable"], "{report}");
    assert!(said(&report, "reachable").starts_with("missing: status 404"), "{report}");
    assert!(!report.good);
    // A group that nobody has.
    let report = check_changed("grp/g.m3u8", Ranges::Served, |name, body| {
        let text = String::from_utf8_lossy(&body).replace("AUDIO=\"aud\"", "AUDIO=\"other\"");
        if name.ends_with("g.m3u8") { text.into_bytes() } else { body }
    });
    assert!(said(&report, "playlist-syntax").contains("no EXT-X-MEDIA of AUDIO=\"other\""));
    // Pictures where sound should be.
    let report = check_changed("grp/m.m3u8", Ranges::Served, |name, body| {
        let text = String::from_utf8_lossy(&body).replace("v1_", "v0_");
        if name.ends_with("p1.m3u8") { text.replace("v0_5", "v0_4").into_bytes() } else { body }
    });
    assert!(said(&report, "segments-judged").contains("p1: an audio rendition without audio"));
}

#[test]
fn case_12_check_a_server_without_byte_ranges_is_found() {
    let report = check_folder("br/m.m3u8", Ranges::Ignored);
    assert_eq!(fails(&report), ["reachable", "segments-judged"], "{report}");
    assert!(said(&report, "reachable").contains("the whole file, where a byte range was asked"));
}

#[test]
fn case_12_check_an_ext_x_map_that_is_missing_is_found() {
    let report = check_changed("fmp4/m.m3u8", Ranges::Served, |name, body| {
        let text = String::from_utf8_lossy(&body).replace("init.mp4", "nobody.mp4");
        if name.ends_with("a.m3u8") { text.into_bytes() } else { body }
    });
    assert_eq!(fails(&report), ["reachable", "segments-judged"], "{report}");
    assert!(said(&report, "segments-judged").contains("its EXT-X-MAP cannot be had"));
}

#[test]
fn case_12_check_a_playlist_without_segments_is_not_good() {
    let report = check_changed("ts/m.m3u8", Ranges::Served, |name, body| {
        let head = body.split(|byte| *byte == b'\n').take(5).collect::<Vec<_>>().join(&b'\n');
        if name.ends_with("a.m3u8") { head } else { body }
    });
    assert!(fails(&report).contains(&"segments-judged"), "{report}");
    assert_eq!(said(&report, "segments-judged"), "a: no segment is listed\n");
}

/// A stream whose pictures change their size at a discontinuity, and whose multivariant playlist
/// follows at `declared` seconds.
fn change_of_size(declared: u64) -> Report {
    const CHANGE: usize = 12;
    let recipe = Recipe::default();
    let mut origin = Origin::new(&recipe);
    let mut small = segments(&SMALL, &recipe, 60);
    for (segment, other) in small.iter_mut().zip(segments(&SOURCE, &recipe, 60)).skip(CHANGE) {
        segment.data = other.data;
    }
    origin.renditions = vec![("small", small)];
    let small_alone = |line: &&str| !line.contains("source") && !line.contains("42c020");
    let lines = origin.multivariant.lines().filter(small_alone);
    origin.multivariant = lines.map(|line| line.to_owned() + "\n").collect();
    support::check(&origin, 20, &GOOD_PICTURES, |answer| {
        let uri = format!("/live/x/small/{}.ts", support::FIRST + CHANGE);
        answer.replace_in_media(
            &format!("#EXTINF:2.000,\n{uri}"),
            &format!("#EXT-X-DISCONTINUITY\n#EXTINF:2.000,\n{uri}"),
        );
        if answer.is_multivariant() {
            answer.replace("BANDWIDTH=190000", "BANDWIDTH=950000");
            answer.replace("AVERAGE-BANDWIDTH=170000", "AVERAGE-BANDWIDTH=950000");
            if answer.now >= Duration::from_secs(declared) {
                answer.replace("avc1.640c0c", "avc1.42c020");
                answer.replace("192x144", "640x480");
            }
        }
    })
}

#[test]
fn case_19_what_is_declared_is_what_goes_on_behind_a_discontinuity() {
    // The first segment of the new size is listed 10 s after the start; what is declared follows
    // it.
    for declared in [8, 10, 12] {
        let report = change_of_size(declared);
        assert!(!fails(&report).contains(&"resolution"), "{declared}\n{report}");
        assert!(!fails(&report).contains(&"codecs"), "{declared}\n{report}");
    }
    // Never, or long before: who starts to play then is told what is not so.
    for declared in [2, 1000] {
        let report = change_of_size(declared);
        assert!(fails(&report).contains(&"resolution"), "{declared}\n{report}");
        assert!(fails(&report).contains(&"codecs"), "{declared}\n{report}");
    }
}
