//! Samples that have to wait, bounded in number and bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use aac::AudioSpecificConfig;
use media::{AccessUnit, AudioFrame, Timestamp};

use crate::packager::VideoTrack;

/// A sample on its way into a segment.
#[derive(Debug)]
pub(crate) enum Sample {
    Picture(AccessUnit, Arc<VideoTrack>),
    Audio(AudioFrame, Arc<AudioSpecificConfig>),
}

impl Sample {
    pub(crate) fn pts(&self) -> Timestamp {
        match self {
            Self::Picture(unit, _) => unit.pts,
            Self::Audio(frame, _) => frame.pts,
        }
    }

    pub(crate) fn is_picture(&self) -> bool {
        matches!(self, Self::Picture(..))
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Picture(unit, _) => unit.nal_units.held_bytes(),
            Self::Audio(frame, _) => frame.data.len(),
        }
    }
}

/// Samples in their order; past its bounds the oldest go.
#[derive(Debug)]
pub(crate) struct Backlog {
    samples: VecDeque<Sample>,
    bytes: usize,
    max_samples: usize,
    max_bytes: usize,
}

impl Backlog {
    pub(crate) fn new(max_samples: usize, max_bytes: usize) -> Self {
        Self { samples: VecDeque::new(), bytes: 0, max_samples, max_bytes }
    }

    pub(crate) fn push(&mut self, sample: Sample) {
        self.bytes += sample.bytes();
        self.samples.push_back(sample);
        while self.samples.len() > self.max_samples || self.bytes > self.max_bytes {
            self.pop();
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Sample> {
        let sample = self.samples.pop_front()?;
        self.bytes -= sample.bytes();
        Some(sample)
    }

    /// Takes the oldest sample if `due` holds for it.
    pub(crate) fn pop_if(&mut self, due: impl FnOnce(&Sample) -> bool) -> Option<Sample> {
        self.samples.front().is_some_and(due).then(|| self.pop()).flatten()
    }

    /// Puts back, in front of all others, what was taken.
    pub(crate) fn put_back(&mut self, samples: Vec<Sample>) {
        for sample in samples.into_iter().rev() {
            self.bytes += sample.bytes();
            self.samples.push_front(sample);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter()
    }

    /// Drops what lies before `start`.
    pub(crate) fn drop_before(&mut self, start: Timestamp) {
        self.samples.retain(|sample| sample.pts() >= start);
        self.bytes = self.samples.iter().map(Sample::bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audio(ms: i64, bytes: usize) -> Sample {
        let config = AudioSpecificConfig::parse(&[0x12, 0x10]).unwrap();
        let data = vec![0; bytes].into();
        Sample::Audio(AudioFrame { pts: Timestamp::from_millis(ms), data }, Arc::new(config))
    }

    #[test]
    fn past_its_bounds_the_oldest_go() {
        let mut backlog = Backlog::new(4, 100);
        (0..9).for_each(|ms| backlog.push(audio(ms, 10)));
        assert_eq!((backlog.samples.len(), backlog.bytes), (4, 40));
        backlog.push(audio(9, 95));
        assert_eq!((backlog.samples.len(), backlog.bytes), (1, 95));
        backlog.push(audio(10, 1000));
        assert_eq!((backlog.samples.len(), backlog.bytes), (0, 0));
    }

    #[test]
    fn what_lies_before_the_start_is_dropped() {
        let mut backlog = Backlog::new(10, 100);
        (0..9).for_each(|ms| backlog.push(audio(ms, 10)));
        backlog.drop_before(Timestamp::from_millis(7));
        assert_eq!((backlog.samples.len(), backlog.bytes), (2, 20));
    }
}
