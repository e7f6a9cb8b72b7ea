//! Which of several sequence parameter sets the pictures refer to.

use bytes::Bytes;
use h264::{AvcConfig, NalType, ParameterSets, Sps, nal_type};

/// The configuration to announce before the pictures that begin with this sync sample, where that
/// is not the one of the file: the SPS that the picture refers to comes first, for everybody who
/// looks at the first alone.
///
/// `None` where the first is the right one, and where nothing can be told.
pub(crate) fn config_for(config: &AvcConfig, picture: &Bytes) -> Option<Bytes> {
    let (units, _) = h264::avcc::nal_units(picture.clone(), config.nal_length_size).ok()?;
    let mut sets = config.parameter_sets.clone();
    sets.update(&units.iter().collect());
    let first = config.parameter_sets.sps.first()?;
    let slice =
        units.iter().find(|unit| matches!(nal_type(unit), NalType::Idr | NalType::Slice))?;
    let active = sets.sps_of(slice)?;
    if active == &first[..] {
        return None;
    }
    let active = Bytes::copy_from_slice(active);
    sets.sps.sort_by_key(|sps| *sps != active);
    record(&sets, config.nal_length_size)
}

/// An `AVCDecoderConfigurationRecord` (14496-15 5.3.3.1) whose head is that of the first SPS.
/// `None` where the sets are too many or too long for it.
fn record(sets: &ParameterSets, nal_length_size: u8) -> Option<Bytes> {
    let first = sets.sps.first()?;
    let sps = Sps::parse(first).ok()?;
    let &[_, profile, constraints, level, ..] = &first[..] else { return None };
    let sps_count = u8::try_from(sets.sps.len()).ok().filter(|count| *count <= 0x1f)?;
    let pps_count = u8::try_from(sets.pps.len()).ok()?;
    let length_size_minus_one = nal_length_size.saturating_sub(1);
    let mut record = vec![1, profile, constraints, level, 0xfc | length_size_minus_one];
    record.push(0xe0 | sps_count);
    append(&sets.sps, &mut record)?;
    record.push(pps_count);
    append(&sets.pps, &mut record)?;
    // The profiles whose record ends in the sample format (5.3.3.1.2).
    if matches!(profile, 100 | 110 | 122 | 144 | 244) {
        let depth = |bits: u8| 0xf8 | bits.saturating_sub(8);
        record.extend([
            0xfc | sps.chroma_format_idc,
            depth(sps.bit_depth_luma),
            depth(sps.bit_depth_chroma),
            0,
        ]);
    }
    Some(record.into())
}

fn append(sets: &[Bytes], record: &mut Vec<u8>) -> Option<()> {
    for set in sets {
        record.extend(u16::try_from(set.len()).ok()?.to_be_bytes());
        record.extend_from_slice(set);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// 320x240 as SPS 0, 480x270 as SPS 1, each with a PPS of the same id.
    const CONFIG: [u8; 68] = hex!(
        "01 64000d ff e2 0016 6764000dacb40a0fd0800000030080000019078a1550"
        "0017 676400154b2d03c11fd420000003002000000641e2c5d4 02 0004 68ef3cb0 0004 684af3cb"
    );

    #[test]
    fn s_5_3_3_1_the_sps_that_a_picture_refers_to_comes_first() {
        let config = AvcConfig::parse(Bytes::from_static(&CONFIG)).unwrap();
        let of_first = Bytes::from_static(&hex!("00000003 65 8880"));
        assert_eq!(config_for(&config, &of_first), None);
        let of_second = Bytes::from_static(&hex!("00000003 65 8840"));
        let swapped = AvcConfig::parse(config_for(&config, &of_second).unwrap()).unwrap();
        assert_eq!(swapped.parameter_sets.sps[0], config.parameter_sets.sps[1]);
        assert_eq!(swapped.parameter_sets.sps[1], config.parameter_sets.sps[0]);
        assert_eq!(swapped.parameter_sets.pps, config.parameter_sets.pps);
        assert_eq!(swapped.nal_length_size, 4);
        let record = config_for(&config, &of_second).unwrap();
        assert_eq!(
            (&record[..6], &record[68..]),
            (&hex!("01 640015 ff e2")[..], &hex!("fdf8f800")[..])
        );
    }

    #[test]
    fn what_cannot_be_told_changes_nothing() {
        let config = AvcConfig::parse(Bytes::from_static(&CONFIG)).unwrap();
        for picture in
            [&hex!("00000003 65 8802")[..], &hex!("00000009 65"), &hex!("00000002 0910"), &[]]
        {
            assert_eq!(
                config_for(&config, &Bytes::copy_from_slice(picture)),
                None,
                "{picture:02x?}"
            );
        }
    }
}
