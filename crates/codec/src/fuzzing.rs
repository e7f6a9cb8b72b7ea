//! Fuzz bodies; `fuzz/fuzz_targets/` and the unit test below run them.
#![expect(clippy::panic, reason = "a body fails by panicking")]

use media::{I420, Plane, Timestamp};

use crate::{H264Decoder, Limits};

/// Whatever the bytes are, decoding ends, hands out only stamps it was given, each at most once, and planes that can be
/// read to their last sample; afterwards nothing is left to drain.
///
/// The input is an Annex B stream; each NAL unit is given alone, so that most pictures are incomplete.
pub fn h264_decoder(data: &[u8]) {
    let Ok(mut decoder) =
        H264Decoder::with_limits(Limits { max_pixels: 1 << 20, ..Limits::default() })
    else {
        return;
    };
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

/// The stream cut in front of each start code.
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

/// Keeps one run short.
const MAX_UNITS: usize = 64;

#[cfg(test)]
mod tests {
    use super::h264_decoder;
    use crate::{Force, H264Encoder, H264EncoderConfig, Profile};

    #[test]
    fn seeds_replay() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/codec_h264_decoder");
        let seeds: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!seeds.is_empty());
        for seed in seeds {
            h264_decoder(&std::fs::read(seed).unwrap());
        }
    }

    /// A stream of our own, each bit of its first bytes turned over, then cut everywhere.
    #[test]
    fn damage_at_every_place_is_survived() {
        let stream = stream();
        h264_decoder(&stream);
        for bit in 0..stream.len() * 8 {
            let mut damaged = stream.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            h264_decoder(&damaged);
        }
        for len in 0..stream.len() {
            h264_decoder(&stream[..len]);
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
