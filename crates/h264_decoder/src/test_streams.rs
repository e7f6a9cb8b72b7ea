//! Parameter sets and headers for tests.

use h264::{DecRefPicMarking, Pps, SliceHeader, SliceType, Sps};
use hex_literal::hex;

/// x264, 1280x720 High.
pub(crate) fn parameter_sets() -> (Sps, Pps) {
    let sps = Sps::parse(&hex!("6764001facd9405005bb0110000003001000000303c0f1831960"));
    (sps.unwrap(), Pps::parse(&hex!("68ebe3cb22c0")).unwrap())
}

/// Of a P slice at the first macroblock, a short-term reference; all numbers are 0.
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
