//! Pages of docs/, whose commands are run as a reader runs them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::scratch::Scratch;

/// The folder of the repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A page.
pub(crate) struct Document {
    path: &'static str,
    text: String,
}

impl Document {
    pub(crate) fn read(path: &'static str) -> Self {
        let text = fs::read_to_string(Path::new(ROOT).join(path)).expect(path);
        Self { path, text }
    }

    /// What stands in fences of a language, such as `sh`.
    pub(crate) fn blocks(&self, language: &str) -> Vec<&str> {
        let fence = format!("\n```{language}\n");
        let blocks = self.text.split(&fence).skip(1);
        let blocks: Vec<_> =
            blocks.map(|rest| rest.split_once("\n```").expect("the fence's end").0).collect();
        assert!(!blocks.is_empty(), "{}: no {language}", self.path);
        blocks
    }

    /// What stands in the first column of the table with this heading over it.
    pub(crate) fn first_cells(&self, heading: &str) -> Vec<&str> {
        let (_, table) = self.text.split_once(&format!("\n| {heading} |")).expect("a table");
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        rows.filter_map(|row| row.split('|').nth(1)).map(str::trim).collect()
    }

    /// Its commands, in order, each in one line.
    pub(crate) fn commands(&self) -> Vec<String> {
        let blocks = self.blocks("sh").join("\n").replace("\\\n", " ");
        blocks.lines().map(str::to_owned).collect()
    }
}

/// Runs a line as a shell does in which `feathercast` is the binary under test, in a folder. It has
/// to end well.
pub(crate) fn shell(line: &str, folder: &Scratch) -> Output {
    let output = command(line, folder).output().expect("sh(1)");
    assert!(output.status.success(), "{line}: {output:?}");
    output
}

/// The same, to be started.
pub(crate) fn command(line: &str, folder: &Scratch) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_feathercast")).parent().expect("a folder");
    let path = std::env::var("PATH").expect("PATH");
    let line = line.replace("benches/", &format!("{ROOT}/benches/"));
    let mut command = Command::new("sh");
    // It becomes the program, so that who ends it ends that.
    command.arg("-c").arg(line).current_dir(folder.path()).stdin(Stdio::null());
    command.env("PATH", format!("{}:{path}", binary.display()));
    command
}
