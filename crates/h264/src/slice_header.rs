//! Slice headers.

use smallvec::SmallVec;

use crate::bits::Bits;
use crate::{Error, Limits, NalType, Pps, SliceType, Sps, nal, nal_ref_idc, nal_type};

/// `slice_header()` (14496-10 7.3.3), with the standard's names. Every value is within its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceHeader {
    /// `nal_unit_type` is 5: the picture is an IDR picture (`IdrPicFlag`).
    pub idr: bool,
    /// The NAL unit's, 0 to 3; 0 where no other picture refers to this one.
    pub nal_ref_idc: u8,
    /// Address of the first macroblock; of the first pair of macroblocks in MBAFF frames.
    pub first_mb_in_slice: u32,
    /// `slice_type`, P, B or I.
    pub slice_type: SliceType,
    /// 0 to 255.
    pub pic_parameter_set_id: u32,
    /// 0 to 2; of streams with `separate_colour_plane_flag`.
    pub colour_plane_id: u8,
    /// A number of `log2_max_frame_num` bits.
    pub frame_num: u32,
    /// The picture is a field.
    pub field_pic_flag: bool,
    /// The picture is a bottom field.
    pub bottom_field_flag: bool,
    /// 0 to 65535, differs between IDR pictures in a row; 0 where it is not coded.
    pub idr_pic_id: u32,
    /// A number of `log2_max_pic_order_cnt_lsb` bits.
    pub pic_order_cnt_lsb: u32,
    /// The bottom field's distance in a frame, picture order count type 0.
    pub delta_pic_order_cnt_bottom: i32,
    /// Distances from what is expected, picture order count type 1.
    pub delta_pic_order_cnt: [i32; 2],
    /// 0 to 127; not 0 in slices of a redundant coded picture.
    pub redundant_pic_cnt: u8,
    /// Spatial rather than temporal direct prediction.
    pub direct_spatial_mv_pred_flag: bool,
    /// `num_ref_idx_l0_active_minus1` + 1 and that of list 1, by override or by the PPS: 1 to 16
    /// of frames, 1 to 32 of fields; 0 for lists that the slice type does not have.
    pub num_ref_idx_active: [u8; 2],
    /// `ref_pic_list_modification()` of each list.
    pub ref_pic_list_modification: [RefPicListModification; 2],
    /// `pred_weight_table()`, where weights are explicit.
    pub pred_weight_table: Option<Box<PredWeightTable>>,
    /// `dec_ref_pic_marking()`.
    pub dec_ref_pic_marking: DecRefPicMarking,
    /// 0 to 2; 0 where it is not coded.
    pub cabac_init_idc: u8,
    /// `SliceQPY` (7-30): `pic_init_qp` and `slice_qp_delta`, -36 to 51.
    pub slice_qp: i8,
    /// 0 on, 1 off, 2 off across slices.
    pub disable_deblocking_filter_idc: u8,
    /// `slice_alpha_c0_offset_div2`, -6 to 6.
    pub slice_alpha_c0_offset_div2: i8,
    /// `slice_beta_offset_div2`, -6 to 6.
    pub slice_beta_offset_div2: i8,
    /// Where `slice_data()` begins: bits of the RBSP, which starts after the NAL unit's header
    /// byte and has no emulation prevention bytes.
    pub slice_data_bit: usize,
}

/// Commands of one list, in the order they are coded; at most [`Limits::max_slice_commands`].
pub type RefPicListModification = SmallVec<[ModificationOfPicNums; 4]>;

/// One `modification_of_pic_nums_idc` (14496-10 7.4.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModificationOfPicNums {
    /// 0: a short-term reference picture, `abs_diff_pic_num_minus1` + 1 below the last.
    Subtract {
        /// `abs_diff_pic_num_minus1`.
        abs_diff_pic_num_minus1: u32,
    },
    /// 1: a short-term reference picture, `abs_diff_pic_num_minus1` + 1 above the last.
    Add {
        /// `abs_diff_pic_num_minus1`.
        abs_diff_pic_num_minus1: u32,
    },
    /// 2: a long-term reference picture.
    LongTerm {
        /// `long_term_pic_num`.
        long_term_pic_num: u32,
    },
}

