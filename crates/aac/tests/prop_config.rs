//! Configurations written bit by bit after ISO/IEC 14496-3 1.6.2.1 come back.

use aac::AudioSpecificConfig;
use proptest::prelude::*;

/// 14496-3 table 1.18.
const FREQUENCIES_HZ: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];
/// 14496-3 table 1.19: configuration and channels.
const CHANNELS: [(u32, u8); 9] =
    [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 8), (11, 7), (12, 8)];

/// Bits as text: plain to read, and another way than the parser's.
#[derive(Default)]
struct Bits(String);

impl Bits {
    fn put(&mut self, value: u32, count: usize) -> &mut Self {
        self.0 += &format!("{value:0count$b}");
        self
    }

    /// By index where there is one and it is wanted, else by the escape.
    fn put_frequency(&mut self, hz: u32, escape: bool) -> &mut Self {
        match FREQUENCIES_HZ.iter().position(|&known| known == hz) {
            Some(index) if !escape => self.put(index as u32, 4),
            _ => self.put(15, 4).put(hz, 24),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let padded = self.0.clone() + &"0".repeat(self.0.len().next_multiple_of(8) - self.0.len());
        padded
            .as_bytes()
            .chunks(8)
            .map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | (bit - b'0')))
            .collect()
    }
}

#[derive(Clone, Copy, Debug)]
enum Signalling {
    None,
    Hierarchical,
    BackwardCompatible,
}

proptest! {
    #[test]
    fn every_field_comes_back(
        object_type in 1_u32..=4,
        frequency in prop_oneof![proptest::sample::select(&FREQUENCIES_HZ[..]), 1_u32..1 << 24],
        escape: bool,
        (configuration, channels) in proptest::sample::select(&CHANNELS[..]),
        short_frames: bool,
        signalling in proptest::sample::select(
            &[Signalling::None, Signalling::Hierarchical, Signalling::BackwardCompatible][..]
        ),
        sbr_frequency in proptest::sample::select(&FREQUENCIES_HZ[..]),
        ps: bool,
    ) {
        let mut bits = Bits::default();
        let is_hierarchical = matches!(signalling, Signalling::Hierarchical);
        bits.put(if !is_hierarchical { object_type } else if ps { 29 } else { 5 }, 5);
        bits.put_frequency(frequency, escape).put(configuration, 4);
        if is_hierarchical {
            bits.put_frequency(sbr_frequency, escape).put(object_type, 5);
        }
        bits.put(short_frames.into(), 1).put(0, 2);
        if matches!(signalling, Signalling::BackwardCompatible) {
            bits.put(0x2b7, 11).put(5, 5).put(1, 1).put_frequency(sbr_frequency, escape);
            bits.put(0x548, 11).put(ps.into(), 1);
        }
        let config = AudioSpecificConfig::parse(&bits.bytes()).expect("a good configuration");
        prop_assert_eq!(u32::from(config.object_type), object_type);
        prop_assert_eq!((config.sample_rate_hz, config.channels), (frequency, channels));
        prop_assert_eq!(config.samples_per_frame, if short_frames { 960 } else { 1024 });
        let has_sbr = !matches!(signalling, Signalling::None);
        prop_assert_eq!((config.sbr, config.ps), (has_sbr.then_some(sbr_frequency), has_sbr && ps));
    }
}
