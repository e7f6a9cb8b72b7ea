//! `ci`: what must be green before anything is merged. `.ci/run` calls this and nothing else.

use std::process::Command;

use crate::failure::Failure;
use crate::run::{cargo, foreground, succeeds};
use crate::setup;
use crate::steps::Steps;
use crate::{attack, dist, fuzz, test};

/// Where no network is, some name servers take minutes to say so.
const DATABASE_WITHIN: &str = "60s";

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
    advisories(steps)?;
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
    attack::in_ci(steps)?;
    fuzz::smoke(steps)?;
    dist::run(steps)
}

/// Known vulnerabilities of what we depend on. The database comes from the network, so where there
/// is none the last lines say that this was not looked at.
fn advisories(steps: &mut Steps) -> Result<(), Failure> {
    let fetch = [DATABASE_WITHIN, "cargo", "deny", "fetch", "db"];
    if !succeeds(Command::new("timeout").args(fetch)) {
        steps.note(
            "not run: known vulnerabilities of dependencies (cargo deny check advisories), \
             whose database cannot be fetched from here"
                .to_owned(),
        );
        return Ok(());
    }
    steps.step("advisories", "no known vulnerability in what we depend on", || {
        let options = ["deny", "--locked", "--workspace", "--log-level", "error"];
        foreground(cargo(options).args(["check", "--disable-fetch", "advisories"]))
    })
}
