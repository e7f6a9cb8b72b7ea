//! AVCC: the configuration record, and NAL units behind length fields.

use bytes::Bytes;
use media::NalUnits;

use crate::{Error, Limits, NalType, ParameterSets, annexb, nal_type};

/// What a sequence header says of the stream after it (14496-15 5.3.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvcConfig {
    /// Bytes of the length field in front of each NAL unit: 1, 2 or 4.
    pub nal_length_size: u8,
    /// May be without any: then they come with the pictures.
    pub parameter_sets: ParameterSets,
}

impl AvcConfig {
    /// Reads an `AVCDecoderConfigurationRecord`, or parameter sets in Annex B, which some encoders
    /// send instead.
    ///
    /// Parameter sets are taken by their NAL unit type, not by the list that they are in; other NAL
    /// units in the lists (AUD, SEI) are dropped. What follows the lists is ignored: the SPS says
    /// it too.
    ///
    /// # Errors
    /// A record of another version, cut short, or with length fields of three bytes.
    pub fn parse(data: Bytes) -> Result<Self, Error> {
        if annexb::starts_with_start_code(&data) {
            let parameter_sets = annexb::nal_units(data).iter().collect();
            return Ok(Self { nal_length_size: 4, parameter_sets });
        }
        let mut reader = Reader { rest: &data, position: 0 };
        let [version, _profile, _constraints, _level, length_size, sps_count] =
            reader.array("avcC header")?;
        if version != 1 {
            return Err(Error::ConfigVersion { actual: version });
        }
        let nal_length_size = checked_length_size((length_size & 3).saturating_add(1))?;
        let mut parameter_sets = ParameterSets::default();
        reader.parameter_sets(sps_count & 0x1f, &mut parameter_sets)?;
        let [pps_count] = reader.array("PPS count")?;
        reader.parameter_sets(pps_count, &mut parameter_sets)?;
        Ok(Self { nal_length_size, parameter_sets })
    }
}

/// Splits an access unit into its NAL units by their length fields (14496-15 5.3.2). Nothing is
/// copied.
///
/// NAL units of no length are skipped (DJI drones send them); how many is the second value. Data
/// that is no valid sequence of lengths but starts with a start code is read as Annex B: some
/// encoders send that in FLV.
///
/// # Errors
/// [`Error::NalLength`] and [`Error::Truncated`] with the byte position, [`Error::NalLengthSize`],
/// [`Error::TooManyNalUnits`].
pub fn nal_units(data: Bytes, nal_length_size: u8) -> Result<(NalUnits, usize), Error> {
    let nal_length_size = checked_length_size(nal_length_size)?;
    match length_prefixed(&data, nal_length_size.into()) {
        // No byte stream of Annex B can be read so far by lengths.
        Err(error @ Error::TooManyNalUnits { .. }) => Err(error),
        Err(_) if annexb::starts_with_start_code(&data) => Ok((annexb::nal_units(data), 0)),
        result => result,
    }
}

fn length_prefixed(data: &Bytes, length_size: usize) -> Result<(NalUnits, usize), Error> {
    let (mut units, mut empty) = (NalUnits::new(data.clone()), 0_usize);
    let mut reader = Reader { rest: data, position: 0 };
    while !reader.rest.is_empty() {
        let length = reader.length(length_size)?;
        let position = reader.position;
        reader.take_nal_unit(length)?;
        if length == 0 {
            empty = empty.saturating_add(1);
        } else if units.len() >= Limits::DEFAULT.max_nal_units
            || !units.push(position..reader.position)
        {
            let limit = Limits::DEFAULT.max_nal_units;
            return Err(Error::TooManyNalUnits { limit, position });
        }
    }
    Ok((units, empty))
}

fn checked_length_size(size: u8) -> Result<u8, Error> {
    match size {
        1 | 2 | 4 => Ok(size),
        actual => Err(Error::NalLengthSize { actual }),
    }
}

