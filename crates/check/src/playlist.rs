//! What playlists say.

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
    /// Audio is, at least in part, in other playlists (`AUDIO`).
    pub audio_group: bool,
}

/// A media playlist (RFC 8216 4.3.3).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaPlaylist {
    /// `EXT-X-VERSION`.
    pub version: Option<u64>,
    /// The lowest version that allows what the playlist uses, and what that is (RFC 8216 section 7).
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
    /// What makes the segments something that is not read here: "fragmented MP4", ...
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
