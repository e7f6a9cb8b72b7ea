//! The queue between ingest and transcoder, and what it drops when the transcoder falls behind.
//!
//! Bound: 2 s of pictures, 8 pictures, or one GOP, what level 5.2 lets be decoded in 2 s, and 16
//! MiB. Over that, pictures nothing refers to go first, then everything up to the next random
//! access picture, or recovery point where no other comes. Where only random access pictures are
//! left that is too much, the oldest go. Cuts stay, so every segment exists, with its span. Over 16
//! MiB the oldest GOP goes whole, and the renditions show the picture before it meanwhile.
//!
//! What is never dropped is bounded by [`Queue::is_full`]: a driver waits with the next item until
//! it is not. A stream that comes in real time never gets there; one sent as fast as the network
//! takes it is slowed down.

use std::collections::VecDeque;

use media::{Duration, Timestamp};

use crate::picture::Picture;
use crate::source_segment::Item;

/// Media the queue may hold before pictures are dropped: the sum of its pictures' intervals, so
/// that what is left of a GOP whose pictures were dropped counts as the work that it is.
const MAX_MEDIA: Duration = Duration::from_secs(2);

/// So many pictures may wait however long each is shown: the last of a slide show come together
/// when it ends.
const FEW_PICTURES: usize = 8;

/// Macroblocks of pictures that the queue may hold before pictures are dropped: what level 5.2 lets
/// be decoded in 2 s (14496-10 table A-1). Intervals are the publisher's word, this is what its
/// pictures cost.
const MAX_MACROBLOCKS: u64 = 2 * 2_073_600;

/// Bytes of media the queue may hold before a whole GOP is dropped.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Items the queue may hold before the driver has to wait: over a minute at 60 pictures a second.
const MAX_ITEMS: usize = 4096;

/// Bytes of what is never dropped (the sound of spans, what renditions that join begin with) that
/// the queue may hold before the driver has to wait.
const MAX_KEPT_BYTES: usize = 32 * 1024 * 1024;

/// Items on their way to the transcoder; plain data, the driver adds lock and wake-up.
#[derive(Debug, Default)]
pub struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    kept_bytes: usize,
    media: Duration,
    macroblocks: u64,
    /// A picture was dropped that others refer to: none is taken until the next that the stream
    /// may go on with.
    skipping: bool,
    stats: QueueStats,
}

/// What a [`Queue`] has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Pictures dropped because the transcoder was behind.
    pub dropped_pictures: u64,
    /// Whole GOPs dropped because the queue was over its bytes.
    pub dropped_gops: u64,
    /// Media that waits at the moment: the sum of its pictures' intervals.
    pub waiting: Duration,
    /// Bytes that wait at the moment.
    pub waiting_bytes: usize,
    /// Decoding time of the newest picture taken.
    pub newest: Option<Timestamp>,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an item at the end, and drops what the bounds demand.
    pub fn push(&mut self, mut item: Item) {
        if let Item::Picture(picture) = &mut item {
            self.stats.newest = Some(picture.unit.dts);
            if self.skipping && picture.cut_point.is_none() {
                self.stats.dropped_pictures += 1;
                return;
            }
            picture.after_gap = std::mem::take(&mut self.skipping);
        }
        self.bytes += item.bytes();
        self.kept_bytes += item.kept_bytes();
        self.media += item.media();
        self.macroblocks += item.macroblocks();
        self.items.push_back(item);
        self.enforce_work();
        self.enforce_bytes();
    }

    /// Takes the oldest item.
    pub fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.bytes -= item.bytes();
        self.kept_bytes -= item.kept_bytes();
        self.media = self.media - item.media();
        self.macroblocks -= item.macroblocks();
        Some(item)
    }

    /// Gives up all pictures: nobody waits for what would be made of them. They do not count as
    /// dropped.
    pub fn give_up_pictures(&mut self) {
        self.items.retain(|item| !matches!(item, Item::Picture(_)));
        self.bytes = 0;
        self.media = Duration::ZERO;
        self.macroblocks = 0;
    }

    /// Whether the next item has to wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.items.len() >= MAX_ITEMS || self.kept_bytes >= MAX_KEPT_BYTES
    }

    /// Counts since the start, and what waits.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        QueueStats { waiting: self.media, waiting_bytes: self.bytes, ..self.stats }
    }

    fn enforce_work(&mut self) {
        if self.is_too_much_work() {
            self.drop_where(|picture| picture.disposable && !picture.unit.random_access);
        }
        while self.is_too_much_work() {
            if !self.drop_to_random_access() && !self.drop_oldest_but_one() {
                return;
            }
        }
    }

    fn is_too_much_work(&self) -> bool {
        (self.media > MAX_MEDIA && self.has_more_pictures_than(FEW_PICTURES))
            || self.macroblocks > MAX_MACROBLOCKS
    }

    fn has_more_pictures_than(&self, pictures: usize) -> bool {
        self.items.iter().filter(|item| matches!(item, Item::Picture(_))).nth(pictures).is_some()
    }

    /// Drops the oldest picture, where it is not the only one; whether it did. All are such that
    /// decoding may begin with.
    fn drop_oldest_but_one(&mut self) -> bool {
        if !self.has_more_pictures_than(1) {
            return false;
        }
        let mut is_oldest = true;
        self.drop_where(|_| std::mem::take(&mut is_oldest))
    }

    /// Drops the oldest run of pictures that others refer to, up to the random access picture
    /// behind it; whether there was one.
    fn drop_to_random_access(&mut self) -> bool {
        let mut state = Run::Before;
        let dropped = self.drop_where(|picture| {
            state = match (state, picture.unit.random_access) {
                (Run::Before, false) | (Run::Inside, false) => Run::Inside,
                (Run::Inside, true) => Run::After,
                (state, _) => state,
            };
            state == Run::Inside
        });
        // The run reaches the end of the queue: what comes next refers to what is gone.
        if dropped && state == Run::Inside {
            self.skipping = true;
        }
        dropped
    }

    fn enforce_bytes(&mut self) {
        while self.bytes > MAX_BYTES {
            let mut random_access_seen = 0;
            let dropped = self.drop_where(|picture| {
                random_access_seen += usize::from(picture.unit.random_access);
                random_access_seen <= 1
            });
            if !dropped {
                return;
            }
            self.skipping = random_access_seen <= 1;
            self.stats.dropped_gops += 1;
        }
    }

    /// Drops the pictures for which `drop` holds, oldest first; whether there were any.
    fn drop_where(&mut self, mut drop: impl FnMut(&Picture) -> bool) -> bool {
        let before = self.items.len();
        let (bytes, media) = (&mut self.bytes, &mut self.media);
        let macroblocks = &mut self.macroblocks;
        self.items.retain(|item| match item {
            Item::Picture(picture) if drop(picture) => {
                *bytes -= item.bytes();
                *media = *media - item.media();
                *macroblocks -= item.macroblocks();
                false
            }
            _ => true,
        });
        let dropped = before - self.items.len();
        self.stats.dropped_pictures += dropped as u64;
        dropped > 0
    }
}

