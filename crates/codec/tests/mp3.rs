//! MP3 decoding, judged by ffmpeg; finding SBR that nobody announced.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::ops::ControlFlow;

use codec::{FoundSbr, Mp3Decoder, SbrProbe};
use fdk_aac::enc::{AudioObjectType, BitRate, ChannelMode, Encoder, EncoderParams, Transport};
use support::ffmpeg;

/// Two tones that come and go, as frames and nothing else.
fn mp3(rate: u32, channels: u8, quality: &str) -> Vec<u8> {
    let tones = "sine=frequency=440:beep_factor=4:duration=3";
    let codec = format!("-ar {rate} -ac {channels} -c:a libmp3lame {quality}");
    let arguments = format!("-f lavfi -i {tones} {codec} -write_xing 0 -id3v2_version 0 -f mp3 -");
    ffmpeg(&arguments, &[])
}

/// What ffmpeg decodes of it, interleaved.
fn reference(mp3: &[u8]) -> Vec<i16> {
    let pcm = ffmpeg("-f mp3 -i - -f s16le -", mp3);
    pcm.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect()
}

/// All samples of all messages, and how many frames were damaged.
fn decode<'a>(messages: impl IntoIterator<Item = &'a [u8]>) -> (Vec<i16>, usize) {
    let mut decoder = Mp3Decoder::new().unwrap();
    let mut samples = Vec::new();
    let mut damaged = 0;
    for message in messages {
        damaged += decoder.decode(message, |sound| {
            samples.extend_from_slice(sound.samples);
            ControlFlow::Continue(())
        });
    }
    (samples, damaged)
}

/// The average difference, as its root mean square.
fn difference(one: &[i16], other: &[i16]) -> f64 {
    let squares = one.iter().zip(other).map(|(one, other)| f64::from(one.abs_diff(*other)).powi(2));
    (squares.sum::<f64>() / one.len() as f64).sqrt()
}

/// Where each frame of 48 kHz stereo at 128 kbit/s starts.
const FRAME_BYTES: usize = 384;

#[test]
fn sound_is_as_ffmpeg_decodes_it_at_every_rate_however_messages_are_cut() {
    for (rate, channels, quality, piece) in [
        (48_000, 2, "-b:a 128k", FRAME_BYTES),
        (44_100, 2, "-q:a 3", 777),
        (32_000, 1, "-b:a 64k", 5000),
        (24_000, 2, "-b:a 64k", 1),
        (16_000, 1, "-b:a 32k", 100_000),
        (11_025, 1, "-b:a 16k", 99),
        (8000, 1, "-b:a 8k", 72),
    ] {
        let mp3 = mp3(rate, channels, quality);
        let (samples, damaged) = decode(mp3.chunks(piece));
        let reference = reference(&mp3);
        assert_eq!((samples.len(), damaged), (reference.len(), 0), "{rate}");
        let error = difference(&samples, &reference);
        assert!(error < 1.0, "{rate}: {error} of 32768 on average");
    }
}

#[test]
fn a_damaged_frame_costs_itself_and_what_refers_to_it_and_no_time() {
    let whole = mp3(48_000, 2, "-b:a 128k");
    let (expected, _) = decode(whole.chunks(FRAME_BYTES));
    let damages: [fn(&mut [u8]); 4] = [
        |frame| frame[0] = 0,
        |frame| frame[4..40].fill(0xff),
        |frame| frame.fill(0xff),
        // Says that it is mono at 44.1 kHz.
        |frame| frame[2..4].copy_from_slice(&[0x90, 0xc0]),
    ];
    for (at, damage) in damages.into_iter().enumerate() {
        let mut mp3 = whole.clone();
        damage(&mut mp3[50 * FRAME_BYTES..51 * FRAME_BYTES]);
        let (samples, damaged) = decode(mp3.chunks(FRAME_BYTES));
        assert_eq!((samples.len(), damaged), (expected.len(), 1), "damage {at}");
        let frame = 2 * 1152;
        assert_eq!(samples[..50 * frame], expected[..50 * frame], "damage {at}");
        assert_eq!(samples[56 * frame..], expected[56 * frame..], "damage {at}");
    }
}

#[test]
fn a_message_that_is_cut_short_costs_its_frame() {
    let whole = mp3(48_000, 2, "-b:a 128k");
    let cut = whole.chunks(FRAME_BYTES).enumerate();
    let cut = cut.map(|(at, frame)| if at == 50 { &frame[..100] } else { frame });
    let (samples, damaged) = decode(cut);
    assert_eq!((samples.len(), damaged), (reference(&whole).len(), 1));
}

