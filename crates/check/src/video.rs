//! The pictures of a segment's H.264 stream.

use bytes::Bytes;
use h264::{NalType, ParameterSets, Sps, nal_type};
use media::Timestamp;

use crate::{Limits, time};

/// What a segment's video is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VideoTrack {
    /// Number of coded pictures.
    pub pictures: usize,
    /// Bytes of their NAL units, without framing, parameter sets and delimiters.
    pub payload_bytes: usize,
    /// The first picture is an IDR.
    pub starts_with_idr: bool,
    /// SPS and PPS come before the first picture.
    pub starts_with_parameter_sets: bool,
    /// The earliest PTS.
    pub first_pts: Option<Timestamp>,
    /// The latest PTS.
    pub last_pts: Option<Timestamp>,
    /// Decoding time of the first picture in decoding order.
    pub first_dts: Option<Timestamp>,
    /// Decoding time of the last picture in decoding order.
    pub last_dts: Option<Timestamp>,
    /// The largest distance between pictures in output order, in seconds.
    pub largest_interval_secs: f64,
    /// The middle one of these distances.
    pub median_interval_secs: f64,
    /// Times a DTS is not above the one before, or a PTS is below its DTS.
    pub disorder: usize,
    /// What the pictures are, by the SPS that each IDR picture refers to: the first one's, and then
    /// each that differs, up to [`Limits::max_shapes`]. Empty where no SPS can be read.
    pub shapes: Vec<Shape>,
}

/// What an SPS says of its pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// `avc1.42c00b`.
    pub codec: String,
    /// Width and height after cropping.
    pub resolution: (u32, u32),
    /// The shape of a sample.
    pub sar: (u32, u32),
}

/// A PES packet of video: usually one access unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessUnit {
    /// Presentation time; none where the PES packet does not say.
    pub pts: Option<Timestamp>,
    /// Decoding time.
    pub dts: Option<Timestamp>,
    /// NAL units behind start codes.
    pub annexb: Bytes,
}

/// Looks at all pictures; none where there is no picture.
pub(crate) fn read(access_units: &[AccessUnit]) -> Option<VideoTrack> {
    let mut track = VideoTrack::default();
    let mut sets = ParameterSets::default();
    let (mut has_sps, mut has_pps) = (false, false);
    let mut times = Vec::new();
    for access_unit in access_units {
        let nal_units = h264::annexb::nal_units(access_unit.annexb.clone());
        for nal_unit in nal_units.iter() {
            let is_payload = !matches!(
                nal_type(nal_unit),
                NalType::Sps | NalType::Pps | NalType::AccessUnitDelimiter
            );
            if is_payload {
                track.payload_bytes = track.payload_bytes.saturating_add(nal_unit.len());
            }
            match nal_type(nal_unit) {
                kind @ (NalType::Sps | NalType::Pps) => {
                    has_sps |= kind == NalType::Sps;
                    has_pps |= kind == NalType::Pps;
                    sets.update(&std::iter::once(nal_unit).collect());
                }
                NalType::Idr | NalType::Slice | NalType::PartitionA if starts_picture(nal_unit) => {
                    let is_idr = nal_type(nal_unit) == NalType::Idr;
                    if track.pictures == 0 {
                        track.starts_with_idr = is_idr;
                        track.starts_with_parameter_sets = has_sps && has_pps;
                    }
                    if track.pictures == 0 || is_idr {
                        track.take_shape(&sets, nal_unit);
                    }
                    track.pictures = track.pictures.saturating_add(1);
                }
                _ => {}
            }
        }
        track.take_times(access_unit, &mut times);
    }
    track.measure(times);
    (track.pictures > 0).then_some(track)
}

/// `first_mb_in_slice`, the first field of a slice header, is 0: a single 1 bit (14496-10 7.3.3).
fn starts_picture(nal_unit: &[u8]) -> bool {
    nal_unit.get(1).is_some_and(|byte| byte & 0x80 != 0)
}

impl VideoTrack {
    /// By the SPS that the slice refers to (14496-10 7.4.1.2.1); where that cannot be told, by the
    /// first.
    fn take_shape(&mut self, sets: &ParameterSets, slice: &[u8]) {
        let active = sets.sps_of(slice).or_else(|| sets.sps.first().map(|sps| &sps[..]));
        let Some(sps) = active.and_then(|sps| Sps::parse(sps).ok()) else { return };
        let (codec, resolution) = (sps.codec_string(), (sps.width, sps.height));
        let shape = Shape { codec, resolution, sar: sps.sar };
        if !self.shapes.contains(&shape) && self.shapes.len() < Limits::DEFAULT.max_shapes {
            self.shapes.push(shape);
        }
    }

