//! Audio tag bodies.

use std::fmt;

use bytes::Bytes;

use crate::Error;
use crate::enhanced::{FourCc, Numbers, Track};
use crate::reader::Reader;

const FORMAT_MP3: u8 = 2;
const FORMAT_MP3_8KHZ: u8 = 14;
const FORMAT_EX_HEADER: u8 = 9;
const FORMAT_AAC: u8 = 10;
const FOURCC_AAC: FourCc = FourCc(*b"mp4a");
const FOURCC_MP3: FourCc = FourCc(*b".mp3");
const ENHANCED: Numbers = Numbers { multitrack: 5, mod_ex: 7 };

/// The body of an audio tag, or an RTMP audio message (FLV 10.1 E.4.2.1; E-RTMP v2
/// "ExAudioTagHeader").
///
/// The rate, size and channel bits of the header are not kept: for AAC they are constants, the
/// truth is in the sequence header; for MP3 it is in each frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioTag {
    /// The content.
    pub body: AudioBody,
}

/// What an audio tag holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioBody {
    /// `AudioSpecificConfig` (ISO/IEC 14496-3 1.6.2.1). May be empty: FFmpeg sends that for a track
    /// it cannot describe.
    SequenceHeader(Bytes),
    /// One raw AAC frame, without ADTS header (some senders leave it on).
    Raw(Bytes),
    /// MPEG audio Layer III: one frame with its header, as a rule.
    Mp3(Bytes),
    /// A codec that is neither AAC nor MP3.
    Unsupported(AudioCodec),
}

/// Names an audio codec that is not carried; prints as "Speex" or "Opus (Opus)".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// `SoundFormat`, 4 bits (FLV 10.1 E.4.2.1).
    Id(u8),
    /// `FOURCC` (E-RTMP v2).
    FourCc(FourCc),
}

impl AudioTag {
    /// Reads the body of an audio tag. `Ok(None)` when there is nothing in it for the default
    /// track: the body is empty, belongs to another track, or is of a kind that carries no sound
    /// (end of sequence, channel map).
    ///
    /// # Errors
    /// A body that ends inside its own header, or an AAC packet type that does not exist.
    pub fn parse(body: Bytes) -> Result<Option<Self>, Error> {
        let mut reader = Reader::new(body);
        if reader.is_empty() {
            return Ok(None);
        }
        let header = reader.u8("audio header")?;
        let body = match header >> 4 {
            FORMAT_EX_HEADER => enhanced_body(header & 0x0f, reader),
            FORMAT_AAC => aac_body(reader).map(Some),
            FORMAT_MP3 | FORMAT_MP3_8KHZ => Ok(Some(AudioBody::Mp3(reader.into_rest()))),
            other => Ok(Some(AudioBody::Unsupported(AudioCodec::Id(other)))),
        }?;
        Ok(body.map(|body| Self { body }))
    }
}

/// `AACPacketType` and what follows (FLV 10.1 E.4.2.1 and E.4.2.2).
fn aac_body(mut reader: Reader) -> Result<AudioBody, Error> {
    let position = reader.position();
    match reader.u8("AAC packet type")? {
        0 => Ok(AudioBody::SequenceHeader(reader.into_rest())),
        1 => Ok(AudioBody::Raw(reader.into_rest())),
        actual => Err(Error::PacketType { what: "AAC packet type", actual, max: 1, position }),
    }
}

/// E-RTMP v2, "ExAudioTagHeader" and "ExAudioTagBody".
fn enhanced_body(packet_type: u8, mut reader: Reader) -> Result<Option<AudioBody>, Error> {
    let packet_type = ENHANCED.skip_mod_ex(packet_type, &mut reader)?;
    Ok(ENHANCED.default_track(packet_type, reader)?.and_then(track_body))
}

/// `AudioPacketType` of E-RTMP v2.
fn track_body(track: Track) -> Option<AudioBody> {
    match (track.fourcc, track.packet_type) {
        (FOURCC_AAC, 0) => Some(AudioBody::SequenceHeader(track.body.into_rest())),
        (FOURCC_AAC, 1) => Some(AudioBody::Raw(track.body.into_rest())),
        (FOURCC_MP3, 1) => Some(AudioBody::Mp3(track.body.into_rest())),
        (FOURCC_AAC | FOURCC_MP3, _) => None,
        (other, _) => Some(AudioBody::Unsupported(AudioCodec::FourCc(other))),
    }
}

