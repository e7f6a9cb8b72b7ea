//! The arithmetic decoding engine (ITU-T H.264 9.3.1.2 and 9.3.3.2).

use std::hint::select_unpredictable;

use crate::cabac_tables::{CONTEXT_INIT, CONTEXTS, RANGE_TAB_LPS, TRANS_IDX_LPS};

/// A context variable: `pStateIdx` in bits 1 to 6, `valMPS` in the lowest. The highest bit is what
/// was decoded by it last, which nothing looks up.
pub(crate) type Contexts = [u8; 512];

/// By context variable, all that a decision needs of it in one word: in the lowest bytes what the
/// variable becomes behind the more, and behind the less probable symbol; in [`RANGE_LPS`]
/// `rangeTabLPS` by the first `qCodIRangeIdx`, and a byte below each other one.
const STATES: [u64; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let state = index >> 1 & 63;
        // pStateIdx 63 is no context variable's.
        if state < 63 {
            let mps = (index & 1) as u64;
            let lps = 1 - mps;
            let next_mps = if state < 62 { state as u64 + 1 } else { 62 };
            let next_lps = TRANS_IDX_LPS[state] as u64;
            let switched = if state == 0 { lps } else { mps };
            let [a, b, c, d] = RANGE_TAB_LPS[state];
            let ranges = u32::from_be_bytes([a, b, c, d]) as u64;
            table[index] = ranges << 31
                | (lps << 7 | next_lps << 1 | switched) << 8
                | (mps << 7 | next_mps << 1 | mps);
        }
        index += 1;
    }
    table
};

/// Where a range of the less probable symbol is in a word, as `codIRange` is.
const RANGE_LPS: u64 = 0xff << 55;

/// Both numbers of the engine have their nine bits at the top of a word, so that a decision shifts
/// none of them into place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Engine<'a> {
    data: &'a [u8],
    /// Bytes taken into the window.
    next: usize,
    /// `codIOffset`, behind it bits of the stream that come next, behind them a one and zeros.
    /// Between calls the one is among the lower 32 bits.
    window: u64,
    /// `codIRange`, behind it zeros.
    range: u64,
}

/// The engine and its contexts.
#[derive(Clone, Debug)]
pub(crate) struct Cabac<'a> {
    pub(crate) engine: Engine<'a>,
    pub(crate) contexts: Contexts,
}

impl<'a> Cabac<'a> {
    /// Starts at a byte of the slice data (9.3.1.2), contexts for `SliceQPY` (9.3.1.1). `kind` is 0
    /// for I slices, else `cabac_init_idc` + 1.
    pub(crate) fn new(data: &'a [u8], start: usize, kind: usize, slice_qp: i32) -> Self {
        let mut contexts = [0; 512];
        for (context, &(m, n)) in contexts.iter_mut().zip(&CONTEXT_INIT[kind & 3]) {
            let qp = slice_qp.clamp(0, 51);
            let state = (((i32::from(m) * qp) >> 4) + i32::from(n)).clamp(1, 126);
            *context = if state <= 63 { (63 - state) << 1 } else { (state - 64) << 1 | 1 } as u8;
        }
        debug_assert!(CONTEXTS <= contexts.len());
        let mut engine = Engine { data, next: start, window: 0, range: 0 };
        engine.restart(start);
        Self { engine, contexts }
    }

    /// DecodeDecision by a `ctxIdx`.
    #[inline(always)]
    pub(crate) fn decision(&mut self, context: usize) -> bool {
        self.engine.decision(&mut self.contexts[context & 511])
    }

    #[inline(always)]
    pub(crate) fn bypass(&mut self) -> bool {
        self.engine.bypass()
    }

    pub(crate) fn terminate(&mut self) -> bool {
        self.engine.terminate()
    }
}

impl<'a> Engine<'a> {
    /// Bits behind `codIOffset` and `codIRange`.
    const SCALE: u32 = 55;

    /// Initialises the engine at a byte, as behind the samples of I_PCM (9.3.1.2).
    pub(crate) fn restart(&mut self, start: usize) {
        self.next = start;
        self.range = 510 << Self::SCALE;
        self.window = self.fetch() << 32 | 1 << 31;
    }

    /// The byte behind what the engine has read, after a terminating bin: where I_PCM samples
    /// begin.
    pub(crate) fn byte_position(&self) -> usize {
        // The encoder's flush ends with the last of the nine bits that are the offset (9.3.4.5).
        let ahead = Self::SCALE - 1 - self.window.trailing_zeros();
        let bits_read = self.next * 8 - ahead as usize;
        bits_read.div_ceil(8)
    }

