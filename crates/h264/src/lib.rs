//! The H.264 syntax a streaming server needs, without decoding: NAL units, parameter sets, and
//! cheap facts about each picture.
//!
//! | Short name | Specification |
//! |---|---|
//! | 14496-10 | ISO/IEC 14496-10 = ITU-T H.264 (08/2021): 7.3 syntax, annex B byte stream, annex E VUI |
//! | 14496-15 | ISO/IEC 14496-15:2019: 5.3.3.1 AVCDecoderConfigurationRecord, 5.3.2 length-prefixed NAL units |
//! | RFC 6381 | the `codecs` parameter, `avc1.PPCCLL` |
//!
//! ```
//! use bytes::Bytes;
//! use h264::NalType;
//!
//! let access_unit = Bytes::from_static(&[0, 0, 0, 2, 0x09, 0x10, 0, 0, 0, 3, 0x65, 0x88, 0x84]);
//! let (units, _) = h264::avcc::nal_units(access_unit, 4)?;
//! let types: Vec<_> = units.iter().map(h264::nal_type).collect();
//! assert_eq!(types, [NalType::AccessUnitDelimiter, NalType::Idr]);
//! assert!(h264::classify(&units).idr);
//! # Ok::<(), h264::Error>(())
//! ```
//!
//! Parsing is lenient where a decoder would not need the value: a stream plays if its size can be
//! read.
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

mod access_unit;
mod active;
pub mod annexb;
pub mod avcc;
mod avcc_writer;
mod bits;
mod decodable;
mod error;
#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod limits;
mod nal;
mod parameter_sets;
mod pic_order_cnt;
mod picture_id;
mod pps;
mod scaling;
mod sei;
mod slice_header;
mod slice_order;
mod sps;
mod vui;

pub use access_unit::{PictureFacts, SliceType, classify, slice_outline, split_parameter_sets};
pub use active::ParsedSets;
pub use avcc::AvcConfig;
pub use avcc_writer::{avc_config_record, write_avcc};
pub use decodable::{Undecodable, hindrances};
pub use error::Error;
pub use limits::Limits;
pub use nal::{NalType, nal_ref_idc, nal_type, write_rbsp};
pub use parameter_sets::ParameterSets;
pub use pic_order_cnt::PicOrderCounter;
pub use picture_id::PictureId;
pub use pps::Pps;
pub use scaling::{ScalingLists, ScalingMatrix};
pub use sei::recovery_frame_count;
pub use slice_header::{
    DecRefPicMarking, MemoryManagementControl, ModificationOfPicNums, PredWeightTable,
    RefPicListModification, SliceHeader, Weight,
};
pub use slice_order::judge_slices;
pub use sps::{PicOrderCntCycle, Sps};
pub use vui::Colour;