impl fmt::Display for AudioCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => fmt_sound_format(*id, f),
            Self::FourCc(fourcc) => fmt_fourcc(*fourcc, f),
        }
    }
}

fn fmt_sound_format(id: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(match id {
        0 | 3 => "PCM",
        1 => "ADPCM",
        4..=6 => "Nellymoser",
        7 => "G.711 A-law",
        8 => "G.711 mu-law",
        11 => "Speex",
        other => return write!(f, "audio codec {other}"),
    })
}

fn fmt_fourcc(fourcc: FourCc, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let name = match &fourcc.0 {
        b"Opus" => "Opus",
        b"fLaC" => "FLAC",
        b"ac-3" => "AC-3",
        b"ec-3" => "E-AC-3",
        _ => "audio codec",
    };
    write!(f, "{name} ({fourcc})")
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn parse(body: &'static [u8]) -> Result<Option<AudioBody>, Error> {
        Ok(AudioTag::parse(Bytes::from_static(body))?.map(|tag| tag.body))
    }

    fn raw(data: &'static [u8]) -> Result<Option<AudioBody>, Error> {
        Ok(Some(AudioBody::Raw(Bytes::from_static(data))))
    }

    fn sequence_header(data: &'static [u8]) -> Result<Option<AudioBody>, Error> {
        Ok(Some(AudioBody::SequenceHeader(Bytes::from_static(data))))
    }

    #[test]
    fn e_4_2_1_aac() {
        assert_eq!(parse(&hex!("af 00 1210")), sequence_header(&hex!("1210")));
        assert_eq!(parse(&hex!("af 01 2117")), raw(&hex!("2117")));
        assert_eq!(parse(&hex!("af 00")), sequence_header(&[]), "FFmpeg without extradata");
        assert_eq!(parse(&[]), Ok(None));
    }

    #[test]
    fn e_4_2_1_bad_aac_headers() {
        assert_eq!(
            parse(&hex!("af")).unwrap_err().to_string(),
            "AAC packet type needs 1 bytes at byte 1, only 0 left"
        );
        assert_eq!(
            parse(&hex!("af 02")).unwrap_err().to_string(),
            "AAC packet type 2 at byte 1, allowed are 0 to 1"
        );
    }

    #[test]
    fn other_codecs_are_named() {
        let name = |input| match parse(input) {
            Ok(Some(AudioBody::Unsupported(codec))) => codec.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(name(&hex!("b6 00")), "Speex");
        assert_eq!(name(&hex!("cf 00")), "audio codec 12");
        assert_eq!(name(&hex!("90 4f707573 00")), "Opus (Opus)");
    }

    #[test]
    fn e_4_2_1_and_ertmp_v2_mp3() {
        let mp3 = |data| Ok(Some(AudioBody::Mp3(Bytes::from_static(data))));
        assert_eq!(parse(&hex!("2f fffb90")), mp3(&hex!("fffb90")));
        assert_eq!(parse(&hex!("ee ffe318")), mp3(&hex!("ffe318")), "8 kHz");
        assert_eq!(parse(&hex!("91 2e6d7033 fffb90")), mp3(&hex!("fffb90")));
        assert_eq!(parse(&hex!("90 2e6d7033 00")), Ok(None), "MP3 has no sequence header");
    }

    #[test]
    fn ertmp_v2_mp4a_is_aac() {
        assert_eq!(parse(&hex!("90 6d703461 1190")), sequence_header(&hex!("1190")));
        assert_eq!(parse(&hex!("91 6d703461 2117")), raw(&hex!("2117")));
        assert_eq!(parse(&hex!("92 6d703461")), Ok(None), "end of sequence");
        assert_eq!(parse(&hex!("94 6d703461 0102")), Ok(None), "channel map");
        assert_eq!(parse(&hex!("97 02 000102 01 6d703461 2117")), raw(&hex!("2117")));
        assert_eq!(parse(&hex!("95 01 6d703461 01 2117")), Ok(None), "OBS's second track");
        assert_eq!(parse(&hex!("95 11 6d703461 01 000001 aa 00 000002 2117")), raw(&hex!("2117")));
        assert!(parse(&hex!("91 6d7034")).is_err());
    }
}