/// `pred_weight_table()` (14496-10 7.4.3.2). Where no weight is coded, it is 2 to the power of the
/// denominator and the offset 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PredWeightTable {
    /// 0 to 7.
    pub luma_log2_weight_denom: u8,
    /// 0 to 7.
    pub chroma_log2_weight_denom: u8,
    /// By list and reference index; Y, Cb, Cr of each.
    pub weights: [[[Weight; 3]; 32]; 2],
}

/// A weight and an offset of explicit weighted prediction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// -128 to 128.
    pub weight: i16,
    /// -128 to 127.
    pub offset: i16,
}

/// `dec_ref_pic_marking()` (14496-10 7.4.3.3): what the picture does to reference pictures, and to
/// itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DecRefPicMarking {
    /// `nal_ref_idc` is 0: the picture is no reference.
    #[default]
    NonReference,
    /// The marking of an IDR picture: all others are forgotten.
    Idr {
        /// Pictures not yet output need not be.
        no_output_of_prior_pics_flag: bool,
        /// The picture is a long-term reference with `LongTermFrameIdx` 0, else a short-term
        /// reference.
        long_term_reference_flag: bool,
    },
    /// The oldest short-term reference goes where room is needed (8.2.5.3).
    SlidingWindow,
    /// At most [`Limits::max_slice_commands`] commands, in the order they are coded (8.2.5.4).
    Adaptive(SmallVec<[MemoryManagementControl; 4]>),
}

/// One `memory_management_control_operation` (14496-10 table 7-9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryManagementControl {
    /// 1: a short-term reference picture is forgotten.
    ShortTermUnused {
        /// `difference_of_pic_nums_minus1`.
        difference_of_pic_nums_minus1: u32,
    },
    /// 2: a long-term reference picture is forgotten.
    LongTermUnused {
        /// `long_term_pic_num`.
        long_term_pic_num: u32,
    },
    /// 3: a short-term reference picture becomes a long-term one.
    AssignLongTerm {
        /// `difference_of_pic_nums_minus1`.
        difference_of_pic_nums_minus1: u32,
        /// `long_term_frame_idx`.
        long_term_frame_idx: u32,
    },
    /// 4: how many long-term indices there are; those above are forgotten.
    MaxLongTermFrameIdx {
        /// `max_long_term_frame_idx_plus1`.
        max_long_term_frame_idx_plus1: u32,
    },
    /// 5: all reference pictures are forgotten, numbers start anew.
    Reset,
    /// 6: the picture itself becomes a long-term reference.
    CurrentLongTerm {
        /// `long_term_frame_idx`.
        long_term_frame_idx: u32,
    },
}

/// What errors say they are of.
const STRUCTURE: &str = "slice header";

