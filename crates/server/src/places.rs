//! How many connections there may be: of all together, and of each address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use crate::sync::lock;

/// How many connections there are, by address.
#[derive(Debug)]
pub(crate) struct Places {
    max: usize,
    max_per_ip: usize,
    /// Whether this host's own addresses have no limit but `max`: a reverse proxy is all its
    /// viewers.
    frees_loopback: bool,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_ip: HashMap<IpAddr, usize>,
}

/// One connection's place; dropped, it is free again.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    ip: IpAddr,
}

impl Places {
    pub(crate) fn new(max: usize, max_per_ip: usize) -> Self {
        Self { max, max_per_ip, frees_loopback: false, taken: Mutex::default() }
    }

    /// The same, without a limit for each of this host's own addresses.
    pub(crate) fn free_for_loopback(self) -> Self {
        Self { frees_loopback: true, ..self }
    }

    /// As many as there are.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// A place for a connection from `ip`; None where all, or all of this address, are taken.
    pub(crate) fn take(places: &Arc<Self>, ip: IpAddr) -> Option<Place> {
        let ip = network(ip);
        let mut taken = lock(&places.taken);
        let of_ip = taken.by_ip.get(&ip).copied().unwrap_or(0);
        if taken.total >= places.max || of_ip >= places.max_of(ip) {
            return None;
        }
        taken.total += 1;
        taken.by_ip.insert(ip, of_ip + 1);
        Some(Place { places: Arc::clone(places), ip })
    }

    fn max_of(&self, network: IpAddr) -> usize {
        if self.frees_loopback && is_loopback(network) { self.max } else { self.max_per_ip }
    }
}

const LOOPBACK_V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.places.taken);
        taken.total -= 1;
        if let Some(count) = taken.by_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                taken.by_ip.remove(&self.ip);
            }
        }
    }
}

/// Whether a [`network`] is that of publishers who come through a relay on this host.
pub(crate) fn is_relay(network: IpAddr) -> bool {
    network == IpAddr::V4(Ipv4Addr::LOCALHOST) || network == self::network(LOOPBACK_V6)
}

/// Whether a [`network`] is this host.
pub(crate) fn is_loopback(network: IpAddr) -> bool {
    network.is_loopback() || network == self::network(LOOPBACK_V6)
}

/// One household or host: an IPv4 address, or an IPv6 /64, which a single host may use whole.
pub(crate) fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(places: &Arc<Places>, ip: &str) -> Option<Place> {
        Places::take(places, ip.parse().unwrap())
    }

    #[test]
    fn places_are_limited_in_all_and_per_address_and_come_back() {
        let places = Arc::new(Places::new(3, 2));
        let first = take(&places, "10.0.0.1").unwrap();
        let _second = take(&places, "10.0.0.1").unwrap();
        assert!(take(&places, "10.0.0.1").is_none(), "two from one address");
        assert!(take(&places, "::ffff:10.0.0.1").is_none(), "however it is written");
        let third = take(&places, "10.0.0.2").unwrap();
        assert!(take(&places, "10.0.0.3").is_none(), "three in all");
        drop((first, third));
        assert!(take(&places, "10.0.0.1").is_some());
        assert_eq!(lock(&places.taken).by_ip.len(), 1, "addresses without a connection go");
        assert_eq!(lock(&places.taken).total, 1);
    }

    #[test]
    fn an_ipv6_host_is_its_64() {
        let places = Arc::new(Places::new(9, 1));
        let _first = take(&places, "2001:db8::1").unwrap();
        assert!(take(&places, "2001:db8::ffff:2").is_none());
        assert!(take(&places, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn a_proxy_on_this_host_has_all_places_and_no_more() {
        for loopback in ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"] {
            let places = Arc::new(Places::new(3, 1).free_for_loopback());
            let _other = take(&places, "10.0.0.1").unwrap();
            assert!(take(&places, "10.0.0.1").is_none());
            let _two = [(); 2].map(|()| take(&places, loopback).expect(loopback));
            assert!(take(&places, loopback).is_none(), "{loopback}");
        }
    }
}
