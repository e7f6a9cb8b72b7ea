//! Arbitrary samples, muxed by us and demuxed by mpeg2ts-reader, are the same samples.

#[path = "../src/model.rs"]
mod model;
#[path = "../src/oracle.rs"]
mod oracle;

use model::Op;
use mpegts::{Muxer, PACKET_BYTES, Tracks, max_audio_bytes, max_video_bytes};
use proptest::collection::vec;
use proptest::prelude::*;

fn units(
    count: std::ops::Range<usize>,
    len: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(vec(any::<u8>(), len), count)
}

fn video() -> impl Strategy<Value = Op> {
    let sizes = prop_oneof![6 => units(0..5, 0..400), 1 => units(1..3, 0..70_000)];
    let step = prop_oneof![Just(3000_u32), 0..20_000_u32];
    (step, 0..20_000_u32, any::<bool>(), units(0..3, 0..60), sizes).prop_map(
        |(after, composition, random_access, parameter_sets, nal_units)| Op::Video {
            after,
            composition: if composition < 10_000 { 0 } else { composition },
            random_access,
            parameter_sets,
            nal_units,
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let audio = prop_oneof![8 => vec(any::<u8>(), 0..2000), 1 => vec(any::<u8>(), 65_000..140_000)];
    prop_oneof![
        10 => video(),
        4 => (0..50_000_u32, audio).prop_map(|(after, adts)| Op::Audio { after, adts }),
        2 => Just(Op::StartSegment),
        1 => (-(1_i64 << 34)..1_i64 << 34).prop_map(|jump| Op::Discontinuity { jump }),
        1 => any::<(bool, bool)>().prop_map(|(video, audio)| Op::SetTracks(video, audio)),
    ]
}

/// Anywhere, and often just below a wrap of PTS, DTS or PCR.
fn start() -> impl Strategy<Value = i64> {
    prop_oneof![
        -(1_i64 << 40)..1_i64 << 40,
        (1_i64 << 33) - 400_000..1_i64 << 33,
        -200_000..0_i64,
        Just(0)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn demuxing_gives_the_samples_back(
        start in start(), video in any::<bool>(), audio in any::<bool>(), ops in vec(op(), 0..40),
    ) {
        model::check(start, Tracks { video, audio }, &ops);
    }
}
