//! How long somebody waits who came with wrong keys. Each address waits for itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::clock::Moment;
use crate::limits::Limits;
use crate::places::network;
use crate::throttle::Throttle;

/// The wrong keys of a while, by address.
#[derive(Debug)]
pub(crate) struct Guesses {
    limits: Limits,
    by_network: HashMap<IpAddr, Wrong>,
    log: Throttle,
}

/// The wrong keys of one address.
#[derive(Clone, Copy, Debug)]
struct Wrong {
    count: u32,
    last: Moment,
}

/// A wrong key that has been counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Wrong keys of this address, this one among them.
    pub(crate) count: u32,
    /// Whether to log it: Some with the number of such lines that were held back.
    pub(crate) held_back: Option<u64>,
}

impl Guesses {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            by_network: HashMap::new(),
            log: Throttle::with_burst(limits.log_interval, limits.peer_log_burst),
        }
    }

    /// How long a key from this address waits before it is looked at, right or wrong: who need not
    /// wait with the right one knows early that his was wrong.
    pub(crate) fn pause(&self, ip: IpAddr, now: Moment) -> Duration {
        let Some(wrong) = self.by_network.get(&network(ip)) else { return Duration::ZERO };
        let Some(doublings) = wrong.count.checked_sub(self.limits.free_guesses) else {
            return Duration::ZERO;
        };
        let (first, longest) = self.limits.guess_pause;
        let pause = first.saturating_mul(2_u32.saturating_pow(doublings)).min(longest);
        pause.saturating_sub(now.since(wrong.last))
    }

    /// A key from this address was wrong.
    pub(crate) fn count(&mut self, ip: IpAddr, now: Moment) -> Counted {
        let network = network(ip);
        let count = self.remembered(network, now).saturating_add(1);
        if !self.by_network.contains_key(&network) {
            self.make_room(now);
        }
        self.by_network.insert(network, Wrong { count, last: now });
        Counted { count, held_back: self.log.admit(now) }
    }

    fn remembered(&self, network: IpAddr, now: Moment) -> u32 {
        let wrong = self.by_network.get(&network).filter(|wrong| !self.is_forgotten(wrong, now));
        wrong.map_or(0, |wrong| wrong.count)
    }

    fn is_forgotten(&self, wrong: &Wrong, now: Moment) -> bool {
        now.since(wrong.last) >= self.limits.guess_memory
    }

    /// Whoever fills the memory has as many addresses, and so as many free guesses anyway.
    fn make_room(&mut self, now: Moment) {
        if self.by_network.len() < self.limits.guess_addresses {
            return;
        }
        let memory = self.limits.guess_memory;
        self.by_network.retain(|_, wrong| now.since(wrong.last) < memory);
        if self.by_network.len() >= self.limits.guess_addresses {
            let oldest = self.by_network.iter().min_by_key(|(_, wrong)| wrong.last.uptime);
            if let Some(oldest) = oldest.map(|(network, _)| *network) {
                self.by_network.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: f64) -> Moment {
        Moment { uptime: Duration::from_secs_f64(secs), unix_ms: 0 }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn guesses() -> Guesses {
        Guesses::new(&Limits::default())
    }

    /// Somebody guesses without end and waits as told: pauses grow, and then stay.
    #[test]
    fn each_wrong_key_waits_longer_than_the_one_before() {
        let (mut guesses, stranger) = (guesses(), ip("203.0.113.9"));
        let (mut now, mut pauses) = (at(0.0), Vec::new());
        for count in 1..=10 {
            let pause = guesses.pause(stranger, now);
            pauses.push(pause.as_millis());
            now.uptime += pause;
            assert_eq!(guesses.count(stranger, now).count, count);
        }
        assert_eq!(pauses, [0, 0, 0, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        // A day of it is a few thousand guesses.
        assert!(86_400_000 / pauses.last().unwrap() < 11_000);
    }

    #[test]
    fn nobody_else_waits() {
        let mut guesses = guesses();
        for _ in 0..1000 {
            guesses.count(ip("203.0.113.9"), at(1.0));
            guesses.count(ip("2001:db8::1"), at(1.0));
        }
        for neighbour in ["203.0.113.8", "2001:db8:0:1::1", "127.0.0.1"] {
            assert_eq!(guesses.pause(ip(neighbour), at(1.0)), Duration::ZERO, "{neighbour}");
        }
        // One host may use a whole /64, and IPv4 is IPv4 however it is written.
        for same in ["2001:db8::ffff", "::ffff:203.0.113.9"] {
            assert_eq!(guesses.pause(ip(same), at(1.0)), Duration::from_secs(8), "{same}");
        }
    }

    #[test]
    fn time_passes_and_is_forgotten() {
        let (mut guesses, stranger) = (guesses(), ip("203.0.113.9"));
        for _ in 0..6 {
            guesses.count(stranger, at(10.0));
        }
        assert_eq!(guesses.pause(stranger, at(10.0)), Duration::from_secs(4));
        assert_eq!(guesses.pause(stranger, at(13.0)), Duration::from_secs(1));
        assert_eq!(guesses.pause(stranger, at(15.0)), Duration::ZERO);
        assert_eq!(guesses.count(stranger, at(609.0)).count, 7);
        assert_eq!(guesses.count(stranger, at(1210.0)).count, 1, "ten minutes without one");
    }

    #[test]
    fn memory_and_log_are_bounded_however_many_addresses_guess() {
        let limits = Limits { guess_addresses: 3, ..Limits::default() };
        let mut guesses = Guesses::new(&limits);
        let mut logged = 0;
        for host in 0..200 {
            let counted =
                guesses.count(IpAddr::from([192, 0, 2, host]), at(f64::from(host) / 100.0));
            logged += u64::from(counted.held_back.is_some());
            assert!(guesses.by_network.len() <= 3);
        }
        assert_eq!(logged, limits.peer_log_burst);
        assert!(guesses.by_network.contains_key(&ip("192.0.2.199")), "the newest stay");
    }
}
