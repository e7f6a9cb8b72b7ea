//! Bodies of the fuzz targets; the unit tests replay the committed seeds through them. Nothing may
//! panic, nothing may be held or shown that the limits do not allow.
#![allow(clippy::panic, reason = "a fuzz body reports a broken property by a panic")]

use media::Timestamp;

use crate::{AccessUnitSplitter, Decoder, Limits};

/// Small pictures, so that many are decoded in a second.
const LIMITS: Limits = Limits {
    max_macroblocks: 256,
    max_frames: 4,
    max_waiting: 4,
    max_pictures: 4,
    max_recovery_frames: 300,
    max_gap: 4,
};

/// More than a frame and its side data take a macroblock (`Limits::max_macroblocks`).
const BYTES_OF_A_MACROBLOCK: usize = 700;

/// An Annex B byte stream, whatever is in it.
pub fn annexb(data: &[u8]) {
    let mut decoder = Decoder::new(LIMITS);
    let mut splitter = AccessUnitSplitter::default();
    let mut access_unit: Vec<&[u8]> = Vec::new();
    for nal_unit in h264::annexb::stream(data) {
        if splitter.starts_access_unit(nal_unit) {
            decode(&mut decoder, &access_unit);
            access_unit.clear();
        }
        access_unit.push(nal_unit);
    }
    decode(&mut decoder, &access_unit);
    decoder.flush();
    take(&mut decoder);
}

/// Valid parameter sets and slice headers with chosen values, and any bytes as slice data: with
/// CABAC all of them are macroblocks.
pub fn slices(data: &[u8]) {
    let mut choices = Choices(data);
    let stream = Stream::choose(&mut choices);
    let mut decoder = Decoder::new(LIMITS);
    let (sps, pps) = (stream.sps(), stream.pps());
    let mut access_unit = vec![sps, pps];
    while !choices.0.is_empty() {
        for _ in 0..=choices.below(3) {
            access_unit.push(stream.slice(&mut choices));
        }
        if choices.below(16) == 0 {
            // Another access unit without its end.
            access_unit.push(stream.slice(&mut choices));
        }
        let units: Vec<&[u8]> = access_unit.iter().map(|unit| &unit[..]).collect();
        decode(&mut decoder, &units);
        access_unit.clear();
    }
    decoder.flush();
    take(&mut decoder);
}

fn decode(decoder: &mut Decoder, access_unit: &[&[u8]]) {
    // What is refused or cannot be read is no finding.
    let _ = decoder.decode(access_unit.iter().copied(), Timestamp::ZERO);
    take(decoder);
}

fn take(decoder: &mut Decoder) {
    let limit = LIMITS.max_macroblocks as usize;
    let frames = 2 * usize::from(LIMITS.max_frames) + 2;
    assert!(decoder.held_bytes() <= frames * limit * BYTES_OF_A_MACROBLOCK);
    let mut count = 0;
    while let Some(picture) = decoder.next_picture() {
        let (width, height) = (picture.samples.width(), picture.samples.height());
        let macroblocks = width.div_ceil(16) * height.div_ceil(16);
        assert!((1..=limit).contains(&macroblocks), "{width}x{height}");
        assert_eq!(picture.samples.v.rows().count(), height.div_ceil(2));
        // Two pictures begun in one access unit can each lack all.
        assert!(picture.concealed_macroblocks as usize <= 2 * limit);
        count += 1;
    }
    assert!(count <= 2 * usize::from(LIMITS.max_frames) + 1, "{count} pictures");
}

/// Bytes that choose.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn below(&mut self, count: u32) -> u32 {
        u32::from(self.byte()) % count
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn bytes(&mut self, count: usize) -> &[u8] {
        let (bytes, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        bytes
    }
}

/// What the parameter sets say.
struct Stream {
    width: u32,
    height_in_map_units: u32,
    interlaced: bool,
    mb_adaptive: bool,
    direct_8x8_inference: bool,
    chroma_format_idc: u32,
    pic_order_cnt_type: u32,
    max_num_ref_frames: u32,
    gaps_allowed: bool,
    scaling_lists: bool,
    cabac: bool,
    bottom_field_order: bool,
    weighted_pred: bool,
    weighted_bipred_idc: u32,
    constrained_intra_pred: bool,
    transform_8x8: bool,
    chroma_qp_offset: i32,
}

