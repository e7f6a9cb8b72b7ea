//! Files as they come from the field: what is whole plays, what is not is named. The numbers are
//! those of docs/encoders.md.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::path::PathBuf;

use h264::{AvcConfig, Sps};
use source::{OnFault, Sample, Source};

fn path(name: &str) -> PathBuf {
    testmedia::path(&format!("cases/{name}"))
}

/// What came out: decoding and presentation times of pictures and times of audio frames, in 90 kHz
/// ticks.
#[derive(Debug, Default, PartialEq)]
struct Played {
    video: Vec<(i64, i64)>,
    audio: Vec<i64>,
    /// Sizes that configurations announced, with the number of pictures before them.
    sizes: Vec<(usize, u32, u32)>,
}

impl Played {
    fn counts(&self) -> (usize, usize) {
        (self.video.len(), self.audio.len())
    }
}

fn open(name: &str) -> Source {
    Source::open(&path(name), OnFault::LeaveOut).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn play(source: &mut Source) -> Played {
    let mut played = Played::default();
    while let Some(sample) = source.next_sample().unwrap() {
        match sample {
            Sample::Video { dts, pts, .. } => played.video.push((dts.ticks(), pts.ticks())),
            Sample::Audio { pts, .. } => played.audio.push(pts.ticks()),
            Sample::VideoConfig(avcc) => {
                let config = AvcConfig::parse(avcc).unwrap();
                let sps = Sps::parse(&config.parameter_sets.sps[0]).unwrap();
                played.sizes.push((played.video.len(), sps.width, sps.height));
            }
            Sample::AudioConfig(_) => {}
        }
    }
    played
}

fn notes(source: &Source) -> Vec<String> {
    source.notes().iter().map(ToString::to_string).collect()
}

/// What ends the file where faults are refused.
fn refusal(name: &str) -> String {
    match Source::open(&path(name), OnFault::Refuse) {
        Err(error) => error.to_string(),
        Ok(mut source) => loop {
            match source.next_sample() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{name} plays to its end"),
                Err(error) => break error.to_string(),
            }
        },
    }
}

/// No step between neighbours is more than twice the usual one.
fn is_even(mut times: Vec<i64>, step: i64) -> bool {
    times.sort_unstable();
    times.windows(2).all(|pair| (0..=2 * step).contains(&(pair[1] - pair[0])))
}

#[test]
fn case_06_two_sps_joined_the_sps_that_the_pictures_refer_to_is_announced() {
    let mut source = open("two_sps_joined.mp4");
    let first = source.info().video.clone().unwrap();
    let played = play(&mut source);
    assert_eq!(played.sizes, [(0, 320, 240), (100, 480, 270)]);
    assert_eq!((first.width, first.height), (320, 240));
    let second = source.info().video.clone().unwrap();
    assert_eq!((second.width, second.height), (480, 270), "the description follows");
    assert_ne!(first.codec, second.codec);
    source.rewind();
    assert_eq!(play(&mut source), played, "and back again in the next round");
}

#[test]
fn case_06_new_sps_id_in_band_is_announced_where_its_pictures_begin() {
    let played = play(&mut open("new_sps_id_in_band.flv"));
    assert_eq!(played.sizes, [(0, 320, 240), (100, 480, 270)]);
}

#[test]
fn case_08_truncated_flv_plays_every_whole_tag_and_names_the_byte_of_the_cut() {
    let mut source = open("truncated.flv");
    let played = play(&mut source);
    let whole = play(&mut open("good.flv"));
    assert_eq!(played.video[..], whole.video[..played.video.len()]);
    assert_eq!(played.counts(), (147, 277));
    let cut = "FLV tag of 105 bytes at byte 31957 goes past the end of the file, byte 32022";
    assert_eq!(notes(&source), [format!("left out: {cut}")]);
    assert_eq!(source.left_out(), 1);
    assert_eq!(refusal("truncated.flv"), cut);
    source.rewind();
    assert_eq!(play(&mut source).counts(), (147, 277), "a loop goes round");
    assert_eq!(source.left_out(), 1, "and is told once");
}

