//! Fragmented MP4 for HLS (CMAF): an initialization section, and segments of H.264 video and AAC
//! audio.
//!
//! | Spec | Version | Nickname here |
//! |---|---|---|
//! | ISO/IEC 14496-12, ISO base media file format | 2022 | 14496-12 |
//! | ISO/IEC 14496-14 and 14496-1 7.2.6, MP4 and its descriptors | 2020, 2010 | 14496-14, 14496-1 |
//! | ISO/IEC 14496-15 5.3 and 5.4, AVC in that format | 2019 | 14496-15 |
//! | ISO/IEC 23000-19, CMAF | 2020 | CMAF |
//! | RFC 8216 section 3.3, fragmented MPEG-4 segments | 2017 | RFC 8216 |
//!
//! Pure: tracks and the sizes and times of samples in, boxes out; the samples themselves are
//! appended by the caller, so that nothing is copied twice. It cannot fail. Every byte is paid for
//! by a viewer on a slow link: a segment is one `moof` with one `trun` a track, and what is the
//! same for all samples stands once, in the initialization section where it can.
//!
//! Unlike CMAF's own tracks, both tracks stand in one segment: one request a segment, and the
//! segments of a rendition are the same spans as in MPEG-TS. `tfdt` is the time of the whole
//! stream, the same in both tracks and over segments made apart, 64 bits, and 1.4 s late like in
//! the transport stream, so that no time is below zero.
//!
//! The `mp4` crate's types write the boxes that they write whole (`ftyp`, `mvhd`, `tkhd`, `mdhd`,
//! `hdlr`, `vmhd`, `smhd`, `dinf`, `stts`, `stsc`, `stsz`, `stco`, `trex`, `mfhd`, `tfhd`, `tfdt`,
//! `trun`). These are ours, seen with its version 0.14:
//!
//! | Box | What the crate's type writes |
//! |---|---|
//! | `moof`, `traf` | `TrafBox` writes its `tfhd`, and of `tfdt` and `trun` nothing |
//! | `moov`, `mvex` | `MoovBox` leaves its `mvex` out; `MvexBox` has one `trex`, for one track |
//! | `trak`, `mdia`, `minf`, `stbl`, `stsd` | hold the sample entries below |
//! | `avc1`, `avcC` | `AvcCBox` has no `chroma_format` and bit depths, which High profile must have |
//! | `mp4a`, `esds` | `EsdsBox` has two bytes for an AudioSpecificConfig: no SBR, no PS |
//!
//! ```
//! use cmaf::{AudioTrack, AudioRun, Tracks, init_section, write_head};
//! use media::Timestamp;
//!
//! let audio = AudioTrack {
//!     config: vec![0x12, 0x10],
//!     sample_rate_hz: 44_100,
//!     channels: 2,
//!     samples_per_frame: 1024,
//! };
//! let init = init_section(&Tracks { video: None, audio: Some(audio) });
//! assert_eq!(&init[4..8], b"ftyp");
//!
//! let mut run = AudioRun::new(44_100, 1024, Timestamp::ZERO);
//! run.push(Timestamp::ZERO, 3);
//! let mut segment = Vec::new();
//! write_head(1, None, Some(&run), &mut segment);
//! segment.extend([0x21, 0x10, 0x05]);
//! assert_eq!(&segment[4..8], b"moof");
//! ```
#![forbid(unsafe_code)]

mod boxes;
mod init;
mod run;
mod segment;

pub use init::{AudioTrack, Tracks, VideoTrack, init_section};
pub use run::{AudioRun, VideoRun};
pub use segment::{head_bytes, write_head};
