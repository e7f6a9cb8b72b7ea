//! A good stream has no findings; each injected fault is found by its rule, and by no other.

use std::time::Duration;

use crate::support::{
    Answer, FIRST, GOOD_PICTURES, Origin, Recipe, check, check_stopped_after, findings,
};
use check::{Decoded, Outcome, Verdict};

const FAIL: Outcome = Outcome::Fail;
const WARN: Outcome = Outcome::Warn;

/// A check of 20 s where every answer is changed finds exactly this.
#[track_caller]
fn assert_answer(rule: &'static str, outcome: Outcome, change: impl FnMut(&mut Answer<'_>)) {
    assert_finds(rule, outcome, &Origin::new(&Recipe::default()), &GOOD_PICTURES, change);
}

/// A check of a stream of which both renditions are made like this finds exactly this.
#[track_caller]
fn assert_stream(rule: &'static str, recipe: &Recipe) {
    assert_finds(rule, FAIL, &Origin::new(recipe), &GOOD_PICTURES, |_| ());
}

#[track_caller]
fn assert_finds(
    rule: &'static str,
    outcome: Outcome,
    origin: &Origin,
    decoded: &Decoded,
    change: impl FnMut(&mut Answer<'_>),
) {
    let report = check(origin, 20, decoded, change);
    assert_eq!(findings(&report), [(rule, outcome)], "{report}");
    assert_eq!(report.good, outcome != FAIL, "{report}");
}

#[test]
fn a_good_stream_passes_every_rule() {
    let report = check(&Origin::new(&Recipe::default()), 20, &GOOD_PICTURES, |_| ());
    let not_passed: Vec<_> = report.rules.iter().filter(|r| r.outcome != Outcome::Pass).collect();
    let names: Vec<_> = not_passed.iter().map(|rule| (rule.rule, rule.outcome)).collect();
    assert_eq!(names, [("fragment-boxes", Outcome::NotJudged)], "{report}");
    assert!(report.good);
    assert_eq!(report.renditions, ["small", "source"]);
    assert_eq!(report.segments, 2 * (3 + 9), "three at the start, then one every 2 s\n{report}");
}

#[test]
fn a_good_media_playlist_alone_passes_what_it_can() {
    let origin = Origin::new(&Recipe::default());
    let report = check(&origin, 20, &GOOD_PICTURES, |answer| {
        if answer.is_multivariant() {
            answer.body = origin.content("http://h/live/x/small.m3u8", answer.now).unwrap();
        }
    });
    assert_eq!(findings(&report), []);
    let skipped = report.rules.iter().filter(|rule| rule.outcome == Outcome::NotJudged);
    let why = "the URL is that of a media playlist";
    let of_variants = skipped.filter(|rule| rule.why_not_judged.as_deref() == Some(why));
    assert_eq!(of_variants.count(), 8, "{report}");
}

#[test]
fn a_report_for_scripts_has_stable_keys() {
    let report = check(&Origin::new(&Recipe::default()), 4, &GOOD_PICTURES, |answer| {
        answer.replace_in_media("VERSION:3", "VERSION:2");
        answer.takes = Duration::from_millis(100);
    });
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["good"], false);
    assert_eq!((&json["verdict"], &json["stopped"]), (&"not-good".into(), &false.into()));
    assert!(json["no_stream"].is_null(), "{json:#}");
    assert_eq!(json["url"], "http://h/live/x.m3u8");
    let rules = json["rules"].as_array().unwrap();
    let rule = |name: &str| rules.iter().find(|rule| rule["rule"] == name).unwrap();
    let version = rule("playlist-version");
    assert_eq!(version["outcome"], "fail");
    assert_eq!(version["findings"][0]["where"], "small");
    let time = rule("segment-download-time");
    assert_eq!((&time["measured"], &time["allowed"]), (&0.1.into(), &2.0.into()));
    assert_eq!((&time["bound"], &time["unit"]), (&"at-most".into(), &"s".into()));
    assert_eq!(rule("program-date-time")["apple"], "8.4");
}

#[test]
fn reachable() {
    let missing = format!("/source/{}.ts", FIRST + 10);
    assert_answer("reachable", FAIL, |answer| {
        if answer.is_segment(&missing) {
            answer.status = 404;
        }
    });
}