#[test]
fn case_08_two_files_cat_play_one_behind_the_other() {
    let whole = play(&mut open("good.flv"));
    let mut source = open("two_files_cat.flv");
    let played = play(&mut source);
    assert_eq!(played.counts(), (2 * whole.video.len(), 2 * whole.audio.len()));
    assert!(is_even(played.video.iter().map(|(_, pts)| *pts).collect(), 3600), "no gap between");
    assert_eq!(
        notes(&source),
        ["another FLV file begins at byte 53370: it is played behind the first"]
    );
    assert_eq!(source.left_out(), 0);
}

#[test]
fn case_08_behind_damage_the_next_tag_that_fits_is_found() {
    let good = std::fs::read(path("good.flv")).unwrap();
    let whole = play(&mut open("good.flv")).counts();
    // Zeros and noise over the middle, a size that is wrong by one bit, a part that is missing.
    let overwritten = |with: fn(usize) -> u8| {
        let mut data = good.clone();
        (20_000..21_000).for_each(|at| data[at] = with(at));
        data
    };
    let mut wrong_size = good.clone();
    wrong_size[404 + 2] ^= 1;
    let missing = [&good[..20_000], &good[20_777..]].concat();
    for (data, lost) in [
        (overwritten(|_| 0), 20),
        (overwritten(|at| (at * at / 7) as u8), 20),
        (wrong_size, 1),
        (missing, 20),
    ] {
        let mut source = Source::new(std::io::Cursor::new(data), OnFault::LeaveOut).unwrap();
        let mut count = 0;
        while let Some(sample) = source.next_sample().unwrap() {
            count += usize::from(sample.dts().is_some());
        }
        let all = whole.0 + whole.1;
        assert!((all - lost..all).contains(&count), "{count} of {all}");
        assert!((1..=2).contains(&source.left_out()), "{:?}", source.notes());
    }
}

#[test]
fn case_09_fragmented_cut_plays_every_whole_sample() {
    let mut source = open("fragmented_cut.mp4");
    let played = play(&mut source);
    assert_eq!(played.video.len(), 184);
    let said = notes(&source);
    assert!(said[0].starts_with("mdat box at byte 29573 claims to end at byte 37376"), "{said:?}");
    assert!(said[1].starts_with("left out: track 1 (video): sample 185 of "), "{said:?}");
    assert_eq!(said[2], "track 1 (video): 16 samples are left out in all");
    assert_eq!(source.left_out() as usize, (200 - 184) + (373 - played.audio.len()));
    assert!(refusal("fragmented_cut.mp4").starts_with("track 1 (video): sample 185 of "));
    source.rewind();
    assert_eq!(play(&mut source).counts(), played.counts());
}

#[test]
fn case_10_negative_stts_keeps_order_and_time() {
    let mut source = open("negative_stts.mp4");
    let played = play(&mut source);
    assert_eq!(played.video.len(), 250);
    assert!(played.video.is_sorted(), "decoding times go on");
    // 25 pictures a second, to the end: nothing of what was taken back is lost.
    let step = |pair: &[(i64, i64)]| pair[1].0 - pair[0].0;
    assert!(played.video.windows(2).all(|pair| (1800..=5400).contains(&step(pair))));
    assert_eq!(played.video[249].0, 249 * 3600);
    assert!(source.notes().is_empty());
}

#[test]
fn case_11_tfdt_zero_is_played_as_if_it_were_right() {
    let mut source = open("tfdt_zero.mp4");
    let played = play(&mut source);
    assert_eq!(played, play(&mut open("same_right.mp4")));
    assert_eq!(played.video.len(), 250);
    let said = notes(&source);
    assert_eq!(
        said[0],
        "track 1: the fragment at byte 10668 goes back to decoding time 0: it is played behind the one before it"
    );
    assert_eq!((said.len(), source.left_out()), (8, 0), "{said:?}");
}

#[test]
fn case_14_ac3_costs_the_sound_alone_and_strict_refuses_it() {
    let mut source = open("ac3.mp4");
    let played = play(&mut source);
    assert_eq!(played.counts(), (102, 0));
    let said = "track 2 (audio) is AC-3 (ac-3) at byte 60602: AAC audio (LC, HE) can be published";
    assert_eq!((notes(&source), source.left_out()), (vec![format!("left out: {said}")], 1));
    assert_eq!(refusal("ac3.mp4"), said);
}
