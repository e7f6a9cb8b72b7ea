//! What the renditions of a stream may need on the wire, by what the source needs: a rendition that
//! is hardly lighter than what it is made from is of no use to anybody.

use std::collections::VecDeque;

use hls::ROOM_PERCENT;
use media::{Duration, TICKS_PER_SECOND};

use crate::rendition::{AudioPreset, Preset};

/// Rates are measured over so many spans: long enough to be calm, short enough to follow the
/// publisher.
const MEASURED_SPANS: usize = 8;

/// A rendition that would have to do with less than this part of its cap has no room: it would show
/// little but blocks, where a smaller one shows pictures.
const LEAST_PART: u32 = 8;

/// What one MPEG-TS packet of stuffing costs on average: each picture, and each group of audio
/// frames, ends half a packet early.
const STUFFING_BITS: f64 = 94.0 * 8.0;

/// Pictures a second where nobody says: what most cameras send.
const USUAL_FRAME_RATE: f64 = 30.0;

/// What nobody sees more of.
const MAX_FRAME_RATE: f64 = 240.0;

/// Sound before any has come: what encoders send by default.
const UNKNOWN_AUDIO_BPS: u64 = 128_000;

/// What a publisher sends, in bits per second, without packaging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceRates {
    /// Pictures. Never 0 where there are any.
    pub video_bps: u64,
    /// Sound; 0 without.
    pub audio_bps: u64,
}

/// What a rendition may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The cap of its video in bits per second: the preset's, or less where the source is light; 0
    /// for sound alone.
    pub cap_bps: u32,
    /// The whole of it on the wire at that cap, in bits per second.
    pub wire_bps: u64,
    /// It is worth listing below what is heavier.
    pub has_room: bool,
}

/// The allowance of each rendition of a source, in the order of `renditions`: from the heaviest
/// down, each has a cap that leaves it room under the next. What the source needs bounds the
/// heaviest, once it is known.
#[must_use]
pub fn allowances<'a>(
    renditions: impl IntoIterator<Item = &'a Preset>,
    source: Option<SourceRates>,
) -> Vec<Allowance> {
    let renditions: Vec<_> = renditions.into_iter().collect();
    let mut heaviest_first: Vec<usize> = (0..renditions.len()).collect();
    heaviest_first.sort_by_key(|place| {
        let preset = renditions[*place];
        let pixels = preset.video.as_ref().map_or(0, |video| video.width * video.height);
        std::cmp::Reverse((preset.video_bps(), pixels))
    });
    let source_audio_bps = source.map_or(UNKNOWN_AUDIO_BPS, |source| source.audio_bps);
    let mut next = source.map(|source| Needs {
        video_bps: source.video_bps,
        wire_bps: wire_bps(source.video_bps, source.audio_bps, USUAL_FRAME_RATE),
    });
    let nothing = Allowance { cap_bps: 0, wire_bps: 0, has_room: false };
    let mut allowances = vec![nothing; renditions.len()];
    for place in heaviest_first {
        let preset = renditions[place];
        let audio_bps = match preset.audio {
            AudioPreset::Copy => source_audio_bps,
            // Where the publisher's is as light it is copied.
            AudioPreset::Encode { bitrate_bps, .. } => source_audio_bps.min(bitrate_bps.into()),
        };
        let frame_rate = match &preset.video {
            Some(video) => video.frame_rate.map_or(USUAL_FRAME_RATE, |rate| rate.as_f64()),
            None => 0.0,
        };
        let besides_video = wire_bps(0, audio_bps, frame_rate);
        let room = next.map_or(u64::MAX, |next| next.room_beside(besides_video));
        let least = (preset.video_bps() / LEAST_PART).max(1);
        let has_room = room >= u64::from(least);
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        let cap_bps = preset.video_bps().min(room.max(least));
        let wire_bps = wire_bps(cap_bps.into(), audio_bps, frame_rate);
        if has_room {
            next = Some(Needs { video_bps: cap_bps.into(), wire_bps });
        }
        allowances[place] = Allowance { cap_bps, wire_bps, has_room };
    }
    allowances
}

/// What the next heavier one needs.
#[derive(Clone, Copy)]
struct Needs {
    video_bps: u64,
    wire_bps: u64,
}

impl Needs {
    /// How much video a lighter rendition may have that needs so much on the wire besides it.
    fn room_beside(self, besides_video: u64) -> u64 {
        let part = |bps: u64| bps / 100 * ROOM_PERCENT;
        // Packaging takes its part of the video, too.
        let on_the_wire = part(self.wire_bps).saturating_sub(besides_video) / 41 * 40;
        on_the_wire.min(part(self.video_bps))
    }
}

/// What so much video and audio, in bits per second, need as MPEG-TS: 4 of 188 bytes, and stuffing.
fn wire_bps(video_bps: u64, audio_bps: u64, frame_rate: f64) -> u64 {
    let payload = video_bps.saturating_add(audio_bps);
    let stuffing = frame_rate.clamp(0.0, MAX_FRAME_RATE) * STUFFING_BITS;
    payload.saturating_add(payload / 40).saturating_add(stuffing as u64)
}

/// Measures what a publisher sends, span by span.
#[derive(Debug, Default)]
pub(crate) struct SourceMeter {
    /// The newest last.
    spans: VecDeque<Sent>,
    /// What counts until a span with pictures has been measured.
    expected: Option<SourceRates>,
}

