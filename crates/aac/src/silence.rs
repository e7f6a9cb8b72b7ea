//! A frame of silence.

use crate::AudioSpecificConfig;
use crate::bits::BitWriter;

/// The syntactic elements that channels come in (14496-3 table 4.85), by their ids.
#[derive(Clone, Copy)]
enum Element {
    SingleChannel = 0,
    ChannelPair = 1,
    LowFrequency = 3,
}

/// `id_syn_ele` of the end of a `raw_data_block`.
const END: u32 = 7;

impl AudioSpecificConfig {
    /// A frame in which nothing is heard, of few bytes and by the syntax alone: no scale factor
    /// band has a coefficient (14496-3 4.4.2.1, `max_sfb` 0). It is the same at all rates. None
    /// where the channels stand in a program config element, which is not kept.
    #[must_use]
    pub fn silent_frame(&self) -> Option<Vec<u8>> {
        let mut bits = BitWriter::default();
        for &(element, instance_tag) in elements(self.channel_configuration)? {
            bits.push(element as u32, 3);
            bits.push(instance_tag, 4);
            match element {
                Element::SingleChannel | Element::LowFrequency => {
                    push_global_gain(&mut bits);
                    push_ics_info(&mut bits);
                    push_no_tools(&mut bits);
                }
                Element::ChannelPair => {
                    // `common_window`, and no `ms_mask_present`.
                    bits.push(1, 1);
                    push_ics_info(&mut bits);
                    bits.push(0, 2);
                    for _channel in 0..2 {
                        push_global_gain(&mut bits);
                        push_no_tools(&mut bits);
                    }
                }
            }
        }
        bits.push(END, 3);
        Some(bits.into_bytes())
    }
}

/// In which elements the channels of a configuration come (14496-3 table 1.19), each with its
/// `element_instance_tag`, which counts those of a kind.
fn elements(channel_configuration: u8) -> Option<&'static [(Element, u32)]> {
    use Element::{ChannelPair as Cpe, LowFrequency as Lfe, SingleChannel as Sce};
    Some(match channel_configuration {
        1 => &[(Sce, 0)],
        2 => &[(Cpe, 0)],
        3 => &[(Sce, 0), (Cpe, 0)],
        4 => &[(Sce, 0), (Cpe, 0), (Sce, 1)],
        5 => &[(Sce, 0), (Cpe, 0), (Cpe, 1)],
        6 => &[(Sce, 0), (Cpe, 0), (Cpe, 1), (Lfe, 0)],
        7 => &[(Sce, 0), (Cpe, 0), (Cpe, 1), (Cpe, 2), (Lfe, 0)],
        _ => return None,
    })
}

/// Nothing is scaled by it.
fn push_global_gain(bits: &mut BitWriter) {
    bits.push(0, 8);
}

/// One long window of sine shape, no scale factor bands, no prediction (14496-3 4.4.2.1).
fn push_ics_info(bits: &mut BitWriter) {
    bits.push(0, 1 + 2 + 1 + 6 + 1);
}

/// Neither pulses nor noise shaping nor gain control.
fn push_no_tools(bits: &mut BitWriter) {
    bits.push(0, 3);
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn frame(config: &[u8]) -> Option<Vec<u8>> {
        AudioSpecificConfig::parse(config).unwrap().silent_frame()
    }

    #[test]
    fn one_channel_and_two() {
        // id 000, tag 0000, gain 00000000, window and bands 00000000000, no tools 000, end 111.
        assert_eq!(frame(&hex!("1208")), Some(hex!("0000 0007").to_vec()));
        // id 001, tag 0000, common 1, window 0 x 11, mask 00, twice gain and tools 0 x 11, end 111.
        assert_eq!(frame(&hex!("1210")), Some(hex!("2100 0000 001c").to_vec()));
    }

    #[test]
    fn channels_of_each_configuration_up_to_seven_and_one_there_are_eight_of() {
        let bytes = (1..=7_u8).map(|channels| {
            let frame = frame(&[0x11, 0x80 | channels << 3]).expect("a frame");
            frame.len()
        });
        assert_eq!(bytes.collect::<Vec<_>>(), [4, 6, 10, 13, 15, 19, 24]);
    }
}
