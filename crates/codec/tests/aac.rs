//! AAC encoding, judged by ffmpeg.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::f64::consts::TAU;

use codec::{
    AacDecoder, AacDecoderConfig, AacEncoder, AacEncoderConfig, AacProfile, Error, resample,
};
use media::{AudioFrame, Timestamp};
use support::{ffmpeg, run};

fn config(sample_rate_hz: u32, channels: u8, bitrate_bps: u32) -> AacEncoderConfig {
    AacEncoderConfig {
        profile: AacProfile::LowComplexity,
        sample_rate_hz,
        channels,
        bitrate_bps,
        start: Timestamp::ZERO,
    }
}

/// Frames of `samples`, given in pieces of `piece`, and the AudioSpecificConfig.
fn encode(config: &AacEncoderConfig, samples: &[i16], piece: usize) -> (Vec<AudioFrame>, Vec<u8>) {
    let mut encoder = AacEncoder::new(config).unwrap();
    let asc = encoder.audio_specific_config().to_vec();
    let mut frames = Vec::new();
    for piece in samples.chunks(piece) {
        encoder.encode(piece, |frame| frames.push(frame)).unwrap();
    }
    encoder.finish(|frame| frames.push(frame)).unwrap();
    (frames, asc)
}

/// The frames as a stream with ADTS headers (ISO/IEC 14496-3 1.A.2.2).
fn adts(frames: &[AudioFrame], config: &AacEncoderConfig) -> Vec<u8> {
    let rates = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000];
    let rate = rates.iter().position(|rate| *rate == config.sample_rate_hz).unwrap() as u64;
    let mut stream = Vec::new();
    for frame in frames {
        let len = frame.data.len() as u64 + 7;
        let header = 0xfff1 << 40
            | 1 << 38
            | rate << 34
            | u64::from(config.channels) << 30
            | len << 13
            | 0x7ff << 2;
        stream.extend_from_slice(&header.to_be_bytes()[1..]);
        stream.extend_from_slice(&frame.data);
    }
    stream
}

/// What ffmpeg makes of the frames: the first channel.
fn decode(frames: &[AudioFrame], config: &AacEncoderConfig) -> Vec<f64> {
    let pcm = ffmpeg("-f aac -i - -f s16le -", &adts(frames, config));
    pcm.chunks_exact(2 * usize::from(config.channels))
        .map(|sample| f64::from(i16::from_le_bytes([sample[0], sample[1]])))
        .collect()
}

/// `hz` at `amplitude` in all channels, from the sample `from` on; silence before.
fn sine(config: &AacEncoderConfig, hz: f64, amplitude: f64, from: usize, count: usize) -> Vec<i16> {
    let sample = |at: usize| {
        let phase = TAU * hz * at as f64 / f64::from(config.sample_rate_hz);
        if at < from { 0 } else { (amplitude * phase.sin()).round() as i16 }
    };
    (0..count).flat_map(|at| vec![sample(at); usize::from(config.channels)]).collect()
}

#[test]
fn the_sine_comes_back_with_its_phase() {
    for config in [config(48_000, 2, 128_000), config(44_100, 1, 64_000), config(22_050, 2, 64_000)]
    {
        let samples = sine(&config, 1000.0, 8000.0, 0, 60_000);
        let decoded = decode(&encode(&config, &samples, 2000).0, &config);
        // Without the first frame, which lacks the one before it.
        let mut errors = 0.0;
        for at in 1024..59_000 {
            errors += (decoded[at] - f64::from(samples[at * usize::from(config.channels)])).powi(2);
        }
        // Half a sample late would be 8000 * 2 pi * 1000 / 48000 / 2 = 520 off at the zeros, 370 on
        // average.
        let error = (errors / 57_976.0).sqrt();
        assert!(error < 40.0, "{config:?}: {error} on average");
    }
}

#[test]
fn a_beep_begins_within_a_millisecond() {
    let config = config(48_000, 2, 128_000);
    for from in [48_000, 48_500, 49_151] {
        let samples = sine(&config, 2000.0, 8000.0, from, 96_000);
        let decoded = decode(&encode(&config, &samples, 3200).0, &config);
        let first = decoded.iter().position(|sample| sample.abs() > 2000.0).unwrap();
        assert!(first.abs_diff(from) < 48, "begins at {first} instead of {from}");
    }
}

#[test]
fn every_1024_samples_are_a_frame_with_their_time() {
    let start = Timestamp::from_millis(5_000_000_000);
    for (rate, channels) in [(48_000, 2), (44_100, 1), (44_100, 2)] {
        let config = AacEncoderConfig { start, ..config(rate, channels, 96_000) };
        for count in [0, 1, 1023, 1024, 1025, 2048, 4097, 50_000] {
            let samples = sine(&config, 440.0, 1000.0, 0, count);
            let (frames, _) = encode(&config, &samples, 1999 * usize::from(channels));
            assert_eq!(frames.len(), count.div_ceil(1024), "{count} samples");
            for (index, frame) in frames.iter().enumerate() {
                let ticks = index as i64 * 1024 * 90_000 / i64::from(rate);
                assert_eq!((frame.pts - start).ticks(), ticks);
            }
        }
    }
}

