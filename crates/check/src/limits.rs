//! What a peer may make us hold.

/// Caps on what is taken from a server that is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a playlist, before and after decompression. 1 MiB: three days of 2 s segments are 5
    /// MB, but no live playlist is a tenth of that.
    pub max_playlist_bytes: usize,
    /// Bytes of a segment. 64 MiB: 6 s at 80 Mbit/s.
    pub max_segment_bytes: usize,
    /// Variant streams that are followed; more are left out and said so. 16: each is downloaded
    /// whole.
    pub max_renditions: usize,
    /// Segments remembered per rendition, without their data. 4096: two hours of 2 s segments.
    pub max_segments: usize,
    /// Faults told of one playlist or segment, and findings of one rule; more are only counted.
    pub max_faults: usize,
    /// Redirects followed for one request. 5: more are a loop.
    pub max_redirects: usize,
    /// Characters of a URL. 4096: servers refuse longer ones.
    pub max_url_chars: usize,
    /// Attributes of one tag: finding one is a walk over all. 64: real tags have fewer than 20.
    pub max_attributes: usize,
    /// Characters of a peer's text in a message. 60: it is there to be recognised.
    pub max_excerpt_chars: usize,
    /// Bytes of an initialization section (`EXT-X-MAP`). 1 MiB: it holds parameter sets, real ones
    /// have 1 to 3 KiB.
    pub max_map_bytes: usize,
    /// Tracks of an initialization section that are looked at. 16: players take two.
    pub max_tracks: usize,
    /// Samples of one segment of fragmented MP4. 65536: 60 s of 960 pictures a second, or of 20 ms
    /// audio and more.
    pub max_fragment_samples: usize,
    /// Shapes of pictures told apart in one segment. 8: more than one is a fault already.
    pub max_shapes: usize,
}

impl Limits {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        max_playlist_bytes: 1024 * 1024,
        max_segment_bytes: 64 * 1024 * 1024,
        max_renditions: 16,
        max_segments: 4096,
        max_faults: 20,
        max_redirects: 5,
        max_url_chars: 4096,
        max_attributes: 64,
        max_excerpt_chars: 60,
        max_map_bytes: 1024 * 1024,
        max_tracks: 16,
        max_fragment_samples: 65_536,
        max_shapes: 8,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
