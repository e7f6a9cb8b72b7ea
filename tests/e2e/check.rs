//! `feathercast check`: nothing to find in what is good, and what is wrong with what is not.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::background::Background;
use crate::support::ffmpeg::ffmpeg;
use crate::support::nginx::Nginx;
use crate::support::program::Program;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::wait::eventually;

/// Scripts rely on these.
const RULES: [&str; 43] = [
    "reachable",
    "no-redirects",
    "content-type",
    "cors",
    "cache-control",
    "playlist-gzip",
    "playlist-syntax",
    "playlist-version",
    "target-duration-kept",
    "target-duration-constant",
    "media-sequence",
    "discontinuity-sequence",
    "live-window",
    "playlist-advances",
    "stream-live",
    "segment-download-time",
    "program-date-time",
    "program-date-time-steady",
    "ts-packets",
    "fragment-boxes",
    "segment-tables",
    "segment-keyframe",
    "parameter-sets",
    "continuity-counters",
    "timestamps-in-order",
    "timestamps-continuous",
    "extinf-matches-media",
    "av-offset",
    "clock-reference",
    "renditions-aligned",
    "bandwidth",
    "average-bandwidth",
    "average-bandwidth-declared",
    "codecs",
    "resolution",
    "frame-rate",
    "independent-segments",
    "cellular-variant",
    "picture-decodes",
    "segments-judged",
    "exoplayer-stuck-playlist",
    "hlsjs-codec-change",
    "avplayer-unchanged-playlist",
];

/// Small and cheap, to be published by ourselves.
const TEST_SIGNAL: &str = "publish test --size 320x180 --bitrate 300k";

fn run(line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_feathercast"));
    command.args(line.split_whitespace()).output().expect("feathercast runs")
}

/// Exit code and report.
fn check(url: &str, time: &str) -> (Option<i32>, Value) {
    let output = run(&format!("check {url} --for {time} --wait 0s --json"));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["good"] == true, output.status.success(), "{report:#}");
    let is_good = ["good", "good-ended"].contains(&report["verdict"].as_str().expect("a verdict"));
    assert_eq!(report["good"], is_good, "{report:#}");
    assert_eq!(names(&report), RULES);
    (output.status.code(), report)
}

fn rules(report: &Value) -> &[Value] {
    report["rules"].as_array().expect("rules")
}

fn names(report: &Value) -> Vec<&str> {
    rules(report).iter().map(|rule| rule["rule"].as_str().expect("a name")).collect()
}

/// The names of the rules with this outcome.
fn with_outcome<'a>(report: &'a Value, outcome: &str) -> Vec<&'a str> {
    let found = rules(report).iter().filter(|rule| rule["outcome"] == outcome);
    found.map(|rule| rule["rule"].as_str().expect("a name")).collect()
}

fn findings_of(report: &Value, name: &str) -> String {
    let rule = rules(report).iter().find(|rule| rule["rule"] == name).expect("a rule");
    rule["findings"].to_string()
}

/// The URL of a stream that the test signal is published to, once it lists both renditions.
fn published(server: &Server, name: &str) -> (Background, String) {
    let publisher = Background::feathercast(&format!("{TEST_SIGNAL} {}", server.url(name)));
    let path = format!("/stream/{name}.m3u8");
    eventually("both renditions", || {
        let playlist = server.get_when_there(&path);
        ["P144p30fps16x9.m3u8", "source.m3u8"]
            .iter()
            .all(|rendition| playlist.text().contains(rendition))
            .then_some(())
    });
    (publisher, format!("http://{}{path}", server.http))
}

