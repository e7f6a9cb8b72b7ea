//! Is this stream good? HLS playlists and their segments (MPEG-TS, fragmented MP4, packed audio)
//! judged rule by rule, with the numbers, and by the rules that players have of their own.
//!
//! | Short name | Specification |
//! |---|---|
//! | RFC 8216 | HTTP Live Streaming (2017) |
//! | Apple n.n | rule n.n of Apple's "HLS authoring specification for Apple devices" |
//! | 13818-1 | ISO/IEC 13818-1, MPEG-2 Systems: transport stream, PSI, PES |
//! | 14496-12 | ISO/IEC 14496-12, ISO base media file format: boxes, fragments |
//! | 14496-15 | ISO/IEC 14496-15, `avc1`, `avcC` |
//! | 14496-3 | ISO/IEC 14496-3, 1.A.2: ADTS |
//!
//! Pure: no sockets, no clock, no decoder. **Ask [`Checker::next`] what to do, do it, tell the
//! checker what came of it, and ask again; at [`Step::Done`] take the report from
//! [`Checker::finish`], or before it from [`Checker::stop`].**
//!
//! ```
//! use std::time::Duration;
//! use check::{Checker, Options, Outcome, Response, Step};
//!
//! let mut checker = Checker::new("http://host/stream/x.m3u8", Options::default())?;
//! let mut now = Duration::ZERO;
//! loop {
//!     match checker.next(now) {
//!         // Here nobody is at home.
//!         Step::Fetch(request) => checker.failed("connection refused", now),
//!         Step::Decode(job) => checker.decoded(&check::Decoded::default()),
//!         Step::WaitUntil(time) | Step::WaitForStream { until: time, .. } => now = time,
//!         Step::Done => break,
//!     }
//! }
//! let report = checker.finish(now);
//! assert_eq!(report.verdict, check::Verdict::NoStream);
//! assert_eq!(report.rules[0].rule, "reachable");
//! assert_eq!(report.rules[0].outcome, Outcome::Fail);
//! assert_eq!(report.rules[0].findings[0].to_string(), "x: connection refused");
//! # Ok::<(), check::Error>(())
//! ```
#![forbid(unsafe_code)]
#![warn(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::panic,
    clippy::expect_used
)]
#![cfg_attr(
    test,
    allow(clippy::arithmetic_side_effects, reason = "tests choose their own numbers")
)]

mod attributes;
mod audio;
mod checker;
mod date;
mod error;
mod fault;
mod fmp4;
#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod ledger;
mod limits;
mod packed_audio;
mod pes;
mod playlist;
mod playlist_reader;
mod psi;
mod rendition;
mod report;
mod rule;
mod rules;
mod segment_facts;
mod time;
mod ts_reader;
mod url;
mod video;

pub use audio::AudioTrack;
pub use checker::{Checker, DecodeJob, Decoded, Options, Request, RequestKind, Response, Step};
pub use error::Error;
pub use fault::{Fault, Faults};
pub use fmp4::{Init, read_fragments, read_init};
pub use limits::Limits;
pub use playlist::{
    Alternative, AlternativeKind, ByteRange, Encryption, Map, MediaPlaylist, MediaSegment,
    MultivariantPlaylist, Playlist, PlaylistType, Variant,
};
pub use playlist_reader::{Reading, read_playlist};
pub use psi::Program;
pub use report::{Bound, Finding, Measurement, NoStream, Outcome, Report, RuleReport, Verdict};
pub use rule::Rule;
pub use segment_facts::{Container, Counter, PcrFacts, SegmentFacts};
pub use ts_reader::{PACKET_BYTES, read_segment};
pub use video::{AccessUnit, Shape, VideoTrack};
