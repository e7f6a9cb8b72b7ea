//! Sequence parameter sets.

use h264_reader::nal::sps::{ConstraintFlags, Level};
use h264_reader::rbsp::{BitRead, BitReader, BitReaderError};

use crate::scaling::ScalingLists;
use crate::vui::{Colour, Vui};
use crate::{Error, Limits, NalType, nal, nal_type};

/// What a sequence parameter set says of the pictures (14496-10 7.3.2.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `seq_parameter_set_id`, 0 to 31.
    pub id: u32,
    /// 66 Baseline, 77 Main, 88 Extended, 100 High, 110 High 10, ...
    pub profile_idc: u8,
    /// `constraint_set0_flag` (0x80) to `constraint_set5_flag` (0x04).
    pub constraint_flags: u8,
    /// Ten times the level, but for 1b.
    pub level_idc: u8,
    /// 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_format_idc: u8,
    /// `separate_colour_plane_flag`: the planes of 4:4:4 are coded as three monochrome pictures.
    pub separate_colour_planes: bool,
    /// Bits of a luma sample, 8 to 14.
    pub bit_depth_luma: u8,
    /// Bits of a chroma sample, 8 to 14.
    pub bit_depth_chroma: u8,
    /// `qpprime_y_zero_transform_bypass_flag`: macroblocks may be coded without loss.
    pub lossless: bool,
    /// The scaling lists, if `seq_scaling_matrix_present_flag` is 1.
    pub scaling_lists: Option<Box<ScalingLists>>,
    /// `log2_max_frame_num_minus4` + 4, 4 to 16: bits of `frame_num`.
    pub log2_max_frame_num: u8,
    /// 0, 1 or 2; with 2 output order is decoding order.
    pub pic_order_cnt_type: u8,
    /// `log2_max_pic_order_cnt_lsb_minus4` + 4, 4 to 16: bits of `pic_order_cnt_lsb`. 0 where the
    /// type is not 0.
    pub log2_max_pic_order_cnt_lsb: u8,
    /// What picture order count type 1 counts by; nothing in it where the type is another.
    pub pic_order_cnt_cycle: PicOrderCntCycle,
    /// Reference frames the decoder must hold.
    pub max_num_ref_frames: u32,
    /// `gaps_in_frame_num_value_allowed_flag`: frames may be missing on purpose.
    pub gaps_in_frame_num_value_allowed: bool,
    /// `frame_mbs_only_flag` is 0: fields or macroblock-adaptive frames may occur.
    pub interlaced: bool,
    /// `mb_adaptive_frame_field_flag`: frames choose between frame and field in each pair of
    /// macroblocks.
    pub mb_adaptive_frame_field: bool,
    /// `direct_8x8_inference_flag`.
    pub direct_8x8_inference: bool,
    /// Samples of a row as shown, after cropping; 1 to 16384.
    pub width: u32,
    /// Rows as shown, after cropping; 1 to 16384.
    pub height: u32,
    /// Samples of a row as coded, a multiple of 16.
    pub coded_width: u32,
    /// Rows as coded, a multiple of 16.
    pub coded_height: u32,
    /// Samples of a row left of what is shown.
    pub crop_left: u32,
    /// Rows above what is shown.
    pub crop_top: u32,
    /// Cropping that would leave nothing is coded, and ignored above: some decoders refuse that.
    pub cropping_ignored: bool,
    /// Width to height of a sample; (1, 1) where the stream does not say.
    pub sar: (u32, u32),
    /// Frames a second as a reduced fraction, as the stream claims: not to be trusted.
    pub frame_rate: Option<(u32, u32)>,
    /// Range and colour description, if there.
    pub colour: Option<Colour>,
    /// Frames that may precede a frame in decoding order and follow it in output order; 0 to 16.
    pub max_num_reorder_frames: Option<u8>,
    /// Frames that the decoder holds; 0 to 16.
    pub max_dec_frame_buffering: Option<u8>,
}

/// What picture order count type 1 counts by (14496-10 7.4.2.1.1, 8.2.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PicOrderCntCycle {
    /// `delta_pic_order_always_zero_flag`: slice headers have no deltas.
    pub delta_pic_order_always_zero: bool,
    /// `offset_for_non_ref_pic`.
    pub offset_for_non_ref_pic: i32,
    /// `offset_for_top_to_bottom_field`.
    pub offset_for_top_to_bottom_field: i32,
    /// `offset_for_ref_frame`, at most 255.
    pub offset_for_ref_frame: Vec<i32>,
}