impl Stream {
    fn choose(choices: &mut Choices<'_>) -> Self {
        let interlaced = choices.flag();
        Self {
            width: 1 + choices.below(5),
            height_in_map_units: 1 + choices.below(4),
            interlaced,
            mb_adaptive: choices.flag(),
            direct_8x8_inference: interlaced || choices.flag(),
            chroma_format_idc: choices.below(8).min(1),
            pic_order_cnt_type: choices.below(3),
            max_num_ref_frames: choices.below(5),
            gaps_allowed: choices.flag(),
            scaling_lists: choices.flag(),
            cabac: choices.flag(),
            bottom_field_order: choices.flag(),
            weighted_pred: choices.flag(),
            weighted_bipred_idc: choices.below(3),
            constrained_intra_pred: choices.flag(),
            transform_8x8: choices.flag(),
            chroma_qp_offset: choices.below(25) as i32 - 12,
        }
    }

    fn sps(&self) -> Vec<u8> {
        let mut bits = Writer::default();
        bits.u(8, 100).u(8, 0).u(8, 40).ue(0);
        bits.ue(self.chroma_format_idc).ue(0).ue(0).u(1, 0).flag(self.scaling_lists);
        if self.scaling_lists {
            // The first list is all nines, the others fall back.
            bits.u(1, 1).se(1).se(-9).u(7, 0);
        }
        bits.ue(0).ue(self.pic_order_cnt_type);
        match self.pic_order_cnt_type {
            0 => {
                bits.ue(0);
            }
            1 => {
                bits.u(1, 0).se(-1).se(1).ue(2).se(2).se(4);
            }
            _ => {}
        }
        bits.ue(self.max_num_ref_frames).flag(self.gaps_allowed);
        bits.ue(self.width - 1).ue(self.height_in_map_units - 1).flag(!self.interlaced);
        if self.interlaced {
            bits.flag(self.mb_adaptive);
        }
        bits.flag(self.direct_8x8_inference).u(2, 0);
        bits.nal_unit(0x67)
    }

    fn pps(&self) -> Vec<u8> {
        let mut bits = Writer::default();
        bits.ue(0).ue(0).flag(self.cabac).flag(self.bottom_field_order).ue(0).ue(1).ue(0);
        bits.flag(self.weighted_pred).u(2, self.weighted_bipred_idc).se(0).se(0);
        bits.se(self.chroma_qp_offset).u(1, 1).flag(self.constrained_intra_pred).u(1, 0);
        bits.flag(self.transform_8x8).u(1, 0).se(-self.chroma_qp_offset);
        bits.nal_unit(0x68)
    }

    fn slice(&self, choices: &mut Choices<'_>) -> Vec<u8> {
        let mut bits = Writer::default();
        let idr = choices.below(8) == 0;
        let nal_ref_idc = if idr { 1 } else { choices.below(4).min(1) };
        let slice_type = if idr { 2 } else { choices.below(3) };
        let first_mb = if choices.flag() { 0 } else { choices.below(self.width * 4) };
        // Mostly what a stream would have next, at times anything.
        bits.ue(first_mb).ue(slice_type).ue(0).u(4, choices.below(16));
        let is_field = self.interlaced && choices.flag();
        if self.interlaced {
            bits.flag(is_field);
            if is_field {
                bits.flag(choices.flag());
            }
        }
        if idr {
            bits.ue(choices.below(3));
        }
        match self.pic_order_cnt_type {
            0 => {
                bits.u(4, choices.below(16));
                if self.bottom_field_order && !is_field {
                    bits.se(choices.below(5) as i32 - 2);
                }
            }
            1 => {
                bits.se(choices.below(5) as i32 - 2);
                if self.bottom_field_order && !is_field {
                    bits.se(choices.below(5) as i32 - 2);
                }
            }
            _ => {}
        }
        if slice_type != 2 {
            self.references(choices, &mut bits, slice_type == 1);
        }
        if nal_ref_idc != 0 {
            marking(choices, &mut bits, idr);
        }
        if self.cabac && slice_type != 2 {
            bits.ue(choices.below(3));
        }
        bits.se(choices.below(51) as i32 - 25);
        let deblocking = choices.below(3);
        bits.ue(deblocking);
        if deblocking != 1 {
            bits.se(choices.below(13) as i32 - 6).se(choices.below(13) as i32 - 6);
        }
        if self.cabac {
            bits.align();
        }
        let count = usize::from(choices.byte());
        for &byte in choices.bytes(count) {
            bits.u(8, byte.into());
        }
        bits.nal_unit(if idr { 0x65 } else { 0x01 | (nal_ref_idc as u8) << 5 })
    }

