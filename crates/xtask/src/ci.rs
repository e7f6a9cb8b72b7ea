//! `ci`: what must be green before anything is merged. `.ci/run` calls this and nothing else.

use crate::failure::Failure;
use crate::run::{cargo, foreground};
use crate::setup;
use crate::steps::Steps;
use crate::{dist, fuzz, test};

pub(crate) fn run(steps: &mut Steps) -> Result<(), Failure> {
    setup::system(steps, setup::BUILD_AND_TEST)?;
    setup::rust_components(steps)?;
    setup::cargo_tool(steps, setup::CARGO_DENY)?;

    steps.step("fmt", "`cargo fmt --all` and in fuzz/ repair what this finds", || {
        foreground(&mut cargo(["fmt", "--all", "--check"]))?;
        foreground(&mut cargo(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))
    })?;
    steps.step("deny", "licences, layers and sources by deny.toml", || {
        // --workspace: or it would look at nothing but what the root package depends on.
        let options = ["deny", "--locked", "--workspace", "--log-level", "error"];
        foreground(cargo(options).args(["check", "licenses", "bans", "sources"]))
    })?;
    // With the profile of the tests, so that the C++ is built once.
    steps.step("clippy", "no warnings", || {
        foreground(
            cargo([
                "clippy",
                "--locked",
                "--profile",
                "ci",
                "--workspace",
                "--all-targets",
                "--quiet",
            ])
            .args(["--", "-D", "warnings"]),
        )
    })?;
    test::run(steps)?;
    fuzz::smoke(steps)?;
    dist::run(steps)
}
