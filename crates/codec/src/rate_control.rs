//! Which QP each picture gets, so that a rendition fills its cap evenly, and which is left out.

use media::{TICKS_PER_SECOND, Timestamp};

use crate::Force;

/// Chooses the QP of each picture, all blocks of it alike.
///
/// openh264's own rate control gives each picture about the same number of bits, and an IDR four
/// times as many. Of tiny pictures that is too few for an IDR and makes the QP jump from picture to
/// picture, which costs up to a quarter of the bits (docs/quality.md). This one looks for the QP at
/// which IDRs and the pictures between them fill the cap together, and changes it slowly.
///
/// What a picture costs at other QPs is taken from what those before it cost: [`QP_HALVING`] more
/// halve it. What has been spent too much is saved over [`PAY_BACK_SECONDS`]. There is no
/// look-ahead, so a hard cut goes over the cap first.
///
/// Noise is above the cap even at the coarsest QP. While more than [`MOST_OWED_SECONDS`] is owed,
/// or [`MOST_OWED_AT_MAX_QP_SECONDS`] with that QP, pictures are left out. Pictures that are too
/// hard are about equally large, so what remains is an evenly halved, thirded, ... frame rate.
///
/// The bound, IDRs apart, which are never left out: over any span of `t` seconds, what the cap
/// allows in `t` + [`MOST_SAVED_SECONDS`] + [`MOST_OWED_SECONDS`], and the picture that crossed the
/// line.
#[derive(Clone, Debug)]
pub(crate) struct RateControl {
    cap_bps: f64,
    frame_rate: f64,
    /// Seconds from one IDR to the next, as it was last.
    idr_interval: f64,
    last: Option<Timestamp>,
    last_idr: Option<Timestamp>,
    /// What the picture being encoded is.
    current: Force,
    qp: f64,
    /// What one would cost at QP 0, in bits.
    intra: f64,
    inter: Option<f64>,
    /// Bits spent above the cap; less than nothing where some were saved.
    debt: f64,
    /// Bits of the last IDR, and those of them that are not counted yet: they are spread until the
    /// next.
    idr_bits: f64,
    spread: f64,
}

impl RateControl {
    /// For pictures of that many samples. `cap_bps` and `frame_rate` are above 0.
    pub(crate) fn new(cap_bps: f64, frame_rate: f64, samples: f64) -> Self {
        let bits_per_sample = cap_bps / (frame_rate * samples);
        let qp = FIRST_QP - QP_HALVING * (bits_per_sample / FIRST_BITS_PER_SAMPLE).log2();
        Self {
            cap_bps,
            frame_rate,
            idr_interval: FIRST_IDR_INTERVAL,
            last: None,
            last_idr: None,
            current: Force::Idr,
            qp: qp.clamp(MIN_QP, MAX_FIRST_QP),
            intra: 0.0,
            inter: None,
            debt: 0.0,
            idr_bits: 0.0,
            spread: 0.0,
        }
    }

    /// Changes the cap.
    pub(crate) fn set_cap(&mut self, cap_bps: f64) {
        self.cap_bps = cap_bps;
    }

    /// The QP for the picture at `pts`; None where it is left out. Ask in display order.
    pub(crate) fn qp(&mut self, pts: Timestamp, force: Force) -> Option<i32> {
        self.pass(pts);
        // The first picture is an IDR, forced or not.
        self.current = if self.last_idr.is_none() { Force::Idr } else { force };
        if self.current == Force::Idr {
            self.begin_idr(pts);
        }
        self.aim();
        if self.current == Force::None && self.owes_too_much() {
            return None;
        }
        let qp = match self.current {
            Force::Idr => self.qp - IDR_QP_LESS,
            Force::None => self.qp,
        };
        Some(qp.clamp(MIN_QP, MAX_QP).round() as i32)
    }

    fn owes_too_much(&self) -> bool {
        let seconds =
            if self.qp < MAX_QP { MOST_OWED_SECONDS } else { MOST_OWED_AT_MAX_QP_SECONDS };
        self.debt > self.cap_bps * seconds
    }

    /// The QP for the same picture, which became far too large, as an IDR.
    pub(crate) fn coarse_idr(&mut self, pts: Timestamp) -> i32 {
        if self.current != Force::Idr {
            self.current = Force::Idr;
            self.begin_idr(pts);
        }
        self.qp = COARSE_QP;
        COARSE_QP as i32
    }

