//! The arithmetic encoder, for tests of what reads it.

use crate::cabac::Cabac;
use crate::cabac_tables::{RANGE_TAB_LPS, TRANS_IDX_LPS};

/// The encoder of 9.3.4.2 to 9.3.4.5, bit by bit.
pub(crate) struct Encoder {
    low: u32,
    range: u32,
    outstanding: u32,
    is_first: bool,
    bits: Vec<bool>,
    /// `pStateIdx` and `valMPS`.
    contexts: Vec<(usize, bool)>,
}

impl Encoder {
    /// With the contexts that a reader begins with.
    pub(crate) fn like(reader: &Cabac<'_>) -> Self {
        let contexts = reader
            .contexts
            .iter()
            .map(|&context| (usize::from(context >> 1), context & 1 == 1))
            .collect();
        Self { low: 0, range: 510, outstanding: 0, is_first: true, bits: Vec::new(), contexts }
    }

    fn put(&mut self, bit: bool) {
        if !std::mem::take(&mut self.is_first) {
            self.bits.push(bit);
        }
        let outstanding = std::mem::take(&mut self.outstanding);
        self.bits.extend(std::iter::repeat_n(!bit, outstanding as usize));
    }

    fn renormalise(&mut self) {
        while self.range < 256 {
            self.shift();
            self.range <<= 1;
        }
    }

    fn shift(&mut self) {
        if self.low < 256 {
            self.put(false);
        } else if self.low >= 512 {
            self.low -= 512;
            self.put(true);
        } else {
            self.low -= 256;
            self.outstanding += 1;
        }
        self.low <<= 1;
    }

    pub(crate) fn decision(&mut self, context: usize, bin: bool) {
        let (state, mps) = self.contexts[context];
        let lps_range = u32::from(RANGE_TAB_LPS[state][(self.range >> 6 & 3) as usize]);
        self.range -= lps_range;
        if bin == mps {
            self.contexts[context].0 = (state + 1).min(62);
        } else {
            self.low += self.range;
            self.range = lps_range;
            self.contexts[context] =
                (TRANS_IDX_LPS[state].into(), if state == 0 { !mps } else { mps });
        }
        self.renormalise();
    }

    pub(crate) fn bypass(&mut self, bin: bool) {
        self.low <<= 1;
        if bin {
            self.low += self.range;
        }
        if self.low >= 1024 {
            self.put(true);
            self.low -= 1024;
        } else if self.low < 512 {
            self.put(false);
        } else {
            self.low -= 512;
            self.outstanding += 1;
        }
    }

    /// A suffix of order `k` (9.3.2.3).
    pub(crate) fn exp_golomb(&mut self, value: i32, mut k: u32) {
        let mut rest = value;
        while rest >= 1 << k {
            self.bypass(true);
            rest -= 1 << k;
            k += 1;
        }
        self.bypass(false);
        (0..k).rev().for_each(|bit| self.bypass(rest >> bit & 1 == 1));
    }

    pub(crate) fn terminate(&mut self, bin: bool) {
        self.range -= 2;
        if bin {
            self.low += self.range;
            self.range = 2;
            self.renormalise();
            self.put(self.low >> 9 & 1 == 1);
            self.bits.push(self.low >> 8 & 1 == 1);
            self.bits.push(true);
        } else {
            self.renormalise();
        }
    }

    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.bits.resize(self.bits.len().next_multiple_of(8), false);
        let byte = |bits: &[bool]| bits.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
        self.bits.chunks(8).map(byte).collect()
    }
}
