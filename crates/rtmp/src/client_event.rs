use std::fmt;

use amf0::Value;

/// The most of a server's text that is kept: it goes to a terminal, in one line.
const MAX_CHARS: usize = 300;

/// What a server lets its publisher know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// Media may be sent now. At most once.
    Publishing,
    /// It says no, or takes back its yes. At most once; the connection is closed then.
    Refused(ServerRefusal),
}

/// Why a server refuses, in its own words, which have no control characters and are not too long
/// here. `Display` gives the best of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRefusal {
    /// As `NetStream.Publish.BadName`; empty if it gave none.
    pub code: String,
    /// A sentence for people; empty if it gave none.
    pub description: String,
}

impl ServerRefusal {
    /// From the information object of an `onStatus` or `_error`; some servers send text instead.
    pub(crate) fn from_info(info: &Value) -> Self {
        let property = |name| info.property(name).and_then(Value::as_str);
        let description = property("description").or_else(|| property("details"));
        Self {
            code: printable(property("code").unwrap_or_default()),
            description: printable(description.or_else(|| info.as_str()).unwrap_or_default()),
        }
    }
}

impl fmt::Display for ServerRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.description.as_str(), self.code.as_str()) {
            ("", "") => f.write_str("no reason given"),
            ("", code) => f.write_str(code),
            (description, "") => f.write_str(description),
            (description, code) => write!(f, "{description} ({code})"),
        }
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(properties: &[(&str, &str)]) -> String {
        let properties =
            properties.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        ServerRefusal::from_info(&Value::Object(properties.collect())).to_string()
    }

    #[test]
    fn the_servers_words_are_shown_as_far_as_there_are_any() {
        let both = [("code", "NetStream.Publish.BadName"), ("description", "Already live.")];
        assert_eq!(refusal(&both), "Already live. (NetStream.Publish.BadName)");
        assert_eq!(refusal(&both[..1]), "NetStream.Publish.BadName");
        assert_eq!(refusal(&both[1..]), "Already live.");
        assert_eq!(refusal(&[]), "no reason given");
        assert_eq!(ServerRefusal::from_info(&Value::from("go away")).to_string(), "go away");
        assert_eq!(ServerRefusal::from_info(&Value::Null).to_string(), "no reason given");
    }

    #[test]
    fn a_servers_words_cannot_move_the_cursor_or_fill_the_screen() {
        let text = format!("\u{1b}[2J{}", "é".repeat(1000));
        assert_eq!(refusal(&[("description", &text)]), format!("[2J{}", "é".repeat(297)));
    }
}