#[test]
fn another_format_is_followed_once_it_stands() {
    let (stereo, mono) = (mp3(48_000, 2, "-b:a 128k"), mp3(22_050, 1, "-b:a 32k"));
    let mut decoder = Mp3Decoder::new().unwrap();
    let mut formats = Vec::new();
    let messages = stereo.chunks(FRAME_BYTES).take(9).chain(mono.chunks(104).take(9));
    let damaged: usize = messages
        .map(|message| {
            decoder.decode(message, |sound| {
                formats.push((sound.sample_rate_hz, sound.channels, sound.samples.len()));
                ControlFlow::Continue(())
            })
        })
        .sum();
    formats.dedup();
    assert_eq!(formats, [(48_000, 2, 2304), (22_050, 1, 576)]);
    assert!(damaged <= 3, "{damaged}");
}

#[test]
fn what_nobody_has_a_use_for_is_not_decoded() {
    let mp3 = mp3(48_000, 2, "-b:a 128k");
    let mut decoder = Mp3Decoder::new().unwrap();
    let mut frames = 0;
    let damaged = decoder.decode(&mp3[..50 * FRAME_BYTES], |_| {
        frames += 1;
        if frames < 10 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert_eq!((frames, damaged), (10, 0));
    // What comes next has its time, and may refer to what was passed over: that is silent.
    let mut samples = 0;
    decoder.decode(&mp3[50 * FRAME_BYTES..60 * FRAME_BYTES], |sound| {
        samples += sound.samples.len();
        ControlFlow::Continue(())
    });
    assert_eq!(samples, 10 * 2304);
}

#[test]
fn frames_of_free_format_are_named_damaged_and_nothing_else_happens() {
    let mut free = mp3(48_000, 2, "-b:a 128k");
    free.chunks_mut(FRAME_BYTES).for_each(|frame| frame[2] &= 0x0f);
    let (samples, damaged) = decode(free.chunks(FRAME_BYTES));
    assert_eq!((samples.len(), damaged), (0, free.len().div_ceil(FRAME_BYTES)));
}

/// HE-AAC by Fraunhofer's encoder, as raw frames: 2 s of a tone.
fn he_aac(kind: AudioObjectType, rate: u32, channels: usize) -> Vec<Vec<u8>> {
    let encoder = Encoder::new(EncoderParams {
        bit_rate: BitRate::Cbr(32_000),
        sample_rate: rate,
        transport: Transport::Raw,
        channels: if channels == 1 { ChannelMode::Mono } else { ChannelMode::Stereo },
        audio_object_type: kind,
    })
    .unwrap();
    let tone = |at: usize| ((at / channels) as f64 * 0.06).sin() * 9000.0;
    let samples: Vec<i16> =
        (0..2 * rate as usize * channels).map(|at| tone(at).round() as i16).collect();
    let (mut at, mut output, mut frames) = (0, vec![0; 8192], Vec::new());
    while at < samples.len() {
        let done = encoder.encode(&samples[at..], &mut output).unwrap();
        at += done.input_consumed;
        frames.push(output[..done.output_size].to_vec());
    }
    frames.retain(|frame| !frame.is_empty());
    frames
}

#[test]
fn s1_6_6_implicit_sbr_and_ps_are_found_in_the_frames() {
    // LC at the core's rate: object type, frequency index and channels of these configurations say
    // no more.
    let find = |asc: &[u8], kind, rate, channels| {
        let mut probe = SbrProbe::new(asc).unwrap();
        let found =
            he_aac(kind, rate, channels).iter().take(16).map(|f| probe.push(f)).collect::<Vec<_>>();
        found[15]
    };
    let he = |hz, ps| FoundSbr { sbr: Some(hz), ps };
    assert_eq!(find(&[0x13, 0x90], AudioObjectType::Mpeg4HeAac, 44_100, 2), he(44_100, false));
    assert_eq!(find(&[0x13, 0x88], AudioObjectType::Mpeg4HeAac, 44_100, 1), he(44_100, false));
    assert_eq!(find(&[0x13, 0x08], AudioObjectType::Mpeg4HeAacV2, 48_000, 2), he(48_000, true));
    assert_eq!(
        find(&[0x13, 0x90], AudioObjectType::Mpeg4LowComplexity, 22_050, 2),
        FoundSbr::default()
    );
}

#[test]
fn a_probe_of_what_is_no_aac_finds_nothing() {
    let mut probe = SbrProbe::new(&[0x13, 0x90]).unwrap();
    for bytes in [vec![], vec![0; 1], vec![0xff; 8184], vec![0x55; 700]] {
        assert_eq!(probe.push(&bytes), FoundSbr::default());
    }
    assert!(SbrProbe::new(&[0xff; 4]).is_none());
}
