//! What must hold of every stream, whoever published it: the "independent eyes".

use std::path::Path;

use super::bitstream::{nal_types, nal_unit};
use super::ffmpeg::{Media, probe};
use super::recording::{Recording, Segment, record_seconds};
use super::scratch::Scratch;
use super::server::Server;
use super::ts::{demux, first_pids, of_pid};

/// Video is on this PID, audio on the next.
const VIDEO_PID: u16 = 0x100;
const PMT_PID: u16 = 0x1000;

/// RTMP's stamps are whole milliseconds, so that is how exact times can be.
const MILLISECOND: f64 = 0.0011;
/// Audio is timed by its sample count, which RTMP's rounded stamps follow this closely.
const AUDIO: f64 = 0.005;

/// One rendition, decoded as a whole and segment by segment.
pub(crate) struct Judged {
    pub(crate) whole: Media,
    pub(crate) alone: Vec<Media>,
}

impl Judged {
    /// Presentation time of the first picture of each segment.
    pub(crate) fn cuts(&self) -> Vec<f64> {
        self.alone.iter().map(|segment| segment.video.as_ref().expect("video").pts[0]).collect()
    }

    pub(crate) fn video_pts(&self) -> &[f64] {
        self.whole.video.as_ref().map_or(&[], |video| &video.pts)
    }

    pub(crate) fn audio_pts(&self) -> &[f64] {
        self.whole.audio.as_ref().map_or(&[], |audio| &audio.pts)
    }
}

/// Decodes a rendition in every way and holds it to what is true of all: no decoder or demuxer
/// finds anything to say, every segment stands alone, the transport stream and the times go on from
/// one to the next.
pub(crate) fn rendition(recording: &Recording, scratch: &Scratch) -> Judged {
    let playlist = recording.write(scratch);
    let alone: Vec<_> = recording
        .segments
        .iter()
        .map(|segment| stands_alone(recording, segment, scratch))
        .collect();
    let mut judged = Judged { whole: probe(text(&playlist)), alone };
    if judged.whole.video.is_none() {
        // ffmpeg's HLS demuxer gives the first time twice where there is only audio, with its own
        // segments, too.
        judged.whole = probe(text(&scratch.write("joined.ts", &recording.joined())));
    }
    transport_stream_goes_on(recording);
    segments_add_up(&judged);
    durations_are_true(recording, &judged);
    judged
}

/// Watches the source and a rendition of ours to the end of a stream that is published as this
/// file, and holds both to being it.
pub(crate) fn plays(server: &Server, name: &str, rendition_of_ours: &str, file: &Path) {
    plays_within(server, name, rendition_of_ours, file, AUDIO);
}

/// The same of a publisher that stamps audio worse than it could; `tolerance` in seconds.
pub(crate) fn plays_within(
    server: &Server,
    name: &str,
    rendition_of_ours: &str,
    file: &Path,
    tolerance: f64,
) {
    let (scratch, published) = (Scratch::new(), probe(text(file)));
    let seconds = published.seconds();
    let recordings = record_seconds(server, name, &[rendition_of_ours, "source"], seconds);
    let judged: Vec<_> =
        recordings.iter().map(|recording| rendition(recording, &scratch)).collect();
    is_the_source_within(&judged[1], &published, tolerance);
    is_a_rendition_of(&judged[0], &judged[1], 1);
}

fn stands_alone(recording: &Recording, segment: &Segment, scratch: &Scratch) -> Media {
    let name = format!("{} {}", recording.rendition, segment.sequence);
    assert_eq!(first_pids(&segment.data, 2), [0, PMT_PID], "{name} starts with PAT and PMT");
    let media = probe(text(&recording.file(scratch, segment)));
    if let Some(video) = &media.video {
        assert!(video.keys[0], "{name} starts with a key picture");
        let stream = demux(&segment.data);
        let first = of_pid(&stream, VIDEO_PID).next().expect("video");
        assert!(
            first.random_access && first.pcr.is_some(),
            "{name}: random access and PCR on the first picture"
        );
        let types: Vec<_> =
            nal_types(&first.data).into_iter().filter(|nal_type| *nal_type != 6).collect();
        assert!(
            types.starts_with(&[9, 7, 8, 5]),
            "{name} starts with AUD, SPS, PPS, IDR: {types:?}"
        );
    }
    media
}

fn transport_stream_goes_on(recording: &Recording) {
    let stream = demux(&recording.joined());
    assert_eq!(stream.continuity_errors, 0, "{}", recording.rendition);
    let pcrs: Vec<_> = stream.pes.iter().filter_map(|pes| pes.pcr).collect();
    assert!(pcrs.is_sorted(), "{}: PCR never goes back", recording.rendition);
    assert_eq!(
        stream.programs.len(),
        1,
        "{}: one set of tracks: {:?}",
        recording.rendition,
        stream.programs
    );
}

/// No picture or audio frame is in no segment or in two.
fn segments_add_up(judged: &Judged) {
    let joined = |pts: fn(&Media) -> &[f64]| {
        judged.alone.iter().flat_map(|media| pts(media).to_vec()).collect::<Vec<_>>()
    };
    assert_same_times(
        &joined(video_pts),
        judged.video_pts(),
        1e-4,
        "pictures of the segments and the whole",
    );
    assert_same_times(
        &joined(audio_pts),
        judged.audio_pts(),
        1e-4,
        "audio of the segments and the whole",
    );
}

fn video_pts(media: &Media) -> &[f64] {
    media.video.as_ref().map_or(&[], |video| &video.pts)
}

fn audio_pts(media: &Media) -> &[f64] {
    media.audio.as_ref().map_or(&[], |audio| &audio.pts)
}

