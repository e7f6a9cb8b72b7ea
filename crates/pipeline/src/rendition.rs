//! What a rendition is to be (presets) and what it becomes for a given source (size, kept
//! pictures).

use media::{Duration, TICKS_PER_SECOND, Timestamp};

use crate::transcoder::MAX_WAITING;

pub use codec::{AacProfile, Profile};

/// Smallest side the encoder takes; a thinner picture is padded to it.
pub const MIN_SIDE: u32 = 16;

/// One encoding to make of every stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preset {
    /// The rendition's name in URLs.
    pub name: String,
    /// What its pictures are; None makes sound alone.
    pub video: Option<VideoPreset>,
    /// What its audio is.
    pub audio: AudioPreset,
}

/// The pictures of a rendition: a box to fit them in, a bitrate cap, a frame-rate ceiling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoPreset {
    /// Width of the box in pixels, for a landscape source; turned for a portrait one.
    pub width: u32,
    /// Height of the box in pixels.
    pub height: u32,
    /// Cap of the video bitrate in bits per second: easy pictures use less.
    pub bitrate_bps: u32,
    /// Frame-rate ceiling; None keeps the source's.
    pub frame_rate: Option<FrameRate>,
    /// H.264 profile.
    pub profile: Profile,
}

/// The audio of a rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudioPreset {
    /// The publisher's own.
    Copy,
    /// Its own, unless the publisher's is as light.
    Encode {
        /// Which AAC. HE-AAC v2 becomes HE-AAC where the publisher's sound has one channel.
        profile: AacProfile,
        /// Bits in a second.
        bitrate_bps: u32,
    },
}

/// Pictures per second as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    /// Numerator, at least 1.
    pub num: u32,
    /// Denominator, at least 1.
    pub den: u32,
}

impl FrameRate {
    /// Time from one picture to the next.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_ticks(TICKS_PER_SECOND * i64::from(self.den) / i64::from(self.num.max(1)))
    }

    /// Pictures per second.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den.max(1))
    }
}

/// Presets: name, width, height, kbit/s, pictures per second, profile, audio.
const PRESETS: [(&str, u32, u32, u32, u32, Profile, AudioPreset); 16] = {
    use AudioPreset::Copy;
    use Profile::{Baseline, High};
    [
        ("P720p60fps16x9", 1280, 720, 6000, 60, High, Copy),
        ("P720p30fps16x9", 1280, 720, 4000, 30, High, Copy),
        ("P720p25fps16x9", 1280, 720, 3500, 25, High, Copy),
        ("P720p30fps4x3", 960, 720, 3500, 30, High, Copy),
        ("P576p30fps16x9", 1024, 576, 1500, 30, High, Copy),
        ("P576p25fps16x9", 1024, 576, 1500, 25, High, Copy),
        ("P360p30fps16x9", 640, 360, 1200, 30, High, Copy),
        ("P360p25fps16x9", 640, 360, 1000, 25, High, Copy),
        ("P360p30fps4x3", 480, 360, 1000, 30, High, Copy),
        ("P240p30fps16x9", 426, 240, 600, 30, High, Copy),
        ("P240p25fps16x9", 426, 240, 600, 25, High, Copy),
        ("P240p30fps4x3", 320, 240, 600, 30, High, Copy),
        ("P144p30fps16x9", 256, 144, 400, 30, High, he_aac(48)),
        ("P144p25fps16x9", 256, 144, 400, 25, High, Copy),
        // Ours, for links of 2G and for old phones.
        ("P144p15fps16x9", 256, 144, 96, 15, Baseline, he_aac_v2(24)),
        ("P90p10fps16x9", 160, 90, 26, 10, Baseline, he_aac_v2(16)),
    ]
};

/// The preset of sound alone.
const AUDIO: (&str, AudioPreset) = ("audio", he_aac_v2(24));

