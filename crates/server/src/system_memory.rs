//! How much memory there is, and how much the process has resident, as Linux says it.

use std::fs::{File, read_to_string};
use std::os::unix::fs::FileExt;

/// What the budget is made of where the system does not say how much memory there is.
const UNKNOWN_BYTES: u64 = 2 << 30;

/// The default of the memory budget in bytes: half of what the machine has, or of the limit of the
/// control group that the process is in (a container's, a service's), where that is less.
#[must_use]
pub fn default_memory() -> u64 {
    machine_memory().unwrap_or(UNKNOWN_BYTES) / 2
}

/// What the process may use at most: what the machine has, or the limit of its control group.
pub(crate) fn machine_memory() -> Option<u64> {
    memory_bytes(|path| read_to_string(path).ok())
}

/// What programs could be given now without swapping, in bytes.
pub(crate) fn available_memory() -> Option<u64> {
    kilobytes(&read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// Says how much the process has resident. It is asked four times a second, so of the two files
/// that say it (proc(5)) the one of a single line is read, not `status` with its fifty, and it
/// stays open.
#[derive(Debug)]
pub(crate) struct Resident {
    statm: Option<File>,
}

impl Resident {
    pub(crate) fn new() -> Self {
        Self { statm: File::open("/proc/self/statm").ok() }
    }

    /// Bytes that are resident now; None where the system does not say it.
    pub(crate) fn bytes(&self) -> Option<usize> {
        // Seven numbers of pages, each of at most 20 digits.
        let mut text = [0; 160];
        let length = self.statm.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = str::from_utf8(text.get(..length)?).ok()?;
        let pages: usize = text.split(' ').nth(1)?.parse().ok()?;
        pages.checked_mul(rustix::param::page_size())
    }
}

/// What the process may use: the smallest of the machine's memory and the limits of its control
/// groups. `read` gives the text of a file, if there is one.
fn memory_bytes(read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let machine = read("/proc/meminfo").and_then(|text| kilobytes(&text, "MemTotal:"));
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().filter_map(|line| group_limit(line, &read));
    machine.into_iter().chain(limits).min()
}

/// The smallest limit of a control group and those that it is in. The line is one of
/// /proc/self/cgroup (cgroups(7)): hierarchy, controllers, path.
fn group_limit(line: &str, read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let (root, file) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|controller| controller == "memory") => {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let mut path = path.trim_end_matches('/');
    let mut least = None;
    loop {
        // A group without a limit says "max", or a number beyond all machines.
        let limit = read(&format!("{root}{path}/{file}")).and_then(|text| text.trim().parse().ok());
        least = least.into_iter().chain(limit).min();
        match path.rsplit_once('/') {
            Some((parent, _)) => path = parent,
            None => return least,
        }
    }
}

/// The value in bytes of a line `NAME: 123 kB`.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: (&str, &str) =
        ("/proc/meminfo", "MemTotal:        2048 kB\nMemFree:         1024 kB\n");

    fn bytes(files: &[(&str, &str)]) -> Option<u64> {
        memory_bytes(|path| {
            files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn the_machine_s_memory_where_no_group_limits_it() {
        let groups = ("/proc/self/cgroup", "0::/user.slice\n");
        let max = ("/sys/fs/cgroup/user.slice/memory.max", "max\n");
        assert_eq!(bytes(&[MEMINFO]), Some(2 << 20));
        assert_eq!(bytes(&[MEMINFO, groups, max]), Some(2 << 20));
        assert_eq!(bytes(&[]), None);
    }

    #[test]
    fn a_group_s_limit_counts_also_that_of_one_around_it() {
        let groups = ("/proc/self/cgroup", "0::/system.slice/feathercast.service\n");
        let own = ("/sys/fs/cgroup/system.slice/feathercast.service/memory.max", "max\n");
        let around = ("/sys/fs/cgroup/system.slice/memory.max", "1000000\n");
        let root = ("/sys/fs/cgroup/memory.max", "500000\n");
        assert_eq!(bytes(&[MEMINFO, groups, own, around]), Some(1_000_000));
        assert_eq!(bytes(&[MEMINFO, groups, own, around, root]), Some(500_000));
        // What a container sees as its root.
        assert_eq!(bytes(&[MEMINFO, ("/proc/self/cgroup", "0::/\n"), root]), Some(500_000));
    }

    #[test]
    fn the_first_version_of_control_groups() {
        let groups = ("/proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/docker/abc\n0::/\n");
        let unlimited = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        let own = ("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "700000\n");
        assert_eq!(bytes(&[MEMINFO, groups, unlimited]), Some(2 << 20));
        assert_eq!(bytes(&[MEMINFO, groups, unlimited, own]), Some(700_000));
    }

    #[test]
    fn the_process_itself() {
        let resident = Resident::new();
        let before = resident.bytes().expect("Linux says it");
        assert!(before > 1 << 16);
        let more = std::hint::black_box(vec![1_u8; 64 << 20]);
        // The same file, read again, says what has come since; other tests may give some back.
        assert!(resident.bytes().is_some_and(|bytes| bytes > before + more.len() / 2));
        assert!(default_memory() > 1 << 20);
    }
}
