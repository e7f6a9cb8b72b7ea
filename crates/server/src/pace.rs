//! How fast a connection may send, with time as an input. Who is faster is not read for a while, so
//! that TCP holds it back: nobody is disconnected for it, and no connection takes more of its
//! thread than its share.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use rtmp::Received;

use crate::limits::{Limits, Rate};
use crate::sync::lock;

/// What a chunk costs at least: publishers cut their messages into chunks of this many bytes or
/// more, and one of a single byte costs us about as much.
const CHUNK_BYTES: u64 = 128;

/// A connection whose media is so much ahead of its rate catches up: encoders send their pictures
/// as they come, and a few of them together where the network was slow.
const AHEAD: Duration = Duration::from_millis(250);

/// The rates that one connection is held to.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes: Meter,
    media: Meter,
    others: Meter,
    /// What has been paid for.
    paid: Received,
}

impl Pace {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            bytes: Meter::new(limits.rtmp_bytes),
            media: Meter::new(limits.rtmp_media_messages),
            others: Meter::new(limits.rtmp_other_messages),
            paid: Received::default(),
        }
    }

    /// The connection has received this much up to now. How many messages of media in it are to be
    /// paid for from what all share that catch up.
    pub(crate) fn spend(&mut self, received: Received, uptime: Duration) -> u64 {
        let paid = std::mem::replace(&mut self.paid, received);
        let was_ahead = self.is_ahead(uptime);
        let now = nanos(uptime);
        let media = received.media.saturating_sub(paid.media);
        let chunks = received.chunks.saturating_sub(paid.chunks);
        let bytes = received.bytes.saturating_sub(paid.bytes);
        self.bytes.spend(bytes.max(chunks.saturating_mul(CHUNK_BYTES)), now);
        self.media.spend(media, now);
        self.others.spend(received.others.saturating_sub(paid.others), now);
        if was_ahead { media } else { 0 }
    }

    /// Whether the connection catches up.
    pub(crate) fn is_ahead(&self, uptime: Duration) -> bool {
        self.media.paid_at > nanos(uptime + AHEAD)
    }

    /// How long from now on no more of it should be read; zero nearly always.
    pub(crate) fn wait(&self, uptime: Duration) -> Duration {
        let now = nanos(uptime);
        let wait = self.bytes.wait(now).max(self.media.wait(now)).max(self.others.wait(now));
        Duration::from_nanos(wait)
    }
}

/// What all publishers together may spend beyond what each may. Each new one may begin with a
/// burst, so that without this who comes again and again could spend any amount.
#[derive(Debug)]
pub(crate) struct Common(Mutex<Meter>);

impl Common {
    pub(crate) fn new(rate: Rate) -> Self {
        Self(Mutex::new(Meter::new(rate)))
    }

    /// One of them spends so many units more.
    pub(crate) fn spend(&self, units: u64, uptime: Duration) {
        // Most spend nothing, and need not wait for each other.
        if units > 0 {
            lock(&self.0).spend(units, nanos(uptime));
        }
    }

    /// How long from now on none should spend more of it.
    pub(crate) fn wait(&self, uptime: Duration) -> Duration {
        Duration::from_nanos(lock(&self.0).wait(nanos(uptime)))
    }
}

/// How often publishers of each address are accepted.
#[derive(Debug)]
pub(crate) struct PublishRates {
    rate: Rate,
    by_address: HashMap<IpAddr, Meter>,
}

/// Addresses that are remembered. Who publishes from more of them at once is not held up by this.
const MAX_ADDRESSES: usize = 4096;

impl PublishRates {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, by_address: HashMap::new() }
    }

    /// Whether one more may be accepted now.
    pub(crate) fn allows(&self, address: IpAddr, uptime: Duration) -> bool {
        let meter = self.by_address.get(&address);
        meter.is_none_or(|meter| meter.holds(1, nanos(uptime)))
    }

    /// One was accepted.
    pub(crate) fn count(&mut self, address: IpAddr, uptime: Duration) {
        let now = nanos(uptime);
        if self.by_address.len() >= MAX_ADDRESSES {
            self.by_address.retain(|_, meter| meter.paid_at > now);
        }
        if self.by_address.len() < MAX_ADDRESSES || self.by_address.contains_key(&address) {
            self.by_address.entry(address).or_insert_with(|| Meter::new(self.rate)).spend(1, now);
        }
    }
}

