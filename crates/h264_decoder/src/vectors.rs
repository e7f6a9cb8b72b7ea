//! Instruction sets that the decoder is compiled for, and the vector operations that
//! `fearless_simd` lacks or has slower.

use fearless_simd::{Level, Simd, i16x8, i16x16, prelude::*, u8x16, u64x2};

/// Vector instructions to decode with. Pictures are the same whichever they are.
#[derive(Clone, Copy, Debug)]
pub struct Instructions(Level);

impl Instructions {
    /// The best that the processor has.
    #[must_use]
    pub fn detected() -> Self {
        Self(Level::new())
    }

    /// All that the processor has and the decoder is compiled for, the best one last.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let level = Level::new();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        let levels = [
            level.as_sse2().map(Level::Sse2),
            level.as_sse4_2().map(Level::Sse4_2),
            level.as_avx2().map(Level::Avx2),
        ];
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
        let levels = [Some(level)];
        levels.into_iter().flatten().map(Self).collect()
    }

    pub(crate) fn level(self) -> Level {
        self.0
    }
}

/// Calls a function generic over [`Vectors`] with the token of [`Instructions`].
macro_rules! dispatch {
    ($instructions:expr, $simd:ident => $call:expr) => {{
        let level = $instructions.level();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            if let Some($simd) = level.as_avx2() {
                $call
            } else if let Some($simd) = level.as_sse4_2() {
                $call
            } else if let Some($simd) = level.as_sse2() {
                $call
            } else {
                unreachable!("SSE2 is part of the target")
            }
        }
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
        match level {
            #[cfg(target_arch = "aarch64")]
            fearless_simd::Level::Neon($simd) => $call,
            #[cfg(not(target_arch = "aarch64"))]
            fearless_simd::Level::Fallback($simd) => $call,
            _ => unreachable!("not a level of the target"),
        }
    }};
}
pub(crate) use dispatch;

/// Vectors of samples, and of 16-bit numbers made of them.
///
/// Kernels are `#[inline(always)]` and called from [`Simd::vectorize`]: only so are they compiled
/// with the instructions.
pub(crate) trait Vectors: Simd {
    /// Samples as numbers.
    #[inline(always)]
    fn widen(self, samples: u8x16<Self>) -> i16x16<Self> {
        let (low, high) = self.widen_u8x16(samples);
        self.combine_u16x8(low, high).bitcast()
    }

    /// The first eight samples as numbers.
    #[inline(always)]
    fn widen_low(self, samples: u8x16<Self>) -> i16x8<Self> {
        self.widen_u8x16(samples).0.bitcast()
    }

    /// Numbers clipped to samples (5-5).
    #[inline(always)]
    fn clip(self, low: i16x8<Self>, high: i16x8<Self>) -> u8x16<Self> {
        let (low, high) = (low.max(0).min(255), high.max(0).min(255));
        self.relaxed_narrow_u16x8(low.bitcast(), high.bitcast())
    }

    /// `(a + b + 1) >> 1` of each sample.
    #[inline(always)]
    fn average(self, a: u8x16<Self>, b: u8x16<Self>) -> u8x16<Self> {
        (a | b) - ((a ^ b) >> 1)
    }
}

/// A stride of which the compiler knows that some rows of it do not overflow.
#[inline(always)]
fn bounded(stride: usize) -> usize {
    stride & 0xff_ffff
}

