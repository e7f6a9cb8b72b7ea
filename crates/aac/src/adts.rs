//! ADTS headers.

use crate::{AudioSpecificConfig, Error, frequency};

const HEADER_BYTES: usize = 7;
/// `aac_frame_length` has 13 bits and counts the header.
const MAX_PAYLOAD_BYTES: usize = 8191 - HEADER_BYTES;

/// The header to put in front of a raw AAC frame of `payload_bytes` (14496-3 1.A.2.2, without CRC).
///
/// It describes the core codec: ADTS has no place for SBR and PS, decoders find them in the frames.
///
/// # Errors
/// [`Error::NotInAdts`] for a frame over 8184 bytes, 960-sample frames, a sampling frequency or a channel
/// layout without an index.
pub fn adts_header(
    config: &AudioSpecificConfig,
    payload_bytes: usize,
) -> Result<[u8; HEADER_BYTES], Error> {
    let (profile, frequency_index, channels) = fixed_fields(config)?;
    let frame_bytes = frame_bytes(payload_bytes)?;
    let header = SYNC_MPEG4_NO_CRC
        | (profile << 38)
        | (frequency_index << 34)
        | (channels << 30)
        | (frame_bytes << 13)
        | (VARIABLE_RATE << 2);
    let [_, bytes @ ..] = header.to_be_bytes();
    Ok(bytes)
}

/// Sync word, ID 0 (MPEG-4), layer 0, protection absent, in the upper 16 of 56 bits.
const SYNC_MPEG4_NO_CRC: u64 = 0xfff1 << 40;
/// `adts_buffer_fullness` of a stream of variable rate.
const VARIABLE_RATE: u64 = 0x7ff;

/// `profile_ObjectType`, `sampling_frequency_index`, `channel_configuration`.
fn fixed_fields(config: &AudioSpecificConfig) -> Result<(u64, u64, u64), Error> {
    if config.samples_per_frame != 1024 {
        return Err(not_in_adts("a frame length in samples of", config.samples_per_frame.into()));
    }
    let frequency_index = frequency::index_of(config.sample_rate_hz).ok_or_else(|| {
        not_in_adts("a sampling frequency in hertz of", config.sample_rate_hz as usize)
    })?;
    if !(1..=7).contains(&config.channel_configuration) {
        return Err(not_in_adts("channel configuration", config.channel_configuration.into()));
    }
    // The parser lets only object types 1 to 4 through.
    let profile = u64::from(config.object_type.saturating_sub(1) & 3);
    Ok((profile, frequency_index.into(), config.channel_configuration.into()))
}

fn frame_bytes(payload_bytes: usize) -> Result<u64, Error> {
    if payload_bytes > MAX_PAYLOAD_BYTES {
        return Err(not_in_adts("a frame in bytes of", payload_bytes));
    }
    Ok(payload_bytes.saturating_add(HEADER_BYTES) as u64)
}

fn not_in_adts(what: &'static str, actual: usize) -> Error {
    Error::NotInAdts { what, actual }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn header(config: &[u8], payload_bytes: usize) -> Result<[u8; 7], String> {
        let config = AudioSpecificConfig::parse(config).unwrap();
        adts_header(&config, payload_bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn s1_a_2_2_fields_are_where_they_belong() {
        assert_eq!(header(&hex!("1190"), 0), Ok(hex!("fff1 4c80 00ff fc")));
        // 16 kHz mono, 8191 bytes: all 13 length bits set.
        assert_eq!(header(&hex!("1408"), 8184), Ok(hex!("fff1 6043 ffff fc")));
    }

    #[test]
    fn s1_6_5_he_aac_is_written_as_its_core() {
        assert_eq!(
            header(&hex!("2b9208 00"), 100),
            header(&hex!("1390"), 100),
            "LC 22.05 kHz stereo"
        );
    }

    #[test]
    fn what_adts_has_no_field_for_is_refused() {
        assert_eq!(
            header(&hex!("1210"), 8185).unwrap_err(),
            "ADTS cannot carry a frame in bytes of 8185"
        );
        assert_eq!(
            header(&hex!("1214"), 9).unwrap_err(),
            "ADTS cannot carry a frame length in samples of 960"
        );
        assert_eq!(
            header(&hex!("1780 5621 10"), 9).unwrap_err(),
            "ADTS cannot carry a sampling frequency in hertz of 44098"
        );
        assert_eq!(
            header(&hex!("1258"), 9).unwrap_err(),
            "ADTS cannot carry channel configuration 11"
        );
        assert_eq!(
            header(&hex!("1180 04c8 0500 0118 0000"), 9).unwrap_err(),
            "ADTS cannot carry channel configuration 0"
        );
    }

    #[test]
    fn s4_4_1_1_a_program_config_that_is_plain_stereo_has_its_number() {
        // Front: one pair, nothing else.
        assert_eq!(header(&hex!("1180 04c4 0000 2000"), 9), header(&hex!("1190"), 9));
    }
}
