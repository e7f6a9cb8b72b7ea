//! Picture parameter sets.

use h264_reader::rbsp::{BitRead, BitReader, BitReaderError};

use crate::scaling::ScalingLists;
use crate::sps::{MAX_SPS_ID, small, syntax_error};
use crate::{Error, Limits, NalType, nal, nal_type};

/// A picture parameter set (14496-10 7.3.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pps {
    /// `pic_parameter_set_id`, 0 to 255.
    pub id: u32,
    /// `seq_parameter_set_id`, 0 to 31: the SPS it belongs to.
    pub sps_id: u32,
    /// CABAC instead of CAVLC.
    pub entropy_coding_mode: bool,
    /// `bottom_field_pic_order_in_frame_present_flag`: slice headers have the bottom field's
    /// deltas.
    pub bottom_field_pic_order_in_frame_present: bool,
    /// 1 to 8; more than one is flexible macroblock ordering (FMO), and what comes after is not
    /// read then: the fields below are those of a PPS that says nothing.
    pub slice_groups: u32,
    /// `num_ref_idx_l0_default_active_minus1` + 1 and that of list 1, each 1 to 32.
    pub num_ref_idx_default_active: [u8; 2],
    /// `weighted_pred_flag`: P slices have explicit weights.
    pub weighted_pred: bool,
    /// Weights in B slices: 0 none, 1 explicit, 2 implicit.
    pub weighted_bipred_idc: u8,
    /// `pic_init_qp_minus26` + 26, -36 to 51 (below 0 for more than 8 bits).
    pub pic_init_qp: i8,
    /// `chroma_qp_index_offset` of Cb and `second_chroma_qp_index_offset` of Cr, each -12 to 12.
    pub chroma_qp_index_offset: [i8; 2],
    /// `deblocking_filter_control_present_flag`.
    pub deblocking_filter_control_present: bool,
    /// Intra macroblocks are predicted from intra macroblocks alone.
    pub constrained_intra_pred: bool,
    /// `redundant_pic_cnt_present_flag`.
    pub redundant_pic_cnt_present: bool,
    /// `transform_8x8_mode_flag`.
    pub transform_8x8_mode: bool,
    /// The scaling lists, if `pic_scaling_matrix_present_flag` is 1.
    pub scaling_lists: Option<Box<ScalingLists>>,
}

impl Pps {
    /// Reads a PPS NAL unit. The scaling lists are taken for those of 4:2:0, since the SPS may come
    /// later: of 4:4:4 lists and what comes after them are not to be relied on.
    ///
    /// # Errors
    /// [`Error::NalType`], or [`Error::Syntax`] with the field.
    pub fn parse(nal_unit: &[u8]) -> Result<Self, Error> {
        let (actual, expected) = (nal_type(nal_unit), NalType::Pps);
        if actual != expected {
            return Err(Error::NalType { actual, expected });
        }
        let rbsp = nal::rbsp(nal_unit, Limits::DEFAULT.max_parameter_set_bytes);
        let mut bits = BitReader::new(&rbsp[..]);
        let mut pps = Self::read_head(&mut bits).map_err(|error| syntax_error("PPS", &error))?;
        small("PPS", pps.id, u8::MAX, "pic_parameter_set_id")?;
        small("PPS", pps.sps_id, MAX_SPS_ID, "seq_parameter_set_id")?;
        match pps.slice_groups {
            1 => pps.read_rest(&mut bits)?,
            2..=8 => {}
            _ => return Err(Error::Syntax { structure: "PPS", field: "num_slice_groups_minus1" }),
        }
        Ok(pps)
    }

    fn read_head(bits: &mut impl BitRead) -> Result<Self, BitReaderError> {
        Ok(Self {
            id: bits.read_ue("pic_parameter_set_id")?,
            sps_id: bits.read_ue("seq_parameter_set_id")?,
            entropy_coding_mode: bits.read_bit("entropy_coding_mode_flag")?,
            bottom_field_pic_order_in_frame_present: bits
                .read_bit("bottom_field_pic_order_in_frame_present_flag")?,
            slice_groups: bits.read_ue("num_slice_groups_minus1")?.saturating_add(1),
            num_ref_idx_default_active: [1, 1],
            weighted_pred: false,
            weighted_bipred_idc: 0,
            pic_init_qp: 26,
            chroma_qp_index_offset: [0, 0],
            deblocking_filter_control_present: false,
            constrained_intra_pred: false,
            redundant_pic_cnt_present: false,
            transform_8x8_mode: false,
            scaling_lists: None,
        })
    }

