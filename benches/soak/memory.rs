//! The server's memory over time.

use std::fs;
use std::time::Duration;

/// The last minute may differ from the third by this much: the most that there was in each. An
/// average would say how long a publisher was away in it, whose decoder's memory goes back to the
/// system.
const TOLERANCE: f64 = 0.05;
const MINUTE: usize = 60;

/// Resident memory, a sample a second.
#[derive(Default)]
pub(crate) struct Memory {
    kib: Vec<u64>,
}

impl Memory {
    pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

    /// Adds a sample; false where the process is gone.
    pub(crate) fn sample(&mut self, process: u32) -> bool {
        let kib = rss_kib(process);
        self.kib.extend(kib);
        kib.is_some()
    }

    /// What is wrong with it, if anything; what it was, otherwise.
    pub(crate) fn verdict(&self) -> Result<String, String> {
        if self.kib.len() < 5 * MINUTE {
            let peak = most(&self.kib);
            return Ok(format!(
                "RSS at most {peak} KiB; whether it is flat takes 5 minutes to say"
            ));
        }
        let third = most(&self.kib[2 * MINUTE..3 * MINUTE]);
        let last = most(&self.kib[self.kib.len() - MINUTE..]);
        let words = format!("RSS at most {third} KiB in the third minute, {last} KiB in the last");
        let change = last as f64 / third as f64 - 1.0;
        if change.abs() <= TOLERANCE { Ok(words) } else { Err(words) }
    }
}

fn most(samples: &[u64]) -> u64 {
    samples.iter().max().copied().unwrap_or(0)
}

fn rss_kib(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
