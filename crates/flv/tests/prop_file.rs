//! Any tags, written by the layout of FLV 10.1 E.4.1 with any sizes between them, come back however
//! the file is cut.

use flv::{FileReader, Limits, Tag, TagKind};
use proptest::collection::vec;
use proptest::prelude::*;

fn kind_number(kind: TagKind) -> u8 {
    match kind {
        TagKind::Audio => 8,
        TagKind::Video => 9,
        TagKind::Script => 18,
    }
}

fn any_tag() -> impl Strategy<Value = Tag> {
    let kind = prop_oneof![Just(TagKind::Audio), Just(TagKind::Video), Just(TagKind::Script)];
    let body = vec(any::<u8>(), 0..40);
    (kind, any::<u32>(), body).prop_map(|(kind, timestamp_ms, body)| Tag {
        kind,
        timestamp_ms,
        body: body.into(),
    })
}

fn write(tag: &Tag, size_after: u32) -> Vec<u8> {
    let [extended, timestamp @ ..] = tag.timestamp_ms.to_be_bytes();
    let size = u32::try_from(tag.body.len()).expect("small").to_be_bytes();
    let header =
        [&[kind_number(tag.kind)], &size[1..], &timestamp, &[extended], &[0, 0, 0]].concat();
    [&header, &tag.body[..], &size_after.to_be_bytes()].concat()
}

proptest! {
    #[test]
    fn tags_come_back_from_a_file_in_any_parts(
        tags in vec((any_tag(), any::<u32>()), 0..8),
        cuts in vec(1_usize..30, 1..20),
    ) {
        let mut file = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
        tags.iter().for_each(|(tag, size_after)| file.extend(write(tag, *size_after)));
        let mut reader = FileReader::new(Limits::default());
        let mut read = Vec::new();
        let (mut rest, mut cuts) = (&file[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.len().min(*cuts.next().expect("cycles")));
            rest = after;
            reader.push(part);
            while let Some(tag) = reader.next_tag().expect("a good file") {
                read.push(tag);
            }
        }
        prop_assert_eq!(read, tags.into_iter().map(|(tag, _)| tag).collect::<Vec<_>>());
    }
}
