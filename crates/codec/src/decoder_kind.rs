//! Which H.264 decoders there are, and what each of them can do: one table.

use std::fmt;

use h264::{Pps, Sps, Undecodable};

use crate::Error;
use crate::decoder::{Decode, Limits};
use crate::native_decoder::NativeDecoder;
use crate::openh264_decoder::Openh264Decoder;
use crate::rusty_decoder::RustyDecoder;

/// Whose decoder, the preferred one first. docs/decode.md says which is right and fast for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecoderKind {
    /// `rusty_h264`: exact, memory-safe outside its SIMD kernels; refuses by name what it cannot
    /// do.
    #[default]
    Rusty,
    /// Cisco's: conceals errors and starts anywhere; B pictures differ in single samples.
    Openh264,
    /// Our own, `h264_decoder`: exact, without `unsafe`, conceals errors; the only one for
    /// interlaced and monochrome streams.
    Native,
}

/// Where a decoder may begin, or go on after an error that it does not conceal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecoderStart {
    /// At pictures of I slices alone, IDR or not.
    IntraPicture,
    /// There, and at recovery points; gives nothing before what it decodes is right.
    RecoveryPoint,
    /// At any picture; those that refer to what was before it become right by and by.
    AnyPicture,
}

/// What there is to know of a decoder before it is opened.
struct Row {
    kind: DecoderKind,
    /// What settings, the log and `/status` call it.
    name: &'static str,
    /// What it cannot do of pictures with these parameter sets, by name. What shows in slices only,
    /// it refuses with [`Error::Unsupported`] when they come.
    decodes: fn(&Sps, &Pps) -> Result<(), Undecodable>,
    /// Whether it goes on after an error, with what is missing made up.
    conceals: bool,
    start: DecoderStart,
    open: fn(Limits) -> Result<Box<dyn Decode>, Error>,
}

/// Every decoder, the preferred one first, in the order of [`DecoderKind`]. Another one is another
/// variant there and another row here.
const TABLE: &[Row] = &[
    Row {
        kind: DecoderKind::Rusty,
        name: "rusty",
        decodes: decodes_progressive,
        conceals: false,
        start: DecoderStart::IntraPicture,
        open: |limits| Ok(Box::new(RustyDecoder::new(limits))),
    },
    Row {
        kind: DecoderKind::Openh264,
        name: "openh264",
        decodes: decodes_progressive,
        conceals: true,
        start: DecoderStart::AnyPicture,
        open: |limits| Ok(Box::new(Openh264Decoder::new(limits)?)),
    },
    Row {
        kind: DecoderKind::Native,
        name: "native",
        decodes: decodes_interlaced,
        conceals: true,
        start: DecoderStart::RecoveryPoint,
        open: |limits| Ok(Box::new(NativeDecoder::new(limits))),
    },
];

/// Progressive 4:2:0 of 8 bits.
fn decodes_progressive(sps: &Sps, pps: &Pps) -> Result<(), Undecodable> {
    h264::hindrances(sps, pps).next().map_or(Ok(()), Err)
}

/// That, and interlaced coding and monochrome.
fn decodes_interlaced(sps: &Sps, pps: &Pps) -> Result<(), Undecodable> {
    let is_none = |hindrance: &Undecodable| {
        matches!(
            hindrance,
            Undecodable::Interlaced | Undecodable::ChromaFormat { chroma_format_idc: 0 }
        )
    };
    h264::hindrances(sps, pps).find(|hindrance| !is_none(hindrance)).map_or(Ok(()), Err)
}

// `DecoderKind::row` takes a kind for a place in the table.
const _: () = {
    let mut place = 0;
    while place < TABLE.len() {
        assert!(TABLE[place].kind as usize == place, "the table is in the order of DecoderKind");
        place += 1;
    }
};

impl DecoderKind {
    /// Every decoder, the preferred one first.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.kind)
    }

    /// The preferred one of those that decode pictures with this SPS and any of these PPS. None
    /// where there is none, or no single one for all.
    #[must_use]
    pub fn preferred(sps: &Sps, pps: &[Pps]) -> Option<Self> {
        Self::all().find(|kind| pps.iter().all(|pps| kind.decodes(sps, pps).is_ok()))
    }

    /// The one to try where this one fails: the next in the order of preference, after the last the
    /// first, of those that `is_out` does not rule out. None where that leaves none but itself.
    #[must_use]
    pub fn next(self, is_out: impl Fn(Self) -> bool) -> Option<Self> {
        let after = Self::all().skip(self as usize + 1);
        let before = Self::all().take(self as usize);
        after.chain(before).find(|kind| !is_out(*kind))
    }

    /// Judges whether it decodes pictures with these parameter sets. Nothing is decoded.
    ///
    /// # Errors
    /// The first reason found, to be shown to the streamer.
    pub fn decodes(self, sps: &Sps, pps: &Pps) -> Result<(), Undecodable> {
        (self.row().decodes)(sps, pps)
    }

    /// Whether it goes on after an error, with what is missing made up of earlier pictures. The
    /// others give nothing until a picture comes that they can start at.
    #[must_use]
    pub fn conceals(self) -> bool {
        self.row().conceals
    }

    /// Where it may begin.
    #[must_use]
    pub fn start(self) -> DecoderStart {
        self.row().start
    }

    pub(crate) fn open(self, limits: Limits) -> Result<Box<dyn Decode>, Error> {
        (self.row().open)(limits)
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

impl fmt::Display for DecoderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().name)
    }
}

/// Judges whether any decoder here decodes pictures with these parameter sets. Nothing is decoded.
///
/// # Errors
/// What the last one that was asked cannot do, to be shown to the streamer: it can do the most.
pub fn decodable(sps: &Sps, pps: &Pps) -> Result<(), Undecodable> {
    let mut verdict = Ok(());
    for kind in DecoderKind::all() {
        verdict = kind.decodes(sps, pps);
        if verdict.is_ok() {
            break;
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_one_is_never_itself_nor_one_that_is_out() {
        for kind in DecoderKind::all() {
            assert_ne!(kind.next(|_| false), Some(kind));
            assert_eq!(kind.next(|_| true), None);
            for out in DecoderKind::all() {
                assert!(kind.next(|kind| kind == out).is_none_or(|next| next != out));
            }
        }
        let next = |kind: DecoderKind| kind.next(|_| false);
        assert_eq!(next(DecoderKind::Rusty), Some(DecoderKind::Openh264));
        assert_eq!(next(DecoderKind::Openh264), Some(DecoderKind::Native));
        assert_eq!(next(DecoderKind::Native), Some(DecoderKind::Rusty));
    }

    #[test]
    fn the_preferred_one_comes_first_and_names_differ() {
        assert_eq!(DecoderKind::all().next(), Some(DecoderKind::default()));
        let mut names: Vec<String> = DecoderKind::all().map(|kind| kind.to_string()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
    }
}
