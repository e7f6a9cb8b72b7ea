//! The vocabulary every other crate shares: time, samples and pictures.
//!
//! Nothing here reads a clock, a socket or a format. All times are 90 kHz ticks (`Timestamp`,
//! `Duration`), which is the resolution of MPEG-TS and holds every RTMP millisecond exactly.
#![forbid(unsafe_code)]

mod picture;
mod sample;
mod time;

pub use picture::{I420, I420Buf, Plane};
pub use sample::{AccessUnit, AudioFrame, NalUnits};
pub use time::{Duration, TICKS_PER_SECOND, Timestamp, UnwrapMs, WIRE_SHIFT};
