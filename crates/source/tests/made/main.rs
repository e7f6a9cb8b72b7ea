//! Files that nobody recorded: written here box by box, so that every odd thing of the format is
//! met.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod cases;
mod prop_flv;
mod prop_fragments;
mod prop_mp4;
mod support;
