//! Headers, elapsed times, the table at the end and what else is to be said there.

use std::time::{Duration, Instant};

use crate::failure::Failure;

/// What was done so far and how long each step took.
pub(crate) struct Steps {
    done: Vec<(&'static str, Duration)>,
    notes: Vec<String>,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self { done: Vec::new(), notes: Vec::new() }
    }

    /// Prints `==> name: what`, does it, and prints how long it took.
    pub(crate) fn step<T>(
        &mut self,
        name: &'static str,
        what: &str,
        body: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        println!("==> {name}: {what}");
        let start = Instant::now();
        let value = body().map_err(|failure| Failure::from(format!("{name} failed: {failure}")))?;
        let elapsed = start.elapsed();
        println!("    {name} took {:.1} s", elapsed.as_secs_f64());
        self.done.push((name, elapsed));
        Ok(value)
    }

    /// Keeps a line for the end, where it is seen.
    pub(crate) fn note(&mut self, line: String) {
        self.notes.push(line);
    }

    /// The lines that were kept, also behind a failure.
    pub(crate) fn print_notes(&self) {
        for note in &self.notes {
            println!("{note}");
        }
    }

    /// The table of all steps, when there was more than one.
    pub(crate) fn summary(&self) {
        if self.done.len() < 2 {
            return;
        }
        println!("\n==> all good");
        for (name, elapsed) in &self.done {
            println!("{:>9.1} s  {name}", elapsed.as_secs_f64());
        }
        let total: Duration = self.done.iter().map(|(_, elapsed)| *elapsed).sum();
        println!("{:>9.1} s  in total", total.as_secs_f64());
    }
}
