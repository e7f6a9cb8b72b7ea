//! The memory budget of the process, and what each stream may hold of it.
//!
//! Media is counted for as long as anybody holds it: [`Account::hold`] wraps the bytes of a message
//! or a segment, and they count until the last reference to them is gone, whoever has it: a queue,
//! a window, a viewer that reads slowly. Everything else that the process has resident is measured.
//!
//! **A stream may hold as much as it leaves free for others.** One alone gets half of what there
//! is, the next half of the rest: nobody can take so much that another gets nothing. A small part
//! is each stream's own, whatever the others hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Moment;

/// What a message or a segment costs besides its bytes: a picture of five bytes is not free.
const COST: usize = 256;

/// This part of the budget is never given out: messages are counted when they are whole, segments
/// when they are written, and what is beside media is measured now and then.
const RESERVE_PART: usize = 4;

/// All streams together may hold this part of the rest as their own.
const OWN_PART: usize = 4;

/// More than this is no stream's own: some seconds of 30 Mbit/s.
const MAX_OWN_BYTES: usize = 32 << 20;

/// Decoders that are fed as pictures come may take this part of it.
const DECODING_PART: usize = 4;

/// Free memory goes back to the system when it has become more by this.
const TRIM_STEP: usize = 32 << 20;

/// And not more often than this: the heap is locked meanwhile.
const TRIM_INTERVAL: Duration = Duration::from_secs(5);

/// The budget, and what is taken of it.
#[derive(Debug)]
pub struct Memory {
    /// What the process may have resident.
    budget: usize,
    /// What of it is given out.
    usable: usize,
    /// What each stream may hold whatever the others hold.
    own: usize,
    /// Bytes of media that somebody holds.
    media: AtomicUsize,
    /// What the process had resident beside media when it was last measured.
    beside: AtomicUsize,
    /// Bytes that decoders have been given room for.
    decoding: AtomicUsize,
}

impl Memory {
    /// A budget of so many bytes for at most `max_streams` streams at once.
    #[must_use]
    pub fn new(budget: u64, max_streams: usize) -> Arc<Self> {
        let budget = usize::try_from(budget).unwrap_or(usize::MAX);
        let usable = budget - budget / RESERVE_PART;
        Arc::new(Self {
            budget,
            usable,
            own: (usable / OWN_PART / max_streams.max(1)).min(MAX_OWN_BYTES),
            media: AtomicUsize::new(0),
            beside: AtomicUsize::new(0),
            decoding: AtomicUsize::new(0),
        })
    }

    /// The account of a stream.
    #[must_use]
    pub(crate) fn account(self: &Arc<Self>) -> Arc<Account> {
        Arc::new(Account { memory: Arc::clone(self), held: AtomicUsize::new(0) })
    }

    /// Bytes that the process may use.
    pub(crate) fn budget(&self) -> usize {
        self.budget
    }

    /// Bytes of media that somebody holds.
    pub(crate) fn media(&self) -> usize {
        self.media.load(Ordering::Relaxed)
    }

    /// Bytes that the process has resident beside media.
    pub(crate) fn beside(&self) -> usize {
        self.beside.load(Ordering::Relaxed)
    }

    /// Bytes that decoders have been given room for.
    pub(crate) fn decoding(&self) -> usize {
        self.decoding.load(Ordering::Relaxed)
    }

    /// Notes what the process has resident in all.
    pub(crate) fn note_resident(&self, bytes: usize) {
        self.beside.store(bytes.saturating_sub(self.media()), Ordering::Relaxed);
    }

    /// Streams without a publisher shall hold less.
    pub(crate) fn is_short(&self) -> bool {
        self.free_beside(self.media()) < self.usable / 4
    }

    /// Streams that are over are to be forgotten.
    pub(crate) fn is_very_short(&self) -> bool {
        self.free_beside(self.media()) < self.usable / 8
    }

    /// There is none for another stream.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.free_beside(self.media()) == 0
    }

    /// Room for a decoder of so many bytes, if there is any left.
    pub(crate) fn decoder_room(self: &Arc<Self>, bytes: usize) -> Option<DecoderRoom> {
        let most = self.usable / DECODING_PART;
        let with_it = |held: usize| held.checked_add(bytes).filter(|held| *held <= most);
        self.decoding.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with_it).ok()?;
        Some(DecoderRoom { memory: Arc::clone(self), bytes })
    }

    fn free_beside(&self, media: usize) -> usize {
        self.usable.saturating_sub(self.beside()).saturating_sub(media)
    }
}