    fn read_rest(&mut self, bits: &mut impl BitRead) -> Result<(), Error> {
        let cut = |error: BitReaderError| syntax_error("PPS", &error);
        let names =
            ["num_ref_idx_l0_default_active_minus1", "num_ref_idx_l1_default_active_minus1"];
        for (count, name) in self.num_ref_idx_default_active.iter_mut().zip(names) {
            *count = small("PPS", bits.read_ue(name).map_err(cut)?, 31, name)?.saturating_add(1);
        }
        self.weighted_pred = bits.read_bit("weighted_pred_flag").map_err(cut)?;
        self.weighted_bipred_idc = bits.read::<2, u8>("weighted_bipred_idc").map_err(cut)?;
        if self.weighted_bipred_idc > 2 {
            return Err(Error::Syntax { structure: "PPS", field: "weighted_bipred_idc" });
        }
        let pic_init_qp_minus26 = signed(bits, "pic_init_qp_minus26", -62..=25)?;
        self.pic_init_qp = pic_init_qp_minus26.saturating_add(26);
        signed(bits, "pic_init_qs_minus26", -26..=25)?;
        self.chroma_qp_index_offset = [signed(bits, "chroma_qp_index_offset", -12..=12)?; 2];
        self.deblocking_filter_control_present =
            bits.read_bit("deblocking_filter_control_present_flag").map_err(cut)?;
        self.constrained_intra_pred = bits.read_bit("constrained_intra_pred_flag").map_err(cut)?;
        self.redundant_pic_cnt_present =
            bits.read_bit("redundant_pic_cnt_present_flag").map_err(cut)?;
        if bits.has_more_rbsp_data("transform_8x8_mode_flag").map_err(cut)? {
            self.read_extension(bits)?;
        }
        Ok(())
    }

    /// What the High profiles add.
    fn read_extension(&mut self, bits: &mut impl BitRead) -> Result<(), Error> {
        let cut = |error: BitReaderError| syntax_error("PPS", &error);
        self.transform_8x8_mode = bits.read_bit("transform_8x8_mode_flag").map_err(cut)?;
        if bits.read_bit("pic_scaling_matrix_present_flag").map_err(cut)? {
            let count = if self.transform_8x8_mode { 8 } else { 6 };
            self.scaling_lists = Some(Box::new(ScalingLists::read(bits, count).map_err(cut)?));
        }
        let [_, of_cr] = &mut self.chroma_qp_index_offset;
        *of_cr = signed(bits, "second_chroma_qp_index_offset", -12..=12)?;
        Ok(())
    }
}

fn signed(
    bits: &mut impl BitRead,
    field: &'static str,
    range: std::ops::RangeInclusive<i8>,
) -> Result<i8, Error> {
    let value = bits.read_se(field).map_err(|error| syntax_error("PPS", &error))?;
    i8::try_from(value)
        .ok()
        .filter(|value| range.contains(value))
        .ok_or(Error::Syntax { structure: "PPS", field })
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn s7_3_2_2_of_an_ordinary_stream() {
        // x264: 1 1 1 0 1 00111 00101 1 10 0101 1 00101 1 0 0 | 1 0 00101 1
        let pps = Pps::parse(&hex!("68ebe3cb22c0")).unwrap();
        assert_eq!(
            (pps.id, pps.sps_id, pps.entropy_coding_mode, pps.slice_groups),
            (0, 0, true, 1)
        );
        assert!(!pps.bottom_field_pic_order_in_frame_present);
        assert_eq!(pps.num_ref_idx_default_active, [3, 1]);
        assert_eq!((pps.weighted_pred, pps.weighted_bipred_idc), (true, 2));
        assert_eq!((pps.pic_init_qp, pps.chroma_qp_index_offset), (23, [-2, -2]));
        assert!(pps.deblocking_filter_control_present && pps.transform_8x8_mode);
        assert!(!pps.constrained_intra_pred && !pps.redundant_pic_cnt_present);
        assert_eq!(pps.scaling_lists, None);
    }

    #[test]
    fn s7_3_2_2_slice_groups_end_the_reading() {
        // 010 1 0 0 00111: id 1, CAVLC, seven slice groups.
        let pps = Pps::parse(&hex!("68 50e0")).unwrap();
        assert_eq!((pps.id, pps.entropy_coding_mode, pps.slice_groups), (1, false, 7));
    }

    #[test]
    fn bad_sets_name_the_field() {
        let text = |nal_unit: &[u8]| Pps::parse(nal_unit).unwrap_err().to_string();
        assert_eq!(text(&hex!("6742")), "NAL unit type Sps, allowed is Pps");
        assert_eq!(text(&hex!("68")), "PPS: pic_parameter_set_id is cut or out of range");
        // Ids of a PPS and an SPS too large by one: 256 and 32.
        let id = "is cut or out of range";
        assert_eq!(text(&hex!("68 0080cc")), format!("PPS: pic_parameter_set_id {id}"));
        assert_eq!(text(&hex!("68 8213")), format!("PPS: seq_parameter_set_id {id}"));
        assert_eq!(text(&hex!("68 c0")), "PPS: num_slice_groups_minus1 is cut or out of range");
        assert_eq!(
            text(&hex!("68 c120")),
            "PPS: num_slice_groups_minus1 is cut or out of range",
            "nine groups"
        );
        assert_eq!(
            text(&hex!("68 eb")),
            "PPS: num_ref_idx_l1_default_active_minus1 is cut or out of range"
        );
    }
}