/// The ladder where nobody asks for another one.
const DEFAULT: [&str; 4] = ["P144p30fps16x9", "P144p15fps16x9", "P90p10fps16x9", AUDIO.0];

const fn he_aac(kbps: u32) -> AudioPreset {
    AudioPreset::Encode { profile: AacProfile::HighEfficiency, bitrate_bps: kbps * 1000 }
}

const fn he_aac_v2(kbps: u32) -> AudioPreset {
    AudioPreset::Encode { profile: AacProfile::HighEfficiencyV2, bitrate_bps: kbps * 1000 }
}

impl Preset {
    /// The preset of this name, go-livepeer's (for example `P144p30fps16x9`) or one of ours; None
    /// when there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == AUDIO.0 {
            return Some(Self { name: name.to_owned(), video: None, audio: AUDIO.1 });
        }
        let &(name, width, height, kbps, fps, profile, audio) =
            PRESETS.iter().find(|preset| preset.0 == name)?;
        let video = VideoPreset {
            width,
            height,
            bitrate_bps: kbps * 1000,
            frame_rate: Some(FrameRate { num: fps, den: 1 }),
            profile,
        };
        Some(Self { name: name.to_owned(), video: Some(video), audio })
    }

    /// The ladder where nobody asks for another one.
    #[must_use]
    pub fn default_ladder() -> Vec<Self> {
        DEFAULT.iter().filter_map(|name| Self::named(name)).collect()
    }

    /// Bits in a second of its video at most; 0 without.
    #[must_use]
    pub fn video_bps(&self) -> u32 {
        self.video.as_ref().map_or(0, |video| video.bitrate_bps)
    }
}

/// The names [`Preset::named`] knows, largest first.
pub fn preset_names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.0).chain([AUDIO.0])
}

/// Where a picture lands: its scaled size, and the encoded size around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    /// Width and height of the scaled picture, both even.
    pub(crate) picture: (u32, u32),
    /// Width and height that are encoded: the picture, or [`MIN_SIDE`] where that is more.
    pub(crate) coded: (u32, u32),
}

/// Fits a source of `size` pixels with sample aspect ratio `sar` into the preset's box.
///
/// The box is turned to the source's orientation, the aspect of what a viewer sees is kept, nothing
/// is enlarged, sides are even. None where a side of the source is under [`MIN_SIDE`]: such a
/// stream is source-only.
pub(crate) fn fit(preset: &VideoPreset, size: (u32, u32), sar: (u32, u32)) -> Option<Fit> {
    if size.0 < MIN_SIDE || size.1 < MIN_SIDE {
        return None;
    }
    let shown_width = f64::from(size.0) * f64::from(sar.0.max(1)) / f64::from(sar.1.max(1));
    let shown_height = f64::from(size.1);
    let (long, short) = (preset.width.max(preset.height), preset.width.min(preset.height));
    let (box_width, box_height) =
        if shown_width < shown_height { (short, long) } else { (long, short) };
    let scale =
        (f64::from(box_width) / shown_width).min(f64::from(box_height) / shown_height).min(1.0);
    let even = |side: f64| {
        let nearest = (side * scale / 2.0).round() * 2.0;
        (if nearest > side { nearest - 2.0 } else { nearest }).max(2.0) as u32
    };
    let picture = (even(shown_width), even(shown_height));
    Some(Fit { picture, coded: (picture.0.max(MIN_SIDE), picture.1.max(MIN_SIDE)) })
}

/// Chooses which pictures of a faster source a rendition keeps, by their presentation time alone.
///
/// Stateless per picture, so that a picture may be judged in decoding order, before it is decoded:
/// time is laid out in slots of the ceiling's interval from each random access picture on, and the
/// first source picture of each slot is kept. (Slots that were never laid out anew would drift
/// against 59.94 fps until two pictures fall on their edges.)
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thinner {
    slot: Option<Duration>,
    /// Where the slots of the newest GOPs begin, the newest first: pictures that are shown in front
    /// of a random access picture are still looked at when it has been decoded, and some behind it.
    origins: [Timestamp; MAX_WAITING],
}

