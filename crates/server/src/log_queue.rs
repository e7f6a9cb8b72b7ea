//! The log's way out: a bounded queue and a thread that writes, so that nobody ever waits for
//! whoever reads the log.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::Builder;
use std::time::Duration;

use crate::sync::{lock, wait};

/// Lines that wait for a reader, in bytes: some minutes of a busy log. Past it they are lost, and
/// counted.
const MAX_BYTES: usize = 256 << 10;

/// Lines on their way to a sink that may take them slowly, or never again: a full pipe, a terminal
/// that is stopped.
#[derive(Debug, Default)]
pub struct LogQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// A line has been taken and is not written yet.
    is_writing: bool,
    lost: u64,
}

/// Puts each buffer that it is given into the queue, as one line.
#[derive(Clone, Debug)]
pub struct LogWriter(Arc<LogQueue>);

impl LogQueue {
    /// Starts the thread `log`, which writes lines to `sink` one by one for as long as the process
    /// lives. Where some were lost, and there is room again, it calls `say_lost` with their number,
    /// which may log.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        sink: impl Write + Send + 'static,
        say_lost: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        // It is the first thread beside the main one.
        pipeline::share_one_heap();
        let queue = Arc::new(Self::default());
        let log = Arc::clone(&queue);
        Builder::new().name("log".to_owned()).spawn(move || log.run(sink, say_lost))?;
        Ok(queue)
    }

    /// A writer that never blocks and never fails.
    #[must_use]
    pub fn writer(self: &Arc<Self>) -> LogWriter {
        LogWriter(Arc::clone(self))
    }

    /// Waits until all lines are written, or for as long as `limit`.
    pub fn flush(&self, limit: Duration) {
        let is_busy = |state: &mut State| !state.lines.is_empty() || state.is_writing;
        // Whatever comes of it, the caller goes on.
        let _ = self.changed.wait_timeout_while(lock(&self.state), limit, is_busy);
    }

    fn push(&self, line: &[u8]) {
        let mut state = lock(&self.state);
        if state.bytes + line.len() > MAX_BYTES {
            state.lost += 1;
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line.to_vec());
        self.changed.notify_all();
    }

    fn run(&self, mut sink: impl Write, say_lost: impl Fn(u64)) {
        loop {
            let line = self.next_line();
            // A sink that takes nothing any more loses the line; there is nobody to tell.
            let _ = sink.write_all(&line);
            let lost = self.note_written();
            if lost > 0 {
                say_lost(lost);
            }
        }
    }

    fn next_line(&self) -> Vec<u8> {
        let mut state = lock(&self.state);
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len();
                state.is_writing = true;
                return line;
            }
            state = wait(&self.changed, state);
        }
    }

    /// How many lines were lost, if there is room to say so.
    fn note_written(&self) -> u64 {
        let mut state = lock(&self.state);
        state.is_writing = false;
        self.changed.notify_all();
        if state.bytes > MAX_BYTES / 2 { 0 } else { std::mem::take(&mut state.lost) }
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// Takes one line for each permit, and everything once nobody gives permits any more.
    struct SlowSink {
        permits: Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for SlowSink {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.permits.recv();
            lock(&self.taken).extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_logs_never_waits_and_what_is_lost_is_counted() {
        let (permit, permits) = channel();
        let (say_lost, said_lost) = channel();
        let taken = Arc::default();
        let sink = SlowSink { permits, taken: Arc::clone(&taken) };
        let queue = LogQueue::start(sink, move |lines| say_lost.send(lines).unwrap()).unwrap();
        let mut writer = queue.writer();
        // Nothing is taken meanwhile: were the queue not bounded, or did it wait, this would not
        // end.
        for number in 0..100_000 {
            let line = format!("{number:06} and some words more\n");
            writer.write_all(line.as_bytes()).unwrap();
            assert!(lock(&queue.state).bytes <= MAX_BYTES);
        }
        assert!(said_lost.try_recv().is_err(), "it is said when there is room");
        drop(permit);
        let lost: u64 = said_lost.recv().unwrap();
        queue.flush(Duration::from_secs(60));
        let taken = String::from_utf8(lock(&taken).clone()).unwrap();
        let numbers: Vec<usize> = taken.lines().map(|line| line[..6].parse().unwrap()).collect();
        assert!(numbers.is_sorted_by(|before, after| before < after), "whole, in order");
        assert_eq!(numbers[..1000], (0..1000).collect::<Vec<_>>(), "the oldest");
        assert_eq!(lost + numbers.len() as u64, 100_000);
    }

    #[test]
    fn a_reader_that_never_comes_back_does_not_stop_the_end() {
        let (_permit, permits) = channel();
        let sink = SlowSink { permits, taken: Arc::default() };
        let queue = LogQueue::start(sink, |_| ()).unwrap();
        writeln!(queue.writer(), "stopped").unwrap();
        queue.flush(Duration::from_millis(10));
        assert!(lock(&queue.state).is_writing || !lock(&queue.state).lines.is_empty());
    }
}
