//! Picture order counts: in which order pictures are shown (14496-10 8.2.1).

use crate::{SliceHeader, Sps};

/// Counts in which order pictures are shown: what the order of a picture depends on of those
/// before it.
///
/// **After every [`count`](Self::count), call [`finish`](Self::finish) with the same header.**
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PicOrderCounter {
    /// `prevPicOrderCntMsb` and `prevPicOrderCntLsb`, of the reference picture before.
    previous_msb: i32,
    previous_lsb: i32,
    /// `prevFrameNum` and `prevFrameNumOffset`, of the picture before.
    previous_frame_num: u32,
    previous_frame_num_offset: i32,
    /// `PicOrderCntMsb` of the picture that was counted last.
    msb: i32,
    frame_num_offset: i32,
}

impl PicOrderCounter {
    /// `TopFieldOrderCnt` and `BottomFieldOrderCnt` of a picture; of a field both are its own.
    pub fn count(&mut self, sps: &Sps, header: &SliceHeader) -> [i32; 2] {
        if header.idr {
            *self = Self::default();
        }
        match sps.pic_order_cnt_type {
            0 => self.of_type_0(sps, header),
            1 => self.of_type_1(sps, header),
            _ => self.of_type_2(sps, header),
        }
    }

    /// Goes on from the picture counted last.
    pub fn finish(&mut self, header: &SliceHeader) {
        if header.nal_ref_idc != 0 {
            self.previous_msb = self.msb;
            self.previous_lsb = header.pic_order_cnt_lsb as i32;
        }
        self.previous_frame_num = header.frame_num;
        self.previous_frame_num_offset = self.frame_num_offset;
    }

    /// Goes on from a picture with `memory_management_control_operation` 5: its top field, if it
    /// has one, has this order now.
    pub fn finish_reset(&mut self, top_field_order_cnt: Option<i32>) {
        *self = Self { previous_lsb: top_field_order_cnt.unwrap_or(0), ..Self::default() };
    }

    /// Passes over a frame that is missing.
    pub fn skip_frame(&mut self, sps: &Sps, frame_num: u32) {
        if self.previous_frame_num > frame_num {
            self.previous_frame_num_offset =
                self.previous_frame_num_offset.wrapping_add(1 << sps.log2_max_frame_num);
        }
        self.previous_frame_num = frame_num;
    }

    /// (8.2.1.1)
    fn of_type_0(&mut self, sps: &Sps, header: &SliceHeader) -> [i32; 2] {
        let max_lsb = 1i32 << sps.log2_max_pic_order_cnt_lsb;
        let lsb = header.pic_order_cnt_lsb as i32;
        // Behind a reset the bits before are an order, which may be anything.
        let ahead = lsb.saturating_sub(self.previous_lsb);
        self.msb = if ahead < 0 && ahead.saturating_neg() >= max_lsb / 2 {
            self.previous_msb.wrapping_add(max_lsb)
        } else if ahead > max_lsb / 2 {
            self.previous_msb.wrapping_sub(max_lsb)
        } else {
            self.previous_msb
        };
        let top = self.msb.wrapping_add(lsb);
        [top, top.wrapping_add(header.delta_pic_order_cnt_bottom)]
    }

    fn count_frame_num_offset(&mut self, sps: &Sps, header: &SliceHeader) {
        self.frame_num_offset = self.previous_frame_num_offset;
        if self.previous_frame_num > header.frame_num {
            self.frame_num_offset = self.frame_num_offset.wrapping_add(1 << sps.log2_max_frame_num);
        }
    }

    /// (8.2.1.2)
    fn of_type_1(&mut self, sps: &Sps, header: &SliceHeader) -> [i32; 2] {
        self.count_frame_num_offset(sps, header);
        let cycle = &sps.pic_order_cnt_cycle;
        let offsets = &cycle.offset_for_ref_frame;
        let mut frames = 0;
        if !offsets.is_empty() {
            frames = self.frame_num_offset.wrapping_add(header.frame_num as i32);
            if header.nal_ref_idc == 0 && frames > 0 {
                frames = frames.wrapping_sub(1);
            }
        }
        let sum = |count: usize| {
            offsets.iter().take(count).fold(0i32, |sum, &offset| sum.wrapping_add(offset))
        };
        let mut expected = 0i32;
        if frames > 0 {
            let before = usize::try_from(frames.wrapping_sub(1)).unwrap_or(0);
            let cycles = before.checked_div(offsets.len()).unwrap_or(0);
            let in_cycle = before.checked_rem(offsets.len()).unwrap_or(0);
            // As many cycles as frames at most.
            let cycles = i32::try_from(cycles).unwrap_or(i32::MAX);
            let of_cycle = sum(in_cycle.saturating_add(1));
            expected = cycles.wrapping_mul(sum(offsets.len())).wrapping_add(of_cycle);
        }
        if header.nal_ref_idc == 0 {
            expected = expected.wrapping_add(cycle.offset_for_non_ref_pic);
        }
        let [delta_0, delta_1] = header.delta_pic_order_cnt;
        let top = expected.wrapping_add(delta_0);
        let bottom = top.wrapping_add(cycle.offset_for_top_to_bottom_field);
        if header.field_pic_flag {
            let own = if header.bottom_field_flag { bottom } else { top };
            return [own, own];
        }
        [top, bottom.wrapping_add(delta_1)]
    }

