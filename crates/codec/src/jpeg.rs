//! One picture as a JPEG, for people who have nothing else.

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};
use media::{I420, Plane};

/// Qualities that are tried, the best first: pictures are small, and each costs a millisecond.
const QUALITIES: [u8; 5] = [75, 55, 40, 25, 10];

/// The picture as a JPEG of at most `max_bytes`, at the best of a few qualities; None where the
/// worst of them takes more, or a side is 0 or over 65 535.
///
/// `full_range` says that luma and chroma go from 0 to 255, as they do in a JPEG (ITU-T T.871 7);
/// otherwise they go from 16 to 235 and 240, and are spread. The matrix is left as it is: what HD
/// calls red is a little off, which nobody sees in a still of this size.
#[must_use]
pub fn jpeg(picture: I420<'_>, full_range: bool, max_bytes: usize) -> Option<Vec<u8>> {
    let rows = Rows {
        width: u16::try_from(picture.width()).ok()?,
        height: u16::try_from(picture.height()).ok()?,
        picture,
        luma: spread(full_range, 16, 219),
        chroma: spread(full_range, 16, 224),
    };
    QUALITIES.iter().find_map(|quality| {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, *quality);
        encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
        encoder.set_optimized_huffman_tables(true);
        encoder.encode_image(rows).ok()?;
        (bytes.len() <= max_bytes).then_some(bytes)
    })
}

/// What each sample becomes where `range` of them from `lowest` on are to be all 256.
fn spread(full_range: bool, lowest: i32, range: i32) -> [u8; 256] {
    std::array::from_fn(|sample| {
        let spread = (sample as i32 - lowest) * 255 / range;
        if full_range { sample as u8 } else { spread.clamp(0, 255) as u8 }
    })
}

/// The rows of a picture, each sample of chroma twice: the encoder takes the mean of each two by
/// two again.
#[derive(Clone, Copy)]
struct Rows<'a> {
    width: u16,
    height: u16,
    picture: I420<'a>,
    luma: [u8; 256],
    chroma: [u8; 256],
}

impl ImageBuffer for Rows<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let I420 { y: luma, u, v } = self.picture;
        let samples = row(luma, y.into()).iter();
        buffers[0].extend(samples.map(|sample| self.luma[usize::from(*sample)]));
        for (plane, buffer) in [u, v].into_iter().zip(&mut buffers[1..]) {
            let samples = row(plane, usize::from(y) / 2).iter();
            let samples = samples.map(|sample| self.chroma[usize::from(*sample)]);
            buffer.extend(samples.flat_map(|it| [it, it]).take(self.width.into()));
        }
    }
}

fn row(plane: Plane<'_>, y: usize) -> &[u8] {
    let start = y * plane.stride;
    &plane.data[start..start + plane.width]
}

#[cfg(test)]
mod tests {
    use media::I420Buf;

    use super::*;

    #[test]
    fn a_still_is_as_small_as_it_is_asked_to_be() {
        let mut picture = I420Buf::new(256, 144);
        let mut state = 1_u32;
        for plane in picture.planes_mut() {
            plane.fill_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            });
        }
        // Noise is what takes most.
        let still = jpeg(picture.as_i420(), true, 12_000).unwrap();
        assert!(still.starts_with(&[0xff, 0xd8]) && still.ends_with(&[0xff, 0xd9]));
        assert!(still.len() <= 12_000, "{}", still.len());
        assert_eq!(jpeg(picture.as_i420(), true, 500), None);
        assert_eq!(jpeg(I420Buf::new(0, 0).as_i420(), true, 500), None);
    }

    #[test]
    fn odd_sides_and_both_ranges_are_taken() {
        let mut picture = I420Buf::new(33, 17);
        picture.planes_mut().into_iter().for_each(|plane| plane.fill(128));
        assert!(jpeg(picture.as_i420(), false, 6_000).is_some());
        let studio = spread(false, 16, 219);
        assert_eq!((studio[0], studio[16], studio[235], studio[255]), (0, 0, 255, 255));
        assert_eq!(spread(true, 16, 219)[77], 77);
    }
}
