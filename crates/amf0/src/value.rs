/// One AMF0 value (AMF0 section 2). Properties keep their order; names may repeat.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Section 2.2, a double.
    Number(f64),
    /// Section 2.3; every byte but zero is true.
    Boolean(bool),
    /// Sections 2.4 and 2.14: short and long strings are one type here, the encoder picks by
    /// length.
    String(String),
    /// Section 2.5, an anonymous object.
    Object(Vec<(String, Self)>),
    /// Section 2.10, an associative array. Its count on the wire is only a hint and is ignored.
    EcmaArray(Vec<(String, Self)>),
    /// Section 2.12, a dense array.
    StrictArray(Vec<Self>),
    /// Section 2.7.
    Null,
    /// Section 2.8.
    Undefined,
    /// Section 2.9: the index of an earlier complex value. It is not followed.
    Reference(u16),
    /// Section 2.13.
    Date {
        /// Milliseconds since 1970-01-01 UTC.
        unix_ms: f64,
        /// Reserved by the specification (should be 0), in minutes where a sender uses it.
        time_zone_min: i16,
    },
    /// Section 2.15.
    Unsupported,
    /// Section 2.17.
    XmlDocument(String),
    /// Section 2.18, an object with a class name.
    TypedObject {
        /// The class name as registered by the sender.
        class: String,
        /// The object's properties.
        properties: Vec<(String, Self)>,
    },
}

impl Value {
    /// The number, if this is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value, if this is a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The properties of an object, ECMA array or typed object; empty for everything else.
    pub fn properties(&self) -> &[(String, Self)] {
        match self {
            Self::Object(properties)
            | Self::EcmaArray(properties)
            | Self::TypedObject { properties, .. } => properties,
            _ => &[],
        }
    }

    /// The first property with this name, compared exactly.
    pub fn property(&self, name: &str) -> Option<&Self> {
        self.properties().iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accessors_answer_only_for_their_own_type() {
        assert_eq!(Value::Number(1.5).as_number(), Some(1.5));
        assert_eq!(Value::from("x").as_number(), None);
        assert_eq!(Value::from("x").as_str(), Some("x"));
        assert_eq!(Value::Null.as_str(), None);
        assert_eq!(Value::Boolean(true).as_bool(), Some(true));
        assert_eq!(Value::Number(1.0).as_bool(), None);
    }

    #[test]
    fn property_finds_the_first_of_a_name_in_every_kind_of_object() {
        let properties =
            vec![("a".to_owned(), Value::from(1.0)), ("a".to_owned(), Value::from(2.0))];
        let kinds = [
            Value::Object(properties.clone()),
            Value::EcmaArray(properties.clone()),
            Value::TypedObject { class: "c".to_owned(), properties },
        ];
        for kind in kinds {
            assert_eq!(kind.property("a"), Some(&Value::Number(1.0)));
            assert_eq!(kind.property("b"), None);
        }
        assert_eq!(Value::StrictArray(vec![Value::Null]).property("a"), None);
    }
}
