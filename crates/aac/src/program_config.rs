//! program_config_element: a channel layout spelled out.

use crate::Error;
use crate::bits::Bits;

/// Channels of a program_config_element (14496-3 4.4.1.1, table 4.2), and no more of it than it
/// takes to get past.
pub(crate) struct ProgramConfig {
    pub(crate) channels: u8,
    /// The channel configuration that says the same, where there is one.
    pub(crate) channel_configuration: Option<u8>,
}

/// The element starts at a byte border of `bits` only by chance; its alignment is relative to the
/// AudioSpecificConfig, whose start `bits` is at.
pub(crate) fn read(bits: &mut Bits<'_>) -> Result<ProgramConfig, Error> {
    bits.skip(4 + 2 + 4, "program config element")?; // instance tag, object type, frequency index
    let front = bits.u8(4, "front channel elements")?;
    let side = bits.u8(4, "side channel elements")?;
    let back = bits.u8(4, "back channel elements")?;
    let lfe = bits.u8(2, "LFE channel elements")?;
    let associated_data = bits.u8(3, "associated data elements")?;
    let coupling = bits.u8(4, "coupling channel elements")?;
    skip_mixdown(bits)?;
    // At most 15 elements of each kind by their fields' widths.
    let (front, side, back) =
        (read_pairs(bits, front)?, read_pairs(bits, side)?, read_pairs(bits, back)?);
    bits.skip(usize::from(lfe).saturating_mul(4), "LFE elements")?;
    bits.skip(usize::from(associated_data).saturating_mul(4), "associated data elements")?;
    bits.skip(usize::from(coupling).saturating_mul(5), "coupling elements")?;
    skip_comment(bits)?;
    let channels =
        [&front[..], &side, &back].into_iter().map(channels_of).fold(lfe, u8::saturating_add);
    // The channels beside the listener are those behind where there are no others.
    let surround = [side, back].concat();
    let channel_configuration = match (&front[..], &surround[..], lfe) {
        _ if coupling > 0 => None,
        ([false], [], 0) => Some(1),
        ([true], [], 0) => Some(2),
        ([false, true], [], 0) => Some(3),
        ([false, true], [false], 0) => Some(4),
        ([false, true], [true], 0) => Some(5),
        ([false, true], [true], 1) => Some(6),
        ([false, true, true], [true], 1) => Some(7),
        _ => None,
    };
    Ok(ProgramConfig { channels, channel_configuration })
}

/// Which of so many elements are pairs, from the first on.
fn read_pairs(bits: &mut Bits<'_>, elements: u8) -> Result<Vec<bool>, Error> {
    let mut pairs = Vec::new();
    for _ in 0..elements {
        pairs.push(bits.flag("channel element")?);
        bits.skip(4, "channel element")?;
    }
    Ok(pairs)
}

/// A channel pair counts twice.
fn channels_of(pairs: &[bool]) -> u8 {
    pairs
        .iter()
        .fold(0, |channels: u8, &is_pair| channels.saturating_add(1).saturating_add(is_pair.into()))
}

fn skip_mixdown(bits: &mut Bits<'_>) -> Result<(), Error> {
    for (what, len) in [("mono mixdown", 4), ("stereo mixdown", 4), ("matrix mixdown", 3)] {
        if bits.flag(what)? {
            bits.skip(len, what)?;
        }
    }
    Ok(())
}

fn skip_comment(bits: &mut Bits<'_>) -> Result<(), Error> {
    bits.align_to_byte();
    let len = bits.u8(8, "comment length")?;
    bits.skip(usize::from(len).saturating_mul(8), "comment")
}
