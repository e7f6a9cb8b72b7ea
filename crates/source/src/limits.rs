//! Caps on what a file may claim.

/// Caps on what a file may claim. Sizes that go with the file's true length need none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest sample in bytes: 8 MiB is 64 Mbit in one picture, and as much as an RTMP server
    /// takes in one message.
    pub max_sample_bytes: u32,
    /// Largest `avcC` or `esds` in bytes. 32 SPS and 255 PPS of usual size are a tenth of it.
    pub max_config_bytes: u32,
    /// Samples of one track: 77 hours at 120 pictures a second. Bounds the time of the survey.
    pub max_samples: u64,
    /// Boxes on the top level: 22 hours of fragments of one picture. Bounds the time of the walk.
    pub max_top_boxes: u32,
    /// Boxes in one container. A moov has one for each track, a stbl about ten, a moof one for each
    /// track.
    pub max_child_boxes: u32,
    /// Tracks looked at. Phones write five.
    pub max_tracks: usize,
    /// Sample descriptions of a track: editors write one for each cut.
    pub max_descriptions: u32,
    /// Entries of an edit list. More than two or three are cuts, which are refused anyway.
    pub max_edits: u32,
    /// Samples of a track that the file does not have, or that cannot be carried, after which the
    /// rest of the track is given up: 36 minutes at 30 pictures a second. Bounds the time that
    /// claims without data cost.
    pub max_left_out_samples: u64,
    /// Notes kept of one file.
    pub max_notes: usize,
    /// How far an FLV file is read for its tracks before it is taken to have no others, in bytes.
    pub flv_probe_bytes: u64,
}

impl Limits {
    /// The limits in force.
    pub const DEFAULT: Self = Self {
        max_sample_bytes: 8 << 20,
        max_config_bytes: 64 << 10,
        max_samples: 32 << 20,
        max_top_boxes: 8 << 20,
        max_child_boxes: 4096,
        max_tracks: 64,
        max_descriptions: 64,
        max_edits: 64,
        max_left_out_samples: 1 << 16,
        max_notes: 16,
        flv_probe_bytes: 4 << 20,
    };
    /// Pages of the file that are held: two tracks read six tables each, and the boxes around them.
    pub const PAGES: usize = 32;
    /// Bytes of a page.
    pub const PAGE_BYTES: usize = 4096;
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
