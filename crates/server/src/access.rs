//! Who may publish under which name.

use std::collections::BTreeMap;

use rtmp::{StreamKey, StreamName};

/// The configured publish keys. The default lets anybody publish.
#[derive(Clone, Debug, Default)]
pub struct PublishAccess {
    /// The key of every name that has none of its own.
    pub shared_key: Option<StreamKey>,
    /// Names with a key of their own.
    pub keys: BTreeMap<StreamName, StreamKey>,
    /// Whether names outside `keys` may publish without a key; without any keys they always may.
    pub allow_unlisted: bool,
}

impl PublishAccess {
    /// Whether `key` opens `name`. Keys are compared in constant time.
    #[must_use]
    pub fn allows(&self, name: &StreamName, key: Option<&StreamKey>) -> bool {
        match self.keys.get(name).or(self.shared_key.as_ref()) {
            Some(expected) => key == Some(expected),
            None => self.is_open(),
        }
    }

    /// Whether some name may be published without a key.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared_key.is_none() && (self.keys.is_empty() || self.allow_unlisted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> StreamName {
        StreamName::parse(text).unwrap()
    }

    fn key(text: &str) -> Option<StreamKey> {
        Some(StreamKey::new(text))
    }

    fn listed(allow_unlisted: bool, shared_key: Option<StreamKey>) -> PublishAccess {
        let keys = BTreeMap::from([(name("cam"), StreamKey::new("secret"))]);
        PublishAccess { shared_key, keys, allow_unlisted }
    }

    #[test]
    fn without_keys_anybody_publishes() {
        let access = PublishAccess::default();
        assert!(
            access.allows(&name("cam"), None) && access.allows(&name("cam"), key("any").as_ref())
        );
        assert!(access.is_open());
    }

    #[test]
    fn one_key_for_all_names() {
        let access = PublishAccess { shared_key: key("k"), ..PublishAccess::default() };
        assert!(access.allows(&name("cam"), key("k").as_ref()));
        assert!(
            !access.allows(&name("cam"), key("K").as_ref()) && !access.allows(&name("cam"), None)
        );
        assert!(!access.is_open());
    }

    #[test]
    fn a_list_of_names_closes_all_others_unless_said_otherwise() {
        let access = listed(false, None);
        assert!(access.allows(&name("cam"), key("secret").as_ref()));
        assert!(
            !access.allows(&name("cam"), None)
                && !access.allows(&name("other"), key("secret").as_ref())
        );
        assert!(!access.is_open());
        let open = listed(true, None);
        assert!(
            open.allows(&name("other"), None) && !open.allows(&name("cam"), None) && open.is_open()
        );
    }

    #[test]
    fn a_name_of_the_list_takes_its_own_key_only() {
        let access = listed(false, key("shared"));
        assert!(access.allows(&name("other"), key("shared").as_ref()));
        assert!(!access.allows(&name("cam"), key("shared").as_ref()));
        assert!(!access.is_open());
    }
}
