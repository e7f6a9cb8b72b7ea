//! The publisher's access units: pictures that come in several messages, and several in one.

use std::collections::VecDeque;
use std::ops::Range;

use h264::{NalType, ParsedSets, PictureId, SliceHeader, nal_type};
use media::{Duration, NalUnits, Timestamp};

use crate::message_error::MessageError;
use crate::source_segment::SAMPLE_COST;

/// What stands before a picture's first slice (SEI) and came in messages of its own is kept up to
/// so many bytes: captions of a picture have at most 1 200.
const MAX_PREFIX_BYTES: usize = 64 * 1024;

/// NAL units of such messages that are kept.
const MAX_PREFIX_NAL_UNITS: usize = 64;

/// Sound that is this much later than a picture of which more may come says that it is whole.
const PART_WAIT: Duration = Duration::from_millis(500);

/// Pictures in one message: nobody gathers more of a live stream. What comes behind them is of the
/// last one, and that is damaged then: a message of a few bytes a slice must not become thousands.
const MAX_PICTURES: usize = 16;

/// When a message with NAL units was sent, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// As RTMP has it, in milliseconds: parts of one picture have the same.
    pub(crate) message_ms: u32,
    /// The same in stream time.
    pub(crate) at: Timestamp,
    /// From decoding to display, as sent.
    pub(crate) composition_time: Duration,
    /// The wall clock when it came, in ms since 1970.
    pub(crate) arrival_unix_ms: i64,
}

/// All NAL units of a picture.
#[derive(Clone, Debug)]
pub(crate) struct CodedPicture {
    pub(crate) nal_units: NalUnits,
    /// When the message that it began with was sent.
    pub(crate) stamp: Stamp,
    /// So many pictures were before it in that message.
    pub(crate) place: u32,
}

/// Finds the access units in messages (14496-10 7.4.1.2.3, 7.4.1.2.4). Where slices cannot be read,
/// a message is a picture.
///
/// FLV has a picture in a message. From encoders that send NAL unit by NAL unit more may come of a
/// picture with the next message of the same stamp: the first picture waits for the next message
/// to show whether it is so, and all of them do once it is. Nothing else waits.
///
/// After every call that gives it something, drain [`poll`](Self::poll) to None.
#[derive(Debug, Default)]
pub(crate) struct AccessUnits {
    parting: Parting,
    /// The picture of which more may come.
    open: Option<Open>,
    /// The newest picture, whether it is open or not.
    newest: Option<Newest>,
    /// NAL units in front of the next picture's first slice, from messages without one.
    prefix: Vec<Box<[u8]>>,
    ready: VecDeque<Result<CodedPicture, MessageError>>,
}

/// Whether pictures come in parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Parting {
    /// The next picture shows it.
    #[default]
    Unknown,
    Whole,
    InParts,
}

#[derive(Debug)]
struct Open {
    picture: CodedPicture,
    /// NAL units of later messages. They are copied: a message may be far larger than what is
    /// taken of it.
    more: Vec<Box<[u8]>>,
    /// Bytes of all its NAL units.
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Newest {
    message_ms: u32,
    id: PictureId,
    has_first_macroblock: bool,
}

/// The NAL units of one message that are of one picture.
struct Run {
    places: Range<usize>,
    /// None where no slice of it could be read.
    slice: Option<Slice>,
}

/// What tells whose a slice is.
#[derive(Clone, Copy)]
struct Slice {
    id: PictureId,
    is_first_macroblock: bool,
}

impl CodedPicture {
    /// What it takes.
    pub(crate) fn held_bytes(&self) -> usize {
        SAMPLE_COST + self.nal_units.held_bytes()
    }
}

impl AccessUnits {
    /// What the picture that is not complete takes, and what waits for the next.
    pub(crate) fn held_bytes(&self) -> usize {
        let open = self.open.as_ref().map_or(0, |open| open.picture.held_bytes());
        let more = self.open.iter().flat_map(|open| &open.more);
        open + more.chain(&self.prefix).map(|nal_unit| nal_unit.len()).sum::<usize>()
    }

    /// Other parameters: how pictures come is open again.
    pub(crate) fn restart(&mut self) {
        self.close();
        self.parting = Parting::Unknown;
    }

