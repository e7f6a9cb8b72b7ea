//! One oddity of the formats each.

use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::time::Instant;

use crate::support::{self, SAMPLE_BYTES, Track, concat, mp4, mp4_file, plain};
use source::{OnFault, Sample, Source};

/// Decoding and presentation time in ms of a picture, and its first byte.
type Picture = (i64, i64, u8);
/// Time in ms of an audio frame, and its first byte.
type Frame = (i64, u8);

fn play<R: Read + Seek>(source: &mut Source<R>) -> (Vec<Picture>, Vec<Frame>) {
    let (mut video, mut audio) = (Vec::new(), Vec::new());
    while let Some(sample) = source.next_sample().unwrap() {
        match sample {
            Sample::Video { dts, pts, data, .. } => {
                video.push((dts.ticks() / 90, pts.ticks() / 90, data[0]));
            }
            Sample::Audio { pts, data } => audio.push((pts.ticks() / 90, data[0])),
            Sample::VideoConfig(_) | Sample::AudioConfig(_) => {}
        }
    }
    (video, audio)
}

fn open(file: Vec<u8>) -> Source<Cursor<Vec<u8>>> {
    Source::new(Cursor::new(file), OnFault::LeaveOut).unwrap_or_else(|error| panic!("{error}"))
}

fn notes<R: Read + Seek>(source: &Source<R>) -> Vec<String> {
    source.notes().iter().map(ToString::to_string).collect()
}

fn refusal(file: Vec<u8>) -> String {
    Source::new(Cursor::new(file), OnFault::Refuse).expect_err("must be refused").to_string()
}

#[test]
fn s_8_6_1_3_negative_composition_offsets_move_all_decoding_times_once() {
    for version in [0, 1] {
        let mut track = Track::video(&[1, 2, 3, 4]);
        // 40 ms each; presented as 1 3 2 4, offsets relative to the decoding time.
        track.ctts = Some((version, vec![(1, 0), (1, 40), (1, -40), (1, 0)]));
        let (video, _) = play(&mut open(mp4(&[track])));
        assert_eq!(video, [(0, 40, 1), (40, 120, 2), (80, 80, 3), (120, 160, 4)], "{version}");
    }
}

