//! One compressed frame through a decoder of symphonia's.

use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia_core::codecs::audio::AudioDecoder;
use symphonia_core::packet::PacketRef;
use symphonia_core::units::{Duration, Timestamp};

/// Decodes the frame into `samples`, channels interleaved; whether it decodes.
pub(crate) fn decode(
    decoder: &mut impl AudioDecoder,
    frame: &[u8],
    samples: &mut Vec<i16>,
) -> bool {
    let packet = PacketRef::new(0, Timestamp::new(0), Duration::new(0), frame);
    // Its arithmetic is checked, and made of the publisher's numbers.
    let decode = AssertUnwindSafe(|| match decoder.decode_ref(&packet) {
        Ok(sound) => {
            sound.copy_to_vec_interleaved(samples);
            true
        }
        Err(_) => false,
    });
    catch_unwind(decode).unwrap_or(false)
}
