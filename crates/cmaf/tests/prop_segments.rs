//! Arbitrary samples: what a segment says of them is what they are, as the `mp4` crate's reader,
//! and a walk over the boxes, see it.

#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::io::Cursor;

use cmaf::{
    AudioRun, AudioTrack, Tracks, VideoRun, VideoTrack, head_bytes, init_section, write_head,
};
use hex_literal::hex;
use media::{Duration, Timestamp, WIRE_SHIFT};
use mp4::{MoofBox, MoovBox, ReadBox};
use proptest::collection::vec;
use proptest::prelude::*;

/// `default-base-is-moof`, and `sample_is_non_sync_sample`.
const BASE_IS_MOOF: u32 = 0x02_0000;
const NON_SYNC: u32 = 0x01_0000;

/// The boxes in `data`, each its type and its content; they fill it.
fn boxes(mut data: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut found = Vec::new();
    while !data.is_empty() {
        let size = u32::from_be_bytes(data[..4].try_into().unwrap()) as usize;
        assert!(size >= 8 && size <= data.len(), "{size} of {}", data.len());
        found.push((data[4..8].try_into().unwrap(), &data[8..size]));
        data = &data[size..];
    }
    found
}

/// The content of the one box of this type.
fn child<'a>(data: &'a [u8], kind: &[u8; 4]) -> &'a [u8] {
    let mut children = boxes(data).into_iter().filter(|(found, _)| found == kind);
    let (Some((_, content)), None) = (children.next(), children.next()) else {
        panic!("one {}", kind.escape_ascii());
    };
    content
}

