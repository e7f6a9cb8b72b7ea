//! Parameter sets and headers for tests.

use h264::{Pps, SliceHeader, Sps};
use hex_literal::hex;

/// x264, 1280x720 High.
pub(crate) fn parameter_sets() -> (Sps, Pps) {
    let sps = Sps::parse(&hex!("6764001facd9405005bb0110000003001000000303c0f1831960"));
    (sps.unwrap(), Pps::parse(&hex!("68ebe3cb22c0")).unwrap())
}

/// A P slice: first_mb_in_slice 0, frame_num, pic_order_cnt_lsb and all that follows 0.
pub(crate) fn p_slice_header(sps: &Sps, pps: &Pps) -> SliceHeader {
    let header = SliceHeader::parse(&hex!("41 e0 0000 0100 8080 8080"), |_| Some((sps, pps)));
    header.unwrap_or_else(|error| panic!("{error}"))
}
