//! Who gets a core first where there are too few.

use std::time::Duration;

use rustix::process::setpriority_process;
use rustix::time::{ClockId, clock_gettime};
use tracing::debug;

use crate::clock::Moment;

/// Threads that decode and encode step back by this much behind those that receive and deliver: a
/// tenth of the share of a core, where both want one. Among themselves they are equal, so that each
/// stream has its part.
const CODING_NICE: i32 = 10;

/// Threads that receive step back behind all others where they take more than an encoder makes them
/// take: a third of the share of one that decodes and encodes, so that who needs it all the same, a
/// 4K stream on a small machine, still has it. It is for good, as only who is privileged may step
/// forward again.
const LAST_NICE: i32 = 15;

/// A look at what a thread takes comes after this time.
const LOOK: Duration = Duration::from_millis(250);

/// So many looks in a row at which it was too much: a second. What a file brings that is sent as
/// fast as it can be read is over by then.
const LOOKS: u32 = 4;

/// Too much is more than this part of the time between two looks. To pass 720p through takes the
/// whole process a hundredth; of many threads that want all of a core each gets little more than
/// this.
const PART: u32 = 25;

/// The calling thread is one that decodes and encodes from here on.
pub(crate) fn step_back() {
    step_back_to(CODING_NICE);
}

/// How much of a core the calling thread takes, which receives what a publisher sends.
#[derive(Debug)]
pub(crate) struct Effort {
    looked: Moment,
    taken: Duration,
    too_much: u32,
}

impl Effort {
    pub(crate) fn new(now: Moment) -> Self {
        Self { looked: now, taken: cpu_time(), too_much: 0 }
    }

    /// Looks, where it is time to; the thread steps back once.
    pub(crate) fn look(&mut self, now: Moment) {
        if now.since(self.looked) >= LOOK && self.is_too_much(cpu_time(), now) {
            step_back_to(LAST_NICE);
        }
    }

    /// Whether it has become too much with this look.
    fn is_too_much(&mut self, taken: Duration, now: Moment) -> bool {
        let part = now.since(self.looked) / PART;
        let is_much = taken.saturating_sub(self.taken) > part;
        (self.looked, self.taken) = (now, taken);
        if self.too_much < LOOKS {
            self.too_much = if is_much { self.too_much + 1 } else { 0 };
            return self.too_much == LOOKS;
        }
        false
    }
}

/// What the calling thread has taken of a core since it began.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn step_back_to(nice: i32) {
    // On Linux the priority is the thread's own (setpriority(2)), elsewhere that of the process.
    if !cfg!(target_os = "linux") {
        return;
    }
    if let Err(error) = setpriority_process(None, nice) {
        debug!(%error, "the thread keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn a_thread_steps_back_alone() {
        let before = getpriority_process(None).unwrap();
        let coding = std::thread::spawn(|| {
            step_back();
            getpriority_process(None).unwrap()
        });
        assert_eq!(coding.join().unwrap(), before.max(CODING_NICE));
        assert_eq!(getpriority_process(None).unwrap(), before);
    }

    #[test]
    fn who_takes_a_twenty_fifth_of_a_core_for_a_second_takes_too_much() {
        let at = |ms| Moment { uptime: Duration::from_millis(ms), unix_ms: 0 };
        // Milliseconds that were taken in each quarter of a second.
        let first_at = |taken: &[u64]| {
            let mut effort = Effort { looked: at(0), taken: Duration::ZERO, too_much: 0 };
            let mut sum = 0;
            let is_too_much = |(look, taken): (usize, &u64)| {
                sum += taken;
                effort.is_too_much(Duration::from_millis(sum), at(250 * (look as u64 + 1)))
            };
            taken.iter().enumerate().map(is_too_much).collect::<Vec<_>>()
        };
        // A file that comes as fast as it can be read, and then what is like an encoder.
        assert!(!first_at(&[240, 200, 30, 2, 9, 9, 9, 9, 9, 200, 2]).contains(&true));
        assert_eq!(
            first_at(&[2, 11, 11, 11, 11, 240, 0, 240, 240, 240, 240]),
            [false, false, false, false, true, false, false, false, false, false, false]
        );
    }
}