#[test]
fn s_8_6_6_an_edit_starts_with_the_sync_sample_before_it_and_ends_on_time() {
    let mut video = Track::video(&[1, 2, 3, 4, 5, 6, 7, 8]);
    video.stss = Some(vec![1, 3, 5]);
    // Plays 6 (picture 5 must be decoded before it) and 7 of 40 ms each.
    video.elst = vec![(80, 200)];
    let mut audio = Track::audio(&[11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
    audio.elst = vec![(80, 9600)];
    let (video, audio) = play(&mut open(mp4(&[video, audio])));
    // Sound starts in the middle of frame 20; three before it are kept for the decoder to start
    // with, the first of them 72 ms before the movie's zero. It ends in frame 24.
    let frames: Vec<u8> = audio.iter().map(|(_, mark)| *mark).collect();
    assert_eq!(frames, [17, 18, 19, 20, 21, 22, 23, 24]);
    assert_eq!((audio[0].0, audio[3].0), (0, 64));
    assert_eq!(video, [(32, 32, 5), (72, 72, 6), (112, 112, 7)]);
}

#[test]
fn s_8_6_6_an_empty_edit_delays_a_track() {
    let mut video = Track::video(&[1, 2]);
    video.elst = vec![(500, -1), (80, 0)];
    let source = &mut open(mp4(&[video, Track::audio(&[11, 12])]));
    assert_eq!(play(source), (vec![(500, 500, 1), (540, 540, 2)], vec![(0, 11), (21, 12)]));
}

#[test]
fn samples_come_by_decoding_time_with_both_configurations_in_front_and_once() {
    let mut source = open(mp4(&[Track::video(&[1, 2]), Track::audio(&[11, 12, 13])]));
    let mut order = Vec::new();
    for _round in 0..2 {
        while let Some(sample) = source.next_sample().unwrap() {
            order.push(match sample {
                Sample::VideoConfig(_) => 100,
                Sample::AudioConfig(_) => 101,
                Sample::Video { data, .. } | Sample::Audio { data, .. } => data[0],
            });
        }
        source.rewind();
    }
    assert_eq!(order, [100, 101, 1, 11, 12, 2, 13, 1, 11, 12, 2, 13]);
    // Two pictures of 40 ms, three frames of 1024 / 48000 s.
    assert_eq!(source.duration().ticks(), 2 * 3600);
    assert_eq!(source.info().audio.as_ref().unwrap().span.duration().ticks(), 3 * 1920);
}

#[test]
fn s_8_7_3_compact_sizes() {
    for bits in [4, 8, 16] {
        let mut track = Track::video(&[1, 2, 3]);
        track.stz2 = Some(bits);
        assert_eq!(play(&mut open(mp4(&[track]))).0.len(), 3, "{bits}");
    }
    let mut track = Track::video(&[1]);
    track.stz2 = Some(12);
    assert!(refusal(mp4(&[track])).contains("field size 12, allowed are 4, 8 and 16"));
}

#[test]
fn s_8_5_2_a_change_of_description_is_a_new_configuration_and_a_refused_one_counts_when_used() {
    let mut track = Track::video(&[1, 2, 3, 4]);
    track.stsd =
        vec![support::avc1(b"avc1", 4), support::avc1(b"avc3", 2), plain(b"hvc1", &[0; 78])];
    track.stsc = vec![(1, 1, 1), (3, 1, 2)];
    let mut source = open(mp4(&[track.clone()]));
    let mut kinds = Vec::new();
    while let Some(sample) = source.next_sample().unwrap() {
        kinds.push(match sample {
            Sample::VideoConfig(avcc) => usize::from(avcc[4] & 3) + 1,
            _ => 0,
        });
    }
    assert_eq!(kinds, [4, 0, 0, 2, 0, 0]);
    track.stsc = vec![(1, 1, 1), (4, 1, 3)];
    assert!(refusal(mp4(&[track])).starts_with("track 1 (video) is HEVC (hvc1) at byte "));
    let mut track = Track::video(&[1]);
    track.stsc = vec![(1, 1, 7)];
    assert!(refusal(mp4(&[track])).contains("sample 1 at byte 32: has sample description 7 of 1"));
}

#[test]
fn other_codecs_and_encryption_are_refused_by_name() {
    let with = |mut track: Track, entry: &[u8; 4]| {
        track.stsd = vec![plain(entry, &[0; 90])];
        refusal(mp4(&[track]))
    };
    let video = |entry| with(Track::video(&[1]), entry);
    let audio = |entry| with(Track::audio(&[1]), entry);
    assert!(video(b"hev1").starts_with("track 1 (video) is HEVC (hev1) at byte "));
    assert!(video(b"vp09").contains("VP9 (vp09)") && video(b"av01").contains("AV1 (av01)"));
    assert!(video(b"encv").contains("track 1 (video) is encrypted (encv at byte "));
    assert!(audio(b".mp3").ends_with(": AAC audio (LC, HE) can be published"));
    assert!(audio(b"ac-3").contains("AC-3 (ac-3)") && audio(b"Opus").contains("Opus (Opus)"));
    assert!(audio(b"sowt").contains("PCM (sowt)") && audio(b"enca").contains("encrypted"));
    let mut mp3 = Track::audio(&[1]);
    mp3.stsd = vec![support::mp4a(0, &support::esds(0x6b, &[]))];
    assert!(refusal(mp4(&[mp3])).contains("MP3 (mp4a, object type 0x6b)"));
}

#[test]
fn a_track_that_can_be_sent_is_preferred_and_metadata_is_ignored() {
    let mut ac3 = Track::audio(&[21]);
    ac3.stsd = vec![plain(b"ac-3", &[0; 40])];
    let mut chapters = Track::video(&[31]);
    chapters.stsd = vec![plain(b"jpeg", &[0; 78])];
    chapters.enabled = false;
    let mut metadata = Track::video(&[41]);
    metadata.handler = *b"meta";
    metadata.stsd = Vec::new();
    let mut source = open(mp4(&[chapters, ac3, Track::audio(&[11]), metadata]));
    assert_eq!(play(&mut source), (vec![], vec![(0, 11)]));
    assert_eq!(
        notes(&source),
        [
            "track 1 (video) is Motion JPEG (jpeg): it is not sent",
            "track 2 (audio) is AC-3 (ac-3): it is not sent"
        ]
    );
}

#[test]
fn qtff_sound_descriptions_of_all_versions() {
    let esds = support::esds(0x40, &support::ASC);
    let wave = plain(
        b"wave",
        &concat(&[&plain(b"frma", b"mp4a"), &plain(b"mp4a", &[0; 4]), &esds, &[0; 8]]),
    );
    let mut short = support::mp4a(0, &esds);
    short[17] = 1; // an ISO file's version 1: no longer fields
    for entry in [
        support::mp4a(0, &esds),
        support::mp4a(1, &wave),
        support::mp4a(1, &esds),
        support::mp4a(2, &wave),
        support::mp4a(2, &esds),
        short,
    ] {
        let mut track = Track::audio(&[11]);
        track.stsd = vec![entry];
        let source = open(mp4(&[track]));
        assert_eq!(source.info().audio.as_ref().unwrap().codec, "mp4a.40.2");
    }
    let mut track = Track::audio(&[11]);
    track.stsd = vec![support::mp4a(0, &[])];
    assert!(refusal(mp4(&[track])).contains("mp4a at byte"));
}

#[test]
fn a_length_past_the_end_is_a_warning_while_all_samples_are_there() {
    // moov first, so that the mdat is last: it claims 100 bytes more than it has.
    let file = support::moov_first(&[Track::video(&[1, 2])], 100);
    let len = file.len();
    let mut source = open(file.clone());
    assert_eq!(play(&mut source).0.len(), 2);
    assert_eq!(source.notes().len(), 1);
    assert!(notes(&source)[0].ends_with(&format!("it ends at byte {len}")));
    // And with the last byte of the last sample missing it is an error that names the sample.
    let cut = refusal(file[..len - 1].to_vec());
    let at = len - 8;
    assert_eq!(
        cut,
        format!(
            "track 1 (video): sample 2 of 8 bytes at byte {at} goes past the end of the file, byte {}",
            len - 1
        )
    );
}

#[test]
fn case_09_a_plain_file_that_is_cut_plays_the_samples_that_it_has() {
    let tracks = [Track::video(&[1, 2, 3, 4]), Track::audio(&[11, 12, 13])];
    let file = support::moov_first(&tracks, 0);
    // The last picture ends where the sound begins: the cut takes half of it, and all sound.
    let cut = file[..file.len() - 3 * SAMPLE_BYTES - 4].to_vec();
    let mut source = open(cut.clone());
    let (video, audio) = play(&mut source);
    assert_eq!(video.iter().map(|(.., mark)| *mark).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((audio.len(), source.left_out()), (0, 4));
    let said = notes(&source);
    assert!(said.iter().any(|note| note.starts_with("left out: track 1 (video): sample 4 of 8")));
    assert!(said.iter().any(|note| note.starts_with("left out: track 2 (audio): sample 1 of 8")));
    assert!(said.contains(&"track 2 (audio): 3 samples are left out in all".to_owned()));
    assert!(refusal(cut).starts_with("track 1 (video): sample 4 of 8 bytes at byte "));
    // Of which there is nothing is refused for what is wrong with it, not for having no tracks.
    let none = file[..file.len() - 7 * SAMPLE_BYTES].to_vec();
    let error = Source::new(Cursor::new(none), OnFault::LeaveOut).expect_err("nothing is left");
    assert!(error.to_string().starts_with("track 1 (video): sample 1 of 8 bytes"), "{error}");
}

#[test]
fn case_14_a_sound_track_that_makes_no_sense_costs_the_sound_alone() {
    let mut sound = Track::audio(&[11]);
    sound.timescale = 0;
    let file = mp4(&[Track::video(&[1, 2]), sound]);
    let mut source = open(file.clone());
    assert_eq!((play(&mut source).0.len(), source.left_out()), (2, 1));
    let said = notes(&source);
    assert!(said[0].starts_with("left out: mdhd at byte ") && said[0].contains("timescale 0"));
    assert!(refusal(file).contains("timescale 0"));
    let mut pictures = Track::video(&[1]);
    pictures.timescale = 0;
    let file = mp4(&[pictures, Track::audio(&[11])]);
    let error = Source::new(Cursor::new(file), OnFault::LeaveOut).expect_err("no film");
    assert!(error.to_string().contains("timescale 0"), "{error}");
}

#[test]
fn a_file_cut_anywhere_is_refused_or_plays() {
    for file in [
        mp4(&[Track::video(&[1, 2, 3]), Track::audio(&[11, 12])]),
        support::moov_first(&[Track::video(&[1, 2, 3]), Track::audio(&[11, 12])], 0),
        support::fragmented(support::Base::Moof),
    ] {
        for len in 0..file.len() {
            for on_fault in [OnFault::LeaveOut, OnFault::Refuse] {
                if let Ok(mut source) = Source::new(Cursor::new(file[..len].to_vec()), on_fault) {
                    play(&mut source);
                }
            }
        }
    }
}

#[test]
fn s_8_8_fragments_find_their_data_by_each_of_the_three_rules() {
    for base in [support::Base::Explicit, support::Base::Moof, support::Base::Previous] {
        let mut source = open(support::fragmented(base));
        let (video, audio) = play(&mut source);
        // One picture in the moov, then two fragments of two; 40 ms each, tfdt in the second only.
        let expected = [(0, 0, 1), (40, 40, 2), (80, 80, 3), (120, 120, 4), (160, 160, 5)];
        assert_eq!(video, expected, "{base:?}");
        assert_eq!(audio, [(0, 11), (21, 12)], "{base:?}");
        assert_eq!(source.info().container, source::Container::FragmentedMp4);
        source.rewind();
        assert_eq!(play(&mut source).0, expected, "{base:?}, again");
    }
}

#[test]
fn s_8_8_a_fragment_that_goes_back_does_not_turn_time_round() {
    let file = support::fragmented_with_times(support::Base::Moof, [None, Some(0)]);
    let (video, _) = play(&mut open(file));
    assert!(video.is_sorted_by_key(|(dts, ..)| *dts), "{video:?}");
}

#[test]
fn s_8_8_7_a_fragment_without_samples_may_take_time() {
    let moof = |flags: u32, fields: &[u32], trun: &[u8]| {
        let tfhd = support::full(b"tfhd", 0, flags, &support::words(fields));
        plain(b"moof", &plain(b"traf", &concat(&[&tfhd, trun])))
    };
    let mut file = concat(&[mp4_file::FTYP, &mp4_file::moov(&[empty_video()], true)]);
    for (mark, gap) in [(1, 500), (2, 0), (3, 0)] {
        // default-base-is-moof; one sample of 8 bytes and 40 ms, eight bytes behind the moof.
        let trun =
            |offset: u32| support::full(b"trun", 0, 0x301, &support::words(&[1, offset, 40, 8]));
        let size = u32::try_from(moof(0x2_0000, &[1], &trun(0)).len()).unwrap();
        file.extend(moof(0x2_0000, &[1], &trun(size + 8)));
        file.extend(plain(b"mdat", &[mark; 8]));
        if gap > 0 {
            // duration-is-empty, default-sample-duration.
            file.extend(moof(0x1_0008, &[1, gap], &[]));
        }
    }
    let (video, _) = play(&mut open(file));
    assert_eq!(video, [(0, 0, 1), (540, 540, 2), (580, 580, 3)]);
}

fn empty_video() -> Track {
    let mut track = Track::video(&[]);
    track.stts = Vec::new();
    track
}

#[test]
fn claims_that_the_file_has_no_room_for_cost_no_time_and_no_memory() {
    let begun = now();
    let mut endless = Track::video(&[1]);
    endless.stsz = Some((1, u32::MAX));
    endless.stsc = vec![(1, u32::MAX, 1)];
    endless.stts = vec![(u32::MAX, 1)];
    assert!(refusal(mp4(&[endless])).contains("goes past the end of the file"));
    let mut claimed = Track::video(&[1]);
    claimed.stsz = Some((0, u32::MAX));
    assert!(refusal(mp4(&[claimed])).contains("claims 4294967295 entries of 4 bytes"));
    let mut empty_chunks = Track::video(&[1, 2]);
    empty_chunks.stsc = vec![(1, 0, 1)];
    assert!(refusal(mp4(&[empty_chunks])).contains("stco ends after 0 of 2 samples"));
    let mut no_size = Track::video(&[1]);
    no_size.stts = vec![(0, 40)];
    assert!(refusal(mp4(&[no_size])).contains("stts ends after 0 of 1 samples"));
    // The same eight bytes over and over.
    let mut overlapping = Track::video(&[1]);
    overlapping.stsz = Some((8, 1000));
    overlapping.stts = vec![(1000, 1)];
    overlapping.stco = vec![32; 1000];
    overlapping.stsc = vec![(1, 1, 1)];
    assert!(refusal(mp4(&[overlapping])).contains("bytes of all samples"));
    assert!(refusal(support::trun_of(u32::MAX)).contains("trun at byte"));
    assert!(begun.elapsed().as_secs() < 5);
}

#[expect(clippy::disallowed_methods, reason = "the time it takes is what is tested")]
fn now() -> Instant {
    Instant::now()
}

/// Counts what is read, and how much at once.
struct Counting<R> {
    inner: R,
    bytes: std::rc::Rc<std::cell::Cell<(u64, usize)>>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buf)?;
        let (total, largest) = self.bytes.get();
        self.bytes.set((total + n as u64, largest.max(buf.len())));
        Ok(n)
    }
}

impl<R: Seek> Seek for Counting<R> {
    fn seek(&mut self, pos: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(pos)
    }
}

/// Six hours in a sparse file of 5 GiB: 540 000 pictures behind co64 offsets.
#[test]
fn a_file_over_4_gib_is_read_as_its_samples_are_due() {
    const PICTURES: u32 = 540_000;
    const STEP: u64 = 10_000;
    let path = std::env::temp_dir().join(format!("feathercast-source-{}.mp4", std::process::id()));
    let mut track = Track::video(&[1]);
    track.stsz = Some((1000, PICTURES));
    track.stts = vec![(PICTURES, 40)];
    track.co64 = Some((0..u64::from(PICTURES)).map(|i| 32 + i * STEP).collect());
    track.stsc = vec![(1, 1, 1)];
    let mdat = 32 + u64::from(PICTURES) * STEP;
    let mut file = std::fs::File::options()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    // Open files stay readable, and nothing is left behind whatever happens.
    std::fs::remove_file(&path).unwrap();
    file.set_len(mdat).unwrap();
    file.write_all(&mp4_file::wide_mdat_header(mdat)).unwrap();
    let last = 32 + u64::from(PICTURES - 1) * STEP;
    file.seek(SeekFrom::Start(last)).unwrap();
    file.write_all(&[77; 1000]).unwrap();
    file.seek(SeekFrom::Start(mdat)).unwrap();
    let moov = mp4_file::moov(&[track], false);
    file.write_all(&moov).unwrap();

    let bytes = std::rc::Rc::new(std::cell::Cell::new((0, 0)));
    let mut source =
        Source::new(Counting { inner: file, bytes: bytes.clone() }, OnFault::LeaveOut).unwrap();
    assert_eq!(source.duration().as_millis(), i64::from(PICTURES) * 40);
    assert!(last > u64::from(u32::MAX));
    // Opening reads the tables twice, in pages, and nothing of the pictures.
    let (read, largest) = bytes.replace((0, 0));
    assert!(read < 3 * moov.len() as u64, "{read} bytes of {}", moov.len());
    assert!(largest <= source::Limits::PAGE_BYTES, "{largest} bytes at once");
    let mut count = 0;
    let mut last_sample = None;
    while let Some(sample) = source.next_sample().unwrap() {
        count += u32::from(sample.dts().is_some());
        last_sample = Some(sample);
    }
    assert_eq!(count, PICTURES);
    assert!(matches!(last_sample, Some(Sample::Video { data, .. }) if data[..] == [77; 1000]));
    let (_, largest) = bytes.get();
    assert!(largest <= source::Limits::PAGE_BYTES, "{largest} bytes at once");
}

#[test]
fn flv_restarts_go_on_and_a_cut_tag_is_told_after_all_whole_ones() {
    let file = support::flv(&[(0, 1), (40, 2), (5000, 3), (0, 4), (40, 5)]);
    let mut source = open(file.clone());
    assert_eq!(
        play(&mut source).0.iter().map(|(dts, ..)| *dts).collect::<Vec<_>>(),
        [0, 40, 5000, 5000, 5040]
    );
    assert!(notes(&source)[0].starts_with("timestamps start anew at byte "));
    assert_eq!(source.duration().as_millis(), 5080);
    let len = file.len() - 5;
    let cut = file[..len].to_vec();
    let mut source = Source::new(Cursor::new(cut.clone()), OnFault::Refuse).unwrap();
    let mut samples = 0;
    let error = loop {
        match source.next_sample() {
            Ok(sample) => samples += u32::from(sample.expect("an error comes").dts().is_some()),
            Err(error) => break error.to_string(),
        }
    };
    assert_eq!(samples, 4);
    assert!(error.ends_with(&format!("goes past the end of the file, byte {len}")), "{error}");
    let mut source = open(cut);
    for _round in 0..2 {
        assert_eq!(play(&mut source).0.len(), 4);
        assert_eq!(
            (source.left_out(), notes(&source)[1].clone()),
            (1, format!("left out: {error}"))
        );
        source.rewind();
    }
}
