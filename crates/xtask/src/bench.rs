//! `bench`: the figures of docs/performance.md. Nothing else should run on the machine meanwhile.

use std::process::Command;

use crate::dist;
use crate::failure::Failure;
use crate::run::{cargo, foreground};
use crate::setup;
use crate::steps::Steps;

pub(crate) fn run(steps: &mut Steps) -> Result<(), Failure> {
    setup::system(steps, setup::BUILD_AND_TEST)?;
    dist::build(steps)?;
    steps.step(
        "beside",
        "feathercast beside its peers: whole processes, about 15 minutes",
        || foreground(&mut bench(&["--package", "feathercast", "--bench", "side_by_side"])),
    )?;
    steps.step(
        "demand",
        "streams that somebody watches, and that nobody watches: about 30 minutes",
        || foreground(&mut bench(&["--package", "feathercast", "--bench", "on_demand"])),
    )?;
    steps.step("tls", "segments over plain connections and in TLS: about 2 minutes", || {
        foreground(&mut bench(&["--package", "feathercast", "--bench", "tls"]))
    })?;
    steps.step("decode", "every H.264 decoder and ffmpeg, as the binary has them", || {
        foreground(&mut bench_in("dist", &["--package", "codec", "--bench", "decode"]))
    })?;
    steps.step("quality", "our encoder and x264 at equal bytes: about 5 minutes", || {
        foreground(&mut bench(&["--package", "codec", "--bench", "quality"]))
    })?;
    steps.step("parts", "the pipeline and its parts (criterion)", || {
        foreground(&mut bench_in("dist", &["--package", "pipeline", "--bench", "pipeline"]))?;
        foreground(&mut bench_in("dist", &["--package", "rtmp", "--bench", "chunk_reader"]))
    })
}

/// What starts the binary of dist and measures that, or counts bytes: profile ci, as everything
/// that is not shipped.
fn bench(words: &[&str]) -> Command {
    bench_in("ci", words)
}

/// In dist for what is measured in the bench's own process: fat LTO decides how fast a decoder in
/// Rust is.
fn bench_in(profile: &str, words: &[&str]) -> Command {
    cargo([&["bench", "--locked", "--profile", profile], words].concat())
}
