//! What the stages of transcoding take of a core.

use std::time::Duration;

/// Says how much of a core the calling thread has taken so far. The driver lends it, as there is no
/// clock here; nothing that is made depends on it.
#[derive(Clone, Copy, Debug)]
pub struct WorkClock(pub fn() -> Duration);

impl Default for WorkClock {
    /// Nothing is measured.
    fn default() -> Self {
        Self(|| Duration::ZERO)
    }
}

/// How much of a core each stage has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Decoding pictures.
    pub decode: Duration,
    /// Scaling them.
    pub scale: Duration,
    /// Encoding them.
    pub encode: Duration,
    /// Decoding and encoding the audio of renditions that have one of their own.
    pub sound: Duration,
}

impl Work {
    /// Adds what was done elsewhere.
    pub fn add(&mut self, other: &Self) {
        let Self { decode, scale, encode, sound } = other;
        self.decode += *decode;
        self.scale += *scale;
        self.encode += *encode;
        self.sound += *sound;
    }

    fn of(&mut self, stage: Stage) -> &mut Duration {
        match stage {
            Stage::Decode => &mut self.decode,
            Stage::Scale => &mut self.scale,
            Stage::Encode => &mut self.encode,
            Stage::Sound => &mut self.sound,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    Decode,
    Scale,
    Encode,
    Sound,
}

/// Splits a thread's time among the stages. One inside another (pictures are scaled while the
/// decoder lends them) counts for itself alone.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    clock: WorkClock,
    stage: Option<Stage>,
    since: Duration,
}

impl Stopwatch {
    pub(crate) fn new(clock: WorkClock) -> Self {
        Self { clock, stage: None, since: Duration::ZERO }
    }

    /// From here on it is this stage's time, or nobody's; the stage to go back to afterwards.
    pub(crate) fn switch(&mut self, stage: Option<Stage>, work: &mut Work) -> Option<Stage> {
        let now = (self.clock.0)();
        if let Some(stage) = self.stage {
            *work.of(stage) += now.saturating_sub(self.since);
        }
        self.since = now;
        std::mem::replace(&mut self.stage, stage)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static NOW: Cell<u64> = const { Cell::new(0) };
    }

    #[test]
    fn a_stage_inside_another_counts_for_itself_alone() {
        let mut watch = Stopwatch::new(WorkClock(|| Duration::from_millis(NOW.get())));
        let mut work = Work::default();
        let mut at = |ms: u64, stage| {
            NOW.set(ms);
            watch.switch(stage, &mut work)
        };
        let outside = at(10, Some(Stage::Decode));
        let decode = at(13, Some(Stage::Scale));
        at(20, decode);
        at(21, outside);
        // What is between the stages is nobody's.
        let outside = at(50, Some(Stage::Encode));
        at(52, outside);
        let ms = Duration::from_millis;
        let expected = Work { decode: ms(4), scale: ms(7), encode: ms(2), sound: ms(0) };
        assert_eq!(work, expected);
        let mut both = expected;
        both.add(&work);
        assert_eq!(both.scale, ms(14));
    }
}
