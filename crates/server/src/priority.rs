//! Who gets a core first where there are too few.

use rustix::process::setpriority_process;
use tracing::debug;

/// Threads that decode and encode step back by this much behind those that receive and deliver: a
/// tenth of the share of a core, where both want one. Among themselves they are equal, so that each
/// stream has its part.
const CODING_NICE: i32 = 10;

/// The calling thread is one that decodes and encodes from here on.
pub(crate) fn step_back() {
    // On Linux the priority is the thread's own (setpriority(2)), elsewhere that of the process.
    if !cfg!(target_os = "linux") {
        return;
    }
    if let Err(error) = setpriority_process(None, CODING_NICE) {
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
}
