//! What the slices of an access unit may make a decoder do, before it sees them.

use media::NalUnits;

use crate::{Error, Limits, NalType, nal_type, slice_outline};

/// Whether a decoder may be given an access unit: each slice begins behind the one before it
/// (arbitrary slice order is left to source alone), and all of them together can hold no more
/// macroblocks than [`Limits::max_slice_macroblocks`].
///
/// Where a slice ends shows only when it is decoded, and a decoder does every macroblock of every
/// slice: 400 copies of a slice of eight bytes are 400 pictures. `picture_macroblocks` is the size
/// of the largest picture that there may be, `fields` how many pictures an access unit may have: 2
/// where they may be fields.
///
/// # Errors
/// [`Error::SliceOrder`], [`Error::SliceMacroblocks`].
pub fn judge_slices(
    nal_units: &NalUnits,
    picture_macroblocks: u32,
    fields: u32,
) -> Result<(), Error> {
    let is_slice = |unit: &&[u8]| {
        matches!(nal_type(unit), NalType::Slice | NalType::PartitionA | NalType::Idr)
    };
    let limit = Limits::DEFAULT.max_slice_macroblocks;
    let mut macroblocks: u32 = 0;
    let mut last: Option<u32> = None;
    let mut fields_left = fields.saturating_sub(1);
    for slice in nal_units.iter().filter(is_slice) {
        // One that cannot be read may be anything to a decoder.
        let first_mb_in_slice = slice_outline(slice).map(|(first, _)| first);
        if let (Some(first_mb_in_slice), Some(before)) = (first_mb_in_slice, last)
            && first_mb_in_slice <= before
        {
            fields_left = fields_left
                .checked_sub(1)
                .ok_or(Error::SliceOrder { first_mb_in_slice, before })?;
        }
        last = first_mb_in_slice.or(last);
        let begins = first_mb_in_slice.unwrap_or(0);
        macroblocks = macroblocks.saturating_add(picture_macroblocks.saturating_sub(begins));
        if macroblocks > limit {
            return Err(Error::SliceMacroblocks { limit });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I slices that begin at these macroblocks, and ones that cannot be read.
    fn unit(slices: &[Option<u32>]) -> NalUnits {
        let mut annexb = Vec::new();
        for slice in slices {
            // `first_mb_in_slice`, then slice_type 7 and PPS 0.
            let nal_unit = match slice {
                Some(first) => {
                    let bits = format!("{}{:b}{}", zeros(*first), first + 1, "000100011");
                    [vec![0x65], bytes(&bits)].concat()
                }
                None => vec![0x65],
            };
            crate::annexb::write([&nal_unit[..]], &mut annexb);
        }
        crate::annexb::nal_units(annexb.into())
    }

    fn zeros(value: u32) -> String {
        "0".repeat((value + 1).ilog2() as usize)
    }

    fn bytes(bits: &str) -> Vec<u8> {
        let padded = format!("{bits}{}", "1".repeat(8 - bits.len() % 8));
        let byte = |at: usize| u8::from_str_radix(&padded[at..at + 8], 2).unwrap();
        (0..padded.len()).step_by(8).map(byte).collect()
    }

    #[test]
    fn slices_that_repeat_or_go_back_are_refused() {
        let judge = |firsts: &[u32], fields| {
            let slices: Vec<_> = firsts.iter().copied().map(Some).collect();
            judge_slices(&unit(&slices), 1000, fields)
        };
        assert_eq!(judge(&[0, 40, 80, 999], 1), Ok(()));
        assert_eq!(judge(&[40], 1), Ok(()), "the first may be lost");
        let repeated = Error::SliceOrder { first_mb_in_slice: 0, before: 0 };
        assert_eq!(judge(&[0, 0], 1), Err(repeated));
        let back = Error::SliceOrder { first_mb_in_slice: 39, before: 40 };
        assert_eq!(judge(&[0, 40, 39], 1), Err(back));
        assert_eq!(judge(&[0, 250, 0, 250], 2), Ok(()), "two fields");
        assert_eq!(
            judge(&[0, 250, 0, 250, 0], 2),
            Err(Error::SliceOrder { first_mb_in_slice: 0, before: 250 })
        );
    }

    #[test]
    fn slices_that_could_be_many_pictures_are_refused() {
        let limit = Limits::DEFAULT.max_slice_macroblocks;
        let every = |picture: u32, step: usize| {
            let slices: Vec<_> = (0..picture).step_by(step).map(Some).collect();
            judge_slices(&unit(&slices), picture, 1)
        };
        assert_eq!(every(8160, 120), Ok(()), "1080p, one for each row");
        assert_eq!(every(36_864, 1_200), Ok(()), "4096x2304 in 31");
        assert_eq!(every(36_864, 256), Err(Error::SliceMacroblocks { limit }));
        assert_eq!(every(99, 1), Ok(()), "one for each macroblock, where there are few");
        let unreadable = unit(&[None; 100]);
        assert_eq!(judge_slices(&unreadable, 5_000, 1), Ok(()));
        assert_eq!(judge_slices(&unreadable, 6_000, 1), Err(Error::SliceMacroblocks { limit }));
    }
}
