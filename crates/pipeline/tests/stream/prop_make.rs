//! Segments that are made when somebody asks for them, of any plain stream. A trivial encoder
//! writes each picture in one grey, by which it is known again in the rendition: no ffmpeg, and
//! hundreds of spans a second.

use std::collections::BTreeMap;

use codec::H264Decoder;
use flv::{Tag, TagKind};
use media::{Duration, Timestamp};
use pipeline::{
    AacProfile, AudioPreset, DecoderKind, GridState, Package, Preset, RenditionSet, Sample,
    StreamConfig, StreamTracks, make_segment, write_ts,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::bad_input::Bits;
use crate::on_demand::{times, units};
use crate::support::{FIRST_SEQUENCE, Stream};

/// Pictures have 32x32 samples.
const MACROBLOCKS: usize = 4;
/// Greys are so far from each other, and what two encoders make of one less than half of it.
const GREY_STEP: u8 = 25;
/// AAC-LC of 44.1 kHz in stereo, and a frame of silence (ISO/IEC 14496-3 4.4.2.1).
const AUDIO_HEADER: &[u8] = &[0xaf, 0, 0x12, 0x10];
const FRAME_SAMPLES: i64 = 1024;
const SAMPLE_RATE: i64 = 44_100;

/// No two pictures that are shown within seven have the same.
fn grey(shown: usize) -> u8 {
    40 + (shown * 3 % 7) as u8 * GREY_STEP
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Idr,
    Reference,
    Disposable,
}

/// One picture, in decoding order.
#[derive(Clone, Copy, Debug)]
struct Coded {
    kind: Kind,
    /// Its place in the order in which pictures are shown, of the whole stream and of its GOP.
    shown: usize,
    shown_in_gop: usize,
}

/// What a publisher sends, and when somebody watches.
#[derive(Clone, Debug)]
struct Plan {
    /// Pictures a second.
    fps: u32,
    /// Pictures of each GOP.
    gops: Vec<usize>,
    /// Every second picture behind an IDR picture is decoded behind the one that is shown after it.
    reorders: bool,
    /// So many more pictures are decoded before one is shown.
    delay: usize,
    has_sound: bool,
    renditions: Vec<Preset>,
    /// The rendition is asked for, and is not any more, from picture to picture.
    turns: Vec<usize>,
}

impl Plan {
    fn coded(&self) -> Vec<Coded> {
        let mut coded = Vec::new();
        let mut before = 0;
        for &pictures in &self.gops {
            let at =
                |shown_in_gop, kind| Coded { kind, shown: before + shown_in_gop, shown_in_gop };
            coded.push(at(0, Kind::Idr));
            let mut next = 1;
            while next < pictures {
                if self.reorders && next + 1 < pictures {
                    coded.push(at(next + 1, Kind::Reference));
                    coded.push(at(next, Kind::Disposable));
                    next += 2;
                } else {
                    coded.push(at(next, Kind::Reference));
                    next += 1;
                }
            }
            before += pictures;
        }
        coded
    }

    fn pts_ms(&self, picture: &Coded) -> u32 {
        self.ms(picture.shown + usize::from(self.reorders) + self.delay)
    }

    /// The time of a picture, in whole milliseconds, as RTMP has it.
    fn ms(&self, picture: usize) -> u32 {
        picture as u32 * 1000 / self.fps
    }

    /// Messages in the order of their time, the headers first.
    fn tags(&self) -> Vec<Tag> {
        let message =
            |kind, timestamp_ms, body: Vec<u8>| Tag { kind, timestamp_ms, body: body.into() };
        let mut tags = vec![message(TagKind::Video, 0, video_header(self.fps))];
        let (mut frame_num, mut idrs) = (0, 0);
        let coded = self.coded();
        for (place, picture) in coded.iter().enumerate() {
            if picture.kind == Kind::Idr {
                (frame_num, idrs) = (0, idrs + 1);
            }
            let nal_unit = slice(picture, frame_num, idrs % 2);
            // The next one counts on behind a picture that others refer to (7.4.3).
            frame_num = (frame_num + u32::from(picture.kind != Kind::Disposable)) % 16;
            let dts_ms = self.ms(place);
            let [_, composition @ ..] = (self.pts_ms(picture) - dts_ms).to_be_bytes();
            let frame_type = if picture.kind == Kind::Idr { 0x17 } else { 0x27 };
            let length = (nal_unit.len() as u32).to_be_bytes();
            let body = [&[frame_type, 1][..], &composition, &length, &nal_unit].concat();
            tags.push(message(TagKind::Video, dts_ms, body));
        }
        if self.has_sound {
            let frame = [&[0xaf, 1][..], &silence()].concat();
            tags.push(message(TagKind::Audio, 0, AUDIO_HEADER.to_vec()));
            let end_ms = i64::from(self.ms(coded.len()));
            for nth in 0..end_ms * SAMPLE_RATE / (FRAME_SAMPLES * 1000) {
                let at_ms = nth * FRAME_SAMPLES * 1000 / SAMPLE_RATE;
                tags.push(message(TagKind::Audio, at_ms as u32, frame.clone()));
            }
            tags.sort_by_key(|tag| tag.timestamp_ms);
        }
        tags
    }

    fn play(&self) -> Stream {
        let config = StreamConfig {
            renditions: self.renditions.clone(),
            segment_duration: Duration::from_secs(2),
            decoder: DecoderKind::Native,
            work_clock: pipeline::WorkClock::default(),
        };
        let mut stream =
            Stream::returning(&config, GridState::new(FIRST_SEQUENCE), StreamTracks::default());
        let mut pictures = 0;
        for tag in self.tags() {
            pictures += usize::from(tag.kind == TagKind::Video);
            let turns = self.turns.iter().filter(|&&turn| turn <= pictures).count();
            stream.set_wanted(RenditionSet::first(turns % 2));
            stream.push(tag);
        }
        stream.finish();
        stream
    }
}

/// An avcC record: Constrained Baseline, picture order counts that are written (7.3.2.1).
fn video_header(fps: u32) -> Vec<u8> {
    let mut sps = Bits::default();
    // Its id, 4 bits of frame_num, type 0 of 8 bits, one reference.
    [0, 0, 0, 4, 1].into_iter().for_each(|value| sps.ue(value));
    sps.bits(0, 1);
    // 2x2 macroblocks, frames only, direct 8x8, not cropped, with a VUI.
    [1, 1].into_iter().for_each(|value| sps.ue(value));
    sps.bits(0b1101, 4);
    // The frame rate alone is there (E.1.1): fields, and that it is fixed.
    sps.bits(0b00001, 5);
    [1, 2 * fps].into_iter().for_each(|ticks| sps.bits(ticks, 32));
    sps.bits(0b10000, 5);
    let sps = [&[0x67, 66, 0xc0, 10][..], &sps.bytes()].concat();
    let mut pps = Bits::default();
    [0, 0].into_iter().for_each(|value| pps.ue(value));
    // CAVLC, no order of fields, one slice group, one reference each, no weights, QP 26, slices say
    // whether they are deblocked.
    pps.bits(0b00_111_000_111_100, 14);
    let pps = [&[0x68][..], &pps.bytes()].concat();
    let begins = [0x17, 0, 0, 0, 0, 1, 66, 0xc0, 10, 0xff, 0xe1, 0, sps.len() as u8];
    [&begins[..], &sps, &[1, 0, pps.len() as u8], &pps].concat()
}

/// A whole picture of one grey: macroblocks of `I_PCM` (7.3.3, 7.3.5).
fn slice(picture: &Coded, frame_num: u32, idr_pic_id: u32) -> Vec<u8> {
    let is_idr = picture.kind == Kind::Idr;
    let mut bits = Bits::default();
    bits.ue(0);
    bits.ue(if is_idr { 7 } else { 5 });
    bits.ue(0);
    bits.bits(frame_num, 4);
    if is_idr {
        bits.ue(idr_pic_id);
    }
    bits.bits(picture.shown_in_gop as u32 * 2 % 256, 8);
    if !is_idr {
        // As many references as the PPS says, in their order.
        bits.bits(0, 2);
    }
    match picture.kind {
        Kind::Idr => bits.bits(0, 2),
        Kind::Reference => bits.bits(0, 1),
        Kind::Disposable => {}
    }
    // The PPS's QP, not deblocked.
    bits.bits(1, 1);
    bits.ue(1);
    for _ in 0..MACROBLOCKS {
        if is_idr {
            bits.ue(25);
        } else {
            // Nothing skipped; intra macroblocks are counted on from those between pictures.
            [0, 5 + 25].into_iter().for_each(|value| bits.ue(value));
        }
        bits.align();
        (0..256).for_each(|_| bits.bits(grey(picture.shown).into(), 8));
        (0..128).for_each(|_| bits.bits(128, 8));
    }
    let header = match picture.kind {
        Kind::Idr => 0x65,
        Kind::Reference => 0x41,
        Kind::Disposable => 0x01,
    };
    [&[header][..], &bits.bytes()].concat()
}

fn silence() -> Vec<u8> {
    let config = aac::AudioSpecificConfig::parse(&AUDIO_HEADER[2..]).expect("AAC-LC");
    config.silent_frame().expect("two channels")
}

/// The mean luma of each picture of a package, by when it is shown.
fn greys(package: &Package) -> BTreeMap<Timestamp, u8> {
    let mut decoder = H264Decoder::new(DecoderKind::Native).expect("memory");
    let mut greys = BTreeMap::new();
    let mut keep = |picture: media::I420<'_>, pts| {
        let sum: u64 = picture.y.rows().flatten().map(|&luma| u64::from(luma)).sum();
        greys.insert(pts, (sum / (picture.width() * picture.height()) as u64) as u8);
    };
    for sample in &package.samples {
        let Sample::Picture(unit, config) = sample else { continue };
        let sets = config.parameter_sets.iter().filter(|_| unit.random_access);
        let mut annexb = Vec::new();
        h264::annexb::write(sets.chain(unit.nal_units.iter()), &mut annexb);
        decoder.decode(&annexb, unit.pts, &mut keep).expect("a picture");
    }
    decoder.drain(&mut keep);
    greys
}

