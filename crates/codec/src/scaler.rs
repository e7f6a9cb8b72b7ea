//! Pictures of one size to another.

use fearless_simd::{Level, Simd, dispatch};
use media::{I420, I420Buf, Plane};

use crate::Error;
use crate::scaler_kernels::{BAND, narrow_columns, turn_back, turn_band, weigh_rows};

/// The weights of what a sample is made of add up to this, so that sums fit 16 bits.
pub(crate) const WHOLE: u16 = 256;

/// Scales I420 pictures, plane by plane, straight from strided planes.
///
/// **Kernel.** A triangle as wide as the reduction ("bilinear" with antialiasing), which is
/// FFmpeg's `-sws_flags bilinear` to within rounding. Measured on recordings at 256x144 against
/// Catmull-Rom (FFmpeg's `bicubic` with `param0=0:param1=0.5`), Hamming and Lanczos: it has 0.8,
/// 0.8 and 0.5 of their work, and what it makes costs the encoder 5 to 20 % fewer bits at an equal
/// or higher SSIM.
///
/// **Chroma siting.** Planes are scaled about their centres, as FFmpeg does by default. For the
/// left-sited chroma of H.264 that moves chroma by `(1 - 1/r) / 2` luma samples of the small
/// picture at a reduction by `r`: less than half a sample, which was not worth an edge that has to
/// be padded.
///
/// **How.** A band of the target's rows at a time: each is a sum of rows of the source, each times
/// its weight. The band is turned on its side, so that what were columns are rows, and the same is
/// done again. Sums have 16 bits, weights 8, and those of a sample add up to one: areas of one
/// colour keep it. The same samples come out whichever vector instructions the processor has.
///
/// **Memory.** What samples are made of, and room for two bands, is kept until the size changes.
pub struct Scaler {
    level: Level,
    luma: Option<PlaneScaler>,
    chroma: Option<PlaneScaler>,
}

impl Scaler {
    /// A scaler; it works for any sizes, and keeps what it has found of the last ones.
    #[must_use]
    pub fn new() -> Self {
        Self { level: Level::new(), luma: None, chroma: None }
    }

    /// Scales `picture` to fill `target`, whose size is the size to make.
    ///
    /// # Errors
    /// [`Error::Plane`] where a plane has no samples or less bytes than its size says.
    pub fn scale(&mut self, picture: I420<'_>, target: &mut I420Buf) -> Result<(), Error> {
        let (width, height) = (target.width(), target.height());
        let chroma = (width.div_ceil(2), height.div_ceil(2));
        let [y, u, v] = target.planes_mut();
        scale_plane(self.level, &mut self.luma, picture.y, (width, height), y)?;
        scale_plane(self.level, &mut self.chroma, picture.u, chroma, u)?;
        scale_plane(self.level, &mut self.chroma, picture.v, chroma, v)
    }
}

impl Default for Scaler {
    fn default() -> Self {
        Self::new()
    }
}

fn scale_plane(
    level: Level,
    scaler: &mut Option<PlaneScaler>,
    plane: Plane<'_>,
    to: (usize, usize),
    target: &mut [u8],
) -> Result<(), Error> {
    let Plane { data, stride, width, height } = plane;
    let error = Error::Plane { width, height, stride, bytes: data.len() };
    let last_row = height.checked_sub(1).and_then(|rows| stride.checked_mul(rows));
    let end = last_row.and_then(|last_row| last_row.checked_add(width)).ok_or(error)?;
    if width == 0 || stride < width || data.len() < end || to.0 == 0 || to.1 == 0 {
        return Err(error);
    }
    let from = (width, height);
    let scaler = match scaler {
        Some(scaler) if (scaler.from, scaler.to) == (from, to) => scaler,
        other => other.insert(PlaneScaler::new(from, to)),
    };
    dispatch!(level, simd => scaler.scale(simd, plane, target));
    Ok(())
}

