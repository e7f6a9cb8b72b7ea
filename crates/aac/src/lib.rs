//! AAC without decoding: the AudioSpecificConfig that describes a stream, and the ADTS headers
//! MPEG-TS wants.
//!
//! | Short name | Specification |
//! |---|---|
//! | 14496-3 | ISO/IEC 14496-3:2009, "MPEG-4 Audio": 1.6.2.1 AudioSpecificConfig, 4.4.1 GASpecificConfig, 1.A.2 ADTS, 4.4.2 raw data blocks |
//! | RFC 6381 | the `codecs` parameter, `mp4a.40.n` |
//!
//! ```
//! let config = aac::AudioSpecificConfig::parse(&[0x12, 0x10])?;
//! assert_eq!((config.sample_rate_hz, config.channels), (44_100, 2));
//! assert_eq!(config.codec_string(), "mp4a.40.2");
//! assert_eq!(aac::adts_header(&config, 371)?, [0xff, 0xf1, 0x50, 0x80, 0x2f, 0x5f, 0xfc]);
//! # Ok::<(), aac::Error>(())
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

mod adts;
mod bits;
mod config;
mod error;
mod frame_check;
mod frequency;
#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod program_config;
mod silence;

pub use adts::{AdtsFrame, adts_header};
pub use config::AudioSpecificConfig;
pub use error::{Error, NotInAdts};
