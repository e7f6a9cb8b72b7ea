//! Slice headers and what they refer to, read ahead of a decoder: what it must not be given is found here.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusty_h264_common::bit_reader::OutOfData;
use rusty_h264_common::nal::emulation_unprevent;
use rusty_h264_common::{BitReader, NalUnitType};
use rusty_h264_decoder::{DecodeError, Pps, Sps};

/// Bytes of a slice that can hold its header: at most 32 weights and 66 commands a list fit.
const MAX_HEADER_BYTES: usize = 2048;
/// `seq_parameter_set_id` (ITU-T H.264 7.4.2.1.1).
const MAX_SPS_ID: u32 = 31;
/// `pic_parameter_set_id` (7.4.2.2).
const MAX_PPS_ID: u32 = 255;
/// `num_ref_idx_active_minus1` + 1 of any picture (7.4.3). The decoder allocates by it.
const MAX_REFERENCE_INDEXES: u32 = 32;
/// `modification_of_pic_nums_idc` and `memory_management_control_operation` of one slice: a bound for the loop, twice
/// what a list or a buffer can need.
const MAX_COMMANDS: usize = 66;

/// The parameter sets in force, which slice headers cannot be read without.
#[derive(Default)]
pub(crate) struct Headers {
    sps: BTreeMap<u32, Sps>,
    pps: BTreeMap<u32, Pps>,
}

/// What a NAL unit is to a decoder.
pub(crate) enum Unit {
    Sps(u32),
    Pps,
    Slice(SliceHeader),
    /// Data partitions A to C.
    Partition,
    Other,
}

/// The part of `slice_header()` (7.3.3) that decoders differ in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SliceHeader {
    pub(crate) first_mb: u32,
    pub(crate) coding: Coding,
    pub(crate) pps_id: u32,
    pub(crate) idr: bool,
    pub(crate) frame_num: u32,
    /// `nal_ref_idc` is not 0.
    pub(crate) reference: bool,
    /// Of a redundant coded picture, `redundant_pic_cnt` is not 0.
    pub(crate) redundant: bool,
    pub(crate) marking: Marking,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    P,
    B,
    I,
}

/// What of `dec_ref_pic_marking()` (7.3.3.3) matters.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marking {
    /// The picture, or an earlier one, becomes a long-term reference.
    pub(crate) long_term: bool,
    /// `memory_management_control_operation` 3: an earlier one becomes a long-term reference.
    pub(crate) assigns: bool,
    /// `memory_management_control_operation` 5: all references are forgotten.
    pub(crate) resets: bool,
}

impl Headers {
    /// Reads a NAL unit, without start code.
    pub(crate) fn read(&mut self, nal_unit: &[u8]) -> Result<Unit, DecodeError> {
        // The parsers of parameter sets add up what they read, and panic where that overflows.
        catch_unwind(AssertUnwindSafe(|| self.read_trusting(nal_unit)))
            .unwrap_or(Err(DecodeError::Unsupported("a value out of its range")))
    }

    fn read_trusting(&mut self, nal_unit: &[u8]) -> Result<Unit, DecodeError> {
        let Some((&header, payload)) = nal_unit.split_first() else { return Ok(Unit::Other) };
        Ok(match NalUnitType::from_id(header) {
            NalUnitType::Sps => Unit::Sps(self.read_sps(payload)?),
            NalUnitType::Pps => {
                self.read_pps(payload)?;
                Unit::Pps
            }
            kind @ (NalUnitType::IdrSlice | NalUnitType::NonIdrSlice) => {
                let head = &payload[..payload.len().min(MAX_HEADER_BYTES)];
                let idr = kind == NalUnitType::IdrSlice;
                Unit::Slice(self.read_slice(&emulation_unprevent(head), idr, header & 0x60 != 0)?)
            }
            _ if matches!(header & 0x1f, 2..=4) => Unit::Partition,
            _ => Unit::Other,
        })
    }

    pub(crate) fn sps(&self, id: u32) -> Option<&Sps> {
        self.sps.get(&id)
    }

    pub(crate) fn pps(&self, id: u32) -> Option<&Pps> {
        self.pps.get(&id)
    }

    /// The SPS that pictures with this PPS have.
    pub(crate) fn sps_of_pps(&self, id: u32) -> Option<&Sps> {
        self.sps(self.pps(id)?.seq_parameter_set_id)
    }

    fn read_sps(&mut self, payload: &[u8]) -> Result<u32, DecodeError> {
        let sps = Sps::parse(&emulation_unprevent(payload))?;
        let id = within(sps.seq_parameter_set_id, MAX_SPS_ID)?;
        self.sps.insert(id, sps);
        Ok(id)
    }

    fn read_pps(&mut self, payload: &[u8]) -> Result<(), DecodeError> {
        let pps = Pps::parse(&emulation_unprevent(payload))?;
        let id = within(pps.pic_parameter_set_id, MAX_PPS_ID)?;
        within(pps.num_ref_idx_l0_default, MAX_REFERENCE_INDEXES)?;
        within(pps.num_ref_idx_l1_default, MAX_REFERENCE_INDEXES)?;
        self.pps.insert(id, pps);
        Ok(())
    }

