//! End to end: the real binary over real sockets, Debian's ffmpeg as publisher and decoder.
//!
//! One test binary, so that it links once. Each test runs servers of its own, on addresses of its
//! own.
#![expect(clippy::print_stderr, reason = "a failed test shows the server's log")]

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod audio;
mod bad_input;
mod check;
mod checking;
mod choices;
mod cmaf;
mod codecs;
mod dashboard;
mod demo;
mod documents;
mod forward;
mod habits;
mod hls_http;
mod hooks;
mod install;
mod ladder;
mod lifecycle;
mod light;
mod log;
mod monitoring;
mod on_demand;
mod overload;
mod page;
mod players;
mod proxies;
mod publish;
mod publishers;
mod quality;
mod recipe;
mod reconnect;
mod security;
mod shapes;
mod sources;
mod tls;
mod undecodable;
mod variants;
