//! What a variant stream declares against what its segments are.

use crate::fault::excerpt;
use crate::ledger::Ledger;
use crate::playlist::Variant;
use crate::report::{Measurement, Outcome};
use crate::rule::Rule;
use crate::rules::players::Tracks;
use crate::segment_facts::SegmentFacts;
use crate::video::Shape;

/// Times are whole milliseconds with RTMP publishers: 30 pictures a second may look like 30.03.
const FRAME_RATE_TOLERANCE: f64 = 1.05;

/// Judges a variant by one of its segments.
pub(crate) fn judge(ledger: &mut Ledger, subject: &str, variant: &Variant, facts: &SegmentFacts) {
    judge_codecs(ledger, subject, variant, facts);
    let Some(video) = &facts.video else {
        ledger.skip(Rule::Resolution, "there is no H.264 video");
        return ledger.skip(Rule::FrameRate, "there is no H.264 video");
    };
    for shape in &video.shapes {
        let real = shape.resolution;
        ledger.judge(Rule::Resolution, subject, has_shape(variant, shape), || {
            match variant.resolution {
                Some((w, h)) => format!("RESOLUTION={w}x{h}, pictures are {}x{}", real.0, real.1),
                None => format!("no RESOLUTION, pictures are {}x{}", real.0, real.1),
            }
        });
    }
    judge_frame_rate(ledger, subject, variant, facts);
}

/// Whether what is declared is true of a segment, as far as it says what the pictures and the sound
/// are.
pub(crate) fn describes(variant: &Variant, facts: &SegmentFacts) -> bool {
    let shapes = facts.video.iter().flat_map(|video| &video.shapes);
    let mut scratch = Ledger::default();
    judge_codecs(&mut scratch, "", variant, facts);
    !scratch.has_failed(Rule::Codecs) && shapes.into_iter().all(|shape| has_shape(variant, shape))
}

/// The tracks that are declared; none where CODECS are not.
pub(crate) fn declared_tracks(variant: &Variant) -> Option<Tracks> {
    let codecs = variant.codecs.as_ref()?;
    let has = |wanted| codecs.iter().any(|codec| kind(codec) == wanted);
    Some(Tracks { video: has(Kind::Video), audio: has(Kind::Audio) })
}

fn has_shape(variant: &Variant, shape: &Shape) -> bool {
    let displayed = displayed(shape.resolution, shape.sar);
    variant.resolution.is_some_and(|is| is == shape.resolution || is == displayed)
}

/// Width as displayed, with samples that are not square.
fn displayed((width, height): (u32, u32), (horizontal, vertical): (u32, u32)) -> (u32, u32) {
    let wide = u64::from(width).saturating_mul(horizontal.into());
    let width = wide.checked_div(vertical.into()).and_then(|width| width.try_into().ok());
    (width.unwrap_or(0), height)
}

fn judge_frame_rate(ledger: &mut Ledger, subject: &str, variant: &Variant, facts: &SegmentFacts) {
    let Some(declared) = variant.frame_rate else {
        return ledger.judge(Rule::FrameRate, subject, false, || "no FRAME-RATE".to_owned());
    };
    let Some(measured) = frame_rate(facts) else { return };
    let measurement = Measurement::at_most(measured, declared * FRAME_RATE_TOLERANCE, "fps");
    let what = format!("more pictures than FRAME-RATE={declared}");
    ledger.measure(Rule::FrameRate, Outcome::Fail, subject, &what, measurement);
    if measured < declared / FRAME_RATE_TOLERANCE {
        let what = format!("FRAME-RATE={declared}, but only {measured:.2} pictures a second");
        ledger.warn(Rule::FrameRate, subject, what);
    }
}

fn frame_rate(facts: &SegmentFacts) -> Option<f64> {
    let video = facts.video.as_ref().filter(|video| video.pictures > 1)?;
    let secs = crate::time::secs(video.first_pts?, video.last_pts?);
    (secs > 0.0).then(|| (video.pictures as f64 - 1.0) / secs)
}

fn judge_codecs(ledger: &mut Ledger, subject: &str, variant: &Variant, facts: &SegmentFacts) {
    let Some(declared) = &variant.codecs else { return };
    let shapes = facts.video.iter().flat_map(|video| &video.shapes);
    let video: Vec<&str> = shapes.map(|shape| shape.codec.as_str()).collect();
    let audio = facts.audio.as_ref().map(|audio| (audio.codec.clone(), audio.sample_rate_hz));
    for codec in declared {
        let is_there = match kind(codec) {
            Kind::Video if variant.video_group.is_some() => true,
            Kind::Video => video.iter().any(|real| real.eq_ignore_ascii_case(codec)),
            Kind::Audio if variant.audio_group.is_some() => true,
            Kind::Audio => audio.as_ref().is_some_and(|(real, hz)| is_audio(codec, real, *hz)),
            Kind::Other => true,
        };
        ledger.judge(Rule::Codecs, subject, is_there, || {
            let audio = audio.iter().map(|(codec, _)| codec.as_str());
            let real: Vec<_> = video.iter().copied().chain(audio).collect();
            let real = if real.is_empty() { "none".to_owned() } else { real.join(" and ") };
            format!("CODECS has {}, segments have {real}", excerpt(codec))
        });
    }
    let mut declares = |wanted, codec: Option<&str>| {
        let Some(codec) = codec else { return };
        let is_there = declared.iter().any(|declared| kind(declared) == wanted);
        ledger.judge(Rule::Codecs, subject, is_there, || {
            format!("segments have {codec}, CODECS do not")
        });
    };
    declares(Kind::Video, video.first().copied());
    declares(Kind::Audio, audio.as_ref().map(|(codec, _)| codec.as_str()));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Video,
    Audio,
    Other,
}

fn kind(codec: &str) -> Kind {
    match codec.split('.').next().unwrap_or_default() {
        "avc1" | "avc3" | "hvc1" | "hev1" | "av01" | "vp09" => Kind::Video,
        "mp4a" | "ac-3" | "ec-3" | "opus" | "Opus" | "fLaC" => Kind::Audio,
        _ => Kind::Other,
    }
}

/// ADTS shows the core codec only: HE-AAC looks like LC at half the rate, so at most 24 kHz.
fn is_audio(declared: &str, core: &str, core_hz: u32) -> bool {
    let is_high_efficiency = matches!(declared, "mp4a.40.5" | "mp4a.40.29");
    declared == core || (is_high_efficiency && core == "mp4a.40.2" && core_hz <= 24_000)
}
