//! The arithmetic decoding engine (ITU-T H.264 9.3.1.2 and 9.3.3.2).

use crate::cabac_tables::{CONTEXT_INIT, CONTEXTS, RANGE_TAB_LPS, TRANS_IDX_LPS};

/// A context variable: `pStateIdx` in the upper seven bits, `valMPS` in the lowest.
pub(crate) type Contexts = [u8; 512];

/// By context variable, all that a decision needs of it in one word: `rangeTabLPS` by
/// `qCodIRangeIdx` in the lower four bytes, then what the variable becomes behind the more, and
/// behind the less probable symbol.
const STATES: [u64; 128] = {
    let mut table = [0; 128];
    let mut index = 0;
    while index < 126 {
        let (state, mps) = ((index >> 1) as u8, (index & 1) as u8);
        let next_mps = if state < 62 { state + 1 } else { 62 };
        let switched = if state == 0 { 1 - mps } else { mps };
        let [a, b, c, d] = RANGE_TAB_LPS[index >> 1];
        let next_lps = TRANS_IDX_LPS[index >> 1];
        let bytes = [a, b, c, d, next_mps << 1 | mps, next_lps << 1 | switched, 0, 0];
        table[index] = u64::from_le_bytes(bytes);
        index += 1;
    }
    table
};

/// `codIOffset` is kept in nine bits near the top of a wide window, with bits of the stream that
/// come next behind it: bits are fetched six bytes at a time. The uppermost bit is for what bypass
/// decoding doubles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Engine<'a> {
    data: &'a [u8],
    /// Bytes taken into the window.
    next: usize,
    window: u64,
    /// Bits in the window behind the nine; at least [`Self::MIN_AVAILABLE`] between calls.
    available: u32,
    range: u32,
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
        let mut engine = Engine { data, next: start, window: 0, available: 0, range: 510 };
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
    /// The most that one decision shifts is 7.
    const MIN_AVAILABLE: u32 = 7;
    /// Bits behind `codIOffset`.
    const SCALE: u32 = 54;

    /// Initialises the engine at a byte, as behind the samples of I_PCM (9.3.1.2).
    pub(crate) fn restart(&mut self, start: usize) {
        self.next = start;
        self.range = 510;
        self.window = self.fetch() << 15;
        // Of 48 bits nine are the offset.
        self.available = 39;
    }

    /// The byte behind what the engine has read, after a terminating bin: where I_PCM samples
    /// begin.
    pub(crate) fn byte_position(&self) -> usize {
        // The encoder's flush ends with the last of the nine bits that are the offset (9.3.4.5).
        let bits_read = self.next * 8 - self.available as usize;
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

    /// The next 48 bits; zeros behind the end.
    #[inline(always)]
    fn fetch(&mut self) -> u64 {
        let bytes = self.data.get(self.next..).and_then(<[u8]>::first_chunk);
        let word = match bytes {
            Some(&bytes) => u64::from_be_bytes(bytes) >> 16,
            None => self.fetch_at_the_end(),
        };
        self.next += 6;
        word
    }

    #[cold]
    fn fetch_at_the_end(&self) -> u64 {
        let mut bytes = [0; 8];
        let rest = self.data.get(self.next..).unwrap_or_default();
        for (byte, &source) in bytes.iter_mut().zip(rest).take(6) {
            *byte = source;
        }
        u64::from_be_bytes(bytes) >> 16
    }

    #[inline(always)]
    fn refill(&mut self) {
        if self.available < Self::MIN_AVAILABLE {
            // 54 bits are behind the offset: 48 more fit, since at most 6 are there.
            self.window |= self.fetch() << (6 - self.available);
            self.available += 48;
        }
    }

    /// DecodeDecision (9.3.3.2.1) by a context variable.
    #[inline(always)]
    pub(crate) fn decision(&mut self, context: &mut u8) -> bool {
        let state = *context;
        let entry = STATES[(state & 127) as usize];
        // What one decision waits for of the one before is short: the range chooses a byte of a
        // word that is there, and both shifts are ready when the symbol is known.
        let range_lps = u32::from((entry as u32 >> ((self.range >> 3) & 24)) as u8);
        let range_mps = self.range - range_lps;
        let scaled = u64::from(range_mps) << Self::SCALE;
        let rest = self.window.wrapping_sub(scaled);
        // Which symbol comes is what cannot be predicted: both ways are data, chosen by a mask.
        // All bits are set for the more probable symbol: neither number has its highest bit set.
        let mask = (rest as i64 >> 63) as u64;
        let mask_32 = mask as u32;
        let shift_lps = range_lps.leading_zeros().wrapping_sub(23);
        let shift_mps = (range_mps >> 8) ^ 1;
        let shift = shift_lps.wrapping_add(shift_mps.wrapping_sub(shift_lps) & mask_32);
        let range = range_lps.wrapping_add(range_mps.wrapping_sub(range_lps) & mask_32);
        *context = (entry >> (40 - (8 & mask_32))) as u8;
        self.range = range << shift;
        self.window = rest.wrapping_add(scaled & mask) << shift;
        self.available -= shift;
        self.refill();
        (u32::from(state) ^ mask_32) & 1 == 0
    }

    /// DecodeBypass (9.3.3.2.3).
    #[inline(always)]
    pub(crate) fn bypass(&mut self) -> bool {
        self.window <<= 1;
        self.available -= 1;
        let scaled = u64::from(self.range) << Self::SCALE;
        let bin = self.window >= scaled;
        self.window -= if bin { scaled } else { 0 };
        self.refill();
        bin
    }

    /// DecodeTerminate (9.3.3.2.2.3), as `end_of_slice_flag` has it.
    #[inline]
    pub(crate) fn terminate(&mut self) -> bool {
        self.range -= 2;
        if self.window >= u64::from(self.range) << Self::SCALE {
            return true;
        }
        let shift = self.range.leading_zeros() - 23;
        self.range <<= shift;
        self.window <<= shift;
        self.available -= shift;
        self.refill();
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