#[test]
fn reachable_at_all() {
    let origin = Origin::new(&Recipe::default());
    for (status, words) in [
        (
            404,
            "NO STREAM at http://h/live/x.m3u8: status 404 for 15 s: no stream of that name is live",
        ),
        (403, "NO STREAM at http://h/live/x.m3u8: status 403: the server wants a token"),
        (500, "NO STREAM at http://h/live/x.m3u8: status 500\n"),
    ] {
        let report = check(&origin, 20, &GOOD_PICTURES, |answer| answer.status = status);
        assert_eq!(findings(&report), [("reachable", FAIL)], "{report}");
        assert_eq!((report.verdict, report.good), (Verdict::NoStream, false));
        let (text, waits) = (report.to_string(), status == 404);
        assert!(text.starts_with(words) && text.lines().count() == 1, "{text}");
        assert_eq!(report.seconds > 14.0, waits, "waits where it may yet start: {text}");
        assert!(report.seconds <= 15.0, "{text}");
    }
}

#[test]
fn a_stream_that_is_just_starting_is_waited_for_and_then_followed_in_full() {
    let origin = Origin::new(&Recipe::default());
    // Its playlist is there after 7 s, those of its renditions come another second later.
    let starts = |status| {
        check(&origin, 20, &GOOD_PICTURES, move |answer| {
            let after = if answer.is_multivariant() { 7 } else { 8 };
            if answer.now < Duration::from_secs(after) {
                answer.status = status;
            }
        })
    };
    for status in [404, 503] {
        let report = starts(status);
        assert_eq!((findings(&report), report.verdict), (vec![], Verdict::Good), "{report}");
        assert!((20.0..20.1).contains(&report.seconds), "{report}");
    }
    assert_eq!(starts(500).verdict, Verdict::NoStream);
}

#[test]
fn a_rendition_that_never_comes_is_not_there_however_long_it_was_waited_for() {
    let origin = Origin::new(&Recipe::default());
    for secs in [4, 20] {
        let report = check(&origin, secs, &GOOD_PICTURES, |answer| {
            if answer.request.url.ends_with("/small.m3u8") {
                answer.status = 404;
            }
        });
        assert_eq!(findings(&report), [("reachable", FAIL)], "{report}");
        assert_eq!(report.verdict, Verdict::NotGood);
    }
}

#[test]
fn who_stops_a_check_has_what_there_is_so_far() {
    let origin = Origin::new(&Recipe::default());
    let report = check_stopped_after(&origin, 0);
    assert_eq!((report.verdict, report.good, report.stopped), (Verdict::Stopped, false, true));
    assert_eq!(report.to_string().lines().count(), 1, "{report}");
    let report = check_stopped_after(&origin, 3);
    assert_eq!(report.verdict, Verdict::Stopped, "playlists alone say nothing of a stream");
    let report = check_stopped_after(&origin, 5);
    assert_eq!((report.verdict, report.stopped, findings(&report)), (Verdict::Good, true, vec![]));
    assert!(report.to_string().ends_with(", when the check was stopped\n"), "{report}");
}

#[test]
fn no_redirects() {
    let origin = Origin::new(&Recipe::default());
    let redirect = |wanted: &'static str| {
        move |answer: &mut Answer<'_>| {
            if answer.request.url.ends_with(wanted) {
                answer.status = 302;
                answer.set_header("Location", Some(&format!("{}?moved", answer.request.url)));
            }
        }
    };
    assert_finds("no-redirects", FAIL, &origin, &GOOD_PICTURES, redirect(".ts"));
    assert_finds("no-redirects", WARN, &origin, &GOOD_PICTURES, redirect("x.m3u8"));
}

#[test]
fn a_loop_of_redirects_ends() {
    let origin = Origin::new(&Recipe::default());
    let report = check(&origin, 20, &GOOD_PICTURES, |answer| {
        answer.status = 302;
        answer.set_header("location", Some("/again"));
    });
    assert_eq!(findings(&report), [("reachable", FAIL)], "{report}");
}

#[test]
fn content_type() {
    assert_answer("content-type", FAIL, |answer| {
        if !answer.is_playlist() {
            answer.set_header("content-type", Some("application/octet-stream"));
        }
    });
}

#[test]
fn cors() {
    assert_answer("cors", FAIL, |a| a.set_header("access-control-allow-origin", None));
    assert_answer("cors", WARN, |answer| {
        answer.set_header("access-control-allow-origin", Some("https://example.com"));
    });
}

