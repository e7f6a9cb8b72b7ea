//! Is this stream good? HLS playlists and MPEG-TS segments judged rule by rule.
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
#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod ledger;
mod limits;
mod pes;
mod playlist;
mod playlist_reader;
mod psi;
mod rendition;
mod report;
mod rule;
mod rules;
mod time;
mod ts_reader;
mod url;
mod video;

pub use audio::AudioTrack;
pub use checker::{Checker, DecodeJob, Decoded, Options, Request, RequestKind, Response, Step};
pub use error::Error;
pub use fault::{Fault, Faults};
pub use limits::Limits;
pub use playlist::{
    MediaPlaylist, MediaSegment, MultivariantPlaylist, Playlist, PlaylistType, Variant,
};
pub use playlist_reader::{Reading, read_playlist};
pub use psi::Program;
pub use report::{Bound, Finding, Measurement, Outcome, Report, RuleReport};
pub use rule::Rule;
pub use ts_reader::{Counter, PACKET_BYTES, PcrFacts, TransportStream, read_segment};
pub use video::{AccessUnit, VideoTrack};
