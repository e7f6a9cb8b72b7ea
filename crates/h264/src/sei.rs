//! Supplemental enhancement information: recovery points.

use h264_reader::rbsp::{BitRead, BitReader};

use crate::{Limits, nal};

const RECOVERY_POINT: usize = 6;

/// `recovery_frame_cnt` of the recovery point message in an SEI NAL unit (14496-10 7.3.2.3.1,
/// D.1.8): how many frames later the picture is right. None where there is no such message.
#[must_use]
pub fn recovery_frame_count(nal_unit: &[u8]) -> Option<u32> {
    let rbsp = nal::rbsp(nal_unit, Limits::DEFAULT.max_sei_bytes);
    let mut rest = &rbsp[..];
    loop {
        let payload_type = variable_length(&mut rest)?;
        let len = variable_length(&mut rest)?;
        let (payload, after) = rest.split_at_checked(len)?;
        if payload_type == RECOVERY_POINT {
            return BitReader::new(payload).read_ue("recovery_frame_cnt").ok();
        }
        rest = after;
    }
}

/// A sum of bytes up to and with the first that is not 255.
fn variable_length(rest: &mut &[u8]) -> Option<usize> {
    let mut sum: usize = 0;
    loop {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        sum = sum.saturating_add(byte.into());
        if byte != u8::MAX {
            return Some(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn d_1_8_recovery_point_alone_and_after_other_messages() {
        assert_eq!(recovery_frame_count(&hex!("06 06 01 c4 80")), Some(0));
        // Buffering period of two bytes, user data of 257 bytes, then recovery_frame_cnt 29 (00001
        // 1110).
        let user_data = [0xaa; 257];
        let sei = [&hex!("06 00 02 bbbb 05 ff02")[..], &user_data, &hex!("06 02 0f24 80")].concat();
        assert_eq!(recovery_frame_count(&sei), Some(29));
    }

    #[test]
    fn d_1_8_none_in_other_and_in_broken_messages() {
        assert_eq!(recovery_frame_count(&hex!("06 01 02 1234 80")), None);
        assert_eq!(recovery_frame_count(&hex!("06 06 09 c4")), None, "longer than the NAL unit");
        assert_eq!(recovery_frame_count(&hex!("06 ffffffff")), None);
        assert_eq!(recovery_frame_count(&hex!("06")), None);
    }
}
