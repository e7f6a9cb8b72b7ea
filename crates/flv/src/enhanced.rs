//! What the audio and video headers of E-RTMP v2 have in common: FourCC, ModEx and multitrack.

use std::fmt;

use crate::Error;
use crate::reader::Reader;

/// A codec's four-character code (E-RTMP v2, "FOURCC").
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourCc(pub [u8; 4]);

impl FourCc {
    pub(crate) fn read(reader: &mut Reader) -> Result<Self, Error> {
        reader.array("codec FourCC").map(Self)
    }
}

/// The four characters, other bytes than printable ASCII escaped: it comes from a peer.
impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FourCc({self})")
    }
}

/// The part of a message that belongs to its default track.
pub(crate) struct Track {
    pub(crate) packet_type: u8,
    pub(crate) fourcc: FourCc,
    pub(crate) body: Reader,
}

/// The two packet types whose numbers differ between audio and video.
pub(crate) struct Numbers {
    pub(crate) multitrack: u8,
    pub(crate) mod_ex: u8,
}

impl Numbers {
    /// Skips ModEx prologues (E-RTMP v2, "VideoPacketModExType": sub-millisecond offsets) and
    /// returns the packet type after them. Each takes two bytes at least, so a message bounds their
    /// number.
    pub(crate) fn skip_mod_ex(
        &self,
        mut packet_type: u8,
        reader: &mut Reader,
    ) -> Result<u8, Error> {
        while packet_type == self.mod_ex {
            let len = match reader.u8("ModEx size")? {
                u8::MAX => usize::from(reader.u16("ModEx size")?).saturating_add(1),
                less => usize::from(less).saturating_add(1),
            };
            reader.take(len, "ModEx data")?;
            packet_type = reader.u8("ModEx type")? & 0x0f;
        }
        Ok(packet_type)
    }

    /// The default track of the message (E-RTMP v2, "Multitrack": track 0); None when it holds
    /// others only.
    pub(crate) fn default_track(
        &self,
        packet_type: u8,
        mut reader: Reader,
    ) -> Result<Option<Track>, Error> {
        if packet_type == self.multitrack {
            return track_zero(reader);
        }
        let fourcc = FourCc::read(&mut reader)?;
        Ok(Some(Track { packet_type, fourcc, body: reader }))
    }
}

const ONE_TRACK: u8 = 0;
const MANY_TRACKS_MANY_CODECS: u8 = 2;

fn track_zero(mut reader: Reader) -> Result<Option<Track>, Error> {
    let position = reader.position();
    let types = reader.u8("multitrack type")?;
    let (multitrack_type, packet_type) = (types >> 4, types & 0x0f);
    let shared_fourcc = match multitrack_type {
        ONE_TRACK | 1 => Some(FourCc::read(&mut reader)?),
        MANY_TRACKS_MANY_CODECS => None,
        actual => {
            return Err(Error::PacketType { what: "multitrack type", actual, max: 2, position });
        }
    };
    while !reader.is_empty() {
        let fourcc = shared_fourcc.map_or_else(|| FourCc::read(&mut reader), Ok)?;
        let track_id = reader.u8("track id")?;
        if multitrack_type == ONE_TRACK {
            return Ok((track_id == 0).then_some(Track { packet_type, fourcc, body: reader }));
        }
        let len = reader.u24("track size")? as usize;
        let body = reader.sub(len, "track body")?;
        if track_id == 0 {
            return Ok(Some(Track { packet_type, fourcc, body }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_fourcc_prints_as_one_harmless_line() {
        assert_eq!(FourCc(*b"hvc1").to_string(), "hvc1");
        assert_eq!(FourCc([0x1b, b'\n', 0xff, b'a']).to_string(), r"\x1b\n\xffa");
    }
}
