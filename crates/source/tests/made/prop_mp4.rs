//! Sample tables of any shape against their plain expansion. Covered: run-length times and offsets,
//! durations that take time back, runs of chunks, order across tracks, rewinding. Not covered: edit
//! lists (cases.rs) and fragments (prop_fragments.rs).

use std::io::Cursor;

use crate::support::{SAMPLE_BYTES, Track, mp4};
use proptest::collection::vec;
use proptest::prelude::*;
use source::{OnFault, Sample, Source};

/// A picture: how long, how much later shown, and whether a new chunk starts with it.
type Shape = (i16, i16, bool);

/// Runs of equal values.
fn runs<T: PartialEq + Copy>(values: impl IntoIterator<Item = T>) -> Vec<(u32, T)> {
    let mut runs: Vec<(u32, T)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((count, last)) if *last == value => *count += 1,
            _ => runs.push((1, value)),
        }
    }
    runs
}

fn track(shapes: &[Shape]) -> Track {
    let marks: Vec<u8> = (1..=u8::MAX).cycle().take(shapes.len()).collect();
    let mut track = Track::video(&marks);
    track.stts = runs(shapes.iter().map(|(delta, ..)| i32::from(*delta).cast_unsigned()));
    track.ctts = Some((1, runs(shapes.iter().map(|(_, offset, _)| i32::from(*offset)))));
    let starts: Vec<usize> =
        (0..shapes.len()).filter(|&index| index == 0 || shapes[index].2).collect();
    track.stco = starts.iter().map(|at| u32::try_from(32 + at * SAMPLE_BYTES).unwrap()).collect();
    let ends = starts.iter().skip(1).copied().chain([shapes.len()]);
    let lengths = starts.iter().zip(ends).map(|(start, end)| u32::try_from(end - start).unwrap());
    let mut first = 1;
    track.stsc = Vec::new();
    for (count, samples) in runs(lengths) {
        track.stsc.push((first, samples, 1));
        first += count;
    }
    track
}

proptest! {
    #[test]
    fn durations_that_take_time_back_change_neither_order_nor_the_times_after_them(
        shapes in vec((-300..2000_i16, -500..500_i16, any::<bool>()), 1..120),
    ) {
        let mut source = Source::new(Cursor::new(mp4(&[track(&shapes)])), OnFault::Refuse).unwrap();
        let mut played = Vec::new();
        while let Some(sample) = source.next_sample().unwrap() {
            if let Sample::Video { dts, data, .. } = sample {
                played.push((dts.ticks() / 90, data[0]));
            }
        }
        prop_assert_eq!(played.len(), shapes.len());
        prop_assert!(played.is_sorted_by_key(|(dts, _)| *dts), "{:?}", played);
        let marks: Vec<u8> = (1..=u8::MAX).cycle().take(shapes.len()).collect();
        prop_assert!(played.iter().map(|(_, mark)| *mark).eq(marks));
        // Where the sum of the durations is later than ever before and none is taken back, that is
        // the time: there is no drift. The shift is that of the whole track, seen at its first
        // picture.
        let (mut sum, mut latest) = (0_i64, i64::MIN);
        let mut exact = Vec::new();
        for (index, (delta, ..)) in shapes.iter().enumerate() {
            if sum >= latest && *delta >= 0 {
                exact.push(played[index].0 - sum);
            }
            latest = latest.max(sum);
            sum += i64::from(*delta);
        }
        prop_assert!(exact.windows(2).all(|pair| pair[0] == pair[1]), "{:?}", exact);
    }

    #[test]
    fn tables_are_read_as_they_expand(shapes in vec((0..2000_i16, -500..500_i16, any::<bool>()), 1..120)) {
        let mut source = Source::new(Cursor::new(mp4(&[track(&shapes)])), OnFault::Refuse).unwrap();
        let earliest = shapes.iter().map(|(_, offset, _)| i64::from(*offset)).min().unwrap();
        let mut dts = 0;
        let expected: Vec<_> = shapes
            .iter()
            .zip((1..=u8::MAX).cycle())
            .map(|((delta, offset, _), mark)| {
                let (at, shown) = (dts, dts + i64::from(*offset) - earliest);
                dts += i64::from(*delta);
                (at * 90, shown * 90, [mark; SAMPLE_BYTES])
            })
            .collect();
        for _round in 0..2 {
            let mut played = Vec::new();
            while let Some(sample) = source.next_sample().unwrap() {
                if let Sample::Video { dts, pts, data, .. } = sample {
                    played.push((dts.ticks(), pts.ticks(), <[u8; SAMPLE_BYTES]>::try_from(&data[..]).unwrap()));
                }
            }
            prop_assert_eq!(&played, &expected);
            source.rewind();
        }
        let last_delta = shapes.iter().rev().map(|(delta, ..)| *delta).find(|delta| *delta > 0).unwrap_or(0);
        prop_assert_eq!(source.duration().ticks(), expected.last().unwrap().0 + i64::from(last_delta) * 90);
    }

    #[test]
    fn any_change_of_a_file_is_refused_or_plays(
        shapes in vec((1..2000_i16, -500..500_i16, any::<bool>()), 1..8),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut file = mp4(&[track(&shapes), Track::audio(&[11, 12])]);
        for (index, value) in changes {
            let at = index.index(file.len());
            file[at] = value;
        }
        for on_fault in [OnFault::LeaveOut, OnFault::Refuse] {
            if let Ok(mut source) = Source::new(Cursor::new(&file), on_fault) {
                while source.next_sample().unwrap().is_some() {}
            }
        }
    }
}
