//! Fuzz bodies; `fuzz/fuzz_targets/` and the unit test below run them.
#![expect(clippy::panic, reason = "a body fails by panicking")]

use std::ops::ControlFlow;

use media::{I420, I420Buf, Plane, Timestamp};

use crate::{
    DecoderKind, Force, H264Decoder, H264Encoder, H264EncoderConfig, Limits, Mp3Decoder, Profile,
    SbrProbe,
};

/// Whatever the bytes are, decoding ends, hands out only stamps it was given, each at most once,
/// and planes that can be read to their last sample; afterwards nothing is left to drain.
///
/// The input is an Annex B stream; each NAL unit is given alone, so that most pictures are
/// incomplete.
pub fn h264_decoder(data: &[u8]) {
    decode_all(DecoderKind::Openh264, data);
}

/// The same of our own, which a panic would be a crash of.
pub fn h264_native_decoder(data: &[u8]) {
    decode_all(DecoderKind::Native, data);
}

/// What openh264 encodes as Constrained Baseline, our own decoder and openh264's decode to the same
/// samples. The first five bytes say the size, the bitrate, how many pictures there are and which
/// of them are IDRs; the rest is what is in them.
pub fn h264_differential(data: &[u8]) {
    let Some((&[width, height, bitrate, pictures, idrs], samples)) = data.split_first_chunk::<5>()
    else {
        return;
    };
    let side = |byte: u8| 16 + 2 * u32::from(byte % 64);
    let config = H264EncoderConfig {
        width: side(width),
        height: side(height),
        frame_rate: 30.0,
        bitrate_bps: 20_000 * (1 + u32::from(bitrate)),
        profile: Profile::Baseline,
        colour: None,
    };
    let Ok(mut encoder) = H264Encoder::new(&config) else { return };
    let kinds = [DecoderKind::Native, DecoderKind::Openh264];
    let mut decoders = kinds.map(|kind| (H264Decoder::new(kind), Vec::new()));
    let mut sets = Vec::new();
    h264::annexb::write(encoder.parameter_sets().iter(), &mut sets);
    let mut content = samples.iter().copied().cycle();
    for index in 0..1 + pictures % 8 {
        let mut picture = I420Buf::new(config.width as usize, config.height as usize);
        for plane in picture.planes_mut() {
            for (at, sample) in plane.iter_mut().enumerate() {
                // A gradient that moves, and what the input says on top of it.
                let gradient = (at as u8).wrapping_add(index.wrapping_mul(5));
                *sample = gradient ^ content.next().unwrap_or_default();
            }
        }
        let pts = Timestamp::from_millis(i64::from(index) * 33);
        let force = if idrs >> (index % 8) & 1 == 1 { Force::Idr } else { Force::None };
        let Ok(Some(unit)) = encoder.encode(picture.as_i420(), pts, force) else { continue };
        let mut annexb = sets.clone();
        h264::annexb::write(unit.nal_units.iter(), &mut annexb);
        for (decoder, samples) in &mut decoders {
            let Ok(decoder) = decoder else { return };
            let take = |picture: I420<'_>, pts| samples.push((pts, packed(picture)));
            assert_eq!(decoder.decode(&annexb, pts, take), Ok(()));
        }
    }
    let [native, openh264] = decoders.map(|(decoder, mut samples)| {
        if let Ok(mut decoder) = decoder {
            decoder.drain(|picture, pts| samples.push((pts, packed(picture))));
        }
        samples
    });
    assert!(!native.is_empty(), "no picture came out");
    assert!(native == openh264, "{} and {} pictures", native.len(), openh264.len());
}

/// The samples of a picture, rows without padding.
fn packed(picture: I420<'_>) -> Vec<u8> {
    [picture.y, picture.u, picture.v].into_iter().flat_map(Plane::rows).flatten().copied().collect()
}

fn decode_all(kind: DecoderKind, data: &[u8]) {
    let limits = Limits { max_pixels: 1 << 20, ..Limits::default() };
    let Ok(mut decoder) = H264Decoder::with_limits(kind, limits) else { return };
    let mut given = 0_i64;
    let mut seen = Vec::new();
    let mut take = |picture: I420<'_>, pts: Timestamp| {
        assert!(picture.width() * picture.height() <= 1 << 20);
        std::hint::black_box(sum(picture));
        seen.push(pts.ticks());
    };
    for unit in split(data).take(MAX_UNITS) {
        given += 1;
        // An error is an answer, too.
        let _ = decoder.decode(unit, Timestamp::from_ticks(given), &mut take);
    }
    decoder.drain(&mut take);
    decoder.drain(|_, _| panic!("a second drain has nothing to give"));
    assert!(seen.iter().all(|stamp| (1..=given).contains(stamp)));
    seen.sort_unstable();
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "a stamp came twice: {seen:?}");
}

/// Whatever the bytes are, each frame that is found gives its samples, or silence of the same
/// length, in a format that AAC has; and a stream of good frames gives the same sound wherever it
/// is cut into messages.
///
/// The first byte says how long a message is, the rest is the stream.
pub fn mp3_decoder(data: &[u8]) {
    let Some((&length, stream)) = data.split_first() else { return };
    let stream = stream.get(..MAX_MP3_BYTES).unwrap_or(stream);
    let (cut, damaged) = mp3_sound(stream.chunks(usize::from(length).max(1) * 8));
    let (whole, damaged_whole) = mp3_sound([stream]);
    if damaged == 0 && damaged_whole == 0 {
        assert_eq!(cut, whole);
    }
}

