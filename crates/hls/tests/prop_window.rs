//! Arbitrary operations on a window: what it shows is right after each, read by m3u8-rs.

#[path = "../src/model.rs"]
mod model;

use hls::{Container, Cut, Lookup, PerContainer, Segment, Snapshot, Span, Window, WindowConfig};
use model::Op;
use proptest::collection::vec;
use proptest::prelude::*;

fn op() -> impl Strategy<Value = Op> {
    // Two seconds, a little more or less, anything up to 12 s, next to nothing.
    let ticks = prop_oneof![4 => Just(180_000_u32), 4 => 170_000..230_000_u32, 2 => 0..1_080_000_u32, 1 => 0..90_u32];
    let push = (ticks, any::<u16>(), prop::bool::weighted(0.1), any::<u32>()).prop_map(
        |(ticks, bytes, discontinuity, start_unix_ms)| Op::Push {
            ticks,
            bytes,
            discontinuity,
            start_unix_ms,
        },
    );
    prop_oneof![
        20 => push,
        1 => (0..20_u8).prop_map(Op::SetTargetDuration),
        2 => Just(Op::Promise),
        1 => Just(Op::SetDependent),
        1 => Just(Op::End),
        1 => Just(Op::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_snapshot_is_right(
        listed in 0..12_usize, first in 0..u64::MAX >> 1, ops in vec(op(), 0..60),
    ) {
        model::check(listed, first, &ops);
    }
}
