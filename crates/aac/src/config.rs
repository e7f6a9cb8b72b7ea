//! AudioSpecificConfig.

use crate::bits::{BitWriter, Bits};
use crate::{Error, frequency, program_config};

const OBJECT_TYPE_SBR: u8 = 5;
const OBJECT_TYPE_PS: u8 = 29;
const OBJECT_TYPE_ESCAPE: u8 = 31;
/// `syncExtensionType` (14496-3 1.6.5.2): SBR follows, in a place where old decoders do not look.
const SYNC_SBR: u32 = 0x2b7;
/// The same for PS.
const SYNC_PS: u32 = 0x548;

/// What an AAC stream is (14496-3 1.6.2.1).
///
/// HE-AAC that is not signalled at all (SBR found only in the frames) looks like LC at half the
/// rate here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioSpecificConfig {
    /// Object type of the core codec: 1 Main, 2 LC, 3 SSR, 4 LTP.
    pub object_type: u8,
    /// Rate of the core codec, in hertz: with SBR, half of what is heard.
    pub sample_rate_hz: u32,
    /// Channels of the core codec: HE-AAC v2 has 1 here and 2 are heard.
    pub channels: u8,
    /// 1024 or 960, at `sample_rate_hz`.
    pub samples_per_frame: u16,
    /// Sampling frequency after spectral band replication (HE-AAC), in hertz.
    pub sbr: Option<u32>,
    /// Parametric stereo (HE-AAC v2).
    pub ps: bool,
    /// `channelConfiguration`, 0 where only a program config element can say it.
    pub(crate) channel_configuration: u8,
}

impl AudioSpecificConfig {
    /// AAC-LC of one or two channels, in frames of 1024 samples; None for a rate or a number of
    /// channels that has no index.
    #[must_use]
    pub fn low_complexity(sample_rate_hz: u32, channels: u8) -> Option<Self> {
        let _has_index = frequency::index_of(sample_rate_hz)?;
        (1..=2).contains(&channels).then_some(Self {
            object_type: 2,
            sample_rate_hz,
            channels,
            samples_per_frame: 1024,
            sbr: None,
            ps: false,
            channel_configuration: channels,
        })
    }