#[test]
fn pieces_make_no_difference() {
    let config = config(48_000, 2, 96_000);
    let samples = sine(&config, 300.0, 9000.0, 5000, 20_000);
    let whole = encode(&config, &samples, samples.len());
    for piece in [2, 6, 2048, 2050, 10_000] {
        assert_eq!(encode(&config, &samples, piece), whole, "pieces of {piece}");
    }
}

#[test]
fn the_bitrate_is_kept() {
    let config = config(48_000, 2, 128_000);
    let noise: Vec<i16> = (0..480_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761).rotate_left(7).wrapping_mul(at) >> 18) as i16)
        .collect();
    let (frames, _) = encode(&config, &noise, 4800);
    let bits: usize = frames.iter().map(|frame| frame.data.len() * 8).sum();
    let bps = bits as f64 * 48_000.0 / (frames.len() * 1024) as f64;
    assert!((115_000.0..130_000.0).contains(&bps), "{bps}");
}

/// ISO/IEC 14496-3 1.6.2.1: object type 2, frequency index, channel configuration, three zero
/// flags.
#[test]
fn the_audio_specific_config_says_lc_rate_and_channels() {
    for (rate, channels, expected) in
        [(48_000, 2, [0x11, 0x90]), (44_100, 1, [0x12, 0x08]), (22_050, 2, [0x13, 0x90])]
    {
        let encoder = AacEncoder::new(&config(rate, channels, 64_000)).unwrap();
        assert_eq!(encoder.audio_specific_config()[..], expected);
    }
}

#[test]
fn ffprobe_reads_the_audio_specific_config() {
    let config = config(44_100, 2, 96_000);
    let (frames, asc) = encode(&config, &sine(&config, 440.0, 9000.0, 0, 44_100), 2048);
    let stream = flv(&frames, &asc);
    let args =
        "-v error -show_entries stream=codec_name,profile,sample_rate,channels -of csv=p=0 -";
    let facts = String::from_utf8(run("ffprobe", args, &stream)).unwrap();
    assert_eq!(facts.trim(), "aac,LC,44100,2");
    let packets = run(
        "ffprobe",
        "-v error -count_packets -show_entries stream=nb_read_packets -of csv=p=0 -",
        &stream,
    );
    assert_eq!(String::from_utf8(packets).unwrap().trim(), "44");
}

/// An FLV file of the frames (Adobe FLV 10.1, Annex E).
fn flv(frames: &[AudioFrame], asc: &[u8]) -> Vec<u8> {
    let mut file = b"FLV\x01\x04\0\0\0\x09\0\0\0\0".to_vec();
    let mut tag = |ms: i64, kind: u8, data: &[u8]| {
        let len = (data.len() as u32 + 2).to_be_bytes();
        let ms = (ms as u32).to_be_bytes();
        file.extend_from_slice(&[8, len[1], len[2], len[3], ms[1], ms[2], ms[3], ms[0], 0, 0, 0]);
        file.extend_from_slice(&[0xaf, kind]);
        file.extend_from_slice(data);
        file.extend_from_slice(&(data.len() as u32 + 13).to_be_bytes());
    };
    tag(0, 0, asc);
    frames.iter().for_each(|frame| tag(frame.pts.ticks() / 90, 1, &frame.data));
    file
}

#[test]
fn what_cannot_be_encoded_is_refused() {
    for config in [
        config(48_001, 2, 128_000),
        config(0, 2, 128_000),
        config(7350, 2, 32_000),
        config(48_000, 0, 128_000),
        config(48_000, 3, 128_000),
        config(48_000, 2, 0),
    ] {
        assert!(matches!(AacEncoder::new(&config), Err(Error::AacConfig { .. })), "{config:?}");
    }
    let mut encoder = AacEncoder::new(&config(48_000, 2, 128_000)).unwrap();
    let odd = encoder.encode(&[0; 3], |_| {});
    assert_eq!(odd, Err(Error::AacSamples { samples: 3, channels: 2 }));
}

#[test]
fn every_rate_opens_at_any_bitrate() {
    for rate in [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8000,
    ] {
        for channels in [1, 2] {
            for bitrate in [1, 8000, 128_000, u32::MAX] {
                let config = config(rate, channels, bitrate);
                let samples = sine(&config, 440.0, 9000.0, 0, 5000);
                assert_eq!(encode(&config, &samples, 777 * usize::from(channels)).0.len(), 5);
            }
        }
    }
}

/// `AudioSpecificConfig` of AAC-LC.
fn core(sample_rate_hz: u32, channels: u8) -> [u8; 2] {
    let rates = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000];
    let index = rates.iter().position(|rate| *rate == sample_rate_hz).unwrap() as u8;
    [0x10 | index >> 1, index << 7 | channels << 3]
}