fn plan() -> impl Strategy<Value = Plan> {
    let audio = prop_oneof![
        2 => Just(AudioPreset::Copy),
        1 => Just(AudioPreset::Encode { profile: AacProfile::HighEfficiency, bitrate_bps: 24_000 }),
    ];
    let rendition = (select(vec!["P144p30fps16x9", "P144p15fps16x9", "P90p10fps16x9"]), audio);
    let rendition = rendition
        .prop_map(|(name, audio)| Preset { audio, ..Preset::named(name).expect("a preset") });
    let gops = prop_oneof![
        // Segments of the source, and what has a grid of its own.
        proptest::collection::vec(1_usize..60, 2..8),
        (100_usize..200).prop_map(|pictures| vec![pictures; 2]),
    ];
    let turns = proptest::collection::vec(0_usize..300, 0..6);
    (select(vec![50, 30, 25, 10]), gops, any::<bool>(), 0_usize..4, any::<bool>(), rendition, turns)
        .prop_map(|(fps, gops, reorders, delay, has_sound, rendition, turns)| Plan {
            fps,
            gops,
            reorders,
            delay,
            has_sound,
            renditions: vec![rendition],
            turns,
        })
}

/// Whoever watches when: each span has its number, and each picture of it is the source's of that
/// time, made alone or live. What begins to be made live begins as it is made alone.
fn check(plan: &Plan) -> Result<(), TestCaseError> {
    let stream = plan.play();
    let ms = |ms: u32| Timestamp::from_ticks(i64::from(ms) * 90);
    let sent: BTreeMap<_, _> =
        plan.coded().iter().map(|it| (ms(plan.pts_ms(it)), grey(it.shown))).collect();
    let numbers = &stream.listed[0];
    prop_assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{:?}", numbers);
    let mut shown = 0;
    let mut live = stream.live_packages[0].iter().peekable();
    let mut live_before = None;
    for &sequence in numbers {
        let alone = stream.make(0, sequence);
        prop_assert_eq!(alone.span.sequence(), sequence);
        prop_assert!(alone.is_independent());
        let again = stream.make(0, sequence);
        prop_assert_eq!(write_ts(&alone, None), write_ts(&again, None), "the same once more");
        let (start, end) = (alone.span.start(), alone.span.end());
        let greys = greys(&alone);
        prop_assert_eq!(greys.keys().copied().collect::<Vec<_>>(), times(&alone));
        for (pts, &made) in &greys {
            prop_assert!((start..end).contains(pts), "{:?} in {:?}", pts, alone.span);
            let of = sent.get(pts).copied();
            prop_assert!(
                of.is_some_and(|of| of.abs_diff(made) < GREY_STEP / 2),
                "{:?}: {:?}, made {}",
                pts,
                of,
                made
            );
        }
        shown += greys.len();
        if let Some(live) = live.next_if(|live| live.span.sequence() == sequence) {
            prop_assert_eq!(live.span, alone.span);
            prop_assert_eq!(times(live), times(&alone), "{}", sequence);
            if live_before != Some(sequence - 1) {
                prop_assert_eq!(units(live), units(&alone), "{}", sequence);
                prop_assert_eq!(write_ts(live, None), write_ts(&alone, None));
            }
            live_before = Some(sequence);
        }
    }
    prop_assert!(live.next().is_none(), "what is live is listed");
    let rate = plan.renditions[0].video.as_ref().and_then(|video| video.frame_rate);
    if rate.is_none_or(|rate| f64::from(plan.fps) <= rate.as_f64()) {
        prop_assert_eq!(shown, sent.len(), "none is left out");
    }
    Ok(())
}

