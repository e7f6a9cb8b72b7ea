//! Why a configuration, an access unit or a parameter set could not be read.

use crate::NalType;

/// Why a configuration, an access unit or a parameter set could not be read. Positions are bytes
/// from the start of what was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither an avcC record nor Annex B.
    #[error("configuration version {actual} at byte 0, allowed is 1")]
    ConfigVersion {
        /// `configurationVersion`.
        actual: u8,
    },
    /// The avcC record ends inside a field.
    #[error("{what} needs {needed} bytes at byte {position}, only {available} left")]
    Truncated {
        /// The field that is cut.
        what: &'static str,
        /// Its length in bytes.
        needed: usize,
        /// Bytes that were left.
        available: usize,
        /// Where it starts.
        position: usize,
    },
    /// Length fields of a size that does not exist.
    #[error("NAL unit length field of {actual} bytes, allowed are 1, 2 and 4")]
    NalLengthSize {
        /// `lengthSizeMinusOne` + 1.
        actual: u8,
    },
    /// A NAL unit reaches past the end of its access unit.
    #[error("NAL unit of {length} bytes at byte {position}, only {available} left")]
    NalLength {
        /// What the length field says.
        length: usize,
        /// Bytes that were left.
        available: usize,
        /// Where the NAL unit starts, after its length field.
        position: usize,
    },
    /// More NAL units in one access unit than the limit.
    #[error("more than {limit} NAL units in an access unit (byte {position})")]
    TooManyNalUnits {
        /// [`crate::Limits::max_nal_units`].
        limit: usize,
        /// Where the first one too many starts.
        position: usize,
    },
    /// Not the kind of NAL unit that was asked for.
    #[error("NAL unit type {actual:?}, allowed is {expected:?}")]
    NalType {
        /// What it is.
        actual: NalType,
        /// What was expected.
        expected: NalType,
    },
    /// A parameter set or slice header that ends inside a field, or with a value outside of what
    /// the field may hold.
    #[error("{structure}: {field} is cut or out of range")]
    Syntax {
        /// "SPS", "PPS" or "slice header".
        structure: &'static str,
        /// The field's name in 14496-10.
        field: &'static str,
    },
    /// A slice of a picture parameter set that did not come, or whose sequence parameter set did
    /// not come.
    #[error(
        "slice header: no picture parameter set {pic_parameter_set_id}, or not its sequence parameter set"
    )]
    UnknownParameterSet {
        /// What the slice refers to.
        pic_parameter_set_id: u32,
    },
    /// A slice that begins at or before the one in front of it in its access unit.
    #[error("slice of macroblock {first_mb_in_slice} behind one of macroblock {before}")]
    SliceOrder {
        /// `first_mb_in_slice`.
        first_mb_in_slice: u32,
        /// That of the slice in front of it.
        before: u32,
    },
    /// Slices that could hold the macroblocks of many pictures.
    #[error("slices that can hold more than {limit} macroblocks")]
    SliceMacroblocks {
        /// [`crate::Limits::max_slice_macroblocks`].
        limit: u32,
    },
    /// An SP or SI slice, which only the Extended profile has.
    #[error("slice header: a switching slice (Extended profile)")]
    SwitchingSlice,
    /// A picture size that no level allows.
    #[error("picture of {width}x{height}, allowed are 1 to {limit} a side")]
    PictureSize {
        /// Coded width in samples.
        width: u64,
        /// Coded height in samples.
        height: u64,
        /// [`crate::Limits::max_side`].
        limit: u32,
    },
}
