//! Audio of every kind: what is passed through, what is made into AAC, what is refused; what
//! changes on the way; its time.

use crate::support::RenditionEvent;
use crate::support::skipped;
use aac::{AudioSpecificConfig, adts_header};
use bytes::Bytes;
use codec::AacCheck;
use flv::{Tag, TagKind};
use pipeline::{AudioRefusal, MessageError, Notice};

use crate::shapes::{VIDEO, both, discontinuities, infos, later, make, picture, pictures, play};
use crate::solo::written_pictures;
use crate::support::{
    Stream, ffmpeg_output, ffmpeg_without_warning, ffprobe, flv_messages, segments,
};

/// A beep of 0.1 s in the middle of silence, at this time in ms.
const BEEP_MS: f64 = 2500.0;
const BEEP: &str = "-f lavfi -i aevalsrc=between(t\\,2.5\\,2.6)*sin(6283*t):sample_rate=";

/// What is written is this much later, in ms (docs/time.md).
const SHIFT_MS: f64 = 1400.0;

fn tag(timestamp_ms: u32, body: Vec<u8>) -> Tag {
    Tag { kind: TagKind::Audio, timestamp_ms, body: Bytes::from(body) }
}

/// A frame that we write ourselves, as decoders of others take it: Fraunhofer's and ffmpeg's have
/// nothing to say, and all samples are zero.
#[test]
fn frames_of_silence_are_silent_at_every_rate_and_in_all_channels() {
    let rates = (0..=12).map(|index| (index, 2));
    let channels = (1..=7).map(|configuration| (3, configuration));
    for (rate, configuration) in rates.chain(channels) {
        let core = [0x10 | rate >> 1, rate << 7 | configuration << 3];
        let config = AudioSpecificConfig::parse(&core).expect("a configuration");
        let frame = config.silent_frame().expect("a frame");
        let header = adts_header(&config, frame.len()).expect("a header");
        let stream = [&header[..], &frame].concat().repeat(10);
        let samples = ffmpeg_without_warning("-f aac -i - -f s16le -", &stream);
        assert_eq!(samples.len(), 10 * 1024 * 2 * usize::from(config.channels), "{core:x?}");
        assert!(samples.iter().all(|byte| *byte == 0), "{core:x?}");
        let mut check = AacCheck::new(&core).expect("a decoder");
        assert!((0..10).all(|_| check.decodes(&frame)), "{core:x?}");
    }
}

fn is_sound(tag: &Tag) -> bool {
    tag.kind == TagKind::Audio && !is_audio_header(tag)
}

fn is_audio_header(tag: &Tag) -> bool {
    tag.kind == TagKind::Audio && tag.body.starts_with(&[0xaf, 0])
}

/// 6 s of pictures and a beep, the audio coded as told.
fn beep(rate: u32, audio: &str) -> Vec<Tag> {
    let input = format!("{} {BEEP}{rate}", picture("320x240", 30));
    make(&input, &format!("-t 6 {VIDEO} {audio}"))
}

/// Audio alone, 3 s of it.
fn tone(audio: &str) -> Vec<Tag> {
    make("-f lavfi -i sine=frequency=500", &format!("-t 3 {audio}"))
}

fn ts(events: &[RenditionEvent]) -> Vec<u8> {
    segments(events).flat_map(|segment| segment.data.to_vec()).collect()
}

/// When the first sound is heard, in ms of the file's own time.
fn onset_ms(format: &str, file: &[u8]) -> f64 {
    let filter = "-map 0:a -af aresample=async=1:first_pts=0 -ac 1 -ar 48000 -f s16le -";
    let pcm = ffmpeg_without_warning(&format!("-copyts -f {format} -i - {filter}"), file);
    let loud = |sample: &[u8]| i16::from_le_bytes([sample[0], sample[1]]).unsigned_abs() > 4000;
    let at = pcm.chunks_exact(2).position(loud).expect("a beep");
    at as f64 / 48.0
}

