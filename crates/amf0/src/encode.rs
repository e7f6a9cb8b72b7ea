use crate::{Value, marker};

/// Appends one value to `out`.
///
/// A string of more than 65 535 bytes is written as a long string. Names of properties and classes
/// have no long form: past 65 535 bytes they are cut at a character boundary.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Number(number) => {
            out.push(marker::NUMBER);
            out.extend(number.to_be_bytes());
        }
        Value::Boolean(truth) => out.extend([marker::BOOLEAN, u8::from(*truth)]),
        Value::String(text) => string(text, out),
        Value::Object(properties) => {
            out.push(marker::OBJECT);
            object(properties, out);
        }
        Value::EcmaArray(properties) => {
            out.push(marker::ECMA_ARRAY);
            out.extend(count(properties.len()).to_be_bytes());
            object(properties, out);
        }
        Value::StrictArray(values) => strict_array(values, out),
        Value::Null => out.push(marker::NULL),
        Value::Undefined => out.push(marker::UNDEFINED),
        Value::Reference(index) => {
            out.push(marker::REFERENCE);
            out.extend(index.to_be_bytes());
        }
        Value::Date { unix_ms, time_zone_min } => {
            out.push(marker::DATE);
            out.extend(unix_ms.to_be_bytes());
            out.extend(time_zone_min.to_be_bytes());
        }
        Value::Unsupported => out.push(marker::UNSUPPORTED),
        Value::XmlDocument(text) => {
            out.push(marker::XML_DOCUMENT);
            long_text(text, out);
        }
        Value::TypedObject { class, properties } => {
            out.push(marker::TYPED_OBJECT);
            name(class, out);
            object(properties, out);
        }
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    match u16::try_from(text.len()) {
        Ok(length) => {
            out.push(marker::STRING);
            out.extend(length.to_be_bytes());
            out.extend(text.as_bytes());
        }
        Err(_) => {
            out.push(marker::LONG_STRING);
            long_text(text, out);
        }
    }
}

fn object(properties: &[(String, Value)], out: &mut Vec<u8>) {
    for (key, value) in properties {
        name(key, out);
        encode(value, out);
    }
    out.extend([0, 0, marker::OBJECT_END]);
}

/// At most `u32::MAX` values fit; more than that do not fit in memory either.
fn strict_array(values: &[Value], out: &mut Vec<u8>) {
    let count = count(values.len());
    out.push(marker::STRICT_ARRAY);
    out.extend(count.to_be_bytes());
    for value in values {
        encode(value, out);
    }
}

fn name(text: &str, out: &mut Vec<u8>) {
    let kept = text.get(..name_length(text)).unwrap_or_default();
    out.extend(u16::try_from(kept.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(kept.as_bytes());
}

fn name_length(text: &str) -> usize {
    let longest = text.len().min(u16::MAX.into());
    (0..=longest).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}

fn long_text(text: &str, out: &mut Vec<u8>) {
    out.extend(count(text.len()).to_be_bytes());
    out.extend(text.as_bytes());
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::{Limits, decode};

    fn bytes(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        encode(value, &mut out);
        out
    }

    #[test]
    fn section_2_values_have_their_wire_form() {
        let properties = vec![("a".to_owned(), Value::Number(1.0))];
        let class = "C".to_owned();
        let cases: [(Value, &[u8]); 13] = [
            (Value::Number(1.5), &hex!("00 3ff8000000000000")),
            (Value::Boolean(true), &hex!("01 01")),
            (Value::from("foo"), &hex!("02 0003 666f6f")),
            (Value::Object(properties.clone()), &hex!("03 0001 61 00 3ff0000000000000 000009")),
            (Value::Null, &hex!("05")),
            (Value::Undefined, &hex!("06")),
            (Value::Reference(7), &hex!("07 0007")),
            (
                Value::EcmaArray(properties.clone()),
                &hex!("08 00000001 0001 61 00 3ff0000000000000 000009"),
            ),
            (Value::StrictArray(vec![Value::Null]), &hex!("0a 00000001 05")),
            (Value::Date { unix_ms: 0.0, time_zone_min: 60 }, &hex!("0b 0000000000000000 003c")),
            (Value::Unsupported, &hex!("0d")),
            (Value::XmlDocument("<a/>".to_owned()), &hex!("0f 00000004 3c612f3e")),
            (
                Value::TypedObject { class, properties },
                &hex!("10 0001 43 0001 61 00 3ff0000000000000 000009"),
            ),
        ];
        for (value, wire) in cases {
            assert_eq!(bytes(&value), wire, "{value:?}");
        }
    }

    #[test]
    fn section_2_14_a_string_past_65535_bytes_is_long() {
        let short = "x".repeat(65_535);
        let long = "x".repeat(65_536);
        assert_eq!(bytes(&Value::from(short.as_str()))[..3], hex!("02 ffff"));
        assert_eq!(bytes(&Value::from(long.as_str()))[..5], hex!("0c 00010000"));
    }

    #[test]
    fn a_name_past_65535_bytes_is_cut_between_characters() {
        let name = "\u{20ac}".repeat(30_000); // three bytes each: 65 535 is a multiple of three
        let value = Value::Object(vec![(format!("x{name}"), Value::Null)]);
        let (decoded, _) = decode(&bytes(&value), &Limits::default()).unwrap();
        let (kept, _) = &decoded.properties()[0];
        assert_eq!(kept.len(), 65_533);
        assert!(kept.ends_with('\u{20ac}'));
    }
}
