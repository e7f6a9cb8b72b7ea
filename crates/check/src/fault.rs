//! What is wrong with something that was read on regardless.

use crate::Limits;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line of a playlist, from 1, or the byte position in a segment, from 0.
    pub position: usize,
    /// What is wrong.
    pub what: String,
}

/// Faults in the order they were found: a bounded number with their text, all of them counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The first ones, [`Limits::max_faults`] at most.
    pub first: Vec<Fault>,
    /// How many there are.
    pub total: usize,
}

impl Faults {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    pub(crate) fn add(&mut self, position: usize, what: impl Into<String>) {
        self.total = self.total.saturating_add(1);
        if self.first.len() < Limits::DEFAULT.max_faults {
            self.first.push(Fault { position, what: what.into() });
        }
    }
}

/// Peer text for a message: [`Limits::max_excerpt_chars`] at most, none of which moves the cursor.
pub(crate) fn excerpt(text: &str) -> String {
    let max_chars = Limits::DEFAULT.max_excerpt_chars;
    let mut excerpt: String =
        text.chars().take(max_chars).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(max_chars).is_some() {
        excerpt.push('…');
    }
    excerpt
}
