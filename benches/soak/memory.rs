//! The server's memory over time.

use std::fs;
use std::time::Duration;

/// The second half may differ from the first by this much: the most that there was in each. An
/// average would say how long a publisher was away in it, whose decoder's memory goes back to the
/// system, and how long renditions slept.
const TOLERANCE: f64 = 0.05;
const MINUTE: usize = 60;
/// Before the halves: everything has been there once.
const WARM_UP: usize = 2 * MINUTE;

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
        let (first, second) = self.kib[WARM_UP..].split_at((self.kib.len() - WARM_UP) / 2);
        let (first, second) = (most(first), most(second));
        let words = format!(
            "RSS at most {first} KiB in the first half after 2 minutes, {second} KiB in the second"
        );
        let change = second as f64 / first as f64 - 1.0;
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