/// Room for a decoder; dropped, it is free again.
#[derive(Debug)]
pub(crate) struct DecoderRoom {
    memory: Arc<Memory>,
    bytes: usize,
}

impl DecoderRoom {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for DecoderRoom {
    fn drop(&mut self) {
        self.memory.decoding.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What one stream holds.
#[derive(Debug)]
pub(crate) struct Account {
    memory: Arc<Memory>,
    held: AtomicUsize,
}

impl Account {
    /// Counts the bytes, which exist already, for as long as anybody holds what is returned.
    pub(crate) fn hold(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        self.add(cost(&bytes));
        self.wrap(bytes)
    }

    /// The same, if the stream may hold so much.
    ///
    /// # Errors
    /// It may not: the bytes, not counted.
    pub(crate) fn try_hold(self: &Arc<Self>, bytes: Bytes) -> Result<Bytes, Bytes> {
        let cost = cost(&bytes);
        let (held, media) = self.add(cost);
        if held <= self.memory.own || held <= self.memory.free_beside(media) {
            return Ok(self.wrap(bytes));
        }
        self.remove(cost);
        Err(bytes)
    }

    /// How many bytes the stream has to give up before it may hold these.
    pub(crate) fn excess(&self, bytes: &Bytes) -> usize {
        let (cost, held) = (cost(bytes), self.held.load(Ordering::Relaxed));
        let taken = self.memory.media() + self.memory.beside();
        let to_own = (held + cost).saturating_sub(self.memory.own);
        // What it gives up is free for others too.
        let to_share = (held + 2 * cost + taken).saturating_sub(self.memory.usable).div_ceil(2);
        to_own.min(to_share)
    }

    /// Counts so many bytes for as long as anybody holds what is returned.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: usize) -> Reserved {
        self.add(bytes);
        Reserved { account: Arc::clone(self), cost: bytes }
    }

    /// Bytes that the stream holds.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    fn wrap(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        let reserved = Reserved { account: Arc::clone(self), cost: cost(&bytes) };
        Bytes::from_owner(Held { bytes, _reserved: reserved })
    }

    /// What the stream holds then, and what all hold.
    fn add(&self, cost: usize) -> (usize, usize) {
        let held = self.held.fetch_add(cost, Ordering::Relaxed) + cost;
        let media = self.memory.media.fetch_add(cost, Ordering::Relaxed) + cost;
        (held, media)
    }

    fn remove(&self, cost: usize) {
        self.held.fetch_sub(cost, Ordering::Relaxed);
        self.memory.media.fetch_sub(cost, Ordering::Relaxed);
    }
}

fn cost(bytes: &Bytes) -> usize {
    bytes.len() + COST
}

/// Bytes on an account.
struct Held {
    bytes: Bytes,
    _reserved: Reserved,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// So many bytes on an account; dropped, they are free again.
#[derive(Debug)]
pub(crate) struct Reserved {
    account: Arc<Account>,
    cost: usize,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.account.remove(self.cost);
    }
}

/// Decides when free memory goes back to the system, which the heap does not do by itself.
#[derive(Debug, Default)]
pub(crate) struct Trim {
    last: Option<Moment>,
    /// The least that was resident beside media since then: so much is needed.
    kept: usize,
}

impl Trim {
    /// Whether to do it now, when `beside` bytes are resident beside media.
    pub(crate) fn is_due(&mut self, beside: usize, now: Moment) -> bool {
        self.kept = self.kept.min(beside);
        let is_early = self.last.is_some_and(|last| now.since(last) < TRIM_INTERVAL);
        let is_due = !is_early && beside >= self.kept + TRIM_STEP;
        if is_due {
            self.last = Some(now);
        }
        is_due
    }