#[test]
fn cache_control() {
    assert_answer("cache-control", FAIL, |answer| {
        if answer.is_media() {
            answer.set_header("cache-control", Some("public, max-age=10"));
        }
    });
    assert_answer("cache-control", WARN, |a| a.set_header("cache-control", None));
}

#[test]
fn playlist_gzip() {
    assert_answer("playlist-gzip", FAIL, |answer| answer.gzip = false);
}

#[test]
fn playlist_syntax() {
    assert_answer("playlist-syntax", FAIL, |answer| answer.replace_in_media(".000,", ".000"));
}

#[test]
fn playlist_version() {
    assert_answer("playlist-version", FAIL, |answer| {
        answer.replace_in_media("VERSION:3", "VERSION:2");
    });
}

#[test]
fn target_duration_kept() {
    let recipe = Recipe { pictures: |n| if n == 11 { 78 } else { 60 }, ..Recipe::default() };
    assert_stream("target-duration-kept", &recipe);
}

#[test]
fn target_duration_constant() {
    assert_answer("target-duration-constant", FAIL, |answer| {
        if answer.now > Duration::from_secs(9) {
            answer.replace_in_media("TARGETDURATION:2", "TARGETDURATION:3");
        }
    });
}

#[test]
fn media_sequence_gives_a_segment_another_name() {
    assert_answer("media-sequence", FAIL, |answer| {
        let seconds = answer.now.as_secs() / 7;
        answer.replace_in_media(".ts", &format!(".ts?{seconds}"));
    });
}

#[test]
fn media_sequence_goes_back() {
    assert_answer("media-sequence", FAIL, |answer| {
        if answer.is_media() && (8..9).contains(&answer.now.as_secs()) {
            answer.map_lines(|line| match line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
                Some(number) => {
                    format!("#EXT-X-MEDIA-SEQUENCE:{}", number.parse::<u64>().unwrap() - 40)
                }
                None => line.to_owned(),
            });
        }
    });
}

#[test]
fn discontinuity_sequence() {
    assert_answer("discontinuity-sequence", FAIL, |answer| {
        if answer.now > Duration::from_secs(9) {
            answer.replace_in_media("DISCONTINUITY-SEQUENCE:0", "DISCONTINUITY-SEQUENCE:1");
        }
    });
    assert_answer("discontinuity-sequence", WARN, |answer| {
        answer.replace_in_media("#EXT-X-DISCONTINUITY-SEQUENCE:0\n", "");
    });
}

#[test]
fn live_window() {
    assert_answer("live-window", FAIL, |answer| {
        if answer.is_media() {
            // The oldest segment is left out: its three lines, and its number.
            let text = String::from_utf8(std::mem::take(&mut answer.body)).unwrap();
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.drain(6..9);
            let number: u64 = lines[4].split(':').nth(1).unwrap().parse().unwrap();
            lines[4] = format!("#EXT-X-MEDIA-SEQUENCE:{}", number + 1);
            answer.body = lines.join("\n").into();
        }
    });
}

/// Nothing new from 6 s on, until a time at which all that was missed comes at once.
fn standstill(until: u64) -> Vec<(&'static str, Outcome)> {
    let origin = Origin::new(&Recipe::default());
    let report = check(&origin, 20, &GOOD_PICTURES, |answer| {
        let frozen = (6..until).contains(&answer.now.as_secs());
        if answer.is_media() && frozen {
            let then = Duration::from_secs(6);
            answer.body = origin.content(&answer.request.url, then).unwrap();
        }
    });
    findings(&report)
}

#[test]
fn playlist_advances_and_what_avplayer_and_exoplayer_make_of_it() {
    let rules = ["playlist-advances", "exoplayer-stuck-playlist", "avplayer-unchanged-playlist"];
    let [advances, exoplayer, avplayer] = rules.map(|rule| (rule, FAIL));
    assert_eq!(standstill(8), []);
    // Target durations of 2 s: three is too long for RFC 8216 and AVPlayer, 3.5 for ExoPlayer too.
    assert_eq!(standstill(11), [advances, avplayer]);
    assert_eq!(standstill(16), [advances, exoplayer, avplayer]);
    assert_eq!(standstill(1000), [advances, exoplayer, avplayer], "for good");
}

