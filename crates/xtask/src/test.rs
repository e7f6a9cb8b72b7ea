//! `test`: everything that needs no person to look at it.

use crate::failure::Failure;
use crate::not_run::NotRun;
use crate::run::{cargo, foreground};
use crate::setup;
use crate::steps::Steps;

pub(crate) fn run(steps: &mut Steps) -> Result<(), Failure> {
    setup::system(steps, setup::BUILD_AND_TEST)?;
    setup::cargo_tool(steps, setup::CARGO_NEXTEST)?;
    setup::hls_js(steps)?;
    steps.step("build", "the binary that the end-to-end tests run (profile ci)", || {
        foreground(&mut cargo(["build", "--locked", "--profile", "ci", "--package", "feathercast"]))
    })?;
    let not_run = NotRun::begin()?;
    let outcome = steps.step("tests", "cargo nextest, profile ci", || {
        let options = ["nextest", "run", "--locked", "--cargo-profile", "ci", "--workspace"];
        foreground(not_run.of(&mut cargo(options)))
    });
    if let Some(line) = not_run.line()? {
        steps.note(line);
    }
    outcome?;
    steps.step("doc tests", "the examples in the documentation", || {
        foreground(&mut cargo([
            "test",
            "--doc",
            "--locked",
            "--profile",
            "ci",
            "--workspace",
            "--quiet",
        ]))
    })
}
