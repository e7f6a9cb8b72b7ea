//! Packed audio: ADTS frames behind an ID3 tag that says when they are heard (RFC 8216 3.4).

use bytes::Bytes;
use media::Timestamp;

use crate::audio;
use crate::segment_facts::{Container, SegmentFacts};
use crate::time;

const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";
const ID3_HEADER_BYTES: usize = 10;

/// Whether a segment is packed audio: it begins with an ID3 tag, or with an ADTS frame.
pub(crate) fn is_packed_audio(body: &[u8]) -> bool {
    body.starts_with(b"ID3") || matches!(body, [0xff, second, ..] if second & 0xf6 == 0xf0)
}

/// Reads a segment. `near` is a time of the same stream, if one is known.
pub(crate) fn read(data: &Bytes, near: Option<Timestamp>) -> SegmentFacts {
    let mut facts = SegmentFacts {
        container: Container::PackedAudio,
        bytes: data.len(),
        ..SegmentFacts::default()
    };
    let tag = id3(data);
    let (tag_bytes, begins) = tag.unwrap_or((0, None));
    if begins.is_none() {
        facts.faults.add(0, "no ID3 tag says when the packed audio begins (RFC 8216 3.4)");
    }
    let marks: Vec<_> = begins.map(|raw| (0, time::unwrap33(raw, near))).into_iter().collect();
    let stream = data.get(tag_bytes..).unwrap_or_default();
    facts.audio = audio::read(stream, &marks, &mut facts.faults);
    facts
}

/// Bytes of an ID3v2 tag, and the 33-bit time in its private frame.
fn id3(data: &[u8]) -> Option<(usize, Option<u64>)> {
    let (&[b'I', b'D', b'3', _, _, _, a, b, c, d], rest) =
        data.split_first_chunk::<ID3_HEADER_BYTES>()?
    else {
        return None;
    };
    // Seven bits a byte.
    let size = [a, b, c, d].iter().fold(0_usize, |size, byte| size << 7 | usize::from(byte & 0x7f));
    let tag = rest.get(..size)?;
    let at = tag.windows(OWNER.len()).position(|window| window == OWNER);
    let begins = at.and_then(|at| tag.get(at.checked_add(OWNER.len())?..)?.first_chunk::<8>());
    Some((size.saturating_add(ID3_HEADER_BYTES), begins.map(|time| u64::from_be_bytes(*time))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8216_3_4_the_time_is_in_a_private_frame() {
        let config = aac::AudioSpecificConfig::parse(&[0x11, 0x90]).unwrap();
        let mut frame = aac::adts_header(&config, 10).unwrap().to_vec();
        frame.resize(17, 0);
        let private = [b"PRIV\0\0\0\x35\0\0", OWNER, &90_000_u64.to_be_bytes()].concat();
        let size = u8::try_from(private.len()).unwrap();
        let tag = [b"ID3\x04\0\0\0\0\0", &[size][..], &private].concat();
        let whole = Bytes::from([tag, frame.clone(), frame.clone()].concat());
        assert!(is_packed_audio(&whole) && is_packed_audio(&frame));
        let facts = read(&whole, None);
        assert!(facts.faults.is_empty(), "{:?}", facts.faults);
        let audio = facts.audio.unwrap();
        assert_eq!((audio.frames, audio.first_pts), (2, Some(Timestamp::from_ticks(90_000))));
        let untimed = read(&frame.into(), None);
        assert_eq!((untimed.faults.total, untimed.audio.unwrap().frames), (1, 1));
        for len in 0..whole.len() {
            let _ = read(&whole.slice(..len), None);
        }
    }
}
