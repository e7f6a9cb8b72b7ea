//! Round trip of arbitrary values, and truncation at every byte. Not covered: names past 65 535
//! bytes (unit test).
#![allow(missing_docs, reason = "a test binary")]

use amf0::{Error, Limits, Value, decode, decode_all, encode};
use proptest::prelude::*;

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<f64>()
            .prop_filter("NaN is not equal to itself", |n| !n.is_nan())
            .prop_map(Value::Number),
        any::<bool>().prop_map(Value::Boolean),
        any::<String>().prop_map(Value::String),
        Just(Value::Null),
        Just(Value::Undefined),
        Just(Value::Unsupported),
        any::<u16>().prop_map(Value::Reference),
        (-1e15..1e15, any::<i16>())
            .prop_map(|(unix_ms, time_zone_min)| Value::Date { unix_ms, time_zone_min }),
        any::<String>().prop_map(Value::XmlDocument),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(6, 64, 6, |inner| {
        let properties = prop::collection::vec((any::<String>(), inner.clone()), 0..6);
        prop_oneof![
            properties.clone().prop_map(Value::Object),
            properties.clone().prop_map(Value::EcmaArray),
            prop::collection::vec(inner, 0..6).prop_map(Value::StrictArray),
            (any::<String>(), properties)
                .prop_map(|(class, properties)| Value::TypedObject { class, properties }),
        ]
    })
}

fn encoded(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    values.iter().for_each(|value| encode(value, &mut out));
    out
}

proptest! {
    #[test]
    fn decode_of_encode_is_the_value(value in value()) {
        let bytes = encoded(std::slice::from_ref(&value));
        prop_assert_eq!(decode(&bytes, &Limits::default()), Ok((value, bytes.len())));
    }

    #[test]
    fn a_list_of_values_comes_back(values in prop::collection::vec(value(), 0..5)) {
        prop_assert_eq!(decode_all(&encoded(&values), &Limits::default()), Ok(values));
    }

    #[test]
    fn a_cut_value_is_truncated_or_an_unended_object(value in value(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(std::slice::from_ref(&value));
        let cut = &bytes[..cut.index(bytes.len())];
        match decode(cut, &Limits::default()) {
            Ok((_, used)) => prop_assert!(used <= cut.len()),
            Err(Error::Truncated { position, missing }) => {
                prop_assert_eq!(position, cut.len());
                prop_assert!(missing > 0);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = decode_all(&bytes, &Limits::default());
    }
}
