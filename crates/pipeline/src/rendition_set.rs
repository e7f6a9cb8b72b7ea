//! A set of configured renditions.

/// Which of the configured renditions, by their index. At most [`Self::MAX`] are configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RenditionSet(u16);

impl RenditionSet {
    /// How many renditions there may be.
    pub const MAX: usize = 16;

    /// None of them.
    pub const EMPTY: Self = Self(0);

    /// The first `count`.
    #[must_use]
    pub fn first(count: usize) -> Self {
        (0..count).fold(Self::EMPTY, Self::with)
    }

    /// These and the one at `index`; an index of [`Self::MAX`] or more is none.
    #[must_use]
    pub fn with(self, index: usize) -> Self {
        if index < Self::MAX { Self(self.0 | 1 << index) } else { self }
    }

    /// Whether the one at `index` is among them.
    #[must_use]
    pub fn contains(self, index: usize) -> bool {
        index < Self::MAX && self.0 & 1 << index != 0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are not among the `others`.
    #[must_use]
    pub fn minus(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Those that are among the `others`, too.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// These and the `others`.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// As a number, for an atomic; [`Self::from_bits`] reads it.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// What [`Self::bits`] wrote.
    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        Self(bits)
    }
}
