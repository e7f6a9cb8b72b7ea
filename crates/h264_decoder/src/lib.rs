//! An H.264 decoder without `unsafe`: 8-bit 4:2:0 and monochrome, frames, fields and MBAFF.
//!
//! | Short name | Specification |
//! |---|---|
//! | H.264 | ITU-T H.264 (08/2021) = ISO/IEC 14496-10: Constrained Baseline, Main and High profile |
//!
//! Access units go in, pictures come out in output order. Nothing here reads a clock, starts a
//! thread or logs.
//!
//! ```
//! use h264_decoder::{Decoder, Limits};
//! use media::Timestamp;
//!
//! let mut decoder = Decoder::new(Limits::default());
//! # let access_units: Vec<Vec<&[u8]>> = Vec::new();
//! for access_unit in access_units {
//!     decoder.decode(access_unit, Timestamp::ZERO)?;
//!     while let Some(picture) = decoder.next_picture() {
//!         println!("{}x{}", picture.samples.width(), picture.samples.height());
//!     }
//! }
//! decoder.flush();
//! while let Some(_last) = decoder.next_picture() {}
//! # Ok::<(), h264_decoder::Error>(())
//! ```
//!
//! **After every `decode` and `flush`, take `next_picture` until it gives None.**
//!
//! What touches samples is compiled for several sets of vector instructions; the best one that the
//! processor has is found when a decoder is made ([`Instructions`]). Pictures are the same with
//! each.
//!
//! What is not decoded is refused by name ([`Refusal`]) before a picture is touched: flexible
//! macroblock ordering, arbitrary slice order, redundant slices, data partitioning, more than 8
//! bits, 4:2:2, 4:4:4, lossless coding. Damage is concealed from the picture nearest in time, and
//! counted in each [`Picture`].
#![forbid(unsafe_code)]
#![allow(
    clippy::needless_range_loop,
    clippy::manual_is_multiple_of,
    reason = "loops over columns, rows and blocks are those of the clauses"
)]

mod access_units;
mod cabac;
#[cfg(test)]
mod cabac_encoder;
mod cabac_syntax;
mod cabac_tables;
mod cavlc;
mod cavlc_syntax;
mod cavlc_tables;
mod conceal;
mod deblock;
mod decoder;
mod direct;
mod dpb;
mod error;
mod frame;
#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod inter_pred;
mod intra_pred;
mod kernels;
mod limits;
mod mb;
mod mv_pred;
mod picture;
mod quality;
mod ref_list;
mod residual;
mod slice;
mod syntax;
#[cfg(test)]
mod test_streams;
mod vectors;

pub use access_units::AccessUnitSplitter;
pub use decoder::{Decoder, Picture};
pub use error::{Error, Refusal};
pub use limits::Limits;
pub use quality::Quality;
pub use vectors::Instructions;