    /// (8.2.1.3)
    fn of_type_2(&mut self, sps: &Sps, header: &SliceHeader) -> [i32; 2] {
        self.count_frame_num_offset(sps, header);
        let frames = self.frame_num_offset.wrapping_add(header.frame_num as i32);
        let order = frames.wrapping_mul(2);
        [if header.nal_ref_idc == 0 { order.wrapping_sub(1) } else { order }; 2]
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::Pps;

    /// x264, 1280x720 High.
    fn sps() -> Sps {
        Sps::parse(&hex!("6764001facd9405005bb0110000003001000000303c0f1831960")).unwrap()
    }

    /// The header of a P slice with numbers of 0.
    fn p_slice_header() -> SliceHeader {
        let (sps, pps) = (sps(), Pps::parse(&hex!("68ebe3cb22c0")).unwrap());
        let p_slice = hex!("61 e0 00000000 0000ffff ffffffff");
        SliceHeader::parse_start(&p_slice, |_| Some((&sps, &pps))).unwrap()
    }

    #[test]
    fn s8_2_1_1_most_significant_bits_follow_the_reference_before() {
        let mut sps = sps();
        (sps.pic_order_cnt_type, sps.log2_max_pic_order_cnt_lsb) = (0, 4);
        let mut header = p_slice_header();
        let mut counter = PicOrderCounter::default();
        let mut count = |lsb, is_reference, bottom| {
            header.pic_order_cnt_lsb = lsb;
            header.nal_ref_idc = u8::from(is_reference);
            header.delta_pic_order_cnt_bottom = bottom;
            let order = counter.count(&sps, &header);
            counter.finish(&header);
            order
        };
        assert_eq!(count(6, true, 1), [6, 7]);
        assert_eq!(count(14, true, -2), [14, 12]);
        assert_eq!(count(2, true, 0), [18, 18], "wrapped");
        assert_eq!(count(15, false, 0), [15, 15], "back over the wrap");
        assert_eq!(count(8, true, 0), [24, 24], "not from the one that is no reference");
    }

    #[test]
    fn s8_2_1_2_expected_deltas_repeat() {
        let mut sps = sps();
        (sps.pic_order_cnt_type, sps.log2_max_frame_num) = (1, 4);
        sps.pic_order_cnt_cycle.offset_for_ref_frame = vec![4, 6];
        sps.pic_order_cnt_cycle.offset_for_non_ref_pic = -3;
        sps.pic_order_cnt_cycle.offset_for_top_to_bottom_field = 1;
        let mut header = p_slice_header();
        let mut counter = PicOrderCounter::default();
        let mut count = |frame_num, is_reference| {
            header.frame_num = frame_num;
            header.nal_ref_idc = u8::from(is_reference);
            let order = counter.count(&sps, &header);
            counter.finish(&header);
            order
        };
        assert_eq!(count(1, true), [4, 5]);
        assert_eq!(count(2, true), [10, 11]);
        assert_eq!(count(3, true), [14, 15]);
        assert_eq!(count(4, false), [11, 12], "frame 3 again, less 3");
        assert_eq!(count(0, true), [80, 81], "16 frames: eight cycles");
    }

    #[test]
    fn s8_2_1_3_output_order_is_decoding_order() {
        let mut sps = sps();
        (sps.pic_order_cnt_type, sps.log2_max_frame_num) = (2, 4);
        let mut header = p_slice_header();
        let mut counter = PicOrderCounter::default();
        header.frame_num = 15;
        assert_eq!(counter.count(&sps, &header), [30; 2]);
        counter.finish(&header);
        (header.frame_num, header.nal_ref_idc) = (0, 0);
        assert_eq!(counter.count(&sps, &header), [31; 2], "wrapped, and no reference");
    }
}
