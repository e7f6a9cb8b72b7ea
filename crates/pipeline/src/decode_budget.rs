//! What decoding a stream may cost, in macroblocks of media time.

use std::sync::Arc;

use media::{Duration, TICKS_PER_SECOND, Timestamp};

use crate::picture::{Picture, VideoConfig};

/// What the highest level that is decoded here (5.2) allows, in macroblocks a second (14496-10
/// table A-1, `MaxMBPS`): 4096x2304 at 56 pictures a second.
const MOST_PER_SECOND: i64 = 2_073_600;

/// What every stream may have, whatever level it claims: that of level 5.1, 4K at 30 pictures a
/// second and 1080p at 120.
const LEAST_PER_SECOND: i64 = 983_040;

/// Media time whose macroblocks may come at once.
const BURST_SECONDS: i64 = 2;

/// What another sequence parameter set costs: a decoder and the encoders of all renditions are
/// opened for it, and in the shortest of spans. That takes as long as some thousand macroblocks; it
/// is counted as many more, as no encoder does it again and again, and of those who do there may be
/// many. Eight at once, and then four a second.
const OTHER_PARAMETERS: i64 = LEAST_PER_SECOND / 4;

/// Macroblocks that the ladder may be made of: twice what the stream's level allows, as encoders
/// claim too low a level, within what is said above. Pictures past it are left out of the ladder;
/// source has them.
#[derive(Debug)]
pub(crate) struct DecodeBudget {
    /// Macroblocks that are left, times [`TICKS_PER_SECOND`].
    left: i64,
    newest: Option<Timestamp>,
    /// The parameters of the newest picture that the ladder is made of.
    config: Option<Arc<VideoConfig>>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Passing,
    /// A picture was left out that others refer to: none passes until one that the stream may go on
    /// with.
    Skipping,
}

/// What becomes of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The ladder is made of it.
    Passes,
    /// It is left out, and so may be others behind it.
    LeftOut,
    /// It is the first that is left out.
    FirstLeftOut,
}

impl DecodeBudget {
    pub(crate) fn new() -> Self {
        Self { left: i64::MAX, newest: None, config: None, state: State::Passing }
    }

    /// Judges the next picture in decoding order, and notes where it follows a hole.
    pub(crate) fn judge(&mut self, picture: &mut Picture) -> Admission {
        let per_second = macroblocks_per_second(picture.config.sps.level_idc);
        let dts = picture.unit.dts;
        let elapsed = self.newest.map_or(Duration::ZERO, |newest| dts - newest);
        self.newest = Some(dts);
        let burst = BURST_SECONDS * per_second * TICKS_PER_SECOND;
        let gained = per_second.saturating_mul(elapsed.ticks().max(0));
        self.left = self.left.saturating_add(gained).min(burst);
        if self.state == State::Skipping && picture.cut_point.is_none() {
            return Admission::LeftOut;
        }
        let is_other = self.config.as_ref().is_some_and(|config| {
            !Arc::ptr_eq(config, &picture.config)
                && config.parameter_sets.sps != picture.config.parameter_sets.sps
        });
        let parameters = if is_other { OTHER_PARAMETERS } else { 0 };
        let cost = (i64::from(picture.macroblocks) + parameters) * TICKS_PER_SECOND;
        if self.left < cost {
            let was = self.state;
            let is_referred_to = !picture.disposable || picture.cut_point.is_some();
            if is_referred_to {
                self.state = State::Skipping;
            }
            return match was {
                State::Passing => Admission::FirstLeftOut,
                State::Skipping => Admission::LeftOut,
            };
        }
        self.left -= cost;
        self.config = Some(Arc::clone(&picture.config));
        picture.after_gap = self.state == State::Skipping;
        self.state = State::Passing;
        Admission::Passes
    }
}

