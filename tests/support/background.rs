//! Programs that run beside a test.

use std::process::{Child, Command, Stdio};

/// A running program, silent; killed when dropped.
pub(crate) struct Background(Child);

impl Background {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self(child)
    }

    /// The binary under test, with a line of arguments (split at blanks).
    pub(crate) fn feathercast(line: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_feathercast"));
        Self::start(command.args(line.split_whitespace()))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
