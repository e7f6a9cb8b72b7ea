//! Does a picture come out of this, and does it show anything?

use bytes::Bytes;
use codec::{DecoderKind, Error, H264Decoder};
use h264::{NalType, ParameterSets, Sps};
use media::{I420, Timestamp};

use crate::video_track::refusal;

/// What decoding came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LumaFacts {
    /// Pictures that came out.
    pub pictures: usize,
    /// Mean luma of them all, 0 to 255.
    pub mean: f64,
    /// Standard deviation of the luma, of the picture where it is largest.
    pub largest_spread: f64,
    /// What the decoder complained about first, if it did.
    pub error: Option<String>,
    /// What the stream uses that the decoder cannot do, so that it is not asked.
    pub undecodable: Option<String>,
}

/// Decodes access units, in decoding order and in Annex B, and looks at the luma of all pictures.
pub fn decode_luma(access_units: impl IntoIterator<Item = (Timestamp, Bytes)>) -> LumaFacts {
    let mut decoding = Decoding::default();
    for (pts, annexb) in access_units {
        decoding.push(pts, &annexb);
    }
    decoding.end_decoder();
    decoding.facts
}

#[derive(Default)]
struct Decoding {
    parameter_sets: ParameterSets,
    /// The SPS that the newest IDR refers to.
    in_force: Option<Bytes>,
    decoder: Option<H264Decoder>,
    facts: LumaFacts,
}

impl Decoding {
    fn push(&mut self, pts: Timestamp, annexb: &Bytes) {
        let nal_units = h264::annexb::nal_units(annexb.clone());
        let (nal_units, seen) = h264::split_parameter_sets(nal_units);
        let is_other = self.parameter_sets.update(&seen);
        let idr = nal_units.iter().find(|it| h264::nal_type(it) == NalType::Idr);
        let sps = idr.and_then(|slice| self.parameter_sets.sps_of(slice));
        let sps = sps.map(Bytes::copy_from_slice);
        if is_other || sps.is_some() && sps != self.in_force {
            self.in_force = sps.or_else(|| self.parameter_sets.sps.first().cloned());
            self.change_decoder();
        }
        if self.facts.undecodable.is_some() {
            return;
        }
        match self.decode(pts, annexb) {
            // What is looked at may begin anywhere: then what it refers to came before.
            Ok(()) | Err(Error::Damaged { macroblocks: 0, .. }) => {}
            Err(error) => {
                self.facts.error.get_or_insert_with(|| error.to_string());
            }
        }
    }

    /// Other parameter sets need another decoder; the old one still gives what it holds back.
    fn change_decoder(&mut self) {
        self.end_decoder();
        let sps = self.in_force.as_ref().and_then(|sps| Sps::parse(sps).ok());
        let refusal = sps.and_then(|sps| refusal(&sps, &self.parameter_sets.of_sps(sps.id)));
        self.facts.undecodable = refusal.map(|why| why.to_string());
    }

    fn decode(&mut self, pts: Timestamp, annexb: &[u8]) -> Result<(), Error> {
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => {
                let decoder = none.insert(H264Decoder::new(DecoderKind::Native)?);
                decoder.start_anywhere();
                decoder
            }
        };
        decoder.decode(annexb, pts, |picture, _| self.facts.take(picture))
    }

    fn end_decoder(&mut self) {
        if let Some(mut decoder) = self.decoder.take() {
            decoder.drain(|picture, _| self.facts.take(picture));
        }
    }
}

impl LumaFacts {
    fn take(&mut self, picture: I420<'_>) {
        let (mean, spread) = statistics(picture);
        self.mean = (self.mean * self.pictures as f64 + mean) / (self.pictures + 1) as f64;
        self.largest_spread = self.largest_spread.max(spread);
        self.pictures += 1;
    }
}

