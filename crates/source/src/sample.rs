//! What comes out.

use bytes::Bytes;
use media::Timestamp;

/// What a publisher has to send next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sample {
    /// The `AVCDecoderConfigurationRecord` (14496-15 5.3.3.1) of the pictures from here on: as in
    /// the file, unless the next picture refers to another SPS than the first of several, which
    /// comes first then.
    VideoConfig(Bytes),
    /// The `AudioSpecificConfig` (14496-3 1.6.2.1) of the audio frames from here on, as in the
    /// file.
    AudioConfig(Bytes),
    /// One picture.
    Video {
        /// Decoding time; never less than that of the picture before it.
        dts: Timestamp,
        /// Presentation time. Not before `dts`, but where an FLV file says so or an MP4 is off by
        /// over 10 s.
        pts: Timestamp,
        /// The file calls it a sync sample.
        key: bool,
        /// NAL units with length fields of the size that the configuration says.
        data: Bytes,
    },
    /// One AAC frame.
    Audio {
        /// Presentation time of its first sample; never less than that of the frame before it.
        pts: Timestamp,
        /// The raw data block, without ADTS header.
        data: Bytes,
    },
}

impl Sample {
    /// When it is due: the decoding time; `None` for a configuration, which goes with the sample
    /// after it.
    #[must_use]
    pub fn dts(&self) -> Option<Timestamp> {
        match self {
            Self::VideoConfig(_) | Self::AudioConfig(_) => None,
            Self::Video { dts, .. } => Some(*dts),
            Self::Audio { pts, .. } => Some(*pts),
        }
    }
}
