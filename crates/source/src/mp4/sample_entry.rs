//! Sample descriptions: `stsd` with `avc1` and `mp4a` inside (14496-12 8.5.2, 14496-14, 14496-15,
//! QTFF).

use std::io::{Read, Seek};

use aac::AudioSpecificConfig;
use bytes::{Buf, Bytes};
use h264::AvcConfig;

use super::boxes::BoxAt;
use crate::codec_name::{self, FourCc};
use crate::disk::Disk;
use crate::notes::Notes;
use crate::{Error, Limits, TrackName};

/// `SampleEntry` and `VisualSampleEntry` fields before the boxes (14496-12 8.5.2.2, 12.1.3.2).
const VISUAL_FIELDS: u64 = 78;
/// `SampleEntry` and `AudioSampleEntry` fields before the boxes (12.2.3.2).
const AUDIO_FIELDS: u64 = 28;

/// What samples are.
#[derive(Clone, Debug)]
pub(crate) enum Description {
    Video { avcc: Bytes, config: AvcConfig, width: u16, height: u16 },
    Audio { asc: Bytes, config: AudioSpecificConfig },
    Refused(Refusal),
}

/// Why samples of this description cannot be carried.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    Codec { codec: String, position: u64 },
    Encrypted { scheme: String, position: u64 },
}

impl Refusal {
    pub(crate) fn into_error(self, track: TrackName) -> Error {
        match self {
            Self::Codec { codec, position } => Error::Codec { track, codec, position },
            Self::Encrypted { scheme, position } => Error::Encrypted { track, scheme, position },
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Codec { codec, .. } => codec,
            Self::Encrypted { scheme, .. } => scheme,
        }
    }
}

