//! `fuzz`: the targets of fuzz/, for as long as one likes; and the short run of all of them in CI.

use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::failure::Failure;
use crate::run::{cargo, foreground, into_file, quietly, stdout_of};
use crate::setup;
use crate::steps::Steps;
use crate::workspace;

const TARGETS: &str = "fuzz/fuzz_targets";
/// What a run came to, a page of it.
const SUMMARY: &str = "target/xtask/fuzz-summary.md";
/// libFuzzer's limits of a smoke run: enough to see that a target builds, starts and holds on its
/// seeds and what is near them. The same inputs each time, so that a change is judged by what it
/// changed; `xtask fuzz` looks for new ones.
const SMOKE: [&str; 3] = ["-runs=20000", "-max_total_time=8", "-seed=1"];

/// What an input of some KiB may cost in any run: seconds, which are many under the sanitizer, and
/// MiB in one allocation; a decoder takes 128 of them at most.
const COST: [&str; 2] = ["-timeout=20", "-malloc_limit_mb=256"];

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
    let summary = Mutex::new(Summary::begin(seconds)?);
    steps.step("fuzz", &chosen.join(", "), || {
        println!("{}", Summary::HEADING);
        several_at_once(&chosen, |target| {
            let log = workspace::scratch().join(format!("fuzz-{target}.log"));
            let outcome = into_file(&mut fuzz(target, &[&limit, "-print_final_stats=1"])?, &log);
            let told = std::fs::read_to_string(&log).unwrap_or_default();
            let row = Fuzzed::read(&told).map_or_else(
                || format!("| {target} | stopped | | | |"),
                |fuzzed| fuzzed.row(target),
            );
            println!("{row}");
            summary.lock().unwrap_or_else(PoisonError::into_inner).add(&row)?;
            outcome
        })
    })?;
    steps.note(format!("the summary is in {SUMMARY}"));
    Ok(())
}

/// The page of one run: a line for each target.
struct Summary(String);

impl Summary {
    const HEADING: &str = "| Target | Executions | Edges covered | Inputs kept | Executions a second |\n|---|---|---|---|---|";

    fn begin(seconds: u64) -> Result<Self, Failure> {
        let targets = format!("Each target for {seconds} s, with the address sanitizer.");
        let summary = Self(format!("{targets}\n\n{}\n", Self::HEADING));
        summary.write()?;
        Ok(summary)
    }

    /// Adds a line. It is on the disk at once: a run of hours may be stopped at any time.
    fn add(&mut self, row: &str) -> Result<(), Failure> {
        self.0.push_str(row);
        self.0.push('\n');
        self.write()
    }

    fn write(&self) -> Result<(), Failure> {
        std::fs::create_dir_all(workspace::scratch())
            .and_then(|()| std::fs::write(SUMMARY, &self.0))
            .map_err(|error| format!("cannot write {SUMMARY}: {error}").into())
    }
}

/// What libFuzzer says of a run that found nothing.
#[derive(Debug, PartialEq)]
struct Fuzzed {
    executions: u64,
    /// Edges of the program's control flow that some input went along.
    edges: u64,
    /// Inputs that are kept, each of which did something that no other did.
    inputs: u64,
    executions_per_second: u64,
}

impl Fuzzed {
    /// Reads its last status line, `#5000 DONE cov: 310 ft: 900 corp: 80/3Kb ... exec/s: 2500 ...`.
    fn read(log: &str) -> Option<Self> {
        let line = log.lines().rev().find(|line| line.contains("DONE"))?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let behind = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1)?.split('/').next()?.parse().ok()
        };
        Some(Self {
            executions: words.first()?.strip_prefix('#')?.parse().ok()?,
            // A target without instrumented code has none.
            edges: behind("cov:").unwrap_or(0),
            inputs: behind("corp:")?,
            executions_per_second: behind("exec/s:")?,
        })
    }

    fn row(&self, target: &str) -> String {
        let Self { executions, edges, inputs, executions_per_second } = self;
        format!("| {target} | {executions} | {edges} | {inputs} | {executions_per_second} |")
    }
}

