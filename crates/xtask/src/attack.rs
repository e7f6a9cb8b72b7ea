//! `attack`: the suite of tests/attacks/ against the server, beside a healthy publisher and a
//! viewer.

use std::process::Command;

use crate::dist;
use crate::failure::Failure;
use crate::run::{cargo, find, foreground};
use crate::setup;
use crate::steps::Steps;

const SUITE: &str = "tests/attacks/run.py";
/// What the suite writes: logs, what attackers publish, and a line for each run.
const FOLDER: &str = "target/attacks";
/// As the tests have it: CI has built it when it comes here.
const TESTED_BINARY: &str = "target/ci/feathercast";

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Form {
    /// Every attack, four times each, judged by times too; about an hour and a half.
    Long,
    /// What holds on any machine, a few seconds each, judged by counts alone.
    Short,
    /// Which attacks there are.
    List,
}

pub(crate) fn run(
    steps: &mut Steps,
    form: &Form,
    seed: Option<u64>,
    names: &[String],
) -> Result<(), Failure> {
    setup::system(steps, setup::ATTACK)?;
    if *form == Form::List {
        return foreground(suite(TESTED_BINARY).arg("--list"));
    }
    let binary = match form {
        // Times are those of what is shipped.
        Form::Long => dist::build(steps)?.display().to_string(),
        Form::Short | Form::List => {
            steps.step("build", "the binary that is attacked (profile ci)", || {
                let options = ["build", "--locked", "--profile", "ci", "--package", "feathercast"];
                foreground(&mut cargo(options))
            })?;
            TESTED_BINARY.to_owned()
        }
    };
    attack(steps, form, seed, names, &binary)
}

/// The short form as a step of CI, behind the tests.
pub(crate) fn in_ci(steps: &mut Steps) -> Result<(), Failure> {
    attack(steps, &Form::Short, None, &[], TESTED_BINARY)
}

fn attack(
    steps: &mut Steps,
    form: &Form,
    seed: Option<u64>,
    names: &[String],
    binary: &str,
) -> Result<(), Failure> {
    let mut command = suite(binary);
    command.args((*form == Form::Short).then_some("--short"));
    command.args(seed.into_iter().flat_map(|seed| ["--seed".to_owned(), seed.to_string()]));
    command.args(names);
    steps
        .step("attack", "each beside a healthy publisher and a viewer", || foreground(&mut command))
}

fn suite(binary: &str) -> Command {
    let mut command = Command::new(find("python3").unwrap_or_else(|| "python3".into()));
    // -B: no compiled files in the folder of the sources.
    command.args(["-B", SUITE, "--binary", binary, "--folder", FOLDER]);
    command
}
