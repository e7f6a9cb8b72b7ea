//! What the variant streams of one multivariant playlist declare as their rates, so that a player
//! that sorts them by any attribute sorts them by all (RFC 8216 4.3.4.2).
//!
//! A rendition that has been made declares what was measured, and a margin. One that nobody has
//! watched yet declares what it is expected to need, and never more than a part of what the next
//! one declares: easy pictures need less than a cap allows, and of the same pictures the smaller
//! rendition needs less.

/// Rates of one rendition as it is on the wire, packaging included, in bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// The largest over any run of segments of 0.5 to 1.5 target durations.
    pub peak_bps: u64,
    /// Over minutes.
    pub average_bps: u64,
}

/// What is known of a rendition's rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownRates {
    /// What segments that were made have.
    Measured(Rates),
    /// None was made yet: what one should need.
    Expected(Rates),
}

/// What comes may need more than what came: a tenth over the largest rate seen, a twentieth over
/// the average. A declared rate is to be within a quarter of what a viewer measures.
const PEAK_MARGIN_PERCENT: u64 = 110;
const AVERAGE_MARGIN_PERCENT: u64 = 105;

/// A rendition is worth listing below another one where it needs at most so much of that one's
/// rate: players switch down to what fits, and what hardly saves anything only delays them.
pub const ROOM_PERCENT: u64 = 80;

/// The declared rates of renditions in the order of their pixels, the largest (the source) last:
/// both rates ascend from each to the next.
#[must_use]
pub fn declare(renditions: &[KnownRates]) -> Vec<Rates> {
    let mut declared: Vec<Rates> = renditions.iter().map(|known| known.with_margin()).collect();
    for place in (0..declared.len().saturating_sub(1)).rev() {
        if let KnownRates::Expected(_) = renditions[place] {
            let next = declared[place + 1];
            let rates = &mut declared[place];
            rates.peak_bps = rates.peak_bps.min(percent(next.peak_bps, ROOM_PERCENT));
            rates.average_bps = rates.average_bps.min(percent(next.average_bps, ROOM_PERCENT));
        }
    }
    let mut before = Rates::default();
    for rates in &mut declared {
        rates.average_bps = rates.average_bps.max(before.average_bps.saturating_add(1));
        let least_peak = before.peak_bps.saturating_add(1).max(rates.average_bps);
        rates.peak_bps = rates.peak_bps.max(least_peak);
        before = *rates;
    }
    declared
}

impl KnownRates {
    fn with_margin(self) -> Rates {
        match self {
            Self::Measured(rates) => Rates {
                peak_bps: percent(rates.peak_bps, PEAK_MARGIN_PERCENT),
                average_bps: percent(rates.average_bps, AVERAGE_MARGIN_PERCENT),
            },
            Self::Expected(rates) => rates,
        }
    }
}

/// Rounded up.
fn percent(bps: u64, percent: u64) -> u64 {
    u64::try_from((u128::from(bps) * u128::from(percent)).div_ceil(100)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn measured(peak_bps: u64, average_bps: u64) -> KnownRates {
        KnownRates::Measured(Rates { peak_bps, average_bps })
    }

    fn expected(bps: u64) -> KnownRates {
        KnownRates::Expected(Rates { peak_bps: bps, average_bps: bps })
    }

    fn peaks(renditions: &[KnownRates]) -> Vec<u64> {
        declare(renditions).iter().map(|rates| rates.peak_bps).collect()
    }

    #[test]
    fn what_was_measured_is_declared_with_a_margin() {
        let rates = declare(&[measured(100_000, 80_000)]);
        assert_eq!(rates, [Rates { peak_bps: 110_000, average_bps: 84_000 }]);
    }

    #[test]
    fn a_cap_that_the_source_does_not_reach_is_not_declared() {
        // A light source, and the cap of 564 kbit/s that the 144p rendition once always declared.
        assert_eq!(peaks(&[expected(564_000), measured(370_000, 300_000)]), [325_600, 407_000]);
    }

    #[test]
    fn what_nobody_has_watched_is_below_what_somebody_has() {
        let asleep_below = [expected(56_000), expected(140_000), measured(100_000, 90_000)];
        assert_eq!(peaks(&asleep_below), [56_000, 88_000, 110_000]);
        let asleep_between =
            [measured(50_000, 45_000), expected(140_000), measured(55_000, 50_000)];
        assert_eq!(peaks(&asleep_between), [55_000, 55_001, 60_500]);
    }

    fn known() -> impl Strategy<Value = KnownRates> {
        let rates = (0..100_000_000_u64, 0..=100_u64)
            .prop_map(|(peak_bps, share)| Rates { peak_bps, average_bps: peak_bps * share / 100 });
        (rates, any::<bool>()).prop_map(|(rates, is_measured)| {
            if is_measured { KnownRates::Measured(rates) } else { KnownRates::Expected(rates) }
        })
    }

    proptest! {
        #[test]
        fn both_rates_ascend_and_nothing_measured_is_understated(
            renditions in prop::collection::vec(known(), 0..12),
        ) {
            let declared = declare(&renditions);
            prop_assert_eq!(declared.len(), renditions.len());
            for pair in declared.windows(2) {
                prop_assert!(pair[0].peak_bps < pair[1].peak_bps);
                prop_assert!(pair[0].average_bps < pair[1].average_bps);
            }
            for (known, declared) in renditions.iter().zip(&declared) {
                prop_assert!(declared.average_bps <= declared.peak_bps);
                if let KnownRates::Measured(rates) = known {
                    prop_assert!(rates.peak_bps <= declared.peak_bps);
                    prop_assert!(rates.average_bps <= declared.average_bps);
                }
            }
        }

        #[test]
        fn measured_rates_that_ascend_are_declared_within_a_quarter(
            steps in prop::collection::vec(1..2_000_000_u64, 1..8),
        ) {
            let mut peak_bps = 20_000;
            let renditions: Vec<_> = steps.iter().map(|step| {
                peak_bps += step;
                measured(peak_bps, peak_bps / 10 * 9)
            }).collect();
            for (known, declared) in renditions.iter().zip(declare(&renditions)) {
                let KnownRates::Measured(rates) = known else { continue };
                prop_assert!(declared.peak_bps <= rates.peak_bps * 5 / 4);
                prop_assert!(declared.average_bps <= rates.average_bps * 5 / 4);
            }
        }
    }
}