impl Thinner {
    pub(crate) fn new(ceiling: Option<FrameRate>) -> Self {
        let slot = ceiling.map(FrameRate::interval).filter(|slot| slot.ticks() > 0);
        Self { slot, origins: [Timestamp::ZERO; MAX_WAITING] }
    }

    /// Lays the slots out from the random access picture at `origin`.
    pub(crate) fn restart(&mut self, origin: Timestamp) {
        let [newest, ..] = self.origins;
        if origin != newest {
            self.origins.rotate_right(1);
            self.origins[0] = origin;
        }
    }

    /// Whether the picture at `pts` is kept, from a source with one picture every
    /// `source_interval`.
    pub(crate) fn keeps(&self, pts: Timestamp, source_interval: Duration) -> bool {
        let Some(slot) = self.slot else { return true };
        let [.., oldest] = self.origins;
        let origin = self.origins.into_iter().find(|origin| *origin <= pts).unwrap_or(oldest);
        let since = pts - origin + slack(slot, source_interval);
        since.ticks().rem_euclid(slot.ticks()) < source_interval.ticks()
    }
}

/// How far slots are shifted against the pictures, so that no edge falls on one: RTMP stamps are
/// whole milliseconds (33, 34) and the interval is an average, so an edge is never exact, and of
/// two pictures next to one both would be kept, or neither.
///
/// Half an interval; half as much where that puts every second edge on a picture, as a slot is two
/// intervals and a half (25 pictures a second thinned to 10); a quarter where a slot is an odd
/// number of quarters.
fn slack(slot: Duration, source_interval: Duration) -> Duration {
    let ratio = slot.ticks() as f64 / source_interval.ticks().max(1) as f64;
    let is_odd_number = |parts: f64| {
        let nearest = parts.round();
        (parts - nearest).abs() < 0.1 && nearest % 2.0 == 1.0
    };
    let parts = [2, 4].into_iter().find(|parts| is_odd_number(ratio * f64::from(*parts)));
    Duration::from_ticks(source_interval.ticks() / i64::from(2 * parts.unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p144() -> VideoPreset {
        Preset::named("P144p30fps16x9").unwrap().video.unwrap()
    }

    #[test]
    fn every_preset_of_the_contract_has_its_numbers() {
        assert_eq!(preset_names().count(), 17);
        assert!(preset_names().all(|name| Preset::named(name).is_some()));
        let preset = Preset::named("P144p25fps16x9").unwrap();
        let video = preset.video.unwrap();
        assert_eq!((video.width, video.height, video.bitrate_bps), (256, 144, 400_000));
        assert_eq!(preset.audio, AudioPreset::Copy, "as in go-livepeer");
        assert_eq!(Preset::named("p144p30fps16x9"), None, "names are case-sensitive");
    }

    #[test]
    fn the_default_ladder_goes_from_144_lines_down_to_sound_alone() {
        let ladder = Preset::default_ladder();
        let rates: Vec<_> =
            ladder.iter().map(|preset| (preset.video_bps(), preset.audio)).collect();
        let expected = [
            (400_000, he_aac(48)),
            (96_000, he_aac_v2(24)),
            (26_000, he_aac_v2(16)),
            (0, he_aac_v2(24)),
        ];
        assert_eq!(rates, expected);
        let light = ladder[2].video.as_ref().unwrap();
        assert_eq!((light.width, light.height, light.profile), (160, 90, Profile::Baseline));
        assert_eq!(fit(light, (1920, 1080), (1, 1)).unwrap().picture, (160, 90));
    }

    #[test]
    fn a_picture_is_fitted_into_the_box_with_its_aspect() {
        let sizes = [
            ((1280, 720), (256, 144)),
            ((640, 480), (192, 144)),
            ((720, 1280), (144, 256)),
            ((1000, 1000), (144, 144)),
            ((150, 200), (144, 192)),
            ((500, 100), (256, 52)),
            ((123, 123), (122, 122)),
            ((64, 48), (64, 48)),
            ((1920, 816), (256, 108)),
        ];
        for (source, expected) in sizes {
            assert_eq!(fit(&p144(), source, (1, 1)).unwrap().picture, expected, "{source:?}");
        }
    }

    #[test]
    fn sample_aspect_ratio_is_honoured() {
        let fitted = fit(&p144(), (720, 576), (64, 45)).unwrap();
        assert_eq!(fitted.picture, (256, 144));
    }

    #[test]
    fn a_very_thin_picture_is_padded_and_a_tiny_one_is_source_only() {
        let thin = fit(&p144(), (16, 4000), (1, 1)).unwrap();
        assert_eq!((thin.picture, thin.coded), ((2, 256), (16, 256)));
        assert_eq!(fit(&p144(), (16, 8), (1, 1)), None);
    }

    /// How many pictures of `fps` are kept in 10 s at whole-millisecond stamps, with a GOP of 2 s.
    fn kept(fps: f64, ceiling: u32) -> usize {
        let mut thinner = Thinner::new(Some(FrameRate { num: ceiling, den: 1 }));
        let interval = Duration::from_ticks((90_000.0 / fps) as i64);
        let keeps = |n: i64| {
            let pts = Timestamp::from_millis((n as f64 * 1000.0 / fps).round() as i64);
            if n % (fps * 2.0).round() as i64 == 0 {
                thinner.restart(pts);
            }
            thinner.keeps(pts, interval)
        };
        (0..(fps * 10.0) as i64).map(keeps).filter(|kept| *kept).count()
    }

    /// 25 pictures a second thinned to 10 came out as 15 once a single longer interval, between two
    /// rounds of a file, had made the average a little more than 40 ms.
    #[test]
    fn a_ceiling_holds_whatever_the_stamps_and_the_average_interval_are_off_by() {
        let halves = [(25, 10), (50, 20), (60, 24), (15, 10), (30, 20), (24, 16), (25, 20)];
        let others = [(30, 10), (24, 10), (25, 15), (30, 25), (50, 30), (60, 30)];
        for (fps, ceiling) in halves.into_iter().chain(others) {
            let thinner = Thinner::new(Some(FrameRate { num: ceiling, den: 1 }));
            for off_permille in [-10, -1, 0, 1, 10] {
                let ticks = 90_000 / i64::from(fps) * (1000 + off_permille) / 1000;
                let interval = Duration::from_ticks(ticks);
                let kept = |rounded: fn(f64) -> f64| {
                    let stamps = (0..fps * 10).map(|n| {
                        let ms = rounded(f64::from(n) * 1000.0 / f64::from(fps));
                        Timestamp::from_millis(ms as i64)
                    });
                    stamps.filter(|pts| thinner.keeps(*pts, interval)).count() as u32
                };
                let counts = [kept(f64::floor), kept(f64::round), kept(f64::ceil)];
                assert_eq!(counts, [10 * ceiling; 3], "{fps} to {ceiling}, {off_permille}");
            }
        }
    }

    #[test]
    fn faster_sources_are_thinned_to_the_ceiling_and_slower_ones_kept_whole() {
        assert_eq!(kept(60.0, 30), 300);
        assert_eq!(kept(120.0, 30), 300);
        assert_eq!(kept(30.0, 30), 300);
        assert_eq!(kept(25.0, 30), 250);
        assert_eq!(kept(29.97, 30), 299);
        assert!((299..=301).contains(&kept(50.0, 30)));
        assert!((249..=251).contains(&kept(30.0, 25)));
        assert!((299..=301).contains(&kept(59.94, 30)));
    }
}