/// Where a walk over the queue stands relative to the run of pictures to drop.
#[derive(Clone, Copy, PartialEq)]
enum Run {
    Before,
    Inside,
    After,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use h264::ParameterSets;
    use hls::CutPoint;
    use media::{AccessUnit, NalUnits};

    use super::*;
    use crate::picture::VideoConfig;
    use crate::source_segment::LadderCut;

    /// Baseline, 176x144.
    const SPS: [u8; 8] = [0x67, 0x42, 0x00, 0x0a, 0xf4, 0x16, 0x27, 0x20];

    fn picture(n: i64, bytes: usize, gop: i64, disposable: bool) -> Item {
        let at = Timestamp::from_millis(n * 40);
        let mut nal_units = NalUnits::new(Bytes::from(vec![0; bytes]));
        assert!(nal_units.push(0..bytes));
        let random_access = n % gop == 0;
        let sps = h264::Sps::parse(&SPS).unwrap();
        let config = VideoConfig { parameter_sets: ParameterSets::default(), sps, refusal: None };
        Item::Picture(Picture {
            unit: AccessUnit { pts: at, dts: at, random_access, nal_units },
            config: Arc::new(config),
            macroblocks: 99,
            disposable,
            recovery_point: false,
            cut_point: random_access.then_some(CutPoint::Idr),
            may_begin_segment: random_access,
            after_gap: false,
            interval: Duration::from_millis(40),
        })
    }

    fn cut() -> Item {
        Item::Cut(LadderCut { ended: None, begins: None, pictures_stopped: false })
    }

    fn left(queue: &mut Queue) -> Vec<i64> {
        let mut numbers = Vec::new();
        while let Some(item) = queue.pop() {
            if let Item::Picture(picture) = item {
                numbers.push(picture.unit.dts.ticks() / 3600);
            }
        }
        numbers
    }

    #[test]
    fn pictures_nothing_refers_to_go_first() {
        let mut queue = Queue::new();
        for n in 0..60 {
            queue.push(picture(n, 10, 25, n % 2 == 1));
        }
        let left = left(&mut queue);
        assert!(left.iter().take(20).all(|n| n % 2 == 0 || *n == 25), "{left:?}");
        assert!(
            [0, 25, 50].iter().all(|n| left.contains(n)),
            "random access pictures stay: {left:?}"
        );
    }

    #[test]
    fn then_everything_up_to_the_next_random_access_picture() {
        let mut queue = Queue::new();
        for n in 0..60 {
            queue.push(picture(n, 10, 25, false));
        }
        assert!(queue.stats().dropped_pictures > 0);
        let left = left(&mut queue);
        assert_eq!(left[..2], [0, 25], "the first GOP lost all but its IDR");
        assert_eq!(left.last(), Some(&59));
    }