/// Scales planes of one size to another.
struct PlaneScaler {
    from: (usize, usize),
    to: (usize, usize),
    rows: Vec<Window>,
    columns: Vec<Window>,
    /// [`BAND`] rows of the target's height and the source's width, and the same as columns.
    band: Vec<u8>,
    turned: Vec<u16>,
    /// The same of the target's width.
    narrow_turned: Vec<u8>,
    narrow: Vec<u8>,
}

impl PlaneScaler {
    fn new(from: (usize, usize), to: (usize, usize)) -> Self {
        let room = |width: usize| width.next_multiple_of(BAND) * BAND;
        Self {
            from,
            to,
            rows: windows(from.1, to.1),
            columns: windows(from.0, to.0),
            band: vec![0; room(from.0)],
            turned: vec![0; room(from.0)],
            narrow_turned: vec![0; room(to.0)],
            narrow: vec![0; room(to.0)],
        }
    }

    /// The plane, of which this is the scaler, to a target of the size that it makes.
    #[inline(always)]
    fn scale<S: Simd>(&mut self, simd: S, plane: Plane<'_>, target: &mut [u8]) {
        let Self { from, to, rows, columns, band, turned, narrow_turned, narrow } = self;
        for (rows, target) in rows.chunks(BAND).zip(target.chunks_mut(BAND * to.0)) {
            let places = band.chunks_exact_mut(from.0.next_multiple_of(BAND));
            for (window, row) in rows.iter().zip(places) {
                let source = plane.data.get(window.first * plane.stride..);
                if let (Some(source), Some(row)) = (source, row.get_mut(..from.0)) {
                    weigh_rows(simd, source, plane.stride, &window.weights, row);
                }
            }
            turn_band(simd, band, turned);
            let places = narrow_turned.as_chunks_mut::<BAND>().0;
            for (window, column) in columns.iter().zip(places) {
                let source = turned.as_chunks().0.get(window.first..);
                if let Some(source) = source {
                    *column = narrow_columns(simd, source, &window.weights);
                }
            }
            turn_back(simd, narrow_turned, narrow);
            let made = narrow.chunks_exact(to.0.next_multiple_of(BAND));
            for (made, row) in made.zip(target.chunks_exact_mut(to.0)) {
                row.copy_from_slice(made.get(..to.0).unwrap_or(made));
            }
        }
    }
}

/// What a row or column of the target is made of: neighbouring ones of the source, each times its
/// weight. None of them lies outside.
struct Window {
    first: usize,
    weights: Vec<u16>,
}