impl SliceHeader {
    /// Reads the header of a slice NAL unit. `parameter_sets` gives the PPS with an id and the SPS
    /// that it belongs to.
    ///
    /// # Errors
    /// [`Error::NalType`] where it is no slice, [`Error::UnknownParameterSet`], or
    /// [`Error::Syntax`] with the field.
    pub fn parse<'a>(
        nal_unit: &[u8],
        parameter_sets: impl FnOnce(u32) -> Option<(&'a Sps, &'a Pps)>,
    ) -> Result<Self, Error> {
        let header = nal_unit.first().copied().unwrap_or(0);
        let rbsp = nal::rbsp(nal_unit, Limits::DEFAULT.max_slice_header_bytes);
        Self::parse_rbsp(header, &rbsp, parameter_sets)
    }

    /// As [`Self::parse`], of a NAL unit whose header byte and RBSP ([`crate::write_rbsp`]) are
    /// apart.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_rbsp<'a>(
        header: u8,
        rbsp: &[u8],
        parameter_sets: impl FnOnce(u32) -> Option<(&'a Sps, &'a Pps)>,
    ) -> Result<Self, Error> {
        let rbsp = rbsp.get(..Limits::DEFAULT.max_slice_header_bytes).unwrap_or(rbsp);
        let bits = &mut Bits::new(rbsp, STRUCTURE);
        let (mut header, sps, pps) = Self::read_start(header, bits, parameter_sets)?;
        header.read_references(bits, sps, pps)?;
        header.read_rest(bits, pps)?;
        header.slice_data_bit = bits.position();
        Ok(header)
    }

    /// Reads as much of the header of a slice NAL unit as says which picture the slice is of, up to
    /// `redundant_pic_cnt`. What comes behind it is that of a slice that says nothing.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_start<'a>(
        nal_unit: &[u8],
        parameter_sets: impl FnOnce(u32) -> Option<(&'a Sps, &'a Pps)>,
    ) -> Result<Self, Error> {
        let header = nal_unit.first().copied().unwrap_or(0);
        let rbsp = nal::rbsp(nal_unit, Limits::DEFAULT.max_slice_start_bytes);
        let bits = &mut Bits::new(&rbsp, STRUCTURE);
        Self::read_start(header, bits, parameter_sets).map(|(header, _, _)| header)
    }

    fn read_start<'a>(
        header: u8,
        bits: &mut Bits<'_>,
        parameter_sets: impl FnOnce(u32) -> Option<(&'a Sps, &'a Pps)>,
    ) -> Result<(Self, &'a Sps, &'a Pps), Error> {
        let idr = match nal_type(&[header]) {
            NalType::Slice => false,
            NalType::Idr => true,
            actual => return Err(Error::NalType { actual, expected: NalType::Slice }),
        };
        let first_mb_in_slice = bits.ue(u32::MAX, "first_mb_in_slice")?;
        let slice_type = match bits.ue(9, "slice_type")? {
            0 | 5 => SliceType::P,
            1 | 6 => SliceType::B,
            2 | 7 => SliceType::I,
            3 | 8 => SliceType::Sp,
            _ => SliceType::Si,
        };
        if matches!(slice_type, SliceType::Sp | SliceType::Si) {
            return Err(Error::SwitchingSlice);
        }
        let pic_parameter_set_id = bits.ue(255, "pic_parameter_set_id")?;
        let (sps, pps) = parameter_sets(pic_parameter_set_id)
            .ok_or(Error::UnknownParameterSet { pic_parameter_set_id })?;
        let mut header = Self {
            idr,
            nal_ref_idc: nal_ref_idc(&[header]),
            first_mb_in_slice,
            slice_type,
            pic_parameter_set_id,
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
            num_ref_idx_active: [0; 2],
            ref_pic_list_modification: [SmallVec::new(), SmallVec::new()],
            pred_weight_table: None,
            dec_ref_pic_marking: DecRefPicMarking::NonReference,
            cabac_init_idc: 0,
            slice_qp: 0,
            disable_deblocking_filter_idc: 0,
            slice_alpha_c0_offset_div2: 0,
            slice_beta_offset_div2: 0,
            slice_data_bit: 0,
        };
        header.read_picture(bits, sps, pps)?;
        Ok((header, sps, pps))
    }

    /// From `colour_plane_id` to `redundant_pic_cnt`.
    fn read_picture(&mut self, bits: &mut Bits<'_>, sps: &Sps, pps: &Pps) -> Result<(), Error> {
        if sps.separate_colour_planes {
            self.colour_plane_id = narrow(bits.u(2, "colour_plane_id")?);
        }
        self.frame_num = bits.u(sps.log2_max_frame_num, "frame_num")?;
        if sps.interlaced {
            self.field_pic_flag = bits.flag("field_pic_flag")?;
            self.bottom_field_flag = self.field_pic_flag && bits.flag("bottom_field_flag")?;
        }
        if self.idr {
            self.idr_pic_id = bits.ue(65_535, "idr_pic_id")?;
        }
        let bottom = pps.bottom_field_pic_order_in_frame_present && !self.field_pic_flag;
        let any = i32::MIN..=i32::MAX;
        match sps.pic_order_cnt_type {
            0 => {
                self.pic_order_cnt_lsb =
                    bits.u(sps.log2_max_pic_order_cnt_lsb, "pic_order_cnt_lsb")?;
                if bottom {
                    self.delta_pic_order_cnt_bottom = bits.se(any, "delta_pic_order_cnt_bottom")?;
                }
            }
            1 if !sps.pic_order_cnt_cycle.delta_pic_order_always_zero => {
                let [first, second] = &mut self.delta_pic_order_cnt;
                *first = bits.se(any.clone(), "delta_pic_order_cnt")?;
                if bottom {
                    *second = bits.se(any, "delta_pic_order_cnt")?;
                }
            }
            _ => {}
        }
        if pps.redundant_pic_cnt_present {
            self.redundant_pic_cnt = narrow(bits.ue(127, "redundant_pic_cnt")?);
        }
        Ok(())
    }

    /// From `direct_spatial_mv_pred_flag` to the weights.
    fn read_references(&mut self, bits: &mut Bits<'_>, sps: &Sps, pps: &Pps) -> Result<(), Error> {
        let lists = match self.slice_type {
            SliceType::P | SliceType::Sp => 1,
            SliceType::B => 2,
            SliceType::I | SliceType::Si => return Ok(()),
        };
        if lists == 2 {
            self.direct_spatial_mv_pred_flag = bits.flag("direct_spatial_mv_pred_flag")?;
        }
        let is_overridden = bits.flag("num_ref_idx_active_override_flag")?;
        let max_minus1: u8 = if self.field_pic_flag { 31 } else { 15 };
        let defaults = pps.num_ref_idx_default_active;
        for (count, default) in self.num_ref_idx_active.iter_mut().zip(defaults).take(lists) {
            *count = default;
            if is_overridden {
                let minus1 = bits.ue(max_minus1.into(), "num_ref_idx_active_minus1")?;
                *count = narrow(minus1).saturating_add(1);
            }
            if *count > max_minus1.saturating_add(1) {
                return Err(bits.error("num_ref_idx_active_override_flag"));
            }
        }
        for list in self.ref_pic_list_modification.iter_mut().take(lists) {
            read_list_modification(bits, list)?;
        }
        let is_weighted = if lists == 1 { pps.weighted_pred } else { pps.weighted_bipred_idc == 1 };
        if is_weighted {
            let has_chroma = sps.chroma_format_idc != 0 && !sps.separate_colour_planes;
            let table = PredWeightTable::read(bits, self.num_ref_idx_active, has_chroma)?;
            self.pred_weight_table = Some(Box::new(table));
        }
        Ok(())
    }

    /// From `dec_ref_pic_marking()` on; slice groups are refused before their fields could come.
    fn read_rest(&mut self, bits: &mut Bits<'_>, pps: &Pps) -> Result<(), Error> {
        if self.nal_ref_idc != 0 {
            self.dec_ref_pic_marking = DecRefPicMarking::read(bits, self.idr)?;
        }
        if pps.entropy_coding_mode && self.slice_type != SliceType::I {
            self.cabac_init_idc = narrow(bits.ue(2, "cabac_init_idc")?);
        }
        let slice_qp_delta = bits.se(-87..=87, "slice_qp_delta")?;
        let slice_qp = i32::from(pps.pic_init_qp).saturating_add(slice_qp_delta);
        self.slice_qp = i8::try_from(slice_qp)
            .ok()
            .filter(|qp| (-36..=51).contains(qp))
            .ok_or_else(|| bits.error("slice_qp_delta"))?;
        if pps.deblocking_filter_control_present {
            self.disable_deblocking_filter_idc =
                narrow(bits.ue(2, "disable_deblocking_filter_idc")?);
            if self.disable_deblocking_filter_idc != 1 {
                self.slice_alpha_c0_offset_div2 =
                    narrow_signed(bits.se(-6..=6, "slice_alpha_c0_offset_div2")?);
                self.slice_beta_offset_div2 =
                    narrow_signed(bits.se(-6..=6, "slice_beta_offset_div2")?);
            }
        }
        Ok(())
    }
}

