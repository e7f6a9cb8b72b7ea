//! Tokens that let somebody watch one stream for a while.

use std::fmt;

use hls::SegmentKey;
use hmac::{Hmac, KeyInit, Mac};
use rtmp::StreamName;
use sha2::Sha256;

use crate::clock::Moment;

/// Whoever has a token can try secrets on it, as fast as his machines are: a secret is not to be
/// guessed.
pub(crate) const LEAST_SECRET_BYTES: usize = 16;

/// What viewers' tokens are made with. `Debug` does not show it.
///
/// A token is the second at which it ends, a `-`, and 32 hexadecimal digits: HMAC-SHA-256 of
/// `NAME\nSECOND`, cut to 128 bits. Whoever has the secret can make one, in any language.
#[derive(Clone)]
pub struct ViewerSecret(String);

/// A secret that can be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret of {actual} characters can be guessed, {LEAST_SECRET_BYTES} are the least")]
pub struct ShortSecret {
    /// Its length in bytes.
    pub actual: usize,
}

impl ViewerSecret {
    /// Takes any text of 16 bytes or more.
    ///
    /// # Errors
    /// It is shorter.
    pub fn new(secret: &str) -> Result<Self, ShortSecret> {
        match secret.len() {
            actual if actual < LEAST_SECRET_BYTES => Err(ShortSecret { actual }),
            _ => Ok(Self(secret.to_owned())),
        }
    }

    /// A token for the playlists of a stream, until this second since 1970-01-01 UTC.
    #[must_use]
    pub fn token(&self, name: &StreamName, until_unix_secs: u64) -> String {
        let signature = self.signed(&until(name, until_unix_secs));
        let (tag, _) = signature.split_first_chunk().expect("16 of 32 bytes");
        format!("{until_unix_secs}-{:032x}", u128::from_be_bytes(*tag))
    }

    /// Whether the token opens the stream's playlists now.
    #[must_use]
    pub(crate) fn admits(&self, name: &StreamName, token: &str, now: Moment) -> bool {
        let Some((second, tag)) = token.split_once('-') else { return false };
        let Ok(second) = second.parse::<u64>() else { return false };
        let Ok(tag) = u128::from_str_radix(tag, 16) else { return false };
        // One way to write it: what is put into a playlist is digits and a dash.
        if token != format!("{second}-{tag:032x}") {
            return false;
        }
        let is_ours =
            self.mac(&until(name, second)).verify_truncated_left(&tag.to_be_bytes()).is_ok();
        is_ours && now.unix_secs() < second
    }

    /// What the segments of a rendition are named by. No token is made of such a text: behind the
    /// line's end there is no number.
    #[must_use]
    pub(crate) fn segment_key(&self, name: &StreamName, rendition: &str) -> SegmentKey {
        SegmentKey::new(self.signed(&format!("{name}\nsegments of {rendition}")))
    }

    fn signed(&self, text: &str) -> [u8; 32] {
        self.mac(text).finalize().into_bytes().into()
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes());
        mac.expect("HMAC takes keys of any length").chain_update(text)
    }
}

/// What is signed: names have no line ends.
fn until(name: &StreamName, second: u64) -> String {
    format!("{name}\n{second}")
}

impl fmt::Debug for ViewerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ViewerSecret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(unix_secs: i64) -> Moment {
        Moment { uptime: Duration::ZERO, unix_ms: unix_secs * 1000 }
    }

    fn name(text: &str) -> StreamName {
        StreamName::parse(text).unwrap()
    }

    fn secret() -> ViewerSecret {
        ViewerSecret::new("0123456789abcdef").unwrap()
    }

    #[test]
    fn a_token_opens_one_stream_until_its_second() {
        let (secret, cam) = (secret(), name("cam"));
        let token = secret.token(&cam, 1_795_300_000);
        // printf 'cam\n1795300000' | openssl dgst -sha256 -hmac 0123456789abcdef | cut -c 1-32
        assert_eq!(token, "1795300000-3d8c3d63bb7f1feb6d705a16473bee27");
        assert!(secret.admits(&cam, &token, at(1_795_299_999)));
        assert!(!secret.admits(&cam, &token, at(1_795_300_000)), "over");
        assert!(!secret.admits(&name("cam2"), &token, at(0)));
        let other = ViewerSecret::new("0123456789abcdeF").unwrap();
        assert!(!other.admits(&cam, &token, at(0)));
        assert!(!format!("{secret:?}").contains("0123"));
    }

    #[test]
    fn a_token_is_written_in_one_way_only() {
        let (secret, cam) = (secret(), name("cam"));
        let token = secret.token(&cam, 1_795_300_000);
        let (second, tag) = token.split_once('-').unwrap();
        for wrong in [
            String::new(),
            "-".into(),
            second.into(),
            format!("{second}-"),
            format!("{second}-{}", &tag[..31]),
            format!("{second}-{tag}0"),
            format!("0{second}-{tag}"),
            format!("+{second}-{tag}"),
            format!("{second}-{}", tag.to_uppercase()),
            format!("{second}-+{}", &tag[1..]),
            format!("1795300001-{tag}"),
            format!("99999999999999999999-{tag}"),
        ] {
            assert!(!secret.admits(&cam, &wrong, at(0)), "{wrong}");
        }
    }

    #[test]
    fn short_secrets_are_refused() {
        let error = ViewerSecret::new("0123456789abcde").unwrap_err();
        assert_eq!(error, ShortSecret { actual: 15 });
    }

    #[test]
    fn renditions_and_streams_have_segment_keys_of_their_own() {
        let tag = |stream, rendition| secret().segment_key(&name(stream), rendition).tag(1);
        assert_eq!(tag("cam", "source"), tag("cam", "source"));
        assert_ne!(tag("cam", "source"), tag("cam", "P144p30fps16x9"));
        assert_ne!(tag("cam", "source"), tag("cam2", "source"));
    }

    proptest! {
        #[test]
        fn whatever_a_viewer_sends_opens_nothing(token in "([0-9]{1,20}-)?[0-9a-f+]{0,40}|.{0,60}") {
            prop_assert!(!secret().admits(&name("cam"), &token, at(0)));
        }
    }
}
