/// Caps on what one [`decode`](crate::decode) or [`decode_all`](crate::decode_all) call may take.
///
/// Together they bound memory: at most `max_values` times the size of a property (about 90 bytes),
/// plus three times `max_bytes` for the text of strings (a byte that is not UTF-8 becomes a
/// replacement character of three).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Containers inside containers. 16: metadata of real encoders nests three deep, and the
    /// decoder recurses once a level, so this also bounds its stack.
    pub max_depth: u8,
    /// Values in all, nested ones included. 16 384: a two-hour FLV file's keyframe index has 14
    /// 400.
    pub max_values: usize,
    /// Bytes of input in all. 1 MiB: the largest metadata seen is such an index of 200 kB.
    pub max_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_depth: 16, max_values: 16_384, max_bytes: 1024 * 1024 }
    }
}
