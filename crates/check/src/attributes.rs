//! Attribute lists (RFC 8216 4.2).

use crate::Limits;

/// The attributes of a tag, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes<'a>(Vec<(&'a str, Value<'a>)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value<'a> {
    Quoted(&'a str),
    Bare(&'a str),
}

impl<'a> Attributes<'a> {
    /// Reads a list as far as it makes sense, and tells what is wrong with it.
    pub(crate) fn parse(text: &'a str, mut fault: impl FnMut(String)) -> Self {
        let mut attributes = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let limit = Limits::DEFAULT.max_attributes;
            if attributes.0.len() >= limit {
                fault(format!("more than {limit} attributes"));
                break;
            }
            let Some((name, after)) = rest.split_once('=') else {
                fault(format!("attribute \"{rest}\" has no value"));
                break;
            };
            if !is_name(name) {
                fault(format!("\"{name}\" is no attribute name"));
            }
            if attributes.find(name).is_some() {
                fault(format!("attribute {name} is there twice"));
            }
            let Some((value, after)) = split_value(after) else {
                fault(format!("the quotes of attribute {name} do not end"));
                break;
            };
            attributes.0.push((name, value));
            rest = match after.strip_prefix(',') {
                Some("") => {
                    fault("there is a comma after the last attribute".to_owned());
                    ""
                }
                Some(after) => after,
                None => {
                    if !after.is_empty() {
                        fault(format!("\"{after}\" follows the value of attribute {name}"));
                    }
                    ""
                }
            };
        }
        attributes
    }

    /// A quoted string.
    pub(crate) fn quoted(&self, name: &str, mut fault: impl FnMut(String)) -> Option<&'a str> {
        match self.find(name)? {
            Value::Quoted(text) => Some(text),
            Value::Bare(text) => {
                fault(format!("attribute {name} has to be in quotes"));
                Some(text)
            }
        }
    }

    /// A value without quotes, read by `parse`.
    pub(crate) fn bare<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&'a str) -> Option<T>,
        mut fault: impl FnMut(String),
    ) -> Option<T> {
        let text = match self.find(name)? {
            Value::Bare(text) => text,
            Value::Quoted(text) => {
                fault(format!("attribute {name} must not be in quotes"));
                text
            }
        };
        let value = parse(text);
        if value.is_none() {
            fault(format!("attribute {name} cannot be \"{text}\""));
        }
        value
    }

    fn find(&self, name: &str) -> Option<Value<'a>> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
    !name.is_empty() && name.bytes().all(allowed)
}

fn split_value(text: &str) -> Option<(Value<'_>, &str)> {
    match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').map(|(value, rest)| (Value::Quoted(value), rest)),
        None => {
            let (value, rest) = text.split_at_checked(text.find(',').unwrap_or(text.len()))?;
            Some((Value::Bare(value), rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let mut faults = Vec::new();
        Attributes::parse(text, |fault| faults.push(fault));
        faults
    }

    #[test]
    fn rfc8216_4_2_lists() {
        let list = Attributes::parse("BANDWIDTH=1,CODECS=\"a,b=c\",X-Y=Z", |_| panic!());
        assert_eq!(list.bare("BANDWIDTH", |text| text.parse().ok(), |_| panic!()), Some(1));
        assert_eq!(list.quoted("CODECS", |_| panic!()), Some("a,b=c"));
        assert_eq!(list.quoted("NAME", |_| panic!()), None);
        assert_eq!(Attributes::parse("", |_| panic!()), Attributes::default());
    }

    #[test]
    fn what_is_wrong_is_told() {
        assert_eq!(faults("A"), ["attribute \"A\" has no value"]);
        assert_eq!(faults("A=1,A=2"), ["attribute A is there twice"]);
        assert_eq!(faults("a b=1"), ["\"a b\" is no attribute name"]);
        assert_eq!(faults("A=\"1"), ["the quotes of attribute A do not end"]);
        assert_eq!(faults("A=\"1\"2"), ["\"2\" follows the value of attribute A"]);
        assert_eq!(faults("A=1,"), ["there is a comma after the last attribute"]);
    }
}
