//! `soak`: publishers and viewers that come and go, players that verify, memory that must stay
//! flat.

use crate::failure::Failure;
use crate::run::{cargo, foreground};
use crate::setup;
use crate::steps::Steps;

pub(crate) fn run(steps: &mut Steps, minutes: u64, seed: Option<u64>) -> Result<(), Failure> {
    setup::system(steps, setup::BUILD_AND_TEST)?;
    let what = format!(
        "three publishers cut at random, three players, four guests, two visitors by `check`, {minutes} minutes"
    );
    // Profile ci, as the tests: one C++ build.
    let bench = ["bench", "--locked", "--profile", "ci", "--package", "feathercast"];
    steps.step("soak", &what, || {
        let mut command = cargo(bench);
        command.args(["--bench", "soak", "--", "--minutes", &minutes.to_string()]);
        command.args(seed.into_iter().flat_map(|seed| ["--seed".to_owned(), seed.to_string()]));
        foreground(&mut command)
    })
}