    fn references(&self, choices: &mut Choices<'_>, bits: &mut Writer, is_b: bool) {
        if is_b {
            bits.flag(choices.flag());
        }
        let lists = if is_b { 2 } else { 1 };
        bits.u(1, 1);
        let counts: Vec<u32> = (0..lists).map(|_| choices.below(6)).collect();
        for &count in &counts {
            bits.ue(count);
        }
        for _ in 0..lists {
            let commands = choices.below(4);
            bits.flag(commands > 0);
            for _ in 0..commands {
                bits.ue(choices.below(3)).ue(choices.below(6));
            }
            if commands > 0 {
                bits.ue(3);
            }
        }
        if if is_b { self.weighted_bipred_idc == 1 } else { self.weighted_pred } {
            bits.ue(choices.below(8));
            if self.chroma_format_idc != 0 {
                bits.ue(choices.below(8));
            }
            for _ in 0..counts.iter().map(|count| count + 1).sum() {
                for (values, is_coded) in [(2, true), (4, self.chroma_format_idc != 0)] {
                    if is_coded {
                        let has_weight = choices.flag();
                        bits.flag(has_weight);
                        for _ in 0..if has_weight { values } else { 0 } {
                            bits.se(i32::from(choices.byte() as i8));
                        }
                    }
                }
            }
        }
    }
}

fn marking(choices: &mut Choices<'_>, bits: &mut Writer, idr: bool) {
    if idr {
        bits.flag(choices.flag()).flag(choices.flag());
        return;
    }
    let commands = choices.below(8).saturating_sub(3);
    bits.flag(commands > 0);
    for _ in 0..commands {
        let operation = 1 + choices.below(6);
        bits.ue(operation);
        if operation != 5 {
            bits.ue(choices.below(5));
        }
        if operation == 3 {
            bits.ue(choices.below(4));
        }
    }
    if commands > 0 {
        bits.ue(0);
    }
}

/// Bits of an RBSP.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    /// Bits in the last byte, 0 to 7.
    used: u32,
}

impl Writer {
    fn u(&mut self, count: u32, value: u32) -> &mut Self {
        for bit in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << (7 - self.used);
            }
            self.used = (self.used + 1) % 8;
        }
        self
    }

    fn flag(&mut self, value: bool) -> &mut Self {
        self.u(1, value.into())
    }

    fn ue(&mut self, value: u32) -> &mut Self {
        let length = 32 - (value + 1).leading_zeros();
        self.u(length - 1, 0).u(length, value + 1)
    }

    fn se(&mut self, value: i32) -> &mut Self {
        let magnitude = 2 * value.unsigned_abs();
        self.ue(if value > 0 { magnitude - 1 } else { magnitude })
    }

    /// `cabac_alignment_one_bit`.
    fn align(&mut self) {
        while self.used != 0 {
            self.u(1, 1);
        }
    }

    /// Ends the RBSP and puts emulation prevention bytes in.
    fn nal_unit(mut self, header: u8) -> Vec<u8> {
        self.u(1, 1);
        let mut out = vec![header];
        let mut zeros = 0;
        for byte in self.bytes {
            if zeros == 2 && byte <= 3 {
                out.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            out.push(byte);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Each seed as it is, cut at many bytes, and with many bits turned.
    fn replay(target: &str, body: fn(&[u8])) {
        for mut seed in testmedia::seeds(target) {
            body(&seed);
            (0..seed.len()).step_by(11).for_each(|len| body(&seed[..len]));
            for bit in (0..seed.len() * 8).step_by(37) {
                seed[bit / 8] ^= 1 << (bit % 8);
                body(&seed);
                seed[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn seeds_of_h264_decoder_annexb_hold() {
        replay("h264_decoder_annexb", super::annexb);
    }

    #[test]
    fn seeds_of_h264_decoder_slices_hold() {
        replay("h264_decoder_slices", super::slices);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

        #[test]
        fn any_slice_data_is_decoded_or_concealed(
            data in proptest::collection::vec(any::<u8>(), 0..2000),
        ) {
            super::slices(&data);
        }
    }
}
