//! Video tag bodies.

use std::fmt;

use bytes::Bytes;

use crate::Error;
use crate::enhanced::{FourCc, Numbers, Track};
use crate::reader::Reader;

/// `IsExHeader`: the byte's other bits mean what E-RTMP says.
const EX_HEADER: u8 = 0x80;
const CODEC_AVC: u8 = 7;
const FOURCC_AVC: FourCc = FourCc(*b"avc1");
const ENHANCED: Numbers = Numbers { multitrack: 6, mod_ex: 7 };
const ENHANCED_METADATA: u8 = 4;

/// The body of a video tag, or an RTMP video message (FLV 10.1 E.4.3.1; E-RTMP v2
/// "ExVideoTagHeader").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoTag {
    /// What the sender says of the picture. x264's intra refresh marks pictures as `Key` that are
    /// none: whether a decoder can start there is in the NAL units.
    pub frame_type: FrameType,
    /// The content.
    pub body: VideoBody,
}

/// `FrameType` (FLV 10.1 E.4.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameType {
    /// 1: a seekable picture.
    Key,
    /// 2.
    Inter,
    /// 3: H.263 only; no other picture refers to it.
    DisposableInter,
    /// 4: reserved for server use.
    GeneratedKey,
    /// 5: a command to the player, no picture.
    Command,
    /// A value that is not defined.
    Reserved(u8),
}

/// What a video tag holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoBody {
    /// `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 5.3.3.1). May be empty.
    SequenceHeader(Bytes),
    /// One access unit.
    NalUnits {
        /// PTS minus DTS in milliseconds, signed 24 bits (ISO/IEC 14496-12 8.6.1.3; NVENC sends
        /// negative ones).
        composition_time_ms: i32,
        /// Length-prefixed NAL units (some encoders send Annex B); empty from senders that mark
        /// time with it (DJI).
        data: Bytes,
    },
    /// The sender will send no more pictures with this sequence header.
    EndOfSequence,
    /// A command or metadata (HDR colour information): no picture in it.
    Command,
    /// A codec that is not H.264.
    Unsupported(VideoCodec),
}

/// Names a video codec; prints as "HEVC (hvc1)" or "Sorenson H.263".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// `CodecID`, 4 bits (FLV 10.1 E.4.3.1).
    Id(u8),
    /// `FOURCC` (E-RTMP).
    FourCc(FourCc),
}

impl VideoTag {
    /// Reads the body of a video tag. `Ok(None)` when there is nothing in it for the default track:
    /// the body is empty, belongs to another track, or has a packet type that came after this was
    /// written.
    ///
    /// # Errors
    /// A body that ends inside its own header, or an AVC packet type that does not exist.
    pub fn parse(body: Bytes) -> Result<Option<Self>, Error> {
        let mut reader = Reader::new(body);
        if reader.is_empty() {
            return Ok(None);
        }
        let header = reader.u8("video header")?;
        let frame_type = FrameType::from_bits((header & !EX_HEADER) >> 4);
        let body = match header & EX_HEADER {
            0 => legacy_body(frame_type, header & 0x0f, reader).map(Some),
            _ => enhanced_body(frame_type, header & 0x0f, reader),
        }?;
        Ok(body.map(|body| Self { frame_type, body }))
    }
}

/// FLV 10.1 E.4.3.1 and E.4.3.2.
fn legacy_body(frame_type: FrameType, codec_id: u8, reader: Reader) -> Result<VideoBody, Error> {
    match (frame_type, codec_id) {
        (FrameType::Command, _) => Ok(VideoBody::Command),
        (_, CODEC_AVC) => avc_body(reader),
        (_, other) => Ok(VideoBody::Unsupported(VideoCodec::Id(other))),
    }
}

/// `AVCPacketType` and what follows (FLV 10.1 E.4.3.1).
fn avc_body(mut reader: Reader) -> Result<VideoBody, Error> {
    let position = reader.position();
    match reader.u8("AVC packet type")? {
        0 => {
            reader.i24("composition time")?;
            Ok(VideoBody::SequenceHeader(reader.into_rest()))
        }
        1 => nal_units(reader),
        // The composition time after it means nothing, and not all senders write it.
        2 => Ok(VideoBody::EndOfSequence),
        actual => Err(Error::PacketType { what: "AVC packet type", actual, max: 2, position }),
    }
}

