/// Caps on what a proxy may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A PROXY header with all that may stand behind its addresses. 2 KiB: with TLS, a
    /// certificate's name and a cloud's own fields real ones have a few hundred bytes; the format
    /// could say 64 KiB.
    pub header_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { header_bytes: 2048 }
    }
}