/// The left channel of what our decoder makes of the frames, without the decoder's own delay.
fn decode_here(frames: &[AudioFrame], config: &AacDecoderConfig) -> Vec<f64> {
    let mut decoder = AacDecoder::new(config).unwrap();
    let mut samples = Vec::new();
    for frame in frames {
        let sound = decoder.decode(&frame.data);
        samples.extend(sound.chunks(config.channels.into()).map(|pair| f64::from(pair[0])));
    }
    assert!(decoder.delay() <= decoder.max_delay(), "{config:?}: {}", decoder.delay());
    samples.split_off(decoder.delay())
}

#[test]
fn what_is_encoded_is_decoded_in_its_place() {
    use AacProfile::{HighEfficiency, HighEfficiencyV2, LowComplexity};
    for (profile, rate, bitrate_bps, core) in [
        (LowComplexity, 48_000, 96_000, core(48_000, 2)),
        (HighEfficiency, 48_000, 48_000, core(24_000, 2)),
        (HighEfficiency, 44_100, 48_000, core(22_050, 2)),
        (HighEfficiencyV2, 48_000, 24_000, core(24_000, 1)),
        (HighEfficiencyV2, 32_000, 16_000, core(16_000, 1)),
    ] {
        let config = AacEncoderConfig { profile, ..config(rate, 2, bitrate_bps) };
        let samples = sine(&config, 440.0, 8000.0, 0, 60_000);
        let (frames, _) = encode(&config, &samples, 3000);
        let frame_samples = profile.frame_samples();
        assert_eq!(frames.len(), 60_000_usize.div_ceil(frame_samples));
        let source = AacDecoderConfig { core, frame_samples, channels: 2 };
        let decoded = decode_here(&frames, &source);
        let errors = (20_000..50_000).map(|at| (decoded[at] - f64::from(samples[2 * at])).powi(2));
        let error = (errors.sum::<f64>() / 30_000.0).sqrt();
        // Two samples late would be 650 off on average.
        assert!(error < 500.0, "{config:?}: {error}");
    }
}

#[test]
fn a_frame_that_is_none_is_silence_of_its_length() {
    let config = AacDecoderConfig { core: core(48_000, 2), frame_samples: 1024, channels: 2 };
    for source in
        [config, AacDecoderConfig { frame_samples: 2048, core: core(24_000, 2), ..config }]
    {
        let mut decoder = AacDecoder::new(&source).unwrap();
        for frame in [&[][..], &[0xff; 100], &[0x21; 9]] {
            assert_eq!(decoder.decode(frame).len(), 2 * source.frame_samples);
        }
    }
    let reserved = AacDecoderConfig { core: [0xff, 0xff], ..config };
    assert!(matches!(AacDecoder::new(&reserved), Err(Error::AacOpen { .. })));
}

/// What presets and JSON files may ask for.
#[test]
fn every_bitrate_from_the_least_to_the_most_opens() {
    use AacProfile::{HighEfficiency, HighEfficiencyV2, LowComplexity};
    for (profile, rates, channels, bitrates) in [
        (HighEfficiency, &[32_000, 44_100, 48_000][..], &[1, 2][..], [16_000, 96_000]),
        (HighEfficiency, &[32_000, 44_100, 48_000], &[1], [12_000, 56_000]),
        (HighEfficiencyV2, &[32_000, 44_100, 48_000], &[2], [12_000, 56_000]),
        (
            LowComplexity,
            &[8000, 16_000, 24_000, 32_000, 44_100, 48_000],
            &[1, 2],
            [16_000, 320_000],
        ),
    ] {
        for (&rate, &channels) in
            rates.iter().flat_map(|rate| channels.iter().map(move |it| (rate, it)))
        {
            for bitrate_bps in bitrates {
                let config = AacEncoderConfig { profile, ..config(rate, channels, bitrate_bps) };
                let (frames, _) = encode(&config, &sine(&config, 440.0, 8000.0, 0, 9000), 900);
                assert!(!frames.is_empty(), "{config:?}");
            }
        }
    }
}

#[test]
fn another_rate_has_the_same_sound_at_the_same_time() {
    for (from, to) in [(48_000, 32_000), (44_100, 32_000), (22_050, 32_000), (8000, 32_000)] {
        let of = |rate| sine(&config(rate, 2, 1), 440.0, 8000.0, 0, rate as usize / 2);
        let resampled = resample(of(from), 2, from, to).unwrap();
        let expected = of(to);
        assert!(resampled.len().abs_diff(expected.len()) <= 2, "{from} to {to}");
        let middle = expected.len() / 4..expected.len() * 3 / 4;
        let far = middle.map(|at| (i32::from(resampled[at]) - i32::from(expected[at])).abs()).max();
        // Two samples of 32 kHz late would be 1380 off.
        assert!(far < Some(1000), "{from} to {to}: {far:?}");
    }
}