/// What was sent in one span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) video_bytes: u64,
    pub(crate) audio_bytes: u64,
    pub(crate) duration: Duration,
}

impl SourceMeter {
    /// A meter for a publisher that is expected to send what the one before it sent.
    pub(crate) fn expecting(expected: Option<SourceRates>) -> Self {
        Self { spans: VecDeque::new(), expected }
    }

    pub(crate) fn push(&mut self, sent: Sent) {
        if self.spans.len() >= MEASURED_SPANS {
            self.spans.pop_front();
        }
        self.spans.push_back(sent);
    }

    /// Rates over the newest spans; before the first one with pictures, those that are expected.
    pub(crate) fn rates(&self) -> Option<SourceRates> {
        let duration: i64 = self.spans.iter().map(|sent| sent.duration.ticks()).sum();
        let video_bytes: u64 = self.spans.iter().map(|sent| sent.video_bytes).sum();
        let audio_bytes: u64 = self.spans.iter().map(|sent| sent.audio_bytes).sum();
        if duration <= 0 || video_bytes == 0 {
            return self.expected;
        }
        let bps = |bytes: u64| {
            let bits = u128::from(bytes) * 8 * TICKS_PER_SECOND as u128;
            u64::try_from(bits / duration as u128).unwrap_or(u64::MAX)
        };
        Some(SourceRates {
            video_bps: steady(bps(video_bytes)).max(1),
            audio_bps: steady(bps(audio_bytes)),
        })
    }
}

/// Down to the next of eight steps to an octave: a cap that follows every span would open a new
/// encoder for each.
fn steady(bps: u64) -> u64 {
    let shift = bps.checked_ilog2().unwrap_or(0).saturating_sub(3);
    bps >> shift << shift
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::preset_names;

    fn presets(names: &[&str]) -> Vec<Preset> {
        names.iter().map(|name| Preset::named(name).expect("a preset")).collect()
    }

    fn caps(names: &[&str], video_bps: u64, audio_bps: u64) -> Vec<Option<u32>> {
        let source = Some(SourceRates { video_bps, audio_bps });
        let allowances = allowances(&presets(names), source);
        allowances.iter().map(|it| it.has_room.then_some(it.cap_bps)).collect()
    }

    #[test]
    fn a_heavy_source_leaves_every_rendition_its_cap() {
        let names = ["P144p30fps16x9", "P360p30fps16x9", "P720p30fps16x9"];
        let all = [Some(400_000), Some(1_200_000), Some(4_000_000)];
        assert_eq!(caps(&names, 6_000_000, 128_000), all);
        let unknown = allowances(&presets(&names), None);
        assert!(unknown.iter().all(|it| it.has_room));
        assert_eq!(unknown[2].cap_bps, 4_000_000);
    }

    #[test]
    fn no_rendition_needs_more_than_four_fifths_of_a_light_source() {
        assert_eq!(caps(&["P144p30fps16x9"], 300_000, 0), [Some(235_520)]);
        // Nothing is left beside its sound.
        assert_eq!(caps(&["P144p30fps16x9"], 60_000, 128_000), [None]);
    }

    #[test]
    fn two_of_equal_caps_are_told_apart() {
        let caps = caps(&["P144p25fps16x9", "P144p30fps16x9"], 2_500_000, 64_000);
        assert_eq!(caps[0], Some(400_000));
        assert!(caps[1].is_some_and(|cap| (250_000..320_000).contains(&cap)), "{caps:?}");
    }

    #[test]
    fn rates_are_those_of_the_newest_spans() {
        let mut meter = SourceMeter::default();
        assert_eq!(meter.rates(), None);
        let sent = |video_bytes, audio_bytes| Sent {
            video_bytes,
            audio_bytes,
            duration: Duration::from_secs(2),
        };
        meter.push(sent(0, 32_000));
        assert_eq!(meter.rates(), None, "sound alone says nothing of pictures");
        (0..MEASURED_SPANS).for_each(|_| meter.push(sent(500_000, 32_000)));
        let rates = SourceRates { video_bps: 1_966_080, audio_bps: 122_880 };
        assert_eq!(meter.rates(), Some(rates), "2 Mbit/s and 128 kbit/s, in steps");
    }

    proptest! {
        #[test]
        fn what_has_room_ascends_by_a_quarter_up_to_the_source(
            places in prop::collection::vec(0..14_usize, 0..10),
            video_bps in 1..10_000_000_u64,
            audio_bps in 0..400_000_u64,
        ) {
            let names: Vec<_> = preset_names().collect();
            let presets: Vec<_> =
                places.iter().filter_map(|place| Preset::named(names[*place])).collect();
            let allowances = allowances(&presets, Some(SourceRates { video_bps, audio_bps }));
            let mut listed: Vec<_> = allowances.iter().filter(|it| it.has_room).collect();
            listed.sort_by_key(|it| it.wire_bps);
            for (preset, allowance) in presets.iter().zip(&allowances) {
                prop_assert!(allowance.cap_bps <= preset.video_bps());
                prop_assert_eq!(allowance.cap_bps > 0, preset.video.is_some());
            }
            for it in &listed {
                prop_assert!(u64::from(it.cap_bps) * 100 <= video_bps * ROOM_PERCENT);
            }
            for pair in listed.windows(2) {
                prop_assert!(pair[0].wire_bps * 100 <= pair[1].wire_bps * (ROOM_PERCENT + 1));
            }
        }
    }
}
