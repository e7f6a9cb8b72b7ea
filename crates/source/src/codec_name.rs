//! Names of codecs that people know.

use std::fmt;

/// A box type, sample entry or track handler (14496-12 4.2). Prints itself readable whatever is in
/// it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FourCc(pub(crate) [u8; 4]);

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Type codes of QuickTime begin with U+00A9, and may hold anything.
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a sample entry that we cannot carry is, as "HEVC (hvc1)".
pub(crate) fn of_sample_entry(entry: FourCc) -> String {
    let name = match &entry.0 {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" => "H.264",
        b"hvc1" | b"hev1" | b"hvc2" | b"hev2" | b"dvh1" | b"dvhe" => "HEVC",
        b"vvc1" | b"vvi1" => "VVC",
        b"vp08" => "VP8",
        b"vp09" => "VP9",
        b"av01" => "AV1",
        b"mp4v" => "MPEG-4 part 2",
        b"s263" | b"h263" | b"H263" => "H.263",
        b"jpeg" | b"mjpa" | b"mjpb" | b"MJPG" => "Motion JPEG",
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" => "ProRes",
        b"png " => "PNG",
        b"SVQ1" | b"SVQ3" => "Sorenson Video",
        b"mp4a" => "MPEG-4 audio",
        b".mp3" | b"mp3 " | b"ms\0U" => "MP3",
        b"ac-3" | b"sac3" => "AC-3",
        b"ec-3" => "E-AC-3",
        b"ac-4" => "AC-4",
        b"Opus" | b"opus" => "Opus",
        b"fLaC" => "FLAC",
        b"alac" => "Apple Lossless",
        b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" | b"dtsx" => "DTS",
        b"mlpa" => "TrueHD",
        b"sowt" | b"twos" | b"lpcm" | b"raw " | b"NONE" | b"in24" | b"in32" | b"fl32" | b"fl64"
        | b"ipcm" | b"fpcm" => "PCM",
        b"ulaw" | b"alaw" => "G.711",
        b"samr" | b"sawb" => "AMR",
        b"ima4" => "IMA ADPCM",
        _ => "an unknown codec",
    };
    format!("{name} ({entry})")
}

/// What `objectTypeIndication` of an `esds` stands for (14496-1 table 5, mp4ra.org).
pub(crate) fn of_object_type(object_type: u8) -> String {
    let name = match object_type {
        0x40 | 0x66..=0x68 => "AAC",
        0x69 | 0x6b => "MP3",
        0xa5 => "AC-3",
        0xa6 => "E-AC-3",
        0xa9..=0xac => "DTS",
        0xad => "Opus",
        0xdd => "Vorbis",
        0xe1 => "QCELP",
        _ => "an unknown codec",
    };
    format!("{name} (mp4a, object type 0x{object_type:02x})")
}

/// What an AAC configuration that is none of ours is (14496-3 table 1.17).
pub(crate) fn of_audio_object_type(object_type: u8) -> String {
    let name = match object_type {
        17 | 19 | 20 => "error resilient AAC",
        23 => "AAC-LD",
        39 => "AAC-ELD",
        32..=34 => "MP3",
        36 => "MPEG-4 ALS",
        42 => "xHE-AAC",
        _ => "MPEG-4 audio that is not AAC",
    };
    format!("{name} (audio object type {object_type})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_have_names_and_control_characters_do_not_get_through() {
        assert_eq!(of_sample_entry(FourCc(*b"hvc1")), "HEVC (hvc1)");
        assert_eq!(of_sample_entry(FourCc(*b"ms\0U")), r"MP3 (ms\x00U)");
        assert_eq!(of_sample_entry(FourCc(*b"\x1b[2J")), r"an unknown codec (\x1b[2J)");
        assert_eq!(of_object_type(0x6b), "MP3 (mp4a, object type 0x6b)");
        assert_eq!(of_audio_object_type(42), "xHE-AAC (audio object type 42)");
    }
}
