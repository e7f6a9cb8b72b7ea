//! Caps on what a stream may claim.

/// Caps on what a stream may claim. The parsers of this crate use the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// NAL units in one access unit. A 4K picture of one slice per row of macroblocks has 135, one
    /// of 1500-byte slices at 100 Mbit/s about 1000; each costs 8 bytes of memory here and may
    /// cost as little as one on the wire.
    pub max_nal_units: usize,
    /// Bytes of one parameter set. An SPS with every scaling list and 32 HRD entries has about
    /// 1200.
    pub max_parameter_set_bytes: usize,
    /// Bytes of all parameter sets of a stream. A picture of a few bytes may use them all, so they
    /// are what a message can be made to cost in a segment. One of each has 30 to 60; 32 SPS and
    /// 256 PPS, as encoders write them, 3200.
    pub max_parameter_sets_bytes: usize,
    /// Samples on a side of the picture. Level 6.2 ends at 16864; 16384 keeps all products far
    /// inside 32 bits.
    pub max_side: u32,
    /// Bytes of an SEI NAL unit that are searched for a recovery point: it comes before captions
    /// and user data.
    pub max_sei_bytes: usize,
    /// Bytes of a slice that can hold its header: 64 weights and the commands below fit.
    pub max_slice_header_bytes: usize,
    /// Bytes of a slice that are searched for what tells its picture from others: up to
    /// `redundant_pic_cnt` a header has 340 bits, and emulation prevention adds a third.
    pub max_slice_start_bytes: usize,
    /// Bytes of a slice that are searched for its type without parameter sets: it is behind the
    /// address of a macroblock, which may have 35 bits, and has 7 itself.
    pub max_slice_type_bytes: usize,
    /// Bytes of a parameter set that are searched for its id: behind three bytes of an SPS, the
    /// longest legal id takes 17 bits, and emulation prevention can add two bytes.
    pub max_parameter_set_id_bytes: usize,
    /// Macroblocks that all slices of an access unit can hold together, each from where it begins
    /// to the end of the picture: a decoder may be made to do them all. The largest picture has 36
    /// 864; n equal slices can hold (n + 1) / 2 pictures, so that one of 1080p may have 143 and one
    /// of 4096x2304 may have 31.
    pub max_slice_macroblocks: u32,
    /// Commands of one kind in a slice header: reference list modifications of a list, or memory
    /// management control operations. A list has 32 entries and a buffer 32 fields.
    pub max_slice_commands: usize,
}

impl Limits {
    pub(crate) const DEFAULT: Self = Self {
        max_nal_units: 4096,
        max_parameter_set_bytes: 2048,
        max_parameter_sets_bytes: 4096,
        max_side: 16_384,
        max_sei_bytes: 4096,
        max_slice_header_bytes: 4096,
        max_slice_start_bytes: 64,
        max_slice_type_bytes: 12,
        max_parameter_set_id_bytes: 8,
        max_slice_macroblocks: 16 * 36_864,
        max_slice_commands: 66,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
