//! Who may publish under which name.

use std::collections::BTreeMap;

use rtmp::{StreamKey, StreamName};

use crate::secret::SecretDigest;

/// The configured publish keys. The default lets anybody publish.
#[derive(Clone, Debug, Default)]
pub struct PublishAccess {
    /// The key of every name that has none of its own.
    pub shared_key: Option<SecretDigest>,
    /// Names with a key of their own.
    pub keys: BTreeMap<StreamName, SecretDigest>,
    /// Whether names outside `keys` may publish without a key; without any keys they always may.
    pub allow_unlisted: bool,
}

/// What somebody may publish as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// None: under a name that the server makes up.
    pub name: Option<StreamName>,
    /// The key that the publisher came with, wherever it stood.
    pub key: Option<StreamKey>,
}

impl PublishAccess {
    /// What a publisher may publish as who comes with these; None where the key is missing or
    /// wrong. Keys are compared in constant time.
    ///
    /// A key of a single name says the name by itself, so it may come alone: without a name, or in
    /// the place of one.
    #[must_use]
    pub fn permit(&self, name: Option<StreamName>, key: Option<StreamKey>) -> Option<Permit> {
        let alone = match (&name, &key) {
            (None, Some(key)) => Some(key.clone()),
            (Some(name), None) => Some(StreamKey::new(name.as_str())),
            _ => None,
        };
        if let Some(key) = alone
            && let Some(name) = self.name_of(&key)
        {
            return Some(Permit { name: Some(name.clone()), key: Some(key) });
        }
        self.allows(name.as_ref(), key.as_ref()).then_some(Permit { name, key })
    }

    /// Whether the name has a key of its own: only then it is certain that a name of a refused
    /// publisher is no secret.
    #[must_use]
    pub fn lists(&self, name: &StreamName) -> bool {
        self.keys.contains_key(name)
    }

    /// Whether some name may be published without a key.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared_key.is_none() && (self.keys.is_empty() || self.allow_unlisted)
    }

    fn allows(&self, name: Option<&StreamName>, key: Option<&StreamKey>) -> bool {
        let own = name.and_then(|name| self.keys.get(name));
        match own.or(self.shared_key.as_ref()) {
            Some(expected) => key.is_some_and(|key| SecretDigest::of(key.reveal()) == *expected),
            None => self.is_open(),
        }
    }

    /// The one name that has this key.
    fn name_of(&self, key: &StreamKey) -> Option<&StreamName> {
        let digest = SecretDigest::of(key.reveal());
        let mut names = self.keys.iter().filter(|(_, own)| **own == digest).map(|(name, _)| name);
        names.next().filter(|_| names.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<StreamName> {
        (!text.is_empty()).then(|| StreamName::parse(text).unwrap())
    }

    fn key(text: &str) -> Option<StreamKey> {
        (!text.is_empty()).then(|| StreamKey::new(text))
    }

    fn access(keys: &[(&str, &str)], shared: &str, allow_unlisted: bool) -> PublishAccess {
        let own = |(stream, key): &(&str, &str)| (name(stream).unwrap(), SecretDigest::of(key));
        PublishAccess {
            shared_key: (!shared.is_empty()).then(|| SecretDigest::of(shared)),
            keys: keys.iter().map(own).collect(),
            allow_unlisted,
        }
    }

    /// The name under which a publisher is let in; None: it is not.
    fn published(access: &PublishAccess, stream: &str, secret: &str) -> Option<String> {
        let permit = access.permit(name(stream), key(secret))?;
        Some(permit.name.map_or_else(String::new, |name| name.to_string()))
    }

    #[test]
    fn without_keys_anybody_publishes() {
        let open = PublishAccess::default();
        for (stream, secret) in [("cam", ""), ("cam", "any"), ("", ""), ("", "any")] {
            assert_eq!(published(&open, stream, secret).as_deref(), Some(stream));
        }
        assert!(open.is_open());
    }

    #[test]
    fn one_key_for_all_names() {
        let shared = access(&[], "k", false);
        assert_eq!(published(&shared, "cam", "k").as_deref(), Some("cam"));
        assert_eq!(published(&shared, "", "k").as_deref(), Some(""));
        // It stands for no name.
        for (stream, secret) in [("cam", "K"), ("cam", ""), ("k", ""), ("", "")] {
            assert_eq!(published(&shared, stream, secret), None, "{stream} {secret}");
        }
        assert!(!shared.is_open());
    }

    #[test]
    fn a_list_of_names_closes_all_others_unless_said_otherwise() {
        let closed = access(&[("cam", "secret")], "", false);
        assert_eq!(published(&closed, "cam", "secret").as_deref(), Some("cam"));
        for (stream, secret) in [("cam", ""), ("other", "secret"), ("", "")] {
            assert_eq!(published(&closed, stream, secret), None, "{stream} {secret}");
        }
        assert!(!closed.is_open());
        let open = access(&[("cam", "secret")], "", true);
        assert_eq!(published(&open, "other", "").as_deref(), Some("other"));
        assert_eq!(published(&open, "cam", ""), None);
        assert!(open.is_open());
    }

    #[test]
    fn a_name_of_the_list_takes_its_own_key_only() {
        let both = access(&[("cam", "secret")], "shared", false);
        assert_eq!(published(&both, "other", "shared").as_deref(), Some("other"));
        assert_eq!(published(&both, "cam", "shared"), None);
        assert!(!both.is_open());
    }

    #[test]
    fn a_key_alone_says_the_name() {
        let listed = access(&[("cam", "secret"), ("door", "4711")], "", false);
        for (stream, secret) in [("secret", ""), ("", "secret"), ("cam", "secret")] {
            let permit = listed.permit(name(stream), key(secret)).unwrap();
            // The key is known as one: it decides who may take the name over.
            assert_eq!(permit, Permit { name: name("cam"), key: key("secret") });
        }
        assert_eq!(published(&listed, "4711", "").as_deref(), Some("door"));
        for (stream, secret) in [("secret", "secret"), ("cam", "4711"), ("secre", ""), ("", "47")] {
            assert_eq!(published(&listed, stream, secret), None, "{stream} {secret}");
        }
    }

    #[test]
    fn a_key_of_two_names_says_none() {
        let twice = access(&[("cam", "same"), ("door", "same")], "", false);
        assert_eq!(published(&twice, "same", ""), None);
        assert_eq!(published(&twice, "door", "same").as_deref(), Some("door"));
    }
}