/// One for each of `to` rows or columns made of `from`: what is under a triangle about its centre.
fn windows(from: usize, to: usize) -> Vec<Window> {
    let ratio = from as f64 / to as f64;
    let reach = ratio.max(1.0);
    let window = |at: usize| {
        let centre = (at as f64 + 0.5) * ratio - 0.5;
        let first = (centre - reach).ceil().max(0.0) as usize;
        let last = from.min((centre + reach).floor() as usize + 1);
        let heights = (first..last).map(|sample| 1.0 - (sample as f64 - centre).abs() / reach);
        let total: f64 = heights.clone().sum();
        // Each is rounded with what was lost before it, so that they add up.
        let (mut heights_so_far, mut weights_so_far) = (0.0, 0);
        let mut weights = Vec::new();
        for height in heights {
            heights_so_far += height;
            let rounded = (heights_so_far / total * f64::from(WHOLE)).round() as u16;
            weights.push(rounded - weights_so_far);
            weights_so_far = rounded;
        }
        Window { first, weights }
    };
    (0..to).map(window).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every set of vector instructions that this processor has.
    fn levels() -> Vec<Level> {
        let level = Level::new();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        let levels = [
            level.as_sse2().map(Level::Sse2),
            level.as_sse4_2().map(Level::Sse4_2),
            level.as_avx2().map(Level::Avx2),
            Some(level),
        ];
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
        let levels = [Some(level)];
        levels.into_iter().flatten().collect()
    }

    /// The mean of the samples under a triangle about each sample of the target, unrounded.
    fn triangles(plane: Plane<'_>, (width, height): (usize, usize)) -> Vec<f64> {
        let (across, down) =
            (plane.width as f64 / width as f64, plane.height as f64 / height as f64);
        let weight = |sample: usize, at: usize, ratio: f64| {
            let distance = (sample as f64 + 0.5) - (at as f64 + 0.5) * ratio;
            (1.0 - distance.abs() / ratio.max(1.0)).max(0.0)
        };
        let mut made = Vec::new();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let (mut sum, mut weights) = (0.0, 0.0);
            for (row, samples) in plane.rows().enumerate() {
                let of_row = weight(row, y, down);
                for (column, &sample) in samples.iter().enumerate().filter(|_| of_row > 0.0) {
                    let weight = of_row * weight(column, x, across);
                    sum += weight * f64::from(sample);
                    weights += weight;
                }
            }
            made.push(sum / weights);
        }
        made
    }

    fn scaled(level: Level, plane: Plane<'_>, to: (usize, usize)) -> Vec<u8> {
        let mut target = vec![0; to.0 * to.1];
        scale_plane(level, &mut None, plane, to, &mut target).unwrap();
        target
    }

    /// Noise, on which each wrong weight shows most.
    fn noise(seed: u32, bytes: usize) -> Vec<u8> {
        let mut state = seed | 1;
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 24) as u8
        })
        .take(bytes)
        .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        /// Any sizes, larger and smaller, are triangles to within what weights of 8 bits allow, and
        /// the same with all instructions.
        #[test]
        fn planes_are_means_under_triangles(
            from in (1_usize..300, 1_usize..80),
            to in (1_usize..90, 1_usize..40),
            padding in 0_usize..70,
            seed in any::<u32>(),
        ) {
            let stride = from.0 + padding;
            let data = noise(seed, stride * (from.1 - 1) + from.0);
            let plane = Plane { data: &data, stride, width: from.0, height: from.1 };
            let baseline = scaled(Level::baseline(), plane, to);
            for level in levels() {
                prop_assert_eq!(&scaled(level, plane, to), &baseline, "{:?}", level);
            }
            let exact = triangles(plane, to);
            let errors = exact.iter().zip(&baseline).map(|(exact, made)| f64::from(*made) - exact);
            let mean_square = errors.map(|error| error * error).sum::<f64>() / exact.len() as f64;
            prop_assert!(mean_square.sqrt() < 1.5, "{}", mean_square.sqrt());
        }
    }

    /// The sizes of the ladder, and sides that are no multiple of anything.
    #[test]
    fn what_one_scaler_has_found_of_a_size_does_not_outlive_it() {
        let data = noise(7, 320 * 180);
        let plane = |width, height| Plane { data: &data, stride: 320, width, height };
        let mut kept = None;
        for (from, to) in [((320, 180), (64, 36)), ((320, 180), (63, 36)), ((319, 99), (63, 36))] {
            let mut target = vec![0; to.0 * to.1];
            let plane = plane(from.0, from.1);
            scale_plane(Level::new(), &mut kept, plane, to, &mut target).unwrap();
            assert_eq!(target, scaled(Level::new(), plane, to));
        }
    }

    #[test]
    fn white_and_black_stay_what_they_are_at_any_reduction() {
        for width in [1, 2, 3, 64, 65, 1000, 16_384] {
            for sample in [0, 1, 128, 254, 255] {
                let data = vec![sample; width * 3];
                let plane = Plane { data: &data, stride: width, width, height: 3 };
                for to in [(1, 1), (7, 2), (128, 5)] {
                    let made = scaled(Level::new(), plane, to);
                    assert!(made.iter().all(|made| *made == sample), "{width} to {to:?}");
                }
            }
        }
    }
}