/// Builds and runs every target for a few seconds.
pub(crate) fn smoke(steps: &mut Steps) -> Result<(), Failure> {
    let targets = targets(Path::new(TARGETS))?;
    build(steps)?;
    let what = format!("{} targets, each with {}", targets.len(), SMOKE.join(" "));
    steps.step("fuzz smoke", &what, || {
        // libFuzzer has much to say, of interest only when it finds something.
        several_at_once(&targets, |target| quietly(&mut fuzz(target, &SMOKE)?))
    })
}

/// Does it to every target in turn, to as many at once as there are processors, as each fuzzes on
/// one. None begins behind a failure.
fn several_at_once(
    targets: &[String],
    work: impl Fn(&str) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let left = Mutex::new(targets.iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || {
        while let Some(target) = next() {
            if let Err(failure) = work(target) {
                while next().is_some() {}
                return Err(failure);
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|it| it.join().expect("a worker that does not panic"))
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
    command.arg("--").args(COST).args(limits);
    Ok(command)
}

/// `cargo fuzz <subcommand>`; the sanitizer is a nightly option, which a stable compiler takes when
/// told so.
fn cargo_fuzz(subcommand: &str) -> Result<Command, Failure> {
    let mut command = cargo(["fuzz", subcommand]);
    if !stdout_of(&mut cargo(["-V"]))?.contains("nightly") {
        command.env("RUSTC_BOOTSTRAP", "1");
    }
    Ok(command)
}

/// The pipeline's targets, and those above it, bring the codecs with them; those of the formats do
/// not.
fn links_codec(target: &str) -> bool {
    ["cli_", "codec_", "pipeline_", "server_"].iter().any(|above| target.starts_with(above))
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
    fn the_last_status_line_is_read() {
        let log = "\
INFO: Seed: 1
#2\tINITED cov: 100 ft: 120 corp: 1/1b exec/s: 0 rss: 40Mb
#4096\tpulse  cov: 310 ft: 900 corp: 80/3Kb lim: 43 exec/s: 2048 rss: 41Mb
#5000\tDONE   cov: 312 ft: 905 corp: 81/3Kb lim: 48 exec/s: 2500 rss: 41Mb
Done 5000 runs in 2 second(s)
stat::number_of_executed_units: 5000
";
        let fuzzed = Fuzzed::read(log).unwrap();
        let expected =
            Fuzzed { executions: 5000, edges: 312, inputs: 81, executions_per_second: 2500 };
        assert_eq!(fuzzed, expected);
        assert_eq!(fuzzed.row("a"), "| a | 5000 | 312 | 81 | 2500 |");
        assert_eq!(Fuzzed::read("==1==ERROR: AddressSanitizer"), None);
    }

    #[test]
    fn every_target_has_its_turn_and_none_begins_behind_a_failure() {
        let targets: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let done = Mutex::new(Vec::new());
        let note = |target: &str| done.lock().unwrap().push(target.to_owned());
        let all = several_at_once(&targets, |target| {
            note(target);
            Ok(())
        });
        assert!(all.is_ok());
        let mut names = std::mem::take(&mut *done.lock().unwrap());
        names.sort_by_key(|name| name.parse::<u32>().unwrap());
        assert_eq!(names, targets);
        let failed = several_at_once(&targets, |target| {
            note(target);
            Err(target.into())
        });
        assert!(failed.is_err());
        let begun = done.lock().unwrap().len();
        assert!(begun <= thread::available_parallelism().unwrap().get(), "{begun} began");
    }

    #[test]
    fn only_the_pipeline_links_codecs() {
        assert!(links_codec("pipeline_stream"));
        assert!(!links_codec("flv_video"));
    }
}