/// Source and ladder have the beep where it was sent, within `tolerance` ms, and ffmpeg likes every
/// segment.
fn assert_beep_at(stream: &Stream, expected_ms: f64, tolerance: f64) {
    for events in [&stream.source, &stream.rungs[0]] {
        let onset = onset_ms("mpegts", &ts(events)) - SHIFT_MS;
        assert!((onset - expected_ms).abs() < tolerance, "at {onset} ms, not {expected_ms}");
    }
}

/// Each segment's audio, as ffprobe sees it: `profile,sample rate,channels`.
fn kinds(events: &[RenditionEvent]) -> Vec<String> {
    let show = "-f mpegts -select_streams a -show_entries stream=profile,sample_rate,channels";
    let ask = |segment: &crate::support::Segment| {
        let answer = ffprobe(&format!("{show} -of csv=p=0:nk=1 -i -"), &segment.data);
        answer.lines().next().unwrap_or_default().to_owned()
    };
    // ffprobe does not know MPEG-TS by fewer packets than this.
    segments(events).filter(|segment| segment.data.len() > 10 * 188).map(ask).collect()
}

fn codecs(events: &[RenditionEvent]) -> Vec<&str> {
    infos(events).iter().map(|info| &info.codecs[..]).collect()
}

fn total_ms(events: &[RenditionEvent]) -> i64 {
    segments(events).map(|segment| segment.duration.ticks()).sum::<i64>() / 90
}

/// MP3 of 6 s with the beep, in frames of `bytes`: a constant bitrate that needs no padding.
fn mp3_frames(rate: u32, channels: u32, kbit: u32, bytes: usize) -> Vec<Vec<u8>> {
    let codec = format!("-ac {channels} -c:a libmp3lame -b:a {kbit}k -write_xing 0");
    let mp3 = ffmpeg_output(&format!("{BEEP}{rate} -t 6 {codec} -id3v2_version 0 -f mp3 -"));
    mp3.chunks(bytes).map(<[u8]>::to_vec).collect()
}

/// 48 kHz stereo, each frame with its time, in the middle of the pictures of `both`.
fn with_mp3(frames: impl IntoIterator<Item = (u32, Vec<u8>)>) -> Vec<Tag> {
    let mut tags = make(&picture("320x240", 30), &format!("-t 6 {VIDEO}"));
    tags.extend(frames.into_iter().map(|(ms, frame)| tag(ms, [&[0x2f], &frame[..]].concat())));
    tags.sort_by_key(|tag| tag.timestamp_ms);
    tags
}

fn timed(frames: Vec<Vec<u8>>) -> impl Iterator<Item = (u32, Vec<u8>)> {
    frames.into_iter().enumerate().map(|(n, frame)| (n as u32 * 24, frame))
}

/// When the MP3 of [`mp3_frames`] beeps when its first frame is played at 0: its encoder delays it.
fn mp3_onset_ms(frames: &[Vec<u8>]) -> f64 {
    onset_ms("mp3", &frames.concat())
}

#[test]
fn mp3_of_ffmpeg_is_heard_in_its_place_in_source_and_ladder() {
    let tags = beep(44_100, "-c:a libmp3lame");
    let stream = play(tags);
    assert_eq!(stream.notices, []);
    assert_eq!(
        (discontinuities(&stream.source), discontinuities(&stream.rungs[0])),
        (vec![], vec![])
    );
    assert_eq!((codecs(&stream.source)[0].split_once(',')).unwrap().1, "mp4a.40.2");
    assert_eq!(codecs(&stream.rungs[0]).len(), 1);
    assert_eq!((pictures(&stream.source), pictures(&stream.rungs[0])), (180, 180));
    // ffmpeg's FLV starts with the encoder's delay: 1105 samples of 44.1 kHz before the pictures.
    let shift = 1105.0 / 44.1;
    assert_beep_at(&stream, BEEP_MS + shift, 23.0);
    assert!(kinds(&stream.source).iter().all(|kind| kind == "LC,44100,1"));
}

