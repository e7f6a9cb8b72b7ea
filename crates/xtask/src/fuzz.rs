//! `fuzz`: the targets of fuzz/, for as long as one likes; and the short run of all of them in CI.

use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::run::{cargo, foreground, quietly, stdout_of};
use crate::setup;
use crate::steps::Steps;

const TARGETS: &str = "fuzz/fuzz_targets";
/// libFuzzer's limits of a smoke run: enough to see that a target builds, starts and holds on its seeds and what is
/// near them. The same inputs each time, so that a change is judged by what it changed; `xtask fuzz` looks for new ones.
const SMOKE: [&str; 3] = ["-runs=20000", "-max_total_time=8", "-seed=1"];

pub(crate) fn run(steps: &mut Steps, target: Option<&str>, seconds: u64) -> Result<(), Failure> {
    let known = targets(Path::new(TARGETS))?;
    let chosen = match target {
        None => known,
        Some(name) if known.iter().any(|other| other == name) => vec![name.to_owned()],
        Some(name) => {
            return Err(format!(
                "there is no fuzz target '{name}', there are: {}",
                known.join(", ")
            )
            .into());
        }
    };
    let limit = format!("-max_total_time={seconds}");
    build(steps)?;
    steps.step("fuzz", &chosen.join(", "), || {
        chosen.iter().try_for_each(|target| foreground(&mut fuzz(target, &[&limit])?))
    })
}

/// Builds and runs every target for a few seconds.
pub(crate) fn smoke(steps: &mut Steps) -> Result<(), Failure> {
    let targets = targets(Path::new(TARGETS))?;
    build(steps)?;
    let what = format!("{} targets, each with {}", targets.len(), SMOKE.join(" "));
    steps.step("fuzz smoke", &what, || {
        // libFuzzer has much to say, of interest only when it finds something.
        targets.iter().try_for_each(|target| quietly(&mut fuzz(target, &SMOKE)?))
    })
}

fn build(steps: &mut Steps) -> Result<(), Failure> {
    setup::system(steps, setup::BUILD)?;
    setup::cargo_tool(steps, setup::CARGO_FUZZ)?;
    steps.step("fuzz build", "all targets, with the address sanitizer", || {
        foreground(&mut cargo_fuzz("build")?)
    })
}

/// The command that fuzzes `target` until the first of `limits`.
fn fuzz(target: &str, limits: &[&str]) -> Result<Command, Failure> {
    let corpus = format!("fuzz/corpus/{target}");
    std::fs::create_dir_all(&corpus).map_err(|error| format!("cannot make {corpus}: {error}"))?;
    let mut command = cargo_fuzz("run")?;
    command.args([target, &corpus]);
    // What is found goes to the corpus; the seeds are read only.
    let seeds = format!("fuzz/seeds/{target}");
    if Path::new(&seeds).is_dir() {
        command.arg(&seeds);
    }
    if links_codec(target) {
        // openh264 defines one symbol twice, which the sanitizer takes for a mistake of ours.
        command.env("ASAN_OPTIONS", "detect_odr_violation=0");
    }
    command.arg("--").args(limits);
    Ok(command)
}

/// `cargo fuzz <subcommand>`; the sanitizer is a nightly option, which a stable compiler takes when told so.
fn cargo_fuzz(subcommand: &str) -> Result<Command, Failure> {
    let mut command = cargo(["fuzz", subcommand]);
    if !stdout_of(&mut cargo(["-V"]))?.contains("nightly") {
        command.env("RUSTC_BOOTSTRAP", "1");
    }
    Ok(command)
}

/// The pipeline's targets bring the codecs with them; those of the formats do not.
fn links_codec(target: &str) -> bool {
    target.starts_with("pipeline_") || target.starts_with("codec_")
}

/// The names of all targets, in order.
fn targets(folder: &Path) -> Result<Vec<String>, Failure> {
    let files = std::fs::read_dir(folder)
        .map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut names: Vec<String> = files
        .filter_map(|file| {
            file.ok()?.file_name().into_string().ok()?.strip_suffix(".rs").map(str::to_owned)
        })
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    /// cargo finds a fuzz target only by its `[[bin]]`, and a forgotten one would never be run.
    #[test]
    fn every_target_is_in_the_manifest() {
        let manifest = std::fs::read_to_string(workspace::root().join("fuzz/Cargo.toml")).unwrap();
        let mut named: Vec<&str> = manifest
            .lines()
            .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
            .collect();
        named.sort_unstable();
        assert_eq!(targets(&workspace::root().join(TARGETS)).unwrap(), named);
    }

    #[test]
    fn only_the_pipeline_links_codecs() {
        assert!(links_codec("pipeline_stream"));
        assert!(!links_codec("flv_video"));
    }
}