/// A rendition of 15 pictures a second, wanted from the first picture on.
fn thinned(fps: u32, gops: &[usize], reorders: bool, delay: usize) -> Plan {
    let preset = Preset::named("P144p15fps16x9").expect("a preset");
    Plan {
        fps,
        gops: gops.to_vec(),
        reorders,
        delay,
        has_sound: false,
        renditions: vec![Preset { audio: AudioPreset::Copy, ..preset }],
        turns: vec![0],
    }
}

/// It was thinned as if 25 pictures came in a second, until the first that came live.
#[test]
fn what_begins_within_a_long_gop_has_all_pictures_of_a_slow_source() {
    check(&thinned(10, &[100, 100], false, 0)).expect("as made alone");
}

/// It was judged once more by the IDR picture that is decoded before it is shown.
#[test]
fn the_last_picture_of_a_gop_is_thinned_by_that_gop() {
    check(&thinned(25, &[50, 29, 1], true, 0)).expect("as made alone");
}

/// Two IDR pictures are decoded before each is shown.
#[test]
fn idr_pictures_in_a_row_are_each_thinned_by_itself() {
    check(&thinned(30, &[1; 90], false, 2)).expect("as made alone");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_made_alone_shows_what_the_source_shows(plan in plan()) {
        check(&plan)?;
    }

    /// A segment of the span, or an error, comes of one of which anything is missing, and which is
    /// in any order.
    #[test]
    fn whatever_is_missing_costs_pictures_at_most(
        plan in plan(),
        seed in any::<prop::sample::Index>(),
        kept in proptest::collection::vec(0_u8..10, 400),
        swaps in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..4),
    ) {
        let stream = plan.play();
        let numbers = &stream.listed[0];
        prop_assume!(!numbers.is_empty());
        let mut source = stream.source_of(numbers[seed.index(numbers.len())]);
        let mut kept = kept.into_iter();
        let mut is_kept = || kept.next().is_some_and(|die| die > 2);
        source.preroll.retain(|_| is_kept());
        source.segment.pictures.retain(|_| is_kept());
        let pictures = &mut source.segment.pictures;
        if !pictures.is_empty() {
            for (one, other) in swaps {
                let (one, other) = (one.index(pictures.len()), other.index(pictures.len()));
                pictures.swap(one, other);
            }
        }
        let Ok(made) = make_segment(&stream.config, 0, &source) else { return Ok(()) };
        let span = source.segment.ended.span;
        prop_assert_eq!(made.package.span, span);
        prop_assert!(made.package.is_independent());
        let times = times(&made.package);
        prop_assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", times);
        prop_assert!(times.iter().all(|pts| (span.start()..span.end()).contains(pts)));
        prop_assert_eq!(greys(&made.package).len(), times.len());
    }
}
