//! What a segment holds, whatever it is made of.

use std::collections::BTreeMap;

use media::Timestamp;

use crate::audio::AudioTrack;
use crate::fault::Faults;
use crate::psi::Program;
use crate::time;
use crate::video::{AccessUnit, VideoTrack};

/// What segments are made of (RFC 8216 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Container {
    /// MPEG-2 transport stream.
    #[default]
    TransportStream,
    /// Fragmented MP4.
    FragmentedMp4,
    /// ADTS frames behind an ID3 tag.
    PackedAudio,
}

/// What a segment holds. What only transport streams have is empty for others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SegmentFacts {
    /// What it is made of.
    pub container: Container,
    /// Bytes of the segment.
    pub bytes: usize,
    /// Sync bytes, packet and PES headers, ADTS frames, boxes and their samples; positions are
    /// bytes (of the audio stream for ADTS frames).
    pub faults: Faults,
    /// PAT and PMT.
    pub table_faults: Faults,
    /// Continuity counters inside of the segment.
    pub continuity_faults: Faults,
    /// PAT, then PMT, before the first packet of a stream.
    pub starts_with_tables: bool,
    /// The last PMT.
    pub program: Option<Program>,
    /// Per PID, how its continuity counter began and ended.
    pub counters: BTreeMap<u16, Counter>,
    /// The program's clock.
    pub pcr: PcrFacts,
    /// The first H.264 stream, if it has a picture.
    pub video: Option<VideoTrack>,
    /// The first ADTS stream, if it has a frame.
    pub audio: Option<AudioTrack>,
    /// The H.264 stream, for a decoder. Readers fill it; who keeps the facts empties it.
    pub access_units: Vec<AccessUnit>,
}

/// The continuity counter of a PID in a segment (13818-1 2.4.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The counter of the first packet; what it should be depends on the segment before.
    pub first: u8,
    /// The first packet has a payload: its counter is one up.
    pub first_has_payload: bool,
    /// The first packet has the `discontinuity_indicator`: any counter is right.
    pub first_is_free: bool,
    /// The counter of the last packet.
    pub last: u8,
}

/// The program clock reference (13818-1 2.4.3.5).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PcrFacts {
    /// Number of PCRs on the program's PCR PID.
    pub count: usize,
    /// Times it is not above the one before, without a `discontinuity_indicator`.
    pub backward_steps: usize,
    /// The largest step between two, in seconds.
    pub largest_step_secs: f64,
    /// How much later than the clock samples are decoded, in seconds: least and most.
    pub lead_secs: Option<(f64, f64)>,
}

impl PcrFacts {
    pub(crate) fn take_lead(&mut self, clock: Option<Timestamp>, decoded: Option<Timestamp>) {
        let (Some(clock), Some(decoded)) = (clock, decoded) else { return };
        let lead = time::secs(clock, decoded);
        let (least, most) = self.lead_secs.unwrap_or((lead, lead));
        self.lead_secs = Some((least.min(lead), most.max(lead)));
    }
}
