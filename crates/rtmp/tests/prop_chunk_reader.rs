//! The chunk reader against a small, independent writer that uses all of RTMP section 5.3: four
//! header types, chunk ids of one to three bytes, interleaving, changing chunk sizes, extended
//! timestamps repeated or not, aborts. Not covered: input that breaks the rules (unit tests, fuzz
//! target rtmp_chunk).
#![allow(missing_docs, reason = "a test binary")]

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use proptest::prelude::*;
use rtmp::{ChunkReader, ChunkWriter, Limits, RawMessage};

/// What the writer is asked to do, in order.
#[derive(Debug, Clone)]
struct Step {
    csid: u32,
    timestamp: u32,
    type_id: u8,
    message_stream_id: u32,
    payload: Vec<u8>,
    /// Which header to prefer, 0 to 3; the writer falls back to one that can say it.
    format: u8,
    /// How many chunks of other messages may come between this one's.
    patience: usize,
    /// A new chunk size before this message.
    chunk_size: Option<u32>,
    /// Ends as an abort after the first chunk, if there is more than one.
    aborted: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let csid = prop_oneof![2_u32..8, 62..66_u32, 318..322_u32, 65_598..65_600_u32];
    let timestamp = prop_oneof![0_u32..100, Just(33), 0x00ff_fff0..0x0100_0010_u32, any::<u32>()];
    let type_id = prop_oneof![Just(8_u8), Just(9), Just(18), Just(20), Just(99)];
    let payload =
        prop::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(0), 1 => Just(1)], 0..400);
    let chunk_size =
        prop::option::weighted(0.2, prop_oneof![1_u32..10, 100..300_u32, Just(0x7fff_ffff)]);
    (
        csid,
        timestamp,
        type_id,
        0_u32..3,
        payload,
        0_u8..4,
        0_usize..4,
        chunk_size,
        prop::bool::weighted(0.1),
    )
        .prop_map(
            |(
                csid,
                timestamp,
                type_id,
                message_stream_id,
                payload,
                format,
                patience,
                chunk_size,
                aborted,
            )| Step {
                csid,
                timestamp,
                type_id,
                message_stream_id,
                payload,
                format,
                patience,
                chunk_size,
                aborted,
            },
        )
}

/// What a chunk stream's last header said.
#[derive(Clone, Copy)]
struct Said {
    timestamp: u32,
    delta: u32,
    extended: bool,
    length: usize,
    type_id: u8,
    message_stream_id: u32,
}

struct Sending {
    step: Step,
    sent: usize,
    waited: usize,
}

struct Writer {
    repeats_extended: bool,
    chunk_size: usize,
    said: HashMap<u32, Said>,
    left_out: Vec<(usize, [u8; 4])>,
    out: Vec<u8>,
    expected: Vec<RawMessage>,
}

impl Writer {
    /// Writes all steps, the messages of different chunk streams interleaved.
    fn write(steps: Vec<Step>, repeats_extended: bool) -> Self {
        let mut writer = Self {
            repeats_extended,
            chunk_size: 128,
            said: HashMap::new(),
            left_out: Vec::new(),
            out: Vec::new(),
            expected: Vec::new(),
        };
        let mut waiting: VecDeque<Step> = steps.into();
        let mut sending: Vec<Sending> = Vec::new();
        while !waiting.is_empty() || !sending.is_empty() {
            let is_free = |step: &Step| sending.iter().all(|other| other.step.csid != step.csid);
            if waiting.front().is_some_and(is_free)
                && let Some(step) = waiting.pop_front()
            {
                if let Some(size) = step.chunk_size {
                    writer.set_chunk_size(size);
                }
                writer.first_chunk(step, &mut sending);
            }
            writer.continue_one(&mut sending, waiting.is_empty());
        }
        writer
    }

    fn first_chunk(&mut self, step: Step, sending: &mut Vec<Sending>) {
        self.header(&step);
        let sent = step.payload.len().min(self.chunk_size);
        self.out.extend(&step.payload[..sent]);
        self.finish_or_keep(Sending { step, sent, waited: 0 }, sending);
    }

    fn continue_one(&mut self, sending: &mut Vec<Sending>, drain: bool) {
        let Some(index) = sending.iter().position(|one| drain || one.waited >= one.step.patience)
        else {
            sending.iter_mut().for_each(|one| one.waited += 1);
            return;
        };
        let mut one = sending.remove(index);
        if one.step.aborted {
            self.control(2, one.step.csid);
            return;
        }
        self.basic_header(3, one.step.csid);
        self.extension_of_type_3(one.step.csid);
        let end = one.step.payload.len().min(one.sent + self.chunk_size);
        self.out.extend(&one.step.payload[one.sent..end]);
        one.sent = end;
        one.waited = 0;
        self.finish_or_keep(one, sending);
    }

    fn finish_or_keep(&mut self, one: Sending, sending: &mut Vec<Sending>) {
        if one.sent < one.step.payload.len() {
            sending.push(one);
            return;
        }
        self.expected.push(RawMessage {
            csid: one.step.csid,
            timestamp_ms: one.step.timestamp,
            type_id: one.step.type_id,
            message_stream_id: one.step.message_stream_id,
            payload: Bytes::from(one.step.payload),
        });
    }

