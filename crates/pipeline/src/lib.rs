//! One stream from messages to segments: demux, cut, decode, scale, encode, package. Sync and
//! without a clock.
//!
//! ```text
//! RTMP messages -> Ingest -> packages of the source
//!                    |
//!                    |-> spans -> SegmentStore -> make_segment -> a package somebody asked for
//!                    |
//!                  items -> Queue -> Transcoder -> packages of the ladder, or promises
//! ```
//!
//! While nobody publishes, [`Slate`] makes packages and spans of what the last publisher left.
//!
//! [`write_ts`] makes a segment of a package, and so does [`write_cmaf`].
//!
//! The two halves run on a thread each; the [`Queue`] between them says what is dropped when the
//! second falls behind. **After every call that takes input, drain `poll` to None.** The same input
//! gives the same output, always.
#![forbid(unsafe_code)]

mod access_units;
mod audio_group;
mod audio_track;
mod cmaf_writer;
mod decode_budget;
mod decoding;
#[cfg(test)]
mod decoding_tests;
mod drift;
mod encoded_sound;
mod event;
mod governor;
mod ingest;
mod keyframes;
mod live_budget;
mod luma;
mod message_error;
mod mp3_track;
mod package;
mod pause;
mod picture;
mod picture_order;
mod picture_watch;
mod poster;
mod queue;
mod rates;
mod rendition;
mod rendition_set;
mod rung;
mod sample_clock;
mod short_spans;
mod slate;
mod sound_queue;
mod source_segment;
mod test_signal;
mod timeline;
mod tracks;
mod transcoder;
mod ts_writer;
mod video_track;
mod wall_budget;
mod work;
mod written_sets;

#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(any(test, fuzzing))]
mod model;

pub use cmaf_writer::{init_section, measure_cmaf, write_cmaf};
pub use codec::{DecoderKind, give_back_free_memory, share_one_heap};
pub use event::{
    AudioRefusal, IngestOutput, Notice, RenditionInfo, SourceFacts, StayRefusal, TranscoderOutput,
};
pub use hls::{GridMode, GridState};
pub use ingest::Ingest;
pub use keyframes::Keyframes;
pub use luma::{LumaFacts, decode_luma};
pub use message_error::{MessageError, SkippedMessage, VideoRefusal};
pub use mpegts::Continuity;
pub use package::{Package, Sample};
pub use picture::{Picture, VideoConfig};
pub use queue::{Queue, QueueStats};
pub use rates::{Allowance, SourceRates, allowances};
pub use rendition::{
    AacProfile, AudioPreset, FrameRate, MIN_SIDE, Preset, Profile, VideoPreset, preset_names,
};
pub use rendition_set::RenditionSet;
pub use rung::RungStats;
pub use slate::Slate;
pub use source_segment::{
    EndedSpan, FollowedBy, Item, LadderCut, OldestMakeable, SegmentSource, SegmentStore, Sound,
    SourceSegment, SpanStart,
};
pub use test_signal::{TestSample, TestSignal, TestSignalConfig, TestSignalError};
pub use tracks::StreamTracks;
pub use transcoder::{MadeSegment, MakeError, Transcoder, TranscoderStats, make_segment};
pub use ts_writer::{measure_ts, write_ts};
pub use work::{Work, WorkClock};

/// How every stream is treated.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// What to make beside the source, at most [`RenditionSet::MAX`]; empty for passthrough only.
    pub renditions: Vec<Preset>,
    /// How long a segment shall be.
    pub segment_duration: media::Duration,
    /// Whose decoder the renditions are made with.
    pub decoder: DecoderKind,
    /// What the work on the renditions is measured by.
    pub work_clock: WorkClock,
}

impl StreamConfig {
    /// The renditions that have pictures: the others are made when a span has ended, and need none
    /// as they come.
    #[must_use]
    pub fn with_pictures(&self) -> RenditionSet {
        let renditions = self.renditions.iter().enumerate();
        let pictured = renditions.filter(|(_, preset)| preset.video.is_some());
        pictured.fold(RenditionSet::EMPTY, |set, (index, _)| set.with(index))
    }
}