/// `ref_pic_list_modification()` of one list (7.3.3.1).
fn read_list_modification(
    bits: &mut Bits<'_>,
    list: &mut RefPicListModification,
) -> Result<(), Error> {
    if !bits.flag("ref_pic_list_modification_flag")? {
        return Ok(());
    }
    let idc = "modification_of_pic_nums_idc";
    while list.len() < Limits::DEFAULT.max_slice_commands {
        let command = match bits.ue(3, idc)? {
            0 => ModificationOfPicNums::Subtract {
                abs_diff_pic_num_minus1: bits.ue(MAX_PIC_NUM, "abs_diff_pic_num_minus1")?,
            },
            1 => ModificationOfPicNums::Add {
                abs_diff_pic_num_minus1: bits.ue(MAX_PIC_NUM, "abs_diff_pic_num_minus1")?,
            },
            2 => ModificationOfPicNums::LongTerm {
                long_term_pic_num: bits.ue(MAX_PIC_NUM, "long_term_pic_num")?,
            },
            _ => return Ok(()),
        };
        list.push(command);
    }
    Err(bits.error(idc))
}

/// `MaxPicNum` of fields with the longest `frame_num`.
const MAX_PIC_NUM: u32 = 2 << 16;
/// More than any DPB has; a command with it does nothing.
const MAX_LONG_TERM_FRAME_IDX: u32 = 32;