/// A checked cursor.
struct Reader<'a> {
    rest: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    /// A big-endian length of one, two or four bytes.
    fn length(&mut self, size: usize) -> Result<usize, Error> {
        let bytes = self.take(size, "NAL unit length")?;
        // Four bytes at most, which fit; one that is past the end is refused like any.
        Ok(bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }

    fn parameter_sets(&mut self, count: u8, sets: &mut ParameterSets) -> Result<(), Error> {
        for _ in 0..count {
            let length = self.array("parameter set length").map(u16::from_be_bytes)?;
            let nal_unit = self.take(length.into(), "parameter set")?;
            if matches!(nal_type(nal_unit), NalType::Sps | NalType::Pps) {
                sets.insert(nal_unit);
            }
        }
        Ok(())
    }

    fn take_nal_unit(&mut self, length: usize) -> Result<(), Error> {
        let (available, position) = (self.rest.len(), self.position);
        self.take(length, "NAL unit").map(drop).map_err(|_| Error::NalLength {
            length,
            available,
            position,
        })
    }

    fn take(&mut self, needed: usize, what: &'static str) -> Result<&'a [u8], Error> {
        let (available, position) = (self.rest.len(), self.position);
        let (taken, rest) = self.rest.split_at_checked(needed).ok_or(Error::Truncated {
            what,
            needed,
            available,
            position,
        })?;
        self.rest = rest;
        self.position = position.saturating_add(needed);
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn config(data: &'static [u8]) -> Result<AvcConfig, Error> {
        AvcConfig::parse(Bytes::from_static(data))
    }

    fn units(data: &'static [u8], nal_length_size: u8) -> Result<Vec<Vec<u8>>, String> {
        let (units, _) = nal_units(Bytes::from_static(data), nal_length_size)
            .map_err(|error| error.to_string())?;
        Ok(units.iter().map(<[u8]>::to_vec).collect())
    }

    #[test]
    fn s5_3_3_1_lists_and_length_size() {
        let config =
            config(&hex!("01 64001f ff e1 0005 6764001fac 01 0004 68ebe3cb fdf8f800")).unwrap();
        assert_eq!(config.nal_length_size, 4);
        assert_eq!(config.parameter_sets.sps, [&hex!("6764001fac")[..]]);
        assert_eq!(config.parameter_sets.pps, [&hex!("68ebe3cb")[..]]);
    }

    #[test]
    fn s5_3_3_1_other_nal_units_in_the_lists_are_dropped() {
        // AUD and SPS in the first list, SEI, PPS and a second SPS (id 1) in the second.
        let config = config(&hex!(
            "01 64001f fd e2 0002 0910 0005 6764001fff 03 0003 06ffff 0002 68ff 0005 6764001f40"
        ))
        .unwrap();
        assert_eq!(config.nal_length_size, 2);
        assert_eq!(config.parameter_sets.sps, [&hex!("6764001fff")[..], &hex!("6764001f40")]);
        assert_eq!(config.parameter_sets.pps, [&hex!("68ff")[..]]);
    }

    #[test]
    fn s5_3_3_1_lists_may_be_empty() {
        assert_eq!(
            config(&hex!("01 64001f ff e0 00")).unwrap().parameter_sets,
            ParameterSets::default()
        );
    }

    #[test]
    fn annex_b_in_the_sequence_header_is_read() {
        let config = config(&hex!("00000001 6764001fac 000001 68ebe3cb")).unwrap();
        assert_eq!((config.nal_length_size, config.parameter_sets.pps.len()), (4, 1));
    }

    #[test]
    fn bad_records_name_field_and_byte() {
        let text = |data| config(data).unwrap_err().to_string();
        assert_eq!(text(&[]), "avcC header needs 6 bytes at byte 0, only 0 left");
        assert_eq!(
            text(&hex!("02 64001f ff e0 00")),
            "configuration version 2 at byte 0, allowed is 1"
        );
        assert_eq!(
            text(&hex!("01 64001f fe e0 00")),
            "NAL unit length field of 3 bytes, allowed are 1, 2 and 4"
        );
        assert_eq!(
            text(&hex!("01 64001f ff e1 ffff 67")),
            "parameter set needs 65535 bytes at byte 8, only 1 left"
        );
        assert_eq!(
            text(&hex!("01 64001f ff e0")),
            "PPS count needs 1 bytes at byte 6, only 0 left"
        );
    }

    #[test]
    fn s5_3_2_lengths_of_one_two_and_four_bytes() {
        assert_eq!(units(&hex!("02 0910 01 65"), 1), Ok(vec![vec![9, 0x10], vec![0x65]]));
        assert_eq!(units(&hex!("0002 0910 0001 65"), 2), Ok(vec![vec![9, 0x10], vec![0x65]]));
        assert_eq!(
            units(&hex!("00000002 0910 00000001 65"), 4),
            Ok(vec![vec![9, 0x10], vec![0x65]])
        );
        assert_eq!(units(&[], 4), Ok(vec![]));
        assert!(units(&hex!("0000 0165"), 3).is_err());
    }

    #[test]
    fn s5_3_2_nal_units_of_no_length_are_skipped() {
        assert_eq!(units(&hex!("00000000 00000001 65 00000000"), 4), Ok(vec![vec![0x65]]));
        let empty =
            |data: &'static [u8], size| nal_units(Bytes::from_static(data), size).unwrap().1;
        assert_eq!(empty(&hex!("00000000 00000001 65 00000000"), 4), 2);
        assert_eq!(empty(&hex!("00 0165 00 00"), 1), 3);
        assert_eq!(empty(&hex!("00000001 6588 000001 65"), 4), 0, "Annex B");
        assert_eq!(empty(&[], 4), 0);
    }

    #[test]
    fn a_length_past_the_end_names_its_byte() {
        assert_eq!(
            units(&hex!("00000002 6588 000000ff 41"), 4).unwrap_err(),
            "NAL unit of 255 bytes at byte 10, only 1 left"
        );
        assert_eq!(
            units(&hex!("00000002 6588 0000"), 4).unwrap_err(),
            "NAL unit length needs 4 bytes at byte 6, only 2 left"
        );
    }

    #[test]
    fn annex_b_in_an_access_unit_is_read() {
        let expected = Ok(vec![hex!("6764001f").to_vec(), hex!("658884").to_vec()]);
        assert_eq!(units(&hex!("00000001 6764001f 000001 658884"), 4), expected);
        assert_eq!(units(&hex!("000001 6764001f 00000001 658884"), 4), expected);
        // A NAL unit of one byte behind its length looks like a start code, and is none.
        assert_eq!(
            units(&hex!("00000001 65 00000002 4142"), 4),
            Ok(vec![vec![0x65], vec![0x41, 0x42]])
        );
    }

    #[test]
    fn more_nal_units_than_the_limit_are_refused() {
        let many = hex!("01 41").repeat(4097);
        let error = nal_units(many.into(), 1).unwrap_err();
        assert_eq!(error.to_string(), "more than 4096 NAL units in an access unit (byte 8193)");
        // Each looks like a start code and its NAL unit, too.
        let many = hex!("00000001 41").repeat(4097);
        assert!(matches!(nal_units(many.into(), 4), Err(Error::TooManyNalUnits { .. })));
    }
}
