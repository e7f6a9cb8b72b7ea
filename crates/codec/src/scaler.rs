//! Pictures of one size to another.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use media::{I420, I420Buf, Plane};

use crate::Error;

/// Scales I420 pictures, plane by plane, straight from strided planes.
///
/// **Kernel.** A triangle as wide as the reduction ("bilinear" with antialiasing), which is
/// FFmpeg's `-sws_flags bilinear` to within rounding. Measured on recordings at 256x144 against
/// Catmull-Rom (FFmpeg's `bicubic` with `param0=0:param1=0.5`), Hamming and Lanczos: it costs 0.8,
/// 0.8 and 0.5 of their time, and what it makes costs the encoder 5 to 20 % fewer bits at an equal
/// or higher SSIM.
///
/// **Chroma siting.** Planes are scaled about their centres, as FFmpeg does by default. For the
/// left-sited chroma of H.264 that moves chroma by `(1 - 1/r) / 2` luma samples of the small
/// picture at a reduction by `r`: less than half a sample, which was not worth an edge that has to
/// be padded.
///
/// **Memory.** The intermediate picture is kept between calls; fast_image_resize computes its
/// coefficients (some KiB) anew for each plane, a sixth of the time.
pub struct Scaler {
    resizer: Resizer,
    options: ResizeOptions,
    packed: Vec<u8>,
}

impl Scaler {
    /// A scaler; it works for any sizes, and keeps its scratch memory between pictures.
    #[must_use]
    pub fn new() -> Self {
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        Self { resizer: Resizer::new(), options, packed: Vec::new() }
    }

    /// Scales `picture` to fill `target`, whose size is the size to make.
    ///
    /// # Errors
    /// [`Error::Plane`] where a plane has no samples or less bytes than its size says.
    pub fn scale(&mut self, picture: I420<'_>, target: &mut I420Buf) -> Result<(), Error> {
        let (width, height) = (target.width(), target.height());
        let chroma = (width.div_ceil(2), height.div_ceil(2));
        let [y, u, v] = target.planes_mut();
        self.plane(picture.y, (width, height), y)?;
        self.plane(picture.u, chroma, u)?;
        self.plane(picture.v, chroma, v)
    }

    fn plane(
        &mut self,
        plane: Plane<'_>,
        (width, height): (usize, usize),
        target: &mut [u8],
    ) -> Result<(), Error> {
        let error = Error::Plane {
            width: plane.width,
            height: plane.height,
            stride: plane.stride,
            bytes: plane.data.len(),
        };
        let side = |side: usize| u32::try_from(side).ok().filter(|side| *side > 0).ok_or(error);
        let plane = with_whole_rows(plane, &mut self.packed).ok_or(error)?;
        let rows =
            TypedImageRef::<U8>::from_buffer(side(plane.stride)?, side(plane.height)?, plane.data)
                .map_err(|_| error)?;
        // The padding between the rows is cut off here: a crop in the options would let it bleed
        // in.
        let source =
            TypedCroppedImage::from_ref(&rows, 0, 0, side(plane.width)?, side(plane.height)?)
                .map_err(|_| error)?;
        let mut target = TypedImage::<U8>::from_buffer(side(width)?, side(height)?, target)
            .map_err(|_| error)?;
        self.resizer.resize_typed(&source, &mut target, &self.options).map_err(|_| error)
    }
}

/// The plane, copied only if its last row ends before the stride does, which an image cannot
/// express; `None` where samples are missing. The decoder's planes and `I420Buf`'s have whole rows.
fn with_whole_rows<'a>(plane: Plane<'a>, packed: &'a mut Vec<u8>) -> Option<Plane<'a>> {
    let Plane { data, stride, width, height } = plane;
    let last_row = stride.checked_mul(height.checked_sub(1)?)?;
    if stride < width || data.len() < last_row.checked_add(width)? {
        return None;
    }
    if data.len() >= last_row.checked_add(stride)? {
        return Some(plane);
    }
    packed.clear();
    plane.rows().for_each(|row| packed.extend_from_slice(row));
    Some(Plane { data: packed, stride: width, width, height })
}

impl Default for Scaler {
    fn default() -> Self {
        Self::new()
    }
}
