//! Fragmented files made at random, against what they were made of. Covered: all of what 14496-12
//! 8.8 lets be said in `trex`, `tfhd` or `trun`, the three rules for where data is, times that are
//! missing, leave a gap, or go back, and damage at any byte. Not covered: several tracks in one
//! moof (cases.rs).

use std::io::Cursor;

use proptest::collection::vec;
use proptest::prelude::*;
use source::{OnFault, Sample, Source};

use crate::support::Base;
use crate::support::fragment_file::{Fragment, FragmentSample, file};

/// What a fragment says of when it begins.
#[derive(Clone, Copy, Debug)]
enum Begins {
    /// Nothing.
    Unsaid,
    /// When the one before it ends, or so much later.
    Later(u32),
    /// At zero, as if it were the first.
    AtZero,
}

fn samples() -> impl Strategy<Value = Vec<FragmentSample>> {
    let sample = (1..3000_u32, -900..900_i32, any::<bool>(), 1..20_u8, any::<u8>());
    let sample = sample.prop_map(|(duration, composition, is_key, size, mark)| FragmentSample {
        duration,
        composition,
        is_key,
        size,
        mark,
    });
    vec(sample, 1..12)
}

fn fragments() -> impl Strategy<Value = Vec<(Begins, Fragment)>> {
    let begins = prop_oneof![
        Just(Begins::Unsaid),
        Just(Begins::Later(0)),
        (0..5000_u32).prop_map(Begins::Later),
        Just(Begins::AtZero),
    ];
    let base = prop_oneof![Just(Base::Explicit), Just(Base::Moof), Just(Base::Previous)];
    let fragment = (begins, 0..2_u8, base, any::<[bool; 3]>(), 0..9_u8, 0..12_usize, samples());
    let fragment =
        fragment.prop_map(|(begins, version, base, has_defaults, gap, first_run, samples)| {
            let tfdt = Some((version, 0));
            (begins, Fragment { tfdt, base, has_defaults, gap, first_run, samples })
        });
    vec(fragment, 1..8)
}

/// A picture: decoding time, presentation time, whether it is a sync sample, and its bytes.
type Picture = (i64, i64, bool, Vec<u8>);

/// Writes the times into the fragments, and gives what must be read of them: in ms, from the first
/// picture on.
fn expected(fragments: &mut [(Begins, Fragment)]) -> Vec<Picture> {
    let mut end = 0_i64;
    let mut pictures: Vec<Picture> = Vec::new();
    for (begins, fragment) in fragments {
        let said = match begins {
            Begins::Unsaid => None,
            Begins::Later(by) => Some(end + i64::from(*by)),
            Begins::AtZero => Some(0),
        };
        // What goes back counts as nothing said.
        end = said.map_or(end, |said| said.max(end));
        let version = fragment.tfdt.map_or(0, |(version, _)| version);
        fragment.tfdt = said.map(|said| (version, u64::try_from(said).unwrap()));
        for sample in fragment.effective() {
            let data = vec![sample.mark; sample.size.into()];
            pictures.push((end, end + i64::from(sample.composition), sample.is_key, data));
            end += i64::from(sample.duration);
        }
    }
    let first = pictures[0].0;
    let shift = pictures.iter().map(|(dts, pts, ..)| pts - dts).min().unwrap();
    // All decoding times are moved by the smallest offset, so that none is after its presentation.
    for (dts, pts, ..) in &mut pictures {
        (*dts, *pts) = (*dts - first, *pts - first - shift);
    }
    pictures
}

fn play(source: &mut Source<Cursor<&Vec<u8>>>) -> Vec<Picture> {
    let mut pictures = Vec::new();
    while let Some(sample) = source.next_sample().unwrap() {
        if let Sample::Video { dts, pts, key, data } = sample {
            pictures.push((dts.ticks() / 90, pts.ticks() / 90, key, data.to_vec()));
        }
    }
    pictures
}

proptest! {
    #[test]
    fn fragments_are_read_as_they_were_made(made in fragments()) {
        let mut made = made;
        let pictures = expected(&mut made);
        let fragments: Vec<Fragment> = made.into_iter().map(|(_, fragment)| fragment).collect();
        let file = file(&fragments);
        let mut source = Source::new(Cursor::new(&file), OnFault::Refuse).unwrap();
        for _round in 0..2 {
            prop_assert_eq!(&play(&mut source), &pictures);
            source.rewind();
        }
    }

    #[test]
    fn case_09_a_file_cut_anywhere_plays_what_it_has_of_every_fragment(
        made in fragments(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut made = made;
        let pictures = expected(&mut made);
        let fragments: Vec<Fragment> = made.into_iter().map(|(_, fragment)| fragment).collect();
        let whole = file(&fragments);
        let head = file_head(&whole);
        let file = whole[..head + cut.index(whole.len() - head)].to_vec();
        let Ok(mut source) = Source::new(Cursor::new(&file), OnFault::LeaveOut) else { return Ok(()) };
        let played = play(&mut source);
        // Times shift with the smallest offset that is left, so the bytes are compared.
        let data = |pictures: &[Picture]| -> Vec<Vec<u8>> {
            pictures.iter().map(|(.., data)| data.clone()).collect()
        };
        prop_assert_eq!(data(&played), data(&pictures)[..played.len()].to_vec());
        let bytes: usize = played.iter().map(|(.., data)| data.len()).sum();
        prop_assert!(bytes <= file.len());
        if played.len() < pictures.len() && source.left_out() == 0 {
            // Nothing is left out where the cut is between two fragments, or in a box header.
            let mut ends = fragments.iter().scan(0, |count, fragment| {
                *count += fragment.samples.len();
                Some(*count)
            });
            prop_assert!(ends.any(|count| count == played.len()));
        }
    }

    #[test]
    fn damage_to_a_fragment_costs_what_it_holds_and_no_panic(
        made in fragments(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..10),
    ) {
        let mut made = made;
        expected(&mut made);
        let fragments: Vec<Fragment> = made.into_iter().map(|(_, fragment)| fragment).collect();
        let mut file = file(&fragments);
        let head = file_head(&file);
        for (index, value) in damage {
            let at = head + index.index(file.len() - head);
            file[at] = value;
        }
        for on_fault in [OnFault::LeaveOut, OnFault::Refuse] {
            if let Ok(mut source) = Source::new(Cursor::new(&file), on_fault) {
                let first = play(&mut source);
                source.rewind();
                prop_assert_eq!(first, play(&mut source));
            }
        }
    }
}

/// Where the first fragment begins.
fn file_head(file: &[u8]) -> usize {
    file.windows(4).position(|window| window == b"styp").unwrap() - 4
}
