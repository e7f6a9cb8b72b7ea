//! Arbitrary samples, muxed by us and demuxed by mpeg2ts-reader, are the same samples.

#[path = "../src/model.rs"]
mod model;
#[path = "../src/oracle.rs"]
mod oracle;

use media::{Duration, Timestamp};
use model::Op;
use mpegts::{
    Muxer, PACKET_BYTES, Packing, SegmentStart, Tracks, max_audio_bytes, max_video_bytes,
};
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

    /// Whatever pictures there are and wherever sound comes in between: the elementary stream is
    /// the same, each picture begins in the PES packet that has its times, and no picture costs
    /// more than it would alone.
    #[test]
    fn dense_packets_hold_the_same_stream(
        start in start(),
        pictures in vec((vec(1..=255_u8, 1..1500), 1..100_000_i64, prop::bool::weighted(0.1), any::<bool>()), 1..40),
    ) {
        let mux = |packing| {
            let tracks = Tracks { video: true, audio: true };
            let begins = SegmentStart { sequence: 7, pmt_version: 0, tracks, continuity: None, packing };
            let mut muxer = Muxer::for_segment(begins);
            let mut ts = Vec::new();
            muxer.start_segment(&mut ts);
            let mut dts = Timestamp::from_ticks(start);
            let mut expected = Vec::new();
            for (nal_unit, after, random_access, with_sound) in &pictures {
                if *with_sound {
                    muxer.write_audio(dts, &nal_unit[..nal_unit.len() / 2], &mut ts);
                }
                dts += Duration::from_ticks(*after);
                let none = std::iter::empty();
                muxer.write_video(dts, dts, *random_access, none, std::iter::once(&nal_unit[..]), &mut ts);
                expected.push((dts, [&[0, 0, 0, 1, 9, 0xf0, 0, 0, 1][..], nal_unit].concat()));
            }
            muxer.finish_segment(&mut ts);
            (ts, expected)
        };
        let (ts, expected) = mux(Packing::Dense);
        prop_assert!(ts.len() <= mux(Packing::Aligned).0.len());
        let stream = oracle::demux(&ts);
        prop_assert_eq!(stream.continuity_errors, 0);
        let pes: Vec<_> = stream.pes.iter().filter(|pes| pes.pid == 0x100).collect();
        prop_assert_eq!(pes.len(), expected.len());
        let (mut pes_end, mut picture_start) = (0, 0);
        for (pes, (dts, picture)) in pes.iter().zip(&expected) {
            let pes_start = pes_end;
            pes_end += pes.data.len();
            prop_assert!((pes_start..pes_end).contains(&picture_start));
            picture_start += picture.len();
            prop_assert_eq!(pes.pts, Some((dts.ticks() + 126_000).rem_euclid(1 << 33) as u64));
        }
        let joined: Vec<u8> = pes.iter().flat_map(|pes| pes.data.clone()).collect();
        let whole: Vec<u8> = expected.into_iter().flat_map(|(_, picture)| picture).collect();
        prop_assert!(joined == whole);
    }
}
