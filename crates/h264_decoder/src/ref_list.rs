//! Reference picture lists (ITU-T H.264 8.2.4).

use h264::{ModificationOfPicNums, SliceHeader, SliceType};

use crate::frame::{Frame, Structure};
use crate::mb::Position;

/// A reference to a frame of the pool or to a field of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RefPic {
    pub(crate) slot: u8,
    pub(crate) structure: Structure,
    pub(crate) is_long_term: bool,
}

impl RefPic {
    /// What tells it from every other picture: never 0.
    pub(crate) fn id(self) -> u8 {
        self.slot * 4 + self.structure as u8
    }

    /// The slot and the fields of an [`Self::id`].
    pub(crate) fn of_id(id: u8) -> (u8, u8) {
        (id / 4, id % 4)
    }
}

/// `RefPicList0` and `RefPicList1`; entries behind those that are active are not to be relied on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RefLists {
    pub(crate) entries: [[RefPic; 32]; 2],
    /// Entries for which there was no picture, and another stands in.
    pub(crate) missing: usize,
}

impl RefLists {
    /// What a reference index of a macroblock refers to: in field macroblocks of frames each entry
    /// is two fields (8.4.2.1), that of the same parity first.
    #[inline]
    pub(crate) fn of(
        &self,
        list: usize,
        ref_idx: usize,
        position: Position,
        is_mbaff: bool,
    ) -> RefPic {
        if is_mbaff && position.is_field {
            let frame = self.entries[list][(ref_idx >> 1) & 31];
            let same = position.structure();
            let structure = if ref_idx & 1 == 0 { same } else { same.opposite() };
            return RefPic { structure, ..frame };
        }
        self.entries[list][ref_idx & 31]
    }

    /// The lists of a slice. `current` is the slot of the frame that is decoded, whose first field
    /// a second field may refer to; it is among `frames` all the same. None where there is no
    /// reference picture at all.
    pub(crate) fn new(
        header: &SliceHeader,
        frames: &[Frame],
        current: CurrentPicture,
    ) -> Option<Self> {
        let mut lists = Self::default();
        let count = match header.slice_type {
            SliceType::I | SliceType::Si => return Some(lists),
            SliceType::P | SliceType::Sp => 1,
            SliceType::B => 2,
        };
        let initial = initial_lists(count == 2, frames, current);
        for list in 0..count {
            let active = usize::from(header.num_ref_idx_active[list]).min(32);
            let mut entries = [None; 33];
            for (entry, &initial) in entries.iter_mut().zip(&initial[list]) {
                *entry = Some(initial);
            }
            entries[active..].fill(None);
            let commands = &header.ref_pic_list_modification[list];
            modify(&mut entries, active, commands, frames, current);
            for (entry, found) in lists.entries[list].iter_mut().zip(entries).take(active) {
                // Something has to stand in for what is missing: the picture nearest in time.
                *entry = match found {
                    Some(found) => found,
                    None => {
                        lists.missing += 1;
                        nearest(frames, current)?
                    }
                };
            }
        }
        Some(lists)
    }
}

/// The picture that lists are made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CurrentPicture {
    pub(crate) slot: u8,
    pub(crate) structure: Structure,
    pub(crate) frame_num: u32,
    pub(crate) max_frame_num: u32,
    /// The picture's.
    pub(crate) pic_order_cnt: i32,
}

impl CurrentPicture {
    /// `FrameNumWrap` (8-27).
    pub(crate) fn frame_num_wrap(self, frame: &Frame) -> i64 {
        let frame_num = i64::from(frame.marking.frame_num);
        if frame.marking.frame_num > self.frame_num {
            frame_num - i64::from(self.max_frame_num)
        } else {
            frame_num
        }
    }

    /// `PicNum` of a field with the current one's parity, or of a frame, by `FrameNumWrap` (8-28,
    /// 8-30, 8-31); `LongTermPicNum` by `LongTermFrameIdx` (8-29, 8-32, 8-33).
    fn pic_num(self, number: i64, structure: Structure) -> i64 {
        if !self.structure.is_field() {
            number
        } else {
            2 * number + i64::from(structure == self.structure)
        }
    }

    /// `CurrPicNum` and `MaxPicNum`.
    pub(crate) fn numbers(self) -> (i64, i64) {
        let (frame_num, max) = (i64::from(self.frame_num), i64::from(self.max_frame_num));
        if self.structure.is_field() { (2 * frame_num + 1, 2 * max) } else { (frame_num, max) }
    }
}