impl Sps {
    /// Reads an SPS NAL unit. Scaling lists, HRD and VUI values outside of their ranges do no harm;
    /// where the VUI breaks off, what came before counts.
    ///
    /// # Errors
    /// [`Error::NalType`], [`Error::Syntax`] with the field, or [`Error::PictureSize`].
    pub fn parse(nal_unit: &[u8]) -> Result<Self, Error> {
        let (actual, expected) = (nal_type(nal_unit), NalType::Sps);
        if actual != expected {
            return Err(Error::NalType { actual, expected });
        }
        let rbsp = nal::rbsp(nal_unit, Limits::DEFAULT.max_parameter_set_bytes);
        let mut bits = BitReader::new(&rbsp[..]);
        let head = Head::read(&mut bits).map_err(|error| syntax_error("SPS", &error))?;
        let mut vui = Vui::default();
        if matches!(bits.read_bit("vui_parameters_present_flag"), Ok(true)) {
            // A VUI that breaks off is harmless: the rest of it is as if it were not there.
            let _ = vui.read(&mut bits);
        }
        head.into_sps(&vui)
    }

    /// The `CODECS` value (RFC 6381 3.3), as `avc1.64001f`.
    #[must_use]
    pub fn codec_string(&self) -> String {
        format!("avc1.{:02x}{:02x}{:02x}", self.profile_idc, self.constraint_flags, self.level_idc)
    }

    /// How many frames may have to wait for one that is shown before them: what the stream says,
    /// else what its level allows (14496-10 E.2.1, A.3.1). 0 to 16.
    #[must_use]
    pub fn reorder_depth(&self) -> u8 {
        if self.pic_order_cnt_type == 2 || self.is_intra_profile() {
            return 0;
        }
        self.max_num_reorder_frames.unwrap_or_else(|| self.max_dpb_frames())
    }

    /// `constraint_set3_flag` in the High profiles and CAVLC 4:4:4 (14496-10 E.2.1).
    fn is_intra_profile(&self) -> bool {
        const CONSTRAINT_SET3: u8 = 0x10;
        matches!(self.profile_idc, 44 | 86 | 100 | 110 | 122 | 244)
            && self.constraint_flags & CONSTRAINT_SET3 != 0
    }

    /// `MaxDpbFrames` (14496-10 A.3.1), 0 to 16; 16 where the level is unknown.
    #[must_use]
    pub fn max_dpb_frames(&self) -> u8 {
        let flags = ConstraintFlags::from(self.constraint_flags);
        let limits = Level::from_constraint_flags_and_level_idc(flags, self.level_idc).limits();
        let macroblocks = (self.coded_width / 16).saturating_mul(self.coded_height / 16);
        let frames = limits.and_then(|limits| limits.max_dpb_mbs.checked_div(macroblocks));
        frames.map_or(MAX_DPB_FRAMES, at_most_16)
    }
}

const MAX_DPB_FRAMES: u8 = 16;
/// The largest `seq_parameter_set_id` (14496-10 7.4.2.1.1).
pub(crate) const MAX_SPS_ID: u8 = 31;

fn at_most_16(frames: u32) -> u8 {
    u8::try_from(frames).map_or(MAX_DPB_FRAMES, |frames| frames.min(MAX_DPB_FRAMES))
}

/// Names the field at which the bits ended or overflowed.
pub(crate) fn syntax_error(structure: &'static str, error: &BitReaderError) -> Error {
    let field = match error {
        BitReaderError::ReaderError(field, _) | BitReaderError::ExpGolombTooLarge(field) => field,
        BitReaderError::RemainingData => "trailing bits",
    };
    Error::Syntax { structure, field }
}

/// The fields up to the VUI, as they are coded.
#[derive(Debug)]
struct Head {
    profile_idc: u8,
    constraint_flags: u8,
    level_idc: u8,
    id: u32,
    chroma: Chroma,
    log2_max_frame_num_minus4: u32,
    pic_order_cnt: PicOrderCnt,
    max_num_ref_frames: u32,
    gaps_in_frame_num_value_allowed: bool,
    pic_width_in_mbs: u64,
    pic_height_in_map_units: u64,
    frame_mbs_only: bool,
    mb_adaptive_frame_field: bool,
    direct_8x8_inference: bool,
    /// Left, right, top, bottom.
    crop: [u32; 4],
}