#[test]
fn mp3_of_every_rate_becomes_aac_of_that_rate() {
    for (rate, channels, kbit, bytes, samples) in [
        (48_000, 2, 128, 384, 1152),
        (32_000, 1, 64, 288, 1152),
        (16_000, 1, 32, 144, 576),
        (8000, 1, 8, 72, 576),
    ] {
        let frames = mp3_frames(rate, channels, kbit, bytes);
        let expected = mp3_onset_ms(&frames);
        let format = if rate == 8000 { 0xe2 } else { 0x2f };
        let at = |n: usize| (n as u32 * samples * 1000) / rate;
        let tags = frames
            .into_iter()
            .enumerate()
            .map(|(n, frame)| tag(at(n), [&[format], &frame[..]].concat()));
        let length = i64::from(at(tags.len()));
        let stream = play(tags);
        assert_eq!(stream.notices, [], "{rate}");
        let kind = format!("LC,{rate},{channels}");
        assert!(kinds(&stream.source).iter().all(|seen| *seen == kind), "{kind}");
        let onset = onset_ms("mpegts", &ts(&stream.source)) - SHIFT_MS;
        assert!((onset - expected).abs() < 23.0, "{rate}: {onset}, not {expected}");
        // Two AAC frames more at most: the encoder's delay, and the last one is filled up.
        let longer = total_ms(&stream.source) - length;
        assert!((0..=2 * 1024 * 1000 / i64::from(rate)).contains(&longer), "{rate}: {longer} ms");
    }
}

#[test]
fn mp3_by_fourcc_and_in_several_frames_a_message_or_in_parts_is_the_same() {
    let frames = mp3_frames(48_000, 2, 128, 384);
    let expected = mp3_onset_ms(&frames);
    let audio_frames = |stream: &Stream| {
        let list = "-map 0:a -c copy -f framecrc -";
        let list = ffmpeg_without_warning(&format!("-f mpegts -i - {list}"), &ts(&stream.source));
        String::from_utf8_lossy(&list).lines().filter(|line| line.starts_with("0,")).count()
    };
    let joined = frames.chunks(5).enumerate().map(|(n, five)| (n as u32 * 120, five.concat()));
    let parts = timed(frames.clone())
        .flat_map(|(ms, frame)| [(ms, frame[..100].to_vec()), (ms, frame[100..].to_vec())]);
    let whole = play(with_mp3(timed(frames.clone())));
    for tags in [with_mp3(joined), with_mp3(parts)] {
        let stream = play(tags);
        assert_eq!(stream.notices, []);
        assert_eq!(audio_frames(&stream), audio_frames(&whole));
        assert_beep_at(&stream, expected, 23.0);
    }
    let enhanced = with_mp3(timed(frames)).into_iter().map(|message| match message.kind {
        TagKind::Audio => tag(message.timestamp_ms, [b"\x91.mp3", &message.body[1..]].concat()),
        _ => message,
    });
    assert_eq!(ts(&play(enhanced).source), ts(&whole.source));
}

#[test]
fn a_damaged_mp3_frame_costs_that_frame_and_is_told() {
    let mut frames = mp3_frames(48_000, 2, 128, 384);
    let expected = mp3_onset_ms(&frames);
    let count = frames.len();
    frames[40] = vec![0x55; 384];
    frames[60].truncate(50);
    frames[80][4..30].fill(0xff);
    let stream = play(with_mp3(timed(frames)));
    assert_eq!(stream.notices.len(), 3, "{:?}", stream.notices);
    assert!(matches!(stream.notices[0], Notice::DamagedAudio(_)), "{:?}", stream.notices);
    assert_beep_at(&stream, expected, 23.0);
    let pcm = ffmpeg_without_warning("-f mpegts -i - -map 0:a -f s16le -", &ts(&stream.source));
    assert!(pcm.len() / 4 >= count * 1152, "no time is missing: {}", pcm.len() / 4);
}

#[test]
fn mp3_that_becomes_aac_and_mp3_again_is_one_discontinuity_each() {
    let (mp3, aac) = (beep(44_100, "-c:a libmp3lame"), beep(44_100, "-c:a aac -ac 2"));
    let tags = mp3.clone().into_iter().chain(later(aac, 6000)).chain(later(mp3, 12_000));
    let stream = play(tags);
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(discontinuities(events), [3, 6]);
        assert_eq!(pictures(events), 540);
        assert_eq!(kinds(events)[3..6], ["LC,44100,2"; 3]);
    }
    assert_eq!(stream.notices, []);
}