fn initial_lists(is_b: bool, frames: &[Frame], current: CurrentPicture) -> [Vec<RefPic>; 2] {
    let mut short: Vec<usize> = Vec::with_capacity(frames.len());
    let mut long: Vec<usize> = Vec::with_capacity(frames.len());
    for (slot, frame) in frames.iter().enumerate() {
        let marking = &frame.marking;
        if is_b && marking.is_without_order {
            continue;
        }
        if current.structure.is_field() {
            // Frames of which any field is a reference; the first field of the current frame is
            // among them.
            if marking.short_term != 0 {
                short.push(slot);
            }
            if marking.long_term != 0 {
                long.push(slot);
            }
        } else if slot != usize::from(current.slot) {
            if marking.short_term == 3 {
                short.push(slot);
            }
            if marking.long_term == 3 {
                long.push(slot);
            }
        }
    }
    long.sort_by_key(|&slot| frames[slot].marking.long_term_frame_idx);
    let is_field = current.structure.is_field();
    let list = |short: &[usize]| -> Vec<RefPic> {
        if is_field {
            let mut list = Vec::with_capacity(32);
            alternate(&mut list, short, frames, current, false);
            alternate(&mut list, &long, frames, current, true);
            list
        } else {
            let of = |&slot: &usize, is_long_term| RefPic {
                slot: slot as u8,
                structure: Structure::Frame,
                is_long_term,
            };
            let short = short.iter().map(|slot| of(slot, false));
            short.chain(long.iter().map(|slot| of(slot, true))).collect()
        }
    };
    if !is_b {
        // By descending PicNum (8.2.4.2.1), of fields by FrameNumWrap (8.2.4.2.2).
        short.sort_by_key(|&slot| std::cmp::Reverse(current.frame_num_wrap(&frames[slot])));
        return [list(&short), Vec::new()];
    }
    // By distance in output order, first those before, or behind (8.2.4.2.3, 8.2.4.2.4). Of a frame
    // with one field decoded or marked, that field's order counts.
    let order = |slot: usize| {
        let marking = &frames[slot].marking;
        if is_field {
            // Of fields that are references, or of the current frame's first field.
            let fields =
                if slot == usize::from(current.slot) { marking.short_term } else { marking.fields };
            marking.pic_order_cnt_of(fields)
        } else {
            marking.pic_order_cnt_of(3)
        }
    };
    let (mut before, mut behind): (Vec<usize>, Vec<usize>) = short.into_iter().partition(|&slot| {
        if is_field {
            order(slot) <= current.pic_order_cnt
        } else {
            order(slot) < current.pic_order_cnt
        }
    });
    before.sort_by_key(|&slot| std::cmp::Reverse(order(slot)));
    behind.sort_by_key(|&slot| order(slot));
    let list_0 = list(&[&before[..], &behind].concat());
    let mut list_1 = list(&[&behind[..], &before].concat());
    if list_1.len() > 1 && list_0 == list_1 {
        list_1.swap(0, 1);
    }
    [list_0, list_1]
}

/// Fields in turn of the same and of the other parity, as far as each is a reference (8.2.4.2.5).
fn alternate(
    list: &mut Vec<RefPic>,
    slots: &[usize],
    frames: &[Frame],
    current: CurrentPicture,
    is_long_term: bool,
) {
    let fields_of = |structure: Structure| {
        slots.iter().filter_map(move |&slot| {
            let marking = &frames[slot].marking;
            let marked = if is_long_term { marking.long_term } else { marking.short_term };
            (marked & structure.parities() != 0).then_some(RefPic {
                slot: slot as u8,
                structure,
                is_long_term,
            })
        })
    };
    let mut same = fields_of(current.structure);
    let mut other = fields_of(current.structure.opposite());
    loop {
        let Some(field) = same.next() else {
            list.extend(other);
            return;
        };
        list.push(field);
        let Some(field) = other.next() else {
            list.extend(same);
            return;
        };
        list.push(field);
    }
}

