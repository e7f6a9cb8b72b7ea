//! What is odd in a file but does not keep it from being played.

use crate::Limits;

/// Lines to show; each once, and not too many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Warnings {
    lines: Vec<String>,
}

impl Warnings {
    pub(crate) fn add(&mut self, line: String) {
        if self.lines.len() < Limits::DEFAULT.max_warnings && !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }

    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }
}