    /// Bytes of the slice data that are not arithmetically coded.
    pub(crate) fn samples(&self, start: usize, count: usize) -> Option<&'a [u8]> {
        self.data.get(start..start.checked_add(count)?)
    }

    /// Whether more was read than there is: by more than a window, since it is filled ahead.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.next > self.data.len() + 8
    }

    /// The next 32 bits; zeros behind the end.
    #[inline(always)]
    fn fetch(&mut self) -> u64 {
        let bytes = self.data.get(self.next..).and_then(<[u8]>::first_chunk);
        let word = match bytes {
            Some(&bytes) => u32::from_be_bytes(bytes),
            None => self.fetch_at_the_end(),
        };
        self.next += 4;
        word.into()
    }

    #[cold]
    fn fetch_at_the_end(&self) -> u32 {
        let mut bytes = [0; 4];
        let rest = self.data.get(self.next..).unwrap_or_default();
        for (byte, &source) in bytes.iter_mut().zip(rest) {
            *byte = source;
        }
        u32::from_be_bytes(bytes)
    }

    /// Takes bits from the window: at most 6, as many as the smallest range is shifted by.
    #[inline(always)]
    fn advance(&mut self, bits: u32) {
        self.window <<= bits;
        if self.window as u32 == 0 {
            // Bits take the place of the one, which goes behind them: 32 places down.
            let one = self.window.trailing_zeros();
            let more = (self.fetch() << 1 | 1).wrapping_sub(1 << 32);
            self.window = self.window.wrapping_add(more << (one & 31));
        }
    }

    /// DecodeDecision (9.3.3.2.1) by a context variable.
    #[inline(always)]
    pub(crate) fn decision(&mut self, context: &mut u8) -> bool {
        let state = STATES[usize::from(*context)];
        let range_lps = state << (self.range >> 58 & 24) & RANGE_LPS;
        let range_mps = self.range - range_lps;
        // Which symbol comes is what cannot be predicted: both ways are data.
        let is_mps = self.window < range_mps;
        let range = select_unpredictable(is_mps, range_mps, range_lps);
        self.window -= select_unpredictable(is_mps, 0, range_mps);
        let next = select_unpredictable(is_mps, state, state >> 8) as u8;
        *context = next;
        let shift = range.leading_zeros();
        self.range = range << shift;
        self.advance(shift);
        next >> 7 != 0
    }

    /// DecodeBypass (9.3.3.2.3): instead of the offset being doubled the range is halved.
    #[inline(always)]
    pub(crate) fn bypass(&mut self) -> bool {
        let half = self.range >> 1;
        let bin = self.window >= half;
        self.window = select_unpredictable(bin, self.window.wrapping_sub(half), self.window);
        self.advance(1);
        bin
    }

    /// DecodeTerminate (9.3.3.2.2.3), as `end_of_slice_flag` has it.
    #[inline]
    pub(crate) fn terminate(&mut self) -> bool {
        self.range -= 2 << Self::SCALE;
        if self.window >= self.range {
            return true;
        }
        let shift = self.range.leading_zeros();
        self.range <<= shift;
        self.advance(shift);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cabac_encoder::Encoder;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Bin {
        Decision(usize, bool),
        Bypass(bool),
        Terminate(bool),
    }

    /// Bins of every kind, those of some contexts nearly always alike, so that all states are met.
    fn bins(seed: u64, count: usize) -> Vec<Bin> {
        let mut seed = seed;
        let mut next = || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            seed >> 33
        };
        (0..count)
            .map(|_| match next() % 8 {
                0 => Bin::Bypass(next() & 1 == 1),
                1 => Bin::Terminate(false),
                _ => {
                    let context = (next() % 40) as usize;
                    Bin::Decision(context, next() % 100 < context as u64 * 3)
                }
            })
            .chain([Bin::Terminate(true)])
            .collect()
    }

    #[test]
    fn s9_3_1_2_the_engine_reads_what_the_encoder_of_9_3_4_writes() {
        for seed in 0..60 {
            let bins = bins(seed, 3000);
            let reader = Cabac::new(&[], 0, (seed % 4) as usize, (seed % 52) as i32);
            let mut encoder = Encoder::like(&reader);
            for &bin in &bins {
                match bin {
                    Bin::Decision(context, bin) => encoder.decision(context, bin),
                    Bin::Bypass(bin) => encoder.bypass(bin),
                    Bin::Terminate(bin) => encoder.terminate(bin),
                }
            }
            let mut data = encoder.bytes();
            let end = data.len();
            // What an I_PCM macroblock has behind its terminating bin.
            data.extend_from_slice(&[0xab, 0xcd]);
            let mut reader = Cabac::new(&data, 0, (seed % 4) as usize, (seed % 52) as i32);
            for (index, &bin) in bins.iter().enumerate() {
                let read = match bin {
                    Bin::Decision(context, _) => Bin::Decision(context, reader.decision(context)),
                    Bin::Bypass(_) => Bin::Bypass(reader.bypass()),
                    Bin::Terminate(_) => Bin::Terminate(reader.terminate()),
                };
                assert_eq!(read, bin, "bin {index} of seed {seed}");
            }
            assert_eq!(reader.engine.byte_position(), end);
            assert_eq!(reader.engine.samples(end, 2), Some(&[0xab, 0xcd][..]));
        }
    }

    #[test]
    fn s9_3_1_1_contexts_begin_as_their_tables_say() {
        // ctxIdx 11 with cabac_init_idc 0 at SliceQPY 26: m 23, n 33: (23 * 26 >> 4) + 33 = 70.
        let reader = Cabac::new(&[], 0, 1, 26);
        assert_eq!(reader.contexts[11], (70 - 64) << 1 | 1);
        // ctxIdx 3 of I slices at 0: m 20, n -15: at least 1.
        let reader = Cabac::new(&[], 0, 0, 0);
        assert_eq!(reader.contexts[3], (63 - 1) << 1);
    }

    #[test]
    fn behind_the_end_it_says_so() {
        let mut reader = Cabac::new(&[0x5a; 20], 0, 0, 26);
        (0..100).for_each(|_| _ = reader.bypass());
        assert!(!reader.engine.is_exhausted());
        (0..400).for_each(|_| _ = reader.bypass());
        assert!(reader.engine.is_exhausted());
    }
}
