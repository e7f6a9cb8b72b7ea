//! FLV: the tag bodies that RTMP carries as audio, video and data messages, and whole FLV files.
//!
//! | Short name | Specification |
//! |---|---|
//! | FLV 10.1 | Adobe Flash Video File Format Specification 10.1, annex E |
//! | E-RTMP v2 | Veovera "Enhancing RTMP, FLV", version 2 (FourCC codecs, ModEx, multitrack) |
//!
//! An RTMP audio or video message is a tag body without the 11-byte tag header, so
//! [`VideoTag::parse`] and [`AudioTag::parse`] serve both. Nothing is copied: what they return are
//! slices of the message.
//!
//! ```
//! use bytes::Bytes;
//! use flv::{VideoBody, VideoTag};
//!
//! // An H.264 inter picture, 40 ms between decoding and presentation.
//! let message = Bytes::from_static(&[0x27, 1, 0, 0, 40, 0, 0, 0, 2, 0x41, 0x9a]);
//! let tag = VideoTag::parse(message)?.expect("not empty");
//! let VideoBody::NalUnits { composition_time_ms, data } = tag.body else { panic!() };
//! assert_eq!((composition_time_ms, &data[..]), (40, &[0, 0, 0, 2, 0x41, 0x9a][..]));
//! # Ok::<(), flv::Error>(())
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

mod audio;
mod enhanced;
mod error;
mod file;
#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod reader;
mod script;
mod tag;
mod video;
mod writer;

pub use audio::{AudioBody, AudioCodec, AudioTag};
pub use enhanced::FourCc;
pub use error::Error;
pub use file::{FileHeader, FileReader, Limits, TagHeader};
pub use script::OnMetaData;
pub use tag::{Tag, TagKind};
pub use video::{FrameType, VideoBody, VideoCodec, VideoTag};
pub use writer::{audio_raw, audio_sequence_header, video_nal_units, video_sequence_header};