impl Description {
    /// All of a track's `stsd`.
    pub(crate) fn read_all<R: Read + Seek>(
        stsd: &BoxAt,
        track: TrackName,
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<Vec<Self>, Error> {
        let count = stsd.u32(disk, 4)?;
        let mut entries = stsd.children_after(8);
        let mut descriptions = Vec::new();
        for _ in 0..count.min(Limits::DEFAULT.max_descriptions) {
            let Some(entry) = entries.next(disk, notes)? else { break };
            descriptions.push(Self::read(&entry, track, disk, notes)?);
        }
        Ok(descriptions)
    }

    fn read<R: Read + Seek>(
        entry: &BoxAt,
        track: TrackName,
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<Self, Error> {
        match (track, &entry.kind.0) {
            (_, b"encv" | b"enca" | b"drmi" | b"drms") => Ok(Self::encrypted(entry)),
            (TrackName::Video(_), b"avc1" | b"avc2" | b"avc3" | b"avc4") => {
                video(entry, disk, notes)
            }
            (TrackName::Audio(_), b"mp4a") => audio(entry, disk, notes),
            _ => Ok(Self::refused(codec_name::of_sample_entry(entry.kind), entry)),
        }
    }

    fn refused(codec: String, entry: &BoxAt) -> Self {
        Self::Refused(Refusal::Codec { codec, position: entry.start })
    }

    fn encrypted(entry: &BoxAt) -> Self {
        Self::Refused(Refusal::Encrypted { scheme: entry.kind.to_string(), position: entry.start })
    }
}

fn video<R: Read + Seek>(
    entry: &BoxAt,
    disk: &mut Disk<R>,
    notes: &mut Notes,
) -> Result<Description, Error> {
    let [width, height] = [24, 26].map(|offset| entry.field(disk, offset));
    let (width, height) = (u16::from_be_bytes(width?), u16::from_be_bytes(height?));
    let mut boxes = entry.children_after(VISUAL_FIELDS);
    let Some(found) = boxes.find(disk, b"avcC", notes)? else {
        return Err(entry.invalid("has no avcC box".to_owned()));
    };
    let avcc = content(&found, disk)?;
    let config =
        AvcConfig::parse(avcc.clone()).map_err(|error| found.invalid(error.to_string()))?;
    Ok(Description::Video { avcc, config, width, height })
}

fn audio<R: Read + Seek>(
    entry: &BoxAt,
    disk: &mut Disk<R>,
    notes: &mut Notes,
) -> Result<Description, Error> {
    let Some(esds) = find_esds(entry, disk, notes)? else {
        return Err(entry.invalid("has no esds box".to_owned()));
    };
    let descriptor = DecoderConfig::read(content(&esds, disk)?)
        .ok_or_else(|| esds.invalid("has no decoder configuration".to_owned()))?;
    // MPEG-2 AAC has the configuration too.
    if !matches!(descriptor.object_type, 0x40 | 0x66..=0x68) {
        let codec = codec_name::of_object_type(descriptor.object_type);
        return Ok(Description::refused(codec, entry));
    }
    match AudioSpecificConfig::parse(&descriptor.specific) {
        Ok(config) => Ok(Description::Audio { asc: descriptor.specific, config }),
        Err(aac::Error::ObjectType { actual }) => {
            Ok(Description::refused(codec_name::of_audio_object_type(actual), entry))
        }
        Err(error) => Err(esds.invalid(error.to_string())),
    }
}

/// The `esds` of a sound description: behind the fields, which QuickTime made longer twice (QTFF
/// "Sound Sample Descriptions"), and there perhaps inside of a `wave`. The version field alone
/// cannot be trusted: ISO files of version 1 have the short fields.
fn find_esds<R: Read + Seek>(
    entry: &BoxAt,
    disk: &mut Disk<R>,
    notes: &mut Notes,
) -> Result<Option<BoxAt>, Error> {
    let longer: u64 = match u16::from_be_bytes(entry.field(disk, 8)?) {
        1 => 16,
        2 => 36,
        _ => 0,
    };
    if longer > 0
        && let Ok(Some(esds)) =
            esds_among(entry, AUDIO_FIELDS.saturating_add(longer), disk, &mut Notes::default())
    {
        return Ok(Some(esds));
    }
    esds_among(entry, AUDIO_FIELDS, disk, notes)
}

fn esds_among<R: Read + Seek>(
    entry: &BoxAt,
    fields: u64,
    disk: &mut Disk<R>,
    notes: &mut Notes,
) -> Result<Option<BoxAt>, Error> {
    let mut boxes = entry.children_after(fields);
    while let Some(found) = boxes.next(disk, notes)? {
        if found.is(b"esds") {
            return Ok(Some(found));
        }
        if found.is(b"wave") {
            return found.child(disk, b"esds", notes);
        }
    }
    Ok(None)
}

fn content<R: Read + Seek>(found: &BoxAt, disk: &mut Disk<R>) -> Result<Bytes, Error> {
    let limit = Limits::DEFAULT.max_config_bytes;
    match u32::try_from(found.len()) {
        Ok(len) if len <= limit => disk.bytes(found.body, len, || found.kind.to_string()),
        _ => Err(Error::Limit {
            what: format!("{} size", found.kind),
            actual: found.len(),
            limit: limit.into(),
            position: found.start,
        }),
    }
}

/// `DecoderConfigDescriptor` (14496-1 7.2.6.6).
struct DecoderConfig {
    object_type: u8,
    specific: Bytes,
}

const ES_DESCRIPTOR: u8 = 3;
const DECODER_CONFIG: u8 = 4;
const DECODER_SPECIFIC: u8 = 5;

impl DecoderConfig {
    /// From the content of an `esds` (14496-14 5.6): `None` when it is not there.
    fn read(mut esds: Bytes) -> Option<Self> {
        esds.try_get_u32().ok()?;
        let mut es = descriptor(&mut esds, ES_DESCRIPTOR)?;
        es.try_get_u16().ok()?;
        let flags = es.try_get_u8().ok()?;
        if flags & 0x80 != 0 {
            es.try_get_u16().ok()?;
        }
        if flags & 0x40 != 0 {
            let url = es.try_get_u8().ok()?;
            skip(&mut es, url.into())?;
        }
        if flags & 0x20 != 0 {
            es.try_get_u16().ok()?;
        }
        let mut config = descriptor(&mut es, DECODER_CONFIG)?;
        let object_type = config.try_get_u8().ok()?;
        skip(&mut config, 12)?;
        // Other codecs have none.
        let specific = descriptor(&mut config, DECODER_SPECIFIC).unwrap_or_default();
        Some(Self { object_type, specific })
    }
}

/// The next descriptor with this tag (14496-1 8.3.3). One that is longer than what it is in is cut
/// to that.
fn descriptor(data: &mut Bytes, tag: u8) -> Option<Bytes> {
    loop {
        let found = data.try_get_u8().ok()?;
        let len = expandable_len(data)?.min(data.len());
        let body = data.split_to(len);
        if found == tag {
            return Some(body);
        }
    }
}

/// Seven bits a byte, four bytes at most.
fn expandable_len(data: &mut Bytes) -> Option<usize> {
    let mut len: usize = 0;
    for _ in 0..4 {
        let byte = data.try_get_u8().ok()?;
        len = (len << 7) | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(len)
}

fn skip(data: &mut Bytes, len: usize) -> Option<()> {
    (len <= data.len()).then(|| data.advance(len))
}

/// A track's handler (14496-12 8.4.3).
pub(crate) fn handler<R: Read + Seek>(hdlr: &BoxAt, disk: &mut Disk<R>) -> Result<FourCc, Error> {
    hdlr.field(disk, 8).map(FourCc)
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn s_14496_1_7_2_6_descriptors_with_long_and_short_lengths_and_optional_fields() {
        let plain =
            hex!("00000000 03 19 0001 00 04 11 40 15 000000 00000000 00000000 05 02 1210 06 01 02");
        let config = DecoderConfig::read(Bytes::copy_from_slice(&plain)).unwrap();
        assert_eq!((config.object_type, &config.specific[..]), (0x40, &hex!("1210")[..]));
        let long = hex!(
            "00000000 03 80808022 0001 e0 aaaa 02 6162 bbbb"
            "04 80808014 6b 15 000000 00000000 00000000"
        );
        let config = DecoderConfig::read(Bytes::copy_from_slice(&long)).unwrap();
        assert_eq!((config.object_type, config.specific.len()), (0x6b, 0));
        for len in 0..plain.len() {
            let _ = DecoderConfig::read(Bytes::copy_from_slice(&plain[..len]));
        }
    }
}
