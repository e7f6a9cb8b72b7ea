//! How closely pictures are made.

use media::{Duration, Timestamp};

/// How closely pictures are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quality {
    /// Every sample as the standard has it.
    #[default]
    Exact,
    /// To be looked at through a scaler that makes both sides at least so many times smaller; below
    /// two it is [`Self::Exact`].
    ///
    /// From two on, pictures that nothing refers to are not deblocked (8.7). From three on they are
    /// predicted from fewer samples, too, and no picture is deblocked where IDR pictures come often
    /// enough: every four seconds at least, as seen from the two before. Errors add up no longer
    /// than that.
    ForScale(u8),
}

/// The longest time for which errors may add up.
const LONGEST_GROUP: Duration = Duration::from_secs(4);

/// Where the IDR pictures are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Groups {
    last_idr: Option<Timestamp>,
    /// Between the last one and the one before was no more than the longest time.
    was_short: bool,
}

impl Groups {
    /// Takes an IDR picture.
    pub(crate) fn begin(&mut self, pts: Timestamp) {
        self.was_short = self.last_idr.is_some_and(|last| is_short(pts - last));
        self.last_idr = Some(pts);
    }

    /// Whether an IDR picture was not long ago, and the next can be expected.
    fn is_short_at(self, pts: Timestamp) -> bool {
        self.was_short && self.last_idr.is_some_and(|last| is_short(pts - last))
    }
}

fn is_short(group: Duration) -> bool {
    (Duration::ZERO..=LONGEST_GROUP).contains(&group)
}

/// What is left out of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Omissions {
    /// It is not deblocked.
    pub(crate) deblocking: bool,
    /// It is predicted from the samples nearest to where vectors point.
    pub(crate) fine_prediction: bool,
}

impl Omissions {
    pub(crate) fn new(
        quality: Quality,
        is_reference: bool,
        pts: Timestamp,
        groups: Groups,
    ) -> Self {
        let divisor = match quality {
            Quality::Exact => 1,
            Quality::ForScale(divisor) => divisor,
        };
        if is_reference {
            let deblocking = divisor >= 3 && groups.is_short_at(pts);
            Self { deblocking, fine_prediction: false }
        } else {
            Self { deblocking: divisor >= 2, fine_prediction: divisor >= 3 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Omissions = Omissions { deblocking: false, fine_prediction: false };
    const NO_DEBLOCKING: Omissions = Omissions { deblocking: true, fine_prediction: false };

    #[test]
    fn references_are_exact_unless_idr_pictures_come_every_four_seconds() {
        let at = |seconds: i64| Timestamp::ZERO + Duration::from_secs(seconds);
        let mut groups = Groups::default();
        let of = |groups: Groups, seconds: i64| {
            Omissions::new(Quality::ForScale(3), true, at(seconds), groups)
        };
        assert_eq!(of(groups, 0), NOTHING);
        groups.begin(at(0));
        assert_eq!(of(groups, 1), NOTHING, "nothing is known about the next");
        groups.begin(at(4));
        assert_eq!([of(groups, 4), of(groups, 8)], [NO_DEBLOCKING; 2]);
        assert_eq!(of(groups, 9), NOTHING, "it is late");
        groups.begin(at(10));
        assert_eq!(of(groups, 11), NOTHING, "as it was late before");
        groups.begin(at(12));
        assert_eq!(of(groups, 12), NO_DEBLOCKING);
        groups.begin(at(3));
        assert_eq!(of(groups, 3), NOTHING, "time went back");
    }

    #[test]
    fn what_is_left_out_depends_on_how_small_the_picture_becomes() {
        let of = |quality, is_reference| {
            Omissions::new(quality, is_reference, Timestamp::ZERO, Groups::default())
        };
        assert_eq!(of(Quality::Exact, false), NOTHING);
        assert_eq!(of(Quality::ForScale(1), false), NOTHING);
        assert_eq!(of(Quality::ForScale(2), false), NO_DEBLOCKING);
        assert_eq!(
            of(Quality::ForScale(3), false),
            Omissions { deblocking: true, fine_prediction: true }
        );
    }
}
