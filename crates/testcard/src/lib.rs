//! A test signal: moving picture with clock and counter, and the sound that goes with it.
//!
//! | Specification | What of it | Here |
//! |---|---|---|
//! | ITU-R BT.471 | colour bars 100/0/75/0 | [`TestCard`] |
//! | ITU-R BT.601-7, BT.709-6 | limited-range Y'CbCr | [`Matrix`] |
//!
//! Everything depends on its arguments only: the same numbers make the same picture, and no clock
//! is read here.
//!
//! # Examples
//! ```
//! use testcard::{TestCard, Tone};
//!
//! let start_unix_ms = 1_700_000_000_000;
//! let mut card = TestCard::new(1280, 720, (30, 1), "hello_world");
//! let mut tone = Tone::new(48_000, 2, start_unix_ms);
//! let mut samples = [0; 1600 * 2];
//! for frame_number in 0..3 {
//!     let picture = card.draw(frame_number, start_unix_ms + frame_number as i64 * 1000 / 30);
//!     assert_eq!(picture.width(), 1280);
//!     tone.fill(&mut samples);
//! }
//! ```
#![forbid(unsafe_code)]

mod canvas;
mod card;
mod colour;
mod font;
mod layout;
mod tone;

pub use card::TestCard;
pub use colour::Matrix;
pub use tone::{BEEP_HZ, BEEP_MS, TONE_HZ, Tone};