fn nal_units(mut reader: Reader) -> Result<VideoBody, Error> {
    let composition_time_ms = reader.i24("composition time")?;
    Ok(VideoBody::NalUnits { composition_time_ms, data: reader.into_rest() })
}

/// E-RTMP v2, "ExVideoTagHeader" and "ExVideoTagBody".
fn enhanced_body(
    frame_type: FrameType,
    packet_type: u8,
    mut reader: Reader,
) -> Result<Option<VideoBody>, Error> {
    let packet_type = ENHANCED.skip_mod_ex(packet_type, &mut reader)?;
    if packet_type == ENHANCED_METADATA || frame_type == FrameType::Command {
        return Ok(Some(VideoBody::Command));
    }
    ENHANCED.default_track(packet_type, reader)?.map_or(Ok(None), track_body)
}

/// `VideoPacketType` of E-RTMP v2.
fn track_body(track: Track) -> Result<Option<VideoBody>, Error> {
    if track.fourcc != FOURCC_AVC {
        return Ok(Some(VideoBody::Unsupported(VideoCodec::FourCc(track.fourcc))));
    }
    Ok(Some(match track.packet_type {
        0 => VideoBody::SequenceHeader(track.body.into_rest()),
        1 => nal_units(track.body)?,
        2 => VideoBody::EndOfSequence,
        3 => VideoBody::NalUnits { composition_time_ms: 0, data: track.body.into_rest() },
        ENHANCED_METADATA => VideoBody::Command,
        _ => return Ok(None),
    }))
}

impl FrameType {
    fn from_bits(bits: u8) -> Self {
        match bits {
            1 => Self::Key,
            2 => Self::Inter,
            3 => Self::DisposableInter,
            4 => Self::GeneratedKey,
            5 => Self::Command,
            other => Self::Reserved(other),
        }
    }
}

impl fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => fmt_codec_id(*id, f),
            Self::FourCc(fourcc) => fmt_fourcc(*fourcc, f),
        }
    }
}

fn fmt_codec_id(id: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(match id {
        1 => "JPEG",
        2 => "Sorenson H.263",
        3 => "Screen Video",
        4 => "On2 VP6",
        5 => "On2 VP6 with alpha",
        6 => "Screen Video 2",
        CODEC_AVC => "H.264",
        8 => "H.263",
        9 => "MPEG-4 part 2",
        // 12 and 13 are in no specification; Chinese encoders and CDNs use them so.
        12 => "HEVC (codec id 12)",
        13 => "AV1 (codec id 13)",
        other => return write!(f, "video codec {other}"),
    })
}

