//! Who gets a core first where there are too few.

use std::time::Duration;

use rustix::process::setpriority_process;
use rustix::time::{ClockId, clock_gettime};
use tracing::debug;

use crate::pace::Common;

/// Threads that decode and encode step back by this much behind those that receive and deliver: a
/// tenth of the share of a core, where both want one. Among themselves they are equal, so that each
/// stream has its part.
const CODING_NICE: i32 = 10;

/// Threads that receive step back behind all others where they take more than an encoder makes them
/// take: a third of the share of one that decodes and encodes, so that who needs it all the same, a
/// 4K stream on a small machine, still has it. It is for good, as only who is privileged may step
/// forward again.
const LAST_NICE: i32 = 15;

/// A look at what a thread takes comes after this time: who comes again and again as somebody new
/// has no more than that for nothing.
const LOOK: Duration = Duration::from_millis(5);

/// A thread that receives may take this part of the time, over twice what 720p makes it take. It is
/// so small because of many threads that want all of a core each gets little: that has to be more.
const PART: u32 = 200;

/// What it has left of that it may take later, so much at most: the end of a segment takes a few
/// milliseconds, and so does a large picture.
const MOST_LEFT: Duration = Duration::from_millis(20);

/// A thread that begins has so much: what headers and the first pictures take, so that others who
/// take too much at that time do not make it step back.
const AT_FIRST: Duration = Duration::from_millis(2);

/// The calling thread is one that decodes and encodes from here on.
pub(crate) fn step_back() {
    step_back_to(CODING_NICE);
}

/// How much of a core the calling thread takes, which receives what a publisher sends.
#[derive(Debug)]
pub(crate) struct Effort {
    /// The uptime of the last look.
    looked: Duration,
    taken: Duration,
    /// What is left to take of its own part.
    left: Duration,
    has_stepped_back: bool,
}

impl Effort {
    pub(crate) fn new(uptime: Duration) -> Self {
        Self { looked: uptime, taken: cpu_time(), left: AT_FIRST, has_stepped_back: false }
    }

    /// Looks, where it is time to: a thread that takes more than its part takes it from what all of
    /// them have in common, and where nothing is left of that it steps back.
    pub(crate) fn look(&mut self, uptime: Duration, common: &Common) {
        if !self.has_stepped_back
            && uptime.saturating_sub(self.looked) >= LOOK
            && self.is_too_much(cpu_time(), uptime, common)
        {
            self.has_stepped_back = true;
            step_back_to(LAST_NICE);
        }
    }

    fn is_too_much(&mut self, taken: Duration, uptime: Duration, common: &Common) -> bool {
        let mine = self.left + uptime.saturating_sub(self.looked) / PART;
        let took = taken.saturating_sub(self.taken);
        (self.looked, self.taken) = (uptime, taken);
        self.left = mine.saturating_sub(took).min(MOST_LEFT);
        let beyond = took.saturating_sub(mine);
        if beyond.is_zero() {
            return false;
        }
        common.spend(u64::try_from(beyond.as_micros()).unwrap_or(u64::MAX), uptime);
        !common.wait(uptime).is_zero()
    }
}

/// What the calling thread has taken of a core since it began.
pub(crate) fn cpu_time() -> Duration {
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
    use std::iter::repeat_n;

    use rustix::process::getpriority_process;

    use super::*;
    use crate::Limits;

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

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// One that has begun at 0.
    fn effort() -> Effort {
        let taken = Duration::ZERO;
        Effort { looked: at(0), taken, left: AT_FIRST, has_stepped_back: false }
    }

    fn common() -> Common {
        Common::new(Limits::default().receiving_us)
    }

    /// The look at which a thread steps back that takes so many µs before each.
    fn steps_back_at(taken_us: impl IntoIterator<Item = u64>) -> Option<usize> {
        let (mut effort, mut sum, common) = (effort(), Duration::ZERO, common());
        taken_us.into_iter().zip(1..).position(|(taken, look)| {
            sum += Duration::from_micros(taken);
            effort.is_too_much(sum, at(5 * look), &common)
        })
    }

    #[test]
    fn who_takes_what_encoders_make_it_take_never_steps_back() {
        // Ten minutes of a picture each 40 ms, and of a segment each 2 s.
        let work = |look: u64| match look {
            _ if look.is_multiple_of(400) => 12_000,
            _ if look.is_multiple_of(8) => 200,
            _ => 0,
        };
        assert_eq!(steps_back_at((1..120_000).map(work)), None);
        // A file that comes as fast as it can be read.
        assert_eq!(steps_back_at([5_000; 50].into_iter().chain([0; 100])), None);
        // A tenth of a core, for ten minutes, where nobody else takes more than his part.
        assert_eq!(steps_back_at(repeat_n(500, 120_000)), None);
        let looks = steps_back_at(repeat_n(5_000, 120_000)).unwrap();
        assert!((50..=80).contains(&looks), "all of a core, for {looks} looks");
    }

    #[test]
    fn of_many_who_take_too_much_most_step_back_soon_and_so_do_those_who_come_again() {
        // Forty threads that want all they can have of one core; and each that has stepped back
        // comes again as somebody new a second later.
        let (common, looks) = (common(), 2_000);
        let mut efforts: Vec<Effort> = (0..40).map(|_| effort()).collect();
        let mut comes: Vec<u64> = vec![0; 40];
        let mut taken = Duration::ZERO;
        for look in 1..=looks {
            let waiting = comes.iter().filter(|comes| **comes < look).count() as u32;
            for (effort, comes) in efforts.iter_mut().zip(&mut comes) {
                if *comes >= look {
                    continue;
                }
                let share = Duration::from_millis(5) / waiting;
                taken += share;
                if effort.is_too_much(effort.taken + share, at(5 * look), &common) {
                    *comes = look + 200;
                    *effort = Effort { looked: at(5 * *comes), ..self::effort() };
                }
            }
        }
        assert!(taken < Duration::from_secs(4), "{taken:?} of 10 s");
    }
}