#[test]
fn hlsjs_codec_change() {
    // No sound at all in a segment: the neighbours cannot be compared, and hls.js waits for it.
    let audio_gap = |n| if n == 11 { 1000 } else { 0 };
    let origin = Origin::new(&Recipe { audio_gap, ..Recipe::default() });
    let report = check(&origin, 20, &GOOD_PICTURES, |_| ());
    let found = findings(&report);
    assert!(found.contains(&("hlsjs-codec-change", FAIL)), "{report}");
    let rule = report.rules.iter().find(|rule| rule.rule == "hlsjs-codec-change").unwrap();
    assert_eq!(
        rule.findings[0].to_string(),
        "source segment 1011: has video alone, the first segment had video and audio"
    );
}

#[test]
fn hlsjs_codec_change_in_what_is_declared() {
    let origin = Origin::new(&Recipe::default());
    // Sound that is declared only once somebody plays.
    let report = check(&origin, 20, &GOOD_PICTURES, |answer| {
        if answer.now < Duration::from_secs(3) {
            answer.replace_in_multivariant("avc1.640c0c,mp4a.40.2", "avc1.640c0c");
        }
    });
    let rule = report.rules.iter().find(|rule| rule.rule == "hlsjs-codec-change").unwrap();
    assert_eq!(
        rule.findings[0].to_string(),
        "small: CODECS declare video and audio, they declared video alone (5 times)"
    );
}

#[test]
fn stream_live() {
    assert_answer("stream-live", FAIL, |answer| {
        let ends = answer.request.url.ends_with("/small.m3u8");
        if ends && answer.now > Duration::from_secs(9) {
            answer.body.extend_from_slice(b"#EXT-X-ENDLIST\n");
        }
    });
}

#[test]
fn a_stream_that_has_ended_is_good_where_nothing_else_is_wrong() {
    let origin = Origin::new(&Recipe::default());
    // While it is followed, and long before.
    for ends_after in [9, 0] {
        let ended = |what: fn(&mut Answer<'_>)| {
            check(&origin, 20, &GOOD_PICTURES, move |answer| {
                if answer.is_media() && answer.now >= Duration::from_secs(ends_after) {
                    answer.body.extend_from_slice(b"#EXT-X-ENDLIST\n");
                }
                // It is served for a while only, and all that is listed is fetched.
                if answer.is_multivariant() && answer.now > Duration::from_secs(ends_after + 3) {
                    answer.status = 404;
                }
                if ends_after == 0 && !answer.is_playlist() {
                    answer.takes = Duration::from_millis(1500);
                }
                what(answer);
            })
        };
        let report = ended(|_| ());
        assert_eq!((report.verdict, report.good), (Verdict::GoodEnded, true), "{report}");
        assert_eq!(findings(&report), []);
        assert!(report.to_string().contains("\ngood, and ended: "), "{report}");
        let rule = report.rules.iter().find(|rule| rule.rule == "stream-live").unwrap();
        let why = "the stream has ended: EXT-X-ENDLIST";
        assert_eq!(rule.why_not_judged.as_deref(), Some(why));
        let report = ended(|answer| answer.set_header("access-control-allow-origin", None));
        assert_eq!((report.verdict, findings(&report)), (Verdict::NotGood, vec![("cors", FAIL)]));
    }
}

#[test]
fn segment_download_time() {
    let slow = format!("/source/{}.ts", FIRST + 10);
    assert_answer("segment-download-time", WARN, |answer| {
        if answer.is_segment(&slow) {
            answer.takes = Duration::from_millis(2100);
        }
    });
}

#[test]
fn program_date_time() {
    assert_answer("program-date-time", FAIL, |answer| {
        if answer.is_media() {
            answer.map_lines(|line| match line.contains("PROGRAM-DATE-TIME") {
                true => String::new(),
                false => line.to_owned(),
            });
        }
    });
}

#[test]
fn program_date_time_steady() {
    // The times of a segment, then of all of them, are off.
    assert_answer("program-date-time-steady", FAIL, |a| a.replace_in_media(":24.000Z", ":24.200Z"));
    assert_answer("program-date-time-steady", FAIL, |answer| {
        let zone = if answer.now > Duration::from_secs(9) { "000+01:00" } else { "000Z" };
        answer.replace_in_media("000Z", zone);
    });
}

#[test]
fn ts_packets() {
    let torn = format!("/source/{}.ts", FIRST + 10);
    assert_answer("ts-packets", FAIL, |answer| {
        if answer.is_segment(&torn) {
            answer.body.extend_from_slice(&[0x47; 100]);
        }
    });
}

