//! The decoded picture buffer: marking of reference pictures (ITU-T H.264 8.2.5), and which picture
//! is output next (C.4).

use h264::{DecRefPicMarking, MemoryManagementControl};
use media::Timestamp;

use crate::frame::{Frame, Structure};
use crate::ref_list::{self, CurrentPicture};

/// What a frame of the pool is at the moment. Bits of fields: 1 the top, 2 the bottom one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marking {
    /// Fields that are decoded, or are being decoded.
    pub(crate) fields: u8,
    /// Fields "used for short-term reference".
    pub(crate) short_term: u8,
    /// Fields "used for long-term reference".
    pub(crate) long_term: u8,
    pub(crate) frame_num: u32,
    pub(crate) long_term_frame_idx: u32,
    /// `TopFieldOrderCnt` and `BottomFieldOrderCnt`.
    pub(crate) pic_order_cnt: [i32; 2],
    pub(crate) is_mbaff: bool,
    /// Inferred for a gap in `frame_num` (8.2.5.2), or made up for want of another: it is never
    /// output.
    pub(crate) is_non_existing: bool,
    /// B slices do not refer to it: it is inferred, and has no order (8.2.4.2.3, 8.2.4.2.4).
    pub(crate) is_without_order: bool,
    /// "Needed for output".
    pub(crate) is_waiting: bool,
    /// Handed out, and not taken yet.
    pub(crate) is_queued: bool,
    pub(crate) facts: PictureFacts,
}

/// What is told of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PictureFacts {
    pub(crate) pts: Timestamp,
    pub(crate) concealed_macroblocks: u32,
    pub(crate) missing_references: u32,
    pub(crate) is_idr: bool,
    pub(crate) is_interlaced: bool,
    pub(crate) shown: Shown,
}

/// The rectangle of a frame that is shown, in luma samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) left: usize,
    pub(crate) top: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Marking {
    pub(crate) fn is_reference(&self) -> bool {
        self.short_term | self.long_term != 0
    }

    pub(crate) fn is_free(&self) -> bool {
        !self.is_reference() && !self.is_waiting && !self.is_queued
    }

    /// `PicOrderCnt` of some of the fields (8-1).
    pub(crate) fn pic_order_cnt_of(&self, fields: u8) -> i32 {
        let [top, bottom] = self.pic_order_cnt;
        match fields & 3 {
            1 => top,
            2 => bottom,
            _ => top.min(bottom),
        }
    }

    fn forget(&mut self, fields: u8) {
        self.short_term &= !fields;
        self.long_term &= !fields;
    }
}

/// Marks a decoded picture and what it says of others (8.2.5.1). `max_num_ref_frames` is at least
/// 1; `max_long_term_frame_idx` is None for "no long-term frame indices".
pub(crate) fn mark(
    frames: &mut [Frame],
    current: CurrentPicture,
    marking: &DecRefPicMarking,
    max_num_ref_frames: usize,
    max_long_term_frame_idx: &mut Option<u32>,
) {
    let slot = usize::from(current.slot);
    let fields = current.structure.parities();
    match marking {
        DecRefPicMarking::NonReference => return,
        DecRefPicMarking::Idr { long_term_reference_flag, .. } => {
            for (index, frame) in frames.iter_mut().enumerate() {
                // The first field of an IDR frame stays what it is.
                if index != slot {
                    frame.marking.forget(3);
                }
            }
            *max_long_term_frame_idx = long_term_reference_flag.then_some(0);
            let marking = &mut frames[slot].marking;
            if *long_term_reference_flag {
                marking.long_term |= fields;
                marking.long_term_frame_idx = 0;
            } else {
                marking.short_term |= fields;
            }
            return;
        }
        DecRefPicMarking::SlidingWindow => {
            // The second field of a reference frame has its place already.
            if frames[slot].marking.short_term == 0 {
                slide_window(frames, current, max_num_ref_frames);
            }
        }
        DecRefPicMarking::Adaptive(commands) => {
            for &command in commands {
                obey(frames, current, command, max_long_term_frame_idx);
            }
        }
    }
    if frames[slot].marking.long_term & fields == 0 {
        frames[slot].marking.short_term |= fields;
    }
    // More references than there may be are a mistake of the encoder: the buffer must not grow by
    // it.
    let count =
        |frames: &[Frame]| frames.iter().filter(|frame| frame.marking.is_reference()).count();
    while count(frames) > max_num_ref_frames {
        let oldest = frames
            .iter()
            .enumerate()
            .filter(|&(index, frame)| index != slot && frame.marking.is_reference())
            .min_by_key(|(_, frame)| (frame.marking.long_term != 0, current.frame_num_wrap(frame)));
        let Some((oldest, _)) = oldest else { break };
        frames[oldest].marking.forget(3);
    }
}

