//! Sample tables of any shape against their plain expansion. Covered: run-length times and offsets, runs of chunks,
//! order across tracks, rewinding. Not covered: edit lists and fragments (cases.rs).

use std::io::Cursor;

use crate::support::{SAMPLE_BYTES, Track, mp4};
use proptest::collection::vec;
use proptest::prelude::*;
use source::{Sample, Source};

/// A picture: how long, how much later shown, and whether a new chunk starts with it.
type Shape = (u16, i16, bool);

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
    track.stts = runs(shapes.iter().map(|(delta, ..)| u32::from(*delta)));
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
    fn tables_are_read_as_they_expand(shapes in vec((0..2000_u16, -500..500_i16, any::<bool>()), 1..120)) {
        let mut source = Source::new(Cursor::new(mp4(&[track(&shapes)]))).unwrap();
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
        shapes in vec((1..2000_u16, -500..500_i16, any::<bool>()), 1..8),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut file = mp4(&[track(&shapes), Track::audio(&[11, 12])]);
        for (index, value) in changes {
            let at = index.index(file.len());
            file[at] = value;
        }
        if let Ok(mut source) = Source::new(Cursor::new(file)) {
            while source.next_sample().unwrap().is_some() {}
        }
    }
}
