//! Why an access unit could not be decoded, or not all of it.

/// Why an access unit could not be decoded at all. The decoder goes on with the next one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A stream with what this decoder does not decode; nothing of it was touched.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// A parameter set that cannot be read.
    #[error("{error} (NAL unit {nal_unit} of the access unit)")]
    ParameterSet {
        /// Which of the NAL units, from 0.
        nal_unit: usize,
        /// What is wrong with it.
        error: h264::Error,
    },
}

/// What this decoder refuses by name, from the parameter sets or a NAL unit's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Slice data partitioning (Extended profile).
    #[error("data partitioning")]
    DataPartitioning,
    /// SP and SI slices (Extended profile).
    #[error("switching slices")]
    SwitchingSlices,
    /// Flexible macroblock ordering.
    #[error("flexible macroblock ordering ({slice_groups} slice groups, 1 is decoded)")]
    SliceGroups {
        /// `num_slice_groups_minus1` + 1.
        slice_groups: u32,
    },
    /// Slices of a picture in any order (7.4.3): a slice begins before the one in front of it.
    #[error("arbitrary slice order (macroblock {first_mb_in_slice} after {after})")]
    ArbitrarySliceOrder {
        /// Where the slice begins.
        first_mb_in_slice: u32,
        /// Where the slice in front of it began.
        after: u32,
    },
    /// Slices of redundant coded pictures.
    #[error("redundant slices")]
    RedundantSlices,
    /// Samples of more than 8 bits.
    #[error("{bits} bits a sample, 8 are decoded")]
    BitDepth {
        /// The larger of luma's and chroma's.
        bits: u8,
    },
    /// 4:2:2 or 4:4:4.
    #[error("chroma format {chroma_format_idc}, 0 (monochrome) and 1 (4:2:0) are decoded")]
    ChromaFormat {
        /// `chroma_format_idc`.
        chroma_format_idc: u8,
    },
    /// `qpprime_y_zero_transform_bypass_flag`.
    #[error("lossless coding")]
    Lossless,
    /// A picture larger than [`crate::Limits::max_macroblocks`].
    #[error("pictures of {macroblocks} macroblocks, at most {limit} are decoded")]
    PictureSize {
        /// Macroblocks of a frame.
        macroblocks: u32,
        /// The limit.
        limit: u32,
    },
}

/// Why a slice ends before its time. What it has decoded stays, the rest is concealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// A code that no table has, or a value out of its range.
    Code,
    /// The slice data ends inside a macroblock.
    Truncated,
    /// A macroblock that a slice of this picture has decoded before.
    Repeated,
    /// An intra prediction mode that needs samples which are not there.
    PredictionMode,
}
