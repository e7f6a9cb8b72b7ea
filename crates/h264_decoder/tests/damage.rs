//! Damage and starting points: what is cut, turned or missing is concealed and counted, and
//! pictures are right again at the next IDR.

mod support;

use h264_decoder::{Decoder, Limits};
use media::{I420Buf, Timestamp};
use proptest::prelude::*;
use support::access_units;

/// Streams of x264, of 64x48 and 48x64, each with several IDRs.
fn seed(name: &str) -> Vec<u8> {
    testmedia::seed("h264_decoder_annexb", name)
}

const SEEDS: [&str; 4] = ["cabac_b.264", "cavlc_slices.264", "mbaff.264", "mbaff_cavlc.264"];

#[derive(Clone, Debug, PartialEq)]
struct Shown {
    pts: Timestamp,
    samples: I420Buf,
    is_whole: bool,
}

fn take(decoder: &mut Decoder, shown: &mut Vec<Shown>) {
    while let Some(picture) = decoder.next_picture() {
        let source = picture.samples;
        let mut samples = I420Buf::new(source.width(), source.height());
        for (target, plane) in samples.planes_mut().into_iter().zip([source.y, source.u, source.v])
        {
            for (target, row) in target.chunks_mut(plane.width).zip(plane.rows()) {
                target.copy_from_slice(row);
            }
        }
        let is_whole = picture.concealed_macroblocks + picture.missing_references == 0;
        shown.push(Shown { pts: picture.pts, samples, is_whole });
    }
}

/// Each access unit's pts is its number.
fn decode(access_units: &[Vec<Vec<u8>>]) -> Vec<Shown> {
    decode_by(Decoder::new(Limits::default()), access_units)
}

fn decode_by(mut decoder: Decoder, access_units: &[Vec<Vec<u8>>]) -> Vec<Shown> {
    let mut shown = Vec::new();
    for (index, unit) in access_units.iter().enumerate() {
        let pts = Timestamp::from_ticks(index as i64);
        let _ = decoder.decode(unit.iter().map(|nal_unit| &nal_unit[..]), pts);
        take(&mut decoder, &mut shown);
    }
    decoder.flush();
    take(&mut decoder, &mut shown);
    shown
}

fn is_idr(access_unit: &[Vec<u8>]) -> bool {
    access_unit.iter().any(|nal_unit| h264::nal_type(nal_unit) == h264::NalType::Idr)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(400)
    })]

    /// An access unit is cut at any byte of one of its slices, or a bit of it is turned: what comes
    /// from the next IDR on is as if nothing had been.
    #[test]
    fn pictures_are_right_again_at_the_next_idr(
        name in prop::sample::select(&SEEDS[..]),
        unit in 0..5usize,
        place in any::<prop::sample::Index>(),
        cut in any::<bool>(),
        bit in 0..8u8,
    ) {
        let whole = access_units(&seed(name));
        let mut damaged = whole.clone();
        let unit = unit.min(damaged.len() - 1);
        let slice = damaged[unit].last_mut().expect("a slice");
        let index = place.index(slice.len());
        if cut {
            slice.truncate(index);
        } else {
            slice[index] ^= 1 << bit;
        }
        let (expected, actual) = (decode(&whole), decode(&damaged));
        prop_assert!(actual.len() <= expected.len() + 1);
        // A turned bit may make an IDR of what is none, and none of an IDR: take the one behind the
        // next.
        let idrs = (unit + 1..whole.len()).filter(|&index| is_idr(&whole[index]));
        if let Some(idr) = idrs.into_iter().next() {
            let after = |shown: &[Shown]| -> Vec<Shown> {
                shown.iter().filter(|shown| shown.pts.ticks() >= idr as i64).cloned().collect()
            };
            prop_assert_eq!(after(&actual), after(&expected));
        }
    }

    /// Whole access units are left out: nothing is shown that did not come, and what refers to them
    /// is said to.
    #[test]
    fn lost_access_units_are_survived(
        name in prop::sample::select(&SEEDS[..]),
        kept in prop::collection::vec(any::<bool>(), 8),
    ) {
        let whole = access_units(&seed(name));
        let expected = decode(&whole);
        let mut decoder = Decoder::new(Limits::default());
        let mut shown = Vec::new();
        for (index, unit) in whole.iter().enumerate() {
            // Parameter sets come with the first.
            if index == 0 || kept[index % kept.len()] {
                let pts = Timestamp::from_ticks(index as i64);
                let _ = decoder.decode(unit.iter().map(|nal_unit| &nal_unit[..]), pts);
                take(&mut decoder, &mut shown);
            }
        }
        decoder.flush();
        take(&mut decoder, &mut shown);
        for picture in &shown {
            let original = expected.iter().find(|other| other.pts == picture.pts);
            prop_assert!(original.is_some());
        }
    }
}

