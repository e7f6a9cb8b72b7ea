//! program_config_element: a channel layout spelled out.

use crate::Error;
use crate::bits::Bits;

/// Channels of a program_config_element (14496-3 4.4.1.1, table 4.2), and no more of it than it takes to get past.
pub(crate) struct ProgramConfig {
    pub(crate) channels: u8,
    /// It is one front element and nothing else, so channel configuration 1 or 2 says the same.
    pub(crate) is_plain: bool,
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
    let front_channels = channels_of(bits, front)?;
    let surround_channels = channels_of(bits, side)?.saturating_add(channels_of(bits, back)?);
    bits.skip(usize::from(lfe).saturating_mul(4), "LFE elements")?;
    bits.skip(usize::from(associated_data).saturating_mul(4), "associated data elements")?;
    bits.skip(usize::from(coupling).saturating_mul(5), "coupling elements")?;
    skip_comment(bits)?;
    let others = surround_channels.saturating_add(lfe);
    let is_plain = front == 1 && others == 0 && coupling == 0;
    Ok(ProgramConfig { channels: front_channels.saturating_add(others), is_plain })
}

/// A channel pair counts twice.
fn channels_of(bits: &mut Bits<'_>, elements: u8) -> Result<u8, Error> {
    let mut channels: u8 = 0;
    for _ in 0..elements {
        let is_pair = bits.flag("channel element")?;
        bits.skip(4, "channel element")?;
        channels = channels.saturating_add(1).saturating_add(u8::from(is_pair));
    }
    Ok(channels)
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