#[test]
fn segment_tables() {
    let late = format!("/source/{}.ts", FIRST + 10);
    assert_answer("segment-tables", FAIL, |answer| {
        if answer.is_segment(&late) {
            // A packet of a stream that the tables, behind it, do not have.
            let packet = [&[0x47, 0x01, 0xfe, 0x10][..], &[0xff; 184]].concat();
            answer.body.splice(0..0, packet);
        }
    });
}

#[test]
fn segment_keyframe() {
    let recipe = Recipe { starts_with_idr: |n| n != 11, ..Recipe::default() };
    assert_stream("segment-keyframe", &recipe);
}

#[test]
fn parameter_sets() {
    assert_stream("parameter-sets", &Recipe { has_pps: |n| n != 11, ..Recipe::default() });
}

#[test]
fn continuity_counters() {
    let torn = format!("/source/{}.ts", FIRST + 10);
    assert_answer("continuity-counters", FAIL, |answer| {
        if answer.is_segment(&torn) {
            answer.body[188 * 7 + 3] ^= 4;
        }
    });
    // Every segment counts from 0, as if each was made by a muxer of its own.
    assert_answer("continuity-counters", FAIL, |answer| {
        if !answer.is_playlist() {
            let mut offsets = std::collections::BTreeMap::new();
            for packet in answer.body.chunks_exact_mut(188) {
                let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
                let offset = *offsets.entry(pid).or_insert(packet[3] & 0x0f);
                packet[3] = packet[3] & 0xf0 | packet[3].wrapping_sub(offset) & 0x0f;
            }
        }
    });
}

#[test]
fn timestamps_in_order() {
    let swapped_audio = |n| (n == 11).then_some(20);
    assert_stream("timestamps-in-order", &Recipe { swapped_audio, ..Recipe::default() });
}

#[test]
fn timestamps_continuous() {
    let audio_gap = |n| if n == 11 { 10 } else { 0 };
    assert_stream("timestamps-continuous", &Recipe { audio_gap, ..Recipe::default() });
}

#[test]
fn one_picture_that_stands_for_a_whole_segment_is_no_gap() {
    let is_still = |n| (9..12).contains(&n);
    let origin = Origin::new(&Recipe { is_still, ..Recipe::default() });
    let report = check(&origin, 20, &GOOD_PICTURES, |_| ());
    assert_eq!(findings(&report), [], "{report}");
}

#[test]
fn extinf_matches_media() {
    assert_answer("extinf-matches-media", FAIL, |answer| {
        if answer.is_media() {
            let line_of = |line: &str| match line {
                // With more than one date listed, they would be wrong as well.
                line if line.contains("PROGRAM-DATE-TIME") && !is_every_twelfth(line) => {
                    String::new()
                }
                "#EXTINF:2.000," => "#EXTINF:1.900,".to_owned(),
                line => line.to_owned(),
            };
            answer.map_lines(line_of);
        }
    });
}

#[test]
fn extinf_matches_media_in_sum() {
    // 25 ms each: less than a picture, but not for long.
    assert_answer("extinf-matches-media", FAIL, |a| a.replace_in_media(":2.000,", ":2.025,"));
}

/// Six segments of 2 s have one such date.
fn is_every_twelfth(date: &str) -> bool {
    let second: u32 = date[date.len() - 7..date.len() - 5].parse().expect("a date");
    second.is_multiple_of(12)
}

#[test]
fn av_offset() {
    assert_stream("av-offset", &Recipe { audio_delay: 54_000, ..Recipe::default() });
}

#[test]
fn clock_reference() {
    let torn = format!("/source/{}.ts", FIRST + 10);
    assert_answer("clock-reference", FAIL, |answer| {
        if answer.is_segment(&torn) {
            for packet in answer.body.chunks_exact_mut(188) {
                if packet[3] & 0x20 != 0 && packet[4] > 0 {
                    packet[5] &= !0x10;
                }
            }
        }
    });
}

#[test]
fn renditions_aligned() {
    let shifted = Recipe { pictures: |n| [48, 72][n % 2], ..Recipe::default() };
    let origin = Origin::of(&Recipe::default(), &shifted, 60);
    assert_finds("renditions-aligned", FAIL, &origin, &GOOD_PICTURES, |_| ());
}

#[test]
fn renditions_aligned_in_discontinuities_and_target_durations() {
    assert_answer("renditions-aligned", FAIL, |answer| {
        let uri = format!("/live/x/source/{}.ts", FIRST + 11);
        answer.replace_in_media(
            &format!("#EXTINF:2.000,\n{uri}"),
            &format!("#EXTINF:2.000,\n#EXT-X-DISCONTINUITY\n{uri}"),
        );
    });
    assert_answer("renditions-aligned", FAIL, |answer| {
        if answer.request.url.ends_with("small.m3u8") {
            answer.replace("TARGETDURATION:2", "TARGETDURATION:3");
        }
    });
}

