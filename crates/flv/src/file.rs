//! FLV files: header, tags, previous-tag sizes.

use bytes::{Buf, Bytes, BytesMut};

use crate::{Error, Tag, TagKind};

/// Caps on what a file may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest tag body in bytes. The format allows 16 MiB; 8 MiB is 64 Mbit in one picture, and what RTMP gets too.
    pub max_tag_bytes: usize,
    /// Longest file header in bytes. It is 9 in every file known; the field allows 4 GiB of nothing.
    pub max_header_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_tag_bytes: 8 << 20, max_header_bytes: 4096 }
    }
}

const FILE_HEADER_BYTES: usize = 9;
const TAG_HEADER_BYTES: usize = 11;
const PREVIOUS_TAG_SIZE_BYTES: usize = 4;
/// `TagType` is the lower five bits; the sixth says that the body is encrypted.
const TAG_TYPE_AND_FILTER: u8 = 0x3f;

/// Reads an FLV file (FLV 10.1 E.2 to E.4.1) without doing any I/O.
///
/// **After every [`push`](Self::push), call [`next_tag`](Self::next_tag) until it gives `None`**: then at most one
/// tag and what was pushed last is held. The sizes between the tags are not looked at, many writers get them
/// wrong. Tags of unknown or encrypted kind are skipped.
#[derive(Debug, Default)]
pub struct FileReader {
    limits: Limits,
    buffer: BytesMut,
    /// Bytes of the buffer that stand before the next tag: sizes, and skipped tags.
    skip: usize,
    header_seen: bool,
    /// Where the buffer starts in the file.
    position: u64,
}

/// A tag header (FLV 10.1 E.4.1).
struct TagHeader {
    kind: Option<TagKind>,
    size: usize,
    timestamp_ms: u32,
}

impl FileReader {
    /// A reader at the start of a file.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Adds the next bytes of the file.
    pub fn push(&mut self, input: &[u8]) {
        self.buffer.extend_from_slice(input);
    }

    /// The next tag; `None` when more bytes are needed.
    ///
    /// # Errors
    /// Not an FLV file, or a size over its limit. The same error comes again from then on.
    pub fn next_tag(&mut self) -> Result<Option<Tag>, Error> {
        if !self.header_seen && !self.read_file_header()? {
            return Ok(None);
        }
        while self.skip_pending() {
            let Some(header) = self.peek_tag_header()? else { return Ok(None) };
            let Some(body) = self.take_tag(header.size) else { return Ok(None) };
            if let Some(kind) = header.kind {
                return Ok(Some(Tag { kind, timestamp_ms: header.timestamp_ms, body }));
            }
        }
        Ok(None)
    }

    /// Returns false when more bytes are needed.
    fn read_file_header(&mut self) -> Result<bool, Error> {
        let Some(&[a, b, c, _version, _flags, d, e, f, g]) =
            self.buffer.first_chunk::<FILE_HEADER_BYTES>()
        else {
            return Ok(false);
        };
        if &[a, b, c] != b"FLV" {
            return Err(Error::NotFlv { actual: [a, b, c] });
        }
        let (actual, limit) = (u32::from_be_bytes([d, e, f, g]), self.limits.max_header_bytes);
        if (actual as usize) < FILE_HEADER_BYTES || actual > limit {
            return Err(Error::HeaderSize { actual, limit });
        }
        self.skip = (actual as usize).saturating_add(PREVIOUS_TAG_SIZE_BYTES);
        self.header_seen = true;
        Ok(true)
    }

    /// Drops what stands before the next tag; false when that has not all come yet.
    fn skip_pending(&mut self) -> bool {
        let dropped = self.skip.min(self.buffer.len());
        self.advance(dropped);
        self.skip = self.skip.saturating_sub(dropped);
        self.skip == 0
    }

