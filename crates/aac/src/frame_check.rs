//! Whether a frame can be what its configuration says, as far as that shows without decoding.

use crate::AudioSpecificConfig;
use crate::bits::Bits;

const ID_SCE: u8 = 0;
const ID_CPE: u8 = 1;
const ID_DSE: u8 = 4;
const ID_FIL: u8 = 6;
const ID_END: u8 = 7;
const EIGHT_SHORT_SEQUENCE: u8 = 2;
/// `section_codebook` that stands for nothing.
const RESERVED_CODEBOOK: u8 = 12;
/// Elements before the first channel that are looked at; encoders write one or two.
const MAX_ELEMENTS_BEFORE: usize = 16;
/// An END element and its alignment; some encoders send it for silence.
const MAX_EMPTY_BYTES: usize = 2;

impl AudioSpecificConfig {
    /// Whether the frame begins as a raw data block of AAC-LC with these channels does (14496-3
    /// 4.4.2.1): the first element, its window and its sections. True for what is not looked at:
    /// other object types, and layouts without a number.
    ///
    /// Frames of noise pass once in several hundred; good ones always do.
    #[must_use]
    pub fn begins_frame(&self, frame: &[u8]) -> bool {
        if self.object_type != 2 || !(1..=7).contains(&self.channel_configuration) {
            return true;
        }
        let expected = if self.channel_configuration == 2 { ID_CPE } else { ID_SCE };
        let is_empty =
            frame.len() <= MAX_EMPTY_BYTES && frame.first().is_some_and(|it| it >> 5 == ID_END);
        is_empty || read(&mut Bits::new(frame), expected).is_some()
    }
}

/// `raw_data_block()` up to the sections of the first channel; None where it is none.
fn read(bits: &mut Bits<'_>, expected: u8) -> Option<()> {
    for _ in 0..MAX_ELEMENTS_BEFORE {
        match bits.u8(3, "element").ok()? {
            ID_DSE => skip_data(bits)?,
            ID_FIL => skip_fill(bits)?,
            ID_CPE if expected == ID_CPE => return read_pair(bits),
            ID_SCE if expected == ID_SCE => {
                bits.skip(4 + 8, "instance tag and global gain").ok()?;
                let window = Window::read(bits)?;
                return window.read_sections(bits);
            }
            _ => return None,
        }
    }
    None
}

fn read_pair(bits: &mut Bits<'_>) -> Option<()> {
    bits.skip(4, "instance tag").ok()?;
    if !bits.flag("common window").ok()? {
        bits.skip(8, "global gain").ok()?;
        let window = Window::read(bits)?;
        return window.read_sections(bits);
    }
    let window = Window::read(bits)?;
    match bits.u8(2, "ms mask").ok()? {
        1 => {
            let flags = window.groups.saturating_mul(window.max_sfb.into());
            bits.skip(flags, "ms mask").ok()?;
        }
        3 => return None,
        _ => {}
    }
    bits.skip(8, "global gain").ok()?;
    window.read_sections(bits)
}

/// `ics_info()` (14496-3 table 4.6).
struct Window {
    max_sfb: u8,
    groups: usize,
    is_short: bool,
}

impl Window {
    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        if bits.flag("reserved bit").ok()? {
            return None;
        }
        let is_short = bits.u8(2, "window sequence").ok()? == EIGHT_SHORT_SEQUENCE;
        bits.skip(1, "window shape").ok()?;
        if is_short {
            let max_sfb = bits.u8(4, "max sfb").ok()?;
            // A bit says of each window but the first that it goes with the one before.
            let grouping = bits.u8(7, "window groups").ok()?;
            let groups = usize::try_from(grouping.count_zeros()).unwrap_or(8);
            return Some(Self { max_sfb, groups, is_short });
        }
        let max_sfb = bits.u8(6, "max sfb").ok()?;
        // No sampling frequency has more bands, and LC has no prediction.
        let is_prediction = bits.flag("predictor data").ok()?;
        (max_sfb <= 51 && !is_prediction).then_some(Self { max_sfb, groups: 1, is_short })
    }

    /// `section_data()` (table 4.52): sections cover the bands exactly.
    fn read_sections(&self, bits: &mut Bits<'_>) -> Option<()> {
        let length_bits = if self.is_short { 3 } else { 5 };
        let escape = if self.is_short { 7 } else { 31 };
        for _ in 0..self.groups {
            let mut band: u8 = 0;
            while band < self.max_sfb {
                if bits.u8(4, "section codebook").ok()? == RESERVED_CODEBOOK {
                    return None;
                }
                loop {
                    let length = bits.u8(length_bits, "section length").ok()?;
                    band = band.saturating_add(length);
                    if length != escape {
                        break;
                    }
                }
            }
            if band > self.max_sfb {
                return None;
            }
        }
        Some(())
    }
}

/// `data_stream_element()`.
fn skip_data(bits: &mut Bits<'_>) -> Option<()> {
    bits.skip(4, "instance tag").ok()?;
    let is_aligned = bits.flag("alignment").ok()?;
    let mut count = usize::from(bits.u8(8, "count").ok()?);
    if count == 255 {
        count = count.saturating_add(bits.u8(8, "count").ok()?.into());
    }
    if is_aligned {
        bits.align_to_byte();
    }
    bits.skip(count.saturating_mul(8), "data").ok()
}

/// `fill_element()`.
fn skip_fill(bits: &mut Bits<'_>) -> Option<()> {
    let mut count = usize::from(bits.u8(4, "count").ok()?);
    if count == 15 {
        count = count.saturating_add(bits.u8(8, "count").ok()?.into()).saturating_sub(1);
    }
    bits.skip(count.saturating_mul(8), "fill").ok()
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn stereo() -> AudioSpecificConfig {
        AudioSpecificConfig::parse(&hex!("1190")).unwrap()
    }

    #[test]
    fn s4_4_2_1_frames_of_silence_begin_as_they_should() {
        // FFmpeg's encoder and Fraunhofer's, stereo.
        for frame in [&hex!("211004608c1c")[..], &hex!("21004990021900238000")] {
            assert!(stereo().begins_frame(frame), "{frame:02x?}");
        }
        // FFmpeg's comment in a fill element comes before the first channels.
        assert!(stereo().begins_frame(&hex!(
            "de02004c61766335392e33372e3130300042501fffffe00aa672274cc1d12b7bf1cfd7"
        )));
        assert!(stereo().begins_frame(&hex!("e0")));
    }

    #[test]
    fn case_16_noise_does_not_begin_a_frame() {
        let mut state = 1_u64;
        let mut noise = || {
            let bytes = (0..128).map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_be_bytes()[3]
            });
            bytes.collect::<Vec<u8>>()
        };
        let passed = (0..10_000).filter(|_| stereo().begins_frame(&noise())).count();
        assert!(passed < 100, "{passed} of 10000");
        let mono = AudioSpecificConfig::parse(&hex!("1188")).unwrap();
        let passed = (0..10_000).filter(|_| mono.begins_frame(&noise())).count();
        assert!(passed < 200, "{passed} of 10000");
    }

    #[test]
    fn a_pair_is_not_mono_and_other_objects_are_not_looked_at() {
        let mono = AudioSpecificConfig::parse(&hex!("1188")).unwrap();
        assert!(!mono.begins_frame(&hex!("211004608c1c")));
        let main = AudioSpecificConfig::parse(&hex!("0990")).unwrap();
        assert!(main.begins_frame(&hex!("ffff")));
    }
}
