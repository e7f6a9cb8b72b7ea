//! ADTS headers.

use crate::{AudioSpecificConfig, Error, NotInAdts, frequency};

const HEADER_BYTES: usize = 7;
/// `aac_frame_length` has 13 bits and counts the header.
const MAX_PAYLOAD_BYTES: usize = 8191 - HEADER_BYTES;

/// The header to put in front of a raw AAC frame of `payload_bytes` (14496-3 1.A.2.2, without CRC).
///
/// It describes the core codec: ADTS has no place for SBR and PS, decoders find them in the frames.
///
/// # Errors
/// [`Error::NotInAdts`] for a frame over 8184 bytes, 960-sample frames, a sampling frequency or a
/// channel layout without an index.
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
        return Err(not_in_adts(NotInAdts::SamplesPerFrame, config.samples_per_frame.into()));
    }
    let frequency_index = frequency::index_of(config.sample_rate_hz)
        .ok_or_else(|| not_in_adts(NotInAdts::SampleRate, config.sample_rate_hz as usize))?;
    match config.channel_configuration {
        1..=7 => {}
        0 => return Err(not_in_adts(NotInAdts::ProgramConfig, config.channels.into())),
        other => return Err(not_in_adts(NotInAdts::ChannelConfiguration, other.into())),
    }
    // The parser lets only object types 1 to 4 through.
    let profile = u64::from(config.object_type.saturating_sub(1) & 3);
    Ok((profile, frequency_index.into(), config.channel_configuration.into()))
}

fn frame_bytes(payload_bytes: usize) -> Result<u64, Error> {
    if payload_bytes > MAX_PAYLOAD_BYTES {
        return Err(not_in_adts(NotInAdts::FrameBytes, payload_bytes));
    }
    Ok(payload_bytes.saturating_add(HEADER_BYTES) as u64)
}

fn not_in_adts(what: NotInAdts, actual: usize) -> Error {
    Error::NotInAdts { what, actual }
}

/// One frame of an ADTS stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdtsFrame {
    /// What the header says: of the core codec only.
    pub config: AudioSpecificConfig,
    /// Where the raw frame starts: behind a header of 7 or 9 bytes.
    pub header_bytes: usize,
    /// Where the frame ends.
    pub frame_bytes: usize,
}

impl AdtsFrame {
    /// Reads the header at the front of `data`, which holds the whole frame. None where there is
    /// none, and none that says everything: frames of several blocks, and channels that only the
    /// frame itself tells.
    ///
    /// A raw AAC frame is never taken for one: the sync word would be an element of type 7, the
    /// end, and then more.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        let (bytes, _) = data.split_first_chunk::<HEADER_BYTES>()?;
        let header = bytes.iter().fold(0, |header, &byte| (header << 8) | u64::from(byte));
        let field = |shift: u32, mask: u64| header.checked_shr(shift).unwrap_or(0) & mask;
        let is_sync = field(44, 0xfff) == 0xfff && field(41, 3) == 0;
        let header_bytes = if field(40, 1) == 1 { HEADER_BYTES } else { HEADER_BYTES_WITH_CRC };
        let frame_bytes = usize::try_from(field(13, 0x1fff)).ok()?;
        let fits = (header_bytes..=data.len()).contains(&frame_bytes);
        if !is_sync || !fits || field(0, 3) != 0 {
            return None;
        }
        let config = AudioSpecificConfig::of_core(field(38, 3), field(34, 15), field(30, 7))?;
        Some(Self { config, header_bytes, frame_bytes })
    }
}

const HEADER_BYTES_WITH_CRC: usize = 9;

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
    fn s1_a_2_2_a_header_is_read_as_it_was_written() {
        for config in [hex!("1210"), hex!("1408"), hex!("1238"), hex!("1390")] {
            let config = AudioSpecificConfig::parse(&config).unwrap();
            let mut frame = adts_header(&config, 20).unwrap().to_vec();
            frame.resize(27, 0x21);
            let expected = AdtsFrame { config, header_bytes: 7, frame_bytes: 27 };
            assert_eq!(AdtsFrame::parse(&frame), Some(expected.clone()));
            frame.push(0xff);
            assert_eq!(AdtsFrame::parse(&frame), Some(expected.clone()), "another follows");
            assert_eq!(AdtsFrame::parse(&frame[..26]), None, "cut");
            frame[1] &= !1;
            let with_crc = AdtsFrame { header_bytes: 9, ..expected };
            assert_eq!(AdtsFrame::parse(&frame), Some(with_crc));
        }
    }

    #[test]
    fn s1_a_2_2_what_is_no_whole_header_is_none() {
        let good = hex!("fff1 4c80 01ff fc 00000000000000 00");
        assert!(AdtsFrame::parse(&good).is_some());
        let with = |at: usize, byte: u8| {
            let mut bad = good;
            bad[at] = byte;
            AdtsFrame::parse(&bad)
        };
        assert_eq!(with(0, 0xfe), None, "sync word");
        assert_eq!(with(1, 0xf3), None, "layer");
        assert_eq!(with(2, 0x74), None, "frequency index 13");
        assert_eq!(with(3, 0x00), None, "no channel configuration");
        assert_eq!(with(4, 0x02), None, "longer than what there is");
        assert_eq!(with(6, 0xfd), None, "two blocks");
        assert_eq!(AdtsFrame::parse(&[]), None);
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
            header(&hex!("118004c40400 21100d 4c61766335392e33372e313030 56e500"), 9).unwrap_err(),
            "ADTS cannot carry the channel layout of a program config element, channels: 4"
        );
    }

    #[test]
    fn case_15_a_program_config_of_a_layout_that_has_a_number_plays_under_it() {
        // Front: one pair, nothing else.
        assert_eq!(header(&hex!("1180 04c4 0000 2000"), 9), header(&hex!("1190"), 9));
        // Front: one element and a pair; back: a pair; LFE.
        assert_eq!(header(&hex!("1180 04c8 0500 0118 0000"), 9), header(&hex!("11b0"), 9));
    }
}