#[test]
fn a_good_stream_is_good_until_its_publisher_stops() {
    let server = Server::with(&[]);
    let (publisher, url) = published(&server, "x");
    // Both containers, at the same time.
    let cmaf = format!("http://{}/stream/x/cmaf/index.m3u8", server.http);
    let [ts, cmaf] = std::thread::scope(|threads| {
        [&url, &cmaf].map(|url| threads.spawn(move || check(url, "8s"))).map(|check| {
            let (code, report) = check.join().expect("a report");
            assert_eq!((code, with_outcome(&report, "fail")), (Some(0), vec![]), "{report:#}");
            assert_eq!(with_outcome(&report, "warn"), Vec::<&str>::new(), "{report:#}");
            let renditions = report["renditions"].as_array().expect("renditions");
            for name in ["P144p30fps16x9", "P144p15fps16x9", "P90p10fps16x9", "audio", "source"] {
                assert!(renditions.contains(&name.into()), "{name} in {renditions:?}");
            }
            report
        })
    });
    let not_judged = |report| {
        let mut rules = with_outcome(report, "not-judged");
        // It may be filling yet.
        rules.retain(|rule| *rule != "live-window");
        rules
    };
    assert_eq!(not_judged(&ts), ["fragment-boxes"], "{ts:#}");
    let of_transport_streams =
        ["ts-packets", "segment-tables", "continuity-counters", "clock-reference"];
    assert_eq!(not_judged(&cmaf), of_transport_streams, "{cmaf:#}");
    let [ts, cmaf] = [&ts, &cmaf].map(|it| it["packaging_percent"].as_f64().expect("percent"));
    assert!(0.0 < cmaf && cmaf < ts, "{cmaf} and {ts} %");

    drop(publisher);
    server.wait_until_not_live("x");
    // It was killed: a slate stands in for it.
    let (code, report) = check(&url, "6s");
    assert_eq!((code, with_outcome(&report, "fail")), (Some(0), vec![]), "{report:#}");
    server.wait_for_state("x", "ended");
    let (code, report) = check(&url, "10s");
    assert_eq!((code, with_outcome(&report, "fail")), (Some(0), vec![]), "{report:#}");
    assert_eq!(report["verdict"], "good-ended", "{report:#}");
    assert!(with_outcome(&report, "not-judged").contains(&"stream-live"), "{report:#}");
}

#[test]
fn a_stream_that_is_just_starting_is_waited_for_and_ctrl_c_prints_what_there_is() {
    let (server, scratch) = (Server::with(&["--renditions", ""]), Scratch::new());
    let url = format!("http://{}/stream/x.m3u8", server.http);
    let report = scratch.file("report.txt");
    let mut command = Command::new(env!("CARGO_BIN_EXE_feathercast"));
    command.args(["check", &url, "--for", "300s", "--wait", "60s"]);
    command.stdout(std::fs::File::create(&report).expect("a file"));
    let mut check = Program::start(&mut command, "check", &scratch);
    let waits = format!("{url}: status 404 so far; waiting up to 60 s for the stream to start\n");
    eventually("the check to wait", || (check.said() == waits).then_some(()));
    let _publisher = Background::feathercast(&format!("{TEST_SIGNAL} {}", server.url("x")));
    // One was read where another is asked for.
    let asked_for = "feathercast_http_segment_requests_total";
    eventually("two segments to be fetched", || (server.metric(asked_for) >= 2.0).then_some(()));
    check.signal("INT");
    assert_eq!(check.finish().code(), Some(0));
    let report = std::fs::read_to_string(&report).expect("text");
    let last = report.lines().last().expect("a verdict");
    assert!(last.starts_with("good: ") && last.ends_with("when the check was stopped"), "{report}");
    assert_eq!(check.said(), waits, "told once");
}

#[test]
fn ctrl_c_ends_a_check_that_waits() {
    let (server, scratch) = (Server::with(&["--renditions", ""]), Scratch::new());
    let url = format!("http://{}/stream/x.m3u8", server.http);
    let mut command = Command::new(env!("CARGO_BIN_EXE_feathercast"));
    command.args(["check", &url, "--wait", "300s"]);
    let mut check = Program::start(&mut command, "check", &scratch);
    eventually("the check to wait", || check.said().contains("waiting up to 300 s").then_some(()));
    check.signal("INT");
    assert_eq!(check.finish().code(), Some(1));
}

