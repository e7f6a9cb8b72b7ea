//! Files from disk: MP4, QuickTime and FLV to samples, read as they are due.
//!
//! | Short name | Specification |
//! |---|---|
//! | 14496-12 | ISO/IEC 14496-12, ISO base media file format (boxes, sample tables, edit lists, fragments) |
//! | 14496-14 | ISO/IEC 14496-14, MP4 (`mp4a`, `esds`); descriptors: ISO/IEC 14496-1 7.2.6 |
//! | 14496-15 | ISO/IEC 14496-15, `avc1`, `avc3`, `avcC` |
//! | QTFF | QuickTime File Format (sound description versions 1 and 2, `wave`) |
//! | FLV 10.1 | Adobe Flash Video File Format Specification 10.1, annex E |
//!
//! H.264 and AAC come out as they are in the file, in decoding order across the tracks, with edit
//! lists applied and timestamps from zero: what a publisher has to send. **Nothing is held but a
//! page cache of [`Limits::PAGES`] pages and the next sample of each track**, however long the file
//! is: tables are read where they stand. An MP4 is surveyed when it is opened, so what is wrong
//! with it is told before its first sample; an FLV file has no index, its faults are found on the
//! way.
//!
//! **Damage costs what is damaged**: a tag, a sample, a fragment, a sound track. It is left out and
//! named in [`Source::notes`], with its byte, unless [`OnFault::Refuse`] asks for an error instead.
//! Pictures that cannot be carried refuse the whole file: its sound alone is not what anybody wants
//! to see.
//!
//! ```no_run
//! let mut source = source::Source::open("talk.mp4".as_ref(), source::OnFault::LeaveOut)?;
//! while let Some(sample) = source.next_sample()? {
//!     // send it when it is due
//! }
//! // Play it again behind itself: every timestamp of the next round is later by this.
//! let offset = source.duration();
//! source.rewind();
//! # Ok::<(), source::Error>(())
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

mod active_sps;
mod codec_name;
mod disk;
mod error;
mod flv_file;
#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod info;
mod limits;
mod mp4;
mod notes;
mod sample;
mod source;
mod time;

pub use error::{Error, TrackName};
pub use info::{AudioInfo, Container, Info, Span, VideoInfo};
pub use limits::Limits;
pub use notes::{Note, OnFault};
pub use sample::Sample;
pub use source::Source;