impl PredWeightTable {
    /// (7.3.3.2)
    fn read(bits: &mut Bits<'_>, counts: [u8; 2], has_chroma: bool) -> Result<Self, Error> {
        let luma = narrow(bits.ue(7, "luma_log2_weight_denom")?);
        let chroma = if has_chroma { narrow(bits.ue(7, "chroma_log2_weight_denom")?) } else { 0 };
        let default = |denom: u8| Weight { weight: 1 << denom, offset: 0 };
        let mut table = Self {
            luma_log2_weight_denom: luma,
            chroma_log2_weight_denom: chroma,
            weights: [[[default(luma), default(chroma), default(chroma)]; 32]; 2],
        };
        for (list, count) in table.weights.iter_mut().zip(counts) {
            for [of_y, of_cb, of_cr] in list.iter_mut().take(count.into()) {
                if bits.flag("luma_weight_flag")? {
                    *of_y = Weight::read(bits)?;
                }
                if has_chroma && bits.flag("chroma_weight_flag")? {
                    *of_cb = Weight::read(bits)?;
                    *of_cr = Weight::read(bits)?;
                }
            }
        }
        Ok(table)
    }
}

impl Weight {
    fn read(bits: &mut Bits<'_>) -> Result<Self, Error> {
        let weight = narrow_signed(bits.se(-128..=127, "weight")?).into();
        let offset = narrow_signed(bits.se(-128..=127, "offset")?).into();
        Ok(Self { weight, offset })
    }
}

impl DecRefPicMarking {
    /// (7.3.3.3)
    fn read(bits: &mut Bits<'_>, idr: bool) -> Result<Self, Error> {
        if idr {
            return Ok(Self::Idr {
                no_output_of_prior_pics_flag: bits.flag("no_output_of_prior_pics_flag")?,
                long_term_reference_flag: bits.flag("long_term_reference_flag")?,
            });
        }
        if !bits.flag("adaptive_ref_pic_marking_mode_flag")? {
            return Ok(Self::SlidingWindow);
        }
        let mut commands = SmallVec::new();
        while commands.len() < Limits::DEFAULT.max_slice_commands {
            match MemoryManagementControl::read(bits)? {
                Some(command) => commands.push(command),
                None => return Ok(Self::Adaptive(commands)),
            }
        }
        Err(bits.error("memory_management_control_operation"))
    }
}