#[test]
fn people_read_the_same_rules_without_colours_in_a_pipe() {
    let server = Server::with(&["--renditions", ""]);
    let _publisher = Background::feathercast(&format!("{TEST_SIGNAL} {}", server.url("x")));
    server.get_when_there("/stream/x/source.m3u8");
    let url = format!("http://{}/stream/x/source.m3u8", server.http);
    let output = run(&format!("check {url} --for 3s"));
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(0), "{text}");
    let headlines =
        text.lines().filter(|line| ["pass", "warn", "FAIL", "skip"].contains(&&line[..4]));
    let names: Vec<_> = headlines.filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(names, RULES);
    assert!(text.lines().last().is_some_and(|line| line.starts_with("good: ")), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn what_is_not_there_is_said_and_what_makes_no_sense_is_bad_usage() {
    let server = Server::with(&["--renditions", ""]);
    let (code, report) = check(&format!("http://{}/stream/nobody.m3u8", server.http), "5s");
    assert_eq!((code, with_outcome(&report, "fail")), (Some(1), vec!["reachable"]));
    assert!(findings_of(&report, "reachable").contains("status 404"), "{report:#}");
    assert_eq!(report["verdict"], "no-stream", "{report:#}");
    assert_eq!(report["no_stream"]["why"], "status 404", "{report:#}");
    let url = format!("http://{}/stream/nobody.m3u8", server.http);
    let said = run(&format!("check {url} --wait 0s"));
    assert_eq!(said.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&said.stdout),
        format!(
            "NO STREAM at {url}: status 404: no stream of that name is live: \
             is the name right, and is somebody publishing?\n"
        )
    );
    let rtmp = format!("http://{}/stream/x.m3u8", server.rtmp);
    assert_eq!(check(&rtmp, "5s").0, Some(1));
    for (line, words) in [
        ("check https://h/x.m3u8 --ca nowhere.pem", "--ca: cannot read nowhere.pem"),
        ("check x.m3u8", "x.m3u8"),
        ("check http://h/x.m3u8 --for soon", "--for \"soon\""),
        ("check", "<URL>"),
    ] {
        let output = run(line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(words), "{line}: {said}");
    }
}

