//! Which picture a slice is of (14496-10 7.4.1.2.4).

use crate::SliceHeader;

/// What tells slices of one picture from those of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    frame_num: u32,
    pic_parameter_set_id: u32,
    field: Option<Parity>,
    is_reference: bool,
    pic_order_cnt_lsb: u32,
    delta_pic_order_cnt_bottom: i32,
    delta_pic_order_cnt: [i32; 2],
    idr: Option<u32>,
}

/// Which lines a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parity {
    Top,
    Bottom,
}

impl PictureId {
    /// What tells the picture from others that a slice with this header is of.
    #[must_use]
    pub fn of(header: &SliceHeader) -> Self {
        let parity = if header.bottom_field_flag { Parity::Bottom } else { Parity::Top };
        Self {
            frame_num: header.frame_num,
            pic_parameter_set_id: header.pic_parameter_set_id,
            field: header.field_pic_flag.then_some(parity),
            is_reference: header.nal_ref_idc != 0,
            pic_order_cnt_lsb: header.pic_order_cnt_lsb,
            delta_pic_order_cnt_bottom: header.delta_pic_order_cnt_bottom,
            delta_pic_order_cnt: header.delta_pic_order_cnt,
            idr: header.idr.then_some(header.idr_pic_id),
        }
    }

    /// Whether a slice with `other` begins another picture. A picture may have several picture
    /// parameter sets, so another one alone is not enough here.
    #[must_use]
    pub fn differs(&self, other: &Self) -> bool {
        Self { pic_parameter_set_id: other.pic_parameter_set_id, ..*self } != *other
    }

    /// Whether this is the field that completes the frame of which `first` is the first: they are
    /// two pictures, and shown as one.
    #[must_use]
    pub fn is_second_field_of(&self, first: &Self) -> bool {
        let are_opposite =
            self.field.is_some() && first.field.is_some() && self.field != first.field;
        are_opposite
            && self.frame_num == first.frame_num
            && (self.idr.is_none() || first.idr.is_some())
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::{Pps, Sps};

    fn header() -> SliceHeader {
        let sps =
            Sps::parse(&hex!("6764001facd9405005bb0110000003001000000303c0f1831960")).unwrap();
        let pps = Pps::parse(&hex!("68ebe3cb22c0")).unwrap();
        let p_slice = hex!("61 e0 00000000 0000ffff ffffffff");
        SliceHeader::parse_start(&p_slice, |_| Some((&sps, &pps))).unwrap()
    }

    fn id(change: impl FnOnce(&mut SliceHeader)) -> PictureId {
        let mut header = header();
        change(&mut header);
        PictureId::of(&header)
    }

    #[test]
    fn s7_4_1_2_4_what_differs_between_pictures() {
        let first = id(|_| {});
        assert!(!first.differs(&id(|slice| slice.first_mb_in_slice = 40)));
        assert!(!first.differs(&id(|slice| slice.pic_parameter_set_id = 1)));
        assert!(!first.differs(&id(|slice| slice.nal_ref_idc = 1)), "a reference as well");
        assert!(first.differs(&id(|slice| slice.nal_ref_idc = 0)));
        assert!(first.differs(&id(|slice| slice.frame_num = 1)));
        assert!(first.differs(&id(|slice| slice.pic_order_cnt_lsb = 2)));
        assert!(first.differs(&id(|slice| slice.delta_pic_order_cnt[1] = -1)));
        assert!(first.differs(&id(|slice| slice.idr = true)));
    }

    #[test]
    fn s3_30_two_fields_are_one_frame() {
        let field = |bottom: bool| {
            id(move |slice| (slice.field_pic_flag, slice.bottom_field_flag) = (true, bottom))
        };
        let (top, bottom) = (field(false), field(true));
        assert!(top.differs(&bottom) && bottom.is_second_field_of(&top));
        assert!(!top.is_second_field_of(&top));
        assert!(!id(|_| {}).is_second_field_of(&id(|slice| slice.frame_num = 1)), "frames");
    }
}
