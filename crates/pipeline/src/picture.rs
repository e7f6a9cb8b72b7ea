//! A coded picture on its way through the pipeline, and what must be known to decode and package
//! it.

use std::sync::Arc;

use h264::{ParameterSets, Sps};
use hls::CutPoint;
use media::{AccessUnit, Duration, Timestamp};

use crate::VideoRefusal;

/// What a decoder and a package must know of the video.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoConfig {
    /// The SPS in force and the PPS that refer to it, as sent.
    pub parameter_sets: ParameterSets,
    /// The SPS, parsed.
    pub sps: Sps,
    /// Why no rendition can be made of the pictures, if so: they play as source only.
    pub refusal: Option<VideoRefusal>,
}

/// A coded picture, as ingest found it.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Its NAL units and times.
    pub unit: AccessUnit,
    /// The parameters it was sent under.
    pub config: Arc<VideoConfig>,
    /// Macroblocks of the largest picture that its parameter sets allow: what decoding it may cost.
    pub macroblocks: u32,
    /// No other picture refers to it (`nal_ref_idc` 0 throughout).
    pub disposable: bool,
    /// A decoder that starts here shows whole pictures soon, though it is no IDR (SEI recovery
    /// point).
    pub recovery_point: bool,
    /// The stream may be cut here, and gone on with after a gap: an IDR, or a recovery point where
    /// no IDR comes.
    pub cut_point: Option<CutPoint>,
    /// It may turn out to be the first of a segment: it is kept whatever a rendition's frame rate
    /// is.
    pub may_begin_segment: bool,
    /// Pictures before it were dropped, and some that follow may refer to them.
    pub after_gap: bool,
    /// Time from one source picture to the next, as measured up to here.
    pub interval: Duration,
}

impl Picture {
    /// Lets it be decoded at this time, and be shown then or later.
    pub(crate) fn decode_at(&mut self, dts: Timestamp) {
        self.unit.dts = dts;
        self.unit.pts = self.unit.pts.max(dts);
    }
}
