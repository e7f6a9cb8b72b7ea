//! BANDWIDTH and AVERAGE-BANDWIDTH as measured (RFC 8216 4.3.4.2).

use std::collections::VecDeque;

use media::{Duration, TICKS_PER_SECOND};

use crate::Rates;

/// The average is taken over this much media: long enough to be calm, short enough to follow the
/// scene.
const AVERAGE_OVER: Duration = Duration::from_secs(120);
/// The average is taken over this many segments at most, so that segments without duration cannot
/// pile up.
const MAX_SEGMENTS: usize = 1024;

/// No run is longer: a day. It keeps the arithmetic in range, whatever the target duration.
const MAX_TARGET_SECS: u64 = 86_400;

/// Measures a rendition's rates, segment by segment.
#[derive(Debug, Default)]
pub(crate) struct BandwidthMeter {
    /// The newest last.
    recent: VecDeque<Measured>,
    total: Measured,
    /// Rates are taken over at least this long.
    least: Duration,
    peak_bps: u64,
}

/// Bytes and the time they last.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    bytes: u64,
    duration: Duration,
}

impl Measured {
    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.duration += other.duration;
    }

    /// Bits per second, rounded up; 0 for no time.
    fn bps(self) -> u64 {
        let bits = u128::from(self.bytes) * 8 * TICKS_PER_SECOND as u128;
        match self.duration.ticks() {
            ..=0 => 0,
            ticks => bits.div_ceil(ticks as u128) as u64,
        }
    }
}

impl BandwidthMeter {
    /// Takes the next segment into account.
    pub(crate) fn push(&mut self, bytes: usize, duration: Duration, target_duration_secs: u64) {
        let measured = Measured { bytes: bytes as u64, duration };
        self.recent.push_back(measured);
        self.total.add(measured);
        self.forget(target_duration_secs);
        self.measure(target_duration_secs);
    }

    /// Measures the runs that end with the newest segment: after a push, and when the target
    /// duration has grown.
    pub(crate) fn measure(&mut self, target_duration_secs: u64) {
        let rate = self.peak_ending_here(target_duration_secs);
        // A first segment of a few milliseconds says nothing about a rate that never falls again.
        let target_secs = target_duration_secs.min(MAX_TARGET_SECS) as i64;
        self.least = Duration::from_ticks(target_secs * TICKS_PER_SECOND / 2);
        self.peak_bps = self.peak_bps.max(rate).max(self.average_bps());
    }

    /// The largest rate seen so far, which never falls, and the one over the last two minutes; None
    /// before the first segment with a byte.
    pub(crate) fn rates(&self) -> Option<Rates> {
        let rates = Rates { peak_bps: self.peak_bps, average_bps: self.average_bps() };
        (rates.peak_bps > 0).then_some(rates)
    }

    fn average_bps(&self) -> u64 {
        Measured { duration: self.total.duration.max(self.least), ..self.total }.bps()
    }

    /// The largest rate of the runs of segments that end with the newest and last 0.5 to 1.5 target
    /// durations.
    fn peak_ending_here(&self, target_duration_secs: u64) -> u64 {
        let target = Duration::from_secs(target_duration_secs.min(MAX_TARGET_SECS) as i64).ticks();
        let (shortest, longest) = (target / 2, target / 2 * 3);
        let mut run = Measured::default();
        let mut peak = 0;
        for measured in self.recent.iter().rev() {
            run.add(*measured);
            if run.duration.ticks() > longest {
                return peak;
            }
            if run.duration.ticks() >= shortest {
                peak = peak.max(run.bps());
            }
        }
        // A stream that ended before half a target duration: there is nothing better to go by.
        peak.max(
            Measured { duration: run.duration.max(Duration::from_ticks(shortest)), ..run }.bps(),
        )
    }

    /// Forgets what neither the average nor a run needs.
    fn forget(&mut self, target_duration_secs: u64) {
        let longest_run =
            Duration::from_secs(target_duration_secs.min(MAX_TARGET_SECS) as i64 * 3 / 2);
        let keep = AVERAGE_OVER.max(longest_run);
        while self.recent.len() > 1
            && (self.total.duration > keep || self.recent.len() > MAX_SEGMENTS)
        {
            let Some(oldest) = self.recent.pop_front() else { return };
            self.total.bytes -= oldest.bytes;
            self.total.duration = self.total.duration - oldest.duration;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(segments: &[(usize, i64)]) -> BandwidthMeter {
        let mut meter = BandwidthMeter::default();
        segments.iter().for_each(|(bytes, ms)| meter.push(*bytes, Duration::from_millis(*ms), 2));
        meter
    }

    #[test]
    fn peak_is_over_runs_of_half_to_one_and_a_half_target_durations_rfc8216_4_3_4_2() {
        assert_eq!(meter(&[(1000, 2000)]).peak_bps, 4000);
        // 2000 bytes in 0.9 s are no run of their own; with the second before it they are.
        assert_eq!(meter(&[(1000, 2000), (2000, 900)]).peak_bps, 8276);
        // Two short ones are a run together.
        assert_eq!(meter(&[(1000, 2000), (1000, 500), (3000, 500)]).peak_bps, 32_000);
        // More than 3 s are not: the second run would have 16 kbit/s.
        assert_eq!(meter(&[(4000, 2000), (0, 2000)]).peak_bps, 16_000);
    }

    #[test]
    fn peak_never_falls_and_average_does() {
        let mut meter = meter(&[(10_000, 2000)]);
        for _ in 0..100 {
            meter.push(1000, Duration::from_millis(2000), 2);
        }
        assert_eq!((meter.peak_bps, meter.average_bps()), (40_000, 4000));
    }

    #[test]
    fn a_stream_of_one_short_segment_has_a_rate() {
        let short = meter(&[(1000, 100)]);
        let as_if_half_a_target_duration = (8000, 8000);
        assert_eq!((short.peak_bps, short.average_bps()), as_if_half_a_target_duration);
        assert_eq!(meter(&[(1000, 0)]).peak_bps, 8000);
        assert_eq!(meter(&[(0, 0)]).peak_bps, 0);
    }

    #[test]
    fn segments_without_duration_do_not_pile_up() {
        assert_eq!(meter(&[(1, 0); 5000]).recent.len(), MAX_SEGMENTS);
    }
}
