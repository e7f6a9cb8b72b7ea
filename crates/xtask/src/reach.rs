//! `reach`: what a viewer has on a slow link, in our page and in somebody else's.

use crate::failure::Failure;
use crate::run::{cargo, foreground};
use crate::setup;
use crate::steps::Steps;

pub(crate) fn run(steps: &mut Steps, minutes: u64) -> Result<(), Failure> {
    setup::system(steps, setup::BUILD_AND_TEST)?;
    setup::hls_js(steps)?;
    let what =
        format!("pages on links of 64, 128 and 256 kbit/s, all at once for {minutes} minutes");
    // Profile ci, as the tests: one C++ build.
    let bench = ["bench", "--locked", "--profile", "ci", "--package", "feathercast"];
    steps.step("reach", &what, || {
        let mut command = cargo(bench);
        command.args(["--bench", "reach", "--", "--minutes", &minutes.to_string()]);
        foreground(&mut command)
    })
}