    /// The picture was encoded with this QP and has that many bytes.
    pub(crate) fn encoded(&mut self, qp: i32, bytes: usize) {
        let bits = bytes as f64 * 8.0;
        let at_qp_0 = bits * (f64::from(qp) / QP_HALVING).exp2();
        match self.current {
            Force::Idr => {
                self.intra = at_qp_0;
                self.idr_bits = bits;
                self.spread = bits;
            }
            Force::None => {
                let weight = 1.0 / (1.0 + self.frame_rate * MEMORY_SECONDS);
                let before = self.inter.unwrap_or(at_qp_0);
                self.inter = Some(before + (at_qp_0 - before) * weight);
                self.debt += bits;
            }
        }
    }

    /// Time goes by until `pts`: the cap allows so much more.
    fn pass(&mut self, pts: Timestamp) {
        let ticks = self.last.map_or(0, |last| (pts - last).ticks().max(0));
        self.last = Some(pts);
        let seconds = ticks as f64 / TICKS_PER_SECOND as f64;
        let share = (self.idr_bits * seconds / self.idr_interval).min(self.spread);
        self.spread -= share;
        self.debt = (self.debt - self.cap_bps * seconds).max(-self.cap_bps * MOST_SAVED_SECONDS);
        self.owe_for_idr(share);
    }

    /// IDRs take nobody further into debt than [`MOST_OWED_SECONDS`]: one that is very large must
    /// not cost all pictures of the next half a minute.
    fn owe_for_idr(&mut self, bits: f64) {
        let owed = (self.debt + bits).min(self.cap_bps * MOST_OWED_SECONDS);
        self.debt = self.debt.max(owed);
    }

    /// What was saved before an IDR is forgotten there, what was overspent is not.
    fn begin_idr(&mut self, pts: Timestamp) {
        if let Some(last) = self.last_idr {
            let seconds = (pts - last).ticks() as f64 / TICKS_PER_SECOND as f64;
            self.idr_interval = seconds.clamp(LEAST_IDR_INTERVAL, MOST_IDR_INTERVAL);
        }
        self.last_idr = Some(pts);
        self.owe_for_idr(self.spread);
        self.spread = 0.0;
        self.debt = self.debt.max(0.0);
    }

    /// Moves the QP to where everything fills the cap.
    fn aim(&mut self) {
        if self.intra == 0.0 {
            return;
        }
        let intra = self.intra * (IDR_QP_LESS / QP_HALVING).exp2();
        let inter = self.inter.unwrap_or(self.intra * FIRST_INTER_SHARE);
        let at_qp_0 = intra / self.idr_interval + inter * self.frame_rate;
        let wanted = (self.cap_bps - self.debt / PAY_BACK_SECONDS)
            .clamp(self.cap_bps * LEAST_SHARE, self.cap_bps * MOST_SHARE);
        let qp = QP_HALVING * (at_qp_0 / wanted).log2();
        let up = if self.spread > self.cap_bps * self.idr_interval * HEAVY_IDR_SHARE {
            MAX_QP
        } else {
            let too_much = (self.debt / (self.cap_bps * HURRY_SECONDS)).clamp(0.0, 1.0);
            UP + (HURRIED_UP - UP) * too_much
        };
        self.qp = qp.clamp(self.qp - DOWN, self.qp + up).clamp(MIN_QP, MAX_QP);
    }
}

