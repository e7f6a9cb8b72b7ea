//! How often the publisher's keyframes come.

use media::{Duration, Timestamp};

/// An interval that differs by less from the one told is the same: stamps are whole milliseconds.
const SAME: Duration = Duration::from_millis(50);

/// What is known of the publisher's keyframes (IDR pictures).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keyframes {
    /// From the one before the last to the last.
    pub interval: Option<Duration>,
    /// None came for so long that source and renditions cannot be cut together.
    pub too_seldom: bool,
}

/// Measures them.
#[derive(Debug)]
pub(crate) struct KeyframeWatch {
    limit: Duration,
    /// The last keyframe; before there is one, the first picture.
    since: Option<Timestamp>,
    seen: bool,
    told: Keyframes,
}

impl KeyframeWatch {
    /// More than `limit` without a keyframe is too seldom.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, since: None, seen: false, told: Keyframes::default() }
    }

    /// Notes a picture; what is known now, where that is news.
    pub(crate) fn note(&mut self, dts: Timestamp, is_keyframe: bool) -> Option<Keyframes> {
        let since = dts - *self.since.get_or_insert(dts);
        let mut known = self.told;
        if is_keyframe {
            if std::mem::replace(&mut self.seen, true) {
                known = Keyframes { interval: Some(since), too_seldom: since > self.limit };
            }
            self.since = Some(dts);
        } else if since > self.limit {
            known.too_seldom = true;
        }
        (!self.knows(known)).then(|| {
            self.told = known;
            known
        })
    }

    fn knows(&self, known: Keyframes) -> bool {
        let same = match (self.told.interval, known.interval) {
            (Some(told), Some(now)) => told - now < SAME && now - told < SAME,
            (told, now) => told == now,
        };
        same && self.told.too_seldom == known.too_seldom
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(gop: usize, pictures: std::ops::Range<usize>) -> Vec<Keyframes> {
        let mut watch = KeyframeWatch::new(Duration::from_secs(4));
        let picture = |n: usize| {
            watch.note(Timestamp::from_millis(n as i64 * 100 / 3), n.is_multiple_of(gop))
        };
        pictures.filter_map(picture).collect()
    }

    fn every(ms: i64, too_seldom: bool) -> Keyframes {
        Keyframes { interval: Some(Duration::from_millis(ms)), too_seldom }
    }

    #[test]
    fn an_interval_is_told_once() {
        assert_eq!(told(60, 0..1000), [every(2000, false)]);
        assert_eq!(told(300, 0..1000)[1..], [every(10_000, true)]);
    }

    #[test]
    fn none_for_too_long_is_told_before_the_next_comes() {
        assert_eq!(told(1000, 0..150), [Keyframes { interval: None, too_seldom: true }]);
        assert_eq!(told(1000, 1..150), [Keyframes { interval: None, too_seldom: true }]);
    }
}
