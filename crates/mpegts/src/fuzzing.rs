//! Bodies of the fuzz targets.

use crate::Tracks;
use crate::model::{Op, check};

/// Reads operations out of `data`, muxes them, demuxes them with mpeg2ts-reader and compares.
pub fn mux(data: &[u8]) {
    let mut input = Input(data);
    let tracks = Tracks { video: input.byte() & 1 == 1, audio: input.byte() & 1 == 1 };
    // Anywhere around the first 33-bit wraps, above zero and below.
    let start = i64::from(input.u32() as i32) << 4;
    let mut ops = Vec::new();
    while !input.0.is_empty() && ops.len() < 256 {
        ops.push(op(&mut input));
    }
    check(start, tracks, &ops);
}

fn op(input: &mut Input<'_>) -> Op {
    match input.byte() % 8 {
        0 => Op::StartSegment,
        1 => Op::Discontinuity { jump: i64::from(input.u32() as i32) },
        2 => Op::SetTracks(input.byte() & 1 == 1, input.byte() & 1 == 1),
        3 => Op::Audio { after: input.u16().into(), adts: input.bytes() },
        kind => Op::Video {
            after: input.u16().into(),
            composition: input.u16().into(),
            random_access: kind == 4,
            parameter_sets: input.units(if kind == 4 { 2 } else { 0 }),
            nal_units: input.units(kind - 3),
        },
    }
}

/// Values from the fuzzer's bytes; zeros once they are used up.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn u32(&mut self) -> u32 {
        u32::from(self.u16()) << 16 | u32::from(self.u16())
    }

    /// Up to 2^18 bytes, so that every length of a PES packet is reached with little input.
    fn bytes(&mut self) -> Vec<u8> {
        let kind = self.byte();
        let len = usize::from(self.u16()) * if kind >= 0xf0 { 4 } else { 1 };
        let len = if kind < 0xc0 { len % 512 } else { len };
        (0..len).map(|i| kind ^ i as u8).collect()
    }

    fn units(&mut self, count: u8) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_replay() {
        testmedia::replay("mpegts_mux", super::mux);
    }

    #[test]
    fn no_input_and_all_ones() {
        super::mux(&[]);
        super::mux(&[0xff; 64]);
    }
}