/// What the High profiles have in front.
#[derive(Debug)]
struct Chroma {
    format_idc: u32,
    separate_planes: bool,
    bit_depth_luma_minus8: u32,
    bit_depth_chroma_minus8: u32,
    lossless: bool,
    scaling_lists: Option<Box<ScalingLists>>,
}

#[derive(Debug)]
struct PicOrderCnt {
    pic_order_cnt_type: u32,
    log2_max_pic_order_cnt_lsb_minus4: Option<u32>,
    /// `num_ref_frames_in_pic_order_cnt_cycle` as claimed.
    cycle_len: u32,
    cycle: PicOrderCntCycle,
}

impl Head {
    fn read(bits: &mut impl BitRead) -> Result<Self, BitReaderError> {
        let profile_idc = bits.read::<8, u8>("profile_idc")?;
        let constraint_flags = bits.read::<8, _>("constraint_set_flags")?;
        let level_idc = bits.read::<8, _>("level_idc")?;
        let id = bits.read_ue("seq_parameter_set_id")?;
        let chroma =
            if has_chroma(profile_idc) { Chroma::read(bits)? } else { Chroma::of_lower_profiles() };
        let log2_max_frame_num_minus4 = bits.read_ue("log2_max_frame_num_minus4")?;
        let pic_order_cnt = PicOrderCnt::read(bits)?;
        let max_num_ref_frames = bits.read_ue("max_num_ref_frames")?;
        let gaps_in_frame_num_value_allowed =
            bits.read_bit("gaps_in_frame_num_value_allowed_flag")?;
        let pic_width_in_mbs =
            u64::from(bits.read_ue("pic_width_in_mbs_minus1")?).saturating_add(1);
        let pic_height_in_map_units =
            u64::from(bits.read_ue("pic_height_in_map_units_minus1")?).saturating_add(1);
        let frame_mbs_only = bits.read_bit("frame_mbs_only_flag")?;
        let mb_adaptive_frame_field =
            !frame_mbs_only && bits.read_bit("mb_adaptive_frame_field_flag")?;
        let direct_8x8_inference = bits.read_bit("direct_8x8_inference_flag")?;
        let crop = read_crop(bits)?;
        Ok(Self {
            profile_idc,
            constraint_flags,
            level_idc,
            id,
            chroma,
            log2_max_frame_num_minus4,
            pic_order_cnt,
            max_num_ref_frames,
            gaps_in_frame_num_value_allowed,
            pic_width_in_mbs,
            pic_height_in_map_units,
            frame_mbs_only,
            mb_adaptive_frame_field,
            direct_8x8_inference,
            crop,
        })
    }

    fn into_sps(self, vui: &Vui) -> Result<Sps, Error> {
        let (coded_width, coded_height) = self.coded_size()?;
        let [left, right, top, bottom] = self.crop_in_samples();
        let columns = cropped(coded_width, left, right);
        let rows = cropped(coded_height, top, bottom);
        let (crop_left, width) = columns.unwrap_or((0, coded_width));
        let (crop_top, height) = rows.unwrap_or((0, coded_height));
        let within = |value: u32, max: u8, field| small("SPS", value, max, field);
        let poc = self.pic_order_cnt;
        within(poc.cycle_len, u8::MAX, "num_ref_frames_in_pic_order_cnt_cycle")?;
        let log2_max_pic_order_cnt_lsb = match poc.log2_max_pic_order_cnt_lsb_minus4 {
            Some(value) => {
                within(value, 12, "log2_max_pic_order_cnt_lsb_minus4")?.saturating_add(4)
            }
            None => 0,
        };
        Ok(Sps {
            id: within(self.id, MAX_SPS_ID, "seq_parameter_set_id")?.into(),
            profile_idc: self.profile_idc,
            constraint_flags: self.constraint_flags,
            level_idc: self.level_idc,
            chroma_format_idc: within(self.chroma.format_idc, 3, "chroma_format_idc")?,
            separate_colour_planes: self.chroma.separate_planes,
            bit_depth_luma: within(self.chroma.bit_depth_luma_minus8, 6, "bit_depth_luma_minus8")?
                .saturating_add(8),
            bit_depth_chroma: within(
                self.chroma.bit_depth_chroma_minus8,
                6,
                "bit_depth_chroma_minus8",
            )?
            .saturating_add(8),
            lossless: self.chroma.lossless,
            scaling_lists: self.chroma.scaling_lists,
            log2_max_frame_num: within(
                self.log2_max_frame_num_minus4,
                12,
                "log2_max_frame_num_minus4",
            )?
            .saturating_add(4),
            pic_order_cnt_type: within(poc.pic_order_cnt_type, 2, "pic_order_cnt_type")?,
            log2_max_pic_order_cnt_lsb,
            pic_order_cnt_cycle: poc.cycle,
            max_num_ref_frames: self.max_num_ref_frames,
            gaps_in_frame_num_value_allowed: self.gaps_in_frame_num_value_allowed,
            interlaced: !self.frame_mbs_only,
            mb_adaptive_frame_field: self.mb_adaptive_frame_field,
            direct_8x8_inference: self.direct_8x8_inference,
            width,
            height,
            coded_width,
            coded_height,
            crop_left,
            crop_top,
            cropping_ignored: columns.is_none() || rows.is_none(),
            sar: vui.sar.unwrap_or((1, 1)),
            frame_rate: vui.frame_rate,
            colour: vui.colour,
            max_num_reorder_frames: vui.max_num_reorder_frames.map(at_most_16),
            max_dec_frame_buffering: vui.max_dec_frame_buffering.map(at_most_16),
        })
    }

