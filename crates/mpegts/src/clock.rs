//! The 33-bit clock of a transport stream, and when it is due in the stream.

use media::{Duration, Timestamp, WIRE_SHIFT};

/// How far the PCR runs ahead of the DTS in the same packet (0.7 s).
///
/// It is the time a decoder has to receive a picture before decoding it, and the longest that a
/// group of audio frames may be held back by the caller without arriving late.
pub(crate) const PCR_LEAD: Duration = Duration::from_millis(700);

/// The longest time between two PCRs (13818-1 2.7.2).
const MAX_PCR_INTERVAL: Duration = Duration::from_millis(100);

const MASK_33_BITS: u64 = (1 << 33) - 1;

/// The shifted time as a PTS, DTS or PCR base: 90 kHz, 33 bits, wrapping.
pub(crate) fn wrap_33_bits(time: Timestamp) -> u64 {
    (time + WIRE_SHIFT).ticks() as u64 & MASK_33_BITS
}

/// The PCR base that goes with a sample of decoding time `dts`.
pub(crate) fn pcr_base(dts: Timestamp) -> u64 {
    wrap_33_bits(dts - PCR_LEAD)
}

/// Decides which samples carry a PCR.
#[derive(Debug, Default)]
pub(crate) struct PcrSchedule {
    last_pcr: Option<Timestamp>,
    last_sample: Option<Timestamp>,
}

impl PcrSchedule {
    /// The next sample has to carry a PCR.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }

    /// Whether the sample at `dts` has to carry a PCR: the one after it, if as far away as the one
    /// before, would come too late.
    pub(crate) fn is_due(&self, dts: Timestamp) -> bool {
        let (Some(last_pcr), Some(last_sample)) = (self.last_pcr, self.last_sample) else {
            return true;
        };
        let next = dts + (dts - last_sample);
        next - last_pcr > MAX_PCR_INTERVAL
    }

    /// Notes a sample that was written.
    pub(crate) fn wrote(&mut self, dts: Timestamp, with_pcr: bool) {
        self.last_sample = Some(dts);
        if with_pcr {
            self.last_pcr = Some(dts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_wrap_at_33_bits() {
        let last = Timestamp::from_ticks((1 << 33) - 1) - WIRE_SHIFT;
        assert_eq!(wrap_33_bits(last), 0x1_ffff_ffff);
        assert_eq!(wrap_33_bits(last + Duration::from_ticks(1)), 0);
        assert_eq!(
            wrap_33_bits(Timestamp::ZERO - WIRE_SHIFT - Duration::from_ticks(1)),
            0x1_ffff_ffff
        );
        assert_eq!(wrap_33_bits(Timestamp::from_ticks(i64::MAX)), 0x1_ffff_ffff);
    }

    #[test]
    fn pcr_of_time_zero_is_positive_and_leads_the_dts() {
        assert_eq!(pcr_base(Timestamp::ZERO), 63_000);
        assert_eq!(wrap_33_bits(Timestamp::ZERO) - pcr_base(Timestamp::ZERO), 63_000);
    }

    fn due_at(interval_ms: i64) -> Vec<i64> {
        let mut schedule = PcrSchedule::default();
        let mut due = Vec::new();
        for ms in (0..).step_by(interval_ms as usize).take(8) {
            let dts = Timestamp::from_millis(ms);
            let is_due = schedule.is_due(dts);
            schedule.wrote(dts, is_due);
            due.extend(is_due.then_some(ms));
        }
        due
    }

    #[test]
    fn pcr_comes_at_least_every_100_ms_13818_1_2_7_2() {
        assert_eq!(due_at(20), [0, 100], "50 pictures a second");
        assert_eq!(due_at(40), [0, 80, 160, 240], "25 a second");
        assert_eq!(due_at(200).len(), 8, "slower than the limit: with every picture");
    }
}