/// Modification of a list (8.2.4.3).
fn modify(
    entries: &mut [Option<RefPic>; 33],
    active: usize,
    commands: &[ModificationOfPicNums],
    frames: &[Frame],
    current: CurrentPicture,
) {
    let (current_number, max_number) = current.numbers();
    let mut predicted = current_number;
    for (index, command) in commands.iter().enumerate().take(active) {
        let wanted = match *command {
            ModificationOfPicNums::Subtract { abs_diff_pic_num_minus1 } => {
                predicted -= i64::from(abs_diff_pic_num_minus1) + 1;
                if predicted < 0 {
                    predicted += max_number;
                }
                short_term(pic_num_of(predicted, current_number, max_number), frames, current)
            }
            ModificationOfPicNums::Add { abs_diff_pic_num_minus1 } => {
                predicted += i64::from(abs_diff_pic_num_minus1) + 1;
                if predicted >= max_number {
                    predicted -= max_number;
                }
                short_term(pic_num_of(predicted, current_number, max_number), frames, current)
            }
            ModificationOfPicNums::LongTerm { long_term_pic_num } => {
                long_term(long_term_pic_num.into(), frames, current)
            }
        };
        // A picture that is missing leaves its place empty, and the others where they would be.
        entries.copy_within(index..active, index + 1);
        entries[index] = wanted;
        let mut kept = index + 1;
        for place in index + 1..=active {
            if wanted.is_none() || entries[place] != wanted {
                entries[kept] = entries[place];
                kept += 1;
            }
        }
        entries[active] = None;
    }
}

/// (8-36)
fn pic_num_of(predicted: i64, current_number: i64, max_number: i64) -> i64 {
    if predicted > current_number { predicted - max_number } else { predicted }
}

/// The short-term reference picture with a `PicNum`.
pub(crate) fn short_term(
    pic_num: i64,
    frames: &[Frame],
    current: CurrentPicture,
) -> Option<RefPic> {
    find(frames, current, false, |frame, structure| {
        current.pic_num(current.frame_num_wrap(frame), structure) == pic_num
    })
}

/// The long-term reference picture with a `LongTermPicNum`.
pub(crate) fn long_term(
    long_term_pic_num: i64,
    frames: &[Frame],
    current: CurrentPicture,
) -> Option<RefPic> {
    find(frames, current, true, |frame, structure| {
        current.pic_num(frame.marking.long_term_frame_idx.into(), structure) == long_term_pic_num
    })
}

fn find(
    frames: &[Frame],
    current: CurrentPicture,
    is_long_term: bool,
    is_wanted: impl Fn(&Frame, Structure) -> bool,
) -> Option<RefPic> {
    let structures: &[Structure] = if current.structure.is_field() {
        &[Structure::Top, Structure::Bottom]
    } else {
        &[Structure::Frame]
    };
    for (slot, frame) in frames.iter().enumerate() {
        if slot == usize::from(current.slot) && !current.structure.is_field() {
            continue;
        }
        let marking = &frame.marking;
        let marked = if is_long_term { marking.long_term } else { marking.short_term };
        for &structure in structures {
            let parities = structure.parities();
            if marked & parities == parities && is_wanted(frame, structure) {
                return Some(RefPic { slot: slot as u8, structure, is_long_term });
            }
        }
    }
    None
}

/// The picture that is nearest in output order, of those that are references, else of all that are
/// decoded.
fn nearest(frames: &[Frame], current: CurrentPicture) -> Option<RefPic> {
    let distance = |frame: &Frame| {
        let order = frame.marking.pic_order_cnt_of(frame.marking.fields);
        (i64::from(order) - i64::from(current.pic_order_cnt)).abs()
    };
    let candidates = || {
        frames
            .iter()
            .enumerate()
            .filter(|&(slot, frame)| frame.marking.fields == 3 && slot != usize::from(current.slot))
    };
    let (slot, _) = candidates()
        .filter(|(_, frame)| frame.marking.is_reference())
        .min_by_key(|(_, frame)| distance(frame))
        .or_else(|| candidates().min_by_key(|(_, frame)| distance(frame)))?;
    Some(RefPic { slot: slot as u8, structure: current.structure, is_long_term: false })
}

#[cfg(test)]
mod tests {
    use h264::{ModificationOfPicNums, SliceType};

    use super::*;

    fn frame(frame_num: u32, orders: [i32; 2], short_term: u8, long_term: u8) -> Frame {
        let mut frame = Frame::default();
        let marking = &mut frame.marking;
        (marking.frame_num, marking.pic_order_cnt, marking.fields) = (frame_num, orders, 3);
        (marking.short_term, marking.long_term) = (short_term, long_term);
        marking.long_term_frame_idx = frame_num;
        frame
    }

    fn current(structure: Structure, frame_num: u32, pic_order_cnt: i32) -> CurrentPicture {
        CurrentPicture { slot: 15, structure, frame_num, max_frame_num: 16, pic_order_cnt }
    }

    fn slots(list: &[RefPic]) -> Vec<u8> {
        list.iter().map(|entry| entry.slot).collect()
    }

