//! Several renditions at once, from presets and from a JSON file.

use std::process::{Command, Output};

use crate::support::publisher::Publisher;
use crate::support::recording::record_seconds;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::{ffmpeg, judge};
use crate::variants;

/// Publishes eight seconds of 720p with the given renditions configured; all of `expected` must be
/// right.
fn makes(renditions: &str, line: &str, expected: &[(&str, (u64, u64), usize)]) {
    let (server, scratch) = (Server::with(&["--renditions", renditions]), Scratch::new());
    let file = ffmpeg::encode(&scratch, line);
    let published = ffmpeg::probe(file.to_str().expect("UTF-8"));
    let publisher = Publisher::file(&server, "a", &file);
    let names: Vec<_> = expected.iter().map(|(name, ..)| *name).chain(["source"]).collect();
    let seconds = 8.0;
    let recordings = record_seconds(&server, "a", &names, seconds);
    publisher.succeed();
    let judged: Vec<_> =
        recordings.iter().map(|recording| judge::rendition(recording, &scratch)).collect();
    let (source, ladder) = judged.split_last().expect("source");
    judge::is_the_source(source, &published);
    for ((recording, seen), (name, size, nth)) in recordings.iter().zip(ladder).zip(expected) {
        let video = seen.whole.video.as_ref().expect("video");
        assert_eq!((video.width, video.height), *size, "{name}");
        judge::is_a_rendition_of(seen, source, *nth);
        judge::are_cut_together((recording, seen), (&recordings[names.len() - 1], source));
    }
    let made: Vec<_> = recordings.iter().zip(&judged).collect();
    variants::are_true(&server, "a", &made);
}

#[test]
fn three_presets_at_once() {
    let line = "-f lavfi -i testsrc2=size=854x480:rate=30:duration=8 -f lavfi -i sine=duration=8 -threads 1 -c:v libx264 \
        -preset ultrafast -g 60 -pix_fmt yuv420p -c:a aac";
    makes(
        "P360p30fps16x9,P144p30fps16x9,P240p30fps16x9",
        line,
        &[
            ("P144p30fps16x9", (256, 144), 1),
            ("P240p30fps16x9", (426, 240), 1),
            ("P360p30fps16x9", (640, 360), 1),
        ],
    );
}

#[test]
fn renditions_of_a_json_file() {
    let scratch = Scratch::new();
    let json = r#"[
        {"name": "tiny", "width": 160, "height": 90, "bitrate": 60000, "fps": 15, "profile": "H264Baseline", "gop": "2s"},
        {"name": "small", "width": 320, "height": 180, "bitrate": 200000, "fps": 0}
    ]"#;
    let file = scratch.write("renditions.json", json.as_bytes());
    let line = "-f lavfi -i testsrc2=size=640x360:rate=30:duration=8 -threads 1 -c:v libx264 -preset ultrafast -g 60 \
        -pix_fmt yuv420p";
    // The best of those that are light enough to begin with is listed first.
    makes(file.to_str().expect("UTF-8"), line, &[("small", (320, 180), 1), ("tiny", (160, 90), 2)]);
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_feathercast")).args(args).output().expect("feathercast runs")
}

#[test]
fn bad_usage_is_explained_and_exits_with_2() {
    let scratch = Scratch::new();
    let bad = scratch.write(
        "bad.json",
        br#"[{"name": "source", "width": 160, "height": 90, "bitrate": 60000, "fps": 15}]"#,
    );
    let table: [(&[&str], &[&str]); 6] = [
        (&["--renditions", "P999"], &["--renditions", "P999", "P144p30fps16x9", "P720p60fps16x9"]),
        (&["--renditions", bad.to_str().expect("UTF-8")], &["--renditions", "source"]),
        (&["--renditions", "missing.json"], &["--renditions", "missing.json"]),
        (&["--rtmp-addr", "nonsense:99999"], &["--rtmp-addr"]),
        (&["--segment-duration", "0"], &["--segment-duration"]),
        (&["--config", "missing.toml"], &["cannot read missing.toml"]),
    ];
    for (args, words) in table {
        let output = run(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        words.iter().for_each(|word| assert!(said.contains(word), "{word} in {said}"));
    }
}

#[test]
fn an_address_in_use_is_an_error_at_run_time() {
    let server = Server::start();
    let args = [
        ["--rtmp-addr", &server.rtmp.to_string()],
        ["--http-addr", &server.http.to_string()],
        ["--admin-addr", &server.admin.to_string()],
    ];
    let output = run(&args.concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&server.rtmp.to_string()), "{said}");
}

#[test]
fn flag_over_environment_over_file() {
    let scratch = Scratch::new();
    let file = scratch.write(
        "feathercast.toml",
        b"renditions = [\"P240p30fps16x9\"]\nmax_streams = 1\nlog_format = \"json\"\n",
    );
    let args = ["--config", file.to_str().expect("UTF-8"), "--current-manifest"];
    let server = Server::spawn(
        &args,
        &[("FEATHERCAST_LOG_FORMAT", "text"), ("FEATHERCAST_MAX_STREAMS", "2")],
    );
    server.wait_for_log(&[&server.rtmp.to_string()]);
    assert!(!server.log().starts_with('{'), "the environment's format: {}", server.log());
    let line = "-f lavfi -i testsrc2=size=640x360:rate=30:duration=4 -threads 1 -c:v libx264 -preset ultrafast -g 60 \
        -pix_fmt yuv420p";
    Publisher::file(&server, "a", &ffmpeg::encode(&scratch, line)).succeed();
    record_seconds(&server, "a", &["P240p30fps16x9"], 4.0);
}

#[test]
fn the_recipe_s_command_lines_are_understood() {
    for line in [
        &["-orchestrator", "-serviceAddr", "127.0.0.1:8936"][..],
        &["-transcoder", "-orchAddr", "127.0.0.1:8936"],
    ] {
        let output = run(line);
        let said = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success() && String::from_utf8_lossy(&said).contains("not needed"),
            "{line:?}"
        );
    }
}
