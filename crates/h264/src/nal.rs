//! NAL unit headers and payloads.

/// `nal_unit_type` (14496-10 table 7-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NalType {
    /// 1: a slice of a picture that is no IDR.
    Slice,
    /// 2: slice data partition A.
    PartitionA,
    /// 3: slice data partition B.
    PartitionB,
    /// 4: slice data partition C.
    PartitionC,
    /// 5: a slice of an IDR picture.
    Idr,
    /// 6: supplemental enhancement information.
    Sei,
    /// 7: sequence parameter set.
    Sps,
    /// 8: picture parameter set.
    Pps,
    /// 9.
    AccessUnitDelimiter,
    /// 10.
    EndOfSequence,
    /// 11.
    EndOfStream,
    /// 12: filler data.
    Filler,
    /// All others; 0 also stands for a NAL unit without a header byte.
    Other(u8),
}

impl NalType {
    fn from_id(id: u8) -> Self {
        match id {
            1 => Self::Slice,
            2 => Self::PartitionA,
            3 => Self::PartitionB,
            4 => Self::PartitionC,
            5 => Self::Idr,
            6 => Self::Sei,
            7 => Self::Sps,
            8 => Self::Pps,
            9 => Self::AccessUnitDelimiter,
            10 => Self::EndOfSequence,
            11 => Self::EndOfStream,
            12 => Self::Filler,
            other => Self::Other(other),
        }
    }
}

/// The type of a NAL unit (14496-10 7.4.1).
#[must_use]
pub fn nal_type(nal_unit: &[u8]) -> NalType {
    NalType::from_id(nal_unit.first().map_or(0, |header| header & 0x1f))
}

/// `nal_ref_idc`, 0 to 3 (14496-10 7.4.1): 0 in a slice says that no other picture refers to it.
#[must_use]
pub fn nal_ref_idc(nal_unit: &[u8]) -> u8 {
    nal_unit.first().map_or(0, |header| (header >> 5) & 3)
}

/// The first `max_bytes` of the payload after the header byte, without emulation prevention bytes (14496-10 7.3.1).
///
/// Lenient: a byte sequence that may not occur in a NAL unit is taken as it is.
pub(crate) fn rbsp(nal_unit: &[u8], max_bytes: usize) -> Vec<u8> {
    let mut zeros: u8 = 0;
    let keep = |&byte: &u8| {
        let is_prevention = zeros >= 2 && byte == 3;
        zeros = if byte == 0 { zeros.saturating_add(1) } else { 0 };
        !is_prevention
    };
    nal_unit.iter().skip(1).take(max_bytes).copied().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn s7_4_1_header_fields() {
        assert_eq!((nal_type(&[0x67]), nal_ref_idc(&[0x67])), (NalType::Sps, 3));
        assert_eq!((nal_type(&[0x01]), nal_ref_idc(&[0x01])), (NalType::Slice, 0));
        assert_eq!((nal_type(&[0x7f]), nal_ref_idc(&[0x7f])), (NalType::Other(31), 3));
        assert_eq!((nal_type(&[]), nal_ref_idc(&[])), (NalType::Other(0), 0));
    }

    #[test]
    fn s7_3_1_emulation_prevention_bytes_go() {
        assert_eq!(rbsp(&hex!("67 000003 00 000003 03 0003"), 100), hex!("0000 00 0000 03 0003"));
        assert_eq!(rbsp(&hex!("67 00000003 01"), 100), hex!("000000 01"), "more than two zeros");
        assert_eq!(rbsp(&hex!("67 010203"), 2), hex!("0102"));
        assert_eq!(rbsp(&[], 2), []);
    }
}
