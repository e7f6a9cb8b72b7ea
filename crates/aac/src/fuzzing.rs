//! Bodies of the fuzz targets; the unit tests replay the committed seeds through them.
#![allow(clippy::panic, reason = "a fuzz body reports a broken property by a panic")]

use crate::{AdtsFrame, AudioSpecificConfig, adts_header};

/// A configuration that parses is one that can be played, and bytes after it do not change it,
/// except where they make the sync extension that may stand there.
pub fn asc(data: &[u8]) {
    let Ok(config) = AudioSpecificConfig::parse(data) else { return };
    assert!((1..=4).contains(&config.object_type), "{config:?}");
    assert!(config.sample_rate_hz > 0 && config.output_sample_rate_hz() > 0, "{config:?}");
    assert!(config.channels > 0, "{config:?}");
    assert!(matches!(config.samples_per_frame, 960 | 1024), "{config:?}");
    assert!(!config.ps || config.sbr.is_some(), "parametric stereo needs SBR: {config:?}");
    let core =
        |config: &AudioSpecificConfig| (config.object_type, config.sample_rate_hz, config.channels);
    let longer = AudioSpecificConfig::parse(&[data, &[0; 4]].concat());
    assert_eq!(longer.as_ref().map(core), Ok(core(&config)));
}

/// What can be read can be written. The first two bytes are the length of a frame, the rest is a
/// configuration: a header says what was put in, bit by bit at the places of ISO/IEC 14496-3
/// 1.A.2.2.
pub fn adts(data: &[u8]) {
    if let Some(frame) = AdtsFrame::parse(data) {
        assert!(frame.header_bytes <= frame.frame_bytes && frame.frame_bytes <= data.len());
        assert!(adts_header(&frame.config, 0).is_ok(), "{frame:?}");
    }
    let Some((&[a, b], config)) = data.split_first_chunk() else { return };
    let payload_bytes = usize::from(u16::from_be_bytes([a, b]));
    let Ok(config) = AudioSpecificConfig::parse(config) else { return };
    let Ok(header) = adts_header(&config, payload_bytes) else { return };
    let [b0, b1, b2, b3, b4, b5, b6] = header.map(usize::from);
    assert_eq!((b0, b1), (0xff, 0xf1), "sync word, MPEG-4, layer 0, no CRC");
    assert_eq!((b2 >> 6) + 1, config.object_type.into());
    let frequencies = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8_000, 7_350,
    ];
    assert_eq!(frequencies.get((b2 >> 2) & 15), Some(&config.sample_rate_hz));
    let channels = ((b2 & 1) << 2) | (b3 >> 6);
    assert_eq!(if channels == 7 { 8 } else { channels }, config.channels.into());
    assert_eq!(((b3 & 3) << 11) | (b4 << 3) | (b5 >> 5), payload_bytes + 7, "frame length");
    assert_eq!((b5 & 31, b6), (0x1f, 0xfc), "variable rate, one raw data block");
    let frame = [&header[..], &vec![0; payload_bytes]].concat();
    let read = AdtsFrame::parse(&frame)
        .map(|frame| (frame.header_bytes, frame.frame_bytes, frame.config.has_core_of(&config)));
    assert_eq!(read, Some((7, payload_bytes + 7, true)), "what is written is what is read");
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_of_aac_asc_hold() {
        testmedia::replay_damaged("aac_asc", usize::MAX, super::asc);
    }

    #[test]
    fn seeds_of_aac_adts_hold() {
        testmedia::replay_damaged("aac_adts", usize::MAX, super::adts);
    }
}
