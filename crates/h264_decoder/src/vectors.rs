//! Instruction sets that the decoder is compiled for, and the vector operations that
//! `fearless_simd` lacks or has slower.

use fearless_simd::{Level, Simd, i16x8, i16x16, prelude::*, u8x16};

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
    let mut samples = [0; 16];
    if let (Some(first), Some(second)) = (first.first_chunk::<W>(), second.first_chunk::<W>()) {
        for x in 0..W {
            (samples[x], samples[8 + x]) = (first[x], second[x]);
        }
    }
    u8x16::load_array(simd, samples)
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
