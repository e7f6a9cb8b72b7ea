//! What the tests of whole streams share.
#![allow(dead_code, reason = "each test uses some of it")]

use h264_decoder::{AccessUnitSplitter, Decoder, Error, Limits};
use media::Timestamp;

/// What came out of a stream.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) pictures: usize,
    pub(crate) size: (usize, usize),
    pub(crate) is_monochrome: bool,
    pub(crate) concealed_macroblocks: u32,
    pub(crate) missing_references: u32,
}

/// Decodes an Annex B byte stream and gives each picture's rows, Y, U, V, to `put`.
pub(crate) fn decode(stream: &[u8], mut put: impl FnMut(&[u8])) -> Result<Decoded, Error> {
    let mut decoder = Decoder::new(Limits::default());
    let mut splitter = AccessUnitSplitter::default();
    let mut access_unit: Vec<&[u8]> = Vec::new();
    let mut decoded = Decoded::default();
    for nal_unit in h264::annexb::stream(stream) {
        if splitter.starts_access_unit(nal_unit) && !access_unit.is_empty() {
            decoder.decode(access_unit.iter().copied(), Timestamp::ZERO)?;
            access_unit.clear();
            take(&mut decoder, &mut decoded, &mut put);
        }
        access_unit.push(nal_unit);
    }
    decoder.decode(access_unit, Timestamp::ZERO)?;
    take(&mut decoder, &mut decoded, &mut put);
    decoder.flush();
    take(&mut decoder, &mut decoded, &mut put);
    Ok(decoded)
}

fn take(decoder: &mut Decoder, decoded: &mut Decoded, put: &mut impl FnMut(&[u8])) {
    while let Some(picture) = decoder.next_picture() {
        let samples = picture.samples;
        for plane in [samples.y, samples.u, samples.v] {
            plane.rows().for_each(&mut *put);
        }
        decoded.pictures += 1;
        decoded.size = (samples.width(), samples.height());
        decoded.is_monochrome = picture.is_monochrome;
        decoded.concealed_macroblocks += picture.concealed_macroblocks;
        decoded.missing_references += picture.missing_references;
    }
}

/// MD5 (RFC 1321), which the reference decodes are published as.
#[derive(Debug)]
pub(crate) struct Md5 {
    state: [u32; 4],
    sines: [u32; 64],
    block: Vec<u8>,
    len: u64,
}

impl Md5 {
    pub(crate) fn new() -> Self {
        let state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
        let sine = |step: usize| ((step as f64 + 1.0).sin().abs() * 4_294_967_296.0) as u32;
        let sines = std::array::from_fn(sine);
        Self { state, sines, block: Vec::with_capacity(64), len: 0 }
    }

    pub(crate) fn update(&mut self, mut data: &[u8]) {
        self.len += data.len() as u64;
        while let Some((block, rest)) = data.split_first_chunk::<64>()
            && self.block.is_empty()
        {
            self.transform(block);
            data = rest;
        }
        while !data.is_empty() {
            let (head, rest) = data.split_at(data.len().min(64 - self.block.len()));
            self.block.extend_from_slice(head);
            data = rest;
            if let Some(&block) = self.block.first_chunk::<64>() {
                self.transform(&block);
                self.block.clear();
            }
        }
    }

    pub(crate) fn hex(mut self) -> String {
        let bits = self.len * 8;
        let padding = if self.block.len() < 56 { 56 } else { 120 } - self.block.len();
        let mut tail = vec![0; padding];
        tail[0] = 0x80;
        tail.extend_from_slice(&bits.to_le_bytes());
        self.update(&tail);
        self.state.iter().flat_map(|word| word.to_le_bytes()).map(|b| format!("{b:02x}")).collect()
    }

    fn transform(&mut self, block: &[u8; 64]) {
        const SHIFTS: [[u32; 4]; 4] =
            [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
        let (bytes, _) = block.as_chunks::<4>();
        let words: [u32; 16] = std::array::from_fn(|word| u32::from_le_bytes(bytes[word]));
        let mut registers = self.state;
        for (round, shifts) in SHIFTS.iter().enumerate() {
            for step in 0..16 {
                let [a, b, c, d] = registers;
                let (mix, word) = match round {
                    0 => (b & c | !b & d, step),
                    1 => (d & b | !d & c, 5 * step + 1),
                    2 => (b ^ c ^ d, 3 * step + 5),
                    _ => (c ^ (b | !d), 7 * step),
                };
                let sine = self.sines[16 * round + step];
                let sum = a.wrapping_add(mix).wrapping_add(sine).wrapping_add(words[word % 16]);
                let rotated = b.wrapping_add(sum.rotate_left(shifts[step % 4]));
                registers = [d, rotated, b, c];
            }
        }
        for (state, word) in self.state.iter_mut().zip(registers) {
            *state = state.wrapping_add(word);
        }
    }
}
