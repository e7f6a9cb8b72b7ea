//! Script data: what the sender says of its stream.

use amf0::Value;

use crate::Error;

/// What `onMetaData` claims (FLV 10.1 E.5). Senders leave out, zero or invent any of it, so it is
/// for display and first guesses; the truth is in the sequence headers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OnMetaData {
    /// Picture width in samples.
    pub width: Option<u32>,
    /// Picture height in samples.
    pub height: Option<u32>,
    /// Pictures a second.
    pub frame_rate: Option<f64>,
    /// Video bit rate in kbit/s.
    pub video_data_rate_kbps: Option<f64>,
    /// Audio bit rate in kbit/s.
    pub audio_data_rate_kbps: Option<f64>,
    /// Audio sampling frequency in hertz.
    pub audio_sample_rate_hz: Option<u32>,
    /// The program that sends, as it calls itself: at most 128 characters, none of them a control
    /// character.
    pub encoder: Option<String>,
}

/// Longest encoder name kept: OBS's, with versions of its libraries, has 61 characters.
const MAX_ENCODER_CHARS: usize = 128;

impl OnMetaData {
    /// Reads a script tag body or an RTMP data message, with or without `@setDataFrame` in front.
    /// `Ok(None)` when it is empty or not `onMetaData`. What follows the metadata is not looked at.
    ///
    /// # Errors
    /// Broken AMF0, or more than [`amf0::Limits`] allows. Harmless: the stream can go on.
    pub fn parse(body: &[u8]) -> Result<Option<Self>, Error> {
        let mut rest = body;
        let mut name = next_value(&mut rest)?;
        if is_string(name.as_ref(), "@setDataFrame") {
            name = next_value(&mut rest)?;
        }
        if !is_string(name.as_ref(), "onMetaData") {
            return Ok(None);
        }
        Ok(next_value(&mut rest)?.map(|metadata| Self::from_value(&metadata)))
    }

    fn from_value(metadata: &Value) -> Self {
        let number = |name| positive(metadata.property(name)?);
        let whole = |name| number(name).and_then(whole);
        Self {
            width: whole("width"),
            height: whole("height"),
            frame_rate: number("framerate").or_else(|| number("videoframerate")),
            video_data_rate_kbps: number("videodatarate"),
            audio_data_rate_kbps: number("audiodatarate"),
            audio_sample_rate_hz: whole("audiosamplerate"),
            encoder: metadata.property("encoder").and_then(Value::as_str).and_then(printable),
        }
    }
}

/// The value at the front; None at the end of input.
fn next_value(rest: &mut &[u8]) -> Result<Option<Value>, Error> {
    if rest.is_empty() {
        return Ok(None);
    }
    let (value, used) = amf0::decode(rest, &amf0::Limits::default())?;
    *rest = rest.get(used..).unwrap_or_default();
    Ok(Some(value))
}

fn is_string(value: Option<&Value>, text: &str) -> bool {
    value.and_then(Value::as_str) == Some(text)
}

/// A number over zero; some senders write numbers as text, and many write 0 for what they do not
/// know.
fn positive(value: &Value) -> Option<f64> {
    let number = value.as_number().or_else(|| value.as_str()?.trim().parse().ok())?;
    (number.is_finite() && number > 0.0).then_some(number)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "in range, and a fraction of a sample means nothing"
)]
fn whole(number: f64) -> Option<u32> {
    (1.0..=f64::from(u32::MAX)).contains(&number).then_some(number as u32)
}

