//! Parameter sets and headers for tests.

use h264::{DecRefPicMarking, Pps, ScalingMatrix, SliceHeader, SliceType, Sps};
use hex_literal::hex;

use crate::frame::{Frame, Geometry, Structure};
use crate::picture::{PictureState, SliceContext};
use crate::ref_list::{RefLists, RefPic};
use crate::residual::LevelScale;

/// x264, 1280x720 High.
pub(crate) fn parameter_sets() -> (Sps, Pps) {
    let sps = Sps::parse(&hex!("6764001facd9405005bb0110000003001000000303c0f1831960"));
    (sps.unwrap(), Pps::parse(&hex!("68ebe3cb22c0")).unwrap())
}

/// The header of a P slice at the first macroblock, a short-term reference; all numbers are 0.
pub(crate) fn p_slice_header() -> SliceHeader {
    SliceHeader {
        idr: false,
        nal_ref_idc: 1,
        first_mb_in_slice: 0,
        slice_type: SliceType::P,
        pic_parameter_set_id: 0,
        colour_plane_id: 0,
        frame_num: 0,
        field_pic_flag: false,
        bottom_field_flag: false,
        idr_pic_id: 0,
        pic_order_cnt_lsb: 0,
        delta_pic_order_cnt_bottom: 0,
        delta_pic_order_cnt: [0; 2],
        redundant_pic_cnt: 0,
        direct_spatial_mv_pred_flag: false,
        num_ref_idx_active: [1, 0],
        ref_pic_list_modification: Default::default(),
        pred_weight_table: None,
        dec_ref_pic_marking: DecRefPicMarking::SlidingWindow,
        cabac_init_idc: 0,
        slice_qp: 26,
        disable_deblocking_filter_idc: 0,
        slice_alpha_c0_offset_div2: 0,
        slice_beta_offset_div2: 0,
        slice_data_bit: 0,
    }
}

/// A B slice of frames of 32x32 samples: list 0 and list 1 refer to frames with these orders, each
/// in a slot of its own.
pub(crate) struct BSlice {
    pub(crate) sps: Sps,
    pub(crate) pps: Pps,
    pub(crate) header: SliceHeader,
    pub(crate) geometry: Geometry,
    pub(crate) frames: Vec<Frame>,
    pub(crate) lists: RefLists,
    pub(crate) picture: PictureState,
    pub(crate) current: Frame,
    scale: LevelScale,
}

impl BSlice {
    pub(crate) fn new(order: i32, list_0: &[i32], list_1: &[i32]) -> Self {
        let (sps, pps) = parameter_sets();
        let geometry = Geometry { width: 2, height: 2, has_chroma: true };
        let frame = |order: i32| {
            let mut frame = Frame::default();
            frame.resize(geometry);
            frame.marking.pic_order_cnt = [order, order + 1];
            (frame.marking.fields, frame.marking.short_term) = (3, 3);
            frame
        };
        let frames = list_0.iter().chain(list_1).map(|&order| frame(order)).collect();
        let mut lists = RefLists::default();
        let of = |slot: usize| RefPic { slot: slot as u8, ..RefPic::default() };
        for index in 0..list_0.len() {
            lists.entries[0][index] = of(index);
        }
        for index in 0..list_1.len() {
            lists.entries[1][index] = of(list_0.len() + index);
        }
        let mut header = p_slice_header();
        header.slice_type = SliceType::B;
        header.num_ref_idx_active = [list_0.len() as u8, list_1.len() as u8];
        let mut picture = PictureState::default();
        picture.start(geometry, false, false);
        Self {
            sps,
            pps,
            header,
            geometry,
            frames,
            lists,
            picture,
            current: frame(order),
            scale: LevelScale::new(ScalingMatrix::FLAT),
        }
    }

    pub(crate) fn context(&mut self) -> SliceContext<'_> {
        SliceContext {
            sps: &self.sps,
            pps: &self.pps,
            header: &self.header,
            geometry: self.geometry,
            structure: Structure::Frame,
            is_coarse: false,
            is_motion_kept: true,
            is_mbaff: false,
            scale: &self.scale,
            frame: &mut self.current,
            slot: 31,
            frames: &self.frames,
            lists: &self.lists,
            picture: &mut self.picture,
            slice: 0,
        }
    }
}
