//! The binary's edge: which source of a setting wins, what is said about bad ones, exit codes.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking too")]

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn run(args: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_feathercast"));
    command.args(args).envs(environment.iter().copied()).output().unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

/// An address that is taken, so that a server which is told to listen there says so and ends.
fn taken() -> (TcpListener, String) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    (listener, addr)
}

fn config_file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Runs, and checks the exit code and that these words were said.
fn ends(code: i32, words: &str, args: &[&str], environment: &[(&str, &str)]) {
    let output = run(args, environment);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", said(&output));
    assert!(said(&output).contains(words), "{args:?}: {}", said(&output));
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let [(_flag, flag), (_variable, variable), (_file, file)] = [taken(), taken(), taken()];
    let path = config_file("precedence.toml", &format!("rtmp_addr = \"{file}\"\n"));
    let path = path.to_str().unwrap();
    let fails = |addr: &str, args: &[&str], environment: &[(&str, &str)]| {
        ends(1, &format!("cannot listen on {addr}"), args, environment);
        ends(1, "choose another address with --rtmp-addr", args, environment);
    };
    let set = ("FEATHERCAST_RTMP_ADDR", &variable[..]);
    fails(&file, &["--config", path], &[]);
    fails(&variable, &["--config", path], &[set]);
    fails(&variable, &[], &[set, ("FEATHERCAST_CONFIG", path)]);
    fails(&flag, &["serve", "--config", path, "--rtmp-addr", &flag], &[set]);
}

#[test]
fn bad_usage_is_exit_code_2_and_names_the_option() {
    let file = config_file("unknown.toml", "rtmp_port = 1\n");
    ends(2, "--rtmp-adr", &["--rtmp-adr", ":1"], &[]);
    ends(2, "--max-streams", &["--max-streams", "many"], &[]);
    ends(2, "FEATHERCAST_MAX_STREAMS=\"0\"", &[], &[("FEATHERCAST_MAX_STREAMS", "0")]);
    ends(2, "FEATHERCAST_RTMP_ADDR", &[], &[("FEATHERCAST_RTMP_ADR", ":1")]);
    ends(2, "did you mean :1935?", &["--rtmp-addr", "1935"], &[]);
    ends(2, "P144p25fps16x9", &["--renditions", "P144p30fps16x9,P1"], &[]);
    ends(2, "rtmp_port", &["--config", file.to_str().unwrap()], &[]);
    ends(2, "/nowhere.toml", &["--config", "/nowhere.toml"], &[]);
    ends(2, "--publish-key", &["-broadcaster", "-authWebhookUrl", "http://x"], &[]);
}

#[test]
fn config_check_says_all_that_is_wrong_with_file_environment_and_flags() {
    let good = config_file("good.toml", "segment_duration = 2\n");
    let good = good.to_str().unwrap();
    let text = "rtmp_addr = 0.0.0.0:1935\nmax_stream = 1\nmax_streams = 0\n";
    let bad = config_file("bad.toml", text);
    let bad = bad.to_str().unwrap();
    let variable = [("FEATHERCAST_MEMORY", "1")];
    ends(0, "good: every setting is the default", &["config", "check"], &[]);
    ends(0, &format!("1 from {good}"), &["config", "check", good], &[]);
    ends(0, "1 from flags", &["config", "check", "--config", good, "-v"], &[]);
    ends(0, &format!("1 from {good}"), &["config", "check"], &[("FEATHERCAST_CONFIG", good)]);
    ends(2, "cannot be used with", &["config", "check", good, "--config", good], &[]);
    ends(0, "1 from flags", &["config", "check", good, "-v"], &[("FEATHERCAST_CONFIG", bad)]);
    ends(0, "good", &["config", "check"], &[("FEATHERCAST_CONFIG", "")]);
    ends(2, "cannot read /nowhere.toml", &["config", "check", "/nowhere.toml"], &[]);
    for words in [
        &format!("error: {bad}:1: rtmp_addr: put it in quotes\n")[..],
        &format!(
            "error: {bad}:2: no setting is called \"max_stream\"; the nearest is max_streams\n"
        ),
        &format!("error: {bad}:3: max_streams = 0: write a number from 1 to 10000\n"),
        "error: FEATHERCAST_MEMORY=\"1\": write a size",
        "error: --log-format \"xml\": write text or json\n",
    ] {
        ends(2, words, &["config", "check", bad, "--log-format", "xml"], &variable);
        ends(2, words, &["config", "print", bad, "--log-format", "xml"], &variable);
        ends(2, words, &["serve", "--config", bad, "--log-format", "xml"], &variable);
    }
}

#[test]
fn config_print_prints_a_file_that_is_read_as_the_same() {
    let file = config_file("print.toml", "segment_duration = 3\nkeys = { cam = 'hunter2' }\n");
    let file = file.to_str().unwrap();
    let variables = [("FEATHERCAST_MAX_STREAMS", "7"), ("FEATHERCAST_PUBLISH_KEY", "hunter2")];
    let first = run(&["config", "print", file, "--http-addr", ":80"], &variables);
    let first = String::from_utf8_lossy(&first.stdout).into_owned();
    assert!(first.contains(&format!("segment_duration = \"3\" # {file}:1\n")), "{first}");
    assert!(first.contains("max_streams = 7 # FEATHERCAST_MAX_STREAMS\n"), "{first}");
    assert!(first.contains("http_addr = \":80\" # --http-addr\n"), "{first}");
    assert!(first.contains("\"cam\" = \"sha256:") && !first.contains("hunter2"), "{first}");
    let printed = config_file("printed.toml", &first);
    let second = run(&["config", "print", printed.to_str().unwrap()], &[]);
    let second = String::from_utf8_lossy(&second.stdout).into_owned();
    let settings = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(" # ").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(settings(&first), settings(&second));
}

#[test]
fn version_help_and_the_recipes_other_processes_are_exit_code_0() {
    let version = format!("feathercast {}\n", env!("CARGO_PKG_VERSION"));
    let runs: [(&[&str], &str); 5] = [
        (&["--version"], &version),
        (&["-version"], &version),
        (&["--help"], "FEATHERCAST_RTMP_ADDR"),
        (
            &[
                "-orchestrator",
                "-serviceAddr",
                "127.0.0.1:8936",
                "-orchSecret",
                "hunter2",
                "-v",
                "99",
            ],
            "not needed any more",
        ),
        (
            &["-transcoder", "-orchAddr", "127.0.0.1:8936", "-orchSecret", "hunter2"],
            "not needed any more",
        ),
    ];
    for (args, expected) in runs {
        let output = run(args, &[]);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        let words = String::from_utf8_lossy(&output.stdout);
        assert!(words.contains(expected) && !words.contains("hunter2"), "{args:?}: {words}");
    }
}

#[test]
fn keys_are_in_no_message() {
    let environment =
        [("FEATHERCAST_PUBLISH_KEY", "hunter2"), ("FEATHERCAST_KEYS", "cam=hunter2,/=hunter2")];
    for args in [&["--help"][..], &["--max-streams", "x"], &[]] {
        assert!(!said(&run(args, &environment)).contains("hunter2"), "{args:?}");
    }
    assert!(!said(&run(&["--keys", "hunter2"], &[])).contains("hunter2"));
}
