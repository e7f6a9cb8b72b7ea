use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;

use crate::chunk_header::{ChunkHeader, Fields, MAX_LENGTH};
use crate::message::leading_u32;
use crate::{Error, Limits, Place, RawMessage, type_id};

/// Until SetChunkSize says otherwise (RTMP section 5.4.1).
const FIRST_CHUNK_SIZE: usize = 128;

/// A message's buffer grows by at least this much, or by what the message still needs.
const GROWTH_STEP: usize = 4096;

/// Turns a byte stream into messages (RTMP section 5.3), one buffer per chunk stream.
///
/// It gives exactly the same messages for a given byte stream, however that is cut into
/// [`read`](Self::read) calls. The lengths of all unfinished messages together never exceed the
/// budget, and their buffers are never larger than those lengths, nor than one and a half times the
/// bytes really received plus 4 KiB.
///
/// SetChunkSize and Abort are obeyed here and not handed on. What encoders do beyond the
/// specification is accepted: control messages on any chunk stream, a type-1 chunk as the first of
/// its chunk stream (librtmp's ping), type-3 chunks that do not repeat the extended timestamp, full
/// headers on continuation chunks (rml_rtmp).
pub struct ChunkReader {
    chunk_size: usize,
    budget: usize,
    /// Sum of the lengths of unfinished messages.
    unfinished: usize,
    streams: Streams,
    open: Option<OpenChunk>,
    peeked: Peeked,
    position: u64,
    /// Chunks begun.
    chunks: u64,
    /// Messages completed, also those that are obeyed here or were forgotten.
    messages: u64,
    /// Payload of audio, video and aggregate messages, also of those that are not complete yet.
    media_bytes: u64,
    allowance: Option<Allowance>,
}

/// What a peer may send at most, counted from where it was granted.
#[derive(Clone, Copy)]
struct Allowance {
    bytes: u64,
    messages: u64,
    from_position: u64,
    from_messages: u64,
}

/// The chunk whose payload comes next.
struct OpenChunk {
    csid: u32,
    left: usize,
}

impl ChunkReader {
    /// `position` is the number of bytes that the connection received before; errors count on from
    /// there.
    pub fn new(limits: &Limits, position: u64) -> Self {
        Self {
            chunk_size: FIRST_CHUNK_SIZE,
            budget: limits.bytes_before_publish,
            unfinished: 0,
            streams: Streams { by_csid: BTreeMap::new(), allowed: limits.chunk_streams },
            open: None,
            peeked: Peeked::default(),
            position,
            chunks: 0,
            messages: 0,
            media_bytes: 0,
            allowance: None,
        }
    }

    /// From now on unfinished messages may be this many bytes together. Where they are more, they
    /// are forgotten, and what is still to come of them is skipped.
    pub fn set_budget(&mut self, bytes: usize) {
        self.budget = bytes;
        if self.unfinished > bytes {
            self.streams.by_csid.values_mut().for_each(ChunkStream::forget);
            self.unfinished = 0;
        }
    }

    /// From now on, unless that is so already, the peer may send what [`Limits`] allows before
    /// publish, and no more.
    pub fn restrict(&mut self, limits: &Limits) {
        self.allowance.get_or_insert(Allowance {
            bytes: limits.received_before_publish,
            messages: limits.messages_before_publish,
            from_position: self.position,
            from_messages: self.messages,
        });
    }

    /// From now on the peer may send as much as it likes.
    pub fn lift_restriction(&mut self) {
        self.allowance = None;
    }

    /// Chunks begun so far.
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Messages completed so far, SetChunkSize and Abort among them.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Payload bytes of audio, video and aggregate messages so far, those of unfinished ones among
    /// them.
    pub fn media_bytes(&self) -> u64 {
        self.media_bytes
    }

