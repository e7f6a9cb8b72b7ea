//! FLV files: header, tags, previous-tag sizes.

use bytes::{Buf, Bytes, BytesMut};

use crate::{Error, Tag, TagKind};

/// Caps on what a file may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest tag body in bytes. The format allows 16 MiB; 8 MiB is 64 Mbit in one picture, and
    /// what RTMP gets too.
    pub max_tag_bytes: usize,
    /// Longest file header in bytes. It is 9 in every file known; the field allows 4 GiB of
    /// nothing.
    pub max_header_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_tag_bytes: 8 << 20, max_header_bytes: 4096 }
    }
}

const PREVIOUS_TAG_SIZE_BYTES: usize = 4;

/// A file header (FLV 10.1 E.2). What it says of the tracks in the file is often wrong, and not
/// read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// `DataOffset`: bytes of the header. The size of a tag that is not there, four bytes, follows
    /// it.
    pub header_bytes: u32,
}

impl FileHeader {
    /// Bytes that [`parse`](Self::parse) wants to see.
    pub const BYTES: usize = 9;

    /// Reads a file header.
    ///
    /// # Errors
    /// [`Error::NotFlv`], [`Error::HeaderSize`].
    pub fn parse(bytes: [u8; Self::BYTES], limits: &Limits) -> Result<Self, Error> {
        let [a, b, c, _version, _flags, header_bytes @ ..] = bytes;
        if &[a, b, c] != b"FLV" {
            return Err(Error::NotFlv { actual: [a, b, c] });
        }
        let (actual, limit) = (u32::from_be_bytes(header_bytes), limits.max_header_bytes);
        if (actual as usize) < Self::BYTES || actual > limit {
            return Err(Error::HeaderSize { actual, limit });
        }
        Ok(Self { header_bytes: actual })
    }
}

/// A tag header (FLV 10.1 E.4.1), as it stands there: nothing of it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagHeader {
    /// `TagType`; `None` for a kind that the specification does not define.
    pub kind: Option<TagKind>,
    /// `Filter`: the body is encrypted.
    pub is_encrypted: bool,
    /// `DataSize`: bytes of the body, up to 16 MiB.
    pub size: u32,
    /// Milliseconds, wraps at 2^32.
    pub timestamp_ms: u32,
    /// `StreamID`, always 0.
    pub stream_id: u32,
}

impl TagHeader {
    /// Bytes of a tag header.
    pub const BYTES: usize = 11;
    /// `TagType` is the lower five bits; the sixth is `Filter`.
    const TAG_TYPE: u8 = 0x1f;
    const FILTER: u8 = 0x20;

    /// Reads a tag header.
    #[must_use]
    pub fn parse(bytes: [u8; Self::BYTES]) -> Self {
        let [kind, s1, s2, s3, t1, t2, t3, t0, i1, i2, i3] = bytes;
        Self {
            // The two highest bits are reserved, and 0.
            kind: TagKind::from_id(kind & !Self::FILTER),
            is_encrypted: kind & !Self::TAG_TYPE == Self::FILTER,
            size: u32::from_be_bytes([0, s1, s2, s3]),
            timestamp_ms: u32::from_be_bytes([t0, t1, t2, t3]),
            stream_id: u32::from_be_bytes([0, i1, i2, i3]),
        }
    }
}

/// Reads an FLV file (FLV 10.1 E.2 to E.4.1) without doing any I/O.
///
/// **After every [`push`](Self::push), call [`next_tag`](Self::next_tag) until it gives `None`**:
/// then at most one tag and what was pushed last is held. The sizes between the tags are not looked
/// at, many writers get them wrong. Tags of unknown or encrypted kind are skipped. A file header
/// between two tags is that of another file, which somebody put behind the first: its tags follow.
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
        loop {
            if !self.header_seen && !self.read_file_header()? {
                return Ok(None);
            }
            if !self.skip_pending() {
                return Ok(None);
            }
            let Some(&bytes) = self.buffer.first_chunk::<{ TagHeader::BYTES }>() else {
                return Ok(None);
            };
            if bytes.starts_with(b"FLV") {
                self.header_seen = false;
                continue;
            }
            let header = self.checked(TagHeader::parse(bytes))?;
            let Some(body) = self.take_tag(header.size as usize) else { return Ok(None) };
            if let Some(kind) = header.kind.filter(|_| !header.is_encrypted) {
                return Ok(Some(Tag { kind, timestamp_ms: header.timestamp_ms, body }));
            }
        }
    }

    /// Returns false when more bytes are needed.
    fn read_file_header(&mut self) -> Result<bool, Error> {
        let Some(&bytes) = self.buffer.first_chunk::<{ FileHeader::BYTES }>() else {
            return Ok(false);
        };
        let header = FileHeader::parse(bytes, &self.limits)?;
        self.skip = (header.header_bytes as usize).saturating_add(PREVIOUS_TAG_SIZE_BYTES);
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

    fn checked(&self, header: TagHeader) -> Result<TagHeader, Error> {
        let (size, limit) = (header.size as usize, self.limits.max_tag_bytes);
        if size > limit {
            return Err(Error::TagTooLarge { size, limit, position: self.position });
        }
        Ok(header)
    }

    /// The body of the tag at the front, once all of it is there; the size after it is left to
    /// skip.
    fn take_tag(&mut self, size: usize) -> Option<Bytes> {
        if self.buffer.len() < TagHeader::BYTES.saturating_add(size) {
            return None;
        }
        self.advance(TagHeader::BYTES);
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
    fn case_08_a_file_behind_another_is_read_too() {
        let tag = hex!("08 000001 000000 00 000000 cc 0000000c");
        let whole = [&HEADER[..], &tag, &HEADER, &tag].concat();
        assert_eq!(read_all(&[&whole]).unwrap().len(), 2);
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(read_all(&bytes).unwrap().len(), 2);
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
