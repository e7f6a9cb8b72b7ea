//! What the multivariant playlist says is true.

use m3u8_rs::VariantStream;

use crate::support::judge::{self, Judged, assert_close};
use crate::support::playlist;
use crate::support::recording::Recording;
use crate::support::server::Server;

/// Checks all variants of a stream; `made` holds what they point to, in the order they must be
/// listed.
pub(crate) fn are_true(server: &Server, stream: &str, made: &[(&Recording, &Judged)]) {
    let text = server.get(&format!("/stream/{stream}.m3u8"));
    let multivariant = playlist::multivariant(text.text());
    assert_eq!(multivariant.variants.len(), made.len(), "{}", text.text());
    for (variant, (recording, judged)) in multivariant.variants.iter().zip(made) {
        // Relative to /stream/, where multivariant playlists are.
        assert_eq!(variant.uri, format!("{stream}/{}.m3u8", recording.rendition));
        variant_is_true(variant, recording, judged);
    }
}

fn variant_is_true(variant: &VariantStream, recording: &Recording, judged: &Judged) {
    let codecs = variant.codecs.as_deref().expect("CODECS");
    let video = judged.whole.video.as_ref();
    // ffprobe takes all HE-AAC of one channel for v2, of which ADTS does not tell.
    let probed = codec_strings(recording, judged).join(",");
    let is_mono = probed.ends_with(".29") && codecs.ends_with(".5");
    assert!(
        codecs == probed || is_mono && probed.starts_with(&codecs[..11]),
        "{probed}: {variant:?}"
    );
    let resolution = variant.resolution.map(|resolution| (resolution.width, resolution.height));
    assert_eq!(resolution, video.map(|video| (video.width, video.height)), "{variant:?}");
    assert_eq!(variant.frame_rate.is_some(), video.is_some(), "{variant:?}");
    if let (Some(rate), Some(video)) = (variant.frame_rate, video) {
        assert_close(rate, mean_rate(&video.pts), 0.02 * rate, "FRAME-RATE");
    }
    bandwidth_is_true(variant, recording);
}

/// By the bitstream, and ffprobe's reading of it.
fn codec_strings(recording: &Recording, judged: &Judged) -> Vec<String> {
    let video = judged.whole.video.as_ref().map(|video| {
        let codec = judge::codec_string(recording);
        let idc = match video.profile.as_str() {
            "High" => "64",
            "Main" => "4d",
            "Constrained Baseline" | "Baseline" => "42",
            "High 10" => "6e",
            "High 4:2:2" => "7a",
            other => panic!("profile {other}"),
        };
        assert!(
            codec.starts_with(&format!("avc1.{idc}"))
                && codec.ends_with(&format!("{:02x}", video.level)),
            "{codec}"
        );
        codec
    });
    let audio = judged.whole.audio.as_ref().map(|audio| {
        let object_type = match audio.profile.as_str() {
            "LC" => 2,
            "HE-AAC" => 5,
            "HE-AACv2" => 29,
            other => panic!("profile {other}"),
        };
        format!("mp4a.40.{object_type}")
    });
    video.into_iter().chain(audio).collect()
}

fn mean_rate(pts: &[f64]) -> f64 {
    (pts.len() - 1) as f64 / (pts[pts.len() - 1] - pts[0])
}

/// RFC 8216 4.3.4.2: the largest rate of any run of segments that lasts 0.5 to 1.5 target
/// durations, and the mean.
fn bandwidth_is_true(variant: &VariantStream, recording: &Recording) {
    let target = recording.latest.as_ref().expect("a playlist").target_duration as f64;
    let segments = &recording.segments;
    let mut peak: f64 = 0.0;
    for from in 0..segments.len() {
        for to in from + 1..=segments.len() {
            let seconds: f64 = segments[from..to].iter().map(|segment| segment.duration).sum();
            if (0.5 * target..=1.5 * target).contains(&seconds) {
                peak = peak.max(bits(&segments[from..to]) / seconds);
            }
        }
    }
    let average = bits(segments) / recording.seconds();
    // EXTINF is rounded to a millisecond.
    assert!(variant.bandwidth as f64 >= 0.999 * peak, "{variant:?}: a run has {peak}");
    let announced = variant.average_bandwidth.expect("AVERAGE-BANDWIDTH") as f64;
    // Apple 1.28: within ten percent.
    assert_close(announced, average, 0.1 * average, "AVERAGE-BANDWIDTH");
    // Apple 1.29.
    assert!(variant.bandwidth as f64 <= 1.25 * peak, "{variant:?}: no run has more than {peak}");
}

fn bits(segments: &[crate::support::recording::Segment]) -> f64 {
    segments.iter().map(|segment| segment.data.len() as f64 * 8.0).sum()
}
