//! The tags of an FLV file (Adobe Flash Video File Format Specification 10.1, annex E), read apart
//! from the product's reader.

use std::fs;
use std::path::Path;

/// One tag.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    /// 8 audio, 9 video, 18 script data: the numbers of the RTMP message types.
    pub(crate) kind: u8,
    pub(crate) timestamp_ms: u32,
    pub(crate) body: Vec<u8>,
}

impl Tag {
    /// An AVC or AAC sequence header.
    pub(crate) fn is_sequence_header(&self) -> bool {
        matches!(self.kind, 8 | 9) && self.body.get(1) == Some(&0)
    }

    /// A video tag that says it is a keyframe and holds NAL units.
    pub(crate) fn is_keyframe(&self) -> bool {
        self.kind == 9 && self.body[0] >> 4 == 1 && self.body[1] == 1
    }
}

/// All tags of the file there.
pub(crate) fn read(file: &Path) -> Vec<Tag> {
    tags(&fs::read(file).expect("a file"))
}

/// All tags of a file, by their own lengths.
pub(crate) fn tags(file: &[u8]) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = &file[13..];
    while let [kind, a, b, c, t0, t1, t2, t3, _, _, _, body @ ..] = rest {
        let size = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let timestamp_ms = u32::from_be_bytes([*t3, *t0, *t1, *t2]);
        tags.push(Tag { kind: *kind, timestamp_ms, body: body[..size].to_vec() });
        // The back pointer behind the last tag may be missing.
        rest = body.get(size + 4..).unwrap_or_default();
    }
    tags
}
