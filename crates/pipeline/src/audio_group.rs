//! ADTS frames gathered for one PES packet: each PES packet costs a header and a padded TS packet.

use aac::AudioSpecificConfig;
use media::{AudioFrame, Duration, TICKS_PER_SECOND, Timestamp};

/// The frames of a group begin in a span of at most this long, so that one time stamp comes no more
/// than 0.7 s behind the other (ISO/IEC 13818-1 2.7.4), of frames of 64 ms too. It matters to light
/// sound alone: other groups are full before.
const MAX_SPAN: Duration = Duration::from_millis(600);

/// A group holds at most this many bytes, so that it fits the 3584-byte buffer of a two-channel
/// ADTS decoder (ISO/IEC 13818-1 2.4.2.7).
const MAX_BYTES: usize = 2800;

/// Frames that are stamped further apart than where the group's first one leads to begin another
/// group: players count on from the one stamp that a group has.
const MAX_DRIFT: Duration = Duration::from_millis(10);

/// Whole ADTS frames, one behind the other; its buffer is kept from group to group.
#[derive(Debug, Default)]
pub(crate) struct AudioGroup {
    adts: Vec<u8>,
    /// How long the frames are together, in samples of the core.
    samples: i64,
    pts: Option<Timestamp>,
}

impl AudioGroup {
    /// Gathers the first of the frames; how many. One too large for an ADTS header (13 bits of
    /// length) is no AAC frame and is left out; the configuration itself was tried before.
    pub(crate) fn gather<'a>(
        &mut self,
        config: &AudioSpecificConfig,
        frames: impl Iterator<Item = &'a AudioFrame>,
    ) -> usize {
        (self.samples, self.pts) = (0, None);
        self.adts.clear();
        let mut gathered = 0;
        for frame in frames {
            if !self.takes(config, frame) {
                break;
            }
            gathered += 1;
            let Ok(header) = aac::adts_header(config, frame.data.len()) else { continue };
            self.pts.get_or_insert(frame.pts);
            self.samples += i64::from(config.samples_per_frame);
            self.adts.extend_from_slice(&header);
            self.adts.extend_from_slice(&frame.data);
        }
        gathered
    }

    fn takes(&self, config: &AudioSpecificConfig, frame: &AudioFrame) -> bool {
        let Some(first) = self.pts else { return true };
        let rate = i64::from(config.sample_rate_hz.max(1));
        let end = first + Duration::from_ticks(self.samples * TICKS_PER_SECOND / rate);
        let drift = frame.pts - end;
        frame.pts - first < MAX_SPAN
            && self.adts.len() + frame.data.len() <= MAX_BYTES
            && drift <= MAX_DRIFT
            && drift >= -MAX_DRIFT
    }

    /// The group's time and frames, if there are any.
    pub(crate) fn pes(&self) -> Option<(Timestamp, &[u8])> {
        self.pts.map(|pts| (pts, &self.adts[..]))
    }
}