    fn coded_size(&self) -> Result<(u32, u32), Error> {
        let map_unit_rows = if self.frame_mbs_only { 16 } else { 32 };
        let width = self.pic_width_in_mbs.saturating_mul(16);
        let height = self.pic_height_in_map_units.saturating_mul(map_unit_rows);
        let limit = Limits::DEFAULT.max_side;
        let within = |side: u64| u32::try_from(side).ok().filter(|&side| side <= limit);
        within(width).zip(within(height)).ok_or(Error::PictureSize { width, height, limit })
    }

    /// 14496-10 equations 7-19 to 7-22.
    fn crop_in_samples(&self) -> [u32; 4] {
        let chroma_array_type =
            if self.chroma.separate_planes { 0 } else { self.chroma.format_idc };
        let (sub_width, sub_height) = match chroma_array_type {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let unit_y: u32 =
            if self.frame_mbs_only { sub_height } else { sub_height.saturating_mul(2) };
        let [left, right, top, bottom] = self.crop;
        let x = |offset: u32| offset.saturating_mul(sub_width);
        let y = |offset: u32| offset.saturating_mul(unit_y);
        [x(left), x(right), y(top), y(bottom)]
    }
}

/// Where what is shown begins, and how long it is; None where nothing would be left.
fn cropped(side: u32, before: u32, after: u32) -> Option<(u32, u32)> {
    let shown = side.checked_sub(before)?.checked_sub(after)?;
    (shown > 0).then_some((before, shown))
}

/// A value that must not be over `max`.
pub(crate) fn small(
    structure: &'static str,
    value: u32,
    max: u8,
    field: &'static str,
) -> Result<u8, Error> {
    u8::try_from(value).ok().filter(|&value| value <= max).ok_or(Error::Syntax { structure, field })
}

/// The profiles with `chroma_format_idc` (14496-10 7.3.2.1.1).
fn has_chroma(profile_idc: u8) -> bool {
    matches!(profile_idc, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

impl Chroma {
    /// 8-bit 4:2:0.
    fn of_lower_profiles() -> Self {
        Self {
            format_idc: 1,
            separate_planes: false,
            bit_depth_luma_minus8: 0,
            bit_depth_chroma_minus8: 0,
            lossless: false,
            scaling_lists: None,
        }
    }

    fn read(bits: &mut impl BitRead) -> Result<Self, BitReaderError> {
        let format_idc = bits.read_ue("chroma_format_idc")?;
        let mut chroma = Self {
            format_idc,
            separate_planes: format_idc == 3 && bits.read_bit("separate_colour_plane_flag")?,
            bit_depth_luma_minus8: bits.read_ue("bit_depth_luma_minus8")?,
            bit_depth_chroma_minus8: bits.read_ue("bit_depth_chroma_minus8")?,
            lossless: bits.read_bit("qpprime_y_zero_transform_bypass_flag")?,
            scaling_lists: None,
        };
        if bits.read_bit("seq_scaling_matrix_present_flag")? {
            let count = if format_idc == 3 { 12 } else { 8 };
            chroma.scaling_lists = Some(Box::new(ScalingLists::read(bits, count)?));
        }
        Ok(chroma)
    }
}

impl PicOrderCnt {
    fn read(bits: &mut impl BitRead) -> Result<Self, BitReaderError> {
        let mut poc = Self {
            pic_order_cnt_type: bits.read_ue("pic_order_cnt_type")?,
            log2_max_pic_order_cnt_lsb_minus4: None,
            cycle_len: 0,
            cycle: PicOrderCntCycle::default(),
        };
        match poc.pic_order_cnt_type {
            0 => {
                poc.log2_max_pic_order_cnt_lsb_minus4 =
                    Some(bits.read_ue("log2_max_pic_order_cnt_lsb_minus4")?);
            }
            1 => poc.read_cycle(bits)?,
            _ => {}
        }
        Ok(poc)
    }

    fn read_cycle(&mut self, bits: &mut impl BitRead) -> Result<(), BitReaderError> {
        let cycle = &mut self.cycle;
        cycle.delta_pic_order_always_zero = bits.read_bit("delta_pic_order_always_zero_flag")?;
        cycle.offset_for_non_ref_pic = bits.read_se("offset_for_non_ref_pic")?;
        cycle.offset_for_top_to_bottom_field = bits.read_se("offset_for_top_to_bottom_field")?;
        self.cycle_len = bits.read_ue("num_ref_frames_in_pic_order_cnt_cycle")?;
        for _ in 0..self.cycle_len.min(u8::MAX.into()) {
            cycle.offset_for_ref_frame.push(bits.read_se("offset_for_ref_frame")?);
        }
        Ok(())
    }
}

fn read_crop(bits: &mut impl BitRead) -> Result<[u32; 4], BitReaderError> {
    if !bits.read_bit("frame_cropping_flag")? {
        return Ok([0; 4]);
    }
    Ok([
        bits.read_ue("frame_crop_left_offset")?,
        bits.read_ue("frame_crop_right_offset")?,
        bits.read_ue("frame_crop_top_offset")?,
        bits.read_ue("frame_crop_bottom_offset")?,
    ])
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// x264, 1280x720 High.
    const HIGH_720P: [u8; 26] = hex!("6764001facd9405005bb0110000003001000000303c0f1831960");
    /// x264, 1920x1080 interlaced.
    const INTERLACED_1080: [u8; 26] = hex!("67640028acd94078044fde0220000003002000000783e2c5b2c0");

    fn parse(nal_unit: &[u8]) -> Sps {
        Sps::parse(nal_unit).unwrap()
    }

    #[test]
    fn s7_3_2_1_1_and_e_1_1_of_an_ordinary_stream() {
        let sps = parse(&HIGH_720P);
        assert_eq!(sps.codec_string(), "avc1.64001f");
        assert_eq!((sps.width, sps.height, sps.sar), (1280, 720, (1, 1)));
        assert_eq!((sps.chroma_format_idc, sps.bit_depth_luma, sps.bit_depth_chroma), (1, 8, 8));
        assert_eq!((sps.interlaced, sps.lossless, sps.colour), (false, false, None));
        assert_eq!(sps.frame_rate, Some((30, 1)));
        assert_eq!((sps.max_num_reorder_frames, sps.max_dec_frame_buffering), (Some(2), Some(4)));
        assert_eq!(
            (sps.pic_order_cnt_type, sps.max_num_ref_frames, sps.reorder_depth()),
            (0, 4, 2)
        );
    }

    #[test]
    fn s7_4_2_1_1_cropping_counts_double_in_fields() {
        let sps = parse(&INTERLACED_1080);
        assert_eq!((sps.width, sps.height), (1920, 1080));
        assert_eq!((sps.coded_width, sps.coded_height, sps.interlaced), (1920, 1088, true));
    }

    #[test]
    fn e_2_1_colour_and_range() {
        let sps = parse(&hex!("67640028acd940780227e5c05b808080a0000003002000000781e30632c0"));
        assert_eq!(
            sps.colour,
            Some(Colour { full_range: true, primaries: 1, transfer: 1, matrix: 1 })
        );
        assert_eq!((sps.width, sps.height), (1920, 1080));
    }

    #[test]
    fn e_2_1_sample_aspect_ratio_and_hrd() {
        let sps = parse(&hex!(
            "6764001eacd940b4126ffc010000b440000003004000000c9810003d090007a13930c01e2c5b2c"
        ));
        assert_eq!((sps.width, sps.height, sps.sar), (720, 576, (64, 45)));
        assert_eq!(
            (sps.frame_rate, sps.max_num_reorder_frames),
            (Some((25, 1)), Some(2)),
            "behind the HRD"
        );
    }

    #[test]
    fn a_vui_that_breaks_off_loses_only_what_is_missing() {
        // Cut in the timing information: h264-reader refuses it.
        let sps = parse(&hex!("67640028acd940780227e5c05b808080a000"));
        assert_eq!(
            (sps.width, sps.height, sps.colour.map(|c| c.full_range)),
            (1920, 1080, Some(true))
        );
        assert_eq!((sps.frame_rate, sps.max_num_reorder_frames), (None, None));
    }

    /// `ue(v)` and `se(v)` (14496-10 9.1) as text of bits.
    fn ue(value: u32) -> String {
        let bits = format!("{:b}", value + 1);
        "0".repeat(bits.len() - 1) + &bits
    }

    fn se(value: i32) -> String {
        ue(if value > 0 { 2 * value.unsigned_abs() - 1 } else { 2 * value.unsigned_abs() })
    }

    /// Caton's and Xiongmai's encoders write deltas that no scale can have, or end a list with a
    /// scale of zero.
    #[test]
    fn row_31_scaling_lists_that_strict_parsers_refuse_are_skipped() {
        let absurd: String =
            (0..16).map(|index| se(if index % 2 == 0 { 200 } else { -300 })).collect();
        let lists = ["0", &format!("1{absurd}"), &format!("1{}", se(-8)), "0", "0", "0"].concat();
        let long: String = (0..64).map(|_| se(1)).collect();
        let head = [ue(0), ue(1), ue(0), ue(0), "0".to_owned(), "1".to_owned()].concat();
        let size = [ue(0), ue(0), ue(4), ue(1), "0".to_owned(), ue(79), ue(44), "11001".to_owned()];
        let bits = head + &lists + &format!("1{long}0") + &size.concat();
        let bits = bits.clone() + &"0".repeat(bits.len().next_multiple_of(8) - bits.len());
        let bytes =
            (0..bits.len()).step_by(8).map(|at| u8::from_str_radix(&bits[at..at + 8], 2).unwrap());
        let nal_unit: Vec<u8> = hex!("67 64001f").into_iter().chain(bytes).collect();
        assert!(
            !nal_unit.windows(3).any(|window| window[..2] == [0, 0] && window[2] <= 3),
            "no escapes"
        );
        let sps = parse(&nal_unit);
        assert_eq!((sps.width, sps.height, sps.max_num_ref_frames), (1280, 720, 1));
    }

    #[test]
    fn a_level_too_low_for_the_size_is_harmless() {
        let mut sps = HIGH_720P;
        sps[3] = 10;
        let sps = parse(&sps);
        assert_eq!(
            (sps.width, sps.height, sps.codec_string().as_str()),
            (1280, 720, "avc1.64000a")
        );
    }

    #[test]
    fn a_3_1_reorder_depth_without_vui_is_what_the_level_holds() {
        // 176x144 level 1 Baseline, POC type 0, no VUI: 396 / 99.
        let baseline = parse(&hex!("6742000af4162720"));
        assert_eq!(
            (baseline.width, baseline.height, baseline.max_num_reorder_frames),
            (176, 144, None)
        );
        assert_eq!((baseline.pic_order_cnt_type, baseline.reorder_depth()), (0, 4));
        assert_eq!(Sps { pic_order_cnt_type: 2, ..baseline.clone() }.reorder_depth(), 0);
        assert_eq!(Sps { level_idc: 99, ..baseline.clone() }.reorder_depth(), 16, "unknown level");
        assert_eq!(
            Sps { profile_idc: 110, constraint_flags: 0x10, ..baseline }.reorder_depth(),
            0,
            "intra profile"
        );
    }

    #[test]
    fn bad_sets_name_the_field() {
        let text = |nal_unit: &[u8]| Sps::parse(nal_unit).unwrap_err().to_string();
        assert_eq!(text(&hex!("68ebe3cb")), "NAL unit type Pps, allowed is Sps");
        assert_eq!(text(&hex!("67 64")), "SPS: constraint_set_flags is cut or out of range");
        assert_eq!(
            text(&HIGH_720P[..8]),
            "SPS: pic_height_in_map_units_minus1 is cut or out of range"
        );
        // The id is 32: 000001 00001.
        assert_eq!(
            text(&hex!("6742000a 043682c4e4")),
            "SPS: seq_parameter_set_id is cut or out of range"
        );
        // 1025 macroblocks wide.
        assert_eq!(
            text(&hex!("6742000af400200f20")),
            "picture of 16400x16, allowed are 1 to 16384 a side"
        );
    }
}