    /// Reads a configuration. Explicit signalling of SBR and PS, hierarchical (object types 5
    /// and 29) and backward compatible (sync extension), is understood; bytes after it are ignored.
    ///
    /// # Errors
    /// [`Error::ObjectType`] for what is not AAC Main, LC, SSR or LTP, [`Error::Truncated`], and
    /// reserved values.
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        if data.is_empty() {
            return Err(Error::Empty);
        }
        let mut bits = Bits::new(data);
        let mut object_type = read_object_type(&mut bits)?;
        let sample_rate_hz = frequency::read(&mut bits)?;
        let channel_configuration = bits.u8(4, "channel configuration")?;
        let ps = object_type == OBJECT_TYPE_PS;
        let mut sbr = None;
        if ps || object_type == OBJECT_TYPE_SBR {
            sbr = Some(frequency::read(&mut bits)?);
            object_type = read_object_type(&mut bits)?;
        }
        if !(1..=4).contains(&object_type) {
            return Err(Error::ObjectType { actual: object_type });
        }
        let core = Self {
            object_type,
            sample_rate_hz,
            channels: 0,
            samples_per_frame: 0,
            sbr,
            ps,
            channel_configuration,
        };
        core.read_general_audio(&mut bits).map(|config| config.with_sync_extension(&mut bits))
    }

    /// Sampling frequency of what is heard: after SBR, in hertz.
    #[must_use]
    pub fn output_sample_rate_hz(&self) -> u32 {
        self.sbr.unwrap_or(self.sample_rate_hz)
    }

    /// The `CODECS` value (RFC 6381 3.3): `mp4a.40.2` LC, `mp4a.40.5` HE-AAC, `mp4a.40.29` HE-AAC
    /// v2.
    #[must_use]
    pub fn codec_string(&self) -> String {
        let object_type = match self.sbr {
            _ if self.ps => OBJECT_TYPE_PS,
            Some(_) => OBJECT_TYPE_SBR,
            None => self.object_type,
        };
        format!("mp4a.40.{object_type}")
    }

    /// Whether a decoder of the core sees no difference: the same ADTS headers, the same time of a
    /// frame.
    #[must_use]
    pub fn has_core_of(&self, other: &Self) -> bool {
        let core = |config: &Self| {
            let Self { object_type, sample_rate_hz, channels, samples_per_frame, .. } = *config;
            (object_type, sample_rate_hz, channels, samples_per_frame, config.channel_configuration)
        };
        core(self) == core(other)
    }

    /// The core alone, as a configuration of two bytes. None where those have no room for it.
    #[must_use]
    pub fn core_bytes(&self) -> Option<[u8; 2]> {
        let frequency_index = frequency::index_of(self.sample_rate_hz)?;
        let object_type = u16::from(self.object_type & 31) << 11;
        let channels = u16::from(self.channel_configuration & 15) << 3;
        let bits = object_type | (u16::from(frequency_index) << 7) | channels;
        (self.channel_configuration > 0 && self.samples_per_frame == 1024)
            .then(|| bits.to_be_bytes())
    }

    /// The whole configuration, SBR and PS signalled explicitly and hierarchically (14496-3
    /// 1.6.5.2). None where the channels stand in a program config element, which is not kept.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        if self.channel_configuration == 0 {
            return None;
        }
        let mut bits = BitWriter::default();
        let extension = match self.sbr {
            _ if self.ps => Some(OBJECT_TYPE_PS),
            Some(_) => Some(OBJECT_TYPE_SBR),
            None => None,
        };
        bits.push(extension.unwrap_or(self.object_type).into(), 5);
        frequency::write(self.sample_rate_hz, &mut bits);
        bits.push(self.channel_configuration.into(), 4);
        if extension.is_some() {
            frequency::write(self.output_sample_rate_hz(), &mut bits);
            bits.push(self.object_type.into(), 5);
        }
        bits.push(u32::from(self.samples_per_frame == 960), 1);
        // No core coder, no extension.
        bits.push(0, 2);
        Some(bits.into_bytes())
    }

    /// Channels that are heard: PS makes two of one.
    #[must_use]
    pub fn output_channels(&self) -> u8 {
        if self.ps { self.channels.max(2) } else { self.channels }
    }

    /// What an ADTS header says: `profile_ObjectType`, `sampling_frequency_index`,
    /// `channel_configuration`.
    pub(crate) fn of_core(profile: u64, frequency: u64, configuration: u64) -> Option<Self> {
        let channel_configuration = u8::try_from(configuration).ok()?;
        Some(Self {
            object_type: u8::try_from(profile).ok()?.checked_add(1)?,
            sample_rate_hz: frequency::of_index(usize::try_from(frequency).ok()?)?,
            channels: channels_of(channel_configuration)?,
            samples_per_frame: 1024,
            sbr: None,
            ps: false,
            channel_configuration,
        })
    }

    /// GASpecificConfig (14496-3 4.4.1, table 4.1).
    fn read_general_audio(mut self, bits: &mut Bits<'_>) -> Result<Self, Error> {
        self.samples_per_frame = if bits.flag("frame length flag")? { 960 } else { 1024 };
        if bits.flag("depends on core coder")? {
            bits.skip(14, "core coder delay")?;
        }
        let extension = bits.flag("extension flag")?;
        self.channels = match self.channel_configuration {
            0 => self.read_program_config(bits)?,
            configuration => {
                channels_of(configuration).ok_or(Error::Channels { actual: configuration })?
            }
        };
        if extension {
            // extensionFlag3, of version 3. Old encoders set the flag and write nothing: then this
            // is padding.
            let _ = bits.flag("extension flag 3");
        }
        Ok(self)
    }

    fn read_program_config(&mut self, bits: &mut Bits<'_>) -> Result<u8, Error> {
        let program = program_config::read(bits)?;
        if program.channels == 0 {
            return Err(Error::Channels { actual: 0 });
        }
        self.channel_configuration = program.channel_configuration.unwrap_or(0);
        Ok(program.channels)
    }

    /// Backward compatible signalling (14496-3 1.6.2.1, after the specific config). What does not
    /// parse as one is padding.
    fn with_sync_extension(self, bits: &mut Bits<'_>) -> Self {
        if self.sbr.is_some() {
            return self;
        }
        match read_sync_extension(bits) {
            Ok(Some((sbr, ps))) => Self { sbr: Some(sbr), ps, ..self },
            _ => self,
        }
    }
}

/// `GetAudioObjectType()` (14496-3 table 1.16). The escape gives 32 to 95.
fn read_object_type(bits: &mut Bits<'_>) -> Result<u8, Error> {
    match bits.u8(5, "audio object type")? {
        OBJECT_TYPE_ESCAPE => Ok(bits.u8(6, "audio object type")?.saturating_add(32)),
        object_type => Ok(object_type),
    }
}

