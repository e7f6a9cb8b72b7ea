//! What the tests did without: files that the repository may not carry.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::Failure;
use crate::workspace;

/// Tells the tests where to write. The crate testmedia adds a line for each file that a test goes
/// on without: its name, a tab, the name of the test.
const VARIABLE: &str = "FEATHERCAST_NOT_RUN";

/// The notes of one run of the tests.
pub(crate) struct NotRun {
    notes: PathBuf,
}

impl NotRun {
    /// Begins a run: what an earlier one has noted is gone.
    pub(crate) fn begin() -> Result<Self, Failure> {
        let folder = workspace::scratch();
        let notes = folder.join("not-run.tsv");
        let told = |error| format!("cannot empty {}: {error}", notes.display());
        std::fs::create_dir_all(&folder).map_err(told)?;
        std::fs::write(&notes, "").map_err(told)?;
        Ok(Self { notes })
    }

    /// Lets the tests of this command write them.
    pub(crate) fn of<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(VARIABLE, &self.notes)
    }

    /// One line for people, if a test did without anything.
    pub(crate) fn line(&self) -> Result<Option<String>, Failure> {
        let notes = std::fs::read_to_string(&self.notes)
            .map_err(|error| format!("cannot read {}: {error}", self.notes.display()))?;
        Ok(line(&notes))
    }
}

fn line(notes: &str) -> Option<String> {
    let lines: Vec<_> = notes.lines().filter_map(|line| line.split_once('\t')).collect();
    let files: BTreeSet<_> = lines.iter().map(|(file, _)| file).collect();
    let tests: BTreeSet<_> = lines.iter().map(|(_, test)| test).collect();
    if tests.is_empty() {
        return None;
    }
    Some(format!(
        "not run: what {} tests do with {} recordings and conformance vectors that the repository may not carry \
         (tests/media/MANIFEST.md says where they are looked for)",
        tests.len(),
        files.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn each_test_and_each_file_counts_once() {
        assert_eq!(line(""), None);
        let told =
            line("h264/a.264\tcodec vectors\nh264/b.264\tcodec vectors\nh264/b.264\tflv tags\n");
        assert!(
            told.is_some_and(|told| told.starts_with("not run: what 2 tests do with 2 recordings"))
        );
    }
}
