//! Parameter sets and slice headers, read ahead of a decoder: what it must not be given shows
//! there.

use std::collections::BTreeMap;

use h264::{Error, Pps, SliceHeader, Sps};

/// The parameter sets in force by their ids, at most 32 and 256: slice headers cannot be read
/// without them.
#[derive(Default)]
pub(crate) struct Headers {
    sps: BTreeMap<u32, Sps>,
    pps: BTreeMap<u32, Pps>,
}

impl Headers {
    /// Takes an SPS in place of the one with its id (ITU-T H.264 7.4.1.2.1).
    pub(crate) fn insert_sps(&mut self, sps: Sps) {
        self.sps.insert(sps.id, sps);
    }

    /// Takes a PPS in place of the one with its id.
    pub(crate) fn insert_pps(&mut self, pps: Pps) {
        self.pps.insert(pps.id, pps);
    }

    /// Reads the header of a slice NAL unit.
    pub(crate) fn read_slice(&self, nal_unit: &[u8]) -> Result<SliceHeader, Error> {
        SliceHeader::parse(nal_unit, |pic_parameter_set_id| self.sets(pic_parameter_set_id))
    }

    /// The parameter sets of pictures whose slices name this PPS.
    pub(crate) fn sets(&self, pic_parameter_set_id: u32) -> Option<(&Sps, &Pps)> {
        let pps = self.pps.get(&pic_parameter_set_id)?;
        Some((self.sps.get(&pps.sps_id)?, pps))
    }
}
