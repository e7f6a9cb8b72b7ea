//! The bound that `RateGuard` documents, for any pictures at any times.
//!
//! Covered: sizes from nothing to far over the cap, gaps, steps back, forced IDRs. Not covered: an
//! encoder behind it.

use codec::{Force, RateGuard};
use media::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

const CAP_BPS: u32 = 400_000;

proptest! {
    #[test]
    fn any_span_stays_under_its_bound(
        pictures in vec((0_i64..9000, 0_usize..20_000, prop::bool::weighted(0.02)), 1..300),
    ) {
        let mut guard = RateGuard::new(CAP_BPS);
        let mut now = 0;
        let mut skipped = 0;
        // (time, bits, forced)
        let mut sent: Vec<(i64, i64, bool)> = Vec::new();
        for (gap, bytes, idr) in pictures {
            now += gap;
            let force = if idr { Force::Idr } else { Force::None };
            if guard.admit(Timestamp::from_ticks(now), force) {
                guard.encoded(bytes);
                sent.push((now, bytes as i64 * 8, idr));
            } else {
                prop_assert!(!idr, "a forced IDR was left out");
                skipped += 1;
            }
        }
        prop_assert_eq!(guard.skipped(), skipped);
        for (first, (start, ..)) in sent.iter().enumerate() {
            let mut ordinary = 0;
            for (time, bits, idr) in &sent[first..] {
                if *idr {
                    continue;
                }
                // Before this picture the guard must have seen room.
                let seconds = (time - start) as f64 / 90_000.0 + 1.0;
                let bound = seconds * f64::from(CAP_BPS) + 1.0;
                prop_assert!(ordinary as f64 <= bound, "{ordinary} bits in {seconds} s");
                ordinary += bits;
            }
        }
    }

    #[test]
    fn what_fits_is_never_left_out(bytes in 0_usize..=1666, count in 1_usize..500) {
        let mut guard = RateGuard::new(CAP_BPS);
        for index in 0..count {
            prop_assert!(guard.admit(Timestamp::from_ticks(index as i64 * 3000), Force::None));
            guard.encoded(bytes);
        }
        prop_assert_eq!(guard.skipped(), 0);
    }
}
