//! Whole checks: of a stream that a small origin makes in simulated time, and of streams that lie
//! in a folder.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod faults;
mod field_cases;
mod support;
