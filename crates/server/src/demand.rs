//! Which renditions somebody watches, and are to be made as pictures come. Decided by time, with
//! time as an input.

use std::time::Duration;

use pipeline::RenditionSet;

use crate::clock::Moment;

/// When renditions are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transcode {
    /// While somebody fetches them.
    #[default]
    OnDemand,
    /// From the first picture to the last.
    Always,
}

/// Whether a rendition is awake, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wakefulness {
    /// It is made as pictures come, or will be from the next segment on.
    pub awake: bool,
    /// When that began; None if it has always been so.
    pub since: Option<Moment>,
    /// The last time that somebody fetched something of it that counts.
    pub last_request: Option<Moment>,
    /// How often it has been woken.
    pub wake_ups: u64,
}

/// Which renditions of one stream are awake, and who asked for them when.
///
/// Demand is a segment that is fetched. A playlist alone (curl, a probe, a page that lists streams)
/// keeps a rendition awake that is, as a player does that waits for the next segment, but wakes
/// none.
#[derive(Debug)]
pub(crate) struct Demand {
    mode: Transcode,
    renditions: Vec<Wakefulness>,
}

impl Demand {
    /// The demand for so many renditions: none yet.
    pub(crate) fn new(mode: Transcode, renditions: usize) -> Self {
        let awake = mode == Transcode::Always;
        let idle = Wakefulness { awake, since: None, last_request: None, wake_ups: 0 };
        Self { mode, renditions: vec![idle; renditions] }
    }

    /// Somebody fetches a segment of the rendition at `index`; whether that wakes it.
    pub(crate) fn segment_asked(&mut self, index: usize, now: Moment) -> bool {
        let Some(rendition) = self.renditions.get_mut(index) else { return false };
        rendition.last_request = Some(now);
        let wakes = !rendition.awake;
        if wakes {
            rendition.awake = true;
            rendition.since = Some(now);
            rendition.wake_ups += 1;
        }
        wakes
    }

    /// Somebody fetches the playlist of the rendition at `index`.
    pub(crate) fn playlist_asked(&mut self, index: usize, now: Moment) {
        if let Some(rendition) = self.renditions.get_mut(index)
            && rendition.awake
        {
            rendition.last_request = Some(now);
        }
    }

    /// Puts those to sleep that nobody has asked for in `idle`; which these are.
    pub(crate) fn tick(&mut self, now: Moment, idle: Duration) -> Vec<usize> {
        if self.mode == Transcode::Always {
            return Vec::new();
        }
        let mut slept = Vec::new();
        for (index, rendition) in self.renditions.iter_mut().enumerate() {
            let is_idle = rendition.last_request.is_none_or(|last| now.since(last) >= idle);
            if rendition.awake && is_idle {
                rendition.awake = false;
                rendition.since = Some(now);
                slept.push(index);
            }
        }
        slept
    }

    /// The renditions that are awake.
    pub(crate) fn wanted(&self) -> RenditionSet {
        let awake = self.renditions.iter().enumerate().filter(|(_, rendition)| rendition.awake);
        awake.fold(RenditionSet::EMPTY, |set, (index, _)| set.with(index))
    }

    /// How it is with the rendition at `index`.
    pub(crate) fn of(&self, index: usize) -> Option<Wakefulness> {
        self.renditions.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(30);

    fn at(secs: u64) -> Moment {
        Moment { uptime: Duration::from_secs(secs), unix_ms: 0 }
    }

    #[test]
    fn a_segment_wakes_and_half_a_minute_of_nothing_puts_to_sleep() {
        let mut demand = Demand::new(Transcode::OnDemand, 2);
        demand.playlist_asked(1, at(0));
        assert!(demand.wanted().is_empty(), "a playlist wakes nothing");
        assert!(demand.segment_asked(1, at(1)));
        assert!(!demand.segment_asked(1, at(2)), "several first requests wake it once");
        assert_eq!(demand.wanted(), RenditionSet::EMPTY.with(1));
        demand.playlist_asked(1, at(20));
        assert_eq!(demand.tick(at(49), IDLE), [0; 0], "a playlist keeps it awake");
        assert_eq!(demand.tick(at(50), IDLE), [1]);
        assert_eq!(demand.tick(at(51), IDLE), [0; 0]);
        assert!(demand.wanted().is_empty());
        assert!(demand.segment_asked(1, at(60)));
        let awake = demand.of(1).unwrap();
        assert_eq!((awake.wake_ups, awake.since), (2, Some(at(60))));
    }

    #[test]
    fn always_is_always() {
        let mut demand = Demand::new(Transcode::Always, 2);
        assert_eq!(demand.wanted(), RenditionSet::first(2));
        assert_eq!(demand.tick(at(1_000_000), IDLE), [0; 0]);
        assert!(!demand.segment_asked(0, at(1)));
    }

    #[test]
    fn what_is_not_configured_is_not_wanted() {
        let mut demand = Demand::new(Transcode::OnDemand, 1);
        assert!(!demand.segment_asked(7, at(1)));
        assert!(demand.wanted().is_empty());
    }
}
