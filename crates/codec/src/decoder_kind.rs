//! Which H.264 decoders there are.

use std::fmt;

/// Whose decoder. docs/decode.md says what each is right and fast for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecoderKind {
    /// Our own, `h264_decoder`: exact, without `unsafe`, conceals errors.
    #[default]
    Native,
    /// Cisco's: B pictures differ in single samples; refuses interlaced and monochrome streams.
    Openh264,
}

impl fmt::Display for DecoderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Openh264 => "openh264",
        })
    }
}