/// Sliding window marking (8.2.5.3): makes room for the current picture.
pub(crate) fn slide_window(
    frames: &mut [Frame],
    current: CurrentPicture,
    max_num_ref_frames: usize,
) {
    let slot = usize::from(current.slot);
    let others = |frames: &[Frame]| {
        let is_reference =
            |(index, frame): &(usize, &Frame)| *index != slot && frame.marking.is_reference();
        frames.iter().enumerate().filter(is_reference).count()
    };
    while others(frames) >= max_num_ref_frames {
        let oldest = frames
            .iter()
            .enumerate()
            .filter(|&(index, frame)| index != slot && frame.marking.short_term != 0)
            .min_by_key(|(_, frame)| current.frame_num_wrap(frame));
        let Some((oldest, _)) = oldest else { return };
        frames[oldest].marking.short_term = 0;
    }
}

/// One `memory_management_control_operation` (8.2.5.4).
fn obey(
    frames: &mut [Frame],
    current: CurrentPicture,
    command: MemoryManagementControl,
    max_long_term_frame_idx: &mut Option<u32>,
) {
    let slot = usize::from(current.slot);
    let pic_num = |difference_of_pic_nums_minus1: u32| {
        current.numbers().0 - (i64::from(difference_of_pic_nums_minus1) + 1)
    };
    match command {
        MemoryManagementControl::ShortTermUnused { difference_of_pic_nums_minus1 } => {
            let number = pic_num(difference_of_pic_nums_minus1);
            if let Some(found) = ref_list::short_term(number, frames, current) {
                frames[usize::from(found.slot)].marking.short_term &= !found.structure.parities();
            }
        }
        MemoryManagementControl::LongTermUnused { long_term_pic_num } => {
            if let Some(found) = ref_list::long_term(long_term_pic_num.into(), frames, current) {
                frames[usize::from(found.slot)].marking.long_term &= !found.structure.parities();
            }
        }
        MemoryManagementControl::AssignLongTerm {
            difference_of_pic_nums_minus1,
            long_term_frame_idx,
        } => {
            let number = pic_num(difference_of_pic_nums_minus1);
            if let Some(found) = ref_list::short_term(number, frames, current) {
                let found_slot = usize::from(found.slot);
                free_long_term_frame_idx(frames, long_term_frame_idx, found_slot);
                let marking = &mut frames[found_slot].marking;
                marking.short_term &= !found.structure.parities();
                marking.long_term |= found.structure.parities();
                marking.long_term_frame_idx = long_term_frame_idx;
            }
        }
        MemoryManagementControl::MaxLongTermFrameIdx { max_long_term_frame_idx_plus1 } => {
            *max_long_term_frame_idx = max_long_term_frame_idx_plus1.checked_sub(1);
            for frame in frames {
                if frame.marking.long_term_frame_idx >= max_long_term_frame_idx_plus1 {
                    frame.marking.long_term = 0;
                }
            }
        }
        MemoryManagementControl::Reset => {
            for frame in frames {
                frame.marking.forget(3);
            }
            *max_long_term_frame_idx = None;
        }
        MemoryManagementControl::CurrentLongTerm { long_term_frame_idx } => {
            free_long_term_frame_idx(frames, long_term_frame_idx, slot);
            let marking = &mut frames[slot].marking;
            marking.long_term |= current.structure.parities();
            marking.long_term_frame_idx = long_term_frame_idx;
        }
    }
}

/// An index is of one frame: another that has it is forgotten, and so is a field of the same frame
/// with another index.
fn free_long_term_frame_idx(frames: &mut [Frame], long_term_frame_idx: u32, slot: usize) {
    for (index, frame) in frames.iter_mut().enumerate() {
        let has_it = frame.marking.long_term_frame_idx == long_term_frame_idx;
        if (index == slot) != has_it {
            frame.marking.long_term = 0;
        }
    }
}

/// The frame that is output next: that with the lowest order (C.4.5.3).
pub(crate) fn next_output(frames: &[Frame]) -> Option<usize> {
    frames
        .iter()
        .enumerate()
        .filter(|(_, frame)| frame.marking.is_waiting)
        .min_by_key(|(_, frame)| frame.marking.pic_order_cnt_of(frame.marking.fields))
        .map(|(slot, _)| slot)
}

/// Frames that wait for output.
pub(crate) fn waiting(frames: &[Frame]) -> usize {
    frames.iter().filter(|frame| frame.marking.is_waiting).count()
}

/// Frames that occupy the buffer (C.4.5.3: "no empty frame buffer").
pub(crate) fn occupied(frames: &[Frame]) -> usize {
    let occupies = |frame: &&Frame| frame.marking.is_reference() || frame.marking.is_waiting;
    frames.iter().filter(occupies).count()
}

