//! The places of connections that do not publish (yet): who holds many gets no more when few are
//! free, and an address that holds none always finds one.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use tokio::sync::Notify;

use crate::places::network;
use crate::sync::lock;

/// An address may hold this part of the free places, and one in any case.
const ADDRESS_SHARE: usize = 4;
/// So may a /24 of IPv4 addresses, or an IPv6 /48, of which a provider's customer gets one whole.
const NEIGHBOURHOOD_SHARE: usize = 2;

/// Connections that do not publish, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Lobby {
    max: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    by_id: BTreeMap<u64, Guest>,
    next_id: u64,
}

#[derive(Debug)]
struct Guest {
    address: IpAddr,
    displaced: Arc<Notify>,
}

/// A connection's place; it is free when this is dropped, and while the connection publishes.
#[derive(Debug)]
pub(crate) struct Seat {
    lobby: Arc<Lobby>,
    id: u64,
    address: IpAddr,
    displaced: Arc<Notify>,
    /// The connection publishes.
    has_left: AtomicBool,
}

impl Lobby {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, waiting: Mutex::default() }
    }

    /// A place for a connection from `ip`. None where this address has one already and none is to
    /// be had without taking it from another.
    pub(crate) fn enter(lobby: &Arc<Self>, ip: IpAddr) -> Option<Seat> {
        let address = network(ip);
        let mut waiting = lock(&lobby.waiting);
        let free = lobby.max.saturating_sub(waiting.by_id.len());
        let of_address = waiting.count(|guest| guest.address == address);
        let neighbours =
            waiting.count(|guest| neighbourhood(guest.address) == neighbourhood(address));
        let fits = of_address < share(free, ADDRESS_SHARE);
        let neighbours_fit = neighbours < share(free, NEIGHBOURHOOD_SHARE);
        if free == 0 || !fits || !neighbours_fit {
            if of_address > 0 {
                return None;
            }
            let among = (free > 0).then(|| neighbourhood(address));
            waiting.displace_one(among);
        }
        let displaced = Arc::new(Notify::new());
        let id = waiting.seat(Guest { address, displaced: Arc::clone(&displaced) });
        let has_left = AtomicBool::new(false);
        Some(Seat { lobby: Arc::clone(lobby), id, address, displaced, has_left })
    }
}

impl Waiting {
    fn count(&self, is_counted: impl Fn(&Guest) -> bool) -> usize {
        self.by_id.values().filter(|guest| is_counted(guest)).count()
    }

    fn seat(&mut self, guest: Guest) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.by_id.insert(id, guest);
        id
    }

    /// Sends away the connection that has waited longest, of the address that has most of them in
    /// the neighbourhood that has most: in this one, or in any.
    fn displace_one(&mut self, among: Option<IpAddr>) {
        let mut of_neighbourhood = BTreeMap::<IpAddr, usize>::new();
        let mut of_address = BTreeMap::<IpAddr, usize>::new();
        for guest in self.by_id.values() {
            *of_neighbourhood.entry(neighbourhood(guest.address)).or_default() += 1;
            *of_address.entry(guest.address).or_default() += 1;
        }
        let candidates = self.by_id.iter().filter(|(_, guest)| {
            among.is_none_or(|neighbours| neighbourhood(guest.address) == neighbours)
        });
        let longest_of_most = candidates.max_by_key(|(id, guest)| {
            let neighbours = of_neighbourhood.get(&neighbourhood(guest.address));
            (neighbours, of_address.get(&guest.address), std::cmp::Reverse(**id))
        });
        if let Some(id) = longest_of_most.map(|(id, _)| *id)
            && let Some(guest) = self.by_id.remove(&id)
        {
            guest.displaced.notify_one();
        }
    }
}

impl Seat {
    /// Resolves when the connection has to go for another's sake.
    ///
    /// While it publishes nothing is looked at, as it holds no place. So poll this behind whatever
    /// may call [`come_back`](Self::come_back), in the same task.
    pub(crate) async fn displaced(&self) {
        let mut displaced = pin!(self.displaced.notified());
        poll_fn(|context| match self.has_left.load(Ordering::Relaxed) {
            true => Poll::Pending,
            false => displaced.as_mut().poll(context),
        })
        .await;
    }

    /// The connection publishes: it is counted among the streams and not here.
    pub(crate) fn leave(&self) {
        self.has_left.store(true, Ordering::Relaxed);
        lock(&self.lobby.waiting).by_id.remove(&self.id);
    }