    #[test]
    fn s8_2_4_2_1_p_frames_by_pic_num_then_long_term() {
        // frame_num 14 is before the wrap: PicNum -2.
        let frames = [
            frame(14, [0, 0], 3, 0),
            frame(1, [2, 2], 3, 0),
            frame(2, [4, 4], 3, 0),
            frame(5, [6, 6], 0, 3),
            frame(0, [8, 8], 0, 3),
            frame(3, [9, 9], 1, 0),
        ];
        let [list, _] = initial_lists(false, &frames, current(Structure::Frame, 3, 20));
        assert_eq!(slots(&list), [2, 1, 0, 4, 3], "a single field is no reference of a frame");
    }

    #[test]
    fn s8_2_4_2_3_b_frames_by_output_order() {
        let frames = [
            frame(0, [0, 0], 3, 0),
            frame(1, [16, 16], 3, 0),
            frame(2, [8, 8], 3, 0),
            frame(3, [24, 24], 3, 0),
        ];
        let [list_0, list_1] = initial_lists(true, &frames, current(Structure::Frame, 4, 12));
        assert_eq!((slots(&list_0), slots(&list_1)), (vec![2, 0, 1, 3], vec![1, 3, 2, 0]));
        // Both lists alike: the second begins with the second.
        let [list_0, list_1] = initial_lists(true, &frames, current(Structure::Frame, 4, 30));
        assert_eq!((slots(&list_0), slots(&list_1)), (vec![3, 1, 2, 0], vec![1, 3, 2, 0]));
    }

    #[test]
    fn s8_2_4_2_3_inferred_frames_are_in_no_list_of_b_slices() {
        let mut frames = [frame(0, [0, 0], 3, 0), frame(1, [0, 0], 3, 0), frame(2, [8, 8], 3, 0)];
        frames[1].marking.is_without_order = true;
        let [list_0, list_1] = initial_lists(true, &frames, current(Structure::Frame, 3, 4));
        assert_eq!((slots(&list_0), slots(&list_1)), (vec![0, 2], vec![2, 0]));
        let [list, _] = initial_lists(false, &frames, current(Structure::Frame, 3, 4));
        assert_eq!(slots(&list), [2, 1, 0]);
    }

    #[test]
    fn s8_2_4_2_5_fields_alternate() {
        let frames = [frame(0, [0, 1], 3, 0), frame(1, [4, 5], 2, 0), frame(2, [8, 9], 3, 0)];
        let [list, _] = initial_lists(false, &frames, current(Structure::Bottom, 3, 13));
        let expected = [
            (2, Structure::Bottom),
            (2, Structure::Top),
            (1, Structure::Bottom),
            (0, Structure::Top),
            (0, Structure::Bottom),
        ];
        let actual: Vec<_> = list.iter().map(|entry| (entry.slot, entry.structure)).collect();
        assert_eq!(actual, expected);
    }

    #[test]
    fn s8_2_4_3_modification_moves_pictures_to_the_front() {
        let frames: Vec<Frame> =
            (0..4).map(|index| frame(index, [2 * index as i32; 2], 3, 0)).collect();
        let current = current(Structure::Frame, 4, 20);
        let mut entries = [None; 33];
        let [initial, _] = initial_lists(false, &frames, current);
        for (entry, initial) in entries.iter_mut().zip(initial) {
            *entry = Some(initial);
        }
        // PicNum 4 - 4 = 0, then 0 + 2 = 2.
        let commands = [
            ModificationOfPicNums::Subtract { abs_diff_pic_num_minus1: 3 },
            ModificationOfPicNums::Add { abs_diff_pic_num_minus1: 1 },
        ];
        modify(&mut entries, 4, &commands, &frames, current);
        let actual: Vec<u8> = entries.iter().flatten().map(|entry| entry.slot).collect();
        assert_eq!(actual, [0, 2, 3, 1]);
    }

    #[test]
    fn a_missing_picture_is_stood_in_for_by_the_nearest() {
        let frames = [frame(0, [0, 0], 3, 0), frame(1, [90, 90], 3, 0)];
        let mut header = crate::test_streams::p_slice_header();
        assert_eq!(header.slice_type, SliceType::P);
        header.num_ref_idx_active = [2, 0];
        header.ref_pic_list_modification[0]
            .push(ModificationOfPicNums::Subtract { abs_diff_pic_num_minus1: 5 });
        let current = current(Structure::Frame, 8, 80);
        let lists = RefLists::new(&header, &frames, current).unwrap();
        assert_eq!((lists.entries[0][0].slot, lists.entries[0][1].slot), (1, 1));
        assert_eq!(lists.missing, 1);
        assert_eq!(RefLists::new(&header, &[], current), None);
    }
}
