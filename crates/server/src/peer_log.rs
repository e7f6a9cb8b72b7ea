//! Which of the log lines that peers cause are written: a few of each kind from each address, and a
//! few in all. What is left out is counted in the next line of its kind.

use std::collections::HashMap;
use std::mem::Discriminant;
use std::net::{IpAddr, Ipv4Addr};

use pipeline::Notice;

use crate::clock::Moment;
use crate::limits::Limits;
use crate::places::network;

/// Whom a line belongs to that no single peer has caused.
pub(crate) const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// A kind of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PeerLine {
    /// A publisher was accepted.
    Connected,
    /// A publisher left.
    Gone,
    /// A publisher was refused.
    Refused,
    /// A connection ended by what its peer sent.
    BadInput,
    /// What a publisher sends.
    Facts,
    /// Something about a publisher's messages.
    Notice(Discriminant<Notice>),
    /// Pictures were dropped.
    Dropped,
    /// A forward of a publisher's stream began, or was interrupted.
    Forward,
    /// The system gave no thread.
    NoThread,
    /// There was no memory for a decoder.
    NoMemory,
    /// A worker panicked.
    Panicked,
    /// A stream that could be watched is over.
    Ended,
}

/// Counts lines of the present interval.
#[derive(Debug)]
pub(crate) struct PeerLog {
    limits: Limits,
    since: Option<Moment>,
    total: u64,
    by_address: HashMap<IpAddr, u64>,
    by_line: HashMap<(PeerLine, IpAddr), u64>,
    /// Lines left out since the last one of the kind, in whatever interval.
    held_back: HashMap<PeerLine, u64>,
}

impl PeerLog {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            since: None,
            total: 0,
            by_address: HashMap::new(),
            by_line: HashMap::new(),
            held_back: HashMap::new(),
        }
    }

    /// Whether a line about a peer at `ip` is written: Some with the number of lines of the kind
    /// that were left out before it. `held_back` of them the caller has left out itself.
    pub(crate) fn admit(
        &mut self,
        line: PeerLine,
        ip: IpAddr,
        held_back: u64,
        now: Moment,
    ) -> Option<u64> {
        if self.since.is_none_or(|since| now.since(since) >= self.limits.log_interval) {
            self.since = Some(now);
            self.total = 0;
            self.by_address.clear();
            self.by_line.clear();
        }
        let ip = network(ip);
        let of_address = self.by_address.get(&ip).copied().unwrap_or(0);
        let of_line = self.by_line.get(&(line, ip)).copied().unwrap_or(0);
        if self.total >= self.limits.peer_log_lines
            || of_address >= self.limits.peer_log_lines_per_ip
            || of_line >= self.limits.peer_log_burst
        {
            *self.held_back.entry(line).or_default() += held_back + 1;
            return None;
        }
        // As many entries as lines at most.
        self.total += 1;
        self.by_address.insert(ip, of_address + 1);
        self.by_line.insert((line, ip), of_line + 1);
        Some(held_back + self.held_back.remove(&line).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(secs: u64) -> Moment {
        Moment { uptime: Duration::from_secs(secs), unix_ms: 0 }
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// So many tries; how many lines came of them, and the count in the last one.
    fn repeat(log: &mut PeerLog, line: PeerLine, ip: IpAddr, tries: usize) -> (usize, u64) {
        let admitted: Vec<_> = (0..tries).filter_map(|_| log.admit(line, ip, 0, at(0))).collect();
        (admitted.len(), admitted.last().copied().unwrap_or(0))
    }

    #[test]
    fn one_address_fills_neither_a_kind_nor_the_log() {
        let mut log = PeerLog::new(&Limits::default());
        assert_eq!(repeat(&mut log, PeerLine::Connected, ip(1), 1000), (20, 0));
        assert_eq!(repeat(&mut log, PeerLine::Gone, ip(1), 1000), (20, 0));
        assert_eq!(repeat(&mut log, PeerLine::Refused, ip(1), 1000), (0, 0), "40 in all");
        // What others cause is seen, with a count of what was not.
        assert_eq!(repeat(&mut log, PeerLine::Connected, ip(2), 1), (1, 980));
        assert_eq!(repeat(&mut log, PeerLine::BadInput, ip(2), 1), (1, 0));
    }

    #[test]
    fn many_addresses_do_not_fill_the_log_either() {
        let mut log = PeerLog::new(&Limits::default());
        let lines: usize =
            (0..200).map(|last| repeat(&mut log, PeerLine::Refused, ip(last), 10).0).sum();
        assert_eq!(lines, 45, "under 20 a second, also at the seam of two intervals");
        assert!(log.by_address.len() <= 45 && log.by_line.len() <= 45 && log.held_back.len() == 1);
        assert_eq!(log.admit(PeerLine::Refused, ip(1), 5, at(4)), None);
        assert_eq!(log.admit(PeerLine::Refused, ip(1), 5, at(5)), Some(2000 - 45 + 6 + 5));
        assert_eq!(log.admit(PeerLine::Refused, ip(1), 0, at(5)), Some(0), "said once");
    }

    #[test]
    fn an_ipv6_host_is_its_64() {
        let mut log = PeerLog::new(&Limits::default());
        let lines = (0..1000_u128).filter(|host| {
            let ip = IpAddr::from((0x2001_0db8_u128 << 96 | host).to_be_bytes());
            log.admit(PeerLine::Gone, ip, 0, at(0)).is_some()
        });
        assert_eq!(lines.count(), 20);
    }
}