#[test]
fn nginx_rtmp_is_told_what_it_leaves_out() {
    let nginx = Nginx::start("");
    let url = format!("rtmp://{}/live/x", nginx.rtmp);
    let _publisher = Background::feathercast(&format!("{TEST_SIGNAL} {url}"));
    let (code, report) = check(&nginx.playlist("/live/x.m3u8"), "6s");
    // Each segment's PAT and PMT have counter 0, and the first segment, still listed, is behind a
    // discontinuity that is not counted; the rest is how nginx comes.
    let expected = [
        "cors",
        "playlist-gzip",
        "discontinuity-sequence",
        "program-date-time",
        "continuity-counters",
    ];
    assert_eq!(with_outcome(&report, "fail"), expected, "{report:#}");
    assert_eq!((code, report["renditions"].to_string().as_str()), (Some(1), r#"["x"]"#));
    let counters = findings_of(&report, "continuity-counters");
    assert!(counters.contains("PID 0x0: counter 0 after 0 in the segment before"), "{counters}");
    assert_eq!(with_outcome(&report, "warn"), ["cache-control"]);
}

#[test]
fn case_12_check_over_a_real_server() {
    let nginx = Nginx::start(
        "types { application/vnd.apple.mpegurl m3u8; video/mp2t ts; video/mp4 mp4 m4s; } \
         add_header Access-Control-Allow-Origin *; \
         gzip on; gzip_min_length 1; gzip_types application/vnd.apple.mpegurl;",
    );
    let cases = testmedia::folder("cases/check").join(".");
    let copied = Command::new("cp").arg("-r").arg(cases).arg(nginx.folder()).status();
    assert!(copied.expect("cp runs").success());
    let none: &[&str] = &[];
    for (playlist, failed) in [
        ("ts/m.m3u8", none),
        ("br/m.m3u8", none),
        ("fmp4/m.m3u8", none),
        ("badfmp4/m.m3u8", &["fragment-boxes", "codecs", "segments-judged"]),
        ("aes/m.m3u8", &["segments-judged"]),
        ("grp/g.m3u8", &["reachable"]),
    ] {
        let (code, report) = check(&format!("http://{}/{playlist}", nginx.http), "3s");
        assert_eq!(with_outcome(&report, "fail"), failed, "{playlist}: {report:#}");
        assert_eq!(code, Some(i32::from(!failed.is_empty())), "{playlist}");
    }
}

#[test]
fn case_19_a_loop_of_files_of_other_sizes_and_rates_is_good_across_the_joints() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let make = |name: &str, size: &str, rate: u32| {
        let file = scratch.file(name);
        let line = format!(
            "-f lavfi -i testsrc2=size={size}:rate=25 -f lavfi -i sine=r={rate} -t 4 \
             -c:v libx264 -preset ultrafast -g 50 -c:a aac"
        );
        let path = file.to_str().expect("UTF-8").to_owned();
        let mut args: Vec<_> = line.split_whitespace().collect();
        args.push(&path);
        ffmpeg(&args);
        path
    };
    let (wide, tall) = (make("a.mp4", "320x180", 48_000), make("b.flv", "180x320", 44_100));
    let url = server.url("joined");
    let _publisher = Background::feathercast(&format!("publish {wide} {tall} {url} --loop"));
    let path = "/stream/joined.m3u8";
    eventually("both renditions", || {
        let playlist = server.get_when_there(path);
        playlist.text().contains("source.m3u8").then_some(())
    });
    let (code, report) = check(&format!("http://{}{path}", server.http), "14s");
    assert_eq!((code, with_outcome(&report, "fail")), (Some(0), vec![]), "{report:#}");
}

/// Writes HLS of 2 s into nginx's folder, in real time.
fn ffmpeg_hls(nginx: &Nginx, keyframe_interval: u32, flags: &str) -> Background {
    let line = format!(
        "-nostdin -v error -re -f lavfi -i testsrc2=size=320x180:rate=30 -f lavfi -i sine \
         -c:v libx264 -preset ultrafast -threads 1 -g {keyframe_interval} -c:a aac \
         -f hls -hls_time 2 -hls_list_size 6 -hls_flags {flags} x.m3u8"
    );
    let mut command = Command::new("ffmpeg");
    Background::start(command.current_dir(nginx.folder()).args(line.split_whitespace()))
}

#[test]
fn ffmpeg_is_told_what_it_leaves_out() {
    let nginx = Nginx::start("");
    let _ffmpeg = ffmpeg_hls(&nginx, 60, "delete_segments");
    let (code, report) = check(&nginx.playlist("/x.m3u8"), "6s");
    let failed = with_outcome(&report, "fail");
    assert_eq!((code, failed), (Some(1), vec!["cors", "playlist-gzip", "program-date-time"]));
}

#[test]
fn somebody_elses_good_stream_is_good() {
    let nginx = Nginx::start(
        "add_header Access-Control-Allow-Origin *; add_header Cache-Control max-age=1; \
         gzip on; gzip_min_length 1; gzip_types application/vnd.apple.mpegurl;",
    );
    let _ffmpeg = ffmpeg_hls(&nginx, 60, "delete_segments+program_date_time");
    let (code, report) = check(&nginx.playlist("/x.m3u8"), "6s");
    assert_eq!((code, with_outcome(&report, "fail")), (Some(0), vec![]), "{report:#}");
    assert_eq!(with_outcome(&report, "warn"), ["discontinuity-sequence"], "{report:#}");
}

#[test]
fn segments_that_start_without_a_keyframe_are_found() {
    let nginx = Nginx::start("");
    // A keyframe each 5 s, and a cut each 2 s.
    let _ffmpeg = ffmpeg_hls(&nginx, 150, "split_by_time");
    let (code, report) = check(&nginx.playlist("/x.m3u8"), "6s");
    let failed = with_outcome(&report, "fail");
    assert!(code == Some(1) && failed.contains(&"segment-keyframe"), "{report:#}");
}
