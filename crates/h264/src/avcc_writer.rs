//! AVCC to send: the configuration record and length fields of our own encoder's NAL units.

use bytes::Bytes;

/// Profiles whose record ends in the sample format (14496-15 5.3.3.1.2): of those, openh264 makes
/// High.
const HIGH: u8 = 100;

/// An `AVCDecoderConfigurationRecord` (14496-15 5.3.3.1) with one SPS, one PPS and length fields of
/// four bytes; High profile is taken to be 4:2:0 with 8 bits. `None` where one of the two is cut
/// short or too long.
#[must_use]
pub fn avc_config_record(sps: &[u8], pps: &[u8]) -> Option<Bytes> {
    let &[_, profile, constraints, level, ..] = sps else { return None };
    let mut record = vec![1, profile, constraints, level, 0xff];
    let sps_length = u16::try_from(sps.len()).ok()?;
    let pps_length = u16::try_from(pps.len()).ok()?;
    for (count, length, unit) in [(0xe1, sps_length, sps), (1, pps_length, pps)] {
        record.push(count);
        record.extend(length.to_be_bytes());
        record.extend_from_slice(unit);
    }
    if profile == HIGH {
        record.extend([0xfd, 0xf8, 0xf8, 0]);
    }
    Some(record.into())
}

/// Appends NAL units behind length fields of four bytes (14496-15 5.3.2).
pub fn write_avcc<'a>(units: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for unit in units {
        // A NAL unit of 4 GiB does not fit into memory twice.
        out.extend(u32::try_from(unit.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(unit);
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::AvcConfig;
    use crate::avcc::nal_units;

    #[test]
    fn section_5_3_3_1_the_record_of_a_high_profile_stream() {
        let (sps, pps) = (hex!("67 64 00 1f ac"), hex!("68 ee 3c b0"));
        let record = avc_config_record(&sps, &pps).unwrap();
        let expected = hex!("01 64001f ff e1 0005 6764001fac 01 0004 68ee3cb0 fd f8 f8 00");
        assert_eq!(record[..], expected);
        let config = AvcConfig::parse(record).unwrap();
        assert_eq!(config.nal_length_size, 4);
        assert_eq!(config.parameter_sets.iter().collect::<Vec<_>>(), [&sps[..], &pps[..]]);
    }

    #[test]
    fn section_5_3_3_1_baseline_has_no_sample_format() {
        let record = avc_config_record(&hex!("67 42 c0 1f"), &hex!("68 ce")).unwrap();
        assert_eq!(record[..], hex!("01 42c01f ff e1 0004 6742c01f 01 0002 68ce"));
        assert_eq!(avc_config_record(&[0x67, 66, 0], &[0x68]), None);
        assert_eq!(avc_config_record(&[0x67; 70_000], &[0x68]), None);
    }

    #[test]
    fn section_5_3_2_what_is_written_is_read() {
        let units: [&[u8]; 2] = [&[0x65, 1, 2], &[0x41]];
        let mut out = Vec::new();
        write_avcc(units, &mut out);
        assert_eq!(out, hex!("00000003 650102 00000001 41"));
        assert_eq!(nal_units(out.into(), 4).unwrap().0.iter().collect::<Vec<_>>(), units);
    }
}