#[test]
fn case_68_another_sample_rate_or_channel_count_is_one_discontinuity_in_sync() {
    for (first, second) in
        [("LC,48000,1", "LC,44100,1"), ("LC,44100,1", "LC,44100,2"), ("LC,16000,1", "LC,48000,6")]
    {
        let coded = |kind: &str| {
            let [_, rate, channels] = kind.split(',').collect::<Vec<_>>()[..] else { panic!() };
            beep(rate.parse().expect("a rate"), &format!("-c:a aac -ac {channels}"))
        };
        let stream = play(coded(first).into_iter().chain(later(coded(second), 6000)));
        for events in [&stream.source, &stream.rungs[0]] {
            assert_eq!(discontinuities(events), [3], "{first} to {second}");
            let kinds = kinds(events);
            assert_eq!(
                (&kinds[..3], &kinds[3..]),
                (&[first; 3].map(String::from)[..], &[second; 3].map(String::from)[..])
            );
            assert_eq!(pictures(events), 360);
            let behind: Vec<u8> =
                segments(events).skip(3).flat_map(|segment| segment.data.to_vec()).collect();
            let onset = onset_ms("mpegts", &behind) - SHIFT_MS;
            assert!((onset - BEEP_MS - 6000.0).abs() < 100.0, "{first} to {second}: {onset}");
        }
    }
}

#[test]
fn audio_alone_that_changes_is_cut_at_once() {
    let tags =
        tone("-c:a aac -ar 48000").into_iter().chain(later(tone("-c:a aac -ar 22050"), 3000));
    let stream = play(tags);
    assert_eq!(discontinuities(&stream.source), [2]);
    let kinds = kinds(&stream.source);
    assert_eq!((&kinds[0][..], &kinds[2][..]), ("LC,48000,1", "LC,22050,1"));
    let durations: Vec<_> = segments(&stream.source).map(|s| s.duration.as_millis()).collect();
    assert!((900..1150).contains(&durations[1]), "{durations:?}");
    assert_eq!(stream.notices, []);
}

#[test]
fn row_36_mono_at_16_khz_and_every_rate_and_channel_count_of_aac_pass_through() {
    for (rate, channels) in
        [(96_000, 2), (64_000, 1), (48_000, 6), (32_000, 1), (16_000, 1), (8000, 1), (7350, 1)]
    {
        let stream = play(tone(&format!("-c:a aac -ar {rate} -ac {channels}")));
        assert_eq!(stream.notices, [], "{rate}");
        let kind = format!("LC,{rate},{channels}");
        assert!(
            kinds(&stream.source).iter().all(|seen| *seen == kind),
            "{kind}: {:?}",
            kinds(&stream.source)
        );
        let pcm = ffmpeg_without_warning("-f mpegts -i - -f s16le -", &ts(&stream.source));
        let ms = pcm.len() as i64 * 1000 / (2 * i64::from(rate) * channels);
        assert!((ms - total_ms(&stream.source)).abs() < 150, "{rate}: {ms}");
        assert_eq!(codecs(&stream.source), ["mp4a.40.2"]);
    }
}

/// HE-AAC of 44.1 kHz stereo, broadcast as LC of 22.05 kHz, under this `AudioSpecificConfig`. The
/// pictures beside it miss their start, which ffmpeg would have much to say about.
fn he_aac(asc: &[u8]) -> Vec<Tag> {
    let file = testmedia::path("ts/no_initial_keyframe_heaac.ts");
    let copy = "-map 0:a -c copy -bsf:a aac_adtstoasc -f flv -";
    let tags = flv_messages(&ffmpeg_output(&format!("-v quiet -i {} {copy}", file.display())));
    let header = [&[0xaf, 0], asc].concat();
    let swap = |message: Tag| match is_audio_header(&message) {
        true => tag(message.timestamp_ms, header.clone()),
        false => message,
    };
    tags.into_iter().map(swap).collect()
}

