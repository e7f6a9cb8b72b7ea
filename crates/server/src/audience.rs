//! How many watch a stream.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use crate::clock::Moment;
use crate::places::network;
use crate::publication::Slot;

/// Viewers of one stream that are counted, as many as there may be connections: what a player says
/// that it is, is up to whoever asks, so that one address could be any number of viewers.
const MAX: usize = 10_000;

/// Those that are gone are looked for this often at most.
const SWEEP: Duration = Duration::from_secs(1);

/// Who has asked for a media playlist of a stream a short while ago. Two are apart by address (of
/// IPv6: by /64) and `User-Agent`. Neither is kept: a viewer is a hash, whose key is random and
/// the stream's own, so that nobody can tell from it who watched, or that somebody also watched
/// another stream.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    key: RandomState,
    seen: HashMap<u64, Seen>,
    swept: Option<Moment>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    slot: Slot,
    last: Moment,
}

impl Audience {
    /// Somebody at `ip`, with a player of this name, fetches the playlist of the rendition.
    pub(crate) fn note(&mut self, ip: IpAddr, player: &[u8], slot: Slot, now: Moment) {
        let viewer = self.key.hash_one((network(ip), player));
        if self.seen.len() < MAX || self.seen.contains_key(&viewer) {
            self.seen.insert(viewer, Seen { slot, last: now });
        }
    }

    /// Forgets whoever has not asked for `idle`.
    pub(crate) fn sweep(&mut self, now: Moment, idle: Duration) {
        if self.seen.is_empty() || self.swept.is_some_and(|swept| now.since(swept) < SWEEP) {
            return;
        }
        self.swept = Some(now);
        self.seen.retain(|_, seen| now.since(seen.last) < idle);
        if self.seen.is_empty() {
            // The room that a crowd took is given back.
            self.seen = HashMap::new();
        }
    }

    /// How many watch: who has asked for a playlist within `idle`.
    pub(crate) fn viewers(&self, now: Moment, idle: Duration) -> usize {
        self.seen.values().filter(|seen| now.since(seen.last) < idle).count()
    }

    /// How many of them watch the rendition, by the last playlist that they asked for.
    pub(crate) fn viewers_of(&self, slot: Slot, now: Moment, idle: Duration) -> usize {
        let watches = |seen: &&Seen| seen.slot == slot && now.since(seen.last) < idle;
        self.seen.values().filter(watches).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(8);
    const LIGHT: Slot = Slot::Ladder(0);

    fn at(secs: u64) -> Moment {
        Moment { uptime: Duration::from_secs(secs), unix_ms: 0 }
    }

    #[test]
    fn a_viewer_is_an_address_and_a_player_and_watches_what_it_asked_for_last() {
        let mut audience = Audience::default();
        let [one, other] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from);
        for secs in 0..3 {
            audience.note(one, b"hls.js", LIGHT, at(secs));
        }
        audience.note(one, b"VLC", LIGHT, at(2));
        audience.note(other, b"VLC", LIGHT, at(2));
        assert_eq!(audience.viewers(at(3), IDLE), 3);
        audience.note(other, b"VLC", Slot::Source, at(4));
        let of = |audience: &Audience, slot| audience.viewers_of(slot, at(5), IDLE);
        assert_eq!((of(&audience, LIGHT), of(&audience, Slot::Source)), (2, 1));
        assert_eq!(audience.viewers(at(11), IDLE), 1, "the others asked 8 s ago and more");
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_viewer_s() {
        let mut audience = Audience::default();
        for host in 0..9_u16 {
            let ip = [0x2001, 0xdb8, 0, 1, 0, 0, 0, host];
            audience.note(IpAddr::from(ip), b"", LIGHT, at(0));
        }
        assert_eq!(audience.viewers(at(0), IDLE), 1);
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let mut audience = Audience::default();
        for number in 0..MAX as u32 + 9 {
            audience.note([192, 0, 2, 1].into(), &number.to_be_bytes(), LIGHT, at(0));
        }
        assert_eq!(audience.viewers(at(1), IDLE), MAX);
        // Who is known still counts anew, and nobody else comes in.
        audience.note([192, 0, 2, 1].into(), &0_u32.to_be_bytes(), LIGHT, at(9));
        audience.sweep(at(10), IDLE);
        assert_eq!((audience.viewers(at(10), IDLE), audience.seen.len()), (1, 1));
        audience.sweep(at(30), IDLE);
        assert_eq!(audience.seen.capacity(), 0);
    }

    #[test]
    fn the_hash_is_another_for_each_stream() {
        let hash = || {
            let mut audience = Audience::default();
            audience.note([192, 0, 2, 1].into(), b"VLC", LIGHT, at(0));
            audience.seen.into_keys().next()
        };
        assert_ne!(hash(), hash());
    }
}