    #[test]
    fn a_run_that_reaches_the_end_is_skipped_to_the_next_random_access_picture() {
        let mut queue = Queue::new();
        for n in 0..130 {
            queue.push(picture(n, 10, 100, false));
        }
        assert_eq!(left(&mut queue), (0..1).chain(100..130).collect::<Vec<_>>());
        assert_eq!(queue.stats().waiting, Duration::ZERO, "time is counted exactly");
    }

    #[test]
    fn a_run_that_reaches_the_end_is_skipped_to_the_next_recovery_point_where_no_idr_comes() {
        let mut queue = Queue::new();
        for n in 0..130 {
            let mut item = picture(n, 10, 1000, false);
            if let Item::Picture(picture) = &mut item {
                picture.recovery_point = n % 25 == 0;
                let is_cut_point = n == 0 || n == 100;
                picture.cut_point = is_cut_point.then_some(CutPoint::RecoveryPoint);
            }
            queue.push(item);
        }
        let mut after_gap = Vec::new();
        queue.items.iter().for_each(|item| {
            if let Item::Picture(Picture { unit, after_gap: true, .. }) = item {
                after_gap.push(unit.dts.ticks() / 3600);
            }
        });
        assert_eq!(after_gap, [100]);
        assert_eq!(left(&mut queue), (0..1).chain(100..130).collect::<Vec<_>>());
    }

    #[test]
    fn everything_that_is_no_picture_stays() {
        let mut queue = Queue::new();
        for n in 0..200 {
            queue.push(cut());
            queue.push(picture(n, 10, 25, false));
        }
        let mut cuts = 0;
        while let Some(item) = queue.pop() {
            cuts += usize::from(matches!(item, Item::Cut(_)));
        }
        assert_eq!(cuts, 200);
    }

    #[test]
    fn it_is_full_when_what_is_never_dropped_piles_up() {
        let mut queue = Queue::new();
        let mut pushed = 0;
        while !queue.is_full() {
            queue.push(cut());
            pushed += 1;
        }
        assert_eq!(pushed, 4096);
        queue.pop();
        assert!(!queue.is_full());
    }

    #[test]
    fn random_access_pictures_that_are_late_go_too() {
        let mut queue = Queue::new();
        for n in 0..200 {
            queue.push(picture(n, 10, 1, false));
        }
        assert_eq!(left(&mut queue), (150..200).collect::<Vec<_>>(), "the newest 2 s");
    }

    /// A slide show of a picture a second, GOPs of two: what ingest holds back comes at its end.
    #[test]
    fn case_18_the_last_pictures_of_a_slide_show_are_all_made() {
        let slide = |n| {
            let mut item = picture(n, 10, 2, false);
            if let Item::Picture(picture) = &mut item {
                picture.interval = Duration::from_secs(1);
            }
            item
        };
        let mut queue = Queue::new();
        (0..8).for_each(|n| queue.push(slide(n)));
        assert_eq!(left(&mut queue), (0..8).collect::<Vec<_>>());
        assert_eq!(queue.stats().dropped_pictures, 0);
        (0..100).for_each(|n| queue.push(slide(n)));
        assert!(left(&mut queue).len() <= 9, "a few at most");
    }

    #[test]
    fn large_pictures_that_claim_to_last_no_time_are_bounded_by_their_work() {
        let mut queue = Queue::new();
        for n in 0..4000 {
            let mut item = picture(n, 10, 1, false);
            if let Item::Picture(picture) = &mut item {
                picture.macroblocks = 36_864;
                picture.interval = Duration::from_ticks(1);
            }
            queue.push(item);
        }
        assert_eq!(left(&mut queue), (3888..4000).collect::<Vec<_>>());
        assert_eq!(queue.macroblocks, 0, "work is counted exactly");
    }

    #[test]
    fn pictures_that_are_given_up_do_not_count_as_dropped() {
        let mut queue = Queue::new();
        for n in 0..10 {
            queue.push(cut());
            queue.push(picture(n, 10, 5, false));
        }
        queue.give_up_pictures();
        assert_eq!(queue.stats().dropped_pictures, 0);
        assert_eq!(std::iter::from_fn(|| queue.pop()).count(), 10, "the cuts");
        assert_eq!((queue.bytes, queue.macroblocks, queue.media), (0, 0, Duration::ZERO));
    }

    #[test]
    fn over_its_bytes_the_oldest_gop_goes_whole() {
        let mut queue = Queue::new();
        for n in 0..40 {
            queue.push(picture(n, 1024 * 1024, 10, false));
        }
        assert!(queue.stats().dropped_gops >= 2);
        assert!(left(&mut queue).len() <= 16);
        assert_eq!(queue.bytes, 0, "bytes are counted exactly");
    }
}