    fn read_slice(
        &self,
        rbsp: &[u8],
        idr: bool,
        reference: bool,
    ) -> Result<SliceHeader, DecodeError> {
        let bits = &mut BitReader::new(rbsp);
        let first_mb = bits.read_ue()?;
        let coding = read_coding(bits)?;
        let pps_id = bits.read_ue()?;
        let pps = self.pps(pps_id).ok_or(DecodeError::MissingParameterSet)?;
        let sps = self.sps_of_pps(pps_id).ok_or(DecodeError::MissingParameterSet)?;
        let frame_num = bits.read_bits(sps.log2_max_frame_num)?;
        if !sps.frame_mbs_only && bits.read_bit()? {
            return Err(DecodeError::Unsupported("field pictures"));
        }
        if idr {
            bits.read_ue()?; // idr_pic_id
        }
        skip_pic_order_cnt(bits, sps, pps)?;
        let redundant = pps.redundant_pic_cnt_present_flag && bits.read_ue()? != 0;
        skip_reference_lists(bits, coding, pps)?;
        let marking = if reference { read_marking(bits, idr)? } else { Marking::default() };
        Ok(SliceHeader { first_mb, coding, pps_id, idr, frame_num, reference, redundant, marking })
    }
}

fn read_coding(bits: &mut BitReader<'_>) -> Result<Coding, DecodeError> {
    match bits.read_ue()? {
        0 | 5 => Ok(Coding::P),
        1 | 6 => Ok(Coding::B),
        2 | 7 => Ok(Coding::I),
        _ => Err(DecodeError::Unsupported("switching slices")),
    }
}

fn skip_pic_order_cnt(bits: &mut BitReader<'_>, sps: &Sps, pps: &Pps) -> Result<(), OutOfData> {
    match sps.pic_order_cnt_type {
        0 => drop(bits.read_bits(sps.log2_max_pic_order_cnt_lsb)?),
        1 if !sps.delta_pic_order_always_zero => drop(bits.read_se()?),
        _ => return Ok(()),
    }
    if pps.bottom_field_pic_order_present {
        bits.read_se()?;
    }
    Ok(())
}

/// From `direct_spatial_mv_pred_flag` to the weights.
fn skip_reference_lists(
    bits: &mut BitReader<'_>,
    coding: Coding,
    pps: &Pps,
) -> Result<(), DecodeError> {
    let lists = match coding {
        Coding::I => return Ok(()),
        Coding::P => 1,
        Coding::B => 2,
    };
    if coding == Coding::B {
        bits.read_bit()?; // direct_spatial_mv_pred_flag
    }
    let mut counts = [pps.num_ref_idx_l0_default, pps.num_ref_idx_l1_default];
    let overridden = bits.read_bit()?;
    for count in counts.iter_mut().take(lists).filter(|_| overridden) {
        *count = within(bits.read_ue()?, MAX_REFERENCE_INDEXES - 1)? + 1;
    }
    for _ in 0..lists {
        skip_list_modification(bits)?;
    }
    let explicit =
        if coding == Coding::P { pps.weighted_pred } else { pps.weighted_bipred_idc == 1 };
    if explicit { skip_weights(bits, &counts[..lists]) } else { Ok(()) }
}

/// `ref_pic_list_modification()` of one list (7.3.3.1).
fn skip_list_modification(bits: &mut BitReader<'_>) -> Result<(), DecodeError> {
    if !bits.read_bit()? {
        return Ok(());
    }
    for _ in 0..MAX_COMMANDS {
        match bits.read_ue()? {
            3 => return Ok(()),
            0..=2 => drop(bits.read_ue()?),
            _ => break,
        }
    }
    Err(DecodeError::Unsupported("this reference list modification"))
}

/// `pred_weight_table()` (7.3.3.2), 4:2:0.
fn skip_weights(bits: &mut BitReader<'_>, counts: &[u32]) -> Result<(), DecodeError> {
    bits.read_ue()?; // luma_log2_weight_denom
    bits.read_ue()?; // chroma_log2_weight_denom
    for _ in 0..counts.iter().sum::<u32>() {
        for values in [2, 4] {
            if bits.read_bit()? {
                (0..values).try_for_each(|_| bits.read_se().map(drop))?;
            }
        }
    }
    Ok(())
}

fn read_marking(bits: &mut BitReader<'_>, idr: bool) -> Result<Marking, DecodeError> {
    let mut marking = Marking::default();
    if idr {
        bits.read_bit()?; // no_output_of_prior_pics_flag
        marking.long_term = bits.read_bit()?;
    } else if bits.read_bit()? {
        for _ in 0..MAX_COMMANDS {
            let operation = bits.read_ue()?;
            match operation {
                0 => return Ok(marking),
                3 => (marking.long_term, marking.assigns) = (true, true),
                5 => marking.resets = true,
                6 => marking.long_term = true,
                _ => {}
            }
            let operands = [0, 1, 1, 2, 1, 0, 1].get(operation as usize).copied().unwrap_or(0);
            (0..operands).try_for_each(|_| bits.read_ue().map(drop))?;
        }
        return Err(DecodeError::Unsupported("this reference marking"));
    }
    Ok(marking)
}

fn within(value: u32, max: u32) -> Result<u32, DecodeError> {
    if value <= max { Ok(value) } else { Err(DecodeError::Unsupported("a value out of its range")) }
}
