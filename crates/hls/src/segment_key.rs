//! URIs of segments that only readers of the playlist know.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What makes a rendition's segments ones that only a reader of its playlist can ask for: each URI
/// ends in a tag of its own, HMAC-SHA-256 of the number cut to 128 bits, and nobody works out the
/// next one from those before it. All readers get the same, so the playlist is rendered once, and a
/// cache keeps one copy of a segment.
#[derive(Clone)]
pub struct SegmentKey([u8; 32]);

impl SegmentKey {
    /// From a secret of this rendition.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The tag of segment `sequence`: 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn tag(&self, sequence: u64) -> String {
        let signature: [u8; 32] = self.signed(sequence).finalize().into_bytes().into();
        let (tag, _) = signature.split_first_chunk().expect("16 of 32 bytes");
        format!("{:032x}", u128::from_be_bytes(*tag))
    }

    /// Whether this is the tag of segment `sequence`. It takes the same time wherever it is wrong.
    #[must_use]
    pub fn is_tag(&self, sequence: u64, tag: &str) -> bool {
        let is_written_so =
            tag.len() == 32 && tag.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let Ok(tag) = u128::from_str_radix(tag, 16) else { return false };
        is_written_so && self.signed(sequence).verify_truncated_left(&tag.to_be_bytes()).is_ok()
    }

    fn signed(&self, sequence: u64) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.chain_update(sequence.to_be_bytes())
    }
}

impl fmt::Debug for SegmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SegmentKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_good_for_its_own_segment_and_key_only() {
        let key = SegmentKey::new([7; 32]);
        let tag = key.tag(1_795_266_725);
        // Python: hmac.new(b'\x07' * 32, (1795266725).to_bytes(8, 'big'),
        // 'sha256').hexdigest()[:32]
        assert_eq!(tag, "d1c07223432bb08a2077dce5b95878b0");
        assert!(key.is_tag(1_795_266_725, &tag));
        assert!(!key.is_tag(1_795_266_726, &tag));
        assert!(!SegmentKey::new([8; 32]).is_tag(1_795_266_725, &tag));
        for wrong in
            ["", &tag[1..], &tag.to_uppercase(), &format!("{tag}0"), &format!("+{}", &tag[1..])]
        {
            assert!(!key.is_tag(1_795_266_725, wrong), "{wrong}");
        }
        assert_eq!(format!("{key:?}"), "SegmentKey(redacted)");
    }
}