    fn header(&mut self, step: &Step) {
        let delta =
            self.said.get(&step.csid).map(|said| step.timestamp.wrapping_sub(said.timestamp));
        let format = self.possible_format(step, delta);
        self.basic_header(format, step.csid);
        let time = delta.filter(|_| format > 0).unwrap_or(step.timestamp);
        if format == 3 {
            self.extension_of_type_3(step.csid);
            self.said.entry(step.csid).and_modify(|said| said.timestamp = step.timestamp);
            return;
        }
        self.u24(time.min(0xff_ffff));
        if format < 2 {
            self.u24(step.payload.len() as u32);
            self.out.push(step.type_id);
        }
        if format == 0 {
            self.out.extend(step.message_stream_id.to_le_bytes());
        }
        if time >= 0xff_ffff {
            self.out.extend(time.to_be_bytes());
        }
        let said = Said {
            timestamp: step.timestamp,
            delta: time,
            extended: time >= 0xff_ffff,
            length: step.payload.len(),
            type_id: step.type_id,
            message_stream_id: step.message_stream_id,
        };
        self.said.insert(step.csid, said);
    }

    fn possible_format(&self, step: &Step, delta: Option<u32>) -> u8 {
        let Some(said) = self.said.get(&step.csid) else { return 0 };
        let same_kind = said.length == step.payload.len() && said.type_id == step.type_id;
        if said.message_stream_id != step.message_stream_id {
            return 0;
        }
        match step.format {
            3 if same_kind && delta == Some(said.delta) => 3,
            2 | 3 if same_kind => 2,
            1..=3 => 1,
            _ => 0,
        }
    }

    fn extension_of_type_3(&mut self, csid: u32) {
        let said = self.said[&csid];
        if said.extended && self.repeats_extended {
            self.out.extend(said.delta.to_be_bytes());
        } else if said.extended {
            self.left_out.push((self.out.len(), said.delta.to_be_bytes()));
        }
    }

    /// Whether what follows a type-3 header looks like the timestamp that was left out there. No
    /// reader could tell.
    fn is_ambiguous(&self) -> bool {
        self.left_out.iter().any(|(position, timestamp)| {
            let end = self.out.len().min(position + timestamp.len());
            timestamp.starts_with(&self.out[*position..end])
        })
    }

    fn basic_header(&mut self, format: u8, csid: u32) {
        match csid {
            0..64 => self.out.push(format << 6 | csid as u8),
            64..320 => self.out.extend([format << 6, (csid - 64) as u8]),
            _ => {
                self.out.push(format << 6 | 1);
                self.out.extend(((csid - 64) as u16).to_le_bytes());
            }
        }
    }

    fn set_chunk_size(&mut self, size: u32) {
        self.control(1, size);
        self.chunk_size = size as usize;
    }

    /// On a chunk stream of its own, so that it does not disturb the others' headers.
    fn control(&mut self, type_id: u8, value: u32) {
        self.basic_header(0, 40);
        self.u24(0);
        self.u24(4);
        self.out.push(type_id);
        self.out.extend([0; 4]);
        for (index, chunk) in value.to_be_bytes().chunks(self.chunk_size).enumerate() {
            if index > 0 {
                self.basic_header(3, 40);
            }
            self.out.extend(chunk);
        }
    }

    fn u24(&mut self, value: u32) {
        self.out.extend(&value.to_be_bytes()[1..]);
    }
}

/// The messages, and what went wrong behind them.
fn read_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<RawMessage>, Option<String>) {
    let limits = Limits { bytes_before_publish: 1 << 24, ..Limits::default() };
    let mut reader = ChunkReader::new(&limits, 0);
    let mut messages = Vec::new();
    for mut piece in pieces {
        loop {
            match reader.read(&mut piece) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error.to_string())),
            }
        }
        assert!(piece.is_empty());
    }
    (messages, None)
}

proptest! {
    #[test]
    fn messages_come_out_as_written(steps in prop::collection::vec(step(), 1..12), repeats: bool) {
        let writer = Writer::write(steps, repeats);
        prop_assume!(!writer.is_ambiguous());
        prop_assert_eq!(read_pieces(std::iter::once(&writer.out[..])), (writer.expected, None));
    }

    #[test]
    fn a_split_at_any_byte_changes_nothing(
        steps in prop::collection::vec(step(), 1..6),
        repeats: bool,
        size in 1_usize..20,
    ) {
        let writer = Writer::write(steps, repeats);
        let whole = read_pieces(std::iter::once(&writer.out[..]));
        prop_assert_eq!(&read_pieces(writer.out.chunks(1)), &whole);
        prop_assert_eq!(&read_pieces(writer.out.chunks(size)), &whole);
        for cut in 0..writer.out.len() {
            let (head, tail) = writer.out.split_at(cut);
            prop_assert_eq!(&read_pieces([head, tail].into_iter()), &whole, "cut at {}", cut);
        }
    }

    #[test]
    fn our_writers_chunks_are_read_back(steps in prop::collection::vec(step(), 1..12)) {
        let mut writer = ChunkWriter::new();
        let mut out = Vec::new();
        let mut expected = Vec::new();
        for step in steps {
            if let Some(size) = step.chunk_size {
                writer.set_chunk_size(size, &mut out);
            }
            let message = RawMessage {
                csid: step.csid,
                timestamp_ms: step.timestamp,
                type_id: step.type_id,
                message_stream_id: step.message_stream_id,
                payload: Bytes::from(step.payload),
            };
            writer.write(&message, &mut out).unwrap();
            expected.push(message);
        }
        prop_assert_eq!(read_pieces(out.chunks(7)), (expected, None));
    }
}
