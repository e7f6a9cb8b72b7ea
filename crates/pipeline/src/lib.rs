//! One stream from messages to segments: demux, cut, decode, scale, encode, package. Sync and without a clock.
//!
//! ```text
//! RTMP messages -> Ingest -> source segments
//!                    |
//!                  items -> Queue -> Transcoder -> the ladder's segments
//! ```
//!
//! The two halves run on a thread each; the [`Queue`] between them says what is dropped when the second falls behind.
//! **After every call that takes input, drain `poll` to None.** The same input gives the same output, always.
#![forbid(unsafe_code)]

mod audio_group;
mod audio_track;
mod backlog;
mod decoding;
#[cfg(test)]
mod decoding_tests;
mod drift;
mod event;
mod governor;
mod ingest;
mod item;
mod keyframes;
mod luma;
mod mp3_track;
mod packager;
mod picture_watch;
mod queue;
mod rendition;
mod rung;
mod sample_clock;
mod test_signal;
mod timeline;
mod transcoder;
mod video_track;

pub use codec::{DecoderKind, share_one_heap};
pub use decoding::DecoderChoice;
pub use event::{
    IngestOutput, Notice, RenditionEvent, RenditionInfo, SourceFacts, TranscoderOutput,
};
pub use hls::GridMode;
pub use ingest::Ingest;
pub use item::{Anchor, AudioChange, Item, Picture, VideoConfig};
pub use keyframes::Keyframes;
pub use luma::{LumaFacts, decode_luma};
pub use queue::{Queue, QueueStats};
pub use rendition::{FrameRate, MIN_SIDE, Preset, Profile, preset_names};
pub use rung::RungStats;
pub use test_signal::{TestSample, TestSignal, TestSignalConfig, TestSignalError};
pub use transcoder::{Transcoder, TranscoderStats};

/// How every stream is treated.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// What to make beside the source; empty for passthrough only.
    pub renditions: Vec<Preset>,
    /// How long a segment shall be.
    pub segment_duration: media::Duration,
    /// Whose decoder the renditions are made with.
    pub decoder: DecoderChoice,
}

/// What an earlier publisher of the same stream left behind, whose playlists still stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resume {
    /// How its stream was cut, if that was decided: target durations never change.
    pub grid: Option<GridMode>,
    /// Its segments are listed: the first new one stands behind a discontinuity.
    pub discontinuity: bool,
}
