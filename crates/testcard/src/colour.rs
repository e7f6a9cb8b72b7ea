//! Colours in limited-range Y'CbCr.

/// How Y'CbCr is made of R'G'B'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601, for pictures of standard definition.
    Bt601,
    /// ITU-R BT.709, for pictures of 720 rows or more.
    Bt709,
}

impl Matrix {
    /// The one that players assume for a picture of this height if nobody tells them.
    #[must_use]
    pub const fn for_height(height: usize) -> Self {
        if height >= 720 { Self::Bt709 } else { Self::Bt601 }
    }

    /// The shares of red and blue in luma (BT.601-7 2.5.1, BT.709-6 3.2).
    const fn coefficients(self) -> (f64, f64) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
        }
    }
}

/// A colour in 8 bits: luma 16 to 235, colour differences 16 to 240 around 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ycbcr {
    pub(crate) y: u8,
    pub(crate) cb: u8,
    pub(crate) cr: u8,
}

impl Ycbcr {
    pub(crate) const BLACK: Self = Self::grey(16);
    pub(crate) const WHITE: Self = Self::grey(235);

    pub(crate) const fn grey(y: u8) -> Self {
        Self { y, cb: 128, cr: 128 }
    }

    /// Quantizes non-linear R'G'B' of 0 to 1 (BT.601-7 2.5.3, BT.709-6 3.4).
    pub(crate) fn from_rgb(matrix: Matrix, [red, green, blue]: [f64; 3]) -> Self {
        let (kr, kb) = matrix.coefficients();
        let luma = kr * red + (1.0 - kr - kb) * green + kb * blue;
        let difference = |colour: f64, share: f64| (colour - luma) / (2.0 * (1.0 - share));
        Self {
            y: (16.0 + 219.0 * luma).round() as u8,
            cb: (128.0 + 224.0 * difference(blue, kb)).round() as u8,
            cr: (128.0 + 224.0 * difference(red, kr)).round() as u8,
        }
    }
}

/// EBU colour bars "100/0/75/0" (ITU-R BT.471): white and black whole, between them colours of 75
/// %.
pub(crate) fn ebu_bars(matrix: Matrix) -> [Ycbcr; 8] {
    let colour = |red, green, blue| {
        let level = |on: u8| 0.75 * f64::from(on);
        Ycbcr::from_rgb(matrix, [level(red), level(green), level(blue)])
    };
    [
        Ycbcr::WHITE,
        colour(1, 1, 0),
        colour(0, 1, 1),
        colour(0, 1, 0),
        colour(1, 0, 1),
        colour(1, 0, 0),
        colour(0, 0, 1),
        Ycbcr::BLACK,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 8-bit values that SMPTE RP 219 (BT.709) and the usual tables of BT.601 give.
    #[test]
    fn the_bars_are_the_ones_of_the_standards() {
        let values = |matrix| ebu_bars(matrix).map(|colour| [colour.y, colour.cb, colour.cr]);
        let bt709 = [
            [235, 128, 128],
            [168, 44, 136],
            [145, 147, 44],
            [133, 63, 52],
            [63, 193, 204],
            [51, 109, 212],
            [28, 212, 120],
            [16, 128, 128],
        ];
        let bt601 = [
            [235, 128, 128],
            [162, 44, 142],
            [131, 156, 44],
            [112, 72, 58],
            [84, 184, 198],
            [65, 100, 212],
            [35, 212, 114],
            [16, 128, 128],
        ];
        assert_eq!(values(Matrix::Bt709), bt709);
        assert_eq!(values(Matrix::Bt601), bt601);
    }

    #[test]
    fn standard_definition_ends_below_720_rows() {
        assert_eq!(Matrix::for_height(576), Matrix::Bt601);
        assert_eq!(Matrix::for_height(720), Matrix::Bt709);
    }
}