fn fmt_fourcc(fourcc: FourCc, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let name = match &fourcc.0 {
        b"avc1" => "H.264",
        b"hvc1" => "HEVC",
        b"vvc1" => "VVC",
        b"av01" => "AV1",
        b"vp08" => "VP8",
        b"vp09" => "VP9",
        _ => "video codec",
    };
    write!(f, "{name} ({fourcc})")
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn parse(body: &'static [u8]) -> Result<Option<VideoTag>, Error> {
        VideoTag::parse(Bytes::from_static(body))
    }

    fn body(input: &'static [u8]) -> VideoBody {
        parse(input).unwrap().unwrap().body
    }

    fn nal_units(composition_time_ms: i32, data: &'static [u8]) -> VideoBody {
        VideoBody::NalUnits { composition_time_ms, data: Bytes::from_static(data) }
    }

    #[test]
    fn e_4_3_1_sequence_header_and_nal_units() {
        let tag = parse(&hex!("17 00 000000 0164001f ff")).unwrap().unwrap();
        assert_eq!(tag.frame_type, FrameType::Key);
        assert_eq!(tag.body, VideoBody::SequenceHeader(Bytes::from_static(&hex!("0164001f ff"))));
        assert_eq!(body(&hex!("27 01 000050 00000001 41")), nal_units(80, &hex!("00000001 41")));
    }

    #[test]
    fn e_4_3_1_composition_time_is_signed() {
        assert_eq!(body(&hex!("27 01 ffffdf 00")), nal_units(-33, &[0]));
    }

    #[test]
    fn e_4_3_1_end_of_sequence_with_and_without_composition_time() {
        assert_eq!(body(&hex!("17 02 000000")), VideoBody::EndOfSequence);
        assert_eq!(body(&hex!("17 02")), VideoBody::EndOfSequence);
    }

    #[test]
    fn e_4_3_1_command_frame_is_no_picture_whatever_the_codec() {
        assert_eq!(body(&hex!("57 00")), VideoBody::Command);
        assert_eq!(body(&hex!("52 01")), VideoBody::Command);
    }

    #[test]
    fn empty_body_and_body_without_nal_units_are_no_errors() {
        assert_eq!(parse(&[]), Ok(None));
        assert_eq!(body(&hex!("27 01 000000")), nal_units(0, &[]), "DJI drones send this");
        assert_eq!(body(&hex!("17 00 000000")), VideoBody::SequenceHeader(Bytes::new()));
    }

    #[test]
    fn a_cut_header_names_field_and_byte() {
        let error = parse(&hex!("27 01 00")).unwrap_err();
        assert_eq!(error.to_string(), "composition time needs 3 bytes at byte 2, only 1 left");
        let error = parse(&hex!("27")).unwrap_err();
        assert_eq!(error.to_string(), "AVC packet type needs 1 bytes at byte 1, only 0 left");
    }

    #[test]
    fn an_unknown_avc_packet_type_is_an_error() {
        let error = parse(&hex!("27 03 000000")).unwrap_err();
        assert_eq!(error.to_string(), "AVC packet type 3 at byte 1, allowed are 0 to 2");
    }

    #[test]
    fn other_codecs_are_named() {
        let name = |input| match body(input) {
            VideoBody::Unsupported(codec) => codec.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(name(&hex!("22 00")), "Sorenson H.263");
        assert_eq!(name(&hex!("1c 00")), "HEVC (codec id 12)");
        assert_eq!(name(&hex!("1f 00")), "video codec 15");
        assert_eq!(name(&hex!("90 68766331 01")), "HEVC (hvc1)");
        assert_eq!(name(&hex!("91 61763031 01")), "AV1 (av01)");
        assert_eq!(name(&hex!("91 00000a1b 01")), r"video codec (\x00\x00\n\x1b)");
    }

    #[test]
    fn ertmp_avc1_is_h264() {
        let avc_c = VideoBody::SequenceHeader(Bytes::from_static(&hex!("0142")));
        assert_eq!(body(&hex!("90 61766331 0142")), avc_c);
        assert_eq!(body(&hex!("a1 61766331 fffffe 41")), nal_units(-2, &hex!("41")));
        assert_eq!(body(&hex!("92 61766331")), VideoBody::EndOfSequence);
        assert_eq!(body(&hex!("a3 61766331 41")), nal_units(0, &hex!("41")));
        assert_eq!(body(&hex!("94 02")), VideoBody::Command, "metadata has no FourCC");
        assert_eq!(parse(&hex!("98 61766331")), Ok(None), "a packet type from the future");
    }

    #[test]
    fn ertmp_v2_mod_ex_is_skipped_also_twice_and_with_a_long_size() {
        assert_eq!(body(&hex!("97 02 000102 03 61766331 41")), nal_units(0, &hex!("41")));
        assert_eq!(
            body(&hex!("97 00 ee 07 ff 0001 aabb 03 61766331 41")),
            nal_units(0, &hex!("41"))
        );
        assert!(parse(&hex!("97 ff ffff 00")).is_err());
    }

    #[test]
    fn ertmp_v2_multitrack_takes_track_zero() {
        let one_track = hex!("96 03 61766331 00 41");
        assert_eq!(
            VideoTag::parse(Bytes::copy_from_slice(&one_track)).unwrap().unwrap().body,
            nal_units(0, &[0x41])
        );
        assert_eq!(parse(&hex!("96 03 61766331 01 41")), Ok(None), "another track only");
        assert_eq!(
            body(&hex!("96 13 61766331 01 000002 aabb 00 000001 41")),
            nal_units(0, &[0x41])
        );
        assert_eq!(
            body(&hex!("96 23 68766331 01 000001 aa 61766331 00 000001 41")),
            nal_units(0, &[0x41])
        );
        assert!(
            parse(&hex!("96 13 61766331 00 0000ff 41")).is_err(),
            "track longer than the message"
        );
        assert!(parse(&hex!("96 33 61766331 00 41")).is_err(), "multitrack type 3");
    }
}
