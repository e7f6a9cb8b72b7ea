//! An MPEG-2 transport stream muxer for HLS: one program, H.264 video and AAC audio.
//!
//! | Spec | Version | Nickname here |
//! |---|---|---|
//! | ISO/IEC 13818-1, MPEG-2 Systems | 2019 | 13818-1 |
//! | ISO/IEC 14496-10 Annex B, byte stream format | 2020 | Annex B |
//! | RFC 8216 section 3.2, MPEG-2 Transport Stream segments | 2017 | RFC 8216 |
//!
//! Pure: samples in, 188-byte packets out, straight into the caller's buffer, nothing allocated in
//! between. It cannot fail. Every byte is paid for by a viewer on a slow link, so it writes no byte
//! that the specs let it leave out: no DTS equal to the PTS, a PCR only where it is due or costs
//! nothing, three-byte start codes where Annex B allows them, stuffing only in the last packet of a
//! PES packet, or of a segment ([`Packing::Dense`]).
//!
//! **Call [`Muxer::start_segment`], then write samples in decoding order; a sample belongs to the
//! segment whose buffer it was written to.**
//!
//! ```
//! use media::Timestamp;
//! use mpegts::{Muxer, Tracks};
//!
//! let mut muxer = Muxer::new(Tracks { video: true, audio: false });
//! let mut segment = Vec::new();
//! muxer.start_segment(&mut segment);
//! let (sps, pps, idr): (&[u8], &[u8], &[u8]) = (&[0x67, 0x42], &[0x68, 0xce], &[0x65, 0x88]);
//! let time = Timestamp::ZERO;
//! muxer.write_video(time, time, true, [sps, pps].into_iter(), [idr].into_iter(), &mut segment);
//! assert_eq!(segment.len(), 3 * mpegts::PACKET_BYTES, "PAT, PMT and one packet of video");
//! ```
#![forbid(unsafe_code)]

mod clock;
mod muxer;
mod packet;
mod pes;
mod psi;

#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(any(test, fuzzing))]
mod model;
#[cfg(any(test, fuzzing))]
mod oracle;

pub use muxer::{
    Continuity, Muxer, Packing, SegmentStart, Tracks, max_audio_bytes, max_video_bytes,
};
pub use packet::PACKET_BYTES;
