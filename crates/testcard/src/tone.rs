//! The sound of the test signal.

use std::f64::consts::TAU;

/// How long the beep at each full second is, in milliseconds; the flash is at least as long.
pub const BEEP_MS: u32 = 80;
/// Pitch between the beeps.
pub const TONE_HZ: u32 = 1000;
/// Pitch of the beep.
pub const BEEP_HZ: u32 = 2000;

/// A quiet sine, and on each full second of the wall clock a louder and higher beep, in step with
/// the picture's flash.
///
/// Both pitches have whole periods in a second and in [`BEEP_MS`], so each begins where the other
/// one ends, at zero: the phase is continuous and every second sounds like the one before.
#[derive(Clone, Debug)]
pub struct Tone {
    sample_rate_hz: u32,
    channels: usize,
    /// Samples since the last full second.
    position: u32,
}

impl Tone {
    /// A tone whose first sample belongs to `first_sample_unix_ms` on the wall clock. All channels
    /// get the same.
    ///
    /// A rate or number of channels of 0 counts as 1.
    #[must_use]
    pub fn new(sample_rate_hz: u32, channels: usize, first_sample_unix_ms: i64) -> Self {
        let sample_rate_hz = sample_rate_hz.max(1);
        let ms = first_sample_unix_ms.rem_euclid(1000).unsigned_abs();
        // Less than the rate, so it fits again.
        let position = (ms * u64::from(sample_rate_hz) / 1000) as u32;
        Self { sample_rate_hz, channels: channels.max(1), position }
    }

    /// Fills `samples` with the next ones, channels interleaved. An incomplete last group of
    /// channels is filled too, and counts as a whole one.
    pub fn fill(&mut self, samples: &mut [i16]) {
        for channels in samples.chunks_mut(self.channels) {
            channels.fill(self.next_sample());
        }
    }

    fn next_sample(&mut self) -> i16 {
        let position = self.position;
        self.position = (position + 1) % self.sample_rate_hz;
        let beeps =
            u64::from(position) * 1000 < u64::from(BEEP_MS) * u64::from(self.sample_rate_hz);
        let (pitch_hz, amplitude) =
            if beeps { (BEEP_HZ, BEEP_AMPLITUDE) } else { (TONE_HZ, TONE_AMPLITUDE) };
        // In whole numbers, so that it does not drift.
        let phase = u64::from(position) * u64::from(pitch_hz) % u64::from(self.sample_rate_hz);
        let angle = TAU * phase as f64 / f64::from(self.sample_rate_hz);
        (amplitude * angle.sin()).round() as i16
    }
}

/// -32 dB of full scale: to be heard, not to be noticed.
const TONE_AMPLITUDE: f64 = 823.0;
/// -18 dB of full scale.
const BEEP_AMPLITUDE: f64 = 4125.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(rate: u32, channels: usize, unix_ms: i64, count: usize) -> Vec<i16> {
        let mut samples = vec![0; count * channels];
        Tone::new(rate, channels, unix_ms).fill(&mut samples);
        samples
    }

    fn rising_zeros(samples: &[i16]) -> usize {
        samples.windows(2).filter(|pair| pair[0] <= 0 && pair[1] > 0).count()
    }

    #[test]
    fn the_beep_has_its_pitch_length_and_place() {
        for rate in [48_000, 44_100, 32_000, 8000_u32] {
            let second = samples(rate, 1, 1_700_000_000_000, rate as usize);
            let (beep, tone) = second.split_at((rate * BEEP_MS / 1000) as usize);
            let loud = |samples: &[i16]| samples.iter().map(|s| s.unsigned_abs()).max().unwrap();
            assert!(loud(beep) > 4000, "{rate}");
            assert!((700..1000).contains(&loud(tone)), "{rate}: {}", loud(tone));
            assert_eq!(rising_zeros(beep), 160, "{rate}");
            assert_eq!(rising_zeros(tone), 920, "{rate}");
        }
    }

    #[test]
    fn a_tone_that_starts_later_is_the_rest_of_one_that_started_earlier() {
        let whole = samples(48_000, 1, 5_000, 100_000);
        assert_eq!(samples(48_000, 1, 5_990, 1000), whole[990 * 48..990 * 48 + 1000]);
        assert_eq!(samples(48_000, 1, -10, 1000), whole[990 * 48..990 * 48 + 1000]);
        assert_eq!(whole[..4800], whole[48_000..52_800], "each second is the same");
    }

    #[test]
    fn pieces_and_channels_make_no_difference() {
        let mono = samples(48_000, 1, 0, 10_000);
        let mut tone = Tone::new(48_000, 2, 0);
        let mut stereo = vec![0; 20_000];
        stereo.chunks_mut(2 * 333).for_each(|piece| tone.fill(piece));
        assert!(stereo.chunks(2).zip(&mono).all(|(pair, sample)| pair == [*sample; 2]));
    }

    #[test]
    fn there_is_no_click_where_the_pitch_changes() {
        let second = samples(48_000, 1, 0, 48_000 * 2);
        let steps = second.windows(2).map(|pair| (pair[1] - pair[0]).unsigned_abs());
        // The steepest part of the beep: amplitude times 2 pi times pitch, over the rate.
        assert!(steps.max().unwrap() <= 1080);
    }
}
