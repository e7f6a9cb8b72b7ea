//! How many may watch at once.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use crate::clock::Moment;
use crate::places::{is_loopback, network};

/// Who has leave to watch: whoever has asked for a media playlist a short while ago. Apart are two
/// who come from other addresses, or from one with other players.
#[derive(Debug)]
pub(crate) struct Viewers {
    max: usize,
    idle: Duration,
    hasher: RandomState,
    seen: HashMap<Viewer, Moment>,
    by_network: HashMap<IpAddr, usize>,
    swept: Option<Moment>,
}

/// Somebody who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Viewer {
    network: IpAddr,
    /// Hash of what the player says that it is.
    player: u64,
}

/// What a place is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// To begin: the multivariant playlist. It takes no place, as many only look.
    Look,
    /// To watch: a media playlist.
    Watch,
}

/// Places are looked through for those that are free again this often at most.
const SWEEP: Duration = Duration::from_secs(1);

impl Viewers {
    /// `max` at once; who does not ask for `idle` is gone.
    pub(crate) fn new(max: usize, idle: Duration) -> Self {
        Self {
            max,
            idle,
            hasher: RandomState::new(),
            seen: HashMap::new(),
            by_network: HashMap::new(),
            swept: None,
        }
    }

    /// Whether there is a place for who comes from `ip` with a player of this name.
    pub(crate) fn admit(&mut self, ip: IpAddr, player: &[u8], want: Want, now: Moment) -> bool {
        let viewer = Viewer { network: network(ip), player: self.hasher.hash_one(player) };
        if let Some(last) = self.seen.get_mut(&viewer) {
            *last = now;
            return true;
        }
        if !self.has_room(viewer.network) {
            self.sweep(now);
            if !self.has_room(viewer.network) {
                return false;
            }
        }
        if want == Want::Watch {
            self.seen.insert(viewer, now);
            *self.by_network.entry(viewer.network).or_default() += 1;
        }
        true
    }

    /// A player's name is what its owner likes, so that an address could have any number: nobody
    /// alone gets more than a quarter, but this host itself, which may be a reverse proxy.
    fn has_room(&self, network: IpAddr) -> bool {
        let share = if is_loopback(network) { self.max } else { (self.max / 4).max(4) };
        let of_network = self.by_network.get(&network).copied().unwrap_or(0);
        self.seen.len() < self.max && of_network < share
    }

    fn sweep(&mut self, now: Moment) {
        if self.swept.is_some_and(|swept| now.since(swept) < SWEEP) {
            return;
        }
        self.swept = Some(now);
        self.seen.retain(|_, last| now.since(*last) < self.idle);
        self.by_network.clear();
        for viewer in self.seen.keys() {
            *self.by_network.entry(viewer.network).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Moment {
        Moment { uptime: Duration::from_secs(secs), unix_ms: 0 }
    }

    fn viewers(max: usize) -> Viewers {
        Viewers::new(max, Duration::from_secs(40))
    }

    fn watches(viewers: &mut Viewers, ip: [u8; 4], player: &str, secs: u64) -> bool {
        viewers.admit(ip.into(), player.as_bytes(), Want::Watch, at(secs))
    }

    #[test]
    fn who_watches_goes_on_and_the_next_one_waits_for_a_place() {
        let mut viewers = viewers(2);
        assert!(watches(&mut viewers, [192, 0, 2, 1], "hls.js", 0));
        assert!(watches(&mut viewers, [192, 0, 2, 2], "hls.js", 0));
        assert!(!watches(&mut viewers, [192, 0, 2, 3], "hls.js", 1));
        assert!(!viewers.admit([192, 0, 2, 3].into(), b"hls.js", Want::Look, at(1)));
        for secs in (0..200).step_by(20) {
            assert!(watches(&mut viewers, [192, 0, 2, 1], "hls.js", secs), "{secs}");
        }
        // The second one has been gone for long.
        assert!(watches(&mut viewers, [192, 0, 2, 3], "hls.js", 200));
        assert!(!watches(&mut viewers, [192, 0, 2, 2], "hls.js", 201));
    }

    #[test]
    fn who_only_looks_takes_no_place() {
        let mut viewers = viewers(1);
        for host in 0..100 {
            assert!(viewers.admit([192, 0, 2, host].into(), b"", Want::Look, at(0)));
        }
        assert!(watches(&mut viewers, [192, 0, 2, 1], "", 0));
    }

    #[test]
    fn nobody_takes_all_places_but_a_proxy_on_this_host() {
        let mut viewers = viewers(40);
        let names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let taken = |viewers: &mut Viewers, ip| {
            names.iter().filter(|name| watches(viewers, ip, name, 0)).count()
        };
        assert_eq!(taken(&mut viewers, [192, 0, 2, 1]), 10);
        assert_eq!(taken(&mut viewers, [127, 0, 0, 1]), 30);
        assert!(viewers.seen.len() == 40 && viewers.by_network.len() == 2);
        assert!(watches(&mut viewers, [192, 0, 2, 2], "", 40), "after 40 s without a word");
        assert!(viewers.seen.len() == 1 && viewers.by_network.len() == 1);
    }
}