#[test]
fn bandwidth() {
    assert_answer("bandwidth", FAIL, |answer| {
        answer.replace_in_multivariant(":BANDWIDTH=850000", ":BANDWIDTH=650000")
    });
    // It grew after the start: what counts is what is said now, but players have read the other.
    assert_answer("bandwidth", WARN, |answer| {
        if answer.now < Duration::from_secs(9) {
            answer.replace_in_multivariant(":BANDWIDTH=850000", ":BANDWIDTH=650000");
        }
    });
}

#[test]
fn average_bandwidth() {
    let origin = Origin::of(&Recipe::default(), &Recipe::default(), 60);
    let lower = |answer: &mut Answer<'_>| {
        answer.replace_in_multivariant("AVERAGE-BANDWIDTH=840000", "AVERAGE-BANDWIDTH=740000");
    };
    assert_finds("average-bandwidth", WARN, &origin, &GOOD_PICTURES, lower);
    let report = check(&origin, 70, &GOOD_PICTURES, lower);
    assert_eq!(findings(&report), [("average-bandwidth", FAIL)], "{report}");
}

#[test]
fn average_bandwidth_declared() {
    assert_answer("average-bandwidth-declared", FAIL, |answer| {
        answer.replace_in_multivariant("AVERAGE-BANDWIDTH=840000,", "");
    });
}

#[test]
fn codecs() {
    for (old, new) in [
        ("avc1.42c020", "avc1.64001f"),
        (",CODECS=\"avc1.640c0c,mp4a.40.2\"", ""),
        ("avc1.640c0c,mp4a.40.2", "avc1.640c0c"),
        ("avc1.640c0c,mp4a.40.2", "avc1.640c0c,mp4a.40.5"),
    ] {
        assert_answer("codecs", FAIL, |answer| answer.replace_in_multivariant(old, new));
    }
}

#[test]
fn resolution() {
    for (old, new) in [("192x144", "256x144"), (",RESOLUTION=640x480", "")] {
        assert_answer("resolution", FAIL, |answer| answer.replace_in_multivariant(old, new));
    }
}

#[test]
fn frame_rate() {
    let declare = |new: &'static str| {
        move |answer: &mut Answer<'_>| answer.replace_in_multivariant(",FRAME-RATE=30.000", new)
    };
    assert_answer("frame-rate", FAIL, declare(",FRAME-RATE=15.000"));
    assert_answer("frame-rate", FAIL, declare(""));
    assert_answer("frame-rate", WARN, declare(",FRAME-RATE=60.000"));
}

#[test]
fn independent_segments() {
    assert_answer("independent-segments", FAIL, |answer| {
        answer.replace_in_multivariant("#EXT-X-INDEPENDENT-SEGMENTS\n", "");
    });
}

#[test]
fn cellular_variant() {
    assert_answer("cellular-variant", WARN, |answer| {
        answer.replace_in_multivariant("BANDWIDTH=190000", "BANDWIDTH=400000");
    });
}

#[test]
fn picture_decodes() {
    let origin = Origin::new(&Recipe::default());
    let none = Decoded { pictures: 0, error: Some("no parameter sets".into()), ..GOOD_PICTURES };
    let flat = Decoded { luma_spread: 0.2, ..GOOD_PICTURES };
    let few = Decoded { pictures: 30, ..GOOD_PICTURES };
    for (decoded, outcome) in [(none, FAIL), (flat, FAIL), (few, WARN)] {
        assert_finds("picture-decodes", outcome, &origin, &decoded, |_| ());
    }
    let other = Decoded { undecodable: Some("10 bits a sample".into()), ..Decoded::default() };
    let report = check(&origin, 20, &other, |_| ());
    let rule = report.rules.iter().find(|rule| rule.rule == "picture-decodes").unwrap();
    assert_eq!(
        (rule.outcome, rule.why_not_judged.as_deref()),
        (Outcome::NotJudged, Some("10 bits a sample"))
    );
    // All but the decoder looked at it: it is not called bad, but not without a word.
    assert_eq!(findings(&report), [("segments-judged", WARN)], "{report}");
    assert!(report.good);
}
