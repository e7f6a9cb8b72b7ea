//! Why a configuration could not be read or written.

use std::fmt;

/// Why an AudioSpecificConfig could not be read, or has no ADTS header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The configuration is empty: FFmpeg sends such a sequence header for a track it cannot
    /// describe.
    #[error("configuration is empty")]
    Empty,
    /// The configuration ends inside a field.
    #[error("{what} needs {needed} bits at bit {position}, only {available} left")]
    Truncated {
        /// The field that is cut.
        what: &'static str,
        /// Its length in bits.
        needed: u32,
        /// Bits that were left.
        available: usize,
        /// Where it starts, in bits.
        position: usize,
    },
    /// Not AAC Main, LC, SSR or LTP (object types 1 to 4), with or without SBR and PS.
    #[error("audio object type {actual}{}, allowed are 1 to 4 (bit 0)", object_type_name(*.actual))]
    ObjectType {
        /// `audioObjectType` (14496-3 table 1.17).
        actual: u8,
    },
    /// A frequency index that stands for nothing, or a frequency of 0.
    #[error("sampling frequency index {index} stands for no frequency (bit {position})")]
    SampleRate {
        /// `samplingFrequencyIndex` (14496-3 table 1.18).
        index: u8,
        /// Where it is, in bits.
        position: usize,
    },
    /// A channel configuration that stands for nothing, or a program config element without
    /// channels.
    #[error(
        "channel configuration {actual}, allowed are 0 with 1 to 255 channels of its own, 1 to 7, 11 to 14"
    )]
    Channels {
        /// `channelConfiguration` (14496-3 table 1.19).
        actual: u8,
    },
    /// ADTS cannot say this, so it cannot go into MPEG-TS as ADTS.
    #[error("ADTS cannot carry {what} {actual}")]
    NotInAdts {
        /// The property.
        what: NotInAdts,
        /// Its value.
        actual: usize,
    },
}

/// What of a stream ADTS has no field for, or none that is wide enough (14496-3 1.A.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInAdts {
    /// 960 samples a frame: ADTS means 1024.
    SamplesPerFrame,
    /// A sampling frequency without an index, in hertz.
    SampleRate,
    /// A channel configuration of more than 3 bits.
    ChannelConfiguration,
    /// A program config element with a layout that has no channel configuration; its channels.
    ProgramConfig,
    /// A frame of more bytes than 13 bits can say with the header.
    FrameBytes,
}

impl fmt::Display for NotInAdts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SamplesPerFrame => "a frame length in samples of",
            Self::SampleRate => "a sampling frequency in hertz of",
            Self::ChannelConfiguration => "channel configuration",
            Self::ProgramConfig => "the channel layout of a program config element, channels:",
            Self::FrameBytes => "a frame in bytes of",
        })
    }
}

/// For the message: the object types that a streamer may have chosen by mistake.
fn object_type_name(object_type: u8) -> &'static str {
    match object_type {
        17 => " (ER AAC LC)",
        23 => " (AAC LD)",
        39 => " (AAC ELD)",
        32..=34 => " (MPEG-1/2 audio)",
        36 => " (ALS)",
        42 => " (xHE-AAC)",
        _ => "",
    }
}