    /// Bytes taken in so far, not counting those of a header that is not complete yet.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes bytes off the front of `input` until a message is complete. `None`: all of it was
    /// taken, more is needed.
    ///
    /// # Errors
    /// When the bytes are not chunks or exceed the limits. The reader is of no use afterwards.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<RawMessage>, Error> {
        loop {
            if self.open.is_none() && !self.read_header(input)? {
                return Ok(None);
            }
            if !self.read_payload(input) {
                return Ok(None);
            }
            if let Some(message) = self.close_chunk()?
                && !self.obey(&message)?
            {
                return Ok(Some(message));
            }
        }
    }

    /// Whether a whole header was there.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<bool, Error> {
        if self.peeked.is_empty()
            && let Some((header, length)) = self.parse(input)
        {
            skip(input, length);
            self.open_chunk(&header, length)?;
            return Ok(true);
        }
        self.read_split_header(input)
    }

    /// The slow way, byte by byte, for a header that is cut in two.
    fn read_split_header(&mut self, input: &mut &[u8]) -> Result<bool, Error> {
        loop {
            if let Some((header, length)) = self.parse(self.peeked.as_slice()) {
                self.peeked.skip(length);
                self.open_chunk(&header, length)?;
                return Ok(true);
            }
            let Some((byte, rest)) = input.split_first() else { return Ok(false) };
            self.peeked.push(*byte);
            *input = rest;
        }
    }

    fn parse(&self, bytes: &[u8]) -> Option<(ChunkHeader, usize)> {
        ChunkHeader::parse(bytes, |csid| self.streams.get(csid)?.extended_timestamp)
    }

    fn open_chunk(&mut self, header: &ChunkHeader, header_length: usize) -> Result<(), Error> {
        let at = Place { csid: header.csid, position: self.position };
        self.chunks = self.chunks.saturating_add(1);
        if let Some(allowance) = self.allowance {
            allowance.check_bytes(at)?;
        }
        let stream = self.streams.get_or_add(header, at)?;
        if stream.unfinished {
            stream.check_continuation(&header.fields, at)?;
        } else {
            stream.begin_message(&header.fields);
            let actual = self.unfinished.saturating_add(stream.length);
            if actual > self.budget {
                return Err(Error::MessageTooLong { actual, allowed: self.budget, at });
            }
            self.unfinished = actual;
        }
        self.open =
            Some(OpenChunk { csid: header.csid, left: stream.missing().min(self.chunk_size) });
        self.position = advanced(self.position, header_length);
        Ok(())
    }

    /// Whether the open chunk's payload is complete. Bytes that were peeked at behind a header come
    /// first.
    fn read_payload(&mut self, input: &mut &[u8]) -> bool {
        let Some(open) = &mut self.open else { return false };
        let Some(stream) = self.streams.get_mut(open.csid) else { return false };
        let from_peeked = open.take(self.peeked.as_slice(), stream);
        self.peeked.skip(from_peeked);
        let from_input = open.take(input, stream);
        skip(input, from_input);
        let taken = from_peeked.saturating_add(from_input);
        self.position = advanced(self.position, taken);
        if let type_id::AUDIO | type_id::VIDEO | type_id::AGGREGATE = stream.type_id {
            self.media_bytes = advanced(self.media_bytes, taken);
        }
        open.left == 0
    }

    /// The message that the chunk completes, if it does.
    fn close_chunk(&mut self) -> Result<Option<RawMessage>, Error> {
        let Some(open) = self.open.take() else { return Ok(None) };
        let Some(stream) = self.streams.get_mut(open.csid) else { return Ok(None) };
        if stream.missing() > 0 {
            return Ok(None);
        }
        self.messages = self.messages.saturating_add(1);
        if let Some(allowance) = self.allowance {
            let at = Place { csid: open.csid, position: self.position };
            allowance.check_messages(self.messages, at)?;
        }
        stream.unfinished = false;
        if stream.forgotten {
            return Ok(None);
        }
        self.unfinished = self.unfinished.saturating_sub(stream.length);
        Ok(Some(RawMessage {
            csid: open.csid,
            timestamp_ms: stream.timestamp,
            type_id: stream.type_id,
            message_stream_id: stream.message_stream_id,
            payload: Bytes::from(std::mem::take(&mut stream.payload)),
        }))
    }

    /// Whether the message was for the chunk layer. Type ids decide, not the chunk stream: some
    /// cameras send control messages on others than 2.
    fn obey(&mut self, message: &RawMessage) -> Result<bool, Error> {
        match message.type_id {
            type_id::SET_CHUNK_SIZE => self.set_chunk_size(message)?,
            type_id::ABORT => self.abort(self.control_value(message)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Sections 5.4.1. Messages have at most 16 MiB, so a larger chunk size just means: one chunk
    /// each.
    fn set_chunk_size(&mut self, message: &RawMessage) -> Result<(), Error> {
        let actual = self.control_value(message)?;
        if actual == 0 || actual > 0x7fff_ffff {
            return Err(Error::ChunkSize { actual, at: self.place(message) });
        }
        self.chunk_size = usize::try_from(actual).unwrap_or(usize::MAX);
        Ok(())
    }

    /// Section 5.4.2.
    fn abort(&mut self, csid: u32) {
        let Some(stream) = self.streams.get_mut(csid).filter(|stream| stream.unfinished) else {
            return;
        };
        if !stream.forgotten {
            self.unfinished = self.unfinished.saturating_sub(stream.length);
        }
        stream.unfinished = false;
        stream.payload = Vec::new();
    }

    fn control_value(&self, message: &RawMessage) -> Result<u32, Error> {
        leading_u32(&message.payload).ok_or_else(|| Error::ControlTooShort {
            type_id: message.type_id,
            actual: message.payload.len(),
            expected: 4,
            at: self.place(message),
        })
    }

    fn place(&self, message: &RawMessage) -> Place {
        Place { csid: message.csid, position: self.position }
    }

    /// What the type's documentation promises about memory.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn check_invariants(&self) {
        let kept = |stream: &&ChunkStream| stream.unfinished && !stream.forgotten;
        let unfinished = || self.streams.by_csid.values().filter(kept);
        assert_eq!(unfinished().map(|stream| stream.length).sum::<usize>(), self.unfinished);
        assert!(self.unfinished <= self.budget);
        assert!(unfinished().all(|stream| stream.payload.capacity() <= stream.length));
        assert!(self.streams.by_csid.len() <= self.streams.allowed);
    }
}

impl Allowance {
    fn check_bytes(self, at: Place) -> Result<(), Error> {
        if at.position.saturating_sub(self.from_position) > self.bytes {
            return Err(Error::TooMuchInput { allowed: self.bytes, at });
        }
        Ok(())
    }

    fn check_messages(self, messages: u64, at: Place) -> Result<(), Error> {
        if messages.saturating_sub(self.from_messages) > self.messages {
            return Err(Error::TooManyMessages { allowed: self.messages, at });
        }
        Ok(())
    }
}

impl OpenChunk {
    /// Moves what the chunk still needs from the front of `source` to the stream; says how much
    /// that was.
    fn take(&mut self, source: &[u8], stream: &mut ChunkStream) -> usize {
        let length = self.left.min(source.len());
        let part = source.get(..length).unwrap_or_default();
        stream.append(part, source.len());
        self.left = self.left.saturating_sub(length);
        length
    }
}

/// The chunk streams seen so far.
struct Streams {
    by_csid: BTreeMap<u32, ChunkStream>,
    allowed: usize,
}

impl Streams {
    fn get(&self, csid: u32) -> Option<&ChunkStream> {
        self.by_csid.get(&csid)
    }

    fn get_mut(&mut self, csid: u32) -> Option<&mut ChunkStream> {
        self.by_csid.get_mut(&csid)
    }

    fn get_or_add(&mut self, header: &ChunkHeader, at: Place) -> Result<&mut ChunkStream, Error> {
        let (known, allowed) = (self.by_csid.len(), self.allowed);
        match self.by_csid.entry(header.csid) {
            Entry::Occupied(stream) => Ok(stream.into_mut()),
            Entry::Vacant(_) if known >= allowed => Err(Error::TooManyChunkStreams { allowed, at }),
            Entry::Vacant(vacant) => {
                check_opens(&header.fields, at)?;
                Ok(vacant.insert(ChunkStream::default()))
            }
        }
    }
}

/// A type-1 chunk may open a chunk stream: it lacks only the message stream id, and librtmp's first
/// ping does that.
fn check_opens(fields: &Fields, at: Place) -> Result<(), Error> {
    match fields {
        Fields::Full { .. } | Fields::SameStream { .. } => Ok(()),
        Fields::SameKind { .. } => Err(Error::NoEarlierHeader { format: 2, at }),
        Fields::Same => Err(Error::NoEarlierHeader { format: 3, at }),
    }
}

/// What later headers of a chunk stream refer to, and its unfinished message.
#[derive(Default)]
struct ChunkStream {
    timestamp: u32,
    delta: u32,
    /// As the last header that had one wrote it.
    extended_timestamp: Option<u32>,
    length: usize,
    type_id: u8,
    message_stream_id: u32,
    unfinished: bool,
    /// The unfinished message is not wanted any more: its bytes are counted and not kept.
    forgotten: bool,
    received: usize,
    payload: Vec<u8>,
}

impl ChunkStream {
    /// A type-3 chunk after a type-0 one takes that one's timestamp as its delta (section
    /// 5.3.1.2.4).
    fn begin_message(&mut self, fields: &Fields) {
        let time = match *fields {
            Fields::Full { timestamp, length, type_id, message_stream_id } => {
                (self.length, self.type_id) = (length, type_id);
                self.message_stream_id = message_stream_id;
                self.timestamp = 0;
                Some(timestamp)
            }
            Fields::SameStream { delta, length, type_id } => {
                (self.length, self.type_id) = (length, type_id);
                Some(delta)
            }
            Fields::SameKind { delta } => Some(delta),
            Fields::Same => None,
        };
        if let Some(time) = time {
            self.delta = time.ms;
            self.extended_timestamp = time.extended.then_some(time.ms);
        }
        self.timestamp = self.timestamp.wrapping_add(self.delta);
        (self.unfinished, self.forgotten, self.received) = (true, false, 0);
    }

    fn forget(&mut self) {
        self.forgotten = true;
        self.payload = Vec::new();
    }

    /// A continuation is a type-3 chunk. rml_rtmp, when told not to compress, repeats the full
    /// header instead.
    fn check_continuation(&self, fields: &Fields, at: Place) -> Result<(), Error> {
        let continues = match *fields {
            Fields::Same => true,
            Fields::Full { timestamp, length, type_id, message_stream_id } => {
                (timestamp.ms, length, type_id, message_stream_id)
                    == (self.timestamp, self.length, self.type_id, self.message_stream_id)
            }
            Fields::SameStream { .. } | Fields::SameKind { .. } => false,
        };
        if continues {
            return Ok(());
        }
        Err(Error::MessageCutOff { received: self.received, expected: self.length, at })
    }

    fn missing(&self) -> usize {
        self.length.saturating_sub(self.received)
    }

    /// `at_hand` bytes have arrived, some of which may belong to other messages.
    fn append(&mut self, part: &[u8], at_hand: usize) {
        if !self.forgotten {
            self.keep(part, at_hand);
        }
        self.received = self.received.saturating_add(part.len());
    }

    fn keep(&mut self, part: &[u8], at_hand: usize) {
        let free = self.payload.capacity().saturating_sub(self.payload.len());
        if free < part.len() {
            let growth = at_hand.max(self.payload.len() / 2).max(GROWTH_STEP);
            self.payload.reserve_exact(growth.min(self.missing()));
        }
        self.payload.extend_from_slice(part);
    }
}

/// Bytes of a header that is not complete yet. Behind a header they may turn out to be payload.
#[derive(Default)]
struct Peeked {
    bytes: [u8; MAX_LENGTH],
    length: usize,
}

impl Peeked {
    fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Never full: a complete header is taken out at once.
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte;
            self.length = self.length.saturating_add(1);
        }
    }

    fn skip(&mut self, count: usize) {
        let count = count.min(self.length);
        self.bytes.copy_within(count..self.length, 0);
        self.length = self.length.saturating_sub(count);
    }
}

