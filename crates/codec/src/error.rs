//! What can go wrong.

use crate::DecoderKind;

/// An error of a codec. Messages hold the actual and the allowed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A codec could not be created: out of memory, or a parameter it refuses.
    #[error("cannot open the h264 {what} (openh264 code {code})")]
    Open {
        /// Decoder or encoder.
        what: &'static str,
        /// openh264's return value (`CM_RETURN`).
        code: i64,
    },
    /// An access unit gave no picture because of an error in it or in one it refers to.
    ///
    /// The decoder stays usable: it recovers at a later random access unit that brings its
    /// parameter sets.
    #[error("access unit of {bytes} bytes does not decode (openh264 state {state:#x})")]
    Decode {
        /// Size of the access unit.
        bytes: usize,
        /// openh264's `DECODING_STATE` bits.
        state: i32,
    },
    /// What this decoder would decode wrongly or not at all; it has not seen the access unit.
    #[error("{decoder} does not decode {tool}")]
    Unsupported {
        /// Which decoder.
        decoder: DecoderKind,
        /// What was found in the stream.
        tool: &'static str,
    },
    /// An access unit whose parameter sets or slice headers cannot be read. The decoder has not
    /// seen it, or what lies in front of them only.
    #[error("access unit of {bytes} bytes does not decode: {error}")]
    Malformed {
        /// Size of the access unit.
        bytes: usize,
        /// Which field of which of them.
        error: h264::Error,
    },
    /// Something was missing or broken, and was made up of other pictures.
    #[error(
        "a picture came damaged: {macroblocks} macroblocks and {references} references were made up"
    )]
    Damaged {
        /// Macroblocks that were missing or broken.
        macroblocks: u32,
        /// Pictures that it refers to and that were missing.
        references: u32,
    },
    /// The decoder panicked, and was replaced by a new one.
    #[error("decoder panicked on an access unit of {bytes} bytes")]
    Panicked {
        /// Size of the access unit.
        bytes: usize,
    },
    /// An access unit larger than the limit; the decoder has not seen it.
    #[error("access unit of {bytes} bytes exceeds limit {limit}")]
    AccessUnitTooLarge {
        /// Size of the access unit.
        bytes: usize,
        /// [`Limits::max_access_unit_bytes`](crate::Limits::max_access_unit_bytes).
        limit: usize,
    },
    /// A picture larger than the limit came out of the decoder, which should be closed now.
    #[error("picture of {width}x{height} exceeds limit {limit} pixels")]
    PictureTooLarge {
        /// Luma width.
        width: usize,
        /// Luma height.
        height: usize,
        /// [`Limits::max_pixels`](crate::Limits::max_pixels).
        limit: usize,
    },
    /// A picture size that cannot be encoded.
    #[error(
        "cannot encode {width}x{height}: sides must be even, at least 16, and 9437184 pixels at most"
    )]
    EncoderSize {
        /// Luma width.
        width: u32,
        /// Luma height.
        height: u32,
    },
    /// A bitrate or frame rate that cannot be encoded.
    #[error(
        "cannot encode at {bitrate_bps} bit/s, allowed 1 to 288000000, and a frame rate above 0"
    )]
    EncoderRate {
        /// The bitrate that was asked for.
        bitrate_bps: u32,
    },
    /// A picture of another size than the encoder was opened for.
    #[error("picture of {width}x{height} for an encoder of {expected_width}x{expected_height}")]
    WrongPictureSize {
        /// Luma width of the picture.
        width: usize,
        /// Luma height of the picture.
        height: usize,
        /// Luma width of the encoder.
        expected_width: usize,
        /// Luma height of the encoder.
        expected_height: usize,
    },
    /// The encoder failed; it should be closed.
    #[error("picture does not encode (openh264 code {code})")]
    Encode {
        /// openh264's return value (`CM_RETURN`).
        code: i32,
    },
    /// Sound that cannot be encoded to AAC.
    #[error(
        "cannot encode AAC at {sample_rate_hz} Hz, {channels} channels, {bitrate_bps} bit/s: allowed are the rates of MPEG-4 from 8000 to 96000 Hz, 1 or 2 channels, and more than 0 bit/s"
    )]
    AacConfig {
        /// The rate that was asked for.
        sample_rate_hz: u32,
        /// The number of channels that was asked for.
        channels: u8,
        /// The bitrate that was asked for.
        bitrate_bps: u32,
    },
    /// AAC that no decoder here takes.
    #[error("no decoder takes AAC of the AudioSpecificConfig {config:02x?}")]
    AacOpen {
        /// The configuration of the core codec.
        config: [u8; 2],
    },
    /// Sound that cannot be brought to another sample rate.
    #[error("cannot resample from {from_hz} Hz to {to_hz} Hz")]
    Resample {
        /// The rate that it has.
        from_hz: u32,
        /// The rate that was asked for.
        to_hz: u32,
    },
    /// Interleaved samples that end within a group of channels.
    #[error("{samples} samples are not a multiple of {channels} channels")]
    AacSamples {
        /// How many samples there were.
        samples: usize,
        /// The channels of the encoder.
        channels: usize,
    },
    /// The AAC encoder failed; it should be closed.
    #[error("sound does not encode (after audio frame {frame})")]
    AacEncode {
        /// How many frames it has made.
        frame: u64,
    },
    /// The MP3 decoder cannot be opened.
    #[error("cannot open the MP3 decoder")]
    Mp3Open,
    /// A picture's planes do not hold what their sizes say, or have no samples, so it cannot be
    /// scaled.
    #[error("cannot scale a plane of {width}x{height}, stride {stride}, in {bytes} bytes")]
    Plane {
        /// Samples in a row.
        width: usize,
        /// Rows.
        height: usize,
        /// Bytes from row to row.
        stride: usize,
        /// Bytes there are.
        bytes: usize,
    },
}
