//! Where one picture ends and the next begins (ITU-T H.264 7.4.1.2.3, 7.4.1.2.4).

use h264::{NalType, PictureId, Pps, SliceHeader, Sps, nal_type};

/// Groups the NAL units of a byte stream into access units, for
/// [`Decoder::decode`](crate::Decoder::decode).
///
/// ```
/// use bytes::Bytes;
///
/// let stream = h264::annexb::nal_units(Bytes::from_static(&[0, 0, 1, 9, 16, 0, 0, 1, 9, 48]));
/// let mut splitter = h264_decoder::AccessUnitSplitter::default();
/// let starts: Vec<bool> = stream.iter().map(|nal_unit| splitter.starts_access_unit(nal_unit)).collect();
/// assert_eq!(starts, [true, true], "each access unit delimiter begins one");
/// ```
#[derive(Debug, Default)]
pub struct AccessUnitSplitter {
    sps: Vec<Sps>,
    pps: Vec<Pps>,
    /// The picture that the slices are of.
    picture: Option<PictureId>,
    /// The access unit has a slice already: parameter sets and the like that come now are of the
    /// next one.
    has_slice: bool,
    has_any: bool,
}

impl AccessUnitSplitter {
    /// Whether this NAL unit, which comes after all that were asked for before, is the first of an
    /// access unit.
    pub fn starts_access_unit(&mut self, nal_unit: &[u8]) -> bool {
        let is_first = !std::mem::replace(&mut self.has_any, true);
        let starts = match nal_type(nal_unit) {
            NalType::Slice | NalType::Idr | NalType::PartitionA => {
                return self.take_slice(nal_unit) || is_first;
            }
            NalType::AccessUnitDelimiter => true,
            NalType::Sps | NalType::Pps | NalType::Sei => {
                self.take_parameter_set(nal_unit);
                self.has_slice
            }
            _ => false,
        };
        if starts {
            self.has_slice = false;
            self.picture = None;
        }
        starts || is_first
    }

    fn take_parameter_set(&mut self, nal_unit: &[u8]) {
        match nal_type(nal_unit) {
            NalType::Sps => {
                if let Ok(sps) = Sps::parse(nal_unit) {
                    self.sps.retain(|known| known.id != sps.id);
                    self.sps.push(sps);
                }
            }
            NalType::Pps => {
                if let Ok(pps) = Pps::parse(nal_unit) {
                    self.pps.retain(|known| known.id != pps.id);
                    self.pps.push(pps);
                }
            }
            _ => {}
        }
    }

    fn take_slice(&mut self, nal_unit: &[u8]) -> bool {
        let header = SliceHeader::parse(nal_unit, |id| {
            let pps = self.pps.iter().find(|pps| pps.id == id)?;
            Some((self.sps.iter().find(|sps| sps.id == pps.sps_id)?, pps))
        });
        let had_slice = std::mem::replace(&mut self.has_slice, true);
        let Ok(header) = header else {
            // It goes with what is around it.
            return false;
        };
        let picture = PictureId::of(&header);
        let before = self.picture.replace(picture);
        had_slice && before.is_some_and(|before| before.differs(&picture))
    }
}
