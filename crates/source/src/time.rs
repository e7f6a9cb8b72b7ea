//! Arithmetic of media time: it saturates, which the lint against plain operators does not know.
#![expect(clippy::arithmetic_side_effects, reason = "Timestamp and Duration saturate")]

use media::{Duration, Timestamp};

pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    at + by
}

pub(crate) fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at - by
}

pub(crate) fn between(start: Timestamp, end: Timestamp) -> Duration {
    end - start
}
