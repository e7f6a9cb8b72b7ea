//! Samples: one picture's NAL units, one audio frame.

use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::Timestamp;

/// All NAL units of one coded picture, with its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessUnit {
    /// Presentation time.
    pub pts: Timestamp,
    /// Decoding time; in a stream, never less than the one before it.
    pub dts: Timestamp,
    /// A decoder may start here: the picture is an IDR (NAL type 5).
    pub random_access: bool,
    /// The NAL units, without access unit delimiters; parameter sets only where the stream repeated
    /// them.
    pub nal_units: NalUnits,
}

/// One AAC access unit ("raw data block"): 1024 samples (960 or 2048 in rare configurations), no
/// ADTS header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioFrame {
    /// Presentation time of the first sample.
    pub pts: Timestamp,
    /// The raw data block.
    pub data: Bytes,
}

/// NAL units as ranges of one shared buffer: no start codes, no length prefixes, nothing copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NalUnits {
    data: Bytes,
    ranges: SmallVec<[Range<u32>; 8]>,
}

impl NalUnits {
    /// No NAL units yet, over `data`.
    #[must_use]
    pub fn new(data: Bytes) -> Self {
        Self { data, ranges: SmallVec::new() }
    }

    /// Adds the NAL unit at `range` of the buffer.
    ///
    /// Returns false, and adds nothing, where the range does not lie inside the buffer.
    #[must_use]
    pub fn push(&mut self, range: Range<usize>) -> bool {
        if range.start > range.end || range.end > self.data.len() {
            return false;
        }
        let (Ok(start), Ok(end)) = (u32::try_from(range.start), u32::try_from(range.end)) else {
            return false;
        };
        self.ranges.push(start..end);
        true
    }

    /// The NAL units in decoding order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.ranges.iter().map(|range| &self.data[range.start as usize..range.end as usize])
    }

    /// The NAL units of these places, over the same buffer; none where there are not as many.
    #[must_use]
    pub fn select(&self, places: Range<usize>) -> Self {
        let ranges = self.ranges.get(places).unwrap_or_default();
        Self { data: self.data.clone(), ranges: ranges.iter().cloned().collect() }
    }

    /// How many NAL units there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Bytes of the buffer that they keep alive, which may be more than they are themselves.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.data.len()
    }

    /// Bytes of all NAL units together, without any framing.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.ranges.iter().map(|range| (range.end - range.start) as usize).sum()
    }
}

impl<'a> FromIterator<&'a [u8]> for NalUnits {
    /// Copies of these NAL units, in one buffer. What would go past 4 GiB is left out.
    fn from_iter<T: IntoIterator<Item = &'a [u8]>>(nal_units: T) -> Self {
        let (mut data, mut ranges) = (Vec::new(), SmallVec::new());
        for nal_unit in nal_units {
            let (start, end) = (data.len(), data.len() + nal_unit.len());
            if let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) {
                data.extend_from_slice(nal_unit);
                ranges.push(start..end);
            }
        }
        Self { data: data.into(), ranges }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_outside_the_buffer_is_refused() {
        let mut units = NalUnits::new(Bytes::from_static(&[1, 2, 3]));
        assert!(!units.push(1..4));
        assert!(units.push(1..3));
        assert_eq!(units.iter().collect::<Vec<_>>(), [&[2, 3]]);
        assert_eq!(units.payload_bytes(), 2);
    }
    #[test]
    fn a_part_and_a_copy_hold_the_same_nal_units() {
        let copy: NalUnits = [&[1][..], &[2, 3], &[4]].into_iter().collect();
        assert_eq!(copy.iter().collect::<Vec<_>>(), [&[1][..], &[2, 3], &[4]]);
        assert_eq!(copy.select(1..3).iter().collect::<Vec<_>>(), [&[2, 3][..], &[4]]);
        assert_eq!(copy.select(2..4).len(), 0);
    }
}