/// Under it bits buy nothing one can see, so easy pictures stay far below the cap.
const MIN_QP: f64 = 22.0;
const MAX_QP: f64 = 51.0;
/// Even noise is small there.
const COARSE_QP: f64 = 44.0;
/// So much more halves what a picture costs.
const QP_HALVING: f64 = 5.0;
/// The first picture's QP at that many bits for each sample of luma.
const FIRST_QP: f64 = 28.0;
const FIRST_BITS_PER_SAMPLE: f64 = 0.2;
const MAX_FIRST_QP: f64 = 45.0;
/// What a picture costs beside an IDR, before there is one.
const FIRST_INTER_SHARE: f64 = 0.15;
const FIRST_IDR_INTERVAL: f64 = 2.0;
const LEAST_IDR_INTERVAL: f64 = 0.5;
const MOST_IDR_INTERVAL: f64 = 10.0;
/// Everything until the next one is predicted from an IDR.
const IDR_QP_LESS: f64 = 4.0;
/// How far back costs are remembered.
const MEMORY_SECONDS: f64 = 0.35;
const PAY_BACK_SECONDS: f64 = 0.3;
/// How much of the cap easy pictures leave to those after them, up to the next IDR: a segment is no
/// heavier because the one before it was light.
const MOST_SAVED_SECONDS: f64 = 0.3;
/// No ordinary pictures get there.
const MOST_OWED_SECONDS: f64 = 1.0;
/// With the coarsest QP nothing but leaving out pays anything back, and what is owed makes the
/// segment heavier than its cap: of a segment of 2 s, by a fortieth.
const MOST_OWED_AT_MAX_QP_SECONDS: f64 = 0.05;
/// What is aimed at in debt and out of it, of the cap.
const LEAST_SHARE: f64 = 0.3;
const MOST_SHARE: f64 = 1.4;
/// How far the QP goes from picture to picture, and with a debt of that many seconds.
const DOWN: f64 = 0.5;
const UP: f64 = 1.0;
const HURRIED_UP: f64 = 5.0;
const HURRY_SECONDS: f64 = 0.5;
/// An IDR of so much of the cap until the next one leaves too little to step up slowly behind it.
/// IDRs of films take about a quarter.
const HEAVY_IDR_SHARE: f64 = 0.5;

#[cfg(test)]
mod tests {
    use media::{TICKS_PER_SECOND, Timestamp};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::RateControl;
    use crate::Force;

    const CAP_BPS: f64 = 96_000.0;
    const FPS: i64 = 15;
    const SEGMENT: i64 = 2 * FPS;

    /// Bits and QPs of each segment, where an IDR costs `intra(picture)` bits at QP 0 and another
    /// picture `inter(picture)`. They halve every 6 QP, a bit slower than expected.
    fn segments(intra: f64, inter: impl Fn(i64) -> f64) -> Vec<(f64, Vec<i32>)> {
        let mut control = RateControl::new(CAP_BPS, FPS as f64, 256.0 * 144.0);
        let mut segments: Vec<(f64, Vec<i32>)> = Vec::new();
        for index in 0..10 * SEGMENT {
            let is_idr = index % SEGMENT == 0;
            let force = if is_idr { Force::Idr } else { Force::None };
            if is_idr {
                segments.push((0.0, Vec::new()));
            }
            let pts = Timestamp::from_ticks(index * TICKS_PER_SECOND / FPS);
            let Some(qp) = control.qp(pts, force) else { continue };
            let at_qp_0 = if is_idr { intra } else { inter(index) };
            let bytes = (at_qp_0 * (-f64::from(qp) / 6.0).exp2() / 8.0) as usize;
            control.encoded(qp, bytes);
            let segment = segments.last_mut().expect("one was begun");
            segment.0 += bytes as f64 * 8.0 / (CAP_BPS * 2.0);
            segment.1.push(qp);
        }
        segments
    }

    #[test]
    fn steady_pictures_fill_the_cap_at_a_steady_qp() {
        for scale in [0.3, 1.0, 3.0] {
            let segments = segments(2_000_000.0 * scale, |_| 250_000.0 * scale);
            for (filled, qps) in &segments[4..] {
                assert_eq!(qps.len() as i64, SEGMENT, "all are made");
                assert!((0.93..1.03).contains(filled), "{scale}: {filled}");
                let (first, last) = (qps[1..].iter().min(), qps[1..].iter().max());
                assert!(last.expect("a QP") - first.expect("a QP") <= 2, "{qps:?}");
                assert!(qps[0] < qps[1] && qps[1] - qps[0] <= 5, "an IDR is worth more: {qps:?}");
            }
        }
    }

    #[test]
    fn a_segment_that_turns_hard_stays_near_the_cap() {
        // Four times as hard in the middle of every second segment, for half of it.
        let hard = |index: i64| index % (2 * SEGMENT) > SEGMENT + SEGMENT / 4;
        let segments =
            segments(2_000_000.0, |index| if hard(index) { 1_000_000.0 } else { 250_000.0 });
        for (filled, qps) in &segments[1..] {
            assert!(*filled < 1.12, "{filled} {qps:?}");
        }
        let mean = segments.iter().map(|(filled, _)| filled).sum::<f64>() / segments.len() as f64;
        assert!(mean > 0.75, "{mean}");
    }

