//! Video usability information, the part that a server uses.

use h264_reader::rbsp::{BitRead, BitReaderError};

/// Colour of the samples (14496-10 E.2.1, code points of ISO/IEC 23091-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// Luma from 0 to 255 rather than 16 to 235.
    pub full_range: bool,
    /// `colour_primaries`; 1 BT.709, 2 unspecified.
    pub primaries: u8,
    /// `transfer_characteristics`; 1 BT.709, 2 unspecified.
    pub transfer: u8,
    /// `matrix_coefficients`; 1 BT.709, 2 unspecified, 6 BT.601.
    pub matrix: u8,
}

/// What was read of `vui_parameters` before it ended.
#[derive(Debug, Default)]
pub(crate) struct Vui {
    pub(crate) sar: Option<(u32, u32)>,
    pub(crate) colour: Option<Colour>,
    pub(crate) frame_rate: Option<(u32, u32)>,
    pub(crate) max_num_reorder_frames: Option<u32>,
    pub(crate) max_dec_frame_buffering: Option<u32>,
}

const EXTENDED_SAR: u8 = 255;
/// Width and height of `aspect_ratio_idc` 1 to 16 (14496-10 table E-1).
const SAMPLE_ASPECT_RATIOS: [(u32, u32); 16] = [
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];
const UNSPECIFIED: u8 = 2;

impl Vui {
    /// Reads `vui_parameters()` (14496-10 E.1.1). What came before an error stays.
    pub(crate) fn read(&mut self, bits: &mut impl BitRead) -> Result<(), BitReaderError> {
        if bits.read_bit("aspect_ratio_info_present_flag")? {
            self.sar = read_sar(bits)?;
        }
        if bits.read_bit("overscan_info_present_flag")? {
            bits.skip(1, "overscan_appropriate_flag")?;
        }
        if bits.read_bit("video_signal_type_present_flag")? {
            self.colour = Some(read_colour(bits)?);
        }
        if bits.read_bit("chroma_loc_info_present_flag")? {
            bits.read_ue("chroma_sample_loc_type_top_field")?;
            bits.read_ue("chroma_sample_loc_type_bottom_field")?;
        }
        if bits.read_bit("timing_info_present_flag")? {
            self.frame_rate = read_frame_rate(bits)?;
        }
        skip_hrd(bits)?;
        bits.skip(1, "pic_struct_present_flag")?;
        if bits.read_bit("bitstream_restriction_flag")? {
            self.read_restrictions(bits)?;
        }
        Ok(())
    }

    fn read_restrictions(&mut self, bits: &mut impl BitRead) -> Result<(), BitReaderError> {
        bits.skip(1, "motion_vectors_over_pic_boundaries_flag")?;
        bits.read_ue("max_bytes_per_pic_denom")?;
        bits.read_ue("max_bits_per_mb_denom")?;
        bits.read_ue("log2_max_mv_length_horizontal")?;
        bits.read_ue("log2_max_mv_length_vertical")?;
        let max_num_reorder_frames = bits.read_ue("max_num_reorder_frames")?;
        self.max_dec_frame_buffering = Some(bits.read_ue("max_dec_frame_buffering")?);
        self.max_num_reorder_frames = Some(max_num_reorder_frames);
        Ok(())
    }
}

/// None where it is unspecified.
fn read_sar(bits: &mut impl BitRead) -> Result<Option<(u32, u32)>, BitReaderError> {
    let idc = bits.read::<8, u8>("aspect_ratio_idc")?;
    if idc == EXTENDED_SAR {
        let sar: (u16, u16) = (bits.read::<16, _>("sar_width")?, bits.read::<16, _>("sar_height")?);
        return Ok((sar.0 != 0 && sar.1 != 0).then_some((sar.0.into(), sar.1.into())));
    }
    Ok(usize::from(idc).checked_sub(1).and_then(|index| SAMPLE_ASPECT_RATIOS.get(index)).copied())
}

fn read_colour(bits: &mut impl BitRead) -> Result<Colour, BitReaderError> {
    bits.skip(3, "video_format")?;
    let full_range = bits.read_bit("video_full_range_flag")?;
    let (mut primaries, mut transfer, mut matrix) = (UNSPECIFIED, UNSPECIFIED, UNSPECIFIED);
    if bits.read_bit("colour_description_present_flag")? {
        primaries = bits.read::<8, _>("colour_primaries")?;
        transfer = bits.read::<8, _>("transfer_characteristics")?;
        matrix = bits.read::<8, _>("matrix_coefficients")?;
    }
    Ok(Colour { full_range, primaries, transfer, matrix })
}

/// Frames a second as a reduced fraction: a tick is a field (14496-10 E.2.1). None where a term is
/// zero.
fn read_frame_rate(bits: &mut impl BitRead) -> Result<Option<(u32, u32)>, BitReaderError> {
    let num_units_in_tick = bits.read::<32, u32>("num_units_in_tick")?;
    let time_scale = bits.read::<32, u32>("time_scale")?;
    bits.skip(1, "fixed_frame_rate_flag")?;
    let units_in_frame = u64::from(num_units_in_tick).saturating_mul(2);
    let divisor = greatest_common_divisor(time_scale.into(), units_in_frame);
    let reduced = |term: u64| term.checked_div(divisor).and_then(|term| u32::try_from(term).ok());
    Ok(reduced(time_scale.into()).zip(reduced(units_in_frame)).filter(|&(a, b)| a != 0 && b != 0))
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while let Some(remainder) = a.checked_rem(b) {
        (a, b) = (b, remainder);
    }
    a
}

/// Both `hrd_parameters()` (14496-10 E.1.2) and the flag after them.
fn skip_hrd(bits: &mut impl BitRead) -> Result<(), BitReaderError> {
    let mut is_present = false;
    for what in ["nal_hrd_parameters_present_flag", "vcl_hrd_parameters_present_flag"] {
        if bits.read_bit(what)? {
            is_present = true;
            skip_hrd_parameters(bits)?;
        }
    }
    if is_present { bits.skip(1, "low_delay_hrd_flag") } else { Ok(()) }
}

fn skip_hrd_parameters(bits: &mut impl BitRead) -> Result<(), BitReaderError> {
    // Each takes three bits at least, so the parameter set's length bounds the loop.
    let last_entry = bits.read_ue("cpb_cnt_minus1")?;
    bits.skip(8, "bit_rate_scale")?;
    for _ in 0..=last_entry {
        bits.read_ue("bit_rate_value_minus1")?;
        bits.read_ue("cpb_size_value_minus1")?;
        bits.skip(1, "cbr_flag")?;
    }
    bits.skip(20, "initial_cpb_removal_delay_length_minus1")
}