fn printable(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !c.is_control()).take(MAX_ENCODER_CHARS).collect();
    (!kept.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    const ON_META_DATA: [u8; 13] = hex!("02 000a 6f6e4d65746144617461"); // "onMetaData"
    const SET_DATA_FRAME: [u8; 16] = hex!("02 000d 40736574446174614672616d65"); // "@setDataFrame"
    // ECMA array that claims 2 properties: width 640, encoder "Lavf\n".
    const METADATA: [u8; 41] = hex!(
        "08 00000002 0005 7769647468 00 4084000000000000 0007 656e636f646572 02 0005 4c6176660a 000009"
    );

    fn parse(parts: &[&[u8]]) -> Result<Option<OnMetaData>, Error> {
        OnMetaData::parse(&parts.concat())
    }

    fn metadata(properties: &[(&str, Value)]) -> OnMetaData {
        let properties =
            properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let mut body = ON_META_DATA.to_vec();
        amf0::encode(&Value::Object(properties), &mut body);
        OnMetaData::parse(&body).unwrap().unwrap()
    }

    #[test]
    fn e_5_on_meta_data_with_and_without_set_data_frame() {
        let expected = OnMetaData {
            width: Some(640),
            encoder: Some("Lavf".to_owned()),
            ..OnMetaData::default()
        };
        assert_eq!(parse(&[&ON_META_DATA, &METADATA]), Ok(Some(expected.clone())));
        assert_eq!(parse(&[&SET_DATA_FRAME, &ON_META_DATA, &METADATA]), Ok(Some(expected.clone())));
        assert_eq!(
            parse(&[&ON_META_DATA, &METADATA, &[0xff]]),
            Ok(Some(expected)),
            "junk after it"
        );
    }

    #[test]
    fn anything_else_is_none() {
        assert_eq!(parse(&[]), Ok(None));
        assert_eq!(parse(&[&SET_DATA_FRAME]), Ok(None), "rml_rtmp panics on this");
        assert_eq!(parse(&[&ON_META_DATA]), Ok(None));
        assert_eq!(parse(&[&hex!("02 0002 6f6e"), &METADATA]), Ok(None), "another event");
        assert_eq!(parse(&[&METADATA]), Ok(None));
        assert_eq!(parse(&[&ON_META_DATA, &hex!("05")]), Ok(Some(OnMetaData::default())), "null");
        assert!(matches!(parse(&[&ON_META_DATA, &hex!("08 0000")]), Err(Error::Metadata(_))));
    }

    /// ffmpeg with `-map 0` sends an MP4's timecode track as data messages of four bytes.
    #[test]
    fn row_16_a_timecode_is_no_metadata_and_costs_one_message() {
        for timecode in [hex!("00 00 00 01"), hex!("02 1a 2b 3c"), hex!("08 00 00 00")] {
            assert!(matches!(parse(&[&timecode]), Ok(None) | Err(Error::Metadata(_))));
        }
    }

    #[test]
    fn row_15_metadata_with_every_kind_of_value_in_front_of_what_is_looked_for() {
        let object = hex!(
            "03 0003 666363 0a 00000002 02 0004 61766331 05" // strict array
            "0001 64 0b 0000000000000000 0000 0001 75 06 0001 6e 0d" // date, undefined, unsupported
            "0001 78 0f 00000004 3c612f3e 0001 6c 0c 00000002 6869" // XML, long string
            "0001 72 07 0000 0001 74 10 0001 43 000009" // reference, typed object
            "0005 7769647468 00 4084000000000000 000009"
        );
        assert_eq!(parse(&[&ON_META_DATA, &object]).unwrap().unwrap().width, Some(640));
    }

    #[test]
    fn row_17_metadata_in_amf3_costs_one_message() {
        let amf3 = hex!("11 0a 0b 01 0b 7769647468 04 8500 01");
        for name in [&[&SET_DATA_FRAME[..], &ON_META_DATA].concat()[..], &ON_META_DATA] {
            assert!(matches!(parse(&[name, &amf3]), Err(Error::Metadata(_))));
        }
    }

    #[test]
    fn row_18_metadata_without_an_end_marker_counts() {
        let marker = METADATA.len() - 3;
        let metadata = parse(&[&SET_DATA_FRAME, &ON_META_DATA, &METADATA[..marker]]);
        assert_eq!(metadata.unwrap().unwrap().width, Some(640));
    }

    #[test]
    fn row_19_on_fi_of_fmle_is_no_metadata() {
        let on_fi = hex!("02 0004 6f6e4649 03 0002 7364 02 0001 31 0002 7374 02 0001 32 000009");
        assert_eq!(parse(&[&on_fi]), Ok(None));
        assert_eq!(parse(&[&SET_DATA_FRAME, &on_fi]), Ok(None));
    }

    #[test]
    fn v_04_metadata_cut_at_every_byte() {
        let whole = [&SET_DATA_FRAME[..], &ON_META_DATA, &METADATA].concat();
        for end in 0..whole.len() {
            assert!(matches!(
                parse(&[&whole[..end]]),
                Ok(None) | Ok(Some(_)) | Err(Error::Metadata(_))
            ));
        }
    }

    #[test]
    fn e_5_numbers_that_say_nothing_are_left_out() {
        let number = |value: f64| Value::Number(value);
        let odd = metadata(&[
            ("width", number(f64::NAN)),
            ("height", number(-1.0)),
            ("framerate", number(0.0)),
            ("videodatarate", number(f64::INFINITY)),
            ("audiosamplerate", number(1e12)),
            ("encoder", number(1.0)),
        ]);
        assert_eq!(odd, OnMetaData::default());
        let text = metadata(&[("framerate", Value::from("29.97")), ("height", number(480.9))]);
        assert_eq!((text.frame_rate, text.height), (Some(29.97), Some(480)));
    }

    #[test]
    fn an_encoder_name_is_cut_and_cleaned() {
        let long =
            metadata(&[("encoder", Value::String("\u{1b}[2J".to_owned() + &"é".repeat(500)))]);
        assert_eq!(long.encoder, Some("[2J".to_owned() + &"é".repeat(125)));
        assert_eq!(metadata(&[("encoder", Value::from("\u{7}"))]).encoder, None);
    }
}