/// Mean and standard deviation of the luma samples.
fn statistics(picture: I420<'_>) -> (f64, f64) {
    let (mut sum, mut squares) = (0_u64, 0_u64);
    for row in picture.y.rows() {
        // A row is at most 2^16 samples, whose squares fit into 32 bits.
        sum += u64::from(row.iter().map(|&luma| u32::from(luma)).sum::<u32>());
        squares += u64::from(row.iter().map(|&luma| u32::from(luma).pow(2)).sum::<u32>());
    }
    let samples = (picture.width() * picture.height()).max(1) as f64;
    let mean = sum as f64 / samples;
    (mean, (squares as f64 / samples - mean * mean).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use codec::{Force, H264Encoder, H264EncoderConfig, Profile};
    use media::I420Buf;

    use super::*;

    /// Pictures of this width, each row made by `luma`, as access units with their parameter sets.
    fn encoded(width: u32, pictures: i64, luma: impl Fn(usize) -> u8) -> Vec<(Timestamp, Bytes)> {
        let config = H264EncoderConfig {
            width,
            height: 96,
            frame_rate: 30.0,
            bitrate_bps: 1_000_000,
            profile: Profile::High,
            colour: None,
        };
        let mut encoder = H264Encoder::new(&config).unwrap();
        let mut picture = I420Buf::new(width as usize, 96);
        let [y, u, v] = picture.planes_mut();
        y.chunks_mut(width as usize).enumerate().for_each(|(row, line)| line.fill(luma(row)));
        u.fill(128);
        v.fill(128);
        let sets = encoder.parameter_sets().clone();
        let mut access_unit = |number| {
            let pts = Timestamp::from_ticks(number * 3000);
            let unit = encoder.encode(picture.as_i420(), pts, Force::None).unwrap().unwrap();
            let headers = sets.iter().filter(|_| unit.random_access);
            let mut annexb = Vec::new();
            h264::annexb::write(headers.chain(unit.nal_units.iter()), &mut annexb);
            (pts, annexb.into())
        };
        (0..pictures).map(&mut access_unit).collect()
    }

    #[test]
    fn pictures_are_counted_and_their_luma_is_measured() {
        let facts = decode_luma(encoded(128, 10, |row| if row < 48 { 60 } else { 180 }));
        assert_eq!((facts.pictures, &facts.error, &facts.undecodable), (10, &None, &None));
        assert!((facts.mean - 120.0).abs() < 2.0, "{facts:?}");
        assert!((facts.largest_spread - 60.0).abs() < 2.0, "{facts:?}");
    }

    #[test]
    fn a_flat_picture_has_no_spread() {
        let facts = decode_luma(encoded(128, 3, |_| 90));
        assert!(facts.pictures == 3 && facts.largest_spread < 0.5, "{facts:?}");
    }

    #[test]
    fn another_size_in_the_middle_loses_nothing() {
        let both = [encoded(128, 5, |_| 90), encoded(64, 5, |_| 90)].concat();
        assert_eq!(decode_luma(both).pictures, 10);
    }

    #[test]
    fn nothing_comes_of_what_is_no_picture_and_what_cannot_be_decoded_is_said() {
        let rubbish = Bytes::from_static(&[0, 0, 0, 1, 0x65, 1, 2, 3]);
        let facts = decode_luma([(Timestamp::ZERO, rubbish)]);
        assert_eq!(facts, LumaFacts::default());
        // High 10, 10 bits a sample, as x264 writes it.
        let high10 = Bytes::from_static(&[
            0, 0, 1, 0x67, 0x6e, 0x00, 0x0c, 0xa6, 0xcd, 0x94, 0x34, 0x6f, 0x96, 0x5c, 0x04, 0x40,
            0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x0f, 0x03, 0xc5, 0x0a, 0x65, 0x80, 0, 0, 1,
            0x68, 0xea, 0xe3, 0xcb, 0x22, 0xc0,
        ]);
        let facts = decode_luma([(Timestamp::ZERO, high10)]);
        assert!(facts.undecodable.is_some_and(|why| why.contains("10")));
        assert_eq!(decode_luma([]), LumaFacts::default());
    }
}
