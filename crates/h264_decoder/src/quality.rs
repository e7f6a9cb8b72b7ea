//! How closely pictures are made.

/// How closely pictures are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quality {
    /// Every sample as the standard has it.
    #[default]
    Exact,
    /// To be looked at through a scaler that halves both sides at least: pictures that nothing
    /// refers to are not deblocked (8.7), so that no error adds up. All others are exact.
    ForScale,
}
