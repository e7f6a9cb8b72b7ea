//! What our decoder cannot decode.

use crate::{Pps, Sps};

/// Why a stream can be passed on but not be decoded: openh264 fails on it, or gives garbage without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Data partitioning and switching slices.
    #[error("Extended profile (data partitioning)")]
    DataPartitioning,
    /// Monochrome, 4:2:2 or 4:4:4.
    #[error("chroma format {}, only 4:2:0 can be decoded", chroma_format_name(*.chroma_format_idc))]
    ChromaFormat {
        /// `chroma_format_idc`.
        chroma_format_idc: u8,
    },
    /// More than 8 bits a sample.
    #[error("{bits} bits a sample, only 8 can be decoded")]
    BitDepth {
        /// The larger of luma's and chroma's.
        bits: u8,
    },
    /// `qpprime_y_zero_transform_bypass_flag`.
    #[error("lossless coding")]
    Lossless,
    /// Fields or macroblock-adaptive frames.
    #[error("interlaced coding")]
    Interlaced,
    /// Flexible macroblock ordering.
    #[error("flexible macroblock ordering ({slice_groups} slice groups)")]
    SliceGroups {
        /// At least 2.
        slice_groups: u32,
    },
}

const PROFILE_EXTENDED: u8 = 88;

/// Judges whether openh264 decodes what these parameter sets describe. Nothing is decoded.
///
/// # Errors
/// The first reason found, to be shown to the streamer.
pub fn decodable(sps: &Sps, pps: &Pps) -> Result<(), Undecodable> {
    let bits = sps.bit_depth_luma.max(sps.bit_depth_chroma);
    match *sps {
        Sps { profile_idc: PROFILE_EXTENDED, .. } => Err(Undecodable::DataPartitioning),
        Sps { chroma_format_idc, .. } if chroma_format_idc != 1 => {
            Err(Undecodable::ChromaFormat { chroma_format_idc })
        }
        _ if bits > 8 => Err(Undecodable::BitDepth { bits }),
        Sps { lossless: true, .. } => Err(Undecodable::Lossless),
        Sps { interlaced: true, .. } => Err(Undecodable::Interlaced),
        _ if pps.slice_groups > 1 => {
            Err(Undecodable::SliceGroups { slice_groups: pps.slice_groups })
        }
        _ => Ok(()),
    }
}

fn chroma_format_name(chroma_format_idc: u8) -> &'static str {
    match chroma_format_idc {
        0 => "monochrome",
        1 => "4:2:0",
        2 => "4:2:2",
        _ => "4:4:4",
    }
}
