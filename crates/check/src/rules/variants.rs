//! What a variant stream declares against what its segments are.

use crate::ledger::Ledger;
use crate::playlist::Variant;
use crate::report::{Measurement, Outcome};
use crate::rule::Rule;
use crate::ts_reader::TransportStream;

/// Times are whole milliseconds with RTMP publishers: 30 pictures a second may look like 30.03.
const FRAME_RATE_TOLERANCE: f64 = 1.05;

/// Judges a variant by one of its segments.
pub(crate) fn judge(
    ledger: &mut Ledger,
    subject: &str,
    variant: &Variant,
    facts: &TransportStream,
) {
    judge_codecs(ledger, subject, variant, facts);
    let Some(video) = &facts.video else {
        ledger.skip(Rule::Resolution, "there is no H.264 video");
        return ledger.skip(Rule::FrameRate, "there is no H.264 video");
    };
    if let Some(real) = video.resolution {
        let displayed = displayed(real, video.sar);
        let is_right = variant.resolution.is_some_and(|is| is == real || is == displayed);
        ledger.judge(Rule::Resolution, subject, is_right, || match variant.resolution {
            Some((w, h)) => format!("RESOLUTION={w}x{h}, pictures are {}x{}", real.0, real.1),
            None => format!("no RESOLUTION, pictures are {}x{}", real.0, real.1),
        });
    }
    judge_frame_rate(ledger, subject, variant, facts);
}

/// Width as displayed, with samples that are not square.
fn displayed((width, height): (u32, u32), (horizontal, vertical): (u32, u32)) -> (u32, u32) {
    let wide = u64::from(width).saturating_mul(horizontal.into());
    let width = wide.checked_div(vertical.into()).and_then(|width| width.try_into().ok());
    (width.unwrap_or(0), height)
}

fn judge_frame_rate(
    ledger: &mut Ledger,
    subject: &str,
    variant: &Variant,
    facts: &TransportStream,
) {
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

fn frame_rate(facts: &TransportStream) -> Option<f64> {
    let video = facts.video.as_ref().filter(|video| video.pictures > 1)?;
    let secs = crate::time::secs(video.first_pts?, video.last_pts?);
    (secs > 0.0).then(|| (video.pictures as f64 - 1.0) / secs)
}

fn judge_codecs(ledger: &mut Ledger, subject: &str, variant: &Variant, facts: &TransportStream) {
    let Some(declared) = &variant.codecs else { return };
    let video = facts.video.as_ref().and_then(|video| video.codec.clone());
    let audio = facts.audio.as_ref().map(|audio| (audio.codec.clone(), audio.sample_rate_hz));
    for codec in declared {
        let is_there = match kind(codec) {
            Kind::Video => video.as_ref().is_some_and(|real| real.eq_ignore_ascii_case(codec)),
            Kind::Audio if variant.audio_group => true,
            Kind::Audio => audio.as_ref().is_some_and(|(real, hz)| is_audio(codec, real, *hz)),
            Kind::Other => true,
        };
        ledger.judge(Rule::Codecs, subject, is_there, || {
            let real = [video.as_deref(), audio.as_ref().map(|(codec, _)| codec.as_str())];
            let real: Vec<_> = real.into_iter().flatten().collect();
            format!("CODECS has {codec}, segments have {}", real.join(" and "))
        });
    }
    let mut declares = |wanted, codec: Option<&str>| {
        let Some(codec) = codec else { return };
        let is_there = declared.iter().any(|declared| kind(declared) == wanted);
        ledger.judge(Rule::Codecs, subject, is_there, || {
            format!("segments have {codec}, CODECS do not")
        });
    };
    declares(Kind::Video, video.as_deref());
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
