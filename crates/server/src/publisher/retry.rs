//! When to try again, and when to give up.

use std::time::Duration;

use super::link::Gone;
use crate::clock::Moment;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(10);
/// A stay this long ends all earlier trouble: a server that accepts and drops at once is not asked
/// twice a second.
const SETTLED: Duration = Duration::from_secs(10);
/// How long the server may take to notice that our own earlier connection, which holds the name, is
/// dead.
const GHOST: Duration = Duration::from_secs(30);

/// Whether to try again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    TryAgainIn(Duration),
    GiveUp,
}

/// Remembers how it went so far.
#[derive(Debug, Default)]
pub(super) struct Retry {
    /// The wait before this attempt; zero where there was none.
    waited: Duration,
    /// When the server said yes, the last time.
    accepted: Option<Moment>,
    /// When the connection was lost, if it is.
    lost: Option<Moment>,
}

impl Retry {
    /// The server said yes.
    pub(super) fn connected(&mut self, now: Moment) {
        self.accepted = Some(now);
        self.lost = None;
    }

    /// A connection is lost, or could not be had.
    pub(super) fn after(&mut self, gone: &Gone, now: Moment) -> Verdict {
        // It was never there: the URL may be wrong, and somebody looks at the terminal.
        let Some(accepted) = self.accepted else { return Verdict::GiveUp };
        let was_publishing = self.lost.is_none();
        let lost = *self.lost.get_or_insert(now);
        if !self.may_pass(gone, was_publishing, now.since(lost)) {
            return Verdict::GiveUp;
        }
        if was_publishing && now.since(accepted) >= SETTLED {
            self.waited = Duration::ZERO;
        }
        self.waited = (self.waited * 2).clamp(FIRST, LONGEST);
        Verdict::TryAgainIn(self.waited)
    }

    /// A broken connection and a server that stops may be better the next time; a wrong key may
    /// not. A name in use is our own earlier connection, or somebody took our place while we
    /// published, and is welcome to it.
    fn may_pass(&self, gone: &Gone, was_publishing: bool, away: Duration) -> bool {
        let Gone::Refused(reason) = gone else { return true };
        match reason.code.as_str() {
            "NetStream.Publish.Failed" => true,
            "NetStream.Publish.BadName" | "NetStream.Publish.Denied" => {
                !was_publishing && away < GHOST
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use rtmp::ServerRefusal;

    use super::*;

    fn at(ms: u64) -> Moment {
        Moment { uptime: Duration::from_millis(ms), unix_ms: 0 }
    }

    fn broken() -> Gone {
        Gone::Io(io::ErrorKind::BrokenPipe.into())
    }

    fn refused(code: &str) -> Gone {
        Gone::Refused(ServerRefusal { code: code.to_owned(), description: String::new() })
    }

    /// Published for a minute, then lost.
    fn lost() -> Retry {
        let mut retry = Retry::default();
        retry.connected(at(0));
        assert_eq!(retry.after(&broken(), at(60_000)), Verdict::TryAgainIn(FIRST));
        retry
    }

    #[test]
    fn the_first_attempt_must_succeed() {
        assert_eq!(Retry::default().after(&broken(), at(0)), Verdict::GiveUp);
        let refusal = refused("NetStream.Publish.BadName");
        assert_eq!(Retry::default().after(&refusal, at(0)), Verdict::GiveUp);
    }

    #[test]
    fn a_server_that_goes_is_tried_again_ever_more_slowly_for_ever() {
        let mut retry = lost();
        let waits: Vec<_> = (0..7)
            .map(|i| match retry.after(&broken(), at(61_000 + i * 100_000)) {
                Verdict::TryAgainIn(wait) => wait.as_millis(),
                Verdict::GiveUp => 0,
            })
            .collect();
        assert_eq!(waits, [1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn only_a_stay_of_some_length_makes_it_impatient_again() {
        let mut retry = lost();
        retry.connected(at(61_000));
        assert_eq!(retry.after(&broken(), at(62_000)), Verdict::TryAgainIn(2 * FIRST));
        retry.connected(at(63_000));
        assert_eq!(retry.after(&broken(), at(73_000)), Verdict::TryAgainIn(FIRST));
    }

    #[test]
    fn our_own_ghost_is_waited_for_but_not_for_ever() {
        let ghost = refused("NetStream.Publish.BadName");
        let mut retry = lost();
        assert_eq!(retry.after(&ghost, at(61_000)), Verdict::TryAgainIn(2 * FIRST));
        assert_eq!(retry.after(&ghost, at(90_000)), Verdict::GiveUp);
    }

    #[test]
    fn a_wrong_key_and_a_successor_are_final_a_stopping_server_is_not() {
        assert_eq!(
            lost().after(&refused("NetStream.Publish.Unauthorized"), at(61_000)),
            Verdict::GiveUp
        );
        assert_eq!(lost().after(&refused(""), at(61_000)), Verdict::GiveUp);
        let mut replaced = Retry::default();
        replaced.connected(at(0));
        assert_eq!(
            replaced.after(&refused("NetStream.Publish.BadName"), at(60_000)),
            Verdict::GiveUp
        );
        let mut stopped = Retry::default();
        stopped.connected(at(0));
        let stopping = refused("NetStream.Publish.Failed");
        assert_eq!(stopped.after(&stopping, at(60_000)), Verdict::TryAgainIn(FIRST));
    }
}