/// Counts what is spent against a [`Rate`]; all times are in nanoseconds.
#[derive(Debug)]
struct Meter {
    rate: Rate,
    /// In which time the burst would be paid by the rate.
    burst: u64,
    /// The uptime at which all that was spent would be paid by the rate alone.
    paid_at: u64,
}

impl Meter {
    fn new(rate: Rate) -> Self {
        Self { rate, burst: rate.nanos_for(rate.burst), paid_at: 0 }
    }

    fn spend(&mut self, units: u64, now: u64) {
        // A read has chunks of a picture, or a message, and hardly ever something for each meter.
        if units > 0 {
            self.paid_at = self.paid_at.max(now).saturating_add(self.rate.nanos_for(units));
        }
    }

    /// Whether so many are left of the burst.
    fn holds(&self, units: u64, now: u64) -> bool {
        let spent = self.paid_at.saturating_sub(now);
        spent.saturating_add(self.rate.nanos_for(units)) <= self.burst
    }

    fn wait(&self, now: u64) -> u64 {
        self.paid_at.saturating_sub(now.saturating_add(self.burst))
    }
}

/// A time in one number, which is enough for 584 years: three meters are asked for each read of a
/// socket.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A connection of which more is read as soon as it may be: how long it takes until all of
    /// `messages`, one received total after the other, is read.
    fn time_to_read(messages: impl IntoIterator<Item = Received>) -> Duration {
        let mut pace = Pace::new(&Limits::default());
        let mut now = at(5000);
        for received in messages {
            now += pace.wait(now);
            pace.spend(received, now);
        }
        now - at(5000)
    }

    /// Totals that grow by `step` each time.
    fn totals(step: Received, count: u64) -> impl Iterator<Item = Received> {
        (1..=count).map(move |n| Received {
            bytes: step.bytes * n,
            chunks: step.chunks * n,
            media: step.media * n,
            others: step.others * n,
            ..Received::default()
        })
    }

    #[test]
    fn a_meter_lets_a_burst_through_and_then_its_rate() {
        let at = |ms: u64| ms * 1_000_000;
        let mut meter = Meter::new(Rate { per_second: 100, burst: 50 });
        meter.spend(50, at(1000));
        assert_eq!(meter.wait(at(1000)), 0);
        meter.spend(10, at(1000));
        assert_eq!(meter.wait(at(1000)), at(100));
        assert_eq!(meter.wait(at(1040)), at(60));
        assert_eq!(meter.wait(at(1100)), 0);
        // Whoever rests has the whole burst again, and no more than that.
        meter.spend(51, at(60_000));
        assert_eq!(meter.wait(at(60_000)), at(10));
    }

    #[test]
    fn a_rate_is_exact_and_any_number_has_a_time() {
        let rate = Rate { per_second: 3, burst: 1 };
        assert_eq!(rate.nanos_for(0), 0);
        assert_eq!(rate.nanos_for(1), 333_333_333);
        assert_eq!(rate.nanos_for(30_000_000_000), 10_000_000_000_000_000_000);
        assert_eq!(rate.nanos_for(u64::MAX), u64::MAX);
    }

    #[test]
    fn an_address_publishes_so_often_and_others_do_not_notice() {
        let (greedy, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut rates = PublishRates::new(Rate { per_second: 2, burst: 3 });
        let mut accepted = |address, ms| {
            let is_accepted = rates.allows(address, at(ms));
            if is_accepted {
                rates.count(address, at(ms));
            }
            is_accepted
        };
        let tries = [0, 0, 0, 0, 400, 500, 500, 1000].map(|ms| accepted(greedy, ms));
        assert_eq!(tries, [true, true, true, false, false, true, false, true]);
        assert!(accepted(other, 1000));
    }

    #[test]
    fn addresses_are_remembered_while_that_matters_and_never_more_than_so_many() {
        let mut rates = PublishRates::new(Rate { per_second: 1, burst: 1 });
        for n in 0..10_000_u32 {
            rates.count(IpAddr::from(n.to_be_bytes()), at(0));
        }
        assert_eq!(rates.by_address.len(), MAX_ADDRESSES);
        rates.count(IpAddr::from([192, 0, 2, 1]), at(2000));
        assert_eq!(rates.by_address.len(), 1);
    }

    #[test]
    fn new_connections_share_what_is_beyond_their_rates() {
        let limits = Limits::default();
        let catch_up = Common::new(limits.rtmp_catch_up_messages);
        let mut read = 0;
        // Each of them is new and has its burst, and sends until it is held up.
        for _ in 0..100 {
            let mut pace = Pace::new(&limits);
            let step = Received { media: 100, ..Received::default() };
            for received in totals(step, 160) {
                if pace.is_ahead(at(0)) && !catch_up.wait(at(0)).is_zero() {
                    break;
                }
                catch_up.spend(pace.spend(received, at(0)), at(0));
                read += 100;
            }
        }
        let own = 100 * (limits.rtmp_media_messages.per_second / 4 + 100);
        let most = limits.rtmp_catch_up_messages.burst + own + 100;
        assert!(read <= most, "{read} messages at once of {most}");
        // Meanwhile who keeps to the rate is never held up.
        let mut pace = Pace::new(&limits);
        for received in totals(Received { media: 250, ..Received::default() }, 10) {
            // A thousand a second.
            let now = at(received.media);
            assert!(!pace.is_ahead(now) && pace.wait(now).is_zero());
            assert_eq!(pace.spend(received, now), 0);
        }
    }

    #[test]
    fn the_heaviest_real_publishers_never_wait() {
        // 4K60 at 100 Mbit/s in chunks of 128 bytes, sound in messages of 5 ms, and a stall of 20 s
        // that is caught up in one go, every minute.
        let second = Received {
            bytes: 12_500_000,
            chunks: 98_000,
            media: 260,
            others: 3,
            ..Received::default()
        };
        let mut pace = Pace::new(&Limits::default());
        let mut received = Received::default();
        for secs in 1..600 {
            let seconds = match secs % 60 {
                0..20 => 0,
                20 => 21,
                _ => 1,
            };
            received.bytes += second.bytes * seconds;
            received.chunks += second.chunks * seconds;
            received.media += second.media * seconds;
            received.others += second.others * seconds;
            pace.spend(received, at(secs * 1000));
            assert_eq!(pace.wait(at(secs * 1000)), Duration::ZERO, "second {secs}");
        }
    }

    #[test]
    fn a_minute_of_a_file_is_taken_at_once_and_an_hour_of_it_ten_times_as_fast_as_it_plays() {
        // 1080p60 at 8 Mbit/s with AAC at 48 kHz, message by message.
        let message =
            Received { bytes: 9_300, chunks: 1, media: 1, others: 0, ..Received::default() };
        let minute = 60 * 107;
        assert_eq!(time_to_read(totals(message, minute)), Duration::ZERO);
        let hour = time_to_read(totals(message, 60 * minute));
        assert!(hour <= Duration::from_secs(360), "{hour:?}");
    }

    #[test]
    fn floods_of_what_costs_us_most_are_held_to_their_rate() {
        let empty_messages = Received {
            bytes: 32_768,
            chunks: 32_768,
            media: 0,
            others: 32_768,
            ..Received::default()
        };
        let tiny_media = Received {
            bytes: 32_768,
            chunks: 16_384,
            media: 16_384,
            others: 0,
            ..Received::default()
        };
        let tiny_chunks =
            Received { bytes: 32_768, chunks: 16_384, media: 0, others: 0, ..Received::default() };
        let bytes = Received { bytes: 32_768, ..Received::default() };
        let limits = Limits::default();
        let messages = |rate: Rate, time: Duration| rate.per_second * time.as_secs() + rate.burst;
        let hundred = |step| time_to_read(totals(step, 101));
        let others = messages(limits.rtmp_other_messages, hundred(empty_messages));
        assert!((3_276_800 - 100..=3_276_800).contains(&others), "{others}");
        let media = messages(limits.rtmp_media_messages, hundred(tiny_media));
        assert!((1_638_400 - 1000..=1_638_400).contains(&media), "{media}");
        let chunks = time_to_read(totals(tiny_chunks, 401));
        assert!(chunks >= Duration::from_secs(12), "13 MB that cost as much as 840: {chunks:?}");
        assert_eq!(time_to_read(totals(bytes, 401)), Duration::ZERO);
    }
}
