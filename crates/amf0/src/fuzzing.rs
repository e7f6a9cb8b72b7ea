//! Bodies of the fuzz targets; the unit tests replay the committed seeds through them.
#![allow(
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a fuzz body reports a broken property by a panic"
)]

use crate::{Error, Limits, Value, decode, decode_all, encode};

const LIMITS: Limits = Limits { max_depth: 8, max_values: 256, max_bytes: 64 * 1024 };

/// What decodes stays within the limits and survives another encoding and decoding unchanged; the
/// same bytes give the same answer when decoded one value after the other.
pub fn value(data: &[u8]) {
    let values = decode_all(data, &LIMITS);
    if let Ok(values) = &values {
        assert!(values.iter().map(count).sum::<usize>() <= LIMITS.max_values, "too many values");
        assert!(values.iter().all(|value| depth(value) <= LIMITS.max_depth.into()), "too deep");
        assert_round_trip(values);
    }
    assert_same_one_by_one(data, &values);
}

/// Compares encodings rather than values, as NaN is not equal to itself.
fn assert_round_trip(values: &[Value]) {
    let limits = Limits { max_bytes: usize::MAX, ..LIMITS };
    let first = encode_all(values);
    let again = decode_all(&first, &limits).map(|values| encode_all(&values));
    assert_eq!(again.as_ref(), Ok(&first));
}

fn encode_all(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    values.iter().for_each(|value| encode(value, &mut out));
    out
}

fn assert_same_one_by_one(data: &[u8], together: &Result<Vec<Value>, Error>) {
    let mut rest = data;
    let mut seen = 0;
    while let (false, Ok((_, used))) = (rest.is_empty(), decode(rest, &LIMITS)) {
        assert!(
            used > 0 && used <= rest.len(),
            "a value takes bytes, and only those that are there"
        );
        rest = rest.get(used..).unwrap_or_default();
        seen += 1;
    }
    if let Ok(values) = together {
        assert_eq!(values.len(), seen);
    }
}

fn count(value: &Value) -> usize {
    1 + children(value).map(count).sum::<usize>()
}

fn depth(value: &Value) -> usize {
    let inside = children(value).map(depth).max().unwrap_or(0);
    inside + usize::from(is_container(value))
}

fn is_container(value: &Value) -> bool {
    matches!(
        value,
        Value::Object(_) | Value::EcmaArray(_) | Value::StrictArray(_) | Value::TypedObject { .. }
    )
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::StrictArray(values) => Box::new(values.iter()),
        other => Box::new(other.properties().iter().map(|(_, value)| value)),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_of_amf0_value_hold() {
        testmedia::replay("amf0_value", super::value);
    }
}
