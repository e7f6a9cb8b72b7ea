//! AMF0 values: what RTMP commands and FLV metadata are made of, decoded within limits.
//!
//! | Specification | Version | Here called |
//! |---|---|---|
//! | [Action Message Format](https://rtmp.veriskope.com/pdf/amf0-file-format-specification.pdf) | AMF 0, December 2007 | AMF0 |
//!
//! The bytes come from strangers before any authentication, so **depth, number of values and bytes
//! are bounded by [`Limits`], and nothing is ever sized by a count or a length found in the
//! input**. What real encoders get wrong is tolerated: counts of ECMA arrays are ignored, objects
//! may end with the input instead of an end marker, strings that are not UTF-8 are taken lossily.
//!
//! ```
//! use amf0::{Limits, Value};
//!
//! let mut bytes = Vec::new();
//! amf0::encode(&Value::from("onMetaData"), &mut bytes);
//! amf0::encode(&Value::Object(vec![("width".to_owned(), Value::Number(256.0))]), &mut bytes);
//!
//! let values = amf0::decode_all(&bytes, &Limits::default())?;
//! assert_eq!(values[0].as_str(), Some("onMetaData"));
//! assert_eq!(values[1].property("width").and_then(Value::as_number), Some(256.0));
//! # Ok::<(), amf0::Error>(())
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
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        reason = "tests compute with their own numbers"
    )
)]

mod decode;
mod encode;
mod error;
#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod limits;
mod marker;
mod value;

pub use decode::{decode, decode_all, decode_first};
pub use encode::encode;
pub use error::Error;
pub use limits::Limits;
pub use value::Value;
