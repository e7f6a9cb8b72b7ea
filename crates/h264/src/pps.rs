//! Picture parameter sets, as far as they decide who can decode the stream.

use h264_reader::rbsp::{BitRead, BitReader, BitReaderError};

use crate::sps::syntax_error;
use crate::{Error, Limits, NalType, nal, nal_type};

/// The head of a picture parameter set (14496-10 7.3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pps {
    /// `pic_parameter_set_id`, 0 to 255.
    pub id: u32,
    /// `seq_parameter_set_id`, 0 to 31: the SPS it belongs to.
    pub sps_id: u32,
    /// CABAC instead of CAVLC.
    pub entropy_coding_mode: bool,
    /// 1 to 8; more than one is flexible macroblock ordering (FMO).
    pub slice_groups: u32,
}

impl Pps {
    /// Reads a PPS NAL unit up to the slice groups; what comes later is not looked at.
    ///
    /// # Errors
    /// [`Error::NalType`], or [`Error::Syntax`] with the field.
    pub fn parse(nal_unit: &[u8]) -> Result<Self, Error> {
        let (actual, expected) = (nal_type(nal_unit), NalType::Pps);
        if actual != expected {
            return Err(Error::NalType { actual, expected });
        }
        let rbsp = nal::rbsp(nal_unit, Limits::DEFAULT.max_parameter_set_bytes);
        let pps = Self::read(&mut BitReader::new(&rbsp[..]))
            .map_err(|error| syntax_error("PPS", &error))?;
        if pps.slice_groups > 8 {
            return Err(Error::Syntax { structure: "PPS", field: "num_slice_groups_minus1" });
        }
        Ok(pps)
    }

    fn read(bits: &mut impl BitRead) -> Result<Self, BitReaderError> {
        let id = bits.read_ue("pic_parameter_set_id")?;
        let sps_id = bits.read_ue("seq_parameter_set_id")?;
        let entropy_coding_mode = bits.read_bit("entropy_coding_mode_flag")?;
        bits.skip(1, "bottom_field_pic_order_in_frame_present_flag")?;
        let slice_groups = bits.read_ue("num_slice_groups_minus1")?.saturating_add(1);
        Ok(Self { id, sps_id, entropy_coding_mode, slice_groups })
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn s7_3_2_2_head() {
        // x264: 1 1 1 0 1 ...
        let expected = Pps { id: 0, sps_id: 0, entropy_coding_mode: true, slice_groups: 1 };
        assert_eq!(Pps::parse(&hex!("68ebe3cb22c0")), Ok(expected));
        // 010 1 0 0 00111: id 1, CAVLC, seven slice groups.
        let expected = Pps { id: 1, sps_id: 0, entropy_coding_mode: false, slice_groups: 7 };
        assert_eq!(Pps::parse(&hex!("68 50e0")), Ok(expected));
    }

    #[test]
    fn bad_sets_name_the_field() {
        let text = |nal_unit: &[u8]| Pps::parse(nal_unit).unwrap_err().to_string();
        assert_eq!(text(&hex!("6742")), "NAL unit type Sps, allowed is Pps");
        assert_eq!(text(&hex!("68")), "PPS: pic_parameter_set_id is cut or out of range");
        assert_eq!(text(&hex!("68 c0")), "PPS: num_slice_groups_minus1 is cut or out of range");
        assert_eq!(
            text(&hex!("68 c120")),
            "PPS: num_slice_groups_minus1 is cut or out of range",
            "nine groups"
        );
    }
}
