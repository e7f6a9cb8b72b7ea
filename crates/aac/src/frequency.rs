//! Sampling frequency indices.

use crate::Error;
use crate::bits::{BitWriter, Bits};

/// 14496-3 table 1.18. Indices 13 and 14 are reserved, 15 is the escape.
const FREQUENCIES_HZ: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];
const ESCAPE: u8 = 15;

/// `samplingFrequencyIndex` and, after the escape, 24 bits of hertz.
pub(crate) fn read(bits: &mut Bits<'_>) -> Result<u32, Error> {
    let position = bits.position();
    let index = bits.u8(4, "sampling frequency index")?;
    let hz = match index {
        ESCAPE => bits.u32(24, "sampling frequency")?,
        _ => FREQUENCIES_HZ.get(usize::from(index)).copied().unwrap_or(0),
    };
    if hz == 0 { Err(Error::SampleRate { index, position }) } else { Ok(hz) }
}

/// Writes the index of the frequency, or the escape and 24 bits of hertz.
pub(crate) fn write(hz: u32, bits: &mut BitWriter) {
    match index_of(hz) {
        Some(index) => bits.push(index.into(), 4),
        None => {
            bits.push(ESCAPE.into(), 4);
            bits.push(hz, 24);
        }
    }
}

/// The frequency of this index, in hertz.
pub(crate) fn of_index(index: usize) -> Option<u32> {
    FREQUENCIES_HZ.get(index).copied()
}

/// The index of this frequency, where it has one.
pub(crate) fn index_of(hz: u32) -> Option<u8> {
    let index = FREQUENCIES_HZ.iter().position(|&known| known == hz)?;
    u8::try_from(index).ok()
}