    fn take_times(&mut self, access_unit: &AccessUnit, times: &mut Vec<Timestamp>) {
        let Some(pts) = access_unit.pts else { return };
        let dts = access_unit.dts.unwrap_or(pts);
        if self.last_dts.is_some_and(|last| dts <= last) || pts < dts {
            self.disorder = self.disorder.saturating_add(1);
        }
        self.first_dts.get_or_insert(dts);
        self.last_dts = Some(dts);
        times.push(pts);
    }

    fn measure(&mut self, mut times: Vec<Timestamp>) {
        times.sort_unstable();
        self.first_pts = times.first().copied();
        self.last_pts = times.last().copied();
        let mut intervals: Vec<f64> = times
            .iter()
            .zip(times.iter().skip(1))
            .map(|(earlier, later)| time::secs(*earlier, *later))
            .collect();
        intervals.sort_unstable_by(f64::total_cmp);
        self.largest_interval_secs = intervals.last().copied().unwrap_or_default();
        self.median_interval_secs = intervals.get(intervals.len() / 2).copied().unwrap_or_default();
    }

    /// When the last picture's time is over, if it is shown as long as most.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        self.last_pts.map(|last| time::later(last, self.median_interval_secs))
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn unit(pts: i64, dts: i64, annexb: &'static [u8]) -> AccessUnit {
        AccessUnit {
            pts: Some(Timestamp::from_ticks(pts)),
            dts: Some(Timestamp::from_ticks(dts)),
            annexb: Bytes::from_static(annexb),
        }
    }

    #[test]
    fn pictures_are_counted_by_their_first_slices() {
        let track = read(&[
            unit(
                6000,
                0,
                &[0, 0, 1, 0x67, 0, 0, 1, 0x68, 0, 0, 1, 0x65, 0x88, 0, 0, 1, 0x65, 0x48],
            ),
            unit(12000, 3000, &[0, 0, 1, 0x41, 0x9a]),
            unit(9000, 6000, &[0, 0, 1, 1, 0x9a]),
        ])
        .unwrap();
        assert_eq!((track.pictures, track.disorder), (3, 0));
        assert!(track.starts_with_idr && track.starts_with_parameter_sets);
        assert_eq!(
            (track.first_pts, track.last_pts),
            (Some(Timestamp::from_ticks(6000)), Some(Timestamp::from_ticks(12000)))
        );
        assert_eq!(track.end(), Some(Timestamp::from_ticks(15000)));
    }

    #[test]
    fn case_06_the_shape_is_that_of_the_sps_that_each_idr_refers_to() {
        // 320x240 as SPS 0 and 480x270 as SPS 1, in front of both pictures; the second refers to
        // SPS 1.
        let sets = hex!(
            "000001 6764000dacb40a0fd0800000030080000019078a1550 000001 68ef3cb0"
            "000001 676400154b2d03c11fd420000003002000000641e2c5d4 000001 684af3cb"
        );
        let picture = |pts: i64, slice: [u8; 6]| AccessUnit {
            pts: Some(Timestamp::from_ticks(pts)),
            dts: None,
            annexb: [&sets[..], &slice].concat().into(),
        };
        let units = [picture(0, hex!("000001 65 8880")), picture(3600, hex!("000001 65 8840"))];
        let resolutions = |units: &[AccessUnit]| -> Vec<_> {
            read(units).unwrap().shapes.iter().map(|shape| shape.resolution).collect()
        };
        assert_eq!(resolutions(&units), [(320, 240), (480, 270)]);
        assert_eq!(resolutions(&units[1..]), [(480, 270)], "not the first SPS");
    }

    #[test]
    fn disorder_and_a_late_start_are_seen() {
        let track = read(&[
            unit(0, 3000, &[0, 0, 1, 0x41, 0x9a]),
            unit(9000, 3000, &[0, 0, 1, 0x65, 0x88]),
        ])
        .unwrap();
        assert_eq!(track.disorder, 2);
        assert!(!track.starts_with_idr && !track.starts_with_parameter_sets);
        assert_eq!(read(&[unit(0, 0, &[0, 0, 1, 9, 0xf0])]), None, "no picture");
    }
}
