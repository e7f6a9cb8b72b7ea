//! A still of a stream, for people who have no picture yet.

use codec::{DecoderKind, Scaler};
use media::I420Buf;

use crate::decoding::Decoding;
use crate::rendition::{Preset, fit};
use crate::tracks::StreamTracks;

/// What a still takes at most, in bytes: a second of a link of 48 kbit/s.
const MAX_BYTES: usize = 6_000;

impl StreamTracks {
    /// The newest IDR as a JPEG of at most 6 kB that fits into 256x144, or 144x256; None without a
    /// picture, and where no decoder here can decode it.
    ///
    /// Decodes one picture: some milliseconds for 720p, a tenth of a second for 4K.
    #[must_use]
    pub fn poster(&self, decoder: DecoderKind) -> Option<Vec<u8>> {
        let picture = self.still.as_ref()?;
        if picture.config.refusal.is_some() {
            return None;
        }
        let sps = &picture.config.sps;
        let smallest = Preset::named("P144p30fps16x9")?.video?;
        let (width, height) = fit(&smallest, (sps.width, sps.height), sps.sar)?.picture;
        let mut small = I420Buf::new(width as usize, height as usize);
        let (mut scaler, mut is_there) = (Scaler::new(), false);
        let mut decoding = Decoding::new(decoder, &picture.config);
        // Where the decoder has an error, maybe nothing came out, and that is all there is to it.
        let _ = decoding.decode(picture, |decoded, _| {
            is_there |= scaler.scale(decoded, &mut small).is_ok();
        });
        decoding.drain(|decoded, _| is_there |= scaler.scale(decoded, &mut small).is_ok());
        let full_range = sps.colour.is_some_and(|colour| colour.full_range);
        is_there.then(|| codec::jpeg(small.as_i420(), full_range, MAX_BYTES)).flatten()
    }
}
