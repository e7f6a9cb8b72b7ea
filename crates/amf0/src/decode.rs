use crate::{Error, Limits, Value, marker};

/// Decodes the one value at the start of `input`; also says how many bytes it took.
///
/// # Errors
/// When the input ends inside the value (also when it is empty), is not AMF0, or exceeds `limits`.
pub fn decode(input: &[u8], limits: &Limits) -> Result<(Value, usize), Error> {
    let mut decoder = Decoder::new(input, limits);
    let value = decoder.value(0)?;
    Ok((value, decoder.position))
}

/// Decodes values until the input ends. The limits hold over all of them together.
///
/// # Errors
/// As [`decode`]; an empty input is an empty list.
pub fn decode_all(input: &[u8], limits: &Limits) -> Result<Vec<Value>, Error> {
    decode_first(usize::MAX, input, limits)
}

/// Decodes at most the first `count` values; what follows them is not looked at. The limits hold
/// over all of them together.
///
/// # Errors
/// As [`decode`]; an empty input is an empty list.
pub fn decode_first(count: usize, input: &[u8], limits: &Limits) -> Result<Vec<Value>, Error> {
    let mut decoder = Decoder::new(input, limits);
    let mut values = Vec::new();
    while values.len() < count && !decoder.is_at_end() {
        values.push(decoder.value(0)?);
    }
    Ok(values)
}

/// A checked cursor over the input plus what is left of the limits.
struct Decoder<'a> {
    input: &'a [u8],
    position: usize,
    values: usize,
    limits: &'a Limits,
}

impl<'a> Decoder<'a> {
    fn new(input: &'a [u8], limits: &'a Limits) -> Self {
        Self { input, position: 0, values: 0, limits }
    }

    /// `depth` is the number of containers around this value; it never exceeds `max_depth`, which
    /// bounds the recursion.
    fn value(&mut self, depth: u8) -> Result<Value, Error> {
        let position = self.position;
        self.count(position)?;
        match self.byte()? {
            marker::NUMBER => Ok(Value::Number(self.number()?)),
            marker::BOOLEAN => Ok(Value::Boolean(self.byte()? != 0)),
            marker::STRING => Ok(Value::String(self.short_string()?)),
            marker::LONG_STRING => Ok(Value::String(self.long_string()?)),
            marker::XML_DOCUMENT => Ok(Value::XmlDocument(self.long_string()?)),
            marker::NULL => Ok(Value::Null),
            marker::UNDEFINED => Ok(Value::Undefined),
            marker::UNSUPPORTED => Ok(Value::Unsupported),
            marker::REFERENCE => Ok(Value::Reference(self.u16()?)),
            marker::DATE => self.date(),
            container => self.container(container, position, depth),
        }
    }

    fn count(&mut self, position: usize) -> Result<(), Error> {
        let allowed = self.limits.max_values;
        if self.values >= allowed {
            return Err(Error::TooManyValues { allowed, position });
        }
        self.values = self.values.saturating_add(1);
        Ok(())
    }

    fn container(&mut self, marker: u8, position: usize, depth: u8) -> Result<Value, Error> {
        if !matches!(
            marker,
            marker::OBJECT | marker::ECMA_ARRAY | marker::STRICT_ARRAY | marker::TYPED_OBJECT
        ) {
            return Err(Error::UnknownMarker { marker, position });
        }
        let allowed = self.limits.max_depth;
        if depth >= allowed {
            return Err(Error::TooDeep { allowed, position });
        }
        self.container_body(marker, depth.saturating_add(1))
    }

    fn container_body(&mut self, marker: u8, depth: u8) -> Result<Value, Error> {
        match marker {
            marker::STRICT_ARRAY => self.strict_array(depth),
            marker::TYPED_OBJECT => {
                let class = self.short_string()?;
                Ok(Value::TypedObject { class, properties: self.properties(depth)? })
            }
            marker::ECMA_ARRAY => {
                self.u32()?; // the count: encoders write anything here, so the end marker decides
                Ok(Value::EcmaArray(self.properties(depth)?))
            }
            _ => Ok(Value::Object(self.properties(depth)?)),
        }
    }

    /// Properties up to the end marker, or up to the end of the input: Envivio's encoders leave the
    /// marker out.
    fn properties(&mut self, depth: u8) -> Result<Vec<(String, Value)>, Error> {
        let mut properties = Vec::new();
        while !self.is_at_end() {
            let name = self.short_string()?;
            if name.is_empty() && self.input.get(self.position) == Some(&marker::OBJECT_END) {
                self.byte()?;
                break;
            }
            properties.push((name, self.value(depth)?));
        }
        Ok(properties)
    }

