//! What there is to say about a file while it is read.

use std::fmt;

use crate::{Error, Limits};

/// What becomes of a file in which something is damaged, or cannot be carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFault {
    /// The part that is concerned is left out and named; what is whole is played.
    #[default]
    LeaveOut,
    /// The first fault ends it.
    Refuse,
}

/// Something to say about a file. Prints as one line.
#[derive(Debug)]
pub enum Note {
    /// It is odd, and costs nothing.
    Odd(String),
    /// A part is left out, and why.
    LeftOut(Error),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Odd(line) => f.write_str(line),
            Self::LeftOut(why) => write!(f, "left out: {why}"),
        }
    }
}

/// Notes in the order they came: each once, a bounded number, what is left out counted.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    on_fault: OnFault,
    notes: Vec<Note>,
    left_out: u64,
}

impl Notes {
    pub(crate) fn new(on_fault: OnFault) -> Self {
        Self { on_fault, ..Self::default() }
    }

    pub(crate) fn odd(&mut self, line: String) {
        self.add(Note::Odd(line));
    }

    /// Notes that a part is left out, and why.
    ///
    /// # Errors
    /// The reason itself, where faults are refused, and wherever the operating system could not
    /// read the file.
    pub(crate) fn leave_out(&mut self, why: Error) -> Result<(), Error> {
        if self.on_fault == OnFault::Refuse || matches!(why, Error::Io { .. }) {
            return Err(why);
        }
        self.left_out = self.left_out.saturating_add(1);
        self.add(Note::LeftOut(why));
        Ok(())
    }

    /// Counts one more part that is left out for a reason which has been told.
    pub(crate) fn leave_out_another(&mut self) {
        self.left_out = self.left_out.saturating_add(1);
    }

    pub(crate) fn all(&self) -> &[Note] {
        &self.notes
    }

    /// Parts that were left out, whether there was room to tell of each or not.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Why the first part was left out: that is what is wrong with a file of which nothing remains.
    pub(crate) fn take_first_reason(&mut self) -> Option<Error> {
        let first = self.notes.iter().position(|note| matches!(note, Note::LeftOut(_)))?;
        match self.notes.remove(first) {
            Note::LeftOut(why) => Some(why),
            Note::Odd(_) => None,
        }
    }

    fn add(&mut self, note: Note) {
        let line = note.to_string();
        let is_new = self.notes.iter().all(|known| known.to_string() != line);
        if is_new && self.notes.len() < Limits::DEFAULT.max_notes {
            self.notes.push(note);
        }
    }
}