#[test]
fn row_35_he_aac_is_told_and_timed_however_it_is_signalled() {
    let hierarchical = [0x2b, 0x92, 0x08, 0x00];
    let sync_extension = [0x13, 0x90, 0x56, 0xe5, 0xa0];
    let implicit = [0x13, 0x90];
    for asc in [&hierarchical[..], &sync_extension, &implicit] {
        let stream = play(he_aac(asc));
        assert_eq!(stream.notices, []);
        assert_eq!(codecs(&stream.source), ["mp4a.40.5"]);
        assert_eq!(discontinuities(&stream.source), [0_usize; 0]);
        let kinds = kinds(&stream.source);
        assert!(kinds.iter().all(|kind| kind == "HE-AAC,44100,2"), "{kinds:?}");
        let pcm = ffmpeg_without_warning("-f mpegts -i - -f s16le -", &ts(&stream.source));
        let ms = pcm.len() as i64 * 1000 / (2 * 2 * 44_100);
        assert!((ms - total_ms(&stream.source)).abs() < 100, "{ms} {}", total_ms(&stream.source));
    }
}

#[test]
fn row_35_mono_he_aac_is_no_parametric_stereo() {
    let Some(file) = testmedia::find("aac/heaac_v1_22k.m4a") else { return };
    let args = format!("-stream_loop 5 -i {} -c copy -f flv -", file.display());
    let tags = flv_messages(&ffmpeg_output(&args));
    let stream = play(tags);
    assert_eq!(stream.notices, []);
    assert_eq!(codecs(&stream.source), ["mp4a.40.5"]);
    // 43 frames of 1024 samples at 11.025 kHz.
    assert!((3900..4100).contains(&total_ms(&stream.source)), "{}", total_ms(&stream.source));
}

#[test]
fn row_35_he_aac_v2_that_nobody_announced_is_found() {
    let file = testmedia::path("ts/heaacv2_id3.ts");
    let copy = "-map 0:a -c copy -bsf:a aac_adtstoasc -f flv -";
    let tags = flv_messages(&ffmpeg_output(&format!("-i {} {copy}", file.display())));
    // Row 29 again: the first header is empty.
    let header = tags.iter().filter(|tag| is_audio_header(tag)).nth(1).expect("a header");
    assert_eq!(header.body[2] >> 3, 2, "it says LC");
    let stream = play(tags);
    assert_eq!(codecs(&stream.source), ["mp4a.40.29"]);
    assert!(
        kinds(&stream.source).iter().all(|kind| kind == "HE-AACv2,48000,2"),
        "{:?}",
        kinds(&stream.source)
    );
    assert!((4800..5100).contains(&total_ms(&stream.source)), "{}", total_ms(&stream.source));
}

#[test]
fn audio_that_is_not_carried_is_named_with_what_to_set_and_video_goes_on() {
    let video = make(&picture("320x240", 30), &format!("-t 3 {VIDEO}"));
    for (body, name) in [
        (&b"\xb2"[..], "Speex"),
        (b"\x72", "G.711 A-law"),
        (b"\x82", "G.711 mu-law"),
        (b"\x36", "PCM"),
        (b"\x12", "ADPCM"),
        (b"\x62", "Nellymoser"),
        (b"\x91Opus", "Opus"),
        (b"\x91fLaC", "FLAC"),
        (b"\x91ac-3", "AC-3"),
        (b"\x91ec-3", "E-AC-3"),
        (b"\xaf\x00\xf9\x46\x20", "xHE-AAC"),
        (b"\xaf\x00\xba\x10", "AAC LD"),
        (b"\xaf\x00\x12\x14", "960"),
    ] {
        let sound = (0..60).map(|n| tag(n * 50, [body, &[0x55; 40]].concat()));
        let mut tags: Vec<_> = video.iter().cloned().chain(sound).collect();
        tags.sort_by_key(|tag| tag.timestamp_ms);
        let stream = play(tags);
        assert_eq!(stream.notices.len(), 60, "{name}: {:?}", stream.notices);
        let Notice::UnsupportedAudio(refusal) = &stream.notices[0] else {
            panic!("{name}: {:?}", stream.notices[0])
        };
        assert!(refusal.to_string().contains(name), "{refusal:?}");
        assert_eq!(
            (codecs(&stream.source), segments(&stream.source).count()),
            (vec!["avc1.42c00d"], 2)
        );
    }
    let stream = play(flv_messages(&testmedia::read("flv/red5_flashContent_speex.flv")));
    let is_refusal = |notice: &Notice| matches!(notice, Notice::UnsupportedAudio(AudioRefusal::Codec(codec)) if codec.to_string() == "Speex");
    assert!(stream.notices.iter().any(is_refusal), "{:?}", stream.notices);
    assert!(total_ms(&stream.source) > 20_000);
}