/// What a stream of this level may have.
fn macroblocks_per_second(level_idc: u8) -> i64 {
    let allowed = match level_idc {
        42 => 522_240,
        50 => 589_824,
        51 => 983_040,
        52.. => MOST_PER_SECOND,
        // Twice what they allow is less than all may have.
        _ => 0,
    };
    (2 * allowed).clamp(LEAST_PER_SECOND, MOST_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use h264::{ParameterSets, Sps};
    use hls::CutPoint;
    use media::{AccessUnit, NalUnits};

    use super::*;
    use crate::picture::VideoConfig;

    /// Baseline of level 5.2, 176x144: the level is all that is read of it.
    const SPS: [u8; 8] = [0x67, 0x42, 0x00, 52, 0xf4, 0x16, 0x27, 0x20];

    fn picture(ms: i64, macroblocks: u32, kind: Option<CutPoint>, level_idc: u8) -> Picture {
        let at = Timestamp::from_millis(ms);
        let mut sps = SPS;
        sps[3] = level_idc;
        let config = VideoConfig {
            parameter_sets: ParameterSets::default(),
            sps: Sps::parse(&sps).unwrap(),
            refusal: None,
        };
        Picture {
            unit: AccessUnit {
                pts: at,
                dts: at,
                random_access: kind == Some(CutPoint::Idr),
                nal_units: NalUnits::new(Bytes::new()),
            },
            config: Arc::new(config),
            macroblocks,
            disposable: false,
            recovery_point: false,
            cut_point: kind,
            may_begin_segment: false,
            after_gap: false,
            interval: Duration::from_millis(1),
        }
    }

    #[test]
    fn parameters_that_change_with_each_picture_are_left_to_the_source() {
        let mut budget = DecodeBudget::new();
        let sets =
            |n: i64| ParameterSets { sps: vec![vec![n as u8].into()], ..ParameterSets::default() };
        let mut passes = |n: i64| {
            let mut picture = picture(n * 40, 12, Some(CutPoint::Idr), 10);
            let config = VideoConfig { parameter_sets: sets(n), ..(*picture.config).clone() };
            picture.config = Arc::new(config);
            budget.judge(&mut picture) == Admission::Passes
        };
        let passed = (0..250).filter(|n| passes(*n)).count();
        // The first one, 8 at once, and 4 a second in the ten of them.
        assert!((8..=50).contains(&passed), "{passed} of 250");
    }

    /// How many of so many pictures a second pass in ten seconds, with an IDR each half a second.
    fn passing(per_second: i64, macroblocks: u32, level_idc: u8) -> usize {
        let mut budget = DecodeBudget::new();
        let passes = |n: &i64| {
            let kind = (n % (per_second / 2) == 0).then_some(CutPoint::Idr);
            let mut picture = picture(n * 1000 / per_second, macroblocks, kind, level_idc);
            budget.judge(&mut picture) == Admission::Passes
        };
        (0..10 * per_second).filter(passes).count()
    }

    #[test]
    fn what_encoders_send_passes_whole_whatever_level_they_claim() {
        assert_eq!(passing(60, 8160, 31), 600, "1080p60");
        assert_eq!(passing(30, 32_640, 40), 300, "4K30");
        assert_eq!(passing(60, 32_640, 51), 600, "4K60, of which 5.1 allows half");
        assert_eq!(passing(56, 36_864, 52), 560);
    }

    #[test]
    fn more_than_that_is_left_out_up_to_the_next_picture_to_go_on_with() {
        // 4096x2304 at 1000 pictures a second: 12 s of 56 at most.
        let passed = passing(1000, 36_864, 52);
        assert!((500..=12 * 57).contains(&passed), "{passed}");
        let mut budget = DecodeBudget::new();
        budget.judge(&mut picture(0, 36_864, Some(CutPoint::Idr), 52));
        let mut judge = |ms, kind| {
            let mut picture = picture(ms, 36_864, kind, 52);
            (budget.judge(&mut picture), picture.after_gap)
        };
        let first = (1..).map(|ms| judge(ms, None)).find(|(it, _)| *it != Admission::Passes);
        assert_eq!(first, Some((Admission::FirstLeftOut, false)));
        assert_eq!(judge(5_000, None), (Admission::LeftOut, false), "it refers to what is gone");
        assert_eq!(judge(5_001, Some(CutPoint::Idr)), (Admission::Passes, true));
        assert_eq!(judge(5_040, None), (Admission::Passes, false));
    }
}
