//! Safe, synchronous adapters over the codecs: H.264 decoding (h264_decoder, openh264) and encoding
//! (openh264), scaling, AAC encoding (fdk-aac), AAC and MP3 decoding (symphonia, fdk-aac),
//! resampling (rubato), stills (jpeg-encoder).
//!
//! | Specification | What of it | Here |
//! |---|---|---|
//! | ITU-T H.264 (08/2021) | 4:2:0 and monochrome, 8-bit, Baseline, Main, High | [`H264Decoder`] |
//! | ITU-T H.264 (08/2021), Annex E | Constrained Baseline, Main, High without B pictures; VUI colour | [`H264Encoder`] |
//! | ISO/IEC 14496-3 | AAC-LC, HE-AAC, HE-AAC v2, mono and stereo | [`AacEncoder`] |
//! | ISO/IEC 14496-3 | AAC-LC, HE-AAC, HE-AAC v2; what has more than two channels is mixed down | [`AacDecoder`] |
//! | ISO/IEC 14496-3 1.6.6 | implicit signalling of SBR and PS | [`SbrProbe`] |
//! | ISO/IEC 11172-3, 13818-3 | Layer III, but not of free format | [`Mp3Decoder`] |
//! | ITU-T T.81, T.871 | baseline JPEG, 4:2:0 | [`jpeg()`] |
//!
//! Nothing here has threads, clocks or logs. A decoder is fed parameter sets that somebody has
//! judged ([`h264::hindrances`]): the caller looks at SPS and PPS first, and opens a new decoder,
//! after draining the old one, whenever the SPS changes.
//!
//! # Examples
//! ```
//! use codec::{DecoderKind, Force, H264Decoder, H264Encoder, H264EncoderConfig, Profile, Scaler};
//! use media::{I420Buf, Timestamp};
//!
//! let config = H264EncoderConfig {
//!     width: 64,
//!     height: 48,
//!     frame_rate: 30.0,
//!     bitrate_bps: 100_000,
//!     profile: Profile::High,
//!     colour: None,
//! };
//! let mut encoder = H264Encoder::new(&config)?;
//! let (mut scaler, mut small) = (Scaler::new(), I420Buf::new(64, 48));
//! let big = I420Buf::new(640, 480);
//! scaler.scale(big.as_i420(), &mut small)?;
//! let access_unit = encoder.encode(small.as_i420(), Timestamp::ZERO, Force::Idr)?;
//! let access_unit = access_unit.expect("an IDR is never left out");
//! assert!(access_unit.random_access);
//!
//! let mut annexb = Vec::new();
//! let units = encoder.parameter_sets().iter().chain(access_unit.nal_units.iter());
//! h264::annexb::write(units, &mut annexb);
//! let mut decoder = H264Decoder::new(DecoderKind::Native)?;
//! let mut sizes = Vec::new();
//! decoder.decode(&annexb, access_unit.pts, |picture, _| sizes.push((picture.width(), picture.height())))?;
//! decoder.drain(|picture, _| sizes.push((picture.width(), picture.height())));
//! assert_eq!(sizes, [(64, 48)]);
//! # Ok::<(), codec::Error>(())
//! ```

mod aac_check;
mod aac_decoder;
mod aac_encoder;
mod decoder;
mod decoder_kind;
mod error;
#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod h264_encoder;
mod headers;
mod jpeg;
mod mp3_decoder;
mod mp3_frames;
mod native_decoder;
mod openh264_decoder;
mod openh264_raw;
mod rate_control;
mod resampler;
mod sbr_probe;
mod scaler;
mod scaler_kernels;
mod symphonia_packet;

pub use aac_check::AacCheck;
pub use aac_decoder::{AacDecoder, AacDecoderConfig};
pub use aac_encoder::{AacEncoder, AacEncoderConfig, AacProfile};
pub use decoder::{H264Decoder, Limits};
pub use decoder_kind::DecoderKind;
pub use error::Error;
pub use h264_decoder::Quality;
pub use h264_encoder::{Force, H264Encoder, H264EncoderConfig, Profile};
pub use jpeg::jpeg;
pub use mp3_decoder::{Mp3Decoder, Mp3Sound};
pub use resampler::{RESAMPLER_REACH, resample};
pub use sbr_probe::{FoundSbr, SbrProbe};
pub use scaler::Scaler;

/// Makes all threads of the process share one heap. To be called before there is a second thread.
///
/// Otherwise glibc gives a thread a heap of its own, up to eight for each core. A decoder takes
/// tens of megabytes, and each heap keeps the most that any of its threads ever took; which thread
/// gets which is chance. So a server on which publishers come and go would keep more and more. The
/// price is one lock, for a few allocations a picture.
///
/// Blocks of 4 MiB and more, of which a publisher can make the process take many, go back to the
/// system as soon as they are free. (Pictures of 1080p, which come and go all the time, are
/// smaller.)
pub fn share_one_heap() {
    openh264_raw::share_one_heap();
}

/// Gives the heap's free memory back to the system, which it does not do by itself where something
/// small lies behind it. The heap is locked meanwhile: some milliseconds for each 100 MiB.
pub fn give_back_free_memory() {
    openh264_raw::give_back_free_memory();
}
