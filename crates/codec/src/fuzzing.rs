//! Fuzz bodies; `fuzz/fuzz_targets/` and the unit test below run them.
#![expect(clippy::panic, reason = "a body fails by panicking")]

use media::{I420, Plane, Timestamp};

use crate::{DecoderKind, H264Decoder, Limits};

/// Whatever the bytes are, decoding ends, hands out only stamps it was given, each at most once, and planes that can be
/// read to their last sample; afterwards nothing is left to drain.
///
/// The input is an Annex B stream; each NAL unit is given alone, so that most pictures are incomplete.
pub fn h264_decoder(data: &[u8]) {
    decode_all(DecoderKind::Openh264, split(data, |_| true));
}

/// The same of `rusty`, and each picture is given whole, because it refuses parts of one.
pub fn h264_rusty_decoder(data: &[u8]) {
    report_panics();
    decode_all(DecoderKind::Rusty, split(data, starts_access_unit));
}

/// A fuzzer takes every panic for a crash, this decoder's are caught: only what comes through is one.
fn report_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    if cfg!(fuzzing) {
        ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    }
}

fn decode_all<'a>(kind: DecoderKind, units: impl Iterator<Item = &'a [u8]>) {
    let limits = Limits { max_pixels: 1 << 20, ..Limits::default() };
    let Ok(mut decoder) = H264Decoder::with_limits(kind, limits) else { return };
    let mut given = 0_i64;
    let mut seen = Vec::new();
    let mut take = |picture: I420<'_>, pts: Timestamp| {
        assert!(picture.width() * picture.height() <= 1 << 20);
        std::hint::black_box(sum(picture));
        seen.push(pts.ticks());
    };
    for unit in units.take(MAX_UNITS) {
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

/// Whether a NAL unit, its start code stripped, is one that a new picture begins with: a parameter set, or a slice whose
/// `first_mb_in_slice` is 0.
fn starts_access_unit(unit: &[u8]) -> bool {
    match unit {
        [header, first, ..] if matches!(header & 0x1f, 1 | 5) => first & 0x80 != 0,
        [header, ..] => header & 0x1f == 7,
        [] => false,
    }
}

/// The stream cut in front of those start codes behind which a NAL unit is one to cut at.
fn split(data: &[u8], is_cut: impl Fn(&[u8]) -> bool) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let cuts = |window: &[u8], at: usize| window == [0, 0, 1] && is_cut(&rest[at + 4..]);
        let next = rest.windows(3).skip(1).enumerate().position(|(at, window)| cuts(window, at));
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

/// Keeps one run short.
const MAX_UNITS: usize = 64;

#[cfg(test)]
mod tests {
    use super::{h264_decoder, h264_rusty_decoder};
    use crate::{Force, H264Encoder, H264EncoderConfig, Profile};

    #[test]
    fn seeds_replay() {
        let bodies = [
            ("codec_h264_decoder", h264_decoder as fn(&[u8])),
            ("codec_h264_rusty_decoder", h264_rusty_decoder),
        ];
        for (target, body) in bodies {
            let folder = format!("{}/../../fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
            let seeds: Vec<_> =
                std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(!seeds.is_empty());
            seeds.into_iter().for_each(|seed| body(&std::fs::read(seed).unwrap()));
        }
    }

    /// A stream of our own, each bit of its first bytes turned over, then cut everywhere.
    #[test]
    fn damage_at_every_place_is_survived() {
        for body in [h264_decoder, h264_rusty_decoder] {
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
        let sets = encoder.parameter_sets().clone();
        let mut units = vec![sets.sps.to_vec(), sets.pps.to_vec()];
        for index in 0..3_u8 {
            let mut picture = media::I420Buf::new(48, 32);
            for (at, sample) in picture.planes_mut()[0].iter_mut().enumerate() {
                *sample = (at as u8).wrapping_mul(3).wrapping_add(index * 9);
            }
            let pts = media::Timestamp::from_millis(i64::from(index) * 33);
            let unit = encoder.encode(picture.as_i420(), pts, Force::None).unwrap();
            units.extend(unit.nal_units.iter().map(<[u8]>::to_vec));
        }
        units.into_iter().flat_map(|unit| [vec![0, 0, 0, 1], unit].concat()).collect()
    }
}
