//! FLV files with damage anywhere. Covered: what the damage did not touch is played, in order, and
//! again after a rewind. Not covered: damage to the file header and the first tags, without which
//! nothing is known of the file.

use std::io::Cursor;

use proptest::collection::vec;
use proptest::prelude::*;
use source::{OnFault, Sample, Source};

use crate::support::flv;

/// Bytes of the file header with the size behind it, of the configuration's tag, and of a
/// picture's.
const HEADER_BYTES: usize = 13;
const CONFIG_BYTES: usize = 11 + 12 + 4;
const PICTURE_BYTES: usize = 11 + 11 + 4;

fn start_of(picture: usize) -> usize {
    HEADER_BYTES + CONFIG_BYTES + picture * PICTURE_BYTES
}

fn marks(source: &mut Source<Cursor<&Vec<u8>>>) -> Vec<u8> {
    let mut marks = Vec::new();
    while let Some(sample) = source.next_sample().unwrap() {
        if let Sample::Video { data, .. } = sample {
            marks.push(data[0]);
        }
    }
    marks
}

proptest! {
    #[test]
    fn case_08_damage_anywhere_costs_the_tags_that_it_touches(
        count in 6..60_u8,
        at in any::<prop::sample::Index>(),
        noise in vec(any::<u8>(), 0..120),
        cut in 0..120_usize,
    ) {
        let pictures: Vec<(u32, u8)> =
            (0..count).map(|mark| (u32::from(mark) * 40, mark)).collect();
        let mut file = flv(&pictures);
        let first = start_of(3);
        let begin = first + at.index(file.len() - first);
        let end = (begin + cut).min(file.len());
        file.splice(begin..end, noise.iter().copied());
        let mut source = Source::new(Cursor::new(&file), OnFault::LeaveOut).unwrap();
        let played = marks(&mut source);
        // The tag before the damage needs to be followed by something, so it may go as well.
        let before = (0..count).filter(|mark| start_of(usize::from(*mark) + 2) <= begin);
        let after = (0..count).filter(|mark| start_of((*mark).into()) >= end);
        for mark in before.chain(after) {
            prop_assert!(played.contains(&mark), "{mark} of {count}: {played:?} {:?}", source.notes());
        }
        prop_assert!(played.len() <= count.into());
        source.rewind();
        prop_assert_eq!(marks(&mut source), played);
    }
}