#[test]
fn aac_that_becomes_xhe_aac_falls_silent_and_comes_back() {
    let tags = both("320x240", 5).into_iter().flat_map(|message| {
        let header = |asc: &[u8]| tag(message.timestamp_ms, [&[0xaf, 0], asc].concat());
        match (message.timestamp_ms, is_sound(&message)) {
            (1000..1024, true) => vec![header(&[0xf9, 0x46, 0x20]), message],
            (3000..3024, true) => vec![header(&[0x12, 0x08]), message],
            _ => vec![message],
        }
    });
    let stream = play(tags);
    assert_eq!(stream.notices.len(), 1, "{:?}", stream.notices);
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(discontinuities(events).len(), 1);
        assert_eq!(written_pictures(events), 150);
    }
}

#[test]
fn row_08_audio_that_is_announced_and_never_sent_is_not_waited_for() {
    let announced = |tag: &Tag| !is_sound(tag);
    let stream = play(both("320x240", 5).into_iter().filter(announced));
    assert_eq!((pictures(&stream.source), pictures(&stream.rungs[0])), (150, 150));
    assert_eq!(codecs(&stream.source), ["avc1.42c00d,mp4a.40.2"], "silence");
    assert!(kinds(&stream.source).iter().all(|kind| kind == "LC,44100,1"));
    let late = both("320x240", 5).into_iter().filter(announced).flat_map(|message| {
        // And in the middle of the stream.
        let header = tag(message.timestamp_ms, vec![0xaf, 0, 0x12, 0x10]);
        if message.timestamp_ms == 3000 { vec![message, header] } else { vec![message] }
    });
    assert_eq!(discontinuities(&play(late).source), [0_usize; 0]);
}

#[test]
fn row_29_row_45_empty_aac_headers_and_frames_change_nothing() {
    let tags = both("320x240", 5).into_iter().flat_map(|message| {
        let ms = message.timestamp_ms;
        match is_sound(&message) {
            true => vec![tag(ms, vec![0xaf, 0]), tag(ms, vec![0xaf, 1]), message, tag(ms, vec![])],
            false => vec![message],
        }
    });
    let stream = play(tags);
    let plain = play(both("320x240", 5));
    assert_eq!(ts(&stream.source), ts(&plain.source));
    assert_eq!(ts(&stream.rungs[0]), ts(&plain.rungs[0]));
    let named = |notice: &Notice| {
        matches!(skipped(notice), Some(MessageError::Empty | MessageError::Aac(aac::Error::Empty)))
    };
    assert!(stream.notices.iter().all(named), "{:?}", stream.notices);
    // ffmpeg's header for a track that it cannot describe, and nothing else.
    let empty_only = make(&picture("320x240", 30), &format!("-t 3 {VIDEO}")).into_iter();
    let stream = play([tag(0, vec![0xaf, 0])].into_iter().chain(empty_only));
    assert_eq!((codecs(&stream.source), pictures(&stream.source)), (vec!["avc1.42c00d"], 90));
}

