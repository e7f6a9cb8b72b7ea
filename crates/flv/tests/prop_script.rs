//! Metadata comes back whatever stands around it.

use amf0::Value;
use flv::OnMetaData;
use proptest::prelude::*;

proptest! {
    #[test]
    fn metadata_comes_back_among_other_properties(
        width in 1_u32..20_000,
        rate in 1.0_f64..1000.0,
        others in proptest::collection::vec(("[a-d]{1,6}", any::<f64>()), 0..6),
        set_data_frame: bool,
        ecma: bool,
    ) {
        let mut properties: Vec<_> =
            others.into_iter().map(|(name, number)| (name, Value::Number(number))).collect();
        properties.push(("width".to_owned(), Value::Number(width.into())));
        properties.push(("framerate".to_owned(), Value::Number(rate)));
        let mut body = Vec::new();
        if set_data_frame {
            amf0::encode(&Value::from("@setDataFrame"), &mut body);
        }
        amf0::encode(&Value::from("onMetaData"), &mut body);
        let metadata = if ecma { Value::EcmaArray(properties) } else { Value::Object(properties) };
        amf0::encode(&metadata, &mut body);
        let expected = OnMetaData { width: Some(width), frame_rate: Some(rate), ..OnMetaData::default() };
        prop_assert_eq!(OnMetaData::parse(&body), Ok(Some(expected)));
    }
}