/// SBR's sampling frequency and whether PS is used; None when there is no SBR.
fn read_sync_extension(bits: &mut Bits<'_>) -> Result<Option<(u32, bool)>, Error> {
    let is_sbr = bits.u32(11, "sync extension")? == SYNC_SBR
        && read_object_type(bits)? == OBJECT_TYPE_SBR
        && bits.flag("SBR present")?;
    if !is_sbr {
        return Ok(None);
    }
    let sbr = frequency::read(bits)?;
    let ps = bits.available() >= 12
        && bits.u32(11, "sync extension")? == SYNC_PS
        && bits.flag("PS present")?;
    Ok(Some((sbr, ps)))
}

/// 14496-3 table 1.19, with amendment 4.
fn channels_of(configuration: u8) -> Option<u8> {
    match configuration {
        1..=6 => Some(configuration),
        7 | 12 | 14 => Some(8),
        11 => Some(7),
        13 => Some(24),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn parse(data: &[u8]) -> AudioSpecificConfig {
        AudioSpecificConfig::parse(data).unwrap()
    }

    fn error(data: &[u8]) -> String {
        AudioSpecificConfig::parse(data).unwrap_err().to_string()
    }

    /// Object type, rate, channels, samples per frame, SBR, PS.
    fn summary(data: &[u8]) -> (u8, u32, u8, u16, Option<u32>, bool) {
        let config = parse(data);
        let AudioSpecificConfig {
            object_type,
            sample_rate_hz,
            channels,
            samples_per_frame,
            sbr,
            ps,
            ..
        } = config;
        (object_type, sample_rate_hz, channels, samples_per_frame, sbr, ps)
    }

    #[test]
    fn s1_6_2_1_low_complexity() {
        assert_eq!(summary(&hex!("1210")), (2, 44_100, 2, 1024, None, false));
        assert_eq!(summary(&hex!("1190")), (2, 48_000, 2, 1024, None, false));
        assert_eq!(summary(&hex!("1408")), (2, 16_000, 1, 1024, None, false));
        assert_eq!(parse(&hex!("1210")).codec_string(), "mp4a.40.2");
        assert_eq!(summary(&hex!("1214")).3, 960, "frameLengthFlag");
        assert_eq!(summary(&hex!("1238")).2, 8, "channel configuration 7");
    }

    #[test]
    fn s1_6_5_2_hierarchical_signalling_of_sbr_and_ps() {
        // 00101 0111 0010 0100 00010 000: object type 5, 22.05 kHz stereo, 44.1 kHz, LC.
        let he = parse(&hex!("2b9208 00"));
        assert_eq!(summary(&hex!("2b9208 00")), (2, 22_050, 2, 1024, Some(44_100), false));
        assert_eq!((he.codec_string(), he.output_sample_rate_hz()), ("mp4a.40.5".into(), 44_100));
        // 11101 0110 0001 0011 00010 000: object type 29, 24 kHz mono, 48 kHz, LC.
        let he_v2 = parse(&hex!("eb0988 00"));
        assert_eq!(summary(&hex!("eb0988 00")), (2, 24_000, 1, 1024, Some(48_000), true));
        assert_eq!(
            (he_v2.codec_string(), he_v2.output_sample_rate_hz()),
            ("mp4a.40.29".into(), 48_000)
        );
    }

    #[test]
    fn s1_6_5_2_backward_compatible_signalling_of_sbr_and_ps() {
        // LC 24 kHz stereo, 0x2b7, object type 5, present, 48 kHz.
        assert_eq!(summary(&hex!("1310 56e5 98")), (2, 24_000, 2, 1024, Some(48_000), false));
        // The same, not present; and with PS: 0x548, present.
        assert_eq!(summary(&hex!("1310 56e5 00")), (2, 24_000, 2, 1024, None, false));
        assert_eq!(summary(&hex!("1308 56e5 9d4880")), (2, 24_000, 1, 1024, Some(48_000), true));
    }

    #[test]
    fn s1_6_2_1_bytes_after_the_configuration_do_not_matter() {
        assert_eq!(parse(&hex!("1210 0000")), parse(&hex!("1210")));
        assert_eq!(parse(&hex!("1210 56e5")), parse(&hex!("1210")), "cut sync extension");
    }

    #[test]
    fn s1_6_2_1_frequency_escape() {
        // 00010 1111 <24 bits: 44100> 0010 000.
        assert_eq!(summary(&hex!("1780 5622 10")), (2, 44_100, 2, 1024, None, false));
        assert_eq!(
            error(&hex!("1780 0000 10")),
            "sampling frequency index 15 stands for no frequency (bit 5)"
        );
        assert_eq!(
            error(&hex!("1690")),
            "sampling frequency index 13 stands for no frequency (bit 5)"
        );
    }

    #[test]
    fn s4_4_1_1_program_config_element_gives_the_channels() {
        // As FFmpeg 5.1 writes quad, 6.1 and 2.1, with its name as the comment and a sync extension
        // without SBR.
        let quad = hex!("118004c40400 21100d 4c61766335392e33372e313030 56e500");
        assert_eq!(summary(&quad), (2, 48_000, 4, 1024, None, false));
        let six_one = hex!("118004c84800 2000c4400d 4c61766335392e33372e313030 56e500");
        assert_eq!(summary(&six_one).2, 7);
        let two_one = hex!("118004c40100 20000d 4c61766335392e33372e313030 56e500");
        assert_eq!(summary(&two_one).2, 3);
        // 3/2.1 with one front pair after a single element.
        assert_eq!(summary(&hex!("118004c8050001180000")).2, 6);
        assert!(
            error(&quad[..8]).starts_with("comment length needs 8 bits"),
            "{}",
            error(&quad[..8])
        );
        // Every count zero.
        assert_eq!(
            error(&hex!("1180 04c0 0000 0000")),
            "channel configuration 0, allowed are 0 with 1 to 255 channels of its own, 1 to 7, 11 to 14"
        );
    }

    #[test]
    fn s1_6_5_the_core_of_he_aac_is_lc() {
        let he = parse(&hex!("2b9208 00"));
        let core = parse(&he.core_bytes().unwrap());
        assert!(core.has_core_of(&he) && core != he);
        assert_eq!((he.core_bytes(), core.sbr), (Some(hex!("1390")), None));
        assert_eq!(parse(&hex!("1214")).core_bytes(), None, "960 samples");
        assert!(!parse(&hex!("1210")).has_core_of(&parse(&hex!("1190"))));
    }

    #[test]
    fn s1_6_5_2_what_is_written_is_read() {
        for data in [
            &hex!("1210")[..],
            &hex!("1408"),
            &hex!("1214"),
            &hex!("1780 5622 10"),
            &hex!("2b9208 00"),
            &hex!("eb0988 00"),
            &hex!("1310 56e5 98"),
            &hex!("1308 56e5 9d4880"),
        ] {
            let config = parse(data);
            assert_eq!(parse(&config.to_bytes().unwrap()), config, "{data:02x?}");
        }
        assert_eq!(parse(&hex!("1210")).to_bytes().unwrap(), hex!("1210"));
        // As fdk-aac writes HE-AAC v2.
        assert_eq!(parse(&hex!("eb0988 00")).to_bytes().unwrap(), hex!("eb0988 00"));
        assert_eq!(parse(&hex!("eb0988 00")).output_channels(), 2);
        let quad = parse(&hex!("118004c40400 21100d 4c61766335392e33372e313030 56e500"));
        assert_eq!(quad.to_bytes(), None, "a program config element");
    }

    #[test]
    fn low_complexity_is_what_its_bytes_say() {
        for (bytes, rate, channels) in [(hex!("1210"), 44_100, 2), (hex!("1408"), 16_000, 1)] {
            let config = AudioSpecificConfig::low_complexity(rate, channels).unwrap();
            assert_eq!((config.core_bytes(), config), (Some(bytes), parse(&bytes)));
        }
        assert_eq!(AudioSpecificConfig::low_complexity(44_098, 2), None);
        assert_eq!(AudioSpecificConfig::low_complexity(44_100, 3), None);
    }

    #[test]
    fn what_is_not_general_aac_is_named() {
        assert_eq!(error(&[]), "configuration is empty");
        assert_eq!(
            error(&hex!("12")),
            "sampling frequency index needs 4 bits at bit 5, only 3 left"
        );
        // 11111 001010: 42.
        assert_eq!(
            error(&hex!("f94620")),
            "audio object type 42 (xHE-AAC), allowed are 1 to 4 (bit 0)"
        );
        assert_eq!(
            error(&hex!("ba10")),
            "audio object type 23 (AAC LD), allowed are 1 to 4 (bit 0)"
        );
        assert!(error(&hex!("1250")).starts_with("channel configuration 10, "));
    }
}
