//! What the run went without.

use std::fs::OpenOptions;
use std::io::Write;

/// Names the file in which `cargo xtask test` counts: a line for each file that a test did without.
const NOTES: &str = "FEATHERCAST_NOT_RUN";

/// Says so in the output of the test, and writes it down for who runs all tests.
#[expect(clippy::print_stderr, reason = "nothing is left out silently")]
pub(crate) fn note(name: &str) {
    eprintln!("not on this machine, so not tested: {name} (tests/media/MANIFEST.md)");
    let Some(path) = std::env::var_os(NOTES) else { return };
    // Each test is a process of its own. One write of a short line, appended, stays one line.
    let line = format!("{name}\t{}\n", test());
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = written {
        panic!("{NOTES}={}: {error}", path.display());
    }
}

/// The name of the test that runs.
fn test() -> String {
    let of_nextest = std::env::var("NEXTEST_BINARY_ID")
        .and_then(|binary| Ok(format!("{binary} {}", std::env::var("NEXTEST_TEST_NAME")?)));
    of_nextest.unwrap_or_else(|_| {
        std::thread::current().name().unwrap_or("a thread without a name").to_owned()
    })
}
