//! Sound at another sample rate.

use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{
    Async, FixedAsync, Resampler, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};

use crate::Error;

/// Samples of each channel on both sides of one that decide what becomes of it, at the lower of two
/// rates.
pub const RESAMPLER_REACH: usize = TAPS / 2;

/// The samples, channels interleaved, as they are at another rate (rubato's windowed sinc): the
/// first one stands for the same time, and there are as many as the same time has, rounded up.
/// Before the first sample and behind the last there is silence.
///
/// # Errors
/// [`Error::Resample`], which has not been seen for rates from 7350 to 96000 Hz.
pub fn resample(
    samples: Vec<i16>,
    channels: u8,
    from_hz: u32,
    to_hz: u32,
) -> Result<Vec<i16>, Error> {
    let error = Error::Resample { from_hz, to_hz };
    if from_hz == to_hz {
        return Ok(samples);
    }
    let channels = usize::from(channels);
    let frames = samples.len().checked_div(channels).ok_or(error)?;
    let ratio = f64::from(to_hz) / f64::from(from_hz);
    let mut parameters = SincInterpolationParameters::new(TAPS, WindowFunction::BlackmanHarris2);
    // Between two rates there are only so many places that a sample can have between two others.
    // With a filter for each of them there is nothing to interpolate, which would take four filters
    // for each sample. There are more of them where those are few, as rubato lays them half a place
    // off.
    let places = to_hz / common_divisor(from_hz, to_hz);
    if places <= MAX_FILTERS {
        parameters = parameters
            .interpolation(SincInterpolationType::Nearest)
            .oversampling_factor((places * LEAST_FILTERS.div_ceil(places)) as usize);
    }
    let mut resampler =
        Async::<f32>::new_sinc(ratio, 1.0, &parameters, CHUNK, channels, FixedAsync::Input)
            .map_err(|_| error)?;
    let input = samples.iter().map(|sample| f32::from(*sample)).collect();
    let input = InterleavedOwned::new_from(input, channels, frames).map_err(|_| error)?;
    let output = resampler.process_all(&input, frames, None).map_err(|_| error)?;
    // `as` saturates.
    Ok(output.take_data().into_iter().map(|sample| sample.round() as i16).collect())
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

const LEAST_FILTERS: u32 = 128;
/// From 22.05 to 32 kHz; each filter takes 512 bytes.
const MAX_FILTERS: u32 = 640;
/// Length of the filter.
const TAPS: usize = 128;
/// Samples that are worked on at once.
const CHUNK: usize = 1024;