/// Does something with R rows of a block, by their numbers, at most 16. The compiler finds one
/// check of a block enough for all rows of it where they are written out, but not where they are a
/// loop.
macro_rules! for_each_row {
    ($count:expr, |$y:ident| $do:expr) => {
        for_each_row!(@ $count, |$y| $do, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $count:expr, |$y:ident| $do:expr, $($row:literal)*) => {$(
        if $row < $count {
            let $y = $row;
            $do;
        }
    )*};
}

/// W samples from `position` on and of the rows below, R together, at most 16; None where the plane
/// ends before.
#[inline(always)]
pub(crate) fn read_rows<const W: usize, const R: usize>(
    plane: &[u8],
    position: usize,
    stride: usize,
) -> Option<[&[u8; W]; R]> {
    let stride = bounded(stride);
    let block = plane.get(position..)?.get(..(R - 1) * stride + W)?;
    let mut rows = [const { &[0; W] }; R];
    for_each_row!(R, |y| {
        if let Some(row) = block.get(y * stride..).and_then(<[u8]>::first_chunk) {
            rows[y] = row;
        }
    });
    Some(rows)
}

/// Writes such rows, unless the plane ends before.
#[inline(always)]
pub(crate) fn write_rows<const W: usize, const R: usize>(
    plane: &mut [u8],
    position: usize,
    stride: usize,
    rows: [&[u8; W]; R],
) {
    let stride = bounded(stride);
    let block = plane.get_mut(position..).and_then(|rest| rest.get_mut(..(R - 1) * stride + W));
    let Some(block) = block else { return };
    for_each_row!(R, |y| {
        if let Some(row) = block.get_mut(y * stride..).and_then(<[u8]>::first_chunk_mut) {
            *row = *rows[y];
        }
    });
}

/// Writes the first W samples of R vectors in the same way.
#[inline(always)]
pub(crate) fn store_rows<S: Vectors, const W: usize, const R: usize>(
    samples: [u8x16<S>; R],
    plane: &mut [u8],
    position: usize,
    stride: usize,
) {
    let stride = bounded(stride);
    let block = plane.get_mut(position..).and_then(|rest| rest.get_mut(..(R - 1) * stride + W));
    let Some(block) = block else { return };
    for_each_row!(R, |y| {
        if let Some(row) = block.get_mut(y * stride..).and_then(<[u8]>::first_chunk_mut) {
            store::<S, W>(samples[y], row);
        }
    });
}

/// The first W samples of a row as the first of a vector; W is 2, 4, 8 or 16.
#[inline(always)]
pub(crate) fn load<S: Vectors, const W: usize>(simd: S, row: &[u8]) -> u8x16<S> {
    let mut samples = [0; 16];
    if let (Some(first), Some(row)) = (samples.first_chunk_mut::<W>(), row.first_chunk()) {
        *first = *row;
    }
    u8x16::load_array(simd, samples)
}

/// The first W samples of a row, at most eight, and from the ninth on those of another.
#[inline(always)]
pub(crate) fn load_two<S: Vectors, const W: usize>(
    simd: S,
    first: &[u8],
    second: &[u8],
) -> u8x16<S> {
    u64x2::load_array(simd, [word::<W>(first), word::<W>(second)]).bitcast()
}

/// The first W samples of a row, at most eight, the first of them lowest.
#[inline(always)]
fn word<const W: usize>(row: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    if let (Some(bytes), Some(row)) = (bytes.first_chunk_mut::<W>(), row.first_chunk()) {
        *bytes = *row;
    }
    u64::from_le_bytes(bytes)
}

/// Four columns to rows of four samples each, as many behind each other in a vector as it has room
/// for: with four lanes rows and columns change places.
#[inline(always)]
pub(crate) fn turned_4<S: Simd, V: SimdBase<S>>([a, b, c, d]: [V; 4]) -> [V; 4] {
    let (even, odd) = (a.zip_low(c), b.zip_low(d));
    let (even_behind, odd_behind) = (a.zip_high(c), b.zip_high(d));
    [
        even.zip_low(odd),
        even.zip_high(odd),
        even_behind.zip_low(odd_behind),
        even_behind.zip_high(odd_behind),
    ]
}

/// Stores the first W samples.
#[inline(always)]
pub(crate) fn store<S: Vectors, const W: usize>(samples: u8x16<S>, row: &mut [u8; W]) {
    if let Some(samples) = samples.as_array().first_chunk() {
        *row = *samples;
    }
}

#[cfg(target_arch = "aarch64")]
impl Vectors for fearless_simd::Neon {}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
impl Vectors for fearless_simd::Fallback {}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod x86 {
    #[cfg(target_arch = "x86")]
    use core::arch::x86::{_mm_avg_epu8, _mm_packus_epi16, _mm256_cvtepu8_epi16};
    #[cfg(target_arch = "x86_64")]
    use core::arch::x86_64::{_mm_avg_epu8, _mm_packus_epi16, _mm256_cvtepu8_epi16};

    use fearless_simd::{Avx2, Sse2, Sse4_2, i16x8, i16x16, prelude::*, u8x16};

    use super::Vectors;

    macro_rules! of_all_levels {
        ($token:ident) => {
            #[inline(always)]
            fn clip(self, low: i16x8<Self>, high: i16x8<Self>) -> u8x16<Self> {
                fearless_simd::kernel!(
                    #[inline(always)]
                    fn kernel(
                        token: $token,
                        low: i16x8<$token>,
                        high: i16x8<$token>,
                    ) -> u8x16<$token> {
                        _mm_packus_epi16(low.into(), high.into()).simd_into(token)
                    }
                );
                kernel(self, low, high)
            }

            #[inline(always)]
            fn average(self, a: u8x16<Self>, b: u8x16<Self>) -> u8x16<Self> {
                fearless_simd::kernel!(
                    #[inline(always)]
                    fn kernel(token: $token, a: u8x16<$token>, b: u8x16<$token>) -> u8x16<$token> {
                        _mm_avg_epu8(a.into(), b.into()).simd_into(token)
                    }
                );
                kernel(self, a, b)
            }
        };
    }

    impl Vectors for Sse2 {
        of_all_levels!(Sse2);
    }

    impl Vectors for Sse4_2 {
        of_all_levels!(Sse4_2);
    }

    impl Vectors for Avx2 {
        of_all_levels!(Avx2);

        #[inline(always)]
        fn widen(self, samples: u8x16<Self>) -> i16x16<Self> {
            fearless_simd::kernel!(
                #[inline(always)]
                fn kernel(token: Avx2, samples: u8x16<Avx2>) -> i16x16<Avx2> {
                    _mm256_cvtepu8_epi16(samples.into()).simd_into(token)
                }
            );
            kernel(self, samples)
        }
    }
}

/// The token of the instructions that every processor of the target has.
#[cfg(test)]
pub(crate) fn baseline() -> impl Vectors {
    let level = Level::baseline();
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    let token = level.as_sse2();
    #[cfg(target_arch = "aarch64")]
    let token = level.as_neon();
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    let Level::Fallback(token) = level;
    #[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
    let token = token.expect("a part of the target");
    token
}
