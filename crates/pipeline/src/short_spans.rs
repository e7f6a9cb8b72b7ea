//! How short the segments of a stay may be.

use media::Duration;

/// So much shorter than they may be, taken together, segments may be before it is said that they
/// are too short: an encoder that is set up makes a few in a row.
const PATIENCE_SPANS: i64 = 30;

/// Segments must be this part of the segment duration, on average.
const PART: i64 = 4;

/// Watches the lengths of a stay's segments. A segment has a number, a file, and a line in every
/// playlist, however short it is, and other parameters, other audio or a jump in the stamps cut one
/// at once. No encoder does so again and again; somebody who does it with every picture would have
/// a segment made of each.
#[derive(Debug)]
pub(crate) struct ShortSpans {
    /// What a segment must last on average.
    average: Duration,
    /// How much shorter than that all that follow may be; at most [`PATIENCE_SPANS`] times of it.
    left: Duration,
}

impl ShortSpans {
    pub(crate) fn new(segment_duration: Duration) -> Self {
        let average = Duration::from_ticks(segment_duration.ticks() / PART);
        Self { average, left: Self::patience(average) }
    }

    fn patience(average: Duration) -> Duration {
        Duration::from_ticks(average.ticks() * PATIENCE_SPANS)
    }

    /// A segment of this length has been cut.
    pub(crate) fn push(&mut self, length: Duration) {
        self.left = (self.left + length - self.average).min(Self::patience(self.average));
    }

    /// Whether segments have become shorter than anybody needs.
    pub(crate) fn are_too_many(&self) -> bool {
        self.left < Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: Duration = Duration::from_secs(2);

    /// How many segments of these lengths come until they are too many.
    fn admitted(lengths_ms: impl IntoIterator<Item = i64>) -> usize {
        let mut spans = ShortSpans::new(SEGMENT);
        let is_admitted = |length_ms: &i64| {
            spans.push(Duration::from_millis(*length_ms));
            !spans.are_too_many()
        };
        lengths_ms.into_iter().take_while(is_admitted).count()
    }

    #[test]
    fn segments_of_half_a_second_may_come_for_ever() {
        assert_eq!(admitted([500; 10_000]), 10_000);
    }

    #[test]
    fn a_few_short_ones_are_forgiven_again_and_again() {
        let lengths = (0..3_000).map(|index| if index % 30 < 20 { 33 } else { 2_000 });
        assert_eq!(admitted(lengths), 3_000);
    }

    #[test]
    fn segments_of_a_picture_each_are_too_many_soon() {
        assert_eq!(admitted([33; 100]), 32);
    }
}
