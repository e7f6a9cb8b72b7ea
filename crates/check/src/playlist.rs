//! What playlists say.

use std::sync::Arc;

/// Either kind of playlist.
#[derive(Clone, Debug, PartialEq)]
pub enum Playlist {
    /// Names variant streams.
    Multivariant(MultivariantPlaylist),
    /// Names segments.
    Media(MediaPlaylist),
}

/// A multivariant playlist (RFC 8216 4.3.4).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MultivariantPlaylist {
    /// `EXT-X-VERSION`.
    pub version: Option<u64>,
    /// `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent_segments: bool,
    /// In the order of the playlist.
    pub variants: Vec<Variant>,
    /// In the order of the playlist.
    pub alternatives: Vec<Alternative>,
}

/// An `EXT-X-MEDIA`: a rendition of one kind, to be played beside a variant stream that names its
/// group (RFC 8216 4.3.4.1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alternative {
    /// Line of the tag, from 1.
    pub line: usize,
    /// `TYPE`; none where it is missing or none of the four.
    pub kind: Option<AlternativeKind>,
    /// `GROUP-ID`.
    pub group: String,
    /// Its playlist, as it is written; none where the media is in the variant streams themselves.
    pub uri: Option<String>,
}

/// `TYPE` of an `EXT-X-MEDIA`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlternativeKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Text that comes in files of its own.
    Subtitles,
    /// Text inside of the video: there is no playlist for it.
    ClosedCaptions,
}

/// An `EXT-X-STREAM-INF` with its URI (RFC 8216 4.3.4.2).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variant {
    /// Line of the tag, from 1.
    pub line: usize,
    /// As it is written.
    pub uri: String,
    /// Declared peak rate in bits per second.
    pub bandwidth_bps: Option<u64>,
    /// Declared average rate in bits per second.
    pub average_bandwidth_bps: Option<u64>,
    /// `CODECS`, split at the commas; none where the attribute is missing.
    pub codecs: Option<Vec<String>>,
    /// Width and height.
    pub resolution: Option<(u32, u32)>,
    /// Pictures per second.
    pub frame_rate: Option<f64>,
    /// The group of `EXT-X-MEDIA` that its audio is in, at least in part (`AUDIO`).
    pub audio_group: Option<String>,
    /// The same for pictures (`VIDEO`).
    pub video_group: Option<String>,
    /// The same for subtitles (`SUBTITLES`).
    pub subtitles_group: Option<String>,
}

/// A media playlist (RFC 8216 4.3.3).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaPlaylist {
    /// `EXT-X-VERSION`.
    pub version: Option<u64>,
    /// The lowest version that allows what the playlist uses, and what that is (RFC 8216 section
    /// 7).
    pub needs_version: Option<(u64, &'static str)>,
    /// `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent_segments: bool,
    /// `EXT-X-TARGETDURATION`, seconds.
    pub target_duration_secs: Option<u64>,
    /// `EXT-X-MEDIA-SEQUENCE`: number of the first segment; 0 where the tag is missing.
    pub media_sequence: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`, none where the tag is missing.
    pub discontinuity_sequence: Option<u64>,
    /// `EXT-X-PLAYLIST-TYPE`.
    pub kind: Option<PlaylistType>,
    /// `EXT-X-ENDLIST`.
    pub ended: bool,
    /// What makes the playlist something that is not read here: "I-frame playlists", ...
    pub foreign: Option<&'static str>,
    /// The oldest first.
    pub segments: Vec<MediaSegment>,
}

/// `EXT-X-PLAYLIST-TYPE` (RFC 8216 4.3.3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaylistType {
    /// Never changes.
    Vod,
    /// Only gets longer.
    Event,
}

/// A segment of a media playlist (RFC 8216 4.3.2).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaSegment {
    /// Line of its URI, from 1.
    pub line: usize,
    /// As it is written.
    pub uri: String,
    /// `EXTINF`, seconds.
    pub duration_secs: f64,
    /// `EXT-X-DISCONTINUITY` in front of it.
    pub discontinuity: bool,
    /// `EXT-X-PROGRAM-DATE-TIME`, milliseconds since 1970.
    pub start_unix_ms: Option<i64>,
    /// `EXT-X-GAP`: it cannot be had.
    pub gap: bool,
    /// `EXT-X-BYTERANGE`: the part of the resource that it is; none for all of it.
    pub byte_range: Option<ByteRange>,
    /// `EXT-X-MAP` in force: what has to be read before it. Shared, as it is the same for many.
    pub map: Option<Arc<Map>>,
    /// `EXT-X-KEY` in force, unless its method is `NONE`.
    pub encryption: Option<Encryption>,
}

/// A part of a resource (RFC 8216 4.3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte, from 0.
    pub start: u64,
    /// How many; never 0, and the end is below 2^64.
    pub bytes: u64,
}

/// An `EXT-X-MAP` (RFC 8216 4.3.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// As it is written.
    pub uri: String,
    /// The part of the resource that it is; none for all of it.
    pub byte_range: Option<ByteRange>,
}

/// `METHOD` of an `EXT-X-KEY` (RFC 8216 4.3.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Whole segments.
    Aes128,
    /// Parts of the samples.
    SampleAes,
    /// Another method.
    Other,
}

impl Encryption {
    /// What it is called in a report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128 => "AES-128",
            Self::SampleAes => "SAMPLE-AES",
            Self::Other => "a method that RFC 8216 does not have",
        }
    }
}

impl MediaPlaylist {
    /// The segments with their media sequence numbers.
    pub(crate) fn numbered(&self) -> impl DoubleEndedIterator<Item = (u64, &MediaSegment)> {
        self.segments
            .iter()
            .enumerate()
            .map(|(index, segment)| (self.media_sequence.saturating_add(index as u64), segment))
    }

    /// The number that the next segment will have.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.media_sequence.saturating_add(self.segments.len() as u64)
    }

    /// Segments come and go: neither VOD nor EVENT.
    pub(crate) fn slides(&self) -> bool {
        self.kind.is_none()
    }
}