impl MemoryManagementControl {
    /// None at the end of the commands.
    fn read(bits: &mut Bits<'_>) -> Result<Option<Self>, Error> {
        let difference =
            |bits: &mut Bits<'_>| bits.ue(MAX_PIC_NUM, "difference_of_pic_nums_minus1");
        let index = |bits: &mut Bits<'_>| bits.ue(MAX_LONG_TERM_FRAME_IDX, "long_term_frame_idx");
        Ok(Some(match bits.ue(6, "memory_management_control_operation")? {
            1 => Self::ShortTermUnused { difference_of_pic_nums_minus1: difference(bits)? },
            2 => Self::LongTermUnused {
                long_term_pic_num: bits.ue(MAX_PIC_NUM, "long_term_pic_num")?,
            },
            3 => Self::AssignLongTerm {
                difference_of_pic_nums_minus1: difference(bits)?,
                long_term_frame_idx: index(bits)?,
            },
            4 => Self::MaxLongTermFrameIdx {
                max_long_term_frame_idx_plus1: bits
                    .ue(MAX_LONG_TERM_FRAME_IDX, "max_long_term_frame_idx_plus1")?,
            },
            5 => Self::Reset,
            6 => Self::CurrentLongTerm { long_term_frame_idx: index(bits)? },
            _ => return Ok(None),
        }))
    }
}