fn skip(input: &mut &[u8], count: usize) {
    *input = input.get(count..).unwrap_or_default();
}

fn advanced(position: u64, by: usize) -> u64 {
    position.saturating_add(u64::try_from(by).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn reader() -> ChunkReader {
        ChunkReader::new(&Limits::default(), 0)
    }

    /// csid, timestamp, type, payload.
    type Read = (u32, u32, u8, Vec<u8>);

    /// Reads in one go and again byte by byte, which must not differ.
    fn read_all(input: &[u8]) -> Result<Vec<Read>, Error> {
        let at_once = read_pieces(input, input.len().max(1));
        let by_byte = read_pieces(input, 1);
        match (&at_once, &by_byte) {
            (Ok(a), Ok(b)) => assert_eq!(a, b),
            (Err(a), Err(b)) => assert_eq!(a.to_string(), b.to_string()),
            (a, b) => panic!("at once {a:?}, by byte {b:?}"),
        }
        at_once
    }

    fn read_pieces(input: &[u8], size: usize) -> Result<Vec<Read>, Error> {
        let mut reader = reader();
        let mut messages = Vec::new();
        for mut piece in input.chunks(size) {
            while let Some(message) = reader.read(&mut piece)? {
                let payload = message.payload.to_vec();
                messages.push((message.csid, message.timestamp_ms, message.type_id, payload));
            }
        }
        Ok(messages)
    }

    /// SetChunkSize to 4 bytes.
    const CHUNK_SIZE_4: [u8; 16] = hex!("02 000000 000004 01 00000000 00000004");

    #[test]
    fn section_5_3_2_1_example_1_audio_by_all_header_types() {
        let mut input = hex!("03 0003e8 000020 08 39300000").to_vec();
        input.extend([1; 32]);
        input.extend(hex!("83 000014"));
        input.extend([2; 32]);
        input.push(0xc3);
        input.extend([3; 32]);
        input.push(0xc3);
        input.extend([4; 32]);
        let messages = read_all(&input).unwrap();
        let timestamps: Vec<_> = messages.iter().map(|(_, timestamp, ..)| *timestamp).collect();
        assert_eq!(timestamps, [1000, 1020, 1040, 1060]);
        assert!(messages.iter().all(|(csid, _, type_id, payload)| (
            *csid,
            *type_id,
            payload.len()
        ) == (3, 8, 32)));
    }

    #[test]
    fn section_5_3_2_2_example_2_a_long_message_in_chunks() {
        let mut input = hex!("04 0003e8 000133 09 3a300000").to_vec();
        input.extend([1; 128]);
        input.push(0xc4);
        input.extend([2; 128]);
        input.push(0xc4);
        input.extend([3; 51]);
        let messages = read_all(&input).unwrap();
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].3, [vec![1; 128], vec![2; 128], vec![3; 51]].concat());
    }

    #[test]
    fn interleaved_messages_have_a_buffer_each() {
        let input = hex!(
            "02 000000 000004 01 00000000 00000002"
            "06 000001 000005 09 01000000 a1a2"
            "04 000002 000003 08 01000000 b1b2"
            "c6 a3a4"
            "c4 b3"
            "c6 a5"
        );
        let expected =
            vec![(4, 2, 8, hex!("b1b2b3").to_vec()), (6, 1, 9, hex!("a1a2a3a4a5").to_vec())];
        assert_eq!(read_all(&input).unwrap(), expected);
    }

    #[test]
    fn a_shorter_message_between_the_chunks_of_a_longer_one() {
        // rml_rtmp's deserializer panics here ("capacity overflow").
        let mut input = hex!("06 000000 0000c8 09 01000000").to_vec();
        input.extend([7; 128]);
        input.extend(hex!("04 000000 000001 08 01000000 ff c6"));
        input.extend([7; 72]);
        assert_eq!(read_all(&input).unwrap(), [(4, 0, 8, vec![0xff]), (6, 0, 9, vec![7; 200])]);
    }

    #[test]
    fn chunk_stream_ids_of_two_and_three_bytes() {
        let input = hex!(
            "00 00 000000 000001 08 00000000 aa 01 ffff 000000 000001 09 00000000 bb c0 00 cc"
        );
        let expected =
            vec![(64, 0, 8, vec![0xaa]), (65_599, 0, 9, vec![0xbb]), (64, 0, 8, vec![0xcc])];
        assert_eq!(read_all(&input).unwrap(), expected);
    }

    #[test]
    fn section_5_3_1_3_extended_timestamps_that_type_3_chunks_repeat_or_not() {
        let expected = vec![(6, 0x0100_0000, 9, hex!("0102030405060708 09").to_vec())];
        let header = hex!("06 ffffff 000009 09 01000000 01000000");
        let repeated = hex!("01020304 c6 01000000 05060708 c6 01000000 09");
        let bare = hex!("01020304 c6 05060708 c6 09");
        for rest in [&repeated[..], &bare[..]] {
            // the last chunk has one byte, so without more input nobody can tell what 01 would be:
            // a next message follows
            let input = [&CHUNK_SIZE_4[..], &header, rest].concat();
            assert_eq!(read_all(&input).unwrap(), expected);
        }
    }

    #[test]
    fn payload_that_looks_like_half_a_repeated_timestamp_is_payload() {
        let input = [
            &CHUNK_SIZE_4[..],
            &hex!("06 ffffff 000005 09 01000000 04000001 0a0b0c0d"),
            // One byte of payload, equal to the timestamp's first; behind it headers that look like
            // its second and third.
            &hex!("c6 04 00 00 000000 000001 08 01000000 ee"),
        ]
        .concat();
        let expected =
            vec![(6, 0x0400_0001, 9, hex!("0a0b0c0d04").to_vec()), (64, 0, 8, vec![0xee])];
        assert_eq!(read_all(&input).unwrap(), expected);
    }

    #[test]
    fn extended_deltas_add_up_and_wrap() {
        let input = hex!(
            "06 ffffff 000001 09 01000000 fffffff0 aa"
            "86 000020 bb"
            "c6 cc"
            "86 ffffff 01000000 dd"
            "c6 01000000 ee"
        );
        let timestamps: Vec<_> =
            read_all(&input).unwrap().iter().map(|(_, timestamp, ..)| *timestamp).collect();
        assert_eq!(timestamps, [0xffff_fff0, 0x10, 0x30, 0x0100_0030, 0x0200_0030]);
    }

    #[test]
    fn section_5_3_1_2_4_type_3_after_type_0_takes_its_timestamp_as_delta() {
        let input = hex!("06 000021 000001 09 01000000 aa c6 bb c6 cc");
        let timestamps: Vec<_> =
            read_all(&input).unwrap().iter().map(|(_, timestamp, ..)| *timestamp).collect();
        assert_eq!(timestamps, [33, 66, 99]);
    }

    #[test]
    fn librtmps_ping_opens_csid_2_by_a_type_1_chunk() {
        let input = hex!("42 000000 000006 04 000600000001");
        assert_eq!(read_all(&input).unwrap(), [(2, 0, 4, hex!("000600000001").to_vec())]);
    }

    #[test]
    fn types_2_and_3_open_no_chunk_stream() {
        for (first, format) in [(0x82, 2), (0xc7, 3)] {
            let error = read_all(&[first, 0, 0, 0]).unwrap_err();
            assert!(
                matches!(error, Error::NoEarlierHeader { format: found, at } if found == format && at.position == 0)
            );
        }
    }

    #[test]
    fn control_messages_count_on_any_chunk_stream() {
        let input =
            hex!("04 000000 000004 01 00000000 00000001 06 000000 000002 09 00000000 aa c6 bb");
        assert_eq!(read_all(&input).unwrap(), [(6, 0, 9, vec![0xaa, 0xbb])]);
    }

    #[test]
    fn section_5_4_1_chunk_size_may_shrink_within_a_message() {
        let mut input = hex!("06 000000 000084 09 00000000").to_vec();
        input.extend([1; 128]);
        input.extend(hex!("02 000000 000004 01 00000000 00000001"));
        input.extend(hex!("c6 02 c6 03 c6 04 c6 05"));
        let messages = read_all(&input).unwrap();
        assert_eq!(messages[0].3[128..], [2, 3, 4, 5]);
    }

    #[test]
    fn section_5_4_1_chunk_sizes_out_of_range_are_refused_and_the_largest_is_fine() {
        for size in [0_u32, 0x8000_0000, 0xffff_ffff] {
            let input = [&hex!("02 000000 000004 01 00000000")[..], &size.to_be_bytes()].concat();
            let error = read_all(&input).unwrap_err();
            assert!(
                matches!(error, Error::ChunkSize { actual, at } if actual == size && at.position == 16)
            );
        }
        let mut input =
            hex!("02 000000 000004 01 00000000 7fffffff 06 000000 001000 09 00000000").to_vec();
        input.extend([9; 0x1000]);
        assert_eq!(read_all(&input).unwrap()[0].3.len(), 0x1000);
    }

    #[test]
    fn section_5_4_2_abort_forgets_the_unfinished_message() {
        let input = [
            &CHUNK_SIZE_4[..],
            &hex!("06 000000 000008 09 01000000 01020304"),
            &hex!("02 000000 000004 02 00000000 00000006"),
            &hex!("06 000000 000002 09 01000000 aabb"),
            &hex!("02 000000 000004 02 00000000 00000063"), // nothing to abort there
            &hex!("c6 ccdd"),
        ]
        .concat();
        let payloads: Vec<_> =
            read_all(&input).unwrap().into_iter().map(|(.., payload)| payload).collect();
        assert_eq!(payloads, [vec![0xaa, 0xbb], vec![0xcc, 0xdd]]);
    }

    #[test]
    fn control_messages_that_are_too_short_are_refused() {
        for type_id in [1, 2] {
            let error = read_all(&[2, 0, 0, 0, 0, 0, 3, type_id, 0, 0, 0, 0, 0, 0, 1]).unwrap_err();
            let expected =
                format!("control message of type {type_id} has 3 bytes, not 4 (csid 2, byte 15)");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn rml_rtmps_full_headers_on_continuation_chunks_are_accepted() {
        let mut input = hex!("06 000005 000082 09 01000000").to_vec();
        input.extend([1; 128]);
        input.extend(hex!("06 000005 000082 09 01000000 0202"));
        assert_eq!(read_all(&input).unwrap()[0].3.len(), 130);
    }

    #[test]
    fn a_different_header_within_a_message_is_refused() {
        for header in [
            &hex!("06 000005 000083 09 01000000")[..],
            &hex!("46 000000 000082 09"),
            &hex!("86 000000"),
        ] {
            let mut input = hex!("06 000005 000082 09 01000000").to_vec();
            input.extend([1; 128]);
            input.extend(header);
            let error = read_all(&input).unwrap_err();
            assert_eq!(
                error.to_string(),
                "new message after 128 of 130 bytes of the one before (csid 6, byte 140)"
            );
        }
    }

    #[test]
    fn empty_messages_are_messages() {
        let input = hex!("06 000000 000000 09 01000000 c6 c6");
        assert_eq!(read_all(&input).unwrap(), vec![(6, 0, 9, Vec::new()); 3]);
    }

    #[test]
    fn unfinished_messages_share_one_budget() {
        let declare = |csid: u8, length: [u8; 3]| {
            [&[csid, 0, 0, 0], &length[..], &[9, 0, 0, 0, 0], &[0; 128]].concat()
        };
        let input = [declare(6, hex!("008000")), declare(7, hex!("008000"))].concat();
        assert!(read_all(&input).unwrap().is_empty(), "64 KiB in all is allowed");
        let error = read_all(&[input, declare(8, hex!("000001"))].concat()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unfinished messages of 65537 bytes exceed limit 65536 (csid 8, byte 280)"
        );
    }

    #[test]
    fn finished_and_aborted_messages_give_their_budget_back() {
        let mut long =
            hex!("02 000000 000004 01 00000000 7fffffff 06 000000 00ffff 09 00000000").to_vec();
        long.extend([1; 0xffff]);
        for _ in 0..3 {
            long.push(0xc6);
            long.extend([1; 0xffff]);
        }
        assert_eq!(read_all(&long).unwrap().len(), 4);
    }

    #[test]
    fn a_raised_budget_takes_a_picture_of_a_megabyte() {
        let mut reader = reader();
        reader.set_budget(8 * 1024 * 1024);
        let mut input =
            hex!("02 000000 000004 01 00000000 7fffffff 06 000000 100000 09 00000000").to_vec();
        input.extend(vec![5; 0x10_0000]);
        let message = reader.read(&mut &input[..]).unwrap().unwrap();
        assert_eq!(message.payload.len(), 0x10_0000);
        assert_eq!(reader.position(), input.len() as u64);
    }

    #[test]
    fn buffers_grow_with_the_bytes_received_not_with_the_length_declared() {
        let mut reader = reader();
        reader.set_budget(usize::MAX);
        let mut received =
            hex!("02 000000 000004 01 00000000 7fffffff 06 000000 ffffff 09 00000000").to_vec();
        received.extend(vec![0; 100_000]);
        for mut piece in received.chunks(1000) {
            assert_eq!(reader.read(&mut piece).unwrap(), None);
            let payload = &reader.streams.get(6).map_or(&[][..], |stream| &stream.payload);
            let capacity = reader.streams.get(6).map_or(0, |stream| stream.payload.capacity());
            assert!(
                capacity <= payload.len() + payload.len() / 2 + GROWTH_STEP,
                "{capacity} of {}",
                payload.len()
            );
        }
    }

    #[test]
    fn sixty_five_thousand_chunk_streams_with_16_mb_messages_end_at_the_first_message() {
        let first = hex!("06 000000 ffffff 09 01000000");
        let error = read_all(&first).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unfinished messages of 16777215 bytes exceed limit 65536 (csid 6, byte 0)"
        );
    }

    #[test]
    fn sixty_five_chunk_streams_are_too_many() {
        let mut input = Vec::new();
        for csid in 0..=64 {
            input.extend([0, csid, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 0, 0xaa]);
        }
        let error = read_all(&input).unwrap_err();
        assert_eq!(error.to_string(), "more than 64 chunk streams (csid 128, byte 896)");
    }

    #[test]
    fn corpus_of_gortmplib_reads_alike_whole_and_by_byte() {
        for (_, bytes) in testmedia::files_in("corpora/rtmp") {
            let _ = read_all(&bytes);
        }
    }
}