/// Every EXTINF is the time from its first picture to the next segment's (Apple 8.1: within a
/// frame; here within one millisecond), and PROGRAM-DATE-TIME follows.
fn durations_are_true(recording: &Recording, judged: &Judged) {
    let starts: Vec<f64> = match judged.whole.video {
        Some(_) => judged.cuts(),
        None => judged.alone.iter().map(|segment| audio_pts(segment)[0]).collect(),
    };
    for (index, pair) in starts.windows(2).enumerate() {
        let segment = &recording.segments[index];
        assert_close(segment.duration, pair[1] - pair[0], MILLISECOND, "EXTINF");
        let dated = (recording.segments[index + 1].unix_ms - segment.unix_ms) as f64 / 1000.0;
        assert_close(dated, pair[1] - pair[0], 2.0 * MILLISECOND, "PROGRAM-DATE-TIME");
    }
}

/// The source rendition is what was published: the same pictures and audio frames at the same
/// times.
///
/// A segment starts with a picture, so audio that was sent before the first one is not there.
pub(crate) fn is_the_source(source: &Judged, published: &Media) {
    is_the_source_within(source, published, AUDIO);
}

fn is_the_source_within(source: &Judged, published: &Media, tolerance: f64) {
    let shift = shift(source, published);
    let shifted = |pts: &[f64]| pts.iter().map(|time| time + shift).collect::<Vec<_>>();
    assert_same_times(
        source.video_pts(),
        &shifted(video_pts(published)),
        MILLISECOND,
        "source's pictures",
    );
    let first = published
        .audio
        .as_ref()
        .filter(|_| published.video.is_some())
        .map_or(0, |audio| audio.before_video);
    assert!(first <= 1, "ffmpeg interleaves well");
    assert_same_times(
        source.audio_pts(),
        &shifted(&audio_pts(published)[first..]),
        tolerance,
        "source's audio",
    );
}

/// What was added to the published times.
fn shift(source: &Judged, published: &Media) -> f64 {
    match video_pts(published).first() {
        Some(first) => source.video_pts()[0] - first,
        None => source.audio_pts()[0] - audio_pts(published)[0],
    }
}

/// A rendition of ours has every `nth` of the source's pictures, at the source's times, and the
/// source's audio: its frames, or all of its sound but for what an encoder has to see beyond the
/// end of what there is.
pub(crate) fn is_a_rendition_of(rendition: &Judged, source: &Judged, nth: usize) {
    let expected: Vec<f64> = source.video_pts().iter().copied().step_by(nth).collect();
    assert_same_times(rendition.video_pts(), &expected, 1e-4, "the rendition's pictures");
    match (&rendition.whole.audio, &source.whole.audio) {
        (Some(own), Some(copied)) if own.profile != copied.profile => {
            // SBR doubles the samples of a frame.
            let frame = 2048.0 / own.sample_rate_hz as f64;
            let copied_frame = 1024.0 / copied.sample_rate_hz as f64;
            let [first, .., last] = own.pts[..] else { panic!("sound") };
            let exact: Vec<_> = (0..own.pts.len()).map(|n| first + n as f64 * frame).collect();
            assert_same_times(&own.pts, &exact, 1e-4, "the rendition's own audio");
            let (begins, ends) = (copied.pts[0], copied.pts[copied.pts.len() - 1]);
            // Frames are where a clock of ours has them: the first begins somewhat before the
            // sound, or with the first picture where the sound comes in front of that.
            assert!((-frame..=2.0 * frame).contains(&(first - begins)), "{first} for {begins}");
            // The last one begins within the last of the publisher's.
            assert!(
                (-OWN_AUDIO_LACKS..=frame + copied_frame).contains(&(last + frame - ends)),
                "{last}, {ends}"
            );
        }
        _ => {
            let (own, copied) = (rendition.audio_pts(), source.audio_pts());
            assert_same_times(own, copied, 1e-4, "the rendition's audio");
        }
    }
}

/// What an encoder of a rendition's own audio looks ahead, and a frame.
const OWN_AUDIO_LACKS: f64 = 0.3;

/// Both were cut at the same pictures, under the same sequence numbers.
pub(crate) fn are_cut_together(one: (&Recording, &Judged), other: (&Recording, &Judged)) {
    assert_eq!(one.0.segments[0].sequence, other.0.segments[0].sequence);
    assert_same_times(&one.1.cuts(), &other.1.cuts(), 1e-4, "cuts");
}

/// The codec string in the first segment's SPS.
pub(crate) fn codec_string(recording: &Recording) -> String {
    let stream = demux(&recording.segments[0].data);
    let first = of_pid(&stream, VIDEO_PID).next().expect("video");
    super::bitstream::codec_string(nal_unit(&first.data, 7).expect("an SPS"))
}

/// Two lists of times are equal, each time within `tolerance`.
pub(crate) fn assert_same_times(actual: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    let different = actual.iter().zip(expected).position(|(a, b)| (a - b).abs() > tolerance);
    let around = different.map(|at| {
        let near = at.saturating_sub(2)..at + 3;
        (at, actual.get(near.clone()).map(<[f64]>::to_vec), expected.get(near).map(<[f64]>::to_vec))
    });
    assert!(
        actual.len() == expected.len() && different.is_none(),
        "{what}: {} (from {:?} to {:?}) instead of {} (from {:?} to {:?}); first difference at {around:?}",
        actual.len(),
        actual.first(),
        actual.last(),
        expected.len(),
        expected.first(),
        expected.last(),
    );
}

/// Two numbers are equal within `tolerance`.
pub(crate) fn assert_close(actual: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (actual - expected).abs() <= tolerance,
        "{what}: {actual} instead of {expected} +- {tolerance}"
    );
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}