    /// It was done, and so much is resident beside media.
    pub(crate) fn note_done(&mut self, beside: usize) {
        self.kept = beside;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: usize = 1 << 20;
    const KIB: usize = 1 << 10;

    /// With so many bytes to give out.
    fn memory_of(usable: usize, max_streams: usize) -> Arc<Memory> {
        let memory = Memory::new((usable * 4 / 3) as u64, max_streams);
        assert_eq!(memory.usable, usable);
        memory
    }

    fn bytes(len: usize) -> Bytes {
        vec![0; len].into()
    }

    /// Takes megabytes until there is no room.
    fn fill(account: &Arc<Account>) -> Vec<Bytes> {
        std::iter::from_fn(|| account.try_hold(bytes(MIB - COST)).ok()).collect()
    }

    #[test]
    fn each_may_hold_what_it_leaves_free_for_others() {
        let memory = memory_of(256 * MIB, 1000);
        let accounts = [(); 4].map(|()| memory.account());
        let held = accounts.each_ref().map(fill);
        assert_eq!(held.each_ref().map(Vec::len), [128, 64, 32, 16]);
        // Whoever is gone leaves his part to the others.
        let [first, ..] = held;
        drop(first);
        assert!(accounts[3].try_hold(bytes(40 * MIB)).is_ok());
    }

    #[test]
    fn a_part_is_each_stream_s_own() {
        let memory = memory_of(256 * MIB, 16);
        let greedy: Vec<_> = (0..20).map(|_| memory.account()).collect();
        let _held: Vec<_> = greedy.iter().map(fill).collect();
        memory.note_resident(1000 * MIB);
        assert!(memory.is_exhausted());
        assert_eq!(fill(&memory.account()).len(), 4);
    }

    #[test]
    fn bytes_count_until_their_last_reference_is_gone() {
        let memory = memory_of(256 * MIB, 10);
        let account = memory.account();
        let held = account.hold(bytes(1000));
        let part = held.slice(10..20);
        drop((held, account));
        assert_eq!(memory.media(), 1000 + COST, "a viewer still reads it");
        drop(part);
        assert_eq!(memory.media(), 0);
        let account = memory.account();
        let refused = account.try_hold(bytes(200 * MIB)).unwrap_err();
        assert_eq!((refused.len(), memory.media()), (200 * MIB, 0));
    }

    #[test]
    fn what_is_resident_beside_media_is_not_there_for_it() {
        let memory = memory_of(256 * MIB, 1000);
        let account = memory.account();
        let held = account.hold(bytes(16 * MIB));
        memory.note_resident(216 * MIB);
        assert_eq!(memory.beside() / MIB, 199);
        assert!(memory.is_short() && !memory.is_exhausted());
        assert!(account.try_hold(bytes(20 * MIB)).is_err());
        assert!(account.try_hold(bytes(10 * MIB)).is_ok());
        drop(held);
    }

    #[test]
    fn decoders_have_a_part_of_the_budget() {
        let memory = memory_of(256 * MIB, 10);
        let first = memory.decoder_room(60 * MIB);
        assert!(first.is_some() && memory.decoder_room(5 * MIB).is_none());
        drop(first);
        assert!(memory.decoder_room(64 * MIB).is_some());
    }

    #[test]
    fn free_memory_goes_back_when_it_has_become_more() {
        let at = |secs| Moment { uptime: Duration::from_secs(secs), unix_ms: 0 };
        let mut trim = Trim::default();
        assert!(!trim.is_due(31 * MIB, at(0)));
        assert!(trim.is_due(40 * MIB, at(1)));
        trim.note_done(20 * MIB);
        assert!(!trim.is_due(100 * MIB, at(5)), "not so soon");
        assert!(trim.is_due(100 * MIB, at(6)));
        trim.note_done(90 * MIB);
        assert!(!trim.is_due(100 * MIB, at(20)), "it is needed");
        assert!(!trim.is_due(20 * MIB, at(21)) && trim.is_due(60 * MIB, at(22)));
    }

    proptest! {
        /// A stream that gives up its excess may hold what it wanted to, if it holds enough to give
        /// up.
        #[test]
        fn excess_is_enough(
            others in 0_usize..200, own in prop::collection::vec(1_usize..20, 1..20), next in 1_usize..30,
        ) {
            let memory = memory_of(256 * KIB, 10);
            let _others = memory.account().hold(bytes(others * KIB));
            let account = memory.account();
            let mut held: Vec<_> = own.iter().map(|kib| account.hold(bytes(kib * KIB))).collect();
            let next = bytes(next * KIB);
            let mut excess = account.excess(&next);
            while excess > 0 {
                let Some(given_up) = held.pop() else { return Ok(()) };
                excess = excess.saturating_sub(cost(&given_up));
            }
            prop_assert!(account.try_hold(next).is_ok());
        }
    }
}