/// Orders of a picture behind `memory_management_control_operation` 5 (8.2.1): relative to its own.
pub(crate) fn reset_orders(marking: &mut Marking, structure: Structure) {
    match structure {
        Structure::Frame => {
            let first = marking.pic_order_cnt_of(3);
            marking.pic_order_cnt = marking.pic_order_cnt.map(|order| order.wrapping_sub(first));
        }
        field => marking.pic_order_cnt[field.first_row()] = 0,
    }
    marking.frame_num = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(count: usize) -> Vec<Frame> {
        (0..count)
            .map(|index| {
                let mut frame = Frame::default();
                frame.marking.fields = 3;
                frame.marking.short_term = 3;
                frame.marking.frame_num = index as u32;
                frame.marking.pic_order_cnt = [2 * index as i32; 2];
                frame
            })
            .chain([Frame::default()])
            .collect()
    }

    fn current(slot: u8, structure: Structure, frame_num: u32) -> CurrentPicture {
        CurrentPicture { slot, structure, frame_num, max_frame_num: 16, pic_order_cnt: 0 }
    }

    fn short_terms(frames: &[Frame]) -> Vec<u8> {
        frames.iter().map(|frame| frame.marking.short_term).collect()
    }

    #[test]
    fn s8_2_5_3_the_window_slides_over_the_lowest_frame_num_wrap() {
        let mut frames = frames(3);
        // 14 is before the wrap.
        frames[1].marking.frame_num = 14;
        let mut max = None;
        let current = current(3, Structure::Frame, 3);
        mark(&mut frames, current, &DecRefPicMarking::SlidingWindow, 3, &mut max);
        assert_eq!(short_terms(&frames), [3, 0, 3, 3]);
    }

    #[test]
    fn s8_2_5_3_the_second_field_takes_no_place() {
        let mut frames = frames(3);
        frames[3].marking.frame_num = 3;
        let mut max = None;
        for structure in [Structure::Top, Structure::Bottom] {
            let current = current(3, structure, 3);
            mark(&mut frames, current, &DecRefPicMarking::SlidingWindow, 3, &mut max);
        }
        assert_eq!(short_terms(&frames), [0, 3, 3, 3]);
    }

    #[test]
    fn s8_2_5_4_each_operation() {
        let mut frames = frames(5);
        frames[5].marking.frame_num = 5;
        let mut max = None;
        use MemoryManagementControl as Control;
        let commands = DecRefPicMarking::Adaptive(
            [
                // PicNum 5 - 1 = 4, 5 - 3 = 2.
                Control::ShortTermUnused { difference_of_pic_nums_minus1: 0 },
                Control::MaxLongTermFrameIdx { max_long_term_frame_idx_plus1: 3 },
                Control::AssignLongTerm {
                    difference_of_pic_nums_minus1: 2,
                    long_term_frame_idx: 1,
                },
                Control::AssignLongTerm {
                    difference_of_pic_nums_minus1: 3,
                    long_term_frame_idx: 2,
                },
                Control::LongTermUnused { long_term_pic_num: 2 },
                Control::CurrentLongTerm { long_term_frame_idx: 0 },
            ][..]
                .into(),
        );
        let current = current(5, Structure::Frame, 5);
        mark(&mut frames, current, &commands, 16, &mut max);
        assert_eq!(short_terms(&frames), [3, 0, 0, 3, 0, 0]);
        let long: Vec<u8> = frames.iter().map(|frame| frame.marking.long_term).collect();
        assert_eq!((long, max), (vec![0, 0, 3, 0, 0, 3], Some(2)));
        let reset = DecRefPicMarking::Adaptive([Control::Reset][..].into());
        mark(&mut frames, current, &reset, 16, &mut max);
        assert_eq!(short_terms(&frames), [0, 0, 0, 0, 0, 3], "itself becomes a short-term one");
    }

    #[test]
    fn s8_2_5_4_1_a_field_is_forgotten_alone() {
        let mut frames = frames(2);
        frames[2].marking.frame_num = 2;
        let mut max = None;
        let one = MemoryManagementControl::ShortTermUnused { difference_of_pic_nums_minus1: 2 };
        let commands = DecRefPicMarking::Adaptive([one][..].into());
        // CurrPicNum 5; PicNum 2 is the other parity of FrameNumWrap 1.
        let current = current(2, Structure::Top, 2);
        mark(&mut frames, current, &commands, 16, &mut max);
        assert_eq!(short_terms(&frames), [3, 1, 1]);
    }

    #[test]
    fn c_4_5_3_the_lowest_order_is_output_first() {
        let mut frames = frames(3);
        assert_eq!((next_output(&frames), waiting(&frames), occupied(&frames)), (None, 0, 3));
        for slot in [1, 2] {
            frames[slot].marking.is_waiting = true;
        }
        frames[1].marking.short_term = 0;
        frames[0].marking.short_term = 0;
        assert_eq!((next_output(&frames), waiting(&frames), occupied(&frames)), (Some(1), 2, 2));
    }
}
