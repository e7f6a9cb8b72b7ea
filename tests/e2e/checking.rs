//! docs/checking.md, and `feathercast doctor`: its commands are run, and say what stands there.

use std::net::TcpListener;
use std::process::{Command, Output};

use crate::support::program::Program;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, addresses};

/// A command of the page, and what stands below it.
struct Example {
    command: String,
    said: Vec<String>,
}

/// The commands of the section with this title.
fn examples(title: &str) -> Vec<Example> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/checking.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let section = page.split("\n## ").find(|section| section.contains(title)).expect(title);
    let blocks = section.split("```\n").skip(1).step_by(2);
    let example = |block: &str| {
        let (command, said) = block.split_once('\n').expect("a command, and what it says");
        let command = command.strip_prefix("$ feathercast ").expect("a command of ours");
        Example { command: command.to_owned(), said: said.lines().map(str::to_owned).collect() }
    };
    blocks.map(example).collect()
}

/// Without its numbers, which are others each time.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    for character in line.chars() {
        match character {
            '0'..='9' | '.' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            other => shape.push(other),
        }
    }
    // Which it is depends on what else the machine does.
    shape.replace("# s behind real time", "in real time")
}

/// Every line of the page is said, in this order; `...` stands for any others.
fn assert_says(said: &str, example: &Example) {
    let mut lines = said.lines().map(shape);
    for expected in example.said.iter().filter(|line| *line != "...") {
        let is_there = lines.any(|line| line == shape(expected));
        assert!(is_there, "{expected}\nis not said by {}:\n{said}", example.command);
    }
}

/// What is looked at, of each line that is not about what to do.
fn subjects<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let is_headline =
        |line: &&str| ["OK  ", "WARN", "FAIL"].iter().any(|word| line.starts_with(word));
    lines.filter(is_headline).map(|line| line[5..17].trim().to_owned()).collect()
}

fn on(server: &Server, command: &str) -> String {
    let command = command.replace("rtmp://127.0.0.1/", &server.url(""));
    command.replace("127.0.0.1:8935", &server.http.to_string())
}

fn run(line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_feathercast"));
    command.args(line.split_whitespace()).output().expect("feathercast runs")
}

fn text(output: &Output) -> String {
    [&output.stderr[..], &output.stdout[..]].map(String::from_utf8_lossy).concat()
}

#[test]
fn what_checking_md_shows_of_publish_and_check_is_said() {
    let (server, scratch) = (Server::with(&[]), Scratch::new());
    let [publish] = &examples("`feathercast publish`")[..] else { panic!("one command") };
    let line = on(&server, publish.command.strip_suffix(" &").expect("in the background"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_feathercast"));
    let mut publisher = Program::start(command.args(line.split_whitespace()), "publish", &scratch);
    let [good, missing] = &examples("`feathercast check`")[..] else { panic!("two commands") };
    let output = run(&on(&server, &good.command));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_says(&text(&output), good);
    let output = run(&on(&server, &missing.command));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_says(&text(&output), missing);
    publisher.succeed();
    assert_says(&publisher.said(), publish);
}

#[test]
fn what_checking_md_shows_of_doctor_is_looked_at() {
    let [example] = &examples("`feathercast doctor`")[..] else { panic!("one command") };
    let mut command = Command::new(env!("CARGO_BIN_EXE_feathercast"));
    command.args(example.command.split_whitespace());
    // The machine may have other servers.
    for (variable, addr) in ["RTMP", "HTTP", "ADMIN"].iter().zip(addresses()) {
        command.env(format!("FEATHERCAST_{variable}_ADDR"), addr.to_string());
    }
    let output = command.output().expect("feathercast runs");
    let said = text(&output);
    let shown = subjects(example.said.iter().map(String::as_str));
    assert_eq!(subjects(said.lines()), shown, "{said}");
    // Nothing of what a machine of any size has fails.
    assert!(!said.contains("FAIL") && output.status.code() == Some(0), "{said}");
    assert!(said.contains("published to a server on loopback by RTMP, and watched by HLS: good"));
}

#[test]
fn doctor_says_who_has_a_port_and_ends_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = taken.local_addr().expect("its address");
    let output = run(&format!("doctor --renditions= --http-addr {addr} --rtmp-addr 127.0.0.1:0"));
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let process = std::process::id();
    let line = said.lines().find(|line| line.starts_with("FAIL http port")).expect(&said);
    assert!(line.contains(&format!("{addr} is taken by ")), "{line}");
    assert!(line.ends_with(&format!("(process {process})")), "{line}");
    assert!(said.contains("choose another address with --http-addr"), "{said}");
    assert!(said.lines().last().is_some_and(|line| line.starts_with("NOT READY: ")), "{said}");
    let bad = run("doctor --rtmp-addr 1935");
    assert_eq!(bad.status.code(), Some(2), "{}", text(&bad));
}
