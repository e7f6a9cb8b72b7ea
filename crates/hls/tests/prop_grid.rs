//! Arbitrary streams on a grid: the steps that come out are right whatever comes in.

#[path = "../src/grid_model.rs"]
mod grid_model;

use grid_model::Op;
use hls::{Cut, CutPoint, Grid, GridMode, GridState, Step, TOLERANCE};
use media::Duration;
use proptest::collection::vec;
use proptest::prelude::*;

fn cut_point() -> impl Strategy<Value = Option<CutPoint>> {
    prop_oneof![
        8 => Just(None),
        3 => Just(Some(CutPoint::Idr)),
        1 => Just(Some(CutPoint::RecoveryPoint)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    // A picture at 30 a second, about so, a pause of up to 12 s, next to nothing.
    let step = || {
        prop_oneof![
            4 => Just(3_000_u32), 4 => 1_000..20_000_u32, 1 => 0..1_080_000_u32, 1 => 0..90_u32,
        ]
    };
    let delay = prop_oneof![3 => Just(0_u32), 2 => 0..27_000_u32, 1 => 0..450_000_u32];
    let picture = (step(), delay, cut_point()).prop_map(|(step, delay, cut_point)| Op::Picture {
        step,
        delay,
        cut_point,
    });
    let run = (any::<u8>(), 1..180_u8, any::<u8>())
        .prop_map(|(pictures, interval_ms, gop)| Op::Run { pictures, interval_ms, gop });
    prop_oneof![
        24 => picture,
        6 => run,
        3 => step().prop_map(|step| Op::Sound { step }),
        2 => any::<u8>().prop_map(|frames| Op::SoundRun { frames }),
        2 => Just(Op::Break),
        2 => Just(Op::BreakOrAudio),
        1 => step().prop_map(|step| Op::CutHere { step }),
        2 => (0..4_000_u32).prop_map(|after| Op::Resume { after }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_cut_is_right(segment_ms in 500..6_000_i64, ops in vec(op(), 0..80)) {
        grid_model::check(Duration::from_millis(segment_ms), &ops);
    }

    /// An even rate: the bound that `check` gives a ladder span is the target duration and 0.4 s.
    #[test]
    fn no_gop_makes_a_ladder_span_too_long(
        segment_ms in 1_000..6_000_i64,
        interval_ms in 8..150_u8,
        gops in vec((1..255_u8, 1..255_u8), 1..20),
    ) {
        let run = |(pictures, gop)| Op::Run { pictures, interval_ms, gop };
        let ops: Vec<_> = gops.into_iter().map(run).collect();
        grid_model::check(Duration::from_millis(segment_ms), &ops);
    }
}
