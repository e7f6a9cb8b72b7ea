//! Pictures of one size to another.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use media::{I420, I420Buf, Plane};

use crate::Error;

/// Scales I420 pictures, plane by plane, straight from strided planes.
pub struct Scaler {
    resizer: Resizer,
    options: ResizeOptions,
}

impl Scaler {
    /// A scaler; it works for any sizes, and keeps its scratch memory between pictures.
    #[must_use]
    pub fn new() -> Self {
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        Self { resizer: Resizer::new(), options }
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
        let side = |side: usize| u32::try_from(side).map_err(|_| error);
        let rows =
            TypedImageRef::<U8>::from_buffer(side(plane.stride)?, side(plane.height)?, plane.data)
                .map_err(|_| error)?;
        // The padding between the rows is cut off here: a crop in the options would let it bleed in.
        let source =
            TypedCroppedImage::from_ref(&rows, 0, 0, side(plane.width)?, side(plane.height)?)
                .map_err(|_| error)?;
        let mut target = TypedImage::<U8>::from_buffer(side(width)?, side(height)?, target)
            .map_err(|_| error)?;
        self.resizer.resize_typed(&source, &mut target, &self.options).map_err(|_| error)
    }
}

impl Default for Scaler {
    fn default() -> Self {
        Self::new()
    }
}