    /// A message of this stamp comes next: a picture of an earlier one is whole.
    pub(crate) fn end_before(&mut self, message_ms: u32) {
        if self.open.as_ref().is_some_and(|it| it.picture.stamp.message_ms != message_ms) {
            self.close();
        }
    }

    /// Sound of this time comes: pictures have stopped, if it is far behind the last one.
    pub(crate) fn sound(&mut self, at: Timestamp) {
        if self.open.as_ref().is_some_and(|it| at - it.picture.stamp.at > PART_WAIT) {
            self.close();
        }
    }

    /// No more of the open picture comes.
    pub(crate) fn close(&mut self) {
        let Some(Open { mut picture, more, .. }) = self.open.take() else { return };
        if self.parting == Parting::Unknown {
            self.parting = Parting::Whole;
        }
        if !more.is_empty() {
            let more = more.iter().map(|nal_unit| &nal_unit[..]);
            picture.nal_units = picture.nal_units.iter().chain(more).collect();
        }
        self.ready.push_back(Ok(picture));
    }

    /// The next picture that is whole, or why a part of one was left out.
    pub(crate) fn poll(&mut self) -> Option<Result<CodedPicture, MessageError>> {
        self.ready.pop_front()
    }

    /// Takes the NAL units of a message, without parameter sets.
    pub(crate) fn push(&mut self, stamp: Stamp, nal_units: &NalUnits, sets: &ParsedSets) {
        self.end_before(stamp.message_ms);
        let runs = runs(nal_units, sets);
        let count = runs.len();
        for (place, run) in (0u32..).zip(runs) {
            let part = nal_units.select(run.places);
            if !part.iter().any(is_slice) {
                self.keep_prefix(&part);
                continue;
            }
            if place == 0 && self.continues(stamp, run.slice) {
                self.take_part(&part);
                continue;
            }
            self.close();
            self.newest = run.slice.map(|slice| Newest {
                message_ms: stamp.message_ms,
                id: slice.id,
                has_first_macroblock: slice.is_first_macroblock,
            });
            let part = self.with_prefix(part);
            let picture = CodedPicture { nal_units: part, stamp, place };
            let is_last = place as usize + 1 == count;
            if is_last && self.parting != Parting::Whole && run.slice.is_some() {
                let bytes = picture.nal_units.payload_bytes();
                self.open = Some(Open { picture, more: Vec::new(), bytes });
            } else {
                self.ready.push_back(Ok(picture));
            }
        }
    }

    /// Whether a slice at the front of a message is of the picture before it.
    fn continues(&self, stamp: Stamp, slice: Option<Slice>) -> bool {
        let (Some(newest), Some(slice)) = (self.newest, slice) else { return false };
        // Encoders that number nothing (pictures that are all IDR) have equal headers.
        let is_again = newest.has_first_macroblock
            && slice.is_first_macroblock
            && !newest.id.differs(&slice.id);
        newest.message_ms == stamp.message_ms && !is_another(newest.id, slice.id) && !is_again
    }

    /// Takes more NAL units of the newest picture.
    fn take_part(&mut self, part: &NalUnits) {
        self.parting = Parting::InParts;
        let Some(open) = &mut self.open else {
            return self.ready.push_back(Err(MessageError::LatePart));
        };
        let limit = h264::Limits::default().max_nal_units;
        let count = open.picture.nal_units.len() + open.more.len() + part.len();
        if count > limit {
            let error = h264::Error::TooManyNalUnits { limit, position: open.bytes };
            return self.ready.push_back(Err(error.into()));
        }
        let (bytes, limit) =
            (open.bytes + part.payload_bytes(), codec::Limits::default().max_access_unit_bytes);
        if bytes > limit {
            return self.ready.push_back(Err(MessageError::PictureTooLarge { bytes, limit }));
        }
        open.bytes = bytes;
        open.more.extend(part.iter().map(Box::from));
    }

    fn keep_prefix(&mut self, part: &NalUnits) {
        let bytes: usize = self.prefix.iter().map(|nal_unit| nal_unit.len()).sum();
        let is_full = bytes + part.payload_bytes() > MAX_PREFIX_BYTES
            || self.prefix.len() + part.len() > MAX_PREFIX_NAL_UNITS;
        if !is_full {
            self.prefix.extend(part.iter().map(Box::from));
        }
    }