    fn peek_tag_header(&self) -> Result<Option<TagHeader>, Error> {
        let Some(&[kind, s1, s2, s3, t1, t2, t3, t0, ..]) =
            self.buffer.first_chunk::<TAG_HEADER_BYTES>()
        else {
            return Ok(None);
        };
        let (size, limit) =
            (u32::from_be_bytes([0, s1, s2, s3]) as usize, self.limits.max_tag_bytes);
        if size > limit {
            return Err(Error::TagTooLarge { size, limit, position: self.position });
        }
        let kind = TagKind::from_id(kind & TAG_TYPE_AND_FILTER);
        Ok(Some(TagHeader { kind, size, timestamp_ms: u32::from_be_bytes([t0, t1, t2, t3]) }))
    }

    /// The body of the tag at the front, once all of it is there; the size after it is left to skip.
    fn take_tag(&mut self, size: usize) -> Option<Bytes> {
        if self.buffer.len() < TAG_HEADER_BYTES.saturating_add(size) {
            return None;
        }
        self.advance(TAG_HEADER_BYTES);
        self.position = self.position.saturating_add(size as u64);
        self.skip = PREVIOUS_TAG_SIZE_BYTES;
        Some(self.buffer.split_to(size).freeze())
    }

    fn advance(&mut self, len: usize) {
        self.buffer.advance(len);
        self.position = self.position.saturating_add(len as u64);
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    const HEADER: [u8; 13] = hex!("464c56 01 05 00000009 00000000");

    fn read_all(parts: &[&[u8]]) -> Result<Vec<Tag>, Error> {
        let mut reader = FileReader::default();
        let mut tags = Vec::new();
        for part in parts {
            reader.push(part);
            while let Some(tag) = reader.next_tag()? {
                tags.push(tag);
            }
        }
        Ok(tags)
    }

    #[test]
    fn e_4_1_timestamp_extended_is_the_upper_byte_and_sizes_between_tags_are_not_trusted() {
        let tag = hex!("09 000002 000001 02 000000 aabb ffffffff");
        let tags = read_all(&[&HEADER, &tag, &tag]).unwrap();
        let expected = Tag {
            kind: TagKind::Video,
            timestamp_ms: 0x0200_0001,
            body: Bytes::from_static(&[0xaa, 0xbb]),
        };
        assert_eq!(tags, [expected.clone(), expected]);
    }

    #[test]
    fn e_4_1_unknown_and_encrypted_tags_are_skipped() {
        let tags = read_all(&[
            &HEADER,
            &hex!("0f 000001 000000 00 000000 aa 0000000c"),
            &hex!("28 000001 000000 00 000000 bb 0000000c"),
            &hex!("08 000001 000000 00 000000 cc 0000000c"),
        ]);
        assert_eq!(tags.unwrap()[0].body, [0xcc][..]);
    }

    #[test]
    fn e_2_a_longer_file_header_is_skipped() {
        let tags = read_all(&[
            &hex!("464c56 01 05 0000000b eeee 00000000"),
            &hex!("12 000000 000000 00 000000"),
        ]);
        assert_eq!(tags.unwrap()[0].kind, TagKind::Script);
    }

    #[test]
    fn what_is_no_flv_file_or_too_large_is_told_with_its_place() {
        let text = |parts: &[&[u8]]| read_all(parts).unwrap_err().to_string();
        assert_eq!(
            text(&[b"RIFF\0\0\0\0\0"]),
            "file starts with [52, 49, 46], FLV starts with [46, 4c, 56]"
        );
        assert_eq!(
            text(&[&hex!("464c56 01 05 00000008")]),
            "file header of 8 bytes, allowed are 9 to 4096 (byte 5)"
        );
        assert_eq!(
            text(&[&hex!("464c56 01 05 ffffffff")]),
            "file header of 4294967295 bytes, allowed are 9 to 4096 (byte 5)"
        );
        let tag = hex!("09 ffffff 000000 00 000000");
        assert_eq!(text(&[&HEADER, &tag]), "tag of 16777215 bytes exceeds limit 8388608 (byte 13)");
    }

    #[test]
    fn a_cut_file_gives_its_whole_tags() {
        let tags = read_all(&[
            &HEADER,
            &hex!("08 000001 000000 00 000000 cc 0000000c"),
            &hex!("09 000002 00"),
        ]);
        assert_eq!(tags.unwrap().len(), 1);
    }
}
