//! Aggregate messages (RTMP section 7.1.6): FLV tags, each with its back pointer, in one message.

use bytes::Bytes;

use crate::{Error, Limits, Place, RawMessage};

/// FLV tag header: type 1, length 3, timestamp 3 + 1, stream id 3.
const HEADER: usize = 11;

/// Behind each tag, its length again. Missing behind the last one of some senders.
const BACK_POINTER: usize = 4;

/// One tag: its message type (8, 9 or 18 if it is media), timestamp and body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) type_id: u8,
    pub(crate) timestamp_ms: u32,
    pub(crate) payload: Bytes,
}

/// The tags of an aggregate message, as slices of it. The message's timestamp is that of its first
/// tag; the distance of the two is added to all tags.
pub(crate) fn tags(message: &RawMessage, at: Place, limits: &Limits) -> Result<Vec<Tag>, Error> {
    let mut rest = message.payload.clone();
    let mut tags = Vec::new();
    let mut offset = None;
    while !rest.is_empty() {
        if tags.len() >= limits.aggregate_tags {
            return Err(Error::TooManyAggregateTags { allowed: limits.aggregate_tags, at });
        }
        let mut tag = take_tag(&mut rest, at)?;
        let offset =
            *offset.get_or_insert_with(|| message.timestamp_ms.wrapping_sub(tag.timestamp_ms));
        tag.timestamp_ms = tag.timestamp_ms.wrapping_add(offset);
        tags.push(tag);
    }
    Ok(tags)
}

fn take_tag(rest: &mut Bytes, at: Place) -> Result<Tag, Error> {
    let allowed = rest.len();
    let Some(&[type_id, l0, l1, l2, t0, t1, t2, t_high, ..]) = rest.first_chunk::<HEADER>() else {
        return Err(Error::AggregateTag { actual: HEADER, allowed, at });
    };
    let length = u32::from_be_bytes([0, l0, l1, l2]);
    let actual = HEADER.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    if actual > allowed {
        return Err(Error::AggregateTag { actual, allowed, at });
    }
    let payload = rest.split_to(actual).slice(HEADER..);
    let _back_pointer = rest.split_to(BACK_POINTER.min(rest.len()));
    Ok(Tag { type_id, timestamp_ms: u32::from_be_bytes([t_high, t0, t1, t2]), payload })
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    const AT: Place = Place { csid: 4, position: 99 };

    fn tags_of(timestamp_ms: u32, payload: &[u8]) -> Result<Vec<Tag>, Error> {
        let payload = Bytes::copy_from_slice(payload);
        let message =
            RawMessage { csid: 4, timestamp_ms, type_id: 22, message_stream_id: 1, payload };
        tags(&message, AT, &Limits::default())
    }

    fn tag(type_id: u8, timestamp_ms: u32, payload: &'static [u8]) -> Tag {
        Tag { type_id, timestamp_ms, payload: Bytes::from_static(payload) }
    }

    #[test]
    fn section_7_1_6_tags_move_to_the_messages_time() {
        let payload = hex!(
            "09 000002 000064 00 000000 aabb 0000000d"
            "08 000001 000078 00 000000 cc 0000000c"
            "12 000000 000050 01 000000"
        );
        let expected = vec![
            tag(9, 1000, &[0xaa, 0xbb]),
            tag(8, 1020, &[0xcc]),
            tag(18, 0x0100_0050 + 900, &[]),
        ];
        assert_eq!(tags_of(1000, &payload).unwrap(), expected);
        assert_eq!(tags_of(50, &payload).unwrap()[1].timestamp_ms, 70, "offsets may be negative");
    }

    #[test]
    fn tags_that_reach_past_the_message_are_refused() {
        let cases: [(&[u8], usize, usize); 3] = [
            (&hex!("09 000002 000064 00 000000 aa"), 13, 12),
            (&hex!("09 ffffff 000064 00 000000 aa"), 0x100_000a, 12),
            (&hex!("09 000002"), 11, 4),
        ];
        for (payload, declared, left) in cases {
            let error = tags_of(0, payload).unwrap_err();
            assert!(
                matches!(error, Error::AggregateTag { actual, allowed, at: AT } if (actual, allowed) == (declared, left)),
                "{error}"
            );
        }
    }

    #[test]
    fn tags_are_counted() {
        let one = hex!("08 000000 000000 00 000000 0000000b");
        assert_eq!(tags_of(0, &one.repeat(1024)).unwrap().len(), 1024);
        let error = tags_of(0, &one.repeat(1025)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "more than 1024 tags in an aggregate message (csid 4, byte 99)"
        );
    }
}