    fn with_prefix(&mut self, part: NalUnits) -> NalUnits {
        if self.prefix.is_empty() {
            return part;
        }
        let prefix = std::mem::take(&mut self.prefix);
        prefix.iter().map(|nal_unit| &nal_unit[..]).chain(part.iter()).collect()
    }
}

/// Puts the NAL units of a message into those of each picture. What stands between the last slice
/// of one and the first of the next is of the next (7.4.1.2.3).
fn runs(nal_units: &NalUnits, sets: &ParsedSets) -> Vec<Run> {
    let mut runs = Vec::with_capacity(1);
    let mut run = Run { places: 0..0, slice: None };
    // Of NAL units since the last slice: the first that may be of the next picture.
    let mut next_begins = None;
    for (place, nal_unit) in nal_units.iter().enumerate() {
        if !is_slice(nal_unit) {
            if belongs_to_next(nal_unit) {
                next_begins.get_or_insert(place);
            }
            continue;
        }
        let border = next_begins.take().unwrap_or(place);
        let Some(slice) = Slice::read(nal_unit, sets) else { continue };
        // Within a message equal headers are those of one picture, of which slices are repeated.
        let begins = run.slice.is_some_and(|first| is_another(first.id, slice.id));
        if begins && runs.len() + 1 < MAX_PICTURES {
            runs.push(Run { places: run.places.start..border, ..run });
            run = Run { places: border..border, slice: None };
        }
        run.slice.get_or_insert(slice);
    }
    runs.push(Run { places: run.places.start..nal_units.len(), ..run });
    runs
}

/// Whether they are two pictures. Fields of one frame stay together, as they are shown at one time.
fn is_another(before: PictureId, next: PictureId) -> bool {
    before.differs(&next) && !next.is_second_field_of(&before)
}

impl Slice {
    /// None of a slice whose header cannot be read, and of one that repeats another.
    fn read(nal_unit: &[u8], sets: &ParsedSets) -> Option<Self> {
        let header = SliceHeader::parse_start(nal_unit, |id| sets.of_pps(id)).ok()?;
        let is_first_macroblock = header.first_mb_in_slice == 0 && header.colour_plane_id == 0;
        (header.redundant_pic_cnt == 0)
            .then(|| Self { id: PictureId::of(&header), is_first_macroblock })
    }
}

fn is_slice(nal_unit: &[u8]) -> bool {
    matches!(nal_type(nal_unit), NalType::Slice | NalType::PartitionA | NalType::Idr)
}

/// NAL units that begin an access unit where they come behind a slice; others, such as partitions
/// and the slices of extensions, go with the slice before them.
fn belongs_to_next(nal_unit: &[u8]) -> bool {
    matches!(nal_type(nal_unit), NalType::Sei | NalType::Other(14..=18))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x264: 320x240 with three slices a picture, as `nal_per_message.flv` of the field has it.
    fn sets() -> ParsedSets {
        let sets = [
            &b"\x67\x64\x00\x0d\xac\xb4\x0a\x0f\xd0\x80\x00\x00\x03\x00\x80\x00\x00\x19\x47\x8a\x15\x50"[..],
            &b"\x68\xef\x3c\xb0"[..],
        ];
        ParsedSets::new(&sets.into_iter().collect())
    }

    const SEI: &[u8] = b"\x06\x05\x01\x00\x80";

    /// A slice of a P picture: `first_mb_in_slice` 0 or 7, `slice_type` 5, PPS 0, `frame_num`.
    fn slice(first_mb: u32, frame_num: u8) -> Vec<u8> {
        let first_mb = if first_mb == 0 { "1" } else { "0001000" };
        let bits = format!("{:0<32}", format!("{first_mb}001101{frame_num:04b}"));
        let header = u32::from_str_radix(&bits, 2).unwrap();
        std::iter::once(0x41).chain(header.to_be_bytes()).collect()
    }

    fn stamp(ms: u32) -> Stamp {
        let at = Timestamp::from_millis(ms.into());
        Stamp { message_ms: ms, at, composition_time: Duration::ZERO, arrival_unix_ms: 0 }
    }

    fn push(units: &mut AccessUnits, ms: u32, nal_units: &[&[u8]]) {
        units.push(stamp(ms), &nal_units.iter().copied().collect(), &sets());
    }

    /// NAL units of each picture that is whole by now, and its stamp.
    fn whole(units: &mut AccessUnits) -> Vec<(u32, usize)> {
        let mut whole = Vec::new();
        while let Some(picture) = units.poll() {
            let picture = picture.unwrap();
            whole.push((picture.stamp.message_ms, picture.nal_units.len()));
        }
        whole
    }

    #[test]
    fn case_03_a_nal_unit_a_message_is_put_together_by_stamp_and_slice() {
        let mut units = AccessUnits::default();
        push(&mut units, 0, &[SEI]);
        for (n, ms) in [(0, 0), (1, 40), (2, 80)] {
            push(&mut units, ms, &[&slice(0, n)]);
            push(&mut units, ms, &[&slice(7, n)]);
            push(&mut units, ms, &[&slice(7, n)]);
        }
        assert_eq!(whole(&mut units), [(0, 4), (40, 3)]);
        units.close();
        assert_eq!(whole(&mut units), [(80, 3)]);
    }

    #[test]
    fn case_03_pictures_that_come_whole_wait_for_nothing_but_the_first() {
        let mut units = AccessUnits::default();
        push(&mut units, 0, &[&slice(0, 0), &slice(7, 0)]);
        assert_eq!(whole(&mut units), []);
        push(&mut units, 40, &[&slice(0, 1)]);
        assert_eq!(whole(&mut units), [(0, 2), (40, 1)]);
        push(&mut units, 80, &[&slice(0, 2)]);
        assert_eq!(whole(&mut units), [(80, 1)]);
    }

    #[test]
    fn case_03_two_pictures_in_one_message_are_two() {
        let mut units = AccessUnits::default();
        push(&mut units, 0, &[SEI, &slice(0, 0), &slice(7, 0), SEI, &slice(0, 1), &slice(7, 1)]);
        push(&mut units, 80, &[&slice(0, 2), &slice(0, 3)]);
        let mut pictures = Vec::new();
        while let Some(Ok(picture)) = units.poll() {
            pictures.push((picture.stamp.message_ms, picture.place, picture.nal_units.len()));
        }
        assert_eq!(pictures, [(0, 0, 3), (0, 1, 3), (80, 0, 1), (80, 1, 1)]);
    }

    #[test]
    fn case_03_parts_behind_whole_pictures_are_named_once_and_then_awaited() {
        let mut units = AccessUnits::default();
        push(&mut units, 0, &[&slice(0, 0)]);
        push(&mut units, 40, &[&slice(0, 1)]);
        assert_eq!(whole(&mut units), [(0, 1), (40, 1)]);
        push(&mut units, 40, &[&slice(7, 1)]);
        assert!(matches!(units.poll(), Some(Err(MessageError::LatePart))));
        push(&mut units, 80, &[&slice(0, 2)]);
        push(&mut units, 80, &[&slice(7, 2)]);
        assert_eq!(whole(&mut units), []);
        units.sound(Timestamp::from_millis(600));
        assert_eq!(whole(&mut units), [(80, 2)]);
    }

    #[test]
    fn slices_that_repeat_are_of_one_picture_and_a_message_has_few_of_them() {
        let mut units = AccessUnits::default();
        let slice_0 = slice(0, 0);
        push(&mut units, 0, &[&slice_0[..]; 400]);
        push(&mut units, 40, &[&slice(0, 1)]);
        assert_eq!(whole(&mut units), [(0, 400), (40, 1)]);
        let many: Vec<Vec<u8>> = (0..400_u32).map(|n| slice(0, (n % 16) as u8)).collect();
        push(&mut units, 80, &many.iter().map(|slice| &slice[..]).collect::<Vec<_>>());
        let pictures = whole(&mut units);
        assert_eq!((pictures.len(), pictures.last()), (MAX_PICTURES, Some(&(80, 385))));
    }

    #[test]
    fn what_cannot_be_read_is_a_picture_a_message() {
        let mut units = AccessUnits::default();
        let nal_units: NalUnits = [&b"\x41\xe0"[..], b"\x41\xe0"].into_iter().collect();
        units.push(stamp(0), &nal_units, &ParsedSets::default());
        units.push(stamp(0), &nal_units, &ParsedSets::default());
        assert_eq!(whole(&mut units), [(0, 2), (0, 2)]);
    }
}