/// All samples, and how many frames were damaged.
fn mp3_sound<'a>(messages: impl IntoIterator<Item = &'a [u8]>) -> (Vec<i16>, usize) {
    let Ok(mut decoder) = Mp3Decoder::new() else { return (Vec::new(), 0) };
    let (mut samples, mut damaged) = (Vec::new(), 0);
    for message in messages {
        damaged += decoder.decode(message, |sound| {
            assert!(matches!(sound.channels, 1 | 2));
            let channels = usize::from(sound.channels);
            assert!(matches!(sound.samples.len() / channels, 576 | 1152));
            assert!((8000..=48_000).contains(&sound.sample_rate_hz));
            samples.extend_from_slice(sound.samples);
            ControlFlow::Continue(())
        });
    }
    (samples, damaged)
}

/// Whatever the frames are, the probe only ever finds SBR at a multiple of the core's rate, and PS
/// only with SBR.
///
/// Two bytes of configuration, then frames, each behind a byte with its length.
pub fn sbr_probe(data: &[u8]) {
    let Some((config, mut frames)) = data.split_first_chunk::<2>() else { return };
    let Some(mut probe) = SbrProbe::new(config) else { return };
    for _ in 0..MAX_UNITS {
        let Some((&length, rest)) = frames.split_first() else { return };
        let (frame, rest) = rest.split_at(rest.len().min(length.into()));
        let found = probe.push(frame);
        assert!(!found.ps || found.sbr.is_some(), "{found:?}");
        assert!(found.sbr.is_none_or(|hz| (8000..=192_000).contains(&hz)), "{found:?}");
        frames = rest;
    }
}

/// The stream cut in front of its start codes.
fn split(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let next = rest.windows(3).skip(1).position(|window| window == [0, 0, 1]);
        let (unit, tail) = rest.split_at(next.map_or(rest.len(), |at| at + 1));
        rest = tail;
        Some(unit)
    })
}

/// All samples, added up.
fn sum(picture: I420<'_>) -> u64 {
    let planes = [picture.y, picture.u, picture.v];
    planes.into_iter().flat_map(Plane::rows).flatten().map(|sample| u64::from(*sample)).sum()
}

/// Keep one run short.
const MAX_UNITS: usize = 64;
const MAX_MP3_BYTES: usize = 8192;

#[cfg(test)]
mod tests {
    use super::{h264_decoder, h264_differential, h264_native_decoder, mp3_decoder, sbr_probe};
    use crate::{Force, H264Encoder, H264EncoderConfig, Profile};

    #[test]
    fn seeds_replay() {
        testmedia::replay("codec_h264_decoder", h264_decoder);
        testmedia::replay("codec_h264_native_decoder", h264_native_decoder);
        testmedia::replay("codec_h264_differential", h264_differential);
    }

    /// Each audio seed as it is, cut short, and with some of its bits turned over.
    #[test]
    fn audio_seeds_replay() {
        for (target, body) in
            [("codec_mp3_decoder", mp3_decoder as fn(&[u8])), ("codec_sbr_probe", sbr_probe)]
        {
            for mut seed in testmedia::seeds(target) {
                body(&seed);
                for bit in (0..seed.len() * 8).step_by(41) {
                    seed[bit / 8] ^= 1 << (bit % 8);
                    body(&seed);
                    body(&seed[..bit / 8]);
                    seed[bit / 8] ^= 1 << (bit % 8);
                }
            }
        }
    }

    /// A stream of our own, each bit of its first bytes turned over, then cut everywhere.
    #[test]
    fn damage_at_every_place_is_survived() {
        for body in [h264_decoder, h264_native_decoder] {
            let stream = stream();
            body(&stream);
            for bit in 0..stream.len() * 8 {
                let mut damaged = stream.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                body(&damaged);
            }
            (0..stream.len()).for_each(|len| body(&stream[..len]));
        }
    }

    fn stream() -> Vec<u8> {
        let config = H264EncoderConfig {
            width: 48,
            height: 32,
            frame_rate: 30.0,
            bitrate_bps: 50_000,
            profile: Profile::High,
            colour: None,
        };
        let mut encoder = H264Encoder::new(&config).unwrap();
        let mut units: Vec<Vec<u8>> = encoder.parameter_sets().iter().map(<[u8]>::to_vec).collect();
        for index in 0..3_u8 {
            let mut picture = media::I420Buf::new(48, 32);
            for (at, sample) in picture.planes_mut()[0].iter_mut().enumerate() {
                *sample = (at as u8).wrapping_mul(3).wrapping_add(index * 9);
            }
            let pts = media::Timestamp::from_millis(i64::from(index) * 33);
            let unit = encoder.encode(picture.as_i420(), pts, Force::None).unwrap().unwrap();
            units.extend(unit.nal_units.iter().map(<[u8]>::to_vec));
        }
        units.into_iter().flat_map(|unit| [vec![0, 0, 0, 1], unit].concat()).collect()
    }
}
