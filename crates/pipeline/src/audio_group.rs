//! ADTS frames gathered for one PES packet: each PES packet costs a header and a padded TS packet.

use aac::AudioSpecificConfig;
use media::{AccessUnit, AudioFrame, Duration, Timestamp};

/// A group spans at most this long: inside the 0.7 s that the muxer's PCR leads by.
const MAX_SPAN: Duration = Duration::from_millis(600);

/// Before so much has passed the group has to be written, or it comes late.
const LATE: Duration = Duration::from_millis(700);

/// A group holds at most this many bytes, so that it fits the 3584-byte buffer of a two-channel
/// ADTS decoder (ISO/IEC 13818-1 2.4.2.7).
const MAX_BYTES: usize = 2800;

/// Whole ADTS frames, one behind the other; its buffer is kept from group to group.
#[derive(Debug, Default)]
pub(crate) struct AudioGroup {
    adts: Vec<u8>,
    pts: Option<Timestamp>,
}

impl AudioGroup {
    /// Whether the group has to be written before `frame` is added.
    pub(crate) fn is_full_for(&self, frame: &AudioFrame) -> bool {
        self.pts.is_some_and(|first| {
            frame.pts - first >= MAX_SPAN || self.adts.len() + frame.data.len() > MAX_BYTES
        })
    }

    /// Whether the group has to be written before `unit`: audio stopped, and nothing else writes
    /// what there was of it.
    pub(crate) fn is_late_for(&self, unit: &AccessUnit) -> bool {
        self.pts.is_some_and(|first| unit.dts - first >= LATE)
    }

    /// Adds a frame. One too large for an ADTS header (13 bits of length) is no AAC frame and is
    /// left out; the configuration itself was tried before.
    pub(crate) fn push(&mut self, config: &AudioSpecificConfig, frame: &AudioFrame) {
        let Ok(header) = aac::adts_header(config, frame.data.len()) else { return };
        self.pts.get_or_insert(frame.pts);
        self.adts.extend_from_slice(&header);
        self.adts.extend_from_slice(&frame.data);
    }

    /// The group's time and frames, if there are any; [`Self::clear`] when they are written.
    pub(crate) fn take(&mut self) -> Option<(Timestamp, &[u8])> {
        self.pts.take().map(|pts| (pts, &self.adts[..]))
    }

    /// Empties the group.
    pub(crate) fn clear(&mut self) {
        self.pts = None;
        self.adts.clear();
    }
}
