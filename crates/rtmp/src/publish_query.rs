use std::fmt;

/// What stood behind the question marks of app and stream name, as it came: for who has to be asked
/// about it. It may hold keys and passwords, so `Debug` does not show it and there is no `Display`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PublishQuery(String);

impl PublishQuery {
    /// The stream name's first: there it wins.
    pub(crate) fn new(stream: &str, app: &str) -> Self {
        let both = !stream.is_empty() && !app.is_empty();
        Self([stream, if both { "&" } else { "" }, app].concat())
    }

    /// The text itself, without a question mark. Never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The first value of a parameter that is not empty, percent-decoded as form data are (URL
    /// standard 5.1): a plus sign is a blank, and what is no UTF-8 is replaced.
    pub fn value(&self, parameter: &str) -> Option<String> {
        let mut pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(name, value)| *name == parameter && !value.is_empty())?;
        Some(decoded(value))
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => match behind.split_first_chunk().and_then(|(pair, _)| hex_byte(*pair)) {
                Some(byte) => {
                    rest = behind.get(2..).unwrap_or_default();
                    byte
                }
                None => b'%',
            },
            other => *other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_byte(pair: [u8; 2]) -> Option<u8> {
    let text = std::str::from_utf8(&pair).ok().filter(|text| !text.starts_with('+'))?;
    u8::from_str_radix(text, 16).ok()
}

impl fmt::Debug for PublishQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublishQuery(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_and_decoded() {
        let query = PublishQuery::new("user=me&pass=a%2Fb%20c+d&token=", "token=t&user=other");
        assert_eq!(query.reveal(), "user=me&pass=a%2Fb%20c+d&token=&token=t&user=other");
        let values = ["user", "pass", "token", "key"].map(|parameter| query.value(parameter));
        let expected = [Some("me"), Some("a/b c d"), Some("t"), None];
        assert_eq!(values, expected.map(|value| value.map(str::to_owned)));
        assert_eq!(PublishQuery::new("", "a=b").reveal(), "a=b");
        assert!(!format!("{query:?}").contains("pass"));
    }

    #[test]
    fn what_is_no_percent_encoding_stays() {
        for (text, expected) in [
            ("%", "%"),
            ("%4", "%4"),
            ("%zz", "%zz"),
            ("%+1", "% 1"),
            ("%41%", "A%"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(decoded(text), expected, "{text}");
        }
    }
}
