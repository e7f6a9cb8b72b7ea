//! What the process takes of the machine, as Linux says it.

use std::fs::{read_dir, read_to_string};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use crate::clock::process_time;

/// What the process takes. None where the system does not say it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcessUsage {
    /// Time of all cores together, since the process started.
    pub(crate) cpu: Duration,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) virtual_bytes: Option<u64>,
    pub(crate) open_files: Option<u64>,
    /// The soft limit of open files; None where there is none, too.
    pub(crate) max_files: Option<u64>,
    pub(crate) threads: Option<u64>,
}

impl ProcessUsage {
    /// What it takes now.
    pub(crate) fn now() -> Self {
        let status = read_to_string("/proc/self/status").unwrap_or_default();
        // The one that is open to read the folder is gone again.
        let open_files =
            read_dir("/proc/self/fd").ok().map(|files| (files.count() as u64).saturating_sub(1));
        Self {
            cpu: process_time(),
            resident_bytes: field(&status, "VmRSS:").map(|kb| kb * 1024),
            virtual_bytes: field(&status, "VmSize:").map(|kb| kb * 1024),
            open_files,
            max_files: getrlimit(Resource::Nofile).current,
            threads: field(&status, "Threads:"),
        }
    }
}

/// The number in a line `NAME: 123 kB` of proc(5)'s `status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().trim_end_matches(" kB").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_itself() {
        let before = ProcessUsage::now();
        let file = std::fs::File::open("/proc/self/statm").unwrap();
        let usage = ProcessUsage::now();
        assert!(usage.cpu > Duration::ZERO && usage.cpu >= before.cpu);
        let resident = usage.resident_bytes.expect("Linux says it");
        assert!(resident > 1 << 16 && usage.virtual_bytes >= Some(resident));
        assert!(usage.threads >= Some(1) && usage.open_files >= Some(4), "{usage:?}");
        assert!(usage.open_files < usage.max_files, "{usage:?}");
        drop(file);
    }
}
