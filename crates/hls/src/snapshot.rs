//! What readers of a window see.

use bytes::Bytes;

use crate::Body;

/// A rendition at one moment: its playlist, and every segment that may be asked for. Never changes.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The media playlist.
    pub playlist: Body,
    /// BANDWIDTH, bits per second: the largest rate of any run of segments of 0.5 to 1.5 target durations so far
    /// (RFC 8216 4.3.4.2), or the least that was configured. Never falls.
    pub bandwidth_bps: u64,
    /// AVERAGE-BANDWIDTH, bits per second: over the last two minutes.
    pub average_bandwidth_bps: u64,
    /// `EXT-X-TARGETDURATION`, seconds.
    pub target_duration_secs: u64,
    /// The playlist has `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent: bool,
    /// The playlist has `EXT-X-ENDLIST`.
    pub ended: bool,
    pub(crate) first_fetchable: u64,
    pub(crate) segments: Vec<Bytes>,
}

impl Snapshot {
    /// The data of segment `sequence`, if it is listed or was a short while ago.
    #[must_use]
    pub fn segment(&self, sequence: u64) -> Option<Bytes> {
        let index = sequence.checked_sub(self.first_fetchable)?;
        self.segments.get(usize::try_from(index).ok()?).cloned()
    }
}