#[test]
fn row_30_aac_before_its_header_is_told_and_plays_once_the_header_comes() {
    let tags = both("320x240", 6);
    let header = tags.iter().find(|tag| is_audio_header(tag)).cloned().expect("a header");
    let late =
        tags.into_iter().filter(|tag| !is_audio_header(tag)).flat_map(|message| {
            match message.timestamp_ms {
                1000..1024 if is_sound(&message) => vec![header.clone(), message],
                _ => vec![message],
            }
        });
    let stream = play(late);
    let is_early = |notice| skipped(notice) == Some(&MessageError::AudioBeforeConfig);
    assert!(stream.notices.iter().all(is_early), "{:?}", stream.notices);
    assert!((40..50).contains(&stream.notices.len()), "{}", stream.notices.len());
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!(discontinuities(events), [0_usize; 0], "it joined within the first segment");
        assert_eq!(kinds(events), ["LC,44100,1"; 3]);
        assert_eq!(pictures(events), 180);
    }
}

/// Each raw frame with an ADTS header in front, and no sequence header.
fn as_adts(tags: Vec<Tag>) -> Vec<Tag> {
    let header = tags.iter().find(|tag| is_audio_header(tag)).expect("a header");
    let config = AudioSpecificConfig::parse(&header.body[2..]).expect("a configuration");
    let wrap = |message: Tag| match is_sound(&message) {
        true => {
            let frame = &message.body[2..];
            let adts = adts_header(&config, frame.len()).expect("ADTS");
            tag(message.timestamp_ms, [&[0xaf, 1], &adts[..], frame].concat())
        }
        false => message,
    };
    tags.into_iter().filter(|tag| !is_audio_header(tag)).map(wrap).collect()
}

#[test]
fn adts_in_flv_without_a_sequence_header_plays_as_if_it_had_one() {
    let plain = beep(44_100, "-c:a aac");
    let (wrapped, plain) = (play(as_adts(plain.clone())), play(plain));
    assert_eq!(wrapped.notices, []);
    assert_eq!(ts(&wrapped.source), ts(&plain.source));
    assert_eq!(ts(&wrapped.rungs[0]), ts(&plain.rungs[0]));
}

#[test]
fn adts_of_several_frames_a_message_plays_in_its_place() {
    let tags = as_adts(beep(44_100, "-c:a aac"));
    let (sound, video): (Vec<_>, Vec<_>) = tags.into_iter().partition(is_sound);
    let join = |tags: &[Tag]| {
        let frames = tags.iter().flat_map(|tag| tag.body[2..].to_vec());
        tag(tags[0].timestamp_ms, [0xaf, 1].into_iter().chain(frames).collect())
    };
    let mut joined: Vec<_> = sound.chunks(6).map(join).chain(video).collect();
    joined.sort_by_key(|tag| tag.timestamp_ms);
    let stream = play(joined);
    assert_eq!(stream.notices, []);
    // ffmpeg's FLV starts with the encoder's delay, 1024 samples.
    assert_beep_at(&stream, BEEP_MS + 1024.0 / 44.1, 23.0);
}

#[test]
fn case_56_duplicate_and_backward_audio_times_stay_monotonic_and_in_place() {
    let mut last = 0;
    let jitter = |message: Tag| {
        let ms = message.timestamp_ms;
        if !is_sound(&message) {
            return message;
        }
        last += 1;
        let timestamp_ms = match last % 3 {
            0 => ms.saturating_sub(46),
            1 => ms,
            _ => ms.saturating_sub(23),
        };
        Tag { timestamp_ms, ..message }
    };
    let stream = play(beep(44_100, "-c:a aac").into_iter().map(jitter));
    assert_eq!(stream.notices, []);
    assert_beep_at(&stream, BEEP_MS + 1024.0 / 44.1, 50.0);
    for events in [&stream.source, &stream.rungs[0]] {
        let list =
            ffmpeg_without_warning("-f mpegts -i - -map 0:a -c copy -f framecrc -", &ts(events));
        let list = String::from_utf8_lossy(&list);
        let times: Vec<i64> = list
            .lines()
            .filter(|line| line.starts_with("0,"))
            .map(|line| line.split(',').nth(2).expect("pts").trim().parse().expect("a number"))
            .collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    }
}

