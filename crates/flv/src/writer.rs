//! Tag bodies to send: H.264 and AAC in the form that every server takes (FLV 10.1, not E-RTMP).

use amf0::Value;
use bytes::Bytes;

use crate::OnMetaData;

/// `FrameType` and `CodecID` 7 (FLV 10.1 E.4.3.1).
const KEY_AVC: u8 = 0x17;
const INTER_AVC: u8 = 0x27;
/// AAC, "44 kHz", 16 bits, stereo: what FLV 10.1 E.4.2.1 wants for AAC whatever it really is.
const AAC: u8 = 0xaf;
const SEQUENCE_HEADER: u8 = 0;
const DATA: u8 = 1;

const VIDEO_CODEC_AVC: f64 = 7.0;
const AUDIO_CODEC_AAC: f64 = 10.0;

/// A video tag's body with an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 5.3.3.1).
#[must_use]
pub fn video_sequence_header(config: &[u8]) -> Bytes {
    [&[KEY_AVC, SEQUENCE_HEADER, 0, 0, 0], config].concat().into()
}

/// A video tag's body with one access unit, NAL units with length fields as the sequence header
/// says. `composition_time_ms` is PTS minus DTS; it is clamped to the 24 bits that there are.
#[must_use]
pub fn video_nal_units(key: bool, composition_time_ms: i32, data: &[u8]) -> Bytes {
    let header = if key { KEY_AVC } else { INTER_AVC };
    let [_, high, middle, low] = composition_time_ms.clamp(-0x80_0000, 0x7f_ffff).to_be_bytes();
    [&[header, DATA, high, middle, low], data].concat().into()
}

/// An audio tag's body with an `AudioSpecificConfig` (ISO/IEC 14496-3 1.6.2.1).
#[must_use]
pub fn audio_sequence_header(config: &[u8]) -> Bytes {
    [&[AAC, SEQUENCE_HEADER], config].concat().into()
}

/// An audio tag's body with one raw AAC frame, without ADTS header.
#[must_use]
pub fn audio_raw(data: &[u8]) -> Bytes {
    [&[AAC, DATA], data].concat().into()
}

impl OnMetaData {
    /// An RTMP data message's payload: `@setDataFrame`, `onMetaData` and what is known (FLV 10.1
    /// E.5). H.264 is named where anything is said of pictures, AAC where anything is said of
    /// sound.
    #[must_use]
    pub fn to_data_message(&self) -> Bytes {
        let mut body = Vec::new();
        amf0::encode(&Value::from("@setDataFrame"), &mut body);
        amf0::encode(&Value::from("onMetaData"), &mut body);
        amf0::encode(&Value::EcmaArray(self.properties()), &mut body);
        body.into()
    }

    fn properties(&self) -> Vec<(String, Value)> {
        let has_video =
            [self.width, self.height].iter().any(Option::is_some) || self.frame_rate.is_some();
        let has_audio = self.audio_sample_rate_hz.is_some() || self.audio_data_rate_kbps.is_some();
        let numbers = [
            ("width", self.width.map(f64::from)),
            ("height", self.height.map(f64::from)),
            ("framerate", self.frame_rate),
            ("videocodecid", has_video.then_some(VIDEO_CODEC_AVC)),
            ("videodatarate", self.video_data_rate_kbps),
            ("audiocodecid", has_audio.then_some(AUDIO_CODEC_AAC)),
            ("audiosamplerate", self.audio_sample_rate_hz.map(f64::from)),
            ("audiodatarate", self.audio_data_rate_kbps),
        ];
        let known = |(name, number): (&str, Option<f64>)| Some((name.to_owned(), number?.into()));
        let encoder = self.encoder.as_deref().map(|name| ("encoder".to_owned(), name.into()));
        numbers.into_iter().filter_map(known).chain(encoder).collect()
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::{AudioBody, AudioTag, FrameType, VideoBody, VideoTag};

    #[test]
    fn e_4_3_1_avc_bodies() {
        assert_eq!(video_sequence_header(&hex!("0164001f"))[..], hex!("17 00 000000 0164001f"));
        assert_eq!(video_nal_units(true, 40, &[9])[..], hex!("17 01 000028 09"));
        assert_eq!(video_nal_units(false, -1, &[9])[..], hex!("27 01 ffffff 09"));
        assert_eq!(video_nal_units(false, i32::MAX, &[])[..], hex!("27 01 7fffff"));
        assert_eq!(video_nal_units(false, i32::MIN, &[])[..], hex!("27 01 800000"));
    }

    #[test]
    fn e_4_2_1_aac_bodies() {
        assert_eq!(audio_sequence_header(&hex!("1210"))[..], hex!("af 00 1210"));
        assert_eq!(audio_raw(&hex!("21"))[..], hex!("af 01 21"));
    }

    #[test]
    fn what_is_written_is_read() {
        let tag = VideoTag::parse(video_nal_units(true, -40, &[1, 2])).unwrap().unwrap();
        let data = Bytes::from_static(&[1, 2]);
        assert_eq!(tag.frame_type, FrameType::Key);
        assert_eq!(tag.body, VideoBody::NalUnits { composition_time_ms: -40, data: data.clone() });
        let tag = AudioTag::parse(audio_raw(&[1, 2])).unwrap().unwrap();
        assert_eq!(tag.body, AudioBody::Raw(data));
    }

    #[test]
    fn e_5_metadata_says_what_is_known() {
        let everything = OnMetaData {
            width: Some(1280),
            height: Some(720),
            frame_rate: Some(29.97),
            video_data_rate_kbps: Some(2500.5),
            audio_data_rate_kbps: Some(96.0),
            audio_sample_rate_hz: Some(48_000),
            encoder: Some("feathercast/0.1.0".to_owned()),
        };
        let body = everything.to_data_message();
        assert_eq!(OnMetaData::parse(&body), Ok(Some(everything)));
        let values = amf0::decode_all(&body, &amf0::Limits::default()).unwrap();
        assert_eq!(values[0].as_str(), Some("@setDataFrame"));
        assert_eq!(values[2].property("videocodecid"), Some(&Value::from(7.0)));
        assert_eq!(values[2].property("audiocodecid"), Some(&Value::from(10.0)));
        let nothing = OnMetaData::default().to_data_message();
        let values = amf0::decode_all(&nothing, &amf0::Limits::default()).unwrap();
        assert_eq!(values[2], Value::EcmaArray(Vec::new()));
    }
}