/// A value that was read with a bound that fits.
fn narrow(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

/// A value that was read with a range that fits.
fn narrow_signed(value: i32) -> i8 {
    i8::try_from(value).unwrap_or(i8::MAX)
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// `u(1)` texts are "0" and "1"; numbers in `ue(v)` and `se(v)` (9.1).
    fn ue(value: u32) -> String {
        let bits = format!("{:b}", value + 1);
        "0".repeat(bits.len() - 1) + &bits
    }

    fn se(value: i32) -> String {
        ue(if value > 0 { 2 * value.unsigned_abs() - 1 } else { 2 * value.unsigned_abs() })
    }

    fn nal_unit(header: u8, fields: &[&str]) -> Vec<u8> {
        let bits = fields.concat() + "1";
        let bits = bits.clone() + &"0".repeat(bits.len().next_multiple_of(8) - bits.len());
        let bytes = (0..bits.len())
            .step_by(8)
            .map(|start| u8::from_str_radix(&bits[start..start + 8], 2).unwrap());
        std::iter::once(header).chain(bytes).collect()
    }

    /// x264, 1280x720 High: `frame_num` and `pic_order_cnt_lsb` of 4 and 6 bits.
    fn sets() -> (Sps, Pps) {
        let sps = Sps::parse(&hex!("6764001facd9405005bb0110000003001000000303c0f1831960"));
        (sps.unwrap(), Pps::parse(&hex!("68ebe3cb22c0")).unwrap())
    }

    fn parse(nal_unit: &[u8], sps: &Sps, pps: &Pps) -> Result<SliceHeader, Error> {
        SliceHeader::parse(nal_unit, |id| (id == 0).then_some((sps, pps)))
    }

    #[test]
    fn s7_3_3_of_a_p_slice_with_everything() {
        let (mut sps, mut pps) = sets();
        (sps.log2_max_frame_num, sps.log2_max_pic_order_cnt_lsb) = (4, 6);
        pps.bottom_field_pic_order_in_frame_present = true;
        let header = [&ue(40), &ue(5), &ue(0), "0110", "010101", &se(-3)].map(String::from);
        let lists = ["1", &ue(1), "1", &ue(0), &ue(4), &ue(2), &ue(7), &ue(3)].map(String::from);
        let weights = [&ue(5), &ue(6), "1", &se(-7), &se(9), "0", "0", "1", &se(1), &se(2)];
        let weights = [weights.map(String::from).concat(), se(3) + &se(4)];
        let marking = ["1", &ue(1), &ue(2), &ue(2), &ue(3), &ue(3), &ue(4), &ue(5), &ue(4), &ue(6)];
        let more = [&ue(5), &ue(6), &ue(0), &ue(0)].map(String::from);
        let rest = [&ue(2), &se(-4), &ue(0), &se(6), &se(-6)].map(String::from);
        let all = [
            &header[..],
            &lists[..],
            &weights[..],
            &marking.map(String::from)[..],
            &more[..],
            &rest[..],
        ]
        .concat();
        let texts: Vec<&str> = all.iter().map(String::as_str).collect();
        let slice = parse(&nal_unit(0x41, &texts), &sps, &pps).unwrap();
        assert_eq!((slice.idr, slice.nal_ref_idc, slice.first_mb_in_slice), (false, 2, 40));
        assert_eq!((slice.slice_type, slice.frame_num), (SliceType::P, 6));
        assert_eq!((slice.pic_order_cnt_lsb, slice.delta_pic_order_cnt_bottom), (0b01_0101, -3));
        assert_eq!(slice.num_ref_idx_active, [2, 0]);
        let expected = [
            ModificationOfPicNums::Subtract { abs_diff_pic_num_minus1: 4 },
            ModificationOfPicNums::LongTerm { long_term_pic_num: 7 },
        ];
        assert_eq!(slice.ref_pic_list_modification[0][..], expected);
        let table = slice.pred_weight_table.unwrap();
        assert_eq!((table.luma_log2_weight_denom, table.chroma_log2_weight_denom), (5, 6));
        let weight = |weight, offset| Weight { weight, offset };
        assert_eq!(table.weights[0][0], [weight(-7, 9), weight(64, 0), weight(64, 0)]);
        assert_eq!(table.weights[0][1], [weight(32, 0), weight(1, 2), weight(3, 4)]);
        let expected = [
            MemoryManagementControl::ShortTermUnused { difference_of_pic_nums_minus1: 2 },
            MemoryManagementControl::LongTermUnused { long_term_pic_num: 3 },
            MemoryManagementControl::AssignLongTerm {
                difference_of_pic_nums_minus1: 4,
                long_term_frame_idx: 5,
            },
            MemoryManagementControl::MaxLongTermFrameIdx { max_long_term_frame_idx_plus1: 6 },
            MemoryManagementControl::Reset,
            MemoryManagementControl::CurrentLongTerm { long_term_frame_idx: 0 },
        ];
        assert_eq!(slice.dec_ref_pic_marking, DecRefPicMarking::Adaptive(expected[..].into()));
        assert_eq!((slice.cabac_init_idc, slice.slice_qp), (2, 19));
        assert_eq!((slice.slice_alpha_c0_offset_div2, slice.slice_beta_offset_div2), (6, -6));
        assert_eq!(slice.slice_data_bit, texts.concat().len());
    }

    #[test]
    fn s7_3_3_bad_headers_name_the_field() {
        let (mut sps, pps) = sets();
        (sps.log2_max_frame_num, sps.log2_max_pic_order_cnt_lsb) = (8, 6);
        let text =
            |fields: &[&str]| parse(&nal_unit(0x41, fields), &sps, &pps).unwrap_err().to_string();
        assert_eq!(text(&["1", &ue(10)]), "slice header: slice_type is cut or out of range");
        assert_eq!(text(&["1", &ue(3)]), "slice header: a switching slice (Extended profile)");
        assert_eq!(
            text(&["1", "1", &ue(1)]),
            "slice header: no picture parameter set 1, or not its sequence parameter set"
        );
        assert_eq!(text(&["1", "1", "1", "0"]), "slice header: frame_num is cut or out of range");
        let endless = ["1", "1", "1", "00000000", "000000", "0", "1"].concat() + &"1".repeat(200);
        assert_eq!(
            text(&[&endless]),
            "slice header: modification_of_pic_nums_idc is cut or out of range"
        );
        let error = parse(&hex!("06 0102"), &sps, &pps).unwrap_err();
        assert_eq!(error, Error::NalType { actual: NalType::Sei, expected: NalType::Slice });
    }
}