    /// The connection does not publish any more, and may again. It finds its place, also where all
    /// are taken.
    pub(crate) fn come_back(&self) {
        self.has_left.store(false, Ordering::Relaxed);
        let guest = Guest { address: self.address, displaced: Arc::clone(&self.displaced) };
        lock(&self.lobby.waiting).by_id.insert(self.id, guest);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

fn share(free: usize, part: usize) -> usize {
    (free / part).max(1)
}

/// The /24 or /48 around an address.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & 0xffff_ff00).into(),
        IpAddr::V6(ip) => std::net::Ipv6Addr::from_bits(ip.to_bits() >> 80 << 80).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    const MAX: usize = 256;

    fn enter(lobby: &Arc<Lobby>, ip: &str) -> Option<Seat> {
        Lobby::enter(lobby, ip.parse().unwrap())
    }

    /// As many as get in.
    fn crowd(lobby: &Arc<Lobby>, ip: &str) -> Vec<Seat> {
        std::iter::from_fn(|| enter(lobby, ip)).take(10 * MAX).collect()
    }

    fn is_displaced(seat: &Seat) -> bool {
        pin!(seat.displaced()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn one_address_gets_a_fifth_and_eight_leave_room_for_others() {
        let lobby = Arc::new(Lobby::new(MAX));
        let first = crowd(&lobby, "198.51.100.1");
        assert_eq!(first.len(), MAX / 5);
        let others: Vec<_> = (2..=8).map(|n| crowd(&lobby, &format!("198.51.{n}.1"))).collect();
        let held: Vec<_> = others.iter().map(Vec::len).collect();
        assert!(held.is_sorted_by(|more, fewer| more >= fewer), "{held:?}");
        let taken = first.len() + held.iter().sum::<usize>();
        assert!(taken < MAX - 32, "{taken}");
        // A studio with some encoders still comes in, all at once.
        let studio: Vec<_> = (0..8).map(|_| enter(&lobby, "203.0.113.5").unwrap()).collect();
        assert!(!studio.iter().chain(&first).any(is_displaced), "nobody had to go for it");
    }

    #[test]
    fn a_whole_neighbourhood_gets_a_third_and_shares_it_fairly() {
        for neighbour in
            [|n: usize| format!("198.51.100.{n}"), |n: usize| format!("2001:db8:7:{n}::1")]
        {
            let lobby = Arc::new(Lobby::new(MAX));
            let greedy = crowd(&lobby, &neighbour(1));
            assert_eq!(greedy.len(), MAX / 5);
            let few: Vec<_> =
                (2..=MAX / 3).map(|n| enter(&lobby, &neighbour(n)).unwrap()).collect();
            assert_eq!(lock(&lobby.waiting).by_id.len(), MAX / 3);
            let displaced = greedy.iter().take_while(|seat| is_displaced(seat)).count();
            assert_eq!(displaced, greedy.len() - 1, "one is left, as the others have");
            assert!(!few.iter().any(is_displaced));
            let _one_more = enter(&lobby, &neighbour(99)).unwrap();
            assert!(is_displaced(&greedy[displaced]), "the longest there");
            assert!(enter(&lobby, "203.0.113.5").is_some());
        }
    }

    #[test]
    fn where_no_place_is_free_a_new_address_takes_one_of_those_who_have_most() {
        let lobby = Arc::new(Lobby::new(12));
        let two = [enter(&lobby, "10.0.1.1").unwrap(), enter(&lobby, "10.0.1.1").unwrap()];
        let others: Vec<_> =
            (2..12).map(|n| enter(&lobby, &format!("10.0.{n}.1")).unwrap()).collect();
        assert!(enter(&lobby, "10.0.1.1").is_none(), "nothing is free, and it has two");
        assert!(enter(&lobby, "10.0.2.1").is_none(), "nor for one that has one");
        let new = enter(&lobby, "10.0.20.1").unwrap();
        assert!(is_displaced(&two[0]) && !is_displaced(&two[1]), "the longer there of the two");
        let newer = enter(&lobby, "10.0.21.1").unwrap();
        assert!(is_displaced(&two[1]), "each has one: the longest there");
        assert!(!others.iter().chain([&new, &newer]).any(is_displaced));
    }

    #[test]
    fn who_publishes_holds_no_place_and_cannot_be_displaced() {
        let lobby = Arc::new(Lobby::new(1));
        let publisher = enter(&lobby, "10.0.0.1").unwrap();
        publisher.leave();
        let other = enter(&lobby, "10.0.0.1").unwrap();
        let third = enter(&lobby, "10.0.0.2").unwrap();
        assert!(is_displaced(&other) && !is_displaced(&publisher));
        publisher.come_back();
        assert_eq!(lock(&lobby.waiting).by_id.len(), 2, "one more than there are");
        drop((publisher, other, third));
        assert!(lock(&lobby.waiting).by_id.is_empty());
    }

    #[test]
    fn who_was_displaced_when_it_began_to_publish_goes_when_it_has_stopped() {
        let lobby = Arc::new(Lobby::new(1));
        let publisher = enter(&lobby, "10.0.0.1").unwrap();
        let _other = enter(&lobby, "10.0.0.2").unwrap();
        publisher.leave();
        assert!(!is_displaced(&publisher));
        publisher.come_back();
        assert!(is_displaced(&publisher));
    }
}