/// The boxes that are nothing but others, all the way down.
fn walk(data: &[u8]) {
    for (kind, content) in boxes(data) {
        if [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"].contains(&&kind)
        {
            walk(content);
        }
    }
}

#[derive(Clone, Debug)]
struct Picture {
    /// Behind the one before, in decoding time.
    after: i64,
    composition: i64,
    is_sync: bool,
    size: usize,
}

fn picture() -> impl Strategy<Value = Picture> {
    let after = prop_oneof![3 => Just(3000_i64), 1 => 1..90_000_i64];
    let composition = prop_oneof![3 => Just(0_i64), 1 => 0..20_000_i64];
    (after, composition, prop::bool::weighted(0.1), 1..5000_usize).prop_map(
        |(after, composition, is_sync, size)| Picture { after, composition, is_sync, size },
    )
}

/// A sample as a reader sees it: decoding and presentation time in ticks of the track, place and
/// size in the segment, whether decoding may begin.
type Seen = (u64, i64, usize, usize, bool);

/// What a reader sees of a track, and where it ends in decoding time.
fn seen(segment: &[u8], track: u32, defaults: (u32, u32)) -> (Vec<Seen>, u64) {
    let moof = MoofBox::read_box(&mut after_header(segment), size_of_first(segment)).unwrap();
    let traf = moof.trafs.iter().find(|traf| traf.tfhd.track_id == track).expect("a traf");
    assert_eq!(traf.tfhd.flags & BASE_IS_MOOF, BASE_IS_MOOF);
    let duration = traf.tfhd.default_sample_duration.unwrap_or(defaults.0);
    let trun = traf.trun.as_ref().unwrap();
    let mut dts = traf.tfdt.as_ref().unwrap().base_media_decode_time;
    let mut at = trun.data_offset.unwrap() as usize;
    let mut samples = Vec::new();
    for n in 0..trun.sample_count as usize {
        let first_flags = trun.first_sample_flags.filter(|_| n == 0).unwrap_or(defaults.1);
        let flags = trun.sample_flags.get(n).copied().unwrap_or(first_flags);
        let composition = trun.sample_cts.get(n).map_or(0, |cts| *cts as i32);
        let size = trun.sample_sizes[n] as usize;
        samples.push((dts, dts as i64 + i64::from(composition), at, size, flags & NON_SYNC == 0));
        dts += u64::from(trun.sample_durations.get(n).copied().unwrap_or(duration));
        at += size;
    }
    (samples, dts)
}

fn size_of_first(data: &[u8]) -> u64 {
    u32::from_be_bytes(data[..4].try_into().unwrap()).into()
}

/// At the content of the first box: where the `mp4` crate begins to read.
fn after_header(data: &[u8]) -> Cursor<&[u8]> {
    let mut reader = Cursor::new(data);
    reader.set_position(8);
    reader
}

proptest! {
    #[test]
    fn a_segment_says_what_its_samples_are(
        start in -100_000_i64..1 << 40,
        pictures in vec(picture(), 1..60),
        frames in vec(1..800_usize, 0..80),
        rate in prop::sample::select(vec![16_000_u32, 32_000, 44_100, 48_000]),
        tail in 1..10_000_i64,
    ) {
        let mut video = VideoRun::default();
        let mut expected = Vec::new();
        let mut dts = Timestamp::from_ticks(start);
        for (n, picture) in pictures.iter().enumerate() {
            if n > 0 {
                dts += Duration::from_ticks(picture.after);
            }
            let pts = dts + Duration::from_ticks(picture.composition);
            video.push(pts, dts, picture.is_sync, picture.size);
            expected.push((pts, dts));
        }
        let delay = expected[0].0 - expected[0].1;
        let next = dts + Duration::from_ticks(tail);
        let mut audio = AudioRun::new(rate, 1024, Timestamp::from_ticks(start));
        for (n, size) in frames.iter().enumerate() {
            let ticks = (n as i64 * 1024 * 90_000 + i64::from(rate) / 2) / i64::from(rate);
            audio.push(Timestamp::from_ticks(start + ticks), *size);
        }

        let end = next + delay;
        let mut segment = Vec::new();
        write_head(7, Some((&video, end)), Some(&audio), &mut segment);
        prop_assert_eq!(segment.len(), head_bytes(Some((&video, end)), Some(&audio)));
        let payload = pictures.iter().map(|it| it.size).chain(frames.iter().copied()).sum::<usize>();
        segment.resize(segment.len() + payload, 0);
        walk(&segment);
        let top: Vec<_> = boxes(&segment).iter().map(|(kind, content)| (*kind, content.len())).collect();
        prop_assert_eq!(top.len(), 2);
        prop_assert_eq!((top[0].0, top[1]), (*b"moof", (*b"mdat", payload)));

        let (samples, video_end) = seen(&segment, 1, (0, 0x0101_0000));
        let mut place = segment.len() - payload;
        for ((sample, picture), (pts, dts)) in samples.iter().zip(&pictures).zip(&expected) {
            let (sample_dts, sample_pts, at, size, is_sync) = *sample;
            prop_assert_eq!(sample_dts as i64, (*dts + WIRE_SHIFT).ticks());
            prop_assert_eq!(sample_pts, (*pts + WIRE_SHIFT).ticks());
            prop_assert_eq!((at, size, is_sync), (place, picture.size, picture.is_sync));
            place += size;
        }
        // The next segment goes on where this one ends.
        prop_assert_eq!(video_end as i64, (next + WIRE_SHIFT).ticks());
        if !frames.is_empty() {
            let (samples, audio_end) = seen(&segment, 2, (1024, 0x0200_0000));
            prop_assert_eq!(samples.len(), frames.len());
            prop_assert_eq!(audio_end - samples[0].0, frames.len() as u64 * 1024);
            let first = (Timestamp::from_ticks(start) + WIRE_SHIFT).ticks() as f64 * f64::from(rate) / 90_000.0;
            prop_assert!((samples[0].0 as f64 - first).abs() < 1.0);
            for ((_, _, at, size, is_sync), frame) in samples.iter().zip(&frames) {
                prop_assert_eq!((*at, *size, *is_sync), (place, *frame, true));
                place += size;
            }
        }
        prop_assert_eq!(place, segment.len());
    }
}

fn tracks() -> Tracks {
    let video = VideoTrack {
        width: 160,
        height: 90,
        sps: vec![hex!("67 64 00 1f ac").to_vec()],
        pps: vec![hex!("68 ee 3c b0").to_vec()],
        chroma_format_idc: 1,
        bit_depth_luma: 8,
        bit_depth_chroma: 8,
    };
    let audio = AudioTrack {
        // HE-AAC v2, 32 kHz.
        config: hex!("eb0a 8800").to_vec(),
        sample_rate_hz: 32_000,
        channels: 2,
        samples_per_frame: 2048,
    };
    Tracks { video: Some(video), audio: Some(audio) }
}

#[test]
fn an_initialization_section_says_what_the_tracks_are() {
    let init = init_section(&tracks());
    walk(&init);
    let top: Vec<_> = boxes(&init).iter().map(|(kind, _)| *kind).collect();
    assert_eq!(top, [*b"ftyp", *b"moov"]);
    let moov = child(&init, b"moov");
    let ftyp_bytes = init.len() - moov.len() - 8;
    let moov_bytes = (moov.len() + 8) as u64;
    // Its own reader takes one trex; the two are looked at below.
    let read = MoovBox::read_box(&mut after_header(&init[ftyp_bytes..]), moov_bytes).unwrap();
    let ids: Vec<_> = read.traks.iter().map(|trak| trak.tkhd.track_id).collect();
    assert_eq!(ids, [1, 2]);
    let avc1 = read.traks[0].mdia.minf.stbl.stsd.avc1.as_ref().unwrap();
    assert_eq!((avc1.width, avc1.height), (160, 90));
    let avcc = &avc1.avcc;
    assert_eq!(avcc.sequence_parameter_sets[0].bytes, hex!("67 64 00 1f ac"));
    assert_eq!(avcc.picture_parameter_sets[0].bytes, hex!("68 ee 3c b0"));
    assert_eq!(read.traks[1].mdia.mdhd.timescale, 32_000);

    let trex: Vec<_> =
        boxes(child(moov, b"mvex")).iter().map(|(_, content)| content.to_vec()).collect();
    assert_eq!(trex[0], hex!("00000000 00000001 00000001 00000000 00000000 01010000"));
    assert_eq!(trex[1], hex!("00000000 00000002 00000001 00000800 00000000 02000000"));
}

#[test]
fn section_5_3_3_1_2_high_profile_says_its_sample_format() {
    let avcc = |profile| {
        let mut tracks = tracks();
        let video = tracks.video.as_mut().unwrap();
        video.sps[0][1] = profile;
        (video.chroma_format_idc, video.bit_depth_luma) = (2, 10);
        let init = init_section(&tracks);
        let at = init.windows(4).position(|window| window == b"avcC").unwrap();
        let size = size_of_first(&init[at - 4..]) as usize;
        init[at + 4..at - 4 + size].to_vec()
    };
    let sets = hex!("00 1f ff e1 0005 67");
    assert!(avcc(66)[2..].starts_with(&sets) && avcc(66).ends_with(&hex!("68 ee 3c b0")));
    assert!(avcc(122).ends_with(&hex!("68 ee 3c b0 fe fa f8 00")));
}

#[test]
fn section_7_2_6_6_the_whole_audio_configuration_is_in_its_descriptor() {
    let init = init_section(&tracks());
    let expected = hex!(
        "65736473 00000000 03 1b 0000 00 04 13 40 15 000000 00000000 00000000 05 04 eb0a8800 06 01 02"
    );
    assert!(init.windows(expected.len()).any(|window| window == expected));
}

#[test]
fn frames_that_are_stamped_apart_are_told_apart() {
    let mut audio = AudioRun::new(48_000, 1024, Timestamp::ZERO);
    // A gap of a tenth of a second, then a frame that comes a frame early.
    for ticks in [0, 1920, 12_840, 12_840] {
        audio.push(Timestamp::from_ticks(ticks), 10);
    }
    let mut segment = Vec::new();
    write_head(1, None, Some(&audio), &mut segment);
    let (samples, _) = seen(&segment, 2, (1024, 0x0200_0000));
    let times: Vec<_> = samples.iter().map(|sample| sample.0 - samples[0].0).collect();
    assert_eq!(times, [0, 1024, 6848, 6849]);
}

/// Chromium refuses a `moof` without a `traf`.
#[test]
fn section_8_8_7_sound_without_frames_has_a_traf_of_no_samples() {
    let audio = AudioRun::new(48_000, 1024, Timestamp::from_millis(600));
    let mut segment = Vec::new();
    write_head(1, None, Some(&audio), &mut segment);
    assert_eq!(segment.len(), head_bytes(None, Some(&audio)));
    let traf = child(child(&segment, b"moof"), b"traf");
    // `duration-is-empty`, `default-base-is-moof`; two seconds with the shift.
    let expected = [
        (*b"tfhd", &hex!("00030000 00000002")[..]),
        (*b"tfdt", &hex!("01000000 0000000000017700")[..]),
    ];
    assert_eq!(boxes(traf), expected);
    assert!(child(&segment, b"mdat").is_empty());
}
