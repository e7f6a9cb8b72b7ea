//! `demo`: from a fresh machine to a stream one can watch.

use std::time::Duration;

use crate::background::{command, tethered};
use crate::dist;
use crate::failure::Failure;
use crate::run::foreground;
use crate::setup;
use crate::steps::Steps;

pub(crate) fn run(steps: &mut Steps, stay: Option<Duration>) -> Result<(), Failure> {
    setup::system(steps, setup::BUILD)?;
    let binary = steps.step("build", "feathercast, the quick way (profile demo)", || {
        dist::build_static("demo")
    })?;
    let mut words = [tethered(), vec![binary.display().to_string(), "demo".to_owned()]].concat();
    if let Some(time) = stay {
        words.extend(["--for".to_owned(), format!("{}s", time.as_secs())]);
    }
    println!("==> demo: {} demo", binary.display());
    foreground(&mut command(&words))
}
