//! Secrets: how they are made, and what the server keeps of them.

use std::fmt;
use std::io;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What goes before the digest of a secret in the settings.
const PREFIX: &str = "sha256:";

/// Lower-case letters and digits without those that look alike (`i`, `l`, `o`, `u`): a secret is
/// typed into phones. 32 of them: each stands for 5 bits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 26 characters of 5 bits: nobody guesses 130 bits, also not from their SHA-256.
const SECRET_CHARACTERS: usize = 26;

/// The SHA-256 of a secret: of a publish key, or of the operator's token. Comparing takes the same
/// time wherever two differ, and `Debug` does not show it.
#[derive(Clone, Copy, Eq)]
pub struct SecretDigest([u8; 32]);

/// A text that begins as a digest does, and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{PREFIX} is followed by 64 hexadecimal digits")]
pub struct InvalidDigest;

impl SecretDigest {
    /// The digest of a secret.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// What a setting says: `sha256:` and 64 hexadecimal digits, or the secret itself.
    ///
    /// # Errors
    /// `sha256:` and something else.
    pub fn from_setting(text: &str) -> Result<Self, InvalidDigest> {
        match text.strip_prefix(PREFIX) {
            Some(digits) => from_hex(digits).map(Self).ok_or(InvalidDigest),
            None => Ok(Self::of(text)),
        }
    }

    /// As [`from_setting`](Self::from_setting) reads it.
    #[must_use]
    pub fn to_setting(&self) -> String {
        format!("{PREFIX}{}", to_hex(&self.0))
    }
}

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(redacted)")
    }
}

/// A new secret: 26 characters that may stand in a URL and in a stream's name, from the system's
/// randomness.
///
/// # Errors
/// The system has no randomness to give.
pub fn new_secret() -> io::Result<String> {
    let mut random = [0; SECRET_CHARACTERS];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

/// Two lower-case digits for each byte.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Exactly two digits for each of `N` bytes, of either case.
pub(crate) fn from_hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digits = digits.as_bytes();
    let mut bytes = [0; N];
    if digits.len() != 2 * N || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1.
    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_setting_holds_the_secret_or_its_sha_256() {
        assert_eq!(SecretDigest::of("abc").to_setting(), ABC);
        assert_eq!(SecretDigest::from_setting(ABC), Ok(SecretDigest::of("abc")));
        assert_eq!(
            SecretDigest::from_setting(&ABC.to_uppercase().replace("SHA", "sha")),
            Ok(SecretDigest::of("abc"))
        );
        assert_eq!(SecretDigest::from_setting("abc"), Ok(SecretDigest::of("abc")));
        assert_ne!(SecretDigest::of("abc"), SecretDigest::of("abd"));
        for wrong in [
            "sha256:",
            "sha256:abc",
            &ABC[..ABC.len() - 1],
            &format!("{ABC}0"),
            &ABC.replace("15ad", "15ag"),
        ] {
            assert_eq!(SecretDigest::from_setting(wrong), Err(InvalidDigest), "{wrong}");
        }
        assert!(!format!("{:?}", SecretDigest::of("abc")).contains("ba78"));
    }

    #[test]
    fn a_new_secret_may_stand_where_a_stream_s_name_stands() {
        let (one, other) = (new_secret().unwrap(), new_secret().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), SECRET_CHARACTERS);
        assert!(rtmp::StreamName::parse(&one).is_ok(), "{one}");
    }

    #[test]
    fn hexadecimal_digits_there_and_back() {
        assert_eq!(to_hex(&[0, 0x0f, 0xff]), "000fff");
        assert_eq!(from_hex("000fFf"), Some([0, 0x0f, 0xff]));
        for wrong in ["", "000ff", "000fff0", "000ff\u{e9}", "+00fff"] {
            assert_eq!(from_hex::<3>(wrong), None, "{wrong}");
        }
    }
}