#[test]
fn audio_whose_clock_drifts_follows_its_stamps() {
    let frames: Vec<_> =
        tone("-c:a aac -ar 48000").into_iter().filter(|tag| tag.kind == TagKind::Audio).collect();
    let (header, frame) = (frames[0].clone(), frames[20].clone());
    // Ten minutes; the sender's audio clock is 0.2 % slow, then as much fast.
    for drift in [1002, 998] {
        let stamp = |n: u64| (n * 1024 * drift / 48_000) as u32;
        let sound = (0..28_125).map(|n| Tag { timestamp_ms: stamp(n), ..frame.clone() });
        let stream = play([header.clone()].into_iter().chain(sound));
        let expected = i64::from(stamp(28_125));
        assert!(
            (total_ms(&stream.source) - expected).abs() < 70,
            "{} {expected}",
            total_ms(&stream.source)
        );
        assert_eq!(discontinuities(&stream.source), [0_usize; 0]);
    }
}

#[test]
fn row_46_case_63_audio_that_stops_and_comes_back_is_heard_in_its_place() {
    let silent = |tag: &Tag| !is_sound(tag) || !(500..2400).contains(&tag.timestamp_ms);
    let stream = play(beep(44_100, "-c:a aac").into_iter().filter(silent));
    assert_eq!(stream.notices, []);
    assert_beep_at(&stream, BEEP_MS + 1024.0 / 44.1, 23.0);
    for events in [&stream.source, &stream.rungs[0]] {
        assert_eq!((discontinuities(events), pictures(events)), (vec![], 180));
    }
}

#[test]
fn row_46_case_60_a_segment_of_audio_alone_passes_first_and_in_the_middle() {
    let blind = |tag: &Tag| {
        tag.kind != TagKind::Video
            || is_video_header(tag)
            || !(2000..5000).contains(&tag.timestamp_ms)
    };
    let stream = play(both("320x240", 9).into_iter().filter(blind));
    let durations: Vec<_> = segments(&stream.source).map(|s| s.duration.as_millis()).collect();
    assert!(durations.iter().all(|ms| *ms < 3100), "{durations:?}");
    assert!((8900..9200).contains(&total_ms(&stream.source)), "{durations:?}");
    // 90 of 270 were not sent, and the segment without any shows the one before.
    assert_eq!(written_pictures(&stream.rungs[0]), 180 + 1);
}

fn is_video_header(tag: &Tag) -> bool {
    tag.kind == TagKind::Video && tag.body.get(1) == Some(&0)
}

#[test]
fn case_78_video_that_comes_after_100_audio_messages_joins() {
    let (sound, video): (Vec<_>, Vec<_>) =
        both("320x240", 6).into_iter().partition(|tag| tag.kind == TagKind::Audio);
    let shift = sound[101].timestamp_ms;
    let mut rest: Vec<_> = later(video, shift).chain(sound[101..].to_vec()).collect();
    rest.sort_by_key(|tag| tag.timestamp_ms);
    let stream = play(sound[..101].iter().cloned().chain(rest));
    assert_eq!(stream.notices, []);
    assert_eq!(discontinuities(&stream.source), [0_usize; 0], "nothing was served before");
    assert_eq!(written_pictures(&stream.rungs[0]), 180);
    assert_eq!(infos(&stream.source).last().and_then(|info| info.resolution), Some((320, 240)));
}

#[test]
fn case_31_captions_before_audio_before_video_are_audio_and_video() {
    let captions: &'static [u8] =
        b"\x02\x00\x0aonTextData\x08\x00\x00\x00\x01\x00\x04text\x02\x00\x02hi\x00\x00\x09";
    let caption = |timestamp_ms| Tag {
        kind: TagKind::Script,
        timestamp_ms,
        body: Bytes::from_static(captions),
    };
    let order = |tag: &Tag| {
        (
            tag.timestamp_ms,
            match tag.kind {
                TagKind::Script => 0,
                TagKind::Audio => 1,
                TagKind::Video => 2,
            },
        )
    };
    let mut tags: Vec<_> =
        both("320x240", 5).into_iter().chain((0..50).map(|n| caption(n * 100))).collect();
    tags.sort_by_key(order);
    let stream = play(tags);
    assert_eq!(stream.notices, []);
    assert_eq!(
        (codecs(&stream.source), pictures(&stream.source)),
        (vec!["avc1.42c00d,mp4a.40.2"], 150)
    );
}