    #[test]
    fn the_qp_stays_between_its_ends() {
        let easy = segments(2_000.0, |_| 100.0);
        assert!(easy[1..].iter().flat_map(|(_, qps)| qps).all(|qp| *qp == 22), "{easy:?}");
        assert!(easy.iter().all(|(filled, _)| *filled < 0.1));
        let hard = segments(2e9, |_| 2e9);
        assert!(hard[1..].iter().flat_map(|(_, qps)| qps).all(|qp| (46..=51).contains(qp)));
    }

    /// So that a segment of noise that is made alone is no heavier than one in a stream of it.
    #[test]
    fn behind_an_idr_that_takes_the_cap_the_qp_goes_up_at_once() {
        let mut control = RateControl::new(26_000.0, 10.0, 160.0 * 90.0);
        let [first, second] = [0, 9000].map(Timestamp::from_ticks);
        control.qp(first, Force::Idr);
        let qp = control.coarse_idr(first);
        control.encoded(qp, 6368);
        assert_eq!((qp, control.qp(second, Force::None)), (44, Some(51)));
    }

    /// Inter pictures of a third more than the cap at the coarsest QP, IDRs of a fifth of it.
    #[test]
    fn what_no_qp_makes_small_enough_is_thinned_to_little_more_than_the_cap() {
        let coarsest = (51.0_f64 / 6.0).exp2();
        let inter = CAP_BPS / FPS as f64 * 1.33 * coarsest;
        let segments = segments(CAP_BPS * 0.4 * coarsest, |_| inter);
        for (filled, qps) in &segments[2..] {
            assert!(*filled < 1.15, "{filled}");
            assert!(qps.len() as i64 > SEGMENT / 2, "{} pictures", qps.len());
        }
    }

    proptest! {
        /// For pictures of any size at any times: no encoder is asked, so no QP helps.
        #[test]
        fn any_span_stays_under_its_bound(
            pictures in vec((0_i64..9000, 0_usize..20_000, prop::bool::weighted(0.02)), 1..300),
        ) {
            let mut control = RateControl::new(CAP_BPS, 30.0, 256.0 * 144.0);
            let mut now = 0;
            // Time and bits of all that are no IDR.
            let mut made: Vec<(i64, f64)> = Vec::new();
            for (index, (gap, bytes, is_forced)) in pictures.into_iter().enumerate() {
                now += gap;
                let is_idr = is_forced || index == 0;
                let force = if is_forced { Force::Idr } else { Force::None };
                match control.qp(Timestamp::from_ticks(now), force) {
                    Some(qp) => {
                        control.encoded(qp, bytes);
                        made.extend((!is_idr).then_some((now, bytes as f64 * 8.0)));
                    }
                    None => prop_assert!(!is_idr, "an IDR was left out"),
                }
            }
            for (first, (start, _)) in made.iter().enumerate() {
                let mut bits = 0.0;
                for (time, more) in &made[first..] {
                    // Before this picture there must have been room.
                    let seconds = (time - start) as f64 / 90_000.0 + 1.3;
                    prop_assert!(bits <= seconds * CAP_BPS + 1.0, "{bits} bits in {seconds} s");
                    bits += more;
                }
            }
        }

        #[test]
        fn what_fits_is_never_left_out(bytes in 0_usize..=400, count in 1_usize..500) {
            let mut control = RateControl::new(CAP_BPS, 30.0, 256.0 * 144.0);
            for index in 0..count {
                let pts = Timestamp::from_ticks(index as i64 * 3000);
                let qp = control.qp(pts, Force::None);
                control.encoded(qp.expect("it fits"), bytes);
            }
        }
    }

    #[test]
    fn another_cap_is_followed() {
        let mut control = RateControl::new(CAP_BPS, FPS as f64, 256.0 * 144.0);
        let mut rates = Vec::new();
        for cap_bps in [CAP_BPS, CAP_BPS / 3.0] {
            control.set_cap(cap_bps);
            let mut bits = 0.0;
            for index in 0..10 * FPS {
                let at = index + rates.len() as i64 * 10 * FPS;
                let pts = Timestamp::from_ticks(at * TICKS_PER_SECOND / FPS);
                let force = if index % SEGMENT == 0 { Force::Idr } else { Force::None };
                let qp = control.qp(pts, force).expect("it fits");
                let bytes = (500_000.0 * (-f64::from(qp) / 5.0).exp2() / 8.0) as usize;
                control.encoded(qp, bytes);
                bits += bytes as f64 * 8.0;
            }
            rates.push(bits / 10.0 / cap_bps);
        }
        assert!(rates.iter().all(|rate| (0.85..1.1).contains(rate)), "{rates:?}");
    }
}
