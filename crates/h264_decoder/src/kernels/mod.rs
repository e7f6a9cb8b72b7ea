//! All arithmetic on samples, as plain functions on a plane, a stride and a position. They are
//! written with vectors, generic over the instructions ([`crate::vectors`]); tests hold each to a
//! scalar form of its clause, with all instructions that there are.

pub(crate) mod deblock;
pub(crate) mod inter;
pub(crate) mod intra;
pub(crate) mod transform;

/// `Clip1Y` and `Clip1C` of 8 bits (5-5).
#[inline(always)]
pub(crate) fn clip(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}
