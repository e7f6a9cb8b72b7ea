//! Caps on what a stream may make the decoder do.

/// Caps on what a stream may make the decoder do, whatever it claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Macroblocks of a frame. Level 5.2 has 36864 (4096x2304); a frame takes about 700 bytes a
    /// macroblock.
    pub max_macroblocks: u32,
    /// Frames that are kept for reference and for output, 1 to 16, beside the one that is decoded.
    /// The level of a stream says how many it needs; that is obeyed up to here.
    pub max_frames: u8,
    /// Pictures that may wait for others that are shown before them. The stream says how many have
    /// to; that is obeyed up to here. 0 has each given out as soon as it is decoded, in decoding
    /// order: for whoever sorts them by their pts, and would have them while they are in a cache.
    pub max_waiting: u8,
    /// Pictures, frames or fields, that one access unit can begin. It has one; two where fields
    /// come together.
    pub max_pictures: u8,
    /// Frames that are hidden because a recovery point says that they are not right yet: refreshing
    /// takes a GOP in practice, and what is sent as `recovery_frame_cnt` may be up to 65 535.
    pub max_recovery_frames: u32,
    /// Frames that are made up for one gap in `frame_num`.
    pub max_gap: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_macroblocks: 36_864,
            max_frames: 16,
            max_waiting: 16,
            max_pictures: 4,
            max_recovery_frames: 300,
            max_gap: 16,
        }
    }
}