#[test]
fn nothing_is_shown_before_an_idr() {
    for name in SEEDS {
        let mut units = access_units(&seed(name));
        let whole = decode(&units);
        let next = (1..units.len()).find(|&index| is_idr(&units[index])).expect("a second IDR");
        // The first IDR is lost, the parameter sets are not.
        let sets = |nal_unit: &Vec<u8>| {
            matches!(h264::nal_type(nal_unit), h264::NalType::Sps | h264::NalType::Pps)
        };
        units[0].retain(sets);
        let shown = decode(&units);
        let after: Vec<Shown> =
            whole.into_iter().filter(|shown| shown.pts.ticks() >= next as i64).collect();
        assert_eq!(shown, after, "{name}");
    }
}

#[test]
fn a_decoder_that_starts_anywhere_shows_what_comes() {
    for name in SEEDS {
        let units = access_units(&seed(name));
        let sets = |nal_unit: &&Vec<u8>| {
            matches!(h264::nal_type(nal_unit), h264::NalType::Sps | h264::NalType::Pps)
        };
        let sets = units[0].iter().filter(sets).cloned().collect();
        let units = [&[sets][..], &units[1..]].concat();
        let mut decoder = Decoder::new(Limits::default());
        decoder.start_anywhere();
        let shown = decode_by(decoder, &units);
        assert_eq!(shown.len(), units.len() - 1, "{name}");
        assert!(shown.len() > decode(&units).len(), "{name}");
    }
}

#[test]
fn pictures_that_may_not_wait_come_out_of_the_call_that_brought_them() {
    for name in SEEDS {
        let units = access_units(&seed(name));
        let mut decoder = Decoder::new(Limits { max_waiting: 0, ..Limits::default() });
        let mut shown = Vec::new();
        for (index, unit) in units.iter().enumerate() {
            let pts = Timestamp::from_ticks(index as i64);
            decoder.decode(unit.iter().map(|nal_unit| &nal_unit[..]), pts).expect("a good stream");
            take(&mut decoder, &mut shown);
            assert_eq!(shown.last().map(|shown| (shown.pts, index + 1)), Some((pts, shown.len())));
        }
        let mut sorted = decode(&units);
        sorted.sort_by_key(|shown| shown.pts);
        assert_eq!(shown, sorted, "{name}");
    }
}

#[test]
fn a_repeated_slice_is_no_work_and_no_harm() {
    for name in SEEDS {
        let units = access_units(&seed(name));
        let repeated: Vec<Vec<Vec<u8>>> = units
            .iter()
            .map(|unit| {
                let is_slice = |nal_unit: &&Vec<u8>| {
                    matches!(h264::nal_type(nal_unit), h264::NalType::Slice | h264::NalType::Idr)
                };
                let again: Vec<Vec<u8>> = unit.iter().filter(is_slice).cloned().collect();
                [&unit[..], &again, &again].concat()
            })
            .collect();
        assert_eq!(decode(&repeated), decode(&units), "{name}");
    }
}

#[test]
fn a_new_size_shows_all_pictures_of_the_old_one() {
    let (first, second) = (seed("cabac_b.264"), seed("mbaff.264"));
    let sizes = |stream: &[u8]| -> Vec<(usize, usize)> {
        let shown = decode(&access_units(stream));
        shown.iter().map(|shown| (shown.samples.width(), shown.samples.height())).collect()
    };
    let both = sizes(&[&first[..], &second].concat());
    assert_eq!(both, [sizes(&first), sizes(&second)].concat());
    assert!(both.contains(&(64, 48)) && both.contains(&(48, 64)));
}

#[test]
fn a_reset_waits_for_the_next_idr() {
    let units = access_units(&seed("cabac_b.264"));
    let mut decoder = Decoder::new(Limits::default());
    let mut shown = Vec::new();
    for (index, unit) in units.iter().enumerate() {
        if index == 2 {
            decoder.reset();
        }
        let pts = Timestamp::from_ticks(index as i64);
        decoder.decode(unit.iter().map(|nal_unit| &nal_unit[..]), pts).expect("a good stream");
        let before = shown.len();
        take(&mut decoder, &mut shown);
        let is_waiting = (2..4).contains(&index);
        assert!(!is_waiting || shown.len() == before);
    }
    assert!(shown.iter().all(|shown| shown.is_whole));
}
