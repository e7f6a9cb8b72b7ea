//! Keeps hard pictures under the cap by leaving some out.

use media::{TICKS_PER_SECOND, Timestamp};

use crate::Force;

/// Says which pictures to leave out so that a rendition stays under its bitrate cap.
///
/// The encoder's rate control ends at QP 51; noise at 144p still makes 2 Mbit/s there. The guard
/// counts what the encoder made above the cap: one second's worth of bits is allowed, which no
/// ordinary content uses up, and while it is used up pictures are left out. Pictures that are too
/// hard are about equally large, so what remains is an evenly halved, thirded, ... frame rate.
///
/// The bound: over any span of `t` seconds, at most `t + 1` seconds' worth of the cap, plus the
/// picture that crossed the line, plus forced IDRs, which are never left out.
#[derive(Clone, Debug)]
pub struct RateGuard {
    cap_bps: i64,
    /// Bits made above the cap, times [`TICKS_PER_SECOND`] so that no rounding adds up.
    excess: i64,
    last: Option<Timestamp>,
    skipped: u64,
}

impl RateGuard {
    /// A guard for a cap in bits per second.
    #[must_use]
    pub fn new(cap_bps: u32) -> Self {
        Self { cap_bps: cap_bps.into(), excess: 0, last: None, skipped: 0 }
    }

    /// Changes the cap.
    pub fn set_cap(&mut self, cap_bps: u32) {
        self.cap_bps = cap_bps.into();
    }

    /// Whether to encode the picture at `pts`; ask in display order, before it is encoded. A
    /// picture left out is counted.
    #[must_use]
    pub fn admit(&mut self, pts: Timestamp, force: Force) -> bool {
        let elapsed = self.last.map_or(0, |last| (pts - last).ticks().max(0));
        self.last = Some(pts);
        self.excess = self.excess.saturating_sub(self.cap_bps.saturating_mul(elapsed)).max(0);
        let admitted = force == Force::Idr || self.excess < self.cap_bps * TICKS_PER_SECOND;
        self.skipped += u64::from(!admitted);
        admitted
    }

    /// Tells the size of a picture that was encoded.
    pub fn encoded(&mut self, bytes: usize) {
        let bits = i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(8);
        self.excess = self.excess.saturating_add(bits.saturating_mul(TICKS_PER_SECOND));
    }

    /// Pictures left out so far.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}