    /// Every element takes at least a byte, so the count needs no check of its own.
    fn strict_array(&mut self, depth: u8) -> Result<Value, Error> {
        let count = self.u32()?;
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(self.value(depth)?);
        }
        Ok(Value::StrictArray(values))
    }

    fn date(&mut self) -> Result<Value, Error> {
        let unix_ms = self.number()?;
        Ok(Value::Date { unix_ms, time_zone_min: i16::from_be_bytes(self.array()?) })
    }

    fn short_string(&mut self) -> Result<String, Error> {
        let length = self.u16()?;
        self.text(length.into())
    }

    fn long_string(&mut self) -> Result<String, Error> {
        let length = self.u32()?;
        self.text(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn text(&mut self, length: usize) -> Result<String, Error> {
        Ok(String::from_utf8_lossy(self.bytes(length)?).into_owned())
    }

    fn number(&mut self) -> Result<f64, Error> {
        Ok(f64::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, Error> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn byte(&mut self) -> Result<u8, Error> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let position = self.position;
        let end = position.saturating_add(length);
        let Some(bytes) = self.input.get(position..end) else {
            let missing = end.saturating_sub(self.input.len());
            return Err(Error::Truncated { position: self.input.len(), missing });
        };
        let allowed = self.limits.max_bytes;
        if end > allowed {
            return Err(Error::TooLong { allowed, position });
        }
        self.position = end;
        Ok(bytes)
    }

    fn is_at_end(&self) -> bool {
        self.position >= self.input.len()
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn one(input: &[u8]) -> Result<Value, Error> {
        let (value, used) = decode(input, &Limits::default())?;
        assert_eq!(used, input.len(), "the whole input is one value");
        Ok(value)
    }

    fn object(properties: &[(&str, Value)]) -> Vec<(String, Value)> {
        properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn section_2_2_to_2_4_number_boolean_string() {
        assert_eq!(one(&hex!("00 3ff8000000000000")), Ok(Value::Number(1.5)));
        assert_eq!(one(&hex!("01 01")), Ok(Value::Boolean(true)));
        assert_eq!(one(&hex!("01 00")), Ok(Value::Boolean(false)));
        assert_eq!(one(&hex!("01 80")), Ok(Value::Boolean(true)));
        assert_eq!(one(&hex!("02 0003 666f6f")), Ok(Value::from("foo")));
        assert_eq!(one(&hex!("02 0000")), Ok(Value::from("")));
    }

    #[test]
    fn section_2_5_object() {
        let value = one(&hex!("03 0003 617070 02 0004 6c697665 0001 78 05 000009"));
        assert_eq!(
            value,
            Ok(Value::Object(object(&[("app", Value::from("live")), ("x", Value::Null)])))
        );
    }

    #[test]
    fn section_2_7_to_2_9_null_undefined_reference() {
        assert_eq!(one(&hex!("05")), Ok(Value::Null));
        assert_eq!(one(&hex!("06")), Ok(Value::Undefined));
        assert_eq!(one(&hex!("07 0102")), Ok(Value::Reference(0x0102)));
    }

    #[test]
    fn section_2_10_ecma_array_whatever_its_count_says() {
        let expected = Value::EcmaArray(object(&[("a", Value::Boolean(true))]));
        for count in ["00000001", "00000000", "ffffffff"] {
            let mut bytes = vec![0x08];
            bytes.extend(u32::from_str_radix(count, 16).unwrap().to_be_bytes());
            bytes.extend(hex!("0001 61 01 01 000009"));
            assert_eq!(one(&bytes), Ok(expected.clone()), "count {count}");
        }
    }

    #[test]
    fn section_2_12_strict_array_needs_all_its_values() {
        assert_eq!(
            one(&hex!("0a 00000002 05 02 0001 61")),
            Ok(Value::StrictArray(vec![Value::Null, Value::from("a")]))
        );
        assert_eq!(one(&hex!("0a ffffffff 05")), Err(Error::Truncated { position: 6, missing: 1 }));
    }

    #[test]
    fn section_2_13_to_2_18_the_rest() {
        assert_eq!(
            one(&hex!("0b 4202a05f20000000 ffc4")),
            Ok(Value::Date { unix_ms: 1e10, time_zone_min: -60 })
        );
        assert_eq!(one(&hex!("0c 00000002 6869")), Ok(Value::from("hi")));
        assert_eq!(one(&hex!("0d")), Ok(Value::Unsupported));
        assert_eq!(one(&hex!("0f 00000004 3c612f3e")), Ok(Value::XmlDocument("<a/>".to_owned())));
        assert_eq!(
            one(&hex!("10 0001 43 0001 78 05 000009")),
            Ok(Value::TypedObject {
                class: "C".to_owned(),
                properties: object(&[("x", Value::Null)])
            })
        );
    }

    #[test]
    fn reserved_and_unknown_markers_are_refused_by_position() {
        for marker in [0x04, 0x09, 0x0e, 0x11, 0x12, 0xff] {
            let input = [0x05, marker];
            let error = decode_all(&input, &Limits::default());
            assert_eq!(error, Err(Error::UnknownMarker { marker, position: 1 }));
        }
    }

    #[test]
    fn objects_may_end_with_the_input() {
        let expected = object(&[("a", Value::Null)]);
        assert_eq!(one(&hex!("03 0001 61 05")), Ok(Value::Object(expected.clone())));
        assert_eq!(one(&hex!("08 00000001 0001 61 05")), Ok(Value::EcmaArray(expected)));
        assert_eq!(one(&hex!("03")), Ok(Value::Object(Vec::new())));
    }

    #[test]
    fn a_property_without_a_name_is_kept() {
        let value = one(&hex!("03 0000 05 000009"));
        assert_eq!(value, Ok(Value::Object(object(&[("", Value::Null)]))));
    }

    #[test]
    fn what_follows_the_values_asked_for_is_not_looked_at() {
        let limits = Limits { max_values: 2, ..Limits::default() };
        let amf3_behind = hex!("05 06 11 0a 0b 01");
        assert_eq!(decode_first(2, &amf3_behind, &limits), Ok(vec![Value::Null, Value::Undefined]));
        assert!(decode_first(3, &amf3_behind, &limits).is_err());
        assert_eq!(decode_first(2, &[], &limits), Ok(Vec::new()));
    }

    #[test]
    fn text_that_is_not_utf8_is_taken_lossily() {
        assert_eq!(one(&hex!("02 0003 61ff62")), Ok(Value::from("a\u{fffd}b")));
    }

    #[test]
    fn truncation_at_every_byte_says_what_is_missing() {
        let whole = hex!("02 0003 666f6f");
        let missing = [1, 2, 1, 3, 2, 1];
        for (length, missing) in missing.into_iter().enumerate() {
            assert_eq!(
                decode(&whole[..length], &Limits::default()),
                Err(Error::Truncated { position: length, missing })
            );
        }
    }

    #[test]
    fn a_length_of_four_gigabytes_allocates_nothing() {
        let error = Error::Truncated { position: 6, missing: 0xffff_fffe };
        assert_eq!(one(&hex!("0c ffffffff 61")), Err(error.clone()));
        assert_eq!(one(&hex!("0f ffffffff 61")), Err(error));
    }

    #[test]
    fn ten_thousand_levels_of_every_container_are_refused_at_the_limit() {
        let openings: [&[u8]; 4] = [
            &hex!("03 0001 61"),
            &hex!("08 00000000 0001 61"),
            &hex!("0a 00000001"),
            &hex!("10 0000 0001 61"),
        ];
        for opening in openings {
            let error = decode(&opening.repeat(10_000), &Limits::default());
            assert_eq!(error, Err(Error::TooDeep { allowed: 16, position: 16 * opening.len() }));
        }
    }

    #[test]
    fn depth_up_to_the_limit_is_fine() {
        let limits = Limits { max_depth: 2, ..Limits::default() };
        assert!(decode(&hex!("0a 00000001 0a 00000001 05"), &limits).is_ok());
        assert_eq!(
            decode(&hex!("0a 00000001 0a 00000001 0a 00000000"), &limits),
            Err(Error::TooDeep { allowed: 2, position: 10 })
        );
    }

    #[test]
    fn values_are_counted_over_the_whole_call() {
        let limits = Limits { max_values: 3, ..Limits::default() };
        assert!(decode_all(&hex!("05 05 05"), &limits).is_ok());
        assert_eq!(
            decode_all(&hex!("05 0a 00000002 05 05"), &limits),
            Err(Error::TooManyValues { allowed: 3, position: 7 })
        );
    }

    #[test]
    fn bytes_are_counted_over_the_whole_call() {
        let limits = Limits { max_bytes: 7, ..Limits::default() };
        assert!(decode_all(&hex!("02 0003 666f6f 05"), &limits).is_ok());
        assert_eq!(
            decode_all(&hex!("05 05 02 0003 666f6f"), &limits),
            Err(Error::TooLong { allowed: 7, position: 5 })
        );
        assert!(
            decode(&hex!("02 0003 666f6f 05 05 05"), &limits).is_ok(),
            "what follows does not count"
        );
    }

    #[test]
    fn corpus_of_gortmplib_is_all_refused_or_decoded_without_a_panic() {
        for (_, bytes) in testmedia::files_in("corpora/amf0") {
            crate::fuzzing::value(&bytes);
        }
    }
}
